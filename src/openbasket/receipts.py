"""What is known of each reel that was made, so that it can be told from every other file of its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from openbasket.workspace import Workspace, write_json

__all__ = ["HERE", "Receipt", "read_receipt", "receipt_path", "write_receipt"]

#: What receipts call the workspace, wherever it is moved to.
HERE = "."


@dataclass(frozen=True)
class Receipt:
    """A reel that was made.

    Args:
        made_of: see :class:`openbasket.reels.assemble.ReelJob`.
        place: the folder or URL that it was put into; ``.`` is the workspace.
        size: bytes.
        sha256: of its bytes.
    """

    made_of: str
    place: str
    size: int
    sha256: str

    @property
    def elsewhere(self) -> bool:
        """Whether it was put outside of the workspace."""
        return self.place != HERE


def receipt_path(workspace: Workspace, subject_id: str, draw: int) -> Path:
    """Where the receipt of a subject's reel lies."""
    return workspace.private / "receipts" / f"{subject_id}_draw{draw}.json"


def read_receipt(path: Path) -> Receipt | None:
    """A receipt; ``None`` if there is none that can be read."""
    try:
        content = json.loads(path.read_text())
        found = Receipt(**content) if isinstance(content, Mapping) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    if found is None or type(found.size) is not int:
        return None
    texts = (found.made_of, found.place, found.sha256)
    return found if all(isinstance(text, str) for text in texts) else None


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt down."""
    write_json(path, asdict(receipt))
