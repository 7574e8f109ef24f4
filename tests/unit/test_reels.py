"""Reels: which events, which frames, and what happens when a run is killed or a video is bad."""

from __future__ import annotations

from pathlib import Path

import av
import polars as pl
import pytest
from helpers import decoded, numbered
from hypothesis import given, settings
from hypothesis import strategies as st

from openbasket import reels as building
from openbasket import tables
from openbasket.errors import (
    BadInputError,
    ConfigError,
    NotFoundError,
    UnknownNameError,
    VideoError,
)
from openbasket.reels import ClipSettings, ReelReport, ReelSettings, build
from openbasket.reels import cut as cutting
from openbasket.reels.sample import sample
from openbasket.video.join import join
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
    "wrong",
    [
        {"events": 0},
        {"events": 5, "min_events": 6},
        {"min_events": 0},
        {"draw": 100},
        {"min_events": 2, "few": "keep"},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"allowed|give one of them"):
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
    assert set(failures) == {"g2/e3", "p1_L_21_22", "p2_L_21_22", "p3_L_21_22"}
    assert failures["g2/e3"] == "'videos/g2.mp4' ends at 5.0 s, the event is at 9.0 s"
    assert failures["p3_L_21_22"] == "1 filmed event; needed: 2 (a reel of fewer: --min-events 1)"
    assert workspace.read("failures").select("stage", "item").rows() == [
        ("few", "p1_L_21_22"),
        ("few", "p2_L_21_22"),
        ("locate", "g2/e3"),
        ("reel", "p3_L_21_22"),
    ]


def test_who_was_never_filmed_is_not_told_to_lower_the_number(workspace):
    workspace.write("subjects", subject_rows("p1", "p9"))
    assert failed(built(workspace, few="keep"))["p9_L_21_22"] == "0 filmed events; needed: 1"


def state(ws: Workspace) -> dict[str, tuple[int, bytes]]:
    files = [*ws.root.glob("BASKET*/**/*.mp4"), *ws.clips.rglob("*.mp4")]
    return {str(f.relative_to(ws.root)): (f.stat().st_mtime_ns, f.read_bytes()) for f in files}


def test_a_second_run_makes_nothing_again(workspace):
    make(workspace)
    before, table = state(workspace), workspace.read("reels")
    assert make(workspace).encoded == 0
    assert state(workspace) == before
    assert workspace.read("reels").equals(table)


def test_a_video_that_is_exchanged_while_it_is_cut_leaves_no_clip_of_its_name(
    workspace, videos, monkeypatch
):
    cut = cutting.cut_clips

    def exchanged(source, *given):
        source.write_bytes((videos / "g2.mp4").read_bytes())
        return cut(source, *given)

    monkeypatch.setattr(cutting, "cut_clips", exchanged)
    report = make(workspace)
    assert any("changed while it was cut" in failure[2] for failure in report.failures)
    assert not list(workspace.clips.rglob("*.mp4"))


def test_a_clip_that_became_something_else_goes_into_no_reel(workspace, tmp_path, capfd):
    make(workspace)
    clip = sorted(workspace.clips.rglob("*.mp4"))[0]
    with av.open(str(clip)) as source, av.open(str(tmp_path / "gap.mp4"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            packet.stream = stream
            if number > 10:
                packet.pts += 15360
                packet.dts += 15360
            out.mux(packet)
    with pytest.raises(VideoError, match="not as it was cut"):
        join([tmp_path / "gap.mp4"], tmp_path / "reel.mp4")
    capfd.readouterr()
    join([clip], tmp_path / "reel.mp4")
    assert capfd.readouterr() == ("", "")


def test_a_table_from_elsewhere_removes_nothing_but_reels(workspace):
    make(workspace)
    foreign = (
        workspace.read("reels")
        .head(1)
        .with_columns(path=pl.lit("openbasket/workspace.json"), subject_id=pl.lit("x"))
    )
    workspace.write("reels", pl.concat([workspace.read("reels"), foreign]))
    make(workspace)
    assert (workspace.root / "openbasket" / "workspace.json").exists()


def test_what_a_process_left_that_died_meanwhile_is_removed(workspace, monkeypatch):
    from openbasket.workspace import _TEMPORARY

    write = building._write
    left = workspace.root / "BASKET" / f"{_TEMPORARY}x.mp4"

    def died(*given: object) -> None:
        left.write_bytes(b"half a reel")
        write(*given)

    monkeypatch.setattr(building, "_write", died)
    make(workspace)
    assert not left.exists()


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


# -- bad input ------------------------------------------------------------------------------


def retimed(ws: Workspace, **seconds: float) -> None:
    """Give events (``g1_e1=...``) other media times."""
    times = ws.read("event_times")
    for name, second in seconds.items():
        game, event = name.split("_")
        here = (pl.col("game_id") == game) & (pl.col("event_id") == event)
        times = times.with_columns(media_s=pl.when(here).then(second).otherwise(pl.col("media_s")))
    ws.write("event_times", times)


def built(ws: Workspace, events: int = 4, **more: object) -> ReelReport:
    return build(ws, ReelSettings(events, clip=SHORT, **more), workers=1, quiet=True)  # type: ignore[arg-type]


def shown(ws: Workspace, subject: str = "p1_L_21_22") -> list[tuple[str, str]]:
    rows = ws.read("reels").filter(pl.col("subject_id") == subject).sort("position")
    return rows.select("game_id", "event_id").rows()


def drawn(ws: Workspace, count: int, player: str = "p1") -> list[tuple[str, str]]:
    events = ws.read("events", "L", "21-22").with_columns(
        league=pl.lit("L"), season=pl.lit("21-22")
    )
    return sample(events, subject_rows(player), count=count).select("game_id", "event_id").rows()


def stages(report: ReelReport) -> set[tuple[str, str]]:
    return {(stage, item) for stage, item, _ in report.failures}


def test_a_lost_event_is_replaced_by_the_next_in_the_order(workspace):
    order = drawn(workspace, 4)  # one of them, g2/e3, lies behind the end of the video
    lost = order.index(("g2", "e3"))
    assert lost < 3, "choose another seed"
    report = built(workspace, events=3)
    assert ("locate", "g2/e3") in stages(report)
    assert shown(workspace) == [play for play in order if play != ("g2", "e3")]
    assert report.replaced == 1
    report = built(workspace, events=3, few="keep", replace=False)
    assert shown(workspace) == [play for play in order[:3] if play != ("g2", "e3")]
    assert (report.replaced, report.few) == (0, 2)


def damaged_at_two_seconds(path: Path) -> None:
    import av

    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.size and 2 <= packet.pts * stream.time_base < 2.1:
                middle = packet.pos + packet.size // 2
                data[middle : middle + 16] = bytes(16)
    path.write_bytes(data)


def test_an_event_whose_stretch_does_not_decode_is_replaced(workspace):
    damaged_at_two_seconds(workspace.videos / "g1.mp4")  # under g1/e3
    report = built(workspace, events=4, few="keep")
    assert {("video", "g1"), ("cut", "g1/e3")} <= stages(report)
    assert "only stretches that decode whole are used" in failed(report)["g1"]
    whole = [play for play in drawn(workspace, 4) if play not in {("g1", "e3"), ("g2", "e3")}]
    assert shown(workspace) == whole
    report = built(workspace, events=1, check="whole")
    assert "left out" in failed(report)["g1"]
    assert set(workspace.read("reels")["game_id"]) == {"g2"}


def test_pictures_made_of_damaged_ones_are_not_shown(workspace):
    damaged_at_two_seconds(workspace.videos / "g1.mp4")
    report = built(workspace, events=4, few="keep")
    assert ("cut", "g1/e4") in stages(report)  # it begins behind the damage, in the same group


def test_rounds_of_replacement_come_to_an_end(workspace):
    retimed(workspace, g1_e1=50, g1_e3=60, g2_e1=70)
    report = built(workspace)
    assert report.reels == 0
    assert {("locate", f"{game}/{event}") for game, event in drawn(workspace, 4)} < stages(report)


def test_two_videos_of_a_game_are_both_named(workspace):
    games = workspace.read("games", "L", "21-22").filter(pl.col("game_id") == "g1")
    again = games.with_columns(league=pl.lit("M"), video=pl.lit("videos/other.mp4"))
    workspace.write("games", again, "M", "21-22")
    workspace.write("events", event_rows().filter(pl.col("game_id") == "g1"), "M", "21-22")
    with pytest.raises(BadInputError) as error:
        make(workspace)
    assert "'videos/g1.mp4' (L, 21-22) and 'videos/other.mp4' (M, 21-22)" in str(error.value)
    assert "one video of game 'g1'" in str(error.value)


def test_games_without_video_are_counted(workspace):
    games = workspace.read("games", "L", "21-22")
    video = pl.when(pl.col("game_id") == "g1").then("video")
    workspace.write("games", games.with_columns(video=video), "L", "21-22")
    report = built(workspace, few="keep")
    assert (report.games, report.without_video) == (1, 1)
    assert set(workspace.read("reels")["game_id"]) == {"g1"}
    assert not any("g2" in item for _, item, _ in report.failures)


def test_subjects_with_few_events_are_left_out_or_kept_and_marked(workspace):
    report = built(workspace)
    assert (report.reels, report.few) == (0, 0)
    report = built(workspace, few="keep")
    assert (report.reels, report.few) == (3, 3)
    rows = workspace.read("failures").filter(stage="few").select("item", "reason").rows()
    assert rows == [
        ("p1_L_21_22", "3 of 4 events"),
        ("p2_L_21_22", "3 of 4 events"),
        ("p3_L_21_22", "1 of 4 events"),
    ]


def test_overlapping_clips_are_kept_apart_or_merged(workspace):
    retimed(workspace, g1_e1=1.0, g1_e3=1.7)  # of p1, each half a second to either side
    apart = built(workspace, few="keep")
    assert sorted(shown(workspace)) == [("g1", "e1"), ("g1", "e3"), ("g2", "e1")]
    report = built(workspace, few="keep", overlap="merge")
    assert report.few == apart.few  # the events count, not the clips
    assert sorted(shown(workspace)) == [("g1", "e1"), ("g2", "e1")]
    reels = workspace.read("reels").filter(subject_id="p1_L_21_22", game_id="g1")
    clip = workspace.read("clips").filter(clip_id=reels["clip_id"][0]).row(0, named=True)
    assert (clip["start_s"], clip["end_s"], clip["frames"]) == (0.5, 2.2, 51)
    frames, _ = decoded(workspace.root / reels["path"][0])
    first = reels["first_frame"][0]
    assert frames[first : first + 51] == list(range(15, 66))
    other = workspace.read("reels").filter(subject_id="p2_L_21_22", game_id="g1", event_id="e2")
    assert other["frames"].to_list() == [30]  # p2 has only the first of the two


def test_clips_that_only_touch_are_not_merged(workspace):
    retimed(workspace, g1_e1=1.0, g1_e3=2.0)
    built(workspace, few="keep", overlap="merge")
    assert len(shown(workspace)) == 3


@pytest.mark.parametrize("wrong", [{"few": "kept"}, {"overlap": "both"}, {"check": "none"}])
def test_unknown_settings_are_refused(wrong):
    with pytest.raises(ConfigError, match="allowed: "):
        ReelSettings(**wrong)
