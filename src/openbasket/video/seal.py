"""A checksum at the end of an MP4, in a box that players skip (``free``, ISO/IEC 14496-12, 8.1.2)."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

__all__ = ["ends_hash", "is_intact", "seal"]

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


def ends_hash(path: Path, part: int) -> tuple[int, str]:
    """Size in bytes, and SHA-256 of size, first and last bytes: quick for any number of videos.

    The last bytes of a sealed file hold the checksum of all others.

    Args:
        path: the file.
        part: bytes of its beginning, and of its end.
    """
    size = path.stat().st_size
    told = hashlib.sha256(str(size).encode())
    with path.open("rb") as content:
        told.update(content.read(part))
        content.seek(max(0, size - part))
        told.update(content.read(part))
    return size, told.hexdigest()
