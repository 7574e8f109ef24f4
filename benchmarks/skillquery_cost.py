"""What SkillQuery costs on the official download: arithmetic, memory and, as an estimate, time on 8 GPUs.

    python benchmarks/skillquery_cost.py --out benchmarks/results/skillquery_cost.json

Arithmetic and memory are counted at full size on tensors without values: no GPU, and no time, is needed.

- FLOPs (a multiplication and an addition are two): ``torch.utils.flop_counter``, attention written out. It
  does not see VideoMamba's selective scan, for which ``9 L D N`` a direction and layer is added (length,
  inner channels, states); all of that model is linear in the tokens, so that it is counted at 1 and 2 frames
  and extrapolated.
- Memory of a GPU: the most that an update holds (``torch.distributed._tools.mem_tracker``), the second one,
  as AdamW has its averages by then: weights, gradients, averages, the reels, activations. The operations are
  a CPU's under bf16 autocast; not in it are what CUDA itself takes, gaps between blocks, and the buckets of
  several processes (as much as the gradients). ``kept``: what the forward pass keeps for the backward pass;
  of one clip it is measured on real tensors, too.
- Time on GPUs is an assumption throughout: the peak of the data sheet (bf16, dense), of which large
  transformers are said to reach 30 to 40 % (PaLM, arXiv:2204.02311, table 3: 21 to 46 %, of language models).
- Reading: results of ``reading.py`` on real footage and ``frame_cache.py``, scaled to 400 frames; 400 frames
  and cuts are taken to cost a full decode each. Squeezing frames into the square is measured here.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode

from openbasket.models.videomamba import EXPAND, STATES
from openbasket.training.building import build_model
from openbasket.training.config import Recipe, load_recipe
from openbasket.training.data import ClipDataset
from openbasket.training.optim import make_optimizer

RESULTS = Path(__file__).parent / "results"
#: Reels of the paper's splits (section 4, "roughly"), and GPUs.
TRAIN, VAL, GPUS = 19_500, 2_800, 8
#: Peak TFLOP/s in bf16, dense, of data sheets; and the share that is assumed.
PEAK = {"H100 SXM": 989.0, "A100": 312.0, "RTX A6000 (the paper's)": 154.8}
SHARES = (0.3, 0.4)
OFFICIAL = "skillquery-official"


def built(recipe: Recipe, reels: int) -> tuple[nn.Module, torch.Tensor]:
    """A recipe's model in training, and reels for it, without values."""
    data = recipe.data
    with torch.device("meta"):
        return build_model(recipe).train(), torch.empty(reels, 3, data.frames, data.size, data.size)


def as_on_cpu(model: nn.Module, reels: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    """The same inside ``FakeTensorMode``: still without values, but with a CPU's data types."""
    return model.to_empty(device="cpu"), torch.empty_like(reels, device="cpu")


def fake() -> FakeTensorMode:
    return FakeTensorMode(allow_non_fake_inputs=True)


def bf16() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


def flops(recipe: Recipe, *, backward: bool = False) -> int:
    """Of one reel, forward, or with the backward pass."""
    model, reel = built(recipe, 1)
    with FlopCounterMode(display=False) as counted:
        logits = model(reel)
        if backward:
            logits.sum().backward()
    return int(counted.get_total_flops())


def videomamba(frames: int) -> tuple[int, int]:
    """FLOPs of so many frames, counted at 1 and 2; and those of the scans, by their formula."""
    one, two = (flops(load_recipe("videomamba", [f"data.frames={n}"])) for n in (1, 2))
    model, _ = built(load_recipe("videomamba"), 1)
    length = frames * (model.pos_embed.shape[1] - 1) + 1
    inner = EXPAND * model.pos_embed.shape[2]
    return one + (frames - 1) * (two - one), 2 * len(model.layers) * 9 * length * inner * STATES


def kept(recipe: Recipe, clips: int, *, values: bool = False) -> int:
    """Bytes that the forward pass of one reel of so many clips keeps, besides weights and the reel.

    With ``values`` a reel of zeros is computed, to prove the count without them.
    """
    data = {"frames": clips * recipe.data.frames // recipe.data.clips, "clips": clips}
    model_of = recipe.model.model_copy(update={"options": {**recipe.model.options, "clips": clips}})
    recipe = recipe.model_copy(
        update={"data": recipe.data.model_copy(update=data), "model": model_of}
    )
    found: dict[int, int] = {}

    def pack(value: torch.Tensor) -> torch.Tensor:
        found[value.untyped_storage()._cdata] = value.untyped_storage().nbytes()
        return value

    model, reel = built(recipe, 1)
    with nullcontext() if values else fake():
        if values:
            model, reel = build_model(recipe).train(), torch.zeros(reel.shape)
        else:
            model, reel = as_on_cpu(model, reel)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value), bf16():
            logits = model(reel)  # noqa: F841 - holds what is kept
    for given in (*model.parameters(), *model.buffers(), reel):
        found.pop(given.untyped_storage()._cdata, None)
    return sum(found.values())


def update(recipe: Recipe, reels: int) -> dict[str, float]:
    """Bytes that the second update holds at its peak, in GiB."""
    without = built(recipe, reels)
    with fake():
        model, given = as_on_cpu(*without)
        optimizer = make_optimizer(model, recipe.train)
        tracker = MemTracker()
        tracker.track_external(model, optimizer, given)
        with tracker:
            for _ in range(2):
                tracker.reset_mod_stats()
                with bf16():
                    logits = model(given)
                logits.sum().backward()
                del logits
                optimizer.step()
                optimizer.zero_grad()
        (peak,) = tracker.get_tracker_snapshot("peak").values()
    return {str(getattr(key, "value", key)).lower(): size / 2**30 for key, size in peak.items()}


def squeezing(recipe: Recipe, rounds: int = 3) -> float:
    """CPU seconds to make a reel's frames, read already, what the model gets."""
    frames = np.random.default_rng(0).integers(0, 256, (recipe.data.frames, 224, 394, 3), np.uint8)
    dataset, spent = ClipDataset([], [], recipe.data), []
    for _ in range(rounds):
        begun = time.process_time()
        dataset.whole(frames)
        spent.append(time.process_time() - begun)
    return median(spent)


def reading(recipe: Recipe) -> dict[str, float]:
    """CPU seconds a reel: once, and in each epoch; GB of the cache."""
    footage = json.loads((RESULTS / "reading_real_footage.json").read_text())["groups"]
    cache = json.loads((RESULTS / "frame_cache.json").read_text())
    form, times = cache["forms"]["openbasket, jpeg q90"], recipe.data.frames / cache["frames"]
    decode = max(group["medians"]["full decode"]["cpu_s"] for group in footage.values())
    return {
        "full_decode_s": decode,
        "once_core_hours": 2 * decode * (TRAIN + VAL) / 3600,
        "jpeg_s": form["cpu_ms"] / 1000 * times,
        "squeeze_s": squeezing(recipe),
        "reel_gb": 4 * 3 * recipe.data.frames * recipe.data.size**2 / 1e9,
        "cache_gb": form["mb"] * times * (TRAIN + VAL) / 1000,
    }


def times(training: int, forward: int, read_s: float) -> dict[str, dict[str, list[float]]]:
    """Minutes of an epoch with its validation on 8 GPUs, and cores that keep them fed: at both shares."""
    found = {}
    for gpu, peak in PEAK.items():
        work = training * TRAIN + forward * VAL
        seconds = [work / (GPUS * peak * 1e12 * share) for share in SHARES]
        found[gpu] = {
            "epoch_minutes": [s / 60 for s in seconds],
            "cores_to_feed": [read_s * (TRAIN + VAL) / s for s in seconds],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "skillquery_cost.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.monotonic()
    recipe = load_recipe(OFFICIAL)
    counted, scans = videomamba(64)
    read, official = reading(recipe), flops(recipe)
    forward = {
        "skillquery, 400 frames of 160": flops(load_recipe("skillquery")),
        "skillquery-official, 400 frames of 224": official,
        "siglip, 64 frames of 224": flops(load_recipe("siglip")),
        "videomamba, 64 frames of 224": counted + scans,
    }
    memory: dict[str, Any] = {}
    for on in (True, False):
        form = recipe.model_copy(
            update={"model": recipe.model.model_copy(update={"checkpointing": on})}
        )
        training = flops(form, backward=True)
        memory["checkpointing" if on else "plain"] = {
            "training_tflops": training / 1e12,
            "kept_gib": {n: kept(form, n) / 2**30 for n in (1, 2, 50)},
            "kept_with_values_gib": {1: kept(form, 1, values=True) / 2**30},
            "peak_gib": update(form, recipe.train.batch_size),
            "estimate": times(training, official, read["jpeg_s"] + read["squeeze_s"]),
        }
    content: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(), "torch": torch.__version__, "cores": os.cpu_count(),
        "load": os.getloadavg()[0], "reels": {"train": TRAIN, "val": VAL}, "gpus": GPUS, "peak_tflops": PEAK,
        "assumed_share": SHARES, "forward_tflops": {name: n / 1e12 for name, n in forward.items()},
        "videomamba_scans_tflops": scans / 1e12, "batch_per_gpu": recipe.train.batch_size,
        "memory_and_time": memory, "reading_a_reel": read, "seconds": time.monotonic() - begun,
    }  # fmt: skip
    for name, value in content["forward_tflops"].items():
        print(f"{name:40} {value:8.3f} TFLOP a reel, forward")
    for name, form in memory.items():
        print(
            f"{name:14} {form['training_tflops']:6.1f} TFLOP a reel in training; keeps "
            f"{form['kept_gib'][50]:.1f} GiB a reel; peak {form['peak_gib']['total']:.1f} GiB a GPU"
        )
        for gpu, given in form["estimate"].items():
            print(f"  {gpu:26} epoch {given['epoch_minutes']} min, cores {given['cores_to_feed']}")
    print({name: round(value, 3) for name, value in read.items()})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        json.loads(json.dumps(content), parse_float=lambda t: round(float(t), 4)), indent=1
    )
    options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
