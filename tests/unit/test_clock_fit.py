from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbasket import tables
from openbasket.clock.fit import GameClock, locate
from openbasket.errors import BadInputError, NotFoundError


def anchors(rows: list[tuple[int, float, float]], game: str = "g") -> pl.DataFrame:
    return pl.DataFrame(
        [(game, p, c, m, "given", None) for p, c, m in rows],
        schema=tables.dtypes("anchors"),
        orient="row",
    )


def events(rows: list[tuple[int, float, str]]) -> pl.DataFrame:
    frame = pl.DataFrame(
        [
            {
                "game_id": "g",
                "event_id": f"e{i}",
                "play_id": i,
                "order": i,
                "period": p,
                "clock_s": c,
                "kind": k,
            }
            for i, (p, c, k) in enumerate(rows)
        ]
    )
    return tables.validate("events", frame)


RUNS_AND_STOPS = st.lists(st.tuples(st.floats(0, 40), st.floats(0, 40)), min_size=1, max_size=12)


@given(RUNS_AND_STOPS, st.lists(st.floats(0, 1), min_size=2, max_size=20), st.randoms())
def test_media_time_never_grows_with_the_clock(steps, shares, random) -> None:
    clock, media, rows = 600.0, 3.0, [(1, 600.0, 3.0)]
    for run, stop in steps:
        clock, media = clock - run, media + run
        rows += [(1, clock, media), (1, clock, media + stop)]
        media += stop
    random.shuffle(rows)
    fitted = GameClock(anchors(rows))
    values = sorted(clock + s * (600.0 - clock) for s in shares)
    for side in ("first", "last"):
        times = [fitted.media_s(1, value, side) for value in values]
        assert all(a >= b - 1e-6 for a, b in pairwise(times))
    for value in values:
        first, last = fitted.span(1, value)
        assert 3.0 - 1e-6 <= first <= last <= media + 1e-6
        assert fitted.open_s(1, value) < 1e-6


def test_a_standing_clock_has_a_first_and_a_last_moment() -> None:
    fitted = GameClock(anchors([(1, 600, 5), (1, 590, 15), (1, 590, 40), (1, 580, 50)]))
    assert fitted.span(1, 590) == (15, 40)
    assert fitted.media_s(1, 590) == 15
    assert fitted.media_s(1, 590, "last") == 40
    assert fitted.media_s(1, 595) == 10
    assert fitted.media_s(1, 585) == 45


def test_what_sparse_anchors_leave_open_is_told() -> None:
    fitted = GameClock(anchors([(1, 600, 0), (1, 500, 130), (1, 400, 230)]))
    assert fitted.open_s(1, 550) == pytest.approx(30)
    assert fitted.open_s(1, 500) == 0
    assert fitted.open_s(1, 450) == 0


def test_contradictions_are_refused_together() -> None:
    rows = [(1, 600, 0), (1, 500, 50), (1, 510, 60), (2, 600, 40)]
    with pytest.raises(BadInputError) as caught:
        GameClock(anchors(rows))
    assert len(caught.value.problems) == 3
    assert "no faster than the video" in str(caught.value)


def test_a_small_contradiction_is_smoothed() -> None:
    fitted = GameClock(anchors([(1, 600, 0), (1, 590, 10), (1, 590.5, 11), (1, 580, 21)]))
    assert fitted.media_s(1, 590) == 10


def test_outside_the_anchors_there_is_no_answer() -> None:
    fitted = GameClock(anchors([(1, 600, 0), (1, 500, 100)]))
    with pytest.raises(NotFoundError, match="outside the anchors"):
        fitted.media_s(1, 450)
    with pytest.raises(NotFoundError, match="period 2"):
        fitted.media_s(2, 450)


def test_free_throws_fall_into_the_stop_in_order() -> None:
    rows = [
        (1, 500.0, "foul"),
        (1, 500.0, "free_throw"),
        (1, 500.0, "free_throw"),
        (1, 500.0, "defensive_rebound"),
    ]
    found = locate(
        events(rows), anchors([(1, 600, 0), (1, 500, 100), (1, 500, 135), (1, 400, 235)])
    )
    times = found.times["media_s"].to_list()
    assert times == [100, 118, 132, 135]
    assert found.refused == ()
    assert found.residual_s == (0, 0, 0, 0)


def test_known_event_times_win_and_open_ones_are_refused() -> None:
    table = events([(1, 590.0, "foul"), (1, 550.0, "steal"), (3, 20.0, "steal")])
    known = pl.DataFrame({"game_id": ["g"], "event_id": ["e0"], "media_s": [77.0]})
    found = locate(table, anchors([(1, 600, 0), (1, 500, 130)]), known)
    assert found.times.rows() == [("g", "e0", 77.0)]
    reasons = dict(found.refused)
    assert "+-15.0 s" in reasons["e1"]
    assert "period 3" in reasons["e2"]


def test_no_anchors_at_all_refuses_every_event() -> None:
    found = locate(events([(1, 590.0, "foul")]), tables.empty("anchors"))
    assert found.times.height == 0
    assert "no anchors" in found.refused[0][1]


def test_a_period_starts_when_its_clock_does() -> None:
    table = events(
        [
            (1, 600.0, "period_start"),
            (1, 600.0, "jump_ball"),
            (1, 580.0, "foul"),
            (2, 600.0, "sub_in"),
        ]
    )
    rows = [(1, 600.0, 5.0), (1, 600.0, 65.0), (1, 580.0, 85.0), (1, 580.0, 99.0)]
    found = locate(table, anchors([*rows, (2, 600.0, 200.0), (2, 600.0, 260.0), (2, 0.0, 860.0)]))
    at = dict(found.times.select("event_id", "media_s").iter_rows())
    assert at == {"e0": 65.0, "e1": 65.0, "e2": 85.0, "e3": 200.0}
