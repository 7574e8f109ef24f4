"""What is asked of the list of players: the query string of a page, checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from openbasket.explorer.catalogue import FACETS, Catalogue, folded
from openbasket.skills import BY_KEY

__all__ = ["PAGE", "Found", "Query", "QueryFault", "parse", "search"]

#: Players on a page.
PAGE = 40
Sort = Literal["name", "league", "season", "age", "games", "minutes", "events", "level"]


class QueryFault(ValueError):  # noqa: N818 - an answer to who asked
    """A query that cannot be answered; the message says which part, and what is allowed."""


class Query(BaseModel):
    """A query; everything that is left out is open."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    q: str = Field("", max_length=100)
    league: str = Field("", max_length=100)
    season: str = Field("", max_length=10)
    gender: Literal["", "men", "women"] = ""
    region: str = Field("", max_length=100)
    split: str = Field("", max_length=40)
    age_min: int | None = Field(None, ge=0, le=120)
    age_max: int | None = Field(None, ge=0, le=120)
    skill: str = Field("", max_length=40)
    level_min: int | None = Field(None, ge=0, le=20)
    level_max: int | None = Field(None, ge=0, le=20)
    sort: Sort = "name"
    order: Literal["asc", "desc"] = "asc"
    page: int = Field(1, ge=1, le=100_000)

    @field_validator("age_min", "age_max", "level_min", "level_max", mode="before")
    @classmethod
    def _open(cls, given: Any) -> Any:
        """An empty field of a form says nothing."""
        return None if given == "" else given

    @field_validator("skill")
    @classmethod
    def _known(cls, given: str) -> str:
        if given and given not in BY_KEY:
            raise ValueError("a skill's key")
        return given

    def url(self, **changes: Any) -> str:
        """The address of this query with some changes, on the first page unless told otherwise."""
        content = self.model_dump() | {"page": 1} | changes
        kept = {k: v for k, v in content.items() if v not in ("", None) and v != DEFAULTS.get(k)}
        return "/?" + urlencode(kept) if kept else "/"


DEFAULTS = {name: f.default for name, f in Query.model_fields.items()}


@dataclass(frozen=True)
class Found:
    """A page of an answer.

    Args:
        rows: subjects, as in the catalogue.
        total: how many there are on all pages.
        pages: how many pages, at least one.
        page: which this is, from 1.
    """

    rows: list[dict[str, Any]] = field(repr=False)
    total: int
    pages: int
    page: int


def parse(pairs: list[tuple[str, str]]) -> Query:
    """Read a query string.

    Raises:
        QueryFault: a name that is unknown or comes twice, a value that is not allowed.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        raise QueryFault("A part of this query comes twice.")
    if any(not c.isprintable() for _, text in pairs for c in text):
        raise QueryFault("This query has characters that cannot be shown.")
    try:
        return Query.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])[:40] if first["loc"] else "query"
        raise QueryFault(f"'{name}' of this query: {first['msg']}.") from None


def search(catalogue: Catalogue, query: Query) -> Found:
    """Find the players of a query."""
    wanted = [pl.col(name) == getattr(query, name) for name in FACETS if getattr(query, name)]
    wanted += [
        pl.col("text").str.contains(word, literal=True) for word in folded(query.q).split()[:8]
    ]
    for name, least, most in (
        ("age", query.age_min, query.age_max),
        (query.skill, query.level_min, query.level_max),
    ):
        if name and least is not None:
            wanted.append(pl.col(name) >= least)
        if name and most is not None:
            wanted.append(pl.col(name) <= most)
    people = catalogue.people
    hits = people.filter(*wanted) if wanted else people
    down = query.order == "desc"
    column: str = query.sort
    if query.sort == "level":
        column = query.skill or "name"
    pages = max(1, -(-hits.height // PAGE))
    page = min(query.page, pages)
    start = (page - 1) * PAGE
    if column != "name" or down:  # they lie by name
        order = (
            hits.select(column, "subject_id")
            .with_row_index()
            .sort(column, "index", descending=[down, False], nulls_last=True)["index"]
        )
        rows = hits[order.slice(start, PAGE)]
    else:
        rows = hits.slice(start, PAGE)
    return Found(rows.to_dicts(), hits.height, pages, page)
