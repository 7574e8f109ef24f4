"""One league's season: from its tables to counts, from counts to scores, ranks and levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from openbasket.labels.impact import adjusted_plus_minus, stretches
from openbasket.labels.levels import level
from openbasket.labels.ranks import rank
from openbasket.labels.scores import (
    FORMULAS,
    Formula,
    missing_for,
    rated_games,
    recorded,
    score_all,
)
from openbasket.labels.statistics import game_statistics, season_statistics, with_contests
from openbasket.transcripts.court import team_acts
from openbasket.workspace import Workspace

__all__ = ["SeasonCounts", "SeasonTables", "count_season", "rate", "read_season"]


@dataclass(frozen=True)
class SeasonTables:
    """The tables of one league and season that labels are made from.

    Args:
        games, events, stints, box_scores, flags: the tables.
        contests: how contested shots are known, one of :data:`statistics.CONTESTS`; ``None`` if they are not.
    """

    games: pl.DataFrame
    events: pl.DataFrame
    stints: pl.DataFrame
    box_scores: pl.DataFrame
    flags: pl.DataFrame
    contests: str | None = None

    def only(self, games: pl.Series | None = None) -> SeasonTables:
        """The tables with these games alone."""
        mine = pl.col("game_id").is_in((games if games is not None else pl.Series([])).implode())
        return replace(
            self,
            games=self.games.filter(mine),
            events=self.events.filter(mine),
            stints=self.stints.filter(mine),
            box_scores=self.box_scores.filter(mine),
            flags=self.flags.filter(mine),
        )


def read_season(workspace: Workspace, league: str, season: str) -> SeasonTables:
    """Read a season's tables; box scores and flags may be missing. Contests are told where they can be."""
    games, events, stints = (
        workspace.read(name, league, season) for name in ("games", "events", "stints")
    )
    events, contests = with_contests(events)
    box_scores = workspace.read_or_empty("box_scores", league, season)
    flags = workspace.read_or_empty("flags", league, season)
    return SeasonTables(games, events, stints, box_scores, flags, contests)


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

    def weighted(self, weights: pl.DataFrame) -> SeasonCounts:
        """The counts with each game taken ``weight`` times; games that ``weights`` lacks are left out.

        Args:
            weights: ``game_id, weight`` (whole numbers from 1).
        """

        def times(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
            joined = rows.join(weights, on="game_id", maintain_order="left")
            return joined.with_columns(pl.exclude(*keys) * pl.col("weight")).drop("weight")

        keys = ("game_id", "player_id", "league", "season", "weight")
        players = ("game_id", "first_order", "home_players", "away_players", "weight")
        return SeasonCounts(
            times(self.all, keys),
            times(self.timed, keys),
            times(self.lined, keys),
            times(self.stretches, players),
        )

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
    kept = season
    if not out.is_empty():
        kept = season.only(season.games.filter(~pl.col("game_id").is_in(out.implode()))["game_id"])
    trusted = ~pl.col("game_id").is_in(doubted.implode())
    stints = kept.stints.filter(trusted)
    acts = team_acts(kept.events)
    rows = game_statistics(kept.games, kept.events, kept.stints, acts)
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
        stretches(kept.games, acts, stints),
    )


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
    kinds = recorded(events, counts.timed, counts.lined)
    missing = {key: missing_for(formula, kinds) for key, formula in FORMULAS.items()}
    usable = [formula for key, formula in FORMULAS.items() if not missing[key]]
    numbers = dict.fromkeys(("raw", "trials", "score"), pl.Float64)
    parts = [pl.DataFrame(schema={"player_id": pl.String, "skill": pl.String, **numbers})]
    priors: dict[str, Any] = {}
    alike: dict[int, list[Formula]] = {}  # formulas that use the same rows
    for formula in usable:
        alike.setdefault(id(counts.of(formula)), []).append(formula)
    for formulas in alike.values():
        mine = counts.of(formulas[0]).filter(pl.col("player_id").is_in(keep["player_id"].implode()))
        # They are in the order of games, and are so within each player.
        by_player = mine.sort("player_id", maintain_order=True)
        scored, fitted = score_all(formulas, season_statistics(mine), by_player)
        parts.append(scored)
        priors |= {key: asdict(prior) for key, prior in fitted.items()}
    scored = pl.concat(parts)
    for formula in usable:
        if formula.ridge:
            impact, fit = adjusted_plus_minus(counts.stretches)
            here = (pl.col("skill") == formula.key) & (pl.col("trials") > 0)
            scored = scored.join(impact, on="player_id", how="left").select(
                pl.exclude("score", "impact"),
                pl.when(here).then("impact").otherwise("score").alias("score"),
            )
            priors[formula.key] = asdict(fit)
    everything = (
        pl.DataFrame({"skill": list(FORMULAS)})
        .join(keep, how="cross", maintain_order="left_right")
        .join(scored, on=["skill", "player_id"], how="left", maintain_order="left")
    )
    lower = [key for key, formula in FORMULAS.items() if formula.lower_is_better]
    ranked = rank(everything, lower_is_better=pl.col("skill").is_in(lower), by="skill")
    few = pl.col("ranked") < levels  # too few to fill the levels
    for key in ranked.filter(few & (pl.col("ranked") > 0))["skill"].unique():
        missing[key] = [f"{levels} players with a trial"]
    table = ranked.with_columns(
        rank=pl.when(~few).then("rank"), ranked=pl.when(~few).then("ranked").otherwise(0)
    ).select(
        "subject_id",
        "skill",
        "raw",
        "trials",
        "score",
        "rank",
        "ranked",
        level(pl.col("rank"), pl.col("ranked"), levels).alias("level"),
        pl.lit("computed").alias("origin"),
    )
    return table, priors, {key: needs for key, needs in missing.items() if needs}
