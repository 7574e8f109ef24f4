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
#: What kinds of weights are called, if not by their name.
KINDS = {"made": "made from others", "lacking": "needed, but fresh"}


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("models")(list_models)
    weights = typer.Typer(no_args_is_help=True)
    weights.command()(convert)
    app.add_typer(weights, name="weights", help="Use the weights of official checkpoints.")


def list_models(as_json: Json = False) -> None:
    """List the models: frames, picture size, number of weights, source, licence, colours."""
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
        "Where each comes from, and the colours it was made for: --json",
    )
    for spec in specs:
        if spec.note:
            say(f"{spec.name}: {spec.note}")


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
    from_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Frames of the checkpoint's own clips; by default guessed."),
    ] = None,
    from_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Height and width of its own clips in pixels; by default guessed."
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Write a network of which the checkpoint lacks parts, too."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Convert an official checkpoint to safetensors, for a model of any frames and size.

    Position tables are interpolated; where one may be of several frames and sizes, the choice is told. Heads,
    and what official checkpoints may lack, are fresh. Nothing is written, and the exit code is 1, if the
    checkpoint lacks other parts of the network, or they do not fit.
    """
    from dataclasses import asdict

    from openbasket.errors import ConfigError
    from openbasket.models.weights import convert as convert_file
    from openbasket.training.checkpoint import save_weights

    target = out or path.with_name(f"{path.stem}-{model}.safetensors")
    if target.suffix != ".safetensors":
        raise ConfigError(f"--out: got '{target}'; weights are a file named '.safetensors'")
    built, report = convert_file(
        path,
        model,
        num_frames=num_frames,
        size=size,
        from_frames=from_frames,
        from_size=from_size,
    )
    written = report.fits or (partial and report.any)
    if written:
        _, frames, side, _ = built.clip_shape
        save_weights(target, built, {"model": model, "num_frames": frames, "size": side})
    if as_json:
        print_json({"path": str(target) if written else None} | asdict(report))
    else:
        kinds = asdict(report)
        notes = kinds.pop("notes")
        for kind, names in kinds.items():
            more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
            listed = f": {', '.join(names[:SHOWN])}{more}" if names and kind != "loaded" else ""
            say(f"{KINDS.get(kind, kind)}: {counted(len(names), 'weight')}{listed}")
        for note in notes:
            say(f"note: {note}")
        if written:
            say(f"written to {target}")
        elif not report.any:
            say(f"nothing written: nothing fits '{model}'")
        else:
            say(
                f"nothing written: {counted(len(report.lacking), 'weight')} of '{model}' would be fresh. Is "
                "it the right model, size and patch? --partial writes it nevertheless"
            )
    if not written:
        raise typer.Exit(1)
