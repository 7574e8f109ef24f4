"""What a person gives as input: files, folders, gz, zip and URLs, as plain files on disk.

Archives come from strangers: what they unpack to is limited, and nothing is written outside the
folder it belongs to.
"""

from __future__ import annotations

import gzip
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from openbasket.errors import (
    DAMAGED_ARCHIVE,
    BadInputError,
    DependencyError,
    OpenBasketError,
    Problem,
    WorkspaceError,
)

__all__ = [
    "MAX_FILES",
    "MAX_UNPACKED",
    "files_in",
    "is_packed",
    "kind_of_archive",
    "staged",
    "will_unpack",
]

#: Bytes that one import may fetch and unpack, and the files that an archive may hold.
MAX_UNPACKED = 8 * 1024**3
MAX_FILES = 200_000
#: What unpacks to more than this times its packed size (and a few megabytes) is a bomb.
MAX_RATIO = 200
SLACK = 16 * 1024**2
CHUNK = 1024 * 1024
#: Seconds for a server to answer, and between two answers.
TIMEOUT_S = 30.0
#: How packed and office files begin that are not unpacked here (a tar archive is told by its 257th byte).
STRANGE = {
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"BZh": "a bz2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
}
GZIP, ZIP = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
UNPACK = "plain files, gz or zip: unpack it first"
#: Folders and files that systems leave in archives.
LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass
class _Budget:
    """Bytes that may still be written."""

    left: int


@contextmanager
def staged(inputs: Sequence[str | Path]) -> Iterator[list[Path]]:
    """Yield the inputs as files and folders on disk; what had to be unpacked is removed at the end.

    Args:
        inputs: paths of files or folders (also ``.gz`` and ``.zip``, also inside the folders; a zip may
            hold ``.gz``), and fsspec URLs (``https://...``, ``s3://...``, ``memory://...``).

    Raises:
        BadInputError: an input that does not exist, cannot be read, or unpacks to too much. Problems
            raised inside the block name the input, not the place where it was unpacked.
    """
    budget = _Budget(MAX_UNPACKED)
    with tempfile.TemporaryDirectory(prefix="openbasket-") as folder:
        names: dict[str, str] = {}
        try:
            yield [
                path
                for number, given in enumerate(inputs)
                for path in _stage(given, Path(folder) / str(number), names, budget)
            ]
        except BadInputError as error:

            def told(text: str) -> str:
                if folder not in text:
                    return text
                return re.sub(rf"{re.escape(folder)}/\d+/(unpacked/)?", "", _named(text, names))

            raise BadInputError(
                (
                    Problem(told(p.file), p.row, p.field, told(p.given), told(p.allowed))
                    for p in error.problems
                ),
                told(error.hint),
            ) from None


def files_in(path: Path) -> list[Path]:
    """The files of a folder and its folders by name, without hidden ones and what systems leave behind.

    Links to folders are followed, each folder once.

    Raises:
        BadInputError: a folder that cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise _unreadable(error.filename or str(path), error)

    found: list[Path] = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(path, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not _is_litter(name)]
        found += [Path(folder) / name for name in files if not _is_litter(name)]
    return sorted(file for file in found if file.is_file())


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name in LITTER


def _named(file: str, names: dict[str, str]) -> str:
    for where, given in sorted(names.items(), key=lambda pair: -len(pair[0])):
        file = file.replace(where, given)
    return file


def _stage(given: str | Path, target: Path, names: dict[str, str], budget: _Budget) -> list[Path]:
    if "://" in str(given):
        path = _fetch(str(given), target, budget)
        names[str(path)] = str(given)
    else:
        path = Path(given)
        try:
            path.stat()
        except FileNotFoundError:
            raise BadInputError(
                [Problem(str(given), None, None, "no such file", "a file, a folder or a URL")]
            ) from None
        except (OSError, ValueError) as error:
            raise _unreadable(str(given), error) from None
    if path.is_file():
        return [_unpacked(path, target / "unpacked", names, budget)]
    if not path.is_dir():
        kind = "a pipe, socket or device"
        raise BadInputError([Problem(str(given), None, None, kind, "a file, a folder or a URL")])
    # What was beside each other stays so.
    place = target / "unpacked"
    for packed in filter(will_unpack, files_in(path)):
        beside = place / packed.relative_to(path).parent
        zipped = packed.suffix.lower() == ".zip"
        _unpacked(packed, beside / packed.name if zipped else beside, names, budget)
    return [path, place] if place.exists() else [path]


def will_unpack(path: Path) -> bool:
    """Whether a file of a folder is unpacked: it is called ``.gz`` or ``.zip``, and is one."""
    if path.suffix.lower() not in (".gz", ".zip"):
        return False
    return is_packed(path) or kind_of_archive(path) is not None


def is_packed(path: Path) -> bool:
    """Whether a file is a gz or a zip, whatever it is called."""
    return _head(path).startswith((GZIP, *ZIP))


def kind_of_archive(path: Path) -> str | None:
    """What a packed file is that is not unpacked here; None of others."""
    head = _head(path)
    strange = next((what for magic, what in STRANGE.items() if head.startswith(magic)), None)
    if strange is None and head[257:262] == b"ustar":
        strange = "a tar archive"
    return strange


def _unpacked(path: Path, target: Path, names: dict[str, str], budget: _Budget) -> Path:
    """The path itself, or the file or folder that it unpacks to."""
    strange = kind_of_archive(path)
    if strange:
        raise _refused(path, strange, UNPACK)
    head, given = _head(path), _named(str(path), names)
    if head.startswith(GZIP):
        target.mkdir(parents=True, exist_ok=True)
        name = path.name[:-3] if path.suffix.lower() == ".gz" else path.name
        out = target / (name or "file")
        names[str(out)] = given
        with path.open("rb") as file:
            _gunzip(file, out, path, budget)
        return out
    if head.startswith(ZIP):
        names[str(target)] = f"{given}!"
        _unzip(path, target, names, budget)
        return target
    return path


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as error:
        raise _unreadable(str(path), error) from None


def _gunzip(file: IO[bytes], out: Path, path: Path, budget: _Budget) -> None:
    try:
        with gzip.open(file) as source:
            _copy(source, out, path, budget, packed=file.tell)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from None
    head = _head(out)
    if head[257:262] == b"ustar":
        raise _refused(path, "a packed tar archive", UNPACK)
    if head.startswith((GZIP, *ZIP)):
        raise _refused(path, "a packed file in a gz", UNPACK)


def _unzip(path: Path, target: Path, names: dict[str, str], budget: _Budget) -> None:
    target.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [
                (entry, PurePosixPath(entry.filename.replace("\\", "/")))
                for entry in archive.infolist()
                if not entry.filename.endswith("/")
            ]
            for entry, inner in entries:
                parts = inner.parts
                if not parts or inner.is_absolute() or ".." in parts or ":" in parts[0]:
                    given = f"the entry {entry.filename!r}"
                    raise _refused(path, given, "entries inside the archive's folder")
            entries = [pair for pair in entries if not any(map(_is_litter, pair[1].parts))]
            _require_plain(path, entries)
            for entry, inner in entries:
                out = target.joinpath(*inner.parts)
                out.parent.mkdir(parents=True, exist_ok=True)
                if out.exists():
                    raise _refused(path, f"{entry.filename!r} twice", "each entry once")
                with archive.open(entry) as source:
                    if inner.suffix.lower() == ".gz":
                        unpacked = str(out.with_suffix(""))
                        names[unpacked] = f"{_named(str(path), names)}!/{inner}"
                        _gunzip(source, out.with_suffix(""), path, budget)
                    else:
                        size = entry.compress_size
                        _copy(source, out, path, budget, packed=lambda size=size: size)
    except DAMAGED_ARCHIVE as error:
        raise _damaged(path, error) from None


def _require_plain(path: Path, entries: list[tuple[zipfile.ZipInfo, PurePosixPath]]) -> None:
    if len(entries) > MAX_FILES:
        raise _refused(path, f"{len(entries):,} files", f"at most {MAX_FILES:,}")
    total, packed = sum(entry.file_size for entry, _ in entries), path.stat().st_size
    if total > MAX_UNPACKED or total > SLACK + MAX_RATIO * packed:
        allowed = f"at most {MAX_UNPACKED:,} bytes and {MAX_RATIO} times the packed size"
        raise _refused(path, f"{total:,} bytes unpacked", allowed)
    for entry, inner in entries:
        if entry.filename == "[Content_Types].xml":
            raise _refused(path, "an Excel or Word file", "CSV: save the table as CSV (UTF-8)")
        if entry.flag_bits & 1:
            raise _refused(path, f"the encrypted entry {entry.filename!r}", "no password")
        if inner.suffix.lower() == ".zip":
            raise _refused(path, f"the packed entry {entry.filename!r}", "plain files and .gz")


def _copy(source: Any, out: Path, path: Path | str, budget: _Budget, *, packed: Any) -> None:
    """Copy, and refuse what grows beyond reason: ``packed`` tells how much was read so far."""
    done = 0
    with out.open("wb") as target:
        while chunk := source.read(CHUNK):
            done += len(chunk)
            budget.left -= len(chunk)
            if budget.left < 0 or done > SLACK + MAX_RATIO * packed():
                allowed = f"at most {MAX_UNPACKED:,} bytes and {MAX_RATIO} times the packed size"
                raise _refused(path, f"more than {done:,} bytes unpacked", allowed)
            try:
                target.write(chunk)
                target.flush()
            except OSError as error:  # the disk is full, say: no fault of the input
                raise WorkspaceError(
                    f"cannot unpack or fetch the input into '{tempfile.gettempdir()}': "
                    f"{error.strerror or error}. Set TMPDIR to a folder with more room"
                ) from None


def _fetch(url: str, target: Path, budget: _Budget) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    web = url.startswith(("http://", "https://"))
    # The query is kept: an address may name its game there.
    tail = url.rstrip("/").rsplit("/", 1)[-1] if web else PurePosixPath(url.rstrip("/")).name
    local = target / (re.sub(r"[^\w.=&,-]", "_", tail)[-150:].lstrip(".") or "input")
    try:
        if web:
            import urllib.request

            asked = urllib.request.Request(url, headers={"User-Agent": "openbasket"})  # noqa: S310
            with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as source:  # noqa: S310
                _copy(source, local, url, budget, packed=lambda: MAX_UNPACKED)
            return local
        try:
            import fsspec
        except ModuleNotFoundError:
            raise DependencyError(
                "reading a URL needs 'fsspec'. Install it with: pip install 'openbasket[remote]'"
            ) from None
        system, path = fsspec.core.url_to_fs(url)
        if system.isdir(path):
            _fetch_folder(system, path, local, url, budget)
        else:
            with system.open(path, "rb") as source:
                _copy(source, local, url, budget, packed=lambda: MAX_UNPACKED)
    except OpenBasketError:
        raise
    except Exception as error:  # noqa: BLE001 - each file system of fsspec has errors of its own
        given = f"{type(error).__name__}: {str(error)[:160]}"
        raise BadInputError([Problem(url, None, None, given, "a URL that can be read")]) from None
    return local


def _fetch_folder(system: Any, path: str, local: Path, url: str, budget: _Budget) -> None:
    """Fetch the files of a folder, one by one, without hidden ones and what systems leave behind."""
    local.mkdir()
    root = path.rstrip("/") + "/"
    files = [name for name, info in system.find(path, detail=True).items() if _is_file(info)]
    if len(files) > MAX_FILES:
        raise _refused(url, f"{len(files):,} files", f"at most {MAX_FILES:,}")
    for name in sorted(files):
        inner = PurePosixPath(name.removeprefix(root))
        if inner.is_absolute() or ".." in inner.parts or "\\" in name:
            raise _refused(url, f"the file {name!r}", "files inside the folder")
        if any(map(_is_litter, inner.parts)):
            continue
        out = local.joinpath(*inner.parts)
        out.parent.mkdir(parents=True, exist_ok=True)
        with system.open(name, "rb") as source:
            _copy(source, out, url, budget, packed=lambda: MAX_UNPACKED)


def _is_file(info: dict[str, Any]) -> bool:
    return info.get("type") in ("file", "link")


def _damaged(path: Path, error: Exception) -> BadInputError:
    return BadInputError([Problem(str(path), None, None, str(error)[:160], "a whole archive")])


def _unreadable(path: str, error: Exception) -> BadInputError:
    given = (getattr(error, "strerror", None) or str(error))[:160]
    return BadInputError([Problem(path, None, None, given, "a file or folder that can be read")])


def _refused(path: Path | str, given: str, allowed: str) -> BadInputError:
    return BadInputError([Problem(str(path), None, None, given, allowed)])
