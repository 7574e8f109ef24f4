"""Table 4: what frames, their spacing, the amount of data and the choice of clips do to accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from openbasket.dataset.reader import dataset_levels, read_split
from openbasket.errors import BadInputError, Problem
from openbasket.evaluation import Comparison, Evaluation, Score
from openbasket.evaluation.ceiling_shares import Ceilings
from openbasket.evaluation.comparisons import holm
from openbasket.evaluation.formats import Cell, Table, latex_text, p_text, shown, text
from openbasket.evaluation.games import Sharing, read_game_shares
from openbasket.evaluation.intervals import cluster_weights, interval_of_means
from openbasket.evaluation.metrics import GROUPS, accuracy_cells, group_means
from openbasket.evaluation.observable import read_observer
from openbasket.evaluation.predictions import read_predictions, to_array
from openbasket.evaluation.results import Corrected
from openbasket.evaluation.scoring import label_array
from openbasket.wording import counted
from openbasket.workspace import Workspace

__all__ = [
    "STUDIES",
    "Difference",
    "Draws",
    "Line",
    "latex",
    "lines_of",
    "over_draws",
    "read_table4",
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
#: The run of the recipe itself, with which the lines of a study are compared where it is one of them.
BASE = "base"
#: Study -> first cell of the line that has the setting of the paper's Table 2.
PAPER = {"frames": "64", "interval": "Uniform", "data": "Full", "draws": "0"}
MEAN = [name for name, _ in GROUPS].index("mean")


@dataclass(frozen=True)
class Difference(Corrected):
    """Mean accuracy of a line less that of its study's reference, on the same subjects.

    Args:
        reference: run of the reference, which is chosen before any result: the recipe itself, else the
            line of the paper's setting, else the first of the study.
        value: in shares of one.
        low, high: 95 % interval over persons (and games, where they are known); ``None`` with few persons.
        p: of a paired sign-flip test over persons.
        p_holm: the same, corrected for all lines of the table (Holm).
    """

    reference: str
    value: float
    low: float | None
    high: float | None
    p: float
    p_holm: float


@dataclass(frozen=True)
class Line:
    """One line of a study.

    Args:
        study: one of :data:`STUDIES`.
        cells: what stands before the accuracy, such as ``("32", "8")``.
        run: name of the run.
        score: its accuracy, mean of 20 skills; ``None`` where it has not been run or failed.
        error: what went wrong, if anything.
        observable: its share of what could be seen; ``None`` where no ceiling was measured.
        difference: from the reference of its study; ``None`` of the reference itself, and without a score.
    """

    study: str
    cells: tuple[str, ...]
    run: str
    score: Score | None = None
    error: str | None = None
    observable: Score | None = None
    difference: Difference | None = None


@dataclass(frozen=True)
class Draws:
    """Accuracy over several draws of the clips.

    Args:
        draws: how many.
        mean: over the draws; its interval draws persons, the same ones in all draws, and is widened by the
            games that the clips of all draws share.
        variance: of the draws' accuracies in percent (divided by draws - 1), as the paper gives it; ``None``
            of one draw.
        observable: the mean's share of what could be seen; ``None`` where no ceiling was measured.
    """

    draws: int
    mean: Score
    variance: float | None
    observable: Score | None = None


def lines_of(
    planned: Sequence[Line], evaluation: Evaluation | None, split: str = "test"
) -> list[Line]:
    """Put the scores into lines: those of the runs that were evaluated, on one split; and compare them."""
    if evaluation is None:
        return [replace(line, score=None, observable=None, difference=None) for line in planned]
    found = {r.run: r for r in evaluation.whole(split)}
    lines = []
    for line in planned:
        result = found.get(line.run)
        score = None if result is None else result.scores["accuracy"]["mean"]
        part = None if result is None else result.observable.get("mean")
        lines.append(replace(line, score=score, observable=part, difference=None))
    reference = _references(lines)
    pairs = {frozenset((c.one, c.other)): c for c in evaluation.comparisons if c.split == split}
    wanted = {
        (line.run, other): pairs[frozenset((line.run, other))]
        for line in lines
        if frozenset((line.run, other := reference[line.study])) in pairs
    }
    corrected = holm(np.array([c.p for c in wanted.values()]))
    differences = {
        (run, other): _difference(c, run, other, float(p))
        for ((run, other), c), p in zip(wanted.items(), corrected, strict=True)
    }
    return [
        replace(line, difference=differences.get((line.run, reference[line.study])))
        for line in lines
    ]


def _references(lines: Sequence[Line]) -> dict[str, str]:
    """Study -> the run that its lines are compared with.

    Results have no say in it: the best of some lines is best by luck, too, and would seem to differ from the
    others more often than it does.
    """
    chosen: dict[str, tuple[bool, bool, str]] = {}
    for line in lines:
        one = (line.run == BASE, line.cells[0] == PAPER[line.study], line.run)
        if line.study not in chosen or one[:2] > chosen[line.study][:2]:
            chosen[line.study] = one
    return {study: run for study, (*_, run) in chosen.items()}


def _difference(found: Comparison, run: str, reference: str, p_holm: float) -> Difference:
    value, low, high = found.difference, found.low, found.high
    if found.one != run:
        value, low, high = -value, *(None if end is None else -end for end in (high, low))
    return Difference(reference, value, low, high, found.p, p_holm)


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
    persons = [s.player_id for s in samples]
    workspace = Workspace(root)
    shares = read_game_shares(workspace, subjects, draws=None)
    low, high = interval_of_means(
        together,
        persons,
        cluster_weights(persons, resamples),
        None if shares is None else Sharing(shares, persons),
    )
    unanswered = sum(int((np.isnan(a[..., 0]) & ~np.isnan(labels)).sum()) for a in arrays)
    ends = [None if np.isnan(end[MEAN]) else float(end[MEAN]) for end in (low, high)]
    labelled = int((~np.isnan(labels)).sum())
    value = float(np.mean(accuracies)) / 100
    mean = Score(
        None if np.isnan(value) else value, ends[0], ends[1], labelled, labels.size, unanswered
    )
    variance = float(np.var(accuracies, ddof=1)) if len(accuracies) > 1 else None
    observer = read_observer(workspace, {split: samples}, levels)
    observable = None
    if split in observer.right:
        ceilings = Ceilings(
            observer.right[split], labels, persons,
            games=shares, chance=1 / levels, resamples=resamples,
        )  # fmt: skip
        observable = ceilings.shares(together).get("mean")
    return Draws(len(files), mean, variance, observable)


def table4(lines: Sequence[Line], draws: Draws | None = None) -> list[Table]:
    """Table 4 in the paper's layout: one table for each study that has lines, with tests between them."""
    tests = len({(d.reference, line.run) for line in lines if (d := line.difference)})
    references = _references(lines)
    tables: list[Table] = []
    for study, (title, columns) in STUDIES.items():
        mine = [line for line in lines if line.study == study]
        if not mine:
            continue
        reference = next(line for line in mine if line.run == references[study])
        rows: list[list[Cell]] = [
            [*line.cells, _told(line), *_test(line, reference)] for line in mine
        ]
        if study == "draws" and draws is not None:
            variance = "" if draws.variance is None else f", variance {draws.variance:.2f}"
            rows.append([f"mean of {draws.draws}", f"{shown(draws.mean)}{variance}", "", "", ""])
        names = [*columns, "Test Acc. (%)", "Difference (points)", "p corrected", "Verdict"]
        if any(line.observable for line in lines):
            names.append("Of observable (%)")
            shares: list[Cell] = [line.observable or "-" for line in mine]
            if len(rows) > len(mine):
                shares.append(
                    "-" if draws is None or draws.observable is None else draws.observable
                )
            rows = [[*row, part] for row, part in zip(rows, shares, strict=True)]
        footer = (
            f"Difference from the line marked as reference, which was chosen before any result; paired "
            f"tests over persons, corrected for {counted(tests, 'comparison')} of all studies (Holm)."
        )
        if not any(line.difference for line in mine):
            footer = ""
        if reference.score is None and any(line.score for line in mine):
            footer = (
                f"Not compared: the reference, {columns[0]} {reference.cells[0]}, has no result."
            )
        tables.append(Table(title, names, rows, f"table4-{study}", footer, len(columns)))
    return tables


def _test(line: Line, reference: Line) -> list[Cell]:
    """Difference, p value and verdict of a line."""
    d = line.difference
    if d is None:
        return ["", "", "reference" if line is reference and line.score else ""]
    told = shown(Score(d.value, d.low, d.high, 0, 0))
    return [told, p_text(d.p_holm), "noise" if d.is_noise else "differs"]


def to_json(lines: Sequence[Line], draws: Draws | None) -> dict[str, Any]:
    """Table 4 as plain data."""
    return {
        "lines": [asdict(line) for line in lines],
        "draws": None if draws is None else asdict(draws),
    }


class _Table4(BaseModel):
    lines: list[Line]
    draws: Draws | None
    notes: list[str] = []


def read_table4(path: Path) -> tuple[list[Line], Draws | None, list[str]]:
    """Lines, draws and notes of the ``table4.json`` that 'openbasket ablate' wrote.

    Raises:
        BadInputError: a file that cannot be read, or is something else.
    """
    try:
        found = _Table4.model_validate_json(path.read_bytes())
        unknown = sorted({line.study for line in found.lines} - set(STUDIES))
        given = f"study {unknown[0][:40]!r}" if unknown else ""
    except OSError as error:
        given = str(error.strerror)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        given = f"a damaged file ({f'{place}: ' if place else ''}{fault['msg'][:120]})"
    if given:
        hint = "Make it again with 'openbasket ablate', or move it away."
        raise BadInputError([Problem(str(path), None, None, given, "a Table 4")], hint) from None
    return found.lines, found.draws, found.notes


def latex(tables: Sequence[Table], caption: str) -> str:
    r"""Tables, two side by side, in one LaTeX ``table*``, with ``\toprule`` and the like of booktabs.

    Needs the packages ``booktabs`` and ``graphicx``, which shrinks wide ones.
    """
    width = 0.98 / min(2, len(tables))
    parts = ["\\begin{table*}", "\\centering\\small"]
    for number, (title, columns, rows, *_) in enumerate(tables):
        parts += ["\\par\\medskip"] if number and number % 2 == 0 else []
        parts += [
            f"\\begin{{minipage}}[t]{{{width:.2f}\\textwidth}}\\centering",
            f"\\sbox0{{\\begin{{tabular}}{{{'c' * len(columns)}}}\\toprule",
            " & ".join(map(latex_text, columns)) + " \\\\ \\midrule",
            *(" & ".join(latex_text(text(cell)) for cell in row) + " \\\\" for row in rows),
            "\\bottomrule\\end{tabular}}",
            "\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\usebox0}\\else\\usebox0\\fi",
            f"\\\\[2pt] {latex_text(title)}",
            "\\end{minipage}\\hfill",
        ]
    parts += [f"\\caption{{{latex_text(caption)}}}", "\\end{table*}"]
    footers = " ".join(dict.fromkeys(table.footer for table in tables if table.footer))
    if footers:
        parts[-2] = f"\\caption{{{latex_text(f'{caption} {footers}')}}}"
    return "\n".join(parts) + "\n"


def _told(line: Line) -> str:
    if line.error:
        return f"failed: {line.error.replace('|', '/')}"
    return "not run yet" if line.score is None else shown(line.score)
