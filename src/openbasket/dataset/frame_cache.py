"""Fill a cache of frames, many videos at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from openbasket.dataset.clips import Clips
from openbasket.dataset.drawing import draw_reels
from openbasket.dataset.film import SUFFIX
from openbasket.engine import run
from openbasket.errors import BadInputError, ConfigError, Problem, VideoError
from openbasket.video.cache import CachedFrames, FrameCache
from openbasket.video.frames import Sampling, spare_threads
from openbasket.video.recording import FORMATS, Format, Taking
from openbasket.wording import counted

__all__ = ["cache_folder", "cache_frames", "sampling_facts", "stated_hashes", "verified"]

MAX_FAULTS_SHOWN = 20
#: Entries of a cache that are opened to tell what it holds.
LOOKED_AT = 200


def cache_folder(root: Path, otherwise: Path | None = None) -> Path:
    """Where the frames of a dataset are cached for all runs; ``otherwise`` if nothing is cached there."""
    shared = Path(root) / "openbasket" / "frame_cache"
    return shared if otherwise is None or shared.is_dir() else otherwise


def cache_frames(
    videos: Sequence[Path],
    folder: Path,
    *,
    root: Path | None = None,
    frames: int,
    short_side: int,
    sampling: Sampling = "exact",
    format: Format = "jpeg",
    every: int = 0,
    clips: Mapping[Path, Clips] | None = None,
    within: tuple[float, float] = (0.0, 1.0),
    any_format: bool = False,
    workers: int | None = None,
    quiet: bool = False,
    failures: dict[Path, str] | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[CachedFrames]:
    """Take frames of each video, unless an earlier run did.

    Args:
        videos: the files.
        folder: where the cache lies.
        root: the dataset that they are of: where its manifest states what a video's bytes are, they are
            compared before its frames are taken, and with those that held frames were taken from.
        frames: frames taken from each video, spread evenly.
        short_side: short side of a frame, pixels.
        sampling: ``exact``, or ``keyframe``: the nearest frame that decodes by itself.
        format: ``jpeg``, or ``raw``.
        every: take every so many-th frame of a video instead of ``frames`` even ones; 0: don't.
        clips: first frame and number of frames of each clip of each video, to take ``frames`` of each clip.
        within: which part of a clip they are taken from, 0 to 1.
        any_format: use frames that are there in the other format, too.
        workers: processes; all cores by default.
        quiet: show no progress bar.
        tell: called with how many reels are in the cache, and why others are not, before these are read.
        failures: filled with what is wrong with videos, which are then left out of what is returned.

    Returns:
        The entry of each video, in their order.

    Raises:
        ConfigError: a value that is not allowed.
        VideoError: videos that are missing, not as they were made, or do not decode; all of them in one
            message. The others are kept.
        BadInputError: a damaged manifest.
    """
    taking = Taking(frames, short_side, sampling, format, every=every, within=within)
    wanted, unusable = list(dict.fromkeys(videos)), dict[Path, str]()
    takings = {}
    for video in wanted:
        try:
            takings[video] = taking if clips is None else replace(taking, clips=clips[video])
        except ConfigError as error:  # of more clips than an entry can hold frames of
            unusable[video] = str(error)
    wanted = list(takings)
    cache = FrameCache(folder)
    there = cache.folder.is_dir()
    if there:
        cache.remove_leftovers()
    held: dict[Path, CachedFrames] = {}
    if there and cache.entries():
        others = [f for f in FORMATS if any_format and f != format]
        find = partial(_find, folder=folder, others=others)
        sought = [(video, takings[video]) for video in wanted]
        for look in run(find, sought, describe="Looking for frames", workers=workers, quiet=quiet):
            if look.result is not None:
                held[look.item[0]] = look.result
    stated = {} if root is None else stated_hashes(root)
    unusable |= {
        video: fault for video, entry in held.items() if (fault := _stale(video, entry, stated))
    }
    held = {video: entry for video, entry in held.items() if video not in unusable}
    missing = [video for video in wanted if video not in held and video not in unusable]
    if tell is not None:
        tell(_told(cache, takings[wanted[0]] if wanted else taking, len(held), len(wanted)))
    drawn = [video for video in missing if video.suffix == SUFFIX]
    if drawn:
        held |= draw_reels(
            root or Path(), [(reel, takings[reel]) for reel in drawn], cache,
            stated=stated, workers=workers, quiet=quiet, failures=unusable,
        )  # fmt: skip
        missing = [video for video in missing if video.suffix != SUFFIX]
    job = partial(_add, folder=folder, threads=spare_threads(len(missing), workers))
    given = [(video, takings[video], stated.get(video.resolve())) for video in missing]
    outcomes = run(job, given, describe="Reading frames", workers=workers, quiet=quiet)
    held |= {o.item[0]: o.result for o in outcomes if o.result is not None}
    found = [*unusable.items(), *((o.item[0], o.error) for o in outcomes if o.error is not None)]
    if failures is not None:
        failures.update(found)
    elif found:
        faults = [f"{video}: {error}" for video, error in found]
        shown = "\n".join(f"  - {fault}" for fault in faults[:MAX_FAULTS_SHOWN])
        more = len(faults) - MAX_FAULTS_SHOWN
        raise VideoError(
            f"{len(faults)} of {counted(len(set(videos)), 'video')} cannot be used:\n{shown}"
            + (f"\n  - and {more} more" if more > 0 else "")
            + "\nMake or fetch them again, or take their subjects out of the split files."
        )
    return [held[video] for video in videos if video in held]


def verified(cache: FrameCache, *, workers: int | None = None, quiet: bool = False) -> list[str]:
    """Check every entry of a cache and remove those that are damaged, so that they are made again.

    Args:
        cache: the cache.
        workers: processes; all cores by default.
        quiet: show no progress bar.

    Returns:
        What was wrong.
    """
    entries = cache.entries()
    outcomes = run(_fault, entries, describe="Checking frames", workers=workers, quiet=quiet)
    faults = []
    for outcome in outcomes:
        fault = outcome.error or outcome.result
        if fault:
            outcome.item.path.unlink(missing_ok=True)
            faults.append(fault)
    return faults


def sampling_facts(entries: Sequence[CachedFrames]) -> dict[str, Any]:
    """What a run should record of the frames it sees: the sampling's name, and its largest error in seconds.

    Args:
        entries: of one taking; at least one.
    """
    taking = entries[0].recording.taking
    return {
        "sampling": taking.sampling,
        "largest_error_s": max(entry.recording.largest_error_s for entry in entries),
        **({"every": taking.every} if taking.every else {"frames": taking.frames}),
        "short_side": taking.size,
        "format": ", ".join(sorted({entry.recording.taking.format for entry in entries})),
    }


def stated_hashes(root: Path) -> dict[Path, str]:
    """SHA-256 of the videos of a dataset, as its manifest states them; none where it has no manifest.

    Raises:
        BadInputError: a damaged manifest.
    """
    path = root / "openbasket" / "manifest.json"
    if not path.exists():
        return {}
    try:
        reels = json.loads(path.read_text(encoding="utf-8")).get("reels", {})
        return {(root / reel).resolve(): str(facts["sha256"]) for reel, facts in reels.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = Problem(str(path), None, "reels", f"a damaged file ({error})", "reels by path")
        raise BadInputError([problem], "Make it again with 'openbasket build'.") from None


def _add(item: tuple[Path, Taking, str | None], *, folder: Path, threads: int) -> CachedFrames:
    video, taking, stated = item
    return FrameCache(folder).add(video, taking, stated=stated, threads=threads)


def _find(
    item: tuple[Path, Taking], *, folder: Path, others: Sequence[Format]
) -> CachedFrames | None:
    video, taking = item
    takings = (taking, *(replace(taking, format=form) for form in others))
    found = (FrameCache(folder).find(video, form) for form in takings)
    return next((entry for entry in found if entry is not None), None)


def _stale(video: Path, entry: CachedFrames, stated: Mapping[Path, str]) -> str | None:
    """What is wrong with held frames that are not of the video that the manifest states."""
    wanted = stated.get(video.resolve())
    if wanted is None:
        return None
    try:
        source = entry.recording.source
    except VideoError as error:
        return str(error)
    if source == wanted:
        return None
    return (
        f"its cached frames are of a video with SHA-256 {source}; the dataset's manifest states {wanted}. "
        "Fetch or make the video again; if it was changed on purpose: 'openbasket build'"
    )


def _told(cache: FrameCache, taking: Taking, held: int, wanted: int) -> str:
    """How many reels are in a cache, and why the others are not."""
    if not held and not cache.entries():
        return f"The frames of {counted(wanted, 'reel')} are read now and kept in '{cache.folder}'"
    text = f"{held:,} of {counted(wanted, 'reel')} from the cache in '{cache.folder}'"
    if held == wanted:
        return text
    there = set()
    for entry in cache.entries()[:LOOKED_AT]:
        with suppress(VideoError):  # a damaged one is found when it is wanted
            there.add(entry.recording.taking.told)
    why = (
        "not read before, or changed since"
        if held or taking.told in there or not there
        else f"not read before as {taking.told}; the cache has {' and '.join(sorted(there))}"
    )
    return f"{text}; the frames of {wanted - held:,} are read now and kept there ({why})"


def _fault(entry: CachedFrames) -> str | None:
    return entry.verify()
