"""Highlight reels: openbasket beside the usual ways, on rendered games.

Sides, each in a process of its own, one job at a time:

- ``openbasket``: ``openbasket.reels.build`` (plan, cut, store, join);
- ``ffmpeg``: one call of the program for each clip of each reel, then its concat demuxer;
- ``moviepy``: ``subclipped`` and ``concatenate_videoclips`` for each reel, if it is installed;
- ``graph``: one call of ffmpeg for each reel: every clip an input, one filter graph that scales and joins.

All encode with x264 veryfast, crf 23, GOP 30, one thread. Sources: games rendered by the simulator, as
1280x720 (to be scaled), and as 704x400 with key frames every 30 and every 250 frames (where whole groups of
pictures can be copied).

    python benchmarks/reels.py --out benchmarks/results/reels.json
"""

from __future__ import annotations

import argparse
import importlib.util
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
from statistics import median
from typing import Any

import av
import numpy as np
import polars as pl

SUBJECTS, EVENTS, DRAWS = 12, 6, 5
PAPER_REELS, PAPER_CLIPS = 32_232, 50
SIDES = ("openbasket", "ffmpeg", "moviepy", "graph")
X264 = ["-c:v", "libx264", "-crf", "23", "-preset", "veryfast", "-g", "30", "-keyint_min", "30"]
X264 += ["-sc_threshold", "0", "-threads", "1"]


# -- the sources ---------------------------------------------------------------------------


def make(root: Path) -> None:
    """Three games of a small league, rendered, and the two other forms of their videos."""
    from openbasket.labels import LabelSettings, label
    from openbasket.simulation.broadcast import RenderSettings, render_all
    from openbasket.simulation.league import LeagueSettings, simulate
    from openbasket.workspace import Workspace

    workspace = Workspace(root / "gop30", create=True)
    league = LeagueSettings(
        "bench", teams=3, players_per_team=7, rounds=1, seasons=("21-22",), period_s=100.0
    )
    simulate(workspace, [league], quiet=True)
    render_all(workspace, settings=RenderSettings(crf=20, preset="veryfast"))
    label(workspace, LabelSettings(min_events=1), quiet=True)
    forms = {
        "720p": ["-vf", "scale=1280:720", "-g", "60", "-preset", "ultrafast"],
        "gop250": ["-g", "250", "-preset", "veryfast"],
    }
    for name, words in forms.items():
        shutil.copytree(workspace.root, root / name)
        for video in sorted((root / name / "videos").glob("*.mp4")):
            out = video.with_suffix(".new.mp4")
            ffmpeg("-i", str(video), "-c:v", "libx264", "-crf", "20", *words, str(out))
            out.replace(video)


def ffmpeg(*words: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *words], check=True)


# -- the sides -----------------------------------------------------------------------------


def build(root: Path, subjects: int, draw: int, *, check: bool) -> None:
    from openbasket.reels import ReelSettings
    from openbasket.reels import build as build_reels
    from openbasket.workspace import Workspace

    workspace = Workspace(root)
    chosen = workspace.read("subjects").sort("events", "subject_id", descending=True)
    report = build_reels(
        workspace,
        ReelSettings(events=EVENTS, draw=draw, check="stretches" if check else "bytes"),
        subject_ids=chosen["subject_id"].head(subjects).to_list(),
        workers=1,
        quiet=True,
    )
    assert report.reels == subjects, report
    assert not report.failures, report.failures


def wanted(root: Path) -> dict[str, list[tuple[Path, float, float]]]:
    """What the first draw's reels show: (source, start, seconds) of each clip."""
    from openbasket.workspace import Workspace

    workspace = Workspace(root)
    videos = dict(workspace.read("games").select("game_id", "video").iter_rows())
    reels = workspace.read("reels").filter(pl.col("draw") == 0).sort("subject_id", "position")
    clips = workspace.read("clips").unique("clip_id")
    rows = reels.join(clips.select("clip_id", "game_id", "start_s", "end_s"), on="clip_id")
    out: dict[str, list[tuple[Path, float, float]]] = {}
    columns = ("subject_id", "game_id", "start_s", "end_s")
    for subject, game, start, end in rows.sort("subject_id", "position").select(columns).rows():
        out.setdefault(subject, []).append((root / videos[game], start, end - start))
    return out


def by_ffmpeg(reels: dict[str, list[tuple[Path, float, float]]], folder: Path) -> None:
    for subject, clips in reels.items():
        names = []
        for i, (source, start, seconds) in enumerate(clips):
            name = folder / f"{subject}_{i}.mp4"
            ffmpeg(
                *("-ss", f"{start:.6f}", "-i", str(source), "-frames:v", str(round(seconds * 30))),
                *("-an", "-r", "30", "-vf", "scale=704:400", *X264, str(name)),
            )
            names.append(name)
        listing = folder / f"{subject}.txt"
        listing.write_text("".join(f"file '{name}'\n" for name in names))
        target = str(folder / f"{subject}.mp4")
        ffmpeg("-f", "concat", "-safe", "0", "-i", str(listing), "-c", "copy", target)


def by_graph(reels: dict[str, list[tuple[Path, float, float]]], folder: Path) -> None:
    for subject, clips in reels.items():
        words: list[str] = []
        for source, start, seconds in clips:
            words += ["-ss", f"{start:.6f}", "-t", f"{seconds:.6f}", "-i", str(source)]
        scaled = [f"[{i}:v]scale=704:400,setsar=1[v{i}]" for i in range(len(clips))]
        joined = "".join(f"[v{i}]" for i in range(len(clips))) + f"concat=n={len(clips)}[out]"
        graph = ";".join([*scaled, joined])
        words += ["-filter_complex_threads", "1", "-filter_complex", graph, "-map", "[out]"]
        ffmpeg(*words, "-an", "-r", "30", *X264, str(folder / f"{subject}.mp4"))


def by_moviepy(reels: dict[str, list[tuple[Path, float, float]]], folder: Path) -> None:
    from moviepy import VideoFileClip, concatenate_videoclips

    for subject, clips in reels.items():
        opened = [VideoFileClip(str(source), audio=False) for source, _, _ in clips]
        parts = [
            video.subclipped(start, start + seconds).resized((704, 400))
            for video, (_, start, seconds) in zip(opened, clips, strict=True)
        ]
        concatenate_videoclips(parts).write_videofile(
            str(folder / f"{subject}.mp4"),
            fps=30,
            codec="libx264",
            preset="veryfast",
            audio=False,
            threads=1,
            logger=None,
            ffmpeg_params=["-crf", "23", "-g", "30", "-sc_threshold", "0"],
        )
        for video in opened:
            video.close()


def run_side(side: str, root: Path, subjects: int, draw: int, check: bool) -> dict[str, float]:
    """One side, here: wall and CPU seconds, peak memory, bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reels = {} if side == "openbasket" else wanted(root)
        before = cpu_s()
        begun = time.perf_counter()
        if side == "openbasket":
            build(root, subjects, draw, check=check)
            folder = root / ("BASKET" if draw == 0 else f"BASKET_draw{draw}")
        else:
            {"ffmpeg": by_ffmpeg, "moviepy": by_moviepy, "graph": by_graph}[side](reels, folder)
        wall = time.perf_counter() - begun
        spent = cpu_s() - before
        made = (
            sorted(folder.rglob("*.mp4"))
            if side == "openbasket"
            else [folder / f"{subject}.mp4" for subject in reels]
        )
        found = {
            "wall_s": wall,
            "cpu_s": spent,
            "peak_mib": max(usage(who).ru_maxrss for who in WHO) / 1024,
            "mbytes": sum(path.stat().st_size for path in made) / 1e6,
            "frames": float(sum(frames(path) for path in made)),
        }
        if draw == 0:
            pairs = dict(zip(sorted(wanted(root)), sorted(made), strict=True))
            found["psnr_db"] = quality(wanted(root), pairs)
        return found


WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
usage = resource.getrusage


def cpu_s() -> float:
    return sum(usage(who).ru_utime + usage(who).ru_stime for who in WHO)


def frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return container.streams.video[0].frames


def quality(
    reels: dict[str, list[tuple[Path, float, float]]], made: dict[str, Path], clips: int = 4
) -> float:
    """PSNR of luma of some clips of one reel against the source, scaled (bicubic), in dB."""
    subject = sorted(reels)[0]
    errors = []
    at = 0
    with av.open(str(made[subject])) as container:
        shown = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    for source, start, seconds in reels[subject]:
        count = round(seconds * 30)
        if clips > 0:
            clips -= 1
            with av.open(str(source)) as container:
                stream = container.streams.video[0]
                base = stream.time_base or Fraction(1)
                container.seek(int(start / base), stream=stream)
                wanted = (
                    f.to_ndarray(format="gray", width=704, height=400, interpolation="BICUBIC")
                    for f in container.decode(stream)
                    if f.pts is not None and f.pts * base > start - 1 / 60
                )
                for picture, truth in zip(shown[at : at + count], wanted, strict=False):
                    errors.append(np.mean((picture.astype(float) - truth) ** 2))
        at += count
    return float(10 * np.log10(255**2 / np.mean(errors)))


# -- the run -------------------------------------------------------------------------------


def measure(
    side: str, root: Path, subjects: int, draw: int = 0, check: bool = True
) -> dict[str, float]:
    words = [sys.executable, __file__, "--side", side, "--root", str(root)]
    words += ["--subjects", str(subjects), "--draw", str(draw), *([] if check else ["--no-check"])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = dict(json.loads(done.stdout.splitlines()[-1]))
    print(
        f"{root.name:8}{side:12}draw {draw}  {found['wall_s']:8.1f} s{found['cpu_s']:9.1f} CPU s"
        f"{found['peak_mib']:8.0f} MiB{found['mbytes']:8.1f} MB"
        f"{found.get('psnr_db', float('nan')):8.2f} dB",
        flush=True,
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--games", type=Path, help="keep the rendered games here")
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--subjects", type=int, default=SUBJECTS)
    parser.add_argument("--draw", type=int, default=0)
    parser.add_argument("--no-check", action="store_true")
    given = parser.parse_args()
    if given.side:
        found = run_side(given.side, given.root, given.subjects, given.draw, not given.no_check)
        print(json.dumps(found))
        return
    if not shutil.which("ffmpeg"):
        raise SystemExit("the program 'ffmpeg' is needed; on Debian: apt-get install ffmpeg")
    with tempfile.TemporaryDirectory() as name:
        games = given.games or Path(name)
        if not (games / "gop250").exists():
            make(games)
        result = compare(games, Path(name) / "run", given.subjects)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


def compare(games: Path, run: Path, subjects: int) -> dict[str, Any]:
    peers = ["ffmpeg", "graph"]
    if importlib.util.find_spec("moviepy"):
        peers.insert(1, "moviepy")
    else:
        print("moviepy is not installed: left out")
    result: dict[str, Any] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "reels": subjects,
        "clips_a_reel": EVENTS,
        "sides": {},
        "ratios": {},
    }
    sides, ratios = result["sides"], result["ratios"]
    for form in ("720p", "gop30", "gop250"):
        root = run / form
        shutil.copytree(games / form, root)
        mine = sides.setdefault(form, {})
        mine["openbasket"] = measure("openbasket", root, subjects)
        for side in peers if form == "720p" else peers[:1]:
            mine[side] = measure(side, root, subjects)
        for side, found in mine.items():
            if side != "openbasket":
                ratio = found["cpu_s"] / mine["openbasket"]["cpu_s"]
                ratios[f"{form}: {side} over openbasket"] = ratio
        if form != "720p":
            shutil.rmtree(root)
            shutil.copytree(games / form, root)
            mine["openbasket, unchecked"] = measure("openbasket", root, subjects, check=False)
            ratio = mine["ffmpeg"]["cpu_s"] / mine["openbasket, unchecked"]["cpu_s"]
            ratios[f"{form}: ffmpeg over openbasket, unchecked"] = ratio
    root, mine = run / "720p", sides["720p"]
    begun = [mine["openbasket"]]
    begun += [measure("openbasket", root, subjects, draw) for draw in range(1, DRAWS)]
    mine["openbasket, draws 1 to 4"] = {"cpu_s": sum(found["cpu_s"] for found in begun[1:])}
    five = DRAWS * mine["ffmpeg"]["cpu_s"]  # it knows of no other draw
    ratios["720p: ffmpeg over openbasket, five draws"] = five / sum(f["cpu_s"] for f in begun)
    joined = join_stored(root)
    mine["a reel of 50 clips from the store"] = joined
    a_clip = mine["ffmpeg"]["cpu_s"] / (subjects * EVENTS)
    ratios["720p: ffmpeg over openbasket, a reel whose clips are in the store"] = (
        PAPER_CLIPS * a_clip / joined["cpu_s"]
    )
    result["core_hours_for_the_paper"] = {
        f"{form}, {side}": found["cpu_s"] / (subjects * EVENTS) * PAPER_REELS * PAPER_CLIPS / 3600
        for form, there in sides.items()
        for side, found in there.items()
        if "frames" in found
    }
    for name, ratio in ratios.items():
        print(f"{ratio:8.2f}  {name}")
    for name, hours in result["core_hours_for_the_paper"].items():
        print(f"{hours:8.0f} core-hours for {PAPER_REELS:,} reels of {PAPER_CLIPS} clips: {name}")
    return result


def join_stored(root: Path) -> dict[str, float]:
    """Make a reel of 50 clips of the store (check, join, hash it); medians of five."""
    from openbasket.reels.assemble import ReelJob, assemble
    from openbasket.reels.cut import clip_name
    from openbasket.storage import Folder
    from openbasket.workspace import Workspace

    workspace = Workspace(root)
    rows = workspace.read("clips").unique("clip_id").sort("clip_id")
    chosen = [rows.row(i % rows.height, named=True) for i in range(PAPER_CLIPS)]
    job = ReelJob(
        "joined",
        Folder(root),
        "joined.mp4",
        Folder(workspace.clips),
        tuple(clip_name(row["clip_id"]) for row in chosen),
        tuple(row["frames"] for row in chosen),
    )
    runs = []
    for _ in range(5):
        before, begun = cpu_s(), time.perf_counter()
        assemble(job)
        runs.append({"wall_s": time.perf_counter() - begun, "cpu_s": cpu_s() - before})
    return {key: median(run[key] for run in runs) for key in runs[0]}


if __name__ == "__main__":
    main()
