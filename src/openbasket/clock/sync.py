"""Sync the games of a workspace by their scoreboards or wall clocks; anchors of those that were accepted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from openbasket import engine, tables
from openbasket.clock.anchors import store_anchors
from openbasket.clock.fit import locate
from openbasket.clock.ocr import Box
from openbasket.clock.scoreboard import read_scoreboard
from openbasket.clock.stamps import StampFit, fit_stamps
from openbasket.clock.wall_clock import Given, Moment, Part, Placed, parse_instant, place
from openbasket.errors import BadInputError, NotFoundError, Problem, VideoError
from openbasket.storage import Place
from openbasket.storage import place as place_of
from openbasket.video.probe import duration_s, open_video
from openbasket.workspace import Workspace

__all__ = [
    "Synced",
    "WallSynced",
    "moments_of_anchors",
    "periods_played",
    "starts_of_recordings",
    "sync_scoreboards",
    "sync_wall_clocks",
]


#: A clock that never shows a minute is not told from other numbers of the picture.
_SHORTEST_S = 60


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
    refused = report.refused
    if refused is not None and job.game["period_s"] < _SHORTEST_S:
        refused = (
            f"its periods last {job.game['period_s']:g} s; a scoreboard can be read where they last at least "
            f"{_SHORTEST_S} s. Sync it by hand, with a CSV of anchors"
        )
    synced = Synced(
        report.game_id,
        refused,
        report.anchors.height,
        len(report.readings),
        report.rejected,
        report.board,
        report.located,
    )
    return synced, report.anchors


def _games(
    workspace: Workspace, wanted: Collection[str] | None, *, need_video: bool = True
) -> pl.DataFrame:
    """The rows of the wanted games, in the order of their ids; all of them by default."""
    rows = workspace.read("games").sort("game_id")
    if need_video:
        rows = rows.filter(pl.col("video").is_not_null())
    known = set(rows["game_id"].to_list())
    allowed = "the id of a game that has a video" if need_video else "the id of a game"
    problems = [
        Problem(str(workspace.root), None, "game", repr(game), allowed)
        for game in wanted or ()
        if game not in known
    ]
    if problems:
        raise BadInputError(problems, hint="See the games table, and its column video.")
    if wanted is not None:
        rows = rows.filter(pl.col("game_id").is_in(list(wanted)))
    return rows


def periods_played(workspace: Workspace) -> dict[str, set[int]]:
    """The periods of each game: those of regulation, and those in which it has events.

    Games without events are left out: nobody knows of their overtimes.
    """
    regulation = dict(workspace.read("games").select("game_id", "periods").iter_rows())
    events = workspace.read("events") if workspace.has("events") else tables.empty("events")
    found: dict[str, set[int]] = {}
    for game, period in events.select("game_id", "period").unique().iter_rows():
        found.setdefault(game, set(range(1, regulation.get(game, 0) + 1))).add(period)
    return found


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
    with_video = _games(workspace, games)
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
            place_of(row["video"], workspace.root),
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


@dataclass(frozen=True)
class WallSynced:
    """What became of one game.

    Args:
        refused: why it has no new anchors, or None.
        anchors: how many it has now.
        stamps, used: clock values with a stamp, and how many of them fit the clock.
        spread_s, delay_s: see :class:`openbasket.clock.stamps.StampFit`.
        residual_s: the median of the anchors' own.
        located: share of the events that are placed.
        parts: the offsets, see :class:`openbasket.clock.wall_clock.Part`.
        left_out: a reason for each period without anchors, and each moment that is not used.
    """

    game_id: str
    refused: str | None
    anchors: int = 0
    stamps: int = 0
    used: int = 0
    spread_s: float = 0.0
    delay_s: float = 0.0
    residual_s: float = 0.0
    located: float = 0.0
    parts: tuple[Part, ...] = ()
    left_out: tuple[str, ...] = ()


def sync_wall_clocks(
    workspace: Workspace, given: Mapping[str, Given], *, tolerance_s: float = 2.0
) -> list[WallSynced]:
    """Make anchors from the wall-clock stamps of games' events, and store those of accepted games.

    A game that is refused keeps the anchors it had. Videos that are there are only asked how long they are.

    Args:
        workspace: the dataset; paths in the column ``video`` of ``games`` are relative to it.
        given: where the video of each game stands in wall time.
        tolerance_s: how far a usual stamp may be off, and moments may contradict each other.

    Returns:
        One outcome a game, in the order of their ids.

    Raises:
        BadInputError: games that the workspace does not have.
        NotFoundError: the workspace has no events.
    """
    rows = _games(workspace, given, need_video=False)
    parts = workspace.read("events").partition_by("game_id", as_dict=True)
    synced: list[WallSynced] = []
    accepted: list[pl.DataFrame] = []
    for row in rows.iter_rows(named=True):
        game = str(row["game_id"])
        events = parts.get((game,), tables.empty("events"))
        fit = fit_stamps(row, events)
        placed = _placed(workspace, row, fit, given[game], tolerance_s)
        synced.append(_outcome(game, events, fit, placed, tolerance_s))
        if placed.refused is None:
            accepted.append(placed.anchors)
    if accepted:
        store_anchors(workspace, pl.concat(accepted))
    return synced


def _placed(
    workspace: Workspace, row: dict[str, Any], fit: StampFit, given: Given, tolerance_s: float
) -> Placed:
    length: float | None = None
    if row["video"] is not None and (workspace.root / row["video"]).is_file():
        try:
            with open_video(workspace.root / row["video"]) as (container, stream):
                length = float(duration_s(container, stream)) or None
        except VideoError as error:
            return Placed(tables.empty("anchors"), (), fit.left_out, str(error))
    return place(fit, given, duration_s=length, tolerance_s=tolerance_s)


def _outcome(
    game: str, events: pl.DataFrame, fit: StampFit, placed: Placed, tolerance_s: float
) -> WallSynced:
    told = (fit.stamps, fit.used, fit.spread_s, fit.delay_s)
    if placed.refused is not None:
        return WallSynced(game, placed.refused, 0, *told, left_out=placed.left_out)
    found = locate(events, placed.anchors, tolerance_s=tolerance_s).times.height
    residual = placed.anchors["residual_s"].median()
    return WallSynced(
        game, None, placed.anchors.height, *told,
        residual_s=float(residual) if isinstance(residual, float) else 0.0,
        located=found / events.height, parts=placed.parts, left_out=placed.left_out,
    )  # fmt: skip


def starts_of_recordings(
    workspace: Workspace, games: Sequence[str] | None = None
) -> dict[str, Given]:
    """When videos begin by their own metadata (``creation_time``): as good as the clock of the recorder.

    Many programs write when the file was made instead, so ask for it only where it is known to be right.

    Raises:
        BadInputError: games without a video, or videos that do not say when they begin.
        VideoError: a video that cannot be read.
    """
    found: dict[str, Given] = {}
    problems: list[Problem] = []
    for row in _games(workspace, games).iter_rows(named=True):
        path = workspace.root / row["video"]
        with open_video(path) as (container, stream):
            text = container.metadata.get("creation_time") or stream.metadata.get("creation_time")
        start = parse_instant(text) if text else None
        if start is None:
            given = f"creation_time {text!r}" if text else "no creation_time"
            problems.append(Problem(str(path), None, "metadata", given, "a time in ISO 8601"))
        else:
            found[str(row["game_id"])] = Given(start=start)
    if problems:
        raise BadInputError(problems, hint="Give the starts in a CSV, or moments of the videos.")
    return found


def moments_of_anchors(
    workspace: Workspace, games: Sequence[str] | None = None
) -> dict[str, Given]:
    """Take the anchors that games have, given by hand or read off the scoreboard, as moments.

    Raises:
        BadInputError: games that the workspace does not have, or that have no such anchor.
        NotFoundError: no game has one.
    """
    known = _games(workspace, games, need_video=False)["game_id"].to_list()
    anchors = workspace.read("anchors") if workspace.has("anchors") else tables.empty("anchors")
    anchors = anchors.filter(pl.col("how").is_in(["given", "scoreboard"]))
    found = {
        str(game): Given(
            moments=tuple(
                Moment(*row) for row in part.select("period", "clock_s", "media_s").iter_rows()
            )
        )
        for (game,), part in anchors.group_by("game_id", maintain_order=True)
        if game in known
    }
    allowed = "a game with anchors that were given or read off the scoreboard"
    problems = [
        Problem(str(workspace.root), None, "game", repr(game), allowed)
        for game in games or ()
        if game not in found
    ]
    if problems:
        raise BadInputError(problems)
    if not found:
        raise NotFoundError(
            f"no game of '{workspace.root}' has anchors; give moments or starts of videos"
        )
    return found
