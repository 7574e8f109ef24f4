"""Write H.264 in MP4: the one encoder setting that every video of the package shares."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import av
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from openbasket.video.seal import seal
from openbasket.video.sound import add_sound_stream, encode_sound, placed
from openbasket.workspace import REEL_FPS, REEL_SIZE, atomic_path, unwritable

__all__ = ["FPS", "HEIGHT", "WIDTH", "Colours", "VideoWriter"]

WIDTH, HEIGHT = REEL_SIZE
FPS = REEL_FPS

PixelFormat = Literal["rgb24", "bgr24", "yuv420p"]


@dataclass(frozen=True, slots=True)
class Colours:
    """What the numbers of a picture mean (ITU-T H.273 codes; 2: not said)."""

    space: int = 2
    primaries: int = 2
    transfer: int = 2

    @classmethod
    def of(cls, stream: VideoStream) -> Colours:
        """Those of a source."""
        context = stream.codec_context
        codes = (context.colorspace, context.color_primaries, context.color_trc)
        return cls(*(int(code) for code in codes))


class VideoWriter:
    """Encode frames to an MP4 file that appears under its name only when it is whole.

    Frame ``i`` is shown at exactly ``i / fps`` seconds. One encoder thread and fixed settings make
    equal frames give equal bytes on one machine.

    Args:
        path: where to write; a ``BytesIO`` keeps the file in memory.
        width: pixels; even.
        height: pixels; even.
        fps: frames a second, a rational number.
        crf: x264 constant rate factor; smaller is better and larger in bytes.
        preset: x264 preset.
        gop: frames between key frames.
        colours: what the file says about them.
        sound: float32 ``(2, n)`` at 48 kHz, written as AAC.
        sealed: the file ends with a checksum, see :mod:`openbasket.video.seal`.

    Example:
        >>> import numpy as np, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "grey.mp4"
        >>> with VideoWriter(path, width=64, height=48) as video:
        ...     video.write(np.full((48, 64, 3), 128, np.uint8))
    """

    def __init__(
        self,
        path: Path | io.BytesIO,
        *,
        width: int = WIDTH,
        height: int = HEIGHT,
        fps: Fraction = FPS,
        crf: int = 23,
        preset: str = "veryfast",
        gop: int = 30,
        colours: Colours | None = None,
        sound: np.ndarray | None = None,
        sealed: bool = False,
    ) -> None:
        self.path = path
        self.frames = 0
        self._size = (width, height)
        self._fps = fps
        self._colours = colours
        self._sound = sound
        self._sealed = sealed
        self._options = {
            "crf": str(crf),
            "preset": preset,
            "g": str(gop),
            "keyint_min": str(gop),
            "sc_threshold": "0",
            "threads": "1",
        }
        self._stack = ExitStack()

    def __enter__(self) -> VideoWriter:
        opened = (
            av.open(self.path, "w", format="mp4")
            if isinstance(self.path, io.BytesIO)
            else av.open(
                str(self._stack.enter_context(self._file(self.path))),
                "w",
                format="mp4",
                options={"movflags": "+faststart"},
            )
        )
        self._container = self._stack.enter_context(opened)
        stream = self._container.add_stream("libx264", rate=self._fps, options=self._options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self._fps
        if self._colours is not None:
            context.colorspace = self._colours.space
            context.color_primaries = self._colours.primaries
            context.color_trc = self._colours.transfer
        self._stream = stream
        if self._sound is not None:
            packets = encode_sound(self._sound)
            track = add_sound_stream(self._container)
            self._mux(list(placed(packets, range(-1, len(packets) - 1), track)))
        return self

    @contextmanager
    def _file(self, path: Path) -> Iterator[Path]:
        with atomic_path(path) as temporary:
            yield temporary
            if self._sealed:
                seal(temporary)

    def write(self, frame: np.ndarray, pixel_format: PixelFormat = "rgb24") -> None:
        """Append a frame: ``(height, width, 3)`` uint8, or planar ``(height * 3 / 2, width)`` for yuv420p."""
        self.write_picture(av.VideoFrame.from_ndarray(frame, format=pixel_format))

    def write_picture(self, picture: av.VideoFrame) -> None:
        """Append a decoded picture of the file's size; its time and kind are set anew."""
        picture.pts, picture.time_base = self.frames, 1 / self._fps
        picture.pict_type = 0  # the encoder chooses
        self._mux(self._stream.encode(picture))
        self.frames += 1

    def _mux(self, packets: Sequence[Packet[Any]]) -> None:
        """Write packets; a full disk is no fault of the pictures, whoever watches for those."""
        try:
            self._container.mux(packets)
        except OSError as error:
            if isinstance(self.path, Path):
                raise unwritable(self.path, error) from None
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._mux(self._stream.encode(None))
        self._stack.__exit__(kind, error, trace)
