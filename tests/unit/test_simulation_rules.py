"""Simulated leagues: the rules of the game, the scoresheet, persons over seasons, determinism."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import math
from collections import Counter, defaultdict

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbasket import tables
from openbasket.errors import ConfigError
from openbasket.labels.scores import FORMULAS, rated_games
from openbasket.labels.statistics import game_statistics, season_statistics
from openbasket.simulation import league as leagues
from openbasket.simulation.game import WEIGHTS, _form, _spot, simulate_game
from openbasket.simulation.league import (
    LeagueSettings,
    _schedule,
    demo_leagues,
    full_leagues,
    simulate,
)
from openbasket.simulation.people import (
    CATEGORY,
    POSITIONS,
    TALENT,
    Person,
    new_person,
    stream,
)
from openbasket.skills import BY_KEY, SKILL_KEYS
from openbasket.transcripts.check import check, count_box
from openbasket.transcripts.stints import minutes_played
from openbasket.workspace import Workspace

ARC_M, CORNER_M, HALF_COURT_WIDTH_M, BEHIND_BASKET_M = 6.75, 6.6, 7.5, 1.575
#: A basket is noted before the ball is in bounds again and the next shot clock starts.
THROW_IN_S = 2.0
FULL = LeagueSettings("full", teams=4, players_per_team=12, rounds=4, seasons=("22-23",))
SHORT = LeagueSettings(
    "short", teams=4, players_per_team=8, rounds=2, seasons=("21-22", "22-23"),
    period_s=40.0, overtime_s=20.0, turnover=0.4, transfers=0.3,
)  # fmt: skip


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Workspace:
    """24 games of 40 minutes and 24 of under three minutes."""
    ws = Workspace(tmp_path_factory.mktemp("league"), create=True)
    simulate(ws, [FULL, SHORT], seed=3, quiet=True)
    return ws


@pytest.fixture(scope="module")
def games(played) -> list[tuple[dict, list[dict], dict[str, set[str]]]]:
    """Each game: its row, its events, and its teams' starters."""
    events = played.read("events").sort("game_id", "order").partition_by("game_id", as_dict=True)
    starters: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in played.read("appearances").filter(pl.col("starter")).iter_rows(named=True):
        starters[row["game_id"]][row["team_id"]].add(row["player_id"])
    return [
        (game, events[game["game_id"],].rows(named=True), starters[game["game_id"]])
        for game in played.read("games").iter_rows(named=True)
    ]


def test_the_score_is_the_sum_of_the_made_shots(games):
    for game, events, _ in games:
        points: Counter[str] = Counter()
        for e in events:
            if e["made"] and e["kind"] in ("field_goal", "free_throw"):
                points[e["team_id"]] += e["value"]
        assert points[game["home_team_id"]] == game["home_score"]
        assert points[game["away_team_id"]] == game["away_score"]
        assert game["home_score"] != game["away_score"]


def test_overtime_is_played_when_tied_and_only_then(games):
    overtimes = 0
    for game, events, _ in games:
        points: Counter[str] = Counter()
        last = max(e["period"] for e in events)
        for e in events:
            if e["kind"] == "period_end" and e["period"] >= game["periods"]:
                home, away = (points[game[f"{side}_team_id"]] for side in ("home", "away"))
                assert (home == away) == (e["period"] < last)
            if e["made"] and e["kind"] in ("field_goal", "free_throw"):
                points[e["team_id"]] += e["value"]
        overtimes += last > game["periods"]
        assert last >= game["periods"]
    assert overtimes > 0


def test_the_clock_runs_from_the_period_s_length_down_to_nought(games):
    for game, events, _ in games:
        length = dict.fromkeys(range(1, game["periods"] + 1), game["period_s"])
        for before, after in itertools.pairwise(events):
            if after["period"] == before["period"]:
                assert after["clock_s"] <= before["clock_s"]
                assert after["kind"] != "period_start"
            else:
                assert after["period"] == before["period"] + 1
                assert (before["kind"], after["kind"]) == ("period_end", "period_start")
            assert after["wall_time"] >= before["wall_time"]
        for e in events:
            if e["kind"] == "period_start":
                assert e["clock_s"] == length.get(e["period"], game["overtime_s"])
            if e["kind"] == "period_end":
                assert e["clock_s"] == 0


def test_five_a_side_always_and_only_they_act(games):
    for game, events, starters in games:
        court = {team: set(five) for team, five in starters.items()}
        assert set(court) == {game["home_team_id"], game["away_team_id"]}
        pending = False
        for e in events:
            player, team = e["player_id"], e["team_id"]
            if e["kind"] == "sub_out":
                court[team].remove(player)
                pending = True
                continue
            if e["kind"] == "sub_in":
                assert player not in court[team]
                court[team].add(player)
                pending = False
            assert not pending
            assert {len(five) for five in court.values()} == {5}
            if player is not None:
                assert player in court[team], e


def test_five_fouls_send_a_player_out_for_good(games):
    fouled_out = 0
    for _, events, _ in games:
        fouls: Counter[str] = Counter()
        gone: set[str] = set()
        leaving: set[str] = set()
        for e in events:
            player = e["player_id"]
            assert player not in gone, e
            # The whistle has gone: nothing but the rest of its play before he is replaced.
            if leaving and e["kind"] not in (
                "foul_drawn",
                "turnover",
                "timeout",
                "sub_out",
                "sub_in",
            ):
                assert not leaving, e
            if e["kind"] == "foul":
                fouls[player] += 1
                if fouls[player] == 5:
                    leaving.add(player)
            if e["kind"] == "sub_out" and player in leaving:
                leaving.remove(player)
                gone.add(player)
        assert max(fouls.values(), default=0) <= 5
        fouled_out += len(gone)
    assert fouled_out > 0


def test_the_fifth_team_foul_brings_two_free_throws(games):
    """A foul is shooting, offensive, or (with the team's fifth) it brings two free throws."""
    bonus = no_bonus = 0
    for _, events, _ in games:
        fouls: Counter[tuple[int, str]] = Counter()
        for i, e in enumerate(events):
            if e["kind"] != "foul":
                continue
            period = min(e["period"], 4)
            fouls[period, e["team_id"]] += 1
            drawn = events[i + 1]
            assert drawn["kind"] == "foul_drawn"
            assert drawn["play_id"] == e["play_id"]
            assert drawn["team_id"] != e["team_id"]
            if events[i + 2]["play_id"] == e["play_id"]:  # an offensive foul
                assert (events[i + 2]["kind"], events[i + 2]["player_id"]) == (
                    "turnover",
                    e["player_id"],
                )
                continue
            throws = []
            for later in events[i + 2 :]:
                if later["kind"] == "free_throw":
                    throws.append(later["player_id"])
                elif later["kind"] not in ("sub_in", "sub_out", "timeout"):
                    break
            assert set(throws) <= {drawn["player_id"]}
            assert len(throws) <= 3
            if fouls[period, e["team_id"]] >= 5:
                assert throws, e
                bonus += len(throws) == 2
            else:
                no_bonus += not throws
    assert bonus > 50
    assert no_bonus > 50


def test_every_shot_comes_within_the_shot_clock(games):
    """From what starts a shot clock (24 s; 14 s after an offensive rebound or foul) to the shot."""
    longest = 0.0
    for _, events, _ in games:
        start, allowed, team = 0.0, 24.0, None
        for e in events:
            kind = e["kind"]
            if kind in ("field_goal", "turnover") and team in (None, e["team_id"]):
                spent = start - e["clock_s"]
                assert spent <= allowed + 1e-6, e
                longest = max(longest, spent)
            if kind in ("period_start", "defensive_rebound", "steal"):
                start, allowed = e["clock_s"], 24.0
                team = None if kind == "period_start" else e["team_id"]
            elif kind == "turnover":
                start, allowed, team = e["clock_s"], 24.0, None
            elif kind in ("field_goal", "free_throw") and e["made"]:
                start, allowed, team = e["clock_s"], 24.0 + THROW_IN_S, None
            elif kind in ("offensive_rebound", "foul_drawn"):
                start, allowed, team = e["clock_s"], 14.0, e["team_id"]
    assert longest > 20


def test_possession_alternates_at_the_start_of_periods(games):
    for _, events, _ in games:
        arrow = None
        for i, e in enumerate(events):
            if e["kind"] == "jump_ball":
                assert e["period"] == 1
                first = next(x for x in events[i + 1 :] if x["kind"] in OFFENSE)
                assert attacker(first, events) == e["team_id"]
                arrow = e["team_id"]
            elif e["kind"] == "period_start" and e["period"] > 1:
                acts = [
                    x for x in events[i:] if x["period"] == e["period"] and x["kind"] in OFFENSE
                ]
                teams = {x["team_id"] for x in events if x["team_id"]}
                arrow = (teams - {arrow}).pop()
                if acts:
                    assert attacker(acts[0], events) == arrow


OFFENSE = ("pass", "field_goal", "turnover", "foul")


def attacker(event: dict, events: list[dict]) -> str:
    """Who has the ball at the first act of a possession."""
    if event["kind"] != "foul":
        return event["team_id"]
    play = [e for e in events if e["play_id"] == event["play_id"]]
    if any(e["kind"] == "turnover" for e in play):
        return event["team_id"]
    return next(e["team_id"] for e in play if e["kind"] == "foul_drawn")


def test_the_value_of_a_shot_agrees_with_its_place(games):
    corners = 0
    for _, events, _ in games:
        for e in events:
            if e["kind"] != "field_goal":
                assert (e["x_m"], e["contested"]) == (None, None)
                continue
            x, y = e["x_m"], e["y_m"]
            corner = y < math.sqrt(ARC_M**2 - CORNER_M**2)
            beyond = abs(x) >= CORNER_M if corner else math.hypot(x, y) >= ARC_M
            assert (e["value"] == 3) == beyond, e
            assert abs(x) < HALF_COURT_WIDTH_M
            assert y > -BEHIND_BASKET_M
            assert e["contested"] is not None
            corners += corner and beyond
    assert corners > 50


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_drawn_place_contradicts_its_value(seed, three, close):
    x, y = _spot(three, close and not three, stream(seed))
    corner = y < math.sqrt(ARC_M**2 - CORNER_M**2)
    assert three == (abs(x) >= CORNER_M if corner else math.hypot(x, y) >= ARC_M)
    assert abs(x) < HALF_COURT_WIDTH_M
    assert y > -BEHIND_BASKET_M


def test_rows_of_a_play_belong_together(games):
    allowed = {
        "assist": "field_goal", "block": "field_goal", "blocked": "field_goal",
        "steal": "turnover", "foul_drawn": "foul", "sub_in": "sub_out",
    }  # fmt: skip
    for _, events, _ in games:
        plays = defaultdict(list)
        for e in events:
            plays[e["play_id"]].append(e)
        assert list(plays) == list(range(len(plays)))
        for rows in plays.values():
            kinds = [e["kind"] for e in rows]
            for e in rows[1:]:
                if e["kind"] == "turnover":
                    assert kinds[:2] == ["foul", "foul_drawn"]
                else:
                    lead = next(r for r in rows if r["kind"] == allowed[e["kind"]])
                    same_team = e["kind"] in ("assist", "blocked", "sub_in")
                    assert (lead["team_id"] == e["team_id"]) == same_team
            if "assist" in kinds:
                assert rows[0]["made"]
                assert rows[0]["player_id"] != rows[1]["player_id"]
            if "block" in kinds:
                assert rows[0]["made"] is False
                assert rows[0]["contested"]


def test_an_assist_comes_from_the_last_pass_and_nobody_passes_to_himself(games):
    assists = 0
    for _, events, _ in games:
        for i, e in enumerate(events):
            if e["kind"] == "assist":
                last = events[i - 2]
                assert (last["kind"], last["player_id"]) == ("pass", e["player_id"])
                assists += 1
            if e["kind"] == "pass" and events[i + 1]["kind"] in ("pass", "field_goal"):
                assert events[i + 1]["player_id"] != e["player_id"]
    assert assists > 100


def test_the_box_score_equals_the_count_of_the_events(played):
    report = check(played)
    assert set(report.agreement.values()) == {1.0}
    assert report.flagged == []
    keys = ["game_id", "team_id", "player_id"]
    counted = count_box(played.read("events"))
    both = played.read("box_scores").join(counted, on=["game_id", "player_id"], suffix="_events")
    assert both.height > 500
    for stat in tables.BOX_STATS:
        assert (both[stat] == both[f"{stat}_events"]).all(), stat
    seconds = minutes_played(played.read("stints"))
    times = played.read("box_scores").join(seconds, on=keys, how="left").fill_null(0)
    assert (times["seconds_played"] - times["seconds"]).abs().max() < 0.05


def test_plus_minus_and_minutes_add_up(played):
    box = played.read("box_scores").join(played.read("games"), on="game_id")
    length = played.read("events").group_by("game_id").agg(extra=pl.col("period").max())
    teams = (
        box.join(length, on="game_id")
        .group_by("game_id", "team_id")
        .agg(
            pl.col("seconds_played").sum(),
            pl.col("plus_minus").cast(pl.Int32).sum(),
            pl.col("home_team_id", "home_score", "away_score").first(),
            expected=5
            * (
                pl.col("periods").first() * pl.col("period_s").first()
                + (pl.col("extra").first() - pl.col("periods").first())
                * pl.col("overtime_s").first()
            ),
        )
    )
    assert (teams["seconds_played"] - teams["expected"]).abs().max() < 0.5
    margin = teams["home_score"].cast(pl.Int32) - teams["away_score"].cast(pl.Int32)
    sign = (teams["team_id"] == teams["home_team_id"]).cast(pl.Int32) * 2 - 1
    assert (teams["plus_minus"] == 5 * margin * sign).all()


def test_at_most_twelve_dress_and_five_start(played):
    appearances = played.read("appearances")
    per_team = appearances.group_by("game_id", "team_id").agg(
        pl.len(), pl.col("starter").sum(), numbers=pl.col("number").n_unique()
    )
    assert per_team["len"].max() == 12
    assert (per_team["starter"] == 5).all()
    assert (per_team["numbers"] == per_team["len"]).all()
    long = [new_person(f"p{i}", "men", POSITIONS[i % 3], 2022, 0) for i in range(30)]
    rows = simulate_game("g", "A", long[:15], "B", long[15:], FULL, stream("long"))
    assert Counter(row[1] for row in rows.appearances) == {"A": 12, "B": 12}


def test_in_short_games_everyone_plays_and_has_events(tmp_path):
    ws = Workspace(tmp_path, create=True)
    simulate(ws, demo_leagues(), quiet=True)
    box = ws.read("box_scores").join(ws.read("games"), on="game_id")
    played_s = box.group_by("league", "season", "player_id").agg(pl.col("seconds_played").sum())
    assert played_s["seconds_played"].min() > 20
    events = (
        ws.read("events")
        .join(ws.read("games"), on="game_id")
        .filter(pl.col("player_id").is_not_null() & ~pl.col("kind").str.starts_with("sub_"))
        .group_by("league", "season", "player_id")
        .len()
    )
    assert events.height == played_s.height
    assert events["len"].median() >= 5
    assert {g for (g,) in ws.read("games").select("gender").unique().rows()} == {"men", "women"}
    assert ws.read("games")["region"].n_unique() == 2
    assert ws.read("games")["season"].n_unique() == 2


def test_the_same_seed_gives_the_same_tables(played, tmp_path):
    again = Workspace(tmp_path, create=True)
    simulate(again, [FULL, SHORT], seed=3, quiet=True)
    for table in ("games", "players", "appearances", "box_scores", "events", "stints"):
        assert again.read(table).equals(played.read(table)), table
    place = leagues.LATENT_SKILLS
    assert (again.private / place).read_bytes() == (played.private / place).read_bytes()
    simulate(again, [SHORT], seed=4, quiet=True)
    events = again.read("events", "short", "22-23")
    assert not events.equals(played.read("events", "short", "22-23"))


def test_leagues_and_rounds_added_change_no_other_game(played, tmp_path):
    ws = Workspace(tmp_path, create=True)
    other = dataclasses.replace(SHORT, league="other", gender="women")
    simulate(ws, [other, dataclasses.replace(SHORT, rounds=3)], seed=3, quiet=True)
    before = played.read("events", "short", "21-22")
    after = ws.read("events", "short", "21-22")
    assert after.height > before.height
    assert after.join(before, on="game_id", how="semi").equals(before)


def test_simulating_again_keeps_other_leagues(tmp_path):
    ws = Workspace(tmp_path, create=True)
    other = dataclasses.replace(SHORT, league="other", seasons=("21-22",))
    simulate(ws, [SHORT], quiet=True)
    first = ws.read("players")
    simulate(ws, [other], quiet=True)
    assert set(first["player_id"]) < set(ws.read("players")["player_id"])
    latent = pl.read_parquet(ws.private / leagues.LATENT_SKILLS)
    assert set(latent["league"]) == {"short", "other"}
    again = simulate(ws, [other], quiet=True)
    assert again.seasons[0]["league"] == "other"
    assert pl.read_parquet(ws.private / leagues.LATENT_SKILLS).equals(latent)


def test_persons_stay_over_seasons_drift_and_change_teams(played):
    latent = pl.read_parquet(played.private / leagues.LATENT_SKILLS).filter(league="short")
    assert latent.group_by("player_id", "season").len()["len"].unique().to_list() == [20]
    one, two = (
        latent.filter(pl.col("season") == season).drop("season", "league")
        for season in SHORT.seasons
    )
    both = one.join(two, on=["player_id", "skill"])
    stay = both["player_id"].n_unique()
    assert 0.3 * 32 < stay < 32
    moved = (both["value"] - both["value_right"]).std()
    assert 0.15 < moved < 0.4
    assert both.select(pl.corr("value", "value_right")).item() > 0.9
    team = (
        played.read("appearances")
        .filter(pl.col("game_id").str.starts_with("short"))
        .select("player_id", "team_id", season=pl.col("game_id").str.slice(6, 4))
        .unique()
    )
    per_season = team.group_by("player_id", "season").agg(pl.col("team_id").n_unique())
    assert (per_season["team_id"] == 1).all()
    assert (team.group_by("player_id").agg(pl.col("team_id").n_unique())["team_id"] == 2).any()
    people = played.read("players")
    assert set(team["player_id"]) <= set(people["player_id"])
    assert people.select(pl.exclude("player_id").null_count()).sum_horizontal().item() == 0
    age = (dt.date(2021, 10, 1) - people["birth_date"]).dt.total_days() / 365.25
    assert 16 < age.min() < age.max() < 36


def test_guests_play_in_two_leagues_of_their_gender(tmp_path):
    ws = Workspace(tmp_path, create=True)
    women = dataclasses.replace(SHORT, league="women", gender="women")
    cup = dataclasses.replace(SHORT, league="cup", guests=0.5)
    simulate(ws, [SHORT, women, cup], quiet=True)
    latent = pl.read_parquet(ws.private / leagues.LATENT_SKILLS).filter(skill="assists")
    where = {
        (name, season): set(rows["player_id"])
        for (name, season), rows in latent.partition_by("league", "season", as_dict=True).items()
    }
    for season in SHORT.seasons:
        assert len(where["short", season] & where["cup", season]) > 3
        assert not where["women", season] & where["cup", season]
        assert len(where["cup", season]) == 32
    # A person has one set of skills, wherever he plays.
    per_person = latent.group_by("player_id", "season").agg(pl.col("value").n_unique())
    assert (per_person["value"] == 1).all()


def test_everyone_meets_everyone_and_nobody_twice_a_day(played):
    games = played.read("games", "full", "22-23")
    pairs = Counter(map(frozenset, games.select("home_team_id", "away_team_id").rows()))
    assert set(pairs.values()) == {FULL.rounds}
    assert len(pairs) == 6
    homes = Counter(games["home_team_id"])
    assert set(homes.values()) == {6}
    days = [
        (day, team)
        for day, *teams in games.select("date", "home_team_id", "away_team_id").rows()
        for team in teams
    ]
    assert len(days) == len(set(days))
    odd = _schedule(list("ABC"), 2)
    assert len(odd) == 6
    assert {p for _, *p in map(tuple, odd) for p in p} == set("ABC")


def test_settings_refuse_all_faults_at_once(tmp_path):
    with pytest.raises(ConfigError) as error:
        LeagueSettings("a b", "mixed", teams=1, period_s=5, seasons=("2021", "21-22", "21-22"))
    text = str(error.value)
    for name in ("league:", "gender:", "teams:", "period_s:", "'2021'", "earliest first"):
        assert name in text
    with pytest.raises(ConfigError, match="each name once"):
        simulate(Workspace(tmp_path, create=True), [SHORT, SHORT])
    assert not Workspace(tmp_path).has("games")
    with pytest.raises(ValueError, match="at least 5"):
        simulate_game("g", "A", [], "B", [], SHORT, stream(0))


def test_full_leagues_are_of_full_length():
    for league in full_leagues():
        assert (league.periods, league.period_s, league.overtime_s) == (4, 600, 300)
        assert league.rounds == 2
    assert {league.gender for league in full_leagues()} == {"men", "women"}


# -- each latent skill moves its statistic ----------------------------------------------------------

RAISED = 1.5
#: What a player's team-mates share with him is told apart by team, the rest by player.
#: How good a day was depends on more than form, so that consistency takes more games to show.
GAMES = {"offensive_consistency": 80, "defensive_consistency": 80}
BY_TEAM = ("points_allowed", "teamwork", "impact")


def cast(key: str) -> tuple[list[Person], list[Person]]:
    """Two teams of equal, average players; of one skill half of them have more."""
    teams = []
    for side in range(2):
        people = []
        for i in range(12):
            person = new_person(f"{'ab'[side]}{i:02d}", "men", POSITIONS[i % 3], 2022, 0)
            high = side == 0 if key in BY_TEAM else (i // 3 + i) % 2 == side
            skills = dict.fromkeys(SKILL_KEYS, 0.0) | {key: RAISED if high else -RAISED}
            people.append(dataclasses.replace(person, height_cm=200.0 + i % 3, skills=skills))
        teams.append(people)
    return teams[0], teams[1]


@pytest.mark.parametrize("key", SKILL_KEYS)
def test_a_higher_latent_skill_moves_its_statistic_the_right_way(key, monkeypatch):
    monkeypatch.setattr(Person, "talent", 0.0)  # equal roles
    home, away = cast(key)
    rows = [
        simulate_game(f"g{i}", "A", home, "B", away, FULL, stream("skill", key, i))
        for i in range(GAMES.get(key, 20))
    ]
    names = ("appearances", "events")
    frames = {
        name: pl.DataFrame(
            [row for game in rows for row in getattr(game, name)], tables.dtypes(name), orient="row"
        )
        for name in names
    }
    listed = pl.DataFrame(
        [
            (
                f"g{i}", "L", "22-23", None, "men", None, "A", "B", None, None,
                game.score["A"], game.score["B"], 4, 600.0, 300.0, None, "test",
            )
            for i, game in enumerate(rows)
        ],
        tables.dtypes("games"),
        orient="row",
    )  # fmt: skip
    spells = leagues.stints(listed, frames["appearances"], frames["events"])
    season = season_statistics(
        rated_games(game_statistics(listed, frames["events"], spells), listed)
    )
    high = {p.player_id for p in home + away if p.skills[key] > 0}
    formula = FORMULAS[key]
    stat = (
        season.group_by(high=pl.col("player_id").is_in(high))
        .agg(value=formula.made.sum() / formula.of.sum())
        .sort("high")["value"]
    )
    worse, better = stat if not BY_KEY[key].lower_is_better else -stat
    gain = (better - worse) / abs(worse)
    assert gain > 0.02, f"{key}: {worse:.4f} -> {better:.4f}"


def test_consistency_narrows_the_form_of_the_day():
    spreads = []
    for consistency in (-RAISED, 0.0, RAISED):
        rng = stream("form", consistency)
        forms = pl.Series([_form(consistency, rng, WEIGHTS) for _ in range(2000)])
        spreads.append(forms.std())
        assert abs(forms.mean() - WEIGHTS.form_mean * consistency) < 0.05
    assert spreads[0] > 1.3 * spreads[1] > 1.3 * 1.3 * spreads[2]


def test_latent_skills_follow_their_position_and_hang_together():
    people = [new_person(f"p{i}", "men", POSITIONS[i % 3], 2022, 0) for i in range(3000)]
    of = {
        position: {
            key: pl.Series([p.skills[key] for p in people if p.position == position])
            for key in SKILL_KEYS
        }
        for position in POSITIONS
    }
    assert of["guard"]["assists"].mean() > of["wing"]["assists"].mean() + 0.5
    assert of["big"]["rebounds"].mean() > of["guard"]["rebounds"].mean() + 0.8
    for key in SKILL_KEYS:
        assert of["wing"][key].std() == pytest.approx(1, abs=0.08)
    wing = pl.DataFrame(of["wing"])
    assert wing.select(pl.corr("steals", "points_allowed")).item() == pytest.approx(
        TALENT + CATEGORY, abs=0.08
    )
    assert wing.select(pl.corr("steals", "assists")).item() == pytest.approx(TALENT, abs=0.08)
