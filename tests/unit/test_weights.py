"""Checkpoints of other implementations become ours, and run no code."""

from __future__ import annotations

import collections
import json
import os
import zipfile
from argparse import Namespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from openbasket import cli
from openbasket.errors import ConfigError, NotFoundError, OpenBasketError, UnknownNameError
from openbasket.models import MODELS, TEXT_MODELS, create_model
from openbasket.models.weights import convert, read_official
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
            with pytest.raises(OpenBasketError, match=r"whole checkpoint|damaged|no weights"):
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
    with pytest.raises(OpenBasketError, match="no whole checkpoint"):
        read_official(tmp_path / "c.pt")


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
    done = run(*words, "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["path"] == str(tmp_path / f"k400-{NAME}.safetensors")
    assert told["missing"] == ["cls_token"]
    assert told["unexpected"] == ["mask_token"]
    assert told["misfit"] == ["fc_norm.weight"]
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
    assert "internvideo2-tiny" in CliRunner().invoke(cli.app, ["models"]).stdout


@pytest.mark.parametrize("name", ["timesformer-tiny", "memvit-tiny", "siglip-tiny", NAME])
def test_weights_of_a_wrong_shape_are_refused_or_told(tmp_path, name):
    state = {k: torch.ones(()) for k in create_model(name).state_dict()}
    state |= {f"head.{i}.weight": torch.ones(1).expand(1000) for i in range(20)}
    torch.save(state, tmp_path / "x.pt")
    done = run(tmp_path / "x.pt", "--model", name)
    assert done.exit_code in (1, 2), done.output
    assert done.exception is None or isinstance(done.exception, (SystemExit, OpenBasketError))
