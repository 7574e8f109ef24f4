"""A group against the whole: a test whose error is over persons, and over the games that they share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openbasket.evaluation.games import Sharing

__all__ = ["FEW_PERSONS", "LEAST_APART", "Comparison", "can_tell", "compare", "uncommon"]

#: Groups, and what is beside them, with fewer persons are shown but not tested.
FEW_PERSONS = 10
#: Persons with an uncommon cell that each side must have if both are alike. With fewer a side often has none
#: by chance, shows no variance, and a t-test takes the difference for certain.
LEAST_APART = 8


@dataclass(frozen=True)
class Comparison:
    """A group against the whole, on the skills that both it and the others have labels of.

    Args:
        difference: of the group's mean from the whole's.
        low: lower end of its 95 % interval; ``None`` where nothing varies.
        high: upper end.
        t: the difference by its standard error over persons.
        p: two-sided, from Student's t; with Welch's degrees of freedom.
        p_less: that the group is less than the others by chance.
    """

    difference: float
    low: float | None
    high: float | None
    t: float
    p: float
    p_less: float


def compare(
    cells: np.ndarray,
    inside: np.ndarray,
    persons: np.ndarray,
    levels: np.ndarray | None = None,
    sharing: Sharing | None = None,
) -> Comparison | None:
    """Compare a group with the whole: a t-test whose error is over persons, not cells.

    With ``levels``, cells are compared with those of the same level alone, and the differences are weighted
    by how often the group has each level (direct standardisation). Levels that only one side has say nothing.
    It is a regression of the cells on the group with a constant for each level (Frisch and Waugh 1933).

    The standard error is the linearised one over clusters (Liang and Zeger 1986); a person with subjects on
    both sides counts once. Degrees of freedom are Welch's. Without levels, with one skill and one subject of
    each person, it is Welch's test.

    Args:
        cells: ``(subjects, 20)``, NaN where there is nothing to count.
        inside: ``(subjects,)`` bool: who is in the group.
        persons: ``(subjects,)`` whole numbers from 0: which person each subject is.
        levels: ``(subjects, 20)``, the true levels; by default all cells are compared with all.
        sharing: who shares games with whom, if known.

    Returns:
        ``None`` where group or others have fewer than :data:`FEW_PERSONS` persons, or no skill in common.
    """
    from scipy.stats import t as student

    known = ~np.isnan(cells)
    level = np.zeros(cells.shape, int) if levels is None else np.nan_to_num(levels).astype(int)
    at = (np.arange(level.max(initial=0) + 1) == level[..., None]) & known[..., None]
    counts, mine = at.sum(axis=0), at[inside].sum(axis=0)  # (20, levels)
    share = mine / np.maximum(counts, 1)
    both = (mine * (1 - share)).sum(axis=1) > 0
    sides = [inside, ~inside]
    people = [len(np.unique(persons[side & known[:, both].any(axis=1)])) for side in sides]
    if not both.any() or min(people) < FEW_PERSONS:
        return None
    at, known, filled = at[:, both], known[:, both], np.where(known, cells, 0.0)[:, both]
    counts, mine, share = counts[both], mine[both], share[both]
    means = (at * filled[..., None]).sum(axis=0) / np.maximum(counts, 1)
    # How much more than the level's share each cell is the group's, and what the group does not explain.
    apart = np.where(known, inside[:, None] - (at * share).sum(axis=-1), 0.0)
    slope = (apart * filled).sum(axis=0) / (apart**2).sum(axis=0)
    rest = np.where(known, filled - (at * means).sum(axis=-1) - slope * apart, 0.0)
    weights = apart / mine.sum(axis=1)
    difference = float((weights * filled).sum(axis=0).mean())
    pull = (weights * rest).mean(axis=1)
    for side, number in zip(sides, people, strict=True):
        pull[side] *= np.sqrt(number / (number - 1))
    variance = float((np.bincount(persons, pull) ** 2).sum())
    if variance < 1e-18:
        same = abs(difference) < 1e-9
        return Comparison(
            difference, None, None, 0.0 if same else float(np.copysign(np.inf, difference)),
            1.0 if same else 0.0, 1.0 if same or difference > 0 else 0.0,
        )  # fmt: skip
    parts = [float((np.bincount(persons[side], pull[side]) ** 2).sum()) for side in sides]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (number - 1) for part, number in zip(parts, people, strict=True)
    )
    if sharing is not None:
        labelled = known.any(axis=1)
        values = rest.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        added = sharing.added(values[:, None], weights.mean(axis=1)[:, None], labelled[:, None])
        variance += float(added[0])
    error = np.sqrt(variance)
    t = difference / error
    reach = error * student.ppf(0.975, freedom)
    return Comparison(
        difference,
        float(difference - reach),
        float(difference + reach),
        float(t),
        float(2 * student.sf(abs(t), freedom)),
        float(student.cdf(t, freedom)),
    )


def uncommon(cells: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Cells other than the commonest of their skill and true level: errors, where most are right.

    Args:
        cells: ``(subjects, 20)``, NaN where there is nothing to count, which is not uncommon.
        levels: ``(subjects, 20)``, the true levels.

    Returns:
        ``(subjects, 20)`` bool.
    """
    found = np.zeros(cells.shape, bool)
    known, levels = ~np.isnan(cells), np.nan_to_num(levels)
    for skill, column in enumerate(np.round(cells, 9).T):
        for level in np.unique(levels[known[:, skill], skill]):
            rows = np.flatnonzero(known[:, skill] & (levels[:, skill] == level))
            values, count = np.unique(column[rows], return_counts=True)
            found[rows, skill] = column[rows] != values[count.argmax()]
    return found


def can_tell(apart: np.ndarray, known: np.ndarray, inside: np.ndarray, persons: np.ndarray) -> bool:
    """Whether a group and the others would each have :data:`LEAST_APART` persons with an uncommon cell.

    Counted is what either would have if it had its share of these persons, as in Cochran's rule for tables
    (1954): a side without any, of whom there should be many, tells something.

    Args:
        apart: ``(subjects, 20)`` bool, of :func:`uncommon`.
        known: ``(subjects, 20)`` bool, cells that count.
        inside: ``(subjects,)`` bool: who is in the group.
        persons: ``(subjects,)`` whole numbers from 0: which person each subject is.
    """
    both = known[inside].any(axis=0) & known[~inside].any(axis=0)
    labelled, other = known[:, both].any(axis=1), apart[:, both].any(axis=1)
    if not other.any():
        return False
    share = len(np.unique(persons[other])) / len(np.unique(persons[labelled]))
    sides = [len(np.unique(persons[labelled & side])) for side in (inside, ~inside)]
    return share * min(sides) >= LEAST_APART
