"""Events and stints in, counts out: for each subject's season and for each of his games."""

from __future__ import annotations

import polars as pl

__all__ = ["FREE_THROW_WEIGHT", "SUBJECT_KEYS", "game_statistics", "season_statistics", "subjects"]

#: Share of free throws that end a possession or a shooting attempt (the usual 0.44).
FREE_THROW_WEIGHT = 0.44
SUBJECT_KEYS = ("player_id", "league", "season")


def game_statistics(
    games: pl.DataFrame, events: pl.DataFrame, stints: pl.DataFrame
) -> pl.DataFrame:
    """Count what each player did, and what happened while he was on court, game by game.

    All counts are whole numbers, so that their sums do not depend on the order of rows; seconds on
    court are the one exception and are added in the order of the clock.

    Args:
        games: table ``games`` of one or more league-seasons.
        events: table ``events`` of these games.
        stints: table ``stints`` of these games.

    Returns:
        One row for each player and game: keys, ``seconds``, own counts, and on-court counts
        (``on_*``: points, field goals made, assisted ones, possessions; ``against_*``: the
        opponents').
    """
    league = games.select("game_id", "league", "season")
    own = _own_counts(events)
    court = _on_court(events, stints)
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


def _on_court(events: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    """What both teams did while a player was on court."""
    acts = _team_acts(events)
    totals = ["points", "field_goals", "assisted", "possessions"]
    sides = stints.select("game_id", "team_id").unique()
    pairs = sides.join(sides, on="game_id", suffix="_other").filter(
        pl.col("team_id") != pl.col("team_id_other")
    )
    spans = stints.with_row_index("stint").join(pairs, on=["game_id", "team_id"], how="left")
    # An act falls into the stint of each team that was running at its order.
    placed = (
        acts.join(sides.rename({"team_id": "stint_team"}), on="game_id")
        .sort("order")
        .join_asof(
            spans.select(
                "game_id",
                pl.col("team_id").alias("stint_team"),
                pl.col("first_order").alias("order"),
                "last_order",
                "stint",
            ).sort("order"),
            on="order",
            by=["game_id", "stint_team"],
            strategy="backward",
            check_sortedness=False,
        )
        .filter(pl.col("order") < pl.col("last_order"))
    )
    mine = pl.col("team_id") == pl.col("stint_team")
    by_stint = placed.group_by("stint").agg(
        *(pl.col(t).filter(mine).sum().alias(f"on_{t}") for t in totals),
        *(pl.col(t).filter(~mine).sum().alias(f"against_{t}") for t in totals),
    )
    columns = [f"{side}_{t}" for side in ("on", "against") for t in totals]
    return (
        spans.join(by_stint, on="stint", how="left")
        .with_columns(
            pl.col(columns).fill_null(0),
            seconds=pl.col("start_clock_s") - pl.col("end_clock_s"),
        )
        .sort("game_id", "period", "start_clock_s", descending=[False, False, True])
        .explode("player_ids")
        .drop_nulls("player_ids")
        .group_by("game_id", pl.col("player_ids").alias("player_id"), maintain_order=True)
        .agg(pl.col("seconds", *columns).sum())
    )


def _team_acts(events: pl.DataFrame) -> pl.DataFrame:
    """Points, field goals, assisted field goals and possessions, act by act.

    Possessions of a team are counted as field goals tried, less offensive rebounds, plus turnovers,
    plus the trips to the line that end one: the last free throw of a trip, unless it comes with a
    made basket.
    """
    kind, made = pl.col("kind"), pl.col("made").fill_null(False)
    goal, free = kind == "field_goal", kind == "free_throw"
    assisted = (
        events.filter(pl.col("kind") == "assist").select("game_id", "play_id").unique()
    ).with_columns(assisted_play=pl.lit(True))
    with_goal = (
        events.filter((pl.col("kind") == "field_goal") & pl.col("made"))
        .select("game_id", "period", "clock_s", "team_id")
        .unique()
        .with_columns(basket=pl.lit(True))
    )
    rows = (
        events.filter(
            pl.col("team_id").is_not_null()
            & pl.col("kind").is_in(["field_goal", "free_throw", "turnover", "offensive_rebound"])
        )
        .join(assisted, on=["game_id", "play_id"], how="left")
        .join(with_goal, on=["game_id", "period", "clock_s", "team_id"], how="left")
        .sort("game_id", "order")
    )
    same_trip = ["game_id", "period", "clock_s", "team_id", "kind"]
    last_of_trip = pl.col("order") == pl.col("order").max().over(same_trip)
    ends_trip = free & last_of_trip & pl.col("basket").is_null()
    count = pl.Int64
    return rows.select(
        "game_id",
        "team_id",
        "order",
        points=pl.when((goal | free) & made).then(pl.col("value")).otherwise(0).cast(count),
        field_goals=(goal & made).cast(count),
        assisted=(goal & made & pl.col("assisted_play").fill_null(False)).cast(count),
        possessions=(
            (goal | (kind == "turnover") | ends_trip).cast(count)
            - (kind == "offensive_rebound").cast(count)
        ),
    )
