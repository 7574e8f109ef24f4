"""A checkpoint of a few kilobytes cannot fill the memory; an honest one reads as torch.load reads it."""

from __future__ import annotations

import collections
import copy
import io
import pickle
import resource
import zipfile

import pytest
import torch
from torch import nn

from openbasket.errors import OpenBasketError
from openbasket.models.reading import read_official

GIB = 1 << 30


class Calls:
    """Calls something when it is unpickled."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


def refused(path, match):
    """Refused, and without much memory on the way."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(OpenBasketError, match=match):
        read_official(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("call", "named"),
    [
        ((bytearray, 8 * GIB), "bytearray"),
        ((torch.Tensor, 2 * GIB), "torch._tensor.Tensor|torch.Tensor"),
        ((torch.FloatTensor, 2 * GIB), "torch.FloatTensor"),
        ((torch.UntypedStorage, 8 * GIB), r"GLOBAL|damaged|not callable"),
    ],
    ids=["bytearray", "Tensor", "FloatTensor", "UntypedStorage"],
)
def test_a_call_that_takes_memory_is_refused(tmp_path, call, named, zipped):
    held = {"model": {"a": torch.ones(1)}, "x": Calls(*call)}
    torch.save(held, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    refused(tmp_path / "x.pth", named)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_tensor_that_is_spread_over_few_numbers_is_refused(tmp_path, zipped):
    for number, bomb in enumerate(
        (
            torch.ones(1).expand(4 * GIB),
            torch.ones(4).as_strided((1 << 16, 1 << 16), (0, 0)),
        )
    ):
        path = tmp_path / f"{number}.pth"
        torch.save({"a": torch.ones(2), "b": bomb}, path, _use_new_zipfile_serialization=zipped)
        refused(path, r"would become 17,179,869,1\d\d in memory")
    many = {f"a{n}": value for n, value in enumerate([torch.ones(1 << 20)] * 64)}
    torch.save(many, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    refused(tmp_path / "x.pth", "would become 268,435,456 in memory")


def altered(path, change):
    """A checkpoint whose pickle is another."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, change(content) if name.endswith("data.pkl") else content)


def test_a_tensor_that_reaches_beyond_its_numbers_is_refused(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"a": torch.arange(1000)}, path)
    told = b"M\xe8\x03\x85"  # the shape (1000,)
    altered(path, lambda content: content.replace(told, b"M\xe9\x03\x85"))
    refused(path, "damaged")
    torch.save({"a": torch.arange(1000)}, path)
    altered(path, lambda content: content.replace(told, b"J\xff\xff\xff\xff\x85"))
    refused(path, "damaged")
    torch.save({"a": torch.arange(1000)}, path)
    altered(path, lambda content: content.replace(told, b"J\xff\xff\xff\x7f\x85"))
    refused(path, r"would become 17,179,869,176 in memory")


def test_entries_that_are_deflated_or_lie_on_each_other_are_refused(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(1 << 20)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "small.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    refused(tmp_path / "small.pth", r"would become 4,19\d,\d{3} in memory")
    with zipfile.ZipFile(path, "a") as archive:
        (data,) = (part for part in archive.infolist() if part.filename.endswith("data/0"))
        archive.filelist += [copy.copy(data) for _ in range(100)]
        archive._didModify = True
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) > 100, "the file is no danger, so the test shows nothing"
    refused(path, r"would become 42\d,\d{3},\d{3} in memory")


def older(*pickles):
    """A file as old versions of torch.save wrote it."""
    head = [pickle.dumps(n, 2) for n in (0x1950A86A20F9469CFC6C, 1001, {})]
    return b"".join([*head, *pickles])


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}q\x00r\xff\xff\xff\x7f.",  # a place of memory far away
        b"\x80\x04\x95\xff\xff\xff\xff\x0f\0\0\0}.",  # a frame of 64 GiB
        b"\x80\x05\x96\xff\xff\xff\xff\x0f\0\0\0x.",  # a bytearray of 64 GiB
        b"\x80\x02X\xff\xff\xff\x7fx.",  # a text of 2 GiB
        b"\x80\x02" + b"]" * 2_100_000 + b".",
    ],
    ids=["memo", "frame", "bytearray", "text", "lists"],
)
def test_a_pickle_that_takes_memory_is_refused(tmp_path, content):
    (tmp_path / "x.pth").write_bytes(older(content))
    refused(tmp_path / "x.pth", "damaged|no whole checkpoint")


def test_a_copy_of_a_copy_holds_nothing_twice(tmp_path):
    pairs = b"(" + b"".join(b"(K\x01K%ct" % n for n in range(200)) + b"l"
    again = b"ccollections\nOrderedDict\nq\x01h\x00\x85R0" * 10
    content = b"\x80\x02}" + pairs + b"q\x000" + again + b"."
    (tmp_path / "x.pth").write_bytes(older(content, pickle.dumps([], 2)))
    refused(tmp_path / "x.pth", "holds no weights")


@pytest.mark.parametrize("zipped", [True, False])
def test_all_kinds_of_weights_are_read_as_torch_load_reads_them(tmp_path, zipped):
    torch.manual_seed(0)
    kinds = (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
    base = torch.randn(6, 5, 4)
    held = {f"{kind}": (torch.randn(3, 2) * 9).to(kind) for kind in kinds}
    held |= {
        "view": base[1:4, :, ::2],
        "turned": base.permute(2, 0, 1),
        "same": base,
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 3),
        "spread": torch.ones(1).expand(7),
        "parameter": nn.Parameter(torch.randn(2)),
        "buffer": nn.Buffer(torch.randn(2)),
    }
    if zipped:
        held["float8"] = torch.randn(4).to(torch.float8_e4m3fn)
        held["uint16"] = torch.arange(4).to(torch.uint16)
    path = tmp_path / "x.pth"
    model = collections.OrderedDict(held)
    model._metadata = {"": {"version": 1}}
    extra = {"optimizer": torch.optim.Adam([nn.Parameter(torch.ones(1))]).state_dict()}
    torch.save({"model": model, "rng": torch.get_rng_state(), "sets": {1, 2}} | extra, path,
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    wanted = torch.load(path, weights_only=True)["model"]
    found = read_official(path)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype, name
        assert found[name].shape == value.shape, name
        assert torch.equal(found[name].view(-1).view(torch.uint8)
                           if name == "float8" else found[name],
                           value.view(-1).view(torch.uint8) if name == "float8" else value), name  # fmt: skip
    assert found["same"].data_ptr() == found["turned"].data_ptr()


def test_bytes_of_a_checkpoint_that_are_flipped_end_in_an_error_or_in_weights(tmp_path):
    buffers = []
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save({"model": {"a": torch.ones(3), "b": torch.zeros(2, 2)}}, buffer,
                   _use_new_zipfile_serialization=zipped)  # fmt: skip
        buffers.append(buffer.getvalue())
    generator = torch.Generator().manual_seed(5)
    path = tmp_path / "x.pth"
    for whole in buffers:
        for _ in range(300):
            content = bytearray(whole)
            for _ in range(int(torch.randint(1, 4, (), generator=generator))):
                at = int(torch.randint(len(content), (), generator=generator))
                content[at] = int(torch.randint(256, (), generator=generator))
            path.write_bytes(content)
            try:
                found = read_official(path)
            except OpenBasketError:
                continue
            assert all(isinstance(value, torch.Tensor) for value in found.values())
