"""What the videos were when players were drawn, and when they were sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.add_column("players", sa.Column("size", sa.BigInteger(), nullable=True))
    op.add_column("players", sa.Column("fingerprint", sa.String(length=64), nullable=True))
    op.add_column("assignments", sa.Column("served_at", sa.Double(), nullable=True))
    op.execute("UPDATE assignments SET served_at = opened_at")  # somebody may be watching


def downgrade() -> None:
    """Go back."""
    op.drop_column("assignments", "served_at")
    op.drop_column("players", "fingerprint")
    op.drop_column("players", "size")
