"""Frames of a game drawn on demand, beside rendering its video and reading the same frames from that.

    python benchmarks/on_demand.py --out benchmarks/results/on_demand.json

One simulated game of a single period of ten minutes; of 28 clips of 10 s, 8 frames each, as the benchmark
``v1`` takes them (110 of a game of 40 minutes). Both ways begin with tables and end with uint8 pictures of
short side 160. CPU seconds of one process each; the pictures are compared (the video's are coded, the others
not).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from openbasket.simulation.broadcast import render
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.simulation.on_demand import GameFilm
from openbasket.video.frames import frames_at
from openbasket.workspace import Workspace

SIZE = (160, 282)


def game(folder: Path) -> tuple[Any, ...]:
    """The rows of one game of full length."""
    workspace = Workspace(folder / "league", create=True)
    simulate(
        workspace, [LeagueSettings("sim", teams=2, rounds=1, periods=1, seasons=("21-22",))], seed=1
    )
    tables = [
        workspace.read(n, "sim", "21-22") for n in ("games", "events", "appearances", "stints")
    ]
    row = tables[0].row(0, named=True)
    return (row, *(t.filter(pl.col("game_id") == row["game_id"]) for t in tables[1:]))


def timed(job: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    began = time.process_time()
    made = job()
    return time.process_time() - began, made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=28)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/on_demand.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = game(Path(name))
        total = len(GameFilm(*rows))
        rng = np.random.default_rng(0)
        starts = np.sort(rng.integers(0, total - 300, options.clips))
        wanted = np.unique(np.concatenate([s + np.arange(8) * 15 + 120 for s in starts]))
        wanted = wanted[wanted < total]
        video = Path(name) / "game.mp4"

        def on_demand() -> np.ndarray:
            return GameFilm(*rows).read(wanted, SIZE)

        def from_video() -> np.ndarray:
            render(*rows, video)
            return frames_at(video, wanted.tolist(), (SIZE[1], SIZE[0])).pixels

        ways: dict[str, list[float]] = {"on demand": [], "in motion already": [], "video": []}
        for _ in range(options.rounds):
            seconds, drawn = timed(on_demand)
            ways["on demand"].append(seconds)
            film = GameFilm(*rows, held=8)
            film.read(wanted[:: len(wanted) // 40], SIZE)  # every period is in motion now
            again = partial(film.read, wanted, SIZE)
            ways["in motion already"].append(timed(again)[0])
        seconds, read = timed(from_video)
        ways["video"].append(seconds)
        difference = float(np.abs(drawn.astype(int) - read).mean())
    rates = {way: round(len(wanted) / median(held), 1) for way, held in ways.items()}
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "game_frames": total,
        "frames_wanted": len(wanted),
        "cpu_s": {way: round(median(held), 3) for way, held in ways.items()},
        "frames_per_second_and_core": rates,
        "video_over_on_demand": round(median(ways["video"]) / median(ways["on demand"]), 2),
        "mean_difference_of_pixels": round(difference, 3),
    }
    for way, rate in rates.items():
        print(f"{way:>18}  {median(ways[way]):8.2f} s of CPU  {rate:8.1f} frames a second")
    print(
        f"video over on demand: {content['video_over_on_demand']}; difference {difference:.2f} of 255"
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
