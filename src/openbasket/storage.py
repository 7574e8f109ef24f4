"""Places that may lie behind a URL: videos to read through ranges, and folders to keep files in.

A file appears in a folder under its final name only when it is whole. Credentials come from the
environment, as each file system of fsspec looks for them; none are stored or passed on.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import IO, Any

from openbasket.errors import ConfigError, DependencyError, VideoError, WorkspaceError
from openbasket.workspace import lives, refuse_way_out, safe_join, unwritable

__all__ = ["Folder", "Place", "Url", "file_system", "open_binary", "open_ranges", "place", "stamp"]

#: Bytes fetched at once, and how many such blocks of one file are kept: 32 MiB a file.
BLOCK, BLOCKS = 2 << 20, 16
#: Where a file that is put appears whole or not at all.
OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "memory")
_STAGING = "openbasket-staging-"


@dataclass(frozen=True, slots=True)
class Url:
    """A place behind a URL, such as ``s3://bucket/games/17.mp4``.

    Args:
        text: the URL.
    """

    text: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.text.split("?")[0]).name

    @property
    def protocol(self) -> str:
        """What stands before ``://``."""
        return self.text.split("://")[0]

    def __str__(self) -> str:
        return self.text


Place = Path | Url


def place(text: str | os.PathLike[str], root: Path | None = None) -> Place:
    """What a path or URL names: relative paths below ``root``, absolute paths as they are.

    Example:
        >>> place("s3://bucket/a.mp4").name
        'a.mp4'
        >>> str(place("videos/a.mp4", Path("/ws"))), str(place("file:///tmp/a.mp4", Path("/ws")))
        ('/ws/videos/a.mp4', '/tmp/a.mp4')
    """
    given = os.fspath(text)
    if given.startswith("file://"):
        return Path(given.removeprefix("file://"))
    if "://" in given:
        return Url(given)
    return (root / given) if root is not None else Path(given)


def file_system(url: Url) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path there.

    Raises:
        DependencyError: the package that speaks its protocol is not installed.
        ConfigError: no such protocol.
    """
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url.text)
    except ImportError as error:
        raise DependencyError(
            f"'{url}' cannot be reached: {error}. Install what it needs, or: "
            "pip install 'openbasket[remote]'"
        ) from None
    except ValueError as error:
        raise ConfigError(f"'{url}': {error}; allowed: s3, gs, http, https and so on") from None
    return system, str(path)


def stamp(where: Place) -> list[str] | None:
    """What changes when a file changes: size, and time of change or tag; ``None`` if it is not there."""
    try:
        if isinstance(where, Path):
            facts = where.stat()
            return [str(facts.st_size), str(facts.st_mtime_ns)]
        system, path = file_system(where)
        with _readable(where):
            found = system.info(path)
    except (OSError, VideoError):
        return None
    tags = ("ETag", "etag", "md5Hash", "LastModified", "Last-Modified", "updated", "created")
    return [str(found.get("size")), *(str(found[tag]) for tag in tags if found.get(tag))]


@contextmanager
def open_ranges(url: Url) -> Iterator[tuple[IO[bytes], int]]:
    """Open a video for reading in any order, a block at a time; yield it and its size in bytes.

    Raises:
        VideoError: it is not there, or cannot be read; also later, from the file's ``read``.
    """
    system, path = file_system(url)
    with _readable(url):
        size = system.info(path).get("size")
        if size is None:
            raise OSError("the server does not tell its size, or serves no ranges")
        options = {"block_size": BLOCK, "cache_type": "blockcache"}
        file = system.open(path, "rb", cache_options={"maxblocks": BLOCKS}, **options)
    with file:
        yield _Reader(file, url), int(size)  # type: ignore[misc]


@contextmanager
def open_binary(path: Place) -> Iterator[tuple[IO[bytes], int]]:
    """Open a file for reading in any order; yield it and its size in bytes.

    Raises:
        VideoError: it is not there, or cannot be read.
    """
    if isinstance(path, Url):
        with open_ranges(path) as opened:
            yield opened
        return
    if not path.is_file():
        raise VideoError(f"there is no video at '{path}'")
    with path.open("rb") as file:
        yield file, path.stat().st_size


class _Reader:
    """A file whose every trouble is a VideoError that names it."""

    def __init__(self, file: IO[bytes], url: Url) -> None:
        self._file, self._url = file, url
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        with _readable(self._url):
            return self._file.read(size)


@contextmanager
def _readable(url: Url) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each file system of fsspec has errors of its own
        raise VideoError(
            f"'{url}' cannot be read ({type(error).__name__}: {str(error)[:200]}). Check that it is there, "
            "the credentials in the environment and the connection; then run again"
        ) from None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that keeps files, on this machine or in an object store.

    Args:
        root: where it lies.

    Raises:
        ConfigError: a URL whose file system does not put files whole.
    """

    root: Place

    def __post_init__(self) -> None:
        if isinstance(self.root, Url) and self.root.protocol not in OBJECT_STORES:
            raise ConfigError(
                f"files cannot be kept at '{self.root}'; allowed: a folder of this machine, or "
                f"{', '.join(OBJECT_STORES)}. Mount other file systems, and give the folder"
            )

    @property
    def remote(self) -> bool:
        """Whether it lies behind a URL."""
        return isinstance(self.root, Url)

    def below(self, name: str) -> Folder:
        """A folder inside."""
        if isinstance(self.root, Path):
            return Folder(self.root / name)
        return Folder(Url(f"{self.root.text.rstrip('/')}/{name}"))

    def refuse_file(self) -> None:
        """Refuse a place where no folder can be.

        Raises:
            WorkspaceError: it, or something above it, is a file.
        """
        if isinstance(self.root, Path):
            nearest = next(path for path in (self.root, *self.root.parents) if path.exists())
            if not nearest.is_dir():
                raise WorkspaceError(
                    f"'{nearest}' is a file; clips and reels are kept in a folder. Give another place"
                )

    def sizes(self, suffix: str) -> dict[str, int]:
        """The files in it and below, relative to it, and their bytes, by one listing.

        What is empty, or no file (a link to nothing, a folder), is not there.

        Raises:
            WorkspaceError: it cannot be listed.
        """
        if isinstance(self.root, Path):
            found = {
                path.relative_to(self.root).as_posix(): _bytes_of(path)
                for path in self.root.rglob(f"[!.]*{suffix}")
            }
            return {name: size for name, size in found.items() if size}
        system, path = file_system(self.root)
        with _told(self.root, "listed"):
            system.invalidate_cache(path)
            try:
                listed = system.find(path, detail=True)
            except FileNotFoundError:
                return {}
        start = len(path.rstrip("/")) + 1
        return {
            name[start:]: int(facts["size"])
            for name, facts in listed.items()
            if name.endswith(suffix) and facts.get("size")
        }

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Where to write files before :meth:`put`: the folder itself, or one for the time of the block."""
        if isinstance(self.root, Path):
            yield self.root
            return
        with _scratch() as folder:
            yield folder

    def put(self, local: Path, name: str) -> None:
        """Give a whole file its name here; where it was staged, it is no more.

        Raises:
            WorkspaceError: it cannot be written.
        """
        if isinstance(self.root, Path):
            if local != self.root / name:
                raise ValueError(f"'{local}' is not '{name}' of '{self.root}'")
            return
        system, path = file_system(self.root)
        with _told(self.root, "written to"):
            system.put_file(str(local), f"{path.rstrip('/')}/{name}")
        local.unlink()

    @contextmanager
    def local(self, names: Sequence[str]) -> Iterator[list[Path]]:
        """The files as files of this machine, for the time of the block.

        Raises:
            WorkspaceError: one of them is not there.
        """
        if isinstance(self.root, Path):
            yield [self.root / name for name in names]
            return
        system, path = file_system(self.root)
        with _scratch() as folder:
            different = sorted(set(names))
            with _told(self.root, "read"):
                system.get(
                    [f"{path.rstrip('/')}/{name}" for name in different],
                    [str(folder / name) for name in different],
                )
            yield [folder / name for name in names]

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            WorkspaceError: a name that leads out of the folder, or the file cannot be removed.
        """
        refuse_way_out(self.root, name)
        if isinstance(self.root, Path):
            try:
                safe_join(self.root, name).unlink(missing_ok=True)
            except OSError as error:
                raise unwritable(self.root / name, error) from None
            return
        system, path = file_system(self.root)
        with _told(self.root, "changed"):
            try:
                system.rm_file(f"{path.rstrip('/')}/{name}")
            except FileNotFoundError:
                return


def _bytes_of(path: Path) -> int:
    """Bytes of a file; 0 if it is none."""
    try:
        facts = path.stat()
    except OSError:
        return 0
    return facts.st_size if S_ISREG(facts.st_mode) else 0


@contextmanager
def _told(root: Url, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each file system of fsspec has errors of its own
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise WorkspaceError(
            f"'{root}' cannot be {what}: {reason}. Check the URL, the credentials in the environment "
            "and the connection"
        ) from None


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for the time of the block; those of processes that were killed are removed."""
    top = Path(tempfile.gettempdir())
    for left in top.glob(f"{_STAGING}*"):
        owner = re.match(r"\d+", left.name.removeprefix(_STAGING))
        if owner and not lives(int(owner[0])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_STAGING}{os.getpid()}-") as name:
        yield Path(name)
