"""Decode packets to pictures, in the order in which they are shown, as far as they are whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

__all__ = ["count_packets", "decode", "whole_frames"]

#: Frames that H.264 and HEVC can hold back at most.
_MAX_HELD = 16


def count_packets(container: InputContainer, stream: VideoStream) -> int:
    """Read all packets, decode none: how many frames are to be shown."""
    return sum(p.pts is not None and not p.is_discard for p in container.demux(stream))


def decode(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Decode all frames in presentation order, from the first one on.

    Raises:
        av.InvalidDataError: a frame is damaged, see :func:`whole_frames`.
    """
    stream.codec_context.flush_buffers()
    container.seek(0, stream=stream, backward=True)
    return whole_frames(container.demux(stream))


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


av.logging.set_level(av.logging.ERROR)
