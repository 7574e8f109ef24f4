"""Verb: demo. The whole system on a simulated competition, from nothing to a report."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from openbasket.cli.options import Quiet, say
from openbasket.wording import counted

__all__ = ["register", "run_demo"]

UNSEEN_SEASON, UNSEEN_LEAGUE = "21-22", "sim-women"


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write.")] = Path("demo"),
    quiet: Quiet = False,
) -> None:
    """Simulate two leagues, film them, build the dataset, train, evaluate and report.

    Interrupted and run again, it continues where it was.
    """
    report = run_demo(out, quiet=quiet)
    say(f"Done. Open {report}")
    dataset, predictions = (quote(str(out / name)) for name in ("dataset", "predictions.parquet"))
    say(f"To look around in it: openbasket explore {dataset} --predictions {predictions}")


def run_demo(out: Path, *, quiet: bool = False) -> Path:
    """Run every stage of the demo in a folder; return the report."""
    from openbasket import __version__
    from openbasket.dataset.build import build
    from openbasket.dataset.reader import test_splits
    from openbasket.dataset.verify import verify
    from openbasket.errors import OpenBasketError, WorkspaceError
    from openbasket.evaluation.report import write_report
    from openbasket.labels import LabelSettings, label
    from openbasket.reels import ClipSettings, ReelSettings
    from openbasket.reels import build as build_reels
    from openbasket.simulation.broadcast import RenderSettings, render_all
    from openbasket.simulation.league import demo_leagues, simulate
    from openbasket.splits.assign import assign
    from openbasket.splits.audit import audit_workspace
    from openbasket.training.config import load_recipe
    from openbasket.training.loop import train
    from openbasket.training.predict import predict
    from openbasket.transcripts.check import check
    from openbasket.workspace import Workspace, write_json, write_text

    root, run = out / "dataset", out / "run"
    predictions, page = out / "predictions.parquet", out / "report.html"
    if (out / "openbasket" / "workspace.json").exists():
        raise WorkspaceError(
            f"'{out}' is a dataset; the demo makes one inside. Give another folder"
        )
    workspace = Workspace(root, create=True)
    marker = workspace.private / "simulated.txt"
    settings = repr((__version__, demo_leagues()))

    def simulating() -> str:
        if not (marker.exists() and marker.read_text() == settings):
            simulate(workspace, demo_leagues(), seed=0, quiet=quiet)
            write_text(marker, settings)
        found = check(workspace)
        if found.flagged or any(share < 1 for share in found.agreement.values()):
            raise OpenBasketError(
                f"the simulated box scores disagree with the events: {found.flagged}"
            )
        return (
            f"{counted(found.games, 'game')}; events and box scores agree for "
            f"{counted(found.player_games, 'player-game')}"
        )

    def rendering() -> str:
        film = RenderSettings(dead_time_s=2.0, preset="ultrafast")
        found = render_all(workspace, settings=film, quiet=quiet)
        if found.failed:
            raise OpenBasketError(f"{found.failed[0][0]} cannot be rendered: {found.failed[0][1]}")
        return f"{counted(len(found.rendered), 'game')} filmed, {len(found.kept)} there before"

    def labelling() -> str:
        found = label(workspace, LabelSettings(min_events=2), quiet=quiet)
        return f"{sum(s['labels'] for s in found.seasons):,} labels of 20 skills"

    def splitting() -> str:
        splits = assign(
            workspace.read("subjects"), unseen_season=UNSEEN_SEASON, unseen_leagues=(UNSEEN_LEAGUE,)
        )
        workspace.write("splits", splits)
        write_json(
            workspace.private / "splits.json",
            {
                "unseen_season": UNSEEN_SEASON,
                "unseen_leagues": [UNSEEN_LEAGUE],
                "ratios": [7, 1, 2],
                "seed": 0,
            },
        )
        left_out = splits["split"].null_count()
        return (
            f"{splits['split'].count()} of {splits.height} player-seasons; {left_out} are left out, of "
            "persons whose other season or league is in another split"
        )

    def cutting() -> str:
        clip = ClipSettings(before_s=4.0, after_s=2.0, preset="superfast")
        found = build_reels(workspace, ReelSettings(events=8, min_events=2, clip=clip), quiet=quiet)
        return f"{found.reels} reels of {found.clips} different clips, {found.seconds / 60:.0f} minutes"

    def building() -> str:
        found = build(workspace)
        faults = verify(workspace, quiet=quiet).faults
        leaks = audit_workspace(workspace).findings
        if faults or leaks:
            raise OpenBasketError(f"the dataset is not sound: {[*faults, *leaks][:5]}")
        return (
            f"{counted(sum(found.rows.values()), 'reel')} of player-seasons in a split, in the "
            "official layout; no fault, no leak"
        )

    def training() -> str:
        found = train(load_recipe("tiny"), root, run, quiet=quiet)
        return f"{counted(found.epochs, 'epoch')}, {found.parameters:,} parameters"

    def predicting() -> str:
        frame = predict(run, root, predictions, splits=test_splits(root), quiet=quiet).frame
        return f"{frame['subject_id'].n_unique()} player-seasons"

    def reporting() -> str:
        write_report(workspace, page, predictions=[predictions], quiet=quiet)
        return f"{page.stat().st_size / 1e6:.1f} MB"

    stages: list[tuple[str, Callable[[], str]]] = [
        ("simulate two leagues, two seasons", simulating),
        ("render the games to video", rendering),
        ("label 20 skills", labelling),
        ("split by person", splitting),
        ("cut and join the reels", cutting),
        ("build, verify and audit the dataset", building),
        ("train a small model", training),
        ("predict", predicting),
        ("evaluate and report", reporting),
    ]
    started = time.monotonic()
    for number, (name, stage) in enumerate(stages, 1):
        say(f"[{number}/{len(stages)}] {name}")
        begun = time.monotonic()
        told = stage()
        say(f"      {told} ({time.monotonic() - begun:.0f} s)")
    say(f"All of it took {time.monotonic() - started:.0f} s.")
    return page
