"""ABA League, as scraped: ``play_by_play_*``, ``main_info``, ``box_score_*`` and ``shots_*`` tables.

Counting rules and defects: offensive and defensive rebounds are swapped in the box score; shots of
unknown value read ``made  points`` (two blanks): a made one is worth what the running score gains, a missed
one what its place, its kind (a layup is worth two) or else the player's line in the box score says.
A person may have one id in the plays and another in the box score; team and shirt number tell.
Starters stand in rows without a clock. Overtimes share the period ``OT``. Coaches' and bench
technicals are no player's foul; team rebounds and shot clock violations name a team alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from openbasket.transcripts import ImportOptions, Transcript, scraped
from openbasket.transcripts.formats import Peek, peek
from openbasket.transcripts.names import decimal, identifier, rounded, stat, text
from openbasket.transcripts.plays import assemble
from openbasket.wording import counted

__all__ = ["FILES", "matches", "read"]

FILES = "play_by_play and main_info tables as scraped from the ABA League (and box_score, shots)"
KINDS = {
    "assist": "assist",
    "steal": "steal",
    "block": "block",
    "foul on": "foul_drawn",
    "timeout": "timeout",
    "timeout - officials": "timeout",
    "jumpball": "jump_ball",
}
REBOUNDS = ("offensive", "defensive")
NOT_A_PLAYERS_FOUL = ("coachTechnical", "benchTechnical", "coachDisqualifying")
TEAM_TURNOVERS = ("24sec", "8sec", "5sec")
#: Rows that say nothing for us, by type and (where the type is missing) by note.
IGNORED = ("game started", "game finished", "in starting lineup")
IGNORED_NOTES = ("heldball", "lodgedball", "won", "lost", "other", "outofboundsrebound")
#: Kinds of shot that are worth two.
NEAR = ("layup", "dunk", "tipin", "tip", "alleyoop", "hook", "floating")
FREE_THROW_NOTE = r"^\s*(\d)\s*of\s*(\d)\s*$"
SHOT_NOTE = r"shot|layup|dunk|fadeaway|alleyoop|tip"
#: Court of FIBA: places are percent of its length and width; the baskets' distance to the end line.
LENGTH_M, WIDTH_M, RIM_M = 28.0, 15.0, 1.575
THREE_M, CORNER_M = 6.75, 6.60


def matches(seen: Peek) -> bool:
    """Whether a file is one of the ABA's tables."""
    kind = scraped.kind_of(seen)
    if kind == "plays":
        words = scraped.first_words(seen.path, "PLAY_TYPE")
        return bool(
            words & {"made 2 points", "game started", "in starting lineup", "foul on", *KINDS}
        )
    if kind == "box":
        return seen.has("FG_PERC") or scraped.first_words(seen.path, "TEAM") <= {"H", "A"}
    if kind == "games":
        return not seen.has("H_TEAM_COACH")
    return kind == "shots"


def read(files: Sequence[Path], options: ImportOptions) -> Iterator[Transcript]:
    """Yield a transcript for each season.

    Raises:
        BadInputError: damaged files, no list of games, seasons that are no years.
    """
    tables = {
        name: table.with_columns(game_id=identifier("GAME_ID", "aba"))
        for name, table in scraped.load(files, [peek(file) for file in files]).items()
    }
    where = str(files[0].parent)
    games = scraped.seasons(tables["games"], where).with_columns(
        home_team_id=identifier("H_TEAM_ID"),
        away_team_id=identifier("A_TEAM_ID"),
    )
    league, gender, region = options.place("aba")
    for (season,), part in games.sort("season").partition_by("season", as_dict=True).items():
        mine = part.select("game_id", "home_team_id", "away_team_id")
        raw = {
            name: tables[name].join(mine, on="game_id", maintain_order="left").with_columns(
                text("TEAM")
            ).with_columns(
                team_id=pl.when(pl.col("TEAM") == "H").then("home_team_id")
                .when(pl.col("TEAM") == "A").then("away_team_id"),
                player_id=identifier("PLAYER_ID", "aba"),
            )
            for name in ("plays", "box", "shots")
        }  # fmt: skip
        if raw["plays"].is_empty():
            continue
        notes: list[str] = []
        raw["plays"] = _official_ids(raw["plays"], raw["box"], notes)
        plays = _plays(raw["plays"])
        starters = raw["plays"].filter(text("PLAY_TYPE") == "in starting lineup")
        box = _box(raw["box"], starters)
        plays = _places(plays, raw["shots"])
        plays = _values(plays, box, notes)
        yield assemble(
            "aba", league, options.season or str(season), part, plays,
            gender=gender, region=region, box=box, notes=notes,
        )  # fmt: skip


def _official_ids(plays: pl.DataFrame, box: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Plays with the box score's id of a person who has another one there.

    Two ids are one person if each stands in one of a game's tables alone and team and shirt number agree.
    """
    keys = ["game_id", "player_id"]
    who = ["game_id", "team_id", "number"]
    numbered = plays.drop_nulls(["player_id", "team_id"]).with_columns(number=text("PLAYER_NUMBER"))
    lone = numbered.join(box, on=keys, how="anti").select(*who, "player_id").unique()
    lines = box.drop_nulls("player_id").with_columns(number=text("PLAYER_NUMBER"))
    spare = lines.join(plays, on=keys, how="anti").select(*who, official="player_id").unique()
    pairs = lone.join(spare, on=who).select("player_id", "team_id", "official").unique()
    pairs = pairs.filter(pl.len().over("player_id") == 1, pl.len().over("official") == 1)
    if pairs.is_empty():
        return plays
    notes += [
        f"player {mine} of the plays is {theirs} in the box score"
        for mine, theirs in pairs.select("player_id", "official").sort("player_id").rows()
    ]
    official = pairs.join(spare, on=["team_id", "official"]).select(*keys, "team_id", "official")
    return (
        plays.join(official.unique(), on=[*keys, "team_id"], how="left", maintain_order="left")
        .with_columns(player_id=pl.coalesce("official", "player_id"))
        .drop("official")
    )


def _plays(raw: pl.DataFrame) -> pl.DataFrame:
    kind, note = text("PLAY_TYPE"), text("PLAY_NOTE")
    shown = pl.col("_shown")
    made_shot = kind.str.starts_with("made") & kind.str.contains("points")
    missed_shot = kind.str.starts_with("missed") & kind.str.contains("points")
    untyped = kind.is_null()
    plays = raw.with_columns(
        _shown=pl.col("H_SCORE").is_not_null() | pl.col("A_SCORE").is_not_null(),
        _overtime=kind.str.extract(r"^start of OT(\d)").cast(pl.Int8)
        .forward_fill().over("game_id").fill_null(1),
    )  # fmt: skip
    plays = plays.with_columns(
        period=pl.when(text("QUARTER").str.starts_with("OT"))
        .then(4 + pl.col("_overtime"))
        .otherwise(rounded("QUARTER", pl.Int8)),
        clock_s=(rounded("MINUTES") * 60 + rounded("SECONDS")).cast(pl.Float64),
        kind=pl.when(made_shot | missed_shot)
        .then(pl.lit("field_goal"))
        .when(kind.str.contains("free throw"))
        .then(pl.lit("free_throw"))
        .when((kind == "rebound") & note.is_in(REBOUNDS))
        .then(note + "_rebound")
        .when((kind == "substitution") & note.is_in(["in", "out"]))
        .then(pl.lit("sub_") + note)
        .when((kind == "foul") & ~note.is_in(NOT_A_PLAYERS_FOUL).fill_null(False))
        .then(pl.lit("foul"))
        .when(kind == "turnover")
        .then(pl.lit("turnover"))
        .when(kind.str.starts_with("start of"))
        .then(pl.lit("period_start"))
        .when(kind.str.starts_with("end of"))
        .then(pl.lit("period_end"))
        .when(untyped & note.is_in(TEAM_TURNOVERS))
        .then(pl.lit("turnover"))
        .when(untyped & note.is_in(["in", "out"]))
        .then(pl.lit("sub_") + note)
        .when(untyped & note.is_in(REBOUNDS))
        .then(note + "_rebound")
        .when(untyped & note.str.contains(FREE_THROW_NOTE))
        .then(pl.lit("free_throw"))
        .when(untyped & note.str.contains(SHOT_NOTE))
        .then(pl.lit("field_goal"))
        .otherwise(kind.replace_strict(KINDS, default=None, return_dtype=pl.String)),
        made=pl.when(untyped).then(shown).otherwise(kind.str.starts_with("made")),
        value=kind.str.extract(r"(\d) points").cast(pl.Int8, strict=False),
        name=text("PLAYER_NAME"),
        number=text("PLAYER_NUMBER"),
    )
    told = kind.is_in(IGNORED) | (kind == "foul") | (kind == "jumpball")
    quiet = untyped & (
        note.is_null() | note.is_in([*IGNORED_NOTES, *NOT_A_PLAYERS_FOUL, "personal", "technical"])
    )
    odd = pl.col("kind").is_null() & ~told.fill_null(False) & ~quiet.fill_null(False)
    return plays.with_columns(
        unknown=pl.when(odd).then(pl.concat_str([kind, note], separator=" ", ignore_nulls=True))
    )


def _box(raw: pl.DataFrame, starters: pl.DataFrame) -> pl.DataFrame:
    start = starters.select("game_id", "player_id", starter=pl.lit(True)).unique()
    has_starters = starters.select("game_id").unique().with_columns(_told=pl.lit(True))
    return (
        raw.filter((text("TYPE") == "Player") & pl.col("player_id").is_not_null())
        .join(start, on=["game_id", "player_id"], how="left", maintain_order="left")
        .join(has_starters, on="game_id", how="left", maintain_order="left")
        .select(
            "game_id",
            "team_id",
            "player_id",
            name=text("PLAYER_NAME"),
            number=text("PLAYER_NUMBER"),
            starter=pl.when(pl.col("_told")).then(pl.col("starter").fill_null(False)),
            seconds_played=(rounded("MINUTES") * 60 + rounded("SECONDS")).cast(pl.Float64),
            plus_minus=rounded("PLUS_MINUS", pl.Int16),
            points=stat("POINTS"),
            field_goals_2_made=stat("FG2_M"),
            field_goals_2_tried=stat("FG2_A"),
            field_goals_3_made=stat("FG3_M"),
            field_goals_3_tried=stat("FG3_A"),
            free_throws_made=stat("FT_M"),
            free_throws_tried=stat("FT_A"),
            offensive_rebounds=stat("REB_D"),  # swapped in the source
            defensive_rebounds=stat("REB_O"),
            assists=stat("ASS"),
            steals=stat("ST"),
            turnovers=stat("TO"),
            blocks=stat("BLC_FV"),
            fouls_made=stat("FLS_CM"),
            fouls_drawn=stat("FLS_RV"),
        )
    )


def _places(plays: pl.DataFrame, shots: pl.DataFrame) -> pl.DataFrame:
    """Add ``x_m, y_m``: a player's shots stand in the same order in both tables of a game."""
    keys = ["game_id", "player_id"]
    goal = (pl.col("kind") == "field_goal") & pl.col("player_id").is_not_null()
    nth = pl.when(goal).then(goal.cast(pl.Int32).cum_sum().over(keys))
    plays = plays.with_columns(_nth=nth, _all=goal.sum().over(keys))
    along, across = (decimal(c) / 100 for c in ("X", "Y"))
    left = along < 0.5
    places = shots.filter(pl.col("player_id").is_not_null()).select(
        *keys,
        _nth=(pl.int_range(pl.len()).over(keys) + 1).cast(pl.Int32),
        _shots=pl.len().over(keys),
        _in=text("MADE").str.to_lowercase() == "true",
        # Seen by who faces the basket: at the left end the right hand points to the lower side.
        x_m=pl.when(left).then(across - 0.5).otherwise(0.5 - across) * WIDTH_M,
        y_m=pl.when(left).then(along).otherwise(1 - along) * LENGTH_M - RIM_M,
    )
    plays = plays.join(places, on=[*keys, "_nth"], how="left", maintain_order="left")
    sure = (pl.col("_shots") == pl.col("_all")) & (pl.col("_in") == pl.col("made"))
    known = pl.col("x_m").is_not_null() & sure
    return plays.with_columns(x_m=pl.when(known).then("x_m"), y_m=pl.when(known).then("y_m")).drop(
        "_nth", "_all", "_shots", "_in"
    )


def _values(plays: pl.DataFrame, box: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Find out whether shots of unknown value were twos or threes."""
    goal = pl.col("kind") == "field_goal"
    open_ = goal & pl.col("value").is_null()
    before = plays.select(open_.sum()).item()
    if not before:
        return plays
    total = rounded("H_SCORE") + rounded("A_SCORE")
    last = pl.col("_total").forward_fill().shift(1).over("game_id").fill_null(0)
    plays = plays.with_columns(_total=total).with_columns(_gain=pl.col("_total") - last)
    near = text("PLAY_NOTE").str.contains_any(list(NEAR)).fill_null(False)
    gained = pl.col("made") & pl.col("_gain").is_in([2, 3])
    distance = (pl.col("x_m") ** 2 + pl.col("y_m") ** 2).sqrt()
    far = (distance > THREE_M) | ((pl.col("x_m").abs() > CORNER_M) & (pl.col("y_m") < 1.42))
    plays = plays.with_columns(
        value=pl.when(open_ & gained).then(pl.col("_gain").cast(pl.Int8)).otherwise("value"),
        _near=near,
    )
    # What the box score leaves over, the farthest shots first and those of a near kind last; without a box
    # score, kind and place alone.
    keys = ["game_id", "player_id"]
    open_ = goal & pl.col("value").is_null()
    threes = (goal & (pl.col("value") == 3)).sum().over(keys)
    lines = box.select(*keys, _official=pl.col("field_goals_3_tried"))
    plays = plays.join(lines, on=keys, how="left", maintain_order="left")
    left = pl.col("_official") - threes
    reach = pl.when(pl.col("_near")).then(-1.0).otherwise(distance.fill_null(0))
    rank = pl.when(open_).then(reach).rank("ordinal", descending=True).over(keys)
    guess = pl.when(pl.col("_official").is_not_null() & pl.col("player_id").is_not_null()).then(
        rank <= left
    ).otherwise(far.fill_null(False) & ~pl.col("_near"))  # fmt: skip
    plays = plays.with_columns(
        value=pl.when(open_)
        .then(pl.when(guess).then(pl.lit(3, pl.Int8)).otherwise(pl.lit(2, pl.Int8)))
        .otherwise("value"),
        _guessed=open_ & ~pl.col("made"),
    )
    notes.append(
        f"{counted(before, 'shot names', 'shots name')} no value: it was taken from the "
        f"running score, the kind of shot or, for {counted(int(plays['_guessed'].sum()), 'missed one')}, "
        "the place and the box score's count of threes"
    )
    return plays.drop("_total", "_gain", "_official", "_guessed", "_near")
