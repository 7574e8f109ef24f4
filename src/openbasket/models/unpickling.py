"""What ``torch.save`` writes, read by a reader of our own.

The pickle in it can make dictionaries, numbers, texts and descriptions of tensors, and nothing else. The
numbers of tensors are read afterwards, of those that are wanted, and never more bytes than the file has.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any
from zipfile import ZipFile, ZipInfo

import torch

from openbasket.errors import OpenBasketError

__all__ = ["Saved", "Stored"]

#: Bytes that the weights of any file may have, however small it is.
HARMLESS = 64 << 20
#: Steps of a pickle: of weights it takes about 30 for each tensor. Each may make an object of 200 bytes.
_MOST_STEPS = 2_000_000
#: Sides of a tensor, and names of unknown classes.
_MOST_SIDES, _MOST_NAMES = 64, 10_000
_ZIP = b"PK\x03\x04"
#: An archive's entry begins so many bytes, and those of its name and extra field, behind its place.
_LOCAL_HEAD = 30
#: What files of older versions of ``torch.save`` begin with: its number and that of its format.
_MAGIC, _FORMAT = 0x1950A86A20F9469CFC6C, 1001
_KINDS = {
    **{"Double": torch.float64, "Float": torch.float32, "Half": torch.float16},
    **{"BFloat16": torch.bfloat16, "Long": torch.int64, "Int": torch.int32, "Short": torch.int16},
    **{"Char": torch.int8, "Byte": torch.uint8, "Bool": torch.bool},
    **{"ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128},
}


class Stored:
    """A tensor whose numbers are not read yet.

    Args:
        storage: key of the stretch of numbers in the file, and their type.
        offset: numbers before its first.
        shape: of the tensor.
        stride: numbers from one to the next, along each side.
    """

    def __init__(self, storage: Any, offset: Any, shape: Any, stride: Any, *_: object) -> None:
        self.key, self.dtype, begin = storage
        if max(len(shape), len(stride)) > _MOST_SIDES:
            raise UnpicklingError("a tensor of an impossible form")
        self.offset, self.shape, self.stride = begin + offset, tuple(shape), tuple(stride)
        for number in (self.offset, *self.shape, *self.stride):
            if type(number) is not int or number < 0:
                raise UnpicklingError("a tensor of an impossible form")

    def __setstate__(self, state: object) -> None:
        """Keep what it is."""

    @property
    def size(self) -> int:
        """Bytes of the tensor alone."""
        return int(prod(self.shape)) * int(self.dtype.itemsize)


class _Nothing(dict[Any, Any]):
    """Stands for what no weights are made of: a dictionary, whatever it was made of."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __init__(self, *_: object) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        pass


class _Ordered(OrderedDict[Any, Any]):
    """A dictionary of pairs that Python 2 wrote as a list; nothing is held twice."""

    def __init__(self, pairs: object = None) -> None:
        if isinstance(pairs, list):
            super().__init__(pairs)
            pairs.clear()

    def __setstate__(self, state: object) -> None:
        pass


class _Uncalled(type):
    def __call__(cls, *_: object) -> None:
        raise UnpicklingError(f"a call of GLOBAL {cls.__name__}")


class Saved:
    """A file of ``torch.save``.

    Args:
        path: the file.

    Raises:
        OpenBasketError: it would become larger in memory than it is.
        UnpicklingError: loading it would run code, or it is damaged.
        Exception: any other, of damaged bytes.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._size = path, path.stat().st_size
        #: By key: where the numbers begin, and how many bytes they have.
        self._places: dict[Any, tuple[int, int]] = {}
        with path.open("rb") as file:
            zipped = file.read(4) == _ZIP
            file.seek(0)
            #: All that is in the file, with :class:`Stored` for tensors.
            if zipped:
                self.content = self._of_zip(file)
            else:
                with mmap(
                    file.fileno(), 0, access=ACCESS_READ
                ) as content:  # no read beyond its end
                    self.content = self._of_older(content)

    def tensors(self, wanted: Mapping[str, Stored]) -> dict[str, torch.Tensor]:
        """Read tensors; those that share their numbers in the file share them here.

        Raises:
            OpenBasketError: together they are larger than the file.
            UnpicklingError: one reaches beyond its numbers.
        """
        told = sum(stored.size for stored in wanted.values())
        if told > max(2 * self._size, HARMLESS):
            raise self._bomb(told)
        held: dict[Any, torch.Tensor] = {}
        made = {}
        with self._path.open("rb") as file:
            for name, stored in wanted.items():
                if stored.key not in held:
                    held[stored.key] = self._numbers(file, stored.key)
                numbers = held[stored.key]
                item = stored.dtype.itemsize
                flat = numbers[: len(numbers) // item * item].view(stored.dtype)
                steps = zip(stored.shape, stored.stride, strict=True)
                last = stored.offset + sum((n - 1) * step for n, step in steps)
                if stored.size and last >= len(flat):
                    raise UnpicklingError(f"'{name}' reaches beyond its numbers")
                offset = stored.offset if stored.size else 0
                made[name] = flat.as_strided(stored.shape, stored.stride, offset)
        return made

    def _numbers(self, file: IO[bytes], key: Any) -> torch.Tensor:
        begin, size = self._places[key]
        content = torch.empty(size, dtype=torch.uint8)
        file.seek(begin)
        if file.readinto(content.numpy().data) != size:  # type: ignore[attr-defined]
            raise UnpicklingError("it is cut off")
        return content

    def _bomb(self, told: int) -> OpenBasketError:
        return OpenBasketError(
            f"'{self._path}' has {self._size:,} bytes and would become {told:,} in memory; a checkpoint is "
            "neither compressed nor larger than its file. Get it from its makers, or save it again with "
            "torch.save(model.state_dict(), ...)"
        )

    def _of_zip(self, file: IO[bytes]) -> object:
        with ZipFile(file) as archive:
            parts = {part.filename.partition("/")[2]: part for part in archive.infolist()}
            told = sum(part.file_size for part in archive.infolist())
        if told > self._size or any(part.compress_type for part in parts.values()):
            raise self._bomb(told)
        for name, part in parts.items():
            folder, _, key = name.partition("/")
            if folder == "data":
                self._places[key] = self._place(file, part)
        if "byteorder" in parts and self._read(file, parts["byteorder"]) != b"little":
            raise UnpicklingError("its numbers have their largest byte first")
        return self._unpickled(io.BytesIO(self._read(file, parts["data.pkl"])))

    def _place(self, file: IO[bytes], part: ZipInfo) -> tuple[int, int]:
        file.seek(part.header_offset)
        head = file.read(_LOCAL_HEAD)
        names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        begin = part.header_offset + _LOCAL_HEAD + names
        if head[:4] != _ZIP or begin + part.file_size > self._size:
            raise UnpicklingError("it is cut off")
        return begin, part.file_size

    def _read(self, file: IO[bytes], part: ZipInfo) -> bytes:
        begin, size = self._place(file, part)
        file.seek(begin)
        return file.read(size)

    def _of_older(self, file: mmap) -> object:
        items: dict[Any, int] = {}
        magic, version, _ = (self._unpickled(file) for _ in range(3))
        if (magic, version) != (_MAGIC, _FORMAT):
            raise UnpicklingError("no file of torch.save")
        content = self._unpickled(file, items)
        keys = self._unpickled(file)
        for key in keys if isinstance(keys, list) else []:
            size = int.from_bytes(file.read(8), "little") * items[key]
            self._places[key] = (file.tell(), size)
            if file.tell() + size > self._size:
                raise UnpicklingError("it is cut off")
            file.seek(size, io.SEEK_CUR)
        return content

    def _unpickled(self, file: Any, items: dict[Any, int] | None = None) -> object:
        """The object of the pickle that begins here; the file is left behind its end."""
        begin = file.tell()
        for step, (code, argument, _) in enumerate(pickletools.genops(file)):
            if step == _MOST_STEPS:
                raise UnpicklingError(f"a pickle of more than {_MOST_STEPS:,} steps")
            if code.name in ("PUT", "LONG_BINPUT") and argument > step:  # type: ignore[operator]
                raise UnpicklingError("a place in memory that is not next")
        file.seek(begin)
        return _Reader(file, {} if items is None else items).load()


class _Reader(pickle.Unpickler):
    """Makes what :data:`_KNOWN` has, and nothing else."""

    def __init__(self, file: Any, items: dict[Any, int]) -> None:
        super().__init__(file, encoding="utf-8")
        #: By key: bytes of one number.
        self._items = items
        self._unknown: dict[str, type] = {}

    def find_class(self, module: str, name: str) -> Any:
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        full = f"{module}.{name}"
        if module.partition(".")[0] == "torch":
            kind = getattr(torch, name, None) if module == "torch" else None
            if isinstance(kind, torch.dtype):
                return kind
            if name.endswith("Storage"):
                return _KINDS.get(name.removesuffix("Storage"), torch.uint8)
        if full in _KNOWN:
            return _KNOWN[full]
        if len(self._unknown) == _MOST_NAMES:
            raise UnpicklingError(f"more than {_MOST_NAMES:,} classes")
        return self._unknown.setdefault(full, _Uncalled(full, (_Nothing,), {}))

    def persistent_load(self, saved: Any) -> Any:
        """A stretch of numbers: its key, their type, and how many lie before the first."""
        kind, *rest = saved
        if kind == "module":
            return rest[0]
        if kind != "storage":
            raise UnpicklingError("something that is no tensor lies outside of the pickle")
        dtype, key, _, _, *view = rest
        self._items[key] = dtype.itemsize
        return key, dtype, view[0][1] if view and view[0] else 0


def _typed(storage: Any, offset: Any, shape: Any, stride: Any, *more: Any) -> Stored:
    """A tensor of a newer type of numbers, which is told beside it."""
    key, _, begin = storage
    return Stored((key, more[2], begin), offset, shape, stride)


def _first(value: Any, *_: object) -> Any:
    return value


def _of_subclass(
    build: Callable[..., Any], _kind: object, given: tuple[Any, ...], *_: object
) -> Any:
    if build not in (Stored, _typed, _first):
        raise UnpicklingError(f"a call of GLOBAL {getattr(build, '__name__', build)}")
    return build(*given)


#: What a pickle may ask for, by name, and what it gets.
_KNOWN: dict[str, Any] = {
    "collections.OrderedDict": _Ordered,
    "torch.Size": _first,
    "torch._utils._rebuild_tensor": Stored,
    "torch._utils._rebuild_tensor_v2": Stored,
    "torch._utils._rebuild_tensor_v3": _typed,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _of_subclass,
} | {
    f"{module}.{name}": _Nothing  # what training scripts save beside weights
    for modules, names in (
        (("collections",), ("defaultdict", "Counter")),
        (("copyreg",), ("_reconstructor",)),
        (("builtins",), ("complex", "set")),
        (("_codecs",), ("encode",)),
        (("torch",), ("device",)),
        (("torch.serialization",), ("_get_layout",)),
        (("numpy",), ("dtype", "ndarray")),
        (("numpy.core.multiarray", "numpy._core.multiarray"), ("scalar", "_reconstruct")),
        (
            ("pathlib", "pathlib._local"),
            ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
        ),
    )
    for module in modules
    for name in names
}
