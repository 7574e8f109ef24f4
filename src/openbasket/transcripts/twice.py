"""The same game from two providers, or in two files under two names: found by day, teams and score."""

from __future__ import annotations

import polars as pl

from openbasket.transcripts.names import normal_name
from openbasket.transcripts.plays import flag_frame

__all__ = ["CHECK", "told_twice"]

CHECK = "told twice"


def told_twice(new: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    """Flags for the games of ``new`` that are in ``old`` as well, or twice in ``new``.

    Equal are two games with the same final score, whose team names are the same and whose days are at most
    one apart (clocks of two time zones), or that have one team name and the day in common.

    Args:
        new: table ``games``.
        old: table ``games`` of the same league and season, without what is told twice already.

    Returns:
        Table ``flags``: the later game is left out as a whole.
    """

    def told(games: pl.DataFrame) -> pl.DataFrame:
        scores = pl.concat_list("home_score", "away_score").list.sort()
        sides = [
            pl.col(f"{side}_team").map_elements(normal_name, return_dtype=pl.String)
            for side in ("home", "away")
        ]
        return games.drop_nulls(
            ["date", "home_score", "away_score", "home_team", "away_team"]
        ).select(
            "game_id",
            "date",
            low=scores.list.first(),
            high=scores.list.last(),
            names=pl.concat_list(sides),
        )

    fresh = told(new)
    before = pl.concat([told(old).with_columns(first=True), fresh.with_columns(first=False)])
    pairs = fresh.join(before, on=["low", "high"], suffix="_old")
    days = (pl.col("date") - pl.col("date_old")).dt.total_days().abs()
    common = pl.col("names").list.set_intersection("names_old").list.len()
    found = pairs.filter(
        (pl.col("first") | (pl.col("game_id_old") < pl.col("game_id")))
        & (((days == 0) & (common >= 1)) | ((days == 1) & (common == 2)))
    ).sort("game_id", "game_id_old").unique("game_id", keep="first", maintain_order=True)  # fmt: skip
    return found.select(
        "game_id",
        check=pl.lit(CHECK),
        scope=pl.lit("game"),
        reason=pl.format("the same game as {}, which counts", "game_id_old"),
    ).cast(flag_frame().schema)  # fmt: skip
