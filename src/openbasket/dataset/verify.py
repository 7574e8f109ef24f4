"""Whether a dataset on disk is what its tables and CSVs say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from openbasket.dataset.reader import SPLIT_FILES, has_split, read_split
from openbasket.errors import BadInputError, VideoError
from openbasket.progress import track
from openbasket.video.integrity import faults as damage
from openbasket.video.probe import probe
from openbasket.video.write import FPS, HEIGHT, WIDTH
from openbasket.workspace import Workspace, sha256

__all__ = ["VerifyReport", "verify"]


@dataclass(frozen=True)
class VerifyReport:
    """What was found.

    Args:
        rows: CSV rows read.
        videos: reels looked at.
        decoded: reels decoded whole (``deep``).
        faults: (what, fault), none if all is well.
    """

    rows: int
    videos: int
    decoded: int
    faults: list[tuple[str, str]]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "rows": self.rows,
            "videos": self.videos,
            "decoded": self.decoded,
            "faults": [{"what": what, "fault": fault} for what, fault in self.faults],
        }


def verify(workspace: Workspace, *, deep: bool = False, quiet: bool = False) -> VerifyReport:
    """Read every CSV; look at every reel: 704x400, 30 FPS, H.264, frames as table ``reels`` says.

    Works on the official download, too, where there is no table and no manifest to compare with.

    Args:
        workspace: the dataset.
        deep: decode every reel and compare its hash with the manifest.
        quiet: show no progress bar.
    """
    faults: list[tuple[str, str]] = []
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
    expected: dict[str, int] = {}
    if workspace.has("reels"):
        table = workspace.read("reels").filter(pl.col("draw") == 0)
        expected = dict(table.group_by("path").agg(pl.col("frames").sum()).rows())
    paths = sorted(listed | set(expected))
    for path in track(paths, "verifying reels", quiet=quiet):
        faults += [
            (path, fault)
            for fault in _faults(workspace, path, expected.get(path), manifest.get(path), deep)
        ]
    on_disk = {
        file.relative_to(workspace.root).as_posix() for file in workspace.reels.rglob("*.mp4")
    }
    if expected:
        faults += [(path, "a reel that no table knows") for path in sorted(on_disk - set(expected))]
    return VerifyReport(rows, len(paths), len(paths) if deep else 0, faults)


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
