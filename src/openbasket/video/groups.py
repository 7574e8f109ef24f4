"""A video as groups of pictures, each decoded from a frame with which decoding can begin and be exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeAlias

import av
import numpy as np
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from openbasket.errors import VideoError
from openbasket.storage import Place
from openbasket.video.decoding import whole_frames
from openbasket.video.probe import Limits, open_video
from openbasket.video.samples import (
    Samples,
    begins,
    brings_sets,
    is_disposable,
    is_idr,
    read_samples,
)

__all__ = ["Group", "Groups", "Reader", "open_groups"]


@dataclass(frozen=True)
class Group:
    """Wanted frames that are decoded together.

    Args:
        start: the frame from which they are decoded, at or before the first of them; place 0 where no
            such frame lies before.
        wanted: places in the order of showing.
    """

    start: int
    wanted: frozenset[int]


#: Yields (place, frame) of each wanted frame of a group.
Reader: TypeAlias = Callable[[Group], Iterator[tuple[int, VideoFrame]]]


class Groups(Protocol):
    """An open video."""

    #: When each frame is shown, seconds from the first one, ascending, float64.
    times_s: NDArray[np.float64]
    #: Places of the frames with which decoding can begin, ascending, int64.
    keys: NDArray[np.int64]

    def reader(self) -> AbstractContextManager[Reader]:
        """A decoder for one thread; it is given groups in ascending order.

        Raises:
            VideoError: (while reading) a frame is damaged or missing.
        """


def open_groups(path: Place, limits: Limits | None = None) -> Groups:
    """Find the groups of pictures of a video; decodes none, unless its container states no times.

    Raises:
        VideoError: no such file, not a video, over a limit, or it holds no frames.
    """
    limits = limits or Limits()
    samples = None
    if isinstance(path, Path) and path.is_file():
        samples = read_samples(path, limits)
    if samples is not None:
        with open_video(path, limits, decodes=False) as (_, stream):
            starts = samples.starts()
            if len(starts):
                return _Indexed(samples, starts, stream.codec_context, limits)
    return _open_demuxed(path, limits)


class _Indexed:
    """An MP4 with H.264, read by its own index."""

    def __init__(
        self,
        samples: Samples,
        starts: NDArray[np.int64],
        template: VideoCodecContext,
        limits: Limits,
    ) -> None:
        self.times_s = samples.times.astype(np.float64) / samples.scale
        self.keys = np.sort(samples.places[starts])
        self._samples, self._limits = samples, limits
        self._stored = np.argsort(samples.places)  # by place, the order of storing
        self._size = (template.width, template.height)
        self._config = bytes(template.extradata or b"")
        self._colours = {
            name: getattr(template, name)
            for name in ("colorspace", "color_range", "color_primaries", "color_trc")
        }

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        decoder = CodecContext.create("h264", "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.extradata = self._config
        for name, value in self._colours.items():
            setattr(decoder, name, value)
        decoder.options = {"max_pixels": str(2 * self._limits.pixels)}
        decoder.thread_count = 1  # with more, FFmpeg forgets to mark frames
        with ExitStack() as stack:
            other: Reader | None = None

            def frames(group: Group) -> Iterator[tuple[int, VideoFrame]]:
                nonlocal other
                if other is None:
                    try:
                        yield from self._decoded(decoder, group)
                        return
                    except av.FFmpegError:  # the other way tells what is wrong, or knows better
                        other = stack.enter_context(self._demuxed().reader())
                yield from other(group)

            yield frames

    def _decoded(
        self, decoder: VideoCodecContext, group: Group
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Decode from the start to the last wanted frame.

        Raises:
            av.FFmpegError: a frame that was decoded, wanted or not, is not whole.
        """
        if group.start not in self.keys:
            raise av.InvalidDataError(0, "no frame with which decoding can begin")
        samples = self._samples
        first = int(self._stored[group.start])
        last = max(int(self._stored[place]) for place in group.wanted)
        span = np.arange(first, last + 1)
        span = span[samples.places[span] >= group.start]  # others need what lies before
        decoder.flush_buffers()
        awaited = set(group.wanted)
        for sample, content in samples.read(span.tolist()):
            place = int(samples.places[sample])
            if place not in group.wanted and is_disposable(content, samples.prefix):
                continue
            packet = Packet(content)
            packet.pts, packet.dts = place, sample
            awaited.add(place)
            for frame in decoder.decode(packet):
                yield from self._whole(frame, group, awaited)
        for frame in decoder.decode(None):
            yield from self._whole(frame, group, awaited)
        if awaited:
            raise av.InvalidDataError(0, "a frame is missing")

    def _whole(
        self, frame: VideoFrame, group: Group, awaited: set[int]
    ) -> Iterator[tuple[int, VideoFrame]]:
        place = frame.pts
        if (
            frame.is_corrupt
            or place
            != min(awaited, default=-1)  # what was put in comes out in the order of showing
            or (frame.width, frame.height) != self._size
        ):
            raise av.InvalidDataError(0, "a frame is not as the index says")
        awaited.discard(place)
        if place in group.wanted:
            yield place, frame

    def _demuxed(self) -> Groups:
        groups = _open_demuxed(self._samples.path, self._limits)
        if len(groups.times_s) != len(self.times_s):
            raise VideoError(
                f"'{self._samples.path}' has {len(self.times_s)} frames by its index, but "
                f"{len(groups.times_s)} by its packets; make or fetch it again"
            )
        return groups


def _open_demuxed(path: Place, limits: Limits) -> Groups:
    with open_video(path, limits) as (container, stream):
        packets = _scan(container, stream)
        base = stream.time_base
    if packets is None or base is None:
        return _Sequential(path, limits)
    return _Demuxed(path, limits, packets, base)


@dataclass(frozen=True)
class _Packets:
    """What a pass over all packets finds.

    Args:
        shown: time of each frame in ticks, ascending.
        starts: time of the frames with which decoding can begin, and when each of them is decoded.
    """

    shown: list[int]
    starts: dict[int, int]


def _scan(container: InputContainer, stream: VideoStream) -> _Packets | None:
    """Read all packets and decode none; ``None`` where they do not state a time of showing each, in order."""
    codec, config = stream.codec_context.name, stream.codec_context.extradata or b""
    prefix = (config[4] & 3) + 1 if len(config) > 6 and config[0] == 1 else 0
    shown: list[int] = []
    starts: dict[int, int] = {}
    bring: set[int] = set()
    latest = idr = -(1 << 63)
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        if packet.is_discard:  # not shown, but later frames may be made of it
            if packet.pts is not None and starts and packet.pts < next(reversed(starts)):
                return None
            continue
        if packet.pts is None or packet.pts < idr:
            return None
        shown.append(packet.pts)
        before, latest = latest, max(latest, packet.pts)
        if packet.is_keyframe:
            if codec == "h264":
                content = bytes(packet)
                if not begins(content, prefix):
                    continue
                if brings_sets(content, prefix):
                    bring.add(packet.pts)
                if is_idr(content, prefix):
                    idr = packet.pts
            if before > packet.pts:  # none that is stored before it is shown after it
                return None
            starts[packet.pts] = packet.pts if packet.dts is None else packet.dts
    if bring:
        first = min(starts)
        starts = {pts: dts for pts, dts in starts.items() if pts in bring or pts == first}
    if not shown or len(set(shown)) < len(shown):
        return None
    return _Packets(sorted(shown), starts)


class _Demuxed:
    """Any video whose packets state their times, through FFmpeg's demuxer."""

    def __init__(self, path: Place, limits: Limits, packets: _Packets, base: Fraction) -> None:
        self._path, self._limits = path, limits
        self._shown = np.array(packets.shown, np.int64)
        self._starts = packets.starts
        self.times_s = ((self._shown - self._shown[0]) * float(base)).astype(np.float64)
        self.keys = np.searchsorted(self._shown, sorted(packets.starts) or self._shown[:1])

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        with open_video(self._path, self._limits) as (container, stream):

            def frames(group: Group) -> Iterator[tuple[int, VideoFrame]]:
                left = {int(self._shown[place]): place for place in group.wanted}
                stream.codec_context.flush_buffers()
                packets = self._from(container, stream, int(self._shown[group.start]))
                due = group.start
                for frame in whole_frames(packets):
                    if due == len(self._shown) or frame.pts != self._shown[due]:
                        raise VideoError(
                            f"'{self._path}' is damaged: another frame than number {due} comes when that "
                            "is due; make or fetch it again"
                        )
                    due += 1
                    place = left.pop(int(self._shown[due - 1]), None)
                    if place is not None:
                        yield place, frame
                    if not left:
                        return
                raise VideoError(
                    f"'{self._path}': frame {min(left.values())} does not decode "
                    f"({len(left)} such frames)"
                )

            yield frames

    def _from(
        self, container: InputContainer, stream: VideoStream, start: int
    ) -> Iterator[Packet[VideoStream]]:
        """Packets from a frame on with which decoding can begin; from the first one if there is none."""
        if start not in self._starts:
            container.seek(_earliest(stream), stream=stream, backward=True)
            yield from container.demux(stream)
            return
        due = self._starts[start]
        for packets in _sought(container, stream, due):
            for packet in packets:
                if packet.dts is not None and packet.dts > due:
                    break  # not where it was sought
                if packet.pts == start:
                    yield packet
                    for later in packets:
                        if later.pts is None or later.pts >= start:  # others need what lies before
                            yield later
                    return
        raise av.InvalidDataError(0, "a key frame is not found again")


def _sought(
    container: InputContainer, stream: VideoStream, due: int
) -> Iterator[Iterator[Packet[VideoStream]]]:
    """Packets from before a time of decoding on; each time from further back."""
    second = int(1 / (stream.time_base or Fraction(1)))
    for back in (0, 1, 5, 30):
        container.seek(due - back * second, stream=stream, backward=True)
        yield container.demux(stream)
    container.seek(_earliest(stream), stream=stream, backward=True)
    yield container.demux(stream)


def _earliest(stream: VideoStream) -> int:
    return min(stream.start_time or 0, 0)


class _Sequential:
    """A video whose container does not state the times of its frames: it is decoded from its first one on."""

    def __init__(self, path: Place, limits: Limits) -> None:
        self._path, self._limits = path, limits
        keys = []
        count = 0
        with open_video(path, limits) as (container, stream):
            fps = stream.average_rate or stream.guessed_rate or Fraction(30)
            for frame in whole_frames(container.demux(stream)):
                keys += [count] if frame.key_frame else []
                count += 1
        if not count:
            raise VideoError(f"'{path}' holds no frames; it is truncated or no video")
        self.times_s = np.arange(count, dtype=np.float64) / float(fps)
        self.keys = np.array(keys or [0], np.int64)

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        with open_video(self._path, self._limits) as (container, stream):
            decoded = enumerate(whole_frames(container.demux(stream)))

            def frames(group: Group) -> Iterator[tuple[int, VideoFrame]]:
                last = max(group.wanted)
                for place, frame in decoded:
                    if place in group.wanted:
                        yield place, frame
                    if place == last:
                        return
                raise VideoError(f"'{self._path}': frame {last} does not decode")

            yield frames
