"""A half court with shots on it, as SVG and with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from openbasket.scouting.known import Shot
from openbasket.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_shots", "shot_chart", "shown_at"]

#: Metres (FIBA, Official Basketball Rules 2024, article 2): the basket's centre is 1.575 from the end line.
_BASKET, _HALF_WIDTH, _HALF_LENGTH = 1.575, 7.5, 14.0
_ARC, _CORNER = 6.75, 6.6
_KEY_HALF_WIDTH, _KEY_LENGTH, _CIRCLE = 2.45, 5.8, 1.8
_NO_CHARGE, _BOARD, _RING = 1.25, 0.375, 0.225
#: Shown of the court, from the end line, metres; what lies beyond is named below.
_SHOWN = 10.5


def shown_at(shot: Shot) -> tuple[float, float]:
    """Where a shot stands on the chart, metres from the basket; beyond what is shown, at its edge."""
    return (
        min(max(shot.x_m, -_HALF_WIDTH), _HALF_WIDTH),
        min(max(shot.y_m, -_BASKET), _SHOWN - _BASKET),
    )


def draw_shots(axes: Axes, shots: Sequence[Shot], made: str, missed: str) -> None:
    """The same chart with matplotlib.

    Args:
        axes: to draw into.
        shots: as of :func:`shot_chart`.
        made: colour of the dots that went in.
        missed: colour of the crosses.
    """
    from matplotlib.patches import Arc, Circle, Rectangle

    top, bottom = -_BASKET, _SHOWN - _BASKET
    turn = math.sqrt(_ARC**2 - _CORNER**2)
    angle = math.degrees(math.asin(turn / _ARC))
    look: dict[str, Any] = {"color": "#556070", "linewidth": 0.8, "fill": False}
    edges = [-_HALF_WIDTH, -_HALF_WIDTH, _HALF_WIDTH, _HALF_WIDTH]
    axes.plot(edges, [bottom, top, top, bottom], color="#556070", linewidth=0.8)
    for side in (-_CORNER, _CORNER):
        axes.plot([side, side], [top, turn], color="#556070", linewidth=0.8)
    axes.plot([-0.9, 0.9], [-_BOARD, -_BOARD], color="#556070", linewidth=1)
    key = (-_KEY_HALF_WIDTH, top), 2 * _KEY_HALF_WIDTH, _KEY_LENGTH
    axes.add_patch(Rectangle(*key, **look))
    axes.add_patch(Circle((0, 0), _RING, **look))
    look |= {"fill": None}
    line = _KEY_LENGTH - _BASKET
    axes.add_patch(Arc((0, 0), 2 * _ARC, 2 * _ARC, theta1=angle, theta2=180 - angle, **look))
    axes.add_patch(Arc((0, line), 2 * _CIRCLE, 2 * _CIRCLE, theta1=0, theta2=180, **look))
    axes.add_patch(Arc((0, 0), 2 * _NO_CHARGE, 2 * _NO_CHARGE, theta1=0, theta2=180, **look))
    for went_in, marker, colour in ((False, "x", missed), (True, "o", made)):
        places = [shown_at(shot) for shot in shots if shot.made is went_in]
        if places:
            x, y = zip(*places, strict=True)
            axes.scatter(x, y, s=14, marker=marker, color=colour, zorder=3)
    axes.set_xlim(-_HALF_WIDTH - 0.1, _HALF_WIDTH + 0.1)
    axes.set_ylim(bottom, top - 0.1)
    axes.set_aspect("equal")
    axes.set_axis_off()


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
        x, y = shown_at(shot)
        if shot.made:
            parts.append(f'<circle class="in" cx="{x:.2f}" cy="{y:.2f}" r="0.17"/>')
        else:
            parts.append(
                f'<path class="out" d="M{x - 0.14:.2f} {y - 0.14:.2f}l.28 .28m0 -.28l-.28 .28"/>'
            )
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - numbers alone
