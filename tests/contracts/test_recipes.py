"""Each recipe that comes with openbasket trains, on inputs made small."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from openbasket.dataset.reader import SPLIT_FILES
from openbasket.models import create_model
from openbasket.skills import OFFICIAL_ORDER
from openbasket.training import loop
from openbasket.training.config import load_recipe, recipe_names
from openbasket.video.write import VideoWriter
from openbasket.workspace import write_text

SMALL = [
    "data.frames=3",
    "data.size=32",
    "data.short_side=32",
    "train.epochs=2",
    "train.batch_size=2",
]


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains(name, tmp_path):
    folder = tmp_path / "BASKET" / "21-22" / "L"
    lines = [",".join(["path", *(skill.name for skill in OFFICIAL_ORDER)])]
    for i in range(3):
        with VideoWriter(folder / f"s{i}_21_22.mp4", width=96, height=64) as writer:
            for _ in range(6):
                writer.write(np.full((64, 96, 3), 60 * i, np.uint8))
        lines.append(",".join([f"BASKET/21-22/L/s{i}_21_22.mp4", *[str(i)] * 20]))
    for split in ("train", "val"):
        write_text(tmp_path / SPLIT_FILES[split], "\n".join(lines) + "\n")
    recipe = load_recipe(name, SMALL)
    report = loop.train(recipe, tmp_path, tmp_path / "run", quiet=True, workers=1)
    assert report.epochs == 2
    assert report.history[0]["train_loss"] != report.history[1]["train_loss"]
    assert (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_builds_its_model_at_full_size(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
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
