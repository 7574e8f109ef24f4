"""The study's tables. Times are seconds since 1970 (UTC)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "Assignment",
    "Base",
    "Form",
    "LoginFailure",
    "Meta",
    "Participant",
    "PoolPlayer",
    "Rating",
]


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Meta(Base):
    """Facts of the study as a whole: its fixed settings, secret, password hash, whether it is open."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(20_000))


class PoolPlayer(Base):
    """A player that may be shown, with the true levels (JSON: skill -> level).

    ``size`` (bytes) and ``fingerprint`` tell whether the video is still the one that was drawn.
    """

    __tablename__ = "players"
    subject_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    video: Mapped[str] = mapped_column(String(1000))
    duration_s: Mapped[float] = mapped_column(Double)
    levels: Mapped[str] = mapped_column(String(2000))
    size: Mapped[int | None] = mapped_column(BigInteger)
    fingerprint: Mapped[str | None] = mapped_column(String(64))


class Participant(Base):
    """A person who was invited. ``number`` counts those who began, from 0."""

    __tablename__ = "participants"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    invite_hash: Mapped[str] = mapped_column(String(64), unique=True)
    label: Mapped[str] = mapped_column(String(100), default="")
    state: Mapped[str] = mapped_column(String(12), default="invited")
    number: Mapped[int | None] = mapped_column(Integer, unique=True)
    years_watched: Mapped[float | None] = mapped_column(Double)
    years_played: Mapped[float | None] = mapped_column(Double)
    group: Mapped[str | None] = mapped_column("group_name", String(40))
    skill_order: Mapped[str | None] = mapped_column(String(1000))
    code: Mapped[str] = mapped_column(String(20), unique=True)
    created_at: Mapped[float] = mapped_column(Double)
    started_at: Mapped[float | None] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)

    __table_args__ = (
        CheckConstraint(
            "state IN ('invited', 'consented', 'active', 'finished', 'declined')", name="state"
        ),
        {"sqlite_autoincrement": True},  # the number of who was deleted is nobody else's
    )


class Assignment(Base):
    """A player that a participant is to rate; ``session`` and ``position`` count from 0.

    ``reached_s`` is how far the video was watched without a gap, ``speed`` the fastest playback,
    ``served_at`` when any of it was sent, ``watched_by`` how we know: ``player`` (the page's reports),
    ``clock`` (a browser without scripts), or ``broken`` (the participant says that it does not play).
    """

    __tablename__ = "assignments"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participants.id", ondelete="CASCADE"))
    session: Mapped[int] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)
    subject_id: Mapped[str] = mapped_column(ForeignKey("players.subject_id"))
    token: Mapped[str] = mapped_column(String(43), unique=True)
    check_level: Mapped[int | None] = mapped_column(Integer)
    check_answer: Mapped[int | None] = mapped_column(Integer)
    opened_at: Mapped[float | None] = mapped_column(Double)
    served_at: Mapped[float | None] = mapped_column(Double)
    beat_at: Mapped[float | None] = mapped_column(Double)
    reached_s: Mapped[float] = mapped_column(Double, default=0.0)
    speed: Mapped[float] = mapped_column(Double, default=0.0)
    watched_at: Mapped[float | None] = mapped_column(Double)
    watched_by: Mapped[str | None] = mapped_column(String(8))
    recognised: Mapped[bool | None] = mapped_column()
    rated_at: Mapped[float | None] = mapped_column(Double)

    __table_args__ = (
        UniqueConstraint("participant_id", "subject_id"),
        UniqueConstraint("participant_id", "session", "position"),
        Index(None, "subject_id"),
    )

    @property
    def done(self) -> bool:
        """Whether nothing more is asked about this player."""
        return self.left_out is not None or self.rated_at is not None

    @property
    def left_out(self) -> str | None:
        """Why there are no ratings of this player, and will be none."""
        if self.watched_by == "broken":
            return "the video did not play"
        return "recognised the player" if self.recognised else None


class Rating(Base):
    """One answer."""

    __tablename__ = "ratings"
    assignment_id: Mapped[int] = mapped_column(
        ForeignKey("assignments.id", ondelete="CASCADE"), primary_key=True
    )
    skill: Mapped[str] = mapped_column(String(40), primary_key=True)
    level: Mapped[int] = mapped_column(Integer)
    at: Mapped[float] = mapped_column(Double)

    __table_args__ = (CheckConstraint("level >= 0 AND level < 5", name="level"),)


class Form(Base):
    """A form that was stored, once: the step that it answers, and when."""

    __tablename__ = "forms"
    participant_id: Mapped[int] = mapped_column(
        ForeignKey("participants.id", ondelete="CASCADE"), primary_key=True
    )
    step: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[float] = mapped_column(Double)


class LoginFailure(Base):
    """A wrong password, to slow down who guesses."""

    __tablename__ = "login_failures"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    address: Mapped[str] = mapped_column(String(64))
    at: Mapped[float] = mapped_column(Double)

    __table_args__ = (Index(None, "at"),)
