"""Reels that are drawn when they are read: sampled and cut as others are, of games that have no video.

A *drawn reel* is a small JSON file in the place of the video, with suffix ``.reel``: which frames of which
games it shows, and how they are filmed. Its frames are those that the reel would have before it is encoded.
:mod:`openbasket.dataset.drawing` draws them into a cache of frames, game by game, so that thousands of reels
need neither videos nor weeks.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import polars as pl
from pydantic import TypeAdapter, ValidationError

from openbasket import tables
from openbasket.errors import BadInputError, ConfigError, NotFoundError, Problem, VideoError
from openbasket.progress import track
from openbasket.receipts import HERE, Receipt, receipt_path, write_receipt
from openbasket.reels.cut import span
from openbasket.reels.plan import candidates, choose, stretches
from openbasket.reels.settings import ReelSettings
from openbasket.simulation.broadcast import RENDERER_VERSION, fingerprint
from openbasket.simulation.timeline import RenderSettings, plan
from openbasket.video.write import FPS
from openbasket.wording import counted
from openbasket.workspace import Workspace, sha256, write_json

__all__ = [
    "MOST_REEL_FRAMES",
    "SUFFIX",
    "DrawnClip",
    "DrawnReel",
    "FilmReport",
    "FilmSettings",
    "film",
    "filmed_tables",
    "fingerprints",
    "read_reel",
    "strictly",
]

#: Of drawn reels, in the place of ``.mp4``.
SUFFIX = ".reel"
_VERSION = 1
_T = TypeVar("_T")
#: What a file may ask of who draws it: its bytes, its clips, and frames of a reel (4 h) and of a game (24 h).
_MOST_BYTES, _MOST_CLIPS, MOST_REEL_FRAMES, _MOST_FIRST = 1 << 22, 10_000, 432_000, 2_592_000


@dataclass(frozen=True)
class FilmSettings:
    """How games without videos are filmed, and reels made of them.

    Args:
        reels: as for reels of videos; ``check``, ``replace`` and ``overlap`` have nothing to act on.
        render: how games are filmed.
        seed: for whatever the events leave open.
        draws: how many independent draws of reels.
        mark: put an arrow above the head of the player whose reel it is. No broadcast has it: it tells how
            much of a model's loss comes from not knowing who is meant.
    """

    reels: ReelSettings = field(default_factory=ReelSettings)
    render: RenderSettings = field(default_factory=RenderSettings)
    seed: int = 0
    draws: int = 1
    mark: bool = False


@dataclass(frozen=True)
class DrawnClip:
    """A clip of a drawn reel: frames ``first`` to ``first + frames`` of a game."""

    league: str
    season: str
    game_id: str
    first: int
    frames: int


@dataclass(frozen=True)
class DrawnReel:
    """What a reel shows.

    Args:
        clips: in their order.
        render: how the games are filmed.
        seed: for whatever the events leave open.
        games: what each game was made of (:func:`openbasket.simulation.broadcast.fingerprint`).
        mark: the player who is marked.
    """

    clips: tuple[DrawnClip, ...]
    render: RenderSettings
    seed: int
    games: Mapping[str, str]
    mark: str | None = None

    def __len__(self) -> int:
        """Return the number of frames."""
        return sum(clip.frames for clip in self.clips)

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """First frame, in the reel, and number of frames of each clip."""
        lengths = [clip.frames for clip in self.clips]
        return tuple(zip(accumulate([0, *lengths[:-1]]), lengths, strict=True))

    def places(self, frames: Sequence[int]) -> list[tuple[DrawnClip, int]]:
        """The clip of each of some frames of the reel, and the frame of its game.

        Raises:
            VideoError: the reel has no such frame.
        """
        firsts, total = [first for first, _ in self.bounds], len(self)
        found = []
        for frame in frames:
            if not 0 <= frame < total:
                raise VideoError(f"frame {frame}: the reel has {total} frames")
            place = bisect_right(firsts, frame) - 1
            clip = self.clips[place]
            found.append((clip, clip.first + frame - firsts[place]))
        return found


@dataclass(frozen=True)
class FilmReport:
    """What :func:`film` made.

    Args:
        reels: of all draws.
        clips: distinct ones.
        seconds: that the reels last.
        games: that they show.
        few: subjects without a reel, for want of events.
    """

    reels: int
    clips: int
    seconds: float
    games: int
    few: int

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def film(
    workspace: Workspace, settings: FilmSettings | None = None, *, quiet: bool = False
) -> FilmReport:
    """Make the drawn reels of all subjects; write tables ``clips`` and ``reels``.

    Args:
        workspace: with games, events and subjects; reels that it has are replaced.
        settings: how.
        quiet: show no progress.

    Raises:
        NotFoundError: no labels yet, or no subject has enough events.
        BadInputError: games of two leagues or seasons have one id.
    """
    settings = settings or FilmSettings()
    people = workspace.read("subjects")
    _refuse_twins(workspace)
    reels: list[pl.DataFrame] = []
    made_of: dict[str, str] = {}
    failures: list[tuple[str, str, str]] = []
    for league, season in track(workspace.seasons("games"), "Filming", quiet=quiet):
        mine = people.filter(league=league, season=season)
        if mine.is_empty():
            continue
        games, events, appearances, stints = filmed_tables(workspace, league, season)
        place = events.with_columns(league=pl.lit(league), season=pl.lit(season))
        times, durations = _laid_out(games, events, settings.render)
        made_of |= fingerprints(games, events, appearances, stints)
        for draw in range(settings.draws):
            own = _drawn(workspace, place, mine, times, durations, settings, draw)
            few = mine.join(own, on="subject_id", how="anti")["subject_id"].to_list()
            failures += [("reel", subject, f"too few events for draw {draw}") for subject in few]
            reels.append(own)
    whole = pl.concat(reels) if reels else pl.DataFrame()
    if whole.is_empty():
        raise NotFoundError(
            f"no subject has {counted(settings.reels.least, 'filmed event')}. Ask for fewer: set "
            "reels.events or reels.min_events in the benchmark's file"
        )
    whole = whole.sort("subject_id", "draw", "position")
    _write_reels(workspace, whole, settings, made_of, quiet)
    clips_table = (
        whole.select(
            "clip_id", "game_id", event_id="clip_event", start_s="start_s",
            end_s=pl.col("start_s") + pl.col("frames") / float(FPS), frames="frames",
        )
        .unique(["clip_id", "game_id", "event_id"])
        .sort("game_id", "event_id", "clip_id")
    )  # fmt: skip
    with workspace.locked(), workspace.together() as write:
        write("clips", clips_table.select(tables.dtypes("clips").keys()))
        write("reels", whole.select(tables.dtypes("reels").keys()))
        write("failures", pl.DataFrame(failures, tables.dtypes("failures"), orient="row"))
    seconds = float(int(whole["frames"].sum()) / FPS)
    return FilmReport(
        whole.select("subject_id", "draw").n_unique(),
        clips_table["clip_id"].n_unique(),
        seconds,
        whole["game_id"].n_unique(),
        len({subject for _, subject, _ in failures}),
    )


def _refuse_twins(workspace: Workspace) -> None:
    """Refuse games of two leagues or seasons with one id, by which alone clips and reels name them."""
    seasons = workspace.seasons("games")
    games = pl.concat(workspace.read("games", *pair) for pair in seasons)
    twins = games.filter(pl.col("game_id").is_duplicated()).sort("game_id", "league", "season")
    if twins.height:
        raise BadInputError(
            [
                Problem(
                    f"{league} {season}, games", None, "game_id", game, "an id that no other has"
                )
                for game, league, season in twins.select("game_id", "league", "season").iter_rows()
            ],
            "Is it one game, imported under two names? Remove the folders of one of them below "
            f"'{workspace.private}'. Else import one of the leagues with ids that have its name before them.",
        )


def read_reel(path: Path) -> DrawnReel:
    """Read a drawn reel.

    Raises:
        VideoError: there is none, or it is damaged.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"of {path.stat().st_size:,} bytes; allowed: {_MOST_BYTES:,}")
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["openbasket_reel"] != _VERSION:
            raise ValueError(f"of version {content['openbasket_reel']}")
        render = strictly(RenderSettings, content["render"], "render.")
        clips = tuple(DrawnClip(*clip) for clip in content["clips"])
        if not clips or any(c.first < 0 or c.frames < 1 for c in clips):
            raise ValueError("clips without frames")
        _refuse_bombs(clips)
        games = {str(game): str(made_of) for game, made_of in content["games"].items()}
        if missing := {c.game_id for c in clips} - games.keys():
            raise ValueError(f"nothing is said of game '{min(missing)}'")
        seed, mark = content["seed"], content.get("mark")
        if type(seed) is not int or not 0 <= seed < 1 << 64:
            raise ValueError("seed: allowed: a whole number from 0, below 2 to the power of 64")
        if mark is not None and not (isinstance(mark, str) and re.search(tables.ID_PATTERN, mark)):
            raise ValueError("mark: allowed: a player, or nothing")
        return DrawnReel(clips, render, seed, games, mark)
    except FileNotFoundError:
        raise VideoError(f"there is no reel at '{path}'") from None
    except (
        ArithmeticError,
        ConfigError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise VideoError(
            f"'{path}' is no reel that can be drawn ({error}). Make it again with 'openbasket rendered'"
        ) from None


def _refuse_bombs(clips: Sequence[DrawnClip]) -> None:
    """Refuse clips that nobody filmed.

    Raises:
        ValueError: says what is allowed.
    """
    for clip in clips:
        if any(type(n) is not int for n in (clip.first, clip.frames)):
            raise ValueError(f"frames {clip.first!r}, {clip.frames!r}; allowed: whole numbers")
        if any(type(text) is not str for text in (clip.league, clip.season, clip.game_id)):
            raise ValueError("league, season and game of a clip must be texts")
    frames = sum(clip.frames for clip in clips)
    if len(clips) > _MOST_CLIPS or frames > MOST_REEL_FRAMES:
        raise ValueError(
            f"{len(clips):,} clips of {frames:.3g} frames; allowed: {_MOST_CLIPS:,} of {MOST_REEL_FRAMES:,}"
        )
    if (last := max(clip.first for clip in clips)) > _MOST_FIRST:
        raise ValueError(f"frame {last:.3g} of a game; allowed: up to {_MOST_FIRST:,}")


def strictly(kind: type[_T], given: Any, where: str = "") -> _T:
    """Settings from a file, each of which must be of its type: no number is a text, and no text a yes.

    Args:
        kind: a dataclass, or another type.
        given: what the file says.
        where: what stands before the names in messages.

    Raises:
        ConfigError: a value of another type, or one that is not allowed.
    """
    if unknown := list(_unknown(kind, given, where)):
        raise ConfigError("unknown: " + ", ".join(unknown))
    try:
        # as JSON, in which a dataclass may be a mapping and a tuple a list, and nothing else is lax
        return cast("_T", _adapter(cast("Any", kind)).validate_json(json.dumps(given), strict=True))
    except ValidationError as error:
        faults = [
            f"{where}{'.'.join(map(str, e['loc']))}: got {e['input']!r}; {e['msg']}"
            for e in error.errors(include_url=False)
        ]
        raise ConfigError("; ".join(faults)) from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _unknown(kind: Any, given: Any, where: str) -> Iterator[str]:
    """Names in a mapping that a dataclass, or one in it, does not have."""
    if is_dataclass(kind) and isinstance(given, Mapping):
        hints = get_type_hints(kind)
        for name, value in given.items():
            if name in hints:
                yield from _unknown(hints[name], value, f"{where}{name}.")
            else:
                yield f"{where}{name}"


def filmed_tables(workspace: Workspace, league: str, season: str) -> tuple[pl.DataFrame, ...]:
    """Tables ``games``, ``events``, ``appearances`` and ``stints``; the last two may be empty."""
    return (
        workspace.read("games", league, season),
        workspace.read("events", league, season),
        workspace.read_or_empty("appearances", league, season),
        workspace.read_or_empty("stints", league, season),
    )


def fingerprints(
    games: pl.DataFrame, events: pl.DataFrame, appearances: pl.DataFrame, stints: pl.DataFrame
) -> dict[str, str]:
    """What each game of a league's season is made of."""
    parts = [frame.partition_by("game_id", as_dict=True) for frame in (events, appearances, stints)]
    found = {}
    for game in games.iter_rows(named=True):
        own, seats, fives = (
            part.get((game["game_id"],), frame.clear())
            for part, frame in zip(parts, (events, appearances, stints), strict=True)
        )
        found[game["game_id"]] = fingerprint(game, own, seats, fives)
    return found


def _laid_out(
    games: pl.DataFrame, events: pl.DataFrame, render: RenderSettings
) -> tuple[pl.DataFrame, dict[str, Fraction]]:
    """When each play is seen (``game_id, first_event, at_s``), and how long each game lasts in seconds."""
    rows: list[tuple[str, str, float]] = []
    durations: dict[str, Fraction] = {}
    by_game = events.partition_by("game_id", as_dict=True)
    for game in games.sort("game_id").iter_rows(named=True):
        own = by_game.get((game["game_id"],))
        if own is None:
            continue
        laid = plan(game, own, render, FPS)
        durations[game["game_id"]] = laid.frames / FPS
        rows += [
            (game["game_id"], event, frame / float(FPS))
            for event, frame in laid.event_frames.items()
        ]
    schema = {"game_id": pl.String, "first_event": pl.String, "at_s": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row"), durations


def _drawn(
    workspace: Workspace,
    events: pl.DataFrame,
    people: pl.DataFrame,
    times: pl.DataFrame,
    durations: Mapping[str, Fraction],
    settings: FilmSettings,
    draw: int,
) -> pl.DataFrame:
    """Rows of table ``reels`` of one draw, with ``clip_event``, ``start_s``, ``league`` and ``season``."""
    wanted = replace(settings.reels, draw=draw)
    ranked = candidates(events, people, wanted)
    seen = ranked.join(times, on=["game_id", "first_event"], how="semi")
    lost = ranked.join(times, on=["game_id", "first_event"], how="anti")
    chosen = choose(seen, lost, wanted.events)
    chosen = chosen.filter(pl.len().over("subject_id") >= wanted.least)
    cut = stretches(chosen, times, durations, wanted)
    starts = [
        float(span(at, until, wanted.clip, durations[game])[0])
        for game, at, until in cut.select("game_id", "at_s", "until_s").iter_rows()
    ]
    look = repr((RENDERER_VERSION, asdict(settings.render), settings.seed))
    cut = cut.with_columns(start_s=pl.Series(starts, dtype=pl.Float64)).with_columns(
        clip_id=pl.Series(
            [
                hashlib.sha256(f"{look} {game} {start} {frames}".encode()).hexdigest()[:32]
                for game, start, frames in zip(cut["game_id"], starts, cut["frames"], strict=True)
            ],
            dtype=pl.String,
        )
    )
    paths = {
        row["subject_id"]: workspace.reel_path(row["player_id"], row["league"], row["season"], draw)
        .relative_to(workspace.root)
        .with_suffix(SUFFIX)
        .as_posix()
        for row in people.iter_rows(named=True)
    }
    return (
        cut.join(people.select("subject_id", "player_id", "league", "season"), on="subject_id")
        .sort("subject_id", "position")
        .with_columns(
            draw=pl.lit(draw, pl.Int8),
            position=pl.int_range(pl.len(), dtype=pl.Int32).over("subject_id"),
            first_frame=(pl.col("frames").cum_sum() - pl.col("frames")).over("subject_id").cast(pl.Int32),
            path=pl.col("subject_id").replace_strict(paths, return_dtype=pl.String),
        )
    )  # fmt: skip


def _write_reels(
    workspace: Workspace,
    reels: pl.DataFrame,
    settings: FilmSettings,
    made_of: Mapping[str, str],
    quiet: bool,
) -> None:
    look = {
        "openbasket_reel": _VERSION,
        "renderer": RENDERER_VERSION,
        "render": asdict(settings.render),
        "seed": settings.seed,
    }
    by_reel: Sequence[pl.DataFrame] = reels.partition_by("subject_id", "draw", maintain_order=True)
    for rows in track(by_reel, "Writing reels", quiet=quiet):
        subject, draw, name, player = rows.select("subject_id", "draw", "path", "player_id").row(0)
        clips = [
            (league, season, game, round(start * FPS), frames)
            for league, season, game, start, frames in rows.select(
                "league", "season", "game_id", "start_s", "frames"
            ).iter_rows()
        ]
        path = workspace.root / name
        games = {game: made_of[game] for _, _, game, _, _ in clips}
        mark = {"mark": player} if settings.mark else {}
        write_json(path, look | {"clips": clips, "games": games} | mark)
        digest = sha256(path)
        write_receipt(
            receipt_path(workspace, subject, draw),
            Receipt(digest, HERE, path.stat().st_size, digest),
        )
