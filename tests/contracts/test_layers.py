"""Layer decay: every weight of every model has a depth, and depth rises in the order of computation."""

from __future__ import annotations

import pytest
import torch
from contracts.test_models import FRAMES, SIZE, make
from torch import nn

from openbasket.models import MODELS
from openbasket.models.layers import decays, layer_depths


@pytest.fixture(params=sorted(MODELS), scope="module")
def model(request):
    return make(request.param).eval()


def test_every_weight_has_a_depth_and_heads_come_last(model):
    depths = layer_depths(model)
    assert list(depths) == [name for name, _ in model.named_parameters()]
    last = max(depths.values())
    assert sorted(set(depths.values())) == list(range(last + 1))
    assert last >= 2
    assert {depth for name, depth in depths.items() if name.startswith("heads.")} == {last}
    stem = [name for name, depth in depths.items() if depth == 0]
    assert any(
        "patch_embed" in name or name.startswith("frame") or ".frame." in name for name in stem
    )


def test_depth_rises_in_the_order_of_computation(model):
    depths = layer_depths(model)
    order: list[int] = []
    seen: set[str] = set()

    def note(name):
        def hook(*_):
            own = [n for n, _ in model.get_submodule(name).named_parameters(prefix=name)]
            if name not in seen and own:
                seen.add(name)
                order.append(depths[own[0]])

        return hook

    for name, part in model.named_modules():
        if name and not list(part.children()):
            part.register_forward_pre_hook(note(name))
    with torch.no_grad():
        model(torch.zeros(1, 3, FRAMES, SIZE, SIZE))
    assert len(order) > 5
    assert order == sorted(order)


def test_positions_and_tokens_do_not_decay(model):
    kept = {name for name, p in model.named_parameters() if not decays(name, p)}
    for name, parameter in model.named_parameters():
        if parameter.ndim <= 1 or name.endswith(("pos_embed", "cls_token", "A_log")):
            assert name in kept
        if name.endswith(("heads.linear.weight", "qkv.weight", "fc1.weight", "proj.weight")):
            assert name not in kept


def test_a_model_of_ones_own_may_number_its_weights():
    class Own(nn.Sequential):
        def layer_of(self, name):
            return 7

    assert set(layer_depths(Own(nn.Linear(2, 2))).values()) == {7}
    assert set(layer_depths(nn.Linear(2, 2)).values()) == {1}
    stack = nn.ModuleDict(
        {"a": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), "b": nn.Linear(2, 2)}
    )
    assert list(layer_depths(stack).values()) == [1, 1, 2, 2, 3, 3]
