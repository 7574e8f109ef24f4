"""From the readings of one period to where the clock ran and stood; and where to look next.

While the clock runs, clock plus media time is constant: each reading holds that sum to within a tick
of the display, and several readings of one run together to a fraction of it. Where it stood, the
display shows one value for longer than a tick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from openbasket.clock.chain import SLACK_S, GameRules, Shown, Stretch

__all__ = ["MOMENT_S", "Run", "Segments", "Stand", "Wish", "segments", "wishes"]

#: How well the sum of clock and media time of a run is to be known, and a moment of the video.
_SUM_S, MOMENT_S = 0.5, 0.35
#: A gap in a run as long as this, with other clocks inside, may hide a cut and an insert that cancel out.
_DOUBT_S = 12.0
#: Two readings that share less of a sum than this do not confirm each other.
_OVERLAP_S = 0.02


@dataclass
class Run:
    """A running clock: clock plus media time is in ``[low, high)``; read from ``first`` to ``last``.

    ``first`` is after ``last`` where nothing was read while it ran.
    """

    low: float
    high: float
    first: float
    last: float
    readings: int = 0
    shown: float = 0.0  # by the first reading
    doubt: bool = False  # other clocks were shown between the run before and this one

    @property
    def sum_s(self) -> float:
        """Clock plus media time, the middle of what is possible."""
        return (self.low + self.high) / 2

    @property
    def half_s(self) -> float:
        """How far the sum may be off."""
        return max(self.high - self.low, 0.0) / 2


@dataclass
class Stand:
    """A standing clock: the display showed ``clock_s`` from ``first`` to ``last`` at least."""

    clock_s: float
    tick_s: float
    first: float
    last: float
    proven: bool = False  # by a third reading, between the two


@dataclass
class Segments:
    """A period's runs and stands, in order. Two runs that meet have an unseen stop or a cut between."""

    period: int
    length_s: float
    parts: list[Run | Stand] = field(default_factory=list)


def segments(stretch: Stretch, rules: GameRules, rejected: Sequence[float] = ()) -> Segments:
    """Tell runs from stands in a period's readings.

    Args:
        stretch: the readings of a period that the chain kept.
        rules: of the game.
        rejected: media times at which a clock was read that the chain did not keep.
    """
    found = Segments(stretch.period, rules.length_s(stretch.period))
    shown = list(stretch.shown)
    groups: list[list[Shown]] = []
    for reading in shown:
        same = groups and (groups[-1][0].clock_s, groups[-1][0].tick_s) == (
            reading.clock_s,
            reading.tick_s,
        )
        if same:
            groups[-1].append(reading)
        else:
            groups.append([reading])
    low = -1e9
    running: list[Shown] = []
    for group in groups:
        head, tail = group[0], group[-1]
        ends = head.clock_s < head.tick_s / 2 or head.clock_s > found.length_s - head.tick_s / 2
        if not ends and tail.media_s - head.media_s < head.tick_s - _OVERLAP_S:
            running += group
            continue
        found.parts += _runs(running, low, head.media_s + head.clock_s + head.tick_s, rejected)
        proven = any(0.2 < s.media_s - head.media_s < 2.0 for s in group[:-1])
        found.parts.append(Stand(head.clock_s, head.tick_s, head.media_s, tail.media_s, proven))
        low, running = tail.media_s + tail.clock_s, []
    found.parts += _runs(running, low, 1e9, rejected)
    if isinstance(found.parts[0], Run) and found.parts[0].readings == 0:
        found.parts.pop(0)
    if isinstance(found.parts[-1], Run) and found.parts[-1].readings == 0:
        found.parts.pop()
    found.parts = _short_stands(found.parts, shown)
    return found


def _runs(
    shown: Sequence[Shown], low: float, high: float, rejected: Sequence[float]
) -> list[Run | Stand]:
    """Readings between two stands, as few runs as explain them."""
    runs: list[Run | Stand] = []
    now = Run(low, 1e9, 1e9, -1e9)
    for reading, following in zip(shown, [*shown[1:], None], strict=False):
        at = reading.media_s + reading.clock_s
        a, b = max(now.low, at), min(now.high, at + reading.tick_s)
        if a > b - _OVERLAP_S and following is not None and now.readings:
            on = following.media_s + following.clock_s
            if max(now.low, on) < min(now.high, on + following.tick_s) - _OVERLAP_S:
                continue  # misread by one: what comes before and after it agrees
        long = now.readings and reading.media_s - now.last > _DOUBT_S
        doubt = bool(long) and any(now.last < r < reading.media_s for r in rejected)
        if a > b - _OVERLAP_S or doubt:
            runs.append(now)
            a, b = at, at + reading.tick_s
            now = Run(a, b, 1e9, -1e9, doubt=doubt)
        now.low, now.high = min(a, b), max(a, b)
        now.shown = reading.clock_s if not now.readings else now.shown
        now.first, now.last = min(now.first, reading.media_s), max(now.last, reading.media_s)
        now.readings += 1
    if now.low > high + SLACK_S:  # the next stand is further on than this run can get: a cut
        runs.append(now)
        now = Run(high - 1.0, high, 1e9, -1e9)
    else:
        now.high = max(min(now.high, high), now.low)
    return [*(r for r in runs if isinstance(r, Run) and r.readings), now]


def _short_stands(parts: list[Run | Stand], shown: Sequence[Shown]) -> list[Run | Stand]:
    """A run with one reading that fits neither neighbour is a stop of which one picture was seen."""
    found: list[Run | Stand] = []
    by_time = {s.media_s: s for s in shown}
    for index, part in enumerate(parts):
        one = isinstance(part, Run) and part.readings >= 1 and part.first == part.last
        if one and 0 < index < len(parts) - 1:
            before, after = parts[index - 1], parts[index + 1]
            if (
                isinstance(part, Run)
                and isinstance(before, Run)
                and isinstance(after, Run)
                and before.high <= part.low + SLACK_S
                and after.low >= part.high - SLACK_S
            ):
                reading = by_time[part.first]
                found.append(Stand(reading.clock_s, reading.tick_s, part.first, part.last))
                continue
        found.append(part)
    return found


@dataclass(frozen=True, slots=True)
class Wish:
    """A look that would tell more: ``at`` a moment, or else somewhere between ``low`` and ``high``."""

    at: float | None
    low: float
    high: float


Matters = Callable[[float, float], bool]


def wishes(
    segments: Segments, matters: Matters, stops: Matters, before_s: float, after_s: float
) -> list[Wish]:
    """Where to look next.

    Args:
        segments: of a period.
        matters: whether anything is wanted in a range of clock values, from low to high.
        stops: whether the clock is known to stop in a range of clock values, from low to high.
        before_s: end of what is known of the period before, media seconds.
        after_s: start of what is known of the period after.
    """
    parts = segments.parts
    found: list[Wish] = []
    for index, part in enumerate(parts):
        if isinstance(part, Run) and part.readings:
            low = parts[index - 1].last if index and parts[index - 1].last > 0 else part.first
            high = parts[index + 1].first if index + 1 < len(parts) else part.last
            found += _narrow(part, min(low, part.first), min(max(high, part.last), 1e8), matters)
    for left, right in pairwise(parts):
        found += _between(left, right, matters)
        if isinstance(left, Run) and isinstance(right, Stand) and left.readings:
            found += _proof(left, right, stops)
    for index, part in enumerate(parts):
        if isinstance(part, Run) and not part.readings and 0 < index < len(parts) - 1:
            found += _unseen(parts[index - 1], parts[index + 1], matters)
    found += _edges(segments, matters, before_s, after_s)
    return found


def _narrow(run: Run, low: float, high: float, matters: Matters) -> list[Wish]:
    """A look that halves what is open of a run's sum: where the display is about to change."""
    if run.high - run.low <= _SUM_S:
        return []
    if not matters(run.sum_s - run.last - 1.0, run.sum_s - run.first + 1.0):
        return []
    middle = (run.first + run.last) / 2
    whole = round(run.sum_s - middle)
    for step in (0, 1, -1, 2, -2, 3, -3):
        at = run.sum_s - (whole + step)
        if low < at < high:
            return [Wish(at, at, at)]
    return []


def _between(left: Run | Stand, right: Run | Stand, matters: Matters) -> list[Wish]:
    if isinstance(left, Run) and isinstance(right, Run):
        if not (left.readings and right.readings) or right.first - left.last <= MOMENT_S:
            return []
        if not matters(right.shown, left.sum_s - left.last):
            return []
        return [Wish(None, left.last, right.first)]
    if isinstance(left, Run) and isinstance(right, Stand) and left.readings:
        stops = left.sum_s - right.clock_s  # at the latest
        if right.first <= stops + MOMENT_S or right.first - left.last <= MOMENT_S:
            return []
        if not matters(right.clock_s, left.sum_s - left.last):
            return []
        return [Wish(stops - 0.4 * right.tick_s, left.last, right.first)]
    if isinstance(left, Stand) and isinstance(right, Run) and right.readings:
        starts = right.sum_s - left.clock_s - left.tick_s  # at the earliest
        if left.last >= starts - MOMENT_S or right.first - left.last <= MOMENT_S:
            return []
        if not matters(right.sum_s - right.first, left.clock_s + left.tick_s):
            return []
        aim = min(right.sum_s - left.clock_s - 0.3, right.first - 0.05)
        return [Wish(aim, left.last, right.first)]
    return []


def _proof(run: Run, stand: Stand, stops: Matters) -> list[Wish]:
    """A stop that no event explains may be a replay with an old clock: look just after it began."""
    if stand.clock_s < 0.1 or stops(stand.clock_s, stand.clock_s + stand.tick_s):
        return []
    at = run.sum_s - stand.clock_s + run.half_s + 0.25
    if stand.proven or at >= stand.last - 0.05:
        return []
    return [Wish(at, at, stand.last)]


def _unseen(left: Run | Stand, right: Run | Stand, matters: Matters) -> list[Wish]:
    """Between two stands, nothing of the run was read."""
    if not (isinstance(left, Stand) and isinstance(right, Stand)):
        return []
    if right.first - left.last <= MOMENT_S:
        return []
    if not matters(right.clock_s, left.clock_s + left.tick_s):
        return []
    return [Wish(None, left.last, right.first)]


def _edges(segments: Segments, matters: Matters, before_s: float, after_s: float) -> list[Wish]:
    head, tail = segments.parts[0], segments.parts[-1]
    found: list[Wish] = []
    if isinstance(head, Run):
        start = head.sum_s - segments.length_s
        top = head.sum_s - head.first
        if top < segments.length_s - 0.6 and matters(top, segments.length_s):
            found.append(
                Wish(start - 0.7 if start - 0.7 > before_s else None, before_s, head.first)
            )
    elif matters(head.clock_s, segments.length_s) and head.first - before_s > MOMENT_S:
        found.append(Wish(None, before_s, head.first))
    low = tail.sum_s - tail.last if isinstance(tail, Run) else tail.clock_s
    if low > 0.6 and matters(0.0, low):
        ends = tail.sum_s + 0.5 if isinstance(tail, Run) else after_s
        found.append(Wish(ends if ends < after_s else None, tail.last, after_s))
    return found
