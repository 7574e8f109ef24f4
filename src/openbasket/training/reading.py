"""The frames that a recipe wants, from a cache where they are held, else from the videos."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from openbasket.dataset.clips import clips_of
from openbasket.dataset.frame_cache import cache_folder, cache_frames
from openbasket.dataset.reader import Sample
from openbasket.progress import note
from openbasket.training.config import DataConfig, Recipe, TestConfig, load_recipe, recipe_names
from openbasket.training.run import CACHE
from openbasket.video.cache import CachedFrames
from openbasket.video.frames import Sampling
from openbasket.video.recording import Taking

__all__ = ["read_frames", "taking_of"]


def taking_of(
    data: DataConfig, *, views: TestConfig | None = None, reader: Sampling | None = None
) -> Taking:
    """How a recipe's frames are taken from a video.

    Args:
        data: what the model sees.
        views: of the test, whose temporal views are held together; one by default.
        reader: ``exact`` or ``keyframe``; the recipe's by default.
    """
    stretches = data.sampling == "interval"
    frames = data.frames // data.clips if data.sampling == "clips" else data.frames
    return Taking(
        frames=frames * (1 if stretches or views is None else views.temporal_views),
        size=data.short_side,
        sampling=reader or data.reader,
        every=data.interval if stretches else 0,
        within=data.within if data.sampling == "clips" else (0.0, 1.0),
    )


def read_frames(
    samples: Sequence[Sample],
    data_root: Path,
    run_dir: Path,
    recipe: Recipe,
    *,
    views: TestConfig | None = None,
    reader: Sampling | None = None,
    workers: int | None = None,
    quiet: bool = False,
    failures: dict[Path, str] | None = None,
) -> list[CachedFrames]:
    """Read the frames of videos, from the dataset's cache or the run's own; tell how many were there.

    Args:
        samples: whose videos.
        data_root: the dataset.
        run_dir: the run.
        recipe: of the run.
        views: of the test; one by default.
        reader: ``exact`` or ``keyframe``; the recipe's by default.
        workers: processes that decode videos; all cores by default.
        quiet: tell nothing, and show no progress.
        failures: filled with what is wrong with videos, which are then left out; else they are an error.

    Raises:
        VideoError: videos that are missing or do not decode; all of them in one message.
    """
    folder = cache_folder(data_root, run_dir / CACHE)
    taking = taking_of(recipe.data, views=views, reader=reader)

    def tell(text: str) -> None:
        own = folder != cache_folder(data_root)
        form = _form(recipe, taking)
        if own and form:
            text += f". For all runs: openbasket cache {shlex.quote(str(data_root))} {form}"
        note(text, quiet=quiet)

    data = recipe.data
    clips = clips_of(data_root, samples, data.draw) if data.sampling == "clips" else None
    return cache_frames(
        [sample.video for sample in samples], folder, clips=clips, within=taking.within,
        root=data_root, frames=taking.frames, short_side=taking.size,
        sampling=taking.sampling, every=taking.every, any_format=True, workers=workers,
        quiet=quiet, failures=failures, tell=tell,
    )  # fmt: skip


def _form(recipe: Recipe, taking: Taking) -> str:
    """The options of ``openbasket cache`` that ask for such frames; empty where none do."""
    name = recipe.name
    if name in recipe_names() and taking_of(load_recipe(name).data) == taking:
        return f"--recipe {name}"
    if taking.every or recipe.data.sampling == "clips":
        return ""
    return f"--frames {taking.frames} --size {taking.size} --sampling {taking.sampling}"
