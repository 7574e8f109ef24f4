"""Trackers get one line an epoch, none twice; wandb and trackio are stood in for, as they need accounts."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from training_data import OWN, write_dataset

from openbasket.training import loop
from openbasket.training.config import load_recipe


@pytest.fixture
def root(tmp_path):
    write_dataset(tmp_path, 3)
    return tmp_path


def run(root, tracker, **options):
    settings = [*OWN, "model.name=training_models:Plain", f"log.tracker={tracker}"]
    return loop.train(
        load_recipe("tiny", settings), root, root / "run", quiet=True, workers=1, **options
    )


def stop(line):
    raise KeyboardInterrupt


def test_tensorboard_has_a_scalar_an_epoch_over_a_stop(root):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(KeyboardInterrupt):
        run(root, "tensorboard", on_epoch=stop)
    report = run(root, "tensorboard")
    found = EventAccumulator(str(root / "run" / "tensorboard")).Reload().Scalars("val_loss")
    assert [event.step for event in found] == [0, 1]
    assert [event.value for event in found] == pytest.approx(
        [line["val_loss"] for line in report.history]
    )


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_the_others_go_on_under_the_same_name(root, name, monkeypatch):
    calls = []
    package = SimpleNamespace(
        init=lambda **given: calls.append(("init", given)),
        log=lambda line, step: calls.append(("log", step)),
        finish=lambda: calls.append(("finish", None)),
    )
    monkeypatch.setitem(sys.modules, name, package)
    with pytest.raises(KeyboardInterrupt):
        run(root, name, on_epoch=stop)
    run(root, name)
    assert [what for what, _ in calls] == ["init", "log", "finish"] * 2
    assert [step for what, step in calls if what == "log"] == [0, 1]
    first, second = (given for what, given in calls if what == "init")
    assert first["name"] == second["name"]
    assert (first["resume"], second["resume"]) == ("never", "allow")
    assert first["config"]["train"]["epochs"] == 2


def test_a_fresh_start_is_another_run_of_the_tracker(root, monkeypatch):
    names = []
    package = SimpleNamespace(
        init=lambda **given: names.append(given["name"]),
        log=lambda *_, **__: None,
        finish=lambda: None,
    )
    monkeypatch.setitem(sys.modules, "trackio", package)
    run(root, "trackio")
    run(root, "trackio", resume=False)
    assert len(set(names)) == 2
