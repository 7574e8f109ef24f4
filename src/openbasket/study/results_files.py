"""Results of a study as tables, figure and files."""

from __future__ import annotations

from pathlib import Path

from openbasket.evaluation.study_rows import StudyResults
from openbasket.skills import BY_KEY
from openbasket.study.results import EVERYBODY, Line, Results
from openbasket.workspace import write_json, write_text

__all__ = ["Plain", "notes", "participant_table", "tables", "write_results"]

#: Title, columns, rows.
Plain = tuple[str, list[str], list[list[str]]]


def tables(results: Results) -> list[Plain]:
    """Accuracy of groups and models, accuracy of each skill, and agreement on each skill."""
    lines = _lines(results)
    people = [line for line in lines if line.kind == "people"]
    groups = [line.name for line in people if line.name != EVERYBODY]
    whole = (
        f"accuracy in percent, {results.levels} levels (chance {100 * results.chance:.1f}, "
        f"always the commonest level {100 * results.commonest:.1f})"
    )
    found: list[Plain] = [
        (
            whole,
            ["", "raters", "players", "ratings", "accuracy [95 %]", "least to most", "alpha [95 %]"],
            [
                [
                    line.name, str(line.raters) if line.kind == "people" else "model",
                    str(line.players), str(line.ratings),
                    _percent(line.accuracy, _pair(line.low, line.high)), _range(line),
                    _alpha(line.alpha, _pair(line.alpha_low, line.alpha_high))
                    if line.kind == "people" else "",
                ]
                for line in lines
            ],
        ),
        (
            "accuracy of each skill in percent",
            ["", "commonest level", *(line.name for line in lines)],
            [
                [
                    BY_KEY[key].name, _percent(results.commonest_skills[key]),
                    *(_percent(line.skills[key], line.skill_intervals[key]) for line in lines),
                ]
                for key in results.skills
            ],
        ),
        (
            "agreement on each skill (alpha)",
            ["", *(line.name for line in people)],
            [
                [
                    BY_KEY[key].name,
                    *(_alpha(line.alphas[key], line.alpha_intervals[key]) for line in people),
                ]
                for key in results.skills
            ],
        ),
    ]  # fmt: skip
    if results.models:
        found.append(
            (
                "accuracy of models in percent, on the players of each group",
                ["", *groups],
                [
                    [line.name, *(_percent(line.groups[name]) for name in groups)]
                    for line in results.models
                ],
            )
        )
    return found


def participant_table(results: Results) -> Plain:
    """Accuracy of each participant that counts."""
    rows = [
        [
            str(one["participant"]), one["group"], str(one["ratings"]),
            _percent(one["accuracy"], _pair(one["low"], one["high"])),
        ]
        for one in results.participants
    ]  # fmt: skip
    title = "accuracy of each participant in percent (intervals over players)"
    return title, ["participant", "group", "ratings", "accuracy [95 %]"], rows


def notes(results: Results) -> list[str]:
    """What was left out, and how to read the numbers, in sentences."""
    left = ", ".join(f"{n} ({reason})" for reason, n in results.excluded.items())
    told = [
        f"Ratings left out: {left}." if left else "No rating was left out.",
        "Intervals are 95 %, by a bootstrap over participants and players; of models, over players.",
        "alpha is Krippendorff's for ordinal levels, within each skill; its mean over skills stands for all.",
    ]
    if any(value is None for line in _lines(results) for value in line.alphas.values()):
        told.append(
            "There is no alpha (-) where no player was rated by two participants, or all of these ratings "
            "are the same."
        )
    return told + results.notes


def write_results(results: Results, out: Path) -> list[Path]:
    """Write ``figure5.png`` and ``.svg``, ``results.md``, ``results.json`` and ``study_rows.json``."""
    from openbasket.evaluation.figure5 import draw
    from openbasket.evaluation.tables import markdown

    plain = StudyResults.model_validate(results.to_json())
    text = markdown([*tables(results), participant_table(results)])
    text += "\n" + "".join(f"- {note}\n" for note in notes(results))
    return [
        *draw(plain, out),
        write_text(out / "results.md", text),
        write_json(out / "results.json", results.to_json()),
        write_json(out / "study_rows.json", plain.rows()),
    ]


def _lines(results: Results) -> list[Line]:
    """People and models; everybody only where there are several groups."""
    alone = len(results.people) == 2
    people = [line for line in results.people if not (alone and line.name == EVERYBODY)]
    return [*people, *results.models]


def _pair(low: float | None, high: float | None) -> list[float] | None:
    return None if low is None or high is None else [low, high]


def _percent(value: float | None, interval: list[float] | None = None) -> str:
    if value is None:
        return "-"
    ends = "" if interval is None else f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
    return f"{100 * value:.1f}{ends}"


def _alpha(value: float | None, interval: list[float] | None) -> str:
    if value is None:
        return "-"
    ends = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
    return f"{value:.2f}{ends}"


def _range(line: Line) -> str:
    if line.least is None or line.most is None:
        return ""
    return f"{100 * line.least:.1f} to {100 * line.most:.1f}"
