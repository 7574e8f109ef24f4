"""A split as instruction-tuning data: what LLaVA's training scripts read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openbasket.dataset.reader import read_split
from openbasket.models.skill_text import VIDEO, answer, prompt
from openbasket.workspace import write_json

__all__ = ["instructions", "write_instructions"]


def instructions(root: Path, split: str = "train", *, levels: int = 5) -> list[dict[str, Any]]:
    """Turn the reels and labels of a split into conversations: a question and its answer.

    Args:
        root: dataset in the official layout.
        split: one of :data:`openbasket.dataset.reader.SPLIT_FILES`.
        levels: levels of a skill.

    Returns:
        One item a reel: ``id`` (the subject), ``video`` (path as in the CSV) and ``conversations``.
        Skills without a label have no line in the answer; reels without any label are left out.

    Raises:
        UnknownNameError, NotFoundError, BadInputError: as ``read_split``.
    """
    question = f"{VIDEO}\n{prompt(levels)}"
    return [
        {
            "id": sample.subject_id,
            "video": sample.path,
            "conversations": [
                {"from": "human", "value": question},
                {"from": "gpt", "value": answer(sample.levels)},
            ],
        }
        for sample in read_split(root, split, levels=levels)
        if any(level is not None for level in sample.levels)
    ]


def write_instructions(root: Path, out: Path, split: str = "train", *, levels: int = 5) -> int:
    """Write :func:`instructions` as JSON, atomically; return how many items there are."""
    items = instructions(root, split, levels=levels)
    write_json(out, items)
    return len(items)
