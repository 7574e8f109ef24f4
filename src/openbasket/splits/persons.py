"""When two ids are one person."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from openbasket.transcripts.names import normal_name, unaccented

__all__ = ["name_key", "one_by_name", "person_key"]


def person_key(player_id: str) -> str:
    """What is equal for spellings of an id that differ by case, blanks or the form of Unicode alone.

    Folders and spreadsheets change these unasked. Who must not be in two splits is told by this key.

    Example:
        >>> person_key("P1") == person_key("p1 ")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", player_id).casefold().split())


def name_key(name: str) -> str:
    """What is equal for spellings of a name: without accents, case, points, suffix and order of words.

    Example:
        >>> name_key("ĐURIŠIĆ, Nikola Jr.") == name_key("Nikola Durisic")
        True
    """
    bare = unaccented(name).casefold()
    if all(c.isascii() for c in bare if c.isalnum()):
        words = normal_name(name).split()
    else:  # of another script than Latin, whose letters a normal name lacks
        words = "".join(c if c.isalnum() else " " for c in bare).split()
    return " ".join(sorted(words))


def one_by_name(names: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Each id, and the first of all ids that have its name.

    Leagues number their players each by itself, so that a person who played in two has two ids.

    Args:
        names: id and name; who has none is alone.
    """
    first: dict[str, str] = {}
    found = {}
    for player, name in sorted(names, key=lambda pair: pair[0]):
        key = name_key(name or "")
        found[player] = first.setdefault(key, player) if key else player
    return found
