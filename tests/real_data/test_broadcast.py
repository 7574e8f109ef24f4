"""Every real game can be laid out, and whoever acts has the ball."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from openbasket.clock.fit import GameClock
from openbasket.simulation import broadcast
from openbasket.transcripts import import_files
from openbasket.video.write import FPS
from openbasket.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("OPENBASKET_REAL_DATA", ROOT.parent / "shared" / "data"))
FOLDER = DATA / "events" / "euroleague"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no real play-by-play at {FOLDER}"),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    space = Workspace(tmp_path_factory.mktemp("real") / "w", create=True)
    files = [FOLDER / f"{kind}_2021.parquet" for kind in ("playbyplay", "points", "boxscore")]
    import_files("euroleague", [*files, FOLDER / "header.parquet"], space, quiet=True)
    return space


def test_every_game_of_a_season_is_laid_out_in_order(workspace: Workspace) -> None:
    tables = workspace.read("events").partition_by("game_id", as_dict=True)
    games = list(workspace.read("games").sort("game_id").iter_rows(named=True))
    for game in games[::4]:
        events = tables[(game["game_id"],)]
        laid = broadcast.plan(game, events, broadcast.RenderSettings(), FPS)
        assert set(laid.event_frames) == set(events["event_id"])
        for period in laid.periods:
            frames = [moment.frame for moment in period.moments]
            assert frames == sorted(frames)
            assert period.first <= frames[0] <= frames[-1] < period.end
        anchors = broadcast.anchors_of(game["game_id"], laid, laid.frames)
        assert GameClock(anchors).periods == tuple(p.period for p in laid.periods)


def test_whoever_acts_has_the_ball_and_the_score_comes_out(workspace: Workspace) -> None:
    game = workspace.read("games").sort("game_id").row(57, named=True)
    mine = pl.col("game_id") == game["game_id"]
    events, seats, stints = (
        workspace.read(name).filter(mine) for name in ("events", "appearances", "stints")
    )
    laid = broadcast.plan(game, events, broadcast.RenderSettings(), FPS)
    people = broadcast.people_of(game, seats, events)
    ids = [person.player_id for person in people]
    tried = held = 0
    motion = broadcast.scenes(game, laid, events, stints, people, 0)
    for number, period in enumerate(motion.periods):
        scene = motion.scene(number)
        for moment in period.moments:
            if moment.kind in ("shot", "free_throw") and moment.actor:
                frame = moment.frame - period.first
                slot = [ids[i] for i in scene.who[frame]].index(moment.actor)
                part = slice(max(frame - 60, 0), frame)
                gap = scene.ball[part, :2] - scene.position[part, slot]
                tried += 1
                held += int((np.hypot(*gap.T) < 0.6).sum() >= 6)
        last = scene.score[-1].tolist()
    assert tried > 100
    assert held == tried
    assert last == [game["home_score"], game["away_score"]]
