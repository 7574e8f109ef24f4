"""A player among others: percentiles, means, similar players, and where the model is less accurate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket.dataset.reader import (
    TEST_SPLITS,
    dataset_levels,
    read_splits,
)
from openbasket.errors import BadInputError, ConfigError, Problem
from openbasket.evaluation.games import Sharing, read_game_shares
from openbasket.evaluation.groups import groups_of
from openbasket.evaluation.intervals import cluster_weights, interval_of_means
from openbasket.evaluation.metrics import accuracy_cells, group_means
from openbasket.evaluation.runs import predictions_of, read_runs, refuse_crossing
from openbasket.evaluation.scoring import label_array
from openbasket.skills import SKILL_KEYS
from openbasket.training.calibration import scaled
from openbasket.training.rating import Rater
from openbasket.workspace import Workspace

__all__ = ["FEW", "Cohort", "Limit", "Similar", "limits", "read_cohort"]

#: Players that are named as similar.
SIMILAR = 5
#: Percentiles among fewer say little.
FEW = 20
#: A spread below this is none: the model says the same of everybody.
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True)
class Similar:
    """A player whom the model rates alike.

    Args:
        subject_id: player, league and season.
        name: of the player, where the dataset has it.
        distance: root of the mean squared difference of expected levels over 20 skills, each in standard
            deviations of the cohort.
    """

    subject_id: str
    name: str
    distance: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What the model reaches on a group of players that it had not learned from.

    Args:
        group: whom, in words.
        accuracy: share of levels that are right.
        low, high: its 95 % interval; null for a group too small for one.
        subjects: player-seasons in the group.
    """

    group: str
    accuracy: float
    low: float | None
    high: float | None
    subjects: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """Whom a player is compared with.

    Args:
        who: in words.
        subjects: of each row of ``expected``.
        expected: expected levels ``(subjects, 20)``; NaN where there is no prediction.
    """

    who: str
    subjects: tuple[str, ...]
    expected: NDArray[np.float64]

    def percentiles(self, mine: NDArray[np.float64]) -> list[float | None]:
        """Share of the cohort, in percent, that is below ``mine`` (20 expected levels); half of who is equal.

        Null for a skill that nobody of the cohort has a prediction of.
        """
        found: list[float | None] = []
        for column, value in zip(self.expected.T, mine, strict=True):
            others = column[~np.isnan(column)]
            below = (others < value - 1e-9).sum() + (np.abs(others - value) <= 1e-9).sum() / 2
            found.append(float(100 * below / len(others)) if len(others) else None)
        return found

    def means(self) -> list[float | None]:
        """The cohort's mean expected level of each skill."""
        counts = (~np.isnan(self.expected)).sum(axis=0)
        sums = np.nansum(self.expected, axis=0)
        return [float(s / n) if n else None for s, n in zip(sums, counts, strict=True)]

    def similar(
        self, mine: NDArray[np.float64], names: dict[str, str], *, without: str | None = None
    ) -> tuple[Similar, ...]:
        """The players of the cohort whom the model rates most alike, the nearest first.

        Args:
            mine: 20 expected levels.
            names: subject -> name.
            without: the player's own subject.
        """
        missing = np.isnan(self.expected).sum(axis=1)
        rows = [
            row
            for row, subject in enumerate(self.subjects)
            if not missing[row] and subject != without
        ]
        others = self.expected[rows]
        spread = others.std(axis=0) if len(others) else np.zeros(len(mine))
        tells = spread > _LEAST_SPREAD
        if not tells.any():
            return ()
        steps = (others - mine)[:, tells] / spread[tells]
        distances = np.sqrt((steps**2).mean(axis=1))
        subjects = [self.subjects[row] for row in rows]
        return tuple(
            Similar(subjects[i], names.get(subjects[i], subjects[i]), float(distances[i]))
            for i in np.argsort(distances, kind="stable")[:SIMILAR]
        )


def read_cohort(
    path: Path,
    rater: Rater,
    league: str | None,
    season: str | None,
    *,
    root: Path | None = None,
    min_minutes: float = 0.0,
) -> Cohort:
    """Read predictions of the same run.

    Args:
        path: table ``predictions`` (parquet).
        rater: the run, whose temperature theirs get, too.
        league: of those who are taken; null for all.
        season: of those who are taken; null for all.
        root: the dataset, which knows who played how long.
        min_minutes: least minutes of a season of those who are taken.

    Raises:
        BadInputError: predictions of another run, or of other levels.
        ConfigError: nobody of this league and season with so many minutes, or minutes that no dataset tells.
    """
    rows = Workspace.read_file("predictions", path).drop_nulls("p0")
    run = rater.run_dir.resolve().name
    rows = rows.filter(pl.col("run") == run)
    if rows.is_empty():
        problem = Problem(
            str(path), None, "run", "no row of this run", f"predictions of run '{run}'"
        )
        raise BadInputError([problem], "Make them with 'openbasket predict'.")
    levels = rater.recipe.data.levels
    if (rows["p3"].null_count() == 0) != (levels == 5):
        problem = Problem(str(path), None, "p0 ... p4", "other levels", f"{levels} levels")
        raise BadInputError([problem])
    ending = "_".join(["", *([league] if league else []), *(season.split("-") if season else [])])
    if (season or league) and root is not None:
        people = [
            s.subject_id
            for _, part in read_splits(root)
            for s in part
            if league in (None, s.league) and season in (None, s.season)
        ]
        rows = rows.filter(pl.col("subject_id").is_in(people))
    elif season or league:  # an id ends in league and season
        rows = rows.filter(
            pl.col("subject_id").str.ends_with(ending)
            if season
            else pl.col("subject_id").str.contains(f"_{league}_", literal=True)
        )
    if rows.is_empty():
        raise ConfigError(
            f"'{path}' has no subject of {' '.join(filter(None, (league, season)))}; give a cohort of the "
            "same league and season, or neither"
        )
    played = " (no least minutes)"
    if min_minutes > 0:
        if root is None or not Workspace(root).has("subjects"):
            raise ConfigError(
                f"least minutes {min_minutes:g}: no dataset says how long players played; give --data with a "
                "table of subjects, or leave it out"
            )
        long = (
            Workspace(root)
            .read("subjects")
            .filter(pl.col("minutes") >= min_minutes)
            .select("subject_id")
        )
        rows = rows.join(long, on="subject_id", how="semi")
        played = f" with at least {min_minutes:g} minutes"
        if rows.is_empty():
            raise ConfigError(f"nobody of the cohort played {min_minutes:g} minutes; give less")
    theirs = scaled(
        rows.select([f"p{level}" for level in range(levels)]).to_numpy(), rater.temperature
    )
    table = (
        rows.with_columns(expected=theirs @ np.arange(levels))
        .pivot("skill", index="subject_id", values="expected", aggregate_function="mean")
        .sort("subject_id")
    )
    nothing = [pl.lit(None, pl.Float64).alias(k) for k in SKILL_KEYS if k not in table.columns]
    expected = table.with_columns(nothing).select(SKILL_KEYS).to_numpy().astype(np.float64)
    who = " ".join(filter(None, (league, season))) or "all leagues and seasons"
    return Cohort(
        f"{table.height:,} player-seasons of {who}{played}", tuple(table["subject_id"]), expected
    )


def limits(
    path: Path, root: Path, run: str, groups: dict[str, str], *, resamples: int = 500
) -> tuple[Limit, ...]:
    """Accuracy of a run on all players of a test split, and on the groups that a player belongs to.

    Args:
        path: its predictions.
        root: the dataset with their labels.
        run: its name.
        groups: kind -> value, such as ``league`` -> ``nba``.
        resamples: of the bootstrap.

    Returns:
        Of the first test split that is wholly predicted; empty where there is none.

    Raises:
        BadInputError: predictions that cannot be scored.
    """
    levels = dataset_levels(root)
    samples = dict(read_splits(root))
    refuse_crossing(samples, allowed=False)
    runs = {one.name: one for one in read_runs([path], samples, levels)}
    if run not in runs:
        return ()
    for split in (one for one in TEST_SPLITS if samples.get(one)):
        part = samples[split]
        subjects = [sample.subject_id for sample in part]
        probabilities = predictions_of(runs[run], split, subjects, levels)
        if probabilities is not None:
            break
    else:
        return ()
    cells = accuracy_cells(probabilities, label_array(part))
    persons = np.array([sample.player_id for sample in part])
    shares = read_game_shares(Workspace(root), subjects)
    values = groups_of(root, part) | {"season": [sample.season for sample in part]}
    parts = {f"all players of split '{split}'": np.arange(len(part))} | {
        f"{kind} {value}": rows
        for kind, value in groups.items()
        if kind in values
        and 0 < len(rows := np.flatnonzero(np.array(values[kind], object) == value)) < len(part)
    }
    found = []
    for who, rows in parts.items():
        value = group_means(cells[rows])[0, -1]
        weights = cluster_weights(persons[rows].tolist(), resamples)
        sharing = None
        if shares is not None and weights is not None:
            sharing = Sharing(shares[rows], persons[rows].tolist())
        ends = interval_of_means(
            cells[rows], persons[rows].tolist(), weights, sharing, levels=levels
        )
        low, high = (None if np.isnan(end[-1]) else float(end[-1]) for end in ends)
        if not np.isnan(value):
            found.append(Limit(who, float(value), low, high, len(rows)))
    return tuple(found)
