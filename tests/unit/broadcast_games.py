"""Games written by hand, for the renderer's tests."""

from __future__ import annotations

from typing import Any

import polars as pl

from openbasket import tables

HOME, AWAY = "HARBOUR", "NORTH"
NUMBERS = {HOME: (4, 7, 10, 13, 23, 31, 42, 55), AWAY: (3, 5, 8, 11, 15, 20, 33, 44)}
Row = tuple[int, int, float, str | None, str | None, str, dict[str, Any]]


def game(**changes: Any) -> dict[str, Any]:
    row = {
        "game_id": "g1",
        "league": "L",
        "season": "24-25",
        "date": None,
        "gender": "women",
        "region": None,
        "home_team_id": HOME,
        "away_team_id": AWAY,
        "home_team": "Harbour",
        "away_team": "North",
        "home_score": None,
        "away_score": None,
        "periods": 4,
        "period_s": 600.0,
        "overtime_s": 300.0,
        "video": None,
        "source": "hand",
    }
    return row | changes


def events(rows: list[Row], game_id: str = "g1") -> pl.DataFrame:
    """Rows of ``play_id, period, clock_s, team, player, kind, extra`` in order."""
    made = [
        {
            "game_id": game_id,
            "event_id": f"e{i}",
            "play_id": play,
            "order": i,
            "period": period,
            "clock_s": float(clock),
            "team_id": team,
            "player_id": player,
            "kind": kind,
            **extra,
        }
        for i, (play, period, clock, team, player, kind, extra) in enumerate(rows)
    ]
    columns = tables.dtypes("events")
    return tables.validate(
        "events", pl.DataFrame(made, schema_overrides=columns, infer_schema_length=None)
    )


def appearances(game_id: str = "g1") -> pl.DataFrame:
    rows = [
        (game_id, team, f"{team[0].lower()}{i + 1}", str(number), i < 5)
        for team, numbers in NUMBERS.items()
        for i, number in enumerate(numbers)
    ]
    return pl.DataFrame(rows, schema=tables.dtypes("appearances"), orient="row")


def stints() -> pl.DataFrame:
    return tables.empty("stints")


#: A bit of everything, in one and a half minutes of game clock.
PLAYS: list[Row] = [
    (0, 1, 600, None, None, "period_start", {}),
    (1, 1, 588, HOME, "h2", "field_goal", {"made": True, "value": 3, "x_m": 5.0, "y_m": 4.9, "contested": False}),
    (1, 1, 588, HOME, "h1", "assist", {}),
    (2, 1, 572, AWAY, "n3", "field_goal", {"made": False, "value": 2, "x_m": -2.5, "y_m": 3.2, "contested": True}),
    (3, 1, 570, HOME, "h5", "defensive_rebound", {}),
    (4, 1, 560, HOME, "h4", "field_goal", {"made": False, "value": 2, "x_m": 0.8, "y_m": 1.2, "contested": True}),
    (4, 1, 560, AWAY, "n5", "block", {}),
    (4, 1, 560, HOME, "h4", "blocked", {}),
    (5, 1, 558, AWAY, "n4", "defensive_rebound", {}),
    (6, 1, 548, AWAY, "n1", "turnover", {}),
    (6, 1, 548, HOME, "h3", "steal", {}),
    (7, 1, 543, HOME, "h3", "field_goal", {"made": True, "value": 2, "x_m": 0.3, "y_m": 0.4, "contested": False}),
    (8, 1, 528, HOME, "h4", "foul", {}),
    (8, 1, 528, AWAY, "n2", "foul_drawn", {}),
    (9, 1, 528, AWAY, "n2", "free_throw", {"made": True, "value": 1}),
    (10, 1, 528, HOME, "h6", "sub_in", {}),
    (11, 1, 528, HOME, "h5", "sub_out", {}),
    (12, 1, 528, AWAY, "n2", "free_throw", {"made": False, "value": 1}),
    (13, 1, 526, AWAY, "n5", "offensive_rebound", {}),
    (14, 1, 524, AWAY, "n5", "field_goal", {"made": True, "value": 2, "x_m": -0.5, "y_m": 0.6, "contested": True}),
    (15, 1, 510, HOME, "h2", "turnover", {}),
    (16, 1, 495, AWAY, "n3", "field_goal", {"made": False, "value": 3, "x_m": -6.7, "y_m": 0.5}),
    (17, 1, 493, HOME, "h6", "defensive_rebound", {}),
    (18, 1, 480, HOME, None, "timeout", {}),
    (19, 1, 470, HOME, "h1", "field_goal", {"made": True, "value": 3, "x_m": -1, "y_m": 7.2, "contested": True}),
    (20, 1, 455, AWAY, "n1", "pass", {"made": True}),
]  # fmt: skip
