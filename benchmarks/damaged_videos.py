"""Damaged copies of a video: which checks find them, and whether any of them crashes or hangs the reader.

From a seed, 900 damaged copies of a clip are made (six kinds, 150 each; half of them with the index in front,
half with it behind). Each is checked in a process of its own, with a time limit. Then the copies lie as reels
in a dataset whose manifest knows the whole clip, and ``openbasket verify`` reads it.

    python benchmarks/damaged_videos.py --out benchmarks/results/damaged_videos.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import av
import numpy as np

from openbasket.video.integrity import DEPTHS, faults
from openbasket.workspace import Workspace, sha256, write_json, write_text

KINDS = ("truncated", "bit flips", "zeros", "damaged header", "spliced", "chunks moved")
TIME_LIMIT_S = 60.0


def film(path: Path, seconds: int = 12, seed: int = 0, *, index_first: bool = True) -> Path:
    """A panning court with players: H.264, 704x400 at 30 FPS, B-frames, a key frame every two seconds."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(60, 200, (25, 100, 3)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
    wide += rng.integers(0, 12, wide.shape, np.uint8)
    speed = rng.integers(-6, 7, (10, 2))
    flags = {"movflags": "+faststart"} if index_first else {}
    with av.open(str(path), "w", format="mp4", options=flags) as container:
        options = {"crf": "23", "preset": "veryfast", "g": "60", "threads": "1"}
        stream = container.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 704, 400, "yuv420p"
        for i in range(30 * seconds):
            x = int(400 + 380 * np.sin(i / 60))
            frame = wide[:, x : x + 704].copy()
            for player, (across, down) in enumerate(speed):
                left, top = (61 * player + across * i) % 680, (37 * player + down * i) % 350
                frame[top : top + 48, left : left + 22] = 25 * player
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def damage(kind: str, data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One damaged copy of the bytes of a video; ``other`` is another video."""
    out = bytearray(data)
    size = len(data)
    if kind == "truncated":
        return data[: rng.randrange(1, size)]
    if kind == "bit flips":
        for _ in range(round(2 ** rng.uniform(0, 7))):
            out[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif kind == "zeros":
        length = min(size, round(2 ** rng.uniform(4, 16)))
        at = rng.randrange(size - length + 1)
        out[at : at + length] = bytes(length)
    elif kind == "damaged header":
        begin, end = index_place(data)
        for _ in range(round(2 ** rng.uniform(0, 6))):
            out[rng.randrange(begin, end)] = rng.randrange(256)
    elif kind == "spliced":
        length = min(size, round(2 ** rng.uniform(8, 17)))
        at, start = rng.randrange(size - length + 1), rng.randrange(len(other) - length + 1)
        out[at : at + length] = other[start : start + length]
    else:
        length = min(size // 3, round(2 ** rng.uniform(6, 16)))
        first = rng.randrange(size - 2 * length)
        second = rng.randrange(first + length, size - length + 1)
        if rng.random() < 0.5:
            del out[first : first + length]
        else:
            a, b = slice(first, first + length), slice(second, second + length)
            out[a], out[b] = out[b], out[a]
    return bytes(out)


def index_place(data: bytes) -> tuple[int, int]:
    """Where the box ``moov`` lies."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"moov":
            return at, at + size
        at += size
    raise ValueError("no moov")


def corpus(folder: Path, count: int, seed: int = 0, seconds: int = 12) -> list[tuple[str, Path]]:
    """Write whole clips into ``folder``, and ``count`` damaged copies of each kind; return kind and path."""
    whole = [
        film(folder / f"whole{i}.mp4", seconds, seed, index_first=not i).read_bytes()
        for i in (0, 1)
    ]
    other = film(folder / "other.mp4", seconds, seed + 1).read_bytes()
    found = []
    for kind in KINDS:
        for number in range(count):
            rng = random.Random(f"{seed} {kind} {number}")
            data = whole[number % 2]
            copy = damage(kind, data, other, rng)
            while copy == data:  # zeros on zeros
                copy = damage(kind, data, other, rng)
            path = folder / kind / f"{number:03d}.mp4"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(copy)
            found.append((kind, path))
    return found


def raises(path: Path) -> bool:
    """Whether FFmpeg's decoder, left as it is, raises: what a plain reader would notice."""
    try:
        with av.open(str(path)) as container:
            for _ in container.decode(video=0):
                pass
    except (av.FFmpegError, IndexError, AttributeError, UnicodeError):  # the last ones are PyAV's
        return True
    return False


def look(path: Path) -> dict[str, Any]:
    """What each check says of a file."""
    found: dict[str, Any] = {"raises": raises(path)}
    for depth in DEPTHS:
        begun = time.process_time()
        found[depth] = faults(path, depth)
    # of the deepest check, which holds the others
    found["cpu_s"] = time.process_time() - begun
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def _child(path: Path, pipe: Connection) -> None:
    av.logging.set_level(None)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    pipe.send(look(path))


def look_apart(
    paths: Sequence[Path], workers: int = 2, limit_s: float = TIME_LIMIT_S
) -> Iterator[tuple[Path, dict[str, Any] | str]]:
    """Look at each file in a process of its own; ``crashed`` or ``hung`` where that came to no end."""
    context = multiprocessing.get_context("fork")
    waiting, running = list(reversed(paths)), {}
    while waiting or running:
        while waiting and len(running) < workers:
            path = waiting.pop()
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_child, args=(path, theirs))
            process.start()
            theirs.close()
            running[ours] = (path, process, time.monotonic())
        ready = wait(list(running), timeout=1.0)
        for pipe, (path, process, begun) in list(running.items()):
            result: dict[str, Any] | str
            if pipe in ready:
                try:
                    result = pipe.recv()
                except EOFError:
                    result = "crashed"
            elif time.monotonic() - begun > limit_s:
                process.kill()
                result = "hung"
            else:
                continue
            process.join()
            del running[pipe]
            yield path, result


def as_dataset(root: Path, copies: Sequence[tuple[str, Path]], whole: Sequence[Path]) -> Workspace:
    """A dataset whose reels are the damaged copies; its manifest is that of whole ones."""
    from openbasket.skills import OFFICIAL_ORDER

    workspace = Workspace(root, create=True)
    lines = [",".join(["path", *(skill.name for skill in OFFICIAL_ORDER)])]
    known = [{"sha256": sha256(path), "bytes": path.stat().st_size} for path in whole]
    manifest = {}
    for number, (_, path) in enumerate(copies):
        name = f"BASKET/21-22/L/p{number}_21_22.mp4"
        lines.append(",".join([name, *["2"] * 20]))
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(path, root / name)
        manifest[name] = known[int(path.stem) % 2]
    write_text(workspace.official_labels / "BASKET" / "test.csv", "\n".join(lines) + "\n")
    write_json(workspace.private / "manifest.json", {"levels": 5, "reels": manifest})
    return workspace


def verified(workspace: Workspace, *, deep: bool) -> set[str]:
    """The reels in which ``openbasket verify`` finds a fault."""
    from openbasket.dataset.verify import verify

    return {what for what, _ in verify(workspace, deep=deep, quiet=True).faults}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/damaged_videos.json"))
    parser.add_argument("--count", type=int, default=150, help="copies of each kind")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies = corpus(folder, chosen.count, chosen.seed)
        whole = [folder / f"whole{i}.mp4" for i in (0, 1)]
        sound = dict(look_apart(whole))
        seen = dict(look_apart([path for _, path in copies]))
        workspace = as_dataset(folder / "ws", copies, whole)
        deep, plain = (len(verified(workspace, deep=deep)) for deep in (True, False))
    good = {path: result for path, result in seen.items() if isinstance(result, dict)}
    checks = ("raises", *DEPTHS)
    rows = {
        kind: {check: sum(bool(good[p][check]) for k, p in copies if k == kind and p in good)
               for check in checks}
        for kind in KINDS
    }  # fmt: skip
    total = {check: sum(row[check] for row in rows.values()) for check in checks}
    report = {
        "copies": len(copies),
        "seed": chosen.seed,
        "crashed": sum(result == "crashed" for result in seen.values()),
        "hung": sum(result == "hung" for result in seen.values()),
        "faults_in_whole_clips": sum(bool(result["frames"]) for result in sound.values()),
        "found": total,
        "found_share": {check: round(total[check] / len(copies), 4) for check in checks},
        "found_by_kind": rows,
        "found_by_verify": {"deep": deep, "plain": plain},
        "missed": sorted(
            p.relative_to(folder).as_posix() for p, r in good.items() if not r["frames"]
        ),
        "cpu_s_per_file": {
            "mean": round(sum(r["cpu_s"] for r in good.values()) / len(good), 3),
            "most": round(max(r["cpu_s"] for r in good.values()), 3),
        },
        "peak_mb": round(max(r["peak_mb"] for r in good.values())),
        "av": av.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    chosen.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
