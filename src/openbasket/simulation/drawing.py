"""Draw a scene: the floor once, figures as anti-aliased shapes, one conversion to YUV a frame.

Everything is drawn with OpenCV, the fastest of the candidates (``benchmarks/drawing.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from openbasket.simulation import court
from openbasket.simulation.choreography import REFEREE, SHOULDER_OUT, Scene
from openbasket.simulation.court import BASKET_X, CLOSE, RIM_RADIUS, RIM_Z, WIDE, Camera
from openbasket.simulation.difficulty import EASY, Difficulty, cross, shaken, squeezed

__all__ = [
    "Painter",
    "Person",
    "clock_text",
    "draw_corner",
    "hall",
    "period_text",
    "scoreboard",
    "team_colours",
]

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]  # blue, green, red
Rows = NDArray[np.int64]  # frames of a scene

SHIFT = 4  # OpenCV's coordinates in sixteenths of a pixel
AA = cv2.LINE_AA
#: Jersey colours that stay apart on wood; with the colour of the number.
_KITS: tuple[tuple[Colour, Colour], ...] = (
    ((46, 38, 200), (255, 255, 255)),  # red
    ((168, 84, 24), (255, 255, 255)),  # blue
    ((245, 245, 245), (60, 40, 30)),  # white
    ((70, 130, 20), (255, 255, 255)),  # green
    ((30, 200, 250), (70, 30, 20)),  # yellow
    ((40, 34, 30), (255, 255, 255)),  # black
    ((150, 50, 110), (255, 255, 255)),  # purple
    ((210, 190, 70), (60, 30, 20)),  # turquoise
)
_SKIN: tuple[Colour, ...] = (
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
_MARK: Colour = (255, 0, 255)
_REFEREE_KIT: tuple[Colour, Colour] = ((165, 160, 155), (40, 40, 40))


def _digest(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big")


def team_colours(
    home_id: str, away_id: str, *, similar: bool = False
) -> tuple[tuple[Colour, Colour], tuple[Colour, Colour]]:
    """Two kits (jersey, number) from the team ids alone: they contrast, or are as ``similar`` as kits are.

    Raises nothing; equal ids give two different kits, too.
    """
    home = _KITS[_digest("kit", home_id) % len(_KITS)]

    def apart(kit: tuple[Colour, Colour]) -> float:
        a, b = np.array(kit[0], float), np.array(home[0], float)
        lightness = np.array([0.11, 0.59, 0.30])
        return float(abs((a - b) @ lightness) + 0.35 * np.abs(a - b).sum())

    if similar:
        return home, sorted(_KITS, key=apart)[1]
    choice = sorted(_KITS, key=apart, reverse=True)[:2]
    return home, choice[_digest("kit", away_id) % len(choice)]


def _paint(home: Colour, away: Colour) -> Colour:
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
        return _SKIN[_digest("skin", self.player_id) % len(_SKIN)]

    @property
    def hair(self) -> Colour:
        """A colour drawn from the id."""
        return _HAIR[_digest("hair", self.player_id) % len(_HAIR)]


# -- text -----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _text(text: str, height: int, width: int | None = None, weight: int = 11) -> NDArray[np.uint16]:
    """Coverage 0..256 of a text, cropped to its ink, ``(height, w)``."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 4.0
    (w, h), base = cv2.getTextSize(text, font, scale, weight)
    canvas = np.zeros((h + base + 4 * weight, w + 4 * weight), np.uint8)
    cv2.putText(canvas, text, (2 * weight, h + 2 * weight), font, scale, 255, weight, AA)
    rows, columns = np.flatnonzero(canvas.any(1)), np.flatnonzero(canvas.any(0))
    if not len(rows):
        return np.zeros((height, 1), np.uint16)
    ink = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    wide = width or max(1, round(ink.shape[1] * height / ink.shape[0]))
    small = cv2.resize(ink, (wide, height), interpolation=cv2.INTER_AREA)
    return np.minimum(small.astype(np.uint16) * 257 // 255, 256).astype(np.uint16)


def _blend(image: Image, mask: NDArray[np.uint16], left: int, top: int, colour: Colour) -> None:
    """Paint a colour through a mask; whatever leaves the picture is cut off."""
    h, w = mask.shape
    y0, y1 = max(top, 0), min(top + h, image.shape[0])
    x0, x1 = max(left, 0), min(left + w, image.shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    part = image[y0:y1, x0:x1]
    alpha = mask[y0 - top : y1 - top, x0 - left : x1 - left, None]
    mixed = part * (256 - alpha) + np.array(colour, np.uint16) * alpha
    part[:] = (mixed >> 8).astype(np.uint8)


def clock_text(clock_s: float) -> str:
    """The game clock as a scoreboard shows it: ``m:ss``, tenths in the last minute."""
    if clock_s < 60:
        tenths = int(clock_s * 10 + 1e-6)
        return f"{tenths // 10}.{tenths % 10}"
    seconds = int(clock_s + 1e-6)
    return f"{seconds // 60}:{seconds % 60:02d}"


def period_text(period: int, periods: int) -> str:
    """``Q1`` to ``Q4``, ``H1`` and ``H2`` for halves, ``OT1`` and on."""
    if period > periods:
        return f"OT{period - periods}"
    return f"{'H' if periods == 2 else 'Q'}{period}"


@lru_cache(maxsize=512)
def _board(
    codes: tuple[str, str], colours: tuple[Colour, Colour], score: tuple[int, int], period: str
) -> Image:
    board = np.empty((40, 236, 3), np.uint8)
    board[:] = (48, 30, 22)
    for row in (0, 1):
        top = 20 * row
        cv2.rectangle(board, (0, top), (5, top + 19), colours[row], -1)
        _centre(board, codes[row], 38, top + 10, 12, (255, 255, 255))
        board[top + 1 : top + 19, 72:114] = (78, 52, 40)
        _centre(board, str(score[row]), 93, top + 10, 13, (255, 255, 255))
    board[20:21, 6:114] = (96, 70, 56)
    board[:, 116:118] = (20, 12, 8)
    _centre(board, period, 142, 20, 14, (120, 215, 255))
    return board


def _centre(image: Image, text: str, x: int, y: int, height: int, colour: Colour) -> None:
    mask = _text(text, height, None, 13)
    _blend(image, mask, x - mask.shape[1] // 2, y - height // 2, colour)


@lru_cache(maxsize=2048)
def scoreboard(
    codes: tuple[str, str],
    colours: tuple[Colour, Colour],
    score: tuple[int, int],
    period: str,
    clock: str,
) -> Image:
    """The graphic in the corner: codes, score, period, game clock. ``(40, 236, 3)``."""
    board = _board(codes, colours, score, period).copy()
    _centre(board, clock, 198, 20, 18, (255, 255, 255))
    return board


def draw_corner(image: Image, graphic: Image) -> None:
    """Put the graphic into its corner of a picture, BGR ``(height, width, 3)``, at the size that suits it."""
    scale = image.shape[0] / 400
    if scale != 1:
        graphic = np.asarray(
            cv2.resize(graphic, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    left, top = round(18 * scale), round(346 * scale)
    image[top : top + graphic.shape[0], left : left + graphic.shape[1]] = graphic


# -- the hall -------------------------------------------------------------------------------

_FLOOR_PX = 56  # a metre of the floor's texture
_MARGIN_X, _MARGIN_Y = 10.0, 4.5  # metres of floor drawn around the court


@lru_cache(maxsize=4)
def _floor(paint: Colour) -> Image:
    """The floor from above; row 0 is the far side."""
    width = int(2 * (court.HALF_LENGTH + _MARGIN_X) * _FLOOR_PX)
    height = int(2 * (court.HALF_WIDTH + _MARGIN_Y) * _FLOOR_PX)
    rng = np.random.default_rng(7)
    floor = np.empty((height, width, 3), np.uint8)
    dark = tuple(int(c * 0.62 + 18) for c in paint)
    floor[:] = dark

    def px(x: float, y: float) -> tuple[int, int]:
        return (
            round((x + court.HALF_LENGTH + _MARGIN_X) * _FLOOR_PX),
            round((court.HALF_WIDTH + _MARGIN_Y - y) * _FLOOR_PX),
        )

    (x0, y0), (x1, y1) = (
        px(-court.HALF_LENGTH, court.HALF_WIDTH),
        px(court.HALF_LENGTH, -court.HALF_WIDTH),
    )
    wood = np.empty((y1 - y0, x1 - x0, 3), np.int16)
    wood[:] = (142, 190, 224)
    for top in range(0, wood.shape[0], 14):  # planks
        cuts = np.sort(rng.integers(0, wood.shape[1], 14))
        tone = np.repeat(rng.integers(-5, 6, 15), np.diff([0, *cuts, wood.shape[1]]))
        wood[top : top + 14] += tone[None, :, None].astype(np.int16)
    floor[y0:y1, x0:x1] = np.clip(wood, 0, 255)
    white, line = (250, 250, 250), 5
    for side in (-1, 1):
        key = (px(side * 14.0, court.KEY_HALF_WIDTH), px(side * 8.2, -court.KEY_HALF_WIDTH))
        cv2.rectangle(floor, key[0], key[1], paint, -1)
        cv2.rectangle(floor, key[0], key[1], white, line, AA)
        centre = px(side * 8.2, 0)
        radius = int(court.CIRCLE_RADIUS * _FLOOR_PX)
        start = 90 if side > 0 else -90
        cv2.ellipse(floor, centre, (radius, radius), 0, start, start + 180, white, line, AA)
        angle = np.arcsin(court.THREE_SIDE_Y / court.THREE_RADIUS)
        turn = np.linspace(-angle, angle, 120)
        arc = [
            px(side * (BASKET_X - court.THREE_RADIUS * np.cos(a)), court.THREE_RADIUS * np.sin(a))
            for a in turn
        ]
        arc = [px(side * 14.0, -court.THREE_SIDE_Y), *arc, px(side * 14.0, court.THREE_SIDE_Y)]
        cv2.polylines(floor, [np.array(arc, np.int32)], False, white, line, AA)
        small = [
            px(
                side * (BASKET_X - court.NO_CHARGE_RADIUS * np.cos(a)),
                court.NO_CHARGE_RADIUS * np.sin(a),
            )
            for a in np.linspace(-np.pi / 2, np.pi / 2, 60)
        ]
        cv2.polylines(floor, [np.array(small, np.int32)], False, white, line, AA)
    radius = int(court.CIRCLE_RADIUS * _FLOOR_PX)
    cv2.circle(floor, px(0, 0), radius, paint, -1, AA)
    cv2.circle(floor, px(0, 0), radius, white, line, AA)
    cv2.line(floor, px(0, 7.5), px(0, -7.5), white, line, AA)
    cv2.rectangle(floor, (x0, y0), (x1, y1), white, line, AA)
    return floor


def _panorama(camera: Camera, paint: Colour) -> Image:
    """All that stands still, as wide as the camera can pan. ``(height, panorama_width, 3)``."""
    floor = _floor(paint)
    x, y = court.HALF_LENGTH + _MARGIN_X, court.HALF_WIDTH + _MARGIN_Y
    corners = np.array([(-x, y, 0), (x, y, 0), (x, -y, 0), (-x, -y, 0)], float)
    there = camera.project(corners[:, 0], corners[:, 1], corners[:, 2]).astype(np.float32)
    h, w = floor.shape[:2]
    here = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
    size = (camera.panorama_width, camera.height)
    big = (size[0] * 2, size[1] * 2)
    matrix = cv2.getPerspectiveTransform(here, there * 2)
    image = cv2.resize(
        cv2.warpPerspective(floor, matrix, big, flags=cv2.INTER_LINEAR, borderValue=(44, 34, 30)),
        size,
        interpolation=cv2.INTER_AREA,
    ).astype(np.uint8)
    _stands(image, camera)
    far = int(float(camera.project(0.0, 9.6, 0.9)[1])) + 1  # the crowd is out of focus
    image[:far] = cv2.GaussianBlur(image[:far], (0, 0), 1.3)
    _boards(image, camera, paint)
    for side in (-1, 1):
        _basket(image, camera, side)
    return image


def hall() -> Image:
    """The empty hall, as wide as the camera can pan. ``(height, width, 3)`` BGR."""
    return _panorama(WIDE, _paint(_KITS[0][0], _KITS[1][0]))


def _point(camera: Camera, x: float, y: float, z: float) -> tuple[int, int]:
    u, v = camera.project(x, y, z) * (1 << SHIFT)
    return round(float(u)), round(float(v))


def _quad(
    image: Image, camera: Camera, points: Sequence[tuple[float, float, float]], colour: Colour
) -> None:
    polygon = np.array([_point(camera, *p) for p in points], np.int32)
    cv2.fillPoly(image, [polygon], colour, AA, SHIFT)


def _stands(image: Image, camera: Camera) -> None:
    rng = np.random.default_rng(11)
    _quad(image, camera, [(-40, 10.2, 0), (40, 10.2, 0), (60, 30, 16), (-60, 30, 16)], (40, 31, 27))
    shirts = [
        (60, 60, 150),
        (130, 80, 50),
        (120, 120, 120),
        (70, 60, 60),
        (60, 110, 140),
        (90, 70, 40),
    ]
    for row in range(11, -1, -1):
        y, z = 11.2 + 0.85 * row, 0.9 + 0.48 * row
        dim = 0.62 - 0.022 * row
        _quad(
            image,
            camera,
            [(-40, y - 0.4, z - 0.5), (40, y - 0.4, z - 0.5), (40, y - 0.4, z), (-40, y - 0.4, z)],
            (54, 43, 38) if row % 2 else (48, 38, 34),
        )
        for x in np.arange(-30.0, 30.0, 0.62):
            if rng.random() < 0.13 or abs((x + 30) % 12 - 6) < 0.5:
                continue
            at = float(x + rng.normal(0, 0.06))
            scale = float(camera.scale(y, z))
            shirt = shirts[int(rng.integers(len(shirts)))]
            shade = float(rng.uniform(0.8, 1.25)) * dim
            colour = tuple(int(min(c * shade, 255)) for c in shirt)
            skin = _SKIN[int(rng.integers(len(_SKIN)))]
            face = tuple(int(c * dim) for c in skin)
            u, v = _point(camera, at, y, z + 0.28)
            body = int(0.24 * scale * (1 << SHIFT))
            cv2.circle(image, (u, v + body), body, colour, -1, AA, SHIFT)
            cv2.circle(image, (u, v - body // 3), int(body * 0.55), face, -1, AA, SHIFT)


def _boards(image: Image, camera: Camera, paint: Colour) -> None:
    """Advertising boards along the far side, and the scorer's table."""
    y = 9.6
    shade: Colour = (paint[0] * 11 // 20 + 20, paint[1] * 11 // 20 + 20, paint[2] * 11 // 20 + 20)
    tones = (shade, (58, 44, 36))
    words = ("OPENBASKET", "20 SKILLS", "5 LEVELS")
    for index, x in enumerate(np.arange(-27.0, 27.0, 4.5)):
        _quad(
            image,
            camera,
            [(x, y, 0), (x + 4.5, y, 0), (x + 4.5, y, 0.9), (x, y, 0.9)],
            tones[index % 2],
        )
        text = words[index % 3]
        height = int(float(camera.scale(y, 0.4)) * 0.36)
        u, v = camera.project(x + 2.25, y, 0.45)
        mask = _text(text, height, None, 12)
        _blend(image, mask, int(u) - mask.shape[1] // 2, int(v) - height // 2, (210, 205, 200))


def _basket(image: Image, camera: Camera, side: int) -> None:
    """Post, arm and board; the ring and the net move and are drawn with each frame."""
    s = float(side)
    steel, pad = (70, 64, 60), (120, 70, 40)
    base = 15.6
    _quad(
        image,
        camera,
        [
            (s * (base - 0.3), 0, 0),
            (s * (base + 0.5), 0, 0),
            (s * (base + 0.4), 0, 2.2),
            (s * (base - 0.2), 0, 2.2),
        ],
        pad,
    )
    for z0, z1 in ((2.1, 3.2), (2.3, 3.6)):
        a, b = _point(camera, s * base, 0, z0), _point(camera, s * 12.85, 0, z1)
        cv2.line(image, a, b, steel, 5, AA, SHIFT)
    board = _board_points(camera, side)
    glass = image.copy()
    cv2.fillPoly(glass, [board], (235, 225, 215), AA, SHIFT)
    cv2.addWeighted(glass, 0.55, image, 0.45, 0, image)
    cv2.polylines(image, [board], True, (250, 250, 250), 2, AA, SHIFT)


def _board_points(camera: Camera, side: int) -> NDArray[np.int32]:
    x, w = side * court.BACKBOARD_X, court.BACKBOARD_HALF_WIDTH
    low, high = court.BACKBOARD_BOTTOM_Z, court.BACKBOARD_TOP_Z
    corners = [(x, -w, low), (x, w, low), (x, w, high), (x, -w, high)]
    return np.array([_point(camera, *p) for p in corners], np.int32)


# -- figures --------------------------------------------------------------------------------

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


class Painter:
    """Draws the frames of one game.

    Args:
        people: everyone; a scene's ``who`` points into it.
        kits: jersey and number colours of home and away.
        codes: what the scoreboard calls the teams.
        periods: periods of regulation.
        difficulty: how hard the pictures are to watch.
        seed: of what the difficulty adds.
    """

    def __init__(
        self,
        people: Sequence[Person],
        kits: tuple[tuple[Colour, Colour], tuple[Colour, Colour]],
        codes: tuple[str, str],
        periods: int,
        difficulty: Difficulty = EASY,
        seed: Sequence[int] = (0,),
    ) -> None:
        cv2.setNumThreads(1)
        self.people = people
        self.kits = kits
        self.codes = codes
        self.periods = periods
        self.difficulty = difficulty
        self._seed = tuple(seed)
        paint = _paint(kits[0][0], kits[1][0])
        self._looks = [(p.skin, p.hair, p.number) for p in people]
        self._views = {
            close: _View(camera, _panorama(camera, paint), difficulty.numbers)
            for close, camera in ((False, WIDE), (True, CLOSE))
        }

    def frames(
        self,
        scene: Scene,
        period: int,
        clocks: NDArray[np.float64],
        end: int | None = None,
        board: bool = True,
    ) -> Iterator[Image]:
        """Yield the pictures of a scene, BGR ``(400, 704, 3)``; each is overwritten by the next.

        Args:
            scene: a period.
            period: its number, for the scoreboard.
            clocks: the game clock in each frame, seconds.
            end: stop after so many frames.
            board: draw the scoreboard.
        """
        total = len(scene.ball) if end is None else min(end, len(scene.ball))
        return self.some(scene, period, clocks, np.arange(total), board)

    def some(
        self,
        scene: Scene,
        period: int,
        clocks: NDArray[np.float64],
        rows: Rows,
        board: bool = True,
        marks: Sequence[int] | None = None,
    ) -> Iterator[Image]:
        """Yield some pictures of a scene: those that :meth:`frames` yields of these rows, in their order.

        Args:
            scene: a period.
            period: its number, for the scoreboard.
            clocks: the game clock in each frame of the period, seconds.
            rows: the frames.
            board: draw the scoreboard.
            marks: who is marked in each of them, a place in ``people``; -1: nobody.
        """
        for start in range(0, len(rows), 300):
            part = rows[start : start + 300]
            cast = self._cast(scene, part)
            prepared = {
                close: view.prepare(scene, part, cast)
                for close, view in self._views.items()
                if (scene.close[part] == close).any()
            }
            for i, frame in enumerate(part.tolist()):
                close = bool(scene.close[frame])
                view = self._views[close]
                image = view.draw(prepared[close], i, scene, frame, cast, self._looks, self.kits)
                if marks is not None and marks[start + i] >= 0:
                    view.mark(prepared[close], i, cast, marks[start + i])
                image = self._made_hard(image, scene.first + frame)
                if board:
                    score = (int(scene.score[frame, 0]), int(scene.score[frame, 1]))
                    self.corner(image, period, score, float(clocks[frame]))
                if self.difficulty.quality < 100:
                    image = squeezed(image, self.difficulty.quality)
                yield image

    def _cast(self, scene: Scene, rows: Rows) -> _Cast:
        """Everyone who is seen, the distractors behind those on court."""
        places, who = joints(scene, rows), scene.who[rows]
        facing, ball = scene.facing[rows], scene.ball[rows]
        teams = [slot // 5 for slot in range(REFEREE)] + [-1]
        balls = [ball]
        count = self.difficulty.distractors
        if count:
            before = np.maximum(rows - DELAY, 0)
            old, old_ball = joints(scene, before), scene.ball[before]
            slots = [(3 * k) % REFEREE for k in range(count)]
            copies = old[:, slots]
            stand = np.stack([np.linspace(-12, 12, count), np.full(count, BESIDE_Y)], 1)
            at = copies[:, :, PELVIS, :2]
            copies[..., :2] += (stand + SWAY * at - at).astype(np.float32)[:, :, None]
            places = np.concatenate([places, copies], 1)
            nobody = np.full((len(rows), 1), -1, who.dtype)  # the referee
            who = np.concatenate([who, nobody, scene.who[before][:, slots]], 1)
            facing = np.concatenate([facing, scene.facing[before][:, slots]], 1)
            held = old_ball.copy()
            held[:, :2] += copies[:, 0, PELVIS, :2] - old[:, slots[0], PELVIS, :2]
            near = np.abs(old_ball[:, :2] - old[:, slots[0], PELVIS, :2]).max(1) < 1.5
            held[~near] = copies[~near, 0, HA_R]
            balls.append(held)
            teams += [slot // 5 for slot in slots]
        return _Cast(places, who, facing, tuple(teams), tuple(balls))

    def _made_hard(self, image: Image, frame: int) -> Image:
        """What stands between the camera and those who watch, but for the scoreboard and the coding."""
        hard = self.difficulty
        if hard.clutter:
            cross(image, np.random.default_rng([*self._seed, 1]), hard.clutter, frame)
        if hard.shake_px:
            rng = np.random.default_rng([*self._seed, 2])
            right, down = shaken(rng, hard.shake_px, np.array([frame]))[0].tolist()
            matrix = np.array([[1, 0, -right], [0, 1, -down]], np.float32)
            size = (image.shape[1], image.shape[0])
            image[:] = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        return image

    def corner(self, image: Image, period: int, score: tuple[int, int], clock_s: float) -> None:
        """Draw the scoreboard of style ``corner`` into a picture, ``(400, 704, 3)``."""
        colours = (self.kits[0][0], self.kits[1][0])
        label = period_text(period, self.periods)
        draw_corner(image, scoreboard(self.codes, colours, score, label, clock_text(clock_s)))


#: Distractors do what was done on court so many frames before.
DELAY = 75
#: Where they stand across the court, metres; and which part of the others' way they go.
BESIDE_Y, SWAY = -8.0, 0.06


@dataclass
class _Cast:
    """Who is seen in some frames, and where: the ten players, the referee, then distractors."""

    places: NDArray[np.float32]  # (n, K, POINTS, 3) metres
    who: NDArray[np.int32]  # (n, K or 10)
    facing: NDArray[np.float32]  # (n, K, 2)
    teams: tuple[int, ...]  # of each figure; the referee has none
    balls: tuple[NDArray[np.float32], ...]  # (n, 3) each, the one in play first


@dataclass
class _Prepared:
    points: NDArray[np.int32]  # (n, K, POINTS, 2) sixteenths of a pixel of the panorama
    scale: NDArray[np.float64]  # (n, K) pixels a metre
    left: NDArray[np.int32]  # (n,) first column of the picture
    order: NDArray[np.int64]  # (n, K) far to near
    ball: NDArray[np.int32]  # (n, 2 balls, 2): the balls, then their shadows
    ball_scale: NDArray[np.float64]  # (n, balls)


class _View:
    """A camera with its panorama."""

    def __init__(self, camera: Camera, panorama: Image, numbers: float = 1.0) -> None:
        self.camera = camera
        self.numbers = numbers
        self.panorama = panorama
        self.shaded = (panorama * 0.66).astype(np.uint8)
        self.image = np.empty((camera.height, camera.width, 3), np.uint8)
        self.mask = np.zeros((camera.height, camera.width), np.uint8)
        turn = np.linspace(0, 2 * np.pi, 17)
        self.rings, self.boards, self.nets = [], [], []
        for side in (1, -1):
            ring = camera.project(
                side * BASKET_X + RIM_RADIUS * np.cos(turn), RIM_RADIUS * np.sin(turn), RIM_Z
            )
            self.rings.append(_fixed(ring))
            self.boards.append(_board_points(camera, side))
            self.nets.append([self._net(side, k) for k in range(25)])

    def _net(self, side: int, phase: int) -> list[NDArray[np.int32]]:
        """Strings of the net, ``phase`` frames after the ball went through; 24 is at rest."""
        pull = 0.0 if phase >= 24 else float(np.sin(phase / 24 * np.pi * 3) * (1 - phase / 24))
        strings = []
        angles = np.linspace(0, 2 * np.pi, 9)[:-1]
        levels = (
            (RIM_RADIUS, 0.0),
            (0.16 + 0.04 * pull, 0.22),
            (0.12 + 0.05 * pull, 0.44 + 0.12 * pull),
        )
        for turn in (-1, 1):
            for a in angles:
                line = [
                    (
                        side * BASKET_X + r * np.cos(a + turn * 0.4 * i),
                        r * np.sin(a + turn * 0.4 * i),
                        RIM_Z - d,
                    )
                    for i, (r, d) in enumerate(levels)
                ]
                points = np.array(line)
                strings.append(
                    _fixed(self.camera.project(points[:, 0], points[:, 1], points[:, 2]))
                )
        return strings

    def prepare(self, scene: Scene, part: Rows, cast: _Cast) -> _Prepared:
        """Project some frames at once."""
        camera = self.camera
        exact = cast.places.astype(np.float64)
        points = _fixed(camera.project(exact[..., 0], exact[..., 1], exact[..., 2]))
        scale = camera.scale(exact[..., PELVIS, 1], exact[..., PELVIS, 2])
        middle = scene.camera_x[part].astype(np.float64) * float(camera.scale(0.0, 0.0))
        left = np.round(camera.origin_px + middle - camera.width / 2).astype(np.int32)
        left = np.clip(left, 0, camera.panorama_width - camera.width)
        order = np.argsort(-cast.places[:, :, PELVIS, 1], axis=1, kind="stable")
        balls = [ball.astype(np.float64) for ball in cast.balls]
        seen = [camera.project(b[:, 0], b[:, 1], b[:, 2]) for b in balls]
        seen += [camera.project(b[:, 0], b[:, 1], np.zeros(len(b))) for b in balls]
        sizes = np.stack([camera.scale(b[:, 1], b[:, 2]) for b in balls], 1)
        return _Prepared(points, scale, left, order, _fixed(np.stack(seen, 1)), sizes)

    def draw(
        self,
        prepared: _Prepared,
        i: int,
        scene: Scene,
        frame: int,
        cast: _Cast,
        looks: Sequence[tuple[Colour, Colour, str]],
        kits: tuple[tuple[Colour, Colour], tuple[Colour, Colour]],
    ) -> Image:
        """Draw one frame of those that are prepared."""
        image, width = self.image, self.camera.width
        left = int(prepared.left[i])
        np.copyto(image, self.panorama[:, left : left + width])
        offset = left << SHIFT
        points = prepared.points[i] - np.array([offset, 0], np.int32)
        ball = prepared.ball[i] - np.array([offset, 0], np.int32)
        order = [int(k) for k in prepared.order[i]]
        edge = width << SHIFT
        order = [k for k in order if -900 < points[k, PELVIS, 0] < edge + 900]
        rows = points.tolist()
        sizes = prepared.ball_scale[i].tolist()
        balls = len(sizes)
        self._shadows(rows, prepared.scale[i], order, ball[balls:], sizes, left)
        ball_x, ball_y, ball_z = (float(v) for v in scene.ball[frame])
        near_ring = abs(abs(ball_x) - BASKET_X) < 0.5 and ball_z > 2.3 and abs(ball_y) < 0.5
        ball_depth = 0.001 if near_ring else ball_y - 0.12
        items = [(-float(cast.places[i, k, PELVIS, 1]), k) for k in order]
        items.append((-ball_depth, -1))
        items += [(-0.0 + 0.0, -2), (-0.0 + 0.0, -3)]
        items += [(0.12 - float(cast.balls[k][i, 1]), -3 - k) for k in range(1, balls)]
        items.sort(key=lambda item: (item[0], -item[1]))
        facing = cast.facing[i]
        for _, what in items:
            if what >= 0:
                if what == REFEREE:
                    skin, hair, number = (110, 150, 205), (28, 28, 40), ""
                    kit = _REFEREE_KIT
                else:
                    skin, hair, number = looks[int(cast.who[i, what])]
                    kit = kits[cast.teams[what]]
                self._figure(
                    rows[what],
                    float(prepared.scale[i, what]),
                    float(facing[what, 1]),
                    skin,
                    hair,
                    kit,
                    number,
                    what == REFEREE,
                )
            elif what == -1 or what < -3:
                which = 0 if what == -1 else -3 - what
                self._ball(ball[which], sizes[which])
            else:
                self._ring(-what - 2, left, int(scene.net[frame, -what - 2]))
        return image

    def mark(self, prepared: _Prepared, i: int, cast: _Cast, who: int) -> None:
        """Put an arrow above somebody's head, if he is on court."""
        left = int(prepared.left[i]) << SHIFT
        for slot in np.flatnonzero(cast.who[i, :REFEREE] == who).tolist():
            x, y = prepared.points[i, slot, HEAD].tolist()
            unit = int(prepared.scale[i, slot] * (1 << SHIFT))  # a metre
            x, tip = x - left, y - unit // 4
            arrow = [(x, tip), (x - unit // 5, tip - unit // 3), (x + unit // 5, tip - unit // 3)]
            cv2.fillConvexPoly(self.image, np.array(arrow, np.int32), _MARK, AA, SHIFT)

    def _shadows(
        self,
        rows: list[list[list[int]]],
        scale: NDArray[np.float64],
        order: list[int],
        balls: NDArray[np.int32],
        sizes: list[float],
        left: int,
    ) -> None:
        mask = self.mask
        mask[:] = 0
        for k in order:
            u, v = rows[k][GROUND]
            w = max(int(scale[k] * 0.36), 2)
            cv2.ellipse(mask, (u >> SHIFT, v >> SHIFT), (w, max(w * 2 // 5, 1)), 0, 0, 360, 255, -1)
        for (x, y), size in zip(balls.tolist(), sizes, strict=True):
            w = max(int(size * 0.15), 1)
            cv2.ellipse(mask, (x >> SHIFT, y >> SHIFT), (w, max(w // 2, 1)), 0, 0, 360, 255, -1)
        shade = self.shaded[:, left : left + self.camera.width]
        cv2.copyTo(shade, mask, self.image)

    def _ring(self, side: int, left: int, phase: int) -> None:
        ring = self.rings[side] - np.array([left << SHIFT, 0], np.int32)
        u = int(ring[0, 0]) >> SHIFT
        if not -60 < u < self.camera.width + 60:
            return
        offset = np.array([left << SHIFT, 0], np.int32)
        net = [string - offset for string in self.nets[side][phase if phase >= 0 else 24]]
        cv2.polylines(self.image, net, False, (240, 240, 240), 1, AA, SHIFT)
        cv2.polylines(self.image, [self.boards[side] - offset], True, (250, 250, 250), 2, AA, SHIFT)
        cv2.polylines(self.image, [ring], True, (30, 80, 240), 2, AA, SHIFT)

    def _ball(self, at: NDArray[np.int32], scale: float) -> None:
        x, y = int(at[0]), int(at[1])
        radius = int(max(0.145 * scale, 4.0) * 16)
        cv2.circle(self.image, (x, y), radius + 14, (20, 40, 90), -1, AA, SHIFT)
        cv2.circle(self.image, (x, y), radius, (40, 120, 240), -1, AA, SHIFT)
        cv2.circle(
            self.image,
            (x - radius // 3, y - radius // 3),
            radius // 3,
            (110, 175, 255),
            -1,
            AA,
            SHIFT,
        )

    def _figure(
        self,
        p: list[list[int]],
        scale: float,
        away: float,
        skin: Colour,
        hair: Colour,
        kit: tuple[Colour, Colour],
        number: str,
        referee: bool,
    ) -> None:
        image, line = self.image, cv2.line
        jersey, ink = kit
        dark: Colour = (jersey[0] * 4 // 5, jersey[1] * 4 // 5, jersey[2] * 4 // 5)
        shorts = (40, 40, 40) if referee else dark
        shade: Colour = (skin[0] * 5 // 6, skin[1] * 5 // 6, skin[2] * 5 // 6)
        thigh, shin = max(int(scale * 0.185), 2), max(int(scale * 0.115), 2)
        arm, shoe = max(int(scale * 0.10), 2), max(int(scale * 0.125), 2)
        right_near = p[SH_R][1] >= p[SH_L][1]
        arms = ((SH_L, EL_L, HA_L), (SH_R, EL_R, HA_R))
        legs = ((HIP_L, KNEE_L, ANKLE_L, TOE_L), (HIP_R, KNEE_R, ANKLE_R, TOE_R))
        if not right_near:
            arms, legs = (arms[1], arms[0]), (legs[1], legs[0])
        a, b, c = arms[0]
        line(image, p[a], p[b], shade, arm, AA, SHIFT)
        line(image, p[b], p[c], shade, arm, AA, SHIFT)
        for (hip, knee, ankle, toe), tone in zip(legs, (shade, skin), strict=True):
            k, h = p[knee], p[hip]
            cut = ((h[0] + 5 * k[0]) // 6, (h[1] + 5 * k[1]) // 6)
            line(image, k, p[ankle], shorts if referee else tone, shin, AA, SHIFT)
            line(
                image,
                p[ankle],
                p[toe],
                (235, 235, 235) if not referee else (20, 20, 20),
                shoe,
                AA,
                SHIFT,
            )
            line(image, h, cut, shorts, thigh, AA, SHIFT)
        # torso: as wide as the shoulders are seen, at least a body's depth
        chest, pelvis = p[CHEST], p[PELVIS]
        seen = abs(p[SH_R][0] - p[SH_L][0]) // 2
        least = int(0.17 * scale * 16)
        half = max(seen, least)
        waist = max(half * 4 // 5, least)
        top, low = chest[1] - int(0.05 * scale * 16), pelvis[1] + int(0.06 * scale * 16)
        cv2.circle(image, (chest[0], top), int(0.075 * scale * 16), skin, -1, AA, SHIFT)
        polygon = np.array(
            [
                (chest[0] - half * 3 // 5, top - 24),
                (chest[0] + half * 3 // 5, top - 24),
                (chest[0] + half, top + 24),
                (pelvis[0] + waist, low),
                (pelvis[0] - waist, low),
                (chest[0] - half, top + 24),
            ],
            np.int32,
        )
        cv2.fillConvexPoly(image, polygon, jersey, AA, SHIFT)
        cv2.polylines(image, [polygon], True, dark, 1, AA, SHIFT)
        a, b, c = arms[1]
        if referee:
            line(image, p[a], p[b], jersey, arm + 1, AA, SHIFT)
        else:
            line(image, p[a], p[b], skin, arm, AA, SHIFT)
        line(image, p[b], p[c], skin, arm, AA, SHIFT)
        if number and self.numbers:
            height = max(int(scale * 0.36), 7)
            room = max(int(half * 2 / 16 * (0.80 if len(number) > 1 else 0.42)), 4)
            mask = _text(
                number, height, min(room, int(height * (1.25 if len(number) > 1 else 0.66)))
            )
            if self.numbers < 1:
                mask = (mask * self.numbers).astype(np.uint16)
            x = (chest[0] * 2 + pelvis[0]) // 3 >> SHIFT
            y = (top * 11 + low * 9) // 20 >> SHIFT
            _blend(image, mask, x - mask.shape[1] // 2, y - height // 2, ink)
        head = p[HEAD]
        radius = int(0.135 * scale * 16)
        cv2.circle(image, (head[0], head[1]), radius, hair, -1, AA, SHIFT)
        if away < 0.75:
            face = p[FACE]
            cv2.circle(
                image,
                (face[0], face[1] + radius // 5),
                int(radius * (0.86 if away < 0.2 else 0.7)),
                skin,
                -1,
                AA,
                SHIFT,
            )


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Pixels to OpenCV's fixed point."""
    return np.round(points * (1 << SHIFT)).astype(np.int32)
