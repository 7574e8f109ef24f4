"""Frames drawn on demand are those of the rendered video."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from broadcast_games import PLAYS, appearances, events, game, stints

from openbasket.errors import ConfigError, VideoError
from openbasket.simulation.broadcast import RenderSettings, pictures
from openbasket.simulation.difficulty import Difficulty
from openbasket.simulation.on_demand import GameFilm

HARD = Difficulty(numbers=0.3, similar_kits=True, shake_px=8, clutter=2, distractors=4, quality=60)


def film(**more) -> GameFilm:
    return GameFilm(game(), events(PLAYS), appearances(), stints(), **more)


def video(settings: RenderSettings, upto: int) -> np.ndarray:
    _, drawn = pictures(game(), events(PLAYS), appearances(), stints(), settings=settings)
    return np.stack([picture[..., ::-1].copy() for picture in islice(drawn, upto)])


@pytest.mark.parametrize("difficulty", [Difficulty(), HARD])
def test_frames_on_demand_are_those_of_the_video(difficulty: Difficulty) -> None:
    settings = RenderSettings(difficulty=difficulty)
    whole = video(settings, 700)
    wanted = [650, 3, 299, 300, 3, 411]
    assert np.array_equal(film(settings=settings).read(wanted), whole[wanted])


def test_a_period_that_was_let_go_comes_back_the_same() -> None:
    made = film()
    first = made.read([140])
    made._scene.cache_clear()
    assert np.array_equal(made.read([140]), first)


def test_games_that_are_put_into_motion_together_have_the_same_frames() -> None:
    wanted = [3, 140, 411, 650]
    settings = [{"seed": seed} for seed in (0, 1, 2)]
    alone = [film(**more).read(wanted) for more in settings]
    films = [film(**more) for more in settings]
    GameFilm.walk_together(films)
    assert not np.array_equal(alone[0], alone[1])
    for one, seen in zip(films, alone, strict=True):
        assert np.array_equal(one.read(wanted), seen)


def test_the_same_game_is_laid_out_as_in_the_video() -> None:
    made = film()
    laid, _ = pictures(game(), events(PLAYS), appearances(), stints())
    assert len(made) == laid.frames
    assert made.event_frames == laid.event_frames


@pytest.mark.parametrize(
    "harder",
    [
        {"numbers": 0.0}, {"similar_kits": True}, {"shake_px": 10.0}, {"clutter": 12},
        {"distractors": 6}, {"quality": 20},
    ],
)  # fmt: skip
def test_each_difficulty_changes_the_pictures_and_nothing_else(harder) -> None:
    wanted = list(range(0, 600, 50))
    easy = film()
    hard = film(settings=RenderSettings(difficulty=Difficulty(**harder)))
    seen = hard.read(wanted)
    assert not np.array_equal(easy.read(wanted), seen)
    assert np.array_equal(hard.read(wanted[::-1])[::-1], seen)
    assert easy.event_frames == hard.event_frames


def test_numbers_that_fade_leave_the_figures() -> None:
    pale = film(settings=RenderSettings(difficulty=Difficulty(numbers=0.0))).read([120])
    clear = film().read([120])
    changed = (pale != clear).any(-1).mean()
    assert 0 < changed < 0.02


def test_a_small_picture_is_the_average_of_the_large_one() -> None:
    large, small = film().read([200])[0], film().read([200], (200, 352))[0]
    mean = large.reshape(200, 2, 352, 2, 3).mean((1, 3))
    assert np.abs(mean - small).max() <= 1


def test_one_player_is_marked_in_the_frames_that_ask_for_it() -> None:
    made = film()
    plain = made.read([120, 120])
    players = [p for p in made._people if not p.startswith("?")]
    marked = [made.read([120, 120], marks=[None, player]) for player in players]
    assert all(np.array_equal(pair[0], plain[0]) for pair in marked)
    arrows = [(pair[1] != plain[0]).any(-1) for pair in marked]
    seen = [arrow for arrow in arrows if arrow.any()]
    assert 5 <= len(seen) <= 10  # those on court, and in view
    assert all(arrow.mean() < 0.003 for arrow in seen)
    middles = {tuple(np.argwhere(arrow).mean(0).round()) for arrow in seen}
    assert len(middles) == len(seen)
    assert np.array_equal(made.read([120], marks=["nobody"]), plain[:1])


def test_bad_input() -> None:
    with pytest.raises(VideoError, match="the game has"):
        film().read([10**7])
    with pytest.raises(VideoError, match="the game has"):
        film().read([-1])
    with pytest.raises(ConfigError, match="frames on demand"):
        film(settings=replace(RenderSettings(), replays=1))
    with pytest.raises(ConfigError, match=r"numbers is 2.*; .*quality is 0"):
        Difficulty(numbers=2.0, quality=0)
