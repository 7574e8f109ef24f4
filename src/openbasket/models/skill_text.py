"""Skills as text: what a language model is asked, how it answers, and what an answer says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from openbasket.skills import SKILLS, level_names

__all__ = ["FAULTS", "VIDEO", "Parsed", "answer", "parse", "prompt"]

#: Where the video comes in a question, as LLaVA writes it.
VIDEO = "<video>"

#: Kinds of faults of an answer; :class:`Parsed` says what each is.
FAULTS = ("missing", "duplicate", "reordered", "out_of_range", "renamed", "malformed")

_INDEX = {skill.name.lower(): index for index, skill in enumerate(SKILLS)}
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")


def prompt(levels: int = 5) -> str:
    """The question: it names the 20 skills in the order of ``SKILLS``, the scale and the form.

    Args:
        levels: levels of a skill (5, or 3 as in the paper's human study).
    """
    scale = ", ".join(f"{level} is {name}" for level, name in enumerate(level_names(levels)))
    return (
        "The video shows the plays of one basketball player in a season. "
        f"Rate each of the player's {len(SKILLS)} skills from 0 to {levels - 1}, where {scale}. "
        "Answer with one line for each skill, in this order, as 'Skill: level', and nothing else. "
        "The skills are: " + ", ".join(skill.name for skill in SKILLS) + "."
    )


def answer(levels: Sequence[int | None]) -> str:
    """The answer that gives these levels: lines ``Skill: level``.

    Args:
        levels: 20 levels in the order of ``SKILLS``, 0 poor to the best; a skill whose level is
            ``None`` has no line.

    Raises:
        ValueError: not 20 levels.
    """
    if len(levels) != len(SKILLS):
        raise ValueError(f"got {len(levels)} levels; an answer is about all {len(SKILLS)} skills")
    return "\n".join(
        f"{skill.name}: {level}"
        for skill, level in zip(SKILLS, levels, strict=True)
        if level is not None
    )


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an answer says, and all that is wrong with it.

    Args:
        levels: 20 levels in the order of ``SKILLS``; ``None`` where the answer gives none.
        missing: keys of skills that no line gives a whole number.
        duplicate: keys of skills with several lines; the level counts only if all agree.
        reordered: keys of skills whose first line comes after that of a later skill.
        out_of_range: keys of skills with a whole number that is no level.
        renamed: lines with a whole number, but not of a skill under its name.
        malformed: all other lines, also empty ones.
        places: where in the answer the digit of each level stands; ``None`` where there is no level.
    """

    levels: tuple[int | None, ...]
    missing: tuple[str, ...]
    duplicate: tuple[str, ...]
    reordered: tuple[str, ...]
    out_of_range: tuple[str, ...]
    renamed: tuple[str, ...]
    malformed: tuple[str, ...]
    places: tuple[int | None, ...]

    @property
    def faults(self) -> dict[str, int]:
        """How many there are of each kind of fault."""
        return {name: len(getattr(self, name)) for name in FAULTS}


def parse(text: str, levels: int = 5) -> Parsed:
    r"""Read an answer strictly: only case and surrounding spaces do not matter; nothing is guessed.

    Args:
        text: lines ``Skill: level``.
        levels: levels of a skill.

    Example:
        >>> found = parse("Steals: 3\nBlocks: 2\nFouls: 5\nRebounds: good")
        >>> found.levels[8], found.out_of_range, found.renamed, found.malformed
        (3, ('fouls',), ('Blocks: 2',), ('Rebounds: good',))
    """
    allowed = {str(level): level for level in range(levels)}
    given: dict[int, list[int | None]] = {}  # in the order of first lines
    places: dict[int, int] = {}
    renamed, malformed = [], []
    start = len(text) - len(text.lstrip())
    for line in text.strip().split("\n") if text.strip() else ():
        name, colon, number = (part.strip() for part in line.partition(":"))
        index = _INDEX.get(name.lower()) if name.isascii() else None
        if not (colon and name and _WHOLE.fullmatch(number)):
            malformed.append(line)
        elif index is None:
            renamed.append(line)
        else:
            given.setdefault(index, []).append(allowed.get(number))
            places.setdefault(index, start + line.rindex(number))
        start += len(line) + 1
    order = list(given)

    def keys(indices: Sequence[int]) -> tuple[str, ...]:
        return tuple(SKILLS[index].key for index in sorted(indices))

    found = tuple(
        given[index][0] if len(set(given.get(index, ()))) == 1 else None
        for index in range(len(SKILLS))
    )
    return Parsed(
        levels=found,
        missing=keys([index for index in range(len(SKILLS)) if index not in given]),
        duplicate=keys([index for index in order if len(given[index]) > 1]),
        reordered=keys([index for n, index in enumerate(order) if index < max(order[: n + 1])]),
        out_of_range=keys([index for index in order if None in given[index]]),
        renamed=tuple(renamed),
        malformed=tuple(malformed),
        places=tuple(None if level is None else places[index] for index, level in enumerate(found)),
    )
