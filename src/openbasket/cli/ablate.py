"""Verb: ablate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.evaluation import Crossing
from openbasket.cli.options import Json, Quiet, Workers, print_json, print_table, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(ablate)


def ablate(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Dataset in the official layout.")],
    study: Annotated[
        list[str] | None,
        typer.Option(help="Study to run: frames, interval, data or draws; may be repeated."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe, by name or TOML file: to run, videomamba by default; to show, all that were run."
        ),
    ] = None,
    values: Annotated[
        str | None, typer.Option(help="Values of the study, with commas; the paper's by default.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change a setting of all lines, like train.epochs=3; may be repeated."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Split whose accuracy is told.")] = "test",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of runs and tables; by default openbasket/ablations in ROOT."),
    ] = None,
    workers: Workers = None,
    allow_crossing: Crossing = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run studies of the paper's Table 4, and show the table of all that was run.

    Interrupted and run again, it continues where it was. A line that fails is told in the table; the others
    go on, and the exit code is 1.
    """
    from openbasket.cli.ablating import folder_of, run_study, show
    from openbasket.errors import ConfigError

    if values is not None and len(study or ()) != 1:
        raise ConfigError("--values was given without one --study that they are of; give one")
    place = out or folder_of(root)
    asked = [value.strip() for value in values.split(",")] if values else []
    if study:
        for name in study:
            found = run_study(
                name, root, place, recipe=recipe or "videomamba", values=asked,
                overrides=override or (), split=split, workers=workers,
                allow_crossing=allow_crossing, quiet=quiet,
            )  # fmt: skip
        tables = [found]
    elif recipe is not None:
        tables = [show(place / Path(recipe).stem, root, split=split, allow_crossing=allow_crossing)]
    else:
        folders = sorted(path.parent for path in place.glob("*/ablation.json"))
        tables = [
            show(folder, root, split=split, allow_crossing=allow_crossing)
            for folder in folders or [place]
        ]
    if as_json:
        print_json([table.to_json() for table in tables])
    else:
        for one in tables:
            for table in one.tables:
                print_table(
                    f"{one.recipe} {table.title}",
                    table.columns,
                    table.texts(),
                    table.footer,
                    table.keys,
                )
            for note in one.notes:
                say(f"note: {note}")
            say(f"{place / one.recipe / 'table4.md'}, and as .tex and .json")
    if any(one.failed for one in tables):
        raise typer.Exit(1)
