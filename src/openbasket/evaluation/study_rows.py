"""Accuracy of people, out of a human study, to be put beside models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from openbasket.errors import BadInputError, Problem

__all__ = ["read_study_rows"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    run: str
    kind: str
    subjects: int
    ratings: int
    accuracy: float
    low: float | None
    high: float | None
    skills: dict[str, float | None]


class _Rows(BaseModel):
    model_config = ConfigDict(extra="forbid")
    levels: int
    skills: list[str]
    rows: list[_Row]


def read_study_rows(path: Path) -> dict[str, Any]:
    """Read ``study_rows.json``: number of levels, skills, and a row for each group, and each model there.

    Raises:
        BadInputError: no such file, or not one that 'openbasket study results' wrote.
    """
    try:
        return _Rows.model_validate_json(path.read_bytes()).model_dump()
    except (OSError, ValidationError) as error:
        given = error.strerror if isinstance(error, OSError) else "another kind of file"
        allowed = "study_rows.json of 'openbasket study results'"
        raise BadInputError([Problem(str(path), None, None, str(given), allowed)]) from None
