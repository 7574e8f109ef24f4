"""People who share games are not independent: tests and intervals of differences say so, for every metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from test_evaluation_comparisons import EACH, TEAMS, league

from openbasket.dataset.reader import Sample
from openbasket.evaluation.comparisons import paired, sign_flip
from openbasket.evaluation.games import Sharing, game_shares
from openbasket.evaluation.influence import influence_of_means, influences
from openbasket.evaluation.metrics import CELLS, GROUPS, METRICS, measure
from openbasket.evaluation.scoring import corrected, score_split
from openbasket.skills import SKILL_KEYS

PERSONS = [f"p{i:03}" for i in range(TEAMS * EACH)]


def answers(rng, subjects=80, skills=20, levels=5):
    labels = rng.integers(0, levels, (subjects, skills)).astype(float)
    labels[rng.random(labels.shape) < 0.1] = np.nan
    probabilities = rng.dirichlet(np.full(levels, 0.6), (subjects, skills))
    probabilities[rng.random(labels.shape) < 0.05] = np.nan
    return probabilities, labels


def test_influences_are_the_slopes_of_the_metrics():
    probabilities, labels = answers(np.random.default_rng(0))
    cells = {name: cells_of(probabilities, labels) for name, cells_of in CELLS.items()}
    found = influences(probabilities, labels, cells)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        METRICS, (80, len(GROUPS))
    )
    for subject in (0, 33):
        weights = np.ones((2, 80))
        weights[:, subject] += [1e-3, -1e-3]
        for name, moved in measure(probabilities, labels, weights).items():
            slope = 80 * (moved[0] - moved[1]) / 2e-3
            assert found[name][subject] == pytest.approx(slope, abs=1e-5), name
            assert np.abs(found[name].sum(axis=0)).max() < 1e-3


def test_a_test_between_runs_that_share_games_is_right_about_chance():
    """Effects of shared games on the difference: without a widening, equal runs "differ" far too often."""
    rng = np.random.default_rng(7)
    alone = widened = covered = 0
    rounds = 150
    sharing = None
    for _ in range(rounds):
        cells, shares = league(rng, 4.0)
        sharing = sharing or Sharing(shares, PERSONS)
        values, known = influence_of_means(cells)
        points = cells[:, :1] / len(cells)
        factor = sharing.factors(values[:, :1], known[:, :1])
        alone += sign_flip(points, flips=500)[0] < 0.05
        widened += sign_flip(points, flips=500, factors=factor)[0] < 0.05
        error = 1.96 * np.sqrt((points**2).sum()) * factor[0]
        covered += abs(points.sum()) <= error
    assert alone / rounds > 0.3
    assert widened / rounds <= 0.09
    assert covered / rounds >= 0.9


def test_without_effects_of_games_the_test_keeps_its_power():
    rng = np.random.default_rng(8)
    found = 0
    for _ in range(40):
        cells, shares = league(rng, 0.0)
        values, known = influence_of_means(cells)
        factor = Sharing(shares, PERSONS).factors(values[:, :1], known[:, :1])
        points = (cells[:, :1] + 0.4) / len(cells)
        found += sign_flip(points, flips=500, factors=factor)[0] < 0.05
    assert found >= 34


def test_a_difference_has_an_interval_and_a_p_value_that_heed_games():
    rng = np.random.default_rng(9)
    cells, shares = league(rng, 4.0)
    cells[:, 1:] = cells[:, :1]
    base = rng.normal(size=cells.shape)
    alone = paired(base + cells, base, PERSONS)
    games = paired(base + cells, base, PERSONS, Sharing(shares, PERSONS))
    assert games.difference == pytest.approx(alone.difference)
    assert (games.high - games.low > 1.3 * (alone.high - alone.low)).all()
    assert (games.p > alone.p).all()
    cells[:] = np.nan
    assert np.isnan(paired(base + cells, base, PERSONS, Sharing(shares, PERSONS)).p).all()


def split_of(rng, shares, of_games):
    """Two runs of which none is better, but each in some games: samples and probabilities."""
    effect = shares @ rng.normal(size=shares.shape[1]) * of_games
    samples = [
        Sample(f"s{i}", person, "L", "21-22", "", Path(), (2,) * len(SKILL_KEYS))
        for i, person in enumerate(PERSONS)
    ]
    runs = {}
    for name, sign in (("one", 1), ("other", -1)):
        right = rng.random((len(PERSONS), 20)) < np.clip(0.5 + sign * effect, 0, 1)[:, None]
        array = np.full((len(PERSONS), 20, 5), 0.1)
        array[..., 2] = np.where(right, 0.6, 0.1)
        array[..., 3] = np.where(right, 0.1, 0.6)
        runs[name, "m"] = array
    return samples, runs


def test_every_metric_and_comparison_of_an_evaluation_is_widened():
    rng = np.random.default_rng(3)
    _, shares = league(rng, 0.0)
    samples, runs = split_of(rng, shares, 1.2)
    parts = {"": list(range(len(samples)))}
    given = {"resamples": 300, "seed": 0}
    alone = score_split("test", samples, runs, parts, None, **given)
    games = score_split("test", samples, runs, parts, shares, **given)
    for a, b in zip(alone.results, games.results, strict=True):
        for name in ("accuracy", "mean_absolute_error", "macro_f1", "calibration_error"):
            one, other = a.scores[name]["mean"], b.scores[name]["mean"]
            assert one.value == other.value
            assert other.high - other.low > 1.3 * (one.high - one.low), name
    [before], [after] = alone.comparisons, games.comparisons
    assert after.high - after.low > 1.3 * (before.high - before.low)
    assert after.p > before.p


def test_baselines_with_each_other_cost_no_power():
    rng = np.random.default_rng(5)
    _, shares = league(rng, 0.0)
    samples, runs = split_of(rng, shares, 0.3)
    extra = answers(rng, len(samples))[0]
    tables = {("one", "m"): runs["one", "m"], **{(f"b{i}", "baseline"): extra[..., np.roll(range(5), i)] for i in range(3)}}  # fmt: skip
    scored = score_split(
        "test", samples, tables, {"": range(len(samples))}, None, resamples=100, seed=0
    )
    results, found = corrected([scored])
    assert len(found) == 6
    mine = [c for c in found if "one" in (c.one, c.other)]
    assert max(c.p_holm / c.p for c in mine) <= 3
    assert all(r.group for r in results)


def test_masks_of_labels_share_their_equations():
    rng = np.random.default_rng(6)
    _, shares = league(rng, 0.0)
    values = rng.normal(size=(len(PERSONS), 6))
    known = rng.random(values.shape) < 0.8
    known[:, 3:] = known[:, :3]
    together = Sharing(shares, PERSONS).factors(values, known)
    for column in range(6):
        rows = known[:, column]
        names = [name for name, row in zip(PERSONS, rows, strict=True) if row]
        alone = Sharing(sparse.csr_array(shares[rows]), names).factors(
            values[rows][:, [column]], np.ones((rows.sum(), 1), bool)
        )
        assert together[column] == pytest.approx(alone[0])


def test_clips_of_all_draws_can_count():
    rows = [("a", 0, "g"), ("a", 1, "h")]
    table = pl.DataFrame(rows, schema=["subject_id", "draw", "game_id"], orient="row")
    assert game_shares(table, ["a"], None).toarray() == pytest.approx(np.array([[0.5, 0.5]]))
    assert game_shares(table, ["a"], [1]).toarray() == pytest.approx(np.array([[1.0]]))
