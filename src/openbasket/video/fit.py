"""Bring pictures of any size, shape and format to those of a reel."""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from openbasket.video.write import HEIGHT, WIDTH

__all__ = ["Fitter"]

#: Black is 0 and white 255, not 16 and 235 (ITU-T H.273).
_FULL_RANGE = 2
#: A reel is a little higher than 16:9, which is stretched by this much rather than given bars of two rows.
_FILLS = Fraction(98, 100)
_TURNS = {90: ["transpose=cclock"], -90: ["transpose=clock"], 180: ["hflip", "vflip"]}
_TURNS |= {-180: _TURNS[180], 270: _TURNS[-90], -270: _TURNS[90]}


class Fitter:
    """Scale to 704x400 (bicubic), with black bars where the aspect ratio is another one.

    Args:
        aspect: width to height of one pixel of the source; null or 0 where it does not say.
    """

    def __init__(self, aspect: Fraction | None = None) -> None:
        self._aspect = aspect or Fraction(1)
        self._graph: Graph | None = None
        self._made_for: tuple[object, ...] = ()

    def fit(self, frame: VideoFrame) -> VideoFrame:
        """A picture of 704x400 in yuv420p; the frame itself where it is one."""
        turn = int(frame.rotation)
        full = int(frame.color_range) == _FULL_RANGE
        as_it_is = (frame.width, frame.height, frame.format.name, self._aspect, turn, full)
        if as_it_is == (WIDTH, HEIGHT, "yuv420p", Fraction(1), 0, False):
            return frame
        if as_it_is != self._made_for:
            self._graph, self._made_for = self._graph_for(frame, turn, full), as_it_is
        assert self._graph is not None
        self._graph.push(frame)
        fitted = self._graph.pull()
        assert isinstance(fitted, VideoFrame)
        return fitted

    def _graph_for(self, frame: VideoFrame, turn: int, full: bool) -> Graph:
        width, height = frame.width * self._aspect, Fraction(frame.height)
        if abs(turn) in (90, 270):
            width, height = height, width
        scale = min(WIDTH / width, HEIGHT / height)
        inner = [round(side * scale / 2) * 2 for side in (width, height)]
        if inner[0] >= _FILLS * WIDTH and inner[1] >= _FILLS * HEIGHT:
            inner = [WIDTH, HEIGHT]
        steps = [
            *_TURNS.get(turn, []),
            f"scale={inner[0]}:{inner[1]}:flags=bicubic:out_range=tv" + ":in_range=pc" * full,
            "format=yuv420p",
        ]
        if inner != [WIDTH, HEIGHT]:
            steps.append(f"pad={WIDTH}:{HEIGHT}:-1:-1")
        graph = Graph()
        graph.threads = 1
        last = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 90_000),
        )
        for step in [*steps, "buffersink"]:
            name, _, options = step.partition("=")
            node = graph.add(name, options or None)
            last.link_to(node)
            last = node
        graph.configure()
        return graph


av.logging.set_level(av.logging.ERROR)
