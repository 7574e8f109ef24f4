"""Few people, or people who are all alike, get a proper interval or none, never one of no width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from openbasket.dataset.reader import Sample
from openbasket.evaluation.intervals import (
    FEW_PERSONS,
    cluster_weights,
    few_persons,
    interval_of_means,
)
from openbasket.evaluation.metrics import METRICS
from openbasket.evaluation.scoring import score_split


def interval(cells, persons=None, **given):
    persons = persons or [str(i) for i in range(len(cells))]
    return interval_of_means(cells, persons, cluster_weights(persons, 500), **given)


def one_skill(values):
    cells = np.full((len(values), 20), np.nan)
    cells[:, 0] = values
    return cells


@pytest.mark.parametrize(("right", "people"), [(0, 4), (2, 5), (30, 30), (0, 8)])
def test_what_resamples_cannot_tell_is_clopper_and_pearsons(right, people):
    low, high = interval(one_skill([1.0] * right + [0.0] * (people - right)))
    exact = binomtest(right, people).proportion_ci()
    assert (low[0], high[0]) == pytest.approx((exact.low, exact.high))
    assert (low[-1], high[-1]) == pytest.approx((exact.low, exact.high))


def test_a_person_counts_once_and_one_person_has_no_interval():
    low, high = interval(one_skill([0.0] * 12), ["a", "b", "c"] * 4)
    assert (low[0], high[0]) == pytest.approx((0, binomtest(0, 3).proportion_ci().high))
    low, high = interval(one_skill([0.0, 1.0, 1.0]), ["a", "a", "a"])
    assert np.isnan([low[0], high[0]]).all()


def test_enough_people_who_differ_have_the_interval_of_resamples():
    cells = one_skill([0.0, 1.0] * (FEW_PERSONS // 2))
    low, high = interval(cells)
    assert 0 <= low[0] < 0.5 < high[0] <= 1
    assert (low[0], high[0]) != pytest.approx(
        tuple(binomtest(FEW_PERSONS // 2, FEW_PERSONS).proportion_ci())
    )


def test_numbers_of_either_sign_have_none_from_few_people():
    cells = np.random.default_rng(0).normal(size=(FEW_PERSONS - 1, 20))
    assert np.isnan(interval(cells, bounds=None)).all()
    assert not np.isnan(
        interval(np.random.default_rng(0).normal(size=(FEW_PERSONS, 20)), bounds=None)
    ).any()


def test_a_guess_of_all_levels_alike_is_sure_of_what_it_scores():
    low, high = interval(np.full((4, 20), 0.2), levels=5)
    assert (low[0], high[-1]) == pytest.approx((0.2, 0.2))


def test_a_tie_of_some_levels_is_not_sure():
    for cells in (np.full((8, 20), 0.5), one_skill([1 / 3] * 8)):
        low, high = interval(cells, levels=5)
        assert high[0] - low[0] > 0.3
    mixed = np.full((8, 20), 0.2)
    mixed[:, 1] = 0.5
    low, high = interval(mixed, levels=5)
    assert (low[0], high[0]) == pytest.approx((0.2, 0.2))
    assert high[1] - low[1] > 0.3
    assert high[-1] - low[-1] > 0.3


@pytest.mark.parametrize("people", [2, 5, 40])
def test_no_score_has_an_interval_of_no_width(people):
    samples = [Sample(f"s{i}", f"p{i}", "L", "21-22", "", Path(), (1,) * 20) for i in range(people)]
    array = np.full((people, 20, 5), 0.05)
    array[..., 1] = 0.8  # right for everyone
    found = score_split(
        "test", samples, {("r", "m"): array}, {"": range(people)}, None, resamples=200, seed=0
    )
    for name in METRICS:
        for score in found.results[0].scores[name].values():
            assert (score.low is None) == (score.high is None)
            assert score.low is None or score.high - score.low > 0.05, name
    accuracy = found.results[0].scores["accuracy"]["mean"]
    assert accuracy.low == pytest.approx(0.025 ** (1 / people))


def test_what_is_said_of_few_people_is_what_their_intervals_are():
    cells = one_skill([0.0, 1.0, 1.0, 1.0, 0.0])
    low, high = interval(cells)
    assert (low[0], high[0]) == pytest.approx(tuple(binomtest(3, 5).proportion_ci()))
    assert "intervals of as many yes-or-no answers" in few_persons(5)
    assert "too narrow" in few_persons(6)
    assert "too narrow" in few_persons(19)
    assert few_persons(20) == ""
