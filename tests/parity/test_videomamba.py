"""VideoMamba against numbers of its official implementation."""

from __future__ import annotations

import pytest
from parity.conftest import agree

from openbasket.models import create_model
from openbasket.models.weights import load_official

OPTIONS = {"num_frames": 4, "img_size": 64, "embed_dim": 64, "depth": 3, "patch_size": 16}


@pytest.mark.parametrize("checkpointing", [False, True])
def test_numbers_are_the_official_ones(reference, checkpointing):
    state, found = reference("videomamba")
    model = create_model(
        "videomamba", **OPTIONS, drop_path_rate=0.0, gradient_checkpointing=checkpointing
    ).train(checkpointing)
    report = load_official(model, state)
    assert (report.missing, report.unexpected, report.misfit) == ((), (), ())
    taps = {}
    for name, module in (
        ("patch_embed", model.patch_embed),
        ("mixer_first", model.layers[0].mixer),
        ("mixer_last", model.layers[-1].mixer),
    ):
        module.register_forward_hook(
            lambda module, given, out, name=name: taps.setdefault(name, out)
        )
    clips = found["input"].requires_grad_()
    features = model.features(clips)
    logits = model.heads(features)
    (logits * found["probe"]).sum().backward()
    agree(features, found["expected.features"])
    agree(logits, found["expected.logits"])
    agree(clips.grad, found["expected.input_grad"])
    expected = {k.removeprefix("expected.taps."): v for k, v in found.items() if ".taps." in k}
    assert taps.keys() == expected.keys()
    for name, value in expected.items():
        agree(taps[name], value)
