"""Ranks or levels that experts gave, read from a CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from openbasket import skills
from openbasket.errors import BadInputError, Problem, UnknownNameError
from openbasket.labels.levels import level as level_of
from openbasket.transcripts.formats import decoded, separator

__all__ = ["agreement", "read_experts"]

#: Fewer subjects than this tell no agreement.
LEAST_JUDGED = 3


def read_experts(path: Path, subjects: pl.DataFrame, levels: int) -> pl.DataFrame:
    """Read experts' judgements.

    The CSV has ``skill`` and ``rank`` or ``level`` (or both), and either ``subject_id`` or
    ``player_id, league, season``, between commas, semicolons or tabs. Ranks are inside a league and
    season, 1 is best; they may have gaps, only their order counts. Levels run from 0 (poor) upward.
    All rows of one league, season and skill have a rank, or all have a level.

    Args:
        path: the CSV.
        subjects: table ``subjects``, whom the rows may be about.
        levels: number of levels.

    Returns:
        ``subject_id, skill, rank, level``, of which the last two may be null (not both).

    Raises:
        BadInputError: every row that names an unknown subject or skill, repeats one, is no number or has
            too many cells; every league, season and skill with ranks in some rows and levels in others.
    """
    header, records = _cells(path)
    keys = ["subject_id"] if "subject_id" in header else ["player_id", "league", "season"]
    missing = [column for column in (*keys, "skill") if column not in header]
    if not {"rank", "level"} & set(header):
        missing.append("rank")
    if missing:
        raise BadInputError(
            Problem(str(path), None, column, "no such column", "skill, rank or level, subject_id")
            for column in missing
        )
    places = {s: (x, y) for s, x, y in subjects.select("subject_id", "league", "season").rows()}
    known = dict(zip(subjects.select(keys).rows(), subjects["subject_id"], strict=True))
    problems: list[Problem] = []
    rows: list[tuple[str, str, int | None, int | None]] = []
    seen: set[tuple[str, str]] = set()
    cells: dict[tuple[str, str, str], list[_Given]] = {}
    for number, row in records:

        def bad(field: str, given: object, allowed: str, number: int = number) -> None:
            problems.append(Problem(str(path), number, field, repr(given), allowed))

        subject = known.get(tuple(row[key] for key in keys))
        if subject is None:
            bad(keys[0], row[keys[0]], "a subject of this workspace")
        try:
            key = skills.skill(row["skill"] or "").key
        except UnknownNameError:
            bad("skill", row["skill"], ", ".join(skills.SKILL_KEYS))
            continue
        rank, level = (_whole(row.get(field)) for field in ("rank", "level"))
        if row.get("rank") and (rank is None or rank < 1):
            bad("rank", row["rank"], "a whole number from 1")
        elif row.get("level") and (level is None or not 0 <= level < levels):
            bad("level", row["level"], f"a whole number from 0 to {levels - 1}")
        elif rank is None and level is None:
            bad("rank", None, "a rank or a level")
        elif subject is not None:
            cell = (*places[subject], key)
            cells.setdefault(cell, []).append((number, rank is not None, level is not None))
        if subject is None:
            continue
        if (subject, key) in seen:
            bad("skill", f"{subject}, {key} more than once", "one row each")
        seen.add((subject, key))
        rows.append((subject, key, rank, level))
    problems += _mixed(str(path), cells)
    if problems:
        raise BadInputError(problems, hint="Rows count from 0, the header line not included.")
    schema = {"subject_id": pl.String, "skill": pl.String, "rank": pl.Int32, "level": pl.Int8}
    return pl.DataFrame(rows, schema=schema, orient="row")


#: A row's number, whether it has a rank, and whether it has a level.
_Given = tuple[int, bool, bool]


def _cells(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str | None]]]]:
    """The header of a CSV, and the number and cells of each row; blank rows count, but are left out."""
    allowed = "a CSV file"
    try:
        given = "a folder" if path.is_dir() else None
        content = b"" if given else path.read_bytes()
    except FileNotFoundError:
        given = "no such file"
    except OSError as error:
        given = error.strerror or str(error)
    if given is None:
        text = decoded(content)
        if "\0" in text:
            given = "no text"
        elif not text.strip():
            given, allowed = "an empty file", "a header line and rows"
    if given is not None:
        raise BadInputError([Problem(str(path), None, None, given, allowed)])
    text = text.lstrip()
    mark = separator(text.split("\n", 1)[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    problems: list[Problem] = []
    records: list[tuple[int, dict[str, str | None]]] = []
    header: list[str] = []
    number = -1
    try:
        for number, cells in enumerate(reader, -1):
            values = [cell.strip() or None for cell in cells]
            if number < 0:
                header = [value or "" for value in values]
            elif any(values[len(header) :]):
                allowed = f"{len(header)}, as the header has"
                problems.append(Problem(str(path), number, None, f"{len(cells)} cells", allowed))
            elif any(values):
                values += [None] * (len(header) - len(values))
                # Of columns of the same name, the first counts.
                pairs = zip(reversed(header), reversed(values[: len(header)]), strict=True)
                records.append((number, dict(pairs)))
    except csv.Error as error:
        problems.append(
            Problem(str(path), number + 1, None, str(error), "cells with paired quotes")
        )
    if problems:
        raise BadInputError(problems, hint="Rows count from 0, the header line not included.")
    return header, records


def _mixed(file: str, cells: Mapping[tuple[str, str, str], Sequence[_Given]]) -> list[Problem]:
    """A problem for each league, season and skill that has ranks in some rows, levels in others."""
    problems = []
    for (league, season, skill), rows in sorted(cells.items()):
        if all(ranked for _, ranked, _ in rows) or all(levelled for *_, levelled in rows):
            continue
        ranks = [number for number, _, levelled in rows if not levelled]
        levels = [number for number, ranked, _ in rows if not ranked]
        given = (
            f"ranks alone in {_listed(ranks)} and levels alone in {_listed(levels)} "
            f"for {league} {season}, {skill}"
        )
        allowed = "a rank in each of its rows, or a level in each"
        problems.append(Problem(file, levels[0], "rank", given, allowed))
    return problems


def _listed(numbers: Sequence[int], shown: int = 5) -> str:
    text = ("row " if len(numbers) == 1 else "rows ") + ", ".join(map(str, numbers[:shown]))
    return text + (f" and {len(numbers) - shown} more" if len(numbers) > shown else "")


def _whole(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None


def agreement(levels: pl.DataFrame, experts: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """How computed levels agree with experts' judgements, skill by skill.

    Spearman's correlation of the ranks (inside each league and season, averaged over these weighted by
    subjects) and Cohen's kappa with quadratic weights of the levels. Where experts give ranks alone, their
    ranks and ours are cut into levels of equal size among the subjects that both ranked; where they give
    levels, these meet our levels as they are. Those who give levels alone are ranked by them (ties share
    the mean rank).

    Args:
        levels: table ``levels``, computed.
        experts: rows of :func:`read_experts`.
        subjects: table ``subjects``.

    Returns:
        ``skill, judged, spearman, quadratic_kappa`` in the order of the skills. Null where fewer than three
        subjects were judged, or where nothing varies.

    Raises:
        BadInputError: ranks in some rows and levels in others of one league, season and skill.
    """
    from scipy.stats import spearmanr
    from sklearn.metrics import cohen_kappa_score

    count = int(levels["level"].max() or 0) + 1  # type: ignore[arg-type]
    cells = ["league", "season", "skill"]
    given = (
        experts.with_row_index("row")
        .join(subjects.select("subject_id", "league", "season"), on="subject_id")
        .sort("row")
    )
    has = (pl.col(column).is_not_null() for column in ("rank", "level"))
    rows_of: dict[tuple[str, str, str], list[_Given]] = {}
    for league, season, skill, *row in given.select(*cells, "row", *has).rows():
        rows_of.setdefault((league, season, skill), []).append((row[0], row[1], row[2]))
    if problems := _mixed("experts", rows_of):
        raise BadInputError(problems)
    ours = levels.filter(pl.col("rank").is_not_null()).select(
        "subject_id", "skill", our_rank="rank", our_level="level"
    )

    def cut(column: str) -> pl.Expr:
        order = pl.col(column).rank("ordinal").over(cells)
        return level_of(order, pl.len().over(cells), count)

    both = (
        given.with_columns(
            ranked=pl.col("rank").is_not_null().all().over(cells),
            levelled=pl.col("level").is_not_null().all().over(cells),
        )
        .join(ours, on=["subject_id", "skill"])
        .sort("subject_id")  # equal ranks are cut in this order
        .with_columns(
            place=pl.when("ranked").then(pl.col("rank").cast(pl.Int64))
            .otherwise(-pl.col("level").cast(pl.Int64)).rank("average").over(cells)
        )
        .with_columns(
            level=pl.when("levelled").then("level").otherwise(cut("place")),
            our_level=pl.when("levelled").then("our_level").otherwise(cut("our_rank")),
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
