"""The perfect observer sees what a reel shows and no more, learns without leaks, and gets what can be got."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from openbasket import tables
from openbasket.cli import app
from openbasket.dataset.reader import Sample, labels_hash
from openbasket.errors import (
    BadInputError,
    ConfigError,
    NotFoundError,
    SplitError,
    UnknownNameError,
)
from openbasket.evaluation import ceiling as measuring
from openbasket.evaluation import observer, truth
from openbasket.evaluation.ceiling import CeilingSettings, _groups, ceiling
from openbasket.evaluation.curves import ceiling_plot, gain_plot
from openbasket.evaluation.intervals import cluster_weights
from openbasket.evaluation.learners import LEARNERS, Examples
from openbasket.evaluation.observer import FEATURES, draw_order, features, see, tally
from openbasket.evaluation.truth import read_truth
from openbasket.labels import LabelSettings, label
from openbasket.labels.statistics import with_contests
from openbasket.reels.sample import sample
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.skills import SKILL_KEYS
from openbasket.splits.assign import assign
from openbasket.workspace import Workspace, write_json

FEW = CeilingSettings(events=(10,), levels=(5,), draws=1, resamples=200)
QUICK = {name: LEARNERS[name] for name in ("ordinal ridge", "logistic regression")}


@pytest.fixture(scope="module")
def league(tmp_path_factory) -> Workspace:
    """200 players of one season, in train, val and test 5:2:3."""
    ws = Workspace(tmp_path_factory.mktemp("ceiling") / "ws", create=True)
    settings = LeagueSettings(
        "sim", teams=20, players_per_team=10, rounds=1, seasons=("21-22",), period_s=300
    )
    simulate(ws, [settings], seed=1, quiet=True)
    label(ws, LabelSettings(min_events=20), quiet=True)
    ws.write("splits", assign(ws.read("subjects"), ratios=(5, 2, 3)))
    return ws


@pytest.fixture
def mine(league, tmp_path, monkeypatch) -> Workspace:
    """A copy to change, with one quick learner."""
    monkeypatch.setattr(truth, "LEARNERS", {"ordinal ridge": LEARNERS["ordinal ridge"]})
    shutil.copytree(league.root, tmp_path / "ws")
    return Workspace(tmp_path / "ws")


@pytest.fixture(scope="module")
def found(league):
    """What is measured on the league."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(truth, "LEARNERS", QUICK)
        settings = CeilingSettings(
            events=(10, 40),
            sampling=("uniform", "stratified"),
            levels=(5, 3),
            draws=2,
            resamples=200,
        )
        return ceiling(league, settings, quiet=True)


def accuracy(report, skill="mean", events=None, sampling="uniform", levels=5):
    rows = report.table.filter(skill=skill, sampling=sampling, levels=levels)
    return rows.filter(pl.col("events").eq_missing(events))["accuracy"].item()


def seen_of(ws):
    people = ws.read("subjects")
    events, _ = with_contests(ws.read("events", "sim", "21-22"))
    return events, people, see(events, ws.read("games", "sim", "21-22"), people)


# -- what is measured --------------------------------------------------------------------------


def test_all_plays_tell_far_more_than_ten(found):
    assert accuracy(found, events=10) < accuracy(found, events=40) < accuracy(found)
    assert accuracy(found) > accuracy(found, events=10) + 0.15
    assert accuracy(found, "two_point") > 0.6


def test_three_levels_are_easier_than_five(found):
    assert accuracy(found, levels=3) > accuracy(found, levels=5) + 0.08


def test_intervals_hold_the_accuracy_and_cells_are_counted(found):
    assert (found.table["low"] <= found.table["accuracy"]).all()
    assert (found.table["high"] >= found.table["accuracy"]).all()
    test = found.splits["test"]
    assert set(found.table["subjects"]) == {test}
    one = found.table.filter(skill="assists", sampling="uniform", levels=5, events=10)
    assert one["labels"].item() == test
    assert one["learner"].item() in QUICK
    assert found.table.filter(skill="mean")["learner"].null_count() == 2 * 2 * 3


def test_all_plays_are_the_same_however_they_are_chosen(found):
    whole = found.table.filter(pl.col("events").is_null())
    one, two = (whole.filter(sampling=name).drop("sampling") for name in ("uniform", "stratified"))
    assert one.equals(two)


def test_shuffled_labels_give_chance(mine):
    levels = mine.read("levels")
    rng = np.random.default_rng(0)
    shuffled = [
        part.with_columns(subject_id=part["subject_id"].gather(rng.permutation(part.height)))
        for part in levels.partition_by("skill")
    ]
    mine.write("levels", pl.concat(shuffled))
    report = ceiling(mine, FEW, quiet=True)
    assert accuracy(report, events=10) == pytest.approx(0.2, abs=0.045)
    assert accuracy(report) == pytest.approx(0.2, abs=0.045)


def test_order_of_rows_changes_nothing(mine):
    first = ceiling(mine, FEW, quiet=True)
    for name in ("levels", "splits", "subjects"):
        mine.write(name, mine.read(name).sample(fraction=1, shuffle=True, seed=3))
    for name in ("events", "games"):
        rows = mine.read(name, "sim", "21-22").sample(fraction=1, shuffle=True, seed=4)
        mine.write(name, rows, "sim", "21-22")
    assert ceiling(mine, FEW, quiet=True).table.equals(first.table)


def test_spellings_of_an_id_are_one_person_where_intervals_draw(mine, monkeypatch):
    """Every second subject has the id of the one before, in capitals."""
    drawn = []

    def weights(persons, *of):
        drawn.append(len(set(persons)))
        return cluster_weights(persons, *of)

    monkeypatch.setattr(measuring, "cluster_weights", weights)
    splits = mine.read("splits").sort("split", "subject_id").with_row_index("row")
    assert splits["split"][:60].to_list() == ["test"] * 60
    letter = pl.when(pl.col("row") % 2 == 0).then(pl.lit("P")).otherwise(pl.lit("p"))
    spelled = splits.with_columns(player_id=pl.concat_str(letter, pl.col("row") // 2)).drop("row")
    new = pl.col("player_id").replace(
        dict(zip(splits["player_id"], spelled["player_id"], strict=True))
    )
    mine.write("splits", spelled)
    for name in ("events", "appearances"):
        rows = mine.read(name, "sim", "21-22").with_columns(new)
        mine.write(name, rows, "sim", "21-22")
    assert ceiling(mine, FEW, quiet=True).median_plays > 10
    assert drawn == [30, 30]  # of the split, and of its league
    # the 30 persons are just enough for a line of their league
    assert list(_groups(spelled)[0]) == [("test", None), ("test", "sim")]
    assert list(_groups(spelled[2:])[0]) == [("test", None)]


def test_a_place_of_which_nobody_shows_a_play_is_refused(mine):
    mine.write("splits", mine.read("splits").with_columns(pl.col("player_id") + "x"))
    with pytest.raises(BadInputError, match="no play of the 200 subjects of sim 21-22"):
        ceiling(mine, FEW, quiet=True)


def test_ids_in_capitals_hide_no_play(mine):
    """Who is one person is told by a key in small letters; whose a play is, by the id as it stands."""
    before = ceiling(mine, FEW, quiet=True)
    capitals = pl.col("player_id").str.to_uppercase()
    for name in ("splits", "subjects"):
        mine.write(name, mine.read(name).with_columns(capitals))
    for name in ("events", "appearances"):
        rows = mine.read(name, "sim", "21-22").with_columns(capitals)
        mine.write(name, rows, "sim", "21-22")
    assert mine.read("splits")["player_id"].str.contains("[A-Z]").all()
    after = ceiling(mine, FEW, quiet=True)
    assert after.median_plays == before.median_plays > 10
    assert after.enough == before.enough
    assert accuracy(after) == pytest.approx(accuracy(before), abs=0.02)


def test_another_seed_draws_other_plays(mine):
    other = CeilingSettings(events=(10,), levels=(5,), draws=1, resamples=200, seed=5)
    one, two = ceiling(mine, FEW, quiet=True), ceiling(mine, other, quiet=True)
    assert accuracy(one, events=10) != accuracy(two, events=10)
    assert accuracy(one) == pytest.approx(accuracy(two), abs=0.02)


def test_a_skill_without_labels_is_null_and_left_out_of_the_mean(mine):
    blank = pl.col("skill") == "assists"
    levels = mine.read("levels").with_columns(
        pl.when(~blank).then(c).alias(c) for c in ("rank", "level", "score")
    )
    mine.write("levels", levels)
    report = ceiling(mine, FEW, quiet=True)
    rows = report.table.filter(skill="assists")
    assert rows.select("accuracy", "low", "high", "learner").null_count().row(0) == (2, 2, 2, 2)
    assert set(rows["labels"]) == {0}
    assert report.unmeasured == {"assists": "no labels"}
    others = report.table.filter(~pl.col("skill").is_in(["assists", "mean"]), events=10)
    assert accuracy(report, events=10) == pytest.approx(others["accuracy"].mean())
    assert "not measured: Assists (no labels)" in report.notes


def test_the_table_is_written_and_the_same_again(mine):
    report = ceiling(mine, FEW, quiet=True)
    assert mine.read("ceiling").equals(report.table)
    before = (mine.private / "ceiling.json").read_bytes()
    ceiling(mine, FEW, quiet=True)
    assert (mine.private / "ceiling.json").read_bytes() == before


def test_leagues_are_scored_apart(found):
    whole = found.table.sort("skill", "events", "sampling", "levels")
    part = (
        found.leagues.filter(league="sim")
        .drop("league")
        .sort("skill", "events", "sampling", "levels")
    )
    assert part["accuracy"].to_list() == whole["accuracy"].to_list()  # there is but one


def test_three_levels_are_those_that_the_labels_would_have(mine):
    splits = mine.read("splits").sort("subject_id")
    made = read_truth(mine, splits, [3], 5).labels[3]
    label(mine, LabelSettings(levels=3, min_events=20), quiet=True)
    own = read_truth(mine, splits, [3], 3).labels[3]
    assert np.array_equal(made, own, equal_nan=True)


def test_five_and_three_levels_are_measured_by_default(mine):
    settings = CeilingSettings(events=(10,), draws=1, resamples=200)
    assert set(ceiling(mine, settings, quiet=True).table["levels"]) == {5, 3}
    label(mine, LabelSettings(levels=3, min_events=20), quiet=True)
    three = ceiling(mine, settings, quiet=True)
    assert set(three.table["levels"]) == {3}
    assert "the labels have 3 levels; more cannot be told from them" in three.notes


def test_levels_without_ranks_are_measured_as_they_are(mine):
    mine.write("levels", mine.read("levels").with_columns(rank=pl.lit(None, pl.Int32)))
    report = ceiling(mine, CeilingSettings(events=(10,), draws=1, resamples=200), quiet=True)
    assert set(report.table["levels"]) == {5}
    assert "some labels have no rank" in report.notes[0]


def test_the_table_says_which_labels_and_split_it_is_for(mine):
    splits = mine.read("splits")
    moved = splits.filter(split="test")["subject_id"].sort()[:20]
    away = pl.col("subject_id").is_in(moved.implode())
    mine.write(
        "splits",
        splits.with_columns(split=pl.when(away).then(pl.lit("cross_season")).otherwise("split")),
    )
    report = ceiling(mine, FEW, quiet=True)
    assert set(report.table["split"]) == {"test", "cross_season"}
    wide = mine.read("levels").pivot("skill", index="subject_id", values="level")
    samples = [
        Sample(row["subject_id"], "", "", "", "", Path(), tuple(row.get(s) for s in SKILL_KEYS))
        for row in wide.filter(away).to_dicts()
    ]
    [found] = report.table.filter(split="cross_season")["labels_hash"].unique()
    assert found == labels_hash(samples, 5) == report.to_json()["labels_hash"]["cross_season"]
    assert report.table.filter(split="cross_season", skill="rebounds")["labels"].to_list() == [
        20,
        20,
    ]


def test_the_table_is_the_mean_of_the_cells_of_each_subject(mine):
    report = ceiling(mine, FEW, quiet=True)
    assert mine.read("ceiling_cells").equals(report.cells)
    cells = report.cells.filter(skill="rebounds", events=10)
    assert cells["right"].mean() == pytest.approx(accuracy(report, "rebounds", 10), abs=1e-6)
    known = mine.read("levels").filter(skill="rebounds").select("subject_id", own="level")
    both = cells.join(known, on="subject_id")
    assert both.height == 60
    assert (both["level"] == both["own"]).all()


def test_the_clips_of_the_dataset_are_measured(mine):
    write_json(mine.private / "reels_draw0.json", {"events": 7})
    report = ceiling(mine, FEW, quiet=True)
    assert set(report.table["events"]) == {7, 10, None}
    assert report.to_json()["own_clips"] == 7


def test_who_is_left_out_is_named_with_his_number(mine):
    other = pl.col("split") == "test"
    fewer = mine.read("splits").filter(other)[:10].with_columns(league=pl.lit("few"))
    groups, few = _groups(pl.concat([mine.read("splits").filter(~other), fewer]))
    assert list(groups) == [("test", None)]
    assert (
        str(few[0]) == "few, 10 player-seasons (of test; fewer than 30 persons, in the whole only)"
    )
    people = mine.read("subjects")
    extra = people[:3].with_columns(
        subject_id=pl.format("{}x", "subject_id"), season=pl.lit("22-23")
    )
    mine.write("subjects", pl.concat([people, extra]))
    options = [
        "ceiling",
        str(mine.root),
        "--events",
        "10",
        "--draws",
        "1",
        "--resamples",
        "100",
        "-q",
    ]
    shown = " ".join(CliRunner().invoke(app, options).stdout.split())
    assert "left out: sim 22-23, 3 player-seasons (in no split)" in shown
    assert "league by league" in shown
    told = json.loads((mine.private / "ceiling.json").read_text())["left_out"]
    assert told == [{"league": "sim", "season": "22-23", "subjects": 3, "reason": "in no split"}]


# -- what is seen ------------------------------------------------------------------------------


def test_uniform_plays_are_those_of_the_reel(league):
    events, people, seen = seen_of(league)
    ordered = draw_order(events, people, seen, draw=2, seed=7)
    keys = ["subject_id", "uniform", "game_id", "play_id"]
    placed = events.with_columns(league=pl.lit("sim"), season=pl.lit("21-22"))
    reel = sample(placed, people, count=50, draw=2, seed=7).rename({"position": "uniform"})
    first = ordered.filter(pl.col("uniform") < 50).sort(keys)
    assert first.select(keys).equals(reel.select(keys).sort(keys))


def test_stratified_plays_keep_the_shares_of_the_kinds(league):
    events, people, seen = seen_of(league)
    ordered = draw_order(events, people, seen, draw=0, seed=0)
    by = ["subject_id", "stratum"]
    share = pl.col("len") / pl.col("len").sum().over("subject_id")
    ordered = ordered.filter(pl.len().over("subject_id") >= 50)
    true = ordered.group_by(by).len().with_columns(share=share)

    def off(sampling):
        some = ordered.filter(pl.col(sampling) < 50).group_by(by).len("shown")
        both = true.join(some, on=by, how="left").with_columns(pl.col("shown").fill_null(0))
        return both.select((pl.col("shown") - 50 * pl.col("share")).abs())["shown"]

    assert off("stratified").max() <= 1.5
    assert off("stratified").mean() < off("uniform").mean() / 3


def test_balanced_plays_show_all_kinds_equally_often(league):
    events, people, seen = seen_of(league)
    ordered = draw_order(events, people, seen, draw=0, seed=0)
    by = ["subject_id", "stratum"]
    some = ordered.filter(pl.col("balanced") < 50).group_by(by).len("shown")
    both = some.join(ordered.group_by(by).len("there"), on=by)
    left = both.filter(pl.col("shown") < pl.col("there"))  # kinds that have more plays
    most = both.group_by("subject_id").agg(pl.col("shown").max().alias("most"))
    least = left.join(most, on="subject_id")
    assert (least["most"] - least["shown"]).max() <= 1


def test_every_player_shows_equally_many_plays(league):
    """So that how many a season had is in no feature."""
    events, people, seen = seen_of(league)
    ordered = draw_order(events, people, seen, draw=0, seed=0)
    least = ordered.group_by("subject_id").len()["len"].min()
    assert least >= 20
    for sampling in tables.CEILING_SAMPLINGS:
        assert set(tally(ordered, sampling, 20)["plays"]) == {20}


def test_features_are_shares_that_do_not_grow_with_the_season(league, monkeypatch):
    events, people, seen = seen_of(league)
    whole = tally(draw_order(events, people, seen, draw=0, seed=0), "uniform", None)
    monkeypatch.setattr(observer, "PRIOR_TRIALS", 1e-9)
    twice = whole.with_columns(pl.exclude("subject_id") * 2)
    place, train = ["sim"] * whole.height, np.arange(whole.height) % 2 == 0
    one, two = features(whole, place, train), features(twice, place, train)
    assert one.shape == (whole.height, len(FEATURES))
    assert one == pytest.approx(two, abs=1e-6)
    assert one[train].mean(axis=0) == pytest.approx(np.zeros(len(FEATURES)), abs=1e-9)


def test_features_learn_nothing_from_other_rows_than_train(league):
    events, people, seen = seen_of(league)
    whole = tally(draw_order(events, people, seen, draw=0, seed=0), "uniform", 20)
    place, train = ["sim"] * whole.height, np.arange(whole.height) < 100
    changed = pl.concat(
        [whole[:100], whole[100:].with_columns(pl.exclude("subject_id", "plays") * 3)]
    )
    one, two = features(whole, place, train), features(changed, place, train)
    assert np.array_equal(one[:100], two[:100])
    assert not np.allclose(one[100:], two[100:])


def test_what_is_seen_of_a_play():
    game = {"game_id": "g", "periods": 4, "period_s": 600.0}
    columns = [
        "play_id",
        "period",
        "clock_s",
        "player_id",
        "kind",
        "made",
        "value",
        "x_m",
        "y_m",
        "contested",
    ]
    rows = [
        (0, 1, 590.0, "a", "field_goal", True, 3, 0.0, 7.0, False),
        (0, 1, 590.0, "b", "assist", None, None, None, None, None),
        (1, 4, 100.0, "a", "field_goal", False, 2, 0.0, 1.0, True),
        (1, 4, 100.0, "a", "blocked", None, None, None, None, None),
        (1, 4, 100.0, "c", "block", None, None, None, None, None),
        (2, 2, 300.0, "b", "turnover", None, None, None, None, None),
        (2, 2, 300.0, "c", "steal", None, None, None, None, None),
        (3, 2, 200.0, "b", "sub_out", None, None, None, None, None),
    ]
    types = dict(zip(columns, tables.empty("events").select(columns).dtypes, strict=True))
    events = pl.DataFrame(rows, schema=types, orient="row").with_row_index("order")
    events = events.with_columns(game_id=pl.lit("g"))
    people = pl.DataFrame({"subject_id": ["A", "B", "C"], "player_id": ["a", "b", "c"]})
    plays = see(events, pl.DataFrame([game]), people)

    def of(subject, play):
        row = plays.filter(subject_id=subject, play_id=play).row(0, named=True)
        return {k for k, v in row.items() if isinstance(v, int) and v and k != "play_id"}, row

    assert plays.height == 6  # no substitution; the blocked shot is one play of the shooter
    three, row = of("A", 0)
    assert three == {
        "three_tried", "three_made", "assisted", "placed", "distance_dm", "opening", "first_period",
    }  # fmt: skip
    assert (row["distance_dm"], row["stratum"]) == (70, "3-point")
    assert of("B", 0)[0] == {
        "assists", "assists_of_three", "points_created", "opening", "first_period",
    }  # fmt: skip
    assert of("B", 0)[1]["points_created"] == 3
    assert of("A", 1)[0] == {
        "two_tried", "near_tried", "contested_tried", "placed", "distance_dm", "blocked", "last_period", "late",
    }  # fmt: skip
    assert of("B", 2)[0] == {"turnovers", "stolen"}
    assert of("C", 2)[0] == {"steals"}


# -- learners ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_finds_a_planted_signal(name):
    rng = np.random.default_rng(0)

    def examples(rows):
        x = rng.normal(size=(rows, 6))
        hidden = x[:, 0] + 0.3 * rng.normal(size=rows)
        share = (hidden.argsort().argsort() + 0.5) / rows
        return Examples(x, share, {n: np.floor(share * n).astype(int) for n in (3, 5)})

    train, val, test = examples(400), examples(100), examples(300)
    learnt = LEARNERS[name](train, val, 0)
    again = LEARNERS[name](train, val, 0)
    for levels in (3, 5):
        p = learnt(test.features, levels)
        assert p.shape == (300, levels)
        assert p.sum(axis=1) == pytest.approx(np.ones(300))
        assert (p.argmax(axis=1) == test.labels[levels]).mean() > 1.9 / levels
        assert np.array_equal(p, again(test.features, levels))


# -- refusals, printing and pictures -----------------------------------------------------------


def test_labels_and_splits_are_needed(mine):
    mine.table_path("splits").unlink()
    with pytest.raises(NotFoundError, match="openbasket split"):
        ceiling(mine, FEW, quiet=True)
    mine.table_path("levels").unlink()
    with pytest.raises(NotFoundError, match="openbasket label"):
        ceiling(mine, FEW, quiet=True)


def test_an_empty_split_is_refused(mine):
    splits = mine.read("splits")
    mine.write("splits", splits.filter(pl.col("split") != "val"))
    with pytest.raises(SplitError, match="nobody is in 'val'"):
        ceiling(mine, FEW, quiet=True)


def test_too_few_labels_are_refused_with_their_numbers(mine):
    splits = mine.read("splits").sort("subject_id")
    few = pl.concat([splits.filter(split=name).head(9) for name in ("train", "val", "test")])
    mine.write("splits", few)
    with pytest.raises(BadInputError, match="train 9, val 9, test 9") as caught:
        ceiling(mine, FEW, quiet=True)
    # skills with the same numbers share a line
    assert 1 <= len(caught.value.problems) < len(SKILL_KEYS)
    told = str(caught.value)
    assert all(len(re.findall(rf"\b{skill}\b", told)) == 1 for skill in SKILL_KEYS)


@pytest.mark.parametrize(
    "faulty",
    [
        {"events": (0,)}, {"events": (10, 10)}, {"levels": (1,)}, {"levels": (5, 5)}, {"draws": 0}, {"sampling": ()},
        {"resamples": 1}, {"resamples": 10**9}, {"seed": -1},
    ],
)  # fmt: skip
def test_bad_settings_are_refused(faulty):
    with pytest.raises(ConfigError, match=next(iter(faulty))):
        CeilingSettings(**faulty)


def test_an_unknown_sampling_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'stratified'"):
        CeilingSettings(sampling=("stratfied",))


def test_the_command_prints_json_and_draws(mine, tmp_path):
    picture = tmp_path / "curves.svg"
    options = ["--events", "10", "--draws", "1", "--resamples", "100", "--plot", str(picture), "-q"]
    done = CliRunner().invoke(app, ["ceiling", str(mine.root), "--json", *options])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert {row["events"] for row in told["rows"]} == {10, None}
    assert len(told["rows"]) == 2 * 2 * (len(SKILL_KEYS) + 1)  # of five and three levels
    assert "<svg" in picture.read_text()
    shown = CliRunner().invoke(app, ["ceiling", str(mine.root), *options[:6], "-q"])
    assert "Free Throw" in shown.stdout
    assert "60 subjects of test; learnt from 100 of train" in shown.stdout


def test_the_plots_have_a_panel_and_bars_for_each_skill(found):
    figure = ceiling_plot(found.table, levels=5)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "Free Throw"
    assert titles[20] == "Mean of the skills"
    bars = gain_plot(found.table, levels=5, events=40).axes[0].patches
    gain = accuracy(found, events=40, sampling="stratified") - accuracy(found, events=40)
    assert bars[-1].get_width() == pytest.approx(100 * gain)


def test_who_shows_no_play_is_guessed_like_anybody(mine):
    """His events may all lie in games that are left out since the labels were made."""
    someone = mine.read("splits").filter(split="test")["player_id"].sort()[0]
    events = mine.read("events", "sim", "21-22")
    mine.write("events", events.filter(pl.col("player_id").ne_missing(someone)), "sim", "21-22")
    report = ceiling(mine, FEW, quiet=True)
    assert report.table.filter(skill="rebounds")["labels"].to_list() == [60, 60]
    assert "have fewer than 10 plays" in " ".join(report.notes)
