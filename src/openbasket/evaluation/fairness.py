"""Is a run as good for every group of players, and does it rate any of them too low or too high?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openbasket.dataset.reader import SPLIT_FILES, dataset_levels, has_split, read_split
from openbasket.errors import BadInputError, Problem, UnknownNameError
from openbasket.evaluation import Score
from openbasket.evaluation.formats import Cell, Table, shown
from openbasket.evaluation.groups import groups_of
from openbasket.evaluation.intervals import bootstrap, cluster_weights
from openbasket.evaluation.metrics import GROUPS, accuracy_cells, group_means
from openbasket.evaluation.runs import predictions_of, read_runs, refuse_crossing
from openbasket.evaluation.scoring import label_array
from openbasket.wording import counted

__all__ = [
    "Comparison", "Fairness", "Group", "bias_cells", "compare", "fairness", "fairness_table",
    "groups_of", "holm", "judge", "top_bias_cells", "warnings_table",
]  # fmt: skip

MEAN = [name for name, _ in GROUPS].index("mean")
#: Groups, and what is beside them, with fewer persons are shown but not tested.
FEW_PERSONS = 10


@dataclass(frozen=True)
class Comparison:
    """A group against all others, on the skills that both have labels of.

    Args:
        difference: of the group's mean from the whole's.
        t: difference of the group from the others, by its standard error over persons.
        p: two-sided, from Student's t; with Welch's degrees of freedom.
        p_less: that the group is less than the others by chance.
    """

    difference: float
    t: float
    p: float
    p_less: float


@dataclass(frozen=True)
class Group:
    """A group of players: how right a run is about them, and in which direction it errs.

    Args:
        kind: such as ``gender``.
        value: such as ``women``.
        subjects, persons: how many.
        accuracy: mean of 20 skills.
        bias: expected level minus label, in levels; below 0, players are rated too low.
        top_bias: likeliest level minus label, in levels.
        accuracy_difference, bias_difference: from the whole, on the same skills; ``None`` if not tested.
        accuracy_p: that accuracy is lower than the others' by chance, Holm-corrected over all tests.
        bias_p: that the bias is another than the others' by chance, likewise.
        warning: in words, where one of them is below the limit.
    """

    kind: str
    value: str
    subjects: int
    persons: int
    accuracy: Score
    bias: Score
    top_bias: Score
    accuracy_difference: float | None = None
    bias_difference: float | None = None
    accuracy_p: float | None = None
    bias_p: float | None = None
    warning: str | None = None


@dataclass(frozen=True)
class Fairness:
    """All groups of a split, for one run.

    Args:
        run: its name.
        split: the split.
        alpha: chance of any false warning at all, where all groups are treated alike.
        tests: how many tests were made.
        whole: all subjects together.
        groups: by kind and value.
    """

    run: str
    split: str
    alpha: float
    tests: int
    whole: Group
    groups: list[Group]

    @property
    def warnings(self) -> list[str]:
        """Groups for which the run is worse than for the whole beyond chance, in words."""
        return [g.warning for g in self.groups if g.warning]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self) | {"warnings": self.warnings}


def bias_cells(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Expected level minus label, in levels; NaN without a label or an answer.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
    """
    return np.asarray(probabilities @ np.arange(probabilities.shape[-1]) - labels)


def top_bias_cells(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Likeliest level minus label, in levels; the mean of levels that are equally likely.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
    """
    best = probabilities == probabilities.max(axis=-1, keepdims=True)
    count = best.sum(axis=-1)
    top = best @ np.arange(probabilities.shape[-1]) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, top, np.nan) - labels)


def compare(cells: np.ndarray, inside: np.ndarray, persons: np.ndarray) -> Comparison | None:
    """Compare a group with all others: a t-test whose error is over persons, not cells.

    The standard error is the linearised one of a difference of means over clusters (Liang and Zeger
    1986); a person with subjects on both sides counts once. Degrees of freedom are Welch's.

    Args:
        cells: ``(subjects, 20)``, NaN where there is nothing to count.
        inside: ``(subjects,)`` bool: who is in the group.
        persons: ``(subjects,)`` whole numbers from 0: which person each subject is.

    Returns:
        ``None`` where group or others have fewer than :data:`FEW_PERSONS` persons, or no skill in common.
    """
    from scipy.stats import t as student

    known = ~np.isnan(cells)
    sides = [inside, ~inside]
    counts = [known[side].sum(axis=0) for side in sides]
    both = (counts[0] > 0) & (counts[1] > 0)
    people = [len(np.unique(persons[side & known[:, both].any(axis=1)])) for side in sides]
    if not both.any() or min(people) < FEW_PERSONS:
        return None
    cells, known = cells[:, both], known[:, both]
    filled = np.where(known, cells, 0.0)
    counts = [count[both] for count in counts]
    means = [filled[side].sum(axis=0) / n for side, n in zip(sides, counts, strict=True)]
    whole = filled.sum(axis=0) / known.sum(axis=0)
    pull = np.zeros(len(persons))
    parts = []
    for side, mean, count, number, sign in zip(sides, means, counts, people, (1, -1), strict=True):
        own = (np.where(known[side], cells[side] - mean, 0.0) / count).mean(axis=1)
        own *= sign * np.sqrt(number / (number - 1))
        pull[side] = own
        parts.append((np.bincount(persons[side], own) ** 2).sum())
    variance = (np.bincount(persons, pull) ** 2).sum()
    difference = float((means[0] - whole).mean())
    apart = float((means[0] - means[1]).mean())
    if variance < 1e-18:
        same = abs(apart) < 1e-9
        return Comparison(
            difference, 0.0 if same else float(np.copysign(np.inf, apart)),
            1.0 if same else 0.0, 1.0 if same or apart > 0 else 0.0,
        )  # fmt: skip
    freedom = sum(parts) ** 2 / sum(
        part**2 / (number - 1) for part, number in zip(parts, people, strict=True)
    )
    t = apart / np.sqrt(variance)
    return Comparison(
        difference, float(t), float(2 * student.sf(abs(t), freedom)), float(student.cdf(t, freedom))
    )


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979): the chance of any false one among all is at most that."""
    adjusted = [0.0] * len(p)
    highest = 0.0
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted


def fairness(
    path: Path,
    root: Path,
    *,
    run: str | None = None,
    split: str = "test",
    alpha: float = 0.05,
    resamples: int = 2000,
    allow_crossing: bool = False,
    require_hash: bool = False,
) -> Fairness:
    """Accuracy and bias of a run in every group of a split, and warnings.

    What :func:`openbasket.evaluation.evaluate` refuses is refused here, too.

    Args:
        path: file of predictions.
        root: the dataset.
        run: which run of the file; may be left out where it holds one.
        split: whose subjects are scored.
        alpha: chance of any false warning at all.
        resamples: of the bootstrap for the intervals.
        allow_crossing: see :func:`openbasket.evaluation.evaluate`.
        require_hash: see there, too.

    Raises:
        UnknownNameError: the file has no such run.
        BadInputError: predictions that cannot be scored, or several runs and none is named.
    """
    levels = dataset_levels(root)
    every = {
        name: read_split(root, name, levels=levels, require_videos=False)
        for name in SPLIT_FILES
        if has_split(root, name) or name == split
    }
    samples = every[split]
    refuse_crossing(every, allow_crossing)
    found = {one.name: one for one in read_runs([path], every, levels)}
    runs = sorted(found)
    if run is not None and run not in runs:
        raise UnknownNameError("run", run, runs)
    if run is None and len(runs) > 1:
        raise BadInputError(
            [Problem(str(path), None, "run", ", ".join(runs), "one run, or its name with --run")]
        )
    run = run or runs[0]
    subjects = [s.subject_id for s in samples]
    probabilities = None
    if samples:
        probabilities = predictions_of(
            found[run], split, subjects, levels, require_hash=require_hash
        )
    if probabilities is None:
        given = f"no prediction for {len(samples)} of {len(samples)} subjects"
        raise BadInputError([Problem(str(path), None, "subject_id", given, f"all of '{split}'")])
    labels = label_array(samples)
    persons = np.unique([s.player_id for s in samples], return_inverse=True)[1]
    whole, groups, tests = judge(
        probabilities, labels, persons, groups_of(root, samples), alpha=alpha, resamples=resamples
    )
    return Fairness(run, split, alpha, tests, whole, groups)


def judge(
    probabilities: np.ndarray,
    labels: np.ndarray,
    persons: np.ndarray,
    groups: Mapping[str, Sequence[str | None]],
    *,
    alpha: float = 0.05,
    resamples: int = 2000,
) -> tuple[Group, list[Group], int]:
    """Score and test every group: is accuracy lower, or the bias another, than that of the others?

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
        persons: ``(subjects,)`` whole numbers from 0: which person each subject is.
        groups: kind -> value of each subject, ``None`` where it is in no group.
        alpha: chance of any false warning at all.
        resamples: of the bootstrap; 0 leaves the intervals out.

    Returns:
        All subjects as one group, the groups, and the number of tests.
    """
    cells = (
        accuracy_cells(probabilities, labels),
        bias_cells(probabilities, labels),
        top_bias_cells(probabilities, labels),
    )
    unanswered = np.isnan(probabilities[..., 0]) & ~np.isnan(labels)

    def scored(kind: str, value: str, rows: np.ndarray) -> Group:
        clusters = [str(person) for person in persons[rows]]
        weights = cluster_weights(clusters, resamples) if resamples else None
        missing = int(unanswered[rows].sum())
        right, off, top = (_score(part[rows], weights, missing) for part in cells)
        return Group(kind, value, int(rows.sum()), len(set(clusters)), right, off, top)

    whole = scored("", "all", np.ones(len(labels), bool))
    found: list[Group] = []
    compared: list[tuple[Comparison | None, Comparison | None]] = []
    for kind, values in groups.items():
        for value in sorted({v for v in values if v is not None}):
            inside = np.array([v == value for v in values])
            known = np.array([v is not None for v in values])
            if inside.sum() == known.sum():  # there is nothing beside it
                continue
            found.append(scored(kind, value, inside))
            right, off = (compare(c[known], inside[known], persons[known]) for c in cells[:2])
            compared.append((right, off))
    raw = [right.p_less for right, _ in compared if right] + [off.p for _, off in compared if off]
    adjusted = holm(raw)
    rights = iter(adjusted[: sum(right is not None for right, _ in compared)])
    offs = iter(adjusted[sum(right is not None for right, _ in compared) :])
    judged = []
    for group, (right, off) in zip(found, compared, strict=True):
        p_right = next(rights) if right else None
        p_off = next(offs) if off else None
        told = []
        if right and p_right is not None and p_right < alpha:
            told.append(
                f"accuracy is {-100 * right.difference:.1f} points below the whole's (p = {p_right:.2g})"
            )
        if off and p_off is not None and p_off < alpha:
            side = "lower" if off.difference < 0 else "higher"
            told.append(
                f"rated {abs(off.difference):.2f} levels {side} than the whole, each against its labels "
                f"(p = {p_off:.2g})"
            )
        judged.append(
            Group(
                group.kind, group.value, group.subjects, group.persons,
                group.accuracy, group.bias, group.top_bias,
                right.difference if right else None, off.difference if off else None,
                p_right, p_off,
                f"{group.kind} {group.value}: {'; '.join(told)}" if told else None,
            )
        )  # fmt: skip
    return whole, judged, len(raw)


def fairness_table(found: Fairness) -> Table:
    """Groups as a table; ``!`` stands before those with a warning."""
    columns = ["group", "subjects", "persons", "accuracy (%)", "bias, expected", "bias, top-1", "p"]
    rows: list[list[Cell]] = []
    for group in (found.whole, *found.groups):
        tested = [p for p in (group.accuracy_p, group.bias_p) if p is not None]
        p = f"{min(tested):.2g}" if tested else ("" if group is found.whole else "few persons")
        name = f"{group.kind} {group.value}".strip()
        rows.append(
            [
                f"! {name}" if group.warning else name,
                str(group.subjects),
                str(group.persons),
                shown(group.accuracy),
                _levels(group.bias),
                _levels(group.top_bias),
                p,
            ]
        )
    title = (
        f"fairness of {found.run} on {found.split}: bias in levels, 95 % intervals over persons; "
        f"p: least of the group, Holm-corrected over {counted(found.tests, 'test')}"
    )
    return Table(title, columns, rows, "fairness")


def warnings_table(found: Sequence[Fairness]) -> Table:
    """Groups with a warning, a line for each; and a line for each run without any."""
    rows: list[list[Cell]] = []
    for one in found:
        warned = [group for group in one.groups if group.warning]
        for group in warned:
            told: list[Cell] = []
            for difference, p, scale, digits in (
                (group.accuracy_difference, group.accuracy_p, 100, 1),
                (group.bias_difference, group.bias_p, 1, 2),
            ):
                told.append("" if difference is None else f"{scale * difference:+.{digits}f}")
                told.append("" if p is None else f"{p:.2g}")
            rows.append([one.run, f"! {group.kind} {group.value}", str(group.persons), *told])
        if not warned:
            told_none = f"none in {counted(one.tests, 'test')}" if one.tests else "none was tested"
            rows.append([one.run, told_none, *[""] * 5])
    columns = [
        "Run", "Group", "Persons", "Accuracy, difference (points)", "p corrected",
        "Bias, difference (levels)", "p corrected",
    ]  # fmt: skip
    split = found[0].split if found else "test"
    title = f"Fairness of every run on {split}: groups with a warning"
    footer = "Differences are from the whole; p is corrected for all tests of a run (Holm)."
    return Table(title, columns, rows, "fairness_warnings", footer)


def _levels(score: Score) -> str:
    if score.value is None:
        return "no labels"
    text = f"{score.value:+.2f}"
    if score.low is not None and score.high is not None:
        text += f" [{score.low:+.2f}, {score.high:+.2f}]"
    return text


def _score(cells: np.ndarray, weights: np.ndarray | None, unanswered: int) -> Score:
    low, high = bootstrap(cells, weights)
    value, *ends = (
        None if np.isnan(x[MEAN]) else float(x[MEAN]) for x in (group_means(cells)[0], low, high)
    )
    return Score(
        value, ends[0], ends[1], int((~np.isnan(cells)).sum()), int(cells.size), unanswered
    )
