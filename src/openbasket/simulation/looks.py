"""How people look: kits, skin, hair and numbers, from ids alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AA",
    "KITS",
    "SHIFT",
    "SKIN",
    "Colour",
    "Image",
    "Person",
    "Rows",
    "floor_paint",
    "team_colours",
]

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]  # blue, green, red
Rows = NDArray[np.int64]  # frames of a scene

SHIFT = 4  # OpenCV's coordinates in sixteenths of a pixel
AA = cv2.LINE_AA
#: Jersey colours that stay apart on wood; with the colour of the number.
KITS: tuple[tuple[Colour, Colour], ...] = (
    ((46, 38, 200), (255, 255, 255)),  # red
    ((168, 84, 24), (255, 255, 255)),  # blue
    ((245, 245, 245), (60, 40, 30)),  # white
    ((70, 130, 20), (255, 255, 255)),  # green
    ((30, 200, 250), (70, 30, 20)),  # yellow
    ((40, 34, 30), (255, 255, 255)),  # black
    ((150, 50, 110), (255, 255, 255)),  # purple
    ((210, 190, 70), (60, 30, 20)),  # turquoise
)
SKIN: tuple[Colour, ...] = (
    (176, 205, 240),
    (140, 180, 225),
    (110, 150, 205),
    (80, 115, 170),
    (55, 82, 130),
    (40, 58, 96),
)
_HAIR: tuple[Colour, ...] = (
    (20, 20, 24),
    (30, 40, 60),
    (45, 70, 110),
    (90, 150, 190),
    (28, 28, 40),
)


def _digest(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big")


def team_colours(
    home_id: str, away_id: str, *, similar: bool = False
) -> tuple[tuple[Colour, Colour], tuple[Colour, Colour]]:
    """Two kits (jersey, number) from the team ids alone: they contrast, or are as ``similar`` as kits are.

    Raises nothing; equal ids give two different kits, too.
    """
    home = KITS[_digest("kit", home_id) % len(KITS)]

    def apart(kit: tuple[Colour, Colour]) -> float:
        a, b = np.array(kit[0], float), np.array(home[0], float)
        lightness = np.array([0.11, 0.59, 0.30])
        return float(abs((a - b) @ lightness) + 0.35 * np.abs(a - b).sum())

    if similar:
        return home, sorted(KITS, key=apart)[1]
    choice = sorted(KITS, key=apart, reverse=True)[:2]
    return home, choice[_digest("kit", away_id) % len(choice)]


def floor_paint(home: Colour, away: Colour) -> Colour:
    """A colour for the key that neither jersey disappears in."""
    choices: tuple[Colour, ...] = ((140, 96, 58), (64, 70, 168), (104, 120, 58), (96, 88, 84))

    def apart(colour: Colour) -> int:
        return min(
            sum(abs(a - b) for a, b in zip(colour, kit, strict=True)) for kit in (home, away)
        )

    return max(choices, key=apart)


@dataclass(frozen=True)
class Person:
    """How someone looks: invented from the id, but for the number."""

    player_id: str
    number: str
    team: int

    @property
    def skin(self) -> Colour:
        """A tone drawn from the id; it says nothing about the person."""
        return SKIN[_digest("skin", self.player_id) % len(SKIN)]

    @property
    def hair(self) -> Colour:
        """A colour drawn from the id."""
        return _HAIR[_digest("hair", self.player_id) % len(_HAIR)]
