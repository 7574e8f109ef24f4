"""Cuts of our own reels: ``openbasket.video.cuts`` beside PySceneDetect, in one run.

    pip install --target peers --no-deps scenedetect opencv-python-headless platformdirs tqdm
    python benchmarks/cuts.py --peers peers --out benchmarks/results/cuts.json

Reels are made of games that openbasket renders (or are those of ``--data``, a dataset with reels); table
``reels`` says where each clip begins. A cut is found where a detector names a frame within 2 of it.
``extra`` are frames that are named and begin no clip: false alarms, or changes of view inside a clip, which
rendered games have. PySceneDetect runs as it comes; each detector decodes the video by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openbasket.video.cuts import find_cuts
from openbasket.workspace import Workspace

#: A cut is found within so many frames.
NEAR = 2
Detector = Callable[[Path], Sequence[int]]


def make(root: Path, seed: int) -> Workspace:
    """Reels of a small rendered league."""
    from openbasket.labels import LabelSettings, label
    from openbasket.reels import ClipSettings, ReelSettings, build
    from openbasket.simulation.broadcast import RenderSettings, render_all
    from openbasket.simulation.league import LeagueSettings, simulate

    workspace = Workspace(root, create=True)
    league = LeagueSettings(
        "sim", "men", "Europe", teams=3, rounds=1, period_s=120.0, periods=2, overtime_s=60.0
    )
    simulate(workspace, [league], seed=seed, quiet=True)
    render_all(workspace, settings=RenderSettings(preset="ultrafast"), workers=2, quiet=True)
    label(workspace, LabelSettings(min_events=1), quiet=True)
    clip = ClipSettings(preset="ultrafast")
    build(workspace, ReelSettings(20, few="keep", clip=clip), workers=2, quiet=True)
    return workspace


def peers(folder: str) -> dict[str, Detector]:
    """Detectors of PySceneDetect."""
    sys.path.append(folder)
    import scenedetect

    def detector(name: str) -> Detector:
        def found(path: Path) -> Sequence[int]:
            made = getattr(scenedetect, name)()
            scenes = scenedetect.detect(str(path), made)
            return [start.frame_num for start, _ in scenes[1:]]

        return found

    return {
        f"scenedetect {name}": detector(name) for name in ("AdaptiveDetector", "ContentDetector")
    }


def compared(truth: Sequence[int], named: Sequence[int]) -> tuple[int, int]:
    """How many cuts are found, and how many frames are named that are none."""
    off = np.abs(np.subtract.outer(np.array(truth, int), np.array(named, int)))
    if not off.size:
        return 0, len(named)
    return int((off.min(axis=1) <= NEAR).sum()), int((off.min(axis=0) > NEAR).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default="", help="folder of scenedetect")
    parser.add_argument("--data", type=Path, help="a dataset with reels, instead of a new one")
    parser.add_argument(
        "--reels", type=int, default=40, help="how many reels, those with most clips"
    )
    parser.add_argument("--seed", type=int, default=4, help="the thresholds were chosen on seed 3")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        workspace = make(Path(name), given.seed) if given.data is None else Workspace(given.data)
        reels = workspace.read("reels").filter(pl.col("draw") == 0).sort("path", "position")
        first = pl.col("first_frame").filter(pl.col("position") > 0)
        paths = reels.group_by("path").agg(cuts=first, frames=pl.col("frames").sum())
        paths = paths.sort(pl.col("cuts").list.len(), "path", descending=[True, False])
        chosen = paths.head(given.reels)
        ways: dict[str, Detector] = {"openbasket": lambda path: find_cuts(path).frames}
        ways |= peers(given.peers)
        rows: dict[str, dict[str, Any]] = {
            way: {"found": 0, "extra": 0, "seconds": 0.0} for way in ways
        }
        for path, cuts, _ in chosen.rows():
            for way, detect in ways.items():
                began = time.perf_counter()
                named = detect(workspace.root / path)
                rows[way]["seconds"] += time.perf_counter() - began
                found, extra = compared(cuts, named)
                rows[way]["found"] += found
                rows[way]["extra"] += extra
        count, frames = int(chosen["cuts"].list.len().sum()), int(chosen["frames"].sum())
    for way, row in rows.items():
        row["share"] = round(row["found"] / count, 4)
        row["frames_a_second"] = round(frames / row["seconds"])
        row["seconds"] = round(row["seconds"], 2)
        print(f"{way:>32}  " + "  ".join(f"{k} {v}" for k, v in row.items()))
    print(f"{count} cuts, {frames} frames, {chosen.height} reels")
    ratios = {
        way: round(row["seconds"] / rows["openbasket"]["seconds"], 2)
        for way, row in rows.items()
        if way != "openbasket"
    }
    print("seconds of peer / openbasket", ratios)
    content = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_before": round(load_before, 2),
        "cuts": count,
        "frames": frames,
        "reels": chosen.height,
        "within_frames": NEAR,
        "bar": {"share": 0.98, "met": rows["openbasket"]["share"] >= 0.98},
        **rows,
        "ratio_seconds": ratios,
    }
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
