"""Clips whose source has their format already are copied, edges excepted, and show the same frames."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers import decoded, number, numbered

from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.frames import frames_at
from openbasket.video.join import join
from openbasket.video.probe import probe

TICK = Fraction(1, 30)
COPY = Encoding(crf=20, preset="veryfast")


def pixels(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="yuv420p").tobytes() for f in container.decode(video=0)]


def cut(
    source: Path, folder: Path, spans: list[tuple[int, int]], encoding: Encoding = COPY
) -> list[Path]:
    wanted = [Span(folder / f"{i}.mp4", first * TICK, n) for i, (first, n) in enumerate(spans)]
    assert set(dict(cut_clips(source, wanted, encoding)).values()) == {None}
    return [span.path for span in wanted]


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, Path]:
    """704x400 at 30 FPS: with B-frames and short groups, long ones, and without B-frames."""
    folder = tmp_path_factory.mktemp("sources")
    made = {"short": (30, "veryfast"), "long": (120, "veryfast"), "plain": (25, "ultrafast")}
    return {
        name: numbered(folder / f"{name}.mp4", 330, gop=gop, width=704, height=400, preset=preset)
        for name, (gop, preset) in made.items()
    }


@pytest.mark.parametrize("kind", ["short", "long", "plain"])
def test_copied_clips_show_the_same_frames_and_most_are_bit_identical(tmp_path, sources, kind):
    of_source = pixels(sources[kind])
    rng = random.Random(kind)
    spans = [(0, 60), (30, 30), (29, 61), (270, 60)]
    spans += [(rng.randrange(200), rng.randrange(1, 130)) for _ in range(12)]
    same = total = 0
    for (first, n), clip in zip(spans, cut(sources[kind], tmp_path, spans), strict=True):
        numbers, moments = decoded(clip)
        assert numbers == list(range(first, first + n))
        assert moments == [k * TICK for k in range(n)]
        assert (probe(clip).frames, probe(clip).fps) == (n, 30)
        same += sum(a == b for a, b in zip(pixels(clip), of_source[first : first + n], strict=True))
        total += n
    assert same > total * {"short": 0.7, "long": 0.2, "plain": 0.7}[kind]


def test_a_clip_from_key_frame_to_key_frame_is_all_copied(tmp_path, sources):
    (clip,) = cut(sources["short"], tmp_path, [(60, 90)])
    assert pixels(clip) == pixels(sources["short"])[60:150]


def test_unchecked_copies_are_the_same_bytes(tmp_path, sources):
    spans = [(17, 100), (60, 90), (5, 13)]
    checked = cut(sources["short"], tmp_path / "a", spans)
    unchecked = cut(sources["short"], tmp_path / "b", spans, Encoding(crf=20, check=False))
    assert [p.read_bytes() for p in checked] == [p.read_bytes() for p in unchecked]


def test_a_reel_of_clips_copied_from_several_encodings(tmp_path, sources):
    small = numbered(tmp_path / "small.mp4", 100, Fraction(25))
    clips = [
        *cut(sources["short"], tmp_path / "short", [(17, 100), (60, 90)]),
        *cut(small, tmp_path / "small", [(10, 40)]),
        *cut(sources["long"], tmp_path / "long", [(100, 90), (33, 20)]),
        *cut(sources["plain"], tmp_path / "plain", [(3, 77)]),
        *cut(small, tmp_path / "small2", [(0, 31)]),
    ]
    reel = tmp_path / "reel.mp4"
    lengths = join(clips, reel)
    wanted = [picture for clip in clips for picture in pixels(clip)]
    assert pixels(reel) == wanted
    _, moments = decoded(reel)
    assert moments == [k * TICK for k in range(sum(lengths))]
    # Jumping anywhere decodes as reading on does: each key frame brings its parameter sets.
    places = [len(wanted) - 1, 5, 130, 0, 201, 299, 350]
    shown = frames_at(reel, places).pixels
    numbers = [number(picture) for picture in shown]
    in_order = [n for clip in clips for n in decoded(clip)[0]]
    assert numbers == [in_order[i] for i in places]
    video = cv2.VideoCapture(str(reel))
    for place in places:
        video.set(cv2.CAP_PROP_POS_FRAMES, place)
        there, picture = video.read()
        assert there
        assert number(picture) == in_order[place]


def test_frames_off_the_grid_are_encoded(tmp_path):
    source = numbered(tmp_path / "source.mp4", 120, Fraction(25), width=704, height=400)
    (clip,) = cut(source, tmp_path, [(10, 60)])
    assert decoded(clip)[0] == [int(Fraction(10 + i) * TICK * 25) for i in range(60)]


def test_damage_inside_what_is_copied_is_found_unless_nobody_looks(tmp_path, sources):
    source = tmp_path / "damaged.mp4"
    data = bytearray(sources["short"].read_bytes())
    with av.open(str(sources["short"])) as container:
        at = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]
    begin, size = at[100]
    data[begin + 12 : begin + size] = np.random.default_rng(0).bytes(size - 12)
    source.write_bytes(data)
    span = Span(tmp_path / "clip.mp4", 60 * TICK, 90)
    ((_, error),) = cut_clips(source, [span], COPY)
    assert error is not None
    assert "damaged.mp4" in error
    assert not span.path.exists()
    ((_, error),) = cut_clips(source, [span], Encoding(check=False))
    assert error is None
