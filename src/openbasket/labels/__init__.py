"""Events to statistics to scores to ranks to levels, for the 20 skills (paper, section 3.1)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import __version__
from openbasket.errors import BadInputError, ConfigError, Problem
from openbasket.labels.experts import read_experts
from openbasket.labels.levels import level
from openbasket.labels.ranks import rank
from openbasket.labels.scores import FORMULAS, missing_for, rated_games, score
from openbasket.labels.statistics import game_statistics, season_statistics, subjects
from openbasket.progress import track
from openbasket.skills import SKILL_KEYS, SKILLS
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
    """

    levels: int = 5
    min_events: int = 50
    min_minutes: float = 0.0

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

    columns = ("league", "season", "subjects", "labelled skills", "labels")

    def rows(self) -> list[tuple[str, ...]]:
        """Rows for printing, under ``columns``."""
        return [
            (
                s["league"],
                s["season"],
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
        games, events, stints = (
            workspace.read(table, league, season) for table in ("games", "events", "stints")
        )
        people, levels, facts = label_season(games, events, stints, settings)
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


def label_season(
    games: pl.DataFrame, events: pl.DataFrame, stints: pl.DataFrame, settings: LabelSettings
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Label one league's season: tables ``subjects`` and ``levels``, and facts about them."""
    game_rows = rated_games(game_statistics(games, events, stints), games)
    season_rows = season_statistics(game_rows)
    everyone = season_rows
    people = subjects(season_rows, games).filter(
        (pl.col("events") >= settings.min_events) & (pl.col("minutes") >= settings.min_minutes)
    )
    keep = people.select("player_id", "subject_id")
    season_rows = season_rows.join(keep, on="player_id", how="semi")
    game_rows = game_rows.join(keep, on="player_id", how="semi")
    parts, priors = [], {}
    not_recorded: dict[str, list[str]] = {}
    for formula in FORMULAS.values():
        missing = missing_for(formula, events, everyone)
        if missing:
            not_recorded[formula.key] = missing
            nothing = pl.lit(None, dtype=pl.Float64)
            scored = keep.with_columns(raw=nothing, trials=nothing, score=nothing)
        else:
            scored, prior = score(formula, season_rows, game_rows)
            scored = scored.join(keep, on="player_id")
            priors[formula.key] = asdict(prior)
        ranked = rank(scored, lower_is_better=formula.lower_is_better)
        if 0 < ranked["rank"].count() < settings.levels:  # too few to fill the levels
            not_recorded[formula.key] = [f"{settings.levels} players with a trial"]
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
                level(pl.col("rank"), pl.col("ranked"), settings.levels).alias("level"),
                pl.lit("computed").alias("origin"),
            )
        )
    levels = pl.concat(parts)
    facts = {
        "subjects": people.height,
        "labels": int(levels["level"].count()),
        "not_recorded": not_recorded,
        "priors": priors,
    }
    return people, levels, facts


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
