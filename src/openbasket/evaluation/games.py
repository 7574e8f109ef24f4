"""Subjects whose clips come from the same games are not independent: what that adds to an interval.

A reel has clips of many games, and a game is in many reels, so that games are no clusters that could be
drawn whole. They are a multiple-membership effect (Browne, Goldstein and Rasbash 2001): the result of a
subject holds the mean of the effects of its clips' games. The variances of games, persons and subjects are
estimated by moments, as in Haseman-Elston regression (Haseman and Elston 1972; with all pairs and centred
kernels it is MINQUE, Rao 1971), and the interval of the bootstrap over persons is widened by what
games add to the variance. The same holds for differences: what games do to both sides alike is not in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from openbasket.workspace import Workspace

__all__ = ["Sharing", "game_shares", "read_game_shares"]


def game_shares(
    reels: pl.DataFrame, subjects: Sequence[str], draws: Sequence[int] | None = (0,)
) -> Any:
    """Which share of each subject's clips each game has.

    Args:
        reels: table ``reels``.
        subjects: the rows.
        draws: whose clips count, each alike; ``None`` for all.

    Returns:
        SciPy CSR ``(subjects, games)``, rows add up to 1 (0 without clips); ``None`` if no clip is known.
    """
    from scipy import sparse

    rows = pl.DataFrame({"subject_id": subjects}).with_row_index("row")
    found = (
        reels.filter(pl.lit(True) if draws is None else pl.col("draw").is_in(draws))
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


def read_game_shares(
    workspace: Workspace, subjects: Sequence[str], draws: Sequence[int] | None = (0,)
) -> Any:
    """What :func:`game_shares` says for a workspace; ``None``, too, where it has no table ``reels``."""
    return game_shares(workspace.read("reels"), subjects, draws) if workspace.has("reels") else None


class Sharing:
    """Who shares games with whom.

    Args:
        shares: of :func:`game_shares`.
        clusters: the person of each subject.
    """

    def __init__(self, shares: Any, clusters: Sequence[str]) -> None:
        from scipy import sparse

        names, of_subject = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
        count = len(of_subject)
        self._shares = shares
        self._member = sparse.csr_array(
            (np.ones(count), (np.arange(count), of_subject)), (count, len(names))
        )
        self._games = (shares @ shares.T).tocsr()
        persons = (self._member @ self._member.T).tocsr()
        self._squares = self._games.multiply(self._games).tocsr()
        self._within = self._games.multiply(persons).tocsr()
        self._own = self._games.diagonal()
        self._solved: dict[bytes, np.ndarray] = {}

    def factors(self, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """By which factor games widen the interval of each column's sum, at least 1.

        Args:
            values: ``(subjects, n)``, what each subject adds to a number (its influence).
            known: ``(subjects, n)`` bool, which subjects count in it.

        Returns:
            ``(n,)``.
        """
        centred = _centred(values, known)
        of_persons = ((self._member.T @ centred) ** 2).sum(axis=0)
        added = self.added(values, known.astype(float), known)
        return np.asarray(np.sqrt(1 + _share(added, of_persons)))

    def added(self, values: np.ndarray, weights: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Variance that games shared by several persons add to the sum of weight times value.

        Args:
            values: ``(subjects, n)``, results without what is compared.
            weights: ``(subjects, n)``, how much of each value is in the sum; 0 where it is not known.
            known: ``(subjects, n)`` bool, which values there are.

        Returns:
            ``(n,)``, at least 0.
        """
        centred = _centred(values, known)
        found = np.stack(
            [
                ((self._shares.T @ centred) ** 2).sum(axis=0),
                ((self._member.T @ centred) ** 2).sum(axis=0),
                (centred**2).sum(axis=0),
            ]
        )
        shared = (weights * (self._games @ weights - self._within @ weights)).sum(axis=0)
        variances = np.einsum("na,an->n", self._moments(known), found)
        variances[known.sum(axis=0) < 3] = 0
        return np.asarray(np.maximum(variances, 0) * np.maximum(shared, 0))

    def _moments(self, known: np.ndarray) -> np.ndarray:
        """What turns moments into the variance of games: ``(n, 3)``, one for each set of rows."""
        keys = [np.packbits(column).tobytes() for column in known.T]
        missing = {key: place for place, key in enumerate(keys) if key not in self._solved}
        if missing:
            made = self._made(known[:, list(missing.values())].astype(float))
            solved = np.linalg.pinv(made, rcond=1e-9, hermitian=True)[:, 0]
            self._solved |= dict(zip(missing, solved, strict=True))
        return np.stack([self._solved[key] for key in keys])

    def _made(self, rows: np.ndarray) -> np.ndarray:
        """Products of the centred kernels of games, persons and subjects: ``(n, 3, 3)``."""
        count = np.maximum(rows.sum(axis=0), 1)
        ones = [rows * (self._games @ rows), rows * (self._member @ (self._member.T @ rows)), rows]
        same = {
            (0, 0): rows * (self._squares @ rows),
            (0, 1): rows * (self._within @ rows),
            (0, 2): rows * self._own[:, None],
            (1, 1): ones[1],
            (1, 2): rows,
            (2, 2): rows,
        }
        found = np.empty((rows.shape[1], 3, 3))
        for (a, b), product in same.items():
            totals = ones[a].sum(axis=0) * ones[b].sum(axis=0)
            centred = -2 * (ones[a] * ones[b]).sum(axis=0) / count + totals / count**2
            found[:, a, b] = found[:, b, a] = product.sum(axis=0) + centred
        return found


def _centred(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    means = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.asarray(np.where(known, values - means, 0.0))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0))
