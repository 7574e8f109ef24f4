"""Trackers of experiments behind one call: TensorBoard, Trackio, Weights & Biases."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from openbasket.errors import DependencyError
from openbasket.training.config import Recipe
from openbasket.workspace import write_text

__all__ = ["TRACKER_ID", "check_tracker", "tracker"]

Log = Callable[[Mapping[str, Any]], None]
#: Project of the runs, where a tracker wants one.
PROJECT = "openbasket"
#: File of a run's folder with what makes the run's name unique.
TRACKER_ID = "tracker_id.txt"
#: Where a tracker lies, if not in the package of its name.
_MODULES = {"tensorboard": "torch.utils.tensorboard"}


def check_tracker(recipe: Recipe) -> None:
    """Refuse a recipe whose tracker is not installed.

    Raises:
        DependencyError: it is not.
    """
    if recipe.log.tracker != "none":
        _import(recipe.log.tracker)


@contextmanager
def tracker(recipe: Recipe, run_dir: Path, *, wanted: bool = True) -> Iterator[Log]:
    """Open the recipe's tracker; yields what takes the line of metrics of an epoch.

    A run that is continued goes on under its name. Nothing is imported, or sent, unless a recipe asks.

    Raises:
        DependencyError: the tracker's package is not installed.
    """
    kind = recipe.log.tracker if wanted else "none"
    if kind == "none":
        yield _nothing
        return
    if kind == "tensorboard":
        writer = _import(kind).SummaryWriter(str(run_dir / "tensorboard"))

        def write(line: Mapping[str, Any]) -> None:
            for name, value in line.items():
                if name != "epoch":
                    writer.add_scalar(name, value, line["epoch"])
            writer.flush()

        try:
            yield write
        finally:
            writer.close()
        return
    package = _import(kind)
    mark = run_dir / TRACKER_ID
    resumed = mark.exists()
    if not resumed:
        write_text(mark, secrets.token_hex(4))
    name = f"{run_dir.resolve().name}-{mark.read_text(encoding='utf-8')}"
    more = {"id": name, "dir": str(run_dir)} if kind == "wandb" else {}
    package.init(
        project=PROJECT,
        name=name,
        resume="allow" if resumed else "never",
        config=recipe.model_dump(mode="json"),
        **more,
    )
    try:
        yield lambda line: package.log(dict(line), step=line["epoch"])
    finally:
        package.finish()


def _import(package: str) -> Any:
    try:
        return import_module(_MODULES.get(package, package))
    except ImportError:
        raise DependencyError(
            f"log.tracker = '{package}' needs a package that is not installed. "
            f"Install it with: pip install {package}"
        ) from None


def _nothing(line: Mapping[str, Any]) -> None:
    del line
