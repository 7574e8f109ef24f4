"""InternVideo2 against the reference implementation's numbers."""

from __future__ import annotations

import pytest
import torch
from parity.conftest import agree

from openbasket.models import create_model
from openbasket.models.weights import load_official

#: The configuration of the reference, by official names.
CONFIG = {
    "img_size": 56,
    "patch_size": 14,
    "embed_dim": 96,
    "depth": 2,
    "num_heads": 4,
    "mlp_ratio": 4.0,
    "num_frames": 4,
    "clip_embed_dim": 48,
}


def build(**changes):
    return create_model("internvideo2", **(CONFIG | changes))


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_it_computes_what_the_reference_does(reference, gradient_checkpointing):
    state, other = reference("internvideo2")
    model = build(gradient_checkpointing=gradient_checkpointing)
    report = load_official(model, state)
    assert (report.missing, report.unexpected, report.misfit) == ((), (), ())
    taps = {}
    for name, part in {
        "patch_embed": model.patch_embed,
        "block_first": model.blocks[0],
        "clip_projector": model.clip_projector,
        "features": model.fc_norm,
    }.items():
        part.register_forward_hook(lambda _, __, out, name=name: taps.setdefault(name, out))
    clips = other["input"].requires_grad_()
    logits = model(clips)
    (logits * other["probe"]).sum().backward()
    agree(logits, other["expected.logits"])
    agree(clips.grad, other["expected.input_grad"])
    agree(taps["features"], other["expected.features"])
    for name in ("patch_embed", "block_first", "clip_projector"):
        agree(taps[name], other[f"expected.taps.{name}"])


def table(frames, side, width=96):
    """A position table whose values grow linearly with frame, row and column."""
    t, y, x = torch.meshgrid(*map(torch.arange, (frames, side, side)), indexing="ij")
    places = torch.stack([(p + 0.5) / n for p, n in ((t, frames), (y, side), (x, side))], dim=-1)
    places = places.reshape(1, -1, 3)
    cls = torch.full((1, 1, width), 7.0)
    return torch.cat([cls, places.repeat(1, 1, width // 3)], dim=1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((8, 4), (4, 4)),
        ((4, 4), (8, 4)),
        ((4, 4), (4, 6)),
        ((12, 4), (8, 4)),
        ((8, 16), (32, 16)),
        ((8, 16), (16, 4)),
        ((4, 16), (8, 8)),
        ((4, 4), (8, 7)),
    ],
)
def test_a_position_table_of_other_frames_and_places_is_interpolated(old, new):
    model = build(num_frames=new[0], img_size=14 * new[1])
    report = load_official(model, {"module.pos_embed": table(*old)})
    assert report.loaded == ("pos_embed",)
    ours, ideal = model.pos_embed.detach(), table(*new)
    assert torch.equal(ours[:, 0], ideal[:, 0])
    inner = ideal[0].sub(0.5).abs().amax(dim=1) < 0.3  # at the edges interpolation is flat
    assert inner.sum() > 0
    torch.testing.assert_close(ours[0, inner], ideal[0, inner], rtol=0, atol=0.03)


@pytest.mark.parametrize("shape", [(1, 78, 96), (1, 1, 96), (2, 129, 96), (96,), (1, 65, 48)])
def test_a_position_table_of_no_known_size_is_a_misfit(shape):
    assert load_official(build(), {"pos_embed": torch.zeros(shape)}).misfit == ("pos_embed",)


def test_paper_size_has_the_measured_number_of_weights():
    for frames, millions in ((32, 1029.44), (16, 1023.67)):
        with torch.device("meta"):
            model = create_model("internvideo2", num_frames=frames)
        assert sum(p.numel() for p in model.parameters()) == pytest.approx(millions * 1e6, rel=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"img_size": 60}, {"num_heads": 5}, {"attn_pool_num_heads": 7}, {"drop_path_rate": 1}]
)
def test_sizes_that_do_not_go_together_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        build(**wrong)


def test_dropped_paths_leave_the_expected_value_and_the_first_block():
    torch.manual_seed(0)
    first, last = build(drop_path_rate=0.5).train().blocks
    branch = torch.ones(400, 3, 96)
    assert torch.equal(first.drop_path(branch), branch)
    dropped = last.drop_path(branch)
    assert torch.equal(dropped, dropped[:, :1, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert 0.8 < dropped.mean() < 1.2
    assert torch.equal(last.eval().drop_path(branch), branch)
