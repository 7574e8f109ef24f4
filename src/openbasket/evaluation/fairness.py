"""Is a run as good for every group of players, and does it rate any of them too low or too high?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from openbasket.dataset.reader import dataset_levels, read_split, read_splits
from openbasket.errors import BadInputError, ConfigError, Problem, UnknownNameError
from openbasket.evaluation import Score
from openbasket.evaluation.comparisons import holm
from openbasket.evaluation.contrasts import FEW_PERSONS, Comparison, can_tell, compare, uncommon
from openbasket.evaluation.games import Sharing, game_shares
from openbasket.evaluation.groups import groups_of
from openbasket.evaluation.intervals import checked_draws, cluster_weights, interval_of_means
from openbasket.evaluation.metrics import GROUPS, accuracy_cells, group_means
from openbasket.evaluation.runs import predictions_of, read_runs, refuse_crossing
from openbasket.evaluation.scoring import label_array
from openbasket.workspace import Workspace

__all__ = [
    "FEW", "TOO_FEW", "Fairness", "Group", "bias_cells", "fairness", "groups_of", "judge", "top_bias_cells",
]  # fmt: skip

#: Why a group was not tested.
FEW = f"fewer than {FEW_PERSONS} persons in the group or beside it"
TOO_FEW = "too few errors or hits to tell"
MEAN = [name for name, _ in GROUPS].index("mean")


@dataclass(frozen=True)
class Group:
    """A group of players: how right a run is about them, and in which direction it errs.

    Args:
        kind: such as ``gender``.
        value: such as ``women``.
        subjects, persons: how many.
        accuracy: mean of 20 skills.
        bias: expected level minus label, in levels. A model that shrinks to the middle has it below 0 for
            whoever is good, so that it says nothing about how a group is treated.
        top_bias: likeliest level minus label, in levels.
        accuracy_difference, bias_difference: from the whole, on the same skills; ``None`` if not tested.
        accuracy_within, bias_within: from the whole's players of the same true level, weighted by how often
            the group has each level; ``None`` if not tested. Below 0, players are rated lower than others who
            are as good.
        accuracy_p: that ``accuracy_within`` is below 0 by chance, Holm-corrected over all tests.
        bias_p: that ``bias_within`` is not 0 by chance, likewise.
        warning: in words, where one of them is below the limit.
        untested: what was not tested, and why.
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
    accuracy_within: Score | None = None
    bias_within: Score | None = None
    accuracy_p: float | None = None
    bias_p: float | None = None
    warning: str | None = None
    untested: list[str] = field(default_factory=list)


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
        clusters: what intervals and tests are over: ``persons``, or ``persons and games``.
    """

    run: str
    split: str
    alpha: float
    tests: int
    whole: Group
    groups: list[Group]
    clusters: str = "persons"

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
        alpha: chance of any false warning at all, above 0 and below 1.
        resamples: of the bootstrap for the intervals, 100 to 100,000; 0 leaves the intervals out.
        allow_crossing: see :func:`openbasket.evaluation.evaluate`.
        require_hash: see there, too.

    Raises:
        ConfigError: too few or too many resamples, or another alpha.
        UnknownNameError: the file has no such run.
        BadInputError: predictions that cannot be scored, or several runs and none is named.
    """
    if resamples:
        checked_draws(resamples)
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha: got {alpha}; allowed: above 0 and below 1 (0.05 is usual)")
    levels = dataset_levels(root)
    every = dict(read_splits(root))
    samples = every[split] if split in every else read_split(root, split)  # says what is missing
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
    workspace = Workspace(root)
    reels = workspace.read("reels") if workspace.has("reels") else None
    shares = None if reels is None else game_shares(reels, subjects)
    whole, groups, tests = judge(
        probabilities, labels, persons, groups_of(root, samples), shares, alpha=alpha,
        resamples=resamples,
    )  # fmt: skip
    clusters = "persons" if shares is None else "persons and games"
    return Fairness(run, split, alpha, tests, whole, groups, clusters)


def judge(
    probabilities: np.ndarray,
    labels: np.ndarray,
    persons: np.ndarray,
    groups: Mapping[str, Sequence[str | None]],
    shares: Any = None,
    *,
    alpha: float = 0.05,
    resamples: int = 2000,
) -> tuple[Group, list[Group], int]:
    """Score and test every group: is it served worse, or rated otherwise, than others who are as good?

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
        persons: ``(subjects,)`` whole numbers from 0: which person each subject is.
        groups: kind -> value of each subject, ``None`` where it is in no group.
        shares: of :func:`openbasket.evaluation.games.game_shares`, or ``None`` where games are not known.
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
    names = persons.astype(str)

    def sharing_of(rows: np.ndarray) -> Sharing | None:
        return None if shares is None else Sharing(shares[rows], names[rows].tolist())

    def scored(kind: str, value: str, rows: np.ndarray) -> Group:
        clusters = names[rows].tolist()
        weights = cluster_weights(clusters, resamples) if resamples else None
        sharing = sharing_of(rows) if resamples else None
        missing = int(unanswered[rows].sum())
        right, off, top = (
            _score(
                part[rows],
                interval_of_means(
                    part[rows], clusters, weights, sharing, bounds=bounds,
                    levels=probabilities.shape[-1] if bounds else None,
                ),
                missing,
            )
            for part, bounds in zip(cells, ((0.0, 1.0), None, None), strict=True)
        )  # fmt: skip
        return Group(kind, value, int(rows.sum()), len(set(clusters)), right, off, top)

    whole = scored("", "all", np.ones(len(labels), bool))
    found: list[Group] = []
    within: list[tuple[Comparison | None, Comparison | None]] = []
    apart = [uncommon(part, labels) for part in cells[:2]]
    for kind, values in groups.items():
        known = np.array([v is not None for v in values])
        sharing = sharing_of(known)
        for value in sorted({v for v in values if v is not None}):
            inside = np.array([v == value for v in values])
            if inside.sum() == known.sum():  # there is nothing beside it
                continue
            (right, told_right), (off, told_off) = (
                _tested(
                    part[known], rare[known], inside[known], persons[known], labels[known], sharing
                )
                for part, rare in zip(cells[:2], apart, strict=True)
            )
            reasons = {"accuracy": told_right, "bias": told_off}
            found.append(
                replace(
                    scored(kind, value, inside),
                    untested=[f"{what}: {why}" for what, why in reasons.items() if why],
                    accuracy_difference=_difference(cells[0][known], inside[known], right),
                    bias_difference=_difference(cells[1][known], inside[known], off),
                    accuracy_within=_apart(right, cells[0][inside]),
                    bias_within=_apart(off, cells[1][inside]),
                )
            )
            within.append((right, off))
    tests = [right.p_less for right, _ in within if right] + [off.p for _, off in within if off]
    adjusted = holm(np.array(tests)).tolist()
    rights = iter(adjusted[: sum(right is not None for right, _ in within)])
    offs = iter(adjusted[sum(right is not None for right, _ in within) :])
    judged = []
    for group, (right, off) in zip(found, within, strict=True):
        p_right = next(rights) if right else None
        p_off = next(offs) if off else None
        told = []
        if right and p_right is not None and p_right < alpha:
            told.append(
                f"accuracy is {-100 * right.difference:.1f} points below the whole's at the same true "
                f"levels (p = {p_right:.2g})"
            )
        if off and p_off is not None and p_off < alpha:
            side = "lower" if off.difference < 0 else "higher"
            told.append(
                f"rated {abs(off.difference):.2f} levels {side} than the whole at the same true levels "
                f"(p = {p_off:.2g})"
            )
        judged.append(
            replace(
                group,
                accuracy_p=p_right,
                bias_p=p_off,
                warning=f"{group.kind} {group.value}: {'; '.join(told)}" if told else None,
            )
        )
    return whole, judged, len(tests)


def _tested(
    cells: np.ndarray,
    apart: np.ndarray,
    inside: np.ndarray,
    persons: np.ndarray,
    labels: np.ndarray,
    sharing: Sharing | None,
) -> tuple[Comparison | None, str | None]:
    """A group against the whole at the same true levels; or why that would tell nothing."""
    found = compare(cells, inside, persons, labels, sharing)
    if found is None:
        return None, FEW
    if can_tell(apart, ~np.isnan(cells), inside, persons):
        return found, None
    return None, TOO_FEW


def _score(cells: np.ndarray, interval: tuple[np.ndarray, np.ndarray], unanswered: int) -> Score:
    value, *ends = (
        None if np.isnan(x[MEAN]) else float(x[MEAN]) for x in (group_means(cells)[0], *interval)
    )
    return Score(
        value, ends[0], ends[1], int((~np.isnan(cells)).sum()), int(cells.size), unanswered
    )


def _difference(cells: np.ndarray, inside: np.ndarray, tested: Comparison | None) -> float | None:
    """Of the group's mean from the whole's, over the skills that group and others have."""
    if tested is None:
        return None
    known = ~np.isnan(cells)
    both = known[inside].any(axis=0) & known[~inside].any(axis=0)
    part = cells[:, both]
    return float((np.nanmean(part[inside], axis=0) - np.nanmean(part, axis=0)).mean())


def _apart(found: Comparison | None, cells: np.ndarray) -> Score | None:
    if found is None:
        return None
    labels = int((~np.isnan(cells)).sum())
    return Score(found.difference, found.low, found.high, labels, int(cells.size))
