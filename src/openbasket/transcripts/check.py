"""Reconcile the events with the official box scores, player by player, statistic by statistic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from openbasket.tables import BOX_STATS
from openbasket.transcripts.stints import ON_COURT, minutes_played
from openbasket.workspace import Workspace

__all__ = ["CheckReport", "check", "count_box"]

#: Minutes of stints and box score may differ by this much.
MINUTES_TOLERANCE_S = 5.0


@dataclass(frozen=True)
class CheckReport:
    """How well events and official box scores agree.

    Args:
        agreement: statistic -> share of player-games in which both say the same.
        games: games looked at.
        player_games: player-games with an official line, the denominator of ``agreement``.
        minutes: share of player-games whose minutes from stints are within five seconds of the
            box score's, ``None`` where no box score has minutes.
        flagged: ``{"game_id": ..., "reasons": [...]}`` for each game with a fault.
    """

    agreement: dict[str, float]
    games: int
    player_games: int
    minutes: float | None
    flagged: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "agreement": self.agreement,
            "games": self.games,
            "player_games": self.player_games,
            "minutes_within_5_s": self.minutes,
            "flagged": self.flagged,
        }


def count_box(events: pl.DataFrame) -> pl.DataFrame:
    """Count a box score from the events: ``game_id, player_id`` and :data:`tables.BOX_STATS`."""
    kind = pl.col("kind")
    goal, free = kind == "field_goal", kind == "free_throw"
    made = pl.col("made").fill_null(False)
    value = pl.col("value").fill_null(0).cast(pl.Int32)
    counts = {
        "points": pl.when((goal | free) & made).then(value).otherwise(0),
        "field_goals_2_made": goal & made & (value == 2),
        "field_goals_2_tried": goal & (value == 2),
        "field_goals_3_made": goal & made & (value == 3),
        "field_goals_3_tried": goal & (value == 3),
        "free_throws_made": free & made,
        "free_throws_tried": free,
        "offensive_rebounds": kind == "offensive_rebound",
        "defensive_rebounds": kind == "defensive_rebound",
        "assists": kind == "assist",
        "steals": kind == "steal",
        "turnovers": kind == "turnover",
        "blocks": kind == "block",
        "fouls_made": kind == "foul",
        "fouls_drawn": kind == "foul_drawn",
    }
    return (
        events.lazy()
        .filter(pl.col("player_id").is_not_null())
        .group_by("game_id", "player_id")
        .agg(expr.sum().cast(pl.Int16).alias(stat) for stat, expr in counts.items())
        .sort("game_id", "player_id")
        .collect()
    )


def check(workspace: Workspace) -> CheckReport:
    """Compare every game of a workspace with its official box score.

    A game is flagged if it has no official box score, if any player's statistic differs, if its
    points do not add up to the final score, or if a line-up is not five players.
    """
    agree: dict[str, list[int]] = {stat: [0, 0] for stat in BOX_STATS}
    minutes = [0, 0]
    reasons: dict[str, list[str]] = {}
    games = player_games = 0
    for league, season in workspace.seasons("games"):
        part = workspace.read("games", league, season)
        events = workspace.read("events", league, season)
        official = workspace.read("box_scores", league, season)
        ours = count_box(events)
        games += part.height
        player_games += official.height
        for game in part["game_id"].filter(
            ~part["game_id"].is_in(official["game_id"].unique().implode())
        ):
            reasons.setdefault(game, []).append("no official box score")
        both = official.join(ours, on=["game_id", "player_id"], how="left", suffix="_ours")
        for stat in BOX_STATS:
            told = both.filter(pl.col(stat).is_not_null()).with_columns(
                same=pl.col(stat) == pl.col(f"{stat}_ours").fill_null(0)
            )
            agree[stat][0] += int(told["same"].sum())
            agree[stat][1] += told.height
            for game, player, theirs, mine in (
                told.filter(~pl.col("same"))
                .select("game_id", "player_id", stat, pl.col(f"{stat}_ours").fill_null(0))
                .rows()
            ):
                reasons.setdefault(game, []).append(f"{player}: {stat} {mine}, box score {theirs}")
        for game, player in (
            ours.join(official, on=["game_id", "player_id"], how="anti")
            .filter(pl.col("game_id").is_in(official["game_id"].unique().implode()))
            .filter(pl.sum_horizontal(BOX_STATS) > 0)
            .select("game_id", "player_id")
            .rows()
        ):
            reasons.setdefault(game, []).append(f"{player}: in the events, not in the box score")
        for game, text in _wrong_scores(part, events):
            reasons.setdefault(game, []).append(text)
        stints = workspace.read("stints", league, season)
        for game, count in (
            stints.filter(pl.col("player_ids").list.len() != ON_COURT)
            .group_by("game_id")
            .len()
            .sort("game_id")
            .rows()
        ):
            reasons.setdefault(game, []).append(f"{count} stints without five players")
        told = official.filter(pl.col("seconds_played") > 0).join(
            minutes_played(stints), on=["game_id", "player_id"], how="left"
        )
        near = (told["seconds_played"] - told["seconds"].fill_null(0)).abs() <= MINUTES_TOLERANCE_S
        minutes = [minutes[0] + int(near.sum()), minutes[1] + told.height]
    return CheckReport(
        agreement={stat: same / n if n else 0.0 for stat, (same, n) in agree.items() if n},
        games=games,
        player_games=player_games,
        minutes=minutes[0] / minutes[1] if minutes[1] else None,
        flagged=[{"game_id": game, "reasons": reasons[game]} for game in sorted(reasons)],
    )


def _wrong_scores(games: pl.DataFrame, events: pl.DataFrame) -> list[tuple[str, str]]:
    points = (
        events.filter(pl.col("made") & pl.col("value").is_not_null())
        .group_by("game_id", "team_id")
        .agg(pl.col("value").cast(pl.Int32).sum().alias("points"))
    )
    found = []
    for side in ("home", "away"):
        told = (
            games.filter(pl.col(f"{side}_score").is_not_null())
            .join(
                points,
                left_on=["game_id", f"{side}_team_id"],
                right_on=["game_id", "team_id"],
                how="left",
            )
            .with_columns(pl.col("points").fill_null(0))
            .filter(pl.col("points") != pl.col(f"{side}_score"))
        )
        for game, ours, theirs in told.select("game_id", "points", f"{side}_score").rows():
            found.append((game, f"{side} points add up to {ours}, final score {theirs}"))
    return found
