"""Predictions and labels that must not be scored are refused, with what is wrong and what to do."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import polars as pl
import pytest
from test_evaluation import predictions, save, subject, write_split
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.dataset.reader import SPLIT_FILES, labels_hash, read_split
from openbasket.errors import BadInputError, ConfigError, NotFoundError, UnknownNameError
from openbasket.evaluation import evaluate, tables
from openbasket.evaluation.facts import read_facts
from openbasket.evaluation.fairness import fairness
from openbasket.evaluation.formats import latex, markdown
from openbasket.evaluation.official import convert_official, read_official
from openbasket.evaluation.study_rows import read_study_rows
from openbasket.skills import OFFICIAL_ORDER, SKILLS, official_level
from openbasket.workspace import Workspace, run_facts_path, write_json, write_text


@pytest.fixture
def root(tmp_path):
    write_split(tmp_path, "train", {"t": [3] * 20})
    write_split(tmp_path, "test", {"a": [0] * 20, "b": [3] * 20, "c": list(range(5)) * 4})
    return tmp_path


@pytest.fixture
def good(root):
    return save(predictions({subject(p): [3] * 20 for p in "abc"}), root / "p.parquet")


# -- labels -------------------------------------------------------------------------------------


def test_a_person_of_the_training_split_in_a_test_split_is_refused(root, good):
    write_split(root, "train", {"t": [3] * 20, "b": [1] * 20, "a": [0] * 20}, season="20-21")
    with pytest.raises(BadInputError, match="'a' in train, test; allowed: one split") as caught:
        evaluate([good], root)
    assert [p.given for p in caught.value.problems] == ["'a' in train, test", "'b' in train, test"]
    assert "--allow-crossing" in str(caught.value)
    allowed = evaluate([good], root, allow_crossing=True)
    assert "2 persons of the training or validation split are in another split" in allowed.notes[0]
    done = CliRunner().invoke(app, ["evaluate", str(good), "--data", str(root), "--allow-crossing"])
    assert done.exit_code == 0
    assert "note: 2 persons" in done.output


@pytest.mark.parametrize("spelled", ["P1", "p1 ", " P1", "p\N{FULLWIDTH DIGIT ONE}"])
def test_a_person_spelled_otherwise_is_that_person(tmp_path, spelled):
    write_split(tmp_path, "train", {"t": [3] * 20, spelled: [1] * 20}, season="20-21")
    write_split(tmp_path, "test", {"p1": [0] * 20, "p 1": [2] * 20})
    with pytest.raises(BadInputError) as caught:
        evaluate([], tmp_path)
    told = "' or '".join(sorted([spelled, "p1"]))
    assert [p.given for p in caught.value.problems] == [f"'{told}' in train, test"]


def test_a_person_who_is_spelled_twice_in_a_split_counts_once(tmp_path):
    """Intervals draw persons; who is drawn in two parts makes them too narrow."""
    write_split(tmp_path, "test", {"p1": [0] * 20, "P1 ": [2] * 20, "q": [1] * 20})
    samples = read_split(tmp_path, "test", require_videos=False)
    assert [s.player_id for s in samples] == ["p1", "p1", "q"]
    assert samples[1].subject_id == "P1 _L_21_22"  # as the path says
    assert evaluate([], tmp_path).find("random").persons == 2


# -- another dataset ----------------------------------------------------------------------------


def state(path, **facts):
    write_json(run_facts_path(path), {"mine": facts})


def test_predictions_for_other_labels_are_refused(root, good):
    hashed = labels_hash(read_split(root, "test", require_videos=False), 5)
    state(good, labels={"test": hashed})
    assert not any("does not state" in note for note in evaluate([good], root).notes)
    write_split(root, "test", {"a": [0] * 20, "b": [3] * 20, "c": [2] * 20})
    with pytest.raises(BadInputError, match="for other subjects or labels of test") as caught:
        evaluate([good], root)
    assert "Predict again" in str(caught.value)
    state(good)
    told = "run 'mine' does not state which labels it was predicted for (test)"
    assert told in evaluate([good], root).notes


def test_the_hash_is_of_subjects_and_labels_in_any_order(root):
    before = labels_hash(read_split(root, "test", require_videos=False), 5)
    lines = (root / SPLIT_FILES["test"]).read_text().splitlines()
    write_text(root / SPLIT_FILES["test"], "\n".join([lines[0], *lines[:0:-1]]) + "\n")
    assert labels_hash(read_split(root, "test", require_videos=False), 5) == before
    assert labels_hash(read_split(root, "test", require_videos=False), 3) != before


def test_predictions_for_another_split_are_refused(root, good):
    write_split(root, "cross_season", {"z": [1] * 20}, season="17-18")
    with pytest.raises(
        NotFoundError, match="no prediction of run 'mine' is about the splits cross"
    ):
        evaluate([good], root, splits=["cross_season"])


def test_facts_that_make_no_sense_are_refused(root, good):
    for content, told in (
        ("{", "no JSON"),
        ("[1]", "run -> facts"),
        ('{"mine": {"frames": 0, "colour": 1}}', "mine.frames"),
    ):
        run_facts_path(good).write_text(content)
        with pytest.raises(BadInputError, match=told):
            evaluate([good], root)


def test_facts_come_from_a_runs_folder_where_nothing_lies_beside_the_file(root, good):
    folder = root / "mine"
    content = {"recipe": {"data": {"frames": 8}}, "weights": {"file": "k400.safetensors"}}
    write_json(folder / "recipe.json", content)
    write_text(folder / "MODEL_CARD.md", "- Model `tiny`, 1,234,567 weights, begun from ...\n")
    facts = read_facts(good, ["mine"])["mine"]
    assert (facts.frames, facts.parameters, facts.pretraining) == (8, 1_234_567, "k400")
    state(good, frames=16)
    assert read_facts(good, ["mine"])["mine"].parameters is None


def test_a_hash_of_a_split_that_the_dataset_lacks_is_refused(root, good):
    levels = labels_hash(read_split(root, "test", require_videos=False), 5)
    state(good, labels={"test": levels, "cross_league": "0" * 16})
    with pytest.raises(
        BadInputError, match=r"'cross_league' of run 'mine'.*splits of this dataset"
    ):
        evaluate([good], root)


def test_hashes_can_be_required(root, good, tmp_path):
    write_split(root, "cross_season", {"d": [1] * 20}, season="17-18")
    more = predictions({subject(p): [3] * 20 for p in "abc"} | {subject("d", "17-18"): [1] * 20})
    save(more, good)
    told = labels_hash(read_split(root, "test", require_videos=False), 5)
    arguments = [str(good), "--data", str(root), "--require-hash"]
    for stated, split in (({}, "test"), ({"test": told}, "cross_season")):
        state(good, labels=stated)
        assert evaluate([good], root).find("mine").subjects == 3
        with pytest.raises(BadInputError, match=f"no hash of the labels of '{split}'"):
            evaluate([good], root, require_hash=True)
        done = CliRunner().invoke(app, ["evaluate", *arguments])
        assert isinstance(done.exception, BadInputError)
    state(good, labels={})
    for verb in (
        ["fairness", *arguments],
        ["leaderboard", *arguments, "--out", str(tmp_path / "l.html")],
        ["report", str(root), "--predictions", str(good), "--require-hash",
         "--out", str(tmp_path / "r.html")],
    ):  # fmt: skip
        done = CliRunner().invoke(app, verb)
        assert "no hash of the labels of 'test'" in str(done.exception), verb
    state(good, labels={"test": told})
    assert CliRunner().invoke(app, ["fairness", *arguments]).exit_code == 0


# -- names of baselines -------------------------------------------------------------------------


def test_a_run_with_the_name_of_a_baseline_takes_no_baseline_away(root, good):
    write_split(root, "cross_season", {"d": [1] * 20}, season="17-18")
    frame = pl.read_parquet(good)
    for name in ("text-only", "mean-colour", "majority"):
        save(frame.with_columns(run=pl.lit(name)), good)
        with pytest.raises(BadInputError, match=f"'{name}'; allowed: .* are baselines"):
            evaluate([good], root)
    marked = frame.with_columns(run=pl.lit("text-only"), model=pl.lit("baseline"))
    evaluation = evaluate([save(marked, good)], root)
    assert evaluation.find("text-only", "cross_season").subjects == 1
    alone = evaluate([], root)
    assert evaluation.find("text-only").scores == alone.find("text-only").scores
    assert any("'text-only' of p.parquet is not what" in note for note in evaluation.notes)


def test_the_table_says_why_colours_alone_are_missing(root, good):
    def footers():
        table = tables.main_table(evaluate([good], root))
        page = "\n".join(render([table]) for render in (markdown, latex))
        said = "mean-colour" in table.footer
        assert page.count("The baseline mean-colour is not in the table: ") == 2 * said
        return table.footer

    assert "4 of 4 reels that it would be made from are not there" in footers()
    for split in ("train", "test"):
        for sample in read_split(root, split, require_videos=False):
            write_text(sample.video, "")
    assert "openbasket baselines" in footers()
    frame = pl.read_parquet(good)
    colour = frame.with_columns(run=pl.lit("mean-colour"), model=pl.lit("baseline"))
    save(pl.concat([frame, colour]), good)
    assert "mean-colour" not in footers()


# -- the ceiling --------------------------------------------------------------------------------


def test_a_ceiling_of_other_columns_is_refused(root, good):
    path = root / "openbasket" / "ceiling.parquet"
    path.parent.mkdir()
    pl.DataFrame({"skill": ["mean"]}).write_parquet(path)
    with pytest.raises(BadInputError, match="openbasket ceiling"):
        evaluate([good], root)


# -- the official code's files ------------------------------------------------------------------


def official_line(root, name, rng, view=0, crop=0, scale=1.0, labels=None):
    sample = next(s for s in read_split(root, "test", require_videos=False) if s.player_id == name)
    ours = dict(zip(SKILLS, sample.levels, strict=True))
    told = labels or [official_level(s, ours[s]) for s in OFFICIAL_ORDER]
    logits = rng.normal(size=(5, 20)) * scale
    text = f"{name}_21_22 {logits.tolist()} {np.array(told)} {view} {crop}\n"
    return text, logits


def test_official_files_give_what_their_logits_say(root, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "out"
    lines, first = {}, None
    for name in "abc":
        for view in range(2):
            text, logits = official_line(root, name, rng, view)
            lines[name, view] = (text, logits)
    write_text(folder / "0.txt", "0.25\n" + "".join(lines[n, 0][0] for n in "abc"))
    again = lines["a", 0][0]  # a process that was short of samples tested one again
    write_text(folder / "1.txt", "0.3\n" + "".join(lines[n, 1][0] for n in "abc") + again)
    out = tmp_path / "official.parquet"
    found = convert_official([folder], root, out, model="VideoMamba", run="paper")
    assert (found.subjects, found.views) == (3, 2)
    assert found.notes == ["1 line of views that another process had tested, too, count once"]
    frame = pl.read_parquet(out)
    for skill in SKILLS:
        both = [lines["b", view][1][:, skill.official_column] for view in range(2)]
        p = np.mean([np.exp(x) / np.exp(x).sum() for x in both], axis=0)
        first = p[::-1] if skill.official_reversed else p
        row = frame.filter(pl.col("subject_id") == subject("b"), pl.col("skill") == skill.key)
        assert row.select("p0", "p1", "p2", "p3", "p4").row(0) == pytest.approx(tuple(first))
    evaluation = evaluate([out], root)
    assert evaluation.find("paper").subjects == 3
    # The labels that it is for are stated beside it.
    assert not any("does not state" in note for note in evaluation.notes)
    done = CliRunner().invoke(
        app,
        f"predictions from-official {folder} --data {root} --out {out} --model V --json".split(),
    )
    assert json.loads(done.stdout)["subjects"] == 3


def test_official_files_that_lack_something_are_refused(root, tmp_path):
    rng = np.random.default_rng(0)
    texts = {name: official_line(root, name, rng)[0] for name in "abc"}
    other = official_line(root, "c", rng, labels=[4] * 20)[0]

    def problems(*lines):
        path = write_text(tmp_path / "0.txt", "0.1\n" + "".join(lines))
        samples = read_split(root, "test", require_videos=False)
        with pytest.raises(BadInputError) as caught:
            read_official([path], samples, 5)
        return "\n".join(map(str, caught.value.problems))

    assert "c_21_22.mp4': got no line" in problems(texts["a"], texts["b"])
    more = official_line(root, "a", rng, view=1)[0]
    assert problems(*texts.values(), more).count("got fewer than 2 views") == 2
    assert "line 4: got other labels for 'c_21_22'" in problems(texts["a"], texts["b"], other)
    assert "got 'z_21_22'" in problems(*texts.values(), texts["a"].replace("a_", "z_"))
    assert "got 'half a line'" in problems(*texts.values(), "half a line\n")
    nan = texts["a"].replace("[[", "[[NaN, ", 1)
    assert "line 2" in problems(nan, texts["b"], texts["c"])
    for odd in ("9" * 400, "9" * 5000, "[" * 5000, "1e999"):
        huge = texts["a"].replace("[[", f"[[{odd}, ", 1)
        assert "line 2" in problems(huge, texts["b"], texts["c"])
    view = texts["a"].replace(" 0 0\n", f" {'9' * 5000} 0\n")
    assert "line 2" in problems(view, texts["b"], texts["c"])
    assert "line 2" in problems(" [[" * 40_000 + "\n", *texts.values())  # no search of all brackets
    short = texts["a"].split("]")[0] + "]] " + texts["a"].split("]] ")[1]
    assert "logits of shape (1, 20)" in problems(short, texts["b"], texts["c"])
    twice = official_line(root, "a", rng, scale=5.0)[0]
    assert "other logits for view (0, 0) of 'a_21_22' than line 2" in problems(
        *texts.values(), twice
    )
    with pytest.raises(NotFoundError, match="no text files"):
        convert_official([tmp_path / "nothing"], root, tmp_path / "o.parquet", model="m", run="r")


def test_namesakes_in_two_leagues_are_told_apart_by_their_labels(tmp_path):
    write_split(tmp_path, "test", {"a": [0] * 20})
    text = (tmp_path / SPLIT_FILES["test"]).read_text()
    second = text.splitlines()[1].replace("/L/", "/L2/").replace(",0", ",2")
    write_text(tmp_path / SPLIT_FILES["test"], text + second + "\n")
    samples = read_split(tmp_path, "test", require_videos=False)
    rows = []
    for sample, sign in zip(samples, (1, -1), strict=True):
        ours = dict(zip(SKILLS, sample.levels, strict=True))
        labels = np.array([official_level(s, ours[s]) for s in OFFICIAL_ORDER])
        logits = (sign * np.arange(5.0)[:, None] * np.ones(20)).tolist()
        rows.append(f"a_21_22 {logits} {labels} 0 0\n")
    path = write_text(tmp_path / "0.txt", "0.1\n" + "".join(rows))
    p, found = read_official([path], samples, 5)
    assert found.subjects == 2
    assert p[:, 0].argmax(axis=1).tolist() == [4, 0]


# -- files and names ----------------------------------------------------------------------------


def test_a_file_name_is_no_pattern(root, good):
    odd = root / "p[1].parquet"
    save(predictions({subject(p): [0] * 20 for p in "abc"}, run="odd"), odd)
    save(predictions({subject(p): [3] * 20 for p in "abc"}, run="other"), root / "p1.parquet")
    runs = {r.run for r in evaluate([odd], root).results}
    assert "odd" in runs
    assert "other" not in runs


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "\U0001f3c0" * 60])
def test_names_that_are_no_names_are_refused(root, good, name):
    save(pl.read_parquet(good).with_columns(run=pl.lit(name)), good)
    with pytest.raises(BadInputError, match="names of runs and models from 1 to 200 bytes"):
        evaluate([good], root)


@pytest.mark.parametrize("name", [" mine", "mine ", "mine\t"])
def test_names_with_blanks_at_their_ends_are_refused(root, good, name):
    save(pl.read_parquet(good).with_columns(run=pl.lit(name)), good)
    with pytest.raises(BadInputError, match="without blanks at their ends"):
        evaluate([good], root)


@pytest.mark.parametrize("name", ["Random", "MAJORITY", "Text-Only", "Mine", "\uff4dine"])
def test_names_that_a_reader_cannot_tell_apart_are_refused(root, good, name):
    other = save(pl.read_parquet(good).with_columns(run=pl.lit(name)), root / "other.parquet")
    with pytest.raises(BadInputError, match="a name that no other run has, not even in other case"):
        evaluate([good, other], root)


@pytest.mark.parametrize("given", [0, -1, 99, 100_001])
def test_resamples_that_give_no_interval_are_refused(root, good, given):
    with pytest.raises(ConfigError, match=f"got {given}; allowed: 100 to 100,000"):
        evaluate([good], root, resamples=given)
    if given:  # fairness without intervals is told apart
        with pytest.raises(ConfigError, match=f"got {given}; allowed: 100 to 100,000"):
            fairness(good, root, resamples=given)
    assert fairness(good, root, resamples=0).whole.accuracy.low is None
    with pytest.raises(ConfigError, match="seed: got -1"):
        evaluate([good], root, seed=-1)
    with pytest.raises(ConfigError, match=r"alpha: got 1\.5"):
        fairness(good, root, alpha=1.5)


def test_a_pipe_is_told_at_once_and_a_folder_is_no_file(root, good):
    pipe = root / "pipe"
    os.mkfifo(pipe)
    for read in (evaluate, lambda files, where: fairness(files[0], where)):
        with pytest.raises(BadInputError, match="no regular file, such as a pipe"):
            read([pipe], root)
        with pytest.raises(BadInputError, match="got a folder"):
            read([root], root)  # it has a parquet file of predictions, and might have others
    with pytest.raises(BadInputError, match="pipe"):
        Workspace.read_file("predictions", pipe)


def test_fairness_takes_a_folder_of_a_run_and_no_other(root, good):
    command = ["fairness", str(root), "--data", str(root), "--resamples", "100"]
    told = CliRunner().invoke(app, command)
    assert isinstance(told.exception, NotFoundError)
    assert "without predictions.parquet" in str(told.exception)
    good.rename(root / "predictions.parquet")
    pl.DataFrame({"another": [1]}).write_parquet(root / "another.parquet")
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.output
    assert "fairness of mine" in told.output


def test_a_model_may_not_call_itself_a_baseline(root, good):
    save(pl.read_parquet(good).with_columns(model=pl.lit("baseline")), good)
    with pytest.raises(BadInputError, match="'baseline' of run 'mine'"):
        evaluate([good], root)


def test_far_too_many_rows_are_refused_before_they_are_read(root, good, monkeypatch):
    from openbasket.evaluation import predictions as module

    monkeypatch.setattr(module, "MOST_RUNS", 1)
    frame = pl.read_parquet(good)
    save(pl.concat([frame] * 3), good)
    monkeypatch.setattr(module.Workspace, "read_file", lambda *_: pytest.fail("the file was read"))
    with pytest.raises(BadInputError, match="180 rows; allowed: at most 80"):
        evaluate([good], root)


def test_facts_about_runs_that_are_not_there_are_refused(root, good):
    write_json(run_facts_path(good), {"mein": {"frames": 8}})
    with pytest.raises(BadInputError, match="facts about 'mein'; allowed: the file's runs: mine"):
        evaluate([good], root)


@pytest.mark.parametrize("card", ["fresh, weights", ", weights", "9" * 5000 + " weights", "\xff"])
def test_odd_model_cards_tell_nothing(root, good, card):
    run = root / "mine"
    run.mkdir()
    write_json(run / "recipe.json", {"recipe": {}})
    (run / "MODEL_CARD.md").write_bytes(card.encode("latin-1"))
    assert evaluate([good], root).facts["mine"].parameters is None


def test_each_run_and_split_without_its_hash_is_told(root, good):
    write_split(root, "cross_season", {"a": [0] * 20, "b": [3] * 20, "c": [2] * 20})
    hashed = labels_hash(read_split(root, "cross_season", require_videos=False), 5)
    state(good, labels={"cross_season": hashed})
    notes = evaluate([good], root).notes
    assert "run 'mine' does not state which labels it was predicted for (test)" in notes


def test_a_split_that_is_named_twice_counts_once(root, good):
    once, twice = (evaluate([good], root, splits=s) for s in (["test"], ["test", "test"]))
    assert once.to_json() == twice.to_json()


def test_wrong_folders_and_splits_are_told(root, good, tmp_path):
    (tmp_path / "outer").mkdir()
    inner = shutil.move(root / "BASKET_Labels", tmp_path / "outer" / "inner" / "BASKET_Labels")
    with pytest.raises(NotFoundError, match=r"did you mean '.*inner'"):
        evaluate([good], tmp_path / "outer")
    shutil.move(inner, root / "BASKET_Labels")
    with pytest.raises(NotFoundError, match=f"did you mean '{root}'"):
        evaluate([good], root / "BASKET_Labels")
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        evaluate([good], root, splits=["tset"])
    done = CliRunner().invoke(
        app, ["report", str(tmp_path / "outer"), "--predictions", str(good), "--out", "a.html"]
    )
    assert done.exit_code != 0


def test_csv_in_place_of_parquet_is_told(root, good):
    path = root / "p.csv"
    pl.read_parquet(good).write_csv(path)
    with pytest.raises(BadInputError, match=r"read_csv\(FILE\)"):
        evaluate([path], root)


def test_a_run_that_lacks_a_split_is_told(root, good):
    write_split(root, "cross_season", {"z": [0] * 20})
    evaluation = evaluate([good], root)
    assert "run 'mine' does not predict cross_season" in evaluation.notes
    row = next(r for r in tables.split_table(evaluation).texts() if r[0] == "Unseen")
    assert row[3] == "-"


@pytest.mark.parametrize(
    ("change", "value"),
    [("accuracy", 30), ("accuracy", -1), ("low", float("nan")), ("kind", "robots"),
     ("ratings", -5), ("skills", {"steals": 50.0})],
)  # fmt: skip
def test_damaged_results_of_a_study_are_refused(tmp_path, change, value):
    row = {
        "run": "novice", "kind": "people", "subjects": 2, "ratings": 9, "accuracy": 0.5,
        "low": 0.4, "high": 0.6, "skills": {"steals": 0.5},
    }  # fmt: skip
    path = tmp_path / "rows.json"
    content = {"levels": 3, "skills": ["steals"], "rows": [row]}
    path.write_text(json.dumps(content))
    assert read_study_rows(path)["rows"] == [row]
    path.write_text(json.dumps(content | {"rows": [row | {change: value}]}))
    with pytest.raises(BadInputError, match="of 'openbasket study results'"):
        read_study_rows(path)


def test_a_constant_answer_counts_as_no_correlation_in_means(root, good):
    first = [subject(p) for p in "abc"]
    rows = []
    for row in predictions({one: [3] * 20 for one in first}).iter_rows(named=True):
        if row["skill"] == SKILLS[0].key:
            level = (0, 3, 4)[first.index(row["subject_id"])]
            row |= {f"p{n}": float(n == level) for n in range(5)}
        rows.append(row)
    save(pl.DataFrame(rows, schema=pl.read_parquet(good).schema), good)
    write_split(root, "test", {"a": [0] * 20, "b": [3] * 20, "c": [4] * 19 + [3]})
    scores = evaluate([good], root).find("mine").scores["spearman"]
    assert scores[SKILLS[0].key].value == pytest.approx(1.0)
    assert scores[SKILLS[1].key].value is None
    assert scores["mean"].value == pytest.approx(1 / 20)
    assert scores["mean"].labels == 60


def test_labels_that_do_not_vary_are_in_no_mean(root, good):
    write_split(root, "test", {p: [0, *[3] * 19] if p == "a" else [3] * 20 for p in "abc"})
    scores = evaluate([good], root).find("mine").scores["spearman"]
    assert scores["mean"].labels == 3
    assert scores["mean"].value == 0
