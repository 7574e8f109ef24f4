"""An MP4 with a damaged index gives the frames of a full sequential decode, or an error; no others."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from helpers import picture

from openbasket.errors import VideoError
from openbasket.video import samples as samples_module
from openbasket.video.boxes import Box, inner_boxes, outer_boxes, read_index
from openbasket.video.frames import Every, frames_at
from openbasket.video.groups import _Demuxed, _Indexed, open_groups
from openbasket.video.probe import Limits
from openbasket.video.samples import read_samples

FRAMES = 24
_OPENED = (b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf")


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("film") / "a.mp4", "keyint=9:bframes=3:scenecut=0")


def written(path: Path, options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"x264-params": options})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for i in range(FRAMES):
            shown = av.VideoFrame.from_ndarray(picture(i, 48, 32), format="rgb24")
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
    return path


def index_boxes(path: Path) -> dict[bytes, Box]:
    """All boxes of the index, by kind."""
    data = path.read_bytes()
    with path.open("rb") as file:
        outer, _ = outer_boxes(file, len(data))
    waiting = [box for box in outer if box.kind == b"moov"]
    found = {}
    while waiting:
        box = waiting.pop()
        for inner in inner_boxes(data, box.start, box.end):
            found[inner.kind] = inner
            if inner.kind in _OPENED:
                waiting.append(inner)
    return found


def sequential(path: Path) -> np.ndarray:
    with av.open(str(path), metadata_errors="replace") as container:
        container.streams.video[0].thread_count = 1
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def changed(film: Path, path: Path, kind: bytes, at: int, content: bytes) -> Path:
    """The film, with other bytes in a box."""
    data = bytearray(film.read_bytes())
    begin = index_boxes(film)[kind].start + at
    assert data[begin : begin + len(content)] != content
    data[begin : begin + len(content)] = content
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("part", range(4))
def test_flipped_bytes_of_every_box_never_give_other_pictures(film, tmp_path, part):
    whole, boxes = film.read_bytes(), index_boxes(film)
    truth = sequential(film)
    kinds = sorted(kind for kind in boxes if kind not in _OPENED)
    assert {b"stsc", b"stss", b"stsz", b"stts", b"ctts", b"stco", b"stsd", b"elst"} <= set(kinds)
    rng = np.random.default_rng(part)
    path = tmp_path / "b.mp4"
    outcomes = {"error": 0, "same": 0}
    for turn in range(4 * len(kinds)):
        box = boxes[kinds[turn % len(kinds)]]
        data = bytearray(whole)
        for at in rng.integers(box.start - 8, box.end, rng.integers(1, 4)):
            data[at] ^= int(rng.integers(1, 256)) if turn % 2 else 1 << int(rng.integers(8))
        path.write_bytes(data)
        wanted = rng.choice(FRAMES, 3, replace=False).tolist()
        try:
            got = frames_at(path, wanted).pixels
        except VideoError:
            outcomes["error"] += 1
            continue
        try:
            decoded = sequential(path)
        except av.FFmpegError:  # of what FFmpeg cannot read and we need not
            decoded = truth
        np.testing.assert_array_equal(got, decoded[wanted], str(box))
        outcomes["same"] += 1
    assert min(outcomes.values()) > 10, outcomes


@pytest.mark.parametrize(
    ("kind", "at", "content", "told"),
    [
        (b"stsc", 8, b"\0\0\0\2", "its chunks are not in order"),
        (b"stsc", 12, b"\0\0\0\1", "24 samples, but chunks of"),
        (b"stsc", 16, b"\0\0\0\2", "chunks of a description that is not there"),
        (b"stsc", 16, b"\0\0\0\0", "chunks of a description that is not there"),
        (b"stss", 8, b"\0\0\0\0", "its key frames are not in order"),
        (b"stss", 12, b"\0\0\0\1", "its key frames are not in order"),
        (b"stss", 16, b"\0\0\0\x19", "its key frames are not in order"),
        (b"stsz", 12, b"\x7f\0\0\0", "chunks lie outside the media"),
    ],
)
def test_a_table_that_contradicts_the_others_is_told_and_not_followed(
    film, tmp_path, kind, at, content, told
):
    path = changed(film, tmp_path / "b.mp4", kind, at, content)
    assert any(told in fault for fault in read_index(path, 1 << 20).faults)
    assert read_samples(path, Limits()) is None


def test_a_frame_that_the_index_moves_is_not_given_for_another(film, tmp_path):
    assert isinstance(open_groups(film), _Indexed)
    data = film.read_bytes()
    ctts = index_boxes(film)[b"ctts"]
    rows = np.frombuffer(data, ">u4", offset=ctts.start + 8, count=(ctts.end - ctts.start - 8) // 4)
    last_of_group = int(rows.reshape(-1, 2)[1, 1]) + 3 * 512  # three frames later
    path = changed(film, tmp_path / "b.mp4", b"ctts", 20, last_of_group.to_bytes(4, "big"))
    assert not isinstance(open_groups(path), _Indexed)
    for place in range(12):
        try:
            got = frames_at(path, [place]).pixels
        except VideoError:
            continue
        np.testing.assert_array_equal(got, sequential(path)[[place]])


def test_a_frame_that_the_index_hides_is_still_decoded_for_the_others(film, tmp_path):
    """Shown before the video begins, it is not shown at all; those that refer to it are."""
    ctts = index_boxes(film)[b"ctts"]
    count = int.from_bytes(film.read_bytes()[ctts.start + 4 : ctts.start + 8], "big")
    hidden = 0
    for row in range(1, count):
        for value in (bytes(4), b"\xff\0\0\0"):
            path = tmp_path / f"{row}.mp4"
            data = bytearray(film.read_bytes())
            begin = ctts.start + 8 + 8 * row + 4
            data[begin : begin + 4] = value
            path.write_bytes(data)
            try:
                got = frames_at(path, Every(1)).pixels
            except VideoError:
                continue
            whole = sequential(path)
            np.testing.assert_array_equal(got, whole)
            hidden += len(whole) < FRAMES
    assert hidden > 5


def test_a_frame_that_the_index_moves_before_its_idr_picture_is_still_decoded(tmp_path):
    """Decoding from that picture, it would be left out, and those that refer to it come out wrong."""
    film = written(tmp_path / "a.mp4", "keyint=9:bframes=2:b-adapt=0:scenecut=0")
    ctts = index_boxes(film)[b"ctts"]
    count = (ctts.end - ctts.start - 8) // 4
    rows = np.frombuffer(film.read_bytes(), ">u4", count, ctts.start + 8)
    key = 9
    row = int(np.searchsorted(np.cumsum(rows[::2]), key + 1, side="right"))
    assert rows[2 * row] == 1
    path = changed(film, tmp_path / "b.mp4", b"ctts", 12 + 8 * row, (256).to_bytes(4, "big"))
    whole = sequential(path)
    for place in range(key, 2 * key):
        np.testing.assert_array_equal(frames_at(path, [place]).pixels, whole[[place]])


def test_a_movie_that_is_turned_as_a_whole_is_shown_so(film, tmp_path):
    turned = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path = changed(film, tmp_path / "b.mp4", b"mvhd", 36, turned)
    assert frames_at(path, [0]).pixels.shape == (1, 48, 32, 3)


def test_a_file_that_shrinks_below_its_index_is_told(film, tmp_path):
    path = tmp_path / "b.mp4"
    path.write_bytes(film.read_bytes())
    found = read_samples(path, Limits())
    path.write_bytes(film.read_bytes()[:200])
    with pytest.raises(VideoError, match=r"has 200 bytes; its index tells of [\d,]+ at"):
        list(found.read(range(FRAMES)))
    with pytest.raises(VideoError, match="has 200 bytes"):
        found.starts()


def test_a_short_read_is_told(film, monkeypatch):
    found = read_samples(film, Limits())
    pread = samples_module.os.pread
    monkeypatch.setattr(samples_module.os, "pread", lambda *given: pread(*given)[:-1])
    with pytest.raises(VideoError, match="its index tells of"):
        list(found.read(range(FRAMES)))


def test_a_key_frame_before_what_is_shown_earlier_is_no_beginning(film, tmp_path):
    """A frame of the first group that the index shows behind the second one's key frame."""
    data = film.read_bytes()
    ctts = index_boxes(film)[b"ctts"]
    at = ctts.start + 8 + 8 + 4
    far = (int.from_bytes(data[at : at + 4]) + 12 * 512).to_bytes(4, "big")
    path = changed(film, tmp_path / "b.mp4", b"ctts", 20, far)
    assert not isinstance(open_groups(path), (_Indexed, _Demuxed))
    whole = sequential(path)
    for place in range(len(whole)):
        np.testing.assert_array_equal(frames_at(path, [place]).pixels, whole[[place]])
