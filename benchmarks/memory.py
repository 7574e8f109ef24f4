"""Peak memory of cutting clips, from a video of 40 s and from one of two hours: at most 1 GiB.

python benchmarks/memory.py --out benchmarks/results/memory.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

from full_build import FILM_S, film

from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.join import join

TIMES = 180


def cut(source: Path, seconds: int) -> float:
    """Cut three clips of 10 s, all over the video; return the peak of memory in MiB."""
    with tempfile.TemporaryDirectory() as name:
        starts = [Fraction(seconds * part // 100) for part in (5, 40, 70)]
        spans = [Span(Path(name) / f"{i}.mp4", start, 300) for i, start in enumerate(starts)]
        for _, error in cut_clips(source, spans, Encoding()):
            assert error is None, error
    # Not ru_maxrss: Linux counts in it what the process was before it became this program.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--seconds", type=int)
    given = parser.parse_args()
    if given.source:
        print(cut(given.source, given.seconds))
        return
    found = {}
    with tempfile.TemporaryDirectory() as name:
        short, long = Path(name) / "short.mp4", Path(name) / "long.mp4"
        film(short)
        join([short] * TIMES, long)
        for path, seconds in ((short, FILM_S), (long, FILM_S * TIMES)):
            words = [sys.executable, __file__, "--source", str(path), "--seconds", str(seconds)]
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
            found[str(seconds)] = float(done.stdout)
            print(f"{seconds:6} s of 720p: {found[str(seconds)]:6.0f} MiB at most")
            if found[str(seconds)] > 1024:
                raise SystemExit("a worker takes more than 1 GiB")
    if given.out:
        content = {"peak_mib_by_seconds_of_video": found, "clips": 3, "clip_s": 10}
        given.out.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
