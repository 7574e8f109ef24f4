"""A report card: 20 levels with their probabilities, and the clips that speak for each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openbasket.dataset.film import SUFFIX
from openbasket.errors import VideoError
from openbasket.evaluation.observable import CLIPS, own_clips, read_ceiling
from openbasket.progress import status
from openbasket.scouting.cohort import FEW, Cohort, Limit, Similar, limits, read_cohort
from openbasket.scouting.evidence import EvidenceClip, Segment, influence
from openbasket.scouting.known import Known, Shot, check_names, known
from openbasket.scouting.parts import each_tenth, parts_of, seen_of, shower, told_of_halves
from openbasket.scouting.words import GUESS, certainty_of, notes_of, observable, told_of
from openbasket.skills import SKILLS, level_names
from openbasket.training.rating import Device, Rater
from openbasket.training.reading import taking_of
from openbasket.video.cuts import EARLY_S
from openbasket.video.frames import frames_at, spare_threads
from openbasket.video.probe import probe
from openbasket.wording import counted
from openbasket.workspace import Workspace

__all__ = ["Card", "EvidenceClip", "SkillRating", "make_card"]

#: A shorter video is no reel, unless a dataset knows it as one.
SHORTEST_S = 10.0
#: Why a model that takes its frames in such a way has no evidence.
NO_EVIDENCE = {
    "interval": "No evidence: this model sees one stretch of the video, not all of its clips.",
    "clips": "No evidence: this model does not say what it makes of fewer clips.",
}


@dataclass(frozen=True, slots=True)
class SkillRating:
    """The rating of one skill.

    Args:
        key, name, category: of the skill.
        level: the likeliest, from 0.
        level_name: such as ``Good``.
        probabilities: of each level.
        expected: mean level by the probabilities.
        clear: whether that is more than a guess; only then it is shown as the player's level.
        certainty: how sure the model is, in words.
        percentile: share of the cohort, in percent, whose expected level is lower; half of those that are
            equal count. Null without a cohort.
        cohort_mean: the cohort's mean expected level. Null without a cohort.
        evidence: the clips that speak most for it.
        ceiling: accuracy of an observer who perceives all that a reel's clips show, by the dataset's table
            ``ceiling``; null where it is not known.
    """

    key: str
    name: str
    category: str
    level: int
    level_name: str
    probabilities: tuple[float, ...]
    expected: float
    clear: bool
    certainty: str
    percentile: float | None = None
    cohort_mean: float | None = None
    evidence: tuple[EvidenceClip, ...] = ()
    ceiling: float | None = None

    @property
    def verdict(self) -> str:
        """What stands beside the skill: the level, ``not clear``, or ``not observable``."""
        if self.clear:
            return self.level_name
        return (
            "not clear" if observable(self.ceiling, len(self.probabilities)) else "not observable"
        )


@dataclass(frozen=True, slots=True)
class Card:
    """A report card.

    Args:
        video: what was rated.
        player, league, season: as they were given, or as the dataset knows them; null if not known.
        duration_s: of the video, seconds.
        clips: the parts of the video.
        levels: names of the levels, the lowest first.
        skills: 20 ratings, in the order of ``skills.SKILLS``.
        model: facts about the model, by name.
        cohort: whom percentiles compare with; null without.
        similar: players of the cohort whom the model rates alike.
        limits: what the model reaches on players that it had not learned from, by group.
        shots: of the clips, where the dataset knows their places.
        notes: what the reader should know before relying on it.
    """

    video: Path
    player: str | None
    league: str | None
    season: str | None
    duration_s: float
    clips: tuple[Segment, ...]
    levels: tuple[str, ...]
    skills: tuple[SkillRating, ...]
    model: dict[str, Any]
    cohort: str | None = None
    similar: tuple[Similar, ...] = ()
    limits: tuple[Limit, ...] = ()
    shots: tuple[Shot, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The card as plain data."""
        return asdict(self) | {"video": str(self.video)}


def make_card(
    video: Path,
    run_dir: Path,
    *,
    player: str | None = None,
    league: str | None = None,
    season: str | None = None,
    data_root: Path | None = None,
    cohort: Path | None = None,
    min_minutes: float = 0.0,
    clip_s: float | None = None,
    halves: int = 256,
    evidence: bool = True,
    device: Device = "auto",
    quiet: bool = False,
) -> Card:
    """Rate a highlight video, and find the clips that speak for each rating.

    Args:
        video: the reel.
        run_dir: a trained run with heads.
        player: name for the card; by default as the dataset knows it.
        league: for the card, and of the cohort.
        season: such as ``21-22``; for the card, and of the cohort.
        data_root: a dataset; where the video is one of its reels, it knows the clips, who is shown and what.
        cohort: predictions of the same run (parquet); percentiles and similar players are among its subjects
            of this league and season, as far as these are given. With a dataset, the run's accuracy by group
            is on the card, too.
        min_minutes: least minutes of a season of the cohort's subjects; needs a dataset.
        clip_s: seconds of a clip, where the dataset does not know the clips; by default they are told by the
            cuts in the pictures, if evidence is wanted.
        halves: how often half of the clips are shown to find evidence.
        evidence: find it.
        device: ``auto`` takes a GPU where there is one.
        quiet: show no progress.

    Raises:
        VideoError: no video, too short for a reel, or it does not decode.
        NotFoundError: no such run.
        UnknownNameError: the dataset or the cohort has no such league or season.
        BadInputError: the cohort is of another run or has other levels.
    """
    if video.suffix == SUFFIX:
        raise VideoError(
            f"'{video}' is a drawn reel: no pictures until a model asks for them; allowed: a video "
            "(its player is rated by 'openbasket predict')"
        )
    info = probe(video)
    duration_s = float(info.duration_s)
    there = known(data_root, video)
    if duration_s < SHORTEST_S and not there.clips:
        raise VideoError(
            f"'{video}' lasts {duration_s:.1f} s; allowed: a highlight reel of at least {SHORTEST_S:.0f} s "
            "(the models learned from 50 clips of about 10 s)"
        )
    with status("loading the model", quiet=quiet):
        rater = Rater(run_dir, quiet=quiet, device=device)
    data = rater.recipe.data
    if data_root is not None:
        check_names(data_root, league, season)
    by_clip = data.sampling == "clips"
    parts, places, how = there.clips, there.frames, ""
    if not parts:
        looks = by_clip or (evidence and data.sampling == "uniform")
        divided, how = parts_of(video, clip_s, looks, quiet)
        parts = tuple(Segment(part.start_s, part.end_s) for part in divided)
        places = tuple((part.first, part.frames) for part in divided)
    league, season = league or there.league, season or there.season
    rater = rater.of(league, season)
    notes = notes_of(rater, info.width, info.height, duration_s, parts)
    if data.conditions:
        notes.append(told_of(data, league, season))
    if data_root is not None and not there.clips:
        why = "is no reel of" if there.subject_id is None else "has no clips in a table of"
        notes.append(f"This video {why} the dataset at '{data_root}': its clips are not known.")
    if how:
        notes.append(how)
    if duration_s - parts[-1].end_s > EARLY_S:
        notes.append(
            f"The pictures end at {parts[-1].end_s:.1f} s of {duration_s:.1f} s: the file may be truncated."
        )
    shown = seen_of(data, places)
    if len(shown) < len(parts):
        notes.append(f"The model saw {len(shown)} of {counted(len(parts), 'part')}, evenly chosen.")
    wanted = replace(taking_of(data), clips=tuple(places[i] for i in shown) if by_clip else ())
    with status("reading the video", quiet=quiet) as tell:
        frames = frames_at(
            video, wanted.wanted, data.short_side, sampling=data.reader, threads=spare_threads(1),
            on_frames=each_tenth(tell, "reading the video"),
        ).pixels  # fmt: skip
    seen = rater.see(frames)
    told = rater.rate([frames])[0] if seen is None else seen.rate(np.ones((1, len(shown)), bool))[0]
    found: list[tuple[EvidenceClip, ...]] = [()] * len(SKILLS)
    if evidence and len(shown) > 1:
        clips_shown = [parts[i] for i in shown]
        rate = shower(rater, video, clips_shown, quiet) if seen is None else seen.rate
        if rate is None:
            notes.append(NO_EVIDENCE[data.sampling])
        else:
            with told_of_halves(halves, quiet) as advance:
                weighed = influence(
                    rate, len(shown), told.argmax(axis=1).tolist(), halves=halves, on_batch=advance
                )
            looked = None if seen is None else seen.attention()
            found = [weighed.evidence(i, clips_shown, shown, looked) for i in range(len(SKILLS))]
    names = level_names(data.levels)
    ceiling = {} if data_root is None else read_ceiling(Workspace(data_root), data.levels)
    clips = CLIPS if data_root is None else own_clips(Workspace(data_root)) or CLIPS
    expected = told @ np.arange(data.levels)
    others = (
        None
        if cohort is None
        else read_cohort(cohort, rater, league, season, root=data_root, min_minutes=min_minutes)
    )
    if others is not None and len(others.subjects) < FEW:
        notes.append(
            f"The cohort has {counted(len(others.subjects), 'player-season')}; percentiles among so few say "
            "little."
        )
    percentiles = others.percentiles(expected) if others else [None] * len(SKILLS)
    means = others.means() if others else [None] * len(SKILLS)
    ratings = tuple(
        SkillRating(
            s.key, s.name, s.category,
            int(told[i].argmax()), names[int(told[i].argmax())],
            tuple(float(p) for p in told[i]), float(expected[i]),
            bool(told[i].max() >= GUESS / data.levels) and observable(ceiling.get(s.key), data.levels),
            certainty_of(told[i], names, ceiling.get(s.key), clips),
            percentiles[i], means[i], found[i], ceiling.get(s.key),
        )
        for i, s in enumerate(SKILLS)
    )  # fmt: skip
    similar, reached = _among(others, expected, cohort, data_root, rater, there, league, season)
    return Card(
        video, player or there.player, league, season, duration_s, parts, names, ratings, _model(rater),
        others.who if others else None, similar, reached, there.shots, tuple(notes),
    )  # fmt: skip


def _among(
    others: Cohort | None,
    expected: NDArray[np.float64],
    cohort: Path | None,
    data_root: Path | None,
    rater: Rater,
    there: Known,
    league: str | None,
    season: str | None,
) -> tuple[tuple[Similar, ...], tuple[Limit, ...]]:
    """Similar players, and what the run reaches on groups."""
    if others is None or cohort is None:
        return (), ()
    names: dict[str, str] = {}
    reached: tuple[Limit, ...] = ()
    if data_root is not None:
        workspace = Workspace(data_root)
        groups = {k: v for k, v in (("league", league), ("season", season)) if v is not None}
        if workspace.has("subjects"):
            subjects = workspace.read("subjects")
            people = dict(workspace.read("players").select("player_id", "name").iter_rows())
            for row in subjects.iter_rows(named=True):
                who = people.get(row["player_id"]) or row["player_id"]
                names[row["subject_id"]] = f"{who} ({row['league']} {row['season']})"
                if row["subject_id"] == there.subject_id:
                    groups |= {k: row[k] for k in ("gender", "region") if row[k]}
        run = rater.run_dir.resolve().name
        reached = limits(cohort, data_root, run, groups)
    return others.similar(expected, names, without=there.subject_id), reached


def _model(rater: Rater) -> dict[str, Any]:
    recipe = rater.recipe
    facts: dict[str, Any] = {
        "model": recipe.model.name,
        "run": rater.run_dir.resolve().name,
        "parameters": rater.parameters,
        "frames": recipe.data.frames,
        "size": recipe.data.size,
        "train_subjects": rater.facts.get("train_samples"),
        "data_sha256": rater.facts["data"],
        "validation_accuracy": rater.validation.get("val_accuracy"),
        "validation_labels": rater.validation.get("val_labels"),
    }
    if rater.calibration is not None:
        facts["temperature"] = rater.calibration.temperature
        facts["calibrated_on"] = rater.calibration.split
    return facts
