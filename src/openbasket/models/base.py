"""What the architectures share: a clip in, features, twenty heads."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from openbasket.models.heads import SkillHeads

__all__ = ["DropPath", "VideoModel"]


class VideoModel(nn.Module):
    """A backbone with twenty heads; its parts keep their official names.

    Args:
        clip_shape: ``(3, T, H, W)`` of a clip.
        features: length of the vector that the heads read.
        levels: levels of a skill.
    """

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
        """What a layer makes of values; made again in the backward pass with ``gradient_checkpointing``."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(layer, *given, use_reentrant=False)
        return layer(*given)

    def from_official(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Give the weights of an official checkpoint the names, and shapes, that they have here.

        Position tables of other lengths are interpolated. Heads come later
        (:func:`openbasket.models.weights.load_official`).

        Args:
            state: by official name, without what wrappers put before it; may be changed.
        """
        return state


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
