"""What is measured of a ceiling, and what was found: settings and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from openbasket.errors import ConfigError, UnknownNameError
from openbasket.evaluation.intervals import checked_draws
from openbasket.skills import BY_KEY, SKILL_KEYS
from openbasket.tables import CEILING_SAMPLINGS
from openbasket.wording import counted

__all__ = ["CeilingReport", "CeilingSettings", "LeftOut"]


@dataclass(frozen=True)
class CeilingSettings:
    """What is measured.

    Args:
        events: numbers of plays that the observer sees; the clips of the dataset's own reels, where it has
            some, and all plays are always measured, too.
        sampling: how they are chosen, of :data:`openbasket.tables.CEILING_SAMPLINGS`.
        levels: numbers of levels; by default that of the labels, and three, which are made from ranks.
        draws: independent draws of the plays: all are learnt from, and accuracies are averages over them.
        resamples: of the bootstrap over persons.
        seed: of the draws, the learners and the bootstrap.
    """

    events: tuple[int, ...] = (10, 25, 50, 100, 200)
    sampling: tuple[str, ...] = ("uniform",)
    levels: tuple[int, ...] = ()
    draws: int = 3
    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        checked_draws(self.resamples, self.seed)
        for name in self.sampling:
            if name not in CEILING_SAMPLINGS:
                raise UnknownNameError("sampling", name, CEILING_SAMPLINGS)
        rules = {
            "events": (self.events, 1),
            "levels": (self.levels, 2),
            "draws": ((self.draws,), 1),
        }
        faults = [
            f"{name}: got {value}; allowed: at least {least}"
            for name, (values, least) in rules.items()
            for value in values
            if value < least
        ]
        faults += [
            f"{name}: got {values}; allowed: each once"
            for name, values in (
                ("events", self.events),
                ("sampling", self.sampling),
                ("levels", self.levels),
            )
            if len(set(values)) < len(values)
        ]
        if not self.sampling:
            faults.append(f"sampling: got none; allowed: {', '.join(CEILING_SAMPLINGS)}")
        if faults:
            raise ConfigError("ceiling settings: " + "; ".join(faults))


@dataclass(frozen=True)
class LeftOut:
    """Player-seasons that are not measured, or not told apart.

    Args:
        league, season: theirs; no season if they are of all seasons.
        subjects: how many.
        reason: why.
    """

    league: str
    season: str | None
    subjects: int
    reason: str

    def __str__(self) -> str:
        place = self.league if self.season is None else f"{self.league} {self.season}"
        return f"{place}, {counted(self.subjects, 'player-season')} ({self.reason})"


@dataclass(frozen=True)
class CeilingReport:
    """How often a perfect observer is right.

    Args:
        table: table ``ceiling``.
        cells: table ``ceiling_cells``.
        leagues: the same as ``table`` for the subjects of test of each league, with ``league``; the observer
            learns from all. Leagues of fewer persons than
            :data:`openbasket.evaluation.ceiling_shares.LEAST_PERSONS` are left out.
        settings: how it was measured.
        splits: subjects of each split.
        enough: number of plays -> share of the subjects of test who have so many; others show all they have.
        median_plays: of the subjects of test.
        unmeasured: skill -> why it is not measured.
        left_out: who is in no split, or in a league that is not told apart.
        own_clips: plays in the dataset's own reels; ``None`` if it has none.
        dataset_hash: SHA-256 of its manifest; ``None`` if it has none.
        levels_note: why there are no three levels; empty if there are.
    """

    table: pl.DataFrame
    cells: pl.DataFrame
    leagues: pl.DataFrame
    settings: CeilingSettings
    splits: Mapping[str, int]
    enough: Mapping[int, float]
    median_plays: float
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[LeftOut] = ()
    own_clips: int | None = None
    dataset_hash: str | None = None
    levels_note: str = ""

    def rows(self, sampling: str, levels: int) -> tuple[list[str], list[list[str]]]:
        """Columns and rows for printing: a row for each skill, percentages by number of plays."""
        counts = [*sorted(self.settings.events), None]
        columns = ["skill", *("all" if n is None else f"{n:,}" for n in counts)]
        found = self.table.filter(sampling=sampling, levels=levels, split="test")
        by = {(row["skill"], row["events"]): row for row in found.to_dicts()}
        return columns, [
            [
                BY_KEY[skill].name if skill in BY_KEY else "mean",
                *(_shown(by[skill, n], whole=skill == "mean") for n in counts),
            ]
            for skill in (*SKILL_KEYS, "mean")
        ]

    def league_rows(self, sampling: str, levels: int) -> tuple[list[str], list[list[str]]]:
        """Columns and rows for printing: means of each league, and who was left out."""
        counts = [*sorted(self.settings.events), None]
        columns = ["league", "of test", *("all" if n is None else f"{n:,}" for n in counts)]
        found = self.leagues.filter(sampling=sampling, levels=levels, skill="mean")
        rows = []
        for league in found["league"].unique(maintain_order=True):
            by = {row["events"]: row for row in found.filter(league=league).to_dicts()}
            cells = (_shown(by[n], whole=True) for n in counts)
            rows.append([league, f"{by[None]['subjects']:,}", *cells])
        return columns, rows

    @property
    def notes(self) -> list[str]:
        """What was not measured and why, and who shows fewer plays than asked for."""
        why: dict[str, list[str]] = {}
        for skill, reason in self.unmeasured.items():
            why.setdefault(reason, []).append(BY_KEY[skill].name)
        return [
            *([self.levels_note] if self.levels_note else []),
            *(f"not measured: {', '.join(names)} ({reason})" for reason, names in why.items()),
            *(f"left out: {one}" for one in self.left_out),
            *(
                f"{1 - share:.1%} of the subjects of test have fewer than {n:,} plays, and show all they have"
                for n, share in self.enough.items()
                if share < 1
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "settings": asdict(self.settings),
            "own_clips": self.own_clips,
            "labels_hash": dict(
                self.table.select("split", "labels_hash").unique().sort("split").rows()
            ),
            "dataset_hash": self.dataset_hash,
            "left_out": [asdict(one) for one in self.left_out],
            "splits": dict(self.splits),
            "enough": {str(n): share for n, share in self.enough.items()},
            "median_plays": self.median_plays,
            "unmeasured": dict(self.unmeasured),
            "rows": self.table.to_dicts(),
            "leagues": self.leagues.to_dicts(),
        }


def _shown(row: Mapping[str, Any], *, whole: bool) -> str:
    if row["accuracy"] is None:
        return "-"
    text = f"{100 * row['accuracy']:.1f}"
    if whole and row["low"] is not None:
        text += f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return text
