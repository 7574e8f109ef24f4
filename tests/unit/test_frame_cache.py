"""Cached frames: those of the video, checked, found again, remade after a change; shards; features."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import number, numbered
from typer.testing import CliRunner

from openbasket.cli import app
from openbasket.dataset.export.webdataset import import_shards, read_shards, write_shards
from openbasket.dataset.frame_cache import cache_folder, cache_frames, sampling_facts, verified
from openbasket.dataset.reader import Sample, read_split
from openbasket.errors import BadInputError, ConfigError, VideoError
from openbasket.skills import SKILL_KEYS
from openbasket.training.features import FeatureCache, weights_hash
from openbasket.video.cache import CachedFrames, FrameCache, view_places
from openbasket.video.frames import Uniform, frames_at
from openbasket.video.recording import Recording, Taking
from openbasket.video.seal import is_intact, seal
from openbasket.workspace import sha256, write_json, write_text

TAKING = Taking(frames=8, size=48)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return numbered(tmp_path_factory.mktemp("video") / "a.mp4", 90, gop=30)


@pytest.mark.parametrize(("form", "most"), [("jpeg", 3.0), ("raw", 0.0)])
def test_an_entry_holds_the_frames(video, tmp_path, form, most):
    taking = Taking(frames=8, size=48, format=form)
    entry = FrameCache(tmp_path).add(video, taking)
    wanted = frames_at(video, Uniform(8), 48)
    got = entry.read()
    assert got.dtype == np.uint8
    assert got.flags.writeable
    assert np.abs(got.astype(int) - wanted.pixels).mean() <= most
    assert [number(f) for f in got] == wanted.indices.tolist()
    recording = entry.recording
    assert recording.shape == (8, 48, 72, 3)
    assert recording.indices == tuple(wanted.indices)
    assert recording.times_s == tuple(wanted.times_s)
    assert recording.largest_error_s == 0
    assert entry.verify() is None
    some = [5, 0, 5]
    np.testing.assert_array_equal(entry.read(some), got[some])
    with pytest.raises(VideoError, match="holds 8 frames; asked for"):
        entry.read([8])


def test_only_what_is_asked_is_decoded(video, tmp_path, monkeypatch):
    entry = FrameCache(tmp_path).add(video, TAKING)
    decoded = []
    from openbasket.video import cache

    real = cache.simplejpeg.decode_jpeg
    monkeypatch.setattr(
        cache.simplejpeg, "decode_jpeg", lambda *a, **k: decoded.append(1) or real(*a, **k)
    )
    whole = entry.read()
    assert len(decoded) == 8
    np.testing.assert_array_equal(entry.view(2, 1, 4), whole[[1, 5]])
    assert len(decoded) == 10
    times = entry.recording.times_s
    assert entry.between(times[2], times[4]) == [2, 3]


def test_views_share_out_what_is_held():
    assert view_places(64, 64) == list(range(64))
    views = [view_places(64, 16, view, 4) for view in range(4)]
    assert sorted(place for view in views for place in view) == list(range(64))
    assert views[1][:3] == [1, 5, 9]
    assert view_places(4, 8, 0, 1) == [0, 0, 1, 1, 2, 2, 3, 3]
    for held, frames, many in ((10, 3, 7), (5, 16, 3), (1, 1, 1)):
        for view in range(many):
            places = view_places(held, frames, view, many)
            assert places == sorted(places)
            assert places[0] >= 0
            assert places[-1] < held
    with pytest.raises(ConfigError, match="view 4 of 4"):
        view_places(64, 16, 4, 4)


def test_found_again_by_content_and_made_anew_after_a_change(tmp_path):
    cache = FrameCache(tmp_path / "cache")
    path = numbered(tmp_path / "a.mp4", 20)
    first = cache.add(path, TAKING)
    written = first.path.stat().st_mtime_ns
    assert cache.add(path, TAKING) == first
    moved = path.rename(tmp_path / "moved.mp4")
    os.utime(moved)
    assert cache.add(moved, TAKING) == first  # the same bytes under another name and date
    assert first.path.stat().st_mtime_ns == written
    assert cache.find(moved, Taking(8, 48, "keyframe")) is None
    numbered(moved, 20, first=100)
    changed = cache.add(moved, TAKING)
    assert changed != first
    assert number(changed.read()[0]) == 100


def test_key_frames_are_another_entry_that_tells_its_error(video, tmp_path):
    cache = FrameCache(tmp_path)
    exact, near = (cache.add(video, Taking(8, 48, how)) for how in ("exact", "keyframe"))
    assert exact.path != near.path
    assert set(near.recording.indices) == {0, 30, 60}
    facts = sampling_facts([near])
    assert facts["sampling"] == "keyframe"
    assert facts["largest_error_s"] == pytest.approx(29 / 30)  # frame 89, shown by frame 60


@pytest.mark.parametrize("form", ["jpeg", "raw"])
@pytest.mark.parametrize("where", [0.3, 0.7, 0.999])
def test_damage_is_found(video, tmp_path, form, where):
    cache = FrameCache(tmp_path)
    entry = cache.add(video, Taking(8, 48, format=form))
    data = bytearray(entry.path.read_bytes())
    for i in range(8):
        data[int(where * len(data)) - i] ^= 255
    entry.path.write_bytes(data)
    fresh = CachedFrames(entry.path)
    assert str(entry.path) in (fresh.verify() or "")
    if form == "jpeg":
        with pytest.raises(VideoError, match="--verify' makes it again"):
            fresh.read()
    assert len(verified(cache, workers=1, quiet=True)) == 1
    assert cache.entries() == []


def test_an_entry_under_another_name_or_cut_off_is_damaged(video, tmp_path):
    entry = FrameCache(tmp_path).add(video, TAKING)
    other = entry.path.with_name("0" * 64 + ".zip")
    other.write_bytes(entry.path.read_bytes())
    assert "name of another entry" in CachedFrames(other).verify()
    other.write_bytes(entry.path.read_bytes()[:-50])
    with pytest.raises(VideoError, match="is damaged"):
        CachedFrames(other).read()
    other.unlink()
    with pytest.raises(VideoError, match="openbasket cache"):
        CachedFrames(other).read()


def test_descriptions_that_make_no_sense_are_refused(video, tmp_path):
    recording = FrameCache(tmp_path).add(video, TAKING).recording
    assert Recording.from_json(recording.as_json()) == recording
    good = json.loads(recording.as_json())
    for change in (
        {"version": 9}, {"shape": [8, 48, 72, 4]}, {"shape": [8, 1 << 20, 72, 3]},
        {"shape": [4096, 60000, 60000, 3]}, {"indices": [1]}, {"taking": {"frames": 0}}, {"more": 1},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r".+"):
            Recording.from_json(json.dumps(good | change).encode())
    for text in (b"", b"[]", b"{}", b"\xff"):
        with pytest.raises(ValueError, match=r".*"):
            Recording.from_json(text)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "webp"}, "format: got 'webp'; allowed: jpeg, raw"),
        ({"sampling": "any"}, "sampling: got 'any'; allowed: exact, keyframe"),
        ({"frames": 0}, "frames: got 0; allowed: 1 to 4096"),
        ({"quality": 101}, "quality: got 101; allowed: 1 to 100"),
    ],
)
def test_bad_takings(changes, told):
    with pytest.raises(ConfigError, match=told):
        Taking(**changes)


def test_videos_that_cannot_be_used_are_all_named_and_the_others_kept(video, tmp_path):
    broken = tmp_path / "b.mp4"
    broken.write_text("hello")
    videos = [video, broken, tmp_path / "c.mp4"]
    with pytest.raises(
        VideoError, match=r"2 of 3 videos cannot be used:[\s\S]*b\.mp4[\s\S]*c\.mp4"
    ):
        cache_frames(videos, tmp_path / "c", frames=2, short_side=32, workers=1, quiet=True)
    assert len(FrameCache(tmp_path / "c").entries()) == 1


CHILD = """
import os, signal, sys, zipfile
from pathlib import Path
from openbasket.video import cache
real, left = zipfile.ZipFile.writestr, [int(sys.argv[3])]
def writestr(self, *args, **more):
    if left[0] == 0:
        self.fp.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return real(self, *args, **more)
zipfile.ZipFile.writestr = writestr
cache.FrameCache(Path(sys.argv[2])).add(Path(sys.argv[1]), cache.Taking(8, 48))
"""


@pytest.mark.parametrize("after", [0, 5])
def test_a_kill_leaves_nothing_half(video, tmp_path, after):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(video), str(tmp_path), str(after)], check=False
    )
    assert done.returncode == -9
    cache = FrameCache(tmp_path)
    assert cache.entries() == []
    assert len(list(tmp_path.rglob(".openbasket-tmp-*"))) == 1
    [entry] = cache_frames([video], tmp_path, frames=8, short_side=48, workers=1, quiet=True)
    assert entry.verify() is None
    assert list(tmp_path.rglob(".openbasket-tmp-*")) == []


def flipped(video: Path) -> None:
    """Flip a bit of which no decoder says anything: in the text that x264 writes beside the pictures."""
    whole = bytearray(video.read_bytes())
    whole[whole.index(b"x264 - core")] ^= 1
    video.write_bytes(whole)


def test_a_reel_of_other_bytes_than_its_manifest_states_is_not_cached(tmp_path):
    reel = numbered(tmp_path / "BASKET" / "a.mp4", 60, gop=60)
    known = {"BASKET/a.mp4": {"sha256": sha256(reel), "bytes": reel.stat().st_size}}
    write_json(tmp_path / "openbasket" / "manifest.json", {"levels": 5, "reels": known})
    take = partial(cache_frames, [reel], frames=8, short_side=48, workers=1, quiet=True)
    assert len(take(tmp_path / "one", root=tmp_path)) == 1
    flipped(reel)
    assert len(take(tmp_path / "two")) == 1, "the codec sees it, so the test shows nothing"
    with pytest.raises(VideoError, match=r"a\.mp4' is not as it was made: its SHA-256 is \w+, not"):
        take(tmp_path / "three", root=tmp_path)
    with pytest.raises(VideoError, match="cached frames are of a video with SHA-256") as stale:
        take(tmp_path / "two", root=tmp_path)
    assert "openbasket build" in str(stale.value)
    failures = {}
    assert take(tmp_path / "two", root=tmp_path, failures=failures) == []
    assert list(failures) == [reel]
    write_text(tmp_path / "openbasket" / "manifest.json", '{"reels": [1]}')
    with pytest.raises(BadInputError, match="openbasket build"):
        take(tmp_path / "three", root=tmp_path)


def test_a_file_that_is_not_as_it_was_sealed_is_not_cached(tmp_path):
    video = numbered(tmp_path / "a.mp4", 60, gop=60)
    seal(video)
    FrameCache(tmp_path / "one").add(video, TAKING)
    flipped(video)
    with pytest.raises(VideoError, match="not as it was made: its checksum is another"):
        FrameCache(tmp_path / "one").add(video, TAKING)


def test_a_lost_bit_that_the_files_date_does_not_tell_is_found_when_frames_are_taken(tmp_path):
    video = numbered(tmp_path / "a.mp4", 60, gop=60)
    cache, stated, date = FrameCache(tmp_path / "one"), sha256(video), video.stat().st_mtime_ns
    cache.add(video, TAKING, stated=stated)
    flipped(video)
    os.utime(video, ns=(date, date))
    assert cache.add(video, TAKING, stated=stated)  # is there, of the whole video
    with pytest.raises(VideoError, match="is not as it was made"):
        cache.add(video, Taking(frames=4, size=48), stated=stated)


def test_large_files_are_compared_with_their_seals_piece_by_piece(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(os.urandom((2 << 20) + 17))
    assert is_intact(path)
    seal(path)
    assert is_intact(path)
    for at in (0, 1 << 20, -30, -1):
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        (tmp_path / "b.mp4").write_bytes(content)
        assert not is_intact(tmp_path / "b.mp4")
    (tmp_path / "b.mp4").write_bytes(b"short")
    assert is_intact(tmp_path / "b.mp4")


def sample(name: str, video: Path) -> Sample:
    levels = (3, None, *[1] * 18)
    return Sample(name, name, "l", "21-22", f"BASKET/{name}.mp4", video, levels)


@pytest.fixture
def shards(video, tmp_path):
    other = numbered(tmp_path / "b.mp4", 30, first=200)
    samples = [sample("one_l_21_22", video), sample("tw.o/x_21_22", other)]
    cache = FrameCache(tmp_path / "cache")
    entries = [cache.add(s.video, TAKING) for s in samples]
    return write_shards(samples, entries, tmp_path / "out", name="test", shard_bytes=1), entries


def test_shards_are_read_by_the_webdataset_package(shards):
    webdataset = pytest.importorskip("webdataset")
    paths, entries = shards
    assert [path.name for path in paths] == ["test-000000.tar", "test-000001.tar"]
    found = list(webdataset.WebDataset([str(path) for path in paths], shardshuffle=False))
    assert [one["__key__"] for one in found] == ["one_l_21_22", "tw_o_x_21_22"]
    for one, entry in zip(found, entries, strict=True):
        told = json.loads(one["json"])
        assert told["levels"][SKILL_KEYS[0]] == 3
        assert told["levels"][SKILL_KEYS[1]] is None
        assert told["frames"]["taking"]["frames"] == 8
        payloads = dict(entry.payloads())
        assert {name for name in one if not name.startswith("__")} == {"json", *payloads} - {
            "frames.json"
        }
        assert one["0003.jpg"] == payloads["0003.jpg"]


def test_shards_come_back_as_cached_frames(shards, tmp_path):
    paths, entries = shards
    back = import_shards(paths, FrameCache(tmp_path / "back"))
    assert [entry.path.name for entry in back] == [entry.path.name for entry in entries]
    for new, old in zip(back, entries, strict=True):
        np.testing.assert_array_equal(new.read(), old.read())


def tar_of(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.type = len(content), kind
            member.linkname = "/etc/passwd"
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    "name", ["../a.json", "/etc/a.json", "a/../../b.json", "C:\\a.json", "noname", ".json"]
)
def test_names_that_lead_out_of_a_shard_are_refused(tmp_path, name):
    with pytest.raises(BadInputError):
        list(read_shards([tar_of(tmp_path / "a.tar", (name, b"{}"))]))


def test_other_hostile_shards_are_refused(shards, tmp_path):
    with pytest.raises(BadInputError, match="no links"):
        list(read_shards([tar_of(tmp_path / "a.tar", ("a.json", b""), kind=tarfile.SYMTYPE)]))
    with pytest.raises(BadInputError, match="each file of a sample once"):
        list(read_shards([tar_of(tmp_path / "b.tar", ("a.json", b"1"), ("a.json", b"2"))]))
    (tmp_path / "c.tar").write_text("hello" * 200)
    with pytest.raises(BadInputError, match="a whole tar"):
        list(read_shards([tmp_path / "c.tar"]))
    with pytest.raises(BadInputError, match="a sample of openbasket"):
        import_shards([tar_of(tmp_path / "d.tar", ("a.txt", b"1"))], FrameCache(tmp_path / "x"))
    [first, _], _ = shards
    files = next(read_shards([first])).files
    swapped = files | {"0003.jpg": files["json"]}
    members = [(f"a.{name}", content) for name, content in swapped.items()]
    with pytest.raises(BadInputError, match="the frames that it says"):
        import_shards([tar_of(tmp_path / "e.tar", *members)], FrameCache(tmp_path / "x"))
    assert FrameCache(tmp_path / "x").entries() == []
    held = next(iter(import_shards([first], FrameCache(tmp_path / "y"))))
    before = held.path.read_bytes()
    same = files | dict.fromkeys((n for n in files if n.endswith(".jpg")), files["0000.jpg"])
    members = [(f"a.{name}", content) for name, content in same.items()]
    import_shards([tar_of(tmp_path / "f.tar", *members)], FrameCache(tmp_path / "y"))
    assert held.path.read_bytes() == before  # what is there is kept
    more = [*((f"a.{n}", c) for n, c in files.items()), ("a.evil.bin", b"x")]
    with pytest.raises(BadInputError, match="just the frames"):
        import_shards([tar_of(tmp_path / "g.tar", *more)], FrameCache(tmp_path / "z"))


def test_an_entry_that_grows_when_it_is_read_is_damaged(video, tmp_path):
    entry = FrameCache(tmp_path).add(video, TAKING)
    with zipfile.ZipFile(entry.path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("frames.json", b" " * 1_000_000)
    with pytest.raises(VideoError, match="compressed"):
        CachedFrames(entry.path).read()


def test_a_subject_stands_once_in_shards(video, tmp_path):
    entry = FrameCache(tmp_path).add(video, TAKING)
    with pytest.raises(ConfigError, match="each subject once"):
        write_shards([sample("a", video)] * 2, [entry] * 2, tmp_path)


def test_the_verb(finished, tmp_path):
    root = finished / "ws"
    store = tmp_path / "frames"
    line = ["cache", str(root), "--frames", "4", "--size", "32", "--into", str(store), "--quiet"]
    more = ["--workers", "1", "--json", "--webdataset", str(tmp_path / "out")]
    done = CliRunner().invoke(app, line + more)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    entries = FrameCache(store).entries()
    assert told["reels"] >= len(entries) > 0  # reels of the same bytes share an entry
    assert told["bytes"] == sum(entry.path.stat().st_size for entry in entries)
    assert (told["sampling"], told["largest_error_s"]) == ("exact", 0)
    keys = [one.key for one in read_shards(sorted((tmp_path / "out").glob("test-*.tar")))]
    assert keys == [s.subject_id for s in read_split(root, "test")]
    entries[0].path.write_bytes(b"cut")
    done = CliRunner().invoke(app, [*line, "--workers", "1", "--verify"])
    assert done.exit_code == 0, done.output
    assert f"made again: '{entries[0].path}' is damaged" in done.stdout
    assert entries[0].verify() is None
    new = tmp_path / "new"
    imported = ["--from", str(next((tmp_path / "out").glob("test-*.tar"))), "--into", str(new)]
    done = CliRunner().invoke(app, line + imported + ["--workers", "1", "--json"])
    assert json.loads(done.stdout)["imported"] == len(keys)


def test_where_a_datasets_frames_lie(tmp_path):
    assert cache_folder(tmp_path) == tmp_path / "openbasket" / "frame_cache"
    assert cache_folder(tmp_path, tmp_path / "run") == tmp_path / "run"
    cache_folder(tmp_path).mkdir(parents=True)
    assert cache_folder(tmp_path, tmp_path / "run") == cache_folder(tmp_path)


class Mean(torch.nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([scale]))
        self.heads = torch.nn.Linear(2, 3)


def test_features_are_kept_for_weights_frames_and_preparation(video, tmp_path):
    entry = FrameCache(tmp_path / "frames").add(video, TAKING)
    store = FeatureCache(tmp_path, Mean(1.0), "plain")
    assert store.held(entry) is None
    store.keep(entry, np.arange(3, dtype=np.float32))
    np.testing.assert_array_equal(store.held(entry), [0, 1, 2])
    np.testing.assert_array_equal(FeatureCache(tmp_path, Mean(1.0), "plain").held(entry), [0, 1, 2])
    assert FeatureCache(tmp_path, Mean(1.0), "other").held(entry) is None
    assert FeatureCache(tmp_path, Mean(2.0), "plain").held(entry) is None
    fewer = FrameCache(tmp_path / "frames").add(video, replace(TAKING, frames=2))
    assert store.held(fewer) is None
    [file] = store.folder.iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)
    assert store.held(entry) is None  # and is computed again


def test_weights_hashes_tell_models_apart():
    assert weights_hash(Mean(1.0)) == weights_hash(Mean(1.0))  # with other heads
    assert weights_hash(Mean(1.0)) != weights_hash(Mean(1.5))
    assert weights_hash(torch.nn.Linear(2, 3)) != weights_hash(torch.nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("videos", "workers", "threads"), [(1, 2, 2), (2, 2, 1), (1, 1, 1), (2, 4, 2), (3, 4, 1)]
)
def test_cores_without_a_video_of_their_own_help_with_others(
    video, tmp_path, monkeypatch, videos, workers, threads
):
    from openbasket.dataset import frame_cache

    seen = []
    add = FrameCache.add

    def spy(self, *args, **options):
        seen.append(options["threads"])
        return add(self, *args, **options)

    monkeypatch.setattr(FrameCache, "add", spy)
    monkeypatch.setattr(
        frame_cache,
        "run",
        lambda job, given, **_: [SimpleNamespace(item=i, result=job(i), error=None) for i in given],
    )
    copies = [shutil.copy(video, tmp_path / f"{n}.mp4") for n in range(videos)]
    frame_cache.cache_frames(
        [Path(copy) for copy in copies], tmp_path / "cache", frames=4, short_side=32,
        workers=workers, quiet=True,
    )  # fmt: skip
    assert seen == [threads] * videos
