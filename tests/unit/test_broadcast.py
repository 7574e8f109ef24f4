from __future__ import annotations

import random
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from broadcast_games import AWAY, HOME, PLAYS, appearances, events, game, stints

from openbasket import tables
from openbasket.clock.fit import GameClock
from openbasket.errors import BadInputError, ConfigError, NotFoundError
from openbasket.simulation import broadcast, court, graphics, looks, timeline
from openbasket.simulation.broadcast import RenderSettings, pictures, render
from openbasket.simulation.choreography import fives
from openbasket.video.write import FPS
from openbasket.workspace import Workspace

SHORT = {"period_s": 20.0, "periods": 1, "overtime_s": 10.0}


def scenes(rows, row=None, seats=None):
    """The plan and the scenes of a game, without drawing."""
    row, table = row or game(), events(rows)
    laid = timeline.plan(row, table, RenderSettings(), FPS)
    people = broadcast.people_of(row, appearances() if seats is None else seats, table)
    made = list(broadcast._in_motion(row, laid, table, stints(), people, 0))
    return laid, people, made


@pytest.fixture(scope="module")
def everything():
    return scenes(PLAYS, game(period_s=600.0))


# -- court and cameras


def test_event_places_become_court_places() -> None:
    assert court.to_world(0, 0, 1) == pytest.approx((court.BASKET_X, 0))
    # one who faces the right basket has the near side line to the right
    assert court.to_world(2.0, 5.0, 1) == pytest.approx((court.BASKET_X - 5, -2))
    assert court.to_world(2.0, 5.0, -1) == pytest.approx((-court.BASKET_X + 5, 2))


@pytest.mark.parametrize("camera", [court.WIDE, court.CLOSE])
def test_the_camera_sees_far_things_small_and_high_things_high(camera: court.Camera) -> None:
    near, far = camera.project(0.0, -7.0, 0.0), camera.project(0.0, 7.0, 0.0)
    assert far[1] < near[1]
    assert camera.scale(7.0, 0.0) < camera.scale(-7.0, 0.0)
    rim, foot = camera.project(12.4, 0.0, court.RIM_Z), camera.project(12.4, 0.0, 0.0)
    assert 20 < rim[1] < foot[1] < camera.height
    left, right = camera.project(-5.0, 1.0, 0.0), camera.project(5.0, 1.0, 0.0)
    assert left[0] + right[0] == pytest.approx(2 * camera.origin_px)


def test_the_whole_court_is_inside_the_panorama() -> None:
    corner = court.WIDE.project(court.HALF_LENGTH, -court.HALF_WIDTH, 0.0)
    assert corner[0] < court.WIDE.panorama_width
    assert corner[1] < court.WIDE.height + 30


# -- the running order


def test_the_clock_runs_one_to_one_and_stands_after_whistles(everything) -> None:
    laid, _, _ = everything
    stops = laid.periods[0].stops
    assert stops[0] == (0, 600.0)
    for (first, at_first), (second, at_second) in pairwise(stops):
        assert second >= first
        if at_second < at_first:
            assert second - first == round((at_first - at_second) * FPS)
    standing = {clock for (_, clock), (_, after) in pairwise(stops) if clock == after}
    assert standing >= {600.0, 528.0, 510.0, 480.0, 0.0}
    assert 588.0 not in standing  # an early basket does not stop the clock


def test_running_play_is_shown_at_its_clock(everything) -> None:
    laid, _, _ = everything
    period = laid.periods[0]
    for moment in period.moments:
        if moment.kind in ("shot", "rebound", "turnover"):
            shown = timeline.clock_at(period.stops, moment.frame, FPS)
            assert abs(shown - moment.clock_s) < 2.0


def test_every_event_has_its_frame_in_order(everything) -> None:
    laid, _, _ = everything
    frames = [laid.event_frames[f"e{i}"] for i in range(len(PLAYS))]
    assert len(laid.event_frames) == len(PLAYS)
    assert frames == sorted(frames)
    assert frames[13] < frames[14] < frames[17]  # foul, then one free throw after the other


def test_free_throws_of_one_second_are_apart(everything) -> None:
    laid, _, _ = everything
    gap = laid.event_frames["e17"] - laid.event_frames["e14"]
    assert gap >= 2.5 * FPS


def test_a_clock_that_goes_up_is_held() -> None:
    laid, _, _ = scenes(
        [
            (0, 1, 15, HOME, "h1", "field_goal", {"made": True, "value": 2}),
            (1, 1, 17, AWAY, "n1", "field_goal", {"made": True, "value": 2}),
        ],
        game(**SHORT),
    )
    assert [m.clock_s for m in laid.periods[0].moments] == [15.0, 15.0]
    clocks = [clock for _, clock in laid.periods[0].stops]
    assert clocks == sorted(clocks, reverse=True)


def test_offensive_fouls_and_assists_on_free_throws_join_their_foul() -> None:
    laid, _, _ = scenes(
        [
            (0, 1, 15, HOME, "h1", "foul", {}),
            (1, 1, 15, HOME, "h1", "turnover", {}),
            (2, 1, 9, HOME, "h2", "foul", {}),
            (2, 1, 9, AWAY, "n1", "foul_drawn", {}),
            (3, 1, 9, AWAY, "n1", "free_throw", {"made": True, "value": 1}),
            (4, 1, 9, AWAY, "n3", "assist", {}),
            (5, 1, 9, AWAY, "n1", "free_throw", {"made": True, "value": 1}),
        ],
        game(**SHORT),
    )
    moments = laid.periods[0].moments
    assert [m.kind for m in moments] == ["foul", "foul", "free_throw", "free_throw"]
    assert moments[0].offensive
    assert moments[1].third == "n3"
    assert set(laid.event_frames) == {f"e{i}" for i in range(7)}


def test_max_dead_time_squeezes_a_long_stop() -> None:
    rows = [(i, 1, 10, HOME, "h1", "free_throw", {"made": True, "value": 1}) for i in range(8)]
    lengths = []
    for longest in (5.0, 600.0):
        settings = RenderSettings(max_dead_time_s=longest)
        lengths.append(timeline.plan(game(**SHORT), events(rows), settings, FPS).frames)
    assert lengths[0] < lengths[1] - 8 * FPS


def test_bad_settings_are_refused_together() -> None:
    with pytest.raises(ConfigError, match=r"dead_time_s is 0.*crf is 99"):
        RenderSettings(dead_time_s=0, crf=99)


def test_no_events_are_refused() -> None:
    with pytest.raises(BadInputError, match="at least one event"):
        timeline.plan(game(), tables.empty("events"), RenderSettings(), FPS)
    with pytest.raises(BadInputError, match="one of"):
        timeline.plan(game(), events(PLAYS), RenderSettings(), FPS, periods=[7])


# -- who is on court, and what is seen of an event


def test_whoever_acts_is_on_court_without_any_stint(everything) -> None:
    laid, _, _ = everything
    moments = laid.periods[0].moments
    home = fives(moments, 0, [], ["h1", "h2", "h3", "h4", "h5"], ["h1", "h2", "h3", "h4", "h5"])
    assert all(len(set(five)) == 5 for five in home)
    after = home[[m.kind for m in moments].index("substitution")]
    assert "h6" in after
    assert "h5" not in after


def test_stints_win_and_slots_stay() -> None:
    laid, _, _ = scenes(PLAYS)
    moments = laid.periods[0].moments
    spans = [(0, 100, ("h8", "h1", "h2", "h3", "h4"))]
    five = fives(moments[:2], 0, spans, ["h5", "h6"], ["h1", "h2", "h3", "h4", "h5"])[1]
    assert five == ["h1", "h2", "h3", "h4", "h8"]


def test_too_few_known_players_are_filled_up() -> None:
    _, _, made = scenes(
        [(0, 1, 15, HOME, "h1", "field_goal", {"made": True, "value": 2})],
        game(**SHORT),
        tables.empty("appearances"),
    )
    who = made[0][1].who
    assert all(len(set(row)) == 10 for row in who[::60])


def slot_of(scene, people, player, frame):
    row = [people[i].player_id for i in scene.who[frame]]
    return row.index(player)


def test_the_actor_has_the_ball_at_the_place_the_event_names(everything) -> None:
    _, people, made = everything
    period, scene = made[0]
    for moment in period.moments:
        if moment.kind == "shot":
            frame = moment.frame
            slot = slot_of(scene, people, moment.actor, frame)
            held = [
                f
                for f in range(frame - 60, frame)
                if np.hypot(*(scene.ball[f, :2] - scene.position[f, slot])) < 0.6
            ]
            assert held, moment
            release = held[-1]
            side = 1 if moment.team == 0 else -1
            place = court.to_world(moment.x_m, moment.y_m, side)
            assert np.hypot(*(scene.position[release, slot] - place)) < 0.4
        if moment.kind == "rebound":
            slot = slot_of(scene, people, moment.actor, moment.frame)
            gap = scene.ball[moment.frame + 2, :2] - scene.position[moment.frame + 2, slot]
            assert np.hypot(*gap) < 0.6
        if moment.kind == "turnover" and moment.second is not None:
            slot = slot_of(scene, people, moment.second, moment.frame)
            gap = scene.ball[moment.frame + 4, :2] - scene.position[moment.frame + 4, slot]
            assert np.hypot(*gap) < 0.6


def test_a_made_shot_falls_through_the_ring_and_counts(everything) -> None:
    _, _, made = everything
    period, scene = made[0]
    shots = [m for m in period.moments if m.kind in ("shot", "free_throw")]
    for moment in shots:
        side = 1 if moment.team == 0 else -1
        ring = np.array([side * court.BASKET_X, 0.0, court.RIM_Z])
        gap = np.abs(scene.ball[moment.frame - period.first] - ring)
        moved = scene.net[moment.frame - period.first, 0 if side > 0 else 1] == 0
        assert moved == moment.made
        if moment.third is None:
            assert gap.max() < 0.4
        else:
            assert gap.max() > 0.6  # blocked on its way
    points = [sum(m.value for m in shots if m.made and m.team == team) for team in (0, 1)]
    assert scene.score[-1].tolist() == points == [8, 3]


def test_a_contesting_defender_is_near_and_an_open_shooter_alone(everything) -> None:
    _, people, made = everything
    period, scene = made[0]
    gaps = {}
    for moment in period.moments:
        if moment.kind == "shot" and moment.contested is not None:
            frame = moment.frame - 30 if moment.value == 3 else moment.frame - 14
            slot = slot_of(scene, people, moment.actor, frame)
            others = scene.position[frame, 5:10] if moment.team == 0 else scene.position[frame, :5]
            near = np.hypot(*(others - scene.position[frame, slot]).T).min()
            gaps.setdefault(moment.contested, []).append(near)
    assert max(gaps[True]) < 1.6
    assert min(gaps[False]) > max(gaps[True])


def test_nobody_runs_faster_than_people_do(everything) -> None:
    _, _, made = everything
    speed = made[0][1].speed[:, :10]
    assert np.quantile(speed, 0.99) < 8.5
    assert np.quantile(speed, 0.999) < 10


def test_teams_change_ends_at_half_time_and_play_on_in_overtime() -> None:
    row = game(period_s=20.0, periods=2, overtime_s=10.0)
    shot = {"made": True, "value": 2, "x_m": 0.0, "y_m": 4.0}
    rows = [(p, p, 6, HOME, "h1", "field_goal", shot) for p in (1, 2, 3)]
    laid, _, made = scenes(rows, row)
    sides = []
    for period, scene in made:
        frame = period.moments[0].frame - period.first
        sides.append(float(np.sign(scene.ball[frame, 0])))
    assert sides == [1.0, -1.0, -1.0]
    assert [p.length_s for p in laid.periods] == [20.0, 20.0, 10.0]
    assert graphics.period_text(3, 2) == "OT1"
    assert made[2][1].score[-1].tolist() == [6, 0]


# -- pictures


def test_the_scoreboard_shows_the_clock(everything) -> None:
    laid, _, _ = everything
    _, frames = pictures(game(), events(PLAYS), appearances(), stints(), max_s=4.0)
    kits = looks.team_colours(HOME, AWAY)
    colours = (kits[0][0], kits[1][0])
    for number, frame in enumerate(frames):
        if number % 37:
            continue
        shown = graphics.clock_text(timeline.clock_at(laid.periods[0].stops, number, FPS))
        board = graphics.scoreboard(("HARB", "NORT"), colours, (0, 0), "Q1", shown)
        assert np.array_equal(frame[346:386, 18:254], board), shown
        other = graphics.scoreboard(("HARB", "NORT"), colours, (0, 0), "Q1", "1:23")
        assert not np.array_equal(board, other)


@pytest.mark.parametrize(
    ("clock", "text"),
    [(600, "10:00"), (599.97, "9:59"), (60, "1:00"), (59.94, "59.9"), (0.0, "0.0")],
)
def test_clock_text(clock: float, text: str) -> None:
    assert graphics.clock_text(clock) == text


def test_made_and_missed_look_different() -> None:
    shots = []
    for made in (True, False):
        rows = [
            (0, 1, 16, HOME, "h1", "field_goal", {"made": made, "value": 2, "x_m": 0.0, "y_m": 5.0})
        ]
        laid, frames = pictures(game(**SHORT), events(rows), appearances(), stints())
        at = laid.event_frames["e0"] + 8
        shots.append(next(islice(frames, at, None)).copy())
    assert (np.abs(shots[0].astype(int) - shots[1]) > 40).sum() > 150


def test_kits_contrast_whoever_plays() -> None:
    for i in range(60):
        home, away = looks.team_colours(f"team{i}", f"team{i * 7 + 1}")
        apart = np.abs(np.array(home[0], float) - np.array(away[0])).sum()
        assert apart > 150
        for kit in (home, away):
            ink = np.abs(np.array(kit[0], float) - np.array(kit[1])).sum()
            assert ink > 200


def test_numbers_come_from_the_roster_and_fall_back_to_stable_ones() -> None:
    seats = appearances().with_columns(
        pl.when(pl.col("player_id") == "h2").then(None).otherwise(pl.col("number")).alias("number")
    )
    people = broadcast.people_of(game(), seats, events(PLAYS))
    numbers = {p.player_id: p.number for p in people}
    assert numbers["h1"] == "4"
    assert numbers["h2"] not in ("", "4", "10", "13", "23")
    again = broadcast.people_of(
        game(), seats.sample(fraction=1, shuffle=True, seed=3), events(PLAYS)
    )
    assert {p.player_id: p.number for p in again} == numbers


# -- files


def test_frames_anchors_and_event_times_of_a_file_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "g.mp4"
    done = render(game(**SHORT), events(BUNCHED), appearances(), stints(), path)
    video = cv2.VideoCapture(str(path))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == done.frames
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (704, 400)
    assert video.get(cv2.CAP_PROP_FPS) == 30
    clock = GameClock(done.anchors)
    assert done.anchors["media_s"].max() == pytest.approx(done.frames / 30)
    assert done.event_times["event_id"].n_unique() == len(BUNCHED)
    # a clock read off the decoded pictures agrees with the anchors
    kits = looks.team_colours(HOME, AWAY)
    colours = (kits[0][0], kits[1][0])
    for clock_s in (19.0, 14.5):
        frame = round(clock.media_s(1, clock_s) * 30)
        video.set(cv2.CAP_PROP_POS_FRAMES, frame)
        _, image = video.read()
        crop = image[346:386, 18 + 160 : 254].astype(int)
        texts = [graphics.clock_text(t / 10) for t in range(200)]
        boards = [
            graphics.scoreboard(("HARB", "NORT"), colours, (0, 0), "Q1", t)[:, 160:] for t in texts
        ]
        best = min(texts, key=lambda t: np.abs(crop - boards[texts.index(t)]).sum())
        assert best == graphics.clock_text(clock_s)


BUNCHED = [
    (0, 1, 12, HOME, "h1", "field_goal", {"made": False, "value": 2}),
    (1, 1, 12, HOME, "h2", "offensive_rebound", {}),
    (2, 1, 12, HOME, "h2", "field_goal", {"made": True, "value": 2}),
    (3, 1, 12, AWAY, "n2", "foul", {}),
    (3, 1, 12, HOME, "h2", "foul_drawn", {}),
    (4, 1, 12, HOME, "h2", "free_throw", {"made": False, "value": 1}),
    (5, 1, 12, AWAY, "n4", "defensive_rebound", {}),
    (6, 1, 12, AWAY, "n3", "turnover", {}),
    (7, 1, 12, HOME, "h6", "sub_in", {}),
    (8, 1, 12, HOME, "h1", "sub_out", {}),
    (9, 1, 5, AWAY, None, "turnover", {}),
    (10, 1, 5, None, "h5", "steal", {}),
    (11, 1, 4, AWAY, "n1", "block", {}),
    (12, 1, 0, None, None, "period_end", {}),
]


def test_bunched_events_are_all_seen_in_order() -> None:
    laid, _, _ = scenes(BUNCHED, game(**SHORT))
    frames = [laid.event_frames[f"e{i}"] for i in range(len(BUNCHED))]
    assert frames == sorted(frames)
    assert len(set(frames)) >= 9
    assert frames[-1] < laid.frames


def test_equal_input_gives_equal_bytes_in_any_row_order(tmp_path: Path) -> None:
    table, rows = events(BUNCHED), list(range(len(BUNCHED)))
    random.Random(5).shuffle(rows)
    first = render(game(**SHORT), table, appearances(), stints(), tmp_path / "a.mp4", max_s=4)
    second = render(
        game(**SHORT), table[rows], appearances().reverse(), stints(), tmp_path / "b.mp4", max_s=4
    )
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.anchors.equals(second.anchors)
    other = render(
        game(**SHORT), table, appearances(), stints(), tmp_path / "c.mp4", max_s=4, seed=1
    )
    assert other.path.read_bytes() != first.path.read_bytes()
    assert first.frames == 120


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    space = Workspace(tmp_path / "w", create=True)
    rows = [game(**SHORT), game(**SHORT, game_id="g2")]
    space.write("games", pl.DataFrame(rows, schema=tables.dtypes("games")), "L", "24-25")
    both = [events(BUNCHED), events(BUNCHED, "g2")]
    space.write("events", pl.concat(both), "L", "24-25")
    seats = pl.concat([appearances(), appearances("g2")])
    space.write("appearances", seats, "L", "24-25")
    return space


def test_a_workspace_is_rendered_recorded_and_resumed(workspace: Workspace) -> None:
    report = broadcast.render_all(workspace, max_s=1.0, workers=1, quiet=True)
    assert report.rendered == ("g1", "g2")
    assert report.frames == 60
    assert workspace.read("games")["video"].to_list() == ["videos/g1.mp4", "videos/g2.mp4"]
    assert set(workspace.read("anchors")["how"]) == {"truth"}
    before = (workspace.videos / "g1.mp4").stat().st_mtime_ns
    (workspace.videos / "g2.mp4").unlink()
    again = broadcast.render_all(workspace, max_s=1.0, workers=1, quiet=True)
    assert (again.rendered, again.kept) == (("g2",), ("g1",))
    assert (workspace.videos / "g1.mp4").stat().st_mtime_ns == before
    one = broadcast.render_game(workspace, "g1", max_s=1.5)
    assert one.frames == 45
    assert workspace.read("anchors")["game_id"].n_unique() == 2


def test_a_truncated_video_is_rendered_again(workspace: Workspace) -> None:
    broadcast.render_game(workspace, "g1", max_s=1.0)
    video = workspace.videos / "g1.mp4"
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    broadcast.render_game(workspace, "g1", max_s=1.0)
    assert video.read_bytes() == whole


def test_unknown_games_and_empty_workspaces_are_refused(
    workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match="'g9'"):
        broadcast.render_game(workspace, "g9")
    with pytest.raises(NotFoundError, match="openbasket simulate"):
        broadcast.render_all(Workspace(tmp_path / "e", create=True), quiet=True)


def test_a_game_without_events_fails_alone(workspace: Workspace) -> None:
    table = workspace.read("events").filter(pl.col("game_id") == "g1")
    workspace.write("events", table, "L", "24-25")
    report = broadcast.render_all(workspace, max_s=0.5, workers=1, quiet=True)
    assert report.rendered == ("g1",)
    assert report.failed[0][0] == "g2"
    assert "at least one event" in report.failed[0][1]
    assert not (workspace.videos / "g2.mp4").exists()
