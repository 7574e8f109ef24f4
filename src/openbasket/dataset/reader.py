"""Read the official layout: the official BASKET download, or a dataset that openbasket built."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from openbasket.errors import (
    BadInputError,
    NotFoundError,
    Problem,
    UnknownNameError,
    WorkspaceError,
)
from openbasket.skills import OFFICIAL_ORDER, SKILLS, Skill, official_level
from openbasket.splits.persons import person_key
from openbasket.workspace import Workspace, reel_folder, safe_join

__all__ = [
    "SPLIT_FILES",
    "TEST_SPLITS",
    "Sample",
    "dataset_levels",
    "has_split",
    "hash_labels",
    "labels_hash",
    "read_split",
    "read_splits",
    "test_splits",
]

#: Where each split's CSV lies below the root.
SPLIT_FILES: dict[str, str] = {
    "train": "BASKET_Labels/BASKET/train.csv",
    "val": "BASKET_Labels/BASKET/val.csv",
    "test": "BASKET_Labels/BASKET/test.csv",
    "cross_season": "BASKET_Labels/cross_season/test.csv",
    "cross_league": "BASKET_Labels/cross_league/test.csv",
    "cross_season_and_league": "BASKET_Labels/cross_season_and_league/test.csv",
}
#: The splits that models are not chosen by.
TEST_SPLITS = tuple(name for name in SPLIT_FILES if name not in ("train", "val"))


@dataclass(frozen=True, slots=True)
class Sample:
    """A reel and its labels.

    Args:
        subject_id: ``<player>_<league>_<yy>_<yy>``, from the path.
        player_id: file name without the season; of spellings that differ by case or blanks alone, the first
            in the split.
        league: folder of the reel.
        season: folder above, such as ``21-22``.
        path: as the CSV gives it.
        video: the file.
        levels: 20 levels in the order of ``skills.SKILLS``, 0 poor to 4 excellent, also for
            Defensive Consistency; ``None`` where there is no label.
    """

    subject_id: str
    player_id: str
    league: str
    season: str
    path: str
    video: Path
    levels: tuple[int | None, ...]


def has_split(root: Path, split: str) -> bool:
    """Whether the dataset has this split's CSV.

    Raises:
        NotFoundError: there is no such folder.
    """
    return (_there(root) / _file(split)).exists()


def test_splits(root: Path) -> list[str]:
    """Those of :data:`TEST_SPLITS` that a dataset has and that have subjects.

    Raises:
        NotFoundError: there is no such folder.
        BadInputError: bad rows in a split's CSV.
    """
    return [
        name
        for name in TEST_SPLITS
        if has_split(root, name) and read_split(root, name, require_videos=False)
    ]


def dataset_levels(root: Path) -> int:
    """Number of levels of a dataset: its manifest says, the official download has five.

    Raises:
        BadInputError: the manifest is damaged.
    """
    path = Path(root) / "openbasket" / "manifest.json"
    if not path.exists():
        return 5
    try:
        return int(Workspace(root).read_json("manifest.json")["levels"])
    except (ValueError, KeyError, TypeError) as error:
        problem = Problem(str(path), None, "levels", f"a damaged file ({error})", "a whole number")
        raise BadInputError([problem], "Make it again with 'openbasket build'.") from None


def labels_hash(samples: Sequence[Sample], levels: int) -> str:
    """SHA-256 of who is in a split and which labels they have, in whatever order."""
    return hash_labels(((s.subject_id, s.levels) for s in samples), levels)


def hash_labels(rows: Iterable[tuple[str, tuple[int | None, ...]]], levels: int) -> str:
    """SHA-256 of subjects and their 20 levels, in whatever order; ``None`` where there is no label."""
    lines = sorted(f"{subject} {labels}" for subject, labels in rows)
    return hashlib.sha256("\n".join([str(levels), *lines]).encode()).hexdigest()


def read_splits(root: Path, *, draw: int = 0) -> Iterator[tuple[str, list[Sample]]]:
    """Read the CSVs of all splits that a dataset has, one by one, whether the videos are there or not.

    Args:
        root: the dataset.
        draw: as of :func:`read_split`.

    Raises:
        NotFoundError: there is no such folder.
        BadInputError: bad rows, once their split is read.
    """
    for split in SPLIT_FILES:
        if has_split(root, split):
            yield split, read_split(root, split, require_videos=False, draw=draw)


def read_split(
    root: Path,
    split: str,
    *,
    levels: int | None = None,
    require_videos: bool = True,
    draw: int = 0,
) -> list[Sample]:
    """Read one split's CSV.

    Columns are found by their header names (case and punctuation do not matter), whatever their
    order; where the header names no skill, they are taken in the official order. Empty cells are
    missing labels. Paths are relative to the root, or absolute.

    Args:
        root: the dataset.
        split: one of :data:`SPLIT_FILES`.
        levels: number of levels that the labels may have; by default those of :func:`dataset_levels`. A
            column that the official files reverse would else be turned round wrongly.
        require_videos: refuse rows whose reel is not there.
        draw: which draw of the reels the videos are of (``openbasket reels --draw``); ``path`` and all else
            stay as the CSV says.

    Raises:
        UnknownNameError: no such split.
        NotFoundError: there is no such folder, or it has no such CSV.
        BadInputError: every bad row: wrong number of columns, labels outside the scale, reels that are
            missing or listed twice.
    """
    root = _there(root)
    file = root / _file(split)
    if not file.exists():
        raise NotFoundError(
            f"'{file}' is not there. A dataset in the official layout has it; "
            "'openbasket build' writes it for a workspace"
        )
    levels = dataset_levels(root) if levels is None else levels
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            rows = list(csv.reader(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(
            [Problem(str(file), None, None, f"no readable CSV ({error})", "a CSV in UTF-8")]
        ) from None
    if not rows:
        raise BadInputError(
            [Problem(str(file), None, None, "an empty file", "a header line and rows")]
        )
    order = _columns(file, rows[0])
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    spelled: dict[str, str] = {}
    samples = []
    for number, row in enumerate(rows[1:]):
        if not row:
            continue
        if len(row) != len(order) + 1:
            given = f"{len(row)} columns"
            problems.append(
                Problem(str(file), number, None, given, f"{len(order) + 1}: path and 20 labels")
            )
            continue
        path = row[0].strip()
        if path in seen:
            problems.append(
                Problem(
                    str(file), number, "path", repr(path), f"each reel once (also row {seen[path]})"
                )
            )
        seen[path] = number
        try:
            shown = _of_draw(path, draw)
            video = Path(shown) if Path(shown).is_absolute() else safe_join(root, shown)
        except WorkspaceError as error:
            problems.append(Problem(str(file), number, "path", repr(path), str(error)))
            continue
        if require_videos and not video.is_file():
            problems.append(
                Problem(str(file), number, "path", repr(shown), "a video that is there")
            )
        found: dict[str, int | None] = {}
        for skill, cell in zip(order, row[1:], strict=True):
            try:
                found[skill.key] = _level(skill, cell, levels)
            except ValueError:
                allowed = f"a whole number from 0 to {levels - 1}, or nothing"
                problems.append(Problem(str(file), number, skill.name, repr(cell), allowed))
        if len(found) == len(order):
            sample = _sample(path, video, tuple(found[s.key] for s in SKILLS))
            one = spelled.setdefault(person_key(sample.player_id), sample.player_id)
            samples.append(replace(sample, player_id=one))
    if problems:
        raise BadInputError(problems, "Rows count from 0, the header line not included.")
    return samples


def _there(root: Path) -> Path:
    """The folder of a dataset."""
    root = Path(root)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise NotFoundError(
            f"the dataset's folder '{root}' {what}. Give the one that holds BASKET and BASKET_Labels: a "
            "workspace of 'openbasket build', or the official download"
        )
    return root


def _of_draw(path: str, draw: int) -> str:
    """The path of the same subject's reel of another draw: its own folder instead of ``BASKET``."""
    if draw == 0:
        return path
    parts = list(Path(path).parts)
    if len(parts) < 4 or parts[-4] != reel_folder(0):
        raise WorkspaceError(f"draw {draw}: paths like '{reel_folder(0)}/<season>/<league>/<reel>'")
    parts[-4] = reel_folder(draw)
    return str(Path(*parts))


def _file(split: str) -> str:
    if split not in SPLIT_FILES:
        raise UnknownNameError("split", split, tuple(SPLIT_FILES))
    return SPLIT_FILES[split]


def _columns(file: Path, header: Sequence[str]) -> list[Skill]:
    """Which skill each label column is."""
    plain = {_plain(name): s for s in SKILLS for name in (s.name, s.key)}
    named = [plain.get(_plain(cell)) for cell in header[1:]]
    if len(header) != len(SKILLS) + 1:
        given, allowed = f"{len(header)} columns", f"{len(SKILLS) + 1}: path and 20 labels"
        raise BadInputError([Problem(str(file), None, "header", given, allowed)])
    if not any(named):
        return list(OFFICIAL_ORDER)
    problems = [
        Problem(
            str(file),
            None,
            "header",
            repr(cell),
            "a skill: " + ", ".join(s.name for s in OFFICIAL_ORDER),
        )
        for cell, skill in zip(header[1:], named, strict=True)
        if skill is None
    ]
    found = [s for s in named if s is not None]
    problems += [
        Problem(str(file), None, "header", f"'{s.name}' {found.count(s)} times", "each skill once")
        for s in SKILLS
        if found.count(s) > 1
    ]
    if problems:
        raise BadInputError(problems)
    return found


def _level(skill: Skill, cell: str, levels: int) -> int | None:
    cell = cell.strip()
    if not cell:
        return None
    level = int(cell)
    if not 0 <= level < levels:
        raise ValueError(cell)
    return official_level(skill, level, levels)


def _sample(path: str, video: Path, levels: tuple[int | None, ...]) -> Sample:
    """Take person, league and season from ``.../<season>/<league>/<player>_<yy>_<yy>.mp4``."""
    parts = Path(path).parts
    stem = Path(path).stem
    player, years = (stem[:-6], stem[-5:]) if stem[-6:-5] == "_" else (stem, "")
    league = parts[-2] if len(parts) >= 2 else ""
    season = parts[-3] if len(parts) >= 3 else years.replace("_", "-")
    return Sample(
        f"{player}_{league}_{season.replace('-', '_')}", player, league, season, path, video, levels
    )


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
