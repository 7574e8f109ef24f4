"""X-CLIP's video part: a ViT whose frames exchange messages, and a transformer over the frames."""

from __future__ import annotations

import copy
from functools import partial
from typing import cast

import torch
from torch import nn
from transformers import XCLIPVisionConfig, XCLIPVisionModel
from transformers.models.x_clip.modeling_x_clip import XCLIPMultiframeIntegrationTransformer

from openbasket.models.base import VideoModel
from openbasket.models.positions import resize_space, resize_time
from openbasket.models.spec import ModelSpec

__all__ = ["SPECS", "XClip", "xclip_tiny"]

_SOURCE = (
    "Ni et al. 2022, Expanding Language-Image Pretrained Models for General Video Recognition "
    "(arXiv:2208.02816)"
)
_LICENCE = "MIT; its form in transformers Apache-2.0"
SPECS = {
    "xclip": ModelSpec("xclip", 16, 224, 126_515_044, _SOURCE, _LICENCE),
    "xclip-tiny": ModelSpec("xclip-tiny", 16, 96, 3_181_732, _SOURCE, _LICENCE),
}

#: What a file of the whole X-CLIP model (official, of CLIP, or of the hub) holds besides the video part.
_TEXT = (
    *("transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection"),
    *("logit_scale", "prompts_", "text_model.", "input_resolution", "context_length", "vocab_size"),
)
#: Official names, or parts of them, and ours, which are those of the hub.
_NAMES = {
    "visual.conv1.": "vision_model.embeddings.patch_embedding.",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.": "vision_model.pre_layernorm.",
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
    "visual.ln_post.": "vision_model.post_layernorm.",
    "visual.proj": "visual_projection.weight",
    "mit.positional_embedding": "mit.position_embedding",
    "mit.resblocks.": "mit.encoder.layers.",
    ".attn.": ".self_attn.",
    ".ln_1.": ".layer_norm1.",
    ".ln_2.": ".layer_norm2.",
    ".c_fc.": ".fc1.",
    ".c_proj.": ".fc2.",
}


class XClip(VideoModel):
    """ViT on each frame, one message a frame and layer, and multi-frame integration above it.

    Args:
        num_frames: frames in a clip.
        size: height and width in pixels, a multiple of ``patch``.
        patch: height and width of a patch in pixels.
        width: length of a token, a multiple of ``heads``.
        depth: transformer layers of the ViT.
        heads: attention heads of the ViT.
        mlp_ratio: width of the MLPs' hidden layers by the length of their input.
        projection_dim: length of a frame's vector in the multi-frame integration, a multiple of 64
            (the length of an attention head).
        mit_layers: transformer layers of the multi-frame integration.
        levels: levels of a skill.
        gradient_checkpointing: compute layers twice in training instead of keeping their values.

    Raises:
        ValueError: ``size`` is no multiple of ``patch``, ``width`` none of ``heads``, or
            ``projection_dim`` none of 64.
    """

    may_lack = r"^mit\.|\.message_"  # which CLIP has not

    def __init__(
        self,
        *,
        num_frames: int = SPECS["xclip"].frames,
        size: int = SPECS["xclip"].size,
        patch: int = 32,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        projection_dim: int = 512,
        mit_layers: int = 1,
        levels: int = 5,
        gradient_checkpointing: bool = False,
    ) -> None:
        if size % patch or width % heads or projection_dim % 64:
            raise ValueError(
                f"size must be a multiple of patch, width of heads, projection_dim of 64; got "
                f"size {size}, patch {patch}, width {width}, heads {heads}, "
                f"projection_dim {projection_dim}"
            )
        super().__init__((3, num_frames, size, size), projection_dim, levels)
        self.patch = patch
        config = XCLIPVisionConfig(
            hidden_size=width,
            intermediate_size=int(width * mlp_ratio),
            num_hidden_layers=depth,
            num_attention_heads=heads,
            image_size=size,
            patch_size=patch,
            num_frames=num_frames,
            attn_implementation="sdpa",  # type: ignore[call-arg]
        )
        self.vision_model = XCLIPVisionModel(config)
        self.visual_projection = nn.Linear(width, projection_dim, bias=False)
        nn.init.normal_(self.visual_projection.weight, std=width**-0.5)
        config = copy.copy(config)
        config.hidden_size = projection_dim
        config.intermediate_size = int(projection_dim * mlp_ratio)
        config.num_hidden_layers = mit_layers
        config.num_attention_heads = projection_dim // 64
        self.mit = XCLIPMultiframeIntegrationTransformer(config)
        for part in self.mit.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)
        nn.init.trunc_normal_(self.mit.position_embedding, std=0.02)
        if gradient_checkpointing:
            self.vision_model.activation_checkpointing_enable()

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to ``(B, projection_dim)``."""
        pictures = clips.transpose(1, 2).flatten(0, 1)
        frames = self.visual_projection(self.vision_model(pixel_values=pictures).pooler_output)
        frames = frames.unflatten(0, (len(clips), -1))
        return cast("torch.Tensor", self.mit(frames).pooler_output)

    def from_official(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Take the video part out of an official file, of X-CLIP or CLIP, or a hub file."""
        ours = {}
        for name, value in state.items():
            if name.startswith(_TEXT) or name.endswith("position_ids"):
                continue
            if name == "visual.proj":
                value = value.T
            for official, here in _NAMES.items():
                name = name.replace(official, here)
            stem, _, kind = name.rpartition("in_proj_")
            if stem:
                for part, rows in zip("qkv", value.chunk(3), strict=True):
                    ours[f"{stem}{part}_proj.{kind}"] = rows
            else:
                ours[name] = value
        table = "vision_model.embeddings.position_embedding.weight"
        if table in ours:
            first, places = ours[table][:1], ours[table][None, 1:]
            places = resize_space(places, self.clip_shape[2] // self.patch)
            ours[table] = torch.cat([first, places[0]])
        table = "mit.position_embedding"
        if table in ours:
            ours[table] = resize_time(ours[table], self.clip_shape[1])
        return ours


xclip_tiny = partial(
    XClip,
    num_frames=SPECS["xclip-tiny"].frames,
    size=SPECS["xclip-tiny"].size,
    patch=16,
    width=192,
    depth=4,
    heads=3,
    projection_dim=192,
)
