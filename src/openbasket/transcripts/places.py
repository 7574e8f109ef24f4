"""Places that are told as shares of the whole court, as metres from the basket that is attacked."""

from __future__ import annotations

import polars as pl

__all__ = ["from_court"]

LENGTH_M, WIDTH_M, RIM_M = 28.0, 15.0, 1.575
#: Share of the length at which the top of the three-point arc lies.
ARC = 0.3


def from_court(along: pl.Expr, across: pl.Expr, value: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """``x_m`` and ``y_m`` of shots (see :class:`tables.Events`) in a frame with ``game_id, team_id, period``.

    Teams change ends, and the files do not say when: a shot goes to the nearer basket. A three from between
    the two arcs goes to the end where most of the team's shots of the period lie, so that those thrown from
    the own half at the buzzer keep their distance. Other shots at the wrong end were clicked there.

    Args:
        along: share of the length, from 0 to 1.
        across: share of the width.
        value: points that the shot is worth.
    """
    most = along.median().over("game_id", "team_id", "period") < 0.5
    heave = (value == 3) & along.is_between(ARC, 1 - ARC)
    left = pl.when(heave).then(most).otherwise(along < 0.5)
    x_m = pl.when(left).then(across - 0.5).otherwise(0.5 - across) * WIDTH_M
    y_m = pl.when(left).then(along).otherwise(1 - along) * LENGTH_M - RIM_M
    return x_m, y_m
