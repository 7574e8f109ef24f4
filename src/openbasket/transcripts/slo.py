"""Slovenian league, as scraped: ``play_by_play_*``, ``main_info`` and ``box_score_*`` tables, in Slovene.

Counting rules and defects: the clock counts up from 0:00 in each period; two-pointers made and
tried are swapped in the box score; its rows have no player id, so that they are joined by team and
name; ``Acted on X`` names who drew a foul; an offensive foul (``v napadu``) stands there as a turnover, its
foul in a row of its own; a blocked shot (``bil blokiran``) is a missed shot; rows of team fouls, team
rebounds and shot clock violations (in English or as nouns) name a team alone; what was entered after
the end stands in a period that was not played and belongs to the end of the last one; the buzzer reads 0:00,
after rows of its quarter or (to 2017) before the changes that start the next one's; overtimes may share the
fifth quarter, whose clock goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from openbasket.transcripts import ImportOptions, Transcript, scraped
from openbasket.transcripts.formats import Peek, peek
from openbasket.transcripts.names import (
    identifier,
    initial_and_last,
    normal_name,
    per_value,
    rounded,
    stat,
    text,
)
from openbasket.transcripts.plays import assemble
from openbasket.wording import counted

__all__ = ["FILES", "matches", "read"]

FILES = "play_by_play and main_info tables as scraped from the Slovenian league (and box_score)"
PERIOD_S, OVERTIME_S = 600.0, 300.0
MADE, MISSED, BLOCKED = "zadel za", "zgrešil met za", "bil blokiran ob metu za"
KINDS = {
    "prišel na igrišče": "sub_in",
    "odšel z igrišča": "sub_out",
    "pobral skok v obrambi": "defensive_rebound",
    "pobral skok v napadu": "offensive_rebound",
    "Skok v obrambi": "defensive_rebound",
    "Skok v napadu": "offensive_rebound",
    "podal": "assist",
    "ukradel žogo": "steal",
    "blokiral met": "block",
    "Part ends": "period_end",
}
CHANGES = ("prišel na igrišče", "odšel z igrišča")
TURNOVERS = (
    "slabo podal",
    "naredil napako v vodenju žoge",
    "naredil korake",
    "podal žogo v avt",
    "izgubil žogo",
    "naredil prekršek",  # 3, 5, 24 seconds, back court
    "naredil osebno napako v napadu",
    "Osebna napaka v napadu",
    "Iztek napada",
    "Prekršek",
    "Izgubljena žoga",
)
FOULS = (
    "naredil osebno napako",
    "naredil nešportno napako",
    "naredil tehnično napako",
    "naredil izključujočo napako",
)
IGNORED = ("Game ends", "Foul", "Technical foul", "Disqualifying foul", "Pridobljena žoga")


def matches(seen: Peek) -> bool:
    """Whether a file is one of the Slovenian league's tables."""
    kind = scraped.kind_of(seen)
    if kind == "plays":
        words = scraped.first_words(seen.path, "PLAY_TYPE")
        return bool(words & set(KINDS)) or any(w.startswith((MADE, MISSED)) for w in words)
    if kind == "box":
        teams = scraped.first_words(seen.path, "TEAM")
        return not seen.has("FG_PERC") and not teams <= {"H", "A"}
    return kind == "games" and seen.has("H_TEAM_COACH")


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each season.

    Raises:
        BadInputError: damaged files, no list of games, seasons that are no years.
    """
    tables = {
        name: table.with_columns(game_id=identifier("GAME_ID", "slo"))
        for name, table in scraped.load(files, [peek(file) for file in files]).items()
    }
    games = scraped.seasons(tables["games"], str(files[0].parent)).with_columns(
        home_team_id=identifier("H_TEAM_ID", "slo"),
        away_team_id=identifier("A_TEAM_ID", "slo"),
        _overtimes=pl.sum_horizontal(text(f"H_OT_{n}").is_not_null() for n in (1, 2, 3, 4)),
    )
    league, gender, region = options.place("slo")
    for (season,), part in games.sort("season").partition_by("season", as_dict=True).items():
        sides = part.select(
            "game_id", "home_team_id", "away_team_id", "home_team", "away_team", "_overtimes"
        )
        plays, box = (
            tables[name]
            .join(sides, on="game_id", maintain_order="left")
            .with_columns(text("TEAM"), name=text("PLAYER_NAME"))
            .with_columns(
                team_id=pl.when(pl.col("TEAM") == pl.col("home_team"))
                .then("home_team_id")
                .when(pl.col("TEAM") == pl.col("away_team"))
                .then("away_team_id"),
            )
            for name in ("plays", "box")
        )
        if plays.is_empty():
            continue
        plays = plays.with_columns(player_id=identifier("PLAYER_ID", "slo"))
        roster = _roster(plays)
        notes: list[str] = []
        yield assemble(
            "slo",
            league,
            options.season or str(season),
            part,
            _plays(plays, roster),
            gender=gender,
            region=region,
            box=_box(box, plays, roster, notes),
            notes=notes,
        )


def _each(column: str, clean: Callable[[str], str]) -> pl.Expr:
    return per_value(
        pl.col(column), lambda names: names.map_elements(clean, return_dtype=pl.String)
    )


def _roster(plays: pl.DataFrame) -> pl.DataFrame:
    """Who is whose id, by game, team and normalised name."""
    who = plays.filter(pl.col("player_id").is_not_null() & pl.col("name").is_not_null())
    return (
        who.select("game_id", "team_id", "player_id", "name")
        .unique(maintain_order=True)
        .with_columns(_name=_each("name", normal_name))
        .unique(["game_id", "team_id", "_name"], keep="first", maintain_order=True)
    )


def _plays(plays: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Rows with kind, player and clock."""
    plays = _timed(plays.with_columns(text("PLAY_TYPE")))
    plays = plays.hstack(_told(plays["PLAY_TYPE"]))
    # Rows that were entered after the last period stand in one that was not played.
    last = 4 + pl.col("_overtimes")
    after = pl.col("_quarter") > last
    period = pl.when(after).then(last).otherwise("_quarter").cast(pl.Int8)
    length = pl.when(period > 4).then(OVERTIME_S).otherwise(PERIOD_S)
    buzzer = after | pl.col("_buzzer")
    noted = pl.col("_foul") & pl.col("PLAY_NOTE").str.starts_with("Acted on ")
    plays = plays.with_columns(
        period=period,
        clock_s=pl.when(buzzer).then(0.0).otherwise(length - pl.col("_elapsed")),
        number=text("PLAYER_NUMBER"),
        _second=pl.when("_blocked").then(pl.lit("blocked")).when(noted).then(pl.lit("foul_drawn")),
        play=pl.int_range(pl.len()),
    )
    second = plays.drop_nulls("_second").with_columns(kind="_second")
    plays = pl.concat([plays, second]).sort("play", maintain_order=True)
    return _fouled(plays, roster).with_columns(play=_together())


def _told(words: pl.Series) -> pl.DataFrame:
    """What the type of a play says, for each row."""
    what = pl.col("PLAY_TYPE")
    made, missed, blocked = (what.str.starts_with(w) for w in (MADE, MISSED, BLOCKED))
    foul = _starts(what, FOULS) & ~what.str.ends_with("v napadu")  # that one is a turnover alone
    kind = (
        pl.when(what.str.contains("prosti met", literal=True))
        .then(pl.lit("free_throw"))
        .when(made | missed | blocked)
        .then(pl.lit("field_goal"))
        .when(foul)
        .then(pl.lit("foul"))
        .when(_starts(what, TURNOVERS))
        .then(pl.lit("turnover"))
        .otherwise(what.replace_strict(KINDS, default=None, return_dtype=pl.String))
    )
    table = (
        words.unique()
        .to_frame()
        .with_columns(
            kind=kind,
            made=what.str.starts_with("zadel"),
            value=what.str.extract(r" za (\d) ").cast(pl.Int8, strict=False),
            unknown=pl.when(~what.is_in(IGNORED) & kind.is_null()).then(what),
            _foul=foul,
            _blocked=blocked,
        )
    )
    rows = words.to_frame().join(
        table, on="PLAY_TYPE", how="left", nulls_equal=True, maintain_order="left"
    )
    return rows.drop("PLAY_TYPE")


def _timed(plays: pl.DataFrame) -> pl.DataFrame:
    """Add ``_quarter``, ``_elapsed`` (seconds of it) and ``_buzzer``: whether it is over."""
    here = "_part"
    plays = plays.with_columns(
        _part=pl.struct("game_id", "QUARTER").rank("dense"),
        _quarter=rounded("QUARTER"),
        _elapsed=(rounded("MINUTES") * 60 + rounded("SECONDS")).cast(pl.Float64),
        _change=pl.col("PLAY_TYPE").is_in(CHANGES).fill_null(False),
    )
    # The buzzer reads 0:00 as well: after rows of its quarter, or first of all in the next one's.
    zero = (pl.col("_elapsed") == 0).fill_null(False)
    plays = plays.with_columns(
        _begun=(pl.col("_elapsed") > 0).fill_null(False).cum_max().over(here),
        _changed=pl.col("_change").cum_max().over(here),
    ).with_columns(
        _before=zero & ~pl.col("_begun") & ~pl.col("_changed") & (pl.col("_quarter") > 1),
        _after=zero & pl.col("_begun"),
    )
    # All overtimes may stand in the first one's "quarter", where the clock goes on.
    shown = pl.col("_elapsed") - (~pl.col("_change")).cast(pl.Float64) / 2
    overtime = (shown // OVERTIME_S).clip(0).fill_null(0).cum_max().over(here).cast(pl.Int32)
    further = pl.when(pl.col("_quarter") > 4).then(overtime).otherwise(0)
    return plays.with_columns(
        _quarter=pl.col("_quarter") + further - pl.col("_before").cast(pl.Int32),
        _elapsed=pl.col("_elapsed") - further * OVERTIME_S,
        _buzzer=pl.col("_before") | pl.col("_after"),
    )


def _starts(what: pl.Expr, beginnings: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal(what.str.starts_with(b) for b in beginnings)


def _fouled(plays: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Rows ``foul_drawn`` belong to the player of the other team whom the note names."""
    drawn = pl.col("kind") == "foul_drawn"
    other = (
        pl.when(pl.col("team_id") == pl.col("home_team_id"))
        .then("away_team_id")
        .otherwise("home_team_id")
    )
    plays = plays.with_columns(
        team_id=pl.when(drawn).then(other).otherwise("team_id"),
        name=pl.when(drawn)
        .then(pl.col("PLAY_NOTE").str.strip_prefix("Acted on ").str.strip_chars())
        .otherwise("name"),
        number=pl.when(~drawn).then("number"),
    )
    ids = roster.select("game_id", "team_id", "_name", _drawn_by="player_id")
    return (
        plays.with_columns(_name=pl.when(drawn).then("name"))
        .with_columns(_name=_each("_name", normal_name))
        .join(ids, on=["game_id", "team_id", "_name"], how="left", maintain_order="left")
        .with_columns(player_id=pl.when(drawn).then("_drawn_by").otherwise("player_id"))
    )


def _together() -> pl.Expr:
    """Rows of one source row are one play, and so are a shot and what follows it at its instant."""
    main = pl.col("kind").is_in(["field_goal", "turnover"])
    follows = pl.col("kind").is_in(["assist", "block", "steal"])
    last = pl.when(main).then(pl.col("play")).forward_fill().over("game_id", "period")
    near = (pl.col("play") - last) <= 3
    return pl.when(follows & near).then(last).otherwise(pl.col("play"))


def _box(
    raw: pl.DataFrame, plays: pl.DataFrame, roster: pl.DataFrame, notes: list[str]
) -> pl.DataFrame:
    lines = raw.filter((text("TYPE") == "Player") & pl.col("name").is_not_null()).with_columns(
        _name=_each("name", normal_name)
    )
    keys = ["game_id", "team_id", "_name"]
    lines = lines.join(
        roster.select(*keys, "player_id"), on=keys, how="left", maintain_order="left"
    )
    # A name that a game spells in two ways: its initial and last name, where only one has them.
    short = _each("_name", initial_and_last)
    once = (
        roster.with_columns(_short=short)
        .filter(pl.len().over("game_id", "team_id", "_short") == 1)
        .select("game_id", "team_id", "_short", _by_short="player_id")
    )
    lines = lines.with_columns(_short=short).join(
        once, on=["game_id", "team_id", "_short"], how="left", maintain_order="left"
    )
    # Whoever played without a single row in this game may have one in another game of the season.
    season = roster.select("team_id", "_name", _season="player_id").unique(
        ["team_id", "_name"], keep="first", maintain_order=True
    )
    lines = lines.join(season, on=["team_id", "_name"], how="left", maintain_order="left")
    lines = lines.with_columns(player_id=pl.coalesce("player_id", "_by_short", "_season"))
    lost = lines.filter(pl.col("player_id").is_null() & (rounded("MINUTES") > 0))
    if lost.height:
        notes.append(
            counted(
                lost.height,
                "line of the box score names a player who is in no play",
                "lines of the box score name players who are in no play",
            )
        )
    starters = plays.filter(
        (text("PLAY_TYPE") == "prišel na igrišče")
        & (rounded("QUARTER") == 1)
        & (rounded("MINUTES") == 0)
        & (rounded("SECONDS") == 0)
    ).select("game_id", "player_id", starter=pl.lit(True))
    return lines.join(
        starters.unique(), on=["game_id", "player_id"], how="left", maintain_order="left"
    ).select(
        "game_id",
        "team_id",
        "player_id",
        "name",
        number=text("PLAYER_NUMBER"),
        starter=pl.col("starter").fill_null(False),
        seconds_played=(rounded("MINUTES") * 60 + rounded("SECONDS")).cast(pl.Float64),
        plus_minus=rounded("PLUS_MINUS", pl.Int16),
        points=stat("POINTS"),
        field_goals_2_made=stat("FG2_A"),  # swapped in the source
        field_goals_2_tried=stat("FG2_M"),
        field_goals_3_made=stat("FG3_M"),
        field_goals_3_tried=stat("FG3_A"),
        free_throws_made=stat("FT_M"),
        free_throws_tried=stat("FT_A"),
        offensive_rebounds=stat("REB_O"),
        defensive_rebounds=stat("REB_D"),
        assists=stat("ASS"),
        steals=stat("ST"),
        turnovers=stat("TO"),
        blocks=stat("BLC_FV"),
        fouls_made=stat("FLS_CM"),
        fouls_drawn=stat("FLS_RV"),
    )
