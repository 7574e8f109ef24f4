"""What is stated about a run: beside its predictions, or in its folder. Nothing is measured here."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openbasket.errors import BadInputError, Problem
from openbasket.evaluation.results import Facts
from openbasket.workspace import run_facts_path

__all__ = ["read_facts"]

#: What the tables do not tell: with what the predictions were made.
_UNUSED = {"views", "reader", "weights"}


class _Stated(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    pretraining: str | None = None
    frames: int | None = Field(None, ge=1)
    parameters: int | None = Field(None, ge=0)
    labels: dict[str, str] = {}
    views: list[int] | None = None
    reader: str | None = None
    told: list[str] = []
    conditions: list[str] = []
    weights: str | None = None


def read_facts(predictions: Path, runs: Sequence[str]) -> dict[str, Facts]:
    """Facts about runs: of ``<name>.runs.json`` beside the predictions, else of a run's folder there.

    Args:
        predictions: the predictions file.
        runs: their names; a run is not in the answer if nothing is stated about it.

    Raises:
        BadInputError: a file of facts that cannot be read.
    """
    stated = _beside(predictions, runs)
    for run in runs:
        folder = predictions.parent / run
        if (
            run not in stated
            and run not in ("", ".", "..")
            and "/" not in run
            and (folder / "recipe.json").is_file()
        ):
            stated[run] = _of_folder(folder)
    return stated


def _beside(predictions: Path, runs: Sequence[str]) -> dict[str, Facts]:
    path = run_facts_path(predictions)
    if not path.exists():
        return {}
    content = _json(path)
    unknown = sorted(set(content) - set(runs))
    if unknown:
        told = f"facts about {', '.join(map(repr, unknown[:5]))}"
        raise BadInputError(
            [Problem(str(path), None, None, told, f"the file's runs: {', '.join(runs)}")]
        )
    problems, found = [], {}
    for run, given in content.items():
        try:
            found[run] = Facts(**_Stated.model_validate(given).model_dump(exclude=_UNUSED))
        except ValidationError as error:
            problems += [
                Problem(
                    str(path),
                    None,
                    f"{run}.{'.'.join(map(str, fault['loc']))}",
                    repr(fault["input"])[:80],
                    fault["msg"],
                )
                for fault in error.errors()
            ]
    if problems:
        allowed = ", ".join(_Stated.model_fields)
        raise BadInputError(problems, f"A run may state {allowed}.")
    return {run: found[run] for run in runs if run in found}


def _of_folder(folder: Path) -> Facts:
    """Of a run's ``recipe.json``, and the number of weights that its model card tells."""
    content = _json(folder / "recipe.json")
    recipe = content.get("recipe")
    data = recipe.get("data") if isinstance(recipe, dict) else None
    frames = data.get("frames") if isinstance(data, dict) else None
    weights = content.get("weights")
    lessons = recipe.get("transcripts") if isinstance(recipe, dict) else None
    answers = lessons.get("told") if isinstance(lessons, dict) else None
    start = weights.get("file") if isinstance(weights, dict) else None
    card = folder / "MODEL_CARD.md"
    text = card.read_text("utf-8", errors="replace") if card.is_file() else ""
    told = re.search(r"\b(\d[\d,]{0,20}) weights", text)
    return Facts(
        pretraining=Path(str(start)).stem if start else "none",
        frames=frames if isinstance(frames, int) else None,
        parameters=int(told[1].replace(",", "")) if told else None,
        told=tuple(map(str, answers)) if isinstance(answers, list) else (),
        conditions=tuple(
            k for k in ("leagues", "seasons") if isinstance(data, dict) and data.get(k)
        ),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise BadInputError(
            [Problem(str(path), None, None, f"no JSON ({error})", "facts about runs")]
        ) from None
    if not isinstance(content, dict):
        raise BadInputError(
            [Problem(str(path), None, None, type(content).__name__, "run -> facts")]
        )
    return content
