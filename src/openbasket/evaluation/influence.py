"""What each subject adds to a number: the influence values of the infinitesimal jackknife.

A metric is a function of sums over subjects (:data:`openbasket.evaluation.metrics.METRICS`); the influence
of a subject is the slope of that function along what the subject puts into the sums (Jaeckel 1972; Efron
1982, chapter 6). To first order, a resample changes the metric by the influences of whom it draws.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from openbasket.evaluation.metrics import GROUPS, METRICS, Finish, over_groups

__all__ = ["influence_of_means", "influences", "labelled_groups"]

#: Step of a slope, in shares of a cell's weight among all.
_STEP = 1e-4


def influences(
    probabilities: np.ndarray,
    labels: np.ndarray,
    cells: Mapping[str, np.ndarray],
    names: tuple[str, ...] = tuple(METRICS),
) -> dict[str, np.ndarray]:
    """Influence of each subject on each metric of each group, times the number of subjects.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
        cells: of the metrics that are means of cells, ``(subjects, 20)`` each.
        names: of the metrics.

    Returns:
        Name -> ``(subjects, len(GROUPS))``.
    """
    found = {}
    columns_of: dict[object, np.ndarray] = {}
    for name in names:
        if name in cells:
            found[name] = _of_means(cells[name])
            continue
        metric = METRICS[name]
        if metric.columns not in columns_of:
            columns_of[metric.columns] = metric.columns(probabilities, labels)
        columns = columns_of[metric.columns]
        sums = columns.sum(axis=0)
        each = np.einsum("nsk,sk->ns", columns, _slopes(metric.finish, sums))
        counted = ~np.isnan(metric.finish(sums))
        if metric.nothing is not None:
            counted |= metric.nothing(sums)  # 0 there, whoever is drawn
        found[name] = len(labels) * _of_groups(each, counted)
    return found


def influence_of_means(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Influence of each subject on the mean of each group, times the number of subjects.

    Args:
        cells: ``(subjects, 20)``, NaN where there is no label.

    Returns:
        ``(subjects, len(GROUPS))``, and which subjects have a label in the group, likewise.
    """
    return _of_means(cells), labelled_groups(~np.isnan(cells))


def _of_means(cells: np.ndarray) -> np.ndarray:
    known = ~np.isnan(cells)
    counts = known.sum(axis=0)
    filled = np.where(known, cells, 0.0)
    centred = np.where(known, cells - filled.sum(axis=0) / np.maximum(counts, 1), 0.0)
    each = centred * len(cells) / np.maximum(counts, 1)
    return _of_groups(each, counts > 0)


def _slopes(finish: Finish, sums: np.ndarray) -> np.ndarray:
    """Slope of each skill's metric along each of its sums: ``(20, k)``; 0 where it is not defined."""
    step = _STEP * np.maximum(np.abs(sums).max(axis=-1), 1.0)
    slopes = np.zeros(sums.shape)
    for column in range(sums.shape[-1]):
        moved = np.stack([sums, sums])
        moved[0, :, column] += step
        moved[1, :, column] -= step
        above, below = finish(moved)
        slopes[:, column] = (above - below) / (2 * step)
    return np.asarray(np.nan_to_num(slopes, nan=0.0, posinf=0.0, neginf=0.0))


def _of_groups(each: np.ndarray, defined: np.ndarray) -> np.ndarray:
    return np.asarray(np.nan_to_num(over_groups(np.where(defined, each, np.nan))))


def labelled_groups(known: np.ndarray) -> np.ndarray:
    """Which subjects have a label in each group: ``(subjects, 20)`` -> ``(subjects, len(GROUPS))``."""
    count = known.shape[1]
    rest = [known[:, members].any(axis=1) for _, members in GROUPS[count:]]
    return np.concatenate([known, np.stack(rest, axis=1)], axis=1)
