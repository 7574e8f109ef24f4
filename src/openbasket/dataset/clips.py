"""Where in a reel its clips lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import polars as pl

from openbasket.dataset.film import SUFFIX, read_reel
from openbasket.dataset.reader import Sample
from openbasket.engine import run
from openbasket.errors import NotFoundError
from openbasket.progress import note
from openbasket.video.cuts import find_parts
from openbasket.wording import counted
from openbasket.workspace import Workspace, write_json

__all__ = ["Clips", "clips_of"]

#: First frame, in the reel, and number of frames of each clip.
Clips = tuple[tuple[int, int], ...]
#: Of the notes on what was found; another rule needs another number.
_VERSION = 1


def clips_of(
    root: Path,
    samples: Sequence[Sample],
    draw: int = 0,
    *,
    folder: Path | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> dict[Path, Clips]:
    """The clips of each subject's reel, as table ``reels`` tells.

    A dataset without that table, such as the official download, has its reels looked through for cuts
    (:func:`openbasket.video.cuts.find_parts`). A reel that cannot be read is one clip of one frame here;
    whoever takes frames of it is told why.

    Args:
        root: the dataset.
        samples: subjects.
        draw: which draw of the reels.
        folder: of the cache of frames, where what was found is kept; ``None``: it is not kept.
        workers: processes that look for cuts; all cores by default.
        quiet: tell nothing, and show no progress.

    Raises:
        NotFoundError: there is such a table, and it does not tell of a subject's reel.
    """
    workspace = Workspace(root)
    if not workspace.has("reels"):
        return _looked_for(sorted({s.video for s in samples}), folder, workers, quiet)
    rows = (
        workspace.read("reels")
        .filter(pl.col("draw") == draw)
        .sort("subject_id", "position")
        .group_by("subject_id", maintain_order=True)
        .agg("first_frame", "frames")
    )
    known = {
        subject: tuple(zip(firsts, frames, strict=True)) for subject, firsts, frames in rows.rows()
    }
    missing = sorted(s.subject_id for s in samples if s.subject_id not in known)
    if missing:
        raise NotFoundError(
            f"table 'reels' of '{root}' tells of no reel of {counted(len(missing), 'subject')} "
            f"('{missing[0]}'{' and more' if len(missing) > 1 else ''}) in draw {draw}. Make them with "
            "'openbasket reels' or 'openbasket rendered'"
        )
    return {s.video: known[s.subject_id] for s in samples}


def _looked_for(
    videos: Sequence[Path], folder: Path | None, workers: int | None, quiet: bool
) -> dict[Path, Clips]:
    held = {} if folder is None else {v: c for v in videos if (c := _held(v, folder)) is not None}
    wanted = [video for video in videos if video not in held]
    if wanted:
        note(
            f"No table tells where the clips of {counted(len(wanted), 'reel')} begin: looking for cuts",
            quiet=quiet,
        )
    job = partial(_found, folder=folder)
    outcomes = run(job, wanted, describe="Looking for cuts", workers=workers, quiet=quiet)
    nothing: Clips = ((0, 1),)
    held |= {o.item: nothing if o.result is None else o.result for o in outcomes}
    return held


def _found(video: Path, *, folder: Path | None) -> Clips:
    if video.suffix == SUFFIX:
        return read_reel(video).bounds
    parts, _ = find_parts(video)
    clips = tuple((part.first, part.frames) for part in parts if part.frames)
    if folder is not None:
        write_json(_place(video, folder), {"clips": clips, **_facts(video)})
    return clips


def _held(video: Path, folder: Path) -> Clips | None:
    """What was found in a video earlier, if it is as it was then."""
    try:
        told = json.loads(_place(video, folder).read_text(encoding="utf-8"))
        clips = told.pop("clips")
        return tuple((int(a), int(n)) for a, n in clips) if told == _facts(video) else None
    except (
        ArithmeticError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError,
    ):  # fmt: skip
        return None  # none yet, or of no use


def _facts(video: Path) -> dict[str, str | int]:
    stat = video.stat()
    return {
        "version": _VERSION,
        "video": str(video.resolve()),
        "bytes": stat.st_size,
        "changed_ns": stat.st_mtime_ns,
    }


def _place(video: Path, folder: Path) -> Path:
    return folder / "cuts" / f"{hashlib.sha256(str(video.resolve()).encode()).hexdigest()}.json"
