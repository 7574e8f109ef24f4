"""A made-up dataset for studies: official CSVs, tiny real videos."""

from __future__ import annotations

import csv
import functools
import shutil
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from sqlalchemy import event

from openbasket.skills import OFFICIAL_ORDER
from openbasket.study.database import Database, database_url
from openbasket.study.design import Player, StudyDesign
from openbasket.study.store import Store

LEAGUE, SEASON = "secret-league", "18-19"
SKILLS = ("overall_shooting", "rebounds", "steals", "assists", "efficiency")


def dataset(root: Path, players: int = 18, levels: int = 3) -> Path:
    """A dataset whose subjects have levels that go round, with 2 s of video each."""
    from openbasket.workspace import Workspace, write_json

    workspace = Workspace(root, create=True)
    rng = np.random.default_rng(0)
    even = np.stack([rng.permutation(np.arange(players) % levels) for _ in range(20)])
    rows, reels = [], {}
    first: Path | None = None
    for number in range(players):
        path = workspace.reel_path(f"famous-name-{number}", LEAGUE, SEASON)
        path.parent.mkdir(parents=True, exist_ok=True)
        if first is None:
            first = video(path)
        else:
            shutil.copy(first, path)
        relative = path.relative_to(root).as_posix()
        rows.append([relative, *(int(level) for level in even[:, number])])
        reels[relative] = {}
    file = root / "BASKET_Labels" / "BASKET" / "test.csv"
    file.parent.mkdir(parents=True)
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["path", *(skill.name for skill in OFFICIAL_ORDER)])
        writer.writerows(rows)
    write_json(workspace.private / "manifest.json", {"levels": levels, "reels": reels})
    return root


def video(path: Path, seconds: float = 2.0) -> Path:
    """A small H.264 video."""
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(int(seconds * 30)):
            picture = np.full((48, 64, 3), number % 255, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    return path


def design(**changes: object) -> StudyDesign:
    """A study of the made-up dataset."""
    settings = {"dataset": "ws", "league": LEAGUE, "season": SEASON} | changes
    return StudyDesign.model_validate(settings)


def made_up_players(count: int, levels: int = 3) -> list[Player]:
    """A pool without videos."""
    return [
        Player(f"p{n}_{LEAGUE}_18_19", f"BASKET/p{n}.mp4", 2.0, dict.fromkeys(SKILLS, n % levels))
        for n in range(count)
    ]


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.sqlite"
        Database(f"sqlite:///{file}").close()
        return file.read_bytes()


def unhurried(file: Path) -> Database:
    """A database that does not wait for the disk; for tests that pull no plug."""
    place = file.with_suffix(".sqlite")
    if not place.exists():
        place.write_bytes(_migrated())
    database = Database(database_url(file))
    event.listen(database.engine, "connect", lambda c, _: c.execute("PRAGMA synchronous=OFF"))
    database.engine.dispose()
    return database


def store(folder: Path, pool: int = 18, **changes: object) -> Store:
    """An open store with players."""
    made = Store(unhurried(folder / "study.toml"), design(**changes))
    made.prepare(made_up_players(pool, made.design.levels))
    return made
