"""How often 95 % intervals of metrics hold the truth, beside the plain percentile intervals of SciPy's kind.

    python benchmarks/interval_coverage.py --out benchmarks/results/interval_coverage.json

Populations whose truth is known (a sample of 200,000), from which 60 to 1,000 persons are drawn again and
again: 20 skills of five equal levels that are seen with much or little noise. The peer is the percentile
interval of the very same resamples (``scipy.stats.bootstrap(method="percentile")``; Efron and Tibshirani
1993, chapter 13).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from openbasket.evaluation.intervals import PersonDraws, ends, without_bias
from openbasket.evaluation.metrics import measure

NAMES = ("macro_f1", "quadratic_kappa", "spearman")
#: Persons -> rounds.
SIZES = {60: 500, 150: 500, 300: 300, 1000: 200}
#: Correlation of what a model sees with what is true.
SEEN = (0.3, 0.6, 0.9)
RESAMPLES, TRUTH = 400, 200_000
MEAN = -1


def draw(rng: np.random.Generator, persons: int, seen: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities ``(persons, 20, 5)`` and labels of a model that answers the middle too often."""
    skill = rng.normal(size=(persons, 20))
    labels = np.digitize(skill, [-0.8416, -0.2533, 0.2533, 0.8416]).astype(float)
    found = seen * skill + np.sqrt(1 - seen**2) * rng.normal(size=skill.shape)
    middle = np.array([-1.3, -0.55, 0, 0.55, 1.3])
    odds = np.exp(-2 * (found[..., None] - middle) ** 2) * [0.5, 0.8, 1, 0.8, 0.5]
    return odds / odds.sum(axis=-1, keepdims=True), labels


def truth_of(rng: np.random.Generator, seen: float) -> dict[str, float]:
    """The metrics of the population, from ten samples whose 20 skills are all alike."""
    parts = [measure(*draw(rng, TRUTH // 10, seen), None, NAMES) for _ in range(10)]
    return {name: float(np.mean([part[name][0, MEAN] for part in parts])) for name in NAMES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    begun = time.process_time()
    print(
        "seen persons metric           mean of skills: percentile  ours   each skill: percentile  ours"
    )
    for seen in SEEN:
        rng = np.random.default_rng(1)
        truth = truth_of(rng, seen)
        for persons, rounds in SIZES.items():
            inside = {name: np.zeros((2, 2)) for name in NAMES}
            for number in range(rounds):
                probabilities, labels = draw(rng, persons, seen)
                drawn = PersonDraws([str(i) for i in range(persons)], RESAMPLES, number)
                for name, found in measure(probabilities, labels, drawn.sums, NAMES).items():
                    value = found[0]
                    for row, moved in enumerate((found[1:], without_bias(found[1:], value))):
                        low, high = ends(moved)
                        if row:
                            low, high = np.minimum(low, value), np.maximum(high, value)
                        held = (low <= truth[name]) & (truth[name] <= high)
                        inside[name][row] += held[MEAN], held[:20].mean()
            for name in NAMES:
                (plain, plain_each), (ours, ours_each) = (inside[name] / rounds).tolist()
                rows.append({
                    "seen": seen, "persons": persons, "rounds": rounds, "metric": name,
                    "percentile": plain, "ours": ours,
                    "percentile_each_skill": plain_each, "ours_each_skill": ours_each,
                })  # fmt: skip
                print(
                    f"{seen:4} {persons:7} {name:16} {plain:26.2f} {ours:5.2f} "
                    f"{plain_each:24.2f} {ours_each:5.2f}",
                    flush=True,
                )
    result = {
        "rows": rows, "resamples": RESAMPLES, "cpu_s": time.process_time() - begun,
        "load": os.getloadavg()[0], "python": platform.python_version(), "cores": os.cpu_count(),
    }  # fmt: skip
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
