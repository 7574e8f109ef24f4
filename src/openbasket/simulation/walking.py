"""Where eleven figures walk: spacing on offence, man-to-man on defence, at human speed.

Each step follows from the one before, so that frames cannot be computed side by side; but periods, of
one game or of several, can, and are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openbasket.simulation.court import BASKET_X, HALF_LENGTH, HALF_WIDTH

__all__ = ["FPS", "REFEREE", "SLOTS", "TOP_SPEED_M_S", "Errands", "Goal", "walk"]

Array = NDArray[np.float64]
Goal = tuple[int, int, int, float, float]

SLOTS = 11
REFEREE = 10
FPS = 30.0
TOP_SPEED_M_S = 7.0
#: How fast one walks while the clock stands.
STROLL_M_S = 3.4
#: How far team-mates keep from a player who is about to act.
ROOM_M = 3.2
#: Nearer than that, figures push one another away.
ELBOW_M = 0.85
#: A defender whose man is further from the basket drops back behind half-way.
DROP_BACK_M = 15.5

# Where the offence stands: metres along the baseline and from the basket, by slot.
_SPOTS = np.array([(0.4, 8.3), (6.1, 4.8), (-6.1, 4.8), (6.7, 0.2), (-2.6, 1.6)])
_MORE_SPOTS = np.array([(-6.7, 0.2), (2.4, 4.6), (-2.6, 5.0), (4.0, 7.6), (-4.0, 7.6), (2.8, 1.2)])
#: How far each defender stays off his man, as a share of the way to the basket.
_PULL = np.array([0.16, 0.22, 0.22, 0.28, 0.22])


@dataclass(frozen=True)
class Errands:
    """What the figures of a period have to do; frames count from its first.

    Args:
        sides: the baskets that home and away attack: +1 right, -1 left.
        offence: the team that attacks in each frame, ``(F,)``.
        dead: whether the clock stands in each frame, ``(F,)``.
        goals: ``slot, start, end, x, y``: head for a place from ``start`` to ``end``.
        crashes: ``start, end``: everybody goes for a rebound.
        rng: draws what nobody asks for.
    """

    sides: tuple[int, int]
    offence: NDArray[np.int8]
    dead: NDArray[np.bool_]
    goals: Sequence[Goal]
    crashes: Sequence[tuple[int, int]]
    rng: np.random.Generator


@dataclass
class _Targets:
    """Where the figures of some periods are drawn to: ``P`` periods, as many frames as the longest has.

    Coordinates and figures are the outer axes, ``x`` and ``y`` of all figures one after the other.
    """

    place: Array  # (F, 2, P, 11): to go to, where nobody is to be followed
    follow: NDArray[np.bool_]  # (F, P, 2, 5): stay between one's man and the basket
    crash: NDArray[np.bool_]  # (F, P, 2, 5): the same, at a rebound
    basket: Array  # (F, 2, P, 1, 1): under attack
    limit: Array  # (F, P, 1) metres a second
    start: Array  # (2, P, 11)


def walk(periods: Sequence[Errands]) -> list[Array]:
    """Let everyone walk.

    Args:
        periods: of one game or several; none depends on another.

    Returns:
        Metres ``(F, 11, 2)`` of each period.
    """
    targets = _targets(periods)
    places = targets.place
    frames, _, count, _ = places.shape
    now, velocity = targets.start, np.zeros((2, count, SLOTS))
    # views of ``now`` and ``places``, which change in place
    players = now[..., :REFEREE]
    here, others = players[..., None, :], players[..., None]
    men = players.reshape(2, count, 2, 5)[:, :, ::-1]
    wanted = places[..., :REFEREE].reshape(frames, 2, count, 2, 5)
    crashes = set(np.flatnonzero(targets.crash.any((1, 2, 3))).tolist())
    for frame in range(frames):
        basket = targets.basket[frame]
        way = basket - men
        follow = np.abs(way[0]) <= DROP_BACK_M
        follow &= targets.follow[frame]
        way *= _PULL
        way += men
        np.copyto(wanted[frame], way, where=follow)
        if frame in crashes:
            np.copyto(wanted[frame], 0.55 * men + 0.45 * basket, where=targets.crash[frame])
        wish = places[frame] - now
        wish *= 2.6
        square = wish * wish
        pace = np.sqrt(square[0] + square[1])
        pace += 1e-9
        wish *= np.minimum(1.0, targets.limit[frame] / pace)
        wish -= velocity
        wish *= 0.14
        velocity += wish
        gap = here - others
        square = gap * gap
        distance = np.sqrt(square[0] + square[1])
        push = ELBOW_M - distance
        np.maximum(push, 0.0, out=push)
        distance += 0.05
        push /= distance
        gap *= push  # 0 from oneself
        players += np.add.reduce(gap, 2) * 0.08
        now += velocity / FPS
        places[frame] = now
    return [
        places[: len(period.offence), :, number].transpose(0, 2, 1)
        for number, period in enumerate(periods)
    ]


def _targets(periods: Sequence[Errands]) -> _Targets:
    """What does not depend on where anybody is."""
    frames, count = max(len(period.offence) for period in periods), len(periods)
    made = _Targets(
        np.zeros((frames, 2, count, SLOTS)),
        np.zeros((frames, count, 2, 5), np.bool_),
        np.zeros((frames, count, 2, 5), np.bool_),
        np.zeros((frames, 2, count, 1, 1)),
        np.ones((frames, count, 1)),
        np.zeros((2, count, SLOTS)),
    )
    for number, period in enumerate(periods):
        _fill(made, number, period)
    return made


def _fill(targets: _Targets, number: int, period: Errands) -> None:
    frames = len(period.offence)
    world = _spacing(period.sides, frames, period.rng)
    goals = np.full((frames, SLOTS, 2), np.nan)
    for slot, start, end, x, y in sorted(period.goals, key=lambda g: (g[2], g[1])):
        goals[max(start, 0) : max(end, 0), slot] = (x, y)
    has_goal = ~np.isnan(goals[..., 0])
    _make_room(world, goals, has_goal)
    crash = np.zeros(frames, np.bool_)
    for start, end in period.crashes:
        crash[max(start, 0) : end] = True
    attacks = np.stack([period.offence == 0, period.offence != 0], 1)
    basket = np.zeros((frames, 2))
    basket[:, 0] = np.where(attacks[:, 0], *period.sides) * BASKET_X
    own = np.where(attacks[:, :1, None], world[0], world[1])  # of those who attack, (F, 5, 2)
    back = own + (basket[:, None] - own) * 0.35
    own[crash, 3:] = 0.35 * own[crash, 3:] + 0.65 * basket[crash, None]
    place = np.empty((frames, SLOTS, 2))
    for team in (0, 1):
        place[:, team * 5 : team * 5 + 5] = np.where(attacks[:, team, None, None], own, back)
    place[:, REFEREE, 0] = 0.75 * own[..., 0].mean(1)
    place[:, REFEREE, 1] = 6.5
    place[has_goal] = goals[has_goal]
    targets.place[:frames, :, number] = place.transpose(0, 2, 1)
    free = ~attacks[..., None] & ~has_goal[:, :REFEREE].reshape(frames, 2, 5)
    targets.follow[:frames, number] = free & ~crash[:, None, None]
    targets.crash[:frames, number] = free & crash[:, None, None]
    targets.basket[:frames, :, number, 0, 0] = basket
    targets.limit[:frames, number, 0] = np.where(period.dead, STROLL_M_S, TOP_SPEED_M_S)
    first = np.concatenate([world[0, 0] * 0.4, world[1, 0] * 0.4, [[0.0, 6.2]]])
    there = has_goal[0] & (np.arange(SLOTS) != REFEREE)
    first[there] = goals[0, there]
    targets.start[:, number] = first.T


def _spacing(sides: tuple[int, int], frames: int, rng: np.random.Generator) -> Array:
    """Where each team would stand if it attacked, ``(2, F, 5, 2)``; every now and then somebody moves."""
    spots = np.zeros((2, frames, 5, 2))
    every = np.concatenate([_SPOTS, _MORE_SPOTS])
    for team in (0, 1):
        frame = 0
        current = _SPOTS.copy()
        while frame < frames:
            length = int(rng.integers(40, 80))
            current = current.copy()
            mover = int(rng.integers(0, 5))
            free = every[
                np.min(np.linalg.norm(every[:, None] - current[None], axis=2), axis=1) > 2.4
            ]
            if mover == 0 or not len(free):
                current[mover] = _SPOTS[mover]
            else:
                current[mover] = free[int(rng.integers(len(free)))]
            shaken = current + rng.normal(0, 0.45, (5, 2))
            spots[team, frame : frame + length] = shaken
            frame += length
    world = np.empty_like(spots)
    for team in (0, 1):
        world[team, ..., 0] = sides[team] * (BASKET_X - spots[team, ..., 1])
        world[team, ..., 1] = -sides[team] * spots[team, ..., 0]
    return world


def _make_room(world: Array, goals: Array, has_goal: NDArray[np.bool_]) -> None:
    """Team-mates make room for whoever has something to do."""
    for team in (0, 1):
        for doer in range(5):
            at = np.flatnonzero(has_goal[:, team * 5 + doer])
            spot = goals[at, team * 5 + doer]
            for mate in range(5):
                if mate != doer and len(at):
                    gap = world[team, at, mate] - spot
                    far = np.maximum(np.linalg.norm(gap, axis=1, keepdims=True), 0.1)
                    moved = spot + gap * np.maximum(ROOM_M / far, 1.0)
                    moved[:, 1] = np.clip(moved[:, 1], -HALF_WIDTH + 0.5, HALF_WIDTH - 0.5)
                    moved[:, 0] = np.clip(moved[:, 0], -HALF_LENGTH + 0.6, HALF_LENGTH - 0.6)
                    world[team, at, mate] = moved
