"""The invented EuroLeague game in tests/data/euroleague holds what real files do wrong."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from openbasket.transcripts import import_files
from openbasket.transcripts.check import check, count_box
from openbasket.transcripts.euroleague import KINDS
from openbasket.transcripts.plays import play_ids
from openbasket.transcripts.stints import minutes_played
from openbasket.workspace import Workspace

DATA = Path(__file__).resolve().parents[1] / "data"
GAME = DATA / "euroleague"


@pytest.fixture(scope="module")
def ws(tmp_path_factory) -> Workspace:
    ws = Workspace(tmp_path_factory.mktemp("ws"), create=True)
    import_files("euroleague", [GAME], ws, quiet=True)
    return ws


def flattened(folder: Path, *, shuffle: bool = False, suffix: str = "csv") -> Path:
    """The same game in the flattened form."""
    folder.mkdir()
    keys = {"_season": 2023, "_gamecode": 1}
    load = {what: json.loads((GAME / f"E2023_1_{what}.json").read_text()) for what in
            ("PlaybyPlay", "Boxscore", "Points", "Header")}  # fmt: skip
    plays = [
        keys | {"_section": section, "_section_row": row} | play
        for section in (
            "FirstQuarter",
            "SecondQuarter",
            "ThirdQuarter",
            "ForthQuarter",
            "ExtraTime",
        )
        for row, play in enumerate(load["PlaybyPlay"][section])
    ]
    box = [keys | player for team in load["Boxscore"]["Stats"] for player in team["PlayersStats"]]
    tables = {
        "playbyplay_2023": plays,
        "boxscore_2023": box,
        "points_2023": [keys | row for row in load["Points"]["Rows"]],
        "header": [keys | load["Header"]],
    }
    for name, rows in tables.items():
        frame = pl.DataFrame(rows, infer_schema_length=None)
        if shuffle:
            frame = frame.sample(fraction=1, shuffle=True, seed=3)
        path = folder / f"{name}.{suffix}"
        frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
    return folder


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_flattened_files_in_any_row_order_give_the_same_tables(ws, tmp_path, shuffle, suffix):
    other = Workspace(tmp_path / "ws", create=True)
    folder = flattened(tmp_path / "flat", shuffle=shuffle, suffix=suffix)
    import_files("euroleague", [folder], other, quiet=True)
    for table in ("games", "players", "appearances", "box_scores", "events", "stints"):
        assert other.read(table).equals(ws.read(table)), table


def test_counts_and_minutes_equal_the_box_score(ws):
    report = check(ws)
    assert report.agreement == dict.fromkeys(report.agreement, 1.0)
    assert len(report.agreement) == 15
    assert (report.games, report.player_games, report.minutes) == (1, 11, 1.0)
    flag = {"game_id": "E2023-1", "scope": "game", "reasons": ["periods: no plays in period 2, 3"]}
    assert report.flagged == [flag]
    assert set(report.to_json()) >= {"agreement", "games", "flagged"}


def test_a_wrong_count_is_flagged_with_player_and_statistic(ws, tmp_path):
    other = Workspace(tmp_path, create=True)
    import_files("euroleague", [GAME], other, quiet=True)
    box = other.read("box_scores", "euroleague", "23-24")
    wrong = box.with_columns(
        assists=pl.when(pl.col("player_id") == "P100001").then(pl.lit(9)).otherwise("assists")
    )
    other.write("box_scores", wrong, "euroleague", "23-24")
    report = check(other)
    assert report.agreement["assists"] == pytest.approx(10 / 11)
    assert report.agreement["steals"] == 1.0
    assert report.flagged[0]["reasons"] == [
        "box score: 1 of 165 numbers differ: P100001 assists 1, box score 9",
        "periods: no plays in period 2, 3",
    ]


def test_ids_are_stripped_and_blanks_are_null(ws):
    events = ws.read("events")
    assert set(events["team_id"].drop_nulls()) == {"HER", "OWL"}
    assert not any(" " in p for p in events["player_id"].drop_nulls())
    team_rebound = events.filter(kind="defensive_rebound").filter(pl.col("clock_s") == 400.0)
    assert team_rebound["player_id"].to_list() == [None]
    coach = events.filter(kind="foul", team_id="HER")
    assert coach["player_id"].to_list() == [None]


def test_a_late_row_stands_where_its_clock_says_and_a_missing_clock_takes_the_last(ws):
    events = ws.read("events").sort("order")
    clocks = events.filter(period=1)["clock_s"].to_list()
    assert clocks == sorted(clocks, reverse=True)
    assert events.filter(kind="timeout")["clock_s"].to_list() == [360.0]
    assert events.filter(kind="foul", team_id="HER")["clock_s"].to_list() == [400.0]


def test_overtimes_share_a_section_but_are_numbered(ws):
    events = ws.read("events")
    assert sorted(events["period"].unique()) == [1, 2, 3, 4, 5, 6]
    starts = events.filter(kind="period_start").sort("period")["clock_s"].to_list()
    assert starts == [600.0] * 4 + [300.0] * 2
    assert events.filter(kind="period_end").height == 6  # EP and EG of the last are one


def test_plays_link_their_rows(ws):
    events = ws.read("events")

    def linked(kind: str) -> list[str]:
        plays = events.filter(kind=kind)["play_id"]
        return sorted(events.filter(pl.col("play_id").is_in(plays.implode()))["kind"].unique())

    assert linked("assist") == ["assist", "field_goal"]
    assert linked("block") == ["block", "blocked", "field_goal"]
    assert linked("steal") == ["steal", "turnover"]
    assert linked("foul_drawn") == ["foul", "foul_drawn"]


def test_rows_of_a_play_are_found_by_what_they_can_go_with():
    """A block goes with a miss of the other team, an assist with a basket of its own, the nearest first."""
    rows = [
        ("A", "block", None, 100.0),  # noted before the shot
        ("B", "field_goal", False, 100.0),
        ("A", "field_goal", True, 95.0),
        ("B", "field_goal", True, 90.0),
        ("A", "assist", None, 94.0),
        ("A", "assist", None, 60.0),  # of free throws, half a minute later: no basket is near
        ("A", "turnover", None, 50.0),
        ("B", "steal", None, 50.0),
        ("B", "steal", None, 49.0),  # one turnover, one steal
    ]
    plays = pl.DataFrame(
        rows, schema={"team_id": str, "kind": str, "made": bool, "clock_s": float}, orient="row"
    ).with_columns(game_id=pl.lit("g"), period=1, order=pl.int_range(pl.len(), dtype=pl.Int32))
    games = pl.DataFrame({"game_id": ["g"], "home_team_id": ["A"], "away_team_id": ["B"]})
    assert play_ids(plays, games).to_list() == [1, 1, 2, 3, 2, 5, 6, 6, 8]


def test_places_and_wall_clock_come_from_the_points_file(ws):
    shots = ws.read("events").filter(kind="field_goal").sort("order")
    assert shots["x_m"][0] == pytest.approx(2.1)
    assert shots["y_m"][0] == pytest.approx(6.8)
    assert str(shots["wall_time"][0]) == "2023-10-05 19:00:00+00:00"
    assert ws.read("events").filter(kind="free_throw")["x_m"].null_count() == 4


def test_stints_are_five_a_side_and_tile_the_game(ws):
    stints = ws.read("stints")
    assert set(stints["player_ids"].list.len()) == {5}
    assert set(stints["player_ids"].list.n_unique()) == {5}
    seconds = minutes_played(stints).group_by("team_id").agg(pl.col("seconds").sum())
    assert dict(seconds.rows()) == {"HER": 5 * 3000.0, "OWL": 5 * 3000.0}
    for _, rows in stints.group_by("game_id", "team_id"):
        rows = rows.sort("first_order")
        assert rows["first_order"].to_list()[1:] == rows["last_order"].to_list()[:-1]


def test_names_and_header_are_read(ws):
    game = ws.read("games").row(0, named=True)
    assert (game["league"], game["season"], game["gender"]) == ("euroleague", "23-24", "men")
    assert (game["home_team_id"], game["home_score"], game["away_score"]) == ("HER", 13, 10)
    assert str(game["date"]) == "2023-10-05"
    assert "Ana Vale" in ws.read("players")["name"].to_list()


def test_importing_again_changes_nothing_and_other_games_stay(tmp_path):
    ws = Workspace(tmp_path / "ws", create=True)
    second = tmp_path / "second"
    second.mkdir()
    for file in GAME.iterdir():
        (second / file.name.replace("_1_", "_2_")).write_bytes(file.read_bytes())
    import_files("euroleague", [GAME], ws, quiet=True)
    once = ws.read("events")
    import_files("euroleague", [GAME], ws, quiet=True)
    assert ws.read("events").equals(once)
    import_files("euroleague", [second], ws, quiet=True)
    assert ws.read("games")["game_id"].to_list() == ["E2023-1", "E2023-2"]
    assert ws.read("events").filter(game_id="E2023-1").equals(once)
    assert ws.read("players").height == 11


def test_a_game_without_points_file_has_no_places(tmp_path):
    folder = tmp_path / "game"
    folder.mkdir()
    for file in GAME.iterdir():
        if "Points" not in file.name:
            (folder / file.name).write_bytes(file.read_bytes())
    ws = Workspace(tmp_path / "ws", create=True)
    report = import_files("euroleague", [folder], ws, quiet=True)
    assert any("no points file" in note for note in report.notes)
    assert ws.read("events")["x_m"].null_count() == ws.read("events").height


def test_count_box_counts_by_hand():
    rows = [
        ("field_goal", True, 3),
        ("field_goal", False, 2),
        ("free_throw", True, 1),
        ("foul", None, None),
    ]
    events = pl.DataFrame(
        [("g", "p", *row) for row in rows],
        schema={
            "game_id": pl.String,
            "player_id": pl.String,
            "kind": pl.String,
            "made": pl.Boolean,
            "value": pl.Int8,
        },
        orient="row",
    )
    row = count_box(events).row(0, named=True)
    told = {k: v for k, v in row.items() if v and k not in ("game_id", "player_id")}
    assert told == {
        "points": 4, "field_goals_3_made": 1, "field_goals_3_tried": 1, "field_goals_2_tried": 1,
        "free_throws_made": 1, "free_throws_tried": 1, "fouls_made": 1,
    }  # fmt: skip


def test_the_counting_rules_of_fouls_and_turnovers():
    fouls = {code for code, meaning in KINDS.items() if meaning and meaning[0] == "foul"}
    known = {"OF", "CM", "CMU", "CMT", "CMD", "CMTI", "C", "B"}
    assert fouls == known | {"CMU_DI", "CMU_FL", "CMT1"}  # new in 2026-27
    assert [code for code, m in KINDS.items() if m and m[0] == "turnover"] == ["TO"]
