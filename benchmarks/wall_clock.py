"""How well wall-clock stamps of transcripts place events in videos.

Simulated games have true media times. Their events get stamps as a scorer makes them: late by a lognormal
delay, whole seconds, some corrected a minute or hours later, some out of order. Measured are the error of
placed events against the true clock map, and whether the action is seen inside its clip (6 s before to 4 s
after). Tables and moments that cannot be right must be refused.

With ``--data`` the stamps of real games are held against their own game clocks: there is no video, so it is
only measured how many fit, and how many games are accepted.

    python benchmarks/wall_clock.py --out benchmarks/results/wall_clock.json [--data folder]
"""

# ruff: noqa: ARG001, ARG005, D102, E501

from __future__ import annotations

import argparse
import datetime as dt
import json
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openbasket.clock.fit import GameClock, locate
from openbasket.clock.stamps import fit_stamps
from openbasket.clock.wall_clock import Given, Moment, Placed, place
from openbasket.errors import NotFoundError
from openbasket.simulation.broadcast import anchors_of, event_times_of
from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.simulation.timeline import RenderSettings, plan
from openbasket.transcripts import import_files
from openbasket.workspace import Workspace

FPS = Fraction(25)
FILMED = RenderSettings(
    dead_time_s=25.0, timeout_s=75.0, free_throw_s=14.0, max_dead_time_s=150.0, period_break_s=60.0
)
START = dt.datetime(2023, 10, 5, 17, 50, tzinfo=dt.UTC)
#: What reels show.
SHOWN = (
    "field_goal", "free_throw", "assist", "offensive_rebound", "defensive_rebound", "steal", "turnover", "block",
    "foul",
)  # fmt: skip
SHOTS = ("field_goal", "free_throw")
BEFORE_S, AFTER_S = 6.0, 4.0
#: Cut out before period 3; the breaks of the games are longer.
PAUSE_S = 50.0
Row = dict[str, Any]


def _by_event(times: pl.DataFrame) -> dict[str, float]:
    return dict(times.select("event_id", "media_s").iter_rows())


class Filmed:
    """A game, its true clock map, and when each event is seen."""

    def __init__(self, game: Row, events: pl.DataFrame) -> None:
        self.game, self.events = game, events.sort("order")
        laid = plan(game, events, FILMED, FPS)
        self.anchors = anchors_of(game["game_id"], laid, laid.frames)
        self.times = event_times_of(game["game_id"], laid, laid.frames)
        self.duration_s = laid.frames / float(FPS)
        self.clock = GameClock(self.anchors)
        seen = self.events.join(
            self.times, on=["game_id", "event_id"], how="left", maintain_order="left"
        )
        self.seen_s = seen["media_s"].to_numpy()
        self.true = _by_event(locate(self.events, self.anchors).times)

    def stamped(
        self,
        rng: np.random.Generator,
        *,
        delay_s: float = 2.0,
        wrong: float = 0.0,
        kinds: tuple[str, ...] = (),
    ) -> pl.DataFrame:
        """The events with a scorer's stamps; ``wrong`` is the share that was corrected or out of order."""
        count = len(self.seen_s)
        at = self.seen_s + rng.lognormal(np.log(delay_s), 0.5, count)
        luck = rng.random(count)
        at = np.where(luck < 0.7 * wrong, at + rng.uniform(30, 90, count), at)
        at = np.where(
            (luck >= 0.7 * wrong) & (luck < 0.85 * wrong), at + rng.uniform(1800, 90000, count), at
        )
        at = np.where((luck >= 0.85 * wrong) & (luck < wrong), at - rng.uniform(5, 20, count), at)
        return self.with_walls(np.floor(at), kinds)

    def with_walls(self, at_s: np.ndarray, kinds: tuple[str, ...] = ()) -> pl.DataFrame:
        walls = pl.Series((at_s * 1e6).astype(np.int64) + int(START.timestamp() * 1e6))
        frame = self.events.with_columns(wall_time=walls.cast(pl.Datetime("us", "UTC")))
        if not kinds:
            return frame
        return frame.with_columns(wall_time=pl.when(pl.col("kind").is_in(kinds)).then("wall_time"))

    def moment(self, rng: np.random.Generator, period: int) -> Moment:
        """Somebody reads the clock while it runs, to a second."""
        live = self.events.filter((pl.col("period") == period) & (pl.col("kind") == "field_goal"))
        while True:
            clock = float(rng.choice(live["clock_s"].to_numpy())) + 1.0
            first, last = self.clock.span(period, clock)
            if first == last:
                return Moment(period, clock, first + rng.uniform(-0.5, 0.5))


def filmed_games(folder: Path) -> list[Filmed]:
    workspace = Workspace(folder / "league", create=True)
    league = LeagueSettings(
        "sim", "men", "Europe", teams=4, players_per_team=10, rounds=2, period_s=600.0, periods=4,
        overtime_s=300.0,
    )  # fmt: skip
    simulate(workspace, [league], seed=3, quiet=True)
    events = workspace.read("events").partition_by("game_id", as_dict=True)
    rows = workspace.read("games").sort("game_id").iter_rows(named=True)
    return [Filmed(row, events[(row["game_id"],)]) for row in rows]


def errors(game: Filmed, placed: Placed) -> Row:
    """Errors of one accepted game, against the true clock map and against what is seen."""
    found = locate(game.events, placed.anchors)
    at, true, seen = _by_event(found.times), game.true, _by_event(game.times)
    shown = game.events.filter(pl.col("kind").is_in(SHOWN))["event_id"].to_list()
    residual = dict(zip(found.times["event_id"].to_list(), found.residual_s, strict=True))
    mine = [event for event in shown if event in at]
    return {
        "events": len(shown),
        "placed": mine,
        "off": np.array([at[e] - true[e] for e in mine]),
        "late": np.array([at[e] - seen[e] for e in mine]),
        "residual": np.array([residual[e] for e in mine]),
    }


def share(values: np.ndarray) -> float:
    return round(float(np.mean(values)), 4)


def summary(rows: list[Row], games: int) -> Row:
    off, late, residual = (
        np.concatenate([r[k] for r in rows]) for k in ("off", "late", "residual")
    )
    return {
        "games": games,
        "accepted": len(rows),
        "events": sum(r["events"] for r in rows),
        "share placed": round(len(off) / sum(r["events"] for r in rows), 4),
        "within 0.5 s": share(np.abs(off) <= 0.5),
        "within 1 s": share(np.abs(off) <= 1.0),
        "within 2 s": share(np.abs(off) <= 2.0),
        "inside clip of the clock map": share((off >= -AFTER_S) & (off <= BEFORE_S)),
        "seen in clip": share((late >= -AFTER_S) & (late <= BEFORE_S)),
        "within own residual": share(np.abs(off) <= residual + 1e-9),
        "median error_s": round(float(np.median(off)), 2),
        "largest error_s": round(float(np.abs(off).max()), 1),
    }


def given_by(way: str, game: Filmed, rng: np.random.Generator) -> Given:
    if way == "start":
        return Given(start=START)
    periods = {"one moment": (1,), "two moments": (1, 4)}[way]
    return Given(moments=tuple(game.moment(rng, period) for period in periods))


def simulated(games: list[Filmed]) -> list[Row]:
    cases: list[Row] = [
        {"delay_s": 2.0, "wrong": 0.0, "kinds": ()},
        {"delay_s": 2.0, "wrong": 0.04, "kinds": ()},
        {"delay_s": 1.0, "wrong": 0.04, "kinds": ()},
        {"delay_s": 4.0, "wrong": 0.04, "kinds": ()},
        {"delay_s": 2.0, "wrong": 0.15, "kinds": ()},
        {"delay_s": 2.0, "wrong": 0.04, "kinds": SHOTS},
        {"delay_s": 1.0, "wrong": 0.01, "kinds": SHOTS},
    ]
    table = []
    for case in cases:
        fits = [
            fit_stamps(game.game, game.stamped(np.random.default_rng(number), **case))
            for number, game in enumerate(games)
        ]
        for way in ("start", "one moment", "two moments"):
            rows, refused = [], []
            for number, (game, fit) in enumerate(zip(games, fits, strict=True)):
                rng = np.random.default_rng(1000 + number)
                placed = place(fit, given_by(way, game, rng), duration_s=game.duration_s)
                if placed.refused is None:
                    rows.append(errors(game, placed))
                else:
                    refused.append(placed.refused)
            row = {
                "stamped": "shots and free throws" if case["kinds"] else "every event",
                "usual delay_s": case["delay_s"],
                "corrected or out of order": case["wrong"],
                "given": way,
                **summary(rows, len(games)),
                "reasons": sorted(set(refused))[:3],
            }
            print(row, flush=True)
            table.append(row)
    return table


def cut_breaks(games: list[Filmed]) -> Row:
    """The recording was paused for a while before period 3; a moment in either half is given."""
    rows = []
    for number, game in enumerate(games):
        rng = np.random.default_rng(number)
        fit = fit_stamps(game.game, game.stamped(rng, wrong=0.04))
        moments = [game.moment(rng, 1), game.moment(rng, 2), game.moment(rng, 3)]
        moments[2] = Moment(3, moments[2].clock_s, moments[2].media_s - PAUSE_S)
        placed = place(fit, Given(moments=tuple(moments)), duration_s=game.duration_s - PAUSE_S)
        if placed.refused is None:
            periods = dict(game.events.select("event_id", "period").iter_rows())
            row = errors(game, placed)
            gone = np.array([PAUSE_S if periods[e] >= 3 else 0.0 for e in row["placed"]])
            rows.append(row | {"off": row["off"] + gone, "late": row["late"] + gone})
    return summary(rows, len(games))


def adversarial(games: list[Filmed]) -> list[Row]:
    """What cannot be right: each must be refused, in every game."""

    def stamps(game: Filmed, rng: np.random.Generator) -> pl.DataFrame:
        return game.stamped(rng, wrong=0.04)

    def other(number: int) -> Filmed:
        return games[(number + 1) % len(games)]

    def borrowed(number: int, game: Filmed, rng: np.random.Generator) -> pl.DataFrame:
        walls = other(number).seen_s
        return game.with_walls(np.floor(np.interp(
            np.linspace(0, 1, game.events.height), np.linspace(0, 1, len(walls)), walls
        )))  # fmt: skip

    def moments(
        game: Filmed, rng: np.random.Generator, periods: tuple[int, ...], shift: float
    ) -> Given:
        found = [game.moment(rng, period) for period in periods]
        found.sort(key=lambda m: (m.period, -m.clock_s))
        last = found[-1]
        return Given(moments=(*found[:-1], Moment(last.period, last.clock_s, last.media_s + shift)))

    at_start = lambda *_: Given(start=START)  # noqa: E731
    cases: list[tuple[str, Any, Any]] = [
        ("stamps of another game", borrowed, at_start),
        ("stamps in random order", lambda n, g, r: g.with_walls(r.permutation(g.seen_s)), at_start),
        ("all entered after the game", lambda n, g, r: g.with_walls(g.duration_s + np.arange(len(g.seen_s)) * 2.0), at_start),
        ("one stamp for all", lambda n, g, r: g.with_walls(np.full(len(g.seen_s), 100.0)), at_start),
        ("whole minutes", lambda n, g, r: g.with_walls(g.seen_s // 60 * 60), at_start),
        ("no stamps", lambda n, g, r: g.events.with_columns(wall_time=None), at_start),
        ("stamps in local time", lambda n, g, r: g.with_walls(np.floor(g.seen_s + 7200)), at_start),
        ("start a day early", lambda n, g, r: stamps(g, r), lambda g, r: Given(start=START - dt.timedelta(days=1))),
        ("moments 60 s apart in a period", lambda n, g, r: stamps(g, r), lambda g, r: moments(g, r, (2, 2), 60.0)),
        ("more video than evening between two periods", lambda n, g, r: stamps(g, r), lambda g, r: moments(g, r, (1, 3), 45.0)),
        ("moments in the wrong order", lambda n, g, r: stamps(g, r), lambda g, r: moments(g, r, (1, 3), -3600.0)),
    ]  # fmt: skip
    table = []
    for name, make, give in cases:
        refused = []
        for number, game in enumerate(games):
            rng = np.random.default_rng(number)
            fit = fit_stamps(game.game, make(number, game, rng))
            refused.append(place(fit, give(game, rng), duration_s=game.duration_s).refused)
        row = {
            "case": name,
            "games": len(games),
            "refused": sum(r is not None for r in refused),
            "reason": next((r for r in refused if r), None),
        }
        print(row, flush=True)
        table.append(row)
    return table


# -- real stamps ----------------------------------------------------------------------------

#: Of the real games, every third is looked at.
EVERY = 3
REAL = (
    ("euroleague", "EuroLeague", "events/euroleague"),
    ("euroleague", "EuroCup", "events/eurocup"),
    ("atrium", "LNB", "events/lnb"),
    ("nba_live", "NBA live", "raw_samples/nba_cdn_live"),
    ("espn", "ESPN", "events/ncaaw_espn"),
)


def consistency(game: Row, events: pl.DataFrame) -> Row:
    """How well a real game's stamps agree with its game clock."""
    fit = fit_stamps(game, events)
    row: Row = {"stamps": fit.stamps, "used": fit.used, "refused": fit.refused}
    if fit.refused is not None:
        return row
    start = dt.datetime.fromtimestamp(
        fit.base_s + float(fit.anchors["media_s"].min()) - 600, dt.UTC
    )  # type: ignore[arg-type]
    placed = place(fit, Given(start=start, delay_s=0.0))
    row["refused"] = placed.refused
    if placed.refused is not None:
        return row
    clock = GameClock(placed.anchors)
    off = []
    shots = events.filter((pl.col("kind") == "field_goal") & pl.col("wall_time").is_not_null())
    for period, left, wall in shots.select(
        "period", "clock_s", pl.col("wall_time").dt.epoch("us") / 1e6
    ).iter_rows():
        try:
            first, last = clock.span(period, left)
        except NotFoundError:
            off.append(np.inf)
            continue
        media = wall - start.timestamp()
        off.append(max(first - media, media - last, 0.0))
    shown = events.filter(pl.col("kind").is_in(SHOWN))
    found = locate(events, placed.anchors).times
    return row | {
        "shots": len(off),
        "shots within 2 s": int((np.array(off) <= 2.0).sum()),
        "events": shown.height,
        "placed": shown.join(found, on="event_id", how="semi").height,
        "spread_s": fit.spread_s,
        "delay_s": fit.delay_s,
    }


def real(data: Path, folder: Path) -> list[Row]:
    table = []
    for provider, name, where in REAL:
        if not (data / where).is_dir():
            table.append({"source": name, "skipped": f"no folder {where}"})
            continue
        workspace = Workspace(folder / name.replace(" ", "-"), create=True)
        import_files(provider, [data / where], workspace, quiet=True)
        rows: list[Row] = []
        throws: list[float] = []
        begun = time.process_time()
        for league, season in workspace.seasons():
            games = workspace.read("games", league=league, season=season)
            events = workspace.read("events", league=league, season=season)
            stamped = events.filter(pl.col("wall_time").is_not_null())
            with_stamps = set(stamped["game_id"].unique())
            parts = events.partition_by("game_id", as_dict=True)
            rows += [
                consistency(game, parts[(game["game_id"],)])
                for game in games.sort("game_id").gather_every(EVERY).iter_rows(named=True)
                if game["game_id"] in with_stamps
            ]
            pairs = stamped.filter(pl.col("kind") == "free_throw").sort("game_id", "order")
            apart = (pl.col("wall_time").dt.epoch("ms").diff() / 1000).over(
                "game_id", "period", "clock_s", "player_id"
            )
            throws += pairs.select(apart.alias("s"))["s"].drop_nulls().to_list()
        good = [r for r in rows if r["refused"] is None]

        def total(key: str, of: list[Row]) -> int:
            return sum(r[key] for r in of)

        row = {
            "source": name,
            "games with stamps": len(rows),
            "accepted": len(good),
            "clock values with a stamp": total("stamps", rows),
            "share that fits the clock within 4 s": round(
                total("used", rows) / total("stamps", rows), 4
            ),
            "share of shots within 2 s": round(
                total("shots within 2 s", good) / total("shots", good), 4
            ),
            "share of events placed within 2 s": round(
                total("placed", good) / total("events", good), 4
            ),
            "spread_s": round(float(np.median([r["spread_s"] for r in good])), 2),
            "free throws, median seconds apart": round(float(np.median(throws)), 1),
            "pairs of free throws": len(throws),
            "cpu_s a game": round((time.process_time() - begun) / len(rows), 3),
            "reasons": sorted({r["refused"] for r in rows if r["refused"]})[:5],
        }
        print(row, flush=True)
        table.append(row)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        games = filmed_games(folder)
        result: Row = {
            "simulated": simulated(games),
            "half-time cut out, moments in periods 1, 2 and 3": cut_breaks(games),
            "must be refused": adversarial(games),
        }
        if given.data:
            result["real stamps against their own game clocks"] = real(given.data, folder)
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
