"""Differences that are noise are told as noise; games that reels share widen intervals."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from openbasket.evaluation.comparisons import (
    flipped,
    holm,
    letters,
    p_of_flips,
    person_points,
    sign_flip,
)
from openbasket.evaluation.games import Sharing, game_shares
from openbasket.evaluation.influence import influence_of_means
from openbasket.evaluation.intervals import bootstrap, cluster_weights
from openbasket.evaluation.metrics import GROUPS, group_means


def test_points_of_persons_add_up_to_the_mean():
    rng = np.random.default_rng(0)
    cells = (rng.random((30, 20)) < 0.4).astype(float)
    cells[rng.random(cells.shape) < 0.3] = np.nan
    cells[:, 7] = np.nan
    persons = [f"p{i // 2}" for i in range(30)]
    points = person_points(cells, persons)
    assert len(points) == 15
    assert points.sum() == pytest.approx(group_means(cells)[0, -1])


def test_the_test_of_two_runs_is_right_about_chance():
    """Among equal runs a p below 0.05 comes about one time in twenty; a true difference is found."""
    rng = np.random.default_rng(1)
    none = rng.normal(size=(60, 400)) * rng.uniform(0.2, 2, 60)[:, None]
    p = sign_flip(none, flips=2000)
    assert 0.02 <= (p < 0.05).mean() <= 0.08
    assert 0.42 <= (p < 0.5).mean() <= 0.58
    assert (sign_flip(none + 1.0, flips=2000) < 0.01).mean() > 0.95
    assert sign_flip(np.zeros((5, 1)))[0] == 1
    assert sign_flip(np.ones((40, 1)))[0] == pytest.approx(2 * np.exp(-20))  # Hoeffding


def test_few_persons_cannot_be_told_apart():
    assert sign_flip(np.ones((3, 1)))[0] == pytest.approx(0.25, abs=0.01)  # 2 of 8 sign patterns


def test_holm_is_that_of_the_paper():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).max() == 1
    assert holm(np.array([])).size == 0


def test_runs_share_a_letter_exactly_if_they_cannot_be_told_apart():
    rng = np.random.default_rng(2)
    for _ in range(60):
        runs = [f"r{i}" for i in range(rng.integers(1, 8))]
        different = {frozenset(pair): bool(rng.random() < 0.5) for pair in combinations(runs, 2)}
        found = letters(runs, different)
        assert all(found.values())
        assert "a" in found[runs[0]]
        for pair in combinations(runs, 2):
            share = bool(set(found[pair[0]]) & set(found[pair[1]]))
            assert share != different[frozenset(pair)]


def test_letters_of_a_chain():
    different = {frozenset(("x", "z")): True}
    assert letters(["x", "y", "z"], different) == {"x": "a", "y": "ab", "z": "b"}


def test_more_groups_than_letters_are_told_by_nothing_and_quickly():
    runs = [f"r{i}" for i in range(80)]
    twins = {
        frozenset(pair): pair[0][1:] != pair[1][1:]
        and int(pair[0][1:]) // 2 == int(pair[1][1:]) // 2
        for pair in combinations(runs, 2)
    }  # 2 ** 40 groups
    assert letters(runs, twins) == {}
    apart = {frozenset(pair): True for pair in combinations(runs, 2)}
    assert letters(runs[:27], apart) == {}
    assert letters(runs[:26], apart)["r25"] == "z"


def test_sums_of_runs_give_the_p_values_of_their_differences():
    points = np.random.default_rng(3).normal(0.2, 1, (30, 24))
    one, other = np.array(list(combinations(range(24), 2))).T  # 276: more than a block
    differences = points[:, one] - points[:, other]
    sums = flipped(points, seed=5, flips=500)
    factors = np.linspace(1, 2, len(one))
    assert p_of_flips(sums[:, one] - sums[:, other], differences, factors) == pytest.approx(
        sign_flip(differences, 5, 500, factors)
    )


# -- games ----------------------------------------------------------------------------------


def reels(rows):
    return pl.DataFrame(rows, schema=["subject_id", "draw", "game_id"], orient="row")


def test_shares_of_games_are_those_of_the_clips_of_the_first_draw():
    table = reels([("a", 0, "g"), ("a", 0, "g"), ("a", 0, "h"), ("b", 0, "h"), ("a", 1, "x")])
    shares = game_shares(table, ["b", "a", "c"]).toarray()
    assert shares == pytest.approx(np.array([[0, 1], [2 / 3, 1 / 3], [0, 0]]))
    assert game_shares(table, ["c"]) is None


TEAMS, EACH = 16, 6


def league(rng, of_games):
    """Every team plays every other at home; a result holds the mean effect of the player's games."""
    games = [(home, away) for home in range(TEAMS) for away in range(TEAMS) if home != away]
    played = np.array([[team in game for game in games] for team in range(TEAMS)], dtype=float)
    shares = np.repeat(played / played.sum(1, keepdims=True), EACH, axis=0)
    cells = np.full((TEAMS * EACH, 20), np.nan)
    cells[:, 0] = shares @ rng.normal(size=len(games)) * of_games + rng.normal(size=len(cells))
    return cells, sparse.csr_array(shares)


@pytest.mark.parametrize(("of_games", "persons_alone"), [(4.0, (0.4, 0.8)), (0.0, (0.88, 1.0))])
def test_games_widen_an_interval_to_what_it_says(of_games, persons_alone):
    rng = np.random.default_rng(4)
    persons = [str(i) for i in range(TEAMS * EACH)]
    weights = cluster_weights(persons, 400)
    alone = widened = 0
    for _ in range(100):
        cells, shares = league(rng, of_games)
        value = group_means(cells)[0, 0]
        low, high = (e[0] for e in bootstrap(cells, weights))
        factor = Sharing(shares, persons).factors(*influence_of_means(cells))[0]
        assert factor >= 1
        alone += low <= 0 <= high
        widened += value - factor * (value - low) <= 0 <= value + factor * (high - value)
    assert persons_alone[0] <= alone / 100 <= persons_alone[1]
    assert 0.88 <= widened / 100 <= 1.0


def test_games_that_nobody_shares_change_nothing():
    cells = np.random.default_rng(0).random((12, 20))
    own = sparse.csr_array(np.eye(12))
    factors = Sharing(own, [str(i) for i in range(12)]).factors(*influence_of_means(cells))
    assert factors == pytest.approx(np.ones(len(GROUPS)))


def test_a_clear_difference_stays_clear_among_thousands_of_comparisons():
    rng = np.random.default_rng(0)
    clear = rng.uniform(0.4, 0.8, (200, 1))
    noise = rng.normal(0, 1, (200, 1999))
    corrected = holm(sign_flip(np.concatenate([clear, noise], axis=1), flips=2000))
    assert corrected[0] < 1e-6
    assert (corrected[1:] > 0.05).all()


def test_the_bound_is_never_below_the_exact_p_value():
    rng = np.random.default_rng(1)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 9)).reshape(9, -1).T
    for scale in (0.0, 0.5, 2.0):
        differences = rng.normal(scale, 1, (9, 40))
        exact = (np.abs(signs @ differences) >= np.abs(differences.sum(0)) - 1e-12).mean(0)
        bound = 2 * np.exp(-(differences.sum(0) ** 2) / (2 * (differences**2).sum(0)))
        assert (bound >= exact - 1e-12).all()
        seen = sign_flip(differences, flips=4000)
        assert (seen >= exact - 0.03).all()
