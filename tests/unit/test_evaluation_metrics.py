"""Metrics agree with scikit-learn and SciPy, whatever labels and answers there are."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import (
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    mean_absolute_error,
)

from openbasket.evaluation.intervals import cluster_weights, ends
from openbasket.evaluation.metrics import BINS, METRICS, confusion, error_cells, measure


def one_skill(probabilities, labels):
    """A skill's arrays as those of 20 skills, of which the others have no label."""
    p = np.full((len(labels), 20, probabilities.shape[-1]), 1 / probabilities.shape[-1])
    p[:, 0] = probabilities
    every = np.full((len(labels), 20), np.nan)
    every[:, 0] = labels
    return {name: values[0, 0] for name, values in measure(p, every).items()}


def same(mine, theirs):
    if np.isnan(theirs):
        return np.isnan(mine)
    return mine == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    subjects=st.integers(1, 40),
    levels=st.sampled_from([3, 5]),
    spread=st.sampled_from([0.05, 0.5, 3.0]),
    seen=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_metrics_are_those_of_scikit_learn_and_scipy(subjects, levels, spread, seen, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(levels, spread), subjects)
    labels = rng.integers(0, min(seen, levels), subjects)
    mine = one_skill(p, labels)
    guess = p.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert same(mine["macro_f1"], f1_score(labels, guess, average="macro"))
        assert same(mine["mean_absolute_error"], mean_absolute_error(labels, guess))
        kappa = cohen_kappa_score(labels, guess, weights="quadratic", labels=range(levels))
        assert same(mine["quadratic_kappa"], kappa)
        rho = spearmanr(labels, guess).statistic if subjects > 1 else np.nan
        assert same(mine["spearman"], rho)
    confidence, right = p.max(axis=1), guess == labels
    error = 0.0
    for number in range(BINS):  # as Guo et al. write it, bin after bin
        inside = (confidence > number / BINS) & (confidence <= (number + 1) / BINS)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert mine["calibration_error"] == pytest.approx(error, abs=1e-9)


def test_the_confusion_matrix_is_scikit_learns():
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(5), (50, 20))
    labels = rng.integers(0, 5, (50, 20)).astype(float)
    sums = confusion(p, labels).sum(axis=0).reshape(20, 5, 5)
    for skill in range(20):
        theirs = confusion_matrix(labels[:, skill], p[:, skill].argmax(1), labels=range(5))
        assert (sums[skill] == theirs).all()


def test_equal_levels_share_what_they_count():
    p = np.full((1, 20, 5), 0.2)
    labels = np.full((1, 20), np.nan)
    labels[0, :2] = [0, 2]
    assert error_cells(p, labels)[0, :2] == pytest.approx([2.0, 1.2])
    assert confusion(p, labels)[0, 0, :5] == pytest.approx(np.full(5, 0.2))
    assert confusion(p, labels)[0, 5:].sum() == 0


def test_guessing_agrees_no_more_than_chance():
    labels = np.random.default_rng(0).integers(0, 5, 200)
    mine = one_skill(np.full((200, 5), 0.2), labels)
    assert mine["quadratic_kappa"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(mine["spearman"]) or mine["spearman"] == pytest.approx(0, abs=1e-9)
    assert mine["calibration_error"] == pytest.approx(0, abs=1e-12)


def test_one_level_alone_cannot_be_ranked():
    labels = np.arange(10) % 5
    mine = one_skill(np.tile(np.eye(5)[3], (10, 1)), labels)
    assert np.isnan(mine["spearman"])
    assert mine["quadratic_kappa"] == pytest.approx(0)


def test_the_interval_of_a_ratio_covers_its_truth():
    """100 samples of a population whose metrics are known."""
    rng = np.random.default_rng(5)
    joint = rng.dirichlet(np.ones(25)) * 0.4 + np.eye(5).ravel() * 0.6 / 5
    names = ("macro_f1", "quadratic_kappa", "spearman")
    truth = {n: METRICS[n].finish(np.tile(joint, (1, 20, 1)))[0, 0] for n in names}
    weights = cluster_weights([str(i) for i in range(150)], 200)
    inside = dict.fromkeys(names, 0)
    for _ in range(100):
        cells = rng.choice(25, 150, p=joint / joint.sum())
        p = np.full((150, 20, 5), 0.2)
        p[:, 0] = np.eye(5)[cells % 5]
        labels = np.full((150, 20), np.nan)
        labels[:, 0] = cells // 5
        for name, drawn in measure(p, labels, weights, names).items():
            low, high = ends(drawn[:, :1])
            inside[name] += low[0] <= truth[name] <= high[0]
    assert all(86 <= count <= 100 for count in inside.values()), inside
