"""The paper's Figure 6 for any dataset: eight even frames of some reels, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from openbasket.dataset.figures import GREY, INK, SHORT, save
from openbasket.dataset.reader import (
    SPLIT_FILES,
    Sample,
    dataset_levels,
    read_splits,
)
from openbasket.errors import NotFoundError, UnknownNameError
from openbasket.leagues import LEAGUES
from openbasket.skills import category_means, level_names
from openbasket.video.frames import Uniform, frames_at
from openbasket.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FRAMES", "Snapshots", "draw_snapshots", "gather", "has_reels", "snapshots"]

#: Frames of a reel, and the shorter side of one in pixels.
FRAMES, SIZE = 8, 160


@dataclass(frozen=True)
class Snapshots:
    """A row of the figure.

    Args:
        name, league, season, split: texts.
        categories: category -> mean level of its labelled skills; those without labels are left out.
        frames: uint8 ``(8, height, width, 3)``.
    """

    name: str
    league: str
    season: str
    split: str
    categories: dict[str, float]
    frames: np.ndarray[Any, Any]


def has_reels(root: Path, subject_ids: Sequence[str] = ()) -> bool:
    """Whether the splits have a reel that is there; of named subjects, whether all of theirs are."""
    there = {
        sample.subject_id: sample.video.is_file()
        for _, part in read_splits(root)
        for sample in part
    }
    return all(map(there.get, subject_ids)) if subject_ids else any(there.values())


def gather(root: Path, subject_ids: Sequence[str] = (), count: int = 6) -> list[Snapshots]:
    """Read the frames and facts of some reels.

    Args:
        root: a dataset in the official layout, with our tables or without.
        subject_ids: whose reels; by default some of every split and league in turn, the same ones every time.
        count: how many, where nobody is named.

    Raises:
        UnknownNameError: no split has such a subject.
        NotFoundError: no reel is there.
        VideoError: a reel does not decode.
    """
    found: dict[str, tuple[str, Sample]] = {}
    for split, part in read_splits(root):
        for sample in part:
            found.setdefault(sample.subject_id, (split, sample))
    for one in subject_ids:
        if one not in found:
            raise UnknownNameError("subject", one, sorted(found))
    chosen = [found[one] for one in subject_ids] or _spread(list(found.values()), count)
    missing = [sample.path for _, sample in chosen if not sample.video.is_file()]
    if missing or not chosen:
        raise NotFoundError(f"the dataset at '{root}' has no reel {', '.join(missing)}".rstrip())
    workspace = Workspace(root)
    names: dict[str, str | None] = {}
    if workspace.has("players"):
        names = dict(workspace.read("players").select("player_id", "name").rows())
    return [
        Snapshots(
            names.get(sample.player_id) or sample.player_id,
            LEAGUES[sample.league].name if sample.league in LEAGUES else sample.league,
            sample.season,
            split,
            {c: mean for c, mean in category_means(sample.levels).items() if mean is not None},
            frames_at(sample.video, Uniform(FRAMES), SIZE).pixels,
        )
        for split, sample in chosen
    ]


def snapshots(rows: Sequence[Snapshots], levels: int = 5) -> Figure:
    """A row of eight frames for each reel, the player and the levels beside them.

    Args:
        rows: of :func:`gather`.
        levels: number of levels.
    """
    from matplotlib.figure import Figure as MplFigure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    close = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.03, wspace=0.0, hspace=0.0)
    figure = MplFigure(figsize=(15, 1.12 * len(rows) + 0.35), facecolor="white", layout=close)
    grid = figure.subplots(
        len(rows), FRAMES + 1, squeeze=False, gridspec_kw={"width_ratios": [1.2] + [1.0] * FRAMES}
    )
    for row, places in zip(rows, grid, strict=True):
        for axes in places:
            axes.axis("off")
        told = places[0]

        def write(y: float, text: str, size: float, colour: str, *, on: Any = told) -> None:
            on.text(0.0, y, text, fontsize=size, color=colour, va="top", transform=on.transAxes)

        write(1.0, fill(row.name, 24, max_lines=1), 9.5, INK)
        write(0.76, fill(f"{row.league} {row.season}", 32, max_lines=1), 7.5, GREY)
        write(0.58, row.split.replace("_", " "), 7.5, GREY)
        parts = [
            f"{short} {row.categories[name]:.1f}"
            for name, short in SHORT.items()
            if name in row.categories
        ]
        lines = "\n".join("   ".join(parts[i : i + 3]) for i in range(0, len(parts), 3))
        write(0.36, lines or "no labels", 7.5, INK)
        for axes, frame in zip(places[1:], row.frames, strict=True):
            axes.imshow(frame, interpolation="antialiased", clip_on=False)
    names = level_names(levels)
    figure.supxlabel(
        f"{', '.join(f'{short} {name}' for name, short in SHORT.items())}: mean level of the skills, "
        f"0 ({names[0]}) to {levels - 1} ({names[-1]})",
        fontsize=8, color=GREY,
    )  # fmt: skip
    return figure


def draw_snapshots(
    root: Path,
    folder: Path,
    *,
    subject_ids: Sequence[str] = (),
    count: int = 6,
    suffix: str = "svg",
) -> Path:
    """Draw Figure 6 into ``figure6_reels.<suffix>``.

    Args:
        root: a dataset in the official layout.
        folder: where the file goes; made if missing.
        subject_ids: whose reels; by default some of every split and league.
        count: how many, where nobody is named.
        suffix: ``svg``, ``png`` or ``pdf``.

    Raises:
        UnknownNameError, NotFoundError, VideoError: as :func:`gather`.
        ConfigError: another suffix.
        BadInputError: the manifest is damaged.
    """
    path = folder / f"figure6_reels.{suffix}"
    save(snapshots(gather(root, subject_ids, count), dataset_levels(root)), path)
    return path


def _spread(found: Sequence[tuple[str, Sample]], count: int) -> list[tuple[str, Sample]]:
    """The first of every split and league, then the second, and so on; each person once."""
    turns: dict[tuple[str, str], int] = {}
    ordered = []
    seen: set[str] = set()
    for split, sample in sorted(found, key=lambda pair: pair[1].subject_id):
        if not sample.video.is_file() or sample.player_id in seen:
            continue
        seen.add(sample.player_id)
        place = (split, sample.league)
        turns[place] = turns.get(place, 0) + 1
        ordered.append((turns[place], list(SPLIT_FILES).index(split), split, sample))
    ordered.sort(key=lambda row: (row[0], row[1], row[3].subject_id))
    return [(split, sample) for _, _, split, sample in ordered[:count]]
