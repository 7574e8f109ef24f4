"""Where a run is wrong: its scores, confusions and largest errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from openbasket.explorer.catalogue import Catalogue
from openbasket.skills import SKILLS

__all__ = ["RunErrors", "errors_of"]


@dataclass(frozen=True)
class RunErrors:
    """Errors of one run.

    Args:
        skills: (skill, share of right levels, mean distance in levels, labels), worst first; skills without
            a label and a prediction are left out.
        confusion: true level -> predicted level -> labels, of the chosen skill or of all.
        largest: the worst predictions: who, which skill, true and predicted level, its probability.
        labels: labels with a prediction, of the chosen skill or of all.
    """

    skills: list[dict[str, Any]]
    confusion: list[list[int]]
    largest: list[dict[str, Any]]
    labels: int


def errors_of(catalogue: Catalogue, run: str, skill: str = "", count: int = 30) -> RunErrors:
    """Gather the errors of a run, of one skill or of all.

    Args:
        catalogue: with predictions.
        run: its name.
        skill: key of a skill; all where it is empty.
        count: how many of the largest errors.
    """
    mine = catalogue.predicted.filter(
        pl.col("run") == run, pl.col("guess").is_not_null(), pl.col("level").is_not_null()
    ).with_columns(off=(pl.col("guess") - pl.col("level")).abs())
    of_skill = {
        row["skill"]: row
        for row in mine.group_by("skill")
        .agg(right=(pl.col("off") == 0).mean(), off=pl.col("off").mean(), labels=pl.len())
        .to_dicts()
    }
    skills = [of_skill[s.key] | {"name": s.name} for s in SKILLS if s.key in of_skill]
    skills.sort(key=lambda row: row["right"])
    if skill:
        mine = mine.filter(pl.col("skill") == skill)
    counts = [[0] * catalogue.levels for _ in range(catalogue.levels)]
    for true, guess, number in mine.group_by("level", "guess").len().rows():
        counts[true][guess] = number
    worst = (
        mine.filter(pl.col("off") > 0)
        .sort("off", "p", "subject_id", "skill", descending=[True, True, False, False])
        .head(count)
        .join(catalogue.people.select("subject_id", "name"), on="subject_id", maintain_order="left")
    )
    return RunErrors(skills, counts, worst.to_dicts(), mine.height)
