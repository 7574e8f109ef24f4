"""Look at a game's video before it is cut, and remember what was seen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from openbasket.storage import Place, Url, open_binary, stamp
from openbasket.video.integrity import DEPTHS, Depth, faults
from openbasket.video.probe import probe
from openbasket.workspace import write_json

__all__ = ["Footage", "LookJob", "look", "recall", "remember", "source_key"]


@dataclass(frozen=True)
class LookJob:
    """A game's video, and how far to look."""

    game_id: str
    source: Place
    depth: Depth

    @classmethod
    def of(cls, game_id: str, source: Place, *, whole: bool) -> LookJob:
        """Look at every picture, or at all bytes; behind a URL, whose bytes are dear, at the index."""
        if whole:
            return cls(game_id, source, "frames")
        return cls(game_id, source, "index" if isinstance(source, Url) else "packets")


@dataclass(frozen=True)
class Footage:
    """What a video is, so that it need not be opened again to know the names of its clips.

    Args:
        source: path or URL.
        stamp: see :func:`openbasket.storage.stamp`.
        key: see :func:`source_key`.
        duration: seconds, a rational number as text.
        depth: how far was looked.
        faults: where it is damaged; none if nothing was found.
    """

    source: str
    stamp: list[str]
    key: str
    duration: str
    depth: Depth
    faults: list[str]

    @property
    def duration_s(self) -> Fraction:
        """Seconds."""
        return Fraction(self.duration)


def look(job: LookJob) -> Footage:
    """Read what a video's clips depend on, and look for damage.

    Raises:
        VideoError: it cannot be opened at all.
    """
    seen = stamp(job.source)
    info = probe(job.source)
    found = faults(job.source, job.depth)
    key = source_key(job.source)
    return Footage(str(job.source), seen or [], key, str(info.duration_s), job.depth, found)


def source_key(source: Place) -> str:
    """Identify a video by its content: size, and the first and last MiB."""
    with open_binary(source) as (file, size):
        digest = hashlib.sha256(str(size).encode())
        digest.update(file.read(1 << 20))
        file.seek(max(0, size - (1 << 20)))
        digest.update(file.read(1 << 20))
    return digest.hexdigest()


def recall(path: Path, job: LookJob) -> Footage | None:
    """What was remembered of a job's video, if it was looked at as far, and is as it was or is no more."""
    try:
        known = Footage(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):  # never looked at, or by another version
        return None
    if known.source != str(job.source) or known.depth not in DEPTHS:
        return None
    if DEPTHS.index(known.depth) < DEPTHS.index(job.depth):
        return None
    return known if stamp(job.source) in (None, known.stamp) else None


def remember(path: Path, footage: Footage) -> None:
    """Write down what was seen."""
    write_json(path, asdict(footage))
