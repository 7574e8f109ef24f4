"""Fit the position tables of a checkpoint to a model of another picture size or number of frames."""

from __future__ import annotations

from math import isqrt

import torch
from torch.nn.functional import interpolate

__all__ = ["resize_space", "resize_time"]


def resize_space(tables: torch.Tensor, side: int, mode: str = "bicubic") -> torch.Tensor:
    """Interpolate square grids of positions ``(N, old * old, C)``, row by row, to ``(N, side * side, C)``."""
    old = isqrt(tables.shape[1])
    if old == side:
        return tables
    grids = tables.float().transpose(1, 2).reshape(len(tables), -1, old, old)
    return interpolate(grids, (side, side), mode=mode).flatten(2).transpose(1, 2).to(tables.dtype)


def resize_time(tables: torch.Tensor, frames: int, mode: str = "linear") -> torch.Tensor:
    """Interpolate positions in time, ``(N, T, C)``, to ``(N, frames, C)``."""
    if tables.shape[1] == frames:
        return tables
    lines = tables.float().transpose(1, 2)
    return interpolate(lines, frames, mode=mode).transpose(1, 2).to(tables.dtype)
