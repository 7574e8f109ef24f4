"""The game clock is found in the picture, read, and fitted; what cannot be right is refused."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from broadcast_games import PLAYS, events, game
from typer.testing import CliRunner

from openbasket.clock.chain import (
    GameRules,
    Shown,
    heaviest_chain,
    other_senses,
    stretches,
    undecided,
    unexplained,
)
from openbasket.clock.emit import Anchor, anchors_of, wanted_clocks
from openbasket.clock.fit import GameClock, locate
from openbasket.clock.ocr import clock_readings, period_reading
from openbasket.clock.proof import Proof, proven
from openbasket.clock.segments import Run, Segments, Stand, segments
from openbasket.errors import ConfigError, NotFoundError
from openbasket.simulation.boards import STYLES
from openbasket.simulation.boards_only import render_boards
from openbasket.simulation.broadcast import RenderSettings
from openbasket.simulation.timeline import plan
from openbasket.simulation.troubles import montage
from openbasket.video.glances import Glances

RULES = GameRules(4, 600.0, 300.0)
ROOT = Path(__file__).resolve().parents[2]
CLIPS = Path(os.environ.get("OPENBASKET_REAL_DATA", ROOT.parent / "shared" / "data")) / "videos"
SHORT = {"period_s": 90.0, "periods": 2, "overtime_s": 30.0}


def shown(
    rows: list[tuple[float, float]], period: int | None = 1, tick: float = 1.0
) -> list[Shown]:
    return [Shown(media, clock, tick, period, 1.0) for media, clock in rows]


# -- texts


@pytest.mark.parametrize(
    ("text", "clocks"),
    [
        ("9:48", [588.0]),
        ("10:00", [600.0]),
        ("Q1 9:48 22", [588.0]),
        ("9.48", [588.0]),
        ("21-19", []),
        ("21:19", []),
        ("20:42", []),
        ("24", []),
        ("48.3", []),
        ("1:75", []),
    ],
)
def test_what_looks_like_a_game_clock_anywhere(text: str, clocks: list[float]) -> None:
    assert [r.clock_s for r in clock_readings(text)] == clocks


@pytest.mark.parametrize(
    ("text", "clocks"),
    [
        ("48.3", [48.3]),
        ("0:48", [48.0]),
        ("948", [588.0]),
        ("425", [265.0, 42.5]),
        ("8.3", [8.3, 18.3]),
        ("18.3", [18.3, 8.3]),
    ],
)
def test_where_the_clock_is_known_to_stand_less_will_do(text: str, clocks: list[float]) -> None:
    assert [r.clock_s for r in clock_readings(text, sure=True)] == clocks


def test_periods_are_written_in_many_ways() -> None:
    for text in ("Q3", "3RD", "3º", "P3", "3rd Qtr", "H3"):
        assert period_reading(text, 4) == 3, text
    assert [period_reading(t, 4) for t in ("OT", "OT2", "2OT")] == [5, 6, 6]
    assert [period_reading(t, 4) for t in ("3", "21", "9:48", "BOS")] == [None] * 4
    assert period_reading("3", 4, plain=True) == 3


# -- the chain


def test_misread_digits_fall_out_of_the_chain() -> None:
    right = [(10.0 * i, 590.0 - 10 * i) for i in range(20)]
    wrong = [(45.0, 145.0), (95.0, 59.0), (133.0, 599.0)]
    chain = heaviest_chain(shown([*right, *wrong]), RULES)
    assert [s.media_s for s in chain] == [m for m, _ in right]


def test_of_two_senses_of_one_reading_the_fitting_one_is_taken() -> None:
    rows = [
        *shown([(0, 80), (10, 70), (20, 60)]),
        Shown(37.5, 265.0, 1.0, 1, 1.0),
        Shown(37.5, 42.5, 0.1, 1, 1.0),
        Shown(47.5, 32.5, 0.1, 1, 1.0),
    ]
    assert [s.clock_s for s in heaviest_chain(rows, RULES)] == [80, 70, 60, 42.5, 32.5]


def test_a_replay_with_an_old_clock_is_no_stop() -> None:
    live = [(0.0, 580.0), (6.0, 574.0), (6.9, 573.0), (8.0, 572.0), (16.0, 572.0), (17.0, 571.0)]
    old = [(9.0, 574.0), (10.0, 574.0), (11.0, 573.0)]
    chain = heaviest_chain(shown([*live, *old]), RULES)
    assert [s.media_s for s in chain] == [m for m, _ in live]


def test_periods_are_told_apart_and_going_back_is_refused() -> None:
    first = [(10.0 * i, 590.0 - 10 * i) for i in range(59)]
    second = [(700.0 + 10 * i, 590.0 - 10 * i) for i in range(20)]
    both = heaviest_chain(shown(first, None) + shown(second, None), RULES)
    found = stretches(both, RULES)
    assert not isinstance(found, str)
    assert [(s.period, len(s.shown)) for s in found] == [(1, 59), (2, 20)]
    back = heaviest_chain(shown(first, 3) + shown(second, 2), RULES)
    reason = stretches(back, RULES)
    assert isinstance(reason, str)
    assert "period 2 is shown after period 3" in reason


def test_minutes_that_are_missing_are_a_cut_in_the_clock_map() -> None:
    rows = [(10.0 * i, 590.0 - 10 * i) for i in range(10)]
    rows += [(100.0 + 10 * i, 400.0 - 10 * i) for i in range(10)]
    found = stretches(heaviest_chain(shown(rows), RULES), RULES)
    assert not isinstance(found, str)
    parts = segments(found[0], RULES)
    assert [type(p) for p in parts.parts] == [Run, Run]
    anchors = anchors_of(parts, wanted_clocks([{"period": 1, "clock_s": 500.0}])[1], 0.0, 200.0)
    clock = GameClock(
        pl.DataFrame(
            [("g", 1, a.clock_s, a.media_s, "scoreboard", a.residual_s) for a in anchors],
            schema=["game_id", "period", "clock_s", "media_s", "how", "residual_s"],
            orient="row",
        )
    )
    assert clock.media_s(1, 550.0) == pytest.approx(40.5, abs=0.6)
    assert clock.media_s(1, 350.0) == pytest.approx(150.5, abs=0.6)
    with pytest.raises(NotFoundError, match="not in the video"):
        clock.media_s(1, 450.0)


def test_a_stop_takes_the_clock_of_its_event() -> None:
    rows = [
        (10.0, 590.0),
        (20.0, 580.0),
        (20.9, 580.0),
        (25.0, 579.0),
        (40.0, 579.0),
        (41.3, 578.0),
    ]
    found = stretches(heaviest_chain(shown(rows), RULES), RULES)
    assert not isinstance(found, str)
    parts = segments(found[0], RULES)
    assert sum(isinstance(p, Stand) for p in parts.parts) == 1
    wanted = wanted_clocks(
        [
            {"period": 1, "clock_s": 579.4, "kind": "foul"},
            {"period": 1, "clock_s": 579.9, "kind": "field_goal"},
        ]
    )[1]
    stops = [a for a in anchors_of(parts, wanted, 0.0, 60.0) if a.clock_s == 579.4]
    assert len(stops) == 2
    assert stops[0].media_s == pytest.approx(21.2, abs=0.6)


def test_few_stops_tell_another_game_if_none_agrees() -> None:
    from openbasket.clock.scoreboard import _Scan

    plays = [
        {"period": 1, "clock_s": float(c), "kind": "foul"} for c in (550, 500, 420, 300, 210, 90)
    ]

    def told(*clocks: float) -> str | None:
        stands = [Stand(c, 1.0, 10.0 * i, 10.0 * i + 5.0) for i, c in enumerate(clocks)]
        scan = SimpleNamespace(
            found=[Segments(1, 600.0, list(stands))], wanted=wanted_clocks(plays)
        )
        return _Scan._other_stops(scan)  # type: ignore[arg-type]

    assert told(550.0, 501.0, 420.0, 299.0, 160.0, 90.0) is None  # of one, nobody wrote
    assert told(530.0, 470.0) is None  # too few to tell
    assert "0 of 6 stops agree" in str(told(530.0, 470.0, 400.0, 330.0, 160.0, 20.0))


# -- what the readings prove


def test_a_clock_that_ran_between_readings_is_proven() -> None:
    proof = Proof(shown([(0.0, 580.0), (10.0, 570.0), (20.0, 560.0)]), 600.0)
    low, high = proof.bounds(565.0)
    assert (low, high) == (15.0, 16.0)
    assert proof.off_s(565.0, 15.5, 15.5, whole=False) == pytest.approx(0.5)
    assert proof.off_s(565.0, 18.0, 18.0, whole=False) is None


def test_a_stop_that_was_not_seen_leaves_events_open() -> None:
    hidden = [(0.0, 580.0), (10.0, 570.0), (40.0, 560.0), (50.0, 550.0)]
    assert Proof(shown(hidden), 600.0).off_s(565.0, 15.0, 15.0, whole=False) is None
    stop = [(15.3, 565.0), (34.0, 565.0)]
    proof = Proof(shown(sorted(hidden + stop)), 600.0)
    assert proof.off_s(565.0, 15.2, 35.0, whole=True) == pytest.approx(1.0)
    late = [(15.3, 565.0), (25.0, 565.0)]
    proof = Proof(shown(sorted(hidden + late)), 600.0)
    assert proof.off_s(565.0, 15.2, 35.0, whole=False) is not None
    assert proof.off_s(565.0, 15.2, 35.0, whole=True) is None  # when free throws are shot is open


def test_a_replay_in_slow_motion_proves_nothing() -> None:
    live = [(0.0, 85.0), (2.5, 82.5)]
    replay = [(10.0 + 0.5 * i, 82.0 - 0.25 * i) for i in range(8)]
    proof = Proof(shown([*live, *replay, (14.0, 80.0), (16.0, 80.0)], tick=0.1), 600.0)
    low, _ = proof.bounds(80.0)
    assert low == pytest.approx(5.0)
    assert proof.off_s(80.0, 14.0, 16.0, whole=False) is None


def test_when_a_period_starts_is_proven_by_when_its_clock_was_last_seen_to_stand() -> None:
    run = [(70.0 + t, 600.0 - t) for t in range(2, 40, 4)]
    at_rest = [(30.0, 600.0), (69.0, 600.0)]
    off = Proof(shown([*at_rest, *run]), 600.0).off_s
    assert off(600.0, 30.0, 70.0, whole=False) == pytest.approx(1.0)
    assert off(600.0, 30.0, 75.0, whole=False) is None
    assert Proof(shown([at_rest[0], *run]), 600.0).off_s(600.0, 30.0, 70.0, whole=False) is None
    wanted = wanted_clocks([{"period": 1, "clock_s": 600.0, "kind": "period_start"}])[1]
    fitted = [Anchor(600.0, 30.0, 0.0), Anchor(600.0, 70.0, 0.0), Anchor(560.0, 110.0, 0.0)]
    first, last, _ = proven(fitted, shown([*at_rest, *run]), wanted, 600.0)
    assert first.residual_s > 2.0 >= last.residual_s


def test_what_a_cut_left_out_is_not_proven_and_what_it_left_is() -> None:
    rows = [(10.0 * i, 590.0 - 10 * i) for i in range(4)]
    rows += [(40.0 + 10 * i, 400.0 - 10 * i) for i in range(4)]
    fitted = [
        Anchor(590.0, 0.5, 0.0),
        Anchor(560.0, 30.5, 0.0),
        Anchor(400.0, 40.5, 0.0),
        Anchor(370.0, 70.5, 0.0),
    ]
    wanted = wanted_clocks([{"period": 1, "clock_s": c} for c in (575.0, 500.0, 385.0)])[1]
    anchors = proven(_cut(fitted), shown(rows), wanted, 600.0)
    off = {a.clock_s: a.residual_s for a in anchors}
    assert off[575.0] <= 1.0
    assert off[385.0] <= 1.0
    assert 500.0 not in off


def test_a_reading_that_nothing_explains_leaves_what_is_beside_it_open() -> None:
    # The clock stood at 36 to the last; minutes are missing, and the cut looks as if it had run.
    rows = [(50.0, 50.0), (60.0, 40.0), (64.0, 36.0), (70.0, 36.0), (78.0, 36.0), (80.0, 36.0),
            (90.0, 24.0), (100.0, 14.0), (106.0, 8.0)]  # fmt: skip
    readings = shown(rows)
    chain = heaviest_chain(readings, RULES)
    assert [r.media_s for r in readings if r not in chain] == [80.0]
    (doubted,) = unexplained(readings, chain)
    assert (doubted.media_s, doubted.clock_s) == (80.0, 36.0)
    wanted = wanted_clocks(
        [{"period": 1, "clock_s": c, "kind": "rebound"} for c in (45.0, 36.0, 30.0, 12.0)]
    )[1]
    fitted = anchors_of(segments(stretches(chain, RULES)[0], RULES), wanted, 0.0, 200.0)
    trusted, doubtful = (
        {a.clock_s: a.residual_s for a in proven(fitted, chain, wanted, 600.0, open_)}
        for open_ in ([], [doubted])
    )
    assert trusted[30.0] < 2.0 < doubtful[30.0]
    assert doubtful[36.0] > 2.0
    assert max(doubtful[45.0], doubtful[12.0]) < 2.0


def test_one_misread_digit_leaves_only_its_own_value_and_its_moment_open() -> None:
    rows = [(float(t), 600.0 - t) for t in range(0, 600, 5)]
    chain = shown(rows)
    misread = Shown(302.0, 98.0, 1.0, 1, 0.3)  # 298
    wanted = wanted_clocks(
        [{"period": 1, "clock_s": c, "kind": "rebound"} for c in (298.5, 250.5, 98.5, 50.5)]
    )[1]
    fitted = [Anchor(600.0, 0.0, 0.0), Anchor(0.0, 600.0, 0.0)]
    off = {a.clock_s: a.residual_s for a in proven(fitted, chain, wanted, 600.0, [misread])}
    assert min(off[298.5], off[98.5]) > 2.0 > max(off[250.5], off[50.5])


def test_what_is_read_in_a_break_leaves_only_the_edge_of_a_period_open() -> None:
    rows = [(float(t), 640.0 - t) for t in range(40, 640, 5)]
    chain = shown(rows)
    wanted = wanted_clocks(
        [{"period": 1, "clock_s": c, "kind": "rebound"} for c in (600.0, 590.0, 450.0)]
    )[1]
    fitted = [Anchor(600.0, 40.0, 0.0), Anchor(0.0, 640.0, 0.0)]

    def off(*doubted: Shown) -> dict[float, float]:
        found = proven(fitted, chain, wanted, 600.0, doubted)
        return {a.clock_s: a.residual_s for a in found if a.clock_s in wanted.all}

    trusted = off()
    assert max(trusted.values()) < 2.0
    early = off(Shown(5.0, 450.0, 1.0, 1, 1.0))
    assert early == trusted
    beside = off(Shown(35.0, 6000.0, 1.0, 1, 1.0))  # a misread 600, that is, when it stood
    assert beside[600.0] > 2.0
    assert (beside[590.0], beside[450.0]) == (trusted[590.0], trusted[450.0])
    beyond = off(Shown(200.0, 4400.0, 1.0, 1, 1.0))  # no clock of this period, but one was there
    assert beyond == trusted


def test_replays_explain_old_clocks_that_move_and_none_that_stand() -> None:
    before = [(0.0, 100.0), (10.0, 90.0), (20.0, 80.0)]
    moving = shown([(22.0, 83.0), (24.0, 82.0), (26.0, 81.0)])
    standing = shown([(24.0, 81.0), (26.0, 81.0), (30.0, 81.0)])
    stood = shown([*before, (32.0, 80.0), (40.0, 80.0), (50.0, 71.0)])
    assert unexplained([*stood, *moving], stood) == []
    assert unexplained([*stood, *standing], stood) == standing


def test_a_lost_leading_one_is_told_by_what_was_read_shortly_before() -> None:
    def both(media: float, clock: float) -> list[Shown]:
        return [Shown(media, c, 0.1, 1, 1.0) for c in (clock, 10.0 + clock)]

    sure = [Shown(0.0, 26.0, 0.1, 1, 1.0), Shown(4.0, 22.0, 0.1, 1, 1.0)]
    # It stood at 18.0 from 8 s on; ten seconds later it may be at 8.0 or have stood.
    far = [*sure, *both(8.0, 8.0), *both(18.0, 8.0), Shown(40.0, 0.0, 0.1, 1, 1.0)]
    chain = heaviest_chain(far, RULES)
    open_ = undecided(chain, other_senses(far, chain))
    assert {(s.media_s, s.clock_s) for s in open_} == {(18.0, 8.0), (18.0, 18.0)}
    near = [*far, *both(13.0, 8.0)]
    chain = heaviest_chain(near, RULES)
    assert [s.clock_s for s in chain[2:5]] == [18.0, 18.0, 18.0]
    others = other_senses(near, chain)
    assert sorted(others) == [8.0, 13.0, 18.0]
    assert undecided(chain, others) == []
    # A whole end of a period may be ten seconds off, where nothing sure is near.
    end = [*sure, *both(26.0, 4.0), *both(28.0, 2.0)]
    chain = heaviest_chain(end, RULES)
    assert {s.media_s for s in undecided(chain, other_senses(end, chain))} == {26.0, 28.0}


def _cut(anchors: list[Anchor]) -> list[Anchor]:
    """The clock jumps where the third anchor is."""
    return [*anchors[:2], Anchor(anchors[1].clock_s, anchors[2].media_s, 0.0), *anchors[2:]]


# -- broadcast troubles


def test_times_after_troubles_are_exact() -> None:
    settings = RenderSettings(replays=1, adverts=1, missing=1, hidden=1, trouble_s=5.0)
    laid = plan(game(), events(PLAYS), settings, Fraction(10))
    cut = montage(laid, settings, np.random.default_rng(0))
    added = sum(i.frames for i in cut.inserts.values())
    assert len(cut.inserts) == 2
    assert int(cut.missing.sum()) == int(cut.hidden.sum()) == 50
    assert int(cut.at[-1]) == laid.frames + added - 50
    stops = cut.stops(laid.periods[0])
    assert [f for f, _ in stops] == sorted(f for f, _ in stops)
    assert [c for _, c in stops] == sorted((c for _, c in stops), reverse=True)
    jumps = [b[1] - a[1] for a, b in pairwise(stops) if a[0] == b[0]]
    assert min(jumps) == pytest.approx(-5.0)


def test_what_is_put_in_waits_for_the_play_that_stopped_the_clock() -> None:
    rows = [
        (0, 1, 600, None, None, "period_start", {}),
        (1, 1, 580, "HARBOUR", "a", "pass", {"made": False}),
        (2, 1, 580, "HARBOUR", "a", "turnover", {}),
        (3, 1, 580, "HARBOUR", None, "timeout", {}),
        (4, 1, 0, None, None, "period_end", {}),
    ]
    laid = plan(game(), events(rows), RenderSettings(timeout_s=30.0), Fraction(25))
    lost = laid.event_frames["e2"]
    (period,) = laid.periods
    assert lost > next(frame for frame, clock in period.stops if clock == 580.0)
    cut = montage(laid, RenderSettings(timeout_s=30.0, adverts=1), np.random.default_rng(0))
    assert min(cut.inserts) > lost


def test_free_throws_before_a_cut_are_not_placed() -> None:
    # The clock stands at 500; the video leaves out how long.
    rows = [(600.0, 0.0), (500.0, 100.0), (500.0, 130.0), (450.0, 130.0), (400.0, 180.0)]
    anchors = pl.DataFrame(
        {"game_id": ["g1"] * 5, "period": [1] * 5, "clock_s": [r[0] for r in rows],
         "media_s": [r[1] for r in rows]}
    )  # fmt: skip
    plays = [
        (1, 1, 500, "HARBOUR", "a", "foul", {}),
        (2, 1, 500, "NORTH", "b", "free_throw", {"made": True}),
        (3, 1, 500, "NORTH", "b", "free_throw", {"made": True}),
        (4, 1, 420, "NORTH", "b", "steal", {}),
    ]
    found = locate(events(plays), anchors)
    assert dict(found.times.select("event_id", "media_s").iter_rows()) == {"e0": 100.0, "e3": 160.0}
    assert [event for event, _ in found.refused] == ["e1", "e2"]
    assert all("the video leaves out" in reason for _, reason in found.refused)


def test_wrong_styles_and_counts_are_refused_together() -> None:
    with pytest.raises(ConfigError, match=r"board is 'neon'.*replays is -1"):
        RenderSettings(board="neon", replays=-1)  # type: ignore[arg-type]


# -- whole videos


def small_game() -> tuple[dict[str, object], pl.DataFrame]:
    table = events(PLAYS).with_columns(pl.col("clock_s") - 510.0)
    later = table.with_columns(
        pl.lit(2, dtype=pl.Int8).alias("period"),
        pl.format("f{}", pl.col("order")).alias("event_id"),
        pl.col("order") + 100,
        pl.col("play_id") + 100,
    )
    both = pl.concat([table, later]).filter(pl.col("clock_s") >= 0)
    return game(**SHORT), both


@pytest.mark.parametrize(
    "style", ["strip", *(pytest.param(s, marks=pytest.mark.slow) for s in STYLES[2:])]
)
def test_a_small_game_is_synced(style: str, tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="rapidocr is not installed (extra sync)")
    from openbasket.clock.scoreboard import read_scoreboard

    row, table = small_game()
    settings = RenderSettings(board=style, preset="ultrafast", gop=10, dead_time_s=5.0)  # type: ignore[arg-type]
    done = render_boards(
        row, table, tmp_path / "g.mp4", settings=settings, size=(704, 400), fps=Fraction(10)
    )
    report = read_scoreboard(done.path, row, table)
    assert report.refused is None
    true = dict(locate(table, done.anchors).times.select("event_id", "media_s").iter_rows())
    found = locate(table, report.anchors)
    off = [abs(m - true[e]) for e, m in found.times.select("event_id", "media_s").iter_rows()]
    assert len(off) >= (0.85 if style == "strip" else 0.5) * table.height  # what readings prove
    assert max(off) <= 0.76
    if style == "strip":  # the same video is not a game with longer periods
        wrong = read_scoreboard(done.path, row | {"period_s": 300.0}, table)
        assert "no period is seen to begin above" in str(wrong.refused)
        assert wrong.anchors.height == 0


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"no real clips at {CLIPS}")
def test_the_board_on_the_wall_of_a_real_clip_is_read() -> None:
    pytest.importorskip("rapidocr", reason="rapidocr is not installed (extra sync)")
    from openbasket.clock.board import look_everywhere

    with Glances(CLIPS / "basketball_highschool_scoreboard.mp4") as video:
        seen = [look_everywhere(*glance, 4) for s in (1.5, 3.0, 5.0) if (glance := video.at(s))]
    assert [[r.clock_s for r in s.clocks] for s in seen] == [[106.0]] * 3
    assert [s.period for s in seen] == [3, 3, 3]


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"no real clips at {CLIPS}")
def test_a_real_clip_of_another_sport_is_refused() -> None:
    pytest.importorskip("rapidocr", reason="rapidocr is not installed (extra sync)")
    from openbasket.clock.scoreboard import read_scoreboard

    report = read_scoreboard(CLIPS / "baseball_college.mp4", game())
    assert "no game clock was found" in str(report.refused)


def test_the_command_wants_one_source_of_anchors(tmp_path: Path) -> None:
    from openbasket.cli import app

    for more in ([], ["anchors.csv", "--scoreboard"]):
        done = CliRunner().invoke(app, ["sync", str(tmp_path), *more])
        assert done.exit_code != 0


def test_every_style_has_a_drawing() -> None:
    from openbasket.simulation.boards import _DRAWINGS

    assert set(_DRAWINGS) == set(STYLES) - {"corner"}
