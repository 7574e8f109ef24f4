"""A suite of recipes on one dataset: each trained, predicted and scored; one table."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from openbasket import packaged
from openbasket.errors import ConfigError, OpenBasketError, UnknownNameError, suggest
from openbasket.models import MODELS, TEXT_MODELS
from openbasket.workspace import run_facts_path, write_json, write_text

__all__ = ["Row", "run_recipe", "run_suite", "suite_names", "table_of"]


@dataclass(frozen=True, slots=True)
class Suite:
    """What a suite runs.

    Args:
        runs: name -> recipe (a name, or a path) and settings; ``{out}`` in them is the folder of the suite.
        splits: to predict; all that are no training by default.
    """

    runs: Mapping[str, tuple[str, tuple[str, ...]]]
    splits: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One model of a suite, or a baseline.

    Args:
        name: of the run: that of the recipe, if the suite gives it no other.
        model: its model; ``baseline`` for baselines.
        parameters: number of weights; ``None`` for baselines and failures.
        frames: frames it sees.
        accuracy: split -> value, low, high, labels, cells and unanswered
            (:class:`openbasket.evaluation.Score`).
        seconds: training and prediction, of all sessions that came to an end.
        error: what went wrong, if anything.
        share: split -> share of what could be seen, as ``accuracy``; where a ceiling was measured.
    """

    name: str
    model: str
    parameters: int | None
    frames: int | None
    accuracy: dict[str, dict[str, Any]]
    seconds: float | None
    error: str | None = None
    share: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return asdict(self)


def suite_names() -> list[str]:
    """Names of the suites that come with openbasket, sorted."""
    return packaged.names("suites")


def table_of(suite: str, out: Path, kind: str) -> Path:
    """Where a suite's table lies: suites that share a folder have one each."""
    return out / f"{Path(suite).stem}.{kind}"


def run_suite(
    suite: str,
    data: Path,
    out: Path,
    *,
    wanted: str | None = None,
    overrides: Sequence[str] = (),
    workers: int | None = None,
    allow_crossing: bool = False,
    quiet: bool = False,
) -> list[Row]:
    """Train, predict and score each recipe of a suite; write the tables.

    ``out`` gets a folder and a predictions file a recipe, ``SUITE.md``, ``SUITE.json`` and
    ``SUITE.evaluation.json`` (what ``openbasket evaluate --json`` prints). They are written anew after each
    recipe; what was done before is not done again.

    Args:
        suite: a name in :func:`suite_names`, or the path of a TOML file.
        data: a dataset in the official layout.
        out: the folder.
        wanted: names of runs of the suite, with commas; all by default.
        overrides: settings for all recipes, after those of the suite.
        workers: processes that decode videos.
        allow_crossing: see :func:`openbasket.evaluation.evaluate`.
        quiet: show no progress.

    Returns:
        The baselines first, then the models in the suite's order; those that failed have an ``error``.

    Raises:
        ConfigError: no such suite, a fault in it or in one of its recipes.
        UnknownNameError: the suite has no such recipe.
        BadInputError: a person crosses splits.
    """
    from openbasket.evaluation.runs import crossing_notes
    from openbasket.training.config import load_recipe

    read = _read_suite(suite)
    asked = [name.strip() for name in wanted.split(",")] if wanted else list(read.runs)
    for name in asked:
        if name not in read.runs:
            raise UnknownNameError(f"recipe of suite '{suite}'", name, list(read.runs))
    recipes = {
        name: load_recipe(
            recipe, [s.replace("{out}", str(out.resolve())) for s in (*settings, *overrides)]
        )
        for name, (recipe, settings) in read.runs.items()
        if name in asked
    }
    splits = _test_splits(data)
    for split in read.splits or ():
        if split not in splits:
            raise UnknownNameError(f"split of suite '{suite}'", split, splits)
    splits = list(read.splits or splits)
    notes = crossing_notes(data, allow_crossing)
    found: dict[str, Row] = {}
    for name, recipe in recipes.items():
        found[name] = run_recipe(name, recipe, data, out, splits, workers, quiet)
        rows, told = _score(suite, found, data, out, splits, allow_crossing)
        _write(suite, rows, out, splits, told or notes)
    return rows


def run_recipe(
    name: str,
    recipe: Any,
    data: Path,
    out: Path,
    splits: Sequence[str],
    workers: int | None,
    quiet: bool,
) -> Row:
    """Train and predict one recipe, unless both were done, as ``out/name`` and ``out/name.parquet``.

    Returns:
        The row, without accuracies; with an ``error`` where something went wrong.
    """
    from openbasket.training.loop import train
    from openbasket.training.predict import predict

    begun = time.monotonic()
    run = out / name
    try:
        report = train(recipe, data, run, quiet=quiet, workers=workers)
        error = None
        predictions = out / f"{name}.parquet"
        if not _predicted(predictions, run, recipe, data, splits):
            done = predict(run, data, predictions, splits=splits, quiet=quiet, workers=workers)
            error = f"{len(done.failures)} videos failed" if done.failures else None
    except (OpenBasketError, RuntimeError, ImportError) as fault:  # the others go on
        return Row(
            name, recipe.model.name, None, recipe.data.frames, {}, None, str(fault).split("\n")[0]
        )
    clock = run / "seconds.json"
    seconds = round(time.monotonic() - begun, 1)
    if report.resumed_from < report.epochs or not clock.exists():
        before = float(clock.read_text()) if report.resumed_from and clock.exists() else 0.0
        seconds += before
        write_json(clock, seconds)
    else:
        seconds = float(clock.read_text())
    facts = json.loads(run_facts_path(predictions).read_text(encoding="utf-8"))
    frames = facts[run.resolve().name]["frames"]
    return Row(name, recipe.model.name, report.parameters, frames, {}, seconds, error)


def _predicted(path: Path, run: Path, recipe: Any, data: Path, splits: Sequence[str]) -> bool:
    """Whether predictions are of these weights, views, reader and labels, and of all subjects."""
    from openbasket.dataset.reader import labels_hash, read_split
    from openbasket.training.run import BEST
    from openbasket.workspace import Workspace, sha256

    try:
        facts = json.loads(run_facts_path(path).read_text(encoding="utf-8"))[run.resolve().name]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    levels, draw = recipe.data.levels, recipe.data.draw
    parts = {
        split: read_split(data, split, levels=levels, require_videos=False, draw=draw)
        for split in splits
    }
    made_with = {
        "labels": {split: labels_hash(part, levels) for split, part in parts.items()},
        "views": [recipe.test.temporal_views, recipe.test.spatial_views],
        "reader": recipe.data.reader,
        "weights": sha256(run / BEST),
    }
    if not path.exists() or made_with != {name: facts.get(name) for name in made_with}:
        return False
    wanted = {sample.subject_id for part in parts.values() for sample in part}
    return set(Workspace.read_file("predictions", path)["subject_id"]) == wanted


def _score(
    suite: str,
    found: dict[str, Row],
    data: Path,
    out: Path,
    splits: Sequence[str],
    allow_crossing: bool,
) -> tuple[list[Row], list[str]]:
    """The baselines, and the rows with their accuracies; and what a reader must know."""
    from openbasket.evaluation import evaluate
    from openbasket.evaluation.runs import BASELINE, BASELINES

    scored = [name for name, row in found.items() if row.error is None]
    if not scored:
        return list(found.values()), []
    files = [out / f"{name}.parquet" for name in scored]
    evaluation = evaluate(files, data, splits=splits, allow_crossing=allow_crossing)
    write_json(table_of(suite, out, "evaluation.json"), evaluation.to_json())

    def scored_row(row: Row) -> Row:
        called = (out / row.name).resolve().name  # a run may be a link
        whole = [r for r in evaluation.results if r.run == called and not r.part]
        return replace(
            row,
            accuracy={r.split: asdict(r.scores["accuracy"]["mean"]) for r in whole},
            share={r.split: asdict(r.observable["mean"]) for r in whole if "mean" in r.observable},
        )

    baselines = [Row(run, BASELINE, None, None, {}, None) for run in BASELINES]
    rows = [scored_row(row) for row in (*baselines, *found.values())]
    return rows, evaluation.notes


def _write(
    suite: str, rows: Sequence[Row], out: Path, splits: Sequence[str], notes: Sequence[str]
) -> None:
    from openbasket.evaluation import Score
    from openbasket.evaluation.formats import markdown, markdown_text, shown

    shares = [split for split in splits if any(split in row.share for row in rows)]
    told_of = [*splits, *(f"share of the ceiling, {split}" for split in shares)]
    columns = ["model", "weights", "frames", *told_of, "seconds"]
    cells = []
    for row in rows:
        scores = [row.accuracy.get(split) for split in splits]
        scores += [row.share.get(split) for split in shares]
        accuracies = ["" if score is None else shown(Score(**score)) for score in scores]
        if row.error:
            accuracies = [f"failed: {row.error.replace('|', '/')}", *[""] * (len(told_of) - 1)]
        weights = "" if row.parameters is None else f"{row.parameters / 1e6:.2f} M"
        seconds = "" if row.seconds is None else f"{row.seconds:.0f}"
        cells.append([row.name, weights, str(row.frames or ""), *accuracies, seconds])
    title = f"Suite {Path(suite).stem}: mean accuracy of 20 skills in percent, 95 % intervals"
    told = "".join(f"\nNote: {markdown_text(note)}.\n" for note in notes)
    write_text(table_of(suite, out, "md"), markdown([(title, columns, cells)]) + told)
    write_json(table_of(suite, out, "json"), [row.to_json() for row in rows])


def _test_splits(data: Path) -> list[str]:
    from openbasket.dataset.reader import test_splits

    found = test_splits(data)
    if not found:
        raise ConfigError(
            f"the dataset at '{data}' has no test split. Make it with 'openbasket build'"
        )
    return found


def _read_suite(suite: str) -> Suite:
    """Read a suite by its name, or the path of its file."""
    path = Path(suite)
    try:
        if suite.endswith(".toml"):
            text = path.read_text(encoding="utf-8")
        elif suite in suite_names():
            text = packaged.text("suites", suite)
        else:
            told = packaged.what_else(suite, "suite", {**MODELS, **TEXT_MODELS})
            raise ConfigError(
                f"unknown suite '{suite}'.{told or suggest(suite, suite_names())} Known: "
                f"{', '.join(suite_names())}; or give the path of a .toml file"
            )
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"suite '{suite}' cannot be read: {error}") from None
    try:
        return _suite(content, path.parent)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"suite '{suite}': {error}. Allowed are summary, splits, set (a list like ['train.epochs=3']), "
            "and recipes (a list of names or .toml paths) or [[runs]], each with recipe, name and set"
        ) from None


def _suite(content: dict[str, Any], folder: Path) -> Suite:
    """Check what a suite's file says.

    Raises:
        TypeError, ValueError: what is wrong.
    """

    def texts(value: Any, name: str) -> list[str]:
        if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise TypeError(f"{name} is no list of texts")
        return value

    unknown = content.keys() - {"summary", "recipes", "set", "splits", "runs"}
    if unknown:
        raise ValueError(f"unknown '{min(unknown)}'")
    common = texts(content.get("set", []), "set")
    rows = [{"recipe": name} for name in texts(content.get("recipes", []), "recipes")]
    rows += content.get("runs", [])
    runs: dict[str, tuple[str, tuple[str, ...]]] = {}
    for row in rows:
        known = isinstance(row, dict) and row.keys() <= {"recipe", "name", "set"}
        if not known or not isinstance(row.get("recipe"), str):
            raise TypeError("a run is a table that has a recipe, and may have a name and set")
        recipe = row["recipe"]
        name = str(row.get("name", Path(recipe).stem))
        if name in runs or not name or name.startswith(".") or "/" in name:
            raise ValueError(f"'{name}': names of runs are different, and names of folders")
        path = str(folder / recipe) if recipe.endswith(".toml") else recipe
        runs[name] = (path, (*common, *texts(row.get("set", []), "set")))
    if not runs:
        raise ValueError("it has no runs")
    splits = content.get("splits")
    return Suite(runs, None if splits is None else tuple(texts(splits, "splits")))
