"""What an observer is to know, which skills can be measured, and how right the best learner is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from openbasket.dataset.reader import hash_labels
from openbasket.evaluation.learners import LEARNERS, Examples
from openbasket.evaluation.metrics import accuracy_cells
from openbasket.labels.levels import level
from openbasket.skills import SKILL_KEYS
from openbasket.splits.assign import IN_DOMAIN
from openbasket.workspace import Workspace

__all__ = [
    "ALLOWED",
    "LEAST_PER_LEVEL",
    "Truth",
    "best",
    "find_unmeasured",
    "read_truth",
    "split_hashes",
]

#: Skills with fewer labels a level in train are not measured.
LEAST_PER_LEVEL = 5
ALLOWED = (
    f"{LEAST_PER_LEVEL} or more for each level in train, not all alike; some in val and in test"
)


@dataclass(frozen=True)
class Truth:
    """Labels of the subjects of a split: ``share`` of the ranked that they are better than, and levels."""

    share: np.ndarray  # (subjects, 20), NaN where there is no label
    labels: Mapping[int, np.ndarray]  # number of levels -> (subjects, 20)

    @property
    def levels(self) -> list[int]:
        """The numbers of levels."""
        return list(self.labels)


def read_truth(
    workspace: Workspace, splits: pl.DataFrame, levels: Sequence[int], own: int
) -> Truth:
    """Read the labels of a workspace.

    Args:
        workspace: with table ``levels``.
        splits: rows of table ``splits``.
        levels: numbers of levels; other ones than the labels' own are made from ranks.
        own: the labels' own.
    """
    known = workspace.read("levels").with_columns(
        share=pl.coalesce(
            (pl.col("ranked") - pl.col("rank") + 0.5) / pl.col("ranked"),
            (pl.col("level") + 0.5) / own,  # experts' levels have no rank
        )
    )
    ranked = pl.col("ranked")
    known = known.with_columns(
        (
            pl.col("level")
            if n == own
            else pl.when(ranked >= n).then(level(pl.col("rank"), ranked, n))
        ).alias(f"level_{n}")
        for n in levels
    )

    def matrix(column: str) -> np.ndarray:
        wide = known.pivot("skill", index="subject_id", values=column)
        rows = splits.select("subject_id").join(
            wide, on="subject_id", how="left", maintain_order="left"
        )
        columns = [
            rows[skill].cast(pl.Float64) if skill in rows.columns
            else pl.Series([None] * rows.height, dtype=pl.Float64)
            for skill in SKILL_KEYS
        ]  # fmt: skip
        return np.column_stack([c.fill_null(np.nan).to_numpy() for c in columns])

    labels = {n: matrix(f"level_{n}") for n in levels}
    unknown = np.logical_or.reduce([np.isnan(x) for x in labels.values()])
    share = np.where(unknown, np.nan, matrix("share"))
    return Truth(share, {n: np.where(unknown, np.nan, x) for n, x in labels.items()})


def split_hashes(workspace: Workspace, levels: int) -> dict[str, str]:
    """Split -> hash of its subjects and their labels, as :func:`openbasket.dataset.reader.labels_hash`.

    Args:
        workspace: with tables ``levels`` and ``splits``.
        levels: number of levels of the labels.
    """
    splits = workspace.read("splits").filter(pl.col("split").is_not_null())
    of_subject: dict[str, dict[str, int | None]] = {}
    for subject, skill, found in (
        workspace.read("levels").select("subject_id", "skill", "level").rows()
    ):
        of_subject.setdefault(subject, {})[skill] = found
    by_split: dict[str, list[tuple[str, tuple[int | None, ...]]]] = {}
    for subject, split in splits.select("subject_id", "split").rows():
        known = of_subject.get(subject, {})
        row = (subject, tuple(known.get(skill) for skill in SKILL_KEYS))
        by_split.setdefault(split, []).append(row)
    return {split: hash_labels(rows, levels) for split, rows in by_split.items()}


def find_unmeasured(truth: Truth, splits: pl.DataFrame) -> dict[str, str]:
    """Skills that cannot be measured, and why."""
    why: dict[str, str] = {}
    split = splits["split"].to_numpy()
    for column, skill in enumerate(SKILL_KEYS):
        labelled = ~np.isnan(truth.share[:, column])
        counts = {name: int((labelled & (split == name)).sum()) for name in IN_DOMAIN}
        few = counts["train"] < LEAST_PER_LEVEL * max(truth.levels)
        alike = not few and any(
            len(np.unique(x[labelled & (split == "train"), column])) < 2
            for x in truth.labels.values()
        )
        if not labelled.any():
            why[skill] = "no labels"
        elif few or alike or not counts["val"] or not counts["test"]:
            told = ", ".join(f"{name} {number}" for name, number in counts.items())
            why[skill] = f"too few labels: {told}"
    return why


def best(
    x: np.ndarray, truth: Truth, splits: pl.DataFrame, column: int, seed: int
) -> dict[int, tuple[str, np.ndarray]]:
    """The learner that is best on val, and how right it is on test and the unseen seasons and leagues.

    Returns:
        Number of levels -> name of the learner and ``(subjects,)`` accuracies, averaged over draws; NaN where
        there is no label, and in train and val.
    """
    split = splits["split"].to_numpy()
    labelled = ~np.isnan(truth.share[:, column])
    rows = {name: np.flatnonzero((split == name) & labelled) for name in ("train", "val")}
    rows["test"] = np.flatnonzero(~np.isin(split, list(rows)) & labelled)

    def examples(name: str) -> Examples:
        mine, draws = rows[name], len(x)
        return Examples(
            x[:, mine].reshape(-1, x.shape[-1]),
            np.tile(truth.share[mine, column], draws),
            {n: np.tile(labels[mine, column], draws) for n, labels in truth.labels.items()},
        )

    parts = {name: examples(name) for name in rows}
    leading: dict[int, tuple[float, str, np.ndarray]] = {}
    for name, learn in LEARNERS.items():
        learnt = learn(parts["train"], parts["val"], seed)
        for n in truth.levels:
            score, right = (
                accuracy_cells(learnt(part.features, n)[:, None], part.labels[n][:, None])[:, 0]
                for part in (parts["val"], parts["test"])
            )
            if n not in leading or score.mean() > leading[n][0]:
                leading[n] = (float(score.mean()), name, right)
    found = {}
    for n, (_, name, right) in leading.items():
        cells = np.full(len(split), np.nan)
        cells[rows["test"]] = right.reshape(len(x), -1).mean(axis=0)
        found[n] = (name, cells)
    return found
