"""Scores to ranks, inside one league and season."""

from __future__ import annotations

import polars as pl

__all__ = ["rank"]


def rank(
    scored: pl.DataFrame, *, lower_is_better: bool | pl.Expr, by: str | None = None
) -> pl.DataFrame:
    """Add ``rank`` (1 is best) and ``ranked`` (how many have one).

    Equal scores: more trials first, then the subject's id in the order of its characters. So there
    are no shared ranks, and no row order matters.

    Args:
        scored: columns ``subject_id, trials, score``; subjects with a null score get no rank.
        lower_is_better: whether the smallest score is rank 1, of all rows or of each.
        by: column whose values are ranked each on their own; ``None``: all rows together.
    """
    best_first = pl.when(lower_is_better).then("score").otherwise(-pl.col("score"))
    place, count = pl.int_range(1, pl.len() + 1, dtype=pl.Int32), pl.col("score").count()
    rows = scored.with_row_index("row")
    ordered = (
        rows.filter(pl.col("score").is_not_null())
        .sort(best_first, -pl.col("trials"), "subject_id")
        .select("row", rank=place.over(by) if by else place)
    )
    return (
        rows.join(ordered, on="row", how="left", maintain_order="left")
        .with_columns(ranked=(count.over(by) if by else count).cast(pl.Int32))
        .drop("row")
    )
