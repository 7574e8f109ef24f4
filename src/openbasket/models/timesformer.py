"""TimeSformer: attention over time and then over space, in every block."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import TimesformerConfig, TimesformerModel
from transformers.models.timesformer.modeling_timesformer import TimesformerDropPath

from openbasket.models.base import VideoModel
from openbasket.models.positions import resize_space, resize_time
from openbasket.models.spec import ModelSpec
from openbasket.models.weights import renamed

__all__ = ["SPECS", "TimeSformer", "tiny"]

_SOURCE = "Bertasius et al., Is Space-Time Attention All You Need for Video Understanding? (2021)"
SPECS = {
    "timesformer": ModelSpec(
        "timesformer", 96, 224, 121_403_236, _SOURCE, "Apache-2.0", "kinetics"
    ),
    "timesformer-tiny": ModelSpec(
        "timesformer-tiny", 16, 112, 2_702_308, _SOURCE, "Apache-2.0", "kinetics"
    ),
}

_SPACE = "timesformer.embeddings.position_embeddings"
_TIME = "timesformer.embeddings.time_embeddings"

#: Official name -> name here, as regular expressions, in this order.
_NAMES = {
    r"^cls_token$": "timesformer.embeddings.cls_token",
    r"^pos_embed$": _SPACE,
    r"^time_embed$": _TIME,
    r"^patch_embed\.proj\.": "timesformer.embeddings.patch_embeddings.projection.",
    r"^norm\.": "timesformer.layernorm.",
    r"^blocks\.": "timesformer.encoder.layer.",
    r"\.temporal_fc\.": ".temporal_dense.",
    r"\.temporal_norm1\.": ".temporal_layernorm.",
    r"\.norm1\.": ".layernorm_before.",
    r"\.norm2\.": ".layernorm_after.",
    r"attn\.qkv\.": "attention.attention.qkv.",
    r"attn\.proj\.": "attention.output.dense.",
    r"\.mlp\.fc1\.": ".intermediate.dense.",
    r"\.mlp\.fc2\.": ".output.dense.",
}

#: What attention over time is copied from, where a checkpoint has none.
_INFLATED = {
    r"\.attention\.(?=attention|output)": ".temporal_attention.",
    r"\.layernorm_before\.": ".temporal_layernorm.",
}


class TimeSformer(VideoModel):
    """Vision transformer with divided space-time attention; its class token is the feature.

    The module of transformers, its attention through torch's fused one.

    Args:
        num_frames: frames in a clip.
        size: height and width in pixels, a multiple of ``patch``.
        patch: side of a patch in pixels.
        width: length of a token, a multiple of ``heads``.
        depth: blocks.
        heads: attention heads.
        mlp_ratio: hidden width of a block's MLP by ``width``.
        levels: levels of a skill.
        drop_path_rate: share of a block's branches dropped in training, from 0 in the first block
            up to this one in the last.
        gradient_checkpointing: compute blocks again in the backward pass, for less memory.

    Raises:
        ValueError: ``size`` or ``width`` does not divide.
    """

    def __init__(
        self,
        *,
        num_frames: int = 96,
        size: int = 224,
        patch: int = 16,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        levels: int = 5,
        drop_path_rate: float = 0.1,
        gradient_checkpointing: bool = False,
    ) -> None:
        if size % patch or width % heads:
            raise ValueError(
                f"size must be a multiple of patch, width of heads; "
                f"got size {size}, patch {patch}, width {width}, heads {heads}"
            )
        super().__init__((3, num_frames, size, size), width, levels)
        self.timesformer = cast(
            "Any",
            TimesformerModel(
                TimesformerConfig(
                    image_size=size,
                    patch_size=patch,
                    num_frames=num_frames,
                    hidden_size=width,
                    num_hidden_layers=depth,
                    num_attention_heads=heads,
                    intermediate_size=int(width * mlp_ratio),
                )
            ),
        )
        # The configuration takes no drop_path_rate between 0 and 1 (transformers 5.23).
        rates = [drop_path_rate * block / max(1, depth - 1) for block in range(depth)]
        for layer, rate in zip(self.timesformer.encoder.layer, rates, strict=True):
            layer.drop_path = TimesformerDropPath(rate)
            for attention in (layer.attention, layer.temporal_attention):
                attention.attention = _Attention(attention.attention.qkv, heads)
        # Zeros, as transformers leaves them, would make the model blind to the order of frames.
        nn.init.trunc_normal_(self.timesformer.embeddings.time_embeddings, std=0.02)
        if gradient_checkpointing:
            self.timesformer.activation_checkpointing_enable()

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to class tokens ``(B, width)``."""
        tokens: torch.Tensor = self.timesformer(clips.transpose(1, 2)).last_hidden_state
        return tokens[:, 0]

    def from_official(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Give official weights our names; fit the tables over time and space by nearest neighbour."""
        state = renamed(state, _NAMES)
        if _SPACE not in state:
            return state
        own = self.state_dict()
        if _TIME in state:
            state[_TIME] = resize_time(state[_TIME], own[_TIME].shape[1], mode="nearest")
        first, places = state[_SPACE][:, :1], state[_SPACE][:, 1:]
        places = resize_space(places, math.isqrt(own[_SPACE].shape[1] - 1), mode="nearest")
        state[_SPACE] = torch.cat([first, places], dim=1)
        return state

    def completed(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Inflate an image transformer as officially.

        Attention over time starts as a copy of that over space, and adds nothing until it has been trained.
        """
        if _TIME in state or _SPACE not in state:
            return {}
        silent = {
            name: torch.zeros_like(value)
            for name, value in self.state_dict().items()
            if ".temporal_dense." in name or name == _TIME
        }
        made = renamed(state, _INFLATED) | silent
        return {name: value for name, value in made.items() if name not in state}


class _Attention(nn.Module):
    """Attention of transformers' module, through torch's own function."""

    def __init__(self, qkv: nn.Linear, heads: int) -> None:
        super().__init__()
        self.qkv = qkv
        self.heads = heads

    def forward(self, tokens: torch.Tensor, *_: object) -> tuple[torch.Tensor]:
        batch, length, width = tokens.shape
        parts = self.qkv(tokens).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value)
        return (mixed.transpose(1, 2).flatten(2),)


tiny = partial(TimeSformer, num_frames=16, size=112, width=192, depth=4, heads=3)
