"""X-CLIP against the plain transformers model with the same weights."""

from __future__ import annotations

import pytest
import torch
from transformers import XCLIPConfig, XCLIPModel

from openbasket.models import create_model
from openbasket.models.weights import load_official

FRAMES, SIZE, WIDTH, DIM = 3, 64, 48, 128
CONFIG = {
    "projection_dim": DIM,
    "prompt_layers": 1,
    "vision_config": {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "image_size": SIZE,
        "patch_size": 16,
        "num_frames": FRAMES,
        "mit_hidden_size": DIM,
        "mit_intermediate_size": 4 * DIM,
        "mit_num_attention_heads": 2,
    },
    "text_config": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 50,
    },
}
CLIPS = torch.randn(2, 3, FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def build(**options):
    torch.manual_seed(1)
    options = {"num_frames": FRAMES, "size": SIZE} | options
    return create_model(
        "xclip", patch=16, width=WIDTH, depth=2, heads=3, projection_dim=DIM, **options
    ).eval()


def plain():
    """XCLIPModel with every weight drawn anew, so that each one shows in the output."""
    model = XCLIPModel(XCLIPConfig(**CONFIG)).eval()
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2, generator=generator)
    return model


def block(theirs, ours, attention):
    """Names of a transformer layer, official to the hub's: a list of the latter is stacked."""
    names = {}
    for official, hub in attention.items():
        for kind in ("weight", "bias"):
            names[f"{theirs}.{official}.in_proj_{kind}"] = [
                f"{ours}.{hub}.{part}_proj.{kind}" for part in "qkv"
            ]
            names[f"{theirs}.{official}.out_proj.{kind}"] = f"{ours}.{hub}.out_proj.{kind}"
    parts = {"ln_1": "layer_norm1", "ln_2": "layer_norm2"}
    parts |= {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    if "message_attn" in attention:
        parts |= {"message_fc": "message_fc", "message_ln": "message_ln"}
    for official, hub in parts.items():
        for kind in ("weight", "bias"):
            names[f"{theirs}.{official}.{kind}"] = f"{ours}.{hub}.{kind}"
    return names


def official_names():
    names = {
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.ln_pre.weight": "vision_model.pre_layernorm.weight",
        "visual.ln_pre.bias": "vision_model.pre_layernorm.bias",
        "visual.ln_post.weight": "vision_model.post_layernorm.weight",
        "visual.ln_post.bias": "vision_model.post_layernorm.bias",
        "mit.positional_embedding": "mit.position_embedding",
    }
    for i in range(2):
        names |= block(
            f"visual.transformer.resblocks.{i}",
            f"vision_model.encoder.layers.{i}",
            {"attn": "self_attn", "message_attn": "message_attn"},
        )
    return names | block("mit.resblocks.0", "mit.encoder.layers.0", {"attn": "self_attn"})


def official_state(hub):
    """The weights under the names and in the shapes of an official X-CLIP file."""
    state = {
        official: torch.cat([hub[part] for part in names])
        if isinstance(names, list)
        else hub[names]
        for official, names in official_names().items()
    }
    state["visual.proj"] = hub["visual_projection.weight"].T
    # The text part and the prompts, which are no part of our model.
    return state | {
        "positional_embedding": torch.zeros(77, 64),
        "text_projection": torch.zeros(64, DIM),
        "logit_scale": torch.tensor(4.6),
        "token_embedding.weight": torch.zeros(50, 64),
        "transformer.resblocks.0.attn.in_proj_weight": torch.zeros(192, 64),
        "transformer.resblocks.0.mlp.c_fc.bias": torch.zeros(256),
        "ln_final.weight": torch.zeros(64),
        "prompts_generator.alpha": torch.zeros(DIM),
        "prompts_generator.decoder.0.cross_attn.q_proj.weight": torch.zeros(DIM, DIM),
        "prompts_visual_ln.weight": torch.zeros(WIDTH),
        "prompts_visual_proj": torch.zeros(WIDTH, DIM),
    }


def loaded(state, **options):
    model = build(**options)
    report = load_official(model, state)
    assert report.missing == ("heads.linear.bias", "heads.linear.weight")
    assert not report.unexpected
    assert not report.misfit
    return model


def test_the_official_state_of_this_test_holds_the_whole_video_part():
    used = {
        name
        for names in official_names().values()
        for name in ([names] if isinstance(names, str) else names)
    } | {"visual_projection.weight"}
    assert used == {name for name in build().state_dict() if not name.startswith("heads.")}


@pytest.mark.parametrize("form", ["official", "wrapped", "hub"])
def test_features_and_gradient_are_those_of_the_plain_model(form):
    reference = plain()
    state = reference.state_dict()
    if form != "hub":
        state = official_state(state)
    if form == "wrapped":
        state = {f"module.{name}": value for name, value in state.items()}
    model = loaded(state)
    probe = torch.randn(2, DIM, generator=torch.Generator().manual_seed(3))
    ours, theirs = CLIPS.clone().requires_grad_(), CLIPS.clone().requires_grad_()
    features = model.features(ours)
    expected = reference.get_video_features(theirs.transpose(1, 2)).pooler_output
    assert torch.equal(features, expected)
    (features * probe).sum().backward()
    (expected * probe).sum().backward()
    assert (ours.grad - theirs.grad).abs().max() <= 1e-5 * theirs.grad.std()
    assert torch.equal(model(CLIPS), model.heads(model.features(CLIPS)))


def test_every_weight_arrives_unchanged_from_the_official_names():
    state = plain().state_dict()
    for name, value in loaded(official_state(state)).state_dict().items():
        if not name.startswith("heads."):
            assert torch.equal(value, state[name]), name


def test_a_file_of_clip_fills_all_but_what_joins_the_frames():
    state = official_state(plain().state_dict()) | {
        name: torch.tensor(7) for name in ("input_resolution", "context_length", "vocab_size")
    }
    state = {n: v for n, v in state.items() if "message" not in n and not n.startswith("mit.")}
    report = load_official(build(), state)
    assert {name.split(".")[0] for name in report.missing if "message" not in name} == {
        *("heads", "mit")
    }
    assert not report.unexpected
    assert not report.misfit


def test_positions_are_interpolated_to_another_size_as_transformers_does_it():
    reference = plain()
    clips = torch.randn(2, 3, FRAMES, 96, 96, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected = reference.get_video_features(
            clips.transpose(1, 2), interpolate_pos_encoding=True
        ).pooler_output
        features = loaded(official_state(reference.state_dict()), size=96).features(clips)
    assert (features - expected).abs().max() <= 1e-5 * expected.std()


def test_positions_are_interpolated_to_another_number_of_frames():
    state = official_state(plain().state_dict())
    state["mit.positional_embedding"] = torch.tensor([0.0, 1, 2])[None, :, None].expand(1, 3, DIM)
    table = loaded(state, num_frames=6).mit.position_embedding
    torch.testing.assert_close(
        table[0, :, 0].detach(), torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2])
    )


def test_checkpointing_changes_no_gradient():
    state = plain().state_dict()
    models = loaded(state), loaded(state, gradient_checkpointing=True)
    for model in models:
        model.train()
        model.features(CLIPS).sum().backward()
    assert all(layer.gradient_checkpointing for layer in models[1].vision_model.encoder.layers)
    for (name, a), b in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        if not name.startswith("heads."):
            torch.testing.assert_close(a.grad, b.grad, msg=name)


def test_the_paper_size_model_has_the_measured_number_of_parameters():
    with torch.device("meta"):
        model = create_model("xclip")
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == pytest.approx(126.46e6, rel=1e-3)


@pytest.mark.parametrize("options", [{"size": 65}, {"heads": 5}, {"projection_dim": 100}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="multiple"):
        create_model("xclip", **{"width": 48, "heads": 3} | options)
