"""What a dataset knows of a video: who is shown, the clips, the shots in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from openbasket.dataset.clips import Clips
from openbasket.dataset.reader import read_splits
from openbasket.errors import UnknownNameError
from openbasket.evaluation.report_player import event_words
from openbasket.scouting.evidence import Segment
from openbasket.workspace import REEL_FPS, Workspace

__all__ = ["Known", "Shot", "check_names", "known"]


@dataclass(frozen=True, slots=True)
class Shot:
    """A field goal that a clip shows.

    Args:
        clip: its number in the video, from 0.
        x_m, y_m: metres from the centre of the attacked basket: ``x_m`` along the baseline, positive to the
            right of who faces the basket, ``y_m`` towards the half-way line.
        made: whether it went in.
        value: 2 or 3.
    """

    clip: int
    x_m: float
    y_m: float
    made: bool
    value: int


@dataclass(frozen=True, slots=True)
class Known:
    """What a dataset knows of a video; nothing, where it is none of its reels.

    Args:
        subject_id, player, league, season: who is shown.
        clips: of the reel, in order.
        shots: field goals that they show, with their places.
        frames: first frame and number of frames of each clip.
    """

    subject_id: str | None = None
    player: str | None = None
    league: str | None = None
    season: str | None = None
    clips: tuple[Segment, ...] = ()
    shots: tuple[Shot, ...] = ()
    frames: Clips = ()


def known(root: Path | None, video: Path) -> Known:
    """What the dataset at ``root`` knows of a video."""
    if root is None:
        return Known()
    workspace = Workspace(root)
    path = video.resolve()
    if not workspace.has("reels"):
        return _listed(root, path)
    if not path.is_relative_to(workspace.root.resolve()):
        return Known()
    name = path.relative_to(workspace.root.resolve()).as_posix()
    rows = workspace.read("reels").filter(pl.col("path") == name).sort("draw", "position")
    if rows.is_empty():
        return Known()
    rows = rows.filter(pl.col("draw") == rows["draw"][0])
    clips, shots = _clips(workspace, rows)
    frames = tuple(rows.select("first_frame", "frames").iter_rows())
    subject = rows["subject_id"][0]
    subjects = workspace.read("subjects").filter(pl.col("subject_id") == subject)
    if subjects.is_empty():
        return Known(subject, clips=clips, shots=shots, frames=frames)
    who = subjects.row(0, named=True)
    names = dict(workspace.read("players").select("player_id", "name").iter_rows())
    return Known(
        subject,
        names.get(who["player_id"]) or who["player_id"],
        who["league"],
        who["season"],
        clips,
        shots,
        frames,
    )


def _listed(root: Path, video: Path) -> Known:
    """Whose reel a video is by the CSVs of the splits, which is all that an official download tells."""
    for _, part in read_splits(root):
        for s in part:
            if s.video.name == video.name and s.video.resolve() == video:
                return Known(s.subject_id, s.player_id, s.league, s.season)
    return Known()


def _clips(
    workspace: Workspace, rows: pl.DataFrame
) -> tuple[tuple[Segment, ...], tuple[Shot, ...]]:
    fps = float(REEL_FPS)
    seasons = workspace.seasons("events")
    columns = ("game_id", "event_id", "kind", "made", "value", "x_m", "y_m")
    if seasons:
        events = pl.concat([workspace.read("events", *pair).select(columns) for pair in seasons])
        events = events.unique(["game_id", "event_id"], keep="first", maintain_order=True)
        rows = rows.join(events, on=["game_id", "event_id"], how="left", maintain_order="left")
    clips, shots = [], []
    for number, row in enumerate(rows.iter_rows(named=True)):
        kind = row.get("kind")
        start, end = row["first_frame"] / fps, (row["first_frame"] + row["frames"]) / fps
        clips.append(
            Segment(
                start, end, "" if kind is None else event_words(kind, row["made"], row["value"])
            )
        )
        if kind == "field_goal" and None not in (row["x_m"], row["y_m"], row["made"], row["value"]):
            shots.append(Shot(number, row["x_m"], row["y_m"], row["made"], row["value"]))
    return tuple(clips), tuple(shots)


def check_names(root: Path, league: str | None, season: str | None) -> None:
    """Refuse a league or season that the dataset does not have.

    Raises:
        UnknownNameError: names the nearest.
    """
    workspace = Workspace(root)
    if not workspace.has("subjects"):
        return
    subjects = workspace.read("subjects")
    for column, given in (("league", league), ("season", season)):
        there = sorted(subjects[column].unique())
        if given is not None and given not in there:
            raise UnknownNameError(column, given, there)
