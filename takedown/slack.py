"""Slack: how much time is left to what the operator must do about notices, and what is overdue.

Looks at every open notice, for whoever watches the service: a duty of 48 hours must not hide behind thousands that came
before it. They pass by one at a time, so their number costs time and no memory. What is done when a date comes is
`service`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.models import Notice, NoticeEvent
from takedown.domain.deadlines import Deadline, deadlines_of
from takedown.domain.states import OVER, State
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from takedown.service import Desk

# Where the operator must do something: what waits for others, as for an address to be confirmed, is not looked at.
_WITH_DUTIES: Final = [
    (track.name.value, state.value)
    for track in TRACKS.values()
    for state, terms in track.terms.items()
    if state not in OVER and any(term.is_duty for term in terms)
]
_ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """When the next duty falls due, and how many are overdue; None where nothing is due by statute.

    Attributes:
        next_statutory: of those that are still to come.
    """

    next_statutory: datetime | None
    overdue_statutory: int
    overdue_own: int
    overdue_since: datetime | None


def slack(session: Session, desk: Desk, *, at: datetime) -> Slack:
    """What is left to the duties of the operator, over all open notices."""
    next_statutory: datetime | None = None
    overdue_since: datetime | None = None
    overdue = {True: 0, False: 0}  # by statute, or not
    for duty in _duties(session, desk):
        if duty.at < at:
            overdue[duty.statutory] += 1
            overdue_since = min(overdue_since or duty.at, duty.at)
        elif duty.statutory:
            next_statutory = min(next_statutory or duty.at, duty.at)
    return Slack(
        next_statutory=next_statutory, overdue_statutory=overdue[True], overdue_own=overdue[False],
        overdue_since=overdue_since,
    )  # fmt: skip


def _duties(session: Session, desk: Desk) -> Iterator[Deadline]:
    stands = sa.tuple_(Notice.track, Notice.state).in_(_WITH_DUTIES), Notice.is_set_aside.is_(False)
    steps = (
        sa.select(Notice.id, Notice.track, NoticeEvent.state, NoticeEvent.at)
        .join(NoticeEvent, NoticeEvent.notice_id == Notice.id)
        .where(*stands)
        .order_by(Notice.id, NoticeEvent.position)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    for (_, track), rows in groupby(session.execute(steps), key=lambda row: (row[0], row[1])):
        history = [(State(state), entered_at) for _, _, state, entered_at in rows]
        pending = deadlines_of(history, TRACKS[TrackName(track)].terms, calendar=desk.calendar)
        yield from (one for one in pending if one.warn_at is not None)
