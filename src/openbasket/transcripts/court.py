"""What happens while a line-up is on court: points, possessions, plus-minus."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket.tables import EVENT_KINDS
from openbasket.transcripts.checks import in_order

__all__ = [
    "FREE_THROW_WEIGHT", "ORDERS", "coded", "off_court", "on_court", "place", "possessions", "stint_totals",
    "team_acts",
]  # fmt: skip

#: Share of free throws that end a possession or a shooting attempt (the usual 0.44).
FREE_THROW_WEIGHT = 0.44
TOTALS = ("points", "field_goals", "assisted", "possessions")
#: What is known of a stint, and of who plays in it: his team's totals and the opponents'.
COURT_TOTALS = tuple(f"{side}_{total}" for side in ("on", "against") for total in TOTALS)
#: More than a game has rows.
ORDERS = 2**32
#: What only a player on court can do.
COURT_KINDS = (
    "field_goal", "free_throw", "offensive_rebound", "defensive_rebound", "assist", "steal", "block",
    "turnover",
)  # fmt: skip
#: An act may be noted this much before or after the change that goes with it.
CHANGE_SLACK_S = 3.0


def coded(
    games: pl.DataFrame, events: pl.DataFrame, stints: pl.DataFrame, box_scores: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The tables with games, teams, players and kinds as numbers that are shown as text, and sort like it.

    They are grouped, joined and compared in half the time that text takes.
    """
    tables = (games, events, stints, box_scores)
    names = {
        "game_id": [games["game_id"], box_scores["game_id"]],
        "team_id": [games["home_team_id"], games["away_team_id"], box_scores["team_id"]],
        "player_id": [events["player_id"], box_scores["player_id"], stints["player_ids"].explode()],
    }
    types: dict[str, pl.DataType] = {
        column: pl.Enum(pl.concat([each.unique() for each in found]).drop_nulls().unique().sort())
        for column, found in names.items()
    }
    types |= {"home_team_id": types["team_id"], "away_team_id": types["team_id"]}
    types |= {"kind": pl.Enum(EVENT_KINDS), "player_ids": pl.List(types["player_id"])}
    coded = [t.cast({c: types[c] for c in t.columns if c in types}) for t in tables]
    return coded[0], coded[1], coded[2], coded[3]


def stint_totals(acts: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    """Add to each stint what both teams did in it.

    Args:
        acts: rows of :func:`team_acts`.
        stints: table ``stints``.

    Returns:
        The stints with ``on_*`` (own) and ``against_*`` (the opponents') ``points, field_goals, assisted,
        possessions`` (whole numbers).
    """
    # One of a game's teams is its first side. What each side has done up to a row is added up once; a stint
    # holds what is added between its first row and its last.
    sides = (
        stints.group_by("game_id")
        .agg(first_side=pl.col("team_id").min())
        .sort("game_id")
        .with_row_index("game")
    )
    done = in_order(acts).join(sides, on="game_id", maintain_order="left")
    bounds = stints.select("game_id", "team_id", "first_order", "last_order").join(
        sides, on="game_id", maintain_order="left"
    )
    edges = bounds.select(start=place("first_order"), end=place("last_order"))
    of_first = pl.col("team_id") == pl.col("first_side")
    first = bounds.select(of_first).to_series().to_numpy()
    by_side: list[dict[str, NDArray[np.int64]]] = []
    for side in (of_first, ~of_first):
        its = done.filter(side).select(*TOTALS, acting=place("order"))
        acting = its["acting"].to_numpy()
        start, end = (np.searchsorted(acting, edge.to_numpy()) for edge in edges)
        sums = {total: np.append(0, np.cumsum(its[total].to_numpy())) for total in TOTALS}
        by_side.append({total: up_to[end] - up_to[start] for total, up_to in sums.items()})
    columns: dict[str, NDArray[np.int64]] = {}
    for total in TOTALS:
        by_first, by_other = (each[total] for each in by_side)
        columns[f"on_{total}"] = np.where(first, by_first, by_other)
        columns[f"against_{total}"] = np.where(first, by_other, by_first)
    return stints.with_columns(
        pl.Series(name, columns[name], dtype=pl.Int64) for name in COURT_TOTALS
    )


def place(order: str) -> pl.Expr:
    """One number for a row's game (column ``game``, a number) and its place there (column ``order``)."""
    return pl.col("game").cast(pl.Int64) * ORDERS + pl.col(order)


def on_court(acts: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    """What both teams did while a player was on court, game by game.

    Args:
        acts: rows of :func:`team_acts`.
        stints: table ``stints``.

    Returns:
        ``game_id, player_id, seconds`` and the columns of :func:`stint_totals`.
    """
    return (
        stint_totals(acts, stints.sort("game_id", "first_order"))
        .select(
            "game_id",
            *COURT_TOTALS,
            player_id="player_ids",
            seconds=pl.col("start_clock_s") - pl.col("end_clock_s"),
        )
        .explode("player_id")
        .drop_nulls("player_id")
        .group_by("game_id", "player_id", maintain_order=True)
        .agg(pl.col("seconds", *COURT_TOTALS).sum())
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

    Args:
        events: table ``events``.

    Returns:
        ``game_id, team_id, order, points, field_goals, assisted, possessions``, sorted by game and order.
    """
    events = in_order(events)
    kind = pl.col("kind")
    helped = events.lazy().filter(kind == "assist")
    trip = ["game_id", "period", "clock_s", "team_id"]
    rows = (
        events.lazy()
        .filter(
            pl.col("team_id").is_not_null()
            & kind.is_in(["field_goal", "free_throw", "turnover", "offensive_rebound"])
        )
        .select(
            *trip,
            "order",
            "play_id",
            value=pl.col("value").fill_null(0).cast(pl.Int64),
            made=pl.col("made").fill_null(False),
            goal=kind == "field_goal",
            free=kind == "free_throw",
            again=kind == "offensive_rebound",
        )
        .with_row_index("row")
        .collect()
    )
    baskets = rows.lazy().filter("goal", "made")
    assisted = baskets.join(helped, on=["game_id", "play_id"], how="semi")
    last_throws = rows.lazy().filter("free").group_by(trip).agg(pl.col("row").max())
    ending = last_throws.join(baskets, on=trip, how="anti")
    marks = [
        _marked(rows.height, found["row"])
        for found in pl.collect_all([one.select("row") for one in (assisted, ending)])
    ]
    goal, free, count = pl.col("goal"), pl.col("free"), pl.Int64
    return rows.with_columns(assisted=marks[0], ending=marks[1]).select(
        "game_id",
        "team_id",
        "order",
        points=pl.col("value") * ((goal | free) & pl.col("made")),
        field_goals=(goal & pl.col("made")).cast(count),
        assisted=pl.col("assisted").cast(count),
        possessions=pl.when("again")
        .then(-1)
        .when(~free | pl.col("ending"))
        .then(1)
        .otherwise(0)
        .cast(count),
    )


def _marked(height: int, rows: pl.Series) -> pl.Series:
    marks = np.zeros(height, dtype=np.bool_)
    marks[rows.to_numpy()] = True
    return pl.Series(marks)
