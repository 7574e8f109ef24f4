"""Read the weights of checkpoint files without running anything that they hold."""

from __future__ import annotations

import re
from pathlib import Path
from pickle import UnpicklingError
from typing import TypeVar

import torch
from safetensors.torch import load_file

from openbasket.errors import NotFoundError, OpenBasketError
from openbasket.models.unpickling import Saved, Stored

T = TypeVar("T")

__all__ = ["SUFFIXES", "read_official"]

#: Endings of the files that :func:`read_official` reads.
SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")
#: Where checkpoints keep the weights, if not at the top; the first that is there is taken.
_NESTS = (
    *("model", "module", "model_state", "model_state_dict", "state_dict", "net"),
    *("model_ema", "ema", "teacher", "student"),
)


def read_official(path: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a checkpoint: safetensors, or what ``torch.save`` writes.

    They may lie under ``model``, ``module``, ``model_state``, ``model_state_dict``, ``state_dict``, ``net``
    or, failing these, ``model_ema``, ``ema``, ``teacher`` or ``student``; whatever else lies there is left
    out. No code of the file is run: numbers of numpy, paths and objects of unknown classes become empty.

    Raises:
        NotFoundError: there is no such file.
        OpenBasketError: another ending, a damaged file, one without weights, one whose loading would run
            code, or one that would become larger in memory than it is.
    """
    if path.suffix not in SUFFIXES:
        raise OpenBasketError(
            f"'{path}' is no checkpoint; its name must end in {', '.join(SUFFIXES)}"
        )
    if not path.is_file():
        raise NotFoundError(f"there is no checkpoint at '{path}'")
    try:
        if path.suffix == ".safetensors":
            return _present(load_file(path), path)
        saved = Saved(path)
        return saved.tensors(_present(_weights(saved.content), path))
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


def _weights(found: object) -> dict[str, Stored]:
    for _ in _NESTS:  # methods of dict itself: a file can give an OrderedDict other ones
        if isinstance(found, dict):
            nests = (dict.get(found, name) for name in _NESTS)
            found = next((nest for nest in nests if isinstance(nest, dict)), found)
    pairs = dict.items(found) if isinstance(found, dict) else ()
    return {n: v for n, v in pairs if isinstance(n, str) and isinstance(v, Stored)}


def _present(state: dict[str, T], path: Path) -> dict[str, T]:
    if not state:
        raise OpenBasketError(
            f"'{path}' holds no weights: neither at the top nor under {', '.join(_NESTS)}"
        )
    return state
