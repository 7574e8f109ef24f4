"""One HTML page that ranks runs on each split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openbasket import __version__
from openbasket.evaluation.figures import interval_bar
from openbasket.evaluation.report import page
from openbasket.evaluation.results import Evaluation, Facts, Result, Score
from openbasket.evaluation.tables import LETTERS, PLACES, comparison_table, metric_table
from openbasket.workspace import write_text

__all__ = ["write_leaderboard"]


def write_leaderboard(evaluation: Evaluation, out: Path) -> Path:
    """Write the page: a table for each split, the best first, and all paired tests.

    Nothing is loaded from elsewhere; every text from the data is escaped.

    Args:
        evaluation: of the runs.
        out: HTML file to write.
    """
    boards = [_board(evaluation, split) for split in evaluation.splits()]
    runs = {r.run for r in evaluation.results if r.model != "baseline"}
    context = {
        "version": __version__,
        "boards": boards,
        "runs": len(runs),
        "chance": f"{1 / evaluation.levels:.0%}",
        "intervals": evaluation.intervals,
        "clusters": evaluation.clusters,
        "comparisons": comparison_table(evaluation),
        "metrics": metric_table(evaluation, evaluation.splits()[0]),
        "observable": bool(evaluation.ceiling),
        "letters": LETTERS,
        "notes": evaluation.notes,
    }
    return write_text(out, page("leaderboard.html.j2", context))


def _board(evaluation: Evaluation, split: str) -> dict[str, Any]:
    ranked = evaluation.ranked(split)
    highs = [r.scores["accuracy"]["mean"].high or _accuracy(r) for r in ranked]
    top = min(1.0, 1.15 * max([*highs, 1.5 / evaluation.levels]))
    rows, place = [], 0
    for result in ranked:
        if result.model != "baseline":
            place += 1
        rows.append(_row(evaluation, result, place, top))
    score = ranked[0].scores["accuracy"]["mean"]
    season, league = PLACES.get(split, ("", ""))
    return {
        "split": split,
        "place": f"{season} seasons, {league.lower()} leagues" if season else split,
        "coverage": "" if score.labels == score.cells else f"{score.labels / score.cells:.1%}",
        "subjects": f"{ranked[0].subjects:,}",
        "persons": f"{ranked[0].persons:,}",
        "rows": rows,
        "top": f"{top:.0%}",
    }


def _row(evaluation: Evaluation, result: Result, place: int, top: float) -> dict[str, Any]:
    score = result.scores["accuracy"]["mean"]
    facts = evaluation.facts.get(result.run, Facts())
    is_baseline = result.model == "baseline"
    observable = result.observable.get("mean")
    about = [result.model] if result.model not in ("baseline", result.run) else []
    about += [f"from {facts.pretraining}"] if facts.pretraining else []
    about += [f"{facts.frames} frames"] if facts.frames else []
    about += [f"{facts.parameters / 1e6:,.1f} M weights"] if facts.parameters else []
    return {
        "place": "" if is_baseline else str(place),
        "baseline": is_baseline,
        "run": result.run,
        "about": ", ".join(about) or ("baseline" if is_baseline else ""),
        "value": _percent(score) or "-",
        "interval": _interval(score),
        "bar": interval_bar(score.value, score.low, score.high, 1 / evaluation.levels, top),
        "group": result.group,
        "observable": _percent(observable) or "-",
        "observable_interval": _interval(observable),
        "within_one": _percent(result.scores["within_one"]["mean"]),
    }


def _percent(score: Score | None) -> str:
    return "" if score is None or score.value is None else f"{100 * score.value:.1f}"


def _interval(score: Score | None) -> str:
    if score is None or score.low is None or score.high is None:
        return ""
    return f"{100 * score.low:.1f} to {100 * score.high:.1f}"


def _accuracy(result: Result) -> float:
    value = result.scores["accuracy"]["mean"].value
    return -1.0 if value is None else value
