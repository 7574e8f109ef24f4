"""How long, and in how much memory, all EuroLeague and EuroCup seasons become labels.

Each verb runs as a process of its own, as ``make real`` runs it. Needs the real play-by-play
(``OPENBASKET_REAL_DATA``, by default ``../shared/data``); says so and ends well where it is absent.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("OPENBASKET_REAL_DATA", REPO.parent / "shared" / "data"))


def main() -> None:
    """Run import, check and label; print a table and write it."""
    sources = [DATA / "events" / league for league in ("euroleague", "eurocup")]
    if not all(source.is_dir() for source in sources):
        print(f"no real play-by-play at {DATA}; set OPENBASKET_REAL_DATA")
        return
    with tempfile.TemporaryDirectory() as folder:
        workspace = f"{folder}/workspace"
        verbs = {
            "import": [
                "import",
                "euroleague",
                *map(str, sources),
                "--into",
                workspace,
                "-q",
                "--json",
            ],
            "check": ["check", workspace, "--json"],
            "label": ["label", workspace, "-q", "--json"],
        }
        seconds, outputs = {}, {}
        for verb, words in verbs.items():
            started = time.perf_counter()
            code = "from openbasket.cli import main; main()"
            done = subprocess.run(
                [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
            )
            seconds[verb] = round(time.perf_counter() - started, 1)
            outputs[verb] = json.loads(done.stdout)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    checked = outputs["check"]
    result = {
        "games": checked["games"],
        "events": sum(s["events"] for s in outputs["import"]["seasons"]),
        "player_games": checked["player_games"],
        "lowest_agreement": min(checked["agreement"].values()),
        "minutes_within_5_s": round(checked["minutes_within_5_s"], 4),
        "games_flagged": len(checked["flagged"]),
        "subjects": sum(s["subjects"] for s in outputs["label"]["seasons"]),
        "labels": sum(s["labels"] for s in outputs["label"]["seasons"]),
        "seconds": seconds,
        "import_to_labels_s": round(seconds["import"] + seconds["label"], 1),
        "peak_memory_mb": round(peak),
    }
    for name, value in result.items():
        print(f"{name:22} {value}")
    path = REPO / "benchmarks" / "results" / "real_labels.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
