"""MeMViT: a multiscale vision transformer (MViTv2) that remembers the clips before.

Written from "MeMViT: Memory-Augmented Multiscale Vision Transformer" and "MViTv2: Improved
Multiscale Vision Transformers" (both CVPR 2022); parameters have their official names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import partial
from typing import Literal

import torch
from torch import nn

from openbasket.models.base import VideoModel
from openbasket.models.memvit_layers import KERNEL, Block, Grid, Memory, PatchEmbed, pooled
from openbasket.models.positions import resize_time
from openbasket.models.spec import ModelSpec

__all__ = ["SPECS", "MeMViT", "memvit_16", "memvit_24", "memvit_tiny"]

SOURCE = "MeMViT: Memory-Augmented Multiscale Vision Transformer (CVPR 2022)"
_COLOURS = "kinetics"
_GUESS = (
    "Which layers have memory is a guess: no release has 48 layers. Every 6th has (memory_every)."
)
SPEC = ModelSpec("memvit", 64, 224, 213_431_104, SOURCE, "MIT", _COLOURS, _GUESS)
SPEC_16 = ModelSpec("memvit-16", 64, 224, 34_709_428, SOURCE, "MIT", _COLOURS)
SPEC_24 = ModelSpec("memvit-24", 64, 224, 51_612_052, SOURCE, "MIT", _COLOURS)
TINY = ModelSpec("memvit-tiny", 16, 112, 1_879_700, SOURCE, "MIT", _COLOURS)
SPECS = {spec.name: spec for spec in (SPEC, SPEC_16, SPEC_24, TINY)}

#: Names of what a layer's memory has.
_MEMORY = r"\.attn\.(?:compress_|norm_compress_|rel_pos_mem_)"


class MeMViT(VideoModel):
    """Consecutive clips of a video one after the other, with a memory that starts empty each time.

    A layer with memory keeps the compressed keys and values of each clip, and attends to those of
    former clips together with its own. No gradient flows from a clip into the frames of former ones.

    With the official sampler ``gap2`` a clip remembers the second and the fourth clip before it, so
    that the last clip alone does not know every frame; hence ``readout="mean"``. The memory's
    weights have no gradient where no clip has one to remember (two clips or fewer with ``gap2``).

    Args:
        num_frames: frames in all, a multiple of ``clip_frames``.
        size: height and width in pixels.
        levels: levels of a skill.
        clip_frames: frames of each of the consecutive clips.
        patch: stride of the tokens over time, height and width, at most (3, 7, 7) (official: PATCH_STRIDE).
        width: length of a token in the first layers, a multiple of twice ``heads``.
        depth: layers.
        heads: attention heads of the first layers.
        mlp_ratio: length of a layer's hidden layer, in widths.
        stages: layers at which width and heads double and height and width halve (official: DIM_MUL,
            HEAD_MUL and POOL_Q_STRIDE together).
        pool_kv_stride_adaptive: stride of the pooling of keys and values over height and width in
            the first layers; it halves at each of ``stages``.
        memory_every: every N-th layer, from the first, has memory. Every second has in the released models; 6
            gives a model of 48 layers the eight layers with memory of the one of 16, which is a guess.
        exclude_layers: layers without memory, instead of ``memory_every``.
        attn_max_len: clips that a layer attends to at most, its own included.
        pool_kernel: kernel of the memory's compression over time, height and width.
        pool_stride: its stride.
        sampler: ``gapN``: remember every N-th clip, counted back from the present one.
        readout: ``mean`` over the clips, or the ``last`` clip alone.
        drop_path_rate: share of clips for which the last layer is skipped in training; earlier
            layers are skipped less often, the first never.
        gradient_checkpointing: compute each layer again in the backward pass, to save memory.

    Raises:
        ValueError: sizes that do not go with each other.
    """

    may_lack = _MEMORY  # of models without memory

    def __init__(
        self,
        *,
        num_frames: int = SPEC.frames,
        size: int = SPEC.size,
        levels: int = 5,
        clip_frames: int = 16,
        patch: Grid = (2, 4, 4),
        width: int = 144,
        depth: int = 48,
        heads: int = 2,
        mlp_ratio: float = 4.0,
        stages: Sequence[int] = (2, 8, 44),
        pool_kv_stride_adaptive: int = 8,
        memory_every: int = 6,
        exclude_layers: Collection[int] | None = None,
        attn_max_len: int = 3,
        pool_kernel: Grid = (7, 3, 3),
        pool_stride: Grid = (4, 2, 2),
        sampler: str = "gap2",
        readout: Literal["mean", "last"] = "mean",
        drop_path_rate: float = 0.0,
        gradient_checkpointing: bool = False,
    ) -> None:
        gap = re.fullmatch(r"gap([1-9]\d*)", sampler)
        if num_frames % clip_frames:
            raise ValueError(
                f"num_frames must be a multiple of clip_frames ({clip_frames}); got {num_frames}"
            )
        if width % (2 * heads):
            raise ValueError(f"width must be a multiple of twice heads ({heads}); got {width}")
        if attn_max_len < 2:
            raise ValueError(
                "attn_max_len counts the clip itself and must be at least 2 (for no memory, name "
                f"all layers in exclude_layers); got {attn_max_len}"
            )
        if not all(kernel % 2 for kernel in pool_kernel):
            raise ValueError(f"pool_kernel must be odd; got {pool_kernel}")
        if gap is None:
            raise ValueError(f"sampler must be gap1, gap2 or the like; got '{sampler}'")
        if readout not in ("mean", "last"):
            raise ValueError(f"readout must be 'mean' or 'last'; got '{readout}'")
        if not isinstance(patch, Sequence) or len(patch) != 3:
            raise ValueError(
                f"patch must be three strides, over time, height and width, such as (2, 4, 4); got {patch}"
            )
        if any(not 1 <= stride <= kernel for stride, kernel in zip(patch, KERNEL, strict=True)):
            raise ValueError(
                f"patch must be at most the kernel of the first layer, {KERNEL}, so that every pixel is "
                f"seen; got {tuple(patch)}"
            )
        if any(not 0 <= stage < depth for stage in stages):
            raise ValueError(
                f"stages must be layers of the {depth} that there are, 0 to {depth - 1}; got {tuple(stages)}"
            )
        if memory_every < 1:
            raise ValueError(f"memory_every must be at least 1; got {memory_every}")
        if exclude_layers is None:
            exclude_layers = [i for i in range(depth) if i % memory_every]
        halvings = [sum(stage <= i for stage in stages) for i in range(depth)]
        super().__init__((3, num_frames, size, size), width * 2 ** halvings[-1], levels)
        self.clip_frames = clip_frames
        self.gap = int(gap[1])
        self.attn_max_len = attn_max_len
        self.readout = readout
        self.gradient_checkpointing = gradient_checkpointing
        self.patch_embed = PatchEmbed(width, patch)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        grid = pooled((clip_frames, size, size), KERNEL, patch)
        self.blocks = nn.ModuleList()
        self.without_memory = [i for i in range(depth) if i in exclude_layers]
        for i, halved in enumerate(halvings):
            kv_stride = max(pool_kv_stride_adaptive // 2**halved, 1)
            block = Block(
                width,
                width * 2 if i in stages else width,
                heads * 2**halved,
                mlp_ratio,
                grid,
                (1, 2, 2) if i in stages else (1, 1, 1),
                (1, kv_stride, kv_stride),
                None if i in exclude_layers else (attn_max_len, pool_kernel, pool_stride),
                drop_path_rate * i / max(depth - 1, 1),
            )
            self.blocks.append(block)
            width, grid = block.width, block.attn.q_grid
        self.norm = nn.LayerNorm(width, eps=1e-6)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        for part in self.blocks.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)

    def clip_features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map ``(B, 3, n * clip_frames, H, W)`` to the features of each clip, ``(n, B, F)``."""
        steps = torch.split(clips, self.gap * self.clip_frames, dim=2)
        past: list[list[Memory | None]] = []
        features = []
        for i, step in enumerate(steps):  # of clips that do not remember each other
            together = torch.stack(torch.split(step, self.clip_frames, dim=2)).flatten(0, 1)
            tokens, memory = self._step(together, past, i + 1 < len(steps))
            past = [*past, memory][1 - self.attn_max_len :]
            features.append(self.norm(tokens[:, 0]).unflatten(0, (-1, len(clips))))
        return torch.cat(features)

    def _step(
        self, clips: torch.Tensor, past: list[list[Memory | None]], kept: bool
    ) -> tuple[torch.Tensor, list[Memory | None]]:
        tokens = self.patch_embed(clips)
        tokens = torch.cat([self.cls_token.expand(len(clips), -1, -1), tokens], dim=1)
        memory = []
        for i, block in enumerate(self.blocks):
            former = [(m[0][: len(clips)], m[1][: len(clips)]) for step in past if (m := step[i])]
            tokens, own = self.through(block, tokens, former, kept)
            memory.append(own)
        return tokens, memory

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to ``(B, F)``: those of the last clip, or their mean."""
        features = self.clip_features(clips)
        return features[-1] if self.readout == "last" else features.mean(dim=0)

    def clips(self, clips: torch.Tensor) -> torch.Tensor:
        """Map ``(B, 3, n * clip_frames, H, W)`` to the logits of each clip, ``(n, B, 20, levels)``."""
        return torch.stack([self.heads(features) for features in self.clip_features(clips)])

    def from_official(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Interpolate tables of relative positions; make a classifier of 20 x levels our heads.

        Official checkpoints have weights for the memory of layers that are without memory, too;
        they influence nothing and are left out.

        Args:
            state: by official name, without what wrappers put before it; may be changed.
        """
        for i in self.without_memory:
            for name in [n for n in state if re.match(rf"blocks\.{i}{_MEMORY}", n)]:
                del state[name]
        for name, own in self.state_dict().items():
            table = state.get(name)
            if ".rel_pos_" in name and table is not None and len(table) != len(own):
                state[name] = resize_time(table[None], len(own))[0]
        for part in ("weight", "bias"):
            official, own = state.get(f"head.projection.{part}"), getattr(self.heads.linear, part)
            if official is not None and official.shape == own.shape:
                state[f"heads.linear.{part}"] = state.pop(f"head.projection.{part}")
        return state


#: The released model of 16 layers.
memvit_16 = partial(MeMViT, width=96, depth=16, heads=1, stages=(1, 3, 14), memory_every=2)

#: The released model of 24 layers.
memvit_24 = partial(MeMViT, width=96, depth=24, heads=1, stages=(2, 5, 21), memory_every=2)

#: A model that trains on the CPU of a laptop.
memvit_tiny = partial(
    MeMViT,
    num_frames=TINY.frames,
    size=TINY.size,
    clip_frames=4,
    width=32,
    depth=8,
    heads=1,
    stages=(1, 2, 7),
    memory_every=2,
)
