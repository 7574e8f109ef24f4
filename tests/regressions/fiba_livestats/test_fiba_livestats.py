"""What real ``data.json`` files have that made-up ones had not: a made-up game with the same oddities."""

from __future__ import annotations

import json

import polars as pl
import pytest

from openbasket.errors import BadInputError
from openbasket.transcripts import ImportOptions, import_files
from openbasket.workspace import Workspace

OPTIONS = ImportOptions(league="nbl", season="21-22")


def team(name: str, **more) -> dict:
    players = {
        str(n): {
            "firstName": "Ann", "familyName": f"Player{chr(64 + n)}", "name": f"A. Player{chr(64 + n)}",
            "scoreboardName": "Annie1", "shirtNumber": str(n), "starter": int(n <= 5), "active": 1,
            "sMinutes": "20:00", "sPoints": 0, "playingPosition": "G",
        }
        for n in range(1, 7)
    }  # fmt: skip
    return {"name": name, "code": name[:3].upper(), "score": 0, "pl": players, "shot": []} | more


def play(number, period, clock, tno, pno, what, sub="", *, success=1, previous="", kind="REGULAR"):
    return {
        "gt": clock[:5], "clock": clock, "s1": 0, "s2": 0, "lead": 0, "tno": tno, "period": period,
        "periodType": kind, "pno": pno, "player": "A. Player", "success": success, "actionType": what,
        "actionNumber": number, "previousAction": previous, "qualifier": [], "subType": sub, "scoring": 0,
        "shirtNumber": "", "firstName": "Ann", "familyName": "Stranger",
    }  # fmt: skip


PLAYS = [
    play(2, 1, "10:00:00", 0, 0, "period", "start"),
    play(4, 1, "09:41:30", 1, 1, "3pt", "jumpshot", success=0),
    play(5, 1, "09:40:00", 1, 0, "rebound", "offensive", previous=4),
    play(8, 1, "09:30:20", 1, 2, "2pt", "layup"),
    play(9, 1, "09:30:20", 1, 3, "assist", previous=8),
    play(11, 1, "00:02:00", 2, 1, "turnover", "badpass"),
    play(12, 1, "00:02:00", 1, 4, "steal", previous=11),
    # Entered after the game.
    play(99, 1, "00:02:50", 2, 2, "foul", "personal"),
    play(98, 1, "00:02:50", 1, 9, "foulon", previous=99),
    play(15, 1, "00:00:00", 0, 0, "period", "end"),
    play(20, 2, "10:00:00", 2, 6, "substitution", "in"),
    play(21, 2, "10:00:00", 2, 5, "substitution", "out"),
    play(30, 3, "05:00:00", 2, 0, "foul", "benchDisqualifying"),
    play(31, 3, "05:00:00", 1, 1, "freethrow", "1of2", success=0),
    play(32, 3, "05:00:00", 1, 0, "rebound", "offensivedeadball", previous=31),
    play(33, 3, "05:00:00", 1, 1, "freethrow", "2of2"),
    play(40, 4, "00:00:00", 2, 3, "3pt", "jumpshot"),
    play(41, 1, "03:00:00", 2, 3, "2pt", "dunk", kind="OVERTIME"),
    play(42, 1, "00:00:00", 0, 0, "game", "end", kind="OVERTIME"),
]


def document(plays=PLAYS, home=None, away=None) -> dict:
    # ``periodLength`` is that of the period that is on.
    return {
        "clock": "00:00", "period": 1, "periodLength": 5, "periodType": "OVERTIME", "inOT": 1,
        "periodsMax": 4, "periodLengthREGULAR": 10, "periodLengthOVERTIME": 5,
        "tm": {"1": home or team("Reds", score=3), "2": away or team("Blues", score=5)}, "pbp": plays[::-1],
    }  # fmt: skip


def imported(tmp_path, *documents) -> Workspace:
    for number, content in enumerate(documents):
        (tmp_path / f"{number}.json").write_text(json.dumps(content), encoding="utf-8")
    workspace = Workspace(tmp_path / "ws", create=True)
    files = sorted(tmp_path.glob("*.json"))
    import_files("auto", files, workspace, options=OPTIONS, quiet=True)
    return workspace


def test_the_clock_has_hundredths_and_the_length_is_of_regular_periods(tmp_path):
    workspace = imported(tmp_path, document())
    game = workspace.read("games").row(0, named=True)
    assert (game["periods"], game["period_s"], game["overtime_s"]) == (4, 600.0, 300.0)
    events = workspace.read("events")
    assert events.filter(kind="field_goal")["clock_s"].to_list() == [581.3, 570.2, 0.0, 180.0]
    assert events.filter(kind="field_goal")["period"].to_list() == [1, 1, 4, 5]


def test_a_play_entered_late_stands_where_its_clock_says(tmp_path):
    events = imported(tmp_path, document()).read("events").sort("order").filter(period=1)
    kinds = events["kind"].to_list()
    assert kinds.index("foul") < kinds.index("turnover")
    assert events.filter(kind="foul")["clock_s"].item() == 2.5


def test_previous_actions_link_plays(tmp_path):
    events = imported(tmp_path, document()).read("events")
    for one, other in (("assist", "field_goal"), ("steal", "turnover"), ("foul_drawn", "foul")):
        plays = events.filter(kind=other)
        if other == "field_goal":
            plays = plays.filter("made", period=1)
        assert events.filter(kind=one)["play_id"].to_list() == plays["play_id"].to_list(), one


def test_dead_balls_benches_and_strangers(tmp_path):
    workspace = imported(tmp_path, document())
    events = workspace.read("events")
    assert events.filter(kind="offensive_rebound").height == 1
    assert events.filter(kind="foul").height == 1
    # He is not in the list of players, but the play says his name.
    assert events.filter(kind="foul_drawn")["player_id"].to_list() == ["fiba-reds-ann-stranger"]
    assert "unknown plays" not in workspace.read("flags")["check"].to_list()


def test_what_is_not_known_is_flagged(tmp_path):
    plays = [*PLAYS, play(50, 4, "00:30:00", 1, 1, "rebound", "loose")]
    flags = imported(tmp_path, document(plays)).read("flags").filter(check="unknown plays")
    assert flags["reason"].to_list() == ["1 rows left out: rebound loose"]


def test_old_files_have_neither_numbers_nor_hundredths(tmp_path):
    lost = ("clock", "actionNumber", "previousAction")
    plays = [{k: v for k, v in p.items() if k not in lost} for p in PLAYS if p["actionNumber"] < 90]
    home = team("Reds", shot=[
        {"r": 0, "x": 8, "y": 50, "p": 1, "pno": 1, "tno": 1, "per": 1, "perType": "REGULAR", "actionType": "3pt"},
        {"r": 1, "x": 8, "y": 50, "p": 2, "pno": 2, "tno": 1, "per": 1, "perType": "REGULAR", "actionType": "2pt"},
    ])  # fmt: skip
    events = imported(tmp_path, document(plays, home)).read("events").sort("order")
    shots = events.filter(kind="field_goal")
    assert shots["clock_s"].to_list() == [581.0, 570.0, 0.0, 180.0]
    assert shots["y_m"].is_not_null().to_list() == [True, True, False, False]
    assist = events.filter(kind="assist")["play_id"].item()
    assert assist == shots.filter("made", period=1)["play_id"].item()


def test_a_shot_from_the_own_half_goes_to_the_other_basket(tmp_path):
    plays = [
        play(1, 1, "09:00:00", 1, 1, "2pt"),
        play(2, 1, "08:00:00", 1, 1, "2pt"),
        play(3, 1, "00:00:00", 1, 1, "3pt", success=0),
    ]
    shots = [
        {"r": 1, "x": x, "y": 38.2, "pno": 1, "tno": 1, "per": 1, "perType": "REGULAR",
         "actionType": "2pt", "actionNumber": n} for n, x in ((1, 6), (2, 8), (3, 60.84))
    ]  # fmt: skip
    home = team("Reds", shot=shots)
    far = imported(tmp_path, document(plays, home)).read("events").sort("order").row(-1, named=True)
    assert far["y_m"] == pytest.approx(0.6084 * 28 - 1.575, abs=1e-3)
    assert far["x_m"] == pytest.approx((0.382 - 0.5) * 15, abs=1e-3)


def test_names_in_other_scripts(tmp_path):
    home = team("東京", nameInternational="Tokyo", score=3)
    home["pl"]["1"] |= {
        "firstName": "勇樹", "familyName": "富樫", "name": "富樫 勇樹",
        "internationalFirstName": "Yuki", "internationalFamilyName": "Togashi",
    }  # fmt: skip
    for number in ("2", "3"):  # no international name at all
        home["pl"][number] |= {
            "firstName": "",
            "familyName": "Ω",
            "name": "Ω",
            "scoreboardName": "",
        }
    workspace = imported(tmp_path, document(home=home))
    assert workspace.read("games")["home_team"].to_list() == ["東京"]
    shots = workspace.read("events").filter(kind="field_goal", team_id="fiba-tokyo")
    assert shots["player_id"].to_list() == ["fiba-tokyo-yuki-togashi", "fiba-tokyo-unnamed-2"]
    names = dict(workspace.read("players").select("player_id", "name").rows())
    assert names["fiba-tokyo-unnamed-3"] == "Ω"


def test_a_team_without_a_latin_name_is_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"tm\.1\.name.*東京"):
        imported(tmp_path, document(home=team("東京", code="東京")))


def test_changes_between_periods_are_followed(tmp_path):
    stints = imported(tmp_path, document()).read("stints").filter(team_id="fiba-blues")
    five = stints.filter(pl.col("period") >= 2)["player_ids"].explode().unique().to_list()
    assert "fiba-blues-ann-playerf" in five
    assert "fiba-blues-ann-playere" not in five
