"""VideoMAE V2: a plain vision transformer over space-time tubes, and what relatives share with it."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import nn
from transformers import VideoMAEConfig, VideoMAEModel

from openbasket.models.base import DropPath, VideoModel
from openbasket.models.spec import ModelSpec
from openbasket.models.weights import renamed

__all__ = ["POSITIONS", "SPECS", "VideoMAE2", "sinusoids", "tiny"]

_SOURCE = "Wang et al., VideoMAE V2: Scaling Video Masked Autoencoders with Dual Masking (2023)"
SPECS = {
    "videomae2": ModelSpec("videomae2", 32, 224, 1_011_751_652, _SOURCE, "MIT"),
    "videomae2-tiny": ModelSpec("videomae2-tiny", 16, 112, 2_982_820, _SOURCE, "MIT"),
}

#: Our name of the position table.
POSITIONS = "videomae.embeddings.position_embeddings"

#: Official name -> name here, as regular expressions, in this order.
_NAMES = {
    r"^(embeddings\.|encoder\.layer\.)": r"videomae.\1",
    r"^pos_embed$": POSITIONS,
    r"^patch_embed\.proj\.": "videomae.embeddings.patch_embeddings.projection.",
    r"^blocks\.": "videomae.encoder.layer.",
    r"\.norm1\.": ".layernorm_before.",
    r"\.norm2\.": ".layernorm_after.",
    r"\.(attn|attention\.attention)\.q_bias$": ".attention.attention.query.bias",
    r"\.(attn|attention\.attention)\.v_bias$": ".attention.attention.value.bias",
    r"\.attn\.proj\.": ".attention.output.dense.",
    r"\.attn\.": ".attention.attention.",
    r"\.mlp\.fc1\.": ".intermediate.dense.",
    r"\.mlp\.fc2\.": ".output.dense.",
}
_QKV = ".attention.attention.qkv.weight"


class VideoMAE2(VideoModel):
    """Vision transformer with joint space-time attention; its tokens' mean is the feature.

    The module of transformers, with the official epsilons.

    Args:
        num_frames: frames in a clip, a multiple of ``tubelet_size``.
        size: height and width in pixels, a multiple of ``patch``.
        patch: side of a tube in pixels.
        width: length of a token, a multiple of ``heads``.
        depth: blocks.
        heads: attention heads.
        mlp_ratio: hidden width of a block's MLP by ``width``.
        levels: levels of a skill.
        tubelet_size: length of a tube in frames.
        drop_path_rate: share of clips for which the last block is skipped in training; earlier
            blocks have less, from 0.
        gradient_checkpointing: compute blocks again in the backward pass, for less memory.

    Raises:
        ValueError: ``num_frames``, ``size`` or ``width`` does not divide, or ``drop_path_rate`` is not
            in [0, 1).
    """

    may_lack = r"^fc_norm\."  # which pretraining has not

    def __init__(
        self,
        *,
        num_frames: int = 32,
        size: int = 224,
        patch: int = 14,
        width: int = 1408,
        depth: int = 40,
        heads: int = 16,
        mlp_ratio: float = 48 / 11,
        levels: int = 5,
        tubelet_size: int = 2,
        drop_path_rate: float = 0.0,
        gradient_checkpointing: bool = False,
    ) -> None:
        if num_frames % tubelet_size or size % patch or width % heads:
            raise ValueError(
                "num_frames must be a multiple of tubelet_size, size of patch, width of heads; "
                f"got num_frames {num_frames}, tubelet_size {tubelet_size}, size {size}, "
                f"patch {patch}, width {width}, heads {heads}"
            )
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f"drop_path_rate must lie in [0, 1); got {drop_path_rate}")
        super().__init__((3, num_frames, size, size), width, levels)
        self.videomae = cast(
            "Any",
            VideoMAEModel(
                VideoMAEConfig(
                    image_size=size,
                    patch_size=patch,
                    num_frames=tubelet_size,  # its table of positions is slow to make, and replaced
                    tubelet_size=tubelet_size,
                    hidden_size=width,
                    num_hidden_layers=depth,
                    num_attention_heads=heads,
                    intermediate_size=int(width * mlp_ratio),
                    layer_norm_eps=1e-6,
                )
            ),
        )
        for number, block in enumerate(self.videomae.encoder.layer):
            rate = drop_path_rate * number / max(depth - 1, 1)
            # These stand where a branch ends, before it is added.
            block.attention.output.dropout = DropPath(rate)
            block.output.dropout = DropPath(rate)
        self.times, self.grid, self.width = num_frames // tubelet_size, size // patch, width
        self.patch, self.tubelet_size = patch, tubelet_size
        self.videomae.embeddings = _Embeddings(
            self.videomae.embeddings.patch_embeddings, self.positions()
        )
        self.fc_norm = nn.LayerNorm(width, eps=1e-6)
        if gradient_checkpointing:
            self.videomae.activation_checkpointing_enable()

    def positions(self) -> torch.Tensor:
        """Make the table ``(1, tokens, width)``; it trains if it is a parameter."""
        return sinusoids(self.times * self.grid**2, self.width)

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to normalised means of tokens ``(B, width)``."""
        tokens = self.videomae(clips.transpose(1, 2)).last_hidden_state
        features: torch.Tensor = self.fc_norm(tokens.mean(dim=1))
        return features

    def from_official(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Give official weights our names; fixed positions of another length are left out."""
        state = renamed(state, _NAMES)
        for name in [name for name in state if name.endswith(_QKV)]:
            parts = zip(("query", "key", "value"), state.pop(name).chunk(3), strict=True)
            state |= {name.replace("qkv", part): weight for part, weight in parts}
        trained = isinstance(self.videomae.embeddings.position_embeddings, nn.Parameter)
        if (
            not trained
            and POSITIONS in state
            and state[POSITIONS].shape[1:2] != (self.times * self.grid**2,)
        ):
            del state[POSITIONS]
        return state

    def completed(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Positions that a checkpoint lacks are those of a new model."""
        return {} if POSITIONS in state else {POSITIONS: self.positions().detach()}


def sinusoids(length: int, width: int) -> torch.Tensor:
    """Fixed positions ``(1, length, width)``, sines and cosines in turn (Vaswani et al., 2017)."""
    column = torch.arange(width, dtype=torch.float64)
    angles = torch.arange(length).double()[:, None] / 10000 ** (column // 2 * 2 / width)
    return torch.where(column % 2 == 0, angles.sin(), angles.cos()).float()[None]


class _Embeddings(nn.Module):
    """Tokens of tubes plus a table that is a buffer or, if it trains, a parameter."""

    def __init__(self, patch_embeddings: nn.Module, positions: torch.Tensor) -> None:
        super().__init__()
        self.patch_embeddings = patch_embeddings
        if isinstance(positions, nn.Parameter):
            self.position_embeddings: torch.Tensor = positions
        else:
            self.register_buffer("position_embeddings", positions)

    def forward(self, pixel_values: torch.Tensor, *_: object) -> torch.Tensor:
        tokens: torch.Tensor = self.patch_embeddings(pixel_values)
        return tokens + self.position_embeddings.type_as(tokens)


tiny = partial(
    VideoMAE2, num_frames=16, size=112, patch=16, width=192, depth=6, heads=3, mlp_ratio=4.0
)
