"""Draw a scene: the floor once, figures as anti-aliased shapes, one conversion to YUV a frame.

Everything is drawn with OpenCV, the fastest of the candidates (``benchmarks/drawing.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from openbasket.simulation.choreography import Scene
from openbasket.simulation.court import BASKET_X, CLOSE, RIM_RADIUS, RIM_Z, WIDE, Camera
from openbasket.simulation.difficulty import EASY, Difficulty, cross, shaken, squeezed
from openbasket.simulation.figures import (
    ANKLE_L,
    ANKLE_R,
    CHEST,
    EL_L,
    EL_R,
    FACE,
    GROUND,
    HA_L,
    HA_R,
    HEAD,
    HIP_L,
    HIP_R,
    KNEE_L,
    KNEE_R,
    PELVIS,
    SH_L,
    SH_R,
    TOE_L,
    TOE_R,
    joints,
)
from openbasket.simulation.graphics import (
    blend,
    clock_text,
    draw_corner,
    period_text,
    scoreboard,
    text_mask,
)
from openbasket.simulation.hall import board_points, panorama
from openbasket.simulation.looks import AA, SHIFT, Colour, Image, Person, Rows, floor_paint
from openbasket.simulation.walking import REFEREE

__all__ = ["Painter"]

_MARK: Colour = (255, 0, 255)
_REFEREE_KIT: tuple[Colour, Colour] = ((165, 160, 155), (40, 40, 40))


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
        paint = floor_paint(kits[0][0], kits[1][0])
        self._looks = [(p.skin, p.hair, p.number) for p in people]
        self._views = {
            close: _View(camera, panorama(camera, paint), difficulty.numbers)
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
            self.boards.append(board_points(camera, side))
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
            mask = text_mask(
                number, height, min(room, int(height * (1.25 if len(number) > 1 else 0.66)))
            )
            if self.numbers < 1:
                mask = (mask * self.numbers).astype(np.uint16)
            x = (chest[0] * 2 + pelvis[0]) // 3 >> SHIFT
            y = (top * 11 + low * 9) // 20 >> SHIFT
            blend(image, mask, x - mask.shape[1] // 2, y - height // 2, ink)
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
