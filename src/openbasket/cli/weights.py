"""Verbs: models, weights convert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openbasket.cli.options import Json, Quiet, print_json, print_table, say
from openbasket.wording import counted

if TYPE_CHECKING:
    from openbasket.models.weights import LoadReport

__all__ = ["register"]

#: Names that are shown of each kind; JSON has them all.
SHOWN = 10
#: What kinds of weights are called, if not by their name.
KINDS = {"made": "made of the checkpoint's, or computed", "lacking": "needed, but fresh"}


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("models")(list_models)
    weights = typer.Typer(no_args_is_help=True)
    weights.command()(convert)
    app.add_typer(weights, name="weights", help="Use the weights of official checkpoints.")


def list_models(as_json: Json = False, _quiet: Quiet = False) -> None:
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
    model: Annotated[
        str | None, typer.Option(help="Name of the model, such as internvideo2; or give --recipe.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Convert for what this recipe trains: its model (or the one that looks at its clips), "
            "options, frames and size. A name or a TOML file."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; by default PATH's name and the model's, beside PATH."),
    ] = None,
    num_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Frames in a clip; by default the recipe's, or the model's own."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Height and width in pixels; by default the recipe's, or the model's own."
        ),
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
    _quiet: Quiet = False,
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

    options: dict[str, Any] = {}
    if recipe is not None:
        from openbasket.training.config import load_recipe

        wanted = load_recipe(recipe)
        if model not in (None, wanted.model.name):
            raise ConfigError(
                f"recipe '{recipe}' trains '{wanted.model.name}', not '{model}'; give --recipe alone"
            )
        model, options = wanted.model.name, dict(wanted.model.options)
        num_frames, size = num_frames or wanted.data.frames, size or wanted.data.size
        backbone = options.get("backbone", "conv")
        if backbone != "conv":  # a registered model looks at each clip
            model = str(backbone)
            each = num_frames // int(options.get("clips", wanted.data.clips))
            num_frames = int(options.get("frames_shown") or each)
            options = {}
    if model is None:
        raise ConfigError(
            "for which model? Give --recipe (openbasket recipes) or --model (openbasket models)"
        )
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
        options=options,
    )
    written = report.fits or (partial and report.any)
    _, frames, side, _ = built.clip_shape
    if written:
        save_weights(target, built, {"model": model, "num_frames": frames, "size": side})
    if as_json:
        print_json({"path": str(target) if written else None} | asdict(report))
    else:
        for line in _lines(report, model):
            say(line)
        if report.any and not written:
            say(
                f"nothing written: {counted(len(report.lacking), 'weight')} of '{model}' would be fresh. Is "
                "it the right model, size and patch? --partial writes it nevertheless"
            )
        if written:
            say(f"written to {target}, for clips of {frames} frames of {side} x {side} pixels")
            for note in _other_clips(model, frames, side) if recipe is None else ():
                say(note)
    if not written:
        raise typer.Exit(1)


def _lines(report: LoadReport, model: str) -> Iterator[str]:
    """What came of a checkpoint, for people."""
    from dataclasses import asdict

    kinds: dict[str, tuple[str, ...]] = asdict(report)
    notes = kinds.pop("notes")
    if not report.any:
        own = [*report.missing, *report.misfit]
        yield (
            f"nothing written: nothing fits '{model}'. The checkpoint has "
            f"{_some(report.unexpected) or 'heads'}; the model has {_some(own)}. Is it the checkpoint "
            "of another model (openbasket models)?"
        )
        return
    for kind, names in kinds.items():
        if kind == "loaded":
            yield f"loaded: {counted(len(names), 'weight')}"
        elif names:
            yield f"{KINDS.get(kind, kind)}: {_some(names)}"
    for note in notes:
        yield f"note: {note}"


def _some(names: Sequence[str]) -> str:
    """How many, and the first of them; nothing of none."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    listed = f"{counted(len(names), 'weight')}: {', '.join(names[:SHOWN])}{more}"
    return listed if names else ""


def _other_clips(model: str, frames: int, side: int) -> Iterator[str]:
    """What to know where the recipe of the model's name trains other clips than its weights are for."""
    from openbasket.training.config import load_recipe, recipe_names

    if model in recipe_names():
        data = load_recipe(model).data
        if (data.frames, data.size) != (frames, side):
            yield (
                f"note: recipe '{model}' trains clips of {data.frames} frames of {data.size} x {data.size} "
                f"pixels; weights for it: --recipe {model}"
            )
