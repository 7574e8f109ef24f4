"""What a video is, read from its container before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from openbasket.errors import VideoError
from openbasket.storage import Place, Url, open_ranges

__all__ = ["Limits", "VideoInfo", "duration_s", "open_bytes", "open_video", "probe"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before decoding: a small file can declare a picture that fills the memory.

    Args:
        pixels: largest width times height (4096 x 2304 by default).
        duration_s: longest duration in seconds (six hours by default).
        size_bytes: largest file (64 GiB by default).
    """

    pixels: int = 4096 * 2304
    duration_s: int = 6 * 3600
    size_bytes: int = 64 << 30


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A video's facts, as its container states them.

    Args:
        path: the file, or its URL.
        width: pixels.
        height: pixels.
        fps: average frames a second, a rational number.
        frames: frames in the container's index; 0 where it has none.
        duration_s: seconds.
        codec: such as ``h264``.
    """

    path: Place
    width: int
    height: int
    fps: Fraction
    frames: int
    duration_s: Fraction
    codec: str


def probe(path: Place, limits: Limits | None = None) -> VideoInfo:
    """Read a video's facts without decoding it.

    Raises:
        VideoError: no such file, not a video, truncated, or over a limit.
    """
    with open_video(path, limits) as (container, stream):
        return _info(path, container, stream)


@contextmanager
def open_bytes(path: Place) -> Iterator[tuple[str | IO[bytes], int]]:
    """Yield what :func:`av.open` takes, and the size in bytes; a URL is read through ranges as needed.

    Raises:
        VideoError: there is no such file, or it cannot be read any more.
    """
    if isinstance(path, Url):
        with open_ranges(path) as opened:
            yield opened
        return
    if not path.is_file():
        raise VideoError(f"there is no video at '{path}'")
    yield str(path), path.stat().st_size


@contextmanager
def open_video(
    path: Place, limits: Limits | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video whose facts are within the limits; errors of FFmpeg inside become VideoError."""
    limits = limits or Limits()
    try:
        with ExitStack() as stack:
            source, size = stack.enter_context(open_bytes(path))
            if size > limits.size_bytes:
                raise VideoError(f"'{path}' has {size:,} bytes; allowed: {limits.size_bytes:,}")
            container = stack.enter_context(av.open(source, mode="r"))
            if not container.streams.video:
                raise VideoError(f"'{path}' holds no video stream; it is truncated or no video")
            stream = container.streams.video[0]
            info = _info(path, container, stream)
            if info.width * info.height > limits.pixels:
                raise VideoError(
                    f"'{path}' declares {info.width}x{info.height} pixels; "
                    f"allowed: {limits.pixels:,} in all"
                )
            if info.duration_s > limits.duration_s:
                raise VideoError(
                    f"'{path}' declares {float(info.duration_s):,.0f} s; allowed: {limits.duration_s:,}"
                )
            yield container, stream
    except av.FFmpegError as error:
        raise VideoError(
            f"'{path}' cannot be read as video ({error.strerror or error}). It may be truncated or "
            "no video at all; fetch or make it again"
        ) from None


def duration_s(container: InputContainer, stream: VideoStream) -> Fraction:
    """Seconds of the stream, or else of all streams, as the container states them."""
    if stream.duration is not None and stream.time_base is not None:
        return Fraction(stream.duration) * stream.time_base
    return Fraction(container.duration or 0, av.time_base)


def _info(path: Place, container: InputContainer, stream: VideoStream) -> VideoInfo:
    fps = stream.average_rate or stream.guessed_rate or Fraction(0)
    if not stream.width or not stream.height:
        raise VideoError(f"'{path}' has a video stream without a picture size: it is damaged")
    return VideoInfo(
        path,
        stream.width,
        stream.height,
        Fraction(fps),
        stream.frames,
        duration_s(container, stream),
        stream.codec_context.name,
    )
