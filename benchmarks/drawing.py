"""Which library draws our frames fastest: the same shapes through each candidate.

A hand-made stretch of a game is drawn once, every shape is recorded, and each candidate replays the
recording: background, anti-aliased lines, circles and polygons, conversion to planar YUV 4:2:0. Single
thread, CPU time, best of the rounds; candidates take turns, so that a busy machine hurts all alike.

    python benchmarks/drawing.py --out benchmarks/results/drawing.json

Candidates that are not installed are named and left out (pycairo needs the cairo C library to build).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "unit"))
from broadcast_games import PLAYS, appearances, events, game, stints

from openbasket.simulation import drawing
from openbasket.simulation.broadcast import pictures, render

Shape = tuple[Any, ...]


def record(seconds: float) -> tuple[list[list[Shape]], np.ndarray]:
    """The shapes of each frame, in pixels, and one background."""
    frames: list[list[Shape]] = []
    now: list[Shape] = []

    def line(image, a, b, colour, width, kind=8, shift=0):
        now.append(("line", np.array([a, b]) / (1 << shift), colour, width))
        return cv2.line(image, a, b, colour, width, kind, shift)

    def circle(image, centre, radius, colour, width, kind=8, shift=0):
        one = 1 << shift
        now.append(("circle", np.array(centre) / one, colour, radius / one))
        return cv2.circle(image, centre, radius, colour, width, kind, shift)

    def fill(image, points, colour, kind=8, shift=0):
        now.append(("polygon", np.asarray(points).reshape(-1, 2) / (1 << shift), colour, 0))
        return cv2.fillConvexPoly(image, points, colour, kind, shift)

    real = drawing.cv2
    try:
        _, pictured = pictures(game(), events(PLAYS), appearances(), stints(), max_s=seconds)
        names = {n: getattr(cv2, n) for n in dir(cv2)}
        names |= {"line": line, "circle": circle, "fillConvexPoly": fill}
        background = None
        for frame in pictured:
            if background is None:  # the halls are drawn; from here on only figures are
                background = frame.copy()
                drawing.cv2 = SimpleNamespace(**names)
            frames.append(now.copy())
            now.clear()
    finally:
        drawing.cv2 = real
    assert background is not None
    return frames[1:], background


def with_opencv(frames: list[list[Shape]], background: np.ndarray) -> Callable[[], np.ndarray]:
    cv2.setNumThreads(1)
    ready = [
        [
            (kind, np.round(points * 16).astype(np.int32), colour, size)
            for kind, points, colour, size in shapes
        ]
        for shapes in frames
    ]
    image = np.empty_like(background)

    def draw() -> np.ndarray:
        for shapes in ready:
            np.copyto(image, background)
            for kind, points, colour, size in shapes:
                if kind == "line":
                    cv2.line(image, points[0], points[1], colour, size, cv2.LINE_AA, 4)
                elif kind == "circle":
                    cv2.circle(image, points, round(size * 16), colour, -1, cv2.LINE_AA, 4)
                else:
                    cv2.fillConvexPoly(image, points, colour, cv2.LINE_AA, 4)
            out = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
        return out

    return draw


def with_skia(frames: list[list[Shape]], background: np.ndarray) -> Callable[[], np.ndarray]:
    import skia

    four = np.dstack([background, np.full(background.shape[:2], 255, np.uint8)]).copy()
    image = np.empty_like(four)
    surface = skia.Surface(image, colorType=skia.kBGRA_8888_ColorType)
    canvas = surface.getCanvas()
    paints: dict[tuple[Any, int], Any] = {}

    def paint(colour: tuple[int, int, int], width: int) -> Any:
        key = (colour, width)
        if key not in paints:
            blue, green, red = colour
            made = skia.Paint(AntiAlias=True, Color=skia.Color(red, green, blue))
            if width:
                made.setStyle(skia.Paint.kStroke_Style)
                made.setStrokeWidth(width)
                made.setStrokeCap(skia.Paint.kRound_Cap)
            paints[key] = made
        return paints[key]

    ready = [
        [
            (kind, [tuple(map(float, p)) for p in np.atleast_2d(points)], colour, size)
            for kind, points, colour, size in shapes
        ]
        for shapes in frames
    ]

    def draw() -> np.ndarray:
        for shapes in ready:
            np.copyto(image, four)
            for kind, points, colour, size in shapes:
                if kind == "line":
                    (x0, y0), (x1, y1) = points
                    canvas.drawLine(x0, y0, x1, y1, paint(colour, size))
                elif kind == "circle":
                    canvas.drawCircle(points[0][0], points[0][1], size, paint(colour, 0))
                else:
                    path = skia.Path()
                    path.moveTo(*points[0])
                    for point in points[1:]:
                        path.lineTo(*point)
                    path.close()
                    canvas.drawPath(path, paint(colour, 0))
            out = cv2.cvtColor(image, cv2.COLOR_BGRA2YUV_I420)
        return out

    return draw


def whole_renderer() -> float:
    """Frames per second and core of a whole short game: choreography, drawing, x264."""
    rows = [(play, period, clock - 450, *rest) for play, period, clock, *rest in PLAYS]
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        done = render(
            game(period_s=150.0), events(rows), appearances(), stints(), Path(folder) / "g.mp4"
        )
        return done.frames / (time.process_time() - start)


CANDIDATES = {
    "opencv": ("cv2", with_opencv),
    "skia": ("skia", with_skia),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    frames, background = record(given.seconds)
    shapes = sum(map(len, frames)) / len(frames)
    absent = [
        n for n, (module, _) in CANDIDATES.items() if importlib.util.find_spec(module) is None
    ]
    if importlib.util.find_spec("cairo") is None:
        absent.append("pycairo")
    ready = {n: make(frames, background) for n, (_, make) in CANDIDATES.items() if n not in absent}
    times: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(given.rounds):
        for name, draw in ready.items():
            start = time.process_time()
            draw()
            times[name].append(time.process_time() - start)
    whole = whole_renderer()
    best = {name: len(frames) / min(spent) for name, spent in times.items()}
    result = {
        "what": "frames per second of one core: draw the same shapes, convert to YUV 4:2:0",
        "frames": len(frames),
        "shapes_a_frame": round(shapes, 1),
        "frames_per_second": {name: round(value, 1) for name, value in best.items()},
        "opencv_over": {
            name: round(best["opencv"] / value, 2)
            for name, value in best.items()
            if name != "opencv"
        },
        "not_installed": absent,
        "rendered_and_encoded_frames_per_second": round(whole, 1),
        "versions": {"opencv": cv2.__version__, "python": platform.python_version()},
    }
    print(f"{len(frames)} frames, {shapes:.0f} shapes a frame, best of {given.rounds} rounds")
    print(f"{'library':<10}{'frames/s/core':>15}{'opencv over it':>16}")
    for name, value in best.items():
        print(f"{name:<10}{value:>15.0f}{best['opencv'] / value:>16.2f}")
    for name in absent:
        print(f"{name:<10}{'not installed':>15}")
    print(f"whole renderer with x264 superfast: {whole:.0f} frames/s/core")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
