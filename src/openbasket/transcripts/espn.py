"""ESPN's play-by-play and player box scores, as the R packages hoopR and wehoop deliver them.

One row a play, CSV or parquet, a game or a season in a file. Professional leagues name two people in one
row (``A makes … (B assists)``, ``A blocks B 's …``, ``A bad pass (B steals)``, ``(B draws the foul)``,
``A enters the game for B``); colleges write blocks, steals and every substitution in rows of their own,
and of many games no substitutions at all, so that these have no line-ups. Neither names a league: it is
told from the length of a period, or with ``--league``. Minutes of the box score are whole ones and are
not used. Technical fouls count as personal ones in college games alone. Files of the professional leagues
were not at hand: their texts are read as the packages' documentation shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.transcripts import ImportOptions, Transcript
from openbasket.transcripts.formats import Peek, read_table
from openbasket.transcripts.names import identifier, text
from openbasket.transcripts.plays import assemble, clock_seconds, season_name

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
)  # fmt: skip
BOX = (
    "game_id", "athlete_id", "athlete_display_name", "team_id", "minutes", "field_goals_made",
    "field_goals_attempted", "three_point_field_goals_made", "three_point_field_goals_attempted",
    "free_throws_made", "free_throws_attempted", "offensive_rebounds", "defensive_rebounds", "assists",
    "steals", "blocks", "turnovers", "fouls", "points",
)  # fmt: skip
BOX_DETAILS = ("starter", "athlete_jersey", "plus_minus", "athlete_position_name")
#: Longest clock of a season's periods (s) -> regular periods and their length.
PERIODS = {1200: (2, 1200.0), 720: (4, 720.0), 600: (4, 600.0)}
FOOT_M = 0.3048
PROFESSIONAL = ("nba", "wnba", "gleague")
#: Kinds of play that say nothing of a player's game.
IGNORED = (
    r"jump ?ball|time ?out|end |start|dead ball|challenge|violation|eject|review|game|delay"
    r"|defensive 3|not available|team rebound"
)


def matches(seen: Peek) -> bool:
    """Whether a file is play-by-play or player box scores of ESPN."""
    return seen.has(*PLAYS) or seen.has(*BOX)


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each season.

    Raises:
        BadInputError: damaged files, box scores without plays, games without season or teams.
    """
    plays, boxes = [], []
    for file in files:
        try:
            plays.append(read_table(file, PLAYS, DETAILS))
        except BadInputError:
            boxes.append(read_table(file, BOX, BOX_DETAILS))
    if not plays:
        problem = Problem(str(files[0].parent), None, None, "no file of plays", FILES)
        raise BadInputError([problem])
    raw = pl.concat(plays).with_columns(
        game_id=identifier("game_id", "espn"),
        home_team_id=identifier("home_team_id", "espn"),
        away_team_id=identifier("away_team_id", "espn"),
        team_id=identifier("team_id", "espn"),
        first=pl.coalesce(
            identifier("athlete_id_1", "espn"), identifier("participants_0_athlete_id", "espn")
        ),
        second=pl.coalesce(
            identifier("athlete_id_2", "espn"), identifier("participants_1_athlete_id", "espn")
        ),
        clock_s=clock_seconds(text("clock_display_value")),
        period=_number("period_number", pl.Int8),
        date=text("game_date").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False),
        year=_number("season", pl.Int32),
        place=_number("game_play_number", pl.Int32),
    )
    raw = raw.filter(
        pl.col("place").is_null() | pl.struct("game_id", "place", "text").is_first_distinct()
    )
    raw = raw.with_columns(pl.col("place").fill_null(0)).sort(
        "game_id", "place", maintain_order=True
    )
    games = _games(raw, str(files[0].parent))
    box = _box(pl.concat(boxes)) if boxes else None
    for (year,), part in games.sort("year").partition_by("year", as_dict=True).items():
        rows = raw.join(part.select("game_id"), on="game_id", how="semi", maintain_order="left")
        periods, length = _periods(rows)
        league = options.league or _league(periods, length, part)
        key, gender, region = options.place(league)
        notes = [] if options.league else [f"the files name no league; taken for {league}"]
        yield assemble(
            "espn",
            key,
            options.season or season_name(_start(year, league, part)),
            part.with_columns(
                periods=pl.lit(periods, pl.Int8), period_s=length, overtime_s=300.0
            ),
            _plays(rows, box, professional=any(p == league for p in PROFESSIONAL)),
            gender=gender,
            region=region,
            box=None
            if box is None
            else box.join(part.select("game_id"), on="game_id", how="semi", maintain_order="left"),
            people=None
            if box is None
            else box.select("player_id", "name", "position").unique(
                "player_id", keep="last", maintain_order=True
            ),
            free_throws_at_foul=True,
            notes=notes,
        )  # fmt: skip


def _number(column: str, dtype: type[pl.DataType]) -> pl.Expr:
    return text(column).cast(pl.Float64, strict=False).round().cast(dtype, strict=False)


def _games(raw: pl.DataFrame, where: str) -> pl.DataFrame:
    games = raw.group_by("game_id", maintain_order=True).agg(
        *(pl.col(c).drop_nulls().first() for c in ("year", "date", "home_team_id", "away_team_id")),
        home_team=text("home_team_name").drop_nulls().first(),
        away_team=text("away_team_name").drop_nulls().first(),
        home_score=_number("home_score", pl.Int16).max(),
        away_score=_number("away_score", pl.Int16).max(),
    )
    problems = [
        Problem(where, None, column, f"none in game {name or 'without game_id'}", "a value")
        for column in ("game_id", "year", "home_team_id", "away_team_id")
        for name in games.filter(pl.col(column).is_null())["game_id"]
    ]
    if problems:
        raise BadInputError(problems)
    return games


def _periods(rows: pl.DataFrame) -> tuple[int, float]:
    """Regular periods and their length, by the longest clock of most games' first period."""
    longest = (
        rows.filter(pl.col("period") == 1).group_by("game_id").agg(pl.col("clock_s").max())["clock_s"]
    ).median()  # fmt: skip
    seconds = longest if isinstance(longest, float) else 600.0
    return PERIODS[1200 if seconds > 720 else 720 if seconds > 600 else 600]


def _league(periods: int, length: float, games: pl.DataFrame) -> str:
    if periods == 2:
        return "ncaa-men"
    if length == 720.0:
        return "nba"
    summer = games["date"].dt.month().is_between(5, 10).mean()
    return "wnba" if isinstance(summer, float) and summer > 0.5 else "ncaa-women"


def _start(year: object, league: str, games: pl.DataFrame) -> int:
    """ESPN names a season after the year it ends in; one inside a year after that year."""
    assert isinstance(year, int)
    same = (games["date"].dt.year() == year) & games["date"].dt.month().is_between(7, 10)
    before = (games["date"].dt.year() < year).any()
    return year if "wnba" in league or (same.any() and not before) else year - 1


def _plays(rows: pl.DataFrame, box: pl.DataFrame | None, *, professional: bool) -> pl.DataFrame:
    """One row for each player of a play."""
    kind, said = text("type_text").str.to_lowercase().fill_null(""), text("text").fill_null("")
    says = said.str.to_lowercase()
    made_of = says.str.contains(r"\bma(?:de|kes)\b")
    tried = made_of | says.str.contains(r"\bmiss(?:ed|es)\b|\bblocks\b")
    one_shot = kind.str.contains("free ?throw") | says.str.contains(r"\bfree throw")
    technical = kind.str.contains("technical") & ~kind.str.contains("free")
    turnover = kind.str.contains(
        r"turnover|travel|double dribble|palming|5-second|lost ball|bad\s*pass"
    )
    foul = kind.str.contains(r"foul|offensive charge|flagrant")
    what = (
        pl.when(one_shot & tried).then(pl.lit("free_throw"))
        .when(kind.str.contains("substitution")).then(pl.lit("substitution"))
        .when(kind.str.contains("dead ?ball")).then(None)
        .when(kind.str.contains("offensive rebound")).then(pl.lit("offensive_rebound"))
        .when(kind.str.contains("defensive rebound")).then(pl.lit("defensive_rebound"))
        .when(turnover).then(pl.lit("turnover"))
        .when(technical).then(None if professional else pl.lit("foul"))
        .when(foul).then(pl.lit("foul"))
        .when(kind.str.contains("steal")).then(pl.lit("steal"))
        .when(kind.str.contains(r"^block")).then(pl.lit("block"))
        .when(tried).then(pl.lit("field_goal"))
        .when(kind.str.contains("time ?out")).then(pl.lit("timeout"))
    )  # fmt: skip
    value = (
        pl.when(says.str.contains(r"\bthree\b|\b3-pt|\b3 point"))
        .then(3)
        .otherwise(
            pl.coalesce(
                pl.when(_number("points_attempted", pl.Int8) > 1).then(
                    _number("points_attempted", pl.Int8)
                ),
                pl.when(_number("score_value", pl.Int8) > 1).then(_number("score_value", pl.Int8)),
                pl.lit(2),
            )
        )
        .cast(pl.Int8)
    )
    team, home, away = (pl.col(c) for c in ("team_id", "home_team_id", "away_team_id"))
    rows = rows.with_row_index("play").with_columns(
        what=what,
        other=pl.when(team == home).then(away).when(team == away).then(home),
        made=pl.when(what == "free_throw")
        .then(made_of)
        .when(what == "field_goal")
        .then(made_of & ~says.str.contains(r"\bblocks\b")),
        value=pl.when(what == "field_goal").then(value),
        says=says,
        name=said.str.extract(
            r"^(.+?) (?:made|makes|missed|misses|Offensive Rebound|Defensive Rebound|offensive rebound"
            r"|defensive rebound|Turnover|Steal|Block|subbing|enters the game)\b"
        ),
        wall_time=text("wallclock").str.to_datetime(
            "%Y-%m-%dT%H:%M:%SZ", time_zone="UTC", time_unit="us", strict=False
        ),
        unknown=pl.when(
            what.is_null() & ~technical & ~kind.str.contains(IGNORED) & (kind != "")
        ).then(text("type_text").str.replace_all(r"\s+", " ")),
    )
    rows = _blockers_second(rows)
    across, along = (
        pl.col(c).cast(pl.Float64, strict=False) for c in ("coordinate_x_raw", "coordinate_y_raw")
    )
    on_court = (
        across.is_between(0, 50) & along.is_between(-6, 94) & (pl.col("what") == "field_goal")
    )
    shared = ("game_id", "play", "period", "clock_s", "wall_time", "date")

    def more(where: pl.Expr, name: str, player: str, side: str) -> pl.DataFrame:
        return rows.filter(where).select(
            *shared,
            kind=pl.lit(name),
            team_id=side,
            player_id=player,
            part=pl.lit(1),
        )  # fmt: skip

    kind_of, two = pl.col("what"), pl.col("second").is_not_null()
    enters = kind_of == "substitution"
    arrives = pl.col("says").str.contains(r"\bsubbing in\b|\benters\b")
    main = rows.select(
        *shared, "made", "value", "team_id", "name", "unknown",
        kind=pl.when(enters & arrives)
        .then(pl.lit("sub_in"))
        .when(enters & pl.col("says").str.contains(r"\bsubbing out\b|\bgoes to the bench\b"))
        .then(pl.lit("sub_out"))
        .when(~enters)
        .then(kind_of),
        player_id=pl.col("first"),
        part=pl.lit(0),
        x_m=pl.when(on_court).then((across - 25) * FOOT_M),
        y_m=pl.when(on_court).then(along * FOOT_M),
    )  # fmt: skip
    goal = kind_of == "field_goal"
    assisted = goal & pl.col("made") & two & pl.col("says").str.contains(r"\bassist")
    blocked = goal & pl.col("says").str.contains(r"\bblocks\b")
    stolen = (kind_of == "turnover") & two & pl.col("says").str.contains(r"\bsteals?\b")
    drawn = (kind_of == "foul") & two & pl.col("says").str.contains(r"\bdraws\b")
    swapped = enters & two & pl.col("says").str.contains(r"\benters\b")
    frame = pl.concat(
        [
            main,
            more(assisted, "assist", "second", "team_id"),
            more(blocked & two, "block", "second", "other"),
            more(blocked, "blocked", "first", "team_id"),
            more(stolen, "steal", "second", "other"),
            more(drawn, "foul_drawn", "second", "other"),
            more(swapped, "sub_out", "second", "team_id"),
        ],
        how="diagonal_relaxed",
    ).sort("play", "part", maintain_order=True)
    # A block in a row of its own stands after the shot, at the same clock.
    kinds, teams = pl.col("kind"), pl.col("team_id")
    alone = (kinds == "block") & (pl.col("part") == 0)
    before = (
        (kinds.shift(1) == "field_goal")
        & ~pl.col("made").shift(1)
        & (teams.shift(1) != teams)
        & (pl.col("game_id").shift(1) == pl.col("game_id"))
    )
    joined = frame.with_columns(
        play=pl.when(alone & before).then(pl.col("play").shift(1)).otherwise("play"),
        _shooter=pl.when(alone & before).then(pl.col("player_id").shift(1)),
        _shooting=pl.when(alone & before).then(teams.shift(1)),
    )
    beaten = joined.filter(pl.col("_shooter").is_not_null()).select(
        *shared,
        kind=pl.lit("blocked"),
        team_id="_shooting",
        player_id="_shooter",
        part=pl.lit(2),
    )
    frame = pl.concat([joined.drop("_shooter", "_shooting"), beaten], how="diagonal_relaxed")
    if box is not None:
        numbers = box.select("game_id", "player_id", "number")
        frame = frame.join(numbers, on=["game_id", "player_id"], how="left", maintain_order="left")
    # Steals of colleges stand in rows of their own: plays are found by their kinds there.
    lone = frame["kind"].eq("steal").any() and not rows.select(stolen.any()).item()
    frame = frame.sort("play", "part", maintain_order=True)
    return frame.drop("play", "part") if lone else frame.drop("part")


def _blockers_second(rows: pl.DataFrame) -> pl.DataFrame:
    """In ``A blocks B 's shot`` the shooter goes first; a file that has A first is turned around."""
    names = (
        rows.drop_nulls(["name", "first"])
        .group_by("name")
        .agg(pl.col("first").mode().sort().first().alias("_id"))
    )
    blocker = text("text").str.extract(r"^(.+?) blocks\b")
    turned = pl.col("_id").is_not_null() & (pl.col("_id") == pl.col("first"))
    side = pl.when(turned).then("other").otherwise("team_id")
    return (
        rows.with_columns(_blocker=blocker)
        .join(names, left_on="_blocker", right_on="name", how="left", maintain_order="left")
        .with_columns(
            first=pl.when(turned).then("second").otherwise("first"),
            second=pl.when(turned).then("first").otherwise("second"),
            team_id=side,
            other=pl.when(turned).then("team_id").otherwise("other"),
        )
        .drop("_blocker", "_id")
    )


def _box(raw: pl.DataFrame) -> pl.DataFrame:
    def count(column: str) -> pl.Expr:
        value = _number(column, pl.Int16)
        return pl.when(value >= 0).then(value)

    three_made, three_tried = (count(f"three_point_field_goals_{w}") for w in ("made", "attempted"))
    return raw.filter(text("minutes").is_not_null()).select(
        game_id=identifier("game_id", "espn"),
        team_id=identifier("team_id", "espn"),
        player_id=identifier("athlete_id", "espn"),
        name=text("athlete_display_name"),
        number=text("athlete_jersey").str.replace(r"\.0$", ""),
        position=text("athlete_position_name"),
        starter=text("starter").str.to_lowercase() == "true",
        plus_minus=text("plus_minus")
        .str.strip_chars_start("+")
        .cast(pl.Float64, strict=False)
        .cast(pl.Int16, strict=False),
        points=count("points"),
        field_goals_2_made=count("field_goals_made") - three_made,
        field_goals_2_tried=count("field_goals_attempted") - three_tried,
        field_goals_3_made=three_made,
        field_goals_3_tried=three_tried,
        free_throws_made=count("free_throws_made"),
        free_throws_tried=count("free_throws_attempted"),
        offensive_rebounds=count("offensive_rebounds"),
        defensive_rebounds=count("defensive_rebounds"),
        assists=count("assists"),
        steals=count("steals"),
        turnovers=count("turnovers"),
        blocks=count("blocks"),
        fouls_made=count("fouls"),
    )
