"""Anchors as people write them: a CSV of game clock and media time.

One row is one moment of the video at which somebody read the scoreboard::

    game_id,period,clock,media
    E2022_100,1,10:00,0:03:12.4
    E2022_100,1,8:41,0:05:02

``clock`` is the time left in the period and ``media`` the position in the video; both are
``[h:]m:ss[.f]`` or plain seconds.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import polars as pl

from openbasket import tables
from openbasket.errors import BadInputError, NotFoundError, Problem
from openbasket.workspace import Workspace, write_text

__all__ = [
    "COLUMNS",
    "format_time",
    "parse_time",
    "read_anchors",
    "read_rows",
    "store_anchors",
    "write_anchors",
]

COLUMNS = ("game_id", "period", "clock", "media")
_TIME = re.compile(r"(?:(?:([0-9]{1,3}):)?([0-9]{1,5}):)?([0-9]{1,7}(?:\.[0-9]{1,20})?)")
_TIME_RULE = "[h:]m:ss[.f] or seconds, such as 8:41, 1:02:03.5 or 3723.5"


def parse_time(text: str) -> float | None:
    """Seconds of ``[h:]m:ss[.f]`` or plain seconds; None where it is neither.

    Example:
        >>> parse_time("8:41"), parse_time("1:00:00.5"), parse_time("75.2"), parse_time("8:61")
        (521.0, 3600.5, 75.2, None)
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    if minutes is not None and float(seconds) >= 60:
        return None
    if hours is not None and int(minutes) >= 60:
        return None
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def format_time(seconds: float) -> str:
    """Write seconds as ``m:ss`` or ``h:mm:ss``, with up to six decimals.

    Example:
        >>> format_time(521.0), format_time(3600.5), format_time(9.25)
        ('8:41', '1:00:00.5', '0:09.25')
    """
    micros = round(seconds * 1_000_000)
    whole, fraction = divmod(micros, 1_000_000)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return text + (f".{fraction:06d}".rstrip("0") if fraction else "")


def read_rows(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The cells of a CSV's named columns, without blanks around them; other columns are left out.

    Returns:
        (line of the file, counted from 1, at which the row ends; its cells).

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it is no CSV, or a column is missing or there twice.
    """
    try:
        there = path.is_file()
    except OSError:  # a name that is too long
        there = False
    if not there:
        raise NotFoundError(f"there is no file '{path}'; give a CSV with {', '.join(columns)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError([Problem(str(path), None, None, str(error), "UTF-8 text")]) from None
    except OSError as error:
        given = error.strerror or str(error)
        raise BadInputError(
            [Problem(str(path), None, None, given, "a file that can be read")]
        ) from None
    reader = csv.DictReader(io.StringIO(text))
    try:
        header = tuple((name or "").strip() for name in reader.fieldnames or ())
        reader.fieldnames = list(header)
        cells = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        fault = Problem(str(path), None, None, str(error), "a CSV", reader.line_num)
        raise BadInputError([fault]) from None
    missing = [name for name in columns if name not in header]
    if missing:
        raise BadInputError(
            [
                Problem(str(path), None, name, f"columns {', '.join(header) or 'none'}", "a column")
                for name in missing
            ]
        )
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise BadInputError(
            Problem(str(path), None, name, f"{header.count(name)} columns of this name", "one")
            for name in twice
        )
    return [
        (line, {name: (row.get(name) or "").strip() for name in columns}) for line, row in cells
    ]


def read_anchors(
    path: Path,
    games: Collection[str] | None = None,
    periods: Mapping[str, Collection[int]] | None = None,
) -> pl.DataFrame:
    """Read an anchors CSV into the ``anchors`` table, ``how="given"``.

    Args:
        path: the CSV, with a header row.
        games: the games it may name; any by default.
        periods: the periods of games; any of those that are not named.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: every wrong row, with file, line, field and what is allowed.
    """
    cells = read_rows(path, COLUMNS)
    problems: list[Problem] = []
    rows: list[dict[str, object]] = []
    for number, (line, values) in enumerate(cells):
        played = sorted((periods or {}).get(values["game_id"], ()))
        numbered = re.fullmatch("0{0,2}[1-9][0-9]?", values["period"])
        clock, media = parse_time(values["clock"]), parse_time(values["media"])
        faults = [
            ("game_id", not re.fullmatch(tables.ID_PATTERN, values["game_id"]), "a game id"),
            (
                "game_id",
                games is not None and values["game_id"] not in games,
                "a game of this workspace",
            ),
            (
                "period",
                not numbered or (played and int(values["period"]) not in played),
                f"a period of the game: {', '.join(map(str, played)) or '1, 2, 3, ...'}",
            ),
            ("clock", clock is None, _TIME_RULE),
            ("media", media is None, _TIME_RULE),
        ]
        wrong = [
            Problem(str(path), number, name, repr(values[name][:80]), allowed, line)
            for name, bad, allowed in faults
            if bad
        ]
        if wrong:
            problems += wrong
            continue
        rows.append(
            {
                "game_id": values["game_id"],
                "period": int(values["period"]),
                "clock_s": clock,
                "media_s": media,
                "how": "given",
                "residual_s": None,
            }
        )
    if not rows and not problems:
        problems.append(Problem(str(path), None, None, "no rows", "at least two anchors a period"))
    if problems:
        raise BadInputError(problems)
    frame = pl.DataFrame(rows, schema=tables.dtypes("anchors"))
    return tables.validate("anchors", frame.sort("game_id", "media_s"), str(path))


def write_anchors(path: Path, anchors: pl.DataFrame) -> Path:
    """Write an ``anchors`` table as CSV, for people to read and mend."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = anchors.sort("game_id", "media_s").select("game_id", "period", "clock_s", "media_s")
    for game_id, period, clock, media in rows.iter_rows():
        writer.writerow((game_id, period, format_time(clock), format_time(media)))
    return write_text(path, out.getvalue())


def store_anchors(workspace: Workspace, anchors: pl.DataFrame) -> None:
    """Put games' anchors into a workspace, in place of those that these games had."""
    if workspace.has("anchors"):
        old = workspace.read("anchors")
        games = anchors["game_id"].unique()
        anchors = pl.concat([old.filter(~pl.col("game_id").is_in(games.implode())), anchors])
    workspace.write("anchors", anchors.sort("game_id", "media_s", maintain_order=True))
