"""Unmasked Teacher: VideoMAE's transformer with tubes of one frame and positions that train."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from openbasket.models.positions import Source, read_grid, resize_space, resize_time
from openbasket.models.spec import ModelSpec
from openbasket.models.videomae2 import POSITIONS, VideoMAE2, sinusoids

__all__ = ["SPECS", "UMT", "tiny"]

_SOURCE = "Li et al., Unmasked Teacher: Towards Training-Efficient Video Foundation Models (2023)"
SPECS = {
    "umt": ModelSpec("umt", 32, 224, 90_531_172, _SOURCE, "MIT"),
    "umt-tiny": ModelSpec("umt-tiny", 8, 112, 2_910_628, _SOURCE, "MIT"),
}

#: Times, and patches a side, of the official pretraining.
_TIMES, _GRID = 8, 14


class UMT(VideoMAE2):
    """VideoMAE's transformer; its positions start as those of 8 x 14 x 14 tokens, interpolated.

    Args:
        num_frames: frames in a clip, a multiple of ``tubelet_size``.
        size: height and width in pixels, a multiple of ``patch``.
        patch: side of a tube in pixels.
        width: length of a token, a multiple of ``heads``.
        depth: blocks.
        heads: attention heads.
        mlp_ratio: hidden width of a block's MLP by ``width``.
        levels: levels of a skill.
        tubelet_size: length of a tube in frames.
        drop_path_rate: share of clips for which the last block is skipped in training; earlier
            blocks have less, from 0.
        train_positions: train the positions. The official code means to, but detaches them, so
            that they stay as they are: ``False`` does as it does.
        gradient_checkpointing: compute blocks again in the backward pass, for less memory.

    Raises:
        ValueError: as of VideoMAE2.
    """

    def __init__(
        self,
        *,
        num_frames: int = 32,
        size: int = 224,
        patch: int = 16,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        levels: int = 5,
        tubelet_size: int = 1,
        drop_path_rate: float = 0.0,
        train_positions: bool = True,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__(
            num_frames=num_frames,
            size=size,
            patch=patch,
            width=width,
            depth=depth,
            heads=heads,
            mlp_ratio=mlp_ratio,
            levels=levels,
            tubelet_size=tubelet_size,
            drop_path_rate=drop_path_rate,
            gradient_checkpointing=gradient_checkpointing,
        )
        self.videomae.embeddings.position_embeddings.requires_grad_(train_positions)

    def positions(self) -> torch.Tensor:
        """Make the table ``(1, tokens, width)``."""
        official = sinusoids(_TIMES * _GRID**2, self.width)
        return nn.Parameter(_resized(official, _GRID, self.times, self.grid))

    def regridded(self, state: dict[str, torch.Tensor], source: Source) -> dict[str, torch.Tensor]:
        """Resize positions of other times or places.

        A checkpoint without positions was trained with the fixed ones that ours start from.

        Args:
            state: by our names; may be changed.
            source: the clips that the checkpoint was made for; gets notes.
        """
        table = state.get(POSITIONS)
        if table is None or table.ndim != 3 or not table.shape[1]:
            return state
        grid = read_grid(
            table.shape[1],
            (self.times, self.grid),
            _GRID,
            source,
            patch=self.patch,
            tubelet=self.tubelet_size,
        )
        if grid and grid != (self.times, self.grid):
            state[POSITIONS] = _resized(table, grid[1], self.times, self.grid)
        return state


def _resized(table: torch.Tensor, old: int, times: int, grid: int) -> torch.Tensor:
    """Resize ``(1, any number of times * old * old, width)`` to ``(1, times * grid * grid, width)``.

    Bicubic over space and linear over time, as officially.
    """
    pictures = resize_space(table.reshape(-1, old * old, table.shape[2]), grid)
    lines = resize_time(pictures.transpose(0, 1), times)
    return lines.transpose(0, 1).flatten(0, 1)[None]


tiny = partial(UMT, num_frames=8, size=112, width=192, depth=6, heads=3)
