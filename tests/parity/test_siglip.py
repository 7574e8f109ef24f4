"""SigLIP against the plain transformers model with the same weights."""

from __future__ import annotations

import pytest
import torch
from transformers import SiglipConfig, SiglipModel, SiglipVisionConfig, SiglipVisionModel

from openbasket.models import create_model
from openbasket.models.weights import load_official

FRAMES, SIZE = 3, 64
VISION = {
    "hidden_size": 48,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": SIZE,
}
TEXT = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 50,
}
CLIPS = torch.randn(2, 3, FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def build(**options):
    torch.manual_seed(1)
    options = {"num_frames": FRAMES, "size": SIZE} | options
    return create_model("siglip", width=48, depth=2, heads=3, **options).eval()


def randomised(module):
    """The module with every weight drawn anew, so that each one shows in the output."""
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.data.normal_(std=0.2, generator=generator)
    return module.eval()


def tower():
    return randomised(SiglipVisionModel(SiglipVisionConfig(**VISION)))


def whole():
    return randomised(SiglipModel(SiglipConfig(text_config=TEXT, vision_config=VISION)))


def loaded(state, **options):
    model = build(**options)
    report = load_official(model, state)
    assert report.missing == ("heads.linear.bias", "heads.linear.weight")
    assert not report.unexpected
    assert not report.misfit
    return model


def bare(state):
    return state


def prefixed(state):
    return {f"vision_model.{name}": value for name, value in state.items()}


def old(state):
    """Files of old versions hold the indices of the positions as well."""
    return prefixed(state) | {
        "vision_model.embeddings.position_ids": torch.arange(16)[None],
        "text_model.embeddings.position_ids": torch.arange(64)[None],
    }


@pytest.mark.parametrize("names", [bare, prefixed, old])
def test_features_and_gradient_are_those_of_the_plain_tower_averaged_over_frames(names):
    plain = tower()
    model = loaded(names(plain.state_dict()))
    probe = torch.randn(2, 48, generator=torch.Generator().manual_seed(3))
    ours, theirs = CLIPS.clone().requires_grad_(), CLIPS.clone().requires_grad_()
    features = model.features(ours)
    pooled = [plain(theirs[:, :, frame]).pooler_output for frame in range(FRAMES)]
    expected = torch.stack(pooled).mean(dim=0)
    assert (features - expected).abs().max() <= 1e-5 * expected.std()
    (features * probe).sum().backward()
    (expected * probe).sum().backward()
    assert (ours.grad - theirs.grad).abs().max() <= 1e-5 * theirs.grad.std()
    assert torch.equal(model(CLIPS), model.heads(model.features(CLIPS)))


def test_of_a_file_of_the_whole_model_the_text_tower_is_left_out():
    plain = whole()
    state = plain.state_dict()
    assert {name.split(".")[0] for name in state} == {
        *("vision_model", "text_model", "logit_scale", "logit_bias")
    }
    with torch.no_grad():
        expected = plain.vision_model(CLIPS[:, :, 0]).pooler_output
        features = loaded(state, num_frames=1).features(CLIPS[:, :, :1])
    assert (features - expected).abs().max() <= 1e-5 * expected.std()


def test_names_that_have_no_place_are_told():
    state = tower().state_dict() | {"classifier.weight": torch.zeros(3, 48)}
    assert load_official(build(), state).unexpected == ("classifier.weight",)


def test_heads_of_the_skills_are_not_taken_for_the_pooling_head():
    state = tower().state_dict()
    state |= {f"head.{i}.weight": torch.full((5, 48), float(i)) for i in range(20)}
    state |= {f"head.{i}.bias": torch.zeros(5) for i in range(20)}
    model = build()
    report = load_official(model, state)
    assert (report.missing, report.unexpected, report.misfit) == ((), (), ())
    assert model.heads.linear.weight[:, 0].tolist() == [
        float(i) for i in range(20) for _ in "12345"
    ]


def test_positions_are_interpolated_to_another_size_as_transformers_does_it():
    plain = tower()
    clips = torch.randn(2, 3, FRAMES, 96, 96, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        pooled = [
            plain(clips[:, :, frame], interpolate_pos_encoding=True).pooler_output
            for frame in range(FRAMES)
        ]
        expected = torch.stack(pooled).mean(dim=0)
        features = loaded(plain.state_dict(), size=96).features(clips)
    assert (features - expected).abs().max() <= 1e-5 * expected.std()


def test_checkpointing_changes_no_gradient():
    state = tower().state_dict()
    plain, checkpointed = loaded(state), loaded(state, gradient_checkpointing=True)
    for model in (plain, checkpointed):
        model.train()
        model.features(CLIPS).sum().backward()
    assert all(layer.gradient_checkpointing for layer in checkpointed.vision_model.encoder.layers)
    for (name, a), b in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        if not name.startswith("heads."):
            torch.testing.assert_close(a.grad, b.grad, msg=name)


def test_the_paper_size_model_has_the_measured_number_of_parameters():
    with torch.device("meta"):
        model = create_model("siglip")
    count = sum(parameter.numel() for parameter in model.vision_model.parameters())
    assert count == pytest.approx(92.88e6, rel=1e-3)


@pytest.mark.parametrize("options", [{"size": 65}, {"heads": 5}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="multiple"):
        create_model("siglip", **{"width": 48, "heads": 3} | options)
