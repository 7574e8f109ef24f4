"""From a decoded picture to pixels: scaled by the decoder's scaler, and turned as the video says."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias, cast

import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from openbasket.errors import VideoError

__all__ = ["Scaler", "Size", "scaled_size"]

#: Pixels of the shorter side, or ``(width, height)``, or ``None``: as it is.
Size: TypeAlias = int | tuple[int, int] | None


def scaled_size(width: int, height: int, size: Size) -> tuple[int, int]:
    """Width and height in pixels of a picture that is scaled; halves are rounded up."""
    if size is None:
        return width, height
    if isinstance(size, tuple):
        wide, tall = size
    else:
        scale = Fraction(int(size), min(width, height))
        wide, tall = (max(1, int(side * scale + Fraction(1, 2))) for side in (width, height))
    if min(wide, tall) < 1 or (not isinstance(size, tuple) and size < 1):
        raise VideoError(f"size: got {size}; allowed: pixels of at least 1")
    return wide, tall


class Scaler:
    """Makes pictures of one size, RGB; bicubic.

    Args:
        size: what is wanted, of the pictures as they are shown.
    """

    def __init__(self, size: Size) -> None:
        self._size = size
        self._reformatter = VideoReformatter()
        self._turns: dict[int, _Turn] = {}
        self._scaled: dict[tuple[int, int], tuple[int, int]] = {}

    def scale(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Pixels uint8 ``(height, width, 3)``; contiguous.

        Raises:
            VideoError: the picture is to be turned by less than a quarter.
        """
        angle = frame.rotation
        if angle not in self._turns:  # once: a frame that was asked for its matrix is freed late
            self._turns[angle] = _turn(frame)
        turn = self._turns[angle]
        shown = turn.across(frame.width, frame.height)
        if shown not in self._scaled:
            self._scaled[shown] = scaled_size(*shown, self._size)
        width, height = turn.across(*self._scaled[shown])
        made = self._reformatter.reformat(
            frame, width, height, "rgb24", interpolation="BICUBIC", threads=1
        )
        return turn.apply(cast("NDArray[np.uint8]", made.to_ndarray()))


class _Turn:
    """A quarter turn or a mirror image, or both.

    Args:
        matrix: from stored to shown: ``x' = a x + c y``, ``y' = b x + d y`` as ``(a, b, c, d)``.
    """

    def __init__(self, matrix: tuple[int, int, int, int] = (1, 0, 0, 1)) -> None:
        a, b, c, d = matrix
        if not ((a and d and not b and not c) or (b and c and not a and not d)):
            raise VideoError(
                "a picture is to be turned by an angle that is no quarter turn; turn the video first"
            )
        self.transposed = not a
        self._left, self._up = (c < 0, b < 0) if self.transposed else (a < 0, d < 0)

    def across(self, width: int, height: int) -> tuple[int, int]:
        """The size of a picture after the turn, or before it."""
        return (height, width) if self.transposed else (width, height)

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.transposed:
            pixels = pixels.transpose(1, 0, 2)
        return np.ascontiguousarray(pixels[:: -1 if self._up else 1, :: -1 if self._left else 1])


_UPRIGHT = _Turn()


def _turn(frame: VideoFrame) -> _Turn:
    """How a picture is to be turned: the display matrix of its stream, or of itself."""
    data = cast("SideDataContainer", frame.side_data).get(Type.DISPLAYMATRIX)
    if data is None:
        return _UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if not (a or b or c or d):  # says nothing
        return _UPRIGHT
    return _Turn((a, b, c, d))
