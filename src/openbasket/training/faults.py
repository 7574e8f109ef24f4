"""Errors of a run on a machine, told as what to change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from openbasket.errors import OpenBasketError

__all__ = ["TrainingError", "diverged", "explained"]

_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory", re.IGNORECASE)
_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)", re.IGNORECASE)
_SHARED = re.compile(r"shared memory|shm|No space left on device", re.IGNORECASE)


class TrainingError(OpenBasketError):
    """A run that cannot go on as it is; says what to change."""


@contextmanager
def explained(doing: str, batch_size: int, *, go_on: str) -> Iterator[None]:
    """Turn out-of-memory errors and dead loader processes into errors that say what to change.

    Args:
        doing: what is being done.
        batch_size: of the recipe.
        go_on: what becomes of the work so far.

    Raises:
        TrainingError: memory was not enough, or a loader process was killed.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(doing, batch_size, go_on, error) from None
    except RuntimeError as error:
        worker = _WORKER.search(str(error))
        if worker:
            hint = (
                "Shared memory ran out: enlarge /dev/shm, or set train.loader_workers=0"
                if _SHARED.search(str(error))
                else "Most often the machine ran out of memory: lower train.loader_workers, data.frames or "
                "train.batch_size"
            )
            raise TrainingError(
                f"a loader process (pid {worker[1]}) died while {doing}: {_first_line(error)}. "
                f"{hint}. {go_on}"
            ) from None
        if _MEMORY.search(str(error)):
            raise _out_of_memory(doing, batch_size, go_on, error) from None
        raise


def diverged(which: str, loss: float, where: str) -> TrainingError:
    """The error of a loss that is no number; says what to change."""
    return TrainingError(
        f"the {which} is {loss} {where} (both counted from 0): training has diverged. Start anew with a "
        "lower train.learning_rate or more train.warmup_epochs, with train.grad_clip on, or in "
        "train.precision 'fp32'. The weights of the last whole epoch are kept"
    )


def _out_of_memory(doing: str, batch_size: int, go_on: str, error: BaseException) -> TrainingError:
    return TrainingError(
        f"memory ran out while {doing} with train.batch_size = {batch_size}: {_first_line(error)}. Any of "
        "these needs less: a lower train.batch_size, with train.accumulate raised by as much (the updates "
        "stay the same); model.checkpointing = true; train.precision = 'bf16'; fewer data.frames or a "
        f"smaller data.size. {go_on}"
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
