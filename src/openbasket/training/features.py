"""Features of a frozen model, kept on disk: what never changes is computed once."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from openbasket.errors import VideoError
from openbasket.models.base import VideoModel
from openbasket.models.weights import is_head
from openbasket.video.cache import CachedFrames
from openbasket.workspace import atomic_path

__all__ = ["FeatureCache", "weights_hash"]


def weights_hash(model: nn.Module, *, heads: bool = True) -> str:
    """SHA-256 of a model's parameters and buffers: their names, types, shapes and values.

    Args:
        model: whose.
        heads: count those of the heads, too.
    """
    digest = hashlib.sha256(type(model).__qualname__.encode())
    for name, value in sorted(model.state_dict().items()):
        if not heads and is_head(name):
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\0".encode())
        flat = value.detach().cpu().contiguous().view(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.hexdigest()


class FeatureCache:
    """What a frozen model makes of cached frames.

    A file is found by the model's weights, the frames and the preparation: change one, and it is computed
    anew.

    Args:
        folder: where it lies; may be shared by many models.
        model: is put into evaluation mode; its weights must not change afterwards. Of a ``VideoModel``
            the features are kept, and its heads do not count.
        prepare: from a video's frames to what the model takes, such as float ``(1, 3, T, H, W)``.
        preparation: names what ``prepare`` does; another name for anything that changes its result.
    """

    def __init__(
        self,
        folder: Path,
        model: nn.Module,
        prepare: Callable[[CachedFrames], torch.Tensor],
        preparation: str,
    ) -> None:
        self._model = model.eval()
        self._make = model.features if isinstance(model, VideoModel) else model
        self._prepare = prepare
        named = hashlib.sha256(preparation.encode()).hexdigest()[:16]
        self.folder = Path(folder) / (
            f"{weights_hash(model, heads=not isinstance(model, VideoModel))}-{named}"
        )

    def features(self, entry: CachedFrames) -> NDArray[np.float32]:
        """The model's output for one video, float32.

        Raises:
            VideoError: the frames, or the file of features, are damaged.
            WorkspaceError: the file cannot be written.
        """
        path = self.folder / f"{entry.recording.key}.npz"
        if not path.exists():
            self._write(entry, path)
        try:
            with np.load(path, allow_pickle=False) as held:  # checks its CRC-32
                return np.asarray(held["features"], np.float32)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
            raise VideoError(f"'{path}' is damaged ({error}); remove it") from None

    def _write(self, entry: CachedFrames, path: Path) -> None:
        device = next((p.device for p in self._model.parameters()), torch.device("cpu"))
        with torch.no_grad():
            made = self._make(self._prepare(entry).to(device)).float().cpu().numpy()
        with atomic_path(path) as temporary:
            np.savez(temporary, features=made)
