"""Score runs on one split: every metric of every group, with intervals, and every two runs compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isnan
from typing import Any

import numpy as np

from openbasket.dataset.reader import Sample
from openbasket.evaluation import games
from openbasket.evaluation.comparisons import (
    BLOCK,
    flipped,
    holm,
    letters,
    p_of_flips,
    person_points,
)
from openbasket.evaluation.influence import influences, labelled_groups
from openbasket.evaluation.intervals import (
    Basis,
    PersonDraws,
    all_tied,
    ends,
    persons_of,
    settled,
    without_bias,
)
from openbasket.evaluation.metrics import (
    CELLS,
    GROUPS,
    METRICS,
    REFERENCES,
    confusion,
    measure,
    over_groups,
    ratio,
)
from openbasket.evaluation.results import Comparison, Result, Score
from openbasket.skills import SKILL_KEYS

__all__ = ["Scored", "corrected", "label_array", "score_split"]

_MEAN = len(GROUPS) - 1


@dataclass(frozen=True)
class Scored:
    """One split.

    Args:
        results: of each run, the whole split and its parts.
        comparisons: of each two runs; ``p_holm`` is not corrected yet.
    """

    results: list[Result]
    comparisons: list[Comparison]


def label_array(samples: Sequence[Sample]) -> np.ndarray:
    """Labels as ``(subjects, 20)`` float, NaN where there is none."""
    rows = [[np.nan if level is None else level for level in sample.levels] for sample in samples]
    return np.array(rows, dtype=float).reshape(len(samples), len(SKILL_KEYS))


def score_split(
    split: str,
    samples: Sequence[Sample],
    runs: Mapping[tuple[str, str], np.ndarray],
    parts: Mapping[str, Sequence[int]],
    shares: Any,
    *,
    resamples: int,
    seed: int,
) -> Scored:
    """Score all runs on a split and its parts.

    Args:
        split: its name.
        samples: its subjects.
        runs: (run, model) -> probabilities ``(subjects, 20, levels)``.
        parts: name -> rows of the subjects; "" is the whole split.
        shares: of :func:`openbasket.evaluation.games.game_shares`, or ``None``.
        resamples: of the bootstrap.
        seed: of the bootstrap and of the signs of the tests.
    """
    results: list[Result] = []
    compared: list[Comparison] = []
    every = label_array(samples)
    cells_of = {
        key: {name: cells(array, every) for name, cells in CELLS.items()}
        for key, array in runs.items()
    }
    for part, rows in parts.items():
        picked, labels = [samples[row] for row in rows], every[rows]
        persons = [sample.player_id for sample in picked]
        known = ~np.isnan(labels)
        drawn = PersonDraws(persons, resamples, seed)
        counts = drawn.sums(known)
        sharing = None
        if shares is not None and drawn.weights is not None:
            sharing = games.Sharing(shares[rows], persons)
        people = persons_of(labelled_groups(known), persons)
        sides: dict[str, _Side] = {}
        for key, array in runs.items():
            probabilities = array[rows]
            cells = {name: made[rows] for name, made in cells_of[key].items()}
            measured = _measured(cells, known, drawn, counts)
            if not part:
                names = tuple(name for name in METRICS if name not in CELLS)
                measured |= measure(probabilities, labels, drawn.sums, names)
            influence: dict[str, np.ndarray] = {}
            if sharing is not None:
                influence = influences(probabilities, labels, cells, tuple(measured))
            if not part:
                measured |= measure(probabilities, labels, names=tuple(REFERENCES))
            scores = _scores(probabilities, labels, measured, cells, people, sharing, influence)
            matrices = {} if part else _matrices(probabilities, labels)
            results.append(
                Result(*key, split, part, len(rows), len(set(persons)), scores, confusion=matrices)
            )
            if not part:
                sides[key[0]] = _Side(
                    person_points(cells["accuracy"], persons),
                    None if drawn.weights is None else measured["accuracy"][1:, _MEAN],
                    influence["accuracy"][:, _MEAN] if sharing else None,
                )
        if not part:
            compared = _compare(split, sides, sharing, known.any(axis=1), int(people[_MEAN]), seed)
    return Scored(results, compared)


def corrected(scored: Sequence[Scored]) -> tuple[list[Result], list[Comparison]]:
    """Results with their letters, and comparisons with p values corrected for all of them together.

    Baselines compared with each other ask nothing about a run: they are a family of their own.
    """
    every = [comparison for part in scored for comparison in part.comparisons]
    baselines = {(r.split, r.run) for part in scored for r in part.results if r.model == "baseline"}
    among = np.array([{(c.split, c.one), (c.split, c.other)} <= baselines for c in every], bool)
    p = np.array([comparison.p for comparison in every])
    for family in (among, ~among):
        p[family] = holm(p[family])
    every = [replace(c, p_holm=float(value)) for c, value in zip(every, p, strict=True)]
    different = {(c.split, frozenset((c.one, c.other))): not c.is_noise for c in every}
    results = []
    for part in scored:
        whole = [r for r in part.results if not r.part and _value(r) is not None]
        ranked = [r.run for r in sorted(whole, key=lambda r: (-(_value(r) or 0), r.run))]
        split = part.results[0].split
        shown = letters(
            ranked, {pair: found for (where, pair), found in different.items() if where == split}
        )
        results += [r if r.part else replace(r, group=shown.get(r.run, "")) for r in part.results]
    return results, every


def _value(result: Result) -> float | None:
    return result.scores["accuracy"]["mean"].value


def _measured(
    cells: Mapping[str, np.ndarray], known: np.ndarray, drawn: PersonDraws, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Means of cells of each group: name -> ``(1 + resamples, len(GROUPS))``, the value first."""
    filled = [np.where(known, made, 0.0) for made in cells.values()]
    sums = np.split(drawn.sums(np.concatenate(filled, axis=1)), len(filled), axis=1)
    return {name: over_groups(ratio(part, counts)) for name, part in zip(cells, sums, strict=True)}


def _scores(
    probabilities: np.ndarray,
    labels: np.ndarray,
    measured: Mapping[str, np.ndarray],
    cells: Mapping[str, np.ndarray],
    people: np.ndarray,
    sharing: games.Sharing | None,
    influence: Mapping[str, np.ndarray],
) -> dict[str, dict[str, Score]]:
    """Scores of each metric, whose first row is the value and whose others are the resamples."""
    known = ~np.isnan(labels)
    unanswered = (np.isnan(probabilities[..., 0]) & known).sum(axis=0).tolist()
    labelled = known.sum(axis=0).tolist()
    vary = [len(set(column[~np.isnan(column)])) > 1 for column in labels.T]
    groups = labelled_groups(known)
    scores: dict[str, dict[str, Score]] = {}
    for metric, rows in measured.items():
        value = rows[0]
        nothing = metric in METRICS and METRICS[metric].nothing is not None

        def counts_in(skill: int, value: np.ndarray = value, nothing: bool = nothing) -> bool:
            return not isnan(value[skill]) or (nothing and vary[skill])

        # A skill for which the metric is not defined is not in the means: its labels do not count there.
        counts = [
            (
                name,
                sum(labelled[i] for i in members if len(members) == 1 or counts_in(i)),
                len(labels) * len(members),
                sum(unanswered[i] for i in members),
            )
            for name, members in GROUPS
        ]
        low = high = np.full(len(GROUPS), np.nan)
        if len(rows) > 1:
            unit = METRICS[metric].unit
            basis = Basis(
                people,
                sharing.factors(influence[metric], groups) if sharing else np.ones(len(GROUPS)),
                -1.0 if unit == "coefficient" else 0.0,
                probabilities.shape[-1] - 1.0 if unit == "levels" else 1.0,
                metric in cells,
                all_tied(cells[metric], probabilities.shape[-1]) if metric == "accuracy" else None,
            )
            low, high = settled(value, *_ends(metric, rows[1:], value), basis)
        numbers = zip(value.tolist(), low.tolist(), high.tolist(), strict=True)
        scores[metric] = {
            name: Score(_number(middle), _number(lower), _number(upper), count, size, silent)
            for (name, count, size, silent), (middle, lower, upper) in zip(
                counts, numbers, strict=True
            )
        }
    return scores


def _ends(name: str, drawn: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the intervals of a metric of all groups, which hold its values.

    The calibration error is a sum of absolute values. Its bias shrinks where its size grows, so that it is
    not known from resamples: they are moved to the number alone.
    """
    if name == "calibration_error":
        drawn = np.maximum(without_bias(drawn, value, 1), 0.0)
    elif name not in CELLS:
        drawn = without_bias(drawn, value)
    low, high = ends(drawn)
    return np.minimum(low, value), np.maximum(high, value)


def _matrices(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, list[list[float]]]:
    levels = probabilities.shape[-1]
    sums = confusion(probabilities, labels).sum(axis=0).reshape(-1, levels, levels)
    return {
        key: [[round(float(cell), 6) for cell in row] for row in matrix]
        for key, matrix in zip(SKILL_KEYS, sums, strict=True)
    }


@dataclass(frozen=True)
class _Side:
    """Mean accuracy of a run: points of persons, resamples, and influence of subjects where games count."""

    points: np.ndarray
    drawn: np.ndarray | None
    influence: np.ndarray | None


def _compare(
    split: str,
    sides: Mapping[str, _Side],
    sharing: games.Sharing | None,
    labelled: np.ndarray,
    persons: int,
    seed: int,
) -> list[Comparison]:
    """Every two runs, the better first; the order of files changes nothing."""
    if not persons:  # nobody has a label
        return []
    total = {run: float(side.points.sum()) for run, side in sides.items()}
    ranked = sorted(sides, key=lambda run: (-total[run], run))
    pairs = list(combinations(range(len(ranked)), 2))
    points = np.stack([sides[run].points for run in ranked], axis=1)
    drawn = [x for run in ranked if (x := sides[run].drawn) is not None]
    influence = [x for run in ranked if (x := sides[run].influence) is not None]
    sums = flipped(points, seed)
    found = []
    for begin in range(0, len(pairs), BLOCK):  # all at once is too much of hundreds of runs
        some = pairs[begin : begin + BLOCK]
        value = np.array([total[ranked[one]] - total[ranked[other]] for one, other in some])
        factors = np.ones(len(some))
        if sharing is not None:
            known = np.repeat(labelled[:, None], len(some), axis=1)
            factors = sharing.factors(_apart(np.stack(influence, axis=1), some), known)
        p = p_of_flips(_apart(sums, some), _apart(points, some), factors)
        low = high = np.full(len(some), np.nan)
        if drawn:
            basis = Basis(
                np.full(len(some), persons), factors, -1.0, 1.0, sure=np.abs(value) < 1e-12
            )
            low, high = settled(value, *ends(_apart(np.stack(drawn, axis=1), some)), basis)
        found += [
            Comparison(
                split, ranked[one], ranked[other], float(value[i]), _number(float(low[i])),
                _number(float(high[i])), float(p[i]), float(p[i]),
            )
            for i, (one, other) in enumerate(some)
        ]  # fmt: skip
    return found


def _apart(of_runs: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Differences of columns: ``(n, runs)`` -> ``(n, pairs)``."""
    one, other = np.array(pairs).T
    return np.asarray(of_runs[:, one] - of_runs[:, other])


def _number(value: float) -> float | None:
    return None if isnan(value) else value
