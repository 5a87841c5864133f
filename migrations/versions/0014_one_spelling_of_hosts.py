"""Hosts of locations as they are compared now: as DNS has them, without the ports that http and https have anyway.

Locations themselves stay as they were said: the ledger commits to them.
"""

from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    said = sa.table("reservations", sa.column("location_host", sa.Text))
    connection = op.get_bind()
    hosts = sa.select(said.c.location_host).distinct().where(said.c.location_host.is_not(None))
    for host in connection.scalars(hosts).all():
        if (known := _known_as(host)) != host:
            connection.execute(sa.update(said).where(said.c.location_host == host).values(location_host=known))


def downgrade() -> None:
    """Nothing: a host is found under what it is known as."""


def _known_as(host: str) -> str:
    if not host.isascii() and not set(host) & set("ßς\u200c\u200d"):
        with suppress(UnicodeError):
            host = host.encode("idna").decode()
    if host.endswith((":80", ":443", ":")):
        host = host.rpartition(":")[0]
    return host.removesuffix(".")
