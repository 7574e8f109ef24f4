"""Where in a reel its clips lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from openbasket.dataset.reader import Sample
from openbasket.errors import NotFoundError
from openbasket.wording import counted
from openbasket.workspace import Workspace

__all__ = ["Clips", "clips_of"]

#: First frame, in the reel, and number of frames of each clip.
Clips = tuple[tuple[int, int], ...]


def clips_of(root: Path, samples: Sequence[Sample], draw: int = 0) -> dict[Path, Clips]:
    """The clips of each subject's reel, as table ``reels`` tells.

    Args:
        root: the dataset.
        samples: subjects.
        draw: which draw of the reels.

    Raises:
        NotFoundError: there is no such table, or it does not tell of a subject's reel.
    """
    workspace = Workspace(root)
    if not workspace.has("reels"):
        raise NotFoundError(
            f"where the clips of a reel begin is told by table 'reels', which '{root}' does not have"
        )
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
