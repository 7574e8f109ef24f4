"""What the NBA family's formats have in common: ids, leagues, codes of events, box scores.

Game ids tell league and season: ``00`` NBA, ``10`` WNBA, ``20`` G League, ``13`` to ``16`` the NBA's summer
leagues, then the kind of game and two digits of the year in which the season starts; number columns lose
the zeros in front. How long periods are (halves of 20 minutes in the WNBA until 2005, overtimes of 2
minutes in the G League) is told by the rows that start them. Tables have their columns in many spellings
(``GAME_ID``, ``game_id``, ``gameId``). Codes of events are those of stats.nba.com
(``EVENTMSGTYPE`` and ``EVENTMSGACTIONTYPE``), which data.nba.net calls ``etype`` and ``mtype``.
Counting rules: technicals and defensive three seconds are no personal foul; a rebound is offensive if the
text's running counts say so, and where these are wrong if the team rebounds its own last miss; free
throws count for those who were on court at their own foul, personal or technical.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, find_columns, load_json, read_table
from openbasket.transcripts.names import decimal, identifier, per_value, rounded, text
from openbasket.transcripts.plays import SLACK_S, assemble, season_name
from openbasket.wording import counted_expr

__all__ = [
    "ACTIONS", "FEET_TENTH_M", "box_lines", "coded_plays", "game_key", "in_order", "is_box", "person",
    "read_box", "read_columns", "transcripts", "whole", "with_game_id",
]  # fmt: skip

SUMMER = "nba-summer"
LEAGUES = {"00": "nba", "10": "wnba", "20": "gleague"} | dict.fromkeys(
    ("13", "14", "15", "16"), SUMMER
)
PERIOD_S = {"nba": 720.0, "gleague": 720.0, "wnba": 600.0, SUMMER: 600.0}
#: Periods are as long as one of these (s); the longest are halves.
PERIODS_S = (600.0, 720.0, 1200.0)
OVERTIME_S = 300.0
#: So many clocks above the usual length show that the periods are longer.
MANY_CLOCKS = 5
#: A game of whose rows more than this share is behind the row before has lost its order.
MANY_BACK = 0.05
GAME_ID = r"(?:^|\D)((?:00|1[03456]|20)\d{8})(?:\D|$)"
#: Columns of a traditional box score, and what newer ones call them.
BOX = (
    "GAME_ID", "TEAM_ID", "PLAYER_ID", "MIN", "FGM", "FGA", "FG3M", "FG3A", "FTM", "FTA", "OREB", "DREB",
    "AST", "STL", "BLK", "TO", "PF", "PTS",
)  # fmt: skip
BOX_DETAILS = ("PLAYER_NAME", "START_POSITION", "PLUS_MINUS")
BOX_NAMES = {
    "PLAYER_ID": ("personId",), "PLAYER_NAME": ("personName", "nameI"), "START_POSITION": ("position",),
    "MIN": ("minutes",), "FGM": ("fieldGoalsMade",), "FGA": ("fieldGoalsAttempted",),
    "FG3M": ("threePointersMade",), "FG3A": ("threePointersAttempted",), "FTM": ("freeThrowsMade",),
    "FTA": ("freeThrowsAttempted",), "OREB": ("reboundsOffensive",), "DREB": ("reboundsDefensive",),
    "AST": ("assists",), "STL": ("steals",), "BLK": ("blocks",), "TO": ("TOV", "turnovers"),
    "PF": ("foulsPersonal",), "PTS": ("points",), "PLUS_MINUS": ("plusMinusPoints",),
}  # fmt: skip
#: Places are tenths of a foot from the basket; ``x`` is positive to the right of who faces it.
FEET_TENTH_M = 0.03048
#: Ids from here on are teams'.
TEAMS_FROM = 1_600_000_000
#: EVENTMSGACTIONTYPE of fouls that the box score does not count as personal: technicals of all kinds, double
#: technicals, defensive three seconds, delay, taunting, excess timeout, too many players.
NOT_PERSONAL = (11, 12, 13, 16, 17, 18, 19, 25, 30)
DOUBLE_PERSONAL = 10
#: EVENTMSGACTIONTYPE of the free throw for a technical foul.
TECHNICAL_SHOT = 16
#: EVENTMSGTYPE that say nothing for us: rebounds aside, violations, ejections, replays, stoppages, other.
IGNORED = (0, 7, 11, 18, 20)

#: Columns of :func:`coded_plays`.
ACTIONS: dict[str, pl.DataType] = {
    "game": pl.String(),
    "period": pl.Int8(),
    "clock_s": pl.Float64(),
    "type": pl.Int32(),
    "action": pl.Int32(),
    "made": pl.Boolean(),
    "value": pl.Int8(),
    "text": pl.String(),
    "team": pl.String(),
    "p1": pl.String(),
    "p2": pl.String(),
    "p3": pl.String(),
    "name1": pl.String(),
    "name2": pl.String(),
    "name3": pl.String(),
    "x_m": pl.Float32(),
    "y_m": pl.Float32(),
}


def coded_plays(actions: pl.DataFrame, sides: pl.DataFrame) -> pl.DataFrame:
    """Rows of :func:`plays.assemble` from coded actions.

    Args:
        actions: columns :data:`ACTIONS`, in the order of the source, one game after another. ``p1`` acts;
            ``p2`` assists, steals, is fouled or comes in; ``p3`` blocks. ``team`` is that of ``p1``.
        sides: ``game_id, home_team_id, away_team_id``.
    """
    kind = pl.col("type")
    usual = (
        actions.filter(pl.col("team").is_not_null() & person("p1").is_not_null())
        .group_by("game", "p1")
        .agg(usual=pl.col("team").mode().sort().first())
    )
    rows = (
        actions.join(usual, on=["game", "p1"], how="left", maintain_order="left")
        .with_columns(team=pl.coalesce("team", "usual"))
        .with_columns(
            game_id=identifier("game", "nba"),
            team_id=identifier("team", "nba"),
            play=pl.int_range(pl.len()),
            p1=person("p1"),
            p2=person("p2"),
            p3=person("p3"),
        )
        .join(sides, on="game_id", how="left", maintain_order="left")
        .with_columns(
            other=pl.when(pl.col("team_id") == pl.col("home_team_id"))
            .then("away_team_id")
            .when(pl.col("team_id") == pl.col("away_team_id"))
            .then("home_team_id")
        )
    )
    miss = (
        pl.when(kind.is_in([1, 2, 3])).then(
            pl.when(pl.col("made").fill_null(True)).then(pl.lit("")).otherwise("team_id")
        )
    ).forward_fill().over("game_id", "period")  # fmt: skip
    # The text counts the player's rebounds so far; where that does not add up, the last miss tells.
    counted = pl.col("text").str.extract_groups(r"\(Off:(\d+) Def:(\d+)\)")
    more = [
        (now - now.forward_fill().shift(1).over("game_id", "p1").fill_null(0))
        for now in (counted.struct[n].cast(pl.Int32, strict=False) for n in (0, 1))
    ]
    offensive = (
        pl.when((more[0] == 1) & (more[1] == 0))
        .then(True)
        .when((more[0] == 0) & (more[1] == 1))
        .then(False)
        .otherwise((miss == pl.col("team_id")).fill_null(False))
    )
    shot = kind.is_in([1, 2])
    first = (
        pl.when(shot)
        .then(pl.lit("field_goal"))
        .when(kind == 3)
        .then(pl.lit("free_throw"))
        .when((kind == 4) & offensive)
        .then(pl.lit("offensive_rebound"))
        .when(kind == 4)
        .then(pl.lit("defensive_rebound"))
        .when(kind == 5)
        .then(pl.lit("turnover"))
        .when((kind == 6) & ~pl.col("action").is_in(NOT_PERSONAL))
        .then(pl.lit("foul"))
        .when((kind == 8) & pl.col("p1").is_not_null())
        .then(pl.lit("sub_out"))
        .when(kind == 9)
        .then(pl.lit("timeout"))
        .when(kind == 10)
        .then(pl.lit("jump_ball"))
        .when(kind == 12)
        .then(pl.lit("period_start"))
        .when(kind == 13)
        .then(pl.lit("period_end"))
    )
    personal = (kind == 6) & ~pl.col("action").is_in(NOT_PERSONAL)
    double = personal & (pl.col("action") == DOUBLE_PERSONAL)
    second = (
        pl.when((kind == 1) & pl.col("made"))
        .then(pl.lit("assist"))
        .when(kind == 5)
        .then(pl.lit("steal"))
        .when(double)
        .then(pl.lit("foul"))
        .when(personal)
        .then(pl.lit("foul_drawn"))
        .when(kind == 8)
        .then(pl.lit("sub_in"))
    )
    same_team = kind.is_in([1, 8])
    # A team rebound after the first of two free throws, or at the buzzer, is the scorer's bookkeeping;
    # it counts for nobody, and ends or keeps a possession only where the miss was live.
    plays = [
        rows.with_columns(
            kind=first,
            player_id="p1",
            name="name1",
            part=pl.lit(0),
            technical=((kind == 3) & (pl.col("action") == TECHNICAL_SHOT))
            | ((kind == 6) & pl.col("action").is_in(NOT_PERSONAL)),
        ),
        rows.filter((kind == 2) & pl.col("p3").is_not_null()).with_columns(
            kind=pl.lit("blocked"), player_id="p1", name="name1", part=pl.lit(1)
        ),
        rows.filter(pl.col("p2").is_not_null()).with_columns(
            kind=second,
            player_id="p2",
            name="name2",
            team_id=pl.when(same_team).then("team_id").otherwise("other"),
            part=pl.lit(2),
        ),
        rows.filter((kind == 2) & pl.col("p3").is_not_null()).with_columns(
            kind=pl.lit("block"), player_id="p3", name="name3", team_id="other", part=pl.lit(3)
        ),
    ]
    known = kind.is_in([1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13, *IGNORED])
    return (
        pl.concat(plays, how="diagonal")
        .sort("play", "part")
        .with_columns(
            unknown=pl.when(~known & (pl.col("part") == 0)).then(
                pl.format("EVENTMSGTYPE {}", kind)
            ),
            wall_time=pl.lit(None),
        )
        .drop("wall_time")
    )


def in_order(rows: pl.DataFrame, number: str) -> pl.DataFrame:
    """Rows of games whose rows are in no order of time (sorted as text, or shuffled) by clock and number.

    Args:
        rows: with ``game, period, clock_s``.
        number: column with the number of the event, which grows with time for rows at one clock.
    """
    back = pl.any_horizontal(
        (pl.col("clock_s").diff() > SLACK_S).over("game", "period"),
        (pl.col("period").diff() < 0).over("game"),
    )
    mixed = back.fill_null(False).mean().over("game") > MANY_BACK
    keys = [pl.when(mixed).then(key) for key in (pl.col("period"), -pl.col("clock_s"), number)]
    return rows.sort("game", *keys, maintain_order=True)


def person(column: str) -> pl.Expr:
    """A player's id; null for teams, 0 and what is no number."""

    def clean(given: pl.Expr) -> pl.Expr:
        bare = given.str.strip_chars().str.replace(r"\.0+$", "")
        number = bare.cast(pl.Int64, strict=False)
        return pl.when((number > 0) & (number < TEAMS_FROM)).then("nba" + number.cast(pl.String))

    return per_value(pl.col(column), clean)


def minutes_s(column: str) -> pl.Expr:
    """Seconds of ``36:42``, ``41.000000:19`` or ``PT20M46.00S``; null of others."""

    def seconds(given: pl.Expr) -> pl.Expr:
        told = given.str.strip_chars()
        clock = told.str.extract_groups(r"^(\d+)(?:\.0*)?:(\d{1,2}(?:\.\d+)?)$")
        iso = told.str.extract_groups(r"^PT(\d+)M(\d+(?:\.\d+)?)S$")
        return pl.coalesce(
            clock.struct[0].cast(pl.Float64) * 60 + clock.struct[1].cast(pl.Float64),
            iso.struct[0].cast(pl.Float64) * 60 + iso.struct[1].cast(pl.Float64),
        )

    return per_value(pl.col(column), seconds, pl.Float64)


def whole(column: str) -> pl.Expr:
    """A whole number, also one that is written ``7.0``; null where it is none."""
    return decimal(column).cast(pl.Int64, strict=False)


def game_key(column: str) -> pl.Expr:
    """A game id with the zeros that number columns lose."""

    def clean(given: pl.Expr) -> pl.Expr:
        bare = given.str.strip_chars().str.replace(r"\.0+$", "")
        filled = pl.when(bare.str.contains(r"^\d+$")).then(bare.str.zfill(10)).otherwise(bare)
        return pl.when(given.str.strip_chars() != "").then(filled)

    return per_value(pl.col(column), clean)


def with_game_id(frame: pl.DataFrame, column: str, path: Path) -> pl.DataFrame:
    """The table with its game ids filled up; one that has none is named by its game.

    Raises:
        BadInputError: neither rows nor the file's name tell the game.
    """
    named = pl.Series([path.stem]).str.extract(GAME_ID)[0]
    frame = frame.with_columns(
        pl.coalesce(game_key(column), pl.lit(named, pl.String)).alias(column)
    )
    if frame[column].null_count():
        row = frame[column].is_null().arg_max()
        allowed = "an id of ten digits here, or in the file's name"
        raise BadInputError([Problem(str(path), row, column, "nothing", allowed)])
    return frame


def read_columns(
    path: Path,
    seen: Peek,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    also: Mapping[str, Sequence[str]] | None = None,
) -> pl.DataFrame:
    """Columns of a table, or of the records of a JSON file, as text, however they are spelt.

    Raises:
        BadInputError: a damaged file, or a needed column is not there.
    """
    if seen.kind != "json":
        frame: pl.DataFrame = read_table(path, needed, optional, also or {})
        return frame
    content = load_json(path)
    lists = [content, *content.values()] if isinstance(content, dict) else [content]
    best: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    for items in lists:
        records = [r for r in items if isinstance(r, dict)] if isinstance(items, list) else []
        found = find_columns(
            {k: None for r in records for k in r}, (*needed, *optional), also or {}
        )
        if len(found) > len(best):
            best, rows = found, records
    missing = [column for column in needed if column not in best]
    if missing:
        allowed = ", ".join(needed)
        raise BadInputError(Problem(str(path), None, c, "no such key", allowed) for c in missing)
    return pl.DataFrame(
        {
            c: [None if r.get(best[c]) is None else str(r[best[c]]) for r in rows]
            if c in best
            else [None] * len(rows)
            for c in (*needed, *optional)
        },
        schema=dict.fromkeys((*needed, *optional), pl.String),
    )


def is_box(seen: Peek) -> bool:
    """Whether a table is a traditional box score, of any version."""
    return seen.like(BOX, BOX_NAMES)


def read_box(path: Path, seen: Peek) -> pl.DataFrame:
    """A box score's table, for :func:`box_lines`."""
    frame = read_columns(path, seen, BOX, BOX_DETAILS, BOX_NAMES)
    return with_game_id(frame.filter(text("PLAYER_ID").is_not_null()), "GAME_ID", path)


def box_lines(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows for ``assemble(box=...)`` from a traditional box score's columns, as text.

    Those of :data:`BOX` and :data:`BOX_DETAILS`. Minutes without seconds are not told exactly enough.
    """

    def count(column: str) -> pl.Expr:
        return rounded(column, pl.Int16)

    seconds = minutes_s("MIN")
    played = text("MIN").is_not_null() & (seconds.is_null() | (seconds > 0))
    has_starters = text("START_POSITION").is_not_null().any().over("GAME_ID")
    return frame.select(
        game_id=pl.concat_str([pl.lit("nba"), game_key("GAME_ID")]),
        team_id=identifier("TEAM_ID", "nba"),
        player_id=person("PLAYER_ID"),
        name=text("PLAYER_NAME"),
        starter=pl.when(has_starters).then(text("START_POSITION").is_not_null()),
        seconds_played=pl.when(played).then(seconds).otherwise(0.0),
        plus_minus=pl.when(played).then(count("PLUS_MINUS")),
        points=count("PTS"),
        field_goals_2_made=count("FGM") - count("FG3M"),
        field_goals_2_tried=count("FGA") - count("FG3A"),
        field_goals_3_made=count("FG3M"),
        field_goals_3_tried=count("FG3A"),
        free_throws_made=count("FTM"),
        free_throws_tried=count("FTA"),
        offensive_rebounds=count("OREB"),
        defensive_rebounds=count("DREB"),
        assists=count("AST"),
        steals=count("STL"),
        turnovers=count("TO"),
        blocks=count("BLK"),
        fouls_made=count("PF"),
    )


def transcripts(
    source: str,
    games: pl.DataFrame,
    plays: pl.DataFrame,
    options: ImportOptions,
    where: str,
    *,
    box: pl.DataFrame | None = None,
    people: pl.DataFrame | None = None,
    notes: Sequence[str] = (),
    known: Mapping[str, tuple[str, int]] | None = None,
) -> Iterator[Transcript]:
    """Yield a transcript for each league and season, by the game ids.

    Args:
        source: provider.
        games: ``game_id`` (with ``nba`` before it) and what else ``assemble`` takes.
        plays: rows for ``assemble``.
        options: what a person says.
        where: file to name in errors.
        box: official lines.
        people: what is known of the players.
        notes: what was odd in the files.
        known: game id -> league and first year of the season, where the id does not tell them.

    Raises:
        BadInputError: a game id that tells no league.
    """
    places: dict[str, tuple[str, int]] = {}
    problems = []
    for game in games["game_id"].unique().sort():
        bare = str(game).removeprefix("nba")
        if known and game in known:
            places[game] = known[game]
        elif len(bare) == 10 and bare.isdigit() and bare[:2] in LEAGUES:
            year = int(bare[3:5])
            places[game] = (LEAGUES[bare[:2]], (1900 if year >= 40 else 2000) + year)
        elif options.league and options.season:
            places[game] = (options.league, 2000 + int(options.season[:2]))
        else:
            allowed = "ten digits that start with 00 (NBA), 10 (WNBA) or 20 (G League)"
            problems.append(Problem(where, None, "game id", repr(bare), allowed))
    if problems:
        raise BadInputError(problems, hint="Or give --league and --season.")
    for place in sorted(set(places.values())):
        mine = pl.Series([game for game, at in places.items() if at == place])
        here = pl.col("game_id").is_in(mine.implode())
        league, gender, region = options.place(place[0])
        rows = plays.filter(here)
        usual = PERIOD_S.get(place[0], 720.0)
        part = games.filter(here).join(
            _lengths(rows, usual), on="game_id", how="left", maintain_order="left"
        )
        yield assemble(
            source,
            league,
            options.season or season_name(place[1]),
            part,
            rows,
            gender=gender,
            region=region,
            box=None if box is None else box.filter(here),
            people=people,
            free_throws_at_foul=True,
            flags=_fouls_of_nobody(rows),
            notes=notes,
        )


def _fouls_of_nobody(plays: pl.DataFrame) -> pl.DataFrame:
    """Flags of games in which some personal fouls lack who was fouled, where fouls of the game tell it."""
    kind = pl.col("kind")
    return (
        plays.filter(kind.is_in(["foul", "foul_drawn"]))
        .group_by("game_id", "play")
        .agg(alone=pl.len() == 1)
        .group_by("game_id")
        .agg(pl.col("alone").sum(), pl.len())
        .filter(pl.col("alone").is_between(1, pl.col("len") // 2))
        .select(
            "game_id",
            pl.lit("fouls drawn").alias("check"),
            pl.lit("note").alias("scope"),
            counted_expr(
                "alone",
                "personal foul does not tell who was fouled",
                "personal fouls do not tell who was fouled",
            ).alias("reason"),
        )
        .sort("game_id")
    )


def _lengths(plays: pl.DataFrame, usual: float) -> pl.DataFrame:
    """How many periods and how long, by the rows that start them; else by the clocks.

    Returns:
        ``game_id, periods, period_s, overtime_s``.
    """
    clock, period = pl.col("clock_s"), pl.col("period")
    starts = (pl.col("kind") == "period_start") & (clock > 0)
    told = clock.filter(starts & (period == 1) & clock.is_in(PERIODS_S)).first()
    above = [(clock > s).sum() >= MANY_CLOCKS for s in PERIODS_S]
    longer = pl.when(above[1]).then(PERIODS_S[2]).when(above[0]).then(PERIODS_S[1])
    overtime = clock.filter(starts & (period > pl.col("periods")) & (clock <= OVERTIME_S)).first()
    rows = plays.with_columns(
        period_s=pl.coalesce(told, pl.max_horizontal(longer, usual)).over("game_id")
    )
    rows = rows.with_columns(
        periods=pl.when(pl.col("period_s") == PERIODS_S[-1]).then(2).otherwise(4)
    )
    return rows.group_by("game_id").agg(
        pl.col("periods", "period_s").first(), overtime_s=overtime.fill_null(OVERTIME_S)
    )


def rows_of(result: Any, path: str) -> pl.DataFrame:
    """A result set (``headers`` and ``rowSet``) as a frame of text.

    Raises:
        BadInputError: it is no such thing.
    """
    headers = result.get("headers") if isinstance(result, dict) else None
    rows = result.get("rowSet") if isinstance(result, dict) else None
    if (
        not isinstance(headers, list)
        or not isinstance(rows, list)
        or not all(isinstance(row, list) and len(row) == len(headers) for row in rows)
    ):
        allowed = "a result set: headers, and rows as long as they"
        raise BadInputError([Problem(path, None, "rowSet", "another form", allowed)])
    columns = {str(header): n for n, header in enumerate(headers)}
    return pl.DataFrame(
        {
            header: [None if row[n] is None else str(row[n]) for row in rows]
            for header, n in columns.items()
        },
        schema=dict.fromkeys(columns, pl.String),
    )
