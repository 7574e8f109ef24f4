"""Recipes: one TOML file that says all there is to say about a training run."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from openbasket.errors import ConfigError, suggest
from openbasket.models import MODELS, TEXT_MODELS, no_heads
from openbasket.video.frames import Sampling

__all__ = ["DataConfig", "ModelConfig", "Recipe", "TrainConfig", "load_recipe", "recipe_names"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ModelConfig(_Section):
    """Which model."""

    name: str = Field(description="A name in openbasket.models.MODELS.")
    options: dict[str, int | float | str | bool] = Field(
        default_factory=dict, description="Further options of the model's constructor."
    )

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name in TEXT_MODELS:
            raise ValueError(no_heads(name))
        if name not in MODELS:
            known = sorted(MODELS)
            raise ValueError(f"unknown model.{suggest(name, known)} Known: {', '.join(known)}")
        return name


class DataConfig(_Section):
    """What the model sees."""

    frames: int = Field(ge=1, le=4096, description="Frames taken uniformly from a video.")
    size: int = Field(ge=16, le=1024, description="Height and width of the picture, pixels.")
    short_side: int = Field(
        default=224, ge=16, le=1024, description="Short side of a decoded frame, pixels."
    )
    sampling: Sampling = Field(
        default="exact",
        description="Frames: 'exact', or 'keyframe', the nearest that decode by themselves.",
    )
    levels: int = Field(default=5, ge=2, le=5, description="Levels of a skill: 5, or 3.")
    crop_scale_min: float = Field(
        default=0.6, gt=0, le=1, description="Least share of the area kept by the random crop."
    )
    flip: bool = Field(
        default=False,
        description="Mirror half of the training videos. Off: it mirrors the numbers on the jerseys.",
    )

    @field_validator("levels")
    @classmethod
    def _three_or_five(cls, levels: int) -> int:
        if levels not in (3, 5):
            raise ValueError("levels are 3 or 5")
        return levels

    @model_validator(mode="after")
    def _size_fits(self) -> DataConfig:
        if self.short_side < self.size:
            raise ValueError(f"short_side ({self.short_side}) must be at least size ({self.size})")
        return self


class TrainConfig(_Section):
    """How it learns."""

    epochs: int = Field(ge=1, description="Passes over the training split.")
    batch_size: int = Field(ge=1, description="Videos in a batch, on each device.")
    learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(default=0.05, ge=0, description="Weight decay of AdamW.")
    warmup_epochs: float = Field(
        default=0.0, ge=0, description="Epochs of linear warm-up; then cosine decay to zero."
    )
    grad_clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    accumulate: int = Field(default=1, ge=1, description="Batches added up for one update.")
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="Arithmetic of the forward pass; weights are always fp32."
    )
    seed: int = Field(
        default=0, ge=0, description="Seed of weights, order, augmentation and dropout."
    )


class Recipe(_Section):
    """One training run, complete. Equal recipes on equal data give equal models on one machine."""

    name: str = Field(description="The recipe's name: that of its file.")
    summary: str = Field(default="", description="What it is for, in one line.")
    model: ModelConfig
    data: DataConfig
    train: TrainConfig


def recipe_names() -> list[str]:
    """Names of the recipes that come with openbasket, sorted."""
    folder = files("openbasket") / "recipes"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and change single values of it.

    Args:
        name_or_path: a name in :func:`recipe_names`, or the path of a ``.toml`` file.
        overrides: such as ``"train.epochs=3"``; the value is read as TOML, else as plain text.

    Raises:
        ConfigError: no such recipe, not TOML, or faults in it; all of them in one message.
    """
    source, text = _read(name_or_path)
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"recipe '{source}' is not TOML: {error}") from None
    content.setdefault("name", Path(source).stem)
    faults = [fault for item in overrides if (fault := _override(content, item))]
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        faults += [_fault(dict(e)) for e in error.errors(include_url=False)]
    if faults or recipe is None:
        noun = "fault" if len(faults) == 1 else "faults"
        raise ConfigError(
            f"recipe '{source}' has {len(faults)} {noun}:\n"
            + "\n".join(f"  - {fault}" for fault in faults)
        )
    return recipe


def _read(name_or_path: str | Path) -> tuple[str, str]:
    given = str(name_or_path)
    if not given.endswith(".toml"):
        if given in recipe_names():
            return f"{given}.toml", (files("openbasket") / "recipes" / f"{given}.toml").read_text()
        raise ConfigError(
            f"unknown recipe '{given}'.{suggest(given, recipe_names())} Known: "
            f"{', '.join(recipe_names())}; or give the path of a .toml file"
        )
    try:
        return given, Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"recipe '{given}' cannot be read ({error}). Recipes by name: "
            f"{', '.join(recipe_names())}"
        ) from None


def _override(content: dict[str, Any], item: str) -> str | None:
    """Put one override into ``content``; return what is wrong with it, if anything."""
    key, equals, text = item.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        return f"override '{item}': allowed: section.key=value, such as train.epochs=3"
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    section = content
    for name in names[:-1]:
        section = section.setdefault(name, {})
        if not isinstance(section, dict):
            return f"override '{item}': '{name}' is a value, not a section"
    section[names[-1]] = value
    return None


def _fault(error: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "recipe"
    if error["type"] == "missing":
        return f"'{place}' is missing"
    if error["type"] == "extra_forbidden":
        known = _known_keys(error["loc"][:-1])
        return (
            f"'{place}' is no setting.{suggest(str(error['loc'][-1]), known)} "
            f"Known: {', '.join(known)}"
        )
    given = error["input"] if not isinstance(error["input"], dict) else "this section"
    return f"'{place}': got {given!r}; {error['msg']}"


def _known_keys(place: Sequence[str | int]) -> list[str]:
    sections: dict[str, type[_Section]] = {
        "model": ModelConfig,
        "data": DataConfig,
        "train": TrainConfig,
    }
    section = sections.get(str(place[0]), Recipe) if place else Recipe
    return list(section.model_fields)
