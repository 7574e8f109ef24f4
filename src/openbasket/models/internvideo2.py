"""InternVideo2: a plain video transformer whose tokens are pooled by one attention query."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from openbasket.models.base import DropPath, Mlp, VideoModel
from openbasket.models.positions import Source, read_grid, resize_space, resize_time
from openbasket.models.spec import ModelSpec

__all__ = ["SPECS", "InternVideo2", "tiny"]

SOURCE = "InternVideo2: Scaling Foundation Models for Multimodal Video Understanding (ECCV 2024)"
SPEC = ModelSpec("internvideo2", 32, 224, 1_029_437_796, SOURCE, "Apache-2.0")
TINY = ModelSpec("internvideo2-tiny", 8, 112, 2_171_044, SOURCE, "Apache-2.0")
SPECS = {spec.name: spec for spec in (SPEC, TINY)}

#: Places a side in the position tables of all official checkpoints.
_USUAL_SIDE = 16


class InternVideo2(VideoModel):
    """The 1B model of InternVideo2: one token for each patch of each frame, all attending to all.

    Args:
        num_frames: frames in a clip.
        size: height and width in pixels, a multiple of ``patch``.
        levels: levels of a skill.
        patch: height and width of a patch in pixels.
        width: length of a token, a multiple of ``heads`` and of ``attn_pool_num_heads``.
        depth: blocks.
        heads: attention heads of a block.
        mlp_ratio: length of a block's hidden layer, in widths.
        clip_embed_dim: length of the features.
        attn_pool_num_heads: attention heads of the pooling.
        init_values: what the blocks' branches are multiplied by at the start (LayerScale).
        drop_path_rate: share of clips for which the last block is skipped in training; earlier
            blocks are skipped less often, the first never.
        gradient_checkpointing: compute each block again in the backward pass, to save memory.

    Raises:
        ValueError: sizes that do not go with each other.
    """

    may_lack = r"^fc_norm\."  # which pretraining has not

    def __init__(
        self,
        *,
        num_frames: int = SPEC.frames,
        size: int = SPEC.size,
        levels: int = 5,
        patch: int = 14,
        width: int = 1408,
        depth: int = 40,
        heads: int = 16,
        mlp_ratio: float = 48 / 11,
        clip_embed_dim: int = 768,
        attn_pool_num_heads: int = 16,
        init_values: float = 1e-5,
        drop_path_rate: float = 0.0,
        gradient_checkpointing: bool = False,
    ) -> None:
        if size % patch:
            raise ValueError(f"size must be a multiple of patch ({patch}); got {size}")
        if width % heads or width % attn_pool_num_heads:
            raise ValueError(
                f"width must be a multiple of heads ({heads}) and of attn_pool_num_heads "
                f"({attn_pool_num_heads}); got {width}"
            )
        super().__init__((3, num_frames, size, size), clip_embed_dim, levels)
        self.gradient_checkpointing = gradient_checkpointing
        self.grid, self.patch = (num_frames, size // patch), patch
        self.patch_embed = _PatchEmbed(patch, width)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + num_frames * self.grid[1] ** 2, width))
        self.blocks = nn.ModuleList(
            _Block(
                width,
                heads,
                round(width * mlp_ratio),
                init_values,
                drop_path_rate * i / max(depth - 1, 1),
            )
            for i in range(depth)
        )
        self.clip_projector = _AttentionPooling(width, attn_pool_num_heads, clip_embed_dim)
        self.fc_norm = nn.LayerNorm(clip_embed_dim)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for part in (*self.blocks.modules(), *self.clip_projector.modules()):
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to ``(B, clip_embed_dim)``."""
        tokens = self.patch_embed(clips).flatten(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(clips), -1, -1), tokens], dim=1)
        tokens = tokens + self.pos_embed
        for block in self.blocks:
            tokens = self.through(block, tokens)
        features: torch.Tensor = self.fc_norm(self.clip_projector(tokens))
        return features

    def regridded(self, state: dict[str, torch.Tensor], source: Source) -> dict[str, torch.Tensor]:
        """Interpolate the position table: linearly over time, bicubically over the picture.

        A table does not say of how many frames it is: see :func:`openbasket.models.positions.read_grid`.
        One that nothing explains stays as it is.

        Args:
            state: by our names; may be changed.
            source: the clips that the checkpoint was made for; gets notes.
        """
        table = state.get("pos_embed")
        if table is None or table.ndim != 3 or len(table) != 1 or table.shape[1] < 2:
            return state
        grid = read_grid(table.shape[1] - 1, self.grid, _USUAL_SIDE, source, patch=self.patch)
        if grid and grid != self.grid:
            state["pos_embed"] = _resized(table, grid[0], *self.grid)
        return state


def _resized(table: torch.Tensor, old: int, frames: int, side: int) -> torch.Tensor:
    """Interpolate ``(1, 1 + old * places, C)`` to ``(1, 1 + frames * side * side, C)``."""
    cls, pictures = table[:, :1], table[0, 1:].reshape(old, -1, table.shape[-1])
    lines = resize_time(pictures.transpose(0, 1), frames)
    pictures = resize_space(lines.transpose(0, 1), side)
    return torch.cat([cls, pictures.flatten(0, 1)[None]], dim=1)


class _PatchEmbed(nn.Module):
    """Clips ``(B, 3, T, H, W)`` to tokens ``(B, T, places, C)``."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, width, (1, patch, patch), (1, patch, patch))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.proj(clips)
        return tokens.flatten(3).permute(0, 2, 3, 1)


class _RMSNorm(nn.RMSNorm):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        weight = self.weight.to(tokens.dtype)  # of one type, else it is computed slowly
        return F.rms_norm(tokens, self.normalized_shape, weight, self.eps)


class _LayerScale(nn.Module):
    def __init__(self, width: int, value: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), value))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens * self.gamma


class _Attention(nn.Module):
    """Attention of all tokens to all, queries and keys normalised over all heads together."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm = _RMSNorm(width, eps=1e-6)
        self.k_norm = _RMSNorm(width, eps=1e-6)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(tokens).chunk(3, dim=-1)
        attended: torch.Tensor = self.proj(_attend(self.q_norm(q), self.k_norm(k), v, self.heads))
        return attended


class _Block(nn.Module):
    def __init__(
        self, width: int, heads: int, hidden: int, init_values: float, drop_path: float
    ) -> None:
        super().__init__()
        self.drop_path = DropPath(drop_path)
        self.norm1 = _RMSNorm(width, eps=1e-6)
        self.attn = _Attention(width, heads)
        self.ls1 = _LayerScale(width, init_values)
        self.norm2 = _RMSNorm(width, eps=1e-6)
        self.mlp = Mlp(width, hidden)
        self.ls2 = _LayerScale(width, init_values)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.drop_path(self.ls1(self.attn(self.norm1(tokens))))
        mixed: torch.Tensor = tokens + self.drop_path(self.ls2(self.mlp(self.norm2(tokens))))
        return mixed


class _CrossAttention(nn.Module):
    def __init__(self, width: int, heads: int, out: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.k_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, out)

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = self.q(q) + self.q_bias, self.k(k) + self.k_bias, self.v(v) + self.v_bias
        pooled: torch.Tensor = self.proj(_attend(q, k, v, self.heads))
        return pooled


class _AttentionPooling(nn.Module):
    """Tokens ``(B, N, C)`` to ``(B, out)``: the mean of the tokens asks all of them."""

    def __init__(self, width: int, heads: int, out: int) -> None:
        super().__init__()
        self.norm1_q = nn.LayerNorm(width)
        self.norm1_k = nn.LayerNorm(width)
        self.norm1_v = nn.LayerNorm(width)
        self.cross_attn = _CrossAttention(width, heads, out)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        query = self.norm1_q(tokens.mean(dim=1, keepdim=True))
        pooled: torch.Tensor = self.cross_attn(query, self.norm1_k(tokens), self.norm1_v(tokens))
        return pooled.squeeze(1)


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    """Attention in ``heads`` parts of queries ``(B, M, C)`` to keys and values ``(B, N, C)``."""
    q, k, v = (part.view(*part.shape[:2], heads, -1).transpose(1, 2) for part in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


#: A small one, to learn and to test with: init_values larger, since it starts from nothing.
tiny = partial(
    InternVideo2,
    num_frames=TINY.frames,
    size=TINY.size,
    patch=16,
    width=192,
    depth=4,
    heads=4,
    mlp_ratio=4.0,
    clip_embed_dim=192,
    attn_pool_num_heads=4,
    init_values=0.1,
)
