"""Figures: where each point of a body is, from where somebody stands and how he moves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from openbasket.simulation.choreography import SHOULDER_OUT, Scene
from openbasket.simulation.looks import Rows

# Points of a figure.
HIP_R, KNEE_R, ANKLE_R, TOE_R, HIP_L, KNEE_L, ANKLE_L, TOE_L = range(8)
SH_R, EL_R, HA_R, SH_L, EL_L, HA_L, CHEST, PELVIS, HEAD, FACE, GROUND = range(8, 19)
POINTS = 19


def joints(scene: Scene, part: Rows) -> NDArray[np.float32]:
    """World places of all points of all figures: ``(n, 11, POINTS, 3)`` metres."""
    base = scene.position[part]
    n = len(base)
    jump = scene.jump[part]
    forward = scene.facing[part]
    right = np.stack([forward[..., 1], -forward[..., 0]], -1)
    speed = scene.speed[part]
    stride = scene.stride[part]
    swing = np.clip(speed / 6.0, 0, 1) * 0.85
    still = 1 - np.clip(speed / 2.0, 0, 1)
    out = np.zeros((n, base.shape[1], POINTS, 3), np.float32)

    def put(point: int, f: Any, s: Any, z: Any) -> None:
        out[..., point, :2] = (
            base + forward * np.asarray(f)[..., None] + right * np.asarray(s)[..., None]
        )
        out[..., point, 2] = z

    arms = scene.arms[part]
    guard = np.clip((arms[..., 4] - 0.3) / 0.2, 0, 1) * np.clip((0.2 - arms[..., 5]) / 0.2, 0, 1)
    bend = 0.14 + 0.35 * guard + 0.25 * np.clip(jump / 0.3, 0, 1)
    legs = []
    for sign, phase in ((1.0, stride), (-1.0, stride + np.pi)):
        thigh = swing * np.sin(phase) + bend
        shin = thigh - 2 * bend - swing * 1.5 * np.maximum(np.cos(phase), 0)
        knee = (0.47 * np.sin(thigh), sign * (0.12 + 0.05 * still), -0.47 * np.cos(thigh))
        ankle = (
            knee[0] + 0.46 * np.sin(shin),
            sign * (0.12 + (0.08 + 0.10 * guard) * still),
            knee[2] - 0.46 * np.cos(shin),
        )
        legs.append((sign, knee, ankle))
    lowest = np.minimum(legs[0][2][2], legs[1][2][2])
    hip = 0.06 - lowest + jump
    for (sign, knee, ankle), (a, b, c, d) in zip(
        legs, ((HIP_R, KNEE_R, ANKLE_R, TOE_R), (HIP_L, KNEE_L, ANKLE_L, TOE_L)), strict=True
    ):
        zero = np.zeros_like(hip)
        put(a, zero, zero + sign * 0.10, hip)
        put(b, knee[0], knee[1], hip + knee[2])
        put(c, ankle[0], ankle[1], hip + ankle[2])
        put(d, ankle[0] + 0.17, ankle[1] * 1.1, hip + ankle[2] - 0.04)
    lean = 0.03 + 0.03 * np.clip(speed, 0, 7) + 0.10 * guard
    chest = hip + 0.55
    drop = chest - (1.50 + jump)  # arms are measured from a standing shoulder
    put(PELVIS, 0 * hip, 0 * hip, hip)
    put(CHEST, lean, 0 * hip, chest)
    put(HEAD, lean * 1.25, 0 * hip, chest + 0.27)
    put(FACE, lean * 1.25 + 0.06, 0 * hip, chest + 0.25)
    put(GROUND, 0 * hip, 0 * hip, 0 * hip + 0.0)
    for sign, (a, b, c), first in ((1.0, (SH_R, EL_R, HA_R), 0), (-1.0, (SH_L, EL_L, HA_L), 6)):
        elbow, hand = arms[..., first : first + 3], arms[..., first + 3 : first + 6]
        hang = np.clip((-0.34 - hand[..., 2]) / 0.12, 0, 1) * swing
        beat = -sign * np.sin(stride) * hang
        put(a, lean, 0 * hip + sign * SHOULDER_OUT, chest)
        keep = (
            np.clip((hand[..., 2] + 0.3) / 0.3, 0, 1) * drop
        )  # raised hands stay where the ball is
        put(
            b,
            lean + elbow[..., 0] + 0.24 * beat - 0.08 * hang,
            sign * (SHOULDER_OUT + elbow[..., 1]),
            chest + elbow[..., 2],
        )
        put(
            c,
            elbow[..., 0] * 0 + hand[..., 0] + lean * hang + 0.42 * beat + 0.12 * hang,
            sign * (SHOULDER_OUT + hand[..., 1]),
            chest + hand[..., 2] - keep + 0.22 * hang + 0.1 * np.abs(beat),
        )
    return out
