"""What should run our jobs on Ray: one task a job (Ray Core), or a dataset that is mapped (Ray Data)?

The same jobs through both, on one machine: jobs of equal length, to see what a job costs beside its work;
jobs of which a few are ten times as long, as games differ; and jobs of which one kills its process.
Ray Data needs pyarrow, which openbasket does without: it is left out, saying so, where that is missing.

    python benchmarks/ray_core_or_data.py --out benchmarks/results/ray_core_or_data.json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypedDict

import ray

from openbasket.engine.jobs import attempt
from openbasket.engine.ray import outcomes

CORES, JOBS, WORK_S = 2, 300, 0.05
ROUNDS = 3


class Job(TypedDict):
    """How long to work, and a file that says that the process was killed once; empty to kill nothing."""

    work_s: float
    mark: str


def work(job: Job) -> int:
    """Compute for some time."""
    if job["mark"] and not Path(job["mark"]).exists():
        Path(job["mark"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    begun = time.process_time()
    total = 0
    while time.process_time() - begun < job["work_s"]:
        total += 1
    return total


def by_core(jobs: Sequence[Job]) -> int:
    """As openbasket does it."""
    return sum(done.error is None for _, done in outcomes(work, jobs, None))


def by_data(jobs: Sequence[Job]) -> int:
    """One row a job, one block a row, so that a job can be begun anew by itself."""
    rows = ray.data.from_items(list(jobs), override_num_blocks=len(jobs))
    done = rows.map(lambda row: {"error": attempt(work, row).error or ""}, num_cpus=1)
    return sum(row["error"] == "" for row in done.iter_rows())


def measure(
    side: Callable[[Sequence[Job]], int], jobs: Sequence[Job], rounds: int = ROUNDS
) -> dict[str, float]:
    """The fastest of some rounds."""
    walls = []
    for _ in range(rounds):
        begun = time.perf_counter()
        done = side(jobs)
        walls.append(time.perf_counter() - begun)
        if done != len(jobs):
            raise SystemExit(f"{done} of {len(jobs)} jobs were done")
    least = sum(job["work_s"] for job in jobs) / CORES
    return {
        "wall_s": round(min(walls), 2),
        "over_least": round(min(walls) / least, 3),
        "ms_a_job_beside_its_work": round(1000 * CORES * (min(walls) - least) / len(jobs), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    sides = {"ray core": by_core}
    if importlib.util.find_spec("pyarrow"):
        import ray.data

        ray.data.DataContext.get_current().enable_progress_bars = False
        sides["ray data"] = by_data
    else:
        print("pyarrow is not installed: Ray Data is left out")
    ray.init("local", num_cpus=CORES, include_dashboard=False, log_to_driver=False)
    plain = [Job(work_s=WORK_S, mark="") for _ in range(JOBS)]
    uneven = [Job(work_s=WORK_S * (10 if i % 50 == 0 else 1), mark="") for i in range(JOBS)]
    found: dict[str, Any] = {"cores": CORES, "jobs": JOBS, "work_s": WORK_S, "ray": ray.__version__}
    with tempfile.TemporaryDirectory() as folder:
        for name, side in sides.items():
            side(plain[: 2 * CORES])  # processes start
            dying = [*plain[:-1], Job(work_s=WORK_S, mark=f"{folder}/{name}")]
            found[name] = {
                "equal jobs": measure(side, plain),
                "uneven jobs": measure(side, uneven),
                "one process is killed": measure(side, dying, rounds=1),
            }
            print(name, json.dumps(found[name], indent=1))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
