"""The files that messages carry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of the files."""
    op.create_table(
        "documents",
        sa.Column("event_seq", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["event_seq"], ["events.seq"], name=op.f("fk_documents_event_seq"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_seq", "path", name=op.f("pk_documents")),
    )
