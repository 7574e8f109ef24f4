"""VideoMamba (arXiv:2403.06977): a bidirectional state space model over the patches of all frames."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from openbasket.models.base import DropPath, VideoModel
from openbasket.models.positions import resize_space, resize_time
from openbasket.models.scan import exact_dtype, selective_scan
from openbasket.models.spec import ModelSpec

__all__ = ["SPECS", "VideoMamba", "VideoMambaTiny"]

_SOURCE = "VideoMamba: State Space Model for Efficient Video Understanding, arXiv:2403.06977"
SPECS = {
    spec.name: spec
    for spec in (
        ModelSpec("videomamba", 64, 224, 73_735_012, _SOURCE, "Apache-2.0"),
        ModelSpec("videomamba-tiny", 16, 96, 1_869_796, _SOURCE, "Apache-2.0"),
    )
}

#: Size of each inner channel's state, width of the convolution over time, inner channels by width.
STATES, CONVOLUTION, EXPAND = 16, 4, 2


class VideoMamba(VideoModel):
    """The middle size: 32 bidirectional Mamba layers of width 576; the class token is read.

    Args:
        num_frames: frames in a clip.
        size: height and width in pixels, a multiple of ``patch``.
        patch: side of a patch in pixels.
        width: length of a token.
        depth: layers.
        levels: levels of a skill.
        drop_path_rate: share of clips whose last layer is skipped in training; less in layers before.
        gradient_checkpointing: keep only the layers' inputs for the backward pass.

    Raises:
        ValueError: ``size`` is no multiple of ``patch``.
    """

    may_lack = r"^temporal_pos_embedding$"  # which image models have not

    def __init__(
        self,
        *,
        num_frames: int = 64,
        size: int = 224,
        patch: int = 16,
        width: int = 576,
        depth: int = 32,
        levels: int = 5,
        drop_path_rate: float = 0.1,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__((3, num_frames, size, size), width, levels)
        if size % patch:
            raise ValueError(f"size must be a multiple of patch ({patch}); got {size}")
        self.gradient_checkpointing = gradient_checkpointing
        self.patch_embed = PatchEmbed(patch, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, (size // patch) ** 2 + 1, width))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.temporal_pos_embedding = nn.Parameter(torch.zeros(1, num_frames, width))
        # A layer's share is that of the layer before it: what it drops is that layer's output.
        rates = [0.0, *(drop_path_rate * i / max(depth - 1, 1) for i in range(depth - 1))]
        self.layers = nn.ModuleList(Block(width, depth, rate) for rate in rates)
        self.drop_path = DropPath(drop_path_rate)
        self.norm_f = RMSNorm(width, eps=1e-5)

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to the class token after the last layer, ``(B, width)``."""
        patches = self.patch_embed(clips).flatten(3).permute(0, 2, 3, 1)  # (B, T, H W, width)
        patches = patches + self.pos_embed[:, 1:] + self.temporal_pos_embedding.unsqueeze(2)
        start = (self.cls_token + self.pos_embed[:, :1]).expand(len(clips), -1, -1)
        hidden = torch.cat((start, patches.flatten(1, 2)), dim=1)
        # The sum of all layers' outputs, in float32 at least.
        residual = torch.zeros_like(hidden, dtype=exact_dtype(hidden))
        for layer in self.layers:
            hidden, residual = self.through(layer, hidden, residual)
        features: torch.Tensor = self.norm_f((residual + self.drop_path(hidden))[:, 0])
        return features

    def from_official(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Fit the position tables to our picture (bicubic) and frames (linear).

        Weights of the image model get a time axis for their patches.
        """
        if "pos_embed" in state:
            start, table = state["pos_embed"][:, :1], state["pos_embed"][:, 1:]
            table = resize_space(table, math.isqrt(self.pos_embed.shape[1] - 1))
            state["pos_embed"] = torch.cat((start, table), dim=1)
        name = "temporal_pos_embedding"
        if name in state:
            state[name] = resize_time(state[name], self.temporal_pos_embedding.shape[1])
        name = "patch_embed.proj.weight"
        if name in state and state[name].ndim == 4:
            state[name] = state[name].unsqueeze(2)
        return state


class VideoMambaTiny(VideoMamba):
    """A small VideoMamba that trains from scratch on a CPU; the arguments are the same."""

    def __init__(
        self,
        *,
        num_frames: int = 16,
        size: int = 96,
        patch: int = 16,
        width: int = 192,
        depth: int = 6,
        levels: int = 5,
        drop_path_rate: float = 0.1,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__(
            num_frames=num_frames,
            size=size,
            patch=patch,
            width=width,
            depth=depth,
            levels=levels,
            drop_path_rate=drop_path_rate,
            gradient_checkpointing=gradient_checkpointing,
        )


class PatchEmbed(nn.Module):
    """Cut each frame into patches."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, width, (1, patch, patch), stride=(1, patch, patch))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to ``(B, width, T, H / patch, W / patch)``."""
        patches: torch.Tensor = self.proj(clips)
        return patches


class Block(nn.Module):
    """Add the output of the layer before, normalise, mix."""

    def __init__(self, width: int, depth: int, drop_path_rate: float) -> None:
        super().__init__()
        self.mixer = Mixer(width, depth)
        self.norm = RMSNorm(width, eps=1e-5)
        self.drop_path = DropPath(drop_path_rate)

    def forward(
        self, hidden: torch.Tensor, residual: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map tokens ``(B, L, width)`` and the sum of those before to the same."""
        residual = residual + self.drop_path(hidden)
        return self.mixer(self.norm(residual)), residual


class Mixer(nn.Module):
    """Mamba in both directions; names that end in ``_b`` belong to the backward one."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        inner, self.rank = EXPAND * width, math.ceil(width / 16)
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        for end in ("", "_b"):
            conv = nn.Conv1d(inner, inner, CONVOLUTION, groups=inner, padding=CONVOLUTION - 1)
            self.add_module(f"conv1d{end}", conv)
            self.add_module(f"x_proj{end}", nn.Linear(inner, self.rank + 2 * STATES, bias=False))
            self.add_module(f"dt_proj{end}", _step_projection(self.rank, inner))
            decay = torch.arange(1, STATES + 1, dtype=torch.float32).log().repeat(inner, 1)
            self.register_parameter(f"A{end}_log", nn.Parameter(decay))
            self.register_parameter(f"D{end}", nn.Parameter(torch.ones(inner)))
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.out_proj.weight /= math.sqrt(depth)  # the residual is a sum of all layers' outputs

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map tokens ``(B, L, width)`` to the same."""
        x, z = self.in_proj(tokens).transpose(1, 2).chunk(2, dim=1)
        y = self._scan(x, z, "") + self._scan(x.flip(2), z.flip(2), "_b").flip(2)
        mixed: torch.Tensor = self.out_proj(y.transpose(1, 2))
        return mixed

    def _scan(self, x: torch.Tensor, z: torch.Tensor, end: str) -> torch.Tensor:
        """Convolve and scan ``(B, inner, L)`` from its start."""
        x = F.silu(getattr(self, f"conv1d{end}")(x)[..., : x.shape[2]])
        steps, b, c = getattr(self, f"x_proj{end}")(x.transpose(1, 2)).split(
            (self.rank, STATES, STATES), dim=2
        )
        projection, decay = getattr(self, f"dt_proj{end}"), getattr(self, f"A{end}_log")
        return selective_scan(
            x,
            F.linear(steps, projection.weight).transpose(1, 2),
            -decay.to(exact_dtype(decay)).exp(),
            b.transpose(1, 2),
            c.transpose(1, 2),
            getattr(self, f"D{end}"),
            z,
            projection.bias,
            delta_softplus=True,
        )


def _step_projection(rank: int, inner: int) -> nn.Linear:
    """Make step sizes that start log-uniform between 0.001 and 0.1."""
    projection = nn.Linear(rank, inner)
    nn.init.uniform_(projection.weight, -(rank**-0.5), rank**-0.5)
    with torch.no_grad():
        steps = torch.exp(torch.empty(inner).uniform_(math.log(0.001), math.log(0.1)))
        projection.bias.copy_(steps + torch.log(-torch.expm1(-steps)))  # undoes the softplus
    return projection


class RMSNorm(nn.RMSNorm):
    """Reads float32 sums whatever the type of its weight, which is that of its output."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise the last axis."""
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps).to(
            self.weight.dtype
        )
