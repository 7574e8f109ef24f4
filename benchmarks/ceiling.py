"""What a perfect observer of a reel's plays could know, for every real league at hand.

Needs the real play-by-play (``--data``, or ``OPENBASKET_REAL_DATA``, by default ``../shared/data``); says so
and ends well where it is absent. Writes ``results/ceiling.json``, from which the page on the ceiling is made,
and the figures on it. ``--draw`` draws the figures again from the results.

The peer is the rough version that came first: random forests on counts of kinds and outcomes, EuroLeague and
EuroCup 2016 to 2022, players of 100 events and 100 minutes. Ours is measured on the same players, too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.dataset.figures import save
from openbasket.evaluation.ceiling import CeilingReport, CeilingSettings, ceiling
from openbasket.evaluation.curves import ceiling_plot, gain_plot
from openbasket.labels import LabelSettings, label
from openbasket.splits.assign import assign
from openbasket.transcripts import import_files
from openbasket.workspace import Workspace, write_text

REPO = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("OPENBASKET_REAL_DATA", REPO.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "ceiling.json"
IMAGES = REPO / "docs" / "images"
#: Leagues whose files hold whole schedules; those of one team, or of one game, have no ranks to speak of.
SOURCES = {
    "euroleague": ("euroleague", "eurocup"),
    "aba": ("aba",),
    "slo": ("slo",),
    "atrium": ("lnb",),
    "nba_data": ("nba_data_net", "nba_stats"),
    "bbref": ("nba_bbref",),
}
#: A season with fewer subjects is left out.
LEAST_SUBJECTS = 50
#: Mean accuracy of the rough version, five levels.
ROUGH = {10: 0.314, 25: 0.366, 50: 0.412, 100: 0.471, 400: 0.644}
#: The same for those of its fifteen skills that are among the twenty, in the order of ``ROUGH``.
ROUGH_SKILLS = {
    "free_throw": (0.321, 0.340, 0.368, 0.444, 0.796),
    "two_point": (0.296, 0.328, 0.367, 0.427, 0.740),
    "three_point": (0.326, 0.362, 0.408, 0.462, 0.751),
    "overall_shooting": (0.266, 0.304, 0.327, 0.376, 0.663),
    "rebounds": (0.373, 0.450, 0.489, 0.554, 0.615),
    "offensive_rebounds": (0.389, 0.468, 0.532, 0.586, 0.729),
    "steals": (0.254, 0.276, 0.328, 0.393, 0.537),
    "fouls": (0.268, 0.318, 0.368, 0.424, 0.498),
    "assists": (0.332, 0.413, 0.479, 0.539, 0.689),
    "turnovers": (0.271, 0.331, 0.362, 0.428, 0.540),
    "efficiency": (0.281, 0.356, 0.388, 0.425, 0.507),
}


def main() -> None:
    """Run it all; print and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the real play-by-play")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file of the results")
    parser.add_argument(
        "--draw", action="store_true", help="draw the figures from the results alone"
    )
    given = parser.parse_args()
    if given.draw:
        draw(json.loads(given.out.read_text()))
        return
    if not (given.data / "events").is_dir():
        print(f"no real play-by-play at {given.data}; set OPENBASKET_REAL_DATA or --data")
        return
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder, create=True)
        for provider, folders in SOURCES.items():
            files = [given.data / "events" / name for name in folders]
            import_files(provider, files, workspace, quiet=True)
        result = measure(workspace)
    write_text(given.out, compact(result))
    draw(result)
    print(json.dumps({k: v for k, v in result.items() if k not in ("rows", "leagues")}, indent=1))


def measure(workspace: Workspace) -> dict[str, Any]:
    """Both measurements on a workspace with the games of the real leagues."""
    label(workspace, LabelSettings(), quiet=True)
    people = workspace.read("subjects")
    enough = pl.len().over("league", "season") >= LEAST_SUBJECTS
    workspace.write("splits", assign(people.filter(enough)))
    started = time.perf_counter()
    report = ceiling(
        workspace,
        CeilingSettings(sampling=("uniform", "stratified", "balanced"), levels=(5, 3)),
    )
    seconds = time.perf_counter() - started
    rough = again(workspace)
    seasons = people.filter(enough).group_by("league", "season").len().sort("league", "season")
    return {
        "settings": report.to_json()["settings"],
        "seasons": seasons.rows(),
        "splits": report.splits,
        "enough": {str(n): round(share, 3) for n, share in report.enough.items()},
        "median_plays": report.median_plays,
        "unmeasured": report.unmeasured,
        "left_out": report.to_json()["left_out"],
        "labels_hash": report.to_json()["labels_hash"],
        "seconds": round(seconds),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "rough": rough,
        "rows": rounded(report.table),
        "leagues": rounded(report.leagues.filter(sampling="uniform", levels=5)),
    }


def again(workspace: Workspace) -> dict[str, Any]:
    """Ours on the players of the rough version."""
    label(workspace, LabelSettings(min_events=100, min_minutes=100), quiet=True)
    theirs = pl.col("league").is_in(["euroleague", "eurocup"]) & (pl.col("season") >= "16-17")
    workspace.write("splits", assign(workspace.read("subjects").filter(theirs)))
    report: CeilingReport = ceiling(workspace, CeilingSettings(events=tuple(ROUGH), levels=(5,)))
    means = report.table.filter(skill="mean").drop_nulls("events").sort("events")
    return {
        "subjects": sum(report.splits.values()),
        "events": list(ROUGH),
        "rough": list(ROUGH.values()),
        "rough_skills": ROUGH_SKILLS,
        "ours": [round(x, 4) for x in means["accuracy"]],
        "low": [round(x, 4) for x in means["low"]],
        "high": [round(x, 4) for x in means["high"]],
        "enough": {str(n): round(share, 3) for n, share in report.enough.items()},
        "rows": rounded(report.table),
    }


def rounded(frame: pl.DataFrame) -> list[list[Any]]:
    """Rows of test with shares to four places, without the columns that are alike in all."""
    rows = frame.filter(split="test").drop("split", "labels_hash")
    return [list(row) for row in rows.with_columns(pl.col(pl.Float64).round(4)).rows()]


def compact(result: dict[str, Any]) -> str:
    """JSON in which each list of plain values takes one line."""
    return (
        re.sub(
            r"\[\s+([^\[\]{}]*?)\s+\]",
            lambda found: f"[{' '.join(found[1].split())}]",
            json.dumps(result, indent=1),
        )
        + "\n"
    )


def draw(result: dict[str, Any]) -> None:
    """Draw the curves of the skills, and what other samplings gain."""
    alike = ("split", "labels_hash")
    columns = {k: v for k, v in tables.dtypes("ceiling").items() if k not in alike}
    table = pl.DataFrame(result["rows"], schema=columns, orient="row")
    save(ceiling_plot(table, levels=5), IMAGES / "ceiling.png")
    save(gain_plot(table, levels=5, events=50), IMAGES / "ceiling-sampling.png")


if __name__ == "__main__":
    main()
