"""Turn a workspace with labels, splits and reels into the dataset in the official layout."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from openbasket import __version__
from openbasket.dataset.export.official import write_official
from openbasket.errors import NotFoundError
from openbasket.workspace import Workspace, sha256, write_json

__all__ = ["BuildReport", "build"]


@dataclass(frozen=True)
class BuildReport:
    """What was written.

    Args:
        rows: rows of each split's CSV.
        reels: reels of draw 0.
        left_out: reels whose subject is in no split.
    """

    rows: dict[str, int]
    reels: int
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def build(workspace: Workspace) -> BuildReport:
    """Write the official CSVs and ``manifest.json`` (clips, SHA-256 and bytes of each reel).

    Raises:
        NotFoundError: labels, splits or reels are missing; says which command makes them, or no reel
            was made at all.
    """
    levels = workspace.read("levels")
    splits = workspace.read("splits")
    reels = workspace.read("reels").filter(pl.col("draw") == 0)
    if reels.is_empty():
        raise NotFoundError(
            "there is no reel in this workspace: no subject had enough filmed events. See table "
            "'failures', and lower --events or --min-events of 'openbasket reels'"
        )
    count = int(workspace.read_json("labels.json")["settings"]["levels"])
    rows = write_official(workspace, reels, levels, splits, count)
    paths = sorted(reels["path"].unique())
    clips = dict(reels.group_by("path").len().rows())
    manifest = {
        path: {
            "clips": clips[path],
            "sha256": sha256(workspace.root / path),
            "bytes": (workspace.root / path).stat().st_size,
        }
        for path in paths
    }
    write_json(
        workspace.private / "manifest.json",
        {"openbasket": __version__, "levels": count, "reels": manifest},
    )
    return BuildReport(rows, len(paths), len(paths) - sum(rows.values()))
