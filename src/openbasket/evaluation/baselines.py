"""What a table must be compared with: guessing, what is most common, and league and season alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openbasket.dataset.reader import Sample
from openbasket.evaluation.scoring import label_array
from openbasket.skills import SKILL_KEYS

__all__ = ["majority", "random_guess", "text_only"]

#: How many subjects' worth of belief the level above gets: league over all, season over league.
PRIOR = 10.0


def random_guess(subjects: int, skills: int, levels: int) -> np.ndarray:
    """Every level equally likely: scores exactly ``1 / levels``."""
    return np.full((subjects, skills, levels), 1 / levels)


def majority(train_labels: np.ndarray, subjects: int, levels: int) -> np.ndarray:
    """The share of each level among the training labels of each skill.

    Args:
        train_labels: ``(training subjects, 20)``, NaN where there is no label.
        subjects: how many to predict.
        levels: number of levels.

    Returns:
        ``(subjects, 20, levels)``; a skill without training labels is guessed.
    """
    counts = np.stack([(train_labels == level).sum(axis=0) for level in range(levels)], axis=-1)
    totals = counts.sum(axis=-1, keepdims=True)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), 1 / levels)
    return np.broadcast_to(shares, (subjects, *shares.shape)).copy()


def text_only(train: Sequence[Sample], subjects: Sequence[Sample], levels: int) -> np.ndarray:
    """The share of each level in the subject's league and season among the training labels.

    Few labels are mixed with the league's shares, and those with all shares (:data:`PRIOR`); a league that
    was not trained on gets the shares of all.

    Args:
        train: training subjects.
        subjects: whom to predict.
        levels: number of levels.

    Returns:
        ``(subjects, 20, levels)``.
    """
    labels = label_array(train)
    everyone = majority(labels, 1, levels)[0]
    told: dict[tuple[str, str], np.ndarray] = {}
    for league, season in {(s.league, s.season) for s in subjects}:
        of_league = np.array([s.league == league for s in train], dtype=bool)
        of_both = of_league & np.array([s.season == season for s in train], dtype=bool)
        shares = _mixed(labels[of_league], everyone, levels)
        told[league, season] = _mixed(labels[of_both], shares, levels)
    return np.array([told[s.league, s.season] for s in subjects]).reshape(
        len(subjects), len(SKILL_KEYS), levels
    )


def _mixed(labels: np.ndarray, above: np.ndarray, levels: int) -> np.ndarray:
    counts = np.stack([(labels == level).sum(axis=0) for level in range(levels)], axis=-1)
    shares: np.ndarray = (counts + PRIOR * above) / (counts.sum(axis=-1, keepdims=True) + PRIOR)
    return shares
