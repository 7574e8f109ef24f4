"""Every real league at hand: import, check against official boxes, label, and how reliable the labels are.

Needs the real play-by-play (``OPENBASKET_REAL_DATA``, by default ``../shared/data``); says so and ends
well where it is absent. Writes ``results/real_leagues.json``, from which the page on reliability is made,
and the plot on it.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from openbasket.dataset.figures import reliability_plot, save
from openbasket.labels import LabelSettings, label
from openbasket.labels.reliability import ReliabilityReport, reliability
from openbasket.transcripts import import_files
from openbasket.transcripts.check import CheckReport, check
from openbasket.workspace import Workspace

REPO = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("OPENBASKET_REAL_DATA", REPO.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "real_leagues.json"
PLOT = REPO / "docs" / "images" / "label-reliability.png"
SOURCES = {
    "euroleague": ("euroleague", "eurocup"),
    "aba": ("aba",),
    "slo": ("slo",),
    "atrium": ("lnb",),
    "nba_data": ("nba_data_net", "nba_stats"),
    "bbref": ("nba_bbref",),
    "sidearm": ("ncaaw_sidearm",),
    "espn": ("ncaaw_espn",),
    "acb": ("acb",),
}
RESAMPLES = 20


def main() -> None:
    """Run it all; print and write what was found."""
    if not (DATA / "events").is_dir():
        print(f"no real play-by-play at {DATA}; set OPENBASKET_REAL_DATA")
        return
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        ws = Workspace(folder, create=True)
        started = time.perf_counter()
        events = 0
        for provider, folders in SOURCES.items():
            report = import_files(provider, [DATA / "events" / f for f in folders], ws, quiet=True)
            events += sum(s["events"] for s in report.seasons)
        seconds["import"] = time.perf_counter() - started
        started = time.perf_counter()
        checked = check(ws)
        seconds["check"] = time.perf_counter() - started
        started = time.perf_counter()
        settings = LabelSettings()
        label(ws, settings, quiet=True)
        seconds["label"] = time.perf_counter() - started
        started = time.perf_counter()
        trusted = reliability(ws, settings, resamples=RESAMPLES, quiet=True)
        seconds["reliability"] = time.perf_counter() - started
        subjects = ws.read("subjects").height
    save(reliability_plot(trusted), PLOT)
    result = {
        "games": checked.games,
        "events": events,
        "subjects": subjects,
        "seconds": {k: round(v, 1) for k, v in seconds.items()},
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "all_leagues": {
            name: round(value, 4)
            for name, value in checked.to_json().items()
            if name.endswith("_agree") and value is not None
        },
        "checked": seasons(checked),
        "reliability": summary(trusted),
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if not isinstance(v, list)}, indent=1))


def seasons(report: CheckReport) -> list[dict[str, Any]]:
    """One record for each league and season; shares to four places."""

    def share(pair: tuple[int, int]) -> float | None:
        return round(pair[0] / pair[1], 4) if pair[1] else None

    return [
        {
            "league": s.league,
            "season": s.season,
            "source": s.source,
            "games": s.games,
            "player_games": s.player_games,
            "worst_statistic": min(
                (share(p) or 0.0 for p in s.agree.values() if p[1]), default=None
            ),
            "final_scores": share(s.final_scores),
            "minutes": share(s.minutes),
            "trusted_minutes": share(s.trusted_minutes),
            "plus_minus": share(s.plus_minus),
            "trusted_plus_minus": share(s.trusted_plus_minus),
            "five": round(s.five, 4),
            "possessions": round(s.possessions, 4),
            "left_out": s.left_out,
            "no_line_ups": s.flags.filter(scope="lineups")["game_id"].n_unique(),
        }
        for s in report.seasons
    ]


def summary(report: ReliabilityReport) -> list[dict[str, Any]]:
    """A record for each league and skill."""
    return [
        {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
        for row in report.summary().to_dicts()
    ]


if __name__ == "__main__":
    main()
