"""Intervals that respect persons: a bootstrap over clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openbasket.evaluation.metrics import group_means

__all__ = ["bootstrap", "cluster_weights", "ends"]


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
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return draws[:, of_subject].astype(np.float32)


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
    known = ~np.isnan(drawn)
    whole = known.all(axis=0)
    found[:, whole] = np.quantile(drawn[:, whole], [tail, 1 - tail], axis=0)
    partly = known.any(axis=0) & ~whole
    found[:, partly] = np.nanquantile(drawn[:, partly], [tail, 1 - tail], axis=0)
    return found[0], found[1]
