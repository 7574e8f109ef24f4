"""All tables and figures about a dataset and the runs on it: an HTML page, Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from openbasket import __version__
from openbasket.dataset.reader import (
    SPLIT_FILES,
    TEST_SPLITS,
    Sample,
    has_split,
    read_splits,
)
from openbasket.dataset.statistics import statistics
from openbasket.errors import ConfigError, NotFoundError
from openbasket.evaluation import (
    Evaluation,
    Result,
    ablations,
    document,
    evaluate,
    no_split,
)
from openbasket.evaluation import tables as results
from openbasket.evaluation.fairness import Fairness, fairness
from openbasket.evaluation.fairness_tables import fairness_table, warnings_table
from openbasket.evaluation.figures import confusion_map, interval_plot
from openbasket.evaluation.formats import Table
from openbasket.evaluation.intervals import few_persons
from openbasket.evaluation.report_player import data_uri, player_card, snapshots
from openbasket.evaluation.runs import runs_about
from openbasket.evaluation.study_rows import StudyResults, read_study_results
from openbasket.progress import status
from openbasket.skills import CATEGORIES, SKILLS
from openbasket.templating import templates
from openbasket.video.still import jpeg
from openbasket.wording import counted
from openbasket.workspace import REEL_FPS, Workspace, write_text

__all__ = ["page", "write_report"]

FPS = int(REEL_FPS)
#: So many runs, the best first, have a sentence; the tables have all.
VERDICTS = 4


def write_report(
    workspace: Workspace,
    out: Path,
    *,
    predictions: Sequence[Path] = (),
    evaluation: Evaluation | None = None,
    allow_crossing: bool = False,
    require_hash: bool = False,
    study: Path | None = None,
    quiet: bool = False,
) -> Path:
    """Write the report: dataset statistics, a reel that plays, a player's card, results, snapshots.

    What is not there yet is named in its place, with the command that makes it. Nothing is loaded from
    elsewhere; every text from the data is escaped. Markdown and LaTeX have the same tables, the plot of
    the skills and the snapshots, whose pictures lie in ``<name>_files`` beside them.

    Args:
        workspace: the dataset.
        out: file to write: ``.html``, ``.md`` or ``.tex``.
        predictions: files of predictions to score and to show.
        evaluation: of these predictions, if it was made already.
        allow_crossing: see :func:`openbasket.evaluation.evaluate`.
        require_hash: see there, too.
        study: ``results.json`` that 'openbasket study results' wrote, or its folder, for Figure 5.
        quiet: show no progress.

    Raises:
        ConfigError: a file of another ending.
        BadInputError: predictions that cannot be scored, or other results of a study.
    """
    if out.suffix not in (".html", *document.WRITERS):
        endings = ", ".join((".html", *document.WRITERS))
        raise ConfigError(f"a report is written as {endings}; got '{out.name}'")
    if predictions and not any(has_split(workspace.root, split) for split in SPLIT_FILES):
        raise NotFoundError(no_split(workspace.root, TEST_SPLITS))
    people = None if study is None else read_study_results(study)
    with status("writing the report", quiet=quiet):
        root = workspace.root
        samples = dict(read_splits(root))
        if evaluation is None and any(samples.get(split) for split in TEST_SPLITS):
            evaluation = evaluate(
                predictions, root, allow_crossing=allow_crossing, require_hash=require_hash
            )
        pictures = snapshots(workspace, samples)
        found = None if evaluation is None else _results(evaluation)
        if found is not None:
            studies, told = _ablations(workspace)
            found["tables"] += studies
            tables, warnings = _groups(
                predictions, root, found["run"], found["split"], allow_crossing
            )
            found["tables"] += tables
            found["notes"] = [*warnings, *found["notes"], *told]
        missing = _missing(workspace, samples, predictions)
        if out.suffix != ".html":
            content = document.Document(
                _facts(workspace), missing, _statistics(workspace), found, pictures, people
            )
            return document.WRITERS[out.suffix](content, out)
        for row in pictures:
            row["images"] = [data_uri(jpeg(frame), "image/jpeg") for frame in row.pop("frames")]
        context = {
            "version": __version__,
            "facts": _facts(workspace),
            "tables": _statistics(workspace),
            "player": player_card(workspace, samples, predictions),
            "snapshots": pictures,
            "results": found,
            "study": None if people is None else _people(people),
            "has_runs": bool(predictions),
            "missing": missing,
        }
        return write_text(out, page("report.html.j2", context))


def page(template: str, context: dict[str, Any], package: str = "openbasket.evaluation") -> str:
    """One of a package's pages of HTML; every text in it is escaped."""
    return templates(package).get_template(template).render(context)


def _facts(workspace: Workspace) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if workspace.has("games"):
        games = workspace.read("games")
        facts = [
            ("leagues", str(games["league"].n_unique())),
            ("seasons", str(games["season"].n_unique())),
            ("games", f"{games.height:,}"),
        ]
    if workspace.has("subjects"):
        people = workspace.read("subjects")
        facts += [
            ("player-seasons", f"{people.height:,}"),
            ("persons", f"{people['player_id'].n_unique():,}"),
        ]
    if workspace.has("reels"):
        reels = workspace.read("reels").filter(pl.col("draw") == 0)
        hours = reels["frames"].sum() / FPS / 3600
        facts += [("reels", f"{reels['path'].n_unique():,}"), ("hours of reels", f"{hours:.2f}")]
    return facts


def _statistics(workspace: Workspace) -> list[dict[str, Any]]:
    if not workspace.has("subjects"):
        return []
    return [
        {"title": title, "columns": columns, "rows": rows}
        for title, columns, rows in statistics(workspace).tables()
    ]


def _missing(
    workspace: Workspace, samples: dict[str, list[Sample]], predictions: Sequence[Path]
) -> list[tuple[str, str]]:
    missing = []
    for table, command in (
        ("games", "openbasket import"),
        ("levels", "openbasket label"),
        ("splits", "openbasket split"),
        ("reels", "openbasket reels"),
    ):
        if not workspace.has(table):  # type: ignore[arg-type]
            missing.append((table, command))
    if not samples:
        missing.append(("the official CSVs", "openbasket build"))
    gone = sum(not sample.video.is_file() for part in samples.values() for sample in part)
    if gone:
        missing.append(
            (counted(gone, "reel of the splits", "reels of the splits"), "openbasket reels")
        )
    if not predictions:
        missing.append(("predictions", "openbasket train, openbasket predict"))
    return missing


# -- the results ---------------------------------------------------------------------------------


def _results(evaluation: Evaluation) -> dict[str, Any]:
    main = evaluation.splits()[0]
    chance = 1 / evaluation.levels
    best_first = [r for r in evaluation.ranked(main) if r.model != "baseline"]
    best = (best_first or evaluation.whole(main))[0]
    return {
        "tables": results.paper_tables(evaluation),
        "skill_tables": [
            results.skill_metric_table(evaluation, r.run, main)
            for r in (best_first or [best])[:VERDICTS]
        ],
        "confusion_tables": results.confusion_tables(evaluation, best.run, main),
        "confusion": [(s.name, confusion_map(s.name, best.confusion[s.key])) for s in SKILLS],
        "plot": interval_plot(_plot_rows(best), chance),
        "plot_rows": _plot_rows(best),
        "run": best.run,
        "split": main,
        "verdicts": [_verdict(r, chance, evaluation) for r in best_first[:VERDICTS]],
        "chance": f"{chance:.1%}",
        "chance_share": chance,
        "subjects": best.subjects,
        "persons": best.persons,
        "few": few_persons(best.persons),
        "intervals": evaluation.intervals,
        "notes": evaluation.notes,
    }


def _groups(
    predictions: Sequence[Path], root: Path, best: str, split: str, allow_crossing: bool
) -> tuple[list[Table], list[str]]:
    """Fairness: warnings about every run that predicts the split, and all groups of the best run."""
    found: list[Fairness] = []
    for path in predictions:
        for run in runs_about(path, root, split):
            resamples = 2000 if run == best else 0  # only its intervals are shown
            found.append(
                fairness(
                    path, root, run=run, split=split, resamples=resamples,
                    allow_crossing=allow_crossing,
                )
            )  # fmt: skip
    found.sort(key=lambda one: (one.run != best, one.run))
    if not found:
        return [], []
    tables = [fairness_table(one) for one in found if one.run == best]
    return (
        [warnings_table(found), *tables],
        [f"{one.run}: {warning}" for one in found if one.run == best for warning in one.warnings],
    )


def _people(study: StudyResults) -> dict[str, Any]:
    """Figure 5 and its table, for the page."""
    from openbasket.evaluation.figure5 import draw

    with TemporaryDirectory() as folder:
        [figure] = [path for path in draw(study, Path(folder)) if path.suffix == ".svg"]
        picture = data_uri(figure.read_bytes(), "image/svg+xml")
    return {"figure": picture, "table": results.study_table(study.rows())}


def _ablations(workspace: Workspace) -> tuple[list[Table], list[str]]:
    """Table 4 of each recipe whose studies were run ('openbasket ablate'), and what was noted there."""
    found: list[Table] = []
    notes: list[str] = []
    for path in sorted((workspace.root / "openbasket" / "ablations").glob("*/table4.json")):
        lines, draws, noted = ablations.read_table4(path)
        made = ablations.table4(lines, draws)
        notes += [f"ablations of {path.parent.name}: {told}" for told in noted]
        name = path.parent.name
        found += [
            t._replace(title=f"Table 4{t.title}: {name}", name=f"{t.name}-{name}") for t in made
        ]
    return found, notes


def _plot_rows(result: Result) -> list[tuple[str, float | None, float | None, float | None, str]]:
    scores = result.scores["accuracy"]
    rows = []
    for category in CATEGORIES:
        for s in (s for s in SKILLS if s.category == category):
            score = scores[s.key]
            rows.append((s.name, score.value, score.low, score.high, "skill"))
        score = scores[category]
        rows.append((category.capitalize(), score.value, score.low, score.high, "category"))
    score = scores["mean"]
    rows.append(("All 20 skills", score.value, score.low, score.high, "all"))
    return rows


def _verdict(result: Result, chance: float, evaluation: Evaluation) -> str:
    score = result.scores["accuracy"]["mean"]
    if score.value is None:
        return f"{result.run}: no labels to score."
    if score.low is None or score.high is None:
        return f"{result.run}: {score.value:.1%}, from one person; no interval can be given."
    told = f"{result.run}: {score.value:.1%}, 95 % interval {score.low:.1%} to {score.high:.1%}. "
    if score.low <= chance <= score.high:
        return told + f"The interval holds chance ({chance:.1%}): this may be noise."
    side = "above" if score.low > chance else "below"
    told += f"The interval lies {side} chance ({chance:.1%})"
    guessing = {c.other if c.one == result.run else c.one: c for c in evaluation.comparisons
                if c.split == result.split and result.run in (c.one, c.other)}.get("random")  # fmt: skip
    if guessing is not None and guessing.is_noise:
        return f"{told}, but the paired test, corrected for all comparisons, calls it noise."
    return f"{told}."
