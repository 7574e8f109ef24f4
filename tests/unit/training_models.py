"""Models of one's own that tests name by import path."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import torch
from torch import nn


class Plain(nn.Module):
    """A linear model that notes the mean of each clip that it learns from, where it is told to."""

    def __init__(self, levels: int, bad_from: int = -1, drop: float = 0.2) -> None:
        super().__init__()
        self.levels = levels
        self.bad_from = bad_from
        self.calls = 0
        self.drop = nn.Dropout(drop)
        self.linear = nn.Linear(3, 20 * levels)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        means = clips.mean(dim=(2, 3, 4))
        notes = os.environ.get("OPENBASKET_TEST_NOTES")
        if self.training and notes:
            with Path(f"{notes}.{os.environ.get('RANK', '0')}").open("a") as file:
                file.write("".join(json.dumps(m.tolist()) + "\n" for m in means))
        logits = self.linear(self.drop(means)).view(len(clips), 20, self.levels)
        if self.training:
            self.calls += 1
            if self.calls == int(os.environ.get("OPENBASKET_TEST_DIE", "-1")):
                os._exit(9)
            if 0 <= self.bad_from < self.calls:
                return logits * float("nan")
        return logits


class Flat(Plain):
    """Gives logits of a wrong shape."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return super().forward(clips).flatten(1)


class Hungry(Plain):
    """Asks for more memory than there is."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return torch.empty(1 << 60) + super().forward(clips)


class Deadly(Plain):
    """Kills a loader process of its own run."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        import multiprocessing

        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
        return super().forward(clips)


NOT_A_MODEL = 7


def no_module(levels: int) -> int:
    return levels
