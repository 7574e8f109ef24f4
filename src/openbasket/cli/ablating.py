"""The studies of Table 4: which recipes they are, and running them with the benchmark's machinery."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbasket.cli.benchmarking import run_recipe
from openbasket.errors import ConfigError, NotFoundError, UnknownNameError
from openbasket.evaluation import ablations
from openbasket.evaluation.ablations import STUDIES, Draws, Line
from openbasket.workspace import Workspace, write_json, write_text

if TYPE_CHECKING:
    from openbasket.evaluation.formats import Table
    from openbasket.training.config import Recipe

__all__ = ["Ablation", "folder_of", "run_study", "show"]

#: The paper's values of each study.
VALUES: dict[str, tuple[str, ...]] = {
    "frames": ("16", "32", "64", "128"),
    "interval": ("32", "64", "128", "uniform"),
    "data": ("25", "50", "75", "100"),
    "draws": ("0", "1", "2", "3", "4"),
}
#: Interval times test views of the paper's lines: 32 x 8, 64 x 4, 128 x 2.
COVER = 256
PLAN = "ablation.json"


@dataclass(frozen=True)
class Ablation:
    """Table 4 of one recipe.

    Args:
        recipe: its name.
        lines: of all studies begun.
        draws: mean and variance over the draws, where any was run.
        tables: for people.
        notes: what a reader must know.
    """

    recipe: str
    lines: list[Line]
    draws: Draws | None
    tables: list[Table]
    notes: list[str]

    @property
    def failed(self) -> bool:
        """Whether a line has an error."""
        return any(line.error for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        """The table as plain data."""
        told = ablations.to_json(self.lines, self.draws)
        return {"recipe": self.recipe, **told, "notes": self.notes}


def folder_of(root: Path) -> Path:
    """Where the runs of a dataset's studies lie by default."""
    return root / "openbasket" / "ablations"


def run_study(
    study: str,
    root: Path,
    out: Path,
    *,
    recipe: str = "videomamba",
    values: Sequence[str] = (),
    overrides: Sequence[str] = (),
    split: str = "test",
    workers: int | None = None,
    allow_crossing: bool = False,
    quiet: bool = False,
) -> Ablation:
    """Train, predict and score one recipe with each value of a study.

    What was done before is not done again. A line that equals the recipe itself is the run ``base``, which
    all studies share. The files of the table are written anew after each line. Draws of the reels that are
    not there are made as draw 0 was.

    Args:
        study: one of :data:`openbasket.evaluation.ablations.STUDIES`.
        root: a dataset in the official layout.
        out: folder of runs and tables; a recipe has its own in it.
        recipe: name or path.
        values: of the study; the paper's by default.
        overrides: settings of all lines.
        split: whose accuracy is told.
        workers: processes that decode videos.
        allow_crossing: see :func:`openbasket.evaluation.evaluate`.
        quiet: show no progress.

    Raises:
        UnknownNameError: no such study.
        BadInputError: a person crosses splits.
        ConfigError: a value or setting that is not allowed.
        NotFoundError: the dataset has no such split, or reels of a draw are missing and cannot be made.
    """
    from openbasket.dataset.reader import read_split
    from openbasket.evaluation.runs import crossing_notes
    from openbasket.training.config import load_recipe

    if study not in STUDIES:
        raise UnknownNameError("study", study, tuple(STUDIES))
    base = load_recipe(recipe, overrides)
    planned: list[tuple[Line, Recipe]] = []
    for value in values or VALUES[study]:
        cells, own = _settings(study, value)
        changed = load_recipe(recipe, [*overrides, *own])
        name = "base" if changed == base else f"{study}-{value}"
        planned.append((Line(study, cells, name), changed))
    read_split(root, split, levels=base.data.levels, require_videos=False)
    crossing_notes(root, allow_crossing)
    for _, changed in planned:
        _make_draw(root, changed.data.draw, workers, quiet)
    folder = out / base.name
    settings = base.model_dump(mode="json")
    _refuse_other(folder, settings)
    lines = _merged(_plan(folder), [line for line, _ in planned])
    for line, changed in planned:
        row = run_recipe(line.run, changed, root, folder, [split], workers, quiet)
        lines = [
            Line(old.study, old.cells, old.run, None, row.error) if old.run == line.run else old
            for old in lines
        ]
        write_json(
            folder / PLAN,
            {
                "recipe": settings,
                "lines": [
                    {"study": k.study, "cells": k.cells, "run": k.run, "error": k.error}
                    for k in lines
                ],
            },
        )
        found = show(folder, root, split=split, allow_crossing=allow_crossing)
    return found


def show(
    folder: Path, root: Path, *, split: str = "test", allow_crossing: bool = False
) -> Ablation:
    """Make Table 4 of what was run in a recipe's folder; write it as Markdown, LaTeX and JSON.

    Raises:
        NotFoundError: nothing was run there.
        BadInputError: predictions that cannot be scored, or a person who crosses splits.
    """
    from openbasket.evaluation import evaluate
    from openbasket.evaluation.formats import markdown, markdown_text

    planned = _plan(folder)
    if not planned:
        raise NotFoundError(
            f"no study was run in '{folder}'. Run one with 'openbasket ablate {root} --study frames'"
        )
    files = {
        line.run: folder / f"{line.run}.parquet"
        for line in planned
        if line.error is None and (folder / f"{line.run}.parquet").exists()
    }
    evaluation = None
    if files:
        evaluation = evaluate(
            list(files.values()), root, splits=[split], breakdowns=False,
            allow_crossing=allow_crossing,
        )  # fmt: skip
    lines = ablations.lines_of(planned, evaluation, split)
    of_draws = {k.run: files[k.run] for k in lines if k.study == "draws" and k.run in files}
    draws = ablations.over_draws(of_draws, root, split) if of_draws else None
    tables = ablations.table4(lines, draws)
    notes = [] if evaluation is None else evaluation.notes
    found = Ablation(folder.name, lines, draws, tables, notes)
    caption = (
        f"Ablations of {folder.name} on {split}: top-1 accuracy, mean of 20 skills, in percent, "
        f"with 95 % intervals over {'persons' if evaluation is None else evaluation.clusters}."
    )
    told = "".join(f"Note: {markdown_text(note)}.\n\n" for note in notes)
    write_text(folder / "table4.md", f"{caption}\n\n{markdown(tables)}\n{told}".rstrip() + "\n")
    write_text(folder / "table4.tex", ablations.latex(tables, caption))
    write_json(folder / "table4.json", found.to_json())
    return found


def _settings(study: str, value: str) -> tuple[tuple[str, ...], list[str]]:
    """What stands in the line of a value, and the settings that make it.

    Raises:
        ConfigError: a value that the study cannot have.
    """
    uniform = ["data.sampling=uniform", "test.temporal_views=1"]
    if study == "interval" and value == "uniform":
        return ("Uniform", "1"), uniform
    number = int(value) if value.isascii() and value.isdigit() else -1
    low, high = {
        "frames": (1, 4096), "interval": (1, 10_000), "data": (1, 100), "draws": (0, 99),
    }[study]  # fmt: skip
    if not low <= number <= high:
        also = ", or uniform" if study == "interval" else ""
        raise ConfigError(
            f"value of study '{study}': got '{value}'; allowed: whole numbers from {low} to {high}{also}"
        )
    if study == "frames":
        return (value,), [f"data.frames={number}", *uniform]
    if study == "interval":
        views = min(64, max(1, COVER // number))
        return (value, str(views)), [
            "data.sampling=interval", f"data.interval={number}", f"test.temporal_views={views}",
        ]  # fmt: skip
    if study == "data":
        return ("Full" if number == 100 else value,), [f"train.fraction={number / 100}"]
    return (value,), [f"data.draw={number}"]


def _plan(folder: Path) -> list[Line]:
    path = folder / PLAN
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["lines"]
        return [Line(r["study"], tuple(r["cells"]), r["run"], None, r["error"]) for r in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"'{path}' is damaged ({error}); give another folder") from None


def _refuse_other(folder: Path, settings: dict[str, Any]) -> None:
    """Refuse to mix lines of other settings into a table.

    Raises:
        ConfigError: the folder holds studies of another recipe.
    """
    from openbasket.training.config import Recipe
    from openbasket.training.run import differences

    if not _plan(folder):
        return
    found = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    try:
        before = Recipe.model_validate(found["recipe"]).model_dump(mode="json")
    except (KeyError, ValueError) as error:
        raise ConfigError(f"'{folder / PLAN}' is damaged ({error}); give another folder") from None
    free = ("name", "summary", "log", "train.loader_workers")
    if changed := differences(before, settings, free=free):
        raise ConfigError(
            f"'{folder}' holds studies with other settings: {'; '.join(changed)}. Give the same ones, or "
            "another folder (--out)"
        )


def _merged(old: Sequence[Line], new: Sequence[Line]) -> list[Line]:
    """All lines once, in the order of studies and values."""
    lines = {(line.study, line.cells): line for line in [*old, *new]}

    def place(line: Line) -> tuple[int, float]:
        number = float(line.cells[0]) if line.cells[0].isdigit() else float("inf")
        return list(STUDIES).index(line.study), number

    return sorted(lines.values(), key=place)


def _make_draw(root: Path, draw: int, workers: int | None, quiet: bool) -> None:
    """Make the reels of a draw, as those of draw 0 were, unless all are there.

    Raises:
        NotFoundError: the dataset does not say how draw 0 was made.
    """
    from openbasket.dataset.reader import read_splits
    from openbasket.engine import Engine
    from openbasket.reels import ClipSettings, ReelSettings, build

    if draw == 0 or all(
        sample.video.is_file() for _, part in read_splits(root, draw=draw) for sample in part
    ):
        return
    made = root / "openbasket" / "reels_draw0.json"
    if not made.exists():
        raise NotFoundError(
            f"the dataset at '{root}' lacks reels of draw {draw}. Make them with "
            f"'openbasket reels {root} --draw {draw}'; the study of draws needs a workspace with game videos"
        )
    settings = json.loads(made.read_text(encoding="utf-8"))
    clip = ClipSettings(**settings.pop("clip"))
    again = ReelSettings(**(settings | {"draw": draw}), clip=clip)
    build(Workspace(root), again, engine=Engine("local", None, workers), quiet=quiet)
