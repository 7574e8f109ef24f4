"""What changes the weights: groups of them, the course of the learning rate, their moving average."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from openbasket.models.layers import decays, layer_depths
from openbasket.training.config import TrainConfig

__all__ = ["Average", "learning_rate", "make_optimizer", "set_learning_rate"]


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW or SGD over the weights that learn; each group has the ``scale`` of its learning rate.

    With layer decay the scale is ``layer_decay ** (deepest - depth)``
    (:func:`openbasket.models.layers.layer_depths`), so that the heads learn at the full rate.
    """
    depths = layer_depths(model) if config.layer_decay < 1 else {}
    deepest = max(depths.values(), default=0)
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = (depths.get(name, 0), decays(name, parameter))
            groups.setdefault(key, []).append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": groups[depth, decay],
            "weight_decay": config.weight_decay if decay else 0.0,
            "scale": config.layer_decay ** (deepest - depth),
        }
        for depth, decay in sorted(groups)
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            settings, config.learning_rate, momentum=config.momentum, nesterov=config.nesterov
        )
    return torch.optim.AdamW(settings, config.learning_rate, betas=config.betas)


def learning_rate(update: int, per_epoch: int, config: TrainConfig) -> float:
    """The rate of the ``update``-th update of the weights, counted from 0 over all epochs.

    Linear warm-up to the peak; then a half cosine to ``min_learning_rate`` after the last update, or
    steps, or the peak.

    Args:
        update: updates before this one.
        per_epoch: updates in an epoch.
        config: the recipe's section.
    """
    total, peak = per_epoch * config.epochs, config.learning_rate
    warmup = min(round(per_epoch * config.warmup_epochs), total)
    if update < warmup:
        return config.warmup_start + (peak - config.warmup_start) * (update + 1) / warmup
    if config.schedule == "constant":
        return peak
    if config.schedule == "step":
        steps = sum(update >= round(per_epoch * epoch) for epoch in config.step_epochs)
        return float(peak * config.step_factor**steps)
    share = (update - warmup) / max(1, total - warmup)
    low = config.min_learning_rate
    return low + (peak - low) * 0.5 * (1 + math.cos(math.pi * share))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group the rate times its scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


class Average:
    """An exponential moving average of a model's weights.

    The decay of update ``n`` is ``min(decay, (1 + n) / (10 + n))``, so that the fresh weights are soon
    forgotten.

    Args:
        model: whose weights.
        decay: of the average, after its beginning.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, updates: int) -> None:
        """Take in the weights after ``updates`` updates; other buffers are copied."""
        decay = min(self._decay, (1 + updates) / (10 + updates))
        own: list[torch.Tensor] = list(self.model.parameters())
        new: list[torch.Tensor] = list(model.parameters())
        torch._foreach_lerp_(own, new, 1 - decay)
        for ours, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            ours.copy_(theirs)
