"""One epoch of training, and its validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, set_seed
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from openbasket.dataset.reader import Sample
from openbasket.errors import OpenBasketError
from openbasket.models.skillquery import SetHeads
from openbasket.training.building import check_logits
from openbasket.training.config import Recipe
from openbasket.training.data import MISSING, EpochPlan, Item, Items, seed_of, shares
from openbasket.training.faults import batches as handed
from openbasket.training.faults import diverged
from openbasket.training.losses import head_sums, skill_loss
from openbasket.training.optim import Average, learning_rate, set_learning_rate

__all__ = ["Session", "arithmetic"]

#: Losses are looked at after so many updates: each look waits for the device.
LOOK_EVERY = 20

OnUpdate = Callable[[str], None]
Row = tuple[int, int, float, float]


class Session:
    """What stays the same from epoch to epoch.

    Args:
        accelerator: of this process.
        recipe: of the run.
        model: the weights.
        wrapped: the same, as it learns together with other processes.
        optimizer: of its weights.
        average: of its weights, if the recipe wants one.
        train_samples: subjects to learn from.
        train_set: what the model is given of them.
        val_set: what it is given of those to validate.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        recipe: Recipe,
        model: nn.Module,
        wrapped: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: Average | None,
        train_samples: Sequence[Sample],
        train_set: Items,
        val_set: Items,
    ) -> None:
        self.accelerator = accelerator
        self.recipe = recipe
        self.model = model
        self.wrapped = wrapped
        self.optimizer = optimizer
        self.average = average
        self.kept = model if average is None else average.model
        heads = getattr(model, "heads", None)
        members = list(heads.members) if isinstance(heads, SetHeads) else []
        self._members = max(1, len(members))
        #: Members that share no weights: each has its own gradient, of its share of the loss.
        self._apart = members if members and recipe.model.frozen else [wrapped]
        settings, count = recipe.train, len(train_samples)
        self._train_set, self._val_set = train_set, val_set
        self._known = torch.tensor([[n is not None for n in s.levels] for s in train_samples])
        rank, processes = accelerator.process_index, accelerator.num_processes
        self._plan = EpochPlan(
            count, settings.seed, settings.batch_size, settings.accumulate, rank=rank, processes=processes
        )  # fmt: skip
        keys = [(0, index) for index in range(len(val_set))]
        self._val_batches = shares(keys, settings.batch_size, rank, processes)
        self.updates = self._plan.updates

    def epoch(self, epoch: int, on_update: OnUpdate) -> tuple[dict[str, Any], list[Row]]:
        """Train one epoch and validate; return the line of metrics, and the rows of its updates."""
        accelerator, settings = self.accelerator, self.recipe.train
        set_seed(seed_of("epoch", settings.seed, epoch, accelerator.process_index))
        updates = self._plan.epoch(epoch)
        first = epoch * len(updates)
        batches = self._batches(self._train_set, [list(b) for u in updates for b in u.batches])
        seen: list[torch.Tensor] = []
        losses: list[torch.Tensor] = []
        rates: list[float] = []
        self.wrapped.train()
        for number, update in enumerate(updates):
            rates.append(learning_rate(first + number, len(updates), settings))
            set_learning_rate(self.optimizer, rates[-1])
            counts = self._counts(update.subjects).to(accelerator.device)
            parts = []
            for left in range(len(update.batches) - 1, -1, -1):
                clips, labels, subjects = next(batches)
                seen.append(subjects)
                with accelerator.no_sync(self.wrapped) if left else nullcontext():
                    loss = self._loss(clips, labels, counts)
                    # Gradients are averaged over the processes; the loss is their sum.
                    accelerator.backward(loss * accelerator.num_processes)
                parts.append(loss.detach())
            if settings.grad_clip:
                for part in self._apart:
                    accelerator.clip_grad_norm_(
                        part.parameters(), settings.grad_clip / len(self._apart)
                    )
            self.optimizer.step()
            self.optimizer.zero_grad()
            if self.average is not None:
                self.average.update(self.model, first + number)
            losses.append(torch.stack(parts).sum() if len(parts) > 1 else parts[0])
            if number % LOOK_EVERY == 0:
                told = _finite(losses[-LOOK_EVERY:], epoch, number)
            on_update(
                f"epoch {epoch + 1}/{settings.epochs}, update {number + 1}/{len(updates)}, loss {told:.3f}"
            )
        self._check_seen(torch.cat(seen), epoch)
        summed = accelerator.reduce(torch.stack(losses), "sum")
        _finite(list(summed), epoch, len(updates) - 1)
        steps = summed.tolist()
        rows = [(first + i, epoch, rates[i], loss) for i, loss in enumerate(steps)]
        return {
            "epoch": epoch,
            "learning_rate": rates[-1],
            "train_loss": sum(steps) / len(steps),
            "samples": len(self._known),
            **self._validate(epoch),
        }, rows

    def _counts(self, subjects: NDArray[np.int64]) -> torch.Tensor:
        """What the loss of an update of these subjects is divided by."""
        return self._known[subjects].sum(dim=0)

    def _loss(
        self, clips: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor
    ) -> torch.Tensor:
        """This batch's part of the loss of an update: of several members, the mean of theirs.

        Args:
            clips: ``(B, 3, T, H, W)``.
            labels: ``(B, 20)``.
            counts: ``(20,)``, labels of each skill in the whole update, of all batches and processes.
        """
        given = self._given(self.wrapped, clips)
        each = given if self._members > 1 else [given]
        smoothing = self.recipe.train.label_smoothing
        sums = [
            head_sums(check_logits(one, clips, self.recipe), labels, smoothing)[0] for one in each
        ]
        return skill_loss(torch.stack(sums).mean(dim=0), counts)

    def _validate(self, epoch: int) -> dict[str, Any]:
        """Loss and accuracy on the validation split, with the number of labels behind them."""
        found = torch.zeros(3, 20, device=self.accelerator.device)
        self.kept.eval()
        if self.accelerator.num_processes > 1:  # running statistics are each process's own
            for buffer in self.kept.buffers():
                broadcast(buffer)
        with torch.no_grad():
            for clips, labels, _ in self._batches(self._val_set, self._val_batches):
                logits = check_logits(self._given(self.kept, clips), clips, self.recipe).float()
                sums, counts = head_sums(logits, labels)
                right = (logits.argmax(dim=2) == labels).sum(dim=0)
                found += torch.stack([sums, counts, right])
        sums, counts, right = self.accelerator.reduce(found, "sum")
        accuracy = (right / counts.clamp(min=1)).sum() / (counts > 0).sum()
        loss = float(skill_loss(sums, counts))
        if not math.isfinite(loss):
            raise diverged("validation loss", loss, f"after epoch {epoch}")
        return {
            "val_loss": loss,
            "val_accuracy": float(accuracy),
            "val_labels": int(counts.sum()),
            "val_skills": int((counts > 0).sum()),
        }

    def _given(self, model: nn.Module, clips: torch.Tensor) -> Any:
        """What a model gives, in the recipe's precision."""
        with arithmetic(self.accelerator, self.recipe):
            return model(clips)

    def _batches(
        self, dataset: Items, batches: Sequence[list[tuple[int, int]]]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        device = self.accelerator.device
        loader: DataLoader[Item] = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=self.recipe.train.loader_workers,
            pin_memory=device.type == "cuda",
        )
        for clips, labels, subjects in handed(loader):
            yield (
                clips.to(device, non_blocking=True),
                labels.to(device, non_blocking=True),
                subjects,
            )

    def _check_seen(self, subjects: torch.Tensor, epoch: int) -> None:
        """Refuse an epoch that did not see each subject once, over all processes."""
        own = torch.bincount(subjects[subjects != MISSING], minlength=len(self._known))
        seen = self.accelerator.reduce(own.to(self.accelerator.device), "sum")
        if not bool((seen == 1).all()):
            raise OpenBasketError(
                f"in epoch {epoch}, {int((seen == 0).sum())} subjects were not seen and "
                f"{int((seen > 1).sum())} more than once. This is a fault of openbasket; please "
                "report it with the command"
            )


def arithmetic(accelerator: Accelerator, recipe: Recipe) -> torch.autocast:
    """The precision of a recipe's forward passes."""
    bf16 = recipe.train.precision == "bf16"
    return torch.autocast(accelerator.device.type, torch.bfloat16, enabled=bf16)


def _finite(losses: Sequence[torch.Tensor], epoch: int, last: int) -> float:
    """The newest of some losses, of updates up to number ``last``; refuse what is no number."""
    values = torch.stack(list(losses)).tolist()
    for place, value in enumerate(values):
        if not math.isfinite(value):
            number = last - len(values) + 1 + place
            raise diverged("training loss", value, f"in epoch {epoch}, at its update {number}")
    return float(values[-1])
