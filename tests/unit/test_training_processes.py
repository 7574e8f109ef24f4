"""Training under ``accelerate launch`` with two processes, and killed at any moment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from safetensors.numpy import load_file
from training_data import OWN, SMALL, write_dataset

from openbasket.training import loop, predict
from openbasket.training.config import load_recipe

HERE = Path(__file__).parent
#: An odd number: the last batch has too few for both processes.
SUBJECTS = 7
PLAIN = [
    *OWN, "train.epochs=3", "train.batch_size=2", "train.accumulate=2", "train.ema=0.9",
    "train.learning_rate=0.1", "model.name=training_models:Plain", "model.options.drop=0.0",
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, SUBJECTS)
    return folder


def command(*arguments, processes=1):
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
    launch += [
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
    ]
    return [sys.executable, *(launch if processes > 1 else []), "-m", "openbasket", *arguments]


def environment(**more):
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""} | more


def training(recipe, root, out, settings):
    sets = [part for item in settings for part in ("--set", item)]
    return ["train", recipe, "--data", str(root), "--out", str(out), "--workers", "1", *sets]


def call(arguments, processes=1, **more):
    done = subprocess.run(
        command(*arguments, processes=processes), env=environment(**more),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def two(root, tmp_path_factory):
    """A run by two processes, what its model saw, and what was printed."""
    folder = tmp_path_factory.mktemp("two")
    notes = folder / "notes"
    done = call(
        [*training("tiny", root, folder / "run", PLAIN), "--json"],
        2,
        OPENBASKET_TEST_NOTES=str(notes),
    )
    seen = [
        [json.loads(line) for line in Path(f"{notes}.{rank}").read_text().splitlines()]
        for rank in range(2)
    ]
    return folder / "run", seen, done.stdout


def test_two_processes_see_each_subject_once_an_epoch_and_one_writes(two):
    run, seen, printed = two
    # 7 subjects in updates of 2 x 2 x 2: the batches of both processes are 2 2, 2 1.
    assert [len(rank) for rank in seen] == [3 * 4, 3 * 3]
    for epoch in range(3):
        own = [rank[epoch * n : (epoch + 1) * n] for rank, n in zip(seen, (4, 3), strict=True)]
        clips = {tuple(round(x, 1) for x in clip) for rank in own for clip in rank}
        assert len(clips) == SUBJECTS
    assert json.loads(printed)["epochs"] == 3
    metrics = pl.read_csv(run / "metrics.csv")
    assert metrics["samples"].to_list() == [SUBJECTS] * 3
    assert pl.read_csv(run / "steps.csv").height == 3


def test_validation_by_two_processes_is_that_of_one(two, root, tmp_path):
    run = two[0]
    metrics = pl.read_csv(run / "metrics.csv")
    out = tmp_path / "p.parquet"
    call(["predict", str(run), "--data", str(root), "--out", str(out), "--workers", "1"], 2)
    alone = predict.predict(run, root, tmp_path / "q.parquet", quiet=True, workers=1).frame
    both = pl.read_parquet(out).sort("subject_id", "skill")
    assert both.height == SUBJECTS * 20
    for level in range(5):
        assert (
            both[f"p{level}"] - alone.sort("subject_id", "skill")[f"p{level}"]
        ).abs().max() < 1e-9
    known = metrics["val_labels"].to_list()
    assert known == [sum((i + k) % 7 != 0 for i in range(SUBJECTS) for k in range(20))] * 3


@pytest.mark.parametrize("accumulate", [1, 8])
def test_processes_and_accumulation_do_not_change_what_is_learned(two, root, tmp_path, accumulate):
    """2 processes x 2 batches of 2, 1 x 1 of 8 and 1 x 8 of 1 are the same updates, but for rounding."""
    cut = [f"train.accumulate={accumulate}", f"train.batch_size={8 // accumulate}"]
    report = loop.train(
        load_recipe("tiny", [*PLAIN, *cut]), root, tmp_path / "run", quiet=True, workers=1
    )
    alone, both = (load_file(run / "best.safetensors") for run in (tmp_path / "run", two[0]))
    for key, value in alone.items():
        assert abs(value - both[key]).max() < 1e-6, key
    lines = pl.read_csv(two[0] / "metrics.csv")
    for name in ("train_loss", "val_loss", "learning_rate"):
        assert lines[name].to_list() == pytest.approx(
            [line[name] for line in report.history], abs=1e-6
        )


@pytest.mark.slow
def test_two_processes_that_died_go_on_bit_for_bit(two, root, tmp_path):
    run = training("tiny", root, tmp_path / "run", PLAIN)
    died = subprocess.run(
        command(*run, processes=2), env=environment(OPENBASKET_TEST_DIE="5"),
        capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert died.returncode
    assert pl.read_csv(tmp_path / "run" / "metrics.csv").height == 2
    call(run, 2)
    for name in ("last.safetensors", "steps.csv", "metrics.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (two[0] / name).read_bytes(), name


@pytest.mark.slow
def test_killed_twice_at_any_moment_the_run_is_bit_for_bit_the_same(root, tmp_path):
    settings = [
        *SMALL,
        "train.epochs=8",
        "train.ema=0.9",
        "train.accumulate=2",
        "model.options.dropout=0.1",
    ]
    call(training("tiny", root, tmp_path / "straight", settings))
    chance = random.Random(os.urandom(8))
    kills = 0
    for _ in range(2):
        process = subprocess.Popen(
            command(*training("tiny", root, tmp_path / "killed", settings)),
            env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        last, before = tmp_path / "killed" / "last.safetensors", None
        if last.exists():
            before = last.stat().st_mtime_ns
        while process.poll() is None and (not last.exists() or last.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills
    call(training("tiny", root, tmp_path / "killed", settings))
    for name in (
        "last.safetensors",
        "best.safetensors",
        "metrics.csv",
        "steps.csv",
        "MODEL_CARD.md",
    ):
        whole = (tmp_path / "straight" / name).read_bytes()
        assert (tmp_path / "killed" / name).read_bytes() == whole, name
    assert pl.read_csv(tmp_path / "killed" / "steps.csv")["epoch"].n_unique() == 8


@pytest.mark.slow
def test_two_processes_share_out_the_features_of_a_frozen_backbone(root, tmp_path):
    call(training("tiny", root, tmp_path / "begun", [*SMALL, "train.epochs=1"]))
    weights = f"model.weights={tmp_path / 'begun' / 'best.safetensors'}"
    settings = [*SMALL, "train.epochs=3", "model.frozen=true", weights]
    runs = []
    for processes in (1, 2):
        cut = f"train.batch_size={8 // processes}"
        out = tmp_path / f"{processes}"
        done = call([*training("tiny", root, out, [*settings, cut]), "--json"], processes)
        assert json.loads(done.stdout)["features_computed"] == 2 * SUBJECTS
        runs.append(load_file(out / "best.safetensors"))
    for key, value in runs[0].items():
        assert abs(value - runs[1][key]).max() < 1e-5, key


@pytest.mark.slow
def test_two_processes_record_what_key_frames_cost(root, tmp_path):
    settings = [*PLAIN, "data.reader=keyframe"]
    done = call([*training("tiny", root, tmp_path / "run", settings), "--json"], 2)
    effect = json.loads(done.stdout)["sampling_effect"]
    assert set(effect["accuracy"]) == {"exact", "keyframe"}
    recorded = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recorded["reading"]["effect"] == effect
