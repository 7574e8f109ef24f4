"""Study: accuracy of people and models, agreement, Figure 5, exports."""

from __future__ import annotations

import io
import json
import re
import time

import numpy as np
import polars as pl
import pytest
from study_studies import SKILLS, dataset, design, store

from openbasket.dataset.reader import labels_hash, read_split
from openbasket.errors import BadInputError, NotFoundError
from openbasket.evaluation.study_rows import read_study_results
from openbasket.skills import SKILL_KEYS
from openbasket.study import exports
from openbasket.study.agreement import alpha, alphas
from openbasket.study.models import Assignment
from openbasket.study.panel import Panel
from openbasket.study.results import summarise
from openbasket.study.results_files import notes, tables, write_results
from openbasket.workspace import Workspace, run_facts_path, write_json


def take_part(memory, right: int, years: float, *, recognise: int = 0, deaf: bool = False) -> int:
    """A participant with ``right`` right answers of five for every player, who knows the first few."""
    [(person, _)] = memory.invite(1, "=1+1")
    memory.consent(person, "consent", True)
    memory.experience(person, "experience", years, years)
    pool = memory.pool()
    for number in range(memory.design.needed):
        step = memory.view(person).step
        if step.kind == "begin":
            memory.begin(person, step.key)
        found = memory.view(person).step.assignment
        with memory.database.write() as session:
            session.get_one(Assignment, found.id).opened_at = time.time() - 60
        memory.served(found.id)
        memory.watched(person, f"watch-{found.id}")
        memory.recognise(person, f"recognise-{found.id}", number < recognise)
        if number < recognise:
            continue
        truth = pool[found.subject_id].levels
        said = {
            key: truth[key] if place < right else (truth[key] + 1) % 3
            for place, key in enumerate(SKILLS)
        }
        check = found.check_level
        memory.rate(
            person,
            f"rate-{found.id}",
            said,
            (check + 1) % 3 if deaf and check is not None else check,
        )
    return person


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    made = store(tmp_path_factory.mktemp("study"), pool=18, players=2, sessions=2)
    take_part(made, 2, 0)
    take_part(made, 3, 0)
    take_part(made, 4, 20, recognise=1)
    take_part(made, 5, 20)
    take_part(made, 0, 20, deaf=True)  # two failed checks, one is allowed
    return made


def predictions(path, subjects, *, right: int, levels: int = 3, truth=None):
    rows = []
    for subject in subjects:
        for key in SKILL_KEYS:
            said = np.zeros(5)
            place = SKILLS.index(key) if key in SKILLS else 0
            level = truth[subject].levels[key] if key in SKILLS else 0
            said[level if place < right else (level + 1) % 3] = 1.0
            values = [float(v) if n < levels else None for n, v in enumerate(said)]
            rows.append(
                {"subject_id": subject, "skill": key, "model": "tiny", "run": "tiny3"}
                | {f"p{n}": v for n, v in enumerate(values)}
            )
    frame = pl.DataFrame(rows, schema_overrides={f"p{n}": pl.Float64 for n in range(5)})
    Workspace.write_file("predictions", frame, path)
    return path


def test_groups_have_mean_and_range_of_their_participants(memory):
    found = summarise(memory)
    novice, expert, everybody = found.people
    assert [line.name for line in found.people] == ["novice", "expert", "everybody"]
    assert novice.accuracy == pytest.approx(0.5)
    assert (novice.least, novice.most) == pytest.approx((0.4, 0.6))
    assert expert.accuracy == pytest.approx(0.9)
    assert (expert.least, expert.most) == pytest.approx((0.8, 1.0))
    assert everybody.raters == 4
    assert everybody.ratings == 3 * 20 + 15
    assert found.chance == pytest.approx(1 / 3)
    assert everybody.low <= everybody.accuracy <= everybody.high


def test_each_skill_and_each_participant_has_an_accuracy(memory):
    found = summarise(memory)
    novice = found.people[0]
    assert [novice.skills[key] for key in SKILLS] == pytest.approx([1, 1, 0.5, 0, 0])
    assert [row["accuracy"] for row in found.participants] == pytest.approx([0.4, 0.6, 0.8, 1.0])


def test_recognised_players_and_failed_checks_do_not_count(memory):
    found = summarise(memory)
    assert found.excluded == {"failed attention checks": 20, "recognised the player": 5}
    assert "20 (failed attention checks)" in notes(found)[0]


def test_a_model_is_scored_on_exactly_the_rated_players(memory, tmp_path):
    pool = memory.pool()
    rated = set(exports.ratings(memory).filter(pl.col("excluded").is_null())["subject_id"])
    file = predictions(tmp_path / "p.parquet", sorted(pool), right=2, truth=pool)
    [line] = summarise(memory, [file]).models
    assert line.accuracy == pytest.approx(0.4)
    assert line.players == len(rated) < len(pool)
    assert line.skills["overall_shooting"] == 1.0
    assert line.skills["efficiency"] == 0.0


def test_a_model_of_other_levels_or_other_players_is_refused(memory, tmp_path):
    pool = memory.pool()
    some = sorted(pool)[:2]
    file = predictions(tmp_path / "p.parquet", some, right=2, levels=5, truth=pool)
    with pytest.raises(BadInputError) as caught:
        summarise(memory, [file])
    text = str(caught.value)
    assert "5 levels in run 'tiny3'" in text
    assert "no prediction for" in text


def test_no_ratings_are_no_results(tmp_path):
    with pytest.raises(NotFoundError, match="no ratings that count"):
        summarise(store(tmp_path))


def test_figure_table_and_rows_are_written(memory, tmp_path):
    file = predictions(tmp_path / "p.parquet", sorted(memory.pool()), right=2, truth=memory.pool())
    paths = write_results(summarise(memory, [file]), tmp_path / "out")
    assert [p.name for p in paths] == [
        "figure5.png", "figure5.svg", "results.md", "results.json", "study_rows.json",
    ]  # fmt: skip
    svg = (tmp_path / "out" / "figure5.svg").read_text()
    assert svg.startswith("<?xml")
    text = (tmp_path / "out" / "results.md").read_text()
    assert re.search(r"\| novice \| 2 \| \d+ \| 40 \| 50\.0 \[", text)
    assert "|\n\n- Ratings left out" in text, "a list after a table needs an empty line"
    assert re.search(r"\| 1 \| novice \| 20 \| 40\.0", text)
    rows = json.loads((tmp_path / "out" / "study_rows.json").read_text())["rows"]
    assert read_study_results(tmp_path / "out").rows()["rows"] == rows
    assert {row["run"] for row in rows} == {"novice", "expert", "everybody", "tiny3"}


@pytest.mark.parametrize("levels", [3, 5])
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8])
def test_alpha_is_that_of_the_krippendorff_package(levels, missing):
    krippendorff = pytest.importorskip("krippendorff", reason="GPL: installed by hand")
    rng = np.random.default_rng(levels)
    for raters in (2, 3, 11):
        truth = rng.integers(0, levels, 40)
        noise = rng.integers(-1, 2, (raters, 40))
        ratings = np.clip(truth + noise, 0, levels - 1).astype(float)
        ratings[rng.random(ratings.shape) < missing] = np.nan
        theirs = krippendorff.alpha(
            ratings, level_of_measurement="ordinal", value_domain=list(range(levels))
        )
        assert alpha(ratings, levels) == pytest.approx(theirs, abs=1e-12)


def test_alpha_is_that_of_the_example_in_the_literature():
    """Krippendorff 2011, Computing Krippendorff's alpha-reliability, section C: ordinal 0.815."""
    text = "1 2 3 3 2 1 4 1 2 . . .|1 2 3 3 2 2 4 1 2 5 . 3|. 3 3 3 2 3 4 2 2 5 1 .|1 2 3 3 2 4 4 1 2 5 1 ."
    rows = [[np.nan if c == "." else int(c) - 1 for c in row.split()] for row in text.split("|")]
    assert alpha(np.array(rows, float), 5) == pytest.approx(0.815, abs=5e-4)


def test_alpha_is_one_for_full_agreement_and_none_without_pairs():
    same = np.array([[0.0, 1, 2, 1]] * 3)
    assert alpha(same, 3) == pytest.approx(1.0)
    assert alpha(np.full((2, 4), 1.0), 3) is None
    alone = np.array([[0.0, np.nan], [np.nan, 1.0]])
    assert alpha(alone, 3) is None


def test_alpha_is_of_each_skill_so_that_guesses_round_a_skills_own_level_are_no_agreement():
    """Two skills of other typical levels: pooled, ten who guess would seem to agree."""
    rng = np.random.default_rng(0)
    rows = [
        {"participant": person, "subject_id": f"p{player}", "skill": skill, "right": False,
         "level": int(rng.integers(0, 2)) + (3 if skill == "steals" else 0)}
        for person in range(10) for player in range(30) for skill in ("rebounds", "steals")
    ]  # fmt: skip
    panel = Panel(pl.DataFrame(rows), ("rebounds", "steals"), 5, 300, 0)
    assert alpha(np.hstack(list(panel.level.transpose(2, 0, 1))), 5) > 0.7
    found = panel.agreement()
    for one in (found.mean, *found.skills.values()):
        assert abs(one.value) < 0.1
        assert one.low <= one.value <= one.high
        assert one.high < 0.2


def test_resampled_copies_of_a_rater_do_not_agree_with_themselves():
    rng = np.random.default_rng(1)
    ratings = rng.integers(0, 3, (4, 300)).astype(float)
    once = np.ones((1, 300))
    [same] = alphas(ratings, 3, np.ones((1, 4)), once)
    assert same == pytest.approx(alpha(ratings, 3))
    [doubled] = alphas(ratings, 3, np.array([[2, 2, 0, 0]]), once)
    [pair] = alphas(ratings, 3, np.array([[1, 1, 0, 0]]), once)
    assert doubled == pytest.approx(pair, abs=0.01)
    assert np.isnan(alphas(ratings, 3, np.array([[4, 0, 0, 0]]), once))


def test_intervals_know_of_participants_and_of_players():
    """One hard player in two: other players would give other numbers, though all participants are alike."""
    rows = [
        {"participant": person, "subject_id": f"p{player}", "skill": "steals", "level": 0,
         "right": player % 2 == 0}
        for person in range(8) for player in range(10)
    ]  # fmt: skip
    found = Panel(pl.DataFrame(rows), ("steals",), 3, 500, 0).accuracy()
    assert found.value == pytest.approx(0.5)
    assert found.low < 0.35
    assert found.high > 0.65


def test_skills_participants_and_alpha_have_intervals(tmp_path):
    shared = store(tmp_path, pool=5, players=2, sessions=2)
    for right in (2, 3, 4, 5):
        take_part(shared, right, 0)
    found = summarise(shared)
    everybody = found.people[-1]
    for key in SKILLS:
        low, high = everybody.skill_intervals[key]
        assert low <= everybody.skills[key] <= high
    known = [value for value in everybody.alphas.values() if value is not None]
    assert everybody.alpha == pytest.approx(np.mean(known))
    assert everybody.alpha_low <= everybody.alpha <= everybody.alpha_high
    for one in found.participants:
        assert one["low"] <= one["accuracy"] <= one["high"]


def test_the_commonest_level_is_a_baseline(memory):
    found = summarise(memory)
    rated = exports.ratings(memory).filter(pl.col("excluded").is_null())
    levels = rated.filter(pl.col("skill") == "steals").unique("subject_id")["truth"]
    most = levels.value_counts()["count"].max() / len(levels)
    assert found.commonest_skills["steals"] == pytest.approx(most)
    assert found.commonest == pytest.approx(np.mean(list(found.commonest_skills.values())))
    assert f"always the commonest level {100 * found.commonest:.1f}" in tables(found)[0][0]


def test_who_rated_few_players_does_not_count(tmp_path):
    few = store(tmp_path, pool=18, players=2, sessions=2, min_players=4)
    take_part(few, 2, 0)
    take_part(few, 5, 0, recognise=1)
    found = summarise(few)
    assert found.excluded == {"rated too few players": 15, "recognised the player": 5}
    assert [one["participant"] for one in found.participants] == [1]
    assert design().counts_from == 5


def test_ratings_by_the_clock_are_told_and_may_be_left_out(memory, tmp_path):
    found = summarise(memory)
    assert found.by_clock == 75
    assert any("without scripts" in note for note in notes(found))
    strict = store(tmp_path, pool=18, players=2, sessions=2, count_clock=False)
    take_part(strict, 2, 0)
    with pytest.raises(
        NotFoundError, match=r"20 ratings, and none that counts: 20 \(watched without"
    ):
        summarise(strict)


def test_predictions_are_looked_at_before_ratings(tmp_path):
    with pytest.raises(BadInputError, match=r"none\.parquet"):
        summarise(store(tmp_path), [tmp_path / "none.parquet"])


def test_models_are_scored_on_the_players_of_each_group(memory, tmp_path):
    file = predictions(tmp_path / "p.parquet", sorted(memory.pool()), right=2, truth=memory.pool())
    found = summarise(memory, [file])
    assert found.models[0].groups == pytest.approx({"novice": 0.4, "expert": 0.4})
    assert tables(found)[-1][2] == [["tiny3", "40.0", "40.0"]]
    assert any("do not state which labels" in note for note in notes(found))


def test_a_model_for_other_labels_is_refused(memory, tmp_path):
    dataset(tmp_path / "ws", players=2)
    file = predictions(tmp_path / "p.parquet", sorted(memory.pool()), right=2, truth=memory.pool())
    write_json(run_facts_path(file), {"tiny3": {"labels": {"test": "0" * 64}}})
    with pytest.raises(BadInputError, match="other labels of split 'test'"):
        summarise(memory, [file], root=tmp_path / "ws")
    samples = read_split(tmp_path / "ws", "test")
    write_json(run_facts_path(file), {"tiny3": {"labels": {"test": labels_hash(samples, 3)}}})
    found = summarise(memory, [file], root=tmp_path / "ws")
    assert not any("labels" in note for note in notes(found))
    assert found.labels == {"test": labels_hash(samples, 3)}


def test_runs_of_one_file_may_each_state_facts(memory, tmp_path):
    file = predictions(tmp_path / "p.parquet", sorted(memory.pool()), right=2, truth=memory.pool())
    frame = pl.read_parquet(file)
    both = pl.concat([frame, frame.with_columns(run=pl.lit("other"))])
    Workspace.write_file("predictions", both, file)
    write_json(run_facts_path(file), {"tiny3": {"frames": 8}, "other": {"frames": 4}})
    assert {line.name for line in summarise(memory, [file]).models} == {"tiny3", "other"}


def test_few_participants_and_one_group_are_told(tmp_path):
    alone = store(tmp_path, pool=18, players=2, sessions=2)
    take_part(alone, 2, 0)
    found = summarise(alone)
    assert any("1 participant that count" in note for note in notes(found))
    assert any("no alpha (-)" in note for note in notes(found))
    assert [row[0] for row in tables(found)[0][2]] == ["novice"], "everybody would be the same line"
    assert tables(found)[0][2][0][-1] == "-"


def test_tables_for_people_run_no_formulas(memory):
    text = exports.csv_text(exports.participants(memory))
    assert set(pl.read_csv(io.StringIO(text))["label"]) == {"'=1+1"}
    assert set(exports.participants(memory)["label"]) == {"=1+1"}


@pytest.mark.parametrize(
    "lead",
    ["=", "+", "-", "@", "\t", "\r", "\n", "|", "%", " =", "\uff1d", "\uff0b",
     "\uff0d", "\uff20", "\ufeff=", "\u200b=", "\u00a0\u2060+"],
)  # fmt: skip
def test_every_formula_lead_is_defused(lead):
    text = exports.csv_text(
        pl.DataFrame({"a": [f"{lead}cmd|' /C calc'!A0", "plain"], "n": [-1, 2]})
    )
    assert text.startswith('"a","n"\n"')
    assert '"plain",2' in text
    [first, second] = pl.read_csv(io.StringIO(text)).rows()
    assert first[0].startswith("'")
    assert first[1] == -1
    assert second == ("plain", 2)


def test_people_are_shown_beside_models(memory, tmp_path):
    from openbasket.evaluation import tables
    from openbasket.evaluation.study_rows import read_study_rows

    write_results(summarise(memory), tmp_path)
    table = tables.study_table(read_study_rows(tmp_path / "study_rows.json"))
    rows = table.texts()
    assert "3 levels" in table.title
    assert table.columns[4:] == ["Overall Shooting", "Rebounds", "Steals", "Assists", "Efficiency"]
    assert [row[0] for row in rows] == ["novice", "expert", "everybody"]
    assert rows[1][3].startswith("90.0 [")
    assert table.footer == ""
    same = tables.study_table(read_study_rows(tmp_path / "study_rows.json"), 3)
    assert "does not state its labels' hash" in same.footer
    other = tables.study_table(read_study_rows(tmp_path / "study_rows.json"), 5)
    assert "not comparable (chance is 33.3 and 20.0 percent)" in other.footer
    stated = read_study_rows(tmp_path / "study_rows.json") | {"labels": {"test": "a"}}
    assert "others than this dataset's" in tables.study_table(stated, 3, {"test": "b"}).footer
    assert "others" not in tables.study_table(stated, 3, {"test": "a"}).footer
    (tmp_path / "other.json").write_text('{"rows": 1}')
    for name in ("other.json", "none.json"):
        with pytest.raises(BadInputError, match=r"study_rows\.json of 'openbasket study results'"):
            read_study_rows(tmp_path / name)


def test_people_get_times_in_words_and_machines_in_seconds(memory):
    frame = exports.participants(memory)
    rows = exports.csv_text(frame).splitlines()
    place = rows[0].replace('"', "").split(",").index("started_at")
    assert re.fullmatch(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', rows[1].split(",")[place])
    assert frame["started_at"].dtype == pl.Float64
    assert frame.filter(pl.col("excluded").is_not_null())["excluded"].to_list() == [
        "failed attention checks"
    ]
    assert frame["code"].str.len_chars().min() == 10
