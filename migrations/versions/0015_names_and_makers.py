"""Names that are the same are one; who made a key; what somebody says who signs up, until they show their address.

Names that were the same before keep working: the later one's key bears its id, so that no third joins them.
"""

import re
import unicodedata
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def upgrade() -> None:
    op.add_column("holders", sa.Column("name_key", sa.Text(), nullable=True))
    _fill_name_keys()
    with op.batch_alter_table("holders") as batch_op:
        batch_op.alter_column("name_key", existing_type=sa.Text(), nullable=False)
        batch_op.create_unique_constraint(op.f("uq_holders_name_key"), ["name_key"])
    op.add_column("api_keys", sa.Column("made_by", sa.Text(), nullable=True))
    # A stranger may have made an account on somebody's address, and keys: they end when its reader takes it over.
    op.execute(
        "UPDATE api_keys SET made_by = (SELECT m.account_id FROM memberships m JOIN accounts a ON a.id = m.account_id"
        " WHERE m.holder_id = api_keys.holder_id AND a.email_confirmed_at IS NULL)"
        " WHERE (SELECT count(*) FROM memberships m WHERE m.holder_id = api_keys.holder_id) = 1"
    )
    op.create_index(op.f("ix_api_keys_made_by"), "api_keys", ["made_by"], unique=False)
    op.add_column("letters", sa.Column("said", sa.JSON(), nullable=True))
    # Their codes confirm nothing any more: who has one asks for a new password, which shows the address as well.
    op.execute("DELETE FROM letters WHERE purpose = 'confirm'")
    op.add_column("letters", sa.Column("id", sa.Text(), nullable=True))
    op.execute("UPDATE letters SET id = 'ltr_' || substr(code_sha256, 1, 32)")
    with op.batch_alter_table("letters") as batch_op:
        batch_op.alter_column("id", existing_type=sa.Text(), nullable=False)
        batch_op.create_unique_constraint(op.f("uq_letters_id"), ["id"])


def downgrade() -> None:
    # Who signed up and did not show their address yet signs up again.
    op.execute("DELETE FROM letters WHERE said IS NOT NULL")
    with op.batch_alter_table("letters") as batch_op:
        batch_op.drop_constraint(op.f("uq_letters_id"), type_="unique")
        batch_op.drop_column("id")
        batch_op.drop_column("said")
    op.drop_index(op.f("ix_api_keys_made_by"), table_name="api_keys")
    op.drop_column("api_keys", "made_by")
    with op.batch_alter_table("holders") as batch_op:
        batch_op.drop_constraint(op.f("uq_holders_name_key"), type_="unique")
        batch_op.drop_column("name_key")


def _fill_name_keys() -> None:
    connection = op.get_bind()
    holders = sa.table("holders", *(sa.column(name, sa.Text) for name in ("id", "name", "name_key")))
    known: set[str] = set()
    for row in connection.execute(sa.select(holders.c.id, holders.c.name).order_by(holders.c.id)).all():
        key = _key_of(row.name)
        if key in known:
            key = f"{key} {row.id}"
        known.add(key)
        connection.execute(sa.update(holders).where(holders.c.id == row.id).values(name_key=key))


def _key_of(name: str) -> str:
    seen = "".join(char for char in name if unicodedata.category(char) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    return " ".join(_UNSEEN.sub("", folded).split())
