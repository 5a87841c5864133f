"""Days on which nobody answered about a domain are counted apart from those on which its text was gone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("domains", sa.Column("silences", sa.Integer(), server_default="0", nullable=False))
    # With three failures a domain lapsed, unless nobody had answered.
    op.execute(
        "UPDATE domains SET silences = failures, failures = 0"
        " WHERE failures >= 3 AND verified_at IS NOT NULL AND lapsed_at IS NULL"
    )


def downgrade() -> None:
    op.execute("UPDATE domains SET failures = failures + silences")
    op.drop_column("domains", "silences")
