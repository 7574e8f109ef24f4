"""Draw the frames of drawn reels into a cache: each game is put into motion once, for all that show it."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import simplejpeg
from filelock import FileLock, Timeout

from openbasket.dataset.film import DrawnClip, DrawnReel, filmed_tables, fingerprints, read_reel
from openbasket.engine import run
from openbasket.errors import DAMAGED_ARCHIVE, OpenBasketError, VideoError
from openbasket.progress import note, track
from openbasket.simulation.on_demand import GameFilm
from openbasket.simulation.timeline import RenderSettings
from openbasket.video.cache import CachedFrames, FrameCache, jpeg_name, refuse_changed
from openbasket.video.frames import Every, Uniform, uniform_indices
from openbasket.video.pictures import scaled_size
from openbasket.video.recording import Recording, Taking
from openbasket.video.write import FPS, HEIGHT, WIDTH
from openbasket.workspace import Workspace, atomic_path, sha256, unwritable

__all__ = ["draw_reels", "wanted_frames"]

#: Frames drawn of a game before they are compressed: 60 MB at full size.
_AT_ONCE = 64
#: Games that are put into motion together.
_TOGETHER = 4
#: How long what was drawn waits for whoever stopped.
_KEPT_S = 7 * 86_400


@dataclass(frozen=True)
class _Game:
    """Frames of one game, of one look, that some reels want; and who is marked in each."""

    root: Path
    league: str
    season: str
    game_id: str
    made_of: str
    render: RenderSettings
    seed: int
    frames: tuple[tuple[int, str | None], ...]
    size: tuple[int, int]
    quality: int
    out: Path


def draw_reels(
    root: Path,
    wanted: Sequence[tuple[Path, Taking]],
    cache: FrameCache,
    *,
    stated: Mapping[Path, str] | None = None,
    workers: int | None = None,
    quiet: bool = False,
    failures: dict[Path, str] | None = None,
) -> dict[Path, CachedFrames]:
    """Draw frames of reels, game by game, and keep them as those of videos are kept.

    What was drawn of games stays beside the cache until all reels are done, so that a run that was stopped
    goes on; what nobody went on with for a week is removed. While another process draws into the same cache,
    this one waits.

    Args:
        root: the dataset, with the tables that the games are drawn from.
        wanted: reels, and how their frames are taken; of JPEG.
        cache: where they go.
        stated: SHA-256 that a reel's file must have, by its resolved path, where that is known.
        workers: processes; all cores by default.
        quiet: show no progress.
        failures: filled with what is wrong with reels, which are then left out of what is returned.

    Returns:
        The entry of each reel.
    """
    failures = {} if failures is None else failures
    reels: dict[tuple[Path, Taking], _Wanted] = {}
    for path, taking in wanted:
        try:
            reels[path, taking] = _wanted(path, taking, stated or {})
        except VideoError as error:
            failures[path] = str(error)
    if not reels:
        return {}
    with _turn(cache.folder / "drawing.lock", quiet):
        found = {}
        for (path, taking), reel in list(reels.items()):
            if (entry := cache.entry(reel.recording)) is not None:  # of another process
                found[path] = entry
                del reels[path, taking]
        return found | _drawn(root, reels, cache, workers, quiet, failures)


@contextmanager
def _turn(path: Path, quiet: bool) -> Iterator[None]:
    """Keep other processes from drawing into a cache; wait for one that does."""
    lock = FileLock(path, mode=0o666)  # who else may write there may draw there
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        note(f"another process draws into '{path.parent}': waiting for it", quiet=quiet)
        lock.acquire()
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class _Wanted:
    """A reel, its frames that are wanted, where in its games they are, and the entry that they will be."""

    reel: DrawnReel
    places: Sequence[tuple[DrawnClip, int]]
    recording: Recording


def _wanted(path: Path, taking: Taking, stated: Mapping[Path, str]) -> _Wanted:
    """What is to be drawn of a reel.

    Raises:
        VideoError: it cannot be.
    """
    if taking.format != "jpeg":
        raise VideoError(f"'{path}': reels are drawn as JPEG; allowed: --format jpeg")
    reel = read_reel(path)
    digest = sha256(path)
    refuse_changed(path, digest, stated.get(path.resolve()))
    if not set(taking.clips) <= set(reel.bounds):
        raise VideoError(
            f"'{path}': the dataset's table 'reels' tells of other clips than it has. Make it again with "
            "'openbasket rendered'"
        )
    indices = wanted_frames(reel, taking)
    width, height = scaled_size(WIDTH, HEIGHT, taking.size)
    recording = Recording(
        digest, taking, (len(indices), height, width, 3), tuple(indices),
        tuple(index / float(FPS) for index in indices), (0.0,) * len(indices),
    )  # fmt: skip
    recording.refuse_too_large()
    return _Wanted(reel, reel.places(indices), recording)


def _drawn(
    root: Path,
    reels: Mapping[tuple[Path, Taking], _Wanted],
    cache: FrameCache,
    workers: int | None,
    quiet: bool,
    failures: dict[Path, str],
) -> dict[Path, CachedFrames]:
    """Draw the games of reels, and join their frames to entries."""
    spool = cache.folder / "drawing"
    spool.mkdir(exist_ok=True)
    jobs, shown = _jobs(root, reels, spool)
    for file in spool.iterdir():
        if file.stat().st_mtime < time.time() - _KEPT_S:
            file.unlink()
    together = max(1, min(_TOGETHER, len(jobs) // (workers or os.cpu_count() or 1)))
    missing = _shared([job for job in jobs if not _drawn_already(job)], together)
    broken: dict[Path, str] = {}
    while missing:
        outcomes = run(
            _draw, missing, describe="Drawing games", workers=workers, quiet=quiet,
            size=lambda games: sum(map(_frames_in, games)),
        )  # fmt: skip
        missing = []
        for outcome in outcomes:
            broken |= outcome.result or {}
            if outcome.error is None:
                continue
            if len(outcome.item) > 1:  # which of them it is shows when each is drawn by itself
                missing += [(job,) for job in outcome.item if not _drawn_already(job)]
            else:
                broken[outcome.item[0].out] = outcome.error
    found: dict[Path, CachedFrames] = {}
    archive = lru_cache(200)(zipfile.ZipFile)
    for (path, taking), places in track(list(shown.items()), "Joining frames", quiet=quiet):
        wanted = reels[path, taking]
        names = [(file, _name(frame, wanted.reel.mark)) for file, frame in places]
        lacking = [
            broken.get(file) or f"its game has no frame {frame}"
            for (file, name), (_, frame) in zip(names, places, strict=True)
            if file in broken or name not in archive(file).NameToInfo
        ]
        if lacking:
            failures[path] = lacking[0]
            continue
        payloads = {
            jpeg_name(number): archive(file).read(name) for number, (file, name) in enumerate(names)
        }
        found[path] = cache.put(wanted.recording, payloads)
    archive.cache_clear()
    for job in jobs:
        job.out.unlink(missing_ok=True)
    with suppress(OSError):  # what others stopped at is there
        spool.rmdir()
    return found


def _drawn_already(job: _Game) -> bool:
    """Whether an earlier run, of these reels or of others, drew all of a game's frames that are wanted."""
    try:
        with zipfile.ZipFile(job.out) as archive:
            there = archive.NameToInfo
            return all(_name(*frame) in there for frame in job.frames)
    except DAMAGED_ARCHIVE:
        return False


def wanted_frames(reel: DrawnReel, taking: Taking) -> list[int]:
    """Which frames of a reel are taken."""
    rule = taking.wanted
    if isinstance(rule, Uniform):
        return uniform_indices(len(reel), rule.count)
    return list(range(0, len(reel), rule.step)) if isinstance(rule, Every) else rule


def _jobs(
    root: Path, reels: Mapping[tuple[Path, Taking], _Wanted], spool: Path
) -> tuple[list[_Game], dict[tuple[Path, Taking], list[tuple[Path, int]]]]:
    """What is to be drawn of each game; and of each reel, where its frames will be."""
    games: dict[_Game, set[tuple[int, str | None]]] = {}
    shown: dict[tuple[Path, Taking], list[tuple[_Game, int]]] = {}
    for (path, taking), wanted in reels.items():
        reel, size = wanted.reel, wanted.recording.shape[1:3]
        looks = {
            (clip.league, clip.season, clip.game_id): _Game(
                root, clip.league, clip.season, clip.game_id, reel.games[clip.game_id], reel.render,
                reel.seed, (), size, taking.quality, spool,
            )
            for clip in reel.clips
        }  # fmt: skip
        places = shown[path, taking] = []
        for clip, frame in wanted.places:
            look = looks[clip.league, clip.season, clip.game_id]
            games.setdefault(look, set()).add((frame, reel.mark))
            places.append((look, frame))
    jobs = {}
    for look, frames in games.items():
        job = replace(look, frames=tuple(sorted(frames, key=_order)))
        name = hashlib.sha256(repr(replace(look, root=Path(), out=Path())).encode()).hexdigest()
        jobs[look] = replace(job, out=spool / f"{name}.zip")
    return list(jobs.values()), {
        key: [(jobs[look].out, frame) for look, frame in places] for key, places in shown.items()
    }


def _order(frame: tuple[int, str | None]) -> tuple[int, str]:
    """In the order of the game, so that each period is put into motion once."""
    return frame[0], frame[1] or ""


def _frames_in(job: _Game) -> float:
    return 600.0 + len(job.frames)  # to put a game into motion takes as long as to draw so many


def _shared(jobs: Sequence[_Game], together: int) -> list[tuple[_Game, ...]]:
    """So many games that need as many frames, which are put into motion together."""
    ordered = sorted(jobs, key=_frames_in)
    return [tuple(ordered[i : i + together]) for i in range(0, len(ordered), together)]


def _draw(jobs: tuple[_Game, ...]) -> dict[Path, str]:
    """Draw games; what is wrong with those that cannot be drawn."""
    films, broken = [], {}
    for job in jobs:
        try:
            films.append((job, _film(job)))
        except OpenBasketError as error:
            broken[job.out] = str(error)
    if films:
        GameFilm.walk_together([film for _, film in films])
    while films:
        _write(*films.pop())
    return broken


def _write(job: _Game, film: GameFilm) -> None:
    """Write the wanted frames of a game, but for those that it does not have."""
    with atomic_path(job.out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        there = [frame for frame in job.frames if frame[0] < len(film)]
        for begin in range(0, len(there), _AT_ONCE):
            part = there[begin : begin + _AT_ONCE]
            numbers, marks = [frame for frame, _ in part], [mark for _, mark in part]
            drawn = film.read(numbers, job.size, marks=marks)
            for number, mark, picture in zip(numbers, marks, drawn, strict=True):
                jpeg = simplejpeg.encode_jpeg(
                    np.ascontiguousarray(picture), job.quality, "RGB", "420", False
                )
                archive.writestr(_name(number, mark), jpeg)


def _name(frame: int, mark: str | None) -> str:
    return f"{frame}{'' if mark is None else '-' + mark}.jpg"


def _film(job: _Game) -> GameFilm:
    """The game as the tables tell it.

    Raises:
        VideoError: they tell another game than the one that the reel was made of.
    """
    workspace = Workspace(job.root)
    mine = pl.col("game_id") == job.game_id
    games, *rows = (
        frame.filter(mine) for frame in filmed_tables(workspace, job.league, job.season)
    )
    if games.is_empty() or fingerprints(games, *rows)[job.game_id] != job.made_of:
        raise VideoError(
            f"game '{job.game_id}' ({job.league}, {job.season}) is not the one that the reel was made of. "
            "Make the reels again with 'openbasket rendered'"
        )
    return GameFilm(games.row(0, named=True), *rows, settings=job.render, seed=job.seed)
