"""What a perfect observer of as many plays as reels have clips is right in, read from its tables.

His answers (:mod:`openbasket.evaluation.ceiling`) are kept for each subject, so that a share of the ceiling
(:mod:`openbasket.evaluation.ceiling_shares`) is of exactly the same labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import Path

import numpy as np
import polars as pl

from openbasket import tables
from openbasket.dataset.reader import Sample
from openbasket.errors import BadInputError, Problem
from openbasket.evaluation.truth import split_hashes
from openbasket.skills import SKILL_KEYS
from openbasket.wording import counted
from openbasket.workspace import Workspace

__all__ = ["CLIPS", "Observer", "own_clips", "read_ceiling", "read_observer"]

#: Clips of a reel (paper, section 3.1).
CLIPS = 50
_AGAIN = "Measure it again with 'openbasket ceiling'"


def own_clips(workspace: Workspace) -> int | None:
    """Plays in a reel, as the reels were made, else as the manifest counts; ``None`` without both."""
    made = workspace.private / "reels_draw0.json"
    manifest = workspace.private / "manifest.json"
    try:
        if made.is_file():
            return int(workspace.read_json(made.name)["events"])
        if manifest.is_file():
            reels = workspace.read_json(manifest.name).get("reels", {}).values()
            return max((int(reel["clips"]) for reel in reels), default=None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        path = made if made.is_file() else manifest
        problem = Problem(str(path), None, None, f"a damaged file ({error})", "clips of reels")
        raise BadInputError(
            [problem], "Make it again with 'openbasket reels' or 'build'."
        ) from None
    return None


@dataclass(frozen=True)
class Observer:
    """What a perfect observer of a dataset's reels was right in.

    Args:
        clips: plays that he saw.
        right: split -> ``(subjects, 20)`` in the order of the samples; NaN where it was not measured. Splits
            whose subjects or labels are others than those that were measured are not there.
        notes: why they are not, and what else a reader must know.
    """

    clips: int
    right: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: Sequence[str] = ()


def read_observer(
    workspace: Workspace, samples: Mapping[str, Sequence[Sample]], levels: int
) -> Observer:
    """Read table ``ceiling_cells`` for the subjects of splits.

    Args:
        workspace: nothing is known without its ``ceiling.parquet``.
        samples: split -> its subjects, in the order that is wanted.
        levels: of the dataset.

    Raises:
        BadInputError: a file of other columns.
    """
    if not (workspace.private / "ceiling.parquet").exists():
        return Observer(CLIPS)
    clips = own_clips(workspace) or CLIPS
    _read(workspace.private / "ceiling.parquet", "ceiling")
    cells = _read(workspace.private / "ceiling_cells.parquet", "ceiling_cells")
    cells = cells.filter(pl.col("sampling") == "uniform", pl.col("levels") == levels)
    measured = sorted(cells["events"].drop_nulls().unique())
    nothing = "no share of what can be observed is shown: the ceiling was not measured for"
    if not measured:
        return Observer(clips, notes=[f"{nothing} {levels} levels and uniform sampling. {_AGAIN}"])
    if not measured[0] <= clips <= measured[-1]:
        told = f"{measured[0]} to {measured[-1]} plays alone, and reels have {clips} clips"
        return Observer(clips, notes=[f"{nothing} reels like these, but for {told}. {_AGAIN}"])
    below = max(n for n in measured if n <= clips)
    above = min(n for n in measured if n >= clips)
    part = 0.0 if below == above else log(clips / below) / log(above / below)
    notes = []
    if below != above:
        notes.append(
            f"the ceiling of {clips} clips lies between those of {below} and {above} plays, on a line over "
            "the logarithm"
        )
    right: dict[str, np.ndarray] = {}
    for split, people in samples.items():
        some = cells.filter(pl.col("split") == split)
        fault = _fault(some.filter(pl.col("events") == below), people)
        if fault:
            notes.append(
                f"no share of what can be observed is shown for '{split}': {fault}. {_AGAIN}"
            )
            continue
        one, two = (_matrix(some.filter(pl.col("events") == n), people) for n in (below, above))
        right[split] = (1 - part) * one + part * two
    return Observer(clips, right, notes)


def _read(path: Path, name: tables.TableName) -> pl.DataFrame:
    try:
        return Workspace.read_file(name, path)
    except BadInputError as error:
        raise BadInputError(error.problems, "Make it again with 'openbasket ceiling'.") from None


def _fault(cells: pl.DataFrame, people: Sequence[Sample]) -> str:
    """Why the observer's cells are not about these people and their labels; empty if they are."""
    if cells.is_empty():
        return "the ceiling was not measured on it"
    known: dict[str, dict[str, int]] = {}
    for subject, skill, level in cells.select("subject_id", "skill", "level").rows():
        known.setdefault(subject, {})[skill] = level
    labelled = [s for s in people if any(level is not None for level in s.levels)]
    absent = [s.subject_id for s in labelled if s.subject_id not in known]
    if absent:
        of = f"{len(absent):,} of {counted(len(labelled), 'subject')}"
        return f"the ceiling was measured without {of}, such as {absent[0]}"
    measured = set(cells["skill"].unique())
    holes = [
        s.subject_id
        for s in labelled
        for skill, level in zip(SKILL_KEYS, s.levels, strict=True)
        if level is not None and skill in measured and skill not in known[s.subject_id]
    ]
    if holes:
        return (
            f"the ceiling lacks labels of {counted(len(set(holes)), 'subject')}, such as {holes[0]}"
        )
    others = [
        s.subject_id
        for s in labelled
        if any(
            known[s.subject_id].get(skill, level) != level
            for skill, level in zip(SKILL_KEYS, s.levels, strict=True)
        )
    ]
    if others:
        of = f"{len(others):,} of {counted(len(labelled), 'subject')}"
        return f"the ceiling was measured for other labels of {of}, such as {others[0]}"
    return ""


def _matrix(cells: pl.DataFrame, people: Sequence[Sample]) -> np.ndarray:
    found = np.full((len(people), len(SKILL_KEYS)), np.nan)
    rows = {s.subject_id: row for row, s in enumerate(people)}
    columns = {skill: column for column, skill in enumerate(SKILL_KEYS)}
    for subject, skill, right in cells.select("subject_id", "skill", "right").rows():
        if subject in rows:
            found[rows[subject], columns[skill]] = right
    return found


# -- of a workspace ------------------------------------------------------------------------------


def read_ceiling(workspace: Workspace, levels: int, split: str = "test") -> dict[str, float]:
    """What a perfect observer of a reel of the dataset reaches: accuracy of each skill and their mean.

    Args:
        workspace: whose table ``ceiling`` is read.
        levels: of the dataset.
        split: whose subjects he was scored on.

    Returns:
        Skill or ``mean`` -> accuracy, between measured numbers of plays on a line over the logarithm. Empty
        where it was not measured, or for other labels than the workspace has now.

    Raises:
        BadInputError: a file of other columns.
    """
    path = workspace.private / "ceiling.parquet"
    if not path.exists():
        return {}
    clips = own_clips(workspace) or CLIPS
    frame = _read(path, "ceiling").filter(
        pl.col("sampling") == "uniform",
        pl.col("levels") == levels,
        pl.col("split") == split,
        pl.col("events").is_not_null() & pl.col("accuracy").is_not_null(),
    )
    if frame.is_empty() or not frame["events"].min() <= clips <= frame["events"].max():  # type: ignore[operator]
        return {}
    if all(workspace.has(name) for name in ("levels", "splits")):
        own = int(workspace.read_json("labels.json")["settings"]["levels"])
        if split_hashes(workspace, own).get(split) != frame["labels_hash"][0]:
            return {}
    found = {}
    for (name,), part in frame.sort("events").group_by("skill", maintain_order=True):
        x = np.log(part["events"].to_numpy())
        found[str(name)] = float(np.interp(log(clips), x, part["accuracy"].to_numpy()))
    return found
