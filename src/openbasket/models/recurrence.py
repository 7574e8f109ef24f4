"""Whose clips they are: the team that is in all of them, and so the side of the play that the player is on.

Nobody marks the player in a reel. But his team plays in every clip, now at home, now away, and the others
change (a player who is traded has two teams; this knows of one). Once it is known which of the two teams is
his, and which of them has the ball, half of what he could have done in the clip is ruled out: who steals is
not he who loses the ball.

Sources: own design; a mixture of two directions on a sphere, as in Banerjee et al., JMLR 6, 2005.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from openbasket.models.questions import ATTACKING, PLACES, TARGETS

__all__ = ["known_by_recurrence", "recurring_side"]

_ROUNDS = 12
_CONCENTRATION = 6.0
_CERTAINTY = 20.0
#: How often a part is played on the side that is not its own (a foul by the team that has the ball), or is
#: misread who has the ball.
_EXCEPTION = 0.05


def recurring_side(teams: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """How likely the team that recurs is the home team of each clip.

    Each clip is compared with what the other clips tell of the team: as home and as away team apart, which is
    right of teams that nobody has learned, whose two vectors need not be alike; and of both together, which
    is better where few clips are there. Where the others recur as much, as in clips of one game, nothing is
    known.

    Args:
        teams: unit vectors of the home and the away team of each clip, ``(B, clips, 2, D)``; zeros tell
            nothing.
        there: clips that tell whose they are, bool ``(B, clips)``.

    Returns:
        Probabilities ``(B, clips)``; a half where all clips are of the same two teams.
    """
    home, away = teams.unbind(dim=2)
    weight = there.to(teams.dtype)
    share = torch.full_like(weight, 0.5)
    for _ in range(_ROUNDS):
        at_home = _of_others((weight * share)[..., None] * home)
        away_from = _of_others((weight * (1 - share))[..., None] * away)
        either = F.normalize(at_home + away_from, dim=2)
        apart = _alike(home, F.normalize(at_home, dim=2)) - _alike(
            away, F.normalize(away_from, dim=2)
        )
        tied = _alike(home, either) - _alike(away, either)
        share = torch.sigmoid(_CONCENTRATION * (apart + tied) / 2)
    recurs = _length(share, home, away, weight) - _length(1 - share, home, away, weight)
    sure = torch.sigmoid(_CERTAINTY * recurs)[:, None]
    return sure * share + (1 - sure) * (1 - share)


def _length(
    share: torch.Tensor, home: torch.Tensor, away: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """How long the mean vector of one team of each clip is, ``(B,)``: 1 where it is always the same."""
    chosen = share[..., None] * home + (1 - share)[..., None] * away
    mean = (weight[..., None] * chosen).sum(dim=1) / weight.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.as_tensor(torch.linalg.vector_norm(mean, dim=1))


def _of_others(vectors: torch.Tensor) -> torch.Tensor:
    """For each clip, the sum over all others: it must not confirm itself."""
    return vectors.sum(dim=1, keepdim=True) - vectors


def _alike(vectors: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return (vectors * others).sum(dim=2)


def known_by_recurrence(
    answers: torch.Tensor, teams: torch.Tensor, there: torch.Tensor
) -> torch.Tensor:
    """Answers about clips, once it is known which team recurs: of the player's team and of his part.

    Args:
        answers: probabilities of all answers of each clip, ``(B, clips, answers)``, as
            :class:`~openbasket.models.clip_encoder.ClipAnswers` gives them.
            One that is sure of the team is believed: a transcript has told it.
        teams: see :func:`recurring_side`; answers of clips whose vectors are zeros stay as they are.
        there: clips that tell whose they are, bool ``(B, clips)``.
    """
    given = answers[..., PLACES["team"]]
    at_home = torch.where((given == 1).any(dim=2), given[..., 0], recurring_side(teams, there))
    has_ball = answers[..., PLACES["offence"]]
    attacks = at_home * has_ball[..., 0] + (1 - at_home) * has_ball[..., 1]
    attacks = _EXCEPTION + (1 - 2 * _EXCEPTION) * attacks
    attacking = torch.tensor([name in ATTACKING for name in TARGETS["part"]], device=answers.device)
    part = answers[..., PLACES["part"]] * torch.where(
        attacking, attacks[..., None], 1 - attacks[..., None]
    )
    known = answers.clone()
    known[..., PLACES["part"]] = part / part.sum(dim=2, keepdim=True).clamp(min=1e-9)
    team = given * torch.stack([at_home, 1 - at_home], dim=2).clamp(
        min=1e-6
    )  # of this clip and of others
    known[..., PLACES["team"]] = team / team.sum(dim=2, keepdim=True).clamp(min=1e-9)
    tells = (teams != 0).flatten(2).any(dim=2, keepdim=True)
    return torch.where(tells, known, answers)
