"""Game clock to media time, from anchors; and where each event is seen.

Between two anchors the clock ran or stood. A clock value at which it stood has a whole stretch of
media time: :meth:`GameClock.span` gives both ends, ``first`` (it stopped) and ``last`` (it started
again). Whatever stops the clock is seen at ``first``; a period starts at ``last``; free throws are
shot while it stands, and are spread toward ``last``. Where event times are known (rendered
videos), they are used instead.

The width of what two anchors leave open (media time that passed without the clock) bounds the
error; above a tolerance an event is refused, with the reason. Two anchors at one media time are a
cut: the clock values between them are not in the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openbasket import tables
from openbasket.errors import BadInputError, NotFoundError, Problem

__all__ = ["UNPROVEN_S", "GameClock", "Located", "locate"]

#: The residual of an anchor at an event whose moment nothing proves: more than any tolerance.
UNPROVEN_S = 600.0
#: How far a clock read off a scoreboard may contradict its neighbours.
TOLERANCE_S = 1.0
#: Clock values this near are the same (times written as text keep microseconds).
SAME_S = 2e-6
#: Media times this near are the same moment: two clocks at it are a cut.
_CUT_S = 1e-6
#: Real free throws: about 14 s apart where the stop has room for it, the last one about 3 s before the clock
#: runs again.
_FREE_THROW_APART_S, _FREE_THROW_BEFORE_S = 14.0, 3.0


class GameClock:
    """The clock map of one game's video: monotone inside each period, piecewise linear.

    Args:
        anchors: rows of the ``anchors`` table of one game, any order.
        tolerance_s: how far anchors may contradict each other (clock running upward or faster than
            media time); smaller contradictions are smoothed away.

    Raises:
        BadInputError: anchors of several games, or that contradict each other: one problem each.

    Example:
        >>> import polars as pl
        >>> anchors = pl.DataFrame(
        ...     {"game_id": ["g"] * 3, "period": [1] * 3, "clock_s": [600.0, 590.0, 590.0],
        ...      "media_s": [5.0, 15.0, 40.0]}
        ... )
        >>> clock = GameClock(anchors)
        >>> clock.media_s(1, 595.0), clock.span(1, 590.0)
        (10.0, (15.0, 40.0))
    """

    def __init__(self, anchors: pl.DataFrame, tolerance_s: float = TOLERANCE_S) -> None:
        games = sorted(set(anchors["game_id"].to_list()))
        if len(games) != 1:
            raise BadInputError(
                [Problem("anchors", None, "game_id", f"{len(games)} games", "anchors of one game")]
            )
        self.game_id: str = games[0]
        self._maps: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        self._residuals: dict[int, NDArray[np.float64]] = {}
        problems: list[Problem] = []
        rows = anchors.sort(
            ["period", "media_s", "clock_s"], descending=[False, False, True]
        ).partition_by("period", maintain_order=True)
        for part in rows:
            period = int(part["period"][0])
            clock = part["clock_s"].to_numpy().astype(np.float64)
            media = part["media_s"].to_numpy().astype(np.float64)
            problems += self._contradictions(period, clock, media, tolerance_s)
            self._maps[period] = (np.minimum.accumulate(clock), media)
            residual = part["residual_s"].fill_null(0.0) if "residual_s" in part.columns else None
            self._residuals[period] = (
                np.zeros(len(media)) if residual is None else residual.to_numpy().astype(np.float64)
            )
        ends = [(p, m[1][0], m[1][-1]) for p, m in sorted(self._maps.items())]
        for (first, _, end), (second, start, _) in pairwise(ends):
            if start < end:
                problems.append(
                    Problem(
                        f"anchors of game {self.game_id}",
                        None,
                        "media_s",
                        f"period {second} starting at {start:.3f} s, before period {first} ends",
                        f"at least {end:.3f}",
                    )
                )
        if problems:
            raise BadInputError(problems, hint="Mend or remove these anchors.")

    def _contradictions(
        self,
        period: int,
        clock: NDArray[np.float64],
        media: NDArray[np.float64],
        tolerance_s: float,
    ) -> list[Problem]:
        gone, passed = clock[:-1] - clock[1:], np.diff(media)
        place = f"anchors of game {self.game_id}, period {period}"
        problems = []
        faster = (gone > passed + tolerance_s) & (passed > _CUT_S)
        for i in np.flatnonzero((gone < -tolerance_s) | faster):
            between = f"from {media[i]:.3f} s to {media[i + 1]:.3f} s of the video"
            allowed = f"0 to {passed[i]:.3f} s (the clock counts down, no faster than the video)"
            problems.append(
                Problem(place, None, "clock_s", f"{gone[i]:.3f} s gone {between}", allowed)
            )
        return problems

    @property
    def periods(self) -> tuple[int, ...]:
        """The periods that have anchors."""
        return tuple(sorted(self._maps))

    def _map(self, period: int, clock_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if period not in self._maps:
            raise NotFoundError(
                f"game '{self.game_id}': no anchors in period {period}; there are some in "
                f"{', '.join(map(str, self.periods))}"
            )
        clock, media = self._maps[period]
        if not clock[-1] - 1e-6 <= clock_s <= clock[0] + 1e-6:
            raise NotFoundError(
                f"game '{self.game_id}', period {period}: clock {clock_s:.1f} s lies outside the "
                f"anchors, which reach from {clock[0]:.1f} s to {clock[-1]:.1f} s. Add an anchor"
            )
        return clock, media

    def _cuts(self, period: int, i: int) -> bool:
        """Whether the video leaves something out just before an anchor."""
        clock, media = self._maps[period]
        return bool(media[i] - media[i - 1] <= _CUT_S and clock[i - 1] - clock[i] > TOLERANCE_S)

    def span(self, period: int, clock_s: float) -> tuple[float, float]:
        """Media time from when the clock first shows a value to when it last does.

        Args:
            period: 1, 2, ...
            clock_s: seconds left.

        Raises:
            NotFoundError: the period has no anchors, or they do not reach this clock value.
        """
        clock, media = self._map(period, clock_s)
        down = -clock
        value = float(np.clip(-clock_s, down[0], down[-1]))
        i = int(
            np.searchsorted(down, value - SAME_S, side="left")
        )  # first anchor at or after the value
        j = (
            int(np.searchsorted(down, value + SAME_S, side="right")) - 1
        )  # last anchor at or before it
        if i <= j:
            return float(media[i]), float(media[j])
        gone, passed = float(down[i] - down[j]), float(media[i] - media[j])
        if self._cuts(period, i):
            raise NotFoundError(
                f"game '{self.game_id}', period {period}: clock {clock_s:.1f} s is not in the video, "
                f"which leaves out {clock[j]:.1f} s to {clock[i]:.1f} s"
            )
        # Where the clock also stood, the middle of what is possible: half of what is open before it.
        slower = max(passed - gone, 0.0)
        share = (value - down[j]) / gone
        at = float(media[j] + slower / 2 + share * (passed - slower))
        return at, at

    def media_s(
        self, period: int, clock_s: float, side: Literal["first", "last"] = "first"
    ) -> float:
        """Media time of a clock value; where the clock stands, when it stopped (or, ``last``, restarts).

        Never grows with ``clock_s`` inside a period. Raises as :meth:`span`.
        """
        first, last = self.span(period, clock_s)
        return first if side == "first" else last

    def open_s(self, period: int, clock_s: float) -> float:
        """What the anchors leave open at a clock value: the true media time lies in a range this wide.

        Between anchors that are 10 s of clock and 12 s of video apart the clock stood for 2 s
        somewhere. Zero at anchors and wherever clock and video ran alike.
        """
        clock, media = self._map(period, clock_s)
        value = -clock_s
        i = int(np.searchsorted(-clock, value - 1e-9, side="left"))
        if i == 0 or abs(clock[min(i, len(clock) - 1)] - clock_s) < 1e-6 or i >= len(clock):
            return 0.0
        return float(max((media[i] - media[i - 1]) - (clock[i - 1] - clock[i]), 0.0))

    def residuals_s(self, period: int, clock_s: float) -> tuple[float, float]:
        """How far the two ends of a clock value's span may be off themselves; 0 where anchors do not say.

        Infinite for an end at a cut, where the video leaves out when the clock started again.
        """
        clock, _ = self._map(period, clock_s)
        residual = self._residuals[period]
        i = int(np.searchsorted(-clock, -clock_s - SAME_S, side="left"))
        j = int(np.searchsorted(-clock, -clock_s + SAME_S, side="right"))
        if i < j:
            cut = j < len(clock) and self._cuts(period, j)
            return float(residual[i]), np.inf if cut else float(residual[j - 1])
        beside = float(residual[max(i - 1, 0) : i + 1].max())
        return beside, beside


@dataclass(frozen=True)
class Located:
    """Where events are seen.

    Args:
        times: table ``event_times``.
        residual_s: for each row of ``times``, how far it may be off: half of what the anchors leave open,
            and their own residual; 0 where it is known.
        refused: event id and reason.
    """

    times: pl.DataFrame
    residual_s: tuple[float, ...]
    refused: tuple[tuple[str, str], ...]


def locate(
    events: pl.DataFrame,
    anchors: pl.DataFrame,
    event_times: pl.DataFrame | None = None,
    *,
    tolerance_s: float = 2.0,
) -> Located:
    """Say when each event of a game is seen in its video.

    Known event times win. Otherwise the clock map: at a standing clock, live play and whistles
    take the moment the clock stopped, free throws are spread over the stop; a rebound after a
    free throw, and what is told of a period's start, take the moment the clock starts again.

    Args:
        events: rows of one game.
        anchors: rows of that game; may be empty if every event time is known.
        event_times: rows of that game, where there are any.
        tolerance_s: an event whose media time may be further off than this is refused.

    Raises:
        BadInputError: anchors that contradict each other.
    """
    known: dict[str, float] = {}
    if event_times is not None and event_times.height:
        known = dict(event_times.select("event_id", "media_s").iter_rows())
    rows = events.sort("order", "event_id").to_dicts()
    clock = GameClock(anchors) if anchors.height else None
    found: list[tuple[str, str, float, float]] = []
    refused: list[tuple[str, str]] = []
    for index, row in enumerate(rows):
        event, game = row["event_id"], row["game_id"]
        if event in known:
            found.append((game, event, known[event], 0.0))
            continue
        if clock is None:
            refused.append((event, f"game '{game}' has no anchors"))
            continue
        try:
            first, last = clock.span(row["period"], row["clock_s"])
            off = clock.open_s(row["period"], row["clock_s"]) / 2
            ends = clock.residuals_s(row["period"], row["clock_s"])
        except NotFoundError as error:
            refused.append((event, str(error)))
            continue
        at, own = _in_stop(rows, index, (first, last), ends)
        off += own
        if np.isfinite(off) and off <= tolerance_s:
            found.append((game, event, at, off))
            continue
        place = f"period {row['period']}, clock {row['clock_s']:.1f} s"
        if np.isinf(off):
            why = f"the video leaves out when the clock started again at {place}"
        elif off >= UNPROVEN_S:
            why = f"what was read around {place} does not prove when it was. Add an anchor near it"
        else:
            why = (
                f"the anchors around {place} leave its media time open by +-{off:.1f} s; allowed: "
                f"{tolerance_s:.1f} s. Add an anchor near it"
            )
        refused.append((event, why))
    frame = pl.DataFrame(
        [row[:3] for row in found], schema=tables.dtypes("event_times"), orient="row"
    )
    return Located(
        tables.validate("event_times", frame), tuple(row[3] for row in found), tuple(refused)
    )


def _in_stop(
    rows: Sequence[dict[str, object]],
    index: int,
    span: tuple[float, float],
    residuals: tuple[float, float],
) -> tuple[float, float]:
    """Where in a standing clock's stretch of media time an event is seen, and how far that may be off."""
    (first, last), (stopped, started) = span, residuals
    if last - first < 1e-9:
        return first, stopped
    row = rows[index]
    moment = (row["period"], row["clock_s"])
    here = [(i, r["kind"]) for i, r in enumerate(rows) if (r["period"], r["clock_s"]) == moment]
    if any(kind == "period_start" for _, kind in here):
        return last, started
    throws = [i for i, kind in here if kind == "free_throw"]
    if not throws or index < throws[0]:
        return first, stopped
    if index > throws[-1]:
        return (last, started) if str(row["kind"]).endswith("rebound") else (first, stopped)
    if row["kind"] != "free_throw":
        return (first + last) / 2, max(residuals)
    k, n = throws.index(index), len(throws)
    before = min(_FREE_THROW_BEFORE_S, (last - first) / 2)
    room = (last - first - before) / n
    at = last - before - min(_FREE_THROW_APART_S, room) * (n - 1 - k)
    return at, started if room >= _FREE_THROW_APART_S else max(residuals)
