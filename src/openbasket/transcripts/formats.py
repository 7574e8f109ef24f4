"""What kind of file is it? A look at its beginning, and the providers that know such a file."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from openbasket.errors import BadInputError, Problem, UnknownNameError
from openbasket.transcripts.inputs import files_in, is_packed, kind_of_archive, will_unpack

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "PROVIDERS", "Peek", "decoded", "load_json", "module", "peek", "read_table", "separator",
    "sort_files", "unknown_file",
]  # fmt: skip

#: provider -> module with FILES (what belongs to a game, in words), matches(peek) and read(files, options).
PROVIDERS: dict[str, str] = {
    name: f"openbasket.transcripts.{name}"
    for name in (
        "euroleague",
        "nba_stats",
        "nba_stats_v3",
        "nba_live",
        "nba_data",
        "espn",
        "atrium",
        "sidearm",
        "bbref",
        "aba",
        "slo",
        "acb",
        "ncaa",
        "fiba_livestats",
        "sportscode",
        "generic_csv",
    )
}
TEXT_LIMIT = 200_000
#: What stands in a CSV cell that is empty, by who wrote it.
NOTHING = ("", "NA", "NaN", "nan", "null", "None", "<NA>")
#: JSON that may hold half a character: as an escape, in UTF-8, or in UTF-16 and UTF-32 (which have zeros).
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\x00")
#: A JSON file larger than this is no game.
JSON_LIMIT = 200_000_000


@dataclass(frozen=True)
class Peek:
    """The beginning of a file.

    Args:
        path: the file.
        kind: ``json``, ``csv``, ``parquet``, ``xml`` or ``other``, by content.
        keys: column names of a table; keys of a JSON object and, as ``outer.inner``, of the objects
            in it (of its first elements, ``[].key``, where it is a list).
        text: up to 4,000 characters (nothing of a parquet file).
    """

    path: Path
    kind: str
    keys: frozenset[str]
    text: str = ""

    def has(self, *keys: str) -> bool:
        """Whether all of the keys are there."""
        return self.keys.issuperset(keys)

    def like(self, columns: Sequence[str], also: Mapping[str, Sequence[str]] | None = None) -> bool:
        """Whether a table, or the records of a JSON file, have the columns, however these are spelt."""
        have = self.keys
        if self.kind == "json":
            record = re.compile(r"(?:[^.\[]*\[\]\.)?([^.\[]+)")  # of a list, or of one in an object
            have = frozenset(m[1] for m in map(record.fullmatch, have) if m)
        return len(find_columns(have, columns, also or {})) == len(columns)


def find_columns(
    have: Collection[str], wanted: Sequence[str], also: Mapping[str, Sequence[str]] | None = None
) -> dict[str, str]:
    """Find the columns of a file.

    Args:
        have: the columns it has.
        wanted: names to find.
        also: given it, case, blanks and underscores do not count (``GAME_ID`` is ``gameId``), and a name
            may have others that mean the same.

    Returns:
        Wanted name -> name in the file, of those that are there; equal names go first.
    """
    found = {name: name for name in wanted if name in have}
    if also is None:
        return found
    plain: dict[str, str] = {}
    for name in have:
        plain.setdefault(re.sub(r"[\W_]+", "", name).lower(), name)
    for name in wanted:
        for other in (name, *also.get(name, ())):
            key = re.sub(r"[\W_]+", "", other).lower()
            if name not in found and key in plain:
                found[name] = plain[key]
    return found


def module(name: str) -> ModuleType:
    """Return the module of a provider.

    Raises:
        UnknownNameError: no such provider; the message suggests the nearest.
    """
    if name not in PROVIDERS:
        raise UnknownNameError("provider", name, ("auto", *PROVIDERS))
    return import_module(PROVIDERS[name])


def peek(path: Path) -> Peek:
    """Look at a file; one that is damaged has no keys.

    Raises:
        BadInputError: a file that may not be read.
    """
    import polars as pl

    try:
        with path.open("rb") as file:
            head = file.read(TEXT_LIMIT)
    except OSError as error:
        given = error.strerror or str(error)
        allowed = "a file that can be read"
        raise BadInputError([Problem(str(path), None, None, given, allowed)]) from None
    if head[:4] == b"PAR1":
        try:
            return Peek(path, "parquet", frozenset(pl.read_parquet_schema(path)))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            return Peek(path, "parquet", frozenset())
    start = decoded(head).lstrip()
    if start[:1] in ("{", "["):
        return Peek(path, "json", _json_keys(path, _stamp(path)), start[:4000])
    if start[:1] == "<":
        return Peek(
            path, "xml", frozenset(re.findall(r"<([A-Za-z][\w.-]*)", start[:4000])), start[:4000]
        )
    first = start.split("\n", 1)[0]
    mark = separator(first)
    if mark in first:
        names = (cell.strip().strip('"').strip() for cell in first.split(mark))
        return Peek(path, "csv", frozenset(names), start[:4000])
    return Peek(path, "other", frozenset(), start[:4000])


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=20_000)  # files are looked at again when they are read
def _json_keys(path: Path, _version: tuple[int, int]) -> frozenset[str]:
    try:
        content = load_json(path)
    except BadInputError:
        return frozenset()
    keys: set[str] = set()

    def add(value: Any, prefix: str, depth: int) -> None:
        if isinstance(value, list):
            for item in value[:5]:
                add(item, f"{prefix.removesuffix('.')}[].", depth)
        elif isinstance(value, dict):
            for key, inner in value.items():
                keys.add(sys.intern(f"{prefix}{key}"))
                if depth < 3:
                    add(inner, f"{prefix}{key}.", depth + 1)

    add(content, "", 1)
    return frozenset(keys)


def decoded(content: bytes) -> str:
    """Text of a file: UTF-8, or UTF-16 where its first bytes say so."""
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    return content.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def separator(header: str) -> str:
    """What stands between the cells of a table with this first line: a comma, semicolon or tab."""
    return max(",;\t", key=re.sub('"[^"]*"', "", header).count)


@lru_cache(maxsize=4)
def _parse(path: Path, _version: tuple[int, int]) -> Any:
    text = path.read_bytes()
    content = json.loads(text)  # UTF-8, UTF-16 or UTF-32
    if _SURROGATE.search(text):  # half a character cannot be written: it becomes a question mark
        whole = json.dumps(content, ensure_ascii=False).encode(errors="replace")
        content = json.loads(whole)
    return content


def load_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        BadInputError: it is empty, huge, damaged, in another encoding or nested too deeply.
    """
    size, changed = _stamp(path)
    if size == 0:
        raise BadInputError([Problem(str(path), None, None, "an empty file", "JSON")])
    if size > JSON_LIMIT:
        given = f"{size:,} bytes"
        raise BadInputError([Problem(str(path), None, None, given, f"at most {JSON_LIMIT:,}")])
    try:
        return _parse(path, (size, changed))
    except json.JSONDecodeError as error:
        raise BadInputError(
            [Problem(str(path), error.lineno, None, error.msg, "JSON (is the file cut off?)")]
        ) from None
    except (RecursionError, ValueError) as error:
        raise BadInputError([Problem(str(path), None, None, str(error)[:160], "JSON")]) from None


def read_table(
    path: Path,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    also: Mapping[str, Sequence[str]] | None = None,
) -> pl.DataFrame:
    """Read columns of a parquet or CSV file as text.

    Args:
        path: the file.
        needed: columns that it must have.
        optional: columns that are null where it does not have them.
        also: how else the columns may be written (:func:`find_columns`).

    Returns:
        A polars frame of strings; floats that are whole numbers keep their ``.0``.

    Raises:
        BadInputError: the file is damaged or a needed column is not there.
    """
    import polars as pl

    if path.stat().st_size == 0:
        raise BadInputError([Problem(str(path), None, None, "an empty file", ", ".join(needed))])
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    try:
        scan = pl.scan_parquet(path, glob=False) if parquet else _scan_csv(path)
        found = find_columns(scan.collect_schema().names(), (*needed, *optional), also)
        missing = [column for column in needed if column not in found]
        if missing:
            raise BadInputError(
                Problem(str(path), None, column, "no such column", ", ".join(needed))
                for column in missing
            )
        frame = scan.select(
            (
                pl.col(found[c]).cast(pl.String, strict=False)
                if c in found
                else pl.lit(None, pl.String)
            ).alias(c)
            for c in (*needed, *optional)
        ).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise BadInputError(
            [Problem(str(path), None, None, str(error)[:160], "a whole parquet or CSV file")]
        ) from None
    if parquet:
        return frame
    return frame.with_columns(pl.when(~pl.all().is_in(NOTHING)).then(pl.all()))


def _scan_csv(path: Path) -> pl.LazyFrame:
    """The cells as text; names of columns without blanks around them."""
    import polars as pl

    with path.open("rb") as file:
        head = file.read(TEXT_LIMIT)
    text = decoded(head)
    mark = separator(text.lstrip().split("\n", 1)[0])
    blank = len(text) - len(text.lstrip())
    # What polars does not read itself: UTF-16, and blank lines before the header.
    if blank or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        source: Path | bytes = decoded(path.read_bytes()).lstrip().encode()
    else:
        source = path
    scan = pl.scan_csv(source, infer_schema=False, encoding="utf8-lossy", separator=mark)
    return scan.rename(lambda column: column.strip())


def sort_files(name: str, paths: Sequence[Path]) -> tuple[dict[str, list[Path]], list[Path]]:
    """Find the provider of each file.

    Args:
        name: provider, or ``auto``.
        paths: files and folders (folders are searched, in the order of their names; what was unpacked
            from them lies beside, so that the packed files do not count).

    Returns:
        Files by provider, and the files that no provider knows.
    """
    names = list(PROVIDERS) if name == "auto" else [name]
    modules = {n: module(n) for n in names}
    files = [
        file
        for path in paths
        for file in (
            (inner for inner in files_in(path) if not will_unpack(inner))
            if path.is_dir()
            else [path]
        )
    ]
    owners = {}
    for file in dict.fromkeys(files):
        seen = peek(file)
        owners[file] = [n for n, m in modules.items() if m.matches(seen)]
    # What several providers can read, such as a box score, goes with the files that only one can.
    alone = {names[0] for names in owners.values() if len(names) == 1}
    found: dict[str, list[Path]] = {}
    for file, names in owners.items():
        for owner in [n for n in names if n in alone] or names[:1]:
            found.setdefault(owner, []).append(file)
    return found, [file for file, names in owners.items() if not names]


def unknown_file(path: Path, allowed: str) -> Problem:
    """Say what a file is that no provider knows: empty, damaged, packed, a web page, or something else."""
    try:
        if path.stat().st_size == 0:
            return Problem(str(path), None, None, "an empty file", allowed)
        seen = peek(path)
        if seen.kind == "json":
            load_json(path)  # says what is wrong with a damaged file
    except BadInputError as error:
        return error.problems[0]
    given = kind_of_archive(path) or "a file of another kind"
    if is_packed(path):
        given = "a packed file (or one of Excel or Word) that is not called .gz or .zip"
    elif seen.kind == "parquet" and not seen.keys:
        given = "a damaged parquet file"
    elif seen.kind == "xml" and re.match(r"<(!doctype\s+)?html\b", seen.text, re.IGNORECASE):
        given = "a web page (HTML)"
    elif seen.kind == "other" and not seen.text:
        given = "an empty file (nothing but blanks)"
    return Problem(str(path), None, None, given, allowed)
