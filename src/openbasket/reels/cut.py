"""Cut clips out of game videos into a store, each distinct clip once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from openbasket.errors import ConfigError
from openbasket.video.clip import Encoding, Span, cut_clips
from openbasket.video.probe import probe
from openbasket.video.write import FPS, HEIGHT, WIDTH

__all__ = ["ClipSettings", "CutJob", "CutResult", "Wanted", "clip_path", "cut_game", "source_key"]


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


@dataclass(frozen=True)
class CutJob:
    """All clips of one game."""

    game_id: str
    source: Path
    store: Path
    wanted: tuple[Wanted, ...]
    settings: ClipSettings


@dataclass(frozen=True)
class CutResult:
    """What came of a job.

    Args:
        clips: rows of table ``clips``.
        failures: (event, reason) of clips that could not be cut.
        encoded: clips that were made now, not found in the store.
    """

    clips: list[tuple[str, str, str, float, float, int]]
    failures: list[tuple[str, str]]
    encoded: int


def source_key(path: Path) -> str:
    """Identify a video by its content: size, and the first and last MiB."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(1 << 20))
        file.seek(max(0, size - (1 << 20)))
        digest.update(file.read(1 << 20))
    return digest.hexdigest()


def clip_path(store: Path, clip_id: str) -> Path:
    """Where a clip lies in the store."""
    return store / clip_id[:2] / f"{clip_id}.mp4"


def cut_game(job: CutJob) -> CutResult:
    """Cut all clips of a game in one forward pass through its video.

    An event behind the end of the video, or a stretch that does not decode, costs only its own clip.

    Raises:
        VideoError: the video cannot be opened at all.
    """
    info = probe(job.source)
    key = source_key(job.source)
    clips: list[tuple[str, str, str, float, float, int]] = []
    failures: list[tuple[str, str]] = []
    missing: dict[Path, tuple[Fraction, int]] = {}
    rows: dict[Path, list[tuple[str, str, str, float, float, int]]] = {}
    for wanted in sorted(job.wanted, key=lambda w: (w.at_s, w.event_id)):
        if wanted.at_s >= info.duration_s:
            reason = (
                f"'{job.source.name}' ends at {float(info.duration_s):.1f} s, "
                f"the event is at {wanted.at_s:.1f} s"
            )
            failures.append((wanted.event_id, reason))
            continue
        start, frames = _span(wanted.at_s, job.settings, info.duration_s)
        clip_id = _clip_id(key, start, frames, job.settings)
        path = clip_path(job.store, clip_id)
        end_s = float(start + frames / FPS)
        row = (clip_id, job.game_id, wanted.event_id, float(start), end_s, frames)
        if path.exists():
            clips.append(row)
        else:
            missing[path] = (start, frames)
            rows.setdefault(path, []).append(row)
    encoded = 0
    order = sorted(missing, key=lambda path: missing[path])
    spans = [Span(path, *missing[path]) for path in order]
    for path, error in cut_clips(job.source, spans, job.settings.encoding):
        if error is None:
            encoded += 1
            clips += rows[path]
        else:
            failures += [(row[2], error) for row in rows[path]]
    return CutResult(sorted(clips), sorted(failures), encoded)


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
