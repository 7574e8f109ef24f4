"""A suite: one table of models and baselines, resumed, with failures told."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from openbasket import cli
from openbasket.cli.benchmarking import run_recipe, suite_names
from openbasket.dataset.reader import SPLIT_FILES
from openbasket.errors import BadInputError, ConfigError, UnknownNameError
from openbasket.evaluation import evaluate
from openbasket.skills import OFFICIAL_ORDER
from openbasket.training.config import load_recipe
from openbasket.video.write import VideoWriter
from openbasket.workspace import write_text

QUICK = ["data.frames=2", "data.size=32", "data.short_side=32", "train.epochs=1"]
SUITE = f"""
summary = "two that work and one that does not"
recipes = ["umt-tiny", "mine.toml", "siglip-tiny"]
set = {json.dumps(QUICK)}
"""
#: Takes more heads than its width divides into.
BROKEN = """
[model]
name = "umt-tiny"
options = { heads = 7 }
[data]
frames = 2
size = 32
[train]
epochs = 1
batch_size = 2
learning_rate = 1e-3
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Six reels, of which four are trained on and two tested."""
    root = tmp_path_factory.mktemp("reels")
    header = ",".join(["path", *(skill.name for skill in OFFICIAL_ORDER)])
    lines = []
    for i in range(6):
        path = f"BASKET/21-22/L/s{i}_21_22.mp4"
        with VideoWriter(root / path, width=96, height=64) as writer:
            for _ in range(4):
                writer.write(np.full((64, 96, 3), 40 * i, np.uint8))
        lines.append(",".join([path, *[str(i % 5)] * 20]))
    for split, rows in (("train", lines[:4]), ("val", lines[:2]), ("test", lines[4:])):
        write_text(root / SPLIT_FILES[split], "\n".join([header, *rows]) + "\n")
    return root


def run(root, out, *more):
    arguments = ["benchmark", "--data", str(root), "--out", str(out), "--workers", "1", "-q", *more]
    arguments += ["--allow-crossing"]
    return CliRunner().invoke(cli.app, arguments)


def test_a_suite_becomes_one_table_and_goes_on(root, tmp_path, monkeypatch):
    (tmp_path / "suite.toml").write_text(SUITE)
    (tmp_path / "mine.toml").write_text(BROKEN)
    suite, out = ["--suite", str(tmp_path / "suite.toml")], tmp_path / "out"
    done = run(root, out, *suite, "--json")
    assert done.exit_code == 1  # one failed
    rows = {row["name"]: row for row in json.loads(done.output)}
    assert list(rows) == ["random", "majority", "text-only", "umt-tiny", "mine", "siglip-tiny"]
    assert "width of heads" in rows["mine"]["error"]
    assert rows["mine"]["accuracy"] == {}
    assert rows["random"]["accuracy"]["test"]["value"] == pytest.approx(0.2)
    scored = (
        evaluate([out / "umt-tiny.parquet"], root, allow_crossing=True)
        .find("umt-tiny")
        .scores["accuracy"]["mean"]
    )
    umt = rows["umt-tiny"]
    assert umt["accuracy"]["test"]["value"] == scored.value
    assert (umt["accuracy"]["test"]["low"], umt["accuracy"]["test"]["high"]) == (
        scored.low,
        scored.high,
    )
    assert umt["frames"] == 2
    assert umt["parameters"] > 1_000_000
    assert umt["seconds"] > 0
    assert json.loads((out / "suite.json").read_text()) == json.loads(done.output)
    table = (out / "suite.md").read_text()
    assert [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")] == [
        "| model", "| random", "| majority", "| text-only", "| umt-tiny", "| mine", "| siglip-tiny",
    ]  # fmt: skip
    assert "failed: " in table
    runs = {r["run"] for r in json.loads((out / "suite.evaluation.json").read_text())["results"]}
    assert runs == {"random", "majority", "text-only", "umt-tiny", "siglip-tiny"}

    def nothing(*_, **__):
        raise AssertionError("what was done is done again")

    monkeypatch.setattr("openbasket.training.predict._probabilities", nothing)
    again = run(root, out, *suite, "--models", "siglip-tiny, umt-tiny")
    assert again.exit_code == 0, again.output
    assert again.output.strip() == (out / "suite.md").read_text().strip()
    assert "mine" not in again.output
    listed = json.loads((out / "suite.json").read_text())
    assert {r["name"]: r["seconds"] for r in listed if r["name"] == "umt-tiny"} == {
        "umt-tiny": umt["seconds"]
    }


def test_persons_who_cross_splits_are_refused_before_any_training_and_told_where_allowed(
    root, tmp_path
):
    arguments = ["benchmark", "--data", str(root), "--out", str(tmp_path / "out"), "-q"]
    done = CliRunner().invoke(cli.app, arguments)
    assert isinstance(done.exception, BadInputError)
    assert "--allow-crossing" in str(done.exception)
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine.toml").write_text(BROKEN)
    (tmp_path / "suite.toml").write_text('recipes = ["mine.toml"]')
    done = run(root, tmp_path / "out", "--suite", str(tmp_path / "suite.toml"))
    assert "Note: 2 persons of the training or validation split are in another split" in done.output


def test_other_views_or_labels_are_predicted_anew(root, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(root, data)
    predictions = tmp_path / "tiny.parquet"

    def when(*settings):
        recipe = load_recipe("umt-tiny", [*QUICK, *settings])
        assert run_recipe("tiny", recipe, data, tmp_path, ["test"], 1, True).error is None
        return predictions.stat().st_ino

    first = when()
    assert when() == first
    other = when("test.spatial_views=2")
    assert other != first
    labels = data / SPLIT_FILES["test"]
    labels.write_text(labels.read_text().replace(",4", ",3"))
    assert when("test.spatial_views=2") != other


def test_the_suites_that_come_along_are_of_recipes_there_are():
    assert "tiny" in suite_names()
    from openbasket.cli.benchmarking import _read_suite

    tiny = _read_suite("tiny").runs
    assert len(tiny) == 9
    assert all(load_recipe(recipe).model.name == name for name, (recipe, _) in tiny.items())
    for suite in suite_names():
        for recipe, settings in _read_suite(suite).runs.values():
            load_recipe(recipe, settings)


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ("tinyy", "unknown suite 'tinyy'. Did you mean 'tiny'"),
        ("none.toml", "cannot be read"),
        ("bad.toml", "unknown 'recipe'. Allowed are summary"),
        ("twice.toml", "'umt-tiny': names of runs are different"),
        ("empty.toml", "it has no runs"),
        ("odd.toml", "set is no list of texts"),
    ],
)
def test_suites_with_faults_are_refused(root, tmp_path, monkeypatch, suite, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("recipe = ['umt-tiny']\n")
    (tmp_path / "twice.toml").write_text("recipes = ['umt-tiny', 'umt-tiny']\n")
    (tmp_path / "empty.toml").write_text("summary = ''\n")
    (tmp_path / "odd.toml").write_text("[[runs]]\nrecipe = 'umt-tiny'\nset = 'train.epochs=1'\n")
    done = run(root, tmp_path / "out", "--suite", suite)
    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_runs_of_a_suite_have_names_settings_and_splits_of_their_own(root, tmp_path):
    (tmp_path / "suite.toml").write_text(
        f"""
splits = ["test"]
set = {json.dumps(QUICK)}
[[runs]]
recipe = "umt-tiny"
[[runs]]
name = "again"
recipe = "umt-tiny"
set = ["train.seed=1", "model.weights={{out}}/umt-tiny/best.safetensors", "model.partial=true"]
"""
    )
    out = tmp_path / "out"
    for folder in (out, tmp_path / "disk"):
        folder.mkdir()
    (out / "again").symlink_to(tmp_path / "disk")  # a run may lie elsewhere
    done = run(root, out, "--suite", str(tmp_path / "suite.toml"), "--json")
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(done.output)}
    assert list(rows)[-2:] == ["umt-tiny", "again"]
    assert list(rows["again"]["accuracy"]) == ["test"]
    recipe = json.loads((out / "again" / "recipe.json").read_text())["recipe"]
    assert recipe["train"]["seed"] == 1
    assert recipe["model"]["weights"] == f"{out}/umt-tiny/best.safetensors"
    text = (tmp_path / "suite.toml").read_text().replace('["test"]', '["tset"]')
    (tmp_path / "suite.toml").write_text(text)
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        cli.benchmarking.run_suite(str(tmp_path / "suite.toml"), root, out)


def test_models_that_the_suite_lacks_are_refused(root, tmp_path):
    done = run(root, tmp_path / "out", "--models", "umt-tinny")
    assert isinstance(done.exception, UnknownNameError)
    assert "Did you mean 'umt-tiny'" in str(done.exception)
