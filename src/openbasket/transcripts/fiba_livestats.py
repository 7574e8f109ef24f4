"""FIBA LiveStats (Genius Sports) ``data.json`` of a game, as its public web pages load it.

``tm`` holds the two teams with players (``pl``), box scores and the places of shots (``shot``), ``pbp`` the
plays, newest first. A play's ``clock`` is ``MM:SS:hundredths``; older versions have ``gt`` (``MM:SS``) alone.
``actionNumber`` grows as plays are entered: one that was entered or corrected later has a high number and
stands where its clock says. ``previousAction`` is the number of the shot of an assist, block or rebound, of
the turnover of a steal, of the foul that was drawn; an assist's may be a free throw. A shot that was blocked
has the ``qualifier`` "blocked". Overtimes count from 1 (``periodType`` OVERTIME). Changes between periods
stand at the full clock of the next. Fouls of coaches and benches have no player (``pno`` 0) and are in
nobody's box score; a player's technical fouls are among his personal ones there. A jump ball is followed by
who won and who lost it.

Players have no id: a player is team and name, with the shirt number where a team has two of a name. Where a
name is in another script, its international form counts. The file names neither league nor date: give
``--season`` (and ``--league``). The game is named after the file, or its folder where that is ``data.json``.
Places are per cent of the court from the left and from the top. Rebounds of a dead ball (between free throws)
are none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, load_json
from openbasket.transcripts.names import normal_name, slug
from openbasket.transcripts.places import from_court
from openbasket.transcripts.plays import assemble

__all__ = ["FILES", "matches", "read"]

FILES = "FIBA LiveStats data.json (tm, pbp)"
CLOCK = re.compile(r"^(\d{1,2}):([0-5]?\d)(?:[:.](\d{1,3}))?$")
#: Where a name may stand, in parts.
TEAM_NAMES = (
    ("name",), ("nameInternational",), ("shortName",), ("shortNameInternational",), ("code",),
    ("codeInternational",),
)  # fmt: skip
PLAYER_NAMES = (
    ("firstName", "familyName"), ("internationalFirstName", "internationalFamilyName"), ("name",),
    ("player",), ("scoreboardName",),
)  # fmt: skip
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
#: How the kinds of fouls begin that are charged to the coach, the bench or the team.
NOT_A_PLAYERS_FOUL = ("coach", "bench", "admin")
WITH_SUBTYPE = {
    ("rebound", "offensive"): "offensive_rebound",
    ("rebound", "defensive"): "defensive_rebound",
    ("substitution", "in"): "sub_in",
    ("substitution", "out"): "sub_out",
    ("period", "start"): "period_start",
    ("period", "end"): "period_end",
}
IGNORED = (
    "game", "period", "jumpball", "possessionchange", "challenge", "headcoachchallenge", "review", "clock",
    "shotclock", "end", "start", "fixture", "pause", "stepback", "possessionarrow", "momentum", "possession",
)  # fmt: skip
SHOTS = ("2pt", "3pt")
#: A block that names no shot is of a miss at most this many plays before it.
NEAR_PLAYS = 3
#: Plays that belong to their ``previousAction``.
LINKED = ("assist", "block", "steal", "foulon")
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
    x_m, y_m = from_court(*map(pl.col, ("along", "across", "value")))
    frame = pl.DataFrame(plays, schema=_ROWS, orient="row").with_columns(x_m=x_m, y_m=y_m)
    yield assemble(
        "fiba_livestats",
        league,
        options.season,
        pl.DataFrame(games, infer_schema_length=None),
        frame,
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
    "clock_s": pl.Float64,
    "kind": pl.String,
    "team_id": pl.String,
    "player_id": pl.String,
    "name": pl.String,
    "number": pl.String,
    "made": pl.Boolean,
    "value": pl.Int64,
    "along": pl.Float64,
    "across": pl.Float64,
    "play": pl.Int64,
    "unknown": pl.String,
}


def _game(
    game_id: str, content: Any, where: str
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """The game, its players' lines, and its plays in the order of the game."""
    teams = content.get("tm") if isinstance(content, dict) else None
    pbp = content.get("pbp") if isinstance(content, dict) else None
    if not isinstance(teams, dict) or not isinstance(pbp, (list, dict)):
        raise BadInputError([Problem(where, None, "tm", "another form", FILES)])
    sides: dict[str, _Side] = {}
    for number in ("1", "2"):
        team = teams.get(number)
        name = _name(team, TEAM_NAMES)
        if not isinstance(team, dict) or name is None:
            given = repr(_text(team, "name") or "none")
            allowed = "a name, or code, in Latin letters"
            raise BadInputError([Problem(where, None, f"tm.{number}.name", given, allowed)])
        sides[number] = _Side(f"fiba-{slug(name)}", _text(team, "name") or name, team)
    home, away = sides["1"], sides["2"]
    if home.team_id == away.team_id:
        given = f"both teams are {home.team_id}"
        raise BadInputError([Problem(where, None, "tm", given, "two teams")])
    for side in sides.values():
        side.lines = _players(game_id, side)
    regular = _whole(content, "periodsMax") or _whole(content, "regularPeriods")
    length = _whole(content, "periodLengthREGULAR")
    if length is None and (_text(content, "periodType") or "").upper() != "OVERTIME":
        length = _whole(content, "periodLength")
    extra = _whole(content, "periodLengthOVERTIME")
    game = {
        "game_id": game_id,
        "home_team_id": home.team_id,
        "away_team_id": away.team_id,
        "home_team": home.name,
        "away_team": away.name,
        "home_score": _whole(home.team, "score"),
        "away_score": _whole(away.team, "score"),
        "periods": regular if regular and 1 <= regular <= 8 else None,
        "period_s": 60.0 * length if length and length <= 30 else None,
        "overtime_s": 60.0 * extra if extra and extra <= 30 else None,
    }
    plays = _in_order(_records(pbp), regular or 4)
    linked = any(_whole(play, "previousAction") for _, _, play in plays)
    places = {
        number: _places(side.team, number, plays, regular or 4) for number, side in sides.items()
    }
    blocked = _blocked(plays)
    rows: list[dict[str, Any]] = []
    for place, at in enumerate(plays):
        row = _row(game_id, at, sides, linked)
        along, across = places.get(str(_whole(at[2], "tno")), {}).get(place, (None, None))
        rows.append(row | {"along": along, "across": across})
        if place in blocked:
            rows.append(
                row
                | {"kind": "blocked", "made": None, "value": None, "along": None, "across": None}
            )
    return game, [line for side in sides.values() for line in side.lines.values()], rows


@dataclass
class _Side:
    """One of the two teams; ``lines`` are the box score's, by ``pno``."""

    team_id: str
    name: str
    team: dict[str, Any]
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)


#: A play with its period (overtimes after the regular ones) and clock.
_At = tuple[int, float | None, dict[str, Any]]


def _in_order(pbp: list[dict[str, Any]], regular: int) -> list[_At]:
    """The plays by period and clock, at one instant in the order in which they were entered.

    ``pbp`` has the newest first. A play without a readable clock stays behind the one before it.
    """
    found: list[tuple[int, float, int, _At]] = []
    last, before = 0.0, None
    for play in reversed(pbp):
        period = _period(play, regular)
        if period is None:
            continue
        clock = _clock(play)
        last = clock if clock is not None else last if period == before else math.inf
        before = period
        found.append((period, -last, _whole(play, "actionNumber") or 0, (period, clock, play)))
    found.sort(key=lambda entry: entry[:3])
    return [entry[3] for entry in found]


def _period(record: dict[str, Any], regular: int, prefix: str = "period") -> int | None:
    period = _whole(record, prefix)
    if period is not None and period <= regular:
        overtime = (_text(record, f"{prefix}Type") or "").upper() == "OVERTIME"
        period += regular if overtime else 0
    return period if period is not None and 1 <= period <= 100 else None


def _clock(play: dict[str, Any]) -> float | None:
    """Seconds of ``clock`` (``MM:SS:hundredths``), else of ``gt`` (``MM:SS``)."""
    for key in ("clock", "gt"):
        found = CLOCK.match(_text(play, key) or "")
        if found:
            return 60.0 * int(found[1]) + float(f"{found[2]}.{found[3] or 0}")
    return None


def _name(record: Any, keys: Sequence[Sequence[str]]) -> str | None:
    """The first name that Latin letters write, else the first of which they write a part."""
    names = [
        name for parts in keys
        if normal_name(name := " ".join(filter(None, (_text(record, part) for part in parts))))
    ]  # fmt: skip
    words = ([w for w in name.split() if any(c.isalpha() for c in w)] for name in names)
    latin = (n for n, parts in zip(names, words, strict=True) if all(map(normal_name, parts)))
    return next(latin, names[0] if names else None)


def _players(game_id: str, side: _Side) -> dict[str, dict[str, Any]]:
    """Box score lines by ``pno``."""
    found = side.team.get("pl")
    players = found if isinstance(found, dict) else {}
    names = {
        pno: name
        for pno, p in players.items()
        if (name := _name(p, PLAYER_NAMES) or _text(p, "name") or _text(p, "familyName"))
    }
    plain = [normal_name(name) for name in names.values()]
    lines = {}
    for pno, name in names.items():
        player, shirt = players[pno], _text(players[pno], "shirtNumber")
        # A name without a Latin letter tells nobody from another either.
        twin = plain.count(normal_name(name)) > 1 or not normal_name(name)
        line: dict[str, Any] = {
            "game_id": game_id,
            "team_id": side.team_id,
            "player_id": f"{side.team_id}-{slug(name)}"
            + (f"-{slug(shirt or pno)}" if twin else ""),
            "name": name,
            "number": shirt,
            "position": _text(player, "playingPosition"),
            "starter": _whole(player, "starter") == 1,
            "seconds_played": _seconds(_text(player, "sMinutes")),
        }
        counts = {ours: _whole(player, theirs) for theirs, ours in BOX.items()}
        for ours, count in counts.items():
            if ours != "plus_minus" and count is not None and count < 0:
                counts[ours] = None
        lines[str(pno)] = line | counts
    return lines


def _row(game_id: str, at: _At, sides: dict[str, _Side], linked: bool) -> dict[str, Any]:
    period, clock, play = at
    what = (_text(play, "actionType") or "").lower()
    sub = (_text(play, "subType") or "").lower()
    side, pno = sides.get(str(_whole(play, "tno"))), str(_whole(play, "pno") or 0)
    kind = KINDS.get(what) or WITH_SUBTYPE.get((what, sub))
    unknown = None
    if what == "jumpball" and sub not in ("won", "lost"):
        kind = "jump_ball"
    elif what == "foul" and (sub.startswith(NOT_A_PLAYERS_FOUL) or pno == "0"):
        kind = None
    elif kind is None and what not in IGNORED and not sub.endswith("deadball"):
        unknown = " ".join(filter(None, (what, sub))) or "a play without actionType"
    line = side.lines.get(pno) if side else None
    name = line["name"] if line else _name(play, PLAYER_NAMES) if pno != "0" else None
    # Somebody whom the list of players lacks is known by his name.
    player = (
        line["player_id"] if line else f"{side.team_id}-{slug(name)}" if side and name else None
    )
    shot, made = kind in ("field_goal", "free_throw"), _whole(play, "success")
    if shot and made not in (0, 1):
        kind, shot, unknown = None, False, f"{what} neither made nor missed"
    number = _whole(play, "previousAction" if what in LINKED else "actionNumber")
    return {
        "game_id": game_id,
        "period": period,
        "clock_s": clock,
        "kind": kind,
        "team_id": side.team_id if side else None,
        "player_id": player,
        "name": name,
        "number": _text(play, "shirtNumber"),
        "made": made == 1 if shot else None,
        "value": {"2pt": 2, "3pt": 3}.get(what),
        "play": number if linked else None,
        "unknown": unknown,
    }


def _blocked(plays: list[_At]) -> set[int]:
    """Rows of missed shots that say they were blocked, that a block names, or that it follows."""
    found: set[int] = set()
    misses: list[tuple[int, int | None, int | None]] = []
    for row, (_, _, play) in enumerate(plays):
        if _text(play, "actionType") in SHOTS and _whole(play, "success") == 0:
            misses.append((row, _whole(play, "actionNumber"), _whole(play, "tno")))
            said = play.get("qualifier")
            if isinstance(said, (list, str)) and "blocked" in said:
                found.add(row)
    for row, (_, _, play) in enumerate(plays):
        if _text(play, "actionType") != "block":
            continue
        shot, side = _whole(play, "previousAction"), _whole(play, "tno")
        # Of several misses the last; of a block entered late the one that it names.
        found.update(
            [
                at for at, number, tno in misses
                if tno != side and (number == shot if shot else 0 < row - at <= NEAR_PLAYS)
            ][-1:]
        )  # fmt: skip
    return found


def _places(
    team: dict[str, Any], tno: str, plays: list[_At], regular: int
) -> dict[int, tuple[float, float]]:
    """Places of a team's shots by row of ``plays``, as shares of the court's length and width.

    A shot is found by its ``actionNumber``; in files without, the n-th of a player's in a period is the n-th.
    """
    rows: dict[Any, list[int]] = {}
    for row, (period, _, play) in enumerate(plays):
        what = _text(play, "actionType")
        if what in SHOTS and str(_whole(play, "tno")) == tno:
            nth = (_whole(play, "pno"), period, what, _whole(play, "success"))
            for key in (_whole(play, "actionNumber"), nth):
                rows.setdefault(key, []).append(row)
    found: dict[Any, list[tuple[float, float]]] = {}
    for shot in _records(team.get("shot")):
        along, across = _fraction(shot, "x"), _fraction(shot, "y")
        if along is not None and across is not None:
            at = _period(shot, regular, "per")
            who = (_whole(shot, "pno"), at, _text(shot, "actionType"), _whole(shot, "r"))
            key = _whole(shot, "actionNumber")
            found.setdefault(who if key is None else key, []).append((along, across))
    return {
        row: place
        for key, those in found.items()
        if len(those) == len(rows.get(key, ()))
        for row, place in zip(rows[key], those, strict=True)
    }


def _fraction(record: Any, key: str) -> float | None:
    value = record.get(key) if isinstance(record, dict) else None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number / 100 if 0 <= number <= 100 else None


def _records(listed: Any) -> list[dict[str, Any]]:
    """The objects of a list; of one with gaps, which the server writes as an object by number."""
    rows = listed.values() if isinstance(listed, dict) else listed
    return (
        [row for row in rows if isinstance(row, dict)] if isinstance(listed, (dict, list)) else []
    )


def _text(record: Any, key: str) -> str | None:
    value = record.get(key) if isinstance(record, dict) else None
    value = int(value) if isinstance(value, bool) else value
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
