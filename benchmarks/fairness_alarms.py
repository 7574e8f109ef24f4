"""How often a group that is treated like all others is warned about, beside a t-test that always tells.

    python benchmarks/fairness_alarms.py --out benchmarks/results/fairness_alarms.json

A small group and many others, whose answers are right equally often. Each of the two is compared with the
whole as ``openbasket fairness`` does, at 5 %, and by the same t-test over persons (Welch's, where a person
has one subject) without the demand for errors and hits on either side.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from openbasket.evaluation.contrasts import can_tell, compare, uncommon

ROUNDS, ALPHA = 400, 0.05
SIZES = ((12, 60), (12, 300), (30, 200), (100, 400))
SKILLS, RIGHT = (1, 5, 20), (0.8, 0.9, 0.95, 0.98)
#: Persons differ in how often they are answered rightly: standard deviation of the log odds.
SPREAD = 0.5


def draw(
    rng: np.random.Generator, persons: int, skills: int, right: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of accuracy and labels, ``(persons, 20)``."""
    labels = np.full((persons, 20), np.nan)
    labels[:, :skills] = rng.integers(0, 5, (persons, skills))
    odds = np.log(right / (1 - right)) + rng.normal(0, SPREAD, persons)
    cells = (rng.random(labels.shape) < 1 / (1 + np.exp(-odds))[:, None]).astype(float)
    return np.where(np.isnan(labels), np.nan, cells), labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rng, rows, begun = np.random.default_rng(0), [], time.process_time()
    print("right skills group others   t-test: group  others   ours: group  others   tested")
    for right in RIGHT:
        for skills in SKILLS:
            for group, others in SIZES:
                persons = np.arange(group + others)
                alarms, tested = np.zeros((2, 2)), 0
                for _ in range(ROUNDS):
                    cells, labels = draw(rng, len(persons), skills, right)
                    apart, known = uncommon(cells, labels), ~np.isnan(cells)
                    for side, inside in enumerate((persons < group, persons >= group)):
                        found = compare(cells, inside, persons, labels)
                        told = can_tell(apart, known, inside, persons)
                        alarm = found is not None and found.p_less < ALPHA
                        alarms[:, side] += alarm, alarm and told
                    tested += told
                (plain, plain_others), (ours, ours_others) = (alarms / ROUNDS).tolist()
                rows.append({
                    "right": right, "skills": skills, "group": group, "others": others,
                    "t_test": plain, "t_test_others": plain_others, "ours": ours,
                    "ours_others": ours_others, "tested": tested / ROUNDS,
                })  # fmt: skip
                print(
                    f"{right:5} {skills:6} {group:5} {others:6} {plain:15.3f} {plain_others:7.3f} "
                    f"{ours:13.3f} {ours_others:7.3f} {tested / ROUNDS:8.2f}",
                    flush=True,
                )
    result = {
        "rows": rows, "rounds": ROUNDS, "alpha": ALPHA, "spread": SPREAD,
        "cpu_s": time.process_time() - begun, "load": os.getloadavg()[0],
        "python": platform.python_version(), "cores": os.cpu_count(),
    }  # fmt: skip
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
