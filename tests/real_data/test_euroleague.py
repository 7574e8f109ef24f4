"""Real EuroLeague and EuroCup seasons: the count agrees with every official box score."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from openbasket.labels import LabelSettings, label
from openbasket.transcripts import import_files
from openbasket.transcripts.check import check
from openbasket.workspace import Workspace

pytestmark = pytest.mark.real_data


def season(source: Path, folder: Path, year: int) -> Workspace:
    """Import one season's files."""
    files = folder / source.name
    files.mkdir()
    for name in (f"playbyplay_{year}", f"boxscore_{year}", f"points_{year}", "header"):
        (files / f"{name}.parquet").symlink_to((source / f"{name}.parquet").resolve())
    ws = Workspace(folder / "ws", create=True)
    import_files("euroleague", [files], ws, quiet=True)
    return ws


@pytest.mark.parametrize(
    ("league", "year", "games", "minutes"),
    [("euroleague", 2007, 231, 0.0), ("euroleague", 2022, 328, 0.99), ("eurocup", 2021, 189, 0.99)],
)
def test_every_statistic_of_every_player_game_agrees(
    real_data, tmp_path, league, year, games, minutes
):
    ws = season(real_data / "events" / league, tmp_path, year)
    report = check(ws)
    assert report.games == games
    assert report.player_games > 4000
    assert report.agreement == dict.fromkeys(report.agreement, 1.0)
    assert len(report.agreement) == 15
    assert report.minutes >= minutes
    assert {flag["scope"] for flag in report.flagged} <= {"lineups", "note"}


def test_the_live_api_sample_agrees(real_data, tmp_path):
    ws = Workspace(tmp_path, create=True)
    import_files("euroleague", [real_data / "raw_samples" / "euroleague_live_api"], ws, quiet=True)
    report = check(ws)
    assert set(report.agreement.values()) == {1.0}
    assert (report.games, report.minutes, report.flagged) == (1, 1.0, [])


def test_a_real_season_gets_nineteen_of_twenty_skills(real_data, tmp_path):
    ws = season(real_data / "events" / "euroleague", tmp_path, 2022)
    report = label(ws, LabelSettings(), quiet=True)
    (facts,) = report.seasons
    assert facts["not_recorded"] == {"passing_accuracy": ["pass"]}
    assert facts["contests"] == "place and blocks"
    assert facts["subjects"] > 240
    levels = ws.read("levels").drop_nulls("level")
    counts = levels.group_by("skill", "level").len()
    spread = counts.group_by("skill").agg(pl.col("len").max() - pl.col("len").min())
    assert spread["len"].max() <= 1
