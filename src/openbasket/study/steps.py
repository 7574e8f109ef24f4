"""Where a participant is: worked out from what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from openbasket.study.models import Assignment, Form, Participant

__all__ = ["Refused", "Step", "View", "view_of"]

#: Who does nothing for so long has had a break, in seconds.
_BREAK_S = 1800.0
Kind = Literal[
    "consent", "experience", "begin", "watch", "recognise", "rate", "finished", "declined"
]


class Refused(Exception):  # noqa: N818 - an answer to a participant, not a fault
    """A form that cannot be stored; the message is for the participant."""


@dataclass(frozen=True)
class Step:
    """Where a participant is.

    Args:
        kind: which page.
        session: counted from 0; of all but the first and last steps.
        assignment: the player, in ``watch``, ``recognise`` and ``rate``.
    """

    kind: Kind
    session: int = 0
    assignment: Assignment | None = None

    @property
    def key(self) -> str:
        """The step's name among those of a participant."""
        if self.assignment is not None:
            return f"{self.kind}-{self.assignment.id}"
        return f"begin-{self.session}" if self.kind == "begin" else self.kind


@dataclass(frozen=True)
class View:
    """A participant, what is assigned to them, and their step."""

    participant: Participant
    assignments: list[Assignment]
    step: Step
    session_began_at: float | None = None

    def active_s(self, now: float) -> float:
        """Seconds at work in this session since the last break (nothing happened for half an hour)."""
        times = [self.session_began_at or now, now]
        for a in self.assignments:
            if a.session == self.step.session:
                times += [t for t in (a.opened_at, a.beat_at, a.watched_at, a.rated_at) if t]
        times = sorted(t for t in times if t <= now)
        began = times[0]
        for before, after in pairwise(times):
            if after - before > _BREAK_S:
                began = after
        return now - began


def view_of(session: Session, participant_id: int) -> View | None:
    """A participant and their step, worked out from what is stored; ``None`` if there is none such."""
    person = session.get(Participant, participant_id)
    if person is None:
        return None
    if person.state in ("invited", "consented", "declined"):
        kinds: dict[str, Kind] = {"invited": "consent", "consented": "experience"}
        return View(person, [], Step(kinds.get(person.state, "declined")))
    assignments = list(
        session.scalars(
            select(Assignment)
            .where(Assignment.participant_id == participant_id)
            .order_by(Assignment.session, Assignment.position)
        )
    )
    now = next((a for a in assignments if not a.done), None)
    if now is None:
        return View(person, assignments, Step("finished"))
    begun = session.get(Form, (participant_id, f"begin-{now.session}"))
    if begun is None:
        return View(person, assignments, Step("begin", now.session))
    kind: Kind = "rate"
    if now.watched_at is None:
        kind = "watch"
    elif now.recognised is None:
        kind = "recognise"
    return View(person, assignments, Step(kind, now.session, now), begun.at)
