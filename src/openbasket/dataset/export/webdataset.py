"""Cached frames as WebDataset shards, out and in.

A shard is a plain tar. The files of one reel stand together and share a key, the subject: ``<key>.json``
(labels, and what the frames are), then ``<key>.0000.jpg`` ... or ``<key>.frames.npy``. The part behind the
first dot is the name in the sample, as the ``webdataset`` package reads it.

Source: https://github.com/webdataset/webdataset (the WebDataset format).
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from openbasket.dataset.reader import Sample
from openbasket.errors import BadInputError, ConfigError, Problem, VideoError, WorkspaceError
from openbasket.skills import SKILL_KEYS
from openbasket.video.cache import CachedFrames, FrameCache
from openbasket.video.recording import Recording
from openbasket.workspace import atomic_path, safe_join

__all__ = ["ShardSample", "import_shards", "read_shards", "write_shards"]

#: What is read of a sample: no more bytes, no more files.
_MOST_BYTES, _MOST_FILES = 4 << 30, 4100
_ALLOWED = f"each file of a sample once, up to {_MOST_FILES} files and {_MOST_BYTES:,} bytes"
_NAME = re.compile(r"([^.]+)\.([A-Za-z0-9_.-]+)")


@dataclass(frozen=True)
class ShardSample:
    """The files of one key.

    Args:
        shard: the tar.
        key: such as a subject.
        files: contents by what stands behind the first dot, such as ``json`` and ``0000.jpg``.
    """

    shard: Path
    key: str
    files: dict[str, bytes]


def write_shards(
    samples: Sequence[Sample],
    entries: Sequence[CachedFrames],
    folder: Path,
    *,
    name: str = "reels",
    shard_bytes: int = 1 << 30,
) -> list[Path]:
    """Write reels' cached frames and labels into shards; equal input gives equal bytes.

    Args:
        samples: subjects.
        entries: the frames of each.
        folder: where the shards go.
        name: of the shards, which are called ``<name>-000000.tar`` and so on.
        shard_bytes: about how large a shard may grow.

    Returns:
        The shards.

    Raises:
        ConfigError: subjects and entries are not as many, or a subject stands twice.
        VideoError: an entry is damaged.
        WorkspaceError: a shard cannot be written, or the name leads out of the folder.
    """
    keys = [_key(sample.subject_id) for sample in samples]
    if len(samples) != len(entries) or len(set(keys)) != len(keys):
        raise ConfigError(
            f"shards: got {len(samples)} subjects ({len(set(keys))} different) and {len(entries)} "
            "entries; allowed: each subject once, with its frames"
        )
    shards: list[Path] = []
    at = 0
    while at < len(samples):
        path = safe_join(folder, f"{name}-{len(shards):06d}.tar")
        with (
            atomic_path(path) as temporary,
            tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            begun = at
            while at < len(samples) and (at == begun or tar.offset < shard_bytes):
                for file, content in _files(samples[at], entries[at]):
                    member = tarfile.TarInfo(f"{keys[at]}.{file}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                at += 1
        shards.append(path)
    return shards


def read_shards(shards: Iterable[Path]) -> Iterator[ShardSample]:
    """Read shards, ours or others; nothing is unpacked to disk.

    Args:
        shards: tars.

    Yields:
        The samples, in order.

    Raises:
        BadInputError: no tar, or a name that leads out of a folder, a link, a device, a file that is too
            large or stands twice.
    """
    for shard in shards:
        key = ""
        files: dict[str, bytes] = {}
        try:
            with tarfile.open(shard, "r:") as tar:
                for member in tar:
                    if member.isdir():
                        continue
                    mine, file = _checked(shard, member)
                    if mine != key:
                        if files:
                            yield ShardSample(shard, key, files)
                        key, files = mine, {}
                    content = tar.extractfile(member)
                    held = sum(len(one) for one in files.values()) + member.size
                    if (
                        file in files
                        or len(files) == _MOST_FILES
                        or held > _MOST_BYTES
                        or not content
                    ):
                        raise _bad(shard, repr(member.name), _ALLOWED)
                    files[file] = content.read()
        except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError) as error:
            raise _bad(shard, str(error)[:200], "a whole tar, not compressed") from None
        if files:
            yield ShardSample(shard, key, files)


def import_shards(shards: Iterable[Path], cache: FrameCache) -> list[CachedFrames]:
    """Add the frames in shards to a cache: they are found for videos of the same bytes.

    Args:
        shards: as :func:`write_shards` makes them.
        cache: where to.

    Returns:
        The entries.

    Raises:
        BadInputError: as :func:`read_shards`; or what a sample holds are not the frames that it says.
        WorkspaceError: an entry cannot be written.
    """
    added = []
    for sample in read_shards(shards):
        files = dict(sample.files)
        try:
            about = json.loads(files.pop("json"))
            recording = Recording.from_json(json.dumps(about["frames"]).encode())
        except (KeyError, TypeError, ValueError) as error:
            raise _bad(sample.shard, f"{sample.key}: {error}", "a sample of openbasket") from None
        entry = cache.entry(recording)
        if entry is None or entry.verify():  # what is there and whole is kept
            try:
                entry = cache.put(recording, files, check=True)
            except VideoError as error:
                raise _bad(
                    sample.shard, f"{sample.key}: {error}", "the frames that it says"
                ) from None
        added.append(entry)
    return added


def _files(sample: Sample, entry: CachedFrames) -> Iterator[tuple[str, bytes]]:
    payloads = entry.payloads()
    _, about = next(payloads)
    told = {
        "subject_id": sample.subject_id,
        "player_id": sample.player_id,
        "league": sample.league,
        "season": sample.season,
        "path": sample.path,
        "levels": dict(zip(SKILL_KEYS, sample.levels, strict=True)),
        "frames": json.loads(about),
    }
    yield "json", json.dumps(told, sort_keys=True).encode()
    yield from payloads


def _key(subject: str) -> str:
    """A subject as a key: no dot, no folder."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", subject)


def _checked(shard: Path, member: tarfile.TarInfo) -> tuple[str, str]:
    """Key and name in the sample of a file that may be read."""
    folder, _, base = member.name.rpartition("/")
    named = _NAME.fullmatch(base)
    if not member.isreg() or member.issparse() or named is None:
        raise _bad(shard, repr(member.name), "files named <key>.<name>; no links, no holes")
    if member.size > shard.stat().st_size:
        raise _bad(shard, f"{member.name!r} of {member.size:,} bytes", "less than the shard has")
    try:
        safe_join(Path("/shard"), member.name)
    except WorkspaceError as error:
        raise _bad(shard, repr(member.name), str(error)) from None
    return f"{folder}/{named[1]}" if folder else named[1], named[2]


def _bad(shard: Path, given: str, allowed: str) -> BadInputError:
    return BadInputError([Problem(str(shard), None, None, given, allowed)])
