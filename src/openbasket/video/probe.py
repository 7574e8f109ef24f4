"""What a video is, read from its container before anything is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from openbasket.errors import VideoError
from openbasket.storage import Place, Url, open_ranges
from openbasket.video.boxes import Index, index_of, read_index

#: Of Matroska: hours, minutes, seconds.
_DURATION_TAG = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d(?:\.\d{1,9})?)")
#: What is opened. Others (playlists, lists of files) can name further files to be read.
_CONTAINERS = (
    "mov,mp4,matroska,webm,mpegts,mpeg,avi,flv,live_flv,asf,ogg,mxf,nut,gxf,h264,hevc,mpegvideo"
)

__all__ = ["Limits", "VideoInfo", "duration_s", "open_video", "probe", "without_decoder"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before decoding: a small file can declare a picture that fills the memory.

    Args:
        pixels: largest width times height (4096 x 2304 by default).
        duration_s: longest duration in seconds (six hours by default).
        size_bytes: largest file (64 GiB by default).
        fps: most frames a second (240 by default).
        streams: most streams of any kind (16 by default).
        index_bytes: largest index of an MP4 (256 MiB by default: six hours need about 100).
    """

    pixels: int = 4096 * 2304
    duration_s: int = 6 * 3600
    size_bytes: int = 64 << 30
    fps: int = 240
    streams: int = 16
    index_bytes: int = 256 << 20

    @property
    def frames(self) -> int:
        """Most frames, or other samples of a stream: the longest duration at the highest rate."""
        return self.duration_s * self.fps


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
def open_video(
    path: Place, limits: Limits | None = None, *, decodes: bool = True
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video whose facts are within the limits; errors of FFmpeg inside become VideoError.

    A URL is read through ranges, as needed. The decoder marks every frame that it made up in part
    (``is_corrupt``), and raises at a picture of more than twice the allowed pixels, wherever in the video
    that comes.

    Args:
        path: the file, or its URL.
        limits: what to refuse.
        decodes: pictures will be wanted. Without them an MP4 is opened in a tenth of the time; a file whose
            header does not tell the size of its pictures is not opened.

    Raises:
        VideoError: there is no such file, it is no video, or over a limit.
    """
    limits = limits or Limits()
    # FFmpeg decodes a picture already when it opens the file; it counts pixels with its padding.
    bound = {"max_pixels": str(2 * limits.pixels)}
    most = {"max_streams": str(limits.streams + 1), "format_whitelist": _CONTAINERS}
    try:
        with ExitStack() as stack:
            source: str | IO[bytes] = str(path)
            if isinstance(path, Url):
                source, size = stack.enter_context(open_ranges(path))
                _refuse_size(path, size, limits)
                _refuse_index(path, index_of(source, size, str(path), limits.index_bytes), limits)
                source.seek(0)
            else:
                if not path.is_file():
                    raise VideoError(f"there is no video at '{path}'")
                _refuse_size(path, path.stat().st_size, limits)
                _refuse_index(path, read_index(path, limits.index_bytes), limits)
            with nullcontext(bound) if decodes else without_decoder() as options:
                opened = av.open(
                    source, "r", options=options, container_options=most, metadata_errors="replace"
                )
            container = stack.enter_context(opened)
            if not container.streams.video:
                raise VideoError(f"'{path}' holds no video stream; it is truncated or no video")
            stream = container.streams.video[0]
            info = _info(path, container, stream)
            _refuse_streams(path, len(container.streams), limits)
            _refuse(path, info.width * info.height, info.duration_s, info.fps, limits)
            stream.codec_context.options = bound
            stream.codec_context.thread_count = 1  # with more, FFmpeg forgets to mark frames
            yield container, stream
    except av.FFmpegError as error:
        raise VideoError(
            f"'{path}' cannot be read as video ({error.strerror or error}). It may be truncated or "
            "no video at all; fetch or make it again"
        ) from None


@contextmanager
def without_decoder() -> Iterator[dict[str, str]]:
    """Options that open a file whose header tells all, such as an MP4, without decoding its first pictures.

    FFmpeg complains of what was asked for; inside, it is not heard.
    """
    level = av.logging.get_level()
    av.logging.set_level(av.logging.FATAL)
    try:
        yield {"codec_whitelist": "none"}
    finally:
        av.logging.set_level(level)


def _refuse_size(path: Place, size: int, limits: Limits) -> None:
    if size > limits.size_bytes:
        raise VideoError(f"'{path}' has {size:,} bytes; allowed: {limits.size_bytes:,}")


def _refuse_index(path: Place, index: Index | None, limits: Limits) -> None:
    """Refuse what the boxes of an MP4 show, before FFmpeg sees the file."""
    if index is None:
        return
    if index.size > limits.index_bytes:
        raise VideoError(
            f"'{path}' has an index of {index.size:,} bytes; allowed: {limits.index_bytes:,}"
        )
    _refuse_streams(path, len(index.tracks), limits)
    for track in index.tracks:
        if track.listed and track.samples > limits.frames:
            raise VideoError(
                f"'{path}' declares {track.samples:,} samples of stream '{track.kind}'; "
                f"allowed: {limits.frames:,}"
            )
        if track.kind == "vide" and track.samples:
            fps = track.samples / track.duration_s if track.duration_s else Fraction(0)
            _refuse(path, track.width * track.height, track.duration_s, fps, limits)


def _refuse_streams(path: Place, count: int, limits: Limits) -> None:
    if count > limits.streams:
        raise VideoError(f"'{path}' has {count} streams; allowed: {limits.streams}")


def _refuse(path: Place, pixels: int, duration_s: Fraction, fps: Fraction, limits: Limits) -> None:
    """Refuse what the container states of its video."""
    if pixels > limits.pixels:
        raise VideoError(f"'{path}' declares {pixels:,} pixels; allowed: {limits.pixels:,}")
    if not 0 <= duration_s <= limits.duration_s:
        raise VideoError(
            f"'{path}' declares {float(duration_s):,.0f} s; allowed: {limits.duration_s:,}"
        )
    if not 0 < fps <= limits.fps:
        raise VideoError(
            f"'{path}' declares {float(fps):,.2f} frames a second; allowed: more than 0, up to "
            f"{limits.fps}"
        )


def duration_s(container: InputContainer, stream: VideoStream) -> Fraction:
    """Seconds of the stream, or else of all streams, as the container states them."""
    if stream.duration is not None and stream.time_base is not None:
        return Fraction(stream.duration) * stream.time_base
    # Matroska states a stream's in a tag; what it states of the file is that of the longest.
    whole = Fraction(container.duration or 0, av.time_base)
    if told := _DURATION_TAG.fullmatch(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = told.groups()
        return min(3600 * int(hours) + 60 * int(minutes) + Fraction(seconds), whole) or whole
    return whole


def _info(path: Place, container: InputContainer, stream: VideoStream) -> VideoInfo:
    if stream.codec_context is None:  # what PyAV gives where FFmpeg does not know the codec
        raise VideoError(f"'{path}' is in an unknown codec: it is damaged, or of an exotic kind")
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
