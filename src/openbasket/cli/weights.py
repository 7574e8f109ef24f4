"""Verbs: models, weights convert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openbasket.cli.options import Json, print_json, print_table, say
from openbasket.wording import counted

__all__ = ["register"]

#: Names that are shown of each kind; JSON has them all.
SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("models")(list_models)
    weights = typer.Typer(no_args_is_help=True)
    weights.command()(convert)
    app.add_typer(weights, name="weights", help="Use the weights of official checkpoints.")


def list_models(as_json: Json = False) -> None:
    """List the models: frames, picture size, number of weights, source, licence."""
    from dataclasses import asdict

    from openbasket.models import MODELS, TEXT_MODELS, model_spec

    specs = [model_spec(name) for name in sorted([*MODELS, *TEXT_MODELS])]
    if as_json:
        print_json([asdict(spec) for spec in specs])
        return
    print_table(
        "Models",
        ("name", "frames", "size", "weights", "licence"),
        [
            (s.name, str(s.frames), str(s.size), f"{s.params / 1e6:,.1f} M", s.licence)
            for s in specs
        ],
        "Where each comes from: --json",
    )


def convert(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="Official checkpoint: .pt, .pth, .bin or .safetensors."
        ),
    ],
    model: Annotated[str, typer.Option(help="Name of the model, such as internvideo2.")],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; by default PATH's name and the model's, beside PATH."),
    ] = None,
    num_frames: Annotated[
        int | None, typer.Option(min=1, help="Frames in a clip; by default the model's own.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=1, help="Height and width in pixels; by default the model's own."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Convert an official checkpoint to safetensors, for a model of any frames and size.

    Position tables are interpolated. Weights that the checkpoint lacks, such as the twenty heads,
    are fresh. Nothing is written, and the exit code is 1, if it has no weight of the model but heads.
    """
    from dataclasses import asdict

    from openbasket.models.weights import convert as convert_file
    from openbasket.training.checkpoint import save_weights

    built, report = convert_file(path, model, num_frames=num_frames, size=size)
    target = out or path.with_name(f"{path.stem}-{model}.safetensors")
    if report.fits:
        _, frames, side, _ = built.clip_shape
        save_weights(target, built, {"model": model, "num_frames": frames, "size": side})
    if as_json:
        print_json({"path": str(target) if report.fits else None} | asdict(report))
    else:
        for kind, names in asdict(report).items():
            more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
            listed = f": {', '.join(names[:SHOWN])}{more}" if names and kind != "loaded" else ""
            say(f"{kind}: {counted(len(names), 'weight')}{listed}")
        say(f"written to {target}" if report.fits else f"nothing written: nothing fits '{model}'")
    if not report.fits:
        raise typer.Exit(1)
