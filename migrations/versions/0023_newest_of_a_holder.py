"""A holder's newest checks, releases and works are found by an index of holder and id, which is sorted by time."""

from collections.abc import Sequence

from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = ("checks", "releases", "works")


def upgrade() -> None:
    for table in _TABLES:
        op.create_index(op.f(f"ix_{table}_holder_id_id"), table, ["holder_id", "id"])
        op.drop_index(op.f(f"ix_{table}_holder_id"), table)


def downgrade() -> None:
    for table in _TABLES:
        op.create_index(op.f(f"ix_{table}_holder_id"), table, ["holder_id"])
        op.drop_index(op.f(f"ix_{table}_holder_id_id"), table)
