"""Score predictions of any model against a dataset. Knows files, not models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openbasket.dataset.reader import SPLIT_FILES, TEST_SPLITS, Sample, has_split, read_split
from openbasket.errors import BadInputError, NotFoundError, Problem, UnknownNameError
from openbasket.evaluation.baselines import majority, random_guess
from openbasket.evaluation.intervals import bootstrap, cluster_weights
from openbasket.evaluation.metrics import GROUPS, METRICS, group_means
from openbasket.evaluation.predictions import read_predictions, to_array
from openbasket.skills import SKILL_KEYS
from openbasket.workspace import Workspace

__all__ = ["Evaluation", "Result", "Score", "dataset_levels", "evaluate"]


@dataclass(frozen=True)
class Score:
    """One number, with what it rests on.

    Args:
        value: mean over the labelled cells; ``None`` where there are none.
        low, high: 95 % interval by a bootstrap over persons; ``None`` where there is nothing to draw.
        labels: labelled cells that count.
        cells: cells there are (subjects times skills).
        unanswered: labelled cells for which the run gave no level; they count as not right.
    """

    value: float | None
    low: float | None
    high: float | None
    labels: int
    cells: int
    unanswered: int = 0


@dataclass(frozen=True)
class Result:
    """One run on one split (or a part of it).

    Args:
        run: name of the run, or of the baseline.
        model: its model; ``baseline`` for baselines.
        split: split of the dataset.
        part: such as ``season=22-23``; empty for the whole split.
        subjects: subjects scored.
        persons: how many persons they are.
        scores: metric -> group (skill, category, ``mean``) -> score.
    """

    run: str
    model: str
    split: str
    part: str
    subjects: int
    persons: int
    scores: dict[str, dict[str, Score]]


@dataclass(frozen=True)
class Evaluation:
    """Results of all runs and baselines.

    Args:
        levels: number of levels; guessing scores ``1 / levels``.
        resamples: of the bootstrap.
        results: one for each run, split and part.
    """

    levels: int
    resamples: int
    results: list[Result]

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain data."""
        return asdict(self)

    def find(self, run: str, split: str = "test", part: str = "") -> Result:
        """The result of a run on a split.

        Raises:
            UnknownNameError: no such run there.
        """
        for result in self.results:
            if (result.run, result.split, result.part) == (run, split, part):
                return result
        raise UnknownNameError("run", run, sorted({r.run for r in self.results}))


def dataset_levels(root: Path) -> int:
    """Number of levels of a dataset: its manifest says, the official download has five.

    Raises:
        BadInputError: the manifest is damaged.
    """
    path = Path(root) / "openbasket" / "manifest.json"
    if not path.exists():
        return 5
    try:
        return int(Workspace(root).read_json("manifest.json")["levels"])
    except (ValueError, KeyError, TypeError) as error:
        problem = Problem(str(path), None, "levels", f"a damaged file ({error})", "a whole number")
        raise BadInputError([problem], "Make it again with 'openbasket build'.") from None


def evaluate(
    prediction_files: Sequence[Path],
    root: Path,
    *,
    splits: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    breakdowns: bool = True,
) -> Evaluation:
    """Score runs, and the random and majority baselines, on a dataset.

    A run is scored on every split that it predicts wholly. Predictions for a part of a split are
    refused: a row that was lost must not make a number better.

    Args:
        prediction_files: parquet files of table ``predictions``; several runs may share one.
        root: a dataset in the official layout.
        splits: which to score; by default all that the dataset has but train and val.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        breakdowns: score the parts by season, league, gender and region, too (Table 3).

    Raises:
        NotFoundError: the dataset has none of the splits, or no run predicts any of them.
        BadInputError: predictions that cannot be scored.
    """
    root = Path(root)
    levels = dataset_levels(root)
    wanted = list(splits) if splits else list(TEST_SPLITS)
    samples = {
        split: read_split(root, split, levels=levels, require_videos=False)
        for split in SPLIT_FILES
        if has_split(root, split)
    }
    missing = [split for split in splits or () if split not in samples]
    if missing or not any(split in samples for split in wanted):
        raise NotFoundError(f"the dataset at '{root}' has no split {', '.join(missing or wanted)}")
    known = [sample.subject_id for part in samples.values() for sample in part]
    frames = [(path, read_predictions(path, known)) for path in prediction_files]
    runs = _runs(frames, levels)
    places = _places(root) if breakdowns else None
    train = _labels(samples.get("train", []))
    results: list[Result] = []
    scored: set[str] = set()
    for split in (s for s in wanted if samples.get(s)):
        part = samples[split]
        subjects = [sample.subject_id for sample in part]
        tables = {
            ("random", "baseline"): random_guess(len(part), len(SKILL_KEYS), levels),
            ("majority", "baseline"): majority(train, len(part), levels),
        }
        for key, frame in runs.items():
            array = to_array(frame, subjects, levels)
            absent = sorted(set(subjects) - set(frame["subject_id"]))
            if len(absent) == len(subjects):
                continue
            if absent:
                given = f"run '{key[0]}' has no prediction for {len(absent)} of {len(subjects)}"
                raise BadInputError(
                    [
                        Problem(
                            split,
                            None,
                            "subject_id",
                            f"{given}: {', '.join(absent[:5])}",
                            "all of them",
                        )
                    ]
                )
            tables[key] = array
            scored.add(key[0])
        for name, rows in _parts(part, places).items():
            picked = [part[i] for i in rows]
            weights = cluster_weights([sample.player_id for sample in picked], resamples, seed)
            results += [
                _score(run, model, split, name, array[rows], picked, weights)
                for (run, model), array in tables.items()
            ]
    unscored = [run for run, _ in runs if run not in scored]
    if unscored:
        raise NotFoundError(
            f"no prediction of run '{unscored[0]}' is about the splits {', '.join(wanted)}"
        )
    return Evaluation(levels, resamples, results)


def _runs(
    frames: Sequence[tuple[Path, pl.DataFrame]], levels: int
) -> dict[tuple[str, str], pl.DataFrame]:
    runs: dict[tuple[str, str], pl.DataFrame] = {}
    for path, frame in frames:
        for (run, model), part in frame.partition_by("run", "model", as_dict=True).items():
            key = (str(run), str(model))
            answered = part.filter(pl.col("p0").is_not_null())
            given = 3 if answered["p3"].null_count() == answered.height else 5
            if given != levels and not answered.is_empty():
                found, allowed = f"{given} levels in run '{run}'", f"{levels}, as the dataset has"
                raise BadInputError([Problem(str(path), None, "p0 ... p4", found, allowed)])
            if key[0] in {name for name, _ in runs} | {"random", "majority"}:
                raise BadInputError(
                    [Problem(str(path), None, "run", repr(key[0]), "a name that no other run has")]
                )
            runs[key] = part
    return runs


def _labels(samples: Sequence[Sample]) -> np.ndarray:
    rows = [[np.nan if level is None else level for level in sample.levels] for sample in samples]
    return np.array(rows, dtype=float).reshape(len(samples), len(SKILL_KEYS))


def _places(root: Path) -> dict[str, dict[str, str]]:
    """Gender and region of each subject, where the workspace's tables are there."""
    workspace = Workspace(root)
    if not workspace.has("subjects"):
        return {}
    rows = workspace.read("subjects").select("subject_id", "gender", "region").rows()
    return {
        subject: {"gender": gender, **({"region": region} if region else {})}
        for subject, gender, region in rows
    }


def _parts(
    samples: Sequence[Sample], places: dict[str, dict[str, str]] | None
) -> dict[str, list[int]]:
    """The whole split, and its parts by season, league, gender and region (if there are several)."""
    parts: dict[str, list[int]] = {"": list(range(len(samples)))}
    if places is None:
        return parts
    found: dict[str, dict[str, list[int]]] = {}
    for row, sample in enumerate(samples):
        facts = {
            "season": sample.season,
            "league": sample.league,
            **places.get(sample.subject_id, {}),
        }
        for kind, value in facts.items():
            found.setdefault(kind, {}).setdefault(value, []).append(row)
    for kind, values in found.items():
        if len(values) > 1:
            parts |= {f"{kind}={value}": rows for value, rows in sorted(values.items())}
    return parts


def _score(
    run: str,
    model: str,
    split: str,
    part: str,
    probabilities: np.ndarray,
    samples: Sequence[Sample],
    weights: np.ndarray | None,
) -> Result:
    labels = _labels(samples)
    persons = {sample.player_id for sample in samples}
    unanswered = np.isnan(probabilities[..., 0]) & ~np.isnan(labels)
    scores: dict[str, dict[str, Score]] = {}
    for metric, cells_of in METRICS.items():
        cells = cells_of(probabilities, labels)
        means = group_means(cells)[0]
        low, high = bootstrap(cells, weights)
        scores[metric] = {
            name: Score(
                _number(means[i]),
                _number(low[i]),
                _number(high[i]),
                int((~np.isnan(cells[:, members])).sum()),
                len(samples) * len(members),
                int(unanswered[:, members].sum()),
            )
            for i, (name, members) in enumerate(GROUPS)
        }
    return Result(run, model, split, part, len(samples), len(persons), scores)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
