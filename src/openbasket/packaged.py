"""Recipes, suites and benchmarks that come along, and what to tell who takes one kind for another."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from importlib.resources import files
from typing import Literal

__all__ = ["names", "text", "what_else"]

Kind = Literal["recipes", "suites", "rendered"]


def names(kind: Kind) -> list[str]:
    """Names of what comes along of a kind, sorted."""
    folder = files("openbasket") / kind
    found = (file.name for file in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def text(kind: Kind, name: str) -> str:
    """The TOML of one of :func:`names`."""
    return (files("openbasket") / kind / f"{name}.toml").read_text(encoding="utf-8")


def what_else(
    given: str, wanted: Literal["model", "recipe", "suite"], models: Collection[str]
) -> str:
    """A sentence on a name that is of another kind than wanted, with a blank before it; or nothing.

    Args:
        given: the name.
        wanted: the kind that it should be of.
        models: names of models.

    Example:
        >>> what_else("tiny", "model", ["tiny_conv"])
        " 'tiny' is a recipe (of model 'tiny_conv') and a suite, not a model."
    """
    kinds = []
    if given in models:
        kinds.append("a model")
    if given in names("recipes"):
        kinds.append(f"a recipe (of model '{_model(given)}')")
    if given in names("suites"):
        kinds.append("a suite")
    if not kinds:
        return ""
    told = f" '{given}' is {' and '.join(kinds)}, not a {wanted}."
    trained_by = [name for name in names("recipes") if _model(name) == given]
    if wanted == "recipe" and trained_by:
        told += f" Recipes of it: {', '.join(trained_by)}."
    return told


def _model(recipe: str) -> str:
    return str(tomllib.loads(text("recipes", recipe))["model"]["name"])
