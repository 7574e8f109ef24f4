"""A set model may be told of which league and season a reel is; where it is not, it rates all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.utils import set_seed
from safetensors.torch import load_file

from openbasket.dataset.reader import Sample, read_split
from openbasket.errors import ConfigError
from openbasket.evaluation import evaluate
from openbasket.models import create_model
from openbasket.training.building import build_model
from openbasket.training.checkpoint import load_weights
from openbasket.training.config import load_recipe
from openbasket.training.data import seed_of
from openbasket.training.features import FeatureDataset, conditions_of, frozen_features
from openbasket.training.loop import train
from openbasket.training.predict import predict
from openbasket.training.processes import make_accelerator
from openbasket.training.rating import Rater
from openbasket.training.reading import read_frames
from openbasket.training.redraw import RedrawnFeatures, season_targets
from openbasket.training.transcripts import clip_targets, pretrain
from openbasket.workspace import sha256

LEVELS = [f"p{n}" for n in range(5)]
CONDITION = "heads.members.0.condition.weight"


@pytest.fixture(scope="module")
def settings(encoder: Path) -> list[str]:
    """Heads that learn on one encoder, and quickly."""
    quick = ["train.epochs=3", "train.learning_rate=0.01"]
    return [f"model.weights={encoder}", "transcripts.epochs=0", *quick]


@pytest.fixture(scope="module")
def leagues(root: Path) -> list[str]:
    return sorted({s.league for s in read_split(root, "train")})


@pytest.fixture(scope="module")
def season(root: Path) -> str:
    return read_split(root, "train")[0].season


def heads(**options):
    """Heads that have learned something of leagues and seasons: they begin with nothing."""
    torch.manual_seed(0)
    made = create_model("skillquery-tiny", leagues=2, seasons=1, **options).heads.eval()
    for member in made.members:
        assert not member.condition.weight.any()
        torch.nn.init.normal_(member.condition.weight)
    return made


def person(league: str, season: str) -> Sample:
    return Sample("p", "p", league, season, "p.mp4", Path("p.mp4"), (1,) * 20)


# -- the set model


@pytest.mark.parametrize("pooling", ["queries", "mean"])
@pytest.mark.parametrize("members", [1, 2])
def test_conditions_change_the_rating_and_none_is_zeros(pooling: str, members: int) -> None:
    model = heads(pooling=pooling, members=members)
    features = torch.randn(2, model.inputs)
    conditions = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    plain = model(features)
    torch.testing.assert_close(model(torch.cat([features, torch.zeros(2, 3)], 1)), plain)
    one = model(torch.cat([features, conditions], 1))
    other = model(torch.cat([features, conditions.flip(0)], 1))
    assert not torch.allclose(one, plain)
    assert not torch.allclose(one, other)
    attention = model.attention(torch.cat([features, conditions], 1))
    torch.testing.assert_close(attention.sum(2), torch.ones(2, 20))


def test_each_condition_is_left_out_of_some_reels_in_training() -> None:
    model = heads(clip_dropout=0.0, dropout=0.0)
    features = torch.randn(1, model.inputs)
    cases = {"both": [1, 0, 1], "league": [1, 0, 0], "season": [0, 0, 1], "neither": [0, 0, 0]}
    given = {name: torch.cat([features, torch.tensor([c]).float()], 1) for name, c in cases.items()}
    rated = {name: model(reel)[0] for name, reel in given.items()}
    seen = model.train()(given["both"].expand(600, -1))
    share = {
        name: ((seen - wanted).abs().amax((1, 2)) < 1e-5).float().mean().item()
        for name, wanted in rated.items()
    }
    assert sum(share.values()) == pytest.approx(1)
    assert share["both"] == pytest.approx(0.64, abs=0.08)
    assert share["league"] == pytest.approx(0.16, abs=0.06)
    assert share["season"] == pytest.approx(0.16, abs=0.06)


def test_conditions_that_are_forgotten_in_training_are_refused() -> None:
    model = heads()
    features = torch.randn(2, model.inputs)
    with pytest.raises(ValueError, match="got 0 numbers of conditions; allowed: 3"):
        model.train()(features)
    with pytest.raises(ValueError, match="got 2 numbers of conditions; allowed: 3"):
        model.eval()(torch.cat([features, torch.zeros(2, 2)], 1))


# -- what it is given


def test_a_league_is_told_at_its_place_and_another_as_unknown() -> None:
    data = load_recipe("skillquery", ["data.leagues=['b', 'a']", "data.seasons=['21-22']"]).data
    people = [person("a", "21-22"), person("b", "22-23"), person("c", "22-23")]
    assert conditions_of(people, data).tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert conditions_of(people, load_recipe("skillquery").data).shape == (3, 0)
    reel, _, _ = FeatureDataset(people, torch.zeros(3, 4), conditions_of(people, data))[0, 0]
    assert reel.tolist() == [0, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_redrawn_reels_keep_their_own_conditions(root: Path, share: float) -> None:
    samples = read_split(root, "train")
    conditions = torch.arange(len(samples), dtype=torch.float32)[:, None]
    reels = RedrawnFeatures(
        samples, torch.randn(len(samples), 6 * 4), clip_targets(root, samples, 0),
        season_targets(root, samples), clips=6, share=share, seed=0, conditions=conditions,
    )  # fmt: skip
    ends = [reels[0, n][0][-1].item() for n in range(len(samples))]
    assert ends == list(range(len(samples)))


# -- a run


def test_a_run_is_told_learns_it_and_predicts_with_it(
    root: Path, settings: list[str], leagues: list[str], season: str, tmp_path: Path
) -> None:
    told = [*settings, f"data.leagues={leagues}", f"data.seasons=['{season}']"]
    recipe = load_recipe("skillquery-tiny", told)
    set_seed(seed_of("weights", recipe.train.seed))
    begun = build_model(recipe).state_dict()[CONDITION]
    for redraw in (0, 0.8):
        run = tmp_path / f"run{redraw}"
        varied = load_recipe("skillquery-tiny", [*told, f"transcripts.redraw={redraw}"])
        train(varied, root, run, workers=1, quiet=True)
        learned = load_file(run / "best.safetensors")[CONDITION]
        assert learned.shape == (32, len(leagues) + 1)
        assert ((learned - begun).norm(dim=0) > 0.01).all()

    splits = ["test", "cross_league"]
    found = predict(run, root, tmp_path / "p.parquet", splits=splits, quiet=True, workers=1).frame
    samples = [s for split in splits for s in read_split(root, split)]
    model = build_model(recipe).eval()
    load_weights(run / "best.safetensors", model)
    cached = read_frames(samples, root, run, recipe, workers=1, quiet=True)
    features = frozen_features(
        make_accelerator(recipe), recipe, model, samples, cached, root, run, quiet=True
    ).values
    known = torch.tensor([[s.league in leagues, s.season == season] for s in samples]).float()
    assert {tuple(row) for row in known.tolist()} >= {(1, 1), (0, 1)}
    with torch.no_grad():
        wanted = model.heads(torch.cat([features, known], 1)).double().softmax(2)
        unknown = model.heads(features).double().softmax(2)
    by_subject = found.partition_by("subject_id", as_dict=True)
    for sample, levels in zip(samples, wanted, strict=True):
        rows = by_subject[sample.subject_id,].select(LEVELS).to_numpy()
        np.testing.assert_allclose(rows, levels.numpy(), atol=1e-5)

    # a single video is of a league that is not known, or of one that is named
    rater, pixels = Rater(run, device="cpu"), cached[0].read()
    assert not torch.allclose(wanted[0], unknown[0], atol=1e-3)
    np.testing.assert_allclose(rater.rate([pixels])[0], unknown[0].numpy(), atol=1e-4)
    named = rater.of(samples[0].league, samples[0].season)
    np.testing.assert_allclose(named.rate([pixels])[0], wanted[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(rater.of("elsewhere", None).rate([pixels]), rater.rate([pixels]))
    reel = named.see(pixels)
    assert reel is not None
    shown = np.ones((1, recipe.data.clips), bool)
    np.testing.assert_allclose(reel.rate(shown)[0], wanted[0].numpy(), atol=1e-4)
    assert reel.attention().sum(1) == pytest.approx(1, abs=1e-4)

    with pytest.raises(ConfigError, match="one view"):
        predict(run, root, tmp_path / "q.parquet", views=(1, 3), quiet=True)
    assert f"whether a reel is of {leagues[0]}" in (run / "MODEL_CARD.md").read_text()
    notes = " ".join(evaluate([tmp_path / "p.parquet"], root, resamples=200).notes)
    assert f"run '{run.name}' was told the leagues and seasons of what it rates" in notes


def test_lessons_are_the_same_whatever_the_set_model_is_told(
    root: Path, leagues: list[str], tmp_path: Path
) -> None:
    lessons = ["transcripts.epochs=1", "transcripts.clips=16"]
    plain = load_recipe("skillquery-tiny", lessons)
    told = load_recipe("skillquery-tiny", [*lessons, f"data.leagues={leagues}"])
    first = sha256(pretrain(plain, root, tmp_path / "plain", workers=1, quiet=True).encoder)
    for recipe in (told, plain):  # the second goes on with what is done
        made = pretrain(recipe, root, tmp_path / "told", workers=1, quiet=True).encoder
        assert sha256(made) == first


# -- bad input


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
        (["model.options.leagues=2"], "give their names, as data.leagues"),
    ],
)
def test_settings_that_cannot_be(changes: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_recipe("skillquery-tiny", changes)


@pytest.mark.parametrize("key", ["leagues", "seasons"])
def test_leagues_and_seasons_of_nobody(
    root: Path, settings: list[str], leagues: list[str], season: str, key: str, tmp_path: Path
) -> None:
    there = leagues[0] if key == "leagues" else season
    recipe = load_recipe("skillquery-tiny", [*settings, f"data.{key}=['nowhere']"])
    with pytest.raises(ConfigError, match=f"nobody in train is of 'nowhere'.*{there}"):
        train(recipe, root, tmp_path / "run", workers=1, quiet=True)
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_a_model_that_cannot_be_told(
    root: Path, settings: list[str], leagues: list[str], tmp_path: Path
) -> None:
    recipe = load_recipe("skillquery-tiny", [*settings, f"data.leagues={leagues}"])
    other = recipe.model.model_copy(update={"name": "tiny_conv"})
    with pytest.raises(ConfigError, match="is for models of sets of clips"):
        train(
            recipe.model_copy(update={"model": other}),
            root,
            tmp_path / "run",
            workers=1,
            quiet=True,
        )
