"""Draw the frames of drawn reels into a cache: each game is put into motion once, for all that show it."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import simplejpeg

from openbasket.dataset.film import DrawnReel, filmed_tables, fingerprints, read_reel
from openbasket.engine import run
from openbasket.errors import OpenBasketError, VideoError
from openbasket.progress import track
from openbasket.simulation.on_demand import GameFilm
from openbasket.simulation.timeline import RenderSettings
from openbasket.video.cache import CachedFrames, FrameCache, jpeg_name
from openbasket.video.frames import Every, Uniform, uniform_indices
from openbasket.video.pictures import scaled_size
from openbasket.video.recording import Recording, Taking
from openbasket.video.write import FPS, HEIGHT, WIDTH
from openbasket.workspace import Workspace, atomic_path, sha256

__all__ = ["draw_reels", "wanted_frames"]

#: Frames drawn of a game before they are compressed: 60 MB at full size.
_AT_ONCE = 64
#: Games that are put into motion together.
_TOGETHER = 4


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
    workers: int | None = None,
    quiet: bool = False,
    failures: dict[Path, str] | None = None,
) -> dict[Path, CachedFrames]:
    """Draw frames of reels, game by game, and keep them as those of videos are kept.

    What was drawn of games stays beside the cache until all reels are done, so that a run that was stopped
    goes on.

    Args:
        root: the dataset, with the tables that the games are drawn from.
        wanted: reels, and how their frames are taken; of JPEG.
        cache: where they go.
        workers: processes; all cores by default.
        quiet: show no progress.
        failures: filled with what is wrong with reels, which are then left out of what is returned.

    Returns:
        The entry of each reel.
    """
    failures = {} if failures is None else failures
    reels: dict[tuple[Path, Taking], DrawnReel] = {}
    for path, taking in wanted:
        try:
            if taking.format != "jpeg":
                raise VideoError(f"'{path}': reels are drawn as JPEG; allowed: --format jpeg")
            reels[path, taking] = read_reel(path)
        except VideoError as error:
            failures[path] = str(error)
    if not reels:
        return {}
    names = sorted(f"{path}:{sha256(path)}:{taking}" for path, taking in reels)
    spool = cache.folder / f"drawing-{hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]}"
    jobs, shown = _jobs(root, reels, spool)
    spool.mkdir(parents=True, exist_ok=True)
    missing = [job for job in jobs if not job.out.is_file()]
    outcomes = run(
        _draw, _shared(missing), describe="Drawing games", workers=workers, quiet=quiet,
        size=lambda games: sum(map(_frames_in, games)),
    )  # fmt: skip
    broken: dict[Path, str] = {}
    for outcome in outcomes:
        broken |= outcome.result or {}
        if outcome.error is not None:
            broken |= dict.fromkeys((job.out for job in outcome.item), outcome.error)
    found: dict[Path, CachedFrames] = {}
    archive = lru_cache(200)(zipfile.ZipFile)
    for (path, taking), places in track(list(shown.items()), "Joining frames", quiet=quiet):
        fault = next((broken[file] for file, _ in places if file in broken), None)
        if fault is not None:
            failures[path] = fault
            continue
        payloads = {
            jpeg_name(number): archive(file).read(_name(frame, reels[path, taking].mark))
            for number, (file, frame) in enumerate(places)
        }
        found[path] = cache.put(_recording(path, reels[path, taking], taking), payloads)
    archive.cache_clear()
    if not broken:
        shutil.rmtree(spool)
    return found


def wanted_frames(reel: DrawnReel, taking: Taking) -> list[int]:
    """Which frames of a reel are taken."""
    rule = taking.wanted
    if isinstance(rule, Uniform):
        return uniform_indices(len(reel), rule.count)
    return list(range(0, len(reel), rule.step)) if isinstance(rule, Every) else rule


def _jobs(
    root: Path, reels: Mapping[tuple[Path, Taking], DrawnReel], spool: Path
) -> tuple[list[_Game], dict[tuple[Path, Taking], list[tuple[Path, int]]]]:
    """What is to be drawn of each game; and of each reel, where its frames will be."""
    games: dict[Path, tuple[_Game, set[tuple[int, str | None]]]] = {}
    shown: dict[tuple[Path, Taking], list[tuple[Path, int]]] = {}
    for (path, taking), reel in reels.items():
        width, height = scaled_size(WIDTH, HEIGHT, taking.size)
        files: dict[tuple[str, str, str], Path] = {}
        places = shown[path, taking] = []
        for clip, frame in reel.places(wanted_frames(reel, taking)):
            where = (clip.league, clip.season, clip.game_id)
            if where not in files:
                made_of = reel.games[clip.game_id]
                look = (where, made_of, reel.render, reel.seed, taking.size, taking.quality)
                files[where] = spool / f"{hashlib.sha256(repr(look).encode()).hexdigest()}.zip"
            out = files[where]
            if out not in games:
                job = _Game(
                    root, *where, made_of, reel.render, reel.seed, (), (height, width),
                    taking.quality, out,
                )  # fmt: skip
                games[out] = (job, set())
            games[out][1].add((frame, reel.mark))
            places.append((out, frame))
    jobs = [
        replace(job, frames=tuple(sorted(frames, key=_order))) for job, frames in games.values()
    ]
    return jobs, shown


def _order(frame: tuple[int, str | None]) -> tuple[int, str]:
    """In the order of the game, so that each period is put into motion once."""
    return frame[0], frame[1] or ""


def _frames_in(job: _Game) -> float:
    return 600.0 + len(job.frames)  # to put a game into motion takes as long as to draw so many


def _shared(jobs: Sequence[_Game]) -> list[tuple[_Game, ...]]:
    """Games that are put into motion together: as many that need as many frames."""
    ordered = sorted(jobs, key=_frames_in)
    return [tuple(ordered[i : i + _TOGETHER]) for i in range(0, len(ordered), _TOGETHER)]


def _draw(jobs: tuple[_Game, ...]) -> dict[Path, str]:
    """Draw games; what is wrong with those that cannot be drawn."""
    films, broken = [], {}
    for job in jobs:
        try:
            films.append((job, _film(job)))
        except OpenBasketError as error:
            broken[job.out] = str(error)
    GameFilm.walk_together([film for _, film in films])
    while films:
        _write(*films.pop())
    return broken


def _write(job: _Game, film: GameFilm) -> None:
    with atomic_path(job.out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for begin in range(0, len(job.frames), _AT_ONCE):
            part = job.frames[begin : begin + _AT_ONCE]
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


def _recording(path: Path, reel: DrawnReel, taking: Taking) -> Recording:
    indices = wanted_frames(reel, taking)
    width, height = scaled_size(WIDTH, HEIGHT, taking.size)
    times = tuple(index / float(FPS) for index in indices)
    shape = (len(indices), height, width, 3)
    return Recording(sha256(path), taking, shape, tuple(indices), times, (0.0,) * len(indices))
