"""Load official checkpoints into our models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from openbasket.models.base import VideoModel
from openbasket.skills import SKILLS

__all__ = ["LoadReport", "load_official", "renamed"]

#: What wrappers put before names.
_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class LoadReport:
    """What came of loading a checkpoint.

    Args:
        loaded: names of our weights that were set.
        missing: names of our weights that the checkpoint does not have; they stay as they were.
        unexpected: names of the checkpoint that have no place here.
        misfit: our names whose shape is another one in the checkpoint; they stay as they were.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misfit: tuple[str, ...]


def load_official(model: VideoModel, state_dict: Mapping[str, torch.Tensor]) -> LoadReport:
    """Load the weights of an official checkpoint.

    Twenty heads (``head.0.weight`` and so on) become ours; a classifier of other classes has no place.

    Args:
        model: with our names.
        state_dict: by official name.
    """
    state = {_bare(name): value for name, value in state_dict.items()}
    state = model.from_official(state)
    for part in ("weight", "bias"):
        names = [f"head.{i}.{part}" for i in range(len(SKILLS))]
        if all(name in state for name in names):
            state[f"heads.linear.{part}"] = torch.cat([state.pop(name) for name in names])
    own = model.state_dict()
    fits = {n: v for n, v in state.items() if n in own and v.shape == own[n].shape}
    model.load_state_dict(fits, strict=False)
    return LoadReport(
        tuple(sorted(fits)),
        tuple(sorted(own.keys() - state.keys())),
        tuple(sorted(state.keys() - own.keys())),
        tuple(sorted(n for n in state.keys() & own.keys() if n not in fits)),
    )


def renamed(state: Mapping[str, torch.Tensor], names: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """Give weights other names.

    Args:
        state: weights by name.
        names: regular expression -> what replaces it, each applied to every name, in this order.
    """
    found = {}
    for name, value in state.items():
        for pattern, replacement in names.items():
            name = re.sub(pattern, replacement, name)
        found[name] = value
    return found


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
