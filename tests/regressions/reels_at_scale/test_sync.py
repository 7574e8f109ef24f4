"""Anchors of periods that a game does not have, event times that win, and games of short periods."""

from __future__ import annotations

import polars as pl
import pytest
from faults import killing
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.clock import sync
from openbasket.errors import BadInputError
from openbasket.workspace import Workspace

HEAD = "game_id,period,clock,media\n"
GOOD = "g0,1,10:00,0:01\ng0,1,9:00,1:01\n"


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return killing.filmed(tmp_path / "ws", games=1)


def test_an_anchor_of_a_period_that_was_not_played_changes_nothing(workspace, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(HEAD + GOOD)
    done = CliRunner().invoke(app, ["sync", str(workspace.root), str(file)])
    assert done.exit_code == 0
    assert "note: 1 game has event times, as rendered videos do (g0); those win" in done.output
    before = workspace.read("anchors")
    file.write_text(HEAD + "g0,2,10:00,5:00\n\ng0,9,5:00,6:00\n")
    done = CliRunner().invoke(app, ["sync", str(workspace.root), str(file)])
    assert isinstance(done.exception, BadInputError)
    assert str(done.exception).endswith(
        "a.csv, line 4, field 'period': got '9'; allowed: a period of the game: 1, 2, 3, 4"
    )
    assert workspace.read("anchors").equals(before)


def test_an_overtime_that_has_events_is_a_period(workspace):
    events = workspace.read("events", "L", "21-22")
    late = pl.when(pl.col("event_id") == "e5").then(5).otherwise("period").cast(pl.Int8)
    workspace.write("events", events.with_columns(period=late), "L", "21-22")
    assert sync.periods_played(workspace) == {"g0": {1, 2, 3, 4, 5}}


def test_short_periods_are_the_reason_that_is_told(workspace, monkeypatch):
    from types import SimpleNamespace

    from openbasket import tables

    none = tables.empty("anchors")
    report = SimpleNamespace(
        game_id="g0", refused="no game clock was found", anchors=none, readings=[], rejected=0,
        board=None, located=0.0,
    )  # fmt: skip
    monkeypatch.setattr(sync, "read_scoreboard", lambda *_: report)
    games = workspace.read("games", "L", "21-22")
    told = []
    for period_s in (20.0, 600.0):
        row = games.with_columns(period_s=pl.lit(period_s)).row(0, named=True)
        outcome, _ = sync._work(sync._Job(row, tables.empty("events"), workspace.root))
        told.append(outcome.refused)
    assert told[0].startswith("its periods last 20 s; a scoreboard can be read where they last at")
    assert told[1] == "no game clock was found"
