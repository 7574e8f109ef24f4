"""Fixtures of other competitions and other forms of the table than the sample's."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from openbasket.errors import BadInputError
from openbasket.transcripts import import_files
from openbasket.workspace import Workspace

SAMPLE = Path(__file__).parents[2] / "data" / "atrium" / "fixture_detail_pbp.json.gz"
FRENCH = {
    ("rebound", "offensive"): "Rebond Offensif", ("rebound", "defensive"): "Rebond Défensif",
    ("substitution", "in"): "Remplacement entrant", ("substitution", "out"): "Remplacement sortant",
    ("foul", "drawn"): "Faute Provoquée",
}  # fmt: skip


@pytest.fixture
def fixture() -> dict[str, Any]:
    return json.loads(gzip.decompress(SAMPLE.read_bytes()))


def imported(tmp_path: Path, *contents: dict[str, Any]) -> Workspace:
    folder = tmp_path / f"in{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number}.json").write_text(json.dumps(content), encoding="utf-8")
    workspace = Workspace(tmp_path / f"{folder.name}-ws", create=True)
    import_files("auto", [folder], workspace, quiet=True)
    return workspace


def events_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for period in content["data"]["pbp"].values() for event in period["events"]]


def plain_table(content: dict[str, Any]) -> pl.DataFrame:
    """The game as a table without subtypes, ids and success, its clock in seconds."""
    teams = {team["isHome"]: team["entityId"] for team in content["data"]["fixture"]["competitors"]}
    rows = []
    for event in events_of(content):
        minutes, seconds = event["clock"][2:-1].split("M")
        kind = (event["eventType"], event["eventSubType"])
        rows.append(
            {
                "GAME_ID": content["data"]["fixture"]["fixtureId"], "EVENT_ID": event["eventId"],
                "PERIOD_ID": float(event["periodId"]), "CLOCK": str(60 * int(minutes) + int(seconds)),
                "EVENT_TYPE": event["eventType"], "EVENT_SUBTYPE": "", "PLAYER_ID": "",
                "PLAYER_NAME": event["name"] if event["personId"] else "", "TEAM_ID": event["entityId"],
                "DESCRIPTION": FRENCH.get(kind, ""), "SUCCESS": False, "_league": "betclic_elite",
                "HOME_SCORE": event["scores"][teams[True]], "AWAY_SCORE": event["scores"][teams[False]],
            }
        )  # fmt: skip
    return pl.DataFrame(rows)


def test_a_table_without_subtypes_ids_and_success_is_the_same_game(fixture, tmp_path):
    (tmp_path / "json").mkdir()
    wanted = imported(tmp_path / "json", fixture)
    plain_table(fixture).write_parquet(tmp_path / "plain.parquet")
    workspace = Workspace(tmp_path / "ws", create=True)
    import_files("auto", [tmp_path / "plain.parquet"], workspace, quiet=True)
    same = ["period", "clock_s", "kind", "team_id", "made", "value"]
    mine, theirs = (w.read("events").sort("order") for w in (workspace, wanted))
    assert mine.select(same).rows() == theirs.select(same).rows()
    who = dict(zip(mine["player_id"], theirs["player_id"], strict=True))
    assert len(set(who.values())) == len(who) == mine["player_id"].n_unique()
    game = workspace.read("games").row(0, named=True)
    assert game["home_team_id"] == wanted.read("games")["home_team_id"].item()


def test_a_name_leads_to_the_id_that_it_has_elsewhere(fixture, tmp_path):
    whole = plain_table(fixture)
    ids = {event["name"]: event["personId"] for event in events_of(fixture) if event["personId"]}
    other = whole.with_columns(
        GAME_ID=pl.lit("other"),
        EVENT_ID=pl.col("EVENT_ID") + "-2",
        PLAYER_ID=pl.col("PLAYER_NAME").replace_strict(ids, default=None, return_dtype=pl.String),
    )
    pl.concat([whole, other]).write_parquet(tmp_path / "two.parquet")
    workspace = Workspace(tmp_path / "ws", create=True)
    import_files("auto", [tmp_path / "two.parquet"], workspace, quiet=True)
    assert set(workspace.read("players")["player_id"]) == set(ids.values())


def test_games_that_are_not_played_yet_are_left_out(fixture, tmp_path):
    future = copy.deepcopy(fixture)
    future["data"]["fixture"]["fixtureId"] = "later"
    future["data"]["pbp"] = {}
    assert imported(tmp_path, fixture, future).read("games").height == 1
    with pytest.raises(BadInputError, match="no events"):
        imported(tmp_path, future)


def test_halves_and_their_overtimes(fixture, tmp_path):
    data = fixture["data"]
    data["periodData"]["periodLabels"] = {"1": "H1", "2": "H2", "11": "OT1", "12": "OT2"}
    data["pbp"] = {"1": data["pbp"]["1"], "2": data["pbp"]["2"], "11": data["pbp"]["3"]}
    for number, period in data["pbp"].items():
        overtime = number == "11"
        period |= {"durationMinutes": 5 if overtime else 20, "isOvertime": overtime}
        for event in period["events"]:
            event["periodId"] = int(number)
    workspace = imported(tmp_path, fixture)
    game = workspace.read("games").row(0, named=True)
    assert (game["periods"], game["period_s"], game["overtime_s"]) == (2, 1200.0, 300.0)
    assert set(workspace.read("events")["period"]) == {1, 2, 3}


def test_on_neutral_ground_the_first_team_is_at_home(fixture, tmp_path):
    first, second = fixture["data"]["fixture"]["competitors"]
    first["isHome"] = second["isHome"] = False
    game = imported(tmp_path, fixture).read("games").row(0, named=True)
    assert game["home_team_id"] == first["entityId"]


@pytest.mark.parametrize(
    ("name", "league"),
    [("ÉLITE 2 2025", "elite-2"), ("NBL1 South 2024/25", "nbl1-south"), ("Espoirs 2024-2025", "espoirs")],
)  # fmt: skip
def test_a_league_loses_its_year_but_no_other_number(fixture, tmp_path, name, league):
    fixture["data"]["fixture"]["competitionName"] = name
    assert imported(tmp_path, fixture).read("games")["league"].item() == league


def test_a_game_that_was_recorded_in_part_is_flagged(fixture, tmp_path):
    last = fixture["data"]["pbp"]["4"]
    last["events"] = [e for e in last["events"] if int(e["clock"][2:].split("M")[0]) >= 5]
    flags = imported(tmp_path, fixture).read("flags").filter(check="periods")
    assert flags["scope"].to_list() == ["game"]
    assert "before period 4 does" in flags["reason"].item()


def test_unknown_subtypes_are_flagged_and_benches_are_nobody(fixture, tmp_path):
    events = events_of(fixture)
    next(e for e in events if e["eventType"] == "rebound")["eventSubType"] = "loose"
    foul = next(e for e in events if e["eventType"] == "foul" and e["eventSubType"] == "personal")
    foul["eventSubType"] = "benchUnsportsmanlike"
    fouls = sum(e["eventType"] == "foul" and e["eventSubType"] != "drawn" for e in events)
    workspace = imported(tmp_path, fixture)
    assert workspace.read("events").filter(kind="foul").height == fouls - 1
    reasons = workspace.read("flags").filter(check="unknown plays")["reason"].to_list()
    assert reasons == ["1 row left out: rebound/loose"]


def test_a_three_from_the_own_half_keeps_its_distance(fixture, tmp_path):
    shot = next(e for e in events_of(fixture) if e["eventType"] == "3pt")
    shot["x"] = 100 - 40.0 if shot["x"] < 50 else 40.0
    two = next(e for e in events_of(fixture) if e["eventType"] == "2pt")
    two["x"] = 100 - two["x"]
    shots = imported(tmp_path, fixture).read("events").filter(kind="field_goal").sort("order")
    far = shots.filter(value=3).row(0, named=True)
    assert far["y_m"] == pytest.approx(0.6 * 28 - 1.575, abs=1e-3)
    assert shots.filter(value=2)["y_m"].max() < 10


def test_who_is_sent_in_first_did_not_start_though_he_acts_before(fixture, tmp_path):
    start = imported(tmp_path, fixture).read("stints").filter(period=1, start_clock_s=600.0)
    events = fixture["data"]["pbp"]["1"]["events"]
    change = next(
        e for e in events if e["eventType"] == "substitution" and e["eventSubType"] == "in"
    )
    early = change | {
        "eventType": "assist",
        "eventSubType": None,
        "eventId": "early",
        "clock": "PT9M50S",
    }
    events.insert(0, early)
    again = imported(tmp_path, fixture).read("stints").filter(period=1, start_clock_s=600.0)
    assert again["player_ids"].to_list() == start["player_ids"].to_list()
