"""Anchors from the wall-clock stamps of a transcript, and one offset a video.

:mod:`openbasket.clock.stamps` says at which wall time the game clock showed what. What is missing is where
the video stands in wall time. That is given: as moments of the video at which somebody read the clock, or
as the wall time at which the video starts. Moments are better, for two reasons: a scorer's usual delay
cancels, and several of them show whether a break was cut out of the video. A recording that was paused has
an offset for each part; only breaks between periods may be cut out.

Stamps are UTC, as column ``wall_time`` of table ``events`` says, and so is a start without a time zone.
Where a provider's stamps are in truth local time, a start is off by whole hours, which is told; moments are
not touched.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl

from openbasket import tables
from openbasket.clock.anchors import COLUMNS, format_time, parse_time, read_anchors, read_rows
from openbasket.clock.fit import GameClock
from openbasket.clock.stamps import StampFit
from openbasket.errors import BadInputError, ConfigError, NotFoundError, Problem

__all__ = ["Given", "Moment", "Part", "Placed", "parse_offset", "place", "read_given"]

#: Column of a CSV that says when videos start.
START_COLUMNS = ("game_id", "start")
#: People read a clock and a player's position to about so much.
_READING_S = 0.5
#: A game may run on so long after its video, or before it, without a moment near that end.
_OUTSIDE_S = 30.0
#: A start that is off by whole hours, to so much.
_HOUR_S, _NEAR_HOUR_S = 3600.0, 900.0


@dataclass(frozen=True, slots=True)
class Moment:
    """At ``media_s`` of the video the clock of ``period`` showed ``clock_s``.

    At the start of a period this is the moment when the clock starts.
    """

    period: int
    clock_s: float
    media_s: float

    def __str__(self) -> str:
        return (
            f"period {self.period} clock {format_time(self.clock_s)} at {format_time(self.media_s)}"
        )


@dataclass(frozen=True)
class Given:
    """Where a video stands in wall time: its start, or moments of it.

    Args:
        start: wall time of the first picture; without a time zone it is UTC.
        moments: read off the video; where there are some, ``start`` is not used.
        delay_s: how late a scorer's usual stamp is; only used with ``start``. By default as late as the
            stamps themselves tell, which is less than the truth.
    """

    start: dt.datetime | None = None
    moments: tuple[Moment, ...] = ()
    delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Periods that share an offset: media time is wall time (seconds since 1970) plus ``offset_s``."""

    first_period: int
    last_period: int
    offset_s: float
    residual_s: float


@dataclass(frozen=True)
class Placed:
    """Anchors of one video.

    Args:
        anchors: table ``anchors``, ``how="wall_clock"``; empty where the game is refused.
        parts: the offsets.
        left_out: a reason for each period without anchors, and each moment that is not used.
        refused: why the game has none, or None.
    """

    anchors: pl.DataFrame
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]
    refused: str | None


class _RefusedError(Exception):
    """What is given does not fit the game; the message says why."""


def parse_offset(text: str) -> Given:
    """Read ``--offset``: a start as ISO 8601, or a moment as ``PERIOD CLOCK MEDIA``.

    Raises:
        ConfigError: it is neither.

    Example:
        >>> parse_offset("1 10:00 0:03:12").moments[0]
        Moment(period=1, clock_s=600.0, media_s=192.0)
        >>> parse_offset("2023-10-05T20:58:12+02:00").start.isoformat()
        '2023-10-05T18:58:12+00:00'
    """
    parts = text.split()
    if len(parts) == 3 and re.fullmatch("[1-9][0-9]?", parts[0]):
        clock, media = parse_time(parts[1]), parse_time(parts[2])
        if clock is not None and media is not None:
            return Given(moments=(Moment(int(parts[0]), clock, media),))
    start = parse_instant(text)
    if start is None:
        raise ConfigError(
            f"offset '{text}' is neither a wall time such as 2023-10-05T18:58:12Z nor a moment of the "
            "video such as '1 10:00 0:03:12' (period, clock, media time); give one of them"
        )
    return Given(start=start)


def parse_instant(text: str) -> dt.datetime | None:
    """Read a wall time in ISO 8601, as UTC; None where it is none. Without a zone it is taken as UTC."""
    try:
        found = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if found.tzinfo is None:
        return found.replace(tzinfo=dt.UTC)
    return found.astimezone(dt.UTC)


def read_given(path: Path, games: Collection[str] | None = None) -> dict[str, Given]:
    """Read where videos stand in wall time from a CSV: starts, or moments.

    Starts are columns ``game_id, start``, one row a game. Moments are written as anchors are (see
    :func:`openbasket.clock.anchors.read_anchors`), one or several a game.

    Args:
        path: the CSV, with a header row.
        games: the games it may name; any by default.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: every wrong row, with file, row, field and what is allowed.
    """
    try:
        cells = read_rows(path, START_COLUMNS)
    except BadInputError as error:
        if [problem.field for problem in error.problems] != ["start"]:
            raise
        try:
            anchors = read_anchors(path, games)
        except BadInputError as other:
            hint = f"Starts of videos have the columns {', '.join(START_COLUMNS)}."
            raise BadInputError(other.problems, hint) from None
        return {
            str(game): Given(
                moments=tuple(
                    Moment(*row) for row in part.select("period", "clock_s", "media_s").iter_rows()
                )
            )
            for (game,), part in anchors.group_by("game_id", maintain_order=True)
        }
    problems: list[Problem] = []
    found: dict[str, Given] = {}
    for number, (line, row) in enumerate(cells):
        game, start = row["game_id"], parse_instant(row["start"])
        faults = [
            (
                "game_id",
                not re.fullmatch(tables.ID_PATTERN, game)
                or (games is not None and game not in games),
                "a game of this workspace",
            ),
            ("game_id", game in found, "one start a game"),
            ("start", start is None, "a wall time such as 2023-10-05T18:58:12Z"),
        ]
        wrong = [
            Problem(str(path), number, name, repr(row[name][:80]), allowed, line)
            for name, bad, allowed in faults
            if bad
        ]
        problems += wrong
        if not wrong:
            found[game] = Given(start=start)
    if not cells:
        columns = f"{', '.join(START_COLUMNS)} or {', '.join(COLUMNS)}"
        problems.append(Problem(str(path), None, None, "no rows", f"rows of {columns}"))
    if problems:
        raise BadInputError(problems)
    return found


def place(
    fit: StampFit,
    given: Given,
    *,
    duration_s: float | None = None,
    tolerance_s: float = 2.0,
) -> Placed:
    """Make a video's anchors from a game's stamps.

    Args:
        fit: of the game's stamps.
        given: where the video stands in wall time.
        duration_s: of the video; anchors outside it are left out. None if not known.
        tolerance_s: how far moments may contradict each other, and how far a usual stamp may be off.

    Returns:
        The anchors, or the reason why there are none.
    """
    try:
        return _place(fit, given, duration_s, tolerance_s)
    except _RefusedError as reason:
        return Placed(tables.empty("anchors"), (), fit.left_out, str(reason))


def _place(fit: StampFit, given: Given, duration_s: float | None, tolerance_s: float) -> Placed:
    if fit.refused is not None:
        raise _RefusedError(fit.refused)
    if fit.spread_s > tolerance_s:
        raise _RefusedError(
            f"the stamps scatter by {fit.spread_s:.1f} s about the clock; allowed: {tolerance_s:.1f} s"
        )
    left_out = list(fit.left_out)
    if given.moments:
        parts, unknown = _parts(fit, given.moments, tolerance_s)
        left_out += unknown
    elif given.start is not None:
        delay = fit.delay_s if given.delay_s is None else given.delay_s
        residual = fit.delay_s / 2 if given.delay_s is None else 0.0
        parts = [Part(1, 99, -given.start.timestamp() - delay, residual)]
    else:
        raise _RefusedError("neither a start of the video nor a moment of it is given")
    rows: list[pl.DataFrame] = []
    for (period,), anchors in fit.anchors.group_by("period", maintain_order=True):
        number = int(str(period))
        part = _part_of(number, parts)
        if part is None:
            left_out.append(
                f"period {number}: a break before or after it is cut out of the video; give a moment in it"
            )
            continue
        shift = fit.base_s + part.offset_s
        square = pl.col("residual_s").pow(2) + part.residual_s**2
        rows.append(anchors.with_columns(pl.col("media_s") + shift, residual_s=square.sqrt()))
    moved = pl.concat(rows)
    _check_ends(moved, given, duration_s)
    kept: list[pl.DataFrame] = []
    for (period,), anchors in moved.group_by("period", maintain_order=True):
        inside = _clip(anchors.sort("media_s", maintain_order=True), duration_s)
        if inside.height < 2:
            left_out.append(f"period {period}: not in the video")
        else:
            kept.append(inside)
    if not kept:
        raise _RefusedError("no period of the game is in the video")
    found = tables.validate("anchors", pl.concat(kept))
    return Placed(found, tuple(parts), tuple(left_out), None)


# -- offsets --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Range:
    """The offsets that a moment allows."""

    moment: Moment
    low: float
    high: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


def _parts(
    fit: StampFit, moments: Sequence[Moment], tolerance_s: float
) -> tuple[list[Part], list[str]]:
    """Group moments, in the order of the game, by the offset that they say; name those that say nothing."""
    clock = GameClock(fit.anchors)
    ranges: list[_Range] = []
    unknown: list[str] = []
    for moment in _in_order(moments):
        try:
            ranges.append(_range(clock, moment))
        except NotFoundError as error:
            unknown.append(f"moment {moment} is not used: {error}")
    if not ranges:
        raise _RefusedError(
            f"the stamps do not tell when it was; {'; '.join(unknown)}; give another moment"
        )
    groups: list[list[_Range]] = []
    for one in ranges:
        agree = groups and all(
            one.low <= other.high + tolerance_s and other.low <= one.high + tolerance_s
            for other in groups[-1]
        )
        if agree:
            groups[-1].append(one)
            continue
        if groups:
            _check_cut(groups[-1][-1], one)
        groups.append([one])
    return [_part(fit, group, tolerance_s) for group in groups], unknown


def _in_order(moments: Sequence[Moment]) -> list[Moment]:
    ordered = sorted(moments, key=lambda moment: (moment.period, -moment.clock_s, moment.media_s))
    for one, other in pairwise(ordered):
        if other.media_s < one.media_s:
            raise _RefusedError(f"moments contradict each other: {one}, and later {other}")
    return ordered


def _range(clock: GameClock, moment: Moment) -> _Range:
    """Offsets from the base of the fit.

    Raises:
        NotFoundError: the stamps do not reach the moment.
    """
    first, last = clock.span(moment.period, moment.clock_s)
    slack = clock.open_s(moment.period, moment.clock_s) / 2
    slack += max(clock.residuals_s(moment.period, moment.clock_s)) + _READING_S
    return _Range(moment, moment.media_s - last - slack, moment.media_s - first + slack)


def _check_cut(before: _Range, after: _Range) -> None:
    """Refuse moments that no cut of a break between two periods explains."""
    off = after.middle - before.middle
    told = f"moments contradict each other by {abs(off):.1f} s: {before.moment}, and {after.moment}"
    if off > 0:
        raise _RefusedError(f"{told}; more of the video passed between them than of the evening")
    if before.moment.period == after.moment.period:
        raise _RefusedError(
            f"{told}; if a part of period {after.moment.period} is cut out of the video, give anchors"
        )


def _part(fit: StampFit, group: Sequence[_Range], tolerance_s: float) -> Part:
    sharp = [one for one in group if one.half <= tolerance_s + _READING_S]
    if not sharp:
        raise _RefusedError(
            f"moment {group[0].moment}: the clock stands there for up to {2 * group[0].half:.0f} s by the "
            "stamps; give a moment at which the clock runs"
        )
    weights = [1.0 / one.half**2 for one in sharp]
    offset = sum(w * one.middle for w, one in zip(weights, sharp, strict=True)) / sum(weights)
    residual = sum(weights) ** -0.5
    return Part(group[0].moment.period, group[-1].moment.period, offset - fit.base_s, residual)


def _part_of(period: int, parts: Sequence[Part]) -> Part | None:
    """The part that a period lies in; None between two parts, where it is not known."""
    if period <= parts[0].last_period:
        return parts[0]
    if period >= parts[-1].first_period:
        return parts[-1]
    return next((p for p in parts if p.first_period <= period <= p.last_period), None)


# -- the ends of the video ------------------------------------------------------------------


def _check_ends(anchors: pl.DataFrame, given: Given, duration_s: float | None) -> None:
    """Refuse an offset that leaves much of the game outside the video, unless a moment proves it."""
    start, end = float(anchors["media_s"].min()), float(anchors["media_s"].max())  # type: ignore[arg-type]
    length = float("inf") if duration_s is None else duration_s
    inside = anchors.filter(pl.col("media_s").is_between(0.0, length))
    periods = {moment.period for moment in given.moments}
    told = f"the game would reach from {start:.0f} s to {end:.0f} s of the video"
    if duration_s is not None:
        told += f", which is {duration_s:.0f} s long"
    beyond = start < -_OUTSIDE_S or end > length + _OUTSIDE_S
    if not given.moments and beyond:
        hours = round(start / _HOUR_S)
        off = abs(start - hours * _HOUR_S)
        if hours and (off <= _NEAR_HOUR_S or not inside.height):
            raise _RefusedError(
                f"{told}: off by about {hours:+d} hours; is the start, or are the stamps, in local time?"
            )
    if not inside.height:
        raise _RefusedError(told)
    last = int(inside["period"].max())  # type: ignore[arg-type]
    if end > length + _OUTSIDE_S and not any(period >= last for period in periods):
        raise _RefusedError(
            f"{told}; if a break is cut out, or the recording ends early, give a moment in period {last}"
        )


def _clip(anchors: pl.DataFrame, duration_s: float | None) -> pl.DataFrame:
    """A period's anchors inside the video, with one where a running clock crosses an end of it."""
    rows = anchors.to_dicts()
    for edge in (0.0, duration_s):
        if edge is None:
            continue
        for one, other in pairwise(list(rows)):
            passed, gone = other["media_s"] - one["media_s"], one["clock_s"] - other["clock_s"]
            if one["media_s"] < edge < other["media_s"] and abs(passed - gone) <= _READING_S:
                share = (edge - one["media_s"]) / passed
                crossing = {"media_s": edge, "clock_s": one["clock_s"] - share * gone}
                rows.append(one | crossing)
    frame = pl.DataFrame(rows, schema=anchors.schema).sort(
        "media_s", "clock_s", descending=[False, True]
    )
    return frame.filter(pl.col("media_s").is_between(0.0, duration_s or float("inf")))
