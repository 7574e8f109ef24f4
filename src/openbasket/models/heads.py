"""The twenty classification heads that all models share."""

from __future__ import annotations

import torch
from torch import nn

from openbasket.skills import SKILLS

__all__ = ["SkillHeads"]


class SkillHeads(nn.Module):
    """Twenty linear heads, one for each skill (paper, section 5), computed as one matrix product.

    Args:
        features: length of the input vector.
        levels: levels of a skill.
    """

    def __init__(self, features: int, levels: int = 5) -> None:
        super().__init__()
        self.inputs = features
        self.levels = levels
        self.linear = nn.Linear(features, len(SKILLS) * levels)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(B, features)`` to logits ``(B, 20, levels)``, skills in the order of ``SKILLS``."""
        logits: torch.Tensor = self.linear(features)
        return logits.view(features.shape[0], len(SKILLS), self.levels)
