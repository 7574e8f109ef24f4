"""What a checkpoint holds of the optimizer is compared with the weights before anything is loaded."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from openbasket.errors import OpenBasketError
from openbasket.training import checkpoint

KINDS = {
    "adamw": lambda weights: torch.optim.AdamW(weights),
    "sgd": lambda weights: torch.optim.SGD(weights, 0.1, momentum=0.9),
    "plain": lambda weights: torch.optim.SGD(weights, 0.1),
}


def made(kind="adamw", steps=1):
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = KINDS[kind]([{"params": [model.weight]}, {"params": [model.bias]}])
    for _ in range(steps):
        model(torch.ones(4, 3)).sum().backward()
        optimizer.step()
    return model, optimizer


def rewritten(path, change):
    """The checkpoint with other tensors, whole by its checksum."""
    tensors = load_file(path)
    with safe_open(str(path), "pt") as file:
        scalars = json.loads(file.metadata()["scalars"].partition(" ")[2])
    change(tensors)
    checkpoint._write(path, tensors, scalars)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_checkpoint_comes_back(tmp_path, kind):
    path = tmp_path / "last.safetensors"
    model, optimizer = made(kind, steps=2)
    checkpoint.save(path, model, optimizer, {"epochs": 1})
    other, fresh = made(kind, steps=0)
    assert checkpoint.load(path, other, fresh) == {"epochs": 1}
    assert torch.equal(other.weight, model.weight)
    for place, kept in optimizer.state_dict()["state"].items():
        for key, value in kept.items():
            if value is not None:
                assert torch.equal(fresh.state_dict()["state"][place][key], value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"optimizer/0/exp_avg": torch.ones(3, 2)}, r"'0/exp_avg' of shape \(3, 2\) .*needs \(2, 3\)"),
        ({"optimizer/1/exp_avg_sq": torch.ones(1)}, r"'1/exp_avg_sq' of shape \(1,\) .*needs \(2,\)"),
        ({"optimizer/0/step": torch.ones(2)}, r"'0/step' of shape \(2,\) .*needs \(\)"),
        ({"optimizer/1/exp_avg": torch.ones(2).int()}, r"type torch\.int32; .*floating-point"),
        ({"optimizer/2/exp_avg": torch.ones(2)}, r"'2/exp_avg' .*of weights 0 to 1"),
        ({"optimizer/x/exp_avg": torch.ones(2)}, "'x/exp_avg'"),
        ({"optimizer/0/momentum_buffer": torch.ones(2, 3)}, "this one has exp_avg, exp_avg_sq, step"),
        ({"optimizer/1/step": None}, "lacks '1/step'"),
    ],
)  # fmt: skip
def test_an_optimizer_of_other_weights_is_refused_and_nothing_is_loaded(tmp_path, change, told):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, *made(), {"epochs": 1})

    def put(tensors):
        for name, value in change.items():
            if value is None:
                del tensors[name]
            else:
                tensors[name] = value

    rewritten(path, put)
    model, optimizer = made(steps=0)
    before = model.weight.clone()
    with pytest.raises(OpenBasketError, match=told) as caught:
        checkpoint.load(path, model, optimizer)
    assert "--no-resume" in str(caught.value)
    assert torch.equal(model.weight, before)
    assert not optimizer.state_dict()["state"]
