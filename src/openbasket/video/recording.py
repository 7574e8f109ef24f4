"""What cached frames are of: which frames were taken of which video, and how."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from openbasket.errors import ConfigError, VideoError
from openbasket.video.frames import SAMPLINGS, Every, Sampling, Uniform

__all__ = ["FORMATS", "Format", "Recording", "Taking", "key_of"]

Format = Literal["jpeg", "raw"]
FORMATS: tuple[Format, ...] = get_args(Format)

_VERSION = 1
_MOST_FRAMES, _MOST_BYTES = 4096, 1 << 32


@dataclass(frozen=True, slots=True)
class Taking:
    """How frames are taken from a video.

    Args:
        frames: how many, spread evenly.
        size: pixels of the shorter side.
        sampling: ``exact``, or ``keyframe``: the nearest that decodes by itself.
        format: ``jpeg`` (small), or ``raw`` (eleven times larger, read without decoding).
        quality: of JPEG, 1 to 100; colours are stored at half the resolution (4:2:0).
        every: take every so many-th frame of the whole video instead of ``frames`` even ones; 0: don't.
        clips: first frame and number of frames of each clip of the video: take ``frames`` of each clip
            instead, evenly inside ``within``; empty: don't.
        within: which part of a clip, from 0 (its beginning) to 1 (its end).

    Raises:
        ConfigError: a value that is not allowed.
    """

    frames: int = 64
    size: int = 224
    sampling: Sampling = "exact"
    format: Format = "jpeg"
    quality: int = 90
    every: int = 0
    clips: tuple[tuple[int, int], ...] = ()
    within: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "clips", tuple((int(a), int(n)) for a, n in self.clips))
        object.__setattr__(self, "within", (float(self.within[0]), float(self.within[1])))
        for name, allowed in (("sampling", SAMPLINGS), ("format", FORMATS)):
            if getattr(self, name) not in allowed:
                given = repr(getattr(self, name))
                raise ConfigError(f"{name}: got {given}; allowed: {', '.join(allowed)}")
        for name, most in (("frames", _MOST_FRAMES), ("size", 4096), ("quality", 100)):
            if not 1 <= getattr(self, name) <= most:
                raise ConfigError(f"{name}: got {getattr(self, name)}; allowed: 1 to {most}")
        if self.every < 0:
            raise ConfigError(f"every: got {self.every}; allowed: 0 (off) and more")
        if not 0 <= self.within[0] < self.within[1] <= 1:
            raise ConfigError(f"within: got {self.within}; allowed: from 0 to 1, the lesser first")
        if any(first < 0 or frames < 1 for first, frames in self.clips):
            raise ConfigError("clips: allowed: first frames from 0, with 1 frame or more each")
        if len(self.clips) * self.frames > _MOST_FRAMES:
            raise ConfigError(
                f"frames: got {self.frames} of each of {len(self.clips)} clips; "
                f"allowed: {_MOST_FRAMES} in all"
            )
        if self.clips and self.every:
            raise ConfigError("every and clips: allowed: one of them")

    @property
    def told(self) -> str:
        """The same in words, but for the format."""
        what = f"every {self.every}. frame" if self.every else f"{self.frames} frames"
        if self.clips:
            what += " a clip" + ("" if self.within == (0, 1) else f" within {self.within}")
        return f"{what} of short side {self.size}, {self.sampling}"

    @property
    def wanted(self) -> Every | Uniform | list[int]:
        """Which frames of a video."""
        if self.clips:
            begin, end = self.within
            shares = [begin + (end - begin) * (i + 0.5) / self.frames for i in range(self.frames)]
            return [first + int(share * count) for first, count in self.clips for share in shares]
        return Every(self.every) if self.every else Uniform(self.frames)


@dataclass(frozen=True, slots=True)
class Recording:
    """What an entry holds.

    Args:
        source: SHA-256 of the video.
        taking: how frames were taken.
        shape: frames, height, width, 3.
        indices: each frame's place in the video.
        times_s: when each is shown, seconds from the video's first frame.
        errors_s: how much later than wanted.
    """

    source: str
    taking: Taking
    shape: tuple[int, int, int, int]
    indices: tuple[int, ...]
    times_s: tuple[float, ...]
    errors_s: tuple[float, ...]

    @property
    def largest_error_s(self) -> float:
        """How far a frame lies from the wanted moment at most, in seconds."""
        return max(map(abs, self.errors_s))

    @property
    def key(self) -> str:
        """The name of the entry."""
        return key_of(self.source, self.taking)

    @property
    def allowed(self) -> bool:
        """Whether an entry may be so large."""
        count, height, width, three = self.shape
        sides = (height, width)
        right = (
            three == 3 and 1 <= count <= _MOST_FRAMES and 1 <= min(sides) <= max(sides) <= 1 << 16
        )
        return right and count * height * width * 3 <= _MOST_BYTES

    def refuse_too_large(self) -> None:
        """Refuse what no entry may hold.

        Raises:
            VideoError: says what is allowed.
        """
        if not self.allowed:
            count, height, width, _ = self.shape
            raise VideoError(
                f"{count:,} frames of {width}x{height} pixels; allowed: {_MOST_FRAMES:,}, of 4 GiB in all: "
                "take fewer, or smaller ones"
            )

    def as_json(self) -> bytes:
        """The text of ``frames.json``."""
        return json.dumps({"version": _VERSION, **asdict(self)}, sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Recording:
        """Read the text of ``frames.json``.

        Raises:
            ValueError: it is none.
        """
        try:
            content = json.loads(text)
            if content.pop("version") != _VERSION:
                raise ValueError("of another version")
            taking = Taking(**content.pop("taking"))
            count, height, width, three = map(int, content.pop("shape"))
            lists = {name: tuple(content.pop(name)) for name in ("indices", "times_s", "errors_s")}
            made = cls(str(content.pop("source")), taking, (count, height, width, three), **lists)
        except (
            ArithmeticError, AttributeError, ConfigError, KeyError, RecursionError, TypeError,
        ) as error:  # fmt: skip
            raise ValueError(f"no description of frames ({error})") from None
        if content or not made.allowed or any(len(v) != count for v in lists.values()):
            raise ValueError("no description of frames")
        return made


def key_of(source: str, taking: Taking) -> str:
    """The name of the entry of a video, by its SHA-256 and how frames are taken."""
    settings = asdict(taking)
    if not taking.clips:  # entries were named before there were any
        del settings["clips"], settings["within"]
    told: list[Any] = [_VERSION, source, sorted(settings.items())]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
