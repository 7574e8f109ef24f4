"""What every metric must keep; a new line in the table is tested by itself."""

from __future__ import annotations

import numpy as np
import pytest

from openbasket.evaluation.metrics import METRICS, group_means

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 5, (30, 20)).astype(float)
LABELS[::4, ::3] = np.nan
GUESSES = RNG.dirichlet(np.ones(5), (30, 20))


@pytest.mark.parametrize("name", METRICS)
def test_cells_are_shares_and_nan_only_without_a_label(name):
    cells = METRICS[name](GUESSES, LABELS)
    assert cells.shape == LABELS.shape
    assert (np.isnan(cells) == np.isnan(LABELS)).all()
    known = cells[~np.isnan(cells)]
    assert known.min() >= 0
    assert known.max() <= 1


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_prediction_scores_one_and_the_worst_zero(name):
    right = np.eye(5)[np.nan_to_num(LABELS).astype(int)]
    far = np.eye(5)[np.where(np.nan_to_num(LABELS) < 2.5, 4, 0)]
    assert group_means(METRICS[name](right, LABELS))[0, -1] == 1.0
    assert group_means(METRICS[name](far, LABELS))[0, -1] < 0.3


@pytest.mark.parametrize("name", METRICS)
def test_the_order_of_subjects_does_not_matter(name):
    order = RNG.permutation(30)
    one, two = METRICS[name](GUESSES, LABELS), METRICS[name](GUESSES[order], LABELS[order])
    np.testing.assert_allclose(group_means(one), group_means(two))


@pytest.mark.parametrize("name", METRICS)
def test_it_is_defined_in_the_docs(name):
    from pathlib import Path

    page = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "metrics.md"
    assert f"`{name}`" in page.read_text(encoding="utf-8")
