"""How far can a label be trusted? Halves of a season, seasons in a row, and games drawn anew.

Split-half: a season's games, in order of date, are dealt into odd and even ones; both halves are scored on
their own; the correlation ``r`` of the scores over players is stepped up to the whole season
(Spearman-Brown, ``2 r / (1 + r)``). Year to year: the correlation of a player's scores in two consecutive
seasons of a league, which ability's own change lowers too. Level change: the season's games are drawn anew
with replacement, everything is scored, ranked and levelled again, and the share of subjects whose
level differs is counted. A label of no information changes level in 80 % of draws (five levels).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket.labels.rating import SeasonCounts, SeasonTables, count_season, rate, read_season
from openbasket.labels.settings import LabelSettings
from openbasket.labels.statistics import season_statistics, subjects
from openbasket.progress import track
from openbasket.skills import BY_KEY, SKILL_KEYS
from openbasket.wording import counted
from openbasket.workspace import Workspace, write_json

__all__ = ["NOISE", "ReliabilityReport", "reliability", "spearman_brown", "verdict"]

#: Reliability below which more than half of the differences between players are noise.
NOISE = 0.5
GOOD = 0.7
BOOTSTRAP = 1000
#: Fewer pairs than this tell no correlation.
LEAST_PAIRS = 20

SCHEMA = {
    "league": pl.String,
    "season": pl.String,
    "skill": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "players": pl.Int64,
}


def _least_players(levels: int) -> int:
    return max(levels, LEAST_PAIRS)


@dataclass(frozen=True)
class ReliabilityReport:
    """Reliability of the labels of a workspace.

    Args:
        table: ``league, season, skill, measure, value, low, high, players``. Measures: ``split_half``,
            ``year_to_year`` (the season is the second one) and ``level_change`` (a share; 95 % intervals
            for all). Skills without labels, or of fewer than twenty players, have no row.
        levels: number of levels.
        resamples: draws of games behind ``level_change``.
        too_small: league and season -> ranked players, of those that were not measured since they have fewer
            than ``least_players``.
    """

    table: pl.DataFrame
    levels: int
    resamples: int
    too_small: dict[str, int] = field(default_factory=dict)

    @property
    def least_players(self) -> int:
        """Seasons of fewer ranked players are not measured."""
        return _least_players(self.levels)

    @property
    def notes(self) -> list[str]:
        """Which seasons were not measured, and why."""
        return [
            f"not measured: {place}, {counted(count, 'player')} with enough events; "
            f"needed: {self.least_players}"
            for place, count in self.too_small.items()
        ]

    def summary(self) -> pl.DataFrame:
        """A row for each league and skill: measures averaged over seasons (weighted by players).

        Returns:
            ``league, skill, split_half, year_to_year, level_change, players, verdict``.
        """
        weight = pl.col("players")
        means = (
            self.table.group_by("league", "skill", "measure")
            .agg((pl.col("value") * weight).sum() / weight.sum(), weight.sum())
            .pivot("measure", index=["league", "skill"], values=["value", "players"])
        )
        wanted = {m: f"value_{m}" for m in ("split_half", "year_to_year", "level_change")}
        have = [
            (pl.col(c) if c in means.columns else pl.lit(None, pl.Float64)).alias(m)
            for m, c in wanted.items()
        ]
        if means.is_empty():
            columns = {"league": pl.String, "skill": pl.String, **dict.fromkeys(wanted, pl.Float64)}
            return pl.DataFrame(schema={**columns, "players": pl.Int64, "verdict": pl.String})
        counted = pl.max_horizontal(c for c in means.columns if c.startswith("players_"))
        return (
            means.select("league", "skill", *have, counted.alias("players"))
            .with_columns(
                verdict=pl.col("split_half").map_elements(
                    verdict, return_dtype=pl.String, skip_nulls=True
                )
            )
            .sort("league", pl.col("skill").cast(pl.Enum(SKILL_KEYS)))
        )

    def rows(self) -> list[tuple[str, ...]]:
        """Rows for printing: league, skill, three measures, verdict."""
        return [
            (
                row["league"],
                BY_KEY[row["skill"]].name,
                _number(row["split_half"]),
                _number(row["year_to_year"]),
                "-" if row["level_change"] is None else f"{row['level_change']:.0%}",
                row["verdict"] or "-",
            )
            for row in self.summary().rows(named=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "levels": self.levels,
            "resamples": self.resamples,
            "least_players": self.least_players,
            "too_small": self.too_small,
            "rows": self.table.to_dicts(),
            "summary": self.summary().to_dicts(),
        }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def verdict(split_half: float) -> str:
    """What a reliability means in words."""
    if split_half < NOISE:
        return "mostly noise"
    return "good" if split_half >= GOOD else "fair"


def spearman_brown(r: float) -> float:
    """Reliability of a whole from the correlation of its halves (Spearman 1910, Brown 1910).

    The formula runs to minus infinity below zero; negative correlations are mirrored instead.
    """
    return 2 * r / (1 + abs(r))


def reliability(
    workspace: Workspace,
    settings: LabelSettings | None = None,
    *,
    resamples: int = 20,
    seed: int = 0,
    quiet: bool = False,
) -> ReliabilityReport:
    """Measure how reliable the labels of every league and season are; write ``reliability.json``.

    Args:
        workspace: with imported games; labels need not have been made.
        settings: how labels are made.
        resamples: draws of each season's games for the share of levels that change.
        seed: of these draws and of the intervals' bootstrap.
        quiet: show no progress.

    Raises:
        NotFoundError: no games have been imported.
    """
    settings = settings or LabelSettings()
    workspace.require("games")
    rows: list[tuple[Any, ...]] = []
    scores: dict[tuple[str, str], pl.DataFrame] = {}
    too_small: dict[str, int] = {}
    for league, season in track(workspace.seasons("games"), "reliability", quiet=quiet):
        tables = read_season(workspace, league, season)
        rng = np.random.default_rng([seed, *league.encode(), *season.encode()])
        counts = count_season(tables, include_flagged=settings.include_flagged)
        people = subjects(season_statistics(counts.all), tables.games).filter(
            (pl.col("events") >= settings.min_events) & (pl.col("minutes") >= settings.min_minutes)
        )
        if people.height < _least_players(settings.levels):
            too_small[f"{league} {season}"] = people.height
            continue
        whole, _, _ = rate(counts, people, tables.events, settings.levels)
        scores[league, season] = whole.join(people, on="subject_id").select(
            "player_id", "skill", "score"
        )
        place = (league, season)
        rows += _split_half(place, tables, counts, people, settings, rng)
        rows += _level_change(place, tables, counts, people, whole, settings, resamples, rng)
    for (league, season), later in scores.items():
        earlier = scores.get((league, _before(season)))
        if earlier is not None:
            rng = np.random.default_rng([seed, 1, *league.encode(), *season.encode()])
            both = later.join(earlier, on=["player_id", "skill"], suffix="_other")
            rows += _correlations((league, season), "year_to_year", both, rng)
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row").sort(
        "league", "season", "measure", "skill"
    )
    report = ReliabilityReport(table, settings.levels, resamples, too_small)
    write_json(workspace.private / "reliability.json", report.to_json())
    return report


def _before(season: str) -> str:
    return f"{(int(season[:2]) - 1) % 100:02d}-{season[:2]}"


def _split_half(
    place: tuple[str, str],
    tables: SeasonTables,
    counts: SeasonCounts,
    people: pl.DataFrame,
    settings: LabelSettings,
    rng: np.random.Generator,
) -> list[tuple[Any, ...]]:
    games = tables.games.sort(pl.col("date"), "game_id", nulls_last=True)["game_id"]
    halves = []
    for parity in (0, 1):
        mine = pl.DataFrame({"game_id": games.gather_every(2, parity)}).with_columns(weight=1)
        scored, _, _ = rate(counts.weighted(mine), people, tables.events, settings.levels)
        halves.append(scored.select("subject_id", "skill", "score"))
    both = halves[0].join(halves[1], on=["subject_id", "skill"], suffix="_other")
    return _correlations(place, "split_half", both, rng)


def _correlations(
    place: tuple[str, str], measure: str, both: pl.DataFrame, rng: np.random.Generator
) -> list[tuple[Any, ...]]:
    """Correlation of ``score`` and ``score_other`` for each skill, with bootstrap intervals."""
    rows = []
    step = np.vectorize(spearman_brown) if measure == "split_half" else np.asarray
    for skill in SKILL_KEYS:
        pairs = both.filter(pl.col("skill") == skill).drop_nulls(["score", "score_other"])
        if pairs.height < LEAST_PAIRS:
            continue
        x, y = pairs["score"].to_numpy(), pairs["score_other"].to_numpy()
        if x.std() == 0 or y.std() == 0:
            continue
        draws = rng.integers(0, len(x), (BOOTSTRAP, len(x)))
        r = _pearson(x[None], y[None])
        low, high = np.nanquantile(step(_pearson(x[draws], y[draws])), [0.025, 0.975])
        rows.append((*place, skill, measure, float(step(r)[0]), float(low), float(high), len(x)))
    return rows


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations of the rows of two matrices; nan where one does not vary."""
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1)))


def _level_change(
    place: tuple[str, str],
    tables: SeasonTables,
    counts: SeasonCounts,
    people: pl.DataFrame,
    whole: pl.DataFrame,
    settings: LabelSettings,
    resamples: int,
    rng: np.random.Generator,
) -> list[tuple[Any, ...]]:
    if resamples < 1:
        return []
    games = tables.games["game_id"].sort()
    known = whole.select("subject_id", "skill", "level").drop_nulls()
    shares: list[pl.DataFrame] = []
    for _ in range(resamples):
        drawn = np.bincount(rng.integers(0, games.len(), games.len()), minlength=games.len())
        weights = pl.DataFrame({"game_id": games, "weight": drawn}).filter(pl.col("weight") > 0)
        again, _, _ = rate(counts.weighted(weights), people, tables.events, settings.levels)
        shares.append(
            known.join(again.select("subject_id", "skill", now="level"), on=["subject_id", "skill"])
            .drop_nulls("now")
            .with_columns(changed=pl.col("level") != pl.col("now"))
        )
    by_subject = (
        pl.concat(shares)
        .group_by("subject_id", "skill")
        .agg(pl.col("changed").mean())
        .sort("subject_id")
    )
    rows = []
    for skill in SKILL_KEYS:
        share = by_subject.filter(skill=skill)["changed"].to_numpy()
        if len(share) < LEAST_PAIRS:
            continue
        means = share[rng.integers(0, len(share), (BOOTSTRAP, len(share)))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        rows.append(
            (
                *place,
                skill,
                "level_change",
                float(share.mean()),
                float(low),
                float(high),
                len(share),
            )
        )
    return rows
