"""Cut clips out of one video, forward in one pass: copy what fits already, encode the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from openbasket.errors import VideoError
from openbasket.storage import Place
from openbasket.video.copying import copy_clip, copyable
from openbasket.video.decoding import whole_frames
from openbasket.video.fit import Fitter
from openbasket.video.source import Encoding, Source, Span, open_source
from openbasket.video.write import FPS, VideoWriter

__all__ = ["Encoding", "Span", "cut_clips"]

#: A gap between clips that is decoded rather than jumped over.
_GAP_S = 2
#: A video's first picture may begin so many frames after the moment at which a clip begins.
_LATE_FRAMES = 2


def cut_clips(
    path: Place, spans: Sequence[Span], encoding: Encoding | None = None
) -> Iterator[tuple[Path, str | None]]:
    """Cut clips of 704x400 at 30 FPS out of a video.

    Frame ``i`` of a clip is what the source shows at ``start + i / 30`` seconds, whatever its frame
    rate, constant or not. Another aspect ratio is kept, with black bars. The source is read forward
    once; stretches that no clip shows are skipped.

    Args:
        path: the game's video, or its URL.
        spans: the clips; they may overlap.
        encoding: how to encode.

    Yields:
        (path, error) of each clip as it is done; the error is ``None`` where it went well.

    Raises:
        VideoError: the source cannot be opened or holds no frames.
    """
    encoding = encoding or Encoding()
    with open_source(path, sound=encoding.sound) as source:
        left = sorted(spans, key=lambda span: (span.start_s, span.frames, str(span.path)))
        if encoding.copy and copyable(source):
            ordered, left = left, []
            for span in ordered:
                if copy_clip(source, span, encoding):
                    yield span.path, None
                else:
                    left.append(span)
        for run in _runs(left):
            yield from _encode(source, run, encoding)


class _Clip:
    """A clip that is being encoded."""

    def __init__(self, source: Source, span: Span, encoding: Encoding) -> None:
        self.span = span
        self._source, self._encoding = source, encoding
        self._writer: VideoWriter | None = None

    @property
    def begun(self) -> bool:
        """Whether a frame is written."""
        return self._writer is not None

    @property
    def missing(self) -> int:
        """Frames not yet written."""
        return self.span.frames - (self._writer.frames if self._writer else 0)

    def due(self, until_s: Fraction) -> int:
        """Frames not yet written whose moment lies before ``until_s``."""
        before = math.ceil((until_s - self.span.start_s) * FPS)
        return min(before, self.span.frames) - self.span.frames + self.missing

    def write(self, picture: VideoFrame, times: int) -> None:
        """Show a picture for some frames."""
        if self._writer is None:
            sound = self._source.heard(self.span)
            writer = self._source.writer(self.span.path, self._encoding, sound)
            self._writer = writer.__enter__()
        for _ in range(times):
            self._writer.write_picture(picture)

    def finish(self) -> None:
        """Close the file."""
        assert self._writer is not None
        self._writer.__exit__(None, None, None)
        self._writer = None

    def abandon(self, reason: str) -> None:
        """Leave nothing of the file."""
        if self._writer is not None:
            self._writer.__exit__(VideoError, VideoError(reason), None)
            self._writer = None


def _runs(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Group clips that are decoded in one go."""
    run: list[Span] = []
    for span in spans:
        if run and span.start_s > max(s.end_s for s in run) + _GAP_S:
            yield run
            run = []
        run.append(span)
    if run:
        yield run


def _encode(
    source: Source, run: Sequence[Span], encoding: Encoding
) -> Iterator[tuple[Path, str | None]]:
    """Decode a run once and feed every clip that shows a frame.

    Where it does not decode, the clips that have begun are lost and decoding begins anew for the
    others.
    """
    waiting = [_Clip(source, span, encoding) for span in run]
    try:
        while waiting:
            reason = f"'{source.name}' ends, or does not decode, before the end of the clip"
            aim = waiting[0]
            try:
                for picture, until_s in _shown(source, aim.span.start_s):
                    for clip in list(waiting):
                        times = clip.due(until_s)
                        if times > 0:
                            clip.write(picture(), times)
                        if not clip.missing:
                            clip.finish()
                            waiting.remove(clip)
                            yield clip.span.path, None
                    if not waiting:
                        return
            except av.FFmpegError as error:
                reason = f"'{source.name}' does not decode ({error.strerror or error})"
            lost = [clip for clip in waiting if clip.begun or clip is aim]
            for clip in lost:
                waiting.remove(clip)
                clip.abandon(reason)
                yield clip.span.path, reason
    finally:
        for clip in waiting:
            clip.abandon("interrupted")


def _shown(
    source: Source, start_s: Fraction
) -> Iterator[tuple[Callable[[], VideoFrame], Fraction]]:
    """Pictures in order, from the one that stands at a moment: (made to fit, until when it stands).

    Raises:
        av.FFmpegError: a picture does not decode, or is missing.
    """
    fitter = Fitter(source.stream.sample_aspect_ratio)
    start = source.zero + math.ceil(start_s / source.base)
    standing: VideoFrame | None = None
    since_s = stood = Fraction(0)
    for frame in _decoded(source, start_s, start):
        begun_s = source.begins_s(frame.pts or 0)
        if standing is None and begun_s > start_s + _LATE_FRAMES / FPS:
            raise av.InvalidDataError(0, f"no picture before {float(begun_s):.2f} s")
        if standing is not None:
            yield _fitted(standing, fitter), begun_s
            stood = begun_s - since_s
        standing, since_s = frame, begun_s
    if standing is not None:
        yield _fitted(standing, fitter), since_s + max(stood, 1 / FPS)


def _decoded(source: Source, start_s: Fraction, start: int) -> Iterator[VideoFrame]:
    """Decode from before a moment on; a picture from tick ``start`` on that is left out is an error."""
    awaited: set[int] = set()

    def noted() -> Iterator[Packet[VideoStream]]:
        for packet in source.packets(start_s):
            if packet.pts is not None and packet.pts >= start and not packet.is_discard:
                awaited.add(packet.pts)
            yield packet

    for frame in whole_frames(noted()):
        if frame.pts is None:
            continue
        awaited.discard(frame.pts)
        if any(pts < frame.pts for pts in awaited) and not frame.interlaced_frame:
            raise av.InvalidDataError(0, "a picture is missing")
        yield frame


def _fitted(frame: VideoFrame, fitter: Fitter) -> Callable[[], VideoFrame]:
    return cache(lambda: fitter.fit(frame))
