"""The training loop: plain PyTorch under Accelerate, with exact resume.

All chance (weights, order, augmentation, dropout) is drawn from generators seeded anew for each
epoch, and a checkpoint is written at the end of each epoch. So a resumed run needs no saved state
of a random generator to go on exactly as if it had not stopped (bit for bit on a CPU; on a GPU as
far as its kernels are deterministic).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from pydantic import ValidationError
from torch import nn
from torch.utils.data import DataLoader

from openbasket.dataset.reader import Sample, read_split
from openbasket.errors import BadInputError, ConfigError, NotFoundError, Problem
from openbasket.models import TEXT_MODELS, create_model
from openbasket.progress import bar
from openbasket.training import checkpoint
from openbasket.training.config import Recipe
from openbasket.training.data import ClipDataset, EpochSampler, stable_rng
from openbasket.training.frame_cache import cache_frames
from openbasket.training.losses import head_sums, skill_loss
from openbasket.training.text import UNLABELLED, build_text_model
from openbasket.workspace import write_json, write_text

__all__ = ["BEST", "CACHE", "LAST", "RECIPE", "TrainReport", "build_model", "read_recipe", "train"]

#: Files of a run's folder.
RECIPE, LAST, BEST, METRICS = "recipe.json", "last.safetensors", "best.safetensors", "metrics.jsonl"
CACHE = "frame_cache"

Clips = DataLoader[tuple[torch.Tensor, torch.Tensor]]
OnEpoch = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training run did.

    Args:
        run_dir: folder with recipe, weights and metrics.
        epochs: epochs done, in all sessions together.
        resumed_from: epochs that were done already when this session began.
        best_epoch: zero-based epoch of the lowest validation loss, whose weights are kept.
        best_val_loss: cross-entropy in nats, mean over the skills with labels.
        parameters: number of weights.
        train_samples: subjects in the training split.
        val_samples: subjects in the validation split.
        history: the lines of ``metrics.jsonl``.
        seconds: wall time of this session.
    """

    run_dir: Path
    epochs: int
    resumed_from: int
    best_epoch: int
    best_val_loss: float
    parameters: int
    train_samples: int
    val_samples: int
    history: tuple[dict[str, Any], ...]
    seconds: float


def train(
    recipe: Recipe,
    data_root: Path,
    out_dir: Path,
    *,
    resume: bool = True,
    quiet: bool = False,
    workers: int | None = None,
    on_epoch: OnEpoch | None = None,
) -> TrainReport:
    """Train a recipe's model on the ``train`` split; choose the epoch by the ``val`` split.

    A run that was interrupted goes on after its last whole epoch; a finished one returns at once.

    Args:
        recipe: from :func:`openbasket.training.config.load_recipe`.
        data_root: a dataset in the official layout.
        out_dir: the run's folder.
        resume: go on with the run in ``out_dir``; if false, start anew over it.
        quiet: show no progress.
        workers: processes that decode videos; all cores by default.
        on_epoch: called with the new line of metrics after each epoch.

    Raises:
        ConfigError: ``out_dir`` holds a run of another recipe or other data, or the dataset has another
            number of levels than the recipe.
        NotFoundError: a split has no subjects.
        BadInputError: missing videos, labels outside the recipe's levels, or no labels at all.
        VideoError: videos that do not decode.
    """
    began = time.monotonic()
    accelerator = Accelerator(gradient_accumulation_steps=recipe.train.accumulate)
    train_samples = _split(data_root, "train", recipe)
    val_samples = _split(data_root, "val", recipe)
    _check_levels(data_root, recipe)
    run = {
        "data": _fingerprint([*train_samples, *val_samples]),
        "recipe": recipe.model_dump(mode="json"),
    }
    with accelerator.main_process_first():
        if accelerator.is_main_process:
            _claim(out_dir, run, resume)

    seed = recipe.train.seed
    torch.manual_seed(_torch_seed("weights", seed))
    model = build_model(recipe).to(accelerator.device)
    parameters = sum(p.numel() for p in model.parameters())
    optimizer = torch.optim.AdamW(
        _groups(model, recipe.train.weight_decay), lr=recipe.train.learning_rate
    )
    state: dict[str, Any] = {"epochs": 0, "best_epoch": -1, "best_val_loss": None, "history": []}
    if (out_dir / LAST).exists():
        state = checkpoint.load(out_dir / LAST, model, optimizer)
    resumed_from = state["epochs"]

    if state["epochs"] < recipe.train.epochs:
        with accelerator.main_process_first():
            cached = cache_frames(
                [s.video for s in (*train_samples, *val_samples)],
                out_dir / CACHE,
                frames=recipe.data.frames,
                short_side=recipe.data.short_side,
                workers=workers,
                quiet=quiet or not accelerator.is_main_process,
            )
        count, batch = len(train_samples), recipe.train.batch_size
        sampler = EpochSampler(count, seed)
        train_set = ClipDataset(train_samples, cached[:count], recipe.data, seed=seed, augment=True)
        val_set = ClipDataset(val_samples, cached[count:], recipe.data)
        prepared, stepper, train_loader, val_loader = accelerator.prepare(
            model,
            optimizer,
            DataLoader(train_set, batch, sampler=sampler),
            DataLoader(val_set, batch, sampler=EpochSampler(len(val_samples), None)),
        )
        kind = _TextSession if recipe.model.name in TEXT_MODELS else _Session
        session = kind(accelerator, recipe, prepared, stepper, train_loader, val_loader)
        epochs = recipe.train.epochs
        with bar(
            "Training", epochs, done=resumed_from, quiet=quiet or not accelerator.is_main_process
        ) as advance:
            for epoch in range(resumed_from, epochs):
                sampler.epoch = epoch
                line = session.epoch(epoch)
                best = state["best_val_loss"] is None or line["val_loss"] < state["best_val_loss"]
                if best:
                    state |= {"best_epoch": epoch, "best_val_loss": line["val_loss"]}
                state |= {"epochs": epoch + 1, "history": [*state["history"], line]}
                if accelerator.is_main_process:
                    if best:
                        checkpoint.save_weights(out_dir / BEST, model, line)
                    checkpoint.save(out_dir / LAST, model, optimizer, state)
                    _write_metrics(out_dir, state["history"])
                accelerator.wait_for_everyone()
                advance(1, f"{epoch + 1}/{epochs} epochs, val loss {line['val_loss']:.3f}")
                if on_epoch is not None:
                    on_epoch(line)
    elif accelerator.is_main_process:
        _write_metrics(out_dir, state["history"])
    return TrainReport(
        run_dir=out_dir,
        epochs=state["epochs"],
        resumed_from=resumed_from,
        best_epoch=state["best_epoch"],
        best_val_loss=state["best_val_loss"],
        parameters=parameters,
        train_samples=len(train_samples),
        val_samples=len(val_samples),
        history=tuple(state["history"]),
        seconds=time.monotonic() - began,
    )


def read_recipe(run_dir: Path) -> Recipe:
    """Read back the recipe of a run.

    Raises:
        NotFoundError: ``run_dir`` holds no run.
        ConfigError: its ``recipe.json`` is damaged.
    """
    return Recipe.model_validate(_read_run(run_dir)["recipe"])


@dataclass(frozen=True, slots=True)
class _Session:
    """What stays the same from epoch to epoch."""

    accelerator: Accelerator
    recipe: Recipe
    model: nn.Module
    optimizer: torch.optim.Optimizer
    train_loader: Clips
    val_loader: Clips

    def epoch(self, epoch: int) -> dict[str, Any]:
        """Train one epoch and validate; return the line of metrics."""
        torch.manual_seed(
            _torch_seed("epoch", self.recipe.train.seed, epoch, self.accelerator.process_index)
        )
        settings = self.recipe.train
        per_epoch = math.ceil(len(self.train_loader) / settings.accumulate)
        update = epoch * per_epoch
        rate = 0.0
        sums = torch.zeros((), device=self.accelerator.device)
        self.model.train()
        for clips, labels in self.train_loader:
            with self.accelerator.accumulate(self.model):
                rate = _learning_rate(update, per_epoch, self.recipe)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                loss = self._loss(clips, labels)
                self.accelerator.backward(loss)
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(self.model.parameters(), settings.grad_clip)
                    update += 1
                self.optimizer.step()
                self.optimizer.zero_grad()
            sums += loss.detach()
        mean = self.accelerator.reduce(sums / len(self.train_loader), reduction="mean")
        return {
            "epoch": epoch,
            "learning_rate": rate,
            "train_loss": _finite(float(mean), "training", epoch),
            **self._validate(epoch),
        }

    def _loss(self, clips: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return skill_loss(*head_sums(self._logits(clips), labels))

    def _validate(self, epoch: int) -> dict[str, Any]:
        """Loss and accuracy on the validation split, with the number of labels behind them."""
        sums = torch.zeros(20, device=self.accelerator.device)
        counts, right = torch.zeros_like(sums), torch.zeros_like(sums)
        self.model.eval()
        with torch.no_grad():
            for clips, labels in self.val_loader:
                gathered = self.accelerator.gather_for_metrics((self._logits(clips), labels))
                logits, known = gathered
                batch_sums, batch_counts = head_sums(logits, known)
                sums += batch_sums
                counts += batch_counts
                right += (logits.argmax(dim=2) == known).sum(dim=0)
        accuracy = (right / counts.clamp(min=1)).sum() / (counts > 0).sum()
        return {
            "val_loss": _finite(float(skill_loss(sums, counts)), "validation", epoch),
            "val_accuracy": float(accuracy),
            "val_labels": int(counts.sum()),
            "val_skills": int((counts > 0).sum()),
        }

    def _logits(self, clips: torch.Tensor) -> torch.Tensor:
        with self._arithmetic():
            logits: torch.Tensor = self.model(clips)
        return logits.float()

    def _arithmetic(self) -> torch.autocast:
        bf16 = self.recipe.train.precision == "bf16"
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=bf16)


class _TextSession(_Session):
    """The same for a :class:`openbasket.training.text.TextLearner`, whose loss is that of answers."""

    def _loss(self, clips: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with self._arithmetic():
            loss: torch.Tensor = self.model(clips, labels)
        return loss

    def _validate(self, epoch: int) -> dict[str, Any]:
        """Loss on the validation split, a mean over its subjects; accuracies need answers."""
        losses = []
        self.model.eval()
        with torch.no_grad(), self._arithmetic():
            for clips, labels in self.val_loader:
                each = self.model(clips, labels, each=True)
                losses.append(self.accelerator.gather_for_metrics(each))
        known = torch.cat(losses)
        known = known[known != UNLABELLED]
        return {
            "val_loss": _finite(float(known.mean()), "validation", epoch),
            "val_answers": len(known),
        }


def _split(root: Path, split: str, recipe: Recipe) -> list[Sample]:
    samples = read_split(root, split, levels=recipe.data.levels)
    if not samples:
        raise NotFoundError(
            f"the split '{split}' of '{root}' has no subjects. Make splits with 'openbasket split' "
            "and the dataset with 'openbasket build'"
        )
    if all(level is None for s in samples for level in s.levels):
        raise BadInputError(
            [Problem(f"split '{split}' of {root}", None, None, "no label at all", "some labels")]
        )
    return samples


def _check_levels(root: Path, recipe: Recipe) -> None:
    """Compare the levels of recipe and dataset, where its manifest tells them.

    Three-level labels would pass as five-level ones, and a reversed column be turned round wrongly.
    """
    path = root / "openbasket" / "manifest.json"
    if not path.exists():
        return
    try:
        levels = int(json.loads(path.read_text(encoding="utf-8"))["levels"])
    except (ValueError, KeyError, TypeError) as error:
        problem = Problem(str(path), None, "levels", f"a damaged file ({error})", "a whole number")
        raise BadInputError([problem], "Make it again with 'openbasket build'.") from None
    if levels != recipe.data.levels:
        raise ConfigError(
            f"recipe '{recipe.name}' has data.levels = {recipe.data.levels}; the dataset at '{root}' has "
            f"{levels}. Set it with --set data.levels={levels}"
        )


def build_model(recipe: Recipe) -> nn.Module:
    """Build a recipe's model, with fresh weights unless the recipe tells where weights are.

    Raises:
        ConfigError: it cannot be built.
    """
    data = recipe.data
    try:
        if recipe.model.name in TEXT_MODELS:
            return build_text_model(recipe)
        return create_model(
            recipe.model.name,
            num_frames=data.frames,
            size=data.size,
            levels=data.levels,
            **recipe.model.options,
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"recipe '{recipe.name}': model '{recipe.model.name}' cannot be built: {error}"
        ) from None


def _fingerprint(samples: Sequence[Sample]) -> str:
    """A hash of who is trained on, with which labels, from videos of which size."""
    rows = [
        (s.subject_id, s.levels, s.video.stat().st_size if s.video.is_file() else None)
        for s in samples
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _claim(out_dir: Path, run: dict[str, Any], resume: bool) -> None:
    """Make ``out_dir`` the folder of this run, or check that it is."""
    if out_dir.exists() and not out_dir.is_dir():
        raise ConfigError(f"'{out_dir}' is a file; a run is a folder")
    if not resume:
        for name in (LAST, BEST, METRICS, RECIPE):
            (out_dir / name).unlink(missing_ok=True)
    if not (out_dir / LAST).exists():  # nothing has been trained here yet
        write_json(out_dir / RECIPE, run)
        return
    if not (out_dir / RECIPE).exists():
        raise ConfigError(f"'{out_dir}' holds weights without '{RECIPE}'; give another folder")
    found = _read_run(out_dir)
    way_out = "Give another folder, or start anew over this run (resume off)"
    changed = _differences(found["recipe"], run["recipe"])
    if changed:
        raise ConfigError(
            f"'{out_dir}' holds a run of another recipe: " + "; ".join(changed) + f". {way_out}"
        )
    if found["data"] != run["data"]:
        raise ConfigError(
            f"'{out_dir}' holds a run on other data: subjects, labels or videos have changed since. "
            f"{way_out}"
        )


def _read_run(run_dir: Path) -> dict[str, Any]:
    path = run_dir / RECIPE
    if not path.is_file():
        raise NotFoundError(f"there is no run at '{run_dir}'. Make one with 'openbasket train'")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        Recipe.model_validate(content["recipe"])
        content["data"]
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise ConfigError(f"'{path}' is damaged ({error}); give another folder") from None
    return content


def _differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    changed: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            changed += _differences(a, b, f"{prefix}{key}.")
        elif a != b and (prefix or key not in ("name", "summary")):
            changed.append(f"{prefix}{key} was {a!r}, is {b!r}")
    return changed


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only; none for biases and norms."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def _learning_rate(update: int, per_epoch: int, recipe: Recipe) -> float:
    """Linear warm-up to the peak, then a half cosine to zero after the last update."""
    settings = recipe.train
    total = per_epoch * settings.epochs
    warmup = min(round(per_epoch * settings.warmup_epochs), total)
    if update < warmup:
        return settings.learning_rate * (update + 1) / warmup
    share = (update - warmup) / max(1, total - warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _torch_seed(*parts: object) -> int:
    return int(stable_rng(*parts).integers(2**63))


def _finite(loss: float, which: str, epoch: int) -> float:
    if not math.isfinite(loss):
        raise ConfigError(
            f"the {which} loss is {loss} in epoch {epoch}: training has diverged. "
            "Lower train.learning_rate and start anew"
        )
    return loss


def _write_metrics(out_dir: Path, history: Sequence[dict[str, Any]]) -> None:
    write_text(
        out_dir / METRICS, "".join(json.dumps(line, sort_keys=True) + "\n" for line in history)
    )
