"""Write a study file for a dataset."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from openbasket.errors import ConfigError, WorkspaceError
from openbasket.study.design import (
    DEFAULT_SKILLS,
    StudyDesign,
    describe_fault,
    draw_players,
)
from openbasket.workspace import Workspace, write_text

__all__ = ["create"]


def create(
    file: Path,
    root: Path,
    *,
    league: str,
    season: str,
    split: str = "test",
    levels: int = 3,
    skills: Sequence[str] | None = None,
    players: int = 5,
    sessions: int = 3,
    pool: int | None = None,
) -> int:
    """Check that a dataset can carry a study, and write its file; return how many players there are.

    Raises:
        ConfigError: settings that are not allowed.
        WorkspaceError: the file is there already, or there is no such dataset.
        BadInputError: all that the dataset lacks.
    """
    if file.exists():
        raise WorkspaceError(f"'{file}' is there already; give another name with --out")
    Workspace(root)
    settings = {
        "dataset": os.path.relpath(root, file.parent),
        "league": league,
        "season": season,
        "split": split,
        "levels": levels,
        "skills": list(skills or DEFAULT_SKILLS),
        "players": players,
        "sessions": sessions,
        **({} if pool is None else {"pool": pool}),
    }
    try:
        design = StudyDesign.model_validate(settings)
    except ValidationError as error:
        faults = "\n".join(f"  - {describe_fault(dict(e))}" for e in error.errors())
        raise ConfigError(f"this study cannot be:\n{faults}") from None
    found = len(draw_players(design, root))
    write_text(file, _toml(design, settings))
    return found


def _toml(design: StudyDesign, settings: dict[str, object]) -> str:
    def line(name: str, value: object) -> str:
        return f"{name} = {json.dumps(value, ensure_ascii=False)}"

    texts = {"title": design.title, "contact": design.contact}
    rest = {
        "seed": design.seed,
        "min_watched": design.min_watched,
        "max_speed": design.max_speed,
        "attention_checks": design.attention_checks,
        "max_failed_checks": design.max_failed_checks,
        "break_after_min": design.break_after_min,
    }
    lines = [
        "# A study of openbasket. What participants see: title, contact, consent.",
        *(line(*item) for item in texts.items()),
        "consent = [",
        *(f"  {json.dumps(paragraph, ensure_ascii=False)}," for paragraph in design.consent),
        "]",
        "",
        "# Who is rated, in what. These may not change once the study is open.",
        *(line(*item) for item in settings.items()),
        "",
        *(line(*item) for item in rest.items()),
        "",
        "# The first group whose rule holds is a participant's.",
    ]
    for group in design.groups:
        lines += ["[[groups]]", *(line(*item) for item in group.model_dump().items()), ""]
    lines += ["[pay]", *(line(*item) for item in design.pay.model_dump().items())]
    return "\n".join(lines) + "\n"
