"""Predicting: views are averaged; a subject whose video fails is listed, never replaced."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch
from training_data import SMALL, Held, reel, write_dataset

from openbasket.dataset.frame_cache import cache_frames
from openbasket.dataset.reader import read_split
from openbasket.errors import ConfigError, VideoError
from openbasket.training import loop, predict
from openbasket.training.building import build_model
from openbasket.training.checkpoint import load_weights
from openbasket.training.config import TestConfig as Views
from openbasket.training.config import load_recipe
from openbasket.training.data import ClipDataset


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A dataset of four reels and a run on it."""
    root = tmp_path_factory.mktemp("data")
    videos = write_dataset(root, 4)
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1"])
    loop.train(recipe, root, root / "run", quiet=True, workers=1)
    return root, videos


def test_views_are_averaged_after_the_softmax(trained, tmp_path):
    root, videos = trained
    done = predict.predict(
        root / "run", root, tmp_path / "p.parquet", views=(2, 3), quiet=True, workers=1
    )
    recipe = load_recipe("tiny", SMALL)
    samples = read_split(root, "test")
    cached = cache_frames(videos, tmp_path / "c", frames=6, short_side=32, workers=1, quiet=True)
    clips = ClipDataset(
        samples, cached, recipe.data, views=Views(temporal_views=2, spatial_views=3)
    )
    model = build_model(recipe).eval()
    load_weights(root / "run" / "best.safetensors", model)
    with torch.no_grad():
        each = torch.stack([model(clips[view, 2][0][None])[0] for view in range(6)])
    expected = each.double().softmax(dim=2).mean(dim=0).numpy()
    found = done.frame.filter(subject_id=samples[2].subject_id).select("p0", "p1", "p2", "p3", "p4")
    np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-6)
    assert not torch.equal(clips[0, 2][0], clips[3, 2][0])


def entry_of_numbers(frames, width):
    """Frames whose red is the number of the frame and whose green is the column."""
    pixels = np.zeros((frames, 32, width, 3), np.uint8)
    pixels[..., 0] = np.arange(frames)[:, None, None]
    pixels[..., 1] = np.arange(width)
    return [Held(pixels)]


def seen(dataset, view, mean=0.5):
    """Numbers of the frames, and the first column, of a clip that is not scaled."""
    pixels = (dataset[view, 0][0] * 0.5 + mean) * 255
    return pixels[0, :, 0, 0].round().int().tolist(), int(pixels[1, 0, 0, 0].round())


SETTINGS = [*SMALL, "data.normalise=half"]


def test_temporal_views_interleave_and_spatial_ones_go_from_end_to_end(trained, tmp_path):
    samples = read_split(trained[0], "test")[:1]
    cached = entry_of_numbers(6, 64)
    config = load_recipe("tiny", SETTINGS).data
    views = ClipDataset(samples, cached, config, views=Views(temporal_views=2, spatial_views=3))
    assert [seen(views, v) for v in range(6)] == [
        ([0, 2, 4], 0), ([0, 2, 4], 16), ([0, 2, 4], 32), ([1, 3, 5], 0), ([1, 3, 5], 16), ([1, 3, 5], 32),
    ]  # fmt: skip
    cached = entry_of_numbers(3, 64)
    assert seen(ClipDataset(samples, cached, config), 0) == ([0, 1, 2], 16)


def test_stretches_begin_anywhere_in_training_and_are_spread_in_the_test(trained, tmp_path):
    samples = read_split(trained[0], "test")[:1]
    cached = entry_of_numbers(11, 32)
    config = load_recipe(
        "tiny",
        [
            *SETTINGS,
            "data.sampling=interval",
            "data.interval=4",
            "data.crop_scale_min=1.0",
            "data.crop_aspect=[1.0, 1.0]",
        ],
    ).data
    views = ClipDataset(samples, cached, config, views=Views(temporal_views=3))
    assert [seen(views, v)[0] for v in range(3)] == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]
    assert seen(ClipDataset(samples, cached, config), 5)[0] == [4, 5, 6]
    random = ClipDataset(samples, cached, config, augment=True)
    begun = [seen(random, epoch)[0] for epoch in range(40)]
    assert all(numbers == [numbers[0] + i for i in range(3)] for numbers in begun)
    assert {numbers[0] for numbers in begun} == set(range(9))
    short = ClipDataset(samples, entry_of_numbers(2, 32), config)
    assert seen(short, 0)[0] == [0, 1, 1]


def test_the_interval_is_one_of_frames_of_the_video(tmp_path):
    video = reel(tmp_path / "a.mp4", 1, frames=9)
    [entry] = cache_frames(
        [video], tmp_path / "c", frames=3, short_side=32, every=4, workers=1, quiet=True
    )
    assert entry.recording.indices == (0, 4, 8)


def test_a_run_on_stretches_predicts(trained, tmp_path):
    root, _ = trained
    recipe = load_recipe(
        "tiny",
        [
            *SMALL,
            "train.epochs=1",
            "data.sampling=interval",
            "data.interval=2",
            "test.temporal_views=2",
        ],
    )
    loop.train(recipe, root, tmp_path / "run", quiet=True, workers=1)
    done = predict.predict(tmp_path / "run", root, tmp_path / "p.parquet", quiet=True, workers=1)
    assert done.frame.height == 4 * 20
    reading = json.loads((tmp_path / "run" / "recipe.json").read_text())["reading"]
    assert (reading["sampling"], reading["every"], reading["largest_error_s"]) == ("exact", 2, 0.0)


def test_a_record_whose_weights_are_no_record_is_refused_and_nothing_is_written(tmp_path):
    root = tmp_path / "data"
    write_dataset(root, 4)
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1"])
    loop.train(recipe, root, tmp_path / "run", quiet=True, workers=1)
    file = tmp_path / "run" / "recipe.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"weights": "x"}))
    with pytest.raises(ConfigError, match="is damaged"):
        predict.predict(tmp_path / "run", root, tmp_path / "p.parquet", quiet=True, workers=1)
    assert not (tmp_path / "p.parquet").exists()


def openbasket(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "openbasket", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_videos_that_fail_are_listed_and_their_subjects_left_out(tmp_path):
    videos = write_dataset(tmp_path, 4)
    loop.train(
        load_recipe("tiny", [*SMALL, "train.epochs=1"]),
        tmp_path,
        tmp_path / "run",
        quiet=True,
        workers=1,
    )
    videos[1].write_bytes(videos[1].read_bytes()[:400])
    videos[2].unlink()
    out = tmp_path / "p.parquet"
    call = (
        "predict",
        tmp_path / "run",
        "--data",
        tmp_path,
        "--out",
        out,
        "--quiet",
        "--workers",
        "1",
    )
    done = openbasket(*call, "--views", "1", "2")
    assert done.returncode == 1, done.stderr
    assert "s1_21_22.mp4" in done.stdout
    assert "no video" in done.stdout
    listed = json.loads((tmp_path / "p.failures.json").read_text())
    assert [failure["subject_id"] for failure in listed] == ["s1_L_21_22", "s2_L_21_22"]
    assert sorted(pl.read_parquet(out)["subject_id"].unique()) == ["s0_L_21_22", "s3_L_21_22"]
    allowed = openbasket(*call, "--allow-failures", "--json")
    assert allowed.returncode == 0
    assert [f["path"] for f in json.loads(allowed.stdout)["failures"]] == [
        f["path"] for f in listed
    ]
    for number in (1, 2):
        reel(videos[number], number)
    assert openbasket(*call).returncode == 0
    assert not (tmp_path / "p.failures.json").exists()


def test_without_any_usable_video_nothing_is_written(trained, tmp_path):
    root, _ = trained
    videos = write_dataset(tmp_path, 2)
    for video in videos:
        video.unlink()
    with pytest.raises(VideoError, match=r"not one of 2 videos .*s0_21_22\.mp4"):
        predict.predict(root / "run", tmp_path, tmp_path / "p.parquet", quiet=True, workers=1)
    assert not (tmp_path / "p.parquet").exists()
    with pytest.raises(ConfigError, match="views: got 0 1"):
        predict.predict(root / "run", root, tmp_path / "p.parquet", views=(0, 1))
