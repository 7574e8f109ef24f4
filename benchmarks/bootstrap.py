"""Intervals of a test split of the paper's size: ours beside a plain loop over resamples.

    python benchmarks/bootstrap.py --out benchmarks/results/bootstrap.json

5,600 subjects, 20 skills, 4,000 persons, 2,000 resamples. The loop does fewer resamples, and its time is
scaled up. The widths of both intervals are printed and must be alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from openbasket.evaluation.intervals import bootstrap, cluster_weights

SUBJECTS, PERSONS, RESAMPLES, LOOPED = 5600, 4000, 2000, 100


def loop(cells: np.ndarray, persons: list[str], resamples: int) -> np.ndarray:
    """Mean over skills of each resample: draw persons, gather their rows, average."""
    rng = np.random.default_rng(0)
    rows_of: dict[str, list[int]] = {}
    for row, person in enumerate(persons):
        rows_of.setdefault(person, []).append(row)
    groups = [np.array(rows) for rows in rows_of.values()]
    means = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(groups), len(groups))
        rows = np.concatenate([groups[i] for i in drawn])
        means.append(np.nanmean(np.nanmean(cells[rows], axis=0)))
    return np.array(means)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    cells = (rng.random((SUBJECTS, 20)) < 0.3).astype(float)
    cells[rng.random(cells.shape) < 0.1] = np.nan
    persons = [str(i) for i in rng.integers(0, PERSONS, SUBJECTS)]
    begun = time.process_time()
    low, high = bootstrap(cells, cluster_weights(persons, RESAMPLES))
    ours_s = time.process_time() - begun
    begun = time.process_time()
    means = loop(cells, persons, LOOPED)
    loop_s = (time.process_time() - begun) * RESAMPLES / LOOPED
    width = 2 * 1.96 * means.std(ddof=1)
    result = {
        "subjects": SUBJECTS, "resamples": RESAMPLES, "loop_resamples": LOOPED,
        "ours_cpu_s": ours_s, "loop_cpu_s_scaled": loop_s, "ratio": ours_s / loop_s,
        "interval_width": float(high[-1] - low[-1]), "loop_interval_width": float(width),
        "python": platform.python_version(), "cores": os.cpu_count(),
    }  # fmt: skip
    print(f"ours {ours_s:.2f} s CPU (26 means); plain loop {loop_s:.2f} s (one mean, scaled up)")
    print(f"ratio {result['ratio']:.2f}; interval widths {high[-1] - low[-1]:.4f} and {width:.4f}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
