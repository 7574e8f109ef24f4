"""What it is worth that memory which networks free is kept: with and without, in turn, in one run.

    python benchmarks/allocator.py --out benchmarks/results/allocator.json

Each round is a process of its own, of one thread, which encodes clips with the encoder of ``skillquery`` and
teaches it one batch of lessons' size, as :func:`openbasket.memory.keep_freed` leaves glibc or as it comes.
Times are of the user and of the system apart.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

#: Clips that are encoded, and that are learned from at once.
ENCODED, LEARNED = 96, 16


def measured(keep: bool) -> dict[str, dict[str, float]]:
    """Seconds of encoding and of learning, in this process."""
    import torch

    from openbasket.memory import keep_freed
    from openbasket.models import create_model

    torch.set_num_threads(1)
    torch.manual_seed(0)
    if keep and not keep_freed():
        raise SystemExit("this needs glibc, and no MALLOC_... variables")
    model = create_model("skillquery")
    clips = torch.randn(LEARNED, 3, 8, 160, 160)

    def encode() -> None:
        with torch.inference_mode():
            for _ in range(ENCODED // 8):
                model.encoded(clips[:8])  # type: ignore[operator]

    def learn() -> None:
        model.encoded(clips).square().sum().backward()  # type: ignore[operator]

    found = {}
    for name, work in (("encode", encode), ("learn", learn)):
        work()
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        work()
        after = resource.getrusage(resource.RUSAGE_SELF)
        found[name] = {
            "wall_s": time.perf_counter() - began,
            "user_s": after.ru_utime - before.ru_utime,
            "system_s": after.ru_stime - before.ru_stime,
        }
    found["peak"] = {"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/allocator.json"))
    parser.add_argument("--one", choices=["kept", "given back"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one == "kept")))
        return
    rounds: dict[str, list[Any]] = {"kept": [], "given back": []}
    for _ in range(options.rounds):
        for way, held in rounds.items():
            command = [sys.executable, __file__, "--one", way]
            held.append(json.loads(subprocess.check_output(command)))
    found: dict[str, Any] = {
        way: {
            part: {key: round(median(r[part][key] for r in held), 2) for key in held[0][part]}
            for part in held[0]
        }
        for way, held in rounds.items()
    }
    ratio = {
        part: round(found["given back"][part]["wall_s"] / found["kept"][part]["wall_s"], 2)
        for part in ("encode", "learn")
    }
    for way, parts in found.items():
        print(f"{way:>10}  {parts}")
    print(f"     ratio  {ratio}")
    content = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "clips": {"encode": ENCODED, "learn": LEARNED},
        **found,
        "ratio": ratio,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
