"""Whose points, and whose minutes: what the order of the rows and odd clocks must not get wrong."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.transcripts import Transcript, import_files
from openbasket.transcripts.check import check
from openbasket.transcripts.court import on_court, team_acts
from openbasket.transcripts.euroleague import _overtime_minutes
from openbasket.transcripts.plays import LATE_CHANGES, assemble
from openbasket.transcripts.stints import stints
from openbasket.workspace import Workspace

HOME = [f"h{n}" for n in range(1, 7)]
AWAY = [f"a{n}" for n in range(1, 7)]
GAMES = pl.DataFrame({"game_id": ["g"], "home_team_id": ["h"], "away_team_id": ["a"]})


def row(period: int, clock: float, kind: str | None, player: str, **more: Any) -> dict[str, Any]:
    return {
        "game_id": "g", "period": period, "clock_s": clock, "kind": kind, "team_id": player[0],
        "player_id": player, "made": None, "value": None, "technical": None, **more,
    }  # fmt: skip


def basket(period: int, clock: float, player: str, value: int = 2) -> dict[str, Any]:
    return row(period, clock, "field_goal", player, made=True, value=value)


def free_throw(period: int, clock: float, player: str, **more: Any) -> dict[str, Any]:
    return row(period, clock, "free_throw", player, made=True, value=1, **more)


def change(period: int, clock: float, out: str, comes: str) -> list[dict[str, Any]]:
    return [row(period, clock, "sub_out", out), row(period, clock, "sub_in", comes)]


def transcript(rows: list[dict[str, Any]], **options: Any) -> Transcript:
    box = pl.DataFrame(
        [
            {"game_id": "g", "team_id": p[0], "player_id": p, "starter": p[1:] != "6"}
            for p in HOME + AWAY
        ]
    )
    plays = pl.DataFrame(rows, infer_schema_length=None)
    return assemble("test", "l", "22-23", GAMES, plays, gender="men", box=box, **options)


def plus_minus(made: Transcript) -> dict[str, int]:
    line_ups = stints(made.games, made.appearances, made.events)
    court = on_court(team_acts(made.events), line_ups)
    return {
        row["player_id"]: row["on_points"] - row["against_points"]
        for row in court.iter_rows(named=True)
    }


def test_a_row_with_a_clock_far_too_low_keeps_its_place():
    """One basket reads 0:10 in the middle of the period: the change after it was not entered late."""
    rows = [
        basket(1, 500, "h1"), basket(1, 10, "h1", 3), row(1, 300, "turnover", "a1"),
        *change(1, 300, "h1", "h6"), row(1, 200, "steal", "a2"), row(1, 100, "turnover", "h2"),
    ]  # fmt: skip
    made = transcript(rows)
    three = made.events.filter(value=3).row(0, named=True)
    assert 300 <= three["clock_s"] <= 500
    assert plus_minus(made)["h1"] == 5
    assert plus_minus(made)["h6"] == 0
    assert any("their place denies" in note for note in made.notes)
    assert made.flags is not None
    assert made.flags.is_empty()


def test_a_change_that_was_entered_late_stands_at_its_clock_and_is_noted():
    rows = [
        basket(1, 500, "h1"), row(1, 300, "turnover", "a1"), basket(1, 250, "h6"),
        *change(1, 300, "h1", "h6"), row(1, 200, "steal", "a2"), row(1, 100, "turnover", "h2"),
    ]  # fmt: skip
    rows.insert(3, row(1, 240, "turnover", "a1"))
    rows.insert(4, row(1, 230, "turnover", "a1"))
    made = transcript(rows)
    assert plus_minus(made) | {"h1": 2, "h6": 2} == plus_minus(made)
    assert made.flags is not None
    assert made.flags.rows() == [
        ("g", LATE_CHANGES, "note", "2 changes stand later than their clock says")
    ]


def test_changes_keep_their_clock_even_if_their_place_denies_it():
    rows = [
        basket(1, 500, "h1"), *change(1, 100, "h1", "h6"), row(1, 400, "turnover", "a1"),
        row(1, 300, "steal", "a2"), row(1, 200, "steal", "a2"), row(1, 150, "steal", "a2"),
    ]  # fmt: skip
    made = transcript(rows)
    subs = made.events.filter(pl.col("kind").str.starts_with("sub"))
    assert subs["clock_s"].to_list() == [100.0, 100.0]


def test_free_throws_count_at_their_own_foul_where_a_league_has_it_so():
    """A personal foul, a change, then a technical: its free throw counts for who came in."""
    rows = [
        row(1, 300, "foul", "a1"), free_throw(1, 300, "h2"), *change(1, 300, "h1", "h6"),
        row(1, 300, None, "a2", technical=True), free_throw(1, 300, "h3", technical=True),
        free_throw(1, 300, "h2"), row(1, 200, "turnover", "a1"),
    ]  # fmt: skip
    made = plus_minus(transcript(rows, free_throws_at_foul=True))
    assert (made["h1"], made["h6"]) == (2, 1)
    by_file = plus_minus(transcript(rows))
    assert (by_file["h1"], by_file["h6"]) == (1, 2)


def test_a_free_throw_of_no_known_kind_belongs_to_the_only_foul_of_its_instant():
    rows = [
        basket(1, 400, "a1"), *change(1, 300, "h1", "h6"), row(1, 300, None, "a2", technical=True),
        free_throw(1, 300, "h3"), row(1, 200, "turnover", "a1"),
    ]  # fmt: skip
    made = plus_minus(transcript(rows, free_throws_at_foul=True))
    assert (made["h1"], made["h6"]) == (-2, 1)


def test_an_overtime_in_which_nobody_shoots_was_not_played():
    rows = [
        *(basket(period, 300, "h1") for period in (1, 2, 3, 4)),
        row(5, 600, "turnover", "a1"), *change(5, 300, "h1", "h6"),
    ]  # fmt: skip
    made = transcript(rows)
    assert made.events["period"].max() == 4
    stray = made.events.filter(kind="turnover").row(0, named=True)
    assert (stray["period"], stray["clock_s"]) == (4, 0.0)
    assert made.events.filter(pl.col("kind").str.starts_with("sub")).is_empty()


def test_changes_before_a_euroleague_overtime_count_from_its_start():
    plays = pl.DataFrame(
        [
            *change(5, 300.0, "h1", "h6"), *change(5, 200.0, "h2", "h1"), *change(4, 600.0, "a1", "a2"),
            row(5, 300.0, "period_start", "h1"),
        ],
        infer_schema_length=None,
    )  # fmt: skip
    box = pl.DataFrame(
        {
            "game_id": "g",
            "player_id": ["h1", "h6", "h2", "a1"],
            "seconds_played": [900.0, 240.0, 500.0, 5.0],
        }
    )
    assert _overtime_minutes(box, plays)["seconds_played"].to_list() == [840.0, 300.0, 500.0, 5.0]


# -- Slovenian league ----------------------------------------------------------------------------


IN, OUT, TWO, MISS = (
    "prišel na igrišče",
    "odšel z igrišča",
    "zadel za 2 točki",
    "zgrešil met za 2 točki",
)


def slovenian(folder: Path, rows: list[tuple[Any, ...]], overtimes: int = 0) -> Workspace:
    """Rows are quarter, seconds up, player, what."""
    folder.mkdir()
    starters = [(1, 0, p, IN) for p in HOME[:5] + AWAY[:5]]
    pl.DataFrame(
        [
            {
                "SEASON": "2022/23", "GAME_ID": 1, "QUARTER": quarter,
                "MINUTES": None if up is None else up // 60, "SECONDS": None if up is None else up % 60,
                "TEAM": {"h": "Home", "a": "Away"}.get(str(player)[0]), "PLAYER_ID": player,
                "PLAYER_NAME": player, "PLAYER_NUMBER": None, "PLAY_TYPE": what, "PLAY_NOTE": None,
                "H_SCORE": None, "A_SCORE": None,
            }
            for quarter, up, player, what in starters + rows
        ],
        infer_schema_length=None,
    ).write_parquet(folder / "play_by_play_2022-2023.parquet")  # fmt: skip
    made = [(r[2][0]) for r in rows if r[3] == TWO]
    pl.DataFrame(
        {
            "SEASON": ["2022/23"], "GAME_ID": [1], "STAGE": ["x"], "ROUND": ["1"],
            "DATE": [dt.date(2022, 10, 1).isoformat()], "TIME": ["20:00"], "H_TEAM": ["Home"],
            "A_TEAM": ["Away"], "H_TEAM_ID": ["h"], "A_TEAM_ID": ["a"], "H_TEAM_COACH": ["c"],
            "H_SCORE": [2 * made.count("h")], "A_SCORE": [2 * made.count("a")],
            **{f"H_OT_{n}": ["5" if n <= overtimes else None] for n in (1, 2, 3, 4)},
        }
    ).write_parquet(folder / "main_info.parquet")  # fmt: skip
    ws = Workspace(folder / "ws", create=True)
    import_files("slo", [folder / f for f in ("play_by_play_2022-2023.parquet", "main_info.parquet")], ws,
                 quiet=True)  # fmt: skip
    return ws


def shots(ws: Workspace) -> list[tuple[Any, ...]]:
    goals = ws.read("events").filter(kind="field_goal").sort("order")
    return goals.select("period", "clock_s", pl.col("player_id").str.strip_prefix("slo")).rows()


def test_the_slovenian_buzzer_reads_zero(tmp_path):
    rest = [(q, 100, "h2", TWO) for q in (2, 3, 4)]
    rows = [(1, 100, "h1", TWO), (1, 590, "h1", OUT), (1, 590, "h6", IN), (1, 0, "h6", TWO), *rest]
    ws = slovenian(tmp_path / "after", rows)
    assert shots(ws)[:2] == [(1, 500.0, "h1"), (1, 0.0, "h6")]
    # The same, with the row in the next quarter, before the changes of the interval.
    rows = [(1, 100, "h1", TWO), (2, None, None, "Part ends"), (2, 0, "a1", TWO), (2, 0, "h1", OUT),
            (2, 0, "h6", IN), *rest]  # fmt: skip
    ws = slovenian(tmp_path / "before", rows)
    assert shots(ws)[:3] == [(1, 500.0, "h1"), (1, 0.0, "a1"), (2, 500.0, "h2")]
    line_ups = ws.read("stints").filter(pl.col("team_id") == "sloh").sort("first_order")
    lost = ws.read("events").filter(player_id="sloa1", kind="field_goal")["order"].item()
    there = line_ups.filter(pl.col("first_order") <= lost, pl.col("last_order") > lost)
    assert "sloh1" in there["player_ids"].item()


def test_slovenian_overtimes_share_a_quarter_whose_clock_goes_on(tmp_path):
    rows = [
        *((q, 100, "h2", TWO) for q in (1, 2, 3, 4)),
        (5, 100, "h1", TWO), (5, 300, "h2", MISS), (5, 300, "h1", OUT), (5, 300, "h6", IN),
        (5, 400, "h6", TWO), (5, 0, "h3", TWO),
    ]  # fmt: skip
    ws = slovenian(tmp_path / "ot", rows, overtimes=2)
    assert shots(ws)[4:] == [(5, 200.0, "h1"), (5, 0.0, "h2"), (6, 200.0, "h6"), (6, 0.0, "h3")]
    subs = ws.read("events").filter(kind="sub_in").filter(pl.col("period") > 4)
    assert subs.select("period", "clock_s").rows() == [(6, 300.0)]


# -- check ----------------------------------------------------------------------------------------


def test_official_lines_that_do_not_add_up_are_counted_apart(tmp_path):
    """Five a side play 5 x 2400 s and gain 5 x the margin; whatever else a team's lines say is wrong."""
    ws = Workspace(tmp_path, create=True)
    made = transcript([basket(period, 300, "h1") for period in (1, 2, 3, 4)])
    pair = ("l", "22-23")
    seconds = {"h1": 2400.0, "a1": 2500.0}  # a1's are wrong
    lines = pl.DataFrame(
        [
            {"game_id": "g", "team_id": p[0], "player_id": p, "seconds_played": seconds.get(p, 2400.0),
             "plus_minus": (8 if p[0] == "h" else -8) + (p == "h2")}
            for p in HOME[:5] + AWAY[:5]
        ]
    )  # fmt: skip
    from openbasket import tables

    box = lines.with_columns(
        pl.lit(None, dtype).alias(name)
        for name, dtype in tables.dtypes("box_scores").items()
        if name not in lines.columns
    ).cast(tables.dtypes("box_scores"))
    games = made.games.with_columns(home_score=pl.lit(8, pl.Int16), away_score=pl.lit(0, pl.Int16))
    frames = {
        "games": games, "appearances": made.appearances, "events": made.events,
        "box_scores": box.select(list(tables.dtypes("box_scores"))),
        "stints": stints(games, made.appearances, made.events),
    }  # fmt: skip
    for name, frame in frames.items():
        ws.write(name, frame, *pair)
    season = check(ws).seasons[0]
    assert season.minutes == (9, 10)
    assert season.sound_minutes == (5, 5)
    assert season.plus_minus == (9, 10)
    assert season.sound_plus_minus == (5, 5)
    told = check(ws).to_json()
    assert told["sound_minutes_agree"] == 1.0
    assert told["seasons"][0]["plus_minus_equal_sound"] == 1.0
