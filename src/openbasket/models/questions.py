"""What a transcript could be asked of a clip, and the answers.

Sources: own design.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from openbasket.tables import FILMED_KINDS

__all__ = ["ANSWERS", "ATTACKING", "PLACES", "TARGETS", "WRITTEN"]

_PLAYS = (
    "two made", "two missed", "three made", "three missed", "free throw made", "free throw missed",
    "offensive rebound", "defensive rebound", "turnover", "steal", "foul", "other",
)  # fmt: skip
#: What a transcript tells of a clip -> the answers.
TARGETS: Mapping[str, tuple[str, ...]] = {
    "play": _PLAYS,
    "part": FILMED_KINDS,
    "assisted": ("no", "yes"),
    "blocked": ("no", "yes"),
    "contested": ("no", "yes"),
    "distance": ("under 1.5 m", "under 4 m", "under 6.6 m", "farther"),
    "side": ("left", "middle", "right"),
    "team": ("home", "away"),
    "half": ("first", "second"),
    "offence": ("home", "away"),
}
#: Those that a scoreboard helps to answer.
WRITTEN = frozenset({"team", "half", "offence"})
_ENDS = tuple(accumulate(map(len, TARGETS.values())))
#: Where the answers to each stand among those to all.
PLACES: Mapping[str, slice] = {
    name: slice(end - len(TARGETS[name]), end) for name, end in zip(TARGETS, _ENDS, strict=True)
}
#: Answers to all of them together.
ANSWERS = _ENDS[-1]
#: Parts in a play of those whose team has the ball.
ATTACKING = frozenset(
    {"field_goal", "free_throw", "assist", "offensive_rebound", "turnover", "blocked", "foul_drawn"}
)
