"""Events and stints in, counts out: for each subject's season and for each of his games."""

from __future__ import annotations

import polars as pl

from openbasket.tables import EVENT_KINDS
from openbasket.transcripts.court import on_court, team_acts

__all__ = [
    "CONTESTS",
    "SUBJECT_KEYS",
    "game_statistics",
    "season_statistics",
    "subjects",
    "with_contests",
]

SUBJECT_KEYS = ("player_id", "league", "season")
#: How contested shots are known: marked by the provider, or told from places and blocks.
CONTESTS = ("marked", "place and blocks")
#: From nearer than this a defender is within reach: of the shots there 8 to 10 % are blocked, of those from
#: beyond three metres less than 4 % (EuroLeague, EuroCup, ABA).
CONTEST_RADIUS_M = 2.5


def with_contests(events: pl.DataFrame) -> tuple[pl.DataFrame, str | None]:
    """Fill ``contested`` of a league's season whose provider marks no contests but notes places and blocks.

    A field goal counts as contested if it was blocked or tried within 2.5 m of the basket, else as not; one
    without a place stays null. Marks of the provider are never mixed with this estimate.

    Args:
        events: table ``events`` of one league and season.

    Returns:
        The events, and how contests are known (:data:`CONTESTS`); ``None`` where they are not.
    """
    if events["contested"].is_not_null().any():
        return events, CONTESTS[0]
    goal = pl.col("kind") == "field_goal"
    placed = goal & pl.col("x_m").is_not_null() & pl.col("y_m").is_not_null()
    blocks = events.filter(pl.col("kind").is_in(["block", "blocked"]))
    if blocks.is_empty() or not events.select(placed.any()).item():
        return events, None
    blocked = blocks.select("game_id", "play_id").unique().with_columns(blocked=True)
    near = pl.col("x_m") ** 2 + pl.col("y_m") ** 2 <= CONTEST_RADIUS_M**2
    filled = events.join(
        blocked, on=["game_id", "play_id"], how="left", maintain_order="left"
    ).with_columns(contested=pl.when(placed).then(near | pl.col("blocked").is_not_null()))
    return filled.drop("blocked"), CONTESTS[1]


def game_statistics(
    games: pl.DataFrame,
    events: pl.DataFrame,
    stints: pl.DataFrame,
    acts: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Count what each player did, and what happened while he was on court, game by game.

    All counts are whole numbers, so that their sums do not depend on the order of rows; seconds on
    court are the one exception and are added in the order of the clock.

    Args:
        games: table ``games`` of one or more league-seasons.
        events: table ``events`` of these games.
        stints: table ``stints`` of these games.
        acts: rows of :func:`court.team_acts` of these games, where they are at hand.

    Returns:
        One row for each player and game: keys, ``seconds``, own counts, and on-court counts
        (``on_*``: points, field goals made, assisted ones, possessions; ``against_*``: the
        opponents').
    """
    league = games.select("game_id", "league", "season")
    own = _own_counts(events)
    court = on_court(team_acts(events) if acts is None else acts, stints)
    return (
        own.join(court, on=["game_id", "player_id"], how="full", coalesce=True)
        .with_columns(pl.exclude("game_id", "player_id").fill_null(0))
        .join(league, on="game_id")
        .sort("game_id", "player_id")
    )


def season_statistics(game_rows: pl.DataFrame) -> pl.DataFrame:
    """Add a player's games up to one row for each subject (player, league, season)."""
    keys = [*SUBJECT_KEYS]
    counts = [c for c in game_rows.columns if c not in (*keys, "game_id")]
    played = (pl.col("seconds") > 0) | (pl.col("events") > 0)
    return (
        game_rows.sort("game_id", "player_id")
        .group_by(keys, maintain_order=True)
        .agg(pl.col(counts).sum(), played.sum().cast(pl.Int32).alias("games"))
        .sort(keys)
    )


def subjects(season_rows: pl.DataFrame, games: pl.DataFrame) -> pl.DataFrame:
    """Return table ``subjects`` for rows of :func:`season_statistics`."""
    place = games.group_by("league", "season").agg(
        pl.col("gender").sort().first(), pl.col("region").drop_nulls().sort().first()
    )
    return (
        season_rows.join(place, on=["league", "season"])
        .select(
            pl.format(
                "{}_{}_{}", "player_id", "league", pl.col("season").str.replace("-", "_")
            ).alias("subject_id"),
            "player_id",
            "league",
            "season",
            "gender",
            "region",
            "games",
            (pl.col("seconds") / 60).alias("minutes"),
            pl.col("events").cast(pl.Int32),
        )
        .sort("subject_id")
    )


def _own_counts(events: pl.DataFrame) -> pl.DataFrame:
    # Kinds are asked for again and again: as numbers, at once.
    events = events.with_columns(pl.col("kind").cast(pl.Enum(EVENT_KINDS)))
    kind, made, value = pl.col("kind"), pl.col("made").fill_null(False), pl.col("value")
    goal, free = kind == "field_goal", kind == "free_throw"
    contested = goal & pl.col("contested").fill_null(False)
    counts = {
        "events": ~kind.is_in(["sub_in", "sub_out"]),
        "free_throws_made": free & made,
        "free_throws_tried": free,
        "two_made": goal & made & (value == 2),
        "two_tried": goal & (value == 2),
        "three_made": goal & made & (value == 3),
        "three_tried": goal & (value == 3),
        "contested_made": contested & made,
        "contested_tried": contested,
        "passes_made": (kind == "pass") & made,
        "passes_tried": kind == "pass",
        **{
            name: kind == one
            for name, one in {
                "offensive_rebounds": "offensive_rebound",
                "defensive_rebounds": "defensive_rebound",
                "assists": "assist",
                "steals": "steal",
                "turnovers": "turnover",
                "blocks": "block",
                "blocked": "blocked",
                "fouls": "foul",
                "fouls_drawn": "foul_drawn",
            }.items()
        },
    }
    # An assist creates the points of its play's field goal; where there is none, it led to free
    # throws, and creates those that went in.
    baskets = (
        events.lazy()
        .filter((pl.col("kind") == "field_goal") & pl.col("made"))
        .group_by("game_id", "play_id")
        .agg(pl.col("value").max().cast(pl.Int64).alias("basket"))
    )
    trip = ["game_id", "period", "clock_s", "team_id"]
    trips = (
        events.lazy()
        .filter((pl.col("kind") == "free_throw") & pl.col("made"))
        .group_by(trip)
        .agg(pl.len().cast(pl.Int64).alias("trip"))
    )
    created = (
        events.lazy()
        .filter((pl.col("kind") == "assist") & pl.col("player_id").is_not_null())
        .join(baskets, on=["game_id", "play_id"], how="left")
        .join(trips, on=trip, how="left")
        .group_by("game_id", "player_id")
        .agg(pl.coalesce("basket", "trip", 0).sum().alias("points_created"))
    )
    return (
        events.lazy()
        .filter(pl.col("player_id").is_not_null())
        .group_by("game_id", "player_id")
        .agg(expr.sum().cast(pl.Int64).alias(name) for name, expr in counts.items())
        .join(created, on=["game_id", "player_id"], how="left")
        .with_columns(pl.col("points_created").fill_null(0))
        .collect()
    )
