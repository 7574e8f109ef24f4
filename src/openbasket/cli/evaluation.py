"""Verbs: evaluate, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.options import Json, Quiet, Root, print_json, print_table, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(evaluate)
    app.command()(report)


def evaluate(
    predictions: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Parquet files of predictions.")
    ],
    data: Annotated[Path, typer.Option(help="Dataset in the official layout.")],
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split to score; may be repeated. By default all but train and val."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 2000,
    beside: Annotated[
        Path | None,
        typer.Option(
            help="Rows of people: study_rows.json of 'study results'.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score predictions: accuracy by skill, category and in all, beside the baselines."""
    from openbasket.evaluation import evaluate as score
    from openbasket.evaluation import tables
    from openbasket.evaluation.study_rows import read_study_rows

    people = read_study_rows(beside) if beside else None
    evaluation = score(predictions, data, splits=split or None, resamples=resamples)
    if as_json:
        print_json(evaluation.to_json() | ({} if people is None else {"study": people}))
        return
    found = list(dict.fromkeys(r.split for r in evaluation.results))
    shown = [tables.skill_table(evaluation, found[0]), tables.split_table(evaluation)]
    parts = tables.breakdown_table(evaluation, found[0])
    for title, columns, rows in (*shown, *([parts] if parts[2] else [])):
        print_table(title, columns, rows)
    if people is not None:
        print_table(*tables.study_table(people))


def report(
    root: Root,
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    predictions: Annotated[
        list[Path] | None, typer.Option(help="Predictions to show; may be repeated.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write one HTML page about the dataset and the runs on it, with nothing to load from elsewhere."""
    from openbasket.evaluation.report import write_report
    from openbasket.workspace import Workspace

    path = write_report(Workspace(root), out, predictions=predictions or (), quiet=quiet)
    if as_json:
        print_json({"path": str(path), "bytes": path.stat().st_size})
        return
    say(f"{path} ({path.stat().st_size / 1e6:.1f} MB): open it in a browser")
