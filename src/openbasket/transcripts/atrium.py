"""Atrium (Genius): ``fixture_detail`` JSON, as the French LNB and others serve it, and the same as tables.

Table: a row for each event (``EVENT_TYPE, EVENT_SUBTYPE, CLOCK`` as ``PT7M25S``), beside it a list of
games with ``final_home, final_away``. Overtimes are periods 11, 12 ...; starters are not told. An event's
id is a UUID of version 1: its time stamp is when the scorer entered it, in UTC. Rows that were corrected
later, minutes or months after, bear the time of the correction: an instant that lies far from those of
the events around it in game clock is dropped. Places are percent of the court's length and width; threes
lie at a median of 7.5 m and layups at 1.1 m, but whether the width runs left or right is not told. Fouls of
coaches and benches are no player's.

Some games of such tables come without subtypes, ids of players and success, their clock in seconds: what
happened is then read from the French ``DESCRIPTION``, who did it from the name, what went in from the score.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, load_json, peek, read_table
from openbasket.transcripts.names import (
    decimal,
    identifier,
    normal_name,
    per_value,
    slug,
    text,
    whole,
)
from openbasket.transcripts.places import from_court
from openbasket.transcripts.plays import (
    assemble,
    iso_clock_seconds,
    season_name,
    sides_from_scores,
)
from openbasket.wording import counted

__all__ = ["FILES", "matches", "read"]

FILES = "Atrium fixture_detail JSON, or a table with EVENT_TYPE, EVENT_SUBTYPE, CLOCK and PERIOD_ID"
PLAYS = (
    "GAME_ID", "EVENT_ID", "PERIOD_ID", "CLOCK", "EVENT_TYPE", "EVENT_SUBTYPE", "PLAYER_ID", "TEAM_ID",
    "SUCCESS", "HOME_SCORE", "AWAY_SCORE",
)  # fmt: skip
DETAILS = (
    "PLAYER_NAME",
    "PLAYER_JERSEY",
    "X_COORD",
    "Y_COORD",
    "_league",
    "_season_start",
    "LEAGUE",
    "DESCRIPTION",
    "_periods",
)
GAMES = ("GAME_ID", "final_home", "final_away")
GAME_DETAILS = ("home_team_id", "home_team_name", "away_team_id", "away_team_name", "game_date")
LENGTHS = ("periods", "period_s", "overtime_s")
KINDS = {
    "2pt": "field_goal",
    "3pt": "field_goal",
    "freeThrow": "free_throw",
    "assist": "assist",
    "steal": "steal",
    "block": "block",
    "turnover": "turnover",
    "timeOut": "timeout",
    "jumpBall": "jump_ball",
}
WITH_SUBTYPE = {
    ("rebound", "offensive"): "offensive_rebound",
    ("rebound", "defensive"): "defensive_rebound",
    ("substitution", "in"): "sub_in",
    ("substitution", "out"): "sub_out",
    ("foul", "drawn"): "foul_drawn",
    ("period", "start"): "period_start",
    ("period", "end"): "period_end",
}
#: How the kinds of fouls begin that are charged to the coach or the bench.
NOT_A_PLAYERS_FOUL = r"^(?:coach|bench)"
#: What a description has where the subtype is missing.
DESCRIBED = {
    "(?i)^rebond offensif": "offensive",
    "(?i)^rebond d[ée]fensif": "defensive",
    "(?i)^remplacement entrant": "in",
    "(?i)^remplacement sortant": "out",
    "(?i)^faute provoqu": "drawn",
    "(?i)^faute .*coach": "coach",
    "(?i)^faute .*banc": "bench",
}
IGNORED = ("period", "fixture", "possession", "videoReview", "challenge", "reversal", "game")
POINTS = {"2pt": 2, "3pt": 3, "freeThrow": 1}
REGULAR, FIRST_OVERTIME = 4, 11
#: UUID time stamps count from 15 October 1582 in units of 100 ns.
UUID_EPOCH = 122_192_928_000_000_000
#: Events around an event, and how far from their median its instant may lie.
AROUND, FAR_S = 21, 180
YEAR = re.compile(r"\b20\d\d(?:\s*[-/]\s*(?:20)?\d\d)?\b")


def matches(seen: Peek) -> bool:
    """Whether a file is of Atrium."""
    if seen.kind == "json":
        return seen.has("data.pbp") and seen.has("data.fixture")
    return seen.has(*PLAYS) or seen.has(*GAMES)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each league and season.

    Raises:
        BadInputError: damaged files; a league that the files do not name and nobody else does.
    """
    plays: list[pl.DataFrame] = []
    games: list[pl.DataFrame] = []
    for file in files:
        seen = peek(file)
        if seen.kind == "json":
            rows, game = _document(file, load_json(file))
            plays.append(rows)
            games.append(game)
        elif seen.has(*PLAYS):
            plays.append(read_table(file, PLAYS, DETAILS).select(*PLAYS, *DETAILS))
        else:
            table = read_table(file, GAMES, GAME_DETAILS)
            games.append(table.with_columns(date=text("game_date").str.slice(0, 10)))
    if not plays:
        return
    empty = sum(not frame.height for frame in plays)
    if empty == len(plays):
        raise BadInputError([Problem(str(files[0]), None, "data.pbp", "no events", FILES)])
    raw = pl.concat(plays)
    again = pl.struct("GAME_ID", "EVENT_ID").is_first_distinct()
    cleaned = _plays(_named(raw.filter(again | text("EVENT_ID").is_null())))
    cleaned = cleaned.with_columns(wall_time=_trusted_instants())
    listed = _games(cleaned, games)
    named = cleaned.group_by("game_id", maintain_order=True).agg(
        pl.col("_league").drop_nulls().first(),
        pl.col("_start").drop_nulls().first(),
        pl.col("wall_time").min(),
    )
    places = _places(named, options, str(files[0].parent))
    listed = listed.join(places, on="game_id")
    for (league, season), part in (
        listed.sort("_league", "season").partition_by("_league", "season", as_dict=True).items()
    ):
        key, gender, region = options.place(str(league))
        yield assemble(
            "atrium",
            key,
            str(season),
            part,
            cleaned.join(part.select("game_id"), on="game_id", how="semi", maintain_order="left"),
            gender=gender,
            region=region,
            notes=[
                counted(
                    empty,
                    "file has no events and is left out",
                    "files have no events and are left out",
                )
            ]
            if empty
            else [],
        )


def _places(named: pl.DataFrame, options: ImportOptions, where: str) -> pl.DataFrame:
    """League and season of each game."""
    rows, problems = [], []
    for game, league, start, first in named.rows():
        key = options.league or (league.replace("_", "-") if league else None)
        year = first.year - (first.month < 8) if first is not None else None
        season = options.season or (season_name(int(float(start))) if start else None)
        season = season or (season_name(year) if year else None)
        if key and season:
            rows.append((game, key, season))
        else:
            missing = "league" if not key else "season"
            problems.append(Problem(where, None, missing, f"none for game {game}", f"a {missing}"))
    if problems:
        raise BadInputError(problems, hint="Give --league and --season.")
    return pl.DataFrame(rows, schema=["game_id", "_league", "season"], orient="row")


def _named(raw: pl.DataFrame) -> pl.DataFrame:
    """Players without an id get that of their name in the team, else one from team and name."""
    names = raw["PLAYER_NAME"].drop_nulls().unique()
    plain = {name: key for name in names if (key := normal_name(name))}
    raw = raw.with_columns(
        PLAYER_ID=text("PLAYER_ID"),
        _key=pl.col("PLAYER_NAME").replace_strict(plain, default=None, return_dtype=pl.String),
    )
    ids = raw.drop_nulls(["PLAYER_ID", "_key", "TEAM_ID"]).group_by("TEAM_ID", "_key").agg(
        _known=pl.col("PLAYER_ID").first()
    )  # fmt: skip
    own = pl.concat_str([text("TEAM_ID"), pl.col("_key").str.replace_all(" ", "-")], separator="-")
    return raw.join(ids, on=["TEAM_ID", "_key"], how="left", maintain_order="left").with_columns(
        PLAYER_ID=pl.coalesce("PLAYER_ID", "_known", own)
    )


def _plays(raw: pl.DataFrame) -> pl.DataFrame:
    def described(given: pl.Expr) -> pl.Expr:
        words = (pl.when(given.str.contains(w)).then(pl.lit(s)) for w, s in DESCRIBED.items())
        return pl.coalesce(*words)

    untold = pl.when(text("EVENT_SUBTYPE").is_null()).then(text("DESCRIPTION"))
    raw = raw.with_columns(
        text("EVENT_ID"),
        text("PLAYER_ID"),
        _what=text("EVENT_TYPE"),
        _sub=pl.coalesce(text("EVENT_SUBTYPE"), per_value(untold, described)),
    )
    what, sub = pl.col("_what"), pl.col("_sub")
    both = pl.concat_str([what, sub.fill_null("")], separator="/")
    table = {f"{a}/{b}": kind for (a, b), kind in WITH_SUBTYPE.items()}
    kind = (
        pl.when(both.is_in(list(table)))
        .then(both.replace_strict(table, default=None, return_dtype=pl.String))
        .when((what == "foul") & ~sub.str.contains(NOT_A_PLAYERS_FOUL).fill_null(False))
        .then(pl.when(pl.col("PLAYER_ID").is_not_null()).then(pl.lit("foul")))
        .otherwise(what.replace_strict(KINDS, default=None, return_dtype=pl.String))
    )
    known = what.is_in([*KINDS, *IGNORED, "foul"]) | both.is_in(list(table))
    period, regular = whole("PERIOD_ID"), whole("_periods").fill_null(REGULAR)
    clock = text("CLOCK")
    goal = what.is_in(["2pt", "3pt"])
    points = what.replace_strict(POINTS, default=None, return_dtype=pl.Int32)
    success = text("SUCCESS").is_in(["true", "True", "TRUE", "1", "1.0"])
    total = whole("HOME_SCORE") + whole("AWAY_SCORE")
    rose = total - total.cum_max().shift(1).forward_fill().over("GAME_ID").fill_null(0) == points
    # Where nothing ever succeeds in a game, success is not told.
    told = success.any().over("GAME_ID")
    along, across = (decimal(f"{axis}_COORD") / 100 for axis in "XY")
    # The time stamp of a UUID of version 1: tttttttt-tttt-1ttt-...
    uuid = pl.col("EVENT_ID")
    first_version = (uuid.str.len_bytes() >= 36) & (uuid.str.slice(14, 1) == "1")
    stamp = pl.concat_str([uuid.str.slice(at, n) for at, n in ((15, 3), (9, 4), (0, 8))])
    ticks = pl.when(first_version).then(stamp).str.to_integer(base=16, strict=False)
    rows = raw.select(
        game_id=identifier("GAME_ID"),
        period=pl.when(period >= FIRST_OVERTIME)
        .then(period - FIRST_OVERTIME + regular + 1)
        .otherwise(period)
        .cast(pl.Int8, strict=False),
        clock_s=pl.coalesce(iso_clock_seconds(clock), clock.cast(pl.Float64, strict=False)),
        kind=kind,
        team_id=identifier("TEAM_ID"),
        player_id=identifier("PLAYER_ID"),
        name=text("PLAYER_NAME"),
        number=text("PLAYER_JERSEY"),
        made=pl.when(points.is_not_null()).then(pl.when(told).then(success).otherwise(rose)),
        value=pl.when(goal).then(points),
        along=pl.when(goal).then(along),
        across=across,
        wall_time=pl.from_epoch((ticks - UUID_EPOCH) // 10, time_unit="us").dt.replace_time_zone("UTC"),
        unknown=pl.when(~known).then(both),
        home=whole("HOME_SCORE"),
        away=whole("AWAY_SCORE"),
        _league=text("_league"),
        _start=text("_season_start"),
    )  # fmt: skip
    x_m, y_m = from_court(*map(pl.col, ("along", "across", "value")))
    return rows.with_columns(x_m=x_m, y_m=y_m).drop("along", "across")


def _trusted_instants() -> pl.Expr:
    """``wall_time``, null where it lies far from those of the events around it in the same period."""
    seconds = pl.col("wall_time").dt.epoch("ms") / 1000
    group = ("game_id", "period")
    by_clock = pl.struct(-pl.col("clock_s"), pl.int_range(pl.len()))
    around = (
        seconds.rolling_median(AROUND, center=True, min_samples=3)
        .over(group, order_by=by_clock)
        .fill_null(seconds.median().over(group))
    )
    return pl.when((seconds - around).abs() <= FAR_S).then(pl.col("wall_time"))


def _games(plays: pl.DataFrame, given: list[pl.DataFrame]) -> pl.DataFrame:
    scored = plays.filter(
        pl.col("made") & pl.col("team_id").is_not_null() & pl.col("home").is_not_null()
    ).sort("game_id", pl.col("home") + pl.col("away"), maintain_order=True)
    sides = sides_from_scores(scored.select("game_id", "team_id", "home", "away"))
    told = pl.DataFrame(schema=dict.fromkeys([*GAMES, *GAME_DETAILS, *LENGTHS, "date"], pl.String))
    told = pl.concat([told, *given], how="diagonal")
    told = told.select(
        game_id=identifier("GAME_ID"),
        home_told=identifier("home_team_id"),
        away_told=identifier("away_team_id"),
        home_team=text("home_team_name"),
        away_team=text("away_team_name"),
        home_score=whole("final_home"),
        away_score=whole("final_away"),
        date=text("date").str.to_date("%Y-%m-%d", strict=False),
        **{column: whole(column) for column in LENGTHS},
    ).unique("game_id", keep="first")
    first = plays.group_by("game_id").agg(
        day=pl.col("wall_time").min().dt.date(),
        teams=pl.col("team_id").drop_nulls().unique(maintain_order=True),
    )
    games = (
        plays.select("game_id")
        .unique(maintain_order=True)
        .join(sides, on="game_id", how="left", maintain_order="left")
        .join(told, on="game_id", how="left", maintain_order="left")
        .join(first, on="game_id", how="left", maintain_order="left")
    )
    # The running score knows the sides; some lists of games have them the wrong way round.
    swapped = (pl.col("home_told") == pl.col("away_team_id")).fill_null(False)
    return games.with_columns(
        home_team=pl.when(swapped).then("away_team").otherwise("home_team"),
        away_team=pl.when(swapped).then("home_team").otherwise("away_team"),
        home_team_id=pl.coalesce(
            "home_team_id", "home_told", pl.col("teams").list.get(0, null_on_oob=True)
        ),
        away_team_id=pl.coalesce(
            "away_team_id", "away_told", pl.col("teams").list.get(1, null_on_oob=True)
        ),
        date=pl.coalesce("date", "day"),
    ).filter(
        pl.col("home_team_id").is_not_null() & (pl.col("home_team_id") != pl.col("away_team_id"))
    )


# -- JSON ----------------------------------------------------------------------------------------


def _document(path: Path, content: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A game's events and its line in the list of games, in the tables' columns."""
    data = content.get("data") if isinstance(content, dict) else None
    fixture = data.get("fixture") if isinstance(data, dict) else None
    periods = data.get("pbp") if isinstance(data, dict) else None
    game = _text(fixture.get("fixtureId")) if isinstance(fixture, dict) else None
    if (
        not isinstance(data, dict)
        or not isinstance(fixture, dict)
        or not isinstance(periods, dict)
        or not game
    ):
        raise BadInputError([Problem(str(path), None, "data", "another form", FILES)])
    listed = fixture.get("competitors")
    teams = [team for team in listed if isinstance(team, dict)] if isinstance(listed, list) else []
    if len(teams) != 2:
        given = f"{len(teams)} sides"
        raise BadInputError([Problem(str(path), None, "competitors", given, "two teams")])
    # On neutral ground nobody is at home: then it is the first.
    teams.sort(key=lambda team: not team.get("isHome"))
    sides = dict(zip(("home", "away"), teams, strict=True))
    rows = []
    for number, period in periods.items():
        events = period.get("events") if isinstance(period, dict) else None
        for event in events if isinstance(events, list) else []:
            if isinstance(event, dict):
                rows.append(_row(game, number, event, sides))
    name = _text(fixture.get("competitionName")) or ""
    league = slug(YEAR.sub(" ", name)) if normal_name(YEAR.sub(" ", name)) else None
    lengths = _lengths(data, periods)
    frame = pl.DataFrame(rows, schema=dict.fromkeys([*PLAYS, *DETAILS], pl.String), orient="row")
    frame = frame.with_columns(
        _league=pl.lit(league, dtype=pl.String),
        _periods=pl.lit(lengths.get("periods"), dtype=pl.String),
    )
    line: dict[str, Any] = {
        "GAME_ID": game,
        "date": (_text(fixture.get("startTimeLocal")) or "")[:10],
        **lengths,
    }
    for side, team in sides.items():
        line[f"{side}_team_id"] = _text(team.get("entityId"))
        line[f"{side}_team_name"] = _text(team.get("name"))
        line[f"final_{side}"] = _text(team.get("score"))
    return frame, pl.DataFrame([line], schema_overrides=dict.fromkeys(line, pl.String))


def _lengths(data: dict[str, Any], periods: dict[str, Any]) -> dict[str, str]:
    """How many regular periods there are, and how long they and the overtimes are (s), where it is told."""
    told = data.get("periodData")
    labels = told.get("periodLabels") if isinstance(told, dict) else None
    numbers = [int(n) for n in labels if n.isdecimal()] if isinstance(labels, dict) else []
    regular = sum(number < FIRST_OVERTIME for number in numbers)
    found = {"periods": str(regular)} if regular in (1, 2, 4) else {}
    for period in periods.values():
        minutes = period.get("durationMinutes") if isinstance(period, dict) else None
        if isinstance(minutes, (int, float)) and 0 < minutes <= 30:
            column = "overtime_s" if period.get("isOvertime") else "period_s"
            found.setdefault(column, str(60 * minutes))
    return found


def _row(
    game: str, period: str, event: dict[str, Any], sides: dict[str, dict[str, Any]]
) -> dict[str, str | None]:
    scores = event.get("scores")
    score = {
        side: _text(scores.get(str(team.get("entityId")))) if isinstance(scores, dict) else None
        for side, team in sides.items()
    }
    row: dict[str, str | None] = dict.fromkeys([*PLAYS, *DETAILS])
    row |= {"GAME_ID": game, "PERIOD_ID": _text(event.get("periodId")) or period}
    row |= {"HOME_SCORE": score["home"], "AWAY_SCORE": score["away"]}
    for column, key in (
        ("EVENT_ID", "eventId"), ("CLOCK", "clock"), ("EVENT_TYPE", "eventType"),
        ("EVENT_SUBTYPE", "eventSubType"), ("PLAYER_ID", "personId"), ("TEAM_ID", "entityId"),
        ("SUCCESS", "success"), ("PLAYER_NAME", "name"), ("PLAYER_JERSEY", "bib"),
        ("X_COORD", "x"), ("Y_COORD", "y"), ("DESCRIPTION", "desc"),
    ):  # fmt: skip
        row[column] = _text(event.get(key))
    return row


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int, float)) and str(value).strip() else None
