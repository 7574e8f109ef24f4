"""The simulator keeps the rules, and each latent skill moves the statistic of its name."""

from __future__ import annotations

import polars as pl
import pytest

from openbasket.errors import ConfigError
from openbasket.labels.scores import FORMULAS, rated_games, score
from openbasket.labels.statistics import game_statistics, season_statistics
from openbasket.simulation.league import LeagueSettings, demo_leagues, simulate, simulate_game
from openbasket.simulation.people import new_person, stream
from openbasket.skills import SKILL_KEYS
from openbasket.tables import dtypes
from openbasket.transcripts.check import check
from openbasket.transcripts.stints import stints
from openbasket.workspace import Workspace

FULL = LeagueSettings("full", teams=3, players_per_team=12, rounds=2, seasons=("21-22", "22-23"))


@pytest.fixture(scope="module")
def ws(tmp_path_factory) -> Workspace:
    ws = Workspace(tmp_path_factory.mktemp("full"), create=True)
    simulate(ws, [FULL, *demo_leagues()], seed=5, quiet=True)
    return ws


def test_box_scores_and_events_agree_and_five_play(ws):
    report = check(ws)
    assert set(report.agreement.values()) == {1.0}
    assert report.minutes == 1.0
    assert report.flagged == []


def test_the_clock_counts_down_and_games_are_decided(ws):
    events = ws.read("events").sort("game_id", "order")
    up = events.with_columns(step=pl.col("clock_s").diff().over("game_id", "period"))
    assert up["step"].max() <= 0
    games = ws.read("games")
    assert (games["home_score"] != games["away_score"]).all()
    tied = events.filter(pl.col("period") > 4)["game_id"].unique()
    regular = events.filter(
        (pl.col("period") <= 4) & pl.col("made") & pl.col("value").is_not_null()
    )
    points = regular.group_by("game_id", "team_id").agg(pl.col("value").cast(pl.Int32).sum())
    level = points.group_by("game_id").agg(pl.col("value").n_unique() == 1, pl.len())
    drawn = level.filter(pl.col("value") & (pl.col("len") == 2))["game_id"]
    scoreless = set(games["game_id"]) - set(points["game_id"])
    assert set(tied) == set(drawn) | scoreless


def test_nobody_plays_on_after_five_fouls(ws):
    box = ws.read("box_scores")
    assert box["fouls_made"].max() <= 5
    events = ws.read("events").sort("game_id", "order").filter(pl.col("player_id").is_not_null())
    fouls = events.with_columns(
        fouls=(pl.col("kind") == "foul").cum_sum().over("game_id", "player_id")
        - (pl.col("kind") == "foul").cast(pl.UInt32)
    )
    after = fouls.filter((pl.col("fouls") >= 5) & ~pl.col("kind").is_in(["sub_out", "turnover"]))
    assert after.is_empty()


def test_value_and_distance_of_shots_agree(ws):
    shots = ws.read("events").filter(kind="field_goal")
    far = (pl.col("x_m") ** 2 + pl.col("y_m") ** 2).sqrt() >= 6.74
    corner = pl.col("x_m").abs() >= 6.6
    beyond = far | (corner & (pl.col("y_m") < 1.42))
    assert shots.filter(beyond != (pl.col("value") == 3)).is_empty()
    assert shots["contested"].null_count() == 0


def test_a_possession_lasts_no_longer_than_the_shot_clock(ws):
    acts = ws.read("events").sort("game_id", "order").filter(
        pl.col("kind").is_in(["field_goal", "turnover", "free_throw", "period_start", "period_end", "foul",
                              "defensive_rebound", "offensive_rebound"])
    )  # fmt: skip
    gaps = acts.select(-pl.col("clock_s").diff().over("game_id", "period")).to_series()
    assert gaps.max() <= 24.0 + 2.5  # and the time the ball is in the air


def test_equal_seeds_give_equal_leagues_and_another_league_changes_none(tmp_path, ws):
    again = Workspace(tmp_path / "again", create=True)
    simulate(again, [FULL], seed=5, quiet=True)
    other = Workspace(tmp_path / "other", create=True)
    simulate(other, [FULL], seed=6, quiet=True)
    first = ws.read("events", "full", "21-22")
    assert again.read("events", "full", "21-22").equals(first)
    assert not other.read("events", "full", "21-22").equals(first)


def test_people_stay_drift_and_leave(ws):
    latent = pl.read_parquet(ws.private / "latent_skills.parquet").filter(league="full")
    assert set(latent["skill"]) == set(SKILL_KEYS)
    seasons = latent.group_by("player_id").agg(pl.col("season").n_unique())
    both = seasons.filter(pl.col("season") == 2).height
    assert 0.5 * 36 < both < 36
    pair = latent.filter(season="21-22").join(
        latent.filter(season="22-23"), on=["player_id", "skill"]
    )
    drift = (pair["value"] - pair["value_right"]).std()
    assert 0.1 < drift < 0.5


def test_all_faults_of_a_league_are_reported():
    with pytest.raises(
        ConfigError, match=r"teams: got 1.*players_per_team: got 3.*gender: got 'x'"
    ):
        LeagueSettings("l", teams=1, players_per_team=3, gender="x")


def play(raised: str | None, games: int) -> tuple[pl.DataFrame, ...]:
    """Many games of equal teams, in which one team's players all have more of one skill."""
    rules = LeagueSettings("l", players_per_team=8, period_s=600.0)
    teams = {}
    for code in ("AAA", "BBB"):
        people = [
            new_person(f"{code.lower()}-{i}", "men", ("guard", "wing", "big")[i % 3], 2022, 0)
            for i in range(8)
        ]
        for person in people:
            person.skills = dict.fromkeys(SKILL_KEYS, 0.0)
        for person in people if code == "AAA" else []:
            # Shares inside a team add up to one: there, only half of the team can have more.
            if raised and (raised != "contribution" or person in people[::2]):
                person.skills[raised] = 2.0
        teams[code] = people
    parts: dict[str, list[tuple[object, ...]]] = {"games": [], "appearances": [], "events": []}
    for number in range(games):
        game = f"g{number}"
        rows = simulate_game(
            game, "AAA", teams["AAA"], "BBB", teams["BBB"], rules, stream(1, number)
        )
        parts["games"].append(
            (
                game,
                "l",
                "21-22",
                None,
                "men",
                None,
                "AAA",
                "BBB",
                None,
                None,
                0,
                0,
                4,
                600.0,
                300.0,
                None,
                "x",
            )
        )
        parts["appearances"] += rows.appearances
        parts["events"] += rows.events
    frames = {t: pl.DataFrame(rows, dtypes(t), orient="row") for t, rows in parts.items()}
    lines = stints(frames["games"], frames["appearances"], frames["events"])
    return frames["games"], frames["events"], lines


@pytest.mark.parametrize("key", SKILL_KEYS)
def test_each_latent_skill_moves_its_statistic(key):
    games, events, lines = play(key, 40)
    rows = rated_games(game_statistics(games, events, lines), games)
    season = season_statistics(rows)
    scored, _ = score(FORMULAS[key], season, rows)
    team = pl.col("player_id").str.starts_with("aaa")
    if key == "contribution":
        scored = scored.filter(team)
        team = pl.col("player_id").is_in([f"aaa-{i}" for i in range(0, 8, 2)])
    mine, theirs = (scored.filter(t)["raw"].mean() for t in (team, ~team))
    better = mine < theirs if FORMULAS[key].lower_is_better else mine > theirs
    assert better, f"{key}: {mine:.2f} with the skill, {theirs:.2f} without"
