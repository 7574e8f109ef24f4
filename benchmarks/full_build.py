"""Simulate the paper's full build: 66,000 games, 32,232 reels of 50 clips, on 1 to 512 nodes of 16 cores.

A discrete-event simulation of what ``openbasket reels`` does: the driver hands out one job a game, largest
first; a job reads what its clips need through ranges, decodes and encodes, and puts its clips into the store;
when all games are done, one job a reel fetches 50 clips, joins them and puts the reel. All running transfers
share the storage's bandwidth equally, none getting more than its core's part of the node's network. Costs
of a clip, a join and a job are measured first, on this machine, in CPU seconds of one core.

    python benchmarks/full_build.py --out benchmarks/results/full_build.json --plot docs/images/full-build.png
"""

from __future__ import annotations

import argparse
import heapq
import json
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from openbasket.engine import Engine, run
from openbasket.storage import BLOCK
from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.join import join
from openbasket.video.write import VideoWriter

GAMES, SUBJECTS, EVENTS, CORES = 66_000, 32_232, 50, 16
NODES = (1, 8, 64, 512)
CLIPS, FILM_S = 3, 40


@dataclass(frozen=True)
class Costs:
    """CPU seconds and bytes of one thing.

    Args:
        open_s: opening a game.
        clip_s: decoding and encoding one clip of 10 s from 720p.
        join_s: joining 50 clips.
        job_s: the driver's work on a job: handing it out, taking its result.
        clip_bytes: of a clip in the store.
        read_bytes: read of a game for one clip: what it shows, the way from the key frame, whole blocks.
        open_bytes: read to open a game: its index, its first and last MiB.
    """

    open_s: float
    clip_s: float
    join_s: float
    job_s: float
    clip_bytes: int
    read_bytes: int
    open_bytes: int


def film(path: Path) -> None:
    """Moving blocks on a still, grainy background, 1280x720 at 30 FPS."""
    rng = np.random.default_rng(0)
    court = np.repeat(np.repeat(rng.integers(90, 170, (90, 160, 3)), 8, 0), 8, 1).astype(np.uint8)
    with VideoWriter(path, width=1280, height=720, gop=250, preset="ultrafast") as video:
        for i in range(30 * FILM_S):
            frame = court.copy()
            for player in range(10):
                x, y = (37 * player + 3 * i) % 1200, (41 * player + 2 * i) % 640
                frame[y : y + 70, x : x + 36] = 25 * player
            video.write(frame)


def nothing(number: int) -> int:
    return number


def measure(bit_rate: float) -> Costs:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film(folder / "game.mp4")
        begun = time.process_time()
        list(cut_clips(folder / "game.mp4", [], Encoding()))
        opened = time.process_time()
        spans = [Span(folder / f"{i}.mp4", Fraction(11 * i + 3), 300) for i in range(CLIPS)]
        for _, error in cut_clips(folder / "game.mp4", spans, Encoding()):
            assert error is None, error
        cut = time.process_time()
        files = [folder / f"{i % CLIPS}.mp4" for i in range(EVENTS)]
        join(files, folder / "reel.mp4")
        joined = time.process_time()
        size = sum(span.path.stat().st_size for span in spans) // CLIPS
    jobs = 2000
    run(nothing, range(20), describe="", engine=Engine(workers=2), quiet=True)
    started = time.process_time()
    run(nothing, range(jobs), describe="", engine=Engine(workers=2), quiet=True)
    job_s = (time.process_time() - started) / jobs
    lead_s = 250 / 30 / 2  # half a group of pictures, on average
    return Costs(
        open_s=opened - begun,
        clip_s=(cut - opened) / CLIPS,
        join_s=joined - cut,
        job_s=job_s,
        clip_bytes=size,
        read_bytes=int((10 + lead_s) * bit_rate / 8) + BLOCK,
        open_bytes=4 * BLOCK,
    )


class Storage:
    """Transfers that share a bandwidth equally: exact, by the bytes that each has got so far."""

    def __init__(self, bandwidth: float, each: float) -> None:
        self._bandwidth, self._each = bandwidth, each
        self._now = self._got = self.busy_s = self.bytes = 0.0
        self._ends: list[tuple[float, int, Any]] = []
        self._number = 0

    def _rate(self) -> float:
        return min(self._each, self._bandwidth / max(1, len(self._ends)))

    def advance(self, now: float) -> None:
        """Let the transfers run until ``now``."""
        if self._ends and self._bandwidth <= self._each * len(self._ends):
            self.busy_s += now - self._now
        self._got += self._rate() * (now - self._now) if self._ends else 0
        self._now = now

    def begin(self, size: float, what: Any) -> None:
        """Begin a transfer of ``size`` bytes."""
        self._number += 1
        self.bytes += size
        heapq.heappush(self._ends, (self._got + size, self._number, what))

    def next(self) -> float:
        """When the next transfer ends, if none begins before."""
        if not self._ends:
            return float("inf")
        return self._now + max(0.0, self._ends[0][0] - self._got) / self._rate()

    def pop(self) -> Any:
        """End that transfer."""
        end, _, what = heapq.heappop(self._ends)
        self._got = max(self._got, end)
        return what


def stage(
    jobs: list[tuple[float, float, float]], cores: int, storage: Storage, job_s: float, begun: float
) -> tuple[float, float]:
    """Run (bytes in, CPU seconds, bytes out) jobs; return the end and the core seconds of computing."""
    waiting = iter(jobs)
    computing: list[tuple[float, int, float]] = []
    free, now, number, used, driver = cores, begun, 0, 0.0, begun
    handed: list[tuple[float, int, tuple[float, float, float]]] = []
    left = len(jobs)
    while left:
        while free:
            job = next(waiting, None)
            if job is None:
                break
            free -= 1
            number += 1
            driver = max(driver, now) + job_s
            heapq.heappush(handed, (driver, number, job))
        moments = (
            handed[0][0] if handed else float("inf"),
            storage.next(),
            computing[0][0] if computing else float("inf"),
        )
        now = min(moments)
        storage.advance(now)
        which = moments.index(now)
        if which == 0:
            _, _, job = heapq.heappop(handed)
            storage.begin(job[0], ("in", job))
        elif which == 1:
            kind, job = storage.pop()
            if kind == "in":
                number += 1
                used += job[1]
                heapq.heappush(computing, (now + job[1], number, job))
            else:
                free += 1
                left -= 1
        else:
            _, _, job = heapq.heappop(computing)
            storage.begin(job[2], ("out", job))
    return now, used


def simulate(costs: Costs, nodes: int, bandwidth: float, network: float) -> dict[str, float]:
    rng = np.random.default_rng(0)
    clips = np.sort(rng.multinomial(SUBJECTS * EVENTS, np.full(GAMES, 1 / GAMES)))[::-1]
    cuts = [
        (
            float(costs.open_bytes + n * costs.read_bytes),
            costs.open_s + n * costs.clip_s,
            float(n * costs.clip_bytes),
        )
        for n in clips.tolist()
    ]
    reel = float(EVENTS * costs.clip_bytes)
    joins = [(reel, costs.join_s, reel)] * SUBJECTS
    storage = Storage(bandwidth, network / CORES)
    cores = nodes * CORES
    cut_end, cut_used = stage(cuts, cores, storage, costs.job_s, 0.0)
    end, join_used = stage(joins, cores, storage, costs.job_s, cut_end)
    return {
        "nodes": nodes,
        "hours": end / 3600,
        "cutting_hours": cut_end / 3600,
        "joining_hours": (end - cut_end) / 3600,
        "terabytes": storage.bytes / 1e12,
        "cores_computing": (cut_used + join_used) / (cores * end),
        "storage_full": storage.busy_s / end,
        "driver_busy": costs.job_s * (GAMES + SUBJECTS) / end,
    }


def draw(rows: list[dict[str, float]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for bandwidth in sorted({row["gigabytes_a_s"] for row in rows}):
        mine = [row for row in rows if row["gigabytes_a_s"] == bandwidth]
        axes.loglog(
            [row["nodes"] for row in mine],
            [row["hours"] for row in mine],
            marker="o",
            label=f"storage {bandwidth:g} GB/s",
        )
    axes.set(xlabel="nodes of 16 cores", ylabel="hours", title="66,000 games, 32,232 reels")
    axes.set_xticks(NODES, [str(n) for n in NODES])
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--bandwidth", type=float, nargs="+", default=[2, 10, 50], help="GB/s")
    parser.add_argument("--network", type=float, default=1.25, help="GB/s of a node")
    parser.add_argument("--bit-rate", type=float, default=3e6, help="of a 720p game, bits/s")
    given = parser.parse_args()
    costs = measure(given.bit_rate)
    print(json.dumps(asdict(costs), indent=1))
    rows = [
        {"gigabytes_a_s": b, **simulate(costs, nodes, b * 1e9, given.network * 1e9)}
        for b in given.bandwidth
        for nodes in NODES
    ]
    print(
        f"{'GB/s':>6}{'nodes':>7}{'hours':>9}{'TB':>8}{'computing':>11}{'storage full':>14}{'driver':>8}"
    )
    for row in rows:
        print(
            f"{row['gigabytes_a_s']:6g}{row['nodes']:7.0f}{row['hours']:9.2f}{row['terabytes']:8.1f}"
            f"{row['cores_computing']:11.0%}{row['storage_full']:14.0%}{row['driver_busy']:8.1%}"
        )
    if given.out:
        content = {
            "costs": asdict(costs), "rows": rows, "bit_rate": given.bit_rate,
            "network_gigabytes_a_s": given.network, "cores_a_node": CORES,
            "python": platform.python_version(),
        }  # fmt: skip
        given.out.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    if given.plot:
        draw(rows, given.plot)


if __name__ == "__main__":
    main()
