"""Training: exact resume, honest labels, no substituted video, all faults of a recipe at once."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch

from openbasket.dataset.frame_cache import cache_frames
from openbasket.dataset.reader import SPLIT_FILES, read_split
from openbasket.errors import BadInputError, ConfigError, NotFoundError, VideoError
from openbasket.skills import OFFICIAL_ORDER, SKILL_KEYS, SKILLS, official_level
from openbasket.training import loop, predict
from openbasket.training.config import load_recipe
from openbasket.training.data import MISSING, ClipDataset, EpochSampler
from openbasket.training.losses import head_sums, skill_loss
from openbasket.training.sampling import record_effect
from openbasket.video.write import VideoWriter
from openbasket.workspace import Workspace, write_text

SMALL = [
    "data.frames=3",
    "data.size=32",
    "data.short_side=32",
    "train.batch_size=4",
    "model.options.width=8",
    "model.options.dim=32",
    "model.options.depth=1",
]


def reel(path, colour, frames=6):
    with VideoWriter(path, width=96, height=64) as writer:
        for i in range(frames):
            frame = np.full((64, 96, 3), 40, np.uint8)
            frame[:, :, colour % 3] = 100 + 20 * (colour // 3) + 5 * i
            writer.write(frame)
    return path


def write_splits(root, levels, count=5):
    """Write the split files: reel ``i`` has ``levels[i]``, in the order of SKILLS; ``count`` levels."""
    lines = [",".join(["path", *(skill.name for skill in OFFICIAL_ORDER)])]
    for i, row in enumerate(levels):
        by_skill = dict(zip(SKILLS, row, strict=True))
        cells = [
            "" if by_skill[s] is None else str(official_level(s, by_skill[s], count))
            for s in OFFICIAL_ORDER
        ]
        lines.append(",".join([f"BASKET/21-22/L/s{i}_21_22.mp4", *cells]))
    for split in ("train", "val", "test"):
        write_text(root / SPLIT_FILES[split], "\n".join(lines) + "\n")


@pytest.fixture
def levels():
    """Six subjects; the level is the reel's colour, and some labels are not known."""
    return [tuple(None if (i + k) % 7 == 0 else i % 3 for k in range(20)) for i in range(6)]


@pytest.fixture
def reels(tmp_path, levels):
    """A dataset in the official layout; returns the reels' paths."""
    write_splits(tmp_path, levels)
    folder = tmp_path / "BASKET" / "21-22" / "L"
    return [reel(folder / f"s{i}_21_22.mp4", i) for i in range(6)]


@pytest.fixture
def samples(tmp_path, reels):
    return read_split(tmp_path, "train")


def run(recipe, tmp_path, name, **options):
    return loop.train(recipe, tmp_path, tmp_path / name, quiet=True, workers=1, **options)


def test_resume_is_exact_bit_for_bit(samples, tmp_path):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=4", "train.accumulate=2"])
    straight = run(recipe, tmp_path, "straight")

    def stop(line):
        if line["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path, "stopped", on_epoch=stop)
    torch.rand(17)  # the state of the global generator must not matter
    resumed = run(recipe, tmp_path, "stopped")
    assert resumed.resumed_from == 2
    assert resumed.history == straight.history
    for name in ("last.safetensors", "best.safetensors", "metrics.jsonl", "recipe.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (
            tmp_path / "straight" / name
        ).read_bytes(), name


def test_finished_run_returns_at_once_and_other_recipe_is_refused(reels, tmp_path, levels):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1"])
    first = run(recipe, tmp_path, "run")
    reels[0].touch()  # would be decoded again if anything were read
    cached = sorted((tmp_path / "run" / "frame_cache").iterdir())
    again = run(recipe, tmp_path, "run")
    assert again.resumed_from == 1
    assert again.history == first.history
    assert sorted((tmp_path / "run" / "frame_cache").iterdir()) == cached
    other = load_recipe("tiny", [*SMALL, "train.epochs=2"])
    with pytest.raises(ConfigError, match=r"train\.epochs was 1, is 2"):
        run(other, tmp_path, "run")
    assert run(other, tmp_path, "run", resume=False).epochs == 2
    write_splits(tmp_path, [(2,) * 20, *levels[1:]])
    with pytest.raises(ConfigError, match="other data"):
        run(other, tmp_path, "run")


def test_overfits_a_few_reels_and_predicts_them(samples, tmp_path):
    recipe = load_recipe(
        "tiny",
        [*SMALL, "train.epochs=40", "train.learning_rate=0.005", "model.options.dropout=0.0"],
    )
    report = run(recipe, tmp_path, "run")
    assert report.best_val_loss < 0.1 < 1 < report.history[0]["val_loss"]
    out = tmp_path / "predictions.parquet"
    frame = predict.predict(tmp_path / "run", tmp_path, out, quiet=True, workers=1)
    assert frame.equals(Workspace.read_file("predictions", out))
    assert frame.height == 6 * 20
    assert frame["run"].unique().to_list() == ["run"]
    p = frame.select("p0", "p1", "p2", "p3", "p4").to_numpy()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    best = dict(
        zip(zip(frame["subject_id"], frame["skill"], strict=True), p.argmax(1), strict=True)
    )
    known = [
        best[s.subject_id, k] == level
        for s in samples
        for k, level in zip(SKILL_KEYS, s.levels, strict=True)
        if level is not None
    ]
    assert len(known) == sum(level is not None for s in samples for level in s.levels)
    assert all(known)


def test_three_levels_leave_two_columns_null(reels, tmp_path, levels):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1", "data.levels=3"])
    write_splits(tmp_path, levels, 3)
    run(recipe, tmp_path, "run")
    out = tmp_path / "p.parquet"
    frame = predict.predict(tmp_path / "run", tmp_path, out, quiet=True, workers=1)
    assert frame["p3"].null_count() == frame["p4"].null_count() == frame.height
    np.testing.assert_allclose(frame.select("p0", "p1", "p2").sum_horizontal(), 1, atol=1e-12)


def test_unknown_labels_carry_no_loss_and_heads_weigh_the_same():
    logits = torch.randn(4, 20, 5, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    labels = torch.full((4, 20), MISSING)
    labels[:, 0] = 1
    labels[0, 1] = 2
    loss = skill_loss(*head_sums(logits, labels))
    log_p = logits.detach().log_softmax(2)
    expected = (-log_p[:, 0, 1].mean() - log_p[0, 1, 2]) / 2
    torch.testing.assert_close(loss.detach(), expected)
    loss.backward()
    touched = logits.grad.abs().sum(2) > 0
    assert touched.tolist() == (labels != MISSING).tolist()
    empty = skill_loss(*head_sums(logits, torch.full((4, 20), MISSING)))
    assert float(empty.detach()) == 0


def test_all_bad_videos_are_named_and_none_is_replaced(reels, tmp_path):
    for bad in (reels[1], reels[4]):
        bad.write_bytes(bad.read_bytes()[:500])
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1"])
    with pytest.raises(VideoError, match="4 of 12 videos") as caught:
        run(recipe, tmp_path, "run")
    assert reels[1].name in str(caught.value)
    assert reels[4].name in str(caught.value)
    assert reels[2].name not in str(caught.value)
    assert not (tmp_path / "run" / "last.safetensors").exists()
    reels[1].unlink()
    with pytest.raises(BadInputError, match=reels[1].name):
        run(recipe, tmp_path, "run")
    reel(reels[1], 1)
    reel(reels[4], 4)
    assert run(recipe, tmp_path, "run").epochs == 1


def test_labels_outside_the_levels_are_refused(reels, tmp_path, levels):
    write_splits(tmp_path, [(4,) + (0,) * 19])
    with pytest.raises(BadInputError, match=r"Free Throw.*4"):
        run(load_recipe("tiny", [*SMALL, "data.levels=3"]), tmp_path, "run")


def test_an_empty_split_and_a_missing_run_are_refused(samples, tmp_path):
    write_splits(tmp_path, [])
    with pytest.raises(NotFoundError, match="split 'train'"):
        run(load_recipe("tiny", SMALL), tmp_path, "run")
    with pytest.raises(NotFoundError, match="openbasket train"):
        predict.predict(tmp_path / "none", tmp_path, tmp_path / "p.parquet")


def test_frames_come_from_the_cache_until_the_video_changes(tmp_path):
    video = reel(tmp_path / "a.mp4", 1, frames=9)
    wanted = {"frames": 3, "short_side": 32, "workers": 1, "quiet": True}
    [entry] = cache_frames([video], tmp_path / "cache", **wanted)
    assert entry.recording.indices == (0, 4, 8)
    before = entry.path.stat().st_mtime_ns
    assert cache_frames([video], tmp_path / "cache", **wanted) == [entry]
    assert entry.path.stat().st_mtime_ns == before
    reel(video, 2, frames=9)
    assert cache_frames([video], tmp_path / "cache", **wanted) != [entry]


class Held:
    """Frames that are at hand."""

    def __init__(self, pixels):
        self.read = pixels.copy


def test_clips_depend_on_seed_epoch_and_subject_only(samples, tmp_path):
    config = load_recipe("tiny", [*SMALL, "data.short_side=48"]).data
    videos = [s.video for s in samples]
    cached = cache_frames(videos, tmp_path / "c", frames=3, short_side=48, workers=1, quiet=True)
    noise = np.random.default_rng(0).integers(0, 256, (3, 48, 72, 3), dtype=np.uint8)
    cached = [Held(noise)] * len(cached)
    forward = ClipDataset(samples, cached, config, seed=1, augment=True)
    backward = ClipDataset(samples[::-1], cached[::-1], config, seed=1, augment=True)
    clip, labels = forward[3, 0]
    assert clip.shape == (3, 3, 32, 32)
    assert clip.dtype == torch.float32
    assert [None if x == MISSING else x for x in labels.tolist()] == list(samples[0].levels)
    assert torch.equal(clip, backward[3, 5][0])
    assert not torch.equal(clip, forward[4, 0][0])
    assert not torch.equal(clip, forward[3, 1][0])
    centre = ClipDataset(samples, cached, config)
    assert torch.equal(centre[0, 0][0], centre[9, 0][0])


def test_order_depends_on_the_epoch_and_holds_each_subject_once():
    sampler = EpochSampler(50, seed=0)
    first = list(sampler)
    sampler.epoch = 1
    second = list(sampler)
    assert sorted(i for _, i in first) == sorted(i for _, i in second) == list(range(50))
    assert [i for _, i in first] != [i for _, i in second]
    assert {e for e, _ in second} == {1}
    assert list(EpochSampler(3, None)) == [(0, 0), (0, 1), (0, 2)]


def test_all_faults_of_a_recipe_are_told_at_once(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[model]\nname = "tiny_conf"\n[data]\nframes = 0\nsize = 32\n'
        '[train]\nepochs = "many"\nbatch_size = 2\nlerning_rate = 0.1\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_recipe(path, ["nonsense", "data.levels=4"])
    text = str(caught.value)
    for part in (
        "mine.toml",
        "7 faults",
        "Did you mean 'tiny_conv'",
        "'data.frames': got 0",
        "'train.epochs': got 'many'",
        "'train.learning_rate' is missing",
        "'train.lerning_rate' is no setting. Did you mean 'learning_rate'",
        "override 'nonsense'",
        "levels are 3 or 5",
    ):
        assert part in text, part


def test_overrides_and_unknown_recipes():
    recipe = load_recipe("tiny", ["train.epochs=3", "data.flip=true", "train.precision=bf16"])
    assert (recipe.train.epochs, recipe.data.flip, recipe.train.precision) == (3, True, "bf16")
    with pytest.raises(ConfigError, match="Did you mean 'tiny'"):
        load_recipe("tinny")
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_recipe("none.toml")


def test_a_damaged_run_is_told(samples, tmp_path):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1"])
    run(recipe, tmp_path, "run")
    path = tmp_path / "run" / "recipe.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole)[:50])
    with pytest.raises(ConfigError, match="damaged"):
        run(recipe, tmp_path, "run")


def test_a_dataset_with_another_number_of_levels_is_refused(reels, tmp_path, levels):
    write_splits(tmp_path, levels, 3)
    write_text(tmp_path / "openbasket" / "manifest.json", '{"levels": 3}')
    with pytest.raises(ConfigError, match=r"--set data\.levels=3"):
        run(load_recipe("tiny", [*SMALL, "train.epochs=1"]), tmp_path, "run")
    assert not (tmp_path / "run").exists()
    assert run(
        load_recipe("tiny", [*SMALL, "train.epochs=1", "data.levels=3"]), tmp_path, "run"
    ).epochs
    write_text(tmp_path / "openbasket" / "manifest.json", "{")
    with pytest.raises(BadInputError, match=r"manifest\.json"):
        run(load_recipe("tiny", [*SMALL, "train.epochs=1"]), tmp_path, "other")


def test_the_sampling_its_error_and_its_effect_are_recorded(reels, tmp_path):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1", "data.sampling=keyframe"])
    run(recipe, tmp_path, "run")
    record = json.loads((tmp_path / "run" / "frames.json").read_text())
    assert record["sampling"] == "keyframe"
    assert record["largest_error_s"] > 0
    effect = record_effect(tmp_path / "run", tmp_path, workers=1, quiet=True)
    assert set(effect["accuracy"]) == {"exact", "keyframe"}
    assert effect["labels"] > 0
    for sampling, share in effect["accuracy"].items():
        made = pl.read_parquet(tmp_path / "run" / f"predictions-val-{sampling}.parquet")
        levels = {s.subject_id: s.levels for s in read_split(tmp_path, "val")}
        hits = [
            max(range(5), key=lambda level: row[f"p{level}"])
            == levels[row["subject_id"]][SKILL_KEYS.index(row["skill"])]
            for row in made.iter_rows(named=True)
            if levels[row["subject_id"]][SKILL_KEYS.index(row["skill"])] is not None
        ]
        assert share == pytest.approx(sum(hits) / len(hits))
    assert json.loads((tmp_path / "run" / "frames.json").read_text())["effect"] == effect
    exact = load_recipe("tiny", [*SMALL, "train.epochs=1"])
    run(exact, tmp_path, "exact")
    record = json.loads((tmp_path / "exact" / "frames.json").read_text())
    assert (record["sampling"], record["largest_error_s"]) == ("exact", 0)
