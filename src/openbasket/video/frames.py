"""Read exact frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from openbasket.errors import VideoError
from openbasket.video.probe import Limits, open_video

__all__ = ["decode", "presentation_times", "read_frames", "uniform_indices", "whole_frames"]


#: Frames that H.264 and HEVC can hold back at most.
_MAX_HELD = 16


def uniform_indices(frames: int, count: int) -> list[int]:
    """Indices of ``count`` frames spread evenly over a video of ``frames`` frames.

    ``linspace(0, frames - 1, count)`` truncated to int, as the official loaders do.

    Raises:
        VideoError: there are no frames to choose from.
    """
    if frames < 1 or count < 1:
        raise VideoError(f"cannot spread {count} frames over a video of {frames}")
    return [int(i) for i in np.linspace(0, frames - 1, count)]


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


def read_frames(
    path: Path,
    indices: Sequence[int],
    *,
    short_side: int | None = 224,
    limits: Limits | None = None,
) -> np.ndarray:
    """Read frames by their place in presentation order, exactly.

    Args:
        path: the video.
        indices: zero-based, in any order, repeats allowed.
        short_side: scale the picture so that its shorter side has this many pixels (bicubic), keeping
            the aspect ratio; ``None`` keeps the size.
        limits: what to refuse before decoding.

    Returns:
        uint8 ``(len(indices), height, width, 3)``, RGB.

    Raises:
        VideoError: the video has no such frame or does not decode; nothing is substituted.
    """
    with open_video(path, limits) as (container, stream):
        shown, keys = presentation_times(container, stream)
        beyond = sorted({i for i in indices if not 0 <= i < len(shown)})
        if beyond:
            raise VideoError(f"'{path}' has {len(shown)} frames; asked for number {beyond[0]}")
        wanted = {shown[i] for i in indices}
        found: dict[int, np.ndarray] = {}
        size = _size(stream, short_side)
        for start, targets in _groups(sorted(wanted), keys):
            for frame in decode(container, stream, start):
                if frame.pts in targets:
                    found[frame.pts] = frame.to_ndarray(
                        format="rgb24", width=size[0], height=size[1], interpolation="BICUBIC"
                    )
                    if len(targets & found.keys()) == len(targets):
                        break
        lost = sorted(wanted - found.keys())
        if lost:
            numbers = [i for i in sorted(set(indices)) if shown[i] in lost]
            raise VideoError(
                f"'{path}': frame {numbers[0]} does not decode ({len(lost)} such frames)"
            )
    return np.stack([found[shown[i]] for i in indices])


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


def _groups(wanted: list[int], keys: list[int]) -> Iterator[tuple[int, set[int]]]:
    """Split targets by the key frame from which each is decoded."""
    edges = np.searchsorted(keys, wanted, side="right") - 1
    for edge in np.unique(edges):
        targets = {pts for pts, e in zip(wanted, edges, strict=True) if e == edge}
        yield (keys[edge] if edge >= 0 else wanted[0]), targets


def _size(stream: VideoStream, short_side: int | None) -> tuple[int, int]:
    width, height = stream.width, stream.height
    if short_side is None:
        return width, height
    scale = Fraction(short_side, min(width, height))
    return max(1, int(width * scale + Fraction(1, 2))), max(1, int(height * scale + Fraction(1, 2)))


av.logging.set_level(av.logging.ERROR)
