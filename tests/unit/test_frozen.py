"""Heads on a frozen network learn from features that are computed once; nothing else learns."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from training_data import SMALL, write_dataset
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.errors import ConfigError
from openbasket.models import create_model
from openbasket.models.tiny_conv import TinyConv
from openbasket.training import loop
from openbasket.training.building import build_model
from openbasket.training.config import load_recipe
from openbasket.training.data import ClipDataset
from openbasket.training.frozen import features_of
from openbasket.training.predict import predict


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, 6)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(3)
    model = create_model("tiny_conv", num_frames=3, size=32, width=8, dim=32, depth=1)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_file(model.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def settings(weights):
    return [*SMALL, f"model.weights='{weights}'", "model.frozen=true", "train.epochs=3"]


def train(root, out, settings, **options):
    return loop.train(load_recipe("tiny", settings), root, out, quiet=True, workers=1, **options)


@pytest.fixture
def counted(monkeypatch):
    """Clips that pass through the network."""
    seen = []
    real = TinyConv.features
    monkeypatch.setattr(TinyConv, "features", lambda m, x: seen.append(len(x)) or real(m, x))
    return seen


def test_with_and_without_kept_features_the_same_is_learned(root, settings, tmp_path, counted):
    kept = train(root, tmp_path / "kept", settings)
    assert sum(counted) == 6  # train and val are the same six videos
    counted.clear()
    anew = train(root, tmp_path / "anew", [*settings, "model.feature_cache=false"])
    assert sum(counted) == 3 * (6 + 6)
    assert kept.history[-1]["train_loss"] < kept.history[0]["train_loss"]
    for one, two in zip(kept.history, anew.history, strict=True):
        assert one == pytest.approx(two, rel=1e-5)
    one, two = (load_file(tmp_path / run / "best.safetensors") for run in ("kept", "anew"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-5, atol=1e-7)
    assert "features that are computed once" in (tmp_path / "kept" / "train.log").read_text()
    assert "frozen network each time" in (tmp_path / "anew" / "train.log").read_text()


def test_the_heads_alone_change(root, settings, weights, tmp_path):
    train(root, tmp_path / "run", settings)
    before, after = load_file(weights), load_file(tmp_path / "run" / "best.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"heads.linear.weight", "heads.linear.bias"}
    predict(tmp_path / "run", root, tmp_path / "p.parquet", quiet=True, workers=1)
    assert pl.read_parquet(tmp_path / "p.parquet").height == 6 * 20


def test_logits_of_kept_features_are_those_of_the_network(root, settings, tmp_path):
    recipe = load_recipe("tiny", settings)
    model = build_model(recipe).eval()
    loop.train(recipe, root, tmp_path / "run", quiet=True, workers=1)
    samples = loop.read_split(root, "train")
    cached = loop.cache_frames(
        [s.video for s in samples], tmp_path / "run" / "frame_cache", frames=3, short_side=32,
        workers=1, quiet=True,
    )  # fmt: skip
    features = features_of(
        Accelerator(cpu=True), recipe, model, cached, tmp_path / "features", quiet=True
    )
    clips = ClipDataset(samples, cached, recipe.data)
    whole = torch.stack([clips[0, index][0] for index in range(len(samples))])
    with torch.no_grad():
        torch.testing.assert_close(model.heads(features), model(whole), rtol=1e-5, atol=1e-6)


def test_features_are_kept_for_weights_clips_and_options(settings, tmp_path, counted):
    root = tmp_path / "data"
    write_dataset(root, 6)
    (root / "openbasket" / "frame_cache").mkdir(parents=True)
    for run, more, passed in (
        ("a", ["train.epochs=1"], 6),
        ("b", ["train.epochs=1", "train.seed=7", "train.learning_rate=0.01"], 0),
        ("c", ["train.epochs=1", "data.normalise=half"], 6),
        ("d", ["train.epochs=1", "train.precision=bf16"], 6),
    ):
        counted.clear()
        train(root, tmp_path / run, [*settings, *more])
        assert sum(counted) == passed, run
    assert len(list((root / "openbasket" / "feature_cache").iterdir())) == 3


def test_a_stopped_run_goes_on_with_the_same_losses(root, settings, tmp_path):
    class StopError(Exception):
        pass

    def stop(line):
        raise StopError

    whole = train(root, tmp_path / "whole", [*settings, "train.ema=0.9"])
    with pytest.raises(StopError):
        train(root, tmp_path / "cut", [*settings, "train.ema=0.9"], on_epoch=stop)
    gone_on = train(root, tmp_path / "cut", [*settings, "train.ema=0.9"])
    assert gone_on.resumed_from == 1
    assert gone_on.history == whole.history


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["data.flip=true"], "change clips"),
        (["data.erasing=0.5"], "change clips"),
        (["data.randaugment.operations=2"], "change clips"),
        (["model.checkpointing=true"], "save nothing here"),
        (["model.compile=true"], "save nothing here"),
        (["train.layer_decay=0.5"], "layers that do not learn"),
        (["model.name=llava_onevision-tiny"], "has no heads"),
    ],
)
def test_what_makes_no_sense_with_a_frozen_network_is_refused(settings, more, told):
    with pytest.raises(ConfigError, match=rf"model\.frozen = true: .*{told}"):
        load_recipe("tiny", [*settings, *more])


def test_a_frozen_network_needs_weights_and_heads_that_are_known():
    with pytest.raises(ConfigError, match=r"model\.weights is not given"):
        load_recipe("tiny", [*SMALL, "model.frozen=true"])
    own = load_recipe("tiny", ["model.name=training_models:Plain", "model.frozen=true"])
    own = own.model_copy(update={"model": own.model.model_copy(update={"options": {}})})
    with pytest.raises(ConfigError, match=r"is no openbasket\.models\.base\.VideoModel"):
        build_model(own)


def test_the_command_tells_from_what_the_heads_learn(root, settings, tmp_path):
    words = [word for item in settings for word in ("--set", item)]
    line = ["train", "tiny", "--data", str(root), "--out", str(tmp_path / "run"), "--quiet"]
    done = CliRunner().invoke(app, [*line, *words, "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "the heads alone learn, from features" in " ".join(done.stdout.split())


def test_kept_features_are_float32_whatever_the_arithmetic(root, settings, tmp_path):
    train(root, tmp_path / "run", [*settings, "train.precision=bf16"])
    files = sorted((tmp_path / "run" / "feature_cache").rglob("*.npz"))
    assert len(files) == 6
    assert np.load(files[0])["features"].dtype == np.float32
