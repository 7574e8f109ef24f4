"""The report card as a page: one HTML file with nothing to load from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from openbasket import __version__
from openbasket.evaluation.figures import radar
from openbasket.evaluation.report import page
from openbasket.evaluation.report_player import MAX_REEL_BYTES, data_uri
from openbasket.scouting.card import Card
from openbasket.scouting.court import shot_chart
from openbasket.scouting.words import facts_of, trained_on
from openbasket.skills import CATEGORIES, category_means
from openbasket.wording import moment
from openbasket.workspace import write_text

__all__ = ["write_page"]


def write_page(card: Card, out: Path) -> Path:
    """Write the card as HTML.

    A video of at most 24 MiB is part of the page; a larger one is named by its place beside it.

    Args:
        card: what :func:`openbasket.scouting.card.make_card` made.
        out: the file.
    """
    held = card.video.stat().st_size <= MAX_REEL_BYTES
    by_skill = _outlines(card)
    by_category = [(css, [*category_means(values).values()]) for css, values in by_skill]
    top = len(card.levels) - 1
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
        "radar": _radar([c.capitalize() for c in CATEGORIES], by_category, top),
        "wheel": _radar([s.name for s in card.skills], by_skill, top),
        "court": shot_chart(card.shots) if card.shots else None,
        "groups": [
            (c.capitalize(), [s for s in card.skills if s.category == c]) for c in CATEGORIES
        ],
        "attended": any(clip.attention is not None for s in card.skills for clip in s.evidence),
        "minutes": f"{card.duration_s / 60:.1f}",
        "moment": moment,
        "trained_on": trained_on(card.model),
        "facts": facts_of(card.model),
    }
    return write_text(out, page("card.html.j2", context, "openbasket.scouting"))


def _radar(
    axes: Sequence[str], outlines: Sequence[tuple[str, Sequence[float | None]]], top: int
) -> Markup:
    """A radar whose label tells the player's values, the last outline's."""
    told = ", ".join(
        f"{name} {value:.1f}"
        for name, value in zip(axes, outlines[-1][1], strict=True)
        if value is not None
    )
    return radar(axes, outlines, top, f"Expected levels from 0 to {top}: {told}")


def _outlines(card: Card) -> list[tuple[str, list[float | None]]]:
    """Expected levels of the 20 skills: the cohort's mean, where there is one, and the player's."""
    mine: list[tuple[str, list[float | None]]] = [("guess", [s.expected for s in card.skills])]
    if card.cohort:
        mine.insert(0, ("label", [s.cohort_mean for s in card.skills]))
    return mine
