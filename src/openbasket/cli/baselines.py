"""Verb: baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.options import Json, Quiet, Workers, print_json, refuse_no_predictions, say
from openbasket.wording import counted

__all__ = ["register"]

#: Names of the runs that are written.
RUNS = ("text-only", "mean-colour")


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(baselines)


def baselines(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Dataset in the official layout.")],
    out: Annotated[Path, typer.Option(help="Parquet file of predictions to write.")],
    run: Annotated[
        list[str] | None,
        typer.Option(help="text-only or mean-colour; may be repeated. By default both."),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split to predict; may be repeated. By default all but train and val."),
    ] = None,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict from league and season alone, and from the picture's mean colour alone, fit on train.

    Beside a model, they show what of its accuracy is the dataset's make-up or the scene.
    """
    import numpy as np
    import polars as pl

    from openbasket.dataset.prediction_rows import prediction_rows
    from openbasket.dataset.reader import (
        Sample,
        dataset_levels,
        labels_hash,
        read_split,
        test_splits,
    )
    from openbasket.errors import NotFoundError, UnknownNameError, VideoError
    from openbasket.evaluation import simple
    from openbasket.evaluation.baselines import text_only
    from openbasket.evaluation.runs import BASELINE
    from openbasket.evaluation.scoring import label_array
    from openbasket.workspace import Workspace, run_facts_path, write_json

    refuse_no_predictions(out, root)
    wanted = list(dict.fromkeys(run or RUNS))
    for name in wanted:
        if name not in RUNS:
            raise UnknownNameError("baseline", name, RUNS)
    levels = dataset_levels(root)
    splits = split or test_splits(root)

    def read(name: str) -> list[Sample]:
        return read_split(root, name, levels=levels, require_videos=False)

    parts_of = {name: read(name) for name in splits}
    subjects = [sample for part in parts_of.values() for sample in part]
    train = read("train")
    if not subjects or not train:
        raise NotFoundError(
            f"the dataset at '{root}' has no subjects to "
            f"{'predict in ' + ', '.join(splits or ['test']) if train else 'learn from in train'}"
        )
    frames = []
    failures: dict[Path, str] = {}
    neighbours: int | None = None
    if "text-only" in wanted:
        told = text_only(train, subjects, levels)
        frames.append(prediction_rows(told, subjects, BASELINE, "text-only"))
    if "mean-colour" in wanted:
        val = read("val")
        videos = list(dict.fromkeys(s.video for s in (*train, *val, *subjects)))
        colours = simple.colour_features(
            videos, root, workers=workers, quiet=quiet, failures=failures
        )
        parts = [[s for s in part if s.video in colours] for part in (train, val)]
        if not parts[0]:
            first, error = next(iter(failures.items()))
            raise VideoError(f"no video of train can be used; '{first}': {error}")
        fitted = [
            (
                np.array([colours[s.video] for s in part]).reshape(len(part), -1),
                label_array(part),
            )
            for part in parts
        ]
        nothing = np.full(fitted[0][0].shape[1], np.nan)
        asked = np.array([colours.get(s.video, nothing) for s in subjects])
        told, neighbours = simple.mean_colour(fitted[0], fitted[1], asked, levels)
        frames.append(prediction_rows(told, subjects, BASELINE, "mean-colour"))
    Workspace.write_file("predictions", pl.concat(frames), out)
    labels = {name: labels_hash(part, levels) for name, part in parts_of.items()}
    write_json(run_facts_path(out), {name: {"labels": labels} for name in wanted})
    if as_json:
        print_json(
            {
                "path": str(out), "runs": wanted, "splits": splits, "subjects": len(subjects),
                "neighbours": neighbours,
                "failures": {str(video): error for video, error in failures.items()},
            }
        )  # fmt: skip
        return
    say(f"{counted(len(subjects), 'subject')} of {', '.join(splits)} predicted into {out}")
    if "mean-colour" in wanted:
        chosen = "all, so that colour says nothing" if neighbours is None else str(neighbours)
        say(f"mean-colour: neighbours chosen on val: {chosen}")
    for video, error in failures.items():
        say(f"without colour: {video}: {error}")
