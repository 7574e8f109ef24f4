"""The frames that a recipe wants, from a cache where they are held, else from the videos."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from openbasket.dataset.clips import clips_of
from openbasket.dataset.frame_cache import cache_folder, cache_frames
from openbasket.dataset.reader import Sample, dataset_levels
from openbasket.errors import ConfigError, NotFoundError
from openbasket.progress import note
from openbasket.training.config import DataConfig, Recipe, TestConfig, load_recipe, recipe_names
from openbasket.training.run import CACHE
from openbasket.video.cache import CachedFrames
from openbasket.video.frames import Sampling
from openbasket.video.recording import Format, Taking
from openbasket.workspace import Workspace

__all__ = [
    "cache_command",
    "check_levels",
    "lesson_draws",
    "read_frames",
    "taking_of",
    "with_transcripts",
]


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
    form: Format = "jpeg",
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
        form: how they are stored: those in the other form are taken only where there are none in this one.
        workers: processes that decode videos; all cores by default.
        quiet: tell nothing, and show no progress.
        failures: filled with what is wrong with videos, which are then left out; else they are an error.

    Raises:
        VideoError: videos that are missing or do not decode; all of them in one message.
    """
    folder = cache_folder(data_root, run_dir / CACHE)
    taking = replace(taking_of(recipe.data, views=views, reader=reader), format=form)

    def tell(text: str) -> None:
        own = folder != cache_folder(data_root)
        command = cache_command(data_root, recipe, taking) if own else ""
        if command:
            text += f". For all runs: {command}"
        note(text, quiet=quiet)

    data = recipe.data
    clips = None
    if data.sampling == "clips":
        clips = clips_of(data_root, samples, data.draw, folder=folder, workers=workers, quiet=quiet)
    return cache_frames(
        [sample.video for sample in samples], folder, clips=clips, within=taking.within,
        root=data_root, frames=taking.frames, short_side=taking.size,
        sampling=taking.sampling, format=taking.format, every=taking.every, any_format=True,
        workers=workers,
        quiet=quiet, failures=failures, tell=tell,
    )  # fmt: skip


def cache_command(root: Path, recipe: Recipe, taking: Taking) -> str:
    """The command that keeps such frames of a recipe; empty where none does."""
    name, form = recipe.name, taking.format
    if name in recipe_names() and replace(taking_of(load_recipe(name).data), format=form) == taking:
        options = f"--recipe {name}"
    elif taking.every or recipe.data.sampling == "clips":
        return ""
    else:
        options = f"--frames {taking.frames} --size {taking.size} --sampling {taking.sampling}"
    stored = f" --format {form}" if form != "jpeg" else ""
    return f"openbasket cache {shlex.quote(str(root))} {options}{stored}"


def check_levels(root: Path, recipe: Recipe) -> None:
    """Compare the levels of recipe and dataset, where its manifest tells them.

    Three-level labels would pass as five-level ones, and a reversed column be turned round wrongly.

    Raises:
        ConfigError: they are others.
    """
    if not (root / "openbasket" / "manifest.json").exists():
        return
    levels = dataset_levels(root)
    if levels != recipe.data.levels:
        raise ConfigError(
            f"recipe '{recipe.name}' has data.levels = {recipe.data.levels}; the dataset at '{root}' has "
            f"{levels}. Set it with --set data.levels={levels}"
        )


def lesson_draws(root: Path, recipe: Recipe) -> tuple[int, ...]:
    """Of which draws of the reels of train the lessons are.

    Raises:
        NotFoundError: the dataset lacks one, or has no transcripts.
    """
    draws = recipe.transcripts.draws or (recipe.data.draw,)
    there = with_transcripts(root).read("reels")["draw"].unique().sort().to_list()
    for draw in draws:
        if draw not in there:
            raise NotFoundError(
                f"'{root}' has no reels of draw {draw} (it has: {', '.join(map(str, there)) or 'none'}). "
                f"Make them with 'openbasket reels --draw {draw}' (of a rendered benchmark: 'openbasket "
                "rendered', reels.draws), or learn from those alone that are rated: "
                "--set transcripts.draws=[]"
            )
    return draws


def with_transcripts(root: Path) -> Workspace:
    """The dataset's tables, where they tell what clips show."""
    workspace = Workspace(root)
    lacking = [name for name in ("reels", "events", "games") if not workspace.has(name)]
    if lacking:
        raise NotFoundError(
            f"'{root}' has no table '{lacking[0]}', so that nothing tells what its clips show. Learn from "
            "levels alone: --set transcripts.epochs=0 --set model.frozen=false "
            "--set model.options.tokens=features --set transcripts.redraw=0"
        )
    return workspace
