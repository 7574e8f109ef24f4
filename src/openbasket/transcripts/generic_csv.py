"""A format of our own for anybody's data: a folder of CSV files with the standard tables' columns.

``games.csv`` and ``events.csv`` are needed; ``players.csv``, ``appearances.csv`` and
``box_scores.csv`` are welcome. ``event_id``, ``order`` and ``play_id`` may be left out, and the clock
may be written ``clock`` as ``MM:SS`` (or ``MM:SS.t``) instead of ``clock_s``. Cells stand between commas,
semicolons or tabs, in UTF-8 (or UTF-16).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from openbasket import tables
from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, decoded, separator

__all__ = ["FILES", "matches", "read"]

TABLES: tuple[tables.TableName, ...] = (
    "games",
    "events",
    "players",
    "appearances",
    "box_scores",
)
REQUIRED = ("games", "events")
DEFAULTS = {"periods": "4", "period_s": "600", "overtime_s": "300", "source": "generic_csv"}


FILES = "games.csv and events.csv (and players.csv, appearances.csv, box_scores.csv) in one folder"


def matches(seen: Peek) -> bool:
    """Whether a file is one of ours, by its name."""
    return seen.path.name.lower() in {f"{name}.csv" for name in TABLES}


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each league and season of each folder.

    Raises:
        BadInputError: files that are missing or empty, and every cell that breaks its table.
    """
    del options  # these files say everything
    folders: dict[Path, dict[str, Path]] = {}
    for file in files:
        folders.setdefault(file.parent, {})[file.stem.lower()] = file
    for folder, found in sorted(folders.items()):
        yield from _folder(folder, found)


def _folder(folder: Path, found: Mapping[str, Path]) -> Iterator[Transcript]:
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise BadInputError(
            Problem(str(folder / f"{name}.csv"), None, None, "no such file", "a CSV file")
            for name in missing
        )
    paths = {name: found.get(name, folder / f"{name}.csv") for name in TABLES}
    raw = {name: _load(paths[name], name) for name in TABLES}
    games = raw["games"].with_columns(
        pl.lit(value).alias(column)
        for column, value in DEFAULTS.items()
        if column not in raw["games"].columns
    )
    events = _events(raw["events"], paths["events"])
    problems: list[Problem] = []
    checked: dict[str, pl.DataFrame] = {}
    for name, frame in {**raw, "games": games, "events": events}.items():
        try:
            checked[name] = tables.validate(name, frame, str(paths[name]))
        except BadInputError as error:
            problems += error.problems
    if problems:
        raise BadInputError(problems, hint="Rows count from 0, the header line not included.")
    events = checked["events"]
    known = checked["games"]["game_id"]
    lost = events.with_row_index("row").filter(~pl.col("game_id").is_in(known.implode()))
    if not lost.is_empty():
        raise BadInputError(
            Problem(str(paths["events"]), row, "game_id", repr(game), "a game of games.csv")
            for row, game in lost.select("row", "game_id").rows()
        )
    appearances = _appearances(checked["appearances"], events)
    players = _players(checked["players"], appearances)
    for (league, season), part in (
        checked["games"]
        .sort("league", "season")
        .partition_by("league", "season", as_dict=True)
        .items()
    ):
        mine = pl.col("game_id").is_in(part["game_id"].implode())
        here = appearances.filter(mine)
        yield Transcript(
            str(league),
            str(season),
            part,
            players.filter(pl.col("player_id").is_in(here["player_id"].implode())),
            here,
            checked["box_scores"].filter(mine),
            events.filter(mine),
        )


def _load(path: Path, name: tables.TableName) -> pl.DataFrame:
    if not path.exists():
        return tables.empty(name)
    if path.stat().st_size == 0:
        raise BadInputError(
            [Problem(str(path), None, None, "an empty file", "a header line and rows")]
        )
    content = path.read_bytes()
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    source = decoded(content).encode() if wide else content
    mark = separator(decoded(content).lstrip().split("\n", 1)[0])
    try:
        frame = pl.read_csv(source.lstrip(), infer_schema=False, separator=mark)
    except pl.exceptions.PolarsError as error:
        raise BadInputError(
            [Problem(str(path), None, None, str(error)[:160], "comma-separated text in UTF-8")]
        ) from None
    frame = frame.rename({c: c.strip() for c in frame.columns})
    blank = pl.all().str.strip_chars()
    frame = frame.select(pl.when(blank != "").then(blank))
    if name == "games" and frame.is_empty():
        raise BadInputError([Problem(str(path), None, None, "no rows", "a row for each game")])
    return _typed(frame, name, path)


def _typed(frame: pl.DataFrame, name: tables.TableName, path: Path) -> pl.DataFrame:
    """Turn text into dates, times and booleans; what cannot be read is a problem, not a null."""
    problems = []
    for column, dtype in tables.dtypes(name).items():
        if column not in frame.columns:
            continue
        text = pl.col(column)
        if dtype == pl.Boolean:
            allowed = "true or false"
            words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
            parsed = text.str.to_lowercase().replace_strict(
                words, default=None, return_dtype=pl.Boolean
            )
        elif dtype == pl.Date:
            allowed, parsed = "YYYY-MM-DD", text.str.to_date("%Y-%m-%d", strict=False)
        elif dtype == tables.UTC:
            allowed = "an ISO 8601 time with zone, 2024-05-01T18:30:00Z"
            parsed = text.str.to_datetime(time_zone="UTC", strict=False)
        elif dtype.is_integer():  # spreadsheets write 3.0; what is no number is told later
            frame = frame.with_columns(text.str.replace(r"^(-?\d+)\.0+$", "$1"))
            continue
        else:
            continue
        lost = frame.with_row_index("row").filter(text.is_not_null() & parsed.is_null())
        problems += [
            Problem(str(path), row, column, repr(given), allowed)
            for row, given in lost.select("row", column).rows()
        ]
        frame = frame.with_columns(parsed.alias(column))
    if problems:
        raise BadInputError(problems)
    return frame


def _events(events: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Add the columns that may be left out."""
    if "clock" in events.columns and "clock_s" not in events.columns:
        parts = pl.col("clock").str.extract_groups(r"^(\d{1,2}):([0-5]\d(?:\.\d+)?)$")
        seconds = parts.struct[0].cast(pl.Float64) * 60 + parts.struct[1].cast(pl.Float64)
        events = events.with_columns(clock_s=seconds)
        bad = events.with_row_index("row").filter(pl.col("clock_s").is_null())
        if not bad.is_empty():
            raise BadInputError(
                Problem(str(path), row, "clock", repr(given), "MM:SS")
                for row, given in bad.select("row", "clock").rows()
            )
        events = events.drop("clock")
    if "game_id" not in events.columns:
        return events
    if "order" not in events.columns:
        events = events.with_columns(order=pl.int_range(pl.len(), dtype=pl.Int32).over("game_id"))
    if "event_id" not in events.columns:
        events = events.with_columns(event_id=pl.col("order").cast(pl.String))
    if "play_id" not in events.columns:
        events = events.with_columns(play_id=pl.col("order"))
    if "kind" in events.columns and "value" in events.columns:
        one = (pl.col("kind") == "free_throw") & pl.col("value").is_null()
        events = events.with_columns(value=pl.when(one).then(pl.lit("1")).otherwise("value"))
    return events


def _appearances(given: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Rosters; a game without any gets the players who act in it."""
    acting = (
        events.filter(
            pl.col("player_id").is_not_null()
            & pl.col("team_id").is_not_null()
            & ~pl.col("game_id").is_in(given["game_id"].unique().implode())
        )
        .select("game_id", "team_id", "player_id")
        .unique(["game_id", "player_id"], keep="first", maintain_order=True)
        .with_columns(number=pl.lit(None, dtype=pl.String), starter=pl.lit(None, dtype=pl.Boolean))
    )
    return pl.concat([given, acting.select(given.columns)]).sort("game_id", "player_id")


def _players(given: pl.DataFrame, appearances: pl.DataFrame) -> pl.DataFrame:
    """People; those whom only the rosters know have no details."""
    others = appearances.select("player_id").unique().join(given, on="player_id", how="anti")
    blank = tables.validate("players", others)
    return pl.concat([given, blank]).sort("player_id")
