"""How good predicted levels are. ``METRICS`` lists the metrics: columns to sum, and what to do with the sums.

Shapes: probabilities ``(subjects, 20, levels)``, labels ``(subjects, 20)``; a cell without a label is NaN
and counts nowhere. A metric turns them into columns ``(subjects, 20, k)`` that are zero where there is no
label; their sums over subjects, each as often as a resample has it, are all that it needs. So one product
of matrices gives every metric of every resample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from openbasket.skills import CATEGORIES, SKILLS

__all__ = [
    "BINS",
    "CELLS",
    "GROUPS",
    "METRICS",
    "REFERENCES",
    "Metric",
    "accuracy_cells",
    "confusion",
    "error_cells",
    "group_means",
    "measure",
    "over_groups",
    "ratio",
    "within_one_cells",
]

#: What metrics are averaged over: each skill, each category, all.
GROUPS: tuple[tuple[str, tuple[int, ...]], ...] = (
    *((s.key, (i,)) for i, s in enumerate(SKILLS)),
    *((c, tuple(i for i, s in enumerate(SKILLS) if s.category == c)) for c in CATEGORIES),
    ("mean", tuple(range(len(SKILLS)))),
)
#: Equally wide bins of confidence (Guo et al. 2017, section 2).
BINS = 15


# -- cells: a number for each subject and skill ------------------------------------------------


def accuracy_cells(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 where the likeliest level is the label, 0 where not, NaN where there is no label.

    Levels that are equally likely share the point: with ``k`` of them, one of which is right, the cell
    is ``1 / k``. So a model that says nothing scores what guessing does, not what argmax's habit of
    taking the first does. A skill for which a model gave no level is not right, as in the paper, which
    scores the levels that are in the answers: leaving skills out must not make a number better.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
    """
    best = probabilities == probabilities.max(axis=-1, keepdims=True)
    right = np.take_along_axis(best, np.nan_to_num(labels).astype(int)[..., None], axis=-1)[..., 0]
    cells = right / np.maximum(best.sum(axis=-1), 1)
    return np.where(np.isnan(labels), np.nan, cells)


def within_one_cells(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 where the likeliest level is at most one away from the label; equals share the point.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN, and never near, where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
    """
    best = probabilities == probabilities.max(axis=-1, keepdims=True)
    near = np.abs(np.arange(probabilities.shape[-1]) - labels[..., None]) <= 1
    cells = (best & near).sum(axis=-1) / np.maximum(best.sum(axis=-1), 1)
    return np.where(np.isnan(labels), np.nan, cells)


def error_cells(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many levels the likeliest one is away from the label; the mean over equally likely ones.

    Where a model gave no level, it is the largest error that the label allows.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
    """
    away = np.abs(np.arange(probabilities.shape[-1]) - labels[..., None])
    found: np.ndarray = (_answers(probabilities, labels) * away).sum(axis=-1)
    return found


# -- columns and what becomes of their sums ----------------------------------------------------

Columns = Callable[[np.ndarray, np.ndarray], np.ndarray]
Finish = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Args:
        columns: (probabilities, labels) -> ``(subjects, 20, k)``, zero where there is no label.
        finish: their sums ``(..., 20, k)`` -> the metric ``(..., 20)``; NaN where it is not defined.
        unit: ``percent`` (a share from 0 to 1), ``levels``, or ``coefficient`` (at most 1).
        higher_is_better: which way is up.
        nothing: sums -> ``(..., 20)``, where a skill without a value counts as 0 in means; nowhere by
            default.
    """

    columns: Columns
    finish: Finish
    unit: Literal["percent", "levels", "coefficient"] = "percent"
    higher_is_better: bool = True
    nothing: Finish | None = None


def _mean_of(cells_of: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Columns:
    def columns(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        cells = cells_of(probabilities, labels)
        known = ~np.isnan(labels)
        return np.stack([np.where(known, cells, 0.0), known], axis=-1)

    return columns


def _mean(sums: np.ndarray) -> np.ndarray:
    return ratio(sums[..., 0], sums[..., 1])


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """One by the other; NaN where there is nothing to divide by."""
    found: np.ndarray = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return found


def _answers(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of each level in the answer: 1 for the likeliest; where none was given, 1 for the farthest."""
    levels = probabilities.shape[-1]
    best = probabilities == probabilities.max(axis=-1, keepdims=True)
    shares = best / np.maximum(best.sum(axis=-1, keepdims=True), 1)
    farthest = np.where(np.nan_to_num(labels) >= (levels - 1) / 2, 0, levels - 1)
    silent = np.isnan(probabilities[..., :1])
    found: np.ndarray = np.where(silent, np.arange(levels) == farthest[..., None], shares)
    return found


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Columns of the confusion matrix: ``(subjects, 20, levels * levels)``, label-major.

    Equally likely levels share the one that a cell counts. A cell without an answer counts as the level
    farthest from its label.
    """
    levels = probabilities.shape[-1]
    true = np.arange(levels) == labels[..., None]  # all false where there is no label
    cells = true[..., :, None] * _answers(probabilities, labels)[..., None, :]
    found: np.ndarray = cells.reshape(*labels.shape, levels * levels)
    return found


def _square(sums: np.ndarray) -> np.ndarray:
    levels = round(sums.shape[-1] ** 0.5)
    return sums.reshape(*sums.shape[:-1], levels, levels)


def _macro_f1(sums: np.ndarray) -> np.ndarray:
    """Mean over the levels that are in labels or answers; as scikit-learn's ``f1_score``."""
    matrix = _square(sums)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    both = matrix.sum(axis=-1) + matrix.sum(axis=-2)
    scores = np.divide(2 * hits, both, out=np.zeros(hits.shape), where=both > 0)
    return ratio(scores.sum(axis=-1), (both > 0).sum(axis=-1).astype(float))


def _kappa(sums: np.ndarray) -> np.ndarray:
    """Cohen's kappa with squared distances as weights (Cohen 1968)."""
    matrix = _square(sums)
    levels = np.arange(matrix.shape[-1], dtype=float)
    weights = (levels[:, None] - levels) ** 2
    total = matrix.sum(axis=(-2, -1))
    seen = (matrix * weights).sum(axis=(-2, -1)) * total
    expected = np.einsum(
        "...i,...j,ij->...", matrix.sum(axis=-1), matrix.sum(axis=-2), weights, optimize=True
    )
    return 1 - ratio(seen, expected)


def _spearman(sums: np.ndarray) -> np.ndarray:
    """Pearson correlation of mid-ranks; both can be read off the confusion matrix."""
    matrix = _square(sums)
    rows, columns = matrix.sum(axis=-1), matrix.sum(axis=-2)
    total = rows.sum(axis=-1, keepdims=True)

    def ranks(counts: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.cumsum(counts, axis=-1) - counts / 2 - total / 2
        return found

    left, right = ranks(rows), ranks(columns)
    shared = np.einsum("...ij,...i,...j->...", matrix, left, right, optimize=True)
    size = (rows * left**2).sum(axis=-1) * (columns * right**2).sum(axis=-1)
    # Below this share of the largest size, one side has a single level: there is nothing to rank.
    defined = size > 1e-9 * total[..., 0] ** 6
    found: np.ndarray = np.divide(
        shared, np.sqrt(np.maximum(size, 0)), out=np.full(shared.shape, np.nan), where=defined
    )
    return found


def _labels_vary(sums: np.ndarray) -> np.ndarray:
    """Whether labels have more than one level; read off the confusion matrix."""
    vary: np.ndarray = (_square(sums).sum(axis=-1) > 0).sum(axis=-1) > 1
    return vary


def _calibration(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Confidence less accuracy in its bin ``(lower, upper]``, and 1; without an answer, sure and wrong."""
    confidence = np.nan_to_num(probabilities.max(axis=-1), nan=1.0)
    return _in_bins(confidence, confidence - accuracy_cells(probabilities, labels), labels)


def _in_bins(confidence: np.ndarray, values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Values in the bin of their confidence, and 1; zero where there is no label."""
    known = ~np.isnan(labels)
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    columns = np.zeros((*labels.shape, BINS + 1))
    np.put_along_axis(columns, bins[..., None], np.where(known, values, 0.0)[..., None], axis=-1)
    columns[..., BINS] = known
    return columns


def _calibration_error(sums: np.ndarray) -> np.ndarray:
    return ratio(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1])


def _calibration_variance(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Variance of a cell of accuracy that is right as often as its confidence says, in its bin, and 1.

    With ``k`` equally likely levels of probability ``c`` the cell is ``1 / k`` with probability ``k c``.
    """
    confidence = np.nan_to_num(probabilities.max(axis=-1), nan=1.0)
    ties = (probabilities == probabilities.max(axis=-1, keepdims=True)).sum(axis=-1)
    variance = confidence * np.maximum(1 / np.maximum(ties, 1) - confidence, 0.0)
    return _in_bins(confidence, variance, labels)


def _calibration_by_chance(sums: np.ndarray) -> np.ndarray:
    """Mean of the calibration error if every bin's gap is normal about zero: sqrt(2 variance / pi)."""
    gaps = np.sqrt(2 / np.pi * np.maximum(sums[..., :-1], 0.0))
    return ratio(gaps.sum(axis=-1), sums[..., -1])


#: Metrics that are means of cells: what parts of a split are scored by.
CELLS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "accuracy": accuracy_cells,
    "within_one": within_one_cells,
    "mean_absolute_error": error_cells,
}
#: Name -> metric. Each is averaged over skills.
METRICS: dict[str, Metric] = {
    "accuracy": Metric(_mean_of(accuracy_cells), _mean),
    "within_one": Metric(_mean_of(within_one_cells), _mean),
    "mean_absolute_error": Metric(_mean_of(error_cells), _mean, "levels", False),
    "macro_f1": Metric(confusion, _macro_f1),
    "quadratic_kappa": Metric(confusion, _kappa, "coefficient"),
    "spearman": Metric(confusion, _spearman, "coefficient", nothing=_labels_vary),
    "calibration_error": Metric(_calibration, _calibration_error, "percent", False),
}
#: What stands beside a metric to compare it with; no quality of a run, and without an interval.
REFERENCES: dict[str, Metric] = {
    "calibration_error_by_chance": Metric(_calibration_variance, _calibration_by_chance),
}


def measure(
    probabilities: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | Callable[[np.ndarray], np.ndarray] | None = None,
    names: tuple[str, ...] = tuple(METRICS),
) -> dict[str, np.ndarray]:
    """Every metric of every group, once or for each resample.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN where a model gave no level.
        labels: ``(subjects, 20)``, NaN where there is none.
        weights: ``(resamples, subjects)``, how often each subject counts; once by default. Or what makes
            ``(resamples, k)`` sums of columns ``(subjects, k)``.
        names: of the metrics and references.

    Returns:
        Name -> ``(resamples, len(GROUPS))``; NaN where nothing is labelled or the metric is not defined.
    """
    sums: dict[Columns, np.ndarray] = {}
    found: dict[str, np.ndarray] = {}
    for name in names:
        metric = METRICS[name] if name in METRICS else REFERENCES[name]
        if metric.columns not in sums:
            columns = metric.columns(probabilities, labels)
            flat = columns.reshape(len(labels), -1)
            if callable(weights):
                summed = weights(flat)
            else:
                summed = flat.sum(axis=0)[None] if weights is None else _times(weights, flat)
            sums[metric.columns] = summed.reshape(-1, *columns.shape[1:])
        found[name] = group_values(metric, sums[metric.columns])
    return found


def _times(weights: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Product in single precision where that is exact: counts of whole numbers; else in double."""
    small = columns.astype(np.float32)
    if weights.dtype == np.float32 and (small == np.rint(columns)).all():
        single: np.ndarray = weights @ small
        return single.astype(float)
    double: np.ndarray = weights.astype(float) @ columns
    return double


def group_values(metric: Metric, sums: np.ndarray) -> np.ndarray:
    """A metric of each skill and the means of each group, ``(n, len(GROUPS))``, of sums ``(n, 20, k)``.

    Where ``metric.nothing`` says that a skill without a value is one about which nothing was said, it counts
    as 0 in means: a constant answer must not make a mean better.
    """
    skills = metric.finish(sums)
    means = over_groups(skills)
    if metric.nothing is not None:
        said = np.where(np.isnan(skills) & metric.nothing(sums), 0.0, skills)
        means[:, skills.shape[1] :] = over_groups(said)[:, skills.shape[1] :]
    return means


def over_groups(skills: np.ndarray) -> np.ndarray:
    """Means over the skills of each group: ``(n, 20)`` -> ``(n, len(GROUPS))``; NaN is left out."""
    count = skills.shape[1]
    means = np.full((len(skills), len(GROUPS)), np.nan)
    means[:, :count] = skills  # the first groups are the skills themselves
    known = ~np.isnan(skills)
    filled = np.where(known, skills, 0.0)
    for column, (_, members) in list(enumerate(GROUPS))[count:]:
        total = known[:, members].sum(axis=1)
        np.divide(filled[:, members].sum(axis=1), total, out=means[:, column], where=total > 0)
    return means


def group_means(cells: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean of each group: over subjects for each skill, then over the group's skills.

    The paper's metric (section 5): the accuracy of each skill, averaged over the skills. A skill
    without any label is left out of the averages.

    Args:
        cells: ``(subjects, 20)``, NaN where there is no label.
        weights: ``(resamples, subjects)``, how often each subject counts; once by default.

    Returns:
        ``(resamples, len(GROUPS))``; NaN where nothing is labelled.
    """
    weights = np.ones((1, len(cells))) if weights is None else weights
    has = ~np.isnan(cells)
    counts = _times(weights, has)
    return over_groups(ratio(_times(weights, np.where(has, cells, 0.0)), counts))
