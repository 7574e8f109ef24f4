"""Verbs: train, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.options import Json, Quiet, Workers, print_json, say
from openbasket.wording import counted

__all__ = ["register"]

#: Failures that are shown; the file and JSON have them all.
SHOWN = 10

Data = Annotated[Path, typer.Option(help="Dataset in the official layout.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(train)
    app.command()(predict)


def train(
    recipe: Annotated[
        str, typer.Argument(help="Name of a recipe (openbasket recipes), or a TOML file.")
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting, like train.epochs=3; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on with the run that lies in the folder, or start anew.")
    ] = True,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on the dataset's train split; keep the best by its val split.

    With several processes: accelerate launch --num_processes N -m openbasket train ...
    """
    from dataclasses import asdict

    from openbasket.training.config import load_recipe
    from openbasket.training.loop import train as run_training

    config = load_recipe(recipe, override or ())
    report = run_training(config, data, out, resume=resume, quiet=quiet, workers=workers)
    if not report.is_main:
        return
    if as_json:
        print_json(asdict(report))
        return
    say(
        f"{counted(report.epochs, 'epoch')} on {counted(report.train_samples, 'reel')} "
        f"({report.val_samples} to validate), {report.parameters:,} parameters, "
        f"{report.seconds:.0f} s; best epoch {report.best_epoch}"
    )


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split to predict; may be repeated. By default all but train and val."),
    ] = None,
    views: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="T S",
            help="Temporal and spatial views whose probabilities are averaged; by default the recipe's.",
        ),
    ] = None,
    allow_failures: Annotated[
        bool, typer.Option("--allow-failures", help="Exit with 0 though videos could not be used.")
    ] = False,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict the levels of every subject of a split with a trained run.

    Subjects whose video fails are left out, listed in OUT's .failures.json, and the exit code is 1.
    """
    from dataclasses import asdict

    from openbasket.dataset.reader import SPLIT_FILES, has_split, read_split
    from openbasket.training.predict import failures_path
    from openbasket.training.predict import predict as run_prediction
    from openbasket.training.text import answer_report, answers_path

    splits = split or [
        name
        for name in SPLIT_FILES
        if name not in ("train", "val")
        and has_split(data, name)
        and read_split(data, name, require_videos=False)
    ]
    done = run_prediction(run, data, out, splits=splits, views=views, quiet=quiet, workers=workers)
    if not done.is_main:
        return
    answers = answer_report(out)
    subjects, failed = done.frame["subject_id"].n_unique(), len(done.failures)
    if as_json:
        print_json(
            {
                "path": str(out), "subjects": subjects, "rows": done.frame.height, "splits": splits,
                "failures": [asdict(failure) for failure in done.failures],
            }
            | ({} if answers is None else {"answers": asdict(answers)})
        )  # fmt: skip
    else:
        say(f"{counted(subjects, 'subject')} of {', '.join(splits)} predicted into {out}")
        if answers is not None:
            faults = ", ".join(
                f"{n} {kind.replace('_', ' ')}" for kind, n in answers.faults.items()
            )
            say(
                f"{counted(answers.answers, 'answer')}, {answers.whole} without a fault; "
                f"{answers.levels} of {answers.cells} levels; faults: {faults} ({answers_path(out)})"
            )
        for failure in done.failures[:SHOWN]:
            say(f"no prediction: {failure.subject_id} ({failure.path}): {failure.error}")
        if failed:
            say(f"{counted(failed, 'subject')} without predictions, listed in {failures_path(out)}")
    if failed and not allow_failures:
        raise typer.Exit(1)
