"""One self-contained HTML page about a dataset and the runs on it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from openbasket import __version__
from openbasket.dataset.reader import SPLIT_FILES, TEST_SPLITS, Sample, has_split, read_split
from openbasket.dataset.statistics import statistics
from openbasket.evaluation import Evaluation, Result, dataset_levels, evaluate
from openbasket.evaluation import tables as results
from openbasket.evaluation.figures import interval_plot, level_bars, radar
from openbasket.progress import status
from openbasket.skills import CATEGORIES, SKILLS, level_names
from openbasket.video.frames import Uniform, frames_at
from openbasket.video.still import jpeg
from openbasket.wording import counted
from openbasket.workspace import REEL_FPS, Workspace, write_text

__all__ = ["write_report"]

#: A reel is part of the page if it is no larger.
MAX_REEL_BYTES = 24 << 20
SNAPSHOTS = 8
SNAPSHOT_REELS = 4
FPS = int(REEL_FPS)
WORDS = {
    "field_goal": "field goal",
    "free_throw": "free throw",
    "offensive_rebound": "offensive rebound",
    "defensive_rebound": "defensive rebound",
    "foul_drawn": "foul drawn",
    "blocked": "shot blocked by the other side",
}
#: With fewer persons than this an interval is a rough guide at best.
FEW_PERSONS = 20


def write_report(
    workspace: Workspace,
    out: Path,
    *,
    predictions: Sequence[Path] = (),
    evaluation: Evaluation | None = None,
    quiet: bool = False,
) -> Path:
    """Write the report: dataset statistics, a reel that plays, a player's card, results, snapshots.

    What is not there yet is named in its place, with the command that makes it. Nothing is loaded from
    elsewhere; every text from the data is escaped.

    Args:
        workspace: the dataset.
        out: HTML file to write.
        predictions: files of predictions to score and to show.
        evaluation: of these predictions, if it was made already.
        quiet: show no progress.
    """
    with status("writing the report", quiet=quiet):
        root = workspace.root
        samples = {
            split: read_split(root, split, levels=dataset_levels(root), require_videos=False)
            for split in SPLIT_FILES
            if has_split(root, split)
        }
        if evaluation is None and any(samples.get(split) for split in TEST_SPLITS):
            evaluation = evaluate(predictions, root)
        context = {
            "version": __version__,
            "facts": _facts(workspace),
            "tables": _statistics(workspace),
            "player": _player(workspace, samples, predictions),
            "snapshots": _snapshots(workspace, samples),
            "results": None if evaluation is None else _results(evaluation),
            "has_runs": bool(predictions),
            "missing": _missing(workspace, samples, predictions),
        }
        environment = Environment(
            loader=PackageLoader("openbasket.evaluation"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return write_text(out, environment.get_template("report.html.j2").render(context))


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


# -- the player ----------------------------------------------------------------------------------


def _player(
    workspace: Workspace, samples: dict[str, list[Sample]], predictions: Sequence[Path]
) -> dict[str, Any] | None:
    """The subject who is shown: of the test split if possible, with a reel of many clips."""
    if not workspace.has("reels"):
        return None
    reels = workspace.read("reels").filter(pl.col("draw") == 0)
    paths = dict(reels.group_by("path").len().rows())
    shown = [
        sample
        for split in ("test", "val", "train", *SPLIT_FILES)
        for sample in samples.get(split, [])
        if sample.path in paths and sample.video.is_file()
    ]
    if not shown:
        return None
    shown = [s for s in shown if _fits(s)] or shown
    in_test = [s for s in shown if s in samples.get("test", [])] or shown
    sample = max(
        in_test, key=lambda s: (paths[s.path], sum(x is not None for x in s.levels), s.path)
    )
    levels = dataset_levels(workspace.root)
    predicted = _predicted(predictions, sample.subject_id, levels)
    rows = reels.filter(pl.col("path") == sample.path).sort("position")
    people = dict(workspace.read("players").select("player_id", "name").rows())
    names = level_names(levels)
    skills = [
        {
            "name": s.name,
            "category": s.category,
            "label": level_bars(label, levels),
            "label_name": "no label" if label is None else names[label],
            "predicted": None if guess is None else level_bars(guess, levels, "guess"),
            "predicted_name": "" if guess is None else names[guess],
        }
        for s, label, guess in zip(SKILLS, sample.levels, predicted, strict=True)
    ]
    outlines: list[tuple[str, list[float | None]]] = [("label", _category_means(sample.levels))]
    if any(guess is not None for guess in predicted):
        outlines.append(("guess", _category_means(predicted)))
    return {
        "name": people.get(sample.player_id) or sample.player_id,
        "league": sample.league,
        "season": sample.season,
        "split": next(split for split, part in samples.items() if sample in part),
        "video": _data_uri(sample.video.read_bytes(), "video/mp4") if _fits(sample) else None,
        "path": sample.path,
        "megabytes": f"{sample.video.stat().st_size / 1e6:.0f}",
        "clips": _clips(workspace, rows),
        "skills": skills,
        "has_prediction": len(outlines) > 1,
        "radar": radar(_axes(sample.levels), outlines, levels - 1),
        "categories": CATEGORIES,
    }


def _fits(sample: Sample) -> bool:
    """Whether a reel is small enough to be part of the page."""
    return sample.video.stat().st_size <= MAX_REEL_BYTES


def _predicted(predictions: Sequence[Path], subject: str, levels: int) -> list[int | None]:
    """The likeliest level of each skill by the first run that knows the subject."""
    for path in predictions:
        rows = Workspace.read_file("predictions", path).filter(pl.col("subject_id") == subject)
        if rows.is_empty():
            continue
        first = rows.filter(pl.col("run") == rows["run"].sort()[0], pl.col("p0").is_not_null())
        columns = [f"p{level}" for level in range(levels)]
        best = dict(
            zip(
                first["skill"],
                first.select(columns).to_numpy().argmax(axis=1).tolist(),
                strict=True,
            )
        )
        return [best.get(s.key) for s in SKILLS]
    return [None] * len(SKILLS)


def _category_means(levels: Sequence[int | None]) -> list[float | None]:
    means: list[float | None] = []
    for category in CATEGORIES:
        known = [
            level
            for level, s in zip(levels, SKILLS, strict=True)
            if level is not None and s.category == category
        ]
        means.append(sum(known) / len(known) if known else None)
    return means


def _axes(levels: Sequence[int | None]) -> list[str]:
    means = zip(CATEGORIES, _category_means(levels), strict=True)
    return [c.capitalize() + (" (no label)" if mean is None else "") for c, mean in means]


def _clips(workspace: Workspace, rows: pl.DataFrame) -> list[dict[str, Any]]:
    parts = [workspace.read("events", *pair) for pair in workspace.seasons("events")]
    events = pl.concat(parts).select(
        "game_id", "event_id", "period", "clock_s", "kind", "made", "value"
    )
    clips = []
    for row in rows.join(events, on=["game_id", "event_id"], maintain_order="left").iter_rows(
        named=True
    ):
        what = WORDS.get(row["kind"], row["kind"].replace("_", " "))
        if row["kind"] == "field_goal":
            what = f"{row['value']}-point field goal"
        if row["made"] is not None:
            what += ", made" if row["made"] else ", missed"
        minutes, seconds = divmod(row["clock_s"], 60)
        clips.append(
            {
                "start_s": f"{row['first_frame'] / FPS:.3f}",
                "at": f"{int(row['first_frame'] / FPS // 60)}:{row['first_frame'] / FPS % 60:04.1f}",
                "game": row["game_id"],
                "clock": f"period {row['period']}, {int(minutes)}:{seconds:04.1f}",
                "what": what,
            }
        )
    return clips


def _snapshots(workspace: Workspace, samples: dict[str, list[Sample]]) -> list[dict[str, Any]]:
    """Eight uniform frames of a few reels (the paper's Figure 6), spread over the splits."""
    picked: list[Sample] = []
    for part in samples.values():
        for sample in part[: 1 if len(samples) > 1 else SNAPSHOT_REELS]:
            if sample.video.is_file() and len(picked) < SNAPSHOT_REELS:
                picked.append(sample)
    names: dict[str, str | None] = {}
    if workspace.has("players"):
        names = dict(workspace.read("players").select("player_id", "name").rows())
    rows = []
    for sample in picked:
        frames = frames_at(sample.video, Uniform(SNAPSHOTS), 124).pixels
        height, width = (side - side % 2 for side in frames.shape[1:3])
        images = [
            _data_uri(jpeg(np.ascontiguousarray(f[:height, :width])), "image/jpeg") for f in frames
        ]
        who = names.get(sample.player_id) or sample.player_id
        rows.append({"who": who, "where": f"{sample.league} {sample.season}", "images": images})
    return rows


def _data_uri(content: bytes, kind: str) -> Markup:
    return Markup(f"data:{kind};base64,{base64.b64encode(content).decode()}")  # noqa: S704


# -- the results ---------------------------------------------------------------------------------


def _results(evaluation: Evaluation) -> dict[str, Any]:
    splits = list(dict.fromkeys(r.split for r in evaluation.results))
    main = splits[0]
    whole = [r for r in evaluation.results if r.split == main and not r.part]
    chance = 1 / evaluation.levels
    shown = next((r for r in whole if r.model != "baseline"), whole[-1])
    found = [results.skill_table(evaluation, main), results.split_table(evaluation)]
    parts = results.breakdown_table(evaluation, main)
    if parts[2]:
        found.append(parts)
    return {
        "tables": [{"title": t, "columns": c, "rows": r} for t, c, r in found],
        "plot": interval_plot(_plot_rows(shown), chance),
        "run": shown.run,
        "split": main,
        "verdicts": [_verdict(r, chance) for r in whole if r.model != "baseline"],
        "chance": f"{chance:.1%}",
        "subjects": shown.subjects,
        "persons": shown.persons,
        "few": shown.persons < FEW_PERSONS,
        "resamples": f"{evaluation.resamples:,}",
    }


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


def _verdict(result: Result, chance: float) -> str:
    score = result.scores["accuracy"]["mean"]
    if score.value is None:
        return f"{result.run}: no labels to score."
    if score.low is None or score.high is None:
        return f"{result.run}: {score.value:.1%}, from one person; no interval can be given."
    told = f"{result.run}: {score.value:.1%}, 95 % interval {score.low:.1%} to {score.high:.1%}. "
    if score.low <= chance <= score.high:
        return told + f"The interval holds chance ({chance:.1%}): this may be noise."
    side = "above" if score.low > chance else "below"
    return told + f"The interval lies {side} chance ({chance:.1%})."
