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
from openbasket.evaluation.comparisons import holm, letters, person_points, sign_flip
from openbasket.evaluation.intervals import cluster_weights, ends
from openbasket.evaluation.metrics import (
    CELLS,
    GROUPS,
    METRICS,
    accuracy_cells,
    confusion,
    measure,
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
    means: dict[str, np.ndarray] = {}
    points: dict[str, np.ndarray] = {}
    for part, rows in parts.items():
        picked = [samples[row] for row in rows]
        labels = label_array(picked)
        persons = [sample.player_id for sample in picked]
        weights = cluster_weights(persons, resamples, seed)
        names = tuple(CELLS) if part else tuple(METRICS)
        once = np.ones((1, len(rows)), dtype=np.float32)
        once_and_drawn = once if weights is None else np.concatenate([once, weights])
        for (run, model), array in runs.items():
            probabilities = array[rows]
            measured = measure(probabilities, labels, once_and_drawn, names)
            cells = accuracy_cells(probabilities, labels)
            scores = _scores(probabilities, labels, measured)
            if shares is not None and weights is not None:
                scores = _widened(scores, probabilities, labels, persons, shares[rows])
            matrices = {} if part else _matrices(probabilities, labels)
            results.append(
                Result(
                    run,
                    model,
                    split,
                    part,
                    len(rows),
                    len(set(persons)),
                    scores,
                    confusion=matrices,
                )
            )
            if not part:
                points[run] = person_points(cells, persons)
                if weights is not None:
                    means[run] = measured["accuracy"][1:, _MEAN]
    return Scored(results, _compare(split, points, means, seed))


def corrected(scored: Sequence[Scored]) -> tuple[list[Result], list[Comparison]]:
    """Results with their letters, and comparisons with p values corrected for all of them together."""
    every = [comparison for part in scored for comparison in part.comparisons]
    p = holm(np.array([comparison.p for comparison in every]))
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


def _scores(
    probabilities: np.ndarray, labels: np.ndarray, measured: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Score]]:
    """Scores of each metric, whose first row is the value and whose others are the resamples."""
    known = ~np.isnan(labels)
    unanswered = (np.isnan(probabilities[..., 0]) & known).sum(axis=0).tolist()
    labelled = known.sum(axis=0).tolist()
    bases = [
        (
            name,
            sum(labelled[i] for i in members),
            len(labels) * len(members),
            sum(unanswered[i] for i in members),
        )
        for name, members in GROUPS
    ]
    scores: dict[str, dict[str, Score]] = {}
    for metric, rows in measured.items():
        value = rows[0]
        low = high = np.full(len(GROUPS), np.nan)
        if len(rows) > 1:
            low, high = ends(_centred(metric, rows[1:], value))
        numbers = zip(value.tolist(), low.tolist(), high.tolist(), strict=True)
        scores[metric] = {
            name: Score(_number(middle), _number(lower), _number(upper), count, cells, silent)
            for (name, count, cells, silent), (middle, lower, upper) in zip(
                bases, numbers, strict=True
            )
        }
    return scores


def _centred(name: str, drawn: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Resamples of the calibration error, moved to where they were drawn from.

    A sum of absolute values grows with noise, and a resample has more of it than the data.
    """
    if name != "calibration_error":
        return drawn
    moved: np.ndarray = np.maximum(drawn - drawn.mean(axis=0) + value, 0.0)
    return moved


def _widened(
    scores: dict[str, dict[str, Score]],
    probabilities: np.ndarray,
    labels: np.ndarray,
    persons: Sequence[str],
    shares: Any,
) -> dict[str, dict[str, Score]]:
    """The means of cells with the intervals that games widen."""
    wider = dict(scores)
    for name, cells_of in CELLS.items():
        factors = games.widening(cells_of(probabilities, labels), persons, shares)
        top = 1.0 if METRICS[name].unit == "percent" else probabilities.shape[-1] - 1.0
        wider[name] = {
            group: _stretched(score, float(factor), top)
            for (group, score), factor in zip(scores[name].items(), factors, strict=True)
        }
    return wider


def _stretched(score: Score, factor: float, top: float) -> Score:
    if score.value is None or score.low is None or score.high is None:
        return score
    return replace(
        score,
        low=max(0.0, score.value - factor * (score.value - score.low)),
        high=min(top, score.value + factor * (score.high - score.value)),
    )


def _matrices(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, list[list[float]]]:
    levels = probabilities.shape[-1]
    sums = confusion(probabilities, labels).sum(axis=0).reshape(-1, levels, levels)
    return {
        key: [[round(float(cell), 6) for cell in row] for row in matrix]
        for key, matrix in zip(SKILL_KEYS, sums, strict=True)
    }


def _compare(
    split: str, points: Mapping[str, np.ndarray], means: Mapping[str, np.ndarray], seed: int
) -> list[Comparison]:
    """Every two runs, the better first; the order of files changes nothing."""
    total = {run: float(values.sum()) for run, values in points.items()}
    pairs = list(combinations(sorted(points, key=lambda run: (-total[run], run)), 2))
    if not pairs:
        return []
    differences = np.stack([points[one] - points[other] for one, other in pairs], axis=1)
    p = sign_flip(differences, seed)
    found = []
    for number, (one, other) in enumerate(pairs):
        low = high = None
        if one in means:
            low, high = (float(e[0]) for e in ends((means[one] - means[other])[:, None]))
        found.append(
            Comparison(
                split,
                one,
                other,
                total[one] - total[other],
                low,
                high,
                float(p[number]),
                float(p[number]),
            )
        )
    return found


def _number(value: float) -> float | None:
    return None if isnan(value) else value
