"""Which group a subject belongs to: gender, region, league, position, height, minutes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openbasket.dataset.reader import Sample
from openbasket.leagues import LEAGUES
from openbasket.workspace import Workspace

__all__ = ["groups_of"]

#: Lower ends of the bands of height, in centimetres.
HEIGHTS = (180, 190, 200, 210)


def groups_of(root: Path, samples: Sequence[Sample]) -> dict[str, list[str | None]]:
    """Who belongs where: kind -> a value for each subject, ``None`` where nobody says.

    Kinds are gender, region, league, position, height (bands of 10 cm) and minutes (quarters of these
    subjects). Gender and region come from table ``subjects``, or from the league where it is known.
    """
    rows: dict[str, dict[str, Any]] = {}
    workspace = Workspace(root)
    if workspace.has("subjects"):
        people = workspace.read("subjects").select(
            "subject_id", "player_id", "gender", "region", "minutes"
        )
        if workspace.has("players"):
            facts = workspace.read("players").select("player_id", "position", "height_cm")
            people = people.join(facts, on="player_id", how="left")
        rows = {row["subject_id"]: row for row in people.iter_rows(named=True)}
    found: dict[str, list[str | None]] = {
        kind: [] for kind in ("gender", "region", "league", "position", "height")
    }
    minutes = [rows.get(s.subject_id, {}).get("minutes") for s in samples]
    for sample in samples:
        row, league = rows.get(sample.subject_id, {}), LEAGUES.get(sample.league)
        found["gender"].append(row.get("gender") or (league.gender if league else None))
        found["region"].append(row.get("region") or (league.region if league else None))
        found["league"].append(sample.league)
        found["position"].append(row.get("position"))
        found["height"].append(_band(row.get("height_cm")))
    return found | {"minutes": _quarters(minutes)}


def _band(height_cm: float | None) -> str | None:
    if height_cm is None:
        return None
    above = [edge for edge in HEIGHTS if height_cm >= edge]
    if not above:
        return f"under {HEIGHTS[0]} cm"
    last = above[-1] == HEIGHTS[-1]
    return f"{above[-1]} cm and over" if last else f"{above[-1]} to {above[-1] + 9} cm"


def _quarters(minutes: Sequence[float | None]) -> list[str | None]:
    known = [m for m in minutes if m is not None]
    if len(set(known)) < 4:
        return [None] * len(minutes)
    edges = np.quantile(known, [0.25, 0.5, 0.75])
    names = [
        f"1st quarter (to {edges[0]:.0f})",
        f"2nd quarter (to {edges[1]:.0f})",
        f"3rd quarter (to {edges[2]:.0f})",
        f"4th quarter (above {edges[2]:.0f})",
    ]
    return [None if m is None else names[int(np.searchsorted(edges, m))] for m in minutes]
