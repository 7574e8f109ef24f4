"""Who sees whom, and in which order. Pure functions; the store calls them inside one transaction."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["choose", "order", "skill_order"]


def choose(exposures: Mapping[str, int], wanted: int, rng: random.Random) -> list[str]:
    """The ``wanted`` players who were shown least; ties go by chance.

    Where exposures differed by at most one, they do so afterwards.

    Args:
        exposures: player -> how many participants have been given them.
        wanted: how many different players.
        rng: for ties.
    """
    names = sorted(exposures)
    rng.shuffle(names)
    return sorted(names, key=lambda name: exposures[name])[:wanted]


def order(
    chosen: Sequence[str], shown_at: Mapping[tuple[str, int], int], rng: random.Random
) -> list[str]:
    """Put players in an order that evens out how often each was shown at each place.

    Args:
        chosen: the players of one participant.
        shown_at: (player, place) -> how often; places count from 0 through all sessions.
        rng: for ties.
    """
    # The squares make two places that were used once cheaper than one that was used twice.
    cost = np.array(
        [
            [
                shown_at.get((name, place), 0) ** 2 + 1e-3 * rng.random()
                for place in range(len(chosen))
            ]
            for name in chosen
        ]
    )
    names, places = linear_sum_assignment(cost)
    placed = dict(zip(places, names, strict=True))
    return [chosen[placed[place]] for place in range(len(chosen))]


def skill_order(skills: Sequence[str], number: int) -> list[str]:
    """The order of the questions for participant ``number``: a Latin square, then its mirror image.

    Over ``2 * len(skills)`` participants each skill is asked equally often at each place.
    """
    turned = number % len(skills)
    turn = [*skills[turned:], *skills[:turned]]
    return turn if (number // len(skills)) % 2 == 0 else turn[::-1]
