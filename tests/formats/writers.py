"""One writer for each format: ``WRITERS[name](games, folder)`` puts the files of the games into the folder.

They follow what is known of the formats, odd ways included: padding, swapped columns, clocks that count up,
fouls on the other side. A writer for the formats whose real samples lie in ``tests/data`` is not needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from formats.games import Game
from openbasket.transcripts.sportscode import GAME_CODE, Instance, to_xml

SHOTS = ("field_goal", "free_throw")
OTHER = {"home": "away", "away": "home"}
COLUMN = {"home": "H", "away": "A"}


def clock(seconds: int) -> str:
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


def first(play: Sequence[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    return next((e for e in play if e["kind"] == kind), None)


def short(name: str) -> str:
    """``Ana Bobarić`` → ``A. Bobarić``."""
    given, last = name.split(" ")
    return f"{given[0]}. {last}"


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    if name.endswith("parquet"):
        frame.with_columns(pl.all().cast(pl.String)).write_parquet(folder / name)
    else:
        frame.write_csv(folder / name)


# -- ESPN ------------------------------------------------------------------------------------------


def espn(games: list[Game], folder: Path, *, professional: bool = False) -> None:
    rows, box = [], []
    for game in games:
        score = game.running()
        number = 0
        for play in game.plays():
            for kind, text, who, second, side, event in _espn_rows(play, game, professional):
                number += 1
                home, away = score[event["order"]]
                x, y = event["x_m"], event["y_m"]
                rows.append(
                    {
                        "game_play_number": number,
                        "game_id": 401700000 + game.number,
                        "season": 2023,
                        "type_text": kind,
                        "text": text,
                        "period_number": event["period"],
                        "clock_display_value": f"{event['clock'] // 60}:{event['clock'] % 60:02d}",
                        "scoring_play": "TRUE" if event["made"] else "FALSE",
                        "score_value": event["value"] or 0,
                        "home_score": home,
                        "away_score": away,
                        "team_id": f"{20 + (side == 'home')}.0" if side else None,
                        "home_team_id": 21,
                        "away_team_id": 20,
                        "home_team_name": game.teams["home"],
                        "away_team_name": game.teams["away"],
                        "athlete_id_1": who,
                        "athlete_id_2": second,
                        "game_date": game.date.isoformat(),
                        "coordinate_x_raw": None if x is None else x / 0.3048 + 25,
                        "coordinate_y_raw": None if y is None else y / 0.3048,
                    }
                )
        box += [
            {
                "game_id": 401700000 + game.number,
                "athlete_id": _espn_id(line),
                "athlete_display_name": line["name"],
                "athlete_jersey": line["number"],
                "team_id": 20 + (line["side"] == "home"),
                "minutes": line["seconds"] // 60,
                "starter": "TRUE" if line["starter"] else "FALSE",
                "field_goals_made": line["field_goals_2_made"] + line["field_goals_3_made"],
                "field_goals_attempted": line["field_goals_2_tried"] + line["field_goals_3_tried"],
                "three_point_field_goals_made": line["field_goals_3_made"],
                "three_point_field_goals_attempted": line["field_goals_3_tried"],
                "free_throws_attempted": line["free_throws_tried"],
                "fouls": line["fouls_made"],
                **{
                    c: line[c]
                    for c in ("free_throws_made", "offensive_rebounds", "defensive_rebounds", "assists",
                              "steals", "blocks", "turnovers", "points")
                },
            }
            for line in game.lines
        ]  # fmt: skip
    write(folder, "play_by_play_2023.csv", rows)
    write(folder, "player_box_2023.parquet", box)


def _espn_id(person: dict[str, Any]) -> str | None:
    return f"{4000000 + int(person['number'])}" if person.get("name") else None


def _espn_rows(play: list[dict[str, Any]], game: Game, professional: bool) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for event in play:
        kind, name, side = event["kind"], event["name"], event["side"]
        me = _espn_id(event)
        assist, block, steal, drawn = (
            first(play, k) for k in ("assist", "block", "steal", "foul_drawn")
        )
        if kind == "field_goal":
            what = "Three Point Jumper" if event["value"] == 3 else "Layup"
            if professional:
                length = "26-foot three point jumper" if event["value"] == 3 else "2-foot layup"
                if block:
                    text, second = f"{block['name']} blocks {name} 's {length}", _espn_id(block)
                else:
                    text = f"{name} {'makes' if event['made'] else 'misses'} {length}"
                    text += f" ({assist['name']} assists)" if assist else ""
                    second = _espn_id(assist) if assist else None
            else:
                text = f"{name} {'made' if event['made'] else 'missed'} {what}."
                text += f" Assisted by {assist['name']}." if assist else ""
                second = _espn_id(assist) if assist else None
            shot = "Jump Shot" if professional else "JumpShot"
            found.append((shot, text, me, second, side, event))
            if block and not professional:
                found.append(
                    (
                        "Block Shot",
                        f"{block['name']} Block.",
                        _espn_id(block),
                        None,
                        block["side"],
                        block,
                    )
                )
        elif kind == "free_throw":
            made = event["made"]
            words = (
                ("makes" if made else "misses") if professional else ("made" if made else "missed")
            )
            label = "Free Throw - 1 of 2" if professional else "MadeFreeThrow"
            found.append((label, f"{name} {words} Free Throw.", me, None, side, event))
        elif kind.endswith("rebound"):
            label = kind.replace("_", " ").title()
            who = name or game.teams[side]
            found.append((label, f"{who} {label}.", me, None, side, event))
        elif kind == "turnover":
            text = f"{name or game.teams[side]} bad pass" if professional else f"{name} Turnover."
            if professional and steal:
                text += f" ({steal['name']} steals)"
            label = "Bad Pass\nTurnover" if professional else "Lost Ball Turnover"
            second = _espn_id(steal) if professional and steal else None
            found.append((label, text, me, second, side, event))
            if steal and not professional:
                found.append(
                    (
                        "Steal",
                        f"{steal['name']} Steal.",
                        _espn_id(steal),
                        None,
                        steal["side"],
                        steal,
                    )
                )
        elif kind == "foul":
            text = f"{name} personal foul" if professional else f"Foul on {name}."
            second = None
            if professional and drawn:
                text += f" ({drawn['name']} draws the foul)"
                second = _espn_id(drawn)
            found.append(
                ("Personal Foul" if professional else "PersonalFoul", text, me, second, side, event)
            )
        elif kind in ("sub_in", "sub_out") and not professional:
            way = "in" if kind == "sub_in" else "out"
            found.append(
                (
                    "Substitution",
                    f"{name} subbing {way} for {game.teams[side]}",
                    me,
                    None,
                    side,
                    event,
                )
            )
        elif kind == "timeout":
            found.append(
                ("ShortTimeOut", f"{game.teams.get(side, '')} Timeout", None, None, side, event)
            )
        elif kind == "period_end":
            found.append(
                ("End Period", f"End of period {event['period']}", None, None, None, event)
            )
    if professional:
        found += _espn_changes(play)
    return found


def _espn_changes(play: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """``A enters the game for B``; pairs that come in and go out in one play."""
    found = []
    for side in ("home", "away"):
        ins = [e for e in play if e["kind"] == "sub_in" and e["side"] == side]
        outs = [e for e in play if e["kind"] == "sub_out" and e["side"] == side]
        for come, go in zip(ins, outs, strict=True):
            text = f"{come['name']} enters the game for {go['name']}"
            found.append(("Substitution", text, _espn_id(come), _espn_id(go), side, come))
    return found


# -- basketball-reference --------------------------------------------------------------------------


def bbref(games: list[Game], folder: Path) -> None:
    for game in games:
        cells = [["Time", game.teams["away"], "", "Score", "", game.teams["home"]]]
        score = game.running()
        for play in game.plays():
            for side, text, event in _bbref_rows(play, game):
                home, away = score[event["order"]]
                points = event["value"] if event["made"] else None
                row = [
                    f"{event['clock'] // 60}:{event['clock'] % 60:02d}.0",
                    "",
                    "",
                    f"{away}-{home}",
                    "",
                    "",
                ]
                row[5 if side == "home" else 1] = text
                row[4 if side == "home" else 2] = f"+{points}" if points else ""
                cells.append(row)
        rows = [{"row": n, "cells": row} for n, row in enumerate(cells)]
        name = f"{game.date:%Y%m%d}0{game.teams['home'][:3].upper()}_pbp.json"
        (folder / name).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def _bbref_rows(play: list[dict[str, Any]], game: Game) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for event in play:
        kind, side = event["kind"], event["side"]
        name = short(event["name"]) if event["name"] else "Team"
        if kind == "field_goal":
            text = f"{name} {'makes' if event['made'] else 'misses'} {event['value']}-pt jump shot from 9 ft"
            for helper, words in (("assist", "assist by"), ("block", "block by")):
                other = first(play, helper)
                text += f" ({words} {short(other['name'])})" if other else ""
        elif kind == "free_throw":
            text = f"{name} {'makes' if event['made'] else 'misses'} free throw 1 of 2"
        elif kind.endswith("rebound"):
            text = f"{kind.split('_')[0].title()} rebound by {name}"
        elif kind == "turnover":
            steal = first(play, "steal")
            text = f"Turnover by {name} (bad pass" + (
                f"; steal by {short(steal['name'])})" if steal else ")"
            )
        elif kind == "foul":
            drawn = first(play, "foul_drawn")
            offensive = first(play, "turnover") is not None
            text = f"{'Offensive' if offensive else 'Shooting'} foul by {name}"
            text += f" (drawn by {short(drawn['name'])})" if drawn else ""
            # Fouls of the defence stand on the side of who was fouled.
            side = side if offensive else OTHER[side]
        elif kind == "timeout" and side:
            text = f"{game.teams[side]} full timeout"
        else:
            continue
        found.append((side, text, event))
    if play[0]["kind"] in ("sub_in", "sub_out") and play[0]["clock"] not in (0, 600, 300):
        for side in ("home", "away"):
            ins = [e for e in play if e["kind"] == "sub_in" and e["side"] == side]
            outs = [e for e in play if e["kind"] == "sub_out" and e["side"] == side]
            found += [
                (side, f"{short(a['name'])} enters the game for {short(b['name'])}", a)
                for a, b in zip(ins, outs, strict=True)
            ]
    return found


# -- ABA and Slovenia ------------------------------------------------------------------------------


def _scraped_box(
    game: Game, ids: Callable[[dict[str, Any]], Any], names: Sequence[str]
) -> list[dict[str, Any]]:
    """``names``: the statistics behind REB_O, REB_D, FG2_M and FG2_A, which some leagues swap."""
    return [
        {
            "SEASON": "2022/23",
            "GAME_ID": game.number,
            "TYPE": "Player",
            "TEAM": line["team"],
            "PLAYER_NUMBER": line["number"],
            "PLAYER_NAME": line["written"],
            "PLAYER_ID": ids(line),
            "MINUTES": line["seconds"] // 60,
            "SECONDS": line["seconds"] % 60,
            "POINTS": line["points"],
            "FG2_M": line[names[2]],
            "FG2_A": line[names[3]],
            "FG3_M": line["field_goals_3_made"],
            "FG3_A": line["field_goals_3_tried"],
            "FT_M": line["free_throws_made"],
            "FT_A": line["free_throws_tried"],
            "REB_O": line[names[0]],
            "REB_D": line[names[1]],
            "ASS": line["assists"],
            "ST": line["steals"],
            "TO": line["turnovers"],
            "BLC_FV": line["blocks"],
            "FLS_CM": line["fouls_made"],
            "FLS_RV": line["fouls_drawn"],
            "PLUS_MINUS": line["plus_minus"],
        }
        for line in game.lines
    ]  # fmt: skip


def _scraped_game(game: Game) -> dict[str, Any]:
    return {
        "SEASON": "2022/23", "GAME_ID": game.number, "DATE": f"{game.date:%d/%m/%Y}",
        "H_TEAM": game.teams["home"], "A_TEAM": game.teams["away"],
        "H_TEAM_ID": game.teams["home"][:3], "A_TEAM_ID": game.teams["away"][:3],
        "H_SCORE": game.scores["home"], "A_SCORE": game.scores["away"],
    }  # fmt: skip


def aba(games: list[Game], folder: Path) -> None:
    """Rebounds swapped in the box score, places of shots in a table of their own."""
    plays, box, shots = [], [], []
    kinds = {
        "assist": ("assist", None), "steal": ("steal", None), "block": ("block", None),
        "foul": ("foul", "personal"), "foul_drawn": ("foul on", None), "turnover": ("turnover", "bad pass"),
        "offensive_rebound": ("rebound", "offensive"), "defensive_rebound": ("rebound", "defensive"),
        "sub_in": ("substitution", "in"), "sub_out": ("substitution", "out"), "timeout": ("timeout", None),
    }  # fmt: skip
    for game in games:
        score = game.running()
        base = {"SEASON": "2022/23", "GAME_ID": game.number}
        for line in game.lines:
            line |= {"team": COLUMN[line["side"]], "written": f"  {line['name'].upper()} "}
        for line in (p for p in game.lines if p["starter"]):
            plays.append(base | _aba_row(line, 1, None, "in starting lineup", None, None))
        for event in game.events:
            kind = event["kind"]
            shown = None
            if kind == "field_goal":
                shown = score[event["order"]] if event["made"] else None
                told = (
                    f"{'made' if event['made'] else 'missed'} {event['value']} points",
                    "jumpshot",
                )
                shots.append(
                    base | {
                        "TEAM": COLUMN[event["side"]], "PLAYER_ID": event["id"],
                        "MADE": str(event["made"]), "X": 10.0, "Y": 40.0,
                    }
                )  # fmt: skip
            elif kind == "free_throw":
                shown = score[event["order"]] if event["made"] else None
                told = f"{'made' if event['made'] else 'missed'} free throw", "1of2"
            elif kind in ("period_start", "period_end"):
                told = f"{kind[7:]} of {event['period']}. quarter", None
            elif kind in kinds:
                told = kinds[kind]
            else:
                continue
            row = _aba_row(event, event["period"], event["clock"], told[0], told[1], shown)
            plays.append(base | row)
        box += _scraped_box(
            game, lambda p: p["id"],
            ("defensive_rebounds", "offensive_rebounds", "field_goals_2_made", "field_goals_2_tried"),
        )  # fmt: skip
    for row in box:
        row["FG_PERC"] = "50"
    write(folder, "play_by_play_22.parquet", plays)
    write(folder, "box_score_22.parquet", box)
    write(folder, "shots_22.parquet", shots)
    write(folder, "main_info.parquet", [_scraped_game(g) for g in games])


def _aba_row(who: dict[str, Any], period: int, left: int | None, what: str, note: str | None,
             score: tuple[int, int] | None) -> dict[str, Any]:  # fmt: skip
    name = f" {who['name'].upper()}  " if who.get("name") else None
    return {
        "QUARTER": period if period < 5 else "OT",
        "MINUTES": None if left is None else left // 60,
        "SECONDS": None if left is None else left % 60,
        "TEAM": COLUMN.get(who["side"]),
        "PLAYER_ID": who.get("id"),
        "PLAYER_NAME": name,
        "PLAYER_NUMBER": who.get("number"),
        "PLAY_TYPE": what,
        "PLAY_NOTE": note,
        "H_SCORE": score[0] if score else None,
        "A_SCORE": score[1] if score else None,
    }


def slo(games: list[Game], folder: Path) -> None:
    """Clocks that count up, twos swapped and no ids in the box score, all in Slovene."""
    plays, box, infos = [], [], []
    kinds = {
        "assist": "podal", "steal": "ukradel žogo", "block": "blokiral met", "sub_in": "prišel na igrišče",
        "sub_out": "odšel z igrišča", "offensive_rebound": "pobral skok v napadu",
        "defensive_rebound": "pobral skok v obrambi",
    }  # fmt: skip
    for game in games:
        for line in game.lines:
            line |= {"team": game.teams[line["side"]], "written": line["name"].upper()}
            if line["starter"]:
                plays.append(_slo_row(game, line, 1, 0, kinds["sub_in"], None))
        for play in game.plays():
            offensive = first(play, "turnover") is not None and first(play, "foul") is not None
            for event in play:
                kind, note = event["kind"], None
                if kind == "field_goal":
                    way = "zadel za" if event["made"] else "zgrešil met za"
                    way = "bil blokiran ob metu za" if first(play, "block") else way
                    what = f"{way} {event['value']} {'točki' if event['value'] == 2 else 'točke'}"
                elif kind == "free_throw":
                    what = "zadel prosti met" if event["made"] else "zgrešil prosti met"
                elif kind == "foul":
                    drawn = first(play, "foul_drawn")
                    what = "naredil osebno napako"
                    note = f"Acted on {drawn['name']}" if drawn else None
                elif kind == "turnover":
                    what = "naredil osebno napako v napadu" if offensive else "slabo podal"
                elif kind in kinds:
                    what = kinds[kind]
                else:
                    continue
                length = 600 if event["period"] < 5 else 300
                plays.append(
                    _slo_row(game, event, event["period"], length - event["clock"], what, note)
                )
        swapped = (
            "offensive_rebounds",
            "defensive_rebounds",
            "field_goals_2_tried",
            "field_goals_2_made",
        )
        box += _scraped_box(game, lambda p: None, swapped)
        overtimes = max(e["period"] for e in game.events) - 4
        infos.append(
            _scraped_game(game)
            | {"H_TEAM_COACH": "A coach"}
            | {f"H_OT_{n}": "5" if n <= overtimes else None for n in (1, 2, 3, 4)}
        )
    write(folder, "play_by_play_2022-2023.parquet", plays)
    write(folder, "box_score_2022-2023.parquet", [r | {"PLAYER_NUMBER": None} for r in box])
    write(folder, "main_info.parquet", infos)


def _slo_row(
    game: Game, who: dict[str, Any], period: int, up: int, what: str, note: str | None
) -> dict[str, Any]:
    return {
        "SEASON": "2022/23", "GAME_ID": game.number, "QUARTER": period, "MINUTES": up // 60, "SECONDS": up % 60,
        "TEAM": game.teams[who["side"]], "PLAYER_ID": who["id"], "PLAYER_NAME": who["name"],
        "PLAYER_NUMBER": who["number"], "PLAY_TYPE": what, "PLAY_NOTE": note, "H_SCORE": None, "A_SCORE": None,
    }  # fmt: skip


# -- Sidearm ---------------------------------------------------------------------------------------


def sidearm(games: list[Game], folder: Path) -> None:
    """Assists, blocks and changes in the text alone; capitals and abbreviations."""
    for game in games:
        plays = [row for play in game.plays() for row in _sidearm_rows(play)]
        teams = {"home": "HomeTeam", "away": "VisitingTeam"}
        content = {
            "Game": {
                "Type": "BasketballGame",
                "Date": f"{game.date.month}/{game.date.day}/{game.date.year}",
                "PeriodsRegulation": 4,
                "Rules": {"PeriodMinutes": 10, "OTMinutes": 5},
                **{
                    teams[s]: {"Name": game.teams[s], "Score": game.scores[s]} for s in ("home", "away")
                },
            },
            "Plays": plays,
            "Stats": {
                teams[s]: {"PlayerGroups": {"Players": {"Values": [
                    _sidearm_line(line) for line in game.lines if line["side"] == s
                ]}}}
                for s in ("home", "away")
            },
        }  # fmt: skip
        (folder / f"{1000 + game.number}.json").write_text(json.dumps(content), encoding="utf-8")


def _sidearm_line(line: dict[str, Any]) -> dict[str, str]:
    goals = line["field_goals_2_made"] + line["field_goals_3_made"]
    tried = line["field_goals_2_tried"] + line["field_goals_3_tried"]
    return {
        "Uni": line["number"].zfill(2), "Name": short(line["name"]).upper(), "Fgam": f"{goals}-{tried}",
        "Tpam": f"{line['field_goals_3_made']}-{line['field_goals_3_tried']}",
        "Ftma": f"{line['free_throws_made']}-{line['free_throws_tried']}",
        "OffensiveRebounds": str(line["offensive_rebounds"]),
        "DefensiveRebounds": str(line["defensive_rebounds"]), "Assists": str(line["assists"]),
        "Turnovers": str(line["turnovers"]), "Blocks": str(line["blocks"]), "Steals": str(line["steals"]),
        "PersonalFouls": str(line["fouls_made"]), "Points": str(line["points"]),
    }  # fmt: skip


def _sidearm_rows(play: list[dict[str, Any]]) -> list[dict[str, Any]]:
    teams = {"home": "HomeTeam", "away": "VisitingTeam"}
    found = []

    def row(event: dict[str, Any], type_: str, action: str, tail: str = "") -> None:
        given, last = event["name"].split(" ") if event["name"] else (None, None)
        number = event["number"].zfill(2) if event["number"] else None
        said = f"{number} {event['name']} {type_} {action}" if event["name"] else f"TEAM {type_}"
        found.append(
            {
                "Period": event["period"], "ClockSeconds": event["clock"], "Team": teams.get(event["side"]),
                "Type": type_, "Action": action, "Narrative": said + tail,
                "Player": {"FirstName": given, "LastName": last, "UniformNumber": number, "PersonId": ""},
            }
        )  # fmt: skip

    for event in play:
        kind = event["kind"]
        if kind == "field_goal":
            tail = ""
            for helper in ("assist", "block"):
                other = first(play, helper)
                if other:
                    tail += f"; {other['number'].zfill(2)} {other['name']} {helper.title()} (1)"
            row(
                event,
                "3PTR" if event["value"] == 3 else "JUMPER",
                "GOOD" if event["made"] else "MISS",
                tail,
            )
        elif kind == "free_throw":
            row(event, "FT", "GOOD" if event["made"] else "MISS")
        elif kind.endswith("rebound"):
            row(event, "OFF" if kind.startswith("off") else "DEF", "REBOUND")
        elif kind in ("turnover", "steal", "foul"):
            row(event, "", kind.upper())
    for side in ("home", "away"):
        changes = [e for e in play if e["kind"] in ("sub_in", "sub_out") and e["side"] == side]
        if changes:
            text = "; ".join(
                f"{e['number'].zfill(2)} {e['name']} {'IN' if e['kind'] == 'sub_in' else 'OUT'}"
                for e in changes
            )
            row(changes[0], "SUBS", "SUBS")
            found[-1]["Narrative"] = text
    return found


# -- ACB, stats.ncaa.org, FIBA LiveStats, SportsCode ------------------------------------------------


def _acb_row(
    game: Game, who: dict[str, Any], period: int, left: int, action: str, score: tuple[int, int]
) -> dict[str, Any]:
    team = game.teams[who["side"]]
    return {
        "period": f"{period}C" if period < 5 else f"{period - 4}PR", "time_point": clock(left),
        "player": who["name"] or team, "action": action, "local_score": score[0], "visitor_score": score[1],
        "day": 3, "game_code": 103000 + game.number, "team": team,
    }  # fmt: skip


def acb(games: list[Game], folder: Path) -> None:
    kinds = {
        "assist": "Asistencia", "steal": "Recuperación", "block": "Tapón", "blocked": "Tapón Recibido",
        "foul": "Falta Personal (2TL)", "foul_drawn": "Falta Recibida", "turnover": "Pérdida",
        "offensive_rebound": "Rebote Ofensivo", "defensive_rebound": "Rebote Defensivo",
        "sub_in": "Entra a pista", "sub_out": "Sale de la pista", "timeout": "Tiempo Muerto",
    }  # fmt: skip
    rows = []
    for game in games:
        score = game.running()

        rows += [
            _acb_row(game, p, 1, 600, "Quinteto inicial", (0, 0))
            for p in game.lines
            if p["starter"]
        ]
        for event in game.events:
            kind = event["kind"]
            if kind == "field_goal":
                way = "anotado" if event["made"] else "fallado"
                action = f"Triple {way}" if event["value"] == 3 else f"Tiro de 2 {way}"
            elif kind == "free_throw":
                action = f"Tiro Libre {'anotado' if event['made'] else 'fallado'}"
            elif kind in kinds and event["side"]:
                action = kinds[kind]
            else:
                continue
            at = score[event["order"]]
            rows.append(_acb_row(game, event, event["period"], event["clock"], action, at))
    write(folder, "acb_pbp_2223.parquet", rows)


def ncaa(games: list[Game], folder: Path) -> None:
    """Ten players on court in every row; who assisted is the second player of a made shot."""
    rows = []
    for game in games:
        five = {
            s: [p["name"] for p in game.lines if p["side"] == s and p["starter"]]
            for s in ("home", "away")
        }
        score = game.running()
        for play in game.plays():
            for event in play:
                if event["kind"] in ("sub_in", "sub_out"):
                    court = five[event["side"]]
                    if event["kind"] == "sub_in":
                        court.append(event["name"])
                    else:
                        court.remove(event["name"])
            for event in play:
                told = _ncaa_row(event, play)
                if told is None:
                    continue
                kind, result, value, second = told
                home, away = score[event["order"]]
                rows.append(
                    {
                        "ID": 4700000 + game.number, "Date": f"{game.date:%m/%d/%Y}", "Home": game.teams["home"],
                        "Away": game.teams["away"], "Half_Status": event["period"],
                        "Time": clock(event["clock"]), "Home_Score": home, "Away_Score": away,
                        "Event_Team": game.teams.get(event["side"]),
                        "Event_Description": f"{event['name']} {kind}",
                        "Player_1": _dotted(event["name"]) or "TEAM", "Player_2": _dotted(second),
                        "Event_Type": kind, "Event_Result": result, "Shot_Value": value,
                        **{f"{s.title()}.{n}": _dotted(p) for s in ("home", "away")
                           for n, p in enumerate(five[s], start=1)},
                    }
                )  # fmt: skip
    write(folder, "pbp.csv", rows)


def _dotted(name: str | None) -> str | None:
    return name.upper().replace(" ", ".") if name else None


def _ncaa_row(event: dict[str, Any], play: list[dict[str, Any]]) -> tuple[Any, ...] | None:
    kind = event["kind"]
    result = ("made" if event["made"] else "missed") if kind in SHOTS else None
    if kind == "field_goal":
        other = first(play, "assist")
        label = "Three Point Jumper" if event["value"] == 3 else "Layup"
        return label, result, event["value"], other["name"] if other else None
    labels = {
        "free_throw": "Free Throw", "offensive_rebound": "Offensive Rebound",
        "defensive_rebound": "Defensive Rebound", "foul": "Commits Foul", "foul_drawn": "Draw Foul",
        "turnover": "Turnover", "steal": "Steal", "block": "Blocked Shot", "timeout": "Timeout",
        "sub_in": "Enters Game", "sub_out": "Leaves Game",
    }  # fmt: skip
    return (labels[kind], result, None, None) if kind in labels else None


def fiba_livestats(games: list[Game], folder: Path) -> None:
    tno = {"home": 1, "away": 2}
    stats = {
        "sPoints": "points", "sTwoPointersMade": "field_goals_2_made",
        "sTwoPointersAttempted": "field_goals_2_tried", "sThreePointersMade": "field_goals_3_made",
        "sThreePointersAttempted": "field_goals_3_tried", "sFreeThrowsMade": "free_throws_made",
        "sFreeThrowsAttempted": "free_throws_tried", "sReboundsOffensive": "offensive_rebounds",
        "sReboundsDefensive": "defensive_rebounds", "sAssists": "assists", "sSteals": "steals",
        "sTurnovers": "turnovers", "sBlocks": "blocks", "sFoulsPersonal": "fouls_made",
        "sFoulsOn": "fouls_drawn", "sPlusMinusPoints": "plus_minus",
    }  # fmt: skip
    kinds = {"free_throw": "freethrow", "foul_drawn": "foulon", "sub_in": "substitution",
             "sub_out": "substitution", "jump_ball": "jumpball"}  # fmt: skip
    for game in games:
        pno = {line["id"]: str(n) for n, line in enumerate(game.lines, start=1)}
        teams: dict[str, Any] = {}
        for side in ("home", "away"):
            teams[str(tno[side])] = {
                "name": game.teams[side],
                "code": game.teams[side][:3].upper(),
                "score": game.scores[side],
                "pl": {
                    pno[line["id"]]: {
                        "firstName": line["name"].split()[0], "familyName": line["name"].split()[1],
                        "shirtNumber": line["number"], "starter": int(line["starter"]),
                        "sMinutes": f"{line['seconds'] // 60}:{line['seconds'] % 60:02d}",
                        **{theirs: line[ours] for theirs, ours in stats.items()},
                    }
                    for line in game.lines
                    if line["side"] == side
                },
                "shot": [],
            }  # fmt: skip
        pbp = []
        score = game.running()
        for event in game.events:
            kind, side = event["kind"], event["side"]
            what, sub = kinds.get(kind, kind), ""
            if kind == "field_goal":
                what = f"{event['value']}pt"
                teams[str(tno[side])]["shot"].append(
                    {"actionNumber": event["order"] + 1, "x": 5.625, "y": 50.0}
                )
            elif kind.endswith("rebound"):
                what, sub = "rebound", kind.split("_")[0]
            elif kind.startswith("sub_"):
                sub = kind[4:]
            elif kind.startswith("period"):
                what, sub = "period", kind[7:]
            elif kind == "blocked":
                continue
            home, away = score[event["order"]]
            pbp.append(
                {
                    "gt": clock(event["clock"]), "clock": clock(event["clock"]) + ":00", "s1": str(home),
                    "s2": str(away), "period": event["period"] if event["period"] < 5 else event["period"] - 4,
                    "periodType": "REGULAR" if event["period"] < 5 else "OVERTIME",
                    "tno": tno.get(side, 0), "pno": int(pno.get(event["id"], 0)),
                    "success": int(bool(event["made"])), "actionType": what, "subType": sub,
                    "actionNumber": event["order"] + 1, "player": event["name"] or "",
                }
            )  # fmt: skip
        place = folder / str(2000 + game.number)
        place.mkdir()
        content = {"clock": "00:00", "period": 4, "periodLength": 10, "periodLengthOVERTIME": 5,
                   "tm": teams, "pbp": pbp[::-1]}  # fmt: skip
        (place / "data.json").write_text(json.dumps(content), encoding="utf-8")


def sportscode(games: list[Game], folder: Path) -> None:
    """As an analyst tags it: codes in words, periods as rows of their own, no ids."""
    words = {
        "free_throw": "Free Throw", "offensive_rebound": "Off Rebound", "defensive_rebound": "Def Rebound",
        "sub_in": "Sub in", "sub_out": "Sub out", "foul_drawn": "Foul drawn",
    }  # fmt: skip
    for game in games:
        about = (
            ("Home", game.teams["home"]), ("Away", game.teams["away"]), ("Date", game.date.isoformat()),
            ("Home score", str(game.scores["home"])), ("Away score", str(game.scores["away"])),
        )  # fmt: skip
        instances = [Instance(0, 9000, GAME_CODE, about)]
        for event in game.events:
            kind = event["kind"]
            if kind in ("period_start", "period_end", "jump_ball", "blocked"):
                continue
            code = words.get(kind, kind.title())
            labels = [("Period", f"Q{event['period']}"), ("Clock", clock(event["clock"]))]
            if kind == "field_goal":
                code = f"{event['value']}PT {'Made' if event['made'] else 'Missed'}"
            elif kind == "free_throw":
                labels.append(("Result", "made" if event["made"] else "missed"))
            if event["side"]:
                labels.append(("Team", game.teams[event["side"]]))
            if event["name"]:
                labels.append(("Player", f"#{event['number']} {event['name']}"))
            at = (event["period"] - 1) * 1200.0 + 2 * (600 - event["clock"]) + event["order"] / 1000
            instances.append(Instance(at, at + 5, code, tuple(labels)))
        (folder / f"game-{game.number}.xml").write_bytes(to_xml(instances))


WRITERS: dict[str, Callable[[list[Game], Path], None]] = {
    "espn": espn,
    "bbref": bbref,
    "aba": aba,
    "slo": slo,
    "sidearm": sidearm,
    "acb": acb,
    "ncaa": ncaa,
    "fiba_livestats": fiba_livestats,
    "sportscode": sportscode,
}
