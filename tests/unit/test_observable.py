"""The share of what could be seen: of the same people, labels, skills and plays, with an honest interval."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from test_evaluation import predictions, save, subject, write_split

from openbasket import tables
from openbasket.errors import BadInputError
from openbasket.evaluation import ablations, evaluate
from openbasket.evaluation.ceiling_shares import Ceilings, fieller
from openbasket.evaluation.formats import latex, markdown
from openbasket.evaluation.leaderboard import write_leaderboard
from openbasket.evaluation.observable import own_clips, read_ceiling
from openbasket.evaluation.tables import breakdown_tables, main_table, skill_table, split_table
from openbasket.skills import SKILL_KEYS
from openbasket.workspace import Workspace, write_json

PEOPLE = [f"p{i:02}" for i in range(60)]
LEVELS = {person: [i % 5] * 20 for i, person in enumerate(PEOPLE)}
HASH = "0" * 64


def write_ceiling(root, right, *, labels=LEVELS, split="test", events=(50,), skills=SKILL_KEYS):
    """Tables of a ceiling: ``right(person, skill, events)``, for five levels."""
    rows = [
        (subject(person), split, skill, n, "uniform", 5, row[0], right(person, skill, n))
        for person, row in labels.items()
        for skill in skills
        for n in events
    ]
    cells = pl.DataFrame(rows, schema=tables.dtypes("ceiling_cells"), orient="row")
    folder = root / "openbasket"
    folder.mkdir(exist_ok=True)
    cells.write_parquet(folder / "ceiling_cells.parquet")
    means = cells.group_by("skill", "events", "sampling", "levels", "split").agg(
        accuracy=pl.col("right").mean().cast(pl.Float64),
        subjects=pl.len(),
        labels=pl.len(),
    )
    none = pl.lit(None)
    summary = means.with_columns(learner=none, low=none, high=none, labels_hash=pl.lit(HASH))
    types = tables.dtypes("ceiling")
    summary.select(pl.col(n).cast(t) for n, t in types.items()).write_parquet(
        folder / "ceiling.parquet"
    )


def three_of_five(person, skill="", events=0):
    """Right for three persons of five."""
    return float(int(person[1:]) % 5 < 3)


@pytest.fixture
def root(tmp_path):
    write_split(tmp_path, "test", LEVELS)
    right = {subject(p): row for p, row in LEVELS.items()}
    wrong = {who: [(row[0] + 2) % 5] * 20 for who, row in right.items()}
    some = {who: right[who] if i % 5 < 2 else wrong[who] for i, who in enumerate(right)}
    runs = [predictions(x, n) for n, x in (("good", right), ("bad", wrong), ("some", some))]
    save(pl.concat(runs), tmp_path / "p.parquet")
    return tmp_path


def scored(root, **settings):
    return evaluate([root / "p.parquet"], root, resamples=400, **settings)


# -- the share and its interval -------------------------------------------------------------------


def test_the_interval_is_that_of_fieller():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=100_000)
    tops = 0.1 + 0.02 * (0.8 * shared + 0.6 * rng.normal(size=100_000))
    bottoms = 0.2 + 0.02 * shared
    low, high = fieller(np.r_[0.1, tops], np.r_[0.2, bottoms])
    # Its ends are the ratios that the data do not refuse: (top - r bottom)^2 = z^2 var(top - r bottom).
    for end in (low, high):
        off = 0.1 - end * 0.2
        assert off**2 == pytest.approx(1.959964**2 * np.var(tops - end * bottoms, ddof=1), rel=1e-6)
    drawn = np.quantile(tops / bottoms, [0.025, 0.975])
    assert (low, high) == pytest.approx(drawn, abs=0.01)


def test_the_interval_grows_with_what_is_not_sure_about_the_ceiling():
    rng = np.random.default_rng(0)
    tops = 0.1 + 0.01 * rng.normal(size=2000)
    sure, unsure = (0.2 + s * rng.normal(size=2000) for s in (0.0, 0.03))
    widths = [
        high - low
        for low, high in (fieller(np.r_[0.1, tops], np.r_[0.2, x]) for x in (sure, unsure))
    ]
    assert widths[0] == pytest.approx(2 * 1.96 * 0.05, rel=0.05)
    assert widths[1] > 1.5 * widths[0]


def test_one_run_that_is_right_where_the_observer_is_has_all_of_it(root):
    """Paired: on the same people every draw is the same, which is no interval of other people."""
    write_ceiling(root, lambda person, *_: float(int(person[1:]) % 5 < 2) or 0.0)
    evaluation = scored(root)
    one = evaluation.find("some").observable["mean"]
    assert (one.value, one.low, one.high) == (pytest.approx(1), None, None)
    [note] = [n for n in evaluation.notes if "no interval of the share of 'some'" in n]
    assert note.endswith("the mean of the skills: the same whoever is drawn")
    assert note in main_table(evaluation).footer
    guess = evaluation.find("random").observable["mean"]
    assert (guess.value, guess.low, guess.high) == pytest.approx((0, 0, 0))


def _ceilings(rng, people, right=0.5, games=None):
    """A ceiling of ``people``, a run that is right now and then, and labels of all."""
    seen = (rng.random((people, 20)) < right).astype(float)
    cells = (rng.random((people, 20)) < 0.4).astype(float)
    labels = np.zeros((people, 20))
    names = [str(i) for i in range(people)]
    made = Ceilings(seen, labels, names, games=games, chance=0.2, resamples=400)
    return made, cells


def test_few_people_give_no_interval():
    rng = np.random.default_rng(0)
    few, cells = _ceilings(rng, 5, right=0.95)
    why = {}
    found = few.shares(cells, why)["mean"]
    assert (found.low, found.high) == (None, None)
    assert why["mean"] == "fewer than 6 persons"
    assert few.scores["mean"].low < 0.7  # as of five yes-or-no answers
    more, cells = _ceilings(rng, 12, right=0.95)
    found = more.shares(cells)["mean"]
    assert found.low < found.value < found.high


def test_an_interval_that_says_nothing_is_not_shown(root):
    """A third of 60 persons: clearly above chance, but hardly."""
    spread = np.random.default_rng(0).normal(size=2000)
    tops, near = np.r_[0.1, 0.1 + 0.01 * spread], np.r_[0.02, 0.02 + 0.02 * spread]
    assert fieller(tops, near) is None
    write_ceiling(root, lambda person, *_: float(int(person[1:]) % 3 == 0))
    evaluation = scored(root)
    good = evaluation.find("good").observable["mean"]
    assert (good.value, good.low, good.high) == (pytest.approx(0.8 / (1 / 3 - 0.2)), None, None)
    told = [n for n in evaluation.notes if "no interval of the share of 'good' on 'test'" in n]
    assert [note.rsplit(": ")[-1] for note in told] == ["wider than 10 times the ceiling"]


def test_games_that_people_share_widen_ceiling_and_share():
    """Ten people of a team are seen in the same games, where they are all seen well or badly."""
    from scipy import sparse

    rng = np.random.default_rng(2)
    team = np.arange(120) // 10
    good = rng.random(12)
    seen = (rng.random((120, 20)) < 0.3 + 0.7 * good[team][:, None]).astype(float)
    cells = (rng.random((120, 20)) < 0.2 + 0.4 * rng.random(12)[team][:, None]).astype(float)
    names, labels = [str(i) for i in range(120)], np.zeros((120, 20))
    shares = sparse.csr_array((np.ones(120), (np.arange(120), team)), (120, 12))
    apart = sparse.csr_array(sparse.eye(120, format="csr"))
    widths = {}
    for name, games in (("none", None), ("apart", apart), ("shared", shares)):
        made = Ceilings(seen, labels, names, games=games, chance=0.2, resamples=400)
        both = made.scores["mean"], made.shares(cells)["mean"]
        widths[name] = [one.high - one.low for one in both]
        # Right where the observer is, but for one person: games do the same to both.
        paired = seen.copy()
        paired[0] = 1.0
        one = made.shares(paired)["mean"]
        assert one.high - one.low < 0.06
    assert widths["none"] == pytest.approx(widths["apart"])
    assert widths["shared"][0] > 1.5 * widths["none"][0]
    assert widths["shared"][1] > 1.3 * widths["none"][1]


def test_a_share_is_told_with_the_ceilings_interval(root):
    write_ceiling(root, three_of_five)
    evaluation = scored(root)
    good = evaluation.find("good").observable["mean"]
    assert good.value == pytest.approx(2)  # (1 - 0.2) / (0.6 - 0.2)
    assert good.low < 2 < good.high
    assert evaluation.find("random").observable["mean"].value == pytest.approx(0)
    top = evaluation.ceiling["test"][""]["mean"]
    assert top.value == pytest.approx(0.6)
    assert top.low < 0.6 < top.high
    assert evaluation.clips == 50


def test_a_ceiling_that_is_not_clearly_above_chance_gives_no_share(root):
    def right(person, skill, _):
        return 0.26 if skill == "steals" else three_of_five(person)

    def vague(person, skill, _):
        return float(int(person[1:]) % 4 == 0) if skill == "steals" else three_of_five(person)

    write_ceiling(root, vague)  # a quarter of 60 persons: 25 % [14, 36]
    evaluation = scored(root)
    assert "steals" not in evaluation.find("good").observable
    assert "assists" in evaluation.find("good").observable
    assert any("no share on 'test' for Steals: the interval" in n for n in evaluation.notes)
    rows = {row[0]: row for row in skill_table(evaluation).texts()}
    assert rows["Steals"][-3:] == ["-"] * 3
    assert rows["Steals"][-4].startswith("25.0 [")
    write_ceiling(root, right)  # 26 % of everybody, whoever is drawn: [16, 39] as of 60 answers
    assert "steals" not in scored(root).find("good").observable


def test_the_mean_is_a_ratio_of_means_over_the_skills_of_both(root):
    def right(person, skill, _):
        i = int(person[1:])
        return float(i % 5 < (4 if skill == "assists" else 2))

    known = ("assists", "rebounds")
    write_ceiling(root, right, skills=known)
    evaluation = scored(root)
    found = evaluation.find("some").observable
    assert found["assists"].value == pytest.approx((0.4 - 0.2) / (0.8 - 0.2))
    assert found["rebounds"].value == pytest.approx(1)
    # Not the mean of the ratios, which is 2 / 3.
    assert found["mean"].value == pytest.approx((0.4 - 0.2) / (0.6 - 0.2))
    assert (found["mean"].labels, found["mean"].cells) == (2 * 60, 20 * 60)
    assert any("shares on 'test' are without Free Throw," in note for note in evaluation.notes)


def test_accuracy_in_a_share_is_of_the_same_skills_as_the_ceiling():
    """A run that is right in skills without a ceiling has no more of what could be seen."""
    rng = np.random.default_rng(1)
    right = np.full((80, 20), np.nan)
    right[:, :5] = rng.random((80, 5)) < 0.6
    cells = np.ones((80, 20))
    cells[:, :5] = right[:, :5]
    labels = np.zeros((80, 20))
    found = Ceilings(right, labels, [str(i) for i in range(80)], chance=0.2, resamples=200)
    assert found.shares(cells)["mean"].value == pytest.approx(1)


# -- what the ceiling is of ------------------------------------------------------------------------


def test_a_ceiling_of_other_labels_is_not_shown(root):
    other = {**LEVELS, "p03": [0] * 20}
    write_ceiling(root, three_of_five, labels=other)
    evaluation = scored(root)
    assert evaluation.ceiling == {}
    assert not evaluation.find("good").observable
    assert any(
        "measured for other labels of 1 of 60 subjects, such as p03_L_21_22" in note
        and "openbasket ceiling" in note
        for note in evaluation.notes
    )
    assert "Of observable (%)" not in main_table(evaluation).columns


def test_a_ceiling_of_another_split_is_not_shown(root):
    write_ceiling(root, three_of_five, split="cross_season")
    evaluation = scored(root)
    assert evaluation.ceiling == {}
    assert any("for 'test': the ceiling was not measured on it" in n for n in evaluation.notes)


def test_a_ceiling_without_some_of_the_people_is_not_shown(root):
    write_ceiling(root, three_of_five, labels=dict(list(LEVELS.items())[:58]))
    evaluation = scored(root)
    assert evaluation.ceiling == {}
    assert any("without 2 of 60 subjects, such as p58_L_21_22" in n for n in evaluation.notes)


def test_more_people_than_the_dataset_has_are_no_fault(root):
    """Who has no reel is in the ceiling and not in the dataset."""
    write_ceiling(
        root,
        lambda p, *_: float(p == "p99") or three_of_five(p),
        labels={**LEVELS, "p99": [1] * 20},
    )
    assert scored(root).ceiling["test"][""]["mean"].value == pytest.approx(0.6)


def test_the_ceiling_is_that_of_the_clips_of_the_dataset(root):
    def right(person, _, events):
        return float(int(person[1:]) % 10 < {10: 4, 40: 6, 50: 9}[events])

    write_ceiling(root, right, events=(10, 40, 50))
    write_json(root / "openbasket" / "reels_draw0.json", {"events": 20})
    assert own_clips(Workspace(root)) == 20
    evaluation = scored(root)
    assert evaluation.clips == 20
    # Half-way between 10 and 40 on a logarithmic scale.
    assert evaluation.ceiling["test"][""]["mean"].value == pytest.approx(0.5)
    assert any("20 clips lies between those of 10 and 40 plays" in n for n in evaluation.notes)
    assert read_ceiling(Workspace(root), 5)["assists"] == pytest.approx(0.5)
    write_json(root / "openbasket" / "reels_draw0.json", {"events": 5})
    beyond = scored(root)
    assert beyond.ceiling == {}
    assert any("10 to 50 plays alone, and reels have 5 clips" in n for n in beyond.notes)
    assert read_ceiling(Workspace(root), 5) == {}


def test_the_clips_of_a_dataset_without_its_reels_are_those_of_the_manifest(root):
    folder = root / "openbasket"
    folder.mkdir()
    assert own_clips(Workspace(root)) is None
    reels = {"a.mp4": {"clips": 7}, "b.mp4": {"clips": 8}}
    write_json(folder / "manifest.json", {"levels": 5, "reels": reels})
    assert own_clips(Workspace(root)) == 8
    write_json(folder / "manifest.json", {"levels": 5, "reels": {"a.mp4": {}}})
    with pytest.raises(BadInputError, match="clips of reels"):
        own_clips(Workspace(root))


def test_a_ceiling_of_an_older_version_is_refused(root):
    write_ceiling(root, three_of_five)
    (root / "openbasket" / "ceiling_cells.parquet").unlink()
    with pytest.raises(BadInputError, match="openbasket ceiling"):
        scored(root)


# -- tables ----------------------------------------------------------------------------------------


@pytest.fixture
def regions(root):
    """Regions of 50 and of 10 persons; the observer is right in half of the first and all of the second."""
    place = ["north" if i < 50 else "south" for i in range(60)]
    people = {
        "subject_id": [subject(p) for p in PEOPLE], "player_id": PEOPLE, "league": "L", "season": "21-22",
        "gender": "men", "region": place, "games": 9, "minutes": 99.0, "events": 99,
    }  # fmt: skip
    Workspace(root).write("subjects", pl.DataFrame(people))
    write_ceiling(root, lambda p, *_: float(int(p[1:]) >= 50 or int(p[1:]) % 2))
    return root


def test_a_group_has_the_ceiling_of_its_own_people_if_they_are_enough(regions):
    evaluation = scored(regions)
    [table] = breakdown_tables(evaluation)
    rows = {row[0]: row[1:] for row in table.texts()}
    assert rows["Ceiling (%)"][0].startswith("50.0 [")  # north's own
    assert rows["Ceiling (%)"][1].startswith("58.3 [")  # the whole's: ten persons are too few
    assert rows["some, of observable (%)"][0].startswith("66.7 [")  # (0.4 - 0.2) / (0.5 - 0.2)
    assert rows["some, of observable (%)"][1].startswith("52.2 [")  # (0.4 - 0.2) / (0.583 - 0.2)
    assert "of the whole split for south (fewer than 30 persons)" in table.footer
    assert "majority, of observable (%)" not in rows


def test_every_table_of_accuracy_has_the_share_and_the_ceiling(root):
    write_ceiling(root, three_of_five)
    evaluation = scored(root)
    main = main_table(evaluation)
    assert main.columns[-2:] == ["Of observable (%)", "Ceiling (%)"]
    rows = {row[0]: row for row in main.texts()}
    assert rows["m (good)"][-2].startswith("200.0 [")
    assert rows["m (good)"][-1].startswith("60.0 [")
    splits = split_table(evaluation)
    by = {row[0]: row[1] for row in splits.texts()}
    assert by["good, of observable (%)"].startswith("200.0 [")
    assert by["Ceiling (%)"].startswith("60.0 [")
    skills = skill_table(evaluation)
    assert skills.columns[-4:] == ["Ceiling (%)"] + [
        f"{run}, of observable (%)" for run in ("bad", "good", "some")
    ]
    for table in (main, splits, skills):
        assert "50 plays of a reel" in table.footer
        assert "50 plays of a reel" in markdown([table])
        assert latex([table]).count("50 plays of a reel") == 1
    assert "200.0" in write_leaderboard(evaluation, root / "l.html").read_text()


def test_few_runs_are_columns_of_table_5_with_their_shares(root):
    frame = pl.read_parquet(root / "p.parquet").filter(pl.col("run") == "some")
    save(frame, root / "p.parquet")
    write_ceiling(root, three_of_five)
    table = split_table(scored(root))
    assert table.columns[-2:] == ["some, of observable (%)", "Ceiling (%)"]
    assert table.texts()[0][-2].startswith("50.0 [")
    assert table.texts()[0][-1].startswith("60.0 [")


def test_table_4_has_the_share(root):
    write_ceiling(root, three_of_five)
    planned = [ablations.Line("draws", (str(i),), run) for i, run in enumerate(("some", "gone"))]
    lines = ablations.lines_of(planned, scored(root))
    draws = ablations.over_draws({"some": root / "p.parquet"}, root, resamples=200)
    file = root / "table4.json"
    write_json(file, ablations.to_json(lines, draws))
    assert ablations.read_table4(file) == (lines, draws, [])
    [table] = ablations.table4(lines, draws)
    assert table.columns[-1] == "Of observable (%)"
    told = [row[-1] for row in table.texts()]
    assert told[0].startswith("50.0 [")
    assert told[1] == "-"
    assert told[2].startswith("50.0 [")
