"""When two ids are one person."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date

from openbasket.transcripts.names import SUFFIXES, first_name_first, unaccented

__all__ = ["one_by_name", "person_key", "same_names"]

_SUFFIXES = SUFFIXES - {"v"}  # which is an initial, too
_APOSTROPHES = "['`\u00b4\u02bc\u2018\u2019]"


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
    first name first, however they are divided, as in O'Neal, O Neal and ONEAL. Accents, case, points,
    apostrophes and Jr., Sr., II, III and IV count for nothing.

    Example:
        >>> same_names(["Nikola Durisic", "ĐURIŠIĆ, Nikola Jr."])["ĐURIŠIĆ, Nikola Jr."]
        'Nikola Durisic'
    """
    above: dict[str, str] = {}

    def top(key: str) -> str:
        while (upper := above.setdefault(key, key)) != key:
            above[key] = key = above[upper]
        return key

    own = {}
    for name in sorted(set(names)):
        keys = _keys(name)
        if keys:
            own[name] = keys[0]
            for key in keys[1:]:
                above[top(key)] = top(keys[0])
    first: dict[str, str] = {}
    return {name: first.setdefault(top(key), name) for name, key in own.items()}


def _keys(name: str) -> list[str]:
    """What a name and each spelling of it may have in common."""
    keys = []
    plain = first_name_first(name)
    for given in (plain, re.sub(_APOSTROPHES, "", plain)):
        words = _words(given)
        kept = [*words[:1], *(word for word in words[1:] if word not in _SUFFIXES)]
        if kept:
            numbered = any(c.isdigit() for word in kept for c in word)
            joined = [] if numbered else ["".join(kept)]
            keys += [" ".join(sorted(kept)), " ".join(sorted(words)), *joined]
    return keys


def _words(name: str) -> list[str]:
    bare = unaccented(re.sub(_APOSTROPHES, " ", name)).casefold()
    return "".join(
        c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in bare
    ).split()


def one_by_name(players: Iterable[tuple[str, str | None, date | None]]) -> dict[str, str]:
    """Each id, and the first of all ids that have its name.

    Leagues number their players each by itself, so that a person who played in two has two ids.

    Args:
        players: id, name and birth date, each id once. Who has no name is alone. Of one name, those of
            different birth dates are different persons, if all birth dates are known.
    """
    rows = sorted(players, key=lambda row: row[0])
    same = same_names(name for _, name, _ in rows if name)
    named = [(player, same.get(name or ""), born) for player, name, born in rows]
    unborn = {name for _, name, born in named if born is None}
    first: dict[tuple[str, date | None], str] = {}
    return {
        player: player
        if name is None
        else first.setdefault((name, None if name in unborn else born), player)
        for player, name, born in named
    }
