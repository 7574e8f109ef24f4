"""Frames are exactly those asked for; what cannot be read is an error that names the file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from openbasket.errors import VideoError
from openbasket.video.frames import frames_at, uniform_indices
from openbasket.video.integrity import count_frames, faults
from openbasket.video.probe import Limits, probe
from openbasket.video.write import VideoWriter


def numbered(path: Path, count: int, fps: Fraction = Fraction(30), gop: int = 30) -> Path:
    """A video whose frame ``i`` carries ``i`` as 12 black or white blocks."""
    with VideoWriter(path, width=96, height=64, fps=fps, gop=gop, crf=10) as video:
        for i in range(count):
            frame = np.full((64, 96, 3), 128, np.uint8)
            for bit in range(12):
                x, y = 16 * (bit % 6), 32 * (bit // 6)
                frame[y : y + 32, x : x + 16] = 235 if i >> bit & 1 else 16
            video.write(frame)
    return path


def number(frame: np.ndarray) -> int:
    height, width = frame.shape[:2]
    return sum(
        1 << bit
        for bit in range(12)
        if frame[int((0.25 + 0.5 * (bit // 6)) * height), int((bit % 6 + 0.5) / 6 * width)].mean()
        > 128
    )


def test_frames_are_exact_in_any_order_and_repeated(tmp_path):
    path = numbered(tmp_path / "a.mp4", 100)
    wanted = [99, 0, 31, 30, 29, 31, 64]
    got = frames_at(path, wanted).pixels
    assert got.shape == (7, 64, 96, 3)
    assert got.dtype == np.uint8
    assert [number(f) for f in got] == wanted


@pytest.mark.parametrize(
    "fps", [Fraction(30000, 1001), Fraction(25), Fraction(60), Fraction(24000, 1001)]
)
def test_rates_are_rational_and_frames_exact(tmp_path, fps):
    path = numbered(tmp_path / "a.mp4", 70, fps, gop=12)
    info = probe(path)
    assert info.fps == fps
    assert (info.width, info.height, info.frames, info.codec) == (96, 64, 70, "h264")
    assert abs(info.duration_s - 70 / fps) < Fraction(1, 1000)
    assert [number(f) for f in frames_at(path, range(70)).pixels] == list(range(70))


def test_equal_to_a_full_sequential_decode(tmp_path):
    path = numbered(tmp_path / "a.mp4", 80, gop=250)
    with av.open(str(path)) as container:
        reference = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    picked = uniform_indices(80, 9)
    np.testing.assert_array_equal(frames_at(path, picked).pixels, reference[picked])


def test_short_side_keeps_the_aspect_ratio(tmp_path):
    path = numbered(tmp_path / "a.mp4", 5)
    assert frames_at(path, [0], size=32).pixels.shape == (1, 32, 48, 3)


@pytest.mark.parametrize(("frames", "count"), [(15000, 64), (10, 64), (1, 3), (33, 2)])
def test_uniform_indices_are_those_of_the_official_loader(frames, count):
    expected = np.linspace(0, frames - 1, count).astype(int).tolist()
    assert uniform_indices(frames, count) == expected


def test_no_frames_is_an_error():
    with pytest.raises(VideoError, match="video of 0"):
        uniform_indices(0, 8)


def test_a_frame_beyond_the_end_is_refused(tmp_path):
    path = numbered(tmp_path / "a.mp4", 10)
    with pytest.raises(VideoError, match=r"a\.mp4' has 10 frames; asked for number 10"):
        frames_at(path, [0, 10])


def test_a_truncated_file_is_an_error_that_names_it(tmp_path):
    path = numbered(tmp_path / "a.mp4", 60)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(VideoError, match=r"a\.mp4' .*truncated"):
        probe(path)


def test_a_file_cut_behind_its_index_does_not_pass_for_whole(tmp_path):
    path = numbered(tmp_path / "a.mp4", 200)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert probe(path).frames == 200  # the container still promises them
    with pytest.raises(VideoError):
        frames_at(path, [0, 199])


def test_text_is_no_video(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("hello")
    with pytest.raises(VideoError, match="cannot be read as video"):
        probe(path)
    with pytest.raises(VideoError, match="no video at"):
        probe(tmp_path / "b.mp4")


def test_limits_are_checked_before_decoding(tmp_path):
    path = numbered(tmp_path / "a.mp4", 60)
    with pytest.raises(VideoError, match="declares 6,144 pixels; allowed: 1,000"):
        frames_at(path, [0], limits=Limits(pixels=1000))
    with pytest.raises(VideoError, match="declares 2 s; allowed: 1"):
        probe(path, Limits(duration_s=1))
    with pytest.raises(VideoError, match="bytes; allowed: 10"):
        probe(path, Limits(size_bytes=10))


def test_a_whole_video_counts_as_its_container_says(tmp_path):
    path = numbered(tmp_path / "a.mp4", 90)
    assert count_frames(path) == probe(path).frames == 90


def test_an_interrupted_writer_leaves_nothing(tmp_path):
    path = tmp_path / "a.mp4"

    def interrupted() -> None:
        with VideoWriter(path, width=64, height=48) as video:
            video.write(np.zeros((48, 64, 3), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_equal_frames_give_equal_bytes(tmp_path):
    one, two = (numbered(tmp_path / name, 40) for name in ("1.mp4", "2.mp4"))
    assert one.read_bytes() == two.read_bytes()


def open_groups(path: Path) -> Path:
    """A video with open groups of pictures: frames shown before a key frame may follow it."""
    with av.open(str(path), "w", format="mp4") as container:
        options = {"g": "15", "x264-params": "open-gop=1:bframes=5:b-adapt=0:scenecut=0"}
        stream = container.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(60):
            frame = np.full((64, 96, 3), 3 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_frames_behind_a_key_frame_in_an_open_group_are_exact(tmp_path):
    path = open_groups(tmp_path / "a.mp4")
    assert faults(path) == []
    for wanted in range(0, 60, 7):
        [got] = frames_at(path, [wanted]).pixels
        assert abs(float(got.mean()) - 3 * wanted) < 4


def test_the_depths_of_the_checks(tmp_path):
    path = numbered(tmp_path / "a.mp4", 90)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    at, size = places[0]
    data[at + size - 40] ^= 255  # inside a slice: another picture, or none
    path.write_bytes(data)
    assert (faults(path, "index"), faults(path, "packets")) == ([], [])
    [told] = faults(path, "frames")
    assert str(path) in told
    with pytest.raises(VideoError):
        frames_at(path, [0])
    data[at + size - 60 : at + size - 40] = bytes(20)
    path.write_bytes(data)
    assert faults(path, "packets") == ["the packet at 0.00 s holds bytes that no encoder writes"]
    path.write_bytes(data[:-100])
    assert faults(path, "index")[0].startswith("it is cut off: box 'mdat' ends at byte")


def test_names_in_no_known_alphabet_do_no_harm(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["title"] = "basketball"
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(96, 64, "yuv420p")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"basketball", b"basket\x99all"))
    assert probe(path).frames == 1
