"""From a period's runs and stands to anchors: where the clock started, stopped, or jumped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from openbasket.clock.fit import TOLERANCE_S
from openbasket.clock.segments import MOMENT_S, Run, Segments, Stand

__all__ = ["Anchor", "Wanted", "anchors_of", "wanted_clocks"]

#: Events at which the clock stands.
_STOPPING = frozenset(
    {"foul", "foul_drawn", "free_throw", "timeout", "sub_in", "sub_out", "jump_ball"}
)
#: A period that was seen to run until so shortly before its end ran to it; as at its beginning.
_TO_THE_END_S = 2.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """A sync point, and how far its media time may be off."""

    clock_s: float
    media_s: float
    residual_s: float


@dataclass(frozen=True)
class Wanted:
    """The clock values of a period at which something happens: how often each, and which stop it.

    ``given`` is false where no events are known, so that every clock value matters. At ``throws``, free
    throws are shot, so that the end of the stop matters, too.
    """

    all: Counter[float]
    stopping: Counter[float]
    given: bool = True
    throws: frozenset[float] = frozenset()

    def matters(self, low: float, high: float) -> bool:
        """Whether something happens between two clock values."""
        return not self.given or any(low - 0.6 <= c <= high + 0.6 for c in self.all)

    def stops(self, low: float, high: float) -> bool:
        """Whether something that stops the clock happens between two clock values."""
        return any(low - 1e-6 <= c < high + 1e-6 for c in self.stopping)

    def stop(self, low: float, high: float, default: float) -> float:
        """Where in ``[low, high)`` the clock stood, as far as the events say.

        A display of whole seconds leaves a second open, and a transcript of whole seconds drops the
        tenths that the display shows.
        """
        for clocks in (self.stopping, self.all):
            inside = [(n, -c) for c, n in clocks.items() if low - 1e-6 <= c < high - 1e-6]
            if inside:
                return -max(inside)[1]
        whole = float(int(default + 1e-6))
        return whole if high - low < 0.5 and whole in self.all else default


def wanted_clocks(events: Sequence[Mapping[str, object]]) -> dict[int, Wanted]:
    """What is wanted, by period, from rows with ``period``, ``clock_s`` and ``kind``."""
    found: dict[int, Wanted] = {}
    throws: dict[int, set[float]] = {}
    for row in events:
        period, clock = int(str(row["period"])), float(str(row["clock_s"]))
        wanted = found.setdefault(period, Wanted(Counter(), Counter()))
        wanted.all[clock] += 1
        if row.get("kind") in _STOPPING:
            wanted.stopping[clock] += 1
        if row.get("kind") == "free_throw":
            throws.setdefault(period, set()).add(clock)
    return {p: replace(w, throws=frozenset(throws.get(p, ()))) for p, w in found.items()}


def anchors_of(segments: Segments, wanted: Wanted, before_s: float, after_s: float) -> list[Anchor]:
    """Anchors of one period, media times never going down and clocks never going up.

    Args:
        segments: of the period.
        wanted: its events' clock values.
        before_s: end of what was read before it, media seconds.
        after_s: beginning of what was read after it, or the end of the video.
    """
    parts = segments.parts
    found: list[Anchor] = []
    head, tail = parts[0], parts[-1]
    if isinstance(head, Run):
        top = segments.length_s
        start = head.sum_s - top
        near = head.sum_s - head.first > top - _TO_THE_END_S and start >= before_s
        found.append(_on(head, start if near else head.first))
    for left, part, right in zip([None, *parts], parts, [*parts[1:], None], strict=False):
        if isinstance(part, Stand):
            found += _standing(part, left, right, wanted, segments.length_s)
        elif isinstance(left, Run):
            found += _meeting(left, part, wanted)
    if isinstance(tail, Run):
        near = tail.sum_s - tail.last < _TO_THE_END_S and tail.sum_s <= after_s
        found.append(_on(tail, tail.sum_s if near else tail.last))
    return _in_order(found, segments.length_s)


def _on(run: Run, media_s: float) -> Anchor:
    return Anchor(max(run.sum_s - media_s, 0.0), media_s, run.half_s)


def _standing(
    stand: Stand, left: Run | Stand | None, right: Run | Stand | None, wanted: Wanted, top: float
) -> list[Anchor]:
    """The two ends of a stop."""
    low, high = stand.clock_s, stand.clock_s + stand.tick_s
    clock = top if low >= top - 1e-6 else wanted.stop(low, high, low)
    first, last = stand.first, stand.last
    error_first = error_last = 0.0
    if isinstance(left, Run):
        stops = left.sum_s - clock
        if left.half_s <= 0.6 or left.readings:
            first, error_first = min(stops, stand.last), left.half_s
            late = stand.first - stops
            if late > MOMENT_S + stand.tick_s:  # what was not seen may hold another stop
                error_first += late / 2
    if isinstance(right, Run) and (right.half_s <= 0.6 or right.readings):
        last, error_last = max(right.sum_s - clock, first), right.half_s
    inside = {c for c in wanted.stopping if low - 1e-6 <= c < high - 1e-6}
    if stand.tick_s > 0.5 and low == 0 and inside:
        inside.add(0.0)  # the period's end
    if len(inside) > 1:  # the display shows one value for all of them
        error_first = error_last = (last - first) / 2
    return [Anchor(clock, first, error_first), Anchor(clock, max(last, first), error_last)]


def _meeting(left: Run, right: Run, wanted: Wanted) -> list[Anchor]:
    """Two runs that meet: a stop too short to be seen, one that was hidden, or a cut."""
    if not (left.readings and right.readings):
        return []
    if right.doubt:
        off = (right.first - left.last) / 2
        ends = (_on(left, left.last + 0.01), _on(right, right.first - 0.01))
        unsure = [replace(end, residual_s=off) for end in ends]
        return [_on(left, left.last), *unsure, _on(right, right.first)]
    if right.sum_s < left.sum_s:
        # Somewhere between two readings; what lies between their clocks may or may not be shown.
        return [
            _on(left, left.last),
            replace(_on(left, left.last), media_s=right.first),
            _on(right, right.first),
        ]
    low, high = right.shown, left.sum_s - left.last
    if right.first - left.last > MOMENT_S and high - low > 1.0:
        # It may have stood until just after the first reading of the right run.
        open_s = (right.sum_s - left.sum_s) / 2
        return [
            _on(left, left.last),
            Anchor(right.shown, right.sum_s - right.shown, right.half_s + open_s),
        ]
    low = right.sum_s - right.first
    clock = wanted.stop(low - 0.1, high + 0.1, (low + high) / 2)
    open_s = max(high - low, 0.0) / 2
    return [
        Anchor(clock, left.sum_s - clock, left.half_s + open_s),
        Anchor(clock, right.sum_s - clock, right.half_s + open_s),
    ]


def _in_order(anchors: list[Anchor], top: float) -> list[Anchor]:
    """Small contradictions of neighbours (fractions of a tick) are smoothed away."""
    found: list[Anchor] = []
    for anchor in anchors:
        clock, media = min(anchor.clock_s, top), max(anchor.media_s, 0.0)
        if found:
            clock, media = min(clock, found[-1].clock_s), max(media, found[-1].media_s)
        if found and (clock, media) == (found[-1].clock_s, found[-1].media_s):
            continue
        if found and found[-1].clock_s - clock > media - found[-1].media_s + TOLERANCE_S:
            found.append(Anchor(found[-1].clock_s, media, anchor.residual_s))  # a cut
        found.append(Anchor(clock, media, anchor.residual_s))
    return found
