"""Krippendorff's alpha: how far raters agree beyond chance (Krippendorff 2019, chapter 12)."""

from __future__ import annotations

import numpy as np

__all__ = ["alpha"]


def alpha(ratings: np.ndarray, levels: int) -> float | None:
    """Krippendorff's alpha for ordinal levels; raters may have left units out.

    Args:
        ratings: ``(raters, units)`` float, levels from 0 to ``levels - 1``; NaN where there is none.
        levels: how many there are.

    Returns:
        1 where all agree, 0 where they agree as by chance; ``None`` where no unit has two ratings, or
        all of these ratings are the same.
    """
    counts = np.stack([(ratings == level).sum(axis=0) for level in range(levels)]).astype(float)
    counts = counts[:, counts.sum(axis=0) >= 2]
    if not counts.size:
        return None
    per_unit = counts.sum(axis=0)
    pairs = (counts / (per_unit - 1)) @ counts.T
    pairs[np.diag_indices(levels)] -= (counts / (per_unit - 1)).sum(axis=1)
    totals = pairs.sum(axis=1)
    # Distance of two levels: the ratings between their middles, squared.
    middles = np.cumsum(totals) - totals / 2
    distance = (middles[:, None] - middles[None, :]) ** 2
    expected = (np.outer(totals, totals) * distance).sum() / (totals.sum() - 1)
    if expected == 0:
        return None
    return float(1 - (pairs * distance).sum() / expected)
