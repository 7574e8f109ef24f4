"""Every error that openbasket raises on purpose.

An error says what was given, what is allowed and what to do about it. Work on many
rows or files collects its :class:`Problem` objects first and raises them together, so that
one run shows everything that has to be mended.
"""

from __future__ import annotations

import difflib
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from openbasket.wording import counted

__all__ = [
    "DAMAGED_ARCHIVE",
    "BadInputError",
    "ConfigError",
    "DependencyError",
    "NotFoundError",
    "OpenBasketError",
    "Problem",
    "SplitError",
    "UnknownNameError",
    "VideoError",
    "WorkspaceError",
    "plain",
    "suggest",
]

#: What reading a damaged ZIP archive may raise.
DAMAGED_ARCHIVE = (
    EOFError, KeyError, NotImplementedError, OSError, RuntimeError, ValueError, lzma.LZMAError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
MAX_NAMES_SHOWN = 40
MAX_PROBLEMS_SHOWN = 20
#: What a terminal obeys instead of showing it: control characters, and marks that turn the direction of text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")


class OpenBasketError(Exception):
    """Base class: ``except OpenBasketError`` catches every deliberate error of the package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one piece of input.

    Args:
        file: the file (or table) that holds the fault.
        row: zero-based row in that file, or ``None`` where the fault is not in one row.
        field: column or key, or ``None``.
        given: the offending value, as text.
        allowed: what would have been right.
        line: of a text file, counted from 1, header and all; told in place of the row where it is known.
    """

    file: str
    row: int | None
    field: str | None
    given: str
    allowed: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place += f", line {self.line}"
        elif self.row is not None:
            place += f", row {self.row}"
        if self.field is not None:
            place += f", field '{self.field}'"
        return plain(f"{place}: got {self.given}; allowed: {self.allowed}")


class BadInputError(OpenBasketError):
    """Input that cannot be used. Carries every problem found, in ``.problems``."""

    def __init__(self, problems: Iterable[Problem], hint: str = "") -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.hint = hint
        shown = [f"  - {problem}" for problem in self.problems[:MAX_PROBLEMS_SHOWN]]
        if len(self.problems) > MAX_PROBLEMS_SHOWN:
            shown.append(f"  - and {len(self.problems) - MAX_PROBLEMS_SHOWN} more")
        text = f"{counted(len(self.problems), 'problem')} in the input:\n" + "\n".join(shown)
        super().__init__(text + (f"\n{hint}" if hint else ""))


class UnknownNameError(OpenBasketError):
    """A name that is in none of our tables; the message suggests the nearest one, or gives the hint."""

    def __init__(self, what: str, given: str, known: Sequence[str], hint: str = "") -> None:
        self.given = given
        self.known = tuple(known)
        shown = ", ".join(known[:MAX_NAMES_SHOWN])
        if len(known) > MAX_NAMES_SHOWN:
            shown += f" and {len(known) - MAX_NAMES_SHOWN:,} more"
        told = hint or suggest(given, known)
        super().__init__(f"unknown {what} '{given}'.{told} Known: {shown}")


class WorkspaceError(OpenBasketError):
    """A workspace that is missing, too new, or in the way."""


class NotFoundError(OpenBasketError):
    """Something that should lie in the workspace does not; says which command makes it."""


class VideoError(OpenBasketError):
    """A video that cannot be read, ends too early, or breaks a limit."""


class ConfigError(OpenBasketError):
    """A recipe or setting that is not valid; all of its faults in one message."""


class SplitError(OpenBasketError):
    """A split that cannot be made or that leaks."""


class DependencyError(OpenBasketError):
    """An optional part of the package is not installed; says which extra brings it."""


def plain(text: str) -> str:
    r"""One line that a terminal shows as it is: line ends become blanks, other control characters go.

    Example:
        >>> plain("a\tb\x07.json")
        'a b.json'
    """
    text = _CONTROL.sub(lambda found: " " if found[0].isspace() else "", text)
    return text.encode(errors="replace").decode()


def suggest(given: str, known: Sequence[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known name, or ``""``."""
    near = difflib.get_close_matches(given.lower(), [name.lower() for name in known], n=1)
    if not near:
        return ""
    original = next(name for name in known if name.lower() == near[0])
    return f" Did you mean '{original}'?"
