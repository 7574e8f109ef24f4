"""Anchors from wall-clock stamps: what is late, corrected or contradictory does not move the clock."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from broadcast_games import AWAY, HOME, events, game
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.clock.fit import GameClock, locate
from openbasket.clock.stamps import StampFit, fit_stamps
from openbasket.clock.wall_clock import Given, Moment, parse_offset, place, read_given
from openbasket.errors import BadInputError, ConfigError
from openbasket.workspace import Workspace

#: Wall time at which the true clock of period 1 starts, and how long breaks and stops last.
TIP_OFF = dt.datetime(2023, 10, 5, 18, 0, tzinfo=dt.UTC)
BREAK_S, STOP_S = 120.0, 30.0
#: The clock stops at these values in each period: a foul with two free throws.
STOPS = (480.0, 300.0, 90.0)
LIVE = tuple(float(c) for c in range(590, 0, -12))
VIDEO_START = TIP_OFF - dt.timedelta(seconds=200)


def true_s(period: int, clock: float, *, after_stop: bool = False) -> float:
    """Seconds after the tip-off at which the clock shows a value."""
    stops = sum(1 for c in STOPS if c > clock or (after_stop and c == clock))
    return (period - 1) * (600 + BREAK_S + len(STOPS) * STOP_S) + 600 - clock + stops * STOP_S


def rows() -> list[tuple[int, float, str, float]]:
    """``period, clock, kind, seconds after the tip-off`` of a four-period game, in order."""
    found = []
    for period in (1, 2, 3, 4):
        clocks = sorted([*LIVE, *STOPS], reverse=True)
        for clock in clocks:
            at = true_s(period, clock)
            if clock not in STOPS:
                found.append((period, clock, "field_goal", at))
                continue
            found.append((period, clock, "foul", at))
            found += [(period, clock, "free_throw", at + s) for s in (13.0, 27.0)]
    return found


def stamped(late_s: np.ndarray | None = None, keep: tuple[str, ...] = ()) -> pl.DataFrame:
    made = rows()
    table = events(
        [(i, p, c, HOME if i % 2 else AWAY, f"p{i % 5}", kind, {"value": 1 if kind == "free_throw" else 2, "made": False} if kind != "foul" else {})
         for i, (p, c, kind, _) in enumerate(made)]
    )  # fmt: skip
    at = np.array([row[3] for row in made])
    if late_s is None:
        late_s = np.random.default_rng(0).uniform(0.5, 1.5, len(at))
    walls = pl.Series(((at + late_s) * 1e6).astype(np.int64) + int(TIP_OFF.timestamp() * 1e6))
    table = table.with_columns(wall_time=walls.cast(pl.Datetime("us", "UTC")))
    if keep:
        table = table.with_columns(wall_time=pl.when(pl.col("kind").is_in(keep)).then("wall_time"))
    return table


def media(period: int, clock: float) -> float:
    return 200 + true_s(period, clock)


def moment(period: int, clock: float, off: float = 0.0) -> Moment:
    return Moment(period, clock, media(period, clock) + off)


def worst(fit: StampFit, given: Given, table: pl.DataFrame) -> float:
    placed = place(fit, given)
    assert placed.refused is None
    found = locate(table, placed.anchors)
    assert found.refused == ()
    at = dict(found.times.select("event_id", "media_s").iter_rows())
    true = [200 + row[3] for row in rows()]
    kinds = table["kind"].to_list()
    return max(abs(at[f"e{i}"] - m) for i, m in enumerate(true) if kinds[i] != "free_throw")


def test_prompt_stamps_place_every_event() -> None:
    table = stamped()
    fit = fit_stamps(game(), table)
    assert (fit.refused, fit.left_out, fit.used) == (None, (), fit.stamps)
    assert worst(fit, Given(moments=(moment(1, 545.0),)), table) < 1.0
    assert worst(fit, Given(start=VIDEO_START, delay_s=1.0), table) < 1.0


def test_the_usual_delay_of_a_scorer_cancels_with_a_moment_but_not_with_a_start() -> None:
    table = stamped(np.random.default_rng(1).uniform(5.0, 6.0, len(rows())))
    fit = fit_stamps(game(), table)
    assert worst(fit, Given(moments=(moment(2, 545.0),)), table) < 1.0
    assert worst(fit, Given(start=VIDEO_START, delay_s=5.5), table) < 1.0
    assert worst(fit, Given(start=VIDEO_START, delay_s=0.0), table) > 4.0


def test_corrected_and_disordered_stamps_are_left_out() -> None:
    rng = np.random.default_rng(2)
    late = rng.uniform(0.5, 1.5, len(rows()))
    for lateness in (60.0, 40_000.0, -15.0, 137 * 86_400.0):
        late[rng.choice(len(late), 5, replace=False)] += lateness
    table = stamped(late)
    fit = fit_stamps(game(), table)
    assert fit.refused is None
    assert fit.stamps - 20 <= fit.used < fit.stamps
    assert worst(fit, Given(moments=(moment(1, 545.0), moment(4, 545.0))), table) < 1.5


def test_stops_without_a_stamp_of_their_own_are_placed_from_shots_alone() -> None:
    table = stamped(keep=("field_goal", "free_throw"))
    fit = fit_stamps(game(), table)
    clock = GameClock(fit.anchors)
    for stop in STOPS:
        first, last = clock.span(2, stop)
        assert last - first == pytest.approx(STOP_S, abs=1.0)


def test_free_throws_lie_in_their_stop() -> None:
    table = stamped()
    placed = place(fit_stamps(game(), table), Given(moments=(moment(1, 545.0),)))
    at = dict(locate(table, placed.anchors).times.select("event_id", "media_s").iter_rows())
    for i, (_, _, kind, seconds) in enumerate(rows()):
        if kind == "free_throw":
            assert abs(at[f"e{i}"] - 200 - seconds) < 2.5


def test_a_break_that_was_cut_out_gives_a_second_part() -> None:
    table = stamped()
    fit = fit_stamps(game(), table)
    cut = -100.0
    moments = (moment(1, 545.0), moment(2, 77.0), moment(3, 545.0, cut), moment(4, 77.0, cut))
    placed = place(fit, Given(moments=moments))
    assert placed.refused is None
    assert [(p.first_period, p.last_period) for p in placed.parts] == [(1, 2), (3, 4)]
    clock = GameClock(placed.anchors)
    for period in (1, 2, 3, 4):
        wanted = media(period, 401.0) + (cut if period > 2 else 0.0)
        assert clock.media_s(period, 401.0) == pytest.approx(wanted, abs=1.0)


def test_a_period_between_two_parts_is_left_out() -> None:
    fit = fit_stamps(game(), stamped())
    placed = place(fit, Given(moments=(moment(1, 545.0), moment(3, 545.0, -100.0))))
    assert set(placed.anchors["period"]) == {1, 3, 4}
    assert placed.left_out == (
        "period 2: a break before or after it is cut out of the video; give a moment in it",
    )


@pytest.mark.parametrize(
    ("moments", "reason"),
    [
        ((moment(2, 545.0), moment(2, 77.0, -30.0)), "if a part of period 2 is cut out"),
        ((moment(1, 545.0), moment(3, 77.0, 30.0)), "more of the video passed"),
        ((moment(1, 545.0), moment(3, 77.0, -2500.0)), "moments contradict each other"),
        ((moment(1, 480.0),), "give a moment at which the clock runs"),
        ((moment(7, 545.0),), "no anchors in period 7"),
    ],
)  # fmt: skip
def test_moments_that_contradict_or_do_not_tell_are_refused(moments, reason) -> None:
    placed = place(fit_stamps(game(), stamped()), Given(moments=moments))
    assert placed.anchors.is_empty()
    assert placed.refused is not None
    assert reason in placed.refused


def test_a_moment_of_a_period_that_the_game_does_not_have_is_named() -> None:
    given = Given(moments=(moment(1, 545.0), moment(7, 545.0)))
    placed = place(fit_stamps(game(), stamped()), given)
    assert set(placed.anchors["period"]) == {1, 2, 3, 4}
    (reason,) = placed.left_out
    assert reason.startswith("moment period 7 clock")
    assert "is not used" in reason
    assert "no anchors in period 7" in reason


def shuffled() -> pl.DataFrame:
    table = stamped()
    return table.with_columns(wall_time=table["wall_time"].shuffle(seed=1))


def entered_afterwards() -> pl.DataFrame:
    made = rows()
    at = np.array([row[3] for row in made])
    return stamped(8000.0 + 2.0 * np.arange(len(made)) - at)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (shuffled, "stamps fit the clock"),
        (entered_afterwards, "stamps fit the clock"),
        (lambda: stamped().with_columns(wall_time=pl.lit(None, pl.Datetime("us", "UTC"))), "no event"),
        (lambda: stamped(keep=("free_throw",)), "stamps fit the clock"),
        (
            lambda: stamped().with_columns(wall_time=pl.when(pl.col("period") == 2)
            .then(pl.col("wall_time") + pl.duration(hours=20)).otherwise("wall_time")),
            "period 3 starts",
        ),
    ],
    ids=["shuffled", "entered afterwards", "none", "free throws alone", "a period re-entered"],
)  # fmt: skip
def test_stamps_that_contradict_the_clock_are_refused(table, reason) -> None:
    fit = fit_stamps(game(), table())
    assert fit.anchors.is_empty()
    assert fit.refused is not None
    assert reason in fit.refused


def test_a_period_with_few_stamps_is_left_out_and_the_others_stay() -> None:
    table = stamped().with_columns(
        wall_time=pl.when((pl.col("period") != 2) | (pl.col("clock_s") > 570)).then("wall_time")
    )
    fit = fit_stamps(game(), table)
    assert fit.refused is None
    assert set(fit.anchors["period"]) == {1, 3, 4}
    assert fit.left_out == ("period 2: 2 stamps fit the clock; needed: 4",)


def test_stamps_that_scatter_more_than_the_tolerance_are_refused() -> None:
    fit = fit_stamps(game(), stamped(np.random.default_rng(3).uniform(0.0, 3.0, len(rows()))))
    assert place(fit, Given(start=VIDEO_START)).refused is None
    told = place(fit, Given(start=VIDEO_START), tolerance_s=0.5).refused
    assert told is not None
    assert "scatter" in told


def test_local_time_is_told_by_whole_hours_and_ends_of_the_video_are_checked() -> None:
    fit = fit_stamps(game(), stamped())
    off = place(fit, Given(start=VIDEO_START - dt.timedelta(hours=2)), duration_s=4000.0).refused
    assert off is not None
    assert "+2 hours" in off
    ends = place(fit, Given(start=VIDEO_START), duration_s=3000.0).refused
    assert ends is not None
    assert "give a moment in period 4" in ends
    # A moment in the last period that is seen proves that the recording ends early.
    placed = place(fit, Given(moments=(moment(4, 545.0),)), duration_s=3000.0)
    assert placed.refused is None
    assert placed.anchors["media_s"].max() <= 3000.0
    late = place(fit, Given(start=VIDEO_START + dt.timedelta(seconds=800)), duration_s=9000.0)
    assert late.refused is None
    assert late.anchors["media_s"].min() >= 0.0
    assert set(late.anchors["period"]) <= {1, 2, 3, 4}


def test_offsets_are_read_as_starts_or_moments() -> None:
    assert parse_offset("2 8:41 1:02:03.5") == Given(moments=(Moment(2, 521.0, 3723.5),))
    assert parse_offset("2023-10-05T20:00:00+02:00").start == TIP_OFF
    assert parse_offset("2023-10-05T18:00:00").start == TIP_OFF  # without a zone: UTC
    for text in ("", "yesterday", "1 10:00", "0 10:00 3:12", "1 10:77 3:12"):
        with pytest.raises(ConfigError, match="neither a wall time"):
            parse_offset(text)


def test_a_csv_holds_starts_or_moments(tmp_path: Path) -> None:
    path = tmp_path / "starts.csv"
    path.write_text("game_id,start\ng1,2023-10-05T18:00:00Z\n")
    assert read_given(path) == {"g1": Given(start=TIP_OFF)}
    path.write_text("game_id,period,clock,media\ng1,1,9:05,3:12\ng1,3,9:05,40:00\n")
    assert read_given(path)["g1"].moments == (Moment(1, 545.0, 192.0), Moment(3, 545.0, 2400.0))
    path.write_text(
        "game_id,start\ng1,today\ng2,2023-10-05T18:00:00Z\ng1,2023-10-05\ng1,2023-10-05\n"
    )
    with pytest.raises(BadInputError) as error:
        read_given(path, {"g1"})
    assert [(p.row, p.field) for p in error.value.problems] == [
        (0, "start"), (1, "game_id"), (3, "game_id"),
    ]  # fmt: skip
    path.write_text("game_id\ng1\n")
    with pytest.raises(BadInputError, match="start"):
        read_given(path)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    space = Workspace(tmp_path / "w", create=True)
    other = stamped().with_columns(pl.lit("g2").alias("game_id"), wall_time=None)
    table = pl.DataFrame([game(), game(game_id="g2")], infer_schema_length=None)
    space.write("games", table, league="L", season="24-25")
    space.write("events", pl.concat([stamped(), other]), league="L", season="24-25")
    return space


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_the_command_stores_accepted_games_and_names_refused_ones(workspace: Workspace) -> None:
    root = workspace.root
    offset = ["--offset", "1 9:05 4:15", "--offset", "3 9:05 31:15"]
    code, out = run("sync", root, "--wall-clock", "--game", "g1", *offset, "--json")
    assert code == 0
    told = json.loads(out)["accepted"][0]
    anchors = workspace.read("anchors")
    assert told["anchors"] == anchors.height > 20
    assert told["located"] == 1.0
    assert set(anchors["how"]) == {"wall_clock"}
    assert anchors["residual_s"].max() < 2.0
    starts = root.parent / "starts.csv"
    starts.write_text(
        f"game_id,start\ng1,{VIDEO_START.isoformat()}\ng2,{VIDEO_START.isoformat()}\n"
    )
    code, out = run("sync", root, starts, "--wall-clock")
    assert code == 1
    assert "refused: g2: no event of this game has a wall-clock stamp" in out
    assert "accepted 1 game, refused 1" in out


def test_the_command_takes_the_few_anchors_that_there_are_as_moments(workspace: Workspace) -> None:
    csv = workspace.root.parent / "anchors.csv"
    csv.write_text("game_id,period,clock,media\ng1,1,9:05,4:15\ng1,4,9:05,44:45\n")
    assert run("sync", workspace.root, csv)[0] == 0
    code, _ = run("sync", workspace.root, "--wall-clock", "--from-anchors")
    assert code == 0
    clock = GameClock(workspace.read("anchors"))
    assert clock.media_s(3, 401.0) == pytest.approx(media(3, 401.0), abs=1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--wall-clock"], "give one of: a CSV, --offset"),
        (["--wall-clock", "--offset", "1 9:05 4:15"], "name its game"),
        (["--wall-clock", "--offset", "soon", "--game", "g1"], "neither a wall time"),
        (["--offset", "1 9:05 4:15"], "goes with --wall-clock"),
        (["--wall-clock", "--scoreboard", "--creation-time"], "was given --scoreboard"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    workspace: Workspace, options: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run("sync", workspace.root, *options)


def test_creation_time_is_asked_of_the_container(workspace: Workspace, tmp_path: Path) -> None:
    import av

    video = workspace.root / "g1.mp4"
    with av.open(str(video), "w") as output:
        output.metadata["creation_time"] = VIDEO_START.isoformat()
        stream = output.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(2):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts = i * 3700
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    table = workspace.read("games").with_columns(
        video=pl.when(pl.col("game_id") == "g1").then(pl.lit("g1.mp4"))
    )
    workspace.write("games", table, league="L", season="24-25")
    code, out = run("sync", workspace.root, "--wall-clock", "--creation-time", "--delay", "1")
    assert code == 0, out
    clock = GameClock(workspace.read("anchors"))
    assert clock.media_s(2, 401.0) == pytest.approx(media(2, 401.0), abs=1.0)
