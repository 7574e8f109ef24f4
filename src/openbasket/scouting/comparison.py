"""Compare players, or one player's seasons, by their report cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from openbasket import __version__
from openbasket.errors import BadInputError, ConfigError, NotFoundError, Problem
from openbasket.evaluation.figures import radar
from openbasket.evaluation.report import page
from openbasket.scouting.card import Card
from openbasket.skills import CATEGORIES, SKILLS, category_means
from openbasket.workspace import write_text

__all__ = ["Comparison", "SkillRow", "compare", "read_card", "write_comparison"]

#: Cards side by side.
MOST = 4
#: Marks that are nearer, as a share of the scale, would overlap on a narrow screen.
_NEAR = 0.065
#: A player is told to be above another where the model's probabilities say so at least so often.
CLEAR = 0.8


@dataclass(frozen=True, slots=True)
class SkillRow:
    """One skill of all cards.

    Args:
        key, name, category: of the skill.
        expected: expected level of each card.
        levels: likeliest level of each card, in words; empty where that is a guess.
        best: number of the card that is above all others, from 0; null where none clearly is.
        certainty: probability that it is above the next one, by both cards' probabilities, halves of
            what is equal; null where ``best`` is.
    """

    key: str
    name: str
    category: str
    expected: tuple[float, ...]
    levels: tuple[str, ...]
    best: int | None
    certainty: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cards side by side.

    Args:
        names: of the cards.
        cards: in the order of the page; seasons of one player from the first to the last.
        skills: 20 rows.
        seasons: whether these are seasons of one player.
        notes: what makes the comparison less fair.
    """

    names: tuple[str, ...]
    cards: tuple[Card, ...]
    skills: tuple[SkillRow, ...]
    seasons: bool
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain data, without the cards."""
        return {
            "names": list(self.names),
            "seasons": self.seasons,
            "skills": [asdict(row) for row in self.skills],
            "notes": list(self.notes),
        }


def read_card(path: Path) -> Card:
    """Read a card that ``scout --out card.json`` wrote.

    Raises:
        NotFoundError: no such file.
        BadInputError: no card.
    """
    try:
        card = TypeAdapter(Card).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise NotFoundError(f"'{path}' is not there") from None
    except (OSError, ValueError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        told = why.splitlines()[0][:120]
        problem = Problem(str(path), None, "card", told, "JSON that 'openbasket scout' wrote")
        raise BadInputError([problem]) from None
    faults = [
        Problem(str(path), None, where, given, allowed)
        for where, given, allowed, right in (
            ("skills", "other skills or levels", "the 20 skills, whole", _whole(card)),
            ("model", "other facts", "those of a run, by name", _of_a_run(card)),
        )
        if not right
    ]
    if faults:
        raise BadInputError(faults, "Make the card again with 'openbasket scout'.")
    return card


def _whole(card: Card) -> bool:
    """Whether a card rates the 20 skills, in levels that there are."""
    told = [(s.key, s.category) for s in card.skills]
    if told != [(s.key, s.category) for s in SKILLS] or len(card.levels) not in (3, 5):
        return False
    top = len(card.levels) - 1
    return all(
        len(s.probabilities) == top + 1
        and all(0 <= p <= 1 for p in s.probabilities)
        and abs(sum(s.probabilities) - 1) < 1e-3
        and 0 <= s.level <= top
        and 0 <= s.expected <= top
        for s in card.skills
    )


def _of_a_run(card: Card) -> bool:
    facts = card.model
    return all(
        isinstance(facts.get(name), str) for name in ("model", "run", "data_sha256")
    ) and all(isinstance(fact, str | int | float | None) for fact in facts.values())


def compare(cards: Sequence[Card]) -> Comparison:
    """Compare cards of one run.

    Raises:
        ConfigError: fewer than two cards or more than four, or cards of different runs.
    """
    if not 2 <= len(cards) <= MOST:
        raise ConfigError(f"got {len(cards)} cards; allowed: 2 to {MOST}")
    runs = {(c.model.get("run"), c.model.get("data_sha256"), c.levels) for c in cards}
    if len(runs) > 1:
        told = ", ".join(sorted({str(c.model.get("run")) for c in cards}))
        raise ConfigError(
            f"these cards are of different runs or data ({told}); levels can be compared only if one model "
            "rated all"
        )
    people = {card.player for card in cards}
    seasons = (
        len(people) == 1 and None not in people and len({c.season for c in cards}) == len(cards)
    )
    if seasons:
        cards = sorted(cards, key=lambda card: card.season or "")
    names = tuple(_name(card, seasons) for card in cards)
    rows = tuple(_row(cards, index) for index in range(len(SKILLS)))
    return Comparison(names, tuple(cards), rows, seasons, tuple(_notes(cards)))


def _name(card: Card, seasons: bool) -> str:
    who = card.player or card.video.stem
    return str(card.season) if seasons else " ".join(filter(None, (who, card.season)))


def _row(cards: Sequence[Card], index: int) -> SkillRow:
    ratings = [card.skills[index] for card in cards]
    order = sorted(range(len(cards)), key=lambda i: -ratings[i].expected)
    first, second = order[0], order[1]
    above = _above(ratings[first].probabilities, ratings[second].probabilities)
    clear = above >= CLEAR
    return SkillRow(
        ratings[0].key,
        ratings[0].name,
        ratings[0].category,
        tuple(r.expected for r in ratings),
        tuple(r.level_name if r.clear else "" for r in ratings),
        first if clear else None,
        above if clear else None,
    )


def _above(one: Sequence[float], other: Sequence[float]) -> float:
    """Probability that a level drawn of ``one`` is above one of ``other``; half of what is equal counts."""
    joint = np.outer(one, other)
    return float(np.tril(joint, -1).sum() + np.trace(joint) / 2)


def _notes(cards: Sequence[Card]) -> list[str]:
    notes = []
    places = {(c.league, c.season) for c in cards}
    if len({league for league, _ in places}) > 1:
        notes.append(
            "These players are of different leagues. Levels compare players of one league and season; "
            "the same level in two leagues is not the same skill."
        )
    elif len(places) > 1:
        notes.append(
            "Levels are ranks within a season: a level that falls may mean that others got better."
        )
    lengths = [len(card.clips) for card in cards]
    if max(lengths) > 1.5 * min(lengths):
        notes.append(
            f"The videos show {' and '.join(map(str, lengths))} clips; more clips show more of a player."
        )
    if not all("temperature" in card.model for card in cards):
        notes.append("The probabilities are not calibrated ('openbasket calibrate').")
    return notes


def _lanes(places: Sequence[float]) -> list[int]:
    """Lane of each mark, from 0, so that none hides another.

    Args:
        places: of the marks, from 0 to 1.
    """
    lanes: list[int] = []
    for i, place in enumerate(places):
        taken = {lanes[j] for j in range(i) if abs(places[j] - place) < _NEAR}
        lanes.append(min(set(range(i + 1)) - taken))
    return lanes


def write_comparison(found: Comparison, out: Path) -> Path:
    """Write the comparison as one HTML file with nothing to load from elsewhere."""
    top = len(found.cards[0].levels) - 1
    outlines = [
        (f"c{i}", [*category_means([s.expected for s in card.skills]).values()])
        for i, card in enumerate(found.cards)
    ]
    context: dict[str, Any] = {
        "version": __version__,
        "found": found,
        "title": (
            f"{found.cards[0].player}, season by season"
            if found.seasons
            else " and ".join(filter(None, (", ".join(found.names[:-1]), found.names[-1])))
        ),
        "levels": found.cards[0].levels,
        "top": top,
        "radar": radar(
            [c.capitalize() for c in CATEGORIES],
            outlines,
            top,
            f"Mean expected level of each category, from 0 to {top}: {', '.join(found.names)}",
        ),
        "groups": [
            (
                c.capitalize(),
                [
                    (row, _lanes([value / top for value in row.expected]))
                    for row in found.skills
                    if row.category == c
                ],
            )
            for c in CATEGORIES
        ],
    }
    return write_text(out, page("comparison.html.j2", context, "openbasket.scouting"))
