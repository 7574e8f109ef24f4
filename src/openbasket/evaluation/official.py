"""Read what the paper's official code writes when it tests: one text file for each process.

A line is the name of a reel, its logits as a list of lists, its 20 labels, and which temporal and spatial
view it was. The code that merges them reads the logits up to the first closing bracket, so that it scores
one skill at most; here all are read. The first line of a file is an accuracy of its last batch and is not
used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openbasket.dataset.reader import Sample, dataset_levels, labels_hash, read_split
from openbasket.errors import BadInputError, NotFoundError, Problem
from openbasket.skills import OFFICIAL_ORDER, SKILL_KEYS, SKILLS, official_level
from openbasket.wording import counted
from openbasket.workspace import Workspace, run_facts_path, write_json

__all__ = ["Official", "convert_official", "read_official"]

_LINE = re.compile(r"^(.+?) (\[\[.*\]\]) \[([\d\s-]+)\] (\d{1,6}) (\d{1,6})$")
#: A line has 100 logits of at most 25 characters; what is far longer is something else.
_LONGEST = 20_000
#: Logits of a view that two processes tested may differ by this much of rounding.
_ROUNDING = 0.1


@dataclass(frozen=True)
class Official:
    """What was read.

    Args:
        subjects: how many.
        views: of each.
        notes: what a reader must know.
    """

    subjects: int
    views: int
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """It as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _View:
    file: str
    line: int
    logits: np.ndarray  # (20, levels), skills in the official order
    labels: tuple[int, ...]


def convert_official(
    files: Sequence[Path], root: Path, out: Path, *, model: str, run: str, split: str = "test"
) -> Official:
    """Write the official code's text files as a predictions file, and beside it which labels it is for.

    Args:
        files: text files, or folders of ``0.txt``, ``1.txt`` ...
        root: the dataset that was tested.
        out: predictions file to write.
        model: its name.
        run: name of the run.
        split: that was tested.

    Raises:
        NotFoundError: no such files, or no such split.
        BadInputError: everything that :func:`read_official` refuses.
    """
    levels = dataset_levels(root)
    samples = read_split(root, split, levels=levels, require_videos=False)
    probabilities, found = read_official(_listed(files), samples, levels)
    values = {
        f"p{level}": pl.Series(
            probabilities[..., level].ravel()
            if level < levels
            else [None] * probabilities[..., 0].size,
            dtype=pl.Float64,
        )
        for level in range(5)
    }
    frame = pl.DataFrame(
        {
            "subject_id": [s.subject_id for s in samples for _ in SKILL_KEYS],
            "skill": list(SKILL_KEYS) * len(samples),
            **values,
        }
    ).with_columns(model=pl.lit(model), run=pl.lit(run))
    Workspace.write_file("predictions", frame, out)
    write_json(run_facts_path(out), {run: {"labels": {split: labels_hash(samples, levels)}}})
    return found


def _listed(files: Sequence[Path]) -> list[Path]:
    found = [
        part
        for path in files
        for part in (sorted(path.glob("[0-9]*.txt")) if path.is_dir() else [path])
    ]
    missing = [path for path in found if not path.is_file()]
    if missing or not found:
        shown = ", ".join(f"'{path}'" for path in missing or files)
        raise NotFoundError(f"no text files of the official code: {shown}")
    return found


def read_official(
    files: Sequence[Path], samples: Sequence[Sample], levels: int
) -> tuple[np.ndarray, Official]:
    """Probabilities of the samples: the mean over views of the softmax of each skill's logits.

    A reel is found by its name; where two leagues have a player of one name, by its labels as well.

    Args:
        files: the text files of all processes.
        samples: the split that was tested.
        levels: of the dataset.

    Returns:
        ``(subjects, 20, levels)`` in our order of skills and levels, and what there is to say.

    Raises:
        BadInputError: every line that cannot be read or is about an unknown reel or other labels; reels
            without a line, or with fewer views than others (the official code replaces a video that does
            not decode by another one).
    """
    problems: list[Problem] = []
    views: dict[tuple[str, tuple[int, ...], int, int], _View] = {}
    repeated = 0
    for path in files:
        for number, line in enumerate(_lines(path, problems), 1):
            if number == 1:
                continue
            read = _read_line(path, number, line, levels)
            if isinstance(read, Problem):
                problems.append(read)
                continue
            name, view, place = read
            key = (name, view.labels, *place)
            if key in views:
                repeated += 1
                if np.abs(views[key].logits - view.logits).max() > _ROUNDING:
                    given = f"other logits for view {place} of '{name}' than line {views[key].line}"
                    problems.append(
                        Problem(str(path), None, None, given, "each view once", line=number)
                    )
            else:
                views[key] = view
    by_reel: dict[tuple[str, tuple[int, ...]], list[_View]] = {}
    for (name, labels, _, _), view in views.items():
        by_reel.setdefault((name, labels), []).append(view)
    row_of, unclear = _match(by_reel, samples, levels, problems)
    counts = {row: len(by_reel[reel]) for reel, row in row_of.items()}
    most = max(counts.values(), default=0)
    missing = [s.path for row, s in enumerate(samples) if row not in counts and row not in unclear]
    fewer = [samples[row].path for row, count in sorted(counts.items()) if count < most]
    for paths, given in ((missing, "no line"), (fewer, f"fewer than {counted(most, 'view')}")):
        problems += [
            Problem("the files", None, path, given, "all views of each reel of the split")
            for path in paths
        ]
    if problems:
        raise BadInputError(
            problems,
            "The official code puts another video in the place of one that does not decode. "
            "Mend these videos and test again.",
        )
    probabilities = np.full((len(samples), len(SKILL_KEYS), levels), np.nan)
    order = [skill.official_column for skill in SKILLS]
    for reel, row in row_of.items():
        probabilities[row] = _mean_softmax(by_reel[reel])[order]
    for column, skill in enumerate(SKILLS):
        if skill.official_reversed:
            probabilities[:, column] = probabilities[:, column, ::-1]
    notes = []
    if repeated:
        notes.append(
            f"{counted(repeated, 'line')} of views that another process had tested, too, count once"
        )
    return probabilities, Official(len(samples), most, notes)


def _lines(path: Path, problems: list[Problem]) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(
            Problem(str(path), None, None, f"no readable text ({error})", "a text file")
        )
        return []


def _read_line(
    path: Path, number: int, line: str, levels: int
) -> Problem | tuple[str, _View, tuple[int, int]]:
    def problem(given: str) -> Problem:
        allowed = f"name, {levels} x 20 logits, 20 labels, view, crop"
        return Problem(str(path), None, None, given, allowed, line=number)

    found = _LINE.match(line.strip()) if len(line) <= _LONGEST else None
    if not found:
        return problem(repr(line[:60]))
    try:
        logits = np.array(json.loads(found[2]), dtype=float)
        labels = tuple(int(value) for value in found[3].split())
    except (
        ValueError,
        OverflowError,
        RecursionError,
    ):  # NaN, rows that differ in length, huge numbers
        return problem(f"logits that are no table of numbers: {found[2][:40]!r}")
    if logits.shape == (levels, len(SKILL_KEYS)):
        logits = logits.T
    if logits.shape != (len(SKILL_KEYS), levels) or len(labels) != len(SKILL_KEYS):
        return problem(f"logits of shape {logits.shape} and {len(labels)} labels")
    if not np.isfinite(logits).all():
        return problem("logits that are no number")
    view = _View(str(path), number, logits, labels)
    return found[1], view, (int(found[4]), int(found[5]))


def _match(
    by_reel: dict[tuple[str, tuple[int, ...]], list[_View]],
    samples: Sequence[Sample],
    levels: int,
    problems: list[Problem],
) -> tuple[dict[tuple[str, tuple[int, ...]], int], set[int]]:
    """Row of each reel of the files, and the rows that could not be told."""
    rows: dict[str, list[int]] = {}
    for row, sample in enumerate(samples):
        rows.setdefault(Path(sample.path).stem.split(".")[0], []).append(row)
    row_of: dict[tuple[str, tuple[int, ...]], int] = {}
    unclear: set[int] = set()
    for (name, labels), views in by_reel.items():
        first = views[0]
        found = [row for row in rows.get(name, []) if _has(samples[row], labels, levels)]
        if len(found) == 1 and found[0] not in row_of.values():
            row_of[name, labels] = found[0]
            continue
        if name not in rows:
            given, allowed = repr(name), "a reel of the split"
        elif not found:
            given, allowed = f"other labels for '{name}'", "those of this dataset"
        else:
            given, allowed = f"'{name}', as {len(found)} reels", "names that labels tell apart"
        unclear.update(rows.get(name, []))
        problems.append(Problem(first.file, None, None, given, allowed, line=first.line))
    return row_of, unclear


def _has(sample: Sample, labels: Sequence[int], levels: int) -> bool:
    ours = dict(zip(SKILL_KEYS, sample.levels, strict=True))
    return all(
        ours[skill.key] is None or official_level(skill, label, levels) == ours[skill.key]
        for skill, label in zip(OFFICIAL_ORDER, labels, strict=True)
    )


def _mean_softmax(views: Sequence[_View]) -> np.ndarray:
    logits = np.stack([view.logits for view in views])
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    mean: np.ndarray = (odds / odds.sum(axis=-1, keepdims=True)).mean(axis=0)
    return mean
