"""A player's card and snapshots of reels, for the report."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from openbasket.dataset.reader import SPLIT_FILES, Sample, dataset_levels
from openbasket.evaluation.figures import level_bars, radar
from openbasket.skills import CATEGORIES, SKILLS, category_means, level_names
from openbasket.video.frames import Uniform, frames_at
from openbasket.workspace import REEL_FPS, Workspace

__all__ = ["MAX_REEL_BYTES", "data_uri", "event_words", "player_card", "snapshots"]

#: A reel is part of the page if it is no larger.
MAX_REEL_BYTES = 24 << 20
SNAPSHOTS = 8
SNAPSHOT_REELS = 4
FPS = int(REEL_FPS)
WORDS = {
    "free_throw": "free throw",
    "offensive_rebound": "offensive rebound",
    "defensive_rebound": "defensive rebound",
    "foul_drawn": "foul drawn",
    "blocked": "shot blocked by the other side",
}


def player_card(
    workspace: Workspace, samples: dict[str, list[Sample]], predictions: Sequence[Path]
) -> dict[str, Any] | None:
    """The subject who is shown: of the test split if possible, with a reel of many clips."""
    if not workspace.has("reels"):
        return None
    reels = workspace.read("reels").filter(pl.col("draw") == 0)
    paths = dict(reels.group_by("path").len().rows())
    shown = [
        sample
        for split in ("test", "val", "train", *SPLIT_FILES)
        for sample in samples.get(split, [])
        if sample.path in paths and sample.video.is_file()
    ]
    if not shown:
        return None
    shown = [s for s in shown if _fits(s)] or shown
    in_test = [s for s in shown if s in samples.get("test", [])] or shown
    sample = max(
        in_test, key=lambda s: (paths[s.path], sum(x is not None for x in s.levels), s.path)
    )
    levels = dataset_levels(workspace.root)
    predicted, predicted_by = _predicted(predictions, sample.subject_id, levels)
    rows = reels.filter(pl.col("path") == sample.path).sort("position")
    people = dict(workspace.read("players").select("player_id", "name").rows())
    names = level_names(levels)
    skills = [
        {
            "name": s.name,
            "category": s.category,
            "label": level_bars(label, levels),
            "label_name": "no label" if label is None else names[label],
            "predicted": None if guess is None else level_bars(guess, levels, "guess"),
            "predicted_name": "" if guess is None else names[guess],
        }
        for s, label, guess in zip(SKILLS, sample.levels, predicted, strict=True)
    ]
    outlines: list[tuple[str, list[float | None]]] = [
        ("label", [*category_means(sample.levels).values()])
    ]
    if any(guess is not None for guess in predicted):
        outlines.append(("guess", [*category_means(predicted).values()]))
    return {
        "name": people.get(sample.player_id) or sample.player_id,
        "league": sample.league,
        "season": sample.season,
        "split": next(split for split, part in samples.items() if sample in part),
        "video": data_uri(sample.video.read_bytes(), "video/mp4") if _fits(sample) else None,
        "path": sample.path,
        "megabytes": f"{sample.video.stat().st_size / 1e6:.0f}",
        "clips": _clips(workspace, rows),
        "skills": skills,
        "predicted_by": predicted_by,
        "has_prediction": len(outlines) > 1,
        "radar": radar(_axes(sample.levels), outlines, levels - 1),
        "categories": CATEGORIES,
    }


def _fits(sample: Sample) -> bool:
    """Whether a reel is small enough to be part of the page."""
    return sample.video.stat().st_size <= MAX_REEL_BYTES


def _predicted(
    predictions: Sequence[Path], subject: str, levels: int
) -> tuple[list[int | None], str]:
    """The likeliest level of each skill by the first run that knows the subject, and the run's name."""
    for path in predictions:
        rows = Workspace.read_file("predictions", path).filter(pl.col("subject_id") == subject)
        if rows.is_empty():
            continue
        run = rows["run"].sort()[0]
        first = rows.filter(pl.col("run") == run, pl.col("p0").is_not_null())
        columns = [f"p{level}" for level in range(levels)]
        best = dict(
            zip(
                first["skill"],
                first.select(columns).to_numpy().argmax(axis=1).tolist(),
                strict=True,
            )
        )
        return [best.get(s.key) for s in SKILLS], str(run)
    return [None] * len(SKILLS), ""


def _axes(levels: Sequence[int | None]) -> list[str]:
    return [
        category.capitalize() + (" (no label)" if mean is None else "")
        for category, mean in category_means(levels).items()
    ]


def _clips(workspace: Workspace, rows: pl.DataFrame) -> list[dict[str, Any]]:
    parts = [workspace.read("events", *pair) for pair in workspace.seasons("events")]
    events = pl.concat(parts).select(
        "game_id", "event_id", "period", "clock_s", "kind", "made", "value"
    )
    clips = []
    for row in rows.join(events, on=["game_id", "event_id"], maintain_order="left").iter_rows(
        named=True
    ):
        minutes, seconds = divmod(row["clock_s"], 60)
        clips.append(
            {
                "start_s": f"{row['first_frame'] / FPS:.3f}",
                "at": f"{int(row['first_frame'] / FPS // 60)}:{row['first_frame'] / FPS % 60:04.1f}",
                "game": row["game_id"],
                "clock": f"period {row['period']}, {int(minutes)}:{seconds:04.1f}",
                "what": event_words(row["kind"], row["made"], row["value"]),
            }
        )
    return clips


def event_words(kind: str, made: bool | None, value: int | None) -> str:
    """An event in words, such as ``3-point field goal, missed``."""
    what = WORDS.get(kind, kind.replace("_", " "))
    if kind == "field_goal":
        what = f"{value}-point field goal"
    if made is not None:
        what += ", made" if made else ", missed"
    return what


def snapshots(workspace: Workspace, samples: dict[str, list[Sample]]) -> list[dict[str, Any]]:
    """Eight uniform frames of a few reels (the paper's Figure 6), spread over the splits.

    Returns:
        Of each reel who and where it is, and ``frames``, uint8 ``(8, height, width, 3)``.
    """
    picked: list[Sample] = []
    for part in samples.values():
        for sample in part[: 1 if len(samples) > 1 else SNAPSHOT_REELS]:
            if sample.video.is_file() and len(picked) < SNAPSHOT_REELS:
                picked.append(sample)
    names: dict[str, str | None] = {}
    if workspace.has("players"):
        names = dict(workspace.read("players").select("player_id", "name").rows())
    rows = []
    for sample in picked:
        frames = frames_at(sample.video, Uniform(SNAPSHOTS), 124).pixels
        height, width = (side - side % 2 for side in frames.shape[1:3])
        who = names.get(sample.player_id) or sample.player_id
        where = f"{sample.league} {sample.season}"
        rows.append({"who": who, "where": where, "frames": frames[:, :height, :width]})
    return rows


def data_uri(content: bytes, kind: str) -> Markup:
    """A file as part of a page."""
    return Markup(f"data:{kind};base64,{base64.b64encode(content).decode()}")  # noqa: S704
