"""Texts of ESPN's play-by-play, league by league and year by year, each in a game of its own."""

from __future__ import annotations

import polars as pl
import pytest

from openbasket.transcripts import ImportOptions, import_files
from openbasket.workspace import Workspace

HOME, AWAY = "9", "13"
NAMES = {"1": "Ann One", "2": "Bea Two", "11": "Cy O'Neal Jr.", "12": "Dee Twelve", "13": "Nene"}
TEAM = {"1": HOME, "2": HOME, "11": AWAY, "12": AWAY, "13": AWAY}
#: Every way in which a row names nobody's deed.
SILENT = (
    "Jumpball", "Jump Ball", "Full Timeout", "Short Timeout", "20 Second Timeout", "OfficialTVTimeOut",
    "RegularTimeOut", "End Period", "End Game", "Start Period", "Delay of Game", "Kicked Ball", "Lane",
    "Double Lane", "Defensive Goaltending", "Goaltending", "Ejection", "Challenge",
    "Coach's Challenge (Supported)", "Coach's Challenge (Overturned)", "Coach's Challenge (Stands)",
    "Coach's Challenge (replaycenter)", "Ref-Initiated Review (Supported)",
    "Ref-Initiated Review (Overturned)", "Ref-Initiated Review (Stands)", "Dead Ball Rebound", "No Foul",
    "Illegal Defense", "Violation", "Jump Ball Violation", "Team Rebound", "Stoppage",
    "Technical Foul", "Double Technical Foul", "Defensive 3-Seconds Technical", "Delay Technical",
    "Excess Timeout Technical", "Hanging Technical", "Taunting Technical", "Too Many Players Technical",
    "Non-Unsportsmanlike Technical",
)  # fmt: skip
FOULS = (
    "Personal Foul", "Shooting Foul", "Loose Ball Foul", "Offensive Foul", "Offensive Charge",
    "Shooting Block", "Personal Block", "Personal Take Foul", "Transition Take Foul", "Clear Path Foul",
    "Flagrant Foul Type 1", "Flagrant Foul Type 2", "Away from Play Foul", "Inbound Foul", "Punching Foul",
    "Double Personal Foul", "PersonalFoul", "LooseBallFoul",
)  # fmt: skip
TURNOVERS = (
    "Bad Pass\nTurnover", "Bad Pass Turnover", "Lost Ball Turnover", "Traveling", "Double Dribble Turnover",
    "Disc Dribble Turnover", "Palming Turnover", "Shot Clock Turnover", "Back Court Turnover",
    "Offensive Goaltending Turnover", "Lane Violation Turnover", "Offensive Foul Turnover",
    "3-Second Turnover", "5-Second Turnover", "8-Second Turnover", "10-Second Turnover",
    "5-Second Back to the Basket Turnover", "Out of Bounds - Step Turnover",
    "Out of Bounds - Lost Ball Turnover", "Out of Bounds - Bad Pass Turnover", "Kicked Ball Turnover",
    "Inbound Turnover", "Too Many Players Turnover", "Excess Timeout Turnover", "Illegal Assist Turnover",
    "Illegal Screen Turnover", "Jumpball Violation Turnover", "Punched Ball Turnover",
    "Basket from Below Turnover", "Opposite Basket Turnover", "Swinging Elbows Turnover",
    "Double Personal Turnover", "Poss Lost Ball Turnover", "Step Turnover",
)  # fmt: skip
SHOTS = (
    "Jump Shot", "Hook Shot", "Tip Shot", "Layup Shot", "Dunk Shot", "Running Layup Shot",
    "Alley Oop Layup Shot", "Fade Away Jump Shot", "Jump Shot Bank", "Layup Shot Putback",
    "Layup Driving Reverse", "Driving Floating Bank Jump Shot", "Step Back Jump Shot", "Dunk Putback Slam",
    "Hook Turnaround Bank", "Finger Roll Layup", "Cutting Finger Roll Layup Shot", "JumpShot", "LayUpShot",
    "DunkShot", "TipShot", "HookShot", "Shot", "Not Available", "",
)  # fmt: skip


def row(kind, text, first=None, second=None, team=None, **more):
    return {
        "type_text": kind, "text": text, "athlete_id_1": first, "athlete_id_2": second,
        "team_id": team or TEAM.get(first), "period_number": 1, "clock_display_value": "5:00",
        "scoring_play": "FALSE", "score_value": 0, **more,
    }  # fmt: skip


#: Rows of one person, from which the names are learned; the clock tells the length of the period.
LEARNT = [
    row("Jump Shot", f"{name} misses jumper", key, clock_display_value="11:00")
    for key, name in NAMES.items()
]


def read(tmp_path, rows, *, league="nba", learnt=LEARNT, **columns):
    """Events of a game of these rows, without those from which the names are learned."""
    ends = [
        row("End Period", "End of the quarter", period_number=p, clock_display_value="0.0")
        for p in (2, 3, 4)
    ]
    frame = pl.DataFrame(
        [
            {
                "game_play_number": n, "game_id": 401, "season": 2024, "home_team_id": HOME,
                "away_team_id": AWAY, "game_date": "2024-01-05", **one, **columns,
            }
            for n, one in enumerate([*learnt, *rows, *ends])
        ],
        infer_schema_length=None,
    )  # fmt: skip
    (tmp_path / "in").mkdir()
    frame.write_csv(tmp_path / "in" / "play_by_play_2024.csv")
    ws = Workspace(tmp_path / "ws", create=True)
    import_files("auto", [tmp_path / "in"], ws, options=ImportOptions(league=league), quiet=True)
    events = ws.read("events").sort("order").filter(pl.col("clock_s") < 660)
    told = [
        tuple(
            None if v is None else v.removeprefix("espn") if isinstance(v, str) else v
            for v in (e["kind"], e["team_id"], e["player_id"])
        )
        for e in events.iter_rows(named=True)
        if e["kind"] not in ("period_end",)
    ]
    return told, ws


def unknown(ws):
    return [r for r in ws.read("flags").iter_rows() if r[1] == "unknown plays"]


@pytest.mark.parametrize("kind", SILENT)
def test_rows_that_are_no_deed_of_a_player(kind, tmp_path):
    told, ws = read(tmp_path, [row(kind, "Ann One", "1")])
    assert [t for t in told if t[0] != "timeout"] == []
    assert unknown(ws) == []


@pytest.mark.parametrize("kind", FOULS)
def test_personal_fouls(kind, tmp_path):
    told, ws = read(tmp_path, [row(kind, "Ann One  foul (Nene draws the foul)", "1", "13")])
    assert told == [("foul", HOME, "1"), ("foul_drawn", AWAY, "13")]
    assert unknown(ws) == []


@pytest.mark.parametrize("kind", TURNOVERS)
def test_turnovers(kind, tmp_path):
    told, ws = read(tmp_path, [row(kind, "Ann One turnover", "1")])
    assert told == [("turnover", HOME, "1")]
    assert unknown(ws) == []


@pytest.mark.parametrize("kind", SHOTS)
def test_shots(kind, tmp_path):
    rows = [
        row(kind, "Ann One makes 26-foot three point jumper (Bea Two assists)", "1", "2"),
        row(kind, "Dee Twelve misses 5- foot", "12"),
    ]
    told, ws = read(tmp_path, rows)
    assert told == [("field_goal", HOME, "1"), ("assist", HOME, "2"), ("field_goal", AWAY, "12")]
    shots = ws.read("events").filter(pl.col("clock_s") < 660, pl.col("kind") == "field_goal")
    assert shots.sort("order").select("made", "value").rows() == [(True, 3), (False, 2)]
    assert unknown(ws) == []


@pytest.mark.parametrize(
    "kind",
    ["Free Throw - 1 of 2", "Free Throw - Technical", "Free Throw - Flagrant 1 of 2",
     "Free Throw - Clear Path 2 of 2", "MadeFreeThrow", "Not Available"],
)  # fmt: skip
def test_free_throws(kind, tmp_path):
    rows = [
        row(kind, "Ann One makes technical free throw", "1", score_value=0),
        row(kind, "Ann One missed Free Throw.", "1"),
    ]
    told, ws = read(tmp_path, rows)
    assert told == [("free_throw", HOME, "1")] * 2
    throws = ws.read("events").filter(pl.col("kind") == "free_throw").sort("order")
    assert throws.select("made", "value").rows() == [(True, 1), (False, 1)]


BLOCK = [("field_goal", HOME, "1"), ("block", AWAY, "11"), ("blocked", HOME, "1")]
STEAL = [("turnover", HOME, "1"), ("steal", AWAY, "13")]
CHANGE = [("sub_in", HOME, "1"), ("sub_out", HOME, "2")]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        # Ids and team in either order.
        (row("Layup Shot", "Cy O'Neal Jr. blocks Ann One 's 2-foot layup", "1", "11", HOME), BLOCK),
        (row("Layup Shot", "Cy O'Neal Jr. blocks Ann One's layup", "11", "1", AWAY), BLOCK),
        (row("Layup Shot", "Cy O'Neal Jr. blocks Ann One's layup", "1", None, HOME), BLOCK),
        (row("Layup Shot", "Cy O'Neal Jr. blocks Ann One's layup", "11", None, HOME), BLOCK),
        (row("Bad Pass\nTurnover", "Ann One bad pass (Nene steals)", "1", "13"), STEAL),
        (row("Bad Pass Turnover", "Ann One Bad Pass. Stolen by Nene.", "13", "1", HOME), STEAL),
        (row("Lost Ball Turnover", "Ann One lost ball turnover ( Nene steals)", "1", None), STEAL),
        (row("Substitution", "Ann One enters the game for Bea Two", "1", "2"), CHANGE),
        (row("Substitution", "Ann One enters the game for Bea Two.", "2", "1"), CHANGE),
        (row("Substitution", "Ann One enters the game for  Bea Two", "1", None), CHANGE),
        (row("Substitution", "enters the game for Bea Two", "2", None), [("sub_in", HOME, None), CHANGE[1]]),
        (row("Substitution", "Ann One subbing out for Ravens", "1"), [("sub_out", HOME, "1")]),
        (row("Substitution", "Subbing in for Ravens-Ann One", "1"), [("sub_in", HOME, "1")]),
        (
            row("Jump Shot", "Ann One made 22 ft Jumper. Assisted by Bea Two.", "1", None),
            [("field_goal", HOME, "1"), ("assist", HOME, "2")],
        ),
        (
            row("Double Personal Foul", "Double personal foul: Ann One and Nene", "1", "13"),
            [("foul", HOME, "1"), ("foul", AWAY, "13")],
        ),
        # Types that leave it to the text, or that a review took back.
        (row("No Turnover", "Ann One turnover", "1"), [("turnover", HOME, "1")]),
        (row("No Turnover", "Ann One no turnover", "1"), []),
        (row("Not Available", "Ann One personal blocking foul", "1"), [("foul", HOME, "1")]),
        (row("Not Available", "Ann One defensive rebound", "1"), [("defensive_rebound", HOME, "1")]),
        (row("Defensive Rebound", "Ann One Defensive Rebou.", "1"), [("defensive_rebound", HOME, "1")]),
        (row("Offensive Rebound", "Ravens offensive team rebound", None, None, HOME), [("offensive_rebound", HOME, None)]),
        # A shot that was missed from one's own half at the buzzer counts for the team.
        (row("Heave Jump Shot", "Ann One misses heave jump shot", "1"), [("field_goal", HOME, None)]),
        (row("Heave Jump Shot", "Ann One makes heave jump shot", "1"), [("field_goal", HOME, "1")]),
        # Nobody's id is known: the actor is found by name.
        (row("Defensive Rebound", "Ann One defensive rebound", None, None, HOME), [("defensive_rebound", HOME, "1")]),
    ],
)  # fmt: skip
def test_who_did_what_is_told_by_the_text(one, expected, tmp_path):
    told, ws = read(tmp_path, [one])
    assert sorted(told, key=str) == sorted(expected, key=str)
    assert unknown(ws) == []


def test_a_team_whose_name_is_a_verb(tmp_path):
    told, ws = read(tmp_path, [row("Jumpball", "Jump Ball won by Ole Miss", "1")])
    assert (told, unknown(ws)) == ([], [])


def test_an_assist_of_somebody_without_an_id_is_flagged(tmp_path):
    told, ws = read(tmp_path, [row("Jump Shot", "Ann One makes jumper (Zoe New assists)", "1")])
    assert told == [("field_goal", HOME, "1")]
    assert "somebody without an id" in unknown(ws)[0][3]


def test_what_is_not_understood_is_flagged(tmp_path):
    rows = [
        row("No Shot (Default Shot)", "Ann One makes jumper", "1"),
        row("Cartwheel", "Ann One", "1"),
    ]
    told, ws = read(tmp_path, rows)
    assert told == []
    assert unknown(ws)[0][3] == "2 rows left out: Cartwheel, No Shot (Default Shot)"


@pytest.mark.parametrize(
    ("text", "more", "value"),
    [
        ("Ann One misses 24-foot jumper", {}, 3),
        ("Ann One misses 21-foot jumper", {}, 2),
        ("Ann One misses step back jumpshot", {"points_attempted": 3}, 3),
        ("Ann One makes 23-foot step back jumpshot", {"score_value": 2, "scoring_play": "TRUE"}, 2),
        ("Ann One makes running pullup jump shot", {"score_value": 3, "scoring_play": "TRUE"}, 3),
        ("Nene blocks Ann One 's 26-foot three point jumper", {}, 3),
    ],
)
def test_value_of_shots(text, more, value, tmp_path):
    _, ws = read(tmp_path, [row("Jump Shot", text, "1", **more)])
    shot = ws.read("events").filter(pl.col("kind") == "field_goal", pl.col("clock_s") < 660)
    assert shot["value"].to_list() == [value]


def test_seconds_alone_and_fractions_of_wall_clocks(tmp_path):
    rows = [
        row("Jump Shot", "Ann One misses jumper", "1", clock_display_value="45.2",
            wallclock="2024-01-06T01:02:03Z"),
        row("Jump Shot", "Ann One misses jumper", "1", clock_display_value="7",
            wallclock="2024-01-06T01:02:04.5Z"),
    ]  # fmt: skip
    _, ws = read(tmp_path, rows)
    shots = (
        ws.read("events")
        .filter(pl.col("clock_s") < 60, pl.col("kind") == "field_goal")
        .sort("order")
    )
    assert shots["clock_s"].to_list() == [45.2, 7.0]
    assert shots["wall_time"].dt.timestamp("ms").to_list() == [1704502923000, 1704502924500]


def season(tmp_path, name, year, date, longest, periods):
    rows = [
        {
            **row("JumpShot", "Ann One missed Jumper.", "1", period_number=period, clock_display_value=longest),
            "game_id": hash(name) % 10**8, "season": year, "home_team_id": HOME, "away_team_id": AWAY,
            "game_date": date,
        }
        for period in range(1, periods + 1)
    ]  # fmt: skip
    (tmp_path / "in").mkdir(exist_ok=True)
    pl.DataFrame(rows).drop("athlete_id_2").rename(
        {"athlete_id_1": "participants_0_athlete_id"}
    ).write_parquet(tmp_path / "in" / f"{name}.parquet")


def test_leagues_are_told_file_by_file(tmp_path):
    """Files of several leagues side by side: men's halves, women's quarters, both professional leagues."""
    season(tmp_path, "nba", 2020, "2020-08-20", "11:40", 4)
    season(tmp_path, "wnba", 2020, "2020-08-20", "9:40", 4)
    season(tmp_path, "wnba_halves", 2004, "2004-07-01", "19:40", 2)
    season(tmp_path, "mbb", 2020, "2020-01-20", "19:40", 2)
    season(tmp_path, "wbb", 2020, "2020-01-20", "9:40", 4)
    season(tmp_path, "old", 2014, "2014-01-20", "19:40", 2)
    ws = Workspace(tmp_path / "ws", create=True)
    report = import_files("auto", [tmp_path / "in"], ws, quiet=True)
    assert sorted((s["league"], s["season"]) for s in report.seasons) == [
        ("nba", "19-20"), ("ncaa-men", "13-14"), ("ncaa-men", "19-20"), ("ncaa-women", "19-20"),
        ("wnba", "04-05"), ("wnba", "20-21"),
    ]  # fmt: skip
    old = [note for note in report.notes if "ncaa-men 13-14" in note]
    assert any("women played two halves too" in note for note in old)
    halves = (
        ws.read("games").filter(pl.col("league") == "wnba").sort("season")["period_s"].to_list()
    )
    assert halves == [1200.0, 600.0]
