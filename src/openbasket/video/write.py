"""Write H.264 in MP4: the one encoder setting that every video of the package shares."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import numpy as np
from av.video.stream import VideoStream

from openbasket.workspace import REEL_FPS, REEL_SIZE, atomic_path

__all__ = ["FPS", "HEIGHT", "WIDTH", "VideoWriter"]

WIDTH, HEIGHT = REEL_SIZE
FPS = REEL_FPS

PixelFormat = Literal["rgb24", "bgr24", "yuv420p"]


class VideoWriter:
    """Encode frames to an MP4 file that appears under its name only when it is whole.

    Frame ``i`` is shown at exactly ``i / fps`` seconds. One encoder thread and fixed settings make
    equal frames give equal bytes on one machine.

    Args:
        path: where to write.
        width: pixels; even.
        height: pixels; even.
        fps: frames a second, a rational number.
        crf: x264 constant rate factor; smaller is better and larger in bytes.
        preset: x264 preset.
        gop: frames between key frames.

    Example:
        >>> import numpy as np, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "grey.mp4"
        >>> with VideoWriter(path, width=64, height=48) as video:
        ...     video.write(np.full((48, 64, 3), 128, np.uint8))
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int = WIDTH,
        height: int = HEIGHT,
        fps: Fraction = FPS,
        crf: int = 23,
        preset: str = "veryfast",
        gop: int = 30,
    ) -> None:
        self.path = path
        self.frames = 0
        self._size = (width, height)
        self._fps = fps
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
        temporary = self._stack.enter_context(atomic_path(self.path))
        self._container = self._stack.enter_context(
            av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
        )
        stream = self._container.add_stream("libx264", rate=self._fps, options=self._options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = 1 / self._fps
        self._stream = stream
        return self

    def write(self, frame: np.ndarray, pixel_format: PixelFormat = "rgb24") -> None:
        """Append a frame: ``(height, width, 3)`` uint8, or planar ``(height * 3 / 2, width)`` for yuv420p."""
        picture = av.VideoFrame.from_ndarray(frame, format=pixel_format)
        picture.pts = self.frames
        picture.time_base = 1 / self._fps
        self._container.mux(self._stream.encode(picture))
        self.frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._container.mux(self._stream.encode(None))
        self._stack.__exit__(kind, error, trace)
