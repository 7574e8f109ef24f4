"""Sources with coarse clocks or turned pictures, or that begin in the middle: as they are, or refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from helpers import decoded, numbered

from openbasket.errors import VideoError
from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.probe import duration_s, probe
from openbasket.video.sound import open_sound

TICK = Fraction(1, 30)
FAST = Encoding(crf=20, preset="ultrafast")


def remuxed(source: Path, path: Path, skip: int = 0, turn: int = 0) -> Path:
    """The same packets in another container, without the first few."""
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        streams = {s.index: output.add_stream_from_template(s) for s in container.streams}
        if turn:
            streams[0].set_display_rotation(turn)
        for number, packet in enumerate(p for p in container.demux() if p.size):
            if number >= skip:
                packet.stream = streams[packet.stream_index]
                output.mux(packet)
    return path


def cut(source: Path, folder: Path, first: int, frames: int, **options: bool) -> list[int]:
    span = Span(folder / "clip.mp4", first * TICK, frames)
    encoding = Encoding(crf=20, preset="ultrafast", **options)
    ((_, error),) = cut_clips(source, [span], encoding)
    assert error is None
    return decoded(span.path)[0]


@pytest.mark.parametrize("suffix", [".mkv", ".flv", ".ts", ".mov"])
def test_a_coarse_clock_doubles_no_picture(tmp_path, suffix):
    source = remuxed(numbered(tmp_path / "a.mp4", 150), tmp_path / f"b{suffix}")
    assert cut(source, tmp_path, 60, 60) == list(range(60, 120))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pictures_last_no_longer_because_sound_does(tmp_path, suffix):
    path = tmp_path / f"long-sound{suffix}"
    with av.open(str(numbered(tmp_path / "a.mp4", 90))) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        audio = out.add_stream("aac", rate=48_000, layout="mono")
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        for i in range(6 * 48_000 // 1024):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            sound.rate, sound.pts = 48_000, i * 1024
            out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
    assert abs(probe(path).duration_s - 3) < Fraction(1, 500)


@pytest.mark.parametrize(
    ("tag", "seconds"),
    [("00:00:02.0", 2), ("05:59:59", 3), ("00:99:99", 3), ("00:00:00", 3), ("-1:00:00", 3)],
)
def test_a_tag_cannot_make_a_video_longer_than_its_file(tag, seconds):
    stream = SimpleNamespace(duration=None, time_base=None, metadata={"DURATION": tag})
    container = SimpleNamespace(duration=3_000_000)
    assert duration_s(container, stream) == seconds


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".flv"])
def test_sound_has_no_gaps(tmp_path, suffix):
    rate = 48_000
    with av.open(str(tmp_path / f"a{suffix}"), "w") as container:
        video = container.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=rate, layout="stereo")
        audio.bit_rate = 256_000
        for i in range(90):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
            frame.pts, frame.time_base = i, TICK
            container.mux(video.encode(frame))
        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * rate) / rate)
        for at in range(0, len(tone), 1024):
            chunk = np.repeat(tone[None, at : at + 1024], 2, 0).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="stereo")
            sound.rate, sound.pts, sound.time_base = rate, at, Fraction(1, rate)
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
        container.mux(video.encode(None))
    with open_sound(tmp_path / f"a{suffix}") as heard:
        samples = heard.between(Fraction(1, 2), Fraction(2))
    assert np.abs(np.diff(samples)).max() < 1.2 * 0.5 * 2 * np.pi * 440 / rate
    assert samples.shape == (2, 2 * rate)


@pytest.mark.parametrize("copy", [True, False])
def test_a_turned_picture_is_set_right(tmp_path, copy):
    made = numbered(tmp_path / "a.mp4", 60, width=704, height=400)
    upright = cut(made, tmp_path, 10, 30, copy=copy)
    assert upright == list(range(10, 40))
    turned = cut(remuxed(made, tmp_path / "b.mp4", turn=180), tmp_path, 10, 30, copy=copy)
    as_turned = [int(f"{n:012b}"[::-1], 2) for n in upright]  # the last block comes first
    assert turned == as_turned


def test_what_comes_before_the_first_picture_is_not_made_up(tmp_path):
    made = remuxed(numbered(tmp_path / "a.mp4", 120), tmp_path / "whole.ts")
    source = remuxed(made, tmp_path / "b.ts", skip=10)  # the first key frame is the 30th
    spans = [Span(tmp_path / "0.mp4", Fraction(0), 15), Span(tmp_path / "1.mp4", Fraction(2), 15)]
    errors = dict(cut_clips(source, spans, FAST))
    assert "does not decode" in str(errors[spans[0].path])
    assert errors[spans[1].path] is None
    first = decoded(spans[1].path)[0]
    assert first == list(range(first[0], first[0] + 15))


def test_damage_between_two_clips_costs_neither(tmp_path):
    source = numbered(tmp_path / "a.mp4", 180, gop=15)
    with av.open(str(source)) as container:
        at = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]
    data = bytearray(source.read_bytes())
    for begin, size in at[80:84]:
        data[begin + 8 : begin + size] = b"\xff" * (size - 8)
    source.write_bytes(data)
    spans = [Span(tmp_path / "0.mp4", Fraction(0), 60), Span(tmp_path / "1.mp4", 105 * TICK, 60)]
    assert set(dict(cut_clips(source, spans, FAST)).values()) == {None}
    assert decoded(spans[1].path)[0] == list(range(105, 165))


def test_a_list_of_files_is_no_video(tmp_path):
    numbered(tmp_path / "a.mp4", 30)
    listing = tmp_path / "list.mp4"
    listing.write_text("ffconcat version 1.0\nfile a.mp4\n")
    with pytest.raises(VideoError, match="cannot be read as video"):
        probe(listing)
