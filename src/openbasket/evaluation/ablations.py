"""Table 4: what frames, their spacing, the amount of data and the choice of clips do to accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openbasket.dataset.reader import dataset_levels, read_split
from openbasket.evaluation import Evaluation, Score
from openbasket.evaluation.formats import Cell, Table, latex_text, shown, text
from openbasket.evaluation.intervals import bootstrap, cluster_weights
from openbasket.evaluation.metrics import GROUPS, accuracy_cells, group_means
from openbasket.evaluation.predictions import read_predictions, to_array
from openbasket.evaluation.scoring import label_array

__all__ = [
    "STUDIES",
    "Draws",
    "Line",
    "from_json",
    "latex",
    "lines_of",
    "over_draws",
    "table4",
    "to_json",
]

#: Study -> the letter and title it has in the paper, and its columns before the accuracy.
STUDIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "frames": ("(a) Number of frames", ("Num. Frames",)),
    "interval": ("(b) Sampling rate", ("Sampling Rate", "Test Views")),
    "data": ("(c) Data fraction", ("Data Fraction (%)",)),
    "draws": ("(d) Clips drawn anew", ("Draw",)),
}
MEAN = [name for name, _ in GROUPS].index("mean")


@dataclass(frozen=True)
class Line:
    """One line of a study.

    Args:
        study: one of :data:`STUDIES`.
        cells: what stands before the accuracy, such as ``("32", "8")``.
        run: name of the run.
        score: its accuracy, mean of 20 skills; ``None`` where it has not been run or failed.
        error: what went wrong, if anything.
    """

    study: str
    cells: tuple[str, ...]
    run: str
    score: Score | None = None
    error: str | None = None


@dataclass(frozen=True)
class Draws:
    """Accuracy over several draws of the clips.

    Args:
        draws: how many.
        mean: over the draws; its interval draws persons, the same ones in all draws.
        variance: of the draws' accuracies in percent (divided by draws - 1), as the paper gives it; ``None``
            of one draw.
    """

    draws: int
    mean: Score
    variance: float | None


def lines_of(
    planned: Sequence[Line], evaluation: Evaluation | None, split: str = "test"
) -> list[Line]:
    """Put the scores into lines: those of the runs that were evaluated, on one split."""
    found: dict[str, Score] = {}
    if evaluation is not None:
        found = {
            r.run: r.scores["accuracy"]["mean"]
            for r in evaluation.results
            if r.split == split and not r.part
        }
    return [
        Line(line.study, line.cells, line.run, found.get(line.run), line.error) for line in planned
    ]


def over_draws(
    files: Mapping[str, Path], root: Path, split: str = "test", *, resamples: int = 2000
) -> Draws:
    """Mean and variance of the accuracies of runs that saw different draws of the same subjects' clips.

    Args:
        files: run -> its file of predictions; at least one.
        root: the dataset.
        split: whose subjects are scored.
        resamples: of the bootstrap.

    Raises:
        BadInputError: predictions that cannot be scored.
    """
    levels = dataset_levels(root)
    samples = read_split(root, split, levels=levels, require_videos=False)
    subjects = [s.subject_id for s in samples]
    labels = label_array(samples)
    arrays = [
        to_array(read_predictions(path).filter(run=run), subjects, levels)
        for run, path in files.items()
    ]
    cells = [accuracy_cells(array, labels) for array in arrays]
    accuracies = [100 * group_means(c)[0][MEAN] for c in cells]
    together = np.mean(cells, axis=0)
    low, high = bootstrap(together, cluster_weights([s.player_id for s in samples], resamples))
    unanswered = sum(int((np.isnan(a[..., 0]) & ~np.isnan(labels)).sum()) for a in arrays)
    ends = [None if np.isnan(end[MEAN]) else float(end[MEAN]) for end in (low, high)]
    labelled = int((~np.isnan(labels)).sum())
    value = float(np.mean(accuracies)) / 100
    mean = Score(
        None if np.isnan(value) else value, ends[0], ends[1], labelled, labels.size, unanswered
    )
    variance = float(np.var(accuracies, ddof=1)) if len(accuracies) > 1 else None
    return Draws(len(files), mean, variance)


def table4(lines: Sequence[Line], draws: Draws | None = None) -> list[Table]:
    """Table 4 in the paper's layout: one table for each study that has lines."""
    tables: list[Table] = []
    for study, (title, columns) in STUDIES.items():
        mine = [line for line in lines if line.study == study]
        if not mine:
            continue
        rows: list[list[Cell]] = [[*line.cells, _told(line)] for line in mine]
        if study == "draws" and draws is not None:
            variance = "" if draws.variance is None else f", variance {draws.variance:.2f}"
            rows.append([f"mean of {draws.draws}", f"{shown(draws.mean)}{variance}"])
        tables.append(Table(title, [*columns, "Test Acc. (%)"], rows, f"table4-{study}"))
    return tables


def to_json(lines: Sequence[Line], draws: Draws | None) -> dict[str, Any]:
    """Table 4 as plain data."""
    return {
        "lines": [asdict(line) for line in lines],
        "draws": None if draws is None else asdict(draws),
    }


def from_json(content: Mapping[str, Any]) -> tuple[list[Line], Draws | None]:
    """Table 4 from what :func:`to_json` made of it.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
    """

    def score(given: Mapping[str, Any] | None) -> Score | None:
        return None if given is None else Score(**given)

    lines = [
        Line(**{**line, "cells": tuple(line["cells"]), "score": score(line["score"])})
        for line in content["lines"]
    ]
    draws = content["draws"]
    return lines, None if draws is None else Draws(**{**draws, "mean": Score(**draws["mean"])})


def latex(tables: Sequence[Table], caption: str) -> str:
    r"""Tables side by side in one LaTeX ``table*``, with ``\toprule`` and the like of booktabs."""
    parts = ["\\begin{table*}", "\\centering\\small"]
    for title, columns, rows, *_ in tables:
        parts.append("\\begin{minipage}[t]{%.2f\\textwidth}\\centering" % (0.98 / len(tables)))
        parts.append(f"\\begin{{tabular}}{{{'c' * len(columns)}}}\\toprule")
        parts.append(" & ".join(map(latex_text, columns)) + " \\\\ \\midrule")
        parts += [" & ".join(latex_text(text(cell)) for cell in row) + " \\\\" for row in rows]
        parts += [
            "\\bottomrule\\end{tabular}",
            f"\\\\[2pt] {latex_text(title)}",
            "\\end{minipage}\\hfill",
        ]
    return "\n".join([*parts, f"\\caption{{{latex_text(caption)}}}", "\\end{table*}"]) + "\n"


def _told(line: Line) -> str:
    if line.error:
        return f"failed: {line.error.replace('|', '/')}"
    return "not run yet" if line.score is None else shown(line.score)
