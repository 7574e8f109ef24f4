"""ESPN's play-by-play and player box scores, as the R packages hoopR and wehoop deliver them.

One row a play, CSV or parquet, a game or a season in a file. Professional leagues name two people in one
row (``A makes … (B assists)``, ``A blocks B 's …``, ``A bad pass (B steals)``, ``(B draws the foul)``,
``A enters the game for B``; until about 2005 ``Assisted by B``, ``Stolen by B``); colleges write blocks,
steals and every substitution in rows of their own, and of many games no substitutions at all, so that these
have no line-ups. The two ids of a row come in any order, and the second may be missing (before 2006 it
mostly is): the text says who did what, and whose name an id is is learned from the rows of one person
and from the box scores. Neither names a league: it is told from the length of a period and the months, or
with ``--league``; a file holds one. Minutes of the box score are whole ones and are not used. Technical
fouls count as personal ones in college games alone. Missed heaves at a quarter's end count for the team
since 2025-26. The texts of the professional leagues are known from public code and samples, not from files
that were at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, read_table
from openbasket.transcripts.names import identifier, rounded, stat, text
from openbasket.transcripts.plays import assemble, blocks_of_shots, clock_seconds, season_name

__all__ = ["FILES", "matches", "read"]

FILES = "play-by-play of hoopR or wehoop, as CSV or parquet (and player box scores)"
PLAYS = (
    "game_id", "season", "type_text", "text", "period_number", "clock_display_value", "scoring_play",
    "team_id", "home_team_id", "away_team_id",
)  # fmt: skip
DETAILS = (
    "game_play_number", "athlete_id_1", "athlete_id_2", "participants_0_athlete_id",
    "participants_1_athlete_id", "score_value", "points_attempted", "wallclock", "coordinate_x_raw",
    "coordinate_y_raw", "game_date", "home_team_name", "away_team_name", "home_score", "away_score",
    "shooting_play",
)  # fmt: skip
BOX = (
    "game_id", "athlete_id", "athlete_display_name", "team_id", "minutes", "field_goals_made",
    "field_goals_attempted", "three_point_field_goals_made", "three_point_field_goals_attempted",
    "free_throws_made", "free_throws_attempted", "offensive_rebounds", "defensive_rebounds", "assists",
    "steals", "blocks", "turnovers", "fouls", "points",
)  # fmt: skip
BOX_DETAILS = ("starter", "athlete_jersey", "plus_minus", "athlete_position_name")
#: Length of a regular period (s) -> how many there are.
PERIODS = {1200.0: 2, 720.0: 4, 600.0: 4}
#: Last season (by its second year) in which women played halves.
LAST_HALVES = 2015
FOOT_M = 0.3048
PROFESSIONAL = ("nba", "wnba", "gleague")
#: Kinds of play that say nothing of a player's game.
IGNORED = (
    r"jump ?ball|time ?out|end |start|dead ball|challenge|violation|eject|review|replay|game|delay"
    r"|goaltending|kicked|lane|illegal def|team rebound|stoppage|no foul"
)
#: Kinds that leave it to the text.
VAGUE = r"^$|not available|no turnover"
TURNOVER = r"turnover|travel|double dribble|palming|\d-second|lost ball|bad pass"
FOUL = r"foul|offensive charge|flagrant|(?:shooting|personal) block"
#: Fouls that are not personal ones in professional leagues.
TECHNICAL = r"technical|techfoul|defensive 3"
#: Missed shots from here on (feet) are three-pointers, in professional games whose text does not say so.
THREE_FT = 23
#: Who acts in a row of one person.
ACTOR = (
    r"(?i)^(?:(?:technical )?foul on )?(.+?)"
    r"(?: (?:ma(?:de|kes)|miss(?:ed|es)|(?:off|def)ensive reb\w*|turnover|steal|block|bad pass|lost ball"
    r"|subbing|traveling|personal|shooting|loose ball)\b.*)?$"
)
#: The other person of a row of two, and who is blocked.
HELPER = (
    r"(?i)\( ?(.+?) (?:assists|steals|draws the foul) ?\)|(?:assisted|stolen) by (.+?)$"
    r"|\benters (?:the )?game for +(.+?)$|^(.+?) blocks\b"
)
BLOCKED = r"(?i)\bblocks (.+?) ?'s?(?: |$)"


def matches(seen: Peek) -> bool:
    """Whether a file is play-by-play or player box scores of ESPN."""
    return seen.has(*PLAYS) or seen.has(*BOX)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each season.

    Raises:
        BadInputError: damaged files, box scores without plays, games without season or teams.
    """
    plays, boxes = [], []
    for number, file in enumerate(files):
        try:
            plays.append(read_table(file, PLAYS, DETAILS).with_columns(file=pl.lit(number)))
        except BadInputError:
            boxes.append(read_table(file, BOX, BOX_DETAILS))
    if not plays:
        problem = Problem(str(files[0].parent), None, None, "no file of plays", FILES)
        raise BadInputError([problem])
    clock = text("clock_display_value")
    wall = text("wallclock").str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.fZ", time_zone="UTC", time_unit="us", strict=False
    )
    raw = pl.concat(plays).with_columns(
        **{
            column: identifier(column, "espn")
            for column in ("game_id", "home_team_id", "away_team_id", "team_id")
        },
        first=pl.coalesce(
            identifier("athlete_id_1", "espn"), identifier("participants_0_athlete_id", "espn")
        ),
        second=pl.coalesce(
            identifier("athlete_id_2", "espn"), identifier("participants_1_athlete_id", "espn")
        ),
        # The last minute may be told in seconds alone.
        clock_s=clock_seconds(clock.str.replace(r"^(\d\d?(?:\.\d+)?)$", "0:$1")),
        period=rounded("period_number", pl.Int8),
        wall_time=wall,
        date=pl.coalesce(
            text("game_date").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False),
            wall.dt.convert_time_zone("America/New_York").dt.date(),
        ),
        year=rounded("season", pl.Int32),
        place=rounded("game_play_number", pl.Int32),
    )  # fmt: skip
    raw = raw.filter(
        (pl.col("file") == pl.col("file").min().over("game_id"))
        & (pl.col("place").is_null() | pl.struct("game_id", "place", "text").is_first_distinct())
    )
    raw = raw.with_columns(pl.col("place").fill_null(0)).sort(
        "game_id", "place", maintain_order=True
    )
    games = _games(raw, str(files[0].parent))
    box = _box(pl.concat(boxes)) if boxes else None
    kinds = ["year", "period_s", "summer"]
    for part in games.sort(kinds).partition_by(kinds):
        year, length, summer = part.select(kinds).row(0)
        rows = raw.join(part.select("game_id"), on="game_id", how="semi", maintain_order="left")
        league = options.league or _league(length, summer=summer)
        key, gender, region = options.place(league)
        notes = [] if options.league else [f"the files name no league; taken for {league}"]
        if notes and league == "ncaa-men" and year <= LAST_HALVES:
            notes += [
                "women played two halves too: give --league ncaa-women if these are their games"
            ]
        lines = None
        if box is not None:
            lines = box.join(
                part.select("game_id"), on="game_id", how="semi", maintain_order="left"
            )
        yield assemble(
            "espn",
            key,
            options.season or season_name(_start(year, league, summer=summer)),
            part.with_columns(overtime_s=300.0),
            _plays(rows, lines, professional=league in PROFESSIONAL or _numbered(rows)),
            gender=gender,
            region=region,
            box=lines,
            people=None
            if box is None
            else box.select("player_id", "name", "position").unique(
                "player_id", keep="last", maintain_order=True
            ),
            free_throws_at_foul=True,
            notes=notes,
        )  # fmt: skip


def _games(raw: pl.DataFrame, where: str) -> pl.DataFrame:
    games = raw.group_by("game_id", maintain_order=True).agg(
        *(
            pl.col(c).drop_nulls().first()
            for c in ("file", "year", "date", "home_team_id", "away_team_id")
        ),
        longest=pl.col("clock_s").max(),
        home_team=text("home_team_name").drop_nulls().first(),
        away_team=text("away_team_name").drop_nulls().first(),
        home_score=rounded("home_score", pl.Int16).max(),
        away_score=rounded("away_score", pl.Int16).max(),
    )
    problems = [
        Problem(where, None, column, f"none in game {name or 'without game_id'}", "a value")
        for column in ("game_id", "year", "home_team_id", "away_team_id")
        for name in games.filter(pl.col(column).is_null())["game_id"]
    ]
    if problems:
        raise BadInputError(problems)
    # A file's games are of one league: a game whose beginning is missing has shorter clocks.
    longest = pl.col("longest").median().over("file", "year").fill_null(600.0)
    length = pl.when(longest > 720).then(1200.0).when(longest > 600).then(720.0).otherwise(600.0)
    month = pl.col("date").dt.month()
    return games.with_columns(
        period_s=length,
        periods=length.replace_strict(PERIODS, return_dtype=pl.Int8),
        summer=(month.is_between(5, 10).mean().over("file", "year") > 0.5).fill_null(False),
    )


def _league(length: float, *, summer: bool) -> str:
    if length == 720.0:
        return "nba"
    if summer:
        return "wnba"
    return "ncaa-men" if length == 1200.0 else "ncaa-women"


def _start(year: int, league: str, *, summer: bool) -> int:
    """ESPN names a season after the year it ends in; one inside a year after that year."""
    winter = league == "nba" or league.startswith("ncaa")
    return year if league == "wnba" or (summer and not winter) else year - 1


def _numbered(rows: pl.DataFrame) -> bool:
    """Whether free throws are counted (``Free Throw - 1 of 2``), as professional leagues do."""
    return bool(rows.select(pl.col("type_text").str.starts_with("Free Throw - ").any()).item())


def _plays(rows: pl.DataFrame, box: pl.DataFrame | None, *, professional: bool) -> pl.DataFrame:
    """One row for each player of a play."""
    said = text("text").fill_null("").str.replace_all(r"\s+", " ").str.strip_chars(" .")
    kind = text("type_text").str.to_lowercase().fill_null("").str.replace_all(r"\s+", " ")
    rows = rows.with_row_index("play").with_columns(said=said, type_=kind)
    says = pl.col("said").str.to_lowercase()
    kind = pl.when(pl.col("type_").str.contains(VAGUE)).then(says).otherwise("type_")
    verb = says.str.contains(r"\bma(?:de|kes)\b")
    missed = says.str.contains(r"\bmiss(?:ed|es)\b|\bblocks\b")
    scored = text("scoring_play").str.to_lowercase().is_in(["true", "1"])
    made_of = pl.when(verb | missed).then(verb & ~missed).otherwise(scored)
    tried = verb | missed | text("shooting_play").str.to_lowercase().is_in(["true", "1"])
    one_shot = kind.str.contains("free ?throw") | says.str.contains(r"\bfree throw")
    deed = (
        pl.when(kind.str.contains("dead ?ball|challenge|review|replay|no shot|no foul|illegal def")
                | says.str.contains(r"\bno turnover\b")).then(None)
        .when(one_shot & tried).then(pl.lit("free_throw"))
        .when(kind.str.contains("substitution|enters the game")).then(pl.lit("substitution"))
        .when(kind.str.contains("offensive rebound")).then(pl.lit("offensive_rebound"))
        .when(kind.str.contains("defensive rebound")).then(pl.lit("defensive_rebound"))
        .when(kind.str.contains(TURNOVER) & ~kind.str.contains(r"defensive 3")).then(pl.lit("turnover"))
        .when(kind.str.contains(TECHNICAL)).then(None if professional else pl.lit("foul"))
        .when(kind.str.contains(FOUL)).then(pl.lit("foul"))
        .when(kind.str.contains("steal")).then(pl.lit("steal"))
        .when(kind.str.contains(r"^block")).then(pl.lit("block"))
        .when(kind.str.contains("time ?out")).then(pl.lit("timeout"))
        .when(tried & ~kind.str.contains("goaltending|violation")).then(pl.lit("field_goal"))
    )  # fmt: skip
    points, worth = rounded("points_attempted", pl.Int8), rounded("score_value", pl.Int8)
    far = says.str.extract(r"(\d+)[- ](?:foot|ft)\b").cast(pl.Int32, strict=False) >= THREE_FT
    value = (
        pl.when(says.str.contains(r"\bthree\b|\b3-p|\b3 point") | kind.str.contains("three point"))
        .then(3)
        .when(points > 1).then(points)
        .when(worth > 1).then(worth)
        .when(far & missed & professional).then(3)
        .otherwise(2)
        .cast(pl.Int8)
    )  # fmt: skip
    heave = (deed == "field_goal") & kind.str.contains("heave") & ~made_of
    rows = rows.with_columns(
        what=deed,
        made=pl.when(deed.is_in(["free_throw", "field_goal"])).then(made_of),
        value=pl.when(deed == "field_goal").then(value),
        unknown=pl.when(
            deed.is_null()
            & (kind != "")
            & ~kind.str.contains(TECHNICAL)
            & (~kind.str.contains(IGNORED) | kind.str.contains("no shot"))
            & ~says.str.contains(r"\bno turnover\b")
        ).then(text("type_text").str.replace_all(r"\s+", " ")),
        first=pl.when(~heave).then("first"),
        heave=heave,
    )
    rows = _named(rows, box)
    across, along = (
        pl.col(c).cast(pl.Float64, strict=False) for c in ("coordinate_x_raw", "coordinate_y_raw")
    )
    what, second = pl.col("what"), pl.col("second")
    on_court = across.is_between(0, 50) & along.is_between(-6, 94) & (what == "field_goal")
    shared = ("game_id", "play", "period", "clock_s", "wall_time", "date")
    swap = what == "substitution"
    main = rows.select(
        *shared, "made", "value", "name", "unknown",
        kind=pl.when(swap & says.str.contains(r"\bsubbing in\b|\benters\b"))
        .then(pl.lit("sub_in"))
        .when(swap & says.str.contains(r"\bsubbing out\b|\bgoes to the bench\b"))
        .then(pl.lit("sub_out"))
        .when(~swap)
        .then(what),
        team_id="team_id",
        player_id="first",
        part=pl.lit(0),
        x_m=pl.when(on_court).then((across - 25) * FOOT_M),
        y_m=pl.when(on_court).then(along * FOOT_M),
    )  # fmt: skip
    goal = what == "field_goal"
    blocked = goal & says.str.contains(r"\bblocks\b")
    helps = [
        ("assist", goal & pl.col("made") & says.str.contains(r"\bassist"), "team_id"),
        ("block", blocked & ~(what == "block").any().over("game_id"), "other"),
        ("steal", (what == "turnover") & says.str.contains(r"\bsteals?\b|\bstolen\b")
         & ~(what == "steal").any().over("game_id"), "other"),
        ("foul_drawn", (what == "foul") & says.str.contains(r"\bdraws\b"), "other"),
        ("foul", (what == "foul") & says.str.contains(r"^double personal foul.* and "), "other"),
        ("sub_out", swap & says.str.contains(r"\benters\b"), "team_id"),
    ]  # fmt: skip
    found = [
        rows.filter(where).select(
            *shared,
            kind=pl.when(second.is_not_null()).then(pl.lit(name)),
            unknown=pl.when(second.is_null()).then(pl.lit(f"{name} of somebody without an id")),
            team_id=side,
            player_id="second",
            part=pl.lit(1),
        )
        for name, where, side in helps
    ]
    beaten = rows.filter(blocked).select(
        *shared, "team_id", kind=pl.lit("blocked"), player_id="first", part=pl.lit(1)
    )
    frame = pl.concat([main, *found, beaten], how="diagonal_relaxed")
    frame = blocks_of_shots(frame.sort("play", "part", maintain_order=True), shared)
    if box is not None:
        numbers = box.select("game_id", "player_id", "number")
        frame = frame.join(numbers, on=["game_id", "player_id"], how="left", maintain_order="left")
    # Steals of colleges stand in rows of their own: plays are found by their kinds there.
    lone = frame.select(((pl.col("kind") == "steal") & (pl.col("part") == 0)).any()).item()
    frame = frame.sort("play", "part", maintain_order=True)
    return frame.drop("play", "part") if lone else frame.drop("part")


def _named(rows: pl.DataFrame, box: pl.DataFrame | None) -> pl.DataFrame:
    """Put who acts ``first`` and who helps, or is hurt, ``second``, as the text has it, and their teams.

    A blocked shooter is first. Adds ``name`` of who acts, and ``other``, the team of the second person where
    that is not the first one's.
    """
    said = pl.col("said")
    plain = pl.col("second").is_null() & ~said.str.contains(r"(?i)\bblocks\b|\bby\b|\(|\bfoul: ")
    known = [
        rows.filter(plain & pl.col("first").is_not_null()).select(
            "game_id", "team_id", id="first", name=said.str.extract(ACTOR)
        )
    ]
    if box is not None:
        known.append(box.select("game_id", "team_id", "name", id="player_id").drop_nulls("name"))
    people = pl.concat(known, how="diagonal_relaxed")
    likely = (
        people.group_by("game_id", "id", maintain_order=True)
        .agg(pl.col("name", "team_id").drop_nulls().mode(maintain_order=True).first())
        .with_columns(key=pl.col("name").str.to_lowercase())
    )
    ids = likely.unique(["game_id", "key"], keep="none").select("game_id", "key", "id")

    def joined(
        frame: pl.DataFrame, by: str, other: pl.DataFrame, on: str, **names: str
    ) -> pl.DataFrame:
        other = other.select("game_id", pl.col(on).alias(by), **names)
        return frame.join(other, on=["game_id", by], how="left", maintain_order="left")

    helper = pl.coalesce(said.str.extract(HELPER, n) for n in range(1, 5)).str.to_lowercase()
    shooter = said.str.extract(BLOCKED).str.to_lowercase()
    actor = pl.coalesce(shooter, said.str.extract(ACTOR).str.to_lowercase())
    rows = rows.with_columns(_helper=helper, _shooter=shooter, _actor=actor)
    rows = joined(rows, "_actor", ids, "key", _actor_id="id")
    rows = joined(rows, "_helper", ids, "key", _helper_id="id")
    rows = joined(rows, "_shooter", ids, "key", _shooter_id="id")
    first, second = pl.col("first"), pl.col("second")
    helper_id = pl.col("_helper_id")
    # The helper's column is the other one where only one of the two is known by name.
    turned = (first == helper_id) | (second == pl.col("_shooter_id"))
    rows = rows.with_columns(
        first=pl.when(turned.fill_null(False)).then("second").otherwise("first"),
        second=pl.when(turned.fill_null(False)).then("first").otherwise("second"),
    )
    rows = joined(rows, "first", likely, "id", name="name", _first_team="team_id")
    rows = joined(rows, "second", likely, "id", _second_name="name", _second_team="team_id")
    # Neither is known as the helper: who stands first in the text acts (or blocks).
    at_first, at_second = (
        pl.col("_text").str.find(pl.col(c).str.to_lowercase(), literal=True)
        for c in ("name", "_second_name")
    )
    behind = ((at_second < at_first) | (at_first.is_null() & (at_second == 0))).fill_null(False)
    blocks = pl.col("_text").str.contains(r" blocks\b")
    swap = helper_id.is_null() & second.is_not_null() & pl.col("_helper").is_not_null()
    swap &= pl.when(blocks).then((at_first == 0).fill_null(False)).otherwise(behind)
    rows = rows.with_columns(_text=said.str.to_lowercase()).with_columns(_swap=swap)
    team, home, away = (pl.col(c) for c in ("team_id", "home_team_id", "away_team_id"))
    return rows.with_columns(
        first=pl.when("_swap").then(second).otherwise(first),
        second=pl.when("_swap").then(first).otherwise(pl.coalesce(second, helper_id)),
        team_id=pl.coalesce(pl.when("_swap").then("_second_team").otherwise("_first_team"), team),
        name=pl.when("_swap").then("_second_name").otherwise("name"),
    ).with_columns(
        first=pl.when(~pl.col("heave")).then(pl.coalesce(first, pl.col("_actor_id"))),
        other=pl.when(team == home).then(away).when(team == away).then(home),
    )


def _box(raw: pl.DataFrame) -> pl.DataFrame:
    three_made, three_tried = (stat(f"three_point_field_goals_{w}") for w in ("made", "attempted"))
    return raw.filter(text("minutes").is_not_null()).select(
        game_id=identifier("game_id", "espn"),
        team_id=identifier("team_id", "espn"),
        player_id=identifier("athlete_id", "espn"),
        name=text("athlete_display_name"),
        number=text("athlete_jersey").str.replace(r"\.0$", ""),
        position=text("athlete_position_name"),
        starter=text("starter").str.to_lowercase().is_in(["true", "1"]),
        plus_minus=text("plus_minus")
        .str.strip_chars_start("+")
        .cast(pl.Float64, strict=False)
        .cast(pl.Int16, strict=False),
        points=stat("points"),
        field_goals_2_made=stat("field_goals_made") - three_made,
        field_goals_2_tried=stat("field_goals_attempted") - three_tried,
        field_goals_3_made=three_made,
        field_goals_3_tried=three_tried,
        free_throws_made=stat("free_throws_made"),
        free_throws_tried=stat("free_throws_attempted"),
        offensive_rebounds=stat("offensive_rebounds"),
        defensive_rebounds=stat("defensive_rebounds"),
        assists=stat("assists"),
        steals=stat("steals"),
        turnovers=stat("turnovers"),
        blocks=stat("blocks"),
        fouls_made=stat("fouls"),
    )
