"""data.nba.net play-by-play: JSON (``g.pd[].pla``), and the same as CSV or parquet tables.

Box scores: ``gamedetail`` JSON, or tables of stats.nba.com (``PLAYER_ID, FGM ...``) beside a list of games
(``ID, Date, H_Team_ID, A_Team_ID``). A table of plays has ``GAME_ID`` and ``PERIOD``, or no game id: then its
file, or its column ``_file``, is named by the game id or by date and teams, visitors first
(``20171017-BOSCLE``); where the list of games has that game, its id is used, and periods are counted from
the rows that start one. Places are left out in tables:
they give them in the same units, but for many rows of 2016 they are those of the row before.
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
from openbasket.transcripts.names import identifier, text, whole
from openbasket.transcripts.plays import clock_seconds, sides_from_scores
from openbasket.wording import counted

__all__ = ["FILES", "matches", "read"]

FILES = "data.nba.net play-by-play (JSON with g.pd, or a table with evt, cl, de, etype, mtype, pid)"
PLAYS = ("evt", "cl", "de", "opt1", "mtype", "etype", "opid", "tid", "pid", "hs", "vs", "epid")
GAMES = ("ID", "Date", "H_Team_ID", "A_Team_ID", "H_Score", "A_Score")
GAME_NAMES = ("H_Team", "A_Team")
NAME = re.compile(r"^(?P<date>\d{8})-?(?P<away>[A-Z]{3})(?P<home>[A-Z]{3})$")


def matches(seen: Peek) -> bool:
    """Whether a file is of data.nba.net, or a box score or list of games that goes with its tables."""
    if seen.has("g.gid") or seen.has("[].g.gid"):
        return any(seen.has(key) for key in ("g.pd", "g.hls", "[].g.pd", "[].g.hls"))
    return seen.like(PLAYS) or seen.like(GAMES) or nba.is_box(seen)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each league and season.

    Raises:
        BadInputError: damaged files, names that tell no date and teams.
    """
    documents: list[tuple[Path, Any]] = []
    tables: dict[str, list[pl.DataFrame]] = {"plays": [], "games": [], "box": []}
    for file in files:
        seen = peek(file)
        if seen.like(PLAYS):
            frame = nba.read_columns(file, seen, PLAYS, ("_file", "GAME_ID", "PERIOD"))
            tables["plays"].append(
                frame.with_columns(
                    _file=pl.coalesce(
                        nba.game_key("GAME_ID"),
                        "_file",
                        pl.lit(file.stem).str.extract(nba.GAME_ID),
                        pl.lit(file.stem),
                    )
                )
            )
        elif seen.like(GAMES):
            tables["games"].append(nba.read_columns(file, seen, GAMES, GAME_NAMES))
        elif nba.is_box(seen):
            tables["box"].append(nba.read_box(file, seen))
        else:
            content = load_json(file)
            documents += [(file, d) for d in (content if isinstance(content, list) else [content])]
    if documents:
        yield from _documents(documents, options)
    if tables["plays"]:
        yield from _tables(tables, options, str(files[0].parent))


# -- tables --------------------------------------------------------------------------------------


def _tables(
    tables: dict[str, list[pl.DataFrame]], options: ImportOptions, where: str
) -> Iterator[Transcript]:
    plays = pl.concat(tables["plays"]).with_columns(whole("etype"), whole("mtype"))
    same = ["_file", "evt", "cl", "de"]
    plays = plays.unique(same, keep="first", maintain_order=True)  # a game in two files
    names = _named(plays["_file"].unique(maintain_order=True), where)
    listed = pl.DataFrame()
    if tables["games"]:
        listed = pl.concat(tables["games"]).select(
            game=nba.game_key("ID"),
            date=text("Date").str.to_date("%Y-%m-%d", strict=False),
            home="H_Team_ID",
            away="A_Team_ID",
            home_score=whole("H_Score"),
            away_score=whole("A_Score"),
            home_team=text("H_Team"),
            away_team=text("A_Team"),
        )
        numbered = names.filter(pl.col("game").is_not_null()).select("_file", "game").join(
            listed.unique("game", keep="any"), on="game", how="left", maintain_order="left"
        )  # fmt: skip
        names = names.filter(pl.col("game").is_null()).drop("game").join(
            listed.unique(["date", "home", "away"], keep="any"),
            on=["date", "home", "away"], how="left", maintain_order="left",
        )  # fmt: skip
        names = pl.concat([numbered, names], how="diagonal")
    unlisted = names.filter(pl.col("game").is_null()).height
    notes = []
    if unlisted and tables["games"]:
        notes.append(
            counted(
                unlisted,
                "game is not in the list of games and has no box score",
                "games are not in the list of games and have no box score",
            )
        )
    names = names.with_columns(
        game=pl.coalesce(
            "game", pl.format("{}{}{}", pl.col("date").dt.strftime("%Y%m%d"), "away", "home")
        )
    ).with_columns(game_id=identifier("game", "nba"))
    plays = plays.join(names.select("_file", "game", "game_id"), on="_file", maintain_order="left")
    started = pl.max_horizontal((pl.col("etype") == 12).cum_sum().over("game_id"), 1)
    plays = plays.with_columns(
        period=pl.coalesce(nba.whole("PERIOD"), started).cast(pl.Int8, strict=False)
    )
    sides = _sides(plays)
    games = names.join(sides, on="game_id", maintain_order="left")
    if games.height < names.height:
        notes.append(
            counted(
                names.height - games.height,
                "game without a score of both teams is left out",
                "games without a score of both teams are left out",
            )
        )
    box = nba.box_lines(pl.concat(tables["box"])) if tables["box"] else None
    if box is not None:
        box = box.join(games.select("game_id"), on="game_id", how="semi")
    known = {
        game: ("nba", date.year if date.month >= 8 else date.year - 1)
        for game, date in games.select("game_id", "date").rows()
        if not str(game).removeprefix("nba").isdigit()
    }
    yield from nba.transcripts(
        "nba_data",
        games,
        nba.coded_plays(_actions(plays), sides),
        options,
        where,
        box=box,
        notes=notes,
        known=known,
    )


def _named(files: pl.Series, where: str) -> pl.DataFrame:
    """``_file, game`` (where it is an id) and ``date, home, away`` (where the name tells these)."""
    rows: list[tuple[str | None, ...]] = []
    problems = []
    for name in files:
        match = NAME.match(Path(str(name)).stem)
        if match:
            rows.append((name, None, match["date"], match["home"], match["away"]))
        elif re.fullmatch(r"\d{10}", str(name)):
            rows.append((name, name, None, None, None))
        else:
            allowed = "a column GAME_ID, or a name such as 20171017-BOSCLE or 0021700001"
            problems.append(Problem(where, None, "file name", repr(name), allowed))
    if problems:
        raise BadInputError(problems)
    schema = dict.fromkeys(("_file", "game", "date", "home", "away"), pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    frame = frame.with_columns(pl.col("date").str.to_date("%Y%m%d", strict=False))
    bad = frame.filter(pl.col("date").is_null() & pl.col("game").is_null())
    if bad.height:
        raise BadInputError(
            Problem(where, None, "file name", repr(name), "a date that exists")
            for name in bad["_file"]
        )
    return frame


def _sides(plays: pl.DataFrame) -> pl.DataFrame:
    scored = plays.filter(pl.col("etype").is_in([1, 3])).select(
        "game_id",
        team_id=pl.when(whole("tid") > 0).then(identifier("tid", "nba")),
        home=whole("hs"),
        away=whole("vs"),
    )
    return sides_from_scores(scored)


def _actions(plays: pl.DataFrame) -> pl.DataFrame:
    said = pl.col("de").fill_null("")
    kind = pl.col("etype")
    missed = said.str.contains("Missed", literal=True)
    other = text("opid")
    return plays.select(
        "game",
        "period",
        clock_s=clock_seconds(pl.col("cl")),
        type=kind,
        action=pl.col("mtype"),
        made=pl.when(kind == 1).then(True).when(kind == 2).then(False).when(kind == 3).then(~missed),
        value=pl.when(kind.is_in([1, 2])).then(
            pl.when((whole("opt1") == 3) | said.str.contains("3pt", literal=True)).then(3).otherwise(2)
        ).when(kind == 3)  # the G League shoots one free throw for two or three points
        .then(said.str.extract(r"(?i)Free (?:Throw|Technical) (\d)PT").cast(pl.Int32)),
        team=pl.when(whole("tid") > 0).then("tid"),
        p1=pl.col("pid"),
        p2=pl.when(kind.is_in([1, 8])).then("epid").when(kind.is_in([5, 6])).then(other),
        p3=pl.when(kind == 2).then(other),
        text=said,
        name1=pl.lit(None, pl.String),
        name2=pl.lit(None, pl.String),
        name3=pl.lit(None, pl.String),
        x_m=pl.lit(None, pl.Float32),
        y_m=pl.lit(None, pl.Float32),
    )  # fmt: skip


# -- JSON ----------------------------------------------------------------------------------------


def _documents(
    documents: Sequence[tuple[Path, Any]], options: ImportOptions
) -> Iterator[Transcript]:
    rows: list[dict[str, Any]] = []
    details: dict[str, dict[str, Any]] = {}
    read: set[str] = set()
    where = str(documents[0][0])
    for path, document in documents:
        game = document.get("g") if isinstance(document, dict) else None
        if not isinstance(game, dict) or not isinstance(game.get("gid"), str):
            raise BadInputError([Problem(str(path), None, "g.gid", "no game id", "ten digits")])
        if "pd" not in game:
            details[game["gid"]] = game
            continue
        if game["gid"] in read:  # a game in two files
            continue
        read.add(game["gid"])
        for period in _objects(game["pd"], path, "g.pd"):
            for play in _objects(period.get("pla"), path, "g.pd.pla"):
                rows.append({"game": game["gid"], "period": period.get("p")} | play)
    columns = ("game", "period", *PLAYS, "locX", "locY")
    frame = pl.DataFrame(
        {c: [None if r.get(c) is None else str(r.get(c)) for r in rows] for c in columns},
        schema=dict.fromkeys(columns, pl.String),
    )
    plays = frame.with_columns(
        whole("etype"),
        whole("mtype"),
        whole("period").cast(pl.Int8, strict=False),
        game_id=identifier("game", "nba"),
    )
    sides = _sides(plays)
    told = [_sides_of(game) for game in details.values()]
    given = pl.DataFrame(
        [row for row in told if row is not None],
        schema={
            "game_id": pl.String, "home_team_id": pl.String, "away_team_id": pl.String,
            "home_team": pl.String, "away_team": pl.String, "home_score": pl.Int16,
            "away_score": pl.Int16, "date": pl.String,
        },
        orient="row",
    )  # fmt: skip
    games = pl.concat(
        [given, sides.join(given, on="game_id", how="anti")], how="diagonal"
    ).with_columns(pl.col("date").str.to_date("%Y-%m-%d", strict=False))
    actions = _actions(plays).with_columns(
        x_m=pl.when(plays["etype"].is_in([1, 2])).then(
            plays["locX"].cast(pl.Float32, strict=False) * nba.FEET_TENTH_M
        ),
        y_m=pl.when(plays["etype"].is_in([1, 2])).then(
            plays["locY"].cast(pl.Float32, strict=False) * nba.FEET_TENTH_M
        ),
    )
    lines = [line for game in details.values() for line in _lines(game)]
    box = pl.DataFrame(lines) if lines else None
    yield from nba.transcripts(
        "nba_data",
        games,
        nba.coded_plays(actions, games.select("game_id", "home_team_id", "away_team_id")),
        options,
        where,
        box=box,
    )


def _objects(value: Any, path: Path, field: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadInputError([Problem(str(path), None, field, "no list of objects", FILES)])
    return value


def _text_of(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and str(value).strip() else None


def _team(game: dict[str, Any], side: str) -> dict[str, Any]:
    """A team's part of a game's detail; empty where it is not there or has no id."""
    team = game.get(side)
    return team if isinstance(team, dict) and _text_of(team.get("tid")) else {}


def _sides_of(game: dict[str, Any]) -> tuple[Any, ...] | None:
    home, away = (_team(game, side) for side in ("hls", "vls"))
    if not home or not away:
        return None
    score = [team.get("s") if isinstance(team.get("s"), int) else None for team in (home, away)]
    names = [
        " ".join(filter(None, (_text_of(t.get("tc")), _text_of(t.get("tn"))))) for t in (home, away)
    ]
    return (
        f"nba{game['gid']}",
        *(f"nba{team['tid']}" for team in (home, away)),
        *(name or None for name in names),
        *score,
        _text_of(game.get("gdte")),
    )  # fmt: skip


#: Our statistic -> keys of a player's line, of which the second is subtracted.
LINE = {
    "points": ("pts", None), "field_goals_2_made": ("fgm", "tpm"), "field_goals_2_tried": ("fga", "tpa"),
    "field_goals_3_made": ("tpm", None), "field_goals_3_tried": ("tpa", None),
    "free_throws_made": ("ftm", None), "free_throws_tried": ("fta", None),
    "offensive_rebounds": ("oreb", None), "defensive_rebounds": ("dreb", None),
    "assists": ("ast", None), "steals": ("stl", None), "turnovers": ("tov", None),
    "blocks": ("blk", None), "fouls_made": ("pf", None), "plus_minus": ("pm", None),
}  # fmt: skip


def _lines(game: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for side in ("hls", "vls"):
        team = _team(game, side)
        players = team.get("pstsg")
        for player in players if isinstance(players, list) else []:
            if not isinstance(player, dict) or not isinstance(player.get("pid"), int):
                continue
            seconds = player.get("totsec")
            line: dict[str, Any] = {
                "game_id": f"nba{game['gid']}",
                "team_id": f"nba{team['tid']}",
                "player_id": f"nba{player['pid']}",
                "name": " ".join(filter(None, (_text_of(player.get(k)) for k in ("fn", "ln")))),
                "number": _text_of(player.get("num")),
                "starter": bool(_text_of(player.get("pos"))),
                "seconds_played": float(seconds) if isinstance(seconds, (int, float)) else None,
            }  # fmt: skip
            for stat, (plus, minus) in LINE.items():
                values = [player.get(key) for key in (plus, minus) if key]
                whole = [value for value in values if isinstance(value, int)]
                line[stat] = whole[0] - sum(whole[1:]) if len(whole) == len(values) else None
            yield line
