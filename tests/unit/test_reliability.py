"""Planted truths: impacts, noise and agreement that are known must be found."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.labels import LabelSettings, label
from openbasket.labels.experts import agreement
from openbasket.labels.impact import adjusted_plus_minus, stretches
from openbasket.labels.levels import level as level_of
from openbasket.labels.reliability import reliability, spearman_brown, verdict
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.transcripts.court import team_acts
from openbasket.workspace import Workspace


def planted(rows: int, noise: float, seed: int = 0) -> tuple[pl.DataFrame, dict[str, float], float]:
    """Stretches of five against five whose margins follow known impacts and a home advantage."""
    rng = np.random.default_rng(seed)
    people = [f"p{n:02d}" for n in range(40)]
    impact = dict(zip(people, rng.normal(0, 4, 40), strict=True))
    home_edge = 3.0
    found = []
    for row in range(rows):
        ten = rng.permutation(40)[:10]
        home, away = [people[i] for i in ten[:5]], [people[i] for i in ten[5:]]
        n = float(rng.integers(2, 12))
        edge = home_edge + sum(impact[p] for p in home) - sum(impact[p] for p in away)
        margin = n * edge / 100 + rng.normal(0, noise * np.sqrt(n))
        found.append((f"g{row // 40}", row, home, away, margin, n))
    schema = {
        "game_id": pl.String, "first_order": pl.Int64, "home_players": pl.List(pl.String),
        "away_players": pl.List(pl.String), "margin": pl.Float64, "possessions": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(found, schema=schema, orient="row"), impact, home_edge


def test_planted_impacts_noise_and_home_advantage_are_found():
    frame, truth, home_edge = planted(40_000, noise=1.2)
    found, fit = adjusted_plus_minus(frame)
    mine = np.array([truth[p] for p in found["player_id"]])
    theirs = found["impact"].to_numpy()
    assert np.corrcoef(mine, theirs)[0, 1] > 0.95
    assert fit.noise == pytest.approx(1.2, rel=0.02)
    assert fit.spread == pytest.approx(np.std(mine), rel=0.25)
    assert fit.home_advantage == pytest.approx(home_edge, abs=1.0)
    # Shrunken values are as far from the truth as their spread says, not farther.
    assert np.sqrt(np.mean((mine - mine.mean() - theirs + theirs.mean()) ** 2)) < 0.4 * fit.spread


def test_impacts_of_pure_noise_shrink_to_nothing():
    frame, _, _ = planted(4000, noise=1.2)
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1.2, frame.height) * np.sqrt(frame["possessions"].to_numpy())
    found, fit = adjusted_plus_minus(frame.with_columns(margin=pl.Series(noise)))
    assert found["impact"].std() < 1.0
    assert fit.penalty > 1e4


def test_swapping_home_and_away_turns_the_sign_of_the_margin_alone():
    frame, _, _ = planted(5000, noise=1.0)
    turned = frame.rename(
        {"home_players": "away_players", "away_players": "home_players"}
    ).with_columns(margin=-pl.col("margin"))
    one, first = adjusted_plus_minus(frame)
    two, second = adjusted_plus_minus(turned)
    assert two["impact"].to_numpy() == pytest.approx(one["impact"].to_numpy(), abs=1e-6)
    assert second.home_advantage == pytest.approx(-first.home_advantage)


def test_impacts_that_cancel_out_are_nothing_and_tied():
    """They are sums of roundings, by which people were ranked, on each machine in another order."""
    five = [[f"{team}{n}" for n in range(5)] for team in "ab"]
    other = [[name.upper() for name in team] for team in five]
    possessions = [(2.5, 3.5, 7.0), (4.5, 1.5, 11.0)]
    played = [
        (f"{line_ups[0][0]}{n}", n, *line_ups, 0.7 * share, share)
        for line_ups, shares in zip((five, other), possessions, strict=True)
        for n, share in enumerate(shares)
    ]
    frame = pl.DataFrame(played, schema=planted(1, 1.0)[0].schema, orient="row")
    found, _ = adjusted_plus_minus(frame)
    assert found["impact"].to_list() == [0.0] * found.height
    found, _ = adjusted_plus_minus(
        frame.with_columns(margin=pl.Series([4.0, 1.0, 3.0, 5.0, 0.0, 4.0]))
    )
    for team in "abAB":
        alike = found.filter(pl.col("player_id").str.starts_with(team))["impact"]
        assert alike.n_unique() == 1
        assert alike[0] != 0


@pytest.fixture(scope="module")
def league(tmp_path_factory) -> Workspace:
    ws = Workspace(tmp_path_factory.mktemp("league"), create=True)
    settings = LeagueSettings(
        "sim", teams=6, players_per_team=9, rounds=4, seasons=("21-22", "22-23")
    )
    simulate(ws, [settings], seed=5, quiet=True)
    return ws


def test_stretches_add_up_to_the_games(league):
    games, events, stints = (league.read(t, "sim", "21-22") for t in ("games", "events", "stints"))
    acts = team_acts(events)
    found = stretches(games, acts, stints)
    assert set(found["home_players"].list.len()) == {5}
    margins = found.group_by("game_id").agg(pl.col("margin").sum())
    truth = games.select(
        "game_id", margin=(pl.col("home_score") - pl.col("away_score")).cast(pl.Int64)
    )
    both = margins.join(truth, on="game_id")
    # Points that fall into a stretch without possessions (technical free throws) may be missing.
    assert (both["margin"] - both["margin_right"]).abs().mean() < 0.5
    possessions = found["possessions"].sum() * 2
    assert possessions == pytest.approx(acts["possessions"].sum(), rel=0.01)


def test_reliability_follows_what_is_in_the_labels(league):
    report = reliability(league, LabelSettings(min_events=1), resamples=6, quiet=True)
    table = report.table
    assert set(table["measure"]) == {"split_half", "year_to_year", "level_change"}
    assert (
        table.filter(
            (pl.col("value") < pl.col("low") - 1e-9) | (pl.col("value") > pl.col("high") + 1e-9)
        )
        .filter(pl.col("measure") != "level_change")
        .is_empty()
    )
    halves = dict(
        table.filter(measure="split_half", season="21-22").select("skill", "value").rows()
    )
    # Made threes are noisy in the simulator as in life; rebounds and assists are not.
    assert min(halves["assists"], halves["rebounds"]) > 0.6
    assert halves["assists"] > halves["three_point"]
    years = table.filter(measure="year_to_year")
    assert set(years["season"]) == {"22-23"}
    changes = table.filter(measure="level_change")
    assert changes["value"].is_between(0, 0.85).all()
    assert (league.private / "reliability.json").exists()
    again = reliability(league, LabelSettings(min_events=1), resamples=6, quiet=True)
    assert again.table.equals(table)


def test_seasons_of_too_few_players_are_named(league):
    words = ["reliability", str(league.root), "--min-events", "9999", "--resamples", "0", "-q"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    for season in ("21-22", "22-23"):
        note = f"note: not measured: sim {season}, 0 players with enough events; needed: 20"
        assert note in done.output
    content = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert content["too_small"] == {"sim 21-22": 0, "sim 22-23": 0}
    assert content["least_players"] == 20
    assert json.loads((league.private / "reliability.json").read_text()) == content


def test_flagged_games_are_measured_on_request(league, tmp_path):
    ws = Workspace(tmp_path, create=True)
    for name in ("games", "appearances", "box_scores", "events", "stints"):
        ws.write(name, league.read(name, "sim", "21-22"), "sim", "21-22")
    ws.write("players", league.read("players"))
    games = league.read("games", "sim", "21-22")["game_id"]
    flags = pl.DataFrame({"game_id": games}).with_columns(
        check=pl.lit("result"), scope=pl.lit("game"), reason=pl.lit("planted")
    )
    ws.write("flags", flags, "sim", "21-22")
    words = ["reliability", str(tmp_path), "--min-events", "1", "--resamples", "0", "-q", "--json"]
    left_out = json.loads(CliRunner().invoke(app, words).stdout)
    assert left_out["too_small"] == {"sim 21-22": 0}
    used = json.loads(CliRunner().invoke(app, [*words, "--include-flagged"]).stdout)
    assert used["too_small"] == {}
    assert used["rows"]


def test_games_that_carry_nothing_are_called_noise(league, tmp_path):
    """Statistics of players dealt at random over games leave no reliability."""
    ws = Workspace(tmp_path, create=True)
    for name in ("games", "appearances", "box_scores"):
        ws.write(name, league.read(name, "sim", "21-22"), "sim", "21-22")
    ws.write("players", league.read("players"))
    rng = np.random.default_rng(0)
    roster = league.read("appearances", "sim", "21-22").sort("game_id", "team_id", "player_id")
    dealt = [
        part.select(
            "game_id", "player_id", other=pl.Series(rng.permutation(part["player_id"].to_list()))
        )
        for part in roster.partition_by("game_id", "team_id")
    ]
    swap = pl.concat(dealt)

    def mixed(frame: pl.DataFrame) -> pl.DataFrame:
        joined = frame.join(swap, on=["game_id", "player_id"], how="left", maintain_order="left")
        return joined.with_columns(player_id=pl.col("other")).drop("other")

    events = mixed(league.read("events", "sim", "21-22"))
    stints = league.read("stints", "sim", "21-22").with_row_index("stint")
    fives = (
        mixed(stints.select("stint", "game_id", player_id="player_ids").explode("player_id"))
        .group_by("stint")
        .agg(player_ids=pl.col("player_id"))
    )
    stints = stints.drop("player_ids").join(fives, on="stint").sort("stint").drop("stint")
    ws.write("events", events, "sim", "21-22")
    ws.write("stints", stints, "sim", "21-22")
    report = reliability(
        ws, LabelSettings(min_events=1, include_flagged=True), resamples=4, quiet=True
    )
    mixed_up = dict(report.summary().select("skill", "split_half").rows())
    truth = reliability(league, LabelSettings(min_events=1), resamples=0, quiet=True).summary()
    sound = dict(truth.select("skill", "split_half").rows())
    # What is left is the difference between teams.
    assert np.median(list(mixed_up.values())) < 0.5 < np.median(list(sound.values())) - 0.2
    assert mixed_up["passing_accuracy"] < 0.3 < sound["passing_accuracy"]


def test_spearman_brown_and_the_words():
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(1.0) == 1.0
    assert spearman_brown(-1.0) == -1.0
    assert [verdict(v) for v in (0.49, 0.5, 0.69, 0.7)] == ["mostly noise", "fair", "fair", "good"]


@pytest.fixture
def judged(league) -> tuple[pl.DataFrame, pl.DataFrame]:
    label(league, LabelSettings(min_events=1), quiet=True)
    return league.read("levels"), league.read("subjects")


def test_experts_who_agree_and_who_disagree(judged):
    levels, subjects = judged
    mine = levels.filter(pl.col("rank").is_not_null()).select(
        "subject_id", "skill", "rank", "level"
    )
    same = agreement(levels, mine, subjects).filter(skill="assists").row(0, named=True)
    assert same["spearman"] == pytest.approx(1.0)
    assert same["quadratic_kappa"] == pytest.approx(1.0)
    turned = mine.with_columns(rank=1000 - pl.col("rank"), level=4 - pl.col("level"))
    other = agreement(levels, turned, subjects).filter(skill="assists").row(0, named=True)
    assert other["spearman"] == pytest.approx(-1.0)
    assert other["quadratic_kappa"] < -0.9


def test_experts_who_give_ranks_alone_get_levels_of_equal_size(judged):
    levels, subjects = judged
    ranks = levels.filter(pl.col("rank").is_not_null()).select(
        "subject_id", "skill", "rank", level=pl.lit(None, pl.Int8)
    )
    found = agreement(levels, ranks, subjects).filter(skill="assists").row(0, named=True)
    assert found["quadratic_kappa"] > 0.99
    counts = (
        pl.DataFrame({"rank": range(1, 11)})
        .select(level_of(pl.col("rank"), pl.lit(10), 5))
        .to_series()
        .value_counts()["count"]
    )
    assert counts.to_list() == [2] * 5
