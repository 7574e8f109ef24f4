"""Decode packets to pictures, in the order in which they are shown, as far as they are whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

__all__ = ["decode", "presentation_times", "whole_frames"]

#: Frames that H.264 and HEVC can hold back at most.
_MAX_HELD = 16


def presentation_times(
    container: InputContainer, stream: VideoStream
) -> tuple[list[int], list[int]]:
    """Read all packets, decode none: sorted ``pts`` of the frames, and those of the key frames."""
    shown: list[int] = []
    keys: list[int] = []
    for packet in container.demux(stream):
        if packet.pts is None or packet.is_discard:
            continue
        shown.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    return sorted(shown), sorted(keys)


def decode(
    container: InputContainer, stream: VideoStream, start_pts: int | None = None
) -> Iterator[VideoFrame]:
    """Decode frames in presentation order, from the key frame at or before ``start_pts``.

    Frames that are stored behind that key frame and shown before it (an open group of pictures) need what
    lies before it, and are left out.

    Raises:
        av.InvalidDataError: a frame is damaged, see :func:`whole_frames`.
    """
    stream.codec_context.flush_buffers()
    return whole_frames(_packets_from(container, stream, start_pts))


def whole_frames(packets: Iterable[Packet[VideoStream]]) -> Iterator[VideoFrame]:
    """Decode packets, from a key frame on, as far as all frames are whole.

    FFmpeg marks a frame that it had to make up in part, but not the frames that are made of it. So a frame is
    yielded only when those that it may be made of, all that are stored before it, came out whole.

    Args:
        packets: of a stream of :func:`openbasket.video.probe.open_video`.

    Raises:
        av.InvalidDataError: a frame is damaged.
    """
    places: dict[int, int] = {}  # in the order of storing
    ended = 0  # all frames stored before this place came out
    out: set[int] = set()
    held: deque[tuple[int, VideoFrame]] = deque()
    for packet in packets:
        if packet.pts is not None:
            places[packet.pts] = len(places)
        for frame in packet.decode():
            if frame.is_corrupt:
                raise av.InvalidDataError(0, f"a damaged frame at {frame.time or 0.0:.2f} s")
            place = places.get(-1 if frame.pts is None else frame.pts, -1)
            out.add(place)
            while ended in out:
                out.remove(ended)
                ended += 1
            held.append((place, frame))
            while held and (held[0][0] < ended or len(held) > _MAX_HELD):
                yield held.popleft()[1]
    for _, frame in held:
        yield frame


def _packets_from(
    container: InputContainer, stream: VideoStream, start_pts: int | None
) -> Iterator[Packet[VideoStream]]:
    """Packets from the last key frame that is shown at or before a moment."""
    if start_pts is None:
        container.seek(0, stream=stream, backward=True)
        yield from container.demux(stream)
        return
    sought, first = start_pts, None
    while True:  # FFmpeg looks for the time of decoding, which comes before that of showing
        container.seek(sought, stream=stream, backward=True)
        packets = container.demux(stream)
        packet = next(packets)
        if packet.pts is None or packet.dts is None or packet.pts <= start_pts:
            break
        if first is not None and packet.dts >= first:
            break  # the first of all
        first = packet.dts
        sought = packet.dts - 1
    shown = packet.pts
    yield packet
    for packet in packets:
        if shown is None or packet.pts is None or packet.pts >= shown:
            yield packet


av.logging.set_level(av.logging.ERROR)
