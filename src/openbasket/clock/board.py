"""Where in the picture the game clock and the period stand, and what they show.

Every text of some pictures is read. What looks like ``m:ss`` in one place in several of them may be
the clock; so may the time of day or a score like 21:19. Pairs of pictures some seconds apart tell:
only a game clock goes down, and never by more than the seconds that passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from statistics import median

import numpy as np

from openbasket.clock.ocr import (
    Box,
    Reading,
    Text,
    clock_readings,
    period_reading,
    read_text,
    read_texts,
)
from openbasket.video.glances import Glances

__all__ = ["Board", "Seen", "find_board", "look_everywhere"]

#: Pictures in which every text is read, and how many of them must show a clock in one place.
_LOOKS, _MIN_LOOKS = 8, 3
#: Seconds between the two pictures of a pair, and how many pairs there are.
_PAIR_S, _PAIRS = 10.0, 16


@dataclass(frozen=True, slots=True)
class Seen:
    """What a scoreboard shows in one picture: possible clock readings, and the period if it is known."""

    media_s: float
    clocks: tuple[Reading, ...]
    period: int | None


@dataclass
class Board:
    """A place in the picture.

    Args:
        clock: where the game clock stands.
        period: where the period stands; None where no period was found.
        plain: the period is a mere digit (under its label).
        periods: of regulation.
        moves: the place changes from picture to picture (a board on the wall, a moving camera).
    """

    clock: Box
    period: Box | None
    plain: bool
    periods: int
    moves: bool = False
    _period_crop: np.ndarray | None = field(default=None, repr=False)
    _period_read: int | None = field(default=None, repr=False)

    def read(self, media_s: float, picture: np.ndarray) -> Seen:
        """Read the clock and the period in a picture, RGB ``(height, width, 3)`` uint8."""
        if self.moves:
            return look_everywhere(media_s, picture, self.periods)
        clocks = clock_readings(read_text(_crop(picture, self.clock)), sure=True)
        period = self._read_period(picture) if clocks and self.period else None
        return Seen(media_s, tuple(clocks), period)

    def _read_period(self, picture: np.ndarray) -> int | None:
        assert self.period is not None
        crop = _crop(picture, self.period)
        last = self._period_crop
        same = last is not None and np.abs(crop.astype(np.int16) - last).mean() < 2.0
        if not same:
            self._period_read = _period_of(read_text(crop), self.periods, self.plain)
            self._period_crop = crop.astype(np.int16)
        return self._period_read


def _period_of(text: str, periods: int, plain: bool) -> int | None:
    found = period_reading(text, periods, plain=plain)
    for word in text.split() if found is None else ():
        found = found or period_reading(word, periods, plain=plain)
    return found


def look_everywhere(media_s: float, picture: np.ndarray, periods: int) -> Seen:
    """Find and read a scoreboard in one picture, wherever it is."""
    texts = read_texts(picture)
    words = [word for text in texts for word in _words(text)]
    clocks = [(w, r) for w in words for r in clock_readings(w.text)]
    if not clocks:
        return Seen(media_s, (), None)
    largest = max(clocks, key=lambda c: c[0].box[3] - c[0].box[1])[0]
    readings = tuple(r for w, r in clocks if w is largest)
    period, plain = _period_box(largest.box, words, periods)
    read = None
    if period is not None:
        read = _period_of(read_text(_crop(picture, period)), periods, plain)
    return Seen(media_s, readings, read)


def find_board(
    video: Glances,
    periods: int,
    longest_s: float,
    spread: Callable[[int], Sequence[float]] | None = None,
) -> Board | None:
    """Find the game clock in a video; None where there is none.

    Args:
        video: an open video.
        periods: of regulation.
        longest_s: of a period; a clock never shows more.
        spread: media times at which to look, given how many; even ones by default.
    """
    spread = spread or (lambda count: _even(video.duration_s, count))
    looks: list[list[Text]] = []
    spots: list[list[Text]] = []
    for count in (_LOOKS, 2 * _LOOKS + 1):
        for media_s in spread(count):
            glance = video.key(media_s)
            if glance is not None:
                looks.append([w for t in read_texts(glance[1]) for w in _words(t)])
        spots = _spots(looks, longest_s)
        if spots and len(spots[0]) >= _MIN_LOOKS:
            break
    if not spots:
        return None
    boards = [_board(spot, looks, periods) for spot in spots[:4] if len(spot) >= 2]
    best, most = None, 0
    for board in boards:
        ran = _runs(video, board, spread(_PAIRS))
        if ran > most:
            best, most = board, ran
    if best is not None:
        return best
    share = sum(1 for words in looks if any(_is_clock(w, longest_s) for w in words)) / len(looks)
    moving = Board(spots[0][0].box, None, False, periods, moves=True)
    return moving if share >= 0.4 else None


def _even(duration_s: float, count: int) -> list[float]:
    return [duration_s * (i + 0.5) / count for i in range(count)]


def _is_clock(word: Text, longest_s: float) -> bool:
    return any(r.clock_s <= longest_s for r in clock_readings(word.text))


def _words(text: Text) -> list[Text]:
    """A text's words, each in its share of the box."""
    words, at = [], 0
    left, top, right, bottom = text.box
    each = (right - left) / max(len(text.text), 1)
    for word in text.text.split(" "):
        if word:
            box = (round(left + at * each), top, round(left + (at + len(word)) * each), bottom)
            words.append(Text(box, word))
        at += len(word) + 1
    return words


def _spots(looks: list[list[Text]], longest_s: float) -> list[list[Text]]:
    """Words that may be clocks, by place; the place with most of them first."""
    spots: list[list[Text]] = []
    for words in looks:
        for word in words:
            if not _is_clock(word, longest_s):
                continue
            for spot in spots:
                if _near(spot[0].box, word.box):
                    spot.append(word)
                    break
            else:
                spots.append([word])
    return sorted(spots, key=len, reverse=True)


def _near(a: Box, b: Box) -> bool:
    height = max(a[3] - a[1], 1)
    dx, dy = (a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2
    return abs(dx) < 1.2 * height and abs(dy) < 0.6 * height


def _board(spot: list[Text], looks: list[list[Text]], periods: int) -> Board:
    left = min(w.box[0] for w in spot)
    right = max(w.box[2] for w in spot)
    top, bottom = (round(median(w.box[i] for w in spot)) for i in (1, 3))
    height = bottom - top
    box = (left, top, right, bottom)
    # Room for one more digit (10:00 beside 9:59), as far as the neighbours leave it.
    pad, middle = 0.6 * height, (left + right) / 2
    before, after = [], []
    for words in looks:
        line = [w.box for w in words if w not in spot and _beside(box, w.box)]
        if any(w in spot for w in words):
            before.append(max((b[2] for b in line if b[2] < middle), default=0))
            after.append(min((b[0] for b in line if b[0] > middle), default=right + height))
    left = max(round(left - pad), min(round(median(before)), left))
    right = min(round(right + pad), max(round(median(after)), right))
    rise = max(round(0.08 * height), 1)
    clock = (left, max(top - rise, 0), right, bottom + rise)
    periods_seen = [_period_box(box, words, periods) for words in looks]
    found = [p for p in periods_seen if p[0] is not None]
    if 2 * len(found) < len(spot):
        return Board(clock, None, False, periods)
    plain = sum(p[1] for p in found) * 2 > len(found)
    boxes = [p[0] for p in found if p[0] is not None and p[1] == plain]
    a, b, c, d = (round(median(v[i] for v in boxes)) for i in range(4))
    wide = round(0.35 * (d - b))
    if a >= clock[2] - 2:
        period = (max(a - wide, clock[2]), b, c + wide, d)
    elif c <= clock[0] + 2:
        period = (max(a - wide, 0), b, min(c + wide, clock[0]), d)
    else:
        period = (a, b, c, d)
    return Board(clock, period, plain, periods)


def _beside(box: Box, other: Box) -> bool:
    """Whether another box is on the same line."""
    middle = (other[1] + other[3]) / 2
    return box[1] < middle < box[3]


def _period_box(clock: Box, words: list[Text], periods: int) -> tuple[Box | None, bool]:
    """Where the period stands near a clock, and whether it is a mere digit under a label."""
    height = clock[3] - clock[1]
    near = [
        w
        for w in words
        if abs((w.box[1] + w.box[3] - clock[1] - clock[3]) / 2) < 2.5 * height
        and w.box[0] < clock[2] + 4 * height
        and w.box[2] > clock[0] - 4 * height
    ]
    named = [w for w in near if period_reading(w.text, periods) is not None]
    if named:
        best = min(named, key=lambda w: _apart(clock, w.box))
        return best.box, False
    beside = [w for w in near if _beside(clock, w.box) and not clock_readings(w.text)]
    next_to = min(beside, key=lambda w: _apart(clock, w.box), default=None)
    close = next_to is not None and _apart(clock, next_to.box) < 1.5 * height
    if next_to and close and period_reading(next_to.text, periods, plain=True) is not None:
        return next_to.box, True
    for word in near:
        letters = "".join(c for c in word.text.upper() if c.isalpha())
        if len(letters) >= 4 and SequenceMatcher(None, letters, "PERIOD").ratio() > 0.6:
            left, top, right, bottom = word.box
            tall, middle = bottom - top, (left + right) / 2
            half = max(0.4 * (right - left), tall)
            digit = (middle - half, bottom - 0.2 * tall, middle + half, bottom + 2.1 * tall)
            return (round(digit[0]), round(digit[1]), round(digit[2]), round(digit[3])), True
    for word in near:  # a line of score, period, score, read as one
        left, top, right, bottom = word.box
        middle, tall = (left + right) / 2, bottom - top
        off = abs(middle - (clock[0] + clock[2]) / 2)
        digits = sum(c.isdigit() for c in word.text)
        if digits >= 4 and top > clock[1] + 0.5 * height and off < 0.12 * (right - left):
            box = (round(middle - 0.42 * tall), top, round(middle + 0.42 * tall), bottom)
            return box, True
    return None, False


def _apart(a: Box, b: Box) -> float:
    dx = max(a[0] - b[2], b[0] - a[2], 0)
    dy = abs((a[1] + a[3]) - (b[1] + b[3])) / 2
    return dx + 2 * dy


def _crop(picture: np.ndarray, box: Box) -> np.ndarray:
    left, top, right, bottom = box
    crop = picture[max(top, 0) : max(bottom, top + 2), max(left, 0) : max(right, left + 2)]
    return crop if crop.size else picture[:2, :2]


def _runs(video: Glances, board: Board, times: Sequence[float]) -> int:
    """How many pairs of pictures show a clock that ran, less twice those that show none."""
    score = 0
    for media_s in times:
        pair = []
        for at in (media_s, media_s + _PAIR_S):
            glance = video.key(at)
            seen = board.read(*glance) if glance else None
            pair.append(seen if seen and seen.clocks else None)
        first, second = pair
        if first is None or second is None or second.media_s - first.media_s < 1.5:
            continue
        passed = second.media_s - first.media_s
        gone = [
            a.clock_s - b.clock_s
            for a in first.clocks
            for b in second.clocks
            if a.tick_s == b.tick_s
        ]
        if any(1.0 < g < passed + 1.5 for g in gone):
            score += 1
        elif gone and not any(-0.5 < g <= 1.0 for g in gone):
            score -= 1
    return score
