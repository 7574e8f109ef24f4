"""What is written is read back, and every fault of an answer is counted, none mended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbasket.models.skill_text import answer, parse, prompt
from openbasket.skills import SKILL_KEYS, SKILLS

LEVELS = [i % 5 for i in range(20)]
LINES = answer(LEVELS).split("\n")
STEALS = SKILL_KEYS.index("steals")
NO_FAULTS = dict.fromkeys(
    ("missing", "duplicate", "reordered", "out_of_range", "renamed", "malformed"), 0
)


def faults(text: str, levels: int = 5) -> dict[str, int]:
    return {kind: count for kind, count in parse(text, levels).faults.items() if count}


def with_line(line: str, index: int = STEALS) -> str:
    return "\n".join([*LINES[:index], line, *LINES[index + 1 :]])


@pytest.mark.parametrize("levels", [3, 5])
def test_the_prompt_names_the_skills_in_order_and_the_scale(levels):
    text = prompt(levels)
    assert ", ".join(skill.name for skill in SKILLS) in text
    assert f"from 0 to {levels - 1}, where 0 is Poor," in text
    assert f"{levels - 1} is Excellent." in text


@given(st.lists(st.none() | st.integers(0, 4), min_size=20, max_size=20))
def test_what_is_written_is_read_back(levels):
    found = parse(answer(levels))
    assert found.levels == tuple(levels)
    assert found.faults == NO_FAULTS | {"missing": levels.count(None)}


@given(st.text() | st.lists(st.sampled_from([*LINES, "Fouls: 9", "x: 1", ""])).map("\n".join))
def test_any_text_is_read_and_no_line_is_lost(text):
    found = parse(text)
    assert all(level is None or 0 <= level < 5 for level in found.levels)
    assert found.levels.count(None) >= len(found.missing)
    if not (found.renamed or found.malformed or found.duplicate):
        lines = text.strip().split("\n") if text.strip() else []
        assert len(lines) == 20 - len(found.missing)


def test_an_answer_is_about_twenty_skills():
    with pytest.raises(ValueError, match="got 2 levels"):
        answer([1, 2])


@pytest.mark.parametrize("line", ["steals: 3", " STEALS :3  ", "Steals:3\r"])
def test_case_and_surrounding_spaces_do_not_matter(line):
    found = parse(with_line(line))
    assert found.levels[STEALS] == 3
    assert found.faults == NO_FAULTS


def test_a_missing_skill():
    found = parse("\n".join(LINES[:STEALS] + LINES[STEALS + 1 :]))
    assert found.missing == ("steals",)
    assert found.faults == NO_FAULTS | {"missing": 1}
    assert found.levels[STEALS] is None


def test_a_skill_twice_counts_only_if_its_levels_agree():
    same, other, bad = (parse(f"{answer(LEVELS)}\nEfficiency: {n}") for n in (4, 3, 7))
    assert same.levels == tuple(LEVELS)
    assert same.faults == other.faults == NO_FAULTS | {"duplicate": 1}
    assert other.levels[-1] is bad.levels[-1] is None
    assert bad.faults == NO_FAULTS | {"duplicate": 1, "out_of_range": 1}


def test_another_order_is_accepted_and_counted():
    found = parse("\n".join([LINES[1], LINES[0], *LINES[2:]]))
    assert found.levels == tuple(LEVELS)
    assert found.reordered == ("free_throw",)
    assert found.faults == NO_FAULTS | {"reordered": 1}
    assert faults("\n".join(reversed(LINES))) == {"reordered": 19}


@pytest.mark.parametrize("number", ["5", "-1", "10", "9" * 5000])
def test_a_level_out_of_range_gives_none(number):
    found = parse(with_line(f"Steals: {number}"))
    assert found.levels[STEALS] is None
    assert found.out_of_range == ("steals",)
    assert found.faults == NO_FAULTS | {"out_of_range": 1}


def test_three_levels_are_0_to_2():
    assert faults("\n".join(f"{s.name}: 2" for s in SKILLS), 3) == {}
    assert faults("\n".join(f"{s.name}: 3" for s in SKILLS), 3) == {"out_of_range": 20}


@pytest.mark.parametrize(
    "line", ["Steal: 3", "Steals per game: 3", "Blocks: 2", "- Steals: 3", "\u017fteals: 3"]
)
def test_another_name_is_not_guessed(line):
    found = parse(with_line(line))
    assert found.renamed == (line,)
    assert found.faults == NO_FAULTS | {"missing": 1, "renamed": 1}


@pytest.mark.parametrize(
    "line",
    ["Steals: good", "Steals 3", "Steals = 3", "Steals: 3.0", "Steals: 3/4", "Steals: 03", "Steals: +3",
     "Steals: \u0663", "Steals: 3.", "Steals: -0", "Steals:", ": 3", "Steals: 3: 3", "Sure!", ""],
)  # fmt: skip
def test_a_malformed_line_gives_nothing(line):
    found = parse(with_line(line))
    assert found.levels[STEALS] is None
    assert found.malformed == (line,)
    assert found.faults == NO_FAULTS | {"missing": 1, "malformed": 1}


def test_an_empty_answer_misses_all():
    assert faults("") == faults(" \n ") == {"missing": 20}
