"""Report cards: a player among others, shots, and cards side by side."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.errors import BadInputError, ConfigError, NotFoundError
from openbasket.scouting.card import Card, EvidenceClip, SkillRating, make_card
from openbasket.scouting.cohort import Cohort, Limit, limits, read_cohort
from openbasket.scouting.comparison import compare, read_card, write_comparison
from openbasket.scouting.court import shot_chart
from openbasket.scouting.evidence import Segment
from openbasket.scouting.known import Shot, known
from openbasket.scouting.page import write_page
from openbasket.scouting.words import facts_of
from openbasket.skills import SKILLS
from openbasket.training.rating import Rater
from openbasket.workspace import Workspace, write_json

LEVELS = ("Poor", "Fair", "Average", "Good", "Excellent")


def card(
    player: str, season: str = "21-22", league: str = "L", level: int = 2, sure: float = 0.85
) -> Card:
    """A card whose skills all have one level."""
    told = [(1 - sure) / 4] * 5
    told[level] = sure
    expected = float(np.dot(told, range(5)))
    ratings = tuple(
        SkillRating(
            s.key, s.name, s.category, level, LEVELS[level], tuple(told), expected, True, "sure"
        )
        for s in SKILLS
    )
    model = {"model": "tiny_conv", "run": "run", "data_sha256": "0" * 64, "temperature": 1.0}
    clips = tuple(Segment(10.0 * i, 10.0 * (i + 1)) for i in range(5))
    return Card(Path("v.mp4"), player, league, season, 50.0, clips, LEVELS, ratings, model)


COHORT = Cohort(
    "4 player-seasons of L 21-22",
    ("a", "b", "c", "d"),
    np.array([[0.0] * 20, [1.0] * 20, [2.0] * 20, [4.0] * 20]),
)


def test_similar_players_are_the_nearest_in_standard_deviations():
    found = COHORT.similar(np.full(20, 1.9), {"c": "Cee"}, without="b")
    assert [(s.subject_id, s.name) for s in found] == [("c", "Cee"), ("a", "a"), ("d", "d")]
    spread = np.std([0.0, 2.0, 4.0])
    assert found[0].distance == pytest.approx(0.1 / spread)
    assert found[2].distance == pytest.approx(2.1 / spread)


def test_a_cohort_of_whom_the_model_says_the_same_has_nobody_alike():
    same = Cohort("2", ("a", "b"), np.ones((2, 20)))
    assert same.similar(np.ones(20), {}) == ()
    assert Cohort("0", (), np.empty((0, 20))).similar(np.ones(20), {}) == ()


def test_means_and_percentiles_leave_out_what_is_not_predicted():
    table = COHORT.expected.copy()
    table[:, 3] = math.nan
    table[0, 0] = math.nan
    cohort = Cohort("4", COHORT.subjects, table)
    assert cohort.means()[0] == pytest.approx(7 / 3)
    assert cohort.means()[3] is None
    assert cohort.percentiles(np.full(20, 2.0))[0] == pytest.approx(50.0)
    assert cohort.percentiles(np.full(20, 2.0))[1] == pytest.approx(62.5)
    assert cohort.percentiles(np.full(20, 2.0))[3] is None


def test_the_chart_marks_what_went_in_and_keeps_all_on_the_court():
    shots = [Shot(0, 0.0, 0.5, True, 2), Shot(1, -30.0, 90.0, False, 3), Shot(2, 6.7, 0.0, True, 3)]
    chart = str(shot_chart(shots))
    assert "2 of 3 shots went in" in chart
    assert chart.count('class="in"') == 2
    assert chart.count('class="out"') == 1
    left, top, width, height = map(float, re.search(r'viewBox="([^"]+)"', chart)[1].split())
    for x, y in re.findall(r'c?x="(-?[\d.]+)" cy="(-?[\d.]+)"', chart):
        assert left <= float(x) <= left + width
        assert top <= float(y) <= top + height
    assert 'd="M-7.64' in chart, "a shot from beyond stands at the edge"
    # The arc ends where its corner lines begin: 6.75 m from the basket.
    x, y = map(float, re.search(r"A6\.75 6\.75 0 0 0 ([\d.]+) ([\d.]+)V", chart).groups())
    assert math.hypot(x, y) == pytest.approx(6.75, abs=1e-3)


def test_the_page_has_the_numbers_and_what_the_model_learned_from(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"film")
    plain = card("A", level=3, sure=0.8)
    told = list(plain.skills)
    clip = EvidenceClip(0, 0.0, 10.0, "steal", 0.05, clear=True)
    told[0] = replace(told[0], clear=False, ceiling=0.2, evidence=(clip,))
    told[1] = replace(told[1], clear=False, ceiling=0.6)
    model = plain.model | {"train_subjects": 1234, "validation_accuracy": 0.3125, "size": None}
    made = replace(plain, video=tmp_path / "v.mp4", skills=tuple(told), model=model)
    text = write_page(made, tmp_path / "card.html").read_text()
    assert text.count(">80%</i>") == 20
    assert text.count("%</i>") == 20, "no number where there is no room for it"
    assert text.count(">not observable<") == text.count(">not clear<") == 1
    assert "for Good:" in text
    assert "trained on 1,234 player-seasons</p>" in text
    assert "Expected levels from 0 to 4: Shooting 2.8, " in text
    assert facts_of(made.model) == [
        ("Model", "tiny_conv"),
        ("Run", "run"),
        ("Trained on", "1,234 player-seasons"),
        ("Data (SHA-256)", "0" * 64),
        ("Right on validation", "31.2% of the levels"),
        ("Calibration", "temperature 1"),
    ]
    assert ("Calibration", "none") in facts_of({"model": "x"})


def test_the_picture_has_what_the_page_has():
    pytest.importorskip("matplotlib")
    from openbasket.scouting.charts import draw_card

    plain = card("A", level=3, sure=0.8)
    told = [replace(s, percentile=61.4, cohort_mean=1.0) for s in plain.skills]
    told[1] = replace(told[1], clear=False, ceiling=0.2)
    made = replace(
        plain, skills=tuple(told), shots=(Shot(0, -30.0, 2.0, True, 2), Shot(1, 2.0, 90.0, False, 3)),
        cohort="9 player-seasons of L with at least 300 minutes", notes=tuple(f"Note {i}." for i in range(5)),
        limits=(Limit("league L", 0.314, 0.3, 0.33, 1234), Limit("gender men", 0.3, None, None, 2)),
        model=plain.model | {"train_subjects": 12},
    )  # fmt: skip
    figure = draw_card(made)
    texts = "\n".join(t.get_text() for a in [figure, *figure.axes] for t in a.texts)
    for word in (
        "trained on 12 player-seasons", "at least 300 minutes", "2 field goals", "temperature 1",
        "league L: 31.4% (30 to 33 %, n = 1,234)", "gender men: 30.0% (too few, n = 2)",
        "Note 4.", "not for decisions about people", "not observable",
    ):  # fmt: skip
        assert word in texts
    assert texts.count("61") == texts.count("80%") - 19 == 20
    pizza, _bars, court = figure.axes
    alphas = [p.get_facecolor()[3] for p in pizza.patches]
    assert alphas[1] < 0.5 < min(a for i, a in enumerate(alphas) if i != 1)
    assert len(alphas) == 20
    missed, went_in = (c.get_offsets().tolist() for c in court.collections)
    assert went_in == [[-7.5, 2.0]]
    assert missed == [[2.0, pytest.approx(10.5 - 1.575)]]
    without = draw_card(plain)
    assert len(without.axes) == 2
    assert "percentile" not in [t.get_text() for t in without.axes[1].texts]


def test_marks_that_would_overlap_are_on_lanes_of_their_own(tmp_path):
    cards = [card("A", level=2), card("B", level=2), card("C", level=3)]
    text = write_comparison(compare(cards), tmp_path / "c.html").read_text()
    assert text.count("--lanes:2") == 20
    assert re.findall(r"--lane:(\d)", text)[:3] == ["0", "1", "0"]
    assert "<h1>A 21-22, B 21-22 and C 21-22</h1>" in text


def test_the_better_player_is_named_where_it_is_clear():
    found = compare([card("A", level=1), card("B", level=3)])
    assert found.names == ("A 21-22", "B 21-22")
    assert not found.seasons
    row = found.skills[0]
    assert row.best == 1
    told_a, told_b = card("A", level=1).skills[0], card("B", level=3).skills[0]
    draws = sum(
        p * q * (1.0 if b > a else 0.5 if a == b else 0.0)
        for a, p in enumerate(told_a.probabilities)
        for b, q in enumerate(told_b.probabilities)
    )
    assert row.certainty == pytest.approx(draws)
    assert compare([card("A"), card("B", level=3, sure=0.3)]).skills[0].best is None


def test_seasons_of_one_player_are_in_order():
    found = compare([card("A", "22-23"), card("A", "20-21"), card("A", "21-22")])
    assert found.seasons
    assert found.names == ("20-21", "21-22", "22-23")
    assert any("ranks within a season" in note for note in found.notes)


def test_what_cannot_be_compared_is_refused_or_told():
    one = card("A")
    with pytest.raises(ConfigError, match="got 1 cards; allowed: 2 to 4"):
        compare([one])
    with pytest.raises(ConfigError, match="different runs"):
        compare([one, replace(one, model=one.model | {"run": "other"})])
    notes = compare([one, card("B", league="M")]).notes
    assert any("different leagues" in note for note in notes)
    long = replace(card("B"), clips=one.clips * 10)
    uncalibrated = replace(long, model={k: v for k, v in long.model.items() if k != "temperature"})
    notes = " ".join(compare([one, uncalibrated]).notes)
    assert "5 and 50 clips" in notes
    assert "not calibrated" in notes


def test_cards_are_read_as_they_were_written(tmp_path):
    write_json(tmp_path / "a.json", card("A").to_json())
    assert read_card(tmp_path / "a.json") == card("A")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"skills": []}', "\x00", "[" * 100_000])
def test_what_is_no_card_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(BadInputError, match="JSON that 'openbasket scout' wrote"):
        read_card(tmp_path / "a.json")


def test_a_card_with_skills_missing_is_refused(tmp_path):
    content = card("A").to_json()
    write_json(tmp_path / "a.json", content | {"skills": content["skills"][:5]})
    with pytest.raises(BadInputError, match="the 20 skills, whole"):
        read_card(tmp_path / "a.json")
    with pytest.raises(NotFoundError, match="is not there"):
        read_card(tmp_path / "b.json")


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "change",
    [
        {"probabilities": [NAN] * 5},
        {"probabilities": [-1.0, 0.0, 0.0, 0.0, 2.0]},
        {"probabilities": [0.1] * 5},
        {"expected": NAN},
        {"expected": INF},
        {"expected": 4.5},
        {"level": 5},
        {"category": "<b>"},
    ],
)
def test_a_card_with_numbers_that_cannot_be_is_refused(tmp_path, change):
    content = card("A").to_json()
    content["skills"] = [dict(content["skills"][0]) | change, *content["skills"][1:]]
    (tmp_path / "a.json").write_text(json.dumps(content, default=str))
    with pytest.raises(BadInputError, match="the 20 skills, whole"):
        read_card(tmp_path / "a.json")


@pytest.mark.parametrize("levels", [0, 1, 4])
def test_a_card_with_other_levels_is_refused(tmp_path, levels):
    content = card("A").to_json()
    told = [1 / max(levels, 1)] * levels
    content["skills"] = [
        dict(s) | {"probabilities": told, "level": 0, "expected": 0.0} for s in content["skills"]
    ]
    (tmp_path / "a.json").write_text(json.dumps(content | {"levels": ["x"] * levels}))
    with pytest.raises(BadInputError, match="the 20 skills, whole"):
        read_card(tmp_path / "a.json")


@pytest.mark.parametrize("facts", [{}, {"model": "m"}, {"run": ["a"]}, {"deep": [[[]]]}])
def test_a_card_of_no_run_is_refused(tmp_path, facts):
    content = card("A").to_json()
    whole = content["model"] if "run" in facts or "deep" in facts else {}
    (tmp_path / "a.json").write_text(json.dumps(content | {"model": whole | facts}))
    with pytest.raises(BadInputError, match="those of a run"):
        read_card(tmp_path / "a.json")


def test_the_page_of_a_comparison_escapes_names_and_loads_nothing(tmp_path):
    found = compare([card("<script>alert(1)</script>"), card("B & Co", level=4)])
    text = write_comparison(found, tmp_path / "c.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "http" not in text
    assert text.count('class="skill"') == 20 + 5


def test_the_command_compares_cards(tmp_path):
    for name in "AB":
        write_json(tmp_path / f"{name}.json", card(name, level=1 + 2 * (name == "B")).to_json())
    done = CliRunner().invoke(
        app,
        ["compare", str(tmp_path / "A.json"), str(tmp_path / "B.json"), "--json",
         "--out", str(tmp_path / "c.html")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["skills"][0]["best"] == 1
    assert (tmp_path / "c.html").exists()


def reel_of(finished):
    ws = Workspace(finished / "ws")
    reels = ws.read("reels").filter(pl.col("draw") == 0)
    return ws, ws.root / reels.group_by("path").len().sort("len", "path")["path"][-1]


def test_shots_are_those_of_the_clips(finished):
    ws, video = reel_of(finished)
    found = known(ws.root, video)
    rows = ws.read("reels").filter(pl.col("path") == video.relative_to(ws.root).as_posix(), draw=0)
    events = pl.concat([ws.read("events", *pair) for pair in ws.seasons("events")])
    shots = rows.join(events, on=["game_id", "event_id"]).filter(
        (pl.col("kind") == "field_goal") & pl.col("x_m").is_not_null()
    )
    assert len(found.shots) == shots.height > 0
    assert sum(shot.made for shot in found.shots) == shots["made"].sum()
    assert all("field goal" in found.clips[shot.clip].shows for shot in found.shots)
    assert known(ws.root, finished / "elsewhere.mp4").clips == ()


def test_limits_are_what_evaluate_says(finished):
    from openbasket.evaluation import evaluate

    path, root = finished / "predictions.parquet", finished / "ws"
    whole = next(r for r in evaluate([path], root, resamples=200).results if r.run == "run")
    found = limits(path, root, "run", {"league": "nowhere"}, resamples=200)
    assert [row.group for row in found] == [f"all players of split '{whole.split}'"]
    score = whole.scores["accuracy"]["mean"]
    assert (found[0].accuracy, found[0].low) == (score.value, score.low)
    assert found[0].subjects == whole.subjects
    assert limits(path, root, "another", {}, resamples=200) == ()


def test_limits_of_groups_are_those_of_evaluate(tmp_path):
    from test_evaluation import predictions, save, subject, write_split

    from openbasket.evaluation import evaluate

    people = [f"p{i:02}" for i in range(24)]
    write_split(tmp_path, "test", {p: [i % 5] * 20 for i, p in enumerate(people)})
    place = ["north" if i < 15 else "south" for i in range(24)]
    table = {
        "subject_id": [subject(p) for p in people], "player_id": people, "league": "L", "season": "21-22",
        "gender": "men", "region": place, "games": 9, "minutes": 99.0, "events": 99,
    }  # fmt: skip
    Workspace(tmp_path).write("subjects", pl.DataFrame(table))
    path = save(predictions({subject(p): [2] * 20 for p in people}), tmp_path / "p.parquet")
    groups = {"region": "south", "gender": "men", "season": "20-21"}
    found = limits(path, tmp_path, "mine", groups, resamples=200)
    said = evaluate([path], tmp_path, resamples=200)
    whole, south = (said.find("mine", part=part) for part in ("", "region=south"))
    assert [row.group for row in found] == ["all players of split 'test'", "region south"]
    for row, result in zip(found, (whole, south), strict=True):
        score = result.scores["accuracy"]["mean"]
        assert row.subjects == result.subjects
        assert (row.accuracy, row.low, row.high) == pytest.approx(
            (score.value, score.low, score.high)
        )


def test_a_card_with_a_cohort_shows_others_limits_and_shots(finished, tmp_path):
    ws, video = reel_of(finished)
    made = make_card(
        video, finished / "run", data_root=ws.root, cohort=finished / "predictions.parquet",
        league=None, evidence=False, quiet=True,
    )  # fmt: skip
    assert made.limits
    assert made.shots
    assert all(s.cohort_mean is not None for s in made.skills)
    subject = known(ws.root, video).subject_id
    assert subject not in {other.subject_id for other in made.similar}
    text = write_page(made, tmp_path / "card.html").read_text()
    assert "Rated alike" in text or not made.similar
    assert "How often this model is right" in text
    assert 'class="court"' in text
    write_json(tmp_path / "card.json", made.to_json())
    assert read_card(tmp_path / "card.json").limits == made.limits


def test_a_cohort_may_ask_for_minutes(finished, tmp_path):
    ws, video = reel_of(finished)
    there = known(ws.root, video)
    cohort = Workspace.read_file("predictions", finished / "predictions.parquet")
    held = ws.read("subjects").filter(
        pl.col("subject_id").is_in(cohort["subject_id"].unique().to_list()),
        league=there.league,
        season=there.season,
    )
    least = float(held["minutes"].max())
    told = [
        make_card(
            video, finished / "run", data_root=ws.root, cohort=finished / "predictions.parquet",
            min_minutes=minutes, evidence=False, quiet=True,
        )
        for minutes in (0.0, least)
    ]  # fmt: skip
    assert told[1].cohort.endswith(f"with at least {least:g} minutes")
    assert int(told[1].cohort.split()[0]) < int(told[0].cohort.split()[0])
    assert any("percentiles among so few" in note for note in told[1].notes)
    with pytest.raises(ConfigError, match="nobody of the cohort played"):
        make_card(
            video, finished / "run", data_root=ws.root, cohort=finished / "predictions.parquet",
            min_minutes=1e6, evidence=False, quiet=True,
        )  # fmt: skip
    with pytest.raises(ConfigError, match="no dataset says how long"):
        read_cohort(
            finished / "predictions.parquet", Rater(finished / "run"), None, None, min_minutes=1.0
        )
