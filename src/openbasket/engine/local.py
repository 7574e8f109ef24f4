"""Run jobs in processes of this machine. One that dies costs its own job and no other."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection, current_process, get_context, parent_process, spawn
from pathlib import Path
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
#: Names of our processes: of those that do without the main program, and of the others.
_ALONE, _WITH_MAIN = "openbasket", "openbasket with main"


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
            begins its work anew when it is imported, or cannot be imported.
    """
    if workers == 1:
        for index, item in enumerate(items):
            yield index, attempt(function, item)
        return
    own = current_process()
    if own.name == _WITH_MAIN and getattr(own, "_inheriting", False):  # while it imports that
        os._exit(_UNGUARDED)
    main = _of_main(function, items)
    if main and not _importable_main():
        raise ConfigError(
            "several processes are to use what the main program defines, and it has no file that they could "
            "import. Put it into a module, or use one worker"
        )
    waiting = deque((index, 0) for index in range(len(items)))
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
        self.process = _spawn.Process(
            target=_serve, name=_WITH_MAIN if main else _ALONE, args=(theirs, function), daemon=True
        )
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


def _of_main(function: Callable[[Any], Any], items: Sequence[Any]) -> bool:
    """Whether the main program defines a part of what processes are sent; items of a type are alike."""
    kinds = {type(item): item for item in items}
    try:
        return any(b"__main__" in pickle.dumps(part) for part in (function, *kinds.values()))
    except (pickle.PicklingError, TypeError, AttributeError):  # told where it is sent
        return True


def _importable_main() -> bool:
    """Whether a process could import the main program: that of a notebook or a pipe has no file."""
    main = sys.modules["__main__"]
    named = getattr(main, "__spec__", None) is not None
    return named or Path(getattr(main, "__file__", None) or "<none>").is_file()


def _preparation(
    name: str, of_standard: Callable[[str], dict[str, Any]] = spawn.get_preparation_data
) -> dict[str, Any]:
    """What a process does before its work; one that :data:`_ALONE` names leaves out the main program.

    Python imports that into each process, so that a script without a guard would be begun anew there. No
    function of ours needs anything of it.
    """
    data = of_standard(name)
    if name == _ALONE:
        for main in ("init_main_from_name", "init_main_from_path"):
            data.pop(main, None)
    return data


spawn.get_preparation_data = _preparation


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
