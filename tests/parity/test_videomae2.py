"""VideoMAE V2 against the official numbers."""

from __future__ import annotations

import pytest
import torch
from parity.conftest import compare
from parity.vits import layer_taps, load, videomae
from transformers.models.videomae.modeling_videomae import get_sinusoid_encoding_table

from openbasket.models import create_model
from openbasket.models.videomae2 import sinusoids

TINY = {
    "img_size": 56,
    "patch_size": 14,
    "embed_dim": 88,
    "depth": 2,
    "num_heads": 4,
    "mlp_ratio": 48 / 11,
    "all_frames": 4,
}
STATE = videomae(88, tube=(2, 14, 14))


def build(**options):
    torch.manual_seed(1)
    return create_model("videomae2", **(TINY | options)).eval()


def test_numbers_are_the_official_ones(reference):
    model = build()
    compare(model, *reference("videomae2"), layer_taps(model.videomae))


@pytest.mark.parametrize("prefix", ["encoder.", "backbone."])
def test_names_of_pretraining_have_a_prefix(prefix):
    load(build(mlp_ratio=4), {prefix + name: value for name, value in STATE.items()})


def test_files_of_the_hub_in_its_older_layout_keep_their_biases():
    model = build(mlp_ratio=4)
    load(model, STATE)
    hub = {
        name.replace(".query.bias", ".q_bias").replace(".value.bias", ".v_bias"): value.clone()
        for name, value in model.state_dict().items()
    }
    other = build(mlp_ratio=4)
    load(other, hub)
    layer = other.videomae.encoder.layer[1].attention.attention
    assert torch.equal(layer.query.bias, STATE["blocks.1.attn.q_bias"])
    assert torch.equal(layer.value.bias, STATE["blocks.1.attn.v_bias"])


def test_positions_are_exact_in_double_precision():
    column = torch.arange(1408, dtype=torch.float64)
    angles = torch.arange(4096, dtype=torch.float64)[:, None] / 10000 ** (column // 2 * 2 / 1408)
    exact = torch.where(column % 2 == 0, angles.sin(), angles.cos())
    assert (sinusoids(4096, 1408)[0] - exact).abs().max() < 1e-7


def test_positions_are_made_anew_for_other_frames_and_sizes():
    model = build(mlp_ratio=4, all_frames=8, img_size=84)
    load(model, STATE)
    table = model.videomae.embeddings.position_embeddings
    torch.testing.assert_close(table, get_sinusoid_encoding_table(4 * 6 * 6, 88))


@pytest.mark.parametrize("width", [12, 33])
def test_sinusoids_are_those_of_transformers(width):
    torch.testing.assert_close(sinusoids(50, width), get_sinusoid_encoding_table(50, width))


def test_checkpointing_changes_no_gradient():
    clips = torch.randn(2, 3, 4, 56, 56, generator=torch.Generator().manual_seed(0))
    models = [build(gradient_checkpointing=on).train() for on in (False, True)]
    for model in models:
        model(clips).square().sum().backward()
    assert all(layer.gradient_checkpointing for layer in models[1].videomae.encoder.layer)
    for (name, ours), theirs in zip(
        models[0].named_parameters(), models[1].parameters(), strict=True
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)


def test_attention_is_torchs_own():
    assert build().videomae.config._attn_implementation == "sdpa"


def test_the_paper_size_model_has_the_measured_number_of_parameters():
    with torch.device("meta"):
        model = create_model("videomae2")
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(1011.75e6, rel=1e-3)


@pytest.mark.parametrize("options", [{"num_frames": 3}, {"size": 65}, {"heads": 5}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="multiple"):
        create_model("videomae2", **options)
