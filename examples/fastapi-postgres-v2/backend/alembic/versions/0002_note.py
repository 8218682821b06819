"""An item may have a note. The column can be empty, so version 1 goes on working while this one is brought in."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("note", sa.String(1000), nullable=True))


def downgrade() -> None:
    op.drop_column("items", "note")
