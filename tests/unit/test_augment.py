"""Augmentation: alike for all frames, from the seed alone, and PyTorch's own generator is left alone."""

from __future__ import annotations

import pickle

import pytest
import torch

from openbasket.training.augment import Augmentation
from openbasket.training.config import DataConfig


def augmentation(**more):
    return Augmentation(DataConfig.model_validate({"frames": 4, "size": 32, **more}))


def identity(clip):
    return clip


STRONG = {"randaugment": {"operations": 3, "magnitude": 15}, "flip": True, "erasing": 0.5}


def test_every_frame_is_changed_alike_and_the_seed_decides_all():
    change = augmentation(**STRONG)
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    clip = picture.expand(4, 3, 32, 32).clone()
    results = []
    for seed in range(40):
        state = torch.random.get_rng_state()
        changed = change(clip, seed, identity)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert changed.shape == clip.shape
        assert all(torch.equal(frame, changed[0]) for frame in changed), seed
        torch.rand(3)
        assert torch.equal(change(clip, seed, identity), changed)
        results.append(changed)
    assert len({tuple(r.flatten().tolist()) for r in results}) > 35
    assert torch.equal(clip[0], picture)


def test_half_of_the_clips_are_mirrored():
    change = augmentation(flip=True)
    clip = torch.rand(2, 3, 8, 8)
    mirrored = [torch.equal(change(clip, seed, identity), clip.flip(3)) for seed in range(100)]
    same = [torch.equal(change(clip, seed, identity), clip) for seed in range(100)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 30 < sum(mirrored) < 70


def test_a_box_is_erased_to_the_mean_colour_after_normalising():
    change = augmentation(erasing=1.0)
    clip = torch.rand(2, 3, 32, 32)
    for seed in range(10):
        erased = change(clip, seed, lambda c: c + 5)
        empty = (erased == 0).all(dim=1)
        assert torch.equal(empty[0], empty[1])
        assert 0.015 < empty.float().mean() < 0.4
        torch.testing.assert_close(
            erased.permute(0, 2, 3, 1)[~empty], (clip + 5).permute(0, 2, 3, 1)[~empty]
        )


def test_it_can_be_sent_to_loader_processes():
    assert pickle.loads(pickle.dumps(augmentation(**STRONG))) is not None


@pytest.mark.parametrize("magnitude", [1, 29])
def test_values_stay_from_0_to_1_before_normalising(magnitude):
    change = augmentation(randaugment={"operations": 14, "magnitude": magnitude})
    for seed in range(10):
        changed = change(torch.rand(2, 3, 16, 16), seed, identity)
        assert changed.min() >= 0
        assert changed.max() <= 1
