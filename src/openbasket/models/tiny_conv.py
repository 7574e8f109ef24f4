"""A small model that trains from scratch on a CPU: a frame CNN and a transformer over time."""

from __future__ import annotations

import torch
from torch import nn

from openbasket.models.base import VideoModel
from openbasket.models.spec import ModelSpec

__all__ = ["SPECS", "TinyConv"]

SPEC = ModelSpec(
    name="tiny_conv",
    frames=16,
    size=112,
    params=722_980,
    source="own design",
    licence="MIT",
)
SPECS = {SPEC.name: SPEC}


class TinyConv(VideoModel):
    """Depthwise-separable CNN on each frame, two transformer layers over time, attention pooling.

    Group normalisation keeps each clip independent of the others in its batch.

    Args:
        num_frames: frames in a clip.
        size: height and width in pixels, a multiple of 16 (the CNN's stride).
        levels: levels of a skill.
        width: channels after the first convolution, a multiple of 8.
        dim: length of a frame's feature vector, a multiple of 4 (the attention heads).
        depth: transformer layers.
        dropout: share of the transformer's values dropped in training.
        gradient_checkpointing: compute the frames' CNN again in the backward pass, for less memory.
    """

    def __init__(
        self,
        *,
        num_frames: int = SPEC.frames,
        size: int = SPEC.size,
        levels: int = 5,
        width: int = 24,
        dim: int = 192,
        depth: int = 2,
        dropout: float = 0.1,
        gradient_checkpointing: bool = False,
    ) -> None:
        if size % 16 or width % 8 or dim % 4:
            raise ValueError(
                f"size must be a multiple of 16, width of 8, dim of 4; got {size}, {width}, {dim}"
            )
        super().__init__((3, num_frames, size, size), dim, levels)
        self.gradient_checkpointing = gradient_checkpointing
        self.frame = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=4, padding=3, bias=False),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            _separable(width, 2 * width, stride=2),
            _separable(2 * width, 4 * width),
            _separable(4 * width, 8 * width, stride=2),
            _separable(8 * width, 8 * width),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8 * width, dim),
        )
        self.position = nn.Parameter(torch.empty(num_frames, dim))
        nn.init.normal_(self.position, std=0.02)
        self.time = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, 4, 2 * dim, dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim)
        self.score = nn.Linear(dim, 1, bias=False)

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to ``(B, dim)``."""
        batch, _, frames = clips.shape[:3]
        pictures = clips.transpose(1, 2).flatten(0, 1)
        pictures = pictures.contiguous(memory_format=torch.channels_last)  # faster on CPUs
        tokens = self.through(self.frame, pictures).view(batch, frames, -1) + self.position
        for layer in self.time:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        weights = self.score(tokens).softmax(dim=1)
        vectors: torch.Tensor = (weights * tokens).sum(dim=1)
        return vectors


def _separable(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride=stride, padding=1, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.GroupNorm(8, outputs),
        nn.SiLU(),
    )
