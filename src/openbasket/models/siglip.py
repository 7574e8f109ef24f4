"""SigLIP's picture tower on each frame, the frames' features averaged."""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
from transformers import SiglipVisionConfig, SiglipVisionModel

from openbasket.models.base import VideoModel
from openbasket.models.positions import resize_space
from openbasket.models.spec import ModelSpec

__all__ = ["SPECS", "Siglip", "siglip_tiny"]

_SOURCE = "Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training (arXiv:2303.15343)"
SPECS = {
    "siglip": ModelSpec("siglip", 64, 224, 92_961_124, _SOURCE, "Apache-2.0", "half"),
    "siglip-tiny": ModelSpec("siglip-tiny", 16, 96, 3_288_100, _SOURCE, "Apache-2.0", "half"),
}

#: What a file of the whole SigLIP model holds besides the picture tower.
_TEXT = ("text_model.", "logit_scale", "logit_bias")
#: The parts of the picture tower, which files have with or without ``vision_model.`` before them.
_PARTS = ("embeddings.", "encoder.", "post_layernorm.", "head.")


class Siglip(VideoModel):
    """ViT with attention pooling on each frame; a clip's features are the mean over its frames.

    The mean makes the model blind to the order of the frames, by design.

    Args:
        num_frames: frames in a clip.
        size: height and width in pixels, a multiple of ``patch``.
        patch: height and width of a patch in pixels.
        width: length of a token, a multiple of ``heads``.
        depth: transformer layers.
        heads: attention heads.
        mlp_ratio: width of the MLPs' hidden layers by ``width``.
        levels: levels of a skill.
        gradient_checkpointing: compute layers twice in training instead of keeping their values.

    Raises:
        ValueError: ``size`` is no multiple of ``patch``, or ``width`` none of ``heads``.
    """

    def __init__(
        self,
        *,
        num_frames: int = SPECS["siglip"].frames,
        size: int = SPECS["siglip"].size,
        patch: int = 16,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        levels: int = 5,
        gradient_checkpointing: bool = False,
    ) -> None:
        if size % patch or width % heads:
            raise ValueError(
                f"size must be a multiple of patch, width of heads; "
                f"got size {size}, patch {patch}, width {width}, heads {heads}"
            )
        super().__init__((3, num_frames, size, size), width, levels)
        self.patch = patch
        config = SiglipVisionConfig(
            hidden_size=width,
            intermediate_size=int(width * mlp_ratio),
            num_hidden_layers=depth,
            num_attention_heads=heads,
            image_size=size,
            patch_size=patch,
            attn_implementation="sdpa",  # type: ignore[call-arg]
        )
        self.vision_model = SiglipVisionModel(config)
        if gradient_checkpointing:
            self.vision_model.activation_checkpointing_enable()

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Map clips ``(B, 3, T, H, W)`` to ``(B, width)``."""
        pictures = clips.transpose(1, 2).flatten(0, 1)
        pooled = cast("torch.Tensor", self.vision_model(pixel_values=pictures).pooler_output)
        return pooled.view(len(clips), -1, pooled.shape[1]).mean(dim=1)

    def from_official(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Take the picture tower out of a hub file, of the whole model or of the tower alone."""
        ours = {}
        for name, value in state.items():
            if name.startswith(_TEXT) or name.endswith("position_ids"):
                continue
            # ``head.0.weight`` and so on are the skills' heads.
            tower = name.startswith(_PARTS) and not name.split(".")[1].isdigit()
            ours[f"vision_model.{name}" if tower else name] = value
        table = "vision_model.embeddings.position_embedding.weight"
        if table in ours:
            side = self.clip_shape[2] // self.patch
            ours[table] = resize_space(ours[table][None], side)[0]
        return ours


siglip_tiny = partial(
    Siglip,
    num_frames=SPECS["siglip-tiny"].frames,
    size=SPECS["siglip-tiny"].size,
    width=192,
    depth=6,
    heads=3,
)
