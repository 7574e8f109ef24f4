"""Read the weights of checkpoint files without running anything that they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
_DAMAGED = (
    "is damaged, or no checkpoint: its bytes are not what torch.save or safetensors write. Compare its size "
    "with that at its source, and get it again"
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
    if told := _no_weights(path):
        raise OpenBasketError(f"'{path}' {told}")
    classes: list[str] = []
    try:
        if path.suffix == ".safetensors":
            return _present(load_file(path), path, classes)
        saved = Saved(path)
        classes += saved.unknown
        return saved.tensors(_present(_weights(saved.content), path, classes))
    except OpenBasketError:
        raise
    except UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named is None:
            raise OpenBasketError(f"'{path}' {_DAMAGED}") from None
        raise OpenBasketError(
            f"'{path}' asks for {named[1]}. Loading it could run code, so it was not loaded. Get the weights "
            "alone: as safetensors, or saved with torch.save(model.state_dict(), ...)"
        ) from None
    except Exception as error:  # noqa: BLE001 - damaged bytes may end in any error of a reader
        said = "" if isinstance(error, LookupError) else str(error).split("\n")[0][:200]
        raise OpenBasketError(f"'{path}' {_DAMAGED}" + (f" ({said})" if said else "")) from None


def _weights(found: object) -> dict[str, Stored]:
    for _ in _NESTS:  # methods of dict itself: a file can give an OrderedDict other ones
        if isinstance(found, dict):
            nests = (dict.get(found, name) for name in _NESTS)
            found = next((nest for nest in nests if isinstance(nest, dict)), found)
    pairs = dict.items(found) if isinstance(found, dict) else ()
    return {n: v for n, v in pairs if isinstance(n, str) and isinstance(v, Stored)}


def _present(state: dict[str, T], path: Path, classes: Sequence[str]) -> dict[str, T]:
    if not state and classes:
        raise OpenBasketError(
            f"'{path}' holds whole objects ({', '.join(classes[:3])}) and no weights by name, as "
            "torch.save(model) writes them. Loading those runs code, so it was not done. Where that code is "
            "trusted, load the model with it and save torch.save(model.state_dict(), 'weights.pt')"
        )
    if not state:
        raise OpenBasketError(
            f"'{path}' holds no weights: neither at the top nor under {', '.join(_NESTS)}. Save them with "
            "torch.save(model.state_dict(), 'weights.pt')"
        )
    return state


def _no_weights(path: Path) -> str | None:
    """What a file is that often lies where a checkpoint should; nothing of other files."""
    with path.open("rb") as file:
        begin = file.read(64).lstrip()
    if not path.stat().st_size:
        return "is empty: get it again"
    if begin.startswith(b"version https://git-lfs"):
        return "is the pointer of a file in Git LFS, not the file: get that with 'git lfs pull'"
    if begin[:9].lower() in (b"<!doctype", b"<html>") or begin[:5].lower() == b"<html":
        return "is a web page: its address asks for a log-in, or is not that of the file. Get it by hand"
    return None
