"""Frames of videos, kept on disk small and ready, so that no epoch decodes a video again.

An entry is one file of one video: a zip archive, not compressed, with ``frames.json`` (what was read, from
what) and either one JPEG a frame or one array, so that any tool can open it. Its name is a hash of the
video's bytes and of how frames were taken: a changed video, or another sampling, is another entry. An entry
appears whole or not at all. Every JPEG is checked by its CRC-32 when it is read; an array only by
:meth:`CachedFrames.verify`.

Why JPEG and at which quality: ``benchmarks/frame_cache.py``.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from openbasket.errors import DAMAGED_ARCHIVE, ConfigError, VideoError
from openbasket.video.frames import Frames, frames_at
from openbasket.video.probe import Limits
from openbasket.video.recording import Recording, Taking, key_of
from openbasket.video.seal import is_intact
from openbasket.workspace import atomic_path, remove_leftovers, sha256, write_json

__all__ = ["CachedFrames", "FrameCache", "jpeg_name", "refuse_changed", "view_places"]

_ABOUT, _ARRAY = "frames.json", "frames.npy"
#: An archive's entry begins so many bytes, and those of its name and extra field, behind its place.
_LOCAL_HEAD = 30


@dataclass(frozen=True)
class CachedFrames:
    """One entry: the frames of one video. Holds no open file, so that it can be sent to other processes.

    Args:
        path: its file.
    """

    path: Path
    _known: dict[str, Recording] = field(default_factory=dict, repr=False, compare=False)

    @property
    def recording(self) -> Recording:
        """What it holds.

        Raises:
            VideoError: the file is damaged or not there.
        """
        if "" not in self._known:
            with self._opened():
                pass
        return self._known[""]

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.recording.shape[0]

    def read(self, places: Sequence[int] | None = None) -> NDArray[np.uint8]:
        """Read frames, and no others.

        Args:
            places: which of those that are held, in any order; by default all.

        Returns:
            uint8 ``(len(places), height, width, 3)``, RGB; the caller's own.

        Raises:
            VideoError: the file is damaged or not there, or holds no such frame.
        """
        with self._opened() as archive:
            recording = self._known[""]
            count = recording.shape[0]
            wanted = range(count) if places is None else [int(place) for place in places]
            if any(not 0 <= place < count for place in wanted):
                raise VideoError(f"'{self.path}' holds {count} frames; asked for {list(wanted)}")
            if recording.taking.format == "raw":
                whole = _mapped(self.path, archive, recording.shape)
                return np.array(whole if places is None else whole[list(wanted)])
            made = np.empty((len(wanted), *recording.shape[1:]), np.uint8)
            for picture, place in zip(made, wanted, strict=True):
                _decode_into(picture, archive.read(jpeg_name(place)))
            return made

    def view(self, frames: int, view: int = 0, views: int = 1) -> NDArray[np.uint8]:
        """Read one of several views in time, see :func:`view_places`."""
        return self.read(view_places(len(self), frames, view, views))

    def between(self, start_s: float, end_s: float) -> list[int]:
        """The places of the frames that are shown in ``[start_s, end_s)``."""
        times = self.recording.times_s
        return [place for place, time_s in enumerate(times) if start_s <= time_s < end_s]

    def payloads(self) -> Iterator[tuple[str, bytes]]:
        """The files in the entry, as they are stored, ``frames.json`` first.

        Raises:
            VideoError: the file is damaged or not there.
        """
        with self._opened() as archive:
            for name in archive.namelist():
                yield name, archive.read(name)

    def verify(self) -> str | None:
        """Read and check all of it; say what is wrong, or nothing."""
        try:
            if self.recording.key != self.path.stem:
                return f"'{self.path}' has the name of another entry"
        except VideoError as error:
            return str(error)
        return self.damage()

    def damage(self) -> str | None:
        """Read all of it, whatever its name is; say what is wrong, or nothing."""
        try:
            with self._opened() as archive:
                recording = self._known[""]
                count = recording.shape[0]
                raw = recording.taking.format == "raw"
                frames = [_ARRAY] if raw else [jpeg_name(place) for place in range(count)]
                if sorted(archive.namelist()) != sorted([_ABOUT, *frames]):
                    return f"'{self.path}' does not hold just the frames that it says"
                if bad := archive.testzip():
                    return f"'{self.path}': '{bad}' is damaged"
            self.read()
        except VideoError as error:
            return str(error)
        return None

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                whole = self.path.stat().st_size
                if any(m.compress_type or m.file_size > whole for m in archive.infolist()):
                    raise ValueError("it is compressed")
                if "" not in self._known:
                    self._known[""] = Recording.from_json(archive.read(_ABOUT))
                yield archive
        except FileNotFoundError:
            raise VideoError(
                f"there are no cached frames at '{self.path}'; make them with 'openbasket cache'"
            ) from None
        except DAMAGED_ARCHIVE as error:
            raise VideoError(
                f"'{self.path}' is damaged ({error}); 'openbasket cache --verify' makes it again"
            ) from None


class FrameCache:
    """A folder of cached frames; any number of processes may read it and add to it.

    Args:
        folder: where it lies; made when the first entry is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def add(
        self,
        video: Path,
        taking: Taking,
        *,
        stated: str | None = None,
        limits: Limits | None = None,
        threads: int = 1,
    ) -> CachedFrames:
        """Take a video's frames, unless an earlier run did.

        Before they are taken, all bytes of the video are read and compared with what is known of them; a
        decoder does not see all damage.

        Args:
            video: the file.
            taking: how.
            stated: SHA-256 that its bytes must have, where that is known.
            limits: what to refuse before decoding.
            threads: threads that decode.

        Raises:
            VideoError: the video is missing, does not decode, or is not as it was made: its bytes are not the
                stated ones, or those of its seal (:mod:`openbasket.video.seal`).
            WorkspaceError: the entry cannot be written.
        """
        source, noted = self._source(video)
        entry = self._at(key_of(source, taking))
        if entry is None:
            if noted:  # its date does not tell that a disk lost a bit
                source = self._hashed(video)
            refuse_changed(video, source, stated)
            frames = frames_at(
                video, taking.wanted, taking.size,
                sampling=taking.sampling, threads=threads, limits=limits,
            )  # fmt: skip
            if self._source(video)[0] != source:
                raise VideoError(f"'{video}' was changed while it was read; try again")
            entry = self.put(_recording(source, taking, frames), _payloads(frames, taking))
        return entry

    def find(self, video: Path, taking: Taking) -> CachedFrames | None:
        """The entry of a video as it is now, if there is one.

        Raises:
            VideoError: there is no such video.
        """
        return self._at(key_of(self._source(video)[0], taking))

    def put(
        self, recording: Recording, payloads: Mapping[str, bytes], *, check: bool = False
    ) -> CachedFrames:
        """Write an entry.

        Args:
            recording: what it holds.
            payloads: the files of its frames, by name.
            check: look first whether they are what ``recording`` says.

        Raises:
            VideoError: they are not, if they are checked, or they are too many. What was there before is
                kept.
            WorkspaceError: it cannot be written.
        """
        recording.refuse_too_large()
        path = self._path(recording.key)
        with atomic_path(path) as temporary:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(zipfile.ZipInfo(_ABOUT), recording.as_json())
                for name, content in payloads.items():
                    if name != _ABOUT:
                        archive.writestr(zipfile.ZipInfo(name), content)
            if check and (fault := CachedFrames(temporary).damage()):
                raise VideoError(fault)
        return CachedFrames(path)

    def entry(self, recording: Recording) -> CachedFrames | None:
        """The entry of a recording, if there is one."""
        return self._at(recording.key)

    def entries(self) -> list[CachedFrames]:
        """All entries, whatever they were taken from."""
        found = sorted(self.folder.glob("??/*.zip"))
        return [CachedFrames(path) for path in found if not path.name.startswith(".")]

    def remove_leftovers(self) -> int:
        """Remove what killed runs left of files that they had not finished; return how many."""
        return remove_leftovers(self.folder)

    def _at(self, key: str) -> CachedFrames | None:
        path = self._path(key)
        return CachedFrames(path) if path.is_file() else None

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.zip"

    def _source(self, video: Path) -> tuple[str, bool]:
        """SHA-256 of a video, and whether it was noted earlier.

        One whose size and time of change are as they were is not read again.
        """
        if not video.is_file():
            raise VideoError(f"there is no video at '{video}'")
        place, note = self._note(video)
        try:
            known = json.loads(note.read_text())
            if known["state"] == _state(video) and known["video"] == place:
                return str(known["sha256"]), True
        except (OSError, ValueError, KeyError, TypeError, RecursionError):  # none yet, or of no use
            pass
        return self._hashed(video), False

    def _hashed(self, video: Path) -> str:
        """SHA-256 of a video, which is noted."""
        place, note = self._note(video)
        state = _state(video)
        digest = sha256(video)
        if _state(video) == state:
            write_json(note, {"video": place, "state": state, "sha256": digest})
        return digest

    def _note(self, video: Path) -> tuple[str, Path]:
        place = str(video.resolve())
        name = hashlib.sha256(place.encode()).hexdigest()
        return place, self.folder / "sources" / f"{name}.json"


def view_places(held: int, frames: int, view: int = 0, views: int = 1) -> list[int]:
    """Places of one of several views in time: each is spread over all that is held, between the others.

    Of 64 held frames, view 0 of 4 with 16 frames has places 0, 4, 8 ...; view 1 has 1, 5, 9 ...

    Args:
        held: frames there are.
        frames: frames of a view.
        view: which one, from 0.
        views: how many there are.

    Raises:
        ConfigError: no such view.
    """
    if not 0 <= view < views or frames < 1 or held < 1:
        raise ConfigError(f"view {view} of {views} with {frames} of {held} frames; there is none")
    # Whole numbers: (i + (view + 1/2) / views) * held / frames, rounded down.
    return [(2 * i * views + 2 * view + 1) * held // (2 * views * frames) for i in range(frames)]


def jpeg_name(place: int) -> str:
    """The name of a frame's file in an entry."""
    return f"{place:04d}.jpg"


def _recording(source: str, taking: Taking, frames: Frames) -> Recording:
    lists = (frames.indices.tolist(), frames.times_s.tolist(), frames.errors_s.tolist())
    shape = cast("tuple[int, int, int, int]", frames.pixels.shape)
    return Recording(source, taking, shape, *map(tuple, lists))


def _payloads(frames: Frames, taking: Taking) -> dict[str, bytes]:
    if taking.format == "raw":
        buffer = io.BytesIO()
        np.save(buffer, frames.pixels, allow_pickle=False)
        return {_ARRAY: buffer.getvalue()}
    return {
        jpeg_name(place): simplejpeg.encode_jpeg(picture, taking.quality, "RGB", "420", False)
        for place, picture in enumerate(frames.pixels)
    }


def _decode_into(picture: NDArray[np.uint8], jpeg: bytes) -> None:
    height, width, *_ = simplejpeg.decode_jpeg_header(jpeg)
    if (height, width) != picture.shape[:2]:
        raise ValueError(f"a picture of {width}x{height} pixels")
    simplejpeg.decode_jpeg(jpeg, "RGB", buffer=picture)


def _mapped(
    path: Path, archive: zipfile.ZipFile, shape: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """The array of an entry, mapped into memory.

    Raises:
        ValueError: it is not what the entry says.
    """
    member = archive.getinfo(_ARRAY)
    with path.open("rb") as file:
        file.seek(member.header_offset)
        head = file.read(_LOCAL_HEAD)
        names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        begin = member.header_offset + _LOCAL_HEAD + names
        file.seek(begin)
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("an array of another version")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        at = file.tell()
    stored = member.compress_type == zipfile.ZIP_STORED
    if (found, fortran, dtype, stored) != (shape, False, np.dtype(np.uint8), True):
        raise ValueError("an array of another form")
    if at - begin + int(np.prod(shape)) != member.file_size:
        raise ValueError("an array of another length")
    return np.memmap(path, np.uint8, "r", at, shape)


def refuse_changed(video: Path, source: str, stated: str | None) -> None:
    """Refuse a file that is not as it was made.

    Args:
        video: the file.
        source: SHA-256 of its bytes.
        stated: the one that they must have, where that is known.

    Raises:
        VideoError: its bytes are not the stated ones, or those of its seal.
    """
    if stated is not None and source != stated:
        fault = f"its SHA-256 is {source}, not {stated}"
    elif not is_intact(video):
        fault = "its checksum is another"
    else:
        return
    raise VideoError(f"'{video}' is not as it was made: {fault}. Make or fetch it again")


def _state(path: Path) -> list[int]:
    """What changes when a file does."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]
