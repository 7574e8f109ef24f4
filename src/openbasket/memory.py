"""How memory is kept: Python's while tables are worked on, and the C library's while networks compute."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["keep_freed", "seldom_collected"]

#: New objects between two searches for garbage; Python's own setting is a few hundred.
OBJECTS = 200_000
#: Of ``malloc.h``: pieces as large come from the system, and as much that is free at the end goes back to it.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Search seldom for objects that refer to each other and to nothing else.

    Work on tables makes millions of short-lived objects and hardly any such cycle: the searches find
    nothing and take a twentieth of the time. The setting that was found is restored at the end.
    """
    found = gc.get_threshold()
    gc.set_threshold(max(found[0], OBJECTS) if found[0] else 0, *found[1:])
    try:
        yield
    finally:
        gc.set_threshold(*found)


@cache
def keep_freed() -> bool:
    """Let glibc keep the memory that was freed, for whoever asks next; tell whether it does.

    A network on a CPU asks for the same few megabytes again and again, and glibc gives each such piece back
    to the system, which fills it with zeros before it is had again: a third of the time
    (``benchmarks/allocator.py``). Whoever has set glibc's own ``MALLOC_...`` variables is left to it.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    libc = ctypes.CDLL(None)
    return all(
        [libc.mallopt(_MMAP_THRESHOLD, 1 << 30), libc.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)]
    )
