"""The 20 skills of the BASKET paper (Table 8), in 5 categories and 5 levels: one table.

Inside openbasket a level is always 0 (poor) to 4 (excellent). The official files write
Defensive Consistency the other way round (there, lower is better); ``official_reversed``
says so, and :func:`official_level` translates in both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from openbasket.errors import UnknownNameError

__all__ = [
    "BY_KEY",
    "CATEGORIES",
    "LEVEL_NAMES",
    "OFFICIAL_ORDER",
    "SKILLS",
    "SKILL_KEYS",
    "Category",
    "Skill",
    "category_means",
    "level_names",
    "official_level",
    "skill",
]

Category = Literal["shooting", "rebounding", "defense", "playmaking", "offense"]

CATEGORIES: tuple[Category, ...] = (
    "shooting",
    "rebounding",
    "defense",
    "playmaking",
    "offense",
)
LEVEL_NAMES: tuple[str, ...] = ("Poor", "Fair", "Average", "Good", "Excellent")


@dataclass(frozen=True, slots=True)
class Skill:
    """One of the 20 skills.

    Args:
        key: name in code, tables and files.
        name: name as Table 8 and the official CSV header write it.
        category: coarse category of Table 8.
        lower_is_better: whether a smaller *raw statistic* means a better player
            (turnovers, fouls, points allowed).
        official_column: zero-based position among the 20 label columns of an official CSV.
        official_reversed: whether the official files store ``4 - level``.
    """

    key: str
    name: str
    category: Category
    lower_is_better: bool
    official_column: int
    official_reversed: bool = False


# The order is that of the paper's Table 8.
SKILLS: tuple[Skill, ...] = (
    Skill("free_throw", "Free Throw", "shooting", False, 0),
    Skill("two_point", "2-PTs", "shooting", False, 1),
    Skill("three_point", "3-PTs", "shooting", False, 2),
    Skill("contested_shots", "Contested-shots", "shooting", False, 3),
    Skill("overall_shooting", "Overall Shooting", "shooting", False, 4),
    Skill("rebounds", "Rebounds", "rebounding", False, 5),
    Skill("defensive_rebounds", "Defensive Rebounds", "rebounding", False, 6),
    Skill("offensive_rebounds", "Offensive Rebounds", "rebounding", False, 7),
    Skill("steals", "Steals", "defense", False, 8),
    Skill("fouls", "Fouls", "defense", True, 14),
    Skill("points_allowed", "Points-allowed", "defense", True, 10),
    Skill("defensive_consistency", "Defensive Consistency", "defense", False, 11, True),
    Skill("assists", "Assists", "playmaking", False, 12),
    Skill("passing_accuracy", "Passing Accuracy", "playmaking", False, 13),
    Skill("turnovers", "Turnovers", "playmaking", True, 9),
    Skill("contribution", "Contribution", "offense", False, 15),
    Skill("offensive_consistency", "Offensive Consistency", "offense", False, 16),
    Skill("teamwork", "Teamwork", "offense", False, 17),
    Skill("impact", "Impact", "offense", False, 18),
    Skill("efficiency", "Efficiency", "offense", False, 19),
)
SKILL_KEYS: tuple[str, ...] = tuple(s.key for s in SKILLS)
BY_KEY: dict[str, Skill] = {s.key: s for s in SKILLS}
OFFICIAL_ORDER: tuple[Skill, ...] = tuple(sorted(SKILLS, key=lambda s: s.official_column))


def skill(name: str) -> Skill:
    """Return the skill with this key or display name (case and punctuation do not matter).

    Raises:
        UnknownNameError: there is no such skill; the message suggests the nearest.
    """
    wanted = _plain(name)
    for candidate in SKILLS:
        if wanted in (_plain(candidate.key), _plain(candidate.name)):
            return candidate
    raise UnknownNameError("skill", name, SKILL_KEYS)


def official_level(which: Skill, level: int, levels: int = 5) -> int:
    """Translate a level between ours and the official files' (the map is its own inverse)."""
    return levels - 1 - level if which.official_reversed else level


def category_means(levels: Sequence[float | None]) -> dict[Category, float | None]:
    """Mean level of each category over its skills that have one; ``None`` where none has.

    Args:
        levels: 20 numbers, in the order of :data:`SKILLS`.
    """
    found: dict[Category, float | None] = {}
    for category in CATEGORIES:
        known = [
            level
            for level, s in zip(levels, SKILLS, strict=True)
            if level is not None and s.category == category
        ]
        found[category] = sum(known) / len(known) if known else None
    return found


def level_names(levels: int) -> tuple[str, ...]:
    """Names of ``levels`` levels: the paper's five, the human study's three, else numbers."""
    if levels == len(LEVEL_NAMES):
        return LEVEL_NAMES
    if levels == 3:
        return ("Poor", "Average", "Excellent")
    return tuple(f"Level {i}" for i in range(levels))


def _plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())
