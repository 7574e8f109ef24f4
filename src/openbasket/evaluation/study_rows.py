"""Accuracy of people, out of a human study, to be put beside models; and the whole of its results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from openbasket.errors import BadInputError, Problem
from openbasket.skills import SKILL_KEYS

__all__ = ["StudyLine", "StudyResults", "read_study_results", "read_study_rows"]


Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Kind = Literal["people", "model"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    run: str
    kind: Kind
    subjects: Count
    ratings: Count
    accuracy: Share
    low: Share | None
    high: Share | None
    skills: dict[str, Share | None]


class _Rows(BaseModel):
    model_config = ConfigDict(extra="forbid")
    levels: Literal[3, 5]
    skills: list[str]
    labels: dict[str, str] = {}
    rows: list[_Row]


_Kind = TypeVar("_Kind", _Rows, "StudyResults")


class StudyLine(BaseModel):
    """Accuracy of a group of people, of all of them, or of a model.

    ``least`` and ``most`` are the lowest and highest accuracy of a participant; ``None`` of a model.
    """

    model_config = ConfigDict(extra="ignore")
    name: str
    kind: Kind
    raters: Count
    players: Count
    ratings: Count
    accuracy: Share
    low: Share | None
    high: Share | None
    least: Share | None
    most: Share | None
    skills: dict[str, Share | None]
    alpha: float | None

    @model_validator(mode="after")
    def _people_have_a_range(self) -> StudyLine:
        if self.kind == "people" and (self.least is None or self.most is None):
            raise ValueError("people without least and most")
        return self


class StudyResults(BaseModel):
    """What ``results.json`` of a human study says; participants are left out.

    ``commonest`` is the accuracy of who always says a skill's commonest level; ``labels`` the hash of the
    labels that answers were compared with, by split.
    """

    model_config = ConfigDict(extra="ignore")
    levels: Literal[3, 5]
    skills: list[str]
    chance: Share
    commonest: Share | None = None
    labels: dict[str, str] = {}
    people: list[StudyLine] = Field(min_length=1)
    models: list[StudyLine]
    excluded: dict[str, int]

    def rows(self) -> dict[str, Any]:
        """The lines as ``study_rows.json`` has them."""
        return {
            "levels": self.levels,
            "skills": self.skills,
            "labels": self.labels,
            "rows": [
                {
                    "run": line.name, "kind": line.kind, "subjects": line.players,
                    "ratings": line.ratings, "accuracy": line.accuracy, "low": line.low,
                    "high": line.high, "skills": line.skills,
                }
                for line in (*self.people, *self.models)
            ],
        }  # fmt: skip


def read_study_results(path: Path) -> StudyResults:
    """Read ``results.json`` of a human study, or the folder that it is in.

    Raises:
        BadInputError: no such file, or not one that 'openbasket study results' wrote.
    """
    return _read(StudyResults, path / "results.json" if path.is_dir() else path, "results.json")


def read_study_rows(path: Path) -> dict[str, Any]:
    """Read ``study_rows.json``: number of levels, skills, and a row for each group, and each model there.

    Raises:
        BadInputError: no such file, or not one that 'openbasket study results' wrote.
    """
    return _read(_Rows, path, "study_rows.json").model_dump()


def _read(kind: type[_Kind], path: Path, name: str) -> _Kind:
    try:
        found = kind.model_validate_json(path.read_bytes())
        unknown = sorted(set(found.skills) - set(SKILL_KEYS))
        given = f"unknown skill {unknown[0]!r}" if unknown else ""
    except (OSError, ValidationError) as error:
        given = str(error.strerror) if isinstance(error, OSError) else "another kind of file"
    if given:
        allowed = f"{name} of 'openbasket study results'"
        raise BadInputError([Problem(str(path), None, None, given, allowed)]) from None
    return found
