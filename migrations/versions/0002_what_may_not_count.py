"""What a match may not count for: thresholds, exclusions, the negative bank, quarantine; and explanations."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from registry import models

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    for table in ("holders", "works"):
        op.add_column(table, sa.Column("review_matched_s", sa.Double(), nullable=True))
        op.add_column(table, sa.Column("block_matched_s", sa.Double(), nullable=True))
    op.add_column("works", sa.Column("shows_frames", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("checks", sa.Column("explanation", sa.Text(), nullable=True))
    op.add_column("checks", sa.Column("explanation_key", sa.Text(), nullable=True))
    op.add_column("matches", sa.Column("no_weight", sa.Text(), nullable=True))
    op.add_column("matches", sa.Column("doubts", sa.JSON(), nullable=True))
    op.execute("UPDATE matches SET doubts = '[]'")
    with op.batch_alter_table("matches") as batch_op:
        batch_op.alter_column("doubts", existing_type=sa.JSON(), nullable=False)
    op.create_index("ix_matches_asset_id_check_id", "matches", ["asset_id", "check_id"], unique=False)

    op.create_table(
        "negatives",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("blob_key", sa.Text(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("indexed_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("removed_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["added_by"], ["holders.id"], name=op.f("fk_negatives_added_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_negatives")),
    )
    op.create_index(op.f("ix_negatives_added_by"), "negatives", ["added_by"], unique=False)

    op.create_table(
        "exclusions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("negative_id", sa.Text(), nullable=True),
        sa.Column("modality", sa.Text(), nullable=True),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("declared_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_exclusions_asset_id")),
        sa.ForeignKeyConstraint(["negative_id"], ["negatives.id"], name=op.f("fk_exclusions_negative_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exclusions")),
    )
    op.create_index(op.f("ix_exclusions_asset_id"), "exclusions", ["asset_id"], unique=False)
    op.create_index(op.f("ix_exclusions_negative_id"), "exclusions", ["negative_id"], unique=False)

    op.create_table(
        "quarantines",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("matched_checks", sa.Integer(), nullable=False),
        sa.Column("askers", sa.Integer(), nullable=False),
        sa.Column("opened_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_quarantines_asset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantines")),
    )
    op.create_index(op.f("ix_quarantines_asset_id"), "quarantines", ["asset_id"], unique=False)


def downgrade() -> None:
    op.drop_table("quarantines")
    op.drop_table("exclusions")
    op.drop_table("negatives")
    op.drop_index("ix_matches_asset_id_check_id", "matches")
    for table, column in (
        ("matches", "no_weight"),
        ("matches", "doubts"),
        ("checks", "explanation_key"),
        ("checks", "explanation"),
        ("works", "shows_frames"),
        ("works", "block_matched_s"),
        ("works", "review_matched_s"),
        ("holders", "block_matched_s"),
        ("holders", "review_matched_s"),
    ):
        op.drop_column(table, column)
    # An older service knows no such corpus; its log must keep every number, and removing what is not there is nothing.
    op.execute("UPDATE index_log SET operation = 'remove', corpus = 'works' WHERE corpus = 'negatives'")
    op.execute("DELETE FROM descriptors WHERE item_number IN (SELECT number FROM items WHERE corpus = 'negatives')")
    op.execute("DELETE FROM items WHERE corpus = 'negatives'")
