"""Benchmarks whose reels are drawn when they are read."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from openbasket import packaged
from openbasket.cli import app
from openbasket.dataset import drawing
from openbasket.dataset.clips import clips_of
from openbasket.dataset.drawing import _jobs, _wanted
from openbasket.dataset.film import FilmSettings, film, read_reel
from openbasket.dataset.frame_cache import cache_frames
from openbasket.dataset.reader import read_split
from openbasket.dataset.rendered import benchmark_names, load_benchmark, make
from openbasket.dataset.verify import verify
from openbasket.errors import (
    BadInputError,
    ConfigError,
    NotFoundError,
    UnknownNameError,
    VideoError,
    WorkspaceError,
)
from openbasket.reels.settings import ReelSettings
from openbasket.simulation.broadcast import render
from openbasket.video.cache import FrameCache
from openbasket.video.frames import frames_at
from openbasket.video.recording import Taking
from openbasket.workspace import Workspace


def taken(root: Path, folder: Path, videos, **more):
    given = {"frames": 4, "short_side": 100, "workers": 1, "quiet": True} | more
    return cache_frames(videos, folder, root=root, **given)


def test_every_benchmark_can_be_read() -> None:
    assert {"mini", "small", "v1"} <= set(benchmark_names())
    for name in benchmark_names():
        made = load_benchmark(name)
        assert made.leagues
        assert {s for league in made.leagues for s in league.seasons} > {made.unseen_season}
        assert {league.league for league in made.leagues} > set(made.unseen_leagues)


def test_v1_has_thousands_of_subjects_over_leagues_and_seasons() -> None:
    leagues = load_benchmark("v1").leagues
    assert sum(x.teams * x.players_per_team * len(x.seasons) for x in leagues) >= 2500
    assert len(leagues) >= 4
    assert min(len(x.seasons) for x in leagues) >= 3


def test_a_rendered_benchmark_is_a_dataset_without_faults(root: Path) -> None:
    report = verify(Workspace(root), quiet=True)
    assert not report.faults
    for split in ("train", "val", "test", "cross_season", "cross_league"):
        assert read_split(root, split)


def test_equal_benchmarks_have_equal_reels(root: Path, tmp_path: Path) -> None:
    make(Workspace(tmp_path, create=True), load_benchmark("mini"), quiet=True)
    reels = [
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.reel")}
        for folder in (root, tmp_path)
    ]
    assert reels[0] == reels[1]


def test_drawn_frames_are_those_of_the_rendered_game(root: Path, tmp_path: Path) -> None:
    sample = read_split(root, "train")[0]
    reel = read_reel(sample.video)
    (entry,) = taken(root, tmp_path / "cache", [sample.video], frames=5, short_side=400)
    assert entry.recording.indices == (0, *np.linspace(0, len(reel) - 1, 5).astype(int)[1:])
    clip, frame = reel.places(entry.recording.indices)[2]
    workspace = Workspace(root)
    tables = [
        workspace.read(name, clip.league, clip.season).filter(pl.col("game_id") == clip.game_id)
        for name in ("games", "events", "appearances", "stints")
    ]
    made = render(
        tables[0].row(0, named=True), *tables[1:], tmp_path / "game.mp4",
        settings=reel.render, seed=reel.seed, max_s=(frame + 2) / 30,
    )  # fmt: skip
    filmed = frames_at(made.path, [frame]).pixels[0].astype(int)
    assert np.abs(filmed - entry.read([2])[0]).mean() < 4  # both are compressed


def test_frames_of_each_clip(root: Path, tmp_path: Path) -> None:
    samples = read_split(root, "train")[:3]
    clips = clips_of(root, samples)
    entries = taken(
        root, tmp_path, [s.video for s in samples], clips=clips, within=(0.5, 1.0), frames=3
    )
    for sample, entry in zip(samples, entries, strict=True):
        assert clips[sample.video] == read_reel(sample.video).bounds
        places = np.array(entry.recording.indices).reshape(-1, 3)
        for (first, count), own in zip(clips[sample.video], places, strict=True):
            assert (own >= first + count // 2).all()
            assert (own < first + count).all()
            assert (np.diff(own) > 0).all()


def test_reels_may_mark_whose_they_are(root: Path, tmp_path: Path) -> None:
    text = packaged.text("rendered", "mini").replace("[film]", "[film]\nmark = true")
    (tmp_path / "marked.toml").write_text(text)
    copy = tmp_path / "copy"
    make(Workspace(copy, create=True), load_benchmark(tmp_path / "marked.toml"), quiet=True)
    samples = read_split(root, "train")[:4]
    plain = taken(root, tmp_path / "a", [s.video for s in samples], short_side=400)
    videos = [s.video for s in read_split(copy, "train")[:4]]
    marked = taken(copy, tmp_path / "b", videos, short_side=400)
    changed = 0
    for sample, video, one, other in zip(samples, videos, plain, marked, strict=True):
        assert read_reel(video).mark == sample.player_id
        assert read_reel(sample.video).mark is None
        difference = np.abs(one.read().astype(int) - other.read()).max((1, 2, 3))
        changed += int((difference > 100).sum())
    assert changed >= 12  # of 16 frames: whose clip it is, is seen in most


def test_frames_are_drawn_in_the_order_of_their_game(root: Path, tmp_path: Path) -> None:
    reels = {
        (s.video, taking): _wanted(s.video, taking, {})
        for taking in [Taking(frames=90, size=64)]
        for s in read_split(root, "train")
    }
    jobs, _ = _jobs(root, reels, tmp_path)
    numbers = [[frame for frame, _ in job.frames] for job in jobs]
    assert max(own[-1] for own in numbers) > 1000  # as text, 1000 comes before 200
    assert numbers == [sorted(own) for own in numbers]


def test_a_reel_is_drawn_once(root: Path, tmp_path: Path) -> None:
    videos = [s.video for s in read_split(root, "train")[:2]]
    before = taken(root, tmp_path, videos)
    stamps = [entry.path.stat().st_mtime_ns for entry in before]
    assert [entry.path.stat().st_mtime_ns for entry in taken(root, tmp_path, videos)] == stamps
    assert not (tmp_path / "drawing").exists()


def test_games_that_have_changed_are_refused(root: Path, tmp_path: Path) -> None:
    make(Workspace(tmp_path, create=True), load_benchmark("mini"), quiet=True)
    workspace = Workspace(tmp_path)
    video = read_split(tmp_path, "train")[0].video
    clip = read_reel(video).clips[0]
    events = workspace.read("events", clip.league, clip.season)
    changed = pl.when(pl.col("game_id") == clip.game_id).then(0.0).otherwise("clock_s")
    workspace.write("events", events.with_columns(clock_s=changed), clip.league, clip.season)
    with pytest.raises(VideoError, match="not the one that the reel was made of"):
        taken(tmp_path, tmp_path / "cache", [video])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"openbasket_reel": 9}, "of version 9"),
        ({"clips": []}, "clips without frames"),
        ({"clips": [["a", "21-22", "g", -3, 10]]}, "clips without frames"),
        ({"games": {}}, "nothing is said of game"),
        ({"render": {"dead_time_s": -1}}, "dead_time_s is -1"),
        ({"render": {"colour": 1}}, "unknown: render.colour"),
        ({"render": {"difficulty": {"fog": 1}}}, "unknown: render.difficulty.fog"),
        ({"render": {"difficulty": {"similar_kits": "no"}}}, "similar_kits: got 'no'"),
        ({"render": {"difficulty": {"quality": 60.5}}}, "quality: got 60.5"),
        ({"mark": "\ud800"}, "mark: allowed"),
        ({"render": {"dead_time_s": float("nan")}}, "dead_time_s is nan"),
        ({"render": {"difficulty": {"shake_px": float("nan")}}}, "shake_px is nan"),
        ({"seed": float("inf")}, "seed: allowed"),
        ({"seed": -1}, "seed: allowed"),
        ({"seed": 10**400}, "seed: allowed"),
        ({"clips": [["a", "21-22", "g", 0, 10**12]]}, "1 clips of 1e.12 frames; allowed"),
        ({"clips": [["a", "21-22", "g", 0, 1]] * 10_001}, "10,001 clips"),
        ({"clips": [["a", "21-22", "g", 10**300, 1]]}, "frame 1e.300 of a game"),
        ({"clips": [["a", "21-22", "g", 0, 10**400]]}, "no reel that can be drawn"),
        ({"clips": [["a", "21-22", "g", 0.5, 1]]}, "whole numbers"),
        ({"clips": [["a", "21-22", "g", float("nan"), 1]]}, "whole numbers"),
        ({"clips": [["a", "21-22", 7, 0, 1]]}, "must be texts"),
        ({"clips": [["a", "21-22", "g", 0]]}, "missing 1 required"),
        ({"more": "x" * (1 << 22)}, "bytes; allowed"),
    ],
)
def test_damaged_reels_are_refused(root: Path, tmp_path: Path, change, told: str) -> None:
    content = json.loads(read_split(root, "train")[0].video.read_text())
    path = tmp_path / "x.reel"
    path.write_text(json.dumps(content | change))
    with pytest.raises(VideoError, match=told):
        read_reel(path)


def test_reels_that_are_deep_or_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.reel"
    for content in (b"[" * 100_000, b"\xff\xfe", b"", b"7", b"null"):
        path.write_bytes(content)
        with pytest.raises(VideoError, match="no reel that can be drawn"):
            read_reel(path)


@pytest.mark.parametrize("season", ["../../..", "/etc", "21-22/../.."])
def test_reels_lead_out_of_no_dataset(root: Path, tmp_path: Path, season: str) -> None:
    content = json.loads(read_split(root, "train")[0].video.read_text())
    clip = [*content["clips"][0][:1], season, *content["clips"][0][2:]]
    path = tmp_path / "x.reel"
    path.write_text(json.dumps(content | {"clips": [clip]}))
    with pytest.raises(VideoError, match="1 of 1 video cannot be used"):
        taken(root, tmp_path / "cache", [path])


def test_frames_beyond_a_game_are_refused(root: Path, tmp_path: Path) -> None:
    content = json.loads(read_split(root, "train")[0].video.read_text())
    clip = [*content["clips"][0][:3], 2_000_000, 60]
    path = tmp_path / "x.reel"
    path.write_text(json.dumps(content | {"clips": [clip]}))
    with pytest.raises(VideoError, match="1 of 1 video cannot be used"):
        taken(root, tmp_path / "cache", [path])


def test_reels_with_too_few_events_are_named(root: Path) -> None:
    workspace = Workspace(root)
    settings = FilmSettings(reels=ReelSettings(events=5000))
    with pytest.raises(NotFoundError, match="no subject has 5,000 filmed events"):
        film(workspace, settings, quiet=True)
    assert workspace.read("failures").height > 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("leagues = 3", "benchmark 'b'"),
        ("colour = 3", "unknown setting 'colour'"),
        ("[difficulty]\nnumber = 1", "unknown setting 'difficulty.number'.*numbers"),
        ("[difficulty]\nnumbers = 7", "numbers is 7"),
        ("[[leagues]]\nleague = 'a'\nteam = 4", r"leagues\[0\].team"),
        ("[film]\nreplays = 2", "film.replays"),
        ("seed = [", "is not TOML"),
        ("seed = -1", "seed: got -1"),
        ("unseen_season = 5", "unseen_season: got 5"),
        ("[film]\nmark = 'false'", "film.mark: got 'false'"),
        ("[difficulty]\nquality = 60.5", "difficulty.quality: got 60.5"),
        ("[[leagues]]\nleague = 'a'\nteams = 2.5", r"leagues\[0\].teams: got 2.5"),
        ("[reels]\ndraws = 0", "reels.draws: got 0"),
        ("[reels]\ndraws = 120", "reels.draws: got 120"),
        ("[reels]\nevents = 150\nbefore_s = 60.0\nafter_s = 60.0", "540,000 frames; allowed"),
        ("[labels]\nlevels = 4", "labels.levels: got 4; allowed: 3 or 5"),
    ],
)
def test_faulty_benchmarks_are_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "b.toml").write_text(text)
    with pytest.raises(ConfigError, match=told):
        load_benchmark(tmp_path / "b.toml")


def test_unknown_benchmarks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="v1"):
        load_benchmark("v11")
    with pytest.raises(NotFoundError, match="cannot be read"):
        load_benchmark(tmp_path / "none.toml")


def test_real_games_are_filmed_with_their_own_labels(root: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["rendered", str(root), "--benchmark", "mini", "--real", "--json", "--quiet"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["reels"] == len(list(root.rglob("*.reel")))
    assert told["benchmark"] == "mini"
    shown = CliRunner().invoke(app, ["rendered", str(root), "--benchmark", "mini", "--real"])
    split = sum(int(n) for n in re.findall(r"│\s+(\d+) │", shown.output))
    assert f"{told['reels'] - split} reels belong to no split" in shown.output
    empty = CliRunner().invoke(app, ["rendered", str(tmp_path), "--benchmark", "mini", "--real"])
    assert empty.exit_code != 0
    assert "'games'" in str(empty.exception)


def test_baselines_of_drawn_reels(root: Path, tmp_path: Path) -> None:
    words = ["baselines", str(root), "--out", str(tmp_path / "b.parquet"), "--quiet"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output or done.exception
    found = pl.read_parquet(tmp_path / "b.parquet")
    assert set(found["run"]) == {"mean-colour", "text-only"}


def test_what_is_there_is_not_written_over(root: Path, tmp_path: Path) -> None:
    copy = copied(root, tmp_path / "copy")
    before = {p: p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_text("{}")
    for words, told in (
        (["simulate", copy, "--size", "mini"], "holds reels"),
        (["demo", copy], "is a dataset"),
        (["baselines", copy, "--out", copy / "openbasket" / "reels.parquet"], "own tables"),
        (
            ["predict", run, "--data", copy, "--out", copy / "openbasket" / "b.parquet"],
            "own tables",
        ),
        (["rendered", run, "--benchmark", "mini"], "holds a run"),
    ):
        done = CliRunner().invoke(app, list(map(str, words)))
        assert done.exit_code != 0, words
        assert told in str(done.exception)
    assert {p: p.read_bytes() for p in copy.rglob("*") if p.is_file()} == before
    for name in ("benchmark.json", "rendered.json"):
        (copy / "openbasket" / name).unlink()
    with pytest.raises(WorkspaceError, match="games that no benchmark made"):
        make(Workspace(copy), load_benchmark("mini"), quiet=True)


def test_another_split_than_that_of_the_csvs_is_told(root: Path, tmp_path: Path) -> None:
    copy = copied(root, tmp_path / "copy")
    words = [
        "split",
        str(copy),
        "--unseen-season",
        "22-23",
        "--unseen-league",
        "sim-women",
        "--seed",
        "1",
    ]
    same = CliRunner().invoke(app, words)
    other = CliRunner().invoke(app, ["split", str(copy)])
    assert same.exit_code == other.exit_code == 0
    assert "the official CSVs are of the one before" not in " ".join(same.output.split())
    assert "the official CSVs are of the one before" in " ".join(other.output.split())


def copied(root: Path, folder: Path) -> Path:
    return Path(shutil.copytree(root, folder))


def changed(video: Path, **more) -> None:
    video.write_text(json.dumps(json.loads(video.read_text()) | more))


def test_a_reel_that_was_edited_is_refused_before_it_is_drawn(root: Path, tmp_path: Path) -> None:
    copy = copied(root, tmp_path / "copy")
    video = read_split(copy, "val")[0].video
    clips = json.loads(video.read_text())["clips"]
    changed(video, clips=[[*clip[:3], clip[3] + 1, clip[4]] for clip in clips])
    failures: dict[Path, str] = {}
    assert not taken(copy, tmp_path / "cache", [video], failures=failures)
    assert "is not as it was made" in failures[video]
    assert not list((tmp_path / "cache").glob("??/*.zip"))


def test_reels_that_cannot_be_drawn_leave_the_others(root: Path, tmp_path: Path) -> None:
    copy = copied(root, tmp_path / "copy")
    (copy / "openbasket" / "manifest.json").unlink()
    samples = read_split(copy, "train")[:5]
    videos = [s.video for s in samples]
    clips = clips_of(copy, samples)
    reels = [json.loads(video.read_text()) for video in videos]
    beyond = [*reels[0]["clips"][0][:3], 2_000_000, reels[0]["clips"][0][4]]
    changed(videos[0], clips=[beyond, *reels[0]["clips"][1:]])
    changed(videos[1], games=dict.fromkeys(reels[1]["games"], "0" * 64))
    changed(videos[2], clips=reels[2]["clips"][:1])
    failures: dict[Path, str] = {}
    found = taken(copy, tmp_path / "cache", videos, clips=clips, failures=failures)
    assert set(failures) == set(videos[:3])
    assert "has no frame 20000" in failures[videos[0]]
    assert "not the one that the reel was made of" in failures[videos[1]]
    assert "tells of other clips" in failures[videos[2]]
    others = read_split(root, "train")[3:5]
    theirs = [s.video for s in others]
    whole = taken(root, tmp_path / "whole", theirs, clips=clips_of(root, others))
    for one, other in zip(found, whole, strict=True):
        assert np.array_equal(one.read(), other.read())
    assert not (tmp_path / "cache" / "drawing").exists()


def test_a_game_whose_drawing_ends_badly_leaves_those_it_is_drawn_with(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [s.video for s in read_split(root, "train")]
    apart = [frozenset(clip.game_id for clip in read_reel(video).clips) for video in videos]
    bad = read_reel(videos[0]).clips[0].game_id
    write = drawing._write

    def broken(job, film) -> None:
        if job.game_id == bad:
            raise RuntimeError("the disk burns")
        write(job, film)

    monkeypatch.setattr(drawing, "_write", broken)
    failures: dict[Path, str] = {}
    found = taken(root, tmp_path, videos, failures=failures)
    lost = {video for video, games in zip(videos, apart, strict=True) if bad in games}
    assert {videos[0]} <= set(failures) <= lost  # not all frames that are taken are of that game
    assert len(found) == len(videos) - len(failures) > 0
    assert all("the disk burns" in text for text in failures.values())


def test_who_waits_for_another_process_finds_what_it_drew(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [s.video for s in read_split(root, "train")[:6]]
    drawn: list[str] = []
    write = drawing._write

    def slowly(job, film) -> None:
        drawn.append(job.game_id)
        time.sleep(0.05)
        write(job, film)

    monkeypatch.setattr(drawing, "_write", slowly)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: taken(root, tmp_path, videos), range(2)))
    assert [e.path for e in both[0]] == [e.path for e in both[1]]
    assert len(drawn) == len(set(drawn)) > 1
    assert all(entry.verify() is None for entry in both[0])


def test_what_others_drew_and_stopped_at_is_kept_for_a_week(root: Path, tmp_path: Path) -> None:
    (tmp_path / "drawing").mkdir()
    late, old = tmp_path / "drawing" / "late.zip", tmp_path / "drawing" / "old.zip"
    for file in (late, old):
        file.touch()
    os.utime(old, times=(time.time() - 8 * 86_400,) * 2)
    taken(root, tmp_path, [read_split(root, "train")[0].video])
    assert list((tmp_path / "drawing").iterdir()) == [late]


def test_a_run_that_was_stopped_goes_on_also_where_others_want_fewer_frames(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [s.video for s in read_split(root, "train")[:6]]
    with monkeypatch.context() as patched:
        patched.setattr(FrameCache, "put", lambda *_: 1 / 0)  # stops while it joins
        with pytest.raises(ZeroDivisionError):
            taken(root, tmp_path, videos)
    monkeypatch.setattr(drawing, "_write", lambda *_: 1 / 0)  # nothing is drawn again
    assert len(taken(root, tmp_path, videos[:3])) == 3


def test_more_frames_than_an_entry_may_have_are_refused_before_they_are_drawn(
    root: Path, tmp_path: Path
) -> None:
    samples = read_split(root, "train")[:2]
    clips = clips_of(root, samples)
    failures: dict[Path, str] = {}
    one, other = samples[0].video, samples[1].video
    clips[other] = clips[other][:2]
    found = taken(root, tmp_path, [one, other], clips=clips, frames=2000, failures=failures)
    assert "got 2000 of each of 6 clips; allowed: 4096 in all" in failures[one]
    assert [len(entry) for entry in found] == [4000]


def test_a_folder_with_other_leagues_is_refused(root: Path, tmp_path: Path) -> None:
    text = packaged.text("rendered", "mini").replace("sim-men", "other")
    (tmp_path / "other.toml").write_text(text)
    workspace = Workspace(copied(root, tmp_path / "copy"))
    for file in ("rendered.json", "benchmark.json"):
        (workspace.private / file).unlink()
    before = workspace.read("splits")
    with pytest.raises(WorkspaceError, match="not of benchmark 'other'"):
        make(workspace, load_benchmark(tmp_path / "other.toml"), quiet=True)
    assert workspace.read("splits").equals(before)


@pytest.mark.parametrize("file", ["rendered.json", "benchmark.json"])
def test_a_folder_with_another_benchmark_is_refused(root: Path, tmp_path: Path, file: str) -> None:
    """Even if its leagues and seasons are among those of the new one, and if it is not whole."""
    (tmp_path / "other.toml").write_text(packaged.text("rendered", "mini"))
    workspace = Workspace(copied(root, tmp_path / "copy"))
    (workspace.private / file).unlink()
    before = {p: p.stat().st_mtime_ns for p in workspace.root.rglob("*") if p.is_file()}
    with pytest.raises(
        WorkspaceError, match="holds benchmark 'mini', and 'other' would write over"
    ):
        make(workspace, load_benchmark(tmp_path / "other.toml"), quiet=True)
    after = {p: p.stat().st_mtime_ns for p in workspace.root.rglob("*") if p.is_file()}
    assert after == before


def test_games_of_two_leagues_with_one_id_are_refused(root: Path, tmp_path: Path) -> None:
    workspace = Workspace(copied(root, tmp_path / "copy"))
    first, second = list(workspace.seasons("games"))[:2]
    taken_id = workspace.read("games", *first)["game_id"][0]
    games = workspace.read("games", *second)
    renamed = games.with_columns(
        game_id=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(taken_id)).otherwise("game_id")
    )
    workspace.write("games", renamed, *second)
    with pytest.raises(BadInputError, match=taken_id):
        film(workspace, quiet=True)
