"""What was answered, beside the truth; and what it pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from openbasket.study.design import Pay, Player, StudyDesign
from openbasket.study.models import Assignment, Participant, Rating
from openbasket.study.store import Store

__all__ = ["Answers", "Payment", "answers", "payment"]


@dataclass(frozen=True)
class Answers:
    """A participant and all that they said.

    Args:
        participant: the person.
        assignments: in the order in which they are shown.
        ratings: assignment -> skill -> level.
    """

    participant: Participant
    assignments: list[Assignment]
    ratings: Mapping[int, Mapping[str, int]]

    def failed_checks(self) -> int:
        """Attention checks that were answered otherwise than asked."""
        return sum(map(_failed, self.assignments))

    def failed_in(self, session: int) -> bool:
        """Whether the attention check of a session was failed."""
        return any(a.session == session and _failed(a) for a in self.assignments)

    def accuracy(self, pool: Mapping[str, Player], session: int | None = None) -> float | None:
        """Share of right levels, in one session or in all; ``None`` without ratings."""
        right = [
            pool[a.subject_id].levels[skill] == level
            for a in self.assignments
            if session is None or a.session == session
            for skill, level in self.ratings.get(a.id, {}).items()
        ]
        return sum(right) / len(right) if right else None


@dataclass(frozen=True)
class Payment:
    """What a participant is owed: sessions that are complete, and those of them with a bonus."""

    sessions: int
    bonuses: int
    base: float
    bonus: float
    currency: str

    @property
    def total(self) -> float:
        """Base and bonus together."""
        return round(self.base + self.bonus, 2)


def answers(store: Store, participant_id: int | None = None) -> list[Answers]:
    """The answers of everybody, or of one participant, by number of invitation."""
    with store.database.read() as session:
        people = select(Participant).order_by(Participant.id)
        shown = select(Assignment).order_by(Assignment.session, Assignment.position)
        said = select(Assignment.id, Rating.skill, Rating.level).join(
            Rating, Rating.assignment_id == Assignment.id
        )
        if participant_id is not None:
            people = people.where(Participant.id == participant_id)
            shown = shown.where(Assignment.participant_id == participant_id)
            said = said.where(Assignment.participant_id == participant_id)
        of: dict[int, list[Assignment]] = {}
        for assignment in session.scalars(shown):
            of.setdefault(assignment.participant_id, []).append(assignment)
        ratings: dict[int, dict[str, int]] = {}
        for assignment_id, skill, level in session.execute(said):
            ratings.setdefault(assignment_id, {})[skill] = level
        return [
            Answers(
                person,
                of.get(person.id, []),
                {a.id: ratings[a.id] for a in of.get(person.id, []) if a.id in ratings},
            )
            for person in session.scalars(people)
        ]


def payment(found: Answers, pool: Mapping[str, Player], design: StudyDesign) -> Payment:
    """Base pay for each complete session, a bonus for each whose accuracy is above the threshold."""
    pay: Pay = design.pay
    complete = [s for s in range(design.sessions) if _complete(found.assignments, s)]
    good = [
        s
        for s in complete
        if (found.accuracy(pool, session=s) or 0.0) > pay.threshold + 1e-9
        and not (pay.bonus_needs_checks and found.failed_in(s))
    ]
    return Payment(
        len(complete), len(good), len(complete) * pay.base, len(good) * pay.bonus, pay.currency
    )


def _failed(a: Assignment) -> bool:
    return a.rated_at is not None and a.check_level is not None and a.check_answer != a.check_level


def _complete(assignments: Sequence[Assignment], session: int) -> bool:
    mine = [a for a in assignments if a.session == session]
    return bool(mine) and all(a.done for a in mine)
