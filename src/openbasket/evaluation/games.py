"""Subjects whose clips come from the same games are not independent: what that adds to an interval.

A reel has clips of many games, and a game is in many reels, so that games are no clusters that could be
drawn whole. They are a multiple-membership effect (Browne, Goldstein and Rasbash 2001): the result of a
subject holds the mean of the effects of its clips' games. The variances of games, persons and subjects are
estimated by moments, as in Haseman-Elston regression (Haseman and Elston 1972; with all pairs and centred
kernels it is MINQUE, Rao 1971), and the interval of the bootstrap over persons is widened by what
games add to the variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from openbasket.evaluation.metrics import GROUPS

__all__ = ["game_shares", "widening"]


def game_shares(reels: pl.DataFrame, subjects: Sequence[str]) -> Any:
    """Which share of each subject's clips each game has.

    Args:
        reels: table ``reels``; draw 0 counts.
        subjects: the rows.

    Returns:
        SciPy CSR ``(subjects, games)``, rows add up to 1 (0 without clips); ``None`` if no clip is known.
    """
    from scipy import sparse

    rows = pl.DataFrame({"subject_id": subjects}).with_row_index("row")
    found = (
        reels.filter(pl.col("draw") == 0)
        .join(rows, on="subject_id")
        .group_by("row", "game_id")
        .len()
        .sort("row", "game_id")
        .with_columns(share=pl.col("len") / pl.col("len").sum().over("row"))
    )
    if found.is_empty():
        return None
    game = found["game_id"].rank("dense").to_numpy().astype(int) - 1
    place = (found["row"].to_numpy().astype(int), game)
    return sparse.csr_array((found["share"].to_numpy(), place), (len(subjects), game.max() + 1))


def widening(cells: np.ndarray, clusters: Sequence[str], shares: Any) -> np.ndarray:
    """By which factor games widen the interval of each group's mean: ``(len(GROUPS),)``, at least 1.

    Args:
        cells: ``(subjects, 20)``, NaN where there is no label.
        clusters: the person of each subject.
        shares: of :func:`game_shares`.
    """
    known = ~np.isnan(cells)
    counts = known.sum(axis=0)
    centred = np.where(
        known, cells - np.where(known, cells, 0).sum(axis=0) / np.maximum(counts, 1), 0
    )
    scaled = centred * len(cells) / np.maximum(counts, 1)
    factors = np.ones(len(GROUPS))
    kernels: dict[bytes, _Kernels] = {}
    persons = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)[1]
    for number, (_, members) in enumerate(GROUPS):
        labelled = [m for m in members if counts[m]]
        rows = known[:, labelled].any(axis=1)
        if rows.sum() < 3:
            continue
        key = rows.tobytes()
        if key not in kernels:
            kernels[key] = _Kernels(shares[rows], persons[rows])
        factors[number] = kernels[key].factor(scaled[rows][:, labelled].mean(axis=1))
    return factors


class _Kernels:
    """Who shares what with whom, among the subjects that have a label."""

    def __init__(self, shares: Any, persons: np.ndarray) -> None:
        from scipy import sparse

        count = len(persons)
        names = np.unique(persons, return_inverse=True)[1]
        member = sparse.csr_array(
            (np.ones(count), (np.arange(count), names)), (count, names.max() + 1)
        )
        self.roots = [shares, member, sparse.eye_array(count, format="csr")]
        kernels = [(root @ root.T).tocsr() for root in self.roots]
        ones = [kernel.sum(axis=1) for kernel in kernels]
        self.gram = np.array(
            [
                [
                    k.multiply(other).sum()
                    - 2 / count * (mine @ theirs)
                    + mine.sum() * theirs.sum() / count**2
                    for other, theirs in zip(kernels, ones, strict=True)
                ]
                for k, mine in zip(kernels, ones, strict=True)
            ]
        )
        #: Shared games of pairs of two persons: what a bootstrap over persons does not see.
        self.between = float(ones[0].sum() - kernels[0].multiply(kernels[1]).sum())

    def factor(self, values: np.ndarray) -> float:
        centred = values - values.mean()
        found = np.array([((root.T @ centred) ** 2).sum() for root in self.roots])
        variance_of_games = np.linalg.lstsq(self.gram, found, rcond=1e-9)[0][0]
        of_persons = found[1]
        if of_persons <= 0 or variance_of_games <= 0:
            return 1.0
        return float(np.sqrt(1 + variance_of_games * self.between / of_persons))
