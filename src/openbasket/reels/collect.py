"""Find clips for every reel: look at the videos, locate the plays, cut; draw others for what is lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.engine import Engine, Outcome, stream
from openbasket.errors import WorkspaceError
from openbasket.reels.cut import CutJob, Wanted, clips_of, cut_game
from openbasket.reels.footage import Footage, LookJob, look, recall, remember
from openbasket.reels.plan import (
    CLIP,
    PLAY,
    Filmed,
    candidates,
    choose,
    located,
    losses,
    stretches,
)
from openbasket.reels.settings import ReelSettings
from openbasket.storage import Folder, Place, place
from openbasket.workspace import Workspace

__all__ = ["MAX_ROUNDS", "Collected", "collect", "refuse_to_go_on"]

#: How often lost events are replaced at most: each round cuts what the last one drew anew.
MAX_ROUNDS = 5

Failure = tuple[str, str, str]


@dataclass
class Collected:
    """Clips for the reels.

    Args:
        shown: one row for each play shown: subject, position, event, clip.
        clips: rows of table ``clips``, sorted.
        encoded: clips that were encoded now.
        replaced: plays shown in place of lost ones.
        failures: (stage, item, reason).
        without: subject -> videos that could not be used and that show plays of his.
    """

    shown: pl.DataFrame
    clips: pl.DataFrame
    encoded: int
    replaced: int
    failures: list[Failure]
    without: dict[str, list[str]]


def collect(
    workspace: Workspace,
    filmed: Filmed,
    subjects: pl.DataFrame,
    settings: ReelSettings,
    store: Folder,
    *,
    engine: Engine,
    quiet: bool = False,
) -> Collected:
    """Draw the plays of all reels and cut their clips.

    A play that cannot be shown (no media time, outside of the video, a stretch that does not decode, a game
    whose video cannot be used) is named among the failures. With ``settings.replace`` the subject's next
    play in the seeded order takes its place, for a bounded number of rounds.
    """
    ranked = candidates(filmed.events, subjects, settings)
    run = partial(stream, engine=engine, quiet=quiet)
    state = _State(workspace, filmed, settings, store, ranked, run)
    lost = ranked.clear()
    first: pl.DataFrame | None = None
    shown = ranked.clear()
    for _ in range(MAX_ROUNDS if settings.replace else 1):
        chosen = choose(ranked, lost, settings.events)
        first = chosen if first is None else first
        shown, gone = state.show(chosen)
        if gone.is_empty():
            break
        lost = pl.concat([lost, gone]).unique()
    new = shown if first is None else shown.join(first, on=["subject_id", *PLAY], how="anti")
    return Collected(
        shown,
        state.clips().sort("game_id", "event_id", "frames"),
        state.encoded,
        new.height,
        state.failures,
        state.lost_with_videos(),
    )


@dataclass
class _State:
    """What is known of videos, plays and clips; each is looked at once."""

    workspace: Workspace
    filmed: Filmed
    settings: ReelSettings
    store: Folder
    ranked: pl.DataFrame
    run: Callable[..., Iterator[tuple[int, Outcome[Any, Any]]]]
    footage: dict[str, Footage | None] = field(default_factory=dict)
    times: dict[tuple[str, str], float | None] = field(default_factory=dict)
    tried: set[tuple[str, str, int]] = field(default_factory=set)
    made: list[tuple[Any, ...]] = field(default_factory=list)
    encoded: int = 0
    failures: list[Failure] = field(default_factory=list)
    unusable: set[str] = field(default_factory=set)
    stored: Collection[str] = field(init=False)

    def __post_init__(self) -> None:
        self.stored = self.store.sizes(".mp4")

    def clips(self) -> pl.DataFrame:
        """Table ``clips`` of what was cut or found."""
        return pl.DataFrame(self.made, tables.dtypes("clips"), orient="row")

    def show(self, chosen: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Cut the clips of the chosen plays.

        Returns:
            The plays that have a clip, with it; and rows of ``ranked`` that are lost.
        """
        self._look(sorted(set(chosen["game_id"]) - self.footage.keys()))
        dead = [game for game, footage in self.footage.items() if footage is None]
        usable = chosen.filter(~pl.col("game_id").is_in(dead))
        self._locate(usable.select(PLAY).unique())
        known = [(*play, at) for play, at in self.times.items() if at is not None]
        times = pl.DataFrame(
            known, {**dict.fromkeys(PLAY, pl.String), "at_s": pl.Float64}, orient="row"
        )
        durations = {game: f.duration_s for game, f in self.footage.items() if f is not None}
        wanted = stretches(usable, times, durations, self.settings)
        self._cut(wanted.select(*CLIP, "at_s", "until_s").unique())
        found = self.clips().select(
            "game_id", pl.col("event_id").alias("clip_event"), "clip_id", "frames"
        )
        shown = wanted.join(found, on=CLIP, maintain_order="left")
        gone = [
            self.ranked.filter(pl.col("game_id").is_in(dead)),
            losses(self.ranked, [play for play, at in self.times.items() if at is None]),
            wanted.join(found, on=CLIP, how="anti").select(self.ranked.columns),
        ]
        still = pl.concat(gone).join(chosen, on=["subject_id", *PLAY], how="semi")
        return shown, pl.concat(gone).clear() if still.is_empty() else pl.concat(gone)

    def _source(self, game: str) -> Place:
        return place(self.filmed.videos[game], self.workspace.root.absolute())

    def _look(self, games: list[str]) -> None:
        """Open the videos that are new or have changed; of the others it is known what they are."""
        whole = self.settings.check == "whole"
        notes = self.workspace.private / "sources"
        todo = []
        for game in games:
            job = LookJob.of(game, self.filmed.videos[game], self._source(game), whole=whole)
            known = recall(notes / f"{game}.json", job)
            if known is None:
                todo.append(job)
            else:
                self._judge(game, known, whole=whole)
        for _, outcome in self.run(look, todo, describe="looking at videos"):
            game = outcome.item.game_id
            if outcome.result is None:
                self.footage[game] = None
                self.failures.append(("video", game, outcome.error or ""))
                continue
            remember(notes / f"{game}.json", outcome.result)
            self._judge(game, outcome.result, whole=whole)

    def _judge(self, game: str, footage: Footage, *, whole: bool) -> None:
        self.footage[game] = footage
        if footage.faults:
            done = "left out" if whole else "only stretches that decode whole are used"
            self.failures.append(("video", game, f"{'; '.join(footage.faults)}: {done}"))
            if whole:
                self.footage[game] = None

    def _locate(self, plays: pl.DataFrame) -> None:
        new = plays.filter(
            pl.Series([play not in self.times for play in plays.iter_rows()], dtype=pl.Boolean)
        )
        found, lost = located(self.workspace, self.filmed.events, new)
        for game, event, at in found.iter_rows():
            footage = self.footage[game]
            assert footage is not None
            self.times[game, event] = at
            if at >= footage.duration_s:
                ends = f"'{self.filmed.videos[game]}' ends at {float(footage.duration_s):.1f} s"
                lost.append((game, event, f"{ends}, the event is at {at:.1f} s"))
        for game, event, reason in lost:
            self.times[game, event] = None
            self.failures.append(("locate", f"{game}/{event}", reason))

    def _cut(self, clips: pl.DataFrame) -> None:
        jobs: dict[str, list[Wanted]] = {}
        for game, event, frames, at, until in clips.sort(
            "game_id", "at_s", "clip_event"
        ).iter_rows():
            if (game, event, frames) not in self.tried:
                self.tried.add((game, event, frames))
                jobs.setdefault(game, []).append(Wanted(event, at, until if until > at else None))
        todo = []
        for game, wanted in sorted(jobs.items()):
            footage = self.footage[game]
            assert footage is not None
            job = CutJob(
                game,
                self._source(game),
                footage,
                self.store,
                tuple(wanted),
                self.settings.clip,
                self.settings.check != "bytes",
            )
            left = []
            for part, (span, row) in zip(job.wanted, clips_of(job), strict=True):
                if span.path.as_posix() in self.stored:
                    self.made.append(row)
                else:
                    left.append(part)
            if left:
                todo.append(replace(job, wanted=tuple(left)))
        for _, outcome in self.run(cut_game, todo, describe="cutting clips", size=_clips_in):
            game, result = outcome.item.game_id, outcome.result
            if result is None:
                refuse_to_go_on(outcome)
                self.failures.append(("cut", game, outcome.error or ""))
                self.unusable.add(game)
                continue
            self.made += result.clips
            self.encoded += result.encoded
            self.failures += [
                ("cut", f"{game}/{event}", reason) for event, reason in result.failures
            ]

    def lost_with_videos(self) -> dict[str, list[str]]:
        """Subject -> the videos that could not be used and that show plays of his."""
        bad = self.unusable | {game for game, footage in self.footage.items() if footage is None}
        pairs = (
            self.ranked.filter(pl.col("game_id").is_in(bad))
            .select("subject_id", "game_id")
            .unique()
        )
        found: dict[str, list[str]] = {}
        for subject, game in sorted(pairs.iter_rows()):
            found.setdefault(subject, []).append(self.filmed.videos[game])
        return found


def _clips_in(job: CutJob) -> float:
    return len(job.wanted)


def refuse_to_go_on(outcome: Outcome[Any, Any]) -> None:
    """A place that takes no more files fails every job: one clear error is better than all of them.

    Raises:
        WorkspaceError: the job ended with one.
    """
    if outcome.kind == WorkspaceError.__name__:
        raise WorkspaceError(
            f"{(outcome.error or '').partition(': ')[2]}. What was made is kept: mend it, and run the same "
            "command again"
        )
