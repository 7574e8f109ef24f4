"""What an evaluation found, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from openbasket.errors import UnknownNameError

__all__ = ["Comparison", "Corrected", "Evaluation", "Facts", "Result", "Score"]


@dataclass(frozen=True)
class Score:
    """One number, with what it rests on.

    Args:
        value: mean over the labelled cells; ``None`` where there are none, or the metric is not defined.
        low, high: 95 % interval over persons (and games, where they are known); ``None`` where there is only
            one person, or are too few (:func:`openbasket.evaluation.intervals.settled`).
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
        observable: group -> share of what could be seen, (accuracy - chance) / (ceiling - chance), over the
            skills that have a ceiling; a group whose ceiling is not clearly above chance is not there.
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
    observable: dict[str, Score] = field(default_factory=dict)
    confusion: dict[str, list[list[float]]] = field(default_factory=dict)


class Corrected:
    """A test with a p value that is corrected for all tests of its family."""

    p_holm: float

    @property
    def is_noise(self) -> bool:
        """Whether the difference may well be chance (5 % over the family)."""
        return self.p_holm >= 0.05


@dataclass(frozen=True)
class Comparison(Corrected):
    """Mean accuracy of one run less that of another, on the same subjects.

    Args:
        split: where.
        one, other: runs, the better first.
        difference: in shares of one.
        low, high: 95 % interval over persons (and games, where they are known); ``None`` with few persons.
        p: of a paired sign-flip test over persons, with the design effect of games on the difference.
        p_holm: the same, corrected for all comparisons of the evaluation; baselines with each other are a
            family of their own.
    """

    split: str
    one: str
    other: str
    difference: float
    low: float | None
    high: float | None
    p: float
    p_holm: float


@dataclass(frozen=True)
class Facts:
    """What is stated about a run, beside its predictions or in its folder.

    Args:
        pretraining: what its weights were begun from.
        frames: frames of a video that it sees.
        parameters: number of weights, counted.
        labels: split -> hash of the subjects and labels that it was predicted for.
        told: answers that transcripts told it of what it rates: an experiment.
        conditions: what else it was told of each reel: ``leagues``, ``seasons``.
    """

    pretraining: str | None = None
    frames: int | None = None
    parameters: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Results of all runs and baselines.

    Args:
        levels: number of levels; guessing scores ``1 / levels``.
        resamples: of the bootstrap.
        results: one for each run, split and part.
        comparisons: of each two runs on each split.
        facts: run -> what is stated about it.
        ceiling: split -> part (empty: the whole) -> group -> accuracy of an observer who perceives all plays
            of a reel; a split is not there if it was not measured on its people and labels.
        borrowed: split -> parts of too few persons, whose ceiling is that of the whole split.
        clips: plays of a reel, that the observer saw; ``None`` where there is no ceiling.
        left_out: split -> what its shares are without, and why.
        clusters: what intervals are clustered by: ``persons``, or ``persons and games``.
        notes: what a reader must know.
        missing: baselines that are not among the runs, and why.
    """

    levels: int
    resamples: int
    results: list[Result]
    comparisons: list[Comparison] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    ceiling: dict[str, dict[str, dict[str, Score]]] = field(default_factory=dict)
    borrowed: dict[str, list[str]] = field(default_factory=dict)
    clips: int | None = None
    left_out: dict[str, list[str]] = field(default_factory=dict)
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

    @property
    def intervals(self) -> str:
        """What intervals are, in words."""
        wider = ", widened by what their clips share of games" * (self.clusters != "persons")
        return f"95 % intervals by a bootstrap over persons ({self.resamples:,} resamples){wider}"

    def ranked(self, split: str) -> list[Result]:
        """The results on a split, without its parts, the most accurate first; equals by their names."""

        def place(result: Result) -> tuple[bool, float, str]:
            value = result.scores["accuracy"]["mean"].value
            return value is None, -(value or 0.0), result.run

        return sorted(self.whole(split), key=place)

    def splits(self) -> list[str]:
        """The splits, in the order of the results."""
        return list(dict.fromkeys(r.split for r in self.results))
