"""Read 16 frames spread over a video: ``read_frames`` beside a full decode and OpenCV's seeking.

    python benchmarks/reading.py --out benchmarks/results/reading.json

Same video, same frames; the rounds take turns, the best CPU time of each counts. Frames are compared: a
reader that gives others than the full decode is said to do so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from openbasket.video.frames import read_frames, uniform_indices
from openbasket.video.write import VideoWriter

COUNT, SECONDS = 16, 180


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


def ours(path: Path, wanted: list[int]) -> np.ndarray:
    return read_frames(path, wanted, short_side=None)


def full_decode(path: Path, wanted: list[int]) -> np.ndarray:
    found = {}
    with av.open(str(path)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i in wanted:
                found[i] = frame.to_ndarray(format="rgb24")
    return np.stack([found[i] for i in wanted])


def opencv(path: Path, wanted: list[int]) -> np.ndarray:
    video = cv2.VideoCapture(str(path))
    found = []
    for i in wanted:
        video.set(cv2.CAP_PROP_POS_FRAMES, i)
        found.append(video.read()[1][..., ::-1])
    video.release()
    return np.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    readers: dict[str, Callable[[Path, list[int]], np.ndarray]] = {
        "openbasket": ours, "full_decode": full_decode, "opencv_seek": opencv,
    }  # fmt: skip
    cpu_s: dict[str, float] = {}
    same: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "reel.mp4"
        film(path)
        wanted = uniform_indices(30 * SECONDS, COUNT)
        reference = full_decode(path, wanted).astype(int)
        for _ in range(given.rounds):
            for reader, read in readers.items():
                begun = time.process_time()
                frames = read(path, wanted)
                cpu_s[reader] = min(cpu_s.get(reader, np.inf), time.process_time() - begun)
                same[reader] = bool(np.abs(frames - reference).mean() < 3)
    result: dict[str, Any] = {
        "video_s": SECONDS, "frames_read": COUNT, "rounds": given.rounds, "cpu_s": cpu_s,
        "same_frames": same, "ratio": {r: cpu_s["openbasket"] / s for r, s in cpu_s.items()},
        "python": platform.python_version(), "cores": os.cpu_count(),
    }  # fmt: skip
    for reader, seconds in cpu_s.items():
        told = "same frames" if same[reader] else "OTHER frames"
        print(f"{reader:12}{seconds:8.3f} s CPU, {told}; ours / it {result['ratio'][reader]:.2f}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
