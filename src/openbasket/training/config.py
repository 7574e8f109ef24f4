"""Recipes: one TOML file that says all there is to say about a training run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from openbasket import packaged
from openbasket.errors import ConfigError, suggest
from openbasket.models import MODELS, SET_MODELS, TEXT_MODELS
from openbasket.models.questions import TARGETS
from openbasket.training.settings import fault, place_of, unknown
from openbasket.wording import counted

__all__ = [
    "DataConfig",
    "LogConfig",
    "ModelConfig",
    "RandAugmentConfig",
    "Recipe",
    "TestConfig",
    "TrainConfig",
    "TranscriptsConfig",
    "load_recipe",
    "recipe_names",
    "recipe_text",
]

#: Two numbers; TOML and JSON write them as a list.
Pair = Annotated[tuple[float, float], Field(strict=False)]
#: Names, each once.
Names = Annotated[tuple[str, ...], Field(strict=False)]
_IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ModelConfig(_Section):
    """Which model."""

    name: str = Field(
        description="A name that 'openbasket models' lists, or package.module:attribute of your own."
    )
    options: dict[str, int | float | str | bool] = Field(
        default_factory=dict, description="Further options of the model's constructor."
    )
    weights: str | None = Field(
        default=None,
        description="A safetensors file to begin with ('openbasket weights convert' makes it); of a "
        "model that answers in text, a folder in transformers' format. Where there are transcripts.epochs, "
        "these begin with it.",
    )
    partial: bool = Field(
        default=False,
        description="Begin with a file that lacks parts of the network; they are new.",
    )
    frozen: bool = Field(
        default=False,
        description="Train the heads alone, on features of the begun weights that are computed once; "
        "no augmentation.",
    )
    checkpointing: bool = Field(
        default=False,
        description="Make activations again in the backward pass: less memory, more time.",
    )
    compile: bool = Field(default=False, description="Compile the model with torch.compile.")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        known = sorted([*MODELS, *TEXT_MODELS])
        if name not in known and not _IMPORT_PATH.fullmatch(name):
            told = packaged.what_else(name, "model", known) or suggest(name, known)
            raise ValueError(
                f"no such model.{told} Known: {', '.join(known)}; "
                "or package.module:attribute of your own"
            )
        return name


class RandAugmentConfig(_Section):
    """RandAugment (Cubuk et al., 2020): the same random operations for all frames of a clip."""

    operations: int = Field(default=0, ge=0, le=14, description="Operations on a clip; 0 is off.")
    magnitude: int = Field(default=9, ge=1, le=29, description="Their strength, of 30.")


class DataConfig(_Section):
    """What the model sees."""

    frames: int = Field(ge=1, le=4096, description="Frames taken from a video.")
    size: int = Field(ge=16, le=1024, description="Height and width of the picture, pixels.")
    short_side: int = Field(
        default=224, ge=16, le=1024, description="Short side of a decoded frame, pixels."
    )
    levels: int = Field(default=5, ge=2, le=5, description="Levels of a skill: 5, or 3.")
    draw: int = Field(
        default=0,
        ge=0,
        le=99,
        description="Which draw of the reels ('openbasket reels --draw'); 0 is the dataset.",
    )
    sampling: Literal["uniform", "interval", "clips"] = Field(
        default="uniform",
        description="uniform: frames over the whole video; interval: one stretch, every N-th frame; "
        "clips: as many frames of each clip.",
    )
    clips: int = Field(
        default=50,
        ge=1,
        le=1000,
        description="Clips that the model takes, where sampling is clips: of a reel with more, as many, "
        "evenly; of one with fewer, all, and the rest is not there (NaN).",
    )
    within: Pair = Field(
        default=(0.0, 1.0),
        description="Part of a clip that frames are taken from, 0 to 1, where sampling is clips.",
    )
    leagues: Names = Field(
        default=(),
        description="Leagues, by name, that the set model is told of a reel, where model.frozen is on; "
        "another league is told as unknown. None: it is told of no reel.",
    )
    seasons: Names = Field(
        default=(), description="Seasons, such as 21-22, that it is told likewise."
    )
    fit: Literal["crop", "whole"] = Field(
        default="crop",
        description="crop: a square of the picture (in training a random box); whole: all of it, squeezed "
        "into the square.",
    )
    interval: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Frames from one to the next where sampling is interval.",
    )
    reader: Literal["exact", "keyframe"] = Field(
        default="exact",
        description="exact: the very frames; keyframe: the nearest keyframes, quicker to read.",
    )
    normalise: Literal["imagenet", "half", "clip", "kinetics"] = Field(
        default="imagenet",
        description="Mean and deviation of colours that the model was made for ('openbasket models --json').",
    )
    crop_scale_min: float = Field(
        default=0.6, gt=0, le=1, description="Least share of the area kept by the random crop."
    )
    crop_aspect: Pair = Field(
        default=(3 / 4, 4 / 3), description="Least and greatest width / height of the random crop."
    )
    flip: bool = Field(
        default=False,
        description="Mirror half of the training videos. Off: it mirrors the numbers on the jerseys.",
    )
    randaugment: RandAugmentConfig = Field(
        default=RandAugmentConfig(), description="Random operations on colours and geometry."
    )
    erasing: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability that a box of the clip is filled with noise.",
    )

    @field_validator("levels")
    @classmethod
    def _three_or_five(cls, levels: int) -> int:
        if levels not in (3, 5):
            raise ValueError("allowed: 3 or 5")
        return levels

    @field_validator("leagues", "seasons")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "" in names or len(set(names)) < len(names):
            raise ValueError(f"got {list(names)}; allowed: each name once, and none of them empty")
        return names

    @property
    def conditions(self) -> dict[str, tuple[str, ...]]:
        """What the set model is told of a reel: ``leagues``, ``seasons``, and the names that it knows."""
        given = {"leagues": self.leagues, "seasons": self.seasons}
        return {kind: names for kind, names in given.items() if names}

    @field_validator("crop_aspect")
    @classmethod
    def _ordered(cls, aspect: tuple[float, float]) -> tuple[float, float]:
        if not 0.1 <= aspect[0] <= aspect[1] <= 10:
            raise ValueError("allowed: two numbers from 0.1 to 10, the lesser first")
        return aspect

    @model_validator(mode="after")
    def _clips_fit(self) -> DataConfig:
        if self.sampling == "clips" and self.frames % self.clips:
            raise ValueError(
                f"frames ({self.frames}) must be a multiple of clips ({self.clips}) where sampling is clips"
            )
        if not 0 <= self.within[0] < self.within[1] <= 1:
            raise ValueError(f"within is {self.within}; allowed: from 0 to 1, the lesser first")
        return self

    @model_validator(mode="after")
    def _size_fits(self) -> DataConfig:
        if self.short_side < self.size:
            raise ValueError(
                f"short_side ({self.short_side}) must be at least size ({self.size}); set both"
            )
        return self


class TrainConfig(_Section):
    """How it learns. Schedules count updates of the weights, not batches."""

    epochs: int = Field(ge=1, description="Passes over the training split.")
    patience: int = Field(
        default=0,
        ge=0,
        description="Stop after so many epochs without a lower validation loss; 0 is never.",
    )
    fraction: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of the training split's persons to learn from; the less is part of the more.",
    )
    batch_size: int = Field(ge=1, description="Videos in a batch, on each device.")
    accumulate: int = Field(default=1, ge=1, description="Batches added up for one update.")
    optimizer: Literal["adamw", "sgd"] = Field(default="adamw", description="Rule of the updates.")
    learning_rate: float = Field(gt=0, description="Peak learning rate.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of SGD.")
    nesterov: bool = Field(default=False, description="Nesterov's momentum in SGD.")
    betas: Pair = Field(default=(0.9, 0.999), description="Decay of AdamW's two averages.")
    weight_decay: float = Field(
        default=0.05, ge=0, description="Weight decay of matrices; biases and norms have none."
    )
    schedule: Literal["cosine", "step", "constant"] = Field(
        default="cosine", description="Course of the learning rate after the warm-up."
    )
    warmup_epochs: float = Field(default=0.0, ge=0, description="Epochs of linear warm-up.")
    warmup_start: float = Field(
        default=0.0, ge=0, description="Learning rate from which the warm-up rises."
    )
    min_learning_rate: float = Field(
        default=0.0, ge=0, description="Learning rate at which the cosine ends."
    )
    step_epochs: Annotated[tuple[float, ...], Field(strict=False)] = Field(
        default=(), description="Epochs after which schedule step lowers the learning rate."
    )
    step_factor: float = Field(
        default=0.1, gt=0, lt=1, description="What each step multiplies the learning rate by."
    )
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Learning rate of a layer by that of the layer above it; 1 is off.",
    )
    ema: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Decay of a moving average of the weights, which is validated and kept; 0 is off.",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Share of a label spread over all levels, in training."
    )
    grad_clip: float = Field(
        default=1.0, ge=0, description="Largest norm of the gradient; 0 is no limit."
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="Arithmetic of the forward pass; weights are always fp32."
    )
    seed: int = Field(
        default=0, ge=0, description="Seed of weights, order, augmentation and dropout."
    )
    loader_workers: int = Field(
        default=0, ge=0, le=256, description="Processes that prepare batches; 0 is the main one."
    )

    @field_validator("betas")
    @classmethod
    def _below_one(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError("allowed: two numbers from 0, below 1")
        return betas

    @model_validator(mode="after")
    def _agree(self) -> TrainConfig:
        faults = []
        if self.nesterov and not self.momentum:
            faults.append("nesterov needs momentum above 0")
        if self.warmup_start > self.learning_rate:
            faults.append("warmup_start is above learning_rate")
        if self.min_learning_rate > self.learning_rate:
            faults.append("min_learning_rate is above learning_rate")
        if (self.schedule == "step") != bool(self.step_epochs):
            faults.append("step_epochs and schedule = 'step' go together")
        if list(self.step_epochs) != sorted(set(self.step_epochs)):
            faults.append("step_epochs must rise")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class TranscriptsConfig(_Section):
    """How a clip encoder learns from transcripts first (:mod:`openbasket.training.transcripts`)."""

    epochs: int = Field(default=0, ge=0, description="Passes over the clips of train; 0 is off.")
    clips: int | None = Field(
        default=None, ge=1, description="Clips of a pass, drawn anew in each; all by default."
    )
    draws: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        default=(),
        description="Draws of the reels of train whose clips it learns from, each play of a player once; "
        "data.draw by default.",
    )
    batch_size: int = Field(default=32, ge=2, description="Clips in a batch.")
    learning_rate: float = Field(default=2e-3, gt=0, description="Peak learning rate of AdamW.")
    redraw: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of training reels that are drawn anew in each epoch from all plays of the season, "
        "each shown by a clip like it; where model.frozen is on.",
    )
    told: Names = Field(
        default=(),
        description="Answers that the set model is told by the transcript, in prediction too, such as part: "
        "an experiment, to measure what not seeing them costs; where model.frozen is on.",
    )

    @field_validator("draws")
    @classmethod
    def _drawn(cls, draws: tuple[int, ...]) -> tuple[int, ...]:
        if any(draw < 0 for draw in draws) or len(set(draws)) < len(draws):
            raise ValueError(f"got {list(draws)}; allowed: each draw once, from 0")
        return draws

    @field_validator("told")
    @classmethod
    def _asked(cls, told: tuple[str, ...]) -> tuple[str, ...]:
        other = [name for name in told if name not in TARGETS]
        if other:
            raise ValueError(f"no such answer as '{other[0]}'; allowed: {', '.join(TARGETS)}")
        return told


class TestConfig(_Section):
    """Views of a video whose probabilities are averaged when predicting."""

    __test__: ClassVar[bool] = False

    temporal_views: int = Field(
        default=1, ge=1, le=64, description="Sets of frames: interleaved, or one stretch each."
    )
    spatial_views: int = Field(
        default=1, ge=1, le=16, description="Crops along the longer side of the picture."
    )


class LogConfig(_Section):
    """Where else the metrics go; ``metrics.csv`` is always written."""

    tracker: Literal["none", "tensorboard", "trackio", "wandb"] = Field(
        default="none", description="A tracker of experiments; it must be installed."
    )


class Recipe(_Section):
    """One training run, complete. Equal recipes on equal data give equal models on one machine."""

    name: str = Field(description="The recipe's name: that of its file.")
    summary: str = Field(default="", description="What it is for, in one line.")
    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    transcripts: TranscriptsConfig = TranscriptsConfig()
    test: TestConfig = TestConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _lessons_fit(self) -> Recipe:
        if self.transcripts.epochs and self.data.sampling != "clips":
            raise ValueError(
                "transcripts.epochs needs data.sampling = 'clips': events are told of single clips"
            )
        return self

    @model_validator(mode="after")
    def _transcripts_fit(self) -> Recipe:
        lessons, frozen = self.transcripts, self.model.frozen
        if frozen and (lessons.redraw or lessons.told) and self.data.sampling != "clips":
            raise ValueError("transcripts.redraw and transcripts.told need data.sampling = 'clips'")
        if lessons.told and not frozen:
            raise ValueError("transcripts.told needs model.frozen = true")
        if lessons.told and self.model.options.get("tokens") == "features":
            raise ValueError("transcripts.told needs model.options.tokens = 'answers' or 'both'")
        if lessons.told and self.test.spatial_views > 1:
            raise ValueError("transcripts.told needs test.spatial_views = 1")
        return self

    @model_validator(mode="after")
    def _conditions_fit(self) -> Recipe:
        for name in ("leagues", "seasons"):
            if name in self.model.options and self.model.name in SET_MODELS:
                raise ValueError(f"model.options.{name}: give their names, as data.{name}")
        if not self.data.conditions:
            return self
        if not (self.model.frozen and self.data.sampling == "clips"):
            raise ValueError(
                "data.leagues and data.seasons need model.frozen = true and data.sampling = 'clips'"
            )
        if self.test.spatial_views > 1:
            raise ValueError("data.leagues and data.seasons need test.spatial_views = 1")
        return self

    @model_validator(mode="after")
    def _views_fit(self) -> Recipe:
        if self.data.sampling == "clips" and self.test.temporal_views > 1:
            raise ValueError("test.temporal_views must be 1 where data.sampling is clips")
        return self

    @model_validator(mode="after")
    def _frozen_fits(self) -> Recipe:
        """Refuse what has nothing to act on where features are computed once, of the plain video."""
        model, data = self.model, self.data
        if not model.frozen:
            return self
        faults = {
            "a model that answers in text: it has no heads": model.name in TEXT_MODELS,
            "fresh weights: give some to begin with (model.weights)": model.weights is None
            and not self.transcripts.epochs,
            "model.checkpointing: set it to false": model.checkpointing,
            "model.compile: set it to false": model.compile,
            "data.flip: set it to false": data.flip,
            "data.erasing: set it to 0": data.erasing > 0,
            "data.randaugment: set data.randaugment.operations to 0": data.randaugment.operations
            > 0,
        }
        found = [fault for fault, given in faults.items() if given]
        if found:
            raise ValueError("model.frozen does not go with " + "; with ".join(found))
        return self


def recipe_names() -> list[str]:
    """Names of the recipes that come with openbasket, sorted."""
    return packaged.names("recipes")


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and change single values of it.

    Args:
        name_or_path: a name in :func:`recipe_names`, or the path of a ``.toml`` file.
        overrides: such as ``"train.epochs=3"``; the value is read as TOML, else as plain text.

    Raises:
        ConfigError: no such recipe, not TOML, or faults in it or the overrides; all of them in one message.
    """
    text = _read(name_or_path)
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"recipe '{name_or_path}' is not TOML: {error}") from None
    content.setdefault("name", Path(name_or_path).stem)
    given: dict[str, str] = {}
    faults = [told for item in overrides if (told := _override(content, item, given))]
    from_file = False
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            place, told = place_of(one["loc"]), fault(Recipe, dict(one))
            items = [
                item
                for key, item in given.items()
                if key == place
                or (key.startswith(f"{place}.") and key.rpartition(".")[2] in told)
                or (not place and key in told)
            ]
            from_file |= not items
            faults.append(f"--set {', '.join(items)}: {told}" if items else told)
    faults = list(dict.fromkeys(faults))  # a value that may be of several kinds fails for each
    if faults or recipe is None:
        where = f"recipe '{name_or_path}' has" if from_file else "--set has"
        raise ConfigError(
            f"{where} {counted(len(faults), 'fault')}:\n"
            + "\n".join(f"  - {told}" for told in faults)
        )
    return recipe


def recipe_text(name: str) -> str:
    """The TOML of a recipe of :func:`recipe_names`, comments and all.

    Raises:
        ConfigError: no such recipe.
    """
    return _read(name)


def _read(name_or_path: str | Path) -> str:
    given = str(name_or_path)
    if not given.endswith(".toml"):
        if given in recipe_names():
            return packaged.text("recipes", given)
        told = packaged.what_else(given, "recipe", {**MODELS, **TEXT_MODELS})
        raise ConfigError(
            f"unknown recipe '{given}'.{told or suggest(given, recipe_names())} Known: "
            f"{', '.join(recipe_names())}; or give the path of a .toml file"
        )
    try:
        return Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"recipe '{given}' cannot be read ({error}). Recipes by name: "
            f"{', '.join(recipe_names())}"
        ) from None


def _override(content: dict[str, Any], item: str, given: dict[str, str]) -> str | None:
    """Put one override into ``content``, and its key into ``given``; return what is wrong with it."""
    key, equals, text = item.partition("=")
    key = key.strip()
    names = key.split(".")
    if not equals:
        return f"--set {item}: it has no value; allowed: section.key=value, such as train.epochs=3"
    if told := unknown(Recipe, names):
        return f"--set {item}: {told}"
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    section = content
    for name in names[:-1]:
        section = section.setdefault(name, {})
        if not isinstance(section, dict):
            return f"--set {item}: '{name}' is a value, not a section"
    section[names[-1]] = value
    given[key] = item
    return None
