"""Events to statistics to scores to ranks to levels, for the 20 skills (paper, section 3.1)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import __version__
from openbasket.errors import BadInputError, Problem
from openbasket.labels.experts import read_experts
from openbasket.labels.levels import level
from openbasket.labels.rating import SeasonTables, count_season, rate, read_season
from openbasket.labels.settings import LabelSettings
from openbasket.labels.statistics import season_statistics, subjects
from openbasket.memory import seldom_collected
from openbasket.progress import track
from openbasket.skills import SKILL_KEYS, SKILLS
from openbasket.wording import counted
from openbasket.workspace import Workspace, write_json

__all__ = ["LabelReport", "LabelSettings", "SeasonTables", "label", "label_season"]

#: Levels of fewer people say little.
PEOPLE_PER_LEVEL = 4


@dataclass
class LabelReport:
    """What was labelled: one dictionary of facts for each league and season, and which were too small."""

    settings: LabelSettings
    seasons: list[dict[str, Any]] = field(default_factory=list)
    too_small: dict[str, int] = field(default_factory=dict)  # league and season -> subjects

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
        """Which seasons and skills have no labels, and why; which labels mean little, and why."""
        why: dict[str, list[str]] = {}
        for s in self.seasons:
            for skill, missing in s["not_recorded"].items():
                why.setdefault(f"{skill} (no {', '.join(missing)})", []).append(
                    f"{s['league']} {s['season']}"
                )
        small = [
            f"not labelled: {place}, {counted(count, 'player')} with enough events "
            f"for {self.settings.levels} levels"
            for place, count in self.too_small.items()
        ]
        few = [
            f"few people: {s['league']} {s['season']}, {counted(s['subjects'], 'player')} in "
            f"{self.settings.levels} levels, fewer than {PEOPLE_PER_LEVEL} in each"
            for s in self.seasons
            if s["subjects"] < PEOPLE_PER_LEVEL * self.settings.levels
        ]
        schedules = [
            f"one team's schedule: {s['league']} {s['season']}, {s['team_of_every_game']} plays in each of "
            f"its {s['games']:,} games; ranks beside opponents seen once or twice mean little"
            for s in self.seasons
            if s["team_of_every_game"]
        ]
        return [
            *small,
            *(f"not labelled: {text} in {', '.join(places)}" for text, places in why.items()),
            *few,
            *schedules,
        ]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "settings": asdict(self.settings),
            "seasons": self.seasons,
            "too_small": self.too_small,
            "notes": self.notes,
            "openbasket": __version__,
        }


@seldom_collected()
def label(
    workspace: Workspace,
    settings: LabelSettings | None = None,
    *,
    experts: Path | None = None,
    quiet: bool = False,
) -> LabelReport:
    """Label every subject of a workspace; write ``subjects``, ``levels`` and ``labels.json``.

    Raises:
        BadInputError: no league's season has as many subjects as levels, or a bad experts' file.
            Single seasons that have too few get no labels, and a note.
        NotFoundError: no games have been imported.
    """
    settings = settings or LabelSettings()
    report = LabelReport(settings)
    workspace.require("games")
    everyone, labels, problems = [], [], []
    for league, season in track(workspace.seasons("games"), "labels", quiet=quiet):
        people, levels, facts = label_season(read_season(workspace, league, season), settings)
        if people.height < settings.levels:
            allowed = f"at least {settings.levels}, one for each level"
            given = (
                f"{counted(people.height, 'player')} with "
                f"{counted(settings.min_events, 'event')} or more"
            )
            problems.append(Problem(f"{league} {season}", None, None, given, allowed))
            report.too_small[f"{league} {season}"] = people.height
            continue
        everyone.append(people)
        labels.append(levels)
        report.seasons.append({"league": league, "season": season, **facts})
    if not everyone:
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
        "contests": season.contests,
        "team_of_every_game": _team_of_every_game(season.games),
        "not_recorded": not_recorded,
        "priors": priors,
    }
    return people, levels, facts


def _team_of_every_game(games: pl.DataFrame) -> str | None:
    """The name of the one team that plays in all games; ``None`` where there is none, or both do."""
    teams = pl.concat(
        games.select(team_id=f"{side}_team_id", name=f"{side}_team") for side in ("home", "away")
    )
    always = (
        teams.group_by("team_id")
        .agg(pl.len(), pl.col("name").drop_nulls().first())
        .filter(pl.col("len") == games.height)
    )
    if always.height != 1:
        return None
    team, _, name = always.row(0)
    return str(name or team)


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
