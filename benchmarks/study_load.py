"""Load on the study's server: many participants at once, and a server that is killed on the way.

Participants go from the invitation to the completion code as a browser does: pages, forms, reports of the
video page, the video itself. The server is killed (SIGKILL) several times and started again; who gets no
answer sends the same form again. Afterwards the database is compared with what was acknowledged.

Think times are exponential with mean ``--think`` seconds for each form; a video lasts ``--watch`` seconds, in
which its page reports every five seconds. A person takes minutes for a video and the better part of one for
the ratings, so that the server gets many times the forms that as many people would send; ``pressure`` in the
output is how many times, against 11 minutes a player (supplement 10).

    python benchmarks/study_load.py
    python benchmarks/study_load.py --postgres --out benchmarks/results/study_load.json
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import html
import json
import math
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import func, select

from openbasket.study.database import Database
from openbasket.study.design import Player, StudyDesign
from openbasket.study.models import Assignment, Participant, Rating
from openbasket.study.store import Store

SKILLS = ("overall_shooting", "rebounds", "steals", "assists", "efficiency")
#: Minutes a person takes for one player (supplement 10: 10 to 12).
PLAYER_MIN = 11.0
#: The video's page reports so often, in seconds (``study/static/watch.js``).
BEAT_S = 5.0
#: Seconds after a kill in which the server meets all who wait; ``p99_calm_ms`` leaves them out.
RECOVERY_S = 10.0
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def open_study(folder: Path, url: str, players: int, watch: float = 0.5) -> Store:
    """A study with a pool of 30 players and little videos of ``watch`` seconds."""
    design = StudyDesign(
        dataset="ws", league="l", season="s", players=players, sessions=1, skills=SKILLS,
        attention_checks=False,
    )  # fmt: skip
    store = Store(Database(url), design)
    (folder / "ws").mkdir(exist_ok=True)
    pool = []
    for number in range(30):
        (folder / "ws" / f"{number}.mp4").write_bytes(bytes(200_000))
        pool.append(
            Player(f"p{number}_l_s", f"{number}.mp4", watch, dict.fromkeys(SKILLS, number % 3))
        )
    store.prepare(pool)
    return store


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of Debian's package with its data in ``folder``; yields its URL."""
    as_other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    data = folder / "postgres"
    data.mkdir()
    if as_other:
        shutil.chown(data, "postgres")
        for parent in (folder, *folder.parents):
            with contextlib.suppress(PermissionError):
                parent.chmod(parent.stat().st_mode | 0o001)
    port = free_port()
    bin_ = BINARIES[-1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        [*as_other, bin_ / "initdb", "-D", data, "-U", "study", "-A", "trust"], check=True,
        cwd="/", **quiet,
    )  # fmt: skip
    server = subprocess.Popen(
        [*as_other, bin_ / "postgres", "-D", data, "-p", str(port), "-k", data, "-h", "127.0.0.1"],
        cwd="/", **quiet,
    )  # fmt: skip
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        time.sleep(0.5)
        yield f"postgresql://study@127.0.0.1:{port}/postgres"
    finally:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        server.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Server:
    """The study's server in a process of its own."""

    def __init__(self, folder: Path, url: str, players: int, watch: float = 0.5) -> None:
        self.arguments = [str(folder), url, str(players), str(watch)]
        self.port = free_port()
        self.log = (folder / "server.log").open("ab")
        self.start()

    def start(self) -> None:
        """Start it; it listens where it did before."""
        command = [sys.executable, __file__, "--serve", *self.arguments, str(self.port)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    async def ready(self) -> None:
        """Wait until it answers."""
        async with httpx.AsyncClient() as client:
            for _ in range(600):
                with contextlib.suppress(httpx.HTTPError):
                    await client.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5)
                    return
                await asyncio.sleep(0.1)
        raise RuntimeError("the server does not start")


class Load:
    """What happened."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.began: list[float] = []
        self.killed: list[float] = []
        self.acknowledged: dict[tuple[int, int], dict[str, int]] = {}
        self.retries = 0
        self.done = 0


async def take_part(
    load: Load, port: int, person: int, token: str, think: float, watch: float
) -> None:
    rng = random.Random(person)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

        async def send(method: str, url: str, **options: object) -> httpx.Response:
            while True:
                began = time.perf_counter()
                try:
                    answer = await client.request(method, url, **options)  # type: ignore[arg-type]
                except httpx.TransportError:
                    load.retries += 1
                    await asyncio.sleep(0.3 + rng.random())
                    continue
                load.times.append(time.perf_counter() - began)
                load.began.append(began)
                if answer.status_code >= 500:
                    load.retries += 1
                    await asyncio.sleep(0.3)
                    continue
                return answer

        await asyncio.sleep(rng.random() * think * 2)
        await send("GET", f"/i/{token}")
        place = 0
        while True:
            page = (await send("GET", "/study")).text
            if 'class="code"' in page:
                return
            action = re.search(r'action="/study/(\w+)"', page)[1]
            form = html.unescape(re.search(r'name="form" value="([^"]+)"', page)[1])
            data: dict[str, object] = {"form": form}
            await asyncio.sleep(rng.expovariate(1 / think))
            if action == "consent":
                data["agree"] = "yes"
            elif action == "experience":
                data |= {"watched": rng.randrange(20), "played": rng.randrange(9)}
            elif action == "watched":
                video = re.search(r'src="(/media/[^"]+)"', page)[1]
                await send("GET", video, headers={"range": "bytes=0-99999"})
                for beat in range(1, math.ceil(watch / BEAT_S) + 1):
                    position = min(watch, beat * BEAT_S)
                    await asyncio.sleep(position - (beat - 1) * BEAT_S)
                    said = {"form": form, "position": position, "speed": 1.0}
                    await send("POST", "/study/beat", json=said)
            elif action == "recognise":
                data["recognised"] = "no"
            elif action == "rate":
                data |= {key: rng.randrange(3) for key in SKILLS}
            answer = await send("POST", f"/study/{action}", data=data)
            if action == "rate" and answer.status_code == 303:
                # A page that was loaded before a kill may send its form twice; the first one counts.
                load.acknowledged[person, place] = {key: int(data[key]) for key in SKILLS}
                load.done += 1
                place += 1


async def run(
    folder: Path,
    url: str,
    participants: int,
    players: int,
    kills: int,
    think: float,
    watch: float = 0.5,
) -> dict[str, object]:
    """Run the load and compare; returns the figures."""
    store = open_study(folder, url, players, watch)
    people = store.invite(participants)
    server = Server(folder, url, players, watch)
    await server.ready()
    load, began = Load(), time.perf_counter()

    async def killer() -> None:
        for number in range(1, kills + 1):
            while load.done < number * participants * players / (kills + 1):
                await asyncio.sleep(0.05)
            server.kill()
            load.killed.append(time.perf_counter())
            server.start()

    tasks = [take_part(load, server.port, *person, think, watch) for person in people]
    try:
        await asyncio.gather(killer(), *tasks)
    finally:
        server.kill()
    wall = time.perf_counter() - began
    lost, total, doubled, exposures = compare(store, load)
    store.database.close()
    times = np.array(load.times) * 1000
    calm = [all(not 0 <= at - kill < RECOVERY_S for kill in load.killed) for at in load.began]
    per_player = wall / players / 60
    return {
        "database": url.partition(":")[0],
        "participants": participants,
        "ratings": total,
        "acknowledged": 5 * len(load.acknowledged),
        "kills": kills,
        "lost": lost,
        "doubled": doubled,
        "exposures": exposures,
        "requests": len(times),
        "sent_again": load.retries,
        "wall_s": round(wall, 1),
        "think_s": think,
        "watch_s": watch,
        "pressure": round(PLAYER_MIN / per_player, 1),
        "p50_ms": round(float(np.percentile(times, 50)), 1),
        "p99_ms": round(float(np.percentile(times, 99)), 1),
        "p99_calm_ms": round(float(np.percentile(times[np.array(calm)], 99)), 1),
        "most_ms": round(float(times.max()), 1),
    }


def compare(store: Store, load: Load) -> tuple[int, int, int, list[int]]:
    """Acknowledged ratings that are not there as sent, all ratings, those too many, least and most shown."""
    with store.database.read() as session:
        kept: dict[tuple[int, int], dict[str, int]] = {}
        rows = session.execute(
            select(Assignment.participant_id, Assignment.position, Rating.skill, Rating.level).join(
                Rating, Rating.assignment_id == Assignment.id
            )
        ).all()
        for person, position, skill, level in rows:
            kept.setdefault((person, position), {})[skill] = level
        shown = Counter(session.scalars(select(Assignment.subject_id)))
        people = session.scalar(select(func.count()).select_from(Participant)) or 0
    lost = sum(kept.get(key) != said for key, said in load.acknowledged.items())
    counts = [shown.get(name, 0) for name in store.pool()]
    most = people * store.design.needed * len(SKILLS)
    return lost, len(rows), max(0, len(rows) - most), [min(counts), max(counts)]


def serve(folder: str, url: str, players: str, watch: str, port: str) -> None:
    from openbasket.study.app import Study, create_app
    from openbasket.study.serving import serve as serve_app

    store = open_study(Path(folder), url, int(players), float(watch))
    serve_app(create_app(Study(store, Path(folder) / "ws")), port=int(port))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument(
        "--players", type=int, default=4, help="of each participant; 5 ratings each"
    )
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--think", type=float, default=12.0, help="mean seconds for each form")
    parser.add_argument("--watch", type=float, default=40.0, help="seconds of each video")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server, too")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/study_load.json"))
    options = parser.parse_args()
    load = (
        options.participants,
        options.players,
        options.kills,
        options.think,
        options.watch,
    )
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found.append(asyncio.run(run(folder, f"sqlite:///{folder}/study.sqlite", *load)))
        if options.postgres:
            with postgres(folder) as url:
                found.append(asyncio.run(run(folder, url, *load)))
    for key in found[0]:
        print(f"{key:>14}  " + "  ".join(f"{row[key]!s:>20}" for row in found))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"cores": os.cpu_count(), "runs": found}, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
