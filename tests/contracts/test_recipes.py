"""Each recipe that comes with openbasket trains, on inputs made small."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from openbasket.dataset.reader import Sample
from openbasket.models import create_model
from openbasket.training import loop
from openbasket.training.config import load_recipe, recipe_names
from openbasket.video.write import VideoWriter

SMALL = [
    "data.frames=3",
    "data.size=32",
    "data.short_side=32",
    "train.epochs=2",
    "train.batch_size=2",
]


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains(name, tmp_path, monkeypatch):
    samples = []
    for i in range(3):
        video = tmp_path / f"{i}.mp4"
        with VideoWriter(video, width=96, height=64) as writer:
            for _ in range(6):
                writer.write(np.full((64, 96, 3), 60 * i, np.uint8))
        levels = load_recipe(name).data.levels
        samples.append(Sample(subject_id=f"s{i}", video=video, levels=(i % levels,) * 20))
    monkeypatch.setattr(loop, "read_split", lambda root, split: samples)
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
