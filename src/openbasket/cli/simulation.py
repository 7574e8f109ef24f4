"""Verbs: simulate, render."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.options import Json, Quiet, Root, Seed, Workers, print_json, print_table, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(simulate)
    app.command()(render)
    app.command()(sync)


class Size(StrEnum):
    """Which invented leagues."""

    demo = "demo"
    full = "full"


def simulate(
    root: Root,
    size: Annotated[
        Size,
        typer.Option(
            help="demo: two leagues, two seasons, games of a few minutes; "
            "full: whole seasons of 40-minute games."
        ),
    ] = Size.demo,
    seed: Seed = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Play invented leagues, possession by possession, into a workspace."""
    from openbasket.simulation import league
    from openbasket.workspace import Workspace

    leagues = league.demo_leagues() if size is Size.demo else league.full_leagues()
    report = league.simulate(Workspace(root, create=True), leagues, seed=seed, quiet=quiet)
    if as_json:
        print_json(report.to_json())
        return
    print_table(
        f"Simulated into {root}",
        ("league", "season", "games", "players", "events"),
        report.rows(),
    )


def render(
    root: Root,
    game: Annotated[
        list[str] | None,
        typer.Option(help="Game to render; may be repeated. All games by default."),
    ] = None,
    period: Annotated[
        list[int] | None, typer.Option(help="Only this period; may be repeated.")
    ] = None,
    dead_time: Annotated[
        float, typer.Option(min=1, help="Seconds that the video runs on when the clock stops.")
    ] = 3.0,
    preset: Annotated[str, typer.Option(help="x264 preset.")] = "superfast",
    seed: Seed = 0,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Render games, simulated or real, from their events to broadcast-like videos."""
    from openbasket.simulation.broadcast import RenderSettings, render_all
    from openbasket.workspace import Workspace

    report = render_all(
        Workspace(root),
        game or None,
        settings=RenderSettings(dead_time_s=dead_time, preset=preset),
        seed=seed,
        periods=period or None,
        workers=workers,
        quiet=quiet,
    )
    if as_json:
        print_json(
            {
                "rendered": report.rendered,
                "kept": report.kept,
                "failed": [{"game_id": g, "reason": r} for g, r in report.failed],
                "frames": report.frames,
            }
        )
    else:
        say(
            f"rendered {len(report.rendered)} games ({report.frames:,} frames), "
            f"kept {len(report.kept)}, failed {len(report.failed)}"
        )
        for game_id, reason in report.failed:
            say(f"failed: {game_id}: {reason}")
    if report.failed:
        raise typer.Exit(1)


def sync(
    root: Root,
    file: Annotated[
        Path, typer.Argument(metavar="CSV", help="Anchors: game_id, period, clock, media.")
    ],
    as_json: Json = False,
) -> None:
    """Read where the game clock stands in the videos, from anchors that somebody noted."""
    import polars as pl

    from openbasket.clock.anchors import read_anchors
    from openbasket.clock.fit import GameClock
    from openbasket.workspace import Workspace

    workspace = Workspace(root)
    given = read_anchors(file, workspace.read("games")["game_id"].to_list())
    for part in given.partition_by("game_id"):
        GameClock(part)  # refuses anchors that contradict each other
    anchors = given
    if workspace.has("anchors"):
        old = workspace.read("anchors")
        anchors = pl.concat(
            [old.filter(~pl.col("game_id").is_in(given["game_id"].implode())), given]
        )
    workspace.write("anchors", anchors.sort("game_id", "media_s"))
    games = given["game_id"].n_unique()
    if as_json:
        print_json({"games": games, "anchors": given.height})
        return
    say(f"{given.height} anchors for {games} games")
