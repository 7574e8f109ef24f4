"""Charts as SVG without scripts or styles of their own: the style sheet colours them, dark and light.

The radar is that of reports and cards. Two charts have relatives in ``evaluation.figures`` and stay apart:
:func:`confusion` shows numbers of labels and names of levels where a report's small multiples have percents
and figures, and its shades are steps whose text keeps its contrast in the dark; :func:`level_bar` stands
beside the level's word and is silent, where a report's boxes speak for themselves. Those of
``scouting.charts`` are matplotlib, for PNG and PDF, which SVG does not make.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from markupsafe import Markup, escape

from openbasket.dataset.figures import NUMERIC, countries
from openbasket.evaluation.figures import radar
from openbasket.leagues import LEAGUES
from openbasket.skills import CATEGORIES

__all__ = ["bars", "confusion", "level_bar", "profile", "side_by_side", "world"]

#: Degrees of longitude and latitude that the map shows.
WEST, EAST, SOUTH, NORTH = -170.0, 180.0, -56.0, 80.0
#: Width of the map, and its stretch in latitude.
MAP_WIDTH, STRETCH = 1000.0, 1.25


def profile(categories: Mapping[str, float | None], top: int, name: str) -> Markup:
    """The radar of a profile card (Figure 4): mean level in each category."""
    told = ", ".join(
        f"{c} {'no label' if categories[c] is None else format(categories[c], '.1f')}"
        for c in CATEGORIES
    )
    values = [categories[c] for c in CATEGORIES]
    label = f"{name}, mean levels from 0 to {top}: {told}"
    return radar([c.capitalize() for c in CATEGORIES], [("s0", values)], top, label)


def side_by_side(series: Sequence[Sequence[float | None]], top: int) -> Markup:
    """The radars of several players on one another."""
    named = [(f"s{place}", values) for place, values in enumerate(series)]
    axes = [c.capitalize() for c in CATEGORIES]
    return radar(axes, named, top, f"Mean level in each category, from 0 to {top}")


def level_bar(level: int | None, top: int) -> Markup:
    """A level as filled cells."""
    cells = [
        f'<rect class="cell{" on" if level is not None and place <= level else ""}" '
        f'x="{place * 18}" y="1" width="15" height="12" rx="2"/>'
        for place in range(top + 1)
    ]
    return Markup(  # noqa: S704 - every text in it is escaped
        f'<svg class="level" viewBox="0 0 {18 * (top + 1)} 14" aria-hidden="true">{"".join(cells)}</svg>'
    )


def bars(counts: Mapping[str, int], label: str, named: Callable[[str], str] = str) -> Markup:
    """Bars from left to right, each with its name (``named`` of its key) and number."""
    most = max(counts.values(), default=0) or 1
    parts = []
    for place, (key, count) in enumerate(counts.items()):
        y, name = 26 * place, named(key)
        shown = name if len(name) <= 18 else f"{name[:17]}…"
        width = 150 * count / most
        parts.append(f'<text x="140" y="{y + 17}" text-anchor="end">{escape(shown)}</text>')
        parts.append(
            f'<rect class="bar" x="148" y="{y + 3}" width="{width:.1f}" height="19" rx="2"/>'
        )
        parts.append(f'<text x="{155 + width:.1f}" y="{y + 17}">{count:,}</text>')
    return _svg(f"0 0 360 {max(26, 26 * len(counts))}", label, parts, "bars")


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str], label: str) -> Markup:
    """True levels (rows) against predicted ones (columns); each row's shade is its share."""
    cell, left, up = 56, 80, 26
    parts = []
    for place, name in enumerate(names):
        parts.append(
            f'<text x="{left + cell * place + cell / 2}" y="17" text-anchor="middle">{escape(name)}</text>'
        )
        parts.append(
            f'<text x="{left - 8}" y="{up + cell * place + cell / 2 + 5}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
    for row, line in enumerate(counts):
        total = sum(line) or 1
        for column, count in enumerate(line):
            x, y = left + cell * column, up + cell * row
            shade = min(4, int(5 * count / total)) if count else 0
            kind = f"heat h{shade}{' hit' if row == column else ''}"
            parts.append(
                f'<rect class="{kind}" x="{x + 1}" y="{y + 1}" width="{cell - 2}" height="{cell - 2}" '
                f'rx="3"/><text class="t{shade}" x="{x + cell / 2}" y="{y + cell / 2 + 5}" '
                f'text-anchor="middle">{count:,}</text>'
            )
    size = cell * len(names)
    # Names of the last column are wider than its cell.
    return _svg(f"0 0 {left + size + 8} {up + size}", label, parts, "confusion")


@cache
def _shapes() -> dict[str, str]:
    """Numeric code of a country -> its outline as a path."""
    scale = MAP_WIDTH / (EAST - WEST)
    shapes: dict[str, list[str]] = {}
    for code, rings in countries().items():
        if code == "010":  # Antarctica
            continue
        for ring in rings:
            points: list[str] = []
            for x, y in ring.tolist():
                point = f"{(x - WEST) * scale:.0f} {(NORTH - y) * scale * STRETCH:.0f}"
                if not points or points[-1] != point:
                    points.append(point)
            if len(points) > 2:
                shapes.setdefault(code, []).append("M" + "L".join(points) + "Z")
    return {code: "".join(paths) for code, paths in shapes.items()}


@cache
def _middles() -> dict[str, tuple[float, float]]:
    """Numeric code -> middle of a country's largest outline, in the map's units."""
    scale = MAP_WIDTH / (EAST - WEST)
    found = {}
    for code, rings in countries().items():
        ring = max(rings, key=len)
        x, y = (ring.min(axis=0) + ring.max(axis=0)) / 2
        if code == "840":  # without Alaska's weight
            x, y = -98.0, 39.0
        found[code] = ((x - WEST) * scale, (NORTH - y) * scale * STRETCH)
    return found


def world(players: Mapping[str, int]) -> Markup:
    """Countries of the leagues, shaded, with a dot whose area is the number of player-seasons.

    Args:
        players: league -> player-seasons; leagues that we do not know are left out.
    """
    here: dict[str, int] = {}
    for key, count in players.items():
        for country in LEAGUES[key].countries if key in LEAGUES else ():
            here[NUMERIC[country]] = here.get(NUMERIC[country], 0) + count
    blank = "".join(path for code, path in _shapes().items() if code not in here)
    parts = [f'<path class="land" d="{blank}"/>']
    parts += [f'<path class="home" d="{_shapes()[code]}"/>' for code in here if code in _shapes()]
    most = max(here.values(), default=1)
    names = {NUMERIC[c]: c for c in NUMERIC}
    for code, count in sorted(here.items(), key=lambda item: -item[1]):
        if code not in _middles():
            continue  # too small for the map
        x, y = _middles()[code]
        parts.append(
            f'<circle class="dot" cx="{x:.0f}" cy="{y:.0f}" r="{3 + 17 * math.sqrt(count / most):.1f}">'
            f"<title>{names[code]}: {count:,} player-seasons</title></circle>"
        )
    height = (NORTH - SOUTH) * MAP_WIDTH / (EAST - WEST) * STRETCH
    label = f"Map: {len(here)} countries where the leagues of this dataset play"
    return _svg(f"0 0 {MAP_WIDTH:.0f} {height:.0f}", label, parts, "world")


def _svg(box: str, label: str, parts: Sequence[str], kind: str) -> Markup:
    return Markup(  # noqa: S704 - every text in it is escaped
        f'<svg class="{kind}" viewBox="{box}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
