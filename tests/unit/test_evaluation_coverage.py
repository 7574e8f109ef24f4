"""Intervals of metrics that are no means of cells cover a truth that is known about as often as they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from openbasket.dataset.reader import Sample
from openbasket.evaluation.metrics import METRICS, measure
from openbasket.evaluation.scoring import score_split
from openbasket.skills import SKILL_KEYS

PEOPLE, ROUNDS = 60, 45
BY_CHANCE = "calibration_error_by_chance"
NAMES = ("macro_f1", "quadratic_kappa", "spearman")


@pytest.fixture(scope="module")
def rounds():
    """Scores of samples of a population whose answers keep to the middle, as those of real models do."""
    away = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    joint = np.exp(-(away**2.0)) * [0.3, 0.6, 1.0, 0.6, 0.3]
    joint /= 5 * joint.sum(axis=1, keepdims=True)
    truth = {n: METRICS[n].finish(np.tile(joint.ravel(), (1, 20, 1)))[0, 0] for n in NAMES}
    rng = np.random.default_rng(3)
    found = []
    for _ in range(ROUNDS):
        cells = rng.choice(25, (PEOPLE, len(SKILL_KEYS)), p=joint.ravel())
        samples = [
            Sample(f"s{i}", f"p{i}", "L", "21-22", "", Path(), tuple(row // 5))
            for i, row in enumerate(cells)
        ]
        answers = np.eye(5)[cells % 5]
        scored = score_split(
            "test", samples, {("r", "m"): answers}, {"": range(PEOPLE)}, None, resamples=100, seed=0
        )
        found.append(scored.results[0].scores)
    return truth, found


@pytest.mark.parametrize("metric", NAMES)
def test_the_mean_over_skills_is_covered_though_each_skill_is_biased(rounds, metric):
    truth, found = rounds
    scores = [scores[metric]["mean"] for scores in found]
    covered = np.mean([s.low <= truth[metric] <= s.high for s in scores])
    assert covered >= 0.85
    assert all(s.low <= s.value <= s.high for s in scores)


@pytest.mark.parametrize("levels", [3, 5])
def test_a_run_that_is_right_as_often_as_it_says_shows_the_calibration_error_of_chance(levels):
    rng = np.random.default_rng(1)
    errors, by_chance = [], []
    for _ in range(20):
        p = rng.dirichlet(np.full(levels, 0.8), (300, len(SKILL_KEYS)))
        labels = (p.cumsum(axis=-1) > rng.random((300, len(SKILL_KEYS), 1))).argmax(axis=-1)
        found = measure(p, labels.astype(float), names=("calibration_error", BY_CHANCE))
        errors.append(found["calibration_error"][0, -1])
        by_chance.append(found[BY_CHANCE][0, -1])
    assert np.mean(errors) > 0.03
    assert np.mean(by_chance) == pytest.approx(np.mean(errors), rel=0.05)


def test_what_is_sure_or_shared_by_all_levels_has_no_calibration_error_by_chance():
    labels = np.zeros((4, len(SKILL_KEYS)))
    for answers in (np.full((4, 20, 5), 0.2), np.tile(np.eye(5)[1], (4, 20, 1))):
        assert measure(answers, labels, names=(BY_CHANCE,))[BY_CHANCE] == pytest.approx(0)
    half = np.tile([0.5, 0.5, 0, 0, 0], (4, 20, 1))  # right or wrong by half a point: no variance
    assert measure(half, labels, names=(BY_CHANCE,))[BY_CHANCE] == pytest.approx(0)
    sure = np.tile([0.5, 0.3, 0.2, 0, 0], (4, 20, 1))
    by_hand = np.sqrt(2 / np.pi * 4 * 0.25) / 4
    assert measure(sure, labels, names=(BY_CHANCE,))[BY_CHANCE] == pytest.approx(by_hand)


def test_the_calibration_error_by_chance_has_no_interval(rounds):
    score = rounds[1][0][BY_CHANCE]["mean"]
    assert score.value == pytest.approx(0)  # these answers are sure
    assert score.low is None
    assert score.labels == PEOPLE * len(SKILL_KEYS)
