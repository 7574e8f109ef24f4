"""MeMViT against the numbers of the reference implementation, and its counts of weights."""

from __future__ import annotations

import pytest
import torch
from parity.conftest import agree

from openbasket.models import create_model, model_spec
from openbasket.models.weights import load_official

CONFIG = {
    "num_frames": 48,
    "clip_frames": 8,
    "size": 64,
    "width": 24,
    "depth": 4,
    "heads": 1,
    "stages": (1,),
    "exclude_layers": (1, 3),
}


def build(**options):
    torch.manual_seed(0)
    return create_model("memvit", **CONFIG | options).eval()


def test_logits_features_and_gradient_are_those_of_the_reference(reference):
    state, expected = reference("memvit")
    model = build(gradient_checkpointing=True)
    report = load_official(model, state)
    assert (report.missing, report.unexpected, report.misfit) == ((), (), ())
    taps = []
    model.blocks[-1].register_forward_hook(lambda *args: taps.append(args[-1][0]))
    clips = expected["input"].requires_grad_()
    logits = model.clips(clips)
    agree(torch.cat(taps).unflatten(0, (6, 2)), expected["expected.taps.block_last"])
    agree(logits, expected["expected.logits"])
    (logits * expected["probe"]).sum().backward()
    agree(clips.grad, expected["expected.input_grad"])
    with torch.no_grad():
        agree(model.clip_features(clips), expected["expected.features"])
        agree(model(clips), expected["expected.logits"].mean(dim=0))
        model.readout = "last"
        agree(model(clips), expected["expected.logits"][-1])


def test_a_checkpoint_of_longer_clips_and_larger_pictures_fits():
    official = build(num_frames=96, clip_frames=16, size=96).state_dict()
    model = build()
    report = load_official(model, official)
    assert (report.missing, report.unexpected, report.misfit) == ((), (), ())
    table = official["blocks.0.attn.rel_pos_mem_t"]
    assert len(table) == 23
    rows = torch.nn.functional.interpolate(table.T[None], 11, mode="linear")[0].T
    assert torch.equal(model.blocks[0].attn.rel_pos_mem_t, rows)


def test_a_classifier_of_other_classes_has_no_place():
    state = build().state_dict()
    for part, shape in (("weight", (700, 48)), ("bias", (700,))):
        state[f"head.projection.{part}"] = torch.zeros(shape)
        del state[f"heads.linear.{part}"]
    report = load_official(build(), state)
    assert report.unexpected == ("head.projection.bias", "head.projection.weight")
    assert report.missing == ("heads.linear.bias", "heads.linear.weight")


@pytest.mark.parametrize(("sampler", "seen"), [("gap2", [1, 3, 5]), ("gap1", [3, 4, 5])])
def test_the_last_clip_remembers_the_two_clips_that_the_sampler_picks(sampler, seen):
    model = build(sampler=sampler, readout="last", exclude_layers=(0, 1, 3))
    clips = torch.randn(1, 3, 48, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = model(clips)
        changes = []
        for clip in range(6):
            changed = clips.clone()
            changed[:, :, 8 * clip : 8 * clip + 8] += 1
            changes.append(not torch.equal(plain, model(changed)))
    assert [clip for clip in range(6) if changes[clip]] == seen


def test_each_call_starts_with_an_empty_memory():
    model = build()
    clips = torch.randn(2, 1, 3, 48, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first = model(clips[0])
        model(clips[1])
        assert torch.equal(first, model(clips[0]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_frames": 12},
        {"width": 25},
        {"attn_max_len": 1},
        {"pool_kernel": (4, 3, 3)},
        {"sampler": "gap0"},
        {"readout": "first"},
        {"drop_path_rate": 1.0},
        {"patch": 16},
        {"patch": (2, 8, 8)},
        {"patch": (4, 4, 4)},
        {"stages": (1, 4)},
        {"memory_every": 0},
    ],
)
def test_what_does_not_go_together_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)


def test_memory_goes_by_rule_in_a_model_of_any_depth():
    for name, every in (("memvit", 6), ("memvit-16", 2), ("memvit-24", 2), ("memvit-tiny", 2)):
        with torch.device("meta"):
            model = create_model(name, depth=60, stages=(2,), width=32, heads=1, size=64)
        layers = [i for i, block in enumerate(model.blocks) if block.attn.memory]
        assert layers == list(range(0, 60, every)), name


def test_options_of_a_recipe_name_layers_that_are_not_there():
    with pytest.raises(ValueError, match=r"stages must be layers of the 24.*got \(2, 8, 44\)"):
        create_model("memvit", depth=24)


@pytest.mark.parametrize(
    ("name", "options", "measured"),
    [
        ("memvit", {}, 213_360_000),
        ("memvit", {"clip_frames": 64, "exclude_layers": range(48)}, 213_040_000),
        ("memvit-16", {"clip_frames": 64, "exclude_layers": ()}, 35_340_000),
        ("memvit-24", {"clip_frames": 64, "exclude_layers": ()}, 52_550_000),
    ],
)
def test_counts_of_weights_are_those_that_were_measured(name, options, measured):
    """The released sizes were measured with all weights that their layers without memory have."""
    with torch.device("meta"):
        model = create_model(name, **options)
    assert abs(sum(p.numel() for p in model.parameters()) / measured - 1) < 0.001


def test_the_small_model_is_small():
    assert 1_000_000 < model_spec("memvit-tiny").params < 6_000_000
