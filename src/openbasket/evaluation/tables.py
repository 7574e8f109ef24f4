"""Results as the paper's Tables 2, 3, 5 and 8, and what the paper has no table for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openbasket.evaluation.ceiling_shares import LEAST_PERSONS
from openbasket.evaluation.formats import Cell, Table, markdown, p_text, shown
from openbasket.evaluation.metric_tables import (
    confusion_tables,
    metric_table,
    skill_metric_table,
    words,
)
from openbasket.evaluation.results import Evaluation, Facts, Result, Score
from openbasket.skills import BY_KEY, CATEGORIES, SKILLS
from openbasket.wording import counted

__all__ = [
    "LETTERS",
    "breakdown_tables",
    "comparison_table",
    "confusion_tables",
    "main_table",
    "markdown",
    "metric_table",
    "paper_tables",
    "shown",
    "skill_metric_table",
    "skill_table",
    "split_table",
    "study_table",
]

#: Split -> season, league, as in the paper's Table 5; its order is the paper's.
PLACES = {
    "cross_season_and_league": ("Unseen", "Unseen"),
    "cross_season": ("Unseen", "Seen"),
    "cross_league": ("Seen", "Unseen"),
    "test": ("Seen", "Seen"),
}
#: Kind of part -> the paper's name of it, in the order of its Table 3.
PARTS = {"season": "Season", "gender": "Gender", "region": "Location", "league": "League"}
NOT_STATED = "not stated"
#: What letters of groups say.
LETTERS = (
    "runs that share a letter cannot be told apart in mean accuracy (paired tests, 5 %, corrected by Holm); "
    "'ab' shares one with 'a' and with 'b', which differ from each other"
)
CEILING = "Ceiling (%)"
#: In place of a share where there is none.
NO_SHARE = "-"
#: More runs than this are rows of Table 5, not columns.
WIDEST = 5


def paper_tables(evaluation: Evaluation) -> list[Table]:
    """Tables 2, 3, 5 and 8, all metrics and all comparisons, as far as there are results for them."""
    splits = evaluation.splits()
    found = [
        main_table(evaluation, splits[0]),
        *breakdown_tables(evaluation, splits[0]),
        split_table(evaluation),
        skill_table(evaluation, splits[0]),
        metric_table(evaluation, splits[0]),
    ]
    if evaluation.comparisons:
        found.append(comparison_table(evaluation))
    return found


def main_table(evaluation: Evaluation, split: str = "test") -> Table:
    """Table 2: model, pretraining, frames, parameters and mean accuracy.

    The best is first, as on the leaderboard; the paper has it last. Runs that share a letter cannot be told
    apart.
    """
    results = evaluation.ranked(split)
    columns = ["Model", "Pretraining", "Frames", "Params (M)", "Acc. (%)", "Group"]
    ceiling = _ceiling(evaluation, split)
    if ceiling:
        columns += ["Of observable (%)", CEILING]
    rows: list[list[Cell]] = []
    for r in results:
        score = r.scores["accuracy"]["mean"]
        row: list[Cell] = [_name(r), *_facts(r, evaluation), score, r.group]
        if ceiling:
            row += [r.observable.get("mean", NO_SHARE), ceiling.get("mean", NO_SHARE)]
        rows.append(row)
    title = f"Table 2: mean accuracy of the skills on {split}{_basis(evaluation, results)}"
    told = [f"Group: {LETTERS}."]
    told += [
        f"The baseline {name} is not in the table: {why}."
        for name, why in evaluation.missing.items()
    ]
    footer = " ".join(filter(None, [_footer(evaluation, [split]), *told]))
    return Table(title, columns, rows, "table2", footer)


def breakdown_tables(
    evaluation: Evaluation, split: str = "test", metric: str = "accuracy"
) -> list[Table]:
    """Table 3: mean accuracy by season, gender and location, and by league; a column for each part."""
    results = [r for r in evaluation.results if r.split == split and r.part]
    found = []
    for letter, (kind, name) in zip("abcd", PARTS.items(), strict=True):
        mine = _models_first([r for r in results if r.part.startswith(f"{kind}=")])
        if not mine:
            continue
        subjects = {r.part.split("=", 1)[1]: r.subjects for r in mine}
        rows: list[list[Cell]] = []
        for run in dict.fromkeys(r.run for r in mine):
            own = {r.part.split("=", 1)[1]: r for r in mine if r.run == run}
            cells = (own[part].scores[metric]["mean"] if part in own else "" for part in subjects)
            rows.append([run, *cells])
        parts = {part: f"{kind}={part}" for part in subjects}
        observable = metric == "accuracy" and bool(_ceiling(evaluation, split))
        for run in _models(mine) if observable else ():
            own = {r.part.split("=", 1)[1]: r for r in mine if r.run == run}
            shares = (own[p].observable.get("mean", NO_SHARE) if p in own else "" for p in parts)
            rows.append([_of_observable(run), *shares])
        if observable:
            tops = (
                _ceiling(evaluation, split, part).get("mean", NO_SHARE) for part in parts.values()
            )
            rows.append([CEILING, *tops])
        footer = _footer(evaluation, [split], list(parts.values())) if observable else ""
        title = f"Table 3{letter}: mean {words(metric)} on {split} by {name.lower()}"
        columns = [name, *(f"{part} (n = {n:,})" for part, n in subjects.items())]
        found.append(Table(title, columns, rows, f"table3{letter}", footer))
    return found


def split_table(evaluation: Evaluation, metric: str = "accuracy") -> Table:
    """Table 5: mean accuracy on seen and unseen seasons and leagues; a column for each run.

    With many runs a row for each of them, and a column for each split.
    """
    runs = list(dict.fromkeys(r.run for r in _models_first(evaluation.results)))
    found = evaluation.splits()
    splits = [s for s in PLACES if s in found] + [s for s in found if s not in PLACES]
    places = [PLACES.get(split, (split, split)) for split in splits]
    scores = {
        (r.run, split): r.scores[metric]["mean"]
        for split in splits
        for r in evaluation.whole(split)
    }
    counts = [f"{evaluation.whole(split)[0].subjects:,}" for split in splits]
    title = f"Table 5: mean {words(metric)} on seen and unseen seasons and leagues"
    observable = metric == "accuracy" and bool(evaluation.ceiling)
    models = _models(evaluation.results) if observable else []
    shares: dict[tuple[str, str], Cell] = {
        (r.run, split): r.observable.get("mean", NO_SHARE)
        for split in splits
        for r in evaluation.whole(split)
    }
    tops = [_ceiling(evaluation, split).get("mean", NO_SHARE) for split in splits]
    footer = _footer(evaluation, splits) if observable else ""
    rows: list[list[Cell]]
    if len(runs) <= WIDEST:
        columns = ["Season", "League", "Subjects", *runs]
        columns += [_of_observable(run) for run in models] + [CEILING] * observable
        rows = [
            [
                *place, count, *(scores.get((run, split), NO_SHARE) for run in runs),
                *(shares.get((run, split), NO_SHARE) for run in models), *([top] * observable),
            ]
            for split, place, count, top in zip(splits, places, counts, tops, strict=True)
        ]  # fmt: skip
        return Table(title, columns, rows, "table5", footer, keys=2)
    rows = [[run, *(scores.get((run, split), NO_SHARE) for split in splits)] for run in runs]
    rows += [
        [_of_observable(run), *(shares.get((run, split), NO_SHARE) for split in splits)]
        for run in models
    ]
    rows += [[CEILING, *tops]] * observable
    columns = [
        f"{season} season, {league.lower()} league (n = {count})"
        for (season, league), count in zip(places, counts, strict=True)
    ]
    return Table(title, ["Run", *columns], rows, "table5", footer)


def skill_table(evaluation: Evaluation, split: str = "test", metric: str = "accuracy") -> Table:
    """Table 8: accuracy of each skill, category and all, a column for each run.

    With a ceiling known, a column for each run tells which share of what could be seen it has.
    """
    results = _models_first(evaluation.whole(split))
    ceiling = _ceiling(evaluation, split) if metric == "accuracy" else {}
    models = [r for r in results if r.model != "baseline"] if ceiling else []
    columns = ["Skill", *(r.run for r in results)]
    columns += [CEILING] if ceiling else []
    columns += [_of_observable(r.run) for r in models]

    def row(name: str, key: str) -> list[Cell]:
        cells: list[Cell] = [name, *(r.scores[metric][key] for r in results)]
        if ceiling:
            cells.append(ceiling.get(key, NO_SHARE))
        return [*cells, *(r.observable.get(key, NO_SHARE) for r in models)]

    rows: list[list[Cell]] = []
    for category in CATEGORIES:
        rows.append([category.capitalize(), *[""] * (len(columns) - 1)])
        rows += [row(s.name, s.key) for s in SKILLS if s.category == category]
        rows.append(row("Average", category))
    rows.append(row("All 20 skills", "mean"))
    title = f"Table 8: {words(metric)} of each skill on {split}{_basis(evaluation, results)}"
    footer = _footer(evaluation, [split]) if ceiling else ""
    return Table(title, columns, rows, "table8", footer)


def study_table(
    study: Mapping[str, Any], levels: int | None = None, labels: Mapping[str, str] | None = None
) -> Table:
    """Accuracy of people, and of the models that rated the same players, in a human study.

    Args:
        study: rows of people.
        levels: of the evaluation beside which they are shown; the footer tells where it is another task.
        labels: split -> hash of the evaluation's labels.
    """
    rows: list[list[Cell]] = []
    for row in study["rows"]:
        ratings = row["ratings"]
        score = Score(row["accuracy"], row["low"], row["high"], ratings, ratings)
        each = [row["skills"].get(key) for key in study["skills"]]
        told = ("" if value is None else f"{100 * value:.1f}" for value in each)
        rows.append([row["run"], row["kind"], str(row["subjects"]), score, *told])
    names = [BY_KEY[key].name for key in study["skills"]]
    title = f"Accuracy in the human study in percent, {study['levels']} levels"
    footer = "" if levels is None else _other_task(study, levels, labels or {})
    return Table(title, ["", "kind", "players", "accuracy", *names], rows, "study", footer, keys=2)


def _other_task(study: Mapping[str, Any], levels: int, labels: Mapping[str, str]) -> str:
    """What makes people's numbers and the evaluation's no match; empty where nothing does."""
    told = []
    if study["levels"] != levels:
        told.append(
            f"The study has {study['levels']} levels and this evaluation {levels}: their accuracies are "
            f"not comparable (chance is {100 / study['levels']:.1f} and {100 / levels:.1f} percent)."
        )
    elif not study["labels"]:
        told.append(
            "The study does not state its labels' hash: they may be others than this dataset's."
        )
    else:
        told += [
            f"The study's labels of split '{split}' are others than this dataset's."
            for split, stated in study["labels"].items()
            if labels.get(split) != stated
        ]
    told.append("People rated some players of a split in some skills; the other tables are of all.")
    return " ".join(told)


def comparison_table(evaluation: Evaluation) -> Table:
    """Every two runs: difference in mean accuracy, p of a paired test, and whether it is noise.

    Two baselines are told where there is nothing else: they are corrected apart, and nobody asks about them.
    """
    baselines = {(r.split, r.run) for r in evaluation.results if r.model == "baseline"}
    asked = [
        c for c in evaluation.comparisons if not {(c.split, c.one), (c.split, c.other)} <= baselines
    ]
    shown = asked or evaluation.comparisons
    rows: list[list[Cell]] = []
    for c in shown:
        score = Score(c.difference, c.low, c.high, 0, 0)
        verdict = "noise" if c.is_noise else "differs"
        rows.append([c.split, c.one, c.other, score, p_text(c.p), p_text(c.p_holm), verdict])
    count = counted(len(rows), "comparison")
    title = f"Paired tests over {evaluation.clusters}; corrected for {count} (Holm)"
    footer = ""
    if left_out := len(evaluation.comparisons) - len(rows):
        footer = (
            f"Left out here: {counted(left_out, 'test')} of baselines with each other, corrected for "
            f"{left_out:,} (evaluation.json has them)."
        )
    columns = ["Split", "Run", "Other", "Difference (points)", "p", "p corrected", "Verdict"]
    return Table(title, columns, rows, "comparisons", footer, keys=3)


def _ceiling(evaluation: Evaluation, split: str, part: str = "") -> Mapping[str, Score]:
    return evaluation.ceiling.get(split, {}).get(part, {})


def _models_first(results: Sequence[Result]) -> list[Result]:
    """Runs before baselines; else in the order that they have."""
    return sorted(results, key=lambda r: r.model == "baseline")


def _models(results: Sequence[Result]) -> list[str]:
    """Runs that are no baselines, each once."""
    return list(dict.fromkeys(r.run for r in results if r.model != "baseline"))


def _of_observable(run: str) -> str:
    return f"{run}, of observable (%)"


def _footer(evaluation: Evaluation, splits: Sequence[str], parts: Sequence[str] = ()) -> str:
    """What the ceiling is, on whose people, and what a dash says."""
    known = [split for split in splits if split in evaluation.ceiling]
    if not known:
        return ""
    told = [
        f"Of observable: (accuracy - chance) / (ceiling - chance), chance {100 / evaluation.levels:.1f}; "
        f"the ceiling is the accuracy of an observer who perceives all {evaluation.clips} plays of a reel. "
        f"95 % intervals by Fieller's theorem over {evaluation.clusters}"
    ]
    borrowed = [p for split in known for p in evaluation.borrowed.get(split, []) if p in parts]
    if parts:
        told.append(
            "ceilings are of each group's own people"
            if not borrowed
            else "ceilings are of each group's own people, but of the whole split for "
            f"{', '.join(p.split('=', 1)[1] for p in borrowed)} (fewer than {LEAST_PERSONS} persons)"
        )
    told.append(
        f"{NO_SHARE}: not measured, or the ceiling is not clearly above chance; above 100 %: right more "
        "often than that observer"
    )
    left_out = [note for split in known for note in evaluation.left_out.get(split, ())]
    return "; ".join([*told, *left_out]) + "."


def _name(result: Result) -> str:
    """The run, and its model where the run's name does not tell it."""
    if result.model in ("baseline", result.run):
        return result.run if result.model != "baseline" else f"{result.run} (baseline)"
    return f"{result.model} ({result.run})"


def _facts(result: Result, evaluation: Evaluation) -> list[str]:
    if result.model == "baseline":
        return ["-", "-", "-"]
    facts = evaluation.facts.get(result.run, Facts())
    parameters = facts.parameters
    return [
        facts.pretraining or NOT_STATED,
        NOT_STATED if facts.frames is None else str(facts.frames),
        NOT_STATED if parameters is None else _millions(parameters),
    ]


def _millions(count: int) -> str:
    return f"{count / 1e6:,.0f}" if count >= 1e7 else f"{count / 1e6:.2f}"


def _basis(evaluation: Evaluation, results: Sequence[Result]) -> str:
    if not results:
        return ""
    return (
        f" ({counted(results[0].subjects, 'subject')}, {counted(results[0].persons, 'person')}; "
        f"95 % intervals over {evaluation.clusters})"
    )
