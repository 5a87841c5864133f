"""Titles and names as they are looked for: without case, accents and punctuation."""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_AT_ONCE = 1000
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "'": "", "’": "", "ʼ": ""}
)


def upgrade() -> None:
    for table in ("works", "holders"):
        op.add_column(table, sa.Column("search_text", sa.Text(), server_default=sa.text("''"), nullable=False))
    _fill("holders", [sa.column("name", sa.Text())], lambda row: [row.name])
    titles: list[sa.ColumnClause[Any]] = [sa.column("title", sa.Text()), sa.column("alternative_titles", sa.JSON())]
    _fill("works", titles, lambda row: [row.title, *(one["title"] for one in row.alternative_titles or ())])


def downgrade() -> None:
    for table in ("works", "holders"):
        op.drop_column(table, "search_text")


def _fill(name: str, columns: list[sa.ColumnClause[Any]], texts: Callable[[Any], list[str]]) -> None:
    connection = op.get_bind()
    table = sa.table(name, sa.column("id", sa.Text()), sa.column("search_text", sa.Text()), *columns)
    some = sa.select(table).order_by(table.c.id).limit(_AT_ONCE)
    update = sa.update(table).where(table.c.id == sa.bindparam("of")).values(search_text=sa.bindparam("text"))
    last = ""
    while rows := connection.execute(some.where(table.c.id > last)).all():
        connection.execute(update, [{"of": row.id, "text": _folded(texts(row))} for row in rows])
        last = rows[-1].id


def _folded(texts: list[str]) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", " ".join(texts)).casefold()).translate(_PLAIN)
    seen = (char for char in plain if not unicodedata.combining(char))
    return " ".join("".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in seen).split())
