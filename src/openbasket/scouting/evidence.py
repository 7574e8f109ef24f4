"""Which clips of a reel speak for a rating: clips are left out, and what changes is attributed to them.

Half of the clips at random are shown to the model, again and again, each half with its other half. What a
clip adds to the probability of a level is its coefficient in the best linear fit of what the model said, by
least squares; over all subsets these are the Banzhaf values. As halves are always as large, a clip is
compared with the others that would be shown in its place: the coefficients add up to 0. It works for any
model, since only frames go in and probabilities come out.

Sources: Ribeiro, Singh and Guestrin, "Why should I trust you?", KDD 2016 (a linear fit over what is left
out); Hammer and Holzman, Approximations of pseudo-Boolean functions, 1992 (that the fit gives Banzhaf
values); Covert, Lundberg and Lee, Explaining by removing, JMLR 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openbasket.errors import ConfigError, VideoError
from openbasket.wording import counted

__all__ = ["Influence", "Segment", "between", "influence", "left_out", "pool_size", "segments"]

#: uint8 ``(frames, height, width, 3)``.
Pixels = NDArray[np.uint8]
#: From clips as a model sees them to probabilities ``(clips, 20, levels)``.
Rate = Callable[[Sequence[Pixels]], NDArray[np.float64]]
#: A last part of a video that is shorter than this belongs to the one before.
_SHORTEST_S = 2.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a reel.

    Args:
        start_s: its first moment, seconds.
        end_s: the moment after its last.
        shows: what is seen in it, where that is known.
    """

    start_s: float
    end_s: float
    shows: str = ""


@dataclass(frozen=True, slots=True)
class Influence:
    """What each clip adds to the probability of each skill's rated level.

    Args:
        values: ``(clips, 20)``; above 0 it speaks for the level, below 0 against it.
        errors: their standard errors, ``(clips, 20)``.
        halves: how many halves of the reel the model saw.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    halves: int

    def strongest(self, skill: int, count: int = 3) -> list[int]:
        """The clips that speak most for a skill's level, the strongest first; none that speak against it."""
        order = np.argsort(-self.values[:, skill], kind="stable")[:count]
        return [int(clip) for clip in order if self.values[clip, skill] > 0]


def segments(duration_s: float, length_s: float = 10.0) -> list[Segment]:
    """Divide a video into parts of one length; a short rest belongs to the last one.

    Example:
        >>> [s.end_s for s in segments(31.0)]
        [10.0, 20.0, 31.0]
    """
    if not length_s > 0:
        raise ConfigError(f"length of a clip: got {length_s} s; allowed: more than 0 s")
    count = max(1, math.floor(duration_s / length_s))
    if duration_s - count * length_s >= _SHORTEST_S:
        count += 1
    ends = [min(length_s * (i + 1), duration_s) for i in range(count - 1)] + [duration_s]
    return [Segment(start, end) for start, end in zip([0.0, *ends[:-1]], ends, strict=True)]


def between(cuts_s: Sequence[float], duration_s: float, length_s: float = 10.0) -> list[Segment]:
    """The parts of a video between its cuts.

    A part that is shorter than 2 s belongs to the one before it; one of more than twice ``length_s`` is
    divided, as a stretch without cuts may hold many plays.

    Example:
        >>> [(s.start_s, s.end_s) for s in between([1.0, 9.0, 10.0, 19.0], 20.0)]
        [(0.0, 10.0), (10.0, 20.0)]
    """
    edges = [0.0]
    for cut in cuts_s:
        if edges[-1] + _SHORTEST_S <= cut <= duration_s - _SHORTEST_S:
            edges.append(cut)
    parts: list[Segment] = []
    for start, end in zip(edges, [*edges[1:], duration_s], strict=True):
        if end - start <= 2 * length_s:
            parts.append(Segment(start, end))
        else:
            inside = segments(end - start, length_s)
            parts += [Segment(start + s.start_s, start + s.end_s) for s in inside]
    return parts


def pool_size(frames: int, clips: int) -> int:
    """Frames to read of each clip, so that half of the clips give as many as the model takes."""
    return max(1, math.ceil(2 * frames / max(clips, 1)))


def left_out(pool: Sequence[Pixels], without: Sequence[int], frames: int) -> Pixels:
    """A reel without some of its clips, as a model sees it: uniform frames of the others.

    Args:
        pool: frames of each clip.
        without: clips to leave out; not all.
        frames: that the model takes.
    """
    gone = set(without)
    kept = [
        (clip, i) for clip, held in enumerate(pool) if clip not in gone for i in range(len(held))
    ]
    if not kept:
        raise VideoError("every clip was left out; leave at least one")
    chosen = [kept[int(i)] for i in np.linspace(0, len(kept) - 1, frames)]
    return np.stack([pool[clip][i] for clip, i in chosen])


def influence(
    rate: Rate,
    pool: Sequence[Pixels],
    levels: Sequence[int],
    frames: int,
    *,
    halves: int = 256,
    seed: int = 0,
    on_batch: Callable[[int], None] = lambda _: None,
    batch: int = 16,
) -> Influence:
    """What each clip adds to the probability of the rated levels.

    Args:
        rate: the model.
        pool: frames of each clip, at least :func:`pool_size` of them.
        levels: the rated level of each skill, 20 of them.
        frames: that the model takes.
        halves: how many halves of the reel to show, at least two more than twice the clips; the error falls
            with their square root.
        seed: of the halves.
        on_batch: called with the number of halves that are done.
        batch: halves shown at once.

    Raises:
        ConfigError: fewer than two clips, or too few halves.
    """
    clips = len(pool)
    if clips < 2:
        raise ConfigError(
            f"evidence needs at least 2 clips; the video has {counted(clips, 'clip')}"
        )
    if halves < 4:
        raise ConfigError(f"halves: got {halves}; allowed: at least 4")
    shown = np.array(list(_halves(clips, max(halves, 2 * clips + 2), seed)))
    told = np.empty((len(shown), len(levels)))
    skills = np.arange(len(levels))
    for begin in range(0, len(shown), batch):
        masks = shown[begin : begin + batch]
        seen = [left_out(pool, np.flatnonzero(~mask).tolist(), frames) for mask in masks]
        told[begin : begin + len(masks)] = rate(seen)[:, skills, np.asarray(levels)]
        on_batch(len(masks))
    design = shown - 0.5
    back = np.linalg.pinv(design)  # as many of each half: the mean is not confounded
    values = back @ (told - told.mean(axis=0))
    rest = told - told.mean(axis=0) - design @ values
    variance = (rest**2).sum(axis=0) / (len(shown) - clips)
    errors = np.sqrt((back**2).sum(axis=1)[:, None] * variance)
    return Influence(values, errors, len(shown))


def _halves(clips: int, count: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Random halves of the clips, each followed by the other half, so that each clip is in as many as not."""
    rng = np.random.default_rng(seed)
    for _ in range(math.ceil(count / 2)):
        mask = np.zeros(clips, bool)
        mask[rng.permutation(clips)[: clips // 2]] = True
        yield mask
        yield ~mask
