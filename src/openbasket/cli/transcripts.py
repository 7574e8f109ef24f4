"""Verbs: import, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.options import Json, Quiet, Root, print_json, print_table, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("import")(import_)
    app.command()(check)


def import_(
    provider: Annotated[str, typer.Argument(help="Format of the files: euroleague, generic_csv.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders.")],
    into: Annotated[Path, typer.Option(help="Workspace to import into; made if it is missing.")],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read play-by-play and box scores into a workspace."""
    from openbasket.transcripts import import_files
    from openbasket.workspace import Workspace

    report = import_files(provider, paths, Workspace(into, create=True), quiet=quiet)
    if as_json:
        print_json(report.to_json())
        return
    print_table(
        f"Imported into {into}",
        ("league", "season", "games", "players", "events", "stints"),
        report.rows(),
    )
    for note in report.notes:
        say(f"note: {note}")


def check(
    root: Root,
    minimum: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Exit with 1 if any statistic agrees in a smaller share than this."
        ),
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Reconcile the events with the official box scores, player by player, statistic by statistic."""
    from openbasket.transcripts.check import check as reconcile
    from openbasket.workspace import Workspace

    report = reconcile(Workspace(root))
    if as_json:
        print_json(report.to_json())
    else:
        print_table(
            f"Agreement with the official box scores: {report.games:,} games",
            ("statistic", "agree", "player-games"),
            [
                (stat, f"{share:.2%}", f"{report.player_games:,}")
                for stat, share in report.agreement.items()
            ],
        )
        for flag in report.flagged[:20]:
            say(f"flagged: {flag['game_id']}: {'; '.join(flag['reasons'])}")
        if len(report.flagged) > 20:
            say(f"and {len(report.flagged) - 20} more flagged games; --json lists all")
    if any(share < minimum for share in report.agreement.values()):
        raise typer.Exit(1)
