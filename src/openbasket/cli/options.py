"""Arguments and options that several verbs share, and the printing of their results."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openbasket.errors import ConfigError, plain

if TYPE_CHECKING:
    from rich.text import Text

__all__ = [
    "IncludeFlagged",
    "Json",
    "Quiet",
    "Root",
    "Seed",
    "Workers",
    "print_json",
    "print_table",
    "refuse_no_predictions",
    "say",
]

Root = Annotated[Path, typer.Argument(metavar="WORKSPACE", help="Folder of the dataset.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
IncludeFlagged = Annotated[
    bool, typer.Option("--include-flagged", help="Use games and line-ups that were flagged, too.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes; all cores by default.", show_default=False)
]


def print_json(content: object) -> None:
    """Print one JSON document on standard output."""
    typer.echo(json.dumps(content, indent=1, default=str))


#: Cells up to this width stay on one line; longer ones are folded.
_ONE_LINE = 28
#: A blank on each side of a cell, and a line.
_FRAME = 3


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    caption: str = "",
    keys: int = 1,
) -> None:
    """Print a table for people: first column left, the others right.

    What is wider than the terminal is continued below with the first ``keys`` columns again (as many of them
    as take two thirds of the width), and long cells are folded; nothing is cut.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def text(cell: object, style: str = "") -> Text:  # brackets in names are no markup
        return Text(plain(str(cell)), style)

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=120)
    cells = [[text(cell) for cell in row] for row in rows]
    heads = [text(column) for column in columns]
    wide = [
        _width(head, [row[place] for row in cells], (console.width - 1) // 2 - _FRAME)
        for place, head in enumerate(heads)
    ]
    while keys > 1 and 3 * (sum(wide[:keys]) + keys * _FRAME) > 2 * console.width:
        keys -= 1
    blocks = _blocks(wide, console.width, min(keys, len(wide)))
    for number, block in enumerate(blocks):
        table = Table(
            title=text(f"{title}{', continued' if number else ''}", "table.title"),
            caption=text(caption, "table.caption") if caption and block is blocks[-1] else None,
            title_justify="left",
            caption_justify="left",
        )
        spare = console.width - 1 - sum(wide[place] + _FRAME for place in block)
        for place in block:
            whole = max(line.cell_len for line in (heads[place], *(row[place] for row in cells)))
            more = max(min(whole - wide[place], spare), 0)
            spare -= more
            table.add_column(
                heads[place], justify="right" if place else "left", overflow="fold",
                width=wide[place] + more,
            )  # fmt: skip
        for row in cells:
            table.add_row(*(row[place] for place in block))
        console.print(table)


def _width(head: Text, cells: Sequence[Text], most: int) -> int:
    """Characters that a column needs: its longest word, and its cells up to :data:`_ONE_LINE` of them."""
    from rich.cells import cell_len

    words = [cell_len(word) for text in (head, *cells) for word in text.plain.split()]
    whole = [min(cell.cell_len, _ONE_LINE) for cell in cells]
    return min(max([1, *words, *whole]), most)


def _blocks(wide: Sequence[int], width: int, keys: int) -> list[list[int]]:
    """Columns that stand side by side within a width, the first ``keys`` of them in each block."""
    again = list(range(keys))
    room = width - 1 - sum(wide[place] + _FRAME for place in again)
    blocks, left = [[*again]], room
    for place in range(keys, len(wide)):
        if left < wide[place] + _FRAME and len(blocks[-1]) > keys:
            blocks.append([*again])
            left = room
        blocks[-1].append(place)
        left -= wide[place] + _FRAME
    return blocks


def refuse_no_predictions(out: Path, data: Path) -> None:
    """Refuse a place where predictions cannot be written.

    Args:
        out: the file.
        data: the dataset.

    Raises:
        ConfigError: it is not named as they are, or lies among the dataset's own tables.
    """
    if out.suffix != ".parquet":
        raise ConfigError(f"--out: got '{out}'; predictions are a file named '.parquet'")
    own = data.resolve() / "openbasket"
    if out.resolve().is_relative_to(own):
        raise ConfigError(f"--out: got '{out}', among the dataset's own tables; give another place")


def say(text: str) -> None:
    """Print a line for people, without control characters that names of files may hold."""
    typer.echo(plain(text))
