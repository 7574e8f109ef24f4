"""What kind of file is it? A look at its beginning, and the providers that know such a file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from openbasket.errors import BadInputError, Problem, UnknownNameError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PROVIDERS", "Peek", "load_json", "module", "peek", "read_table", "sort_files"]

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
#: A JSON file larger than this is no game.
JSON_LIMIT = 200_000_000


@dataclass(frozen=True)
class Peek:
    """The beginning of a file.

    Args:
        path: the file.
        kind: ``json``, ``csv``, ``parquet``, ``xml`` or ``other``, by content.
        keys: column names of a table; keys of a JSON object and, as ``outer.inner``, of the objects
            in it (of its first element, ``[].key``, where it is a list).
        text: up to 4,000 characters (nothing of a parquet file).
    """

    path: Path
    kind: str
    keys: frozenset[str]
    text: str = ""

    def has(self, *keys: str) -> bool:
        """Whether all of the keys are there."""
        return self.keys.issuperset(keys)


def module(name: str) -> ModuleType:
    """Return the module of a provider.

    Raises:
        UnknownNameError: no such provider; the message suggests the nearest.
    """
    if name not in PROVIDERS:
        raise UnknownNameError("provider", name, ("auto", *PROVIDERS))
    return import_module(PROVIDERS[name])


def peek(path: Path) -> Peek:
    """Look at a file. Never raises for what is in it; a file that is damaged has no keys."""
    import polars as pl

    with path.open("rb") as file:
        head = file.read(8)
        rest = file.read(TEXT_LIMIT)
    if head[:4] == b"PAR1":
        try:
            return Peek(path, "parquet", frozenset(pl.read_parquet_schema(path)))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            return Peek(path, "parquet", frozenset())
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = (head + rest).decode("utf-16" if wide else "utf-8-sig", errors="replace")
    start = text.lstrip()
    if start[:1] in ("{", "["):
        return Peek(path, "json", _json_keys(path), start[:4000])
    if start[:1] == "<":
        return Peek(
            path, "xml", frozenset(re.findall(r"<([A-Za-z][\w.-]*)", start[:4000])), start[:4000]
        )
    first = start.split("\n", 1)[0]
    if "," in first and path.suffix.lower() in (".csv", ".txt", ".tsv", ""):
        names = (cell.strip().strip('"').strip() for cell in first.split(","))
        return Peek(path, "csv", frozenset(names), start[:4000])
    return Peek(path, "other", frozenset(), start[:4000])


def _json_keys(path: Path) -> frozenset[str]:
    try:
        content = load_json(path)
    except BadInputError:
        return frozenset()
    keys: set[str] = set()

    def add(value: Any, prefix: str, depth: int) -> None:
        if isinstance(value, list):
            if value:
                add(value[0], f"{prefix.removesuffix('.')}[].", depth)
        elif isinstance(value, dict):
            for key, inner in value.items():
                keys.add(f"{prefix}{key}")
                if depth < 3:
                    add(inner, f"{prefix}{key}.", depth + 1)

    add(content, "", 1)
    return frozenset(keys)


@lru_cache(maxsize=4)
def _parse(path: Path, _stamp: tuple[int, int]) -> Any:
    return json.loads(path.read_bytes().decode("utf-8-sig", errors="replace"))


def load_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        BadInputError: it is empty, huge, damaged or nested too deeply.
    """
    stat = path.stat()
    if stat.st_size == 0:
        raise BadInputError([Problem(str(path), None, None, "an empty file", "JSON")])
    if stat.st_size > JSON_LIMIT:
        given = f"{stat.st_size:,} bytes"
        raise BadInputError([Problem(str(path), None, None, given, f"at most {JSON_LIMIT:,}")])
    try:
        return _parse(path, (stat.st_size, stat.st_mtime_ns))
    except json.JSONDecodeError as error:
        raise BadInputError(
            [Problem(str(path), error.lineno, None, error.msg, "JSON (is the file cut off?)")]
        ) from None
    except (RecursionError, ValueError) as error:
        raise BadInputError([Problem(str(path), None, None, str(error)[:160], "JSON")]) from None


def read_table(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> pl.DataFrame:
    """Read columns of a parquet or CSV file as text.

    Args:
        path: the file.
        needed: columns that it must have.
        optional: columns that are null where it does not have them.

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
        scan = (
            pl.scan_parquet(path)
            if parquet
            else pl.scan_csv(path, infer_schema=False, encoding="utf8-lossy")
        )
        have = scan.collect_schema().names()
        missing = [column for column in needed if column not in have]
        if missing:
            raise BadInputError(
                Problem(str(path), None, column, "no such column", ", ".join(needed))
                for column in missing
            )
        frame = scan.select(
            *(pl.col(c).cast(pl.String, strict=False) for c in needed),
            *(
                (
                    pl.col(c).cast(pl.String, strict=False)
                    if c in have
                    else pl.lit(None, pl.String)
                ).alias(c)
                for c in optional
            ),
        ).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise BadInputError(
            [Problem(str(path), None, None, str(error)[:160], "a whole parquet or CSV file")]
        ) from None
    if parquet:
        return frame
    return frame.with_columns(pl.when(~pl.all().is_in(["", "NA", "NaN", "null"])).then(pl.all()))


def sort_files(name: str, paths: Sequence[Path]) -> tuple[dict[str, list[Path]], list[Path]]:
    """Find the provider of each file.

    Args:
        name: provider, or ``auto``.
        paths: files and folders (folders are searched, in the order of their names).

    Returns:
        Files by provider, and the files that no provider knows.
    """
    names = list(PROVIDERS) if name == "auto" else [name]
    modules = {n: module(n) for n in names}
    files = [
        file
        for path in paths
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file() and not file.name.startswith(".")
    ]
    found: dict[str, list[Path]] = {}
    strange = []
    for file in dict.fromkeys(files):
        seen = peek(file)
        owner = next((n for n, m in modules.items() if m.matches(seen)), None)
        if owner is None:
            strange.append(file)
        else:
            found.setdefault(owner, []).append(file)
    return found, strange
