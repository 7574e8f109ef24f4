"""The selective scan against a plain loop over time."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from openbasket.models import scan as scan_module
from openbasket.models.scan import CHUNK, selective_scan

NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")


def inputs(length, batch=2, inner=3, states=4, dtype=torch.float64):
    draw = torch.Generator().manual_seed(length)

    def some(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    sequence, state = (batch, inner, length), (batch, states, length)
    values = (
        some(*sequence),
        some(*sequence),
        -some(inner, states).exp(),
        some(*state),
        some(*state),
        some(inner),
        some(*sequence),
        some(inner),
    )
    return {k: v.to(dtype).requires_grad_() for k, v in zip(NAMES, values, strict=True)}


def plain(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):  # noqa: N803
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = F.softplus(delta)
    state = u.new_zeros(len(u), *A.shape)
    outputs = []
    for t in range(u.shape[2]):
        step = delta[:, :, t, None]
        state = (step * A).exp() * state + step * B[:, None, :, t] * u[:, :, t, None]
        outputs.append((state * C[:, None, :, t]).sum(2))
    y = torch.stack(outputs, 2)
    if D is not None:
        y = y + D[:, None] * u
    return y if z is None else y * F.silu(z)


@pytest.mark.parametrize("length", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
@pytest.mark.parametrize("optional", [NAMES[5:], (), ("z",), ("D", "delta_bias")])
def test_values_and_gradients_are_those_of_a_plain_loop(length, optional):
    given = {k: v for k, v in inputs(length).items() if k in (*NAMES[:5], *optional)}
    ours = selective_scan(**given, delta_softplus=True)
    expected = plain(**given, delta_softplus=True)
    torch.testing.assert_close(ours, expected)
    probe = torch.randn_like(ours)
    found = torch.autograd.grad(ours, list(given.values()), probe)
    wanted = torch.autograd.grad(expected, list(given.values()), probe)
    for name, a, b in zip(given, found, wanted, strict=True):
        torch.testing.assert_close(a, b, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("softplus", [True, False])
@pytest.mark.parametrize("length", [1, 5, 9])
def test_gradients_are_those_of_finite_differences(length, softplus, monkeypatch):
    monkeypatch.setattr(scan_module, "CHUNK", 4)
    given = inputs(length, inner=2, states=3)
    if not softplus:  # steps are positive
        given["delta"] = given["delta"].detach().abs().requires_grad_()
        given["delta_bias"] = given["delta_bias"].detach().abs().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *values: selective_scan(*values, delta_softplus=softplus), tuple(given.values())
    )


@pytest.mark.parametrize("autocast", [True, False])
def test_bfloat16_sequences_are_summed_in_float32(autocast):
    wide = inputs(2 * CHUNK + 3, dtype=torch.float32)
    given = {
        k: v.detach().to(torch.bfloat16 if v.ndim == 3 else torch.float32).requires_grad_()
        for k, v in wide.items()
    }
    exact = {k: v.detach().double().requires_grad_() for k, v in given.items()}
    expected = plain(**exact, delta_softplus=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        ours = selective_scan(**given, delta_softplus=True)
        assert ours.dtype == torch.bfloat16
        ours.float().sum().backward()
    # One rounding of the output to bfloat16 (8 bits), and none before.
    torch.testing.assert_close(ours.double(), expected, rtol=2**-8, atol=1e-5)
    expected.sum().backward()
    for name, value in given.items():
        assert value.grad.dtype == value.dtype, name
        torch.testing.assert_close(
            value.grad.double(), exact[name].grad, rtol=2**-8, atol=1e-4, msg=name
        )


def test_what_is_kept_for_the_backward_pass_is_its_inputs_and_a_state_a_chunk():
    def kept(length):
        sizes = []

        def pack(tensor):
            sizes.append(tensor.numel())
            return tensor

        given = inputs(length, inner=8, states=16)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            selective_scan(**given, delta_softplus=True)
        return sum(sizes) - sum(v.numel() for v in given.values())

    state = 2 * 8 * 16
    assert kept(10 * CHUNK) == 11 * state
    assert kept(100 * CHUNK) == 101 * state


def test_no_tensor_of_all_states_is_ever_made():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.size = max(self.size, out.numel())
            return out

    def largest(length):
        given = inputs(length, batch=1, inner=2, states=64)
        values = [value.detach() for value in given.values()]
        with Largest() as mode:  # the mode does not see into the operators, hence their functions
            out, starts = scan_module._forward(*values, True)
            scan_module._backward(torch.ones_like(out), starts, *values, True)
        return mode.size

    of_a_chunk = CHUNK * 2 * 64
    assert largest(2 * CHUNK) == of_a_chunk
    assert largest(20 * CHUNK) == max(of_a_chunk, 64 * 20 * CHUNK)  # B and C are (N, L)


@pytest.mark.parametrize("optional", [NAMES[5:], ()])
def test_compilers_are_told_the_true_shapes(optional):
    given = inputs(CHUNK + 3, dtype=torch.float32)
    values = [given[k] if k in (*NAMES[:5], *optional) else None for k in NAMES]
    checks = ("test_schema", "test_faketensor", "test_aot_dispatch_static")
    torch.library.opcheck(scan_module._scan, (*values, True), test_utils=checks)


def test_shapes_that_do_not_fit_are_refused():
    given = inputs(5)
    with pytest.raises(ValueError, match=r"B has shape \(2, 4, 4\); must be \(2, 4, 5\)"):
        selective_scan(**given | {"B": given["B"][..., 1:]})
    with pytest.raises(ValueError, match="D has shape"):
        selective_scan(**given | {"D": given["D"][1:]})


def test_the_kernel_gets_what_it_takes():
    """mamba-ssm's kernel wants sequences of one type and the rest in float32."""
    given = inputs(5)
    given["u"] = given["u"].bfloat16()
    seen = []

    def kernel(*values, delta_softplus):
        seen.extend(v if v is None else v.dtype for v in values)
        return plain(*values, delta_softplus=delta_softplus)

    values = [given[k] for k in NAMES[:6]]
    scan_module._by_kernel(kernel, *values, None, None, softplus=True)
    low, full = torch.bfloat16, torch.float32
    assert seen == [low, low, full, low, low, full, None, None]


def test_the_kernel_is_asked_only_where_it_is_installed(monkeypatch):
    scan_module._kernel.cache_clear()
    monkeypatch.setitem(sys.modules, "mamba_ssm", None)
    assert scan_module._kernel() is None
    scan_module._kernel.cache_clear()
    interface = SimpleNamespace(selective_scan_fn=plain)
    monkeypatch.setitem(sys.modules, "mamba_ssm", SimpleNamespace(__path__=[]))
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops", SimpleNamespace(__path__=[]))
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops.selective_scan_interface", interface)
    assert scan_module._kernel() is plain
    scan_module._kernel.cache_clear()


@pytest.mark.skipif(
    not torch.cuda.is_available() or scan_module._kernel() is None,
    reason="needs a GPU and mamba-ssm",
)
def test_the_kernel_gives_the_same_numbers():
    given = {
        k: v.detach().cuda().requires_grad_()
        for k, v in inputs(3 * CHUNK + 5, inner=8, states=16, dtype=torch.float32).items()
    }
    ours = scan_module._scan(*given.values(), True)[0]
    theirs = selective_scan(**given, delta_softplus=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    found = torch.autograd.grad(ours.sum(), list(given.values()))
    wanted = torch.autograd.grad(theirs.sum(), list(given.values()))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
