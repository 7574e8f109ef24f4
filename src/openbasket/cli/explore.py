"""Verb: explore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.options import Json, Quiet, print_json, say
from openbasket.wording import counted

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(explore)


def explore(
    data: Annotated[
        Path, typer.Argument(metavar="DATASET", help="Ours, or the official download.")
    ],
    predictions: Annotated[
        list[Path] | None,
        typer.Option(help="Predictions of runs, shown beside the labels; may be repeated."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 for a free one.")] = 8080,
    token: Annotated[
        str | None,
        typer.Option(
            help="What visitors must show; made and printed where the address is not of this machine alone.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Look at a dataset in the browser: search, players, reels, comparisons, statistics, errors of models.

    Nothing is written. It runs until it is interrupted.
    """
    from openbasket.explorer.catalogue import load
    from openbasket.explorer.serving import catalogue_facts, serve, token_for

    needed = token_for(host, token)
    catalogue = load(data, predictions or ())

    def ready(where: str) -> None:
        if as_json:
            print_json(catalogue_facts(catalogue, where, data))
            return
        say(f"{counted(catalogue.people.height, 'player-season')}; open {where}")
        if host in ("0.0.0.0", "::"):  # noqa: S104 - not bound here
            say("From elsewhere, put this machine's name there; the token stays the same")

    serve(catalogue, host, port, needed, ready)
