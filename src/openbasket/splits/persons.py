"""When two ids are one person."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date

from openbasket.transcripts.names import SUFFIXES, first_name_first, unaccented

__all__ = ["one_by_name", "person_key", "same_names"]

_SUFFIXES = SUFFIXES - {"v"}  # which is an initial, too


def person_key(player_id: str) -> str:
    """What is equal for spellings of an id that differ by case, blanks or the form of Unicode alone.

    Folders and spreadsheets change these unasked. Who must not be in two splits is told by this key.

    Example:
        >>> person_key("P1") == person_key("p1 ")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", player_id).casefold().split())


def same_names(names: Iterable[str]) -> dict[str, str]:
    """Each name, and the first of those that are spellings of it; names without a letter are left out.

    Two are spellings of one if they have the same words, in whatever order, or the same letters, with the
    first name first, however they are divided, as in O'Neal, O Neal and ONEAL. Accents, case, points and
    Jr., Sr., II, III and IV count for nothing.

    Example:
        >>> same_names(["Nikola Durisic", "ĐURIŠIĆ, Nikola Jr."])["ĐURIŠIĆ, Nikola Jr."]
        'Nikola Durisic'
    """
    above: dict[str, str] = {}

    def top(key: str) -> str:
        while (upper := above.setdefault(key, key)) != key:
            key = upper
        return key

    spelled = {}
    for name in sorted(set(names)):
        words = re.findall(r"[^\W_\u02bc]+", unaccented(first_name_first(name)).casefold())
        words = [*words[:1], *(word for word in words[1:] if word not in _SUFFIXES)]
        if words:
            spelled[name] = " ".join(sorted(words))
            above[top("".join(words))] = top(spelled[name])
    first: dict[str, str] = {}
    return {name: first.setdefault(top(key), name) for name, key in spelled.items()}


def one_by_name(players: Iterable[tuple[str, str | None, date | None]]) -> dict[str, str]:
    """Each id, and the first of all ids that have its name.

    Leagues number their players each by itself, so that a person who played in two has two ids.

    Args:
        players: id, name and birth date. Who has no name is alone; of one name, those of different birth
            dates are different persons, and who has none is the first of them.
    """
    rows = list(players)
    same = same_names(name for _, name, _ in rows if name)
    first: dict[tuple[str, date | None], str] = {}
    found = {}
    # of one name, those with a birth date come first: who has none is one of them
    for player, name, born in sorted(rows, key=lambda row: (row[2] is None, row[0])):
        key = same.get(name or "")
        if key is None:
            found[player] = player
        else:
            found[player] = first.setdefault((key, born), player)
            first.setdefault((key, None), player)
    return found
