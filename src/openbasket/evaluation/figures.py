"""Figures as SVG, drawn here: nothing to load, sharp at every size, colours from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

__all__ = ["confusion_map", "interval_bar", "interval_plot", "level_bars", "radar", "standalone"]


def radar(
    axes: Sequence[str],
    series: Sequence[tuple[str, Sequence[float | None]]],
    top: float,
    label: str = "Radar",
) -> Markup:
    """A radar of values from 0 to ``top``, as in the paper's Figure 4.

    Args:
        axes: names around the circle.
        series: (CSS class, values) of each outline; one with a missing value has dots, and no line to it.
        top: value of the outer ring.
        label: what it shows, for those who do not see it.
    """
    radius = 120.0
    # Many names stand close together; they are set smaller, and long ones need room at the sides.
    many = len(axes) > 8
    letter = 6.2 if many else 7.2
    width = max(440, round(2 * (1.18 * radius + letter * max(map(len, axes))) + 8))
    height = 330
    centre = width / 2
    middle = height / 2 + 8

    def place(index: int, share: float) -> tuple[float, float]:
        angle = 2 * math.pi * index / len(axes) - math.pi / 2
        return centre + radius * share * math.cos(angle), middle + radius * share * math.sin(angle)

    def outline(shares: Sequence[float]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(i, s) for i, s in enumerate(shares)))

    css_class = "radar many" if many else "radar"
    parts = [
        f'<svg class="{css_class}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">'
    ]
    for ring in range(1, round(top) + 1):
        parts.append(f'<polygon class="ring" points="{outline([ring / top] * len(axes))}"/>')
    for index, name in enumerate(axes):
        x, y = place(index, 1.0)
        parts.append(f'<line class="spoke" x1="{centre}" y1="{middle}" x2="{x:.1f}" y2="{y:.1f}"/>')
        lx, ly = place(index, 1.18)
        anchor = (
            "middle"
            if abs(lx - centre) < (3 if many else 12)
            else ("start" if lx > centre else "end")
        )
        # Next to the poles neighbours would stand on one another.
        if many and abs(lx - centre) < 3:
            ly += math.copysign(9, ly - middle)
        parts.append(
            f'<text x="{lx:.1f}" y="{ly + 4:.1f}" text-anchor="{anchor}">{escape(name)}</text>'
        )
    for css, values in series:
        known = [v / top for v in values if v is not None]
        if len(known) == len(values):
            parts.append(f'<polygon class="{escape(css)}" points="{outline(known)}"/>')
            continue
        shares = [None if v is None else v / top for v in values]
        for index, (share, following) in enumerate(
            zip(shares, [*shares[1:], shares[0]], strict=True)
        ):
            if share is None:
                continue
            x, y = place(index, share)
            parts.append(f'<circle class="{escape(css)}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
            if following is not None:
                x2, y2 = place((index + 1) % len(axes), following)
                ends = f'x1="{x:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
                parts.append(f'<line class="{escape(css)}" {ends}/>')
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text in it is escaped above


def level_bars(level: int | None, levels: int, css: str = "label") -> Markup:
    """A level as filled boxes, ``■■■□□``, with a text for those who do not see it."""
    if level is None:
        return Markup('<span class="none">no label</span>')
    boxes = "".join(
        f'<i class="{escape(css) if i <= level else "empty"}"></i>' for i in range(levels)
    )
    return Markup(  # noqa: S704 - numbers and an escaped class
        f'<span class="boxes" role="img" aria-label="level {level} of {levels - 1}">{boxes}</span>'
    )


def interval_plot(
    rows: Sequence[tuple[str, float | None, float | None, float | None, str]], chance: float
) -> Markup:
    """Accuracies with intervals, a row each, and a line at chance.

    Args:
        rows: (name, value, low, high, CSS class), in shares of one.
        chance: what guessing scores.
    """
    left, width, line = 190, 430, 22
    height = line * len(rows) + 34

    def x(share: float) -> float:
        return left + width * share

    parts = [
        f'<svg class="intervals" viewBox="0 0 {left + width + 20} {height}" role="img" '
        'aria-label="Accuracy with 95 % intervals; the dashed line is chance">'
    ]
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(
            f'<line class="grid" x1="{x(tick):.1f}" y1="8" x2="{x(tick):.1f}" y2="{height - 22}"/>'
        )
        parts.append(
            f'<text class="tick" x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle">{tick:.0%}</text>'
        )
    parts.append(
        f'<line class="chance" x1="{x(chance):.1f}" y1="8" x2="{x(chance):.1f}" y2="{height - 22}"/>'
    )
    for number, (name, value, low, high, css) in enumerate(rows):
        y = 20 + line * number
        parts.append(
            f'<text x="{left - 12}" y="{y + 4}" text-anchor="end" class="{escape(css)}">{escape(name)}</text>'
        )
        if value is None:
            parts.append(f'<text class="tick" x="{x(0) + 6:.1f}" y="{y + 4}">no labels</text>')
            continue
        if low is not None and high is not None:
            parts.append(
                f'<line class="span {escape(css)}" x1="{x(low):.1f}" y1="{y}" x2="{x(high):.1f}" y2="{y}"/>'
            )
        parts.append(f'<circle class="{escape(css)}" cx="{x(value):.1f}" cy="{y}" r="4.5"/>')
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text in it is escaped above


def interval_bar(
    value: float | None, low: float | None, high: float | None, chance: float, top: float
) -> Markup:
    """One small bar: a dot in its interval, and a tick at chance, from 0 to ``top``."""
    width = 220

    def x(share: float) -> float:
        return 4 + (width - 8) * min(share, top) / top

    parts = [
        f'<svg class="bar" viewBox="0 0 {width} 18" role="img" aria-label="Interval">'
        f'<line class="axis" x1="4" x2="{width - 4}" y1="9" y2="9"/>'
        f'<line class="chance" x1="{x(chance):.1f}" x2="{x(chance):.1f}" y1="1" y2="17"/>'
    ]
    if value is not None:
        if low is not None and high is not None:
            parts.append(f'<line class="span" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="9" y2="9"/>')
        parts.append(f'<circle cx="{x(value):.1f}" cy="9" r="4"/>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - numbers alone


def confusion_map(name: str, matrix: Sequence[Sequence[float]]) -> Markup:
    """One skill's confusion as a heat map: a row for each label, a column for each answer.

    Args:
        name: of the skill.
        matrix: labelled cells, rows of labels, columns of answers; a row's shades and numbers are
            percents of its sum.
    """
    side, left, top, levels = 30, 20, 4, len(matrix)
    width, height = left + side * levels + 2, top + side * levels + 18
    parts = [
        f'<svg class="confusion" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Confusion of {escape(name)}: rows are labels, columns answers, in percent">'
    ]
    for row, counts in enumerate(matrix):
        y, count = top + side * row, sum(counts)
        parts.append(
            f'<text class="tick" x="{left - 7}" y="{y + 19}" text-anchor="end">{row}</text>'
        )
        for column, number in enumerate(counts):
            x = left + side * column
            share = number / count if count else 0.0
            css = "cell right" if row == column else "cell"
            parts.append(
                f'<rect class="{css}" x="{x + 1}" y="{y + 1}" width="{side - 2}" height="{side - 2}" '
                f'rx="3" fill-opacity="{0.06 + 0.94 * share:.3f}"/>'
            )
            if count:
                dark = " dark" if share >= 0.45 else ""
                parts.append(
                    f'<text class="number{dark}" x="{x + side / 2:g}" y="{y + 19}" '
                    f'text-anchor="middle">{100 * share:.0f}</text>'
                )
    for column in range(levels):
        middle = left + side * column + side / 2
        parts.append(
            f'<text class="tick" x="{middle:g}" y="{height - 4}" text-anchor="middle">{column}</text>'
        )
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - the one text in it is escaped above


_STYLE = (
    "text{font:13px sans-serif;fill:#1d2430}.tick{font-size:11px;fill:#5b6575}"
    "text.category,text.all{font-weight:650}.grid{stroke:#e2e5ea}"
    ".chance{stroke:#5b6575;stroke-dasharray:4 4}.span{stroke:#c2410c;stroke-width:2}"
    "circle{fill:#c2410c}.span.category,.span.all{stroke:#1d4ed8}"
    "circle.category,circle.all{fill:#1d4ed8}"
)


def standalone(figure: Markup) -> str:
    """A figure of :func:`interval_plot` as a file of its own, with its style."""
    start, rest = str(figure).split(">", 1)
    namespace = ' xmlns="http://www.w3.org/2000/svg"'
    return f"{start}{namespace}><style>{_STYLE}</style>{rest}"
