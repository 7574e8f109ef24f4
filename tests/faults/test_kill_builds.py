"""Builds of reels survive kills, full and read-only disks, and videos that come and go."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import killing


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return killing.filmed(tmp_path_factory.mktemp("kills") / "ws").root


def holds(record: killing.Record, kills: int) -> None:
    assert record.faults == []
    assert record.kills >= kills
    assert record.builds >= 1
    assert record.clips_repeated == 0  # what is whole is never encoded again
    assert record.most_reels_repeated <= record.workers


def test_a_few_kills_at_random_moments(film):
    holds(killing.kill_builds(film, "local", 3), 3)


@pytest.mark.slow
def test_a_hundred_kills_of_the_local_engine(film):
    holds(killing.kill_builds(film, "local", 100, seed=1), 100)


@pytest.mark.slow
def test_a_hundred_kills_on_a_ray_cluster(film):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed (pip install 'openbasket[ray]')")
    cluster = killing.ray_cluster(2)
    try:
        holds(killing.kill_builds(film, "ray", 100, seed=1, address=cluster.address), 100)
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_a_node_that_is_killed_during_a_build_costs_nothing(film):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed (pip install 'openbasket[ray]')")
    record = killing.kill_nodes(film, 2)
    assert record.faults == []
    assert (record.kills, record.builds) == (2, 2)


def limited(words: list[str], limit: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell after ``limit``."""
    line = ["bash", "-c", f'{limit}; exec "$@"', "limited", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def whole(film: Path) -> dict[str, str]:
    killing.forget(film)
    done = limited(killing.command(film, "local", None, 1), "true")
    assert done.returncode == 0, done.stderr
    wanted = killing.sums(film)
    killing.forget(film)
    return wanted


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_takes_no_more_stops_the_build_until_it_is_mended(film, workers):
    wanted = whole(film)
    words = killing.command(film, "local", None, workers)
    stopped = limited(words, "ulimit -f 1")  # no file may be longer than 1 KiB
    assert stopped.returncode == 2
    error = json.loads(stopped.stdout)["error"]
    assert error["kind"] == "WorkspaceError"
    assert "cannot be written: File too large" in error["message"]
    assert "run the same command again" in error["message"]
    assert set(killing.sums(film).items()) <= set(wanted.items())
    assert limited(words, "true").returncode == 0
    assert killing.sums(film) == wanted


def test_an_output_that_is_read_only_stops_the_build_until_it_is_mended(film):
    wanted = whole(film)
    words = killing.command(film, "local", None, 1)
    store = film / "openbasket" / "clips"
    if os.geteuid() == 0:  # root may write anywhere: let a file lie in the way
        store.write_text("")
        mend = store.unlink
    else:
        store.mkdir()
        store.chmod(0o500)
        mend = lambda: store.chmod(0o700)  # noqa: E731
    try:
        stopped = limited(words, "true")
    finally:
        mend()
    assert stopped.returncode == 2
    error = json.loads(stopped.stdout)["error"]
    assert error["kind"] == "WorkspaceError"
    assert f"'{store}" in error["message"]
    assert limited(words, "true").returncode == 0
    assert killing.sums(film) == wanted


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of its own, of 256 KiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize(
    ("fault", "mended", "says"),
    [("size=64k", "size=64m", "No space left on device"), ("ro", "rw,size=64m", "Read-only file system")],
)  # fmt: skip
def test_a_file_system_that_is_full_or_read_only(film, disk, fault, mended, says):
    wanted = whole(film)
    words = [*killing.command(film, "local", None, 2), "--store", str(disk)]
    subprocess.run(["mount", "-o", f"remount,{fault}", str(disk)], check=True)
    stopped = limited(words, "true")
    assert stopped.returncode == 2
    error = json.loads(stopped.stdout)["error"]
    assert error["kind"] == "WorkspaceError"
    assert says in error["message"]
    subprocess.run(["mount", "-o", f"remount,{mended}", str(disk)], check=True)
    report = json.loads(limited(words, "true").stdout)
    assert report["failures"] == []
    made = {path.name: killing.digest(path) for path in disk.rglob("*.mp4")}
    assert made == {name.rsplit("/", 1)[1]: digest for name, digest in wanted.items()}
    assert not list(disk.rglob(".openbasket-tmp-*"))


def test_one_worker_and_eight_make_the_same_bytes(film):
    wanted = whole(film)
    assert limited(killing.command(film, "local", None, 8), "true").returncode == 0
    assert killing.sums(film) == wanted


def test_a_video_that_vanishes_costs_its_game_and_no_reel_that_is_made(film):
    wanted = whole(film)
    words = killing.command(film, "local", None, 1)
    video = film / "videos" / "g1.mp4"
    away = video.rename(film / "g1.away")
    try:
        report = json.loads(limited(words, "true").stdout)
        named = [failure[:2] for failure in report["failures"]]
        assert ["video", "g1"] in named
        without = sum(stage == "reel" for stage, _ in named)  # too few plays are left
        assert without > 0
        assert len(list((film / "BASKET").rglob("*.mp4"))) == report["reels"]
    finally:
        away.rename(video)
    report = json.loads(limited(words, "true").stdout)
    assert report["failures"] == []
    sums = killing.sums(film)
    assert wanted.items() <= sums.items()
    assert all("/clips/" in name for name in sums.keys() - wanted)  # of plays that stood in
    away = video.rename(film / "g1.away")  # all of its clips are there: nothing is lost
    try:
        report = json.loads(limited(words, "true").stdout)
    finally:
        away.rename(video)
    assert (report["failures"], report["encoded"]) == ([], 0)
    assert killing.sums(film) == sums
