"""Turn a workspace with labels, splits and reels into the dataset in the official layout."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import __version__
from openbasket.dataset.export.official import write_official
from openbasket.errors import NotFoundError, VideoError, WorkspaceError
from openbasket.receipts import read_receipt, receipt_path
from openbasket.wording import counted
from openbasket.workspace import Workspace, sha256, write_json

__all__ = ["BuildReport", "build"]


@dataclass(frozen=True)
class BuildReport:
    """What was written.

    Args:
        rows: rows of each split's CSV.
        reels: reels of draw 0.
        left_out: reels whose subject is in no split.
        other_draws: draws that have reels, too; the dataset is draw 0.
    """

    rows: dict[str, int]
    reels: int
    left_out: int
    other_draws: list[int]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def build(workspace: Workspace) -> BuildReport:
    """Write the official CSVs and ``manifest.json`` (clips, SHA-256 and bytes of each reel) of draw 0.

    Raises:
        NotFoundError: labels, splits or reels are missing; says which command makes them, or where the
            reels were put; or no reel was made at all.
        WorkspaceError: files that are not the reels that the table tells of.
    """
    levels = workspace.read("levels")
    splits = workspace.read("splits")
    every = workspace.read("reels")
    reels = every.filter(pl.col("draw") == 0)
    others = sorted(set(every["draw"]) - {0})
    if reels.is_empty():
        raise NotFoundError(
            "there is no reel in this workspace: no subject had enough filmed events. See table "
            "'failures', and lower --events or --min-events of 'openbasket reels'"
        )
    hashes = _hashes(workspace, reels)
    count = int(workspace.read_json("labels.json")["settings"]["levels"])
    rows = write_official(workspace, reels, levels, splits, count)
    clips = dict(reels.group_by("path").len().rows())
    manifest = {
        path: {
            "clips": clips[path],
            "sha256": digest,
            "bytes": (workspace.root / path).stat().st_size,
        }
        for path, digest in hashes.items()
    }
    write_json(
        workspace.private / "manifest.json",
        {"openbasket": __version__, "levels": count, "reels": manifest},
    )
    return BuildReport(rows, len(hashes), len(hashes) - sum(rows.values()), others)


def _hashes(workspace: Workspace, reels: pl.DataFrame) -> dict[str, str]:
    """SHA-256 of each reel, by path.

    Raises:
        NotFoundError: reels that are not in the workspace.
        WorkspaceError: files of reels' names that are others.
    """
    hashes: dict[str, str] = {}
    missing: dict[str, str] = {}
    other: dict[str, str] = {}
    by_path = reels.group_by("path").agg(pl.first("subject_id"), pl.sum("frames")).sort("path")
    for path, subject, frames in by_path.iter_rows():
        file = workspace.root / path
        receipt = read_receipt(receipt_path(workspace, subject, 0))
        where = receipt.place if receipt is not None and receipt.elsewhere else ""
        if not file.is_file():
            missing[path] = where
            continue
        hashes[path] = sha256(file)
        if hashes[path] != receipt.sha256 if receipt else _frames(file) != frames:
            other[path] = where
    if missing:
        raise NotFoundError(
            f"{_named(missing)} not in this workspace. {_advice(workspace, missing)}"
        )
    if other:
        raise WorkspaceError(
            f"{_named(other)} not what table 'reels' tells of: an older copy, or a changed file. "
            f"{_advice(workspace, other, present=True)}"
        )
    return hashes


def _frames(file: Path) -> int:
    from openbasket.video.probe import probe

    try:
        return probe(file).frames
    except VideoError:
        return 0


def _named(paths: dict[str, str]) -> str:
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return f"{counted(len(paths), 'reel')} ('{min(paths)}'{more}) {'are' if more else 'is'}"


def _advice(workspace: Workspace, paths: dict[str, str], *, present: bool = False) -> str:
    where = paths[min(paths)]
    if where:
        return (
            f"'openbasket reels' wrote to '{where}': copy the folder BASKET/ from there into "
            f"'{workspace.root}', or mount it there, and run again"
        )
    return f"{'Remove the files, and run' if present else 'Run'} 'openbasket reels' again"
