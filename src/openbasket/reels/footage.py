"""Look at a game's video before it is cut, and remember what was seen."""

from __future__ import annotations

import hashlib
import json
import re
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
    """A game's video, as table ``games`` gives it and where that is, and how far to look."""

    game_id: str
    given: str
    source: Place
    depth: Depth

    @classmethod
    def of(cls, game_id: str, given: str, source: Place, *, whole: bool) -> LookJob:
        """Look at every picture, or at all bytes; behind a URL, whose bytes are dear, at the index."""
        if whole:
            return cls(game_id, given, source, "frames")
        return cls(game_id, given, source, "index" if isinstance(source, Url) else "packets")


@dataclass(frozen=True)
class Footage:
    """What a video is, so that it need not be opened again to know the names of its clips.

    Args:
        source: path or URL, as table ``games`` gives it: the same wherever the workspace is moved to.
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
    return Footage(job.given, seen or [], key, str(info.duration_s), job.depth, found)


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
    except (OSError, ValueError, TypeError, RecursionError):  # never looked at, or damaged
        return None
    if known.source != job.given or not _is_whole(known):
        return None
    if DEPTHS.index(known.depth) < DEPTHS.index(job.depth):
        return None
    return known if stamp(job.source) in (None, known.stamp) else None


def _is_whole(known: Footage) -> bool:
    """Whether what was read is what :func:`look` can have seen."""
    texts = (known.source, known.key, known.duration)
    lists = (known.stamp, known.faults)
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(part, list) and all(isinstance(t, str) for t in part) for part in lists)
        and known.depth in DEPTHS
        and re.fullmatch("0*[1-9][0-9]{0,17}(/[1-9][0-9]{0,17})?", known.duration) is not None
    )


def remember(path: Path, footage: Footage) -> None:
    """Write down what was seen."""
    write_json(path, asdict(footage))
