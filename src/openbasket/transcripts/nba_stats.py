"""stats.nba.com, version 2: ``playbyplayv2`` of the NBA, the WNBA and the G League.

JSON result sets (play-by-play, ``boxscoretraditionalv2``, ``boxscoresummaryv2``, ``shotchartdetail``),
and the same tables as CSV, parquet or JSON records, with their columns in any spelling (data frames of
``nba_api``, ``hoopR``, public dumps of whole seasons). A row has up to three players: who acts, who
assists, steals, is fouled or comes in, who blocks. Which team is at home is told by the summary, the
list of games, or the column in which its actions are described. ``WCTIMESTRING`` gives minutes without
date or zone and is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript, nba
from openbasket.transcripts.formats import Peek, load_json, peek
from openbasket.transcripts.names import identifier, text
from openbasket.transcripts.plays import clock_seconds

__all__ = ["FILES", "matches", "read"]

FILES = "stats.nba.com playbyplayv2, as JSON result sets or a table with EVENTMSGTYPE"
PLAYS = (
    "GAME_ID", "EVENTNUM", "EVENTMSGTYPE", "EVENTMSGACTIONTYPE", "PERIOD", "PCTIMESTRING",
    "HOMEDESCRIPTION", "VISITORDESCRIPTION", "PLAYER1_ID", "PLAYER1_TEAM_ID", "PLAYER2_ID", "PLAYER3_ID",
)  # fmt: skip
PLAY_DETAILS = ("NEUTRALDESCRIPTION", "PLAYER1_NAME", "PLAYER2_NAME", "PLAYER3_NAME")
PLAY_NAMES = {
    "EVENTNUM": ("event_num",), "EVENTMSGTYPE": ("event_type",), "PCTIMESTRING": ("time_quarter",),
    "EVENTMSGACTIONTYPE": ("event_action_type",),
}  # fmt: skip
SUMMARY = ("GAME_ID", "GAME_DATE_EST", "HOME_TEAM_ID", "VISITOR_TEAM_ID")
SHOTS = ("GAME_ID", "GAME_EVENT_ID", "PLAYER_ID", "LOC_X", "LOC_Y")
SCORES = ("GAME_ID", "TEAM_ID", "TEAM_CITY_NAME", "TEAM_NICKNAME", "PTS")
LISTED = ("ID", "Date", "H_Team", "A_Team", "H_Score", "A_Score", "H_Team_ID", "A_Team_ID")
#: What a file of tables may be -> its columns, others that are welcome, and their other names.
TABLES = {
    "plays": (PLAYS, PLAY_DETAILS, PLAY_NAMES),
    "shots": (SHOTS, (), {}),
    "listed": (LISTED, (), {}),
}
#: Result sets of a JSON answer.
SETS = {
    "plays": (PLAYS, PLAY_DETAILS), "shots": (SHOTS, ()), "box": (nba.BOX, nba.BOX_DETAILS),
    "summary": (SUMMARY, ()), "scores": (SCORES, ()),
}  # fmt: skip


def matches(seen: Peek) -> bool:
    """Whether a file is of stats.nba.com, version 2."""
    if seen.kind == "json":
        keys = ("resultSets", "resultSet", "[].resultSets", "[].resultSet")
        if any(seen.has(key) for key in keys):
            words = ("EVENTMSGTYPE", "PLAYER_ID", "GAME_DATE_EST")
            return any(word in seen.text for word in words)
    return _kind(seen) is not None or nba.is_box(seen)


def _kind(seen: Peek) -> str | None:
    if seen.like(("EVENTNUM", "EVENTMSGTYPE"), PLAY_NAMES):
        return "plays"  # what else is missing is told when it is read
    return next((k for k, (needed, _, also) in TABLES.items() if seen.like(needed, also)), None)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each league and season.

    Raises:
        BadInputError: damaged files, game ids that tell no league.
    """
    parts: dict[str, list[pl.DataFrame]] = {kind: [] for kind in (*SETS, "listed")}
    for file in files:
        seen = peek(file)
        kind = _kind(seen)
        if kind:
            frame = nba.read_columns(file, seen, *TABLES[kind])
            parts[kind].append(
                frame if kind == "listed" else nba.with_game_id(frame, "GAME_ID", file)
            )
        elif nba.is_box(seen):
            parts["box"].append(nba.read_box(file, seen))
        else:
            for kind, frame in _result_sets(file):
                parts[kind].append(nba.with_game_id(frame, "GAME_ID", file))
    if not parts["plays"]:
        return
    tables = {kind: pl.concat(list_) for kind, list_ in parts.items() if list_}
    plays = _plays(tables)
    games = _games(plays, tables)
    people = (
        pl.concat(
            plays.select(player_id=nba.person(f"p{n}"), name=text(f"name{n}")) for n in (1, 2, 3)
        )
        .drop_nulls()
        .unique("player_id", keep="first", maintain_order=True)
    )
    sides = games.select("game_id", "home_team_id", "away_team_id")
    yield from nba.transcripts(
        "nba_stats",
        games,
        nba.coded_plays(plays.select(list(nba.ACTIONS)), sides),
        options,
        str(files[0].parent),
        box=nba.box_lines(tables["box"]) if "box" in tables else None,
        people=people,
    )


def _result_sets(path: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    content = load_json(path)
    for answer in content if isinstance(content, list) else [content]:
        sets = None
        if isinstance(answer, dict):
            sets = answer.get("resultSets", answer.get("resultSet"))
        sets = [sets] if isinstance(sets, dict) else sets
        if not isinstance(sets, list):
            raise BadInputError([Problem(str(path), None, "resultSets", "another form", FILES)])
        for one in sets:
            frame = nba.rows_of(one, str(path))
            for kind, (needed, welcome) in SETS.items():
                if set(needed) <= set(frame.columns):
                    missing = [
                        pl.lit(None, pl.String).alias(c) for c in welcome if c not in frame.columns
                    ]
                    yield kind, frame.with_columns(missing).select(*needed, *welcome)
                    break


def _plays(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    raw = tables["plays"].with_columns(EVENTNUM=nba.whole("EVENTNUM"))
    again = pl.struct("GAME_ID", "EVENTNUM").is_duplicated() & pl.col("EVENTNUM").is_not_null()
    first = pl.struct("GAME_ID", "EVENTNUM").is_first_distinct()
    raw = raw.filter(~again | first)  # a game in two files
    home, away = (pl.col(f"{side}DESCRIPTION") for side in ("HOME", "VISITOR"))
    # The description of the team that acts comes first: a block or a steal stands on the other side.
    side = pl.when(home.is_not_null() & away.is_null()).then(pl.lit("home")).when(
        away.is_not_null() & home.is_null()
    ).then(pl.lit("away"))  # fmt: skip
    missed = home.fill_null("").str.starts_with("MISS") | away.fill_null("").str.starts_with("MISS")
    three = home.fill_null("").str.contains("3PT") | away.fill_null("").str.contains("3PT")
    kind = nba.whole("EVENTMSGTYPE")
    first = text("PLAYER1_ID").str.replace(r"\.0+$", "")
    team_event = first.cast(pl.Int64, strict=False) >= nba.TEAMS_FROM
    plays = raw.select(
        game="GAME_ID",
        period=nba.whole("PERIOD").cast(pl.Int8, strict=False),
        clock_s=clock_seconds(text("PCTIMESTRING")),
        type=kind.cast(pl.Int32),
        action=nba.whole("EVENTMSGACTIONTYPE").cast(pl.Int32, strict=False),
        made=pl.when(kind == 1).then(True).when(kind == 2).then(False).when(kind == 3).then(~missed),
        value=pl.when(kind.is_in([1, 2]))
        .then(pl.when(three).then(3).otherwise(2))
        .when(kind == 3)  # the G League shoots one free throw for two or three points
        .then(pl.coalesce(home, away).str.extract(r"Free (?:Throw|Technical) (\d)PT").cast(pl.Int32))
        .cast(pl.Int8),
        text=pl.concat_str([home, away], separator=" / ", ignore_nulls=True),
        team=pl.when(team_event).then(first).otherwise(text("PLAYER1_TEAM_ID").str.replace(r"\.0+$", "")),
        p1="PLAYER1_ID",
        p2="PLAYER2_ID",
        p3="PLAYER3_ID",
        name1="PLAYER1_NAME",
        name2="PLAYER2_NAME",
        name3="PLAYER3_NAME",
        side=side,
        event="EVENTNUM",
    )  # fmt: skip
    plays = nba.in_order(plays, "event")
    if "shots" not in tables:
        return plays.with_columns(x_m=pl.lit(None, pl.Float32), y_m=pl.lit(None, pl.Float32))
    places = tables["shots"].select(
        game="GAME_ID",
        event=nba.whole("GAME_EVENT_ID"),
        x_m=text("LOC_X").cast(pl.Float32, strict=False) * nba.FEET_TENTH_M,
        y_m=text("LOC_Y").cast(pl.Float32, strict=False) * nba.FEET_TENTH_M,
    )
    return plays.join(
        places.unique(["game", "event"], keep="first"),
        on=["game", "event"], how="left", maintain_order="left",
    )  # fmt: skip


def _games(plays: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Games with sides: from the summary, else from the columns of the descriptions."""
    acting = plays.filter(pl.col("type").is_in([1, 2, 3]) & pl.col("team").is_not_null())
    counted = (
        acting.drop_nulls("side")
        .group_by("game", "side", "team")
        .len()
        .sort("game", "side", "len", "team", descending=[False, False, True, False])
        .unique(["game", "side"], keep="first", maintain_order=True)
        .pivot("side", index="game", values="team")
    )
    for side in ("home", "away"):
        if side not in counted.columns:
            counted = counted.with_columns(pl.lit(None, pl.String).alias(side))
    games = plays.select("game").unique(maintain_order=True).join(
        counted, on="game", how="left", maintain_order="left"
    )  # fmt: skip
    nothing = pl.lit(None, pl.String)
    games = games.with_columns(date=nothing, home_team=nothing, away_team=nothing)
    if "summary" in tables:
        told = tables["summary"].select(
            game="GAME_ID", home_told="HOME_TEAM_ID", away_told="VISITOR_TEAM_ID",
            date=text("GAME_DATE_EST").str.slice(0, 10),
        ).unique("game", keep="first")  # fmt: skip
        games = games.drop("date").join(told, on="game", how="left", maintain_order="left")
        games = games.with_columns(
            home=pl.coalesce("home_told", "home"), away=pl.coalesce("away_told", "away")
        )
    scores = pl.DataFrame(
        schema={"game": pl.String, "team": pl.String, "name": pl.String, "points": pl.Int64}
    )
    if "scores" in tables:
        name = pl.concat_str(
            [text("TEAM_CITY_NAME"), text("TEAM_NICKNAME")], separator=" ", ignore_nulls=True
        )
        scores = tables["scores"].select(
            game="GAME_ID", team=text("TEAM_ID"), name=name, points=nba.whole("PTS")
        )
    elif "box" in tables:
        lines = tables["box"].with_columns(points=nba.whole("PTS"))
        scores = lines.group_by(game="GAME_ID", team=text("TEAM_ID").str.replace(r"\.0+$", "")).agg(
            name=pl.lit(None, pl.String), points=pl.col("points").sum()
        )  # fmt: skip
    for side in ("home", "away"):
        games = games.drop(f"{side}_team").join(
            scores.unique(["game", "team"], keep="first").rename(
                {"team": side, "name": f"{side}_team", "points": f"{side}_score"}
            ),
            on=["game", side], how="left", maintain_order="left",
        )  # fmt: skip
    return games.select(
        game_id=identifier("game", "nba"),
        date=pl.col("date").str.to_date("%Y-%m-%d", strict=False),
        home_team_id=identifier("home", "nba"),
        away_team_id=identifier("away", "nba"),
        home_team="home_team",
        away_team="away_team",
        home_score="home_score",
        away_score="away_score",
    ).drop_nulls(["home_team_id", "away_team_id"])
