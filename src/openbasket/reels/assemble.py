"""Join a subject's clips into a reel."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from openbasket.video.join import join
from openbasket.workspace import write_text

__all__ = ["ReelJob", "assemble"]


@dataclass(frozen=True)
class ReelJob:
    """A reel to make."""

    subject_id: str
    path: Path
    receipt: Path
    clips: tuple[Path, ...]


def assemble(job: ReelJob) -> bool:
    """Join the clips of a reel, unless it is there already, made of the same clips.

    Returns:
        Whether the reel was made now.
    """
    made_of = hashlib.sha256("\n".join(clip.stem for clip in job.clips).encode()).hexdigest()
    if job.path.exists() and job.receipt.exists() and job.receipt.read_text() == made_of:
        return False
    job.receipt.unlink(missing_ok=True)
    join(job.clips, job.path)
    write_text(job.receipt, made_of)
    return True
