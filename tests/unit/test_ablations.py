"""Table 4: each study runs, shares and resumes its runs; the table says what was run."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest
from training_data import reel, write_splits
from typer.testing import CliRunner

from openbasket import cli, tables
from openbasket.cli.ablating import VALUES, _settings
from openbasket.dataset.reader import Sample, read_split
from openbasket.errors import BadInputError, ConfigError, NotFoundError, UnknownNameError
from openbasket.evaluation import Comparison, Evaluation, Result, Score, evaluate
from openbasket.evaluation.ablations import (
    Difference,
    Line,
    latex,
    lines_of,
    over_draws,
    read_table4,
    table4,
    to_json,
)
from openbasket.skills import SKILL_KEYS
from openbasket.training.config import load_recipe
from openbasket.training.data import of_persons
from openbasket.training.loop import train
from openbasket.training.run import read_facts, read_recipe
from openbasket.workspace import Workspace, write_json

QUICK = [
    "--recipe", "umt-tiny", "--workers", "1", "-q",
    *(w for s in ("data.frames=4", "data.size=32", "data.short_side=32", "train.epochs=1",
                  "model.options.depth=1") for w in ("--set", s)),
    "--allow-crossing",
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Eight reels in two draws; train, val and test hold all of them."""
    root = tmp_path_factory.mktemp("studies")
    write_splits(root, [tuple((i + k) % 5 for k in range(20)) for i in range(8)])
    for draw in ("BASKET", "BASKET_draw1"):
        for i in range(8):
            reel(root / draw / "21-22" / "L" / f"s{i}_21_22.mp4", i + (draw != "BASKET"), frames=20)
    return root


def run(root, *more):
    return CliRunner().invoke(cli.app, ["ablate", str(root), *more])


def test_every_study_runs_shares_the_base_and_makes_the_table(root, tmp_path, monkeypatch):
    out = ["--out", str(tmp_path)]
    for study, values in (
        ("frames", "2,4"), ("interval", "64,uniform"), ("data", "50,100"), ("draws", "0,1"),
    ):  # fmt: skip
        done = run(root, "--study", study, "--values", values, *QUICK, *out)
        assert done.exit_code == 0, done.output
    folder = tmp_path / "umt-tiny"
    runs = {p.parent.name for p in folder.glob("*/best.safetensors")}
    assert runs == {"base", "frames-2", "interval-64", "data-50", "draws-1"}
    assert read_recipe(folder / "frames-2").data.frames == 2
    interval = read_recipe(folder / "interval-64")
    assert (interval.data.sampling, interval.data.interval) == ("interval", 64)
    assert interval.test.temporal_views == 4
    assert read_facts(folder / "data-50")["train_samples"] == 4
    assert read_facts(folder / "base")["train_samples"] == 8
    assert read_recipe(folder / "draws-1").data.draw == 1

    monkeypatch.setattr("openbasket.training.session.Session.epoch", _never, raising=False)
    monkeypatch.setattr("openbasket.training.predict._probabilities", _never)
    again = run(root, "--study", "frames", "--values", "2,4", *QUICK, *out)
    assert again.exit_code == 0, again.output
    other = run(root, "--study", "data", *QUICK, "--set", "test.spatial_views=2", *out)
    assert isinstance(other.exception, ConfigError)  # what was run is not mixed with it
    assert "test.spatial_views was 1, is 2" in str(other.exception)
    shown = run(root, *out, "--json", "--allow-crossing")
    refused = run(root, *out)
    assert isinstance(refused.exception, BadInputError)  # as evaluate refuses
    [table] = json.loads(shown.output)
    lines = {(k["study"], *k["cells"]): k for k in table["lines"]}
    assert list(lines) == [
        ("frames", "2"), ("frames", "4"), ("interval", "64", "4"), ("interval", "Uniform", "1"),
        ("data", "50"), ("data", "Full"), ("draws", "0"), ("draws", "1"),
    ]  # fmt: skip
    for k in lines.values():
        found = evaluate([folder / f"{k['run']}.parquet"], root, allow_crossing=True)
        score = found.find(k["run"]).scores["accuracy"]
        assert k["score"]["value"] == score["mean"].value
        assert (k["score"]["low"], k["score"]["labels"]) == (score["mean"].low, 160)
    both = [100 * lines["draws", d]["score"]["value"] for d in "01"]
    assert table["draws"]["variance"] == pytest.approx(np.var(both, ddof=1))
    assert 100 * table["draws"]["mean"]["value"] == pytest.approx(np.mean(both))
    text = (folder / "table4.md").read_text()
    assert "| Sampling Rate | Test Views | Test Acc. (%) | Difference (points) |" in text
    assert text.count("| reference |") == 4
    assert "corrected for 4 comparisons" in text
    assert "Note: 8 persons of the training or validation split" in text
    assert "note: 8 persons of the training or validation split" in again.output
    assert table["notes"][0].startswith("8 persons")
    assert "mean of 2" in text
    assert json.loads((folder / "table4.json").read_text()) == table
    assert (folder / "table4.tex").read_text().count("\\begin{tabular}") == 4


def _never(*_, **__):
    raise AssertionError("what was done is done again")


def test_a_line_that_fails_is_told_and_the_others_go_on(root, tmp_path):
    done = run(
        root, "--study", "frames", "--values", "2,3", *QUICK, "--set", "model.options.tubelet=2",
        "--out", str(tmp_path),
    )  # fmt: skip
    lines = json.loads((tmp_path / "umt-tiny" / "table4.json").read_text())["lines"]
    failed = [k for k in lines if k["error"]]
    assert done.exit_code == 1
    assert failed
    assert "failed: " in (tmp_path / "umt-tiny" / "table4.md").read_text()


def test_the_papers_values_are_the_default():
    assert [_settings("interval", v)[0] for v in VALUES["interval"]] == [
        ("32", "8"), ("64", "4"), ("128", "2"), ("Uniform", "1"),
    ]  # fmt: skip
    assert VALUES["frames"] == ("16", "32", "64", "128")
    assert [_settings("data", v)[0] for v in VALUES["data"]] == [
        ("25",), ("50",), ("75",), ("Full",),
    ]  # fmt: skip
    paper = load_recipe("videomamba")
    for study, value in (
        ("frames", "64"), ("interval", "uniform"), ("data", "100"), ("draws", "0"),
    ):  # fmt: skip
        assert load_recipe("videomamba", _settings(study, value)[1]) == paper


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["--study", "size"], UnknownNameError, "frames"),
        (["--study", "data", "--values", "0"], ConfigError, "whole numbers from 1 to 100"),
        (["--study", "frames", "--values", "many"], ConfigError, "got 'many'"),
        (["--values", "3"], ConfigError, "without one --study"),
        (
            ["--study", "draws", "--values", "3", "--allow-crossing"],
            NotFoundError,
            "openbasket reels",
        ),
        ([], NotFoundError, "no study was run"),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_work(root, tmp_path, arguments, error, said):
    done = run(root, *arguments, "--out", str(tmp_path / "out"))
    assert isinstance(done.exception, error)
    assert said in str(done.exception)
    assert not list(tmp_path.rglob("*.safetensors"))


# -- what the studies rest on ---------------------------------------------------------------


def _samples(persons, each=2):
    return [
        Sample(f"p{i}_{k}", f"p{i}", "L", "21-22", "x", None, ())
        for i in range(persons)
        for k in range(each)
    ]


def test_a_share_of_the_persons_is_whole_nested_and_seeded():
    samples = _samples(40)
    chosen = {f: of_persons(samples, f, 3) for f in (0.01, 0.25, 0.5, 0.75, 1.0)}
    persons = {f: {s.player_id for s in part} for f, part in chosen.items()}
    assert [len(p) for p in persons.values()] == [1, 10, 20, 30, 40]
    assert persons[0.01] < persons[0.25] < persons[0.5] < persons[0.75] < persons[1.0]
    assert all(len(part) == 2 * len(persons[f]) for f, part in chosen.items())
    assert chosen[1.0] == samples
    other = {s.player_id for s in of_persons(samples[::-1], 0.25, 3)}
    assert other == persons[0.25]
    assert {s.player_id for s in of_persons(samples, 0.25, 4)} != persons[0.25]


def test_another_draw_changes_the_videos_alone(root):
    first, second = (read_split(root, "test", draw=draw) for draw in (0, 1))
    assert [s.subject_id for s in first] == [s.subject_id for s in second]
    assert [s.path for s in first] == [s.path for s in second]
    assert second[3].video == root / "BASKET_draw1/21-22/L/s3_21_22.mp4"
    with pytest.raises(BadInputError, match="BASKET_draw2"):
        read_split(root, "test", draw=2)


def test_runs_of_before_a_new_setting_go_on(root, tmp_path):
    recipe = load_recipe("umt-tiny", [*QUICK[6:-1:2]])
    train(recipe, root, tmp_path, quiet=True, workers=1)
    facts = read_facts(tmp_path)
    del facts["recipe"]["train"]["fraction"], facts["recipe"]["data"]["draw"]
    (tmp_path / "recipe.json").write_text(json.dumps(facts))
    assert train(recipe, root, tmp_path, quiet=True, workers=1).resumed_from == 1
    with pytest.raises(ConfigError, match=r"train\.fraction was 1\.0, is 0\.5"):
        train(
            load_recipe("umt-tiny", [*QUICK[6:-1:2], "train.fraction=0.5"]), root, tmp_path,
            quiet=True, workers=1,
        )  # fmt: skip


def test_variance_over_draws_is_that_of_their_accuracies(root, tmp_path):
    samples = read_split(root, "test")
    files = {}
    for run_, wrong in (("a", 0), ("b", 2), ("c", 4)):
        rows = []
        for i, s in enumerate(samples):
            for key, level in zip(SKILL_KEYS, s.levels, strict=True):
                told = (level + (i < wrong)) % 5
                rows.append((s.subject_id, key, *(float(told == k) for k in range(5)), "m", run_))
        names = ["subject_id", "skill", "p0", "p1", "p2", "p3", "p4", "model", "run"]
        files[run_] = tmp_path / f"{run_}.parquet"
        pl.DataFrame(rows, schema=names, orient="row").write_parquet(files[run_])
    found = over_draws(files, root)
    assert found.mean.value == pytest.approx(0.75)
    assert found.variance == pytest.approx(np.var([100, 75, 50], ddof=1))
    assert found.mean.low < 0.75 < found.mean.high
    assert over_draws({"a": files["a"]}, root).variance is None


def test_games_that_the_draws_share_widen_the_interval_of_their_mean(tmp_path):
    write_splits(tmp_path, [tuple((i + k) % 5 for k in range(20)) for i in range(40)])
    rows, reels = [], []
    for i, s in enumerate(read_split(tmp_path, "test", require_videos=False)):
        game = i // 4
        for key, level in zip(SKILL_KEYS, s.levels, strict=True):
            told = (level + (game % 2 or i % 4 == 0)) % 5
            rows.append((s.subject_id, key, *(float(told == k) for k in range(5)), "m", "a"))
        for draw in (0, 1):
            head = (s.subject_id, draw, 0, f"c{i}", f"g{game}", f"e{i}", 0, 20, "reel.mp4")
            reels.append(head)
    names = ["subject_id", "skill", "p0", "p1", "p2", "p3", "p4", "model", "run"]
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(tmp_path / "a.parquet")
    alone = over_draws({"a": tmp_path / "a.parquet"}, tmp_path).mean
    frame = pl.DataFrame(reels, schema=tables.dtypes("reels"), orient="row")
    Workspace(tmp_path).write("reels", frame)
    wider = over_draws({"a": tmp_path / "a.parquet"}, tmp_path).mean
    assert wider.value == alone.value
    assert wider.high - wider.low > 1.2 * (alone.high - alone.low)


def test_missing_draws_are_made_as_draw_0_was(finished, tmp_path):
    shutil.copytree(finished / "ws", tmp_path / "ws")
    from openbasket.cli.ablating import _make_draw

    _make_draw(tmp_path / "ws", 1, 1, quiet=True)
    samples = read_split(tmp_path / "ws", "train", draw=1)
    assert samples
    made = json.loads((tmp_path / "ws" / "openbasket" / "reels_draw1.json").read_text())
    before = json.loads((tmp_path / "ws" / "openbasket" / "reels_draw0.json").read_text())
    assert made == before | {"draw": 1}


def test_persons_who_cross_splits_are_refused_before_any_training(root, tmp_path):
    quick = [word for word in QUICK if word != "--allow-crossing"]
    done = run(root, "--study", "data", *quick, "--out", str(tmp_path))
    assert isinstance(done.exception, BadInputError)
    assert "--allow-crossing" in str(done.exception)
    assert not list(tmp_path.iterdir())


def _evaluated(accuracies, comparisons):
    results = [
        Result(run, "m", "test", "", 9, 9, {"accuracy": {"mean": Score(v, v, v, 9, 9)}})
        for run, v in accuracies.items()
    ]
    return Evaluation(5, 100, results, comparisons)


def test_lines_are_compared_with_the_recipe_itself_or_the_first_and_corrected_together(tmp_path):
    planned = [
        Line("frames", ("16",), "frames-16"), Line("frames", ("64",), "base"),
        Line("interval", ("32", "8"), "interval-32"), Line("interval", ("64", "4"), "interval-64"),
        Line("interval", ("128", "2"), "interval-128", error="no memory"),
        Line("data", ("25",), "data-25"),
    ]  # fmt: skip
    accuracies = {
        "frames-16": 0.3,
        "base": 0.25,
        "interval-32": 0.2,
        "interval-64": 0.4,
        "data-25": 0.1,
    }
    comparisons = [
        Comparison("test", "frames-16", "base", 0.05, -0.01, 0.11, 0.03, 0.9),
        Comparison("test", "interval-64", "interval-32", 0.2, 0.1, 0.3, 0.001, 0.9),
        Comparison("test", "interval-64", "base", 0.15, 0.1, 0.2, 0.001, 0.9),
        Comparison("val", "frames-16", "base", 0.5, 0.4, 0.6, 0.0001, 0.9),
    ]
    lines = lines_of(planned, _evaluated(accuracies, comparisons))
    found = {line.run: line.difference for line in lines}
    # of the paired tests these two are in the table, so Holm doubles the smaller p
    assert found["frames-16"] == Difference("base", 0.05, -0.01, 0.11, 0.03, 0.03)
    assert found["interval-64"] == Difference("interval-32", 0.2, 0.1, 0.3, 0.001, 0.002)
    assert [run for run, d in found.items() if d is None] == [
        "base", "interval-32", "interval-128", "data-25",
    ]  # fmt: skip
    tables = {table.name: table for table in table4(lines)}
    assert tables["table4-frames"].rows[0][2:] == ["5.0 [-1.0, 11.0]", "0.0300", "differs"]
    assert tables["table4-frames"].rows[1][-1] == "reference"
    assert tables["table4-interval"].rows[0][-3:] == ["", "", "reference"]
    assert tables["table4-interval"].rows[1][-3:] == ["20.0 [10.0, 30.0]", "0.0020", "differs"]
    assert tables["table4-interval"].rows[2][-3:] == ["", "", ""]
    assert "corrected for 2 comparisons" in tables["table4-frames"].footer
    assert tables["table4-data"].footer == ""
    write_json(tmp_path / "table4.json", {**to_json(lines, None), "notes": ["a namesake"]})
    assert read_table4(tmp_path / "table4.json") == (lines, None, ["a namesake"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"lines": 3, "draws": null}', "lines: "),
        ('{"lines": [', "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON"),
        ('{"lines": [], "draws": null, "notes": "a"}', "notes: "),
        ('{"lines": [{"study": "frames", "cells": [1], "run": "a"}], "draws": null}', "cells"),
        ('{"lines": [{"study": "colour", "cells": [], "run": "a"}], "draws": null}', "'colour'"),
        (
            '{"lines": [{"study": "frames", "cells": ["8"], "run": "a", "score": {"value": "much", '
            '"low": null, "high": null, "labels": 1, "cells": 1}}], "draws": null}',
            "score.value",
        ),
    ],
)
def test_a_damaged_table_is_told_with_what_is_wrong(tmp_path, content, told):
    (tmp_path / "table4.json").write_text(content)
    with pytest.raises(BadInputError, match="openbasket ablate") as caught:
        read_table4(tmp_path / "table4.json")
    assert told in caught.value.problems[0].given


def test_the_papers_setting_is_the_reference_whatever_the_results():
    planned = [Line("frames", (n,), f"frames-{n}") for n in ("16", "64", "128")]
    comparisons = [
        Comparison("test", "frames-128", f"frames-{n}", 0.02, 0.001, 0.04, 0.03, 0.03)
        for n in ("16", "64")
    ]
    for accuracies in ({"frames-16": 0.3, "frames-64": 0.2, "frames-128": 0.22},
                       {"frames-16": 0.1, "frames-64": 0.2, "frames-128": 0.22}):  # fmt: skip
        lines = lines_of(planned, _evaluated(accuracies, comparisons))
        assert lines[2].difference.reference == "frames-64"
        assert lines[1].difference is None
    gone = lines_of(planned, _evaluated({"frames-16": 0.3, "frames-128": 0.22}, comparisons[:1]))
    assert not any(line.difference for line in gone)  # not with another one instead
    [table] = table4(gone)
    assert table.footer == "Not compared: the reference, Num. Frames 64, has no result."
    assert [row[-1] for row in table.rows] == ["", "", ""]


def test_a_difference_that_may_be_chance_is_shown_as_noise():
    planned = [Line("frames", (n,), f"frames-{n}") for n in ("16", "32", "64")]
    comparisons = [
        Comparison("test", "frames-64", f"frames-{n}", 0.02, 0.001, 0.04, 0.03, 0.03)
        for n in ("16", "32")
    ]
    evaluation = _evaluated({"frames-16": 0.2, "frames-32": 0.2, "frames-64": 0.22}, comparisons)
    [table] = table4(lines_of(planned, evaluation))
    assert [row[-2:] for row in table.rows] == [
        ["0.0600", "noise"], ["0.0600", "noise"], ["", "reference"],
    ]  # fmt: skip


def test_latex_is_escaped_and_lines_not_run_are_told():
    lines = [
        Line("data", ("50",), "data-50", Score(0.25, 0.2, 0.3, 9, 10)),
        Line("data", ("Full",), "base"),
    ]
    tables = table4(lines)
    assert tables[0][2] == [
        ["50", "25.0 [20.0, 30.0] (9/10)", "", "", ""],
        ["Full", "not run yet", "", "", ""],
    ]
    text = latex(tables, "50 % of a_b")
    assert "Data Fraction (\\%) & Test Acc. (\\%) & Difference (points) &" in text
    assert "a\\_b" in text
    assert "50 & 25.0 {[}20.0, 30.0{]} (9/10) &  &  &  \\\\" in text
