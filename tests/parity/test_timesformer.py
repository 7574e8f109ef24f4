"""TimeSformer against the official numbers, and what its checkpoints become at other sizes."""

from __future__ import annotations

import pytest
import torch
from parity.conftest import compare
from parity.vits import layer_taps, load, timesformer

from openbasket.models import create_model

TINY = {"img_size": 64, "embed_dim": 96, "depth": 2, "num_heads": 3, "num_frames": 4}


def build(**options):
    torch.manual_seed(1)
    return create_model("timesformer", **(TINY | options)).eval()


def test_numbers_are_the_official_ones(reference):
    model = build()
    compare(model, *reference("timesformer"), layer_taps(model.timesformer))


def test_names_of_official_files_have_a_prefix():
    load(build(), {f"model.{name}": value for name, value in timesformer().items()})


def test_tables_are_fitted_by_the_nearest_neighbour():
    state = timesformer()
    model = build(num_frames=8, img_size=128)
    load(model, state)
    tables = model.timesformer.embeddings
    assert torch.equal(tables.time_embeddings, state["time_embed"].repeat_interleave(2, dim=1))
    space = tables.position_embeddings
    assert torch.equal(space[:, 0], state["pos_embed"][:, 0])
    grid = state["pos_embed"][:, 1:].unflatten(1, (4, 4))
    grid = grid.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert torch.equal(space[:, 1:].unflatten(1, (8, 8)), grid)


def test_an_image_model_is_inflated():
    state = timesformer(over_time=False)
    model = build()
    load(model, state)
    for layer in model.timesformer.encoder.layer:
        pairs = (
            (layer.attention, layer.temporal_attention),
            (layer.layernorm_before, layer.temporal_layernorm),
        )
        for space, time in pairs:
            for ours, theirs in zip(time.parameters(), space.parameters(), strict=True):
                assert torch.equal(ours, theirs)
    clip = torch.randn(1, 3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    still = clip.expand(-1, -1, 4, -1, -1)
    single = build(num_frames=1)
    load(single, state)
    with torch.no_grad():
        torch.testing.assert_close(model(still), single(clip), rtol=1e-4, atol=1e-5)


def test_branches_are_dropped_in_training_alone():
    model = build(drop_path_rate=0.5)
    rates = [layer.drop_path.drop_prob for layer in model.timesformer.encoder.layer]
    assert rates == [0, 0.5]
    clips = torch.randn(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(clips), model(clips))
    model.train()
    assert not torch.equal(model(clips), model(clips))


def test_checkpointing_changes_no_gradient():
    clips = torch.randn(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    models = [build(gradient_checkpointing=on).train() for on in (False, True)]
    for model in models:
        torch.manual_seed(2)
        model(clips).square().sum().backward()
    assert all(layer.gradient_checkpointing for layer in models[1].timesformer.encoder.layer)
    for (name, ours), theirs in zip(
        models[0].named_parameters(), models[1].parameters(), strict=True
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)


def test_the_paper_size_model_has_the_measured_number_of_parameters():
    with torch.device("meta"):
        model = create_model("timesformer")
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(121.403e6, rel=1e-3)


@pytest.mark.parametrize("options", [{"size": 65}, {"heads": 5}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="multiple"):
        create_model("timesformer", **options)
