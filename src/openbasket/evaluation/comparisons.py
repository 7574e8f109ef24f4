"""Is one run better than another, or is it noise? Paired tests over persons, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_lowercase

import numpy as np

from openbasket.evaluation.games import Sharing
from openbasket.evaluation.influence import influence_of_means
from openbasket.evaluation.intervals import checked_draws, cluster_weights, interval_of_means
from openbasket.evaluation.metrics import GROUPS, group_means

__all__ = [
    "BLOCK", "FLIPS", "Paired", "flipped", "holm", "letters", "p_of_flips", "paired", "person_points",
    "sign_flip",
]  # fmt: skip

#: Random signs of a test.
FLIPS = 20_000
#: Tests that are in memory at once.
BLOCK = 256
_CHUNK = 2_000
#: So many groups of runs, some of which may yet fall together, are not made one by one.
_HOPELESS = 200


def person_points(cells: np.ndarray, clusters: Sequence[str]) -> np.ndarray:
    """How much each person adds to the mean of the skills' means: ``(persons,)``, names sorted.

    Args:
        cells: ``(subjects, 20)``, NaN where there is no label.
        clusters: the person of each subject.
    """
    known = ~np.isnan(cells)
    counts = known.sum(axis=0)
    skills = max(int((counts > 0).sum()), 1)
    shares = np.where(known, cells, 0.0) / np.maximum(counts, 1) / skills
    names, of_subject = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    return np.bincount(of_subject, weights=shares.sum(axis=1), minlength=len(names))


def sign_flip(
    differences: np.ndarray,
    seed: int = 0,
    flips: int = FLIPS,
    factors: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Two-sided p values: could the differences of persons just as well have the other sign?

    A paired permutation test (Good 2005, section 3.2). The p values count the data as one of the
    permutations, so that none is zero (Phipson and Smyth 2010). Random flips see no p below one in their
    number; Hoeffding's bound of the same distribution (1963, theorem 2), which is never below its p value,
    takes their place where it is smaller. So a clear difference stays clear among many comparisons.

    Signs of persons are free of each other only where persons are. Where they share games, a sum counts as
    much less as its standard error is larger (a design effect, as in Rao and Scott 1981).

    Args:
        differences: ``(persons, tests)``; their sum over persons is tested against zero.
        seed: of the signs, which all tests share.
        flips: how many.
        factors: ``(tests,)``, of :meth:`openbasket.evaluation.games.Sharing.factors` of the differences.

    Returns:
        ``(tests,)``.
    """
    found = np.ones(differences.shape[1])
    factors = np.broadcast_to(factors, found.shape)
    for begin in range(0, len(found), BLOCK):
        some = slice(begin, begin + BLOCK)
        sums = flipped(differences[:, some], seed, flips)
        found[some] = p_of_flips(sums, differences[:, some], factors[some])
    return found


def flipped(values: np.ndarray, seed: int = 0, flips: int = FLIPS) -> np.ndarray:
    """Sums over persons with random signs: ``(persons, n)`` -> ``(flips, n)``.

    The sum of a difference is the difference of sums, so that those of runs are enough for all their pairs.
    """
    rng = np.random.default_rng(seed)
    sums = np.empty((flips, values.shape[1]))
    for begin in range(0, flips, _CHUNK):
        rows = sums[begin : begin + _CHUNK]
        signs = rng.integers(0, 2, (len(rows), len(values)), dtype=np.int8).astype(float) * 2 - 1
        np.matmul(signs, values, out=rows)
    return sums


def p_of_flips(
    sums: np.ndarray, differences: np.ndarray, factors: np.ndarray | float = 1.0
) -> np.ndarray:
    """P values of :func:`sign_flip`, of sums ``(flips, tests)`` of :func:`flipped`."""
    # Equal sums count as at least as large, whatever the order of adding.
    bar = np.abs(differences.sum(axis=0)) / factors - 1e-12
    above = (np.abs(sums) >= bar).sum(axis=0)
    spread = (differences**2).sum(axis=0)
    bound = 2 * np.exp(-(np.maximum(bar, 0.0) ** 2) / (2 * np.where(spread > 0, spread, 1.0)))
    return np.asarray(np.minimum((above + 1) / (len(sums) + 1), bound))


@dataclass(frozen=True)
class Paired:
    """What one side has more than the other, on the same subjects: of each group.

    Args:
        difference: ``(len(GROUPS),)``.
        low, high: 95 % interval; NaN where there is none.
        p: of the paired sign-flip test, not corrected for their number; NaN where there are no labels.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def paired(
    one: np.ndarray,
    other: np.ndarray,
    clusters: Sequence[str],
    sharing: Sharing | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Paired:
    """Compare the cells of two runs, two draws or two observers; persons and games are heeded.

    Args:
        one: ``(subjects, 20)``; a cell counts where neither is NaN.
        other: likewise.
        clusters: the person of each subject.
        sharing: who shares games with whom; ``None`` where games are not known.
        resamples: of the bootstrap, 100 to 100,000.
        seed: of the bootstrap and of the signs.

    Raises:
        ConfigError: too few or too many resamples, or a negative seed.
    """
    checked_draws(resamples, seed)
    cells = one - other
    weights = cluster_weights(clusters, resamples, seed)
    low, high = interval_of_means(cells, clusters, weights, sharing, bounds=None)
    values, known = influence_of_means(cells)
    factors = np.ones(len(GROUPS))
    if sharing is not None:
        factors = sharing.factors(values, known)
    points = np.stack([person_points(cells[:, members], clusters) for _, members in GROUPS], axis=1)
    p = np.where(known.any(axis=0), sign_flip(points, seed, factors=factors), np.nan)
    return Paired(group_means(cells)[0], low, high, p)


def holm(p: np.ndarray) -> np.ndarray:
    """P values corrected so that a false alarm anywhere is as rare as one test says (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def letters(ranked: Sequence[str], different: Mapping[frozenset[str], bool]) -> dict[str, str]:
    """Letters of runs: two that share one cannot be told apart (Piepho 2004, insert and absorb).

    Args:
        ranked: runs, the best first.
        different: which pairs differ beyond noise.

    Returns:
        run -> letters, such as ``ab``; ``a`` is the group of the best. Nothing where there are more groups
        than letters: of many runs there may be thousands, which take hours and tell nobody anything.
    """
    groups = [frozenset(ranked)]
    for pair in combinations(ranked, 2):
        if not different.get(frozenset(pair), False):
            continue
        split = [
            part
            for group in groups
            for part in ((group - {run} for run in pair) if group.issuperset(pair) else (group,))
        ]
        groups = [
            group
            for place, group in enumerate(split)
            if not any(group < other for other in split) and group not in split[:place]
        ]
        if len(groups) > _HOPELESS:
            return {}
    if len(groups) > len(ascii_lowercase):
        return {}
    place_of = {run: place for place, run in enumerate(ranked)}
    groups.sort(key=lambda group: sorted(place_of[run] for run in group))
    return {
        run: "".join(
            name for name, group in zip(ascii_lowercase, groups, strict=False) if run in group
        )
        for run in ranked
    }
