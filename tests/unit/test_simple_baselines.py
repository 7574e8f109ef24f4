"""Baselines that see no play find what is planted in league, season and colour, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from test_evaluation import write_split
from typer.testing import CliRunner

from openbasket import cli
from openbasket.dataset.reader import Sample, read_split
from openbasket.errors import ConfigError, NotFoundError, UnknownNameError
from openbasket.evaluation import evaluate, simple
from openbasket.evaluation.baselines import PRIOR, majority, text_only
from openbasket.evaluation.metrics import accuracy_cells
from openbasket.evaluation.scoring import label_array
from openbasket.evaluation.simple import mean_colour
from openbasket.video.write import VideoWriter
from openbasket.workspace import safe_join


def sample(player, league, season, level):
    return Sample(f"{player}_{league}", player, league, season, "", None, (level,) * 20)


def test_text_only_says_the_shares_of_league_and_season_and_falls_back():
    train = [sample(f"a{i}", "A", "20-21", 4) for i in range(30)]
    train += [sample(f"b{i}", "A", "21-22", 0) for i in range(30)]
    train += [sample(f"c{i}", "B", "21-22", 2) for i in range(60)]
    asked = [
        sample("x", "A", "20-21", None), sample("x", "A", "21-22", None),
        sample("x", "A", "22-23", None), sample("x", "C", "21-22", None),
    ]  # fmt: skip
    told = text_only(train, asked, 5)
    assert told.shape == (4, 20, 5)
    assert told.sum(axis=-1) == pytest.approx(np.ones((4, 20)))
    league = (30 + PRIOR / 4) / (60 + PRIOR)  # levels 0 and 4 alike
    assert told[0, 3, 4] == pytest.approx((30 + PRIOR * league) / (30 + PRIOR))
    assert told[:2, 0].argmax(axis=-1).tolist() == [4, 0]
    assert told[2, 0, 0] == told[2, 0, 4] == pytest.approx(league)
    assert told[3, 0] == pytest.approx([0.25, 0, 0.5, 0, 0.25])
    shuffled = text_only(train[::-1], asked[::-1], 5)
    assert (shuffled[::-1] == told).all()
    assert text_only(train, asked[3:], 5)[0] == pytest.approx(told[3])  # whoever else is asked
    assert (text_only([], asked, 5) == 0.2).all()


def _leagues(rng, strong):
    """Two leagues of 60 with equal shares of each level, split 7:3; ``strong`` of A are of level 4."""
    train, test = [], []
    for league in "AB":
        levels = np.stack([rng.permutation(60) * 5 // 60 for _ in range(20)], axis=1)
        if league == "A":
            levels[rng.random(levels.shape) < strong] = 4
        for place, row in zip(rng.permutation(60), levels.tolist(), strict=True):
            one = Sample(
                f"{league}{place}", f"{league}{place}", league, "21-22", "", None, tuple(row)
            )
            (train if place < 42 else test).append(one)
    return train, test


def _accuracies(strong, seeds):
    """Mean accuracy of text-only in leagues A and B, and that of majority, for each seed: ``(seeds, 3)``."""
    found = []
    for seed in range(seeds):
        train, test = _leagues(np.random.default_rng(seed), strong)
        labels = label_array(test)
        cells = accuracy_cells(text_only(train, test, 5), labels)
        in_a = np.array([one.league == "A" for one in test])
        most = accuracy_cells(majority(label_array(train), len(test), 5), labels)
        found.append((cells[in_a].mean(), cells[~in_a].mean(), most.mean()))
    return np.array(found)


def test_equal_shares_are_chance_and_not_below_it():
    found = _accuracies(strong=0.0, seeds=40)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - 0.2) <= 3 * error + 1e-4).all()
    # What each place had most often is what its held-out part has too rarely.
    train, test = _leagues(np.random.default_rng(0), 0.0)
    of_a = label_array([one for one in train if one.league == "A"])
    rest = label_array([one for one in test if one.league == "A"])
    most = [np.bincount(column.astype(int)).argmax() for column in of_a.T]
    assert (rest == most).mean() < 0.15


def test_a_league_with_other_shares_is_found():
    found = _accuracies(strong=0.4, seeds=10).mean(axis=0)
    assert found[0] > 0.45  # 52 % of A are of level 4
    assert found[1] < 0.25


def test_few_labels_are_not_believed():
    labels = np.full((24, 20), 3.0)
    assert (majority(labels, 1, 5) == 0.2).all()  # fewer than 5 of each level to be expected
    assert (majority(np.full((25, 20), 3.0), 1, 5)[..., 3] == 1).all()


def _colours(rng, count, planted):
    labels = rng.integers(0, 5, (count, 20)).astype(float)
    features = rng.normal(0, 0.1, (count, 12))
    if planted:
        features[:, 2] += 0.3 * labels[:, 7]
    labels[rng.random(labels.shape) < 0.1] = np.nan
    return features, labels


def test_a_planted_colour_is_found_in_its_skill_alone():
    rng = np.random.default_rng(0)
    train, val, test = (_colours(rng, n, planted=True) for n in (300, 80, 200))
    told, neighbours = mean_colour(train, val, test[0], 5)
    assert neighbours in simple.NEIGHBOURS
    known = ~np.isnan(test[1])
    right = (told.argmax(axis=-1) == test[1]) & known
    accuracy = right.sum(axis=0) / known.sum(axis=0)
    assert accuracy[7] > 0.35  # one of twelve features tells it, and not wholly
    assert np.delete(accuracy, 7).mean() == pytest.approx(0.2, abs=0.04)


def test_where_colour_says_nothing_all_count():
    rng = np.random.default_rng(1)
    train, val, test = (_colours(rng, n, planted=False) for n in (300, 80, 50))
    told, neighbours = mean_colour(train, val, test[0], 5)
    assert neighbours is None
    assert (told == told[0]).all()


def test_order_of_rows_does_not_matter_and_no_colour_is_no_answer():
    rng = np.random.default_rng(2)
    train, val, test = (_colours(rng, n, planted=True) for n in (120, 40, 30))
    train[0][:60] = np.round(train[0][:60], 1)  # many at one distance
    test[0][4] = np.nan
    told, chosen = mean_colour(train, val, test[0], 5)
    assert np.isnan(told[4]).all()
    assert not np.isnan(np.delete(told, 4, axis=0)).any()
    order, rows = rng.permutation(120), rng.permutation(30)
    turned, again = mean_colour(
        (train[0][order], train[1][order]), (val[0][::-1], val[1][::-1]), test[0][rows], 5
    )
    assert again == chosen
    assert np.allclose(turned, told[rows], equal_nan=True)


# -- the command ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Reels whose brightness tells the level of every skill; one of test does not decode."""
    root = tmp_path_factory.mktemp("colours")
    for split, count in (("train", 25), ("val", 10), ("test", 10)):
        levels = {f"{split}{i}": [i % 5] * 20 for i in range(count)}
        write_split(root, split, levels)
        for player, row in levels.items():
            path = safe_join(root, f"BASKET/21-22/L/{player}_21_22.mp4")
            with VideoWriter(path, width=96, height=64) as writer:
                for _ in range(3):
                    writer.write(np.full((64, 96, 3), 30 + 40 * row[0], np.uint8))
    (root / "BASKET/21-22/L/test9_21_22.mp4").write_bytes(b"no video")
    return root


def run(root, out, *more):
    return CliRunner().invoke(
        cli.app, ["baselines", str(root), "--out", str(out), "--workers", "1", "-q", *more]
    )


def test_the_command_writes_runs_that_evaluate_takes(root, tmp_path):
    out = tmp_path / "baselines.parquet"
    done = run(root, out, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["neighbours"] == 5
    assert [path.rsplit("/")[-1] for path in told["failures"]] == ["test9_21_22.mp4"]
    found = evaluate([out], root, require_hash=True)
    assert not any("does not state" in note for note in found.notes)
    colour = found.find("mean-colour").scores["accuracy"]["mean"]
    assert colour.value == pytest.approx(0.9)
    assert colour.unanswered == 20
    text = found.find("text-only")
    assert text.model == "baseline"
    assert text.scores["accuracy"]["mean"].value == pytest.approx(0.2)
    subjects = [s.subject_id for s in read_split(root, "test")]
    assert label_array(read_split(root, "test")).shape == (len(subjects), 20)


def test_what_cannot_be_done_is_refused(root, tmp_path):
    for arguments, error, said in (
        (["--run", "colour"], UnknownNameError, "mean-colour"),
        (["--split", "cross_season"], NotFoundError, "cross_season"),
    ):
        done = run(root, tmp_path / "b.parquet", *arguments)
        assert isinstance(done.exception, error)
        assert said in str(done.exception)
    assert isinstance(run(root, tmp_path / "b.csv").exception, ConfigError)
    assert not list(tmp_path.iterdir())


def test_text_only_needs_no_videos(root, tmp_path):
    for split in ("train", "val", "test"):
        levels = {f"{split}{i}": [i % 5] * 20 for i in range(5)}
        write_split(tmp_path, split, levels)
    done = run(tmp_path, tmp_path / "b.parquet", "--run", "text-only")
    assert done.exit_code == 0, done.output
    assert evaluate([tmp_path / "b.parquet"], tmp_path).find("text-only").subjects == 5
