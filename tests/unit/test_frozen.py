"""Heads alone, on features that are computed once: the same logits, and nothing else learns."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_data import OWN, SMALL, write_dataset
from typer.testing import CliRunner

from openbasket import cli
from openbasket.dataset.frame_cache import cache_frames
from openbasket.dataset.reader import read_split
from openbasket.errors import ConfigError, NotFoundError, OpenBasketError
from openbasket.training import features, loop, predict
from openbasket.training.building import build_model
from openbasket.training.checkpoint import load_weights, save_weights
from openbasket.training.config import load_recipe
from openbasket.training.data import ClipDataset

COUNT = 6


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A dataset of six reels, and a run of one epoch to begin with."""
    root = tmp_path_factory.mktemp("frozen")
    write_dataset(root, COUNT)
    cache_frames(
        [s.video for s in read_split(root, "train")], root / "openbasket" / "frame_cache",
        frames=3, short_side=32, workers=1, quiet=True,
    )  # fmt: skip
    loop.train(
        load_recipe("tiny", [*SMALL, "train.epochs=1"]), root, root / "begun", quiet=True, workers=1
    )
    return root


def settings(root, *more):
    weights = root / "begun" / "best.safetensors"
    return [*SMALL, "train.epochs=3", "model.frozen=true", f"model.weights={weights}", *more]


def run(recipe, root, out, **options):
    return loop.train(recipe, root, out, quiet=True, workers=1, **options)


def test_heads_learn_and_nothing_else(root, tmp_path):
    report = run(load_recipe("tiny", settings(root)), root, tmp_path / "run")
    begun = load_file(root / "begun" / "best.safetensors")
    made = load_file(tmp_path / "run" / "best.safetensors")
    assert made.keys() == begun.keys()
    changed = {name for name in made if not torch.equal(made[name], begun[name])}
    assert changed == {"heads.linear.weight", "heads.linear.bias"}
    losses = [line["train_loss"] for line in report.history]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    last = load_file(tmp_path / "run" / "last.safetensors")
    assert sum(name.endswith("exp_avg") for name in last) == 2
    assert {name for name in last if name.startswith("model/")} == {
        "model/linear.weight", "model/linear.bias"
    }  # fmt: skip
    card = (tmp_path / "run" / "MODEL_CARD.md").read_text()
    assert "the heads alone have learned" in card


@pytest.mark.parametrize("more", [(), ("data.sampling=interval", "data.interval=2")], ids=str)
def test_logits_are_the_same_with_and_without_the_cache(root, tmp_path, more):
    recipe = load_recipe("tiny", settings(root, *more))
    report = run(recipe, root, tmp_path / "run")
    assert report.features_computed in (0, 2 * COUNT)
    model = build_model(recipe).eval()
    load_weights(tmp_path / "run" / "best.safetensors", model)
    samples = read_split(root, "val")
    cached = cache_frames(
        [s.video for s in samples], root / "openbasket" / "frame_cache", frames=3, short_side=32,
        every=2 if more else 0, workers=1, quiet=True,
    )  # fmt: skip
    clips = torch.stack([ClipDataset(samples, cached, recipe.data)[0, i][0] for i in range(COUNT)])
    accelerator = loop.make_accelerator(recipe)
    held = features.features_of(
        accelerator, recipe, model, samples, cached, root / "openbasket" / "feature_cache"
    )
    assert held.computed == 0
    with torch.no_grad():
        torch.testing.assert_close(model.heads(held.values), model(clips), rtol=1e-5, atol=1e-6)
    made = predict.predict(tmp_path / "run", root, tmp_path / "p.parquet", quiet=True, workers=1)
    wanted = model.heads(held.values).detach().softmax(2).view(-1, 5)
    np.testing.assert_allclose(
        made.frame.select("p0", "p1", "p2", "p3", "p4").to_numpy(), wanted.numpy(), atol=1e-6
    )


def test_features_are_computed_once_for_weights_and_what_the_model_sees(root, tmp_path):
    def computed(*more):
        recipe = load_recipe("tiny", settings(root, "train.epochs=1", *more))
        name = f"{len(list(tmp_path.iterdir()))}"
        return run(recipe, root, tmp_path / name).features_computed

    computed()
    left = root / "openbasket" / "feature_cache" / ".openbasket-tmp-left"
    left.write_bytes(b"of a killed run")
    assert computed() == 0
    assert not left.exists()
    assert computed("train.learning_rate=0.01", "train.batch_size=2", "train.ema=0.5") == 0
    assert computed("data.normalise=half") == 2 * COUNT
    assert computed("train.precision=bf16") == 2 * COUNT
    loop.train(
        load_recipe("tiny", [*SMALL, "train.epochs=1", "train.seed=5"]), root, tmp_path / "other",
        quiet=True, workers=1,
    )  # fmt: skip
    other = f"model.weights={tmp_path / 'other' / 'best.safetensors'}"
    assert computed(other) == 2 * COUNT
    assert computed(other) == 0


def test_changed_code_of_ones_own_model_computes_features_anew(root, tmp_path, monkeypatch):
    code = (
        "from training_models import Plain\n\n\nclass Own(Plain):\n"
        "    def __init__(self, levels: int) -> None:\n"
        "        super().__init__(levels, drop=0.0)\n"
        "        self.body = self.linear.__class__(3, 3)\n"
        "        self.heads, self.linear = self.linear, None\n\n"
        "    def features(self, clips):\n"
        "        return self.body(clips.mean(dim=(2, 3, 4)))\n\n"
        "    def forward(self, clips):\n"
        "        return self.heads(self.features(clips)).view(len(clips), 20, self.levels)\n"
    )
    file = tmp_path / "frozen_own.py"
    file.write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    own = [*OWN, "model.name=frozen_own:Own"]
    recipe = load_recipe("tiny", own)
    model = build_model(recipe)
    samples = read_split(root, "val")
    cached = cache_frames(
        [s.video for s in samples], root / "openbasket" / "frame_cache", frames=3, short_side=32,
        workers=1, quiet=True,
    )  # fmt: skip
    accelerator = loop.make_accelerator(recipe)

    def computed():
        return features.features_of(
            accelerator, recipe, model, samples, cached, tmp_path / "features", quiet=True
        ).computed

    assert [computed(), computed()] == [COUNT, 0]
    file.write_text(code.replace("return self.body(", "return 2 * self.body("))
    assert [computed(), computed()] == [COUNT, 0]


def test_a_frozen_run_goes_on_bit_for_bit_with_an_average(root, tmp_path):
    recipe = load_recipe("tiny", settings(root, "train.ema=0.9", "train.accumulate=2"))
    run(recipe, root, tmp_path / "straight")

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, root, tmp_path / "stopped", on_epoch=stop)
    assert run(recipe, root, tmp_path / "stopped").resumed_from == 1
    for name in ("last.safetensors", "best.safetensors", "metrics.csv", "steps.csv"):
        whole = (tmp_path / "straight" / name).read_bytes()
        assert (tmp_path / "stopped" / name).read_bytes() == whole, name
    assert run(recipe, root, tmp_path / "stopped").features_computed is None


def test_a_frozen_run_goes_on_only_with_the_weights_that_it_began_with(root, tmp_path):
    recipe, out = load_recipe("tiny", settings(root)), tmp_path / "run"

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, root, out, on_epoch=stop)
    best = out / "best.safetensors"
    own = best.read_bytes()
    best.unlink()
    with pytest.raises(NotFoundError, match="frozen weights the run needs"):
        run(recipe, root, out)
    model = build_model(recipe)
    load_weights(root / "begun" / "best.safetensors", model)
    with torch.no_grad():
        next(model.parameters()).mul_(2)
    save_weights(best, model, {})
    with pytest.raises(OpenBasketError, match="not those that the run began with"):
        run(recipe, root, out)
    best.write_bytes(own)
    assert run(recipe, root, out).resumed_from == 1


def test_the_verb_tells_where_features_come_from(root, tmp_path):
    def train(out, *more):
        line = ["train", "tiny", "--data", str(root), "--out", str(tmp_path / out), "--quiet"]
        for setting in (*settings(root, "train.seed=3"), *more):
            line += ["--set", setting]
        return CliRunner().invoke(cli.app, [*line, "--workers", "1"])

    train("a")
    done = train("b")
    assert done.exit_code == 0, done.output
    assert f"features of {2 * COUNT} reels: 0 computed, {2 * COUNT} from the cache" in done.stdout
    assert "heads alone" in (tmp_path / "b" / "train.log").read_text()
    told = json.loads((tmp_path / "b" / "recipe.json").read_text())
    assert told["recipe"]["model"]["frozen"] is True
    assert "(counted from 0)" in done.stdout
    assert "nothing was left to learn" not in done.stdout
    assert "nothing was left to learn: the run was finished before" in train("b").stdout


def test_what_does_not_go_with_a_frozen_backbone_is_refused(root, tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_recipe(
            "tiny",
            [
                *("model.frozen=true", "model.checkpointing=true", "model.compile=true"),
                *("data.flip=true", "data.erasing=0.1", "data.randaugment.operations=2"),
            ],
        )
    for part in (
        "fresh weights",
        "model.checkpointing",
        "model.compile",
        "data.flip",
        "data.erasing",
        "set data.randaugment.operations to 0",
    ):
        assert part in str(caught.value), part
    with pytest.raises(ConfigError, match="answers in text"):
        load_recipe("llava_onevision-tiny", ["model.frozen=true", "model.weights=x"])
    weights = tmp_path / "plain.safetensors"
    own = [*OWN, "model.name=training_models:Plain"]
    run(load_recipe("tiny", own), root, tmp_path / "own")
    weights = tmp_path / "own" / "best.safetensors"
    recipe = load_recipe("tiny", [*own, "model.frozen=true", f"model.weights={weights}"])
    with pytest.raises(
        ConfigError, match=r"Plain does not tell features from heads.*features\(clips\)"
    ):
        run(recipe, root, tmp_path / "run")
