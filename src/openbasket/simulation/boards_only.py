"""A game's scoreboard before a moving picture: hours of video in minutes, to try readers of scoreboards.

The running order, the scoreboard, the troubles, the encoder and the truth are those of
:mod:`openbasket.simulation.broadcast`; only the players are missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket.simulation.boards import Facts, draw_board
from openbasket.simulation.broadcast import (
    RenderedGame,
    anchors_of,
    clocks_of,
    event_times_of,
    game_montage,
    team_codes,
)
from openbasket.simulation.graphics import clock_text, draw_corner, period_text, scoreboard
from openbasket.simulation.hall import hall
from openbasket.simulation.looks import team_colours
from openbasket.simulation.timeline import RenderSettings, plan
from openbasket.simulation.troubles import broadcast_frames
from openbasket.video.write import VideoWriter

__all__ = ["render_boards"]


def render_boards(
    game: Mapping[str, Any],
    events: pl.DataFrame,
    path: Path,
    *,
    settings: RenderSettings | None = None,
    seed: int = 0,
    size: tuple[int, int] = (1280, 720),
    fps: Fraction = Fraction(25),
) -> RenderedGame:
    """Render a game's scoreboard alone, with its truth, as :func:`openbasket.simulation.broadcast.render`.

    Args:
        game: its row of the games table.
        events: its rows of the events table.
        path: where the video goes.
        settings: as there.
        seed: for where the troubles fall.
        size: width and height, pixels.
        fps: frames a second.

    Raises:
        BadInputError: no events.
    """
    settings = settings or RenderSettings(board="strip")
    style = settings.board
    kits = team_colours(game["home_team_id"], game["away_team_id"])
    colours = (kits[0][0], kits[1][0])
    laid = plan(game, events, settings, fps)
    cut = game_montage(game, laid, settings, seed)
    width, height = size
    resized = cv2.resize(hall(), (width * 3 // 2, height), interpolation=cv2.INTER_AREA)
    wide = np.asarray(resized, dtype=np.uint8)
    codes = team_codes(game)
    clocks = [clocks_of(period) for period in laid.periods]
    starts = [p.first for p in laid.periods]
    scores = _scores(game, events, laid.event_frames, laid.frames)

    hold = round(fps)  # the camera moves once a second, so that most frames cost the encoder little

    def left(frame: int) -> int:
        return round((1.0 - math.cos(frame // hold / 6)) * float(wide.shape[1] - width) / 2)

    def bare() -> Iterator[NDArray[np.uint8]]:
        for frame in range(laid.frames):
            yield wide[:, left(frame) : left(frame) + width].copy()

    drawn: dict[tuple[object, ...], NDArray[np.uint8]] = {}

    def with_board(image: NDArray[np.uint8], frame: int) -> None:
        index = int(np.searchsorted(starts, frame, side="right")) - 1
        period = laid.periods[index]
        clock = float(clocks[index][frame - period.first])
        score = (int(scores[0][frame]), int(scores[1][frame]))
        number, day = int(game["periods"]), frame / float(fps)
        facts = Facts(codes, score, period.period, number, clock, period.length_s, day)
        key = (left(frame), facts.clock(True), facts.shot_clock, score, period.period, day // 60)
        if key not in drawn:
            drawn.clear()
            if style == "corner":
                label = period_text(period.period, number)
                draw_corner(image, scoreboard(codes, colours, score, label, clock_text(clock)))
            else:
                draw_board(image, style, facts)
            drawn[key] = image.copy()
        else:
            image[:] = drawn[key]

    count = 0
    writer = VideoWriter(
        path, width=width, height=height, fps=fps, crf=settings.crf, preset=settings.preset,
        gop=settings.gop,
    )  # fmt: skip
    with writer as video:
        for frame in islice(broadcast_frames(cut, bare(), with_board, float(fps)), int(cut.at[-1])):
            video.write(cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420), "yuv420p")
            count += 1
    game_id = game["game_id"]
    return RenderedGame(
        game_id,
        path,
        count,
        anchors_of(game_id, laid, count, cut),
        event_times_of(game_id, laid, count, cut),
    )


def _scores(
    game: Mapping[str, Any], events: pl.DataFrame, frames: Mapping[str, int], total: int
) -> NDArray[np.int64]:
    """Points of home and away in each frame, ``(2, F)``."""
    points = np.zeros((2, total + 1), np.int64)
    sides = {game["home_team_id"]: 0, game["away_team_id"]: 1}
    made = events.filter(pl.col("made") & pl.col("kind").is_in(["field_goal", "free_throw"]))
    for event, team, value in made.select("event_id", "team_id", "value").iter_rows():
        if team in sides:
            points[sides[team], frames[event]] += value or 0
    return np.cumsum(points, axis=1)
