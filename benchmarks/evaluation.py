"""Tables 2, 3, 5 and 8 with intervals for nine models, beside scikit-learn and SciPy in a loop.

    python benchmarks/evaluation.py --out benchmarks/results/evaluation.json

5,600 test subjects and 4,500 of the three unseen splits, 20 skills, 9 runs and 2 baselines, 2,000
resamples: from files of predictions to tables. The peer computes the seven metrics of the test split with
scikit-learn and SciPy on the rows of each resample, for one run and few resamples; its time is scaled up
to all runs and resamples (no parts, no tests between runs). The numbers of both must be alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import spearmanr
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    f1_score,
    mean_absolute_error,
)

from openbasket.dataset.reader import SPLIT_FILES, read_split
from openbasket.evaluation import evaluate
from openbasket.evaluation.formats import render
from openbasket.evaluation.predictions import read_predictions, to_array
from openbasket.evaluation.scoring import label_array
from openbasket.evaluation.tables import paper_tables
from openbasket.skills import OFFICIAL_ORDER, SKILL_KEYS, SKILLS

SIZES = {"test": 5600, "cross_season": 2000, "cross_league": 1500, "cross_season_and_league": 1000}
LEAGUES, SEASONS, RUNS, RESAMPLES, LOOPED = 17, 5, 9, 2000, 4


def make(root: Path) -> list[Path]:
    """A dataset of the paper's size (labels alone) and nine runs on it, each better than the last."""
    rng = np.random.default_rng(0)
    subjects, labels = [], []
    for split, size in SIZES.items():
        lines = [",".join(["path", *(s.name for s in OFFICIAL_ORDER)])]
        for number in range(size):
            person, league = f"{split}{number * 5 // 7}", f"L{number % LEAGUES}"
            season = f"{18 + number % SEASONS}-{19 + number % SEASONS}"
            years = season.replace("-", "_")
            row = rng.integers(0, 5, 20)
            path = f"BASKET/{season}/{league}/{person}_{years}.mp4"
            lines.append(",".join([path, *map(str, row)]))
            subjects.append(f"{person}_{league}_{years}")
            labels.append(row)
        file = root / SPLIT_FILES[split]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
    files = []
    # Labels stand in the official order; for these runs it is enough that some are right.
    true = np.stack(labels)[:, [s.official_column for s in SKILLS]]
    for run in range(RUNS):
        odds = rng.gumbel(size=(*true.shape, 5)) + 0.08 * (run + 1) * np.eye(5)[true]
        p = np.exp(odds) / np.exp(odds).sum(axis=-1, keepdims=True)
        frame = pl.DataFrame(
            {
                "subject_id": np.repeat(subjects, 20),
                "skill": list(SKILL_KEYS) * len(subjects),
                **{f"p{level}": p[..., level].ravel() for level in range(5)},
            }
        ).with_columns(model=pl.lit(f"model{run}"), run=pl.lit(f"run{run}"))
        files.append(root / f"run{run}.parquet")
        frame.write_parquet(files[-1])
    return files


def calibration(p: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error of one skill, bin after bin."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    total = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return total


def peer(p: np.ndarray, labels: np.ndarray) -> list[float]:
    """Means over skills of the seven metrics, with scikit-learn and SciPy."""
    rows = []
    for skill in range(labels.shape[1]):
        true, guess = labels[:, skill], p[:, skill].argmax(axis=1)
        rows.append(
            [
                accuracy_score(true, guess),
                np.mean(np.abs(true - guess) <= 1),
                mean_absolute_error(true, guess),
                f1_score(true, guess, average="macro"),
                cohen_kappa_score(true, guess, weights="quadratic"),
                spearmanr(true, guess).statistic,
                calibration(p[:, skill], true),
            ]
        )
    return np.mean(rows, axis=0).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = make(root)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begun, cpu = time.perf_counter(), time.process_time()
        evaluation = evaluate(files, root, resamples=RESAMPLES)
        text = render(paper_tables(evaluation), "markdown")
        ours_s, ours_cpu = time.perf_counter() - begun, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        samples = read_split(root, "test", require_videos=False)
        labels = label_array(samples).astype(int)
        p = to_array(read_predictions(files[0]), [s.subject_id for s in samples], 5)
        people = [s.player_id for s in samples]
        value = peer(p, labels)
        rng = np.random.default_rng(0)
        rows_of: dict[str, list[int]] = {}
        for row, person in enumerate(people):
            rows_of.setdefault(person, []).append(row)
        groups = list(rows_of.values())
        cpu = time.process_time()
        for _ in range(LOOPED):
            drawn = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
            peer(p[drawn], labels[drawn])
        loop_cpu = (time.process_time() - cpu) * RESAMPLES / LOOPED * (RUNS + 2)
    mine = [s["mean"].value for s in evaluation.find("run0").scores.values()]
    largest = max(abs(a - b) for a, b in zip(mine, value, strict=True))
    result = {
        "subjects": SIZES, "runs": RUNS, "resamples": RESAMPLES, "looped_resamples": LOOPED,
        "ours_wall_s": ours_s, "ours_cpu_s": ours_cpu, "peak_mb": peak, "peak_before_mb": before,
        "peer_cpu_s_scaled": loop_cpu, "ratio": ours_cpu / loop_cpu,
        "largest_difference": largest, "comparisons": len(evaluation.comparisons),
        "tables_characters": len(text), "load": os.getloadavg()[0],
        "python": platform.python_version(), "cores": os.cpu_count(),
    }  # fmt: skip
    print(
        f"ours: {ours_s:.1f} s wall, {ours_cpu:.1f} s CPU, peak {peak:.0f} MB ({before:.0f} before)"
    )
    print(f"scikit-learn and SciPy in a loop: {loop_cpu:,.0f} s CPU (scaled up, test split alone)")
    print(f"ratio {result['ratio']:.4f}; largest difference of a metric {largest:.1e}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
