"""Load official checkpoints into our models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from openbasket.errors import ConfigError, OpenBasketError
from openbasket.models import create_model, model_spec
from openbasket.models.base import VideoModel
from openbasket.models.positions import Source
from openbasket.models.reading import read_official
from openbasket.skills import SKILLS

__all__ = ["LoadReport", "convert", "is_head", "lacking", "load_official", "renamed"]

#: What wrappers of a whole model put before names.
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")
#: What larger models call the part that is ours.
_PARTS = ("model.", "backbone.", "encoder.", "vision_encoder.", "visual.", "video_encoder.")
#: How many of these may stand before one another.
_DEPTH = 3
#: What a model's code raises at weights of quite another one.
_FOREIGN = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class LoadReport:
    """What came of loading a checkpoint.

    Args:
        loaded: names of our weights that were set to the checkpoint's.
        made: names of our weights that the checkpoint does not have and that were made from others, or
            computed: attention over time from that over space, tables of positions.
        missing: names of our weights that the checkpoint does not have; they stay as they were.
        unexpected: names of the checkpoint that have no place here.
        misfit: our names whose shape is another one in the checkpoint; they stay as they were.
        lacking: those of ``missing`` and ``misfit`` without which the network is not the checkpoint's: all
            but heads, and what official checkpoints of this model may lack.
        notes: what was read of tables that do not tell their frames and size.
    """

    loaded: tuple[str, ...]
    made: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misfit: tuple[str, ...]
    lacking: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether any weight was loaded that is not one of the heads."""
        return not all(map(is_head, self.loaded))

    @property
    def fits(self) -> bool:
        """Whether the network, heads apart, is now that of the checkpoint."""
        return self.any and not self.lacking


def load_official(
    model: VideoModel,
    state_dict: Mapping[str, torch.Tensor],
    *,
    from_frames: int | None = None,
    from_size: int | None = None,
) -> LoadReport:
    """Load the weights of an official checkpoint.

    Twenty heads (``head.0.weight`` and so on) become ours; a classifier of other classes has no place. What
    wrappers and larger models put before names is left out.

    Args:
        model: with our names.
        state_dict: by official name.
        from_frames: frames of the clips that the checkpoint was trained with; guessed if ``None``.
        from_size: their height and width in pixels; guessed if ``None``.

    Raises:
        ConfigError: the checkpoint's positions are not of these frames or this size, or tell them
            themselves.
    """
    source = Source(from_frames, from_size)
    state = model.regridded(model.from_official(_unwrapped(model, state_dict)), source)
    if (from_frames or from_size) and not source.used:
        raise ConfigError(
            "frames and size of the checkpoint's clips were given, but it has no table of positions that "
            "needs them. Leave out --from-frames and --from-size"
        )
    for part in ("weight", "bias"):
        names = [f"head.{i}.{part}" for i in range(len(SKILLS))]
        own = getattr(model.heads.linear, part)
        heads = [state[name] for name in names if name in state]
        if len(heads) == len(names) and sum(head.numel() for head in heads) == own.numel():
            state[f"heads.linear.{part}"] = torch.cat([state.pop(name) for name in names])
    made = model.completed(state)
    state |= made
    own = model.state_dict()
    fits = _fitting(own, state)
    model.load_state_dict(fits, strict=False)
    missing = sorted(own.keys() - state.keys())
    misfit = sorted((state.keys() & own.keys()) - fits.keys())
    return LoadReport(
        loaded=tuple(sorted(fits.keys() - made.keys())),
        made=tuple(sorted(fits.keys() & made.keys())),
        missing=tuple(missing),
        unexpected=tuple(sorted(state.keys() - own.keys())),
        misfit=tuple(misfit),
        lacking=tuple(sorted([*lacking(model, missing), *(n for n in misfit if not is_head(n))])),
        notes=tuple(source.notes),
    )


def is_head(name: str) -> bool:
    """Whether a weight belongs to the twenty heads, which start fresh in a run."""
    return name.startswith("heads.")


def lacking(model: nn.Module, missing: Iterable[str]) -> list[str]:
    """Those of the missing weights without which a model is not that of its checkpoint.

    Args:
        model: its attribute ``may_lack``, if it has one, is a regular expression of the others.
        missing: names of its weights.
    """
    allowed = getattr(model, "may_lack", r"$^")
    return [name for name in missing if not is_head(name) and not re.search(allowed, name)]


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


def convert(
    path: Path,
    name: str,
    *,
    num_frames: int | None = None,
    size: int | None = None,
    from_frames: int | None = None,
    from_size: int | None = None,
) -> tuple[VideoModel, LoadReport]:
    """Build a model and load an official checkpoint's file into it.

    Weights that the checkpoint does not have are fresh, always the same ones.

    Args:
        path: see :func:`openbasket.models.reading.read_official`.
        name: a key of :data:`openbasket.models.MODELS`.
        num_frames: frames in a clip; the model's own default if ``None``.
        size: height and width of the picture in pixels; the model's own default if ``None``.
        from_frames: see :func:`load_official`.
        from_size: see :func:`load_official`.

    Raises:
        UnknownNameError: no such model.
        ConfigError: the model cannot have these frames or this size, or the checkpoint has others than
            ``from_frames`` and ``from_size``.
        NotFoundError: there is no such file.
        OpenBasketError: a file that cannot be used, or a model of which there are no checkpoints.
    """
    if model_spec(name).source == "own design":
        raise OpenBasketError(
            f"there are no official checkpoints of '{name}'; it is our own design"
        )
    state = read_official(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            model = create_model(name, num_frames=num_frames, size=size)
        except ValueError as error:
            raise ConfigError(f"model '{name}' cannot be built like this: {error}") from None
    assert isinstance(model, VideoModel)
    try:
        return model, load_official(model, state, from_frames=from_frames, from_size=from_size)
    except _FOREIGN as error:
        raise OpenBasketError(f"'{path}' is no checkpoint of '{name}': {error}") from None


def _fitting(
    own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    return {n: v for n, v in state.items() if n in own and v.shape == own[n].shape}


def _unwrapped(
    model: VideoModel, state_dict: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Leave out of names what stands before ours: as much as makes most of them fit the model."""
    own = model.state_dict()

    def fitting(state: dict[str, torch.Tensor]) -> int:
        shapes = {name: value.to("meta") for name, value in state.items()}
        with suppress(*_FOREIGN):
            return len(_fitting(own, model.from_official(shapes)))
        return 0

    plain = {_WRAPPERS.sub("", name): value for name, value in state_dict.items()}
    return max(_forms(plain, _DEPTH), key=fitting)  # the first, of equal ones


def _forms(state: dict[str, torch.Tensor], depth: int) -> Iterator[dict[str, torch.Tensor]]:
    """The weights by the names that they have, and without each of the parts that names begin with."""
    yield state
    for part in _PARTS if depth else ():
        inside = {
            _WRAPPERS.sub("", n.removeprefix(part)): v
            for n, v in state.items()
            if n.startswith(part)
        }
        if inside:
            others = {n: v for n, v in state.items() if not n.startswith(part)}
            yield from _forms(others | inside, depth - 1)
