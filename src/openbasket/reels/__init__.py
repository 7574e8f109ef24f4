"""Highlight reels: sample events, cut clips, join them (paper, section 3.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.clock.fit import locate
from openbasket.engine import Engine, Outcome, stream
from openbasket.errors import (
    BadInputError,
    ConfigError,
    NotFoundError,
    UnknownNameError,
    WorkspaceError,
)
from openbasket.reels.assemble import ReelJob, assemble
from openbasket.reels.cut import (
    ClipRow,
    ClipSettings,
    CutJob,
    SourceFacts,
    Wanted,
    clip_name,
    clips_of,
    cut_game,
)
from openbasket.reels.sample import sample
from openbasket.storage import Folder, place, stamp
from openbasket.workspace import (
    REEL_FPS,
    Workspace,
    reel_folder,
    remove_leftovers,
    write_json,
    write_text,
)

__all__ = ["ClipSettings", "ReelReport", "ReelSettings", "build"]


@dataclass(frozen=True)
class ReelSettings:
    """How reels are made.

    Args:
        events: events in a reel (the paper: 50).
        min_events: a subject with fewer filmed events gets no reel; as many as ``events`` by default.
        draw: which of the independent draws; 0 is the dataset, 1 to 4 the paper's resampling study.
        seed: of the draws.
        clip: how clips are cut.
    """

    events: int = 50
    min_events: int | None = None
    draw: int = 0
    seed: int = 0
    clip: ClipSettings = field(default_factory=ClipSettings)

    def __post_init__(self) -> None:
        if self.events < 1:
            raise ConfigError(f"events: got {self.events}; allowed: at least 1")
        if self.min_events is not None and not 1 <= self.min_events <= self.events:
            raise ConfigError(f"min_events: got {self.min_events}; allowed: 1 to {self.events}")
        if not 0 <= self.draw <= 99:
            raise ConfigError(f"draw: got {self.draw}; allowed: 0 to 99")


@dataclass
class ReelReport:
    """What was built.

    Args:
        reels: reels of this draw.
        clips: distinct clips that they show.
        encoded: clips that were encoded in this run; the others lay in the store.
        seconds: length of all reels.
        failures: rows of table ``failures`` of this run.
    """

    reels: int
    clips: int
    encoded: int
    seconds: float
    failures: list[tuple[str, str, str]]

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
        UnknownNameError: a subject that is not there.
        WorkspaceError: clips, reels or tables cannot be written. What is whole stays; run again when it
            is mended.
    """
    settings = settings or ReelSettings()
    engine = engine or Engine(workers=workers)
    places = _Places.of(workspace, store)
    least = settings.min_events or settings.events
    subjects = _subjects(workspace, subject_ids)
    games, events = _filmed(workspace)
    places.tidy(workspace, settings.draw)
    failures: list[tuple[str, str, str]] = []
    chosen = sample(events, subjects, count=settings.events, draw=settings.draw, seed=settings.seed)
    plays, lost = _located(workspace, events, chosen)
    failures += [("locate", f"{game}/{event}", reason) for game, event, reason in lost]
    cuts = [
        CutJob(
            game,
            place(games[game]["video"], workspace.root.absolute()),
            places.clips,
            tuple(Wanted(event, at) for event, at in sorted(set(wanted))),
            settings.clip,
        )
        for game, wanted in sorted(plays.items())
    ]
    with engine.ready():
        clips, lost, encoded = _cut(workspace, cuts, engine, quiet)
        failures += lost
        clip_table = pl.DataFrame(clips, tables.dtypes("clips"), orient="row").sort(
            "game_id", "event_id"
        )
        shown = _with_clips(chosen, events, clip_table)
        jobs = []
        by_subject = shown.sort("position").partition_by("subject_id", as_dict=True)
        for subject in subjects.sort("subject_id").iter_rows(named=True):
            rows = by_subject.get((subject["subject_id"],), shown.clear())
            if rows.height < least:
                told = f"{rows.height} filmed events; {least} are needed (lower --events or --min-events)"
                failures.append(("reel", subject["subject_id"], told))
                continue
            path = workspace.reel_path(
                subject["player_id"], subject["league"], subject["season"], settings.draw
            )
            name = path.relative_to(workspace.root).as_posix()
            files = tuple(clip_name(clip) for clip in rows["clip_id"])
            jobs.append(ReelJob(subject["subject_id"], places.reels, name, places.clips, files))
        made, lost = _join(workspace, jobs, settings.draw, engine, quiet)
        failures += lost
    reels = _reel_rows(shown.filter(pl.col("subject_id").is_in(list(made))), made, settings.draw)
    _write(workspace, places.reels, clip_table, reels, failures, settings, subject_ids)
    return ReelReport(
        reels=len(made),
        clips=reels["clip_id"].n_unique(),
        encoded=encoded,
        seconds=float(int(reels["frames"].sum()) / REEL_FPS),
        failures=failures,
    )


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
        """Remove what a killed run has left."""
        for folder in (self.clips, self.reels.below(reel_folder(draw))):
            if isinstance(folder.root, Path):
                remove_leftovers(folder.root)
        with workspace.locked():  # an import may be writing tables
            for name in ("receipts", "sources"):
                remove_leftovers(workspace.private / name)
            remove_leftovers(workspace.private, deep=False)


def _cut(
    workspace: Workspace, jobs: list[CutJob], engine: Engine, quiet: bool
) -> tuple[list[ClipRow], list[tuple[str, str, str]], int]:
    """Rows of all clips, failures, and how many clips were encoded.

    What each source is, is written down as soon as its job is done: a game whose clips are all in the
    store is not opened again.
    """
    stored = jobs[0].store.names(".mp4") if jobs else set()
    clips: list[ClipRow] = []
    failures: list[tuple[str, str, str]] = []
    todo: list[CutJob] = []
    for job in jobs:
        facts = _known_facts(workspace, job)
        if facts is None:
            todo.append(replace(job, stored=None if not job.store.remote else frozenset(stored)))
            continue
        wanted, beyond = clips_of(job, facts)
        have = frozenset(s.path.as_posix() for s, _ in wanted if s.path.as_posix() in stored)
        now = stamp(job.source)
        complete = len(have) == len({span.path for span, _ in wanted})
        if complete and now in (None, facts.stamp):
            clips += [row for _, row in wanted]
            failures += [("cut", f"{job.game_id}/{event}", reason) for event, reason in beyond]
        elif now == facts.stamp:
            todo.append(replace(job, known=facts, stored=have))
        else:
            todo.append(job)
    encoded = 0
    for _, outcome in stream(
        cut_game, todo, describe="cutting clips", engine=engine, quiet=quiet, size=_left_to_cut
    ):
        game = outcome.item.game_id
        if outcome.result is None:
            _refuse_to_go_on(outcome)
            failures.append(("cut", game, outcome.error or ""))
            continue
        done = outcome.result
        write_json(_facts_path(workspace, game), asdict(done.facts))
        clips += done.clips
        encoded += done.encoded
        failures += [("cut", f"{game}/{event}", reason) for event, reason in done.failures]
    return clips, failures, encoded


def _left_to_cut(job: CutJob) -> float:
    """Clips that are not in the store: the work in a job."""
    return len(job.wanted) if job.known is None else len(job.wanted) - len(job.stored or ())


def _facts_path(workspace: Workspace, game_id: str) -> Path:
    return workspace.private / "sources" / f"{game_id}.json"


def _known_facts(workspace: Workspace, job: CutJob) -> SourceFacts | None:
    try:
        facts = SourceFacts(**json.loads(_facts_path(workspace, job.game_id).read_text()))
    except (OSError, ValueError, TypeError):  # never cut, or by another version
        return None
    return facts if facts.source == str(job.source) else None


def _join(
    workspace: Workspace, jobs: list[ReelJob], draw: int, engine: Engine, quiet: bool
) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Path of each subject's reel, and failures. A reel that is there, made of the same clips, stays."""
    there = jobs[0].place.below(reel_folder(draw)).names(".mp4") if jobs else set()
    receipts = {
        job.subject_id: workspace.private / "receipts" / f"{job.subject_id}_draw{draw}.txt"
        for job in jobs
    }
    made: dict[str, str] = {}
    failures: list[tuple[str, str, str]] = []
    todo = []
    for job in jobs:
        receipt = receipts[job.subject_id]
        content = f"{job.made_of} {job.place.root}\n"
        written = receipt.read_text() if receipt.exists() else None
        if written == content and job.name.split("/", 1)[1] in there:
            made[job.subject_id] = job.name
            continue
        if written is not None:
            receipt.unlink()  # before the reel changes
        todo.append(job)
    for _, outcome in stream(
        assemble, todo, describe="joining reels", engine=engine, quiet=quiet, size=_clips_in
    ):
        job = outcome.item
        if outcome.error is not None:
            _refuse_to_go_on(outcome)
            failures.append(("reel", job.subject_id, outcome.error))
            continue
        write_text(receipts[job.subject_id], f"{job.made_of} {job.place.root}\n")
        made[job.subject_id] = job.name
    return made, failures


def _clips_in(job: ReelJob) -> float:
    return len(job.clips)


def _refuse_to_go_on(outcome: Outcome[Any, Any]) -> None:
    """A place that takes no more files fails every job: one clear error is better than all of them."""
    if outcome.kind == WorkspaceError.__name__:
        raise WorkspaceError(
            f"{(outcome.error or '').partition(': ')[2]}. What was made is kept: mend it, and run the same "
            "command again"
        )


def _subjects(workspace: Workspace, wanted: Sequence[str] | None) -> pl.DataFrame:
    subjects = workspace.read("subjects")
    if wanted is None:
        return subjects
    known = subjects["subject_id"].sort().to_list()
    for subject in wanted:
        if subject not in known:
            near = [s for s in known if s.split("_")[0] == subject.split("_")[0]] or known[:10]
            raise UnknownNameError("subject", subject, near)
    return subjects.filter(pl.col("subject_id").is_in(list(wanted)))


def _filmed(workspace: Workspace) -> tuple[dict[str, dict[str, Any]], pl.DataFrame]:
    """Games that have video, and their events with league and season."""
    games: dict[str, dict[str, Any]] = {}
    parts = []
    for league, season in workspace.seasons("games"):
        filmed = workspace.read("games", league, season).filter(pl.col("video").is_not_null())
        if filmed.is_empty():
            continue
        games |= {game["game_id"]: game for game in filmed.iter_rows(named=True)}
        events = workspace.read("events", league, season)
        parts.append(
            events.filter(pl.col("game_id").is_in(filmed["game_id"].implode())).with_columns(
                league=pl.lit(league), season=pl.lit(season)
            )
        )
    if not parts:
        raise NotFoundError(
            "no game of this workspace has a video. Render them with 'openbasket render', or fill the "
            "column 'video' of table 'games' when you import"
        )
    return games, pl.concat(parts)


def _located(
    workspace: Workspace,
    events: pl.DataFrame,
    chosen: pl.DataFrame,
) -> tuple[dict[str, list[tuple[str, float]]], list[tuple[str, str, str]]]:
    """For each game the plays to cut, (first event, media time); and events that have no time."""
    anchors = workspace.read("anchors") if workspace.has("anchors") else tables.empty("anchors")
    times = (
        workspace.read("event_times")
        if workspace.has("event_times")
        else tables.empty("event_times")
    )
    firsts = _first_events(events)
    wanted = (
        chosen.join(firsts, on=["game_id", "play_id"]).select("game_id", "first_event").unique()
    )
    plays: dict[str, list[tuple[str, float]]] = {}
    lost: list[tuple[str, str, str]] = []
    for (game,), rows in sorted(wanted.partition_by("game_id", as_dict=True).items()):
        mine = pl.col("game_id") == game
        needed = rows["first_event"].to_list()
        try:
            located = locate(
                events.filter(mine).select(tables.dtypes("events").keys()),
                anchors.filter(mine),
                times.filter(mine),
            )
        except BadInputError as error:
            lost += [(str(game), event, str(error)) for event in needed]
            continue
        at = dict(located.times.select("event_id", "media_s").rows())
        refused = dict(located.refused)
        for event in needed:
            if event in at:
                plays.setdefault(str(game), []).append((event, at[event]))
            else:
                lost.append((str(game), event, refused.get(event, "no media time")))
    return plays, lost


def _first_events(events: pl.DataFrame) -> pl.DataFrame:
    """The first event of each play: all who share the play share its clip."""
    return (
        events.sort("game_id", "order")
        .group_by("game_id", "play_id", maintain_order=True)
        .agg(pl.col("event_id").first().alias("first_event"))
    )


def _with_clips(chosen: pl.DataFrame, events: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    found = clips.select("game_id", pl.col("event_id").alias("first_event"), "clip_id", "frames")
    return chosen.join(_first_events(events), on=["game_id", "play_id"]).join(
        found, on=["game_id", "first_event"]
    )


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
    """Write the tables; what other draws or other subjects have stays."""
    if workspace.has("reels"):
        old = workspace.read("reels")
        kept = pl.col("draw") != settings.draw
        if subject_ids is not None:
            kept = kept | ~pl.col("subject_id").is_in(list(subject_ids))
        for path in sorted(set(old.filter(~kept)["path"]) - set(reels["path"])):
            place_of_reels.remove(path)  # not made any more
        reels = pl.concat([old.filter(kept), reels])
    if workspace.has("clips"):
        clips = pl.concat([clips, workspace.read("clips")])
    clips = clips.unique(["game_id", "event_id"], keep="first", maintain_order=True)
    workspace.write("clips", clips.sort("game_id", "event_id"))
    workspace.write("reels", reels.sort("subject_id", "draw", "position"))
    mine = pl.DataFrame(failures, tables.dtypes("failures"), orient="row")
    if workspace.has("failures"):
        other = workspace.read("failures").filter(~pl.col("stage").is_in(["locate", "cut", "reel"]))
        mine = pl.concat([other, mine])
    workspace.write("failures", mine.sort("stage", "item", "reason"))
    write_json(workspace.private / f"reels_draw{settings.draw}.json", asdict(settings))
