"""The command line: each verb parses, calls the library and prints. Heavy imports stay inside the verbs."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from openbasket import __version__
from openbasket.cli import (
    ablate,
    baselines,
    benchmark,
    ceiling,
    data,
    demo,
    evaluation,
    explore,
    fairness,
    scouting,
    simulation,
    study,
    training,
    transcripts,
    weights,
)
from openbasket.errors import OpenBasketError, plain

__all__ = ["app", "main"]

#: Which extra brings an optional package.
EXTRAS = {
    "accelerate": "train",
    "alembic": "study",
    "av": "video",
    "cv2": "simulation",
    "fastapi": "study",
    "itsdangerous": "study",
    "jinja2": "report",
    "kornia": "train",
    "markupsafe": "report",
    "matplotlib": "figures",
    "peft": "train",
    "psycopg": "study",
    "safetensors": "train",
    "simplejpeg": "video",
    "sqlalchemy": "study",
    "torch": "train",
    "transformers": "train",
    "uvicorn": "study",
}


class _Interruptible(TyperGroup):
    """Tells, where a verb is interrupted, how to go on: Typer itself would say nothing."""

    def invoke(self, ctx: Any) -> Any:  # click's Context, as Typer ships it
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            typer.echo(str(stop) or "interrupted; run the same command again to continue", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="openbasket",
    cls=_Interruptible,
    help="Estimate fine-grained basketball skill from long video (BASKET, CVPR 2025).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"openbasket {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


for module in (
    transcripts, data, simulation, training, weights, evaluation, ceiling, benchmark, ablate,
    fairness, baselines, scouting, explore, study, demo,
):  # fmt: skip
    module.register(app)


def main() -> None:
    """Run the command line.

    Exit codes: 0 all is well; 1 a check or an audit found faults; 2 bad usage or input;
    130 interrupted.
    """
    try:
        app()
    except OpenBasketError as error:
        _fail(type(error).__name__, str(error))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        _fail(
            "DependencyError",
            f"this needs '{error.name}', which is not installed. "
            f"Install it with: pip install 'openbasket[{extra}]'",
        )


def _fail(kind: str, message: str) -> None:
    if "--json" in sys.argv:
        typer.echo(json.dumps({"error": {"kind": kind, "message": message}}))
    lines = "\n".join(map(plain, message.split("\n")))
    typer.secho(f"error: {lines}", fg="red", err=True)
    sys.exit(2)
