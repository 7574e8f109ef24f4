"""Benchmarks whose reels are drawn when they are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from openbasket import packaged
from openbasket.cli import app
from openbasket.dataset.clips import clips_of
from openbasket.dataset.drawing import _jobs
from openbasket.dataset.film import FilmSettings, film, read_reel
from openbasket.dataset.frame_cache import cache_frames
from openbasket.dataset.reader import read_split
from openbasket.dataset.rendered import benchmark_names, load_benchmark, make
from openbasket.dataset.verify import verify
from openbasket.errors import ConfigError, NotFoundError, UnknownNameError, VideoError
from openbasket.reels.settings import ReelSettings
from openbasket.simulation.broadcast import render
from openbasket.video.frames import frames_at
from openbasket.video.recording import Taking
from openbasket.workspace import Workspace


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rendered")
    make(Workspace(root, create=True), load_benchmark("mini"), quiet=True)
    return root


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
        (s.video, Taking(frames=90, size=64)): read_reel(s.video) for s in read_split(root, "train")
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
    assert not list(tmp_path.glob("drawing-*"))


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
        ({"render": {"colour": 1}}, "unexpected keyword"),
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
    empty = CliRunner().invoke(app, ["rendered", str(tmp_path), "--benchmark", "mini", "--real"])
    assert empty.exit_code != 0
    assert "'games'" in str(empty.exception)
