"""The ceiling as pictures: how accuracy grows with the plays seen, and what other samplings gain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from openbasket.dataset.figures import COLOURS, GREY, INK, PALE
from openbasket.skills import BY_KEY, SKILLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ceiling_plot", "gain_plot"]

_MEAN_COLOUR = INK
#: Sampling -> line style.
_STYLES: dict[str, Literal["-", "--", ":"]] = {
    "uniform": "-",
    "stratified": "--",
    "balanced": ":",
}


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure as MplFigure

    return MplFigure(figsize=(width, height), layout="constrained", facecolor="white")


def ceiling_plot(table: pl.DataFrame, *, levels: int) -> Figure:
    """Accuracy of a perfect observer over the plays seen, a panel for each skill and one for their mean.

    Args:
        table: rows of one split of table ``ceiling``; samplings that it holds are drawn.
        levels: number of levels.
    """
    part = table.filter((pl.col("levels") == levels) & pl.col("accuracy").is_not_null())
    known = set(part["skill"])
    names = [s.key for s in SKILLS if s.key in known] + ["mean"] * ("mean" in known)
    columns = 5
    lines = max(1, -(-len(names) // columns))
    figure = _figure(12.5, 0.7 + 2.25 * lines)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat
    counts = sorted(table["events"].drop_nulls().unique())
    # "all" stands a step to the right of the greatest number.
    places = {n: float(np.log2(n)) for n in counts} | {
        None: float(np.log2((counts or [1])[-1])) + 1.3
    }
    top = float(part["high"].max() or part["accuracy"].max() or 1.0)  # type: ignore[arg-type]
    for axes, name in zip(panels, [*names, *[None] * (lines * columns - len(names))], strict=True):
        if name is None:
            axes.axis("off")
            continue
        colour = COLOURS[BY_KEY[name].category] if name in BY_KEY else _MEAN_COLOUR
        _panel(axes, part.filter(skill=name), places, colour, 1 / levels)
        title = BY_KEY[name].name if name in BY_KEY else "Mean of the skills"
        axes.set_title(title, fontsize=10.5, color=colour, loc="left", weight="bold")
        axes.set_ylim(max(0.0, 1 / levels - 0.06), min(1.0, top + 0.04))
        axes.set_xticks(list(places.values()), ["all" if n is None else str(n) for n in places])
        axes.tick_params(labelsize=8, colors=INK, length=2)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    figure.supxlabel("plays seen", fontsize=10, color=INK)
    figure.supylabel(f"right of {levels} levels", fontsize=10, color=INK)
    _legend(figure, sorted(set(part["sampling"]), key=list(_STYLES).index))
    return figure


def _panel(
    axes: Axes, rows: pl.DataFrame, places: dict[int | None, float], colour: str, chance: float
) -> None:
    axes.axhline(chance, color=GREY, linewidth=1, linestyle=(0, (2, 2)))
    axes.grid(color=PALE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    for sampling, style in _STYLES.items():
        line = rows.filter(sampling=sampling)
        by = {row["events"]: row for row in line.to_dicts()}
        some = [n for n in places if n in by]
        if not some:
            continue
        x = [places[n] for n in some]
        y = [by[n]["accuracy"] for n in some]
        main = sampling == "uniform"
        axes.plot(x, y, style, color=colour, linewidth=2 if main else 1.4, alpha=1 if main else 0.8)
        if main:
            axes.plot(x, y, "o", color=colour, markersize=4)
            low, high = (
                [by[n]["accuracy"] if by[n][end] is None else by[n][end] for n in some]
                for end in ("low", "high")
            )
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def _legend(figure: Figure, samplings: list[str]) -> None:
    from matplotlib.lines import Line2D

    told = {
        "uniform": "uniform (as reels; band: 95 % interval)",
        "stratified": "stratified (each kind by its share)",
        "balanced": "balanced (kinds equally often)",
    }
    handles: list[Any] = [
        Line2D([], [], color=INK, linestyle=_STYLES[s], label=told[s]) for s in samplings
    ]
    handles.append(Line2D([], [], color=GREY, linestyle=(0, (2, 2)), label="chance"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4, fontsize=9, frameon=False)


def gain_plot(table: pl.DataFrame, *, levels: int, events: int) -> Figure:
    """What stratified and balanced sampling gain over uniform, in points, a bar for each skill.

    Args:
        table: table ``ceiling`` with several samplings.
        levels: number of levels.
        events: plays seen.
    """
    part = table.filter(levels=levels, events=events).drop_nulls("accuracy")
    wide = {
        name: dict(part.filter(sampling=name).select("skill", "accuracy").rows())
        for name in _STYLES
    }
    keys = [key for key in (*(s.key for s in SKILLS), "mean") if key in wide["uniform"]]
    figure = _figure(9.5, 1.3 + 0.3 * max(1, len(keys)))
    axes = figure.subplots()
    for number, name in enumerate(("stratified", "balanced")):
        for row, key in enumerate(keys):
            if key not in wide[name]:
                continue
            colour = COLOURS[BY_KEY[key].category] if key in BY_KEY else _MEAN_COLOUR
            gain = 100 * (wide[name][key] - wide["uniform"][key])
            y = row + (number - 0.5) * 0.36
            axes.barh(y, gain, 0.34, color=colour, alpha=0.9 if number == 0 else 0.35)
    axes.axvline(0, color=INK, linewidth=1)
    names = [BY_KEY[key].name if key in BY_KEY else "Mean of the skills" for key in keys]
    axes.set_yticks(range(len(keys)), names, fontsize=9.5, color=INK)
    axes.set_ylim(len(keys) - 0.4, -0.6)
    axes.grid(axis="x", color=PALE)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(
        f"points of accuracy over uniform sampling, {events} plays, {levels} levels", color=INK
    )
    from matplotlib.patches import Patch

    handles = [
        Patch(color=INK, alpha=0.9, label="stratified"),
        Patch(color=INK, alpha=0.35, label="balanced"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=9, frameon=False)
    return figure
