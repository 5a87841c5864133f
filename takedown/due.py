"""Due: a holder's open notices, by when something happens to them next. It changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.access import Actor
from registry.models import Notice, NoticeRelease, Release
from takedown.domain.deadlines import Deadline
from takedown.domain.states import OVER
from takedown.domain.states import Actor as Role
from takedown.service import Desk

_MOST_LOOKED_AT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An open notice that concerns a holder.

    Attributes:
        is_ours: whether the holder filed it; else it is about a release of theirs.
        next: the first date to come; None: none is set.
    """

    id: str
    track: str
    state: str
    is_ours: bool
    next: Deadline | None


def of_holder(session: Session, desk: Desk, actor: Actor, *, most: int = 5, at: datetime) -> Sequence[Due]:
    """Open notices of the actor's holder or about their releases, those with the soonest date first."""
    about = sa.select(NoticeRelease.notice_id).join(Release, Release.id == NoticeRelease.release_id)
    theirs = Notice.id.in_(about.where(Release.holder_id == actor.holder_id))
    concerned = sa.or_(Notice.holder_id == actor.holder_id, theirs)
    query = sa.select(Notice).where(concerned, Notice.state.not_in(OVER), Notice.forgotten_at.is_(None))
    found = []
    for notice in session.scalars(query.order_by(Notice.id.desc()).limit(_MOST_LOOKED_AT)):
        if desk.roles(session, actor, notice) & {Role.CLAIMANT, Role.UPLOADER}:  # an uploader is told no sooner
            coming = [one for one in desk.deadlines(notice) if one.at > at]
            first = min(coming, key=lambda one: one.at, default=None)
            is_ours = notice.holder_id == actor.holder_id
            found.append(Due(id=notice.id, track=notice.track, state=notice.state, is_ours=is_ours, next=first))
    dated = sorted((one for one in found if one.next is not None), key=lambda one: one.next.at if one.next else at)
    return [*dated, *(one for one in found if one.next is None)][:most]
