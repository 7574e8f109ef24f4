"""Verb: ceiling."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.evaluation import Resamples
from openbasket.cli.options import Json, Quiet, Root, Seed, print_json, print_table, say
from openbasket.wording import counted

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(ceiling)


def ceiling(
    root: Root,
    events: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Plays that the observer sees; may be repeated. By default 10, 25, 50, 100 and 200. As many "
            "as the dataset's reels have, and all of them, are always measured, too.",
        ),
    ] = None,
    sampling: Annotated[
        list[str] | None,
        typer.Option(
            help="How plays are chosen: uniform, as reels do; stratified, each kind by its share; balanced, "
            "all kinds equally often. May be repeated. By default uniform."
        ),
    ] = None,
    levels: Annotated[
        list[int] | None,
        typer.Option(
            min=2, help="Levels: 5, 3; may be repeated. By default those of the labels, and 3."
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option(min=1, help="Draws of the plays, to learn from and to average over.")
    ] = 3,
    resamples: Resamples = 2000,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the curves to this file (.svg, .png or .pdf).")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what a perfect observer of a reel's plays could know: the ceiling of accuracy."""
    from openbasket.evaluation.ceiling import CeilingSettings
    from openbasket.evaluation.ceiling import ceiling as measure
    from openbasket.workspace import Workspace

    if plot is not None:
        from openbasket.dataset.figures import plot_format

        plot_format(plot)  # refuses it before minutes of work
    default = CeilingSettings()
    settings = CeilingSettings(
        tuple(events or default.events),
        tuple(sampling or default.sampling),
        tuple(levels or ()),
        draws,
        resamples,
        seed,
    )
    report = measure(Workspace(root), settings, quiet=quiet)
    if plot is not None:
        from openbasket.dataset.figures import save
        from openbasket.evaluation.curves import ceiling_plot

        save(
            ceiling_plot(report.table.filter(split="test"), levels=int(report.table["levels"][0])),
            plot,
        )
    if as_json:
        print_json(report.to_json())
        return
    for chosen, count in (
        report.table.select("sampling", "levels").unique(maintain_order=True).rows()
    ):
        columns, rows = report.rows(chosen, count)
        title = (
            f"A perfect observer of so many plays ({chosen}): accuracy in percent, {count} levels"
        )
        print_table(title, columns, rows, f"chance is {100 / count:.1f}")
        if not report.leagues.is_empty():
            title = f"Mean of the skills, league by league ({chosen}, {count} levels)"
            columns, rows = report.league_rows(chosen, count)
            print_table(title, columns, rows)
    test, train = report.splits["test"], report.splits["train"]
    say(f"{counted(test, 'subject')} of test; learnt from {train:,} of train")
    for note in report.notes:
        say(f"note: {note}")
