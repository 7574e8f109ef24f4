"""Choose the events of a reel (paper, section 3.1: 50 at random, shuffled)."""

from __future__ import annotations

import hashlib

import polars as pl

from openbasket.tables import FILMED_KINDS

__all__ = ["sample"]


def sample(
    events: pl.DataFrame,
    subjects: pl.DataFrame,
    *,
    count: int = 50,
    draw: int = 0,
    seed: int = 0,
    kinds: tuple[str, ...] = FILMED_KINDS,
) -> pl.DataFrame:
    """Draw ``count`` events for each subject, in shuffled order.

    A play counts once for a player (his shot and the rebound after it are two plays; a blocked shot
    and the block row on the shooter are one). Each event is ranked by a hash of seed, draw, subject
    and event, so that no row order matters, and a new game changes a reel as little as it can.

    Args:
        events: table ``events`` with ``league`` and ``season`` joined on, of the games that have video.
        subjects: whom to draw for.
        count: events in a reel; a subject with fewer gets all of them.
        draw: which of the independent draws.
        seed: of all draws.
        kinds: kinds of event that may be drawn.

    Returns:
        ``subject_id, position, game_id, event_id, play_id``, sorted by subject and position.
    """
    chosen = (
        events.filter(pl.col("player_id").is_not_null() & pl.col("kind").is_in(list(kinds)))
        .join(
            subjects.select("subject_id", "player_id", "league", "season"),
            on=["player_id", "league", "season"],
        )
        .sort("subject_id", "game_id", "order")
        .unique(["subject_id", "game_id", "play_id"], keep="first", maintain_order=True)
    )
    keys = [
        hashlib.sha256(f"{seed}:{draw}:{subject}:{game}:{event}".encode()).hexdigest()
        for subject, game, event in chosen.select("subject_id", "game_id", "event_id").rows()
    ]
    return (
        chosen.with_columns(key=pl.Series(keys, dtype=pl.String))
        .sort("subject_id", "key")
        .with_columns(position=pl.int_range(pl.len(), dtype=pl.Int32).over("subject_id"))
        .filter(pl.col("position") < count)
        .select("subject_id", "position", "game_id", "event_id", "play_id")
    )
