"""Who stood on court when: stints, from starters and substitutions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from openbasket import tables

__all__ = ["ON_COURT", "minutes_played", "stints"]

ON_COURT = 5


def stints(games: pl.DataFrame, appearances: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return table ``stints``: one row for each stretch in which a team's line-up does not change.

    Substitutions at the same instant count as one change. A team whose starters are not recorded
    gets those players who act before they are ever sent in. A line-up that is not five (a provider
    forgot a substitution) is kept as the transcript has it; ``openbasket check`` flags the game.

    Args:
        games: table ``games``.
        appearances: table ``appearances``.
        events: table ``events``.
    """
    lengths = {
        row[0]: row[1:]
        for row in games.select("game_id", "periods", "period_s", "overtime_s").rows()
    }
    starters: dict[tuple[str, str], set[str]] = {}
    for game, team, player in (
        appearances.filter(pl.col("starter")).select("game_id", "team_id", "player_id").rows()
    ):
        starters.setdefault((game, team), set()).add(player)
    teams = games.unpivot(
        ["home_team_id", "away_team_id"], index="game_id", value_name="team_id"
    ).select("game_id", "team_id")
    spans = (
        events.group_by("game_id", "period")
        .agg(first=pl.col("order").min(), last=pl.col("order").max() + 1)
        .sort("game_id", "period")
        .partition_by("game_id", as_dict=True)
    )
    moves: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for game, team, *rest in (
        events.filter(
            pl.col("kind").is_in(["sub_in", "sub_out"]) & pl.col("player_id").is_not_null()
        )
        .sort("game_id", "order")
        .select("game_id", "team_id", "period", "clock_s", "order", "kind", "player_id")
        .rows()
    ):
        moves.setdefault((game, team), []).append(tuple(rest))
    inferred = _inferred_starters(events, teams, starters)
    rows: list[tuple[Any, ...]] = []
    for game, team in teams.sort("game_id", "team_id").rows():
        if (game,) not in spans:
            continue
        periods, period_s, overtime_s = lengths[game]
        clocks = {
            period: (period_s if period <= periods else overtime_s, first, last)
            for period, first, last in spans[(game,)].select("period", "first", "last").rows()
        }
        five = set(starters.get((game, team)) or inferred.get((game, team), set()))
        rows += [
            (game, team, *stint)
            for stint in _team_stints(five, clocks, moves.get((game, team), []))
        ]
    return pl.DataFrame(rows, schema=tables.dtypes("stints"), orient="row")


def _team_stints(
    five: set[str], clocks: dict[int, tuple[float, int, int]], moves: list[tuple[Any, ...]]
) -> Iterable[tuple[Any, ...]]:
    """Yield (period, start_clock_s, end_clock_s, first_order, last_order, player_ids)."""
    at = 0
    for period, (length, first, last) in sorted(clocks.items()):
        clock, order = length, first
        while at < len(moves) and moves[at][0] == period:
            change_clock = moves[at][1]
            after = set(five)
            while at < len(moves) and moves[at][:2] == (period, change_clock):
                _, _, move_order, kind, player = moves[at]
                (after.add if kind == "sub_in" else after.discard)(player)
                at += 1
            if after == five:
                continue
            if change_clock < clock:
                yield period, clock, change_clock, order, move_order, sorted(five)
                order = move_order
            clock, five = change_clock, after
        if clock > 0:
            yield period, clock, 0.0, order, last, sorted(five)


def _inferred_starters(
    events: pl.DataFrame, teams: pl.DataFrame, known: dict[tuple[str, str], set[str]]
) -> dict[tuple[str, str], set[str]]:
    """For teams without recorded starters: players who act, or leave, before they are sent in."""
    wanted = teams.filter(
        ~pl.struct("game_id", "team_id").map_elements(
            lambda pair: (pair["game_id"], pair["team_id"]) in known, return_dtype=pl.Boolean
        )
    )
    if wanted.is_empty():
        return {}
    acting = (
        events.join(wanted, on=["game_id", "team_id"], how="semi")
        .filter(pl.col("player_id").is_not_null())
        .sort("game_id", "order")
        .group_by("game_id", "team_id", "player_id", maintain_order=True)
        .agg(pl.col("kind").first(), pl.col("order").first())
        .filter(pl.col("kind") != "sub_in")
        .sort("game_id", "team_id", "order")
        .group_by("game_id", "team_id", maintain_order=True)
        .agg(pl.col("player_id").head(ON_COURT))
    )
    return {(game, team): set(players) for game, team, players in acting.rows()}


def minutes_played(table: pl.DataFrame) -> pl.DataFrame:
    """Seconds on court of each player in each game, from the stints.

    Returns:
        Columns ``game_id, team_id, player_id, seconds``.
    """
    return (
        table.with_columns(seconds=pl.col("start_clock_s") - pl.col("end_clock_s"))
        .explode("player_ids")
        .drop_nulls("player_ids")
        .group_by("game_id", "team_id", pl.col("player_ids").alias("player_id"))
        .agg(pl.col("seconds").sum())
        .sort("game_id", "team_id", "player_id")
    )
