"""Rate single videos with a trained run: frames in, probabilities of levels out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from openbasket.dataset.reader import Sample
from openbasket.errors import ConfigError
from openbasket.models import TEXT_MODELS
from openbasket.models.skillquery import SetHeads, SkillQuery
from openbasket.skills import SKILLS
from openbasket.training import checkpoint
from openbasket.training.building import build_again, check_logits
from openbasket.training.calibration import read_calibration, scaled
from openbasket.training.data import ClipDataset
from openbasket.training.features import conditions_of
from openbasket.training.processes import make_accelerator
from openbasket.training.run import BEST, read_facts, read_recipe
from openbasket.video.cache import CachedFrames

__all__ = ["DEVICES", "Device", "Rater", "SeenReel"]

#: Where a model runs; ``auto`` takes a GPU where there is one.
Device = Literal["auto", "cpu", "gpu"]
DEVICES: tuple[str, ...] = get_args(Device)
_NOBODY = Sample("", "", "", "", "", Path(), (None,) * len(SKILLS))


class Rater:
    """A trained run, ready to rate; of leagues and seasons that are not known, unless :meth:`of` names them.

    Args:
        run_dir: folder of :func:`openbasket.training.loop.train`.
        quiet: do not tell if code of the user's own has changed since.
        device: where it runs.

    Raises:
        NotFoundError: there is no such run, or it has no weights yet.
        ConfigError: its record is damaged, its model answers in text or is told answers by transcripts, or
            there is no such device.
    """

    def __init__(self, run_dir: Path, *, quiet: bool = False, device: Device = "auto") -> None:
        if device not in DEVICES:
            raise ConfigError(f"device: got '{device}'; allowed: {', '.join(DEVICES)}")
        if device == "gpu" and not torch.accelerator.is_available():
            raise ConfigError("device: got 'gpu', and PyTorch sees none here; allowed: auto, cpu")
        self.run_dir = run_dir
        self.facts = read_facts(run_dir)
        self.recipe = read_recipe(run_dir)
        if self.recipe.model.name in TEXT_MODELS:
            raise ConfigError(
                f"the run at '{run_dir}' is of '{self.recipe.model.name}', which answers in text; allowed: "
                "models with heads ('openbasket models')"
            )
        if self.recipe.transcripts.told:
            raise ConfigError(
                f"the run at '{run_dir}' is told answers by transcripts, an experiment, and a video has "
                "none; allowed: runs without transcripts.told"
            )
        model = build_again(run_dir, self.recipe, quiet=quiet)
        self.validation = checkpoint.load_weights(run_dir / BEST, model)
        self.calibration = read_calibration(run_dir)
        self.parameters = sum(weight.numel() for weight in model.parameters())
        found = make_accelerator(self.recipe).device
        self.device = torch.device("cpu") if device == "cpu" else found
        self._conditions = conditions_of([_NOBODY], self.recipe.data).to(self.device)
        self._model = model.to(self.device).eval()

    @property
    def temperature(self) -> float:
        """Of the calibration; 1 without one."""
        return self.calibration.temperature if self.calibration else 1.0

    def of(self, league: str | None, season: str | None) -> Rater:
        """This rater for videos of a league and a season, where the run is told of such; null is unknown."""
        nobody = replace(_NOBODY, league=league or "", season=season or "")
        other = copy(self)
        other._conditions = conditions_of([nobody], self.recipe.data).to(self.device)
        return other

    def rate(self, clips: Sequence[NDArray[np.uint8]], *, batch: int = 8) -> NDArray[np.float64]:
        """Probabilities of the levels, ``(len(clips), 20, levels)``, at the run's temperature.

        Args:
            clips: each uint8 ``(T, height, width, 3)``, RGB, with the recipe's frames and short side; where
                the recipe takes clips of a reel, those of all its clips one after the other, which may be
                fewer or more than the model takes.
            batch: clips that the model sees at once.

        Raises:
            ConfigError: the model gives another shape, or numbers that are not finite.
        """
        if not clips:
            return np.empty((0, len(SKILLS), self.recipe.data.levels))
        data = self._data(clips)
        found = []
        with self._seeing():
            for begin in range(0, len(clips), batch):
                part = torch.stack(
                    [data[0, i][0] for i in range(begin, min(begin + batch, len(clips)))]
                ).to(self.device)
                found.append(self._levels(check_logits(self._logits(part), part, self.recipe)))
        return scaled(np.concatenate(found), self.temperature)

    def see(self, reel: NDArray[np.uint8]) -> SeenReel | None:
        """A reel as a model of sets of clips sees it; each clip's features are computed once.

        Args:
            reel: frames of all clips, one after the other, at most as many clips as the model takes.

        Returns:
            ``None`` where the model is no :class:`~openbasket.models.skillquery.SkillQuery`.
        """
        model = self._model
        if self.recipe.data.sampling != "clips" or not isinstance(model, SkillQuery):
            return None
        with self._seeing():
            clips = self._data([reel])[0, 0][0][None].to(self.device)
            return SeenReel(self, model, model.features(clips).view(1, model.clips, -1))

    def _logits(self, clips: torch.Tensor) -> object:
        if not self.recipe.data.conditions or not isinstance(self._model, SkillQuery):
            return self._model(clips)
        return self._model.heads(self._told(self._model.features(clips)))

    def _told(self, features: torch.Tensor) -> torch.Tensor:
        """What heads get: features of reels, and conditions behind them."""
        return torch.cat([features, self._conditions.expand(len(features), -1)], dim=1)

    def _data(self, clips: Sequence[NDArray[np.uint8]]) -> ClipDataset:
        held = cast("list[CachedFrames]", [_Held(clip) for clip in clips])
        return ClipDataset([_NOBODY] * len(clips), held, self.recipe.data)

    def _seeing(self) -> AbstractContextManager[object]:
        stack = ExitStack()
        stack.enter_context(torch.inference_mode())
        bf16 = self.recipe.train.precision == "bf16"
        stack.enter_context(torch.autocast(self.device.type, torch.bfloat16, enabled=bf16))
        return stack

    def _levels(self, logits: torch.Tensor) -> NDArray[np.float64]:
        found = logits.double().softmax(dim=2).cpu().numpy()
        if not np.isfinite(found).all():
            why = (
                ". Fewer clips than it takes are told by NaN, which models of sets of clips alone understand"
                if self.recipe.data.sampling == "clips"
                else ""
            )
            raise ConfigError(
                f"model '{self.recipe.model.name}' gave numbers that are not finite{why}"
            )
        return found


class SeenReel:
    """A reel's clips as a model of sets of clips sees them (:meth:`Rater.see`)."""

    def __init__(self, rater: Rater, model: SkillQuery, features: torch.Tensor) -> None:
        self._rater = rater
        self._model = model
        self._features = features

    def rate(self, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What the model says where only some of the clips are shown.

        Args:
            masks: which, ``(n, clips)``.

        Returns:
            Probabilities ``(n, 20, levels)``, at the run's temperature.
        """
        there = np.zeros((len(masks), self._model.clips), bool)
        there[:, : masks.shape[1]] = masks
        hidden = ~torch.from_numpy(there).to(self._features.device)[..., None]
        with self._rater._seeing():
            seen = self._features.expand(len(masks), -1, -1).masked_fill(hidden, torch.nan)
            told = self._rater._levels(self._model.heads(self._rater._told(seen.flatten(1))))
        return scaled(told, self._rater.temperature)

    def attention(self) -> NDArray[np.float64]:
        """How much each skill's query attends to each clip: ``(20, clips)``, 1 in all."""
        heads = self._model.get_submodule("heads")
        assert isinstance(heads, SetHeads)
        with self._rater._seeing():
            attended = heads.attention(self._rater._told(self._features.flatten(1)))[0]
        return attended.double().cpu().numpy()


class _Held:
    """Frames in memory, as the cache gives them."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def read(self, places: Sequence[int] | None = None) -> NDArray[np.uint8]:
        """Return frames, or those at some places."""
        return np.array(self._pixels if places is None else self._pixels[list(places)])
