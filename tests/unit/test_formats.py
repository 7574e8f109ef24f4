"""The same made-up games in every format give the same counts, minutes and line-ups."""

from __future__ import annotations

import polars as pl
import pytest
from formats.games import Game, made_up_games
from formats.writers import WRITERS, espn

from openbasket.tables import BOX_STATS
from openbasket.transcripts import ImportOptions, import_files
from openbasket.transcripts.box import count_box
from openbasket.transcripts.names import initial_and_last
from openbasket.transcripts.stints import minutes_played
from openbasket.workspace import Workspace

OPTIONS = ImportOptions(league="league", season="22-23", gender="women", region="Europe")
#: Statistics that a format does not carry.
MISSING = {"espn": {"fouls_drawn"}, "sidearm": {"fouls_drawn"}}
#: Formats that log no changes between periods: their line-ups are inferred there.
INFERRED = {"bbref"}


@pytest.fixture(scope="module")
def games(tmp_path_factory) -> list[Game]:
    return made_up_games(tmp_path_factory.mktemp("games"))


def imported(name, writer, games, folder, tmp_path):
    folder.mkdir(parents=True)
    writer(games, folder)
    ws = Workspace(tmp_path / "ws", create=True)
    report = import_files("auto", [folder], ws, options=OPTIONS, quiet=True)
    assert {s["provider"] for s in report.seasons} == {name}
    return ws


def by_name(ws: Workspace) -> dict[tuple[str, str], dict]:
    """Counts by home team of the game and (initial and last) name of the player."""
    events = ws.read("events")
    counts = count_box(events).join(ws.read("players").select("player_id", "name"), on="player_id")
    counts = counts.join(
        minutes_played(ws.read("stints")), on=["game_id", "player_id"], how="left"
    ).join(ws.read("games").select("game_id", "home_team", "away_team"), on="game_id")
    return {
        (row["home_team"] + row["away_team"], initial_and_last(row["name"])): row
        for row in counts.iter_rows(named=True)
    }


def compare(ws: Workspace, games: list[Game], missing: set[str], *, minutes: bool) -> None:
    found = by_name(ws)
    for game in games:
        teams = game.teams["home"] + game.teams["away"]
        for line in game.lines:
            mine = found.get((teams, initial_and_last(line["name"])))
            if mine is None:
                assert not any(line[stat] for stat in BOX_STATS)
                continue
            wrong = {
                stat: (mine[stat], line[stat])
                for stat in BOX_STATS
                if stat not in missing and mine[stat] != line[stat]
            }
            assert wrong == {}, (game.number, line["name"])
            if minutes:
                assert (mine["seconds"] or 0) == pytest.approx(line["seconds"], abs=15)


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_tells_the_same_games(name, games, tmp_path):
    ws = imported(name, WRITERS[name], games, tmp_path / "in" / name, tmp_path)
    assert ws.read("games").height == len(games)
    scores = {(g.scores["home"], g.scores["away"]) for g in games}
    assert set(ws.read("games").select("home_score", "away_score").rows()) <= scores | {
        (None, None)
    }
    compare(ws, games, MISSING.get(name, set()), minutes=name not in INFERRED)
    flags = ws.read("flags").filter(pl.col("scope") != "note")
    if name not in INFERRED:
        assert flags.rows() == []


def test_texts_of_professional_leagues_name_two_people_in_one_row(games, tmp_path):
    def writer(games, folder):
        espn(games, folder, professional=True)

    ws = imported("espn", writer, games, tmp_path / "in", tmp_path)
    compare(ws, games, set(), minutes=True)
    assert ws.read("flags").filter(pl.col("scope") != "note").rows() == []
