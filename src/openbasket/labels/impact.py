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

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
        ``possessions`` (mean of both teams'), stretches without possessions left out, sorted.
    """
    sides = games.select("game_id", "home_team_id", "away_team_id")
    bounds = stints.select("game_id", order="first_order").unique().sort("order")
    acts = acts.join(sides, on="game_id").sort("order")
    home = pl.col("team_id") == pl.col("home_team_id")
    placed = acts.join_asof(
        bounds.with_columns(first_order="order"),
        on="order",
        by="game_id",
        check_sortedness=False,
    ).drop_nulls("first_order")
    totals = placed.group_by("game_id", "first_order").agg(
        margin=(pl.when(home).then("points").otherwise(-pl.col("points"))).sum(),
        possessions=pl.col("possessions").sum() / 2,
    )
    found = totals.filter(pl.col("possessions") > 0).join(sides, on="game_id").sort("first_order")
    for side in SIDES:
        found = found.join_asof(
            stints.select(
                "game_id",
                pl.col("team_id").alias(f"{side}_team_id"),
                "first_order",
                pl.col("player_ids").alias(f"{side}_players"),
            ).sort("first_order"),
            on="first_order",
            by=["game_id", f"{side}_team_id"],
            check_sortedness=False,
        )
    return (
        found.drop_nulls(["home_players", "away_players"])
        .select("game_id", "first_order", "home_players", "away_players", "margin", "possessions")
        .sort("game_id", "first_order")
    )


def adjusted_plus_minus(found: pl.DataFrame) -> tuple[pl.DataFrame, RidgeFit]:
    """Fit the impact of every player.

    Args:
        found: rows of :func:`stretches`.

    Returns:
        ``player_id`` and ``impact`` in points per 100 possessions, sorted by player; and the fit. Empty where
        there are no stretches.
    """
    from scipy import sparse
    from sklearn.linear_model import Ridge
    from threadpoolctl import threadpool_limits

    people = (
        pl.concat([found[f"{side}_players"].explode(empty_as_null=True) for side in SIDES])
        .drop_nulls()
        .unique()
        .sort()
    )
    if people.is_empty():
        nothing = pl.DataFrame(schema={"player_id": pl.String, "impact": pl.Float64})
        return nothing, RidgeFit(0.0, 0.0, 0.0, 0.0, 0)
    index = pl.DataFrame({"player_id": people, "column": np.arange(people.len())})
    entries = pl.concat(
        found.select(player_id=f"{side}_players", row=pl.int_range(pl.len()))
        .explode("player_id")
        .drop_nulls()
        .with_columns(sign=pl.lit(sign))
        for side, sign in zip(SIDES, (1.0, -1.0), strict=True)
    ).join(index, on="player_id")
    possessions = found["possessions"].to_numpy()
    margin = found["margin"].cast(pl.Float64).to_numpy()
    advantage = float(margin.sum() / possessions.sum())
    root = np.sqrt(possessions)
    row = entries["row"].to_numpy()
    design = sparse.csr_matrix(
        (entries["sign"].to_numpy() * root[row], (row, entries["column"].to_numpy())),
        shape=(found.height, people.len()),
    )
    target = (margin - advantage * possessions) / root
    # A few hundred players: more threads would only wait for each other.
    with threadpool_limits(1, "blas"):
        penalty, noise = _evidence(design, target)
        model = Ridge(alpha=penalty, fit_intercept=False, solver="cholesky")
        model.fit(design, target)
    fit = RidgeFit(
        100 * advantage, penalty, noise, 100 * noise / float(np.sqrt(penalty)), found.height
    )
    impact = pl.Series("impact", 100 * model.coef_).round_sig_figs(9)
    return pl.DataFrame({"player_id": people, "impact": impact}), fit


def _evidence(design: object, target: NDArray[np.float64]) -> tuple[float, float]:
    """The penalty of greatest marginal likelihood, and the noise's standard deviation with it."""
    gram = np.asarray((design.T @ design).todense())  # type: ignore[attr-defined]
    values, vectors = np.linalg.eigh(gram)
    values = np.clip(values, 0.0, None)
    projected = vectors.T @ (design.T @ target)  # type: ignore[attr-defined]
    square = float(target @ target)
    rows = len(target)

    def noise_of(penalty: float) -> float:
        return float((square - np.sum(projected**2 / (values + penalty))) / rows)

    def cost(penalty: float) -> float:
        return float(rows * np.log(noise_of(penalty)) + np.sum(np.log1p(values / penalty)))

    penalty = min(PENALTIES, key=cost)
    return float(penalty), float(np.sqrt(noise_of(penalty)))
