"""Encode single pictures."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

__all__ = ["jpeg"]


def jpeg(picture: np.ndarray, quality: int = 4) -> bytes:
    """Encode an RGB picture, ``(height, width, 3)`` uint8, as JPEG.

    Args:
        picture: even height and width.
        quality: FFmpeg's quantiser, 2 (best) to 31.
    """
    codec = av.CodecContext.create("mjpeg", "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height = picture.shape[1], picture.shape[0]
    codec.pix_fmt = "yuvj420p"
    codec.time_base = Fraction(1, 30)
    codec.options = {"qmin": str(quality), "qmax": str(quality)}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    packets = [*codec.encode(frame.reformat(format="yuvj420p")), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
