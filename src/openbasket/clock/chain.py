"""Which readings of a scoreboard are right: the heaviest chain that a game clock could have shown.

A clock stands or goes down as fast as the video does; it jumps only where the video leaves
something out, and goes up only where a period begins. Misread digits, replays with an old clock
and numbers in adverts break these rules and fall out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "GameRules",
    "Shown",
    "Stretch",
    "heaviest_chain",
    "other_senses",
    "stretches",
    "undecided",
    "unexplained",
]

#: What a jump of the clock costs, in readings: it takes several readings on either side to prove it.
_JUMP_COST = 3.0
#: What a new period costs; and more if the clock was not near zero, or does not start near the top.
_PERIOD_COST, _EARLY_END_COST, _LATE_START_COST = 0.5, 2.0, 2.0
_NEAR_END_S = 30.0
#: What a change of the period that the scoreboard does not show costs, and a period that goes back.
_WRONG_PERIOD_COST, _PERIOD_BACK_COST = 2.0, 3.0
#: Replays show a clock of at most so many seconds ago; such readings count for little.
_REPLAY_S, _OLD_WEIGHT = 20.0, 0.1
#: No replay shows a clock for so long: one at half speed shows each second for two.
_STOOD_S = 2.5
#: Rounding of media times to frames.
SLACK_S = 0.07


@dataclass(frozen=True, slots=True)
class GameRules:
    """How long a game's periods are."""

    periods: int
    period_s: float
    overtime_s: float

    def length_s(self, period: int) -> float:
        """Seconds of a period."""
        return self.period_s if period <= self.periods else self.overtime_s


@dataclass(frozen=True, slots=True)
class Shown:
    """One sense of one reading: at ``media_s`` the clock was in ``[clock_s, clock_s + tick_s)``.

    ``weight`` is less for readings that crowd around one moment. A sense that is not ``as_read`` has a
    digit more or less.
    """

    media_s: float
    clock_s: float
    tick_s: float
    period: int | None
    weight: float
    as_read: bool = True


@dataclass(frozen=True)
class Stretch:
    """The readings of one period, in the order of the video."""

    period: int
    shown: tuple[Shown, ...]


def heaviest_chain(readings: Sequence[Shown], rules: GameRules) -> list[Shown]:
    """The readings that can all be right, of greatest weight, in the order of the video.

    Args:
        readings: any order; several with one media time are senses of one reading, of which at
            most one is taken.
        rules: of the game.
    """
    longest = max(rules.period_s, rules.overtime_s)
    shown = sorted((r for r in readings if r.clock_s <= longest), key=lambda r: r.media_s)
    if not shown:
        return []
    media = np.array([r.media_s for r in shown])
    clock = np.array([r.clock_s for r in shown])
    tick = np.array([r.tick_s for r in shown])
    period = np.array([r.period or 0 for r in shown])
    score = np.array([r.weight for r in shown])
    score[_old_clocks(shown)] *= _OLD_WEIGHT
    before = np.full(len(shown), -1)
    lengths = np.array([rules.period_s, rules.overtime_s])
    for j in range(1, len(shown)):
        earlier = int(np.searchsorted(media, media[j] - 1e-6))
        if earlier == 0:
            continue
        i = slice(0, earlier)
        least = clock[i] - clock[j] - tick[j]
        most = clock[i] + tick[i] - clock[j]
        known = (period[i] > 0) & (period[j] > 0)
        down = most > 1e-6
        jumps = down & (least > media[j] - media[i] + SLACK_S)
        starts = np.abs(lengths - clock[j]).min() < _NEAR_END_S
        fresh = _PERIOD_COST + _EARLY_END_COST * (clock[i] > _NEAR_END_S)
        fresh = fresh + (0.0 if starts else _LATE_START_COST)
        fresh = fresh + _PERIOD_BACK_COST * (known & (period[j] <= period[i]))
        on = _JUMP_COST * jumps + _WRONG_PERIOD_COST * (known & (period[j] != period[i]))
        cost: NDArray[np.float64] = np.where(down, np.minimum(on, fresh + _JUMP_COST), fresh)
        total = score[i] - cost
        best = int(np.argmax(total))
        if total[best] > 0:
            score[j] += total[best]
            before[j] = best
    chain = []
    at = int(np.argmax(score))
    while at >= 0:
        chain.append(shown[at])
        at = int(before[at])
    return chain[::-1]


def _old_clocks(shown: Sequence[Shown]) -> NDArray[np.bool_]:
    """Readings that a replay explains: a lower clock was shown shortly before, by a clock that ran.

    What was read proves that it was shown; what may have been meant does not.
    """
    media = np.array([r.media_s for r in shown])
    clock = np.array([r.clock_s for r in shown])
    tick = np.array([r.tick_s for r in shown])
    as_read = np.array([r.as_read for r in shown], bool)
    ran = np.zeros(len(media), bool)
    old = np.zeros(len(media), bool)
    for j in range(len(media)):
        i = slice(int(np.searchsorted(media, media[j] - _REPLAY_S)), j)
        passed, gone = media[j] - media[i], clock[i] - clock[j]
        fits = (gone - tick[j] < passed) & (passed < gone + tick[i])
        ran[j] = as_read[j] and bool((fits & as_read[i] & (gone > 0.5)).any())
        old[j] = bool((ran[i] & (-gone >= tick[i]) & (-gone < _REPLAY_S)).any())
    return old


def unexplained(readings: Sequence[Shown], chain: Sequence[Shown]) -> list[Shown]:
    """The readings beside the chain that no replay explains: the chain, or they, are wrong.

    A replay shows a clock of shortly before, and none of its clocks for long.

    Args:
        readings: all of them, any order.
        chain: those that were kept.
    """
    kept = {r.media_s for r in chain}
    shown = sorted(readings, key=lambda r: r.media_s)
    media = np.array([r.media_s for r in shown])
    clock = np.array([r.clock_s for r in shown])
    old = _old_clocks(shown)
    out = np.array([r.media_s not in kept for r in shown], bool)
    stood = np.zeros(len(shown), bool)
    for j in np.flatnonzero(out):
        i = slice(*np.searchsorted(media, (media[j] - _REPLAY_S, media[j] + _REPLAY_S)))
        same = out[i] & (np.abs(clock[i] - clock[j]) < 1e-6)
        stood[j] = bool((same & (np.abs(media[i] - media[j]) > _STOOD_S)).any())
    return [r for r, doubted in zip(shown, out & (~old | stood), strict=True) if doubted]


def other_senses(shown: Sequence[Shown], chain: Sequence[Shown]) -> dict[float, Shown]:
    """The sense of each kept reading that was not taken, by media time; not of those that have one alone.

    Args:
        shown: all readings, any order.
        chain: those that were kept.
    """
    kept = {s.media_s: s.clock_s for s in chain}
    return {s.media_s: s for s in shown if kept.get(s.media_s, s.clock_s) != s.clock_s}


def undecided(chain: Sequence[Shown], others: Mapping[float, Shown]) -> list[Shown]:
    """Both senses of kept readings that fit in either one, alone or with their neighbours.

    Args:
        chain: the kept readings, in the order of the video.
        others: their :func:`other_senses`.
    """
    open_before = _open_from(chain, others, follows=_can_follow)
    open_after = _open_from(chain[::-1], others, follows=lambda b, a: _can_follow(a, b))[::-1]
    found = [s for s, *open_ in zip(chain, open_before, open_after, strict=True) if all(open_)]
    return [sense for s in found for sense in (s, others[s.media_s])]


def _open_from(
    chain: Sequence[Shown], others: Mapping[float, Shown], follows: Callable[[Shown, Shown], bool]
) -> list[bool]:
    """Whether a reading's other sense can follow what comes before it, or that one's other sense."""
    open_: list[bool] = []
    for before, now in zip([None, *chain], chain, strict=False):
        other = others.get(now.media_s)
        if other is None:
            open_.append(False)
        elif before is None or not follows(before, now):  # another period, or a cut
            open_.append(True)
        else:
            both = open_[-1] and follows(others[before.media_s], other)
            open_.append(both or follows(before, other))
    return open_


def _can_follow(before: Shown, after: Shown) -> bool:
    """Whether one clock can show both without a jump."""
    gone = before.clock_s - after.clock_s
    passed = after.media_s - before.media_s
    return -before.tick_s < gone < passed + SLACK_S + after.tick_s


def stretches(chain: Sequence[Shown], rules: GameRules) -> list[Stretch] | str:
    """Cut a chain into periods; or say why it cannot be one game.

    A new period begins where the clock goes up, or where the scoreboard says so. Its number is the
    one that most of its readings show; where none does, the next one.
    """
    parts: list[list[Shown]] = []
    number: int | None = None
    for shown in chain:
        last = parts[-1][-1] if parts else None
        up = last is not None and shown.clock_s > last.clock_s + last.tick_s + SLACK_S
        if last is None or up:
            parts.append([])
            number = None
        elif shown.period and number and shown.period > number:
            rest = [s.period for s in chain if s.media_s >= shown.media_s][:3]
            if all(p == shown.period for p in rest):  # not one misread digit
                parts.append([])
                number = None
        number = number or shown.period
        parts[-1].append(shown)
    found: list[Stretch] = []
    for part in parts:
        votes = Counter(s.period for s in part if s.period is not None)
        after = found[-1].period if found else 0
        named = votes.most_common(1)[0][0] if votes else after + 1
        if found and named == after:
            found[-1], part = _one_of(found[-1], part)
            if not part:
                continue
        elif named < after:
            weak = sum(s.weight for s in part) < 3
            if weak:
                continue
            return f"period {named} is shown after period {after}"
        if named > rules.periods + 10:
            return f"a period {named} is shown; this game has {rules.periods} and overtime"
        found.append(Stretch(named, tuple(part)))
    return found


def _one_of(old: Stretch, part: list[Shown]) -> tuple[Stretch, list[Shown]]:
    """Two parts that claim to be one period: the heavier one is."""
    if sum(s.weight for s in part) > sum(s.weight for s in old.shown):
        return Stretch(old.period, tuple(part)), []
    return old, []
