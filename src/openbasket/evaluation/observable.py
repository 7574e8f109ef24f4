"""The share of what could be seen: (accuracy - chance) / (ceiling - chance), on the same people and skills.

The ceiling is what a perfect observer of as many plays as the dataset's reels have clips is right in
(:mod:`openbasket.evaluation.ceiling`). His answers are kept for each subject, so that both terms can be of
exactly the same labels, and an interval of their ratio knows how they vary together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openbasket import tables
from openbasket.dataset.reader import Sample
from openbasket.errors import BadInputError, Problem
from openbasket.evaluation.intervals import cluster_weights, ends
from openbasket.evaluation.metrics import GROUPS, group_means
from openbasket.evaluation.results import Score
from openbasket.evaluation.truth import split_hashes
from openbasket.skills import SKILL_KEYS
from openbasket.wording import counted
from openbasket.workspace import Workspace

__all__ = [
    "CLIPS",
    "LEAST_PERSONS",
    "Ceilings",
    "Observer",
    "own_clips",
    "read_ceiling",
    "read_observer",
    "share",
]

#: Clips of a reel (paper, section 3.1).
CLIPS = 50
#: A group of fewer persons has no ceiling of its own.
LEAST_PERSONS = 30
_Z = 1.959964  # of a 95 % interval
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


# -- shares --------------------------------------------------------------------------------------


class Ceilings:
    """The ceiling of a part of a split, and shares of it.

    Where the part has :data:`LEAST_PERSONS` persons or more, it is that of its own people; else that of the
    whole split. Both terms of a share are drawn together, person by person.

    Args:
        right: of the split, ``(subjects, 20)``.
        labels: of the split, NaN where there is none.
        persons: of the split.
        rows: of the part; all by default.
        chance: accuracy of guessing.
        resamples, seed: of the bootstrap over persons.
    """

    def __init__(
        self,
        right: np.ndarray,
        labels: np.ndarray,
        persons: Sequence[str],
        rows: Sequence[int] | None = None,
        *,
        chance: float,
        resamples: int = 2000,
        seed: int = 0,
    ) -> None:
        mine = np.arange(len(labels)) if rows is None else np.asarray(rows, dtype=int)
        both = ~np.isnan(right) & ~np.isnan(labels)
        self.chance = chance
        self.own = rows is None or len({persons[row] for row in mine}) >= LEAST_PERSONS
        drawn = mine if self.own else np.arange(len(labels))
        weights = cluster_weights([persons[row] for row in drawn], resamples, seed)
        once = np.ones((1, len(drawn)), dtype=np.float32)
        self._weights = once if weights is None else np.concatenate([once, weights])
        inside = np.isin(drawn, mine)
        self._of_run = inside[:, None] & both[drawn]
        # Over exactly the skills that both have.
        in_both = self._of_run.any(axis=0)
        self._place = np.flatnonzero(inside)
        self._mean = group_means(
            np.where(both[drawn] & in_both, right[drawn], np.nan), self._weights
        )
        labelled = ~np.isnan(labels[mine])
        self.counts = {
            name: (int(both[mine][:, members].sum()), int(labelled[:, members].sum()))
            for name, members in GROUPS
        }
        #: Group -> the ceiling's accuracy, over the skills that are measured.
        self.scores: dict[str, Score] = {}
        low, high = (
            ends(self._mean[1:]) if weights is not None else np.full((2, len(GROUPS)), np.nan)
        )
        for number, (name, members) in enumerate(GROUPS):
            if np.isnan(self._mean[0, number]):
                continue
            count = int((both[drawn] & in_both)[:, members].sum())
            self.scores[name] = Score(
                float(self._mean[0, number]),
                _known(low[number]),
                _known(high[number]),
                count,
                count,
            )
        #: Skills that have labels, and no ceiling.
        self.lacking = [
            key for key in SKILL_KEYS if self.counts[key][1] and not self.counts[key][0]
        ]

    @property
    def unclear(self) -> list[str]:
        """Groups whose ceiling is not clearly above chance: its interval reaches it, or there is none."""
        return [name for name in self.scores if not self._is_clear(name)]

    def _is_clear(self, name: str) -> bool:
        low = self.scores[name].low
        return low is not None and low > self.chance

    def shares(self, cells: np.ndarray) -> dict[str, Score]:
        """Share of each group whose ceiling is clearly above chance, with Fieller's interval.

        Args:
            cells: how right a run is in the part, ``(subjects of it, 20)``.
        """
        wide = np.full(self._of_run.shape, np.nan)
        wide[self._place] = cells
        accuracy = group_means(np.where(self._of_run, wide, np.nan), self._weights)
        found = {}
        for number, (name, _) in enumerate(GROUPS):
            if name not in self.scores or not self._is_clear(name):
                continue
            ratio = share(accuracy[:, number] - self.chance, self._mean[:, number] - self.chance)
            if ratio is not None:
                found[name] = Score(*ratio, *self.counts[name])
        return found


def share(tops: np.ndarray, bottoms: np.ndarray) -> tuple[float, float, float] | None:
    """A ratio of means and its 95 % interval by Fieller's theorem (1954, section 4).

    The variances and the covariance are those of the draws, so that the interval carries what is not sure
    about either term, and that both are of the same people.

    Args:
        tops: ``(1 + resamples,)``, the value first, then its draws.
        bottoms: the same, of the same people in each draw.

    Returns:
        Ratio, lower and upper end; ``None`` where the bottom may as well be zero, since the interval has
        no end then.
    """
    top, bottom = float(tops[0]), float(bottoms[0])
    known = ~np.isnan(tops[1:]) & ~np.isnan(bottoms[1:])
    if bottom <= 0 or known.sum() < 2:
        return None
    (of_top, of_both), (_, of_bottom) = np.cov(tops[1:][known], bottoms[1:][known])
    loose = _Z**2 * of_bottom / bottom**2
    if loose >= 1:
        return None
    ratio = top / bottom
    middle = (ratio - _Z**2 * of_both / bottom**2) / (1 - loose)
    spread = of_top - 2 * ratio * of_both + ratio**2 * of_bottom
    if of_bottom > 0:
        spread -= loose * (of_top - of_both**2 / of_bottom)
    half = _Z / (bottom * (1 - loose)) * sqrt(max(0.0, spread))
    return ratio, float(middle - half), float(middle + half)


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


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
