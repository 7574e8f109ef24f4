"""Jobs for the tests of the engines: workers import them by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def square(n: int) -> int:
    if n == 3:
        raise ValueError("three is bad")
    return n * n


def die(item: tuple[Path, int]) -> int:
    """Write a line for each time it is begun; number 0 is killed each time, number 1 the first time."""
    folder, n = item
    with (folder / f"{n}.txt").open("a") as log:
        log.write("begun\n")
    tries = len((folder / f"{n}.txt").read_text().splitlines())
    if n == 0 or (n == 1 and tries == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def kind(item: object) -> str:
    return type(item).__name__


def leave(code: int) -> int:
    os._exit(code)


def unsendable(n: int) -> object:
    return lambda: n


def nap(item: tuple[Path, int, float]) -> int:
    """Sleep; leave the number of the process before and a mark after."""
    folder, n, seconds = item
    (folder / f"{n}.pid").write_text(str(os.getpid()))
    time.sleep(seconds)
    (folder / f"{n}.done").write_text("")
    return n


def worker_of(n: int) -> int:
    time.sleep(0.2)
    return os.getpid()
