"""What a report card says of its numbers, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openbasket.scouting.evidence import Segment
from openbasket.training.calibration import at_bound
from openbasket.training.config import DataConfig
from openbasket.training.rating import Rater
from openbasket.wording import counted

__all__ = [
    "GUESS",
    "certainty_of",
    "facts_of",
    "notes_of",
    "observable",
    "told_of",
    "trained_on",
]

#: A likeliest level with less than so many times the probability of chance is a guess.
GUESS = 1.35
#: A skill is not observable where a perfect observer hits less than so many times what chance does.
HARDLY = 1.35


def observable(ceiling: float | None, levels: int) -> bool:
    """Whether clips can show a skill, by the accuracy of a perfect observer; yes if that is not known."""
    return ceiling is None or ceiling >= HARDLY / levels


def told_of(data: DataConfig, league: str | None, season: str | None) -> str:
    """What the model was told of a reel beside its pictures."""
    given = {"leagues": league, "seasons": season}
    told = [
        f"the {kind[:-1]} {given[kind]}"
        if given[kind] in names
        else f"a {kind[:-1]} that it does not know"
        for kind, names in data.conditions.items()
    ]
    return f"The model was told that the reel is of {' and of '.join(told)}."


def notes_of(
    rater: Rater, width: int, height: int, duration_s: float, parts: Sequence[Segment]
) -> list[str]:
    """What the reader should know before relying on a card.

    Args:
        rater: the run.
        width: of the picture, pixels.
        height: of the picture, pixels.
        duration_s: of the video, seconds.
        parts: of the video.
    """
    notes = []
    accuracy = rater.validation.get("val_accuracy")
    chance = 1 / rater.recipe.data.levels
    if isinstance(accuracy, float):
        labels = rater.validation.get("val_labels")
        of = f"of {labels:,} levels" if isinstance(labels, int) else "of the levels"
        notes.append(
            f"On players it had not learned from, this model hit {accuracy:.1%} {of}; guessing hits "
            f"{chance:.0%}."
        )
    if rater.calibration is None:
        notes.append(
            "The probabilities are not calibrated: they may be surer than they should be "
            "('openbasket calibrate')."
        )
    elif at_bound(rater.calibration.temperature):
        notes.append(
            f"The temperature of the calibration, {rater.calibration.temperature:.4g}, is at its bound: the "
            f"model knows next to nothing, or {counted(rater.calibration.labels, 'label')} of "
            f"'{rater.calibration.split}' are too few. The probabilities say little."
        )
    if height > width:
        notes.append(
            f"The picture is upright ({width}x{height}). The model sees its middle square, and learned from "
            "broadcasts that are wider than tall: what it says here is less certain."
        )
    elif abs(width / height - 16 / 9) > 0.3:
        notes.append(
            f"The picture is {width}x{height}, another shape than a broadcast's; the model sees its middle "
            "square."
        )
    if len(parts) < 25:
        notes.append(
            f"The video shows {counted(len(parts), 'clip')} in {duration_s / 60:.1f} minutes; the paper's "
            "reels have 50. Fewer clips show less of a player."
        )
    return notes


def certainty_of(
    told: NDArray[np.float64], names: Sequence[str], ceiling: float | None, clips: int
) -> str:
    """How sure a model is, as a sentence.

    Args:
        told: probability of each level.
        names: of the levels.
        ceiling: accuracy of an observer who perceives all that a reel's clips show; null if not known.
        clips: of such a reel.
    """
    if not observable(ceiling, len(names)):
        return (
            f"Not observable in {clips} clips: who perceives all of them hits {ceiling or 0:.0%}; chance is "
            f"{1 / len(names):.0%}."
        )
    first, second = (int(i) for i in np.argsort(-told, kind="stable")[:2])
    most, next_most = float(told[first]), float(told[second])
    if most < GUESS / len(names):
        chance = 1 / len(names)
        return f"Hardly more than a guess: {names[first]} at {most:.0%}; chance is {chance:.0%}."
    if most - next_most < 0.05:
        return (
            f"Undecided between {names[first]} ({most:.0%}) and {names[second]} ({next_most:.0%})."
        )
    if most >= 0.6:
        return f"Fairly sure: {names[first]} at {most:.0%}."
    return f"Leans to {names[first]} ({most:.0%}); {names[second]} comes next ({next_most:.0%})."


def trained_on(model: Mapping[str, Any]) -> str:
    """What a run learned from; empty where its record does not tell."""
    count = model.get("train_subjects")
    return "" if count is None else counted(count, "player-season")


def facts_of(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A card's facts about its model, as names and values to read."""
    size, labels = model.get("size"), model.get("validation_labels")
    sees = f"{model.get('frames')} frames of {size} x {size} pixels" if size else ""
    accuracy = model.get("validation_accuracy")
    of = f"of {counted(labels, 'level')}" if labels else "of the levels"
    temperature, split = model.get("temperature"), model.get("calibrated_on")
    fitted = f", fitted on split '{split}'" if split else ""
    told = {
        "Model": model.get("model"),
        "Parameters": f"{model['parameters']:,}" if "parameters" in model else "",
        "Run": model.get("run"),
        "Trained on": trained_on(model),
        "Data (SHA-256)": model.get("data_sha256"),
        "Sees": sees,
        "Right on validation": "" if accuracy is None else f"{accuracy:.1%} {of}",
        "Calibration": "none" if temperature is None else f"temperature {temperature:.4g}{fitted}",
    }
    return [(name, str(value)) for name, value in told.items() if value]
