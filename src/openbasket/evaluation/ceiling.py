"""The ceiling: what could anyone know from the plays of a reel?

A perfect observer perceives every sampled play without error (:mod:`openbasket.evaluation.observer`), and
nothing else. He learns on train, the best of a few learners is chosen on val, skill by skill, and the
accuracy on test is what a model of such reels can be measured by:
``(accuracy - chance) / (ceiling - chance)``. It is a ceiling for those who count what players do; who also
sees technique, build and role may get above it.

*All* plays are all that reels could show of the season. The features stay shares and percentages: how many
plays, games and minutes there were is not among them, so that this is where the curve of growing reels ends,
and not what the whole play-by-play says.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from threadpoolctl import threadpool_limits

from openbasket import tables
from openbasket.errors import BadInputError, ConfigError, Problem, SplitError, UnknownNameError
from openbasket.evaluation.intervals import bootstrap, cluster_weights
from openbasket.evaluation.metrics import GROUPS, group_means
from openbasket.evaluation.observer import draw_order, features, see, tally
from openbasket.evaluation.truth import ALLOWED, best, find_unmeasured, read_truth
from openbasket.labels.statistics import with_contests
from openbasket.progress import bar, track
from openbasket.skills import BY_KEY, SKILL_KEYS
from openbasket.splits.assign import IN_DOMAIN
from openbasket.tables import CEILING_SAMPLINGS
from openbasket.workspace import Workspace, write_json

__all__ = ["CeilingReport", "CeilingSettings", "ceiling"]

_MEAN = len(GROUPS) - 1


@dataclass(frozen=True)
class CeilingSettings:
    """What is measured.

    Args:
        events: numbers of plays that the observer sees; all of them is always measured, too.
        sampling: how they are chosen, of :data:`openbasket.tables.CEILING_SAMPLINGS`.
        levels: numbers of levels; by default that of the labels.
        draws: independent draws of the plays: all are learnt from, and accuracies are averages over them.
        resamples: of the bootstrap over persons.
        seed: of the draws, the learners and the bootstrap.
    """

    events: tuple[int, ...] = (10, 25, 50, 100, 200)
    sampling: tuple[str, ...] = ("uniform",)
    levels: tuple[int, ...] = ()
    draws: int = 3
    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.sampling:
            if name not in CEILING_SAMPLINGS:
                raise UnknownNameError("sampling", name, CEILING_SAMPLINGS)
        rules = {
            "events": (self.events, 1),
            "levels": (self.levels, 2),
            "draws": ((self.draws,), 1),
            "resamples": ((self.resamples,), 100),
            "seed": ((self.seed,), 0),
        }
        faults = [
            f"{name}: got {value}; allowed: at least {least}"
            for name, (values, least) in rules.items()
            for value in values
            if value < least
        ]
        faults += [
            f"{name}: got {values}; allowed: each once"
            for name, values in (
                ("events", self.events),
                ("sampling", self.sampling),
                ("levels", self.levels),
            )
            if len(set(values)) < len(values)
        ]
        if not self.sampling:
            faults.append(f"sampling: got none; allowed: {', '.join(CEILING_SAMPLINGS)}")
        if faults:
            raise ConfigError("ceiling settings: " + "; ".join(faults))


@dataclass(frozen=True)
class CeilingReport:
    """How often a perfect observer is right.

    Args:
        table: table ``ceiling``.
        leagues: the same for the subjects of each league, with ``league``; the observer learns from all.
        settings: how it was measured.
        splits: subjects of each split.
        enough: number of plays -> share of the subjects of test who have so many; others show all they have.
        median_plays: of the subjects of test.
        unmeasured: skill -> why it is not measured.
    """

    table: pl.DataFrame
    leagues: pl.DataFrame
    settings: CeilingSettings
    splits: Mapping[str, int]
    enough: Mapping[int, float]
    median_plays: float
    unmeasured: Mapping[str, str] = field(default_factory=dict)

    def rows(self, sampling: str, levels: int) -> tuple[list[str], list[list[str]]]:
        """Columns and rows for printing: a row for each skill, percentages by number of plays."""
        counts = [*sorted(self.settings.events), None]
        columns = ["skill", *("all" if n is None else f"{n:,}" for n in counts)]
        by = {
            (row["skill"], row["events"]): row
            for row in self.table.filter(sampling=sampling, levels=levels).to_dicts()
        }
        return columns, [
            [
                BY_KEY[skill].name if skill in BY_KEY else "mean",
                *(_shown(by[skill, n], whole=skill == "mean") for n in counts),
            ]
            for skill in (*SKILL_KEYS, "mean")
        ]

    @property
    def notes(self) -> list[str]:
        """What was not measured and why, and who shows fewer plays than asked for."""
        why: dict[str, list[str]] = {}
        for skill, reason in self.unmeasured.items():
            why.setdefault(reason, []).append(BY_KEY[skill].name)
        return [
            *(f"not measured: {', '.join(names)} ({reason})" for reason, names in why.items()),
            *(
                f"{1 - share:.0%} of the subjects of test have fewer than {n:,} plays, and show all they have"
                for n, share in self.enough.items()
                if share < 1
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "settings": asdict(self.settings),
            "splits": dict(self.splits),
            "enough": {str(n): share for n, share in self.enough.items()},
            "median_plays": self.median_plays,
            "unmeasured": dict(self.unmeasured),
            "rows": self.table.to_dicts(),
            "leagues": self.leagues.to_dicts(),
        }


def _shown(row: Mapping[str, Any], *, whole: bool) -> str:
    if row["accuracy"] is None:
        return "-"
    text = f"{100 * row['accuracy']:.1f}"
    if whole and row["low"] is not None:
        text += f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return text


def ceiling(
    workspace: Workspace, settings: CeilingSettings | None = None, *, quiet: bool = False
) -> CeilingReport:
    """Measure what a perfect observer knows; write ``ceiling.parquet`` and ``ceiling.json``.

    Args:
        workspace: with events, labels and splits; no video is needed.
        settings: what is measured.
        quiet: show no progress.

    Raises:
        NotFoundError: events, labels or splits are missing.
        SplitError: nobody is in train, val or test.
        BadInputError: too few labels in every skill.
    """
    settings = settings or CeilingSettings()
    workspace.require("games")
    workspace.require("levels")
    own = int(workspace.read_json("labels.json")["settings"]["levels"])
    splits = workspace.read("splits").filter(pl.col("split").is_in(IN_DOMAIN)).sort("subject_id")
    for name in IN_DOMAIN:
        if splits.filter(split=name).is_empty():
            raise SplitError(f"nobody is in '{name}'. Split anew: 'openbasket split'")
    truth = read_truth(workspace, splits, sorted(settings.levels or (own,), reverse=True), own)
    unmeasured = find_unmeasured(truth, splits)
    if len(unmeasured) == len(SKILL_KEYS):
        where = str(workspace.table_path("levels"))
        problems = [Problem(where, None, skill, why, ALLOWED) for skill, why in unmeasured.items()]
        raise BadInputError(problems, "Import more games, or split with a greater share of train.")
    tallies = _tallies(workspace, splits, settings, quiet)
    found: list[pl.DataFrame] = []
    by_league: list[pl.DataFrame] = []
    test = splits.filter(split="test")
    leagues = [None, *test["league"].unique().sort()]
    weights = {
        league: cluster_weights(
            (test if league is None else test.filter(league=league))["player_id"].to_list(),
            settings.resamples,
            settings.seed,
        )
        for league in leagues
    }
    measured = [skill for skill in SKILL_KEYS if skill not in unmeasured]
    total = len(tallies) * len(measured)
    with (
        threadpool_limits(1),  # so that every sum is added in one order
        bar("ceiling", total, quiet=quiet) as advance,
    ):
        for done, ((sampling, count), tallied) in enumerate(tallies.items()):
            x = _features(tallied, splits)
            cells = {n: np.full((test.height, len(SKILL_KEYS)), np.nan) for n in truth.levels}
            chosen: dict[int, dict[str, str]] = {n: {} for n in truth.levels}
            for number, skill in enumerate(measured, start=done * len(measured) + 1):
                column = SKILL_KEYS.index(skill)
                for n, (name, right) in best(x, truth, splits, column, settings.seed).items():
                    cells[n][:, column], chosen[n][skill] = right, name
                advance(1, f"{number:,}/{total:,}")
            # All plays are the same ones, however they are chosen.
            alike = settings.sampling if count is None else (sampling,)
            for n, one, league in itertools.product(truth.levels, alike, leagues):
                head = {"events": count, "sampling": one, "levels": n}
                if league is None:
                    found.append(_rows(cells[n], weights[None], chosen[n], head))
                    continue
                mine = (test["league"] == league).to_numpy()
                part = _rows(cells[n][mine], weights[league], chosen[n], head)
                by_league.append(part.select(pl.lit(league).alias("league"), pl.all()))
    table = tables.validate("ceiling", pl.concat(found))
    plays = tallies[settings.sampling[0], None].filter(split="test")["plays"]
    report = CeilingReport(
        table,
        pl.concat(by_league),
        settings,
        {name: splits.filter(split=name).height for name in IN_DOMAIN},
        {n: float((plays >= n).mean()) for n in sorted(settings.events)},  # type: ignore[arg-type]
        float(plays.median()),  # type: ignore[arg-type]
        unmeasured,
    )
    workspace.write("ceiling", table)
    write_json(workspace.private / "ceiling.json", report.to_json())
    return report


# -- what is seen --------------------------------------------------------------------------------


def _tallies(
    workspace: Workspace, splits: pl.DataFrame, settings: CeilingSettings, quiet: bool
) -> dict[tuple[str, int | None], pl.DataFrame]:
    """Counts of the plays seen: one row for each draw and subject, for each sampling and number of plays."""
    counts = sorted(settings.events)
    wanted = [*itertools.product(settings.sampling, counts), (settings.sampling[0], None)]
    parts: dict[tuple[str, int | None], list[pl.DataFrame]] = {key: [] for key in wanted}
    include_flagged = bool(workspace.read_json("labels.json")["settings"]["include_flagged"])
    places = splits.select("league", "season").unique().sort("league", "season").rows()
    for league, season in track(places, "plays", quiet=quiet):
        people = splits.filter(league=league, season=season)
        games = workspace.read("games", league, season)
        events, _ = with_contests(workspace.read("events", league, season))
        if workspace.has_season("flags", league, season) and not include_flagged:
            out = workspace.read("flags", league, season).filter(scope="game")["game_id"].unique()
            events = events.filter(~pl.col("game_id").is_in(out.implode()))
        seen = see(events, games, people)
        for draw in range(settings.draws):
            ordered = draw_order(events, people, seen, draw=draw, seed=settings.seed)
            for sampling, n in wanted:
                if n is None and draw > 0:  # all plays are all plays
                    continue
                tallied = people.select("subject_id", "league", "season", "split").join(
                    tally(ordered, sampling, n), on="subject_id", how="left"
                )
                parts[sampling, n].append(
                    tallied.with_columns(pl.lit(draw).alias("draw"), cs.integer().fill_null(0))
                )
    return {key: pl.concat(some).sort("draw", "subject_id") for key, some in parts.items()}


def _features(tallied: pl.DataFrame, splits: pl.DataFrame) -> np.ndarray:
    """Features ``(draws, subjects, features)``."""
    train = (tallied["split"] == "train").to_numpy()
    places = tallied.select(pl.concat_str("league", "season", separator=" ")).to_series()
    found = features(tallied, places.to_list(), train)
    return found.reshape(-1, splits.height, found.shape[1])


# -- what is found -------------------------------------------------------------------------------


def _rows(
    cells: np.ndarray,
    weights: np.ndarray | None,
    chosen: Mapping[str, str],
    head: Mapping[str, Any],
) -> pl.DataFrame:
    """Rows of table ``ceiling`` for cells ``(subjects, 20)``."""
    means = group_means(cells)[0]
    low, high = bootstrap(cells, weights)
    rows = []
    for place, (name, members) in enumerate(GROUPS):
        if len(members) > 1 and place != _MEAN:  # a category
            continue
        numbers = (None if np.isnan(x[place]) else float(x[place]) for x in (means, low, high))
        labels = int((~np.isnan(cells[:, members])).sum())
        rows.append((name, *head.values(), chosen.get(name), *numbers, len(cells), labels))
    return pl.DataFrame(rows, schema=tables.dtypes("ceiling"), orient="row")
