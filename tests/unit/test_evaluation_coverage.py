"""Intervals of metrics that are no means of cells cover a truth that is known about as often as they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from openbasket.dataset.reader import Sample
from openbasket.evaluation.metrics import METRICS
from openbasket.evaluation.scoring import score_split
from openbasket.skills import SKILL_KEYS

PEOPLE, ROUNDS = 60, 45
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
