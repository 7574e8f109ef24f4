"""The set model over clips, and its clip encoder's lessons from transcripts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.dataset.reader import SPLIT_FILES, has_split, read_split
from openbasket.dataset.rendered import load_benchmark, make
from openbasket.errors import ConfigError, NotFoundError
from openbasket.models import SET_MODELS, create_model
from openbasket.models.clip_encoder import TEAM_DIM
from openbasket.models.layers import decays, layer_depths
from openbasket.models.questions import ANSWERS, ATTACKING, TARGETS
from openbasket.models.skillquery import SPECS, OrdinalHeads, SetModel
from openbasket.packaged import text
from openbasket.tables import FILMED_KINDS
from openbasket.training import transcripts
from openbasket.training.building import build_model, load_start
from openbasket.training.config import load_recipe
from openbasket.training.data import MISSING, of_persons
from openbasket.training.faults import TrainingError
from openbasket.training.features import FeatureDataset, FrozenSession
from openbasket.training.loop import train
from openbasket.training.losses import head_sums, skill_loss
from openbasket.training.optim import make_optimizer
from openbasket.training.predict import predict
from openbasket.training.processes import make_accelerator
from openbasket.training.reading import read_frames
from openbasket.training.session import Session
from openbasket.training.transcripts import (
    ENCODER,
    PretrainReport,
    clip_targets,
    clip_teams,
    pretrain,
    tell,
    told_plays,
)
from openbasket.workspace import Workspace


@pytest.fixture
def reels() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 3, 24, 64, 64)


def tiny(**options):
    torch.manual_seed(1)
    return create_model("skillquery-tiny", **options).eval()


def swapped(reels: torch.Tensor, order: list[int]) -> torch.Tensor:
    return reels.unflatten(2, (6, 4))[:, :, order].flatten(2, 3)


def mini_but(folder: Path, **changes: str) -> Path:
    """The mini benchmark with other settings."""
    lines = text("rendered", "mini").splitlines()
    for name, value in changes.items():
        lines = [f"{name} = {value}" if line.startswith(f"{name} =") else line for line in lines]
    folder.mkdir()
    (folder / "other.toml").write_text("\n".join(lines))
    workspace = Workspace(folder / "data", create=True)
    make(workspace, load_benchmark(str(folder / "other.toml")), quiet=True)
    return workspace.root


# -- the set model


@pytest.mark.parametrize("pooling", ["queries", "mean"])
def test_the_order_of_clips_is_nothing(reels: torch.Tensor, pooling: str) -> None:
    model = tiny(pooling=pooling)
    torch.testing.assert_close(model(swapped(reels, [5, 2, 0, 1, 4, 3])), model(reels))


def test_clips_that_are_not_there_change_nothing(reels: torch.Tensor) -> None:
    model = tiny()
    reels[0, :, 8:] = torch.nan
    first = model(reels)[0]
    assert first.isfinite().all()
    other = swapped(reels, [2, 3, 0, 4, 1, 5])
    torch.testing.assert_close(model(other)[0], first)


def test_clips_that_are_not_there_do_not_enter_the_statistics(reels: torch.Tensor) -> None:
    whole, part = tiny(), tiny()
    few = reels[:1].clone()
    few[:, :, 8:] = torch.nan
    for model, seen in ((whole, reels[:1, :, :8]), (part, few)):
        model.train()
        if model is whole:  # the two clips alone
            model.encoder(seen.unflatten(2, (2, 4)).transpose(1, 2).flatten(0, 1))
        else:
            model(seen)
    for (name, a), b in zip(whole.encoder.named_buffers(), part.encoder.buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)


@pytest.mark.parametrize("pooling", ["queries", "mean"])
def test_every_weight_learns(reels: torch.Tensor, pooling: str) -> None:
    model = tiny(pooling=pooling, tokens="both").train()
    model(reels).sum().backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    assert [name for name, grad in grads.items() if grad is None or not grad.abs().sum()] == []


def test_a_reel_of_no_clips_is_rated_alike_with_and_without_gradients(reels: torch.Tensor) -> None:
    model = tiny()
    reels[0] = torch.nan
    learning = model(reels)
    with torch.no_grad():
        torch.testing.assert_close(model(reels), learning)
    assert learning.isfinite().all()


def test_one_clip_is_enough(reels: torch.Tensor) -> None:
    reels[:, :, 4:] = torch.nan
    assert tiny()(reels).isfinite().all()


def test_attention_is_a_share_of_the_clips_that_are_there(reels: torch.Tensor) -> None:
    reels[1, :, 12:] = torch.nan
    for pooling in ("queries", "mean"):
        model = tiny(pooling=pooling)
        weights = model.heads.attention(model.features(reels))
        assert weights.shape == (2, 20, 6)
        torch.testing.assert_close(weights.sum(2), torch.ones(2, 20))
        assert (weights[1, :, 3:] == 0).all()


def test_frames_inside_a_clip_have_an_order(reels: torch.Tensor) -> None:
    model = tiny()
    clip = reels[:, :, :4]
    assert not torch.allclose(model.of_clips(clip.flip(2)), model.of_clips(clip), rtol=1e-3)


def test_a_registered_model_can_be_the_clip_encoder(reels: torch.Tensor) -> None:
    model = tiny(backbone="tiny_conv")
    assert model(reels).shape == (2, 20, 5)
    assert model.clip_features == (create_model("tiny_conv").heads.linear.in_features, 0)


def test_a_registered_model_has_its_own_layers_and_is_made_twice_layer_by_layer(
    reels: torch.Tensor,
) -> None:
    def kept(**options) -> tuple[int, list[torch.Tensor]]:
        kept: list[int] = []
        model = tiny(backbone="siglip-tiny", tokens="features", dropout=0.0, **options).train()
        model.heads.clip_dropout = 0.0
        with torch.autograd.graph.saved_tensors_hooks(
            lambda value: kept.append(value.nbytes) or value, lambda value: value
        ):
            logits = model(reels)
        logits.square().sum().backward()
        return sum(kept), [p.grad for p in model.parameters() if p.grad is not None]

    plain, gradients = kept()
    less, same = kept(gradient_checkpointing=True)
    assert less < plain / 4
    torch.testing.assert_close(same, gradients, rtol=1e-4, atol=1e-5)
    model = tiny(backbone="siglip-tiny")
    inner = layer_depths(model.encoder.model)
    depths = layer_depths(model)
    assert {d for n, d in depths.items() if n.startswith("encoder.")} == set(range(8))
    assert all(depths[f"encoder.model.{name}"] == depth for name, depth in inner.items())
    assert {d for n, d in depths.items() if n.startswith(("heads.", "answers."))} == {8}


def test_activations_that_are_made_twice_enter_running_statistics_once(
    reels: torch.Tensor,
) -> None:
    def learned(**options) -> tuple[dict[str, torch.Tensor], list[torch.Tensor]]:
        torch.manual_seed(0)
        model = tiny(tokens="features", dropout=0.0, **options).train()
        model.heads.clip_dropout = 0.0
        model(reels).square().sum().backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        return dict(model.named_buffers()), gradients

    plain, gradients = learned()
    again, same = learned(gradient_checkpointing=True)
    assert any(name.endswith("running_mean") and value.any() for name, value in plain.items())
    torch.testing.assert_close(again, plain, rtol=0, atol=0)
    torch.testing.assert_close(same, gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"clips": 5}, "multiple of clips"),
        ({"heads": 3}, "multiple of heads"),
        ({"ordinal": "corns"}, "ordinal: got 'corns'"),
        ({"pooling": "max"}, "pooling: got 'max'"),
        ({"clip_dropout": 1.0}, "clip_dropout"),
        ({"size": 60}, "multiple of 16"),
        ({"backbone": "skillquery-tiny"}, "a model of single clips"),
        ({"heads": 2.0}, "heads must be a whole number"),
        ({"shown": 2.0}, "shown must be a whole number"),
        ({"conv_width": -8}, "conv_width must be a whole number"),
        ({"recurs": "no"}, "recurs must be true or false"),
    ],
)
def test_options_that_cannot_be(options, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        tiny(**options)


def test_clips_need_not_see_each_other(reels: torch.Tensor) -> None:
    assert tiny(depth=0)(reels).shape == (2, 20, 5)


def test_clip_dropout_leaves_a_clip_and_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    model = SetModel(
        8, 5, width=16, depth=1, heads=2, dropout=0.0, clip_dropout=0.9, ordinal="softmax",
        pooling="queries",
    )  # fmt: skip
    given, there = torch.randn(200, 6, 8), torch.zeros(200, 6, dtype=torch.bool)
    _, absent = model.train()._tokens(given, there)
    assert 0.2 < absent.float().mean() < 0.7
    assert not absent.all(1).any()
    _, absent = model.eval()._tokens(given, there)
    assert not absent.any()


def test_members_learn_each_by_themselves_and_their_probabilities_are_averaged() -> None:
    torch.manual_seed(0)
    model = tiny(members=3)
    clips = torch.randn(2, 3, 24, 64, 64)
    assert model.train()(clips).shape == (3, 2, 20, 5)
    with torch.inference_mode():
        logits = model.eval()(clips)
        features = model.features(clips)
        each = []
        for member in model.heads.members:
            alone = tiny(members=1).eval()
            alone.heads.members[0].load_state_dict(member.state_dict())
            each.append(alone.heads(features).softmax(2))
            torch.testing.assert_close(
                alone.heads.attention(features).sum(2), torch.ones(2, 20), atol=1e-5, rtol=0
            )
    assert (each[0] - each[1]).abs().max() > 0.01
    torch.testing.assert_close(logits.exp(), torch.stack(each).mean(0), atol=1e-5, rtol=0)
    shown = torch.stack([m.attention(*model.heads._seen(features)) for m in model.heads.members])
    torch.testing.assert_close(model.heads.attention(features), shown.mean(0), atol=1e-5, rtol=0)


def test_the_loss_is_the_mean_of_the_members_and_each_has_a_gradient_of_its_own() -> None:
    torch.manual_seed(0)
    model = tiny(members=3, dropout=0.0, clip_dropout=0.0).train()
    features = torch.randn(4, model.heads.inputs)
    labels = torch.randint(0, 5, (4, 20))
    labels[0, :3] = MISSING
    logits = model.heads(features)
    sums, counts = head_sums(logits[1], labels)
    wanted = torch.autograd.grad(
        skill_loss(sums, counts), list(model.heads.members[1].parameters()), retain_graph=True
    )
    recipe = load_recipe("skillquery-tiny", ["model.options.members=3"])
    session = FrozenSession(
        make_accelerator(recipe), recipe, model, model.heads, make_optimizer(model, recipe.train), None,
        [], FeatureDataset([], features), FeatureDataset([], features),
    )  # fmt: skip
    loss = session._loss(features, labels, counts)
    assert loss.item() == pytest.approx(
        np.mean([skill_loss(head_sums(one, labels)[0], counts).item() for one in logits]), rel=1e-5
    )
    found = torch.autograd.grad(loss, list(model.heads.members[1].parameters()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(3 * one, other, atol=1e-6, rtol=1e-4)
    # and is clipped by itself, to its share of the norm
    assert session._apart == list(model.heads.members)
    together = load_recipe(
        "skillquery-tiny",
        [
            "model.options.members=3",
            "model.frozen=false",
            "transcripts.epochs=0",
            "transcripts.redraw=0",
        ],
    )
    session = Session(
        make_accelerator(together), together, model, model, make_optimizer(model, together.train), None,
        [], FeatureDataset([], features), FeatureDataset([], features),
    )  # fmt: skip
    assert session._apart == [model]


def test_an_ensemble_that_was_interrupted_goes_on_to_the_same_end(
    root: Path, encoder: Path, tmp_path: Path
) -> None:
    settings = [
        "model.options.members=2",
        "train.ema=0.9",
        "train.epochs=3",
        "transcripts.epochs=0",
    ]
    recipe = load_recipe("skillquery-tiny", [*settings, f"model.weights={encoder}"])

    def stop(line):
        if line["epoch"] == 1:
            raise KeyboardInterrupt

    train(recipe, root, tmp_path / "whole", workers=1, quiet=True)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, root, tmp_path / "parts", workers=1, quiet=True, on_epoch=stop)
    train(recipe, root, tmp_path / "parts", workers=1, quiet=True)
    made = []
    for name in ("whole", "parts"):
        table = predict(tmp_path / name, root, tmp_path / f"{name}.parquet", workers=1, quiet=True)
        made.append(table.frame.select("p0", "p1", "p2", "p3", "p4"))
    assert made[0].equals(made[1])
    np.testing.assert_allclose(made[0].sum_horizontal().to_numpy(), 1, atol=1e-5)


def test_a_clip_encoder_that_gives_no_numbers_is_no_clip_that_is_not_there(
    reels: torch.Tensor,
) -> None:
    model = tiny().eval()
    with torch.no_grad():
        model.encoder.place.fill_(torch.nan)
        with pytest.raises(ValueError, match="no numbers"):
            model(reels)


def test_thresholds_and_biases_do_not_decay() -> None:
    heads = OrdinalHeads(7, 5, "cumulative")
    assert {name for name, p in heads.named_parameters() if decays(name, p)} == {"weight"}


# -- ordinal heads


@pytest.mark.parametrize("kind", ["softmax", "cumulative", "corn"])
@pytest.mark.parametrize("levels", [3, 5])
def test_ordinal_heads_give_probabilities(kind, levels: int) -> None:
    torch.manual_seed(0)
    logits = OrdinalHeads(7, levels, kind)(3 * torch.randn(4, 20, 7))
    assert logits.shape == (4, 20, levels)
    total = logits.exp().sum(2)
    if kind != "softmax":  # logits are logarithms of probabilities
        torch.testing.assert_close(total, torch.ones(4, 20), atol=1e-4, rtol=0)


def test_cumulative_heads_rise_with_the_score() -> None:
    heads = OrdinalHeads(1, 5, "cumulative")
    with torch.no_grad():
        heads.weight.fill_(1.0)
    scores = torch.linspace(-6, 6, 9).view(9, 1, 1).expand(9, 20, 1)
    mean = (heads(scores).exp() * torch.arange(5)).sum(2)
    assert (mean.diff(dim=0) > 0).all()


def test_corn_is_the_chain_of_conditional_answers() -> None:
    heads = OrdinalHeads(2, 4, "corn")
    found = torch.randn(3, 20, 2)
    scores = torch.einsum("bsf,sfo->bso", found, heads.weight) + heads.bias
    p = torch.sigmoid(scores)
    wanted = torch.stack(
        [
            1 - p[..., 0], p[..., 0] * (1 - p[..., 1]),
            p[..., 0] * p[..., 1] * (1 - p[..., 2]), p.prod(-1),
        ],
        -1,
    )  # fmt: skip
    torch.testing.assert_close(heads(found).exp(), wanted)


@pytest.mark.parametrize("kind", ["cumulative", "corn"])
def test_ordinal_heads_learn_an_order(kind) -> None:
    torch.manual_seed(0)
    heads = OrdinalHeads(1, 5, kind)
    x = torch.randn(400, 1, 1).expand(400, 20, 1)
    y = torch.bucketize(x[..., 0].contiguous(), torch.tensor([-0.84, -0.25, 0.25, 0.84]))
    optimizer = torch.optim.Adam(heads.parameters(), 0.1)
    for _ in range(150):
        loss = F.cross_entropy(heads(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (heads(x).argmax(2) == y).float().mean() > 0.9


# -- lessons from transcripts


def test_targets_are_what_the_events_say(root: Path) -> None:
    samples = read_split(root, "train")
    found = np.concatenate(clip_targets(root, samples))
    workspace = Workspace(root)
    events = pl.concat([workspace.read("events", *place) for place in workspace.seasons("events")])
    names = [s.subject_id for s in samples]
    reels = workspace.read("reels").filter(pl.col("subject_id").is_in(names))
    order = pl.DataFrame({"subject_id": names, "n": range(len(names))})
    told = (
        reels.join(order, on="subject_id").join(events, on=["game_id", "event_id"], how="left")
        .sort("n", "position")
    )  # fmt: skip
    assert len(found) == told.height
    keys = list(TARGETS)
    assert [FILMED_KINDS[i] for i in found[:, keys.index("part")]] == told["kind"].to_list()
    plays = [TARGETS["play"][i] for i in found[:, keys.index("play")]]
    asked = 0
    for play, row, distance in zip(
        plays, told.iter_rows(named=True), found[:, keys.index("distance")], strict=True
    ):
        if row["kind"] == "field_goal":
            value = {2: "two", 3: "three"}[row["value"]]
            assert play == f"{value} {'made' if row['made'] else 'missed'}"
            metres = np.hypot(row["x_m"], row["y_m"])
            assert distance == np.searchsorted([1.5, 4.0, 6.6], metres)
            asked += 1
        elif row["kind"] == "free_throw":
            assert play == f"free throw {'made' if row['made'] else 'missed'}"
            assert distance == MISSING
    assert asked > 20
    playing = [clip for reel in clip_teams(root, read_split(root, "train")) for clip in reel]
    for answers, teams, row in zip(found, playing, told.iter_rows(named=True), strict=True):
        own = int(row["team_id"] != teams[0])
        assert row["team_id"] == teams[own]
        assert answers[keys.index("team")] == own
        assert answers[keys.index("half")] == (row["period"] > 1)
        if row["kind"] != "foul":
            has_ball = own if row["kind"] in ATTACKING else 1 - own
            assert answers[keys.index("offence")] == has_ball
    assert ((found >= MISSING) & (found < 12)).all()


LESSONS = ["transcripts.epochs=1", "train.epochs=1"]


def test_one_command_teaches_the_encoder_and_trains_the_set_model(
    root: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    report = train(load_recipe("skillquery-tiny", LESSONS), root, run, workers=1, quiet=True)
    assert report.features_computed == report.train_samples + report.val_samples
    told = json.loads((run / "lessons" / "pretrain_report.json").read_text())
    assert told["clips"] > 50
    assert set(told["accuracy"]) == set(TARGETS)
    assert set(told["recurring"]) == {"team", "part"}
    encoder = load_file(run / "lessons" / ENCODER)
    best = load_file(run / "best.safetensors")
    assert all(torch.equal(best[name], value) for name, value in encoder.items())
    done = predict(run, root, tmp_path / "p.parquet", workers=1, quiet=True)
    assert not done.failures
    total = done.frame.select(pl.sum_horizontal("p0", "p1", "p2", "p3", "p4")).to_series()
    assert total.is_close(pl.Series([1.0] * len(total))).all()
    assert not (run / "lessons" / "frame_cache").exists()  # the frames are read once


def test_lessons_of_other_settings_are_not_gone_on_with(root: Path, tmp_path: Path) -> None:
    def learn(*more: str) -> None:
        recipe = load_recipe("skillquery-tiny", [*LESSONS, *more])
        pretrain(recipe, root, tmp_path / "pre", workers=1, quiet=True)

    learn()
    learn()
    with pytest.raises(ConfigError, match="other settings"):
        learn("transcripts.batch_size=8")


def test_lessons_of_a_folder_that_is_not_whole_are_not_gone_on_with(
    root: Path, tmp_path: Path
) -> None:
    recipe = load_recipe("skillquery-tiny", [*LESSONS, "transcripts.clips=16"])
    whole = tmp_path / "whole"
    pretrain(recipe, root, whole, workers=1, quiet=True)
    faults = [("pretrain.json", None), (ENCODER, None), ("pretrain.json", "{"),
              ("pretrain.json", '{"recipe": 3}')]  # fmt: skip
    for number, (name, content) in enumerate(faults):
        folder = Path(shutil.copytree(whole, tmp_path / str(number)))
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_text(content)
        with pytest.raises(ConfigError, match=f"(?s){name}.*--no-resume"):
            pretrain(recipe, root, folder, workers=1, quiet=True)
    pretrain(recipe, root, folder, workers=1, quiet=True, resume=False)
    assert (folder / ENCODER).is_file()


@pytest.mark.parametrize("clips", [3, 12])
def test_other_numbers_of_clips_for_the_data_and_the_model_are_refused(clips: int) -> None:
    recipe = load_recipe("skillquery-tiny", [f"data.clips={clips}", "transcripts.epochs=1"])
    with pytest.raises(ConfigError, match=f"set model.options.clips to {clips}"):
        build_model(recipe)
    recipe = load_recipe("skillquery-tiny", [f"data.clips={clips}", f"model.options.clips={clips}"])
    assert build_model(recipe).clips == clips


def test_weights_that_are_no_numbers_are_refused(encoder: Path, tmp_path: Path) -> None:
    state = load_file(encoder)
    name = next(name for name in state if name.endswith("asks"))
    state[name][0, 0] = torch.nan
    save_file(state, tmp_path / "nan.safetensors")
    given = ["transcripts.epochs=0", f"model.weights={tmp_path}/nan.safetensors"]
    recipe = load_recipe("skillquery-tiny", given)
    with pytest.raises(ConfigError, match=f"no numbers, in {name}"):
        load_start(recipe, build_model(recipe))


@pytest.mark.parametrize("fault", ["short", "square", "endless", "bits", "nothing"])
def test_damaged_features_are_computed_again(
    root: Path, encoder: Path, tmp_path: Path, fault: str
) -> None:
    given = ["transcripts.epochs=0", f"model.weights={encoder}", "train.epochs=1"]
    recipe = load_recipe("skillquery-tiny", given)
    first = train(recipe, root, tmp_path / "one", workers=1, quiet=True)
    assert first.features_computed > 1
    file = next((tmp_path / "one").rglob("*.npz"))
    whole, length = file.read_bytes(), len(np.load(file)["features"])
    arrays = {
        "short": np.zeros(3), "square": np.zeros((2, 2)), "endless": np.full(length, np.inf),
    }  # fmt: skip
    if fault in arrays:
        np.savez(file, features=arrays[fault])
    else:
        flipped = whole[:-72] + bytes([whole[-72] ^ 1]) + whole[-71:]  # "it is encrypted"
        file.write_bytes(flipped if fault == "bits" else b"none")
    again = train(recipe, root, tmp_path / "one", workers=1, quiet=True, resume=False)
    assert again.features_computed == 1


def test_frames_that_are_not_shown_change_nothing(reels: torch.Tensor) -> None:
    model, other = tiny(frames_shown=2), reels.clone()
    hidden = [frame for frame in range(24) if frame % 4 not in (1, 3)]
    other[:, :, hidden] = 0
    torch.testing.assert_close(model(other), model(reels))
    other[:, :, 1] += 1
    assert not torch.allclose(model(other), model(reels))
    with pytest.raises(ValueError, match="frames_shown: got 5; allowed: 1 to 4"):
        tiny(frames_shown=5)


def test_clips_beyond_those_shown_change_nothing(reels: torch.Tensor) -> None:
    model = tiny(shown=4)
    first = model(reels)
    reels[:, :, 16:] = 5.0
    assert torch.equal(model(reels), first)
    reels[:, :, :16] = 5.0
    assert not torch.equal(model(reels), first)
    with pytest.raises(ValueError, match="shown: got 7"):
        tiny(shown=7)


@pytest.mark.parametrize(("tokens", "each"), [("features", 64), ("answers", 74), ("both", 138)])
def test_tokens_are_features_answers_or_both(reels: torch.Tensor, tokens: str, each: int) -> None:
    model = tiny(tokens=tokens)
    found = model.features(reels).view(2, 6, -1)
    assert found.shape[2] == each
    if tokens != "features":
        answers = found[..., -74:-32].split([len(names) for names in TARGETS.values()], dim=2)
        for probabilities in answers:
            torch.testing.assert_close(probabilities.sum(2), torch.ones(2, 6))
    with pytest.raises(ValueError, match="tokens: got 'all'"):
        tiny(tokens="all")


def test_the_set_model_is_told_what_the_transcript_knows(root: Path, tmp_path: Path) -> None:
    samples = read_split(root, "train")
    recipe = load_recipe("skillquery-tiny", ["transcripts.told=['side', 'play']"])
    model = tiny()
    each = ANSWERS + 2 * TEAM_DIM
    given = torch.rand(len(samples), 6 * each)
    told = tell(given, model, root, samples, recipe)
    before, after = given.view(-1, 6, each), told.view(-1, 6, each)
    begins = np.cumsum([0, *map(len, TARGETS.values())])
    truth = clip_targets(root, samples)
    for number, (name, names) in enumerate(TARGETS.items()):
        part = slice(int(begins[number]), int(begins[number + 1]))
        for person, targets in enumerate(truth):
            for clip, answer in enumerate(targets[:6, number]):
                now = after[person, clip, part]
                if name in ("side", "play") and answer != MISSING:
                    assert now.tolist() == [float(k == answer) for k in range(len(names))]
                else:
                    assert torch.equal(now, before[person, clip, part])
    with pytest.raises(ConfigError, match="no such answer as 'sides'; allowed: play, part"):
        load_recipe("skillquery-tiny", ["transcripts.told=['sides']"])
    with pytest.raises(ConfigError, match=r"needs model\.options\.tokens = 'answers' or 'both'"):
        load_recipe(
            "skillquery-tiny", ["transcripts.told=['side']", "model.options.tokens=features"]
        )
    with pytest.raises(ConfigError, match="tokens = 'answers'"):
        tell(given, tiny(tokens="features"), root, samples, recipe)


def test_heads_of_other_settings_share_features_and_predict_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    make(Workspace(root, create=True), load_benchmark("mini"), quiet=True)
    cached = CliRunner().invoke(app, ["cache", str(root), "--recipe", "skillquery-tiny", "-q"])
    assert cached.exit_code == 0, cached.output
    first = train(
        load_recipe("skillquery-tiny", LESSONS), root, tmp_path / "a", workers=1, quiet=True
    )
    assert first.features_computed
    alike = [
        "transcripts.epochs=0", "train.epochs=1", f"model.weights={tmp_path}/a/lessons/{ENCODER}",
    ]  # fmt: skip
    other = [*alike, "model.options.pooling=mean", "model.options.shown=3"]
    second = train(
        load_recipe("skillquery-tiny", other), root, tmp_path / "b", workers=1, quiet=True
    )
    assert second.features_computed == 0
    third = [*alike, "model.options.tokens=features"]
    report = train(
        load_recipe("skillquery-tiny", third), root, tmp_path / "c", workers=1, quiet=True
    )
    assert report.features_computed == first.features_computed
    kept = predict(tmp_path / "b", root, tmp_path / "b.parquet", workers=1, quiet=True).frame
    monkeypatch.setattr("openbasket.training.predict.TestConfig", lambda: None)  # the long way
    whole = predict(tmp_path / "b", root, tmp_path / "c.parquet", workers=1, quiet=True).frame
    for level in ("p0", "p4"):
        np.testing.assert_allclose(kept[level], whole[level], atol=1e-6)


def test_it_trains_from_levels_alone(root: Path, tmp_path: Path) -> None:
    alone = ["transcripts.epochs=0", "model.frozen=false", "train.epochs=1"]
    report = train(load_recipe("skillquery-tiny", alone), root, tmp_path, workers=1, quiet=True)
    assert report.features_computed is None
    assert not (tmp_path / "lessons").exists()


def test_clips_of_a_second(tmp_path: Path) -> None:
    short = mini_but(tmp_path / "short", before_s="0.6", after_s="0.4")
    assert set(Workspace(short).read("reels")["frames"]) == {30}
    recipe = load_recipe("skillquery-tiny", LESSONS)
    report = train(recipe, short, tmp_path / "run", workers=1, quiet=True)
    made = predict(tmp_path / "run", short, tmp_path / "p.parquet", workers=1, quiet=True).frame
    assert np.isfinite(report.best_val_loss)
    assert made["p0"].is_not_null().all()


def test_a_league_without_labels_is_left_out_of_the_loss(tmp_path: Path) -> None:
    copy = mini_but(tmp_path / "two", unseen_leagues="[]")
    silent, loud = sorted({s.league for s in read_split(copy, "train")})
    assert silent != loud
    for split in ("train", "val"):
        path = copy / SPLIT_FILES[split]
        lines = path.read_text().splitlines()
        path.write_text(
            "\n".join(
                f"{line.split(',')[0]}{',' * 20}" if f"/{silent}/" in line else line
                for line in lines
            )
        )
    dumb = [s for s in read_split(copy, "train") if s.league == silent]
    assert dumb
    assert all(level is None for s in dumb for level in s.levels)
    report = train(
        load_recipe("skillquery-tiny", LESSONS), copy, tmp_path / "run", workers=1, quiet=True
    )
    assert np.isfinite([line["train_loss"] for line in report.history]).all()
    made = predict(tmp_path / "run", copy, tmp_path / "p.parquet", workers=1, quiet=True).frame
    assert made["p0"].is_not_null().all()


def test_a_run_is_not_gone_on_with_after_its_encoder_or_its_transcripts_have_changed(
    tmp_path: Path,
) -> None:
    root = tmp_path / "data"
    make(Workspace(root, create=True), load_benchmark("mini"), quiet=True)
    first = load_recipe("skillquery-tiny", LESSONS)
    train(first, root, tmp_path / "first", workers=1, quiet=True)
    file = tmp_path / "first" / "lessons" / ENCODER
    settings = ["transcripts.epochs=0", "train.epochs=1", f"model.weights={file}"]
    second = load_recipe("skillquery-tiny", [*settings, "transcripts.redraw=1"])
    train(second, root, tmp_path / "second", workers=1, quiet=True)
    before = file.read_bytes()
    changed = load_file(file)
    changed["encoder.asks"] += 1
    save_file(changed, file)
    with pytest.raises(ConfigError, match="began with other weights"):
        train(second, root, tmp_path / "second", workers=1, quiet=True)
    file.write_bytes(before)
    train(second, root, tmp_path / "second", workers=1, quiet=True)
    workspace = Workspace(root)
    league, season = workspace.seasons("events")[0]
    events = workspace.read("events", league, season)
    workspace.write("events", events.head(events.height - 1), league, season)
    with pytest.raises(ConfigError, match="holds a run on other data"):
        train(second, root, tmp_path / "second", workers=1, quiet=True)


def interrupted_after_the_first_lesson(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Interrupt the second lesson before it is measured; returns a list of what was measured."""
    measured, calls = transcripts._measured, []

    def stopped(*given):
        calls.append(0)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measured(*given)

    monkeypatch.setattr(transcripts, "_measured", stopped)
    return calls


def test_lessons_that_were_interrupted_go_on_to_the_same_end(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["transcripts.epochs=2", "transcripts.batch_size=8", "transcripts.clips=24"]
    recipe = load_recipe("skillquery-tiny", settings)

    def learn(name: str) -> bytes:
        pretrain(recipe, root, tmp_path / name, workers=1, quiet=True)
        return (tmp_path / name / ENCODER).read_bytes()

    whole = learn("whole")
    calls = interrupted_after_the_first_lesson(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        learn("parts")
    assert learn("parts") == whole
    assert len(calls) == 3


def test_lessons_of_several_draws_show_each_play_once_and_none_of_other_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = mini_but(tmp_path / "drawn", events="6\ndraws = 3")
    splits = {
        s.subject_id: n for n in SPLIT_FILES if has_split(data, n) for s in read_split(data, n)
    }
    reels = Workspace(data).read("reels")
    of = reels.with_columns(split=pl.col("subject_id").replace_strict(splits, default=None))
    others = of.filter((pl.col("split") != "train") & (pl.col("draw") == 0))["clip_id"]
    own = of.filter(split="train")
    taught = own.filter(~pl.col("clip_id").is_in(others.implode()))
    plays = taught.unique(["subject_id", "game_id", "event_id"])
    assert plays.height < taught.height < own.height  # there is something to leave out
    made = []
    clips = transcripts._Clips

    class Kept(clips):
        def __init__(self, *given, **more):
            super().__init__(*given, **more)
            made.append(self)

    monkeypatch.setattr(transcripts, "_Clips", Kept)
    settings = ["transcripts.epochs=1", "transcripts.draws=[0, 1, 2]", "transcripts.clips=16"]
    report = pretrain(
        load_recipe("skillquery-tiny", settings), data, tmp_path / "run", workers=1, quiet=True
    )
    assert report.clips == plays.height
    assert report.val_clips == of.filter(split="val", draw=0).height
    # pictures and targets are of the same clip
    recipe = load_recipe("skillquery-tiny", ["data.draw=2"])
    last = read_split(data, "train", draw=2)[-1]
    (entry,) = read_frames([last], data, tmp_path / "run", recipe, workers=1, quiet=True)
    (targets,) = clip_targets(data, [last], 2)
    reel = len(made[0].targets) - 1
    assert (made[0].targets[reel][:, : len(TARGETS)] == targets).all()
    assert made[0]._entries[reel].recording == entry.recording


def test_draws_that_are_not_there(root: Path, tmp_path: Path) -> None:
    recipe = load_recipe("skillquery-tiny", ["transcripts.draws=[0, 1]"])
    with pytest.raises(NotFoundError, match=r"no reels of draw 1 \(it has: 0\)"):
        pretrain(recipe, root, tmp_path / "run", workers=1, quiet=True)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="each draw once"):
        load_recipe("skillquery-tiny", ["transcripts.draws=[1, 1]"])
    told = CliRunner().invoke(
        app,
        ["cache", str(root), "--recipe", "skillquery-tiny", "--set", "transcripts.draws=[0, 1]"],
    )
    assert isinstance(told.exception, NotFoundError)


def test_lessons_heed_what_changes_them_and_nothing_else(root: Path, tmp_path: Path) -> None:
    out, settings = tmp_path / "run", ["transcripts.epochs=1", "transcripts.clips=16"]

    def learn(*more: str, resume: bool = True) -> bytes:
        recipe = load_recipe("skillquery-tiny", [*settings, *more])
        pretrain(recipe, root, out, workers=1, quiet=True, resume=resume)
        return (out / ENCODER).read_bytes()

    first = learn()
    stamp = (out / ENCODER).stat().st_mtime_ns
    assert learn("model.options.members=2", "train.loader_workers=1") == first
    assert (out / ENCODER).stat().st_mtime_ns == stamp
    with pytest.raises(ConfigError, match=r"transcripts.learning_rate was .*--no-resume"):
        learn("transcripts.learning_rate=0.01")
    assert learn("transcripts.learning_rate=0.01", resume=False) != first
    # heads of other settings learn from the same encoder
    assert learn("model.options.members=2", "model.options.width=64", resume=False) == first


STILL = ["transcripts.epochs=1", "transcripts.clips=16", "transcripts.learning_rate=1e-12"]


def test_lessons_begin_with_the_weights_of_the_recipe(
    root: Path, encoder: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given.safetensors"
    given.write_bytes(encoder.read_bytes())
    begun = [*STILL, f"model.weights={given}"]

    def learn(*more: str) -> PretrainReport:
        recipe = load_recipe("skillquery-tiny", [*begun, *more])
        return pretrain(recipe, root, tmp_path / "run", workers=1, quiet=True)

    report = learn()
    assert report.start is not None
    before, after = load_file(given), load_file(report.encoder)
    assert before.keys() == after.keys()
    for name, weight in before.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(after[name], weight, rtol=0, atol=1e-7)
    fresh = pretrain(
        load_recipe("skillquery-tiny", STILL), root, tmp_path / "fresh", workers=1, quiet=True
    )
    assert fresh.start is None
    assert not torch.allclose(load_file(fresh.encoder)["encoder.asks"], before["encoder.asks"])
    moved = given.rename(tmp_path / "moved.safetensors")
    learn(f"model.weights={moved}")  # whatever it is called
    save_file(before | {"encoder.asks": before["encoder.asks"] + 1}, moved)
    with pytest.raises(ConfigError, match=r"model.weights, with which it began, have changed"):
        learn(f"model.weights={moved}")
    with pytest.raises(ConfigError, match=r"model.weights, with which it began, have changed"):
        pretrain(
            load_recipe("skillquery-tiny", STILL), root, tmp_path / "run", workers=1, quiet=True
        )


def test_lessons_do_not_write_over_the_weights_they_begin_with(
    root: Path, encoder: Path, tmp_path: Path
) -> None:
    given = tmp_path / "run" / "lessons" / ENCODER
    given.parent.mkdir(parents=True)
    given.write_bytes(encoder.read_bytes())
    recipe = load_recipe("skillquery-tiny", [*STILL, f"model.weights={given}"])
    for resume in (True, False):
        with pytest.raises(ConfigError, match=r"would write over .*Give another --out"):
            train(recipe, root, tmp_path / "run", workers=1, quiet=True, resume=resume)
    assert given.read_bytes() == encoder.read_bytes()


def test_a_run_does_not_write_over_the_weights_it_begins_with(
    root: Path, encoder: Path, tmp_path: Path
) -> None:
    settings = ["transcripts.epochs=0", "train.epochs=1"]
    first = load_recipe("skillquery-tiny", [*settings, f"model.weights={encoder}"])
    train(first, root, tmp_path / "run", workers=1, quiet=True)
    best = tmp_path / "run" / "best.safetensors"
    before = best.read_bytes()
    again = load_recipe("skillquery-tiny", [*settings, f"model.weights={best}"])
    with pytest.raises(ConfigError, match="would write over"):
        train(again, root, tmp_path / "run", workers=1, quiet=True, resume=False)
    assert best.read_bytes() == before
    assert train(first, root, tmp_path / "run", workers=1, quiet=True).resumed_from == 1


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("encoder.frame.1.running_mean", torch.nan),
        ("encoder.asks", torch.nan),
        ("encoder.asks", torch.inf),
    ],
)
def test_weights_and_statistics_that_are_no_numbers_are_refused(
    encoder: Path, tmp_path: Path, where: str, value: float
) -> None:
    state = load_file(encoder)
    state[where].view(-1)[0] = value
    save_file(state, tmp_path / "odd.safetensors")
    recipe = load_recipe("skillquery-tiny", [*STILL, f"model.weights={tmp_path}/odd.safetensors"])
    with pytest.raises(ConfigError, match=f"no numbers, in {where}"):
        load_start(recipe, build_model(recipe))


def test_interrupted_after_a_lesson_it_tells_what_is_kept(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("skillquery-tiny", ["transcripts.epochs=2", "transcripts.clips=16"])
    interrupted_after_the_first_lesson(monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="and 1 of 2 passes over the clips of the lessons"):
        train(recipe, root, tmp_path / "run", workers=1, quiet=True)


def test_lessons_go_on_from_answers_that_the_set_model_is_not_given(
    root: Path, encoder: Path, tmp_path: Path
) -> None:
    settings = [*STILL, "model.options.tokens=features", f"model.weights={encoder}"]
    report = pretrain(
        load_recipe("skillquery-tiny", settings), root, tmp_path, workers=1, quiet=True
    )
    before, after = load_file(encoder), load_file(report.encoder)
    asked = [name for name in before if name.startswith("answers.")]
    assert asked
    for name in asked:
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=1e-7)
    assert report.start is not None
    assert not report.start.missing
    assert not report.start.unexpected


def test_lessons_begin_with_parts_where_the_recipe_says_so(
    root: Path, encoder: Path, tmp_path: Path
) -> None:
    some = {n: v for n, v in load_file(encoder).items() if n != "encoder.asks"}
    save_file(some, tmp_path / "some.safetensors")
    settings = [*STILL, f"model.weights={tmp_path}/some.safetensors"]

    def learn(*more: str) -> PretrainReport:
        recipe = load_recipe("skillquery-tiny", [*settings, *more])
        return pretrain(recipe, root, tmp_path / "run", workers=1, quiet=True)

    with pytest.raises(
        ConfigError, match=r"lacks 1 weight of model 'skillquery-tiny': encoder\.asks"
    ):
        learn()
    report = learn("model.partial=true")
    assert report.start is not None
    assert report.start.missing == ("encoder.asks",)


def test_a_run_goes_on_wherever_the_file_lies_that_its_lessons_began_with(
    root: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    given = tmp_path / "given.safetensors"
    given.write_bytes(encoder.read_bytes())

    def learn(file: str) -> int:
        recipe = load_recipe("skillquery-tiny", [*STILL, "train.epochs=1", f"model.weights={file}"])
        return train(recipe, root, tmp_path / "run", workers=1, quiet=True).resumed_from

    assert learn(str(given)) == 0
    given.rename(tmp_path / "moved.safetensors")
    assert learn("~/moved.safetensors") == 1
    runs = predict(tmp_path / "run", root, tmp_path / "p.parquet", workers=1, quiet=True)
    assert runs.frame.height
    assert json.loads((tmp_path / "p.runs.json").read_text())["run"]["pretraining"] == (
        "given, transcripts"
    )


def test_lessons_of_a_registered_model_begin_with_its_own_weights(
    root: Path, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    plain = create_model("siglip-tiny", num_frames=2, size=64)
    file = tmp_path / "siglip.safetensors"
    save_file(plain.state_dict(), file)
    settings = [
        *STILL, "train.epochs=1", "model.options.backbone=siglip-tiny", "data.size=64", "data.short_side=64",
        "transcripts.redraw=0", f"model.weights={file}",
    ]  # fmt: skip
    recipe = load_recipe("skillquery-tiny", settings)
    train(recipe, root, tmp_path / "run", workers=1, quiet=True)
    learned = load_file(tmp_path / "run" / "lessons" / ENCODER)
    inside = {f"encoder.model.{n}": v for n, v in plain.state_dict().items()}
    shared = learned.keys() & inside.keys()
    assert len(shared) > 20
    for name in shared:
        torch.testing.assert_close(learned[name], inside[name], rtol=0, atol=1e-7)
    assert any(name.startswith("answers.") for name in learned)
    card = (tmp_path / "run" / "MODEL_CARD.md").read_text()
    assert f"learned from transcripts, begun from those of `{file}`" in card
    again = train(recipe, root, tmp_path / "run", workers=1, quiet=True)
    assert again.resumed_from == 1
    save_file({n: v + 1 for n, v in plain.state_dict().items()}, file)
    with pytest.raises(ConfigError, match="began with other weights"):
        train(recipe, root, tmp_path / "run", workers=1, quiet=True)


def test_lessons_are_of_the_share_of_persons_that_is_learned_from(
    root: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(
        "skillquery-tiny",
        ["transcripts.epochs=1", "transcripts.clips=16", "train.fraction=0.4"],
    )
    report = pretrain(recipe, root, tmp_path / "run", workers=1, quiet=True)
    few = of_persons(read_split(root, "train"), 0.4, recipe.train.seed)
    assert report.clips <= 6 * len(few) < 6 * len(read_split(root, "train"))


def test_lessons_that_diverge_are_an_error(root: Path, tmp_path: Path) -> None:
    recipe = load_recipe("skillquery-tiny", ["transcripts.learning_rate=1e30"])
    with pytest.raises(TrainingError, match="lesson 0"):
        pretrain(recipe, root, tmp_path / "run", workers=1, quiet=True)
    assert not (tmp_path / "run" / ENCODER).exists()


def test_told_plays_know_who_has_the_ball() -> None:
    def event(number: int, play: int, team: str, player: str, kind: str, **more):
        return {
            "game_id": "g", "event_id": str(number), "play_id": play, "period": 1, "clock_s": 100.0 - play,
            "team_id": team, "player_id": player, "kind": kind, "made": None, "value": None,
            "contested": None, "x_m": None, "y_m": None,
        } | more  # fmt: skip

    rows = [
        event(0, 0, "h", "h1", "foul"), event(1, 0, "a", "a1", "foul_drawn"),  # by a defender
        event(2, 1, "h", "h1", "foul"), event(3, 1, "a", "a1", "foul_drawn"),  # by an attacker, whose
        event(4, 2, "h", "h1", "turnover", clock_s=99.0),  # turnover is a play of its own
        event(5, 3, "a", "a1", "foul"), event(6, 3, "a", "a1", "turnover"),  # and of the same
        event(7, 4, "a", "a2", "foul"),  # nobody says who drew it
        event(8, 5, "h", "h2", "steal"), event(9, 5, "a", "a2", "turnover"),
        event(10, 6, "a", "a2", "defensive_rebound", period=2),
        event(11, 7, "a", "a2", "free_throw", period=3, made=True),
    ]  # fmt: skip
    unknown = {"made": pl.Boolean, "contested": pl.Boolean, "value": pl.Int8}
    unknown |= {"x_m": pl.Float32, "y_m": pl.Float32}
    games = pl.DataFrame(
        {"game_id": ["g"], "home_team_id": ["h"], "away_team_id": ["a"], "periods": [2]}
    )
    told = told_plays(pl.DataFrame(rows, schema_overrides=unknown), games).sort(
        pl.col("event_id").cast(pl.Int64)
    )
    home, away = 0, 1
    assert told["offence"].to_list() == [
        *(away, away), *(home, home), home, *(away, away), None, *(away, away), home, away,
    ]  # fmt: skip
    assert told["half"].to_list() == [0] * 10 + [1, 1]
    assert set(told["home_team_id"]) == {"h"}


def test_clips_of_games_that_the_tables_do_not_tell_of_have_no_teams(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "data", create=True)
    make(workspace, load_benchmark("mini"), quiet=True)
    cached = ["cache", str(workspace.root), "--recipe", "skillquery-tiny", "-q"]
    assert CliRunner().invoke(app, cached).exit_code == 0
    for league, season in workspace.seasons("events"):
        events = workspace.read("events", league, season)
        workspace.write("events", events.filter(pl.col("period") == 1), league, season)
    recipe = load_recipe("skillquery-tiny", LESSONS)
    report = pretrain(recipe, workspace.root, tmp_path / "run", workers=1, quiet=True)
    assert report.clips


def test_what_cannot_learn_from_transcripts_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="learns nothing from transcripts"):
        pretrain(load_recipe("tiny"), root, tmp_path / "a", quiet=True)
    settings = [f"data.{x}" for x in ("sampling=clips", "frames=12", "clips=6")]
    settings.append("transcripts.epochs=1")
    with pytest.raises(ConfigError, match="has no clip encoder"):
        pretrain(load_recipe("tiny", settings), root, tmp_path / "b", quiet=True)
    with pytest.raises(ConfigError, match="multiple of clips"):
        load_recipe("skillquery-tiny", ["data.frames=25"])
    with pytest.raises(ConfigError, match="needs data"):
        load_recipe("tiny", ["transcripts.epochs=1"])
    with pytest.raises(ConfigError, match="temporal_views must be 1"):
        load_recipe("skillquery-tiny", ["test.temporal_views=2"])


def test_a_table_that_does_not_tell_of_a_reel(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "copy", create=True)
    make(workspace, load_benchmark("mini"), quiet=True)
    left_out = read_split(workspace.root, "train")[0].subject_id
    workspace.write("reels", workspace.read("reels").filter(pl.col("subject_id") != left_out))
    with pytest.raises(NotFoundError, match=f"no reel of 1 subject .'{left_out}'"):
        train(
            load_recipe("skillquery-tiny", ["transcripts.epochs=0", "model.frozen=false"]),
            workspace.root,
            tmp_path / "run",
            workers=1,
            quiet=True,
        )


def test_the_verb_prints_what_the_encoder_tells(root: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["pretrain", "skillquery-tiny", "--data", str(root), "--out", str(tmp_path / "pre"),
         "--set", "transcripts.epochs=1", "--set", "transcripts.clips=16", "--workers", "1", "--quiet"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "most frequent answer" in done.stdout
    assert (tmp_path / "pre" / ENCODER).is_file()


def test_a_dataset_without_transcripts_is_told_to_learn_from_levels(
    root: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "official"
    make(Workspace(copy, create=True), load_benchmark("mini"), quiet=True)
    (copy / "openbasket" / "reels.parquet").unlink()
    with pytest.raises(NotFoundError, match=r"no table 'reels'.*transcripts.epochs=0"):
        train(load_recipe("skillquery-tiny"), copy, tmp_path / "run", workers=1, quiet=True)


def test_all_models_of_sets_of_clips_are_known_as_such():
    assert set(SET_MODELS) == set(SPECS)
