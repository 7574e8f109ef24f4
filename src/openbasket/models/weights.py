"""Load official checkpoints into our models."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from zipfile import ZipFile

import torch
from safetensors.torch import load_file

from openbasket.errors import ConfigError, NotFoundError, OpenBasketError
from openbasket.models import create_model, model_spec
from openbasket.models.base import VideoModel
from openbasket.skills import SKILLS

__all__ = ["LoadReport", "convert", "load_official", "read_official", "renamed"]

#: Endings of the files that :func:`read_official` reads.
SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")
#: Where checkpoints keep the weights, if not at the top.
_NESTS = ("model", "module", "model_state", "state_dict")

#: Bytes that any file may become.
_HARMLESS = 64 << 20
#: What wrappers put before names.
_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class LoadReport:
    """What came of loading a checkpoint.

    Args:
        loaded: names of our weights that were set; not tables that a model computes itself.
        missing: names of our weights that the checkpoint does not have; they stay as they were.
        unexpected: names of the checkpoint that have no place here.
        misfit: our names whose shape is another one in the checkpoint; they stay as they were.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misfit: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether any weight was set that is not one of the heads."""
        return any(not name.startswith("heads.") for name in self.loaded)


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
        own = getattr(model.heads.linear, part)
        heads = [state[name] for name in names if name in state]
        if len(heads) == len(names) and sum(head.numel() for head in heads) == own.numel():
            state[f"heads.linear.{part}"] = torch.cat([state.pop(name) for name in names])
    own = model.state_dict()
    fits = {n: v for n, v in state.items() if n in own and v.shape == own[n].shape}
    model.load_state_dict(fits, strict=False)
    fixed = model.from_official({})  # tables that no checkpoint has
    return LoadReport(
        tuple(sorted(fits.keys() - fixed.keys())),
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


def read_official(path: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a checkpoint: safetensors, or what ``torch.save`` writes.

    They may lie under ``model``, ``module``, ``model_state`` or ``state_dict``; whatever else lies
    there is left out. No code of the file is run.

    Raises:
        NotFoundError: there is no such file.
        OpenBasketError: another ending, a damaged file, one without weights, or one whose loading would
            run code.
    """
    if path.suffix not in SUFFIXES:
        raise OpenBasketError(
            f"'{path}' is no checkpoint; its name must end in {', '.join(SUFFIXES)}"
        )
    if not path.is_file():
        raise NotFoundError(f"there is no checkpoint at '{path}'")
    try:
        found = _unpickled(path) if path.suffix != ".safetensors" else load_file(path)
    except OpenBasketError:
        raise
    except UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        fault = f"asks for {named[1]}" if named else "is damaged, or holds more than weights"
        raise OpenBasketError(
            f"'{path}' {fault}. Loading it could run code, so it was not loaded. Get the weights alone: "
            "as safetensors, or saved with torch.save(model.state_dict(), ...)"
        ) from None
    except Exception as error:  # noqa: BLE001 - damaged bytes may end in any error of a reader
        raise OpenBasketError(
            f"'{path}' is no whole checkpoint ({str(error)[:200]}). Get it again"
        ) from None
    for _ in _NESTS:
        if isinstance(found, Mapping):
            nests = (found[n] for n in _NESTS if isinstance(found.get(n), Mapping))
            found = next(nests, found)
    pairs = found.items() if isinstance(found, Mapping) else ()
    state = {n: v for n, v in pairs if isinstance(n, str) and isinstance(v, torch.Tensor)}
    if not state:
        raise OpenBasketError(
            f"'{path}' holds no weights: neither at the top nor under {', '.join(_NESTS)}"
        )
    return state


def _unpickled(path: Path) -> object:
    _refuse_bomb(path)
    with torch.serialization.safe_globals([Namespace]):  # options of a run; it runs no code
        return torch.load(path, map_location="cpu", weights_only=True)


def _refuse_bomb(path: Path) -> None:
    """Refuse a zip file that grows when it is read: ``torch.save`` writes bytes as they are.

    Raises:
        OpenBasketError: its directory tells of more than twice the bytes of the file, and of 64 MiB.
        BadZipFile: it begins like a zip file and is none.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":  # as older versions of torch.save write
            return
    with ZipFile(path) as packed:
        told, size = sum(part.file_size for part in packed.infolist()), path.stat().st_size
    if told > max(2 * size, _HARMLESS):
        raise OpenBasketError(
            f"'{path}' has {size:,} bytes and would become {told:,} in memory; a checkpoint is not "
            "compressed. Get it from its makers, or save it again with torch.save"
        )


def convert(
    path: Path, name: str, *, num_frames: int | None = None, size: int | None = None
) -> tuple[VideoModel, LoadReport]:
    """Build a model and load an official checkpoint's file into it.

    Weights that the checkpoint does not have are fresh, always the same ones.

    Args:
        path: see :func:`read_official`.
        name: a key of :data:`openbasket.models.MODELS`.
        num_frames: frames in a clip; the model's own default if ``None``.
        size: height and width of the picture in pixels; the model's own default if ``None``.

    Raises:
        UnknownNameError: no such model.
        ConfigError: the model cannot have these frames or this size.
        NotFoundError: there is no such file.
        OpenBasketError: a file that cannot be used, or a model of which there are no checkpoints.
    """
    model_spec(name)
    state = read_official(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            model = create_model(name, num_frames=num_frames, size=size)
        except ValueError as error:
            raise ConfigError(f"model '{name}' cannot be built like this: {error}") from None
    if not isinstance(model, VideoModel):
        raise OpenBasketError(
            f"there are no official checkpoints of '{name}'; it is our own design"
        )
    try:
        return model, load_official(model, state)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise OpenBasketError(f"'{path}' is no checkpoint of '{name}': {error}") from None


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
