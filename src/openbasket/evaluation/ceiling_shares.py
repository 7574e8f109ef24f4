"""Shares of what could be seen, (accuracy - chance) / (ceiling - chance), with Fieller's intervals."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from openbasket.evaluation.games import Sharing
from openbasket.evaluation.influence import influence_of_means
from openbasket.evaluation.intervals import (
    FEW_PERSONS,
    all_tied,
    cluster_weights,
    interval_of_means,
    persons_of,
)
from openbasket.evaluation.metrics import GROUPS, group_means
from openbasket.evaluation.results import Score
from openbasket.skills import SKILL_KEYS

__all__ = ["LEAST_PERSONS", "WIDEST", "Ceilings", "fieller"]

#: A group of fewer persons has no ceiling of its own.
LEAST_PERSONS = 30
#: An interval of a share that is wider, in times of the ceiling, says nothing and is not shown.
WIDEST = 10.0
_Z = 1.959964  # of a 95 % interval
#: Standard deviations of draws that are smaller are none.
_EQUAL = 1e-6


class Ceilings:
    """The ceiling of a part of a split, and shares of it.

    Where the part has :data:`LEAST_PERSONS` persons or more, it is that of its own people; else that of the
    whole split. Both terms of a share are drawn together, person by person.

    Args:
        right: of the split, ``(subjects, 20)``.
        labels: of the split, NaN where there is none.
        persons: of the split.
        rows: of the part; all by default.
        games: which share of each subject's clips each game has, of
            :func:`openbasket.evaluation.games.game_shares` for the split; ``None`` where it is not known.
        chance: accuracy of guessing.
        resamples, seed: of the bootstrap over persons.
    """

    def __init__(
        self,
        right: np.ndarray,
        labels: np.ndarray,
        persons: Sequence[str],
        rows: Sequence[int] | None = None,
        *,
        games: Any = None,
        chance: float,
        resamples: int = 2000,
        seed: int = 0,
    ) -> None:
        mine = np.arange(len(labels)) if rows is None else np.asarray(rows, dtype=int)
        both = ~np.isnan(right) & ~np.isnan(labels)
        self.chance = chance
        self.own = rows is None or len({persons[row] for row in mine}) >= LEAST_PERSONS
        drawn = mine if self.own else np.arange(len(labels))
        of_drawn = [persons[row] for row in drawn]
        weights = cluster_weights(of_drawn, resamples, seed)
        self._sharing = (
            None if games is None or weights is None else Sharing(games[drawn], of_drawn)
        )
        once = np.ones((1, len(drawn)), dtype=np.float32)
        self._weights = once if weights is None else np.concatenate([once, weights])
        inside = np.isin(drawn, mine)
        self._of_run = inside[:, None] & both[drawn]
        # Over exactly the skills that both have.
        in_both = self._of_run.any(axis=0)
        self._place = np.flatnonzero(inside)
        cells = np.where(both[drawn] & in_both, right[drawn], np.nan)
        self._mean = group_means(cells, self._weights)
        self._influence, self._known = influence_of_means(cells)
        run_known = influence_of_means(np.where(self._of_run, 0.0, np.nan))[1]
        self._persons = persons_of(run_known, of_drawn)
        labelled = ~np.isnan(labels[mine])
        self.counts = {
            name: (int(both[mine][:, members].sum()), int(labelled[:, members].sum()))
            for name, members in GROUPS
        }
        #: Group -> the ceiling's accuracy, over the skills that are measured.
        self.scores: dict[str, Score] = {}
        low, high = interval_of_means(cells, of_drawn, weights, self._sharing)
        for number, (name, members) in enumerate(GROUPS):
            if np.isnan(self._mean[0, number]):
                continue
            count = int((~np.isnan(cells))[:, members].sum())
            self.scores[name] = Score(
                float(self._mean[0, number]),
                _known(low[number]),
                _known(high[number]),
                count,
                count,
            )
        #: Skills that have labels, and no ceiling.
        self.lacking = [
            key for key in SKILL_KEYS if self.counts[key][1] and not self.counts[key][0]
        ]

    @property
    def unclear(self) -> list[str]:
        """Groups whose ceiling is not clearly above chance: its interval reaches it, or there is none."""
        return [name for name in self.scores if not self._is_clear(name)]

    def _is_clear(self, name: str) -> bool:
        low = self.scores[name].low
        return low is not None and low > self.chance

    def shares(self, cells: np.ndarray, without: dict[str, str] | None = None) -> dict[str, Score]:
        """Share of each group whose ceiling is clearly above chance, with Fieller's interval.

        A share has no interval where fewer than :data:`~openbasket.evaluation.intervals.FEW_PERSONS` persons
        have a label, where it is the same whoever is drawn, and where the interval has no end or is wider
        than :data:`WIDEST`. That of a guess of all levels alike is zero, surely.

        Args:
            cells: how right a run is in the part, ``(subjects of it, 20)``.
            without: filled with the groups whose share has no interval, and why.
        """
        without = {} if without is None else without
        wide = np.full(self._of_run.shape, np.nan)
        wide[self._place] = cells
        wide = np.where(self._of_run, wide, np.nan)
        tops = group_means(wide, self._weights) - self.chance
        bottoms = self._mean - self.chance
        factors = self._factors(wide)
        guess = all_tied(wide, round(1 / self.chance))
        found = {}
        for number, (name, _) in enumerate(GROUPS):
            if name not in self.scores or not self._is_clear(name):
                continue
            value = float(tops[0, number] / bottoms[0, number])
            ends: tuple[float | None, float | None] = (None, None)
            if guess[number]:
                ends = (value, value)
            elif self._persons[number] < FEW_PERSONS:
                without[name] = f"fewer than {FEW_PERSONS} persons"
            elif _spread(tops[1:, number] - value * bottoms[1:, number]) < _EQUAL:
                without[name] = "the same whoever is drawn"
            else:
                made = fieller(tops[:, number], bottoms[:, number], factors[:, number])
                if made is None or made[1] - made[0] > WIDEST:
                    without[name] = f"wider than {WIDEST:.0f} times the ceiling"
                else:
                    ends = made
            found[name] = Score(value, *ends, *self.counts[name])
        return found

    def _factors(self, cells: np.ndarray) -> np.ndarray:
        """By how much games widen accuracy, ceiling and their difference: ``(3, len(GROUPS))``."""
        if self._sharing is None:
            return np.ones((3, len(GROUPS)))
        influence, known = influence_of_means(cells)
        values = np.concatenate([influence, self._influence, influence - self._influence], axis=1)
        counted = np.concatenate([known, self._known, self._known], axis=1)
        return self._sharing.factors(values, counted).reshape(3, -1)


def fieller(
    tops: np.ndarray, bottoms: np.ndarray, factors: Sequence[float] | np.ndarray = (1.0, 1.0, 1.0)
) -> tuple[float, float] | None:
    """The 95 % interval of a ratio of means by Fieller's theorem (1954, section 4).

    The variances and the covariance are those of the draws, so that the interval carries what is not sure
    about either term, and that both are of the same people.

    Args:
        tops: ``(1 + resamples,)``, the value first, then its draws.
        bottoms: the same, of the same people in each draw.
        factors: by how much games widen the intervals of top, bottom and top less bottom.

    Returns:
        Lower and upper end; ``None`` where the bottom may as well be zero, since the interval has no end
        then.
    """
    top, bottom = float(tops[0]), float(bottoms[0])
    known = ~np.isnan(tops[1:]) & ~np.isnan(bottoms[1:])
    if bottom <= 0 or known.sum() < 2:
        return None
    (of_top, of_both), (_, of_bottom) = np.cov(tops[1:][known], bottoms[1:][known])
    apart = factors[2] ** 2 * max(of_top + of_bottom - 2 * of_both, 0.0)
    of_top, of_bottom = of_top * factors[0] ** 2, of_bottom * factors[1] ** 2
    most = sqrt(of_top * of_bottom)
    of_both = min(max((of_top + of_bottom - apart) / 2, -most), most)
    loose = _Z**2 * of_bottom / bottom**2
    if loose >= 1:
        return None
    ratio = top / bottom
    middle = (ratio - _Z**2 * of_both / bottom**2) / (1 - loose)
    spread = of_top - 2 * ratio * of_both + ratio**2 * of_bottom
    if of_bottom > 0:
        spread -= loose * (of_top - of_both**2 / of_bottom)
    half = _Z / (bottom * (1 - loose)) * sqrt(max(0.0, spread))
    return float(middle - half), float(middle + half)


def _spread(draws: np.ndarray) -> float:
    """Standard deviation of draws; 0 where there are none."""
    known = draws[~np.isnan(draws)]
    return float(known.std()) if len(known) else 0.0


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
