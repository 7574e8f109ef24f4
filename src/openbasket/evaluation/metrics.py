"""How good predicted levels are. Each metric is one function; ``METRICS`` lists them.

Shapes: ``correct`` and the like are ``(subjects, 20)``; a cell without a label is NaN and counts nowhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from openbasket.skills import CATEGORIES, SKILLS

__all__ = ["GROUPS", "METRICS", "accuracy_cells", "group_means", "within_one_cells"]

#: What accuracy is averaged over: each skill, each category, all.
GROUPS: tuple[tuple[str, tuple[int, ...]], ...] = (
    *((s.key, (i,)) for i, s in enumerate(SKILLS)),
    *((c, tuple(i for i, s in enumerate(SKILLS) if s.category == c)) for c in CATEGORIES),
    ("mean", tuple(range(len(SKILLS)))),
)


def accuracy_cells(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 where the likeliest level is the label, 0 where not, NaN where there is no label.

    Levels that are equally likely share the point: with ``k`` of them, one of which is right, the cell
    is ``1 / k``. So a model that says nothing scores what guessing does, not what argmax's habit of
    taking the first does. A skill for which a model gave no level is not right, as in the paper, which
    scores the levels that are in the answers: leaving skills out must not make a number better.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
    """
    best = probabilities == probabilities.max(axis=-1, keepdims=True)
    right = np.take_along_axis(best, np.nan_to_num(labels).astype(int)[..., None], axis=-1)[..., 0]
    cells = right / np.maximum(best.sum(axis=-1), 1)
    return np.where(np.isnan(labels), np.nan, cells)


def within_one_cells(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 where the likeliest level is at most one away from the label; equals share the point.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN, and never near, where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
    """
    best = probabilities == probabilities.max(axis=-1, keepdims=True)
    near = np.abs(np.arange(probabilities.shape[-1]) - labels[..., None]) <= 1
    cells = (best & near).sum(axis=-1) / np.maximum(best.sum(axis=-1), 1)
    return np.where(np.isnan(labels), np.nan, cells)


#: Name -> cells; each is averaged over subjects, then over skills.
METRICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "accuracy": accuracy_cells,
    "within_one": within_one_cells,
}


def group_means(cells: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean of each group: over subjects for each skill, then over the group's skills.

    The paper's metric (section 5): the accuracy of each skill, averaged over the skills. A skill
    without any label is left out of the averages.

    Args:
        cells: ``(subjects, 20)``, NaN where there is no label.
        weights: ``(resamples, subjects)``, how often each subject counts; once by default.

    Returns:
        ``(resamples, len(GROUPS))``; NaN where nothing is labelled.
    """
    weights = np.ones((1, len(cells))) if weights is None else weights
    has = ~np.isnan(cells)
    counts = weights @ has
    sums = weights @ np.where(has, cells, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        skills = sums / counts
    means = np.full((len(weights), len(GROUPS)), np.nan)
    labelled = ~np.isnan(skills)
    for column, (_, members) in enumerate(GROUPS):
        part, known = skills[:, members], labelled[:, members]
        total = known.sum(axis=1)
        summed = np.where(known, part, 0.0).sum(axis=1)
        means[:, column] = np.where(total > 0, summed / np.maximum(total, 1), np.nan)
    return means
