"""A video that clips are cut from, and what to cut."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from openbasket.errors import VideoError
from openbasket.storage import Place
from openbasket.video.probe import open_video
from openbasket.video.sound import Sound, open_sound
from openbasket.video.write import FPS, Colours, VideoWriter

__all__ = ["Encoding", "Source", "Span", "open_source"]

#: How far back to look for a key frame, in turn, where a container's index misleads.
_BACK_S = (0, 5, 20, 80, 320, 100_000)
#: Packets among which the earliest picture is sought.
_FIRST_PACKETS = 64


@dataclass(frozen=True)
class Encoding:
    """How clips are encoded.

    Args:
        crf: x264 constant rate factor.
        preset: x264 preset; the edges of what is copied take superfast, or ultrafast where they are no longer
            than a group of pictures.
        gop: frames between key frames; short ones make reading of single frames cheap.
        sound: keep it (AAC, 48 kHz stereo).
        copy: where the source has a clip's size, rate and codec, copy whole groups of pictures and encode
            only the frames before the first of them and after the last.
        check: decode what is copied, so that damage is found.
    """

    crf: int = 23
    preset: str = "veryfast"
    gop: int = 30
    sound: bool = True
    copy: bool = True
    check: bool = True


@dataclass(frozen=True)
class Span:
    """A clip to cut.

    Args:
        path: where to write it.
        start_s: its first moment, in seconds from the source's first frame; a whole number of 1/30 s.
        frames: its length.
    """

    path: Path
    start_s: Fraction
    frames: int

    @property
    def end_s(self) -> Fraction:
        """The moment after its last frame."""
        return self.start_s + self.frames / FPS


@dataclass(frozen=True)
class Source:
    """An open video.

    Args:
        name: for messages.
        container: its container.
        stream: its pictures.
        base: seconds of a tick.
        zero: time of the first frame, in ticks.
        sound: null where it has none, or none is wanted.
    """

    name: str
    container: InputContainer
    stream: VideoStream
    base: Fraction
    zero: int
    sound: Sound | None

    def begins_s(self, pts: int) -> Fraction:
        """From when on a frame is shown, in seconds since the first one.

        A container whose clock is coarse (1 ms in MKV) gives it half a tick late, or early.
        """
        return (pts - self.zero) * self.base - self.base / 2

    def heard(self, span: Span) -> np.ndarray | None:
        """The sound of a clip, float32 ``(2, samples)`` at 48 kHz; null where there is none."""
        if self.sound is None:
            return None
        return self.sound.between(self.zero * self.base + span.start_s, span.frames / FPS)

    def writer(
        self, target: Path | io.BytesIO, encoding: Encoding, sound: np.ndarray | None = None
    ) -> VideoWriter:
        """A writer of frames of this source, as clips are encoded; a file is sealed."""
        return VideoWriter(
            target,
            crf=encoding.crf,
            preset=encoding.preset,
            gop=encoding.gop,
            colours=Colours.of(self.stream),
            sound=sound,
            sealed=isinstance(target, Path),
        )

    def packets(self, start_s: Fraction) -> Iterator[Packet[VideoStream]]:
        """Packets in decoding order, from a key frame at or before a moment (if there is one) on."""
        start = self.zero + math.floor(start_s / self.base)
        lowest = min(self.zero, 0)
        self.stream.codec_context.flush_buffers()
        for back in _BACK_S:
            target = max(start - math.ceil(back / self.base), lowest)
            self.container.seek(target, stream=self.stream, backward=True)
            packets = self.container.demux(self.stream)
            for packet in packets:
                if packet.pts is None or not packet.is_keyframe:
                    continue
                if packet.pts <= start or target == lowest:
                    yield packet
                    yield from packets
                    return
                break


@contextmanager
def open_source(path: Place, *, sound: bool) -> Iterator[Source]:
    """Open a video to cut clips from.

    Raises:
        VideoError: it cannot be opened or holds no frames.
    """
    with open_video(path) as (container, stream):
        first: list[int] = []
        for packet in container.demux(stream):
            if packet.pts is not None and not packet.is_discard:
                first.append(packet.pts)
            if len(first) == _FIRST_PACKETS:
                break
        if not first or stream.time_base is None:
            raise VideoError(f"'{path}' holds no frames")
        source = (path.name, container, stream, stream.time_base, min(first))
        if not sound:
            yield Source(*source, None)
            return
        with open_sound(path) as heard:
            yield Source(*source, heard)
