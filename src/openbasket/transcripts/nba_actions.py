"""Rows of the NBA's newer formats (version 3 and live): one row for each player in an action."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

__all__ = [
    "BOX_KEYS",
    "box_line",
    "drawn_by_others",
    "frame",
    "integer",
    "listed",
    "number_of",
    "words",
]

#: Our statistic -> key in a player's ``statistics``.
BOX_KEYS = {
    "points": "points",
    "field_goals_3_made": "threePointersMade",
    "field_goals_3_tried": "threePointersAttempted",
    "free_throws_made": "freeThrowsMade",
    "free_throws_tried": "freeThrowsAttempted",
    "offensive_rebounds": "reboundsOffensive",
    "defensive_rebounds": "reboundsDefensive",
    "assists": "assists",
    "steals": "steals",
    "turnovers": "turnovers",
    "blocks": "blocks",
    "fouls_made": "foulsPersonal",
    "fouls_drawn": "foulsDrawn",
    "plus_minus": "plusMinusPoints",
}


def integer(value: Any) -> int | None:
    """A whole number, also one that is written as text or as ``7.0``; else ``None``."""
    number = number_of(value)
    return int(number) if number is not None and number == int_or_nan(number) else None


def number_of(value: Any) -> float | None:
    """A number, also one that is written as text; else ``None``."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def int_or_nan(number: float) -> float:
    """The number without fraction, nan where it has no such."""
    return float(int(number)) if abs(number) < 1e15 else float("nan")


def words(value: Any) -> str | None:
    """Text that is not blank, else ``None``."""
    return value.strip() if isinstance(value, str) and value.strip() else None


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; empty where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def box_line(
    game: str, team: Any, player: Mapping[str, Any], seconds: float | None
) -> dict[str, Any] | None:
    """A player's official line; ``None`` where he has no id."""
    person, side = integer(player.get("personId")), integer(team)
    if not person or not side:
        return None
    told = player.get("statistics")
    numbers: Mapping[str, Any] = told if isinstance(told, dict) else {}
    line: dict[str, Any] = {
        "game_id": f"nba{game}",
        "team_id": f"nba{side}",
        "player_id": f"nba{person}",
        "name": " ".join(filter(None, (words(player.get(k)) for k in ("firstName", "familyName")))),
        "number": words(player.get("jerseyNum")),
        "seconds_played": seconds,
        **{stat: integer(numbers.get(key)) for stat, key in BOX_KEYS.items()},
    }
    for what, key in (("made", "fieldGoalsMade"), ("tried", "fieldGoalsAttempted")):
        every, threes = integer(numbers.get(key)), line[f"field_goals_3_{what}"]
        both = every is not None and threes is not None
        line[f"field_goals_2_{what}"] = every - threes if both else None
    if not seconds:
        line["plus_minus"] = None
    return line


def frame(rows: Iterable[Mapping[str, Any]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Rows as a frame; keys that are missing are null, values that do not fit, too."""
    have = list(rows)
    return pl.DataFrame(
        {
            column: pl.Series(column, [row.get(column) for row in have], dtype=dtype, strict=False)
            for column, dtype in schema.items()
        }
    )


def drawn_by_others(plays: pl.DataFrame, games: pl.DataFrame) -> pl.DataFrame:
    """Give fouls drawn, which stand in the row of the foul, to the other team."""
    sides = games.select("game_id", "home_team_id", "away_team_id")
    other = (
        pl.when(pl.col("team_id") == pl.col("home_team_id"))
        .then("away_team_id")
        .otherwise("home_team_id")
    )
    return (
        plays.join(sides, on="game_id", how="left", maintain_order="left")
        .with_columns(
            team_id=pl.when(pl.col("kind") == "foul_drawn").then(other).otherwise("team_id")
        )
        .drop("home_team_id", "away_team_id")
    )
