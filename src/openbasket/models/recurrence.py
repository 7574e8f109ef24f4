"""Whose clips they are: the team that is in all of them, and so the side of the play that the player is on.

Nobody marks the player in a reel. But his team plays in every clip, now at home, now away, and the others
change. Once it is known which of the two teams is his, and which of them has the ball, half of what he could
have done in the clip is ruled out: who steals is not he who loses the ball.

Sources: own design; a mixture of two directions on a sphere, as in Banerjee et al., JMLR 6, 2005.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from openbasket.models.questions import ATTACKING, TARGETS

__all__ = ["known_by_recurrence", "recurring_side"]

_ROUNDS = 12
_CONCENTRATION = 6.0
#: How often a part is played on the side that is not its own: a foul by the team that has the ball.
_EXCEPTION = 0.05

_ENDS = np.cumsum([len(names) for names in TARGETS.values()])
_AT = {
    name: slice(int(end) - len(TARGETS[name]), int(end))
    for name, end in zip(TARGETS, _ENDS, strict=True)
}


def recurring_side(teams: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """How likely the team that recurs is the home team of each clip.

    Args:
        teams: unit vectors of the home and the away team of each clip, ``(B, clips, 2, D)``; zeros tell
            nothing.
        there: clips that tell whose they are, bool ``(B, clips)``.

    Returns:
        Probabilities ``(B, clips)``; a half where nothing tells.
    """
    home, away = teams.unbind(dim=2)
    weight = there.to(teams.dtype)
    share = torch.full_like(weight, 0.5)
    for _ in range(_ROUNDS):
        at_home = F.normalize(((weight * share)[..., None] * home).sum(dim=1, keepdim=True), dim=2)
        away_from = F.normalize(
            ((weight * (1 - share))[..., None] * away).sum(dim=1, keepdim=True), dim=2
        )
        score = (home * at_home).sum(dim=2) - (away * away_from).sum(dim=2)
        share = torch.sigmoid(_CONCENTRATION * score)
    return share


def known_by_recurrence(
    answers: torch.Tensor, teams: torch.Tensor, there: torch.Tensor
) -> torch.Tensor:
    """Answers about clips, once it is known which team recurs: of the player's team and of his part.

    Args:
        answers: probabilities of all answers of each clip, ``(B, clips, answers)``, as
            :class:`~openbasket.models.clip_encoder.ClipAnswers` gives them.
        teams: see :func:`recurring_side`; answers of clips whose vectors are zeros stay as they are.
        there: clips that tell whose they are, bool ``(B, clips)``.
    """
    at_home = recurring_side(teams, there)
    has_ball = answers[..., _AT["offence"]]
    attacks = at_home * has_ball[..., 0] + (1 - at_home) * has_ball[..., 1]
    attacks = _EXCEPTION + (1 - 2 * _EXCEPTION) * attacks
    attacking = torch.tensor([name in ATTACKING for name in TARGETS["part"]], device=answers.device)
    part = answers[..., _AT["part"]] * torch.where(
        attacking, attacks[..., None], 1 - attacks[..., None]
    )
    known = answers.clone()
    known[..., _AT["part"]] = part / part.sum(dim=2, keepdim=True).clamp(min=1e-9)
    known[..., _AT["team"]] = torch.stack([at_home, 1 - at_home], dim=2)
    told = (teams != 0).any(dim=3).any(dim=2, keepdim=True)
    return torch.where(told, known, answers)
