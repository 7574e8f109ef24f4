"""The commands that the pages show work; every verb, skill and table is documented."""

from __future__ import annotations

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
