"""A checksum at the end of an MP4, in a box that players skip (``free``, ISO/IEC 14496-12, 8.1.2)."""

from __future__ import annotations

import zlib
from pathlib import Path

__all__ = ["is_intact", "seal"]

_HEAD = (20).to_bytes(4, "big") + b"free" + b"ob-crc32"


def seal(path: Path) -> None:
    """Append the CRC-32 of a file's bytes."""
    check = zlib.crc32(path.read_bytes())
    with path.open("ab") as file:
        file.write(_HEAD + check.to_bytes(4, "big"))


def is_intact(path: Path) -> bool:
    """Whether a file's bytes are those that were sealed, as far as can be told: it may have no seal."""
    content = memoryview(path.read_bytes())
    rest, head, check = content[:-20], content[-20:-4], content[-4:]
    return head != _HEAD or zlib.crc32(rest) == int.from_bytes(check, "big")
