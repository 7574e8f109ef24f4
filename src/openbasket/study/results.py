"""The study's Figure 5 and its numbers: participants, groups and skills, beside models and chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openbasket.dataset.reader import dataset_levels, labels_hash, read_split
from openbasket.errors import BadInputError, NotFoundError, Problem
from openbasket.evaluation.facts import read_facts
from openbasket.evaluation.intervals import FEW_PERSONS
from openbasket.evaluation.metrics import accuracy_cells
from openbasket.evaluation.predictions import levels_of, read_predictions, to_array
from openbasket.skills import SKILL_KEYS
from openbasket.study import exports
from openbasket.study.panel import Estimate, Panel, means_over_players
from openbasket.study.store import Store
from openbasket.wording import counted
from openbasket.workspace import run_facts_path

__all__ = ["EVERYBODY", "Line", "Results", "summarise"]

EVERYBODY = "everybody"


@dataclass(frozen=True)
class Line:
    """Accuracy of a group of people, of all of them, or of a model. Intervals are 95 %.

    Args:
        name: of the group or run; ``everybody``.
        kind: ``people`` or ``model``.
        raters: how many participants; 1 for a model.
        players: how many players they rated.
        ratings: answers that count.
        accuracy: of people, the mean of the participants' accuracies; of a model, the mean over players.
        low, high: its interval, by a bootstrap over participants and players (of a model, over players);
            ``None`` with fewer than two participants.
        least, most: lowest and highest accuracy of a participant; of a model ``None``.
        skills: accuracy of each skill.
        skill_intervals: their intervals.
        alpha: Krippendorff's alpha (ordinal), the mean over skills; ``None`` where it is not defined.
        alpha_low, alpha_high: its interval.
        alphas: alpha of each skill.
        alpha_intervals: their intervals.
        groups: of a model, its accuracy on the players that each group rated.
    """

    name: str
    kind: str
    raters: int
    players: int
    ratings: int
    accuracy: float
    low: float | None
    high: float | None
    least: float | None
    most: float | None
    skills: dict[str, float | None]
    skill_intervals: dict[str, list[float] | None]
    alpha: float | None = None
    alpha_low: float | None = None
    alpha_high: float | None = None
    alphas: dict[str, float | None] = field(default_factory=dict)
    alpha_intervals: dict[str, list[float] | None] = field(default_factory=dict)
    groups: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """What came out of a study.

    Args:
        levels: how many there are; guessing scores ``chance``.
        skills: those that were rated.
        chance: one divided by ``levels``.
        commonest: accuracy of who always says each skill's commonest level of the rated players.
        commonest_skills: the same of each skill.
        people: groups in the order of the study file reversed (novices first), then ``everybody``.
        models: one line for each run.
        participants: accuracy of each participant that counts, with interval, group and ratings.
        excluded: reason -> ratings that do not count (of recognised players, one of each skill).
        labels: split -> hash of the dataset's labels; empty where its levels are others than the study's.
        by_clock: ratings that count though only the time since the page was shown tells that they watched.
        notes: what a reader must know.
    """

    levels: int
    skills: tuple[str, ...]
    chance: float
    commonest: float
    commonest_skills: dict[str, float]
    people: list[Line]
    models: list[Line]
    participants: list[dict[str, Any]]
    excluded: dict[str, int] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    by_clock: int = 0
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The results as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class _Run:
    name: str
    path: Path
    frame: pl.DataFrame
    levels: int
    labels: Mapping[str, str]


def summarise(
    store: Store,
    predictions: Sequence[Path] = (),
    *,
    root: Path | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Results:
    """Score people, and models on exactly the players that they rated.

    Players who were recognised do not count, nor do participants with too many failed attention checks or
    too few rated players.

    Args:
        store: of the study.
        predictions: parquet files of runs with as many levels as the study.
        root: the dataset, to compare the labels that predictions were made for; not compared by default.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        NotFoundError: there is no rating that counts.
        BadInputError: predictions of another number of levels, for other labels, or not of all rated players.
    """
    design = store.design
    runs = [run for path in predictions for run in _runs(path)]
    labels = _labels(root, store)
    notes = _same_labels(runs, design.split, labels)
    frame = exports.ratings(store)
    reasons: dict[str, int] = dict(
        sorted(frame.filter(pl.col("excluded").is_not_null()).group_by("excluded").len().rows())
    )
    valid = frame.filter(pl.col("excluded").is_null(), pl.col("level").is_not_null())
    _refuse_others(runs, design.levels, set(valid["subject_id"]))
    if valid.is_empty():
        raise NotFoundError(_why_none(reasons))
    parts = {
        group.name: part
        for group in reversed(design.groups)
        if not (part := valid.filter(pl.col("group") == group.name)).is_empty()
    }
    panels = {
        name: Panel(part, design.skills, design.levels, resamples, seed)
        for name, part in (*parts.items(), (EVERYBODY, valid))
    }
    whole = panels[EVERYBODY]
    truth = _truth(whole.players, store)
    shares = [float(np.bincount(column.astype(int)).max() / len(column)) for column in truth.T]
    if len(whole.participants) < FEW_PERSONS:
        notes.append(
            f"There are {counted(len(whole.participants), 'participant')} that count: intervals, and a "
            f"range from least to most, say little of fewer than {FEW_PERSONS}."
        )
    clock = valid.filter(pl.col("watched_by") == "clock").height
    if clock:
        notes.append(
            f"{clock} of {counted(valid.height, 'rating')} that count are by browsers without scripts, where "
            "only the time since the page was shown tells that the video was watched (count_clock = false "
            "leaves them out)."
        )
    return Results(
        design.levels,
        design.skills,
        1 / design.levels,
        float(np.mean(shares)),
        dict(zip(design.skills, shares, strict=True)),
        [_people(name, panel) for name, panel in panels.items()],
        [_model(run, store, panels, truth, resamples, seed) for run in runs],
        _participants(whole, valid, resamples, seed),
        reasons,
        labels,
        clock,
        notes,
    )


def _why_none(reasons: dict[str, int]) -> str:
    if not reasons:
        return "there are no ratings that count yet; participants are invited with 'openbasket study invite'"
    told = ", ".join(f"{count} ({reason})" for reason, count in reasons.items())
    return (
        f"there are {counted(sum(reasons.values()), 'rating')}, and none that counts: {told}. What counts is "
        "set in the study file by max_failed_checks, min_players and count_clock"
    )


def _people(name: str, panel: Panel) -> Line:
    whole, agreement = panel.accuracy(), panel.agreement()
    of_skill = {key: panel.accuracy(key) for key in panel.skills}
    each = panel.accuracies()
    assert whole.value is not None
    return Line(
        name, "people", len(panel.participants), len(panel.players),
        int((~np.isnan(panel.level)).sum()), whole.value, whole.low, whole.high,
        float(each.min()), float(each.max()), _values(of_skill), _intervals(of_skill),
        agreement.mean.value, agreement.mean.low, agreement.mean.high,
        _values(agreement.skills), _intervals(agreement.skills),
    )  # fmt: skip


def _participants(
    panel: Panel, valid: pl.DataFrame, resamples: int, seed: int
) -> list[dict[str, Any]]:
    about = dict(
        valid.group_by("participant").agg(group=pl.col("group").first(), ratings=pl.len())
        .select("participant", pl.struct("group", "ratings")).rows()
    )  # fmt: skip
    return [
        {
            "participant": number,
            **about[number],
            "accuracy": found.value,
            "low": found.low,
            "high": found.high,
        }
        for number, found in zip(panel.participants, panel.of_each(resamples, seed), strict=True)
    ]


def _values(of: dict[str, Estimate]) -> dict[str, float | None]:
    return {key: one.value for key, one in of.items()}


def _intervals(of: dict[str, Estimate]) -> dict[str, list[float] | None]:
    return {
        key: None if one.low is None or one.high is None else [one.low, one.high]
        for key, one in of.items()
    }


def _truth(players: Sequence[str], store: Store) -> np.ndarray:
    pool = store.pool()
    return np.array([[pool[p].levels[key] for key in store.design.skills] for p in players])


def _runs(path: Path) -> Iterable[_Run]:
    parts = read_predictions(path).partition_by("run", as_dict=True)
    facts = read_facts(path, sorted(str(name) for (name,) in parts))
    for (name,), part in parts.items():
        stated = facts.get(str(name))
        yield _Run(str(name), path, part, levels_of(part), stated.labels if stated else {})


def _refuse_others(runs: Sequence[_Run], levels: int, rated: set[str]) -> None:
    """Refuse runs of other levels, and those that lack a rated player."""
    problems = []
    for run in runs:
        if run.levels != levels:
            problems.append(
                Problem(str(run.path), None, "p0 ... p4", f"{run.levels} levels in run '{run.name}'",
                        f"{levels}, as the study has")
            )  # fmt: skip
        absent = sorted(rated - set(run.frame["subject_id"]))
        if absent:
            problems.append(
                Problem(str(run.path), None, "subject_id",
                        f"run '{run.name}' has no prediction for {counted(len(absent), 'rated player')}: "
                        + ", ".join(absent[:5]), "all players that were rated")
            )  # fmt: skip
    if problems:
        raise BadInputError(
            problems, "Predict the study's split with a model of the study's levels."
        )


def _labels(root: Path | None, store: Store) -> dict[str, str]:
    """Split -> hash of the dataset's labels, where they have the study's levels."""
    split, levels = store.design.split, store.design.levels
    if root is None or dataset_levels(root) != levels:
        return {}
    return {
        split: labels_hash(read_split(root, split, levels=levels, require_videos=False), levels)
    }


def _same_labels(runs: Sequence[_Run], split: str, labels: dict[str, str]) -> list[str]:
    """Refuse runs for other labels than the study's; say of which this cannot be told."""
    notes, problems = [], []
    for run in runs:
        stated = run.labels.get(split)
        if stated is None:
            notes.append(
                f"The predictions of '{run.name}' do not state which labels of split '{split}' they are for."
            )
        elif not labels:
            notes.append(
                f"Whether '{run.name}' is for the study's labels cannot be told: the dataset's have another "
                "number of levels."
            )
        elif stated != labels[split]:
            problems.append(
                Problem(str(run_facts_path(run.path)), None, "labels",
                        f"run '{run.name}' is for other labels of split '{split}'", "the dataset's")
            )  # fmt: skip
    if problems:
        raise BadInputError(problems, "Predict with the dataset of the study.")
    return notes


def _model(
    run: _Run, store: Store, panels: dict[str, Panel], truth: np.ndarray, resamples: int, seed: int
) -> Line:
    design, rated = store.design, panels[EVERYBODY].players
    columns = [SKILL_KEYS.index(key) for key in design.skills]
    wide = np.full((len(rated), len(SKILL_KEYS)), np.nan)
    wide[:, columns] = truth
    cells = accuracy_cells(to_array(run.frame, rated, design.levels), wide)[:, columns]
    [whole] = means_over_players(cells.mean(axis=1, keepdims=True), resamples, seed)
    of_skill = dict(zip(design.skills, means_over_players(cells, resamples, seed), strict=True))
    assert whole.value is not None
    row_of = {player: row for row, player in enumerate(rated)}
    of_group = {
        name: float(cells[[row_of[player] for player in panel.players]].mean())
        for name, panel in panels.items()
        if name != EVERYBODY
    }
    return Line(
        run.name, "model", 1, len(rated), int(cells.size), whole.value, whole.low, whole.high,
        None, None, _values(of_skill), _intervals(of_skill), groups=of_group,
    )  # fmt: skip
