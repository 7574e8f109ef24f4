"""Figures are drawn from the dataset, with text that can be read, and statistics that add up."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from openbasket.dataset import figures
from openbasket.dataset.statistics import statistics
from openbasket.errors import ConfigError, UnknownNameError
from openbasket.labels import LabelSettings, label
from openbasket.labels.players import clubs
from openbasket.labels.reliability import SCHEMA, ReliabilityReport, reliability
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.skills import SKILLS
from openbasket.workspace import Workspace


@pytest.fixture
def dataset(finished: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(finished / "ws", tmp_path / "ws")
    return Workspace(tmp_path / "ws")


def words(path: Path) -> str:
    """All text of an SVG drawing: matplotlib draws letters as paths and notes what they say."""
    return html.unescape(" ".join(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))))


def test_all_figures_are_drawn_with_text(dataset, tmp_path):
    out = tmp_path / "figures"
    report = reliability(dataset, LabelSettings(min_events=1), resamples=2, quiet=True)
    drawn = figures.draw_all(dataset, out, report=report)
    assert {p.name for p in out.iterdir()} == {Path(p).name for p in drawn}
    skills = words(out / "figure3_skills.svg")
    missing = [s.name for s in SKILLS if not all(word in skills for word in s.name.split())]
    assert missing == []
    cards = words(out / "figure4_players.svg")
    assert "sim-men" in cards or "21-22" in cards


def test_the_map_counts_players_where_their_leagues_are(tmp_path):
    figure = figures.league_map({"euroleague": 300, "nba": 450, "wnba": 150})
    figures.save(figure, tmp_path / "map.svg")
    assert (tmp_path / "map.svg").stat().st_size > 10_000
    figures.save(figure, tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_profile_cards_show_levels_of_the_five_categories(dataset):
    levels = dataset.read("levels")
    subject = dataset.read("subjects")["subject_id"][0]
    (card,) = figures.profiles(dataset, [subject])
    assert set(card.categories) == {s.category for s in SKILLS}
    category = next(k for k, v in card.categories.items() if v is not None)
    keys = [s.key for s in SKILLS if s.category == category]
    mine = levels.filter((pl.col("subject_id") == subject) & pl.col("skill").is_in(keys))
    assert card.categories[category] == pytest.approx(mine["level"].drop_nulls().mean())


def test_a_person_who_is_not_there_and_a_form_that_is_not_known(dataset, tmp_path):
    with pytest.raises(UnknownNameError, match="nobody"):
        figures.profiles(dataset, ["nobody"])
    with pytest.raises(ConfigError, match="gif"):
        figures.draw_all(dataset, tmp_path, suffix="gif")


def test_the_reliability_plot_has_a_row_for_each_skill(tmp_path):
    rows = [
        ("a-league", "21-22", key, measure, value, value - 0.1, value + 0.1, 100)
        for key, value in (("assists", 0.9), ("three_point", 0.3))
        for measure in ("split_half", "year_to_year", "level_change")
    ]
    report = ReliabilityReport(pl.DataFrame(rows, schema=SCHEMA, orient="row"), 5, 10)
    figures.save(figures.reliability_plot(report), tmp_path / "plot.svg")
    text = words(tmp_path / "plot.svg")
    assert "Assists" in text
    assert "mostly noise" in text
    empty = ReliabilityReport(pl.DataFrame(schema=SCHEMA), 5, 10)
    figures.save(figures.reliability_plot(empty), tmp_path / "empty.svg")


def test_statistics_tell_what_minimums_leave(dataset):
    found = statistics(dataset)
    subjects = dataset.read("subjects")
    assert found.skills == levels_used(dataset)
    for column, table in found.thresholds.items():
        assert list(table) == sorted(table)
        assert all(
            count == subjects.filter(pl.col(column) >= least).height
            for least, count in table.items()
        )
        assert list(table.values()) == sorted(table.values(), reverse=True)
    assert sum(found.by_season.values()) == sum(found.by_gender.values()) == subjects.height


def levels_used(ws: Workspace) -> int:
    return ws.read("levels").drop_nulls("level")["skill"].n_unique()


def test_no_club_is_drawn_twice_while_others_are_left(tmp_path):
    ws = Workspace(tmp_path, create=True)
    league = LeagueSettings("cup", teams=4, players_per_team=8, rounds=1, period_s=120.0)
    simulate(ws, [league], seed=4, quiet=True)
    label(ws, LabelSettings(min_events=1), quiet=True)
    people = ws.read("subjects")
    # One club has the players of most games: without looking at clubs, only these would be drawn.
    first = clubs(ws, people).sort("team_id")["team_id"][0]
    favoured = clubs(ws, people).filter(team_id=first)["subject_id"]
    more = pl.col("games") + 100 * pl.col("subject_id").is_in(favoured.implode()).cast(pl.Int32)
    ws.write("subjects", people.with_columns(games=more))
    figures.draw_all(ws, tmp_path / "out")
    text = words(tmp_path / "out" / "figure4_players.svg")
    names = ws.read("games")["home_team"].unique().to_list()
    shown = {name: len(re.findall(name.replace(" ", r"\s+"), text)) for name in names}
    assert len(shown) == 4
    assert set(shown.values()) == {1, 2}  # six cards, four clubs
    assert sum(shown.values()) == 6


def test_the_cards_have_a_legend_of_the_radar(dataset, tmp_path):
    subject = dataset.read("subjects")["subject_id"][0]
    figures.draw_all(dataset, tmp_path, subject_ids=[subject])
    text = " ".join(words(tmp_path / "figure4_players.svg").split())
    assert "SHO shooting, REB rebounding, DEF defense, PLA playmaking, OFF offense" in text
    assert "Poor at the centre" in text
    assert "Excellent at the rim" in text
