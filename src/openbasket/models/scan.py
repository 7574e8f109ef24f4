"""The selective scan of Mamba (arXiv:2312.00752, algorithm 2), in chunks, with its own backward.

The states of a sequence, ``(L, inner, N)``, are never held at once. They are computed chunk by chunk;
the backward pass computes those of a chunk anew from the state at the chunk's start. Beyond its inputs
and outputs the scan keeps one state a chunk: ``N / 64`` of the size of ``u``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F

__all__ = ["CHUNK", "exact_dtype", "selective_scan"]

#: Steps whose states are held at once.
CHUNK = 64


def selective_scan(
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,  # noqa: N803
    B: torch.Tensor,  # noqa: N803
    C: torch.Tensor,  # noqa: N803
    D: torch.Tensor | None = None,  # noqa: N803
    z: torch.Tensor | None = None,
    delta_bias: torch.Tensor | None = None,
    delta_softplus: bool = False,
) -> torch.Tensor:
    """Scan sequences: ``h = exp(delta A) h + delta B u``, ``y = C h + D u``, gated by ``silu(z)``.

    The arguments are those of mamba-ssm's ``selective_scan_fn``, whose kernel does the work where it
    can be imported and the tensors are on a GPU. Sums are taken in float32 (float64 for float64).

    Args:
        u: input ``(batch, inner, L)``.
        delta: step sizes ``(batch, inner, L)``.
        A: decay of each state, negative, ``(inner, N)``.
        B: input to state ``(batch, N, L)``.
        C: state to output ``(batch, N, L)``.
        D: skip connection ``(inner,)``.
        z: gate ``(batch, inner, L)``.
        delta_bias: added to ``delta``, ``(inner,)``.
        delta_softplus: apply softplus to ``delta`` after its bias.

    Returns:
        ``(batch, inner, L)``, of the data type of ``u``.

    Raises:
        ValueError: shapes that do not fit together.
    """
    batch, inner, length = u.shape
    states = A.shape[-1]
    shapes: dict[str, tuple[torch.Tensor | None, tuple[int, ...]]] = {
        "delta": (delta, u.shape),
        "A": (A, (inner, states)),
        "B": (B, (batch, states, length)),
        "C": (C, (batch, states, length)),
        "D": (D, (inner,)),
        "z": (z, u.shape),
        "delta_bias": (delta_bias, (inner,)),
    }
    for name, (value, shape) in shapes.items():
        if value is not None and value.shape != shape:
            raise ValueError(f"{name} has shape {tuple(value.shape)}; must be {tuple(shape)}")
    if u.is_cuda and u.dtype != torch.float64 and (kernel := _kernel()):
        return _by_kernel(kernel, u, delta, A, B, C, D, z, delta_bias, softplus=delta_softplus)
    out: torch.Tensor = _scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus)[0]
    return out


@lru_cache(maxsize=1)
def _kernel() -> Callable[..., torch.Tensor] | None:
    try:
        found = import_module("mamba_ssm.ops.selective_scan_interface")
    except ImportError:
        return None
    return cast("Callable[..., torch.Tensor]", found.selective_scan_fn)


def _by_kernel(
    kernel: Callable[..., torch.Tensor],
    u: torch.Tensor,
    *others: torch.Tensor | None,
    softplus: bool,
) -> torch.Tensor:
    """Call mamba-ssm's kernel: sequences of one data type, everything else in float32."""
    given = (x if x is None else x.to(u.dtype if x.ndim == 3 else torch.float32) for x in others)
    return kernel(u, *given, delta_softplus=softplus)


def _forward(
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,  # noqa: N803
    B: torch.Tensor,  # noqa: N803
    C: torch.Tensor,  # noqa: N803
    D: torch.Tensor | None,  # noqa: N803
    z: torch.Tensor | None,
    delta_bias: torch.Tensor | None,
    delta_softplus: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`selective_scan` in plain torch: its output, and the state at the start of each chunk."""
    out, starts = _output_shapes(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    starts[0] = 0
    with _no_autocast(u.device):
        for i, span in enumerate(_spans(u)):
            chunk = _chunk(span, starts[i], u, delta, A, B, C, D, z, delta_bias, delta_softplus)
            y = chunk.y if chunk.z is None else chunk.y * F.silu(chunk.z)
            out[..., span] = y.permute(1, 2, 0)
            starts[i + 1] = chunk.states[-1]
    return out, starts


def _output_shapes(u: torch.Tensor, *others: Any) -> tuple[torch.Tensor, torch.Tensor]:
    chunks = -(-u.shape[2] // CHUNK)
    starts = u.new_empty(chunks + 1, u.shape[0], *others[1].shape, dtype=exact_dtype(u))
    return torch.empty_like(u), starts


def _backward(
    grad_out: torch.Tensor,
    starts: torch.Tensor,
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,  # noqa: N803
    B: torch.Tensor,  # noqa: N803
    C: torch.Tensor,  # noqa: N803
    D: torch.Tensor | None,  # noqa: N803
    z: torch.Tensor | None,
    delta_bias: torch.Tensor | None,
    delta_softplus: bool,
) -> list[torch.Tensor]:
    """Gradients of u, delta, A, B, C, D and the bias, and of z if there is one."""
    exact = exact_dtype(u)
    d_u, d_delta, d_B, d_C = (torch.empty_like(x) for x in (u, delta, B, C))
    d_z = None if z is None else torch.empty_like(z)
    d_A = torch.zeros_like(A, dtype=exact)
    d_D, d_bias = d_A.new_zeros(len(A)), d_A.new_zeros(len(A))
    carry = torch.zeros_like(starts[0])  # gradient of a chunk's last state, from later chunks
    with _no_autocast(u.device):
        for i, span in reversed(list(enumerate(_spans(u)))):
            chunk = _chunk(span, starts[i], u, delta, A, B, C, D, z, delta_bias, delta_softplus)
            grad = _steps(grad_out, span, exact)
            if chunk.z is not None and d_z is not None:
                gate = chunk.z.sigmoid()
                slope = gate * (1 + chunk.z * (1 - gate))
                d_z[..., span] = (grad * chunk.y * slope).permute(1, 2, 0)
                grad = grad * chunk.z * gate
            d_states = grad.unsqueeze(3) * chunk.C.unsqueeze(2)
            d_states[-1] += carry
            for t in range(len(grad) - 1, 0, -1):
                d_states[t - 1].addcmul_(chunk.decay[t], d_states[t])
            carry = chunk.decay[0] * d_states[0]
            d_C[..., span] = (grad.unsqueeze(2) @ chunk.states).squeeze(2).permute(1, 2, 0)
            d_input = (chunk.delta * chunk.u).unsqueeze(2)
            d_B[..., span] = (d_input @ d_states).squeeze(2).permute(1, 2, 0)
            d_input = (d_states * chunk.B.unsqueeze(2)).sum(3)  # of delta u
            d_exponent = chunk.decay.mul_(d_states)  # of delta A
            d_exponent[0] *= starts[i]
            d_exponent[1:] *= chunk.states[:-1]
            d_step = d_input * chunk.u + (d_exponent * A).sum(3)
            d_A += d_exponent.mul_(chunk.delta.unsqueeze(3)).sum((0, 1))
            d_input *= chunk.delta
            if D is not None:
                d_input += grad * D
                d_D += (grad * chunk.u).sum((0, 1))
            if delta_softplus:
                d_step *= -torch.expm1(-chunk.delta)
            d_bias += d_step.sum((0, 1))
            d_u[..., span] = d_input.permute(1, 2, 0)
            d_delta[..., span] = d_step.permute(1, 2, 0)
    return [d_u, d_delta, d_A, d_B, d_C, d_D, d_bias, *(() if d_z is None else (d_z,))]


def _gradient_shapes(_: torch.Tensor, starts: torch.Tensor, *inputs: Any) -> list[torch.Tensor]:
    u, delta, A, B, C = inputs[:5]
    z = inputs[6]
    d_A = torch.empty_like(A, dtype=starts.dtype)
    sums = (d_A.new_empty(len(A)) for _ in range(2))
    d_z = () if z is None else (torch.empty_like(z),)
    return [
        *(torch.empty_like(u), torch.empty_like(delta), d_A),
        *(torch.empty_like(B), torch.empty_like(C), *sums, *d_z),
    ]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, torch.Tensor]) -> None:
    ctx.delta_softplus = inputs[-1]
    ctx.save_for_backward(*inputs[:-1], output[1])


def _gradients(ctx: Any, grad_out: torch.Tensor, _: torch.Tensor) -> tuple[Any, ...]:
    *inputs, starts = ctx.saved_tensors
    found = _scan_backward(grad_out, starts, *inputs, ctx.delta_softplus)
    d_u, d_delta, d_A, d_B, d_C, d_D, d_bias, *d_z = found
    _, _, _, _, _, D, z, delta_bias = inputs
    return (
        *(d_u, d_delta, d_A, d_B, d_C),
        None if D is None else d_D,
        None if z is None else d_z[0],
        None if delta_bias is None else d_bias,
        None,
    )


# Operators of their own, so that torch.compile calls them and does not unroll their steps.
_scan = torch.library.custom_op("openbasket::selective_scan", _forward, mutates_args=())
_scan.register_fake(_output_shapes)
_scan_backward = torch.library.custom_op(
    "openbasket::selective_scan_backward", _backward, mutates_args=()
)
_scan_backward.register_fake(_gradient_shapes)
_scan.register_autograd(_gradients, setup_context=_keep)


class _Chunk(NamedTuple):
    """Some steps of a scan, time first, with the states after each step."""

    u: torch.Tensor
    delta: torch.Tensor
    B: torch.Tensor
    C: torch.Tensor
    z: torch.Tensor | None
    decay: torch.Tensor
    states: torch.Tensor
    y: torch.Tensor


def _chunk(
    span: slice,
    state: torch.Tensor,
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,  # noqa: N803
    B: torch.Tensor,  # noqa: N803
    C: torch.Tensor,  # noqa: N803
    D: torch.Tensor | None,  # noqa: N803
    z: torch.Tensor | None,
    delta_bias: torch.Tensor | None,
    delta_softplus: bool,
) -> _Chunk:
    exact = state.dtype
    u, delta, B, C = (_steps(x, span, exact) for x in (u, delta, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias
    if delta_softplus:
        delta = F.softplus(delta)
    decay = (delta.unsqueeze(3) * A.to(exact)).exp_()
    states = (delta * u).unsqueeze(3) * B.unsqueeze(2)
    for own, factor in zip(states.unbind(), decay.unbind(), strict=True):
        state = own.addcmul_(factor, state)
    y = (states * C.unsqueeze(2)).sum(3)
    if D is not None:
        y = y + D * u
    return _Chunk(u, delta, B, C, None if z is None else _steps(z, span, exact), decay, states, y)


def _steps(x: torch.Tensor, span: slice, exact: torch.dtype) -> torch.Tensor:
    """Cut ``(batch, rows, L)`` to ``(T, batch, rows)``."""
    return x[..., span].permute(2, 0, 1).to(exact).contiguous()


def _spans(u: torch.Tensor) -> list[slice]:
    """Cut the time of ``u`` into chunks."""
    starts = range(0, u.shape[2], CHUNK)
    return [slice(start, min(start + CHUNK, u.shape[2])) for start in starts]


def exact_dtype(x: torch.Tensor) -> torch.dtype:
    """Give the data type for sums of such values: float32, or float64 for float64."""
    return torch.promote_types(x.dtype, torch.float32)


def _no_autocast(device: torch.device) -> AbstractContextManager[Any]:
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
