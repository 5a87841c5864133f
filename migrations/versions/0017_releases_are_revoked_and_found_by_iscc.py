"""Releases keep their manifest store and ISCC, and can be revoked; verifications keep what a file said."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from registry.models import UtcDateTime

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _added() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("source_type", sa.Text(), nullable=True),
        sa.Column("source_type_in_file", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_sidecar", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("iscc", sa.Text(), nullable=True),
        sa.Column("iscc_kind", sa.Integer(), nullable=True),
        sa.Column("iscc_body", sa.LargeBinary(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revocation", sa.Text(), nullable=True),
        sa.Column("revocation_reason", sa.Text(), nullable=True),
    )


def upgrade() -> None:
    for column in _added():
        op.add_column("releases", column)
    op.create_index("ix_releases_iscc_body", "releases", ["iscc_body"])
    op.create_index("ix_releases_manifest_id", "releases", ["manifest_id"])
    op.create_table(
        "release_manifests",
        sa.Column("release_id", sa.Text(), sa.ForeignKey("releases.id"), primary_key=True),
        sa.Column("store", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "verification_manifests",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("store", sa.LargeBinary(), nullable=False),
        sa.Column("crjson", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
    )
    op.create_index("ix_verification_manifests_size_bytes", "verification_manifests", ["size_bytes"])
    op.add_column("verifications", sa.Column("manifest_sha256", sa.Text(), nullable=True))
    op.create_index("ix_verifications_manifest_sha256", "verifications", ["manifest_sha256"])


def downgrade() -> None:
    op.drop_index("ix_verifications_manifest_sha256", "verifications")
    with op.batch_alter_table("verifications") as table:
        table.drop_column("manifest_sha256")
    op.drop_table("verification_manifests")
    op.drop_table("release_manifests")
    op.drop_index("ix_releases_manifest_id", "releases")
    op.drop_index("ix_releases_iscc_body", "releases")
    with op.batch_alter_table("releases") as table:
        for column in reversed(_added()):
            table.drop_column(column.name)
