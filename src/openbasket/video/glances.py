"""Look at a video here and there: key frames are cheap, any other frame costs its way from one."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import av
import numpy as np
from av.video.frame import VideoFrame

from openbasket.errors import VideoError
from openbasket.storage import Place
from openbasket.video.probe import Limits, duration_s, open_video

__all__ = ["Glance", "Glances"]

#: A media time and the picture that is shown from it on, RGB ``(height, width, 3)`` uint8.
Glance = tuple[float, np.ndarray]

#: Decode on to a frame that is at most this far ahead; beyond, go to a key frame.
_FORWARD_S = 1.0


class Glances:
    """Pictures of one video by media time, in any order; cheapest when times go up.

    Args:
        path: the video.
        limits: what to refuse before decoding.

    Raises:
        VideoError: on entry, no such file, not a video, or over a limit.
    """

    def __init__(self, path: Place, limits: Limits | None = None) -> None:
        self._path = path
        self._opened = open_video(path, limits)

    def __enter__(self) -> Glances:
        self._container, self._stream = self._opened.__enter__()
        if self._stream.time_base is None:
            raise VideoError(f"'{self._path}' states no time base: it is damaged")
        self._base = float(self._stream.time_base)
        self._start = self._stream.start_time or 0
        self._frames: Iterator[VideoFrame] = iter(())
        self._shown: VideoFrame | None = None
        self._ahead: VideoFrame | None = None
        self._target = 0
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    @property
    def duration_s(self) -> float:
        """Seconds, as the container states them."""
        return float(duration_s(self._container, self._stream))

    def key(self, media_s: float) -> Glance | None:
        """The key frame at or before a time; None where nothing decodes."""
        self._seek(media_s)
        self._shown = None
        self._stream.codec_context.skip_frame = "NONKEY"
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_keyframe:
                    frames = packet.decode() or self._stream.codec_context.decode(None)
                    return self._glance(frames[0]) if frames else None
        except (av.InvalidDataError, av.EOFError):
            return None
        return None

    def at(self, media_s: float) -> Glance | None:
        """The frame that is shown at a time; the last one beyond the end; None where nothing decodes."""
        self._target = self._start + round(media_s / self._base)
        ahead_s = (self._target - self._time(self._shown)) * self._base if self._shown else -1.0
        if not 0 <= ahead_s <= _FORWARD_S:
            self._seek(media_s)
            self._shown = self._ahead = None
            self._frames = self._decode()
        while True:
            if self._ahead is None:
                self._ahead = next(self._frames, None)
            if self._ahead is None or self._time(self._ahead) > self._target:
                break
            self._shown, self._ahead = self._ahead, None
        return None if self._shown is None else self._glance(self._shown)

    def _decode(self) -> Iterator[VideoFrame]:
        """Frames from here on; those that nothing needs are skipped until the target is near."""
        near = round(0.2 / self._base)
        context = self._stream.codec_context
        try:
            for packet in self._container.demux(self._stream):
                far = packet.pts is not None and packet.pts < self._target - near
                context.skip_frame = "NONREF" if far else "DEFAULT"
                yield from packet.decode()
        except (av.InvalidDataError, av.EOFError):
            return

    def _seek(self, media_s: float) -> None:
        self._stream.codec_context.flush_buffers()
        at = self._start + max(round(media_s / self._base), 0)
        self._container.seek(at, stream=self._stream, backward=True)

    def _time(self, frame: VideoFrame) -> int:
        return self._start if frame.pts is None else frame.pts

    def _glance(self, frame: VideoFrame) -> Glance:
        return (self._time(frame) - self._start) * self._base, frame.to_ndarray(format="rgb24")
