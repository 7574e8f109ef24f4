"""Which layer each weight of a model belongs to, and which weights do not decay."""

from __future__ import annotations

import re

from torch import nn

__all__ = ["decays", "layer_depths"]

#: What comes before the layers: official configurations call it so.
STEM = re.compile(
    r"(^|\.)(cls_token|class_embedding|\w*embeddings?|patch_embed|\w*pos_embed|position|pre_layernorm|frame)(\.|$)"
)
#: Tables and state-space constants, which official recipes leave without weight decay.
UNDECAYED = re.compile(
    r"(^|\.)(bias|first|steps|cls_token|class_embedding|probe|asks|queries|place|\w*pos_embed\w*|position_embeddings?|time_embeddings"
    r"|temporal_pos_embedding|A_log)(\.weight)?$"
)


def layer_depths(model: nn.Module) -> dict[str, int]:
    """How deep each parameter lies: 0 the embeddings, 1 to L the layers, L + 1 what reads them.

    The layers are the members of the longest ``nn.ModuleList`` (or ``nn.Sequential`` where there is no list).
    A model with an attribute ``layer_list``, the name of its list, or ``layer_of(name) -> int`` has its own
    way. What :data:`STEM` names, and does not come with a later part, is an embedding; a model without layers
    has depths 0 and 1. This is the numbering of BEiT and MAE (``get_num_layer_for_vit``).

    Args:
        model: of any architecture.

    Returns:
        A depth for each name of ``model.named_parameters()``.
    """
    own = getattr(model, "layer_of", None)
    names = [name for name, _ in model.named_parameters()]
    if callable(own):
        return {name: int(own(name)) for name in names}
    prefix, count = _layers(model)
    return {name: _depth(name, prefix, count) for name in names}


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay is for this parameter: a matrix, but no table of positions or tokens."""
    return parameter.ndim > 1 and not UNDECAYED.search(name)


def _layers(model: nn.Module) -> tuple[str, int]:
    """The name of the list of layers, and how many there are."""
    given = getattr(model, "layer_list", None)
    if given is not None:
        return str(given), len(list(model.get_submodule(given).children()))
    for kind in (nn.ModuleList, nn.Sequential):
        found = [
            (len(part), name) for name, part in model.named_modules() if isinstance(part, kind)
        ]
        if found:
            count, name = max(found, key=lambda one: one[0])
            return name, count
    return "", 0


def _depth(name: str, prefix: str, count: int) -> int:
    place = re.match(rf"{re.escape(prefix)}\.?(\d+)\.", name) if count else None
    if place:
        return int(place[1]) + 1
    top = prefix.split(".")[0]
    stem = STEM.search(name)
    inside = name.split(".")[0] == top or stem is None or stem.start() == 0
    return 0 if stem and inside else count + 1
