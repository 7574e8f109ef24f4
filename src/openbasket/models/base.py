"""What the architectures share: a clip in, features, twenty heads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from openbasket.models.heads import SkillHeads
from openbasket.models.positions import Source

__all__ = ["DropPath", "Mlp", "VideoModel"]


def _running(layer: nn.Module) -> Iterator[_BatchNorm]:
    return (m for m in layer.modules() if isinstance(m, _BatchNorm) and m.track_running_stats)


@contextmanager
def _statistics_as_they_are(layer: nn.Module) -> Iterator[None]:
    """Running statistics of normalisation know a batch already that is seen again, for its gradients."""
    running = list(_running(layer))
    before = [module.momentum for module in running]
    counts = [module.num_batches_tracked for module in running]
    known = [None if count is None else count.clone() for count in counts]
    try:
        for module in running:
            module.momentum = 0.0
        yield
    finally:
        for module, momentum, count, value in zip(running, before, counts, known, strict=True):
            module.momentum = momentum
            if count is not None and value is not None:
                count.copy_(value)


class VideoModel(nn.Module):
    """A backbone with twenty heads; its parts keep their official names.

    Args:
        clip_shape: ``(3, T, H, W)`` of a clip.
        features: length of the vector that the heads read.
        levels: levels of a skill.
    """

    #: Regular expression of the names of weights that official checkpoints may lack: they start fresh.
    may_lack = r"$^"

    def __init__(self, clip_shape: tuple[int, int, int, int], features: int, levels: int) -> None:
        super().__init__()
        self.gradient_checkpointing = False
        self.clip_shape = clip_shape
        self.heads = SkillHeads(features, levels)

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to ``(B, F)``, what the heads read."""
        raise NotImplementedError

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to logits ``(B, 20, levels)``.

        Raises:
            ValueError: the clips are not of the shape that the model was built for.
        """
        if clips.ndim != 5 or tuple(clips.shape[1:]) != self.clip_shape:
            raise ValueError(
                f"clips have shape {tuple(clips.shape)}; built for (B, *{self.clip_shape})"
            )
        logits: torch.Tensor = self.heads(self.features(clips))
        return logits

    def through(self, layer: nn.Module, *given: Any) -> Any:
        """What a layer makes of values; in training with ``gradient_checkpointing``, made twice."""
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            if torch.compiler.is_compiling() or not any(_running(layer)):
                return checkpoint(layer, *given, use_reentrant=False)
            return checkpoint(
                layer, *given, use_reentrant=False,
                context_fn=lambda: (nullcontext(), _statistics_as_they_are(layer)),
            )  # fmt: skip
        return layer(*given)

    def from_official(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Give the weights of an official checkpoint the names, and shapes, that they have here.

        Position tables of other lengths are interpolated, but see :meth:`regridded`. Heads come later
        (:func:`openbasket.models.weights.load_official`).

        Args:
            state: by official name, without what wrappers put before it; may be changed.
        """
        return state

    def regridded(
        self,
        state: dict[str, torch.Tensor],
        source: Source,  # noqa: ARG002 - for those that have such tables
    ) -> dict[str, torch.Tensor]:
        """Fit tables of positions whose length alone does not tell their frames and size.

        Args:
            state: by our names, as :meth:`from_official` gives them; may be changed.
            source: the clips that the checkpoint was made for; gets notes.
        """
        return state

    def completed(
        self,
        state: dict[str, torch.Tensor],  # noqa: ARG002 - for those that copy weights
    ) -> dict[str, torch.Tensor]:
        """Make weights that a checkpoint lacks, from those that it has or from nothing but their shape.

        Args:
            state: by our names, as :meth:`from_official` gives them; not changed.
        """
        return {}


class DropPath(nn.Module):
    """In training, make some clips' values zero and the others' larger, so that the mean stays."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, ...)`` to the same."""
        if not self.training or not self.rate:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * kept / (1 - self.rate)


class Mlp(nn.Module):
    """Two linear maps with a GELU between them; its parts have the official names.

    Args:
        width: of a token.
        hidden: of the layer between.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map ``(..., width)`` to the same."""
        mixed: torch.Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return mixed
