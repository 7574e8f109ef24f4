"""Labels: numbers worked out by hand, and properties that must hold for any league."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from openbasket import tables
from openbasket.errors import BadInputError, ConfigError
from openbasket.labels import LabelSettings, label, label_season
from openbasket.labels.impact import adjusted_plus_minus
from openbasket.labels.levels import level
from openbasket.labels.ranks import rank
from openbasket.labels.rating import count_season, read_season
from openbasket.labels.scores import FORMULAS, score, skills_page
from openbasket.labels.statistics import game_statistics, season_statistics, with_contests
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.skills import BY_KEY, SKILL_KEYS, SKILLS
from openbasket.transcripts.stints import stints
from openbasket.workspace import Workspace

FIVE = {"A": [f"a{i}" for i in range(5)], "B": [f"b{i}" for i in range(5)]}


def one_game(rows: list[tuple[object, ...]]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """A ten-minute game of two fives; rows are (play, clock, team, player, kind, made, value, contested)."""
    games = tables.validate(
        "games",
        pl.DataFrame(
            {
                "game_id": ["g"], "league": ["l"], "season": ["21-22"], "gender": ["men"], "home_team_id": ["A"],
                "away_team_id": ["B"], "periods": [1], "period_s": [600.0], "overtime_s": [300.0], "source": ["test"],
            }
        ),
    )  # fmt: skip
    columns = ["play_id", "clock_s", "team_id", "player_id", "kind", "made", "value", "contested"]
    frame = pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
    frame = frame.with_columns(
        game_id=pl.lit("g"),
        period=1,
        order=pl.int_range(pl.len()),
        event_id=pl.int_range(pl.len()).cast(pl.String),
    )
    events = tables.validate("events", frame)
    roster = [("g", team, p, None, True) for team, five in FIVE.items() for p in five]
    appearances = pl.DataFrame(roster, tables.dtypes("appearances"), orient="row")
    return games, events, stints(games, appearances, events)


GAME = one_game(
    [
        (0, 590.0, "A", "a0", "pass", True, None, None),
        (1, 580.0, "A", "a1", "pass", False, None, None),
        (2, 570.0, "A", "a0", "field_goal", True, 3, False),
        (2, 570.0, "A", "a1", "assist", None, None, None),
        (3, 550.0, "B", "b0", "field_goal", False, 2, True),
        (3, 550.0, "A", "a2", "block", None, None, None),
        (3, 550.0, "B", "b0", "blocked", None, None, None),
        (4, 548.0, "A", "a3", "defensive_rebound", None, None, None),
        (5, 530.0, "A", "a0", "field_goal", False, 2, True),
        (6, 528.0, "A", "a4", "offensive_rebound", None, None, None),
        (7, 520.0, "A", "a4", "field_goal", True, 2, True),
        (8, 500.0, "B", "b1", "turnover", None, None, None),
        (8, 500.0, "A", "a0", "steal", None, None, None),
        (9, 480.0, "B", "b2", "foul", None, None, None),
        (9, 480.0, "A", "a0", "foul_drawn", None, None, None),
        (10, 480.0, "A", "a0", "free_throw", True, 1, None),
        (11, 480.0, "A", "a0", "free_throw", False, 1, None),
        (12, 478.0, "B", "b3", "defensive_rebound", None, None, None),
        (13, 460.0, "B", "b4", "field_goal", True, 2, False),
    ]
)


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, float]]:
    season = season_statistics(game_statistics(*GAME))
    return {row["player_id"]: row for row in season.iter_rows(named=True)}


def test_own_counts_by_hand(rows):
    a0 = rows["a0"]
    told = {k: a0[k] for k in ("three_made", "three_tried", "two_made", "two_tried", "free_throws_made",
            "free_throws_tried", "contested_made", "contested_tried", "steals", "fouls_drawn", "passes_made",
            "passes_tried", "games")}  # fmt: skip
    assert told == {
        "three_made": 1, "three_tried": 1, "two_made": 0, "two_tried": 1, "free_throws_made": 1,
        "free_throws_tried": 2, "contested_made": 0, "contested_tried": 1, "steals": 1, "fouls_drawn": 1,
        "passes_made": 1, "passes_tried": 1, "games": 1,
    }  # fmt: skip
    assert rows["a1"]["points_created"] == 3
    assert rows["b0"]["blocked"] == 1
    assert rows["a2"]["blocks"] == 1


def test_on_court_counts_by_hand(rows):
    # A: goal 3, miss, offensive rebound, goal 2, two free throws that end a trip.
    for player in FIVE["A"]:
        row = rows[player]
        assert (row["on_points"], row["against_points"]) == (6, 2)
        assert (row["on_field_goals"], row["on_assisted"]) == (2, 1)
        assert (row["on_possessions"], row["against_possessions"]) == (3, 3)
        assert row["seconds"] == 600.0
    assert rows["b1"]["on_points"] == 2


HAND = {
    "free_throw": ("a0", 50.0),
    "two_point": ("a4", 100.0),
    "three_point": ("a0", 100.0),
    "contested_shots": ("a0", 0.0),
    "overall_shooting": ("a0", 75.0),  # (0 + 1.5) / 2
    "rebounds": ("a3", 3.6),  # 36 / 10
    "defensive_rebounds": ("b3", 3.6),
    "offensive_rebounds": ("a4", 3.6),
    "steals": ("a0", 3.6),
    "fouls": ("b2", 3.6),
    "points_allowed": ("b0", 200.0),  # six points in three possessions
    "assists": ("a1", 3.6),
    "passing_accuracy": ("a1", 0.0),
    "turnovers": ("b1", 100.0),
    "contribution": ("a0", 100 * 4 / 6),
    "teamwork": ("a2", 50.0),
    "impact": ("a2", 100 * 4 / 3),
    "efficiency": ("a0", 3.6 * (4 + 1 + 1 - 1 - 1)),  # points, steal, foul drawn, two misses
    "defensive_consistency": ("a0", 100.0),
    "offensive_consistency": ("b0", 0.0),
}


@pytest.mark.parametrize("key", SKILL_KEYS)
def test_every_formula_by_hand(key):
    from openbasket.labels.scores import rated_games

    player, expected = HAND[key]
    game_rows = rated_games(game_statistics(*GAME), GAME[0])
    scored, _ = score(FORMULAS[key], season_statistics(game_rows), game_rows)
    assert scored.filter(player_id=player)["raw"].item() == pytest.approx(expected)


def test_formulas_are_those_of_the_twenty_skills():
    assert set(FORMULAS) == set(SKILL_KEYS)
    assert [k for k, f in FORMULAS.items() if f.lower_is_better] == [
        "fouls",
        "points_allowed",
        "turnovers",
    ]


def test_the_skills_page_is_made_from_the_code():
    from pathlib import Path

    page = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "skills.md"
    assert page.read_text(encoding="utf-8") == skills_page(), "make it again: the page says how"


def test_two_of_two_does_not_outrank_many_of_more():
    made = [2, 180, 60, 70, 90, 100]
    tried = [2, 200, 100, 100, 100, 150]
    season = pl.DataFrame(
        {"player_id": list("abcdef"), "free_throws_made": made, "free_throws_tried": tried}
    )
    scored, prior = score(FORMULAS["free_throw"], season, season)
    by = {row["player_id"]: row for row in scored.iter_rows(named=True)}
    assert by["a"]["raw"] == 100.0
    assert by["a"]["score"] < by["b"]["score"]
    mean = 100 * prior.mean
    for row in by.values():
        low, high = sorted((mean, row["raw"]))
        assert low - 1e-9 <= row["score"] <= high + 1e-9


def test_ties_go_to_more_trials_then_to_the_id():
    scored = pl.DataFrame(
        {
            "subject_id": ["c", "a", "b", "d"],
            "trials": [5.0, 5.0, 9.0, None],
            "score": [1.0, 1.0, 1.0, None],
        }
    )
    ranks = dict(rank(scored, lower_is_better=False).select("subject_id", "rank").rows())
    assert ranks == {"b": 1, "a": 2, "c": 3, "d": None}


@given(st.integers(2, 300), st.integers(2, 9))
def test_levels_are_equal_groups_in_the_order_of_ranks(count, levels):
    frame = pl.DataFrame({"rank": range(1, count + 1)}).with_columns(ranked=pl.lit(count))
    found = frame.select(level(pl.col("rank"), pl.col("ranked"), levels)).to_series().to_list()
    assert found == sorted(found, reverse=True)
    sizes = [found.count(i) for i in range(levels)]
    assert max(sizes) - min(sizes) <= 1
    if count >= levels:
        assert (found[0], found[-1]) == (levels - 1, 0)


@pytest.fixture(scope="module")
def league(tmp_path_factory) -> Workspace:
    ws = Workspace(tmp_path_factory.mktemp("league"), create=True)
    small = LeagueSettings(
        "l", teams=4, players_per_team=8, rounds=2, period_s=120.0, seasons=("21-22",)
    )
    simulate(ws, [small], seed=3, quiet=True)
    return ws


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_row_order_matters(league, seed):
    tables = read_season(league, "l", "21-22")
    names = ("games", "events", "stints", "box_scores", "flags")
    rows = {n: getattr(tables, n).sample(fraction=1, shuffle=True, seed=seed) for n in names}
    mixed = replace(tables, **rows)
    one = label_season(tables, LabelSettings(min_events=1))
    two = label_season(mixed, LabelSettings(min_events=1))
    assert one[0].equals(two[0])
    assert one[1].sort("subject_id", "skill").equals(two[1].sort("subject_id", "skill"))
    assert one[2] == two[2]


@pytest.mark.parametrize("levels", [5, 3])
def test_a_league_gets_equal_levels_in_every_skill(league, levels):
    report = label(league, LabelSettings(levels=levels, min_events=1), quiet=True)
    table = league.read("levels")
    assert report.seasons[0]["not_recorded"] == {}
    for key in SKILL_KEYS:
        counts = table.filter(pl.col("skill") == key)["level"].drop_nulls().value_counts()["count"]
        assert len(counts) == levels
        assert counts.max() - counts.min() <= 1
    better = table.filter(skill="fouls").drop_nulls("rank").sort("rank")["score"].to_list()
    assert better == sorted(better)
    assert league.read_json("labels.json")["settings"]["levels"] == levels


def test_an_unrecorded_skill_is_null_and_the_reason_is_told(league):
    tables = read_season(league, "l", "21-22")
    poor = tables.events.filter(pl.col("kind") != "pass").with_columns(
        contested=pl.lit(None, dtype=pl.Boolean)
    )
    _, levels, facts = label_season(replace(tables, events=poor), LabelSettings(min_events=1))
    assert facts["not_recorded"] == {"contested_shots": ["contested"], "passing_accuracy": ["pass"]}
    null = levels.filter(pl.col("skill").is_in(["contested_shots", "passing_accuracy"]))
    assert null["level"].null_count() == null["score"].null_count() == null.height > 0
    _, _, without = label_season(
        replace(tables, stints=tables.stints.clear()), LabelSettings(min_events=1)
    )
    assert without["not_recorded"]["impact"] == ["lineups"]


def test_contests_are_told_from_places_and_blocks_where_nobody_marks_them(league):
    events = read_season(league, "l", "21-22").events
    assert with_contests(events)[1] == "marked"
    bare = events.with_columns(contested=pl.lit(None, pl.Boolean), x_m=pl.lit(None, pl.Float32))
    assert with_contests(bare)[1] is None
    goals = bare.filter(kind="field_goal").head(4).with_columns(
        x_m=pl.Series([0.0, 4.0, 4.0, None], dtype=pl.Float32),
        y_m=pl.Series([2.5, 3.0, 3.0, None], dtype=pl.Float32),
        play_id=pl.Series([1, 2, 3, 4], dtype=pl.Int32),
        game_id=pl.lit(bare["game_id"][0]),
    )  # fmt: skip
    block = goals[1:2].with_columns(kind=pl.lit("block"))
    filled, how = with_contests(pl.concat([goals, block]))
    assert how == "place and blocks"
    assert filled["contested"].to_list() == [True, True, False, None, None]
    assert with_contests(goals)[1] is None  # no blocks are noted: places alone do not tell


def test_too_few_players_are_an_error_that_names_the_season(league, tmp_path):
    with pytest.raises(
        BadInputError, match=r"l 21-22: got 0 players with 9,999 events.*at least 5"
    ) as caught:
        label(league, LabelSettings(min_events=9999), quiet=True)
    assert "--min-events" in str(caught.value)


def test_settings_report_all_faults():
    with pytest.raises(ConfigError, match=r"levels: got 1.*min_events: got -1"):
        LabelSettings(levels=1, min_events=-1)


def test_experts_replace_computed_ranks(league, tmp_path):
    label(league, LabelSettings(min_events=1), quiet=True)
    before = league.read("levels")
    people = league.read("subjects")["subject_id"].to_list()
    file = tmp_path / "experts.csv"
    order = list(reversed(people))
    file.write_text(
        "subject_id,skill,rank\n" + "".join(f"{s},3-PTs,{10 * i}\n" for i, s in enumerate(order, 1))
    )
    label(league, LabelSettings(min_events=1), experts=file, quiet=True)
    after = league.read("levels")
    judged = after.filter(skill="three_point")
    assert set(judged["origin"]) == {"expert"}
    assert dict(judged.select("subject_id", "rank").rows())[order[0]] == 1
    assert dict(judged.select("subject_id", "level").rows())[order[0]] == 4
    others = pl.col("skill") != "three_point"
    assert after.filter(others).equals(before.filter(others))


def test_all_faults_of_an_experts_file_are_reported(league, tmp_path):
    label(league, LabelSettings(min_events=1), quiet=True)
    before = league.read("levels")
    one = league.read("subjects")["subject_id"][0]
    file = tmp_path / "experts.csv"
    file.write_text(
        f"subject_id,skill,level\nnobody,steals,1\n{one},stealing,1\n{one},steals,7\n{one},fouls,\n{one},fouls,2\n"
    )
    with pytest.raises(BadInputError) as caught:
        label(league, LabelSettings(min_events=1), experts=file, quiet=True)
    assert {(p.row, p.field) for p in caught.value.problems} == {
        (0, "subject_id"), (1, "skill"), (2, "level"), (3, "rank"), (4, "skill"),
    }  # fmt: skip
    assert league.read("levels").equals(before)


def test_directions_agree_with_the_skill_table():
    assert all(FORMULAS[s.key].lower_is_better == BY_KEY[s.key].lower_is_better for s in SKILLS)


def test_impact_is_the_ridge_of_scikit_learn(league):
    found = count_season(read_season(league, "l", "21-22")).stretches
    impact, fit = adjusted_plus_minus(found)
    people = impact["player_id"].to_list()
    design = np.zeros((found.height, len(people)))
    for row, stretch in enumerate(found.iter_rows(named=True)):
        for sign, side in ((1.0, "home_players"), (-1.0, "away_players")):
            for player in stretch[side]:
                design[row, people.index(player)] += sign
    possessions = found["possessions"].to_numpy()
    margins = found["margin"].to_numpy() - fit.home_advantage / 100 * possessions
    model = Ridge(alpha=fit.penalty, fit_intercept=False)
    model.fit(design, margins / possessions, sample_weight=possessions)
    np.testing.assert_allclose(impact["impact"], 100 * model.coef_, rtol=1e-6, atol=1e-9)
    assert impact["impact"].abs().max() > 0


def test_the_margins_of_all_stretches_add_up_to_the_final_scores(league):
    found = count_season(read_season(league, "l", "21-22"), include_flagged=True).stretches
    games = league.read("games")
    sums = found.group_by("game_id").agg(pl.col("margin").sum()).join(games, on="game_id")
    assert sums.height == games.height
    assert (sums["margin"] == sums["home_score"] - sums["away_score"]).all()
    assert found["possessions"].min() > 0


def test_a_team_s_schedule_and_few_people_are_noted(tmp_path):
    ws = Workspace(tmp_path, create=True)
    settings = LeagueSettings(
        "cup", teams=4, players_per_team=8, rounds=1, seasons=("21-22",), period_s=120.0
    )
    simulate(ws, [settings], seed=2, quiet=True)
    report = label(ws, LabelSettings(min_events=1), quiet=True)
    assert report.notes == []
    games = ws.read("games", "cup", "21-22")
    team, name = games.select("home_team_id", "home_team").row(0)
    theirs = games.filter((pl.col("home_team_id") == team) | (pl.col("away_team_id") == team))
    assert theirs.height == 3
    mine = pl.col("game_id").is_in(theirs["game_id"].implode())
    for table in ("games", "events", "stints", "appearances", "box_scores"):
        ws.write(table, ws.read(table, "cup", "21-22").filter(mine), "cup", "21-22")
    report = label(ws, LabelSettings(min_events=1, min_minutes=6.0), quiet=True)
    people = report.seasons[0]["subjects"]
    assert 5 <= people < 20
    assert report.notes[-2:] == [
        f"few people: cup 21-22, {people} players in 5 levels, fewer than 4 in each",
        f"one team's schedule: cup 21-22, {name} plays in each of its 3 games; "
        "ranks beside opponents seen once or twice mean little",
    ]
    assert ws.read_json("labels.json")["notes"] == report.notes
    assert not any(
        "few people" in note for note in label(ws, LabelSettings(2, 1), quiet=True).notes
    )
