"""Text, and the scoreboard in the corner."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from openbasket.simulation.looks import AA, Colour, Image

__all__ = ["blend", "clock_text", "draw_corner", "period_text", "scoreboard", "text_mask"]


@lru_cache(maxsize=4096)
def text_mask(
    text: str, height: int, width: int | None = None, weight: int = 11
) -> NDArray[np.uint16]:
    """Coverage 0..256 of a text, cropped to its ink, ``(height, w)``."""
    ink = _ink(text, weight)
    if not ink.size:
        return np.zeros((height, 1), np.uint16)
    wide = width or max(1, round(ink.shape[1] * height / ink.shape[0]))
    small = cv2.resize(ink, (wide, height), interpolation=cv2.INTER_AREA)
    return np.minimum(small.astype(np.uint16) * 257 // 255, 256).astype(np.uint16)


@lru_cache(maxsize=512)
def _ink(text: str, weight: int) -> NDArray[np.uint8]:
    """A text in large letters, cropped; nothing of one that leaves no ink."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 4.0
    (w, h), base = cv2.getTextSize(text, font, scale, weight)
    canvas = np.zeros((h + base + 4 * weight, w + 4 * weight), np.uint8)
    cv2.putText(canvas, text, (2 * weight, h + 2 * weight), font, scale, 255, weight, AA)
    rows, columns = np.flatnonzero(canvas.any(1)), np.flatnonzero(canvas.any(0))
    if not len(rows):
        return canvas[:0]
    return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()


def blend(image: Image, mask: NDArray[np.uint16], left: int, top: int, colour: Colour) -> None:
    """Paint a colour through a mask; whatever leaves the picture is cut off."""
    h, w = mask.shape
    y0, y1 = max(top, 0), min(top + h, image.shape[0])
    x0, x1 = max(left, 0), min(left + w, image.shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    part = image[y0:y1, x0:x1]
    alpha = mask[y0 - top : y1 - top, x0 - left : x1 - left, None]
    mixed = part * (256 - alpha) + np.array(colour, np.uint16) * alpha
    part[:] = (mixed >> 8).astype(np.uint8)


def clock_text(clock_s: float) -> str:
    """The game clock as a scoreboard shows it: ``m:ss``, tenths in the last minute."""
    if clock_s < 60:
        tenths = int(clock_s * 10 + 1e-6)
        return f"{tenths // 10}.{tenths % 10}"
    seconds = int(clock_s + 1e-6)
    return f"{seconds // 60}:{seconds % 60:02d}"


def period_text(period: int, periods: int) -> str:
    """``Q1`` to ``Q4``, ``H1`` and ``H2`` for halves, ``OT1`` and on."""
    if period > periods:
        return f"OT{period - periods}"
    return f"{'H' if periods == 2 else 'Q'}{period}"


@lru_cache(maxsize=512)
def _board(
    codes: tuple[str, str], colours: tuple[Colour, Colour], score: tuple[int, int], period: str
) -> Image:
    board = np.empty((40, 236, 3), np.uint8)
    board[:] = (48, 30, 22)
    for row in (0, 1):
        top = 20 * row
        cv2.rectangle(board, (0, top), (5, top + 19), colours[row], -1)
        _centre(board, codes[row], 38, top + 10, 12, (255, 255, 255))
        board[top + 1 : top + 19, 72:114] = (78, 52, 40)
        _centre(board, str(score[row]), 93, top + 10, 13, (255, 255, 255))
    board[20:21, 6:114] = (96, 70, 56)
    board[:, 116:118] = (20, 12, 8)
    _centre(board, period, 142, 20, 14, (120, 215, 255))
    return board


def _centre(image: Image, text: str, x: int, y: int, height: int, colour: Colour) -> None:
    mask = text_mask(text, height, None, 13)
    blend(image, mask, x - mask.shape[1] // 2, y - height // 2, colour)


@lru_cache(maxsize=2048)
def scoreboard(
    codes: tuple[str, str],
    colours: tuple[Colour, Colour],
    score: tuple[int, int],
    period: str,
    clock: str,
) -> Image:
    """The graphic in the corner: codes, score, period, game clock. ``(40, 236, 3)``."""
    board = _board(codes, colours, score, period).copy()
    _centre(board, clock, 198, 20, 18, (255, 255, 255))
    return board


def draw_corner(image: Image, graphic: Image) -> None:
    """Put the graphic into its corner of a picture, BGR ``(height, width, 3)``, at the size that suits it."""
    scale = image.shape[0] / 400
    if scale != 1:
        graphic = np.asarray(
            cv2.resize(graphic, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    left, top = round(18 * scale), round(346 * scale)
    image[top : top + graphic.shape[0], left : left + graphic.shape[1]] = graphic
