"""Clips and labels as tensors. The same (seed, epoch, subject) always gives the same clip."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import Dataset, Sampler

from openbasket.dataset.reader import Sample
from openbasket.training.config import DataConfig
from openbasket.video.cache import CachedFrames

__all__ = ["MISSING", "ClipDataset", "EpochSampler", "stable_rng"]

#: Stands for a label that is not known.
MISSING = -100
_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1, 1)  # ImageNet
_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1, 1)


class ClipDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Clips float32 ``(3, T, size, size)`` and labels int64 ``(20,)``, :data:`MISSING` where null.

    Indexed by ``(epoch, index)`` as :class:`EpochSampler` gives them: no state, so that any number
    of loader processes and any resumed run see the same clips.

    Args:
        samples: subjects of a split.
        cached: each subject's frames, from :func:`openbasket.dataset.frame_cache.cache_frames`.
        config: what the model sees.
        seed: of the augmentation.
        augment: random resized crop (and flip) for training; centre crop otherwise.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        cached: Sequence[CachedFrames],
        config: DataConfig,
        *,
        seed: int = 0,
        augment: bool = False,
    ) -> None:
        self._samples = samples
        self._cached = cached
        self._config = config
        self._seed = seed
        self._augment = augment

    def __len__(self) -> int:
        """Return the number of subjects."""
        return len(self._samples)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the clip and the labels of subject ``index`` in ``epoch``."""
        epoch, index = key
        sample = self._samples[index]
        frames = torch.from_numpy(self._cached[index].read())
        rng = stable_rng("augment", self._seed, epoch, sample.subject_id)
        clip = self._crop(frames.permute(0, 3, 1, 2), rng)
        labels = torch.tensor([MISSING if level is None else level for level in sample.levels])
        return (clip.transpose(0, 1) / 255 - _MEAN) / _STD, labels

    def _crop(self, frames: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Crop all frames ``(T, 3, H, W)`` alike to float ``(T, 3, size, size)``."""
        size = self._config.size
        height, width = frames.shape[2:]
        if not self._augment:
            side = min(height, width)
            top, left, tall, wide = (height - side) // 2, (width - side) // 2, side, side
        else:
            top, left, tall, wide = _random_box(height, width, self._config.crop_scale_min, rng)
        clip = frames[:, :, top : top + tall, left : left + wide].float()
        if (tall, wide) != (size, size):
            clip = F.interpolate(
                clip, (size, size), mode="bilinear", align_corners=False, antialias=True
            )
        if self._augment and self._config.flip and rng.random() < 0.5:
            clip = clip.flip(3)
        return clip


class EpochSampler(Sampler[tuple[int, int]]):
    """Gives ``(epoch, index)`` in an order that only seed and epoch decide.

    Args:
        count: subjects.
        seed: of the order; ``None`` keeps the order of the split.
    """

    def __init__(self, count: int, seed: int | None) -> None:
        self._count = count
        self._seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of subjects."""
        return self._count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield each subject once."""
        order = np.arange(self._count)
        if self._seed is not None:
            order = stable_rng("order", self._seed, self.epoch).permutation(self._count)
        return iter([(self.epoch, int(i)) for i in order])


def stable_rng(*parts: object) -> np.random.Generator:
    """A random generator that depends on the text of ``parts`` and on nothing else."""
    text = "\x1f".join(str(part) for part in parts)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def _random_box(
    height: int, width: int, scale_min: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """A box of aspect 3:4 to 4:3 inside the picture: top, left, height, width.

    Its area is ``scale_min`` to 1 times that of the centre square, so that training and test see
    players at about the same size.
    """
    area = min(height, width) ** 2 * rng.uniform(scale_min, 1)
    aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
    tall = min(height, round(math.sqrt(area / aspect)))
    wide = min(width, round(math.sqrt(area * aspect)))
    top = int(rng.integers(height - tall + 1))
    left = int(rng.integers(width - wide + 1))
    return top, left, tall, wide
