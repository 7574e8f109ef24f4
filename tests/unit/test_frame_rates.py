"""Two hours into a video of any frame rate, a clip shows frame by frame what the source shows.

A two-hour source is cheap: one short group of pictures is encoded, and its packets are written again and
again with later timestamps. Only the stretch around the two-hour mark is encoded frame by frame, with
pictures that carry their own number. Before it every fifteenth frame is there (the others are held), so that
the timestamps at the mark are those of two hours of frames; one test has them all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import pytest
from helpers import decoded, number, picture

from openbasket.video.clip import Encoding, Span, cut_clips

MARK_S, LEAD_S, TAIL_S = 7200, 2, 3
TICKS = 90_000
GOP, SPARSE, FILLER = 12, 15, 4095
FAST = Encoding(crf=30, preset="ultrafast")
#: On a frame of the clip's clock and of the source's, between two, a tick before one.
STARTS = (
    Fraction(7199), Fraction(7200), Fraction(72_003, 10), Fraction(216_031, 30), Fraction(7_201_777, 1000),
    Fraction(7200) - Fraction(1, TICKS),
)  # fmt: skip
FRAMES = 12

RATES: dict[str, list[Fraction]] = {
    "29.97": [Fraction(1001, 30000)],
    "23.976": [Fraction(1001, 24000)],
    "25": [Fraction(1, 25)],
    "50": [Fraction(1, 50)],
    "60": [Fraction(1, 60)],
    "variable": [Fraction(n, 1000) for n in (17, 33, 33, 50, 21, 100, 33, 16, 67, 40, 5)],
}
Packets = list[tuple[int, int, bytes, bool]]


@dataclass(frozen=True)
class Source:
    """A video; ``shown_s`` is when each frame begins to be shown, seconds after the first one."""

    path: Path
    shown_s: list[Fraction]
    numbers: list[int]
    off_s: Fraction = Fraction(0)  # half a tick of the container's clock

    def at(self, moment: Fraction) -> int:
        return self.numbers[bisect_right(self.shown_s, moment + self.off_s) - 1]


def options(bframes: int) -> dict[str, str]:
    return {
        "g": str(GOP), "keyint_min": str(GOP), "sc_threshold": "0", "bf": str(bframes), "b-pyramid": "none",
        "crf": "10", "preset": "ultrafast", "threads": "1",
    }  # fmt: skip


def encoded(numbers: list[int], bframes: int) -> Packets:
    """Pictures with these numbers: ``(place shown, place decoded, data, key)``."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 96, 64, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.options = options(bframes)
    packets = []
    for place, carried in enumerate(numbers):
        frame = av.VideoFrame.from_ndarray(picture(carried), format="rgb24")
        frame.pts, frame.time_base = place, Fraction(1, 30)
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(p.pts, p.dts, bytes(p), p.is_keyframe) for p in packets]


def two_hours(
    path: Path, steps: list[Fraction], *, bframes: int = 0, first: int = 0, sparse: int = SPARSE
) -> Source:
    """Write a video of a little more than two hours.

    Args:
        path: its suffix says the container.
        steps: how long each frame is shown, over and over.
        bframes: B-frames between two others; the first frames are then decoded before zero.
        first: timestamp of the first frame, in ticks.
        sparse: every so many frames are there, before the numbered stretch.
    """
    mark_s = MARK_S + max(-first, 0) / TICKS
    prefix = list(accumulate(steps, initial=Fraction(0)))

    def moment(frame: int) -> Fraction:
        rounds, rest = divmod(frame, len(steps))
        return rounds * prefix[-1] + prefix[rest]

    def frame_at(seconds: float) -> int:
        return int(seconds / prefix[-1]) * len(steps)

    begin = frame_at(mark_s - LEAD_S) // (GOP * sparse) * GOP * sparse
    end = frame_at(mark_s + TAIL_S)
    frames = [*range(0, begin, sparse), *range(begin, end)]
    filled = begin // sparse
    numbers = [FILLER] * filled + list(range(end - begin))
    ticks = [first + round(moment(i) * TICKS) for i in frames]
    groups = [
        (at, filler)
        for filler in [encoded([FILLER] * GOP, bframes)]
        for at in range(0, filled, GOP)
    ]
    groups.append((filled, encoded(numbers[filled:], bframes)))
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, options=options(bframes))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.time_base = Fraction(1, TICKS)
        output.start_encoding()
        for at, group in groups:
            for shown, order, data, key in group:
                # Decoding runs ahead of showing by as much as B-frames need, at the start too.
                place = at + order
                packet = av.Packet(data)
                packet.pts = ticks[at + shown]
                packet.dts = ticks[place] if place >= 0 else ticks[0] + place * TICKS // 30
                packet.time_base, packet.stream, packet.is_keyframe = (
                    Fraction(1, TICKS),
                    stream,
                    key,
                )
                output.mux(packet)
    with av.open(str(path)) as video:
        base = video.streams.video[0].time_base
        pts = sorted(p.pts for p in video.demux(video=0) if p.pts is not None and not p.is_discard)
    numbers = numbers[len(numbers) - len(pts) :]
    nominal = ticks[len(ticks) - len(pts) :]
    shown_s = [(p - pts[0]) * base for p in pts]
    # The container kept the timestamps, to its own tick.
    assert all(
        abs(a - Fraction(b - nominal[0], TICKS)) <= 2 * max(base, Fraction(1, TICKS))
        for a, b in zip(shown_s[-400:], nominal[-400:], strict=True)
    )
    return Source(path, shown_s, numbers, base / 2)


def assert_exact(source: Source, folder: Path) -> None:
    """Each frame of each clip is what the source shows at ``start + i / 30``."""
    spans = [Span(folder / f"{i}.mp4", start, FRAMES) for i, start in enumerate(STARTS)]
    assert set(dict(cut_clips(source.path, spans, FAST)).values()) == {None}
    for span in spans:
        start, frames = span.start_s, span.frames
        numbers, moments = decoded(span.path)
        wanted = [source.at(start + Fraction(i, 30)) for i in range(frames)]
        assert FILLER not in wanted
        assert numbers == wanted
        assert moments == [Fraction(i, 30) for i in range(frames)]


@pytest.mark.parametrize("rate", RATES)
def test_two_hours_in_each_frame_is_the_one_of_that_moment(tmp_path: Path, rate: str) -> None:
    source = two_hours(tmp_path / "source.mp4", RATES[rate])
    assert source.shown_s[-1] > MARK_S
    assert_exact(source, tmp_path)


@pytest.mark.slow
def test_two_hours_of_29_97_with_every_frame(tmp_path: Path) -> None:
    source = two_hours(tmp_path / "source.mp4", RATES["29.97"], sparse=1)
    assert len(source.shown_s) > 215_000
    assert_exact(source, tmp_path)


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize(
    ("suffix", "rate"),
    [(".mkv", "29.97"), (".mkv", "variable"), (".ts", "29.97")],
)
def test_a_first_timestamp_that_is_not_zero(
    tmp_path: Path, suffix: str, rate: str, bframes: int
) -> None:
    source = two_hours(
        tmp_path / f"source{suffix}", RATES[rate], first=7 * TICKS + 123, bframes=bframes
    )
    with av.open(str(source.path)) as video:
        stream = video.streams.video[0]
        assert stream.start_time * stream.time_base > 5
    assert_exact(source, tmp_path)


@pytest.mark.parametrize("rate", ["23.976", "60"])
def test_negative_first_decoding_time(tmp_path: Path, rate: str) -> None:
    source = two_hours(tmp_path / "source.mp4", RATES[rate], bframes=2)
    with av.open(str(source.path)) as video:
        packet = next(video.demux(video=0))
        assert packet.dts < 0 <= packet.pts
    assert_exact(source, tmp_path)


def test_an_edit_list_that_leaves_out_the_first_frames(tmp_path: Path) -> None:
    source = two_hours(tmp_path / "source.mp4", RATES["25"], first=-TICKS * 7)
    with av.open(str(source.path)) as video:
        assert next(video.demux(video=0)).is_discard
    with av.open(str(source.path)) as video:
        assert number(next(video.decode(video=0)).to_ndarray(format="rgb24")) == FILLER
    assert_exact(source, tmp_path)


def test_the_test_sees_a_clip_that_is_one_frame_off(tmp_path: Path) -> None:
    source = two_hours(tmp_path / "source.mp4", RATES["50"])
    late = Source(source.path, [s + Fraction(1, 50) for s in source.shown_s], source.numbers)
    assert bisect_left(late.shown_s, Fraction(MARK_S)) > 0
    with pytest.raises(AssertionError):
        assert_exact(late, tmp_path)
