"""The index of an MP4 file, read without FFmpeg: what it promises, before anything believes it.

A small file can promise so many samples or streams that a reader which believes it fills the memory; a
damaged one contradicts itself. Both show in the boxes alone, whatever the pictures are.

Source: ISO/IEC 14496-12 (boxes and sample tables).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

import numpy as np
from numpy.typing import NDArray

from openbasket.errors import VideoError
from openbasket.storage import Place, open_binary

__all__ = [
    "Box",
    "DamagedError",
    "Index",
    "Track",
    "index_of",
    "inner_boxes",
    "outer_boxes",
    "read_index",
    "table",
    "track_boxes",
]

#: Boxes that may stand outside of all others.
_OUTER = frozenset(
    b"ftyp styp moov mdat free skip wide moof mfra meta sidx ssix uuid pdin udta emsg prft".split()
)
#: The way to the sample tables; other boxes are not opened, so that no depth can be forged.
_INNER = frozenset(b"moov trak mdia minf stbl".split())
#: Boxes that each stream has, once.
_ONCE = (b"mdhd", b"hdlr", b"stsd", b"stts", b"stsz")
_MAX_BOXES = 1 << 20
#: How far a track's own duration may lie from the sum of its samples' durations.
_SLACK_S = 0.5


@dataclass(frozen=True, slots=True)
class Track:
    """What the index says of one stream.

    Args:
        kind: ``vide``, ``soun`` or another handler.
        samples: how many it promises: frames of a video; 0 where they stand in fragments.
        listed: whether a reader keeps one entry for each sample (not for plain PCM audio).
        duration_s: seconds of all samples.
        width: pixels, of a video.
        height: pixels, of a video.
    """

    kind: str
    samples: int
    listed: bool = True
    duration_s: Fraction = Fraction(0)
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Index:
    """What an MP4 file's boxes say.

    Args:
        size: bytes of the index (box ``moov``); 0 where there is none.
        tracks: one for each stream.
        faults: where the boxes contradict each other or the file; none if all is well.
    """

    size: int
    tracks: tuple[Track, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its kind, and where in the file (or in what holds it) its content begins and ends."""

    kind: bytes
    start: int
    end: int


class DamagedError(ValueError):
    """A contradiction that ends the reading of what holds it."""


def read_index(path: Place, max_size: int) -> Index | None:
    """Read the index of an MP4 file (also QuickTime); see :func:`index_of`."""
    with open_binary(path) as (file, size):
        return index_of(file, size, str(path), max_size)


def index_of(file: IO[bytes], size: int, name: str, max_size: int) -> Index | None:
    """Read the index of an open MP4 file; the samples themselves are not read.

    Args:
        file: the file.
        size: its bytes.
        name: for messages.
        max_size: an index with more bytes is not read: it then has a size and no tracks.

    Returns:
        The index; ``None`` where the file is not an MP4.

    Raises:
        VideoError: the index is cut off or does not divide into boxes, so that nobody knows what it holds.
    """
    boxes, faults = outer_boxes(file, size)
    if not any(box.kind in _OUTER for box in boxes):
        return None
    place = next((box for box in boxes if box.kind == b"moov"), None)
    if place is None:
        return Index(0, (), tuple(faults or ["it has no index (box 'moov')"]))
    if place.end > size:
        raise VideoError(f"'{name}' is truncated inside of its index; fetch or make it again")
    length = place.end - place.start
    if length > max_size:
        return Index(length, (), tuple(faults))
    file.seek(place.start)
    content = file.read(length)
    media = [(box.start, box.end) for box in boxes if box.kind == b"mdat"]
    tracks: list[Track] = []
    try:
        for box in inner_boxes(content, 0, length):
            if box.kind == b"trak":
                track, fault = _track(content, box, media)
                tracks.append(track)
                faults += [f"stream '{track.kind}': {fault}"] if fault else []
    except DamagedError as error:
        raise VideoError(f"'{name}' has a damaged index: {error}; fetch or make it again") from None
    return Index(length, tuple(tracks), tuple(faults))


def outer_boxes(file: IO[bytes], size: int) -> tuple[list[Box], list[str]]:
    """The outermost boxes, as far as one leads to the next, and the first thing that is wrong with them."""
    boxes: list[Box] = []
    faults: list[str] = []
    at = 0
    while at < size:
        file.seek(at)
        box = _head(file.read(16), at, size)
        if box is None or len(boxes) == _MAX_BOXES:
            faults.append(f"what stands at byte {at:,} is no box of an MP4")
            break
        boxes.append(box)
        name = box.kind.decode("latin-1")
        if box.end > size:
            faults.append(
                f"it is cut off: box {name!r} ends at byte {box.end:,}, the file at {size:,}"
            )
        elif box.kind not in _OUTER:
            faults.append(f"box {name!r} at byte {at:,} is none of an MP4")
        at = box.end
    return boxes, faults[:1]


def inner_boxes(content: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes that fill a stretch.

    Raises:
        DamagedError: it does not divide into boxes.
    """
    at = start
    while at < end:
        box = _head(content[at : at + 16], at, end)
        if box is None or box.end > end:
            raise DamagedError(f"no whole box at byte {at:,} of it")
        yield box
        at = box.end


def _head(head: bytes, at: int, end: int) -> Box | None:
    """The box whose first 16 bytes these are; ``None`` if it cannot be one."""
    if len(head) < 8:
        return None
    length, begin = int.from_bytes(head[:4], "big"), 8
    if length == 1:
        length, begin = int.from_bytes(head[8:16], "big"), 16
    elif length == 0:  # up to the end
        length = end - at
    return None if length < begin else Box(head[4:8], at + begin, at + length)


def track_boxes(content: bytes, track: Box) -> dict[bytes, Box]:
    """The boxes of a stream, by kind, as deep as its sample tables.

    Raises:
        DamagedError: one that there can be only one of stands twice.
    """
    found = {track.kind: track}
    waiting = [track]
    while waiting:
        outer = waiting.pop()
        for box in inner_boxes(content, outer.start, outer.end):
            if box.kind == b"hdlr" and outer.kind != b"mdia":
                continue  # QuickTime has one for the way the data are kept
            if box.kind in found and (box.kind in _ONCE or box.kind in _INNER):
                raise DamagedError(f"box '{box.kind.decode()}' stands twice in one stream")
            found[box.kind] = box
            if box.kind in _INNER:
                waiting.append(box)
    return found


def _track(content: bytes, track: Box, media: list[tuple[int, int]]) -> tuple[Track, str | None]:
    """A stream's facts, and the first contradiction in its tables.

    Raises:
        DamagedError: the facts cannot be read.
    """
    found = track_boxes(content, track)
    lost = [kind.decode() for kind in _ONCE if kind not in found]
    if b"stz2" in found or (lost and "stsz" not in lost):
        raise DamagedError(f"box '{(lost or ['stsz'])[0]}' of a stream is not there")
    if lost:
        return Track("", 0), f"it has no box '{lost[0]}'"
    place = found[b"hdlr"].start
    kind = content[place + 8 : place + 12].decode("latin-1")
    sizes = _Sizes(content, found[b"stsz"])
    steps = table(content, found, b"stts", 2)
    scale, stated = _clock(content, found[b"mdhd"])
    ticks = int((steps[:, 0] * steps[:, 1]).sum())
    facts = Track(
        kind,
        sizes.count,
        not (kind == "soun" and len(steps) == 1 and steps[0, 1] == 1),
        Fraction(ticks, scale) if scale else Fraction(0),
        *(_size(content, found[b"stsd"]) if kind == "vide" else (0, 0)),
    )
    try:
        if facts.listed and sizes.count:
            if not scale or abs(stated - ticks) > _SLACK_S * scale:
                told = f"{stated:,} ticks of {scale:,} a second"
                raise DamagedError(f"{told}, but samples of {ticks:,}")
            sizes.check()
            _check(content, found, steps, sizes, media)
    except DamagedError as error:
        return facts, str(error)
    return facts, None


def _clock(content: bytes, box: Box) -> tuple[int, int]:
    """Box ``mdhd``: ticks a second, and in all."""
    wide = content[box.start] == 1
    at = box.start + (20 if wide else 12)
    if at + 12 > box.end:
        raise DamagedError("box 'mdhd' is too short")
    end = at + (12 if wide else 8)
    return int.from_bytes(content[at : at + 4], "big"), int.from_bytes(content[at + 4 : end], "big")


def _size(content: bytes, box: Box) -> tuple[int, int]:
    """Box ``stsd``: the largest picture of its descriptions."""
    sizes = [(0, 0)]
    for entry in inner_boxes(content, box.start + 8, box.end):
        at = entry.start + 24
        sides = (int.from_bytes(content[i : i + 2], "big") for i in (at, at + 2))
        sizes.append((next(sides), next(sides)))
    return max(sizes, key=lambda sides: sides[0] * sides[1])


class _Sizes:
    """Box ``stsz``: how many samples, and the bytes of each."""

    def __init__(self, content: bytes, box: Box) -> None:
        self.box = box
        head = content[box.start : box.start + 12]
        self.fixed, self.count = (int.from_bytes(head[i : i + 4], "big") for i in (4, 8))
        self._content = content

    def check(self) -> None:
        room = (self.box.end - self.box.start - 12) // 4
        if not self.fixed and self.count != room:
            raise DamagedError(f"{self.count:,} samples, but sizes of {room:,}")

    def of_chunks(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Bytes of each chunk, from the samples in it."""
        if self.fixed:
            return samples * self.fixed
        sizes = np.frombuffer(self._content, ">u4", self.count, self.box.start + 12)
        sums = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        ends = np.cumsum(samples)
        return np.asarray(sums[ends] - sums[ends - samples])


def table(
    content: bytes, found: dict[bytes, Box], kind: bytes, columns: int, width: int = 4
) -> NDArray[np.int64]:
    """A table of a sample table box, ``(rows, columns)``.

    Raises:
        DamagedError: it is not there, or not as long as it states.
    """
    if kind not in found:
        raise DamagedError(f"no table '{kind.decode()}'")
    box = found[kind]
    rows = int.from_bytes(content[box.start + 4 : box.start + 8], "big")
    if content[box.start : box.start + 4] not in (bytes(4), b"\1\0\0\0"):
        raise DamagedError(f"table '{kind.decode()}' is of an unknown version")
    if box.end - box.start - 8 != rows * columns * width:
        raise DamagedError(f"table '{kind.decode()}' has not the {rows:,} rows that it states")
    values = np.frombuffer(content, f">u{width}", rows * columns, box.start + 8)
    return values.astype(np.int64).reshape(rows, columns)


def _check(
    content: bytes,
    found: dict[bytes, Box],
    steps: NDArray[np.int64],
    sizes: _Sizes,
    media: list[tuple[int, int]],
) -> None:
    """Compare a stream's tables with each other and with the file.

    Raises:
        DamagedError: the first contradiction.
    """
    timed = int(steps[:, 0].sum())
    if timed != sizes.count:
        raise DamagedError(f"{sizes.count:,} samples, but durations of {timed:,}")
    if b"ctts" in found:
        shifted = int(table(content, found, b"ctts", 2)[:, 0].sum())
        if shifted != sizes.count:
            raise DamagedError(f"{sizes.count:,} samples, but offsets in time of {shifted:,}")
    if b"stss" in found:
        keys = table(content, found, b"stss", 1)[:, 0]
        if len(keys) and (keys[0] < 1 or keys[-1] > sizes.count or (np.diff(keys) <= 0).any()):
            raise DamagedError("its key frames are not in order")
    wide = b"co64" in found
    starts = table(content, found, b"co64" if wide else b"stco", 1, 8 if wide else 4)[:, 0]
    runs = table(content, found, b"stsc", 3)
    firsts = np.append(runs[:, 0], len(starts) + 1)
    if firsts[0] != 1 or (np.diff(firsts) <= 0).any():
        raise DamagedError("its chunks are not in order")
    described = int.from_bytes(content[found[b"stsd"].start + 4 : found[b"stsd"].start + 8])
    if (runs[:, 2] < 1).any() or (runs[:, 2] > described).any():
        raise DamagedError("chunks of a description that is not there")
    samples = np.repeat(runs[:, 1], np.diff(firsts))
    if samples.sum() != sizes.count or (samples < 0).any():
        raise DamagedError(f"{sizes.count:,} samples, but chunks of {samples.sum():,}")
    ends = starts + sizes.of_chunks(samples)
    inside = np.zeros(len(starts), bool)
    for begin, end in media:
        inside |= (starts >= begin) & (ends <= end)
    if not inside.all():
        raise DamagedError(f"{(~inside).sum():,} of {len(starts):,} chunks lie outside the media")
