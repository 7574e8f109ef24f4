"""Cuts: shots that follow each other at once are told apart; flashes, fades and movement are none."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from openbasket.errors import ConfigError, VideoError
from openbasket.video.cuts import between, cuts_among, divided, find_cuts, find_parts

WIDTH, HEIGHT = 128, 72


def shot(seed: int, frames: int) -> np.ndarray:
    """A picture of blocks that moves slowly, with noise."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(40, 200, (9, 16, 3))
    picture = np.kron(blocks, np.ones((8, 8, 1)))
    moved = [np.roll(picture, number // 2, axis=1) for number in range(frames)]
    noise = rng.normal(0, 3, (frames, HEIGHT, WIDTH, 3))
    return (np.stack(moved) + noise).clip(0, 255).astype(np.uint8)


def film(path, pictures, fps=Fraction(30)):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    return path


def test_each_cut_is_found_at_its_frame(tmp_path):
    lengths = (40, 25, 61, 30)
    pictures = np.concatenate([shot(n, length) for n, length in enumerate(lengths)])
    seen = []
    fps = Fraction(30000, 1001)
    found = find_cuts(film(tmp_path / "v.mp4", pictures, fps), on_frame=seen.append)
    assert found.frames == (40, 65, 126)
    assert found.seconds == pytest.approx([n / float(fps) for n in found.frames], abs=1e-3)
    assert found.count == sum(lengths)
    assert seen == list(range(sum(lengths)))


def test_flashes_fades_and_movement_are_none(tmp_path):
    pictures = shot(1, 120)
    pictures[30] = 255
    fade = np.linspace(0, 1, 40)[:, None, None, None]
    pictures[60:100] = (pictures[60:100] * (1 - fade) + shot(2, 40) * fade).astype(np.uint8)
    pictures[100:] = shot(2, 60)[40:]
    assert find_cuts(film(tmp_path / "v.mp4", pictures)).frames == ()


@pytest.mark.parametrize("frames", [1, 2, 5, 12])
def test_few_frames_are_no_fault(tmp_path, frames):
    assert find_cuts(film(tmp_path / "v.mp4", shot(1, frames))).frames == ()


def test_a_still_picture_has_no_cut():
    assert cuts_among(np.zeros(50), np.zeros(50)).tolist() == []


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError):
        find_cuts(tmp_path / "v.mp4")


def test_a_video_is_divided_at_its_cuts():
    assert between([0.5, 9.0, 10.0, 19.5, 60.0, 69.0], 70.0) == [
        (0, 9),
        (9, 19.5),
        (19.5, 29.5),
        (29.5, 39.5),
        (39.5, 49.5),
        (49.5, 60),
        (60, 70),
    ]
    assert between([], 15.0) == [(0.0, 15.0)]


def test_a_video_without_cuts_is_divided_evenly():
    assert [end for _, end in divided(31.0)] == [10.0, 20.0, 31.0]
    assert [end for _, end in divided(33.0)] == [10.0, 20.0, 30.0, 33.0]
    assert divided(4.0) == [(0.0, 4.0)]
    with pytest.raises(ConfigError, match="more than 0 s"):
        divided(30.0, 0.0)


def test_parts_are_told_in_frames_and_seconds(tmp_path):
    pictures = np.concatenate([shot(n, length) for n, length in enumerate((75, 90, 70))])
    path = film(tmp_path / "v.mp4", pictures)
    parts, cuts = find_parts(path)
    assert cuts == 2
    assert [(p.first, p.frames) for p in parts] == [(0, 75), (75, 90), (165, 70)]
    assert [p.end_s for p in parts] == pytest.approx([2.5, 5.5, 235 / 30])
    whole, none = find_parts(path, 4.0, looks=False)
    assert none == 0
    assert [(p.first, p.frames) for p in whole] == [(0, 120), (120, 115)]


def test_parts_of_uneven_frames_begin_at_the_frames_that_are_shown_then(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        pictures = [*shot(0, 90), *shot(1, 30), *shot(2, 90)]
        at = [*range(90), *range(90, 210, 4), *range(210, 300)]  # the second shot at 7.5 a second
        for picture, pts in zip(pictures, at, strict=True):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = pts, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    parts, _ = find_parts(path)
    assert [(p.first, p.frames) for p in parts] == [(0, 90), (90, 30), (120, 90)]
    assert [p.start_s for p in parts] == pytest.approx([0.0, 3.0, 7.0], abs=0.01)
