"""What goes wrong in a broadcast: no scoreboard for a while, replays, adverts, missing minutes.

A plan says what happened; a montage says what of it went on air, and what was put in between. Both
stay exact to the frame, so that the truth beside a troubled video is as good as beside a plain one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile

import cv2
import numpy as np
from numpy.typing import NDArray

from openbasket.simulation.timeline import PeriodPlan, Plan, RenderSettings

__all__ = ["Insert", "Montage", "broadcast_frames", "montage"]

Image = NDArray[np.uint8]

#: A replay shows this much of the past, at half speed.
_REPLAY_S = 3.0
#: How long the clock stands before a replay or an advert begins, at least.
_AFTER_WHISTLE_S = 0.5


@dataclass(frozen=True)
class Insert:
    """Frames put in between: a replay (``advert`` false; with the old clock or none) or an advert."""

    advert: bool
    frames: int
    old_clock: bool = False


@dataclass(frozen=True)
class Montage:
    """How the plan's frames became the video's.

    Args:
        hidden: plan frames without a scoreboard, ``(F,)`` bool.
        missing: plan frames that were not broadcast, ``(F,)`` bool.
        inserts: what comes before a plan frame.
        at: the video's frame for each plan frame, ``(F + 1,)``; a missing one has that of the next.
    """

    hidden: NDArray[np.bool_]
    missing: NDArray[np.bool_]
    inserts: dict[int, Insert]
    at: NDArray[np.int64]

    def stops(self, period: PeriodPlan) -> list[tuple[int, float]]:
        """``(video frame, clock_s)`` wherever the clock starts, stops or jumps, in order.

        Two entries with one frame and two clocks are a cut: what lies between was not broadcast.
        """
        frames = np.array([frame for frame, _ in period.stops], float)
        clocks = np.array([clock for _, clock in period.stops], float)
        edges = np.flatnonzero(np.diff(self.missing.astype(np.int8))) + 1
        inside = [int(f) for f in edges if period.first < f < period.end]
        points = {f for f, _ in period.stops} | set(inside)
        points |= {f for f in self.inserts if period.first < f < period.end}
        rows: list[tuple[int, float]] = []
        for frame in sorted(points):
            gone = frame < len(self.missing) and self.missing[frame]
            if gone and frame not in inside:
                continue
            clock = float(np.interp(frame, frames, clocks))
            if frame in self.inserts and not gone:
                rows.append((int(self.at[frame]) - self.inserts[frame].frames, clock))
            rows.append((int(self.at[frame]), clock))
        return rows


def montage(laid: Plan, settings: RenderSettings, rng: np.random.Generator) -> Montage:
    """Choose where a broadcast's troubles fall: inserts in stops, the rest anywhere in a period."""
    fps = float(laid.fps)
    hidden, missing = np.zeros((2, laid.frames), bool)
    stops = [
        (period, a)
        for period in laid.periods
        for (a, clock), (b, after) in pairwise(period.stops)
        if clock == after
        and 0 < clock < period.length_s
        and b - _after_play(period, a) > 2 * _AFTER_WHISTLE_S * fps
    ]
    wanted = min(settings.replays + settings.adverts, len(stops))
    inserts: dict[int, Insert] = {}
    for number, index in enumerate(rng.permutation(len(stops))[:wanted]):
        frame = _after_play(*stops[index]) + round(_AFTER_WHISTLE_S * fps)
        if number < settings.replays:
            inserts[frame] = Insert(False, 2 * round(_REPLAY_S * fps), bool(number % 2))
        else:
            inserts[frame] = Insert(True, round(settings.trouble_s * fps))
    long = round(settings.trouble_s * fps)
    for mask, count in ((missing, settings.missing), (hidden, settings.hidden)):
        for _ in range(count):
            period = laid.periods[int(rng.integers(len(laid.periods)))]
            room = period.end - period.first - 2 * long
            if room <= 0:
                continue
            start = period.first + long // 2 + int(rng.integers(room))
            mask[start : start + long] = True
    inserts = {frame: what for frame, what in inserts.items() if not missing[frame]}
    added = np.zeros(laid.frames + 1, np.int64)
    for frame, insert in inserts.items():
        added[frame] = insert.frames
    kept = np.concatenate([[0], np.cumsum(~missing)])
    return Montage(hidden, missing, inserts, kept + np.cumsum(added))


def _after_play(period: PeriodPlan, stop: int) -> int:
    """The frame in which the play that stopped the clock has been seen to its end."""
    after = (moment for moment in period.moments if moment.frame >= stop)
    play = takewhile(lambda moment: moment.live or moment.kind == "foul", after)
    clock = min((c for frame, c in period.stops if frame == stop), default=0.0)
    return max([stop, *(moment.frame for moment in play if moment.clock_s == clock)])


def broadcast_frames(
    cut: Montage,
    bare: Iterable[Image],
    with_board: Callable[[Image, int], None],
    fps: float,
) -> Iterator[Image]:
    """Yield the video's pictures from the plan's, ``bare`` of a scoreboard; BGR ``(h, w, 3)`` uint8.

    Args:
        cut: the montage.
        bare: one picture a plan frame; may be overwritten by the next.
        with_board: draws the scoreboard of a plan frame into a picture.
        fps: frames a second.
    """
    keep = round(_REPLAY_S * fps)
    due = sorted(cut.inserts)
    past: deque[Image] = deque(maxlen=keep)
    old: deque[int] = deque(maxlen=keep)
    for frame, image in enumerate(bare):
        insert = cut.inserts.get(frame)
        if insert is not None:
            yield from _inserted(insert, image.shape, list(past), list(old), with_board)
            due.pop(0)
            past.clear()
            old.clear()
        if cut.missing[frame]:
            continue
        if due and due[0] - frame <= keep:
            past.append(image.copy())
            old.append(frame)
        if not cut.hidden[frame]:
            with_board(image, frame)
        yield image


def _inserted(
    insert: Insert,
    shape: tuple[int, ...],
    past: list[Image],
    old: list[int],
    with_board: Callable[[Image, int], None],
) -> Iterator[Image]:
    for number in range(insert.frames):
        if insert.advert or not past:
            yield _advert(shape, number)
            continue
        index = number * len(past) // insert.frames
        image = past[index].copy()
        if insert.old_clock:
            with_board(image, old[index])
        yield image


def _advert(shape: tuple[int, ...], number: int) -> Image:
    """A moving gradient with words and numbers that are no game clock."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    image = np.empty(shape, np.uint8)
    for channel, speed in enumerate((1, 2, 3)):
        image[..., channel] = (x // 3 + y // 2 * (channel + 1) + speed * number) % 200 + 30
    size = shape[0] / 400
    for text, row in (("ONLY 9:99 A MONTH", 150), ("OPEN 8:00 - 20:00", 250)):
        place = (round(150 * size), round(row * size))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_DUPLEX, 1.2 * size, (255, 255, 255), 2)
    return image
