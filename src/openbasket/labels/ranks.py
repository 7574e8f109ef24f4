"""Scores to ranks, inside one league and season."""

from __future__ import annotations

import polars as pl

__all__ = ["rank"]


def rank(scored: pl.DataFrame, *, lower_is_better: bool) -> pl.DataFrame:
    """Add ``rank`` (1 is best) and ``ranked`` (how many have one).

    Equal scores: more trials first, then the subject's id in the order of its characters. So there
    are no shared ranks, and no row order matters.

    Args:
        scored: columns ``subject_id, trials, score``; subjects with a null score get no rank.
        lower_is_better: whether the smallest score is rank 1.
    """
    ordered = (
        scored.filter(pl.col("score").is_not_null())
        .sort(["score", "trials", "subject_id"], descending=[not lower_is_better, True, False])
        .select("subject_id", rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32))
    )
    return scored.join(ordered, on="subject_id", how="left").with_columns(
        ranked=pl.lit(ordered.height, dtype=pl.Int32)
    )
