"""Random weights by the official names of vision transformers, and loading them."""

from __future__ import annotations

import torch

from openbasket.models.weights import load_official


def load(model, state):
    """Load weights by official name, of which nothing may be left over."""
    report = load_official(model, state)
    assert (report.missing, report.unexpected, report.misfit) == ((), (), ())


def layer_taps(encoder):
    """The modules of transformers whose outputs the reference files hold."""
    layers = encoder.encoder.layer
    first, last = layers[0], layers[-1]
    patches = encoder.embeddings.patch_embeddings
    return {"patch_embed": patches, "block_first": first, "block_last": last}


def timesformer(width=96, depth=2, frames=4, tokens=17, *, over_time=True):
    """Weights of a TimeSformer or, without attention over time, of an image model."""
    shapes = {"cls_token": (1, 1, width), "pos_embed": (1, tokens, width)}
    shapes |= _linear("norm", width) | _linear("patch_embed.proj", width, 3, 16, 16)
    for block in range(depth):
        prefix = f"blocks.{block}."
        for name in ("", "temporal_") if over_time else ("",):
            shapes |= _linear(f"{prefix}{name}attn.qkv", 3 * width, width)
            shapes |= _linear(f"{prefix}{name}attn.proj", width, width)
            shapes |= _linear(f"{prefix}{name}norm1", width)
        if over_time:
            shapes |= _linear(f"{prefix}temporal_fc", width, width)
        shapes |= _mlp(prefix, width)
    return _filled(shapes | ({"time_embed": (1, frames, width)} if over_time else {}), width)


def videomae(width=96, depth=2, tube=(1, 16, 16)):
    """Weights of VideoMAE V2, and of Unmasked Teacher without its positions."""
    shapes = _linear("fc_norm", width) | _linear("patch_embed.proj", width, 3, *tube)
    for block in range(depth):
        prefix = f"blocks.{block}."
        shapes |= {f"{prefix}attn.{name}_bias": (width,) for name in "qv"}
        shapes |= {f"{prefix}attn.qkv.weight": (3 * width, width)}
        shapes |= _linear(f"{prefix}attn.proj", width, width) | _linear(f"{prefix}norm1", width)
        shapes |= _mlp(prefix, width)
    return _filled(shapes, width)


def _linear(name, outputs, *inputs):
    return {f"{name}.weight": (outputs, *inputs), f"{name}.bias": (outputs,)}


def _mlp(prefix, width):
    return (
        _linear(f"{prefix}norm2", width)
        | _linear(f"{prefix}mlp.fc1", 4 * width, width)
        | _linear(f"{prefix}mlp.fc2", width, 4 * width)
    )


def _filled(shapes, width):
    generator = torch.Generator().manual_seed(0)
    for head in range(20):
        shapes |= _linear(f"head.{head}", 5, width)
    return {name: torch.randn(shape, generator=generator) / 10 for name, shape in shapes.items()}
