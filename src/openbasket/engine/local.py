"""Run jobs in processes of this machine. One that dies costs its own job and no other."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing import connection, current_process, get_context, parent_process
from typing import Any, TypeVar

from openbasket.engine.jobs import Done, attempt
from openbasket.errors import ConfigError

__all__ = ["at_once", "outcomes"]

Item = TypeVar("Item")

#: How often a job is begun anew whose process died.
RETRIES = 1
#: How long processes may take to clean up when a run is given up.
PATIENCE_S = 5.0

#: Exit code of a process that, as it began, began the work of the program that started it.
_UNGUARDED = 187

_spawn = get_context("spawn")
_BEGINNING = threading.RLock()


def at_once(jobs: int, workers: int | None) -> int:
    """Processes for so many jobs: all cores by default."""
    return min(workers or os.cpu_count() or 1, max(jobs, 1))


def outcomes(
    function: Callable[[Item], Any], items: Sequence[Item], workers: int
) -> Iterator[tuple[int, Done]]:
    """Yield (place of the item, what came of it), as jobs end.

    With one worker, everything runs in this process.

    Raises:
        ConfigError: function or items are of the main program, which processes import for that, and it
            begins its work anew when it is imported.
    """
    if workers == 1:
        for index, item in enumerate(items):
            yield index, attempt(function, item)
        return
    if getattr(current_process(), "_inheriting", False):  # while it imports the main program
        os._exit(_UNGUARDED)
    waiting = deque((index, 0) for index in range(len(items)))
    main = _of_main(function, items[0])  # the others are of its kind
    pool = [_Worker(function, main) for _ in range(workers)]
    try:
        while True:
            for place, worker in enumerate(pool):
                if waiting and worker.job is None:
                    if not worker.process.is_alive():  # while it was idle
                        pool[place] = worker = _Worker(function, main)
                    worker.give(waiting.popleft(), items)
            busy = {worker.pipe: place for place, worker in enumerate(pool) if worker.job}
            if not busy:
                return
            for pipe in connection.wait(list(busy)):
                place = busy[pipe]  # type: ignore[index]
                index, tries = pool[place].job or (0, 0)
                done = pool[place].take()
                if done is not None:
                    yield index, done
                    continue
                how = pool[place].stop()
                if pool[place].process.exitcode == _UNGUARDED:
                    raise ConfigError(
                        "several processes use what the main program defines, and import it; this program "
                        "begins its work when it is imported. Put that under "
                        "'if __name__ == \"__main__\":', or use one worker"
                    )
                pool[place] = _Worker(function, main)
                if tries < RETRIES:
                    waiting.appendleft((index, tries + 1))
                else:
                    yield index, Done(None, f"its process {how}, {RETRIES + 1} times")
    finally:
        for worker in pool:
            worker.process.terminate()
        for worker in pool:
            worker.stop()


class _Worker:
    """A process that does one job after the other."""

    def __init__(self, function: Callable[[Any], Any], main: bool) -> None:
        self.pipe, theirs = _spawn.Pipe()
        self.process = _spawn.Process(target=_serve, args=(theirs, function), daemon=True)
        with nullcontext() if main else _nameless():
            self.process.start()
        theirs.close()
        self.job: tuple[int, int] | None = None

    def give(self, job: tuple[int, int], items: Sequence[Any]) -> None:
        """Begin a job: (place of its item, how often it was begun before)."""
        self.job = job
        with suppress(BrokenPipeError):  # it has just died; take() tells
            self.pipe.send(items[job[0]])

    def take(self) -> Done | None:
        """What came of the job; ``None`` if the process died over it."""
        self.job = None
        try:
            return Done(*self.pipe.recv())
        except (EOFError, OSError):
            return None

    def stop(self) -> str:
        """End the process, if it has not ended; say how it did."""
        self.pipe.close()
        self.process.join(PATIENCE_S)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        killed = " (out of memory? use fewer workers)" if code == -signal.SIGKILL else ""
        return f"was killed by {signal.Signals(-code).name}{killed}"


def _of_main(function: Callable[[Any], Any], item: Any) -> bool:
    """Whether the main program defines a part of what a process is sent."""
    try:
        return b"__main__" in pickle.dumps((function, item))
    except (pickle.PicklingError, TypeError, AttributeError):  # told where it is sent
        return True


@contextmanager
def _nameless() -> Iterator[None]:
    """Processes that begin meanwhile do not import the main program, as they otherwise do by its names.

    A script is then not begun anew in each of them.
    """
    with _BEGINNING:
        named = vars(sys.modules["__main__"])
        names: list[str] = [name for name in ("__file__", "__spec__") if name in named]
        kept = {name: named.pop(name) for name in names}
        named["__spec__"] = None
        try:
            yield
        finally:
            named.update(kept)


def _serve(pipe: connection.Connection, function: Callable[[Any], Any]) -> None:
    """Do the jobs that come through the pipe, until it is closed or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # cleans up
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        done = attempt(function, item)
        try:
            pipe.send(tuple(done))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            pipe.send((None, f"the result cannot be sent: {error}", ""))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
