"""Temperature scaling: one number that makes a run's probabilities as sure as they are right.

Guo, Pleiss, Sun and Weinberger: On calibration of modern neural networks, ICML 2017. The likeliest level of a
skill stays the likeliest.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from openbasket.dataset.reader import read_split
from openbasket.errors import ConfigError, NotFoundError
from openbasket.models import TEXT_MODELS
from openbasket.skills import SKILL_KEYS
from openbasket.training.predict import predict
from openbasket.training.run import BEST, read_recipe
from openbasket.workspace import sha256, write_json

__all__ = ["Calibration", "at_bound", "calibrate", "fit_temperature", "read_calibration", "scaled"]

FILE = "calibration.json"
#: Bounds of the temperature. One at a bound says that the model knows nothing, or far too little data.
BOUNDS = (1 / 20, 20.0)
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a run's probabilities were divided by, in the logarithm, and what that changed.

    Args:
        temperature: above 1 the model was too sure, below 1 not sure enough.
        split: on which it was fitted.
        labels: how many.
        nll_before: mean negative log-likelihood of the labels in nats, at temperature 1.
        nll_after: the same at ``temperature``.
        weights: SHA-256 of the weights that it belongs to.
    """

    temperature: float
    split: str
    labels: int
    nll_before: float
    nll_after: float
    weights: str


def at_bound(temperature: float) -> bool:
    """Whether a fit ended at a bound: the model knows next to nothing, or labels are too few."""
    return not BOUNDS[0] * 1.05 < temperature < BOUNDS[1] / 1.05


def scaled(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities ``(..., levels)`` at another temperature; their order stays."""
    logs = np.log(np.maximum(probabilities, _SMALLEST)) / temperature
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def fit_temperature(probabilities: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """The temperature at which labels are likeliest.

    Args:
        probabilities: ``(subjects, 20, levels)``.
        labels: ``(subjects, 20)``, NaN where there is none.

    Raises:
        NotFoundError: there are no labels.
    """
    if np.isnan(labels).all():
        raise NotFoundError("there are no labels to fit a temperature on")
    found = minimize_scalar(
        lambda log: _nll(scaled(probabilities, float(np.exp(log))), labels),
        bounds=tuple(np.log(BOUNDS)),
        method="bounded",
    )
    return float(np.exp(found.x))


def calibrate(
    run_dir: Path,
    data_root: Path,
    *,
    split: str = "val",
    workers: int | None = None,
    quiet: bool = False,
) -> Calibration:
    """Fit the temperature of a run on a split that nothing was learned from; keep it beside the weights.

    It is fitted on one view of each video, as :class:`openbasket.training.rating.Rater` sees it.

    Args:
        run_dir: a finished run of a model with heads.
        data_root: its dataset.
        split: whose labels count; not ``train``.
        workers: processes that decode videos; all cores by default.
        quiet: show no progress.

    Raises:
        ConfigError: the split is ``train``: a model is surer of what it has learned; a model that answers in
            text.
        NotFoundError, BadInputError, VideoError: as :func:`openbasket.training.predict.predict`; no labels.
    """
    if split == "train":
        raise ConfigError(
            "split: got 'train', which the model has learned by heart; allowed: val and the tests"
        )
    recipe = read_recipe(run_dir)
    if recipe.model.name in TEXT_MODELS:
        raise ConfigError(
            f"the run at '{run_dir}' is of '{recipe.model.name}', which answers in text and rates no single "
            "videos; allowed: models with heads ('openbasket models')"
        )
    levels = recipe.data.levels
    file = run_dir / f"predictions-{split}.parquet"
    made = predict(
        run_dir, data_root, file, splits=[split], views=(1, 1), workers=workers, quiet=quiet
    ).frame
    known = {
        (sample.subject_id, skill): level
        for sample in read_split(data_root, split, levels=levels, require_videos=False)
        for skill, level in zip(SKILL_KEYS, sample.levels, strict=True)
        if level is not None
    }
    made = made.drop_nulls("p0")
    told = made.select([f"p{level}" for level in range(levels)]).to_numpy()[:, None]
    pairs = made.select("subject_id", "skill").rows()
    labels = np.array([[known.get(pair, np.nan)] for pair in pairs], float)
    temperature = fit_temperature(told, labels)
    found = Calibration(
        temperature,
        split,
        int((~np.isnan(labels)).sum()),
        _nll(told, labels),
        _nll(scaled(told, temperature), labels),
        sha256(run_dir / BEST),
    )
    write_json(run_dir / FILE, asdict(found))
    return found


def read_calibration(run_dir: Path) -> Calibration | None:
    """The calibration of a run; ``None`` where it has none, or has other weights since.

    Raises:
        ConfigError: the file is damaged.
    """
    path = run_dir / FILE
    if not path.is_file():
        return None
    try:
        found = Calibration(**json.loads(path.read_text(encoding="utf-8")))
        if not BOUNDS[0] <= found.temperature <= BOUNDS[1]:
            raise ValueError(f"a temperature of {found.temperature}")
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"'{path}' is damaged ({error}); make it again with 'openbasket calibrate'"
        ) from None
    return found if found.weights == sha256(run_dir / BEST) else None


def _nll(probabilities: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    known = ~np.isnan(labels)
    right = np.take_along_axis(
        probabilities, np.nan_to_num(labels).astype(int)[..., None], axis=-1
    )[..., 0]
    return float(-np.log(np.maximum(right[known], _SMALLEST)).mean())
