"""Frames are those of a full sequential decode, however a video is encoded and kept; damage is told."""

from __future__ import annotations

import itertools
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from helpers import number, numbered, picture, variable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbasket.errors import ConfigError, VideoError
from openbasket.video.frames import Uniform, frames_at, uniform_indices
from openbasket.video.groups import _Demuxed, _Indexed, _Sequential, open_groups
from openbasket.video.samples import begins, is_disposable, nal_units

FRAMES = 75
_names = itertools.count()


def moving(i: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A picture that moves and changes its scene, so that frames of all kinds refer to each other."""
    y, x = np.mgrid[:height, :width]
    scene = i // 40
    bars = 128 + 90 * np.sin((x + 2 * i) / 7 + scene) * np.cos((y - i) / 5)
    noise = np.random.default_rng(i).integers(-12, 13, (height, width))
    return np.stack([bars + noise, bars.T.mean() + x, 255 - bars], 2).clip(0, 255).astype(np.uint8)


def film(
    path: Path,
    codec: str = "libx264",
    *,
    frames: int = FRAMES,
    size: tuple[int, int] = (96, 64),
    pix_fmt: str = "yuv420p",
    mux: dict[str, str] | None = None,
    **options: str,
) -> Path:
    with av.open(str(path), "w", options=mux or {}) as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        for i in range(frames):
            shown = av.VideoFrame.from_ndarray(moving(i, *size), format="rgb24")
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
    return path


def sequential(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """All frames, decoded from the first to the last, through the same scaler."""
    scaler = VideoReformatter()
    width, height = size or (None, None)
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        return np.stack([
            scaler.reformat(
                frame, width, height, "rgb24", interpolation="BICUBIC", threads=1
            ).to_ndarray()
            for frame in container.decode(video=0)
        ])  # fmt: skip


x264 = st.fixed_dictionaries(
    {
        "keyint": st.sampled_from([1, 7, 12, 25, 250]),
        "bframes": st.integers(0, 8),
        "b-adapt": st.integers(0, 2),
        "b-pyramid": st.sampled_from(["none", "strict", "normal"]),
        "open-gop": st.integers(0, 1),
        "ref": st.integers(1, 8),
        "weightp": st.integers(0, 2),
        "direct": st.sampled_from(["none", "spatial", "temporal", "auto"]),
        "slices": st.sampled_from([1, 3]),
        "intra-refresh": st.sampled_from([0, 0, 0, 1]),
        "scenecut": st.sampled_from([0, 40]),
        "aud": st.integers(0, 1),
        "cabac": st.integers(0, 1),
        "interlaced": st.sampled_from([0, 0, 0, 1]),
    }
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    params=x264,
    wanted=st.lists(st.integers(0, FRAMES - 1), min_size=1, max_size=6),
    kind=st.sampled_from(["mp4", "mp4", "mp4", "mkv", "ts", "h264"]),
    threads=st.integers(1, 2),
)
def test_equal_to_a_full_decode_with_any_encoding(tmp_path, params, wanted, kind, threads):
    text = ":".join(f"{key}={value}" for key, value in params.items())
    path = film(tmp_path / f"{next(_names)}.{kind}", preset="veryfast", **{"x264-params": text})
    whole = sequential(path, (48, 32))
    got = frames_at(path, wanted, 32, threads=threads)
    np.testing.assert_array_equal(got.pixels, whole[wanted])
    near = frames_at(path, wanted, 32, sampling="keyframe")
    np.testing.assert_array_equal(near.pixels, whole[near.indices])
    if kind != "h264":  # which states no times
        assert len(whole) == FRAMES


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("hevc.mp4", "libx265", {"x265-params": "keyint=20:bframes=4:open-gop=1:log-level=none"}),
        ("fragments.mp4", "libx264", {"mux": {"movflags": "frag_keyframe+empty_moov"}, "g": "12"}),
        ("vp9.webm", "libvpx-vp9", {"g": "20", "lag-in-frames": "10", "cpu-used": "8"}),
        ("mpeg4.avi", "mpeg4", {"bf": "2", "g": "15"}),
        ("mpeg2.ts", "mpeg2video", {"bf": "2", "g": "15"}),
        ("mjpeg.mkv", "mjpeg", {"pix_fmt": "yuvj420p"}),
        ("av1.mp4", "libsvtav1", {"g": "20", "preset": "12"}),
    ],
)
def test_equal_to_a_full_decode_in_other_forms(tmp_path, name, codec, options):
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = film(tmp_path / name, codec, **options)
    whole = sequential(path)
    wanted = [FRAMES - 1, 0, 14, 41, 15, 13]
    np.testing.assert_array_equal(frames_at(path, wanted).pixels, whole[wanted])
    np.testing.assert_array_equal(
        frames_at(path, Uniform(5), threads=2).pixels, whole[uniform_indices(FRAMES, 5)]
    )


def test_each_form_goes_its_way(tmp_path):
    assert isinstance(open_groups(film(tmp_path / "a.mp4", frames=5)), _Indexed)
    assert isinstance(open_groups(film(tmp_path / "a.mkv", frames=5)), _Demuxed)
    assert isinstance(open_groups(film(tmp_path / "a.h264", frames=5)), _Sequential)
    # An edit list that hides frames, and one that does not.
    hidden = film(tmp_path / "b.mp4", frames=9, bf="0")
    data = hidden.read_bytes()
    at = data.index(b"elst") + 16
    hidden.write_bytes(data[:at] + (2048).to_bytes(4, "big") + data[at + 4 :])
    assert isinstance(open_groups(hidden), _Demuxed)
    np.testing.assert_array_equal(frames_at(hidden, [0, 3]).pixels, sequential(hidden)[[0, 3]])


def test_what_no_wanted_frame_refers_to_is_not_decoded(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", **{"x264-params": "keyint=250:bframes=3:b-adapt=0:scenecut=0"})
    fed = []

    def packet(content):
        fed.append(content)
        return av.Packet(content)

    monkeypatch.setattr("openbasket.video.groups.Packet", packet)
    frames_at(path, [40])
    samples = open_groups(path)._samples
    behind = int(np.flatnonzero(samples.places == 40)[0]) + 1
    assert 10 < len(fed) < behind  # not all before it, none after it
    spare = [c for c in fed if is_disposable(c, samples.prefix)]
    assert len(spare) <= 1


def test_decoding_begins_only_where_it_is_exact(tmp_path):
    refresh = film(tmp_path / "a.mp4", **{"x264-params": "keyint=15:intra-refresh=1:bframes=0"})
    opened = film(tmp_path / "b.mp4", **{"x264-params": "keyint=15:open-gop=1:scenecut=0"})
    assert open_groups(refresh).keys.tolist() == [0]
    assert len(open_groups(opened).keys) == 5
    got = frames_at(refresh, [60, 20], sampling="keyframe")
    assert got.indices.tolist() == [0, 0]
    assert got.largest_error_s == pytest.approx(2.0)


def test_parameter_sets_that_come_on_the_way_are_not_missed(tmp_path):
    """A stretch of other parameter sets that only its first key frame brings along."""
    whole, config, parts = [], None, []
    for i, crf in enumerate(("18", "40")):
        extra = "ref=1:cabac=0" if i else "ref=4:cabac=1"
        name = tmp_path / f"{i}.mp4"
        path = film(name, frames=30, crf=crf, g="10", bf="0", **{"x264-params": extra})
        whole.append(sequential(path))
        samples = open_groups(path)._samples
        contents = [c for _, c in samples.read(range(30))]
        with av.open(str(path)) as container:
            record = bytes(container.streams.video[0].codec_context.extradata)
            if config is None:
                config = record
            else:
                contents[0] = sets_of(record) + contents[0]
        parts += contents
    path = tmp_path / "joined.mp4"
    with av.open(str(path), "w") as out, av.open(str(tmp_path / "0.mp4")) as source:
        stream = out.add_stream_from_template(source.streams.video[0])
        for i, content in enumerate(parts):
            packet = av.Packet(content)
            packet.pts = packet.dts = i * 512
            packet.time_base, packet.stream = Fraction(1, 15360), stream
            packet.is_keyframe = i % 10 == 0
            out.mux(packet)
    reference = sequential(path)
    np.testing.assert_array_equal(reference, np.concatenate(whole))
    for wanted in ([5, 55], [55], [25], [59, 31]):
        np.testing.assert_array_equal(frames_at(path, wanted).pixels, reference[wanted])


def sets_of(record: bytes) -> bytes:
    """The parameter sets of an ``avcC`` record, each with its length in four bytes."""
    out, at = b"", 6
    for kind in range(2):
        count = record[at - 1] & 31 if kind == 0 else record[at - 1]
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            out += size.to_bytes(4, "big") + record[at + 2 : at + 2 + size]
            at += 2 + size
        at += 1
    return out


def test_times_give_the_frame_that_is_shown_then(tmp_path):
    path = numbered(tmp_path / "a.mp4", 60)
    got = frames_at(path, [0.0, 0.5, 1.01, Fraction(59, 30)])
    assert [number(f) for f in got.pixels] == [0, 15, 30, 59]
    np.testing.assert_allclose(got.times_s, [0, 0.5, 1, 59 / 30])
    np.testing.assert_allclose(got.errors_s, [0, 0, -0.01, 0], atol=1e-9)
    with pytest.raises(VideoError, match=r"is shown for 2\.000 s; asked for 2\.000 s"):
        frames_at(path, [2.0])
    with pytest.raises(VideoError, match="asked for -0"):
        frames_at(path, [-0.5])


def test_a_variable_rate(tmp_path):
    times = [Fraction(i * i, 400) for i in range(60)]
    path = variable(tmp_path / "a.mp4", times)
    got = frames_at(path, [float(times[7]), float(times[40]) + 0.05, 0.0])
    assert [number(f) for f in got.pixels] == [7, 40, 0]
    np.testing.assert_allclose(got.times_s, [float(times[i]) for i in (7, 40, 0)], atol=1e-4)
    near = frames_at(path, [float(times[40])], sampling="keyframe")
    keys = open_groups(path).keys
    assert len(keys) > 4
    nearest = min(keys, key=lambda key: abs(times[key] - times[40]))
    assert near.indices.tolist() == [nearest]
    assert near.errors_s[0] == pytest.approx(float(times[nearest] - times[40]), abs=1e-4)


def test_key_frames_are_the_nearest(tmp_path):
    path = numbered(tmp_path / "a.mp4", 100, gop=30)
    got = frames_at(path, [0, 14, 15, 16, 44, 46, 99], sampling="keyframe")
    assert [number(f) for f in got.pixels] == [0, 0, 0, 30, 30, 60, 90]
    assert got.indices.tolist() == [0, 0, 0, 30, 30, 60, 90]
    assert got.largest_error_s == pytest.approx(0.5)
    assert frames_at(path, [0, 14]).largest_error_s == 0


@pytest.mark.parametrize("size", [(97, 65), (33, 129)])
def test_odd_sizes(tmp_path, size):
    path = film(tmp_path / "a.mp4", size=size, pix_fmt="yuv444p", frames=20)
    np.testing.assert_array_equal(frames_at(path, [3, 19]).pixels, sequential(path)[[3, 19]])
    small = frames_at(path, [3], 32).pixels
    short, long = sorted(small.shape[1:3])
    assert short == 32
    assert long == int(32 * max(size) / min(size) + 0.5)
    assert frames_at(path, [3], (50, 20)).pixels.shape == (1, 20, 50, 3)


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a matrix (in units of 1) into a video's track."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd")
    at = at - 4 + int.from_bytes(data[at - 4 : at], "big") - 44
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),  # a quarter to the right: phones held upright
        ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
        ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda p: p.transpose(1, 0, 2)),
    ],
)
def test_turned_pictures_are_shown_upright(tmp_path, matrix, turn):
    path = film(tmp_path / "a.mp4", frames=12)
    [plain] = frames_at(path, [7], (48, 24)).pixels
    [stored] = frames_at(path, [7]).pixels
    turned(path, matrix)
    [shown] = frames_at(path, [7]).pixels
    np.testing.assert_array_equal(shown, turn(stored))
    wanted = (24, 48) if matrix[0] == 0 else (48, 24)
    np.testing.assert_array_equal(frames_at(path, [7], wanted).pixels[0], turn(plain))


def test_a_picture_to_be_turned_by_an_odd_angle_is_refused(tmp_path):
    path = turned(film(tmp_path / "a.mp4", frames=3), (1, 1, -1, 1))
    with pytest.raises(VideoError, match="no quarter turn"):
        frames_at(path, [0])


def test_one_frame_and_a_short_video(tmp_path):
    path = numbered(tmp_path / "a.mp4", 1)
    got = frames_at(path, Uniform(8), sampling="keyframe")
    assert [number(f) for f in got.pixels] == [0] * 8
    short = numbered(tmp_path / "b.mp4", 5)
    assert [number(f) for f in frames_at(short, Uniform(8)).pixels] == uniform_indices(5, 8)


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_video_with_sound(tmp_path, kind):  # most of the others are silent
    path = tmp_path / f"a.{kind}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="stereo")
        for i in range(30):
            shown = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
            container.mux(stream.encode(shown))
            heard = av.AudioFrame.from_ndarray(np.zeros((2, 1600), np.float32), "fltp", "stereo")
            heard.sample_rate, heard.pts = 48000, 1600 * i
            container.mux(sound.encode(heard))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    assert isinstance(open_groups(path), _Indexed if kind == "mp4" else _Demuxed)
    assert [number(f) for f in frames_at(path, [29, 3, 11]).pixels] == [29, 3, 11]


@pytest.mark.parametrize("at", [0, 20, 33])
def test_damage_raises_and_nothing_is_substituted(tmp_path, at):
    path = film(tmp_path / "a.mp4", **{"x264-params": "keyint=30:bframes=0:scenecut=0"})
    groups = open_groups(path)
    data = bytearray(path.read_bytes())
    begin, size = int(groups._samples.offsets[at]), int(groups._samples.sizes[at])
    data[begin + size // 3 : begin + size] = bytes([0x55]) * (size - size // 3)
    path.write_bytes(data)
    begins_at = at - at % 30
    with pytest.raises(VideoError, match=r"does not decode|damaged|cannot be read"):
        frames_at(path, [begins_at + 28])
    if at > begins_at:  # what lies before is whole
        assert frames_at(path, [at - 1]).pixels.shape[0] == 1
    other = 65
    assert frames_at(path, [other]).pixels.shape[0] == 1


def test_a_frame_lost_from_the_file_is_told(tmp_path):
    path = film(tmp_path / "a.mp4", **{"x264-params": "keyint=30:bframes=0:scenecut=0"})
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(VideoError):
        frames_at(path, [FRAMES - 1])


def test_bad_requests(tmp_path):
    path = numbered(tmp_path / "a.mp4", 5)
    with pytest.raises(ConfigError, match="sampling: got 'near'; allowed: exact, keyframe"):
        frames_at(path, [0], sampling="near")
    with pytest.raises(ConfigError, match="threads: got 0"):
        frames_at(path, [0], threads=0)
    with pytest.raises(VideoError, match="no frames are asked for"):
        frames_at(path, [])
    with pytest.raises(VideoError, match="asked for number -1"):
        frames_at(path, [-1])
    with pytest.raises(VideoError, match="size: got 0"):
        frames_at(path, [0], 0)
    with pytest.raises(VideoError, match="no video at"):
        frames_at(tmp_path / "b.mp4", [0])


def test_nal_units():
    idr, sei = bytes([0x65, 1, 2]), bytes([6, 6, 1, 0b11000000, 128])
    spare, kept = bytes([0x01, 9]), bytes([0x41, 9])

    def sample(*units: bytes) -> bytes:
        return b"".join(len(u).to_bytes(4, "big") + u for u in units)

    assert list(nal_units(sample(sei, idr), 4)) == [sei, idr]
    assert begins(sample(idr), 4)
    assert begins(sample(sei, kept), 4)
    assert begins(sample(bytes([6, 6, 1, 0b01000000, 128]), kept), 4) is False
    assert begins(sample(kept), 4) is False
    assert begins(sample(sei), 4) is None
    assert begins(b"\0\0\1" + sei + b"\0\0\1" + kept, 0)
    assert is_disposable(sample(spare, spare), 4)
    assert not is_disposable(sample(spare, kept), 4)
    assert not is_disposable(sample(bytes([0x67, 1]), spare), 4)
    assert not is_disposable(sample(sei), 4)


def test_reading_imports_nothing_large_that_it_does_not_need(tmp_path):
    video = numbered(tmp_path / "a.mp4", 12, gop=6)
    code = (
        "import sys; from pathlib import Path; from openbasket.video.frames import Uniform, frames_at; "
        "frames_at(Path(sys.argv[1]), Uniform(4), 32); "
        "print(*({'numpy.ma', 'hashlib', 'concurrent.futures', 'polars'} & sys.modules.keys()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(video)], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == []
