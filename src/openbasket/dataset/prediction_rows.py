"""Rows of table ``predictions``, which whoever predicts makes and the evaluation reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from openbasket.dataset.reader import Sample
from openbasket.skills import SKILL_KEYS

__all__ = ["prediction_rows"]


def prediction_rows(
    probabilities: np.ndarray, samples: Sequence[Sample], model: str, run: str
) -> pl.DataFrame:
    """Probabilities as rows of table ``predictions``.

    Args:
        probabilities: ``(subjects, 20, levels)``; NaN, which becomes null, where there is no answer.
        samples: the subjects.
        model: what made them.
        run: name of the run.
    """
    rows = len(samples) * len(SKILL_KEYS)
    levels = probabilities.shape[-1]
    columns = {
        f"p{level}": pl.Series(
            probabilities[..., level].ravel() if level < levels else [None] * rows,
            dtype=pl.Float64,
            nan_to_null=True,
        )
        for level in range(5)
    }
    return pl.DataFrame(
        {
            "subject_id": [s.subject_id for s in samples for _ in SKILL_KEYS],
            "skill": list(SKILL_KEYS) * len(samples),
            **columns,
            "model": [model] * rows,
            "run": [run] * rows,
        }
    )
