"""A set model may be told of which league and season a reel is; where it is not, it rates all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from openbasket.dataset.reader import Sample, read_split
from openbasket.dataset.rendered import load_benchmark, make
from openbasket.errors import ConfigError
from openbasket.models import create_model
from openbasket.training.building import build_model
from openbasket.training.checkpoint import load_weights
from openbasket.training.config import load_recipe
from openbasket.training.features import FeatureDataset, conditions_of, frozen_features
from openbasket.training.loop import train
from openbasket.training.predict import predict
from openbasket.training.processes import make_accelerator
from openbasket.training.rating import Rater
from openbasket.training.reading import read_frames
from openbasket.training.transcripts import pretrain
from openbasket.workspace import Workspace

LEVELS = [f"p{n}" for n in range(5)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rendered")
    make(Workspace(root, create=True), load_benchmark("mini"), quiet=True)
    return root


@pytest.fixture(scope="module")
def settings(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Heads that learn on one encoder, and quickly."""
    recipe = load_recipe("skillquery-tiny", ["transcripts.epochs=1", "transcripts.clips=16"])
    made = pretrain(recipe, root, tmp_path_factory.mktemp("taught"), workers=1, quiet=True).encoder
    return [
        f"model.weights={made}",
        "transcripts.epochs=0",
        "train.epochs=3",
        "train.learning_rate=0.01",
    ]


@pytest.fixture(scope="module")
def leagues(root: Path) -> list[str]:
    return sorted({s.league for s in read_split(root, "train")})


def heads(**options):
    torch.manual_seed(0)
    return create_model("skillquery-tiny", conditions=3, **options).heads.eval()


def person(league: str, season: str) -> Sample:
    return Sample("p", "p", league, season, "p.mp4", Path("p.mp4"), (1,) * 20)


@pytest.mark.parametrize("pooling", ["queries", "mean"])
@pytest.mark.parametrize("members", [1, 2])
def test_what_is_told_changes_the_rating_and_nothing_told_is_zeros(
    pooling: str, members: int
) -> None:
    model = heads(pooling=pooling, members=members)
    features = torch.randn(2, model.inputs)
    told = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    plain = model(features)
    torch.testing.assert_close(model(torch.cat([features, torch.zeros(2, 3)], 1)), plain)
    one = model(torch.cat([features, told], 1))
    assert not torch.allclose(one, plain)
    other = model(torch.cat([features, told.flip(0)], 1))
    assert not torch.allclose(one, other)
    attention = model.attention(torch.cat([features, told], 1))
    torch.testing.assert_close(attention.sum(2), torch.ones(2, 20))


def test_every_league_is_left_out_of_some_reels_in_training() -> None:
    model = heads(clip_dropout=0.0, dropout=0.0).train()
    features = torch.randn(1, model.inputs).expand(400, -1)
    told = torch.tensor([[1.0, 0, 0]]).expand(400, -1)
    rated = model(torch.cat([features, told], 1))
    untold = (rated - model(features)).abs().amax((1, 2)) < 1e-6
    assert 0.1 < untold.float().mean() < 0.3


def test_a_league_is_told_at_its_place_and_another_as_unknown() -> None:
    data = load_recipe("skillquery", ["data.leagues=['b', 'a']", "data.seasons=['21-22']"]).data
    people = [person("a", "21-22"), person("b", "22-23"), person("c", "22-23")]
    assert conditions_of(people, data).tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert conditions_of(people, load_recipe("skillquery").data).shape == (3, 0)
    reel, _, _ = FeatureDataset(people, torch.zeros(3, 4), conditions_of(people, data))[0, 0]
    assert reel.tolist() == [0, 0, 0, 0, 0, 1, 1]


def test_a_run_is_told_learns_it_and_predicts_with_it(
    root: Path, settings: list[str], leagues: list[str], tmp_path: Path
) -> None:
    season = read_split(root, "train")[0].season
    recipe = load_recipe(
        "skillquery-tiny", [*settings, f"data.leagues={leagues}", f"data.seasons=['{season}']"]
    )
    run = tmp_path / "run"
    report = train(recipe, root, run, workers=1, quiet=True)
    assert np.isfinite([line["train_loss"] for line in report.history]).all()
    weights = load_file(run / "best.safetensors")["heads.members.0.condition.weight"]
    assert weights.shape == (32, len(leagues) + 1)

    splits = ["test", "cross_league"]
    found = predict(run, root, tmp_path / "p.parquet", splits=splits, quiet=True, workers=1).frame
    samples = [s for split in splits for s in read_split(root, split)]
    model = build_model(recipe).eval()
    load_weights(run / "best.safetensors", model)
    cached = read_frames(samples, root, run, recipe, workers=1, quiet=True)
    features = frozen_features(
        make_accelerator(recipe), recipe, model, samples, cached, root, run, quiet=True
    ).values
    told = torch.tensor([[s.league in leagues, s.season == season] for s in samples]).float()
    assert {tuple(row) for row in told.tolist()} >= {(1, 1), (0, 1)}
    with torch.no_grad():
        known = model.heads(torch.cat([features, told], 1)).double().softmax(2)
        unknown = model.heads(features).double().softmax(2)
    assert not torch.allclose(known, unknown, atol=1e-3)
    by_subject = found.partition_by("subject_id", as_dict=True)
    for sample, wanted in zip(samples, known, strict=True):
        rows = by_subject[sample.subject_id,].select(LEVELS).to_numpy()
        np.testing.assert_allclose(rows, wanted.numpy(), atol=1e-5)

    # of a single video nothing is known
    rater = Rater(run, device="cpu")
    pixels = cached[0].read()
    np.testing.assert_allclose(rater.rate([pixels])[0], unknown[0].numpy(), atol=1e-4)
    with pytest.raises(ConfigError, match="one view"):
        predict(run, root, tmp_path / "q.parquet", views=(1, 3), quiet=True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["data.leagues=['a', 'a']"], "each name once"),
        (["data.seasons=['']"], "none of them empty"),
        (
            ["data.leagues=['a']", "model.frozen=false", "transcripts.redraw=0"],
            "model.frozen = true",
        ),
        (["data.leagues=['a']", "test.spatial_views=3"], "spatial_views = 1"),
    ],
)
def test_settings_that_cannot_be(changes: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_recipe("skillquery-tiny", changes)


def test_leagues_of_nobody_and_models_that_cannot_be_told(
    root: Path, settings: list[str], leagues: list[str], tmp_path: Path
) -> None:
    for key, there in (("leagues", leagues[0]), ("seasons", read_split(root, "train")[0].season)):
        recipe = load_recipe("skillquery-tiny", [*settings, f"data.{key}=['nowhere']"])
        with pytest.raises(
            ConfigError, match=f"data.{key}: nobody in train is of 'nowhere'.*{there}"
        ):
            train(recipe, root, tmp_path / key, workers=1, quiet=True)
        assert not (tmp_path / key / "metrics.csv").exists()
    recipe = load_recipe("skillquery-tiny", [*settings, f"data.leagues={leagues}"])
    other = recipe.model_copy(
        update={"model": recipe.model.model_copy(update={"name": "tiny_conv"})}
    )
    with pytest.raises(ConfigError, match="are for models of sets of clips"):
        train(other, root, tmp_path / "other", workers=1, quiet=True)
