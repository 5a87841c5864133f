"""Conflicts carried to their end, and looking back at what was checked before a work came."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from registry import models

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "look_backs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("item_number", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("finished_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_look_backs_asset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_look_backs")),
    )
    op.create_index(op.f("ix_look_backs_asset_id"), "look_backs", ["asset_id"], unique=False)
    op.create_table(
        "conflict_statements",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conflict_id", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("links", sa.JSON(), nullable=False),
        sa.Column("at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["conflict_id"], ["conflicts.id"], name=op.f("fk_conflict_statements_conflict_id")),
        sa.ForeignKeyConstraint(["holder_id"], ["holders.id"], name=op.f("fk_conflict_statements_holder_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflict_statements")),
    )
    op.create_index(op.f("ix_conflict_statements_conflict_id"), "conflict_statements", ["conflict_id"], unique=False)
    op.create_index(op.f("ix_conflict_statements_holder_id"), "conflict_statements", ["holder_id"], unique=False)
    op.create_table(
        "findings",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("look_back_id", sa.Text(), nullable=False),
        sa.Column("work_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("release_id", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("segments", sa.JSON(), nullable=False),
        sa.Column("found_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("disabled_release", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_findings_asset_id")),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_findings_check_id")),
        sa.ForeignKeyConstraint(["look_back_id"], ["look_backs.id"], name=op.f("fk_findings_look_back_id")),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_findings_release_id")),
        sa.ForeignKeyConstraint(["work_id"], ["works.id"], name=op.f("fk_findings_work_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
        sa.UniqueConstraint("asset_id", "check_id", name=op.f("uq_findings_asset_id_check_id")),
    )
    op.create_index(op.f("ix_findings_asset_id"), "findings", ["asset_id"], unique=False)
    op.create_index(op.f("ix_findings_check_id"), "findings", ["check_id"], unique=False)
    op.create_index(op.f("ix_findings_look_back_id"), "findings", ["look_back_id"], unique=False)
    op.create_index(op.f("ix_findings_release_id"), "findings", ["release_id"], unique=False)
    op.create_index(op.f("ix_findings_work_id"), "findings", ["work_id"], unique=False)
    with op.batch_alter_table("conflicts") as batch_op:
        batch_op.add_column(sa.Column("appeal_of", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("state", sa.Text(), server_default="open", nullable=False))
        batch_op.add_column(sa.Column("segments", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("evidence_until", models.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("outcome", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("cause", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("reason", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("decided_by", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("appeal_until", models.UtcDateTime(timezone=True), nullable=True))
        batch_op.drop_constraint(op.f("uq_conflicts_asset_id_rival_asset_id"), type_="unique")
        batch_op.create_unique_constraint(op.f("uq_conflicts_appeal_of"), ["appeal_of"])
        batch_op.create_foreign_key(op.f("fk_conflicts_appeal_of"), "conflicts", ["appeal_of"], ["id"])
    op.execute("UPDATE conflicts SET segments = '[]'")
    op.execute("UPDATE conflicts SET state = 'ended' WHERE closed_at IS NOT NULL")
    with op.batch_alter_table("conflicts") as batch_op:
        batch_op.alter_column("segments", existing_type=sa.JSON(), nullable=False)
    with op.batch_alter_table("exclusions") as batch_op:
        batch_op.add_column(sa.Column("conflict_id", sa.Text(), nullable=True))
        batch_op.create_index(op.f("ix_exclusions_conflict_id"), ["conflict_id"], unique=False)
        batch_op.create_foreign_key(op.f("fk_exclusions_conflict_id"), "conflicts", ["conflict_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("exclusions") as batch_op:
        batch_op.drop_constraint(op.f("fk_exclusions_conflict_id"), type_="foreignkey")
        batch_op.drop_index(op.f("ix_exclusions_conflict_id"))
        batch_op.drop_column("conflict_id")
    op.drop_table("findings")
    op.drop_table("conflict_statements")
    op.drop_table("look_backs")
    op.execute("DELETE FROM conflicts WHERE appeal_of IS NOT NULL")  # a pair had one row
    with op.batch_alter_table("conflicts") as batch_op:
        batch_op.drop_constraint(op.f("fk_conflicts_appeal_of"), type_="foreignkey")
        batch_op.drop_constraint(op.f("uq_conflicts_appeal_of"), type_="unique")
        batch_op.create_unique_constraint(op.f("uq_conflicts_asset_id_rival_asset_id"), ["asset_id", "rival_asset_id"])
        batch_op.drop_column("appeal_until")
        batch_op.drop_column("decided_by")
        batch_op.drop_column("reason")
        batch_op.drop_column("cause")
        batch_op.drop_column("outcome")
        batch_op.drop_column("evidence_until")
        batch_op.drop_column("segments")
        batch_op.drop_column("state")
        batch_op.drop_column("appeal_of")
