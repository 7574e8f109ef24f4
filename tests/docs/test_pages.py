"""The commands that the pages show work; every verb, skill and table is documented."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from formats.games import made_up_games
from formats.writers import WRITERS
from typer.main import get_command

from openbasket import cli, skills, tables

REPO = Path(__file__).resolve().parents[2]
PAGES = sorted([REPO / "README.md", *(REPO / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
VERBS = list(get_command(cli.app).commands)  # type: ignore[attr-defined]


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished dataset, with inputs for the import pages beside it."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    shutil.copytree(REPO / "tests" / "data" / "generic_csv", tmp_path / "my_league")
    shutil.copytree(REPO / "tests" / "data", tmp_path / "tests" / "data")
    games = made_up_games(tmp_path / "games")
    for name, target in (("espn", "college"), ("fiba_livestats", "livestats")):
        (tmp_path / target).mkdir()
        WRITERS[name](games, tmp_path / target)
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if blocks(p) and p.name != "quickstart.md"],
    ids=lambda p: p.relative_to(REPO).as_posix(),
)
def test_the_commands_of_a_page_work(page: Path, folder: Path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for language, text in blocks(page):
        command = ["bash", "-euo", "pipefail", "-c", text]
        if language == "python":
            command = [sys.executable, "-c", text]
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, (
            f"{page.name}: {text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_shown_on_some_page(verb: str):
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert f"openbasket {verb}" in pages


def test_the_quickstart_shows_every_step_in_order():
    text = (REPO / "docs" / "quickstart.md").read_text()
    steps = re.findall(r"^openbasket (\w+)", text, re.MULTILINE)
    assert steps == [
        "simulate", "check", "render", "label", "split", "reels", "build", "verify", "statistics",
        "train", "predict", "evaluate", "report",
    ]  # fmt: skip


def test_the_cost_of_the_official_download_is_that_of_the_results():
    found = json.loads((REPO / "benchmarks" / "results" / "skillquery_cost.json").read_text())
    text = (REPO / "docs" / "how-to" / "learn-from-clips.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    told = {row[0]: row[1:] for row in rows if len(row) == 3}
    forward = found["forward_tflops"]
    for name, value in forward.items():
        (row,) = (
            key for key in told if key.startswith("`") and key.replace("`", "").startswith(name)
        )
        share = value / forward["videomamba, 64 frames of 224"]
        assert told[row] == [f"{value:.3f} TFLOP", f"{share:.1g}" if share <= 1 else f"{share:.1f}"]
    forms = [found["memory_and_time"][name] for name in ("checkpointing", "plain")]
    names = {"H100": "H100 SXM", "A100": "A100", "A6000": "RTX A6000 (the paper's)"}

    def span(form: dict, gpu: str, key: str, digits: int) -> str:
        return " to ".join(f"{x:.{digits}f}" for x in sorted(form["estimate"][names[gpu]][key]))

    wanted = {
        "arithmetic": lambda form: f"{form['training_tflops']:.1f} TFLOP",
        "activations kept, of one": lambda form: f"{form['kept_gib']['1']:.2f} GiB",
        "activations kept, of a reel": lambda form: f"{form['kept_gib']['50']:.1f} GiB",
        "peak": lambda form: f"{form['peak_gib']['total']:.1f} GiB",
        "an epoch": lambda form: span(form, "H100", "epoch_minutes", 1) + " min",
        "on 8 A100": lambda form: span(form, "A100", "epoch_minutes", 1) + " min",
        "on 8 RTX": lambda form: span(form, "A6000", "epoch_minutes", 1) + " min",
        "cores that keep 8 H100": lambda form: span(form, "H100", "cores_to_feed", 0),
        "cores that keep 8 A100": lambda form: span(form, "A100", "cores_to_feed", 0),
    }
    for begin, say in wanted.items():
        (row,) = (key for key in told if key.startswith(begin))
        assert told[row] == [say(form) for form in forms]
    read = found["reading_a_reel"]
    for words in (
        f"{read['once_core_hours']:.0f} core-hours", f"{read['full_decode_s']:.1f} s a reel",
        f"takes {read['cache_gb']:.0f} GB", f"{read['jpeg_s']:.2f} s a reel for JPEG",
        f"{read['squeeze_s']:.2f} s to squeeze", f"two prepared reels of {read['reel_gb']:.2f} GB",
        f"processes ({forms[0]['peak_gib']['parameter']:.2f} GiB)",
    ):  # fmt: skip
        assert words in text


def test_every_skill_has_a_row_on_the_skills_page():
    text = (REPO / "docs" / "concepts" / "skills.md").read_text()
    assert [s.key for s in skills.SKILLS if f"`{s.key}`" not in text] == []


def test_the_generated_pages_name_every_table_verb_and_option():
    sys.path.insert(0, str(REPO / "docs"))
    try:
        import _pages
    finally:
        sys.path.pop(0)
    stale = [
        path
        for path, page in _pages.PAGES.items()
        if (REPO / "docs" / path).read_text(encoding="utf-8").rstrip() != page().rstrip()
    ]
    assert stale == [], "make them again: python docs/_pages.py"
    page = _pages.tables_page()
    assert [name for name in tables.TABLES if f"## {name}" not in page] == []
    commands = _pages.commands_page()
    assert [verb for verb in VERBS if f"## `openbasket {verb}" not in commands] == []
    assert "`--unseen-season`" in commands
    without_help = re.findall(r"^\| (`[^|]+`) \|  \|", commands, re.MULTILINE)
    assert without_help == []
