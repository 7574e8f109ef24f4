"""Which events a period's readings prove: independent bounds on when the clock was at a value.

A clock goes down no faster than the video. So a reading above a value says that the value came no
earlier than so many seconds later; a reading below it, that it was left so many seconds before. A
bound counts only if two readings some seconds apart agree on it, and all between them, which
neither one misreading nor a replay in slow motion can bring about. Where the bounds leave much open, or
contradict each other (a cut), the event stays unplaced, whatever the fitted clock map says.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket import tables
from openbasket.clock.chain import SLACK_S, Shown
from openbasket.clock.emit import Anchor, Wanted
from openbasket.clock.fit import UNPROVEN_S, GameClock
from openbasket.errors import NotFoundError

__all__ = ["Proof", "proven"]

#: Two readings of one run are so far apart, in seconds and in ticks: at half speed they cannot agree to
#: within a tick; and across a long silence they may agree by chance.
_APART_S, _APART_TICKS, _TOGETHER_S = 2.2, 4.2, 15.0
#: How wide the bounds may be, and how far the clock map may leave them.
_WIDTH_S, _OUTSIDE_S = 2.0, 0.4
#: Without a reading for so many seconds, only bounds this narrow prove a run.
_GAP_S, _NARROW_S = 12.0, 1.2


class Proof:
    """Bounds from the readings of one period.

    Args:
        shown: the readings that the chain kept, in the order of the video.
        length_s: of the period.
        doubted: readings that contradict them: two readings do not agree across one that says otherwise.
    """

    def __init__(
        self, shown: Sequence[Shown], length_s: float, doubted: Sequence[Shown] = ()
    ) -> None:
        self.length_s = length_s
        self._media = np.array([s.media_s for s in shown])
        self._low = np.array([s.clock_s for s in shown])
        self._tick = np.array([s.tick_s for s in shown])
        self._high = self._low + self._tick
        self._sum = self._media + self._low
        between = np.abs(self._media[:, None] - self._media)
        ran = self._low > self._tick / 2  # at zero, the clock stands for good
        least = np.maximum(_APART_S, _APART_TICKS * np.maximum(self._tick[:, None], self._tick))
        apart = (between >= least) & (between <= _TOGETHER_S) & ran & ran[:, None]
        moments, agree = self._agreement([*shown, *doubted])
        places = np.searchsorted(moments, self._media)
        one_run = np.array(
            [_unbroken(row, at)[places] for row, at in zip(agree, places, strict=True)]
        )
        self._held = (apart & one_run).any(axis=1)

    def _agreement(
        self, readings: Sequence[Shown]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Media times of readings, and for each one of the period whether they agree with it in any sense."""
        total = np.array([s.media_s + s.clock_s for s in readings])
        tick = np.array([s.tick_s for s in readings])
        agree = (self._sum[:, None] < total + tick + SLACK_S) & (
            total < self._sum[:, None] + self._tick[:, None] + SLACK_S
        )
        moments, which = np.unique([s.media_s for s in readings], return_inverse=True)
        at_moment = np.zeros((len(self._sum), len(moments)), bool)
        for column, moment in zip(agree.T, which, strict=True):
            at_moment[:, moment] |= column
        return moments, at_moment

    def covers(self, first: float, last: float) -> float:
        """Seconds by which a stretch of media time lies inside the readings; negative outside."""
        return float(min(first - self._media[0], self._media[-1] - last))

    def bounds(self, clock_s: float) -> tuple[float, float]:
        """Media times before which the clock was not yet at a value, and after which no more at it."""
        above = self._held & (self._low > clock_s + 1e-6)
        below = self._held & (self._high <= clock_s + 1e-6)
        low = self._sum[above].max(initial=-np.inf) - clock_s
        high = (self._sum + self._tick)[below].min(initial=np.inf) - clock_s
        return float(low), float(high)

    def at(self, clock_s: float, low: float, high: float) -> NDArray[np.float64]:
        """When the display showed a value, between two media times."""
        shows = (self._low <= clock_s + 1e-6) & (clock_s < self._high - 1e-6)
        inside = (self._media > low - _OUTSIDE_S) & (self._media < high + _OUTSIDE_S)
        return np.asarray(self._media[shows & inside])

    def off_s(
        self, clock_s: float, first: float, last: float, *, whole: bool, stops: Iterable[float] = ()
    ) -> float | None:
        """How far the clock map may be off at a value; None where nothing proves it.

        Args:
            clock_s: the value.
            first: from when on the clock map has the clock at it.
            last: until when.
            whole: the end matters, too.
            stops: values at which the clock may have stood; one that the display shows alike makes
                it unknown which of the two a standing display is at.
        """
        low, high = self.bounds(clock_s)
        if clock_s >= self.length_s - 1e-6:
            return self._start_off_s(clock_s, last, high)
        if first < low - _OUTSIDE_S or last > high + _OUTSIDE_S or high < low - _OUTSIDE_S:
            return None
        around = self._media[self._media <= first], self._media[self._media >= last]
        silent = min((a.size and b.size and b[0] - a[-1]) or 0.0 for a, b in [around])
        if high - low <= (_NARROW_S if silent > _GAP_S else _WIDTH_S):
            return max(high - low, 0.0) / 2
        stood = self.at(clock_s, low, high)
        held = self._media[self._held & (self._media <= first + _OUTSIDE_S)]
        if not len(held) or low - held[-1] > _GAP_S:
            return None
        if not len(stood) or stood[0] - low > _WIDTH_S or first > stood[0] + _OUTSIDE_S:
            return None
        tick = self._tick[self._media == stood[0]][0]
        if any(clock_s + 1e-6 < s < np.floor(clock_s / tick + 1e-6) * tick + tick for s in stops):
            return None
        off = max(stood[0] - low, 0.0) / 2
        if whole:
            if high - stood[-1] > _WIDTH_S or last < stood[-1] - _OUTSIDE_S:
                return None
            off = max(off, (high - stood[-1]) / 2)
        return float(off)

    def _start_off_s(self, clock_s: float, last: float, high: float) -> float | None:
        """The same of when the clock began to run: since when it stood, nobody knows who did not look."""
        stood = self.at(clock_s, -np.inf, high)
        if not len(stood) or high - stood[-1] > _WIDTH_S:
            return None
        if not stood[-1] - _OUTSIDE_S <= last <= high + _OUTSIDE_S:
            return None
        return max(float(high - stood[-1]), 0.0) / 2


def proven(
    anchors: Sequence[Anchor],
    shown: Sequence[Shown],
    wanted: Wanted,
    length_s: float,
    doubted: Sequence[Shown] = (),
) -> list[Anchor]:
    """Add an anchor at each wanted clock value, with what the readings prove as its residual.

    Args:
        anchors: of a period, as fitted.
        shown: the readings of the period.
        wanted: its events' clock values.
        length_s: of the period.
        doubted: readings that contradict those of the period: nothing beside them is proven.
    """
    rows = [("", 1, a.clock_s, a.media_s, "scoreboard", a.residual_s) for a in anchors]
    clock = GameClock(pl.DataFrame(rows, schema=tables.dtypes("anchors"), orient="row"))
    added: list[Anchor] = []
    proofs = [Proof(part, length_s, doubted) for part in _uncut(shown)]
    doubts = [span for reading in doubted for span in _doubts(reading, shown, length_s)]
    for value in wanted.all:
        try:
            first, last = clock.span(1, value)
        except NotFoundError:
            continue
        proof = max(proofs, key=lambda p: p.covers(first, last))
        whole = value in wanted.throws
        off = proof.off_s(value, first, last, whole=whole, stops=wanted.all)
        if any(low - SLACK_S <= value <= high + SLACK_S for low, high in doubts):
            off = None
        off = UNPROVEN_S if off is None else max(off, 0.0)
        begins = value >= length_s - 1e-6 and first < last
        added += [Anchor(value, first, UNPROVEN_S if begins else off), Anchor(value, last, off)]
    return _merged(anchors, added)


def _doubts(
    reading: Shown, shown: Sequence[Shown], length_s: float
) -> Iterator[tuple[float, float]]:
    """The clock values that a contradicting reading leaves open: its own, and those shown around it.

    Its own only where a clock of the period can show it in the period. Shortly before the first reading
    of a period, or after the last, it leaves open when the period began or ended.
    """
    at = bisect_left(shown, reading.media_s, key=lambda s: s.media_s)
    before, after = shown[max(at - 1, 0)], shown[min(at, len(shown) - 1)]
    if at == 0:
        if after.media_s - reading.media_s <= _GAP_S:
            yield after.clock_s, length_s
    elif at == len(shown):
        if reading.media_s - before.media_s <= _GAP_S:
            yield 0.0, before.clock_s + before.tick_s
    else:
        if reading.clock_s <= length_s:
            yield reading.clock_s, reading.clock_s + reading.tick_s
        yield after.clock_s, before.clock_s + before.tick_s


def _unbroken(agrees: NDArray[np.bool_], at: int) -> NDArray[np.bool_]:
    """The readings around one that agree with it without another between them that does not."""
    after = np.logical_and.accumulate(agrees[at:])
    before = np.logical_and.accumulate(agrees[at::-1])[::-1]
    return np.concatenate([before[:-1], after])


def _uncut(shown: Sequence[Shown]) -> list[list[Shown]]:
    """The readings between one cut and the next: at a cut, the clock jumps ahead of the video."""
    parts: list[list[Shown]] = []
    most = -np.inf
    for reading in shown:
        total = reading.media_s + reading.clock_s
        if not parts or total + reading.tick_s < most - SLACK_S:
            parts.append([])
            most = -np.inf
        parts[-1].append(reading)
        most = max(most, total)
    return parts


def _merged(anchors: Sequence[Anchor], added: Iterable[Anchor]) -> list[Anchor]:
    worst: dict[tuple[float, float], Anchor] = {}
    for anchor in [*anchors, *added]:
        key = (round(anchor.media_s, 6), -round(anchor.clock_s, 6))
        old = worst.get(key, anchor)
        worst[key] = replace(old, residual_s=max(old.residual_s, anchor.residual_s))
    return [worst[key] for key in sorted(worst)]
