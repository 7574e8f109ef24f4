"""Study: accuracy of people and models, agreement, Figure 5, exports."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import polars as pl
import pytest
from study_studies import SKILLS, store

from openbasket.errors import BadInputError, NotFoundError
from openbasket.evaluation.study_rows import read_study_results
from openbasket.skills import SKILL_KEYS
from openbasket.study import exports
from openbasket.study.agreement import alpha
from openbasket.study.models import Assignment
from openbasket.study.results import summarise, write_results
from openbasket.workspace import Workspace


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
    assert "20 (failed attention checks)" in found.agreement_line()


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
    assert "| novice | 2 | 40 | 50.0 [" in (tmp_path / "out" / "results.md").read_text()
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


def test_tables_for_people_run_no_formulas(memory):
    text = exports.csv_text(exports.participants(memory))
    assert set(pl.read_csv(io.StringIO(text))["label"]) == {"'=1+1"}
    assert set(exports.participants(memory)["label"]) == {"=1+1"}


@pytest.mark.parametrize("lead", ["=", "+", "-", "@", "\t", "\r", "\n", "|", "%", " ="])
def test_every_formula_lead_is_defused(lead):
    text = exports.csv_text(
        pl.DataFrame({"a": [f"{lead}cmd|' /C calc'!A0", "plain"], "n": [-1, 2]})
    )
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
    (tmp_path / "other.json").write_text('{"rows": 1}')
    for name in ("other.json", "none.json"):
        with pytest.raises(BadInputError, match=r"study_rows\.json of 'openbasket study results'"):
            read_study_rows(tmp_path / name)
