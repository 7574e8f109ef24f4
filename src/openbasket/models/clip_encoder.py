"""What looks at one clip: a small convolutional encoder, and its answers to what a transcript could be asked.

Sources: own design.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from openbasket.models.questions import TARGETS, WRITTEN

__all__ = ["TEAM_DIM", "ClipAnswers", "ClipConv"]


#: Side in pixels of the squares of a picture that have weights of their own, and what each gives.
_SQUARE, _WRITTEN = 16, 16
#: Numbers that tell a team from others, of each of the two.
TEAM_DIM = 16


class ClipConv(nn.Module):
    """Features of a clip: a convolutional network on each frame, then over time and space together.

    Beside it, a reader of what stands written: each square of the picture, mean over the frames, has
    weights of its own, with which the small letters of a scoreboard are read, which convolutions do not find.
    What it reads is the last quarter of the features.

    Args:
        frames: of a clip.
        size: height and width in pixels, a multiple of 16.
        width: channels after the first convolution, a multiple of 8.
        dim: of the features, a multiple of 4.
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
        self.out = nn.Sequential(
            nn.LayerNorm(4 * inner),
            nn.Dropout(dropout),
            nn.Linear(4 * inner, dim - dim // 4),
            nn.SiLU(),
        )
        self.reader = _Reader(size, inner, 4 * inner, dim // 4)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to ``(B, dim)``."""
        batch, _, frames = clips.shape[:3]
        pictures = clips.transpose(1, 2).flatten(0, 1).contiguous()
        if torch.is_grad_enabled():  # by which it learns faster on CPUs, and sees slower
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        maps = self.frame(pictures)
        maps = maps.view(batch, frames, *maps.shape[1:]).transpose(1, 2)
        tokens = self.mix(maps).flatten(2).transpose(1, 2) + self.place
        asks = self.asks.expand(batch, -1, -1)
        found, _ = self.attend(asks, tokens, tokens, need_weights=False)
        found = found.flatten(1)
        return torch.cat([self.out(found), self.reader(clips.mean(dim=2), found)], 1)


class _Reader(nn.Module):
    """What stands written, together with what is seen: who has the ball is told by the half and the basket.

    Args:
        size: height and width in pixels, a multiple of 16.
        inner: numbers that are read.
        seen: numbers that tell what is seen.
        dim: of its features.
    """

    def __init__(self, size: int, inner: int, seen: int, dim: int) -> None:
        super().__init__()
        squares = (size // _SQUARE) ** 2
        self.squares = nn.Parameter(torch.empty(squares, 3 * _SQUARE**2, _WRITTEN))
        nn.init.normal_(self.squares, std=(3 * _SQUARE**2) ** -0.5)
        self.read = nn.Sequential(
            nn.LayerNorm(squares * _WRITTEN), nn.Linear(squares * _WRITTEN, inner), nn.SiLU()
        )
        self.out = nn.Sequential(
            nn.LayerNorm(seen + inner), nn.Linear(seen + inner, dim), nn.SiLU()
        )

    def forward(self, pictures: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Map pictures ``(B, 3, H, W)`` and ``(B, seen)`` to ``(B, dim)``."""
        squares = F.unfold(pictures, _SQUARE, stride=_SQUARE).transpose(1, 2)
        letters = torch.einsum("bsp,spo->bso", squares, self.squares)
        features: torch.Tensor = self.out(torch.cat([seen, self.read(letters.flatten(1))], 1))
        return features


class ClipAnswers(nn.Module):
    """What the features of a clip answer to :data:`~openbasket.models.questions.TARGETS`: a linear head each.

    And which teams play: a vector for the home team and one for the away team, alike where the team is.

    Args:
        features: of a clip.
        read: how many of them, at the end, tell what stands written: they answer :data:`WRITTEN` and nothing
            else, by which all learn faster. 0 where features are of one kind.
    """

    def __init__(self, features: int, read: int) -> None:
        super().__init__()
        self._parts = [features - read, read]
        of = {
            name: nn.Linear(read if read and name in WRITTEN else features - read, len(answers))
            for name, answers in TARGETS.items()
        }
        self.of = nn.ModuleList(of.values())
        self.teams = nn.Linear(read or features, 2 * TEAM_DIM)

    def forward(self, features: torch.Tensor) -> list[torch.Tensor]:
        """Map features ``(B, F)`` to logits ``(B, answers)`` of each target."""
        seen, read = self._apart(features)
        return [
            head(read if name in WRITTEN else seen)
            for name, head in zip(TARGETS, self.of, strict=True)
        ]

    def probabilities(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, F)`` to the probabilities of all answers, one target after another."""
        return torch.cat([answer.float().softmax(1) for answer in self(features)], dim=1)

    def who_plays(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, F)`` to unit vectors ``(B, 2, TEAM_DIM)`` of the home and the away team."""
        _, read = self._apart(features)
        return F.normalize(self.teams(read).float().view(-1, 2, TEAM_DIM), dim=2)

    def _apart(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is seen, and what is read."""
        seen, read = torch.split(features, self._parts, dim=1)
        return seen, read if self._parts[1] else seen


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
