"""What an evaluation found, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from openbasket.errors import UnknownNameError

__all__ = ["Comparison", "Evaluation", "Facts", "Result", "Score"]


@dataclass(frozen=True)
class Score:
    """One number, with what it rests on.

    Args:
        value: mean over the labelled cells; ``None`` where there are none, or the metric is not defined.
        low, high: 95 % interval by a bootstrap over persons; ``None`` where there is nothing to draw.
        labels: labelled cells that count.
        cells: cells there are (subjects times skills).
        unanswered: labelled cells for which the run gave no level; they count as not right.
    """

    value: float | None
    low: float | None
    high: float | None
    labels: int
    cells: int
    unanswered: int = 0


@dataclass(frozen=True)
class Result:
    """One run on one split (or a part of it).

    Args:
        run: name of the run, or of the baseline.
        model: its model; ``baseline`` for baselines.
        split: split of the dataset.
        part: such as ``season=22-23``; empty for the whole split.
        subjects: subjects scored.
        persons: how many persons they are.
        scores: metric -> group (skill, category, ``mean``) -> score.
        group: letters of the runs that cannot be told apart in mean accuracy; of whole splits.
        confusion: skill -> rows of labels, columns of answers; of whole splits. Equally likely levels
            share the one; a cell without an answer is the level farthest from its label.
    """

    run: str
    model: str
    split: str
    part: str
    subjects: int
    persons: int
    scores: dict[str, dict[str, Score]]
    group: str = ""
    confusion: dict[str, list[list[float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Mean accuracy of one run less that of another, on the same subjects.

    Args:
        split: where.
        one, other: runs, the better first.
        difference: in shares of one.
        low, high: 95 % interval by the bootstrap over persons; ``None`` with one person.
        p: of a paired sign-flip test over persons.
        p_holm: the same, corrected for all comparisons of the evaluation.
    """

    split: str
    one: str
    other: str
    difference: float
    low: float | None
    high: float | None
    p: float
    p_holm: float

    @property
    def is_noise(self) -> bool:
        """Whether the difference may well be chance (5 % over all comparisons)."""
        return self.p_holm >= 0.05


@dataclass(frozen=True)
class Facts:
    """What is stated about a run, beside its predictions or in its folder.

    Args:
        pretraining: what its weights were begun from.
        frames: frames of a video that it sees.
        parameters: number of weights, counted.
        labels: split -> hash of the subjects and labels that it was predicted for.
    """

    pretraining: str | None = None
    frames: int | None = None
    parameters: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """Results of all runs and baselines.

    Args:
        levels: number of levels; guessing scores ``1 / levels``.
        resamples: of the bootstrap.
        results: one for each run, split and part.
        comparisons: of each two runs on each split.
        facts: run -> what is stated about it.
        ceiling: group -> accuracy of an observer who perceives all events of a reel of 50 clips; empty
            where it was not measured.
        clusters: what intervals are clustered by: ``persons``, or ``persons and games``.
        notes: what a reader must know.
        missing: baselines that are not among the runs, and why.
    """

    levels: int
    resamples: int
    results: list[Result]
    comparisons: list[Comparison] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    ceiling: dict[str, float] = field(default_factory=dict)
    clusters: str = "persons"
    notes: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain data."""
        return asdict(self)

    def find(self, run: str, split: str = "test", part: str = "") -> Result:
        """The result of a run on a split.

        Raises:
            UnknownNameError: no such run there.
        """
        for result in self.results:
            if (result.run, result.split, result.part) == (run, split, part):
                return result
        raise UnknownNameError("run", run, sorted({r.run for r in self.results}))

    def whole(self, split: str) -> list[Result]:
        """The results on a split, without its parts, in the order of the runs."""
        return [r for r in self.results if r.split == split and not r.part]

    def splits(self) -> list[str]:
        """The splits, in the order of the results."""
        return list(dict.fromkeys(r.split for r in self.results))

    def observable(self, score: Score, group: str) -> Score | None:
        """The share of what could be seen: (accuracy - chance) / (ceiling - chance).

        The interval is that of the accuracy; the ceiling is taken as it stands.

        Returns:
            ``None`` where there is no ceiling above chance.
        """
        chance = 1 / self.levels
        ceiling = self.ceiling.get(group)
        if ceiling is None or ceiling <= chance:
            return None

        def share(value: float | None) -> float | None:
            return None if value is None else (value - chance) / (ceiling - chance)

        return Score(
            share(score.value), share(score.low), share(score.high), score.labels, score.cells
        )
