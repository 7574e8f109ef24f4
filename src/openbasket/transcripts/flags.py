"""Which games, and which line-ups, are not to be trusted, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from openbasket import tables
from openbasket.tables import BOX_STATS
from openbasket.transcripts.box import MINUTES_TOLERANCE_S, compare_with_box, right_scores
from openbasket.transcripts.court import coded, off_court, possessions, team_acts
from openbasket.transcripts.stints import ON_COURT
from openbasket.wording import counted_expr
from openbasket.workspace import Workspace

__all__ = ["flags", "read_flags", "with_names"]

#: A game is left out if more than this share of its official numbers differs from our count.
MANY_DIFFERENCES = 0.05
#: Counted and estimated possessions may differ by this share.
POSSESSIONS_TOLERANCE = 0.12
#: So few possessions may differ by chance.
FEW_POSSESSIONS = 20
#: So long may pass without a play.
SHORT_PERIOD_S = 120.0
#: Line-ups are not trusted if more than this share of the acts is of players who were not on court by them.
OFF_COURT_SHARE = 0.02
#: The checks made here; others come from providers.
CHECKS = (
    "periods", "final score", "shot values", "no box score", "box score", "line-ups", "minutes",
    "off court", "possessions",
)  # fmt: skip

#: Where a reason names a player: before seconds, a statistic, or "is not in the box score".
_PLAYER = re.compile(
    r"[A-Za-z0-9._-]+"
    rf"(?= (?:-?\d+ s\b|(?:{'|'.join(BOX_STATS)}) -?\d+, box score|is not in the box score))"
)


def flags(frames: Mapping[str, pl.DataFrame], given: pl.DataFrame | None) -> pl.DataFrame:
    """Return table ``flags``: what of the games is not to be trusted, and why.

    The whole game: a period of regulation without plays, or plays that end before the game does; points
    that do not add up to the final score; made field goals of unknown value, where neither the final
    score nor the box score shows that nothing is missing; more than five per cent of the official numbers
    differ from our count. Its line-ups: not five a side at every moment; minutes of a player more than
    five seconds off the official ones; more than two per cent of the acts are of players who were not on
    court by them. A note: single numbers that differ from the box score; a possession count far from the
    estimate.

    Args:
        frames: tables ``games, events, box_scores, stints`` of one league and season; events sorted by game
            and order.
        given: what the provider found; of a table that was made before, only that is kept.
    """
    games, events, stints, box_scores = coded(
        frames["games"], frames["events"], frames["stints"], frames["box_scores"]
    )
    acts = team_acts(events)
    both = compare_with_box(events, acts, stints, box_scores)
    scores = right_scores(games, events)
    found = [
        tables.empty("flags")
        if given is None
        else tables.validate("flags", given).filter(~pl.col("check").is_in(CHECKS)),
        _without_box(games, box_scores),
        _missing_periods(games, events),
        _final_scores(scores),
        _without_value(events, scores, both),
        _differences(both),
        _not_five(stints),
        _minutes_off(both),
        _off_court(events, stints),
        _odd_possessions(events, acts),
    ]
    return pl.concat(found).sort("game_id", "check", "reason")


def _flag(frame: pl.DataFrame, check: str, scope: str | pl.Expr, reason: pl.Expr) -> pl.DataFrame:
    return frame.select(
        pl.col("game_id").cast(pl.String),
        pl.lit(check).alias("check"),
        (pl.lit(scope) if isinstance(scope, str) else scope).alias("scope"),
        reason.alias("reason"),
    )


def _missing_periods(games: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    happened = events.lazy().filter(pl.col("player_id").is_not_null()).select("game_id", "period")
    seen = happened.unique().group_by("game_id").agg(seen="period").collect()
    played = pl.max_horizontal(pl.col("periods"), pl.col("seen").list.max()).cast(pl.Int64)
    missing = (
        games.select("game_id", "period_s", "periods")
        .join(seen, on="game_id", how="left")
        .with_columns(
            missing=pl.int_ranges(1, played + 1)
            .cast(pl.List(pl.Int8))
            .list.set_difference(pl.col("seen").fill_null([]))
        )
        .filter((pl.col("missing").list.len() > 0) & (pl.col("period_s") >= SHORT_PERIOD_S))
    )
    said = pl.col("missing").list.sort().cast(pl.List(pl.String)).list.join(", ")
    ends = events.select("game_id", "period", "clock_s")
    last = ends.filter(pl.col("game_id").ne_missing(pl.col("game_id").shift(-1)))
    stopped = last.filter(pl.col("clock_s") > SHORT_PERIOD_S).join(
        missing, on="game_id", how="anti"
    )
    left = pl.col("clock_s").round(0).cast(pl.Int64)
    cut = pl.format("the plays end {} s before period {} does", left, "period")
    return pl.concat(
        [
            _flag(missing, "periods", "game", pl.format("no plays in period {}", said)),
            _flag(stopped, "periods", "game", cut),
        ]
    )


def _final_scores(scores: pl.DataFrame) -> pl.DataFrame:
    wrong = scores.filter(~pl.col("right"))
    names = [
        pl.col(c).cast(pl.String).fill_null("?")
        for c in ("home_points", "away_points", "home_score", "away_score")
    ]
    return _flag(
        wrong, "final score", "game", pl.format("points add up to {}-{}, final score {}-{}", *names)
    )


def _without_value(events: pl.DataFrame, scores: pl.DataFrame, both: pl.DataFrame) -> pl.DataFrame:
    """Made field goals that count for no points, unless the final score or the box score agrees."""
    shots = events.filter(
        (pl.col("kind") == "field_goal") & pl.col("made") & pl.col("value").is_null()
    ).select("game_id", "player_id")
    counted = ("points", "field_goals_2_made", "field_goals_3_made")
    same = pl.all_horizontal(pl.col(stat) == pl.col(f"{stat}_ours") for stat in counted)
    lines = both.filter("listed").select("game_id", "player_id", same=same)
    by_game = (
        shots.join(lines, on=["game_id", "player_id"], how="left")
        .group_by("game_id")
        .agg(pl.len(), same=pl.col("same").fill_null(value=False).all())
        .join(scores.select("game_id", "right"), on="game_id", how="left")
    )
    shown = pl.col("right").fill_null(value=False) | pl.col("same")
    scope = pl.when(shown).then(pl.lit("note")).otherwise(pl.lit("game"))
    one = "made field goal has no value and counts for no points"
    many = "made field goals have no value and count for no points"
    return _flag(by_game, "shot values", scope, counted_expr("len", one, many))


def _without_box(games: pl.DataFrame, box_scores: pl.DataFrame) -> pl.DataFrame:
    without = games.join(box_scores, on="game_id", how="anti")
    return _flag(without, "no box score", "note", pl.lit("the counts could not be checked"))


def _differences(both: pl.DataFrame) -> pl.DataFrame:
    lines = both.lazy()
    parts = [
        lines.filter(
            pl.col("listed") & pl.col(stat).is_not_null() & (pl.col(stat) != pl.col(f"{stat}_ours"))
        ).select(
            "game_id",
            what=pl.format(f"{{}} {stat} {{}}, box score {{}}", "player_id", f"{stat}_ours", stat),
            numbers=pl.lit(1),
        )
        for stat in BOX_STATS
    ]
    strangers = lines.filter(~pl.col("listed")).select(
        "game_id", what=pl.format("{} is not in the box score", "player_id"), numbers=pl.lit(1)
    )
    told = lines.group_by("game_id").agg(
        total=pl.sum_horizontal(pl.col(stat).count() for stat in BOX_STATS)
    )
    by_game = (
        pl.concat([*parts, strangers])
        .group_by("game_id")
        .agg(pl.len(), pl.col("what").sort().head(8).str.join("; "))
        .join(told, on="game_id")
        .collect()
    )
    many = pl.col("len") > MANY_DIFFERENCES * pl.col("total")
    scope = pl.when(many).then(pl.lit("game")).otherwise(pl.lit("note"))
    reason = pl.format("{} of {} numbers differ: {}", "len", "total", "what")
    return _flag(by_game, "box score", scope, reason)


def _not_five(stints: pl.DataFrame) -> pl.DataFrame:
    wrong = (
        stints.filter(pl.col("player_ids").list.len() != ON_COURT)
        .group_by("game_id")
        .agg(pl.len(), seconds=(pl.col("start_clock_s") - pl.col("end_clock_s")).sum().round(0))
    )
    seconds = pl.col("seconds").cast(pl.Int64)
    reason = pl.format("{} without five ({} s)", counted_expr("len", "stint"), seconds)
    return _flag(wrong, "line-ups", "lineups", reason)


def _minutes_off(both: pl.DataFrame) -> pl.DataFrame:
    off = (pl.col("seconds_played_ours").fill_null(0) - pl.col("seconds_played")).round(0)
    wrong = (
        both.with_columns(off=off)
        .filter((pl.col("seconds_played") > 0) & (pl.col("off").abs() > MINUTES_TOLERANCE_S))
        .sort("game_id", "player_id")
        .with_columns(what=pl.format("{} {} s", "player_id", pl.col("off").cast(pl.Int64)))
        .group_by("game_id")
        .agg(pl.len(), pl.col("what").head(6).str.join(", "))
    )
    reason = pl.format("{} off the box score: {}", counted_expr("len", "player"), "what")
    return _flag(wrong, "minutes", "lineups", reason)


def _off_court(events: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    many = off_court(events, stints).filter(pl.col("off") > OFF_COURT_SHARE * pl.col("acts"))
    reason = pl.format("{} of {} acts are of players not in the line-ups", "off", "acts")
    return _flag(many, "off court", "lineups", reason)


def _odd_possessions(events: pl.DataFrame, acts: pl.DataFrame) -> pl.DataFrame:
    odd = possessions(events, acts).filter(
        (pl.col("estimated") > FEW_POSSESSIONS)
        & ((pl.col("counted") / pl.col("estimated") - 1).abs() > POSSESSIONS_TOLERANCE)
    )
    names = ("team_id", "counted", pl.col("estimated").round(1))
    return _flag(
        odd, "possessions", "note", pl.format("{} has {} possessions, estimated {}", *names)
    )


def read_flags(workspace: Workspace, league: str, season: str) -> pl.DataFrame:
    """Table ``flags`` of a season; empty where none was written."""
    if workspace.has_season("flags", league, season):
        return workspace.read("flags", league, season)
    return tables.empty("flags")


def with_names(reason: str, names: Mapping[str, str]) -> str:
    """A reason with the name of each player whom it names by identifier.

    Args:
        reason: of table ``flags``.
        names: ``player_id`` -> name.
    """

    def named(found: re.Match[str]) -> str:
        player = found.group()
        return f"{player} ({names[player]})" if player in names else player

    return _PLAYER.sub(named, reason)
