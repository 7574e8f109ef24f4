"""The skill table holds what the paper's Table 8 and the official files say."""

from __future__ import annotations

import pytest

from openbasket import skills
from openbasket.errors import UnknownNameError

OFFICIAL_HEADER = (
    "Free Throw, 2-PTs, 3-PTs, Contested-shots, Overall Shooting, Rebounds, Defensive Rebounds, "
    "Offensive Rebounds, Steals, Turnovers, Points-allowed, Defensive Consistency, Assists, "
    "Passing Accuracy, Fouls, Contribution, Offensive Consistency, Teamwork, Impact, Efficiency"
).split(", ")


def test_twenty_skills_in_the_categories_of_table_8():
    counts = {c: sum(s.category == c for s in skills.SKILLS) for c in skills.CATEGORIES}
    assert counts == {"shooting": 5, "rebounding": 3, "defense": 4, "playmaking": 3, "offense": 5}
    assert len(set(skills.SKILL_KEYS)) == 20


def test_official_order_is_the_official_header():
    assert [s.name for s in skills.OFFICIAL_ORDER] == OFFICIAL_HEADER
    assert [s.official_column for s in skills.OFFICIAL_ORDER] == list(range(20))


def test_only_defensive_consistency_is_reversed_in_official_files():
    reversed_keys = [s.key for s in skills.SKILLS if s.official_reversed]
    assert reversed_keys == ["defensive_consistency"]
    one = skills.BY_KEY["defensive_consistency"]
    assert [skills.official_level(one, level) for level in range(5)] == [4, 3, 2, 1, 0]
    for s in skills.SKILLS:
        for level in range(5):
            assert skills.official_level(s, skills.official_level(s, level)) == level


def test_lower_is_better_where_the_statistic_is_a_fault():
    lower = {s.key for s in skills.SKILLS if s.lower_is_better}
    assert lower == {"turnovers", "fouls", "points_allowed"}


@pytest.mark.parametrize("name", ["three_point", "3-PTs", "3-pts", "THREE_POINT", "3 PTs"])
def test_a_skill_is_found_by_key_or_display_name(name):
    assert skills.skill(name).key == "three_point"


def test_an_unknown_skill_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'rebounds'"):
        skills.skill("rebound")


def test_level_names():
    assert skills.level_names(5) == ("Poor", "Fair", "Average", "Good", "Excellent")
    assert skills.level_names(3) == ("Poor", "Average", "Excellent")
    assert skills.level_names(2) == ("Level 0", "Level 1")
