"""What a table must be compared with: guessing, what is most common, and league and season alone.

Levels are equal shares inside each league and season, so that what is a little too common in the training
split is a little too rare in all others. A baseline that always answers with it scores below chance, by
construction and for nothing. Counts are therefore believed only where they differ from equal shares beyond
chance (Pearson's chi-square); elsewhere all levels are equally likely, which scores chance. The tests are not
corrected for their number: counts of a sample of equal shares vary less than the test assumes, so that
hardly any is believed by mistake; and where labels are no such sample, a mistake costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openbasket.dataset.reader import Sample
from openbasket.evaluation.scoring import label_array
from openbasket.skills import SKILL_KEYS

__all__ = ["majority", "random_guess", "text_only"]

#: How many subjects' worth of belief the level above gets: league over all, season over league.
PRIOR = 10.0
#: Counts are believed where equal shares give such ones less often than this.
SURE = 0.05
#: Expected labels of each level below which chi-square is no good guide (Cochran 1954).
LEAST_EXPECTED = 5


def random_guess(subjects: int, skills: int, levels: int) -> np.ndarray:
    """Every level equally likely: scores exactly ``1 / levels``."""
    return np.full((subjects, skills, levels), 1 / levels)


def majority(train_labels: np.ndarray, subjects: int, levels: int) -> np.ndarray:
    """The share of each level among the training labels of each skill, where these are not alike.

    Args:
        train_labels: ``(training subjects, 20)``, NaN where there is no label.
        subjects: how many to predict.
        levels: number of levels.

    Returns:
        ``(subjects, 20, levels)``; a skill whose counts may as well be equal shares is guessed.
    """
    shares = _believed(_counts(train_labels, levels)[None], random_guess(1, 1, levels), 0.0)[0]
    return np.broadcast_to(shares, (subjects, *shares.shape)).copy()


def text_only(train: Sequence[Sample], subjects: Sequence[Sample], levels: int) -> np.ndarray:
    """The share of each level in the subject's league and season among the training labels.

    Where these may as well be equal shares it is that of the league, and then that of all. Few labels are
    mixed with what stands above them (:data:`PRIOR`).

    Args:
        train: training subjects.
        subjects: whom to predict.
        levels: number of levels.

    Returns:
        ``(subjects, 20, levels)``.
    """
    labels = label_array(train)
    told: dict[tuple[str, ...], np.ndarray] = {(): majority(labels, 1, levels)[0]}
    for depth in (1, 2):
        of = [(s.league, s.season)[:depth] for s in train]
        places = sorted(set(of))
        if not places:
            break
        rows = [np.array([own == place for own in of], dtype=bool) for place in places]
        counts = np.stack([_counts(labels[some], levels) for some in rows])
        above = np.stack([told[place[:-1]] for place in places])
        told |= dict(zip(places, _believed(counts, above, PRIOR), strict=True))
    nearest = [
        next(told[place] for n in (2, 1, 0) if (place := (s.league, s.season)[:n]) in told)
        for s in subjects
    ]
    return np.array(nearest).reshape(len(subjects), len(SKILL_KEYS), levels)


def _counts(labels: np.ndarray, levels: int) -> np.ndarray:
    """Labels of each skill and level: ``(20, levels)``."""
    return np.stack([(labels == level).sum(axis=0) for level in range(levels)], axis=-1)


def _believed(counts: np.ndarray, above: np.ndarray, prior: float) -> np.ndarray:
    """Shares of counts ``(places, 20, levels)`` where they are no equal ones, else those above them."""
    from scipy.stats import chi2

    levels = counts.shape[-1]
    totals = counts.sum(axis=-1, keepdims=True)
    expected = np.maximum(totals, 1) / levels
    distance = ((counts - totals / levels) ** 2 / expected).sum(axis=-1)
    p = np.where(expected[..., 0] < LEAST_EXPECTED, 1.0, chi2.sf(distance, levels - 1))
    mixed = (counts + prior * above) / np.maximum(totals + prior, 1)
    found: np.ndarray = np.where(p[..., None] < SURE, mixed, above)
    return found
