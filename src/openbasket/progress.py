"""Progress bars, on standard error, so that standard output stays clean for results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["track"]

Item = TypeVar("Item")


def track(items: Sequence[Item], describe: str, *, quiet: bool = False) -> Iterator[Item]:
    """Yield the items, with a progress bar that goes away when they are done."""
    from rich.console import Console
    from rich.progress import track as rich_track

    console = Console(stderr=True)
    yield from rich_track(items, describe, console=console, disable=quiet, transient=True)
