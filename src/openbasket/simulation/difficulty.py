"""How hard a rendered broadcast is to watch. Nothing here changes what happens, only how it is seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from openbasket.errors import ConfigError

__all__ = ["EASY", "Difficulty", "cross", "shaken", "squeezed"]

Image = NDArray[np.uint8]

_MOST = {"numbers": 1.0, "shake_px": 40.0, "clutter": 12, "distractors": 10, "quality": 100}
_HAIR = (34, 34, 44)
_CLOTHES = ((58, 50, 46), (44, 40, 60), (70, 62, 50), (40, 54, 58))


@dataclass(frozen=True)
class Difficulty:
    """How hard the pictures are; by default as easy as can be.

    Args:
        numbers: how well jersey numbers can be seen: 1 clear, 0 not at all.
        similar_kits: the away team wears the colour nearest to that of the home team.
        shake_px: how far an unsteady camera wanders, pixels of a picture 704 wide.
        clutter: people who walk past in front of the camera.
        distractors: players at the near side line who do what those on court did a little earlier, one of
            them with a ball.
        quality: JPEG quality of what is broadcast; 100 leaves the pictures as they are drawn.

    Raises:
        ConfigError: a value that is not allowed.
    """

    numbers: float = 1.0
    similar_kits: bool = False
    shake_px: float = 0.0
    clutter: int = 0
    distractors: int = 0
    quality: int = 100

    def __post_init__(self) -> None:
        least = {"quality": 1}
        faults = [
            f"{name} is {getattr(self, name)}; allowed: {least.get(name, 0)} to {most:g}"
            for name, most in _MOST.items()
            if not least.get(name, 0) <= getattr(self, name) <= most
        ]
        if faults:
            raise ConfigError("difficulty: " + "; ".join(faults))

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data."""
        return asdict(self)


EASY = Difficulty()


def shaken(
    rng: np.random.Generator, size_px: float, frames: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How far the camera is off in each frame, ``(n, 2)`` pixels to the right and down.

    Three slow swings in each direction, so that a frame's place depends on nothing but its number.
    """
    pace = rng.uniform(0.15, 1.1, (2, 3)) * 2 * np.pi / 30
    phase = rng.uniform(0, 2 * np.pi, (2, 3))
    swing = np.sin(frames[:, None, None] * pace + phase).mean(axis=2)
    return np.asarray(np.round(swing * size_px * np.array([1.0, 0.4])), np.int64)


def cross(image: Image, rng: np.random.Generator, people: int, frame: int) -> None:
    """Let people walk past in front of the camera, heads and shoulders at the lower edge."""
    height, width = image.shape[:2]
    for _ in range(people):
        period = int(rng.integers(240, 900))
        pace = float(rng.uniform(2.5, 5.5)) * (1 if rng.random() < 0.5 else -1)
        start, size = int(rng.integers(period)), float(rng.uniform(0.16, 0.26)) * height
        cloth = _CLOTHES[int(rng.integers(len(_CLOTHES)))]
        walked = ((frame + start) % period) * pace
        x = round(walked - size if pace > 0 else width + size + walked)
        if not -size < x < width + size:
            continue
        top = round(height - size * 0.75 + 3 * np.sin(frame * 0.4 + start))
        broad, tall, head = (round(size * share) for share in (0.62, 0.55, 0.23))
        cv2.ellipse(image, (x, height + 4), (broad, tall), 0, 180, 360, cloth, -1, cv2.LINE_AA)
        cv2.circle(image, (x, top + head // 2), head, _HAIR, -1, cv2.LINE_AA)


def squeezed(image: Image, quality: int) -> Image:
    """A picture as a broadcast of this JPEG quality shows it."""
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
