"""Indexes for preferences of many at once.

Words on whole catalogues are found among all that their holder said, and the few words on assets and locations
without the many on works. Nobody asks for assets by status alone; SQLite took that index for a file's hash and
status together, and read every indexed asset.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _partial_index("ix_reservations_of_catalogues", "holder_id", "scope = 'catalogue'")
    for column in ("asset_id", "location_host"):
        op.drop_index(f"ix_reservations_{column}", table_name="reservations")
        _partial_index(f"ix_reservations_{column}", column, f"{column} IS NOT NULL")
    op.drop_index("ix_assets_status", table_name="assets")


def downgrade() -> None:
    op.create_index("ix_assets_status", "assets", ["status"], unique=False)
    for column in ("asset_id", "location_host"):
        op.drop_index(f"ix_reservations_{column}", table_name="reservations")
        op.create_index(f"ix_reservations_{column}", "reservations", [column], unique=False)
    op.drop_index("ix_reservations_of_catalogues", table_name="reservations")


def _partial_index(name: str, column: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "reservations", [column], unique=False, sqlite_where=condition, postgresql_where=condition)
