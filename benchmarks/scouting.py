"""Rate a nine-minute reel: ``openbasket scout`` beside reading every frame, in one run.

    python benchmarks/scouting.py
    python benchmarks/scouting.py --model skillquery

The reel is 704x400 at 30 FPS, H.264 with groups of 15 frames, made of a game that openbasket renders (or of
``--video``), repeated. The run is ``--model`` with the frames of its recipe, trained for one step on a few
tiny reels: how long it takes does not depend on what it has learned. All run in processes of their own, from
start to finish, imports included:

- ``openbasket``: ``openbasket scout REEL --checkpoint RUN --no-evidence --out card.json``;
- ``every frame``: the same model on the same frames, taken from a plain decode of the whole reel with PyAV;
- ``evidence``: a card with its evidence, for which the model sees 256 halves of the reel.

For a model of clips (``--model skillquery``) the reel has 50 clips, and lies in a dataset whose table tells
them to both ways (it has no events, which a real one reads, too); ``cuts to find`` is the same reel as a
video of which nothing is known. The model begins with fresh weights.

Their probabilities differ by what their scalers differ (OpenCV's bilinear filter beside the decoder's); the
greatest difference is printed. That both take the same frames, but for the rounding of even places, is
checked first.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from openbasket.training.config import DataConfig

SECONDS = 540
CLIPS = 50
#: What ``openbasket scout`` is timed beside.
PEER = "every frame"
SUBJECT = "somebody"


def make_reel(out: Path, source: Path | None, folder: Path, of_clips: bool) -> Path:
    """A reel of nine minutes, of one piece or of clips."""
    clip_s = SECONDS / CLIPS
    if source is None:
        from openbasket.simulation.broadcast import RenderSettings, render_all
        from openbasket.simulation.league import LeagueSettings, simulate
        from openbasket.workspace import Workspace

        workspace = Workspace(folder / "league", create=True)
        simulate(
            workspace,
            [LeagueSettings("sim", "men", "Europe", teams=2, rounds=1, period_s=30.0)],
            seed=1,
        )
        render_all(workspace, settings=RenderSettings(preset="veryfast"))
        source = next(iter(sorted((folder / "league").rglob("*.mp4"))))
    given = ["-stream_loop", "-1", "-i", str(source)]
    if of_clips:
        import av

        with av.open(str(source)) as container:
            length = float(container.duration or 0) / 1e6 - clip_s - 1
        begins = [(37.0 * clip) % length for clip in range(CLIPS)]
        lines = [f"file '{source}'\ninpoint {t:.2f}\noutpoint {t + clip_s:.2f}" for t in begins]
        (folder / "clips.txt").write_text("\n".join(lines))
        given = ["-f", "concat", "-safe", "0", "-i", str(folder / "clips.txt")]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *given, "-t", str(SECONDS), "-an",
         "-vf", "scale=704:400,fps=30", "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-g", "15",
         "-pix_fmt", "yuv420p", out],
        check=True,
    )  # fmt: skip
    return out


def clips() -> list[tuple[int, int]]:
    """First frame and number of frames of each clip of the reel."""
    frames = SECONDS * 30 // CLIPS
    return [(clip * frames, frames) for clip in range(CLIPS)]


def make_dataset(folder: Path, reel: Path) -> Path:
    """A dataset that has the reel, and tells its clips."""
    import polars as pl

    from openbasket import tables
    from openbasket.workspace import Workspace

    workspace = Workspace(folder, create=True)
    workspace.write("subjects", pl.DataFrame(schema=tables.dtypes("subjects")))
    rows = [
        {
            "subject_id": SUBJECT, "draw": 0, "position": i, "clip_id": f"c{i}", "game_id": "g",
            "event_id": f"e{i}", "first_frame": first, "frames": frames, "path": reel.name,
        }
        for i, (first, frames) in enumerate(clips())
    ]  # fmt: skip
    workspace.write("reels", pl.DataFrame(rows, schema=tables.dtypes("reels")))
    return folder


def make_run(folder: Path, model: str) -> Path:
    """A run of the model with its own number of frames, trained for one step."""
    sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "unit")]
    from training_data import write_dataset

    from openbasket.training import loop
    from openbasket.training.config import load_recipe

    root = folder / "tiny"
    write_dataset(root, 2)
    recipe = load_recipe(model, ["train.epochs=1", "train.batch_size=2", *fresh(model)])
    loop.train(recipe, root, folder / "run", quiet=True, workers=1)
    return folder / "run"


def fresh(model: str) -> list[str]:
    """Settings with which a model of clips begins with fresh weights."""
    from openbasket.training.config import load_recipe

    if load_recipe(model).data.sampling != "clips":
        return []
    return ["transcripts.epochs=0", "transcripts.redraw=0", "model.frozen=false"]


def wanted_frames(data: DataConfig, count: int) -> list[int]:
    """Numbers of the frames that a recipe takes of the reel, by the plain rule."""
    if data.sampling != "clips":
        return np.linspace(0, count - 1, data.frames).astype(int).tolist()
    begin, end = data.within
    each = data.frames // data.clips
    shares = begin + (end - begin) * (np.arange(each) + 0.5) / each
    return [first + int(share * frames) for first, frames in clips() for share in shares]


def check_frames(reel: Path, run: Path) -> None:
    """Stop where ``openbasket`` takes other frames than the plain way."""
    from openbasket.training.reading import taking_of
    from openbasket.training.run import read_recipe
    from openbasket.video.frames import frames_at

    data = read_recipe(run).data
    taking = taking_of(data)
    if data.sampling == "clips":
        taking = replace(taking, clips=tuple(clips()))
    ours = list(frames_at(reel, taking.wanted, data.short_side).indices)
    plain = wanted_frames(data, SECONDS * 30)
    same = len(ours) == len(plain)
    if not same or max(abs(a - b) for a, b in zip(ours, plain, strict=True)) > 1:  # by rounding
        raise SystemExit(f"not the same frames: {ours[:4]} ... and {plain[:4]} ...")


def every_frame(reel: str, run: str, out: str) -> None:
    """The plain way; writes the probabilities."""
    import av
    import cv2

    from openbasket.training.rating import Rater

    rater = Rater(Path(run), quiet=True)
    data = rater.recipe.data
    with av.open(reel) as container:
        wanted = set(wanted_frames(data, container.streams.video[0].frames))
        held = []
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                pixels = frame.to_ndarray(format="rgb24")
                height, width = pixels.shape[:2]
                side = data.short_side / min(height, width)
                held.append(cv2.resize(pixels, (round(width * side), round(height * side))))
    Path(out).write_text(json.dumps(rater.rate([np.stack(held)])[0].tolist()))


def timed(command: list[str]) -> dict[str, float]:
    """Wall and CPU seconds and peak memory of a command."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - began
    return {"wall_s": wall, "cpu_s": cpu, "peak_mb": usage.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, help="source of the reel")
    parser.add_argument("--model", default="timesformer-tiny", help="recipe")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, help="by default benchmarks/results/scouting_MODEL.json"
    )
    options = parser.parse_args()
    out = options.out or Path("benchmarks/results") / f"scouting_{options.model}.json"
    if not shutil.which("ffmpeg"):
        raise SystemExit("the program 'ffmpeg' is needed; on Debian: apt-get install ffmpeg")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # in processes of their own: a child's peak of memory is never below its parent's
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            of_clips = bool(pool.submit(fresh, options.model).result())
            there = folder / "dataset"
            there.mkdir()
            reel = pool.submit(
                make_reel, there / "reel.mp4", options.video, folder, of_clips
            ).result()
            if of_clips:
                pool.submit(make_dataset, there, reel).result()
            run = pool.submit(make_run, folder, options.model).result()
            pool.submit(check_frames, reel, run).result()
        card, plain = folder / "card.json", folder / "plain.json"
        scout = [sys.executable, "-m", "openbasket", "scout", str(reel), "--checkpoint", str(run)]
        scout += ["--quiet"]
        told = ["--data", str(there)] if of_clips else []
        other = ["--out", str(folder / "other.json")]
        ways = {
            "openbasket": [*scout, *told, "--no-evidence", "--out", str(card)],
            PEER: [sys.executable, __file__, "--plain", str(reel), str(run), str(plain)],
            "evidence": [*scout, *told, *other],
        }
        if of_clips:
            ways["cuts to find"] = [*scout, "--no-evidence", *other]
        rounds: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, command in ways.items():
                rounds[way].append(timed(command))
        ours = np.array([s["probabilities"] for s in json.loads(card.read_text())["skills"]])
        difference = float(np.abs(ours - np.array(json.loads(plain.read_text()))).max())
    found: dict[str, Any] = {
        way: {key: round(median(r[key] for r in held), 2) for key in held[0]}
        for way, held in rounds.items()
    }
    for way, row in found.items():
        print(f"{way:>12}  " + "  ".join(f"{key} {value:8.2f}" for key, value in row.items()))
    ratios = {key: round(value / found["openbasket"][key], 2) for key, value in found[PEER].items()}
    print("       ratio  " + "  ".join(f"{key} {value:8.2f}" for key, value in ratios.items()))
    print(f"greatest difference {difference:.4f}")
    content = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "model": options.model,
        "reel_s": SECONDS,
        **found,
        "ratio": ratios,
        "rounds": options.rounds,
        "greatest_difference": difference,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plain"]:
        every_frame(*sys.argv[2:])
    else:
        main()
