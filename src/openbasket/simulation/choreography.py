"""A running order to motion: where everyone stands, how they move, where the ball is.

A period becomes arrays with one row a frame. Eleven figures take part: slots 0 to 4 of the home
team, 5 to 9 of the away team, 10 the referee. A player keeps a slot while on court; a substitution
hands it over at the bench. Off-ball play is invented (spacing, man-to-man defence, transition);
whatever an event states is pinned: that player, that place, that frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from openbasket.simulation.court import (
    BASKET_X,
    HALF_LENGTH,
    HALF_WIDTH,
    RIM_Z,
    to_world,
)
from openbasket.simulation.timeline import Moment, PeriodPlan
from openbasket.simulation.walking import FPS, REFEREE, SLOTS, TOP_SPEED_M_S, Errands, Goal

__all__ = ["Directed", "Scene", "choreograph", "direct", "fives"]

Floats = NDArray[np.float32]
Place = tuple[float, float, float]

#: How far the ball may leave the middle of the picture before the camera pans.
CAMERA_SLACK_M = 1.8

# Poses of the arms: (right elbow, right hand, left elbow, left hand), each forward, outward, up
# from the shoulder, metres.
RELAX, DRIBBLE, SHOOT, HANDS_UP, GUARD, ARM_UP, CHEST, REACH, FOLLOW, HIPS, PASS, GRAB = range(12)
_LOOSE = ((0.0, 0.08, -0.27), (0.10, 0.10, -0.50))


def _both(
    elbow: tuple[float, float, float], hand: tuple[float, float, float]
) -> list[tuple[float, float, float]]:
    return [elbow, hand, elbow, hand]


POSES: Floats = np.array(
    [
        _both(*_LOOSE),
        [(0.10, 0.12, -0.26), (0.36, 0.14, -0.40), (0.14, 0.14, -0.24), (0.32, 0.10, -0.28)],
        _both((0.24, 0.04, 0.08), (0.20, -0.09, 0.40)),
        _both((0.06, 0.12, 0.26), (0.12, 0.16, 0.55)),
        _both((0.12, 0.26, -0.12), (0.24, 0.50, -0.02)),
        [(0.0, 0.05, 0.28), (0.0, 0.03, 0.58), *_LOOSE],
        _both((0.08, 0.15, -0.26), (0.34, -0.10, -0.18)),
        [(0.27, 0.05, -0.10), (0.56, -0.02, -0.20), (0.12, 0.16, -0.22), (0.25, 0.26, -0.24)],
        [(0.22, 0.0, 0.18), (0.42, -0.06, 0.34), (0.2, 0.02, 0.12), (0.26, 0.02, 0.38)],
        _both((-0.02, 0.30, -0.22), (0.05, 0.10, -0.44)),
        _both((0.27, 0.06, -0.08), (0.56, -0.05, -0.06)),
        _both((0.10, 0.04, 0.27), (0.14, -0.10, 0.55)),
    ],
    dtype=np.float32,
).reshape(12, 12)
SHOULDER_Z = 1.50
SHOULDER_OUT = 0.23
TWO_HANDS = frozenset({SHOOT, CHEST, PASS, GRAB})

# Where those stand who wait for a free throw: metres along the baseline and from the basket.
_LANE = np.array([(-2.7, 2.2), (2.7, 2.2), (-2.7, 3.3), (2.7, 3.3)])


@dataclass
class Scene:
    """A period in motion; every array has one row a frame, from ``first`` on.

    Shapes: ``F`` frames, 11 figures. ``who`` holds indices into the caller's list of people
    (slots 0 to 9). ``net`` counts the frames since the ball went through the right (0) and left (1)
    basket, -1 where it did not.
    """

    first: int
    position: Floats  # (F, 11, 2) metres
    jump: Floats  # (F, 11) metres
    facing: Floats  # (F, 11, 2) unit vectors
    stride: Floats  # (F, 11) radians
    speed: Floats  # (F, 11) metres a second
    arms: Floats  # (F, 11, 12)
    who: NDArray[np.int32]  # (F, 10)
    ball: Floats  # (F, 3)
    camera_x: Floats  # (F,)
    close: NDArray[np.bool_]  # (F,)
    net: NDArray[np.int16]  # (F, 2)
    score: NDArray[np.int16]  # (F, 2)


@dataclass
class _Script:
    """What the moments ask of the figures."""

    frames: int
    pins: list[tuple[int, int, int, float, float, int]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    poses: list[tuple[int, int, int, int]] = field(default_factory=list)
    jumps: list[tuple[int, int, float, int]] = field(default_factory=list)
    looks: list[tuple[int, int, int, float, float]] = field(default_factory=list)
    holds: list[tuple[int, int, int, bool]] = field(default_factory=list)
    flights: list[tuple[int, int, int | Place, int | Place, float]] = field(default_factory=list)
    closeups: list[tuple[int, int, int]] = field(default_factory=list)
    nets: list[tuple[int, int]] = field(default_factory=list)
    scores: list[tuple[int, int, int]] = field(default_factory=list)
    possession: list[tuple[int, int]] = field(default_factory=list)
    crashes: list[tuple[int, int]] = field(default_factory=list)

    def pin(
        self, slot: int, start: int, end: int, place: tuple[float, float], ramp: int = 18
    ) -> None:
        """Stand exactly at a place from ``start`` to ``end``, walking in and out over ``ramp`` frames."""
        self.pins.append((slot, start, end, place[0], place[1], ramp))
        self.goals.append((slot, max(start - 50, 0), end, place[0], place[1]))

    def goal(self, slot: int, start: int, end: int, place: tuple[float, float]) -> None:
        """Head for a place."""
        self.goals.append((slot, start, end, place[0], place[1]))

    def pose(self, slot: int, start: int, end: int, code: int) -> None:
        """Hold the arms in a pose."""
        self.poses.append((slot, start, end, code))


# -- line-ups -------------------------------------------------------------------------------


def fives(
    moments: Sequence[Moment],
    team: int,
    stints: Sequence[tuple[int, int, Sequence[str]]],
    roster: Sequence[str],
    first: Sequence[str | None] = (),
) -> list[list[str]]:
    """Who stands in a team's five slots at each moment.

    Taken from the stints where they name five; otherwise from the substitutions, the players who
    act and the roster, so that whoever acts is on court.

    Args:
        moments: of a period, in order.
        team: 0 home, 1 away.
        stints: ``first_order, last_order, player_ids`` of the team in this period.
        roster: the team's players, starters first.
        first: the slots at the end of the period before.
    """
    acting = [_acting(moment, team) for moment in moments]
    slots: list[str | None] = [*first][:5] + [None] * (5 - len(first))
    found: list[list[str]] = []
    for index, moment in enumerate(moments):
        stint = next(
            (set(ids) for start, end, ids in stints if start <= moment.order < end and ids), None
        )
        if stint is not None:
            wanted = stint
        else:
            outs = {p for t, p in moment.outs if t == team}
            wanted = {p for p in slots if p is not None} - outs
            wanted |= {p for t, p in moment.ins if t == team}
        must = [p for p in acting[index] if p]
        ranked = [*must, *sorted(wanted)]
        if len(set(ranked)) < 5:
            soon = [p for later in acting[index:] for p in later]
            ranked += [*(p for p in slots if p is not None), *soon, *roster]
        ranked += [f"?{team}{i}" for i in range(5)]
        five = list(dict.fromkeys(p for p in ranked if p))[:5]
        kept = [p if p in five else None for p in slots]
        new = [p for p in five if p not in kept]
        slots = [p if p is not None else new.pop(0) for p in kept]
        found.append([p for p in slots if p is not None])
    return found


def _acting(moment: Moment, team: int) -> list[str]:
    if moment.kind in ("substitution", "timeout", "period"):
        return []
    own = [moment.actor] if moment.team == team else []
    other = []
    if moment.kind == "shot":
        own += [moment.second] if moment.team == team else []
        other = [moment.third] if moment.team == 1 - team else []
    elif moment.kind in ("turnover", "foul"):
        other = [moment.second] if moment.team == 1 - team else []
        if moment.kind == "foul" and moment.team == 1 - team:
            other.append(moment.third)
    return [p for p in [*own, *other] if p]


# -- the director ---------------------------------------------------------------------------


class _Director:
    """Walks through a period's moments and fills a script."""

    def __init__(
        self,
        plan: PeriodPlan,
        line_ups: Sequence[tuple[list[str], list[str]]],
        home_side: int,
        rng: np.random.Generator,
    ) -> None:
        self.plan = plan
        self.line_ups = line_ups
        self.sides = (home_side, -home_side)
        self.rng = rng
        self.script = _Script(plan.end - plan.first)
        self.have: int | None = None
        self.loose: Place = (0.0, 0.0, 1.0)
        self.free = 0  # from this frame on the ball can move
        self.dead_ball = True
        self.last_place = (0.0, 0.0)  # where the ball was last, and when
        self.last_frame = 0

    # helpers

    def basket(self, team: int) -> tuple[float, float]:
        return self.sides[team] * BASKET_X, 0.0

    def slot(self, index: int, team: int, player: str | None, avoid: Sequence[int] = ()) -> int:
        """The slot of a player; of any of the team where the player is unknown."""
        five = self.line_ups[index][team]
        if player is not None and player in five:
            return team * 5 + five.index(player)
        choice = [team * 5 + i for i in range(5) if team * 5 + i not in avoid]
        return int(choice[int(self.rng.integers(len(choice)))])

    def place(self, moment: Moment, team: int) -> tuple[float, float]:
        """Where a moment happens: as the event says, else a plausible place for its kind."""
        if moment.x_m is not None and moment.y_m is not None:
            x_m, y_m = moment.x_m, moment.y_m
        elif moment.value == 3:
            angle = float(self.rng.uniform(-1.25, 1.25))
            x_m, y_m = 7.1 * np.sin(angle), 7.1 * np.cos(angle)
        elif moment.kind == "shot":
            angle, radius = float(self.rng.uniform(-1.4, 1.4)), float(self.rng.gamma(2.0, 1.1))
            radius = min(0.7 + radius, 5.8)
            x_m, y_m = radius * np.sin(angle), radius * np.cos(angle)
        else:
            x_m, y_m = float(self.rng.uniform(-4.5, 4.5)), float(self.rng.uniform(1.0, 7.0))
        x, y = to_world(float(x_m), float(y_m), self.sides[team])
        return (
            float(np.clip(x, -HALF_LENGTH + 0.3, HALF_LENGTH - 0.3)),
            float(np.clip(y, -HALF_WIDTH + 0.25, HALF_WIDTH - 0.25)),
        )

    def near(self, moment: Moment, team: int, frame: int) -> tuple[float, float]:
        """The place of a moment; where the event has none, one that the play can have reached."""
        place = self.place(moment, team)
        if moment.x_m is not None and moment.y_m is not None:
            return place
        dx, dy = place[0] - self.last_place[0], place[1] - self.last_place[1]
        reach = 0.8 + 5.0 * max(frame - self.last_frame, 0) / FPS
        share = min(1.0, reach / max(float(np.hypot(dx, dy)), 0.01))
        return self.last_place[0] + dx * share, self.last_place[1] + dy * share

    def hold(self, slot: int, start: int, end: int, dribble: bool = True) -> None:
        if end > start:
            self.script.holds.append((slot, start, end, dribble and end - start > 24))

    def fly(self, start: int, end: int, a: int | Place, b: int | Place, apex: float = 0.35) -> None:
        self.script.flights.append((start, max(end, start + 1), a, b, apex))

    def resume_after(self, frame: int) -> int:
        """The frame in which the clock next starts, from ``frame`` on."""
        stops = self.plan.stops
        for (first, at_first), (_, at_second) in pairwise(stops):
            if first >= frame + self.plan.first and at_second < at_first:
                return first - self.plan.first
        return self.script.frames

    def throw(self, start: int, end: int, a: int, b: int) -> None:
        """A pass between team-mates."""
        self.fly(start, end, a, b, 0.3)
        self.script.pose(a, start - 7, start + 6, PASS)
        self.script.pose(b, end - 6, end + 6, CHEST)

    def carry(self, target: int, by: int, *, live: bool = True) -> None:
        """Bring the ball into a slot's hands by a frame, with dribbles and passes."""
        team = target // 5
        by = max(by, self.free + 2)
        if self.have is None or self.have // 5 != team:
            self._gather(team, target, by)
        assert self.have is not None
        rng = self.rng
        point = team * 5
        room = by - self.free
        if live and room > 75 and self.have != point and self.dead_ball is False:
            leave = self.free + int(rng.integers(12, 24))
            self._relay(point, leave)
            room = by - self.free
        first = True
        while live and room > 130:
            wait = int(rng.integers(75, 110)) if first else int(rng.integers(40, 85))
            first = False
            others = [team * 5 + i for i in range(5) if team * 5 + i not in (self.have, target)]
            self._relay(int(others[int(rng.integers(len(others)))]), self.free + wait)
            room = by - self.free
        if self.have == target:
            self.hold(target, self.free, by, dribble=live)
        else:
            length = min(14, max(4, by - self.free))
            self.hold(self.have, self.free, by - length, dribble=live)
            self.throw(by - length, by, self.have, target)
        self.have, self.free = target, by

    def _relay(self, to: int, leave: int) -> None:
        assert self.have is not None
        self.hold(self.have, self.free, leave)
        self.throw(leave, leave + 13, self.have, to)
        self.have, self.free = to, leave + 13

    def _gather(self, team: int, target: int, by: int) -> None:
        """Give a loose or dead ball to a team: throw-in, pick-up or hand-over."""
        room = by - self.free
        resume = self.resume_after(self.free)
        start: int | Place = self.loose if self.have is None else self.have
        if not self.dead_ball or room < 40:
            taker = target if room < 70 else team * 5 + 4
            length = int(np.clip(room // 2, 2, 22))
            self.fly(self.free, self.free + length, start, taker, 0.5)
            self.have, self.free = taker, self.free + length
            return
        # throw-in from the line nearest to the ball
        taker = team * 5 + 4
        x, y = (self.loose[0], self.loose[1]) if self.have is None else (0.0, -1.0)
        if abs(x) > BASKET_X - 1.0:
            spot = (float(np.sign(x)) * (HALF_LENGTH + 0.35), float(np.clip(y, -3, 3)) + 1.4)
        else:
            spot = (
                float(np.clip(x, -11.0, 11.0)),
                (HALF_WIDTH + 0.3) * (1.0 if y > 0 else -1.0),
            )
        release = resume if resume <= by - 24 and resume > self.free else self.free + 36
        release = max(min(release, by - 14), self.free + 16)
        taken = max(self.free + 12, min(self.free + 28, release - 8))
        self.fly(self.free, taken, start, taker, 0.4)
        self.script.pin(taker, taken, release + 3, spot, 24)
        self.hold(taker, taken, release, dribble=False)
        basket = self.sides[team] * 1.0
        point = team * 5 if target != team * 5 + 4 else target
        if target == taker:
            point = team * 5
        away = 3.2 if abs(spot[0]) > 12 else 2.6
        inward = (spot[0] - np.sign(spot[0]) * away, spot[1] * 0.5)
        if abs(spot[0]) <= 12:
            inward = (spot[0] + basket * 0.8, spot[1] - np.sign(spot[1]) * away)
        self.script.goal(point, taken - 20, release + 12, (float(inward[0]), float(inward[1])))
        self.throw(release, release + 12, taker, point)
        self.have, self.free, self.dead_ball = point, release + 12, False

    # moments

    def run(self, before_team: int) -> _Script:
        moments = self.plan.moments
        offence = before_team
        self.script.possession.append((0, offence))
        for index, moment in enumerate(moments):
            frame = moment.frame - self.plan.first
            handler = getattr(self, f"_{moment.kind}", None)
            if moment.kind == "period" and moment.last and index == 0:
                self._tip_off(index)
            if handler is not None:
                handler(index, moment, frame)
        end = self.script.frames
        if self.have is not None:
            self.hold(self.have, self.free, end)
        return self.script

    def _attack(self, team: int, frame: int) -> None:
        """From this frame on, a team is on offence."""
        self.script.possession.append((max(frame, 0), team))

    def _tip_off(self, index: int) -> None:
        resume = self.resume_after(0)
        if self.plan.period != 1:
            self.loose, self.have, self.dead_ball, self.free = (0.5, -7.0, 0.2), None, True, 4
            return
        team = self._next_attack(index)
        for slot, x in ((4, -0.45), (9, 0.45)):
            self.script.pin(slot, 0, resume + 8, (x * self.sides[0], 0.0), 20)
            self.script.jumps.append((slot, resume + 2, 0.55, 24))
            self.script.pose(slot, resume - 8, resume + 8, ARM_UP)
        for i in range(4):
            angle = 0.6 + i * 1.5
            for side, offset in ((0, 0.0), (5, 0.5)):
                spot = (2.6 * np.cos(angle + offset), 2.6 * np.sin(angle + offset))
                self.script.pin(side + i, 0, resume, (float(spot[0]), float(spot[1])), 20)
        self.script.pin(REFEREE, 0, resume, (0.0, 0.75), 20)
        self.script.pose(REFEREE, resume - 30, resume - 10, CHEST)
        self.fly(0, max(resume - 20, 1), (0.0, 0.35, 1.2), (0.0, 0.35, 1.2), 0.0)
        self.fly(max(resume - 20, 1), resume + 2, (0.0, 0.3, 1.2), (0.0, 0.0, 3.0), 0.4)
        self.fly(resume + 2, resume + 20, (0.0, 0.0, 3.0), team * 5, 0.2)
        self.have, self.free, self.dead_ball = team * 5, resume + 20, False
        self._attack(team, resume)

    def _next_attack(self, index: int) -> int:
        for moment in self.plan.moments[index + 1 :]:
            if moment.team >= 0 and moment.kind in ("shot", "turnover", "pass", "free_throw"):
                return moment.team
            if moment.team >= 0 and moment.kind == "foul":
                return 1 - moment.team
        return 0

    def _defender(self, index: int, shooter: int, third: str | None) -> int:
        team = 1 - shooter // 5
        if third is not None:
            return self.slot(index, team, third)
        return team * 5 + shooter % 5

    def _shot(self, index: int, moment: Moment, frame: int) -> None:
        team = max(moment.team, 0)
        script, rng = self.script, self.rng
        place = self.place(moment, team)
        basket = self.basket(team)
        self.last_place, self.last_frame = place, frame
        away = float(np.hypot(place[0] - basket[0], place[1] - basket[1]))
        blocked = moment.third is not None
        flight = 6 if blocked else int(np.clip(11 + 2.6 * away, 11, 48))
        release = max(frame - flight, self.free + 8)
        if release >= frame:
            release = frame - 3
        self._attack(team, min(self.free, release - 20))
        shooter = self.slot(index, team, moment.actor)
        close = away < 2.2
        if moment.second is not None:
            passer = self.slot(index, team, moment.second, avoid=(shooter,))
            catch = release - 15
            length = int(np.clip(catch - self.free - 2, 5, 15))
            self.carry(passer, max(catch - length, self.free))
            self.throw(self.free, self.free + length, passer, shooter)
            self.have, self.free = shooter, self.free + length
        else:
            self.carry(shooter, max(release - 40, self.free))
        if self.free < release - 10:
            self.hold(shooter, self.free, release - 10)
        self.hold(shooter, max(self.free, release - 10), release, dribble=False)
        direction = self._unit(basket, place)
        if close:  # a drive: two steps into the shot
            start = (place[0] - direction[0] * 2.6, place[1] - direction[1] * 2.6)
            script.goal(shooter, release - 70, release - 22, start)
            script.pin(shooter, release - 2, frame + 8, place, 24)
        else:
            script.pin(shooter, release - 16, release + 14, place, 22)
        script.pose(shooter, release - 13, release + 1, SHOOT)
        script.pose(shooter, release + 1, release + 14, FOLLOW)
        script.jumps.append((shooter, release + 1, 0.55 if close else 0.38, 22))
        script.looks.append((shooter, release - 20, frame + 10, *basket))
        self._contest(index, moment, shooter, place, direction, release, away)
        hand: int | Place = shooter
        if blocked:
            blocker = self._defender(index, shooter, moment.third)
            self.fly(release, frame, hand, blocker, 0.1)
            side = float(rng.choice([-1.0, 1.0]))
            floor = (
                place[0] - direction[0] * 2.2 + direction[1] * side,
                place[1] - direction[1] * 2.2 - direction[0] * side,
                0.13,
            )
            self.fly(frame, frame + 16, blocker, floor, 0.3)
            self.have, self.loose, self.free = None, floor, frame + 16
            self.dead_ball = False
            script.crashes.append((frame, frame + 30))
            return
        rim: Place = (basket[0], basket[1], RIM_Z + 0.05)
        apex = 0.25 + 0.19 * away
        if moment.made:
            self.fly(release, frame, hand, rim, apex)
            script.nets.append((frame, team if self.sides[0] > 0 else 1 - team))
            script.scores.append((frame + 8, team, moment.value))
            floor = (basket[0] - self.sides[team] * 0.3, 0.25, 0.13)
            self.fly(frame, frame + 14, rim, floor, 0.0)
            self.fly(
                frame + 14,
                frame + 26,
                floor,
                (floor[0] + 0.3 * self.sides[team], 0.6, 0.13),
                0.55,
            )
            self.have, self.free, self.dead_ball = None, frame + 26, True
            self.loose = (floor[0] + 0.6 * self.sides[team], 0.6, 0.13)
            self._attack(1 - team, frame + 12)
            return
        angle = float(rng.uniform(0, 2 * np.pi))
        edge: Place = (
            basket[0] + 0.25 * float(np.cos(angle)),
            0.25 * float(np.sin(angle)),
            RIM_Z + 0.10,
        )
        self.fly(release, frame, hand, edge, apex)
        self.have, self.loose, self.free, self.dead_ball = None, edge, frame, False
        script.crashes.append((release + 4, frame + 30))
        self._loose_end(index, team, frame, edge)

    def _loose_end(self, index: int, team: int, frame: int, edge: Place) -> None:
        """A miss that nobody is said to have rebounded drops to the floor."""
        following = self.plan.moments[index + 1] if index + 1 < len(self.plan.moments) else None
        if following is not None and following.kind == "rebound":
            return
        floor: Place = (edge[0] - self.sides[team] * 1.6, edge[1] * 5, 0.13)
        self.fly(frame, frame + 24, edge, floor, 0.5)
        self.loose, self.free = floor, frame + 24

    @staticmethod
    def _unit(to: tuple[float, float], start: tuple[float, float]) -> tuple[float, float]:
        dx, dy = to[0] - start[0], to[1] - start[1]
        length = float(np.hypot(dx, dy))
        return (dx / length, dy / length) if length > 0.05 else (1.0, 0.0)

    def _contest(
        self,
        index: int,
        moment: Moment,
        shooter: int,
        place: tuple[float, float],
        direction: tuple[float, float],
        release: int,
        away: float,
    ) -> None:
        blocked = moment.third is not None
        defender = self._defender(index, shooter, moment.third)
        if moment.contested or blocked:
            gap, pose, jump = (0.55 if blocked else 0.85), HANDS_UP, 0.5 if blocked else 0.3
        elif moment.contested is None:
            gap, pose, jump = 1.6, GUARD, 0.0
        else:
            gap, pose, jump = 3.2, GUARD, 0.0
        # between shooter and basket, but more along the picture than into it, so that the gap is seen
        dx, dy = direction[0], 0.45 * direction[1]
        if away < 1.3 or abs(direction[0]) < 0.45:
            dx, dy = -float(self.sides[shooter // 5]), 0.3 * direction[1]
        length = float(np.hypot(dx, dy))
        spot = (place[0] + dx / length * gap, place[1] + dy / length * gap)
        self.script.pin(defender, release - 10, release + 12, spot, 22)
        self.script.pose(defender, release - (12 if pose == HANDS_UP else 30), release + 14, pose)
        if jump:
            self.script.jumps.append((defender, release + 3, jump, 22))
        self.script.looks.append((defender, release - 20, release + 14, *place))

    def _rebound(self, index: int, moment: Moment, frame: int) -> None:
        team = max(moment.team, 0)
        script, rng = self.script, self.rng
        slot = self.slot(index, team, moment.actor)
        frame = max(frame, self.free + 5)
        if self.have is not None:  # no shot in the air: a loose ball
            self.loose, self.have = (self.sides[team] * 0.0, 0.0, 1.0), None
        room = frame - self.free
        if moment.x_m is not None and moment.y_m is not None:
            attacked = team if moment.offensive else 1 - team
            spot = self.place(moment, attacked)
        else:
            reach = float(rng.uniform(1.0, 2.2)) + min(room / 60.0, 1.5)
            angle = float(rng.uniform(-1.2, 1.2))
            x, y = self.loose[0], self.loose[1]
            inward = -float(np.sign(x)) if abs(x) > 1 else 1.0
            spot = (x + inward * reach * float(np.cos(angle)), y + reach * float(np.sin(angle)))
        spot = (
            float(np.clip(spot[0], -HALF_LENGTH + 0.4, HALF_LENGTH - 0.4)),
            float(np.clip(spot[1], -6.9, 6.9)),
        )
        self.last_place, self.last_frame = spot, frame
        high = room <= 45
        script.pin(slot, frame - 4, frame + 10, spot, 20)
        self.fly(self.free, frame, self.loose, slot, 0.15 + 0.012 * min(room, 60))
        if high:
            script.jumps.append((slot, frame, 0.45, 22))
            script.pose(slot, frame - 12, frame + 5, GRAB)
            rival = (1 - team) * 5 + slot % 5
            beside = (spot[0] + 0.75, spot[1] + (0.5 if spot[1] < 0 else -0.5))
            script.pin(rival, frame - 4, frame + 4, beside, 20)
            script.jumps.append((rival, frame + 2, 0.2, 20))
            script.pose(rival, frame - 8, frame + 6, HANDS_UP)
        script.pose(slot, frame + 5, frame + 20, CHEST)
        self.have, self.free, self.dead_ball = slot, frame + 8, False
        script.holds.append((slot, frame, frame + 8, False))
        self._attack(team, frame)

    def _turnover(self, index: int, moment: Moment, frame: int) -> None:
        team = max(moment.team, 0)
        script = self.script
        victim = self.slot(index, team, moment.actor)
        self._attack(team, min(self.free, frame - 30))
        place = self.near(moment, team, frame)
        self.last_place, self.last_frame = place, frame
        if moment.second is None:
            self.carry(victim, max(frame - 12, self.free))
            out = (
                float(np.clip(place[0] + self.rng.uniform(-2, 2), -13.5, 13.5)),
                (HALF_WIDTH + 1.2) * (1.0 if place[1] > 0 else -1.0),
                0.13,
            )
            near = (place[0], 0.5 * place[1] + 0.5 * float(np.sign(out[1])) * (HALF_WIDTH - 1.5))
            script.pin(victim, self.free - 4, self.free + 20, near, 24)
            self.fly(self.free, self.free + 16, victim, out, 0.15)
            script.pose(victim, self.free - 6, self.free + 8, PASS)
            script.pose(victim, self.free + 14, self.free + 60, HIPS)
            self.have, self.loose, self.free = None, out, self.free + 16
            self.dead_ball = True
            self._whistle(self.free, out)
            script.closeups.append((self.free + 12, self.resume_after(self.free) - 24, victim))
            self._attack(1 - team, self.free + 20)
            return
        thief = self.slot(index, 1 - team, moment.second)
        catch = max(frame, self.free + 10)
        if self.rng.random() < 0.5:  # stripped off the dribble
            self.carry(victim, max(catch - 20, self.free))
            side = 1.0 if place[1] < 0 else -1.0
            script.pin(victim, catch - 12, catch + 14, place, 20)
            script.pin(thief, catch - 5, catch + 8, (place[0] + 0.25, place[1] + 0.7 * side), 18)
            self.hold(victim, self.free, catch - 3)
            self.fly(catch - 3, catch + 3, victim, thief, 0.0)
        else:  # a pass cut off
            self.carry(victim, max(catch - 14, self.free))
            mate = team * 5 + (victim % 5 + 2) % 5
            goal = (place[0] + self.sides[team] * 0.5, place[1] - np.sign(place[1]) * 4.5)
            script.goal(mate, catch - 60, catch, (float(goal[0]), float(goal[1])))
            script.pin(victim, catch - 18, catch + 10, place, 20)
            mid = (0.5 * place[0] + 0.5 * goal[0], 0.5 * place[1] + 0.5 * goal[1])
            script.pin(thief, catch - 2, catch + 4, (float(mid[0]), float(mid[1])), 20)
            script.pose(victim, catch - 18, catch - 6, PASS)
            self.hold(victim, self.free, catch - 10, dribble=False)
            self.fly(catch - 10, catch, victim, thief, 0.2)
        script.pose(thief, catch - 14, catch + 4, REACH)
        self.have, self.free, self.dead_ball = thief, catch + 6, False
        script.holds.append((thief, catch, catch + 6, False))
        self._attack(1 - team, catch)

    def _whistle(self, frame: int, place: Place | tuple[float, float]) -> None:
        near = (
            float(np.clip(place[0] + (2.2 if place[0] < 0 else -2.2), -13, 13)),
            float(np.clip(place[1] + 1.8, -6.5, 6.8)),
        )
        self.script.pin(REFEREE, frame - 10, frame + 50, near, 30)
        self.script.pose(REFEREE, frame + 3, frame + 45, ARM_UP)

    def _foul(self, index: int, moment: Moment, frame: int) -> None:
        team = moment.team if moment.team >= 0 else 0
        script = self.script
        fouler = self.slot(index, team, moment.actor)
        drawn = self.slot(index, 1 - team, moment.second)
        before = self.plan.moments[index - 1] if index else None
        same = (
            before is not None
            and before.kind == "shot"
            and before.frame + 30 >= moment.frame
            and before.team == 1 - team
        )
        if same:  # fouled in the act of shooting
            place = self.last_place
        else:
            place = self.near(moment, moment.team if moment.offensive else 1 - team, frame)
        self.last_place, self.last_frame = place, frame
        frame = max(frame, self.free if not self.dead_ball else frame)
        nxt = self.plan.moments[index + 1] if index + 1 < len(self.plan.moments) else None
        carrier = fouler if moment.offensive else drawn
        if not same and not (self.dead_ball and frame < self.free + 30):
            self._attack(carrier // 5, min(self.free, frame - 20))
            if moment.third is not None and frame - self.free > 40:
                passer = self.slot(index, 1 - team, moment.third, avoid=(carrier,))
                self.carry(passer, frame - 34)
            self.carry(carrier, max(frame - 8, self.free))
            self.hold(carrier, self.free, frame + 14, dribble=False)
            self.have, self.free = carrier, max(frame + 14, self.free)
            script.pin(drawn, frame - 12, frame + 24, place, 22)
        beside = (place[0] + 0.15, place[1] - 0.45)
        script.pin(fouler, frame - 4, frame + 40, beside, 16)
        script.pose(fouler, frame - 9, frame + 5, REACH)
        script.pose(fouler, frame + 18, frame + 62, ARM_UP)
        script.looks.append((fouler, frame - 10, frame + 8, *place))
        script.pose(drawn, frame - 2, frame + 12, GUARD)
        script.jumps.append((drawn, frame + 5, 0.12, 12))
        self._whistle(frame, place)
        resume = self.resume_after(frame)
        limit = nxt.frame - self.plan.first - 66 if nxt is not None else resume
        script.closeups.append((frame + 22, min(resume - 20, limit, frame + 70), fouler))
        if self.have is not None:
            self.loose, self.have = (place[0], place[1] + 0.4, 1.0), None
        self.dead_ball = True

    def _free_throw(self, index: int, moment: Moment, frame: int) -> None:
        team = max(moment.team, 0)
        script, side = self.script, self.sides[max(moment.team, 0)]
        slot = self.slot(index, team, moment.actor)
        basket = self.basket(team)
        line = to_world(0.0, 4.35, side)
        self.last_place, self.last_frame = basket, frame
        start = max(frame - 78, self.free)
        release = frame - 24
        taken = max(min(start + 20, release - 16), self.free + 2)
        origin: int | Place = self.loose if self.have is None else self.have
        if self.have != slot:
            self.fly(self.free, taken, origin, slot, 0.5)
        else:
            taken = self.free
        self.hold(slot, taken, release - 12)
        self.hold(slot, max(taken, release - 12), release, dribble=False)
        settle = max(frame - 62, 0)
        end = frame + (10 if moment.last else 30)
        script.pin(slot, settle, end, line, 26)
        script.looks.append((slot, settle, end, *basket))
        offence = [team * 5 + i for i in range(5) if team * 5 + i != slot]
        defence = [(1 - team) * 5 + i for i in range(5)]
        lane = [to_world(float(x), float(y), side) for x, y in _LANE]
        back = [to_world(x, y, side) for x, y in ((3.5, 8.6), (-3.5, 8.6), (0.0, 9.4))]
        spots = [
            (defence[4], lane[0]),
            (defence[3], lane[1]),
            (offence[3], lane[2]),
            (offence[2], lane[3]),
            (defence[2], to_world(-2.7, 4.4, side)),
            (offence[0], back[0]),
            (offence[1], back[1]),
            (defence[0], back[2]),
            (defence[1], to_world(5.0, 7.6, side)),
        ]
        for other, spot in spots:
            script.pin(other, settle, frame - 4 if moment.last else end, spot, 26)
            script.pose(other, settle, frame - 20, RELAX)
            script.looks.append((other, settle, frame, *basket))
        script.pin(REFEREE, settle, frame, to_world(4.4, -0.6, side), 30)
        script.pose(slot, release - 13, release + 1, SHOOT)
        script.pose(slot, release + 1, release + 16, FOLLOW)
        script.jumps.append((slot, release + 1, 0.08, 16))
        script.closeups.append((frame - 62, frame + 16, -1 - team))
        rim: Place = (basket[0], 0.0, RIM_Z + 0.05)
        self._attack(team, settle)
        if moment.made:
            self.fly(release, frame, slot, rim, 1.05)
            script.nets.append((frame, team if self.sides[0] > 0 else 1 - team))
            script.scores.append((frame + 8, team, 1))
            floor: Place = (basket[0] - side * 0.3, 0.2, 0.13)
            self.fly(frame, frame + 14, rim, floor, 0.0)
            self.have, self.loose, self.free, self.dead_ball = None, floor, frame + 14, True
            if moment.last:
                self._attack(1 - team, frame + 12)
            return
        edge: Place = (basket[0] - side * 0.24, 0.1, RIM_Z + 0.1)
        self.fly(release, frame, slot, edge, 0.95)
        if moment.last:
            self.have, self.loose, self.free, self.dead_ball = None, edge, frame, False
            script.crashes.append((frame - 2, frame + 30))
            self._loose_end(index, team, frame, edge)
        else:
            floor = (basket[0] - side * 1.5, -0.6, 0.13)
            self.fly(frame, frame + 20, edge, floor, 0.35)
            self.have, self.loose, self.free, self.dead_ball = None, floor, frame + 20, True

    def _pass(self, index: int, moment: Moment, frame: int) -> None:
        team = max(moment.team, 0)
        slot = self.slot(index, team, moment.actor)
        self._attack(team, min(self.free, frame - 20))
        self.carry(slot, max(frame - 6, self.free))
        mate = self.slot(index, team, None, avoid=(slot,))
        self.throw(self.free, self.free + 13, slot, mate)
        self.have, self.free = mate, self.free + 13

    def _substitution(self, index: int, _moment: Moment, frame: int) -> None:
        self._bench(index, frame)

    def _bench(self, index: int, frame: int) -> None:
        before = self.line_ups[index - 1] if index else self.line_ups[index]
        for team in (0, 1):
            for i in range(5):
                if before[team][i] != self.line_ups[index][team][i]:
                    spot = ((-6.0 if team == 0 else 6.0) + 0.5 * i, HALF_WIDTH + 1.0)
                    self.script.pin(team * 5 + i, frame + 3, frame + 9, spot, 34)

    def _timeout(self, _index: int, _moment: Moment, frame: int) -> None:
        resume = self.resume_after(frame)
        for team in (0, 1):
            for i in range(5):
                angle = 2 * np.pi * i / 5
                spot = (
                    (-5.5 if team == 0 else 5.5) + float(np.cos(angle)) * 1.1,
                    5.6 + float(np.sin(angle)) * 0.8,
                )
                self.script.goal(team * 5 + i, frame + 5, max(resume - 50, frame + 30), spot)
                self.script.pose(team * 5 + i, frame + 20, max(resume - 40, frame + 40), HIPS)
        self.dead_ball = True

    def _gesture(self, index: int, moment: Moment, frame: int) -> None:
        slot = self.slot(index, max(moment.team, 0), moment.actor)
        self.script.pose(slot, frame - 10, frame + 12, HANDS_UP)
        self.script.jumps.append((slot, frame, 0.35, 22))


@dataclass(frozen=True)
class Directed:
    """A period in which everyone knows what to do, and has yet to walk."""

    plan: PeriodPlan
    script: _Script
    who: NDArray[np.int32]
    score: tuple[int, int]
    errands: Errands


def direct(
    plan: PeriodPlan,
    line_ups: Sequence[tuple[list[str], list[str]]],
    people: Mapping[str, int],
    home_side: int,
    score: tuple[int, int],
    seed: np.random.Generator,
) -> Directed:
    """Tell everyone what to do in a period.

    Args:
        plan: the period.
        line_ups: the two fives at each moment, in slot order.
        people: index of each player id in the caller's list.
        home_side: the basket the home team attacks: +1 right, -1 left.
        score: before the period.
        seed: random generator for whatever the events leave open; walking draws from it, too.
    """
    director = _Director(plan, line_ups, home_side, seed)
    script = director.run(director._next_attack(-1))
    who, changes = _identities(plan, line_ups, people, script.frames)
    for index, frame in changes:
        director._bench(index, frame)
    offence = _steps(script.possession, script.frames)
    errands = Errands(director.sides, offence, _dead(plan), script.goals, script.crashes, seed)
    return Directed(plan, script, who, score, errands)


def choreograph(directed: Directed, walked: NDArray[np.float64]) -> Scene:
    """Turn a period into motion.

    Args:
        directed: the period.
        walked: where everyone walks in it, ``(F, 11, 2)``, of :func:`openbasket.simulation.walking.walk`.
    """
    script, errands = directed.script, directed.errands
    frames, offence, dead, sides = script.frames, errands.offence, errands.dead, errands.sides
    position = walked.copy()
    position = _pinned(position, script)
    speed_v = np.gradient(position, 1 / FPS, axis=0)
    speed = np.hypot(speed_v[..., 0], speed_v[..., 1])
    stride = np.cumsum(speed / FPS * 3.1, axis=0) + np.arange(SLOTS) * 1.3
    codes = _codes(script, offence, dead, speed)
    arms = _smooth(POSES[codes], 4)
    jump = _jumps(script, frames)
    ball = np.zeros((frames, 3), np.float32)
    facing = _facing(script, position, speed_v, speed, offence, sides)
    _ball(script, ball, position, facing, arms, jump)
    close, target = _camera(script, ball, position, sides, frames)
    net = np.full((frames, 2), -1, np.int16)
    for frame, basket in script.nets:
        length = min(24, frames - frame)
        net[frame : frame + length, basket] = np.arange(length)
    scores = np.empty((frames, 2), np.int16)
    scores[:] = directed.score
    for frame, team, value in script.scores:
        scores[frame:, team] += value
    return Scene(
        directed.plan.first,
        position.astype(np.float32),
        jump,
        facing.astype(np.float32),
        stride.astype(np.float32),
        speed.astype(np.float32),
        arms.astype(np.float32),
        directed.who,
        ball,
        target,
        close,
        net,
        scores,
    )


def _identities(
    plan: PeriodPlan,
    line_ups: Sequence[tuple[list[str], list[str]]],
    people: Mapping[str, int],
    frames: int,
) -> tuple[NDArray[np.int32], list[tuple[int, int]]]:
    """Who fills each slot in each frame; changes that no substitution moment shows, too."""
    which = np.zeros(frames, np.int64)
    extra = []
    for index, (home, away) in enumerate(line_ups):
        moment = plan.moments[index]
        start = 0 if index == 0 else max(moment.frame - plan.first + 6, 0)
        if index and moment.kind != "substitution" and line_ups[index - 1] != (home, away):
            start = max(moment.frame - plan.first - 45, 6)
            before = plan.moments[index - 1]
            start = max(start, before.frame - plan.first + 12)
            start = min(start, max(moment.frame - plan.first - 20, 6))
            start = max(start, before.frame - plan.first + 6)  # not before the last one is done
            extra.append((index, start - 6))
        which[start:] = index
    rows = np.array([[people[p] for p in (*home, *away)] for home, away in line_ups], np.int32)
    return rows[which], extra


def _dead(plan: PeriodPlan) -> NDArray[np.bool_]:
    dead = np.zeros(plan.end - plan.first, np.bool_)
    for (first, at_first), (second, at_second) in pairwise(plan.stops):
        if at_first == at_second:
            dead[first - plan.first : second - plan.first] = True
    return dead


def _steps(possession: list[tuple[int, int]], frames: int) -> NDArray[np.int8]:
    offence = np.zeros(frames, np.int8)
    for frame, team in possession:
        offence[frame:] = team
    return offence


def _ramp(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.clip(frames, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _pinned(position: NDArray[np.float64], script: _Script) -> NDArray[np.float64]:
    """Blend toward pinned places; a later pin wins over an earlier one."""
    frames = len(position)
    busy: dict[int, int] = {}  # until when a slot is held by the pin before
    for slot, start, end, x, y, ramp in sorted(script.pins, key=lambda p: (p[1], p[2], p[0])):
        place = np.array([x, y])
        first, last = min(max(start, 0), frames - 1), min(max(end, 0), frames - 1)
        before = float(np.hypot(*(position[max(first - ramp, 0), slot] - place)))
        after = float(np.hypot(*(position[min(last + ramp, frames - 1), slot] - place)))
        # the further away, the longer the way: nobody sprints faster than people do
        into = max(ramp, round(before / TOP_SPEED_M_S * FPS * 1.5))
        if abs(y) <= HALF_WIDTH + 0.9:  # to the bench one may leave early
            into = max(min(into, start - busy.get(slot, -999)), 14)
        out = max(ramp, round(after / TOP_SPEED_M_S * FPS * 1.5))
        low, high = max(start - into, 0), min(end + out, frames)
        if high <= low:
            continue
        at = np.arange(low, high, dtype=np.float64)
        weight = np.minimum(_ramp((at - (start - into)) / into), _ramp(((end + out) - at) / out))
        track = position[low:high, slot]
        position[low:high, slot] = track + (place - track) * weight[:, None]
        busy[slot] = max(busy.get(slot, 0), end)
    return _smooth(position, 3)


def _smooth(values: NDArray[np.floating], half: int) -> NDArray[np.float64]:
    """Average over ``2 * half + 1`` frames, ends held."""
    padded = [np.repeat(values[:1], half + 1, 0), values, np.repeat(values[-1:], half, 0)]
    total = np.concatenate(padded, dtype=np.float64)
    np.cumsum(total, axis=0, out=total)
    width = 2 * half + 1
    mean: NDArray[np.float64] = total[width:] - total[:-width]
    mean /= width
    return mean


def _codes(
    script: _Script,
    offence: NDArray[np.int8],
    dead: NDArray[np.bool_],
    speed: NDArray[np.float64],
) -> NDArray[np.int8]:
    codes = np.full((script.frames, SLOTS), RELAX, np.int8)
    guarding = np.zeros((script.frames, SLOTS), np.bool_)
    guarding[:, :5] = (offence == 1)[:, None]
    guarding[:, 5:10] = (offence == 0)[:, None]
    codes[guarding & (speed < 2.6) & ~dead[:, None]] = GUARD
    for slot, start, end, dribble in script.holds:
        codes[max(start, 0) : end, slot] = DRIBBLE if dribble else CHEST
    for slot, start, end, code in script.poses:
        codes[max(start, 0) : max(end, 0), slot] = code
    return codes


def _jumps(script: _Script, frames: int) -> Floats:
    jump = np.zeros((frames, SLOTS), np.float32)
    for slot, middle, height, length in script.jumps:
        at = np.arange(max(middle - length // 2, 0), min(middle + length // 2 + 1, frames))
        arc = height * (1 - ((at - middle) / (length / 2)) ** 2)
        jump[at, slot] = np.maximum(jump[at, slot], arc)
    return jump


def _facing(
    script: _Script,
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    speed: NDArray[np.float64],
    offence: NDArray[np.int8],
    sides: tuple[int, int],
) -> NDArray[np.float64]:
    """Unit vectors: runners look where they run, attackers at the basket, defenders at their man."""
    look = np.empty_like(position)
    basket = np.stack([np.where(offence == 0, sides[0], sides[1]) * BASKET_X, 0.0 * offence], 1)
    look[:] = basket[:, None] - position
    look[..., 0] += 0.01
    for team in (0, 1):
        guards = offence == 1 - team
        men = position[:, (1 - team) * 5 : (1 - team) * 5 + 5]
        own = slice(team * 5, team * 5 + 5)
        look[guards, own] = (men - position[:, own])[guards]
    look /= np.linalg.norm(look, axis=2, keepdims=True) + 1e-6
    run = np.clip((speed - 1.5) / 2.0, 0, 1)[..., None]
    look = look * (1 - run) + run * velocity / (speed[..., None] + 1e-6)
    for slot, start, end, x, y in script.looks:
        part = slice(max(start, 0), max(end, 0))
        toward = np.array([x, y]) - position[part, slot]
        look[part, slot] = toward / (np.linalg.norm(toward, axis=1, keepdims=True) + 1e-6)
    look = _smooth(look, 5)
    look[..., 1] -= 0.02
    result: NDArray[np.float64] = look / (np.linalg.norm(look, axis=2, keepdims=True) + 1e-6)
    return result


def _hands(
    slot: int,
    part: slice,
    position: NDArray[np.float64],
    facing: NDArray[np.float64],
    arms: NDArray[np.float64],
    jump: Floats,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """World places of the right and left hand, ``(n, 3)`` each."""
    forward = facing[part, slot]
    right = np.stack([forward[:, 1], -forward[:, 0]], 1)
    base = position[part, slot]
    up = jump[part, slot] + SHOULDER_Z
    found = []
    for hand, sign in ((arms[part, slot, 3:6], 1.0), (arms[part, slot, 9:12], -1.0)):
        flat = base + forward * hand[:, :1] + right * sign * (SHOULDER_OUT + hand[:, 1:2])
        found.append(np.concatenate([flat, (up + hand[:, 2])[:, None]], 1))
    return found[0], found[1]


def _ball(
    script: _Script,
    ball: Floats,
    position: NDArray[np.float64],
    facing: NDArray[np.float64],
    arms: NDArray[np.float64],
    jump: Floats,
) -> None:
    frames = len(ball)
    ball[:] = np.nan

    def held(slot: int, at: int) -> NDArray[np.float64]:
        at = min(max(at, 0), frames - 1)
        right, left = _hands(slot, slice(at, at + 1), position, facing, arms, jump)
        middle: NDArray[np.float64] = (right[0] + left[0]) / 2
        return middle

    for slot, start, end, dribble in script.holds:
        part = slice(max(start, 0), min(end, frames))
        if part.stop <= part.start:
            continue
        right, left = _hands(slot, part, position, facing, arms, jump)
        middle = (right + left) / 2
        if dribble:
            count = part.stop - part.start
            at = np.arange(count)
            beats = max(round(count / 17), 1)
            bounce = np.abs(np.cos(np.pi * beats * at / count))
            low = right.copy()
            low[:, 2] = 0.13 + (right[:, 2] - 0.2) * bounce
            blend = np.minimum(_ramp(at / 6.0), _ramp((count - at) / 6.0))[:, None]
            middle = middle * (1 - blend) + low * blend
        ball[part] = middle
    for start, end, a, b, apex in script.flights:
        first = held(a, start) if isinstance(a, int) else np.array(a)
        last = held(b, end) if isinstance(b, int) else np.array(b)
        at = np.arange(max(start, 0), min(end, frames))
        if not len(at):
            continue
        t = ((at - start) / (end - start))[:, None]
        path = first + (last - first) * t
        path[:, 2] += 4 * apex * t[:, 0] * (1 - t[:, 0])
        path[:, 2] = np.maximum(path[:, 2], 0.13)
        ball[at] = path
    missing = np.isnan(ball[:, 0])
    if missing.all():
        ball[:] = (0.0, 0.0, 0.13)
    elif missing.any():  # the ball rests where it was
        index = np.where(missing, 0, np.arange(frames))
        np.maximum.accumulate(index, out=index)
        index[: int(np.argmax(~missing))] = int(np.argmax(~missing))
        ball[:] = ball[index]


def _camera(
    script: _Script,
    ball: Floats,
    position: NDArray[np.float64],
    sides: tuple[int, int],
    frames: int,
) -> tuple[NDArray[np.bool_], Floats]:
    """Whether the close lens is on, and the ``X`` in the middle of the picture."""
    follow = 0.8 * ball[:, 0].astype(np.float64) + 0.2 * position[:, :10, 0].mean(1)
    follow = _smooth(follow, 10)
    aim = float(follow[0])
    for frame, at in enumerate(follow.tolist()):  # an operator holds still while play is in view
        aim = min(max(aim, at - CAMERA_SLACK_M), at + CAMERA_SLACK_M)
        follow[frame] = aim
    for half in (14, 14, 10):
        follow = _smooth(follow, half)
    close = np.zeros(frames, np.bool_)
    target = np.clip(follow, -8.3, 8.3)
    for start, end, what in script.closeups:
        start, end = max(start, 0), min(end, frames)
        if end - start < 24:
            continue
        part = slice(start, end)
        close[part] = True
        if what < 0:
            target[part] = sides[-1 - what] * 9.9
        else:
            target[part] = np.clip(_smooth(position[part, what, 0], 10), -12.0, 12.0)
    return close, target.astype(np.float32)
