"""Score predictions of any model against a dataset. Knows files, not models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from openbasket.dataset.reader import (
    SPLIT_FILES,
    TEST_SPLITS,
    Sample,
    dataset_levels,
    read_splits,
)
from openbasket.errors import NotFoundError, UnknownNameError
from openbasket.evaluation.baselines import majority, random_guess, text_only
from openbasket.evaluation.ceiling_shares import Ceilings
from openbasket.evaluation.games import read_game_shares
from openbasket.evaluation.groups import groups_of
from openbasket.evaluation.intervals import checked_draws, few_persons
from openbasket.evaluation.metrics import accuracy_cells
from openbasket.evaluation.observable import read_observer
from openbasket.evaluation.results import Comparison, Evaluation, Facts, Result, Score
from openbasket.evaluation.runs import (
    BASELINE,
    predictions_of,
    read_runs,
    refuse_crossing,
    unscored,
)
from openbasket.evaluation.scoring import Scored, corrected, label_array, score_split
from openbasket.skills import BY_KEY, SKILL_KEYS
from openbasket.wording import counted
from openbasket.workspace import Workspace

#: A skill with fewer labels is named.
FEW_LABELS = 10

__all__ = ["Comparison", "Evaluation", "Facts", "Result", "Score", "evaluate", "no_split"]


def evaluate(
    prediction_files: Sequence[Path],
    root: Path,
    *,
    splits: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    breakdowns: bool = True,
    allow_crossing: bool = False,
    require_hash: bool = False,
) -> Evaluation:
    """Score runs, and baselines (random, majority, league and season alone), on a dataset.

    A run is scored on every split that it predicts wholly. Predictions for a part of a split are
    refused: a row that was lost must not make a number better.

    Args:
        prediction_files: parquet files of table ``predictions``; several runs may share one.
        root: a dataset in the official layout.
        splits: which to score; by default all that the dataset has but train and val.
        resamples: of the bootstrap, 100 to 100,000.
        seed: of the bootstrap and the tests.
        breakdowns: score the parts by season, league, gender and region, too (Table 3).
        allow_crossing: note persons who are in the training split and in a test split, and go on.
        require_hash: refuse a run that does not state which labels it was predicted for.

    Raises:
        ConfigError: too few or too many resamples, or a negative seed.
        NotFoundError: the dataset has none of the splits, or no run predicts any of them.
        BadInputError: predictions that cannot be scored, or a person who crosses splits.
    """
    checked_draws(resamples, seed)
    root = Path(root)
    levels = dataset_levels(root)
    wanted = list(dict.fromkeys(splits or TEST_SPLITS))
    samples = dict(read_splits(root))
    missing = [split for split in splits or () if split not in samples]
    for split in splits or ():
        if split not in SPLIT_FILES:
            raise UnknownNameError("split", split, list(SPLIT_FILES))
    if missing or not any(split in samples for split in wanted):
        raise NotFoundError(no_split(root, missing or wanted))
    notes = refuse_crossing(samples, allow_crossing)
    runs = read_runs(prediction_files, samples, levels)
    silent: dict[str, list[str]] = {}
    workspace = Workspace(root)
    train = label_array(samples.get("train", []))
    observer = read_observer(workspace, {s: samples[s] for s in wanted if samples.get(s)}, levels)
    notes += observer.notes
    ceilings: dict[str, dict[str, Ceilings]] = {}
    vague: dict[str, list[str]] = {}
    scored: list[Scored] = []
    found: set[str] = set()
    games = False
    for split in (s for s in wanted if samples.get(s)):
        part = samples[split]
        subjects = [sample.subject_id for sample in part]
        tables: dict[tuple[str, str], Any] = {
            ("random", "baseline"): random_guess(len(part), len(SKILL_KEYS), levels),
            ("majority", "baseline"): majority(train, len(part), levels),
            ("text-only", "baseline"): text_only(samples.get("train", []), part, levels),
        }
        notes += _few_labels(split, part)
        for run in runs:
            array = predictions_of(run, split, subjects, levels, require_hash=require_hash)
            if array is None:
                notes.append(f"run '{run.name}' does not predict {split}")
                continue
            found.add(run.name)
            if not (run.facts and run.facts.labels.get(split)):
                silent.setdefault(run.name, []).append(split)
            made = tables.setdefault((run.name, run.model), array)
            if not np.allclose(made, array, equal_nan=True):
                notes.append(
                    f"'{run.name}' of {run.path.name} is not what the labels of train give on "
                    f"{split}; the table has what they give"
                )
        shares = read_game_shares(workspace, subjects)
        games = games or shares is not None
        parts = _parts(root, part, breakdowns)
        if breakdowns and not scored:
            notes += _alike(split, parts)
        one = score_split(split, part, tables, parts, shares, resamples=resamples, seed=seed)
        if split in observer.right:
            labels, persons = label_array(part), [sample.player_id for sample in part]
            ceilings[split] = {
                name: Ceilings(
                    observer.right[split], labels, persons, rows if name else None,
                    games=shares, chance=1 / levels, resamples=resamples, seed=seed,
                )
                for name, rows in parts.items()
            }  # fmt: skip
            one, vague[split] = _with_shares(one, ceilings[split], tables, labels, parts)
        scored.append(one)
    unscored(runs, found, wanted)
    if not scored:
        raise NotFoundError(
            f"nobody is in {', '.join(s for s in wanted if s in samples)} of '{root}'"
        )
    notes += _silent(silent)
    notes += [
        f"run '{run.name}' was told {', '.join(run.facts.told)} by the transcripts of what it rates: an "
        "experiment, no result"
        for run in runs
        if run.facts and run.facts.told and run.name in found
    ]
    notes += [
        f"run '{run.name}' was told the {' and '.join(run.facts.conditions)} of what it rates"
        for run in runs
        if run.facts and run.facts.conditions and run.name in found
    ]
    results, comparisons = corrected(scored)
    notes += [
        f"no letters are shown on {split}: more than 26 groups of runs cannot be told apart; the "
        "paired tests tell every two"
        for split in {c.split: None for c in comparisons}
        if not any(r.group for r in results if r.split == split)
    ]
    notes += _narrow(results)
    left_out = _ceiling_notes(ceilings, vague)
    return Evaluation(
        levels,
        resamples,
        results,
        comparisons,
        {run.name: run.facts for run in runs if run.facts},
        {
            split: {name: ceiling.scores for name, ceiling in by.items()}
            for split, by in ceilings.items()
        },
        {
            split: [name for name, ceiling in by.items() if not ceiling.own]
            for split, by in ceilings.items()
        },
        observer.clips if ceilings else None,
        left_out,
        "persons and games" if games else "persons",
        [*notes, *(note for told in left_out.values() for note in told)],
        {} if "mean-colour" in found else {"mean-colour": _no_colour(root, samples, scored[0])},
    )


def _with_shares(
    scored: Scored,
    ceilings: Mapping[str, Ceilings],
    runs: Mapping[tuple[str, str], Any],
    labels: Any,
    parts: Mapping[str, Sequence[int]],
) -> tuple[Scored, list[str]]:
    """The results of a split with the shares of what could be seen, and which have no interval and why."""
    cells = {run: accuracy_cells(array, labels) for run, array in runs.items()}
    results, notes = [], []
    for r in scored.results:
        without: dict[str, str] = {}
        found = ceilings[r.part].shares(cells[r.run, r.model][parts[r.part]], without)
        results.append(replace(r, observable=found))
        if not r.part and r.model != BASELINE:
            notes += [
                f"no interval of the share of '{r.run}' on '{r.split}' for {_named(groups)}: {why}"
                for why, groups in _by_reason(without).items()
            ]
    return replace(scored, results=results), notes


def _by_reason(why: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group, reason in why.items():
        found.setdefault(reason, []).append(group)
    return found


def _named(groups: Sequence[str]) -> str:
    """Names of skills, categories and the mean of all."""
    means = {"mean": "the mean of the skills"}
    return ", ".join(
        BY_KEY[key].name if key in BY_KEY else means.get(key, f"the mean of {key}")
        for key in groups
    )


def _ceiling_notes(
    ceilings: Mapping[str, Mapping[str, Ceilings]], vague: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Skills of each split whose share is not told, or without its interval, and why."""
    found: dict[str, list[str]] = {}
    for split, by in ceilings.items():
        whole, notes = by[""], found.setdefault(split, [])
        unclear = _named(whole.unclear)
        if unclear:
            notes.append(
                f"no share on '{split}' for {unclear}: the interval of the ceiling reaches chance"
            )
        if whole.lacking:
            names = _named(whole.lacking)
            notes.append(f"shares on '{split}' are without {names}: not measured by the ceiling")
        notes += vague.get(split, ())
    return found


def _no_colour(root: Path, samples: Mapping[str, Sequence[Sample]], first: Scored) -> str:
    """Why the baseline of colours alone, which must read the reels, is not among the runs."""
    needed = [*samples.get("train", []), *samples[first.results[0].split]]
    gone = sum(not sample.video.is_file() for sample in needed)
    if not samples.get("train"):
        return "the dataset has no train to learn from"
    if gone:
        return (
            f"{gone:,} of {counted(len(needed), 'reel')} that it would be made from are not there"
        )
    return f"no file of predictions has it; 'openbasket baselines {root} --out FILE' makes it"


def no_split(root: Path, missing: Sequence[str]) -> str:
    """That a dataset has no such split; or where one is, if this folder is none."""
    inside = [child for child in sorted(root.iterdir()) if (child / "BASKET_Labels").is_dir()]
    if root.name == "BASKET_Labels":
        inside = [root.parent]
    told = f"the dataset at '{root}' has no split {', '.join(missing)}"
    if (root / "BASKET_Labels").is_dir() or not inside:
        return told
    return f"'{root}' is no dataset in the official layout; did you mean '{inside[0]}'?"


def _few_labels(split: str, samples: Sequence[Sample]) -> list[str]:
    """Skills whose accuracy rests on next to nothing, and counts in the mean like that of others."""
    counts = [
        sum(sample.levels[i] is not None for sample in samples) for i in range(len(SKILL_KEYS))
    ]
    few = [(key, n) for key, n in zip(SKILL_KEYS, counts, strict=True) if 0 < n < FEW_LABELS]
    if not few or max(counts) < FEW_LABELS:
        return []
    told = ", ".join(f"{BY_KEY[key].name} ({counted(n, 'label')})" for key, n in few)
    return [f"on {split} some skills have hardly any label, and count in means like others: {told}"]


def _silent(splits: Mapping[str, Sequence[str]]) -> list[str]:
    """Runs that do not state what they were predicted for; those of the same splits in one note."""
    runs: dict[str, list[str]] = {}
    for run, of in splits.items():
        runs.setdefault(", ".join(of), []).append(repr(run))
    return [
        f"run {names[0]} does not state which labels it was predicted for ({of})"
        if len(names) == 1
        else f"{len(names)} runs do not state which labels they were predicted for ({of}): {', '.join(names)}"
        for of, names in runs.items()
    ]


def _narrow(results: Sequence[Result]) -> list[str]:
    """Splits and parts of few persons, and what their intervals are."""
    few: dict[tuple[str, str], dict[str, int]] = {}
    for r in results:
        if told := few_persons(r.persons).rstrip("."):
            part = r.part.split("=", 1)[-1] or "all of it"
            few.setdefault((r.split, told), {})[part] = r.persons
    return [
        f"few persons in {split}: {', '.join(f'{part} ({n})' for part, n in of.items())}. {told}"
        for (split, told), of in few.items()
    ]


def _alike(split: str, parts: Mapping[str, Sequence[int]]) -> list[str]:
    """Breakdowns of Table 3 that there are not."""
    names = {"season": "season", "gender": "gender", "region": "location", "league": "league"}
    gone = [
        n for kind, n in names.items() if not any(part.startswith(f"{kind}=") for part in parts)
    ]
    return (
        [f"no Table 3 by {' or '.join(gone)}: {split} has one value of it, or none is known"]
        if gone
        else []
    )


def _parts(root: Path, samples: Sequence[Sample], breakdowns: bool) -> dict[str, list[int]]:
    """The whole split, and its parts by season, league, gender and region (if there are several)."""
    parts: dict[str, list[int]] = {"": list(range(len(samples)))}
    if not breakdowns:
        return parts
    groups = groups_of(root, samples)
    kinds: dict[str, Sequence[str | None]] = {
        "season": [sample.season for sample in samples],
        **{kind: groups[kind] for kind in ("league", "gender", "region")},
    }
    for kind, values in kinds.items():
        found = sorted({value for value in values if value})
        if len(found) > 1:
            parts |= {
                f"{kind}={value}": [row for row, own in enumerate(values) if own == value]
                for value in found
            }
    return parts
