"""From a recipe to its model: built, with the weights it begins with, and the switches set."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from openbasket.errors import ConfigError, NotFoundError, UnknownNameError
from openbasket.models import SET_MODELS, TEXT_MODELS, create_model
from openbasket.models.skillquery import SkillQuery
from openbasket.models.weights import is_head, lacking
from openbasket.progress import note
from openbasket.skills import SKILLS
from openbasket.training import checkpoint
from openbasket.training.config import Recipe
from openbasket.training.run import read_facts
from openbasket.wording import counted
from openbasket.workspace import sha256

__all__ = ["Start", "build_again", "build_model", "check_logits", "load_start", "own_code"]

#: Names that are shown of each kind of weights that do not fit.
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Start:
    """What came of the weights that a run begins with.

    Args:
        file: where they lie.
        sha256: of the file.
        loaded: number of weights that were set.
        missing: names of weights that the file does not have but should; they stay fresh.
        unexpected: names in the file that have no place in the model.
        heads: whether the model has heads that learn; they are new.
    """

    file: str
    sha256: str
    loaded: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    heads: bool = True

    def __str__(self) -> str:
        text = f"{self.loaded:,} weights of '{self.file}'" + (", heads new" if self.heads else "")
        for kind, names in (("missing", self.missing), ("unexpected", self.unexpected)):
            if names:
                more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
                text += f"; {len(names):,} {kind}: {', '.join(names[:SHOWN])}{more}"
        return text


def build_model(recipe: Recipe) -> nn.Module:
    """Build a recipe's model with fresh weights.

    Raises:
        ConfigError: the model cannot be imported, takes other options, or is no ``nn.Module``.
    """
    name, data = recipe.model.name, recipe.data
    if name in TEXT_MODELS:
        from openbasket.training.text import build_text_model  # which trains, and so builds on this

        return build_text_model(recipe)
    options: dict[str, Any] = dict(recipe.model.options)
    if recipe.model.checkpointing:
        options["gradient_checkpointing"] = True
    for option, names in data.conditions.items():
        if name not in SET_MODELS:
            raise ConfigError(
                f"recipe '{recipe.name}': data.{option} is for models of sets of clips "
                f"({', '.join(SET_MODELS)}); '{name}' is none"
            )
        options[option] = len(names)
    try:
        model = create_model(
            name, num_frames=data.frames, size=data.size, levels=data.levels, **options
        )
    except UnknownNameError as error:
        if error.given != "gradient_checkpointing":
            raise
        raise ConfigError(
            f"model.checkpointing is on, but model '{name}' has no such switch. Give what builds it a "
            "parameter 'gradient_checkpointing', or set model.checkpointing = false"
        ) from None
    except (RuntimeError, TypeError, ValueError) as error:
        if (
            isinstance(error, RuntimeError) and ":" in name
        ):  # of code of one's own, which it tells where
            raise
        raise ConfigError(
            f"recipe '{recipe.name}': model '{name}' cannot be built: {error}"
        ) from None
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model '{name}' gave a {type(model).__name__}; allowed: an nn.Module")
    if data.sampling == "clips" and isinstance(model, SkillQuery) and model.clips != data.clips:
        raise ConfigError(
            f"recipe '{recipe.name}': data.clips is {data.clips}, and model '{name}' takes {model.clips} "
            f"clips: set model.options.clips to {data.clips}, too"
        )
    if recipe.model.compile:
        model.compile()
    return model


def own_code(recipe: Recipe) -> dict[str, Any]:
    """What a run records of a model of one's own; nothing of those that come along.

    The file of its module, its hash, and the folder to import it from.
    """
    module = sys.modules.get(recipe.model.name.partition(":")[0])
    file = None if module is None else getattr(module, "__file__", None)
    if ":" not in recipe.model.name or module is None or file is None:
        return {}
    path = Path(file).resolve()
    up = module.__name__.count(".") + (path.name == "__init__.py")
    return {
        "code": {"file": str(path), "sha256": sha256(path), "import_from": str(path.parents[up])}
    }


def build_again(run_dir: Path, recipe: Recipe, *, quiet: bool = False) -> nn.Module:
    """Build the model of a run with fresh weights; tell if code of the user's own has changed since.

    Raises:
        ConfigError: as :func:`build_model`; of a model of one's own, it says where its code was.
    """
    code = read_facts(run_dir).get("code")
    try:
        model = build_model(recipe)
    except ConfigError as error:
        if not code:
            raise
        folder = code["import_from"]
        raise ConfigError(
            f"{error}. The run was trained with '{code['file']}' (SHA-256 {code['sha256'][:12]}). Where that "
            f"file is at hand, put PYTHONPATH={folder} before the command, or give it from that folder; "
            "elsewhere, copy the file there, or install it as a package"
        ) from None
    now = own_code(recipe).get("code")
    if code and now and now["sha256"] != code["sha256"]:
        note(
            f"note: '{now['file']}' is not as it was when the run was trained "
            f"(SHA-256 {now['sha256'][:12]}, then {code['sha256'][:12]})",
            quiet=quiet,
        )
    return model


def load_start(
    recipe: Recipe, model: nn.Module, *, may_lack: tuple[str, ...] = (), heads: bool = True
) -> Start | None:
    """Put the recipe's weights into its model, all but those of the heads.

    A file may be of the whole model, or of the registered model that is its clip encoder.

    Args:
        recipe: of a run, or of lessons.
        model: of the recipe.
        may_lack: beginnings of the names of weights that may be missing and stay fresh.
        heads: whether the model's heads learn.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it is no safetensors file, nothing in it fits, weights have other shapes, or it lacks
            weights of the network (see ``model.partial``).
    """
    if recipe.model.weights is None:
        return None
    if recipe.model.name in TEXT_MODELS:
        return _folder_start(recipe.model.weights)
    path = Path(recipe.model.weights).expanduser()
    if not path.is_file():
        raise NotFoundError(
            f"model.weights: there is no file '{path}'. 'openbasket weights convert' makes one of an "
            "official checkpoint"
        )
    try:
        given = checkpoint.read_weights(path)
    except (SafetensorError, OSError) as error:
        raise ConfigError(
            f"model.weights: '{path}' is no whole safetensors file ({error}). 'openbasket weights convert' "
            "makes one of an official checkpoint"
        ) from None
    own = {name: value for name, value in model.state_dict().items() if not is_head(name)}
    state = {name: value for name, value in given.items() if not is_head(name)}
    inside = getattr(model, "backbone_prefix", "")
    if inside and not own.keys() & state.keys():  # a file of the clip encoder alone
        state = {f"{inside}{name}": value for name, value in state.items()}
    fits = {n: v for n, v in state.items() if n in own and v.shape == own[n].shape}
    misfit = [
        f"{n} is {tuple(v.shape)}, not {tuple(own[n].shape)}"
        for n, v in state.items()
        if n in own and n not in fits
    ]
    if misfit or not fits:
        fault = (
            f"does not fit the model: {'; '.join(misfit[:SHOWN])}"
            if misfit
            else "holds none of its weights"
        )
        raise ConfigError(f"model.weights: '{path}' {fault}. {_fitting(recipe)}")
    learned = {name for name, _ in model.named_parameters()}
    if odd := [
        name
        for name, value in fits.items()
        if value.float().isnan().any() or (name in learned and value.isinf().any())
    ]:
        raise ConfigError(
            f"model.weights: '{path}' holds values that are no numbers, in {', '.join(odd[:SHOWN])}. Make or "
            "fetch it again"
        )
    missing = sorted(name for name in own.keys() - state.keys() if not name.startswith(may_lack))
    needed = lacking(model, missing)
    if needed and not recipe.model.partial:
        more = f" and {len(needed) - SHOWN:,} more" if len(needed) > SHOWN else ""
        raise ConfigError(
            f"model.weights: '{path}' lacks {counted(len(needed), 'weight')} of model '{recipe.model.name}': "
            f"{', '.join(needed[:SHOWN])}{more}. Is it the right file? model.partial = true starts them fresh"
        )
    model.load_state_dict(fits, strict=False)
    return Start(
        str(recipe.model.weights),
        sha256(path),
        len(fits),
        tuple(missing),
        tuple(sorted(state.keys() - own.keys())),
        heads=heads,
    )


def _fitting(recipe: Recipe) -> str:
    """What to do for weights that fit a recipe's model."""
    if recipe.model.options.get("backbone", "conv") == "conv" and recipe.model.name in SET_MODELS:
        return "Give a file of this model, at the recipe's size: there are no official checkpoints of it"
    clips = f"--num-frames {recipe.data.frames} --size {recipe.data.size}"
    return (
        "Convert the checkpoint for what the recipe trains: "
        f"'openbasket weights convert ... --recipe {recipe.name} {clips}' (of a recipe of your own, give "
        "the path of its file)"
    )


def _folder_start(folder: str) -> Start:
    """What a model that answers in text began with; building it has read it."""
    files = sorted(Path(folder).glob("*.safetensors"))
    loaded = 0
    for path in files:
        with safe_open(str(path), "pt") as file:
            loaded += len(file.keys())
    digest = hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()
    return Start(folder, digest, loaded, (), (), heads=False)


def check_logits(logits: object, clips: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Refuse what a model gave if it is not ``(B, 20, levels)``.

    Raises:
        ConfigError: says what was expected.
    """
    wanted = (len(clips), len(SKILLS), recipe.data.levels)
    if isinstance(logits, torch.Tensor) and tuple(logits.shape) == wanted:
        return logits
    given = (
        f"logits of shape {tuple(logits.shape)}"
        if isinstance(logits, torch.Tensor)
        else f"a {type(logits).__name__}"
    )
    raise ConfigError(
        f"model '{recipe.model.name}' gave {given} for clips {tuple(clips.shape)}; expected "
        f"(B, 20, levels) = {wanted}"
    )
