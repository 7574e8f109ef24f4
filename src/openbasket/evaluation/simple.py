"""A baseline that sees no play: the mean colour of the picture alone.

What they score above guessing is not skill: it is in the dataset's make-up, or in the scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from openbasket.dataset.frame_cache import cache_folder, cache_frames
from openbasket.evaluation.baselines import majority
from openbasket.skills import SKILL_KEYS

__all__ = ["colour_features", "mean_colour"]

#: Thumbnails of a reel, and the shorter side of one in pixels.
THUMBNAILS, THUMBNAIL_SIZE = 8, 32
#: Neighbours that are tried; the best on the validation split is kept, or none of them.
NEIGHBOURS = (5, 15, 45, 135)


def colour_features(
    videos: Sequence[Path],
    root: Path,
    *,
    workers: int | None = None,
    quiet: bool = False,
    failures: dict[Path, str] | None = None,
) -> dict[Path, np.ndarray]:
    """Mean colour of each quarter of the picture over thumbnails of each video, from 0 to 1: ``(12,)``.

    Thumbnails are the key frames next to even places, and are kept in the dataset's frame cache.

    Args:
        videos: the files.
        root: the dataset.
        workers: processes that decode; all cores by default.
        quiet: show no progress.
        failures: filled with what is wrong with videos, which are then left out of what is returned.
    """
    failures = {} if failures is None else failures
    entries = cache_frames(
        videos, cache_folder(root), root=root, frames=THUMBNAILS, short_side=THUMBNAIL_SIZE,
        sampling="keyframe", workers=workers, quiet=quiet, failures=failures,
    )  # fmt: skip
    good = [video for video in videos if video not in failures]
    features = {}
    for video, entry in zip(good, entries, strict=True):
        frames = entry.read().astype(np.float64) / 255
        rows, columns = (np.array_split(np.arange(n), 2) for n in frames.shape[1:3])
        features[video] = np.concatenate(
            [frames[:, r][:, :, c].mean(axis=(0, 1, 2)) for r in rows for c in columns]
        )
    return features


def mean_colour(
    train: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray],
    features: np.ndarray,
    levels: int,
) -> tuple[np.ndarray, int | None]:
    """The share of each level among the training subjects whose colours are nearest.

    How many neighbours, :data:`NEIGHBOURS` or all of the training split, is chosen by the log-likelihood
    of the validation labels. Colours are standardised; those at one distance count together, so that
    the order of rows decides nothing.

    Args:
        train: features ``(subjects, features)`` and labels ``(subjects, 20)``, NaN where there is none.
        val: the same, to choose by.
        features: ``(subjects, features)`` of those to predict; NaN rows are not predicted.
        levels: number of levels.

    Returns:
        ``(subjects, 20, levels)``, NaN where there are no features; and the neighbours chosen, ``None`` for
        all.
    """
    centre, spread = train[0].mean(axis=0), train[0].std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    near = (train[0] - centre) / spread
    everyone = majority(train[1], 1, levels)[0]

    def predict(rows: np.ndarray, count: int | None) -> np.ndarray:
        told = np.full((len(rows), len(SKILL_KEYS), levels), np.nan)
        for i, row in enumerate((rows - centre) / spread):
            if np.isnan(row).any():
                continue
            if count is None:
                told[i] = everyone
                continue
            distance = np.round(((near - row) ** 2).sum(axis=1), 9)
            limit = np.partition(distance, count - 1)[count - 1]
            labels = train[1][distance <= limit]
            counts = np.stack([(labels == level).sum(axis=0) for level in range(levels)], axis=-1)
            told[i] = (counts + everyone) / (counts.sum(axis=-1, keepdims=True) + 1)
        return told

    best, chosen = -np.inf, None
    known = ~np.isnan(val[1]) & ~np.isnan(val[0]).any(axis=1, keepdims=True)
    right = np.nan_to_num(val[1]).astype(int)[..., None]
    for count in (None, *(n for n in NEIGHBOURS if n < len(near))):
        hits = np.take_along_axis(predict(val[0], count), right, axis=-1)[..., 0][known]
        likelihood = np.log(np.maximum(hits, 1e-9)).mean() if known.any() else -np.inf
        if likelihood > best + 1e-12:
            best, chosen = likelihood, count
    return predict(features, chosen), chosen
