"""Settings of a recipe by their names: what is allowed there, and what to tell of one that is not."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from openbasket.errors import suggest

__all__ = ["fault", "place_of", "settings", "unknown"]

Model = type[BaseModel]
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def settings(model: Model, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield each setting with its full name, ``train.epochs``; sections come before what is in them."""
    for name, field in model.model_fields.items():
        yield prefix + name, field
        if inner := _section(field):
            yield from settings(inner, f"{prefix}{name}.")


def place_of(loc: Sequence[str | int]) -> str:
    """The name of the setting that an error of pydantic is about; options of a model are one setting each."""
    parts = [str(part) for part in loc]
    return ".".join(parts[:3] if parts[:2] == ["model", "options"] else parts[: _depth(parts)])


def unknown(model: Model, names: Sequence[str]) -> str | None:
    """What to tell of a name that no setting has; nothing if one has it.

    Args:
        model: the recipe's.
        names: the parts of the name, as dots cut it.
    """
    known = [name for name, _ in settings(model)]
    key = ".".join(names)
    if key in known or (names[:2] == ["model", "options"] and len(names) == 3 and names[2]):
        return None
    leaves: dict[str, list[str]] = {}
    for name, field in settings(model):
        if _section(field) is None:
            leaves.setdefault(name.rpartition(".")[2], []).append(name)
    near = leaves.get(names[-1], [])
    if near:
        told = f" Did you mean {' or '.join(repr(name) for name in near)}?"
    else:
        told = suggest(key, known)
        if not told and (leaf := suggest(names[-1], list(leaves))):
            found = leaves[leaf.split("'")[1]]
            told = f" Did you mean {' or '.join(repr(name) for name in found)}?"
    section = ".".join(names[:-1])
    inside = [n for n in known if n.rpartition(".")[0] == section] if section else []
    shown = inside or [n for n, field in settings(model) if "." not in n and _section(field)]
    what = f"in '{section}'" if inside else "sections"
    return f"there is no setting '{key}'.{told} Known {what}: {', '.join(shown)}"


def fault(model: Model, error: Mapping[str, Any]) -> str:
    """One error of pydantic in our words: the setting, what was given, what is allowed.

    Args:
        model: the recipe's.
        error: of ``ValidationError.errors()``.
    """
    place = place_of(error["loc"])
    if error["type"] == "extra_forbidden":
        return str(unknown(model, [str(part) for part in error["loc"]]))
    field = dict(settings(model)).get(place)
    if error["type"] == "missing" and place == ".".join(map(str, error["loc"])):
        what = "" if field is None else f"; allowed: {_allowed(field)}"
        return f"'{place}' is missing{what}"
    if error["type"] == "value_error":  # our own words
        told = str(error["ctx"]["error"])
        if isinstance(error["input"], dict | BaseModel):
            return f"'{place}': {told}" if place else told  # of the whole recipe: no place
    elif field is None:  # an option of the model
        told = "allowed: a number, text, true or false"
    else:
        told = f"allowed: {_allowed(field)}"
    return f"'{place}': got {error['input']!r}; {told}"


def _depth(parts: Sequence[str]) -> int:
    """How many parts name a setting: what is behind them is a place inside of its value."""
    if parts[:1] in (["model"], ["data"], ["train"], ["test"], ["log"]):
        return 3 if parts[:2] == ["data", "randaugment"] else 2
    return 1


def _section(field: FieldInfo) -> Model | None:
    found = field.annotation
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _allowed(field: FieldInfo) -> str:
    """What a setting may be: ``a whole number from 1 to 4096``."""
    if inner := _section(field):
        return f"a section with {', '.join(inner.model_fields)}"
    return _kind(field.annotation) + _range(field)


def _kind(annotation: Any) -> str:
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(repr(value) for value in inside)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(one) for one in inside if one is not type(None))
    if origin is dict:
        return "a section of options"
    if str in inside:
        return """a list of texts, such as '["a", "b"]'"""
    return "a list of numbers" if inside[-1] is Ellipsis else f"a list of {len(inside)} numbers"


def _range(field: FieldInfo) -> str:
    low = high = ""
    for rule in field.metadata:
        if isinstance(rule, Ge):
            low = f" from {rule.ge}"
        elif isinstance(rule, Gt):
            low = f" above {rule.gt}"
        elif isinstance(rule, Le):
            high = f" to {rule.le}" if low.startswith(" from") else f", at most {rule.le}"
        elif isinstance(rule, Lt):
            high = f", below {rule.lt}"
    return low + high
