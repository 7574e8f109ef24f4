"""Checkpoints of other implementations become ours, and run no code."""

from __future__ import annotations

import collections
import functools
import importlib
import json
import os
import re
import subprocess
import zipfile
from argparse import Namespace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from openbasket import cli
from openbasket.errors import ConfigError, NotFoundError, OpenBasketError, UnknownNameError
from openbasket.models import MODELS, TEXT_MODELS, create_model
from openbasket.models.reading import read_official
from openbasket.models.weights import convert, load_official
from openbasket.training.checkpoint import load_weights

NAME = "internvideo2-tiny"


def official(num_frames=4, size=64):
    """The weights of a tiny model as an official checkpoint has them: twenty heads."""
    torch.manual_seed(7)
    state = create_model(NAME, num_frames=num_frames, size=size).state_dict()
    for part in ("weight", "bias"):
        rows = state.pop(f"heads.linear.{part}").split(5)
        state |= {f"head.{i}.{part}": value.clone() for i, value in enumerate(rows)}
    return state


def run(*words):
    return CliRunner().invoke(cli.app, ["weights", "convert", *map(str, words)])


@pytest.mark.parametrize("nest", ["model", "module", "model_state", "state_dict", None])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_weights_are_found_wherever_they_lie(tmp_path, nest, suffix):
    state = {"a": torch.ones(2), "b.c": torch.zeros(3)}
    held = {nest: state, "args": Namespace(lr=1), "epoch": 3} if nest else state
    torch.save(held, tmp_path / f"x{suffix}")
    found = read_official(tmp_path / f"x{suffix}")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_weights_two_wrappers_deep_and_in_safetensors_are_read(tmp_path):
    torch.save({"state_dict": {"model": {"a": torch.ones(2)}}}, tmp_path / "x.pt")
    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors")
    assert read_official(tmp_path / "x.pt").keys() == {"a"}
    assert read_official(tmp_path / "x.safetensors").keys() == {"a"}


def test_a_checkpoint_that_holds_itself_ends(tmp_path):
    held: dict = {"a": torch.ones(2)}
    held["model"] = held
    torch.save(held, tmp_path / "x.pt")
    assert read_official(tmp_path / "x.pt").keys() == {"a"}


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_whose_loading_would_run_code_is_refused(tmp_path, zipped):
    victim, path = tmp_path / "victim", tmp_path / "x.pth"
    held = {"model": official(), "extra": Hostile(victim)}
    torch.save(held, path, _use_new_zipfile_serialization=zipped)
    done = run(path, "--model", NAME, "--out", tmp_path / "o.safetensors")
    assert isinstance(done.exception, OpenBasketError)
    assert "could run code, so it was not loaded" in str(done.exception)
    assert "mkdir" in str(done.exception)
    assert sorted(tmp_path.iterdir()) == [path]
    torch.load(path, weights_only=False)
    assert victim.exists(), "the file is no danger, so the test shows nothing"


def test_a_file_of_many_kinds_of_damage_is_refused(tmp_path):
    torch.save(official(), tmp_path / "x.pt")
    save_file(official(), tmp_path / "x.safetensors")
    for suffix in (".pt", ".safetensors"):
        whole = (tmp_path / f"x{suffix}").read_bytes()
        bad = tmp_path / f"bad{suffix}"
        for content in (b"", b"no checkpoint", b"\x80\x02.", whole[: len(whole) // 2]):
            bad.write_bytes(content)
            with pytest.raises(OpenBasketError, match=r"is empty|damaged|no weights"):
                read_official(bad)


@pytest.mark.parametrize("held", [{"epoch": 1}, {"model": {}}, [torch.ones(1)], torch.ones(1)])
def test_a_file_without_weights_is_refused(tmp_path, held):
    torch.save(held, tmp_path / "x.pt")
    with pytest.raises(OpenBasketError, match="holds no weights"):
        read_official(tmp_path / "x.pt")


def test_a_checkpoint_that_would_fill_the_memory_is_refused_before_it_is_read(
    tmp_path, monkeypatch
):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.zeros(20 << 20)}, path)  # 80 MiB
    assert read_official(path)["w"].numel() == 20 << 20
    with zipfile.ZipFile(path) as stored, zipfile.ZipFile(tmp_path / "b.pt", "w") as bomb:
        for name in stored.namelist():
            bomb.writestr(name, stored.read(name), zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(
        OpenBasketError, match=r"has \d{2},\d{3} bytes and would become 83,\d{3},\d{3}"
    ):
        read_official(tmp_path / "b.pt")
    (tmp_path / "c.pt").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(OpenBasketError, match="damaged, or no checkpoint"):
        read_official(tmp_path / "c.pt")


class Config(dict):
    """Like the options of yacs and of mmcv: a dictionary with attributes."""

    def __init__(self, **options):
        super().__init__(**options)
        self.__dict__["frozen"] = True


@pytest.mark.parametrize(
    "extra",
    [
        numpy.float64(3),
        numpy.random.default_rng(0).random(3),
        numpy.random.RandomState(0).get_state(),
        collections.defaultdict(list, a=[1]),
        Path("runs/one"),
        Namespace(out=Path("runs"), best=numpy.float32(1), config=Config(lr=0.1)),
        Config(a=1, b=Config(c=2)),
        Fraction,
    ],
    ids=lambda extra: type(extra).__name__,
)
@pytest.mark.parametrize("nested", [True, False])
def test_what_training_scripts_save_beside_weights_is_left_out(tmp_path, extra, nested):
    held = {"model": {"a": torch.ones(2)}, "x": extra}
    torch.save(held if nested else {"a": torch.ones(2), "x": extra}, tmp_path / "x.pth")
    assert read_official(tmp_path / "x.pth").keys() == {"a"}


def test_weights_in_a_dictionary_of_an_unknown_class_are_read(tmp_path):
    torch.save({"model": Config(a=torch.ones(2))}, tmp_path / "x.pth")
    assert torch.equal(read_official(tmp_path / "x.pth")["a"], torch.ones(2))


@pytest.mark.parametrize("nest", ["net", "model_state_dict", "model_ema", "teacher"])
def test_weights_under_other_names_are_found_and_the_model_comes_first(tmp_path, nest):
    torch.save({nest: {"a": torch.ones(2)}, "epoch": 1}, tmp_path / "x.pt")
    assert read_official(tmp_path / "x.pt").keys() == {"a"}
    torch.save({nest: {"a": torch.ones(2)}, "model": {"b": torch.ones(2)}}, tmp_path / "x.pt")
    assert read_official(tmp_path / "x.pt").keys() == {"b"}


class Trap:
    """Runs code whenever it is made, filled or called."""

    touched: ClassVar = []

    def __new__(cls, *args):
        cls.touched.append("new")
        return super().__new__(cls)

    def __setstate__(self, state):
        self.touched.append("state")

    def __getstate__(self):
        return {"items": Trap, "get": os.mkdir} if "nasty" in vars(self) else {"a": 1}


def test_no_method_of_a_class_in_a_file_runs(tmp_path):
    nasty = Trap()
    nasty.nasty = True
    for number, held in enumerate((Trap(), [Trap()], {"b": Trap}, Config(t=Trap()))):
        torch.save({"model": {"a": torch.ones(2)}, "x": held}, tmp_path / f"{number}.pt")
    Trap.touched.clear()
    for number in range(4):
        assert read_official(tmp_path / f"{number}.pt").keys() == {"a"}
    assert Trap.touched == []
    torch.save({"model": nasty}, tmp_path / "nasty.pt")
    Trap.touched.clear()
    with pytest.raises(OpenBasketError, match=r"could run code|no weights"):
        read_official(tmp_path / "nasty.pt")
    assert Trap.touched == []


class Calls:
    """Calls something when it is unpickled."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "call",
    [
        (os.system, "true"),
        (eval, "1"),
        (exec, "pass"),
        (getattr, "x", "upper"),
        (subprocess.Popen, "true"),
        (functools.partial, os.getcwd),
        (importlib.import_module, "os"),
        (Trap,),
        (Fraction, 1),
    ],
    ids=lambda call: call[0].__name__,
)
def test_a_call_in_a_file_is_refused(tmp_path, call):
    for zipped in (True, False):
        torch.save(
            {"model": {"a": torch.ones(1)}, "x": Calls(*call)},
            tmp_path / "x.pt",
            _use_new_zipfile_serialization=zipped,
        )
        Trap.touched.clear()
        with pytest.raises(OpenBasketError, match="could run code"):
            read_official(tmp_path / "x.pt")
        assert not Trap.touched


def test_what_cannot_be_converted_is_told(tmp_path):
    path = tmp_path / "x.pt"
    with pytest.raises(NotFoundError, match="no checkpoint at"):
        convert(path, NAME)
    torch.save(official(), path)
    with pytest.raises(UnknownNameError, match=NAME):
        convert(path, "internvideo2-tinny")
    with pytest.raises(ConfigError, match="multiple of patch"):
        convert(path, NAME, size=65)
    with pytest.raises(OpenBasketError, match="own design"):
        convert(path, "tiny_conv")
    with pytest.raises(OpenBasketError, match="must end in"):
        convert(tmp_path / "x.ckpt", NAME)


def test_converting_to_other_frames_and_size_interpolates_and_reports(tmp_path):
    state = official(4, 64)
    state["mask_token"] = torch.zeros(1)
    state["fc_norm.weight"] = torch.zeros(3)
    del state["cls_token"]
    torch.save({"module": {f"module.{n}": v for n, v in state.items()}}, tmp_path / "k400.pth")
    words = (tmp_path / "k400.pth", "--model", NAME, "--num-frames", 8)
    refused = run(*words)
    assert refused.exit_code == 1
    assert "2 weights of 'internvideo2-tiny' would be fresh" in refused.stdout
    assert "needed, but fresh: 2 weights: cls_token, fc_norm.weight" in refused.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["k400.pth"]
    words = (*words, "--partial")
    done = run(*words, "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["path"] == str(tmp_path / f"k400-{NAME}.safetensors")
    assert told["missing"] == ["cls_token"]
    assert told["unexpected"] == ["mask_token"]
    assert told["misfit"] == ["fc_norm.weight"]
    assert told["lacking"] == ["cls_token", "fc_norm.weight"]
    assert "pos_embed" in told["loaded"]

    model = create_model(NAME, num_frames=8)  # its own size, 112
    assert load_weights(tmp_path / f"k400-{NAME}.safetensors", model) == {
        "model": NAME,
        "num_frames": 8,
        "size": 112,
    }
    assert torch.equal(
        model.heads.linear.weight, torch.cat([state[f"head.{i}.weight"] for i in range(20)])
    )
    frames = state["pos_embed"][0, 1:].view(4, 4, 4, -1)
    ours = model.pos_embed[0, 1:].view(8, 7, 7, -1)
    middle = torch.nn.functional.interpolate(
        frames[0].permute(2, 0, 1)[None], (7, 7), mode="bicubic"
    )[0].permute(1, 2, 0)
    torch.testing.assert_close(ours[0], middle)  # the first of eight lies before the first of four
    assert torch.equal(model.pos_embed[0, 0], state["pos_embed"][0, 0])  # the class token's

    plain = run(*words, "--out", tmp_path / "deep" / "o.safetensors")
    assert "missing: 1 weight: cls_token" in plain.stdout
    one, two = (
        load_file(p)
        for p in (tmp_path / f"k400-{NAME}.safetensors", tmp_path / "deep" / "o.safetensors")
    )
    assert all(torch.equal(one[name], two[name]) for name in one), "fresh weights differ"


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.module.", "module._orig_mod.module.", "model.", "backbone."),
        *("vision_encoder.", "visual.", "encoder.", "module.model.backbone.", "model.module."),
    ],
)
@pytest.mark.parametrize("name", [NAME, "videomae2-tiny", "siglip-tiny", "xclip-tiny"])
def test_what_larger_models_put_before_names_is_left_out(prefix, name):
    torch.manual_seed(7)
    state = {n: v for n, v in create_model(name).state_dict().items() if n[:6] != "heads."}
    others = {"text_encoder.a": torch.ones(1), "decoder.b": torch.ones(1)}
    report = load_official(create_model(name), {prefix + n: v for n, v in state.items()} | others)
    assert report.fits
    assert len(report.loaded) == len(state)
    assert report.unexpected == ("decoder.b", "text_encoder.a")


def test_an_image_models_weights_are_told_from_those_that_are_made_of_them(tmp_path):
    torch.manual_seed(7)
    state = create_model("timesformer-tiny").state_dict()
    image = {n: v for n, v in state.items() if "tempor" not in n and "time_" not in n}
    torch.save(image, tmp_path / "x.pt")
    done = run(tmp_path / "x.pt", "--model", "timesformer-tiny", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert set(told["loaded"]) == set(image)
    assert set(told["made"]) == {n for n in state if n not in image}
    assert "timesformer.encoder.layer.0.temporal_attention.attention.qkv.weight" in told["made"]
    del image["timesformer.encoder.layer.3.output.dense.weight"]
    torch.save(image, tmp_path / "x.pt")
    done = run(tmp_path / "x.pt", "--model", "timesformer-tiny", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["lacking"] == ["timesformer.encoder.layer.3.output.dense.weight"]


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("memvit-tiny", r"\.(norm_)?compress_|rel_pos_mem_"),
        ("videomamba-tiny", "temporal_pos_embedding"),
        ("xclip-tiny", r"^mit\.|\.message_"),
        ("umt-tiny", r"fc_norm|position_embeddings"),
        (NAME, "fc_norm"),
    ],
)
def test_parts_that_official_checkpoints_may_lack_start_fresh(name, absent):
    state = create_model(name).state_dict()
    kept = {n: v for n, v in state.items() if not re.search(absent, n)}
    assert len(kept) < len(state)
    report = load_official(create_model(name), kept)
    assert report.fits
    kept.pop(next(n for n in kept if "patch_embed" in n and n.endswith("weight")))
    report = load_official(create_model(name), kept)
    assert report.any
    assert not report.fits


def test_a_checkpoint_whose_patches_are_others_writes_nothing(tmp_path):
    torch.manual_seed(7)
    state = create_model("umt-tiny", tubelet_size=2).state_dict()
    torch.save({"module": state}, tmp_path / "x.pt")
    done = run(tmp_path / "x.pt", "--model", "umt-tiny")
    assert done.exit_code == 1
    assert "patch_embeddings.projection.weight" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


SMALL_INTERNVIDEO2 = {
    **{"patch": 14, "width": 32, "depth": 1, "heads": 4},
    **{"clip_embed_dim": 16, "attn_pool_num_heads": 4},
}
AMBIGUOUS = {
    "internvideo2": SMALL_INTERNVIDEO2,
    "umt": {"patch": 16, "width": 32, "depth": 1, "heads": 4},
}


def positions(model):
    names = ("pos_embed", "videomae.embeddings.position_embeddings")
    return next(v for n, v in model.state_dict().items() if n in names)


@pytest.mark.parametrize(("name", "side"), [("internvideo2", 16), ("umt", 14)])
def test_a_table_of_as_many_places_but_other_frames_is_interpolated(name, side):
    official = create_model(name, num_frames=8, size=224, **AMBIGUOUS[name])
    ours = create_model(name, num_frames=32, size=112, **AMBIGUOUS[name])
    table = positions(official).normal_()
    assert positions(ours).shape == table.shape
    report = load_official(ours, official.state_dict())
    assert not torch.equal(positions(ours), table)
    first = positions(ours)[0, -32 * (side // 2) ** 2 :].view(32, side // 2, side // 2, -1)[0]
    pictures = table[0, -8 * side**2 :].view(8, side, side, -1).movedim(3, 1)
    middle = torch.nn.functional.interpolate(pictures[:1], (side // 2,) * 2, mode="bicubic")[0]
    torch.testing.assert_close(first, middle.movedim(0, 2))
    assert "read as those of 8 frames of 224 pixels" in report.notes[0]
    assert "32 frames of 112 pixels would fit, too: --from-frames, --from-size" in report.notes[0]

    same = create_model(name, num_frames=32, size=112, **AMBIGUOUS[name])
    report = load_official(same, official.state_dict(), from_frames=32)
    assert torch.equal(positions(same), table)
    with pytest.raises(ConfigError, match="not of 12 frames of any pixels"):
        load_official(same, official.state_dict(), from_frames=12)
    with pytest.raises(ConfigError, match="not of 8 frames of 112 pixels"):
        load_official(same, official.state_dict(), from_frames=8, from_size=112)


def test_frames_and_size_of_a_checkpoint_can_be_told(tmp_path):
    torch.manual_seed(7)
    state = create_model("internvideo2-tiny", num_frames=12, size=96).state_dict()  # 12 x 6 x 6
    torch.save(state, tmp_path / "x.pt")
    words = (tmp_path / "x.pt", "--model", NAME)
    refused = run(*words)
    assert refused.exit_code == 1
    assert "needed, but fresh: 1 weight: pos_embed" in refused.stdout
    for told in (("--from-frames", 12), ("--from-size", 96)):
        done = run(*words, *told)
        assert done.exit_code == 0
        assert "note: positions read as those of 12 frames of 96 pixels, made" in done.stdout
    torch.save(create_model("timesformer-tiny").state_dict(), tmp_path / "x.pt")
    done = run(tmp_path / "x.pt", "--model", "timesformer-tiny", "--from-frames", 8)
    assert isinstance(done.exception, ConfigError)


@pytest.mark.parametrize("name", ["umt-tiny", "videomae2-tiny", "timesformer-tiny", "memvit-tiny"])
def test_tables_that_a_model_computes_do_not_count_as_loaded(tmp_path, name):
    torch.save({"conv1.weight": torch.ones(3)}, tmp_path / "x.pt")
    done = run(tmp_path / "x.pt", "--model", name)
    assert done.exit_code == 1, done.output


def test_a_checkpoint_of_another_model_writes_nothing(tmp_path):
    heads = {n: v for n, v in official().items() if n.startswith("head.")}
    for state in ({"conv1.weight": torch.ones(3)}, heads):
        torch.save(collections.OrderedDict(state), tmp_path / "x.pt")
        done = run(tmp_path / "x.pt", "--model", NAME)
        assert done.exit_code == 1
        assert f"nothing fits '{NAME}'" in done.stdout
        assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]
    assert json.loads(run(tmp_path / "x.pt", "--model", NAME, "--json").stdout)["path"] is None


def test_models_are_listed_with_what_is_known_of_them():
    done = CliRunner().invoke(cli.app, ["models", "--json"])
    listed = {row["name"]: row for row in json.loads(done.stdout)}
    assert set(listed) == {*MODELS, *TEXT_MODELS}
    assert listed["videomamba"]["params"] == 73_735_012
    assert (listed["videomamba"]["frames"], listed["videomamba"]["licence"]) == (64, "Apache-2.0")
    colours = {name: row["normalise"] for name, row in listed.items()}
    assert colours["memvit"] == colours["timesformer"] == "kinetics"
    assert colours["siglip"] == colours["llava_onevision"] == "half"
    assert colours["videomae2"] == colours["xclip"] == "imagenet"
    assert "is a guess" in listed["memvit"]["note"]
    assert "is a guess" in CliRunner().invoke(cli.app, ["models"]).stdout
    assert "internvideo2-tiny" in CliRunner().invoke(cli.app, ["models"]).stdout


@pytest.mark.parametrize("name", ["timesformer-tiny", "memvit-tiny", "siglip-tiny", NAME])
def test_weights_of_a_wrong_shape_are_refused_or_told(tmp_path, name):
    state = {k: torch.ones(()) for k in create_model(name).state_dict()}
    state |= {f"head.{i}.weight": torch.ones(1).expand(1000) for i in range(20)}
    torch.save(state, tmp_path / "x.pt")
    done = run(tmp_path / "x.pt", "--model", name)
    assert done.exit_code in (1, 2), done.output
    assert done.exception is None or isinstance(done.exception, (SystemExit, OpenBasketError))
