"""Games behind S3 and HTTP, clips and reels in a bucket: the same bytes as on one disk, little is fetched."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from faults import killing

from openbasket import storage
from openbasket.engine import Engine
from openbasket.errors import ConfigError, VideoError, WorkspaceError
from openbasket.reels import ClipSettings, ReelSettings, build
from openbasket.storage import Folder, Url
from openbasket.video.probe import probe
from openbasket.workspace import Workspace

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("moto", "flask", "s3fs")),
    reason="needs moto[server] and s3fs",
)
SETTINGS = ReelSettings(4, clip=ClipSettings(0.5, 0.5, preset="ultrafast"))


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of an S3 server on this machine, found by the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "any")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "any")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="games")
        yield "s3://games"
    server.stop()


@dataclass
class Served:
    """A server's address and the bytes that it has sent."""

    url: str = ""
    sent: list[int] = field(default_factory=list)


class Ranges(SimpleHTTPRequestHandler):
    """Files, or the ranges of them that are asked for."""

    def __init__(self, *args: object, served: Served, **more: object) -> None:
        self.served = served
        super().__init__(*args, **more)  # type: ignore[arg-type]

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not asked or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        part = content[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        self.served.sent.append(len(part))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Served, Path]]:
    folder = tmp_path / "web"
    folder.mkdir()
    served = Served()
    handler = partial(Ranges, served=served, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield served, folder
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Workspace:
    """Reels made on one disk, to compare with."""
    ws = killing.filmed(tmp_path_factory.mktemp("local") / "ws", games=4, plays=4)
    report = build(ws, SETTINGS, workers=1, quiet=True)
    assert (report.reels, report.failures) == (4, [])
    return ws


def behind(local: Workspace, root: Path, prefix: str) -> Workspace:
    """The workspace without videos and reels, its games' videos behind URLs."""
    shutil.copytree(local.root, root, ignore=shutil.ignore_patterns("videos"))
    killing.forget(root)
    ws = Workspace(root)
    games = ws.read("games", "L", "21-22")
    moved = pl.format(f"{prefix}/{{}}.mp4", pl.col("game_id"))
    ws.write("games", games.with_columns(video=moved), "L", "21-22")
    return ws


def upload(local: Workspace, target: str) -> None:
    system, path = storage.file_system(Url(target))
    for video in local.videos.glob("*.mp4"):
        system.put_file(str(video), f"{path}/{video.name}")


def fetched(target: str) -> dict[str, str]:
    system, path = storage.file_system(Url(target))
    system.invalidate_cache()
    return {
        name.removeprefix(f"{path}/"): hashlib.sha256(system.cat_file(name)).hexdigest()
        for name in system.find(path)
    }


def wanted(local: Workspace) -> dict[str, str]:
    return {
        name.removeprefix("openbasket/"): digest
        for name, digest in killing.sums(local.root).items()
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_videos_and_reels_in_a_bucket(bucket, local, tmp_path, workers):
    upload(local, f"{bucket}/in{workers}")
    ws = behind(local, tmp_path / "ws", f"{bucket}/in{workers}")
    store = f"{bucket}/out{workers}"
    report = build(ws, SETTINGS, engine=Engine(workers=workers), store=store, quiet=True)
    assert (report.reels, report.encoded, report.failures) == (4, 16, [])
    assert fetched(store) == wanted(local)
    for table in ("clips", "reels"):
        assert ws.read(table).equals(local.read(table))
    assert not list(ws.root.rglob("*.mp4"))
    # Videos that are gone are not missed: all clips are there. What is lost is made again.
    system, path = storage.file_system(Url(f"{bucket}/in{workers}"))
    system.rm_file(f"{path}/g0.mp4")
    reel = local.read("reels")["path"][0]
    Folder(Url(store)).remove(reel)
    again = build(ws, SETTINGS, engine=Engine(workers=workers), store=store, quiet=True)
    assert (again.reels, again.encoded, again.failures) == (4, 0, [])
    assert fetched(store) == wanted(local)


def test_a_bucket_that_is_not_there_stops_the_build(bucket, local, tmp_path):
    ws = behind(local, tmp_path / "ws", str(local.videos))
    with pytest.raises(WorkspaceError, match="s3://nowhere/x"):
        build(ws, SETTINGS, store="s3://nowhere/x", workers=1, quiet=True)
    assert not ws.has("reels")


def test_videos_behind_http(web, local, tmp_path):
    served, folder = web
    shutil.copytree(local.videos, folder, dirs_exist_ok=True)
    ws = behind(local, tmp_path / "ws", served.url)
    assert build(ws, SETTINGS, workers=1, quiet=True).failures == []
    assert killing.sums(ws.root) == killing.sums(local.root)
    asked = len(served.sent)
    assert build(ws, SETTINGS, workers=1, quiet=True).encoded == 0
    assert len(served.sent) == asked  # nothing is opened again


def test_a_video_that_vanishes_costs_its_game_until_it_is_back(web, local, tmp_path):
    served, folder = web
    for name in ("g0", "g1", "g2"):
        shutil.copy(local.videos / f"{name}.mp4", folder)
    ws = behind(local, tmp_path / "ws", served.url)
    chosen = ReelSettings(4, 1, clip=SETTINGS.clip)
    failures = build(ws, chosen, workers=1, quiet=True).failures
    ((stage, item, reason),) = [failure for failure in failures if failure[0] != "few"]
    assert (stage, item) == ("video", "g3")
    assert f"'{served.url}/g3.mp4' cannot be read" in reason
    shutil.copy(local.videos / "g3.mp4", folder)
    assert build(ws, chosen, workers=1, quiet=True).failures == []
    assert killing.sums(ws.root) == killing.sums(local.root)


def test_only_what_is_needed_of_a_long_video_is_fetched(web, monkeypatch):
    from fractions import Fraction

    from openbasket.video.clip import Encoding, Span, cut_clips
    from openbasket.video.write import VideoWriter

    served, folder = web
    monkeypatch.setattr(storage, "BLOCK", 1 << 17)
    rng = np.random.default_rng(0)
    with VideoWriter(
        folder / "long.mp4", width=640, height=360, crf=5, preset="ultrafast"
    ) as video:
        for _ in range(240):
            video.write(rng.integers(0, 255, (360, 640, 3), np.uint8))
    size = (folder / "long.mp4").stat().st_size
    clip = folder.parent / "clip.mp4"
    span = Span(clip, Fraction(6), 15)
    source = Url(f"{served.url}/long.mp4")
    assert dict(cut_clips(source, [span], Encoding(preset="ultrafast"))) == {clip: None}
    assert 0 < sum(served.sent) < size / 2


def test_what_cannot_be_is_told(web):
    served, _ = web
    with pytest.raises(VideoError, match=r"nothing\.mp4' cannot be read"):
        probe(Url(f"{served.url}/nothing.mp4"))
    with pytest.raises(ConfigError, match="Mount other file systems"):
        Folder(Url("ftp://host/folder"))
    with pytest.raises(ConfigError, match="nosuch"):
        storage.file_system(Url("nosuch://host/a"))
