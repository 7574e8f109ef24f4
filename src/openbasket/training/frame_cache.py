"""Decoded frames of each video, kept on disk, so that an epoch does not decode again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from openbasket.engine import run
from openbasket.errors import VideoError
from openbasket.video.frames import read_frames, uniform_indices
from openbasket.video.probe import probe
from openbasket.workspace import atomic_path

__all__ = ["cache_frames"]

MAX_FAULTS_SHOWN = 20


def cache_frames(
    videos: Sequence[Path],
    folder: Path,
    *,
    frames: int,
    short_side: int,
    workers: int | None = None,
    quiet: bool = False,
) -> list[Path]:
    """Decode ``frames`` uniform frames of each video, unless an earlier run did.

    A file of the cache is named by a hash of the video's path, size and time of change and of what
    was read from it; a changed video is read anew.

    Args:
        videos: the files.
        folder: where the cache lies.
        frames: frames taken from each video.
        short_side: short side of a frame, pixels.
        workers: processes; all cores by default.
        quiet: show no progress bar.

    Returns:
        For each video an ``.npy`` file with uint8 ``(frames, height, width, 3)``, RGB.

    Raises:
        VideoError: videos that are missing or do not decode; all of them in one message.
    """
    job = partial(_cache_one, folder=folder, frames=frames, short_side=short_side)
    outcomes = run(job, videos, describe="Reading frames", workers=workers, quiet=quiet)
    faults = [f"{o.item}: {o.error}" for o in outcomes if o.error is not None]
    if faults:
        shown = "\n".join(f"  - {fault}" for fault in faults[:MAX_FAULTS_SHOWN])
        more = len(faults) - MAX_FAULTS_SHOWN
        raise VideoError(
            f"{len(faults)} of {len(videos)} videos cannot be used:\n{shown}"
            + (f"\n  - and {more} more" if more > 0 else "")
            + "\nMake or fetch them again, or take their subjects out of the split files."
        )
    return [o.result for o in outcomes if o.result is not None]


def _cache_one(video: Path, *, folder: Path, frames: int, short_side: int) -> Path:
    if not video.is_file():
        raise VideoError(f"there is no video at '{video}'")
    stat = video.stat()
    indices = uniform_indices(probe(video).frames, frames)
    key = json.dumps([str(video.resolve()), stat.st_size, stat.st_mtime_ns, indices, short_side])
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"
    if not path.exists():
        pixels = read_frames(video, indices, short_side=short_side)
        with atomic_path(path) as temporary:
            np.save(temporary, pixels, allow_pickle=False)
    return path
