"""Cut clips out of game videos into a store, each distinct clip once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from openbasket.errors import ConfigError, VideoError
from openbasket.reels.footage import Footage
from openbasket.storage import Folder, Place, stamp
from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.write import FPS, HEIGHT, WIDTH

__all__ = [
    "ClipRow",
    "ClipSettings",
    "CutJob",
    "CutResult",
    "Wanted",
    "clip_name",
    "clips_of",
    "cut_game",
    "span",
]


#: Of the way clips are cut: another one gives other pictures from the same source.
_VERSION = 3


@dataclass(frozen=True)
class ClipSettings:
    """How clips are cut.

    Args:
        before_s: seconds shown before the play's first event.
        after_s: seconds shown after it. With the defaults a clip lasts 10 s, more of it before.
        crf: x264 constant rate factor.
        preset: x264 preset of what is encoded whole; see :class:`openbasket.video.source.Encoding`.
        gop: frames between key frames; short ones make reading of single frames cheap.
        sound: keep it (AAC, 48 kHz stereo).
        copy: copy whole groups of pictures out of sources that have a clip's size, rate and codec.
    """

    before_s: float = 6.0
    after_s: float = 4.0
    crf: int = 23
    preset: str = "veryfast"
    gop: int = 30
    sound: bool = True
    copy: bool = True

    def __post_init__(self) -> None:
        if self.before_s < 0 or self.after_s <= 0 or self.before_s + self.after_s > 120:
            raise ConfigError(
                f"clip of {self.before_s} s before and {self.after_s} s after the event; allowed: from 0 s "
                "before, more than 0 s after, 120 s in all"
            )

    def encoding(self, *, check: bool = True) -> Encoding:
        """What concerns the encoder."""
        return Encoding(self.crf, self.preset, self.gop, self.sound, self.copy, check)


@dataclass(frozen=True)
class Wanted:
    """A play that some reel shows, or several that follow each other.

    Args:
        event_id: the play's first event.
        at_s: media time of that event.
        until_s: media time of the last play's first event, where the clip shows several.
    """

    event_id: str
    at_s: float
    until_s: float | None = None


#: A row of table ``clips``.
ClipRow = tuple[str, str, str, float, float, int]


@dataclass(frozen=True)
class CutJob:
    """All clips of one game.

    Args:
        game_id: the game.
        source: its video.
        footage: what that is.
        store: where clips are kept.
        wanted: the plays, in order of their media times.
        settings: of the clips.
        check: decode what is copied.
    """

    game_id: str
    source: Place
    footage: Footage
    store: Folder
    wanted: tuple[Wanted, ...]
    settings: ClipSettings
    check: bool


@dataclass(frozen=True)
class CutResult:
    """What came of a job.

    Args:
        clips: rows of table ``clips``.
        failures: (event, reason) of clips that could not be cut.
        encoded: files that were written; plays may share one.
    """

    clips: list[ClipRow]
    failures: list[tuple[str, str]]
    encoded: int


def clip_name(clip_id: str) -> str:
    """Where a clip lies in the store."""
    return f"{clip_id[:2]}/{clip_id}.mp4"


def clips_of(job: CutJob) -> list[tuple[Span, ClipRow]]:
    """The clip of each play: (where in the store and which part of the video, row of table ``clips``)."""
    clips: list[tuple[Span, ClipRow]] = []
    for wanted in job.wanted:
        start, frames = span(wanted.at_s, wanted.until_s, job.settings, job.footage.duration_s)
        clip_id = _clip_id(job, start, frames)
        end_s = float(start + frames / FPS)
        row = (clip_id, job.game_id, wanted.event_id, float(start), end_s, frames)
        clips.append((Span(Path(clip_name(clip_id)), start, frames), row))
    return clips


def cut_game(job: CutJob) -> CutResult:
    """Cut clips of a game in one forward pass through its video.

    A stretch that does not decode costs only its own clip.

    Raises:
        VideoError: the video cannot be opened at all, or is not the one that was looked at.
    """
    clips: list[ClipRow] = []
    failures: list[tuple[str, str]] = []
    rows: dict[Span, list[ClipRow]] = {}
    for span, row in clips_of(job):
        rows.setdefault(span, []).append(row)
    encoded = 0
    with job.store.staged() as folder:
        staged = {folder / span.path: span for span in rows}
        spans = [Span(path, span.start_s, span.frames) for path, span in staged.items()]
        encoding = job.settings.encoding(check=job.check)
        near = isinstance(job.source, Path)
        changed = f"'{job.source}' changed while it was cut; run again"
        if _is_another(job):
            raise VideoError(changed)
        for path, error in cut_clips(job.source, spans, encoding):
            span = staged[path]
            if near and _is_another(job):  # its clips would bear false names
                path.unlink(missing_ok=True)
                raise VideoError(changed)
            if error is None:
                job.store.put(path, span.path.as_posix())
                encoded += 1
                clips += rows[span]
            else:
                failures += [(row[2], error) for row in rows[span]]
    if not near and _is_another(job):  # a server is asked twice, not at each clip
        for span in rows:
            job.store.remove(span.path.as_posix())
        raise VideoError(changed)
    return CutResult(sorted(clips), sorted(failures), encoded)


def _is_another(job: CutJob) -> bool:
    """Whether the video is not the one that was looked at."""
    return stamp(job.source) not in (None, job.footage.stamp)


def span(
    at_s: float, until_s: float | None, settings: ClipSettings, duration_s: Fraction
) -> tuple[Fraction, int]:
    """First moment (a whole frame of the reel's rate) and number of frames of a clip."""
    at, until = (
        Fraction(moment).limit_denominator(10**6)
        for moment in (at_s, at_s if until_s is None else until_s)
    )
    first = max(0, round((at - Fraction(settings.before_s)) * FPS))
    last = round(min(until + Fraction(settings.after_s), duration_s) * FPS)
    return first / FPS, max(1, last - first)


def _clip_id(job: CutJob, start: Fraction, frames: int) -> str:
    """Content address: everything that the clip's bytes depend on, and whether they were checked."""
    facts = {
        "version": _VERSION,
        "source": job.footage.key,
        "start": str(start),
        "frames": frames,
        "size": [WIDTH, HEIGHT],
        "fps": str(FPS),
        "encoder": asdict(job.settings.encoding(check=job.check)),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
