"""Verbs: train, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.options import Json, Quiet, Workers, print_json, say
from openbasket.wording import counted

__all__ = ["register"]

Data = Annotated[Path, typer.Option(help="Dataset in the official layout.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(train)
    app.command()(predict)


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (tiny, small), or a TOML file.")],
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
    """Train a model on the dataset's train split; keep the best by its val split."""
    from dataclasses import asdict

    from openbasket.training.config import load_recipe
    from openbasket.training.loop import train as run_training

    config = load_recipe(recipe, override or ())
    report = run_training(config, data, out, resume=resume, quiet=quiet, workers=workers)
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
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict the levels of every subject of a split with a trained run."""
    from dataclasses import asdict

    from openbasket.dataset.reader import SPLIT_FILES, has_split, read_split
    from openbasket.training.predict import predict as run_prediction
    from openbasket.training.text import answer_report, answers_path

    splits = split or [
        name
        for name in SPLIT_FILES
        if name not in ("train", "val") and has_split(data, name) and read_split(data, name)
    ]
    frame = run_prediction(run, data, out, splits=splits, quiet=quiet, workers=workers)
    subjects = frame["subject_id"].n_unique()
    answers = answer_report(out)
    if as_json:
        told = {"path": str(out), "subjects": subjects, "rows": frame.height, "splits": splits}
        print_json(told | ({} if answers is None else {"answers": asdict(answers)}))
        return
    say(f"{counted(subjects, 'subject')} of {', '.join(splits)} predicted into {out}")
    if answers is not None:
        faults = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in answers.faults.items())
        say(
            f"{counted(answers.answers, 'answer')}, {answers.whole} without a fault; "
            f"{answers.levels} of {answers.cells} levels; faults: {faults} ({answers_path(out)})"
        )
