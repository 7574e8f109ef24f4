"""Clips and labels as tensors. The same (seed, epoch, subject) always gives the same clip."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torch.utils.data import Dataset

from openbasket.dataset.reader import Sample
from openbasket.training.config import DataConfig, TestConfig
from openbasket.video.cache import CachedFrames

if TYPE_CHECKING:
    from openbasket.training.augment import Augmentation

__all__ = [
    "COLOURS",
    "MISSING",
    "ClipDataset",
    "EpochPlan",
    "Item",
    "Items",
    "Update",
    "even_clips",
    "labels_of",
    "of_persons",
    "seed_of",
    "shares",
    "stable_rng",
]

#: Stands for a label that is not known, and for a clip that only fills a batch.
MISSING = -100
#: Mean and deviation of red, green and blue that models were trained with, of values from 0 to 1.
COLOURS: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "kinetics": ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}

#: Frames that are made smaller at once.
_AT_ONCE = 16

#: A clip, its labels, and the place of its subject in the split (MISSING if it only fills a batch).
Item = tuple[torch.Tensor, torch.Tensor, int]


class Items(Dataset[Item]):
    """What a model is given of the subjects of a split, indexed by ``(turn, index)``."""

    def __len__(self) -> int:
        """Return the number of subjects."""
        raise NotImplementedError


class ClipDataset(Items):
    """Clips float32 ``(3, T, size, size)`` and labels int64 ``(20,)``, :data:`MISSING` where null.

    Indexed by ``(turn, index)``: the epoch in training, the view when predicting. No state, so that any
    number of loader processes and any resumed run see the same clips. Index :data:`MISSING` gives a clip
    without labels.

    Args:
        samples: subjects of a split.
        cached: each subject's frames, from :func:`openbasket.dataset.frame_cache.cache_frames`.
        config: what the model sees.
        seed: of the augmentation.
        augment: random stretch, crop, and what the recipe asks for, for training; views otherwise.
        views: of the test; the middle one by default.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        cached: Sequence[CachedFrames],
        config: DataConfig,
        *,
        seed: int = 0,
        augment: bool = False,
        views: TestConfig | None = None,
    ) -> None:
        self._samples = samples
        self._cached = cached
        self._config = config
        self._seed = seed
        self._change = _augmentation(config) if augment else None
        self._augment = augment
        self._views = views or TestConfig()
        self._clips = config.clips if config.sampling == "clips" else 0
        mean, deviation = COLOURS[config.normalise]
        self._mean = torch.tensor(mean).view(3, 1, 1)
        self._deviation = torch.tensor(deviation).view(3, 1, 1)

    def __len__(self) -> int:
        """Return the number of subjects."""
        return len(self._samples)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        """Return the clip and the labels of subject ``index`` in epoch or view ``turn``."""
        turn, index = key
        sample = self._samples[max(index, 0)]
        entry = self._cached[max(index, 0)]
        if self._augment:
            rng = stable_rng("augment", self._seed, turn, sample.subject_id)
            places = None
            if self._config.sampling == "interval":
                places = _stretch(len(entry), self._config.frames, rng.random())
            frames = self._of_clips(entry) if self._clips else entry.read(places)
            height, width = frames.shape[1:3]
            box = (0, 0, height, width)
            if self._config.fit == "crop":
                box = _random_box(height, width, self._config, rng)
            clip = self._resized(frames, *box)
            if self._change is None:
                clip = self._normalised(clip)
            else:
                clip = self._change(clip, int(rng.integers(2**63)), self._normalised)
        else:
            clip = self._normalised(self._view(entry, turn))
        if self._clips and len(clip) < self._config.frames:  # fewer clips: the others are not there
            lacking = (self._config.frames - len(clip), *clip.shape[1:])
            clip = torch.cat([clip, torch.full(lacking, torch.nan)])
        return clip.transpose(0, 1).contiguous(), labels_of(sample, index), index

    def whole(self, frames: NDArray[np.uint8]) -> torch.Tensor:
        """Frames ``(T, height, width, 3)`` as a video's middle view has them: ``(T, 3, size, size)``."""
        height, width = frames.shape[1:3]
        side = min(height, width)
        box = ((height - side) // 2, (width - side) // 2, side, side)
        if self._config.fit == "whole":
            box = (0, 0, height, width)
        return self._normalised(self._resized(frames, *box))

    def _of_clips(self, entry: CachedFrames) -> NDArray[np.uint8]:
        """The frames of all clips; of those of a reel with more than the model takes, evenly."""
        each = self._config.frames // self._clips
        held = len(entry) // each
        if held <= self._clips:
            return entry.read()
        chosen = even_clips(held, self._clips)
        return entry.read([clip * each + i for clip in chosen for i in range(each)])

    def _view(self, entry: CachedFrames, view: int) -> torch.Tensor:
        """One of the temporal x spatial views; the spatial ones of the same frames follow each other."""
        times, places = self._views.temporal_views, self._views.spatial_views
        time, place = divmod(view % (times * places), places)
        if self._clips:
            frames = self._of_clips(entry)
        elif self._config.sampling == "interval":
            frames = entry.read(_stretch(len(entry), self._config.frames, _spread(time, times)))
        else:
            frames = entry.read(range(time, len(entry), times))
        height, width = frames.shape[1:3]
        if self._config.fit == "whole":
            return self._resized(frames, 0, 0, height, width)
        side, along = min(height, width), _spread(place, places)
        top, left = int((height - side) * along), int((width - side) * along)
        return self._resized(frames, top, left, side, side)

    def _resized(
        self, frames: NDArray[np.uint8], top: int, left: int, tall: int, wide: int
    ) -> torch.Tensor:
        """A box of all frames as float ``(T, 3, size, size)``, 0 to 1.

        Averaged where it shrinks (antialiased), which kornia's crops are not.
        """
        size = self._config.size
        whole = torch.from_numpy(frames[:, top : top + tall, left : left + wide])
        clip = torch.empty((len(frames), 3, size, size))
        for begin in range(0, len(frames), _AT_ONCE):  # what stays in the processor's caches
            some = whole[begin : begin + _AT_ONCE].permute(0, 3, 1, 2).float()
            if (tall, wide) != (size, size):
                some = F.interpolate(
                    some, (size, size), mode="bilinear", align_corners=False, antialias=True
                )
            clip[begin : begin + _AT_ONCE] = some / 255
        return clip

    def _normalised(self, clip: torch.Tensor) -> torch.Tensor:
        return (clip - self._mean) / self._deviation


def even_clips(held: int, most: int) -> list[int]:
    """Which clips of a reel a model sees that takes so many: all, or as many, evenly."""
    return list(range(held)) if held <= most else [i * held // most for i in range(most)]


def labels_of(sample: Sample, index: int) -> torch.Tensor:
    """A subject's labels, int64 ``(20,)``; all of them :data:`MISSING` where ``index`` is."""
    known = sample.levels if index >= 0 else (None,) * len(sample.levels)
    return torch.tensor([MISSING if level is None else level for level in known])


@dataclass(frozen=True, slots=True)
class Update:
    """The part of one process in one update of the weights.

    Args:
        batches: keys of :class:`ClipDataset` for each batch, one after the other.
        subjects: places of all subjects in the update, of all processes.
    """

    batches: tuple[tuple[tuple[int, int], ...], ...]
    subjects: NDArray[np.int64]


class EpochPlan:
    """Who is seen when: an order that only seed and epoch decide, cut into updates, batches and shares.

    Each subject comes once an epoch, whatever the number of processes. All of them have the same number
    of batches; where the last one has too few subjects for all, some get a clip without labels.

    Args:
        count: subjects.
        seed: of the order.
        batch: subjects in a batch of one process.
        accumulate: batches of one update.
        rank: number of this process.
        processes: how many there are.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        batch: int,
        accumulate: int = 1,
        *,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self._count = count
        self._seed = seed
        self._together = batch * processes
        self._per_update = batch * processes * accumulate
        self._rank = rank
        self._processes = processes
        self.updates = math.ceil(count / self._per_update)

    def epoch(self, epoch: int) -> list[Update]:
        """The updates of an epoch."""
        order = stable_rng("order", self._seed, epoch).permutation(self._count)
        return [
            self._update(epoch, order[begin : begin + self._per_update])
            for begin in range(0, self._count, self._per_update)
        ]

    def _update(self, epoch: int, subjects: NDArray[np.int64]) -> Update:
        batches = []
        for begin in range(0, len(subjects), self._together):
            share = np.array_split(subjects[begin : begin + self._together], self._processes)
            own = share[self._rank].tolist() or [MISSING]
            batches.append(tuple((epoch, int(index)) for index in own))
        return Update(tuple(batches), subjects)


def shares(
    keys: Sequence[tuple[int, int]], batch: int, rank: int, processes: int
) -> list[list[tuple[int, int]]]:
    """The batches of one process where nothing is learned: every key is in one batch of one process."""
    batches = [list(keys[i : i + batch]) for i in range(0, len(keys), batch)]
    return batches[rank::processes]


def of_persons(samples: Sequence[Sample], fraction: float, seed: int) -> list[Sample]:
    """The subjects of a share of the persons, at least one; a lesser share is part of a greater one.

    Args:
        samples: subjects, in any order; it is kept.
        fraction: of the persons, above 0 to 1.
        seed: of the choice.
    """
    persons = sorted({s.player_id for s in samples})
    persons.sort(key=lambda person: seed_of("fraction", seed, person))
    chosen = set(persons[: math.ceil(fraction * len(persons))])
    return [s for s in samples if s.player_id in chosen]


def stable_rng(*parts: object) -> np.random.Generator:
    """A random generator that depends on the text of ``parts`` and on nothing else."""
    text = "\x1f".join(str(part) for part in parts)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def seed_of(*parts: object) -> int:
    """A seed for every generator (32 bits) that depends on the text of ``parts`` and on nothing else."""
    return int(stable_rng(*parts).integers(2**32))


def _augmentation(config: DataConfig) -> Augmentation | None:
    """What kornia does, if anything: it is imported only where a recipe asks for it."""
    if not (config.flip or config.erasing or config.randaugment.operations):
        return None
    from openbasket.training.augment import Augmentation

    return Augmentation(config)


def _stretch(held: int, frames: int, where: float) -> list[int]:
    """Places of so many frames in a row, 0 the first ones, 1 the last; the last is repeated if need be."""
    begin = round(max(0, held - frames) * where)
    return [min(place, held - 1) for place in range(begin, begin + frames)]


def _spread(number: int, count: int) -> float:
    """Where the views lie from 0 to 1: one in the middle, several from end to end."""
    return 0.5 if count == 1 else number / (count - 1)


def _random_box(
    height: int, width: int, config: DataConfig, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """A box of random area and aspect inside the picture: top, left, height, width.

    Its area is ``crop_scale_min`` to 1 times that of the centre square, so that training and test see
    players at about the same size.
    """
    area = min(height, width) ** 2 * rng.uniform(config.crop_scale_min, 1)
    low, high = config.crop_aspect
    aspect = math.exp(rng.uniform(math.log(low), math.log(high)))
    tall = min(height, round(math.sqrt(area / aspect)))
    wide = min(width, round(math.sqrt(area * aspect)))
    top = int(rng.integers(height - tall + 1))
    left = int(rng.integers(width - wide + 1))
    return top, left, tall, wide
