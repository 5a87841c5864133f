"""Webhook endpoints as rows of their own, with secrets that overlap; what became of each message."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from registry import models

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("holder_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column("previous_secret_until", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["holder_id"], ["holders.id"], name=op.f("fk_webhook_endpoints_holder_id")),
        sa.PrimaryKeyConstraint("holder_id", name=op.f("pk_webhook_endpoints")),
    )
    op.execute(
        "INSERT INTO webhook_endpoints (holder_id, url, set_by, secret, created_at)"
        " SELECT id, webhook_url, 'operator', webhook_secret, created_at FROM holders"
        " WHERE webhook_url IS NOT NULL AND webhook_secret IS NOT NULL"
    )
    op.drop_column("holders", "webhook_url")
    op.drop_column("holders", "webhook_secret")
    op.add_column("outbox", sa.Column("status", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("attempts", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE outbox SET attempts = CASE WHEN delivered_at IS NOT NULL THEN 1 ELSE 0 END, status = CASE"
        " WHEN delivered_at IS NOT NULL THEN 'delivered' WHEN last_error IS NOT NULL THEN 'failed' ELSE 'pending' END"
    )
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.alter_column("status", existing_type=sa.Text(), nullable=False)
        batch_op.alter_column("attempts", existing_type=sa.Integer(), nullable=False)
    op.create_index(op.f("ix_outbox_status"), "outbox", ["status"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_outbox_status"), "outbox")
    op.drop_column("outbox", "attempts")
    op.drop_column("outbox", "status")
    op.add_column("holders", sa.Column("webhook_url", sa.Text(), nullable=True))
    op.add_column("holders", sa.Column("webhook_secret", sa.Text(), nullable=True))
    # An older service would ask any address: only what an operator chose goes back.
    op.execute(
        "UPDATE holders SET webhook_url = (SELECT url FROM webhook_endpoints WHERE holder_id = holders.id"
        " AND set_by = 'operator'), webhook_secret = (SELECT secret FROM webhook_endpoints"
        " WHERE holder_id = holders.id AND set_by = 'operator')"
    )
    op.drop_table("webhook_endpoints")
