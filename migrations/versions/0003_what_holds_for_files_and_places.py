"""Declarations about one asset or a web location, and works found by their identifiers."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("reservations") as batch_op:
        batch_op.add_column(sa.Column("asset_id", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("location_host", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("contact", sa.Text(), nullable=True))
        batch_op.create_foreign_key("fk_reservations_asset_id", "assets", ["asset_id"], ["id"])
    op.create_index("ix_reservations_asset_id", "reservations", ["asset_id"], unique=False)
    op.create_index("ix_reservations_location_host", "reservations", ["location_host"], unique=False)
    _name_hosts()
    op.create_table(
        "work_identifiers",
        sa.Column("work_id", sa.Text(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["work_id"], ["works.id"], name=op.f("fk_work_identifiers_work_id")),
        sa.PrimaryKeyConstraint("work_id", "scheme", name=op.f("pk_work_identifiers")),
    )
    op.create_index("ix_work_identifiers_scheme_value", "work_identifiers", ["scheme", "value"], unique=False)
    _list_identifiers()


def downgrade() -> None:
    op.drop_table("work_identifiers")
    op.drop_index("ix_reservations_location_host", table_name="reservations")
    op.drop_index("ix_reservations_asset_id", table_name="reservations")
    with op.batch_alter_table("reservations") as batch_op:
        batch_op.drop_constraint("fk_reservations_asset_id", type_="foreignkey")
        batch_op.drop_column("contact")
        batch_op.drop_column("location_host")
        batch_op.drop_column("asset_id")


def _name_hosts() -> None:
    said = sa.table("reservations", *(sa.column(name, sa.Text) for name in ("id", "location", "location_host")))
    connection = op.get_bind()
    for row in connection.execute(sa.select(said.c.id, said.c.location).where(said.c.location.is_not(None))).all():
        written = row.location if "://" in row.location else f"//{row.location}"
        try:
            host = urlsplit(written).netloc.rpartition("@")[2].lower()
        except ValueError:
            continue
        connection.execute(sa.update(said).where(said.c.id == row.id).values(location_host=host or None))


def _list_identifiers() -> None:
    works = sa.table("works", sa.column("id", sa.Text), sa.column("identifiers", sa.JSON))
    listed = sa.table("work_identifiers", *(sa.column(name, sa.Text) for name in ("work_id", "scheme", "value")))
    connection = op.get_bind()
    for row in connection.execute(sa.select(works.c.id, works.c.identifiers)).all():
        for scheme, value in (row.identifiers or {}).items():
            connection.execute(sa.insert(listed).values(work_id=row.id, scheme=scheme, value=value))
