"""When two ids are one person."""

from __future__ import annotations

import unicodedata

__all__ = ["person_key"]


def person_key(player_id: str) -> str:
    """What is equal for spellings of an id that differ by case, blanks or the form of Unicode alone.

    Folders and spreadsheets change these unasked. Who must not be in two splits is told by this key.

    Example:
        >>> person_key("P1") == person_key("p1 ")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", player_id).casefold().split())
