"""Reels: which events, which frames, and what happens when a run is killed or a video is bad."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from helpers import decoded, numbered
from hypothesis import given, settings
from hypothesis import strategies as st

from openbasket import tables
from openbasket.errors import ConfigError, NotFoundError, UnknownNameError
from openbasket.reels import ClipSettings, ReelReport, ReelSettings, build
from openbasket.reels.sample import sample
from openbasket.workspace import Workspace

SHORT = ClipSettings(0.5, 0.5, crf=28, preset="ultrafast")
#: game -> (event, play, second, player, kind) in order; each video lasts 5 s.
PLAYS = {
    "g1": [
        ("e1", 0, 1.0, "p1", "field_goal"),
        ("e2", 0, 1.0, "p2", "assist"),  # the same play: the same clip
        ("e3", 1, 2.0, "p1", "turnover"),
        ("e4", 2, 3.0, "p2", "field_goal"),
        ("e5", 3, 3.5, "p1", "pass"),  # never filmed
    ],
    "g2": [
        ("e1", 0, 0.2, "p1", "field_goal"),  # begins before the video
        ("e2", 1, 4.9, "p2", "steal"),  # ends behind it
        ("e3", 2, 9.0, "p1", "steal"),  # behind the end of the video
        ("e4", 3, 2.0, "p3", "foul"),
    ],
}


def event_rows() -> pl.DataFrame:
    rows = [
        {
            "game_id": game, "event_id": event, "play_id": play, "order": order, "period": 1,
            "clock_s": 600 - second, "team_id": "t1", "player_id": player, "kind": kind,
        }
        for game, plays in PLAYS.items()
        for order, (event, play, second, player, kind) in enumerate(plays)
    ]  # fmt: skip
    return tables.validate("events", pl.DataFrame(rows))


def subject_rows(*players: str) -> pl.DataFrame:
    rows = [
        {
            "subject_id": f"{player}_L_21_22", "player_id": player, "league": "L",
            "season": "21-22", "gender": "men", "games": 2, "minutes": 20.0, "events": 3,
        }
        for player in players
    ]  # fmt: skip
    return tables.validate("subjects", pl.DataFrame(rows))


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for game, first in (("g1", 0), ("g2", 1000)):
        numbered(folder / f"{game}.mp4", 150, width=704, height=400, first=first)
    return folder


@pytest.fixture
def workspace(tmp_path, videos) -> Workspace:
    ws = Workspace(tmp_path / "ws", create=True)
    (ws.videos).mkdir()
    games = []
    for game in PLAYS:
        (ws.videos / f"{game}.mp4").write_bytes((videos / f"{game}.mp4").read_bytes())
        games.append(
            {
                "game_id": game, "league": "L", "season": "21-22", "gender": "men",
                "home_team_id": "t1", "away_team_id": "t2", "periods": 4, "period_s": 600.0,
                "overtime_s": 300.0, "video": f"videos/{game}.mp4", "source": "by hand",
            }
        )  # fmt: skip
    ws.write("games", tables.validate("games", pl.DataFrame(games)), "L", "21-22")
    ws.write("events", event_rows(), "L", "21-22")
    ws.write("subjects", subject_rows("p1", "p2", "p3"))
    times = [(game, row[0], row[2]) for game, plays in PLAYS.items() for row in plays]
    ws.write("event_times", pl.DataFrame(times, tables.dtypes("event_times"), orient="row"))
    return ws


def make(ws: Workspace, draw: int = 0, **more: object) -> ReelReport:
    chosen = ReelSettings(4, 2, draw, clip=SHORT)
    return build(ws, chosen, workers=1, quiet=True, **more)  # type: ignore[arg-type]


def failed(report: ReelReport) -> dict[str, str]:
    return {item: reason for _, item, reason in report.failures}


# -- which events ---------------------------------------------------------------------------

LONG = pl.concat(
    [
        event_rows().with_columns(
            game_id=pl.lit(f"h{i}"), league=pl.lit("L"), season=pl.lit("21-22")
        ).unique(["event_id"], keep="first", maintain_order=True)
        for i in range(12)
    ]
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(LONG.height)), seed=st.integers(0, 99))
def test_the_draw_does_not_know_the_order_of_rows(order, seed):
    subjects = subject_rows("p1", "p2", "p3")
    wanted = sample(LONG, subjects, count=5, seed=seed)
    assert sample(LONG[list(order)], subjects.reverse(), count=5, seed=seed).equals(wanted)


def test_a_draw_is_seeded_and_draws_differ():
    subjects = subject_rows("p1", "p2")
    draws = [sample(LONG, subjects, count=5, draw=draw) for draw in (0, 1)]
    assert sample(LONG, subjects, count=5, draw=0).equals(draws[0])
    assert not draws[0].equals(draws[1])
    assert not sample(LONG, subjects, count=5, seed=1).equals(draws[0])
    assert draws[0].group_by("subject_id").len().sort("subject_id")["len"].to_list() == [5, 5]
    assert draws[0]["position"].to_list() == [*range(5), *range(5)]


def test_a_play_counts_once_for_a_player_and_passes_never():
    twice = LONG.with_columns(play_id=pl.lit(0, pl.Int32))
    drawn = sample(twice, subject_rows("p1"), count=50)
    assert drawn["game_id"].n_unique() == drawn.height == 12
    every = sample(LONG, subject_rows("p1", "p2", "p3"), count=1000)
    assert every.height < 1000  # fewer than asked for: all there are
    kinds = every.join(LONG, on=["game_id", "event_id"])["kind"]
    assert "pass" not in set(kinds)


@pytest.mark.parametrize(
    "wrong", [{"events": 0}, {"events": 5, "min_events": 6}, {"min_events": 0}, {"draw": 100}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="allowed"):
        ReelSettings(**wrong)


# -- building -------------------------------------------------------------------------------


def test_reels_show_the_frames_that_the_table_names(workspace):
    report = make(workspace)
    assert (report.reels, report.clips, report.encoded) == (2, 5, 6)
    reels, clips = workspace.read("reels"), workspace.read("clips")
    starts = {(row["game_id"], row["clip_id"]): row["start_s"] for row in clips.to_dicts()}
    for _, rows in reels.group_by("subject_id"):
        rows = rows.sort("position")
        assert rows["position"].to_list() == list(range(rows.height))
        shown, _ = decoded(workspace.root / rows["path"][0])
        assert len(shown) == rows["frames"].sum()
        next_frame = 0
        for row in rows.to_dicts():
            assert row["first_frame"] == next_frame
            next_frame += row["frames"]
            first = round(starts[row["game_id"], row["clip_id"]] * 30)
            first += 1000 * (row["game_id"] == "g2")
            got = shown[row["first_frame"] : next_frame]
            assert got == list(range(first, first + row["frames"]))
    assert report.seconds == pytest.approx(reels["frames"].sum() / 30)


def test_a_shared_play_is_encoded_once_and_clips_stay_inside_the_video(workspace):
    make(workspace)
    reels = workspace.read("reels")
    both = reels.filter((pl.col("game_id") == "g1") & pl.col("event_id").is_in(["e1", "e2"]))
    assert both["subject_id"].n_unique() == 2
    assert both["clip_id"].n_unique() == 1
    clips = {(c["game_id"], c["event_id"]): c for c in workspace.read("clips").to_dicts()}
    assert clips["g1", "e1"]["frames"] == 30
    assert (clips["g2", "e1"]["start_s"], clips["g2", "e1"]["frames"]) == (0, 21)
    assert (clips["g2", "e2"]["end_s"], clips["g2", "e2"]["frames"]) == (5, 18)


def test_what_is_left_out_is_named(workspace):
    failures = failed(make(workspace))
    assert set(failures) == {"g2/e3", "p3_L_21_22"}
    assert failures["g2/e3"] == "'g2.mp4' ends at 5.0 s, the event is at 9.0 s"
    assert failures["p3_L_21_22"].startswith("1 filmed events; 2 are needed")
    assert workspace.read("failures").select("stage", "item").rows() == [
        ("cut", "g2/e3"),
        ("reel", "p3_L_21_22"),
    ]


def state(ws: Workspace) -> dict[str, tuple[int, bytes]]:
    files = [*ws.root.glob("BASKET*/**/*.mp4"), *ws.clips.rglob("*.mp4")]
    return {str(f.relative_to(ws.root)): (f.stat().st_mtime_ns, f.read_bytes()) for f in files}


def test_a_second_run_makes_nothing_again(workspace):
    make(workspace)
    before, table = state(workspace), workspace.read("reels")
    assert make(workspace).encoded == 0
    assert state(workspace) == before
    assert workspace.read("reels").equals(table)


def test_a_killed_run_continues_and_cleans_up(workspace):
    make(workspace)
    before = state(workspace)
    clip, reel = (
        sorted(workspace.clips.rglob("*.mp4"))[0],
        sorted(workspace.reels.rglob("*.mp4"))[0],
    )
    clip.unlink()
    reel.unlink()
    from openbasket.workspace import _TEMPORARY

    leftovers = [clip.parent / f"{_TEMPORARY}x.mp4", reel.parent / f"{_TEMPORARY}y.mp4"]
    leftovers += [workspace.private / f"{_TEMPORARY}z.parquet"]
    leftovers += [workspace.private / name / f"{_TEMPORARY}a" for name in ("receipts", "sources")]
    for path in leftovers:
        path.write_bytes(b"half")
    assert make(workspace).encoded == 1
    assert not any(path.exists() for path in leftovers)
    after = state(workspace)
    assert {k: v[1] for k, v in after.items()} == {k: v[1] for k, v in before.items()}


def test_another_draw_leaves_the_first_untouched(workspace):
    make(workspace)
    before = state(workspace)
    first = workspace.read("reels")
    make(workspace, draw=1)
    after = state(workspace)
    assert {path: after[path] for path in before} == before
    assert any(path.startswith("BASKET_draw1/") for path in after)
    reels = workspace.read("reels")
    assert reels.filter(pl.col("draw") == 0).equals(first)
    assert reels.filter(pl.col("draw") == 1).height > 0


def test_one_subject_leaves_the_others_as_they_are(workspace):
    make(workspace)
    table = workspace.read("reels")
    report = make(workspace, subject_ids=["p2_L_21_22"])
    assert report.reels == 1
    assert workspace.read("reels").equals(table)
    with pytest.raises(UnknownNameError, match="p1_L_21_22"):
        make(workspace, subject_ids=["p1_L_20_21"])


def test_a_reel_that_is_no_longer_made_is_removed(workspace):
    make(workspace)
    settings = ReelSettings(4, 3, clip=SHORT)
    build(workspace, settings, workers=1, quiet=True)
    on_disk = {p.relative_to(workspace.root).as_posix() for p in workspace.reels.rglob("*.mp4")}
    assert on_disk == set(workspace.read("reels")["path"])
    assert len(on_disk) < 3


def test_a_truncated_video_costs_only_the_clips_it_lacks(workspace):
    import av

    path = workspace.videos / "g1.mp4"
    with av.open(str(path)) as container:
        places = [p.pos for p in container.demux(video=0) if p.pos is not None and p.size]
    path.write_bytes(path.read_bytes()[: places[60]])  # two seconds remain
    report = make(workspace)
    failures = failed(report)
    assert {item for item in failures if item.startswith("g1/")} == {"g1/e3", "g1/e4"}
    assert all("'g1.mp4'" in failures[item] for item in ("g1/e3", "g1/e4"))
    assert {"g1/e1"} <= {
        f"{g}/{e}" for g, e in workspace.read("clips")["game_id", "event_id"].rows()
    }
    assert report.reels == 2


def test_a_missing_and_a_broken_video_cost_only_their_games(workspace):
    (workspace.videos / "g2.mp4").unlink()
    report = make(workspace)
    assert "there is no video" in failed(report)["g2"]
    assert report.reels == 2
    assert set(workspace.read("reels")["game_id"]) == {"g1"}
    (workspace.videos / "g1.mp4").write_bytes(b"no video")
    report = make(workspace)
    assert "cannot be read as video" in failed(report)["g1"]
    assert (report.reels, report.seconds) == (0, 0)
    assert workspace.read("reels").is_empty()


def test_without_any_video_there_is_nothing_to_do(workspace):
    games = workspace.read("games", "L", "21-22")
    workspace.write("games", games.with_columns(video=pl.lit(None, pl.String)), "L", "21-22")
    with pytest.raises(NotFoundError, match="openbasket render"):
        make(workspace)
