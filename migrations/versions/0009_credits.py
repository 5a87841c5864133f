"""Credits of works, and which file of a work an asset is."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CREDITS = ("contributors", "shares", "alternative_titles")


def upgrade() -> None:
    with op.batch_alter_table("assets") as batch_op:
        batch_op.add_column(sa.Column("label", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("language", sa.Text(), nullable=True))
    for name in _CREDITS:
        op.add_column("works", sa.Column(name, sa.JSON(), nullable=True))
        op.execute(f"UPDATE works SET {name} = '[]'")  # noqa: S608 - a name of ours
    with op.batch_alter_table("works") as batch_op:
        for name in _CREDITS:
            batch_op.alter_column(name, existing_type=sa.JSON(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("works") as batch_op:
        for name in _CREDITS:
            batch_op.drop_column(name)
    with op.batch_alter_table("assets") as batch_op:
        batch_op.drop_column("language")
        batch_op.drop_column("label")
