"""Highlight reels: sample events, cut clips, join them (paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.clock.fit import locate
from openbasket.engine import run
from openbasket.errors import BadInputError, ConfigError, NotFoundError, UnknownNameError
from openbasket.reels.assemble import ReelJob, assemble
from openbasket.reels.cut import ClipSettings, CutJob, Wanted, clip_path, cut_game
from openbasket.reels.sample import sample
from openbasket.workspace import REEL_FPS, Workspace, remove_leftovers, safe_join, write_json

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
        workers: processes; all cores by default.
        quiet: show no progress bars.

    Raises:
        NotFoundError: no labels yet, or no game has a video.
        UnknownNameError: a subject that is not there.
    """
    settings = settings or ReelSettings()
    least = settings.min_events or settings.events
    subjects = _subjects(workspace, subject_ids)
    games, events = _filmed(workspace)
    folder = "BASKET" if settings.draw == 0 else f"BASKET_draw{settings.draw}"
    for place in (workspace.clips, workspace.root / folder):
        remove_leftovers(place)
    failures: list[tuple[str, str, str]] = []
    chosen = sample(events, subjects, count=settings.events, draw=settings.draw, seed=settings.seed)
    plays, lost = _located(workspace, events, chosen)
    failures += [("locate", f"{game}/{event}", reason) for game, event, reason in lost]
    cuts = [
        CutJob(
            game,
            workspace.root / games[game]["video"],
            workspace.clips,
            tuple(Wanted(event, at) for event, at in sorted(set(wanted))),
            settings.clip,
        )
        for game, wanted in sorted(plays.items())
    ]
    clips: list[tuple[Any, ...]] = []
    encoded = 0
    for outcome in run(cut_game, cuts, describe="cutting clips", workers=workers, quiet=quiet):
        if outcome.result is None:
            failures.append(("cut", outcome.item.game_id, outcome.error or ""))
            continue
        clips += outcome.result.clips
        encoded += outcome.result.encoded
        game = outcome.item.game_id
        failures += [
            ("cut", f"{game}/{event}", reason) for event, reason in outcome.result.failures
        ]
    clip_table = pl.DataFrame(clips, tables.dtypes("clips"), orient="row").sort(
        "game_id", "event_id"
    )
    shown = _with_clips(chosen, events, clip_table)
    jobs = []
    for subject in subjects.sort("subject_id").iter_rows(named=True):
        rows = shown.filter(pl.col("subject_id") == subject["subject_id"]).sort("position")
        if rows.height < least:
            told = (
                f"{rows.height} filmed events; {least} are needed (lower --events or --min-events)"
            )
            failures.append(("reel", subject["subject_id"], told))
            continue
        path = workspace.reel_path(
            subject["player_id"], subject["league"], subject["season"], settings.draw
        )
        files = tuple(clip_path(workspace.clips, clip) for clip in rows["clip_id"])
        receipt = (
            workspace.private / "receipts" / f"{subject['subject_id']}_draw{settings.draw}.txt"
        )
        jobs.append(ReelJob(subject["subject_id"], path, receipt, files))
    made: dict[str, str] = {}
    for done in run(assemble, jobs, describe="joining reels", workers=workers, quiet=quiet):
        if done.result is None:
            failures.append(("reel", done.item.subject_id, done.error or ""))
        else:
            made[done.item.subject_id] = done.item.path.relative_to(workspace.root).as_posix()
    reels = _reel_rows(shown.filter(pl.col("subject_id").is_in(list(made))), made, settings.draw)
    _write(workspace, clip_table, reels, failures, settings, subject_ids)
    return ReelReport(
        reels=len(made),
        clips=reels["clip_id"].n_unique(),
        encoded=encoded,
        seconds=float(int(reels["frames"].sum()) / REEL_FPS),
        failures=failures,
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
            safe_join(workspace.root, path).unlink(missing_ok=True)  # not made any more
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
