"""Whether a video is what its container promises: its index, its packets, its pictures.

No check but a hash finds every fault: a changed byte may make another valid picture. Which check finds how
many of 900 damaged videos is measured by ``benchmarks/damaged_videos.py``.

Sources: ISO/IEC 14496-10 and 23008-2, section 7.4.1 (what a NAL unit may hold); ISO/IEC 14496-15 (NAL units
in MP4).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from av.container import InputContainer
from av.video.stream import VideoStream

from openbasket.errors import VideoError
from openbasket.storage import Place
from openbasket.video.boxes import read_index
from openbasket.video.decoding import count_packets, decode
from openbasket.video.probe import Limits, open_video
from openbasket.wording import counted

__all__ = ["DEPTHS", "Depth", "count_frames", "faults"]

#: ``index``: the boxes of an MP4. ``packets``: also all bytes of the video, undecoded. ``frames``: also every
#: picture.
Depth = Literal["index", "packets", "frames"]
DEPTHS: tuple[Depth, ...] = ("index", "packets", "frames")

#: Inside a NAL unit these three bytes never follow each other: an encoder puts a 3 between them.
_FORBIDDEN = re.compile(rb"\0\0[\0-\2]")
#: Some muxers leave a few zeros behind a NAL unit.
_ZEROS_BEHIND = 8


def faults(path: Place, depth: Depth = "frames", limits: Limits | None = None) -> list[str]:
    """Look for damage.

    Args:
        path: the video.
        depth: how far to look; ``packets`` reads the whole file and costs little, ``frames`` decodes it.
        limits: what to refuse before decoding.

    Returns:
        What is wrong, the first fault of each check that found one; empty if nothing is.
    """
    found: list[str] = []
    try:
        with open_video(path, limits) as (container, stream):
            index = read_index(path, (limits or Limits()).index_bytes)
            found += index.faults if index is not None else ()
            if depth != "index":
                found += _packet_faults(container, stream)
        if depth == "frames":
            count_frames(path, limits)
    except VideoError as error:
        found.append(str(error))
    return found


def count_frames(path: Place, limits: Limits | None = None) -> int:
    """Decode the whole video and return its number of frames.

    Raises:
        VideoError: it does not decode, or to another number of frames than its container holds, or they do
            not come in order of time, or change in size.
    """
    last: int | None = None
    count = 0
    with open_video(path, limits) as (container, stream):
        size = (stream.width, stream.height)
        promised = count_packets(container, stream)
        for frame in decode(container, stream):
            if frame.pts is None or (last is not None and frame.pts <= last):
                raise VideoError(
                    f"'{path}': frame {count} has no time, or an earlier one than the last"
                )
            if (frame.width, frame.height) != size:
                raise VideoError(
                    f"'{path}': frame {count} has {frame.width}x{frame.height} pixels, not "
                    f"{size[0]}x{size[1]}"
                )
            last = frame.pts
            count += 1
    if count != promised:
        raise VideoError(
            f"'{path}' decodes to {counted(count, 'frame')}; the container promises {promised}"
        )
    return count


def _packet_faults(container: InputContainer, stream: VideoStream) -> Iterator[str]:
    """The first packet that is broken, with its time; and too few packets."""
    codec, extra = stream.codec_context.name, stream.codec_context.extradata or b""
    prefix = _prefix(codec, extra)
    count = 0
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        count += 1
        told = "is not whole" if packet.is_corrupt else None
        if told is None and prefix:
            told = _nal_fault(bytes(packet), prefix, codec)
        if told is not None:
            at = packet.pts if packet.pts is not None else packet.dts
            seconds = float((at or 0) * (stream.time_base or Fraction(0)))
            yield f"the packet at {seconds:.2f} s {told}"
            break
    else:
        if stream.frames and count != stream.frames:
            yield f"it holds {count:,} packets; the index promises {stream.frames:,}"


def _prefix(codec: str, extra: bytes) -> int:
    """Bytes of the length before each NAL unit; 0 where packets are not made of such units."""
    if codec == "h264" and len(extra) > 6 and extra[0] == 1:
        return (extra[4] & 3) + 1
    if codec == "hevc" and len(extra) > 22 and extra[0] == 1:
        return (extra[21] & 3) + 1
    return 0


def _nal_fault(packet: bytes, prefix: int, codec: str) -> str | None:
    """What in a packet breaks the rules that hold for every NAL unit."""
    at = 0
    while at < len(packet):
        begin = at + prefix
        at = begin + int.from_bytes(packet[at:begin], "big")
        if at <= begin or at > len(packet):
            return "does not divide into NAL units"
        first = packet[begin]
        if first & 128 or (codec == "h264" and first & 31 == 0):
            return "holds a unit that is no NAL unit"
        end = at if packet[at - 1] else begin + len(packet[begin:at].rstrip(b"\0"))
        if at - end > _ZEROS_BEHIND or _FORBIDDEN.search(packet, begin, end):
            return "holds bytes that no encoder writes"
    return None
