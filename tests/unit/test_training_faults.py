"""What goes wrong in training ends with a message that says what to change; nothing is lost."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
import time

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from training_data import OWN, SMALL, write_dataset

from openbasket.errors import ConfigError, DependencyError, NotFoundError
from openbasket.models import create_model
from openbasket.training import building, faults, loop, predict
from openbasket.training.config import load_recipe
from openbasket.training.faults import TrainingError, batches, explained
from openbasket.workspace import Workspace

PLAIN = [*OWN, "model.name=training_models:Plain"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, 6)
    return folder


def train(root, out, settings, **options):
    return loop.train(load_recipe("tiny", settings), root, out, quiet=True, workers=1, **options)


def test_a_loss_that_is_no_number_names_epoch_and_update_and_keeps_the_last_epoch(root, tmp_path):
    # Two updates an epoch; the fourth is bad.
    settings = [*PLAIN, "train.epochs=3", "model.options.bad_from=3"]
    with pytest.raises(TrainingError, match=r"epoch 1, at its update 1 .*train\.learning_rate"):
        train(root, tmp_path / "run", settings)
    assert pl.read_csv(tmp_path / "run" / "metrics.csv")["epoch"].to_list() == [0]
    weights = load_file(tmp_path / "run" / "best.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_a_dataset_is_no_folder_for_a_run(root, tmp_path):
    before = sorted(root.iterdir())
    with pytest.raises(ConfigError, match="is a dataset's own folder"):
        train(root, root, OWN)
    assert sorted(root.iterdir()) == before
    workspace = Workspace(tmp_path / "ws", create=True)
    before = sorted(tmp_path.rglob("*"))
    for folder in (workspace.root, workspace.private):
        with pytest.raises(ConfigError, match="Give another --out"):
            train(root, folder, OWN)
    assert sorted(tmp_path.rglob("*")) == before
    train(root, workspace.root / "run", [*OWN, "train.epochs=1"])
    # a run that was made in such a folder before goes on
    shutil.copytree(workspace.root / "run", workspace.root, dirs_exist_ok=True)
    assert train(root, workspace.root, [*OWN, "train.epochs=1"]).resumed_from == 1


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory. Tried"), MemoryError()]
)
def test_memory_that_runs_out_names_what_needs_less(error):
    with pytest.raises(TrainingError) as caught, explained("training", 16, go_on="All is kept"):
        raise error
    for part in (
        "train.batch_size = 16",
        "train.accumulate",
        "model.checkpointing",
        "data.frames",
        "All is kept",
    ):
        assert part in str(caught.value)


def test_memory_of_the_processor_that_runs_out_is_told(root, tmp_path):
    with pytest.raises(
        TrainingError, match=r"memory ran out while training with train\.batch_size = 4"
    ):
        train(root, tmp_path / "run", [*OWN, "model.name=training_models:Hungry"])


def test_other_errors_stay_as_they_are():
    with (
        pytest.raises(RuntimeError, match="shapes cannot be multiplied"),
        explained("x", 1, go_on=""),
    ):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_a_loader_process_that_is_killed_is_told(root, tmp_path):
    settings = [
        *OWN,
        "model.name=training_models:Deadly",
        "train.loader_workers=1",
        "train.batch_size=1",
    ]
    with pytest.raises(
        TrainingError, match=r"a loader process \(pid \d+\) died .*train\.loader_workers"
    ):
        train(root, tmp_path / "run", settings)


class Broken:
    """Batches of a process that dies, or not, while it hands over the second one."""

    def __init__(self, dies, error):
        self.dies, self.error = dies, error

    def __iter__(self):
        self.child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
        self.child.start()
        return self.batches()

    def batches(self):
        yield 1
        if self.dies:
            threading.Timer(0.2, self.child.kill).start()  # dead only after the connection broke
        raise self.error


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), EOFError()])
def test_a_loader_process_that_dies_while_it_hands_over_a_batch_is_told(error):
    loader = Broken(True, error)
    found = batches(loader)
    assert next(found) == 1
    told = r"a loader process \(pid \d+\) died"
    with pytest.raises(TrainingError, match=told) as caught, explained("training", 1, go_on=""):
        next(found)
    assert str(loader.child.pid) in str(caught.value)
    with pytest.raises(ChildProcessError):  # its end was taken note of: no signal of it comes later
        os.waitid(os.P_PID, loader.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)


def test_an_error_of_reading_stays_what_it_is_where_no_process_died(monkeypatch):
    monkeypatch.setattr(faults, "_DYING_S", 0.1)
    loader = Broken(False, ConnectionResetError(104, "reset"))
    try:
        with pytest.raises(ConnectionResetError):
            list(batches(loader))
    finally:
        loader.child.kill()


def test_loader_processes_change_nothing(root, tmp_path):
    settings = [
        *SMALL,
        "train.epochs=2",
        "data.randaugment.operations=2",
        "data.flip=true",
        "data.erasing=0.5",
    ]
    alone = train(root, tmp_path / "a", settings)
    helped = train(root, tmp_path / "b", [*settings, "train.loader_workers=2"])
    assert alone.history == helped.history


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "training_models:Flat",
            r"gave logits of shape \(4, 100\).*expected \(B, 20, levels\) = \(4, 20, 5\)",
        ),
        ("training_models:Gone", "cannot be imported.*package.module:attribute"),
        ("no_such_package.models:Model", "cannot be imported.*working folder"),
        ("training_models:NOT_A_MODEL", "is a int; allowed: a class or function"),
        ("training_models:no_module", "gave a int; allowed: an nn.Module"),
    ],
)
def test_a_model_of_ones_own_that_cannot_be_used_is_told(root, tmp_path, name, told):
    with pytest.raises(ConfigError, match=told):
        train(root, tmp_path / "run", [*OWN, f"model.name={name}"])


def test_unknown_options_and_switches_of_ones_own_model_are_told(root, tmp_path):
    with pytest.raises(ConfigError, match="no such switch"):
        train(root, tmp_path / "run", [*PLAIN, "model.checkpointing=true"])
    with pytest.raises(Exception, match="Did you mean 'drop'"):
        train(root, tmp_path / "run", [*PLAIN, "model.options.dropp=0.1"])


def test_a_tracker_that_is_not_installed_says_how_to_install_it(root, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(DependencyError, match="pip install wandb"):
        train(root, tmp_path / "run", [*PLAIN, "log.tracker=wandb"])


class TestWeights:
    """``model.weights``: what a run begins with."""

    @pytest.fixture
    def trained(self, tmp_path):
        torch.manual_seed(5)
        model = create_model("tiny_conv", num_frames=3, size=32, width=8, dim=32, depth=1)
        save_file(model.state_dict() | {"extra": torch.zeros(2)}, tmp_path / "w.safetensors")
        return model, tmp_path / "w.safetensors"

    def test_all_but_the_heads_is_loaded_and_told(self, trained, root, tmp_path):
        model, path = trained
        state = {k: v for k, v in load_file(path).items() if not k.startswith("norm.")}
        save_file(state, path)
        words = [*SMALL, f"model.weights='{path}'", "train.epochs=1"]
        strict = load_recipe("tiny", words)
        other = building.build_model(strict)
        with pytest.raises(
            ConfigError, match=r"lacks 2 weights .*norm.bias, norm.weight.*model.partial = true"
        ):
            building.load_start(strict, other)
        recipe = load_recipe("tiny", [*words, "model.partial=true"])
        fresh = building.build_model(recipe)
        heads = fresh.heads.linear.weight.clone()
        start = building.load_start(recipe, fresh)
        assert torch.equal(fresh.position, model.position)
        assert torch.equal(fresh.heads.linear.weight, heads)
        assert not torch.equal(heads, model.heads.linear.weight)
        assert start.missing == ("norm.bias", "norm.weight")
        assert start.unexpected == ("extra",)
        loop.train(recipe, root, tmp_path / "run", quiet=True, workers=1)
        told = (tmp_path / "run" / "train.log").read_text()
        assert "2 missing: norm.bias, norm.weight; 1 unexpected: extra" in told
        assert start.sha256 in (tmp_path / "run" / "MODEL_CARD.md").read_text()

    def test_weights_of_another_shape_say_how_to_convert(self, trained, tmp_path):
        recipe = load_recipe("tiny", [*SMALL, "data.frames=4", f"model.weights='{trained[1]}'"])
        with pytest.raises(
            ConfigError, match=r"position is \(3, 32\), not \(4, 32\).*--num-frames 4 --size 32"
        ):
            building.load_start(recipe, building.build_model(recipe))

    def test_files_that_are_missing_damaged_or_of_another_model_are_told(self, trained, tmp_path):
        def start(path):
            recipe = load_recipe("tiny", [*SMALL, f"model.weights='{path}'"])
            return building.load_start(recipe, building.build_model(recipe))

        with pytest.raises(NotFoundError, match="openbasket weights convert"):
            start(tmp_path / "none.safetensors")
        (tmp_path / "half.safetensors").write_bytes(trained[1].read_bytes()[:100])
        with pytest.raises(ConfigError, match="no whole safetensors file"):
            start(tmp_path / "half.safetensors")
        save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
        with pytest.raises(ConfigError, match="holds none of its weights"):
            start(tmp_path / "other.safetensors")


def test_checkpointing_and_compiling_change_no_loss(root, tmp_path, monkeypatch):
    settings = [*SMALL, "train.epochs=1", "train.batch_size=8"]
    plain = train(root, tmp_path / "a", settings)
    saved = train(
        root, tmp_path / "b", [*settings, "model.checkpointing=true", "model.options.dropout=0.1"]
    )
    assert saved.history[0]["train_loss"] == pytest.approx(plain.history[0]["train_loss"], abs=1e-5)
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    train(root, tmp_path / "c", [*settings, "model.compile=true"])
    assert compiled == ["TinyConv"]


def test_predicting_with_a_model_of_ones_own(root, tmp_path):
    train(root, tmp_path / "run", PLAIN)
    done = predict.predict(tmp_path / "run", root, tmp_path / "p.parquet", quiet=True, workers=1)
    assert done.frame["model"].unique().to_list() == ["training_models:Plain"]
    assert done.frame.height == 6 * 20
    assert (
        "6 subjects to learn from, 6 to validate"
        in (tmp_path / "run" / "MODEL_CARD.md").read_text()
    )
