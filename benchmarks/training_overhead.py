"""What our training loop costs over a bare PyTorch loop of the same steps.

    OMP_NUM_THREADS=1 python benchmarks/training_overhead.py --out benchmarks/results/training_overhead.json

Both have the same model, weights, clips, loss, optimiser, schedule and order; the bare loop has a DataLoader,
forward, loss, backward, clipping and a step, and nothing else: no plan, log, progress, checks of losses or of
who was seen. They take turns, epoch by epoch, and which begins changes; the best CPU time of an epoch of each
counts, as other work on the machine only adds to it (the medians are in the file, too). Checkpoints and
validation are outside in both. The losses of both loops are compared: they must be equal, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.nn import functional as F
from torch.utils.data import DataLoader

from openbasket.dataset.reader import Sample
from openbasket.progress import bar
from openbasket.training.building import build_model
from openbasket.training.config import Recipe, load_recipe
from openbasket.training.data import ClipDataset, EpochPlan, seed_of
from openbasket.training.optim import learning_rate, make_optimizer, set_learning_rate
from openbasket.training.session import Session

SUBJECTS, BAR = 24, 0.03


class Held:
    """Frames in memory: what reading them costs is another benchmark."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def read(self, places: Any = None) -> np.ndarray:
        """Return frames, or those at some places."""
        return np.array(self._pixels if places is None else self._pixels[list(places)])


def make_data(folder: Path, recipe: Recipe) -> tuple[list[Sample], list[Any]]:
    """Noise as frames, and random levels."""
    rng = np.random.default_rng(0)
    samples, entries = [], []
    shape = (recipe.data.frames, recipe.data.short_side, recipe.data.short_side * 7 // 4, 3)
    for i in range(SUBJECTS):
        path = folder / f"{i}.mp4"
        levels = tuple(int(level) for level in rng.integers(0, 5, 20))
        samples.append(Sample(f"s{i}", f"s{i}", "L", "21-22", str(path), path, levels))
        entries.append(Held(rng.integers(0, 256, shape, dtype=np.uint8)))
    return samples, entries


class Bare:
    """A loop that does the same steps, and nothing else."""

    def __init__(self, recipe: Recipe, samples: list[Sample], entries: list[Any]) -> None:
        self.recipe = recipe
        set_seed(seed_of("weights", recipe.train.seed))
        self.model = build_model(recipe)
        self.optimizer = make_optimizer(self.model, recipe.train)
        self.data = ClipDataset(samples, entries, recipe.data, seed=recipe.train.seed, augment=True)

    def epoch(self, epoch: int) -> list[float]:
        """Train an epoch; return the losses of its steps."""
        train = self.recipe.train
        set_seed(seed_of("epoch", train.seed, epoch, 0))
        updates = EpochPlan(SUBJECTS, train.seed, train.batch_size).epoch(epoch)
        loader = DataLoader(self.data, batch_sampler=[list(u.batches[0]) for u in updates])
        self.model.train()
        losses = []
        for step, (clips, labels, _) in enumerate(loader):
            set_learning_rate(
                self.optimizer, learning_rate(epoch * len(updates) + step, len(updates), train)
            )
            logits = self.model(clips)
            each = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
            loss = (each.sum(dim=0) / len(clips)).sum() / 20
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), train.grad_clip)
            self.optimizer.step()
            self.optimizer.zero_grad()
            losses.append(loss.detach())
        return [float(loss) for loss in losses]


class Ours(Bare):
    """The loop of ``openbasket train``, with its progress; the epoch without its validation."""

    def __init__(self, recipe: Recipe, samples: list[Sample], entries: list[Any]) -> None:
        super().__init__(recipe, samples, entries)
        self.session = Session(
            Accelerator(cpu=True), recipe, self.model, self.model, self.optimizer, None,
            samples, self.data, ClipDataset([], [], recipe.data),
        )  # fmt: skip
        self.session._validate = lambda _: {}  # type: ignore[method-assign]

    def epoch(self, epoch: int) -> list[float]:
        """Train an epoch; return the losses of its steps."""
        with bar("Training", self.session.updates) as advance:
            _, rows = self.session.epoch(epoch, lambda text: advance(1, text))
        return [loss for *_, loss in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    given = parser.parse_args()
    settings = ["train.warmup_epochs=0", f"train.epochs={given.epochs}"]
    models = {
        "tiny": settings,
        "tiny, a small step": [
            *settings, "data.frames=4", "data.size=64", "data.short_side=64", "train.batch_size=4",
            "model.options.width=8", "model.options.dim=32", "model.options.depth=1",
        ],
    }  # fmt: skip
    result: dict[str, Any] = {
        "bar": BAR, "epochs": given.epochs, "subjects": SUBJECTS, "torch": torch.__version__,
        "threads": torch.get_num_threads(), "python": platform.python_version(), "cores": os.cpu_count(),
    }  # fmt: skip
    for name, overrides in models.items():
        recipe = load_recipe("tiny", overrides)
        with tempfile.TemporaryDirectory() as folder:
            result[name] = compare(recipe, Path(folder))
        found = result[name]
        print(
            f"{name:20} bare {found['bare_ms']:8.1f} ms a step, ours {found['ours_ms']:8.1f} ms; overhead "
            f"{100 * found['overhead_cpu']:+.1f} % CPU "
            f"(medians {100 * found['overhead_cpu_median']:+.1f} %), "
            f"{100 * found['overhead_wall']:+.1f} % wall; losses equal: {found['same_losses']}"
        )
    result["overhead"] = result["tiny"]["overhead_cpu"]
    print(f"overhead {100 * result['overhead']:+.1f} %, bar {100 * BAR:.0f} %")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


def compare(recipe: Recipe, folder: Path) -> dict[str, Any]:
    samples, entries = make_data(folder, recipe)
    loops = {"bare": Bare(recipe, samples, entries), "ours": Ours(recipe, samples, entries)}
    cpu: dict[str, list[float]] = {name: [] for name in loops}
    wall: dict[str, list[float]] = {name: [] for name in loops}
    losses: dict[str, list[float]] = {name: [] for name in loops}
    for epoch in range(recipe.train.epochs):
        order = list(loops) if epoch % 2 else list(loops)[::-1]
        for name in order:
            begun = time.process_time(), time.perf_counter()
            losses[name] += loops[name].epoch(epoch)
            cpu[name].append(time.process_time() - begun[0])
            wall[name].append(time.perf_counter() - begun[1])
    steps = len(losses["bare"]) / recipe.train.epochs
    return {
        **{f"{name}_ms": 1000 * min(times) / steps for name, times in cpu.items()},
        "overhead_cpu": min(cpu["ours"]) / min(cpu["bare"]) - 1,
        "overhead_wall": min(wall["ours"]) / min(wall["bare"]) - 1,
        "overhead_cpu_median": statistics.median(cpu["ours"]) / statistics.median(cpu["bare"]) - 1,
        "same_losses": losses["bare"] == losses["ours"], "cpu_s": cpu,
    }  # fmt: skip


if __name__ == "__main__":
    main()
