"""Verbs: benchmark, recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from openbasket.cli.evaluation import Crossing
from openbasket.cli.options import Json, Quiet, Workers, print_json, print_table, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(benchmark)
    recipes = typer.Typer(cls=_Recipes, invoke_without_command=True)
    recipes.callback()(list_recipes)
    recipes.command()(show)
    app.add_typer(recipes, name="recipes", help="List the recipes, or print one to copy.")


class _Recipes(TyperGroup):
    """Tells who gives a recipe where a command should stand how to print it."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:
            from openbasket.errors import ConfigError
            from openbasket.training.config import recipe_names

            word, known = args[0], recipe_names()
            like = [name for name in known if word.lower() in name]
            told = f" Recipes with '{word}' in their names: {', '.join(like)}." if like else ""
            name = word if word in known else "NAME"
            raise ConfigError(
                f"recipes: got '{word}'.{told} To print one: openbasket recipes show {name}; to list all: "
                "openbasket recipes"
            )
        return super().resolve_command(ctx, args)


def list_recipes(context: typer.Context, as_json: Json = False, _quiet: Quiet = False) -> None:
    """List the recipes: model, frames, picture size, number of weights."""
    if context.invoked_subcommand is not None:
        return
    from openbasket.models import model_spec
    from openbasket.training.config import load_recipe, recipe_names

    rows: list[dict[str, Any]] = []
    for recipe in map(load_recipe, recipe_names()):
        rows.append(
            {
                "name": recipe.name,
                "summary": recipe.summary,
                "model": recipe.model.name,
                "frames": recipe.data.frames,
                "size": recipe.data.size,
                "parameters": model_spec(recipe.model.name).params,
            }
        )
    if as_json:
        print_json(rows)
        return
    print_table(
        "Recipes",
        ("name", "frames", "size", "weights", "summary"),
        [
            (r["name"], r["frames"], r["size"], f"{r['parameters'] / 1e6:,.1f} M", r["summary"])
            for r in rows
        ],
        "Weights: of the model at its own size. Print one, to copy it: openbasket recipes show NAME",
    )


def show(name: Annotated[str, typer.Argument(help="Name of a recipe.")]) -> None:
    """Print a recipe's TOML, comments and all."""
    from openbasket.training.config import recipe_text

    typer.echo(recipe_text(name), nl=False)


def benchmark(
    data: Annotated[Path, typer.Option(help="Dataset in the official layout.")],
    out: Annotated[Path, typer.Option(help="Folder of runs, predictions and tables.")],
    suite: Annotated[
        str, typer.Option(help="Name of a suite (tiny), or the path of a TOML file.")
    ] = "tiny",
    models: Annotated[
        str | None, typer.Option(help="Runs of the suite to run, with commas; all by default.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change a setting of all, like train.epochs=3; may be repeated."
        ),
    ] = None,
    workers: Workers = None,
    allow_crossing: Crossing = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train, predict and evaluate each recipe of a suite, and write one table of them.

    Interrupted and run again, it continues where it was. A model that fails is a row with its error; the
    others go on, and the exit code is 1.
    """
    from openbasket.cli.benchmarking import run_suite, table_of

    rows = run_suite(
        suite,
        data,
        out,
        wanted=models,
        overrides=override or (),
        workers=workers,
        allow_crossing=allow_crossing,
        quiet=quiet,
    )
    if as_json:
        print_json([row.to_json() for row in rows])
    else:
        for line in table_of(suite, out, "md").read_text(encoding="utf-8").rstrip().splitlines():
            say(line)
    if any(row.error for row in rows):
        raise typer.Exit(1)
