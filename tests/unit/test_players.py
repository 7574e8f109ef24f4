"""Lists of labelled players, the best of a skill and a player's card say what the tables hold."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from openbasket import cli
from openbasket.errors import ConfigError, NotFoundError, UnknownNameError
from openbasket.labels import LabelSettings, label
from openbasket.labels.players import best, card, clubs, players
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.skills import SKILL_KEYS
from openbasket.workspace import Workspace, write_json


@pytest.fixture(scope="module")
def ws(tmp_path_factory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("players"), create=True)
    leagues = [
        LeagueSettings(name, teams=4, players_per_team=8, rounds=1, period_s=120.0, transfers=0.5)
        for name in ("cup", "liga")
    ]
    simulate(made, leagues, seed=4, quiet=True)
    label(made, LabelSettings(min_events=1), quiet=True)
    return made


def told(ws: Workspace, *words: str) -> str:
    done = CliRunner().invoke(cli.app, ["players", str(ws.root), *words], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize("skill", ["assists", "fouls"])
def test_the_best_stand_in_the_order_of_their_ranks(ws, skill):
    found = best(ws, skill, top=3)
    assert found.select("league", "season").unique().height == 4
    assert found["rank"].to_list() == [1, 2, 3] * 4
    cup = found.filter(league="cup", season="21-22")
    assert best(ws, skill, league="cup", season="21-22", top=3).equals(cup)
    assert cup["score"].is_sorted(descending=skill == "assists")
    assert cup["level_name"].to_list() == ["Excellent"] * 3
    levels = ws.read("levels").filter(skill=skill).select("subject_id", "score", "rank", "ranked")
    assert cup.join(levels, on=["subject_id", "score", "rank", "ranked"]).height == 3


def test_the_club_is_the_team_of_most_games(ws):
    people = ws.read("subjects")
    found = clubs(ws, people).sort("subject_id")
    assert found["subject_id"].to_list() == people.sort("subject_id")["subject_id"].to_list()
    games = ws.read("games")
    names = dict(games.select("home_team_id", "home_team").rows())
    for subject, team, club in found.head(20).rows():
        row = people.row(by_predicate=pl.col("subject_id") == subject, named=True)
        played = ws.read("appearances", row["league"], row["season"]).filter(
            player_id=row["player_id"]
        )
        counts = dict(played["team_id"].value_counts().rows())
        assert counts[team] == max(counts.values())
        assert club == names[team]


def test_the_list_the_ranking_and_the_card_are_printed(ws):
    first = players(ws, league="cup", season="21-22").row(0, named=True)
    listed = told(ws, "--league", "cup", "--season", "21-22", "--top", "1")
    assert first["subject_id"] in listed
    assert first["name"] in listed
    assert "liga" not in listed
    leader = best(ws, "assists", league="cup", season="21-22", top=1).row(0, named=True)
    shown = told(ws, "--skill", "Assists", "--league", "cup", "--season", "21-22", "--top", "1")
    (line,) = [line for line in shown.splitlines() if leader["name"] in line]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == [
        leader["name"], leader["club"], str(leader["games"]), f"{leader['minutes']:,.0f}", "1",
        f"{leader['score']:.2f} per 36 min", "Excellent",
    ]  # fmt: skip
    page = told(ws, "--player", leader["subject_id"])
    assert f"{leader['name']}, {leader['club']}: cup 21-22" in page
    assert f"1 of {leader['ranked']}" in page
    assert "PLAYMAKING" in page
    assert "no label" in page  # nobody counts passes
    assert json.loads(told(ws, "--player", leader["subject_id"], "--json")) == card(
        ws, leader["subject_id"]
    )


def test_small_estimates_are_told_apart_and_none_is_minus_nought():
    from openbasket.cli.data import _estimate

    assert [_estimate(score, "impact") for score in (0.04, 0.06, -0.001, -1.5)] == [
        "0.04 per 100 poss.", "0.06 per 100 poss.", "0.00 per 100 poss.", "-1.50 per 100 poss.",
    ]  # fmt: skip
    assert _estimate(-0.01, "free_throw") == "0.0%"


def test_a_card_has_no_top(ws):
    with pytest.raises(ConfigError, match="--player and --top"):
        told(ws, "--player", "anyone", "--top", "3")


def test_a_person_has_a_card_for_each_league_and_season(ws):
    twice = ws.read("subjects").group_by("player_id").len().filter(pl.col("len") > 1)
    person = twice["player_id"].sort()[0]
    cards = card(ws, person)
    assert len(cards) == twice.filter(player_id=person)["len"][0]
    assert all([s["skill"] for s in c["skills"]] == list(SKILL_KEYS) for c in cards)
    (one,) = card(ws, person, season="21-22")
    assert one["season"] == "21-22"


def test_noise_is_told_where_reliability_was_measured(ws):
    subject = players(ws, league="cup")["subject_id"][0]
    assert {s["mostly_noise"] for s in card(ws, subject)[0]["skills"]} == {None}
    summary = [
        {"league": "cup", "skill": "assists", "split_half": 0.2, "verdict": "mostly noise"},
        {"league": "cup", "skill": "steals", "split_half": 0.6, "verdict": "fair"},
        {"league": "cup", "skill": "fouls", "split_half": None, "verdict": None},
        {"league": "liga", "skill": "rebounds", "split_half": 0.2, "verdict": "mostly noise"},
    ]
    file = ws.private / "reliability.json"
    write_json(file, {"summary": summary})
    try:
        found = {s["skill"]: s["mostly_noise"] for s in card(ws, subject)[0]["skills"]}
        assert (found["assists"], found["steals"]) == (True, False)
        assert found["fouls"] is found["rebounds"] is None
        assert "mostly noise" in told(ws, "--player", subject)
        assert "mostly noise" in told(ws, "--skill", "assists", "--league", "cup")
        assert "mostly noise" not in told(ws, "--skill", "assists", "--league", "liga")
    finally:
        file.unlink()


def test_experts_levels_without_ranks_come_best_first(ws, tmp_path):
    file = tmp_path / "experts.csv"
    people = players(ws, league="cup", season="21-22")["subject_id"].to_list()[:10]
    rows = [f"{subject},assists,{number % 5}" for number, subject in enumerate(people)]
    file.write_text("\n".join(["subject_id,skill,level", *rows]))
    label(ws, LabelSettings(min_events=1), experts=file, quiet=True)
    try:
        found = best(ws, "assists", league="cup", season="21-22")
        assert found["level"].to_list() == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
        assert "│    - │" in told(ws, "--skill", "assists", "--league", "cup")
    finally:
        label(ws, LabelSettings(min_events=1), quiet=True)


def test_names_that_are_not_there_are_refused(ws, tmp_path: Path):
    for wrong in ({"league": "nba"}, {"season": "99-00"}):
        with pytest.raises(UnknownNameError, match="of labelled players"):
            players(ws, **wrong)
    with pytest.raises(UnknownNameError, match=r"player 'nobody'.*and \d+ more"):
        card(ws, "nobody")
    with pytest.raises(ConfigError, match="--skill and --player; give one"):
        told(ws, "--skill", "assists", "--player", "x")
    with pytest.raises(UnknownNameError, match="skill 'dunks'"):
        told(ws, "--skill", "dunks")
    with pytest.raises(NotFoundError):
        players(Workspace(tmp_path / "empty", create=True))
