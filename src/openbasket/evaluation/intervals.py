"""Intervals that respect persons: a bootstrap over clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openbasket.errors import ConfigError
from openbasket.evaluation.games import Sharing
from openbasket.evaluation.influence import influence_of_means
from openbasket.evaluation.metrics import GROUPS, group_means, ratio

__all__ = [
    "FEW_PERSONS",
    "LEAST_RESAMPLES",
    "MOST_RESAMPLES",
    "NARROW_PERSONS",
    "Basis",
    "PersonDraws",
    "all_tied",
    "bootstrap",
    "checked_draws",
    "cluster_weights",
    "ends",
    "few_persons",
    "interval_of_means",
    "persons_of",
    "settled",
    "without_bias",
]

#: Fewer resamples have no percentiles of 2.5 and 97.5; more take the memory and tell no more.
LEAST_RESAMPLES, MOST_RESAMPLES = 100, 100_000
#: Resamples of fewer persons tell too little: there are less than 500 of five.
FEW_PERSONS = 6
#: Intervals of resamples of fewer persons are too narrow.
NARROW_PERSONS = 20
#: Resamples that are no farther apart are equal: single precision tells no less.
_EQUAL = 2e-6


def checked_draws(resamples: int, seed: int = 0) -> None:
    """Refuse a bootstrap that cannot be made.

    Raises:
        ConfigError: resamples outside :data:`LEAST_RESAMPLES` to :data:`MOST_RESAMPLES`, or a negative seed.
    """
    if not LEAST_RESAMPLES <= resamples <= MOST_RESAMPLES:
        raise ConfigError(
            f"resamples: got {resamples}; allowed: {LEAST_RESAMPLES} to {MOST_RESAMPLES:,} (2,000 are usual)"
        )
    if seed < 0:
        raise ConfigError(f"seed: got {seed}; allowed: 0 or more")


def cluster_weights(
    clusters: Sequence[str], resamples: int = 2000, seed: int = 0
) -> np.ndarray | None:
    """How often each subject counts in each resample, when whole clusters are drawn.

    Args:
        clusters: the person of each subject.
        resamples: how many; at least 2,000 for a 95 % interval that stands still.
        seed: of the draws.

    Returns:
        ``(resamples, subjects)`` float32; ``None`` if there is only one person (nothing to draw from).
    """
    names, of_subject = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    if len(names) < 2:
        return None
    rng = np.random.default_rng(seed)
    size = len(names)
    draws = np.empty((resamples, size), dtype=np.float32)
    for row in draws:
        row[:] = np.bincount(rng.integers(0, size, size, dtype=np.int32), minlength=size)
    return draws if size == len(of_subject) and _is_range(of_subject) else draws[:, of_subject]


def _is_range(numbers: np.ndarray) -> bool:
    return bool((numbers == np.arange(len(numbers))).all())


class PersonDraws:
    """Sums over subjects, once and for each resample of persons.

    Args:
        clusters: the person of each subject.
        resamples: how many.
        seed: of the draws, which are those of :func:`cluster_weights`.
    """

    def __init__(self, clusters: Sequence[str], resamples: int, seed: int) -> None:
        from scipy import sparse

        names, of_subject = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
        count = len(of_subject)
        self._member = sparse.csr_array(
            (np.ones(count), (of_subject, np.arange(count))), (len(names), count)
        )
        self.weights = cluster_weights(names.tolist(), resamples, seed)

    def sums(self, columns: np.ndarray) -> np.ndarray:
        """``(subjects, k)`` -> ``(1 + resamples, k)``: the data's own, and one for each resample.

        Resamples are added in single precision, which is exact for counts and ties of two.
        """
        once = columns.astype(float).sum(axis=0)[None]
        if self.weights is None:
            return np.asarray(once)
        of_persons = (self._member @ columns.astype(float)).astype(np.float32)
        return np.asarray(np.concatenate([once, self.weights @ of_persons]))


def bootstrap(
    cells: np.ndarray, weights: np.ndarray | None, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of every group's mean (Efron and Tibshirani 1993, chapter 13).

    Args:
        cells: ``(subjects, 20)``, NaN where there is no label.
        weights: of :func:`cluster_weights`; all runs and metrics can share them.
        level: of the interval.

    Returns:
        Lower and upper ends, each ``(len(GROUPS),)``; NaN where nothing is labelled, and where there is
        only one person (nothing to draw from).
    """
    if weights is None:
        nothing = np.full(group_means(cells).shape[1], np.nan)
        return nothing, nothing.copy()
    return ends(group_means(cells, weights), level=level)


def ends(drawn: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of each column of ``(resamples, n)``; NaN is no draw, only NaN gives NaN."""
    found = np.full((2, drawn.shape[1]), np.nan)
    tail = (1 - level) / 2
    ordered = np.sort(drawn.T, axis=1)  # NaN last
    whole = ~np.isnan(ordered[:, -1])
    for row, share in enumerate((tail, 1 - tail)):
        place = share * (len(drawn) - 1)
        below = int(place)
        above = min(below + 1, len(drawn) - 1)
        step = ordered[:, above] - ordered[:, below]
        found[row, whole] = (ordered[:, below] + (place - below) * step)[whole]
    partly = ~np.isnan(ordered[:, 0]) & ~whole
    found[:, partly] = np.nanquantile(drawn[:, partly], [tail, 1 - tail], axis=0)
    return found[0], found[1]


def without_bias(drawn: np.ndarray, value: np.ndarray, times: float = 2) -> np.ndarray:
    """Resamples moved by the bias that noise gives to what is no mean of cells.

    A number is about as far from the truth as the mean of its resamples is from the number (Efron and
    Tibshirani 1993, section 10.2), so that the resamples are twice as far from the truth.

    Args:
        drawn: ``(resamples, n)``; NaN is no draw.
        value: ``(n,)``, of the data themselves.
        times: how often the bias is taken away.
    """
    defined = ~np.isnan(drawn)
    mean = ratio(np.where(defined, drawn, 0.0).sum(axis=0), defined.sum(axis=0))
    return np.asarray(drawn - times * (mean - value))


@dataclass(frozen=True)
class Basis:
    """What the intervals of some numbers rest on, beside their resamples.

    Args:
        persons: ``(n,)``, how many have a label.
        factors: ``(n,)``, by how much games widen, of :meth:`openbasket.evaluation.games.Sharing.factors`.
        bottom, top: the least and the largest that a number can be.
        bounded: whether the numbers are means of cells from ``bottom`` to ``top``.
        sure: ``(n,)`` bool, numbers that are the same whoever is drawn, such as the accuracy of a guess that
            gives every level the same probability.
    """

    persons: np.ndarray
    factors: np.ndarray
    bottom: float = -np.inf
    top: float = np.inf
    bounded: bool = False
    sure: np.ndarray | None = None


def settled(
    value: np.ndarray, low: np.ndarray, high: np.ndarray, basis: Basis
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of intervals: those of resamples, widened by games; where these say nothing, others or none.

    Resamples say nothing where fewer than :data:`FEW_PERSONS` persons have a label, and where they are all
    equal, as of a skill that is right for everyone. Means of cells then get the interval of Clopper and
    Pearson (1934) of as many yes-or-no answers as there are persons, less what games take: as wide as that of
    any cells in the same bounds. Other numbers get none.

    Args:
        value: ``(n,)``, the numbers.
        low: ``(n,)``, lower ends of the resamples; NaN where there is no interval, which stays so.
        high: ``(n,)``, upper ends.
        basis: what they rest on.
    """
    from scipy.stats import beta

    equal = high - low < _EQUAL
    sure = np.zeros(len(value), bool) if basis.sure is None else basis.sure & equal
    instead = ((basis.persons < FEW_PERSONS) | equal) & ~np.isnan(low) & ~sure
    lower = np.maximum(value - basis.factors * (value - low), basis.bottom)
    upper = np.minimum(value + basis.factors * (high - value), basis.top)
    lower[instead] = upper[instead] = np.nan
    lower[sure] = upper[sure] = value[sure]
    if basis.bounded:
        size = basis.top - basis.bottom
        for i in np.flatnonzero(instead & (basis.persons > 1)):
            count = basis.persons[i] / basis.factors[i] ** 2
            hits = count * min(max((value[i] - basis.bottom) / size, 0.0), 1.0)
            ends_of = beta.ppf([0.025, 0.975], [hits, hits + 1], [count - hits + 1, count - hits])
            lower[i], upper[i] = basis.bottom + size * np.where(
                np.isnan(ends_of), [0.0, 1.0], ends_of
            )
    return lower, upper


def interval_of_means(
    cells: np.ndarray,
    clusters: Sequence[str],
    weights: np.ndarray | None,
    sharing: Sharing | None = None,
    *,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    levels: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of every group's mean: resamples, games and few people all heeded.

    Args:
        cells: ``(subjects, 20)``, NaN where there is no label.
        clusters: the person of each subject.
        weights: of :func:`cluster_weights` for the same clusters.
        sharing: who shares games with whom; ``None`` where games are not known.
        bounds: of the cells; ``None`` for numbers of either sign, which have no interval from few people.
        levels: of the dataset, where cells are those of accuracy: a guess of all levels alike is then sure.

    Returns:
        Lower and upper ends, each ``(len(GROUPS),)``; NaN where there is none.
    """
    if weights is None:
        return bootstrap(cells, weights)
    values, known = influence_of_means(cells)
    factors = np.ones(len(GROUPS))
    if sharing is not None:
        factors = sharing.factors(values, known)
    bottom, top = bounds or (-np.inf, np.inf)
    sure = None if levels is None else all_tied(cells, levels)
    basis = Basis(persons_of(known, clusters), factors, bottom, top, bounds is not None, sure)
    return settled(group_means(cells)[0], *bootstrap(cells, weights), basis)


def few_persons(persons: int) -> str:
    """What to know of intervals from so few persons, in words; empty if they are enough."""
    if persons >= NARROW_PERSONS:
        return ""
    if persons >= FEW_PERSONS:
        return (
            f"So few say little: intervals from fewer than {NARROW_PERSONS} persons are too narrow."
        )
    return (
        f"So few say next to nothing: from fewer than {FEW_PERSONS} persons, accuracies have the "
        "intervals of as many yes-or-no answers, and other numbers none."
    )


def persons_of(known: np.ndarray, clusters: Sequence[str]) -> np.ndarray:
    """How many persons each column of ``(subjects, n)`` bool has."""
    of_subject = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)[1]
    return np.array([len(np.unique(of_subject[column])) for column in known.T])


def all_tied(cells: np.ndarray, levels: int) -> np.ndarray:
    """Groups whose cells of accuracy are all ``1 / levels``: every level is equally likely."""
    tied = (np.isnan(cells) | (np.abs(cells - 1 / levels) < 1e-12)).all(axis=0)
    rest = [tied[list(members)].all() for _, members in GROUPS[cells.shape[1] :]]
    return np.append(tied, rest)
