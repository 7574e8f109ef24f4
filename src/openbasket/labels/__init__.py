"""Events to statistics to scores to ranks to levels, for the 20 skills (paper, section 3.1)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import __version__, tables
from openbasket.errors import BadInputError, ConfigError, Problem
from openbasket.labels.experts import read_experts
from openbasket.labels.impact import adjusted_plus_minus, stretches
from openbasket.labels.levels import level
from openbasket.labels.ranks import rank
from openbasket.labels.scores import (
    FORMULAS,
    Formula,
    missing_for,
    rated_games,
    recorded,
    score,
)
from openbasket.labels.statistics import game_statistics, season_statistics, subjects
from openbasket.progress import track
from openbasket.skills import SKILL_KEYS, SKILLS
from openbasket.tables import TableName
from openbasket.workspace import Workspace, write_json

__all__ = ["LabelReport", "LabelSettings", "label", "label_season"]


@dataclass(frozen=True)
class LabelSettings:
    """How labels are made.

    Args:
        levels: 5 as in the paper; 3 for the human study.
        min_events: player-seasons with fewer events get no label and are not ranked. 50 by default,
            what a reel needs, so that the levels of the filmed players are even.
        min_minutes: likewise for minutes on court.
        include_flagged: use games, and line-ups, that the import flagged as not to be trusted.
    """

    levels: int = 5
    min_events: int = 50
    min_minutes: float = 0.0
    include_flagged: bool = False

    def __post_init__(self) -> None:
        faults = [
            f"{name}: got {value}; allowed: at least {least}"
            for name, value, least in (
                ("levels", self.levels, 2),
                ("min_events", self.min_events, 0),
                ("min_minutes", self.min_minutes, 0),
            )
            if value < least
        ]
        if faults:
            raise ConfigError("label settings: " + "; ".join(faults))


@dataclass
class LabelReport:
    """What was labelled: one dictionary of facts for each league and season."""

    settings: LabelSettings
    seasons: list[dict[str, Any]] = field(default_factory=list)

    columns = (
        "league", "season", "games", "left out", "no line-ups", "subjects", "labelled skills", "labels",
    )  # fmt: skip

    def rows(self) -> list[tuple[str, ...]]:
        """Rows for printing, under ``columns``."""
        return [
            (
                s["league"],
                s["season"],
                f"{s['games']:,}",
                f"{s['games_left_out']:,}",
                f"{s['games_without_lineups']:,}",
                f"{s['subjects']:,}",
                f"{len(SKILLS) - len(s['not_recorded'])} of {len(SKILLS)}",
                f"{s['labels']:,}",
            )
            for s in self.seasons
        ]

    @property
    def notes(self) -> list[str]:
        """Which skills have no labels, and why."""
        why: dict[str, list[str]] = {}
        for s in self.seasons:
            for skill, missing in s["not_recorded"].items():
                why.setdefault(f"{skill} (no {', '.join(missing)})", []).append(
                    f"{s['league']} {s['season']}"
                )
        return [f"not labelled: {text} in {', '.join(places)}" for text, places in why.items()]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "settings": asdict(self.settings),
            "seasons": self.seasons,
            "openbasket": __version__,
        }


def label(
    workspace: Workspace,
    settings: LabelSettings | None = None,
    *,
    experts: Path | None = None,
    quiet: bool = False,
) -> LabelReport:
    """Label every subject of a workspace; write ``subjects``, ``levels`` and ``labels.json``.

    Raises:
        BadInputError: a league's season with fewer subjects than levels, or a bad experts' file.
        NotFoundError: no games have been imported.
    """
    settings = settings or LabelSettings()
    report = LabelReport(settings)
    workspace.read("games")  # says what to do where there are none
    everyone, labels, problems = [], [], []
    for league, season in track(workspace.seasons("games"), "labels", quiet=quiet):
        people, levels, facts = label_season(read_season(workspace, league, season), settings)
        if people.height < settings.levels:
            allowed = f"at least {settings.levels}, one for each level"
            given = f"{people.height} players with {settings.min_events} events or more"
            problems.append(Problem(f"{league} {season}", None, None, given, allowed))
        everyone.append(people)
        labels.append(levels)
        report.seasons.append({"league": league, "season": season, **facts})
    if problems:
        hint = "Import more games of the season, or lower --min-events, --min-minutes or --levels."
        raise BadInputError(problems, hint)
    people = pl.concat(everyone).sort("subject_id")
    levels = pl.concat(labels)
    if experts is not None:
        levels = _with_experts(
            levels, people, read_experts(experts, people, settings.levels), settings
        )
    order = pl.Enum(SKILL_KEYS)
    levels = levels.sort("subject_id", pl.col("skill").cast(order))
    workspace.write("subjects", people)
    workspace.write("levels", levels)
    write_json(workspace.private / "labels.json", report.to_json())
    return report


@dataclass(frozen=True)
class SeasonTables:
    """The tables of one league and season that labels are made from."""

    games: pl.DataFrame
    events: pl.DataFrame
    stints: pl.DataFrame
    box_scores: pl.DataFrame
    flags: pl.DataFrame

    def only(self, games: pl.Series | None = None) -> SeasonTables:
        """The tables with these games alone."""
        mine = pl.col("game_id").is_in((games if games is not None else pl.Series([])).implode())
        return SeasonTables(*(getattr(self, f.name).filter(mine) for f in fields(self)))


def read_season(workspace: Workspace, league: str, season: str) -> SeasonTables:
    """Read a season's tables; box scores and flags may be missing."""

    def table(name: TableName) -> pl.DataFrame:
        there = (league, season) in workspace.seasons(name)
        return workspace.read(name, league, season) if there else tables.empty(name)

    games, events, stints = (
        workspace.read(name, league, season) for name in ("games", "events", "stints")
    )
    return SeasonTables(games, events, stints, table("box_scores"), table("flags"))


@dataclass(frozen=True)
class SeasonCounts:
    """What is counted of a season before it is rated.

    Args:
        all: rows of :func:`statistics.game_statistics` of all games that are not left out.
        timed: of these, the player-games whose minutes are known, with consistency rated.
        lined: of these, the games whose line-ups can be trusted.
        stretches: rows of :func:`impact.stretches` of the games of ``lined``.
    """

    all: pl.DataFrame
    timed: pl.DataFrame
    lined: pl.DataFrame
    stretches: pl.DataFrame

    def of(self, formula: Formula) -> pl.DataFrame:
        """The rows that a formula may use."""
        if "lineups" in formula.needs:
            return self.lined
        return self.timed if "minutes" in formula.needs else self.all


def count_season(season: SeasonTables, *, include_flagged: bool = False) -> SeasonCounts:
    """Count a season, without what its flags warn of (unless ``include_flagged``)."""
    flags = season.flags.clear() if include_flagged else season.flags
    out = flags.filter(scope="game")["game_id"].unique()
    doubted = flags.filter(scope="lineups")["game_id"].unique()
    kept = season.only(
        season.games["game_id"].filter(~season.games["game_id"].is_in(out.implode()))
    )
    trusted = ~pl.col("game_id").is_in(doubted.implode())
    stints = kept.stints.filter(trusted)
    rows = game_statistics(kept.games, kept.events, kept.stints)
    official = kept.box_scores.select("game_id", "player_id", "seconds_played")
    rows = rows.join(official, on=["game_id", "player_id"], how="left", maintain_order="left")
    timed = pl.col("seconds_played").is_not_null() | (trusted & (pl.col("seconds") > 0))
    seconds = pl.coalesce("seconds_played", "seconds")
    return SeasonCounts(
        rows.with_columns(seconds=seconds).drop("seconds_played"),
        rated_games(
            rows.filter(timed).with_columns(seconds=seconds).drop("seconds_played"), kept.games
        ),
        rows.filter(trusted).drop("seconds_played"),
        stretches(kept.games, kept.events, stints),
    )


def label_season(
    season: SeasonTables, settings: LabelSettings
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Label one league's season: tables ``subjects`` and ``levels``, and facts about them."""
    counts = count_season(season, include_flagged=settings.include_flagged)
    people = subjects(season_statistics(counts.all), season.games).filter(
        (pl.col("events") >= settings.min_events) & (pl.col("minutes") >= settings.min_minutes)
    )
    levels, priors, not_recorded = rate(counts, people, season.events, settings.levels)
    flags = season.flags.clear() if settings.include_flagged else season.flags
    out = flags.filter(scope="game")["game_id"].unique()
    lineups = flags.filter(scope="lineups")["game_id"].unique()
    facts = {
        "games": season.games.height,
        "games_left_out": out.len(),
        "games_without_lineups": lineups.filter(~lineups.is_in(out.implode())).len(),
        "subjects": people.height,
        "labels": int(levels["level"].count()),
        "not_recorded": not_recorded,
        "priors": priors,
    }
    return people, levels, facts


def rate(
    counts: SeasonCounts, people: pl.DataFrame, events: pl.DataFrame, levels: int
) -> tuple[pl.DataFrame, dict[str, Any], dict[str, list[str]]]:
    """Score, rank and level people in every skill.

    Args:
        counts: of the season, or of a part of its games.
        people: table ``subjects``, who is ranked.
        events: table ``events``, which says what the season records.
        levels: number of levels.

    Returns:
        Table ``levels``, the prior of each skill, and what is missing of skills that have no labels.
    """
    keep = people.select("player_id", "subject_id")
    parts, priors = [], {}
    not_recorded: dict[str, list[str]] = {}
    kinds = recorded(events, counts.timed, counts.lined)
    summed: dict[int, tuple[pl.DataFrame, pl.DataFrame]] = {}
    for formula in FORMULAS.values():
        rows = counts.of(formula)
        if id(rows) not in summed:
            game_rows = rows.join(keep, on="player_id", how="semi")
            summed[id(rows)] = season_statistics(game_rows), game_rows
        season_rows, game_rows = summed[id(rows)]
        missing = missing_for(formula, kinds)
        if missing:
            not_recorded[formula.key] = missing
            nothing = pl.lit(None, dtype=pl.Float64)
            scored = keep.with_columns(raw=nothing, trials=nothing, score=nothing)
        else:
            scored, prior = score(formula, season_rows, game_rows)
            if formula.ridge:
                impact, fit = adjusted_plus_minus(counts.stretches)
                scored = (
                    scored.drop("score")
                    .join(impact, on="player_id", how="left")
                    .with_columns(score=pl.when(pl.col("trials") > 0).then("impact"))
                    .select("player_id", "raw", "trials", "score")
                )
                priors[formula.key] = asdict(fit)
            else:
                priors[formula.key] = asdict(prior)
            scored = keep.join(scored, on="player_id", how="left", maintain_order="left")
        ranked = rank(scored, lower_is_better=formula.lower_is_better)
        if 0 < ranked["rank"].count() < levels:  # too few to fill the levels
            not_recorded[formula.key] = [f"{levels} players with a trial"]
            ranked = ranked.with_columns(pl.lit(None, dtype=pl.Int32).alias("rank"), ranked=0)
        parts.append(
            ranked.select(
                "subject_id",
                pl.lit(formula.key).alias("skill"),
                "raw",
                "trials",
                "score",
                "rank",
                pl.col("ranked").cast(pl.Int32),
                level(pl.col("rank"), pl.col("ranked"), levels).alias("level"),
                pl.lit("computed").alias("origin"),
            )
        )
    return pl.concat(parts), priors, not_recorded


def _with_experts(
    levels: pl.DataFrame, people: pl.DataFrame, given: pl.DataFrame, settings: LabelSettings
) -> pl.DataFrame:
    """Let experts' ranks (or levels) replace computed ones, skill by skill and season by season."""
    place = people.select("subject_id", "league", "season")
    given = given.join(place, on="subject_id")
    cells = ["league", "season", "skill"]
    # Ranks may have gaps or ties in the file: only their order counts.
    ordered = (
        given.filter(pl.col("rank").is_not_null())
        .sort(*cells, "rank", "subject_id")
        .with_columns(
            rank=(pl.int_range(pl.len()).over(cells) + 1).cast(pl.Int32),
            ranked=pl.len().over(cells).cast(pl.Int32),
        )
    )
    few = ordered.filter(pl.col("ranked") < settings.levels).select(cells).unique().sort(cells)
    if not few.is_empty():
        raise BadInputError(
            Problem(f"{x} {y}", None, z, "fewer ranks than levels", f"at least {settings.levels}")
            for x, y, z in few.rows()
        )
    ordered = ordered.with_columns(
        level=pl.coalesce("level", level(pl.col("rank"), pl.col("ranked"), settings.levels))
    )
    only_level = given.filter(pl.col("rank").is_null()).with_columns(
        ranked=pl.len().over(cells).cast(pl.Int32)
    )
    replaced = pl.concat(
        [ordered.select(sorted(ordered.columns)), only_level.select(sorted(ordered.columns))]
    )
    # A judged skill is the experts' alone in that league and season: others there lose theirs.
    judged = replaced.select(cells).unique()
    kept = levels.join(place, on="subject_id").join(judged, on=cells, how="anti")
    blank = levels.join(place, on="subject_id").join(judged, on=cells, how="semi")
    blank = blank.drop("rank", "ranked", "level", "origin").join(
        replaced.select("subject_id", "skill", "rank", "ranked", "level"),
        on=["subject_id", "skill"],
        how="left",
    )
    experts = blank.with_columns(pl.col("ranked").fill_null(0), origin=pl.lit("expert"))
    return pl.concat([kept.select(levels.columns), experts.select(levels.columns)])
