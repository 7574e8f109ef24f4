"""A study file, and the players that it draws from a dataset."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from openbasket.dataset.reader import SPLIT_FILES, Sample, dataset_levels, read_split
from openbasket.errors import (
    BadInputError,
    ConfigError,
    OpenBasketError,
    Problem,
    UnknownNameError,
    VideoError,
    suggest,
)
from openbasket.skills import BY_KEY, SKILL_KEYS, skill
from openbasket.wording import counted
from openbasket.workspace import Workspace, safe_join

__all__ = [
    "DEFAULT_SKILLS",
    "Group",
    "Pay",
    "Player",
    "StudyDesign",
    "describe_fault",
    "draw_players",
    "group_of",
    "labelled",
    "level_counts",
    "load_design",
    "uneven",
]

#: One skill of each coarse category (section 6.2; the paper does not say which).
DEFAULT_SKILLS = ("overall_shooting", "rebounds", "steals", "assists", "efficiency")

#: A skill's commonest level may have so many times an even share of a pool.
_EVEN = 1.25

Text = Annotated[str, Field(min_length=1, max_length=200)]
Paragraph = Annotated[str, Field(min_length=1, max_length=2000)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(_Section):
    """A group of participants: who has watched *and* played for at least these years, or either.

    Args:
        name: as results show it.
        watched: least years of watching basketball.
        played: least years of playing it.
        need: ``both`` or ``either`` of the two.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9 _-]{0,39}$")]
    watched: Annotated[float, Field(ge=0, le=100)] = 0.0
    played: Annotated[float, Field(ge=0, le=100)] = 0.0
    need: Annotated[str, Field(pattern="^(both|either)$")] = "both"


class Pay(_Section):
    """What a session pays, and what it pays more where its accuracy is above ``threshold``.

    With ``bonus_needs_checks``, only where its attention check was passed, too.
    """

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    base: Annotated[float, Field(ge=0, le=10_000)] = 10.0
    bonus: Annotated[float, Field(ge=0, le=10_000)] = 5.0
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.6
    bonus_needs_checks: bool = False


class StudyDesign(_Section):
    """All settings of a study.

    Args:
        title: shown to participants; must not name league or players.
        contact: whom participants may ask; shown on every page.
        consent: paragraphs that participants agree to.
        dataset: folder in the official layout; relative to the study file.
        league, season, split: where players are drawn from.
        levels: 3 (Poor, Average, Excellent) or 5.
        skills: what is rated, in the order of the file.
        players: players a session.
        sessions: sets of different players for each participant.
        pool: players that are drawn at all; by default as many as keep levels even (:func:`draw_players`).
        seed: of draws and orders.
        min_watched: share of a video that must have been watched.
        max_speed: fastest playback that counts.
        attention_checks: one question a session that says what to answer.
        max_failed_checks: participants with more failed checks are left out of results.
        min_players: participants who rated fewer players are left out of results; by default a third of those
            that a participant is shown, rounded up.
        count_clock: whether ratings count where only time tells that the video was watched (no scripts).
        break_after_min: minutes in a session after which a break is advised.
        groups: the first whose rule holds is a participant's group; the last must hold for all.
    """

    title: Text = "How good are these basketball players?"
    contact: Text = "the study's team"
    consent: Annotated[list[Paragraph], Field(min_length=1, max_length=30)] = [
        "You will watch highlight videos of basketball players and say how good you think they are.",
        "Taking part is voluntary. You can stop at any time by closing the page, and you may ask us to "
        "delete your answers.",
        "We keep your answers, how you watched the videos and when. We do not keep your name.",
    ]
    dataset: Text
    league: Text
    season: Text
    split: Text = "test"
    levels: Annotated[int, Field(ge=3, le=5)] = 3
    skills: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)] = DEFAULT_SKILLS
    players: Annotated[int, Field(ge=1, le=50)] = 5
    sessions: Annotated[int, Field(ge=1, le=20)] = 3
    pool: Annotated[int, Field(ge=1, le=10_000)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    min_watched: Annotated[float, Field(ge=0, le=1)] = 0.95
    max_speed: Annotated[float, Field(ge=1, le=2)] = 2.0
    attention_checks: bool = True
    max_failed_checks: Annotated[int, Field(ge=0)] = 1
    min_players: Annotated[int, Field(ge=1)] | None = None
    count_clock: bool = True
    break_after_min: Annotated[int, Field(ge=5, le=600)] = 50
    groups: Annotated[tuple[Group, ...], Field(min_length=1, max_length=10)] = (
        Group(name="expert", watched=10, played=5),
        Group(name="average", watched=3, played=1, need="either"),
        Group(name="novice"),
    )
    pay: Pay = Pay()

    @field_validator("levels")
    @classmethod
    def _three_or_five(cls, levels: int) -> int:
        if levels not in (3, 5):
            raise ValueError("3 or 5")
        return levels

    @field_validator("split")
    @classmethod
    def _known_split(cls, split: str) -> str:
        if split not in SPLIT_FILES:
            raise ValueError(f"no such split; known: {', '.join(SPLIT_FILES)}")
        return split

    @field_validator("skills")
    @classmethod
    def _known_skills(cls, skills: tuple[str, ...]) -> tuple[str, ...]:
        try:
            keys = tuple(skill(name).key for name in skills)
        except UnknownNameError as error:
            raise ValueError(str(error)) from None
        if len(set(keys)) < len(keys):
            raise ValueError("each skill once")
        return keys

    @field_validator("groups")
    @classmethod
    def _last_for_all(cls, groups: tuple[Group, ...]) -> tuple[Group, ...]:
        if len({group.name for group in groups}) < len(groups):
            raise ValueError("each group once")
        if groups[-1].watched or groups[-1].played:
            raise ValueError("the last group must ask for no years, so that everybody has one")
        return groups

    @model_validator(mode="after")
    def _pool_is_enough(self) -> StudyDesign:
        if self.pool is not None and self.pool < self.needed:
            raise ValueError(
                f"pool = {self.pool}: a participant rates {self.sessions} x {self.players} different "
                f"players; allowed: at least {self.needed}"
            )
        return self

    @model_validator(mode="after")
    def _enough_can_be_rated(self) -> StudyDesign:
        if self.min_players is not None and self.min_players > self.needed:
            raise ValueError(
                f"min_players = {self.min_players}: a participant rates {self.needed} players; allowed: at "
                "most as many"
            )
        return self

    @property
    def needed(self) -> int:
        """Different players that a participant rates."""
        return self.players * self.sessions

    @property
    def counts_from(self) -> int:
        """How many players a participant must have rated to count in results."""
        return -(-self.needed // 3) if self.min_players is None else self.min_players

    def fixed(self) -> dict[str, Any]:
        """The settings that may not change once players are drawn."""
        names = (
            "league", "season", "split", "levels", "skills", "players", "sessions", "pool", "seed",
            "attention_checks",
        )  # fmt: skip
        return {name: self.model_dump(mode="json")[name] for name in names}


@dataclass(frozen=True, slots=True)
class Player:
    """A player of the pool.

    Args:
        subject_id: player, league and season.
        video: the reel, relative to the dataset.
        duration_s: length of the reel in seconds.
        levels: skill -> true level, of the study's skills.
        size: of the video in bytes, once that was noted.
    """

    subject_id: str
    video: str
    duration_s: float
    levels: dict[str, int]
    size: int | None = None


def group_of(groups: Sequence[Group], watched: float, played: float) -> str:
    """The first group whose rule holds for these years of watching and playing."""
    for group in groups:
        holds = (watched >= group.watched, played >= group.played)
        if all(holds) if group.need == "both" else any(holds):
            return group.name
    return groups[-1].name


def load_design(path: Path) -> StudyDesign:
    """Read a study file (TOML).

    Raises:
        ConfigError: no such file, not TOML, or faults in it; all of them in one message.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"study file '{path}' cannot be read: {error.strerror}. Make one with 'openbasket study create', "
            "or in the browser: 'openbasket study serve FILE --data DATASET'"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"study file '{path}' is not TOML: {error}{_line_of(path, error)}"
        ) from None
    try:
        return StudyDesign.model_validate(content)
    except ValidationError as error:
        faults = [describe_fault(dict(e)) for e in error.errors(include_url=False)]
    raise ConfigError(
        f"study file '{path}' has {counted(len(faults), 'fault')}:\n"
        + "\n".join(f"  - {fault}" for fault in faults)
    )


def _line_of(path: Path, error: Exception) -> str:
    """The line at which TOML breaks off, where the error names one."""
    found = re.search(r"at line (\d+)", str(error))
    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    number = int(found[1]) if found else 0
    return f"; the line is: {lines[number - 1].strip()[:100]!r}" if 0 < number <= len(lines) else ""


def describe_fault(error: dict[str, Any]) -> str:
    """What is wrong with one setting, out of pydantic's error."""
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"'{place}' is missing"
    if error["type"] == "extra_forbidden":
        sections: dict[object, type[BaseModel]] = {"groups": Group, "pay": Pay}
        nested = len(error["loc"]) > 1
        known = list((sections[error["loc"][0]] if nested else StudyDesign).model_fields)
        return f"'{place}' is no setting.{suggest(str(error['loc'][-1]), known)} Known: {', '.join(known)}"
    told = _plain(error)
    return told if not place else f"'{place}': got {error['input']!r}; {told}"


def _plain(error: dict[str, Any]) -> str:
    """Pydantic's words without what only its users know."""
    facts = error.get("ctx", {})
    known = {
        "greater_than_equal": "allowed: {ge} or more",
        "less_than_equal": "allowed: {le} or less",
        "string_too_long": "allowed: at most {max_length} characters",
        "string_too_short": "allowed: at least {min_length} character",
        "too_short": "allowed: at least {min_length}",
        "too_long": "allowed: at most {max_length}",
    }
    pattern = known.get(error["type"])
    if pattern is not None:
        return pattern.format_map(facts)
    return str(error["msg"]).removeprefix("Value error, ")


def draw_players(design: StudyDesign, root: Path) -> list[Player]:
    """Draw the pool: players with every label, whose levels are spread as evenly as they can be.

    Players are taken one at a time; each time one whose levels are, summed over skills, the rarest among
    those taken. Ties go by the seed. Without ``pool``, as many are taken as leave the commonest level of
    every skill at most 1.25 times an even share (of three levels 41.7 %); where no pool is so even, as many
    as leave it within a tenth of the best.

    Args:
        design: the study.
        root: the dataset.

    Raises:
        BadInputError: all that is wrong: no such league or season, labels of another number of levels,
            skills without labels, too few players, videos that are missing, cannot be read, or have
            tags that may name the player.
        OpenBasketError: the dataset cannot be read.
    """
    samples, where = labelled(design, root)
    here = [s for s in samples if (s.league, s.season) == (design.league, design.season)]
    problems: list[Problem] = []
    if not here:
        found = sorted({f"{s.league} {s.season}" for s in samples})
        raise BadInputError(
            [
                Problem(
                    "study",
                    None,
                    "league, season",
                    f"{design.league} {design.season}",
                    "one of " + ", ".join(found) if found else "a split with subjects",
                )
            ]
        )
    columns = {key: SKILL_KEYS.index(key) for key in design.skills}
    for key, column in columns.items():
        if all(sample.levels[column] is None for sample in here):
            problems.append(
                Problem(
                    where,
                    None,
                    BY_KEY[key].name,
                    "no label",
                    "a skill that this league has labels of",
                )
            )
    known = {key: c for key, c in columns.items() if any(s.levels[c] is not None for s in here)}
    whole = [s for s in here if all(s.levels[c] is not None for c in known.values())]
    durations: dict[str, float] = {}
    for sample in whole:
        try:
            durations[sample.subject_id] = _duration(root, sample)
        except OpenBasketError as error:
            problems.append(Problem(where, None, "path", repr(sample.path), str(error)))
    wanted = design.pool or design.needed
    if len(whole) < wanted:
        problems.append(
            Problem(
                where,
                None,
                "pool" if design.pool else "players x sessions",
                f"{counted(wanted, 'player')} of {design.league} {design.season}",
                f"at most {len(whole)}, those with a label of every skill of the study: choose fewer "
                "players, sessions or skills",
            )
        )
    if problems:
        raise BadInputError(problems, "Change the settings of the study, or mend the dataset.")
    players = [
        Player(
            s.subject_id,
            s.path,
            durations[s.subject_id],
            {key: int(s.levels[c]) for key, c in columns.items() if s.levels[c] is not None},  # type: ignore[arg-type]
        )
        for s in sorted(whole, key=lambda s: s.subject_id)
    ]
    return _even(players, design)


def level_counts(players: Sequence[Player], design: StudyDesign) -> dict[str, list[int]]:
    """Skill -> how many of the players have each level."""
    counts = {key: [0] * design.levels for key in design.skills}
    for player in players:
        for key, level in player.levels.items():
            counts[key][level] += 1
    return counts


def uneven(players: Sequence[Player], design: StudyDesign) -> dict[str, float]:
    """Skill -> share of its commonest level, of the skills where that is over 1.25 of an even share."""
    shares = {key: max(of) / len(players) for key, of in level_counts(players, design).items()}
    return {key: share for key, share in shares.items() if share * design.levels > _EVEN + 1e-9}


def _even(players: list[Player], design: StudyDesign) -> list[Player]:
    rng = random.Random(design.seed)
    left = list(players)
    rng.shuffle(left)
    taken: list[Player] = []
    worst: dict[int, float] = {}
    counts = {(key, level): 0 for key in design.skills for level in range(design.levels)}
    for _ in range(design.pool or len(players)):
        best = min(left, key=lambda p: sum(counts[item] for item in p.levels.items()))
        left.remove(best)
        taken.append(best)
        for item in best.levels.items():
            counts[item] += 1
        worst[len(taken)] = max(counts.values()) * design.levels / len(taken)
    if design.pool is None:
        enough = {n: share for n, share in worst.items() if n >= design.needed}
        bound = max(_EVEN, 1.1 * min(enough.values()))
        taken = taken[: max(n for n, share in enough.items() if share <= bound + 1e-9)]
    return sorted(taken, key=lambda p: p.subject_id)


def labelled(design: StudyDesign, root: Path) -> tuple[list[Sample], str]:
    """The split with labels of the study's number of levels; and the file's name for messages."""
    import polars as pl

    from openbasket.labels.levels import level

    workspace = Workspace(root)
    where = str(Path(root) / SPLIT_FILES[design.split])
    have = dataset_levels(root)
    samples = read_split(root, design.split, levels=have, require_videos=False)
    if have == design.levels:
        return samples, where
    if not workspace.has("levels"):
        raise BadInputError(
            [Problem(where, None, "levels", f"labels of {have} levels", f"levels = {have}")],
            "Ranks (table 'levels') would do, too; this dataset has none.",
        )
    found = workspace.read("levels").select(
        "subject_id", "skill", level=level(pl.col("rank"), pl.col("ranked"), design.levels)
    )
    of = {(subject, key): value for subject, key, value in found.rows()}
    return [
        Sample(
            s.subject_id, s.player_id, s.league, s.season, s.path, s.video,
            tuple(of.get((s.subject_id, key)) for key in SKILL_KEYS),
        )
        for s in samples
    ], where  # fmt: skip


def _duration(root: Path, sample: Sample) -> float:
    from openbasket.study.checking import refuse_tags
    from openbasket.video.probe import probe

    if Path(sample.path).is_absolute():
        raise VideoError("a study serves videos below the dataset's folder only")
    video = safe_join(root, sample.path)
    if not video.is_file():
        raise VideoError("there is no such video")
    duration = float(probe(video).duration_s)
    refuse_tags(video)
    return duration
