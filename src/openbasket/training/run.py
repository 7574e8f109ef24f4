"""The folder of a run: whose it is, what is written there, and its model card."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import BaseFileLock
from pydantic import ValidationError

from openbasket import __version__
from openbasket.dataset.frame_cache import stated_hashes
from openbasket.dataset.reader import SPLIT_FILES, Sample
from openbasket.errors import ConfigError, NotFoundError, plain
from openbasket.training.config import Recipe
from openbasket.training.trackers import TRACKER_ID
from openbasket.video.seal import ends_hash
from openbasket.workspace import held_lock, sha256, unwritable, write_json, write_text

__all__ = [
    "BEST",
    "CACHE",
    "FEATURES",
    "LAST",
    "LESSONS",
    "LESSONS_LAST",
    "LESSONS_START",
    "METRICS",
    "RECIPE",
    "STEPS",
    "Folder",
    "begun_with",
    "differences",
    "fingerprint",
    "read_facts",
    "read_recipe",
]

#: Files of a run's folder.
RECIPE, LAST, BEST = "recipe.json", "last.safetensors", "best.safetensors"
METRICS, STEPS, CARD, LOG = "metrics.csv", "steps.csv", "MODEL_CARD.md", "train.log"
#: Folders of frames, and of what a frozen model makes of them; they lie side by side.
CACHE, FEATURES = "frame_cache", "feature_cache"
#: Folder of a clip encoder that learned from transcripts first.
LESSONS = "lessons"
#: In it: what it takes to go on with the lessons.
LESSONS_LAST = "pretrain_last.safetensors"
#: In ``recipe.json``: the file of weights that these lessons began with.
LESSONS_START = "lessons_start"
#: Settings that may change between the sessions of a run: they change nothing of what is learned.
FREE = ("name", "summary", "log", "test", "train.loader_workers")
#: Files by which a dataset's folders are known.
_OF_DATASETS = ("workspace.json", "openbasket/workspace.json", *SPLIT_FILES.values())
#: And those by which a run's are that has begun.
_OF_RUNS = (RECIPE, LAST, LESSONS, "pretrain.json")
#: Bytes of a video's beginning and end that tell it from others.
ENDS = 1 << 14
PACKAGES = ("torch", "accelerate", "transformers", "kornia", "av", "numpy")


class Folder:
    """The folder of one run.

    Args:
        path: where it is; made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: BaseFileLock | None = None
        self._made: list[Path] = []
        self._begun = False

    def release(self) -> None:
        """Let another process train here. Folders that were made for a run that never began are removed."""
        if self._lock is None:
            return
        try:
            if self._made and [file.name for file in self.path.iterdir()] == [".lock"]:
                (self.path / ".lock").unlink()
                for folder in self._made:  # the first that holds something stays, and all above it
                    folder.rmdir()
        except OSError:
            pass
        finally:
            self._lock.release()

    def claim(self, recipe: Recipe, data: str, *, resume: bool) -> None:
        """Check that it may be the folder of this run, and keep other processes out. Nothing is written.

        Args:
            recipe: of the run.
            data: its :func:`fingerprint`.
            resume: go on with what is there; else an earlier run is in nobody's way.

        Raises:
            ConfigError: it holds a run of another recipe or other data, or is a file or a dataset.
            WorkspaceError: another process trains here, or the folder cannot be written.
        """
        path = self.path
        if path.exists() and not path.is_dir():
            raise ConfigError(f"'{path}' is a file; a run is a folder. Give another --out")
        try:
            if _holds(path, _OF_DATASETS) and not _holds(path, _OF_RUNS):
                raise ConfigError(
                    f"'{path}' is a dataset's own folder; a run is another. Give another --out"
                )
            made = [folder for folder in (path, *path.parents) if not folder.exists()]
            path.mkdir(parents=True, exist_ok=True)
            self._lock = held_lock(
                path / ".lock",
                f"another process trains in '{path}'; wait for it, or give another --out",
            )
        except OSError as error:
            raise unwritable(path, error) from None
        self._made = made
        if not (resume and self.has_epochs):
            return
        if not (path / RECIPE).exists():
            raise ConfigError(f"'{path}' holds weights without '{RECIPE}'; give another --out")
        found = read_facts(path)
        way_out = "Give another --out, or start anew over this run (--no-resume)"
        earlier = Recipe.model_validate(found["recipe"]).model_dump(mode="json")
        free = (*FREE, "model.weights") if _same_start(found, recipe) else FREE
        changed = differences(earlier, recipe.model_dump(mode="json"), free=free)
        if changed:
            raise ConfigError(
                f"'{path}' holds a run of another recipe: " + "; ".join(changed) + f". {way_out}"
            )
        if found["data"] != data:
            raise ConfigError(
                f"'{path}' holds a run on other data: subjects, labels, videos or, where a run learns from "
                "them, transcripts have changed since. "
                f"{way_out}"
            )
        now = _versions()
        other = [
            f"{n} {v}, now {now.get(n)}" for n, v in found["versions"].items() if v != now.get(n)
        ]
        if other:
            self.tell(f"goes on with other versions: {'; '.join(other)}; not bit for bit the same")

    def refuse_own(self, weights: str | None, *names: str) -> None:
        """Refuse to begin with weights that the run would write over.

        Args:
            weights: the file to begin with, if there is one.
            names: of files that are written here.

        Raises:
            ConfigError: it is one of them.
        """
        own = [(self.path / name).resolve() for name in names]
        if weights and Path(weights).expanduser().resolve() in own:
            raise ConfigError(
                f"the run in '{self.path}' would write over '{weights}', which it is to begin with. Give "
                "another --out"
            )

    @property
    def begun(self) -> bool:
        """Whether this session has made it the folder of a new run."""
        return self._begun

    @property
    def has_epochs(self) -> bool:
        """Whether something has been trained here, for a whole epoch at least."""
        return (self.path / LAST).exists()

    def begin(self, recipe: Recipe, data: str, *, resume: bool, **facts: Any) -> None:
        """Make it the folder of a new run: weights of an earlier one go, ``recipe.json`` comes.

        Args:
            recipe: of the run.
            data: its :func:`fingerprint`.
            resume: keep the log, and the tracker's name, of a run that was stopped in its first epoch.
            facts: more for ``recipe.json``.
        """
        for name in (LAST, BEST, METRICS, STEPS, CARD, *(() if resume else (LOG, TRACKER_ID))):
            (self.path / name).unlink(missing_ok=True)
        settings = recipe.model_dump(mode="json")
        self._begun = True
        made = {"data": data, "recipe": settings, "versions": _versions()}
        write_json(self.path / RECIPE, made | facts)

    def abandon(self) -> None:
        """Leave nothing of a run that was refused before its first epoch was whole; frames are kept."""
        if self._begun and not self.has_epochs:
            for name in (RECIPE, BEST, METRICS, STEPS, CARD, LOG, TRACKER_ID):
                (self.path / name).unlink(missing_ok=True)

    def record(self, **facts: Any) -> None:
        """Add facts to ``recipe.json``."""
        write_json(self.path / RECIPE, read_facts(self.path) | facts)

    def write_metrics(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Write ``metrics.csv``: a row an epoch."""
        names = ["epoch", *sorted({name for line in history for name in line} - {"epoch"})]
        write_text(
            self.path / METRICS, _csv(names, [[line.get(n) for n in names] for line in history])
        )

    def write_steps(self, epoch: int, rows: Sequence[tuple[int, int, float, float]]) -> None:
        """Write ``steps.csv`` anew: what it has of earlier epochs, and the updates of this one.

        Args:
            epoch: zero-based.
            rows: update, epoch, learning rate, loss.
        """
        path = self.path / STEPS
        earlier: list[Sequence[Any]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                earlier = [row for row in list(csv.reader(file))[1:] if int(row[1]) < epoch]
        write_text(path, _csv(("update", "epoch", "learning_rate", "loss"), [*earlier, *rows]))

    def write_card(self, parameters: int, state: Mapping[str, Any]) -> None:
        """Write ``MODEL_CARD.md``."""
        write_text(self.path / CARD, _card(read_facts(self.path), parameters, state))

    def tell(self, text: str) -> None:
        """Add a line to ``train.log``."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {plain(text)}\n")


def read_recipe(run_dir: Path) -> Recipe:
    """Read back the recipe of a run.

    Raises:
        NotFoundError: ``run_dir`` holds no run.
        ConfigError: its ``recipe.json`` is damaged.
    """
    return Recipe.model_validate(read_facts(run_dir)["recipe"])


def fingerprint(samples: Sequence[Sample], root: Path) -> str:
    """A hash of who is trained on, with which labels, from which videos.

    Of a video its size and, as the dataset's manifest states it, its SHA-256; where that says nothing, a hash
    of its first and last bytes, which hold its seal.

    Raises:
        BadInputError: a damaged manifest.
    """
    stated = stated_hashes(root)
    rows = [(s.subject_id, s.levels, *_told(s.video, stated)) for s in samples]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def begun_with(facts: Mapping[str, Any], recipe: Recipe) -> Mapping[str, Any] | None:
    """What is known of the file of ``model.weights`` with which a run, or its lessons, began."""
    begun: Mapping[str, Any] | None = facts.get(
        LESSONS_START if recipe.transcripts.epochs else "weights"
    )
    return begun


def _same_start(facts: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether the recipe's file of weights, wherever it lies now, is that which the run began with."""
    begun, file = begun_with(facts, recipe), recipe.model.weights
    path = Path(file).expanduser() if file else None
    return bool(begun and path and path.is_file() and sha256(path) == begun["sha256"])


def _told(video: Path, stated: Mapping[Path, str]) -> tuple[int, str] | tuple[()]:
    """What tells a video from others."""
    if not video.is_file():
        return ()
    known = stated.get(video.resolve())
    return (video.stat().st_size, known) if known else ends_hash(video, ENDS)


def read_facts(run_dir: Path) -> dict[str, Any]:
    """What ``recipe.json`` holds: the recipe, the hash of the data, versions, and how frames were read.

    Raises:
        NotFoundError: ``run_dir`` holds no run.
        ConfigError: its ``recipe.json`` is damaged.
    """
    path = run_dir / RECIPE
    if not path.is_file():
        raise NotFoundError(f"there is no run at '{run_dir}'. Make one with 'openbasket train'")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        Recipe.model_validate(content["recipe"])
        content["data"], content.setdefault("versions", {}).items()
        for start in ("weights", LESSONS_START):
            (content.get(start) or {}).items()
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise ConfigError(f"'{path}' is damaged ({error}); give another folder") from None
    return content


def differences(
    old: dict[str, Any], new: dict[str, Any], prefix: str = "", free: Sequence[str] = FREE
) -> list[str]:
    """What two recipes differ in, in words; settings in ``free`` do not count.

    Args:
        old: the recipe of before, as plain data.
        new: the other.
        prefix: of the settings' names.
        free: names of settings or sections that may differ.
    """
    changed: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        if f"{prefix}{key}" in free:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            changed += differences(a, b, f"{prefix}{key}.", free)
        elif a != b:
            changed.append(f"{prefix}{key} was {a!r}, is {b!r}")
    return changed


def _versions() -> dict[str, str]:
    found = {"openbasket": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _holds(folder: Path, names: Sequence[str]) -> bool:
    return any((folder / name).exists() for name in names)


def _csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()


def _card(run: Mapping[str, Any], parameters: int, state: Mapping[str, Any]) -> str:
    recipe = Recipe.model_validate(run["recipe"])
    data, reading = recipe.data, run.get("reading", {})
    best = next(line for line in state["history"] if line["epoch"] == state["best_epoch"])
    start = run.get("weights")
    begun = (
        f"the weights of `{start['file']}` (SHA-256 `{start['sha256']}`)"
        if start
        else "fresh weights"
    )
    if lessons := run.get(LESSONS_START):
        begun += (
            f", which learned from transcripts, begun from those of `{lessons['file']}` "
            f"(SHA-256 `{lessons['sha256']}`)"
        )
    if recipe.model.frozen:
        begun += "; the heads alone have learned"
    kept = (
        f"moving average of the weights (decay {recipe.train.ema})"
        if recipe.train.ema
        else "weights"
    )
    rows = "\n".join(
        f"| {name} | {value:.4g} |" if isinstance(value, float) else f"| {name} | {value} |"
        for name, value in sorted(best.items())
    )
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    error = reading.get("largest_error_s", 0.0)
    names = ", ".join(name for names in data.conditions.values() for name in names)
    known = f"- Beside the frames: whether a reel is of {names}.\n" if names else ""
    named = (
        recipe.name if recipe.name == recipe.model.name else f"{recipe.name}: {recipe.model.name}"
    )
    summary = (recipe.summary or "A video model with twenty skill heads").rstrip(".")
    return f"""# {named}

{summary}. Trained with openbasket.

## What it is

- Model `{recipe.model.name}`, {parameters:,} weights, begun from {begun}.
- Input: {data.frames} frames of {data.size} x {data.size} pixels, sampled `{data.sampling}`, read
  `{data.reader}` (at most {error:.3f} s from the wanted moment). Output: 20 skills in {data.levels} levels.
{known}- `{BEST}` holds the {kept} of epoch {state["best_epoch"]} (counted from 0), that of the lowest
  validation loss; {state["epochs"]} of {recipe.train.epochs} epochs are done. `{LAST}` holds what it takes to
  go on.

## Data

{run.get("train_samples", "?")} subjects to learn from, {run.get("val_samples", "?")} to validate.
SHA-256 of subjects, labels, videos and what else it learned from: `{run["data"]}`.

## Results on the validation split

| Metric | Value |
| --- | --- |
{rows}

Losses are in nats, means over the skills with labels. The epoch was chosen by this split: for results,
use the test splits (`openbasket predict`, `openbasket evaluate`).

## Intended use and limits

For research on the estimation of skill from video. A level is relative to one league and season, and no
statement about a person's worth. Predictions for other leagues, seasons, cameras or ways to cut reels are
less certain, and not for decisions about people without human judgement. Labels that are not known were
left out of the loss.

## Made with

{versions}. The whole recipe is in `{RECIPE}`.
"""
