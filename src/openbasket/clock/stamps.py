"""From the wall-clock stamps of a game's events to a map of its game clock.

While the game clock runs, clock left plus wall time is constant: a *level*. Each stop lifts the level by
as long as it lasted. A scorer's stamp is late by seconds, a corrected one by minutes or days, and neither
changes what the others say: per period, the non-decreasing steps that explain the stamps best, with a loss
that is bounded, leave the wrong ones out. Steps are cheap where the transcript knows of a stop (a foul, a
time-out, a substitution, free throws), and dear elsewhere.

All stamps of a game are late by the same usual delay; it cancels where a moment of the video is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket.clock.fit import GameClock
from openbasket.errors import BadInputError
from openbasket.wording import counted

__all__ = ["StampFit", "fit_stamps"]

#: What is entered as it happens; what may be entered a little later; what happens at a standing clock.
_PROMPT = ("field_goal", "turnover", "foul", "jump_ball")
_SECOND = ("offensive_rebound", "defensive_rebound", "steal")
_STANDING = "free_throw"
_STOPS = ("foul", "timeout", "sub_in", "sub_out", "free_throw", "jump_ball")
#: The clock stops after baskets in the last two minutes (FIBA rules, article 49.2; NBA: one minute).
_LATE_S = 120.0
#: A stamp that is further than this from its level is wrong, and costs as much.
_FAR_S = 4.0
#: What a step costs, in seconds of misfit: at a known stop, elsewhere, and if the stop is very long.
_STOP_COST, _STEP_COST, _LONG_COST, _LONG_S = 1.0, 4.0, 8.0, 300.0
#: A period needs so many stamps that fit, and so large a share of them.
_LEAST_STAMPS, _LEAST_SHARE = 4, 0.65
#: A game needs so large a share.
_LEAST_GAME_SHARE = 0.8
#: Stamps are whole seconds at best, and so are most clocks.
_LEAST_SPREAD_S = 0.4
#: Two runs nearer than this are one, with noise.
_SAME_LEVEL_S = 1.0
#: A period's first seconds: the jump ball and the players who start are no stop.
_TIP_OFF_S = 3.0
#: A clock this near the length of the period has not started.
_TOP_S = 0.05
#: Up to three free throws take so long at most.
_THROWS_S = 60.0
#: The clock runs again about so long after the last free throw, give or take.
_AFTER_THROW_S, _AFTER_THROW_SPREAD_S = 3.0, 1.0
#: Just after a stop whose beginning is not known.
_AFTER_S = 0.01


@dataclass(frozen=True)
class StampFit:
    """What a game's stamps say.

    Args:
        anchors: as table ``anchors``, with ``media_s`` in seconds since ``base_s``; late by the usual delay.
        base_s: seconds since 1970 (UTC).
        stamps: how many were looked at: one a clock value.
        used: how many of them fit the clock.
        spread_s: how much the delay of one stamp varies (one standard deviation, robust).
        delay_s: by how much a usual stamp is later than the most prompt twentieth; the true delay is larger.
        left_out: a reason for each period that the stamps do not tell.
        refused: why the game cannot be used, or None.
    """

    anchors: pl.DataFrame
    base_s: float
    stamps: int
    used: int
    spread_s: float
    delay_s: float
    left_out: tuple[str, ...]
    refused: str | None


@dataclass(frozen=True)
class _Marks:
    """One period's stamps, by clock value, from the start of the period on: ``(K,)`` each.

    ``live`` is the level that the first prompt stamp says, ``throw_low`` and ``throw_high`` those of the free
    throws; NaN where there is none. ``stop`` says whether the clock is known to stop, ``throws`` whether free
    throws follow.
    """

    clock: NDArray[np.float64]
    live: NDArray[np.float64]
    throw_low: NDArray[np.float64]
    throw_high: NDArray[np.float64]
    stop: NDArray[np.bool_]
    throws: NDArray[np.bool_]


@dataclass
class _Period:
    """A fitted period: the level before each clock value, and which stamps fit it."""

    period: int
    length_s: float
    marks: _Marks
    level: NDArray[np.float64]
    fits: NDArray[np.bool_]


def fit_stamps(game: Mapping[str, Any], events: pl.DataFrame) -> StampFit:
    """Fit the game clock to the wall-clock stamps of a game's events.

    Args:
        game: its row of the games table.
        events: its rows of the events table; ``wall_time`` may be null.

    Returns:
        The map, or the reason why there is none.
    """
    stamped = events.filter(pl.col("wall_time").is_not_null())
    if not stamped.height:
        return _refused(0, 0, "no event of this game has a wall-clock stamp")
    seconds = pl.col("wall_time").dt.epoch("us") / 1e6
    base = float(stamped.select(seconds.median()).item())
    fitted: list[_Period] = []
    left_out: list[str] = []
    stamps = used = 0
    for (period,), rows in events.sort("period").group_by("period", maintain_order=True):
        number = int(str(period))
        length = float(game["period_s"] if number <= game["periods"] else game["overtime_s"])
        part = _fit(number, length, _marks(rows.with_columns(wall=seconds - base), length))
        seen, fit = int(np.isfinite(part.marks.live).sum()), int(part.fits.sum())
        stamps, used = stamps + seen, used + fit
        if fit < _LEAST_STAMPS:
            left_out.append(
                f"period {number}: {counted(fit, 'stamp fits', 'stamps fit')} the clock; "
                f"needed: {_LEAST_STAMPS}"
            )
        elif fit < _LEAST_SHARE * seen:
            left_out.append(
                f"period {number}: {fit} of {seen} stamps fit the clock; needed: {_LEAST_SHARE:.0%}"
            )
        else:
            fitted.append(part)
    if not fitted:
        return _refused(stamps, used, "; ".join(left_out), tuple(left_out))
    if used < _LEAST_GAME_SHARE * stamps:
        reason = f"{used} of {stamps} stamps fit the clock; needed: {_LEAST_GAME_SHARE:.0%}"
        return _refused(stamps, used, reason, tuple(left_out))
    spread, delay = _spread(fitted)
    rows_of = [row for part in fitted for row in _anchors(part, spread)]
    anchors = pl.DataFrame(
        rows_of, schema=["period", "clock_s", "media_s", "residual_s"], orient="row"
    ).select(
        pl.lit(str(game["game_id"])).alias("game_id"),
        pl.col("period").cast(pl.Int8),
        "clock_s",
        "media_s",
        pl.lit("wall_clock").alias("how"),
        "residual_s",
    )
    for one, other in pairwise(fitted):
        end = float(anchors.filter(pl.col("period") == one.period)["media_s"].max())  # type: ignore[arg-type]
        start = float(anchors.filter(pl.col("period") == other.period)["media_s"].min())  # type: ignore[arg-type]
        if start < end:
            reason = (
                f"by its stamps period {other.period} starts {end - start:.1f} s before period "
                f"{one.period} ends; the stamps of one of them were made later, or the clocks were set"
            )
            return _refused(stamps, used, reason, tuple(left_out))
    try:
        GameClock(anchors)
    except BadInputError as error:
        reason = "; ".join(map(str, error.problems))
        return _refused(stamps, used, reason, tuple(left_out))
    return StampFit(anchors, base, stamps, used, spread, delay, tuple(left_out), None)


def _refused(stamps: int, used: int, reason: str, left_out: tuple[str, ...] = ()) -> StampFit:
    empty = pl.DataFrame(
        schema={
            "game_id": pl.String, "period": pl.Int8, "clock_s": pl.Float64, "media_s": pl.Float64,
            "how": pl.String, "residual_s": pl.Float64,
        }
    )  # fmt: skip
    return StampFit(empty, 0.0, stamps, used, 0.0, 0.0, left_out, reason)


def _marks(rows: pl.DataFrame, length_s: float) -> _Marks:
    """Sort a period's events by what they say about the clock: one entry a clock value."""
    level = pl.col("wall") + pl.col("clock_s")
    kind = pl.col("kind")
    throw = kind == _STANDING
    team_ball = kind.is_in(_SECOND) & pl.col("player_id").is_null()  # out of play
    basket = (
        (kind == "field_goal") & pl.col("made").fill_null(False) & (pl.col("clock_s") <= _LATE_S)
    )
    found = (
        rows.filter(~kind.is_in(["period_start", "period_end"]))
        .group_by("clock_s")
        .agg(
            prompt=level.filter(kind.is_in(_PROMPT)).min(),
            second=level.filter(kind.is_in(_SECOND)).min(),
            throw_low=level.filter(throw).min(),
            # Later ones are corrections.
            throw_high=level.filter(throw & (level <= level.filter(throw).min() + _THROWS_S)).max(),
            throws=throw.any(),
            stop=(kind.is_in(_STOPS) | team_ball | basket).any()
            | ((kind == "turnover").any() & ~(kind == "steal").any()),
        )
        .sort("clock_s", descending=True)
    )
    second = pl.when(~pl.col("throws")).then("second")
    # At the top of the clock it may stand for long before it starts.
    started = pl.col("clock_s") < length_s - _TOP_S
    found = found.with_columns(live=pl.when(started).then(pl.coalesce("prompt", second)))
    inside = pl.col("clock_s").is_between(0.0, length_s - _TIP_OFF_S, closed="none")
    found = found.with_columns(stop=pl.col("stop") & inside).filter(
        pl.col("stop") | pl.col("live").is_not_null()
    )

    def column(name: str) -> NDArray[np.float64]:
        return found[name].cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)

    return _Marks(
        column("clock_s"), column("live"), column("throw_low"), column("throw_high"),
        found["stop"].to_numpy().astype(np.bool_), found["throws"].to_numpy().astype(np.bool_),
    )  # fmt: skip


def _fit(period: int, length_s: float, marks: _Marks) -> _Period:
    """The cheapest non-decreasing steps through a period's stamps (dynamic programming over levels)."""
    seen = np.isfinite(marks.live)
    levels = np.unique(np.round(marks.live[seen], 1))
    count = len(marks.clock)
    if not len(levels):
        return _Period(period, length_s, marks, np.full(count, np.nan), seen)
    rise = levels[None, :] - levels[:, None]
    dear = np.where(rise > _LONG_S, _LONG_COST, 0.0)
    same = np.eye(len(levels), dtype=bool)
    came = np.zeros((count, len(levels)), np.int64)
    cost = np.zeros(len(levels))
    for k in range(count):
        cost = cost + _loss(np.abs(marks.live[k] - levels))
        cost = cost + _loss(np.maximum(levels - marks.throw_low[k], 0.0))
        step = dear + (_STOP_COST if marks.stop[k] else _STEP_COST)
        step = np.where(same, 0.0, np.where(rise > 0, step, np.inf))
        total = cost[:, None] + step
        came[k] = total.argmin(axis=0)
        cost = total.min(axis=0) + _loss(np.maximum(marks.throw_low[k] - levels, 0.0))
    at = int(cost.argmin())
    chosen = np.zeros(count, np.int64)
    for k in range(count - 1, -1, -1):
        at = int(came[k, at])
        chosen[k] = at
    level = levels[chosen]
    fits = seen & (np.abs(np.nan_to_num(marks.live, nan=np.inf) - level) <= _FAR_S)
    settled = level.copy()
    for value in np.unique(level):
        mine = level == value
        if (mine & fits).any():
            settled[mine] = np.median(marks.live[mine & fits])
    return _Period(period, length_s, marks, np.maximum.accumulate(settled), fits)


def _loss(off: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bounded misfit; none where there is no stamp."""
    return np.minimum(np.nan_to_num(off, nan=0.0), _FAR_S)


def _spread(periods: list[_Period]) -> tuple[float, float]:
    """Robust standard deviation of a stamp about its run, and how late the usual one is."""
    parts = []
    for part in periods:
        for value in np.unique(part.level[part.fits]):
            run = part.fits & (part.level == value)
            if (n := int(run.sum())) >= 3:
                parts.append((part.marks.live[run] - value) * np.sqrt(n / (n - 1)))
    if not parts:
        return _FAR_S / 2, 0.0
    off = np.concatenate(parts)
    spread = 1.4826 * float(np.median(np.abs(off)))
    return max(spread, _LEAST_SPREAD_S), max(0.0, -float(np.quantile(off, 0.05)))


@dataclass(frozen=True)
class _Stop:
    """A clock value at which the clock stood, and the levels that its free throws say."""

    clock: float
    throw_low: float
    throw_high: float
    throws: bool


def _between(stops: list[_Stop], number: int, low: float, high: float) -> tuple[float, float]:
    """The level after a stop that others follow before the next live stamp, and how far it may be off.

    The clock stood while free throws were shot: it cannot have run on before the last of them, nor on after
    the first of those that follow.
    """
    earlier = [s.throw_high for s in stops[: number + 1] if np.isfinite(s.throw_high)]
    later = [s.throw_low for s in stops[number + 1 :] if np.isfinite(s.throw_low)]
    least = min(max([low, *earlier]), high)
    most = max(min([high, *later]), least)
    return (least + most) / 2, (most - least) / 2


def _anchors(part: _Period, spread_s: float) -> list[tuple[int, float, float, float]]:
    """Where the clock ran and stood: ``(period, clock, wall time, residual)``.

    Residuals are two standard deviations: of the level of a run, or half of what is open between two stops.
    """
    marks = part.marks
    sizes = {v: int((part.level[part.fits] == v).sum()) for v in np.unique(part.level[part.fits])}
    live = [(float(marks.clock[k]), float(part.level[k])) for k in np.flatnonzero(part.fits)]
    stops = [
        _Stop(
            float(marks.clock[k]),
            float(marks.throw_low[k]),
            float(marks.throw_high[k]),
            bool(marks.throws[k]),
        )
        for k in np.flatnonzero(marks.stop)
    ]
    found: list[tuple[int, float, float, float]] = []

    def add(clock: float, level: float, residual: float) -> None:
        found.append((part.period, clock, level - clock, residual))

    def half(level: float) -> float:
        return 2.0 * spread_s / float(np.sqrt(sizes[level]))

    first, level = live[0]
    before = [stop.clock for stop in stops if stop.clock > first]
    top = part.length_s if not before else min(before) - _AFTER_S
    if top > first:
        add(top, level, half(level))
    add(first, level, half(level))
    for (one, low), (other, high) in pairwise(live):
        if high - low <= _SAME_LEVEL_S:
            add(one, low, half(low))
            add(other, high, half(high))
            continue
        between = [stop for stop in stops if other < stop.clock <= one]
        add(one, low, half(low))
        at, known = low, half(low)
        for number, stop in enumerate(between):
            add(stop.clock, at, known)
            if number + 1 == len(between):
                at, known = high, half(high)
            else:
                ran = at
                at, known = _between(between, number, low, high)
                at = max(at, ran)
                if np.isfinite(stop.throw_high):
                    restart = max(min(stop.throw_high + _AFTER_THROW_S, high), ran)
                    at = max(at, restart)
                    add(stop.clock, restart, _AFTER_THROW_SPREAD_S + spread_s)
                    continue
            add(stop.clock, at, known)
        add(other, high, half(high))
    last, level = live[-1]
    after = [stop for stop in stops if stop.clock <= last]
    if not after:
        add(0.0, level, half(level))
    else:
        stop = after[0]
        if not stop.throws:
            add(stop.clock, level, half(level))
        elif np.isfinite(stop.throw_high):
            add(stop.clock, level, half(level))
            restart = max(stop.throw_high + _AFTER_THROW_S, level)
            add(stop.clock, restart, _AFTER_THROW_SPREAD_S + spread_s)
        elif stop.clock + _AFTER_S < last:  # when the free throws were is not known
            add(stop.clock + _AFTER_S, level, half(level))
    return list(dict.fromkeys(sorted(found, key=lambda row: (row[2], -row[1]))))
