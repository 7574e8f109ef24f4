"""Where each file of a dataset lives, and the only way to write one.

A workspace *is* a dataset in the official layout; what its CSVs cannot say lies beside them::

    <root>/BASKET/<season>/<league>/<player>_<yy>_<yy>.mp4     the reels
    <root>/BASKET_Labels/...                                   the official CSVs
    <root>/openbasket/workspace.json                           version of the layout
    <root>/openbasket/<table>.parquet                          tables of the whole dataset
    <root>/openbasket/<table>/<league>/<season>.parquet        tables kept by league and season
    <root>/openbasket/clips/                                   the clip store
    <root>/videos/<game_id>.mp4                                rendered games

A file appears under its final name only when it is whole: it is written under a temporary name
beside it, flushed to disk and renamed.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from openbasket import __version__
from openbasket.errors import BadInputError, NotFoundError, Problem, WorkspaceError

if TYPE_CHECKING:
    import polars as pl
    from filelock import BaseFileLock

    from openbasket.tables import TableName

__all__ = [
    "BY_SEASON",
    "LAYOUT_VERSION",
    "REEL_FPS",
    "REEL_SIZE",
    "Workspace",
    "atomic_path",
    "held_lock",
    "lives",
    "reel_folder",
    "refuse_way_out",
    "remove_leftovers",
    "run_facts_path",
    "safe_join",
    "sha256",
    "unwritable",
    "write_json",
    "write_text",
]

LAYOUT_VERSION = 1
#: What the official layout asks of a reel (paper, section 3.1): width and height, frames a second.
REEL_SIZE = (704, 400)
REEL_FPS = Fraction(30)
#: Tables kept in one file for each league and season.
BY_SEASON: tuple[str, ...] = (
    "games",
    "appearances",
    "box_scores",
    "events",
    "stints",
    "flags",
)
#: Which command makes a table: told when the table is missing.
_MADE_BY = {
    "games": "openbasket import",
    "players": "openbasket import",
    "appearances": "openbasket import",
    "box_scores": "openbasket import",
    "events": "openbasket import",
    "stints": "openbasket import",
    "flags": "openbasket import",
    "anchors": "openbasket render",
    "event_times": "openbasket render",
    "subjects": "openbasket label",
    "levels": "openbasket label",
    "splits": "openbasket split",
    "clips": "openbasket reels",
    "reels": "openbasket reels",
    "predictions": "openbasket predict",
    "ceiling": "openbasket ceiling",
    "ceiling_cells": "openbasket ceiling",
}
_TEMPORARY = ".openbasket-tmp-"
_LOCK = ".lock"
_DAY_S = 86_400
#: What the system says of a disk that takes no more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


class Workspace:
    """A dataset's folder.

    Args:
        root: the folder.
        create: make it (and its ``workspace.json``) if it is not there.

    Raises:
        WorkspaceError: the folder is missing and ``create`` is false, it cannot be made or read, or a newer
            openbasket wrote it.
    """

    def __init__(self, root: str | os.PathLike[str], *, create: bool = False) -> None:
        self.root = Path(root)
        self._made: list[Path] = []
        try:
            self._open(create)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            reason = getattr(error, "strerror", None) or error
            raise WorkspaceError(f"'{self.root}' cannot be a workspace: {reason}") from None

    def _open(self, create: bool) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise WorkspaceError(f"'{self.root}' is a file; a workspace is a folder")
        marker = self.private / "workspace.json"
        if marker.exists():
            self._check_version(marker)
        elif create:
            folders = (self.private, self.root, *self.root.parents)
            self._made = [folder for folder in folders if not folder.exists()]
            self.private.mkdir(parents=True, exist_ok=True)
            write_json(marker, {"layout": LAYOUT_VERSION, "openbasket": __version__})
        elif not self.root.is_dir():
            raise WorkspaceError(
                f"there is no workspace at '{self.root}'. Make one with "
                f"'openbasket import ... --into {self.root}' or 'openbasket simulate {self.root}'"
            )

    def undo(self) -> None:
        """Remove the folders that this object made, if nothing was written into them."""
        if self.private not in self._made:
            return
        own = (self.private / "workspace.json", self.private / _LOCK)
        if any(path not in own and not path.is_dir() for path in self.private.rglob("*")):
            return
        shutil.rmtree(self.private)
        for folder in self._made[1:]:
            try:
                folder.rmdir()
            except OSError:  # something else lies there
                return

    @staticmethod
    def _check_version(marker: Path) -> None:
        try:
            found = json.loads(marker.read_text())["layout"]
        except (ValueError, KeyError, TypeError) as error:
            raise WorkspaceError(
                f"'{marker}' is damaged ({error}); it should read like "
                f'{{"layout": {LAYOUT_VERSION}}}. Restore it, or import into a new workspace'
            ) from None
        if not isinstance(found, int) or found < 1:
            raise WorkspaceError(f"'{marker}' names layout {found!r}; known: 1 to {LAYOUT_VERSION}")
        if found > LAYOUT_VERSION:
            raise WorkspaceError(
                f"'{marker.parent.parent}' was written by a newer openbasket (layout {found}; this "
                f"version {__version__} knows up to {LAYOUT_VERSION}). Upgrade openbasket to read it"
            )

    # -- places ---------------------------------------------------------------------------

    @property
    def private(self) -> Path:
        """The folder of everything that the official layout has no place for."""
        return self.root / "openbasket"

    @property
    def clips(self) -> Path:
        """The clip store."""
        return self.private / "clips"

    @property
    def videos(self) -> Path:
        """The rendered game videos."""
        return self.root / "videos"

    @property
    def reels(self) -> Path:
        """The reels, in the official layout."""
        return self.root / "BASKET"

    @property
    def official_labels(self) -> Path:
        """The CSVs, in the official layout."""
        return self.root / "BASKET_Labels"

    def reel_path(self, player_id: str, league: str, season: str, draw: int = 0) -> Path:
        """Where a subject's reel goes; draws beyond the first get a folder of their own."""
        name = f"{player_id}_{season.replace('-', '_')}.mp4"
        return safe_join(self.root, f"{reel_folder(draw)}/{season}/{league}/{name}")

    def table_path(
        self, table: TableName, league: str | None = None, season: str | None = None
    ) -> Path:
        """Where a table's file lies."""
        if (table in BY_SEASON) != (league is not None and season is not None):
            raise ValueError(
                f"table '{table}' is kept {'by' if table in BY_SEASON else 'not by'} season"
            )
        if league is None or season is None:
            return self.private / f"{table}.parquet"
        return safe_join(self.private, f"{table}/{league}/{season}.parquet")

    def seasons(self, table: TableName = "games") -> list[tuple[str, str]]:
        """The (league, season) pairs that a table kept by season holds, sorted."""
        return sorted(
            (path.parent.name, path.stem)
            for path in (self.private / table).glob("*/*.parquet")
            if not path.name.startswith(_TEMPORARY)
        )

    # -- tables ---------------------------------------------------------------------------

    def has(self, table: TableName) -> bool:
        """Whether anything of a table has been written."""
        if table in BY_SEASON:
            return bool(self.seasons(table))
        return self.table_path(table).exists()

    def has_season(self, table: TableName, league: str, season: str) -> bool:
        """Whether a table kept by season has been written for a league and season."""
        return self.table_path(table, league, season).exists()

    def require(self, table: TableName) -> None:
        """Refuse to go on where nothing of a table has been written.

        Raises:
            NotFoundError: says which command writes it.
        """
        if not self.has(table):
            where = self.private / table if table in BY_SEASON else self.table_path(table)
            raise self._missing(table, str(where))

    def read(
        self, table: TableName, league: str | None = None, season: str | None = None
    ) -> pl.DataFrame:
        """Read a table; for those kept by season, all of it or one league and season.

        Raises:
            NotFoundError: nothing has been written yet; says which command writes it.
            BadInputError: the file is damaged or breaks the schema.
        """
        import polars as pl

        if table in BY_SEASON and (league is None or season is None):
            pairs = self.seasons(table)
            if not pairs:
                raise self._missing(table, str(self.private / table))
            return pl.concat([self.read(table, *pair) for pair in pairs])
        path = self.table_path(table, league, season)
        if not path.exists():
            raise self._missing(table, str(path))
        return self.read_file(table, path)

    def read_or_empty(
        self, table: TableName, league: str | None = None, season: str | None = None
    ) -> pl.DataFrame:
        """The same of a table that there may not be; empty then.

        Raises:
            BadInputError: the file is damaged or breaks the schema.
        """
        from openbasket import tables

        whole = league is None or season is None
        there = self.has(table) if whole else self.has_season(table, str(league), str(season))
        return self.read(table, league, season) if there else tables.empty(table)

    @staticmethod
    def read_file(table: TableName, path: Path) -> pl.DataFrame:
        """Read and check one parquet file of a table, wherever it lies.

        Raises:
            BadInputError: the file is damaged or breaks the schema.
        """
        import polars as pl

        from openbasket import tables

        if path.exists() and not path.is_file():  # a folder has others; a pipe may not end
            given = "a folder" if path.is_dir() else "no regular file, such as a pipe"
            raise BadInputError([Problem(str(path), None, None, given, "a whole parquet file")])
        try:
            frame = pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            hint = f"Make it again with '{_MADE_BY.get(table, 'openbasket')}'."
            if path.suffix.lower() in (".csv", ".txt", ".tsv"):
                hint = (
                    "If it is CSV with these columns: polars.read_csv(FILE).write_parquet(FILE2)."
                )
            raise BadInputError(
                [Problem(str(path), None, None, str(error)[:200], "a whole parquet file")],
                hint=hint,
            ) from None
        return tables.validate(table, frame, str(path))

    def write(
        self,
        table: TableName,
        frame: pl.DataFrame,
        league: str | None = None,
        season: str | None = None,
        *,
        checked: bool = False,
    ) -> Path:
        """Check a table (unless it has just been ``checked``) and write it, atomically, over what was there.

        Raises:
            BadInputError: rows that break the schema; nothing is written.
        """
        path = self.table_path(table, league, season)
        return self.write_file(table, frame, path, checked=checked)

    @staticmethod
    def write_file(
        table: TableName, frame: pl.DataFrame, path: Path, *, checked: bool = False
    ) -> Path:
        """Check a table (unless it has just been ``checked``) and write it to any place, atomically."""
        from openbasket import tables

        if not checked:
            frame = tables.validate(table, frame)
        with atomic_path(path) as temporary:
            _write_parquet(frame, temporary, path)
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing tables until the block ends; wait for those that do."""
        from filelock import FileLock

        with FileLock(self.private / _LOCK):
            yield

    @contextmanager
    def alone(self, doing: str) -> Iterator[None]:
        """Do something that no other process may do here until the block ends.

        Args:
            doing: what it is, such as ``makes reels of draw 0``.

        Raises:
            WorkspaceError: another process does it. One that was killed holds nothing.
        """
        lock = held_lock(
            self.private / f"{_LOCK}-{doing.replace(' ', '-')}",
            f"another process {doing} in '{self.root}'; wait until it has ended, and run again",
        )
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def together(self) -> Iterator[Callable[..., None]]:
        """Yield a :meth:`write` whose tables get their names when the block ends well: all of them, or none.

        The table written first gets its name last.
        """
        from openbasket import tables

        with ExitStack() as stack:

            def write(
                table: TableName,
                frame: pl.DataFrame,
                league: str | None = None,
                season: str | None = None,
                *,
                checked: bool = False,
            ) -> None:
                if not checked:
                    frame = tables.validate(table, frame)
                path = self.table_path(table, league, season)
                _write_parquet(frame, stack.enter_context(atomic_path(path)), path)

            yield write

    def _missing(self, table: str, place: str) -> NotFoundError:
        made_by = _MADE_BY.get(table, "openbasket")
        return NotFoundError(
            f"the table '{table}' is not in this workspace ({place}). Make it with '{made_by}'"
        )

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of the workspace's JSON files (provenance, settings)."""
        path = self.private / name
        if not path.exists():
            raise NotFoundError(f"'{path}' is not in this workspace")
        return cast("dict[str, Any]", json.loads(path.read_text()))


def _write_parquet(frame: pl.DataFrame, temporary: Path, path: Path) -> None:
    import polars as pl

    try:
        # Files are read whole: the least work to write, a tenth larger than with the most.
        frame.write_parquet(temporary, compression="zstd", compression_level=1, statistics=False)
    except (OSError, pl.exceptions.ComputeError) as error:
        raise unwritable(path, error) from None


def run_facts_path(predictions: Path) -> Path:
    """Where facts about the runs of a predictions file are stated: ``<name>.runs.json`` beside it."""
    return predictions.with_name(f"{predictions.stem}.runs.json")


def reel_folder(draw: int) -> str:
    """The folder of a draw's reels; draws beyond the first get one of their own."""
    return "BASKET" if draw == 0 else f"BASKET_draw{draw}"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it there if the block ends well.

    On any error the temporary file is removed, and what lay at ``path`` stays as it was.

    Raises:
        WorkspaceError: the file cannot be written: no right to, a full disk, a name that is too long.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_temporary_of(), suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise unwritable(path, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and (error.errno in _FULL or _about(error, temporary)):
            raise unwritable(path, error) from None
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _about(error: OSError, path: Path) -> bool:
    return str(path) in map(str, (error.filename, error.filename2))


def unwritable(path: Path, error: Exception) -> WorkspaceError:
    """What to raise where a file cannot be written."""
    reason = getattr(error, "strerror", None) or str(error)[:200]
    return WorkspaceError(f"'{path}' cannot be written: {reason}")


def write_text(path: Path, text: str) -> Path:
    """Write text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, content: object) -> Path:
    """Write JSON atomically, keys sorted, so that equal content gives equal bytes."""
    return write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def remove_leftovers(folder: Path, *, deep: bool = True) -> int:
    """Remove the temporary files that a killed run left in ``folder`` (and below); return how many.

    Those of processes that live stay; of another machine, which cannot be asked, those of the last day.
    """
    found = (folder.rglob if deep else folder.glob)(f"{_TEMPORARY}*")
    leftovers = [path for path in found if not path.is_dir() and not _in_use(path)]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def _temporary_of(process: int | None = None) -> str:
    """What the names of a process's temporary files begin with; of this one by default."""
    import hashlib  # brings OpenSSL, 3.5 MB that a process which only reads frames does without

    machine = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    return f"{_TEMPORARY}{machine}-{process or os.getpid()}-"


def _in_use(path: Path) -> bool:
    named = re.match(rf"{re.escape(_TEMPORARY)}[0-9a-f]{{8}}-(\d+)-", path.name)
    if named is None:  # of another version
        return False
    try:
        young = time.time() - path.stat().st_mtime < _DAY_S
    except FileNotFoundError:
        return False
    process = int(named[1])
    here = path.name.startswith(_temporary_of(process))
    return young and (lives(process) if here else True)


def lives(process: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def held_lock(path: Path, taken: str) -> BaseFileLock:
    """Take a lock, which the caller releases; a process that was killed holds none.

    Args:
        path: of the lock's file.
        taken: the message if another process holds it.

    Raises:
        WorkspaceError: another process holds it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise WorkspaceError(taken) from None
    return lock


def sha256(path: Path) -> str:
    """Hash a file's bytes."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe_join(root: Path, *parts: str) -> Path:
    """Join untrusted relative parts to ``root``; refuse whatever would leave it.

    Raises:
        WorkspaceError: an absolute path, ``..``, a drive letter, a control character.
    """
    for part in parts:
        refuse_way_out(root, part)
    joined = root.joinpath(*parts)
    if not joined.resolve().is_relative_to(root.resolve()):
        raise WorkspaceError(f"'{'/'.join(parts)}' leads out of '{root}' through a link")
    return joined


def refuse_way_out(root: object, part: str) -> None:
    """Refuse a name that would lead out of a folder or URL.

    Raises:
        WorkspaceError: an absolute path, ``..``, a drive letter, a control character.
    """
    pure = PurePosixPath(part)
    if pure.is_absolute() or ".." in pure.parts or re.search(r"[\x00-\x1f\\]|^[A-Za-z]:", part):
        raise WorkspaceError(
            f"'{part!r}' would lead out of '{root}'; give a relative path inside it"
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
