"""What every provider must keep; a new line in the table is tested by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbasket.transcripts import PROVIDERS, import_files, provider
from openbasket.transcripts.check import check
from openbasket.workspace import Workspace

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.mark.parametrize("name", PROVIDERS)
def test_contract_of_every_provider(name, tmp_path):
    """A fixture folder, clean ids, five a side, and an official box score that agrees."""
    assert callable(provider(name))
    ws = Workspace(tmp_path, create=True)
    report = import_files(name, [DATA / name], ws, quiet=True)
    assert report.seasons
    for league, season in ws.seasons():
        for table in ("games", "appearances", "box_scores", "events", "stints"):
            assert ws.read(table, league, season).height > 0
    assert set(ws.read("stints")["player_ids"].list.len()) == {5}
    found = check(ws)
    assert set(found.agreement.values()) == {1.0}
    assert found.flagged == []
    roster = ws.read("appearances").select("game_id", "player_id")
    acting = ws.read("events").drop_nulls("player_id").select("game_id", "player_id")
    assert acting.join(roster, on=["game_id", "player_id"], how="anti").is_empty()
