"""The report card as a picture: one page, PNG or PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from openbasket.errors import ConfigError
from openbasket.scouting.card import Card
from openbasket.skills import CATEGORIES
from openbasket.wording import moment
from openbasket.workspace import atomic_path

__all__ = ["draw_card", "write_picture"]

#: One colour a category; told apart by most who are colour-blind (Okabe and Ito, 2008).
COLOURS: dict[str, str] = dict(
    zip(CATEGORIES, ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00"), strict=True)
)
#: From poor to excellent.
LEVEL_COLOURS = ("#b91c1c", "#d97706", "#94a3b8", "#0d9488", "#1d4ed8")


def draw_card(card: Card) -> Figure:
    """A page in A4, landscape: a pizza of expected levels, and a bar of probabilities for each skill."""
    figure = Figure(figsize=(11.69, 8.27), layout=None)
    figure.text(
        0.04, 0.945, card.player or card.video.stem, fontsize=22, weight="bold", parse_math=False
    )
    where = " ".join(filter(None, (card.league, card.season))) or "league and season not stated"
    minutes = f"{card.duration_s / 60:.1f} minutes"
    told = f"{where}  ·  {len(card.clips)} clips in {minutes}  ·  {card.model['model']}"
    figure.text(0.04, 0.912, told, fontsize=11, color="#556070", parse_math=False)
    _pizza(figure.add_axes((0.07, 0.26, 0.36, 0.51), projection="polar"), card)
    _bars(figure.add_axes((0.64, 0.14, 0.19, 0.74)), card)
    colours = _level_colours(len(card.levels))
    figure.legend(
        handles=[Patch(color=c, label=n) for c, n in zip(colours, card.levels, strict=True)],
        loc="upper center", bbox_to_anchor=(0.735, 0.13), ncols=len(card.levels), frameon=False, fontsize=8,
    )  # fmt: skip
    figure.legend(
        handles=[Patch(color=COLOURS[c], label=c.capitalize()) for c in CATEGORIES],
        loc="upper center", bbox_to_anchor=(0.25, 0.17), ncols=5, frameon=False, fontsize=8,
    )  # fmt: skip
    notes = " ".join(card.notes[:2])
    figure.text(0.04, 0.045, notes, fontsize=7.5, color="#7c2d12", wrap=True, parse_math=False)
    figure.text(
        0.04, 0.02, "For choosing what to watch; no statement about a person's worth. openbasket",
        fontsize=7.5, color="#556070",
    )  # fmt: skip
    return figure


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
    axes.bar(
        angles, heights, width=2 * np.pi / count * 0.92,
        color=[COLOURS[s.category] for s in card.skills], alpha=0.88, edgecolor="white", linewidth=1,
    )  # fmt: skip
    axes.set_ylim(0, top + 0.35)
    axes.set_yticks([level + 0.35 for level in range(top + 1)], [])
    axes.set_xticks([])
    axes.spines["polar"].set_visible(False)
    axes.grid(color="#c9d0d9", linewidth=0.7)
    for angle, s in zip(angles, card.skills, strict=True):
        turn = -np.degrees(angle)
        turn = turn + 180 if 90 < np.degrees(angle) < 270 else turn
        axes.text(
            angle, top + 0.95, s.name.replace(" ", "\n", 1), rotation=turn, fontsize=7.5,
            ha="center", va="center", linespacing=0.9,
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
            left += probability
        told = f"{s.level_name} {s.probabilities[s.level]:.0%}" if s.clear else s.verdict
        weight = "bold" if s.clear else "normal"
        axes.text(1.04, row, told, va="center", fontsize=8, weight=weight, parse_math=False)
        if s.evidence:
            axes.text(
                1.58,
                row,
                f"see {moment(s.evidence[0].start_s)}",
                va="center",
                fontsize=7.5,
                color="#556070",
            )
    axes.set_yticks(range(len(card.skills)), [s.name for s in card.skills], fontsize=8.5)
    for label, s in zip(axes.get_yticklabels(), card.skills, strict=True):
        label.set_color(COLOURS[s.category])
        label.set_weight("bold")
    axes.set_xlim(0, 1)
    axes.set_ylim(len(card.skills) - 0.4, -0.6)
    axes.set_xticks([])
    axes.tick_params(left=False)
    for side in axes.spines.values():
        side.set_visible(False)
