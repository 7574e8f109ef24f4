"""How well the game clock is read off scoreboards: rendered games in every style, with every trouble.

Measured on games of the simulator, filmed as scoreboards before a moving picture with the encoder of the
package (x264): the share of events within 0.5 s of the true clock map, the share that is seen inside its clip
(6 s before to 4 s after), and whether any game was accepted with an error above 2 s. Other games' videos and
games with other period lengths must be refused. CPU time on a two-hour 720p video.

    python benchmarks/scoreboard.py --seed 77 --out benchmarks/results/scoreboard.json [--folder videos]
    python benchmarks/scoreboard.py --seed 2026 --games 0 --long --out .../scoreboard_two_hours.json

``--folder`` keeps the videos for the next time; ``--long`` renders the two-hour video, too (half an hour);
``--games 0`` leaves the others out.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openbasket.clock.fit import locate
from openbasket.clock.scoreboard import read_scoreboard
from openbasket.reels.sample import FILMED_KINDS
from openbasket.simulation.boards import STYLES
from openbasket.simulation.boards_only import render_boards
from openbasket.simulation.broadcast import RenderSettings
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.workspace import Workspace

TROUBLES: dict[str, dict[str, int]] = {
    "none": {},
    "hidden": {"hidden": 6},
    "replays": {"replays": 10},
    "adverts": {"adverts": 5},
    "missing": {"missing": 3},
    "all": {"hidden": 3, "replays": 6, "adverts": 3, "missing": 2},
}
NEAR_S, WRONG_S, BEFORE_S, AFTER_S = 0.5, 2.0, 6.0, 4.0
Game = dict[str, Any]


def games(folder: Path, period_s: float, seed: int) -> list[tuple[Game, pl.DataFrame]]:
    workspace = Workspace(folder / f"league-{period_s:g}", create=True)
    league = LeagueSettings(
        "sim", "men", "Europe", teams=9, players_per_team=10, rounds=1, period_s=period_s, periods=4,
        overtime_s=period_s / 2,
    )  # fmt: skip
    if not workspace.has("games"):
        simulate(workspace, [league], seed=seed, quiet=True)
    events = workspace.read("events").partition_by("game_id", as_dict=True)
    rows = workspace.read("games").sort("game_id").iter_rows(named=True)
    return [(row, events[(row["game_id"],)]) for row in rows]


def film(
    game: Game, events: pl.DataFrame, path: Path, settings: RenderSettings, seed: int, **more: Any
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Render a game unless it is there; its true anchors and event times."""
    truth = [path.with_suffix(f".{name}.parquet") for name in ("anchors", "times")]
    if not path.exists() or not all(p.exists() for p in truth):
        done = render_boards(game, events, path, settings=settings, seed=seed, **more)
        done.anchors.write_parquet(truth[0])
        done.event_times.write_parquet(truth[1])
    return pl.read_parquet(truth[0]), pl.read_parquet(truth[1])


def measure(
    game: Game, events: pl.DataFrame, path: Path, anchors: pl.DataFrame, times: pl.DataFrame
) -> dict[str, Any]:
    """Read one video, and hold it against its truth."""
    start = time.process_time()
    report = read_scoreboard(path, game, events)
    row: dict[str, Any] = {
        "accepted": report.refused is None,
        "reason": report.refused,
        "cpu_s": round(time.process_time() - start, 1),
        "pictures": len(report.readings),
        "rejected": report.rejected,
    }
    true = dict(locate(events, anchors).times.select("event_id", "media_s").iter_rows())
    row["events"] = len(true)
    if report.refused is not None:
        return row
    found = dict(locate(events, report.anchors).times.select("event_id", "media_s").iter_rows())
    seen = dict(times.select("event_id", "media_s").iter_rows())
    off = np.array([found[e] - true[e] for e in found if e in true])
    filmed = set(events.filter(pl.col("kind").is_in(FILMED_KINDS))["event_id"])
    late = np.array([found[e] - seen[e] for e in found if e in seen and e in filmed])
    at_best = np.array([true[e] - seen[e] for e in true if e in seen and e in filmed])

    def inside(values: np.ndarray) -> int:
        return int(((values >= -AFTER_S) & (values <= BEFORE_S)).sum())

    row |= {
        "placed": len(found),
        "not in the video, but placed": sum(e not in true for e in found),
        "within 0.5 s": int((np.abs(off) <= NEAR_S).sum()),
        "within clip of the clock map": inside(off),
        "seen in clip": inside(late),
        "seen": len(late),
        "seen in clip with true anchors": inside(at_best),
        "seen with true anchors": len(at_best),
        "largest error_s": round(float(np.abs(off).max()), 2) if len(off) else 0.0,
    }
    return row


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    good = [r for r in rows if r["accepted"]]

    def share(part: str, whole: str) -> float:
        return round(sum(r[part] for r in good) / max(sum(r[whole] for r in good), 1), 5)

    return {
        "games": len(rows),
        "accepted": len(good),
        "events": sum(r["events"] for r in rows),
        "placed": sum(r["placed"] for r in good),
        "share placed": share("placed", "events"),
        "share within 0.5 s": share("within 0.5 s", "placed"),
        "share within clip of the clock map": share("within clip of the clock map", "placed"),
        "share seen in clip": share("seen in clip", "seen"),
        "share seen in clip with true anchors": share(
            "seen in clip with true anchors", "seen with true anchors"
        ),
        "accepted with an error above 2 s": sum(r["largest error_s"] > WRONG_S for r in good),
        "not in the video, but placed": sum(r["not in the video, but placed"] for r in good),
        "largest error_s": max((r["largest error_s"] for r in good), default=0.0),
        "cpu_s": round(sum(r["cpu_s"] for r in rows), 1),
    }


def wrong_games(all_games: list[tuple[Game, pl.DataFrame]], path: Path) -> list[dict[str, Any]]:
    """A right video with wrong tables: each must be refused."""
    game, events = all_games[0]
    other = all_games[1][1].with_columns(pl.lit(game["game_id"]).alias("game_id"))
    cases = [
        ("longer periods", game | {"period_s": 2 * game["period_s"]}, events),
        ("shorter periods", game | {"period_s": 0.6 * game["period_s"]}, events),
        ("another game of the league", game, other),
    ]
    rows = []
    for name, table, rows_of in cases:
        report = read_scoreboard(path, table, rows_of)
        rows.append({"case": name, "refused": report.refused})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--games", type=int, default=36)
    parser.add_argument("--seed", type=int, default=3, help="of the league and of its troubles")
    parser.add_argument("--render-only", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.folder or Path(scratch)) / f"seed-{given.seed}"
        folder.mkdir(parents=True, exist_ok=True)
        result = run(folder, given)
    print(json.dumps({k: v for k, v in result.items() if k != "games"}, indent=1))
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def cases() -> list[tuple[str, str]]:
    """Every style with every trouble; any first few of them mix both."""
    troubles = list(TROUBLES)
    return [
        (style, troubles[(turn + place) % len(troubles)])
        for turn in range(len(troubles))
        for place, style in enumerate(STYLES)
    ]


def run(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    short = games(folder, 120.0, given.seed)
    rows = []
    for number, (style, trouble) in enumerate(cases()[: given.games]):
        game, events = short[number]
        settings = RenderSettings(
            board=style, preset="ultrafast", crf=28, gop=20, dead_time_s=6.0, max_dead_time_s=60.0,
            free_throw_s=13.0, period_break_s=10.0, trouble_s=20.0, **TROUBLES[trouble],
        )  # fmt: skip
        path = folder / f"{number:02d}-{style}-{trouble}.mp4"
        truth = film(game, events, path, settings, given.seed, size=(704, 400), fps=Fraction(10))
        if given.render_only:
            continue
        row = {"style": style, "trouble": trouble} | measure(game, events, path, *truth)
        print(row, flush=True)
        rows.append(row)
    result: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "seed": given.seed,
    }
    if given.long:
        game, events = games(folder, 600.0, given.seed)[0]
        settings = RenderSettings(
            board="stack", preset="ultrafast", crf=28, gop=50, dead_time_s=25.0, timeout_s=120.0,
            free_throw_s=8.0, max_dead_time_s=150.0, period_break_s=300.0, replays=10, adverts=8,
            trouble_s=40.0,
        )  # fmt: skip
        path = folder / "long.mp4"
        truth = film(game, events, path, settings, given.seed)
        if not given.render_only:
            row = measure(game, events, path, *truth)
            row["hours"] = round(float(truth[0]["media_s"].max()) / 3600, 2)
            print(row, flush=True)
            result["two hours, 720p"] = row
    if given.render_only:
        return result
    if not rows:  # the long video alone
        return result
    result["total"] = total(rows)
    result["wrong tables"] = wrong_games(short, folder / "00-corner-none.mp4")
    result["games"] = rows
    return result


if __name__ == "__main__":
    main()
