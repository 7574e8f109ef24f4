"""Read 64 frames of a 500 s reel: ``frames_at`` beside the official loader and others, in one run.

    pip install --target peers --no-deps decord torchcodec==0.13.0
    python benchmarks/reading.py --peers peers --video a.mp4 b.mp4 --out benchmarks/results/reading.json

The reel is 704x400 at 30 FPS, H.264 (crf 23), in three lengths of its groups of pictures, made of the scenes
of the given videos, repeated and mirrored; without any, of a game that openbasket renders. A fourth one has
the packets of the second, shown at a variable rate; readers that count on a constant one are left out. Each
reader takes 64 uniform frames, short side 224, and their centre. It does so in a process of its own, so that
its peak memory is its own; readers and groups take turns, and medians of the rounds count. CPU time is that
of all threads, without the import of libraries.

``identical``: the frames, uncropped, are byte by byte those of a full sequential decode through the same
scaler. Readers with scalers of their own cannot be that: they are told ``right`` where every frame is nearer
to the wanted one than 28 dB. ``openbasket keyframe`` gives other frames by design. ``decoding alone`` decodes
the packets that the wanted frames need, and gives none: no exact reader can take less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

SECONDS, FPS, COUNT, SIDE = 500, 30, 64, 224
GROUPS = (250, 30, 15)
#: The packets of the second reel again, every second picture shown for half as long as the next.
VARIABLE = "30, variable rate"
WIDE = round(SIDE * 704 / 400)  # 394
Read = Callable[[], np.ndarray]


def wanted() -> list[int]:
    return np.linspace(0, SECONDS * FPS - 1, COUNT).astype(int).tolist()


# -- readers: each imports what it needs and returns what reads -----------------------------------


def official(path: str) -> Read:
    """The decord library with one thread, all wanted frames in one batch, then resized."""
    import cv2
    from decord import VideoReader, cpu

    def read() -> np.ndarray:
        frames = VideoReader(path, ctx=cpu(0), num_threads=1).get_batch(wanted()).asnumpy()
        return np.stack([cv2.resize(frame, (WIDE, SIDE)) for frame in frames])

    return read


def openbasket(path: str, **options: Any) -> Read:
    from openbasket.video.frames import Uniform, frames_at

    return lambda: frames_at(Path(path), Uniform(COUNT), SIDE, **options).pixels


def decoding_alone(path: str) -> Read:
    """What no reader can be below: the packets that the frames need are decoded, nothing is scaled."""
    from openbasket.video import frames

    black = np.zeros((SIDE, WIDE, 3), np.uint8)

    class Nothing:
        def __init__(self, _size: object) -> None:
            pass

        def scale(self, _frame: object) -> np.ndarray:
            return black

    def read() -> np.ndarray:
        frames.Scaler = Nothing
        return frames.frames_at(Path(path), frames.Uniform(COUNT), SIDE).pixels

    return read


def torchcodec(path: str) -> Read:
    import torch

    torch.set_num_threads(1)
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    def read() -> np.ndarray:
        decoder = VideoDecoder(
            path, dimension_order="NHWC", num_ffmpeg_threads=1, transforms=[Resize((SIDE, WIDE))]
        )
        return decoder.get_frames_at(wanted()).data.numpy()

    return read


def opencv(path: str) -> Read:
    import cv2

    def read() -> np.ndarray:
        video = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        found = []
        for i in wanted():
            video.set(cv2.CAP_PROP_POS_FRAMES, i)
            found.append(cv2.resize(video.read()[1], (WIDE, SIDE))[..., ::-1])
        return np.stack(found)

    return read


def pyav(path: str) -> Read:
    """Go to the key frame before each wanted frame, decode up to it."""
    import av

    def read() -> np.ndarray:
        found = []
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            for i in wanted():
                due = stream.start_time + round(i / FPS / stream.time_base)
                container.seek(due, stream=stream)
                frame = next(f for f in container.decode(stream) if f.pts >= due)
                found.append(
                    frame.to_ndarray(
                        format="rgb24", width=WIDE, height=SIDE, interpolation="BICUBIC"
                    )
                )
        return np.stack(found)

    return read


def sequential(path: str) -> Read:
    """All frames, from the first to the last; the wanted ones are kept."""
    import av

    def read() -> np.ndarray:
        found, left = [], set(wanted())
        with av.open(path) as container:
            container.streams.video[0].thread_count = 1
            for i, frame in enumerate(container.decode(video=0)):
                if i in left:
                    found.append(
                        frame.to_ndarray(
                            format="rgb24", width=WIDE, height=SIDE, interpolation="BICUBIC"
                        )
                    )
        return np.stack(found)

    return read


FLOOR = "decoding alone"
READERS: dict[str, Callable[[str], Read]] = {
    "official (decord)": official,
    "opencv": opencv,
    "torchcodec": torchcodec,
    "PyAV, seek": pyav,
    "openbasket": openbasket,
    "openbasket, 2 threads": lambda path: openbasket(path, threads=2),
    FLOOR: decoding_alone,
    "openbasket keyframe": lambda path: openbasket(path, sampling="keyframe"),
    "full decode": sequential,
}
TRUTH, OURS, THEIRS = "full decode", "openbasket", "official (decord)"
CONSTANT = ("opencv", "PyAV, seek")


def peak_mb() -> float:
    """Of this process; ``getrusage`` would count what its parent held."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
    return int(line.split()[1]) / 1024


def one(reader: str, path: str, out: str) -> None:
    """Measure one reader, once, in this process."""
    read = READERS[reader](path)
    cpu, wall = time.process_time(), time.perf_counter()
    frames = read()
    left = (WIDE - SIDE) // 2
    cropped = np.ascontiguousarray(frames[:, :, left : left + SIDE])
    facts = {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "peak_mb": peak_mb(),
    }
    assert cropped.shape == (COUNT, SIDE, SIDE, 3)
    np.save(out, frames)
    print(json.dumps(facts))


def measured(reader: str, path: Path, peers: str) -> tuple[dict[str, float], np.ndarray] | None:
    """Measure one reader in a process of its own; nothing where it cannot be imported."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "frames.npy")
        paths = [*sys.path[1:], *([peers] if peers else [])]  # peers last: theirs are not ours
        done = subprocess.run(
            [sys.executable, __file__, "--one", reader, str(path), out],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            print(f"  {reader} does not run: {done.stderr.strip().splitlines()[-1][:150]}")
            return None
        return json.loads(done.stdout.splitlines()[-1]), np.load(out)


def kept(reader: str, frames: np.ndarray, truth: np.ndarray) -> str:
    """How frames compare with those of the full decode."""
    if reader == FLOOR:
        return "none"
    if np.array_equal(frames, truth):
        return "identical"
    errors = ((frames.astype(int) - truth) ** 2).mean((1, 2, 3))
    worst = 10 * np.log10(255**2 / max(errors.max(), 1e-9))
    return f"{'right' if worst > 28 else 'OTHER'} ({worst:.0f} dB)"


# -- the reel -------------------------------------------------------------------------------------


def scenes(videos: list[Path]) -> Iterator[np.ndarray]:
    """Pictures of 704x400 without end."""
    import av

    mirrored = False
    while True:
        for video in videos:
            with av.open(str(video)) as container:
                for frame in container.decode(video=0):
                    shown = frame.to_ndarray(
                        format="rgb24", width=704, height=400, interpolation="BICUBIC"
                    )
                    yield np.ascontiguousarray(shown[:, ::-1]) if mirrored else shown
        mirrored = not mirrored


def rendered(folder: Path) -> list[Path]:
    """Games that openbasket renders."""
    from openbasket.simulation.broadcast import RenderSettings, render_all
    from openbasket.simulation.league import LeagueSettings, simulate
    from openbasket.workspace import Workspace

    ws = Workspace(folder / "league", create=True)
    league = LeagueSettings(
        "sim", "women", "Europe", teams=2, players_per_team=8, rounds=1, period_s=120.0, periods=2
    )
    simulate(ws, [league], seed=1, quiet=True)
    render_all(ws, settings=RenderSettings(), workers=1, quiet=True)
    return sorted(ws.videos.rglob("*.mp4"))


def reel(path: Path, videos: list[Path], group: int) -> None:
    from openbasket.video.write import VideoWriter

    pictures = scenes(videos)
    with VideoWriter(path, gop=group, crf=23, preset="medium") as video:
        for _ in range(SECONDS * FPS):
            video.write(next(pictures))


def variable(path: Path, source: Path) -> None:
    """Show each odd picture half a step later."""
    import av

    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        stream = given.streams.video[0]
        copied = made.add_stream_from_template(stream)
        step = round(1 / FPS / stream.time_base)
        for packet in given.demux(stream):
            if packet.size:
                packet.pts += step // 2 * ((packet.pts - stream.start_time) // step % 2)
                packet.stream = copied
                made.mux(packet)


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, nargs="*", default=[])
    parser.add_argument(
        "--keep", type=Path, help="folder of the reels, made where they are missing"
    )
    parser.add_argument("--peers", default="", help="folder of decord and torchcodec")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    keep = nullcontext(str(given.keep)) if given.keep else tempfile.TemporaryDirectory()
    names = (*map(str, GROUPS), VARIABLE)
    runs: dict[str, dict[str, list[dict[str, float]]]] = {group: {} for group in names}
    compared: dict[str, dict[str, str]] = {group: {} for group in names}
    with keep as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        reels = {str(group): folder / f"reel{group}.mp4" for group in GROUPS}
        missing = [group for group in GROUPS if not reels[str(group)].exists()]
        videos = (given.video or rendered(folder)) if missing else []
        for group in missing:
            print(f"making the reel with {group} frames a group ...", flush=True)
            reel(reels[str(group)], videos, group)
        reels[VARIABLE] = folder / "variable.mp4"
        if not reels[VARIABLE].exists():
            variable(reels[VARIABLE], reels["30"])
        sizes = {group: path.stat().st_size / 1e6 for group, path in reels.items()}
        for group, path in reels.items():
            truth = measured(TRUTH, path, given.peers)
            assert truth is not None
            runs[group][TRUTH], compared[group][TRUTH] = [truth[0]], "identical"
            for number in range(given.rounds):
                for reader in READERS:
                    if reader == TRUTH or (number and reader not in runs[group]):
                        continue
                    if group == VARIABLE and reader in CONSTANT:
                        continue
                    if found := measured(reader, path, given.peers):
                        runs[group].setdefault(reader, []).append(found[0])
                        compared[group][reader] = kept(reader, found[1], truth[1])
    table: dict[str, Any] = {}
    for group in names:
        rows = {
            reader: {key: median(run[key] for run in found) for key in found[0]}
            for reader, found in runs[group].items()
        }
        print(f"\nGOP {group} ({sizes[group]:.0f} MB)")
        print(f"{'reader':24}{'CPU s':>8}{'x':>7}{'wall s':>8}{'x':>7}{'peak MB':>9}  frames")
        for reader, row in sorted(rows.items(), key=lambda item: -item[1]["cpu_s"]):
            if THEIRS in rows:
                for key in ("cpu", "wall"):
                    row[f"{key}_ratio"] = rows[THEIRS][f"{key}_s"] / row[f"{key}_s"]
            print(
                f"{reader:24}{row['cpu_s']:8.2f}{row.get('cpu_ratio', np.nan):7.2f}{row['wall_s']:8.2f}"
                f"{row.get('wall_ratio', np.nan):7.2f}{row['peak_mb']:9.0f}  {compared[group][reader]}"
            )
        table[group] = {
            "reel_mb": sizes[group], "medians": rows, "frames": compared[group],
            "runs": runs[group],
        }  # fmt: skip
    result = {
        "date": datetime.now(UTC).date().isoformat(), "rounds": given.rounds, "frames": COUNT,
        "reel_s": SECONDS, "footage": "given videos" if given.video else "rendered or kept",
        "groups": table, "python": platform.python_version(), "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }  # fmt: skip
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
