"""How labels are made."""

from __future__ import annotations

from dataclasses import dataclass

from openbasket.errors import ConfigError

__all__ = ["LabelSettings"]


@dataclass(frozen=True)
class LabelSettings:
    """How labels are made.

    Args:
        levels: 5 as in the paper; 3 for the human study.
        min_events: player-seasons with fewer events get no label and are not ranked. 50 by default,
            what a reel needs, so that the levels of the filmed players are even.
        min_minutes: likewise for minutes on court.
        include_flagged: use games, and line-ups, that the import flagged as not to be trusted.
    """

    levels: int = 5
    min_events: int = 50
    min_minutes: float = 0.0
    include_flagged: bool = False

    def __post_init__(self) -> None:
        faults = [
            f"{name}: got {value}; allowed: at least {least}"
            for name, value, least in (
                ("levels", self.levels, 2),
                ("min_events", self.min_events, 0),
                ("min_minutes", self.min_minutes, 0),
            )
            if value < least
        ]
        if faults:
            raise ConfigError("label settings: " + "; ".join(faults))
