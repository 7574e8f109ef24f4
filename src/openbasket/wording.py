"""Numbers in texts for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["counted", "counted_expr", "moment", "numberless"]

_ONE = {"are": "is", "have": "has", "were": "was", "do": "does", "they": "it", "a": "", "an": ""}


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun: ``1 game``, ``2 games``, ``1,234 games``.

    Args:
        number: how many.
        one: what follows the number 1.
        many: what follows all other numbers; by default ``one`` and an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def moment(seconds: float) -> str:
    """``1:05`` of 65.2 seconds."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def numberless(text: str) -> str:
    """A key that is equal for the forms of a text that :func:`counted` uses for one and for many.

    Example:
        >>> numberless("game is left out"), numberless("games are left out")
        ('game i left out', 'game i left out')
    """
    words = (_ONE.get(word, word) for word in text.split())
    return " ".join(re.sub(r"s\b", "", word) for word in words if word)


def counted_expr(column: str, one: str, many: str | None = None) -> pl.Expr:
    """The same of each number in a column (without commas)."""
    import polars as pl

    noun = pl.when(pl.col(column) == 1).then(pl.lit(one)).otherwise(pl.lit(many or f"{one}s"))
    return pl.format("{} {}", column, noun)
