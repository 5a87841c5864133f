"""Consents of persons, the checks that name them, and the tokens that came with those."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from registry import models

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("work_id", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("grantee_id", sa.Text(), nullable=False),
        sa.Column("uses", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("clip_sha256", sa.Text(), nullable=True),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("conditions", sa.Text(), nullable=True),
        sa.Column("not_before", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("granted_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("token", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["work_id"], ["works.id"], name=op.f("fk_consents_work_id")),
        sa.ForeignKeyConstraint(["granted_by"], ["holders.id"], name=op.f("fk_consents_granted_by")),
        sa.ForeignKeyConstraint(["grantee_id"], ["holders.id"], name=op.f("fk_consents_grantee_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    for column in ("work_id", "granted_by", "grantee_id"):
        op.create_index(op.f(f"ix_consents_{column}"), "consents", [column], unique=False)
    op.create_table(
        "drafts",
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("work_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("uses", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_drafts_check_id")),
        sa.ForeignKeyConstraint(["work_id"], ["works.id"], name=op.f("fk_drafts_work_id")),
        sa.PrimaryKeyConstraint("check_id", "work_id", name=op.f("pk_drafts")),
    )
    op.create_index("ix_drafts_work_id_check_id", "drafts", ["work_id", "check_id"], unique=False)
    op.create_table(
        "presented_consents",
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("consent_id", sa.Text(), nullable=True),
        sa.Column("gap", sa.Text(), nullable=True),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_presented_consents_check_id")),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name=op.f("fk_presented_consents_consent_id")),
        sa.PrimaryKeyConstraint("check_id", "position", name=op.f("pk_presented_consents")),
    )
    op.create_index(op.f("ix_presented_consents_consent_id"), "presented_consents", ["consent_id"], unique=False)


def downgrade() -> None:
    op.drop_table("presented_consents")
    op.drop_table("drafts")
    op.drop_table("consents")
