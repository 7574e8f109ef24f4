"""The report card as a page: one HTML file with nothing to load from elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from openbasket import __version__
from openbasket.evaluation.figures import radar
from openbasket.evaluation.report import page
from openbasket.evaluation.report_player import MAX_REEL_BYTES, data_uri
from openbasket.scouting.card import Card
from openbasket.scouting.court import shot_chart
from openbasket.skills import CATEGORIES
from openbasket.workspace import write_text

__all__ = ["category_means", "moment", "write_page"]


def write_page(card: Card, out: Path) -> Path:
    """Write the card as HTML.

    A video of at most 24 MiB is part of the page; a larger one is named by its place beside it.

    Args:
        card: what :func:`openbasket.scouting.card.make_card` made.
        out: the file.
    """
    held = card.video.stat().st_size <= MAX_REEL_BYTES
    outlines: list[tuple[str, list[float]]] = [("guess", category_means(card))]
    if card.cohort:
        outlines.insert(0, ("label", category_means(card, of_cohort=True)))
    context: dict[str, Any] = {
        "version": __version__,
        "card": card,
        "title": card.player or card.video.stem,
        "where": " ".join(filter(None, (card.league, card.season))),
        "video": (
            data_uri(card.video.read_bytes(), "video/mp4")
            if held
            else os.path.relpath(card.video, out.parent)
        ),
        "held": held,
        "radar": radar([c.capitalize() for c in CATEGORIES], outlines, len(card.levels) - 1),
        "wheel": radar([s.name for s in card.skills], _skill_outlines(card), len(card.levels) - 1),
        "court": shot_chart(card.shots) if card.shots else None,
        "groups": [
            (c.capitalize(), [s for s in card.skills if s.category == c]) for c in CATEGORIES
        ],
        "minutes": f"{card.duration_s / 60:.1f}",
        "moment": moment,
    }
    return write_text(out, page("card.html.j2", context, "openbasket.scouting"))


def moment(seconds: float) -> str:
    """``1:05`` of 65.2 seconds."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def category_means(card: Card, *, of_cohort: bool = False) -> list[float]:
    """Mean expected level of each category: the player's, or the cohort's where it is known."""
    found = []
    for category in CATEGORIES:
        values = [
            s.cohort_mean if of_cohort else s.expected
            for s in card.skills
            if s.category == category
        ]
        known = [value for value in values if value is not None]
        found.append(sum(known) / len(known) if known else 0.0)
    return found


def _skill_outlines(card: Card) -> list[tuple[str, list[float | None]]]:
    mine: list[tuple[str, list[float | None]]] = [("guess", [s.expected for s in card.skills])]
    if card.cohort:
        mine.insert(0, ("label", [s.cohort_mean for s in card.skills]))
    return mine
