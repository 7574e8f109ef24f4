"""What participants say, each thing once. Every method is one transaction.

A participant is always at one step (``steps``). A form answers one step; sent again, late or twice, it
changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from openbasket.errors import NotFoundError, WorkspaceError
from openbasket.study import assign
from openbasket.study.database import Database
from openbasket.study.design import Player, StudyDesign, group_of
from openbasket.study.models import Assignment, Form, Meta, Participant, PoolPlayer, Rating
from openbasket.study.steps import Refused, View, view_of

__all__ = ["Store"]

#: A beat of the video page counts for no longer than this (a lost connection may last so long).
_BEAT_S = 90.0
#: What clocks of browser and server may differ by.
_SLACK_S = 2.0
#: No two completion codes look alike.
_CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


class Store:
    """The study's memory.

    Args:
        database: an open database.
        design: the study.
    """

    def __init__(self, database: Database, design: StudyDesign) -> None:
        self.database = database
        self.design = design

    # -- the study ------------------------------------------------------------------------

    def prepare(self, players: Sequence[Player]) -> bool:
        """Store the pool the first time; say whether this was the first time.

        Raises:
            WorkspaceError: the study file says something else than when players were drawn.
        """
        fixed = json.dumps(self.design.fixed(), sort_keys=True)
        with self.database.write() as session:
            if not self.database.sqlite:
                session.execute(select(func.pg_advisory_xact_lock(1)))
            known = session.get(Meta, "design")
            if known is not None:
                self._refuse_change(json.loads(known.value))
                return False
            session.add_all(
                [
                    Meta(key="design", value=fixed),
                    Meta(key="state", value="open"),
                    Meta(key="assigning", value=""),
                ]
            )
            session.add_all(
                PoolPlayer(
                    subject_id=p.subject_id,
                    video=p.video,
                    duration_s=p.duration_s,
                    levels=json.dumps(p.levels, sort_keys=True),
                )
                for p in players
            )
        return True

    def _refuse_change(self, known: Mapping[str, object]) -> None:
        now = self.design.fixed()
        changed = [name for name in now if now[name] != known.get(name)]
        if changed:
            told = "; ".join(f"{name}: {known.get(name)!r}, now {now[name]!r}" for name in changed)
            raise WorkspaceError(
                "players of this study were drawn with other settings. Set them back, or begin a new "
                f"study file with a database of its own. Changed: {told}"
            )

    def prepared(self) -> bool:
        """Whether the pool has been drawn.

        Raises:
            WorkspaceError: the study file says something else than when players were drawn.
        """
        known, pay = self.meta("design"), self.meta("pay")
        if known is None:
            return False
        self._refuse_change(json.loads(known))
        now = self.design.pay.model_dump(mode="json")
        if pay is not None and json.loads(pay) != now:
            told = "; ".join(
                f"pay.{name}: {value!r}, now {now[name]!r}"
                for name, value in json.loads(pay).items()
                if value != now[name]
            )
            raise WorkspaceError(
                f"participants have consented to another pay. Set it back. Changed: {told}"
            )
        return True

    def meta(self, key: str) -> str | None:
        """A fact of the study as a whole."""
        return self.database.meta(key)

    def set_meta(self, key: str, value: str) -> None:
        """Store such a fact, over what was there."""
        self.database.set_meta(key, value)

    def pool(self) -> dict[str, Player]:
        """The players that may be shown."""
        with self.database.read() as session:
            return {
                p.subject_id: Player(
                    p.subject_id, p.video, p.duration_s, json.loads(p.levels), p.size
                )
                for p in session.scalars(select(PoolPlayer).order_by(PoolPlayer.subject_id))
            }

    # -- invitations ----------------------------------------------------------------------

    def invite(
        self, count: int, label: str = "", tokens: Sequence[str] | None = None
    ) -> list[tuple[int, str]]:
        """Make invitations; return number and secret of each. The secrets are not kept.

        Args:
            count: how many.
            label: a note for the study's team.
            tokens: the secrets; those that were given before make no second invitation.
        """
        tokens = tokens or [secrets.token_urlsafe(24) for _ in range(count)]
        with self.database.write() as session:
            found = []
            for token in tokens:
                person = session.scalar(
                    select(Participant).where(Participant.invite_hash == _hash(token))
                )
                if person is None:
                    person = Participant(
                        invite_hash=_hash(token), label=label, code=_code(), created_at=time.time()
                    )
                    session.add(person)
                    session.flush()
                found.append((person.id, token))
            return found

    def invited(self, token: str) -> int | None:
        """Whose invitation this is."""
        with self.database.read() as session:
            return session.scalar(
                select(Participant.id).where(Participant.invite_hash == _hash(token))
            )

    def forget(self, participant_id: int) -> None:
        """Delete a participant with all that they said.

        Raises:
            NotFoundError: no such participant.
        """
        with self.database.write() as session:
            self._lock_assigning(session)
            done = session.execute(delete(Participant).where(Participant.id == participant_id))
            if not done.rowcount:  # type: ignore[attr-defined]
                raise NotFoundError(f"there is no participant {participant_id} in this study")
        self.database.scrub()

    # -- one participant ------------------------------------------------------------------

    def view(self, participant_id: int) -> View | None:
        """A participant's step; ``None`` if there is no such participant."""
        with self.database.read() as session:
            return view_of(session, participant_id)

    def consent(self, participant_id: int, key: str, agrees: bool) -> None:
        """Store that a participant agrees, or not."""
        with self.database.write() as session:
            view = self._answer(session, participant_id, key)
            if view is None:
                return
            view.participant.state = "consented" if agrees else "declined"
            if agrees:  # what they were told that they are paid holds from now on
                pay = json.dumps(self.design.pay.model_dump(mode="json"), sort_keys=True)
                insert = (sqlite if self.database.sqlite else postgresql).insert(Meta)
                session.execute(insert.values(key="pay", value=pay).on_conflict_do_nothing())

    def experience(self, participant_id: int, key: str, watched: float, played: float) -> None:
        """Store a participant's years, and give them players: those that were shown least."""
        with self.database.write() as session:
            self._lock_assigning(session)
            view = self._answer(session, participant_id, key)
            if view is None:
                return
            person = view.participant
            person.years_watched, person.years_played = watched, played
            person.group = group_of(self.design.groups, watched, played)
            person.state, person.started_at = "active", time.time()
            person.number = self._next_number(session)
            person.skill_order = json.dumps(assign.skill_order(self.design.skills, person.number))
            self._assign(session, person)

    def _next_number(self, session: Session) -> int:
        """The number of who begins now; those of participants who were deleted are not given again."""
        last = session.scalar(select(func.max(Participant.number)))
        kept = session.get(Meta, "begun")
        number = max(0 if last is None else last + 1, 0 if kept is None else int(kept.value))
        session.merge(Meta(key="begun", value=str(number + 1)))
        return number

    def regroup(self) -> int:
        """Work out everybody's group by the study file's present rules; return how many changed."""
        changed = 0
        with self.database.write() as session:
            for person in session.scalars(
                select(Participant).where(Participant.group.is_not(None))
            ):
                years = (person.years_watched or 0.0, person.years_played or 0.0)
                group = group_of(self.design.groups, *years)
                changed += group != person.group
                person.group = group
        return changed

    def _assign(self, session: Session, person: Participant) -> None:
        design = self.design
        rng = random.Random(f"{design.seed} {person.number}")
        exposures = dict.fromkeys(session.scalars(select(PoolPlayer.subject_id)), 0)
        shown_at: dict[tuple[str, int], int] = {}
        for subject, block, position, count in session.execute(
            select(
                Assignment.subject_id, Assignment.session, Assignment.position, func.count()
            ).group_by(Assignment.subject_id, Assignment.session, Assignment.position)
        ):
            exposures[subject] += count
            shown_at[subject, block * design.players + position] = count
        chosen = assign.order(assign.choose(exposures, design.needed, rng), shown_at, rng)
        for block in range(design.sessions):
            asked = rng.randrange(design.players) if design.attention_checks else None
            for position in range(design.players):
                session.add(
                    Assignment(
                        participant_id=person.id,
                        session=block,
                        position=position,
                        subject_id=chosen[block * design.players + position],
                        token=secrets.token_urlsafe(24),
                        check_level=rng.randrange(design.levels) if position == asked else None,
                    )
                )

    def begin(self, participant_id: int, key: str) -> None:
        """Store that a participant begins a session."""
        with self.database.write() as session:
            self._answer(session, participant_id, key)

    def opened(self, assignment_id: int) -> None:
        """Note when a video's page was first shown."""
        with self.database.write() as session:
            found = session.get(Assignment, assignment_id)
            if found is not None and found.opened_at is None:
                found.opened_at = time.time()

    def served(self, assignment_id: int) -> None:
        """Note when any of a video was first sent."""
        with self.database.write() as session:
            found = session.get(Assignment, assignment_id)
            if found is not None and found.served_at is None:
                found.served_at = time.time()

    def broken(self, participant_id: int, key: str) -> None:
        """Store that a video does not play; nothing more is asked about that player."""
        with self.database.write() as session:
            view = self._answer(session, participant_id, key)
            if view is not None:
                assert view.step.assignment is not None
                view.step.assignment.watched_by = "broken"
                view.step.assignment.watched_at = time.time()
                self._finish(session, view)

    def beat(
        self, participant_id: int, token: str, position_s: float, speed: float
    ) -> float | None:
        """A report of the video page; return how far the video counts as watched, in seconds.

        It counts no further than the fastest allowed playback could have come since the last report.

        Args:
            participant_id: who watches.
            token: of the video.
            position_s: how far it was played without a gap, as the page says.
            speed: of playback, as the page says; 0 while it is paused.

        Returns:
            Seconds; ``None`` if this video is not the one to be watched now.
        """
        with self.database.write() as session:
            found = session.scalar(
                select(Assignment).where(
                    Assignment.token == token, Assignment.participant_id == participant_id
                )
            )
            if found is None or found.watched_at is not None or found.opened_at is None:
                return None
            now = time.time()
            fastest = self.design.max_speed
            # A clock may have been put back in between.
            since = max(0.0, min(now - (found.beat_at or found.opened_at), _BEAT_S))
            most = min(
                found.reached_s + since * fastest + _SLACK_S,
                max(0.0, now - found.opened_at) * fastest + _SLACK_S,
            )
            found.beat_at = now
            found.speed = max(found.speed, speed)
            found.reached_s = max(found.reached_s, min(position_s, most))
            return found.reached_s

    def watched(self, participant_id: int, key: str) -> None:
        """Store that a video was watched.

        Raises:
            Refused: it was not yet; says how much is missing.
        """
        with self.database.write() as session:
            view = self._answer(session, participant_id, key)
            if view is None:
                return
            found = view.step.assignment
            assert found is not None
            pool_player = session.get_one(PoolPlayer, found.subject_id)
            enough = self.design.min_watched * pool_player.duration_s
            now = time.time()
            since = max(0.0, now - (found.opened_at or now))
            if found.reached_s >= enough:
                found.watched_by = "player"
                # Reports may say less: what was watched in that time needed this speed.
                found.speed = max(found.speed, round(found.reached_s / max(since, 1.0), 2))
            elif not found.reached_s and since >= enough:
                found.watched_by = "clock"
            else:
                done = found.reached_s or since
                raise Refused(
                    f"Please watch the whole video first: about {max(1, round(enough - done))} "
                    "seconds are left."
                )
            if found.served_at is None:
                raise Refused("The video was not loaded yet. Please load this page again.")
            found.watched_at = now

    def recognise(self, participant_id: int, key: str, recognised: bool) -> None:
        """Store whether the participant knows the player; if so, nothing more is asked about them."""
        with self.database.write() as session:
            view = self._answer(session, participant_id, key)
            if view is not None:
                assert view.step.assignment is not None
                view.step.assignment.recognised = recognised
                self._finish(session, view)

    def rate(
        self,
        participant_id: int,
        key: str,
        levels: Mapping[str, int],
        check_answer: int | None = None,
    ) -> None:
        """Store the ratings of one player: all skills, or none.

        Raises:
            Refused: skills that are missing or unknown, levels outside the scale.
        """
        with self.database.write() as session:
            view = self._answer(session, participant_id, key)
            if view is None:
                return
            found = view.step.assignment
            assert found is not None
            answers = [*levels.values()]
            if found.check_level is not None:
                if check_answer is None:
                    raise Refused("Please answer every question.")
                answers.append(check_answer)
            if set(levels) != set(self.design.skills):
                raise Refused("Please answer every question.")
            if any(not 0 <= level < self.design.levels for level in answers):
                raise Refused("Please choose one of the answers that are shown.")
            now = time.time()
            session.add_all(
                Rating(assignment_id=found.id, skill=skill, level=level, at=now)
                for skill, level in levels.items()
            )
            found.check_answer = check_answer if found.check_level is not None else None
            found.rated_at = now
            self._finish(session, view)

    # -- inside a transaction -------------------------------------------------------------

    def _lock_assigning(self, session: Session) -> None:
        """Let one transaction at a time give out players (SQLite has one writer anyway)."""
        session.execute(select(Meta).where(Meta.key == "assigning").with_for_update())

    def _answer(self, session: Session, participant_id: int, key: str) -> View | None:
        """Store that a form answers a step.

        Returns:
            The participant; ``None`` where that form has been stored before, or is of another step.

        Raises:
            Refused: the study is closed, or there is no such participant.
        """
        # Only one transaction of a participant is in here at a time.
        session.execute(
            select(Participant.id).where(Participant.id == participant_id).with_for_update()
        )
        view = view_of(session, participant_id)
        if view is None:
            raise Refused("This invitation is not valid any more.")
        if view.step.key != key:
            return None
        state = session.get(Meta, "state")
        if state is not None and state.value == "closed":
            raise Refused("The study is closed; no more answers are taken.")
        insert = (sqlite if self.database.sqlite else postgresql).insert(Form)
        stored = session.execute(
            insert.values(participant_id=participant_id, step=key, at=time.time())
            .on_conflict_do_nothing()
            .returning(Form.step)
        )
        return view if stored.first() is not None else None

    def _finish(self, session: Session, view: View) -> None:
        session.flush()
        if all(assignment.done for assignment in view.assignments):
            view.participant.state = "finished"
            view.participant.finished_at = time.time()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _code() -> str:
    return "".join(secrets.choice(_CODE_LETTERS) for _ in range(10))
