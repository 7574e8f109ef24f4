"""Read the weights of checkpoint files without running anything that they hold."""

from __future__ import annotations

import re
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import ZipFile

import torch
from safetensors.torch import load_file
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from openbasket.errors import NotFoundError, OpenBasketError

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
#: Bytes that any file may become.
_HARMLESS = 64 << 20


def read_official(path: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a checkpoint: safetensors, or what ``torch.save`` writes.

    They may lie under ``model``, ``module``, ``model_state``, ``model_state_dict``, ``state_dict``, ``net``
    or, failing these, ``model_ema``, ``ema``, ``teacher`` or ``student``; whatever else lies there is left
    out. No code of the file is run: numbers of numpy, paths and objects of unknown classes become empty.

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
    if told := _no_weights(path):
        raise OpenBasketError(f"'{path}' {told}")
    classes: list[str] = []
    try:
        found = _unpickled(path, classes) if path.suffix != ".safetensors" else load_file(path)
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
    for _ in _NESTS:  # methods of dict itself: a file can give an OrderedDict other ones
        if isinstance(found, dict):
            nests = (dict.get(found, name) for name in _NESTS)
            found = next((nest for nest in nests if isinstance(nest, dict)), found)
    pairs = dict.items(found) if isinstance(found, dict) else ()
    state = {n: v for n, v in pairs if isinstance(n, str) and isinstance(v, torch.Tensor)}
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


class _Nothing:
    """Stands for values that no weights are made of, whatever they are made of."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _empty(*_: object) -> OrderedDict[Any, Any]:
    return OrderedDict()


class _Unknown:
    """Stands for something that is not known: as a class it makes empty dictionaries; a call is refused."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__new__ = _empty  # type: ignore[method-assign, assignment]

    def __call__(self, *_: object) -> None:
        raise UnpicklingError(f"a call of GLOBAL {self.name}")


#: What training scripts save beside weights by a call, and what stands for it: numbers and arrays of numpy,
#: paths, dictionaries.
_STAND_INS: dict[str, Any] = {
    "numpy.dtype": _Nothing,
    "numpy.ndarray": _Nothing,
    "collections.defaultdict": _empty,
    "copyreg._reconstructor": _empty,
} | {
    f"{module}.{name}": _Nothing
    for modules, names in (
        (("numpy.core.multiarray", "numpy._core.multiarray"), ("scalar", "_reconstruct")),
        (
            ("pathlib", "pathlib._local"),
            ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
        ),
    )
    for module in modules
    for name in names
}


def _unpickled(path: Path, names: list[str]) -> object:
    """Read what ``torch.save`` wrote; ``names`` gets the classes that are not known here."""
    _refuse_bomb(path)
    with suppress(UnpicklingError, ValueError):  # torch.load tells what is wrong
        names += get_unsafe_globals_in_checkpoint(path)
    stand_ins = {name: _Unknown(name) for name in names} | _STAND_INS
    with safe_globals([(value, name) for name, value in stand_ins.items()]):
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
