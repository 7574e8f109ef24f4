"""Sync the games of a workspace: one job a video, anchors of those that were accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from openbasket import engine, tables
from openbasket.clock.anchors import store_anchors
from openbasket.clock.ocr import Box
from openbasket.clock.scoreboard import read_scoreboard
from openbasket.errors import BadInputError, NotFoundError, Problem
from openbasket.storage import Place, place
from openbasket.workspace import Workspace

__all__ = ["Synced", "sync_scoreboards"]


@dataclass(frozen=True)
class Synced:
    """What became of one game: see :class:`openbasket.clock.scoreboard.ScoreboardReport`."""

    game_id: str
    refused: str | None
    anchors: int = 0
    readings: int = 0
    rejected: int = 0
    board: Box | None = None
    located: float = 0.0


@dataclass(frozen=True)
class _Job:
    game: dict[str, Any]
    events: pl.DataFrame
    video: Place


def _work(job: _Job) -> tuple[Synced, pl.DataFrame]:
    events = job.events if job.events.height else None
    report = read_scoreboard(job.video, job.game, events)
    synced = Synced(
        report.game_id,
        report.refused,
        report.anchors.height,
        len(report.readings),
        report.rejected,
        report.board,
        report.located,
    )
    return synced, report.anchors


def sync_scoreboards(
    workspace: Workspace,
    games: Sequence[str] | None = None,
    *,
    workers: int | None = None,
    quiet: bool = False,
) -> list[Synced]:
    """Read the scoreboards of games' videos, in parallel, and store the anchors of accepted games.

    A game that is refused keeps the anchors it had.

    Args:
        workspace: the dataset; the column ``video`` of ``games`` holds paths (relative to it, or absolute)
            or URLs.
        games: only these; all that have a video by default.
        workers: processes; all cores by default.
        quiet: no progress bar.

    Returns:
        One outcome a game, in the order of their ids.

    Raises:
        BadInputError: games that the workspace does not have, or that have no video.
        NotFoundError: no game has a video.
    """
    rows = workspace.read("games").sort("game_id")
    with_video = rows.filter(pl.col("video").is_not_null())
    known = set(with_video["game_id"].to_list())
    problems = [
        Problem(str(workspace.root), None, "game", repr(game), "the id of a game that has a video")
        for game in games or ()
        if game not in known
    ]
    if problems:
        raise BadInputError(problems, hint="See column video of the games table.")
    if games is not None:
        with_video = with_video.filter(pl.col("game_id").is_in(list(games)))
    if not with_video.height:
        raise NotFoundError(
            f"no game of '{workspace.root}' has a video; put paths into the column video of games"
        )
    events = workspace.read("events") if workspace.has("events") else tables.empty("events")
    parts = events.partition_by("game_id", as_dict=True)
    jobs = [
        _Job(
            row,
            parts.get((row["game_id"],), tables.empty("events")),
            place(row["video"], workspace.root),
        )
        for row in with_video.iter_rows(named=True)
    ]
    outcomes = engine.run(_work, jobs, describe="Reading scoreboards", workers=workers, quiet=quiet)
    synced: list[Synced] = []
    anchors: list[pl.DataFrame] = []
    for outcome in outcomes:
        if outcome.result is None:
            synced.append(Synced(outcome.item.game["game_id"], outcome.error))
            continue
        synced.append(outcome.result[0])
        if outcome.result[0].refused is None:
            anchors.append(outcome.result[1])
    if anchors:
        store_anchors(workspace, pl.concat(anchors))
    return synced
