"""A simulated league, filmed, with labels of three levels, and a study of it: 'study serve --demo'."""

from __future__ import annotations

from pathlib import Path

from openbasket.cli.options import say

__all__ = ["make"]

LEAGUE, SEASON = "sim-men", "20-21"


def make(folder: Path, *, quiet: bool = False) -> Path:
    """Make the dataset and the study file, or use those that are there; return the study file."""
    from openbasket.dataset.build import build
    from openbasket.labels import LabelSettings, label
    from openbasket.reels import ClipSettings, ReelSettings
    from openbasket.reels import build as build_reels
    from openbasket.simulation.broadcast import RenderSettings, render_all
    from openbasket.simulation.league import LeagueSettings, simulate
    from openbasket.splits.assign import assign
    from openbasket.study.writing import create
    from openbasket.workspace import Workspace

    file = folder / "study.toml"
    if file.exists():
        return file
    say("making a simulated league to study (a minute or two, once)")
    workspace = Workspace(folder / "dataset", create=True)
    settings = LeagueSettings(
        LEAGUE, "men", "Europe", seasons=(SEASON,), teams=4, players_per_team=6, rounds=1,
        period_s=60.0, periods=2, overtime_s=20.0, turnover=0.0,
    )  # fmt: skip
    simulate(workspace, [settings], seed=0, quiet=quiet)
    film = RenderSettings(dead_time_s=1.0, period_break_s=1.0, preset="ultrafast")
    render_all(workspace, settings=film, quiet=quiet)
    label(workspace, LabelSettings(levels=3, min_events=1), quiet=quiet)
    workspace.write("splits", assign(workspace.read("subjects"), ratios=(2, 1, 7)))
    clip = ClipSettings(before_s=2.0, after_s=1.0, preset="ultrafast")
    build_reels(workspace, ReelSettings(4, 1, clip=clip), quiet=quiet)
    build(workspace)
    create(file, workspace.root, {"league": LEAGUE, "season": SEASON, "players": 3, "sessions": 2})
    return file
