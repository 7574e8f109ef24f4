"""Read predictions, and refuse what cannot be scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from openbasket.errors import BadInputError, Problem
from openbasket.skills import SKILL_KEYS
from openbasket.workspace import Workspace

__all__ = ["levels_of", "read_predictions", "to_array"]

#: Probabilities of a skill may add up to one within this.
SUM_TOLERANCE = 1e-4
#: Names are names of files, too.
LONGEST_NAME = 200
#: Runs of one file, and rows at all.
MOST_RUNS, MOST_ROWS = 500, 60_000_000
#: Unknown subjects that are named.
SHOWN = 3


def read_predictions(path: Path, subjects: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a file of predictions (parquet) and check it.

    A row whose probabilities are all null says that the model gave no level for this skill.

    Args:
        path: table ``predictions``, of one or more runs.
        subjects: whom predictions may be about; anybody by default.

    Raises:
        BadInputError: every row with a probability that is no number or outside 0 to 1, a wrong sum, a
            repeated or missing skill, or an unknown subject.
    """
    if not path.is_file():
        given = "no such file"
        if path.exists():
            given = "a folder" if path.is_dir() else "no regular file, such as a pipe"
        raise BadInputError(
            [Problem(str(path), None, None, given, "a parquet file of predictions")],
            "Write the predictions to a file first." if path.exists() and not path.is_dir() else "",
        )
    _refuse_many(path, subjects)
    frame = Workspace.read_file("predictions", path)
    names = {str(name) for column in ("run", "model") for name in frame[column].unique()}
    long = sorted(name for name in names if not 0 < len(name.strip().encode()) <= LONGEST_NAME)
    if long:
        given = f"a name of {len(long[0].encode()):,} bytes: {long[0][:40]!r}"
        allowed = f"names of runs and models from 1 to {LONGEST_NAME} bytes"
        raise BadInputError([Problem(str(path), None, "run, model", given, allowed)])
    odd = sorted(name for name in names if name != name.strip())
    if odd:
        allowed = "names of runs and models without blanks at their ends"
        raise BadInputError([Problem(str(path), None, "run, model", repr(odd[0][:40]), allowed)])
    if frame.is_empty():
        raise BadInputError([Problem(str(path), None, None, "no rows", "20 rows for each subject")])
    problems: list[Problem] = []
    columns = ["p0", "p1", "p2", "p3", "p4"]
    answered = ~pl.all_horizontal(pl.col(columns).is_null())
    bad_numbers = frame.with_row_index("row").filter(
        pl.any_horizontal(pl.col(columns).is_nan().fill_null(False))
        | (
            answered
            & (
                pl.any_horizontal(pl.col(columns[:3]).is_null())
                | (pl.col("p3").is_null() != pl.col("p4").is_null())
                | (pl.col("p3").is_null() & pl.col("p3").is_not_null().any().over("run"))
            )
        )
    )
    problems += [
        Problem(
            str(path),
            row,
            "p0 ... p4",
            "a value that is no number",
            "numbers from 0 to 1 (a run of three levels leaves p3 and p4 empty in every row; "
            "a row without an answer leaves all five empty)",
        )
        for row in bad_numbers["row"].to_list()
    ]
    sums = frame.with_row_index("row").with_columns(sum=pl.sum_horizontal(columns))
    for row, total in (
        sums.filter(answered, ~pl.col("row").is_in(bad_numbers["row"].to_list()))
        .filter((pl.col("sum") - 1).abs() > SUM_TOLERANCE)
        .select("row", "sum")
        .rows()
    ):
        problems.append(Problem(str(path), row, "p0 ... p4", f"a sum of {total:.6f}", "a sum of 1"))
    gaps = (
        frame.group_by("run", "subject_id")
        .agg("skill")
        .filter(pl.col("skill").list.len() < len(SKILL_KEYS))
        .sort("run", "subject_id")
    )
    for run, subject, skills in gaps.rows():
        missing = [key for key in SKILL_KEYS if key not in skills]
        if missing:
            given = f"run '{run}', subject '{subject}' without {', '.join(missing)}"
            problems.append(Problem(str(path), None, "skill", given, "all 20 skills"))
    hint = ""
    if subjects is not None:
        told = set(frame["subject_id"].unique())
        if unknown := sorted(told.difference(subjects)):
            given = ", ".join(map(repr, unknown[:SHOWN]))
            if len(unknown) > SHOWN:
                given += f" and {len(unknown) - SHOWN:,} more"
            allowed = "subjects of the dataset's splits"
            problems.append(Problem(str(path), None, "subject_id", given, allowed))
            if len(unknown) == len(told):
                hint = "None of its subjects is in this dataset: are these predictions of another?"
    if problems:
        raise BadInputError(problems, hint)
    return frame.sort("run", "subject_id")


def _refuse_many(path: Path, subjects: Sequence[str] | None) -> None:
    """Refuse a file of far more rows than there can be, before they are in memory."""
    try:
        rows = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, OSError):
        return  # what is wrong with it is told when it is read
    most = MOST_ROWS
    if subjects is not None:
        most = min(most, MOST_RUNS * len(SKILL_KEYS) * max(len(set(subjects)), 1))
    if rows > most:
        allowed = f"at most {most:,}: {MOST_RUNS} runs of 20 skills of the dataset's subjects"
        raise BadInputError([Problem(str(path), None, None, f"{rows:,} rows", allowed)])


def levels_of(frame: pl.DataFrame) -> int:
    """Levels that predictions are of: 3 where every row leaves ``p3`` empty, else 5."""
    return 3 if frame["p3"].is_null().all() else 5


def to_array(frame: pl.DataFrame, subjects: Sequence[str], levels: int) -> np.ndarray:
    """Predictions of one run as ``(len(subjects), 20, levels)`` float64; NaN where there are none."""
    probabilities = np.full((len(subjects), len(SKILL_KEYS), levels), np.nan)
    rows = pl.DataFrame({"subject_id": subjects}).with_row_index("row")
    columns = pl.DataFrame({"skill": SKILL_KEYS}).with_row_index("column")
    placed = frame.join(rows, on="subject_id").join(columns, on="skill")
    values = placed.select([f"p{level}" for level in range(levels)]).to_numpy()
    probabilities[placed["row"].to_numpy(), placed["column"].to_numpy()] = values
    return probabilities
