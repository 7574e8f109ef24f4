"""Fixtures that several suites share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

REPO = Path(__file__).resolve().parents[1]

# Models this small wait for each other's threads, and for those of other test processes. Before PyTorch is
# imported; processes that tests start have it, too.
os.environ["OMP_NUM_THREADS"] = "1"
# Tables are as wide as in no terminal, wherever the tests run.
os.environ.pop("COLUMNS", None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real play-by-play; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("OPENBASKET_REAL_DATA", REPO.parent / "shared" / "data"))
    if not (folder / "events").is_dir():
        pytest.skip(f"no real play-by-play at '{folder}' (set OPENBASKET_REAL_DATA)")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder with a small dataset ``ws``, a trained ``run`` and ``predictions.parquet``.

    Made once for all test processes. Copy what you change.
    """
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    folder = base / "finished"
    with FileLock(str(base / "finished.lock")):
        if not (folder / "predictions.parquet").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    from openbasket.dataset.build import build
    from openbasket.labels import LabelSettings, label
    from openbasket.reels import ClipSettings, ReelSettings
    from openbasket.reels import build as build_reels
    from openbasket.simulation.broadcast import RenderSettings, render_all
    from openbasket.simulation.league import LeagueSettings, simulate
    from openbasket.splits.assign import assign
    from openbasket.training.config import load_recipe
    from openbasket.training.loop import train
    from openbasket.training.predict import predict
    from openbasket.workspace import Workspace, write_json

    ws = Workspace(folder / "ws", create=True)
    leagues = [
        LeagueSettings(
            league, gender, region, teams=teams, players_per_team=6, rounds=1, period_s=20.0,
            periods=2, overtime_s=20.0, turnover=0.6,
        )
        for league, gender, region, teams in (
            ("sim-men", "men", "Europe", 3),
            ("sim-women", "women", "N. America", 2),
        )
    ]  # fmt: skip
    simulate(ws, leagues, seed=1, quiet=True)
    film = RenderSettings(dead_time_s=1.0, period_break_s=1.0, preset="ultrafast")
    render_all(ws, settings=film, workers=1, quiet=True)
    label(ws, LabelSettings(min_events=1), quiet=True)
    held = {"unseen_season": "21-22", "unseen_leagues": ["sim-women"]}
    ws.write(
        "splits",
        assign(ws.read("subjects"), unseen_season="21-22", unseen_leagues=["sim-women"]),
    )
    write_json(ws.private / "splits.json", held | {"ratios": [7, 1, 2], "seed": 0})
    clip = ClipSettings(1.0, 1.0, preset="ultrafast")
    build_reels(ws, ReelSettings(3, 1, clip=clip), workers=1, quiet=True)
    build(ws)
    recipe = load_recipe("tiny", ["train.epochs=1"])
    train(recipe, ws.root, folder / "run", quiet=True, workers=1)
    splits = ["test", "cross_season", "cross_league", "cross_season_and_league"]
    predict(
        folder / "run",
        ws.root,
        folder / "predictions.parquet",
        splits=splits,
        quiet=True,
        workers=1,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Without xdist there is no worker_id fixture."""
    if not config.pluginmanager.hasplugin("xdist"):

        class WithoutXdist:
            @pytest.fixture(scope="session")
            def worker_id(self) -> str:
                return "master"

        config.pluginmanager.register(WithoutXdist())
