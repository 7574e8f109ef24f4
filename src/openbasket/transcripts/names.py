"""Identifiers and names: text that providers write in many ways, in one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import polars as pl

__all__ = [
    "decimal",
    "display_name",
    "first_name_first",
    "identifier",
    "initial_and_last",
    "normal_name",
    "per_value",
    "rounded",
    "slug",
    "stat",
    "text",
    "unaccented",
    "whole",
]

#: Letters that Unicode does not split into a base letter and a mark.
LETTERS = str.maketrans(
    {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "ß": "ss",
     "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "\u0131": "i", "þ": "th", "Þ": "TH", "\u2019": "'"}
)  # fmt: skip
SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv", "v"})


def text(column: str) -> pl.Expr:
    """The column as text without padding; blanks become null."""

    def strip(values: pl.Series) -> pl.Series:
        stripped = values.str.strip_chars()
        blank = stripped == ""
        return stripped.set(blank, None) if blank.any() else stripped

    return (
        pl.col(column)
        .cast(pl.String)
        .map_batches(strip, return_dtype=pl.String, is_elementwise=True)
    )


def decimal(column: str | pl.Expr) -> pl.Expr:
    """The column as numbers; null where it is none."""
    given = pl.col(column) if isinstance(column, str) else column

    def numbers(values: pl.Series) -> pl.Series:
        found = values.cast(pl.Float64, strict=False)
        if found.null_count() > values.null_count():  # some have blanks around them
            found = values.str.strip_chars().cast(pl.Float64, strict=False)
        return found

    return given.cast(pl.String).map_batches(numbers, return_dtype=pl.Float64, is_elementwise=True)


def whole(column: str | pl.Expr) -> pl.Expr:
    """The column as whole numbers, fractions cut off; null where it is no number."""
    return decimal(column).cast(pl.Int32, strict=False)


def rounded(column: str, dtype: type[pl.DataType] = pl.Int32) -> pl.Expr:
    """The column as whole numbers, fractions rounded; null where it is no number, or one too large."""
    return decimal(column).round().cast(dtype, strict=False)


def stat(column: str) -> pl.Expr:
    """A count of the box score; null where it is none, or negative."""
    value = rounded(column, pl.Int16)
    return pl.when(value >= 0).then(value)


def identifier(column: str, prefix: str = "") -> pl.Expr:
    """A code without padding, with ``prefix``; what :data:`tables.ID_PATTERN` forbids becomes ``_``.

    A whole number that was read as a float (``2544.0``) loses its fraction. Null stays null.
    """

    def clean(given: pl.Expr) -> pl.Expr:
        whole = given.str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")
        code = whole.str.replace_all(r"[^A-Za-z0-9._-]+", "_").str.strip_chars_start("._-")
        return pl.when(code != "").then(prefix + code)

    return per_value(pl.col(column), clean)


def per_value(
    column: pl.Expr,
    clean: Callable[[pl.Expr], pl.Expr],
    dtype: type[pl.DataType] = pl.String,
) -> pl.Expr:
    """``clean`` of a column as text, worked out once for each value: much faster. Null stays null."""

    def apply(values: pl.Series) -> pl.Series:
        distinct = values.drop_nulls().unique()
        if distinct.is_empty():
            return values.cast(dtype)
        cleaned = distinct.to_frame("value").select(clean(pl.col("value")).cast(dtype)).to_series()
        if dtype == pl.String and cleaned.equals(distinct):
            return values
        return values.replace_strict(distinct, cleaned, return_dtype=dtype)

    return column.cast(pl.String).map_batches(apply, return_dtype=dtype, is_elementwise=True)


def first_name_first(name: str) -> str:
    """``"CARNEY, Jenn"`` → ``"Jenn CARNEY"``; ``"Carney, Jr."`` is in order but for the comma."""
    if name.count(",") != 1:
        return name
    last, first = (part.strip() for part in name.split(","))
    return f"{last} {first}" if first.strip(".").lower() in SUFFIXES else f"{first} {last}"


def unaccented(given: str) -> str:
    """Text without accents, plain letters for those that have none apart: ``"Đurišić"`` → ``"Durisic"``."""
    plain = unicodedata.normalize("NFKD", given).translate(LETTERS)
    return "".join(c for c in plain if not unicodedata.combining(c))


@lru_cache(maxsize=100_000)  # the same names come in every game
def normal_name(name: str) -> str:
    """A name without accents, case, punctuation, order and suffix: ``"CARNEY, Jenn"`` → ``"jenn carney"``."""
    name = first_name_first(name)
    words = re.sub(r"[^a-z0-9]+", " ", unaccented(name).lower().replace("'", "")).split()
    while len(words) > 1 and words[-1] in SUFFIXES:
        words.pop()
    return " ".join(words)


def initial_and_last(name: str) -> str:
    """First initial and the rest of a name: ``"Jenn Carney"`` and ``"J. CARNEY"`` → ``"j carney"``."""
    words = normal_name(name).split()
    return " ".join([words[0][0], *words[1:]]) if len(words) > 1 else " ".join(words)


def slug(name: str) -> str:
    """A name as part of an identifier: ``"Đorđe O'Neal Jr."`` → ``"dorde-oneal"``."""
    return normal_name(name).replace(" ", "-") or "unnamed"


def display_name(name: pl.Expr) -> pl.Expr:
    """``"LO, MAODO"`` to ``"Maodo Lo"``."""
    parts = name.str.split_exact(",", 1)
    last, first = parts.struct[0].str.strip_chars(), parts.struct[1].str.strip_chars()
    return (
        pl.when(first.is_not_null() & (first != ""))
        .then(pl.concat_str([first, last], separator=" "))
        .otherwise(last)
        .str.to_titlecase()
    )
