"""Videos whose frames carry their own number, and small datasets made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from openbasket.video.write import VideoWriter

FRAME_BITS = 12


def picture(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """``number`` as 12 black or white blocks, uint8 ``(height, width, 3)``."""
    frame = np.full((height, width, 3), 128, np.uint8)
    for bit in range(FRAME_BITS):
        left, right = (width * side // 6 for side in (bit % 6, bit % 6 + 1))
        top, bottom = (height * side // 2 for side in (bit // 6, bit // 6 + 1))
        frame[top:bottom, left:right] = 235 if number >> bit & 1 else 16
    return frame


def number(frame: np.ndarray) -> int:
    """The number that a frame (RGB or grey) carries."""
    height, width = frame.shape[:2]
    return sum(
        1 << bit
        for bit in range(FRAME_BITS)
        if frame[int((0.25 + 0.5 * (bit // 6)) * height), int((bit % 6 + 0.5) / 6 * width)].mean()
        > 128
    )


def numbered(
    path: Path,
    count: int,
    fps: Fraction = Fraction(30),
    gop: int = 30,
    *,
    width: int = 96,
    height: int = 64,
    first: int = 0,
    preset: str = "veryfast",
) -> Path:
    """A video whose frame ``i`` carries ``first + i``."""
    with VideoWriter(
        path, width=width, height=height, fps=fps, gop=gop, crf=10, preset=preset
    ) as video:
        for i in range(first, first + count):
            video.write(picture(i, width, height))
    return path


def variable(path: Path, times_s: Sequence[Fraction], gop: int = 12) -> Path:
    """A video of variable rate: frame ``i`` carries ``i`` and is shown from ``times_s[i]`` on."""
    base = Fraction(1, 90_000)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=30, options={"g": str(gop), "crf": "10", "preset": "veryfast"}
        )
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.time_base = stream.codec_context.time_base = base
        for i, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
            frame.pts, frame.time_base = int(time_s / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(
    path: Path, read: Callable[[np.ndarray], int] = number
) -> tuple[list[int], list[Fraction]]:
    """The numbers of all frames of a video, and the moments at which they are shown."""
    numbers, moments = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            numbers.append(read(frame.to_ndarray(format="rgb24")))
            moments.append(frame.pts * frame.time_base)
    return numbers, moments
