"""How reels are made: every choice, with the paper's as defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from openbasket.errors import ConfigError, suggest
from openbasket.reels.cut import ClipSettings

__all__ = ["Check", "Few", "Overlap", "ReelSettings"]

Few = Literal["leave_out", "keep"]
Overlap = Literal["apart", "merge"]
Check = Literal["bytes", "stretches", "whole"]


@dataclass(frozen=True)
class ReelSettings:
    """How reels are made.

    Args:
        events: events in a reel (the paper: 50).
        min_events: a subject with fewer filmed events gets no reel; by default as many as ``events``.
        draw: which of the independent draws; 0 is the dataset, 1 to 4 the paper's resampling study.
        seed: of the draws.
        clip: how clips are cut.
        few: subjects with fewer than ``events`` filmed events: ``leave_out`` (the paper), or ``keep`` them
            with fewer clips, which is ``min_events`` of 1. A reel with fewer is named in table
            ``failures``, stage ``few``.
        overlap: clips of one reel that show the same moments: kept ``apart`` (the paper), or ``merge`` into
            one longer clip. The events are drawn alike; a reel then has fewer and longer clips.
        replace: draw another event, the next in the seeded order, for one that cannot be shown.
        check: how a game's video is checked. ``stretches``: its index and all of its bytes (behind a URL:
            its index alone), and the pictures of the stretches that are shown; what is damaged is named, the
            other stretches are used. ``bytes``: pictures that are copied as they are, are not decoded, which
            is faster; damage that only decoding shows is not found in them. ``whole``: every picture, and a
            game with any damage is left out.
    """

    events: int = 50
    min_events: int | None = None
    draw: int = 0
    seed: int = 0
    clip: ClipSettings = field(default_factory=ClipSettings)
    few: Few = "leave_out"
    overlap: Overlap = "apart"
    replace: bool = True
    check: Check = "stretches"

    def __post_init__(self) -> None:
        if self.events < 1:
            raise ConfigError(f"events: got {self.events}; allowed: at least 1")
        if self.min_events is not None and not 1 <= self.min_events <= self.events:
            raise ConfigError(f"min_events: got {self.min_events}; allowed: 1 to {self.events}")
        if self.min_events is not None and self.few == "keep":
            raise ConfigError(
                f"min_events: got {self.min_events}, with few 'keep', which means 1; give one of them: "
                "min_events for reels from so many events on, 'keep' for every subject with any"
            )
        if not 0 <= self.draw <= 99:
            raise ConfigError(f"draw: got {self.draw}; allowed: 0 to 99")
        for name, kind in (("few", Few), ("overlap", Overlap), ("check", Check)):
            given, allowed = getattr(self, name), get_args(kind)
            if given not in allowed:
                hint = suggest(str(given), allowed)
                raise ConfigError(f"{name}: got '{given}'; allowed: {', '.join(allowed)}.{hint}")

    @property
    def least(self) -> int:
        """Events that a reel must have."""
        return self.min_events or (1 if self.few == "keep" else self.events)
