"""What looks at one clip: a small convolutional encoder, and its answers to what a transcript could be asked.

Sources: own design.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from openbasket.models.questions import TARGETS

__all__ = ["TEAM_DIM", "ClipAnswers", "ClipConv"]


#: Side in pixels of the squares of a picture that have weights of their own, and what each gives.
_SQUARE, _WRITTEN = 16, 16
#: Numbers that tell a team from others, of each of the two.
TEAM_DIM = 16


class ClipConv(nn.Module):
    """Features of a clip: a convolutional network on each frame, then over time and space together.

    Beside it, what stands written: each square of the picture, mean over the frames, has weights of its own,
    with which the small letters of a scoreboard are read, which convolutions do not learn to find.

    Args:
        frames: of a clip.
        size: height and width in pixels, a multiple of 16.
        width: channels after the first convolution, a multiple of 8.
        dim: of the features.
        dropout: share of values dropped before the last layer.
    """

    def __init__(self, frames: int, size: int, width: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.frame = nn.Sequential(
            nn.Conv2d(3, width, 5, 2, 2, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            _separable(width, 2 * width, 2),
            _separable(2 * width, 2 * width, 1),
            _separable(2 * width, 4 * width, 2),
            _separable(4 * width, 4 * width, 1),
            _separable(4 * width, 6 * width, 2),
        )
        inner = 5 * width
        self.mix = nn.Sequential(_separable_3d(6 * width, inner, 1), _separable_3d(inner, inner, 2))
        side = -(-(size // 16) // 2)
        self.place = nn.Parameter(torch.empty(frames * side * side, inner))
        self.asks = nn.Parameter(torch.empty(4, inner))
        nn.init.normal_(self.place, std=0.3)
        nn.init.normal_(self.asks, std=1.0)
        self.attend = nn.MultiheadAttention(inner, 4, batch_first=True)
        squares = (size // _SQUARE) ** 2
        self.squares = nn.Parameter(torch.empty(squares, 3 * _SQUARE**2, _WRITTEN))
        nn.init.normal_(self.squares, std=(3 * _SQUARE**2) ** -0.5)
        self.written = nn.Sequential(
            nn.LayerNorm(squares * _WRITTEN), nn.Linear(squares * _WRITTEN, inner), nn.SiLU()
        )
        self.out = nn.Sequential(
            nn.LayerNorm(5 * inner), nn.Dropout(dropout), nn.Linear(5 * inner, dim), nn.SiLU()
        )

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to ``(B, dim)``."""
        batch, _, frames = clips.shape[:3]
        pictures = clips.transpose(1, 2).flatten(0, 1)
        maps = self.frame(pictures.contiguous(memory_format=torch.channels_last))
        maps = maps.view(batch, frames, *maps.shape[1:]).transpose(1, 2)
        tokens = self.mix(maps).flatten(2).transpose(1, 2) + self.place
        asks = self.asks.expand(batch, -1, -1)
        found, _ = self.attend(asks, tokens, tokens, need_weights=False)
        features: torch.Tensor = self.out(
            torch.cat([found.flatten(1), self._read(clips.mean(dim=2))], 1)
        )
        return features

    def _read(self, pictures: torch.Tensor) -> torch.Tensor:
        """What stands written on pictures ``(B, 3, H, W)``: ``(B, inner)``."""
        squares = F.unfold(pictures, _SQUARE, stride=_SQUARE).transpose(1, 2)
        seen = torch.einsum("bsp,spo->bso", squares, self.squares)
        read: torch.Tensor = self.written(seen.flatten(1))
        return read


class ClipAnswers(nn.Module):
    """What the features of a clip answer to :data:`~openbasket.models.questions.TARGETS`: a linear head each.

    And which teams play: a vector for the home team and one for the away team, alike where the team is.

    Args:
        features: of a clip.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.of = nn.ModuleList(nn.Linear(features, len(names)) for names in TARGETS.values())
        self.teams = nn.Linear(features, 2 * TEAM_DIM)

    def forward(self, features: torch.Tensor) -> list[torch.Tensor]:
        """Map features ``(B, F)`` to logits ``(B, answers)`` of each target."""
        return [head(features) for head in self.of]

    def probabilities(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, F)`` to the probabilities of all answers, one target after another."""
        return torch.cat([answer.float().softmax(1) for answer in self(features)], dim=1)

    def who_plays(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, F)`` to unit vectors ``(B, 2, TEAM_DIM)`` of the home and the away team."""
        return F.normalize(self.teams(features).float().unflatten(1, (2, TEAM_DIM)), dim=2)


def _separable_3d(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(inputs, inputs, 3, (1, stride, stride), 1, groups=inputs, bias=False),
        nn.Conv3d(inputs, outputs, 1, bias=False),
        nn.GroupNorm(8, outputs),
        nn.SiLU(),
    )


def _separable(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(),
    )
