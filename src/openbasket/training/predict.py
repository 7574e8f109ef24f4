"""Run a trained model over splits and write ``predictions.parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch.utils.data import DataLoader

from openbasket.dataset.frame_cache import cache_folder, cache_frames
from openbasket.dataset.reader import read_split
from openbasket.errors import NotFoundError
from openbasket.models import create_model
from openbasket.skills import SKILL_KEYS
from openbasket.training import checkpoint
from openbasket.training.data import ClipDataset, EpochSampler
from openbasket.training.loop import BEST, CACHE, read_recipe
from openbasket.video.frames import Sampling
from openbasket.workspace import Workspace

__all__ = ["predict"]


def predict(
    run_dir: Path,
    data_root: Path,
    out_path: Path,
    *,
    splits: Sequence[str] = ("test",),
    sampling: Sampling | None = None,
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
        sampling: how frames are chosen; by default as the run was trained.
        quiet: show no progress.
        workers: processes that decode videos; all cores by default.

    Returns:
        The ``predictions`` table, 20 rows a subject; ``p3`` and ``p4`` are null with three levels.

    Raises:
        NotFoundError: there is no such run, or the splits have no subjects.
        BadInputError: missing videos or bad rows in a split's CSV.
        VideoError: videos that do not decode.
    """
    recipe = read_recipe(run_dir)
    data = recipe.data
    model = create_model(
        recipe.model.name,
        num_frames=data.frames,
        size=data.size,
        levels=data.levels,
        **recipe.model.options,
    )
    checkpoint.load_weights(run_dir / BEST, model)
    samples = [
        sample for split in splits for sample in read_split(data_root, split, levels=data.levels)
    ]
    if not samples:
        raise NotFoundError(f"the splits {', '.join(splits)} of '{data_root}' have no subjects")
    cached = cache_frames(
        [s.video for s in samples],
        cache_folder(data_root, run_dir / CACHE),
        frames=data.frames,
        short_side=data.short_side,
        sampling=sampling or data.sampling,
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
    batches = []
    with torch.no_grad():
        for clips, _ in loader:
            batches.append(model(clips.to(device)).double().softmax(dim=2).cpu().numpy())
    probabilities = np.concatenate(batches)
    probabilities /= probabilities.sum(axis=2, keepdims=True)

    rows = len(samples) * len(SKILL_KEYS)
    columns = {
        f"p{level}": pl.Series(
            probabilities[:, :, level].ravel() if level < data.levels else [None] * rows,
            dtype=pl.Float64,
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
