"""Write a study file for a dataset."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from openbasket.errors import ConfigError, WorkspaceError
from openbasket.study.checking import refuse_names
from openbasket.study.design import Player, StudyDesign, describe_fault, draw_players
from openbasket.workspace import Workspace, write_text

__all__ = ["create"]

#: What participants read; then, what may not change once players are drawn, and all else.
_TEXTS = ("title", "contact")
_FIXED = (
    "dataset", "league", "season", "split", "levels", "skills", "players", "sessions", "pool",
    "attention_checks", "seed",
)  # fmt: skip
_REST = (
    "min_watched",
    "max_speed",
    "max_failed_checks",
    "min_players",
    "count_clock",
    "break_after_min",
)


def create(file: Path, root: Path, settings: Mapping[str, Any]) -> list[Player]:
    """Check that a dataset can carry a study, and write its file; return the players that were drawn.

    Args:
        file: to be written.
        root: the dataset.
        settings: of :class:`StudyDesign`, all but ``dataset``; what is not there is as its defaults.

    Raises:
        ConfigError: settings that are not allowed, all of them in one message.
        WorkspaceError: the file is there already, or there is no such dataset.
        BadInputError: all that the dataset lacks, or all texts that name the league or a player.
    """
    if file.exists():
        raise WorkspaceError(f"'{file}' is there already; give another name with --out")
    Workspace(root)
    try:
        design = StudyDesign.model_validate(
            {**settings, "dataset": os.path.relpath(root, file.parent)}
        )
    except ValidationError as error:
        faults = "\n".join(f"  - {describe_fault(dict(e))}" for e in error.errors())
        raise ConfigError(f"this study cannot be:\n{faults}") from None
    players = draw_players(design, root)
    refuse_names(design, root, [player.subject_id for player in players], file)
    write_text(file, _toml(design))
    return players


def _toml(design: StudyDesign) -> str:
    values = design.model_dump(mode="json", exclude_none=True)

    def lines(*names: str) -> list[str]:
        return [line(name, values[name]) for name in names if name in values]

    def line(name: str, value: object) -> str:
        return f"{name} = {json.dumps(value, ensure_ascii=False)}"

    content = [
        "# A study of openbasket. What participants see: title, contact, consent.",
        *lines(*_TEXTS),
        "consent = [",
        *(f"  {json.dumps(paragraph, ensure_ascii=False)}," for paragraph in design.consent),
        "]",
        "",
        "# Who is rated, in what. These may not change once the study is open.",
        *lines(*_FIXED),
        "",
        *lines(*_REST),
        "",
        "# The first group whose rule holds is a participant's.",
    ]
    for group in values["groups"]:
        content += ["[[groups]]", *(line(*item) for item in group.items()), ""]
    content += ["[pay]", *(line(*item) for item in values["pay"].items())]
    return "\n".join(content) + "\n"
