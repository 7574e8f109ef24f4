"""From a provider's cleaned rows to the standard tables: what all providers have in common.

A provider's file says what its rows mean (kind, player, clock) in the order of the source; here
they get their final order, identifiers and plays, and rosters and people are gathered from them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.tables import BOX_STATS, PLAYER_KINDS
from openbasket.transcripts import Transcript
from openbasket.transcripts.names import per_value, text
from openbasket.wording import counted, counted_expr

__all__ = [
    "LATE_CHANGES",
    "assemble",
    "blocks_of_shots",
    "clock_seconds",
    "iso_clock_seconds",
    "season_name",
    "sides_from_scores",
]

#: Columns of a provider's rows, and what stands in a column that it does not have.
PLAY_COLUMNS: dict[str, pl.DataType] = {
    "game_id": pl.String(),
    "period": pl.Int8(),
    "clock_s": pl.Float64(),
    "kind": pl.String(),
    "team_id": pl.String(),
    "player_id": pl.String(),
    "name": pl.String(),
    "number": pl.String(),
    "made": pl.Boolean(),
    "value": pl.Int8(),
    "x_m": pl.Float32(),
    "y_m": pl.Float32(),
    "contested": pl.Boolean(),
    "wall_time": tables.UTC,
    "technical": pl.Boolean(),
    "play": pl.Int64(),
    "unknown": pl.String(),
}
BOX_COLUMNS: dict[str, pl.DataType] = {
    "game_id": pl.String(),
    "team_id": pl.String(),
    "player_id": pl.String(),
    "name": pl.String(),
    "number": pl.String(),
    "starter": pl.Boolean(),
    "seconds_played": pl.Float64(),
    "plus_minus": pl.Int16(),
    **dict.fromkeys(BOX_STATS, pl.Int16()),
}
PEOPLE_COLUMNS: dict[str, pl.DataType] = {
    "player_id": pl.String(),
    "name": pl.String(),
    "gender": pl.String(),
    "birth_date": pl.Date(),
    "nationality": pl.String(),
    "height_cm": pl.Float64(),
    "position": pl.String(),
}
GAME_DEFAULTS: dict[str, Any] = {"periods": 4, "period_s": 600.0, "overtime_s": 300.0}
#: Rows with a clock that cannot be, from which on a game is not to be trusted.
MANY_BAD_CLOCKS = 10
#: Rows whose clock is at most this much above that of a row before them keep their place: two people, or two
#: clicks, noted what happened together. Rows further off were entered late.
SLACK_S = 3.0
#: Name of the check that notes games with such changes.
LATE_CHANGES = "late changes"


def season_name(start: int) -> str:
    """``2022`` → ``"22-23"``."""
    return f"{start % 100:02d}-{(start + 1) % 100:02d}"


def clock_seconds(clock: pl.Expr) -> pl.Expr:
    """Seconds of ``MM:SS`` or ``MM:SS.t``; null where it is not that."""

    def seconds(given: pl.Expr) -> pl.Expr:
        parts = given.str.extract_groups(r"^\s*(\d{1,2}):([0-5]?\d(?:\.\d+)?)\s*$")
        return parts.struct[0].cast(pl.Float64) * 60 + parts.struct[1].cast(pl.Float64)

    return per_value(clock, seconds, pl.Float64)


def iso_clock_seconds(clock: pl.Expr) -> pl.Expr:
    """Seconds of ``PT07M25.00S``; null where it is not that."""

    def seconds(given: pl.Expr) -> pl.Expr:
        parts = given.str.extract_groups(r"^\s*PT(?:(\d{1,3})M)?(?:(\d{1,3}(?:\.\d+)?)S)?\s*$")
        minutes, rest = (parts.struct[i].cast(pl.Float64) for i in (0, 1))
        told = minutes.is_not_null() | rest.is_not_null()
        return pl.when(told).then(minutes.fill_null(0) * 60 + rest.fill_null(0))

    return per_value(clock, seconds, pl.Float64)


def assemble(
    source: str,
    league: str,
    season: str,
    games: pl.DataFrame,
    plays: pl.DataFrame,
    *,
    gender: str,
    region: str | None = None,
    box: pl.DataFrame | None = None,
    people: pl.DataFrame | None = None,
    free_throws_at_foul: bool = False,
    flags: pl.DataFrame | None = None,
    notes: Sequence[str] = (),
) -> Transcript:
    """Make a transcript of one league and season.

    Rows without ``kind`` are left out; ``unknown`` says of such a row what was not understood, and its
    game is flagged. Rows of a team that does not play are left out. A clock that is missing, or longer
    than the period, becomes that of the row before. Rows that were entered late go where their clock
    says; rows with equal clocks keep the order they have (see :mod:`transcripts.stints`).

    Args:
        source: provider.
        league: league identifier.
        season: such as ``"21-22"``.
        games: ``game_id``, ``home_team_id``, ``away_team_id`` and any others of table ``games``; periods
            are 4 of 600 s and overtimes of 300 s where it does not say.
        plays: one row for each player (or team) in an event, in the order of the source. Needed:
            ``game_id, period, clock_s, kind, team_id, player_id``; welcome: ``name, number, made, value,
            x_m, y_m, contested, wall_time, unknown`` and ``play``, which rows of one play share (inside a
            game). Without ``play``, neighbouring rows that belong together are found by their kinds.
        gender: "men" or "women".
        region: of the league.
        box: official lines: keys ``game_id, team_id, player_id``, and of ``name, number, starter,
            seconds_played, plus_minus`` and :data:`tables.BOX_STATS` what there is.
        people: ``player_id`` and what is known of them: ``name, gender, birth_date`` (date),
            ``nationality, height_cm, position``.
        free_throws_at_foul: free throws count for those who were on court at their foul, as the NBA's
            plus-minus has it, so that they are put before the changes made between; else for those who
            are on court when they are shot. Column ``technical`` tells free throws of technical fouls,
            and these fouls (rows without ``kind``, left out afterwards), from the others.
        flags: what the provider's module found (:func:`flag_frame`).
        notes: what was odd in the files.

    Returns:
        The transcript. Its tables are not validated yet; :func:`transcripts.import_files` does that.
    """
    said = list(notes)
    games = _games(games, source, league, season, gender, region)
    plays = _with(plays, PLAY_COLUMNS).with_columns(text("name"), text("number"))
    box = _with(box if box is not None else pl.DataFrame(), BOX_COLUMNS)
    box = box.drop_nulls(["game_id", "team_id", "player_id"]).unique(
        ["game_id", "player_id"], keep="first", maintain_order=True
    )
    found = [flag_frame() if flags is None else flags, _unknown(plays, said)]
    told = pl.col("kind").is_not_null() | pl.col("technical").fill_null(False)
    plays = plays.filter(told & pl.col("period").is_not_null())
    box = _of_playing_teams(box, games)
    # Numbered games are sorted and grouped several times faster than named ones.
    numbered = pl.Enum(games["game_id"].unique().sort())
    plays = plays.with_columns(
        pl.col("game_id").cast(numbered, strict=False), pl.col("kind").cast(pl.Categorical)
    )
    coded = games.with_columns(pl.col("game_id").cast(numbered))
    plays = _played_periods(_only_playing_teams(plays, coded, said), coded)
    plays, of_clocks = _clocks(plays, coded, said)
    plays, of_changes = _ordered(plays, said, free_throws_at_foul=free_throws_at_foul)
    played = plays.select(pl.col("game_id").unique().cast(pl.String))
    without = games.join(played, on="game_id", how="anti")
    if without.height:
        said.append(
            counted(
                without.height,
                "game has no plays and is left out",
                "games have no plays and are left out",
            )
        )
    games = games.join(played, on="game_id", how="semi").sort("game_id")
    box = box.join(played, on="game_id", how="semi")
    lines = box.filter(pl.any_horizontal(pl.col(BOX_STATS).is_not_null()))
    who = plays.select("game_id", "player_id", "team_id", "name", "number").filter(
        pl.col("player_id").is_not_null() & plays["kind"].is_in(PLAYER_KINDS)
    )
    return Transcript(
        league,
        season,
        games,
        _people(people, box, who, gender),
        _appearances(box, who, numbered),
        lines.select("game_id", "team_id", "player_id", "seconds_played", "plus_minus", *BOX_STATS),
        _events(plays, coded),
        tuple(said),
        pl.concat([*found, of_clocks, of_changes]).join(played, on="game_id", how="semi"),
    )


def blocks_of_shots(frame: pl.DataFrame, shared: Sequence[str]) -> pl.DataFrame:
    """Join blocks in rows of their own with the missed shots before them, and add a row of who was blocked.

    Args:
        frame: columns ``game_id, play, part, kind, team_id, player_id, made`` and ``shared``, in order.
        shared: columns that all rows of a play have in common.
    """
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
    return pl.concat([joined.drop("_shooter", "_shooting"), beaten], how="diagonal_relaxed")


def sides_from_scores(scores: pl.DataFrame) -> pl.DataFrame:
    """Home and away team of games that do not say them.

    Args:
        scores: ``game_id, team_id`` (of who scored) and the running ``home, away``, in order.

    Returns:
        ``game_id, home_team_id, away_team_id``; a game whose score never moves, or moves for one team
        alone, is not in it.
    """
    before = {side: pl.col(side).shift(1).over("game_id").fill_null(0) for side in ("home", "away")}
    moved = scores.filter(pl.col("team_id").is_not_null()).with_columns(
        side=pl.when((pl.col("home") > before["home"]) & (pl.col("away") == before["away"]))
        .then(pl.lit("home_team_id"))
        .when((pl.col("away") > before["away"]) & (pl.col("home") == before["home"]))
        .then(pl.lit("away_team_id"))
    )
    told = (
        moved.drop_nulls("side")
        .group_by("game_id", "side", "team_id")
        .len()
        .sort("game_id", "side", "len", "team_id", descending=[False, False, True, False])
        .unique(["game_id", "side"], keep="first", maintain_order=True)
        .pivot("side", index="game_id", values="team_id")
    )
    for column in ("home_team_id", "away_team_id"):
        if column not in told.columns:
            told = told.with_columns(pl.lit(None, pl.String).alias(column))
    return told.select("game_id", "home_team_id", "away_team_id").drop_nulls()


def flag_frame(rows: Sequence[tuple[str, str, str, str]] = ()) -> pl.DataFrame:
    """Table ``flags`` of rows (game_id, check, scope, reason)."""
    return pl.DataFrame(rows, schema=tables.dtypes("flags"), orient="row")


def _with(frame: pl.DataFrame, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """The columns in order and type; missing ones null, values that do not fit null."""
    return (
        frame.select(
            (
                pl.col(name).cast(dtype, strict=False)
                if name in frame.columns
                else pl.lit(None, dtype)
            ).alias(name)
            for name, dtype in columns.items()
        )
        if frame.width
        else pl.DataFrame(schema=columns)
    )


def _games(
    games: pl.DataFrame, source: str, league: str, season: str, gender: str, region: str | None
) -> pl.DataFrame:
    fixed = {"league": league, "season": season, "gender": gender, "region": region}
    frame = games.with_columns(
        *(pl.lit(v, dtype=pl.String).alias(k) for k, v in fixed.items()),
        pl.lit(source).alias("source"),
        *(
            (pl.col(k).fill_null(v) if k in games.columns else pl.lit(v)).alias(k)
            for k, v in GAME_DEFAULTS.items()
        ),
    )
    columns = tables.dtypes("games")
    return _with(frame, columns).unique("game_id", keep="first", maintain_order=True)


def _unknown(plays: pl.DataFrame, said: list[str]) -> pl.DataFrame:
    odd = plays.filter(pl.col("unknown").is_not_null())
    if odd.is_empty():
        return flag_frame()
    for what, count in odd["unknown"].value_counts().sort("unknown").head(20).rows():
        rows, are = counted(count, "row"), "is" if count == 1 else "are"
        said.append(f"{rows} of unknown kind {what!r} {are} left out")
    return (
        odd.group_by("game_id")
        .agg(pl.len(), pl.col("unknown").unique().sort())
        .select(
            "game_id",
            pl.lit("unknown plays").alias("check"),
            pl.lit("note").alias("scope"),
            pl.format(
                "{} left out: {}",
                counted_expr("len", "row"),
                pl.col("unknown").list.head(5).list.join(", "),
            ).alias("reason"),
        )
        .sort("game_id")
    )


def _of_playing_teams(frame: pl.DataFrame, games: pl.DataFrame) -> pl.DataFrame:
    sides = games.select("game_id", "home_team_id", "away_team_id")
    team = pl.col("team_id")
    plays = pl.col("home_team_id").is_not_null() & (
        team.is_null() | (team == pl.col("home_team_id")) | (team == pl.col("away_team_id"))
    )
    return _where(frame, frame.select("game_id", "team_id").join(
        sides, on="game_id", how="left", maintain_order="left"
    ).select(plays))  # fmt: skip


def _where(frame: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """The rows for which the one column of ``kept`` is true; no copy where that is all of them."""
    mask = kept.to_series()
    return frame if mask.all() else frame.filter(mask)


def _only_playing_teams(plays: pl.DataFrame, games: pl.DataFrame, said: list[str]) -> pl.DataFrame:
    """Leave out rows of games that nobody lists, and of teams that do not play in theirs."""
    kept = _of_playing_teams(plays, games)
    if kept.height < plays.height:
        lost = plays.height - kept.height
        said.append(
            counted(
                lost,
                "row names a team that does not play; it is left out",
                "rows name a team that does not play; they are left out",
            )
        )
    # A player without a team, or a kind that needs a player without one, stays as a team event.
    lone = pl.col("team_id").is_null() | pl.col("player_id").is_null()
    return kept.with_columns(player_id=pl.when(~lone).then(pl.col("player_id")))


def _played_periods(plays: pl.DataFrame, games: pl.DataFrame) -> pl.DataFrame:
    """Rows of overtimes in which nobody shoots, which were not played, go to the end of the game."""
    shot = pl.col("kind").is_in(["field_goal", "free_throw"])
    narrow = plays.select("game_id", "period", shot=shot).join(
        games.select("game_id", "periods"), on="game_id", how="left", maintain_order="left"
    )
    regular = pl.col("period") <= pl.col("periods")
    extra = narrow.filter(~regular).select(pl.col("shot").any().over("game_id", "period"))
    if extra.to_series().all():
        return plays
    played = narrow.select(regular | pl.col("shot").any().over("game_id", "period")).to_series()
    acts = pl.col("player_id").is_not_null() & ~pl.col("kind").is_in(["sub_in", "sub_out"])
    last = pl.when("_played").then("period").max().over("game_id")
    return (
        plays.with_columns(_played=played)
        .with_columns(_last=last)
        .filter(pl.col("_played") | acts)
        .with_columns(
            period=pl.when("_played").then("period").otherwise("_last"),
            clock_s=pl.when("_played").then("clock_s").otherwise(0.0),
        )
        .drop("_played", "_last")
    )


def _clocks(
    plays: pl.DataFrame, games: pl.DataFrame, said: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    lengths = games.select("game_id", "periods", "period_s", "overtime_s")
    length = (
        pl.when(pl.col("period") > pl.col("periods"))
        .then(pl.col("overtime_s"))
        .otherwise(pl.col("period_s"))
    )
    kind = pl.col("kind")
    clock = (
        pl.when(kind == "period_start")
        .then(length)
        .when(kind == "period_end")
        .then(0.0)
        .when(pl.col("clock_s").is_between(0, length))
        .then(pl.col("clock_s"))
    )
    narrow = (
        plays.select("game_id", "period", "clock_s", "kind")
        .join(lengths, on="game_id", how="left", maintain_order="left")
        .with_columns(clock_s=clock, length=length)
    )
    bad = narrow.filter(pl.col("clock_s").is_null())
    if bad.height:
        said.append(
            counted(bad.height, "row without", "rows without")
            + " a readable clock (or with one beyond the period): that of the row before is taken"
        )
        filled = pl.col("clock_s").forward_fill().over("game_id", "period")
        narrow = narrow.with_columns(clock_s=filled.fill_null(pl.col("length")))
    plays = plays.with_columns(narrow["clock_s"])
    flags = (
        bad.group_by("game_id")
        .len()
        .filter(pl.col("len") >= MANY_BAD_CLOCKS)
        .select(
            pl.col("game_id").cast(pl.String),
            pl.lit("clock").alias("check"),
            pl.lit("lineups").alias("scope"),
            counted_expr(
                "len", "row without a readable clock", "rows without a readable clock"
            ).alias("reason"),
        )
        .sort("game_id")
    )
    return plays, flags


def _ordered(
    plays: pl.DataFrame, said: list[str], *, free_throws_at_foul: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows in the order in which things happened, with ``order``, and what is to be flagged."""
    game, kind = pl.col("game_id"), pl.col("kind")
    period = plays.select(_period=game.to_physical().cast(pl.Int64) * 256 + pl.col("period"))
    if not period["_period"].is_sorted():
        plays = plays[period.select(pl.arg_sort_by("_period", maintain_order=True)).to_series()]
        period = period.sort("_period")
    # What tells the order, without the rest: that moves once, at the end.
    rows = plays.select(
        "game_id",
        "kind",
        "clock_s",
        pl.col("technical").fill_null(False),
        period["_period"].rle_id(),
        _place=pl.int_range(pl.len(), dtype=pl.Int32),
        _edge=pl.when(kind == "period_start")
        .then(pl.lit(0, pl.Int8))
        .when(kind == "period_end")
        .then(pl.lit(2, pl.Int8))
        .otherwise(pl.lit(1, pl.Int8)),
    )
    rows, flags = _settled(rows, said)
    plays = plays.with_columns(rows["clock_s"])
    # A second start or end of the same period says nothing.
    rows = _by_clock(rows).filter((pl.col("_edge") == 1) | _starts("_period", "_edge"))
    if free_throws_at_foul:
        rows = _after_fouls(rows)
    rows = rows.filter(kind.is_not_null())
    row = pl.int_range(pl.len(), dtype=pl.Int32)
    first = pl.when(_starts("game_id")).then(row).forward_fill()
    plays = plays.drop("technical", "unknown")[rows["_place"]]
    return plays.with_columns(rows.select(order=row - first).to_series()), flags


def _starts(*columns: str) -> pl.Expr:
    """Whether a row has other values than the row before it."""
    changed = (pl.col(c) != pl.col(c).shift(1) for c in columns)
    return pl.any_horizontal(*changed).fill_null(True)


def _by_clock(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a period from its start to its end; the sorting is done where it is needed."""
    edge, clock = pl.col("_edge"), pl.col("clock_s")
    back = (edge < edge.shift(1)) | ((edge == edge.shift(1)) & (clock > clock.shift(1)))
    mixed = rows.filter(back & ~_starts("_period"))["_period"].unique()
    if mixed.is_empty():
        return rows
    moved = pl.col("_period").is_in(mixed.implode())
    keys = ["_period", "_edge", "clock_s", "_place"]
    by_clock = rows.filter(moved).sort(keys, descending=[False, False, True, False])
    return pl.concat([rows.filter(~moved), by_clock]).sort("_period", maintain_order=True)


def _after_fouls(rows: pl.DataFrame) -> pl.DataFrame:
    """Free throws directly after the foul at their instant, or before all else that happens at it."""
    row, technical = pl.int_range(pl.len()), pl.col("technical")
    instant = pl.when(_starts("_period", "clock_s")).then(row).forward_fill()
    foul = (pl.col("kind") == "foul").fill_null(True)

    def last(fouls: pl.Expr) -> pl.Expr:
        before = pl.when(fouls).then(row).forward_fill()
        return pl.when(before >= instant).then(before)

    own = pl.when(technical).then(last(foul & technical)).otherwise(last(foul & ~technical))
    behind = pl.coalesce(own, last(foul), instant - 1)
    place = pl.when(pl.col("kind") == "free_throw").then(2 * behind + 1).otherwise(2 * row)
    return rows.sort(place, maintain_order=True)


def _settled(rows: pl.DataFrame, said: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Clocks by which the rows can be sorted, and notes on games with changes that were entered late.

    Where clocks do not count down, they are set against the longest run of rows of the period that do: what
    is more than :data:`SLACK_S` too high for its place was entered late and keeps its clock; any other row
    has a wrong clock and takes the nearest that its place allows. Changes keep theirs: official minutes
    are counted from it.
    """
    inner = pl.when(pl.col("_edge") == 1).then("clock_s")
    lowest = inner.cum_min().shift(1).forward_fill().over("_period")
    rows = rows.with_columns(_rise=(inner - lowest).clip(0).fill_null(0))
    rising = rows.filter(pl.col("_rise") > SLACK_S)["_period"].unique()
    odd = rows.filter((pl.col("_edge") == 1) & pl.col("_period").is_in(rising.implode()))
    places: list[int] = []
    right: list[tuple[float, bool]] = []
    for its_places, clocks in (
        odd.group_by("_period").agg("_place", "clock_s").drop("_period").rows()
    ):
        places += its_places
        right += _counting_down(clocks)
    settled = pl.DataFrame(
        {"_place": places, "_right": [r[0] for r in right], "_late": [r[1] for r in right]},
        schema={"_place": pl.Int32, "_right": pl.Float64, "_late": pl.Boolean},
    )
    change = pl.col("kind").is_in(["sub_in", "sub_out"]).fill_null(False)
    far = ((pl.col("_right") - pl.col("clock_s")).abs() > SLACK_S).fill_null(False)
    rows = rows.join(settled, on="_place", how="left", maintain_order="left").with_columns(
        clock_s=pl.when(far & change)
        .then("clock_s")
        .otherwise(pl.coalesce("_right", pl.col("clock_s") - pl.col("_rise"))),
        _late=pl.col("_late").fill_null(False) | (far & change),
        _wrong=far & ~change,
    )
    for column, what in (
        ("_late", "later than the clock says; put in order"),
        ("_wrong", "with a clock that their place denies; the nearest that it allows is taken"),
    ):
        if count := int(rows[column].sum()):
            said.append(f"{counted(count, 'row')} {what}")
    flags = rows.filter(change & pl.col("_late")).group_by("game_id").len()
    reason = counted_expr(
        "len",
        "change stands later than its clock says",
        "changes stand later than their clock says",
    ).alias("reason")
    check, scope = pl.lit(LATE_CHANGES).alias("check"), pl.lit("note").alias("scope")
    rows = rows.drop("_rise", "_late", "_wrong", "_right")
    return rows, flags.select(pl.col("game_id").cast(pl.String), check, scope, reason).sort(
        "game_id"
    )


def _counting_down(clocks: Sequence[float]) -> list[tuple[float, bool]]:
    """Each row's clock set right, and whether the row was entered late."""
    # The longest run, found from the end: of each length, the row with the lowest clock that starts one.
    starts: list[int] = []
    lowest: list[float] = []
    following: list[int] = []
    for row in range(len(clocks) - 1, -1, -1):
        clock = clocks[row]
        at = bisect_right(lowest, clock)
        following.append(starts[at - 1] if at else len(clocks))
        if at == len(lowest):
            starts.append(row)
            lowest.append(clock)
        else:
            starts[at], lowest[at] = row, clock
    following.reverse()
    settled: list[tuple[float, bool]] = []
    before, kept = math.inf, starts[-1]
    for row, clock in enumerate(clocks):
        if row == kept:
            before, kept = clock, following[row]
            settled.append((clock, False))
        elif clock > before + SLACK_S:
            settled.append((clock, True))
        else:
            after = clocks[kept] if kept < len(clocks) else 0.0
            settled.append((min(max(clock, after), before), False))
    return settled


def _events(plays: pl.DataFrame, games: pl.DataFrame) -> pl.DataFrame:
    told = plays["play"].is_not_null()
    play_id = pl.col("order").min().over("game_id", "play")
    if not told.all():
        found = play_ids(plays, games)
        play_id = pl.when(told).then(play_id).otherwise(found) if told.any() else pl.lit(found)
    shot = pl.col("kind").is_in(["field_goal", "free_throw"])
    return plays.with_columns(
        pl.col("game_id", "kind").cast(pl.String),
        event_id=pl.col("order").cast(pl.String),
        play_id=play_id,
        made=pl.when(shot | (pl.col("kind") == "pass")).then(pl.col("made")),
        value=pl.when(pl.col("kind") == "free_throw")
        .then(pl.col("value").fill_null(1))
        .when(shot)
        .then("value"),
    ).select(list(tables.dtypes("events")))


#: Kind -> what it goes with (kind, and made where that is a shot) and whether the other team does that.
PAIRS: dict[str, tuple[str, bool | None, bool]] = {
    "assist": ("field_goal", True, False),
    "block": ("field_goal", False, True),
    "blocked": ("field_goal", False, False),
    "steal": ("turnover", None, True),
    "foul_drawn": ("foul", None, True),
}
#: Rows of one play stand at most this far apart, in rows and on the clock.
NEAR_ROWS = 6
NEAR_S = 10.0


def play_ids(plays: pl.DataFrame, games: pl.DataFrame) -> pl.Series:
    """Rows of one play share the order of its first row (tables.Events): what goes together, nearest first.

    A basket has one assist, a turnover one steal: of two the nearer one has it.

    Args:
        plays: rows with ``game_id, period, clock_s, team_id, kind, made, order``, sorted by game and order.
        games: ``game_id, home_team_id, away_team_id``.

    Returns:
        ``play_id``: an assist's is that of its team's nearest basket, and so on (:data:`PAIRS`); the
        row's own order where nothing of the kind is near.
    """
    sides = games.with_row_index("_game").select("game_id", "_game", "home_team_id", "away_team_id")
    kinds = {*PAIRS, *(kind for kind, _, _ in PAIRS.values())}
    rows = (
        plays.select("game_id", "period", "team_id", "order", "kind", "made", "clock_s")
        .with_row_index()
        .filter(pl.col("kind").is_in(list(kinds)))
        .join(sides, on="game_id", how="left", maintain_order="left")
    )
    home, away = pl.col("home_team_id"), pl.col("away_team_id")
    at_home = pl.col("team_id") == home
    # What a pair has to share and the order, in one number: who is near in it may be a pair.
    span = plays.height + NEAR_ROWS
    period = pl.col("_game").cast(pl.Int64) * 256 + pl.col("period")
    rows = rows.select(
        "index",
        "order",
        "kind",
        "made",
        "clock_s",
        own=(2 * period + (~at_home)) * span + pl.col("order"),
        other=(2 * period + (at_home & home.ne_missing(away)).fill_null(False)) * span
        + pl.col("order"),
    )
    acts, wanted = [], []
    for number, (kind, (with_kind, made, others)) in enumerate(PAIRS.items()):
        pair = number * games.height * 512 * span
        partner = pl.col("kind") == with_kind
        if made is not None:
            partner &= pl.col("made") == made
        at = pl.col("other" if others else "own") + pair
        acts.append(rows.filter(pl.col("kind") == kind).select("index", "clock_s", at=at))
        wanted.append(
            rows.filter(partner).select("clock_s", at=pl.col("own") + pair, play_id="order")
        )
    found = (
        pl.concat(acts)
        .drop_nulls("at")
        .sort("at")
        .join_asof(
            pl.concat(wanted).drop_nulls("at").sort("at").with_columns(partner="at"),
            on="at",
            strategy="nearest",
            tolerance=NEAR_ROWS,
        )
        .with_columns(
            rows=(pl.col("at") - pl.col("partner")).abs(),
            seconds=(pl.col("clock_s") - pl.col("clock_s_right")).abs(),
        )
        .filter(pl.col("seconds") <= NEAR_S)
    )
    several = pl.col("partner").is_duplicated()
    nearest = found.filter(several).sort("rows", "seconds", "index").unique("partner", keep="first")
    found = pl.concat([found.filter(~several), nearest]).select("index", "play_id")
    paired = plays.select("order").with_row_index().join(
        found, on="index", how="left", maintain_order="left"
    )  # fmt: skip
    return paired.select(play_id=pl.coalesce("play_id", "order")).to_series()


def _appearances(box: pl.DataFrame, who: pl.DataFrame, numbered: pl.Enum) -> pl.DataFrame:
    """Rosters from the box score; players whom only the events know are added."""
    listed = box.select(pl.col("game_id").cast(numbered), "player_id")
    seen = (
        who.join(listed, on=["game_id", "player_id"], how="anti", maintain_order="left")
        .group_by("game_id", "player_id")
        .agg(pl.col("team_id").first(), pl.col("number").drop_nulls().first())
        .with_columns(pl.col("game_id").cast(pl.String), starter=pl.lit(None, dtype=pl.Boolean))
    )
    columns = list(tables.dtypes("appearances"))
    return pl.concat([box.select(columns), seen.select(columns)]).sort("game_id", "player_id")


def _people(
    people: pl.DataFrame | None, box: pl.DataFrame, who: pl.DataFrame, gender: str
) -> pl.DataFrame:
    known = _with(people if people is not None else pl.DataFrame(), PEOPLE_COLUMNS)
    names = pl.concat([box.select("player_id", "name"), who.select("player_id", "name")])
    longest = (
        names.drop_nulls("player_id")
        .unique()
        .group_by("player_id")
        .agg(
            pl.col("name")
            .drop_nulls()
            .sort_by(pl.col("name").drop_nulls().str.len_chars(), pl.col("name").drop_nulls())
            .last()
        )
    )
    known = known.drop_nulls("player_id").unique("player_id", keep="first")
    return (
        longest.join(known, on="player_id", how="left", suffix="_known")
        .with_columns(
            name=pl.coalesce("name_known", "name"),
            gender=pl.coalesce("gender", pl.lit(gender)),
        )
        .select(list(PEOPLE_COLUMNS))
        .sort("player_id")
    )
