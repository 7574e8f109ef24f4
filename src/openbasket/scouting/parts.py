"""The parts of a video that no dataset knows, and what is told while a video is read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from openbasket.errors import VideoError
from openbasket.progress import status
from openbasket.scouting.evidence import Segment, between, segments
from openbasket.video.cuts import find_cuts
from openbasket.wording import counted

__all__ = ["each_tenth", "parts_of"]

#: Seconds of a clip where nobody knows, as in the paper.
LENGTH_S = 10.0


def parts_of(
    video: Path, duration_s: float, clip_s: float | None, looks: bool, quiet: bool
) -> tuple[tuple[Segment, ...], str]:
    """The parts of a video that no dataset knows, and a note on how they were found.

    Args:
        video: the file.
        duration_s: of it, seconds.
        clip_s: seconds of a part; ``None``: told by the cuts, where there are any.
        looks: whether to look for cuts, which decodes the whole video.
        quiet: show no progress.
    """
    length_s = LENGTH_S if clip_s is None else clip_s
    if clip_s is None and looks:
        with status("looking for cuts", quiet=quiet) as tell:

            def told(number: int) -> None:
                if number % 500 == 499:
                    tell(f"looking for cuts: {number + 1:,} frames")

            cuts: tuple[float, ...] = ()
            # The frames that the model sees may be whole all the same; reading them will tell.
            with suppress(VideoError):
                cuts = find_cuts(video, on_frame=told).seconds
        if cuts:
            note = (
                f"Its parts were told by {counted(len(cuts), 'cut')} in the pictures; a clip with several "
                "views is several parts."
            )
            return tuple(between(cuts, duration_s, length_s)), note
    note = (
        f"The video was divided into parts of {length_s:g} s; these may hold pieces of two plays."
    )
    return tuple(segments(duration_s, length_s)), note


def each_tenth(tell: Callable[[str], None], text: str) -> Callable[[int, int], None]:
    """Tell of every tenth of the frames that are read."""

    def told(done: int, count: int) -> None:
        if 10 * done // count > 10 * (done - 1) // count:
            tell(f"{text}: {done}/{count} frames")

    return told
