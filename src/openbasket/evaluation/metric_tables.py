"""Tables of all metrics, of all runs or of each skill, and of confusion."""

from __future__ import annotations

from collections.abc import Mapping

from openbasket.evaluation.formats import Cell, Table, shown
from openbasket.evaluation.metrics import METRICS, REFERENCES
from openbasket.evaluation.results import Evaluation, Score
from openbasket.skills import CATEGORIES, SKILLS

__all__ = ["confusion_tables", "metric_table", "skill_metric_table", "words"]

_SHOWN = (*METRICS, *REFERENCES)
_BY_CHANCE = (
    "Calibration error by chance: what a run would show on as many labels if it were right exactly as often "
    "as it says."
)


def metric_table(evaluation: Evaluation, split: str = "test") -> Table:
    """All metrics, each averaged over the skills; the most accurate run first."""
    rows: list[list[Cell]] = [
        [r.run, *(_metric(r.scores, name, "mean") for name in _SHOWN)]
        for r in evaluation.ranked(split)
    ]
    title = f"All metrics on {split}, means of the skills"
    return Table(title, ["Run", *_metric_columns()], rows, "metrics", _BY_CHANCE)


def _metric_columns() -> list[str]:
    columns = []
    for name, metric in METRICS.items():
        unit = {"percent": " (%)", "levels": " (levels)"}.get(metric.unit, "")
        columns.append(f"{words(name)}{unit} {'↑' if metric.higher_is_better else '↓'}")
    return [*columns, *(f"{words(name)} (%)" for name in REFERENCES)]


def _metric(scores: Mapping[str, Mapping[str, Score]], name: str, group: str) -> Cell:
    score = scores[name][group]
    return score if name in REFERENCES or METRICS[name].unit == "percent" else shown(score, 1, 2)


def skill_metric_table(evaluation: Evaluation, run: str, split: str = "test") -> Table:
    """All metrics of each skill, of one run."""
    scores = evaluation.find(run, split).scores
    rows: list[list[Cell]] = []
    for category in CATEGORIES:
        rows.append([category.capitalize(), *[""] * len(_SHOWN)])
        for skill in (s for s in SKILLS if s.category == category):
            rows.append([skill.name, *(_metric(scores, name, skill.key) for name in _SHOWN)])
    rows.append(["All 20 skills", *(_metric(scores, name, "mean") for name in _SHOWN)])
    title = f"Metrics of each skill of {run} on {split}"
    return Table(title, ["Skill", *_metric_columns()], rows, "skill_metrics", _BY_CHANCE)


def confusion_tables(evaluation: Evaluation, run: str, split: str = "test") -> list[Table]:
    """Which levels a run answers for each label, in percent of the label; a table for each category."""
    matrices = evaluation.find(run, split).confusion
    found = []
    for category in CATEGORIES:
        rows: list[list[Cell]] = []
        for skill in (s for s in SKILLS if s.category == category and s.key in matrices):
            rows.append([skill.name, *[""] * (evaluation.levels + 1)])
            for level, counts in enumerate(matrices[skill.key]):
                count = sum(counts)
                shares = [f"{100 * n / count:.0f}" if count else "" for n in counts]
                rows.append([f"label {level}", *shares, f"{count:g}"])
        columns = ["Skill", *(f"{level} (%)" for level in range(evaluation.levels)), "labels"]
        title = f"Confusion of {run} on {split}, {category}: answers to each label"
        found.append(Table(title, columns, rows, f"confusion_{category}"))
    return found


def words(metric: str) -> str:
    """A metric's name in words."""
    return metric.replace("_", " ").replace("macro f1", "macro F1")
