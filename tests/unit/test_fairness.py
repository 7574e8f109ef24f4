"""Fairness: planted harm is found, none is found where there is none, and numbers are right."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import ttest_ind
from test_evaluation import predictions, save, write_split
from typer.testing import CliRunner

from openbasket import cli
from openbasket.dataset.reader import read_split
from openbasket.errors import BadInputError, UnknownNameError
from openbasket.evaluation.comparisons import holm
from openbasket.evaluation.contrasts import LEAST_APART, can_tell, compare, uncommon
from openbasket.evaluation.fairness import (
    FEW,
    TOO_FEW,
    bias_cells,
    fairness,
    groups_of,
    judge,
    top_bias_cells,
)
from openbasket.evaluation.games import Sharing


def world(rng, persons=120, harmed=None, shift=0.0, noise=0.0):
    """Predictions as good for all, of persons with one to three subjects; then harm one group.

    ``shift`` levels are added to what is predicted of the harmed, ``noise`` is the share of their cells
    that are guessed.
    """
    of = np.repeat(np.arange(persons), rng.integers(1, 4, persons))
    gender = rng.choice(["women", "men"], persons, p=[0.3, 0.7])[of]
    region = rng.choice(["Europe", "Asia", "America"], persons)[of]
    position = rng.choice(["guard", "forward", "centre"], persons)[of]
    minutes = rng.choice(["1", "2", "3", "4"], len(of))
    groups = {"gender": gender, "region": region, "position": position, "minutes": minutes}
    talent = rng.normal(2, 1, persons)[of]
    labels = np.clip(np.rint(talent[:, None] + rng.normal(0, 0.8, (len(of), 20))), 0, 4)
    ease = rng.normal(0, 0.3, persons)[of]  # some persons are rated too high in all skills
    guess = labels + ease[:, None] + rng.normal(0, 1.2, labels.shape)
    if harmed:
        inside = groups[harmed[0]] == harmed[1]
        guess[inside] += shift
        lost = inside[:, None] & (rng.random(labels.shape) < noise)
        guess[lost] = rng.uniform(-0.5, 4.5, labels.shape)[lost]
    guess = np.clip(np.rint(guess), 0, 4)
    probabilities = np.full((*labels.shape, 5), 0.05)
    np.put_along_axis(probabilities, guess.astype(int)[..., None], 0.8, axis=-1)
    labels[rng.random(labels.shape) < 0.1] = np.nan
    return probabilities, labels, of, {k: v.tolist() for k, v in groups.items()}


def test_a_group_that_is_rated_too_low_is_found():
    found = 0
    for seed in range(10):
        made = world(np.random.default_rng(seed), 300, harmed=("region", "Asia"), shift=-0.8)
        _, groups, _ = judge(*made, resamples=0)
        warned = [g for g in groups if g.warning and g.kind == "region" and g.value == "Asia"]
        found += bool(warned)
        if warned:
            assert "lower than the whole" in warned[0].warning
            assert warned[0].bias_difference < 0
    assert found >= 9


def test_a_group_that_is_guessed_more_often_is_found_with_its_interval_below_the_whole():
    made = world(np.random.default_rng(1), persons=200, harmed=("gender", "women"), noise=0.5)
    whole, groups, _ = judge(*made, resamples=500)
    [women] = [g for g in groups if g.value == "women"]
    assert women.accuracy_p < 0.001
    assert "points below the whole's" in women.warning
    assert women.accuracy.high < whole.accuracy.low
    assert women.accuracy_difference == pytest.approx(
        women.accuracy.value - whole.accuracy.value, abs=1e-9
    )
    [men] = [g for g in groups if g.value == "men"]
    assert men.accuracy_p == 1.0  # better off is nobody's harm


def test_without_harm_a_false_alarm_comes_about_as_often_as_it_says():
    alarms = 0
    rounds = 200
    for seed in range(rounds):
        _, groups, tests = judge(*world(np.random.default_rng(seed), 80), resamples=0)
        assert tests == 24
        alarms += any(g.warning for g in groups)
    # Holm's bound is 5 %; related tests stay below it. 200 rounds give +- 3 points.
    assert 0.015 <= alarms / rounds <= 0.085


def shrunken(rng, persons=400, harm=0.0):
    """A model that shrinks to the middle and treats all alike; men are better, and ``harm`` is women's."""
    inside = rng.random(persons) < 0.4
    odds = np.where(inside[:, None], [0.4, 0.25, 0.2, 0.1, 0.05], [0.05, 0.1, 0.2, 0.25, 0.4])
    labels = np.stack([rng.choice(5, 20, p=row) for row in odds]).astype(float)
    centre = 2 + 0.5 * (labels - 2) + harm * inside[:, None] + rng.normal(0, 0.5, labels.shape)
    logits = -((np.arange(5) - centre[..., None]) ** 2)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    gender = np.where(inside, "women", "men").tolist()
    return probabilities, labels, np.arange(persons), {"gender": gender}


def test_equal_treatment_of_groups_with_other_base_rates_gives_no_warning():
    alarms = 0
    for seed in range(40):
        _, groups, _ = judge(*shrunken(np.random.default_rng(seed)), resamples=0)
        men, women = groups
        assert men.bias_difference < -0.2 < 0.2 < women.bias_difference  # regression to the mean
        assert abs(men.bias_within.value) < 0.1
        alarms += any(g.warning for g in groups)
    assert alarms <= 6


def test_unequal_treatment_is_found_though_base_rates_hide_it():
    for seed in range(5):
        made = shrunken(np.random.default_rng(seed), harm=-0.3)
        _, [men, women], _ = judge(*made, resamples=0)
        assert women.bias_difference > 0.1  # raw, they seem to be rated too high
        assert women.bias_within.high < 0 < men.bias_within.low
        assert "levels lower than the whole at the same true levels" in women.warning


def rarely_wrong(rng, small=12, others=300, right=0.95):
    """Sure answers to one skill, mostly right, and equally often so for a small group and all others."""
    persons = small + others
    labels = np.full((persons, 20), np.nan)
    labels[:, 0] = rng.integers(0, 5, persons)
    wrong = rng.random(persons) > right
    answers = np.where(wrong, (labels[:, 0] + rng.integers(1, 5, persons)) % 5, labels[:, 0])
    probabilities = np.repeat(np.eye(5)[answers.astype(int)][:, None], 20, axis=1)
    groups = {"size": ["small" if i < small else "large" for i in range(persons)]}
    return probabilities, labels, np.arange(persons), groups


def test_rare_errors_that_a_small_group_lacks_by_chance_are_no_harm_to_the_others():
    alone = 0
    for seed in range(40):
        made = rarely_wrong(np.random.default_rng(seed))
        _, groups, tests = judge(*made, resamples=0)
        assert tests == 0
        for group in groups:
            assert group.warning is None
            assert group.accuracy_within is None
            assert group.untested == [f"accuracy: {TOO_FEW}", f"bias: {TOO_FEW}"]
        right = np.where(np.isnan(made[1]), np.nan, made[0].argmax(axis=-1) == made[1])
        alone += compare(right, made[2] >= 12, made[2], made[1]).p_less < 0.05
    assert alone / 40 > 0.3  # what the same test says without asking how many errors there are


def test_errors_that_are_not_rare_are_tested_and_so_is_a_group_that_lacks_those_of_others():
    _, groups, tests = judge(*rarely_wrong(np.random.default_rng(0), 100, 200, 0.8), resamples=0)
    assert tests == 4
    assert [group.untested for group in groups] == [[], []]
    probabilities, labels, of, made = rarely_wrong(np.random.default_rng(0), 60, 60, 0.5)
    probabilities[:60, 0] = np.eye(5)[labels[:60, 0].astype(int)]  # the small group is always right
    _, [large, small], _ = judge(probabilities, labels, of, made, resamples=0)
    assert "points below the whole's" in large.warning
    assert small.warning is None
    few = judge(*rarely_wrong(np.random.default_rng(0), 9), resamples=0)[1]
    assert few[0].untested == [f"accuracy: {FEW}", f"bias: {FEW}"]


@pytest.mark.parametrize("seasons", [1, 3])
@pytest.mark.parametrize(("wrong", "told"), [(2 * LEAST_APART, True), (2 * LEAST_APART - 1, False)])
def test_each_side_needs_its_share_of_people_with_an_uncommon_cell(wrong, told, seasons):
    cells = np.full((100, 20), np.nan)
    cells[:, 0] = 1.0
    cells[:wrong, 0] = 0.0  # all of one side: its half of them counts
    apart = uncommon(cells, np.zeros(cells.shape))
    assert apart.sum() == wrong
    inside, persons = np.arange(100) < 50, np.arange(100)
    given = (apart, ~np.isnan(cells), inside, persons)
    assert can_tell(*(np.repeat(each, seasons, axis=0) for each in given)) == told


def test_bias_within_level_is_weighted_by_the_groups_levels():
    rng = np.random.default_rng(4)
    labels = np.full((60, 20), np.nan)
    labels[:, 0] = rng.integers(0, 3, 60)
    cells = np.where(np.isnan(labels), np.nan, rng.normal(size=labels.shape))
    inside = rng.random(60) < 0.4
    found = compare(cells, inside, np.arange(60), labels)
    level, cell = labels[:, 0], cells[:, 0]
    expected = sum(
        (level[inside] == k).mean() * (cell[inside & (level == k)].mean() - cell[level == k].mean())
        for k in range(3)
    )
    assert found.difference == pytest.approx(expected)
    assert found.low < found.difference < found.high


def test_groups_whose_people_share_games_are_no_easier_to_tell_apart():
    """Two leagues that share no game with each other: effects of games make groups differ by chance."""
    rng = np.random.default_rng(11)
    games = np.array([[h, a] for h in range(8) for a in range(8) if h != a])
    played = np.array([(games == team).any(axis=1) for team in range(8)], float)
    one = np.repeat(played / played.sum(axis=1, keepdims=True), 5, axis=0)
    shares = sparse.block_array([[one, None], [None, one]], format="csr")
    inside = np.arange(80) < 40
    sharing = Sharing(shares, [str(i) for i in range(80)])
    alone = widened = 0
    for _ in range(200):
        cells = np.full((80, 20), np.nan)
        cells[:, 0] = shares @ rng.normal(size=shares.shape[1]) * 4 + rng.normal(size=80)
        alone += compare(cells, inside, np.arange(80)).p < 0.05
        widened += compare(cells, inside, np.arange(80), sharing=sharing).p < 0.05
    assert alone / 200 > 0.25
    assert widened / 200 <= 0.1


def test_with_one_subject_a_person_it_is_welchs_test():
    rng = np.random.default_rng(3)
    cells = np.full((70, 20), np.nan)
    cells[:, 4] = rng.normal(size=70)
    inside = np.arange(70) < 25
    cells[inside, 4] *= 2
    found = compare(cells, inside, np.arange(70))
    expected = ttest_ind(cells[inside, 4], cells[~inside, 4], equal_var=False)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    less = ttest_ind(cells[inside, 4], cells[~inside, 4], equal_var=False, alternative="less")
    assert found.p_less == pytest.approx(less.pvalue)
    doubled = compare(
        np.repeat(cells, 3, axis=0), np.repeat(inside, 3), np.repeat(np.arange(70), 3)
    )
    assert doubled.t == pytest.approx(found.t)  # the same persons three times tell nothing new


def test_only_skills_that_both_have_are_compared_and_few_persons_not_at_all():
    cells = np.full((40, 20), np.nan)
    inside = np.arange(40) < 20
    cells[:, 0] = np.arange(40) % 2
    cells[inside, 1] = -5.0  # a skill that only the group has labels of
    found = compare(cells, inside, np.arange(40))
    assert found.difference == pytest.approx(0.0)
    assert compare(cells, np.arange(40) < 9, np.arange(40)) is None
    assert compare(cells, inside, np.arange(40) // 5) is None
    flat = np.full((40, 20), 0.5)
    assert compare(flat, inside, np.arange(40)).p == 1.0
    flat[inside] = 0.0
    assert compare(flat, inside, np.arange(40)).p_less == 0.0


def test_biases_are_in_levels_and_ties_are_halved():
    probabilities = np.zeros((1, 20, 5))
    probabilities[:, :, [1, 4]] = 0.5
    probabilities[0, 0] = np.nan
    labels = np.full((1, 20), 2.0)
    labels[0, 1] = np.nan
    for cells in (bias_cells, top_bias_cells):
        got = cells(probabilities, labels)[0]
        assert np.isnan(got[:2]).all()
        assert got[2:] == pytest.approx(np.full(18, 0.5))
    probabilities[0, 5] = [0.0, 0.2, 0.2, 0.6, 0.0]
    assert bias_cells(probabilities, labels)[0, 5] == pytest.approx(0.4)
    assert top_bias_cells(probabilities, labels)[0, 5] == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_steps_down(p):
    adjusted = holm(np.array(p))
    order = np.argsort(p, kind="stable")
    for alpha in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, index in enumerate(order):
            if (len(p) - rank) * p[index] >= alpha:
                break
            rejected.add(index)
        assert {i for i, q in enumerate(adjusted) if q < alpha} == rejected


def test_rows_in_another_order_change_nothing():
    probabilities, labels, of, groups = world(np.random.default_rng(5), 40)
    order = np.random.default_rng(0).permutation(len(of))
    _, first, _ = judge(probabilities, labels, of, groups, resamples=0)
    turned = {k: [v[i] for i in order] for k, v in groups.items()}
    _, second, _ = judge(probabilities[order], labels[order], of[order], turned, resamples=0)
    for a, b in zip(first, second, strict=True):
        assert (a.kind, a.value, a.warning) == (b.kind, b.value, b.warning)
        assert a.bias_p == pytest.approx(b.bias_p)


# -- the command ----------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    test = {f"p{i}": rng.integers(0, 5, 20).tolist() for i in range(30)}
    write_split(tmp_path, "test", test, league="nba")
    other = {f"q{i}": rng.integers(0, 5, 20).tolist() for i in range(30)}
    write_split(tmp_path, "cross_league", other, league="wnba")
    both = (tmp_path / "BASKET_Labels/BASKET/test.csv").read_text() + "".join(
        (tmp_path / "BASKET_Labels/cross_league/test.csv").read_text().splitlines(True)[1:]
    )
    (tmp_path / "BASKET_Labels/BASKET/test.csv").write_text(both)
    (tmp_path / "BASKET_Labels/cross_league/test.csv").unlink()
    chosen = {f"{k}_nba_21_22": v for k, v in test.items()}
    chosen |= {f"{k}_wnba_21_22": [max(0, x - 1) for x in v] for k, v in other.items()}
    return tmp_path, predictions(chosen)


def test_the_command_names_who_is_worse_off(dataset):
    root, frame = dataset
    file = save(frame, root / "mine.parquet")
    arguments = ["fairness", str(file), "--data", str(root), "--resamples", "200"]
    told = CliRunner().invoke(cli.app, arguments)
    assert told.exit_code == 0, told.output
    assert "warning: gender women: accuracy is" in told.output
    assert "! league wnba" in told.output
    found = json.loads(CliRunner().invoke(cli.app, [*arguments, "--json"]).output)
    women = next(g for g in found["groups"] if g["value"] == "women")
    assert women["top_bias"]["value"] < women["bias"]["value"] < women["bias"]["high"] < 0
    warned = {w.split(":")[0] for w in found["warnings"] if "accuracy" in w}
    assert warned == {"gender women", "league wnba"}


def test_groups_come_from_the_tables_or_from_known_leagues(dataset, finished):
    root, _ = dataset
    groups = groups_of(root, read_split(root, "test", require_videos=False))
    assert groups["gender"] == ["men"] * 30 + ["women"] * 30
    assert set(groups["height"]) == {None}
    ws = finished / "ws"
    samples = read_split(ws, "train")
    own = groups_of(ws, samples)
    assert None not in own["position"]
    assert all(band.endswith(("cm", "over")) for band in own["height"])
    assert all(q.split()[1] == "quarter" for q in own["minutes"])


def test_what_cannot_be_compared_is_refused(dataset):
    root, frame = dataset
    some = save(frame.head(40), root / "some.parquet")
    with pytest.raises(BadInputError, match="58 of 60"):
        fairness(some, root)
    with pytest.raises(UnknownNameError, match="mine"):
        fairness(some, root, run="yours")
