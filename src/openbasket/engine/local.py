"""Run many independent jobs on the cores of one machine."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Outcome", "run"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """What became of one job: a result, or the text of the error it ended with."""

    item: Item
    result: Result | None
    error: str | None
    details: str = ""


def run(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    describe: str,
    workers: int | None = None,
    quiet: bool = False,
) -> list[Outcome[Item, Result]]:
    """Call ``function`` on each item, in other processes, and record what came of each.

    A job that raises does not stop the others: its outcome has ``error`` set. This is the job
    runner, the one place that catches every exception.

    Args:
        function: a module-level function (it is sent to other processes).
        items: its arguments, picklable.
        describe: what the progress bar says.
        workers: processes; all cores by default; 1 runs everything in this process.
        quiet: show no progress bar.

    Returns:
        Outcomes in the order of ``items``.
    """
    jobs = list(items)
    workers = min(workers or os.cpu_count() or 1, max(len(jobs), 1))
    done: dict[int, Outcome[Item, Result]] = {}
    with _progress(quiet) as progress:
        bar = progress.add_task(describe, total=len(jobs))
        for index, outcome in _outcomes(function, jobs, workers):
            done[index] = outcome
            progress.advance(bar)
    return [done[i] for i in range(len(jobs))]


def _outcomes(
    function: Callable[[Item], Result], jobs: list[Item], workers: int
) -> Iterator[tuple[int, Outcome[Item, Result]]]:
    if workers == 1:
        for index, item in enumerate(jobs):
            yield index, _attempt(function, item)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures: dict[Future[Outcome[Item, Result]], int] = {
            pool.submit(_attempt, function, item): index for index, item in enumerate(jobs)
        }
        for future in as_completed(futures):
            index = futures[future]
            error = future.exception()
            if error is not None:  # the process itself died
                yield index, Outcome(jobs[index], None, f"{type(error).__name__}: {error}")
            else:
                yield index, future.result()


def _attempt(function: Callable[[Item], Result], item: Item) -> Outcome[Item, Result]:
    try:
        return Outcome(item, function(item), None)
    except Exception as error:  # noqa: BLE001 - the job runner records whatever a job ends with
        return Outcome(item, None, f"{type(error).__name__}: {error}", traceback.format_exc())


def _progress(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet,
    )
