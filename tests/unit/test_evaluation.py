"""Evaluation: right numbers, honest coverage, and refusal of whatever cannot be scored."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from openbasket.dataset.reader import SPLIT_FILES, dataset_levels
from openbasket.errors import BadInputError, NotFoundError, UnknownNameError
from openbasket.evaluation import evaluate, tables
from openbasket.evaluation.baselines import majority, random_guess
from openbasket.evaluation.intervals import bootstrap, cluster_weights
from openbasket.evaluation.metrics import GROUPS, accuracy_cells, group_means, within_one_cells
from openbasket.evaluation.predictions import read_predictions, to_array
from openbasket.skills import CATEGORIES, OFFICIAL_ORDER, SKILL_KEYS, SKILLS, official_level
from openbasket.workspace import Workspace, write_json, write_text

NAMES = [name for name, _ in GROUPS]
P = ["p0", "p1", "p2", "p3", "p4"]


def write_split(root, split, labels, season="21-22", league="L", levels=5):
    """Write a split of ``labels`` (subject -> 20 levels or None, in the order of SKILLS)."""
    lines = [",".join(["path", *(s.name for s in OFFICIAL_ORDER)])]
    for player, row in labels.items():
        by_skill = dict(zip(SKILLS, row, strict=True))
        cells = [
            "" if by_skill[s] is None else str(official_level(s, by_skill[s], levels))
            for s in OFFICIAL_ORDER
        ]
        years = season.replace("-", "_")
        lines.append(",".join([f"BASKET/{season}/{league}/{player}_{years}.mp4", *cells]))
    write_text(root / SPLIT_FILES[split], "\n".join(lines) + "\n")


def subject(player, season="21-22", league="L"):
    return f"{player}_{league}_{season.replace('-', '_')}"


def predictions(chosen, run="mine", model="m", levels=5):
    """Predictions that put 0.8 on the chosen level: subject -> 20 levels."""
    rows = []
    for who, row in chosen.items():
        for skill, level in zip(SKILL_KEYS, row, strict=True):
            p = [0.8 if i == level else 0.2 / (levels - 1) for i in range(levels)]
            p += [None] * (5 - levels)
            rows.append((who, skill, *p, model, run))
    columns = ["subject_id", "skill", *P, "model", "run"]
    return pl.DataFrame(
        rows,
        schema={c: pl.Float64 if c in P else pl.String for c in columns},
        orient="row",
    )


def save(frame, path):
    frame.write_parquet(path)
    return path


@pytest.fixture
def dataset(tmp_path):
    """Train: levels 3, 3, 1. Test: four subjects; "c" and "d" lack some labels."""
    write_split(tmp_path, "train", {f"t{i}": (level,) * 20 for i, level in enumerate([3, 3, 1])})
    test = {
        "a": [0] * 20,
        "b": [3] * 20,
        "c": [3] * 10 + [None] * 10,
        "d": [4] + [None] * 19,
    }
    write_split(tmp_path, "test", test)
    return tmp_path


# -- metrics --------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    subjects=st.integers(1, 12),
    levels=st.sampled_from([3, 5]),
    hidden=st.floats(0, 0.9),
    seed=st.integers(0, 2**32 - 1),
)
def test_accuracy_is_that_of_scikit_learn(subjects, levels, hidden, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(levels), (subjects, 20))
    labels = rng.integers(0, levels, (subjects, 20)).astype(float)
    labels[rng.random(labels.shape) < hidden] = np.nan
    means = group_means(accuracy_cells(probabilities, labels))[0]
    near = group_means(within_one_cells(probabilities, labels))[0]
    expected: dict[str, float] = {}
    for k, key in enumerate(SKILL_KEYS):
        known = ~np.isnan(labels[:, k])
        if not known.any():
            assert np.isnan(means[NAMES.index(key)])
            continue
        guess = probabilities[known, k].argmax(1)
        expected[key] = accuracy_score(labels[known, k].astype(int), guess)
        assert means[NAMES.index(key)] == pytest.approx(expected[key])
        assert near[NAMES.index(key)] == pytest.approx((abs(guess - labels[known, k]) <= 1).mean())
    for group in (*CATEGORIES, "mean"):
        members = [
            expected[s.key] for s in SKILLS if group in ("mean", s.category) and s.key in expected
        ]
        got = means[NAMES.index(group)]
        assert (got == pytest.approx(np.mean(members))) if members else np.isnan(got)


def test_equally_likely_levels_share_the_point():
    probabilities = np.zeros((1, 20, 5))
    probabilities[:, :, [1, 4]] = 0.5
    labels = np.full((1, 20), np.nan)
    labels[0, :3] = [1, 0, 3]
    accuracy = accuracy_cells(probabilities, labels)[0]
    near = within_one_cells(probabilities, labels)[0]
    assert accuracy[:3].tolist() == [0.5, 0.0, 0.0]
    assert near[:3].tolist() == [0.5, 0.5, 0.5]
    assert np.isnan(accuracy[3:]).all()


def test_baselines_score_what_they_must():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (40, 20)).astype(float)
    cells = accuracy_cells(random_guess(40, 20, 5), labels)
    assert np.unique(cells).tolist() == [0.2]
    near = within_one_cells(random_guess(40, 20, 5), labels)
    assert near[labels == 0] == pytest.approx(0.4)
    assert near[labels == 2] == pytest.approx(0.6)
    train = np.full((60, 20), np.nan)
    train[:, 0] = [2, 2, 2, 0, 1, np.nan] * 10
    train[:, 1] = [4, 4, 1, 1, np.nan, np.nan] * 10
    shares = majority(train, 2, 5)
    assert shares[1, 0] == pytest.approx([0.2, 0.2, 0.6, 0, 0])
    assert shares[0, 1] == pytest.approx([0, 0.5, 0, 0, 0.5])
    assert shares[0, 2] == pytest.approx(np.full(5, 0.2))  # nothing known: a guess


# -- intervals ------------------------------------------------------------------------------


def test_persons_are_drawn_whole_and_in_any_order():
    persons = ["x", "y", "x", "z", "y", "x"]
    weights = cluster_weights(persons, 500, 3)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] == weights[:, 5]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    order = [4, 2, 0, 5, 3, 1]
    shuffled = cluster_weights([persons[i] for i in order], 500, 3)
    assert (shuffled == weights[:, order]).all()
    assert not (cluster_weights(persons, 500, 4) == weights).all()


def test_interval_is_the_one_of_theory_and_grows_with_clusters():
    rng = np.random.default_rng(1)
    cells = np.full((600, 20), np.nan)
    cells[:, 0] = rng.random(600) < 0.3
    share = cells[:, 0].mean()
    low, high = bootstrap(cells, cluster_weights([str(i) for i in range(600)]))
    width = 2 * 1.96 * np.sqrt(share * (1 - share) / 600)
    assert high[0] - low[0] == pytest.approx(width, rel=0.1)
    assert low[0] < share < high[0]
    assert low[0] == low[NAMES.index("mean")]  # one skill has labels: the mean is that skill
    assert np.isnan(low[1])
    again = np.repeat(cells, 4, axis=0)  # the same persons four times tell nothing new
    low4, high4 = bootstrap(again, cluster_weights([str(i // 4) for i in range(2400)]))
    assert high4[0] - low4[0] == pytest.approx(high[0] - low[0], rel=0.1)


def test_interval_of_the_mean_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        skill_of_person = rng.beta(2, 4, 60)  # subjects of a person resemble each other
        cells = (rng.random((120, 20)) < np.repeat(skill_of_person, 2)[:, None]).astype(float)
        low, high = bootstrap(cells, cluster_weights([str(i // 2) for i in range(120)], 400))
        inside += low[-1] <= 1 / 3 <= high[-1]
    assert 0.90 <= inside / 200 <= 0.99


def test_one_person_gives_no_interval():
    low, high = bootstrap(np.ones((3, 20)), cluster_weights(["x", "x", "x"]))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_a_test_split_of_the_papers_size_takes_seconds():
    rng = np.random.default_rng(0)
    cells = (rng.random((5600, 20)) < 0.3).astype(float)
    begun = time.process_time()
    low, high = bootstrap(cells, cluster_weights([str(i) for i in rng.integers(0, 4000, 5600)]))
    assert time.process_time() - begun < 10
    assert 0.29 < low[-1] < high[-1] < 0.31


# -- predictions ----------------------------------------------------------------------------


def test_predictions_are_read_whatever_the_order_of_rows(tmp_path):
    frame = predictions({"s1": list(range(5)) * 4, "s2": [1] * 20})
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=5)
    read = read_predictions(save(shuffled, tmp_path / "p.parquet"), ["s1", "s2", "s3"])
    array = to_array(read, ["s2", "s3", "s1"], 5)
    assert array[0].argmax(1).tolist() == [1] * 20
    assert array[2].argmax(1).tolist() == list(range(5)) * 4
    assert np.isnan(array[1]).all()


def faults(path, frame, subjects=("s1", "s2")):
    with pytest.raises(BadInputError) as caught:
        read_predictions(save(frame, path / "p.parquet"), subjects)
    return [(p.row, p.field, p.given) for p in caught.value.problems]


def cell(frame, row, column, value):
    values = frame[column].to_list()
    values[row] = value
    return frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))


def test_each_fault_is_found_in_its_row(tmp_path):
    good = predictions({"s1": [0] * 20, "s2": [4] * 20})
    found = faults(tmp_path, pl.concat([good, good[7:8]]))
    assert [(row, field) for row, field, _ in found] == [
        (7, "run, subject_id, skill"),
        (40, "run, subject_id, skill"),
    ]
    [(_, field, given)] = faults(tmp_path, good[:-1])
    assert field == "skill"
    assert f"'s2' without {SKILL_KEYS[-1]}" in given
    assert (3, "p1") in [f[:2] for f in faults(tmp_path, cell(good, 3, "p1", float("nan")))]
    assert (3, "p1") in [f[:2] for f in faults(tmp_path, cell(good, 3, "p1", -0.05))]
    assert [f[:2] for f in faults(tmp_path, cell(good, 3, "p1", None))] == [(3, "p0 ... p4")]
    assert faults(tmp_path, cell(good, 3, "p1", 0.06))[0] == (3, "p0 ... p4", "a sum of 1.010000")
    assert faults(tmp_path, good, ["s1"])[0][1:] == ("subject_id", "'s2'")
    assert faults(tmp_path, cell(good, 2, "skill", "dunking"))[0][:2] == (2, "skill")
    assert faults(tmp_path, good[:0])[0][2] == "no rows"


def test_all_wrong_sums_and_gaps_are_reported_together(tmp_path):
    bad = predictions({"s1": [0] * 20, "s2": [4] * 20, "who": [1] * 20})
    bad = cell(cell(bad, 0, "p0", 0.7), 25, "p4", 0.9)[:-1]
    found = faults(tmp_path, bad)
    assert [f[0] for f in found if "sum" in f[2]] == [0, 25]
    assert [f[2] for f in found if "without" in f[2]] != []
    assert [f[2] for f in found if f[1] == "subject_id"] == ["'who'"]


def test_a_rounding_error_is_no_fault(tmp_path):
    frame = cell(predictions({"s1": [0] * 20}), 0, "p0", 0.8 + 5e-5)
    assert read_predictions(save(frame, tmp_path / "p.parquet")).height == 20


def test_three_levels_leave_two_columns_empty_in_every_row(tmp_path):
    three = predictions({"s1": [0] * 20}, levels=3)
    assert to_array(read_predictions(save(three, tmp_path / "p.parquet")), ["s1"], 3).shape == (
        1,
        20,
        3,
    )
    five = predictions({"s2": [0] * 20})
    mixed = pl.concat([three, five])
    assert [f[0] for f in faults(tmp_path, mixed)] == list(range(20))
    half = cell(five, 4, "p4", None)
    assert (4, "p0 ... p4") in [f[:2] for f in faults(tmp_path, half)]


def test_a_file_that_is_missing_or_no_parquet_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="no such file"):
        read_predictions(tmp_path / "none.parquet")
    write_text(tmp_path / "p.parquet", "subject_id,skill\n")
    with pytest.raises(BadInputError, match="whole parquet"):
        read_predictions(tmp_path / "p.parquet")


# -- evaluate -------------------------------------------------------------------------------


def test_numbers_coverage_and_baselines_by_hand(dataset, tmp_path):
    chosen = {subject(p): [3] * 20 for p in "abcd"} | {subject("a"): [0] * 10 + [1] * 10}
    file = save(predictions(chosen), tmp_path / "p.parquet")
    evaluation = evaluate([file], dataset)
    mine = evaluation.find("mine").scores["accuracy"]
    first, last = SKILL_KEYS[0], SKILL_KEYS[-1]
    assert mine[first].value == pytest.approx(3 / 4)  # a, b, c right; d wrong
    assert (mine[first].labels, mine[first].cells) == (4, 4)
    assert mine[last].value == pytest.approx(1 / 2)  # only a (wrong) and b (right) have a label
    assert (mine[last].labels, mine[last].cells) == (2, 4)
    assert mine["mean"].value == pytest.approx((3 / 4 + 9 * 1 + 10 / 2) / 20)
    assert (mine["mean"].labels, mine["mean"].cells) == (4 + 9 * 3 + 10 * 2, 80)
    assert evaluation.find("mine").scores["within_one"][last].value == 1
    random = evaluation.find("random").scores["accuracy"]
    assert {name: score.value for name, score in random.items()} == pytest.approx(
        dict.fromkeys(NAMES, 0.2)
    )
    most = evaluation.find("majority").scores["accuracy"]  # of hardly any label: a guess
    assert most[first].value == pytest.approx(0.2)
    for result in evaluation.results:
        assert (result.subjects, result.persons) == (4, 4)
        for score in result.scores["accuracy"].values():
            assert score.low <= score.value <= score.high
    with pytest.raises(UnknownNameError, match="Did you mean 'mine'"):
        evaluation.find("min")


def test_the_same_whatever_the_order_of_rows_and_json_holds_it_all(dataset, tmp_path):
    frame = predictions({subject(p): [3] * 20 for p in "abcd"})
    one = evaluate([save(frame, tmp_path / "1.parquet")], dataset)
    two = evaluate([save(frame.reverse(), tmp_path / "2.parquet")], dataset)
    assert one == two
    content = json.loads(json.dumps(one.to_json()))
    assert content["levels"] == 5
    [mine] = [r for r in content["results"] if r["run"] == "mine"]
    assert set(mine["scores"]["accuracy"]["mean"]) == {
        "value",
        "low",
        "high",
        "labels",
        "cells",
        "unanswered",
    }


def test_a_skill_without_an_answer_is_not_right_and_is_counted(dataset, tmp_path):
    frame = predictions({subject(p): [3] * 20 for p in "abcd"})
    gone = (pl.col("subject_id") == subject("d")) | (
        (pl.col("subject_id") == subject("b")) & (pl.col("skill") == SKILL_KEYS[0])
    )
    level = [f"p{i}" for i in range(5)]
    silent = frame.with_columns(pl.when(~gone).then(pl.col(level)))
    whole, part = (
        evaluate([save(f, tmp_path / "p.parquet")], dataset).find("mine").scores["accuracy"]
        for f in (frame, silent)
    )
    first = SKILL_KEYS[0]
    assert (whole[first].value, whole[first].unanswered) == (1 / 2, 0)
    assert (part[first].value, part[first].unanswered) == (1 / 4, 2)
    assert (part[first].labels, part[first].cells) == (4, 4)
    assert part["mean"].unanswered == 2  # of d, one skill alone has a label
    assert tables.shown(part[first]).endswith("(2 unanswered)")
    half = silent.with_columns(p1=pl.col("p1").fill_null(0.5))
    assert {f[:2] for f in faults(tmp_path, half, [subject(p) for p in "abcd"])} == {
        (row, "p0 ... p4") for row in (20, *range(60, 80))
    }


def test_skills_without_labels_are_null_and_left_out_of_the_mean(tmp_path):
    write_split(tmp_path, "test", {p: [1] * 5 + [None] * 15 for p in "ab"})
    file = save(predictions({subject(p): [1] * 20 for p in "ab"}), tmp_path / "p.parquet")
    evaluation = evaluate([file], tmp_path)
    scores = evaluation.find("mine").scores["accuracy"]
    assert scores["mean"].value == 1
    assert (scores["mean"].labels, scores["mean"].cells) == (10, 40)
    empty = scores[SKILL_KEYS[-1]]
    assert (empty.value, empty.low, empty.labels) == (None, None, 0)
    table = tables.skill_table(evaluation)
    columns, rows = table.columns, table.texts()
    assert "2 subjects, 2 persons" in table.title
    assert ["All 20 skills", *["100.0 [15.8, 100.0] (10/40)"]] == [
        rows[-1][0],
        rows[-1][columns.index("mine")],
    ]
    assert any("no labels" in row for row in rows)


def test_parts_by_season_and_league_without_any_table(tmp_path):
    write_split(tmp_path, "cross_season", {"a": [0] * 20}, season="17-18")
    write_split(tmp_path, "test", {"a": [0] * 20, "b": [1] * 20})
    text = (tmp_path / SPLIT_FILES["test"]).read_text()
    write_text(tmp_path / SPLIT_FILES["test"], text.replace("21-22/L/b_21_22", "22-23/L2/b_22_23"))
    chosen = {subject("a"): [0] * 20, subject("b", "22-23", "L2"): [0] * 20}
    chosen[subject("a", "17-18")] = [4] * 20
    evaluation = evaluate([save(predictions(chosen), tmp_path / "p.parquet")], tmp_path)
    mean = {
        (r.split, r.part): r.scores["accuracy"]["mean"].value
        for r in evaluation.results
        if r.run == "mine"
    }
    assert mean == {
        ("test", ""): 0.5,
        ("test", "season=21-22"): 1.0,
        ("test", "season=22-23"): 0.0,
        ("test", "league=L"): 1.0,
        ("test", "league=L2"): 0.0,
        ("cross_season", ""): 0.0,
    }
    places = [row[:3] for row in tables.split_table(evaluation).rows]
    assert places == [["Unseen", "Seen", "1"], ["Seen", "Seen", "2"]]
    season, league = tables.breakdown_tables(evaluation)
    assert season.columns == ["Season", "21-22 (n = 1)", "22-23 (n = 1)"]
    assert league.columns == ["League", "L (n = 1)", "L2 (n = 1)"]
    text = tables.markdown([tables.skill_table(evaluation), season])
    assert "| mine | 100.0 | 0.0 |" in text
    plain = evaluate([tmp_path / "p.parquet"], tmp_path, breakdowns=False)
    assert {r.part for r in plain.results} == {""}


def test_parts_by_gender_and_region_come_from_the_subjects_table(tmp_path):
    workspace = Workspace(tmp_path, create=True)
    write_split(tmp_path, "test", {"a": [0] * 20, "b": [1] * 20})
    rows = [
        {
            "subject_id": subject(p),
            "player_id": p,
            "league": "L",
            "season": "21-22",
            "gender": gender,
            "region": region,
            "games": 1,
            "minutes": 10.0,
            "events": 50,
        }
        for p, gender, region in (("a", "women", "Europe"), ("b", "men", None))
    ]
    workspace.write("subjects", pl.DataFrame(rows))
    file = save(predictions({subject(p): [0] * 20 for p in "ab"}), tmp_path / "p.parquet")
    evaluation = evaluate([file], tmp_path)
    assert evaluation.find("mine", part="gender=women").scores["accuracy"]["mean"].value == 1
    assert evaluation.find("mine", part="gender=men").scores["accuracy"]["mean"].value == 0


def test_parts_by_gender_and_region_come_from_known_leagues_where_no_table_tells(tmp_path):
    write_split(tmp_path, "test", {p: [0] * 20 for p in "abc"})
    path = tmp_path / SPLIT_FILES["test"]
    text = path.read_text().replace("/L/a", "/nba/a").replace("/L/b", "/lfb/b")
    write_text(path, text)  # "c" stays in a league that nobody knows
    right = {"nba": 0, "lfb": 1, "L": 0}
    chosen = {
        subject(p, league=w): [right[w]] * 20 for p, w in (("a", "nba"), ("b", "lfb"), ("c", "L"))
    }
    evaluation = evaluate([save(predictions(chosen), tmp_path / "p.parquet")], tmp_path)
    told = {table.name: table for table in tables.breakdown_tables(evaluation)}
    assert told["table3b"].columns == ["Gender", "men (n = 1)", "women (n = 1)"]
    assert told["table3c"].columns == ["Location", "Europe (n = 1)", "North America (n = 1)"]
    women = evaluation.find("mine", part="gender=women").scores["accuracy"]["mean"]
    assert women.value == 0
    assert evaluation.find("mine", part="region=North America").subjects == 1


def test_runs_that_cannot_be_told_apart_or_do_not_fit_are_refused(dataset, tmp_path):
    good = predictions({subject(p): [3] * 20 for p in "abcd"})
    file = save(good, tmp_path / "p.parquet")
    with pytest.raises(BadInputError, match="a name that no other run has"):
        evaluate([file, file], dataset)
    with pytest.raises(BadInputError, match="a name that no other run has"):
        evaluate([save(good.with_columns(run=pl.lit("random")), tmp_path / "r.parquet")], dataset)
    three = predictions({subject(p): [2] * 20 for p in "abcd"}, run="three", levels=3)
    with pytest.raises(BadInputError, match=r"3 levels in run 'three'.*5, as the dataset has"):
        evaluate([save(pl.concat([good, three]), tmp_path / "t.parquet")], dataset)
    with pytest.raises(NotFoundError, match="cross_league"):
        evaluate([file], dataset, splits=["cross_league"])
    train_only = predictions({subject(f"t{i}"): [3] * 20 for i in range(3)})
    with pytest.raises(NotFoundError, match="no prediction of run 'mine'"):
        evaluate([save(train_only, tmp_path / "o.parquet")], dataset)
    both = evaluate(
        [file, save(good.with_columns(run=pl.lit("other")), tmp_path / "q.parquet")], dataset
    )
    assert both.find("mine").scores == both.find("other").scores


def test_levels_come_from_the_manifest(tmp_path):
    assert dataset_levels(tmp_path) == 5
    write_json(tmp_path / "openbasket" / "manifest.json", {"levels": 3})
    assert dataset_levels(tmp_path) == 3
    write_split(tmp_path, "test", {"a": [2] * 20, "b": [0] * 20}, levels=3)
    chosen = {subject(p): [2] * 20 for p in "ab"}
    file = save(predictions(chosen, levels=3), tmp_path / "p.parquet")
    evaluation = evaluate([file], tmp_path)
    assert evaluation.find("random").scores["accuracy"]["mean"].value == pytest.approx(1 / 3)
    assert evaluation.find("mine").scores["accuracy"]["defensive_consistency"].value == 0.5
    write_text(tmp_path / "openbasket" / "manifest.json", '{"levels": ')
    with pytest.raises(BadInputError, match=r"manifest\.json"):
        dataset_levels(tmp_path)


def test_a_split_of_nobody_is_told(tmp_path):
    write_split(tmp_path, "train", {"t": [1] * 20})
    write_split(tmp_path, "test", {})
    with pytest.raises(NotFoundError, match="nobody is in test"):
        evaluate([], tmp_path)


def test_what_table_3_lacks_is_told_of_the_first_split_that_there_is(tmp_path):
    write_split(tmp_path, "cross_season", {"a": [1] * 20, "b": [2] * 20}, season="23-24")
    assert any("Table 3" in n and "cross_season" in n for n in evaluate([], tmp_path).notes)


def test_runs_are_compared_on_those_who_have_labels(tmp_path):
    few = {f"a{i}": [i % 5] * 20 if i < 4 else [None] * 20 for i in range(40)}
    write_split(tmp_path, "test", few)
    file = save(predictions({subject(who): [0] * 20 for who in few}), tmp_path / "p.parquet")
    comparison = evaluate([file], tmp_path).comparisons[0]
    assert {comparison.one, comparison.other} >= {"mine"}
    assert (comparison.low, comparison.high) == (None, None)  # four persons, not forty
    write_split(tmp_path, "test", {who: [None] * 20 for who in few})
    found = evaluate([file], tmp_path)
    assert found.comparisons == []
    assert tables.main_table(found).rows[0][4].value is None


def test_hundreds_of_runs_have_no_letters_and_a_note(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("openbasket.evaluation.comparisons.ascii_lowercase", "")
    found = evaluate([], dataset)
    assert {r.group for r in found.results} == {""}
    assert any("no letters are shown on test" in note for note in found.notes)


def test_parts_of_few_persons_are_named(tmp_path):
    rows = {f"a{i}": [i % 5] * 20 for i in range(24)}
    lines = []
    for league, some in (("L", slice(0, 3)), ("M", slice(3, None))):
        write_split(tmp_path, "test", dict(list(rows.items())[some]), league=league)
        lines += (tmp_path / SPLIT_FILES["test"]).read_text().splitlines()[bool(lines) :]
    write_text(tmp_path / SPLIT_FILES["test"], "\n".join(lines) + "\n")
    (note,) = [n for n in evaluate([], tmp_path).notes if n.startswith("few persons")]
    assert note.startswith("few persons in test: L (3). So few say next to nothing")


def test_the_title_of_the_tests_says_over_what_and_for_how_many_they_are_corrected(
    dataset, tmp_path
):
    test = {subject(who): [0] * 20 for who in "abcd"}
    found = evaluate([save(predictions(test), tmp_path / "p.parquet")], dataset)
    title = "Paired tests over persons; corrected for "
    shown = tables.comparison_table(found)
    assert shown.title == f"{title}3 comparisons (Holm)"
    assert {row[1] for row in shown.rows} | {row[2] for row in shown.rows} == {
        "mine", "random", "majority", "text-only",
    }  # fmt: skip
    assert all("mine" in row[1:3] for row in shown.rows)
    assert "3 tests of baselines with each other, corrected for 3" in shown.footer
    assert len(found.comparisons) == 6
    alone = tables.comparison_table(evaluate([], dataset))
    assert (alone.title, len(alone.rows), alone.footer) == (f"{title}3 comparisons (Holm)", 3, "")
    wider = replace(found, clusters="persons and games")
    assert "over persons and games" in tables.comparison_table(wider).title


def test_predictions_of_another_dataset_are_one_problem(dataset, tmp_path):
    others = {f"x{number}": [0] * 20 for number in range(30)}
    with pytest.raises(BadInputError, match=r"'x0', 'x1', 'x10' and 27 more") as caught:
        evaluate([save(predictions(others), tmp_path / "p.parquet")], dataset)
    assert len(caught.value.problems) == 1
    assert "are these predictions of another?" in str(caught.value)
    mixed = others | {subject(who): [0] * 20 for who in "abcd"}
    with pytest.raises(BadInputError, match="and 27 more") as caught:
        evaluate([save(predictions(mixed), tmp_path / "q.parquet")], dataset)
    assert "predictions of another" not in str(caught.value)


def test_runs_that_do_not_state_their_labels_are_one_note(dataset, tmp_path):
    test = {subject(who): [0] * 20 for who in "abcd"}
    runs = pl.concat([predictions(test, run=name) for name in ("one", "two")])
    notes = evaluate([save(runs, tmp_path / "p.parquet")], dataset).notes
    told = "2 runs do not state which labels they were predicted for (test): 'one', 'two'"
    assert [note for note in notes if "state" in note] == [told]
