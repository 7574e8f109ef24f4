"""Kill builds of reels at random moments, continue them, and look at every file.

python tests/faults/killing.py --engine local --kills 100 --out benchmarks/results/kills.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl
import psutil

from openbasket import tables as schemas
from openbasket.workspace import Workspace

PLAYERS = 4
EVENTS = ("--events", "4", "--before", "0.5", "--after", "0.5", "--preset", "ultrafast")
MADE = ("clips", "reels", "failures")


def filmed(folder: Path, games: int = 4, plays: int = 6) -> Workspace:
    """Games of some seconds each, filmed at 640x360, so that every clip has to be encoded."""
    from helpers import numbered

    ws = Workspace(folder, create=True)
    ws.videos.mkdir()
    rows: list[dict[str, object]] = []
    events: list[dict[str, object]] = []
    for game in range(games):
        name = f"g{game}"
        numbered(
            ws.videos / f"{name}.mp4", 30 * plays + 30, width=640, height=360,
            first=300 * game, preset="ultrafast",
        )  # fmt: skip
        rows.append(
            {
                "game_id": name, "league": "L", "season": "21-22", "gender": "men",
                "home_team_id": "t1", "away_team_id": "t2", "periods": 4, "period_s": 600.0,
                "overtime_s": 300.0, "video": f"videos/{name}.mp4", "source": "by hand",
            }
        )  # fmt: skip
        for play in range(plays):
            events.append(
                {
                    "game_id": name, "event_id": f"e{play}", "play_id": play, "order": play,
                    "period": 1, "clock_s": 599.0 - play, "team_id": "t1",
                    "player_id": f"p{play % PLAYERS}", "kind": "field_goal",
                }
            )  # fmt: skip
    ws.write("games", schemas.validate("games", pl.DataFrame(rows)), "L", "21-22")
    ws.write("events", schemas.validate("events", pl.DataFrame(events)), "L", "21-22")
    times = [(e["game_id"], e["event_id"], 1.0 + float(str(e["play_id"]))) for e in events]
    ws.write("event_times", pl.DataFrame(times, schemas.dtypes("event_times"), orient="row"))
    subjects = [
        {
            "subject_id": f"p{player}_L_21_22", "player_id": f"p{player}", "league": "L",
            "season": "21-22", "gender": "men", "games": games, "minutes": 20.0, "events": 9,
        }
        for player in range(PLAYERS)
    ]  # fmt: skip
    ws.write("subjects", schemas.validate("subjects", pl.DataFrame(subjects)))
    return ws


def command(root: Path, engine: str, address: str | None, workers: int) -> list[str]:
    words = [sys.executable, "-c", "from openbasket.cli import main; main()", "reels", str(root)]
    words += [*EVENTS, "--engine", engine, "--workers", str(workers), "--quiet", "--json"]
    return words + (["--address", address] if address else [])


def videos(root: Path) -> dict[str, Path]:
    """Every file under a final name among clips and reels."""
    found = [*(root / "openbasket" / "clips").rglob("*.mp4"), *(root / "BASKET").rglob("*.mp4")]
    return {p.relative_to(root).as_posix(): p for p in found if not p.name.startswith(".")}


def sums(root: Path) -> dict[str, str]:
    return {name: digest(path) for name, path in videos(root).items()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tables(root: Path) -> dict[str, pl.DataFrame]:
    ws = Workspace(root)
    return {name: ws.read(name) for name in MADE if ws.has(name)}  # type: ignore[arg-type,misc]


def marks(root: Path) -> dict[str, tuple[int, int]]:
    """What changes when a file is written anew."""
    return {n: (p.stat().st_ino, p.stat().st_mtime_ns) for n, p in videos(root).items()}


def forget(root: Path) -> None:
    """Back to a workspace without reels."""
    shutil.rmtree(root / "BASKET", ignore_errors=True)
    for name in ("clips", "receipts", "sources"):
        shutil.rmtree(root / "openbasket" / name, ignore_errors=True)
    for name in MADE:
        (root / "openbasket" / f"{name}.parquet").unlink(missing_ok=True)


@dataclass
class Record:
    """What was seen.

    Args:
        engine: local or ray.
        workers: jobs at the same time.
        kills: of the whole run, at random moments.
        worker_kills: of one process of the pool only; the run must go on by itself.
        builds: builds that came to their end, each compared with one that nobody killed.
        clips_repeated: clips that lay whole in the store and were encoded anew after a kill.
        reels_repeated: reels that lay whole in their place and were joined anew after a kill.
        most_reels_repeated: after one kill.
        seconds: of one build without kills, and of all this.
        faults: what went wrong.
    """

    engine: str
    workers: int
    kills: int = 0
    worker_kills: int = 0
    builds: int = 0
    clips_repeated: int = 0
    reels_repeated: int = 0
    most_reels_repeated: int = 0
    build_s: float = 0.0
    seconds: float = 0.0
    moments_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def kill_builds(
    root: Path,
    engine: str,
    kills: int,
    *,
    seed: int = 0,
    address: str | None = None,
    workers: int = 2,
    minutes: float = 600,
) -> Record:
    """Kill and continue until there were so many kills, or so many minutes; then let the last build end."""
    rng = random.Random(seed)
    begun = time.monotonic()
    record = Record(engine, workers)
    words = command(root, engine, address, workers)
    forget(root)
    started = time.monotonic()
    subprocess.run(words, check=True, capture_output=True)
    record.build_s = time.monotonic() - started
    wanted, wanted_tables = sums(root), tables(root)
    forget(root)
    before: dict[str, tuple[int, int]] = {}
    while True:
        over = record.kills >= kills or time.monotonic() - begun > 60 * minutes
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        moment = rng.uniform(0.1, 1.0) * record.build_s
        killed = False
        if not over:
            if engine == "local" and rng.random() < 0.3:
                moment /= 2
                with suppress(subprocess.TimeoutExpired):
                    process.wait(moment)
                record.worker_kills += _kill_a_worker(process.pid, rng)
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()
                killed = True
        output, _ = process.communicate()
        if killed:
            record.kills += 1
            record.moments_s.append(round(moment, 2))
        elif process.returncode != 0:
            record.faults.append(f"exit code {process.returncode}: {output[-300:]!r}")
            return record
        now = marks(root)
        again = [name for name in before if name in now and now[name] != before[name]]
        reels = [name for name in again if name.startswith("BASKET")]
        record.clips_repeated += len(again) - len(reels)
        record.reels_repeated += len(reels)
        record.most_reels_repeated = max(record.most_reels_repeated, len(reels))
        record.faults += [f"{name} is gone" for name in before if name not in now]
        for name, digest in sums(root).items():
            if wanted.get(name) != digest:
                record.faults.append(f"after kill {record.kills}, {name} has other bytes")
        found = tables(root)  # each must be whole
        before = now
        if killed:
            continue
        record.builds += 1
        if set(before) != set(wanted):
            record.faults.append(f"build {record.builds} has other files")
        record.faults += [
            f"build {record.builds}: table {name} differs"
            for name, table in wanted_tables.items()
            if not found[name].equals(table)
        ]
        left = [str(p) for p in root.rglob(".openbasket-tmp-*")]
        record.faults += [f"{path} is left over" for path in left]
        if over:
            record.seconds = time.monotonic() - begun
            return record
        forget(root)
        before = {}


def _kill_a_worker(parent: int, rng: random.Random) -> int:
    try:
        children = psutil.Process(parent).children()
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        if workers:
            os.kill(rng.choice(workers).pid, signal.SIGKILL)
            return 1
    except (psutil.Error, ProcessLookupError):
        pass
    return 0


def ray_cluster(nodes: int):
    """Several raylets on this machine, one core each; the first has none, so that any other may die."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False},
    )
    for _ in range(nodes):
        cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    return cluster


def kill_nodes(root: Path, kills: int, *, seed: int = 0) -> Record:
    """Kill a node (its raylet, and with it its processes) in each of some builds on three nodes.

    The build must end by itself, with the same bytes.
    """
    rng = random.Random(seed)
    begun = time.monotonic()
    forget(root)
    started = time.monotonic()
    subprocess.run(command(root, "local", None, 1), check=True, capture_output=True)
    record = Record("ray", 3, build_s=time.monotonic() - started)
    wanted = sums(root)
    cluster = ray_cluster(3)
    try:
        for _ in range(kills):
            forget(root)
            words = command(root, "ray", cluster.address, 3)
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            while process.poll() is None and not videos(root):  # some clips are being cut
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.5))
            if process.poll() is None:
                node = rng.choice(sorted(cluster.worker_nodes, key=lambda n: n.unique_id))
                cluster.remove_node(node, allow_graceful=False)
                record.kills += 1
                cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
            output, _ = process.communicate()
            if process.returncode != 0:
                record.faults.append(f"exit code {process.returncode}: {output[-300:]!r}")
                continue
            record.builds += 1
            if sums(root) != wanted:
                record.faults.append(f"build {record.builds} has other bytes")
    finally:
        cluster.shutdown()
    record.seconds = time.monotonic() - begun
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("local", "ray"), required=True)
    parser.add_argument("--nodes", action="store_true", help="kill nodes of the cluster instead")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ws = filmed(Path(folder) / "ws")
        if given.nodes:
            store(given.out, "ray_nodes", kill_nodes(ws.root, given.kills, seed=given.seed))
            return
        cluster = ray_cluster(2) if given.engine == "ray" else None
        address = cluster.address if cluster else None
        record = kill_builds(
            ws.root, given.engine, given.kills, seed=given.seed, address=address,
            minutes=given.minutes,
        )  # fmt: skip
        if cluster:
            cluster.shutdown()
    store(given.out, given.engine, record)


def store(out: Path | None, name: str, record: Record) -> None:
    """Print the record, and put it into the file of all records."""
    print(json.dumps(asdict(record), indent=1))
    if out:
        known = json.loads(out.read_text()) if out.exists() else {}
        known[name] = asdict(record)
        out.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    if record.faults:
        sys.exit(1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for helpers
    main()
