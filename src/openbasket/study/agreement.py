"""Krippendorff's alpha: how far raters agree beyond chance (Krippendorff 2019, chapter 12)."""

from __future__ import annotations

import numpy as np

__all__ = ["alpha", "alphas"]

#: Floats that a batch of resamples may take.
_BATCH = 4_000_000


def alpha(ratings: np.ndarray, levels: int) -> float | None:
    """Krippendorff's alpha for ordinal levels; raters may have left units out.

    All units must be ratings of one skill: units of skills with other typical levels would count as
    agreement that a skill's own level is known.

    Args:
        ratings: ``(raters, units)`` float, levels from 0 to ``levels - 1``; NaN where there is none.
        levels: how many there are.

    Returns:
        1 where all agree, 0 where they agree as by chance; ``None`` where no unit has two ratings, or
        all of these ratings are the same.
    """
    raters, units = ratings.shape
    [found] = alphas(ratings, levels, np.ones((1, raters)), np.ones((1, units)))
    return None if np.isnan(found) else float(found)


def alphas(
    ratings: np.ndarray, levels: int, rater_weights: np.ndarray, unit_weights: np.ndarray
) -> np.ndarray:
    """Alpha of resamples. Copies of one rater are not compared with each other: they would always agree.

    Args:
        ratings: ``(raters, units)`` as of :func:`alpha`.
        levels: how many there are.
        rater_weights: ``(resamples, raters)``, how often each rater was drawn.
        unit_weights: ``(resamples, units)``.

    Returns:
        ``(resamples,)``, NaN where alpha is not defined.
    """
    said = np.stack([(ratings == level).astype(float) for level in range(levels)])
    step = max(1, _BATCH // max(1, said[:, 0].size))
    return np.concatenate(
        [
            _batch(said, rater_weights[start : start + step], unit_weights[start : start + step])
            for start in range(0, len(rater_weights), step)
        ]
    )


def _batch(said: np.ndarray, rater_weights: np.ndarray, unit_weights: np.ndarray) -> np.ndarray:
    weights = rater_weights.astype(float)
    counts = np.stack([weights @ one for one in said], axis=1)
    own = np.stack([weights**2 @ one for one in said], axis=1)
    per_unit = counts.sum(axis=1)
    others = per_unit**2 - own.sum(axis=1)
    share = np.divide(per_unit, others, out=np.zeros_like(others), where=others > 0) * unit_weights
    pairs = (counts * share[:, None]) @ counts.transpose(0, 2, 1)
    place = np.arange(len(said))
    pairs[:, place, place] -= (own * share[:, None]).sum(axis=2)
    totals = pairs.sum(axis=2)
    # Distance of two levels: the ratings between their middles, squared.
    middles = np.cumsum(totals, axis=1) - totals / 2
    distance = (middles[:, :, None] - middles[:, None, :]) ** 2
    crossed = (totals[:, :, None] * totals[:, None, :] * distance).sum(axis=(1, 2))
    seen = (pairs * distance).sum(axis=(1, 2))
    found = np.full(len(weights), np.nan)
    known = crossed > 1e-9
    found[known] = 1 - seen[known] * (totals.sum(axis=1)[known] - 1) / crossed[known]
    return found
