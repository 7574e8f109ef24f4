"""Run a trained model over splits and write ``predictions.parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch
from torch.utils.data import DataLoader

from openbasket.dataset.reader import read_split
from openbasket.errors import NotFoundError
from openbasket.skills import SKILL_KEYS
from openbasket.training import checkpoint
from openbasket.training.data import ClipDataset, EpochSampler
from openbasket.training.frame_cache import cache_frames
from openbasket.training.loop import BEST, CACHE, build_model, read_recipe
from openbasket.training.text import TextLearner, answers_path, rate
from openbasket.workspace import Workspace

__all__ = ["predict"]


def predict(
    run_dir: Path,
    data_root: Path,
    out_path: Path,
    *,
    splits: Sequence[str] = ("test",),
    quiet: bool = False,
    workers: int | None = None,
) -> pl.DataFrame:
    """Write the probabilities of each level for each subject of ``splits`` and each skill.

    Uses the weights of the epoch with the lowest validation loss.

    Args:
        run_dir: folder of :func:`openbasket.training.loop.train`.
        data_root: a dataset in the official layout.
        out_path: the predictions file to write, atomically.
        splits: names of splits.
        quiet: show no progress.
        workers: processes that decode videos; all cores by default.

    Returns:
        The ``predictions`` table, 20 rows a subject; ``p3`` and ``p4`` are null with three levels, and all
        of a row are null where a model that answers in text gave no level. Its answers, and counts of
        what is wrong with them, are in :func:`openbasket.training.text.answers_path`.

    Raises:
        NotFoundError: there is no such run, or the splits have no subjects.
        BadInputError: missing videos or bad rows in a split's CSV.
        VideoError: videos that do not decode.
    """
    recipe = read_recipe(run_dir)
    data = recipe.data
    model = build_model(recipe)
    checkpoint.load_weights(run_dir / BEST, model)
    samples = [
        sample for split in splits for sample in read_split(data_root, split, levels=data.levels)
    ]
    if not samples:
        raise NotFoundError(f"the splits {', '.join(splits)} of '{data_root}' have no subjects")
    cached = cache_frames(
        [s.video for s in samples],
        run_dir / CACHE,
        frames=data.frames,
        short_side=data.short_side,
        workers=workers,
        quiet=quiet,
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).eval()
    loader = DataLoader(
        ClipDataset(samples, cached, data),
        recipe.train.batch_size,
        sampler=EpochSampler(len(samples), None),
    )
    batches = (clips.to(device) for clips, _ in loader)
    with torch.no_grad():
        if isinstance(model, TextLearner):
            names = [s.subject_id for s in samples]
            probabilities = rate(model, batches, names, out_path, quiet=quiet)
        else:
            answers_path(out_path).unlink(missing_ok=True)  # of another model, before
            logits = [model(clips).double().cpu() for clips in batches]
            probabilities = torch.cat(logits).softmax(dim=2).numpy()
    probabilities /= probabilities.sum(axis=2, keepdims=True)

    rows = len(samples) * len(SKILL_KEYS)
    columns = {
        f"p{level}": pl.Series(
            probabilities[:, :, level].ravel() if level < data.levels else [None] * rows,
            dtype=pl.Float64,
            nan_to_null=True,
        )
        for level in range(5)
    }
    frame = pl.DataFrame(
        {
            "subject_id": [s.subject_id for s in samples for _ in SKILL_KEYS],
            "skill": list(SKILL_KEYS) * len(samples),
            **columns,
            "model": [recipe.model.name] * rows,
            "run": [run_dir.resolve().name] * rows,
        }
    )
    Workspace.write_file("predictions", frame, out_path)
    return frame
