"""People: accounts, memberships, agents, domains, and what shows who a holder is."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from registry import models

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("email_confirmed_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("email", name=op.f("uq_accounts_email")),
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("sent_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_table(
        "agencies",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("granted_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("valid_until", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["holders.id"], name=op.f("fk_agencies_agent_id")),
        sa.ForeignKeyConstraint(["principal_id"], ["holders.id"], name=op.f("fk_agencies_principal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agencies")),
    )
    op.create_index(op.f("ix_agencies_agent_id"), "agencies", ["agent_id"], unique=False)
    op.create_index(op.f("ix_agencies_principal_id"), "agencies", ["principal_id"], unique=False)
    op.create_table(
        "assurance_changes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.Text(), nullable=False),
        sa.Column("assurance", sa.Text(), nullable=False),
        sa.Column("granted_assurance", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["holder_id"], ["holders.id"], name=op.f("fk_assurance_changes_holder_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assurance_changes")),
    )
    op.create_index(op.f("ix_assurance_changes_holder_id"), "assurance_changes", ["holder_id"], unique=False)
    op.create_table(
        "domains",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("verified_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("checked_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("lapsed_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("let_go_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["holder_id"], ["holders.id"], name=op.f("fk_domains_holder_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sa.UniqueConstraint("holder_id", "name", name=op.f("uq_domains_holder_id_name")),
    )
    op.create_index(op.f("ix_domains_holder_id"), "domains", ["holder_id"], unique=False)
    op.create_index(op.f("ix_domains_name"), "domains", ["name"], unique=False)
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("added_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_identities_account_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_account_id"), "identities", ["account_id"], unique=False)
    op.create_table(
        "letters",
        sa.Column("code_sha256", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("holder_id", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_letters_account_id")),
        sa.ForeignKeyConstraint(["holder_id"], ["holders.id"], name=op.f("fk_letters_holder_id")),
        sa.PrimaryKeyConstraint("code_sha256", name=op.f("pk_letters")),
    )
    op.create_index(op.f("ix_letters_account_id"), "letters", ["account_id"], unique=False)
    op.create_index(op.f("ix_letters_holder_id"), "letters", ["holder_id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("holder_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("added_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_memberships_account_id")),
        sa.ForeignKeyConstraint(["holder_id"], ["holders.id"], name=op.f("fk_memberships_holder_id")),
        sa.PrimaryKeyConstraint("holder_id", "account_id", name=op.f("pk_memberships")),
    )
    op.create_index(op.f("ix_memberships_account_id"), "memberships", ["account_id"], unique=False)
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_sign_ins_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_sign_ins_secret_sha256")),
    )
    op.create_index(op.f("ix_sign_ins_account_id"), "sign_ins", ["account_id"], unique=False)
    with op.batch_alter_table("api_keys") as batch_op:
        batch_op.add_column(sa.Column("name", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("used_at", models.UtcDateTime(timezone=True), nullable=True))
    with op.batch_alter_table("holders") as batch_op:
        batch_op.add_column(sa.Column("kind", sa.Text(), server_default="organisation", nullable=False))
        batch_op.add_column(sa.Column("granted_assurance", sa.Text(), server_default="unverified", nullable=False))
    op.execute("UPDATE holders SET granted_assurance = assurance")  # until now it was the operator's word alone
    with op.batch_alter_table("reservations") as batch_op:
        batch_op.add_column(sa.Column("agent_id", sa.Text(), nullable=True))
        batch_op.create_foreign_key(op.f("fk_reservations_agent_id"), "holders", ["agent_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("reservations") as batch_op:
        batch_op.drop_constraint(op.f("fk_reservations_agent_id"), type_="foreignkey")
        batch_op.drop_column("agent_id")
    with op.batch_alter_table("holders") as batch_op:
        batch_op.drop_column("granted_assurance")
        batch_op.drop_column("kind")
    with op.batch_alter_table("api_keys") as batch_op:
        batch_op.drop_column("used_at")
        batch_op.drop_column("name")
    op.drop_table("sign_ins")
    op.drop_table("memberships")
    op.drop_table("letters")
    op.drop_table("identities")
    op.drop_table("domains")
    op.drop_table("assurance_changes")
    op.drop_table("agencies")
    op.drop_table("mails")
    op.drop_table("accounts")
