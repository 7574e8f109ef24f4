"""Scoreboards of other broadcasters: graphics in several styles, and a board on the wall.

Each style differs in what a reader of scoreboards must cope with: where it is, whether the period
stands before or after the clock and how it is written, tenths, light on dark or dark on light, a
transparent ground, a shot clock beside it, the time of day elsewhere in the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["STYLES", "BoardStyle", "Facts", "draw_board"]

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]  # blue, green, red

BoardStyle = Literal["corner", "strip", "glass", "stack", "bar", "wall"]
#: ``corner`` is drawn by :mod:`openbasket.simulation.graphics`.
STYLES: tuple[BoardStyle, ...] = get_args(BoardStyle)

_SHOT_CLOCK_S, _POSSESSION_S = 24.0, 19.0
_WHITE, _BLACK = (250, 250, 250), (24, 22, 20)
_ORDINALS = {1: "1ST", 2: "2ND", 3: "3RD", 4: "4TH"}
#: Lit segments of a digit: top, upper left, upper right, middle, lower left, lower right, bottom.
_SEGMENTS = {
    "0": "1110111", "1": "0010010", "2": "1011101", "3": "1011011", "4": "0111010",
    "5": "1101011", "6": "1101111", "7": "1010010", "8": "1111111", "9": "1111011",
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What a scoreboard shows.

    Args:
        codes: of home and away.
        score: of home and away.
        period: 1, 2, ...
        periods: of regulation.
        clock_s: seconds left.
        length_s: of the period.
        day_s: seconds since the broadcast began, for the time of day.
    """

    codes: tuple[str, str]
    score: tuple[int, int]
    period: int
    periods: int
    clock_s: float
    length_s: float
    day_s: float = 0.0

    @property
    def shot_clock(self) -> str:
        """An invented shot clock: whole seconds."""
        left = _SHOT_CLOCK_S - (self.length_s - self.clock_s) % _POSSESSION_S
        return str(int(min(left, self.clock_s)))

    @property
    def overtime(self) -> int:
        """0 in regulation, then 1, 2, ..."""
        return max(self.period - self.periods, 0)

    def clock(self, tenths: bool) -> str:
        """``m:ss``; in the last minute ``ss.t`` or ``0:ss``."""
        if self.clock_s < 60 and tenths:
            return f"{int(self.clock_s * 10 + 1e-6) // 10}.{int(self.clock_s * 10 + 1e-6) % 10}"
        seconds = int(self.clock_s + 1e-6)
        return f"{seconds // 60}:{seconds % 60:02d}"


def draw_board(image: Image, style: BoardStyle, facts: Facts) -> None:
    """Draw a scoreboard into a picture, BGR ``(height, width, 3)``, at the size that suits its height.

    Raises nothing; ``corner`` is not drawn here.
    """
    scale = image.shape[0] / 400
    draw = _DRAWINGS[style]
    draw(image, facts, scale)


@lru_cache(maxsize=4096)
def _ink(text: str, height: int, font: int, weight: int) -> NDArray[np.float32]:
    """Coverage 0..1 of a text, cropped to its ink, ``(height, w, 1)``."""
    (w, h), base = cv2.getTextSize(text, font, 3.0, weight)
    canvas = np.zeros((h + base + 40, w + 40), np.uint8)
    cv2.putText(canvas, text, (20, h + 20), font, 3.0, 255, weight, cv2.LINE_AA)
    rows, columns = np.flatnonzero(canvas.any(1)), np.flatnonzero(canvas.any(0))
    ink = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    wide = max(1, round(ink.shape[1] * height / ink.shape[0]))
    small = cv2.resize(ink, (wide, height), interpolation=cv2.INTER_AREA)
    return (small[..., None] / 255).astype(np.float32)


def _write(
    image: Image,
    text: str,
    at: tuple[float, float],
    height: float,
    colour: Colour,
    font: int = cv2.FONT_HERSHEY_DUPLEX,
    weight: int = 7,
) -> None:
    """Write a text centred at ``(x, y)``; what leaves the picture is cut off."""
    ink = _ink(text, max(round(height), 4), font, weight)
    left, top = round(at[0] - ink.shape[1] / 2), round(at[1] - ink.shape[0] / 2)
    part = image[max(top, 0) : top + ink.shape[0], max(left, 0) : left + ink.shape[1]]
    ink = ink[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]]
    part[:] = (part * (1 - ink) + np.array(colour, np.float32) * ink).astype(np.uint8)


def _panel(
    image: Image, box: tuple[float, float, float, float], colour: Colour, opacity: float = 1.0
) -> None:
    x0, y0, x1, y1 = (round(v) for v in box)
    part = image[y0:y1, x0:x1]
    part[:] = (part * (1 - opacity) + np.array(colour, np.float32) * opacity).astype(np.uint8)


def _strip(image: Image, facts: Facts, s: float) -> None:
    """Bottom, centred, dark on light; ``1ST`` before the clock, no tenths, shot clock, score ``21:19``."""
    middle, y = image.shape[1] / 2, 376 * s
    _panel(image, (middle - 170 * s, y - 13 * s, middle + 170 * s, y + 13 * s), (232, 230, 226))
    _panel(image, (middle + 128 * s, y - 13 * s, middle + 170 * s, y + 13 * s), (60, 60, 190))
    _write(image, facts.codes[0], (middle - 140 * s, y), 11 * s, _BLACK)
    _write(image, f"{facts.score[0]}:{facts.score[1]}", (middle - 82 * s, y), 13 * s, _BLACK)
    _write(image, facts.codes[1], (middle - 24 * s, y), 11 * s, _BLACK)
    period = f"OT{facts.overtime}" if facts.overtime else _ORDINALS[facts.period]
    _write(image, period, (middle + 36 * s, y), 11 * s, (110, 60, 20))
    _write(image, facts.clock(False), (middle + 90 * s, y), 13 * s, _BLACK)
    _write(image, facts.shot_clock, (middle + 149 * s, y), 13 * s, _WHITE)


def _glass(image: Image, facts: Facts, s: float) -> None:
    """Top left, light on a transparent ground; clock, then ``P1``, tenths; the time of day top right."""
    y, font = 26 * s, cv2.FONT_HERSHEY_SIMPLEX
    _panel(image, (20 * s, y - 13 * s, 330 * s, y + 13 * s), (40, 26, 10), 0.62)
    text = f"{facts.codes[0]} {facts.score[0]}-{facts.score[1]} {facts.codes[1]}"
    _write(image, text, (115 * s, y), 12 * s, _WHITE, font, 9)
    _write(image, facts.clock(True), (240 * s, y), 15 * s, _WHITE, font, 9)
    period = f"OT{facts.overtime}" if facts.overtime else f"P{facts.period}"
    _write(image, period, (300 * s, y), 13 * s, (120, 230, 255), font, 9)
    minutes = 19 * 60 + 4 + int(facts.day_s // 60)
    day = f"{minutes // 60 % 24}:{minutes % 60:02d}"
    _write(image, day, (image.shape[1] - 50 * s, y), 13 * s, _WHITE, font, 9)


def _stack(image: Image, facts: Facts, s: float) -> None:
    """Top right, three rows, light; ``Q1`` before the clock, tenths, the shot clock at its right."""
    left, top = image.shape[1] - 150 * s, 16 * s
    for row in (0, 1):
        y = top + (11 + 22 * row) * s
        _panel(image, (left, y - 11 * s, left + 130 * s, y + 10 * s), (90 + 90 * row, 60, 40))
        _write(image, facts.codes[row], (left + 36 * s, y), 12 * s, _WHITE)
        _write(image, str(facts.score[row]), (left + 104 * s, y), 13 * s, _WHITE)
    y = top + 57 * s
    _panel(image, (left, y - 12 * s, left + 130 * s, y + 12 * s), (245, 245, 245))
    font = cv2.FONT_HERSHEY_COMPLEX
    period = f"OT{facts.overtime}" if facts.overtime else f"Q{facts.period}"
    _write(image, period, (left + 18 * s, y), 12 * s, _BLACK, font)
    _write(image, facts.clock(True), (left + 63 * s, y), 14 * s, _BLACK, font)
    _write(image, facts.shot_clock, (left + 112 * s, y), 14 * s, (30, 30, 200), font)


def _bar(image: Image, facts: Facts, s: float) -> None:
    """Bottom left, light on dark; ``1`` and a raised ring after the clock, no tenths."""
    y, font = 378 * s, cv2.FONT_HERSHEY_TRIPLEX | cv2.FONT_ITALIC
    _panel(image, (16 * s, y - 14 * s, 300 * s, y + 14 * s), (92, 34, 18))
    for side, x in ((0, 40), (1, 126)):
        _write(image, facts.codes[side], (x * s, y), 11 * s, _WHITE, font)
        _write(image, str(facts.score[side]), ((x + 43) * s, y), 13 * s, (130, 240, 255), font)
    _write(image, facts.clock(False), (220 * s, y), 15 * s, _WHITE, font)
    if facts.overtime:
        _write(image, f"OT{facts.overtime}", (275 * s, y), 12 * s, _WHITE, font)
        return
    _write(image, str(facts.period), (270 * s, y), 13 * s, _WHITE, font)
    ring = (round(279 * s), round(y - 4.5 * s))
    cv2.circle(image, ring, max(round(2 * s), 2), _WHITE, max(round(s), 1), cv2.LINE_AA)


def _wall(image: Image, facts: Facts, s: float) -> None:
    """A board of lamps on the wall: clock above, the period under its label between the scores."""
    x, y = image.shape[1] - 90 * s, 46 * s
    _panel(image, (x - 66 * s, y - 34 * s, x + 66 * s, y + 34 * s), (40, 36, 150))
    amber = (70, 215, 255)
    _panel(image, (x - 40 * s, y - 30 * s, x + 40 * s, y - 2 * s), _BLACK)
    _lamps(image, facts.clock(True), (x, y - 16 * s), 20 * s, amber)
    for text, dx in (("HOME", -48), ("PERIOD", 0), ("GUEST", 48)):
        _write(image, text, (x + dx * s, y + 6 * s), 6 * s, _WHITE, weight=9)
    for text, dx in (
        (str(facts.score[0]), -46),
        (str(facts.period), 0),
        (str(facts.score[1]), 46),
    ):
        _panel(image, (x + (dx - 17) * s, y + 12 * s, x + (dx + 17) * s, y + 32 * s), _BLACK)
        _lamps(image, text, (x + dx * s, y + 22 * s), 15 * s, amber)


def _lamps(image: Image, text: str, at: tuple[float, float], height: float, colour: Colour) -> None:
    """Seven-segment digits, centred at ``(x, y)``."""
    wide, gap, thick = height * 0.52, height * 0.2, max(height * 0.13, 1.0)
    widths = [wide if c.isdigit() else thick * 2 for c in text]
    x = at[0] - (sum(widths) + gap * (len(text) - 1)) / 2
    top, middle, bottom = at[1] - height / 2, at[1], at[1] + height / 2

    def line(a: tuple[float, float], b: tuple[float, float]) -> None:
        points = [(round(p[0] * 16), round(p[1] * 16)) for p in (a, b)]
        cv2.line(image, points[0], points[1], colour, max(round(thick), 1), cv2.LINE_AA, 4)

    for character, width in zip(text, widths, strict=True):
        right, c = x + width, thick * 0.35
        ends = (
            ((x, top), (right, top)),
            ((x, top + c), (x, middle - c)),
            ((right, top + c), (right, middle - c)),
            ((x, middle), (right, middle)),
            ((x, middle + c), (x, bottom - c)),
            ((right, middle + c), (right, bottom - c)),
            ((x, bottom), (right, bottom)),
        )
        for lit, (a, b) in zip(_SEGMENTS.get(character, ""), ends, strict=False):
            if lit == "1":
                line(a, b)
        centre = x + width / 2
        dots = {":": (middle - height / 4, middle + height / 4), ".": (bottom,)}
        for y in dots.get(character, ()):
            at_16 = (round(centre * 16), round(y * 16))
            cv2.circle(image, at_16, round(thick * 10), colour, -1, cv2.LINE_AA, 4)
        x = right + gap


_DRAWINGS: dict[BoardStyle, Callable[[Image, Facts, float], None]] = {
    "strip": _strip,
    "glass": _glass,
    "stack": _stack,
    "bar": _bar,
    "wall": _wall,
}
