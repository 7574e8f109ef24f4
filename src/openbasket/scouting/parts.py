"""What a model sees of a video: its parts, and what it says of some of them; and what is told meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from openbasket.progress import bar, status
from openbasket.scouting.evidence import RateShown, Segment, pool_size, showing
from openbasket.training.config import DataConfig
from openbasket.training.data import even_clips
from openbasket.training.rating import Rater
from openbasket.video.cuts import LENGTH_S, Part, find_parts
from openbasket.video.frames import frames_at, spare_threads
from openbasket.wording import counted

__all__ = ["each_tenth", "parts_of", "seen_of", "shower", "told_of_halves"]


def parts_of(video: Path, clip_s: float | None, looks: bool, quiet: bool) -> tuple[list[Part], str]:
    """The parts of a video that no dataset knows, and a note on how they were found.

    Args:
        video: the file.
        clip_s: seconds of a part; ``None``: told by the cuts, where there are any.
        looks: whether to look for cuts, which decodes the whole video.
        quiet: show no progress.
    """
    length_s = LENGTH_S if clip_s is None else clip_s
    cuts = 0
    if clip_s is None and looks:
        with status("looking for cuts", quiet=quiet) as tell:

            def told(number: int) -> None:
                if number % 500 == 499:
                    tell(f"looking for cuts: {number + 1:,} frames")

            parts, cuts = find_parts(video, length_s, on_frame=told)
    else:
        parts, _ = find_parts(video, length_s, looks=False)
    if cuts:
        return parts, (
            f"Its parts were told by {counted(cuts, 'cut')} in the pictures; a clip with several views is "
            "several parts."
        )
    return parts, (
        f"The video was divided into parts of {length_s:g} s; these may hold pieces of two plays."
    )


def each_tenth(tell: Callable[[str], None], text: str) -> Callable[[int, int], None]:
    """Tell of every tenth of the frames that are read."""

    def told(done: int, count: int) -> None:
        if 10 * done // count > 10 * (done - 1) // count:
            tell(f"{text}: {done}/{count} frames")

    return told


@contextmanager
def told_of_halves(halves: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how many halves of a reel the model has seen; yields a function of how many more."""
    done = 0
    with bar("Evidence", halves, quiet=quiet) as advance:

        def told(count: int) -> None:
            nonlocal done
            done += count
            advance(count, f"{done}/{max(halves, done)} halves")

        yield told


def seen_of(data: DataConfig, clips: Sequence[tuple[int, int]]) -> list[int]:
    """Numbers of the parts of a video that a model sees.

    Args:
        data: what it takes.
        clips: first frame and number of frames of each part.
    """
    if data.sampling != "clips":
        return list(range(len(clips)))
    there = [i for i, (_, frames) in enumerate(clips) if frames > 0]
    return [there[i] for i in even_clips(len(there), data.clips)]


def shower(rater: Rater, video: Path, clips: Sequence[Segment], quiet: bool) -> RateShown | None:
    """What a model of uniform frames says where some of a video's clips are shown; ``None`` for other models.

    Args:
        rater: the model.
        video: the file; its frames are read again, more of each clip.
        clips: that the model sees.
        quiet: show no progress.
    """
    data = rater.recipe.data
    if data.sampling != "uniform":
        return None
    held = pool_size(data.frames, len(clips))
    moments = [
        s.start_s + (s.end_s - s.start_s) * (i + 0.5) / held for s in clips for i in range(held)
    ]
    with status("reading its clips", quiet=quiet) as tell:
        pool = frames_at(
            video, moments, data.short_side, sampling=data.reader, threads=spare_threads(1),
            on_frames=each_tenth(tell, "reading its clips"),
        ).pixels  # fmt: skip
    return showing(
        rater.rate, [pool[i * held : (i + 1) * held] for i in range(len(clips))], data.frames
    )
