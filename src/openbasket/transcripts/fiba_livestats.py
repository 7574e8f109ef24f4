"""FIBA LiveStats (Genius Sports) ``data.json`` of a game, as its public web pages load it.

``tm`` holds the two teams with players and box score, ``pbp`` the plays, newest first. Players have no id: a
player is team and name, with the shirt number where a team has two of a name. The file names neither league
nor date: give ``--season`` (and ``--league``). The game is named after the file, or its folder where that is
``data.json``. No file of a real game was at hand: the reader follows the public format, was tested on made-up
games alone, and takes the shots' places to be per cent of the court from the left and from the top.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, load_json
from openbasket.transcripts.names import normal_name, slug
from openbasket.transcripts.plays import assemble, clock_seconds

__all__ = ["FILES", "matches", "read"]

FILES = "FIBA LiveStats data.json (tm, pbp)"
LENGTH_M, WIDTH_M, RIM_M = 28.0, 15.0, 1.575
KINDS = {
    "2pt": "field_goal",
    "3pt": "field_goal",
    "freethrow": "free_throw",
    "assist": "assist",
    "steal": "steal",
    "turnover": "turnover",
    "block": "block",
    "foul": "foul",
    "foulon": "foul_drawn",
    "timeout": "timeout",
}
#: Fouls that are charged to the coach or the bench.
NOT_A_PLAYERS_FOUL = ("coachtechnical", "benchtechnical", "coachdisqualifying", "admintechnical")
IGNORED = (
    "game", "period", "jumpball", "possessionchange", "challenge", "headcoachchallenge", "review", "clock",
    "shotclock", "end", "start", "fixture", "pause", "stepback", "possessionarrow", "momentum",
)  # fmt: skip
#: Column of a box score -> ours.
BOX = {
    "sPoints": "points",
    "sTwoPointersMade": "field_goals_2_made",
    "sTwoPointersAttempted": "field_goals_2_tried",
    "sThreePointersMade": "field_goals_3_made",
    "sThreePointersAttempted": "field_goals_3_tried",
    "sFreeThrowsMade": "free_throws_made",
    "sFreeThrowsAttempted": "free_throws_tried",
    "sReboundsOffensive": "offensive_rebounds",
    "sReboundsDefensive": "defensive_rebounds",
    "sAssists": "assists",
    "sSteals": "steals",
    "sTurnovers": "turnovers",
    "sBlocks": "blocks",
    "sFoulsPersonal": "fouls_made",
    "sFoulsOn": "fouls_drawn",
    "sPlusMinusPoints": "plus_minus",
}


def matches(seen: Peek) -> bool:
    """Whether a file is a LiveStats game."""
    return seen.has("tm", "pbp") and any(key.startswith("tm.") for key in seen.keys)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield one transcript of all games.

    Raises:
        BadInputError: damaged files, no season given, games without two named teams.
    """
    if options.season is None:
        problem = Problem(
            str(files[0]), None, "season", "none in the file", "--season, such as 22-23"
        )
        raise BadInputError([problem])
    games, lines, people, plays = [], [], [], []
    for file in files:
        name = file.parent.name if file.stem == "data" else file.stem
        game, players, rows = _game(f"fiba-{slug(name)}", load_json(file), str(file))
        games.append(game)
        lines += players
        plays += rows
        people += [
            {"player_id": p["player_id"], "name": p["name"], "position": p["position"]}
            for p in players
        ]
    league, gender, region = options.place("fiba")
    frame = pl.DataFrame(plays, schema=_ROWS, orient="row").with_columns(
        clock_s=clock_seconds(pl.col("clock"))
    )
    yield assemble(
        "fiba_livestats",
        league,
        options.season,
        pl.DataFrame(games, infer_schema_length=None),
        frame.drop("clock"),
        gender=gender,
        region=region,
        box=pl.DataFrame(lines, infer_schema_length=None),
        people=pl.DataFrame(people, infer_schema_length=None),
        notes=["the files have no dates"]
        + ([] if options.league else ["the files name no league; taken for fiba"]),
    )


_ROWS: dict[str, type[pl.DataType]] = {
    "game_id": pl.String,
    "period": pl.Int64,
    "clock": pl.String,
    "kind": pl.String,
    "team_id": pl.String,
    "player_id": pl.String,
    "made": pl.Boolean,
    "value": pl.Int64,
    "x_m": pl.Float64,
    "y_m": pl.Float64,
    "unknown": pl.String,
}


def _game(
    game_id: str, content: Any, where: str
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """The game, its players' lines, and its plays in the order of the game."""
    teams = content.get("tm") if isinstance(content, dict) else None
    pbp = content.get("pbp") if isinstance(content, dict) else None
    if not isinstance(teams, dict) or not isinstance(pbp, list):
        raise BadInputError([Problem(where, None, "tm", "another form", FILES)])
    keys: dict[str, str] = {}
    who: dict[tuple[str, str], str] = {}
    lines: list[dict[str, Any]] = []
    places: dict[str, tuple[float, float]] = {}
    for number in ("1", "2"):
        team = teams.get(number)
        name = _text(team, "name") or _text(team, "shortName") or _text(team, "code")
        if not isinstance(team, dict) or name is None:
            raise BadInputError([Problem(where, None, f"tm.{number}.name", "none", "a name")])
        keys[number] = f"fiba-{slug(name)}"
        teams[number]["_name"] = name
        players = _players(game_id, keys[number], team)
        who |= {(number, pno): line["player_id"] for pno, line in players.items()}
        lines += players.values()
        places |= _shots(team)
    if keys["1"] == keys["2"]:
        raise BadInputError(
            [Problem(where, None, "tm", f"both teams are {keys['1']}", "two teams")]
        )
    regular = content.get("periodsMax") or content.get("regularPeriods")
    length, extra = _whole(content, "periodLength"), _whole(content, "periodLengthOVERTIME")
    game = {
        "game_id": game_id,
        "home_team_id": keys["1"],
        "away_team_id": keys["2"],
        "home_team": teams["1"]["_name"],
        "away_team": teams["2"]["_name"],
        "home_score": _whole(teams["1"], "score"),
        "away_score": _whole(teams["2"], "score"),
        "periods": regular if isinstance(regular, int) and 1 <= regular <= 8 else None,
        "period_s": 60.0 * length if length and length <= 30 else None,
        "overtime_s": 60.0 * extra if extra and extra <= 30 else None,
    }
    rows = [
        row
        for _, play in sorted(
            ((_whole(play, "actionNumber") or 0, play) for play in reversed(pbp) if isinstance(play, dict)),
            key=lambda pair: pair[0],
        )
        if (row := _row(game_id, play, keys, who, places, game["periods"] or 4))
    ]  # fmt: skip
    return game, lines, rows


def _players(game_id: str, team_id: str, team: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Box score lines by ``pno``."""
    found = team.get("pl")
    players = found if isinstance(found, dict) else {}
    names = {
        pno: " ".join(filter(None, (_text(p, "firstName"), _text(p, "familyName"))))
        or _text(p, "name")
        or ""
        for pno, p in players.items()
    }
    plain = [normal_name(name) for name in names.values()]
    lines = {}
    for pno, player in players.items():
        name = names[pno]
        if not isinstance(player, dict) or not normal_name(name):
            continue
        shirt = _text(player, "shirtNumber")
        twin = plain.count(normal_name(name)) > 1
        seconds = _text(player, "sMinutes")
        line: dict[str, Any] = {
            "game_id": game_id,
            "team_id": team_id,
            "player_id": f"{team_id}-{slug(name)}" + (f"-{slug(shirt or pno)}" if twin else ""),
            "name": name,
            "number": shirt,
            "position": _text(player, "playingPosition"),
            "starter": _whole(player, "starter") == 1,
            "seconds_played": _seconds(seconds),
        }
        lines[str(pno)] = line | {ours: _whole(player, theirs) for theirs, ours in BOX.items()}
    return lines


def _row(
    game_id: str,
    play: dict[str, Any],
    keys: dict[str, str],
    who: dict[tuple[str, str], str],
    places: dict[str, tuple[float, float]],
    regular: int,
) -> dict[str, Any] | None:
    what = (_text(play, "actionType") or "").lower()
    sub = (_text(play, "subType") or "").lower()
    side, player = str(_whole(play, "tno") or 0), str(_whole(play, "pno") or 0)
    kind = KINDS.get(what)
    unknown = None
    if what == "rebound":
        kind = {"offensive": "offensive_rebound", "defensive": "defensive_rebound"}.get(sub)
    elif what == "substitution":
        kind = {"in": "sub_in", "out": "sub_out"}.get(sub)
    elif kind == "foul" and (sub in NOT_A_PLAYERS_FOUL or player == "0"):
        kind = None
    elif kind is None and what not in IGNORED:
        unknown = what or "a play without actionType"
    period = _whole(play, "period")
    if period is None:
        return None
    if (_text(play, "periodType") or "").upper() == "OVERTIME" and period <= regular:
        period += regular
    shot = kind in ("field_goal", "free_throw")
    x_m, y_m = places.get(str(_whole(play, "actionNumber")), (None, None))
    return {
        "game_id": game_id,
        "period": period if 1 <= period <= 100 else None,
        "clock": ":".join((_text(play, "gt") or "").split(":")[:2]),
        "kind": kind,
        "team_id": keys.get(side),
        "player_id": who.get((side, player)),
        "made": _whole(play, "success") == 1 if shot else None,
        "value": {"2pt": 2, "3pt": 3}.get(what),
        "x_m": x_m if kind == "field_goal" else None,
        "y_m": y_m if kind == "field_goal" else None,
        "unknown": unknown,
    }


def _shots(team: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Places by ``actionNumber``: metres from the rim, as in table ``events``."""
    shots = team.get("shot")
    places = {}
    for shot in shots if isinstance(shots, list) else []:
        along, across = _fraction(shot, "x"), _fraction(shot, "y")
        number = _whole(shot, "actionNumber")
        if along is None or across is None or number is None:
            continue
        left = along < 0.5
        x_m = (across - 0.5 if left else 0.5 - across) * WIDTH_M
        places[str(number)] = x_m, (along if left else 1 - along) * LENGTH_M - RIM_M
    return places


def _fraction(record: Any, key: str) -> float | None:
    value = record.get(key) if isinstance(record, dict) else None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number / 100 if 0 <= number <= 100 else None


def _text(record: Any, key: str) -> str | None:
    value = record.get(key) if isinstance(record, dict) else None
    return str(value).strip() or None if isinstance(value, (str, int, float)) else None


def _whole(record: Any, key: str) -> int | None:
    value = _text(record, key)
    try:
        number = int(float(value)) if value is not None else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and abs(number) < 1_000_000 else None


def _seconds(clock: str | None) -> float | None:
    parts = (clock or "").split(":")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() for part in parts[:2]):
        return None
    return 60.0 * int(parts[0][:3]) + int(parts[1][:2])
