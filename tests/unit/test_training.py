"""Training: exact resume, honest labels, no substituted video, all faults of a recipe at once."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from importlib import metadata

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from training_data import (
    OWN,
    SMALL,
    Held,
    reel,
    some_levels,
    write_dataset,
    write_splits,
)
from typer.testing import CliRunner

from openbasket import cli
from openbasket.dataset.frame_cache import cache_frames
from openbasket.dataset.reader import read_split
from openbasket.errors import (
    BadInputError,
    ConfigError,
    NotFoundError,
    OpenBasketError,
    VideoError,
    WorkspaceError,
)
from openbasket.skills import SKILL_KEYS
from openbasket.training import loop, predict
from openbasket.training.config import load_recipe
from openbasket.training.data import MISSING, ClipDataset, EpochPlan, shares
from openbasket.training.losses import head_sums, skill_loss
from openbasket.training.reading import read_frames
from openbasket.training.run import ENDS, Folder, fingerprint, read_recipe
from openbasket.training.sampling import record_effect
from openbasket.video.seal import seal
from openbasket.workspace import Workspace, write_json, write_text


@pytest.fixture
def levels():
    return some_levels(6)


@pytest.fixture
def reels(tmp_path):
    """A dataset in the official layout; returns the reels' paths."""
    return write_dataset(tmp_path, 6)


@pytest.fixture
def samples(tmp_path, reels):
    return read_split(tmp_path, "train")


def run(recipe, tmp_path, name, **options):
    return loop.train(recipe, tmp_path, tmp_path / name, quiet=True, workers=1, **options)


@pytest.fixture
def two_threads():
    """As users run it: the other tests have one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("two_threads")
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
    for name in (
        "last.safetensors",
        "best.safetensors",
        "metrics.csv",
        "steps.csv",
        "recipe.json",
        "MODEL_CARD.md",
    ):
        assert (tmp_path / "stopped" / name).read_bytes() == (
            tmp_path / "straight" / name
        ).read_bytes(), name


def test_patience_ends_a_run_that_learns_no_more(samples, tmp_path):
    recipe = load_recipe(
        "tiny", [*SMALL, "train.epochs=9", "train.patience=2", "train.learning_rate=1e-12"]
    )
    report = run(recipe, tmp_path, "run")
    losses = [line["val_loss"] for line in report.history]
    assert report.best_epoch == losses.index(min(losses))
    assert report.epochs == report.best_epoch + 3 < 9
    again = run(recipe, tmp_path, "run")  # and goes on no more
    assert again.history == report.history


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
    frame = predict.predict(tmp_path / "run", tmp_path, out, quiet=True, workers=1).frame
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
    frame = predict.predict(tmp_path / "run", tmp_path, out, quiet=True, workers=1).frame
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
    with pytest.raises(VideoError, match="2 of 6 videos") as caught:
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


def test_clips_depend_on_seed_epoch_and_subject_only(samples, tmp_path):
    config = load_recipe("tiny", [*SMALL, "data.short_side=48"]).data
    noise = np.random.default_rng(0).integers(0, 256, (3, 48, 72, 3), dtype=np.uint8)
    cached = [Held(noise)] * len(samples)
    forward = ClipDataset(samples, cached, config, seed=1, augment=True)
    backward = ClipDataset(samples[::-1], cached[::-1], config, seed=1, augment=True)
    clip, labels, subject = forward[3, 0]
    assert subject == 0
    assert clip.shape == (3, 3, 32, 32)
    assert clip.dtype == torch.float32
    assert [None if x == MISSING else x for x in labels.tolist()] == list(samples[0].levels)
    assert torch.equal(clip, backward[3, 5][0])
    assert not torch.equal(clip, forward[4, 0][0])
    assert not torch.equal(clip, forward[3, 1][0])
    centre = ClipDataset(samples, cached, config)
    assert torch.equal(centre[0, 0][0], centre[9, 0][0])


@pytest.mark.parametrize(("batch", "accumulate", "processes"), [(8, 1, 1), (4, 3, 1), (3, 2, 4)])
def test_order_depends_on_the_epoch_and_holds_each_subject_once(batch, accumulate, processes):
    plans = [
        EpochPlan(53, 0, batch, accumulate, rank=rank, processes=processes)
        for rank in range(processes)
    ]
    orders = []
    for epoch in (0, 1):
        updates = [plan.epoch(epoch) for plan in plans]
        assert {len(own) for own in updates} == {plans[0].updates}
        assert len({tuple(len(u.batches) for u in own) for own in updates}) == 1
        keys = [key for own in updates for u in own for b in u.batches for key in b]
        assert {e for e, _ in keys} == {epoch}
        assert sorted(i for _, i in keys if i != MISSING) == list(range(53))
        assert all(len(b) <= batch for own in updates for u in own for b in u.batches)
        orders.append([i for u in updates[0] for i in u.subjects.tolist()])
        assert sorted(orders[-1]) == list(range(53))
    assert orders[0] != orders[1]


def test_a_process_without_subjects_left_gets_a_clip_without_labels():
    batches = [EpochPlan(5, 0, 2, rank=rank, processes=2).epoch(3)[-1].batches for rank in range(2)]
    assert [[i for _, i in b] for (b,) in batches if b[0][1] == MISSING] == [[MISSING]]


def test_what_is_not_learned_is_shared_out_without_repeats():
    keys = [(0, i) for i in range(11)]
    parts = [shares(keys, 2, rank, 3) for rank in range(3)]
    assert sorted(key for part in parts for batch in part for key in batch) == keys
    assert shares(keys[:1], 2, 1, 2) == []


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
        "no setting 'train.lerning_rate'. Did you mean 'train.learning_rate'",
        "--set nonsense: it has no value",
        "--set data.levels=4: 'data.levels': got 4; allowed: 3 or 5",
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


def test_the_average_is_what_is_validated_and_kept(samples, tmp_path):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=2", "train.ema=0.9"])
    run(recipe, tmp_path, "run")
    last = load_file(tmp_path / "run" / "last.safetensors")
    best = load_file(tmp_path / "run" / "best.safetensors")
    assert last.keys() >= {f"average/{name}" for name in best}
    for name, value in best.items():
        assert torch.equal(value, last[f"average/{name}"]), name
    assert not torch.equal(best["position"], last["model/position"])


def test_bf16_learns_with_weights_of_fp32(samples, tmp_path):
    histories = {}
    for precision in ("fp32", "bf16"):
        recipe = load_recipe("tiny", [*SMALL, "train.epochs=1", f"train.precision={precision}"])
        histories[precision] = run(recipe, tmp_path, precision).history[0]
    assert histories["bf16"]["train_loss"] != histories["fp32"]["train_loss"]
    assert histories["bf16"]["train_loss"] == pytest.approx(
        histories["fp32"]["train_loss"], rel=0.02
    )
    weights = load_file(tmp_path / "bf16" / "best.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}


@pytest.mark.parametrize(
    "settings",
    [
        ["train.optimizer=sgd", "train.momentum=0.0"],
        [
            "train.optimizer=sgd",
            "train.nesterov=true",
            "train.schedule=step",
            "train.step_epochs=[1]",
        ],
        ["train.layer_decay=0.5", "train.grad_clip=0", "train.label_smoothing=0.1"],
    ],
)
def test_every_way_to_learn_resumes_exactly(samples, tmp_path, settings):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=3", *settings])
    straight = run(recipe, tmp_path, "straight")

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path, "stopped", on_epoch=stop)
    run(recipe, tmp_path, "stopped")
    last = [(tmp_path / name / "last.safetensors").read_bytes() for name in ("straight", "stopped")]
    assert last[0] == last[1]
    assert len({line["train_loss"] for line in straight.history}) == 3


def test_settings_that_change_nothing_of_what_is_learned_may_change(samples, tmp_path):
    run(load_recipe("tiny", [*SMALL, "train.epochs=1"]), tmp_path, "run")
    free = ["train.loader_workers=1", "test.spatial_views=3", "log.tracker=tensorboard"]
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1", *free])
    assert run(recipe, tmp_path, "run").resumed_from == 1
    assert read_recipe(tmp_path / "run").test.spatial_views == 3
    more = load_recipe("tiny", [*SMALL, "train.epochs=1", "test.spatial_views=2"])
    run(more, tmp_path, "run")
    predict.predict(tmp_path / "run", tmp_path, tmp_path / "p.parquet", quiet=True, workers=1)
    facts = json.loads((tmp_path / "p.runs.json").read_text())["run"]
    assert (facts["views"], facts["reader"]) == ([1, 2], "exact")


def test_the_folder_of_a_run_tells_what_it_is(samples, tmp_path):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=2"])
    report = run(recipe, tmp_path, "run")
    content = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert content["versions"]["torch"] == metadata.version("torch")
    assert content["recipe"] == recipe.model_dump(mode="json")
    card = (tmp_path / "run" / "MODEL_CARD.md").read_text()
    for part in (
        content["data"], "Intended use and limits", f"{report.parameters:,} weights",
        f"| val_loss | {report.best_val_loss:.4g} |", f"torch {metadata.version('torch')}",
    ):  # fmt: skip
        assert part in card, part
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == [line["val_loss"] for line in report.history]
    assert len((tmp_path / "run" / "train.log").read_text().splitlines()) == 3


def test_label_smoothing_and_parts_of_an_update():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 20, 5, generator=generator)
    labels = torch.randint(0, 5, (6, 20), generator=generator)
    labels[torch.rand(6, 20, generator=generator) < 0.3] = MISSING
    whole = skill_loss(*head_sums(logits, labels, 0.1))
    counts = (labels != MISSING).sum(dim=0)
    parts = [
        skill_loss(head_sums(logits[rows], labels[rows], 0.1)[0], counts)
        for rows in (slice(0, 1), slice(1, 4), slice(4, 6))
    ]
    torch.testing.assert_close(sum(parts), whole)
    log_p = logits.log_softmax(2)
    known = labels != MISSING
    right = log_p.gather(2, labels.clamp(min=0)[..., None])[..., 0]
    smooth = -(0.9 * right + 0.1 * log_p.mean(2)) * known
    torch.testing.assert_close((smooth.sum(0) / counts).mean(), whole)


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(samples, tmp_path):
    settings = [*OWN, "model.name=training_models:Plain", "train.batch_size=6", "train.epochs=1"]
    plain = run(load_recipe("tiny", settings), tmp_path, "plain")
    fast = run(load_recipe("tiny", [*settings, "model.compile=true"]), tmp_path, "fast")
    assert fast.history[0]["val_loss"] == pytest.approx(plain.history[0]["val_loss"], abs=0.05)
    weights = [load_file(tmp_path / name / "best.safetensors") for name in ("plain", "fast")]
    assert weights[0].keys() == weights[1].keys()


def test_a_skill_without_an_answer_is_no_hit(reels, tmp_path, monkeypatch):
    run(load_recipe("tiny", [*SMALL, "train.epochs=1", "data.reader=keyframe"]), tmp_path, "run")
    samples = read_split(tmp_path, "val")
    silent = pl.DataFrame(
        {"subject_id": [s.subject_id for s in samples for _ in SKILL_KEYS]}
        | {"skill": list(SKILL_KEYS) * len(samples)}
        | {f"p{n}": pl.Series([None] * 20 * len(samples), dtype=pl.Float64) for n in range(5)}
    )
    assert any(0 in s.levels for s in samples)
    monkeypatch.setattr(
        "openbasket.training.sampling.predict", lambda *_, **__: predict.Predicted(silent, ())
    )
    effect = record_effect(tmp_path / "run", tmp_path, workers=1, quiet=True)
    assert effect["accuracy"] == {"exact": 0.0, "keyframe": 0.0}


def test_the_sampling_its_error_and_its_effect_are_recorded(reels, tmp_path):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1", "data.reader=keyframe"])
    first = run(recipe, tmp_path, "run").sampling_effect
    record = json.loads((tmp_path / "run" / "recipe.json").read_text())["reading"]
    assert record["effect"] == first == run(recipe, tmp_path, "run").sampling_effect
    assert record["sampling"] == "keyframe"
    assert record["largest_error_s"] > 0
    effect = record_effect(tmp_path / "run", tmp_path, workers=1, quiet=True)
    assert set(effect["accuracy"]) == {"exact", "keyframe"}
    assert effect == first
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
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["reading"]["effect"] == effect
    exact = load_recipe("tiny", [*SMALL, "train.epochs=1"])
    run(exact, tmp_path, "exact")
    record = json.loads((tmp_path / "exact" / "recipe.json").read_text())["reading"]
    assert (record["sampling"], record["largest_error_s"]) == ("exact", 0)


def test_a_damaged_checkpoint_is_not_gone_on_from(samples, tmp_path):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1"])
    run(recipe, tmp_path, "run")
    for name in ("last", "best"):
        path = tmp_path / "run" / f"{name}.safetensors"
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(content)
    with pytest.raises(OpenBasketError, match="checksum"):
        run(load_recipe("tiny", [*SMALL, "train.epochs=1"]), tmp_path, "run")
    with pytest.raises(OpenBasketError, match="checksum"):
        predict.predict(tmp_path / "run", tmp_path, tmp_path / "p.parquet", quiet=True, workers=1)


def test_one_process_trains_in_a_folder_and_an_unfinished_epoch_leaves_nothing(samples, tmp_path):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1"])
    other = Folder(tmp_path / "run")
    other.claim(recipe, "data", resume=True)
    with pytest.raises(WorkspaceError, match="another process trains"):
        run(recipe, tmp_path, "run")
    other.release()
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.safetensors").write_bytes(b"of a run that died in its first epoch")
    other.claim(recipe, "data", resume=True)
    other.begin(recipe, "data", resume=True)
    other.release()
    assert sorted(p.name for p in (tmp_path / "run").glob("[!.]*")) == ["recipe.json"]


@pytest.mark.parametrize("out", ["/proc/nope/run", "file/run"])
def test_a_folder_that_cannot_be_made_is_told(samples, tmp_path, out):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        run(load_recipe("tiny", [*SMALL, "train.epochs=1"]), tmp_path, out)


def test_the_lock_is_held_until_the_folders_of_a_refused_run_are_gone(tmp_path, monkeypatch):
    folder = Folder(tmp_path / "a" / "b")
    folder.claim(load_recipe("tiny", SMALL), "data", resume=True)
    held = []
    release = folder._lock.release
    monkeypatch.setattr(
        folder._lock, "release", lambda: (held.append((tmp_path / "a").exists()), release())
    )
    folder.release()
    assert held == [False]
    assert not (tmp_path / "a").exists()


def test_an_interrupt_tells_what_is_kept_at_any_moment(samples, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    recipe = load_recipe("tiny", [*SMALL, "train.epochs=2"])
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write_metrics", stop)
        with pytest.raises(KeyboardInterrupt, match="1 of 2 epochs are kept"):
            run(recipe, tmp_path, "run")
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    monkeypatch.setattr(loop, "read_frames", stop)
    with pytest.raises(KeyboardInterrupt, match="is untouched"):
        loop.train(recipe, tmp_path, tmp_path / "run", resume=False, quiet=True, workers=1)
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before


def test_a_run_does_not_go_on_with_frames_in_another_form(samples, tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    recipe = load_recipe("tiny", [*SMALL, "train.epochs=2"])
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path, "run", on_epoch=stop)
    shutil.rmtree(tmp_path / "run" / "frame_cache")
    cache_frames(
        [s.video for s in samples], tmp_path / "openbasket" / "frame_cache", frames=3,
        short_side=32, format="raw", workers=1, quiet=True,
    )  # fmt: skip
    before = (tmp_path / "run" / "recipe.json").read_bytes()
    with pytest.raises(ConfigError, match="format jpeg, now raw") as refused:
        run(recipe, tmp_path, "run")
    command = f"openbasket cache {tmp_path} --frames 3 --size 32 --sampling exact"
    assert f"({command})" in str(refused.value)
    assert (tmp_path / "run" / "recipe.json").read_bytes() == before
    done = CliRunner().invoke(cli.app, [*command.split()[1:], "--workers", "1", "--quiet"])
    assert done.exit_code == 0, done.output
    assert run(recipe, tmp_path, "run").resumed_from == 1
    facts = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert facts["reading"]["format"] == "jpeg"


def test_the_hint_to_cache_asks_for_the_frames_that_are_wanted(samples, tmp_path, capsys):
    root = tmp_path / "a b"
    for settings, form in (
        ([], "--recipe tiny"),
        (["data.frames=3"], "--frames 3 --size 128 --sampling exact"),
    ):
        recipe = load_recipe("tiny", settings)
        form = form.replace("128", str(recipe.data.short_side))
        read_frames(samples[:1], root, tmp_path / "run", recipe, workers=1)
        assert f"openbasket cache '{root}' {form}" in " ".join(capsys.readouterr().err.split())


def test_weights_of_ours_that_were_damaged_are_not_begun_with(samples, tmp_path):
    run(load_recipe("tiny", [*SMALL, "train.epochs=1"]), tmp_path, "run")
    path = tmp_path / "run" / "best.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=1", f"model.weights={path}"])
    with pytest.raises(OpenBasketError, match="checksum"):
        run(recipe, tmp_path, "next")


def test_data_are_told_apart_by_the_manifest_the_seal_or_their_ends(samples, tmp_path):
    one, other = samples[:1], tmp_path / "sealed.mp4"
    video = one[0].video
    write_text(tmp_path / "openbasket" / "manifest.json", '{"levels": 5, "reels": {}}')
    bare = fingerprint(one, tmp_path)
    assert fingerprint(one, tmp_path / "elsewhere") == bare
    reels = {str(video.relative_to(tmp_path)): {"sha256": "1" * 64}}
    write_json(tmp_path / "openbasket" / "manifest.json", {"levels": 5, "reels": reels})
    assert fingerprint(one, tmp_path) != bare
    content = video.read_bytes()
    prints = set()
    for middle in (b"a", b"b"):  # of one size, alike at both ends but for the seal
        other.write_bytes(content[:ENDS] + bytes(ENDS) + middle + bytes(ENDS))
        prints.add(fingerprint([replace(one[0], video=other)], tmp_path))
        seal(other)
        prints.add(fingerprint([replace(one[0], video=other)], tmp_path))
    assert len(prints) == 3
