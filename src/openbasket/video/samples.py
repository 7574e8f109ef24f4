"""The samples of an H.264 stream in an MP4, found and read without FFmpeg: only the bytes that are wanted.

Sources: ISO/IEC 14496-12 (sample tables, edit lists), 14496-15 (NAL units in MP4), 14496-10 (sections 7.3.1,
7.4.1, D.1.8: which pictures others refer to, and from which one can begin).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openbasket.errors import VideoError
from openbasket.video.boxes import (
    Box,
    DamagedError,
    inner_boxes,
    outer_boxes,
    read_index,
    table,
    track_boxes,
)
from openbasket.video.probe import Limits

__all__ = [
    "Samples",
    "begins",
    "brings_sets",
    "is_disposable",
    "is_idr",
    "nal_units",
    "read_samples",
]

#: Types of NAL units.
_SLICE, _PARTITIONS, _IDR, _SEI, _SPS, _PPS = 1, (2, 3, 4), 5, 6, 7, 8
_PICTURES = (_SLICE, *_PARTITIONS, _IDR)
_RECOVERY_POINT = 6
#: An MP4's matrix of a picture that is shown as it is: 1, 1 and 1 on its diagonal.
_UPRIGHT = [1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30]
#: Samples are read together up to so many bytes, over gaps of so many.
_PIECE, _GAP = 1 << 18, 1 << 16
#: Bytes of a sample that mostly tell whether decoding can begin with it.
_HEAD = 64


@dataclass(frozen=True)
class Samples:
    """The samples of a stream, in the order of storing and decoding.

    Args:
        path: the file.
        offsets: where each begins, int64.
        sizes: bytes of each, int64.
        places: place of each in the order of showing, int64.
        times: from when each place is shown, int64 ticks, ascending.
        scale: ticks a second.
        keys: samples that the index names as key frames.
        prefix: bytes of the length before each NAL unit.
    """

    path: Path
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    places: NDArray[np.int64]
    times: NDArray[np.int64]
    scale: int
    keys: NDArray[np.int64]
    prefix: int

    def starts(self) -> NDArray[np.int64]:
        """The samples with which decoding can begin and be exact.

        An IDR picture, or one from which on, as the stream states, all pictures come out exactly; where some
        of them bring their parameter sets along, only those.

        Raises:
            VideoError: the file is shorter than its index says.
        """
        found, bring = [], []
        with self._opened() as read:
            where = zip(
                self.sizes[self.keys].tolist(), self.offsets[self.keys].tolist(), strict=True
            )
            for key, (size, offset) in zip(self.keys.tolist(), where, strict=True):
                head = read(min(size, _HEAD), offset)
                kind = begins(head, self.prefix)
                if kind is None and size > _HEAD:
                    head = read(size, offset)
                    kind = begins(head, self.prefix)
                if kind:
                    found.append(key)
                    bring.append(brings_sets(head, self.prefix))
        if any(bring):
            found = [key for key, brings in zip(found, bring, strict=True) if brings or not key]
        return np.array(found, np.int64)

    def read(self, wanted: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield (sample, its bytes) in the order of ``wanted``, ascending; neighbours are read at once.

        Raises:
            VideoError: the file is shorter than its index says.
        """
        with self._opened() as read:
            for piece in self._pieces(wanted):
                begin = min(int(self.offsets[i]) for i in piece)
                end = max(int(self.offsets[i] + self.sizes[i]) for i in piece)
                content = read(end - begin, begin)
                for i in piece:
                    at = int(self.offsets[i]) - begin
                    yield i, content[at : at + int(self.sizes[i])]

    @contextmanager
    def _opened(self) -> Iterator[Callable[[int, int], bytes]]:
        """Give what reads so many bytes from a place on, all or none of them."""
        with self.path.open("rb", buffering=0) as file:
            held = os.fstat(file.fileno()).st_size

            def read(size: int, offset: int) -> bytes:
                content = b""
                if 0 <= offset <= offset + size <= held:
                    content = os.pread(file.fileno(), size, offset)
                if len(content) != size:
                    raise VideoError(
                        f"'{self.path}' has {held:,} bytes; its index tells of {size:,} at {offset:,}. "
                        "Fetch or make it again"
                    )
                return content

            yield read

    def _pieces(self, wanted: Sequence[int]) -> Iterator[list[int]]:
        piece: list[int] = []
        begin = end = 0
        for i in wanted:
            offset, size = int(self.offsets[i]), int(self.sizes[i])
            if piece and not (end <= offset <= end + _GAP and offset + size - begin <= _PIECE):
                yield piece
                piece = []
            if not piece:
                begin = offset
            piece.append(i)
            end = offset + size
        if piece:
            yield piece


def read_samples(path: Path, limits: Limits) -> Samples | None:
    """Find the samples of an MP4's pictures.

    Args:
        path: the file.
        limits: an index, or number of samples, over them is not read.

    Returns:
        ``None`` where the file is no MP4, its pictures are not H.264, its index is damaged or in fragments,
        or not all pictures are shown, upright and each as long as the others: FFmpeg tells what such a file
        shows. (One that is shown longer may stand where damage moved another away.)
    """
    index = read_index(path, limits.index_bytes)
    if index is None or index.faults or not index.tracks:
        return None
    if any(track.samples > limits.frames for track in index.tracks):
        return None
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            boxes, _ = outer_boxes(file, size)
            if any(box.kind == b"moof" for box in boxes):
                return None
            moov = next(box for box in boxes if box.kind == b"moov")
            file.seek(moov.start)
            content = file.read(moov.end - moov.start)
        inner = list(inner_boxes(content, 0, len(content)))
        for box in inner:
            if box.kind == b"trak":
                found = track_boxes(content, box)
                handler = found[b"hdlr"].start
                if content[handler + 8 : handler + 12] == b"vide":
                    movie = next(box for box in inner if box.kind == b"mvhd")
                    if _matrix(content, movie.end - 64) != _UPRIGHT:
                        return None
                    return _samples(path, content, found, _scale(content, movie))
    except (DamagedError, KeyError, StopIteration, ValueError, IndexError):
        pass
    return None


def _samples(path: Path, content: bytes, found: dict[bytes, Box], movie: int) -> Samples | None:
    prefix = _prefix(content, found[b"stsd"])
    head = found[b"tkhd"]
    scale = _scale(content, found[b"mdhd"])
    if prefix is None or _matrix(content, head.end - 44) != _UPRIGHT or not scale:
        return None
    sizes = _sizes(content, found[b"stsz"])
    count = len(sizes)
    steps = table(content, found, b"stts", 2)
    decoded = np.concatenate([[0], np.cumsum(np.repeat(steps[:, 1], steps[:, 0]))])
    ends, shown = decoded[1:], decoded[:-1]
    if b"ctts" in found:
        shifts = table(content, found, b"ctts", 2)
        signed = shifts[:, 1].astype(np.uint32).astype(np.int32).astype(np.int64)
        shown = shown + np.repeat(signed, shifts[:, 0])
    order = np.argsort(shown, kind="stable")
    times = shown[order]
    if (
        not count
        or (sizes <= 0).any()
        or (np.diff(times) <= 0).any()
        or (np.diff(times) != np.diff(times[:2])).any()
        or (np.diff(ends) <= 0).any()
        or not _all_shown(content, found, times, scale, movie)
    ):
        return None
    places = np.empty(count, np.int64)
    places[order] = np.arange(count)
    keys = np.arange(count)
    if b"stss" in found:
        keys = table(content, found, b"stss", 1)[:, 0] - 1
    offsets = _offsets(content, found, sizes)
    return Samples(path, offsets, sizes, places, times - times[0], scale, keys, prefix)


def _matrix(content: bytes, at: int) -> list[int]:
    """How pictures are turned, of box ``tkhd`` or ``mvhd``."""
    return list(np.frombuffer(content, ">i4", 9, at).tolist())


def _prefix(content: bytes, box: Box) -> int | None:
    """Bytes of the length before NAL units, from the one description of the stream; none if not H.264."""
    entries = list(inner_boxes(content, box.start + 8, box.end))
    if len(entries) != 1 or entries[0].kind != b"avc1":
        return None
    for inner in inner_boxes(content, entries[0].start + 78, entries[0].end):
        if inner.kind == b"avcC":
            return (content[inner.start + 4] & 3) + 1
    return None


def _scale(content: bytes, box: Box) -> int:
    """Ticks a second, of box ``mdhd`` or ``mvhd``."""
    at = box.start + (20 if content[box.start] == 1 else 12)
    return int.from_bytes(content[at : at + 4], "big")


def _sizes(content: bytes, box: Box) -> NDArray[np.int64]:
    fixed, count = (int.from_bytes(content[box.start + i : box.start + i + 4]) for i in (4, 8))
    if fixed:
        return np.full(count, fixed, np.int64)
    return np.frombuffer(content, ">u4", count, box.start + 12).astype(np.int64)


def _offsets(
    content: bytes, found: dict[bytes, Box], sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    wide = b"co64" in found
    chunks = table(content, found, b"co64" if wide else b"stco", 1, 8 if wide else 4)[:, 0]
    runs = table(content, found, b"stsc", 3)
    held = np.repeat(runs[:, 1], np.diff(np.append(runs[:, 0], len(chunks) + 1)))
    before = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    first = np.cumsum(held) - held
    inside = before - np.repeat(before[np.minimum(first, len(sizes) - 1)], held)
    return np.asarray(np.repeat(chunks, held) + inside)


def _all_shown(
    content: bytes, found: dict[bytes, Box], times: NDArray[np.int64], scale: int, movie: int
) -> bool:
    """Whether the edit list, if there is one, only says when to begin."""
    if b"edts" not in found:
        return True
    lists = list(inner_boxes(content, found[b"edts"].start, found[b"edts"].end))
    if len(lists) != 1 or lists[0].kind != b"elst":
        return False
    at, wide = lists[0].start, content[lists[0].start] == 1
    count = int.from_bytes(content[at + 4 : at + 8], "big")
    fields = [("length", ">u8" if wide else ">u4"), ("begin", ">i8" if wide else ">i4")]
    edits = np.frombuffer(content, np.dtype([*fields, ("rate", ">u4")]), count, at + 8)
    if count and edits[0]["begin"] == -1:  # nothing is shown before
        edits = edits[1:]
    if len(edits) != 1 or edits[0]["rate"] != 1 << 16 or not movie:
        return False
    begin, length = int(edits[0]["begin"]), int(edits[0]["length"]) * scale // movie
    return bool(0 <= begin <= times[0] and begin + length > times[-1] + 1)


def nal_units(sample: bytes, prefix: int) -> Iterator[bytes]:
    """The NAL units of a sample; with ``prefix`` 0, of a stream with start codes. A cut one is the last."""
    if prefix:
        at = 0
        while at + prefix < len(sample):
            begin = at + prefix
            at = begin + int.from_bytes(sample[at:begin], "big")
            yield sample[begin:at]
    else:
        yield from (unit for unit in sample.split(b"\0\0\1")[1:] if unit)


def is_disposable(sample: bytes, prefix: int) -> bool:
    """Whether no other picture refers to this one, and it brings nothing else that is needed."""
    pictures = 0
    for unit in nal_units(sample, prefix):
        if not len(unit):
            return False
        kind = unit[0] & 31
        if kind in (_SPS, _PPS) or (kind in _PICTURES and unit[0] & 96):
            return False
        pictures += kind in _PICTURES
    return pictures > 0


def begins(sample: bytes, prefix: int) -> bool | None:
    """Whether decoding can begin with a picture and be exact; ``None`` where it is cut off before."""
    exact = False
    for unit in nal_units(sample, prefix):
        if not len(unit):
            return None
        kind = unit[0] & 31
        if kind in _PICTURES:
            return kind == _IDR or exact
        if kind == _SEI:
            exact = exact or _is_exact_point(unit[1:].replace(b"\0\0\3", b"\0\0"))
    return None


def is_idr(sample: bytes, prefix: int) -> bool:
    """Whether no picture that is stored after this one is shown before it."""
    return any(len(unit) and unit[0] & 31 == _IDR for unit in nal_units(sample, prefix))


def brings_sets(sample: bytes, prefix: int) -> bool:
    """Whether a picture brings its parameter sets along."""
    for unit in nal_units(sample, prefix):
        kind = unit[0] & 31 if len(unit) else _IDR
        if kind == _SPS:
            return True
        if kind in _PICTURES:
            break
    return False


def _is_exact_point(messages: bytes) -> bool:
    """Whether supplemental information says: from this picture on, all come out exactly.

    ``recovery_frame_cnt`` 0 and ``exact_match_flag`` 1 are the first two bits.
    """
    at = 0
    while at + 2 < len(messages):
        values = [0, 0]  # kind and size
        for i in range(2):
            while at < len(messages) and messages[at] == 255:
                values[i] += 255
                at += 1
            values[i] += messages[at] if at < len(messages) else 0
            at += 1
        if values[0] == _RECOVERY_POINT:
            return at < len(messages) and messages[at] >> 6 == 3
        at += values[1]
    return False
