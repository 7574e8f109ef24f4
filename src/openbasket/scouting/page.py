"""The report card as a page: one HTML file with nothing to load from elsewhere."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from openbasket import __version__
from openbasket.evaluation.figures import radar
from openbasket.scouting.card import Card, SkillRating
from openbasket.skills import CATEGORIES
from openbasket.workspace import write_text

__all__ = ["write_page"]

#: A video is part of the page if it is no larger; the limit of what mail and browsers bear.
MOST_BYTES = 24 << 20


def write_page(card: Card, out: Path) -> Path:
    """Write the card as HTML.

    A video of at most 24 MiB is part of the page; a larger one is named by its place beside it.

    Args:
        card: what :func:`openbasket.scouting.card.make_card` made.
        out: the file.
    """
    environment = Environment(
        loader=PackageLoader("openbasket.scouting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    held = card.video.stat().st_size <= MOST_BYTES
    means = [_mean([s for s in card.skills if s.category == c]) for c in CATEGORIES]
    context: dict[str, Any] = {
        "version": __version__,
        "card": card,
        "title": card.player or card.video.stem,
        "where": " ".join(filter(None, (card.league, card.season))),
        "video": _inside(card.video) if held else os.path.relpath(card.video, out.parent),
        "held": held,
        "radar": radar(
            [c.capitalize() for c in CATEGORIES], [("guess", means)], len(card.levels) - 1
        ),
        "groups": [
            (c.capitalize(), [s for s in card.skills if s.category == c]) for c in CATEGORIES
        ],
        "minutes": f"{card.duration_s / 60:.1f}",
        "moment": moment,
    }
    return write_text(out, environment.get_template("card.html.j2").render(context))


def moment(seconds: float) -> str:
    """``1:05`` of 65.2 seconds."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def _mean(ratings: Sequence[SkillRating]) -> float:
    return sum(s.expected for s in ratings) / len(ratings)


def _inside(video: Path) -> Markup:
    content = base64.b64encode(video.read_bytes()).decode()
    return Markup(f"data:video/mp4;base64,{content}")  # noqa: S704 - base64 has no markup
