"""Whether a dataset on disk is what its tables and CSVs say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from openbasket import tables
from openbasket.dataset.film import SUFFIX, read_reel
from openbasket.dataset.reader import SPLIT_FILES, has_split, read_split
from openbasket.errors import BadInputError, NotFoundError, VideoError
from openbasket.progress import track
from openbasket.receipts import read_receipt, receipt_path
from openbasket.video.integrity import faults as damage
from openbasket.video.probe import probe
from openbasket.video.write import FPS, HEIGHT, WIDTH
from openbasket.wording import counted
from openbasket.workspace import Workspace, reel_folder, sha256

__all__ = ["VerifyReport", "verify"]


@dataclass(frozen=True)
class VerifyReport:
    """What was found.

    Args:
        rows: CSV rows read.
        videos: reels looked at.
        decoded: reels decoded whole (``deep``).
        faults: (what, fault), none if all is well.
        draw: whose reels were looked at.
        other_draws: draws that have reels, too.
    """

    rows: int
    videos: int
    decoded: int
    faults: list[tuple[str, str]]
    draw: int
    other_draws: list[int]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "rows": self.rows,
            "videos": self.videos,
            "decoded": self.decoded,
            "draw": self.draw,
            "other_draws": self.other_draws,
            "faults": [{"what": what, "fault": fault} for what, fault in self.faults],
        }


def verify(
    workspace: Workspace, *, draw: int = 0, deep: bool = False, quiet: bool = False
) -> VerifyReport:
    """Read every CSV; look at every reel: 704x400, 30 FPS, H.264, frames as table ``reels`` says.

    Where there are events, those that a reel shows are there, and its player's.

    Reels of other draws are in no CSV and no manifest; they are compared with what was noted when they
    were made.

    Works on the official download, too, where there is no table and no manifest to compare with.

    Args:
        workspace: the dataset.
        draw: whose reels are looked at; 0 is the dataset.
        deep: decode every reel and compare its hash with the manifest.
        quiet: show no progress bar.

    Raises:
        NotFoundError: a draw beyond the first that has no reels.
    """
    table = workspace.read("reels") if workspace.has("reels") else tables.empty("reels")
    draws = sorted(set(table["draw"]))
    mine = table.filter(pl.col("draw") == draw)
    if draw and mine.is_empty():
        raise NotFoundError(
            f"there are no reels of draw {draw} (of {', '.join(map(str, draws)) or 'no draw'} there are). "
            f"Make them with 'openbasket reels --draw {draw}'"
        )
    faults: list[tuple[str, str]] = []
    rows, listed, manifest = _noted(workspace, mine) if draw else _written(workspace, faults)
    expected = dict(mine.group_by("path").agg(pl.col("frames").sum()).rows())
    paths = sorted(listed | set(expected))
    for path in track(paths, "verifying reels", quiet=quiet):
        faults += [
            (path, fault)
            for fault in _faults(workspace, path, expected.get(path), manifest.get(path), deep)
        ]
    faults += _other_events(workspace, mine)
    on_disk = {
        file.relative_to(workspace.root).as_posix()
        for file in (workspace.root / reel_folder(draw)).rglob("*")
        if file.suffix in (".mp4", SUFFIX)
    }
    if expected:
        faults += [(path, "a reel that no table knows") for path in sorted(on_disk - set(expected))]
    others = [other for other in draws if other != draw]
    return VerifyReport(rows, len(paths), len(paths) if deep else 0, faults, draw, others)


def _noted(
    workspace: Workspace, reels: pl.DataFrame
) -> tuple[int, set[str], dict[str, dict[str, Any]]]:
    """What the receipts of reels say, as a manifest would; there are no CSVs of them."""
    noted = {}
    for path, subject, draw in reels.select("path", "subject_id", "draw").unique().iter_rows():
        receipt = read_receipt(receipt_path(workspace, subject, draw))
        if receipt is not None:
            noted[path] = {"bytes": receipt.size, "sha256": receipt.sha256}
    return 0, set(), noted


def _written(
    workspace: Workspace, faults: list[tuple[str, str]]
) -> tuple[int, set[str], dict[str, dict[str, Any]]]:
    """Rows and paths of the CSVs, and the manifest; what is wrong with them is added to the faults."""
    rows = 0
    listed: set[str] = set()
    levels = 5
    manifest: dict[str, Any] = {}
    if (workspace.private / "manifest.json").exists():
        try:
            content = workspace.read_json("manifest.json")
            levels, manifest = int(content["levels"]), dict(content["reels"])
        except (ValueError, KeyError, TypeError) as error:
            faults.append(("openbasket/manifest.json", f"damaged ({error}); build it again"))
    splits = [split for split in SPLIT_FILES if has_split(workspace.root, split)]
    if not splits:
        faults.append((str(workspace.official_labels), "no CSV of the official layout is there"))
    for split in splits:
        try:
            samples = read_split(workspace.root, split, levels=levels, require_videos=False)
        except BadInputError as error:
            faults += [(SPLIT_FILES[split], str(problem)) for problem in error.problems]
            continue
        rows += len(samples)
        for sample in samples:
            if sample.path in listed:
                faults.append((sample.path, f"listed in '{split}' and in another split"))
            listed.add(sample.path)
    return rows, listed, manifest


def _faults(
    workspace: Workspace, path: str, frames: int | None, known: dict[str, Any] | None, deep: bool
) -> list[str]:
    file = workspace.root / path  # an absolute path stays what it is
    if not file.is_file():
        return ["the file is missing"]
    if known is not None and file.stat().st_size != known["bytes"]:
        return [f"{file.stat().st_size:,} bytes; the manifest says {known['bytes']:,}"]
    if deep and known is not None and sha256(file) != known["sha256"]:
        return ["the bytes are not those of the manifest", *damage(file, "packets")]
    if file.suffix == SUFFIX:
        return _drawn_faults(file, frames)
    found = damage(file, "frames" if deep else "index")
    try:
        info = probe(file)
    except VideoError:
        return found
    told = (f"{info.width}x{info.height}", f"{info.fps} FPS", info.codec)
    wanted = (f"{WIDTH}x{HEIGHT}", f"{FPS} FPS", "h264")
    found += [
        f"{is_}; the layout asks for {want}"
        for is_, want in zip(told, wanted, strict=True)
        if is_ != want
    ]
    if frames is not None and info.frames != frames:
        found.append(f"{info.frames} frames; table 'reels' says {frames}")
    return found


def _other_events(workspace: Workspace, reels: pl.DataFrame) -> list[tuple[str, str]]:
    """Reels that show events that are no longer there, or those of somebody else; none without events."""
    seasons = workspace.seasons("events")
    if reels.is_empty() or not seasons:
        return []
    keys = ["league", "season", "game_id", "event_id", "player_id"]
    try:
        events = pl.concat(
            workspace.read("events", league, season)
            .with_columns(league=pl.lit(league), season=pl.lit(season))
            .select(keys)
            for league, season in seasons
        )
        subjects = workspace.read("subjects").select("subject_id", "player_id", "league", "season")
    except (BadInputError, NotFoundError) as error:
        return [("events of reels", str(error))]
    shown = reels.join(subjects, on="subject_id", how="left")
    other = shown.join(events, on=keys, how="anti").group_by("path").len("other")
    told = shown.group_by("path").agg(
        clips=pl.len(), known=pl.col("player_id").first().is_not_null()
    )
    return [
        (
            path,
            f"{number} of {counted(clips, 'clip')} show events that table 'events' has not, or has of "
            "somebody else. Was it imported anew since? Make the reels again"
            if known
            else "table 'subjects' does not have its player-season. Was it made anew since? Make the reels "
            "again",
        )
        for path, number, clips, known in other.join(told, on="path").sort("path").rows()
    ]


def _drawn_faults(file: Path, frames: int | None) -> list[str]:
    """What is wrong with a reel that is drawn when it is read."""
    try:
        reel = read_reel(file)
    except VideoError as error:
        return [str(error)]
    if frames is not None and len(reel) != frames:
        return [f"{len(reel)} frames; table 'reels' says {frames}"]
    return []
