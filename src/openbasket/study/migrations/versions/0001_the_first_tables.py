"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "login_failures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failures")),
    )
    with op.batch_alter_table("login_failures", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_failures_at"), ["at"], unique=False)

    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=20000), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "participants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("invite_hash", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("years_watched", sa.Double(), nullable=True),
        sa.Column("years_played", sa.Double(), nullable=True),
        sa.Column("group_name", sa.String(length=40), nullable=True),
        sa.Column("skill_order", sa.String(length=1000), nullable=True),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.CheckConstraint(
            "state IN ('invited', 'consented', 'active', 'finished', 'declined')",
            name=op.f("ck_participants_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participants")),
        sa.UniqueConstraint("code", name=op.f("uq_participants_code")),
        sa.UniqueConstraint("invite_hash", name=op.f("uq_participants_invite_hash")),
        sa.UniqueConstraint("number", name=op.f("uq_participants_number")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "players",
        sa.Column("subject_id", sa.String(length=300), nullable=False),
        sa.Column("video", sa.String(length=1000), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("levels", sa.String(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_players")),
    )
    op.create_table(
        "assignments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("subject_id", sa.String(length=300), nullable=False),
        sa.Column("token", sa.String(length=43), nullable=False),
        sa.Column("check_level", sa.Integer(), nullable=True),
        sa.Column("check_answer", sa.Integer(), nullable=True),
        sa.Column("opened_at", sa.Double(), nullable=True),
        sa.Column("beat_at", sa.Double(), nullable=True),
        sa.Column("reached_s", sa.Double(), nullable=False),
        sa.Column("speed", sa.Double(), nullable=False),
        sa.Column("watched_at", sa.Double(), nullable=True),
        sa.Column("watched_by", sa.String(length=8), nullable=True),
        sa.Column("recognised", sa.Boolean(), nullable=True),
        sa.Column("rated_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participants.id"],
            name=op.f("fk_assignments_participant_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["players.subject_id"], name=op.f("fk_assignments_subject_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
        sa.UniqueConstraint(
            "participant_id",
            "session",
            "position",
            name=op.f("uq_assignments_participant_id_session_position"),
        ),
        sa.UniqueConstraint(
            "participant_id", "subject_id", name=op.f("uq_assignments_participant_id_subject_id")
        ),
        sa.UniqueConstraint("token", name=op.f("uq_assignments_token")),
    )
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assignments_subject_id"), ["subject_id"], unique=False)

    op.create_table(
        "forms",
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participants.id"],
            name=op.f("fk_forms_participant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("participant_id", "step", name=op.f("pk_forms")),
    )
    op.create_table(
        "ratings",
        sa.Column("assignment_id", sa.Integer(), nullable=False),
        sa.Column("skill", sa.String(length=40), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.CheckConstraint("level >= 0 AND level < 5", name=op.f("ck_ratings_level")),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["assignments.id"],
            name=op.f("fk_ratings_assignment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("assignment_id", "skill", name=op.f("pk_ratings")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("ratings")
    op.drop_table("forms")
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assignments_subject_id"))

    op.drop_table("assignments")
    op.drop_table("players")
    op.drop_table("participants")
    op.drop_table("meta")
    with op.batch_alter_table("login_failures", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_failures_at"))

    op.drop_table("login_failures")
