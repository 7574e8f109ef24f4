"""What is to be shown: which subjects, which games, which events, which stretches of which videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.clock.fit import locate
from openbasket.errors import BadInputError, NotFoundError, Problem, UnknownNameError
from openbasket.reels.cut import span
from openbasket.reels.sample import sample
from openbasket.reels.settings import ReelSettings
from openbasket.workspace import Workspace

__all__ = [
    "Filmed",
    "candidates",
    "choose",
    "filmed_games",
    "located",
    "losses",
    "one_row_a_clip",
    "stretches",
    "wanted_subjects",
]

#: What names a play, and a clip, in the frames of this module.
PLAY = ["game_id", "first_event"]
CLIP = ["game_id", "clip_event", "frames"]


@dataclass(frozen=True)
class Filmed:
    """The games that have video.

    Args:
        videos: path of each game's video, as table ``games`` gives it.
        events: their events, with league and season.
        without: games that have none.
    """

    videos: Mapping[str, str]
    events: pl.DataFrame
    without: int


def wanted_subjects(workspace: Workspace, wanted: Sequence[str] | None) -> pl.DataFrame:
    """Table ``subjects``, all of it or the wanted ones.

    Raises:
        NotFoundError: no labels yet.
        UnknownNameError: a subject that is not there.
    """
    subjects = workspace.read("subjects")
    if wanted is None:
        return subjects
    known = subjects["subject_id"].sort().to_list()
    for subject in wanted:
        if subject not in known:
            near = [s for s in known if s.split("_")[0] == subject.split("_")[0]] or known[:10]
            raise UnknownNameError("subject", subject, near)
    return subjects.filter(pl.col("subject_id").is_in(list(wanted)))


def filmed_games(workspace: Workspace) -> Filmed:
    """Find the games that have video.

    Raises:
        NotFoundError: there is none.
        BadInputError: games that several leagues or seasons list, each with its video.
    """
    parts: list[pl.DataFrame] = []
    listed: list[pl.DataFrame] = []
    without = 0
    for league, season in workspace.seasons("games"):
        games = workspace.read("games", league, season)
        filmed = games.filter(pl.col("video").is_not_null())
        without += games.height - filmed.height
        if filmed.is_empty():
            continue
        listed.append(filmed)
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
    return Filmed(_one_video_each(pl.concat(listed)), pl.concat(parts), without)


def _one_video_each(games: pl.DataFrame) -> dict[str, str]:
    twice = games.filter(pl.col("game_id").is_duplicated()).sort("game_id", "league", "season")
    if twice.height:
        raise BadInputError(
            [
                Problem(
                    "table 'games'", None, "video", _listed(rows), f"one video of game '{game}'"
                )
                for (game,), rows in twice.partition_by(
                    "game_id", as_dict=True, maintain_order=True
                ).items()
            ],
            hint="Join a game's videos to one, and import it for one league and season.",
        )
    return dict(games.select("game_id", "video").rows())


def _listed(rows: pl.DataFrame) -> str:
    return " and ".join(
        f"'{row['video']}' ({row['league']}, {row['season']})" for row in rows.iter_rows(named=True)
    )


def candidates(
    events: pl.DataFrame, subjects: pl.DataFrame, settings: ReelSettings
) -> pl.DataFrame:
    """Every play that a subject's reel may show, in the seeded order.

    Returns:
        ``subject_id, position, game_id, event_id, play_id, first_event``: the subject's event, and the first
        one of the play, which all who share the play share.
    """
    ranked = sample(
        events, subjects, count=max(1, events.height), draw=settings.draw, seed=settings.seed
    )
    firsts = (
        events.sort("game_id", "order")
        .group_by("game_id", "play_id", maintain_order=True)
        .agg(pl.col("event_id").first().alias("first_event"))
    )
    return ranked.join(firsts, on=["game_id", "play_id"], maintain_order="left")


def choose(ranked: pl.DataFrame, lost: pl.DataFrame, count: int) -> pl.DataFrame:
    """The first ``count`` plays of each subject, those aside that are lost to him (rows of ``ranked``)."""
    left = ranked.join(
        lost, on=["subject_id", "game_id", "play_id"], how="anti", maintain_order="left"
    )
    return left.filter(pl.int_range(pl.len()).over("subject_id") < count)


def located(
    workspace: Workspace, events: pl.DataFrame, plays: pl.DataFrame
) -> tuple[pl.DataFrame, list[tuple[str, str, str]]]:
    """When plays are seen in their games' videos.

    Args:
        workspace: with anchors, event times or both.
        events: of the games.
        plays: ``game_id, first_event``.

    Returns:
        ``game_id, first_event, at_s``; and (game, event, reason) of those that have no time.
    """
    anchors = workspace.read_or_empty("anchors")
    times = workspace.read_or_empty("event_times")
    found: list[tuple[str, str, float]] = []
    lost: list[tuple[str, str, str]] = []
    for (game,), rows in sorted(plays.partition_by("game_id", as_dict=True).items()):
        mine = pl.col("game_id") == game
        needed = rows["first_event"].sort().to_list()
        try:
            result = locate(
                events.filter(mine).select(tables.dtypes("events").keys()),
                anchors.filter(mine),
                times.filter(mine),
            )
        except BadInputError as error:
            lost += [(str(game), event, str(error)) for event in needed]
            continue
        at = dict(result.times.select("event_id", "media_s").rows())
        refused = dict(result.refused)
        for event in needed:
            if event in at:
                found.append((str(game), event, at[event]))
            else:
                lost.append((str(game), event, refused.get(event, "no media time")))
    return pl.DataFrame(found, _TIMES, orient="row"), lost


_TIMES = {"game_id": pl.String, "first_event": pl.String, "at_s": pl.Float64}


def stretches(
    chosen: pl.DataFrame,
    times: pl.DataFrame,
    durations: Mapping[str, Fraction],
    settings: ReelSettings,
) -> pl.DataFrame:
    """The clips that show the chosen plays; with ``overlap="merge"`` a clip may show several of a subject.

    Args:
        chosen: rows of :func:`candidates`.
        times: ``game_id, first_event, at_s``; plays without a time are left out.
        durations: seconds of each game's video.
        settings: of the reels.

    Returns:
        ``chosen`` with the clip of each play: ``clip_event, at_s, until_s, frames``; ``clip_event`` is the
        first event of the clip's first play, ``at_s`` and ``until_s`` the times of its first and last one.
    """
    seen = chosen.join(times, on=PLAY, maintain_order="left")
    clips = seen.with_columns(clip_event=pl.col("first_event"), until_s=pl.col("at_s"))
    if settings.overlap == "merge":
        clips = _merged(seen, settings.clip.before_s + settings.clip.after_s)
    keys = ["game_id", "clip_event", "at_s", "until_s"]
    distinct = clips.select(keys).unique()
    frames = [
        span(at, until, settings.clip, durations[game])[1]
        for game, _, at, until in distinct.iter_rows()
    ]
    lengths = distinct.with_columns(frames=pl.Series(frames, dtype=pl.Int32))
    return clips.join(lengths, on=keys, maintain_order="left").sort("subject_id", "position")


def _merged(seen: pl.DataFrame, length_s: float) -> pl.DataFrame:
    """Give plays of one subject and game whose clips overlap the same clip."""
    mine = ["subject_id", "game_id"]
    before = pl.col("at_s").shift(1).over(mine)
    begins = (pl.col("at_s") - before >= length_s).fill_null(True)
    clip = [*mine, "group"]
    return (
        seen.sort(*mine, "at_s", "first_event")
        .with_columns(group=begins.cum_sum().over(mine))
        .with_columns(
            clip_event=pl.col("first_event").first().over(clip),
            until_s=pl.col("at_s").max().over(clip),
            at_s=pl.col("at_s").min().over(clip),
        )
        .drop("group")
    )


def one_row_a_clip(shown: pl.DataFrame) -> pl.DataFrame:
    """Of plays that share a clip in a reel, keep the first of the clip, at the place of the first drawn."""
    clip = ["subject_id", *CLIP]
    return (
        shown.with_columns(position=pl.col("position").min().over(clip))
        .sort("subject_id", "position", pl.col("first_event") != pl.col("clip_event"))
        .unique(clip, keep="first", maintain_order=True)
    )


def losses(ranked: pl.DataFrame, plays: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """Rows of ``ranked`` whose play (game, first event) is lost to everybody."""
    schema = dict.fromkeys(PLAY, pl.String)
    gone = pl.DataFrame([play[:2] for play in plays], schema, orient="row").unique()
    return ranked.join(gone, on=PLAY, how="semi")
