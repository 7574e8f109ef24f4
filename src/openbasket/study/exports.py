"""Answers as tables: CSV for people, parquet for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from openbasket.evaluation.formats import defused
from openbasket.study import scoring
from openbasket.study.design import StudyDesign
from openbasket.study.store import Store
from openbasket.workspace import atomic_path, write_text

__all__ = ["TABLES", "csv_text", "participants", "pay_list", "ratings", "write_all"]


def ratings(store: Store) -> pl.DataFrame:
    """One row for each answer, beside the truth; and for each player who was recognised, with no answer.

    Columns: ``participant``, ``group``, ``session`` and ``position`` (from 1), ``subject_id``, ``skill``,
    ``place`` (of the question, from 1; null where nothing was asked), ``level``, ``truth``, ``right``,
    ``recognised``, ``watched_by``, ``speed``, ``excluded`` (why results leave the row out, or null).
    """
    pool, design = store.pool(), store.design
    rows = []
    for found in scoring.answers(store):
        person = found.participant
        left_out = _left_out(found, design)
        places = {key: n for n, key in enumerate(json.loads(person.skill_order or "[]"), 1)}
        for a in found.assignments:
            if not a.done:
                continue
            said = found.ratings.get(a.id, {})
            for skill in design.skills:
                truth, level = pool[a.subject_id].levels[skill], said.get(skill)
                reason = a.left_out or left_out
                if reason is None and a.watched_by == "clock" and not design.count_clock:
                    reason = "watched without scripts"
                rows.append(
                    {
                        "participant": person.id,
                        "group": person.group,
                        "session": a.session + 1,
                        "position": a.position + 1,
                        "subject_id": a.subject_id,
                        "skill": skill,
                        "place": places[skill] if level is not None else None,
                        "level": level,
                        "truth": truth,
                        "right": None if level is None else level == truth,
                        "recognised": a.recognised,
                        "watched_by": a.watched_by,
                        "speed": a.speed,
                        "excluded": reason,
                    }
                )
    return pl.DataFrame(
        rows,
        schema={
            "participant": pl.Int64, "group": pl.String, "session": pl.Int32, "position": pl.Int32,
            "subject_id": pl.String, "skill": pl.String, "place": pl.Int32, "level": pl.Int8,
            "truth": pl.Int8, "right": pl.Boolean, "recognised": pl.Boolean,
            "watched_by": pl.String, "speed": pl.Float64, "excluded": pl.String,
        },
    )  # fmt: skip


def _left_out(found: scoring.Answers, design: StudyDesign) -> str | None:
    """Why nothing that a participant said counts, or ``None``."""
    if found.failed_checks() > design.max_failed_checks:
        return "failed attention checks"
    if len(found.ratings) < design.counts_from:
        return "rated too few players"
    return None


def participants(store: Store) -> pl.DataFrame:
    """One row for each person who was invited."""
    pool = store.pool()
    rows = [
        {
            "participant": p.id,
            "label": p.label,
            "state": p.state,
            "group": p.group,
            "years_watched": p.years_watched,
            "years_played": p.years_played,
            "done": sum(a.done for a in found.assignments),
            "recognised": sum(bool(a.recognised) for a in found.assignments),
            "failed_checks": found.failed_checks(),
            "accuracy": found.accuracy(pool),
            "excluded": _left_out(found, store.design),
            "code": p.code,
            "started_at": p.started_at,
            "finished_at": p.finished_at,
        }
        for found in scoring.answers(store)
        for p in [found.participant]
    ]
    return pl.DataFrame(
        rows,
        schema={
            "participant": pl.Int64, "label": pl.String, "state": pl.String, "group": pl.String,
            "years_watched": pl.Float64, "years_played": pl.Float64, "done": pl.Int32,
            "recognised": pl.Int32, "failed_checks": pl.Int32, "accuracy": pl.Float64,
            "excluded": pl.String, "code": pl.String, "started_at": pl.Float64, "finished_at": pl.Float64,
        },
    )  # fmt: skip


def pay_list(store: Store) -> pl.DataFrame:
    """What each participant with a complete session is owed, under the code that they were shown.

    Base pay is for complete sessions, whatever was said in them: ``rated``, ``recognised``,
    ``without_scripts`` (players) and ``failed_checks`` show how they were done.
    """
    pool = store.pool()
    rows = []
    for found in scoring.answers(store):
        owed = scoring.payment(found, pool, store.design)
        if owed.sessions:
            rows.append(
                {
                    "participant": found.participant.id,
                    "label": found.participant.label,
                    "code": found.participant.code,
                    "state": found.participant.state,
                    "sessions": owed.sessions,
                    "bonuses": owed.bonuses,
                    "base": owed.base,
                    "bonus": owed.bonus,
                    "total": owed.total,
                    "currency": owed.currency,
                    "rated": len(found.ratings),
                    "recognised": sum(bool(a.recognised) for a in found.assignments),
                    "without_scripts": sum(a.watched_by == "clock" for a in found.assignments),
                    "failed_checks": found.failed_checks(),
                }
            )
    return pl.DataFrame(
        rows,
        schema={
            "participant": pl.Int64, "label": pl.String, "code": pl.String, "state": pl.String,
            "sessions": pl.Int32, "bonuses": pl.Int32, "base": pl.Float64, "bonus": pl.Float64,
            "total": pl.Float64, "currency": pl.String, "rated": pl.Int32, "recognised": pl.Int32,
            "without_scripts": pl.Int32, "failed_checks": pl.Int32,
        },
    )  # fmt: skip


TABLES: dict[str, Callable[[Store], pl.DataFrame]] = {
    "ratings": ratings,
    "participants": participants,
    "pay": pay_list,
}


def csv_text(frame: pl.DataFrame) -> str:
    """A table as CSV, all text in quotes; what a spreadsheet would run gets an apostrophe in front.

    Columns ``*_at`` are times in UTC.
    """
    times = [name for name in frame.columns if name.endswith("_at")]
    frame = frame.with_columns(
        pl.from_epoch(pl.col(name), time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias(name)
        for name in times
    )
    return frame.with_columns(
        pl.col(pl.String).map_elements(defused, return_dtype=pl.String)
    ).write_csv(quote_style="non_numeric")


def write_all(store: Store, out: Path) -> list[Path]:
    """Write every table into a folder, as CSV and as parquet; return the files."""
    paths = []
    for name, make in TABLES.items():
        frame = make(store)
        paths.append(write_text(out / f"{name}.csv", csv_text(frame)))
        with atomic_path(out / f"{name}.parquet") as temporary:
            frame.write_parquet(temporary)
        paths.append(out / f"{name}.parquet")
    return paths
