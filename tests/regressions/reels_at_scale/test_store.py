"""A clip store in which something went wrong, and videos behind servers."""

from __future__ import annotations

import os
import shutil

import pytest
from faults import killing

from openbasket.errors import VideoError, WorkspaceError
from openbasket.reels import ClipSettings, ReelReport, ReelSettings, build
from openbasket.reels import cut as cutting
from openbasket.storage import Folder, Url
from openbasket.video.join import BadClipError, join
from openbasket.video.seal import is_intact, seal
from openbasket.workspace import Workspace, remove_leftovers

CLIP = ClipSettings(0.5, 0.5, preset="ultrafast")


def made(workspace: Workspace, **more: object) -> ReelReport:
    return build(workspace, ReelSettings(2, clip=CLIP), workers=1, quiet=True, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Workspace:
    workspace = killing.filmed(tmp_path_factory.mktemp("whole") / "ws", games=2)
    made(workspace)
    return workspace


@pytest.fixture
def workspace(whole, tmp_path) -> Workspace:
    shutil.copytree(whole.root, tmp_path / "ws")
    return Workspace(tmp_path / "ws")


def test_what_is_no_clip_is_cut_again(workspace):
    wanted = killing.sums(workspace.root)
    clips = sorted(workspace.clips.rglob("*.mp4"))
    clips[0].write_bytes(b"")
    clips[1].unlink()
    clips[1].symlink_to("nowhere")
    assert made(workspace).encoded == 2
    assert killing.sums(workspace.root) == wanted


@pytest.mark.parametrize("where", ["pictures", "end"])
def test_a_changed_clip_is_named_removed_and_cut_again(workspace, where):
    wanted = killing.sums(workspace.root)
    clip = sorted(workspace.clips.rglob("*.mp4"))[0]
    content = bytearray(clip.read_bytes())
    if where == "pictures":
        content[len(content) // 2] ^= 4
        clip.write_bytes(content)
    else:  # and with it the seal
        clip.write_bytes(content[: len(content) // 2])
    shutil.rmtree(workspace.reels)
    report = made(workspace)
    told = [reason for stage, _, reason in report.failures if stage == "reel"]
    assert len(told) == 1
    assert str(clip) in told[0]
    assert "removed from the store: run again" in told[0]
    assert made(workspace).encoded == 1
    assert killing.sums(workspace.root) == wanted


def test_a_clip_of_other_frames_than_were_cut_goes_into_no_reel(workspace, tmp_path):
    clips = sorted(workspace.clips.rglob("*.mp4"))[:2]
    assert all(is_intact(clip) and b"ob-crc32" in clip.read_bytes() for clip in clips)
    assert join(clips, tmp_path / "reel.mp4", frames=[30, 30]) == [30, 30]
    with pytest.raises(BadClipError, match="has 30 frames; cut were 31") as caught:
        join(clips, tmp_path / "other.mp4", frames=[30, 31])
    assert caught.value.clip == clips[1]
    assert not (tmp_path / "other.mp4").exists()


def test_a_seal_finds_every_flipped_bit_before_it(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(range(50)))
    seal(path)
    content = path.read_bytes()
    for bit in range(8 * 50):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert not is_intact(path)


@pytest.mark.parametrize("given", ["file", "file/below"])
def test_a_store_that_is_a_file_is_refused_before_the_work(workspace, tmp_path, given, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cutting, "cut_clips", lambda *_: pytest.fail("begun"))
    with pytest.raises(
        WorkspaceError, match=r"file' is a file; clips and reels are kept in a folder"
    ):
        made(workspace, store=str(tmp_path / given))


def test_a_folder_that_is_named_like_a_leftover_stays(tmp_path):
    (tmp_path / ".openbasket-tmp-x").mkdir()
    (tmp_path / ".openbasket-tmp-y").write_text("")
    assert remove_leftovers(tmp_path) == 1
    assert os.listdir(tmp_path) == [".openbasket-tmp-x"]


@pytest.mark.parametrize("name", ["../a.mp4", "/a.mp4", "b/../../a.mp4", "C:a", "a\\b", "a\n"])
def test_nothing_outside_of_a_folder_is_removed(tmp_path, name):
    for root in (tmp_path, Url("memory://folder")):
        with pytest.raises(WorkspaceError, match="would lead out of"):
            Folder(root).remove(name)


def cut_job(store: Folder, monkeypatch: pytest.MonkeyPatch, stamps: list[str]) -> cutting.CutJob:
    """Three clips of a video behind a URL, whose stamps are the given ones, one for each question."""
    from openbasket.reels.footage import Footage

    def cut(_source, spans, _encoding):
        for span in spans:
            span.path.parent.mkdir(parents=True, exist_ok=True)
            span.path.write_bytes(b"clip")
            yield span.path, None

    monkeypatch.setattr(cutting, "cut_clips", cut)
    monkeypatch.setattr(cutting, "stamp", lambda _: [stamps.pop(0)])
    footage = Footage("https://a/b.mp4", ["1"], "key", "100", "index", [])
    wanted = tuple(cutting.Wanted(f"e{i}", 10.0 * i + 9) for i in range(3))
    return cutting.CutJob("g", Url("https://a/b.mp4"), footage, store, wanted, CLIP, True)


def test_a_server_is_asked_twice_a_game_and_a_change_leaves_no_clip(tmp_path, monkeypatch):
    store = Folder(tmp_path)
    stamps = ["1", "1"]
    assert cutting.cut_game(cut_job(store, monkeypatch, stamps)).encoded == 3
    assert stamps == []
    assert len(store.sizes(".mp4")) == 3
    with pytest.raises(VideoError, match="changed while it was cut"):
        cutting.cut_game(cut_job(store, monkeypatch, ["1", "2"]))
    assert store.sizes(".mp4") == {}
    with pytest.raises(VideoError, match="changed while it was cut"):
        cutting.cut_game(cut_job(store, monkeypatch, ["2"]))
