"""Schedules count updates; layers learn at their own rates; averages are kept exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from openbasket.training.config import TrainConfig
from openbasket.training.optim import Average, learning_rate, make_optimizer, set_learning_rate


def config(**more):
    return TrainConfig.model_validate({"epochs": 10, "batch_size": 1, "learning_rate": 1.0} | more)


def test_cosine_rises_from_its_start_and_ends_at_its_minimum():
    settings = config(warmup_epochs=2, warmup_start=0.2, min_learning_rate=0.1)
    rates = [learning_rate(update, 5, settings) for update in range(50)]
    assert rates[0] == pytest.approx(0.2 + 0.8 / 10)
    assert rates[9] == rates[10] == 1.0
    assert rates[30] == pytest.approx(0.1 + 0.9 / 2)
    assert rates[49] == pytest.approx(0.1 + 0.45 * (1 + math.cos(math.pi * 39 / 40)))
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)


def test_steps_and_a_constant_rate():
    settings = config(schedule="step", step_epochs=(4, 7.5), step_factor=0.5, warmup_epochs=1)
    rates = [learning_rate(update, 4, settings) for update in range(40)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert [rates[i] for i in (15, 16, 29, 30, 39)] == [1.0, 0.5, 0.5, 0.25, 0.25]
    assert {learning_rate(u, 4, config(schedule="constant")) for u in range(40)} == {1.0}


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Linear(2, 2)
        self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
        self.heads = nn.Linear(2, 2)
        self.frozen = nn.Parameter(torch.zeros(2, 2), requires_grad=False)


def test_layer_decay_gives_each_layer_its_rate_and_biases_no_weight_decay():
    model = Stack()
    optimizer = make_optimizer(model, config(layer_decay=0.5, weight_decay=0.3))
    set_learning_rate(optimizer, 0.8)
    names = {id(p): name for name, p in model.named_parameters()}
    found = {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert found == {
        f"{part}.{kind}": (0.8 * 0.5**power, decay)
        for part, power in (("patch_embed", 3), ("blocks.0", 2), ("blocks.1", 1), ("heads", 0))
        for kind, decay in (("weight", 0.3), ("bias", 0.0))
    }


def test_the_optimisers_are_those_of_the_recipe():
    sgd = make_optimizer(Stack(), config(optimizer="sgd", momentum=0.8, nesterov=True))
    assert isinstance(sgd, torch.optim.SGD)
    assert (sgd.defaults["momentum"], sgd.defaults["nesterov"]) == (0.8, True)
    adamw = make_optimizer(Stack(), config(betas=(0.9, 0.95)))
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.defaults["betas"] == (0.9, 0.95)
    assert len(adamw.param_groups) == 2


def test_the_average_follows_its_formula_and_copies_buffers():
    model = nn.BatchNorm1d(1)
    average = Average(model, 0.5)
    expected = 1.0
    for update, value in enumerate((3.0, -1.0, 7.0, 2.0, 2.0, 5.0)):
        nn.init.constant_(model.weight, value)
        nn.init.constant_(model.running_mean, value)
        average.update(model, update)
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * value
        assert float(average.model.weight) == pytest.approx(expected)
        assert float(average.model.running_mean) == value
    assert not average.model.weight.requires_grad
    assert not average.model.training
