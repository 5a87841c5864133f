"""Thresholds: from how many matched seconds on a work counts, and may block.

The operator's word for a holder, or else the service's, is the floor for all of that holder's works. A work
may ask for longer stretches, so that a jingle blocks nobody; never for shorter ones than its holder's floor.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.access import Actor, Scope
from registry.admin_actions import Action, note
from registry.domain.policy import Thresholds
from registry.errors import Invalid, NotFound
from registry.models import Holder, Work

# 2 s is the shortest stretch that the benchmarks found without a false one; from 3 s on a copy is
# long enough to be recognised as one by a person too.
SERVICE = Thresholds(review_matched_s=2.0, block_matched_s=3.0)
_LONGEST_S = 24 * 3600.0


def floor_of(holder: Holder) -> Thresholds:
    """What holds for every work of a holder."""
    return _of(holder) or SERVICE


def asked_for(work: Work) -> Thresholds | None:
    """What a work's owner asked for; None when nothing was said."""
    return _of(work)


def in_force(work: Work) -> Thresholds:
    """What holds for a work now: the floor may have risen since its owner asked."""
    floor = floor_of(work.holder)
    return (_of(work) or floor).at_least(floor)


def ask(work: Work, wanted: Thresholds | None) -> None:
    """Let a work count only from longer stretches on; None takes that back."""
    floor = floor_of(work.holder)
    if wanted is not None and wanted != wanted.at_least(floor):
        problem = f"At least {floor.review_matched_s:g} s for a review and {floor.block_matched_s:g} s for a block."
        raise Invalid(field="thresholds", problem=problem)
    _set(work, wanted)


def set_floor(
    session: Session, actor: Actor, holder_id: str, wanted: Thresholds | None, *, at: datetime
) -> Holder:  # fmt: skip
    """Say from how much on the works of a holder count; None leaves it to the service."""
    actor.require(Scope.ADMIN)
    holder = session.scalar(sa.select(Holder).where(Holder.id == holder_id))
    if holder is None:
        raise NotFound(kind="holder", id=holder_id)
    _set(holder, wanted)
    said = {"review_matched_s": holder.review_matched_s, "block_matched_s": holder.block_matched_s}
    note(session, Action.THRESHOLDS_SET, holder_id, by=actor, at=at, details=said if wanted else None)
    return holder


def _of(row: Holder | Work) -> Thresholds | None:
    if row.review_matched_s is None or row.block_matched_s is None:
        return None
    return Thresholds(review_matched_s=row.review_matched_s, block_matched_s=row.block_matched_s)


def _set(row: Holder | Work, wanted: Thresholds | None) -> None:
    if wanted is not None and wanted.block_matched_s > _LONGEST_S:
        raise Invalid(field="thresholds", problem=f"At most {_LONGEST_S:.0f} s.")
    row.review_matched_s = wanted.review_matched_s if wanted else None
    row.block_matched_s = wanted.block_matched_s if wanted else None
