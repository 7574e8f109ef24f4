"""All that stands still: the floor, the stands, the advertising boards, the baskets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from openbasket.simulation import court
from openbasket.simulation.court import BASKET_X, WIDE, Camera
from openbasket.simulation.graphics import blend, text_mask
from openbasket.simulation.looks import AA, KITS, SHIFT, SKIN, Colour, Image, floor_paint

__all__ = ["board_points", "hall", "panorama"]

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


@lru_cache(maxsize=8)  # two cameras, four paints
def panorama(camera: Camera, paint: Colour) -> Image:
    """All that stands still, as wide as the camera can pan. ``(height, panorama_width, 3)``, read-only."""
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
    image.flags.writeable = False
    return image


def hall() -> Image:
    """The empty hall, as wide as the camera can pan. ``(height, width, 3)`` BGR."""
    return panorama(WIDE, floor_paint(KITS[0][0], KITS[1][0]))


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
            skin = SKIN[int(rng.integers(len(SKIN)))]
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
        mask = text_mask(text, height, None, 12)
        blend(image, mask, int(u) - mask.shape[1] // 2, int(v) - height // 2, (210, 205, 200))


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
    board = board_points(camera, side)
    glass = image.copy()
    cv2.fillPoly(glass, [board], (235, 225, 215), AA, SHIFT)
    cv2.addWeighted(glass, 0.55, image, 0.45, 0, image)
    cv2.polylines(image, [board], True, (250, 250, 250), 2, AA, SHIFT)


def board_points(camera: Camera, side: int) -> NDArray[np.int32]:
    """Corners of the right (1) or left (-1) backboard in the panorama, ``(4, 2)`` 16ths of a pixel."""
    x, w = side * court.BACKBOARD_X, court.BACKBOARD_HALF_WIDTH
    low, high = court.BACKBOARD_BOTTOM_Z, court.BACKBOARD_TOP_Z
    corners = [(x, -w, low), (x, w, low), (x, w, high), (x, -w, high)]
    return np.array([_point(camera, *p) for p in corners], np.int32)
