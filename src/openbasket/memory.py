"""How Python's memory is kept while tables are worked on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["seldom_collected"]

#: New objects between two searches for garbage; Python's own setting is a few hundred.
OBJECTS = 200_000


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
