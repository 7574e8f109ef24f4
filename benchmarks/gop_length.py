"""How long the clips' groups of pictures should be: size and cost of cutting against speed of reading.

Ten clips of 10 s of a rendered game are cut with each length and joined fivefold to a reel of 50; 64 uniform
frames of it are read, as a model's loader does. CPU seconds, the best of the rounds; the lengths take turns.

    python benchmarks/gop_length.py --out benchmarks/results/gop_length.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from fractions import Fraction
from pathlib import Path

from openbasket.simulation.broadcast import RenderSettings, render_all
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.frames import frames_at, uniform_indices
from openbasket.video.join import join
from openbasket.workspace import Workspace

LENGTHS = (8, 15, 30, 60, 125, 250)
CLIPS, FRAMES, READ = 10, 300, 64


def film(root: Path) -> Path:
    """A rendered game whose pictures do not fit a clip's groups, so that all is encoded anew."""
    workspace = Workspace(root, create=True)
    league = LeagueSettings("gop", teams=2, players_per_team=6, rounds=1, seasons=("21-22",))
    league = LeagueSettings(**{**vars(league), "period_s": 60.0, "periods": 2})
    simulate(workspace, [league], quiet=True)
    game = workspace.read("games")["game_id"][0]
    render_all(workspace, [game], settings=RenderSettings(crf=18, preset="veryfast"), quiet=True)
    return workspace.videos / f"{game}.mp4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found: dict[int, dict[str, float]] = {
        length: {"cut_cpu_s": 1e9, "read_cpu_s": 1e9} for length in LENGTHS
    }
    with tempfile.TemporaryDirectory() as name:
        source = film(Path(name) / "league")
        for turn in range(given.rounds):
            for length, row in found.items():
                folder = Path(name) / f"{length}_{turn}"
                encoding = Encoding(gop=length, copy=False)
                spans = [Span(folder / f"{i}.mp4", Fraction(11 * i), FRAMES) for i in range(CLIPS)]
                begun = time.process_time()
                errors = [error for _, error in cut_clips(source, spans, encoding) if error]
                row["cut_cpu_s"] = min(row["cut_cpu_s"], time.process_time() - begun)
                assert not errors, errors
                reel = folder / "reel.mp4"
                frames = sum(join([span.path for span in spans] * 5, reel))
                row["reel_mb"] = reel.stat().st_size / 1e6
                begun = time.process_time()
                frames_at(reel, uniform_indices(frames, READ))
                row["read_cpu_s"] = min(row["read_cpu_s"], time.process_time() - begun)
    print(f"{'GOP':>5}{'reel MB':>10}{'cut CPU s':>11}{'read CPU s':>12}")
    for length, row in found.items():
        print(f"{length:5}{row['reel_mb']:10.1f}{row['cut_cpu_s']:11.2f}{row['read_cpu_s']:12.2f}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        result = {
            "clips": CLIPS, "frames_each": FRAMES, "frames_read": READ, "rounds": given.rounds,
            "by_gop": found, "cores": os.cpu_count(), "python": platform.python_version(),
        }  # fmt: skip
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
