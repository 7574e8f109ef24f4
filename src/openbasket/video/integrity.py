"""Whether a video decodes to what its container promises."""

from __future__ import annotations

from pathlib import Path

from openbasket.errors import VideoError
from openbasket.video.frames import decode
from openbasket.video.probe import open_video

__all__ = ["count_frames"]


def count_frames(path: Path) -> int:
    """Decode the whole video and return its number of frames.

    A damaged video can decode to fewer frames than its container says without any error; compare.

    Raises:
        VideoError: it does not decode, or its frames do not come in order of time.
    """
    last: int | None = None
    count = 0
    with open_video(path) as (container, stream):
        for frame in decode(container, stream):
            if frame.pts is None or (last is not None and frame.pts <= last):
                raise VideoError(
                    f"'{path}': frame {count} has no time, or an earlier one than the last"
                )
            if frame.is_corrupt:
                raise VideoError(f"'{path}': frame {count} is corrupt")
            last = frame.pts
            count += 1
    return count
