"""Ratings as an array, and what resamples of participants and players make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from openbasket.evaluation.intervals import cluster_weights, ends
from openbasket.study.agreement import alpha, alphas

__all__ = ["Agreement", "Estimate", "Panel", "means_over_players"]


@dataclass(frozen=True)
class Estimate:
    """A number, and its 95 % interval; ``None`` where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Agreement:
    """Alpha of each skill, and the mean over the skills that have one."""

    mean: Estimate
    skills: dict[str, Estimate]


class Panel:
    """Ratings of some participants.

    Resamples draw participants, and independently players (Owen 2007, the pigeonhole bootstrap), so that
    intervals are about other people and other players of the kind; they are rather too wide than too narrow.

    Args:
        frame: rows of :func:`openbasket.study.exports.ratings` that count.
        skills: the study's.
        levels: how many there are.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """

    def __init__(
        self, frame: pl.DataFrame, skills: tuple[str, ...], levels: int, resamples: int, seed: int
    ) -> None:
        self.skills, self.levels = skills, levels
        self.participants = sorted(set(frame["participant"]))
        self.players = sorted(set(frame["subject_id"]))
        shape = (len(self.participants), len(self.players), len(skills))
        self.level, self.right = np.full(shape, np.nan), np.full(shape, np.nan)
        rows = {one: n for n, one in enumerate(self.participants)}
        columns = {one: n for n, one in enumerate(self.players)}
        deep = {one: n for n, one in enumerate(skills)}
        names = ("participant", "subject_id", "skill", "level", "right")
        for participant, player, skill, level, right in frame.select(names).iter_rows():
            place = rows[participant], columns[player], deep[skill]
            self.level[place], self.right[place] = level, right
        self._people = cluster_weights([f"{p:09d}" for p in self.participants], resamples, seed)
        drawn = cluster_weights(self.players, resamples, seed + 1)
        self._players = np.ones((resamples, len(self.players))) if drawn is None else drawn

    def accuracies(self) -> np.ndarray:
        """``(participants,)``: share of right answers of each."""
        return np.asarray(np.nanmean(self.right, axis=(1, 2)))

    def accuracy(self, skill: str | None = None) -> Estimate:
        """Mean of the participants' accuracies in a skill, or in all; no interval of one participant."""
        deep = [self.skills.index(skill)] if skill else range(len(self.skills))
        part = self.right[:, :, list(deep)]
        counts = (~np.isnan(part)).sum(axis=2)
        hits = np.nansum(part, axis=2)
        asked = counts.sum(axis=1)
        if not asked.any():
            return Estimate(None)
        value = float((hits.sum(axis=1)[asked > 0] / asked[asked > 0]).mean())
        if self._people is None:
            return Estimate(value)
        each = self._players @ counts.T
        known = each > 0
        share = np.divide(self._players @ hits.T, each, out=np.zeros(each.shape), where=known)
        weights = self._people * known
        total = weights.sum(axis=1)
        drawn = (weights * share).sum(axis=1)[total > 0] / total[total > 0]
        return _with_ends(value, drawn)

    def of_each(self, resamples: int, seed: int) -> list[Estimate]:
        """The accuracy of each participant, with an interval over the players that they rated."""
        found = []
        for part, value in zip(self.right, self.accuracies(), strict=True):
            rated = part[~np.isnan(part).all(axis=1)]
            names = [str(n) for n in range(len(rated))]
            weights = cluster_weights(names, resamples, seed)
            if weights is None:
                found.append(Estimate(float(value)))
                continue
            asked = weights @ (~np.isnan(rated)).sum(axis=1)
            found.append(_with_ends(float(value), weights @ np.nansum(rated, axis=1) / asked))
        return found

    def agreement(self) -> Agreement:
        """Krippendorff's alpha of each skill, and the mean over skills."""
        of: dict[str, Estimate] = {}
        draws = []
        for deep, skill in enumerate(self.skills):
            part = self.level[:, :, deep]
            value = alpha(part, self.levels)
            of[skill] = Estimate(value)
            if value is not None and self._people is not None:
                drawn = alphas(part, self.levels, self._people, self._players)
                draws.append(drawn)
                of[skill] = _with_ends(value, drawn)
        known = [one.value for one in of.values() if one.value is not None]
        if not known:
            return Agreement(Estimate(None), of)
        value = float(np.mean(known))
        if not draws:
            return Agreement(Estimate(value), of)
        stacked = np.stack(draws)
        stacked = stacked[:, ~np.isnan(stacked).all(axis=0)]
        return Agreement(_with_ends(value, np.nanmean(stacked, axis=0)), of)


def means_over_players(cells: np.ndarray, resamples: int, seed: int) -> list[Estimate]:
    """The mean of each column of ``(players, n)``, with an interval over players."""
    values = cells.mean(axis=0)
    weights = cluster_weights([f"{n:09d}" for n in range(len(cells))], resamples, seed)
    if weights is None:
        return [Estimate(float(value)) for value in values]
    low, high = ends(weights @ cells / weights.sum(axis=1)[:, None])
    return [Estimate(*map(float, one)) for one in zip(values, low, high, strict=True)]


def _with_ends(value: float, drawn: np.ndarray) -> Estimate:
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) < 2:
        return Estimate(value)
    low, high = ends(drawn[:, None])
    return Estimate(value, float(low[0]), float(high[0]))
