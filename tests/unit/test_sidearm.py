"""Sidearm files of any school: names, numbers, words, halves; and games that come from two providers."""

from __future__ import annotations

import json

import polars as pl
import pytest
from formats.games import made_up_games
from formats.writers import espn, sidearm

from openbasket.tables import BOX_STATS
from openbasket.transcripts import ImportOptions, import_files
from openbasket.transcripts.check import check
from openbasket.workspace import Workspace

HOME = ["Ann ONE", "Bea TWO", "Cat THREE", "Dee FOUR", "Eve FIVE", "Fay SIX"]
AWAY = ["Gil ONE", "Hal TWO", "Ike THREE", "Jon FOUR", "Kim FIVE", "Lee SIX"]


def play(text, kind, action, side="HomeTeam", who=0, clock=500, period=1, *, numbers=True):
    first, last = (
        (HOME if side == "HomeTeam" else AWAY)[who].split() if who is not None else (None, None)
    )
    number = f"{who + 1:02d}" if numbers and who is not None else ""
    return {
        "Period": period, "ClockSeconds": clock, "Team": side, "Type": kind, "Action": action,
        "Narrative": text,
        "Player": {"FirstName": first, "LastName": last, "UniformNumber": number, "PersonId": ""},
    }  # fmt: skip


def line(name, number, **counts):
    empty = dict.fromkeys(
        ("OffensiveRebounds", "DefensiveRebounds", "Assists", "Turnovers", "Blocks", "Steals",
         "PersonalFouls", "Points"), "0",
    )  # fmt: skip
    pairs = {"Fgam": "0-0", "Tpam": "0-0", "Ftma": "0-0"}
    return {"Uni": number, "Name": name, **empty, **pairs, **counts}


def document(
    plays, *, date="1/5/2024", periods=4, minutes=10, names=("Ravens", "Otters"), box=True, lines=()
):
    def group(people):
        rows = [
            line(f"{n.split()[0][0]}. {n.split()[1]}", f"{i + 1:02d}") for i, n in enumerate(people)
        ]
        return {"PlayerGroups": {"Players": {"Values": [*rows, *lines] if box else []}}}

    return {
        "Game": {
            "Date": date, "PeriodsRegulation": periods,
            "Rules": {"PeriodMinutes": minutes, "OTMinutes": 5} if minutes else None,
            "HomeTeam": {"Name": names[0], "Score": 2}, "VisitingTeam": {"Name": names[1], "Score": 0},
        },
        "Plays": plays, "Stats": {"HomeTeam": group(HOME), "VisitingTeam": group(AWAY)},
    }  # fmt: skip


def read(tmp_path, *documents, **options):
    for n, one in enumerate(documents):
        folder = tmp_path / "in" / str(n)
        folder.mkdir(parents=True)
        (folder / "100.json").write_text(json.dumps(one), encoding="utf-8")
    ws = Workspace(tmp_path / "ws", create=True)
    report = import_files(
        "auto", [tmp_path / "in"], ws, options=ImportOptions(**options), quiet=True
    )
    return ws, report


def told(ws):
    rows = ws.read("events").sort("game_id", "order")
    return [
        (kind, player and player.removeprefix("ncaa-women-"))
        for kind, player in rows.select("kind", "player_id").rows()
    ]


def test_somebody_of_the_other_team_in_a_text_is_on_his_own_side(tmp_path):
    """An assist at the other team's timeout and a block by a team mate belong to plays that are elsewhere."""
    plays = [
        play("01 Ann ONE LAYUP MISS; 02 Bea TWO BLOCK (1 Blk)", "LAYUP", "MISS"),
        play(
            "Otters TIMEOUT 30 Sec.; 03 Cat THREE Assist (1 Asst)",
            "30SEC",
            "TIMEOUT",
            "VisitingTeam",
            None,
        ),
        play("01 Ann ONE LAYUP MISS; 02 Hal TWO BLOCK (1 Blk)", "LAYUP", "MISS"),
    ]
    ws, _ = read(tmp_path, document(plays))
    assert told(ws) == [
        ("field_goal", "ravens-a-one"), ("block", "ravens-b-two"), ("timeout", None),
        ("assist", "ravens-c-three"), ("field_goal", "ravens-a-one"), ("blocked", "ravens-a-one"),
        ("block", "otters-h-two"),
    ]  # fmt: skip
    events = ws.read("events").sort("order")
    assert events["play_id"].n_unique() == 5


def test_technical_fouls_are_personal_since_2019(tmp_path):
    foul = [
        play("01 Ann ONE TECH FOUL (1 TF)", "TECH", "FOUL"),
        play("01 Ann ONE LAYUP GOOD", "LAYUP", "GOOD"),
    ]
    old, _ = read(tmp_path / "old", document(foul, date="1/5/2019"))
    new, _ = read(tmp_path / "new", document(foul, date="2019-11-05"))
    assert [kind for kind, _ in told(old)] == ["field_goal"]
    assert [kind for kind, _ in told(new)] == ["foul", "field_goal"]
    assert old.read("flags").filter(pl.col("check") == "unknown plays").is_empty()


@pytest.mark.parametrize(
    ("kind", "value"),
    [("3PTR", 3), ("3PT", 3), ("JUMPER", 2), ("LAYUP", 2), ("DUNK", 2), ("TIPIN", 2), ("HOOK", 2),
     ("HOOKSHOT", 2), ("ALLEYOOP", 2), ("2PTR", 2)],
)  # fmt: skip
def test_words_of_shots(kind, value, tmp_path):
    ws, _ = read(tmp_path, document([play(f"01 Ann ONE {kind} GOOD", kind, "GOOD")]))
    assert ws.read("events").select("kind", "value", "made").rows() == [("field_goal", value, True)]


def test_what_is_not_understood_is_flagged(tmp_path):
    ws, _ = read(
        tmp_path,
        document([play("01 Ann ONE CARTWHEEL GOOD", "CARTWHEEL", "GOOD"), play("", "FT", "MISS")]),
    )
    assert (
        "CARTWHEEL/GOOD" in ws.read("flags").filter(pl.col("check") == "unknown plays")["reason"][0]
    )


def test_names_in_other_orders_without_numbers_and_rows_of_the_team(tmp_path):
    plays = [
        play("ONE,ANN JUMPER GOOD; TWO,BEA Assist (1 Asst)", "JUMPER", "GOOD", numbers=False),
        play("SIX,FAY IN; FIVE,EVE OUT", "SUBS", "SUBS", clock=400, numbers=False),
        play("TEAM REBOUND", "DEF", "REBOUND", who=None, clock=300),
        play("Ravens IN; TEAM OUT; 06 Fay SIX OUT", "SUBS", "SUBS", who=None, clock=200),
    ]
    plays[2]["Player"]["LastName"] = "TEAM"
    ws, _ = read(tmp_path, document(plays, lines=[line("TEAM", ""), line("Team", "TM")]))
    assert told(ws) == [
        ("field_goal", "ravens-a-one"), ("assist", "ravens-b-two"), ("sub_in", "ravens-f-six"),
        ("sub_out", "ravens-e-five"), ("defensive_rebound", None), ("sub_out", "ravens-f-six"),
    ]  # fmt: skip
    assert not [p for p in ws.read("players")["player_id"] if p.endswith("team")]
    flags = ws.read("flags").filter(pl.col("check") == "substitutions")
    assert flags["reason"].to_list() == [
        "at 1 moment not as many come in as go out; 2 changes do not say who"
    ]


def test_schools_with_the_same_file_name_halves_and_a_school_of_another_division(tmp_path):
    """Men's and women's games of one school side by side; rules and box scores that are missing."""
    shot = [play("01 Ann ONE LAYUP GOOD", "LAYUP", "GOOD", clock=900)]
    ws, report = read(
        tmp_path,
        document(shot, periods=2, minutes=20),
        document([play("01 Ann ONE LAYUP GOOD", "LAYUP", "GOOD")]),
        document(shot, periods=None, minutes=None, names=("Ravens", "Small St. (DIII)"), box=False),
        document(shot, periods=2, minutes=None, date="1/5/2014"),
    )
    assert {s["provider"] for s in report.seasons} == {"sidearm"}
    games = ws.read("games").sort("league", "season", "away_team_id")
    assert games.select("league", "season", "away_team_id", "periods", "period_s").rows() == [
        ("ncaa-men", "23-24", "otters", 2, 1200.0),
        ("ncaa-men", "23-24", "small-st-diii", 2, 1200.0),
        ("ncaa-women", "13-14", "otters", 2, 1200.0),
        ("ncaa-women", "23-24", "otters", 4, 600.0),
    ]
    assert any("men play two halves too" in note for note in report.notes)
    assert {p.rsplit("-", 3)[0] for p in ws.read("events")["player_id"]} == {
        "ncaa-men",
        "ncaa-women",
    }


@pytest.mark.parametrize("first", ["sidearm", "espn"])
def test_a_game_of_two_providers_counts_once(first, tmp_path):
    games = made_up_games(tmp_path / "games")
    writers = {"sidearm": sidearm, "espn": espn}
    order = [first, *(name for name in writers if name != first)]
    ws = Workspace(tmp_path / "ws", create=True)
    options = ImportOptions(league="ncaa-women", season="22-23")
    for name in (*order, *order):  # importing again changes nothing
        folder = tmp_path / name
        if not folder.exists():
            folder.mkdir()
            writers[name](games, folder)
        report = import_files("auto", [folder], ws, options=options, quiet=True)
        said = [note for note in report.notes if "already under another name" in note]
        assert bool(said) == (name != first)
        flags = ws.read("flags").filter(pl.col("check") == "told twice")
        assert flags["scope"].to_list() == ["game"] * flags.height
        assert flags.height == (
            0 if name == first and not said and len(ws.read("games")) == len(games) else len(games)
        )
    assert all(not game.startswith(first) for game in flags["game_id"])
    found = check(ws)
    assert found.seasons[0].games - found.seasons[0].left_out == len(games)
    assert set(found.agreement) <= set(BOX_STATS)
