"""A game's plays and the clips cut from it as a SportsCode timeline, for analysts' own tools."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.clock.fit import locate
from openbasket.errors import BadInputError, NotFoundError, Problem
from openbasket.transcripts.sportscode import GAME_CODE, Instance, to_xml
from openbasket.wording import counted
from openbasket.workspace import Workspace, atomic_path

__all__ = ["export_sportscode"]


def export_sportscode(
    workspace: Workspace, game_id: str, out: Path, *, before_s: float = 5.0, after_s: float = 3.0
) -> dict[str, int]:
    """Write a game as SportsCode XML.

    Rows of the timeline are ``<team>: <event>`` for the plays and ``Clips: <player>`` for the clips of his
    reels. The labels tell all that table ``events`` has, so that ``openbasket import sportscode`` reads the
    same plays again.

    Args:
        workspace: with the game, and anchors or event times of its video.
        game_id: the game.
        out: the XML file to write; it is replaced as a whole.
        before_s: an instance starts this long before its event (s).
        after_s: and ends this long after it (s).

    Returns:
        Counts: ``events`` and ``clips`` written, ``without_time`` left out for want of a media time.

    Raises:
        NotFoundError: no such game.
        BadInputError: no event of the game has a media time.
    """
    games = workspace.read("games")
    game = games.filter(pl.col("game_id") == game_id).to_dicts()
    if not game:
        raise NotFoundError(
            f"game '{game_id}' is not in {workspace.root}; it has {counted(games.height, 'game')}, such as "
            f"{games['game_id'].sort().first()!r}"
        )
    row = game[0]
    mine = pl.col("game_id") == game_id
    season = (row["league"], row["season"])
    events = workspace.read("events", *season).filter(mine).sort("order")
    located = locate(
        events,
        workspace.read_or_empty("anchors").filter(mine),
        workspace.read_or_empty("event_times").filter(mine),
    )
    if located.times.is_empty():
        raise BadInputError(
            [Problem(str(workspace.root), None, "anchors", f"none for {game_id!r}", "its video's times")],
            hint="Run `openbasket sync` on the game's video first.",
        )  # fmt: skip
    at = dict(located.times.select("event_id", "media_s").rows())
    names = dict(workspace.read("players").select("player_id", "name").rows())
    numbers = dict(
        workspace.read("appearances", *season).filter(mine).select("player_id", "number").rows()
    )
    teams = {row["home_team_id"]: row["home_team"], row["away_team_id"]: row["away_team"]}
    plays = [
        _event(event, at[event["event_id"]], before_s, after_s, teams, names, numbers)
        for event in events.iter_rows(named=True)
        if event["event_id"] in at
    ]
    clips = _clips(workspace, game_id)
    instances = [_game(row, max((i.end_s for i in [*plays, *clips]), default=0.0)), *plays, *clips]
    date = row["date"]
    began = dt.datetime.combine(date, dt.time()) if date else None
    with atomic_path(out) as temporary:
        temporary.write_bytes(to_xml(instances, began=began))
    return {"events": len(plays), "clips": len(clips), "without_time": events.height - len(plays)}


def _labels(pairs: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((group, str(value)) for group, value in pairs.items() if value is not None)


def _game(row: dict[str, Any], end_s: float) -> Instance:
    return Instance(
        0.0,
        end_s,
        GAME_CODE,
        _labels(
            {
                "Game ID": row["game_id"],
                "League": row["league"],
                "Season": row["season"],
                "Gender": row["gender"],
                "Date": row["date"],
                "Home": row["home_team"] or row["home_team_id"],
                "Away": row["away_team"] or row["away_team_id"],
                "Home ID": row["home_team_id"],
                "Away ID": row["away_team_id"],
                "Home score": row["home_score"],
                "Away score": row["away_score"],
                "Periods": row["periods"],
                "Period length": row["period_s"],
                "Overtime length": row["overtime_s"],
            }
        ),
    )


def _event(
    event: dict[str, Any],
    media_s: float,
    before_s: float,
    after_s: float,
    teams: dict[str, str | None],
    names: dict[str, str | None],
    numbers: dict[str, str | None],
) -> Instance:
    team_id, player = event["team_id"], event["player_id"]
    team = (teams.get(team_id) or team_id) if team_id else None
    what = event["kind"].replace("_", " ")
    made, contested = event["made"], event["contested"]
    labels = _labels(
        {
            "Event": what,
            "Team": team,
            "Player": names.get(player) or player,
            "Player ID": player,
            "Number": numbers.get(player),
            "Result": None if made is None else "made" if made else "missed",
            "Value": event["value"],
            "Period": event["period"],
            "Clock": f"{int(event['clock_s'] // 60)}:{event['clock_s'] % 60:06.3f}",
            "x m": event["x_m"],
            "y m": event["y_m"],
            "Contested": None if contested is None else "yes" if contested else "no",
            "Play order": event["play_id"],
            "Order": event["order"],
        }
    )
    code = f"{team}: {what}" if team else what
    return Instance(max(0.0, media_s - before_s), media_s + after_s, code, labels)


def _clips(workspace: Workspace, game_id: str) -> list[Instance]:
    """The clips of all reels that were cut from the game, player by player."""
    if not (workspace.has("clips") and workspace.has("reels") and workspace.has("subjects")):
        return []
    mine = pl.col("game_id") == game_id
    rows = (
        workspace.read("reels")
        .filter(mine)
        .select("subject_id", "clip_id")
        .unique()
        .join(workspace.read("clips").filter(mine), on="clip_id")
        .join(workspace.read("subjects").select("subject_id", "player_id"), on="subject_id")
    )
    names = workspace.read("players").select("player_id", "name").unique("player_id")
    rows = rows.join(names, on="player_id", how="left").sort("player_id", "start_s")
    return [
        Instance(
            row["start_s"],
            row["end_s"],
            f"Clips: {row['name'] or row['player_id']}",
            _labels({"Event": "clip", "Player": row["name"], "Clip": row["clip_id"]}),
        )
        for row in rows.iter_rows(named=True)
    ]
