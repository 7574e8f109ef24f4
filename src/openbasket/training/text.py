"""Models that answer in text: what the loop trains, and levels from their answers."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from openbasket.errors import ConfigError
from openbasket.models import TEXT_MODELS
from openbasket.models.skill_text import FAULTS, VIDEO, answer, prompt
from openbasket.skills import SKILL_KEYS
from openbasket.training.config import Recipe
from openbasket.training.data import MISSING, ClipDataset, seed_of
from openbasket.training.faults import diverged
from openbasket.training.processes import over_shares
from openbasket.training.session import Session, arithmetic
from openbasket.workspace import write_json

if TYPE_CHECKING:
    from openbasket.models.llava_onevision import LlavaOneVision
    from openbasket.models.ratings import Rating

__all__ = [
    "UNLABELLED",
    "AnswerReport",
    "TextLearner",
    "TextSession",
    "answer_report",
    "answers_path",
    "build_text_model",
    "rate",
]


#: Stands for the loss of a clip without labels; no loss is below zero.
UNLABELLED = -1.0


class TextLearner(nn.Module):
    """A model that answers in text, asked for the levels of a clip.

    Its ``state_dict`` has the weights that are trained and no others: with LoRA, the adapters alone.

    Args:
        model: the model.
        levels: levels of a skill.
    """

    def __init__(self, model: LlavaOneVision, levels: int) -> None:
        super().__init__()
        self.model = model
        self.levels = levels
        self._question = f"{VIDEO}\n{prompt(levels)}"
        self._frozen = {n for n, p in self.named_parameters() if not p.requires_grad}
        self.register_state_dict_post_hook(_drop_frozen)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_expect_no_frozen)  # type: ignore[no-untyped-call]

    def forward(self, clips: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy in nats of the tokens of each right answer, ``(B,)``.

        A skill without a label has no line in the answer; a clip without any is ``UNLABELLED``.

        Args:
            clips: ``(B, 3, T, H, W)``.
            labels: int64 ``(B, 20)``, ``MISSING`` where not known.
        """
        known = (labels != MISSING).any(dim=1)
        losses = torch.full((len(clips),), UNLABELLED, device=clips.device)
        if not known.any():  # every process of several takes part in every backward pass
            nothing = torch.stack([p.sum() * 0 for p in self.parameters() if p.requires_grad])
            return losses + nothing.sum()
        right = [
            answer([None if n == MISSING else n for n in row]) for row in labels[known].tolist()
        ]
        found = self.model.losses(clips[known], [self._question] * len(right), right)
        return losses.masked_scatter(known, found)

    def rate(self, clips: torch.Tensor) -> list[Rating]:
        """Answer for each of the clips ``(B, 3, T, H, W)``."""
        return self.model.rate(clips, [self._question] * len(clips), levels=self.levels)


def _drop_frozen(
    module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]
) -> None:
    del metadata
    for name in cast("TextLearner", module)._frozen:
        state.pop(prefix + name, None)


def _expect_no_frozen(module: nn.Module, keys: Any) -> None:
    frozen = cast("TextLearner", module)._frozen
    keys.missing_keys[:] = [key for key in keys.missing_keys if key not in frozen]


def build_text_model(recipe: Recipe) -> TextLearner:
    """Build a recipe's model: official weights, or, of the small one, weights from the recipe's seed.

    Raises:
        ConfigError: weights that are missing, do not read or are of another picture size.
    """
    from openbasket.models.llava_onevision import LlavaOneVision

    name, weights = recipe.model.name, recipe.model.weights
    options: dict[str, Any] = dict(recipe.model.options)
    options["gradient_checkpointing"] = recipe.model.checkpointing
    if weights is None and name == "llava_onevision":
        raise ConfigError(
            "'llava_onevision' needs the folder of official weights and their tokenizer, in "
            "transformers' format: --set model.weights=FOLDER. To try the way: 'llava_onevision-tiny'"
        )
    if weights is not None and not Path(weights).is_dir():
        raise ConfigError(
            f"model.weights: there is no folder '{weights}'. Give one in transformers' format: "
            "config.json, *.safetensors and the tokenizer's files"
        )
    try:
        if weights is not None:
            model = LlavaOneVision.read(Path(weights), **options)
        else:
            module, _, build = TEXT_MODELS[name].partition(":")
            with torch.random.fork_rng(devices=[]):  # adapters alone are saved; these come again
                torch.manual_seed(seed_of("weights", recipe.train.seed))
                model = getattr(import_module(module), build)(size=recipe.data.size, **options)
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(
            f"recipe '{recipe.name}': model '{name}' cannot be built"
            f"{'' if weights is None else f' of {weights}'}: {error}"
        ) from None
    size = cast("Any", model.config.vision_config).image_size
    if size != recipe.data.size:
        raise ConfigError(
            f"recipe '{recipe.name}' has data.size = {recipe.data.size}; the model's tower takes {size} "
            f"pixels. Set it with --set data.size={size}"
        )
    for parameter in model.parameters():  # small steps are lost in bf16
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return TextLearner(model, recipe.data.levels)


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """What answers were like.

    Args:
        answers: how many there are, one a subject.
        whole: answers without any fault.
        levels: skills with a level.
        cells: skills that were asked for: 20 a subject.
        faults: how many there are of each kind (:class:`openbasket.models.skill_text.Parsed`).
        unanswered: subjects without a level, by skill.
    """

    answers: int
    whole: int
    levels: int
    cells: int
    faults: dict[str, int]
    unanswered: dict[str, int]


class TextSession(Session):
    """Training of a :class:`TextLearner`: the loss is that of its answers, each clip's the same weight."""

    def _counts(self, subjects: Any) -> torch.Tensor:
        return self._known[subjects].any(dim=1).sum()

    def _loss(
        self, clips: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor
    ) -> torch.Tensor:
        with arithmetic(self.accelerator, self.recipe):
            losses = self.wrapped(clips, labels)
        known = (labels != MISSING).any(dim=1)
        return torch.where(known, losses, 0 * losses).sum() / counts.clamp(min=1)

    def _validate(self, epoch: int) -> dict[str, Any]:
        """Loss on the validation split, the mean of its subjects; accuracies need answers."""
        found = torch.zeros(2, device=self.accelerator.device)
        self.kept.eval()
        with torch.no_grad(), arithmetic(self.accelerator, self.recipe):
            for clips, labels, _ in self._batches(self._val_set, self._val_batches):
                losses = self.kept(clips, labels)
                losses = losses[(labels != MISSING).any(dim=1)]
                found += torch.stack([losses.sum(), losses.new_tensor(len(losses))])
        total, count = self.accelerator.reduce(found, "sum").tolist()
        loss = total / count
        if not math.isfinite(loss):
            raise diverged("validation loss", loss, f"after epoch {epoch}")
        return {"val_loss": loss, "val_answers": int(count)}


def rate(
    accelerator: Accelerator,
    recipe: Recipe,
    learner: TextLearner,
    dataset: ClipDataset,
    subjects: Sequence[str],
    out_path: Path,
    *,
    quiet: bool = False,
) -> NDArray[np.float64]:
    """Answer for each clip; write counts of faults, and all answers, beside the predictions.

    Args:
        accelerator: of this process; the clips are shared out.
        recipe: of the run.
        learner: the model.
        dataset: the clips, in the order of ``subjects``.
        subjects: whom the clips show.
        out_path: the file of predictions; the answers go to :func:`answers_path`.
        quiet: show no progress.

    Returns:
        ``(len(subjects), 20, levels)``, the same in all processes; NaN where an answer gives no level.
    """
    keys = [(0, index) for index in range(len(subjects))]
    learner.to(accelerator.device).eval()

    def answers(clips: torch.Tensor, indices: torch.Tensor) -> Iterable[tuple[int, Rating]]:
        with arithmetic(accelerator, recipe):
            return zip(indices.tolist(), learner.rate(clips), strict=True)

    by_index = dict(
        over_shares(accelerator, recipe, dataset, keys, answers, describe="Answering", quiet=quiet)
    )
    ratings = [by_index[index] for index in range(len(subjects))]
    if accelerator.is_main_process:
        texts = {
            subject: {"answer": rating.text, "faults": rating.parsed.faults}
            for subject, rating in zip(subjects, ratings, strict=True)
        }
        write_json(answers_path(out_path), asdict(_report(ratings)) | {"texts": texts})
    return torch.stack([rating.probabilities for rating in ratings]).numpy()


def answers_path(predictions: Path) -> Path:
    """Where the answers behind a file of predictions are: ``predictions.answers.json``."""
    return predictions.with_suffix(".answers.json")


def answer_report(predictions: Path) -> AnswerReport | None:
    """What the answers behind a file of predictions were like; ``None`` for models with heads."""
    path = answers_path(predictions)
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return AnswerReport(**{key: content[key] for key in AnswerReport.__slots__})


def _report(ratings: Sequence[Rating]) -> AnswerReport:
    faults: Counter[str] = Counter(dict.fromkeys(FAULTS, 0))
    unanswered: Counter[str] = Counter(dict.fromkeys(SKILL_KEYS, 0))
    for rating in ratings:
        faults.update(rating.parsed.faults)
        levels = zip(SKILL_KEYS, rating.parsed.levels, strict=True)
        unanswered.update(key for key, level in levels if level is None)
    cells = len(ratings) * len(SKILL_KEYS)
    return AnswerReport(
        answers=len(ratings),
        whole=sum(not any(r.parsed.faults.values()) for r in ratings),
        levels=cells - sum(unanswered.values()),
        cells=cells,
        faults=dict(faults),
        unanswered=dict(unanswered),
    )
