"""Progress on standard error, so that standard output stays clean: bars in a terminal, else plain lines.

Logs and ``nohup`` get a line for each step that takes long, and of a long row of small ones a line at each
tenth, at least half a minute apart, and one at the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from openbasket.errors import plain

__all__ = ["bar", "note", "status", "track"]

Item = TypeVar("Item")
#: Lines of one bar are at least so far apart, in seconds.
APART_S = 30.0


def track(items: Sequence[Item], describe: str, *, quiet: bool = False) -> Iterator[Item]:
    """Yield the items, and show how many are done."""
    with bar(describe, len(items), quiet=quiet) as advance:
        for number, item in enumerate(items, start=1):
            yield item
            advance(1, f"{number:,}/{len(items):,}")


@contextmanager
def bar(
    describe: str,
    total: float,
    *,
    done: float = 0,
    remaining_s: Callable[[], float | None] | None = None,
    quiet: bool = False,
) -> Iterator[Callable[[float, str], None]]:
    """Show how much work is done, with the time that is left.

    Args:
        describe: what is done.
        total: all of the work, in any unit.
        done: what was done before.
        remaining_s: seconds that are left; by default told by the work done so far.
        quiet: show nothing.

    Yields:
        A function of the work that was done since the last call, and of how to tell what is done ("3/20").
    """
    begun, at_first = time.monotonic(), done

    def left() -> str:
        if remaining_s is not None:
            seconds = remaining_s()
        elif done > at_first:
            seconds = (time.monotonic() - begun) * (total - done) / (done - at_first)
        else:
            seconds = None
        if seconds is None:
            return "-:--:--"
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"

    console = _terminal(quiet)
    if console is None:
        tenths, last = _tenths(done, total), begun

        def advance(by: float, text: str) -> None:
            nonlocal done, tenths, last
            done += by
            now, before, tenths_now = time.monotonic(), tenths, _tenths(done, total)
            ended = before < 10 == tenths_now
            if not quiet and (ended or (tenths_now > before and now - last >= APART_S)):
                tenths, last = tenths_now, now
                _line(f"{describe}: {text}" + ("" if ended else f", {left()} left"))

        yield advance
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Remaining(ProgressColumn):
        """Time left."""

        def render(self, task: Task) -> Text:
            del task  # the only one
            return Text(left(), style="progress.remaining")

    text_of_task = TextColumn("{task.fields[text]}", markup=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        text_of_task,
        Remaining(),
    )
    with Progress(*columns, console=console) as shown:
        task = shown.add_task(describe, total=total, completed=done, text="")  # type: ignore[arg-type]

        def advance_bar(by: float, text: str) -> None:
            nonlocal done
            done += by
            shown.update(task, completed=done, text=text)

        yield advance_bar


@contextmanager
def status(text: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show what is being done, and that it goes on; yields a function that tells of the next step."""
    console = _terminal(quiet)
    if console is None:
        tell = _silent if quiet else _line
        tell(text)
        yield tell
        return
    from rich.markup import escape

    with console.status(escape(text)) as shown:
        yield lambda step: shown.update(escape(step))


def note(text: str, *, quiet: bool = False) -> None:
    """Tell a line between steps."""
    if not quiet:
        _line(text)


def _terminal(quiet: bool) -> Any:
    """The console of standard error, where that is a terminal and something is to be shown."""
    if quiet:
        return None
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_interactive else None


def _tenths(done: float, total: float) -> int:
    return int(10 * done / total + 1e-6) if total else 10


def _silent(text: str) -> None:
    del text


def _line(text: str) -> None:
    print(plain(text), file=sys.stderr, flush=True)
