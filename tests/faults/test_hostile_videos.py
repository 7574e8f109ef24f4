"""Hostile videos are refused before they are decoded, and fill no memory."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest
from helpers import numbered

from openbasket.errors import VideoError
from openbasket.video.frames import frames_at
from openbasket.video.integrity import faults
from openbasket.video.probe import Limits, probe


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, *parts: bytes) -> bytes:
    return box(kind, bytes(4), *parts)


def table(kind: bytes, *rows: Sequence[int]) -> bytes:
    return full(kind, struct.pack(">I", len(rows)), *(struct.pack(f">{len(r)}I", *r) for r in rows))


@dataclass
class Film:
    """An MP4, box by box: true by default."""

    avcc: bytes
    samples: list[bytes]
    width: int = 96
    height: int = 64
    scale: int = 30
    step: int = 1
    streams: int = 1
    told_samples: int | None = None
    fixed_size: int = 0
    duration: int | None = None
    extra: bytes = b""
    twice: bool = False
    chunk_samples: int | None = None
    sizes: list[int] = field(default_factory=list)

    def write(self, path: Path) -> Path:
        head = box(b"ftyp", b"isom", bytes(4), b"isomavc1")
        media = box(b"mdat", *self.samples)
        moov = box(
            b"moov",
            full(b"mvhd", struct.pack(">8xII", self.scale, self.ticks), bytes(80)),
            *[self._stream(len(head) + 8, i) for i in range(self.streams)],
            self.extra,
        )
        path.write_bytes(head + media + moov)
        return path

    @property
    def ticks(self) -> int:
        return len(self.samples) * self.step if self.duration is None else self.duration

    def _stream(self, at: int, number: int) -> bytes:
        count = len(self.samples) if self.told_samples is None else self.told_samples
        entry = box(
            b"avc1", bytes(6), b"\0\1", bytes(16), struct.pack(">HH", self.width, self.height),
            struct.pack(">IIIH32sHh", 72 << 16, 72 << 16, 0, 1, b"", 24, -1), box(b"avcC", self.avcc),
        )  # fmt: skip
        sizes = (
            b""
            if self.fixed_size
            else b"".join(struct.pack(">I", len(sample)) for sample in self.samples)
        )
        stsz = full(b"stsz", struct.pack(">II", self.fixed_size, count), sizes)
        tables = box(
            b"stbl",
            full(b"stsd", struct.pack(">I", 1), entry),
            table(b"stts", (count, self.step)),
            table(b"stsc", (1, count if self.chunk_samples is None else self.chunk_samples, 1)),
            stsz * (1 + self.twice),
            table(b"stco", (at,)),
        )
        information = box(
            b"minf",
            full(b"vmhd", bytes(8)),
            box(b"dinf", full(b"dref", struct.pack(">I", 1), full(b"url "))),
            tables,
        )
        return box(
            b"trak",
            full(b"tkhd", struct.pack(">8xI4xI", number + 1, self.ticks), bytes(52),
                 struct.pack(">II", self.width << 16, self.height << 16)),
            box(b"mdia",
                full(b"mdhd", struct.pack(">8xIII", self.scale, self.ticks, 0)),
                full(b"hdlr", bytes(4), b"vide", bytes(13)),
                information),
        )  # fmt: skip


def taken_apart(path: Path) -> tuple[bytes, list[bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = sorted((p for p in container.demux(stream) if p.size), key=lambda p: p.dts)
        return bytes(stream.codec_context.extradata), [bytes(p) for p in packets]


def picture_parameters(avcc: bytes) -> tuple[bytes, bytes]:
    """The one SPS and the one PPS of an ``avcC``."""
    length = int.from_bytes(avcc[6:8], "big")
    sps, rest = avcc[8 : 8 + length], avcc[8 + length :]
    return sps, rest[3 : 3 + int.from_bytes(rest[1:3], "big")]


def wide_avcc(avcc: bytes, width: int, height: int) -> bytes:
    """An ``avcC`` whose SPS declares a picture of this size (Baseline, no cropping)."""

    def ue(value: int) -> str:
        text = f"{value + 1:b}"
        return "0" * (len(text) - 1) + text

    bits = f"{66:08b}{0:08b}{62:08b}" + ue(0) + ue(0) + ue(2) + ue(1) + "0"
    bits += ue(width // 16 - 1) + ue(height // 16 - 1) + "1100" + "1"
    bits += "0" * (-len(bits) % 8)
    sps = b"\x67" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    pps = picture_parameters(avcc)[1]
    return (
        bytes([1, 66, 0, 62, 255, 225]) + struct.pack(">H", len(sps)) + sps
        + b"\1" + struct.pack(">H", len(pps)) + pps
    )  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[bytes, list[bytes]]:
    path = numbered(tmp_path_factory.mktemp("small") / "a.mp4", 30, preset="ultrafast")
    return taken_apart(path)


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = box(b"trak", content)
    return content


HOSTILE = {
    "8192x8192": ({"width": 8192, "height": 8192}, "67,108,864 pixels"),
    "10 hours": ({"scale": 1, "step": 1200}, "36,000 s; allowed: 21,600"),
    "500 frames a second": ({"scale": 500}, "500.00 frames a second; allowed"),
    "100 streams": ({"streams": 100}, "100 streams; allowed: 16"),
    "no time passes": ({"step": 0}, "0.00 frames a second"),
    "four thousand million ticks a second": ({"scale": 2**32 - 1}, "frames a second; allowed"),
    "clock without ticks": ({"scale": 0}, "0.00 frames a second"),
    "absurd steps": ({"step": 2**32 - 1, "duration": 30}, "s; allowed: 21,600"),
    "4,000 million samples": ({"told_samples": 4_000_000_000, "fixed_size": 1}, "samples of stream"),
    "89 million samples": ({"told_samples": 89_000_000, "fixed_size": 1}, "89,000,000 samples"),
    "10,000 boxes deep": ({"extra": nested(10_000)}, "'trak' stands twice"),
    "sizes twice": ({"twice": True}, "'stsz' stands twice"),
    "a hole in the index": ({"extra": b"\0\0\0\4trak"}, "damaged index"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_videos_are_refused_before_ffmpeg_opens_them(name, small, tmp_path, monkeypatch):
    changes, told = HOSTILE[name]
    path = Film(*small, **changes).write(tmp_path / "a.mp4")
    monkeypatch.setattr(av, "open", lambda *_, **__: pytest.fail("FFmpeg saw the file"))
    with pytest.raises(VideoError) as error:
        probe(path)
    assert told in str(error.value)
    assert str(path) in str(error.value)


def test_the_true_film_is_whole(small, tmp_path):
    path = Film(*small).write(tmp_path / "a.mp4")
    assert (probe(path).fps, probe(path).frames) == (30, 30)
    assert faults(path) == []


@pytest.mark.parametrize("duration", [2**31, 2**32 - 1, 0])
def test_a_wrong_duration_is_a_fault_and_no_trap(duration, small, tmp_path):
    path = Film(*small, duration=duration).write(tmp_path / "a.mp4")
    assert 0 <= probe(path).duration_s <= 1
    assert "but samples of 30" in faults(path, "index")[0]


def test_more_chunks_than_samples_is_a_fault(small, tmp_path):
    path = Film(*small, chunk_samples=2**31).write(tmp_path / "a.mp4")
    assert "but chunks of" in faults(path, "index")[0]


def test_limits_can_be_moved(small, tmp_path):
    path = Film(*small, scale=500).write(tmp_path / "a.mp4")
    assert probe(path, Limits(fps=500)).fps == 500
    with pytest.raises(VideoError, match="index of"):
        probe(path, Limits(fps=500, index_bytes=100))


CHILD = """
import json, resource, sys
import av
from openbasket.errors import VideoError
from openbasket.video.frames import frames_at
from openbasket.video.probe import open_video
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
told = []
for path in sys.argv[1:]:
    from pathlib import Path
    try:
        frames_at(Path(path), [0])
        told.append("decoded")
    except VideoError as error:
        told.append(str(error))
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(json.dumps([told, grown]))
"""


def test_hostile_videos_fill_no_memory(small, tmp_path):
    """All of them, and pictures of 8192x8192 that only the codec's own header declares."""
    avcc, samples = small
    films = {name: Film(*small, **changes) for name, (changes, _) in HOSTILE.items()}
    films["8192x8192 in the SPS"] = Film(wide_avcc(avcc, 8192, 8192), samples)
    films["15360x15360 in the SPS"] = Film(wide_avcc(avcc, 15360, 15360), samples)
    paths = [film.write(tmp_path / f"{i}.mp4") for i, film in enumerate(films.values())]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told, grown_mb = json.loads(done.stdout)
    assert [name for name, text in zip(films, told, strict=True) if text == "decoded"] == []
    assert grown_mb < 50  # one picture of 8192x8192 has 96 MB


def test_a_picture_that_grows_inside_the_video_is_bounded(small, tmp_path):
    big = numbered(tmp_path / "b.mp4", 5, width=320, height=192, preset="ultrafast")
    avcc, samples = taken_apart(big)
    inline = b"".join(struct.pack(">I", len(unit)) + unit for unit in picture_parameters(avcc))
    path = Film(small[0], [*small[1], inline + samples[0], *samples[1:]]).write(tmp_path / "a.mp4")
    assert "frame 30 has 320x192 pixels, not 96x64" in faults(path)[0]
    with pytest.raises(VideoError):
        frames_at(path, [30], limits=Limits(pixels=96 * 64 * 2))
    assert frames_at(path, [29], limits=Limits(pixels=96 * 64 * 2)).pixels.shape[0] == 1
