"""Reconcile the events with the official box scores, player by player, statistic by statistic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.tables import BOX_STATS
from openbasket.transcripts.box import (
    MINUTES_TOLERANCE_S,
    compare_with_box,
    count_box,
    right_scores,
)
from openbasket.transcripts.court import possessions, team_acts
from openbasket.transcripts.flags import flags, read_flags
from openbasket.transcripts.plays import LATE_CHANGES
from openbasket.transcripts.stints import ON_COURT
from openbasket.workspace import Workspace

__all__ = ["CheckReport", "SeasonCheck", "check", "count_box"]

#: Minutes of ten players, each rounded to a second, may differ from those of five a side by this much.
TEAM_TOLERANCE_S = 30.0


@dataclass(frozen=True)
class SeasonCheck:
    """How well events and official box scores agree in one league and season.

    Args:
        league: league identifier.
        season: season.
        source: providers of its games.
        games: games looked at.
        player_games: player-games with an official line.
        agree: statistic -> (player-games in which both say the same, player-games that tell).
        minutes: likewise for minutes from stints within five seconds of the official ones.
        plus_minus: likewise for plus-minus.
        trusted_minutes: ``minutes`` without games whose line-ups are flagged.
        trusted_plus_minus: ``plus_minus`` without these.
        sound_minutes: ``minutes`` of teams whose official ones add up to five times the length of the game.
        sound_plus_minus: ``plus_minus`` of teams whose official one adds up to five times the margin, in
            games without changes that were entered late (official plus-minus counts these from their entry,
            official minutes from their clock).
        five: share of the time of play in which both teams have five on court.
        possessions: mean of counted over estimated possessions of a team in a game.
        possession_gap: mean difference between the two teams' counts in a game.
        final_scores: (games whose points add up to the final score, games that tell one).
        flags: table ``flags``.
    """

    league: str
    season: str
    source: str
    games: int
    player_games: int
    agree: dict[str, tuple[int, int]]
    minutes: tuple[int, int]
    plus_minus: tuple[int, int]
    trusted_minutes: tuple[int, int]
    trusted_plus_minus: tuple[int, int]
    sound_minutes: tuple[int, int]
    sound_plus_minus: tuple[int, int]
    five: float
    possessions: float
    possession_gap: float
    final_scores: tuple[int, int]
    flags: pl.DataFrame

    @property
    def left_out(self) -> int:
        """Games that are left out."""
        return self.flags.filter(scope="game")["game_id"].n_unique()

    @property
    def without_lineups(self) -> int:
        """Further games whose line-ups are left out."""
        out = self.flags.filter(scope="game")["game_id"].implode()
        lineups = self.flags.filter((pl.col("scope") == "lineups") & ~pl.col("game_id").is_in(out))
        return lineups["game_id"].n_unique()

    def to_json(self) -> dict[str, Any]:
        """The figures as plain data; shares are ``null`` where nothing tells."""
        return {
            "league": self.league,
            "season": self.season,
            "source": self.source,
            "games": self.games,
            "games_left_out": self.left_out,
            "games_without_lineups": self.without_lineups,
            "player_games": self.player_games,
            "agreement": {stat: _share(pair) for stat, pair in self.agree.items() if pair[1]},
            "minutes_within_5_s": _share(self.minutes),
            "minutes_within_5_s_trusted": _share(self.trusted_minutes),
            "plus_minus_equal": _share(self.plus_minus),
            "plus_minus_equal_trusted": _share(self.trusted_plus_minus),
            "minutes_within_5_s_sound": _share(self.sound_minutes),
            "plus_minus_equal_sound": _share(self.sound_plus_minus),
            "time_with_five_a_side": self.five,
            "possessions_counted_over_estimated": self.possessions,
            "possession_gap_between_teams": self.possession_gap,
            "final_scores_right": _share(self.final_scores),
        }


def _share(pair: tuple[int, int]) -> float | None:
    return pair[0] / pair[1] if pair[1] else None


@dataclass(frozen=True)
class CheckReport:
    """The checks of each league and season, and their sums."""

    seasons: list[SeasonCheck] = field(default_factory=list)

    @property
    def games(self) -> int:
        """Games looked at."""
        return sum(s.games for s in self.seasons)

    @property
    def player_games(self) -> int:
        """Player-games with an official line."""
        return sum(s.player_games for s in self.seasons)

    @property
    def told(self) -> dict[str, int]:
        """Statistic -> player-games whose official line has it."""
        return {stat: sum(s.agree[stat][1] for s in self.seasons) for stat in BOX_STATS}

    @property
    def agreement(self) -> dict[str, float]:
        """Statistic -> share of the player-games in which both say the same."""
        told = self.told
        return {
            stat: sum(s.agree[stat][0] for s in self.seasons) / told[stat]
            for stat in BOX_STATS
            if told[stat]
        }

    @property
    def minutes(self) -> float | None:
        """Share of player-games with minutes within five seconds; ``None`` if no box score has minutes."""
        return _share(self._sum("minutes"))

    def _sum(self, name: str) -> tuple[int, int]:
        pairs = [getattr(s, name) for s in self.seasons]
        return sum(p[0] for p in pairs), sum(p[1] for p in pairs)

    @property
    def flagged(self) -> list[dict[str, Any]]:
        """``{"game_id", "scope", "reasons"}`` of each game with a flag; the widest scope."""
        frames = [s.flags for s in self.seasons]
        if not frames:
            return []
        widest = pl.col("scope").cast(pl.Enum(tables.FLAG_SCOPES)).min().cast(pl.String)
        return (
            pl.concat(frames)
            .group_by("game_id")
            .agg(widest, reasons=pl.format("{}: {}", "check", "reason").sort())
            .sort("game_id")
            .to_dicts()
        )

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        sums = (
            "minutes", "trusted_minutes", "sound_minutes", "plus_minus", "trusted_plus_minus",
            "sound_plus_minus", "final_scores",
        )  # fmt: skip
        return {
            "games": self.games,
            "player_games": self.player_games,
            "agreement": self.agreement,
            **{f"{name}_agree": _share(self._sum(name)) for name in sums},
            "seasons": [s.to_json() for s in self.seasons],
            "flagged": self.flagged,
        }


def check(workspace: Workspace) -> CheckReport:
    """Compare every game of a workspace with its official box score."""
    return CheckReport([_season(workspace, *pair) for pair in workspace.seasons("games")])


def _season(workspace: Workspace, league: str, season: str) -> SeasonCheck:
    names: tuple[tables.TableName, ...] = ("games", "events", "box_scores", "stints")
    frames = {str(table): workspace.read(table, league, season) for table in names}
    games, events, official, stints = (frames[table] for table in names)
    found = flags(frames, read_flags(workspace, league, season))
    acts = team_acts(events)
    both = compare_with_box(events, acts, stints, official)
    lines = both.filter("listed")
    agree = {}
    for stat in BOX_STATS:
        told = lines[stat].is_not_null()
        same = (lines[stat] == lines[f"{stat}_ours"]).fill_null(False)
        agree[stat] = (int(same.sum()), int(told.sum()))
    doubted = found.filter(pl.col("scope") != "note")["game_id"].implode()
    trusted = lines.filter(~pl.col("game_id").is_in(doubted))
    summed = _sums(lines, games, events)
    late = found.filter(check=LATE_CHANGES)["game_id"].implode()
    spent = stints.with_columns(seconds=pl.col("start_clock_s") - pl.col("end_clock_s"))
    five = float(spent.filter(pl.col("player_ids").list.len() == ON_COURT)["seconds"].sum())
    total = float(spent["seconds"].sum())
    trips = possessions(events, acts)
    gap = trips.group_by("game_id").agg(pl.col("counted").max() - pl.col("counted").min())
    right = right_scores(games, events)
    return SeasonCheck(
        league,
        season,
        ", ".join(games["source"].unique().sort()),
        games.height,
        official.height,
        agree,
        _minutes(lines),
        _plus_minus(lines),
        _minutes(trusted),
        _plus_minus(trusted),
        _minutes(summed.filter("minutes_add_up")),
        _plus_minus(summed.filter("plus_minus_adds_up", ~pl.col("game_id").is_in(late))),
        five / total if total else 0.0,
        float(trips.select((pl.col("counted") / pl.col("estimated")).mean()).item() or 0.0),
        float(gap["counted"].mean() or 0.0),  # type: ignore[arg-type]
        (int(right["right"].sum()), int(right["right"].count())),
        found,
    )


def _sums(lines: pl.DataFrame, games: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The lines, with whether their team's official minutes and plus-minus add up as five a side must."""
    points = right_scores(games, events).join(games, on="game_id", how="left", suffix="_game")
    overtimes = (pl.col("last") - pl.col("periods")).clip(0)
    home, away = (pl.coalesce(f"{side}_score", f"{side}_points") for side in ("home", "away"))
    length = pl.col("periods") * pl.col("period_s") + overtimes * pl.col("overtime_s")
    known = points.join(
        events.group_by("game_id").agg(last=pl.col("period").max()), on="game_id"
    ).select("game_id", "home_team_id", _length=length, _margin=(home - away).cast(pl.Int32))
    team = ["game_id", "team_id"]
    seconds = pl.col("seconds_played").sum().over(team)
    sign = pl.when(pl.col("team_id") == pl.col("home_team_id")).then(1).otherwise(-1)
    plus_minus = pl.col("plus_minus").cast(pl.Int32).sum().over(team)
    return lines.join(known, on="game_id", how="left", maintain_order="left").with_columns(
        minutes_add_up=(seconds - ON_COURT * pl.col("_length")).abs() <= TEAM_TOLERANCE_S,
        plus_minus_adds_up=plus_minus == ON_COURT * sign * pl.col("_margin"),
    )


def _minutes(lines: pl.DataFrame) -> tuple[int, int]:
    told = lines.filter(pl.col("seconds_played") > 0)
    off = pl.col("seconds_played") - pl.col("seconds_played_ours").fill_null(0)
    return told.filter(off.abs() <= MINUTES_TOLERANCE_S).height, told.height


def _plus_minus(lines: pl.DataFrame) -> tuple[int, int]:
    told = lines.filter(pl.col("plus_minus").is_not_null() & (pl.col("seconds_played") > 0))
    same = pl.col("plus_minus") == pl.col("plus_minus_ours").fill_null(0)
    return told.filter(same).height, told.height
