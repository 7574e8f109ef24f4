"""What a perfect observer of a reel knows: the sampled plays, each seen without error, and nothing else.

Seen of a play: what the player did in it and with which outcome, the points of the basket that he made or
assisted, the place of his shot, whether it was contested, blocked or assisted, whether a lost ball was
stolen, and when in the game it was. Not seen, and in no feature: how many games, minutes and events the
season had, who else was on court and what happened there between the plays, the score, names of players,
clubs and games, height, position.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from openbasket.errors import UnknownNameError
from openbasket.labels.scores import DEFENSE, FGA, FGM, OFFENSE, POINTS, REBOUNDS
from openbasket.labels.statistics import CONTEST_RADIUS_M
from openbasket.reels.sample import sample
from openbasket.tables import CEILING_SAMPLINGS, FILMED_KINDS
from openbasket.transcripts.court import FREE_THROW_WEIGHT

__all__ = ["FEATURES", "draw_order", "features", "see", "tally"]

#: Opening minutes show who starts, closing ones who is trusted.
OPENING_S, LATE_S = 180.0, 300.0
#: Trials of the mean of the league's season that a percentage of few trials is pulled toward.
PRIOR_TRIALS = 30.0

c = pl.col
#: Counts that become shares of all plays seen.
_SHARES = (
    "two_tried", "three_tried", "free_throws_tried", "near_tried", "far_tried", "contested_tried",
    "assisted", "assists", "assists_of_three", "offensive_rebounds", "defensive_rebounds", "steals",
    "turnovers", "stolen", "blocks", "blocked", "fouls", "fouls_drawn", "opening", "first_period",
    "last_period", "late",
)  # fmt: skip
#: Name -> numerator and denominator, of the counts seen.
_RATES: dict[str, tuple[pl.Expr, pl.Expr]] = {
    "two_point": (c("two_made"), c("two_tried")),
    "three_point": (c("three_made"), c("three_tried")),
    "free_throw": (c("free_throws_made"), c("free_throws_tried")),
    "near": (c("near_made"), c("near_tried")),
    "far": (c("far_made"), c("far_tried")),
    "contested": (c("contested_made"), c("contested_tried")),
    "effective": (c("two_made") + 1.5 * c("three_made"), FGA),
    "assisted_share": (c("assisted"), FGM),
    "distance_m": (c("distance_dm") / 10, c("placed")),
    "offensive_share": (c("offensive_rebounds"), REBOUNDS),
    "pass_first": (c("assists"), c("assists") + FGA),
    "assist_to_turnover": (c("assists"), c("assists") + c("turnovers")),
    "lost": (
        c("turnovers"),
        FGA + FREE_THROW_WEIGHT * c("free_throws_tried") + c("assists") + c("turnovers"),
    ),
    "points": (POINTS, c("plays")),
    "created": (POINTS + c("points_created"), c("plays")),
    "offense": (OFFENSE, c("plays")),
    "defense": (DEFENSE, c("plays")),
    "efficiency": (OFFENSE + DEFENSE, c("plays")),
    "steal_to_foul": (c("steals") + c("blocks"), c("steals") + c("blocks") + c("fouls")),
}
#: Names of the columns of :func:`features`.
FEATURES: tuple[str, ...] = (*_SHARES, *_RATES)


def see(events: pl.DataFrame, games: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """What can be seen of each player in each of his plays.

    Args:
        events: table ``events`` of one league and season, with contests told
            (:func:`openbasket.labels.statistics.with_contests`).
        games: table ``games`` of it.
        people: rows of table ``subjects`` of it.

    Returns:
        ``subject_id, game_id, play_id, stratum``, and counts, mostly 0 or 1: a row for each player and play.
    """
    plays = events.group_by("game_id", "play_id").agg(
        assisted_play=(c("kind") == "assist").any(),
        stolen_play=(c("kind") == "steal").any(),
        basket=c("value").filter((c("kind") == "field_goal") & c("made")).max(),
    )
    kind, made = c("kind"), c("made").fill_null(False)
    goal, free = kind == "field_goal", kind == "free_throw"
    two, three = goal & (c("value") == 2), goal & (c("value") == 3)
    squared = c("x_m") ** 2 + c("y_m") ** 2
    placed = goal & squared.is_not_null()
    near = (placed & (squared <= CONTEST_RADIUS_M**2)).fill_null(False)
    far = two & placed & ~near
    contested = goal & c("contested").fill_null(False)
    last = c("period") >= c("periods")
    counts = {
        "two_tried": two,
        "two_made": two & made,
        "three_tried": three,
        "three_made": three & made,
        "free_throws_tried": free,
        "free_throws_made": free & made,
        "near_tried": near,
        "near_made": near & made,
        "far_tried": far,
        "far_made": far & made,
        "contested_tried": contested,
        "contested_made": contested & made,
        "placed": placed,
        "distance_dm": pl.when(placed).then((10 * squared.sqrt()).round()),
        "assisted": goal & made & c("assisted_play"),
        "assists": kind == "assist",
        "assists_of_three": (kind == "assist") & (c("basket") == 3),
        "points_created": pl.when(kind == "assist").then(c("basket")),
        "offensive_rebounds": kind == "offensive_rebound",
        "defensive_rebounds": kind == "defensive_rebound",
        "steals": kind == "steal",
        "turnovers": kind == "turnover",
        "stolen": (kind == "turnover") & c("stolen_play"),
        "blocks": kind == "block",
        "blocked": kind == "blocked",
        "fouls": kind == "foul",
        "fouls_drawn": kind == "foul_drawn",
        "opening": (c("period") == 1) & (c("clock_s") >= c("period_s") - OPENING_S),
        "first_period": c("period") == 1,
        "last_period": last,
        "late": last & (c("clock_s") <= LATE_S),
    }
    stratum = pl.when(goal).then(pl.format("{}-point", c("value").fill_null(0))).otherwise(kind)
    return (
        events.filter(c("player_id").is_not_null() & kind.is_in(list(FILMED_KINDS)))
        .join(people.select("subject_id", "player_id"), on="player_id")
        .join(plays, on=["game_id", "play_id"])
        .join(games.select("game_id", "periods", "period_s"), on="game_id")
        .sort("subject_id", "game_id", "order")
        .group_by("subject_id", "game_id", "play_id", maintain_order=True)
        .agg(
            stratum.first().alias("stratum"),
            *(x.fill_null(0).cast(pl.Int32).max().alias(name) for name, x in counts.items()),
        )
    )


def draw_order(
    events: pl.DataFrame, people: pl.DataFrame, seen: pl.DataFrame, *, draw: int, seed: int
) -> pl.DataFrame:
    """Put every play of every player into the order in which a reel would take it.

    ``uniform`` is the order of :func:`openbasket.reels.sample.sample`: the first 50 plays are those of the
    reel of this draw. ``stratified`` takes each kind of play as often as its share of the player's plays
    says, rounded (proportional allocation); ``balanced`` takes all kinds equally often, as far as there are
    plays of a kind. Field goals for two and for three are kinds of their own; inside a kind the order is that
    of ``uniform``.

    Args:
        events: as for :func:`see`.
        people: as for :func:`see`.
        seen: of :func:`see`.
        draw: which of the independent draws.
        seed: of all draws.

    Returns:
        ``seen`` with a column for each sampling: the place of the play, from 0.
    """
    place = people.select("league", "season").unique()
    order = sample(events.join(place, how="cross"), people, count=2**31 - 1, draw=draw, seed=seed)
    stratum = ["subject_id", "stratum"]
    return (
        seen.join(
            order.select("subject_id", "game_id", "play_id", uniform="position"),
            on=["subject_id", "game_id", "play_id"],
        )
        .sort("subject_id", "uniform")
        .with_columns(number=pl.int_range(pl.len()).over(stratum), of=pl.len().over(stratum))
        .sort("subject_id", (2 * c("number") + 1) / (2 * c("of")), "uniform")
        .with_columns(stratified=pl.int_range(pl.len(), dtype=pl.Int32).over("subject_id"))
        .sort("subject_id", "number", "uniform")
        .with_columns(balanced=pl.int_range(pl.len(), dtype=pl.Int32).over("subject_id"))
        .drop("number", "of")
    )


def tally(ordered: pl.DataFrame, sampling: str, count: int | None) -> pl.DataFrame:
    """Add up the first ``count`` plays of each player (all by default): counts, and ``plays`` seen.

    Raises:
        UnknownNameError: no such sampling.
    """
    if sampling not in CEILING_SAMPLINGS:
        raise UnknownNameError("sampling", sampling, CEILING_SAMPLINGS)
    shown = ordered if count is None else ordered.filter(c(sampling) < count)
    keys = ("subject_id", "game_id", "play_id", "stratum", *CEILING_SAMPLINGS)
    return (
        shown.group_by("subject_id")
        .agg(pl.exclude(*keys).sum(), pl.len().cast(pl.Int64).alias("plays"))
        .sort("subject_id")
    )


def features(tallied: pl.DataFrame, places: Sequence[str], train: np.ndarray) -> np.ndarray:
    """Turn counts into shares and percentages, beside the mean of the league's season in training.

    Every number is a share, so that none of them tells how many plays there were.

    Args:
        tallied: of :func:`tally`; who shows no play has zeros.
        places: the league and season of each row.
        train: ``(rows,)``, which rows may be learnt from.

    Returns:
        ``(rows, len(FEATURES))`` float64, in standard deviations of the training rows.
    """
    plays = np.maximum(tallied["plays"].to_numpy(), 1).astype(float)
    columns = [np.sqrt(tallied[name].to_numpy() / plays) for name in _SHARES]
    _, league = np.unique(np.asarray(places, dtype=str), return_inverse=True)
    leagues = int(league.max(initial=-1)) + 1

    def mean(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
        """Of each row's place, from its training rows; of all of them where it has none."""
        sums, counts = (np.bincount(league[train], x[train], leagues) for x in (top, bottom))
        whole = top[train].sum() / max(bottom[train].sum(), 1.0)
        return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1e-9), whole)[league])

    for made, tried in _RATES.values():
        top, bottom = (
            tallied.select(x.cast(pl.Float64)).to_series().to_numpy() for x in (made, tried)
        )
        columns.append((top + PRIOR_TRIALS * mean(top, bottom)) / (bottom + PRIOR_TRIALS))
    found = np.column_stack(columns)
    ones = np.ones(len(found))
    found = found - np.column_stack([mean(column, ones) for column in found.T])
    spread = found[train].std(axis=0)
    return np.asarray(found / np.where(spread > 1e-12, spread, 1.0))
