"""Heads alone, on features of a frozen model: what never changes is computed once, and kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from openbasket import __version__
from openbasket.dataset.frame_cache import cache_folder
from openbasket.dataset.reader import Sample
from openbasket.errors import DAMAGED_ARCHIVE, ConfigError, NotFoundError, OpenBasketError
from openbasket.models.base import VideoModel
from openbasket.models.weights import is_head
from openbasket.training.building import own_code
from openbasket.training.checkpoint import load_weights
from openbasket.training.config import DataConfig, Recipe
from openbasket.training.data import ClipDataset, Item, Items, labels_of
from openbasket.training.processes import on_main, over_shares
from openbasket.training.run import CACHE, FEATURES
from openbasket.training.session import Session, arithmetic
from openbasket.video.cache import CachedFrames
from openbasket.workspace import atomic_path, remove_leftovers

__all__ = [
    "FeatureCache",
    "FeatureDataset",
    "Features",
    "FrozenSession",
    "conditions_of",
    "features_of",
    "freeze",
    "frozen_features",
    "load_backbone",
    "weights_hash",
]


#: Frames of a batch of which features are made.
_FRAMES = 512


def weights_hash(model: nn.Module) -> str:
    """SHA-256 of a model's parameters and buffers, heads apart: their names, types, shapes and values."""
    digest = hashlib.sha256(type(model).__qualname__.encode())
    for name, value in sorted(model.state_dict().items()):
        if is_head(name):
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\0".encode())
        flat = value.detach().cpu().contiguous().view(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.hexdigest()


class FeatureCache:
    """A folder of what a frozen model makes of cached frames, one file a video.

    A file is found by the model's weights, the preparation and the frames' entry (which is named by the
    video's bytes and by how frames were taken): change one, and it is another file.

    Args:
        folder: where it lies; may be shared by many models.
        model: its weights, heads apart, must not change afterwards.
        preparation: names all that is done between frames and features.
        length: numbers of a video; files of others are of no use. Any by default.
    """

    def __init__(
        self, folder: Path, model: nn.Module, preparation: str, length: int | None = None
    ) -> None:
        named = hashlib.sha256(preparation.encode()).hexdigest()[:16]
        self.folder = Path(folder) / f"{weights_hash(model)}-{named}"
        self._length = length

    def held(self, entry: CachedFrames) -> NDArray[np.float32] | None:
        """Features of a video, float32 ``(F,)``; ``None`` where there are none, or they are damaged."""
        try:
            with np.load(self._path(entry), allow_pickle=False) as kept:  # checks its CRC-32
                found = np.asarray(kept["features"], np.float32)
        except (*DAMAGED_ARCHIVE, TypeError):  # which the header of an array may raise
            return None
        length = len(found) if self._length is None and found.ndim == 1 else self._length
        return found if found.shape == (length,) and not np.isinf(found).any() else None

    def keep(self, entry: CachedFrames, features: NDArray[np.float32]) -> None:
        """Write the features of a video.

        Raises:
            WorkspaceError: the file cannot be written.
        """
        with atomic_path(self._path(entry)) as temporary:
            np.savez(temporary, features=features)

    def _path(self, entry: CachedFrames) -> Path:
        return self.folder / f"{entry.recording.key}.npz"


@dataclass(frozen=True, slots=True)
class Features:
    """Features of videos.

    Args:
        values: float32 ``(N, F)``, on the CPU.
        computed: how many of the videos are new in the cache.
    """

    values: torch.Tensor
    computed: int


class FeatureDataset(Items):
    """Features float32 ``(F,)`` and labels, indexed as :class:`openbasket.training.data.ClipDataset` is.

    Args:
        samples: subjects of a split.
        features: of each, ``(N, F)``.
        conditions: of each, ``(N, C)`` (:func:`conditions_of`); the heads get them, too. None by default.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        features: torch.Tensor,
        conditions: torch.Tensor | None = None,
    ) -> None:
        self._samples = samples
        self._features = features
        nothing = features.new_empty(len(features), 0)
        self._conditions = nothing if conditions is None else conditions

    def __len__(self) -> int:
        """Return the number of subjects."""
        return len(self._samples)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        """Return the features and conditions of subject ``index``, and the labels."""
        index = key[1]
        place = max(index, 0)
        given = torch.cat([self._features_of(key), self._conditions[place]])
        return given, labels_of(self._samples[place], index), index

    def _features_of(self, key: tuple[int, int]) -> torch.Tensor:
        return self._features[max(key[1], 0)]


class FrozenSession(Session):
    """Training of a model's heads on its features."""

    def _given(self, model: nn.Module, clips: torch.Tensor) -> Any:
        heads = model.heads if model is self.kept else model
        assert isinstance(heads, nn.Module)
        return super()._given(heads, clips)


def conditions_of(samples: Sequence[Sample], data: DataConfig) -> torch.Tensor:
    """The league and the season of each subject as heads get them: float32 ``(N, leagues + seasons)``.

    1 at the place of his league in ``data.leagues``, and of his season in ``data.seasons`` behind; else 0.
    """
    places = [(kind[:-1], name) for kind, names in data.conditions.items() for name in names]
    known = [[getattr(s, kind) == name for kind, name in places] for s in samples]
    return torch.tensor(known, dtype=torch.float32).reshape(len(samples), len(places))


def freeze(model: nn.Module) -> nn.Module:
    """Let nothing learn but the heads, and return them.

    Raises:
        ConfigError: a model of one's own that does not tell features from heads.
    """
    heads = getattr(model, "heads", None)
    if not isinstance(heads, nn.Module) or not callable(getattr(model, "features", None)):
        raise ConfigError(
            f"model.frozen is on, but {type(model).__name__} does not tell features from heads. Give it a "
            "method features(clips) -> (B, F) and a module 'heads' from (B, F) to (B, 20, levels), or set "
            "model.frozen = false"
        )
    model.requires_grad_(False)
    return heads.requires_grad_(True)


def load_backbone(path: Path, model: nn.Module, scalars: Mapping[str, Any]) -> None:
    """Give a model the frozen weights that a run began with.

    Args:
        path: the run's best checkpoint, which holds the whole model.
        model: is filled.
        scalars: of the run's last checkpoint, which holds the heads and the hash of all else.

    Raises:
        NotFoundError: there is no such file.
        OpenBasketError: it is damaged, or its frozen weights are others.
    """
    if not path.is_file():
        raise NotFoundError(
            f"there is no '{path}', whose frozen weights the run needs to go on. Put it back, or start anew "
            "(--no-resume)"
        )
    load_weights(path, model)
    if weights_hash(model) != scalars.get("backbone"):
        raise OpenBasketError(
            f"the frozen weights in '{path}' are not those that the run began with. Put its own file back, "
            "or start anew (--no-resume)"
        )


def features_of(
    accelerator: Accelerator,
    recipe: Recipe,
    model: nn.Module,
    samples: Sequence[Sample],
    cached: Sequence[CachedFrames],
    folder: Path,
    *,
    quiet: bool = False,
) -> Features:
    """What a frozen model makes of the middle view of each video: from the cache, or computed and kept.

    Args:
        accelerator: of this process; what is missing is shared out.
        recipe: of the run.
        model: has ``features`` (:func:`freeze`).
        samples: whom the videos show.
        cached: their frames.
        folder: of the cache.
        quiet: show no progress.
    """
    data = recipe.data
    store = FeatureCache(
        folder,
        model,
        json.dumps(
            [
                *(__version__, recipe.model.name, _options(recipe, model)),
                own_code(recipe).get("code", {}).get("sha256"),
                *(data.frames, data.size, data.sampling, data.fit, data.normalise),
                recipe.train.precision,
            ]
        ),
        model.heads.inputs if isinstance(model, VideoModel) else None,
    )

    def look() -> list[NDArray[np.float32] | None]:
        remove_leftovers(folder)
        return [store.held(entry) for entry in cached]

    held = on_main(accelerator, look)
    keys = [(0, index) for index, known in enumerate(held) if known is None]
    model.to(accelerator.device).eval()

    def compute(
        clips: torch.Tensor, subjects: torch.Tensor
    ) -> list[tuple[int, NDArray[np.float32]]]:
        with arithmetic(accelerator, recipe):
            made = model.features(clips)  # type: ignore[operator]
        found = list(zip(subjects.tolist(), made.float().cpu().numpy(), strict=True))
        for index, values in found:
            store.keep(cached[index], values)  # at once: a run that is stopped goes on
        return found

    if keys:
        found = over_shares(
            accelerator, _few_at_once(recipe), ClipDataset(samples, cached, data), keys, compute,
            describe="Features", quiet=quiet,
        )  # fmt: skip
        for index, values in found:
            held[index] = values
    whole = np.stack([values for values in held if values is not None])
    return Features(torch.from_numpy(whole), len(keys))


def frozen_features(
    accelerator: Accelerator,
    recipe: Recipe,
    model: nn.Module,
    samples: Sequence[Sample],
    cached: Sequence[CachedFrames],
    data_root: Path,
    run_dir: Path,
    *,
    quiet: bool = False,
) -> Features:
    """Features of a recipe's frozen model, as its heads get them, from the cache of the dataset or the run.

    Args:
        accelerator: of this process.
        recipe: of the run.
        model: its weights.
        samples: whom the videos show.
        cached: their frames.
        data_root: the dataset.
        run_dir: folder of the run.
        quiet: show no progress.

    Raises:
        ConfigError: ``transcripts.told`` of a model that gives no answers.
        NotFoundError: ``transcripts.told``, and the dataset has no transcripts.
    """
    folder = cache_folder(data_root, run_dir / CACHE).with_name(FEATURES)
    found = features_of(accelerator, recipe, model, samples, cached, folder, quiet=quiet)
    if not recipe.transcripts.told:
        return found
    from openbasket.training.transcripts import tell

    return replace(found, values=tell(found.values, model, data_root, samples, recipe))


def _few_at_once(recipe: Recipe) -> Recipe:
    """The recipe with batches of no more frames than one needs to keep a processor busy."""
    size = min(recipe.train.batch_size, max(1, _FRAMES // recipe.data.frames))
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"batch_size": size})})


def _options(recipe: Recipe, model: nn.Module) -> list[tuple[str, Any]]:
    """Settings of the model that change its features."""
    of_heads: frozenset[str] = getattr(model, "head_options", frozenset())
    return sorted((k, v) for k, v in recipe.model.options.items() if k not in of_heads)
