"""Runs to score: read from files of predictions, and refused where they are about something else."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from openbasket.dataset.reader import (
    Sample,
    dataset_levels,
    labels_hash,
    read_split,
    read_splits,
)
from openbasket.errors import BadInputError, NotFoundError, Problem
from openbasket.evaluation.facts import read_facts
from openbasket.evaluation.predictions import levels_of, read_predictions, to_array
from openbasket.evaluation.results import Facts
from openbasket.splits.persons import person_key
from openbasket.wording import counted
from openbasket.workspace import Workspace, run_facts_path

__all__ = [
    "BASELINE",
    "BASELINES",
    "Run",
    "crossing_notes",
    "crossing_persons",
    "predictions_of",
    "read_runs",
    "refuse_crossing",
    "runs_about",
    "unscored",
]

#: What every evaluation makes itself; a run of another kind may not have such a name.
BASELINES = ("random", "majority", "text-only")
#: Baselines that may come from files, too: of these runs the model is :data:`BASELINE`.
FROM_FILES = ("text-only", "mean-colour")
#: The mark of baselines: their model.
BASELINE = "baseline"


class Run:
    """The predictions of one run.

    Args:
        name, model: as the file says.
        frame: its rows.
        path: the file.
        facts: what is stated about it.
    """

    def __init__(
        self, name: str, model: str, frame: pl.DataFrame, path: Path, facts: Facts | None
    ) -> None:
        self.name = name
        self.model = model
        self.frame = frame
        self.path = path
        self.facts = facts
        self.subjects = frozenset(frame["subject_id"].unique())


def read_runs(
    files: Sequence[Path], samples: Mapping[str, Sequence[Sample]], levels: int
) -> list[Run]:
    """Read files of predictions, sorted by the names of runs.

    Args:
        files: parquet files of table ``predictions``; several runs may share one.
        samples: split -> subjects, of all splits of the dataset.
        levels: of the dataset.

    Raises:
        BadInputError: predictions that cannot be scored: all that :func:`read_predictions` refuses, another
            number of levels, a name that two runs have, or predictions for other labels.
    """
    known = [sample.subject_id for part in samples.values() for sample in part]
    hashes = {split: labels_hash(part, levels) for split, part in samples.items()}
    runs: list[Run] = []
    for path in files:
        frame = read_predictions(path, known)
        parts = frame.partition_by("run", "model", as_dict=True)
        facts = read_facts(path, sorted({str(run) for run, _ in parts}))
        for (name, model), part in parts.items():
            run = Run(str(name), str(model), part, path, facts.get(str(name)))
            _check(run, levels, {other.name for other in runs}, hashes)
            runs.append(run)
    return sorted(runs, key=lambda run: run.name)


def _key(name: str) -> str:
    """What of a name a reader tells apart: no case, no kind or number of blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _check(run: Run, levels: int, taken: set[str], hashes: Mapping[str, str]) -> None:
    given = levels_of(run.frame)
    if given != levels and run.frame["p0"].is_not_null().any():
        found, allowed = f"{given} levels in run '{run.name}'", f"{levels}, as the dataset has"
        raise BadInputError([Problem(str(run.path), None, "p0 ... p4", found, allowed)])
    if _key(run.model) == BASELINE and (run.model != BASELINE or run.name not in FROM_FILES):
        problem = Problem(
            str(run.path), None, "model", f"'{run.model}' of run {run.name!r}",
            f"that mark for {' and '.join(FROM_FILES)} alone; give the model's name",
        )  # fmt: skip
        raise BadInputError([problem])
    known = {*BASELINES, *FROM_FILES} - set(FROM_FILES if run.model == BASELINE else ())
    if _key(run.name) in {_key(name) for name in taken | known}:
        allowed = "a name that no other run has, not even in other case or with other blanks"
        if _key(run.name) in known:
            allowed += f"; {', '.join(sorted(known))} are baselines"
        raise BadInputError(
            [Problem(str(run.path), None, "run", repr(run.name), allowed)],
            "Give the run another name in column 'run'.",
        )
    stated = run.facts.labels if run.facts else {}
    unknown = sorted(set(stated) - set(hashes))
    if unknown:
        given_text = f"hash of split {', '.join(map(repr, unknown))} of run '{run.name}'"
        raise BadInputError(
            [
                Problem(
                    str(run_facts_path(run.path)), None, "labels", given_text,
                    f"splits of this dataset: {', '.join(hashes) or 'none'}",
                )
            ],
            "The predictions are for another dataset. Give that one, or predict again.",
        )  # fmt: skip
    other = [split for split, found in stated.items() if hashes.get(split, found) != found]
    if other:
        given_text = (
            f"predictions of run '{run.name}' for other subjects or labels of {', '.join(other)}"
        )
        raise BadInputError(
            [Problem(str(run_facts_path(run.path)), None, "labels", given_text, "this dataset's")],
            "The dataset was built anew since. Predict again, or give the dataset that was predicted.",
        )


def predictions_of(
    run: Run, split: str, subjects: Sequence[str], levels: int, *, require_hash: bool = False
) -> np.ndarray | None:
    """A run's probabilities ``(subjects, 20, levels)``; ``None`` if it has nothing about a split.

    Args:
        run: the run.
        split: name of the split.
        subjects: its subjects.
        levels: of the dataset.
        require_hash: refuse a run that does not state the hash of the split's labels.

    Raises:
        BadInputError: it has some of the subjects and lacks others, or no hash where one is required.
    """
    absent = sorted(set(subjects) - run.subjects)
    if len(absent) == len(set(subjects)):
        return None
    if absent:
        given = f"run '{run.name}' has no prediction for {len(absent)} of {len(subjects)}"
        told = f"{given}: {', '.join(absent[:5])}"
        raise BadInputError([Problem(split, None, "subject_id", told, "all of them")])
    if require_hash and split not in (run.facts.labels if run.facts else {}):
        given = f"no hash of the labels of '{split}' for run '{run.name}'"
        raise BadInputError(
            [Problem(str(run_facts_path(run.path)), None, "labels", given, "one (--require-hash)")],
            "'openbasket predict' and 'openbasket predictions from-official' state it; or leave "
            "--require-hash out.",
        )
    return to_array(run.frame, subjects, levels)


def runs_about(path: Path, root: Path, split: str) -> list[str]:
    """Runs of a file that predict anybody of a split, sorted; baselines are left out."""
    samples = read_split(root, split, levels=dataset_levels(root), require_videos=False)
    subjects = [sample.subject_id for sample in samples]
    rows = Workspace.read_file("predictions", path).filter(
        pl.col("subject_id").is_in(subjects), pl.col("model") != BASELINE
    )
    return sorted(rows["run"].unique())


def crossing_persons(samples: Mapping[str, Sequence[Sample]]) -> list[tuple[str, list[str]]]:
    """Persons of train or val who are in another split, too: (person, splits), sorted.

    Spellings that differ by case or blanks alone are one person; all of them are told.
    """
    where: dict[str, set[str]] = {}
    spelled: dict[str, set[str]] = {}
    for split, part in samples.items():
        for sample in part:
            key = person_key(sample.player_id)
            where.setdefault(key, set()).add(split)
            spelled.setdefault(key, set()).add(sample.player_id)
    return [
        ("' or '".join(sorted(spelled[key])), [split for split in samples if split in splits])
        for key, splits in sorted(where.items())
        if len(splits) > 1 and splits & {"train", "val"}
    ]


def refuse_crossing(samples: Mapping[str, Sequence[Sample]], allowed: bool) -> list[str]:
    """Refuse labels whose persons cross splits, or give the note that takes its place.

    Raises:
        BadInputError: they cross and it is not allowed.
    """
    crossing = crossing_persons(samples)
    if not crossing:
        return []
    if not allowed:
        raise BadInputError(
            [
                Problem(
                    "BASKET_Labels", None, "path", f"'{person}' in {', '.join(splits)}", "one split"
                )
                for person, splits in crossing
            ],
            "Who was trained on is no test. Persons are told by the names of reels; if these are "
            "namesakes, allow it with --allow-crossing.",
        )
    return [
        f"{counted(len(crossing), 'person')} of the training or validation split "
        f"{'is' if len(crossing) == 1 else 'are'} in another split, too"
    ]


def crossing_notes(root: Path, allowed: bool) -> list[str]:
    """Read all splits of a dataset for :func:`refuse_crossing`, before any work is done on it.

    Raises:
        BadInputError: persons cross splits and it is not allowed.
    """
    return refuse_crossing(dict(read_splits(root)), allowed)


def unscored(runs: Sequence[Run], scored: set[str], wanted: Sequence[str]) -> None:
    """Refuse runs that are about none of the splits.

    Raises:
        NotFoundError: names the first.
    """
    for run in runs:
        if run.name not in scored:
            raise NotFoundError(
                f"no prediction of run '{run.name}' is about the splits {', '.join(wanted)}"
            )
