"""What must hold between the tables of a transcript, whoever delivered it."""

from __future__ import annotations

import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.tables import PLAYER_KINDS

__all__ = ["in_order", "require_sound"]


def in_order(rows: pl.DataFrame, *keys: str | pl.Expr) -> pl.DataFrame:
    """The rows sorted by the keys (game and order where none are given); as they are where they are so.

    Only the keys are looked at: a wide table moves once, or not at all. Equal rows stay as they stand.
    """
    found = rows.select(keys or ("game_id", "order"))
    back = pl.lit(value=False)
    for key in reversed(found.columns):
        here, before = pl.col(key), pl.col(key).shift(1)
        back = (here < before) | ((here == before) & back)
    if not found.select(back.any()).item():
        return rows
    return rows[found.select(pl.arg_sort_by(found.columns, maintain_order=True)).to_series()]


def require_sound(
    where: str,
    games: pl.DataFrame,
    appearances: pl.DataFrame,
    events: pl.DataFrame,
) -> None:
    """Refuse events of unknown games or players, of strange teams, and clocks that run backwards.

    Args:
        where: what to name in errors.
        games: table ``games``.
        appearances: table ``appearances``.
        events: table ``events``, sorted by game and order.

    Raises:
        BadInputError: all such rows together. Rows are counted within the table given.
    """
    place = f"{where}, events"
    problems: list[Problem] = []
    columns = ("game_id", "team_id", "player_id", "kind", "period", "clock_s", "order")
    for row, game, team in (
        games.with_row_index("row")
        .filter(pl.col("home_team_id") == pl.col("away_team_id"))
        .select("row", "game_id", "home_team_id")
        .rows()
    ):
        problems.append(
            Problem(
                f"{where}, games",
                row,
                "away_team_id",
                f"'{team}' at home too in '{game}'",
                "another team",
            )
        )
    rows = events.select(columns).with_row_index("row")
    known = games.select(
        "game_id", "home_team_id", "away_team_id", "period_s", "overtime_s", "periods"
    )
    rows = rows.join(known, on="game_id", how="left", maintain_order="left")
    for row in rows.filter(pl.col("home_team_id").is_null()).select("row", "game_id").rows():
        problems.append(Problem(place, row[0], "game_id", repr(row[1]), "a game of table 'games'"))
    strangers = rows.filter(
        pl.col("team_id").is_not_null()
        & (pl.col("team_id") != pl.col("home_team_id"))
        & (pl.col("team_id") != pl.col("away_team_id"))
    )
    for row, team, home, away in strangers.select(
        "row", "team_id", "home_team_id", "away_team_id"
    ).rows():
        problems.append(Problem(place, row, "team_id", repr(team), f"'{home}' or '{away}'"))
    unknown = rows.filter(
        pl.col("player_id").is_not_null() & pl.col("kind").is_in(PLAYER_KINDS)
    ).join(appearances, on=["game_id", "player_id"], how="anti")
    for row, player, game in unknown.select("row", "player_id", "game_id").sort("row").rows():
        problems.append(
            Problem(
                place, row, "player_id", repr(player), f"a player on the roster of game '{game}'"
            )
        )
    too_long = rows.filter(
        pl.col("clock_s")
        > pl.when(pl.col("period") > pl.col("periods"))
        .then(pl.col("overtime_s"))
        .otherwise(pl.col("period_s"))
    )
    for row, clock, period in too_long.select("row", "clock_s", "period").rows():
        problems.append(
            Problem(place, row, "clock_s", str(clock), f"at most the length of period {period}")
        )
    # Each row beside the one before it in its game.
    back = rows.with_columns(
        pl.col("game_id", "period", "clock_s", "order").shift(1).name.suffix("_before")
    ).filter(pl.col("game_id") == pl.col("game_id_before"))
    earlier = pl.col("period") < pl.col("period_before")
    rising = (pl.col("period") == pl.col("period_before")) & (
        pl.col("clock_s") > pl.col("clock_s_before")
    )
    repeated = back.filter(pl.col("order") == pl.col("order_before"))["game_id"]
    back = back.filter(earlier | rising)
    for row, clock, before, period, last in back.select(
        "row", "clock_s", "clock_s_before", "period", "period_before"
    ).rows():
        if period < last:
            problems.append(Problem(place, row, "period", str(period), f"at least {last}"))
        else:
            problems.append(
                Problem(
                    place,
                    row,
                    "clock_s",
                    f"{clock} after {before} in period {period}",
                    "a clock that counts down in the order of the rows",
                )
            )
    for game in repeated.unique().sort().to_list():
        problems.append(Problem(place, None, "order", f"repeated in game '{game}'", "one row each"))
    if problems:
        raise BadInputError(problems)
