"""Videos of a dataset, by byte ranges."""

from __future__ import annotations

from pathlib import Path

from fastapi.responses import FileResponse

from openbasket.errors import WorkspaceError
from openbasket.workspace import safe_join

__all__ = ["video"]

#: What a browser is given, by the ending of a file; nothing else is a video, whatever a table or CSV says.
KINDS = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
}


def video(root: Path, name: str) -> FileResponse | None:
    """A video of a dataset, or the part of it that a browser asks for.

    Args:
        root: the dataset.
        name: of the file, relative to the root.

    Returns:
        The response; ``None`` where there is no such file below the root, or it is no video by its name.
    """
    kind = KINDS.get(Path(name).suffix.lower())
    if kind is None:
        return None
    try:
        path = safe_join(root, name)
        there = path.is_file()
    except (WorkspaceError, OSError, ValueError):
        return None
    if not there:
        return None
    return FileResponse(path, media_type=kind, headers={"cache-control": "private, max-age=3600"})
