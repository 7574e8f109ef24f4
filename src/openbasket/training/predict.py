"""Run a trained model over splits and write ``predictions.parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from openbasket.dataset.prediction_rows import prediction_rows
from openbasket.dataset.reader import Sample, labels_hash, read_split
from openbasket.errors import ConfigError, NotFoundError, VideoError
from openbasket.skills import SKILL_KEYS
from openbasket.training import checkpoint
from openbasket.training.building import build_again, check_logits
from openbasket.training.config import Recipe, TestConfig
from openbasket.training.data import ClipDataset
from openbasket.training.faults import explained
from openbasket.training.features import conditions_of, frozen_features
from openbasket.training.processes import make_accelerator, on_main, over_shares
from openbasket.training.reading import read_frames
from openbasket.training.run import BEST, LESSONS_START, read_facts, read_recipe
from openbasket.training.session import arithmetic
from openbasket.training.text import TextLearner, answers_path, rate
from openbasket.video.cache import CachedFrames
from openbasket.video.frames import Sampling
from openbasket.wording import counted
from openbasket.workspace import Workspace, run_facts_path, sha256, write_json

__all__ = ["Failure", "Predicted", "failures_path", "predict"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A subject that has no predictions.

    Args:
        subject_id: who.
        path: of the video, as the split gives it.
        error: what is wrong with it.
    """

    subject_id: str
    path: str
    error: str


@dataclass(frozen=True, slots=True)
class Predicted:
    """What came of a prediction.

    Args:
        frame: the ``predictions`` table, 20 rows a subject; ``p3`` and ``p4`` are null with three levels,
            and all of a row are null where a model that answers in text gave no level. Its answers are
            in :func:`openbasket.training.text.answers_path`.
        failures: the subjects that are not in it, and why.
        is_main: whether this is the process that writes; one of several is.
    """

    frame: pl.DataFrame
    failures: tuple[Failure, ...]
    is_main: bool = True


def failures_path(out_path: Path) -> Path:
    """Where the failures of a predictions file are listed: beside it; there is no such file without any."""
    return out_path.with_name(f"{out_path.stem}.failures.json")


def predict(
    run_dir: Path,
    data_root: Path,
    out_path: Path,
    *,
    splits: Sequence[str] = ("test",),
    views: tuple[int, int] | None = None,
    reader: Sampling | None = None,
    quiet: bool = False,
    workers: int | None = None,
) -> Predicted:
    """Write the probabilities of each level for each subject of ``splits`` and each skill.

    Uses the weights of the epoch with the lowest validation loss. The probabilities of a subject are the
    mean of the softmax over its temporal x spatial views. A subject whose video fails has no predictions
    and is listed in :func:`failures_path`; no other video stands in for it. Beside the predictions lies
    what evaluation tells of a run: its weights, frames and views, the hash of the labels it was predicted
    for. Under ``accelerate launch`` the subjects are shared out, and the main process writes.

    Args:
        run_dir: folder of :func:`openbasket.training.loop.train`.
        data_root: a dataset in the official layout.
        out_path: the predictions file to write, atomically.
        splits: names of splits.
        views: temporal and spatial ones; those of the recipe by default.
        reader: ``exact`` or ``keyframe`` frames; as the run was trained by default.
        quiet: show no progress.
        workers: processes that decode videos; all cores by default.

    Raises:
        NotFoundError: there is no such run, or the splits have no subjects.
        BadInputError: bad rows in a split's CSV.
        ConfigError: numbers of views that cannot be.
        VideoError: not one video can be used.
        TrainingError: memory ran out, or a loader process died.
    """
    recipe = read_recipe(run_dir)
    data = recipe.data
    test = recipe.test if views is None else _views(*views)
    accelerator = make_accelerator(recipe)
    if recipe.transcripts.told and test != TestConfig():
        raise ConfigError("a model that is told answers by transcripts has one view of a reel")
    if data.conditions and test != TestConfig():
        raise ConfigError("a model that is told leagues or seasons has one view of a reel")
    of_split = {
        split: read_split(
            data_root, split, levels=data.levels, require_videos=False, draw=data.draw
        )
        for split in splits
    }
    samples = [sample for part in of_split.values() for sample in part]
    if not samples:
        raise NotFoundError(f"the splits {', '.join(splits)} of '{data_root}' have no subjects")
    model = build_again(run_dir, recipe, quiet=quiet)
    if isinstance(model, TextLearner) and test != TestConfig():
        raise ConfigError(
            f"'{recipe.model.name}' answers once for a video: views are 1 temporal and 1 spatial one"
        )
    checkpoint.load_weights(run_dir / BEST, model)
    quiet = quiet or not accelerator.is_main_process

    def read() -> tuple[list[CachedFrames], dict[Path, str]]:
        failures: dict[Path, str] = {}
        entries = read_frames(
            samples, data_root, run_dir, recipe,
            views=test, reader=reader, workers=workers, quiet=quiet, failures=failures,
        )  # fmt: skip
        if not entries:
            path, error = next(iter(failures.items()))
            raise VideoError(
                f"not one of {counted(len(samples), 'video')} can be used; the first is '{path}': {error}"
            )
        return entries, failures

    entries, faults = on_main(accelerator, read)
    failures = tuple(
        Failure(s.subject_id, s.path, faults[s.video]) for s in samples if s.video in faults
    )
    samples = [s for s in samples if s.video not in faults]
    dataset = ClipDataset(samples, entries, data, views=test)
    with explained("predicting", recipe.train.batch_size, go_on="Nothing was written"):
        if isinstance(model, TextLearner):
            names = [s.subject_id for s in samples]
            probabilities = rate(accelerator, recipe, model, dataset, names, out_path, quiet=quiet)
        elif recipe.model.frozen and test == TestConfig():
            features = frozen_features(
                accelerator, recipe, model, samples, entries, data_root, run_dir, quiet=quiet
            )
            given = torch.cat([features.values, conditions_of(samples, data)], dim=1)
            probabilities = _of_features(accelerator, recipe, model, given)
        else:
            probabilities = _probabilities(accelerator, recipe, model, dataset, test, quiet)
    frame = prediction_rows(probabilities, samples, recipe.model.name, run_dir.resolve().name)
    facts = {
        run_dir.resolve().name: _facts(
            run_dir, recipe, model, of_split, test, reader or data.reader
        )
    }
    if accelerator.is_main_process:
        if not isinstance(model, TextLearner):
            answers_path(out_path).unlink(missing_ok=True)  # of another run, before
        Workspace.write_file("predictions", frame, out_path)
        write_json(run_facts_path(out_path), facts)
        if failures:
            write_json(failures_path(out_path), [asdict(failure) for failure in failures])
        else:
            failures_path(out_path).unlink(missing_ok=True)
    accelerator.wait_for_everyone()
    return Predicted(frame, failures, accelerator.is_main_process)


def _views(temporal: int, spatial: int) -> TestConfig:
    try:
        return TestConfig(temporal_views=temporal, spatial_views=spatial)
    except ValueError:
        raise ConfigError(
            f"--views: got {temporal} {spatial}; allowed: 1 to 64 temporal and 1 to 16 spatial ones"
        ) from None


def _probabilities(
    accelerator: Accelerator,
    recipe: Recipe,
    model: nn.Module,
    dataset: ClipDataset,
    test: TestConfig,
    quiet: bool,
) -> NDArray[np.float64]:
    """``(subjects, 20, levels)``, means over the views; the same in all processes."""
    views = test.temporal_views * test.spatial_views
    keys = [(view, index) for index in range(len(dataset)) for view in range(views)]
    model.to(accelerator.device).eval()

    def answer(clips: torch.Tensor, subjects: torch.Tensor) -> list[tuple[Any, Any]]:
        with arithmetic(accelerator, recipe):
            logits = check_logits(model(clips), clips, recipe)
        return [(subjects.numpy(), logits.double().softmax(dim=2).cpu().numpy())]

    found = over_shares(
        accelerator, recipe, dataset, keys, answer, describe="Predicting", quiet=quiet
    )
    total = np.zeros((len(dataset), len(SKILL_KEYS), recipe.data.levels))
    seen = np.zeros(len(dataset), int)
    for subjects, values in found:
        np.add.at(total, subjects, values)
        np.add.at(seen, subjects, 1)
    if (seen != views).any():
        raise AssertionError("a view was not predicted once")
    total /= total.sum(axis=2, keepdims=True)
    return total


def _of_features(
    accelerator: Accelerator, recipe: Recipe, model: nn.Module, features: torch.Tensor
) -> NDArray[np.float64]:
    """``(subjects, 20, levels)`` of features ``(subjects, F)``."""
    heads = model.to(accelerator.device).eval().get_submodule("heads")
    found = []
    with torch.inference_mode():
        for part in torch.split(features, recipe.train.batch_size):
            with arithmetic(accelerator, recipe):
                logits = check_logits(heads(part.to(accelerator.device)), part, recipe)
            found.append(logits.double().softmax(dim=2).cpu().numpy())
    return np.concatenate(found)


def _facts(
    run_dir: Path,
    recipe: Recipe,
    model: nn.Module,
    of_split: dict[str, list[Sample]],
    views: TestConfig,
    reader: Sampling,
) -> dict[str, Any]:
    """What a table of results tells of a run, and with what it was predicted."""
    facts = read_facts(run_dir)
    lessons = bool(recipe.transcripts.epochs)
    start = facts.get(LESSONS_START if lessons else "weights")
    begun = [Path(start["file"]).stem] if start else []
    levels = recipe.data.levels
    return {
        "pretraining": ", ".join([*begun, *["transcripts"] * lessons]) or "none",
        "frames": getattr(model, "frames_seen", recipe.data.frames),
        "parameters": sum(p.numel() for p in model.parameters()),
        "labels": {split: labels_hash(part, levels) for split, part in of_split.items()},
        "views": [views.temporal_views, views.spatial_views],
        "reader": reader,
        "told": list(recipe.transcripts.told),
        "conditions": list(recipe.data.conditions),
        "weights": sha256(run_dir / BEST),
    }
