"""The standard tables: what each column means, which values it may hold, and the only way in or out.

Every table is a pandera model over polars. :func:`validate` casts to the declared types,
checks every row and reports all faults together; :mod:`openbasket.workspace` calls it on
each write and each read. Units stand in the names (``_s`` seconds, ``_m`` metres), intervals
are half-open.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Literal, cast

import pandera.polars as pa
import polars as pl
from pandera.api.polars.model import DataFrameModel
from pandera.errors import SchemaErrors

from openbasket.errors import BadInputError, Problem, UnknownNameError
from openbasket.skills import SKILL_KEYS

__all__ = [
    "BOX_STATS",
    "CEILING_SAMPLINGS",
    "EVENT_KINDS",
    "FILMED_KINDS",
    "FLAG_SCOPES",
    "PLAYER_KINDS",
    "SPLITS",
    "TABLES",
    "TableName",
    "dtypes",
    "empty",
    "validate",
]

TableName = Literal[
    "games",
    "players",
    "appearances",
    "box_scores",
    "events",
    "stints",
    "flags",
    "anchors",
    "event_times",
    "subjects",
    "levels",
    "clips",
    "reels",
    "failures",
    "splits",
    "predictions",
    "ceiling",
    "ceiling_cells",
]

#: Kinds of event that one player does (or suffers).
PLAYER_KINDS: tuple[str, ...] = (
    "field_goal",  # value 2 or 3, made, contested where known
    "free_throw",  # value 1, made
    "assist",
    "offensive_rebound",
    "defensive_rebound",
    "steal",
    "turnover",
    "block",
    "blocked",  # own field goal was blocked
    "foul",
    "foul_drawn",
    "pass",  # made = it arrived; few providers count passes
    "sub_in",
    "sub_out",
)

#: Kinds worth a clip: a substitution shows nothing of a skill, and passes would drown the rest.
FILMED_KINDS: tuple[str, ...] = tuple(
    kind for kind in PLAYER_KINDS if kind not in ("sub_in", "sub_out", "pass")
)
#: Every kind of event; the last four belong to a team or to the game.
EVENT_KINDS: tuple[str, ...] = (
    *PLAYER_KINDS,
    "jump_ball",
    "timeout",
    "period_start",
    "period_end",
)
#: Counting statistics of an official box score, and of our own count of the events.
BOX_STATS: tuple[str, ...] = (
    "points",
    "field_goals_2_made",
    "field_goals_2_tried",
    "field_goals_3_made",
    "field_goals_3_tried",
    "free_throws_made",
    "free_throws_tried",
    "offensive_rebounds",
    "defensive_rebounds",
    "assists",
    "steals",
    "turnovers",
    "blocks",
    "fouls_made",
    "fouls_drawn",
)
SPLITS: tuple[str, ...] = (
    "train",
    "val",
    "test",
    "cross_season",
    "cross_league",
    "cross_season_and_league",
)
GENDERS = ("men", "women")
#: How a perfect observer's plays are chosen: at random, each kind by its share, or all kinds equally often.
CEILING_SAMPLINGS: tuple[str, ...] = ("uniform", "stratified", "balanced")
#: How much of a game a flag leaves out.
FLAG_SCOPES: tuple[str, ...] = ("game", "lineups", "note")
SEASON_PATTERN = r"^[0-9]{2}-[0-9]{2}$"  # "21-22"
#: Identifiers become file names, so that these characters are all they may hold, and not many of them.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
#: Player, league and season.
SUBJECT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,206}$"
UTC = pl.Datetime("us", "UTC")


class _Table(DataFrameModel):
    class Config:
        strict = True
        coerce = True


class Games(_Table):
    """A game."""

    game_id: str = pa.Field(str_matches=ID_PATTERN, unique=True)
    league: str = pa.Field(str_matches=ID_PATTERN)
    season: str = pa.Field(str_matches=SEASON_PATTERN)
    date: pl.Date = pa.Field(nullable=True)
    gender: str = pa.Field(isin=GENDERS)
    region: str = pa.Field(nullable=True)
    home_team_id: str = pa.Field(str_matches=ID_PATTERN)
    away_team_id: str = pa.Field(str_matches=ID_PATTERN)
    home_team: str = pa.Field(nullable=True)
    away_team: str = pa.Field(nullable=True)
    home_score: pl.Int16 = pa.Field(ge=0, nullable=True)
    away_score: pl.Int16 = pa.Field(ge=0, nullable=True)
    periods: pl.Int8 = pa.Field(ge=1)  # of regulation: 4 quarters, 2 halves
    period_s: pl.Float64 = pa.Field(gt=0)
    overtime_s: pl.Float64 = pa.Field(gt=0)
    video: str = pa.Field(nullable=True)
    source: str


class Players(_Table):
    """A person. Null where the source does not say, never guessed."""

    player_id: str = pa.Field(str_matches=ID_PATTERN, unique=True)
    name: str = pa.Field(nullable=True)
    gender: str = pa.Field(isin=GENDERS, nullable=True)
    birth_date: pl.Date = pa.Field(nullable=True)
    nationality: str = pa.Field(nullable=True)
    height_cm: pl.Float64 = pa.Field(gt=100, lt=260, nullable=True)
    position: str = pa.Field(nullable=True)


class Appearances(_Table):
    """A player on a game's roster."""

    game_id: str = pa.Field(str_matches=ID_PATTERN)
    team_id: str = pa.Field(str_matches=ID_PATTERN)
    player_id: str = pa.Field(str_matches=ID_PATTERN)
    number: str = pa.Field(nullable=True)
    starter: bool = pa.Field(nullable=True)

    class Config(_Table.Config):
        unique = ["game_id", "player_id"]


class BoxScores(_Table):
    """A player's official line of a game, as the league published it."""

    game_id: str = pa.Field(str_matches=ID_PATTERN)
    team_id: str = pa.Field(str_matches=ID_PATTERN)
    player_id: str = pa.Field(str_matches=ID_PATTERN)
    seconds_played: pl.Float64 = pa.Field(ge=0, nullable=True)
    plus_minus: pl.Int16 = pa.Field(nullable=True)
    points: pl.Int16 = pa.Field(ge=0, nullable=True)
    field_goals_2_made: pl.Int16 = pa.Field(ge=0, nullable=True)
    field_goals_2_tried: pl.Int16 = pa.Field(ge=0, nullable=True)
    field_goals_3_made: pl.Int16 = pa.Field(ge=0, nullable=True)
    field_goals_3_tried: pl.Int16 = pa.Field(ge=0, nullable=True)
    free_throws_made: pl.Int16 = pa.Field(ge=0, nullable=True)
    free_throws_tried: pl.Int16 = pa.Field(ge=0, nullable=True)
    offensive_rebounds: pl.Int16 = pa.Field(ge=0, nullable=True)
    defensive_rebounds: pl.Int16 = pa.Field(ge=0, nullable=True)
    assists: pl.Int16 = pa.Field(ge=0, nullable=True)
    steals: pl.Int16 = pa.Field(ge=0, nullable=True)
    turnovers: pl.Int16 = pa.Field(ge=0, nullable=True)
    blocks: pl.Int16 = pa.Field(ge=0, nullable=True)
    fouls_made: pl.Int16 = pa.Field(ge=0, nullable=True)
    fouls_drawn: pl.Int16 = pa.Field(ge=0, nullable=True)

    class Config(_Table.Config):
        unique = ["game_id", "player_id"]


class Events(_Table):
    """A player in an event (team and game events have no player).

    ``order`` counts a game's rows from 0 in the order in which things happened.
    ``play_id`` is shared by the rows of one play: shot, assist, block; turnover and steal;
    foul and foul drawn. ``clock_s`` is the game clock: seconds left in the period.
    ``x_m, y_m`` are metres from the centre of the attacked basket: ``x_m`` along the baseline
    (positive to the right of a viewer who faces the basket), ``y_m`` from the basket toward the
    half-way line.
    """

    game_id: str = pa.Field(str_matches=ID_PATTERN)
    event_id: str = pa.Field(str_matches=ID_PATTERN)
    play_id: pl.Int32 = pa.Field(ge=0)
    order: pl.Int32 = pa.Field(ge=0)
    period: pl.Int8 = pa.Field(ge=1)
    clock_s: pl.Float64 = pa.Field(ge=0)
    team_id: str = pa.Field(str_matches=ID_PATTERN, nullable=True)
    player_id: str = pa.Field(str_matches=ID_PATTERN, nullable=True)
    kind: str = pa.Field(isin=EVENT_KINDS)
    made: bool = pa.Field(nullable=True)
    value: pl.Int8 = pa.Field(isin=(1, 2, 3), nullable=True)
    x_m: pl.Float32 = pa.Field(ge=-20, le=20, nullable=True)
    y_m: pl.Float32 = pa.Field(ge=-5, le=35, nullable=True)
    contested: bool = pa.Field(nullable=True)
    wall_time: UTC = pa.Field(nullable=True)  # type: ignore[valid-type]

    class Config(_Table.Config):
        unique = ["game_id", "event_id"]


class Stints(_Table):
    """The players of one team on court for one stretch of one period, start to end exclusive.

    The game clock counts down, so that ``start_clock_s > end_clock_s``; both are equal in a stint of no
    length, which only holds the free throws between two changes at one instant.
    """

    game_id: str = pa.Field(str_matches=ID_PATTERN)
    team_id: str = pa.Field(str_matches=ID_PATTERN)
    period: pl.Int8 = pa.Field(ge=1)
    start_clock_s: pl.Float64 = pa.Field(ge=0)
    end_clock_s: pl.Float64 = pa.Field(ge=0)
    first_order: pl.Int32  # events with first_order <= order < last_order fall into the stint
    last_order: pl.Int32
    player_ids: pl.List(pl.String)  # type: ignore[valid-type]


class Flags(_Table):
    """Why a game, or a part of it, is not to be trusted.

    ``scope`` says what is left out by default: the whole ``game``, its ``lineups`` (stints, and the
    statistics made from them), or nothing (``note``).
    """

    game_id: str = pa.Field(str_matches=ID_PATTERN)
    check: str
    scope: str = pa.Field(isin=FLAG_SCOPES)
    reason: str


class Anchors(_Table):
    """A sync point between game clock and media time."""

    game_id: str = pa.Field(str_matches=ID_PATTERN)
    period: pl.Int8 = pa.Field(ge=1)
    clock_s: pl.Float64 = pa.Field(ge=0)
    media_s: pl.Float64 = pa.Field(ge=0)
    how: str = pa.Field(isin=("given", "scoreboard", "wall_clock", "truth"))
    residual_s: pl.Float64 = pa.Field(nullable=True)


class EventTimes(_Table):
    """When an event's action is seen in its game's video, where that is known event by event.

    Rendered videos have it. A stopped clock cannot tell one free throw from the next; this can.
    """

    game_id: str = pa.Field(str_matches=ID_PATTERN)
    event_id: str = pa.Field(str_matches=ID_PATTERN)
    media_s: pl.Float64 = pa.Field(ge=0)

    class Config(_Table.Config):
        unique = ["game_id", "event_id"]


class Subjects(_Table):
    """A player in a league in a season: what the paper labels and films."""

    subject_id: str = pa.Field(str_matches=SUBJECT_PATTERN, unique=True)
    player_id: str = pa.Field(str_matches=ID_PATTERN)
    league: str = pa.Field(str_matches=ID_PATTERN)
    season: str = pa.Field(str_matches=SEASON_PATTERN)
    gender: str = pa.Field(isin=GENDERS)
    region: str = pa.Field(nullable=True)
    games: pl.Int32 = pa.Field(ge=0)
    minutes: pl.Float64 = pa.Field(ge=0)
    events: pl.Int32 = pa.Field(ge=0)


class Levels(_Table):
    """Score, rank and level of a subject in a skill.

    ``raw`` is the statistic before shrinkage, ``trials`` its denominator, ``score`` the shrunk
    statistic in the skill's own unit. ``rank`` 1 is the best of ``ranked`` subjects of the league
    and season. All are null where the source cannot support the skill or the subject has no
    trial. ``origin`` is ``computed`` or ``expert``.
    """

    subject_id: str = pa.Field(str_matches=SUBJECT_PATTERN)
    skill: str = pa.Field(isin=SKILL_KEYS)
    raw: pl.Float64 = pa.Field(nullable=True)
    trials: pl.Float64 = pa.Field(ge=0, nullable=True)
    score: pl.Float64 = pa.Field(nullable=True)
    rank: pl.Int32 = pa.Field(ge=1, nullable=True)
    ranked: pl.Int32 = pa.Field(ge=0)
    level: pl.Int8 = pa.Field(ge=0, nullable=True)
    origin: str = pa.Field(isin=("computed", "expert"))

    class Config(_Table.Config):
        unique = ["subject_id", "skill"]


class Clips(_Table):
    """A cut from a game video; several players and draws may share one.

    An event may begin several clips: of other settings, or where overlapping clips are merged.
    """

    clip_id: str = pa.Field(str_matches=ID_PATTERN)
    game_id: str = pa.Field(str_matches=ID_PATTERN)
    event_id: str = pa.Field(str_matches=ID_PATTERN)
    start_s: pl.Float64 = pa.Field(ge=0)
    end_s: pl.Float64 = pa.Field(gt=0)
    frames: pl.Int32 = pa.Field(gt=0)

    class Config(_Table.Config):
        unique = ["clip_id", "game_id", "event_id"]


class Reels(_Table):
    """A clip's place in a subject's reel, in frames of the reel (half-open)."""

    subject_id: str = pa.Field(str_matches=SUBJECT_PATTERN)
    draw: pl.Int8 = pa.Field(ge=0)
    position: pl.Int32 = pa.Field(ge=0)
    clip_id: str = pa.Field(str_matches=ID_PATTERN)
    game_id: str = pa.Field(str_matches=ID_PATTERN)
    event_id: str = pa.Field(str_matches=ID_PATTERN)
    first_frame: pl.Int32 = pa.Field(ge=0)
    frames: pl.Int32 = pa.Field(gt=0)
    path: str  # of the reel, relative to the root

    class Config(_Table.Config):
        unique = ["subject_id", "draw", "position"]


class Failures(_Table):
    """Something that was left out, and why."""

    stage: str
    item: str
    reason: str


class Splits(_Table):
    """A subject's split; null where it is left out (``reason`` says why)."""

    subject_id: str = pa.Field(str_matches=SUBJECT_PATTERN, unique=True)
    player_id: str = pa.Field(str_matches=ID_PATTERN)
    league: str = pa.Field(str_matches=ID_PATTERN)
    season: str = pa.Field(str_matches=SEASON_PATTERN)
    split: str = pa.Field(isin=SPLITS, nullable=True)
    reason: str = pa.Field(nullable=True)


class Predictions(_Table):
    """A model's probabilities for a subject in a skill (p0 poor ... p4 excellent); all null: no answer."""

    subject_id: str = pa.Field(str_matches=SUBJECT_PATTERN)
    skill: str = pa.Field(isin=SKILL_KEYS)
    p0: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)  # null: the model gave no level
    p1: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)
    p2: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)
    p3: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)  # null with three levels
    p4: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)
    model: str
    run: str

    class Config(_Table.Config):
        unique = ["run", "subject_id", "skill"]


class Ceiling(_Table):
    """How often a perfect observer of some of a player's plays names the right level.

    ``events`` is how many plays he sees, null: all of them. ``learner`` is the one that was best on val,
    null for ``mean``, the average over the skills. ``accuracy`` is on ``labels`` labels of the ``subjects``
    of ``split``, ``low`` and ``high`` its 95 % interval; null where a skill has too few labels.
    ``labels_hash`` is the SHA-256 of who is in the split and which labels they have
    (``openbasket.dataset.reader.hash_labels``).
    """

    skill: str = pa.Field(isin=(*SKILL_KEYS, "mean"))
    events: pl.Int32 = pa.Field(ge=1, nullable=True)
    sampling: str = pa.Field(isin=CEILING_SAMPLINGS)
    levels: pl.Int8 = pa.Field(ge=2)
    learner: str = pa.Field(nullable=True)
    accuracy: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)
    low: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)
    high: pl.Float64 = pa.Field(ge=0, le=1, nullable=True)
    subjects: pl.Int32 = pa.Field(ge=0)
    labels: pl.Int32 = pa.Field(ge=0)
    split: str = pa.Field(isin=SPLITS)
    labels_hash: str = pa.Field(str_matches=r"^[0-9a-f]{64}$")

    class Config(_Table.Config):
        unique = ["skill", "events", "sampling", "levels", "split"]


class CeilingCells(_Table):
    """How right a perfect observer is about each subject: what table ``ceiling`` is the mean of.

    So that the ceiling of any group of people can be told, and compared with a run on the same people.
    ``level`` is the label, out of ``levels``; ``right`` is an average over the draws of the plays.
    """

    subject_id: str = pa.Field(str_matches=SUBJECT_PATTERN)
    split: str = pa.Field(isin=SPLITS)
    skill: str = pa.Field(isin=SKILL_KEYS)
    events: pl.Int32 = pa.Field(ge=1, nullable=True)
    sampling: str = pa.Field(isin=CEILING_SAMPLINGS)
    levels: pl.Int8 = pa.Field(ge=2)
    level: pl.Int8 = pa.Field(ge=0)
    right: pl.Float32 = pa.Field(ge=0, le=1)

    class Config(_Table.Config):
        unique = ["subject_id", "skill", "events", "sampling", "levels"]


TABLES: Mapping[str, type[_Table]] = {
    "games": Games,
    "players": Players,
    "appearances": Appearances,
    "box_scores": BoxScores,
    "events": Events,
    "stints": Stints,
    "flags": Flags,
    "anchors": Anchors,
    "event_times": EventTimes,
    "subjects": Subjects,
    "levels": Levels,
    "clips": Clips,
    "reels": Reels,
    "failures": Failures,
    "splits": Splits,
    "predictions": Predictions,
    "ceiling": Ceiling,
    "ceiling_cells": CeilingCells,
}


def model(name: str) -> type[_Table]:
    """Return the pandera model of a table.

    Raises:
        UnknownNameError: no table has this name.
    """
    if name not in TABLES:
        raise UnknownNameError("table", name, tuple(TABLES))
    return TABLES[name]


def dtypes(name: TableName) -> dict[str, pl.DataType]:
    """Column names and polars types of a table, in order."""
    return {
        column: cast(pl.DataType, field.dtype.type)
        for column, field in model(name).to_schema().columns.items()
    }


def empty(name: TableName) -> pl.DataFrame:
    """Return the table with no rows."""
    return pl.DataFrame(schema=dtypes(name))


def validate(name: TableName, frame: pl.DataFrame, where: str = "") -> pl.DataFrame:
    """Return ``frame`` with the table's columns, order and types; refuse it if any row is wrong.

    Args:
        name: table.
        frame: rows to check. Missing nullable columns are added as null.
        where: file to name in errors; the table's name by default.

    Raises:
        BadInputError: with one problem for each faulty cell (columns that are missing or unknown, too).
    """
    place = where or f"table '{name}'"
    schema = model(name).to_schema()
    wanted = dtypes(name)
    problems = [
        Problem(place, None, column, "a column this table does not have", ", ".join(wanted))
        for column in frame.columns
        if column not in wanted
    ]
    for column, dtype in wanted.items():
        if column in frame.columns:
            continue
        if schema.columns[column].nullable:
            frame = frame.with_columns(pl.lit(None, dtype=dtype).alias(column))
        else:
            problems.append(Problem(place, None, column, "no such column", f"a column of {dtype}"))
    if problems:
        raise BadInputError(problems)
    frame = frame.select(list(wanted))
    problems = _uncastable(place, frame, wanted)
    if problems:
        raise BadInputError(problems)
    frame = frame.cast(dict(wanted))  # type: ignore[arg-type]
    if _sound(name, frame):
        return frame
    try:
        return schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        raise BadInputError(_problems(place, frame, error)) from None


def _sound(name: TableName, frame: pl.DataFrame) -> bool:
    """Whether no row breaks the table's rules, all of them looked at in one pass.

    pandera says what is wrong, in many passes over the frame; what is right needs but this one.
    False where in doubt.
    """
    schema = model(name).to_schema()
    faults: list[pl.Expr] = []
    for column, field in schema.columns.items():
        value = pl.col(column)
        if not field.nullable:
            faults.append(value.is_null().any())
            if frame.schema[column].is_float():
                faults.append(value.is_nan().any())
        if field.unique:
            faults.append(value.is_duplicated().any())
        # Text repeats: each value is looked at once.
        values = value.unique() if frame.schema[column] == pl.String else value
        for check in field.checks:
            rule = _RULES.get(check.name or "")
            if rule is None:
                return False
            faults.append((~rule(values, *(check.statistics or {}).values())).any())
    if schema.unique:
        # Equal rows have equal hashes; unequal ones hardly ever, and pandera tells these apart.
        hashes = [pl.col(column).hash(seed) for seed, column in enumerate(schema.unique)]
        faults.append(pl.reduce(operator.xor, hashes).n_unique() < pl.len())
    found = frame.select(fault.alias(str(n)) for n, fault in enumerate(faults))
    return frame.is_empty() or not any(found.row(0))


_RULES: Mapping[str, Callable[..., pl.Expr]] = {
    "isin": lambda value, allowed: value.is_in(list(allowed)),
    "str_matches": lambda value, pattern: value.str.contains(getattr(pattern, "pattern", pattern)),
    "greater_than_or_equal_to": lambda value, least: value >= least,
    "less_than_or_equal_to": lambda value, most: value <= most,
    "greater_than": lambda value, bound: value > bound,
    "less_than": lambda value, bound: value < bound,
}


def _uncastable(
    place: str, frame: pl.DataFrame, wanted: Mapping[str, pl.DataType]
) -> list[Problem]:
    problems = []
    for column, dtype in wanted.items():
        if frame.schema[column] == dtype:
            continue
        try:
            lost = frame[column].cast(dtype, strict=False).is_null() & frame[column].is_not_null()
        except pl.exceptions.PolarsError:
            problems.append(Problem(place, None, column, str(frame.schema[column]), str(dtype)))
            continue
        problems += [
            Problem(place, row, column, repr(frame[column][row]), str(dtype))
            for row in lost.arg_true().to_list()
        ]
    return problems


def _problems(place: str, frame: pl.DataFrame, errors: SchemaErrors) -> list[Problem]:
    """Turn pandera's failure cases into one problem for each faulty cell."""
    problems = []
    for error in errors.schema_errors:
        field = getattr(error.schema, "name", None)
        allowed = _rule(error)
        rows: list[int] = []
        output = error.check_output
        if isinstance(output, pl.LazyFrame):
            output = output.collect()
        if isinstance(output, pl.DataFrame) and "check_output" in output.columns:
            rows = (~output["check_output"].fill_null(True)).arg_true().to_list()
        if "multiple_fields_uniqueness" in str(error.check) or error.schema is None:
            field = None
        reason = getattr(error.reason_code, "name", "")
        if reason == "DUPLICATES" or "unique" in str(error.check):
            columns = [field] if field in frame.columns else _unique_columns(error)
            repeated = frame.select(columns).is_duplicated()
            for row in repeated.arg_true().to_list():
                given = ", ".join(f"{c}={frame[c][row]!r}" for c in columns)
                problems.append(
                    Problem(
                        place, row, ", ".join(columns), f"{given} more than once", "one row each"
                    )
                )
            continue
        if "not_nullable" in str(error.check) and field in frame.columns:
            rows = frame[field].is_null().arg_true().to_list()
            if frame.schema[field].is_float():
                rows = (frame[field].is_null() | frame[field].is_nan()).arg_true().to_list()
        for row in rows:
            given = repr(frame[field][row]) if field in frame.columns else "?"
            problems.append(Problem(place, row, field, given, allowed))
        if not rows:
            problems.append(Problem(place, None, field, str(error.failure_cases)[:80], allowed))
    return sorted(problems, key=lambda p: (p.row is None, p.row or 0, p.field or ""))


def _rule(error: object) -> str:
    check = getattr(error, "check", None)
    if "not_nullable" in str(check):
        return "a value (not empty)"
    name = getattr(check, "name", None) or str(check)
    values = getattr(check, "statistics", None) or {}
    told = ", ".join(f"{value}" for value in values.values())
    words = {
        "isin": "one of {}",
        "str_matches": "text that matches {}",
        "greater_than_or_equal_to": "at least {}",
        "less_than_or_equal_to": "at most {}",
        "greater_than": "more than {}",
        "less_than": "less than {}",
    }
    return words[name].format(told) if name in words else f"{name} {told}".strip()


def _unique_columns(error: object) -> list[str]:
    unique = getattr(getattr(error, "schema", None), "unique", None)
    return list(unique or [])
