"""Games of the simulator in plain records, with whole seconds and speaking names, for the writers."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.simulation.league import LeagueSettings, simulate
from openbasket.tables import BOX_STATS
from openbasket.workspace import Workspace

FIRST = (
    "Ana",
    "Béla",
    "Chloé",
    "Dario",
    "Eva",
    "Fran",
    "Goran",
    "Hana",
    "Igor",
    "Jana",
    "Kai",
    "Lea",
)
TEAMS = ("Ravens", "Otters", "Lynxes")


@dataclass(frozen=True)
class Game:
    """A game: ``events`` and ``lines`` are records whose ``side`` is ``home`` or ``away``."""

    number: int
    date: dt.date
    teams: dict[str, str]
    scores: dict[str, int]
    events: list[dict[str, Any]]
    lines: list[dict[str, Any]]

    def plays(self) -> list[list[dict[str, Any]]]:
        """Events grouped by play, in order."""
        groups: dict[int, list[dict[str, Any]]] = {}
        for event in self.events:
            groups.setdefault(event["play"], []).append(event)
        return list(groups.values())

    def running(self) -> dict[int, tuple[int, int]]:
        """Score (home, away) after each event, by its order."""
        score = {"home": 0, "away": 0}
        found = {}
        for event in self.events:
            if event["made"] and event["kind"] in ("field_goal", "free_throw"):
                score[event["side"]] += event["value"]
            found[event["order"]] = (score["home"], score["away"])
        return found


def _last_name(index: int) -> str:
    letters = "bdfgklmnprstvz"
    first, second = divmod(index, len(letters))
    return f"{letters[first].upper()}o{letters[second]}arić"


@lru_cache
def _league(folder: str, seed: int) -> Workspace:
    ws = Workspace(Path(folder) / f"sim-{seed}", create=True)
    settings = LeagueSettings("sim", teams=3, players_per_team=9, rounds=1, seasons=("22-23",))
    simulate(ws, [settings], seed=seed, quiet=True)
    return ws


def made_up_games(folder: Path, seed: int = 3) -> list[Game]:
    """Three games of three teams."""
    ws = _league(str(folder), seed)
    games, events = ws.read("games").sort("game_id"), ws.read("events")
    roster, lines = ws.read("appearances"), ws.read("box_scores")
    players = sorted(roster["player_id"].unique())
    names = {p: f"{FIRST[i % len(FIRST)]} {_last_name(i)}" for i, p in enumerate(players)}
    numbers = {p: str(4 + i % 40) for i, p in enumerate(players)}
    codes = sorted(set(games["home_team_id"]) | set(games["away_team_id"]))
    teams = dict(zip(codes, TEAMS, strict=True))
    found = []
    for n, row in enumerate(games.iter_rows(named=True), start=1):
        sides = {row["home_team_id"]: "home", row["away_team_id"]: "away"}
        mine = pl.col("game_id") == row["game_id"]
        rows = [
            {
                "order": e["order"],
                "play": e["play_id"],
                "period": e["period"],
                "clock": math.ceil(e["clock_s"]),
                "kind": e["kind"],
                "side": sides.get(e["team_id"]),
                "id": e["player_id"],
                "name": names.get(e["player_id"]),
                "number": numbers.get(e["player_id"]),
                "made": e["made"],
                "value": e["value"],
                "x_m": e["x_m"],
                "y_m": e["y_m"],
            }
            for e in events.filter(mine & (pl.col("kind") != "pass"))
            .sort("order")
            .iter_rows(named=True)
        ]
        box = roster.filter(mine).join(lines.filter(mine), on=["game_id", "player_id"])
        people = [
            {
                "side": sides[r["team_id"]],
                "id": r["player_id"],
                "name": names[r["player_id"]],
                "number": numbers[r["player_id"]],
                "starter": r["starter"],
                "seconds": round(r["seconds_played"]),
                "plus_minus": r["plus_minus"],
                **{stat: r[stat] for stat in BOX_STATS},
            }
            for r in box.sort(pl.col("starter").cast(pl.Int8), descending=True).iter_rows(named=True)
        ]  # fmt: skip
        found.append(
            Game(
                n,
                row["date"],
                {"home": teams[row["home_team_id"]], "away": teams[row["away_team_id"]]},
                {"home": row["home_score"], "away": row["away_score"]},
                rows,
                people,
            )
        )
    return found
