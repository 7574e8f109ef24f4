"""Cuts: shots that follow each other at once are told apart; flashes, fades and movement are none."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from openbasket.errors import VideoError
from openbasket.scouting.evidence import between
from openbasket.video.cuts import cuts_among, find_cuts

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
    ends = [(s.start_s, s.end_s) for s in between([0.5, 9.0, 10.0, 19.5, 60.0, 69.0], 70.0)]
    assert ends == [
        (0, 9),
        (9, 19.5),
        (19.5, 29.5),
        (29.5, 39.5),
        (39.5, 49.5),
        (49.5, 60),
        (60, 70),
    ]
    assert [(s.start_s, s.end_s) for s in between([], 15.0)] == [(0.0, 15.0)]
