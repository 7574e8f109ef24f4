"""Reels drawn anew in each epoch, without a new frame: any play of the season, shown by a clip like it.

A reel shows 50 of the plays of a player's season, and few players have levels: a set model learns the luck of
the draw by heart. The transcript tells all of his plays. So a training reel is drawn again from all of them,
as :func:`openbasket.reels.sample.sample` would, and each play is shown by the features of a clip, of any
reel of train, of which the transcript tells the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import nn

from openbasket.dataset.reader import Sample
from openbasket.errors import NotFoundError
from openbasket.models.questions import TARGETS
from openbasket.models.skillquery import SetHeads
from openbasket.reels.sample import sample
from openbasket.training.config import Recipe
from openbasket.training.data import even_clips, stable_rng
from openbasket.training.features import FeatureDataset, conditions_of
from openbasket.training.transcripts import FILLED, clip_targets, told_plays
from openbasket.workspace import Workspace

__all__ = ["RedrawnFeatures", "redrawn", "season_targets"]

#: What clips must agree in to stand for each other: all, else all but the end of the list, and so on.
_ALIKE = ("part", "play", "assisted", "blocked", "distance", "contested", "team", "side")


class RedrawnFeatures(FeatureDataset):
    """Features of reels, some of them drawn anew, indexed as :class:`FeatureDataset` is.

    Args:
        samples: subjects of train.
        features: of each, ``(N, clips x F)``, NaN where there is no clip.
        shown: what the transcript tells of the clips of each, ``(clips, len(TARGETS))``.
        seasons: what it tells of all plays of each, ``(plays, len(TARGETS))``.
        clips: of a reel.
        share: of the reels that are drawn anew.
        seed: of the draws.
        conditions: of each, ``(N, C)``; none by default.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        features: torch.Tensor,
        shown: Sequence[NDArray[np.int64]],
        seasons: Sequence[NDArray[np.int64]],
        *,
        clips: int,
        share: float,
        seed: int,
        conditions: torch.Tensor | None = None,
    ) -> None:
        super().__init__(samples, features, conditions)
        shown = [own[even_clips(len(own), clips)] for own in shown]
        single = features.view(len(features), clips, -1)
        there = [np.flatnonzero(~own.isnan().any(1).numpy())[: len(s)]
                 for own, s in zip(single, shown, strict=True)]  # fmt: skip
        self._clips, self._share, self._seed = clips, share, seed
        self._all = torch.cat([own[at] for own, at in zip(single, there, strict=True)])
        answers = np.concatenate([s[: len(at)] for s, at in zip(shown, there, strict=True)])
        whole = np.concatenate(seasons)
        ends = np.cumsum([len(s) for s in seasons])
        self._alike, groups = _alike(answers, whole)
        self._groups = [own[own >= 0] for own in np.split(groups, ends[:-1])]

    def _features_of(self, key: tuple[int, int]) -> torch.Tensor:
        turn, place = key[0], max(key[1], 0)
        rng = stable_rng("redraw", self._seed, turn, place)
        groups = self._groups[place]
        if not len(groups) or rng.random() >= self._share:
            return super()._features_of(key)
        drawn = rng.permutation(groups)[: self._clips]
        picked = [self._alike[group][rng.integers(len(self._alike[group]))] for group in drawn]
        reel = torch.full((self._clips, self._all.shape[1]), torch.nan)
        reel[: len(picked)] = self._all[picked]
        return reel.flatten()


def season_targets(root: Path, samples: Sequence[Sample]) -> list[NDArray[np.int64]]:
    """What the transcripts tell of every play of each subject that a reel could show.

    Args:
        root: the dataset, with tables ``events`` and ``games``.
        samples: subjects.

    Returns:
        ``(plays, len(TARGETS))`` of each.

    Raises:
        NotFoundError: a table is not there.
    """
    workspace = Workspace(root)
    spelled = {}  # as events spell them: those of samples may be the first spelling of a split
    if workspace.has("subjects"):
        spelled = dict(workspace.read("subjects").select("subject_id", "player_id").iter_rows())
    subjects = pl.DataFrame(
        [
            (s.subject_id, spelled.get(s.subject_id, s.player_id), s.league, s.season)
            for s in samples
        ],
        schema=["subject_id", "player_id", "league", "season"],
        orient="row",
    )
    found = []
    for league, season in workspace.seasons("events"):
        own = subjects.filter(league=league, season=season)
        if own.is_empty():
            continue
        events = workspace.read("events", league, season)
        placed = events.with_columns(league=pl.lit(league), season=pl.lit(season))
        plays = sample(placed, own, count=max(1, events.height))
        told = told_plays(events, workspace.read("games", league, season))
        found.append(plays.join(told, on=["game_id", "event_id"]).with_columns(FILLED))
    if not found:
        raise NotFoundError(f"'{root}' has no table 'events' of the subjects' leagues and seasons")
    table = pl.concat(found).sort("subject_id", "position")
    by_subject = table.select("subject_id", *TARGETS).partition_by("subject_id", as_dict=True)
    none = np.empty((0, len(TARGETS)), np.int64)
    return [
        by_subject[s.subject_id,].drop("subject_id").to_numpy()
        if (s.subject_id,) in by_subject
        else none
        for s in samples
    ]


def redrawn(
    samples: Sequence[Sample],
    features: torch.Tensor,
    model: nn.Module,
    root: Path,
    recipe: Recipe,
) -> RedrawnFeatures:
    """Make :class:`RedrawnFeatures` of a dataset's tables, as ``recipe.transcripts.redraw`` says.

    Whose reel a clip is from is found out before: among clips of others it cannot be.

    Raises:
        NotFoundError: no table ``reels``, ``events`` or ``games``.
    """
    heads = model.get_submodule("heads")
    if isinstance(heads, SetHeads):
        features = heads.settled(features)
    return RedrawnFeatures(
        samples,
        features,
        clip_targets(root, samples, recipe.data.draw),
        season_targets(root, samples),
        clips=recipe.data.clips,
        share=recipe.transcripts.redraw,
        seed=recipe.train.seed,
        conditions=conditions_of(samples, recipe.data),
    )


def _alike(
    told: NDArray[np.int64], plays: NDArray[np.int64]
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Groups of clips, and the group of each play: of clips that agree with it in as much as any do.

    -1 where no clip shows the player in such a part.
    """
    order = [list(TARGETS).index(name) for name in _ALIKE]
    groups: list[NDArray[np.int64]] = []
    of_play = np.full(len(plays), -1, np.int64)
    for depth in range(len(order), 0, -1):
        keys = np.concatenate([told[:, order[:depth]], plays[:, order[:depth]]])
        _, number = np.unique(keys, axis=0, return_inverse=True)
        of_clip, wanted = number.ravel()[: len(told)], number.ravel()[len(told) :]
        by_number = {int(n): np.flatnonzero(of_clip == n) for n in np.unique(wanted[of_play < 0])}
        for n, members in by_number.items():
            if len(members):
                of_play[(of_play < 0) & (wanted == n)] = len(groups)
                groups.append(members)
    return groups, of_play
