"""Progress: bars in a terminal, a few plain lines elsewhere, nothing on standard output."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from openbasket import progress
from openbasket.engine import Engine, run
from openbasket.progress import bar, status, track


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when the test says so."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_at_each_tenth_half_a_minute_apart_and_one_at_the_end(clock, capsys):
    for _ in track(range(1000), "labels"):
        clock[0] += 0.2  # 20 s for a tenth
    out, err = capsys.readouterr()
    assert out == ""
    left = [
        (150, "2:50"),
        (300, "2:20"),
        (450, "1:50"),
        (600, "1:20"),
        (750, "0:50"),
        (900, "0:20"),
    ]
    assert err.splitlines() == [
        *(f"labels: {n}/1,000, 0:0{t} left" for n, t in left),
        "labels: 1,000/1,000",
    ]


def test_slow_work_is_told_of_at_each_tenth(clock, capsys):
    with bar("cut", 40.0, done=20.0, remaining_s=lambda: None) as advance:
        for number in range(21, 41):
            clock[0] += 60
            advance(1, f"{number}/40")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "cut: 24/40, -:--:-- left"
    assert [line.split()[1].rstrip(",") for line in lines] == [
        "24/40", "28/40", "32/40", "36/40", "40/40",
    ]  # fmt: skip


def test_each_step_is_a_line_and_quiet_is_silent(capsys):
    with status("reading") as tell:
        tell("importing [red]cup[/] 21-22\x1b[2J")
    assert capsys.readouterr() == ("", "reading\nimporting [red]cup[/] 21-22[2J\n")
    with status("reading", quiet=True) as tell:
        tell("importing")
    assert list(track([1, 2], "labels", quiet=True)) == [1, 2]
    assert list(track([], "labels")) == []
    assert capsys.readouterr() == ("", "")


def test_the_engine_tells_of_its_jobs(capsys):
    run(abs, [-1, -2], describe="jobs", engine=Engine(workers=1))
    assert capsys.readouterr().err == "jobs: 2/2\n"


def test_a_terminal_gets_a_bar():
    code = (
        "from openbasket.progress import status, track\n"
        "with status('reading [x]') as tell: tell('importing [y]')\n"
        "list(track(range(3), 'labels [z]'))\n"
    )
    mine, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stderr=theirs, stdout=subprocess.PIPE, env=environment,
            check=True,
        )  # fmt: skip
        shown = os.read(mine, 100_000).decode()
    finally:
        os.close(mine)
        os.close(theirs)
    assert done.stdout == b""
    assert "labels [z]" in shown
    assert "━" in shown
    assert "3/3" in shown
