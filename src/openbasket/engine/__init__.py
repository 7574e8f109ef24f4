"""Run many independent jobs: on this machine's cores, or on a Ray cluster, behind one function."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from openbasket.engine.jobs import Done, Estimate, Outcome
from openbasket.errors import ConfigError, UnknownNameError
from openbasket.progress import bar

__all__ = ["ENGINES", "Engine", "Outcome", "run", "stream"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: What can run jobs.
ENGINES: tuple[str, ...] = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Engine:
    """Where jobs run.

    Args:
        kind: ``local`` (processes of this machine) or ``ray``.
        address: of a Ray cluster; by default the one of ``RAY_ADDRESS``, or this machine alone.
        workers: jobs at the same time; all cores by default. With one, the local engine runs
            everything in the calling process.

    Raises:
        UnknownNameError: no such kind.
        ConfigError: an address for the local engine, or fewer workers than one.
    """

    kind: str = "local"
    address: str | None = None
    workers: int | None = None

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Keep the engine up between several runs: a Ray cluster takes seconds to begin.

        Raises:
            DependencyError: Ray is not installed.
            ConfigError: no cluster answers at the address.
        """
        if self.kind == "ray":
            from openbasket.engine import ray

            with ray.cluster(self.address, self.workers):
                yield
        else:
            yield

    def __post_init__(self) -> None:
        if self.kind not in ENGINES:
            raise UnknownNameError("engine", self.kind, ENGINES)
        if self.address is not None and self.kind != "ray":
            raise ConfigError(
                f"address '{self.address}' for the engine '{self.kind}'; only 'ray' has one"
            )
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers: got {self.workers}; allowed: at least 1")


def run(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    describe: str,
    workers: int | None = None,
    quiet: bool = False,
    engine: Engine | None = None,
    size: Callable[[Item], float] | None = None,
) -> list[Outcome[Item, Result]]:
    """Do all jobs; return their outcomes in the order of ``items``. See :func:`stream`."""
    jobs = list(items)
    done = dict(
        stream(
            function, jobs, describe=describe, quiet=quiet, size=size,
            engine=engine or Engine(workers=workers),
        )
    )  # fmt: skip
    return [done[index] for index in range(len(jobs))]


def stream(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    describe: str,
    quiet: bool = False,
    engine: Engine | None = None,
    size: Callable[[Item], float] | None = None,
) -> Iterator[tuple[int, Outcome[Item, Result]]]:
    """Call ``function`` on each item, in other processes, and yield what came of each as it ends.

    A job that raises does not stop the others: its outcome has ``error`` set. One whose process is
    killed, or whose node dies, is begun anew (local: once, Ray: three times), then an error, too. This is
    the job runner, the one place that catches every exception.

    Args:
        function: a module-level function (it is sent to other processes by its name).
        items: its arguments, picklable.
        describe: what the progress says.
        quiet: show no progress.
        engine: where to run; this machine's cores by default.
        size: the work in an item, in any unit: large ones begin first, and the time that is left is told
            by the work that is left. Equal by default.

    Yields:
        (place of the item, its outcome), in the order in which jobs end.
    """
    jobs = list(items)
    if not jobs:
        return
    engine = engine or Engine()
    sizes = [float(size(job)) if size else 1.0 for job in jobs]
    order = sorted(range(len(jobs)), key=lambda place: -sizes[place])
    ordered = [jobs[place] for place in order]
    with ExitStack() as stack:
        found: Iterator[tuple[int, Done]]
        stack.enter_context(engine.ready())
        if engine.kind == "ray":
            from openbasket.engine import ray

            at_once = ray.at_once(len(jobs), engine.workers)
            found = ray.outcomes(function, ordered, engine.workers)
        else:
            from openbasket.engine import local

            at_once = local.at_once(len(jobs), engine.workers)
            found = local.outcomes(function, ordered, at_once)
        stack.callback(cast("Any", found).close)
        estimate = Estimate([sizes[place] for place in order], at_once, time.monotonic())
        advance = stack.enter_context(
            bar(
                describe,
                sum(sizes),
                remaining_s=lambda: estimate.remaining_s(time.monotonic()),
                quiet=quiet,
            )
        )
        for number, (place, done) in enumerate(found, start=1):
            estimate.finish(place, time.monotonic())
            advance(sizes[order[place]], f"{number:,}/{len(jobs):,}")
            result = cast("Result | None", done.result)
            yield order[place], Outcome(ordered[place], result, *done[1:])
