"""What every model in the table promises."""

from __future__ import annotations

import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from openbasket.errors import ConfigError, UnknownNameError
from openbasket.models import MODELS, create_model, model_spec
from openbasket.models.base import VideoModel
from openbasket.training.data import COLOURS

FRAMES, SIZE = 4, 64
#: Options that make big models small.
SMALL = {
    "internvideo2": {"patch": 16, "width": 96, "depth": 2, "heads": 4, "clip_embed_dim": 48},
    "memvit": {"clip_frames": 1, "width": 24, "depth": 3, "stages": (1,)},
    "memvit-16": {"clip_frames": 1, "width": 24, "depth": 3, "stages": (1,)},
    "memvit-24": {"clip_frames": 1, "width": 24, "depth": 3, "stages": (1,)},
    "memvit-tiny": {"clip_frames": 1, "depth": 3, "stages": (1,)},
    "siglip": {"width": 64, "depth": 2, "heads": 2},
    "skillquery": {"clips": 2, "conv_width": 8, "dim": 48, "width": 32, "heads": 2},
    "skillquery-tiny": {"clips": 2},
    "timesformer": {"width": 96, "depth": 2, "heads": 3},
    "umt": {"width": 96, "depth": 2, "heads": 3},
    "videomae2": {"width": 88, "depth": 2, "heads": 4, "patch": 16},
    "videomamba": {"width": 32, "depth": 3},
    "videomamba-tiny": {"width": 32, "depth": 3},
    "xclip": {"width": 64, "depth": 2, "heads": 2, "projection_dim": 64},
}
#: Models that by design do not see in what order the frames come, and why.
BLIND_TO_ORDER = {
    "siglip": "the features of the frames are averaged",
    "siglip-tiny": "the features of the frames are averaged",
}
#: Parameters that have no gradient, by design.
NO_GRADIENT = {
    # The class token comes first: what the last layer's forward scan hands on does not reach it.
    "videomamba": ("layers.2.mixer.A_log",),
    "videomamba-tiny": ("layers.2.mixer.A_log",),
}
#: Weights that by design influence no logits: of the last layer of MeMViT only the class token is
#: read, which has no place and so is not pooled.
WITHOUT_GRADIENT = {
    name: r"blocks\.2\.attn\.(pool_q|rel_pos)" for name in SMALL if name.startswith("memvit")
}


@pytest.fixture(params=sorted(MODELS))
def name(request):
    return request.param


@pytest.fixture
def clips():
    return torch.randn(3, 3, FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def make(name, seed=0, **options):
    torch.manual_seed(seed)
    return create_model(name, num_frames=FRAMES, size=SIZE, **SMALL.get(name, {}), **options)


@pytest.mark.parametrize("levels", [5, 3])
def test_logits_have_the_promised_shape_and_are_finite(name, clips, levels):
    logits = make(name, levels=levels)(clips)
    assert logits.shape == (3, 20, levels)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


def test_gradient_reaches_every_parameter(name, clips):
    model = make(name)
    logits = model(clips)
    (
        logits * torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
    ).sum().backward()
    for key, parameter in model.named_parameters():
        if key in NO_GRADIENT.get(name, ()):
            continue
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        if re.match(WITHOUT_GRADIENT.get(name, r"$"), key):
            assert not parameter.grad.any(), key
            continue
        assert parameter.grad.abs().sum() > 0, key


def test_logits_are_what_the_heads_make_of_features(name, clips):
    model = make(name).eval()
    assert isinstance(model, VideoModel)
    with torch.no_grad():
        features = model.features(clips)
        assert features.shape == (3, model.heads.inputs)
        assert torch.equal(model.heads(features), model(clips))
        with pytest.raises(ValueError, match="built for"):
            model(clips[:, :, 1:])


def test_clips_of_a_batch_do_not_influence_each_other(name, clips):
    model = make(name).eval()
    with torch.no_grad():
        together = model(clips)
        alone = torch.cat([model(clip[None]) for clip in clips])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1])


def test_order_of_frames_matters_and_each_frame_is_seen(name, clips):
    model = make(name).eval()
    with torch.no_grad():
        plain = model(clips)
        if name in BLIND_TO_ORDER:
            torch.testing.assert_close(plain, model(clips.flip(2)))
        else:
            assert not torch.allclose(plain, model(clips.flip(2)))
        for frame in range(FRAMES):
            changed = clips.clone()
            changed[:, :, frame] += 1
            assert not torch.equal(plain, model(changed)), frame


def test_weights_survive_safetensors(name, clips, tmp_path):
    model = make(name).eval()
    save_file(model.state_dict(), str(tmp_path / "w.safetensors"))
    other = make(name, seed=1).eval()
    other.load_state_dict(load_file(str(tmp_path / "w.safetensors")))
    with torch.no_grad():
        assert torch.equal(model(clips), other(clips))


def test_can_be_built_without_memory(name):
    with torch.device("meta"):
        model = make(name)
    assert all(p.is_meta for p in model.parameters())
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in make(name).state_dict().items()
    }


def test_clips_of_another_shape_are_refused(name):
    with pytest.raises(ValueError, match="shape"):
        make(name)(torch.zeros(1, 3, FRAMES + 1, SIZE, SIZE))


def test_unknown_names_get_a_suggestion(name):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{name}'"):
        create_model(name + "x")
    with pytest.raises(UnknownNameError, match="option of model"):
        create_model(name, no_such_option=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_frames": 0},
        {"size": 0},
        {"size": -16},
        {"levels": 1},
        {"depth": -1},
        {"drop_path_rate": 1.0},
        {"drop_path_rate": -0.1},
        {"drop_path_rate": float("nan")},
    ],
    ids=str,
)
def test_values_that_no_model_can_have_are_refused(name, wrong):
    option = next(iter(wrong))
    allowed = rf"^{option} must be .*at least [012].*; got |option of model"
    with pytest.raises((ValueError, UnknownNameError), match=allowed) as found:
        create_model(name, **wrong)
    if found.type is UnknownNameError:  # not every model drops paths
        assert option == "drop_path_rate"


@pytest.mark.parametrize(
    "given", [{"num_frames": 4, "all_frames": 8}, {"img_size": 64, "image_size": 64}], ids=str
)
def test_one_option_by_two_names_is_refused(name, given):
    with pytest.raises(ConfigError, match="given twice"):
        create_model(name, **given)


def test_checkpointing_does_nothing_where_nothing_is_learnt(name, clips):
    model = make(name, gradient_checkpointing=True).eval()
    calls = 0

    def count(*_):
        nonlocal calls
        calls += 1

    for part in model.modules():
        part.register_forward_hook(count)
    logits = model(clips[:1])
    before = calls
    logits.sum().backward()
    assert calls == before


def test_tiny_conv_is_tiny():
    assert sum(p.numel() for p in create_model("tiny_conv").parameters()) < 2_000_000


def test_the_spec_tells_the_truth(name):
    spec = model_spec(name)
    with torch.device("meta"):
        model = create_model(name).eval()
        assert model(torch.empty(1, 3, spec.frames, spec.size, spec.size)).shape == (1, 20, 5)
    assert spec.name == name
    assert sum(p.numel() for p in model.parameters()) == spec.params
    assert spec.source
    assert spec.licence
    assert spec.normalise in COLOURS
