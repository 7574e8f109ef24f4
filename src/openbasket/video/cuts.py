"""Where a video changes from one shot to another at once: the clips of a reel.

A frame begins a shot where it differs from the frame before it far more than its neighbours differ among
themselves, and where what follows stays different: a flash of one frame is none. Frames are compared as small
pictures, so that the ball, players and a scoreboard's clock weigh little against a new view.

Source: a threshold that follows the movement, as in PySceneDetect's AdaptiveDetector (Castellano), here for
each side of its own and with the second condition. Dissolves and other gradual changes are not looked for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from openbasket.errors import ConfigError, VideoError
from openbasket.storage import Place
from openbasket.video.decoding import decode
from openbasket.video.probe import Limits, open_video, probe

__all__ = [
    "EARLY_S",
    "LENGTH_S",
    "Cuts",
    "Part",
    "between",
    "cuts_among",
    "divided",
    "find_cuts",
    "find_parts",
]

#: Seconds by which pictures may end before what a container tells, such as its sound.
EARLY_S = 1.0
#: Seconds of a clip where nobody knows, as in the paper.
LENGTH_S = 10.0
#: A part of a video that is shorter than this belongs to the one before it.
_SHORTEST_S = 2.0

#: Width and height of the pictures that are compared.
WIDTH, HEIGHT = 64, 36
#: A cut differs by at least so many gray levels; so many times what its calmer side does from frame to frame
#: (80th percentile), and so many times what its livelier side does.
LEAST, TIMES, LIVELY = 2.0, 2.0, 1.5
#: Frames on each side that count as neighbours.
BESIDE = 8


@dataclass(frozen=True, slots=True)
class Cuts:
    """The cuts of a video.

    Args:
        frames: number of each frame that begins a shot; the first frame of the video is none.
        times_s: when each frame of the video is shown, seconds from the first one on.
    """

    frames: tuple[int, ...]
    times_s: tuple[float, ...]

    @property
    def seconds(self) -> tuple[float, ...]:
        """When each shot begins, from the first frame on."""
        return tuple(self.times_s[frame] for frame in self.frames)

    @property
    def count(self) -> int:
        """Frames of the video."""
        return len(self.times_s)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a video.

    Args:
        start_s: its first moment, seconds.
        end_s: the moment after its last.
        first: its first frame.
        frames: how many it has; 0 where the container tells of a longer video than there are frames.
    """

    start_s: float
    end_s: float
    first: int
    frames: int


def find_cuts(
    path: Place, limits: Limits | None = None, on_frame: Callable[[int], None] = lambda _: None
) -> Cuts:
    """Decode a video and find its cuts.

    Args:
        path: the video.
        limits: what to refuse.
        on_frame: called with the number of each frame once it is seen.

    Raises:
        VideoError: no video, over a limit, or it does not decode to its end.
    """
    reformatter = VideoReformatter()
    near: list[float] = []
    over: list[float] = []
    times: list[float] = []
    before: list[NDArray[np.float32]] = []
    with open_video(path, limits) as (container, stream):
        try:
            for number, frame in enumerate(decode(container, stream)):
                small = reformatter.reformat(frame, WIDTH, HEIGHT, "yuv444p", interpolation="AREA")
                picture = small.to_ndarray().astype(np.float32)
                near.append(_difference(before[-1], picture) if before else 0.0)
                over.append(_difference(before[-2], picture) if len(before) > 1 else 0.0)
                times.append(float(frame.time or 0.0))
                before = [*before[-1:], picture]
                on_frame(number)
        except av.InvalidDataError as error:
            raise VideoError(f"'{path}' does not decode to its end: {error}") from None
    found = cuts_among(np.array(near), np.array(over))
    return Cuts(tuple(int(n) for n in found), tuple(time - times[0] for time in times))


def find_parts(
    path: Place,
    length_s: float = LENGTH_S,
    *,
    looks: bool = True,
    on_frame: Callable[[int], None] = lambda _: None,
) -> tuple[list[Part], int]:
    """Divide a video into parts of which each shows, as far as cuts tell, one clip.

    Args:
        path: the video.
        length_s: of a part where no cut is found, seconds.
        looks: look for cuts, which decodes the whole video.
        on_frame: called with the number of each frame that was looked at.

    Returns:
        The parts in order, at least one, and how many cuts were found. A video that does not decode to its
        end is divided as one without cuts. Where its pictures end before the container says so, by more than
        :data:`EARLY_S`, as in a truncated file, so do the parts.

    Raises:
        VideoError: no video, or over a limit.
        ConfigError: a length that is not above 0.
    """
    info = probe(path)
    duration_s = float(info.duration_s)
    cuts = Cuts((), ())
    if looks:
        with suppress(VideoError):
            cuts = find_cuts(path, on_frame=on_frame)
    if cuts.count > 1:
        shown_s = cuts.times_s[-1] + float(np.median(np.diff(cuts.times_s)))
        if duration_s - shown_s > EARLY_S:
            duration_s = shown_s
    pairs = (
        between(cuts.seconds, duration_s, length_s)
        if cuts.frames
        else divided(duration_s, length_s)
    )
    starts = [start for start, _ in pairs]
    if cuts.times_s:
        firsts = [int(n) for n in np.searchsorted(cuts.times_s, np.array(starts) - 1e-6)]
    else:
        firsts = [round(start * info.fps) for start in starts]
    count = cuts.count or info.frames or round(duration_s * info.fps)
    return [
        Part(start, end, first, max(0, min(then, count) - first))
        for (start, end), first, then in zip(pairs, firsts, [*firsts[1:], count], strict=True)
    ], len(cuts.frames)


def divided(duration_s: float, length_s: float = LENGTH_S) -> list[tuple[float, float]]:
    """Beginnings and ends of equal parts of a video; a short rest belongs to the last one.

    Example:
        >>> divided(31.0)
        [(0.0, 10.0), (10.0, 20.0), (20.0, 31.0)]

    Raises:
        ConfigError: a length that is not above 0.
    """
    if not length_s > 0:
        raise ConfigError(f"length of a clip: got {length_s} s; allowed: more than 0 s")
    count = max(1, math.floor(duration_s / length_s))
    if duration_s - count * length_s >= _SHORTEST_S:
        count += 1
    ends = [min(length_s * (i + 1), duration_s) for i in range(count - 1)] + [duration_s]
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def between(
    cuts_s: Sequence[float], duration_s: float, length_s: float = LENGTH_S
) -> list[tuple[float, float]]:
    """Beginnings and ends of the parts of a video between its cuts.

    A part that is shorter than 2 s belongs to the one before it; one of more than twice ``length_s`` is
    divided, as a stretch without cuts may hold many plays.

    Example:
        >>> between([1.0, 9.0, 10.0, 19.0], 20.0)
        [(0.0, 10.0), (10.0, 20.0)]
    """
    edges = [0.0]
    for cut in cuts_s:
        if edges[-1] + _SHORTEST_S <= cut <= duration_s - _SHORTEST_S:
            edges.append(cut)
    parts: list[tuple[float, float]] = []
    for start, end in zip(edges, [*edges[1:], duration_s], strict=True):
        if end - start <= 2 * length_s:
            parts.append((start, end))
        else:
            parts += [(start + a, start + b) for a, b in divided(end - start, length_s)]
    return parts


def cuts_among(near: NDArray[np.float64], over: NDArray[np.float64]) -> NDArray[np.int64]:
    """Frames that begin a shot.

    Args:
        near: difference of each frame from the one before it; 0 for the first.
        over: from the one before that; 0 for the first two.

    Returns:
        Numbers of the frames, in order.
    """
    count = len(near)
    if count < 3:
        return np.empty(0, np.int64)
    padded = np.pad(near, BESIDE, constant_values=np.nan)
    padded[BESIDE] = np.nan  # nothing is before the first frame
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * BESIDE + 1)
    with warnings.catch_warnings():  # nothing is before or after the frames at the ends
        warnings.simplefilter("ignore", RuntimeWarning)
        # Of repeated frames every other one is like the one before it; another cut may be near.
        sides = [
            np.nanquantile(part, 0.8, axis=1)
            for part in (windows[:, :BESIDE], windows[:, BESIDE + 1 :])
        ]
    calm, lively = np.fmin(*sides), np.fmax(*sides)
    peak = near >= np.maximum(np.append(0.0, near[:-1]), np.append(near[1:], 0.0))
    # A flash ends as it began: what is there then was there before.
    stays = np.minimum(over, np.append(over[1:], over[-1])) > 0.5 * near
    stays[1] = over[2] > 0.5 * near[1]  # nothing is before the frame before it
    found = peak & stays & (near >= LEAST) & (near >= TIMES * calm) & (near >= LIVELY * lively)
    return np.flatnonzero(found[1:]) + 1


def _difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).mean())
