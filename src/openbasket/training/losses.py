"""The loss of the 20 heads."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from openbasket.training.data import MISSING

__all__ = ["head_sums", "skill_loss"]


def head_sums(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy in nats, summed over the known labels of each head, and their numbers.

    Args:
        logits: ``(B, 20, levels)``.
        labels: int64 ``(B, 20)``, ``MISSING`` where not known.
        smoothing: share of each label that is spread over all levels.

    Returns:
        ``(20,)`` float32 sums and ``(20,)`` float32 counts.
    """
    losses = F.cross_entropy(
        logits.float().transpose(1, 2),
        labels,
        ignore_index=MISSING,
        reduction="none",
        label_smoothing=smoothing,
    )
    return losses.sum(dim=0), (labels != MISSING).sum(dim=0).float()


def skill_loss(sums: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mean over the heads (that have any label) of each head's mean loss; 0 without any label.

    With the counts of a whole update and the sums of a part of it, the parts add up to the update's loss.
    """
    heads = (counts > 0).sum().clamp(min=1)
    return (sums / counts.clamp(min=1)).sum() / heads
