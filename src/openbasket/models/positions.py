"""Fit the position tables of a checkpoint to a model of another picture size or number of frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isqrt

import torch
from torch.nn.functional import interpolate

from openbasket.errors import ConfigError

__all__ = ["Source", "read_grid", "resize_space", "resize_time"]

#: Times of the tables of official checkpoints, the most usual first.
_USUAL_TIMES = (8, 4, 16, 32, 64)


@dataclass(slots=True)
class Source:
    """The clips that a checkpoint was made for.

    Args:
        frames: in a clip, if somebody told.
        size: height and width in pixels, if somebody told.
        used: whether a table was read by these.
        notes: what was read of tables that do not tell it themselves.
    """

    frames: int | None = None
    size: int | None = None
    used: bool = False
    notes: list[str] = field(default_factory=list)


def read_grid(
    tokens: int,
    own: tuple[int, int],
    usual_side: int,
    source: Source,
    *,
    patch: int,
    tubelet: int = 1,
) -> tuple[int, int] | None:
    """Find of how many times, and places a side, a table of positions is: its length alone does not tell.

    If nobody told, what explains the length is sought in this order: 8, 4, 16, 32 or 64 times of the usual
    places; the same of the model's own places; any times of the usual places; the model's own times, then
    8, 4, 16, 32 or 64, of a square; any times of the model's own places. The choice goes into the notes.

    Args:
        tokens: length of the table, without a class token.
        own: times, and places a side, of the model.
        usual_side: places a side of the official checkpoints.
        source: what somebody told; gets the notes.
        patch: side of a place in pixels.
        tubelet: frames of a time.

    Returns:
        Times and places a side; ``None`` if nobody told and nothing explains the length.

    Raises:
        ConfigError: what somebody told does not explain the length.
    """
    squares = (side for side in range(1, isqrt(tokens) + 1) if tokens % side**2 == 0)
    pairs = [(tokens // side**2, side) for side in squares]
    told = source.frames is not None or source.size is not None
    source.used = True
    if told:
        pairs = [
            (times, side)
            for times, side in pairs
            if source.frames in (None, times * tubelet) and source.size in (None, side * patch)
        ]
        if not pairs:
            raise ConfigError(
                f"a position table of {tokens:,} tokens is not of {source.frames or 'any'} frames of "
                f"{source.size or 'any'} pixels, with patches of {tubelet} x {patch} x {patch}. Give the "
                "frames and the size of the clips that the checkpoint was trained with"
            )
    times, side = own
    wanted = [
        *((usual, usual_side) for usual in _USUAL_TIMES),
        *((usual, side) for usual in _USUAL_TIMES),
        *(pair for pair in pairs if pair[1] == usual_side),
        *(pair for t in (times, *_USUAL_TIMES) for pair in pairs if pair[0] == t),
        *(pair for pair in pairs if pair[1] == side or told),
    ]
    found = next((pair for pair in wanted if pair in pairs), None)
    if found is None:
        return None

    def clip(pair: tuple[int, int]) -> str:
        return f"{pair[0] * tubelet} frames of {pair[1] * patch} pixels"

    usual = {times, *_USUAL_TIMES}
    others = [pair for pair in pairs if pair[0] in usual and pair[1] > 1 and pair != found]
    if found != own or others:
        note = f"positions read as those of {clip(found)}"
        if found != own:
            note += f", made those of {clip(own)}"
        if others:
            note += f"; {', '.join(map(clip, others))} would fit, too: --from-frames, --from-size"
        source.notes.append(note)
    return found


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
