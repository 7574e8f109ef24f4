"""Cut clips out of one video in one forward pass, and join clips without encoding again."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from openbasket.errors import VideoError
from openbasket.video.frames import decode, presentation_times
from openbasket.video.probe import open_video
from openbasket.video.write import FPS, HEIGHT, WIDTH, PixelFormat, VideoWriter
from openbasket.workspace import atomic_path

__all__ = ["cut_clips", "join"]


@dataclass
class _Clip:
    """A clip to cut: how often each frame of the source is shown in it."""

    path: Path
    shown: Counter[int]
    writer: VideoWriter | None = None
    first: int = field(init=False)
    last: int = field(init=False)

    def __post_init__(self) -> None:
        self.first, self.last = min(self.shown), max(self.shown)

    def finish(self, otherwise: str) -> str | None:
        """Close the file if it has all of its frames; return what is wrong if not."""
        if self.writer is None or self.writer.frames < self.shown.total():
            self.abandon(otherwise)
            return otherwise
        self.writer.__exit__(None, None, None)
        return None

    def abandon(self, reason: str) -> None:
        """Leave nothing of the file."""
        if self.writer is not None:
            self.writer.__exit__(VideoError, VideoError(reason), None)
            self.writer = None


def cut_clips(
    source: Path,
    spans: Sequence[tuple[Path, Fraction, int]],
    *,
    crf: int,
    preset: str,
    gop: int,
) -> Iterator[tuple[Path, str | None]]:
    """Encode clips of a video to 704x400 at 30 FPS.

    Frame ``i`` of a clip is what the source shows at ``start + i / 30`` seconds, whatever its frame
    rate, constant or not. Another aspect ratio is kept, with black bars. The source is read forward
    once; stretches that no clip shows are skipped from key frame to key frame.

    Args:
        source: the game's video.
        spans: (where to write, start in seconds, frames) of each clip; they may overlap.
        crf: the encoder's settings, see ``VideoWriter``.
        preset: likewise.
        gop: likewise.

    Yields:
        (path, error) of each clip as it is done; the error is ``None`` where it went well.

    Raises:
        VideoError: the source cannot be opened.
    """
    with open_video(source) as (container, stream):
        pts, keys = presentation_times(container, stream)
        if not pts or stream.time_base is None:
            raise VideoError(f"'{source}' holds no frames")
        clips = []
        for path, start, frames in spans:
            shown = _shown(pts, stream.time_base, start, frames)
            if shown is None:
                yield path, f"'{source.name}' ends before the end of the clip"
            else:
                clips.append(_Clip(path, shown))
        clips.sort(key=lambda clip: (clip.first, clip.last, str(clip.path)))
        encoder = {"crf": crf, "preset": preset, "gop": gop}
        for run in _runs(clips, keys):
            yield from _cut(container, stream, run, encoder, source.name)


def _shown(pts: list[int], base: Fraction, start: Fraction, frames: int) -> Counter[int] | None:
    """Which source frame is on screen at each moment of a clip; None if the source ends before."""
    stands = max(1 / FPS / base, Fraction(pts[-1] - pts[-2] if len(pts) > 1 else 0))
    moments = [pts[0] + (start + i / FPS) / base for i in range(frames)]
    if moments[-1] >= pts[-1] + stands:
        return None
    return Counter(pts[max(0, bisect_right(pts, moment) - 1)] for moment in moments)


def _runs(clips: list[_Clip], keys: list[int]) -> Iterator[list[_Clip]]:
    """Group clips that are decoded in one go: the next one starts before a later key frame."""
    run: list[_Clip] = []
    for clip in clips:
        if run:
            reached = max(c.last for c in run)
            next_key = bisect_right(keys, reached)
            if next_key < len(keys) and clip.first >= keys[next_key]:
                yield run
                run = []
        run.append(clip)
    if run:
        yield run


def _cut(
    container: InputContainer,
    stream: VideoStream,
    run: list[_Clip],
    encoder: dict[str, Any],
    name: str,
) -> Iterator[tuple[Path, str | None]]:
    """Decode a run once and feed every clip that shows a frame.

    Where it does not decode, the clips that have begun are lost and decoding begins anew for the
    others.
    """
    waiting = list(run)
    try:
        while waiting:
            reason = f"'{name}' ends, or does not decode, before the end of the clip"
            try:
                for frame in decode(container, stream, waiting[0].first):
                    for clip in _feed(frame, waiting, encoder):
                        waiting.remove(clip)
                        yield clip.path, clip.finish(f"'{name}' lacks frames of the clip")
                    if not waiting:
                        return
            except av.FFmpegError as error:
                reason = f"'{name}' does not decode ({error.strerror or error})"
            lost = [clip for clip in waiting if clip.writer is not None] or waiting[:1]
            for clip in lost:
                waiting.remove(clip)
                clip.abandon(reason)
                yield clip.path, reason
    finally:
        for clip in waiting:
            clip.abandon("interrupted")


def _feed(frame: VideoFrame, clips: list[_Clip], encoder: dict[str, Any]) -> list[_Clip]:
    """Write a frame into each clip that shows it; return the clips that are over."""
    if frame.pts is None:
        return []
    fitted: tuple[np.ndarray, PixelFormat] | None = None
    for clip in clips:
        times = clip.shown[frame.pts]
        if times == 0:
            continue
        if frame.is_corrupt:
            raise av.InvalidDataError(0, "a damaged frame")
        fitted = fitted or _fitted(frame)
        if clip.writer is None:
            clip.writer = VideoWriter(clip.path, **encoder).__enter__()
        for _ in range(times):
            clip.writer.write(*fitted)
    return [clip for clip in clips if clip.last <= frame.pts]


def _fitted(frame: VideoFrame) -> tuple[np.ndarray, PixelFormat]:
    """The frame as 704x400, with black bars where its aspect ratio is another one."""
    scale = min(Fraction(WIDTH, frame.width), Fraction(HEIGHT, frame.height))
    width, height = (round(side * scale) for side in (frame.width, frame.height))
    if abs(width - WIDTH) <= 2 and abs(height - HEIGHT) <= 2:
        return frame.to_ndarray(
            format="yuv420p", width=WIDTH, height=HEIGHT, interpolation="BICUBIC"
        ), "yuv420p"
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    canvas[top : top + height, left : left + width] = frame.to_ndarray(
        format="rgb24", width=width, height=height, interpolation="BICUBIC"
    )
    return canvas, "rgb24"


def join(clips: Sequence[Path], path: Path) -> list[int]:
    """Join clips of equal encoding by copying their packets; nothing is encoded again.

    Args:
        clips: in order; all written by ``VideoWriter`` with the same settings.
        path: the reel.

    Returns:
        Frames of each clip.

    Raises:
        VideoError: no clips; one that cannot be read, or whose encoding differs from the first one's.
    """
    if not clips:
        raise VideoError(f"there are no clips to join to '{path}'")
    counts, delay = _measured(clips)
    begun = 0
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as output,
    ):
        target: VideoStream | None = None
        for clip, count in zip(clips, counts, strict=True):
            with open_video(clip) as (container, stream):
                if target is None:
                    target = output.add_stream_from_template(stream)
                    target.time_base = stream.time_base
                for place, packet in enumerate(_packets(container, stream)):
                    step = _step(stream)
                    packet.pts = (packet.pts or 0) + begun * step
                    packet.dts = (begun + place - delay) * step
                    packet.stream = target
                    output.mux(packet)
            begun += count
    return counts


def _measured(clips: Sequence[Path]) -> tuple[list[int], int]:
    """Frames of each clip; and by how many frames decoding must run ahead of showing (B-frames)."""
    counts: list[int] = []
    delay = 0
    encoding: tuple[bytes | None, Fraction | None] | None = None
    for clip in clips:
        with open_video(clip) as (container, stream):
            mine = (stream.codec_context.extradata, stream.time_base)
            encoding = encoding or mine
            if mine != encoding:
                raise VideoError(f"'{clip}' is encoded otherwise than '{clips[0]}'; cut it again")
            step = _step(stream)
            places = [(packet.pts or 0) // step for packet in _packets(container, stream)]
            delay = max([delay, *(i - shown for i, shown in enumerate(places))])
            counts.append(len(places))
    return counts, delay


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The packets of a clip in decoding order."""
    return (packet for packet in container.demux(stream) if packet.pts is not None)


def _step(stream: VideoStream) -> int:
    """Ticks of the stream's clock for one frame of a reel."""
    return int(1 / (FPS * (stream.time_base or 1 / FPS)))
