"""What others say of the ledger's checkpoints, and the keys that signed them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from registry import models

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "ledger_keys",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("verifier_key", sa.Text(), nullable=False),
        sa.Column("handover", sa.Text(), nullable=True),
        sa.Column("introduced_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger_keys")),
        sa.UniqueConstraint("id", name=op.f("uq_ledger_keys_id")),
        sa.UniqueConstraint("verifier_key", name=op.f("uq_ledger_keys_verifier_key")),
    )
    op.create_table(
        "ledger_timestamps",
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("verifier_key", sa.Text(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["ledger_checkpoints.size"], name=op.f("fk_ledger_timestamps_size")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_ledger_timestamps")),
    )
    op.create_table(
        "ledger_cosignatures",
        sa.Column("witness_key", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["ledger_checkpoints.size"], name=op.f("fk_ledger_cosignatures_size")),
        sa.PrimaryKeyConstraint("witness_key", "size", name=op.f("pk_ledger_cosignatures")),
    )
    op.create_index(op.f("ix_ledger_cosignatures_size"), "ledger_cosignatures", ["size"], unique=False)


def downgrade() -> None:
    for table in ("ledger_cosignatures", "ledger_timestamps", "ledger_keys"):
        op.drop_table(table)
