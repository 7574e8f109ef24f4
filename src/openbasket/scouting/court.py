"""A half court with shots on it, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from openbasket.scouting.known import Shot
from openbasket.wording import counted

__all__ = ["shot_chart"]

#: Metres (FIBA, Official Basketball Rules 2024, article 2): the basket's centre is 1.575 from the end line.
_BASKET, _HALF_WIDTH, _HALF_LENGTH = 1.575, 7.5, 14.0
_ARC, _CORNER = 6.75, 6.6
_KEY_HALF_WIDTH, _KEY_LENGTH, _CIRCLE = 2.45, 5.8, 1.8
_NO_CHARGE, _BOARD, _RING = 1.25, 0.375, 0.225
#: Shown of the court, from the end line, metres; what lies beyond is named below.
_SHOWN = 10.5


def shot_chart(shots: Sequence[Shot]) -> Markup:
    """Shots on a half court with FIBA's lines, the basket at the top: dots went in, crosses did not.

    Args:
        shots: places in metres from the basket; those from beyond the half that is shown stand at its edge.
    """
    top, bottom = -_BASKET, _SHOWN - _BASKET
    made = sum(shot.made for shot in shots)
    label = f"Shot chart: {made} of {counted(len(shots), 'shot')} went in"
    turn = math.sqrt(_ARC**2 - _CORNER**2)
    line = _KEY_LENGTH - _BASKET
    box = f"{-_HALF_WIDTH - 0.1} {top - 0.1} {2 * _HALF_WIDTH + 0.2} {_SHOWN + 0.2}"
    parts = [
        f'<svg class="court" viewBox="{box}" role="img" aria-label="{label}">',
        '<g class="lines">',
        f'<path d="M{-_HALF_WIDTH} {bottom}V{top}H{_HALF_WIDTH}V{bottom}"/>',
        f'<path d="M{-_CORNER} {top}V{turn:.3f}A{_ARC} {_ARC} 0 0 0 {_CORNER} {turn:.3f}V{top}"/>',
        f'<path d="M{-_KEY_HALF_WIDTH} {top}V{line}H{_KEY_HALF_WIDTH}V{top}"/>',
        f'<path d="M{-_CIRCLE} {line}A{_CIRCLE} {_CIRCLE} 0 0 0 {_CIRCLE} {line}"/>',
        f'<path d="M{-_NO_CHARGE} {-_BOARD}V0A{_NO_CHARGE} {_NO_CHARGE} 0 0 0 {_NO_CHARGE} 0V{-_BOARD}"/>',
        f'<path d="M-0.9 {-_BOARD}H0.9"/><circle r="{_RING}"/>',
        "</g>",
    ]
    for shot in sorted(shots, key=lambda shot: shot.made):
        x = min(max(shot.x_m, -_HALF_WIDTH), _HALF_WIDTH)
        y = min(max(shot.y_m, top), bottom)
        if shot.made:
            parts.append(f'<circle class="in" cx="{x:.2f}" cy="{y:.2f}" r="0.17"/>')
        else:
            parts.append(
                f'<path class="out" d="M{x - 0.14:.2f} {y - 0.14:.2f}l.28 .28m0 -.28l-.28 .28"/>'
            )
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - numbers alone
