"""A checksum at the end of an MP4, in a box that players skip (``free``, ISO/IEC 14496-12, 8.1.2)."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

__all__ = ["is_intact", "seal"]

_HEAD = (20).to_bytes(4, "big") + b"free" + b"ob-crc32"
#: Bytes that are read at once.
_PIECE = 1 << 20


def seal(path: Path) -> None:
    """Append the CRC-32 of a file's bytes."""
    check = zlib.crc32(path.read_bytes())
    with path.open("ab") as file:
        file.write(_HEAD + check.to_bytes(4, "big"))


def is_intact(path: Path) -> bool:
    """Whether a file's bytes are those that were sealed, as far as can be told: it may have no seal."""
    left = path.stat().st_size - 20
    check = 0
    with path.open("rb") as file:
        if left < 0 or os.pread(file.fileno(), 16, left) != _HEAD:
            return True
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                return False
            check = zlib.crc32(piece, check)
            left -= len(piece)
        return check == int.from_bytes(file.read(20)[16:], "big")
