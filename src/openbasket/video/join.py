"""Join stretches of H.264 (and their sound) by copying packets; nothing is encoded again."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from openbasket.errors import VideoError
from openbasket.video.probe import open_video
from openbasket.video.seal import is_intact, seal
from openbasket.video.sound import PACKET, RATE, add_sound_stream, placed, silent_packets
from openbasket.video.write import FPS
from openbasket.workspace import atomic_path

__all__ = [
    "BadClipError",
    "Heard",
    "Part",
    "Placed",
    "frame_step",
    "is_instant",
    "join",
    "mux",
    "places",
]

Placed: TypeAlias = "tuple[int, Packet[VideoStream]]"

_IDR, _SPS = 5, 7
_SAMPLES = RATE / FPS  # of one frame


@dataclass(frozen=True)
class Part:
    """A stretch of H.264 that decodes by itself.

    Args:
        config: its ``avcC`` record: the parameter sets of its encoding.
        packets: (place in order of showing, packet), in decoding order; at least one.
    """

    config: bytes
    packets: Sequence[Placed]

    @property
    def frames(self) -> int:
        """Pictures."""
        return len(self.packets)

    @property
    def ahead(self) -> int:
        """Frames by which decoding must run ahead of showing (B-frames)."""
        return max(i - place for i, (place, _) in enumerate(self.packets))

    @property
    def repeats(self) -> bool:
        """Whether each of its key frames brings its parameter sets along."""
        return _SPS in _kinds(bytes(self.packets[0][1]))


@dataclass(frozen=True)
class Heard:
    """The sound of some frames.

    Args:
        frames: for how many frames it is heard.
        packets: as ``encode_sound`` makes them; none for silence.
    """

    frames: int
    packets: Sequence[bytes] = ()


class BadClipError(VideoError):
    """A clip that does not go into a reel.

    Args:
        clip: its file.
        fault: what is wrong with it.
    """

    def __init__(self, clip: Path, fault: str) -> None:
        super().__init__(f"'{clip}' {fault}")
        self.clip = clip


def join(clips: Sequence[Path], path: Path, *, frames: Sequence[int] | None = None) -> list[int]:
    """Join clips by copying their packets.

    Clips whose encodings differ (stretches copied from other sources) get their parameter sets at every
    key frame. Where some clips have sound, the others are silent; sound is never early,
    and late by less than one AAC packet, 21.3 ms.

    Args:
        clips: in order; all 30 FPS and of one picture size, as ``cut_clips`` writes them.
        path: the reel.
        frames: of each clip, where they are known; such clips are compared with their seals, too.

    Returns:
        Frames of each clip.

    Raises:
        BadClipError: a clip that cannot be read, is not as it was cut, or is of another size or rate than
            the first one.
        VideoError: no clips.
    """
    if not clips:
        raise VideoError(f"there are no clips to join to '{path}'")
    form: tuple[int, int, Fraction | None] | None = None
    parts, sounds = [], []
    for number, clip in enumerate(clips):
        if frames is not None and clip.is_file() and not is_intact(clip):
            raise BadClipError(clip, "is not as it was cut: its bytes have changed")
        try:
            with open_video(clip, decodes=False) as (container, stream):
                mine = (stream.width, stream.height, stream.time_base)
                form = form or mine
                if mine != form:
                    raise BadClipError(
                        clip, f"is encoded otherwise than '{clips[0]}'; cut it again"
                    )
                part, sound = _read(clip, container, stream)
        except BadClipError:
            raise
        except VideoError as error:
            raise BadClipError(clip, f"is no clip: {error}") from None
        if frames is not None and part.frames != frames[number]:
            raise BadClipError(clip, f"has {part.frames} frames; cut were {frames[number]}")
        parts.append(part)
        sounds.append(sound)
    with open_video(clips[0], decodes=False) as (_, stream):
        mux(path, parts, stream, sounds)
    return [part.frames for part in parts]


def mux(
    path: Path,
    parts: Sequence[Part],
    template: VideoStream,
    sounds: Sequence[Heard],
    *,
    sealed: bool = False,
) -> None:
    """Write parts one after the other.

    Args:
        path: the file.
        parts: in order.
        template: the stream whose parameters the file states; the first part's.
        sounds: in order; the file has sound if any of them is not silent.
        sealed: the file ends with a checksum, see :mod:`openbasket.video.seal`.
    """
    mixed = any(part.repeats or part.config != parts[0].config for part in parts)
    with atomic_path(path) as temporary:
        _write(temporary, parts, template, sounds, mixed=mixed)
        if sealed:
            seal(temporary)


def _write(
    path: Path,
    parts: Sequence[Part],
    template: VideoStream,
    sounds: Sequence[Heard],
    *,
    mixed: bool,
) -> None:
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        pictures = output.add_stream_from_template(template)
        pictures.time_base = Fraction(1, FPS.numerator * 512)
        if mixed:
            pictures.codec_context.codec_tag = "avc3"  # parameter sets lie among the pictures
        packets: Iterator[Packet[Any]] = _pictures(parts, pictures, mixed)
        if any(sound.packets for sound in sounds):
            heard = _sounds(sounds, add_sound_stream(output))
            packets = heapq.merge(packets, heard, key=lambda p: (p.dts or 0) * p.time_base)
        for packet in packets:
            output.mux(packet)


def _pictures(
    parts: Sequence[Part], stream: VideoStream, mixed: bool
) -> Iterator[Packet[VideoStream]]:
    base = stream.time_base or 1 / FPS
    step = frame_step(base)
    ahead = max(part.ahead for part in parts)
    begun = 0
    for part in parts:
        sets = _parameter_sets(part.config) if mixed and not part.repeats else b""
        for i, (place, packet) in enumerate(part.packets):
            out = packet
            if sets and packet.is_keyframe:
                out = cast("Packet[VideoStream]", Packet(sets + bytes(packet)))
                out.is_keyframe = True
            out.time_base = base
            out.pts = (begun + place) * step
            out.dts = (begun + i - ahead) * step
            out.duration = step
            out.stream = stream
            yield out
        begun += part.frames


def _sounds(sounds: Sequence[Heard], stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    """Sound in slots of one AAC packet; a stretch's lead-in takes the place of the last one's end."""
    begun = 0
    for number, sound in enumerate(sounds):
        first = ceil(begun * _SAMPLES / PACKET)
        begun += sound.frames
        end = ceil(begun * _SAMPLES / PACKET) - (number < len(sounds) - 1)
        packets = sound.packets or silent_packets()
        yield from placed(packets, range(first - 1, end), stream)


def places(container: InputContainer, stream: VideoStream) -> Iterator[Placed]:
    """Packets of a clip in decoding order, each with its place in order of showing."""
    step = frame_step(stream.time_base)
    for packet in container.demux(stream):
        if packet.pts is not None:
            yield packet.pts // step, packet


def frame_step(base: Fraction | None) -> int:
    """Ticks of a clock for one frame of a reel; 0 where it is no whole number."""
    ticks = 1 / FPS / (base or 1)
    return int(ticks) if ticks.denominator == 1 else 0


def is_instant(packet: Packet[VideoStream]) -> bool:
    """Whether nothing before this packet is needed to decode what follows (an IDR picture)."""
    return any(kind == _IDR for kind in _kinds(bytes(packet)))


def _read(clip: Path, container: InputContainer, stream: VideoStream) -> tuple[Part, Heard]:
    """A clip, in one pass."""
    step = frame_step(stream.time_base)
    if not step:
        raise BadClipError(clip, f"is no clip of {FPS} FPS; cut it again")
    pictures: list[Placed] = []
    sound: list[bytes] = []
    for packet in container.demux(stream, *container.streams.audio[:1]):
        if packet.stream_index != stream.index:
            sound += [bytes(packet)] if packet.size else []
        elif packet.pts is not None:
            pictures.append((packet.pts // step, cast("Packet[VideoStream]", packet)))
    if not pictures:
        raise BadClipError(clip, "holds no frames; cut it again")
    config = bytes(stream.codec_context.extradata or b"")
    named = stream.codec_context.name == "h264" and config[:1] == b"\1" and config[4] & 3 == 3
    if not named or sorted(place for place, _ in pictures) != list(range(len(pictures))):
        raise BadClipError(clip, "is not as it was cut; remove it, and it is cut again")
    return Part(config, pictures), Heard(len(pictures), sound)


def _kinds(data: bytes) -> Iterator[int]:
    """The kinds of the NAL units of a packet (each after its length in four bytes)."""
    at = 0
    while at + 4 < len(data):
        yield data[at + 4] & 31
        at += 4 + int.from_bytes(data[at : at + 4], "big")


def _parameter_sets(config: bytes) -> bytes:
    """The parameter sets of an ``avcC`` record (ISO/IEC 14496-15, 5.3.3.1), each after its length."""
    out = b""
    at = 5
    for mask in (31, 255):
        count = config[at] & mask
        at += 1
        for _ in range(count):
            size = int.from_bytes(config[at : at + 2], "big")
            out += size.to_bytes(4, "big") + config[at + 2 : at + 2 + size]
            at += 2 + size
    return out
