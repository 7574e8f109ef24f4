"""Frozen labels and predictions give the same published numbers, to four decimals, on every machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from openbasket.evaluation import evaluate
from openbasket.evaluation.formats import render
from openbasket.evaluation.tables import paper_tables
from openbasket.workspace import run_facts_path, write_json

DATA = Path(__file__).resolve().parents[1] / "data" / "evaluation"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    shutil.copytree(DATA / "BASKET_Labels", folder / "BASKET_Labels")
    pl.read_csv(DATA / "predictions.csv").write_parquet(folder / "p.parquet")
    write_json(
        run_facts_path(folder / "p.parquet"),
        {"strong": {"pretraining": "IN1K+K400", "frames": 64, "parameters": 73_735_000}},
    )
    return folder


@pytest.fixture(scope="module")
def evaluation(frozen):
    return evaluate([frozen / "p.parquet"], frozen)


def published(evaluation):
    return {
        "scores": {
            f"{r.run} {r.split} {r.part} {metric} {group}": [
                None if v is None else round(v, 4) for v in (s.value, s.low, s.high)
            ]
            for r in evaluation.results
            for metric, groups in r.scores.items()
            for group, s in groups.items()
            if group in ("mean", "shooting", "fouls")
        },
        "groups": {f"{r.run} {r.split}": r.group for r in evaluation.results if not r.part},
        "p": {f"{c.split} {c.one} {c.other}": round(c.p_holm, 4) for c in evaluation.comparisons},
    }


def test_numbers_are_those_that_were_published(evaluation):
    golden = json.loads((DATA / "golden.json").read_text())
    found = published(evaluation)
    assert found["groups"] == golden["groups"]
    assert found["p"] == pytest.approx(golden["p"], abs=1.01e-4)
    assert found["scores"].keys() == golden["scores"].keys()
    for key, numbers in golden["scores"].items():
        assert found["scores"][key] == pytest.approx(numbers, abs=1.01e-4), key


def test_the_table_is_the_one_that_was_published(evaluation):
    assert render(paper_tables(evaluation)[:6], "markdown") == (DATA / "golden.md").read_text()


def test_the_order_of_rows_and_files_changes_nothing(evaluation, frozen, tmp_path):
    frame = pl.read_parquet(frozen / "p.parquet").sample(fraction=1, shuffle=True, seed=9)
    files = []
    for run in ("weak", "strong"):
        files.append(tmp_path / f"{run}.parquet")
        frame.filter(pl.col("run") == run).write_parquet(files[-1])
    for order in (files, files[::-1]):
        again = evaluate(order, frozen)
        assert again.results == evaluation.results
        assert again.comparisons == evaluation.comparisons
