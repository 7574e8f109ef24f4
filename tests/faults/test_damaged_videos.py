"""Damaged videos: nothing crashes or hangs, and what the checks find is what they are known to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.damaged_videos import KINDS, as_dataset, corpus, look_apart, verified


def examine(folder: Path, count: int, seconds: int) -> float:
    """Check a corpus; return the share that decoding finds. Against the manifest, all must be found."""
    copies = corpus(folder, count, seconds=seconds)
    assert len(copies) == count * len(KINDS)
    whole = [folder / f"whole{i}.mp4" for i in (0, 1)]
    assert all(result["frames"] == [] for _, result in look_apart(whole))
    seen = dict(look_apart([path for _, path in copies]))
    assert [path for path, result in seen.items() if isinstance(result, str)] == []  # crashed, hung
    workspace = as_dataset(folder / "ws", copies, whole)
    assert len(verified(workspace, deep=True)) == len(copies)
    found = [bool(result["frames"]) for result in seen.values() if isinstance(result, dict)]
    assert len(verified(workspace, deep=False)) < sum(found)
    return sum(found) / len(copies)


def test_sixty_damaged_videos(tmp_path):
    assert examine(tmp_path, 10, seconds=3) >= 0.94


@pytest.mark.slow
def test_nine_hundred_damaged_videos(tmp_path):
    assert examine(tmp_path, 150, seconds=12) >= 0.94
