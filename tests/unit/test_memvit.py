"""MeMViT's attention, with its positions, is a fused one."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from openbasket.models import create_model


@pytest.mark.parametrize("learning", [False, True])
def test_attention_is_fused_on_a_cpu(learning):
    torch.manual_seed(0)
    model = create_model("memvit-tiny", num_frames=8, size=32).train(learning)
    clips = torch.randn(1, 3, 8, 32, 32)
    found = []
    for kernel in (SDPBackend.MATH, SDPBackend.FLASH_ATTENTION):
        with sdpa_kernel(kernel), torch.set_grad_enabled(learning):
            logits = model(clips)
        found.append([logits.detach()])
        if learning:
            model.zero_grad()
            logits.sum().backward()
            found[-1].append(model.blocks[0].attn.rel_pos_h.grad)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
