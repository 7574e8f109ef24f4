"""What a person gives as input: files, folders, gz, zip and URLs, as plain files on disk.

Archives come from strangers: what they unpack to is limited, and nothing is written outside the
folder it belongs to.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from openbasket.errors import BadInputError, DependencyError, Problem

__all__ = ["MAX_FILES", "MAX_UNPACKED", "staged"]

#: Bytes that one archive may unpack to, and the files it may hold.
MAX_UNPACKED = 8 * 1024**3
MAX_FILES = 200_000
#: A file that shrinks more than this when packed (and is larger than a megabyte) is a bomb.
MAX_RATIO = 1000
CHUNK = 1024 * 1024


@contextmanager
def staged(inputs: Sequence[str | Path]) -> Iterator[list[Path]]:
    """Yield the inputs as files and folders on disk; what had to be unpacked is removed at the end.

    Args:
        inputs: paths of files or folders (also ``.gz`` and ``.zip``, also inside the folders), and
            fsspec URLs (``https://...``, ``s3://...``, ``memory://...``).

    Raises:
        BadInputError: an input that does not exist, cannot be read, or unpacks to too much. Problems
            raised inside the block name the input, not the place where it was unpacked.
    """
    with tempfile.TemporaryDirectory(prefix="openbasket-") as folder:
        names: dict[str, str] = {}
        try:
            yield [
                path
                for number, given in enumerate(inputs)
                for path in _stage(given, Path(folder) / str(number), names)
            ]
        except BadInputError as error:
            if not names:
                raise
            raise BadInputError(
                (
                    Problem(_named(p.file, names), p.row, p.field, p.given, p.allowed)
                    for p in error.problems
                ),
                error.hint,
            ) from None


def _named(file: str, names: dict[str, str]) -> str:
    for where, given in sorted(names.items(), key=lambda pair: -len(pair[0])):
        file = file.replace(where, given)
    return file


def _stage(given: str | Path, target: Path, names: dict[str, str]) -> list[Path]:
    if "://" in str(given):
        path = _fetch(str(given), target)
        names[str(path)] = str(given)
    else:
        path = Path(given)
        if not path.exists():
            raise BadInputError(
                [Problem(str(given), None, None, "no such file", "a file, a folder or a URL")]
            )
    if not path.is_dir():
        return [_unpacked(path, target / "unpacked", names)]
    # What was beside each other stays so.
    place = target / "unpacked"
    for packed in sorted(p for p in path.rglob("*") if p.is_file() and _is_packed(p)):
        beside = place / packed.relative_to(path).parent
        zipped = packed.suffix.lower() == ".zip"
        _unpacked(packed, beside / packed.name if zipped else beside, names)
    return [path, place] if place.exists() else [path]


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in (".gz", ".zip")


def _unpacked(path: Path, target: Path, names: dict[str, str]) -> Path:
    """The path itself, or the file or folder that it unpacks to."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] == b"\x1f\x8b":
        target.mkdir(parents=True, exist_ok=True)
        name = path.name[:-3] if path.suffix.lower() == ".gz" else path.name
        out = target / (name or "file")
        names[str(out)] = str(path)
        try:
            with gzip.open(path) as source:
                _copy(source, out, path, path.stat().st_size, MAX_UNPACKED)
        except (OSError, EOFError, zlib.error) as error:
            raise _damaged(path, error) from None
        return out
    if magic == b"PK\x03\x04" or magic == b"PK\x05\x06":
        names[str(target)] = f"{path}!"
        _unzip(path, target)
        return target
    return path


def _unzip(path: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_FILES:
                raise _too_much(path, f"{len(entries):,} files", f"at most {MAX_FILES:,}")
            total = sum(entry.file_size for entry in entries)
            if total > MAX_UNPACKED:
                raise _too_much(path, f"{total:,} bytes unpacked", f"at most {MAX_UNPACKED:,}")
            left = MAX_UNPACKED
            for entry in entries:
                inner = PurePosixPath(entry.filename.replace("\\", "/"))
                if inner.is_absolute() or ".." in inner.parts or ":" in inner.parts[0]:
                    given = f"the entry {entry.filename!r}"
                    raise _too_much(path, given, "entries inside the archive's folder")
                if inner.suffix.lower() in (".gz", ".zip"):
                    raise _too_much(path, f"the packed entry {entry.filename!r}", "plain files")
                out = target.joinpath(*inner.parts)
                out.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source:
                    left -= _copy(source, out, path, entry.compress_size, left)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError, ValueError,
            NotImplementedError) as error:  # fmt: skip
        raise _damaged(path, error) from None


def _copy(source: IO[bytes] | gzip.GzipFile, out: Path, path: Path, packed: int, limit: int) -> int:
    done = 0
    with out.open("wb") as target:
        while chunk := source.read(CHUNK):
            done += len(chunk)
            if done > limit or (done > CHUNK and done > MAX_RATIO * max(packed, 1)):
                allowed = f"at most {limit:,} bytes and {MAX_RATIO} times the packed size"
                raise _too_much(path, f"more than {done:,} bytes unpacked", allowed)
            target.write(chunk)
    return done


def _fetch(url: str, target: Path) -> Path:
    try:
        import fsspec
    except ModuleNotFoundError:
        raise DependencyError(
            "reading a URL needs 'fsspec'. Install it with: pip install 'openbasket[remote]'"
        ) from None
    target.mkdir(parents=True, exist_ok=True)
    try:
        system, path = fsspec.core.url_to_fs(url)
        name = PurePosixPath(path.rstrip("/")).name or "input"
        local = target / name
        if system.isdir(path) and not url.startswith(("http://", "https://")):
            system.get(path.rstrip("/") + "/", str(local) + "/", recursive=True)
        else:
            with system.open(path, "rb") as source, local.open("wb") as out:
                shutil.copyfileobj(source, out, CHUNK)
    except (OSError, ValueError, ImportError) as error:
        given = f"{type(error).__name__}: {str(error)[:160]}"
        raise BadInputError([Problem(url, None, None, given, "a URL that can be read")]) from None
    return local


def _damaged(path: Path, error: Exception) -> BadInputError:
    return BadInputError([Problem(str(path), None, None, str(error)[:160], "a whole archive")])


def _too_much(path: Path, given: str, allowed: str) -> BadInputError:
    return BadInputError([Problem(str(path), None, None, given, allowed)])
