"""Training of the heads alone, from features that are computed once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import Dataset

from openbasket.dataset.reader import Sample
from openbasket.models.base import VideoModel
from openbasket.progress import bar
from openbasket.training.building import check_logits
from openbasket.training.config import Recipe
from openbasket.training.data import MISSING, ClipDataset, Item
from openbasket.training.features import FeatureCache
from openbasket.training.optim import Average
from openbasket.training.session import Session, arithmetic
from openbasket.video.cache import CachedFrames

__all__ = ["FrozenSession", "features_of"]

#: What of a recipe's ``[data]`` changes a clip that is not augmented, and is not told by its frames.
_OF_CLIPS = ("frames", "size", "sampling", "normalise")


class FrozenSession(Session):
    """Training of a model's heads: what :class:`Session` does, from features ``(B, F)`` in place of clips.

    Args:
        features: of the videos of both splits, float32 ``(N, F)``; the others are those of a session.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        recipe: Recipe,
        model: VideoModel,
        optimizer: torch.optim.Optimizer,
        average: Average | None,
        train_samples: Sequence[Sample],
        val_samples: Sequence[Sample],
        cached: Sequence[CachedFrames],
        features: torch.Tensor,
    ) -> None:
        wrapped = accelerator.prepare_model(model.heads)
        super().__init__(
            accelerator, recipe, model, wrapped, optimizer, average, train_samples, val_samples, cached
        )  # fmt: skip
        count = len(train_samples)
        self._train_set = _Features(features[:count], train_samples)
        self._val_set = _Features(features[count:], val_samples)

    def _logits(self, model: nn.Module, clips: torch.Tensor) -> torch.Tensor:
        heads = model.heads if isinstance(model, VideoModel) else model
        with self._arithmetic():
            logits = heads(clips)
        return check_logits(logits, clips, self.recipe).float()


class _Features(Dataset[Item]):
    def __init__(self, features: torch.Tensor, samples: Sequence[Sample]) -> None:
        self._features = features
        self._labels = torch.tensor(
            [[MISSING if n is None else n for n in sample.levels] for sample in samples]
        )

    def __len__(self) -> int:
        return len(self._features)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        _, index = key
        labels = self._labels[max(index, 0)]
        return (
            self._features[max(index, 0)],
            labels if index >= 0 else torch.full_like(labels, MISSING),
            index,
        )


def features_of(
    accelerator: Accelerator,
    recipe: Recipe,
    model: VideoModel,
    cached: Sequence[CachedFrames],
    folder: Path,
    *,
    quiet: bool = False,
) -> torch.Tensor:
    """The features of videos' middle views, float32 ``(N, F)``; what is not in ``folder`` is computed.

    A file is found by the weights of the network, the model's options, the frames, and what is done to them.
    Several processes share the work.

    Raises:
        VideoError: damaged frames or features.
        WorkspaceError: features cannot be written.
    """
    config = recipe.data
    clips = ClipDataset((), (), config)
    preparation = json.dumps(
        {
            "model": [recipe.model.name, recipe.model.options, recipe.train.precision],
            "data": {name: getattr(config, name) for name in _OF_CLIPS},
        },
        sort_keys=True,
    )
    cache = FeatureCache(folder, model, clips.middle, preparation)
    mine = cached[accelerator.process_index :: accelerator.num_processes]
    with (
        arithmetic(accelerator, recipe),
        bar("Computing features", len(mine), quiet=quiet) as advance,
    ):
        for number, entry in enumerate(mine, start=1):
            cache.features(entry)
            advance(1, f"{number:,}/{len(mine):,}")
    accelerator.wait_for_everyone()
    return torch.from_numpy(np.concatenate([cache.features(entry) for entry in cached]))
