"""The report as Markdown and as LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openbasket import __version__
from openbasket.evaluation.figures import standalone
from openbasket.evaluation.formats import Table, latex, latex_text, markdown, markdown_text
from openbasket.evaluation.study_rows import StudyResults
from openbasket.evaluation.tables import study_table
from openbasket.video.still import jpeg
from openbasket.workspace import atomic_path, write_text

__all__ = ["WRITERS", "Document"]

TITLE = "openbasket report"
SOURCE = "The method is that of BASKET (Pan, Zhang, Bertasius, CVPR 2025)."

FIGURE5 = "Accuracy of people and models in the human study (paper, Figure 5)."


@dataclass(frozen=True)
class Document:
    """What a report says.

    Args:
        facts: (name, number) of the dataset.
        missing: (what, command that makes it).
        statistics: tables of the dataset: title, columns, rows.
        results: of the runs, or ``None``.
        snapshots: reels with who, where and frames.
        study: results of a human study, or ``None``.
    """

    facts: Sequence[tuple[str, str]]
    missing: Sequence[tuple[str, str]]
    statistics: Sequence[dict[str, Any]]
    results: dict[str, Any] | None
    snapshots: Sequence[dict[str, Any]]
    study: StudyResults | None = None

    def dataset_tables(self) -> list[Table]:
        """The statistics as tables."""
        return [
            Table(
                t["title"],
                [str(c) for c in t["columns"]],
                [[str(c) for c in r] for r in t["rows"]],
                f"dataset{i}",
            )
            for i, t in enumerate(self.statistics, 1)
        ]

    def result_tables(self) -> list[Table]:
        """All tables of results; what the page draws as heat maps is here as tables."""
        found = self.results or {}
        kinds = ("tables", "skill_tables", "confusion_tables")
        return [table for kind in kinds for table in found.get(kind, ())]

    def about_results(self) -> list[str]:
        """Sentences before the tables of results."""
        if self.results is None:
            return ["There is nothing to score: the dataset has no test split yet."]
        found = self.results
        said = [
            "Top-1 accuracy, the mean of the skills (paper, section 5). Brackets are "
            f"{found['intervals']}; a fraction behind them is the share of cells that "
            f"have a label. Guessing scores {found['chance']}.",
            *found["verdicts"],
        ]
        if found["few"]:
            said.append(
                f"The split {found['split']} has {found['subjects']} player-seasons of {found['persons']} "
                f"persons. {found['few']}"
            )
        return [*said, *(f"Note: {note}." for note in found["notes"])]

    def about_plot(self) -> str:
        """Caption of the plot of skills."""
        found = self.results or {}
        return f"Accuracy of {found['run']} on {found['split']}, with 95 % intervals; the line is chance."


def write_markdown(content: Document, out: Path) -> Path:
    """Write the report as Markdown."""
    files = _files(out)
    parts = [f"# {TITLE}", ""]
    parts += [", ".join(f"{number} {name}" for name, number in content.facts), ""]
    for what, command in content.missing:
        parts += [f"Not there yet: {what} (`{command}`).", ""]
    parts += ["## Results", ""]
    for sentence in content.about_results():
        parts += [markdown_text(sentence), ""]
    if content.results is not None:
        write_text(files / "skills.svg", standalone(content.results["plot"]))
        parts += [f"![{markdown_text(content.about_plot())}]({files.name}/skills.svg)", ""]
        parts += [markdown(content.result_tables())]
    if content.study is not None:
        _draw(content.study, files)
        parts += ["## Human study", "", f"![{FIGURE5}]({files.name}/figure5.svg)", ""]
        parts += [markdown([study_table(content.study.rows())])]
    if content.snapshots:
        parts += ["## Snapshots", "", "Eight frames at even distances (paper, Figure 6).", ""]
        for row, name in zip(content.snapshots, _strips(content, files), strict=True):
            who = markdown_text(f"{row['who']}, {row['where']}")
            parts += [f"![{who}]({files.name}/{name})", "", who, ""]
    if content.statistics:
        parts += ["## Dataset", "", markdown(content.dataset_tables())]
    parts += [f"Made by openbasket {__version__}. {SOURCE}", ""]
    return write_text(out, "\n".join(parts))


def write_latex(content: Document, out: Path) -> Path:
    """Write the report as a LaTeX document that pdfLaTeX compiles with no package but ``graphicx``."""
    files = _files(out)
    parts = [
        r"\documentclass[10pt]{article}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage[T1]{fontenc}",
        r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}",
        r"\usepackage{graphicx}",
        r"\setlength{\oddsidemargin}{-10mm}\setlength{\textwidth}{180mm}",
        r"\setlength{\topmargin}{-15mm}\setlength{\textheight}{240mm}",
        rf"\title{{{TITLE}}}\date{{}}",
        r"\begin{document}",
        r"\maketitle",
        latex_text(", ".join(f"{number} {name}" for name, number in content.facts)),
        "",
    ]
    for what, command in content.missing:
        parts += [rf"Not there yet: {latex_text(what)} (\texttt{{{latex_text(command)}}}).", ""]
    parts += [r"\section{Results}"]
    for sentence in content.about_results():
        parts += [latex_text(sentence), ""]
    if content.results is not None:
        caption = latex_text(content.about_plot())
        parts += [
            r"\begin{figure}[htbp]\centering",
            _picture(content.results["plot_rows"], content.results["chance_share"]),
            rf"\caption{{{caption}}}\end{{figure}}",
            latex(content.result_tables()),
            r"\clearpage",
        ]
    if content.study is not None:
        _draw(content.study, files)
        image = rf"\includegraphics[width=0.7\linewidth]{{{files.name}/figure5.png}}"
        parts += [
            r"\section{Human study}",
            rf"\begin{{figure}}[htbp]\centering {image}\caption{{{FIGURE5}}}\end{{figure}}",
            latex([study_table(content.study.rows())]),
        ]
    if content.snapshots:
        parts += [r"\section{Snapshots}", "Eight frames at even distances (paper, Figure 6).", ""]
        for row, name in zip(content.snapshots, _strips(content, files), strict=True):
            image = rf"\includegraphics[width=\linewidth]{{{files.name}/{name}}}"
            who = latex_text(f"{row['who']}, {row['where']}")
            parts += [rf"\noindent {image}\\ {who}\par\medskip", ""]
    if content.statistics:
        parts += [r"\section{Dataset}", latex(content.dataset_tables())]
    parts += [f"Made by openbasket {__version__}. {SOURCE}", r"\end{document}", ""]
    return write_text(out, "\n".join(parts))


#: Ending -> writer of a document.
WRITERS: dict[str, Callable[[Document, Path], Path]] = {".md": write_markdown, ".tex": write_latex}


def _files(out: Path) -> Path:
    """Folder of a document's pictures; its name has nothing that LaTeX or Markdown would read."""
    stem = "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in out.stem)
    return out.with_name(f"{stem}-files")


def _draw(study: StudyResults, files: Path) -> None:
    from openbasket.evaluation.figure5 import draw  # matplotlib is slow to import

    draw(study, files)


def _strips(content: Document, files: Path) -> list[str]:
    """Write the snapshots of each reel side by side as JPEG; their names."""
    names = []
    for number, row in enumerate(content.snapshots, 1):
        names.append(f"reel{number}.jpg")
        with atomic_path(files / names[-1]) as temporary:
            temporary.write_bytes(jpeg(np.concatenate(list(row["frames"]), axis=1)))
    return names


def _picture(rows: Sequence[tuple[Any, ...]], chance: float) -> str:
    """Accuracies with intervals in LaTeX's own ``picture``, in millimetres."""
    left, width, line = 45.0, 110.0, 4.5
    height = line * len(rows)

    def x(share: float) -> str:
        return f"{left + width * share:.2f}"

    parts = [
        r"\setlength{\unitlength}{1mm}\small",
        rf"\begin{{picture}}({left + width + 5:.0f},{height + 8:.0f})",
        rf"\put({left:.2f},5){{\line(1,0){{{width:.2f}}}}}",
    ]
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(rf"\put({x(tick)},0){{\makebox(0,0)[b]{{\scriptsize {100 * tick:.0f}\%}}}}")
        parts.append(rf"\put({x(tick)},4){{\line(0,1){{1}}}}")
    parts.append(rf"\put({x(chance)},5){{\line(0,1){{{height:.2f}}}}}")
    for number, (name, value, low, high, kind) in enumerate(rows):
        y = f"{5 + height - line * (number + 0.6):.2f}"
        label = latex_text(name) if kind == "skill" else rf"\textbf{{{latex_text(name)}}}"
        parts.append(rf"\put({left - 3:.2f},{y}){{\makebox(0,0)[r]{{{label}}}}}")
        if value is None:
            continue
        if low is not None and high is not None and high > low:
            parts.append(rf"\put({x(low)},{y}){{\line(1,0){{{width * (high - low):.2f}}}}}")
        parts.append(rf"\put({x(value)},{y}){{\circle*{{1.4}}}}")
    return "\n".join([*parts, r"\end{picture}"])
