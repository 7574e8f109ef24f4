"""Errors of a run on a machine, told as what to change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from multiprocessing.connection import wait
from typing import TypeVar

import torch

from openbasket.errors import OpenBasketError

__all__ = ["TrainingError", "batches", "diverged", "explained"]

Batch = TypeVar("Batch")

_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory", re.IGNORECASE)
_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)", re.IGNORECASE)
_SHARED = re.compile(r"shared memory|shm|No space left on device", re.IGNORECASE)


#: A process whose connections are closed is dead within so many seconds.
_DYING_S = 5.0


class TrainingError(OpenBasketError):
    """A run that cannot go on as it is; says what to change."""


@contextmanager
def explained(
    doing: str, batch_size: int, *, go_on: str, setting: str = "train.batch_size"
) -> Iterator[None]:
    """Turn out-of-memory errors and dead loader processes into errors that say what to change.

    Args:
        doing: what is being done.
        batch_size: of the recipe.
        go_on: what becomes of the work so far.
        setting: of the recipe that says the batch size.

    Raises:
        TrainingError: memory was not enough, or a loader process was killed.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(doing, setting, batch_size, go_on, error) from None
    except RuntimeError as error:
        worker = _WORKER.search(str(error))
        if worker:
            hint = (
                "Shared memory ran out: enlarge /dev/shm, or set train.loader_workers=0"
                if _SHARED.search(str(error))
                else "Most often the machine ran out of memory: lower train.loader_workers, data.frames or "
                f"{setting}"
            )
            raise TrainingError(
                f"a loader process (pid {worker[1]}) died while {doing}: {_first_line(error)}. "
                f"{hint}. {go_on}"
            ) from None
        if _MEMORY.search(str(error)):
            raise _out_of_memory(doing, setting, batch_size, go_on, error) from None
        raise


def batches(loader: Iterable[Batch]) -> Iterator[Batch]:
    """The batches of a ``DataLoader``; an error of handing one over is told as what it comes from.

    A process that dies while it hands over a batch closes its connection before it counts as dead, and
    PyTorch, which sees all processes alive, then gives the error of the connection. The process is
    waited for to the end: PyTorch tells of its death by raising from wherever the signal arrives, and
    from the loader's own destructor nobody could catch it.

    Raises:
        RuntimeError: a loader process died; :func:`explained` says what to change.
    """
    others = set(active_children())
    iterator = iter(loader)
    children = {child.sentinel: child for child in active_children() if child not in others}
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except (OSError, EOFError) as error:
            dead = [children[n] for n in wait(list(children), _DYING_S) if isinstance(n, int)]
            if not dead:
                raise
            for child in dead:
                child.join(_DYING_S)
            pids = ", ".join(str(child.pid) for child in dead)
            raise RuntimeError(
                f"DataLoader worker (pid(s) {pids}) exited while it handed over a batch "
                f"({type(error).__name__})"
            ) from error
        yield batch


def diverged(
    which: str,
    loss: float,
    where: str,
    slower: str = "train.learning_rate or more train.warmup_epochs, with train.grad_clip on",
) -> TrainingError:
    """The error of a loss that is no number; says what to change, ``slower`` what should be lower."""
    return TrainingError(
        f"the {which} is {loss} {where} (both counted from 0): training has diverged. Start anew with a "
        f"lower {slower}, or in train.precision 'fp32'. What the last whole epoch gave, if there was one, is "
        "kept"
    )


def _out_of_memory(
    doing: str, setting: str, batch_size: int, go_on: str, error: BaseException
) -> TrainingError:
    lower = f"a lower {setting}"
    if setting == "train.batch_size":
        lower += ", with train.accumulate raised by as much (the updates stay the same)"
        lower += "; model.checkpointing = true"
    return TrainingError(
        f"memory ran out while {doing} with {setting} = {batch_size}: {_first_line(error)}. Any of these "
        f"needs less: {lower}; train.precision = 'bf16'; fewer data.frames or a smaller data.size. {go_on}"
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
