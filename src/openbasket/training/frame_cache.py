"""Decoded frames of each video, kept on disk, so that an epoch does not decode again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openbasket.engine import run
from openbasket.errors import ConfigError, VideoError
from openbasket.video.frames import read_frames, uniform_indices
from openbasket.video.probe import probe
from openbasket.workspace import atomic_path

__all__ = ["Entry", "cache_frames"]

MAX_FAULTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """The frames of one video.

    Args:
        path: where they lie.
        largest_error_s: how far a frame lies from the wanted moment at most, seconds.
    """

    path: Path
    largest_error_s: float = 0.0

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._array())

    def read(self, places: Sequence[int] | None = None) -> NDArray[np.uint8]:
        """Read frames, and no others.

        Args:
            places: which of those that are held; by default all.

        Returns:
            uint8 ``(len(places), height, width, 3)``, RGB.

        Raises:
            VideoError: the entry is gone or damaged.
        """
        frames = self._array()
        return np.array(frames if places is None else frames[list(places)])

    def _array(self) -> NDArray[np.uint8]:
        try:
            frames: NDArray[np.uint8] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise VideoError(
                f"'{self.path}' cannot be read ({error}). Remove it and run the same command again"
            ) from None
        return frames


def cache_frames(
    videos: Sequence[Path],
    folder: Path,
    *,
    frames: int,
    short_side: int,
    interval: int | None = None,
    reader: str = "exact",
    workers: int | None = None,
    quiet: bool = False,
    failures: dict[Path, str] | None = None,
) -> list[Entry]:
    """Decode ``frames`` uniform frames of each video, unless an earlier run did.

    A file of the cache is named by a hash of the video's path, size and time of change and of what
    was read from it; a changed video is read anew.

    Args:
        videos: the files.
        folder: where the cache lies.
        frames: frames taken from each video.
        short_side: short side of a frame, pixels.
        interval: take every so many-th frame of the whole video instead.
        reader: ``exact``.
        workers: processes; all cores by default.
        quiet: show no progress bar.
        failures: filled with what is wrong with videos, which are then left out of what is returned.

    Returns:
        An entry for each video, in their order.

    Raises:
        VideoError: videos that are missing or do not decode; all of them in one message.
        ConfigError: another reader.
    """
    if reader != "exact":
        raise ConfigError(f"data.reader: got '{reader}'; allowed: exact")
    job = partial(
        _cache_one, folder=folder, frames=frames, short_side=short_side, interval=interval
    )
    outcomes = run(job, videos, describe="Reading frames", workers=workers, quiet=quiet)
    found = [(o.item, o.error) for o in outcomes if o.error is not None]
    if failures is not None:
        failures.update(found)
    elif found:
        faults = [f"{video}: {error}" for video, error in found]
        shown = "\n".join(f"  - {fault}" for fault in faults[:MAX_FAULTS_SHOWN])
        more = len(faults) - MAX_FAULTS_SHOWN
        raise VideoError(
            f"{len(faults)} of {len(videos)} videos cannot be used:\n{shown}"
            + (f"\n  - and {more} more" if more > 0 else "")
            + "\nMake or fetch them again, or take their subjects out of the split files."
        )
    return [o.result for o in outcomes if o.result is not None]


def _cache_one(
    video: Path, *, folder: Path, frames: int, short_side: int, interval: int | None
) -> Entry:
    if not video.is_file():
        raise VideoError(f"there is no video at '{video}'")
    stat = video.stat()
    count = probe(video).frames
    indices = uniform_indices(count, frames) if interval is None else [*range(0, count, interval)]
    key = json.dumps([str(video.resolve()), stat.st_size, stat.st_mtime_ns, indices, short_side])
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"
    if not path.exists():
        pixels = read_frames(video, indices, short_side=short_side)
        with atomic_path(path) as temporary:
            np.save(temporary, pixels, allow_pickle=False)
    return Entry(path)
