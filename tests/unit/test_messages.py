"""Messages on models, recipes and runs name what was given, what is allowed and what to do next."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from training_data import OWN, SMALL, reel, write_dataset, write_splits
from typer.main import get_command
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.dataset.export.instructions import instructions
from openbasket.dataset.export.webdataset import read_shards
from openbasket.errors import (
    BadInputError,
    ConfigError,
    DependencyError,
    NotFoundError,
    OpenBasketError,
    UnknownNameError,
)
from openbasket.models import create_model, model_spec
from openbasket.models.reading import read_official
from openbasket.training import checkpoint, loop, predict
from openbasket.training.config import load_recipe


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, 3)
    return folder


def train(root, out, settings, **options):
    recipe = load_recipe("tiny", [*SMALL, "train.epochs=2", *settings])
    return loop.train(recipe, root, out, workers=1, **options)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("epochs=3", "--set epochs=3: there is no setting 'epochs'. Did you mean 'train.epochs' or"),
        ("training.epochs=3", "Did you mean 'train.epochs' or"),
        ("epoch=3", "Did you mean 'train.epochs' or"),
        ("train.lr=3", "Known in 'train': train.epochs"),
        ("train.epochs=many", "'train.epochs': got 'many'; allowed: a whole number from 1"),
        ("data.frames=0", "'data.frames': got 0; allowed: a whole number from 1 to 4096"),
        ("data.frames=2.5", "'data.frames': got 2.5; allowed: a whole number from 1 to 4096"),
        ("train.grad_clip=inf", "'train.grad_clip': got inf; allowed: a number from 0"),
        ("train.learning_rate=0", "'train.learning_rate': got 0; allowed: a number above 0"),
        ("train.optimizer=adam", "got 'adam'; allowed: 'adamw', 'sgd'"),
        ("data.flip=yes", "'data.flip': got 'yes'; allowed: true or false"),
        ("train.betas=[0.9]", "got [0.9]; allowed: a list of 2 numbers"),
        ("train.step_epochs=a", "allowed: a list of numbers"),
        ("model.weights=3", "'model.weights': got 3; allowed: text"),
        ("model.options.width=[1]", "'model.options.width': got [1]; allowed: a number, text, true"),
        ("data=3", "'data': got 3; allowed: a section with frames, size"),
        ("data.size=200", "'data': short_side (128) must be at least size (200); set both"),
        ("train.schedule=step", "step_epochs and schedule = 'step' go together"),
        ("data.randaugment.operations=20", "allowed: a whole number from 0 to 14"),
        ("train.epochs", "it has no value; allowed: section.key=value"),
        ("train..epochs=1", "there is no setting 'train..epochs'. Did you mean 'train.epochs' or"),
    ],
)  # fmt: skip
def test_faults_of_set_name_what_was_given_and_what_is_allowed(item, told):
    with pytest.raises(ConfigError) as caught:
        load_recipe("tiny", ["train.batch_size=2", item])
    text = str(caught.value)
    assert text.startswith(f"--set has 1 fault:\n  - --set {item}: ")
    assert told in text
    assert "tiny.toml" not in text
    assert not re.search(r"Input should|valid|pydantic", text)


def test_a_fault_of_the_whole_recipe_has_no_place_and_names_what_was_set():
    with pytest.raises(ConfigError) as caught:
        load_recipe("tiny", ["train.batch_size=2", "model.frozen=true"])
    told = "--set has 1 fault:\n  - --set model.frozen=true: model.frozen does not go with fresh weights"
    assert str(caught.value).startswith(told)


def test_names_of_another_kind_are_told():
    with pytest.raises(ConfigError) as caught:
        load_recipe("tiny", ["model.name=tiny"])
    told = "'tiny' is a recipe (of model 'tiny_conv') and a suite, not a model."
    assert told in str(caught.value)
    for build in (create_model, model_spec):
        with pytest.raises(UnknownNameError) as unknown:
            build("tiny")
        assert told in str(unknown.value)
    with pytest.raises(
        ConfigError, match=r"'tiny_conv' is a model, not a recipe\. Recipes of it: small, tiny\."
    ):
        load_recipe("tiny_conv")
    words = ["benchmark", "--data", "x", "--out", "y", "--suite", "umt-tiny"]
    refused = CliRunner().invoke(app, words).exception
    assert "'umt-tiny' is a model and a recipe (of model 'umt-tiny'), not a suite." in str(refused)


def test_an_interrupted_run_tells_what_is_kept_and_how_to_go_on(root, tmp_path):
    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        train(root, tmp_path / "run", [], quiet=True, on_epoch=stop)
    text = str(caught.value)
    assert f"1 of 2 epochs are kept in '{tmp_path / 'run' / 'last.safetensors'}'" in text
    assert text.endswith("To go on after them: the same command")
    with pytest.raises(KeyboardInterrupt, match="the same command without --no-resume"):
        train(root, tmp_path / "run", [], quiet=True, on_epoch=stop, resume=False)


def test_ctrl_c_ends_with_130_and_the_way_to_go_on(root, tmp_path):
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "from openbasket.training import session\n"
        "session.Session.epoch = lambda *_: (os.kill(os.getpid(), signal.SIGINT), time.sleep(9))\n"
        "from openbasket.cli import main\nmain()"
    )
    words = ["train", "tiny", "--data", str(root), "--out", str(tmp_path / "run"), "--workers", "1"]
    words += [word for item in SMALL for word in ("--set", item)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 128 + signal.SIGINT
    assert "has no checkpoint yet" in done.stderr
    assert "Traceback" not in done.stderr


#: The loader of the second epoch computes without end, and says that it does.
BUSY = """
import sys
from pathlib import Path
from openbasket.training import data
from openbasket.cli import main
get, busy = data.ClipDataset.__getitem__, Path(sys.argv.pop())
def endless(self, key):
    while key[0] == 1:
        get(self, key)
        busy.touch()
    return get(self, key)
data.ClipDataset.__getitem__ = endless
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["all", "main"])
def test_ctrl_c_while_a_loader_works_leaves_no_process_and_the_run_goes_on(root, tmp_path, whom):
    words = ["train", "tiny", "--data", str(root), "--out", str(tmp_path / "run"), "--workers", "1"]
    for item in (*SMALL, "train.epochs=2", "train.loader_workers=2"):
        words += ["--set", item]
    busy = tmp_path / "busy"
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY, *words, str(busy)],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not busy.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    (os.killpg if whom == "all" else os.kill)(process.pid, signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGINT, told
    assert told.strip().endswith("To go on after them: the same command")
    assert "1 of 2 epochs are kept" in told
    assert "Traceback" not in told
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(process.pid, 0)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    facts = (tmp_path / "run" / "train.log").read_text()
    assert "goes on after 1 of 2 epochs done" in facts


@pytest.mark.parametrize(
    "setting",
    ["model.name=no_such_module:Model", "model.weights=none.safetensors", "model.options.none=1"],
)
def test_a_refused_start_leaves_nothing(root, tmp_path, setting):
    with pytest.raises(Exception, match=r"none|no_such_module"):
        train(root, tmp_path / "runs" / "a", [setting], quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_start_keeps_the_run_that_is_there(root, tmp_path, monkeypatch):
    train(root, tmp_path / "run", [], quiet=True)
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.is_file()}
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(DependencyError, match="pip install wandb"):
        train(root, tmp_path / "run", ["log.tracker=wandb"], quiet=True, resume=False)
    after = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.is_file()}
    assert after == before


def test_logits_of_another_shape_leave_frames_and_no_run(root, tmp_path):
    recipe = load_recipe("tiny", [*OWN, "model.name=training_models:Flat"])
    with pytest.raises(ConfigError, match="gave logits of shape"):
        loop.train(recipe, root, tmp_path / "run", quiet=True, workers=1)
    assert [p.name for p in (tmp_path / "run").glob("[!.]*")] == ["frame_cache"]


def test_how_many_reels_come_from_the_cache_and_why_not_all(tmp_path, capsys):
    root = tmp_path / "data"
    videos = write_dataset(root, 3)
    shared = root / "openbasket" / "frame_cache"
    words = ["cache", str(root), "--workers", "1"]
    assert CliRunner().invoke(app, [*words, "--frames", "2", "--size", "32"]).exit_code == 0
    train(root, tmp_path / "a", [])
    told = capsys.readouterr().err
    assert f"0 of 3 reels from the cache in '{shared}'; the frames of 3 are read now" in told
    assert (
        "(not read before as 3 frames of short side 32, exact; the cache has 2 frames of short side 32, exact"
        in told
    )
    train(root, tmp_path / "b", [])
    assert f"3 of 3 reels from the cache in '{shared}'\n" in capsys.readouterr().err
    predict.predict(tmp_path / "a", root, tmp_path / "p.parquet", workers=1, views=(2, 1))
    assert "(not read before as 6 frames of short side 32" in capsys.readouterr().err
    reel(videos[0], colour=5)
    train(root, tmp_path / "c", [])
    told = capsys.readouterr().err
    assert "2 of 3 reels from the cache" in told
    assert "(not read before, or changed since)" in told


@pytest.mark.parametrize("form", ["jpeg", "raw"])
def test_a_cache_made_for_a_recipe_is_what_it_reads(tmp_path, capsys, form):
    write_dataset(tmp_path, 3)
    settings = [*SMALL, "train.epochs=1", "data.sampling=interval", "data.interval=2"]
    words = [word for item in settings for word in ("--set", item)]
    done = CliRunner().invoke(
        app,
        ["cache", str(tmp_path), "--recipe", "tiny", "--format", form, "--workers", "1", *words],
    )
    assert done.exit_code == 0, done.output
    assert "every 2. frame of short side 32, exact" in done.stdout
    train(tmp_path, tmp_path / "run", settings[len(SMALL) :])
    assert "3 of 3 reels from the cache" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["reading"]["format"] == form


def test_a_cache_is_of_the_draw_and_the_levels_of_the_recipe(tmp_path):
    videos = write_dataset(tmp_path, 3)
    for video in videos:
        other = tmp_path / "BASKET_draw1" / video.relative_to(tmp_path / "BASKET")
        other.parent.mkdir(parents=True, exist_ok=True)
        video.rename(other)
    words = ["cache", str(tmp_path), "--recipe", "tiny", "--workers", "1", "--quiet"]
    for item in (*SMALL, "data.draw=1"):
        words += ["--set", item]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "3 reels" in done.stdout
    words[-1] = "data.draw=0"
    assert isinstance(CliRunner().invoke(app, words).exception, BadInputError)


def test_a_dataset_of_three_levels_is_read_as_such(tmp_path):
    write_dataset(tmp_path, 2)
    write_splits(tmp_path, [(None,) * 20, (2,) * 20], count=3)
    (tmp_path / "openbasket").mkdir()
    (tmp_path / "openbasket" / "manifest.json").write_text('{"levels": 3}')
    shards = tmp_path / "shards"
    words = ["cache", str(tmp_path), "--frames", "2", "--size", "32", "--workers", "1", "--quiet"]
    done = CliRunner().invoke(app, [*words, "--split", "train", "--webdataset", str(shards)])
    assert done.exit_code == 0, done.output
    kept = [json.loads(part.files["json"]) for part in read_shards(sorted(shards.iterdir()))]
    assert {level for one in kept for level in one["levels"].values()} == {None, 2}
    told = CliRunner().invoke(app, [*words, "--recipe", "tiny"]).exception
    assert isinstance(told, ConfigError)
    assert "--set data.levels=3" in str(told)
    done = CliRunner().invoke(app, [*words, "--recipe", "tiny", "--set", "data.levels=3"])
    assert done.exit_code == 0, done.output
    words = ["instructions", str(tmp_path), "--out", str(tmp_path / "i.json")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "i.json").read_text()) == instructions(tmp_path, levels=3)
    with pytest.raises(ConfigError, match=r"got 5; the dataset at .* has 3"):
        CliRunner().invoke(app, [*words, "--levels", "5"], catch_exceptions=False)


def test_settings_of_a_cache_without_a_recipe_are_refused(root):
    words = ["cache", str(root), "--set", "data.frames=3"]
    assert "give --recipe" in str(CliRunner().invoke(app, words).exception)


def test_a_run_of_ones_own_model_tells_where_its_code_was(root, tmp_path, monkeypatch, capsys):
    code = "from training_models import Plain\n\n\nclass Mine(Plain):\n    pass\n"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "obnet_here.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))
    recipe = load_recipe("tiny", [*OWN, "model.name=obnet_here:Mine"])
    loop.train(recipe, root, tmp_path / "run", quiet=True, workers=1)
    facts = json.loads((tmp_path / "run" / "recipe.json").read_text())["code"]
    assert facts["file"] == str(tmp_path / "mine" / "obnet_here.py")
    assert facts["import_from"] == str(tmp_path / "mine")
    (tmp_path / "mine" / "obnet_here.py").write_text(code + "# changed\n")
    predict.predict(tmp_path / "run", root, tmp_path / "p.parquet", workers=1)
    assert "obnet_here.py' is not as it was when the run was trained" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "obnet_here")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path / "mine")])
    with pytest.raises(ConfigError) as caught:
        predict.predict(tmp_path / "run", root, tmp_path / "p.parquet", workers=1)
    assert "there is no module 'obnet_here'" in str(caught.value)
    assert f"trained with '{tmp_path / 'mine' / 'obnet_here.py'}'" in str(caught.value)
    assert f"PYTHONPATH={tmp_path / 'mine'}" in str(caught.value)


SRC = Path(__file__).resolve().parents[2] / "src" / "openbasket"
#: Options of other programs that our texts name.
OTHERS = {"--multi_gpu", "--num_processes", "--head", "--help", "--version"}


def verbs(group, prefix=""):
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if hasattr(command, "commands"):
            yield from verbs(command, f"{prefix}{name} ")


def options(command):
    return {word for p in command.params for word in (*p.opts, *p.secondary_opts) if word[0] == "-"}


def texts():
    """Every text in the code with its place."""
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.relative_to(SRC)}:{node.lineno}", node.value


def test_options_that_texts_name_are_real():
    known = OTHERS.union(*(options(command) for _, command in verbs(get_command(app))))
    named = [
        (place, option)
        for place, text in texts()
        for option in re.findall(r"(?<![\w-])--[a-z][a-z_-]+", text)
    ]
    assert len(named) > 50
    assert [(place, option) for place, option in named if option not in known] == []


def test_options_behind_a_verb_in_a_text_are_those_of_that_verb():
    commands = dict(verbs(get_command(app)))
    named = []
    for place, text in texts():
        for line in re.findall(r"openbasket ([a-z][^'`\n(;]*)", text):
            words = line.split()
            verb = next((v for v in (" ".join(words[:2]), words[0]) if v in commands), None)
            found = re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)
            named += [(place, verb, option) for option in found if verb]
    assert len(named) > 4
    assert [n for n in named if n[2] not in options(commands[n[1]])] == []


def test_who_prints_json_can_be_quiet():
    told = [v for v, c in verbs(get_command(app)) if {"--json"} <= options(c)]
    assert len(told) > 20
    assert [
        v for v, c in verbs(get_command(app)) if v in told and "--quiet" not in options(c)
    ] == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"hello world, no weights", "is damaged, or no checkpoint"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (nn.Linear(2, 2), r"holds whole objects \(torch.nn.modules.linear.Linear\)"),
        ({"model": nn.Linear(2, 2)}, "save torch.save"),
    ],
)
def test_files_that_are_no_checkpoints_say_what_they_are(tmp_path, content, told):
    path = tmp_path / "x.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(OpenBasketError, match=told) as caught:
        read_official(path)
    assert "(101)" not in str(caught.value)


def test_weights_are_converted_for_what_a_recipe_trains(tmp_path):
    model = create_model("videomamba-tiny", num_frames=4, size=32, width=128, depth=4)
    state = OrderedDict((n, v) for n, v in model.state_dict().items() if n[:6] != "heads.")
    torch.save(state, tmp_path / "k.pth")
    words = ["weights", "convert", str(tmp_path / "k.pth")]
    out = str(tmp_path / "w.safetensors")
    done = CliRunner().invoke(app, [*words, "--recipe", "videomamba-tiny", "--out", out])
    assert done.exit_code == 0, done.output
    assert "for clips of 8 frames of 64 x 64 pixels" in done.stdout
    recipe = load_recipe("videomamba-tiny", [f"model.weights={out}"])
    start = loop.load_start(recipe, loop.build_model(recipe))
    assert start is not None
    assert start.missing == ()
    assert "give --recipe alone" in str(
        CliRunner().invoke(app, [*words, "--recipe", "tiny", "--model", "umt-tiny"]).exception
    )
    assert "for which model?" in str(CliRunner().invoke(app, words).exception)


def test_a_conversion_for_other_clips_than_the_recipes_says_so(tmp_path):
    torch.save(create_model("siglip-tiny").state_dict(), tmp_path / "k.pth")
    done = CliRunner().invoke(
        app, ["weights", "convert", str(tmp_path / "k.pth"), "--model", "siglip-tiny"]
    )
    assert "recipe 'siglip-tiny' trains clips of 8 frames of 96 x 96 pixels" in done.stdout
    assert "made of" not in done.stdout


def test_checkpoints_of_others_and_of_another_model_are_told(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(OpenBasketError, match="no checkpoint of openbasket"):
        checkpoint.load_weights(tmp_path / "foreign.safetensors", nn.Linear(2, 2))
    checkpoint.save_weights(tmp_path / "w.safetensors", nn.Linear(2, 3), {})
    with pytest.raises(OpenBasketError) as caught:
        checkpoint.load_weights(tmp_path / "w.safetensors", nn.Sequential(nn.Linear(2, 2)))
    assert "it lacks 2 weights (0.bias, 0.weight); it has besides 2 weights" in str(caught.value)


def test_a_run_is_evaluated_by_its_predictions(finished, tmp_path):
    words = ["evaluate", "--data", str(finished / "ws"), "--resamples", "100", "--json"]
    (tmp_path / "run").mkdir()
    refused = CliRunner().invoke(app, [*words, str(tmp_path / "run")])
    assert isinstance(refused.exception, NotFoundError)
    assert f"--out {tmp_path / 'run' / 'predictions.parquet'}" in str(refused.exception)
    file = tmp_path / "run" / "predictions.parquet"
    file.write_bytes((finished / "predictions.parquet").read_bytes())
    assert CliRunner().invoke(app, [*words, str(tmp_path / "run")]).exit_code == 0
    words = ["evaluate", str(file), "--data", str(tmp_path / "none")]
    assert f"the dataset's folder '{tmp_path / 'none'}' does not exist" in str(
        CliRunner().invoke(app, words).exception
    )


def test_a_recipe_where_a_command_should_stand_is_told_how_to_be_printed():
    told = str(CliRunner().invoke(app, ["recipes", "tiny"]).exception)
    assert "openbasket recipes show tiny" in told
    assert "umt-tiny" in told
    assert "siglip-tiny" in told


def test_a_reader_that_there_is_not_is_told_by_its_option(root, tmp_path):
    words = ["predict", "run", "--data", str(root), "--out", "p.parquet", "--reader", "fast"]
    told = str(CliRunner().invoke(app, words).exception)
    assert told == "--reader: got 'fast'; allowed: exact, keyframe"
