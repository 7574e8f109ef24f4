"""What every engine shares: how one job is done, what came of it, and how long the rest will take."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Done", "Estimate", "Outcome", "attempt"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """What became of one job: a result, or the text of the error it ended with.

    Args:
        item: what the job was called with.
        result: what it returned.
        error: null if it went well.
        details: the traceback.
        kind: the name of the error's class.
    """

    item: Item
    result: Result | None
    error: str | None
    details: str = ""
    kind: str = ""


class Done(NamedTuple):
    """What a worker sends back: the fields of an :class:`Outcome` without the item."""

    result: object
    error: str | None
    details: str = ""
    kind: str = ""


def attempt(function: Callable[[Item], Result], item: Item) -> Done:
    """Do one job; whatever it raises becomes text."""
    try:
        return Done(function(item), None)
    except Exception as error:  # noqa: BLE001 - the job runner records whatever a job ends with
        kind = type(error).__name__
        return Done(None, f"{kind}: {error}", traceback.format_exc(), kind)


class Estimate:
    """How long the jobs that are left will take, from the sizes of those that are done.

    A job that is running counts as half done, so that the first answers are not too long; the job that a
    worker has just begun counts as not done.

    Args:
        sizes: work of each job, in any unit, in the order in which they begin.
        at_once: jobs that run at the same time.
        begun: the moment when the first jobs begin, in seconds of any clock.
    """

    def __init__(self, sizes: Sequence[float], at_once: int, begun: float) -> None:
        self._left = dict(enumerate(sizes))
        self._total = sum(sizes)
        self._done = 0.0
        self._at_once = at_once
        self._begun = begun
        self._ends: float | None = None

    def finish(self, job: int, now: float) -> None:
        """Job number ``job`` is done."""
        self._done += self._left.pop(job)
        done = self._done + sum(islice(self._left.values(), self._at_once - 1)) / 2
        if done > 0:
            self._ends = now + (self._total - done) * (now - self._begun) / done

    def remaining_s(self, now: float) -> float | None:
        """Seconds until the last job is done; ``None`` while none is."""
        if not self._left:
            return 0.0
        return None if self._ends is None else max(0.0, self._ends - now)
