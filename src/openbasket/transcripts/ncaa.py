"""Play-by-play of stats.ncaa.org as the R package bigballR parses it (``get_play_by_play``), CSV or parquet.

The same table with the names that Python's sportsdataverse gives its columns (``game_id, period, clock,
event_type, player_1, home_1``) is read too. Every row has the ten players on court (``Home.1`` … ``Away.5``),
from which the substitutions are made; files without them are read with their ``Enters Game`` and ``Leaves
Game`` rows. Nobody has an id: a player is team and name (``FIRST.LAST``). The second player of a made shot
assisted; blocks, steals and drawn fouls have rows of their own. No file of this format was at hand: the
reader follows the package's code and was tested on made-up games alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, peek, read_table
from openbasket.transcripts.names import identifier, normal_name, slug, text
from openbasket.transcripts.plays import assemble, blocks_of_shots, clock_seconds, season_name

__all__ = ["FILES", "matches", "read"]

FILES = "bigballR play-by-play (ID, Date, Home, Away, Half_Status, Time, Event_Type, Player_1, ...)"
PLAYS = (
    "ID", "Home", "Away", "Half_Status", "Time", "Event_Team", "Player_1", "Event_Type",
)  # fmt: skip
ON_COURT = tuple(f"{side}.{n}" for side in ("Home", "Away") for n in range(1, 6))
DETAILS = (
    "Date", "Player_2", "Event_Result", "Shot_Value", "Event_Description", "Home_Score", "Away_Score",
)  # fmt: skip
#: Names of the columns in other tools -> bigballR's; points and capitals do not count.
ALIASES = {"game_id": "ID", "game_date": "Date", "period": "Half_Status", "clock": "Time"}
#: Words of an event's type -> kind; the first that fits counts.
KINDS = {
    r"jump ?ball|challenge|dead ?ball|media": "",
    r"free throw": "free_throw",
    r"offensive rebound": "offensive_rebound",
    r"defensive rebound": "defensive_rebound",
    r"jumper|jump ?shot|lay-?up|dunk|hook|\btip": "field_goal",
    r"assist": "assist",
    r"turnover": "turnover",
    r"steal": "steal",
    r"block": "block",
    r"draw|foul on": "foul_drawn",
    r"foul": "foul",
    r"enters": "sub_in",
    r"leaves": "sub_out",
    r"time ?out": "timeout",
    r"game|period|start|\bend\b|clock|review|video": "",
}
#: Names that stand for a team, or for nobody.
NOBODY = r"(?i)^\W*(?:team\b.*|na|no_player)?\W*$"


def matches(seen: Peek) -> bool:
    """Whether a file is bigballR's."""
    return _columns(seen).keys() >= set(PLAYS)


def _columns(seen: Peek) -> dict[str, str]:
    """The column that we read -> its name in the file."""
    ours = {name.lower().replace(".", "_"): name for name in (*PLAYS, *DETAILS, *ON_COURT)}
    ours |= ALIASES
    plain = {name: name.lower().replace(".", "_") for name in sorted(seen.keys)}
    return {ours[short]: name for name, short in plain.items() if short in ours}


def _read(file: Path) -> pl.DataFrame:
    names = _columns(peek(file))
    rest = (*DETAILS, *ON_COURT)
    table = read_table(
        file, [names.get(c, c) for c in PLAYS], [names[c] for c in rest if c in names]
    )
    return table.select(
        pl.col(names[c]).alias(c) if c in names else pl.lit(None, pl.String).alias(c)
        for c in (*PLAYS, *rest)
    )


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each season.

    Raises:
        BadInputError: damaged files, games without date where no season is given.
    """
    raw = pl.concat(_read(file).with_columns(file=pl.lit(n)) for n, file in enumerate(files))
    raw = _once(raw.with_columns(game_id=identifier("ID", "ncaa")))
    raw = raw.with_row_index("play").with_columns(
        home=text("Home"),
        away=text("Away"),
        period=text("Half_Status").cast(pl.Float64, strict=False).cast(pl.Int8, strict=False),
        clock_s=clock_seconds(text("Time")),
    )
    games = _games(raw, options, str(files[0].parent))
    raw = raw.join(
        games.select("game_id", "home_team_id", "away_team_id"), on="game_id", maintain_order="left"
    )
    names = pl.concat(raw[c] for c in ("Player_1", "Player_2", *ON_COURT)).drop_nulls().unique()
    keys = {
        name: slug(name.replace(".", " "))
        for name in names
        if normal_name(name) and not re.match(NOBODY, name)
    }
    plays = pl.concat([_plays(raw, keys), _changes(raw, keys)], how="diagonal_relaxed").sort(
        "play", "part", maintain_order=True
    )  # fmt: skip
    starters = _starters(raw, keys)
    for (season,), part in games.sort("season").partition_by("season", as_dict=True).items():
        halves = part["periods"].eq(2).sum() * 2 > part.height
        league = options.league or ("ncaa-men" if halves else "ncaa-women")
        key, gender, region = options.place(league)
        notes = [] if options.league else [f"the files name no league; taken for {league}"]
        mine = part.select("game_id")
        yield assemble(
            "ncaa",
            key,
            str(season),
            part,
            plays.join(mine, on="game_id", how="semi", maintain_order="left").drop("play", "part"),
            gender=gender,
            region=region,
            box=starters.join(mine, on="game_id", how="semi", maintain_order="left"),
            notes=notes,
        )


def _once(raw: pl.DataFrame) -> pl.DataFrame:
    """The rows of each game once: both teams' files, and tables made of these, have it again."""
    raw = raw.filter(pl.col("file") == pl.col("file").min().over("game_id"))
    rows = pl.struct(PLAYS, "Event_Description", "Home_Score", "Away_Score").hash()
    found = raw.group_by("game_id", maintain_order=True).agg(rows=rows)
    once = {
        game: next(
            (len(all_) // n for n in (4, 3, 2) if len(all_) % n == 0 and all_ == all_[: len(all_) // n] * n),
            len(all_),
        )
        for game, all_ in found.rows()
    }  # fmt: skip
    length = pl.col("game_id").replace_strict(once, default=0, return_dtype=pl.Int64)
    return raw.filter(pl.int_range(pl.len()).over("game_id") < length)


def _games(raw: pl.DataFrame, options: ImportOptions, where: str) -> pl.DataFrame:
    date = pl.coalesce(
        text("Date").str.to_date("%m/%d/%Y", strict=False),
        text("Date").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False),
    )
    games = raw.group_by("game_id", maintain_order=True).agg(
        pl.col("home", "away").drop_nulls().first(),
        date=date.drop_nulls().first(),
        longest=pl.col("clock_s").max(),
        home_score=text("Home_Score").cast(pl.Float64, strict=False).max().cast(pl.Int16, strict=False),
        away_score=text("Away_Score").cast(pl.Float64, strict=False).max().cast(pl.Int16, strict=False),
    )  # fmt: skip
    start = pl.col("date").dt.year() - (pl.col("date").dt.month() < 8).cast(pl.Int32)
    years = {
        year: season_name(year) for year in games.select(start).to_series().drop_nulls().unique()
    }
    season = start.replace_strict(years, default=None, return_dtype=pl.String)
    games = games.with_columns(season=pl.lit(options.season) if options.season else season)
    needed = {
        "game_id": "a number",
        "home": "a name",
        "away": "a name",
        "season": "a Date, or --season",
    }
    problems = [
        Problem(where, None, column, f"none in game {name}", allowed)
        for column, allowed in needed.items()
        for name in games.filter(pl.col(column).is_null())["game_id"]
    ]
    if problems:
        raise BadInputError(problems)
    halves = pl.col("longest") > 600
    return games.select(
        "game_id", "date", "season", "home_score", "away_score",
        home_team="home",
        away_team="away",
        periods=pl.when(halves).then(2).otherwise(4),
        period_s=pl.when(halves).then(1200.0).otherwise(600.0),
        overtime_s=300.0,
        **{
            f"{side}_team_id": pl.col(side).map_elements(
                lambda name: f"ncaa-{slug(name)}", return_dtype=pl.String
            )
            for side in ("home", "away")
        },
    )  # fmt: skip


def _player(name: str, team: str | pl.Expr, keys: dict[str, str]) -> pl.Expr:
    key = pl.col(name).replace_strict(keys, default=None, return_dtype=pl.String)
    return pl.concat_str([team, pl.lit("-"), key])


def _pretty(name: str) -> pl.Expr:
    """``MARCUS.GARRETT`` → ``Marcus Garrett``."""
    return text(name).str.replace_all(".", " ", literal=True).str.to_titlecase()


def _plays(raw: pl.DataFrame, keys: dict[str, str]) -> pl.DataFrame:
    """The rows of plays; without those of substitutions where the ten on court are there."""
    said = text("Event_Type").str.to_lowercase().fill_null("")
    kind = pl.lit(None, pl.String)
    for pattern, name in reversed(KINDS.items()):
        kind = pl.when(said.str.contains(pattern)).then(pl.lit(name)).otherwise(kind)
    listed = pl.any_horizontal(pl.col(ON_COURT).is_in(list(keys))).any().over("game_id")
    kind = pl.when(listed & kind.is_in(["sub_in", "sub_out"])).then(pl.lit("")).otherwise(kind)
    result = text("Event_Result").str.to_lowercase()
    told = pl.coalesce(result, text("Event_Description").str.to_lowercase())
    value = text("Shot_Value").cast(pl.Float64, strict=False).cast(pl.Int8, strict=False)
    three = said.str.contains("three|3pt|3 pt")
    at_home = text("Event_Team") == pl.col("home")
    away = text("Event_Team") == pl.col("away")
    team = pl.when(at_home).then("home_team_id").when(away).then("away_team_id")
    rows = raw.with_columns(kind=kind, team_id=team).with_columns(
        made=pl.when(pl.col("kind").is_in(["field_goal", "free_throw"])).then(
            told.str.contains(r"\bmade\b|\bgood\b")
        )
    )
    shared = ("game_id", "play", "period", "clock_s")
    main = rows.select(
        *shared, "team_id", "made",
        kind=pl.when(pl.col("kind") != "").then("kind"),
        player_id=_player("Player_1", "team_id", keys),
        name=_pretty("Player_1"),
        value=pl.when(pl.col("kind") == "field_goal").then(
            pl.when(value.is_in([2, 3])).then(value).when(three).then(3).otherwise(2)
        ),
        unknown=pl.when(pl.col("kind").is_null() & (said != "")).then(text("Event_Type")),
        part=pl.lit(1),
    )  # fmt: skip
    own_rows = (pl.col("kind") == "assist").any().over("game_id")
    second = _player("Player_2", "team_id", keys)
    helped = rows.filter(second.is_not_null() & ~own_rows)
    scored = (pl.col("kind") == "field_goal") & pl.col("made").fill_null(False)
    extra = helped.select(
        *shared,
        kind=pl.when(scored).then(pl.lit("assist")),
        unknown=pl.when(~scored).then(pl.lit("Player_2 without a made shot")),
        team_id="team_id",
        player_id=second,
        name=_pretty("Player_2"),
        part=pl.lit(2),
    )
    plays = pl.concat([main, extra], how="diagonal_relaxed").sort(
        "play", "part", maintain_order=True
    )
    return blocks_of_shots(plays, shared)


def _on_court(raw: pl.DataFrame, keys: dict[str, str]) -> pl.DataFrame:
    """One row a play and side in which five different players are listed: ``five`` of ids."""
    sides = []
    for side in ("Home", "Away"):
        team = f"{side.lower()}_team_id"
        five = pl.concat_list(_player(f"{side}.{n}", team, keys) for n in range(1, 6))
        sides.append(
            raw.select(
                "game_id", "play", "period", "clock_s",
                team_id=team,
                five=five.list.drop_nulls().list.unique(),
            )
        )  # fmt: skip
    return (
        pl.concat(sides)
        .filter(pl.col("five").list.len() == 5)
        .sort("game_id", "team_id", "play", maintain_order=True)
    )


def _changes(raw: pl.DataFrame, keys: dict[str, str]) -> pl.DataFrame:
    """Who is on court in a row and was not in the one before came in, and the other way round."""
    court = _on_court(raw, keys).with_columns(
        before=pl.col("five").shift(1).over("game_id", "team_id")
    )
    court = court.drop_nulls("before")
    shared = ("game_id", "play", "period", "clock_s", "team_id")
    moves = [
        court.select(
            *shared,
            kind=pl.lit(name),
            player_id=pl.col(one).list.set_difference(pl.col(two)),
            part=pl.lit(0),
        ).explode("player_id")
        for name, one, two in (("sub_out", "before", "five"), ("sub_in", "five", "before"))
    ]
    return pl.concat(moves).drop_nulls("player_id")


def _starters(raw: pl.DataFrame, keys: dict[str, str]) -> pl.DataFrame:
    return (
        _on_court(raw, keys)
        .unique(["game_id", "team_id"], keep="first", maintain_order=True)
        .select("game_id", "team_id", player_id="five", starter=pl.lit(True))
        .explode("player_id")
    )
