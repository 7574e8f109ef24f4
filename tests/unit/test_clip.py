"""Clips show exactly the frame that the source shows at each moment; reels are their clips, uncut."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import decoded, number, numbered, picture, variable

from openbasket.errors import VideoError
from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.join import join
from openbasket.video.probe import probe
from openbasket.video.write import VideoWriter

FAST = Encoding(crf=30, preset="ultrafast", gop=30)
TICK = Fraction(1, 30)


def cut(source: Path, folder: Path, *spans: tuple[Fraction, int]) -> dict[Path, str | None]:
    wanted = [Span(folder / f"{i}.mp4", start, frames) for i, (start, frames) in enumerate(spans)]
    return dict(cut_clips(source, wanted, FAST))


def visible(times: list[Fraction], start: Fraction, frames: int) -> list[int]:
    return [max(0, bisect_right(times, start + i * TICK) - 1) for i in range(frames)]


RATES = {
    "30": [i * TICK for i in range(90)],
    "25": [Fraction(i, 25) for i in range(75)],
    "29.97": [Fraction(1001 * i, 30000) for i in range(90)],
    "60": [Fraction(i, 60) for i in range(180)],
    "variable": [
        Fraction(sum(1500 + 3000 * (j % 7 == 3) + 900 * (j % 5) for j in range(i)), 90_000)
        for i in range(80)
    ],
}


@pytest.mark.parametrize("rate", RATES)
def test_each_frame_is_what_the_source_shows_at_that_moment(tmp_path, rate):
    times = RATES[rate]
    source = tmp_path / "source.mp4"
    if rate == "variable":
        variable(source, times)
    else:
        numbered(source, len(times), 1 / (times[1] - times[0]), gop=12)
    end = int(times[-1] / TICK)
    spans = [
        (Fraction(0), 20),  # from the first frame
        (11 * TICK, 25),  # overlaps the first
        (11 * TICK, 25),  # twice the same
        (30 * TICK, 7),  # inside no key frame
        ((end - 14) * TICK, 15),  # to the end
    ]
    assert set(cut(source, tmp_path / "clips", *spans).values()) == {None}
    for i, (start, frames) in enumerate(spans):
        numbers, moments = decoded(tmp_path / "clips" / f"{i}.mp4")
        assert numbers == visible(times, start, frames)
        assert moments == [k * TICK for k in range(frames)]
        info = probe(tmp_path / "clips" / f"{i}.mp4")
        assert (info.width, info.height, info.fps, info.frames) == (704, 400, 30, frames)


def test_clips_far_apart_and_in_any_order(tmp_path):
    source = numbered(tmp_path / "source.mp4", 300, gop=15)
    spans = [(270 * TICK, 10), (5 * TICK, 10), (140 * TICK, 10)]
    assert set(cut(source, tmp_path / "clips", *spans).values()) == {None}
    starts = [decoded(tmp_path / "clips" / f"{i}.mp4")[0][0] for i in range(3)]
    assert starts == [270, 5, 140]


def test_another_aspect_ratio_gets_black_bars(tmp_path):
    source = tmp_path / "source.mp4"
    with VideoWriter(source, width=320, height=240, crf=5) as video:
        for _ in range(10):
            video.write(np.full((240, 320, 3), 235, np.uint8))
    cut(source, tmp_path, (Fraction(0), 5))
    with av.open(str(tmp_path / "0.mp4")) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert frame.shape == (400, 704, 3)
    shown = frame.mean(axis=(0, 2)) > 128
    assert abs(int(shown.sum()) - 533) <= 2  # 400 * 4 / 3
    assert abs(int(np.argmax(shown)) - 85) <= 2  # in the middle
    assert frame[:, :80].max() < 30


def test_16_to_9_fills_the_picture(tmp_path):
    numbered(tmp_path / "source.mp4", 5, width=320, height=180, first=4095)
    cut(tmp_path / "source.mp4", tmp_path, (Fraction(0), 5))
    with av.open(str(tmp_path / "0.mp4")) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    reference = picture(4095, 704, 400)
    assert np.abs(frame.astype(int) - reference).mean() < 12
    for edge in (frame[0], frame[-1], frame[:, 0], frame[:, -1]):  # no bars
        assert edge.min() > 60


def places(path: Path) -> list[int]:
    """Where each packet begins in the file."""
    with av.open(str(path)) as container:
        return [p.pos for p in container.demux(video=0) if p.pos is not None and p.size]


def test_a_truncated_source_costs_only_its_own_clips(tmp_path):
    source = numbered(tmp_path / "source.mp4", 300, gop=15)
    source.write_bytes(source.read_bytes()[: places(source)[150]])
    spans = [(10 * TICK, 30), (30 * TICK, 30), (130 * TICK, 60), (250 * TICK, 30)]
    errors = cut(source, tmp_path / "clips", *spans)
    made = [errors[tmp_path / "clips" / f"{i}.mp4"] is None for i in range(4)]
    assert made == [True, True, False, False]
    assert all("'source.mp4'" in text for text in errors.values() if text)
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == ["0.mp4", "1.mp4"]
    assert decoded(tmp_path / "clips" / "1.mp4")[0] == list(range(30, 60))


def test_damage_in_the_middle_costs_only_the_clips_over_it(tmp_path):
    source = numbered(tmp_path / "source.mp4", 300, gop=15)
    begin, end = places(source)[100], places(source)[104]
    data = bytearray(source.read_bytes())
    data[begin:end] = b"\xff" * (end - begin)
    source.write_bytes(bytes(data))
    spans = [(20 * TICK, 60), (75 * TICK, 60), (121 * TICK, 40), (200 * TICK, 30)]
    errors = cut(source, tmp_path / "clips", *spans)
    made = [errors[tmp_path / "clips" / f"{i}.mp4"] is None for i in range(4)]
    assert made == [True, False, True, True]
    assert decoded(tmp_path / "clips" / "2.mp4")[0] == list(range(121, 161))


def test_a_stopped_run_leaves_nothing_half_written(tmp_path):
    source = numbered(tmp_path / "source.mp4", 120)
    spans = [Span(tmp_path / "clips" / f"{i}.mp4", i * 10 * TICK, 40) for i in range(4)]
    running = cut_clips(source, spans, FAST)
    first, error = next(running)
    running.close()
    assert error is None
    assert list((tmp_path / "clips").iterdir()) == [first]


def test_what_is_no_video_is_an_error(tmp_path):
    (tmp_path / "source.mp4").write_text("hello")
    with pytest.raises(VideoError, match="cannot be read as video"):
        cut(tmp_path / "source.mp4", tmp_path, (Fraction(0), 5))
    with pytest.raises(VideoError, match="there is no video"):
        cut(tmp_path / "other.mp4", tmp_path, (Fraction(0), 5))


def pixels(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="yuv420p").tobytes() for f in container.decode(video=0)]


@pytest.mark.parametrize("preset", ["ultrafast", "veryfast"])  # without and with B-frames
def test_a_reel_is_its_clips_frame_by_frame(tmp_path, preset):
    lengths = [31, 1, 7, 64]
    clips = [
        numbered(tmp_path / f"{i}.mp4", n, first=100 * i, preset=preset, gop=30)
        for i, n in enumerate(lengths)
    ]
    reel = tmp_path / "reel.mp4"
    assert join([*clips, clips[0]], reel) == [*lengths, 31]
    numbers, moments = decoded(reel)
    wanted = [100 * i + k for i, n in enumerate(lengths) for k in range(n)] + list(range(31))
    assert numbers == wanted
    assert moments == [k * TICK for k in range(len(wanted))]
    assert pixels(reel) == [p for clip in [*clips, clips[0]] for p in pixels(clip)]
    assert probe(reel).frames == len(wanted)
    assert probe(reel).duration_s == len(wanted) * TICK


def test_the_index_comes_before_the_pictures(tmp_path):
    clip = numbered(tmp_path / "0.mp4", 10)
    join([clip, clip], tmp_path / "reel.mp4")
    data = (tmp_path / "reel.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_another_encoding_is_refused_and_leaves_nothing(tmp_path):
    one = numbered(tmp_path / "0.mp4", 10)
    for name, other in {
        "size": numbered(tmp_path / "1.mp4", 10, width=128),
        "rate": numbered(tmp_path / "2.mp4", 10, Fraction(25)),
    }.items():
        with pytest.raises(VideoError, match=r"is encoded otherwise than .*0\.mp4'; cut it again"):
            join([one, other], tmp_path / "reels" / f"{name}.mp4")
    with pytest.raises(VideoError, match="no clips to join"):
        join([], tmp_path / "reels" / "none.mp4")
    assert not (tmp_path / "reels").exists() or list((tmp_path / "reels").iterdir()) == []


def test_the_number_of_a_picture_is_read_back():
    assert [number(picture(i)) for i in range(0, 4096, 37)] == list(range(0, 4096, 37))
