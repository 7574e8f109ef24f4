"""What a table must be compared with: guessing, and always saying what is most common."""

from __future__ import annotations

import numpy as np

__all__ = ["majority", "random_guess"]


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
