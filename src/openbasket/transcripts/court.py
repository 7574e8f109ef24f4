"""What happens while a line-up is on court: points, possessions, plus-minus."""

from __future__ import annotations

import polars as pl

__all__ = ["FREE_THROW_WEIGHT", "off_court", "on_court", "possessions", "stint_totals", "team_acts"]

#: Share of free throws that end a possession or a shooting attempt (the usual 0.44).
FREE_THROW_WEIGHT = 0.44
TOTALS = ("points", "field_goals", "assisted", "possessions")
#: What only a player on court can do.
COURT_KINDS = (
    "field_goal", "free_throw", "offensive_rebound", "defensive_rebound", "assist", "steal", "block",
    "turnover",
)  # fmt: skip
#: An act may be noted this much before or after the change that goes with it.
CHANGE_SLACK_S = 3.0


def stint_totals(acts: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    """Add to each stint what both teams did in it.

    Args:
        acts: rows of :func:`team_acts`.
        stints: table ``stints``.

    Returns:
        The stints with ``team_id_other`` and ``on_*`` (own) and ``against_*`` (the opponents') ``points,
        field_goals, assisted, possessions`` (whole numbers).
    """
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
        *(pl.col(t).filter(mine).sum().alias(f"on_{t}") for t in TOTALS),
        *(pl.col(t).filter(~mine).sum().alias(f"against_{t}") for t in TOTALS),
    )
    columns = [f"{side}_{t}" for side in ("on", "against") for t in TOTALS]
    return (
        spans.join(by_stint, on="stint", how="left", maintain_order="left")
        .with_columns(pl.col(columns).fill_null(0))
        .drop("stint")
    )


def on_court(acts: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    """What both teams did while a player was on court, game by game.

    Args:
        acts: rows of :func:`team_acts`.
        stints: table ``stints``.

    Returns:
        ``game_id, player_id, seconds`` and the columns of :func:`stint_totals`.
    """
    columns = [f"{side}_{t}" for side in ("on", "against") for t in TOTALS]
    return (
        stint_totals(acts, stints)
        .with_columns(seconds=pl.col("start_clock_s") - pl.col("end_clock_s"))
        .sort("game_id", "period", "start_clock_s", descending=[False, False, True])
        .explode("player_ids")
        .drop_nulls("player_ids")
        .group_by("game_id", pl.col("player_ids").alias("player_id"), maintain_order=True)
        .agg(pl.col("seconds", *columns).sum())
    )


def off_court(events: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    """Acts of players who, by the line-ups, were not on court: substitutions that nobody noted.

    Args:
        events: table ``events``.
        stints: table ``stints``.

    Returns:
        ``game_id, acts`` (that only a player on court can do) and ``off`` (those of others).
    """
    acts = (
        events.filter(pl.col("player_id").is_not_null() & pl.col("kind").is_in(COURT_KINDS))
        .select("game_id", "team_id", "player_id", "period", "clock_s", "order")
        .sort("order")
    )
    line_ups = stints.select("game_id", "team_id", "player_ids", order="first_order").sort("order")
    placed = acts.join_asof(
        line_ups, on="order", by=["game_id", "team_id"], check_sortedness=False
    ).with_row_index("act")
    there = pl.col("player_ids").list.contains(pl.col("player_id")).fill_null(False)
    off = placed.filter(~there).drop("player_ids")
    spans = (
        stints.join(off.select("game_id").unique(), on="game_id", how="semi")
        .select("game_id", "period", "start_clock_s", "end_clock_s", player_id="player_ids")
        .explode("player_id")
    )
    near = off.join(spans, on=["game_id", "period", "player_id"]).filter(
        (pl.col("clock_s") <= pl.col("start_clock_s") + CHANGE_SLACK_S)
        & (pl.col("clock_s") >= pl.col("end_clock_s") - CHANGE_SLACK_S)
    )
    off = off.join(near, on="act", how="anti")
    counts = acts.group_by("game_id").agg(acts=pl.len())
    return (
        counts.join(off.group_by("game_id").agg(off=pl.len()), on="game_id", how="left")
        .with_columns(pl.col("off").fill_null(0))
        .sort("game_id")
    )


def possessions(events: pl.DataFrame, acts: pl.DataFrame) -> pl.DataFrame:
    """Possessions of each team in each game, counted and estimated.

    ``counted`` adds up the acts that end one (:func:`team_acts`); ``estimated`` is the usual estimate from a
    box score, FGA + 0.44 FTA - OREB + TO (Kubatko et al. 2007, A Starting Point for Analyzing Basketball
    Statistics), team rebounds and turnovers included in both.

    Returns:
        ``game_id, team_id, counted, estimated``.
    """
    kind = pl.col("kind")
    estimated = (
        events.filter(pl.col("team_id").is_not_null())
        .group_by("game_id", "team_id")
        .agg(
            estimated=(kind == "field_goal").sum()
            + FREE_THROW_WEIGHT * (kind == "free_throw").sum()
            - (kind == "offensive_rebound").sum().cast(pl.Float64)
            + (kind == "turnover").sum()
        )
    )
    counted = acts.group_by("game_id", "team_id").agg(counted=pl.col("possessions").sum())
    return counted.join(estimated, on=["game_id", "team_id"]).sort("game_id", "team_id")


def team_acts(events: pl.DataFrame) -> pl.DataFrame:
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
