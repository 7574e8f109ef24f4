"""Verb: fairness."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.evaluation import Crossing, Hashed, Resamples, file_of
from openbasket.cli.options import Json, Quiet, print_json, print_table, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(fairness)


def fairness(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Parquet file of predictions, or folder of a run that has one."
        ),
    ],
    data: Annotated[Path, typer.Option(help="Dataset in the official layout.")],
    run: Annotated[
        str | None, typer.Option(help="Which run of the file, where it holds several.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to score.")] = "test",
    alpha: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Chance of any false warning at all.")
    ] = 0.05,
    resamples: Resamples = 2000,
    allow_crossing: Crossing = False,
    require_hash: Hashed = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Compare accuracy and bias between groups of players; warn where one is worse off beyond chance."""
    from openbasket.evaluation.fairness import fairness as compare
    from openbasket.evaluation.fairness_tables import fairness_table

    found = compare(
        file_of(predictions, data),
        data,
        run=run,
        split=split,
        alpha=alpha,
        resamples=resamples,
        allow_crossing=allow_crossing,
        require_hash=require_hash,
    )
    if as_json:
        print_json(found.to_json())
        return
    table = fairness_table(found)
    print_table(table.title, table.columns, table.texts(), keys=table.keys)
    for warning in found.warnings:
        say(f"warning: {warning}")
    told: dict[str, list[str]] = {}
    for group in found.groups:
        for why in group.untested:
            told.setdefault(why, []).append(f"{group.kind} {group.value}")
    for why, groups in told.items():
        say(f"not tested, {why}: {', '.join(groups)}")
    if not found.tests:
        say("no group was tested")
    elif not found.warnings:
        say(f"no group is worse off than the whole beyond chance ({found.tests} tests)")
