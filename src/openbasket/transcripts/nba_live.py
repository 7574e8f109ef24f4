"""cdn.nba.com live play-by-play (``game.actions`` with ``timeActual``) and live box scores.

JSON of one game or a list of them, or the actions as a table (with ``gameId``, or the game's id in the file's
name). One row for each player in an action; assists, fouls drawn and what was blocked or stolen also stand in
the row of the shot, foul or turnover. ``timeActual`` is the wall clock (UTC) of every action. Places are
tenths of a foot from the basket (``xLegacy``, ``yLegacy``). Technical fouls are no personal fouls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript, nba
from openbasket.transcripts.formats import Peek, load_json, peek
from openbasket.transcripts.nba_actions import (
    box_line,
    drawn_by_others,
    frame,
    integer,
    listed,
    number_of,
    words,
)
from openbasket.transcripts.plays import PLAY_COLUMNS, sides_from_scores

__all__ = ["FILES", "matches", "read"]

FILES = (
    "cdn.nba.com live play-by-play (game.actions with timeActual, or a table), and live box scores"
)
ACTIONS = (
    "timeActual", "actionType", "subType", "clock", "period", "teamId", "personId", "shotResult",
    "scoreHome", "scoreAway",
)  # fmt: skip
ACTION_DETAILS = (
    "gameId", "orderNumber", "actionNumber", "playerName", "playerNameI", "xLegacy", "yLegacy",
    "assistPersonId", "blockPersonId", "foulDrawnPersonId",
)  # fmt: skip
ACTION_NAMES = {
    "personId": ("player1_id",), "scoreHome": ("home_score",), "scoreAway": ("away_score",),
    "actionNumber": ("event_num",), "orderNumber": ("order",),
}  # fmt: skip
#: Leagues in which one free throw may be for two or three points.
ONE_FREE_THROW = "20"
#: actionType -> kind of what the row's player does; ``None`` is known and left out.
KINDS = {
    "2pt": "field_goal",
    "3pt": "field_goal",
    "heave": "field_goal",
    "freethrow": "free_throw",
    "rebound": "rebound",
    "turnover": "turnover",
    "foul": "foul",
    "steal": "steal",
    "block": "block",
    "substitution": "substitution",
    "timeout": "timeout",
    "jumpball": "jump_ball",
    "period": "period",
    "game": None,
    "stoppage": None,
    "violation": None,
    "ejection": None,
    "instantreplay": None,
    "memo": None,
}
CLOCK = re.compile(r"^PT(?:(\d{1,2})M)?(?:(\d{1,2}(?:\.\d+)?)S)?$")


def matches(seen: Peek) -> bool:
    """Whether a file is live play-by-play or a live box score."""
    if any(
        seen.has(f"{at}game.gameId")
        and (
            seen.has(f"{at}game.actions[].timeActual")
            or seen.has(f"{at}game.actions[].personIdsFilter")
            or (seen.has(f"{at}game.homeTeam") and not seen.has(f"{at}game.actions"))
        )
        for at in ("", "[].")
    ):
        return True
    return seen.like(ACTIONS, ACTION_NAMES) or nba.is_box(seen)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each league and season.

    Raises:
        BadInputError: damaged files, game ids that tell no league.
    """
    parts: list[pl.DataFrame] = []
    lines: list[dict[str, Any]] = []
    games: dict[str, dict[str, Any]] = {}
    tables: list[pl.DataFrame] = []
    seen_games: set[str] = set()

    def add(name: str, actions: list[dict[str, Any]]) -> None:
        if name not in seen_games:  # a game in two files
            seen_games.add(name)
            rows = (row for n, a in enumerate(actions) for row in action_rows(name, n, a))
            one = frame(rows, PLAY_COLUMNS | {"home": pl.Int64(), "away": pl.Int64()})
            parts.append(_worth(one) if name.startswith(ONE_FREE_THROW) else one)

    for file in files:
        seen = peek(file)
        if seen.like(ACTIONS, ACTION_NAMES):
            for one, actions in _table(file, seen):
                add(one, actions)
            continue
        if nba.is_box(seen):
            tables.append(nba.read_box(file, seen))
            continue
        content = load_json(file)
        for answer in content if isinstance(content, list) else [content]:
            game = answer.get("game") if isinstance(answer, dict) else None
            name = words(game.get("gameId")) if isinstance(game, dict) else None
            if not isinstance(game, dict) or name is None:
                raise BadInputError([Problem(str(file), None, "game.gameId", "no game id", FILES)])
            if "actions" in game:
                if not isinstance(game["actions"], list):
                    raise BadInputError(
                        [Problem(str(file), None, "game.actions", "no list", FILES)]
                    )
                add(name, listed(game["actions"]))
            else:
                games[name] = _game(name, game)
                lines += _lines(name, game)
    if not parts:
        return
    plays = pl.concat(parts)
    told = pl.DataFrame(list(games.values()), schema=GAME, orient="row")
    found = plays.select("game_id").unique(maintain_order=True)
    sides = sides_from_scores(plays.filter(pl.col("kind").is_in(["field_goal", "free_throw"])))
    listed_games = pl.concat(
        [
            told.join(found, on="game_id", how="semi"),
            sides.join(told, on="game_id", how="anti"),
        ],
        how="diagonal",
    )
    yield from nba.transcripts(
        "nba_live",
        listed_games,
        drawn_by_others(plays.drop("home", "away"), listed_games),
        options,
        str(files[0].parent),
        box=_box(lines, tables),
    )


def _worth(rows: pl.DataFrame) -> pl.DataFrame:
    """A game's rows, with free throws worth what the score rises by."""
    score = (pl.col("home") + pl.col("away")).forward_fill()
    rise = score - score.shift(1).fill_null(0)
    worth = (pl.col("kind") == "free_throw") & pl.col("made") & rise.is_between(2, 3)
    return rows.with_columns(value=pl.when(worth).then(rise.cast(pl.Int8)).otherwise("value"))


def _table(file: Path, seen: Peek) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Game ids and actions of a table, in the order of their numbers where it has these."""
    frame = nba.read_columns(file, seen, ACTIONS, ACTION_DETAILS, ACTION_NAMES).unique(
        maintain_order=True
    )
    frame = nba.with_game_id(frame, "gameId", file)
    order = pl.coalesce(nba.whole("orderNumber"), nba.whole("actionNumber"))
    frame = frame.with_columns(_order=order).sort("gameId", "_order", maintain_order=True)
    for (name,), part in frame.partition_by("gameId", as_dict=True, maintain_order=True).items():
        yield str(name), part.to_dicts()


def _box(lines: list[dict[str, Any]], tables: list[pl.DataFrame]) -> pl.DataFrame | None:
    parts = [pl.DataFrame(lines, infer_schema_length=None)] if lines else []
    parts += [nba.box_lines(table) for table in tables]
    return pl.concat(parts, how="diagonal_relaxed") if parts else None


GAME = {
    "game_id": pl.String, "home_team_id": pl.String, "away_team_id": pl.String,
    "home_team": pl.String, "away_team": pl.String, "home_score": pl.Int16,
    "away_score": pl.Int16, "date": pl.Date,
}  # fmt: skip


def seconds_of(clock: Any) -> float | None:
    """Seconds of ``PT07M25.00S``."""
    match = CLOCK.match(clock.strip()) if isinstance(clock, str) else None
    if not match or match.group(0) == "PT":
        return None
    return 60.0 * int(match[1] or 0) + float(match[2] or 0)


def team_key(value: Any) -> str | None:
    """A team's id in our tables."""
    number = integer(value)
    return f"nba{number}" if number else None


def person_key(value: Any) -> str | None:
    """A player's id in our tables; ``None`` for teams and 0."""
    number = integer(value)
    return f"nba{number}" if number and 0 < number < nba.TEAMS_FROM else None


def action_rows(game: str, number: int, action: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of an action: the player of the row, and who assists or draws the foul."""
    what = (words(action.get("actionType")) or "").lower()
    sub = (words(action.get("subType")) or "").lower()
    kind = KINDS.get(what)
    row: dict[str, Any] = {
        "game_id": f"nba{game}",
        "period": integer(action.get("period")),
        "clock_s": seconds_of(action.get("clock")),
        "team_id": team_key(action.get("teamId")),
        "player_id": person_key(action.get("personId")),
        "name": words(action.get("playerNameI")) or words(action.get("playerName")),
        "wall_time": instant(action.get("timeActual")),
        "home": integer(action.get("scoreHome")),
        "away": integer(action.get("scoreAway")),
        "play": number,
        "kind": kind,
        "unknown": None if what in KINDS else what or "no actionType",
    }
    if what == "period":
        row["kind"] = {"start": "period_start", "end": "period_end"}.get(sub)
    elif kind == "rebound":
        row["kind"] = f"{sub}_rebound" if sub in ("offensive", "defensive") else None
        row["unknown"] = None if row["kind"] else f"rebound {sub}"
    elif kind == "substitution":
        row["kind"] = {"in": "sub_in", "out": "sub_out"}.get(sub)
    elif kind == "foul" and (sub == "technical" or "technical" in sub or not row["player_id"]):
        row["kind"] = None  # of a coach, the bench, or a technical: no personal foul
    elif kind in ("field_goal", "free_throw"):
        row["made"] = {"made": True, "missed": False}.get(str(action.get("shotResult")).lower())
        row["value"] = 1 if kind == "free_throw" else 2 if what == "2pt" else 3
        if row["made"] is None:
            row |= {"kind": None, "unknown": f"{what} neither made nor missed"}
    if kind == "field_goal":
        x, y = (number_of(action.get(key)) for key in ("xLegacy", "yLegacy"))
        if x is not None and y is not None:
            row |= {"x_m": x * nba.FEET_TENTH_M, "y_m": y * nba.FEET_TENTH_M}
    yield row
    rest = {"made": None, "value": None, "x_m": None, "y_m": None, "name": None, "unknown": None}
    helper = person_key(action.get("assistPersonId"))
    if kind == "field_goal" and row["made"] and helper:
        yield row | rest | {"kind": "assist", "player_id": helper}
    blocker = person_key(action.get("blockPersonId"))
    if kind == "field_goal" and row["made"] is False and blocker:
        yield row | rest | {"kind": "blocked", "name": row["name"]}
    drawn = person_key(action.get("foulDrawnPersonId"))
    if row["kind"] == "foul" and drawn:
        yield (
            row | rest | {"kind": "foul_drawn", "player_id": drawn}
        )  # its team: see drawn_by_others


def instant(value: Any) -> Any:
    """A time with zone in UTC; ``None`` where it is none."""
    from datetime import UTC, datetime

    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(
            re.sub(r"(\.\d{1,6})\d*", r"\1", value).replace("Z", "+00:00")
        )
    except ValueError:
        return None
    return when.astimezone(UTC) if when.tzinfo else None


def _game(name: str, game: dict[str, Any]) -> dict[str, Any]:
    from datetime import date

    sides = {side: game.get(f"{side}Team") for side in ("home", "away")}
    row: dict[str, Any] = {"game_id": f"nba{name}"}
    for side, team in sides.items():
        known = team if isinstance(team, dict) else {}
        row[f"{side}_team_id"] = team_key(known.get("teamId"))
        both = (words(known.get(key)) for key in ("teamCity", "teamName"))
        row[f"{side}_team"] = " ".join(filter(None, both)) or None
        row[f"{side}_score"] = integer(known.get("score"))
    day = (words(game.get("gameEt")) or words(game.get("gameTimeUTC")) or "")[:10]
    try:
        row["date"] = date.fromisoformat(day)
    except ValueError:
        row["date"] = None
    return row


def _lines(name: str, game: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for side in ("homeTeam", "awayTeam"):
        team = game.get(side)
        if not isinstance(team, dict):
            continue
        for player in listed(team.get("players")):
            numbers = player.get("statistics")
            clock = numbers.get("minutes") if isinstance(numbers, dict) else None
            line = box_line(name, team.get("teamId"), player, seconds_of(clock))
            if line:
                yield line | {"starter": str(player.get("starter")) == "1"}
