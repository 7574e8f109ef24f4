"""Where a video changes from one shot to another at once: the clips of a reel.

A frame begins a shot where it differs from the frame before it far more than its neighbours differ among
themselves, and where what follows stays different: a flash of one frame is none. Frames are compared as small
pictures, so that the ball, players and a scoreboard's clock weigh little against a new view.

Source: a threshold that follows the movement, as in PySceneDetect's AdaptiveDetector (Castellano), here for
each side of its own and with the second condition. Dissolves and other gradual changes are not looked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from openbasket.errors import VideoError
from openbasket.storage import Place
from openbasket.video.decoding import decode
from openbasket.video.probe import Limits, open_video

__all__ = ["Cuts", "cuts_among", "find_cuts"]

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
        seconds: when each of them is shown, from the first frame on.
        count: frames of the video.
    """

    frames: tuple[int, ...]
    seconds: tuple[float, ...]
    count: int


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
    return Cuts(
        tuple(int(n) for n in found), tuple(times[int(n)] - times[0] for n in found), len(near)
    )


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
