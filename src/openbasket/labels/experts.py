"""Ranks or levels that experts gave, read from a CSV."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl

from openbasket import skills
from openbasket.errors import BadInputError, Problem, UnknownNameError
from openbasket.labels.levels import level as level_of

__all__ = ["agreement", "read_experts"]

#: Fewer subjects than this tell no agreement.
LEAST_JUDGED = 3


def read_experts(path: Path, subjects: pl.DataFrame, levels: int) -> pl.DataFrame:
    """Read experts' judgements.

    The CSV has ``skill`` and ``rank`` or ``level`` (or both), and either ``subject_id`` or
    ``player_id, league, season``. Ranks are inside a league and season, 1 is best; they may have gaps,
    only their order counts. Levels run from 0 (poor) upward.

    Args:
        path: the CSV.
        subjects: table ``subjects``, whom the rows may be about.
        levels: number of levels.

    Returns:
        ``subject_id, skill, rank, level``, of which the last two may be null (not both).

    Raises:
        BadInputError: every row that names an unknown subject or skill, repeats one, or is no number.
    """
    if not path.exists():
        raise BadInputError([Problem(str(path), None, None, "no such file", "a CSV file")])
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInputError(
            [Problem(str(path), None, None, str(error)[:160], "a CSV file")]
        ) from None
    keys = ["subject_id"] if "subject_id" in frame.columns else ["player_id", "league", "season"]
    missing = [column for column in (*keys, "skill") if column not in frame.columns]
    if not {"rank", "level"} & set(frame.columns):
        missing.append("rank")
    if missing:
        raise BadInputError(
            Problem(str(path), None, column, "no such column", "skill, rank or level, subject_id")
            for column in missing
        )
    for column in ("rank", "level"):
        if column not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(column))
    known = subjects.select("subject_id", *(k for k in keys if k != "subject_id"))
    if keys != ["subject_id"]:
        frame = frame.join(known, on=keys, how="left", maintain_order="left")
    found = set(subjects["subject_id"])
    problems: list[Problem] = []
    rows: list[tuple[str, str, int | None, int | None]] = []
    seen: set[tuple[str, str]] = set()
    for number, row in enumerate(frame.iter_rows(named=True)):

        def bad(field: str, given: object, allowed: str, number: int = number) -> None:
            problems.append(Problem(str(path), number, field, repr(given), allowed))

        subject = row["subject_id"]
        if subject not in found:
            bad(keys[0], row[keys[0]], "a subject of this workspace")
        try:
            key = skills.skill(row["skill"] or "").key
        except UnknownNameError:
            bad("skill", row["skill"], ", ".join(skills.SKILL_KEYS))
            continue
        rank, level = (_whole(row[field]) for field in ("rank", "level"))
        if row["rank"] and (rank is None or rank < 1):
            bad("rank", row["rank"], "a whole number from 1")
        elif row["level"] and (level is None or not 0 <= level < levels):
            bad("level", row["level"], f"a whole number from 0 to {levels - 1}")
        elif rank is None and level is None:
            bad("rank", None, "a rank or a level")
        if subject in found and (subject, key) in seen:
            bad("skill", f"{subject}, {key} more than once", "one row each")
        seen.add((subject, key))
        rows.append((subject, key, rank, level))
    if problems:
        raise BadInputError(problems)
    schema = {"subject_id": pl.String, "skill": pl.String, "rank": pl.Int32, "level": pl.Int8}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _whole(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None


def agreement(levels: pl.DataFrame, experts: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """How computed levels agree with experts' judgements, skill by skill.

    Spearman's correlation of the ranks (inside each league and season, averaged over these weighted by
    subjects) and Cohen's kappa with quadratic weights of the levels. Experts who give ranks alone get levels
    of equal size; those who give levels alone are ranked by them (ties share the mean rank).

    Args:
        levels: table ``levels``, computed.
        experts: rows of :func:`read_experts`.
        subjects: table ``subjects``.

    Returns:
        ``skill, judged, spearman, quadratic_kappa`` in the order of the skills. Null where fewer than three
        subjects were judged, or where nothing varies.
    """
    from scipy.stats import spearmanr
    from sklearn.metrics import cohen_kappa_score

    count = int(levels["level"].max() or 0) + 1  # type: ignore[arg-type]
    cells = ["league", "season", "skill"]
    ours = levels.filter(pl.col("rank").is_not_null()).select(
        "subject_id", "skill", our_rank="rank", our_level="level"
    )
    both = (
        experts.join(subjects.select("subject_id", "league", "season"), on="subject_id")
        .join(ours, on=["subject_id", "skill"])
        .with_columns(
            place=pl.coalesce(
                pl.col("rank").cast(pl.Float64), -pl.col("level").cast(pl.Float64)
            ).rank("average").over(cells),
            judged=pl.len().over(cells),
        )
        .with_columns(
            level=pl.coalesce(
                "level", level_of(pl.col("place").rank("ordinal").over(cells), pl.col("judged"), count)
            )
        )
    )  # fmt: skip
    rows = []
    for key in skills.SKILL_KEYS:
        mine = both.filter(skill=key)
        weighted = [
            (float(spearmanr(part["our_rank"], part["place"]).statistic), part.height)
            for part in mine.partition_by("league", "season")
            if part.height >= LEAST_JUDGED and part["place"].n_unique() > 1
        ]
        known = [(r, n) for r, n in weighted if not math.isnan(r)]
        kappa = None
        if mine.height >= LEAST_JUDGED:
            value = cohen_kappa_score(
                mine["our_level"], mine["level"], weights="quadratic", labels=list(range(count))
            )
            kappa = None if math.isnan(value) else float(value)
        mean = sum(r * n for r, n in known) / sum(n for _, n in known) if known else None
        rows.append((key, mine.height, mean, kappa))
    schema = {"skill": pl.String, "judged": pl.Int64, "spearman": pl.Float64,
              "quadratic_kappa": pl.Float64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")
