"""Look at a game's video before it is cut."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from openbasket.video.integrity import Depth, faults
from openbasket.video.probe import probe

__all__ = ["Footage", "LookJob", "look"]


@dataclass(frozen=True)
class LookJob:
    """A game's video, and how far to look."""

    game_id: str
    source: Path
    depth: Depth


@dataclass(frozen=True)
class Footage:
    """What a video is.

    Args:
        duration_s: seconds.
        faults: where it is damaged; none if nothing was found.
    """

    duration_s: Fraction
    faults: tuple[str, ...]


def look(job: LookJob) -> Footage:
    """Read a video's duration, and look for damage.

    Raises:
        VideoError: it cannot be opened at all.
    """
    info = probe(job.source)
    return Footage(info.duration_s, tuple(faults(job.source, job.depth)))
