"""Which notices are about a release, as far as somebody may know of them."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.access import Actor
from registry.models import Notice, NoticeRelease
from takedown.service import Desk


def notices_about(session: Session, desk: Desk, actor: Actor, release_id: str) -> list[Notice]:
    """The newest first. Who made the release sees those that they were told of."""
    about = sa.select(NoticeRelease.notice_id).where(NoticeRelease.release_id == release_id)
    found = session.scalars(sa.select(Notice).where(Notice.id.in_(about)).order_by(Notice.id.desc()).limit(50))
    return [notice for notice in found if desk.roles(session, actor, notice)]
