"""Groups of players as tables: those of one run, and the warnings about all runs."""

from __future__ import annotations

from collections.abc import Sequence

from openbasket.evaluation import Score
from openbasket.evaluation.fairness import FEW, Fairness
from openbasket.evaluation.formats import Cell, Table, shown
from openbasket.wording import counted

__all__ = ["fairness_table", "warnings_table"]


def fairness_table(found: Fairness) -> Table:
    """Groups as a table; ``!`` stands before those with a warning."""
    columns = [
        "group", "subjects", "persons", "accuracy (%)", "bias", "bias within level", "p",
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    for group in (found.whole, *found.groups):
        tested = [p for p in (group.accuracy_p, group.bias_p) if p is not None]
        p = f"{min(tested):.2g}" if tested else ""
        if group.untested and not tested:
            p = "few persons" if group.untested[0].endswith(FEW) else "too few errors"
        name = f"{group.kind} {group.value}".strip()
        rows.append(
            [
                f"! {name}" if group.warning else name,
                str(group.subjects),
                str(group.persons),
                shown(group.accuracy),
                _levels(group.bias),
                _levels(group.bias_within),
                p,
            ]
        )
    title = (
        f"fairness of {found.run} on {found.split}: bias in levels, 95 % intervals over {found.clusters}; "
        "within level: difference from the whole at the same true levels; "
        f"p: least of the group, Holm-corrected over {counted(found.tests, 'test')}"
    )
    return Table(title, columns, rows, "fairness")


def warnings_table(found: Sequence[Fairness]) -> Table:
    """Groups with a warning, a line for each; and a line for each run without any."""
    rows: list[list[Cell]] = []
    for one in found:
        warned = [group for group in one.groups if group.warning]
        for group in warned:
            told: list[Cell] = []
            for within, p, scale, digits in (
                (group.accuracy_within, group.accuracy_p, 100, 1),
                (group.bias_within, group.bias_p, 1, 2),
            ):
                value = None if within is None else within.value
                told.append("" if value is None else f"{scale * value:+.{digits}f}")
                told.append("" if p is None else f"{p:.2g}")
            rows.append([one.run, f"! {group.kind} {group.value}", str(group.persons), *told])
        if not warned:
            told_none = f"none in {counted(one.tests, 'test')}"
            if not one.tests:
                why = {
                    reason.split(": ", 1)[1] for group in one.groups for reason in group.untested
                }
                told_none = ": ".join(["none was tested", *filter(None, [", ".join(sorted(why))])])
            rows.append([one.run, told_none, *[""] * 5])
    columns = [
        "Run", "Group", "Persons", "Accuracy, difference (points)", "p corrected",
        "Bias, difference (levels)", "p corrected",
    ]  # fmt: skip
    split = found[0].split if found else "test"
    title = f"Fairness of every run on {split}: groups with a warning"
    footer = (
        "Differences are from all players of the same true levels; p is corrected for all tests of a run "
        "(Holm)."
    )
    return Table(title, columns, rows, "fairness_warnings", footer, keys=2)


def _levels(score: Score | None) -> str:
    if score is None:
        return ""
    if score.value is None:
        return "no labels"
    text = f"{score.value:+.2f}"
    if score.low is not None and score.high is not None:
        text += f" [{score.low:+.2f}, {score.high:+.2f}]"
    return text
