"""A workspace that was copied without its videos, or whose notes on videos are damaged."""

from __future__ import annotations

import json
import shutil

import pytest
from faults import killing

from openbasket.reels import ClipSettings, ReelReport, ReelSettings, build
from openbasket.reels.footage import LookJob, recall
from openbasket.workspace import Workspace

CLIP = ClipSettings(0.5, 0.5, preset="ultrafast")


def made(workspace: Workspace, events: int = 2, **more: object) -> ReelReport:
    settings = ReelSettings(events, clip=CLIP, **more)  # type: ignore[arg-type]
    return build(workspace, settings, workers=1, quiet=True)


@pytest.fixture
def copied(tmp_path) -> Workspace:
    workspace = killing.filmed(tmp_path / "first", games=2)
    made(workspace)
    shutil.copytree(workspace.root, tmp_path / "second", copy_function=shutil.copyfile)
    shutil.rmtree(workspace.root)
    return Workspace(tmp_path / "second")


def test_a_copy_without_videos_keeps_its_reels(copied):
    before, marks = killing.sums(copied.root), killing.marks(copied.root)
    shutil.rmtree(copied.videos)
    report = made(copied)
    assert (report.reels, report.encoded, report.failures) == (killing.PLAYERS, 0, [])
    assert killing.sums(copied.root) == before
    assert killing.marks(copied.root) == marks
    shutil.rmtree(copied.root / "BASKET")
    made(copied)
    assert killing.sums(copied.root) == before


def test_a_missing_video_costs_only_clips_that_are_not_in_the_store(copied):
    (copied.videos / "g0.mp4").unlink()
    report = made(copied, events=3, few="keep", replace=False)
    assert report.reels == killing.PLAYERS
    shown = copied.read("reels")
    assert "g0" in set(shown["game_id"])
    missing = [row for row in report.failures if row[:2] == ("cut", "g0")]
    assert len(missing) == 1
    assert "there is no video at" in missing[0][2]


def test_who_has_no_reel_for_want_of_a_video_is_told_which(copied):
    (copied.videos / "g0.mp4").unlink()
    shutil.rmtree(copied.private / "sources")
    report = made(copied, events=3)
    told = {item: reason for stage, item, reason in report.failures if stage == "reel"}
    assert told["p0_L_21_22"] == (
        "2 filmed events; needed: 3; others are in videos that cannot be used: 'videos/g0.mp4' "
        "(a reel of fewer: --min-events 2, or --few keep)"
    )
    assert made(copied, events=3, min_events=2).reels == 2


def test_damaged_notes_on_a_video_are_none(copied):
    path = copied.private / "sources" / "g0.json"
    whole = json.loads(path.read_text())
    job = LookJob.of("g0", "videos/g0.mp4", copied.videos / "gone.mp4", whole=False)
    assert recall(path, job) is not None
    wrong = [{"duration": bad} for bad in ("abc", "1/0", "-5", "0", "1e9", 7, None)]
    wrong += [{"faults": "x"}, {"faults": [1]}, {"stamp": None}, {"depth": "x"}, {"depth": []}]
    for change in [*wrong, {"key": 1}, {"other": 1}]:
        path.write_text(json.dumps(whole | change))
        assert recall(path, job) is None, change
    for text in ("[" * 100_000, "[]", "null"):
        path.write_text(text)
        assert recall(path, job) is None
    assert made(copied).reels == killing.PLAYERS
