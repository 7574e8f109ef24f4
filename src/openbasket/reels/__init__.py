"""Highlight reels: sample events, cut clips, join them (paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.engine import Engine, stream
from openbasket.receipts import (
    HERE,
    Receipt,
    read_receipt,
    receipt_path,
    write_receipt,
)
from openbasket.reels.assemble import ReelJob, assemble
from openbasket.reels.collect import collect, refuse_to_go_on
from openbasket.reels.cut import ClipSettings, clip_name
from openbasket.reels.plan import Filmed, filmed_games, one_row_a_clip, wanted_subjects
from openbasket.reels.settings import ReelSettings
from openbasket.storage import Folder, place
from openbasket.wording import counted
from openbasket.workspace import (
    REEL_FPS,
    Workspace,
    reel_folder,
    remove_leftovers,
    write_json,
)

__all__ = ["ClipSettings", "ReelReport", "ReelSettings", "build"]

#: Stages of table ``failures`` that are written here.
_STAGES = ["video", "locate", "cut", "reel", "few"]


@dataclass
class ReelReport:
    """What was built.

    Args:
        reels: reels of this draw.
        clips: distinct clips that they show.
        encoded: clips that were encoded in this run; the others lay in the store.
        seconds: length of all reels.
        games: games that have a video.
        without_video: games that have none; nothing of them is shown.
        replaced: events shown in place of drawn ones that could not be.
        few: reels with fewer events than asked for.
        failures: rows of table ``failures`` of this run.
        place: folder or URL that the reels lie in.
    """

    reels: int
    clips: int
    encoded: int
    seconds: float
    games: int
    without_video: int
    replaced: int
    few: int
    failures: list[tuple[str, str, str]]
    place: str

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def build(
    workspace: Workspace,
    settings: ReelSettings | None = None,
    *,
    subject_ids: Sequence[str] | None = None,
    engine: Engine | None = None,
    store: str | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> ReelReport:
    """Build the reels of all subjects whose games have video.

    Clips are cut game by game and kept in the clip store; what is there already is not made again, so
    that a run that was stopped continues. What cannot be made is left out and named in table
    ``failures``; everything else is made.

    Args:
        workspace: with subjects, and games that have video.
        settings: of the reels.
        subject_ids: only these; others' reels stay as they are.
        engine: where the work is done; the cores of this machine by default.
        store: folder or URL (``s3://bucket/basket``) that keeps the clips, in ``clips/``, and the reels,
            in ``BASKET/``; the workspace by default.
        workers: jobs at the same time, where no engine is given; all cores by default.
        quiet: show no progress bars.

    Raises:
        NotFoundError: no labels yet, or no game has a video.
        BadInputError: a game has two videos.
        UnknownNameError: a subject that is not there.
        WorkspaceError: another process makes reels of this draw; a file lies where clips or reels go; or
            clips, reels or tables cannot be written. What is whole stays; run again when it is mended.
    """
    settings = settings or ReelSettings()
    subjects = wanted_subjects(workspace, subject_ids)
    filmed = filmed_games(workspace)
    engine = engine or Engine(workers=workers)
    places = _Places.of(workspace, store)
    for folder in (places.clips, places.reels.below(reel_folder(settings.draw))):
        folder.refuse_file()
    with workspace.alone(f"makes reels of draw {settings.draw}"):
        return _build(workspace, settings, subjects, filmed, subject_ids, engine, places, quiet)


def _build(
    workspace: Workspace,
    settings: ReelSettings,
    subjects: pl.DataFrame,
    filmed: Filmed,
    subject_ids: Sequence[str] | None,
    engine: Engine,
    places: _Places,
    quiet: bool,
) -> ReelReport:
    places.tidy(workspace, settings.draw)
    with engine.ready():
        found = collect(
            workspace, filmed, subjects, settings, places.clips, engine=engine, quiet=quiet
        )
        failures = found.failures
        shown = one_row_a_clip(found.shown)
        events = dict(found.shown.group_by("subject_id").len().rows())
        jobs = []
        by_subject = shown.sort("position").partition_by("subject_id", as_dict=True)
        for subject in subjects.sort("subject_id").iter_rows(named=True):
            count = events.get(subject["subject_id"], 0)
            if count < settings.least:
                told = _too_few(count, settings, found.without.get(subject["subject_id"], []))
                failures.append(("reel", subject["subject_id"], told))
                continue
            path = workspace.reel_path(
                subject["player_id"], subject["league"], subject["season"], settings.draw
            )
            name = path.relative_to(workspace.root).as_posix()
            clips = by_subject[(subject["subject_id"],)]
            jobs.append(
                ReelJob(
                    subject["subject_id"],
                    places.reels,
                    name,
                    places.clips,
                    tuple(map(clip_name, clips["clip_id"])),
                    tuple(clips["frames"]),
                )
            )
        made, lost = _join(workspace, jobs, settings.draw, engine, quiet)
        failures += lost
    few = [subject for subject in sorted(made) if events[subject] < settings.events]
    failures += [
        ("few", subject, f"{events[subject]} of {settings.events} events") for subject in few
    ]
    reels = _reel_rows(shown.filter(pl.col("subject_id").is_in(list(made))), made, settings.draw)
    _write(workspace, places.reels, found.clips, reels, failures, settings, subject_ids)
    places.tidy(workspace, settings.draw)
    return ReelReport(
        reels=len(made),
        clips=reels["clip_id"].n_unique(),
        encoded=found.encoded,
        seconds=float(int(reels["frames"].sum()) / REEL_FPS),
        games=len(filmed.videos),
        without_video=filmed.without,
        replaced=found.replaced,
        few=len(few),
        failures=failures,
        place=str(places.reels.below(reel_folder(settings.draw)).root),
    )


def _too_few(count: int, settings: ReelSettings, lost: Sequence[str]) -> str:
    """Why a subject has no reel, and what would give him one."""
    told = f"{counted(count, 'filmed event')}; needed: {settings.least}"
    if lost:
        named = ", ".join(f"'{video}'" for video in lost[:3])
        more = f" and {len(lost) - 3:,} more" if len(lost) > 3 else ""
        told += f"; others are in videos that cannot be used: {named}{more}"
    if count:
        keep = "" if settings.min_events else ", or --few keep"
        told += f" (a reel of fewer: --min-events {count}{keep})"
    return told


@dataclass(frozen=True)
class _Places:
    """Where clips and reels are kept."""

    clips: Folder
    reels: Folder

    @classmethod
    def of(cls, workspace: Workspace, store: str | None) -> _Places:
        if store is None:
            return cls(Folder(workspace.clips.absolute()), Folder(workspace.root.absolute()))
        whole = Folder(place(store, Path.cwd()))
        return cls(whole.below("clips"), whole)

    def tidy(self, workspace: Workspace, draw: int) -> None:
        """Remove what a killed run, or a process that died in this one, has left."""
        for folder in (self.clips, self.reels.below(reel_folder(draw))):
            if isinstance(folder.root, Path):
                remove_leftovers(folder.root)
        with workspace.locked():  # an import may be writing tables
            for name in ("receipts", "sources"):
                remove_leftovers(workspace.private / name)
            remove_leftovers(workspace.private, deep=False)


def _join(
    workspace: Workspace, jobs: list[ReelJob], draw: int, engine: Engine, quiet: bool
) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Path of each subject's reel, and failures. A reel that is there, made of the same clips, stays."""
    if not jobs:
        return {}, []
    there = jobs[0].place.below(reel_folder(draw)).sizes(".mp4")
    root = jobs[0].place.root
    where = HERE if root == workspace.root.absolute() else str(root)
    made: dict[str, str] = {}
    failures: list[tuple[str, str, str]] = []
    todo = []
    for job in jobs:
        path = receipt_path(workspace, job.subject_id, draw)
        known = read_receipt(path)
        size = there.get(job.name.split("/", 1)[1])
        if known and (known.made_of, known.place, known.size) == (job.made_of, where, size):
            made[job.subject_id] = job.name
            continue
        path.unlink(missing_ok=True)  # before the reel changes
        todo.append(job)
    for _, outcome in stream(
        assemble, todo, describe="joining reels", engine=engine, quiet=quiet, size=_clips_in
    ):
        job = outcome.item
        if outcome.result is None:
            refuse_to_go_on(outcome)
            failures.append(("reel", job.subject_id, outcome.error or ""))
            continue
        path = receipt_path(workspace, job.subject_id, draw)
        write_receipt(path, Receipt(job.made_of, where, *outcome.result))
        made[job.subject_id] = job.name
    return made, failures


def _clips_in(job: ReelJob) -> float:
    return len(job.clips)


def _reel_rows(shown: pl.DataFrame, paths: dict[str, str], draw: int) -> pl.DataFrame:
    return (
        shown.sort("subject_id", "position")
        .with_columns(
            position=pl.int_range(pl.len(), dtype=pl.Int32).over("subject_id"),
            first_frame=(pl.col("frames").cum_sum() - pl.col("frames")).over("subject_id"),
            draw=pl.lit(draw, dtype=pl.Int8),
            path=pl.col("subject_id").replace_strict(paths, return_dtype=pl.String),
        )
        .select(tables.dtypes("reels").keys())
    )


def _write(
    workspace: Workspace,
    place_of_reels: Folder,
    clips: pl.DataFrame,
    reels: pl.DataFrame,
    failures: list[tuple[str, str, str]],
    settings: ReelSettings,
    subject_ids: Sequence[str] | None,
) -> None:
    """Write the tables, all or none; what other draws or other subjects have stays."""
    gone: set[str] = set()
    with workspace.locked(), workspace.together() as write:
        if workspace.has("reels"):
            old = workspace.read("reels")
            kept = pl.col("draw") != settings.draw
            if subject_ids is not None:
                kept = kept | ~pl.col("subject_id").is_in(list(subject_ids))
            gone = set(old.filter(~kept)["path"]) - set(reels["path"])
            reels = pl.concat([old.filter(kept), reels])
        if workspace.has("clips"):
            old = workspace.read("clips")
            used = old.join(reels, on="clip_id", how="semi")
            others = old.join(clips, on=["game_id", "event_id"], how="anti")
            clips = pl.concat([clips, used, others])
        clips = clips.unique(["clip_id", "game_id", "event_id"], keep="first", maintain_order=True)
        write("reels", reels.sort("subject_id", "draw", "position"))
        write("clips", clips.sort("game_id", "event_id", "frames", "clip_id"))
        mine = pl.DataFrame(failures, tables.dtypes("failures"), orient="row")
        if workspace.has("failures"):
            other = workspace.read("failures").filter(~pl.col("stage").is_in(_STAGES))
            mine = pl.concat([other, mine])
        write("failures", mine.sort("stage", "item", "reason"))
    for path in sorted(gone):  # not made any more
        if path.startswith(f"{reel_folder(settings.draw)}/") and path.endswith(".mp4"):
            place_of_reels.remove(path)
    write_json(workspace.private / f"reels_draw{settings.draw}.json", asdict(settings))
