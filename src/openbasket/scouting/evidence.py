"""Which clips of a reel speak for a rating: clips are left out, and what changes is attributed to them.

Half of the clips at random are shown to the model, again and again, each half with its other half. What a
clip adds to the probability of a level is its coefficient in the best linear fit of what the model said, by
least squares; over all subsets these are the Banzhaf values. A clip is compared with the others that would
be shown in its place: the coefficients add up to 0 (of an odd number of clips halves differ by one, and what
one more clip adds is taken off). A model of uniform
frames is shown other frames; a model of sets of clips is shown fewer clips, as in its training.

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

__all__ = ["EvidenceClip", "Influence", "Segment", "influence", "left_out", "pool_size", "showing"]

#: A clip that adds less to the probability of the level is no evidence.
LEAST = 0.005
#: A clip counts as weak evidence where its influence is less than so many standard errors.
CLEAR = 2.0
#: uint8 ``(frames, height, width, 3)``.
Pixels = NDArray[np.uint8]
#: From clips as a model sees them to probabilities ``(clips, 20, levels)``.
Rate = Callable[[Sequence[Pixels]], NDArray[np.float64]]
#: From which clips are shown, ``(n, clips)``, to probabilities ``(n, 20, levels)``.
RateShown = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


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
class EvidenceClip:
    """A clip that speaks for a rating.

    Args:
        clip: its number in the video, from 0.
        start_s: its first moment, seconds.
        end_s: the moment after its last.
        shows: what is seen in it, where that is known.
        influence: what it adds to the probability of the rated level.
        clear: whether that is more than chance in which clips were shown beside it.
        attention: share of the attention of the skill's query that it has, where the model has queries.
    """

    clip: int
    start_s: float
    end_s: float
    shows: str
    influence: float
    clear: bool
    attention: float | None = None


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

    def evidence(
        self,
        skill: int,
        clips: Sequence[Segment],
        numbers: Sequence[int],
        attention: NDArray[np.float64] | None = None,
    ) -> tuple[EvidenceClip, ...]:
        """The clips that speak most for a skill's level, as far as they add anything worth telling.

        Args:
            skill: which.
            clips: that were shown.
            numbers: of these clips in the video.
            attention: of the skills' queries to these clips, ``(20, clips)``, where the model has them.
        """
        return tuple(
            EvidenceClip(
                numbers[clip], clips[clip].start_s, clips[clip].end_s, clips[clip].shows,
                float(self.values[clip, skill]),
                bool(self.values[clip, skill] > CLEAR * self.errors[clip, skill]),
                None if attention is None else float(attention[skill, clip]),
            )
            for clip in self.strongest(skill)
            if self.values[clip, skill] >= LEAST
        )  # fmt: skip


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


def showing(rate: Rate, pool: Sequence[Pixels], frames: int) -> RateShown:
    """What a model of uniform frames says where some of the clips are shown.

    Args:
        rate: the model.
        pool: frames of each clip, at least :func:`pool_size` of them.
        frames: that the model takes.
    """

    def shown(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        return rate([left_out(pool, np.flatnonzero(~mask).tolist(), frames) for mask in masks])

    return shown


def influence(
    rate: RateShown,
    clips: int,
    levels: Sequence[int],
    *,
    halves: int = 256,
    seed: int = 0,
    on_batch: Callable[[int], None] = lambda _: None,
    batch: int = 16,
) -> Influence:
    """What each clip adds to the probability of the rated levels.

    Args:
        rate: what the model says where some of the clips are shown.
        clips: how many there are.
        levels: the rated level of each skill, 20 of them.
        halves: how many halves of the reel to show, at least two more than twice the clips; the error falls
            with their square root.
        seed: of the halves.
        on_batch: called with the number of halves that are done.
        batch: halves shown at once.

    Raises:
        ConfigError: fewer than two clips, or too few halves.
    """
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
        told[begin : begin + len(masks)] = rate(masks)[:, skills, np.asarray(levels)]
        on_batch(len(masks))
    design = shown - 0.5
    back = np.linalg.pinv(design)  # as many of each half: the mean is not confounded
    values = back @ (told - told.mean(axis=0))
    rest = told - told.mean(axis=0) - design @ values
    variance = (rest**2).sum(axis=0) / (len(shown) - clips - clips % 2)
    values -= values.mean(axis=0)  # of an odd number of clips, what it adds that one more is shown
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
