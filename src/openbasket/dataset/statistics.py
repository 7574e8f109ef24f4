"""Count a dataset, as the paper's Table 6 does, and what it does not say there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from openbasket.skills import SKILLS, level_names
from openbasket.tables import SPLITS
from openbasket.workspace import REEL_FPS, Workspace

__all__ = ["DatasetStatistics", "statistics"]

Table = tuple[str, list[str], list[list[str]]]
#: Minimums whose effect on the number of subjects is told.
THRESHOLDS = {"events": (50, 100, 200, 400), "minutes": (0, 60, 120, 240, 480)}


@dataclass(frozen=True)
class DatasetStatistics:
    """Counts of player-seasons (subjects), labels and reels.

    Args:
        subjects: how many player-seasons.
        persons: how many persons they are.
        by_season, by_gender, by_region, by_league: subjects of each.
        by_split: subjects of each split; ``left out`` are in none. Empty before a split was made.
        labels: skill -> [subjects at each level], lowest first. Empty before labels were made.
        reels: reels of draw 0.
        reel_seconds: length of each of these reels, in all.
        clips: clips they show, counted as often as shown.
        skills: skills that have labels.
        thresholds: what other rules would have kept: for each minimum of events and of minutes, how many
            subjects (of those that the labels' own rule kept).
    """

    subjects: int
    persons: int
    by_season: dict[str, int]
    by_gender: dict[str, int]
    by_region: dict[str, int]
    by_league: dict[str, int]
    by_split: dict[str, int]
    labels: dict[str, list[int]]
    reels: int
    reel_seconds: float
    clips: int
    skills: int = 0
    thresholds: dict[str, dict[int, int]] = field(default_factory=dict)

    @property
    def table_1(self) -> dict[str, float]:
        """The dataset's row of the paper's Table 1: hours, participants, seconds a video, skills."""
        mean = self.reel_seconds / self.reels if self.reels else 0.0
        return {
            "video_hours": self.reel_seconds / 3600,
            "participants": self.subjects,
            "mean_seconds": mean,
            "skills": self.skills,
            "domains": 1,
        }

    def to_json(self) -> dict[str, Any]:
        """The counts as plain data."""
        return asdict(self) | {"table_1": self.table_1}

    def tables(self) -> list[Table]:
        """Tables for printing: title, columns, rows."""
        row = self.table_1
        found: list[Table] = [
            (
                "Comparison with other datasets (Table 1)",
                ["dataset", "video hours", "participants", "mean length (s)", "skills", "domains"],
                [
                    ["BASKET (paper)", "4,477", "32,232", "500", "20", "1"],
                    [
                        "this one",
                        f"{row['video_hours']:,.2f}",
                        f"{row['participants']:,}",
                        f"{row['mean_seconds']:.0f}" if self.reels else "-",
                        str(self.skills),
                        "1",
                    ],
                ],
            )
        ]
        found += [
            (f"Players by {name} (Table 6)", [name, "player-seasons"], _rows(counts))
            for name, counts in (
                ("season", self.by_season),
                ("gender", self.by_gender),
                ("location", self.by_region),
            )
        ]
        found.append(("Players by league", ["league", "player-seasons"], _rows(self.by_league)))
        if self.by_split:
            found.append(("Players by split", ["split", "player-seasons"], _rows(self.by_split)))
        for what, kept in self.thresholds.items():
            rows = [
                [f"{least:,}", f"{n:,}", f"{n / self.subjects:.1%}"] for least, n in kept.items()
            ]
            found.append((f"Subjects kept by a minimum of {what}", [what, "kept", "of all"], rows))
        if self.reels:
            found.append(
                (
                    "Reels",
                    ["", ""],
                    [
                        ["reels", f"{self.reels:,}"],
                        ["hours", f"{self.reel_seconds / 3600:.2f}"],
                        ["mean length (s)", f"{self.reel_seconds / self.reels:.1f}"],
                        ["mean clips", f"{self.clips / self.reels:.1f}"],
                    ],
                )
            )
        if self.labels:
            count = len(next(iter(self.labels.values())))
            rows = [
                [
                    s.name,
                    *(f"{n:,}" for n in self.labels[s.key]),
                    f"{sum(self.labels[s.key]) / self.subjects:.1%}",
                ]
                for s in SKILLS
            ]
            found.append(("Labels", ["skill", *level_names(count), "of players"], rows))
        return found


def statistics(workspace: Workspace) -> DatasetStatistics:
    """Count a workspace.

    Raises:
        NotFoundError: no labels have been made yet, which is when subjects are listed.
    """
    people = workspace.read("subjects")
    splits = {}
    if workspace.has("splits"):
        counts = dict(workspace.read("splits").group_by("split").len().rows())
        splits = {name: counts.get(name, 0) for name in SPLITS} | {"left out": counts.get(None, 0)}
    labels: dict[str, list[int]] = {}
    if workspace.has("levels"):
        levels = int(workspace.read_json("labels.json")["settings"]["levels"])
        counted = workspace.read("levels").group_by("skill", "level").len().rows()
        of_cell = {(skill, level): n for skill, level, n in counted}
        labels = {s.key: [of_cell.get((s.key, i), 0) for i in range(levels)] for s in SKILLS}
    reels = workspace.read("reels").filter(pl.col("draw") == 0) if workspace.has("reels") else None
    return DatasetStatistics(
        subjects=people.height,
        persons=people["player_id"].n_unique(),
        by_season=_count(people, "season"),
        by_gender=_count(people, "gender"),
        by_region=_count(people, "region"),
        by_league=_count(people, "league"),
        by_split=splits,
        labels=labels,
        reels=0 if reels is None else reels["path"].n_unique(),
        reel_seconds=0.0 if reels is None else float(int(reels["frames"].sum()) / REEL_FPS),
        clips=0 if reels is None else reels.height,
        skills=sum(any(counts) for counts in labels.values()),
        thresholds={
            what: {least: int((people[what] >= least).sum()) for least in steps}
            for what, steps in THRESHOLDS.items()
        },
    )


def _count(people: pl.DataFrame, column: str) -> dict[str, int]:
    counted = people.group_by(pl.col(column).fill_null("unknown")).len().sort(column)
    return dict(counted.rows())


def _rows(counts: dict[str, int]) -> list[list[str]]:
    return [[name, f"{n:,}"] for name, n in counts.items()]
