"""Real wall-clock stamps agree with their own game clocks."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from openbasket.clock.fit import GameClock
from openbasket.clock.stamps import fit_stamps
from openbasket.clock.wall_clock import Given, place
from openbasket.errors import NotFoundError
from openbasket.transcripts import import_files
from openbasket.workspace import Workspace

pytestmark = pytest.mark.real_data

EUROLEAGUE = ("playbyplay_2021", "points_2021", "boxscore_2021", "header")


@pytest.mark.parametrize(
    ("provider", "where", "names", "accepted", "near"),
    [
        ("euroleague", "events/euroleague", EUROLEAGUE, 0.97, 0.9),
        ("atrium", "events/lnb", ("pbp_betclic_elite_2022", "games"), 0.9, 0.75),
        ("nba_live", "raw_samples/nba_cdn_live", ("live_0022000001",), 1.0, 0.9),
    ],
)
def test_most_games_are_accepted_and_most_shots_fit(
    real_data: Path, tmp_path: Path, provider, where, names, accepted, near
) -> None:
    files = [path for path in sorted((real_data / where).iterdir()) if path.stem in names]
    workspace = Workspace(tmp_path / "w", create=True)
    import_files(provider, files, workspace, quiet=True)
    events = workspace.read("events").partition_by("game_id", as_dict=True)
    games = workspace.read("games").sort("game_id").gather_every(8)
    good, off = 0, []
    for game in games.iter_rows(named=True):
        table = events[(game["game_id"],)]
        fit = fit_stamps(game, table)
        if fit.refused is not None:
            continue
        start = dt.datetime.fromtimestamp(
            fit.base_s + fit.anchors["media_s"].to_numpy().min() - 600, dt.UTC
        )
        placed = place(fit, Given(start=start, delay_s=0.0))
        assert placed.refused is None
        good += 1
        clock = GameClock(placed.anchors)
        shots = table.filter((pl.col("kind") == "field_goal") & pl.col("wall_time").is_not_null())
        walls = shots["wall_time"].dt.epoch("us").to_numpy() / 1e6 - start.timestamp()
        for period, left, wall in zip(shots["period"], shots["clock_s"], walls, strict=True):
            try:
                first, last = clock.span(period, left)
            except NotFoundError:
                off.append(np.inf)
            else:
                off.append(max(first - wall, wall - last, 0.0))
    assert good >= accepted * games.height
    assert np.mean(np.array(off) <= 2.0) >= near


def test_free_throws_are_fourteen_seconds_apart(real_data: Path, tmp_path: Path) -> None:
    files = [real_data / "events" / "euroleague" / f"{name}.parquet" for name in EUROLEAGUE]
    workspace = Workspace(tmp_path / "w", create=True)
    import_files("euroleague", files, workspace, quiet=True)
    throws = (
        workspace.read("events").filter(pl.col("kind") == "free_throw").sort("game_id", "order")
    )
    apart = (pl.col("wall_time").dt.epoch("ms").diff() / 1000).over(
        "game_id", "period", "clock_s", "player_id"
    )
    found = throws.select(apart.alias("s"))["s"].drop_nulls()
    assert len(found) > 2000
    assert found.median() == pytest.approx(14.0, abs=1.0)
