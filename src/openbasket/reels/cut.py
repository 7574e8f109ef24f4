"""Cut clips out of game videos into a store, each distinct clip once."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from openbasket.errors import ConfigError
from openbasket.storage import Folder, Place, stamp
from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.probe import open_bytes, probe
from openbasket.video.write import FPS, HEIGHT, WIDTH

__all__ = [
    "ClipRow",
    "ClipSettings",
    "CutJob",
    "CutResult",
    "SourceFacts",
    "Wanted",
    "clip_name",
    "clips_of",
    "cut_game",
    "read_facts",
    "source_key",
]


@dataclass(frozen=True)
class ClipSettings:
    """How clips are cut.

    Args:
        before_s: seconds shown before the play's first event.
        after_s: seconds shown after it. With the defaults a clip lasts 10 s, more of it before.
        crf: x264 constant rate factor.
        preset: x264 preset.
        gop: frames between key frames; short ones make reading of single frames cheap.
        sound: keep it (AAC, 48 kHz stereo).
        copy: copy whole groups of pictures out of sources that have a clip's size, rate and codec.
        check: decode what is copied, so that damage is found.
    """

    before_s: float = 6.0
    after_s: float = 4.0
    crf: int = 23
    preset: str = "veryfast"
    gop: int = 30
    sound: bool = True
    copy: bool = True
    check: bool = True

    def __post_init__(self) -> None:
        if self.before_s < 0 or self.after_s <= 0 or self.before_s + self.after_s > 120:
            raise ConfigError(
                f"clip of {self.before_s} s before and {self.after_s} s after the event; allowed: from 0 s "
                "before, more than 0 s after, 120 s in all"
            )

    @property
    def encoding(self) -> Encoding:
        """What concerns the encoder."""
        return Encoding(self.crf, self.preset, self.gop, self.sound, self.copy, self.check)


@dataclass(frozen=True)
class Wanted:
    """A play that some reel shows.

    Args:
        event_id: the play's first event.
        at_s: media time of that event.
    """

    event_id: str
    at_s: float


#: A row of table ``clips``.
ClipRow = tuple[str, str, str, float, float, int]


@dataclass(frozen=True)
class SourceFacts:
    """What the clips of a video depend on, so that it need not be opened again to know their names.

    Args:
        source: path or URL.
        stamp: see :func:`openbasket.storage.stamp`.
        key: see :func:`source_key`.
        duration_s: seconds, a rational number as text.
    """

    source: str
    stamp: list[str]
    key: str
    duration_s: str


@dataclass(frozen=True)
class CutJob:
    """All clips of one game.

    Args:
        game_id: the game.
        source: its video.
        store: where clips are kept.
        wanted: the plays.
        settings: of the clips.
        known: what an earlier run read of the source, if that is still so.
        stored: which of the plays' clips the store has; looked up file by file if it is not given.
    """

    game_id: str
    source: Place
    store: Folder
    wanted: tuple[Wanted, ...]
    settings: ClipSettings
    known: SourceFacts | None = None
    stored: frozenset[str] | None = None


@dataclass(frozen=True)
class CutResult:
    """What came of a job.

    Args:
        clips: rows of table ``clips``.
        failures: (event, reason) of clips that could not be cut.
        encoded: clips that were made now, not found in the store.
        facts: of the source.
    """

    clips: list[ClipRow]
    failures: list[tuple[str, str]]
    encoded: int
    facts: SourceFacts


def source_key(source: Place) -> str:
    """Identify a video by its content: size, and the first and last MiB."""
    with open_bytes(source) as (opened, size), ExitStack() as stack:
        file = stack.enter_context(Path(opened).open("rb")) if isinstance(opened, str) else opened
        digest = hashlib.sha256(str(size).encode())
        digest.update(file.read(1 << 20))
        file.seek(max(0, size - (1 << 20)))
        digest.update(file.read(1 << 20))
    return digest.hexdigest()


def read_facts(source: Place) -> SourceFacts:
    """Open a video and read what its clips depend on.

    Raises:
        VideoError: it cannot be opened.
    """
    seen = stamp(source)
    info = probe(source)
    return SourceFacts(str(source), seen or [], source_key(source), str(info.duration_s))


def clip_name(clip_id: str) -> str:
    """Where a clip lies in the store."""
    return f"{clip_id[:2]}/{clip_id}.mp4"


def clips_of(
    job: CutJob, facts: SourceFacts
) -> tuple[list[tuple[Span, ClipRow]], list[tuple[str, str]]]:
    """The clip of each play: (where in the store and which part of the video, row of table ``clips``).

    Plays behind the end of the video come as (event, reason) instead.
    """
    duration_s = Fraction(facts.duration_s)
    clips: list[tuple[Span, ClipRow]] = []
    beyond: list[tuple[str, str]] = []
    for wanted in sorted(job.wanted, key=lambda w: (w.at_s, w.event_id)):
        if wanted.at_s >= duration_s:
            reason = (
                f"'{job.source.name}' ends at {float(duration_s):.1f} s, "
                f"the event is at {wanted.at_s:.1f} s"
            )
            beyond.append((wanted.event_id, reason))
            continue
        start, frames = _span(wanted.at_s, job.settings, duration_s)
        clip_id = _clip_id(facts.key, start, frames, job.settings)
        end_s = float(start + frames / FPS)
        row = (clip_id, job.game_id, wanted.event_id, float(start), end_s, frames)
        clips.append((Span(Path(clip_name(clip_id)), start, frames), row))
    return clips, beyond


def cut_game(job: CutJob) -> CutResult:
    """Cut all clips of a game in one forward pass through its video.

    An event behind the end of the video, or a stretch that does not decode, costs only its own clip.

    Raises:
        VideoError: the video cannot be opened at all.
    """
    facts = job.known or read_facts(job.source)
    wanted, failures = clips_of(job, facts)
    stored = job.stored
    if stored is None:
        stored = job.store.which([span.path.as_posix() for span, _ in wanted])
    clips = [row for span, row in wanted if span.path.as_posix() in stored]
    rows: dict[Span, list[ClipRow]] = {}
    for span, row in wanted:
        if span.path.as_posix() not in stored:
            rows.setdefault(span, []).append(row)
    encoded = 0
    with job.store.staged() as folder:
        staged = {folder / span.path: span for span in rows}
        spans = [Span(path, span.start_s, span.frames) for path, span in staged.items()]
        for path, error in cut_clips(job.source, spans, job.settings.encoding) if spans else ():
            span = staged[path]
            if error is None:
                job.store.put(path, span.path.as_posix())
                encoded += 1
                clips += rows[span]
            else:
                failures += [(row[2], error) for row in rows[span]]
    return CutResult(sorted(clips), sorted(failures), encoded, facts)


def _span(at_s: float, settings: ClipSettings, duration_s: Fraction) -> tuple[Fraction, int]:
    """First moment (a whole frame of the reel's rate) and number of frames of a clip."""
    at = Fraction(at_s).limit_denominator(10**6)
    first = max(0, round((at - Fraction(settings.before_s)) * FPS))
    last = round(min(at + Fraction(settings.after_s), duration_s) * FPS)
    return first / FPS, max(1, last - first)


def _clip_id(source: str, start: Fraction, frames: int, settings: ClipSettings) -> str:
    """Content address: everything that the clip's bytes depend on."""
    facts = {
        "source": source,
        "start": str(start),
        "frames": frames,
        "size": [WIDTH, HEIGHT],
        "fps": str(FPS),
        "encoder": {k: v for k, v in asdict(settings.encoding).items() if k != "check"},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
