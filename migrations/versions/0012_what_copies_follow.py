"""A log of what changed, for copies of the registry; what is on record already stands at its beginning."""

import secrets
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# A thing comes after what it refers to.
_TOLD = {
    "holder": "holders", "work": "works", "asset": "assets", "reservation": "reservations", "conflict": "conflicts",
    "domain": "domains",
}  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "feed_log",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_feed_log")),
    )
    op.add_column("heads", sa.Column("feed_sequence", sa.Integer(), server_default="0", nullable=False))
    _begin()
    op.create_index("ix_feed_log_subject_id_sequence", "feed_log", ["subject_id", "sequence"], unique=False)


def downgrade() -> None:
    op.drop_column("heads", "feed_sequence")
    op.drop_table("feed_log")


def _begin() -> None:
    connection, mark, head = op.get_bind(), secrets.token_hex(8), 0
    log = sa.table("feed_log", *(sa.column(name) for name in ("sequence", "kind", "subject_id", "mark")))
    for kind, name in _TOLD.items():
        rows = sa.table(name, sa.column("id", sa.Text))
        number = sa.func.row_number().over(order_by=rows.c.id) + head
        told = sa.select(number, sa.literal(kind), rows.c.id, sa.literal(mark))
        connection.execute(sa.insert(log).from_select(["sequence", "kind", "subject_id", "mark"], told))
        head += connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one()
    connection.execute(sa.update(sa.table("heads", sa.column("feed_sequence"))).values(feed_sequence=head))
