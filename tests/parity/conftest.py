"""Reference numbers of the official implementations, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from openbasket.models.weights import load_official

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("OPENBASKET_PARITY", ROOT.parent / "shared" / "parity"))


@pytest.fixture
def reference():
    """A function of an architecture's name: (state by official name, everything else by name)."""

    def read(name: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        path = FOLDER / f"{name}.safetensors"
        if not path.is_file():
            pytest.skip(f"no reference numbers at {path}; set OPENBASKET_PARITY")
        with safe_open(str(path), "pt") as file:
            found = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        state = {k.removeprefix("state."): v for k, v in found.items() if k.startswith("state.")}
        return state, {k: v for k, v in found.items() if not k.startswith("state.")}

    return read


def agree(ours: torch.Tensor, expected: torch.Tensor) -> None:
    """Within 1e-4 of the expected values' standard deviation."""
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() <= 1e-4 * expected.std()


def compare(model, state, expected, taps):
    """Load ``state`` into ``model``: nothing is left over, and every expected number agrees.

    Args:
        model: of the configuration that the numbers were made with.
        state: weights by official name.
        expected: everything else of the file.
        taps: name of an expected output of the inside -> the module whose (first) output it is.
    """
    report = load_official(model.eval(), state)
    assert (report.missing, report.unexpected, report.misfit) == ((), (), ())
    seen = {}

    def keep(name):
        def hook(module, inputs, output):
            seen[f"taps.{name}"] = output[0] if isinstance(output, tuple) else output

        return hook

    for name, module in taps.items():
        module.register_forward_hook(keep(name))
    clips = expected["input"].requires_grad_()
    seen["logits"] = model(clips)
    (seen["logits"] * expected["probe"]).sum().backward()
    seen |= {"features": model.features(clips), "input_grad": clips.grad}
    assert {f"expected.{name}" for name in seen} == expected.keys() - {"input", "probe"}
    for name, ours in seen.items():
        agree(ours, expected[f"expected.{name}"])
