"""Texts in pictures, and what of them is a game clock or a period.

RapidOCR on onnxruntime; its models come inside the package, nothing is fetched at run time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from openbasket.errors import DependencyError

__all__ = ["Box", "Reading", "Text", "clock_readings", "period_reading", "read_text", "read_texts"]

#: Left, top, right, bottom; pixels, half-open.
Box = tuple[int, int, int, int]

#: Narrower than RapidOCR's 320: a clock needs no more, and it costs a third.
_LINE_WIDTH = 96
#: Pictures whose shorter side is smaller are enlarged to this before texts are sought.
_DETECT_SIDE = 736
_MIN_SCORE = 0.5
#: No period is longer (halves of college basketball).
_LONGEST_S = 1200
_ALIKE = str.maketrans("OoQDIl|SZB;", "0000111528:")
_MINUTES = re.compile(r"(?<![\d:.])(\d{1,2})[:.] ?(\d{2})(?![\d:.])")
_TENTHS = re.compile(r"(?<![\d:.])(\d{1,2})\.(\d)(?![\d:.])")
_ORDINAL = re.compile(r"^([1-9])(ST|ND|RD|TH|[º°ªO'])?(?:\s?(?:QTR|QUARTER|HALF|PER|PERIOD)\.?)?$")
_LETTER = re.compile(r"^(?:Q|P|H|QTR|PER|PERIOD|HALF)[ .]?([1-9])$")
_OVERTIME = re.compile(r"^(?:(?:OT|[O0]T|ET)[ .]?([1-9])?|([1-9])[ .]?(?:OT|[O0]T))$")


@dataclass(frozen=True, slots=True)
class Text:
    """A text that was found in a picture."""

    box: Box
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text may say about the game clock: it shows ``clock_s`` while the clock is at it or up to
    ``tick_s`` above.
    """

    clock_s: float
    tick_s: float


@cache
def _engine() -> Any:
    """The one OCR engine of this process, on one thread."""
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise DependencyError(
            f"reading scoreboards needs rapidocr and onnxruntime ({error}). "
            "Install them: pip install 'openbasket[sync]'"
        ) from None
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Det.limit_type": "min",
            "Det.limit_side_len": _DETECT_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Rec.rec_img_shape": [3, 48, _LINE_WIDTH],
        }
    )


def read_texts(picture: np.ndarray) -> list[Text]:
    """Find and read every text of a picture, RGB ``(height, width, 3)`` uint8.

    Raises:
        DependencyError: rapidocr or onnxruntime is not installed.
    """
    found = _engine()(np.ascontiguousarray(picture[..., ::-1]), use_det=True, use_rec=True)
    if found.boxes is None or found.txts is None:
        return []
    texts = []
    for corners, text in zip(found.boxes, found.txts, strict=True):
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        box = (int(left), int(top), int(right), int(bottom))
        texts.append(Text(box, str(text).strip()))
    return texts


def read_text(crop: np.ndarray) -> str:
    """Read the one line of text in a crop, RGB ``(height, width, 3)`` uint8; empty where unsure.

    Raises:
        DependencyError: rapidocr or onnxruntime is not installed.
    """
    line = np.ascontiguousarray(crop[..., ::-1])
    found = _engine()(line, use_det=False, use_rec=True)
    if not found.txts or found.scores[0] < _MIN_SCORE:
        return ""
    return str(found.txts[0]).strip()


def clock_readings(text: str, *, sure: bool = False) -> list[Reading]:
    """Every game clock that a text may show; none for scores, shot clocks and words.

    Args:
        text: as read.
        sure: the text stands where the clock is, so that what a lost colon, point or leading 1 leaves, or
            an added 1 makes (``948``, ``483``, ``8.3``, ``18.3``), counts, too, in each possible sense.

    Example:
        >>> [r.clock_s for r in clock_readings("9:48")], clock_readings("21-19")
        ([588.0], [])
        >>> [r.clock_s for r in clock_readings("425", sure=True)]
        [265.0, 42.5]
    """
    plain = text.translate(_ALIKE)
    found: list[Reading] = []
    for minutes, seconds in _MINUTES.findall(plain):
        if int(seconds) < 60 and int(minutes) * 60 + int(seconds) <= _LONGEST_S:
            found.append(Reading(int(minutes) * 60.0 + int(seconds), 1.0))
    for seconds, tenths in _TENTHS.findall(plain):
        if int(seconds) < 60 and sure:
            shown = int(seconds) + int(tenths) / 10
            found.append(Reading(shown, 0.1))
            if len(seconds) == 1:  # the lamps of a leading 1 are thin, and easily lost
                found.append(Reading(10 + shown, 0.1))
            elif seconds[0] == "1":  # and what stands beside the clock may end in one
                found.append(Reading(shown - 10, 0.1))
    if found or not sure:
        return found
    digits = re.sub(r"[\s.:]", "", plain)
    if not digits.isdigit():
        return []
    if len(digits) in (3, 4) and int(digits[-2:]) < 60 and int(digits[:-2]) <= 20:
        found.append(Reading(int(digits[:-2]) * 60.0 + int(digits[-2:]), 1.0))
    if len(digits) == 3 and int(digits[:2]) < 60:
        found.append(Reading(int(digits) / 10, 0.1))
    return found


def period_reading(text: str, periods: int, *, plain: bool = False) -> int | None:
    """The period that a text names: ``Q3``, ``3RD``, ``3º``, ``P3``, ``OT``; None for anything else.

    Args:
        text: as read.
        periods: of regulation; overtime counts on from there.
        plain: a mere digit counts, too.

    Example:
        >>> period_reading("3RD", 4), period_reading("OT2", 4), period_reading("21", 4)
        (3, 6, None)
    """
    upper = text.upper().strip(" .:|-")
    if over := _OVERTIME.match(upper):
        return periods + int(over[1] or over[2] or 1)
    upper = upper.replace("I", "1") if len(upper) <= 3 else upper
    if letter := _LETTER.match(upper):
        return int(letter[1])
    if (ordinal := _ORDINAL.match(upper)) and (plain or ordinal[2]):
        return int(ordinal[1])
    return None
