"""Video models: one file an architecture, one line each in :data:`MODELS`.

Importing this package does not import torch; :func:`create_model` does.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from openbasket.errors import ConfigError, UnknownNameError
from openbasket.packaged import what_else

if TYPE_CHECKING:
    from types import ModuleType

    from torch import nn

    from openbasket.models.spec import ModelSpec

__all__ = [
    "ALIASES",
    "MODELS",
    "SET_MODELS",
    "TEXT_MODELS",
    "create_model",
    "model_spec",
    "no_heads",
]

#: Name of a model -> what builds it. A file of several sizes has one line each.
MODELS: Mapping[str, str] = {
    "internvideo2": "openbasket.models.internvideo2:InternVideo2",
    "internvideo2-tiny": "openbasket.models.internvideo2:tiny",
    "memvit": "openbasket.models.memvit:MeMViT",
    "memvit-16": "openbasket.models.memvit:memvit_16",
    "memvit-24": "openbasket.models.memvit:memvit_24",
    "memvit-tiny": "openbasket.models.memvit:memvit_tiny",
    "siglip": "openbasket.models.siglip:Siglip",
    "siglip-tiny": "openbasket.models.siglip:siglip_tiny",
    "timesformer": "openbasket.models.timesformer:TimeSformer",
    "timesformer-tiny": "openbasket.models.timesformer:tiny",
    "skillquery": "openbasket.models.skillquery:SkillQuery",
    "skillquery-tiny": "openbasket.models.skillquery:skillquery_tiny",
    "tiny_conv": "openbasket.models.tiny_conv:TinyConv",
    "umt": "openbasket.models.umt:UMT",
    "umt-tiny": "openbasket.models.umt:tiny",
    "videomae2": "openbasket.models.videomae2:VideoMAE2",
    "videomae2-tiny": "openbasket.models.videomae2:tiny",
    "videomamba": "openbasket.models.videomamba:VideoMamba",
    "videomamba-tiny": "openbasket.models.videomamba:VideoMambaTiny",
    "xclip": "openbasket.models.xclip:XClip",
    "xclip-tiny": "openbasket.models.xclip:xclip_tiny",
}

#: Those of them that take sets of clips.
SET_MODELS = tuple(name for name in MODELS if name.startswith("skillquery"))

#: Models that answer in text and have no heads: :func:`create_model` does not build them.
TEXT_MODELS: Mapping[str, str] = {
    "llava_onevision": "openbasket.models.llava_onevision:llava_onevision",
    "llava_onevision-tiny": "openbasket.models.llava_onevision:tiny",
}

#: Names that official configurations have for our options.
ALIASES: Mapping[str, str] = {
    "all_frames": "num_frames",
    "img_size": "size",
    "image_size": "size",
    "patch_size": "patch",
    "embed_dim": "width",
    "hidden_size": "width",
    "num_layers": "depth",
    "num_hidden_layers": "depth",
    "num_heads": "heads",
    "num_attention_heads": "heads",
}

#: The least value of options that count something.
_LEAST: Mapping[str, int] = {
    **{"num_frames": 1, "size": 1, "levels": 2, "depth": 1, "width": 1, "heads": 1, "patch": 1},
    **{"tubelet_size": 1, "clip_frames": 1, "projection_dim": 1, "mit_layers": 1, "dim": 1},
    **{"clip_embed_dim": 1, "attn_pool_num_heads": 1},
    **{"clips": 1, "shown": 1, "frames_shown": 1, "members": 1, "conv_width": 1},
}


#: Less than that: clips need not see each other.
_LESS = {("skillquery", "depth"): 0, ("skillquery-tiny", "depth"): 0}


def create_model(
    name: str,
    *,
    num_frames: int | None = None,
    size: int | None = None,
    levels: int = 5,
    **overrides: Any,
) -> nn.Module:
    """Build a model with fresh weights.

    Args:
        name: a key of :data:`MODELS`, or ``package.module:attribute`` of what builds a model of your own.
            That is called with those of ``num_frames``, ``size`` and ``levels`` that it takes.
        num_frames: frames in a clip; the model's own default if ``None``.
        size: height and width of the picture in pixels; the model's own default if ``None``.
        levels: levels of a skill (5, or 3 as in the paper's human study).
        overrides: further options of the model's constructor; those of :data:`ALIASES` by either name.

    Returns:
        A module from float ``(B, 3, T, H, W)`` to logits ``(B, 20, levels)``, skills in the order
        of :data:`openbasket.skills.SKILLS`.

    Raises:
        UnknownNameError: no such model, or the model has no such option.
        ConfigError: a model of :data:`TEXT_MODELS`, one of your own that cannot be imported, or an option
            given by two names.
        ValueError: a value that the option, or the model with its other options, cannot have.
    """
    if name in TEXT_MODELS:
        raise ConfigError(no_heads(name))
    given = {"num_frames": num_frames, "size": size, "levels": levels}
    own = ":" in name
    build = _own(name) if own else getattr(_module(name), MODELS[name].partition(":")[2])
    parameters = inspect.signature(build).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    options = {key: value for key, value in given.items() if value is not None}
    if own:
        options = {key: value for key, value in options.items() if anything or key in parameters}
        options |= overrides
    else:
        for key, value in overrides.items():
            option = ALIASES.get(key, key)
            if option in options:
                raise ConfigError(
                    f"option '{option}' of model '{name}' is given twice: as '{key}', too"
                )
            options[option] = value
    for option in options:
        if option not in parameters and not anything:
            raise UnknownNameError(f"option of model '{name}'", option, list(parameters))
    if not own:
        _check(name, options, parameters)
    return cast("nn.Module", build(**options))


def model_spec(name: str) -> ModelSpec:
    """Return what is known about a model: frames, size, number of weights, source, licence.

    Raises:
        UnknownNameError: no such model.
    """
    return cast("ModelSpec", _module(name).SPECS[name])


def no_heads(name: str) -> str:
    """What to tell who wants a model of :data:`TEXT_MODELS` with heads."""
    return (
        f"'{name}' answers in text and has no skill heads. Build it with "
        f"{TEXT_MODELS[name].replace(':', '.')}, or train it and read its answers with 'openbasket train' "
        "and 'openbasket predict'"
    )


def _check(
    name: str, options: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> None:
    """Refuse values that no model can have.

    Args:
        name: of the model.
        options: given.
        parameters: that the model takes.

    Raises:
        ValueError: says what is allowed.
    """
    for option, least in _LEAST.items():
        value = options.get(option)
        allowed = _LESS.get((name, option), least)
        if isinstance(value, int | float) and (type(value) is not int or value < allowed):
            raise ValueError(
                f"{option} must be a whole number of at least {allowed}; got {value!r}"
            )
    for option, value in options.items():
        parameter = parameters.get(option)
        if parameter and isinstance(parameter.default, bool) and not isinstance(value, bool):
            raise ValueError(f"{option} must be true or false; got {value!r}")
    rate = options.get("drop_path_rate", 0)
    if not 0 <= rate < 1:
        raise ValueError(f"drop_path_rate must be at least 0 and less than 1; got {rate}")


def _own(path: str) -> Callable[..., Any]:
    """What an import path names; modules of the working folder are found, too."""
    module, _, attribute = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"model '{path}' cannot be imported: there is no module '{error.name}'. Allowed: "
                "package.module:attribute, of a module that is installed, lies below the working folder "
                f"('{here}'), or below a folder in PYTHONPATH"
            ) from None
        raise ConfigError(
            f"model '{path}' cannot be imported: its code imports '{error.name}', which is not installed"
        ) from None
    except AttributeError as error:
        raise ConfigError(
            f"model '{path}' cannot be imported ({error}). Allowed: package.module:attribute, a class or "
            "function of that module"
        ) from None
    except (ImportError, SyntaxError) as error:
        raise ConfigError(f"model '{path}' cannot be imported ({error}). Mend its code") from None
    if not callable(found):
        raise ConfigError(
            f"model '{path}' is a {type(found).__name__}; allowed: a class or function"
        )
    return cast("Callable[..., Any]", found)


def _module(name: str) -> ModuleType:
    known = {**MODELS, **TEXT_MODELS}
    if name not in known:
        raise UnknownNameError("model", name, sorted(known), what_else(name, "model", known))
    return import_module(known[name].partition(":")[0])
