"""Every model takes the recipe's switches: gradient checkpointing gives the same gradients."""

from __future__ import annotations

import pytest
import torch
from contracts.test_models import FRAMES, SIZE, make

from openbasket.models import MODELS


@pytest.fixture
def clips():
    return torch.randn(2, 3, FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def kept_bytes(model, clips):
    """Gradients, and the bytes that the forward pass keeps for the backward pass."""
    kept = 0

    def pack(value):
        nonlocal kept
        kept += value.numel() * value.element_size()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        logits = model(clips)
    logits.square().sum().backward()
    return {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }, kept


def without_chance(name, **options):
    """The model, that of the same seed each time, without dropout and stochastic depth."""
    model = make(name, **options).train()
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if isinstance(getattr(part, "rate", None), float):
            part.rate = 0.0
        if isinstance(part, torch.nn.TransformerEncoderLayer):
            part.self_attn.dropout = 0.0
    return model


@pytest.mark.parametrize("name", sorted(MODELS))
def test_checkpointing_keeps_less_and_gives_the_same_gradients(name, clips):
    plain, kept = kept_bytes(without_chance(name), clips)
    again, less = kept_bytes(without_chance(name, gradient_checkpointing=True), clips)
    assert less < kept
    assert plain.keys() == again.keys()
    for key, value in plain.items():
        scale = float(value.abs().max() + 1)
        torch.testing.assert_close(again[key], value, rtol=1e-4, atol=1e-5 * scale)
