"""The command line starts fast, tells the truth in its exit codes and speaks JSON."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import rich.console
from rich.cells import cell_len
from typer.main import get_command
from typer.testing import CliRunner

from openbasket import cli
from openbasket.cli.options import print_table, say
from openbasket.transcripts import ImportReport
from openbasket.wording import counted, counted_expr
from openbasket.workspace import Workspace

DATA = Path(__file__).resolve().parents[1] / "data"
HEAVY = {
    "torch", "transformers", "av", "polars", "pandera", "cv2", "matplotlib", "numpy", "accelerate",
}  # fmt: skip
VERBS = list(get_command(cli.app).commands)  # type: ignore[attr-defined]


def openbasket(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from openbasket.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from openbasket.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert done.stdout.strip().endswith("loaded: []")


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, openbasket; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_a_recipe_does_not_load_torch():
    code = (
        "import sys; from openbasket.training.config import load_recipe; load_recipe('skillquery')\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_core_needs_neither_video_nor_training_packages():
    modules = (
        "transcripts, labels, splits.audit, dataset.build, dataset.statistics, evaluation.tables"
    )
    code = (
        "import sys\n"
        "for name in ('av', 'torch', 'cv2', 'accelerate', 'safetensors', 'jinja2'):\n"
        "    sys.modules[name] = None\n"
        "import importlib\n"
        f"for name in '{modules}'.split(', '):\n"
        "    importlib.import_module('openbasket.' + name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb):
    done = openbasket(verb, "--help")
    assert done.returncode == 0
    assert "Usage: " in done.stdout
    assert f" {verb} " in done.stdout


def test_version():
    assert openbasket("--version").stdout.startswith("openbasket 0.")


def test_an_unknown_verb_is_bad_usage():
    done = openbasket("chekc")
    assert done.returncode == 2
    assert "chekc" in done.stderr


@pytest.mark.parametrize("verb", ["check", "label", "statistics", "verify", "build"])
def test_a_missing_workspace_is_one_clear_line(verb, tmp_path):
    done = openbasket(verb, str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no workspace at")
    assert "Traceback" not in done.stderr


def test_errors_are_json_too(tmp_path):
    done = openbasket("check", str(tmp_path / "nowhere"), "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "WorkspaceError"
    assert "no workspace at" in error["message"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("predict", "run", "--data", "ws", "--out", "p.csv"), "named '.parquet'"),
        (
            ("weights", "convert", "a.pth", "--model", "umt-tiny", "--out", "x.pth"),
            "'.safetensors'",
        ),
        (("cache", "ws"), "the dataset's folder 'ws' does not exist"),
        (("cache", "."), "train.csv"),
    ],
)
def test_files_of_another_kind_and_missing_splits_are_refused_before_any_work(
    words, told, tmp_path
):
    done = openbasket(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_refuses_a_workspace_without_games(tmp_path):
    Workspace(tmp_path / "ws", create=True)
    done = openbasket("check", str(tmp_path / "ws"))
    assert done.returncode == 2
    assert "the table 'games' is not in this workspace" in done.stderr


def test_a_failed_import_leaves_no_empty_workspace(tmp_path):
    (tmp_path / "x.json").write_text("<!DOCTYPE html><html></html>")
    into = tmp_path / "new" / "ws"
    done = openbasket("import", "auto", str(tmp_path / "x.json"), "--into", str(into))
    assert done.returncode == 2
    assert "a web page" in done.stderr
    assert not (tmp_path / "new").exists()
    file = tmp_path / "x.json" / "ws"
    done = openbasket("import", "auto", str(tmp_path / "x.json"), "--into", str(file))
    assert done.returncode == 2
    assert "cannot be a workspace: Not a directory" in done.stderr


def test_names_reach_the_terminal_as_they_are_without_control_characters(capsys):
    print_table("[red]t", ("[/]",), [("[red]a[/]\x1b[2J\x07",)], caption="[bold]c")
    say("note: [/]\x1b]0;x\x07\nnext \ud800")
    out = capsys.readouterr().out
    assert all(text in out for text in ("[red]t", "[/]", "[red]a[/][2J", "[bold]c"))
    assert "note: [/]]0;x next ?" in out
    assert not set(out) & set("\x1b\x07")


@pytest.mark.parametrize("verb", ["reliability", "split", "reels", "simulate"])
def test_a_seed_below_zero_is_bad_usage(verb, tmp_path):
    done = openbasket(verb, str(tmp_path), "--seed", "-1")
    assert done.returncode == 2
    assert "--seed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["out.gif", "out", ".svg"])
def test_a_plot_that_cannot_be_saved_is_refused_first(name, tmp_path):
    (tmp_path / "nothing").mkdir()
    done = openbasket("reliability", str(tmp_path / "nothing"), "--plot", str(tmp_path / name))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: figure {name}: got ")
    assert "allowed: svg, png, pdf" in done.stderr


def test_one_is_singular_and_other_numbers_are_plural():
    assert [counted(n, "game") for n in (0, 1, 2, 1234)] == [
        "0 games", "1 game", "2 games", "1,234 games",
    ]  # fmt: skip
    assert counted(2, "game is", "games are") == "2 games are"
    numbers = pl.DataFrame({"n": [1, 3]})
    said = numbers.select(counted_expr("n", "row is", "rows are")).to_series().to_list()
    assert said == ["1 row is", "3 rows are"]


def test_a_dataset_of_one_game_is_told_of_in_the_singular(tmp_path):
    into = str(tmp_path / "ws")
    files = tmp_path / "files"
    shutil.copytree(DATA / "generic_csv", files)
    (files / "strange.txt").write_text("nothing")
    done = openbasket("import", "auto", str(files), "--into", into)
    assert "note: 1 other file was not read: strange.txt" in done.stdout
    assert "box scores: 1 game " in openbasket("check", into).stdout


def test_a_note_of_several_seasons_is_printed_once(tmp_path, monkeypatch):
    report = ImportReport(remarks=[(f"cup {s}", "no dates") for s in ("20-21", "21-22")])
    monkeypatch.setattr("openbasket.transcripts.import_files", lambda *_, **__: report)
    words = ["import", "auto", "x", "--into", str(tmp_path / "ws")]
    printed = CliRunner().invoke(cli.app, words).stdout
    assert printed.count("no dates") == 1
    assert "note: 2 seasons (cup 20-21, cup 21-22): no dates" in printed
    told = json.loads(CliRunner().invoke(cli.app, [*words, "--json"]).stdout)
    assert told["notes"] == ["cup 20-21: no dates", "cup 21-22: no dates"]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_wide_table_is_continued_below_and_no_cell_is_cut(width, monkeypatch, capsys):
    console = rich.console.Console
    monkeypatch.setattr(
        rich.console,
        "Console",
        lambda **_: console(width=width, force_terminal=True, no_color=True),
    )
    columns = ["Run", *(f"a metric of many words {i} (%)" for i in range(9)), "note"]
    rows = [
        [run, *(f"{n}{i}.5 [{n}{i}.0, {n}{i}.9] (637/720)" for i in range(9)), f"{run}{'x' * 90}"]
        for n, run in enumerate(("\u674e\u674e run", "other"), 1)
    ]
    print_table("All", columns, rows, "what it says")
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    lines = shown.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    assert "\u2026" not in shown
    joined = re.sub(r"[\s\u2500-\u257f]", "", shown)
    words = re.sub(r"[\u2500-\u257f]", " ", shown).split()
    assert words.count("metric") == words.count("(%)") == 9
    for word in ("10.5", "18.9]", "28.5", "run", "other"):
        assert word in words
    assert words.count("other") == shown.count("continued") + 1  # the first column in each part
    assert joined.count("x") == 180
    assert shown.count("what it says") == 1


def test_into_a_file_tables_are_as_wide_as_columns_says(monkeypatch, capsys):
    table = ("T", ["a", *(f"column {i}" for i in range(12))], [["x", *"0123456789ab"]])
    print_table(*table)
    assert 100 < max(map(len, capsys.readouterr().out.splitlines())) <= 120
    monkeypatch.setenv("COLUMNS", "60")
    print_table(*table)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


@pytest.mark.parametrize(("width", "again"), [(24, 1), (40, 2), (60, 2)])
def test_a_continued_table_repeats_what_its_rows_are_of(width, again, monkeypatch, capsys):
    console = rich.console.Console
    monkeypatch.setattr(
        rich.console, "Console", lambda **_: console(width=width, force_terminal=True)
    )
    columns = ["Season", "League", *(f"run-{i}" for i in range(9))]
    print_table("Table 5", columns, [["seen", "unseen", *"012345678"]], keys=2)
    shown = capsys.readouterr().out
    parts = shown.count("continued") + 1
    assert parts > 1
    assert [shown.count(name) for name in ("Season", "League")] == [parts, (1, parts)[again == 2]]


def test_the_demo_says_how_to_look_around(tmp_path, monkeypatch):
    monkeypatch.setattr("openbasket.cli.demo.run_demo", lambda out, quiet: out / "report.html")
    run = CliRunner().invoke(cli.app, ["demo", str(tmp_path / "my demo")])
    assert run.exit_code == 0
    told = " ".join(run.output.split())
    assert f"openbasket explore '{tmp_path}/my demo/dataset'" in told
    assert f"--predictions '{tmp_path}/my demo/predictions.parquet'" in told
