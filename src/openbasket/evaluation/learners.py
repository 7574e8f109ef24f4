"""What learns a skill's level from features: a few learners of scikit-learn, of different kinds.

Two learn the rank and are cut into levels afterwards: the normal score of a player's rank (Blom 1958) is
predicted, and the level's probabilities are those of a normal distribution around it. Two learn the levels as
classes. So one fit of the first kind serves any number of levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["LEARNERS", "Examples", "Learnt"]

#: From features ``(rows, features)`` and a number of levels to probabilities ``(rows, levels)``.
Learnt = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Examples:
    """Labelled rows of one skill.

    Args:
        features: ``(rows, features)``.
        share: ``(rows,)``, the share of the ranked that a player is better than, above 0 and below 1.
        labels: number of levels -> ``(rows,)`` levels.
    """

    features: np.ndarray
    share: np.ndarray
    labels: Mapping[int, np.ndarray]


def _by_rank(make: Callable[[int], Any]) -> Callable[[Examples, Examples, int], Learnt]:
    def learn(train: Examples, val: Examples, seed: int) -> Learnt:
        from scipy.special import ndtr, ndtri

        model = make(seed).fit(train.features, ndtri(train.share))
        missed = ndtri(val.share) - model.predict(val.features)
        spread = max(float(np.sqrt(np.mean(missed**2))), 1e-6)

        def probabilities(features: np.ndarray, levels: int) -> np.ndarray:
            ends = ndtri(np.arange(levels + 1) / levels)
            below = ndtr((ends - model.predict(features)[:, None]) / spread)
            return np.asarray(np.diff(below, axis=1))

        return probabilities

    return learn


def _by_class(make: Callable[[int], Any]) -> Callable[[Examples, Examples, int], Learnt]:
    def learn(train: Examples, val: Examples, seed: int) -> Learnt:
        del val
        models = {n: make(seed).fit(train.features, labels) for n, labels in train.labels.items()}

        def probabilities(features: np.ndarray, levels: int) -> np.ndarray:
            model = models[levels]
            found = np.zeros((len(features), levels))
            found[:, model.classes_.astype(int)] = model.predict_proba(features)
            return found

        return probabilities

    return learn


def _ridge(seed: int) -> Any:
    from sklearn.linear_model import RidgeCV

    del seed
    return RidgeCV(alphas=np.logspace(-1, 4, 11))


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_iter=120, learning_rate=0.06, max_leaf_nodes=12, min_samples_leaf=30,
        l2_regularization=5.0, max_bins=63, early_stopping=False, random_state=seed,
    )  # fmt: skip


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.03, max_iter=200, tol=1e-3, random_state=seed)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(
        40, min_samples_leaf=10, max_features="sqrt", max_depth=14, n_jobs=1, random_state=seed
    )


#: Name -> learns from training examples; may look at those of validation to tell how sure it is.
LEARNERS: dict[str, Callable[[Examples, Examples, int], Learnt]] = {
    "ordinal ridge": _by_rank(_ridge),
    "ordinal boosting": _by_rank(_boosting),
    "logistic regression": _by_class(_logistic),
    "random trees": _by_class(_forest),
}
