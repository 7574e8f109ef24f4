"""Each recipe that comes with openbasket has the paper's values and trains, on inputs made small."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest
import torch
from contracts.test_models import SMALL as SMALL_MODELS
from typer.testing import CliRunner

from openbasket import cli
from openbasket.dataset.reader import SPLIT_FILES
from openbasket.models import MODELS, TEXT_MODELS, create_model
from openbasket.skills import OFFICIAL_ORDER
from openbasket.training import loop
from openbasket.training.config import load_recipe, recipe_names
from openbasket.video.write import VideoWriter
from openbasket.workspace import write_text

SMALL = [
    "data.frames=4",
    "data.size=64",
    "data.short_side=64",
    "train.epochs=1",
    "train.batch_size=2",
    "train.precision=fp32",
    "train.schedule=constant",
    "train.step_epochs=[]",
    "train.warmup_epochs=0",
    "train.accumulate=1",
    "train.loader_workers=0",
]
#: Table 7 (and the frames of Table 2): learning rate, epochs, warm-up, batch, optimiser, drop path, frames.
TABLE_7 = {
    "llava_onevision": (1e-5, 1, 0, 1, "adamw", 0.0, 32),
    "memvit": (5e-2, 20, 0, 16, "sgd", 0.5, 64),
    "siglip": (1e-5, 20, 0, 8, "adamw", 0.0, 64),
    "videomae2": (7e-4, 20, 2, 1, "adamw", 0.1, 32),
    "xclip": (1e-6, 20, 0, 8, "adamw", 0.0, 16),
    "timesformer": (1e-2, 20, 0, 16, "sgd", 0.5, 96),
    "umt": (7e-3, 20, 2, 2, "adamw", 0.1, 32),
    "internvideo2": (6e-5, 20, 2, 4, "adamw", 0.3, 32),
    "videomamba": (3e-4, 20, 2, 4, "adamw", 0.5, 64),
}
#: What the small models of tests/contracts/test_models.py give as tuples stays as the model has it.
TUPLES = ("stages",)


@pytest.mark.parametrize("name", sorted(TABLE_7))
def test_table_7(name):
    recipe = load_recipe(name)
    train = recipe.train
    assert (
        train.learning_rate, train.epochs, train.warmup_epochs, train.batch_size, train.optimizer,
        recipe.model.options.get("drop_path_rate", 0.0), recipe.data.frames,
    ) == TABLE_7[name]  # fmt: skip
    assert recipe.model.name == name
    assert recipe.data.sampling == "uniform"
    assert (recipe.test.temporal_views, recipe.test.spatial_views) == (1, 1)
    assert recipe.data.size == (384 if name == "llava_onevision" else 224)


def test_each_model_of_the_paper_has_a_recipe_and_a_small_one():
    assert {*TABLE_7, *(f"{name}-tiny" for name in TABLE_7)} <= set(recipe_names())
    for name in TABLE_7:
        assert load_recipe(f"{name}-tiny").model.name == f"{name}-tiny"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Four short reels, of which all are trained on and two validate."""
    root = tmp_path_factory.mktemp("reels")
    lines = [",".join(["path", *(skill.name for skill in OFFICIAL_ORDER)])]
    for i in range(4):
        path = f"BASKET/21-22/L/s{i}_21_22.mp4"
        with VideoWriter(root / path, width=96, height=64) as writer:
            for _ in range(6):
                writer.write(np.full((64, 96, 3), 60 * i, np.uint8))
        lines.append(",".join([path, *[str(i)] * 20]))
    for split, count in (("train", 4), ("val", 2)):
        write_text(root / SPLIT_FILES[split], "\n".join(lines[: count + 1]) + "\n")
    return root


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_for_two_steps(name, root, tmp_path):
    recipe = load_recipe(name)
    changes = list(SMALL)
    if recipe.model.name in TEXT_MODELS:
        changes += ["data.size=28", "data.short_side=28", "model.name=llava_onevision-tiny"]
    options = SMALL_MODELS.get(recipe.model.name, {})
    if recipe.model.name.startswith("memvit"):  # three blocks of one width, by a name of our own
        changes.append(f"model.name={__name__}:small_memvit")
        options = {}
    if recipe.data.sampling == "clips":  # these videos do not tell where their clips begin
        changes = ["transcripts.epochs=0", "model.frozen=false", "data.sampling=uniform", *changes]
        if "backbone" in recipe.model.options:
            changes.append("model.options.backbone=tiny_conv")
    changes += [f"model.options.{key}={value}" for key, value in options.items()]
    seen = []
    report = loop.train(
        load_recipe(name, changes), root, tmp_path, quiet=True, workers=1, on_epoch=seen.append
    )
    assert report.epochs == 1
    steps = (tmp_path / "steps.csv").read_text().splitlines()
    assert len(steps) == 1 + 2
    assert seen[0]["train_loss"] > 0
    assert (tmp_path / "best.safetensors").exists()
    assert report.parameters < 2_000_000 or "tiny" in name


def small_memvit(**options):
    """MeMViT with three blocks; its stages are no plain value, and so not in a recipe."""
    return create_model("memvit", **SMALL_MODELS["memvit"], **options)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_builds_its_model_at_full_size(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    if recipe.model.name in TEXT_MODELS:
        pytest.skip("tests/unit/test_llava_onevision.py builds them")
    assert recipe.model.name in MODELS
    with torch.device("meta"):
        model = create_model(
            recipe.model.name,
            num_frames=recipe.data.frames,
            size=recipe.data.size,
            levels=recipe.data.levels,
            **recipe.model.options,
        )
        clips = torch.empty(1, 3, recipe.data.frames, recipe.data.size, recipe.data.size)
        assert model.eval()(clips).shape == (1, 20, recipe.data.levels)


def test_recipes_are_listed_and_shown():
    done = CliRunner().invoke(cli.app, ["recipes", "--json"])
    listed = {item["name"]: item for item in json.loads(done.output)}
    assert list(listed) == recipe_names()
    assert listed["videomamba"]["frames"] == 64
    assert 7.3e7 < listed["videomamba"]["parameters"] < 7.5e7
    assert "VideoMamba" in CliRunner().invoke(cli.app, ["recipes"]).output
    shown = CliRunner().invoke(cli.app, ["recipes", "show", "umt"])
    assert shown.output.startswith("# UnmaskedTeacher")
    assert tomllib.loads(shown.output)["train"]["learning_rate"] == 7e-3
    wrong = CliRunner().invoke(cli.app, ["recipes", "show", "umtt"])
    assert "Did you mean 'umt'" in str(wrong.exception)
