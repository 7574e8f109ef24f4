"""Read single frames of a video: exactly those that are wanted, and of the others as little as can be.

Two ways lead to the same pictures. An MP4 with H.264 is read by its own index: of each group of pictures the
bytes up to the last wanted one, without those that no other refers to. All else, and whatever the first way
finds not to be whole, goes through FFmpeg's demuxer (:mod:`openbasket.video.groups` holds both). How long
each takes, beside other readers, is measured by ``benchmarks/reading.py``.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from threading import Lock
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from openbasket.errors import ConfigError, VideoError
from openbasket.storage import Place
from openbasket.video.groups import Group, Groups, open_groups
from openbasket.video.pictures import Scaler, Size
from openbasket.video.probe import Limits
from openbasket.wording import counted

__all__ = [
    "SAMPLINGS",
    "Every",
    "Frames",
    "Sampling",
    "Uniform",
    "Wanted",
    "frames_at",
    "spare_threads",
    "uniform_indices",
]

#: ``exact``: the frames that are wanted. ``keyframe``: to each the nearest that decodes by itself.
Sampling = Literal["exact", "keyframe"]
SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)


@dataclass(frozen=True, slots=True)
class Uniform:
    """So many frames spread evenly over a video, as :func:`uniform_indices` does.

    Args:
        count: frames.
    """

    count: int


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many-th frame of a video, from the first on.

    Args:
        step: frames from one to the next.
    """

    step: int


#: Places in the order of showing (whole numbers), or seconds from the first frame, or a rule.
Wanted: TypeAlias = Sequence[int] | Sequence[float] | Sequence[Fraction] | Uniform | Every


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of one video.

    Args:
        pixels: uint8 ``(T, height, width, 3)``, RGB.
        indices: each frame's place in the order of showing, int64 ``(T,)``.
        times_s: when each is shown, seconds from the first frame of the video, float64 ``(T,)``.
        errors_s: how much later than wanted (below 0: earlier), float64 ``(T,)``; all 0 where places were
            wanted and the sampling is ``exact``.
        sampling: how frames were chosen.
    """

    pixels: NDArray[np.uint8]
    indices: NDArray[np.int64]
    times_s: NDArray[np.float64]
    errors_s: NDArray[np.float64]
    sampling: Sampling

    @property
    def largest_error_s(self) -> float:
        """How far a frame lies from the wanted moment at most, in seconds."""
        return float(np.abs(self.errors_s).max(initial=0.0))


def uniform_indices(frames: int, count: int) -> list[int]:
    """Indices of ``count`` frames spread evenly over a video of ``frames`` frames.

    ``linspace(0, frames - 1, count)`` truncated to int, as the official loaders do.

    Raises:
        VideoError: there are no frames to choose from.
    """
    if frames < 1 or count < 1:
        raise VideoError(f"cannot spread {count} frames over a video of {frames}")
    return [int(i) for i in np.linspace(0, frames - 1, count)]


def spare_threads(videos: int, workers: int | None = None) -> int:
    """Threads to decode each of some videos with: two where there are twice as many cores as videos.

    Two threads decode a long reel in two thirds of the time (``benchmarks/reading.py``), for hardly more CPU
    time; but a core that has another video to read does more with that.

    Args:
        videos: how many are read at once, at most one for each worker.
        workers: processes that read; all cores by default.
    """
    cores = workers or os.cpu_count() or 1
    return 2 if cores >= 2 * max(videos, 1) else 1


def frames_at(
    path: Place,
    wanted: Wanted,
    size: Size = None,
    *,
    sampling: Sampling = "exact",
    threads: int = 1,
    limits: Limits | None = None,
    on_frames: Callable[[int, int], None] = lambda _done, _all: None,
) -> Frames:
    """Read frames of a video: equal to those of a full sequential decode, through the same scaler.

    Args:
        path: the file, or its URL.
        wanted: zero-based places in the order of showing; or seconds from the first frame (each gives the
            frame that is shown then); or :class:`Uniform` or
            :class:`Every`. In any order, repeats allowed.
        size: pixels of the shorter side, which keeps the aspect ratio; or ``(width, height)``; or ``None``:
            as the video is. Bicubic. A video that states a quarter turn or a mirror image is shown so.
        sampling: ``keyframe`` gives to each wanted frame the nearest one that decodes by itself (the earlier
            of two): another picture, many times faster where such frames are rare.
        threads: threads that decode; two pay where a video is long and cores are idle.
        limits: what to refuse before decoding.
        on_frames: called with the number of different frames that are read, and of all of them.

    Returns:
        The frames, in the order of ``wanted``.

    Raises:
        VideoError: the video has no such frame or does not decode; nothing is substituted.
        ConfigError: an unknown sampling, or no thread.
    """
    if sampling not in SAMPLINGS:
        raise ConfigError(f"sampling: got {sampling!r}; allowed: {', '.join(SAMPLINGS)}")
    if threads < 1:
        raise ConfigError(f"threads: got {threads}; allowed: at least 1")
    groups = open_groups(path, limits)
    times = groups.times_s
    places, moments = _chosen(path, wanted, times)
    if sampling == "keyframe":
        places = _nearest(groups.keys, times, moments)
    pixels = _pixels(path, groups, places, size, threads, on_frames)
    shown = times[places]
    return Frames(pixels, places, shown, shown - moments, sampling)


def _chosen(
    path: Place, wanted: Wanted, times: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the frames that are wanted, and the moments, in seconds."""
    if isinstance(wanted, Uniform):
        wanted = uniform_indices(len(times), wanted.count)
    elif isinstance(wanted, Every):
        wanted = range(0, len(times), wanted.step)
    if not len(wanted):
        raise VideoError(f"'{path}': no frames are asked for; ask for at least one")
    if all(isinstance(one, int | np.integer) for one in wanted):
        places = np.array([int(one) for one in wanted], np.int64)
        beyond = places[(places < 0) | (places >= len(times))]
        if len(beyond):
            told = counted(len(times), "frame")
            raise VideoError(f"'{path}' has {told}; asked for number {beyond.min()}")
        return places, times[places]
    moments = np.array([float(one) for one in wanted])
    step = times[-1] - times[-2] if len(times) > 1 else np.inf
    outside = moments[~((moments >= 0) & (moments < times[-1] + step))]
    if len(outside):
        raise VideoError(
            f"'{path}' is shown for {times[-1] + step:.3f} s; asked for {outside[0]:.3f} s"
        )
    # A moment that was rounded to a float may lie a hair before the frame that begins at it.
    return np.searchsorted(times, moments + 1e-9, side="right") - 1, moments


def _nearest(
    keys: NDArray[np.int64], times: NDArray[np.float64], moments: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The key frame nearest to each moment; the earlier of two."""
    at = times[keys]
    after = np.searchsorted(at, moments).clip(1, max(len(keys) - 1, 1))
    if len(keys) == 1:
        return np.repeat(keys, len(moments))
    nearer = moments - at[after - 1] <= at[after] - moments
    return np.asarray(keys[np.where(nearer, after - 1, after)])


def _pixels(
    path: Place,
    groups: Groups,
    places: NDArray[np.int64],
    size: Size,
    threads: int,
    on_frames: Callable[[int, int], None],
) -> NDArray[np.uint8]:
    """Decode and scale frames, group by group."""
    work = deque(_groups(groups.keys, places))
    made: list[NDArray[np.uint8]] = []
    lacking = set(places.tolist())
    count = len(lacking)
    lock = Lock()

    def read() -> None:
        scaler = Scaler(size)
        with groups.reader() as frames:
            for group in _taken(work):
                for place, frame in frames(group):
                    picture = scaler.scale(frame)
                    with lock:
                        if not made:
                            made.append(np.empty((len(places), *picture.shape), np.uint8))
                    if picture.shape != made[0].shape[1:]:
                        raise VideoError(
                            f"'{path}' changes the size of its picture; give a size (width, height)"
                        )
                    made[0][places == place] = picture
                    with lock:
                        lacking.discard(place)
                        on_frames(count - len(lacking), count)

    threads = min(threads, len(work))
    if threads == 1:
        read()
    else:
        from concurrent.futures import ThreadPoolExecutor  # with what it imports, a megabyte

        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(read) for _ in range(threads)]:
                done.result()
    if lacking:
        raise VideoError(f"'{path}': frame {min(lacking)} does not decode")
    return made[0]


def _taken(work: deque[Group]) -> Iterator[Group]:
    """The groups that no thread has taken yet, in order."""
    try:
        while work:
            yield work.popleft()
    except IndexError:  # another thread took the last one
        return


def _groups(keys: NDArray[np.int64], places: NDArray[np.int64]) -> list[Group]:
    """Split the wanted frames by the one from which each is decoded."""
    found: dict[int, list[int]] = {}
    for place in sorted(set(places.tolist())):
        edge = int(np.searchsorted(keys, place, side="right")) - 1
        found.setdefault(int(keys[edge]) if edge >= 0 else 0, []).append(place)
    return [Group(start, frozenset(wanted)) for start, wanted in found.items()]
