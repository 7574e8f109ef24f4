"""Impact: a ridge-regularised adjusted plus-minus, beside the raw one.

In a stretch in which neither line-up changes, the home team's margin is the sum of its players' impacts
less that of the other five's, times the possessions played, plus noise whose variance grows with
the possessions (Rosenbaum 2004, Measuring How NBA Players Help Their Teams Win; ridge: Sill 2010,
Improved NBA Adjusted +/- Using Regularization and Out-of-Sample Testing). The ridge penalty is the
ratio of the noise to the spread of impacts between players; both are fitted for each league and season by
maximising the marginal likelihood (empirical Bayes; MacKay 1992), not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from openbasket.transcripts.court import ORDERS, place

__all__ = ["RidgeFit", "adjusted_plus_minus", "stretches"]

#: Penalties that are tried, in possessions a player's impact is worth before the data speak: twenty a decade.
#: A grid, and not a descent, gives the same penalty on every machine.
PENALTIES = 10.0 ** (np.arange(20, 141) / 20)
SIDES = ("home", "away")


@dataclass(frozen=True)
class RidgeFit:
    """The fit of one league and season.

    Args:
        home_advantage: points per 100 possessions.
        penalty: possessions of data that weigh as much as the prior.
        noise: standard deviation of the margin of one possession, in points.
        spread: standard deviation of impacts between players, points per 100 possessions.
        stretches: stretches of play used.
    """

    home_advantage: float
    penalty: float
    noise: float
    spread: float
    stretches: int


def stretches(games: pl.DataFrame, acts: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    """Stretches of play in which neither team's line-up changes.

    Args:
        games: table ``games``.
        acts: rows of :func:`court.team_acts` of these games.
        stints: table ``stints`` of these games.

    Returns:
        ``game_id, first_order, home_players, away_players, margin`` (home points less away points) and
        ``possessions`` (mean of both teams'), sorted. What happened in a stretch without possessions (a
        second chance, a free throw before a change) goes to the one before it, in which its possession
        began, so that the margins add up to the game's.
    """
    sides = games.select("game_id", "home_team_id", "away_team_id").sort("game_id")
    sides = sides.with_row_index("game")
    home = pl.col("team_id") == pl.col("home_team_id")
    placed = acts.join(sides, on="game_id").select(
        "possessions",
        key=place("order"),
        margin=pl.when(home).then("points").otherwise(-pl.col("points")),
    )
    spells = stints.join(sides, on="game_id", maintain_order="left").select(
        "player_ids",
        key=place("first_order"),
        home=home,
        away=pl.col("team_id") == pl.col("away_team_id"),
    )
    keys = spells["key"].to_numpy()
    bounds = np.sort(keys)
    at = _latest(bounds, placed["key"].to_numpy())
    margin, possessions = (
        np.bincount(at[at >= 0], placed[name].to_numpy()[at >= 0], minlength=len(bounds)).astype(
            float
        )
        for name in ("margin", "possessions")
    )
    _fold(margin, possessions, bounds // ORDERS)
    found = possessions > 0
    line_ups = []
    for side in SIDES:
        mine = np.flatnonzero(spells[side])
        mine = mine[np.argsort(keys[mine], kind="stable")]
        line_ups.append(np.append(mine, -1)[_latest(keys[mine], bounds)])
        found &= line_ups[-1] >= 0
    return pl.DataFrame(
        {
            "game_id": sides["game_id"].gather(bounds[found] // ORDERS),
            "first_order": (bounds[found] % ORDERS).astype(np.int32),
            **{
                f"{side}_players": spells["player_ids"].gather(rows[found])
                for side, rows in zip(SIDES, line_ups, strict=True)
            },
            "margin": margin[found].astype(np.int64),
            "possessions": possessions[found] / 2,
        }
    )


def _fold(
    margin: NDArray[np.float64], possessions: NDArray[np.float64], game: NDArray[np.int64]
) -> None:
    """Add what has no possessions to the stretch before it in its game; to the next one at its start."""
    for step in (-1, 1):
        for row in np.flatnonzero((possessions <= 0) & ((margin != 0) | (possessions != 0)))[
            ::step
        ]:
            to = row
            while (
                possessions[to] <= 0 and 0 <= to + step < len(game) and game[to + step] == game[row]
            ):
                for values in (margin, possessions):
                    values[to + step] += values[to]
                    values[to] = 0
                to += step


def _latest(starts: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the last of the sorted ``starts`` that is in a key's game and not after it; else -1."""
    at = np.searchsorted(starts, keys, side="right") - 1
    same_game = np.append(starts, -1)[at] // ORDERS == keys // ORDERS
    return np.where(same_game, at, -1)


def adjusted_plus_minus(found: pl.DataFrame) -> tuple[pl.DataFrame, RidgeFit]:
    """Fit the impact of every player.

    Args:
        found: rows of :func:`stretches`.

    Returns:
        ``player_id`` and ``impact`` in points per 100 possessions, sorted by player; and the fit. Empty where
        there are no stretches.
    """
    from scipy import sparse

    entries = (
        pl.concat(
            found.select(player_id=f"{side}_players", row=pl.int_range(pl.len()), sign=pl.lit(sign))
            for side, sign in zip(SIDES, (1.0, -1.0), strict=True)
        )
        .explode("player_id")
        .drop_nulls("player_id")
    )
    people = entries["player_id"].unique().sort()
    if people.is_empty():
        nothing = pl.DataFrame(schema={"player_id": pl.String, "impact": pl.Float64})
        return nothing, RidgeFit(0.0, 0.0, 0.0, 0.0, 0)
    possessions = found["possessions"].to_numpy()
    margin = found["margin"].cast(pl.Float64).to_numpy()
    advantage = float(margin.sum() / possessions.sum())
    root = np.sqrt(possessions)
    row = entries["row"].to_numpy()
    column = entries["player_id"].cast(pl.Enum(people)).to_physical().to_numpy()
    design = sparse.csr_matrix(
        (entries["sign"].to_numpy() * root[row], (row, column)), shape=(found.height, people.len())
    )
    target = (margin - advantage * possessions) / root
    gram = np.asarray((design.T @ design).todense())
    # A few hundred players: more threads would only wait for each other.
    with _libraries().limit(limits=1, user_api="blas"):
        coefficients, penalty, noise = _ridge(gram, design.T @ target, target)
    fit = RidgeFit(
        100 * advantage, penalty, noise, 100 * noise / float(np.sqrt(penalty)), found.height
    )
    # what cancels out is 0, and not a machine's own noise, by which players would be ranked
    impact = np.round(100 * coefficients, 9) + 0.0
    return pl.DataFrame({"player_id": people, "impact": impact}), fit


@cache
def _libraries() -> ThreadpoolController:
    """The libraries whose threads can be limited; looked for once, since that takes milliseconds."""
    return ThreadpoolController()


def _ridge(
    gram: NDArray[np.float64], moments: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """Fit a ridge with the penalty of greatest marginal likelihood.

    Args:
        gram: the design's columns times each other.
        moments: the design's columns times the target.
        target: what is fitted.

    Returns:
        The coefficients, the penalty, and the noise's standard deviation with it.
    """
    values, vectors = np.linalg.eigh(gram)
    values = np.clip(values, 0.0, None)
    projected = vectors.T @ moments
    rows = len(target)
    damped = values + PENALTIES[:, None]
    noise = (float(target @ target) - np.sum(projected**2 / damped, axis=1)) / rows
    noise = np.maximum(noise, np.finfo(np.float64).tiny)  # where everything is explained
    cost = rows * np.log(noise) + np.sum(np.log1p(values / PENALTIES[:, None]), axis=1)
    best = int(np.argmin(cost))
    coefficients = vectors @ (projected / damped[best])
    return coefficients, float(PENALTIES[best]), float(np.sqrt(noise[best]))
