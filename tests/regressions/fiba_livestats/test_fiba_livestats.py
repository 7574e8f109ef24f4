"""What real ``data.json`` files have that made-up ones had not: a made-up game with the same oddities."""

from __future__ import annotations

import json

import polars as pl
import pytest

from openbasket.errors import BadInputError
from openbasket.labels.statistics import game_statistics
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


def play(
    number,
    period,
    clock,
    tno,
    pno,
    what,
    sub="",
    *,
    success=1,
    previous="",
    kind="REGULAR",
    said=(),
):
    return {
        "gt": clock[:5], "clock": clock, "s1": 0, "s2": 0, "lead": 0, "tno": tno, "period": period,
        "periodType": kind, "pno": pno, "player": "A. Player", "success": success, "actionType": what,
        "actionNumber": number, "previousAction": previous, "qualifier": list(said), "subType": sub, "scoring": 0,
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
    tmp_path.mkdir(exist_ok=True)
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
    assert flags["reason"].to_list() == ["1 row left out: rebound loose"]


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


def test_a_blocked_shot_counts_for_the_shooter(tmp_path):
    plays = [
        play(
            1, 1, "09:30:00", 1, 1, "2pt", "layup", success=0, said=("pointsinthepaint", "blocked")
        ),
        play(2, 1, "09:30:00", 2, 2, "block", previous=1),
        # A team's rebound stands before a block that was entered after the game.
        play(3, 1, "09:00:00", 2, 3, "2pt", "jumpshot", success=0, said=("blocked",)),
        play(4, 1, "09:00:00", 1, 0, "rebound", "defensive", previous=3, said=("team",)),
        play(99, 1, "09:00:00", 1, 4, "block", previous=3),
        play(5, 1, "08:00:00", 1, 5, "3pt", "jumpshot", success=0),
    ]
    events = imported(tmp_path, document(plays)).read("events").sort("order")
    blocked = events.filter(kind="blocked")
    assert blocked["player_id"].to_list() == [
        "fiba-reds-ann-playera", "fiba-blues-ann-playerc",
    ]  # fmt: skip
    blocks = events.filter(kind="block")
    assert blocks["play_id"].to_list() == blocked["play_id"].to_list()
    shots = events.filter(kind="field_goal").head(2)
    assert shots["play_id"].to_list() == blocked["play_id"].to_list()


def test_old_files_neither_say_nor_link_what_was_blocked(tmp_path):
    lost = ("clock", "actionNumber", "previousAction", "qualifier")
    plays = [
        play(1, 1, "09:31:00", 1, 1, "2pt", success=0),
        play(2, 1, "09:30:00", 1, 2, "rebound", "offensive"),
        play(3, 1, "09:29:00", 1, 3, "2pt", success=0),
        play(4, 1, "09:29:00", 2, 2, "block"),
        play(5, 1, "05:00:00", 1, 4, "block"),  # of what?
    ]
    plays = [{k: v for k, v in p.items() if k not in lost} for p in plays]
    blocked = imported(tmp_path, document(plays)).read("events").filter(kind="blocked")
    assert blocked["player_id"].to_list() == ["fiba-reds-ann-playerc"]


def test_fouls_are_a_players_or_nobodys(tmp_path):
    plays = [
        play(1, 1, "09:00:00", 1, 1, "foul", "technical", said=("1freethrow",)),
        play(2, 1, "08:00:00", 1, 2, "foul", "unsportsmanlike", said=("2freethrow",)),
        play(3, 1, "07:00:00", 1, 3, "foul", "offensive"),
        play(4, 1, "07:00:00", 1, 3, "turnover", "offensive", previous=3),
        play(5, 1, "07:00:00", 2, 1, "foulon", previous=3),
        play(6, 1, "06:00:00", 1, 0, "foul", "coachTechnical", said=("1freethrow",)),
        play(7, 1, "06:00:00", 1, 0, "foul", "benchTechnical", said=("1freethrow",)),
        play(8, 1, "05:00:00", 1, 0, "turnover", "24sec", said=("team",)),
        play(9, 1, "04:00:00", 0, 0, "timeout", "officials"),
        play(10, 1, "03:00:00", 2, 0, "headcoachchallenge", "foul", said=("rejected",)),
    ]
    workspace = imported(tmp_path, document(plays))
    events = workspace.read("events").sort("order")
    fouls = events.filter(kind="foul")["player_id"].str.tail(7).to_list()
    assert fouls == ["playera", "playerb", "playerc"]
    drawn, last = events.filter(kind="foul_drawn"), events.filter(kind="foul").tail(1)
    assert drawn["play_id"].to_list() == last["play_id"].to_list()
    turnovers = events.filter(kind="turnover")["player_id"].to_list()
    assert turnovers == ["fiba-reds-ann-playerc", None]
    assert "unknown plays" not in workspace.read("flags")["check"].to_list()


def test_an_assist_of_free_throws_creates_them(tmp_path):
    plays = [
        play(1, 1, "09:00:00", 2, 1, "foul", "personal", said=("shooting", "2freethrow")),
        play(2, 1, "09:00:00", 1, 1, "foulon", previous=1),
        play(3, 1, "09:00:00", 1, 1, "freethrow", "1of2"),
        play(4, 1, "09:00:00", 1, 3, "assist", previous=3),
        play(5, 1, "09:00:00", 1, 1, "freethrow", "2of2"),
    ]
    workspace = imported(tmp_path, document(plays))
    rows = game_statistics(*map(workspace.read, ("games", "events", "stints")))
    assert rows.filter(player_id="fiba-reds-ann-playerc")["points_created"].to_list() == [2]


def test_a_jump_ball_is_one_event(tmp_path):
    plays = [
        play(1, 1, "10:00:00", 0, 0, "jumpball", "startperiod"),
        play(2, 1, "09:59:00", 1, 5, "jumpball", "won", previous=1),
        play(3, 1, "09:59:00", 2, 5, "jumpball", "lost", previous=1),
        play(4, 1, "09:30:00", 1, 1, "2pt"),
    ]
    events = imported(tmp_path, document(plays)).read("events").sort("order")
    assert events["kind"].to_list() == ["jump_ball", "field_goal"]


def test_a_shot_that_is_neither_made_nor_missed_is_flagged(tmp_path):
    plays = [
        *PLAYS,
        play(50, 4, "00:30:00", 1, 1, "2pt", success=None),
        play(51, 4, "00:20:00", 1, 1, "2pt", success=True),
        play(52, 4, "00:10:00", 1, 1, "freethrow", "1of1", success=False),
    ]
    workspace = imported(tmp_path, document(plays))
    flags = workspace.read("flags").filter(check="unknown plays")
    assert flags["reason"].to_list() == ["1 row left out: 2pt neither made nor missed"]
    late = workspace.read("events").sort("order").filter(pl.col("clock_s") <= 20, period=4)
    assert late["made"].to_list()[:2] == [True, False]


def test_the_length_of_an_overtime_is_not_that_of_a_period(tmp_path):
    lost = ("periodLengthREGULAR", "periodsMax")
    content = {k: v for k, v in document().items() if k not in lost}
    workspace = imported(tmp_path, content)
    assert workspace.read("games")["period_s"].to_list() == [600.0]
    assert "clock" not in workspace.read("flags")["check"].to_list()


def test_a_list_with_gaps_is_an_object(tmp_path):
    shots = [
        {"r": 0, "x": 8, "y": 50, "pno": 1, "tno": 1, "per": 1, "perType": "REGULAR",
         "actionType": "3pt", "actionNumber": 4},
    ]  # fmt: skip
    one = document(home=team("Reds", score=3, shot=shots))
    other = document(home=team("Reds", score=3, shot={"7": shots[0]}))
    other["pbp"] = {str(2 * n): p for n, p in enumerate(other["pbp"])}
    events = [
        imported(folder, content).read("events")
        for folder, content in ((tmp_path / "a", one), (tmp_path / "b", other))
    ]
    assert events[0].equals(events[1])
    assert events[0]["y_m"].is_not_null().sum() == 1


@pytest.mark.parametrize("lost", ["tm", "pbp", "tm.1", "tm.2"])
def test_a_file_that_lacks_a_part_is_refused(tmp_path, lost):
    content = document()
    outer, _, inner = lost.partition(".")
    del (content[outer] if inner else content)[inner or outer]
    with pytest.raises(BadInputError):
        imported(tmp_path, content)


def test_a_game_without_plays_is_left_out(tmp_path):
    assert imported(tmp_path, document(plays=[]), document()).read("games").height == 1


def test_a_game_without_players_keeps_its_plays(tmp_path):
    bare = [team(name, pl=None, shot=None) for name in ("Reds", "Blues")]
    workspace = imported(tmp_path, document(home=bare[0], away=bare[1]))
    assert workspace.read("events").filter(kind="foul_drawn").height == 1
    assert "no box score" in workspace.read("flags")["check"].to_list()


def test_a_count_below_zero_is_none(tmp_path):
    home = team("Reds", score=3)
    home["pl"]["1"] |= {"sBlocks": -1, "sSteals": 2, "sPlusMinusPoints": -7}
    box = imported(tmp_path, document(home=home)).read("box_scores")
    line = box.filter(player_id="fiba-reds-ann-playera")
    assert line.select("blocks", "steals", "plus_minus").row(0) == (None, 2, -7)
