"""Sound stays with the pictures: a beep is heard when its flash is seen."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.join import join

TICK = Fraction(1, 30)
EVERY_S = 1  # a flash and a beep every second


def filmed(
    path: Path,
    seconds: int,
    fps: Fraction = Fraction(25),
    rate: int = 44_100,
    *,
    codec: str = "aac",
    size: tuple[int, int] = (160, 90),
    layout: str = "stereo",
    begin_s: int = 0,
) -> Path:
    """A video that is white for 80 ms each second, beside a tone of 80 ms.

    The container's clock begins at ``begin_s``.
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "g": "15"}
        )
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream(codec, rate=rate, layout=layout)
        for i in range(int(seconds * fps)):
            bright = (i / fps) % EVERY_S < Fraction(8, 100)
            picture = np.full((size[1], size[0], 3), 235 if bright else 16, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = i + round(begin_s * fps), 1 / fps
            container.mux(video.encode(frame))
        times = np.arange(seconds * rate) / rate
        flashes = [float(math.ceil(s * fps) / fps) for s in range(0, seconds, EVERY_S)]
        since = times - np.array(flashes)[np.searchsorted(flashes, times, side="right") - 1]
        tone = np.where(since < 0.08, 0.8 * np.sin(2 * np.pi * 1000 * times), 0)
        channels = 2 if layout == "stereo" else 1
        for at in range(0, len(times), 1024):
            chunk = np.repeat(tone[None, at : at + 1024], channels, 0).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(chunk, format="fltp", layout=layout)
            sound.rate, sound.pts = rate, at + begin_s * rate
            sound.time_base = Fraction(1, rate)
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
        container.mux(video.encode(None))
    return path


def onsets(path: Path) -> tuple[list[float], list[float]]:
    """When flashes begin, and when beeps do, in seconds."""
    flashes, loud = [], np.zeros(0)
    with av.open(str(path)) as container:
        dark = True
        for frame in container.decode(video=0):
            bright = frame.to_ndarray(format="gray").mean() > 128
            if bright and dark:
                flashes.append(float(frame.pts * frame.time_base))
            dark = not bright
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.codec_context.name, stream.channels) == (48_000, "aac", 2)
        for frame in container.decode(stream):
            begin = round(frame.pts * frame.time_base * 48_000)
            samples = np.abs(frame.to_ndarray()).max(0)
            if begin < 0:
                samples, begin = samples[-begin:], 0
            loud = np.pad(loud, (0, max(0, begin + len(samples) - len(loud))))
            loud[begin : begin + len(samples)] = samples
    where = np.flatnonzero(loud > 0.3) / 48_000
    gaps = np.flatnonzero(np.diff(where, prepend=-1) > 0.3)
    return flashes, where[gaps].tolist()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("b.mkv", {"codec": "ac3", "rate": 48_000}),
        ("c.ts", {"fps": Fraction(30000, 1001), "codec": "mp2", "rate": 48_000, "begin_s": 1001}),
        ("d.mp4", {"fps": Fraction(30), "size": (704, 400), "layout": "mono"}),  # is copied
    ],
)
def test_beeps_and_flashes_coincide_in_clips_and_reels(tmp_path, name, options):
    source = filmed(tmp_path / name, 14, **options)
    starts = [Fraction(7, 30), Fraction(95, 30), Fraction(203, 30), Fraction(5)]
    lengths = [101, 77, 59, 121]
    spans = [
        Span(tmp_path / f"{i}.mp4", start, n)
        for i, (start, n) in enumerate(zip(starts, lengths, strict=True))
    ]
    assert {error for _, error in cut_clips(source, spans, Encoding(preset="ultrafast"))} == {None}
    clips = [span.path for span in spans]
    reel = tmp_path / "reel.mp4"
    join(clips * 5, reel)  # whatever is lost at a seam would add up
    for path, at_least in [*((clip, 1) for clip in clips), (reel, 45)]:
        flashes, beeps = onsets(path)
        inner = [f for f in flashes if f > 0.1]
        assert len(inner) >= at_least
        for flash in inner:
            assert min(abs(flash - beep) for beep in beeps) <= 0.040
    with av.open(str(reel)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        lasts = [float(s.duration * s.time_base) for s in (video, audio)]
    assert lasts[0] == pytest.approx(5 * sum(lengths) / 30)
    assert abs(lasts[0] - lasts[1]) < 0.06


def test_clips_without_sound_are_silent_in_a_reel_with_sound(tmp_path):
    loud = filmed(tmp_path / "loud.mp4", 4)
    spans = [Span(tmp_path / f"{i}.mp4", i * Fraction(1), 45) for i in range(3)]
    made = list(cut_clips(loud, spans[:1], Encoding()))
    made += cut_clips(loud, spans[1:2], Encoding(sound=False))
    made += cut_clips(loud, spans[2:], Encoding())
    assert {error for _, error in made} == {None}
    clips = [path for path, _ in made]
    assert [len(av.open(str(clip)).streams.audio) for clip in clips] == [1, 0, 1]
    for order in (clips, [clips[1], clips[0], clips[2]]):
        join(order, tmp_path / "reel.mp4")
        flashes, beeps = onsets(tmp_path / "reel.mp4")
        quiet = 1.5 * order.index(clips[1])
        assert len(flashes) == 6
        assert not [beep for beep in beeps if quiet + 0.05 < beep < quiet + 1.45]
        for flash in flashes:
            if flash and not quiet - 0.05 <= flash < quiet + 1.45:
                assert min(abs(flash - beep) for beep in beeps) <= 0.040


def test_no_sound_no_track(tmp_path):
    source = filmed(tmp_path / "loud.mp4", 2)
    spans = [Span(tmp_path / f"{i}.mp4", Fraction(0), 30) for i in range(2)]
    clips = [path for path, _ in cut_clips(source, spans, Encoding(sound=False))]
    join(clips, tmp_path / "reel.mp4")
    assert not av.open(str(tmp_path / "reel.mp4")).streams.audio
