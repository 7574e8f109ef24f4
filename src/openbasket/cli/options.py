"""Arguments and options that several verbs share, and the printing of their results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from openbasket.errors import plain

__all__ = [
    "IncludeFlagged",
    "Json",
    "Quiet",
    "Root",
    "Seed",
    "Workers",
    "print_json",
    "print_table",
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


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = ""
) -> None:
    """Print a table for people: first column left, the others right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def text(cell: object, style: str = "") -> Text:  # brackets in names are no markup
        return Text(plain(str(cell)), style)

    table = Table(
        title=text(title, "table.title"),
        caption=text(caption, "table.caption") if caption else None,
        title_justify="left",
    )
    for number, column in enumerate(columns):
        table.add_column(text(column), justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*map(text, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    console.print(table)


def say(text: str) -> None:
    """Print a line for people, without control characters that names of files may hold."""
    typer.echo(plain(text))
