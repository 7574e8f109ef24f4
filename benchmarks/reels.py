"""Cut clips: one forward pass with openbasket, beside one call of the ``ffmpeg`` program for each clip.

Both encode the same ten clips of one video with the same encoder settings, one encoder thread each. The
rounds take turns; the best of each side counts.

    python benchmarks/reels.py --out benchmarks/results/reels.json
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
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from openbasket.video.clip import cut_clips
from openbasket.video.probe import probe
from openbasket.video.write import VideoWriter

CLIPS, SECONDS, FRAMES = 10, 180, 300


def film(path: Path) -> None:
    """A video of moving blocks on a still background, 704x400 at 30 FPS."""
    rng = np.random.default_rng(0)
    court = np.repeat(np.repeat(rng.integers(90, 170, (50, 88, 3)), 8, 0), 8, 1).astype(np.uint8)
    with VideoWriter(path) as video:
        for i in range(30 * SECONDS):
            frame = court.copy()
            for player in range(10):
                x, y = (37 * player + 3 * i) % 660, (41 * player + 2 * i) % 350
                frame[y : y + 40, x : x + 20] = 25 * player
            video.write(frame)


def ours(source: Path, folder: Path) -> None:
    spans = [(folder / f"{i}.mp4", Fraction(17 * i), FRAMES) for i in range(CLIPS)]
    for _, error in cut_clips(source, spans, crf=23, preset="veryfast", gop=30):
        assert error is None, error


def program(source: Path, folder: Path) -> None:
    for i in range(CLIPS):
        words = [
            "-v",
            "error",
            "-y",
            "-ss",
            str(17 * i),
            "-i",
            str(source),
            "-frames:v",
            str(FRAMES),
        ]
        words += ["-an", "-r", "30", "-s", "704x400", "-c:v", "libx264", "-crf", "23"]
        words += ["-preset", "veryfast", "-g", "30", "-sc_threshold", "0", "-threads", "1"]
        subprocess.run(["ffmpeg", *words, str(folder / f"{i}.mp4")], check=True)


def measure(side: str, source: Path) -> dict[str, float]:
    """Run one side in a process of its own: wall and CPU seconds, peak memory."""
    words = [sys.executable, __file__, "--side", side, "--source", str(source)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def run_side(side: str, source: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        begun = time.perf_counter()
        {"openbasket": ours, "ffmpeg": program}[side](source, Path(name))
        wall = time.perf_counter() - begun
        counts = [probe(Path(name) / f"{i}.mp4").frames for i in range(CLIPS)]
    assert counts == [FRAMES] * CLIPS, counts
    who = resource.RUSAGE_CHILDREN if side == "ffmpeg" else resource.RUSAGE_SELF
    used = resource.getrusage(who)
    return {
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side")
    parser.add_argument("--source", type=Path)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(run_side(given.side, given.source)))
        return
    sides = ["openbasket"]
    if shutil.which("ffmpeg"):
        sides.append("ffmpeg")
    else:
        print("the program 'ffmpeg' is not installed: openbasket is measured alone")
    best: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "game.mp4"
        film(source)
        for _ in range(given.rounds):
            for side in sides:
                found = measure(side, source)
                if side not in best or found["cpu_s"] < best[side]["cpu_s"]:
                    best[side] = found
    print(f"{'':12}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}")
    for side, found in best.items():
        print(f"{side:12}{found['wall_s']:9.2f}{found['cpu_s']:9.2f}{found['peak_mib']:10.0f}")
    result: dict[str, Any] = {
        "clips": CLIPS, "frames_each": FRAMES, "rounds": given.rounds, "sides": best,
        "python": platform.python_version(), "cores": os.cpu_count(),
    }  # fmt: skip
    if "ffmpeg" in best:
        result["cpu_ratio"] = best["openbasket"]["cpu_s"] / best["ffmpeg"]["cpu_s"]
        result["wall_ratio"] = best["openbasket"]["wall_s"] / best["ffmpeg"]["wall_s"]
        print(
            f"openbasket / ffmpeg: {result['cpu_ratio']:.2f} CPU, {result['wall_ratio']:.2f} wall"
        )
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
