"""What the tables scraped from the ABA League's and the Slovenian league's sites have in common.

One row for each play (``PLAY_TYPE``), each line of the box score (``FG2_M``) and each game (``H_TEAM``),
told apart by their columns; parquet or CSV, one file a season or a game.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts.formats import Peek, read_table
from openbasket.transcripts.names import stat, text
from openbasket.transcripts.plays import season_name

__all__ = ["DETAILS", "PLAYS", "load", "seasons"]

PLAYS = ("GAME_ID", "QUARTER", "MINUTES", "SECONDS", "TEAM", "PLAYER_NAME", "PLAY_TYPE")
DETAILS = ("SEASON", "PLAYER_ID", "PLAYER_NUMBER", "PLAY_NOTE", "H_SCORE", "A_SCORE")
BOX = (
    "GAME_ID", "TYPE", "TEAM", "PLAYER_NAME", "MINUTES", "SECONDS", "POINTS", "FG2_M", "FG2_A", "FG3_M",
    "FG3_A", "FT_M", "FT_A", "REB_O", "REB_D", "ASS", "ST", "TO", "BLC_FV", "FLS_CM", "FLS_RV",
)  # fmt: skip
BOX_DETAILS = ("SEASON", "PLAYER_ID", "PLAYER_NUMBER", "PLUS_MINUS")
GAMES = ("SEASON", "GAME_ID", "DATE", "H_TEAM", "A_TEAM", "H_TEAM_ID", "A_TEAM_ID")
SCORES = ("H_SCORE", "A_SCORE", "H_OT_1", "H_OT_2", "H_OT_3", "H_OT_4")
SHOTS = ("GAME_ID", "TEAM", "X", "Y", "MADE", "PLAYER_ID")
KINDS = {"plays": (PLAYS, DETAILS), "box": (BOX, BOX_DETAILS), "games": (GAMES, SCORES),
         "shots": (SHOTS, ("SEASON",))}  # fmt: skip


def kind_of(peek: Peek) -> str | None:
    """Which of the four tables a file is, by its columns."""
    return next((kind for kind, (needed, _) in KINDS.items() if peek.has(*needed)), None)


def first_words(path: Path, column: str, rows: int = 400) -> set[str]:
    """The values of a column in the first rows: tells the two leagues apart."""
    try:
        frame = read_table(path, (column,)).head(rows)
    except BadInputError:
        return set()
    return set(frame[column].drop_nulls().unique())


def load(files: Sequence[Path], peeks: Sequence[Peek]) -> dict[str, pl.DataFrame]:
    """Read the files into the tables ``plays``, ``box``, ``games`` and ``shots``, all of them text.

    Raises:
        BadInputError: a damaged file; no list of games, or no plays, beside the others.
    """
    parts: dict[str, list[pl.DataFrame]] = {kind: [] for kind in KINDS}
    for seen in peeks:
        kind = kind_of(seen)
        assert kind
        parts[kind].append(read_table(seen.path, *KINDS[kind]))
    problems = [
        Problem(
            str(files[0].parent), None, None, f"no file of {kind}", f"columns {', '.join(needed)}"
        )
        for kind, (needed, _) in KINDS.items()
        if kind in ("plays", "games") and not parts[kind]
    ]
    if problems:
        raise BadInputError(problems)
    return {
        kind: pl.concat(list_)
        if list_
        else pl.DataFrame(schema=dict.fromkeys([*KINDS[kind][0], *KINDS[kind][1]], pl.String))
        for kind, list_ in parts.items()
    }


def seasons(games: pl.DataFrame, where: str) -> pl.DataFrame:
    """Add ``season`` ("21-22") to the list of games.

    Raises:
        BadInputError: each row whose season is no year.
    """
    start = text("SEASON").str.extract(r"^(\d{4})").cast(pl.Int32)
    games = games.with_columns(_start=start)
    bad = games.with_row_index("_row").filter(pl.col("_start").is_null())
    if bad.height:
        raise BadInputError(
            Problem(where, row, "SEASON", repr(given), "such as 2021/22")
            for row, given in bad.select("_row", "SEASON").rows()
        )
    names = {year: season_name(year) for year in games["_start"].unique()}
    return games.with_columns(
        season=pl.col("_start").replace_strict(names, return_dtype=pl.String),
        date=text("DATE").str.to_date("%d/%m/%Y", strict=False),
        home_score=stat("H_SCORE"),
        away_score=stat("A_SCORE"),
        home_team=text("H_TEAM"),
        away_team=text("A_TEAM"),
    ).drop("_start")
