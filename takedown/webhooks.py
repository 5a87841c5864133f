"""Webhooks about notices: the claimant hears of every step, who made a release that it is disabled, and whoever runs
the operator's platform which addresses to disable and to restore there.
"""

import logging
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.access import named
from registry.errors import Conflict
from registry.models import Holder, Notice, Release
from registry.outbox import tell
from takedown.domain.deadlines import Deadline
from takedown.domain.states import DOWN, PUTS_BACK, Event
from takedown.policy import Policy

_log = logging.getLogger(__name__)


def tell_of(
    session: Session, notice: Notice, event: Event, policy: Policy, *, was_down: bool, at: datetime
) -> None:  # fmt: skip
    """Tell of a step that was made; `was_down`: whether the material was, before it."""
    payload: dict[str, Any] = {"id": notice.id, "event": event.value, "state": notice.state}
    tell_claimant(session, notice, "notice.changed", payload, at=at)
    if event is Event.DISABLE:
        for one in notice.releases:
            if one.is_named:
                holder_id = session.get_one(Release, one.release_id).holder_id
                tell(session, holder_id, "notice.disabled", {**payload, "release_id": one.release_id}, at=at)
    is_over = notice.state in PUTS_BACK and was_down
    platform = _platform(session, policy) if event is Event.DISABLE or is_over else None
    if platform is not None:
        what = "platform.disable" if event is Event.DISABLE else "platform.restore"
        material = notice.content["material"]
        if is_over:
            held = _held_by_others(session, notice)
            material = [one for one in material if one.strip() not in held]
        tell(session, platform.id, what, {**payload, "material": material}, at=at)


def tell_claimant(session: Session, notice: Notice, event: str, payload: dict[str, Any], *, at: datetime) -> None:
    """Tell the claimant, where a holder is."""
    if notice.holder_id is not None:
        tell(session, notice.holder_id, event, payload, at=at)


def tell_of_deadline(
    session: Session, notice: Notice, deadline: Deadline, policy: Policy, *, has_passed: bool, at: datetime
) -> None:
    """Tell the operator's platform of a duty that is near or late."""
    platform = _platform(session, policy)
    if platform is not None:
        said = {"id": notice.id, "deadline": deadline.name.value, "at": deadline.at.isoformat()}
        tell(session, platform.id, "notice.deadline", {**said, "has_passed": has_passed}, at=at)


def _held_by_others(session: Session, notice: Notice) -> set[str]:
    """Addresses that other notices keep down."""
    others = sa.select(Notice).where(Notice.id != notice.id, Notice.state.in_(DOWN))
    return {text.strip() for other in session.scalars(others) for text in other.content.get("material") or ()}


def _platform(session: Session, policy: Policy) -> Holder | None:
    try:
        return named(session, policy.platform_holder) if policy.platform_holder else None
    except Conflict as taken:  # nobody vouches that it is the operator's: a takedown does not wait for that
        _log.warning("CLEARMARK_PLATFORM_HOLDER: %s", taken)
        return None
