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

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from threadpoolctl import threadpool_limits

from openbasket import tables
from openbasket.errors import BadInputError, Problem, SplitError
from openbasket.evaluation.ceiling_report import CeilingReport, CeilingSettings, LeftOut
from openbasket.evaluation.ceiling_shares import LEAST_PERSONS
from openbasket.evaluation.intervals import cluster_weights, interval_of_means
from openbasket.evaluation.metrics import GROUPS, group_means
from openbasket.evaluation.observable import own_clips
from openbasket.evaluation.observer import draw_order, features, see, tally
from openbasket.evaluation.truth import ALLOWED, best, find_unmeasured, read_truth, split_hashes
from openbasket.labels.statistics import with_contests
from openbasket.progress import bar, track
from openbasket.skills import SKILL_KEYS
from openbasket.splits.assign import IN_DOMAIN
from openbasket.splits.persons import person_key
from openbasket.wording import counted
from openbasket.workspace import Workspace, write_json

__all__ = ["CeilingReport", "CeilingSettings", "LeftOut", "ceiling"]

_MEAN = len(GROUPS) - 1


#: Levels that are measured beside those of the labels (the paper's easier task).
COARSE = 3
_LEAGUES: dict[str, Any] = {"league": pl.String, **tables.dtypes("ceiling")}


def ceiling(
    workspace: Workspace, settings: CeilingSettings | None = None, *, quiet: bool = False
) -> CeilingReport:
    """Measure what a perfect observer knows; write tables ``ceiling``, ``ceiling_cells``, ``ceiling.json``.

    He is scored on test, and on the unseen seasons and leagues where the dataset has them.

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
    clips = own_clips(workspace)
    if clips is not None and clips not in settings.events:
        settings = replace(settings, events=(*settings.events, clips))
    levels, levels_note = _levels(workspace, settings, own)
    settings = replace(settings, levels=levels)
    splits = workspace.read("splits").filter(pl.col("split").is_not_null()).sort("subject_id")
    for name in IN_DOMAIN:
        if splits.filter(split=name).is_empty():
            raise SplitError(f"nobody is in '{name}'. Split anew: 'openbasket split'")
    truth = read_truth(workspace, splits, levels, own)
    hashes = split_hashes(workspace, own)
    unmeasured = find_unmeasured(truth, splits)
    if len(unmeasured) == len(SKILL_KEYS):
        where = str(workspace.table_path("levels"))
        skills: dict[str, list[str]] = {}
        for skill, why in unmeasured.items():
            skills.setdefault(why, []).append(skill)
        problems = [
            Problem(where, None, "skill", f"{why} ({', '.join(of)})", ALLOWED)
            for why, of in skills.items()
        ]
        raise BadInputError(
            problems,
            "Take a larger benchmark ('small', 'v1'), import or simulate more games or leagues, or split "
            "with a greater share of train. Subjects without a reel count, too.",
        )
    tallies = _tallies(workspace, splits, settings, quiet)
    found: list[pl.DataFrame] = []
    by_league: list[pl.DataFrame] = []
    every: list[pl.DataFrame] = []
    groups, few = _groups(splits)
    person = [person_key(player) for player in splits["player_id"]]
    persons = {key: [person[row] for row in rows] for key, rows in groups.items()}
    weights = {
        key: cluster_weights(some, settings.resamples, settings.seed)
        for key, some in persons.items()
    }
    measured = [skill for skill in SKILL_KEYS if skill not in unmeasured]
    total = len(tallies) * len(measured)
    with (
        threadpool_limits(1),  # so that every sum is added in one order
        bar("ceiling", total, quiet=quiet) as advance,
    ):
        for done, ((sampling, count), tallied) in enumerate(tallies.items()):
            x = _features(tallied, splits)
            cells = {n: np.full((splits.height, len(SKILL_KEYS)), np.nan) for n in truth.levels}
            chosen: dict[int, dict[str, str]] = {n: {} for n in truth.levels}
            for number, skill in enumerate(measured, start=done * len(measured) + 1):
                column = SKILL_KEYS.index(skill)
                for n, (name, right) in best(x, truth, splits, column, settings.seed).items():
                    cells[n][:, column], chosen[n][skill] = right, name
                advance(1, f"{number:,}/{total:,}")
            # All plays are the same ones, however they are chosen.
            alike = settings.sampling if count is None else (sampling,)
            for n, one in itertools.product(truth.levels, alike):
                head = {"events": count, "sampling": one, "levels": n}
                every.append(_cells(cells[n], truth.labels[n], splits, head))
                for (split, league), rows in groups.items():
                    last = {"split": split, "labels_hash": hashes[split]}
                    key = split, league
                    ends = interval_of_means(cells[n][rows], persons[key], weights[key])
                    part = _rows(cells[n][rows], ends, chosen[n], head, last)
                    if league is None:
                        found.append(part)
                    else:
                        by_league.append(part.select(pl.lit(league).alias("league"), pl.all()))
    table = tables.validate("ceiling", pl.concat(found))
    plays = tallies[settings.sampling[0], None].filter(split="test")["plays"]
    report = CeilingReport(
        table,
        tables.validate("ceiling_cells", pl.concat(every)),
        pl.concat(by_league) if by_league else pl.DataFrame(schema=_LEAGUES),
        settings,
        dict(splits.group_by("split", maintain_order=True).len().sort("split").rows()),
        {n: float((plays >= n).mean()) for n in sorted(settings.events)},  # type: ignore[arg-type]
        float(plays.median()),  # type: ignore[arg-type]
        unmeasured,
        [*_in_no_split(workspace), *few],
        clips,
        _manifest_hash(workspace),
        levels_note,
    )
    workspace.write("ceiling_cells", report.cells)
    workspace.write("ceiling", table)
    write_json(workspace.private / "ceiling.json", report.to_json())
    return report


def _levels(
    workspace: Workspace, settings: CeilingSettings, own: int
) -> tuple[tuple[int, ...], str]:
    """The numbers of levels to measure, greatest first, and why three are not among them by default."""
    if settings.levels:
        return tuple(sorted(settings.levels, reverse=True)), ""
    if own <= COARSE:
        return (own,), f"the labels have {own} levels; more cannot be told from them" * (
            own == COARSE
        )
    unranked = workspace.read("levels").filter(
        pl.col("level").is_not_null() & pl.col("rank").is_null()
    )
    if not unranked.is_empty():
        return (
            own,
        ), f"{COARSE} levels are not measured: some labels have no rank to make them from"
    return (own, COARSE), ""


def _groups(
    splits: pl.DataFrame,
) -> tuple[dict[tuple[str, str | None], np.ndarray], list[LeftOut]]:
    """Rows of each split that is scored and of each league of test, and the leagues of too few persons."""
    numbered = splits.with_row_index("row")
    of_split = numbered.filter(~pl.col("split").is_in(["train", "val"]))
    order = sorted(set(of_split["split"]), key=list(tables.SPLITS).index)
    groups: dict[tuple[str, str | None], np.ndarray] = {
        (split, None): of_split.filter(split=split)["row"].to_numpy() for split in order
    }
    few = []
    for (league,), part in sorted(of_split.filter(split="test").group_by("league")):
        if len(set(map(person_key, part["player_id"]))) < LEAST_PERSONS:
            why = f"of test; fewer than {LEAST_PERSONS} persons, in the whole only"
            few.append(LeftOut(str(league), None, part.height, why))
        else:
            groups["test", str(league)] = part["row"].to_numpy()
    return groups, few


def _in_no_split(workspace: Workspace) -> list[LeftOut]:
    """Places whose subjects are in no split at all: how many they are, and why."""
    splits = workspace.read("splits")
    inside = splits.filter(pl.col("split").is_not_null())
    place = ["league", "season"]
    away = workspace.read("subjects").join(inside.select(place).unique(), on=place, how="anti")
    return [
        LeftOut(league, season, count, "in no split")
        for league, season, count in away.group_by(place).len().sort(place).rows()
    ]


def _manifest_hash(workspace: Workspace) -> str | None:
    path = workspace.private / "manifest.json"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


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
        if seen.is_empty():
            given = f"no play of the {counted(people.height, 'subject')} of {league} {season}"
            where = str(workspace.table_path("events", league, season))
            problem = Problem(where, None, "player_id", given, "the ids of table splits")
            raise BadInputError([problem], "Label and split anew, or import the games again.")
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


def _cells(
    cells: np.ndarray, labels: np.ndarray, splits: pl.DataFrame, head: Mapping[str, Any]
) -> pl.DataFrame:
    """Rows of table ``ceiling_cells`` for cells and labels ``(subjects, 20)``."""
    subjects, skills = np.nonzero(~np.isnan(cells))
    of_subject = splits.select("subject_id", "split")[subjects]
    frame = of_subject.with_columns(
        skill=pl.Series(SKILL_KEYS)[skills],
        **{name: pl.lit(value) for name, value in head.items()},
        level=labels[subjects, skills],
        right=cells[subjects, skills],
    )
    types = tables.dtypes("ceiling_cells")
    return frame.select(pl.col(name).cast(kind) for name, kind in types.items())


def _rows(
    cells: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
    chosen: Mapping[str, str],
    head: Mapping[str, Any],
    last: Mapping[str, Any],
) -> pl.DataFrame:
    """Rows of table ``ceiling`` for cells ``(subjects, 20)`` and the ends of their intervals."""
    means, (low, high) = group_means(cells)[0], ends
    rows = []
    for place, (name, members) in enumerate(GROUPS):
        if len(members) > 1 and place != _MEAN:  # a category
            continue
        numbers = (None if np.isnan(x[place]) else float(x[place]) for x in (means, low, high))
        labels = int((~np.isnan(cells[:, members])).sum())
        counts = (len(cells), labels)
        rows.append((name, *head.values(), chosen.get(name), *numbers, *counts, *last.values()))
    return pl.DataFrame(rows, schema=tables.dtypes("ceiling"), orient="row")
