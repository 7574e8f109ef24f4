"""VideoMamba: checkpoints of other sizes, number of weights, drop path, data types."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from openbasket.models import create_model
from openbasket.models.base import DropPath
from openbasket.models.weights import load_official


def test_tables_are_fitted_to_other_pictures_and_clips():
    torch.manual_seed(0)
    small = create_model("videomamba", num_frames=2, size=32, width=32, depth=1)
    large = create_model("videomamba", num_frames=6, size=64, width=32, depth=1)
    for table in (small.pos_embed, small.temporal_pos_embedding):
        torch.nn.init.normal_(table)
    state = small.state_dict()
    del state["heads.linear.weight"], state["heads.linear.bias"]
    state["patch_embed.proj.weight"] = state["patch_embed.proj.weight"].squeeze(2)  # of pictures
    report = load_official(large, state)
    assert report.missing == ("heads.linear.bias", "heads.linear.weight")
    assert (report.unexpected, report.misfit) == ((), ())
    assert torch.equal(large.patch_embed.proj.weight, small.patch_embed.proj.weight)
    assert torch.equal(large.pos_embed[:, 0], small.pos_embed[:, 0])
    picture = small.pos_embed[0, 1:].T.view(1, 32, 2, 2)
    wanted = F.interpolate(picture, (4, 4), mode="bicubic", align_corners=False)
    torch.testing.assert_close(large.pos_embed[0, 1:], wanted[0].flatten(1).T)
    times = F.interpolate(small.temporal_pos_embedding.mT, 6, mode="linear", align_corners=False)
    torch.testing.assert_close(large.temporal_pos_embedding, times.mT)


def test_the_middle_size_has_the_official_number_of_weights():
    with torch.device("meta"):
        model = create_model("videomamba")
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(73.735e6, rel=1e-3)


def test_drop_path_skips_layers_of_some_clips_and_keeps_the_mean():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    x = torch.ones(4000, 2, 3)
    out = drop(x)
    assert set(out.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert (out == out[:, :1, :1]).all()  # a clip is kept whole or not at all
    assert out.mean() == pytest.approx(1, abs=0.05)
    assert torch.equal(drop.eval()(x), x)


def test_the_first_layer_is_never_dropped():
    model = create_model("videomamba", num_frames=1, size=32, width=32, depth=4, drop_path_rate=0.3)
    rates = [layer.drop_path.rate for layer in model.layers]
    assert [*rates, model.drop_path.rate] == pytest.approx([0, 0, 0.1, 0.2, 0.3])


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiple of patch"):
        create_model("videomamba-tiny", size=100)
    with pytest.raises(ValueError, match="less than 1"):
        create_model("videomamba-tiny", drop_path_rate=1.0)


@pytest.mark.parametrize("whole", [True, False])
def test_it_runs_in_bfloat16(whole):
    torch.manual_seed(0)
    model = create_model("videomamba", num_frames=2, size=32, width=64, depth=2).eval()
    clips = torch.randn(2, 3, 2, 32, 32)
    expected = model(clips)
    if whole:
        ours = model.bfloat16()(clips.bfloat16())
    else:
        with torch.autocast("cpu", torch.bfloat16):
            ours = model(clips)
    ours.float().sum().backward()
    assert ours.dtype == torch.bfloat16
    assert (ours - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize("checkpointing", [True, False])
def test_compiling_calls_the_scan_and_does_not_unroll_it(checkpointing):
    graphs = []

    def count(graph, _):
        graphs.append(graph)
        return graph.forward

    torch.manual_seed(0)
    options = {"drop_path_rate": 0.0, "gradient_checkpointing": checkpointing}
    model = create_model("videomamba", num_frames=4, size=96, width=32, depth=2, **options)
    clips = torch.randn(1, 3, 4, 96, 96)
    plain = model(clips)
    plain.square().sum().backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    torch._dynamo.reset()
    compiled = torch.compile(model, backend=count)(clips)
    torch._dynamo.reset()
    torch.testing.assert_close(compiled, plain)
    assert len(graphs) == 1
    compiled.square().sum().backward()
    again = [p.grad for p in model.parameters() if p.grad is not None]
    torch.testing.assert_close(again, gradients)
    inner = [m for m in graphs[0].modules() if isinstance(m, torch.fx.GraphModule)]
    assert sum(len(m.graph.nodes) for m in inner) < 500
