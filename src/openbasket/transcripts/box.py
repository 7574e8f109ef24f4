"""Box scores: counted from the events, and set beside the official ones."""

from __future__ import annotations

import polars as pl

from openbasket.tables import BOX_STATS
from openbasket.transcripts.court import on_court

__all__ = ["MINUTES_TOLERANCE_S", "compare_with_box", "count_box", "right_scores"]

#: Minutes of stints and box score may differ by this much.
MINUTES_TOLERANCE_S = 5.0


def count_box(events: pl.DataFrame) -> pl.DataFrame:
    """Count a box score from the events: ``game_id, player_id`` and :data:`tables.BOX_STATS`."""
    kind = pl.col("kind")
    goal, free = kind == "field_goal", kind == "free_throw"
    made = pl.col("made").fill_null(False)
    value = pl.col("value").fill_null(0).cast(pl.Int32)
    counts = {
        "points": pl.when((goal | free) & made).then(value).otherwise(0),
        "field_goals_2_made": goal & made & (value == 2),
        "field_goals_2_tried": goal & (value == 2),
        "field_goals_3_made": goal & made & (value == 3),
        "field_goals_3_tried": goal & (value == 3),
        "free_throws_made": free & made,
        "free_throws_tried": free,
        "offensive_rebounds": kind == "offensive_rebound",
        "defensive_rebounds": kind == "defensive_rebound",
        "assists": kind == "assist",
        "steals": kind == "steal",
        "turnovers": kind == "turnover",
        "blocks": kind == "block",
        "fouls_made": kind == "foul",
        "fouls_drawn": kind == "foul_drawn",
    }
    return (
        events.lazy()
        .filter(pl.col("player_id").is_not_null())
        .group_by("game_id", "player_id")
        .agg(expr.sum().cast(pl.Int32).alias(stat) for stat, expr in counts.items())
        .sort("game_id", "player_id")
        .collect()
    )


def compare_with_box(
    events: pl.DataFrame, acts: pl.DataFrame, stints: pl.DataFrame, box_scores: pl.DataFrame
) -> pl.DataFrame:
    """Official lines beside ours.

    Args:
        events: table ``events``.
        acts: rows of :func:`court.team_acts`.
        stints: table ``stints``.
        box_scores: table ``box_scores``.

    Returns:
        The rows of ``box_scores`` with ``<statistic>_ours``, ``seconds_played_ours`` and ``plus_minus_ours``
        (null where the stints name the player nowhere); and a row for each player who is in the events of
        a game that has a box score but not in it, with ``listed`` false.
    """
    keys = ["game_id", "player_id"]
    ours = count_box(events)
    official = box_scores.with_columns(listed=pl.lit(True))
    has_box = official.select("game_id").unique()
    extra = (
        ours.filter(pl.sum_horizontal(BOX_STATS) > 0)
        .join(official, on=keys, how="anti")
        .join(has_box, on="game_id", how="semi")
        .select(*keys, listed=pl.lit(False))
    )
    court = on_court(acts, stints).select(
        *keys,
        seconds_played_ours="seconds",
        plus_minus_ours=pl.col("on_points") - pl.col("against_points"),
    )
    ours = ours.rename({stat: f"{stat}_ours" for stat in BOX_STATS})
    return (
        pl.concat([official, extra], how="diagonal")
        .join(ours, on=keys, how="left")
        .join(court, on=keys, how="left")
        .with_columns(pl.col(f"{stat}_ours").fill_null(0) for stat in BOX_STATS)
    )


def right_scores(games: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """``game_id``, ``right`` (null where no final score is told) and both sides' points."""
    points = (
        events.filter(pl.col("made") & pl.col("value").is_not_null())
        .group_by("game_id", "team_id")
        .agg(pl.col("value").cast(pl.Int32).sum().alias("points"))
    )
    for side in ("home", "away"):
        games = games.join(
            points.rename({"points": f"{side}_points", "team_id": f"{side}_team_id"}),
            on=["game_id", f"{side}_team_id"],
            how="left",
            maintain_order="left",
        )
    return games.select(
        "game_id",
        "home_score",
        "away_score",
        pl.col("home_points", "away_points").fill_null(0),
    ).with_columns(
        right=(pl.col("home_score") == pl.col("home_points"))
        & (pl.col("away_score") == pl.col("away_points"))
    )
