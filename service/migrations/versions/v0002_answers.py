"""Fronts of ended searches as they are sent; and an index to count an owner's unfinished work by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the index."""
    op.create_table(
        "answers",
        sa.Column(
            "search_id", sa.String(36), sa.ForeignKey("searches.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("search_id", name="pk_answers"),
    )
    op.create_index("ix_jobs_owner_state", "jobs", ["owner", "state"])


def downgrade() -> None:
    """Take both away."""
    op.drop_index("ix_jobs_owner_state", "jobs")
    op.drop_table("answers")
