"""Notices of every track: their statements, letters, decisions and deadlines; strikes, suspensions, flaggers."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from registry.models import UtcDateTime

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXED = ("duplicate_of", "digest")


def _text(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _time(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, UtcDateTime(), nullable=nullable)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)


def _of(table: str, name: str = "", *, primary_key: bool = False) -> sa.Column[Any]:
    name = name or f"{table.removesuffix('s')}_id"
    return sa.Column(name, sa.Text(), sa.ForeignKey(f"{table}.id"), primary_key=primary_key, nullable=False)


def _added_to_notices() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        sa.Column("signals", sa.JSON(), server_default="[]", nullable=False),
        _flag("is_address_known"), _flag("is_set_aside"), _text("tier"), _text("digest"),
        _text("published_by"), _time("published_at"),
        _time("forgotten_at"), sa.Column("uploader", sa.JSON(), nullable=True),
        sa.Column("public_texts", sa.JSON(), nullable=True),
        sa.Column("check_id", sa.Text(), nullable=True), sa.Column("duplicate_of", sa.Text(), nullable=True),
    )  # fmt: skip


def _added_to_events() -> tuple[sa.Column[Any], ...]:
    return _text("reason_code"), _text("by"), sa.Column("details", sa.JSON(), nullable=True)


def _added_to_mails() -> tuple[sa.Column[Any], ...]:
    return _text("html"), _time("handed_over_at"), _time("bounced_at"), _text("problem")


def upgrade() -> None:
    with op.batch_alter_table("notices") as table:
        table.alter_column("holder_id", existing_type=sa.Text(), nullable=True)
        for column in _added_to_notices():
            table.add_column(column)
        table.alter_column("signals", server_default=None)  # it was for the rows of before
        table.create_foreign_key("fk_notices_check_id", "checks", ["check_id"], ["id"])
        table.create_foreign_key("fk_notices_duplicate_of", "notices", ["duplicate_of"], ["id"])
    for name in _INDEXED:
        op.create_index(f"ix_notices_{name}", "notices", [name])
    for column in _added_to_events():
        op.add_column("notice_events", column)
    for column in _added_to_mails():
        op.add_column("mails", column)
    op.create_table(
        "notice_releases", _of("notices", primary_key=True), _of("releases", primary_key=True),
        sa.Column("is_named", sa.Boolean(), nullable=False), _time("disabled_at"), _time("restored_at"),
    )  # fmt: skip
    op.create_index("ix_notice_releases_release_id", "notice_releases", ["release_id"])
    _carry_over()
    op.create_table(
        "notice_statements", _of("notices", primary_key=True), sa.Column("position", sa.Integer(), primary_key=True),
        _text("party", nullable=False), _text("name", nullable=False),
        sa.Column("version", sa.Integer(), nullable=False), _text("text", nullable=False), _text("address"),
        _time("accepted_at", nullable=False),
    )  # fmt: skip
    op.create_table(
        "notice_tickets", sa.Column("sha256", sa.Text(), primary_key=True), _of("notices"),
        _text("party", nullable=False), _time("made_at", nullable=False),
    )  # fmt: skip
    op.create_index("ix_notice_tickets_notice_id", "notice_tickets", ["notice_id"])
    op.create_table(
        "notice_proposals", _of("notices", primary_key=True), sa.Column("position", sa.Integer(), nullable=False),
        _text("event", nullable=False), _text("reason_code"), _text("reason"),
        sa.Column("details", sa.JSON(), nullable=True), _text("proposed_by", nullable=False),
        _time("proposed_at", nullable=False),
    )  # fmt: skip
    op.create_table(
        "notice_letters", _of("mails", primary_key=True), _of("notices"), _text("party", nullable=False),
        _text("name", nullable=False), sa.Column("version", sa.Integer(), nullable=False),
        _text("language", nullable=False), _text("subject", nullable=False), _text("text", nullable=False),
        _text("html", nullable=False), _text("sha256", nullable=False), _time("written_at", nullable=False),
    )  # fmt: skip
    op.create_index("ix_notice_letters_notice_id", "notice_letters", ["notice_id"])
    op.create_table(
        "notice_escalations", _of("notices", primary_key=True), sa.Column("deadline", sa.Text(), primary_key=True),
        sa.Column("due_at", UtcDateTime(), primary_key=True), sa.Column("has_passed", sa.Boolean(), primary_key=True),
        _time("at", nullable=False),
    )  # fmt: skip
    op.create_table(
        "strikes", sa.Column("id", sa.Text(), primary_key=True), _of("holders"), _text("side", nullable=False),
        _of("notices"), _text("gravity", nullable=False), _text("intent"), _time("given_at", nullable=False),
        _time("expires_at", nullable=False), _time("lifted_at"),
    )  # fmt: skip
    op.create_table(
        "misuse_decisions", sa.Column("id", sa.Text(), primary_key=True), _of("holders"), _text("side", nullable=False),
        _text("decision", nullable=False), _time("until"), _text("reason", nullable=False),
        sa.Column("factors", sa.JSON(), nullable=False), _text("decided_by", nullable=False),
        _time("at", nullable=False),
    )  # fmt: skip
    op.create_table(
        "trusted_flaggers", sa.Column("id", sa.Text(), primary_key=True), _of("holders"),
        _text("basis", nullable=False), _text("granted_by", nullable=False), _time("granted_at", nullable=False),
        _time("ended_at"), _text("ended_reason"),
    )  # fmt: skip
    for name in ("strikes", "misuse_decisions", "trusted_flaggers"):
        op.create_index(f"ix_{name}_holder_id", name, ["holder_id"])
    op.create_index("ix_strikes_notice_id", "strikes", ["notice_id"])


def _carry_over() -> None:
    """Notices of before are about the one release that they name, and say by their steps whether it is down."""
    op.execute(
        "INSERT INTO notice_releases (notice_id, release_id, is_named, disabled_at, restored_at) "
        "SELECT n.id, n.release_id, true, "
        "(SELECT MIN(e.at) FROM notice_events e WHERE e.notice_id = n.id AND e.event = 'disable'), "
        "(SELECT MAX(e.at) FROM notice_events e WHERE e.notice_id = n.id"
        " AND e.state IN ('restored', 'retracted', 'rejected_abuse')) "
        "FROM notices n WHERE n.release_id IS NOT NULL"
    )


def downgrade() -> None:
    for name in (
        "trusted_flaggers", "misuse_decisions", "strikes", "notice_escalations", "notice_letters", "notice_proposals",
        "notice_tickets", "notice_statements", "notice_releases",
    ):  # fmt: skip
        op.drop_table(name)
    with op.batch_alter_table("mails") as table:
        for column in _added_to_mails():
            table.drop_column(column.name)
    with op.batch_alter_table("notice_events") as table:
        for column in _added_to_events():
            table.drop_column(column.name)
    for name in _INDEXED:
        op.drop_index(f"ix_notices_{name}", "notices")
    # Who filed without a key has no place in the older tables.
    for table_name in ("notice_events", "notices"):
        key = "notice_id" if table_name == "notice_events" else "id"
        op.execute(f"DELETE FROM {table_name} WHERE {key} IN (SELECT id FROM notices WHERE holder_id IS NULL)")  # noqa: S608
    with op.batch_alter_table("notices") as table:
        table.drop_constraint("fk_notices_duplicate_of", type_="foreignkey")
        table.drop_constraint("fk_notices_check_id", type_="foreignkey")
        for column in reversed(_added_to_notices()):
            table.drop_column(column.name)
        table.alter_column("holder_id", existing_type=sa.Text(), nullable=False)
