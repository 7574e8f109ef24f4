"""What another choice of frames costs: the accuracy of one run's weights with both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from openbasket.dataset.reader import read_split
from openbasket.errors import NotFoundError
from openbasket.skills import SKILL_KEYS
from openbasket.training.predict import predict
from openbasket.training.run import Folder, read_facts, read_recipe
from openbasket.video.frames import SAMPLINGS

__all__ = ["record_effect"]


def record_effect(
    run_dir: Path,
    data_root: Path,
    *,
    split: str = "val",
    workers: int | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Predict a split with exact frames and with key frames; write both accuracies into the run's record.

    Under ``accelerate launch`` all processes call it, and the main one writes.

    Args:
        run_dir: a finished run.
        data_root: its dataset.
        split: whose labels count.
        workers: processes that decode videos; all cores by default.
        quiet: show no progress.

    Returns:
        What is added to ``recipe.json`` as ``reading.effect``: ``split``, ``labels`` (how many count) and
        ``accuracy``: the share of labels that are hit, by sampling.

    Raises:
        NotFoundError, BadInputError, VideoError: as :func:`openbasket.training.predict.predict`.
    """
    data = read_recipe(run_dir).data
    samples = read_split(data_root, split, levels=data.levels, draw=data.draw)
    labels = pl.DataFrame(
        [
            (sample.subject_id, skill, level)
            for sample in samples
            for skill, level in zip(SKILL_KEYS, sample.levels, strict=True)
            if level is not None
        ],
        schema={"subject_id": pl.String, "skill": pl.String, "level": pl.Int64},
        orient="row",
    )
    if not labels.height:
        raise NotFoundError(f"the split '{split}' of '{data_root}' has no labels")
    accuracy = {}
    for sampling in SAMPLINGS:
        file = run_dir / f"predictions-{split}-{sampling}.parquet"
        made = predict(
            run_dir, data_root, file,
            splits=[split], reader=sampling, workers=workers, quiet=quiet,
        )  # fmt: skip
        best = pl.concat_list(pl.col(f"p{level}").fill_null(0.0) for level in range(5))
        answered = made.frame.drop_nulls("p0")  # a skill without an answer is not right
        told = answered.select("subject_id", "skill", best.list.arg_max().alias("told"))
        hits = labels.join(told, on=["subject_id", "skill"], how="left")
        accuracy[sampling] = hits.filter(pl.col("level") == pl.col("told")).height / labels.height
    effect = {"split": split, "labels": labels.height, "accuracy": accuracy}
    if made.is_main:
        Folder(run_dir).record(reading=read_facts(run_dir)["reading"] | {"effect": effect})
    return effect
