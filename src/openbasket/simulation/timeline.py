"""Events to a running order: what is shown when, and when the game clock stands.

While the game clock runs, one second of it is one second of video. A whistle (foul, time-out,
ball out of play, substitution, a basket in the last two minutes) stops the clock; the video goes
on while free throws are shot and players change. Every moment gets a frame; from the same walk
comes the exact map from game clock to media time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

import polars as pl

from openbasket.errors import BadInputError, ConfigError, Problem
from openbasket.simulation.boards import STYLES, BoardStyle
from openbasket.simulation.difficulty import EASY, Difficulty

__all__ = ["Moment", "PeriodPlan", "Plan", "RenderSettings", "plan"]

MomentKind = Literal[
    "shot",
    "rebound",
    "turnover",
    "foul",
    "free_throw",
    "pass",
    "substitution",
    "timeout",
    "jump_ball",
    "gesture",
    "period",
]
#: The clock stands after these.
WHISTLES = frozenset({"foul", "free_throw", "substitution", "timeout", "jump_ball", "period"})
#: FIBA rules, article 49.2: a basket stops the clock in the last two minutes of the game.
LATE_S = 120.0


@dataclass(frozen=True)
class RenderSettings:
    """How a game is filmed.

    Args:
        dead_time_s: how long the clock stands after a whistle (a real broadcast: 20 to 30 s).
        free_throw_s: media time a free throw takes.
        timeout_s: how long the clock stands in a time-out.
        max_dead_time_s: a stop with many free throws and substitutions is squeezed to this length,
            as far as each of them can still be seen.
        period_break_s: standing clock before and after a period.
        crf, preset, gop: the encoder's settings, see :class:`openbasket.video.write.VideoWriter`.
        board: style of the scoreboard, one of :data:`openbasket.simulation.boards.STYLES`.
        hidden: stretches without a scoreboard.
        replays: slow motion of the past seconds, put into stops; every other one with the old clock.
        adverts: breaks put into stops.
        missing: stretches that were not broadcast; the clock goes on meanwhile.
        trouble_s: length of a stretch without a scoreboard, an advert or a missing stretch.
        difficulty: how hard the pictures are to watch.
    """

    dead_time_s: float = 3.0
    free_throw_s: float = 2.8
    timeout_s: float = 4.0
    max_dead_time_s: float = 20.0
    period_break_s: float = 2.0
    crf: int = 25
    preset: str = "superfast"
    gop: int = 30
    board: BoardStyle = "corner"
    hidden: int = 0
    replays: int = 0
    adverts: int = 0
    missing: int = 0
    trouble_s: float = 30.0
    difficulty: Difficulty = EASY

    @property
    def troubled(self) -> bool:
        """Whether anything is hidden, put in or left out."""
        return any((self.hidden, self.replays, self.adverts, self.missing))

    def __post_init__(self) -> None:
        faults = []
        for name in ("dead_time_s", "free_throw_s", "timeout_s", "period_break_s"):
            value = getattr(self, name)
            if not 1.0 <= value <= 300.0:
                faults.append(f"{name} is {value}; allowed: 1 to 300 seconds")
        if not self.dead_time_s <= self.max_dead_time_s <= 600.0:
            faults.append(
                f"max_dead_time_s is {self.max_dead_time_s}; allowed: dead_time_s to 600 seconds"
            )
        if not 0 <= self.crf <= 51:
            faults.append(f"crf is {self.crf}; allowed: 0 to 51")
        if self.gop < 1:
            faults.append(f"gop is {self.gop}; allowed: 1 or more frames")
        if self.board not in STYLES:
            faults.append(f"board is {self.board!r}; allowed: {', '.join(STYLES)}")
        for name in ("hidden", "replays", "adverts", "missing"):
            if getattr(self, name) < 0:
                faults.append(f"{name} is {getattr(self, name)}; allowed: 0 or more")
        if not 1.0 <= self.trouble_s <= 600.0:
            faults.append(f"trouble_s is {self.trouble_s}; allowed: 1 to 600 seconds")
        if faults:
            raise ConfigError("render settings: " + "; ".join(faults))


@dataclass
class Moment:
    """One thing to be shown: a play with everyone who has a part in it.

    ``team`` is 0 for the home team, 1 for the away team, -1 where there is none. ``second`` is the
    passer of an assist, the thief of a turnover or the player who drew a foul; ``third`` is the
    player who blocked a shot or passed to the fouled one. ``offensive`` marks rebounds and fouls.
    ``frame`` is the picture in which the outcome is seen.
    """

    kind: MomentKind
    period: int
    clock_s: float
    order: int
    team: int
    actor: str | None
    second: str | None = None
    third: str | None = None
    made: bool = False
    value: int = 2
    x_m: float | None = None
    y_m: float | None = None
    contested: bool | None = None
    offensive: bool = False
    last: bool = True
    rows: list[tuple[str, str]] = field(default_factory=list)
    ins: list[tuple[int, str]] = field(default_factory=list)
    outs: list[tuple[int, str]] = field(default_factory=list)
    frame: int = -1

    @property
    def live(self) -> bool:
        """Whether it needs a running clock."""
        return self.kind in ("shot", "rebound", "turnover", "pass")


@dataclass(frozen=True)
class PeriodPlan:
    """A period's frames: ``first <= frame < end``.

    ``stops`` are ``(frame, clock_s)`` pairs where the clock starts or stops, in order; between two
    of them it either stands or runs 1:1.
    """

    period: int
    length_s: float
    first: int
    end: int
    moments: tuple[Moment, ...]
    stops: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Plan:
    """A game's running order and its true clock map."""

    fps: Fraction
    periods: tuple[PeriodPlan, ...]
    frames: int
    event_frames: Mapping[str, int]


def plan(
    game: Mapping[str, Any],
    events: pl.DataFrame,
    settings: RenderSettings,
    fps: Fraction,
    *,
    periods: Sequence[int] | None = None,
) -> Plan:
    """Lay out a game's events in media time.

    Args:
        game: a row of the games table.
        events: that game's rows of the events table, any order.
        settings: lengths of the dead times.
        fps: frames a second.
        periods: only these; all by default.

    Raises:
        BadInputError: no events, or none in the wanted periods.
    """
    rows = events.sort("order", "event_id").to_dicts()
    present = sorted({int(row["period"]) for row in rows})
    wanted = present if periods is None else [p for p in present if p in set(periods)]
    if not wanted:
        raise BadInputError(
            [
                Problem(
                    f"events of game {game['game_id']}",
                    None,
                    "period",
                    "no event" if not present else f"periods {list(periods or ())}",
                    f"one of {present}" if present else "at least one event",
                )
            ]
        )
    plans: list[PeriodPlan] = []
    start = 0
    for period in wanted:
        length = float(game["period_s"] if period <= game["periods"] else game["overtime_s"])
        late = period >= int(game["periods"])
        moments = _moments(game, [row for row in rows if row["period"] == period], period, length)
        laid = _lay(moments, period, length, late, start, settings, fps)
        plans.append(laid)
        start = laid.end
    frames = {
        event_id: moment.frame
        for laid in plans
        for moment in laid.moments
        for event_id, _ in moment.rows
    }
    return Plan(fps, tuple(plans), start, frames)


# -- rows to moments ------------------------------------------------------------------------


def _moments(
    game: Mapping[str, Any], rows: list[dict[str, Any]], period: int, length: float
) -> list[Moment]:
    sides = {game["home_team_id"]: 0, game["away_team_id"]: 1}
    clock = length
    plays: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        clock = min(clock, max(float(row["clock_s"]), 0.0))  # never runs backwards
        row["_clock"] = clock
        row["_team"] = sides.get(row["team_id"], -1)
        plays.setdefault(int(row["play_id"]), []).append(row)
    moments: list[Moment] = []
    seen: set[str] = set()
    for row in rows:
        if row["event_id"] in seen:
            continue
        moment = _moment(row, plays[int(row["play_id"])], seen, period)
        seen.update(event_id for event_id, _ in moment.rows)
        previous = moments[-1] if moments else None
        if (
            previous
            and moment.kind == previous.kind == "substitution"
            and moment.clock_s == previous.clock_s
        ):
            previous.rows += moment.rows
            previous.ins += moment.ins
            previous.outs += moment.outs
            continue
        if _joins(moment, moments):
            continue
        moments.append(moment)
    for index, moment in enumerate(moments):
        if moment.kind != "free_throw":
            continue
        for later in moments[index + 1 :]:
            if later.clock_s != moment.clock_s or later.live:
                break
            if later.kind == "free_throw" and later.team == moment.team:
                moment.last = False
                break
    return moments


def _joins(moment: Moment, moments: list[Moment]) -> bool:
    """Put a row that belongs to the foul before it there: an offensive foul's turnover, an assist."""
    same = [m for m in moments[-6:] if m.clock_s == moment.clock_s]
    if moment.kind == "turnover" and moment.second is None:
        for foul in same:
            if foul.kind == "foul" and (foul.team, foul.actor) == (moment.team, moment.actor):
                foul.rows += moment.rows
                foul.offensive = True
                return True
    if moment.kind == "foul":
        for lost in same:
            if (
                lost.kind == "turnover"
                and lost.second is None
                and (lost.team, lost.actor) == (moment.team, moment.actor)
            ):
                lost.kind, lost.offensive = "foul", True
                lost.second = moment.second
                lost.rows += moment.rows
                return True
    if moment.kind == "pass" and moment.rows[0][1] == "assist":
        for foul in reversed(same):  # the pass that led to free throws
            if foul.kind == "foul" and foul.team != moment.team:
                foul.third = moment.actor
                foul.rows += moment.rows
                return True
    return False


def _moment(row: dict[str, Any], play: list[dict[str, Any]], seen: set[str], period: int) -> Moment:
    """Make the moment that a row leads; the play's other rows that belong to it join."""
    free = [other for other in play if other["event_id"] not in seen]

    def pick(*kinds: str, team: int | None = None) -> dict[str, Any] | None:
        for other in free:
            if other["kind"] in kinds and (team is None or other["_team"] == team):
                return other
        return None

    kind = row["kind"]
    lead = row
    joined: list[dict[str, Any]] = []
    second = third = None
    shot = pick("field_goal")
    if kind in ("field_goal", "assist", "block", "blocked") and shot is not None:
        lead = shot
        assist, block, blocked = pick("assist"), pick("block"), pick("blocked")
        second = assist["player_id"] if assist else None
        third = block["player_id"] if block else None
        joined = [other for other in (assist, block, blocked) if other]
        what: MomentKind = "shot"
    elif kind in ("turnover", "steal"):
        lead = pick("turnover") or row
        steal = pick("steal")
        what = "turnover"
        if steal is not None and steal is not lead:
            second = steal["player_id"]
            joined = [steal]
        elif steal is not None:  # a steal whose turnover was not recorded
            second = steal["player_id"]
    elif kind in ("foul", "foul_drawn"):
        lead = pick("foul") or row
        drawn = pick("foul_drawn")
        what = "foul"
        if drawn is not None and drawn is not lead:
            second = drawn["player_id"]
            joined = [drawn]
        elif drawn is not None:
            second = drawn["player_id"]
    elif kind in ("offensive_rebound", "defensive_rebound"):
        what = "rebound"
    elif kind == "free_throw":
        what = "free_throw"
    elif kind in ("pass", "assist"):
        what = "pass"
    elif kind in ("sub_in", "sub_out"):
        what = "substitution"
    elif kind == "timeout":
        what = "timeout"
    elif kind == "jump_ball":
        what = "jump_ball"
    elif kind in ("period_start", "period_end"):
        what = "period"
    else:
        what = "gesture"
    actor, team = lead["player_id"], lead["_team"]
    if what == "turnover" and lead["kind"] == "steal":
        actor, team = None, (1 - team if team >= 0 else -1)
    if what == "foul" and lead["kind"] == "foul_drawn":
        actor, team = None, (1 - team if team >= 0 else -1)
    places = [r for r in (lead, *joined) if r["x_m"] is not None and r["y_m"] is not None]
    moment = Moment(
        kind=what,
        period=period,
        clock_s=lead["_clock"],
        order=int(row["order"]),
        team=team,
        actor=actor,
        second=second,
        third=third,
        made=bool(lead["made"]),
        value=int(lead["value"] or (1 if what == "free_throw" else 2)),
        x_m=float(places[0]["x_m"]) if places else None,
        y_m=float(places[0]["y_m"]) if places else None,
        contested=lead["contested"],
        offensive=kind == "offensive_rebound",
        rows=[(r["event_id"], r["kind"]) for r in (lead, *joined)],
    )
    if what == "substitution" and row["player_id"] is not None and team >= 0:
        (moment.ins if kind == "sub_in" else moment.outs).append((team, row["player_id"]))
    if what == "period" and kind == "period_end":
        moment.last = False
    moment.clock_s = min(row["_clock"], lead["_clock"]) if lead is not row else row["_clock"]
    return moment


# -- moments to frames ----------------------------------------------------------------------

#: Least media seconds from the moment before to this one.
_GAP_S = {
    "rebound": 0.75,
    "foul": 0.5,
    "turnover": 1.1,
    "pass": 0.7,
    "substitution": 0.4,
    "timeout": 0.8,
    "jump_ball": 0.5,
    "gesture": 0.1,
    "period": 0.0,
}
#: Media seconds that the picture stays on a dead ball after the last moment.
_TAIL_S = {"foul": 1.6, "free_throw": 1.2, "substitution": 1.4, "timeout": 1.5, "jump_ball": 0.6}


def _gap_s(before: Moment | None, moment: Moment, settings: RenderSettings) -> float:
    if before is None:
        return 0.3
    if moment.kind == "free_throw":
        return settings.free_throw_s if before.kind == "free_throw" else settings.free_throw_s + 0.4
    if moment.kind == "shot":
        if before.kind == "rebound":
            return 1.1 if before.offensive else 3.2
        if before.kind in ("shot", "turnover", "free_throw"):
            return 3.6 if before.team != moment.team else 2.2
        return 1.8
    if moment.kind == "turnover" and before.kind in ("shot", "rebound", "turnover"):
        return 1.6
    if moment.kind == "foul" and before.kind == "shot":
        return 0.3
    if moment.kind == "substitution" and before.kind == "free_throw":
        return 1.2
    return _GAP_S[moment.kind]


def _stops_clock(moment: Moment, late: bool) -> bool:
    if moment.kind == "shot":
        return late and moment.made and moment.clock_s <= LATE_S
    if moment.kind == "turnover":
        return moment.second is None
    return moment.kind in WHISTLES


def _lay(
    moments: list[Moment],
    period: int,
    length: float,
    late: bool,
    start: int,
    settings: RenderSettings,
    fps: Fraction,
) -> PeriodPlan:
    def frames(seconds: float) -> int:
        return round(seconds * fps)

    stops: list[tuple[int, float]] = [(start, length)]
    running = False
    stop_frame, stop_clock = start, length
    rest = frames(settings.period_break_s)  # how long the present stop lasts at least
    run_frame, run_clock = start, length
    last, before = start, None
    squeeze = 1.0

    def nominal(clock: float) -> int:
        return run_frame + frames(run_clock - clock)

    for index, moment in enumerate(moments):
        clock = moment.clock_s
        gap = frames(_gap_s(before, moment, settings) * (1.0 if running else squeeze))
        if not running and (clock < stop_clock or moment.live):
            tail = frames(_TAIL_S.get(before.kind, 0.5) if before else 0.5)
            resume = max(stop_frame + rest, last + tail)
            if moment.kind == "rebound" and before is not None and before.kind == "free_throw":
                lead = frames(stop_clock - clock)
                resume = max(last + gap - min(lead, gap), last)
            stops.append((resume, stop_clock))
            run_frame, run_clock, running = resume, stop_clock, True
        if running:
            moment.frame = max(nominal(clock), last + gap)
            if _stops_clock(moment, late):
                stop_frame, stop_clock, running = nominal(clock), clock, False
                stops.append((stop_frame, stop_clock))
                rest = 0
                squeeze = _squeeze(moments, index, settings)
        else:
            moment.frame = last + gap if before is not None else start + frames(0.3)
        if not running:
            pause = settings.timeout_s if moment.kind == "timeout" else settings.dead_time_s
            if moment.kind == "shot":
                pause = min(pause, 2.0)
            if moment.kind == "period":
                pause = settings.period_break_s
            rest = max(rest, frames(pause))
        last, before = moment.frame, moment
    if not running and stop_clock > 0:
        resume = max(stop_frame + rest, last)
        stops.append((resume, stop_clock))
        run_frame, run_clock, running = resume, stop_clock, True
    if running:
        stops.append((nominal(0.0), 0.0))
    end = max(stops[-1][0], last + frames(1.0)) + frames(settings.period_break_s)
    stops.append((end, stops[-1][1]))
    for moment in moments:
        if moment.kind == "period" and not moment.last:
            moment.frame = max(moment.frame, stops[-2][0])
    return PeriodPlan(period, length, start, end, tuple(moments), tuple(stops))


def _squeeze(moments: list[Moment], index: int, settings: RenderSettings) -> float:
    """How much the gaps of a stop must shrink to keep it within ``max_dead_time_s``; not below 0.5."""
    total = 0.0
    for before, moment in pairwise(moments[index:]):
        if moment.live or moment.clock_s != moments[index].clock_s:
            break
        total += _gap_s(before, moment, settings)
    return 1.0 if total <= settings.max_dead_time_s else max(settings.max_dead_time_s / total, 0.5)


def clock_at(stops: Sequence[tuple[int, float]], frame: int, fps: Fraction) -> float:
    """The game clock (seconds left) that the scoreboard shows in a frame.

    Args:
        stops: of a :class:`PeriodPlan`.
        frame: of the video.
        fps: frames a second.
    """
    clock = stops[0][1]
    for (first, at_first), (second, at_second) in pairwise(stops):
        if frame < first:
            break
        gone = (min(frame, second) - first) / float(fps)
        clock = max(at_first - gone, at_second) if at_first > at_second else at_first
    return clock
