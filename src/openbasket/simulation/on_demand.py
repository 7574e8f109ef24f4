"""Frames of a game drawn when somebody asks for them, equal to those of its rendered video before encoding.

A league of a thousand games needs no terabytes of video then: a game is put into motion once, which takes
about a second, and of its frames only those are drawn that are wanted. ``benchmarks/on_demand.py`` tells how
many that are a second, beside encoding the video and reading it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket.errors import ConfigError, VideoError
from openbasket.simulation.broadcast import clocks_of, painter_of, people_of, scenes, walk_together
from openbasket.simulation.timeline import RenderSettings, plan
from openbasket.video.write import FPS, HEIGHT, WIDTH

__all__ = ["GameFilm"]


class GameFilm:
    """The frames of one game.

    Args:
        game: its row of table ``games``.
        events, appearances, stints: its rows of these tables, in any order.
        settings: how it is filmed; without replays, adverts and the like, and with the board ``corner``.
        seed: for whatever the events leave open, as for :func:`openbasket.simulation.broadcast.render`.
        held: periods that are kept in motion, 20 MB each of ten minutes; where everyone walks is kept of all
            periods, 5 MB each.

    Raises:
        BadInputError: no events.
        ConfigError: settings that cannot be drawn out of order.
    """

    def __init__(
        self,
        game: Mapping[str, Any],
        events: pl.DataFrame,
        appearances: pl.DataFrame,
        stints: pl.DataFrame,
        *,
        settings: RenderSettings | None = None,
        seed: int = 0,
        held: int = 1,
    ) -> None:
        settings = settings or RenderSettings()
        if settings.troubled or settings.board != "corner":
            raise ConfigError(
                "frames on demand: allowed are the scoreboard 'corner' and nothing hidden, missing or put "
                "in; render the video for the others"
            )
        self._plan = plan(game, events, settings, FPS)
        people = people_of(game, appearances, events)
        self._people = {person.player_id: place for place, person in enumerate(people)}
        self._painter = painter_of(game, people, settings, seed)
        self._motion = scenes(game, self._plan, events, stints, people, seed)
        self._scene = lru_cache(held)(self._motion.scene)

    def __len__(self) -> int:
        """Return the number of frames, of all periods."""
        return self._plan.frames

    @property
    def event_frames(self) -> Mapping[str, int]:
        """The frame in which each event is seen."""
        return self._plan.event_frames

    @staticmethod
    def walk_together(films: Sequence[GameFilm]) -> None:
        """Put several games into motion, all of whose frames will be read: faster than each by itself.

        Their frames are the same.
        """
        walk_together([film._motion for film in films])

    def read(
        self,
        frames: Sequence[int] | NDArray[np.int64],
        size: tuple[int, int] | None = None,
        *,
        marks: Sequence[str | None] | None = None,
    ) -> NDArray[np.uint8]:
        """Draw frames.

        Args:
            frames: their numbers, in any order, repeats allowed.
            size: height and width; averaged over areas where it shrinks. The video's own by default.
            marks: the player who has an arrow above his head in each of them, where he is on court.

        Returns:
            uint8 ``(len(frames), height, width, 3)``, RGB.

        Raises:
            VideoError: the game has no such frame.
        """
        wanted = np.asarray(frames, np.int64)
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < len(self)):
            raise VideoError(
                f"frames {int(wanted.min())} to {int(wanted.max())}: the game has {len(self)} frames"
            )
        marked = np.array(
            [self._people.get(who or "", -1) for who in marks or [None] * len(wanted)]
        )
        height, width = size or (HEIGHT, WIDTH)
        made = np.empty((len(wanted), height, width, 3), np.uint8)
        for number, period in enumerate(self._motion.periods):
            inside = np.flatnonzero((wanted >= period.first) & (wanted < period.end))
            if not len(inside):
                continue
            asked = np.stack([wanted[inside] - period.first, marked[inside]], 1)
            different, places = np.unique(asked, axis=0, return_inverse=True)
            drawn = self._painter.some(
                self._scene(number), period.period, clocks_of(period), different[:, 0],
                marks=different[:, 1].tolist(),
            )  # fmt: skip
            for place, picture in enumerate(drawn):
                if size is not None:
                    picture = np.asarray(
                        cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8
                    )
                made[inside[places.ravel() == place]] = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        return made
