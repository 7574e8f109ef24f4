"""Tables as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from openbasket.errors import UnknownNameError, plain
from openbasket.evaluation.results import Score

__all__ = [
    "FORMATS",
    "Cell",
    "Table",
    "csv_table",
    "defused",
    "latex",
    "latex_text",
    "markdown",
    "markdown_text",
    "p_text",
    "render",
    "shown",
    "text",
]

Cell = str | Score


class Table(NamedTuple):
    """A table.

    Args:
        title: what it is.
        columns: their names.
        rows: the cells; scores are shares of one.
        name: of its file.
        footer: what a reader must know of it, shown below.
        keys: how many of the first columns say what a row is of; where a table is continued they come again.
    """

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    name: str = "table"
    footer: str = ""
    keys: int = 1

    def texts(self) -> list[list[str]]:
        """The rows as text, as in a terminal."""
        return [[text(cell) for cell in row] for row in self.rows]

    def scored(self) -> bool:
        """Whether there are scores in it."""
        return any(isinstance(cell, Score) for row in self.rows for cell in row)


def shown(score: Score, scale: float = 100, digits: int = 1) -> str:
    """``31.2 [24.0, 39.1]`` in percent; with the coverage where not every cell has a label or an answer."""
    if score.value is None:
        return "no labels" if score.labels == 0 else "not defined"

    def number(value: float) -> str:
        return f"{round(scale * value, digits) + 0.0:.{digits}f}"  # no "-0.00"

    found = number(score.value)
    if score.low is not None and score.high is not None:
        found += f" [{number(score.low)}, {number(score.high)}]"
    if score.labels < score.cells:
        found += f" ({score.labels}/{score.cells})"
    if score.unanswered:
        found += f" ({score.unanswered} unanswered)"
    return found


def p_text(value: float) -> str:
    """A p value as text."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def text(cell: Cell) -> str:
    """A cell as text."""
    return cell if isinstance(cell, str) else shown(cell)


def markdown(tables: Sequence[Table] | Sequence[tuple[str, list[str], list[list[str]]]]) -> str:
    """Tables as Markdown."""
    parts = []
    for title, columns, rows, *rest in tables:
        parts += [
            f"**{markdown_text(title)}**",
            "",
            f"| {' | '.join(map(markdown_text, columns))} |",
        ]
        parts += ["|---|" + "---:|" * (len(columns) - 1)]
        parts += [
            f"| {' | '.join(markdown_text(text(cell)) for cell in row)} |" for row in rows
        ] + [""]
        if len(rest) > 1 and rest[1]:
            parts += [markdown_text(str(rest[1])), ""]
    return "\n".join(parts)


def markdown_text(given: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([|<>`*\\~&$]|\](?=[\[(:])|!(?=\[)|_(?=_)|(?<=_)_)", r"\\\1", plain(given))


def latex(tables: Sequence[Table]) -> str:
    r"""Tables as LaTeX ``table`` environments, with no package but ``graphicx``.

    Wide ones are shrunk to the width of the text; those of many columns become several.
    """
    parts = []
    for table in tables:
        for title, columns, rows, _, footer, _ in _narrow(table):
            parts += [
                r"\begin{table}[htbp]", r"\centering",
                rf"\textbf{{{latex_text(title)}}}\par\smallskip",
                r"\sbox0{\begin{tabular}{l" + "r" * (len(columns) - 1) + r"}", r"\hline",
                " & ".join(rf"\textbf{{{latex_text(c)}}}" for c in columns) + r" \\", r"\hline",
                *(" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in rows),
                r"\hline", r"\end{tabular}}",
                r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi",
                *([rf"\par\smallskip{{\footnotesize {latex_text(footer)}}}"] if footer else []),
                r"\end{table}", "",
            ]  # fmt: skip
    return "\n".join(parts)


#: A page holds so many columns that can be read; a wider table becomes several of fewer.
_WIDEST, _SHARE = 9, 5


def _narrow(table: Table) -> list[Table]:
    if len(table.columns) <= _WIDEST:
        return [table]
    parts = []
    keys = min(table.keys, len(table.columns) - 1)
    for begin in range(keys, len(table.columns), _SHARE):
        kept = slice(begin, begin + _SHARE)
        title = table.title if begin == keys else f"{table.title.split(':')[0]}, continued"
        rows = [[*row[:keys], *row[kept]] for row in table.rows]
        columns = [*table.columns[:keys], *table.columns[kept]]
        last = begin + _SHARE >= len(table.columns)
        parts.append(Table(title, columns, rows, table.name, table.footer if last else "", keys))
    return parts


def _latex_cell(cell: Cell) -> str:
    value, _, rest = text(cell).partition(" ")
    if isinstance(cell, str) or not rest:
        return latex_text(text(cell))
    return rf"{latex_text(value)} {{\scriptsize {latex_text(rest)}}}"


_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "{''}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "\u201c": "``", "\u201d": "''", "\u2013": "--", "\u2019": "'",
    "[": "{[}", "]": "{]}",
}  # fmt: skip


def latex_text(given: str) -> str:
    """Text in which nothing is a command; characters that pdfLaTeX's standard fonts lack become ``?``."""
    found = []
    for character in plain(given):
        known = _SPECIAL.get(character, character)
        simple = character in _SPECIAL or ord(character) < 0x180
        found.append(known if simple else "?")
    return "".join(found)


def csv_table(table: Table) -> str:
    """A table as CSV: of a score the value, both ends of its interval, labels and cells (in percent)."""
    scored = [
        any(isinstance(row[place], Score) for row in table.rows)
        for place in range(len(table.columns))
    ]
    header = []
    for name, numbers in zip(table.columns, scored, strict=True):
        header += [name, *(f"{name} {what}" for what in _PARTS)] if numbers else [name]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([defused(name) for name in header])
    for row in table.rows:
        cells: list[str] = []
        for cell, numbers in zip(row, scored, strict=True):
            told = text(cell)
            plain = told if _NUMBER.fullmatch(told) else defused(told)
            cells += _numbers(cell) if numbers else [plain]
        writer.writerow(cells)
    return out.getvalue()


_PARTS = ("low", "high", "labels", "cells", "unanswered")


def _numbers(cell: Cell) -> list[str]:
    if isinstance(cell, str):
        return [cell, *[""] * len(_PARTS)]
    shares = ["" if v is None else f"{100 * v:.4f}" for v in (cell.value, cell.low, cell.high)]
    return [*shares, str(cell.labels), str(cell.cells), str(cell.unanswered)]


#: A spreadsheet takes a cell that begins so for a formula: white space and marks without width, then one of
#: these signs (NFKC makes half width of full width).
_LEADS = re.compile("[\\s\u200b-\u200f\u2060-\u2064\ufeff\u00ad]*[=+\\-@|%\u2212]|[\\t\\r\\n]")
#: A number, as :func:`shown` writes it, or that there is none.
_NUMBER = re.compile(r"-?[\d.]+( \[.*\])?( \(.*\))?|-")


def defused(given: str) -> str:
    """Text that no spreadsheet takes for a formula: with an apostrophe in front where it would."""
    return f"'{given}" if _LEADS.match(unicodedata.normalize("NFKC", given)) else given


def csv_tables(tables: Sequence[Table]) -> str:
    """Tables as CSV: one alone as any program reads it, several each after a line with its title."""
    if len(tables) == 1:
        return csv_table(tables[0])
    return "\n".join(f"# {plain(table.title)}\n{csv_table(table)}" for table in tables)


#: Format -> (ending of a file, function over tables).
FORMATS = {
    "markdown": ("md", markdown),
    "latex": ("tex", latex),
    "csv": ("csv", csv_tables),
}


def render(tables: Sequence[Table], how: str) -> str:
    """Tables in one of :data:`FORMATS`.

    Raises:
        UnknownNameError: no such format.
    """
    if how not in FORMATS:
        raise UnknownNameError("format", how, tuple(FORMATS))
    return FORMATS[how][1](tables)
