"""Join a subject's clips into a reel."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from openbasket.errors import VideoError
from openbasket.storage import Folder
from openbasket.video.join import BadClipError, join
from openbasket.workspace import sha256

__all__ = ["ReelJob", "assemble"]


@dataclass(frozen=True)
class ReelJob:
    """A reel to make.

    Args:
        subject_id: whose.
        place: where reels are kept.
        name: of the reel, relative to that place.
        store: where clips are kept.
        clips: in order, relative to the store.
        frames: of each clip.
    """

    subject_id: str
    place: Folder
    name: str
    store: Folder
    clips: tuple[str, ...]
    frames: tuple[int, ...]

    @property
    def made_of(self) -> str:
        """What its bytes depend on, hashed."""
        stems = (clip.rsplit("/", 1)[-1].removesuffix(".mp4") for clip in self.clips)
        return hashlib.sha256("\n".join(stems).encode()).hexdigest()


def assemble(job: ReelJob) -> tuple[int, str]:
    """Join the clips of a reel and put it in its place.

    Returns:
        Its bytes: how many, and their SHA-256.

    Raises:
        VideoError: a clip that is not as it was cut; it is removed from the store.
        WorkspaceError: the reel cannot be written.
    """
    with job.store.local(job.clips) as clips, job.place.staged() as folder:
        path = folder / job.name
        try:
            join(clips, path, frames=job.frames)
        except BadClipError as error:
            name = job.clips[clips.index(error.clip)]
            job.store.remove(name)
            raise VideoError(
                f"{error}. It was removed from the store: run again, and it is cut anew"
            ) from None
        made = path.stat().st_size, sha256(path)
        job.place.put(path, job.name)
    return made
