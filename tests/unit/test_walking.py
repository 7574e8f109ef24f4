"""Everyone walks the same way, whoever walks beside him."""

from __future__ import annotations

import numpy as np

from openbasket.simulation.walking import REFEREE, TOP_SPEED_M_S, Errands, walk


def errands(seed: int, frames: int) -> Errands:
    rng = np.random.default_rng(seed)
    offence = np.repeat(rng.integers(0, 2, frames // 90 + 1), 90)[:frames].astype(np.int8)
    goals = [(3, 30, 90, 9.0, 2.0), (7, 60, 140, -4.0, -6.0), (REFEREE, 10, 50, 0.0, 0.8)]
    dead = np.arange(frames) % 200 < 40
    return Errands((1, -1), offence, dead, goals, [(70, 100), (250, 270)], rng)


def test_periods_that_walk_together_walk_as_they_do_alone() -> None:
    lengths = [400, 130, 291]
    together = walk([errands(seed, frames) for seed, frames in enumerate(lengths)])
    for seed, frames in enumerate(lengths):
        (alone,) = walk([errands(seed, frames)])
        assert alone.shape == (frames, 11, 2)
        assert np.array_equal(alone, together[seed])


def test_people_walk_at_human_speed_to_where_they_are_wanted() -> None:
    (way,) = walk([errands(5, 400)])
    steps = np.linalg.norm(np.diff(way, axis=0), axis=2)
    assert steps.max() < 1.3 * TOP_SPEED_M_S / 30  # pushed by others, too
    assert np.linalg.norm(way[139, 7] - (-4.0, -6.0)) < 1.0
    assert np.abs(way[..., 0]).max() < 14.5
