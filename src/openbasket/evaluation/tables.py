"""Results as tables for people: rows for the terminal, Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openbasket.evaluation import Evaluation, Result, Score
from openbasket.skills import BY_KEY, CATEGORIES, SKILLS
from openbasket.wording import counted

__all__ = ["breakdown_table", "markdown", "shown", "skill_table", "split_table", "study_table"]

Table = tuple[str, list[str], list[list[str]]]


def shown(score: Score) -> str:
    """``31.2 [24.0, 39.1]`` in percent; with the coverage where not every cell has a label or an answer."""
    if score.value is None:
        return "no labels"
    text = f"{100 * score.value:.1f}"
    if score.low is not None and score.high is not None:
        text += f" [{100 * score.low:.1f}, {100 * score.high:.1f}]"
    if score.labels < score.cells:
        text += f" ({score.labels}/{score.cells})"
    if score.unanswered:
        text += f" ({score.unanswered} unanswered)"
    return text


def skill_table(evaluation: Evaluation, split: str = "test", metric: str = "accuracy") -> Table:
    """Accuracy of each skill, category and all (Table 8), a column for each run."""
    results = [r for r in evaluation.results if r.split == split and not r.part]
    columns = ["skill", *(r.run for r in results)]

    def row(name: str, key: str) -> list[str]:
        return [name, *(shown(r.scores[metric][key]) for r in results)]

    rows = []
    for category in CATEGORIES:
        rows += [row(s.name, s.key) for s in SKILLS if s.category == category]
        rows.append(row(f"{category.capitalize()}: average", category))
    rows.append(row("All 20 skills", "mean"))
    return f"{metric} on {split} in percent ({_basis(results)})", columns, rows


def split_table(evaluation: Evaluation, metric: str = "accuracy") -> Table:
    """Mean accuracy of each run on each split (Table 5)."""
    runs = list(dict.fromkeys(r.run for r in evaluation.results))
    rows = []
    for split in dict.fromkeys(r.split for r in evaluation.results):
        results = [r for r in evaluation.results if r.split == split and not r.part]
        cells = {r.run: shown(r.scores[metric]["mean"]) for r in results}
        rows.append([split, str(results[0].subjects), *(cells.get(run, "") for run in runs)])
    return f"mean {metric} by split in percent", ["split", "subjects", *runs], rows


def breakdown_table(evaluation: Evaluation, split: str = "test", metric: str = "accuracy") -> Table:
    """Mean accuracy by season, league, gender and region (Table 3)."""
    results = [r for r in evaluation.results if r.split == split and r.part]
    runs = list(dict.fromkeys(r.run for r in results))
    rows = []
    for part in dict.fromkeys(r.part for r in results):
        mine = {r.run: r for r in results if r.part == part}
        first = next(iter(mine.values()))
        rows.append(
            [part, str(first.subjects), *(shown(mine[run].scores[metric]["mean"]) for run in runs)]
        )
    return f"mean {metric} on {split} by part in percent", ["part", "subjects", *runs], rows


def study_table(study: Mapping[str, Any]) -> Table:
    """Accuracy of people, and of the models that rated the same players, in a human study."""
    rows = []
    for row in study["rows"]:
        score = Score(row["accuracy"], row["low"], row["high"], row["ratings"], row["ratings"])
        each = [row["skills"].get(key) for key in study["skills"]]
        rows.append(
            [
                row["run"], row["kind"], str(row["subjects"]), shown(score),
                *("" if value is None else f"{100 * value:.1f}" for value in each),
            ]
        )  # fmt: skip
    names = [BY_KEY[key].name for key in study["skills"]]
    title = f"accuracy in the human study in percent, {study['levels']} levels"
    return title, ["", "kind", "players", "accuracy", *names], rows


def markdown(tables: Sequence[Table]) -> str:
    """Tables as Markdown."""
    parts = []
    for title, columns, rows in tables:
        parts += [f"**{title}**", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
        parts += [f"| {' | '.join(row)} |" for row in rows] + [""]
    return "\n".join(parts)


def _basis(results: Sequence[Result]) -> str:
    if not results:
        return "no results"
    return (
        f"{counted(results[0].subjects, 'subject')}, {counted(results[0].persons, 'person')}; "
        "95 % intervals over persons"
    )
