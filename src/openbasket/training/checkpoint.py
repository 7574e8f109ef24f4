"""Checkpoints in safetensors: tensors, and a JSON text of scalars in the file's header. No pickle."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from openbasket.errors import NotFoundError, OpenBasketError
from openbasket.wording import counted
from openbasket.workspace import atomic_path

__all__ = ["load", "load_weights", "read_weights", "save", "save_weights", "scalars_of"]

#: Names that are shown of each kind of weights that do not fit.
SHOWN = 5
_MODEL = "model/"
_OPTIMIZER = "optimizer/"
_AVERAGE = "average/"
#: What each optimizer keeps of a weight.
_KEPT: dict[type[torch.optim.Optimizer], frozenset[str]] = {
    torch.optim.AdamW: frozenset(("step", "exp_avg", "exp_avg_sq")),
    torch.optim.SGD: frozenset(("momentum_buffer",)),
}
_WAY_OUT = "Start anew (--no-resume), or give another folder"


def save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scalars: Mapping[str, Any],
    average: nn.Module | None = None,
) -> None:
    """Write weights, their average, optimizer and scalars to one file, atomically: all of them or none."""
    tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
    if average is not None:
        tensors |= {_AVERAGE + name: value for name, value in average.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if value is not None:  # SGD without momentum has none
                tensors[f"{_OPTIMIZER}{number}/{key}"] = torch.as_tensor(value)
    _write(path, tensors, scalars)


def load(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: nn.Module | None = None,
) -> dict[str, Any]:
    """Put a checkpoint of :func:`save` into what it was made of; return its scalars.

    Raises:
        OpenBasketError: the file is damaged, or of another model or optimizer; nothing is loaded then, if it
            is the optimizer's.
    """
    tensors, scalars = _read(path)
    state = _optimizer_state(path, optimizer, _under(tensors, _OPTIMIZER))
    _fill(path, model, _under(tensors, _MODEL))
    if average is not None:
        _fill(path, average, _under(tensors, _AVERAGE))
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return scalars


def _optimizer_state(
    path: Path, optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> dict[int, dict[str, torch.Tensor]]:
    """What an optimizer keeps of each weight, by its number.

    Raises:
        OpenBasketError: it is of another optimizer, or of weights of other shapes.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    keys = _KEPT[type(optimizer)]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition("/")
        place = int(number) if number.isascii() and number.isdecimal() else len(weights)
        if place >= len(weights) or key not in keys:
            raise OpenBasketError(
                f"'{path}' holds '{name}' of an optimizer; this one has {', '.join(sorted(keys))} of weights "
                f"0 to {len(weights) - 1}. {_WAY_OUT}"
            )
        wanted = () if key == "step" else tuple(weights[place].shape)
        if tuple(value.shape) != wanted or not value.is_floating_point():
            raise OpenBasketError(
                f"'{path}' holds '{name}' of shape {tuple(value.shape)} and type {value.dtype}; the weight "
                f"needs {wanted} and a floating-point type. {_WAY_OUT}"
            )
        state.setdefault(place, {})[key] = value
    for place, kept in state.items():
        if lost := keys - kept.keys():
            raise OpenBasketError(
                f"'{path}' lacks '{place}/{min(lost)}' of the optimizer. {_WAY_OUT}"
            )
    return state


def save_weights(path: Path, model: nn.Module, scalars: Mapping[str, Any]) -> None:
    """Write a model's weights alone, atomically."""
    _write(path, model.state_dict(), scalars)


def load_weights(path: Path, model: nn.Module) -> dict[str, Any]:
    """Put the weights of :func:`save_weights` into ``model``; return the scalars beside them.

    Raises:
        NotFoundError: there is no such file.
        OpenBasketError: the file is damaged or of another model.
    """
    tensors, scalars = _read(path)
    _fill(path, model, tensors)
    return scalars


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a safetensors file; of one of ours, which has a checksum, it is compared.

    Raises:
        OpenBasketError: the bytes of one of ours do not have the checksum.
        SafetensorError, OSError: it is no whole safetensors file.
    """
    with safe_open(str(path), "pt") as file:
        ours = "scalars" in (file.metadata() or {})
    return _read(path)[0] if ours else load_file(path)


def scalars_of(path: Path) -> dict[str, Any]:
    """Read the scalars of :func:`save` from the file's header alone; the checksum is not looked at.

    Raises:
        OpenBasketError: the file is damaged.
    """
    try:
        with safe_open(str(path), "pt") as file:
            text = (file.metadata() or {}).get("scalars", "").partition(" ")[2]
        scalars: dict[str, Any] = json.loads(text)
    except (SafetensorError, ValueError, OSError) as error:
        raise OpenBasketError(f"'{path}' is damaged ({error})") from None
    return scalars


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _write(path: Path, tensors: Mapping[str, torch.Tensor], scalars: Mapping[str, Any]) -> None:
    plain = {n: t.detach().to("cpu", copy=True).contiguous() for n, t in tensors.items()}
    text = json.dumps(scalars, sort_keys=True)
    with atomic_path(path) as temporary:
        # One entry: several have no order, and equal checkpoints are to be equal files.
        save_file(plain, str(temporary), {"scalars": f"{_checksum(plain, text)} {text}"})


def _checksum(tensors: Mapping[str, torch.Tensor], text: str) -> str:
    """CRC-32 of names, types, shapes and values, and of the scalars."""
    crc = zlib.crc32(text.encode())
    for name, value in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), crc)
        flat = value.reshape(-1)
        crc = zlib.crc32(flat.view(torch.uint8).numpy().data if flat.numel() else b"", crc)
    return f"{crc:08x}"


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    if not path.is_file():
        raise NotFoundError(f"there is no checkpoint at '{path}'. Make it with 'openbasket train'")
    try:
        with safe_open(str(path), "pt") as file:
            checksum, _, text = (file.metadata() or {}).get("scalars", "").partition(" ")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if not checksum:
            raise OpenBasketError(
                f"'{path}' is no checkpoint of openbasket: neither 'openbasket train' nor "
                "'openbasket weights convert' wrote it. An official one goes through the latter first"
            )
        if checksum != _checksum(tensors, text):
            raise ValueError("its bytes do not have the checksum that was written with them")
        scalars: dict[str, Any] = json.loads(text)
        return tensors, scalars
    except (SafetensorError, ValueError, OSError, RecursionError) as error:
        raise OpenBasketError(
            f"'{path}' is damaged ({error}). Copy it again from where it came, or train anew: the command of "
            "the run with --no-resume"
        ) from None


def _fill(path: Path, model: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    own = model.state_dict()
    kinds = {
        "lacks": own.keys() - tensors.keys(),
        "has besides": tensors.keys() - own.keys(),
        "has in another shape": {
            n for n in own.keys() & tensors.keys() if own[n].shape != tensors[n].shape
        },
    }
    told = [
        f"it {kind} {counted(len(names), 'weight')} ({', '.join(sorted(names)[:SHOWN])}"
        f"{', ...' * (len(names) > SHOWN)})"
        for kind, names in kinds.items()
        if names
    ]
    if told:
        raise OpenBasketError(
            f"'{path}' holds the weights of another model: {'; '.join(told)}. They go with the recipe and "
            "the code that they were trained with ('recipe.json' beside them says which); train anew with "
            "--no-resume, or give another folder"
        )
    model.load_state_dict(tensors)
