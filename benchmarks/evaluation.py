"""Tables 2 to 8 with intervals for nine models, beside scikit-learn and SciPy in a loop.

    python benchmarks/evaluation.py --out benchmarks/results/evaluation.json

5,600 test subjects and 4,500 of the three unseen splits, 20 skills of which 5 % of the labels are missing,
9 runs and 3 baselines, 2,000 resamples, parts by league, season, gender and region, and reels of 50 clips
from 20 to 30 games that team-mates and opponents share: from files of predictions to tables. The peer
computes the seven metrics of the test split with scikit-learn and SciPy on the rows of each resample, for one
run and few resamples; its time is scaled up to all runs and resamples (no parts, no games, no tests between
runs). The numbers of both must be alike.
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
from openbasket.evaluation.metrics import METRICS
from openbasket.evaluation.predictions import read_predictions, to_array
from openbasket.evaluation.scoring import label_array
from openbasket.evaluation.tables import paper_tables
from openbasket.skills import OFFICIAL_ORDER, SKILL_KEYS, SKILLS
from openbasket.tables import dtypes
from openbasket.workspace import Workspace

SIZES = {"test": 5600, "cross_season": 2000, "cross_league": 1500, "cross_season_and_league": 1000}
LEAGUES, SEASONS, RUNS, RESAMPLES, LOOPED = 17, 5, 9, 2000, 4
#: Share of labels that are missing; teams of a league, and clips of a reel.
MASKED, TEAMS, CLIPS = 0.05, 16, 50
REGIONS = ("Europe", "Americas", "Asia", "Africa")


def make(root: Path) -> list[Path]:
    """A dataset of the paper's size (no videos) and nine runs on it, each better than the last."""
    rng = np.random.default_rng(0)
    subjects, labels, people = [], [], []
    for split, size in SIZES.items():
        lines = [",".join(["path", *(s.name for s in OFFICIAL_ORDER)])]
        for number in range(size):
            person, league = f"{split}{number * 5 // 7}", f"L{number % LEAGUES}"
            season = f"{18 + number % SEASONS}-{19 + number % SEASONS}"
            years = season.replace("-", "_")
            row = rng.integers(0, 5, 20)
            path = f"BASKET/{season}/{league}/{person}_{years}.mp4"
            cells = np.where(rng.random(20) < MASKED, "", row.astype(str))
            lines.append(",".join([path, *cells]))
            subjects.append(f"{person}_{league}_{years}")
            place = number % LEAGUES
            gender = "women" if place % 3 == 0 else "men"
            people.append((person, league, season, gender, REGIONS[place % len(REGIONS)]))
            labels.append(row)
        file = root / SPLIT_FILES[split]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
    workspace = Workspace(root)
    workspace.write("subjects", subjects_table(subjects, people))
    workspace.write("reels", reels_table(rng, subjects, people))
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


def subjects_table(subjects: list[str], people: list[tuple[str, ...]]) -> pl.DataFrame:
    rows = [
        (subject, *facts, 30, 600.0, 300) for subject, facts in zip(subjects, people, strict=True)
    ]
    return pl.DataFrame(rows, schema=dtypes("subjects"), orient="row")


def reels_table(
    rng: np.random.Generator, subjects: list[str], people: list[tuple[str, ...]]
) -> pl.DataFrame:
    """Clips of each subject from 20 to 30 games of a team that plays every other home and away."""
    pairs = np.array([(h, a) for h in range(TEAMS) for a in range(TEAMS) if h != a])
    of_team = [np.flatnonzero((pairs == team).any(axis=1)) for team in range(TEAMS)]
    games = []
    for _, league, season, *_ in people:
        mine = rng.choice(of_team[rng.integers(TEAMS)], rng.integers(20, 31), replace=False)
        # Every chosen game at least once, the other clips from any of them.
        drawn = np.concatenate([mine, rng.choice(mine, CLIPS - len(mine))])
        games += [f"{league}-{season}-{game}" for game in drawn]
    count = len(subjects) * CLIPS
    columns = {
        "subject_id": np.repeat(subjects, CLIPS),
        "draw": np.zeros(count),
        "position": np.tile(np.arange(CLIPS), len(subjects)),
        "clip_id": [f"c{i}" for i in range(count)],
        "game_id": games,
        "event_id": [f"e{i}" for i in range(count)],
        "first_frame": np.tile(np.arange(CLIPS) * 300, len(subjects)),
        "frames": np.full(count, 300),
        "path": ["reel.mp4"] * count,
    }
    return pl.DataFrame(columns).cast(dtypes("reels"))  # type: ignore[arg-type]


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
        known = ~np.isnan(labels[:, skill])
        true, odds = labels[known, skill].astype(int), p[known, skill]
        guess = odds.argmax(axis=1)
        rows.append(
            [
                accuracy_score(true, guess),
                np.mean(np.abs(true - guess) <= 1),
                mean_absolute_error(true, guess),
                f1_score(true, guess, average="macro"),
                cohen_kappa_score(true, guess, weights="quadratic"),
                spearmanr(true, guess).statistic,
                calibration(odds, true),
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
        labels = label_array(samples)
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
        loop_cpu = (time.process_time() - cpu) * RESAMPLES / LOOPED * (RUNS + 3)
    mine = [evaluation.find("run0").scores[name]["mean"].value for name in METRICS]
    largest = max(abs(a - b) for a, b in zip(mine, value, strict=True))
    result = {
        "subjects": SIZES, "runs": RUNS, "resamples": RESAMPLES, "looped_resamples": LOOPED,
        "ours_wall_s": ours_s, "ours_cpu_s": ours_cpu, "peak_mb": peak, "peak_before_mb": before,
        "peer_cpu_s_scaled": loop_cpu, "ratio": ours_cpu / loop_cpu,
        "largest_difference": largest, "comparisons": len(evaluation.comparisons),
        "clusters": evaluation.clusters, "masked": MASKED, "parts": len(evaluation.results) // (RUNS + 3),
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
