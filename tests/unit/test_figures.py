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
from openbasket.labels import LabelSettings
from openbasket.labels.reliability import SCHEMA, ReliabilityReport, reliability
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
