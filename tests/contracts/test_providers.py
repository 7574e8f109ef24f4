"""What every provider must keep; a new line in the table is tested by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from formats.games import made_up_games
from formats.writers import WRITERS

from openbasket.transcripts import PROVIDERS, ImportOptions, import_files
from openbasket.transcripts.check import check
from openbasket.transcripts.formats import module
from openbasket.workspace import Workspace

DATA = Path(__file__).resolve().parents[1] / "data"


#: What a provider's files do not say.
OPTIONS = {
    "atrium": ImportOptions(league="betclic-elite"),
    "espn": ImportOptions(league="ncaa-women"),
    "fiba_livestats": ImportOptions(league="fiba-league", season="23-24"),
    "ncaa": ImportOptions(league="ncaa-men"),
    "sportscode": ImportOptions(league="a-league"),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_contract_of_every_provider(name, tmp_path):
    """Its own format found by content, clean ids, five a side, and an official box score that agrees."""
    assert module(name).FILES
    folder = DATA / name
    if name in WRITERS:
        folder = tmp_path / "in"
        folder.mkdir()
        WRITERS[name](made_up_games(tmp_path / "games"), folder)
    ws = Workspace(tmp_path / "ws", create=True)
    report = import_files("auto", [folder], ws, options=OPTIONS.get(name), quiet=True)
    assert {s["provider"] for s in report.seasons} == {name}
    for table in ("games", "appearances", "events", "stints", "players"):
        assert ws.read(table).height > 0
    assert set(ws.read("stints")["player_ids"].list.len()) == {5}
    found = check(ws)
    assert set(found.agreement.values()) <= {1.0}
    said = [reason for flag in found.flagged for reason in flag["reasons"]]
    # The games are tiny: periods may be missing, and a possession more or less is a large share.
    assert [r for r in said if not r.startswith(("no box score", "periods", "possessions"))] == []
    roster = ws.read("appearances").select("game_id", "player_id")
    acting = ws.read("events").drop_nulls("player_id").select("game_id", "player_id")
    assert acting.join(roster, on=["game_id", "player_id"], how="anti").is_empty()
