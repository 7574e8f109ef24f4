"""That participants are shown the players that were drawn, and that nothing names them.

Pictures are not looked at: a scoreboard may still name a team.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select

from openbasket.dataset.reader import labels_hash
from openbasket.errors import BadInputError, OpenBasketError, Problem, VideoError
from openbasket.skills import SKILL_KEYS
from openbasket.study.database import Database
from openbasket.study.design import StudyDesign, labelled
from openbasket.study.models import Meta, PoolPlayer
from openbasket.video.probe import open_video, probe
from openbasket.video.seal import ends_hash
from openbasket.workspace import Workspace, safe_join

__all__ = ["check", "refuse_names", "refuse_tags"]

#: What encoders write into a video by themselves.
_TAGS = {
    "compatible_brands", "creation_time", "duration", "encoder", "handler_name", "language",
    "major_brand", "minor_version", "rotate", "vendor_id",
}  # fmt: skip
_STRIP = "ffmpeg -i OLD.mp4 -map 0:v -map 0:a? -map_metadata -1 -map_chapters -1 -c copy NEW.mp4"
#: So much of a video's beginning and end goes into its fingerprint, in bytes.
_PART = 1 << 20


def check(database: Database, design: StudyDesign, root: Path, file: Path) -> None:
    """Compare the dataset with what was drawn; the first time, note what the videos and labels are.

    Args:
        database: with the players that were drawn.
        design: the study.
        root: its dataset.
        file: the study file, for messages.

    Raises:
        BadInputError: all that differs: labels, videos; all texts that name the league or a player.
        OpenBasketError: the dataset cannot be read.
    """
    with database.read() as session:
        players = list(session.scalars(select(PoolPlayer).order_by(PoolPlayer.subject_id)))
    refuse_names(design, root, [player.subject_id for player in players], file)
    samples, where = labelled(design, root)
    levels = {s.subject_id: dict(zip(SKILL_KEYS, s.levels, strict=True)) for s in samples}
    problems = [
        Problem(where, None, player.subject_id, told, "as when players were drawn")
        for player in players
        for told in _changed_levels(player, levels.get(player.subject_id))
    ]
    known, now = database.meta("labels"), labels_hash(samples, design.levels)
    if known not in (None, now) and not problems:
        given = f"other labels of split '{design.split}'"
        problems.append(Problem(where, None, "labels", given, "those that players were drawn from"))
    prints = {}
    for player in players:
        try:
            prints[player.subject_id] = _same_video(player, root)
        except OpenBasketError as error:
            given = f"video '{player.video}': {error}"
            problems.append(Problem(str(file), None, "dataset", given, "the video that was drawn"))
    if problems:
        raise BadInputError(
            problems,
            f"Put labels and videos back into '{root}', or begin a new study file with a database of "
            "its own: what was rated must stay what is scored.",
        )
    if known is None or any(player.fingerprint is None for player in players):
        with database.write() as session:
            session.merge(Meta(key="labels", value=now))
            for player in players:
                kept = session.get_one(PoolPlayer, player.subject_id)
                kept.size, kept.fingerprint = prints[player.subject_id]


def _changed_levels(player: PoolPlayer, now: dict[str, int | None] | None) -> Iterable[str]:
    if now is None:
        yield "no such player any more"
        return
    for skill, level in json.loads(player.levels).items():
        if now[skill] != level:
            yield f"{skill}: level {'none' if now[skill] is None else now[skill]}, was {level}"


def _same_video(player: PoolPlayer, root: Path) -> tuple[int, str]:
    """Size and fingerprint of a player's video.

    Raises:
        VideoError: it is gone, another, or has tags that may name the player.
    """
    path = safe_join(root, player.video)
    if not path.is_file():
        raise VideoError("there is no such video")
    size, found = ends_hash(path, _PART)
    if player.fingerprint is None:
        duration = float(probe(path).duration_s)
        if abs(duration - player.duration_s) > 0.1:
            raise VideoError(f"it lasts {duration:.1f} s, was {player.duration_s:.1f} s")
        refuse_tags(path)
    elif size != player.size:
        raise VideoError(f"it has {size} bytes, had {player.size}")
    elif found != player.fingerprint:
        raise VideoError("its content is another")
    return size, found


def refuse_tags(path: Path) -> None:
    """Refuse a video whose tags may say who is shown; browsers would be sent them.

    Raises:
        VideoError: tags that encoders do not write by themselves, chapters, subtitles, attachments.
    """
    with open_video(path, decodes=False) as (container, _):
        tags = [container.metadata, *(stream.metadata for stream in container.streams)]
        found = {key for part in tags for key in part if key.casefold() not in _TAGS}
        handlers = {part["handler_name"] for part in tags if "handler_name" in part}
        found |= {f"handler_name={name}" for name in handlers if "handler" not in name.casefold()}
        found |= {s.type for s in container.streams if s.type not in ("video", "audio")}
        if container.chapters():
            found.add("chapters")
    if found:
        raise VideoError(
            f"'{path}' has tags that may name the player: {', '.join(sorted(found))}. Take them off: {_STRIP}"
        )


def refuse_names(design: StudyDesign, root: Path, subjects: Iterable[str], file: Path) -> None:
    """Refuse texts of a study that name its league or one of its players.

    Args:
        design: with the texts.
        root: the dataset; where it has a table of players, their names are looked for, too.
        subjects: those that can be drawn.
        file: the study file, for messages.

    Raises:
        BadInputError: all texts that do.
    """
    tail = f"_{design.league}_{design.season.replace('-', '_')}"
    ids = {subject.removesuffix(tail) for subject in subjects}
    names = {design.league, *ids}
    workspace = Workspace(root)
    if workspace.has("players"):
        table = workspace.read("players").select("player_id", "name")
        names |= {name for player, name in table.iter_rows() if player in ids and name}
    wanted = {_words(name): name for name in names if _telling(_words(name))}
    texts = {
        "title": design.title,
        "contact": design.contact,
        **{f"consent {n}": text for n, text in enumerate(design.consent, 1)},
        **{f"groups {n}": group.name for n, group in enumerate(design.groups, 1)},
    }
    problems = [
        Problem(str(file), None, place, f"a text with '{name}'", "no name of league or player")
        for place, text in texts.items()
        for plain, name in sorted(wanted.items())
        if f" {plain} " in f" {_words(text)} "
    ]
    if problems:
        raise BadInputError(problems, "Participants must not be told who or which league they see.")


def _words(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def _telling(words: str) -> bool:
    """Whether this can be told from a word or number that any text may have."""
    return len(words) >= (4 if words.replace(" ", "").isdigit() else 3)
