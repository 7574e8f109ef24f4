"""The court (FIBA rules, 28 x 15 m) and the cameras that film it.

World coordinates in metres: ``X`` along the court (0 at half-way, positive to the right of the
main camera), ``Y`` across it (positive away from the camera), ``Z`` up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BASKET_X",
    "CLOSE",
    "HALF_LENGTH",
    "HALF_WIDTH",
    "RIM_RADIUS",
    "RIM_Z",
    "WIDE",
    "Camera",
    "to_world",
]

HALF_LENGTH = 14.0
HALF_WIDTH = 7.5
#: Distance of the basket's centre from the half-way line.
BASKET_X = HALF_LENGTH - 1.575
RIM_Z = 3.05
RIM_RADIUS = 0.225
THREE_RADIUS = 6.75
THREE_SIDE_Y = HALF_WIDTH - 0.9
KEY_LENGTH = 5.8
KEY_HALF_WIDTH = 2.45
CIRCLE_RADIUS = 1.8
BACKBOARD_X = HALF_LENGTH - 1.2
BACKBOARD_HALF_WIDTH = 0.9
BACKBOARD_BOTTOM_Z = 2.90
BACKBOARD_TOP_Z = 3.95
NO_CHARGE_RADIUS = 1.25

Floats = NDArray[np.float64]


def to_world(x_m: float, y_m: float, side: int) -> tuple[float, float]:
    """Turn an event's coordinates into the court's.

    Args:
        x_m: metres along the baseline, positive to the right of a viewer who faces the basket.
        y_m: metres from the basket toward the half-way line.
        side: the attacked basket: +1 the right one, -1 the left one.

    Returns:
        ``X, Y`` in metres.

    Example:
        >>> to_world(0.0, 0.0, 1)
        (12.425, -0.0)
    """
    return side * (BASKET_X - y_m), -side * x_m


@dataclass(frozen=True)
class Camera:
    """A pinhole camera beside the court that pans by shifting its picture.

    A shifted picture is a crop of one fixed panorama, so that the floor is drawn once.

    Args:
        y_m: place of the camera across the court (negative: on the near side).
        z_m: its height.
        look_y_m: the point of the floor on the optical axis.
        focal_px: focal length in pixels.
        width, height: the picture, pixels.
        horizon_px: picture row of the optical axis.
        half_span_m: how far to both sides of half-way the panorama reaches at ``Y = 0``.
    """

    y_m: float
    z_m: float
    look_y_m: float
    focal_px: float
    width: int
    height: int
    horizon_px: float
    half_span_m: float

    @property
    def _axes(self) -> tuple[float, float]:
        depth, drop = self.look_y_m - self.y_m, self.z_m
        length = float(np.hypot(depth, drop))
        return depth / length, drop / length  # cosine and sine of the tilt

    @property
    def tilt(self) -> tuple[float, float]:
        """Cosine and sine of the angle by which the camera looks down."""
        return self._axes

    @property
    def panorama_width(self) -> int:
        """Pixels of the whole panorama."""
        return 2 * self.origin_px

    @property
    def origin_px(self) -> int:
        """Column of the panorama in which half-way lies."""
        return int(self.half_span_m * float(self.scale(0.0, 0.0)))

    def scale(self, y: Floats | float, z: Floats | float) -> Floats:
        """Pixels a metre at a depth and height. Shapes broadcast."""
        cos, sin = self._axes
        return np.asarray(
            self.focal_px / (cos * (np.asarray(y) - self.y_m) - sin * (np.asarray(z) - self.z_m))
        )

    def project(self, x: Floats | float, y: Floats | float, z: Floats | float) -> Floats:
        """World metres to panorama pixels ``(..., 2)``; row 0 is the picture's top."""
        cos, sin = self._axes
        dy, dz = np.asarray(y) - self.y_m, np.asarray(z) - self.z_m
        depth = cos * dy - sin * dz
        up = sin * dy + cos * dz
        u = self.origin_px + self.focal_px * np.asarray(x) / depth
        v = self.horizon_px - self.focal_px * up / depth
        return np.stack(np.broadcast_arrays(u, v), axis=-1)


#: The main camera: high on the side, half a court in view.
WIDE = Camera(-27.0, 11.5, 0.0, 1370.0, 704, 400, 226.0, 21.5)
#: The same place with a longer lens: free throws and close-ups.
CLOSE = Camera(-27.0, 11.5, 0.0, 1830.0, 704, 400, 258.0, 20.5)
