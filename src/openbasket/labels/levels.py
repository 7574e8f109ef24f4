"""Ranks to equal levels (paper, section 3.1)."""

from __future__ import annotations

import polars as pl

__all__ = ["level"]


def level(rank: pl.Expr, ranked: pl.Expr, levels: int) -> pl.Expr:
    """The level of a rank: 0 for the last group, ``levels - 1`` for the first.

    Rank ``r`` of ``n`` gets ``levels - 1 - floor(levels (r - 1) / n)``: groups whose sizes differ by
    one at most, the same for any row order.
    """
    group = levels * (rank.cast(pl.Int64) - 1) // ranked.cast(pl.Int64)
    return (levels - 1 - group).cast(pl.Int8)
