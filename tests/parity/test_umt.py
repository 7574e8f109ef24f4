"""Unmasked Teacher against the official numbers, and its positions."""

from __future__ import annotations

import pytest
import torch
from parity.conftest import compare
from parity.vits import layer_taps, load, videomae
from torch.nn.functional import interpolate

from openbasket.models import create_model
from openbasket.models.videomae2 import sinusoids

TINY = {"img_size": 64, "embed_dim": 96, "depth": 2, "num_heads": 3, "all_frames": 4}


def build(**options):
    torch.manual_seed(1)
    return create_model("umt", **(TINY | options)).eval()


def positions(model):
    return model.videomae.embeddings.position_embeddings


@pytest.mark.parametrize("train_positions", [True, False])
def test_numbers_are_the_official_ones(reference, train_positions):
    model = build(train_positions=train_positions)
    compare(model, *reference("umt"), layer_taps(model.videomae))


def test_positions_train_unless_told_to_stay_as_officially():
    clips = torch.randn(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    for train_positions in (True, False):
        model = build(train_positions=train_positions).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
        before = positions(model).detach().clone()
        model(clips).square().sum().backward()
        optimizer.step()
        assert torch.equal(positions(model), before) is not train_positions
        assert "videomae.embeddings.position_embeddings" in dict(model.named_parameters())


def test_positions_start_as_the_pretrained_ones_spread_over_time():
    fixed = sinusoids(8 * 14 * 14, 96)
    same = build(img_size=224, all_frames=8)
    torch.testing.assert_close(positions(same).detach(), fixed)
    longer = build(img_size=224, all_frames=32)
    by_token = fixed.view(8, 196, 96).permute(1, 2, 0)
    expected = interpolate(by_token, 32, mode="linear").permute(2, 0, 1).reshape(1, -1, 96)
    torch.testing.assert_close(positions(longer).detach(), expected)


def test_a_checkpoint_of_fixed_positions_gets_those():
    model = build()
    torch.nn.init.zeros_(positions(model))
    load(model, videomae())
    assert torch.equal(positions(model), positions(build()))


@pytest.mark.parametrize(
    ("saved", "wanted"),
    [
        ({"all_frames": 8, "img_size": 224}, {"all_frames": 16, "img_size": 112}),
        ({"all_frames": 4, "img_size": 64}, {"all_frames": 8, "img_size": 64}),
        ({"all_frames": 4, "img_size": 64}, {"all_frames": 4, "img_size": 96}),
        ({"all_frames": 4, "img_size": 224}, {"all_frames": 8, "img_size": 64}),
    ],
)
def test_positions_of_another_shape_are_resized(saved, wanted):
    times, grid = saved["all_frames"], saved["img_size"] // 16
    # Each number tells where its token lies, so that linear and cubic interpolation show.
    time = torch.linspace(0.5, times - 0.5, times)[:, None, None].expand(-1, grid, grid) / times
    row = torch.linspace(0.5, grid - 0.5, grid)[None, :, None].expand(times, -1, grid) / grid
    column = row.transpose(1, 2)
    table = torch.stack([time, row, column] * 32, dim=-1).flatten(0, 2)[None]
    model = build(**wanted)
    load(model, videomae() | {"pos_embed": table})
    new_times, new_grid = wanted["all_frames"], wanted["img_size"] // 16
    found = positions(model).detach().view(new_times, new_grid, new_grid, 96)
    for axis, length in enumerate((new_times, new_grid, new_grid)):
        along = found[..., axis].movedim(axis, 0).reshape(length, -1)
        middle = torch.linspace(0.5, length - 0.5, length)[:, None].expand_as(along) / length
        torch.testing.assert_close(along, middle, atol=0.07, rtol=0)  # flat at the borders
        assert (along.diff(dim=0) >= 0).all()
        assert (along.std(dim=1) < 1e-5).all()


def test_the_paper_size_model_has_the_measured_number_of_parameters():
    with torch.device("meta"):
        model = create_model("umt")
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(90.531e6, rel=1e-3)
    assert positions(model).numel() == pytest.approx(4.82e6, rel=1e-3)
