"""Write the official CSVs (column order and the reversed column as in the official files)."""

from __future__ import annotations

import csv
import io

import polars as pl

from openbasket.dataset.reader import SPLIT_FILES
from openbasket.skills import OFFICIAL_ORDER, official_level
from openbasket.workspace import Workspace, write_text

__all__ = ["write_official"]


def write_official(
    workspace: Workspace,
    reels: pl.DataFrame,
    levels: pl.DataFrame,
    splits: pl.DataFrame,
    count: int,
) -> dict[str, int]:
    """Write one CSV for each split: a header row, then path and 20 labels for each reel.

    Labels are 0 to ``count - 1``; Defensive Consistency is written reversed, as the official files have
    it; a missing label is an empty cell.

    Returns:
        Rows written for each split.
    """
    paths = dict(reels.select("subject_id", "path").unique().rows())
    labels: dict[str, dict[str, int]] = {}
    for subject, skill, level in (
        levels.filter(pl.col("level").is_not_null()).select("subject_id", "skill", "level").rows()
    ):
        labels.setdefault(subject, {})[skill] = level
    of_split = dict(splits.select("subject_id", "split").rows())
    written = {}
    for split, name in SPLIT_FILES.items():
        members = sorted(subject for subject in paths if of_split.get(subject) == split)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["Video Path", *(s.name for s in OFFICIAL_ORDER)])
        for subject in members:
            given = labels.get(subject, {})
            writer.writerow(
                [
                    paths[subject],
                    *(
                        official_level(s, given[s.key], count) if s.key in given else ""
                        for s in OFFICIAL_ORDER
                    ),
                ]
            )
        write_text(workspace.root / name, text.getvalue())
        written[split] = len(members)
    return written
