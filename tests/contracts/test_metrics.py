"""What every metric must keep; a new line in the table is tested by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from openbasket.evaluation.metrics import CELLS, GROUPS, METRICS, group_means, measure

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 5, (30, 20)).astype(float)
LABELS[::4, ::3] = np.nan
GUESSES = RNG.dirichlet(np.ones(5), (30, 20))
RIGHT = np.eye(5)[np.nan_to_num(LABELS).astype(int)]
FAR = np.eye(5)[np.where(np.nan_to_num(LABELS) < 2.5, 4, 0)]


def value(name, probabilities, labels, weights=None):
    return measure(probabilities, labels, weights, (name,))[name][:, -1]


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_prediction_is_best_and_the_worst_is_far_from_it(name):
    best, worst, guessed = (value(name, p, LABELS)[0] for p in (RIGHT, FAR, GUESSES))
    assert best == pytest.approx(1.0 if METRICS[name].higher_is_better else 0.0)
    assert abs(worst - best) > 0.6
    assert abs(guessed - best) > 0.05
    if METRICS[name].unit == "percent":
        assert min(worst, guessed) >= 0
        assert max(worst, guessed) <= 1


@pytest.mark.parametrize("name", METRICS)
def test_cells_without_a_label_count_nowhere(name):
    other = GUESSES.copy()
    other[np.isnan(LABELS)] = np.eye(5)[0]
    assert value(name, other, LABELS) == pytest.approx(value(name, GUESSES, LABELS))
    nothing = LABELS.copy()
    nothing[:, 3] = np.nan
    found = measure(GUESSES, nothing, None, (name,))[name][0]
    assert np.isnan(found[3])
    assert np.isfinite(found[-1])


@pytest.mark.parametrize("name", METRICS)
def test_leaving_answers_out_costs(name):
    silent = RIGHT.copy()
    silent[:10] = np.nan
    worse = value(name, silent, LABELS)[0] - value(name, RIGHT, LABELS)[0]
    assert worse < -0.1 if METRICS[name].higher_is_better else worse > 0.1


@pytest.mark.parametrize("name", METRICS)
def test_the_order_of_subjects_does_not_matter(name):
    order = RNG.permutation(30)
    np.testing.assert_allclose(
        value(name, GUESSES, LABELS), value(name, GUESSES[order], LABELS[order])
    )


@pytest.mark.parametrize("name", METRICS)
def test_a_weight_is_how_often_a_subject_stands_there(name):
    weights = RNG.integers(0, 3, (4, 30)).astype(np.float32)
    found = measure(GUESSES, LABELS, weights, (name,))[name]
    assert found.shape == (4, len(GROUPS))
    for row, times in zip(found, weights.astype(int), strict=True):
        again = measure(np.repeat(GUESSES, times, 0), np.repeat(LABELS, times, 0), None, (name,))
        np.testing.assert_allclose(row, again[name][0], atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_cells_have_the_mean_of_the_metric_and_are_nan_only_without_a_label(name):
    cells = CELLS[name](GUESSES, LABELS)
    assert (np.isnan(cells) == np.isnan(LABELS)).all()
    np.testing.assert_allclose(group_means(cells), measure(GUESSES, LABELS, None, (name,))[name])


@pytest.mark.parametrize("name", METRICS)
def test_it_is_defined_in_the_docs(name):
    page = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "metrics.md"
    assert f"`{name}`" in page.read_text(encoding="utf-8")
