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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import itemgetter

import polars as pl

from openbasket import tables
from openbasket.transcripts.checks import in_order

__all__ = ["ON_COURT", "minutes_played", "stints"]

ON_COURT = 5
#: Share of the changes that are made between periods, below which a season does not log these.
LOGGED_SHARE = 0.01
#: A player's row this much before he is sent in was entered late or early: he was not on court.
SLACK_S = 3.0
#: Acts that a player on the bench may be charged with.
BENCH_ACTS = ("foul", "foul_drawn")

KIND = pl.col("kind")
CHANGES = (KIND == "sub_in") | (KIND == "sub_out")
#: How long a game's periods last, and the period of a row.
LENGTHS = ("periods", "period_s", "overtime_s")
LENGTH = pl.when(pl.col("period") > pl.col("periods")).then("overtime_s").otherwise("period_s")

# Players and sides (a team in a game) are numbers here, which sort as their names do.
Move = tuple[float, int, bool, int]  # clock_s, order, comes in, player
Moves = Mapping[int, Sequence[Move]]  # period -> changes, in order
Spans = dict[int, tuple[float, int, int]]  # period, ascending -> length_s, first order, last order
Stint = tuple[int, float, float, int, int, tuple[int, ...]]
Evidence = dict[int, tuple[list[int], list[int]]]  # period -> who surely starts, who does not


@dataclass
class _Side:
    """A team's game: what is known of its line-ups."""

    game: str
    five: set[int]
    moves: Moves


@dataclass(frozen=True)
class _Names:
    """What the numbers of sides and players stand for."""

    sides: pl.DataFrame  # side, game_id, team_id, and the game's lengths
    players: pl.Series

    def numbered(self, frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
        """The numbers ``side`` and ``player``, and the columns, of the rows that have both; in order."""
        player = pl.col("player_id").cast(pl.Enum(self.players)).to_physical()
        sides = self.sides.select("side", "game_id", "team_id")
        return (
            frame.select("game_id", "team_id", "player_id", *columns)
            .join(sides, on=["game_id", "team_id"], how="left", maintain_order="left")
            .filter(pl.col("side").is_not_null() & pl.col("player_id").is_not_null())
            .select("side", player.alias("player"), *columns)
        )


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
    sides = (
        pl.concat(
            games.select("game_id", *LENGTHS, team_id=f"{at}_team_id") for at in ("home", "away")
        )
        .unique(["game_id", "team_id"])
        .sort("game_id", "team_id")
        .with_row_index("side")
    )
    frames = [appearances, events, *([] if box_scores is None else [box_scores])]
    players = pl.concat([f["player_id"].unique() for f in frames]).unique().drop_nulls().sort()
    names = _Names(sides, players)
    columns = ("period", "clock_s", "order", "kind")
    rows = in_order(events.select("game_id", "team_id", "player_id", *columns))
    plays = names.numbered(rows, *columns)
    roster = names.numbered(appearances, "starter")
    spans = _spans(games, events)
    scores = _scores(events)
    logged = _logs_intervals(games, events)
    found: dict[int, list[Stint]] = {}
    open_: dict[int, _Side] = {}
    for number, side in enumerate(_sides(names, roster, plays)):
        clocks, sound = spans.get(side.game), False
        if clocks is None:
            continue
        if logged:
            found[number], sound = _follow(side.five, clocks, side.moves, scores.get(side.game, ()))
        if not sound:
            open_[number] = side
    if open_:
        wanted = sides.filter(pl.col("side").is_in(list(open_)))
        roster = roster.join(wanted, on="side", how="semi").sort("player")
        rosters: dict[int, list[int]] = {}
        for number, player in roster.select("side", "player").rows():
            rosters.setdefault(number, []).append(player)
        official: dict[int, dict[int, float]] = {}
        if box_scores is not None:
            minutes = names.numbered(box_scores, "seconds_played").drop_nulls("seconds_played")
            for number, player, seconds in minutes.join(wanted, on="side", how="semi").rows():
                official.setdefault(number, {})[player] = seconds
        evidence = _evidence(plays, wanted)
        found |= _repaired(open_, found, spans, scores, evidence, official, rosters)
    return _frame(names, found)


def _frame(names: _Names, found: Mapping[int, list[Stint]]) -> pl.DataFrame:
    keys = sorted(found)
    rows = [row for key in keys for row in found[key]]
    types = tables.dtypes("stints")
    columns = ("period", "start_clock_s", "end_clock_s", "first_order", "last_order")
    side = pl.Series([key for key in keys for _ in found[key]], dtype=pl.UInt32)
    # Lists are built from their lengths: much faster than from lists of text.
    sizes = pl.DataFrame(
        {"size": [len(row[5]) for row in rows]}, schema={"size": pl.UInt32}
    ).with_row_index("row")
    place = sizes.filter(pl.col("size") > 0).select(pl.col("row").repeat_by("size")).to_series()
    players = pl.Series(list(chain.from_iterable(row[5] for row in rows)), dtype=pl.UInt32)
    lists = (
        pl.DataFrame({"row": place.explode(empty_as_null=False), "player_ids": names.players[players]})
        .group_by("row", maintain_order=True).agg("player_ids")
    )  # fmt: skip
    return (
        names.sides[side]
        .with_columns(
            pl.Series(n, [row[at] for row in rows], dtype=types[n]) for at, n in enumerate(columns)
        )
        .with_row_index("row")
        .join(lists, on="row", how="left", maintain_order="left")
        .with_columns(pl.col("player_ids").fill_null([]))
        .select(list(types))
    )


def _spans(games: pl.DataFrame, events: pl.DataFrame) -> dict[str, Spans]:
    lengths = {row[0]: row[1:] for row in games.select("game_id", *LENGTHS).rows()}
    spans: dict[str, Spans] = {}
    for game, period, first, last in (
        events.select("game_id", "period", "order")
        .group_by("game_id", "period")
        .agg(first=pl.col("order").min(), last=pl.col("order").max())
        .sort("game_id", "period")
        .rows()
    ):
        periods, period_s, overtime_s = lengths[game]
        length = period_s if period <= periods else overtime_s
        spans.setdefault(game, {})[period] = (length, first, last + 1)
    return spans


def _scores(events: pl.DataFrame) -> dict[str, list[int]]:
    """Orders of the made shots of each game, ascending."""
    made = events.select("game_id", "order", "made", "value").filter(
        pl.col("made") & pl.col("value").is_not_null()
    )
    return dict(made.group_by("game_id").agg(pl.col("order").sort()).rows())


def _sides(names: _Names, roster: pl.DataFrame, plays: pl.DataFrame) -> Iterator[_Side]:
    """The sides one by one: what is done with is not kept."""
    games = names.sides["game_id"].to_list()
    fives: list[set[int]] = [set() for _ in games]
    for number, player, _ in roster.filter("starter").rows():
        fives[number].add(player)
    missing = [number for number, five in enumerate(fives) if len(five) != ON_COURT]
    for number, players in _inferred_starters(plays, missing).items():
        if not fives[number] or len(players) == ON_COURT:
            fives[number] = players
    # The moves of a side, and of a period within it, are neighbours after this.
    moves = plays.filter(CHANGES).sort("side", maintain_order=True)
    columns = [moves["clock_s"], moves["order"], moves["kind"] == "sub_in", moves["player"]]
    rows = zip(*(column.to_list() for column in columns), strict=True)
    sizes: list[dict[int, int]] = [{} for _ in games]
    for number, period, size in moves.group_by("side", "period", maintain_order=True).len().rows():
        sizes[number][period] = size
    for game, five, each in zip(games, fives, sizes, strict=True):
        yield _Side(game, five, {period: list(islice(rows, size)) for period, size in each.items()})


def _logs_intervals(games: pl.DataFrame, events: pl.DataFrame) -> bool:
    """Whether changes between periods are logged: some stand at the full clock of a later period."""
    later = (
        events.select("game_id", "period", "clock_s", "kind")
        .filter(CHANGES & (pl.col("period") > 1))
        .join(games.select("game_id", *LENGTHS), on="game_id")
        .select(pl.col("clock_s") >= LENGTH)
        .to_series()
    )
    return later.is_empty() or float(later.mean() or 0.0) >= LOGGED_SHARE  # type: ignore[arg-type]


def _follow(
    five: set[int],
    clocks: Spans,
    moves: Moves,
    scores: Sequence[int] = (),
    starts: Mapping[int, set[int]] | None = None,
) -> tuple[list[Stint], bool]:
    """Follow the substitutions.

    Args:
        five: who starts the game.
        clocks: the game's periods.
        moves: the team's changes.
        scores: orders of the rows that score, ascending. Changes at one instant count as one unless points
            were scored between them (free throws): then a stint of no length holds these points.
        starts: who starts each period, where the changes do not tell.

    Returns:
        Rows (period, start_clock_s, end_clock_s, first_order, last_order, player_ids), and whether there
        always were five and nobody came in who was on court or left who was not.
    """
    rows: list[Stint] = []
    sound = True
    for period, (length, first, last) in clocks.items():
        if starts is not None:
            five = starts[period]
        clock, order = length, first
        for instant, changes in groupby(moves.get(period, ()), itemgetter(0)):
            before, after, start_order = five, {*five}, order
            move_order = last  # so that nothing lies before the first change
            held: list[Stint] = []
            for _, this, comes_in, player in changes:
                if (
                    this > move_order + 1
                    and len(after) == ON_COURT
                    and after != before
                    and _scored(scores, move_order, this)
                ):
                    # Points in the middle of the changes belong to those who were on court then.
                    held.append(
                        (period, clock, instant, start_order, move_order, tuple(sorted(before)))
                    )
                    clock, before, start_order = instant, set(after), move_order
                move_order = this
                if comes_in == (player in after):
                    sound &= instant >= length
                elif comes_in:
                    after.add(player)
                else:
                    after.remove(player)
            if held:
                if held[0][1] == instant >= length:
                    held = held[1:]  # changes before the period starts: nobody scored
                rows += held
                sound &= all(len(stint[5]) == ON_COURT for stint in held)
            elif after == before:
                continue
            if instant < clock or (held and after != before):
                rows.append(
                    (period, clock, instant, start_order, move_order, tuple(sorted(before)))
                )
                sound &= len(before) == ON_COURT
                order = move_order
            elif held:
                order = start_order
            clock, five = instant, after
        if clock > 0:
            rows.append((period, clock, 0.0, order, last, tuple(sorted(five))))
            sound &= len(five) == ON_COURT
        elif rows and rows[-1][0] == period and order < last:
            # Changes at the buzzer: free throws may follow.
            if _scored(scores, order, last):
                rows.append((period, 0.0, 0.0, order, last, tuple(sorted(five))))
            else:
                rows[-1] = (*rows[-1][:4], last, rows[-1][5])
    return rows, sound


def _scored(scores: Sequence[int], first: int, last: int) -> bool:
    """Whether a row from ``first`` to before ``last`` scores."""
    at = bisect_left(scores, first)
    return at < len(scores) and scores[at] < last


def _inferred_starters(plays: pl.DataFrame, sides: list[int]) -> dict[int, set[int]]:
    """For teams without recorded starters: players who act, or leave, before they are sent in.

    Whose first change of the first period is that he is sent in did not start, though some row of his bears
    an earlier clock; he counts only where there are no five without him.
    """
    if not sides:
        return {}
    early = pl.col("period") == 1
    acting = (
        plays.filter(pl.col("side").is_in(sides) & ~KIND.is_in(BENCH_ACTS))
        .group_by("side", "player")
        .agg(
            KIND.first(),
            pl.col("order").first(),
            early.any(),
            _moved=KIND.filter(CHANGES & early).first(),
        )
        .filter(KIND != "sub_in")
        .with_columns(
            _tier=pl.when(pl.col("_moved") == "sub_in").then(2).otherwise(~pl.col("period"))
        )
        .sort("side", "_tier", "order")
        .group_by("side", maintain_order=True)
        .agg(pl.col("player").head(ON_COURT))
    )
    return {side: set(players) for side, players in acting.rows()}


# -- where the log is not enough -----------------------------------------------------------------


def _repaired(
    open_: Mapping[int, _Side],
    found: Mapping[int, list[Stint]],
    spans: Mapping[str, Spans],
    scores: Mapping[str, Sequence[int]],
    evidence: Mapping[int, Evidence],
    official: Mapping[int, Mapping[int, float]],
    rosters: Mapping[int, list[int]],
) -> dict[int, list[Stint]]:
    result: dict[int, list[Stint]] = {}
    for number, side in open_.items():
        clocks, scored = spans[side.game], scores.get(side.game, ())
        minutes = official.get(number, {})
        starts = _starts(side, clocks, evidence.get(number, {}), minutes, rosters.get(number, []))
        fixed, sound = _follow(side.five, clocks, side.moves, scored, starts)
        if minutes:
            plain = found.get(number) or _follow(side.five, clocks, side.moves, scored)[0]
            before, after = _misfit(plain, minutes), _misfit(fixed, minutes)
            if before < after or (before == after and not sound):
                fixed = plain
        result[number] = fixed
    return result


def _misfit(rows: Iterable[Stint], official: Mapping[int, float]) -> float:
    """Seconds by which the rows differ from the official minutes."""
    have = _seconds(rows)
    return sum(abs(have.get(p, 0.0) - official.get(p, 0.0)) for p in have.keys() | official.keys())


def _seconds(rows: Iterable[Stint]) -> dict[int, float]:
    have: dict[int, float] = {}
    for _, start, end, _, _, players in rows:
        for player in players:
            have[player] = have.get(player, 0.0) + start - end
    return have


def _starts(
    side: _Side,
    clocks: Spans,
    evidence: Evidence,
    official: Mapping[int, float],
    roster: list[int],
) -> dict[int, set[int]]:
    """The five who start each period."""
    sure: dict[int, set[int]] = {}
    maybe: dict[int, list[int]] = {}
    last_five = set(side.five)
    first_period = min(clocks)
    open_periods: list[int] = []
    starts: dict[int, set[int]] = {}
    for period, (length, _, _) in clocks.items():
        on, off = evidence.get(period, ([], []))
        if period == first_period and len(side.five) == ON_COURT:
            five = set(side.five)
        else:
            carried = _after_interval(last_five, side.moves, period, length)
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
        last_five = _last_five(starts[period], side.moves, period)
    if not open_periods or not official:
        return starts
    return _fitted(starts, sure, maybe, open_periods, clocks, side, official)


def _fitted(
    starts: dict[int, set[int]],
    sure: Mapping[int, set[int]],
    maybe: Mapping[int, list[int]],
    open_periods: list[int],
    clocks: Spans,
    side: _Side,
    official: Mapping[int, float],
) -> dict[int, set[int]]:
    """Fill what the rows leave open with those whose official minutes are not yet reached."""
    known = {period: sure[period] for period in clocks}
    have = _seconds(_follow(set(), clocks, side.moves, (), known)[0])
    for period in open_periods:
        missing = {p: official.get(p, 0.0) - have.get(p, 0.0) for p in maybe[period]}
        starts[period] = _filled(sure[period], maybe[period], missing, ON_COURT)
        known[period] = starts[period]
        have = _seconds(_follow(set(), clocks, side.moves, (), known)[0])
    return starts


def _filled(five: set[int], others: list[int], missing: Mapping[int, float], size: int) -> set[int]:
    ranked = sorted(others, key=lambda p: (-missing.get(p, 0.0), p))
    return five | set(ranked[: max(0, size - len(five))])


def _evidence(plays: pl.DataFrame, sides: pl.DataFrame) -> dict[int, Evidence]:
    """Who surely starts a period (acts or leaves before he comes in), and who surely does not."""
    clock, comes_in, entered = pl.col("clock_s"), KIND == "sub_in", pl.col("_entered")
    first = (
        plays.filter(~KIND.is_in(BENCH_ACTS))
        .join(sides.select("side", *LENGTHS), on="side", maintain_order="left")
        .filter(~comes_in | (clock < LENGTH))
        .with_columns(_entered=pl.when(comes_in).then(clock))
        .group_by("side", "period", "player")
        .agg(KIND.first(), clock.first(), entered.max())
    )
    starts = ~comes_in & ((KIND == "sub_out") | entered.is_null() | (clock - entered > SLACK_S))
    found: dict[int, Evidence] = {}
    for side, period, player, on in first.select("side", "period", "player", starts).rows():
        sure = found.setdefault(side, {}).setdefault(period, ([], []))
        sure[0 if on else 1].append(player)
    return found


def _after_interval(five: set[int], moves: Moves, period: int, length: float) -> set[int]:
    after = set(five)
    for clock, _, comes_in, player in moves.get(period, ()):
        if clock >= length:
            (after.add if comes_in else after.discard)(player)
    return after


def _last_five(five: set[int], moves: Moves, period: int) -> set[int]:
    after = set(five)
    for _, _, comes_in, player in moves.get(period, ()):
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
