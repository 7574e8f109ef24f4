"""Who stood on court when: stints, from starters and substitutions.

Most leagues log every change. The NBA family logs none between periods: who starts a period must be
found from who acts, or is sent out, before he is sent in. Whether a league's season logs them is seen
from its rows.

Points at the clock of a change count for who is on court at their row. Which order the rows of an instant
have was found from official plus-minus (share of player-games that agree, all else being the same):

=================================  ==========  =======  ========  =======  =======
order of the rows of an instant    EuroLeague  ABA      Slovenia  NBA      NBA
                                   2022-23     2021-22  2022-23   2016-17  2017-18
=================================  ==========  =======  ========  =======  =======
as in the source                   98.5 %      99.6 %   99.8 %    43 %     40 %
free throws at their own foul                                     99.9 %   97.1 %
free throws at the personal foul   37 %        41 %     51 %      99.1 %   96.6 %
free throws last                   66 %        71 %     73 %      34 %     30 %
changes after the last free throw  96.8 %      98.7 %   99.1 %    99.4 %   96.8 %
changes last                       35 %        40 %     50 %      98.6 %   96.2 %
changes first                      37 %        49 %     58 %      23 %     23 %
=================================  ==========  =======  ========  =======  =======

So FIBA's leagues count in the order of entry, and the NBA counts a free throw for who was on court at its own
foul, personal or technical. What still differs: EuroLeague 2022-23, 29 of 404 teams with an official
plus-minus. 13 of them agree if changes that were entered late count from their entry, although official
minutes count them from their clock, as we do; for 15 of the other 16 no order of simultaneous rows gives the
official figure. Slovenian lines that differ are nearly all of teams whose official plus-minus does not add up
to five times the margin; of the others at most 2 player-games in 1,000 differ in any season.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from openbasket import tables

__all__ = ["ON_COURT", "minutes_played", "stints"]

ON_COURT = 5
#: Share of the changes that are made between periods, below which a season does not log these.
LOGGED_SHARE = 0.01
#: A player's row this much before he is sent in was entered late or early: he was not on court.
SLACK_S = 3.0
#: Acts that a player on the bench may be charged with.
BENCH_ACTS = ("foul", "foul_drawn")

Move = tuple[int, float, int, bool, str]  # period, clock_s, order, comes in, player
Spans = dict[int, tuple[float, int, int]]  # period -> length_s, first order, last order
Stint = tuple[int, float, float, int, int, list[str]]


@dataclass
class _Row:
    """A team's game: what is known of its line-ups."""

    five: set[str]
    moves: list[Move] = field(default_factory=list)


def stints(
    games: pl.DataFrame,
    appearances: pl.DataFrame,
    events: pl.DataFrame,
    box_scores: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return table ``stints``: one row for each stretch in which a team's line-up does not change.

    Substitutions at the same instant count as one change. A team whose starters are not recorded
    gets those players who act before they are ever sent in. Where the log contradicts itself (somebody is
    sent out who is not on court), or the season logs no changes between periods, each period's starters are
    found anew from its rows; what these leave open, the last line-up and the official minutes decide.
    A line-up that is not five even so is kept, and :mod:`transcripts.checks` flags the game.

    Args:
        games: table ``games``.
        appearances: table ``appearances``.
        events: table ``events``.
        box_scores: table ``box_scores``, for the official minutes; may be missing.
    """
    lengths = {
        row[0]: row[1:]
        for row in games.select("game_id", "periods", "period_s", "overtime_s").rows()
    }
    spans = _spans(events, lengths)
    rows = _rows(games, appearances, events)
    scores = _scores(events)
    logged = _logs_intervals(games, events)
    open_: dict[tuple[str, str], _Row] = {}
    found: dict[tuple[str, str], list[Stint]] = {}
    for key, row in rows.items():
        clocks = spans.get(key[0])
        if clocks is None:
            continue
        found[key], sound = _follow(row.five, clocks, row.moves, scores.get(key[0], ()))
        if not (sound and logged):
            open_[key] = row
    if open_:
        found |= _repaired(open_, spans, scores, events, box_scores, appearances)
    return _frame(found)


def _frame(found: Mapping[tuple[str, str], list[Stint]]) -> pl.DataFrame:
    keys = sorted(found)
    columns: list[list[Any]] = [[], [], [], [], [], [], []]
    players: list[str] = []
    for number, key in enumerate(keys):
        columns[0] += [number] * len(found[key])
        for period, start, end, first, last, five in found[key]:
            columns[1].append(period)
            columns[2].append(start)
            columns[3].append(end)
            columns[4].append(first)
            columns[5].append(last)
            columns[6].append(len(five))
            players += five
    types = tables.dtypes("stints")
    names = ("period", "start_clock_s", "end_clock_s", "first_order", "last_order")
    teams = pl.DataFrame(
        keys, schema=dict.fromkeys(["game_id", "team_id"], pl.String), orient="row"
    )
    rows = teams[pl.Series(columns[0], dtype=pl.UInt32)].with_columns(
        pl.Series(n, c, dtype=types[n]) for n, c in zip(names, columns[1:6], strict=True)
    )
    # Lists are built from their lengths: much faster than from lists of text.
    sizes = pl.DataFrame(
        {"row": range(len(columns[6])), "size": columns[6]}, schema_overrides={"row": pl.UInt32}
    )
    place = sizes.filter(pl.col("size") > 0).select(pl.col("row").repeat_by("size")).to_series()
    lists = (
        pl.DataFrame({"row": place.explode(empty_as_null=False), "player_ids": players},
                     schema_overrides={"player_ids": pl.String})
        .group_by("row", maintain_order=True).agg("player_ids")
    )  # fmt: skip
    return (
        rows.with_row_index("row")
        .join(lists, on="row", how="left", maintain_order="left")
        .with_columns(pl.col("player_ids").fill_null([]))
        .select(list(types))
    )


def _spans(events: pl.DataFrame, lengths: Mapping[str, tuple[Any, ...]]) -> dict[str, Spans]:
    spans: dict[str, Spans] = {}
    for game, period, first, last in (
        events.group_by("game_id", "period")
        .agg(first=pl.col("order").min(), last=pl.col("order").max() + 1)
        .sort("game_id", "period")
        .rows()
    ):
        periods, period_s, overtime_s = lengths[game]
        length = period_s if period <= periods else overtime_s
        spans.setdefault(game, {})[period] = (length, first, last)
    return spans


def _scores(events: pl.DataFrame) -> dict[str, list[int]]:
    """Orders of the made shots of each game, ascending."""
    made = events.filter(pl.col("made") & pl.col("value").is_not_null())
    return dict(made.group_by("game_id").agg(pl.col("order").sort()).rows())


def _rows(
    games: pl.DataFrame, appearances: pl.DataFrame, events: pl.DataFrame
) -> dict[tuple[str, str], _Row]:
    rows = {
        (game, team): _Row(set())
        for game, *teams in games.select("game_id", "home_team_id", "away_team_id").rows()
        for team in teams
    }
    for game, team, player in (
        appearances.filter(pl.col("starter")).select("game_id", "team_id", "player_id").rows()
    ):
        if (game, team) in rows:
            rows[game, team].five.add(player)
    missing = [key for key, row in rows.items() if len(row.five) != ON_COURT]
    for key, players in _inferred_starters(events, missing).items():
        if not rows[key].five or len(players) == ON_COURT:
            rows[key].five = players
    moves = events.filter(
        pl.col("kind").is_in(["sub_in", "sub_out"]) & pl.col("player_id").is_not_null()
    ).sort("game_id", "order")
    for game, team, *rest in moves.select(
        "game_id", "team_id", "period", "clock_s", "order", pl.col("kind") == "sub_in", "player_id"
    ).rows():
        row = rows.get((game, team))
        if row is not None:
            row.moves.append(tuple(rest))
    return rows


def _logs_intervals(games: pl.DataFrame, events: pl.DataFrame) -> bool:
    """Whether changes between periods are logged: some stand at the full clock of a later period."""
    later = (
        events.filter(pl.col("kind").is_in(["sub_in", "sub_out"]) & (pl.col("period") > 1))
        .join(games.select("game_id", "periods", "period_s", "overtime_s"), on="game_id")
        .select(
            pl.col("clock_s")
            >= pl.when(pl.col("period") > pl.col("periods"))
            .then("overtime_s")
            .otherwise("period_s")
        )
        .to_series()
    )
    return later.is_empty() or float(later.mean() or 0.0) >= LOGGED_SHARE  # type: ignore[arg-type]


def _follow(
    five: set[str],
    clocks: Spans,
    moves: list[Move],
    scores: Sequence[int] = (),
    starts: Mapping[int, set[str]] | None = None,
) -> tuple[list[Stint], bool]:
    """Follow the substitutions.

    Args:
        five: who starts the game.
        clocks: the game's periods.
        moves: the team's changes, in order.
        scores: orders of the rows that score, ascending. Changes at one instant count as one unless points
            were scored between them (free throws): then a stint of no length holds these points.
        starts: who starts each period, where the changes do not tell.

    Returns:
        Rows (period, start_clock_s, end_clock_s, first_order, last_order, player_ids), and whether there
        always were five and nobody came in who was on court or left who was not.
    """
    rows: list[Stint] = []
    sound = True
    at, end = 0, len(moves)
    five = set(five)
    for period, (length, first, last) in sorted(clocks.items()):
        if starts is not None:
            five = set(starts[period])
        clock, order = length, first
        while at < end and moves[at][0] < period:
            at += 1
        while at < end and moves[at][0] == period:
            instant = moves[at][1]
            before, start_order = five, order
            after = set(five)
            move_order = moves[at][2]
            held: list[Stint] = []
            while at < end and moves[at][0] == period and moves[at][1] == instant:
                _, _, this, comes_in, player = moves[at]
                if (
                    this > move_order + 1
                    and len(after) == ON_COURT
                    and bisect_left(scores, this) > bisect_left(scores, move_order)
                    and after != before
                ):
                    # Points in the middle of the changes belong to those who were on court then.
                    held.append((period, clock, instant, start_order, move_order, sorted(before)))
                    clock, before, start_order = instant, set(after), move_order
                move_order = this
                if comes_in:
                    sound &= player not in after or instant >= length
                    after.add(player)
                else:
                    sound &= player in after or instant >= length
                    after.discard(player)
                at += 1
            if not held and after == before:
                continue
            if held and held[0][1] == instant >= length:
                held = held[1:]  # changes before the period starts: nobody scored
            rows += held
            sound &= all(len(stint[5]) == ON_COURT for stint in held)
            if instant < clock or (held and after != before):
                rows.append((period, clock, instant, start_order, move_order, sorted(before)))
                sound &= len(before) == ON_COURT
                order = move_order
            elif held:
                order = start_order
            clock, five = instant, after
        if clock > 0:
            rows.append((period, clock, 0.0, order, last, sorted(five)))
            sound &= len(five) == ON_COURT
        elif rows and rows[-1][0] == period and order < last:
            # Changes at the buzzer: free throws may follow.
            if bisect_left(scores, last) > bisect_left(scores, order):
                rows.append((period, 0.0, 0.0, order, last, sorted(five)))
            else:
                rows[-1] = (*rows[-1][:4], last, rows[-1][5])
    return rows, sound


def _inferred_starters(
    events: pl.DataFrame, keys: list[tuple[str, str]]
) -> dict[tuple[str, str], set[str]]:
    """For teams without recorded starters: players who act, or leave, before they are sent in.

    Whose first change of the first period is that he is sent in did not start, though some row of his bears
    an earlier clock; he counts only where there are no five without him.
    """
    if not keys:
        return {}
    wanted = pl.DataFrame(keys, schema=["game_id", "team_id"], orient="row")
    kind, early = pl.col("kind"), pl.col("period") == 1
    moved = kind.is_in(["sub_in", "sub_out"]) & early
    acting = (
        events.join(wanted, on=["game_id", "team_id"], how="semi")
        .filter(pl.col("player_id").is_not_null() & ~kind.is_in(BENCH_ACTS))
        .sort("game_id", "order")
        .group_by("game_id", "team_id", "player_id", maintain_order=True)
        .agg(kind.first(), pl.col("order").first(), early.any(), _moved=kind.filter(moved).first())
        .filter(kind != "sub_in")
        .with_columns(
            _tier=pl.when(pl.col("_moved") == "sub_in").then(2).otherwise(~pl.col("period"))
        )
        .sort("game_id", "team_id", "_tier", "order")
        .group_by("game_id", "team_id", maintain_order=True)
        .agg(pl.col("player_id").head(ON_COURT))
    )
    return {(game, team): set(players) for game, team, players in acting.rows()}


# -- where the log is not enough -----------------------------------------------------------------


def _repaired(
    open_: Mapping[tuple[str, str], _Row],
    spans: Mapping[str, Spans],
    scores: Mapping[str, Sequence[int]],
    events: pl.DataFrame,
    box_scores: pl.DataFrame | None,
    appearances: pl.DataFrame,
) -> dict[tuple[str, str], list[Stint]]:
    wanted = pl.DataFrame(list(open_), schema=["game_id", "team_id"], orient="row")
    acts: dict[tuple[str, str], dict[int, list[tuple[float, int, str, str]]]] = {}
    for game, team, period, *act in (
        events.join(wanted, on=["game_id", "team_id"], how="semi")
        .filter(pl.col("player_id").is_not_null())
        .sort("game_id", "order")
        .select("game_id", "team_id", "period", "clock_s", "order", "kind", "player_id")
        .rows()
    ):
        acts.setdefault((game, team), {}).setdefault(period, []).append(tuple(act))
    official: dict[tuple[str, str], dict[str, float]] = {}
    if box_scores is not None:
        for game, team, player, seconds in (
            box_scores.join(wanted, on=["game_id", "team_id"], how="semi")
            .filter(pl.col("seconds_played").is_not_null())
            .select("game_id", "team_id", "player_id", "seconds_played")
            .rows()
        ):
            official.setdefault((game, team), {})[player] = seconds
    roster: dict[tuple[str, str], list[str]] = {}
    for game, team, player in (
        appearances.join(wanted, on=["game_id", "team_id"], how="semi")
        .sort("game_id", "team_id", "player_id")
        .select("game_id", "team_id", "player_id")
        .rows()
    ):
        roster.setdefault((game, team), []).append(player)
    result: dict[tuple[str, str], list[Stint]] = {}
    for key, row in open_.items():
        clocks = spans[key[0]]
        starts = _starts(row, clocks, acts.get(key, {}), official.get(key, {}), roster.get(key, []))
        scored = scores.get(key[0], ())
        plain, _ = _follow(row.five, clocks, row.moves, scored)
        fixed, sound = _follow(row.five, clocks, row.moves, scored, starts)
        minutes = official.get(key)
        if minutes:
            before, after = _misfit(plain, minutes), _misfit(fixed, minutes)
            if before < after or (before == after and not sound):
                fixed = plain
        result[key] = fixed
    return result


def _misfit(rows: Iterable[Stint], official: Mapping[str, float]) -> float:
    """Seconds by which the rows differ from the official minutes."""
    have = _seconds(rows)
    return sum(abs(have.get(p, 0.0) - official.get(p, 0.0)) for p in have.keys() | official.keys())


def _seconds(rows: Iterable[Stint]) -> dict[str, float]:
    have: dict[str, float] = {}
    for _, start, end, _, _, players in rows:
        for player in players:
            have[player] = have.get(player, 0.0) + start - end
    return have


def _starts(
    row: _Row,
    clocks: Spans,
    acts: Mapping[int, list[tuple[float, int, str, str]]],
    official: Mapping[str, float],
    roster: list[str],
) -> dict[int, set[str]]:
    """The five who start each period."""
    sure: dict[int, set[str]] = {}
    maybe: dict[int, list[str]] = {}
    last_five = set(row.five)
    first_period = min(clocks)
    open_periods: list[int] = []
    starts: dict[int, set[str]] = {}
    for period, (length, _, _) in sorted(clocks.items()):
        rows = acts.get(period, [])
        on, off = _evidence(rows, length)
        if period == first_period and len(row.five) == ON_COURT:
            five = set(row.five)
        else:
            carried = _after_interval(last_five, row.moves, period, length)
            five = set(sorted(on, key=lambda p: (p not in carried, p))[:ON_COURT])
            left = [p for p in sorted(carried) if p not in five and p not in off]
            room = ON_COURT - len(five)
            if room and len(left) <= room:
                five |= set(left)
            elif room:
                maybe[period] = left
                open_periods.append(period)
            if len(five) < ON_COURT and period not in maybe:
                others = [
                    p for p in roster if p not in five and p not in off and p not in left
                    and official.get(p, 1.0) > 0
                ]  # fmt: skip
                if others:
                    maybe[period] = others
                    open_periods.append(period)
        sure[period] = five
        starts[period] = _filled(five, maybe.get(period, []), {}, ON_COURT)
        last_five = _last_five(starts[period], row.moves, period)
    if not open_periods or not official:
        return starts
    return _fitted(starts, sure, maybe, open_periods, clocks, row, official)


def _fitted(
    starts: dict[int, set[str]],
    sure: Mapping[int, set[str]],
    maybe: Mapping[int, list[str]],
    open_periods: list[int],
    clocks: Spans,
    row: _Row,
    official: Mapping[str, float],
) -> dict[int, set[str]]:
    """Fill what the rows leave open with those whose official minutes are not yet reached."""
    known = {period: sure[period] for period in clocks}
    have = _seconds(_follow(set(), clocks, row.moves, (), known)[0])
    for period in open_periods:
        missing = {p: official.get(p, 0.0) - have.get(p, 0.0) for p in maybe[period]}
        starts[period] = _filled(sure[period], maybe[period], missing, ON_COURT)
        known[period] = starts[period]
        have = _seconds(_follow(set(), clocks, row.moves, (), known)[0])
    return starts


def _filled(five: set[str], others: list[str], missing: Mapping[str, float], size: int) -> set[str]:
    ranked = sorted(others, key=lambda p: (-missing.get(p, 0.0), p))
    return five | set(ranked[: max(0, size - len(five))])


def _evidence(
    rows: Iterable[tuple[float, int, str, str]], length: float
) -> tuple[set[str], set[str]]:
    """Who surely starts a period (acts or leaves before he comes in), and who surely does not."""
    first: dict[str, tuple[float, str]] = {}
    on: set[str] = set()
    off: set[str] = set()
    for clock, _, kind, player in rows:
        if kind == "sub_in" and clock >= length:
            continue
        if player not in first:
            if kind in BENCH_ACTS and player not in on:
                continue
            first[player] = (clock, kind)
            (off if kind == "sub_in" else on).add(player)
        elif kind == "sub_in" and player in on:
            began, act = first[player]
            if act != "sub_out" and began - clock <= SLACK_S:
                on.discard(player)
                off.add(player)
    return on, off


def _after_interval(five: set[str], moves: Iterable[Move], period: int, length: float) -> set[str]:
    after = set(five)
    for moved_in, clock, _, comes_in, player in moves:
        if moved_in == period and clock >= length:
            (after.add if comes_in else after.discard)(player)
    return after


def _last_five(five: set[str], moves: Iterable[Move], period: int) -> set[str]:
    after = set(five)
    for moved_in, _, _, comes_in, player in moves:
        if moved_in == period:
            (after.add if comes_in else after.discard)(player)
    return after


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
