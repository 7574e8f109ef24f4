"""Tables as Markdown, LaTeX and CSV, the leaderboard, and what a ceiling adds."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess

import polars as pl
import pytest
from test_evaluation import predictions, save, subject, write_split
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.errors import UnknownNameError
from openbasket.evaluation import evaluate, tables
from openbasket.evaluation.formats import Table, csv_table, latex, latex_text, markdown, render
from openbasket.evaluation.results import Score
from openbasket.evaluation.tables import (
    comparison_table,
    main_table,
    metric_table,
    paper_tables,
    split_table,
)
from openbasket.skills import SKILL_KEYS
from openbasket.workspace import run_facts_path, write_json

HOSTILE = r"a_b & 50% $x$ \input{/etc/passwd} #1 ~^ {|} <b>"
PEOPLE = [f"p{i}" for i in range(24)]


@pytest.fixture
def root(tmp_path):
    levels = {p: [i % 5] * 20 for i, p in enumerate(PEOPLE)}
    write_split(tmp_path, "test", levels)
    right = {subject(p): row for p, row in levels.items()}
    wrong = {who: [(row[0] + 2) % 5] * 20 for who, row in right.items()}
    save(
        pl.concat(
            [predictions(right, "good"), predictions(wrong, "bad"), predictions(wrong, "same")]
        ),
        tmp_path / "p.parquet",
    )
    write_json(
        run_facts_path(tmp_path / "p.parquet"),
        {"good": {"pretraining": "IN1K+K400", "frames": 64, "parameters": 73_735_000}},
    )
    return tmp_path


@pytest.fixture
def evaluation(root):
    return evaluate([root / "p.parquet"], root)


def test_runs_that_were_told_answers_are_no_results(root):
    write_json(run_facts_path(root / "p.parquet"), {"good": {"told": ["part", "side"]}})
    notes = evaluate([root / "p.parquet"], root).notes
    assert [note for note in notes if "told part, side by the transcripts" in note] == [
        "run 'good' was told part, side by the transcripts of what it rates: an experiment, no result"
    ]


def test_table_2_tells_what_is_stated_and_who_cannot_be_told_apart(evaluation):
    table = main_table(evaluation)
    rows = {row[0]: row[1:] for row in table.texts()}
    assert rows["m (good)"][:3] == ["IN1K+K400", "64", "74"]
    assert rows["m (bad)"][:3] == ["not stated"] * 3
    assert rows["random (baseline)"][:4] == ["-", "-", "-", "20.0 [20.0, 20.0]"]
    assert rows["m (good)"][-1] == "a"
    assert rows["m (bad)"][-1] == rows["m (same)"][-1] != "a"
    order = [row[0] for row in table.rows]
    assert order[0] == "m (good)"
    assert order.index("m (bad)") < order.index("m (same)")  # equals by their names
    assert "'ab' shares one with 'a' and with 'b'" in table.footer
    names = [row[0] for row in metric_table(evaluation).rows]
    assert [name.split("(")[-1].split(")")[0] for name in order if "baseline" not in name] == [
        name for name in names if name in ("good", "bad", "same")
    ]


def test_equal_runs_are_noise_and_others_are_not(evaluation):
    rows = {tuple(row[1:3]): row[3:] for row in comparison_table(evaluation).texts()}
    assert rows["bad", "same"] == ["0.0 [0.0, 0.0]", "1.0000", "1.0000", "noise"]
    assert rows["good", "bad"][-1] == "differs"
    assert len(rows) == 12  # of three runs and three baselines, these with each other left out


def test_all_metrics_have_a_column(evaluation):
    table = metric_table(evaluation)
    [good] = [
        dict(zip(table.columns, row, strict=True)) for row in table.texts() if row[0] == "good"
    ]
    assert good["mean absolute error (levels) ↓"] == "0.00 [0.00, 0.57]"
    assert good["quadratic kappa ↑"] == "1.00"
    assert good["calibration error (%) ↓"] == "20.0"  # right, and 80 % sure


def test_confusion_matrices_are_in_the_json(evaluation):
    [bad] = [r for r in evaluation.to_json()["results"] if r["run"] == "bad"]
    matrix = bad["confusion"][SKILL_KEYS[0]]
    assert matrix[0] == [0, 0, 5, 0, 0]
    assert sum(map(sum, matrix)) == len(PEOPLE)


# -- formats --------------------------------------------------------------------------------


def hostile():
    score = Score(0.25, 0.2, 0.31, 10, 12)
    return Table(HOSTILE, [HOSTILE, "Acc. (%)"], [[HOSTILE, score], ["=1+1", "-"]], "table1")


def test_nothing_in_a_name_is_markup():
    text = markdown([hostile()])
    assert r"{\|}" in text
    assert "<b>" not in text.replace(r"\<b\>", "")
    tex = latex([hostile()])
    assert r"\input" not in tex
    assert r"a\_b \& 50\% \$x\$ \textbackslash{}input\{/etc/passwd\} \#1" in tex
    assert r"25.0 {\scriptsize {[}20.0, 31.0{]} (10/12)}" in tex
    assert latex_text("Šarić 李") == "Šarić ?"


def test_csv_has_the_numbers_for_machines():
    rows = list(csv.reader(io.StringIO(csv_table(hostile()))))
    assert rows[0] == [
        HOSTILE,
        *(f"Acc. (%){s}" for s in ("", " low", " high", " labels", " cells", " unanswered")),
    ]
    assert rows[1][1:] == ["25.0000", "20.0000", "31.0000", "10", "12", "0"]
    assert rows[2][:2] == ["'=1+1", "-"]


def test_a_csv_alone_is_read_by_any_program(evaluation, tmp_path):
    table = main_table(evaluation)
    (tmp_path / "t.csv").write_text(render([table], "csv"))
    frame = pl.read_csv(tmp_path / "t.csv")
    assert frame.columns[0] == "Model"
    assert frame.height == len(table.rows)
    assert frame["Acc. (%)"].dtype == pl.Float64
    several = render([table, table], "csv")  # a spreadsheet's reader sees where each begins
    assert several.count("# Table 2") == 2


def test_an_unknown_format_is_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'latex'"):
        render([], "latx")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles(evaluation, tmp_path):
    tables = [*paper_tables(evaluation), hostile()]
    head = "\\documentclass{article}\\usepackage[utf8]{inputenc}\\usepackage[T1]{fontenc}\n\\usepackage{graphicx}\n"
    text = head + "\\begin{document}\n" + latex(tables) + "\\end{document}\n"
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:]
    assert (tmp_path / "t.pdf").read_bytes().startswith(b"%PDF")


def test_tables_tell_which_columns_say_what_a_row_is_of(evaluation, monkeypatch):
    monkeypatch.setattr(tables, "WIDEST", 99)  # runs are columns of Table 5
    keys = {table.name: table.columns[: table.keys] for table in paper_tables(evaluation)}
    assert keys["table5"] == ["Season", "League"]
    assert keys["table8"] == ["Skill"]
    assert keys["comparisons"] == ["Split", "Run", "Other"]


def test_latex_has_its_parts_in_order(evaluation):
    for table in paper_tables(evaluation):
        tex = latex([table])
        assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == 1
        body = [line for line in tex.splitlines() if line.endswith(r"\\")]
        assert len(body) == len(table.rows) + 1
        assert {line.replace(r"\&", "").count("&") for line in body} == {len(table.columns) - 1}
        assert tex.count("{") == tex.count("}")


def test_a_table_that_no_page_holds_becomes_several():
    wide = Table("Table 9: wide", ["Skill", *"abcdefghij"], [["x", *"0123456789"]])
    tex = latex([wide])
    assert tex.count(r"\begin{tabular}{lrrrrr}") == 2
    assert tex.count("Table 9, continued") == 1
    assert "x & 5 & 6 & 7 & 8 & 9" in tex
    tex = latex([wide._replace(keys=2)])
    assert "x & 0 & 1 & 2 & 3 & 4 & 5" in tex
    assert "x & 0 & 6 & 7 & 8 & 9" in tex


def test_many_runs_are_rows_of_table_5(root):
    frame = pl.read_parquet(root / "p.parquet")
    more = [
        frame.filter(pl.col("run") == "bad").with_columns(run=pl.lit(f"r{i}")) for i in range(2)
    ]
    save(pl.concat([frame, *more]), root / "q.parquet")
    save(frame.filter(pl.col("run") != "same"), root / "r.parquet")
    few, many = (split_table(evaluate([root / name], root)) for name in ("r.parquet", "q.parquet"))
    assert few.columns == [
        "Season",
        "League",
        "Subjects",
        "bad",
        "good",
        "random",
        "majority",
        "text-only",
    ]
    assert many.columns == ["Run", "Seen season, seen league (n = 24)"]
    assert ["good", "100.0 [85.8, 100.0]"] in many.texts()


# -- commands -------------------------------------------------------------------------------


def test_the_command_prints_and_writes_all_formats(root, tmp_path):
    base = ["evaluate", str(root / "p.parquet"), "--data", str(root), "--resamples", "100"]
    done = CliRunner().invoke(app, [*base, "--out", str(tmp_path / "out"), "--format", "latex"])
    assert done.exit_code == 0, done.output
    assert done.stdout.count(r"\begin{table}") == 5
    names = {path.name for path in (tmp_path / "out").iterdir()}
    stems = ("table2", "table5", "table8", "metrics", "comparisons")
    assert names == {"evaluation.json"} | {f"{s}.{e}" for s in stems for e in ("md", "tex", "csv")}
    found = json.loads(CliRunner().invoke(app, [*base, "--json"]).stdout)
    assert found["facts"]["good"]["frames"] == 64
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == found
    people = CliRunner().invoke(app, base).stdout
    for title in ("Table 2", "Table 5", "Table 8", "All metrics", "Paired tests"):
        assert title in people


def test_the_leaderboard_ranks_and_escapes(root, tmp_path):
    frame = pl.read_parquet(root / "p.parquet").with_columns(
        run=pl.col("run").replace("bad", "<script>alert(1)</script>")
    )
    save(frame, root / "q.parquet")
    out = tmp_path / "board.html"
    done = CliRunner().invoke(
        app, ["leaderboard", str(root / "q.parquet"), "--data", str(root), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    page = out.read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "http" not in page.replace("http-equiv", "")
    rows = [part.split("</tr>")[0] for part in page.split("<tr")[1:]]
    ranked = [row for row in rows if 'class="place"' in row]
    assert "good" in ranked[0]
    assert ">1<" in ranked[0]
    assert [("baseline" in row.split(">")[0]) for row in ranked].count(True) == 3
    assert page.count('<svg class="bar"') == 6
