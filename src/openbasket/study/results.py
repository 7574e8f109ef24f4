"""The study's Figure 5 and its numbers: participants, groups and skills, beside models and chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openbasket.errors import BadInputError, NotFoundError, Problem
from openbasket.evaluation.intervals import cluster_weights
from openbasket.evaluation.metrics import accuracy_cells
from openbasket.evaluation.predictions import read_predictions, to_array
from openbasket.evaluation.study_rows import StudyResults
from openbasket.skills import BY_KEY, SKILL_KEYS
from openbasket.study import exports
from openbasket.study.agreement import alpha
from openbasket.study.store import Store
from openbasket.wording import counted
from openbasket.workspace import write_json, write_text

__all__ = ["Line", "Results", "summarise", "write_results"]


@dataclass(frozen=True)
class Line:
    """Accuracy of a group of people, of all of them, or of a model.

    Args:
        name: of the group or run; ``everybody``.
        kind: ``people`` or ``model``.
        raters: how many participants; 1 for a model.
        players: how many players they rated.
        ratings: answers that count.
        accuracy: of people, the mean of the participants' accuracies; of a model, the mean over players.
        low, high: 95 % interval by a bootstrap over participants (of a model, over players); ``None``
            with fewer than two.
        least, most: lowest and highest accuracy of a participant; of a model ``None``.
        skills: accuracy of each skill.
        alpha: Krippendorff's alpha (ordinal) of the group; ``None`` where it is not defined.
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
    alpha: float | None = None


@dataclass(frozen=True)
class Results:
    """What came out of a study.

    Args:
        levels: how many there are; guessing scores ``chance``.
        skills: those that were rated.
        chance: one divided by ``levels``.
        people: groups in the order of the study file reversed (novices first), then ``everybody``.
        models: one line for each run.
        participants: accuracy of each participant that counts, with group and ratings.
        excluded: reason -> players' ratings that do not count.
    """

    levels: int
    skills: tuple[str, ...]
    chance: float
    people: list[Line]
    models: list[Line]
    participants: list[dict[str, Any]]
    excluded: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The results as plain data."""
        return asdict(self)

    def table(self) -> tuple[str, list[str], list[list[str]]]:
        """Title, columns and rows for people, in percent."""
        title = f"accuracy in percent, {self.levels} levels (chance {100 * self.chance:.1f})"
        columns = ["", "raters", "ratings", "accuracy [95 %]", "least to most", "alpha"]
        columns += [BY_KEY[key].name for key in self.skills]
        rows = [
            [
                line.name,
                str(line.raters),
                str(line.ratings),
                _interval(line),
                ""
                if line.least is None or line.most is None
                else f"{100 * line.least:.1f} to {100 * line.most:.1f}",
                "" if line.alpha is None else f"{line.alpha:.2f}",
                *(_percent(line.skills[key]) for key in self.skills),
            ]
            for line in (*self.people, *self.models)
        ]
        return title, columns, rows

    def agreement_line(self) -> str:
        """What was left out, and what agreement is measured by, in a sentence."""
        left = ", ".join(f"{n} ({reason})" for reason, n in self.excluded.items())
        told = f"Left out: {left}." if left else "Nothing was left out."
        return f"{told} alpha: Krippendorff's, for ordinal levels, over players and skills."


def summarise(
    store: Store,
    predictions: Sequence[Path] = (),
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Results:
    """Score people, and models on exactly the players that they rated.

    Players who were recognised, and participants with too many failed attention checks, do not count.

    Args:
        store: of the study.
        predictions: parquet files of runs with as many levels as the study.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        NotFoundError: there is no rating that counts.
        BadInputError: predictions of another number of levels, or not of all rated players.
    """
    frame = exports.ratings(store)
    design = store.design
    reasons = frame.filter(pl.col("excluded").is_not_null()).group_by("excluded").len()
    valid = frame.filter(pl.col("excluded").is_null(), pl.col("level").is_not_null())
    if valid.is_empty():
        raise NotFoundError(
            "there are no ratings that count yet; participants are invited with 'openbasket study invite'"
        )
    groups = [group.name for group in reversed(design.groups)]
    people = [
        _people(name, part, store, resamples, seed)
        for name, part in (
            *((name, valid.filter(pl.col("group") == name)) for name in groups),
            ("everybody", valid),
        )
        if not part.is_empty()
    ]
    rated = sorted(set(valid["subject_id"]))
    models = [line for path in predictions for line in _models(path, rated, store, resamples, seed)]
    each = (
        valid.group_by("participant", "group")
        .agg(ratings=pl.len(), accuracy=pl.col("right").mean())
        .sort("participant")
    )
    return Results(
        design.levels,
        design.skills,
        1 / design.levels,
        people,
        models,
        each.to_dicts(),
        dict(sorted(reasons.rows())),
    )


def _people(name: str, frame: pl.DataFrame, store: Store, resamples: int, seed: int) -> Line:
    each = frame.group_by("participant").agg(pl.col("right").mean()).sort("participant")
    accuracies = each["right"].to_numpy()
    low, high = _bootstrap(
        accuracies, each["participant"].cast(pl.String).to_list(), resamples, seed
    )
    of_skill: Mapping[str, float] = dict(
        frame.group_by("skill", "participant").agg(pl.col("right").mean())
        .group_by("skill").agg(pl.col("right").mean()).rows()
    )  # fmt: skip
    wide = frame.pivot("participant", index=["subject_id", "skill"], values="level")
    matrix = wide.drop("subject_id", "skill").cast(pl.Float64).to_numpy().T
    return Line(
        name, "people", len(accuracies), frame["subject_id"].n_unique(), frame.height,
        float(accuracies.mean()), low, high, float(accuracies.min()), float(accuracies.max()),
        {key: of_skill.get(key) for key in store.design.skills},
        alpha(matrix.astype(float), store.design.levels),
    )  # fmt: skip


def _models(path: Path, rated: list[str], store: Store, resamples: int, seed: int) -> list[Line]:
    design, pool = store.design, store.pool()
    columns = [SKILL_KEYS.index(key) for key in design.skills]
    truth = np.full((len(rated), len(SKILL_KEYS)), np.nan)
    for row, subject in enumerate(rated):
        truth[row, columns] = [pool[subject].levels[key] for key in design.skills]
    lines = []
    for (run,), part in read_predictions(path).partition_by("run", as_dict=True).items():
        answered = part.filter(pl.col("p0").is_not_null())
        given = 3 if answered["p3"].null_count() == answered.height else 5
        problems = []
        if given != design.levels:
            problems.append(
                Problem(str(path), None, "p0 ... p4", f"{given} levels in run '{run}'",
                        f"{design.levels}, as the study has")
            )  # fmt: skip
        absent = sorted(set(rated) - set(part["subject_id"]))
        if absent:
            problems.append(
                Problem(str(path), None, "subject_id",
                        f"run '{run}' has no prediction for {counted(len(absent), 'rated player')}: "
                        + ", ".join(absent[:5]), "all players that were rated")
            )  # fmt: skip
        if problems:
            raise BadInputError(
                problems, "Predict the study's split with a model of the study's levels."
            )
        cells = accuracy_cells(to_array(part, rated, design.levels), truth)[:, columns]
        each = cells.mean(axis=1)
        low, high = _bootstrap(each, rated, resamples, seed)
        lines.append(
            Line(
                str(run), "model", 1, len(rated), int(cells.size), float(each.mean()), low, high,
                None, None, dict(zip(design.skills, cells.mean(axis=0).tolist(), strict=True)),
            )
        )  # fmt: skip
    return lines


def _bootstrap(
    values: np.ndarray, names: Sequence[str], resamples: int, seed: int
) -> tuple[float | None, float | None]:
    weights = cluster_weights(names, resamples, seed)
    if weights is None:
        return None, None
    means = weights @ values / weights.sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def write_results(results: Results, out: Path) -> list[Path]:
    """Write ``figure5.png`` and ``.svg``, ``results.md``, ``results.json`` and ``study_rows.json``."""
    from openbasket.evaluation.figure5 import draw
    from openbasket.evaluation.tables import markdown

    plain = StudyResults.model_validate(results.to_json())
    return [
        *draw(plain, out),
        write_text(
            out / "results.md", markdown([results.table()]) + results.agreement_line() + "\n"
        ),
        write_json(out / "results.json", results.to_json()),
        write_json(out / "study_rows.json", plain.rows()),
    ]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _interval(line: Line) -> str:
    text = _percent(line.accuracy)
    if line.low is not None and line.high is not None:
        text += f" [{100 * line.low:.1f}, {100 * line.high:.1f}]"
    return text
