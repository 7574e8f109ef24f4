"""A video's sound: read exactly between two moments, encoded as AAC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from itertools import repeat
from math import ceil
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard

from openbasket.storage import Place
from openbasket.video.probe import open_video

__all__ = [
    "PACKET",
    "RATE",
    "Sound",
    "add_sound_stream",
    "encode_sound",
    "open_sound",
    "placed",
    "silent_packets",
]

#: Samples a second, and samples of one AAC packet, in all clips and reels.
RATE, PACKET = 48_000, 1024
_LAYOUT = "stereo"
_BIT_RATE = 128_000
#: Decoding begins this much before what is wanted: the first packet after a jump is not whole.
_RUN_UP_S = Fraction(1, 5)
#: Ticks of a container's clock by which times of packets that follow each other may be off.
_TICKS_OFF = Fraction(3, 2)


class Sound:
    """The first audio stream of an open video."""

    def __init__(self, container: InputContainer, stream: AudioStream, name: str) -> None:
        self._container, self._stream, self._name = container, stream, name

    def between(self, start_s: Fraction, duration_s: Fraction) -> np.ndarray:
        """What is heard from ``start_s`` on, float32 ``(2, duration_s * 48000)``; silence where nothing is.

        Args:
            start_s: on the container's own clock (which may not begin at zero).
            duration_s: seconds.
        """
        rate = self._stream.rate
        heard = np.zeros((2, round(duration_s * rate)), np.float32)
        follows = -1  # where the next samples come if nothing is left out
        clock_error = max(1, ceil(_TICKS_OFF * (self._stream.time_base or 0) * rate))
        for plain in self._plain(self._frames(start_s, start_s + duration_s)):
            if plain.pts is None or plain.time_base is None:
                continue
            at = round((plain.pts * plain.time_base - start_s) * rate)
            if abs(at - follows) <= clock_error:
                at = follows
            samples = plain.to_ndarray()
            follows = at + samples.shape[1]
            left, right = max(at, 0), min(follows, heard.shape[1])
            if left < right:
                heard[:, left:right] = samples[:, left - at : right - at]
        return _at_rate(heard, rate, round(duration_s * RATE))

    def _plain(self, frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
        """As two channels of float32, also where the source goes over to other channels."""
        form: tuple[str, str, int] | None = None
        for frame in frames:
            mine = (frame.format.name, frame.layout.name, frame.sample_rate)
            if mine != form:
                form = mine
                resampler = av.AudioResampler("fltp", _LAYOUT, self._stream.rate)
            yield from resampler.resample(frame)

    def _frames(self, start_s: Fraction, end_s: Fraction) -> Iterator[av.AudioFrame]:
        base = self._stream.time_base or Fraction(1, RATE)
        self._stream.codec_context.flush_buffers()
        first = int((start_s - _RUN_UP_S) / base)
        self._container.seek(first, stream=self._stream, backward=True)
        for packet in self._container.demux(self._stream):
            if packet.pts is not None and packet.pts * base >= end_s:
                return
            try:
                yield from packet.decode()
            except av.FFmpegError:  # a damaged packet is some milliseconds of silence
                continue


@contextmanager
def open_sound(path: Place) -> Iterator[Sound | None]:
    """Open a video for its sound; None where it has none. Pictures are not read."""
    with open_video(path) as (container, _):
        tracks = [t for t in container.streams.audio if t.codec_context is not None and t.rate]
        if not tracks:
            yield None
            return
        for other in container.streams:
            if other.index != tracks[0].index:
                other.discard = Discard.all
        yield Sound(container, tracks[0], path.name)


def encode_sound(samples: np.ndarray) -> list[bytes]:
    """Encode float32 ``(2, n)`` at 48 kHz as AAC packets; the first one is the encoder's lead-in."""
    encoder = CodecContext.create("aac", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = RATE, _LAYOUT, "fltp"
    encoder.bit_rate = _BIT_RATE
    encoded: list[bytes] = []
    for at in range(0, samples.shape[1], PACKET):
        chunk = np.ascontiguousarray(samples[:, at : at + PACKET])
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout=_LAYOUT)
        frame.rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        encoded += [bytes(packet) for packet in encoder.encode(frame)]
    return encoded + [bytes(packet) for packet in encoder.encode(None)]


@cache
def _silent_second() -> list[bytes]:
    return encode_sound(np.zeros((2, RATE), np.float32))


def silent_packets() -> Iterator[bytes]:
    """Packets of silence without end."""
    packets = _silent_second()
    settled = len(packets) // 2
    yield from packets[:settled]
    yield from repeat(packets[settled])


def add_sound_stream(container: OutputContainer) -> AudioStream:
    """Add a stream for packets of ``encode_sound`` to a container."""
    stream = container.add_stream("aac", rate=RATE, layout=_LAYOUT)
    stream.bit_rate = _BIT_RATE
    return stream


def placed(
    packets: Iterable[bytes], slots: range, stream: AudioStream
) -> Iterator[Packet[AudioStream]]:
    """Packets for the slots of 1024 samples given (-1: the lead-in of what begins at 0)."""
    for slot, data in zip(slots, packets):  # noqa: B905 - silence has no end, and ends are cut
        packet = cast("Packet[AudioStream]", Packet(data))
        packet.time_base = Fraction(1, RATE)
        packet.pts = packet.dts = slot * PACKET
        packet.duration = PACKET
        packet.stream = stream
        yield packet


def _at_rate(samples: np.ndarray, rate: int, count: int) -> np.ndarray:
    """Resample; the result has exactly ``count`` samples."""
    if rate != RATE:
        resampler = av.AudioResampler(format="fltp", layout=_LAYOUT, rate=RATE)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=_LAYOUT)
        frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        parts = [p.to_ndarray() for p in (*resampler.resample(frame), *resampler.resample(None))]
        samples = np.concatenate([np.zeros((2, 0), np.float32), *parts], axis=1)
    fitted = np.zeros((2, count), np.float32)
    fitted[:, : samples.shape[1]] = samples[:, :count]
    return fitted
