"""The report card as a picture: one page, PNG or PDF."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from openbasket.errors import ConfigError
from openbasket.scouting.card import Card
from openbasket.scouting.court import draw_shots
from openbasket.scouting.words import facts_of, trained_on
from openbasket.skills import CATEGORIES
from openbasket.wording import counted, moment
from openbasket.workspace import atomic_path

__all__ = ["draw_card", "write_picture"]

#: One colour a category; told apart by most who are colour-blind (Okabe and Ito, 2008).
COLOURS: dict[str, str] = dict(
    zip(CATEGORIES, ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00"), strict=True)
)
#: Of texts beside the point.
SOFT = "#556070"
#: From poor to excellent.
LEVEL_COLOURS = ("#b91c1c", "#b45309", "#5b6878", "#0f766e", "#1d4ed8")


def draw_card(card: Card) -> Figure:
    """A page in A4, landscape.

    A pizza of expected levels, a bar of probabilities for each skill with its percentile, the shots, how
    often the model is right, and all notes of the card.
    """
    figure = Figure(figsize=(11.69, 8.27), layout=None)
    title = textwrap.shorten(card.player or card.video.stem, 60, placeholder=" …")
    figure.text(0.04, 0.945, title, fontsize=22, weight="bold", parse_math=False)
    where = " ".join(filter(None, (card.league, card.season))) or "league and season not stated"
    clips = f"{counted(len(card.clips), 'clip')} in {card.duration_s / 60:.1f} minutes"
    learned = trained_on(card.model)
    by = f"{card.model['model']}{f', trained on {learned}' if learned else ''}"
    figure.text(
        0.04, 0.914, f"{where}  ·  {clips}  ·  {by}", fontsize=10.5, color=SOFT, parse_math=False
    )
    _pizza(figure.add_axes((0.127, 0.43, 0.25, 0.41), projection="polar"), card)
    _bars(figure.add_axes((0.625, 0.2, 0.165, 0.67)), card)
    colours = _level_colours(len(card.levels))
    figure.legend(
        handles=[Patch(color=c, label=n) for c, n in zip(colours, card.levels, strict=True)],
        loc="upper center", bbox_to_anchor=(0.75, 0.19), ncols=len(card.levels), frameon=False, fontsize=8,
    )  # fmt: skip
    handles: list[Any] = [Patch(color=COLOURS[c], label=c.capitalize()) for c in CATEGORIES]
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.25, 0.395), ncols=5, frameon=False,
        fontsize=8, columnspacing=1.2,
    )  # fmt: skip
    pale = "Slices: expected levels, the rim is the highest. Pale: not clear, or not observable."
    dots = f" Dots: mean of {card.cohort}." if card.cohort else ""
    told = textwrap.fill(pale + dots, 96)
    figure.text(0.04, 0.36, told, fontsize=7.5, color=SOFT, va="top", parse_math=False)
    left = 0.04
    if card.shots:
        draw_shots(figure.add_axes((0.04, 0.135, 0.19, 0.18)), card.shots, "#1d4ed8", "#c2410c")
        left = 0.25
        figure.text(
            0.135, 0.124, f"{counted(len(card.shots), 'field goal')}: dots went in", fontsize=7, color=SOFT,
            ha="center",
        )  # fmt: skip
    figure.text(
        left, 0.31, _reached(card), fontsize=7.5, va="top", linespacing=1.5, parse_math=False
    )
    notes = textwrap.fill(
        " ".join(card.notes), 205, max_lines=4, placeholder=" … (all: HTML, JSON)"
    )
    figure.text(0.04, 0.043, notes, fontsize=7.5, color="#7c2d12", va="bottom", parse_math=False)
    figure.text(
        0.04, 0.02,
        "For choosing what to watch; no statement about a person's worth, not for decisions about people "
        "without human judgement. Levels compare players of one league and season. openbasket",
        fontsize=7.5, color=SOFT,
    )  # fmt: skip
    return figure


def _reached(card: Card) -> str:
    """How often the model is right, and how its probabilities were calibrated, in lines."""
    lines = []
    if card.limits:
        lines = [f"Levels that are right (guessing: {1 / len(card.levels):.0%})"]
        for row in card.limits[:5]:
            ends = (
                "too few"
                if row.low is None
                else f"{100 * row.low:.0f} to {100 * (row.high or 0):.0f} %"
            )
            group = textwrap.shorten(row.group, 34, placeholder=" …")
            lines.append(f"{group}: {row.accuracy:.1%} ({ends}, n = {row.subjects:,})")
    facts = dict(facts_of(card.model))
    return "\n".join([*lines, f"Calibration: {facts['Calibration']}"])


def write_picture(card: Card, out: Path) -> Path:
    """Write the card as PNG or PDF, by the file's ending.

    Raises:
        ConfigError: another ending.
    """
    kind = out.suffix.lower().removeprefix(".")
    if kind not in ("png", "pdf"):
        raise ConfigError(f"'{out}': a picture of the card is .png or .pdf")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        draw_card(card).savefig(temporary, format=kind, dpi=150, metadata={"Title": "Report card"})
    return out


def _level_colours(levels: int) -> list[str]:
    places = np.linspace(0, len(LEVEL_COLOURS) - 1, levels).round().astype(int)
    return [LEVEL_COLOURS[place] for place in places]


def _pizza(axes: Any, card: Card) -> None:
    """Expected levels of the 20 skills as slices."""
    count, top = len(card.skills), len(card.levels) - 1
    angles = np.arange(count) * 2 * np.pi / count
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    # A slice of level 0 is still to be seen.
    heights = [s.expected + 0.35 for s in card.skills]
    colours = [to_rgba(COLOURS[s.category], 0.9 if s.clear else 0.3) for s in card.skills]
    axes.bar(
        angles,
        heights,
        width=2 * np.pi / count * 0.92,
        color=colours,
        edgecolor="white",
        linewidth=1,
    )
    means = [np.nan if s.cohort_mean is None else s.cohort_mean + 0.35 for s in card.skills]
    axes.scatter(angles, means, s=9, color="#1d2430", zorder=3)
    axes.set_ylim(0, top + 0.35)
    axes.set_yticks([level + 0.35 for level in range(top + 1)], [])
    axes.set_xticks([])
    axes.spines["polar"].set_visible(False)
    axes.grid(color="#c9d0d9", linewidth=0.7)
    for angle, s in zip(angles, card.skills, strict=True):
        side = np.sin(angle)
        axes.text(
            angle, top + 0.65 + 0.25 * abs(np.cos(angle)), s.name, fontsize=7.5, va="center",
            ha="center" if abs(side) < 0.1 else "left" if side > 0 else "right",
        )  # fmt: skip


def _bars(axes: Any, card: Card) -> None:
    """The probabilities of each skill's levels, the likeliest level beside them, and its best clip."""
    colours = _level_colours(len(card.levels))
    for row, s in enumerate(card.skills):
        left = 0.0
        for probability, colour in zip(s.probabilities, colours, strict=True):
            axes.barh(
                row,
                probability,
                left=left,
                color=colour,
                height=0.62,
                edgecolor="white",
                linewidth=0.5,
            )
            if probability >= 0.12:
                middle = left + probability / 2
                axes.text(
                    middle, row, f"{probability:.0%}", fontsize=6.5, color="white", ha="center",
                    va="center_baseline",
                )  # fmt: skip
            left += probability
        told = f"{s.level_name} {s.probabilities[s.level]:.0%}" if s.clear else s.verdict
        weight = "bold" if s.clear else "normal"
        axes.text(1.04, row, told, va="center", fontsize=8, weight=weight, parse_math=False)
        percentile = "" if s.percentile is None else f"{s.percentile:.0f}"
        axes.text(1.8, row, percentile, va="center", ha="right", fontsize=8)
        if s.evidence:
            first = moment(s.evidence[0].start_s)
            axes.text(2.05, row, first, va="center", ha="right", fontsize=7.5, color=SOFT)
    heads = [(1.04, "level", "left")]
    heads += [(1.8, "percentile", "right")] if card.cohort else []
    heads += [(2.05, "see", "right")] if any(s.evidence for s in card.skills) else []
    for place, head, side in heads:
        axes.text(place, -0.85, head, fontsize=7.5, ha=side, color=SOFT)
    axes.set_yticks(range(len(card.skills)), [s.name for s in card.skills], fontsize=8.5)
    for label, s in zip(axes.get_yticklabels(), card.skills, strict=True):
        label.set_color(COLOURS[s.category])
        label.set_weight("bold")
    axes.set_xlim(0, 1)
    axes.set_ylim(len(card.skills) - 0.4, -0.6)
    axes.set_xticks([])
    axes.tick_params(left=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
