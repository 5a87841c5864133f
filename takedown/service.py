"""Notices on record: the state machine's events applied to rows, with what follows from each.

The domain says what may happen; this module says who is asking, makes it happen to the release, and
leaves a ledger entry for every step. Restoration after a counter-notice happens by itself.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import ledger, releases
from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.jobs import JobKind, enqueue
from registry.models import Finding, Holder, Notice, NoticeEvent, Release
from registry.outbox import tell
from takedown.domain.completeness import (
    Assessment,
    CounterContent,
    NoticeContent,
    Outcome,
    assess,
    assess_counter,
)
from takedown.domain.deadlines import (
    BusinessCalendar,
    Deadline,
    DeadlineName,
    court_action_in_time,
    deadlines_of,
    restorable,
)
from takedown.domain.states import ACTOR, Event, State, events_from, is_final, transition
from takedown.domain.states import Actor as Role

TRACK_DMCA = "dmca_512"
_BY_FORM = {
    Outcome.COMPLETE: Event.FIND_VALID,
    Outcome.CURABLE: Event.REQUEST_CURE,
    Outcome.DEFECTIVE: Event.FIND_DEFECTIVE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where notices are handled: the operator's calendar decides what a business day is."""

    calendar: BusinessCalendar

    def file(
        self, session: Session, actor: Actor, content: NoticeContent, *, release_id: str | None, at: datetime
    ) -> Notice:
        """Receive a notice; its form is checked at once, its substance by a person."""
        actor.require(Scope.NOTICES_WRITE)
        if release_id is not None and session.get(Release, release_id) is None:
            raise Invalid(field="release_id", problem="There is no such release here. Name it in material instead.")
        notice = Notice(
            id=new_id(Prefix.NOTICE, at=at),
            holder_id=actor.holder_id,
            track=TRACK_DMCA,
            state=State.SUBMITTED.value,
            release_id=release_id,
            content=asdict(content),
            counter=None,
            created_at=at,
            events=[],
        )
        session.add(notice)
        self._step(session, notice, "submit", State.SUBMITTED, Role.CLAIMANT, reason=None, at=at)
        claimant = session.get_one(Holder, actor.holder_id)
        if Assurance(claimant.assurance) >= Assurance.EMAIL:
            self._apply(session, notice, Event.CONFIRM_EMAIL, Role.SYSTEM, at=at)
            self._triage(session, notice, at=at)
        return notice

    def act(
        self,
        session: Session,
        actor: Actor,
        notice_id: str,
        event: Event,
        *,
        reason: str | None,
        at: datetime,
    ) -> Notice:
        """Carry out an event that the actor asks for.

        Raises:
            IllegalTransition: it cannot happen in this state.
            Forbidden: it can, but not by this actor.
        """
        notice = self.visible(session, actor, notice_id)
        transition(State(notice.state), event)
        roles = self._roles(session, actor, notice) & ACTOR[event]
        if not roles:
            who = " or ".join(sorted(ACTOR[event]))
            raise Forbidden(action=f"{event.value} is for the {who}")
        if event is Event.RECEIVE_COUNTER:
            raise Invalid(field="event", problem="Send the counter-notice itself, to …/counter-notice.")
        role = Role.REVIEWER if Role.REVIEWER in roles else next(iter(roles))
        self._guard(notice, event, role, at=at)
        self._apply(session, notice, event, role, reason=reason, at=at)
        if event in (Event.CONFIRM_EMAIL, Event.CURE):
            self._triage(session, notice, at=at)
        return notice

    def cure(
        self, session: Session, actor: Actor, notice_id: str, supplied: Mapping[str, Any], *, at: datetime
    ) -> Notice:
        """Add what was missing; the notice is checked again."""
        notice = self.visible(session, actor, notice_id)
        if notice.holder_id != actor.holder_id:
            raise Forbidden(action="only the claimant can complete a notice")
        notice.content = {**notice.content, **supplied}
        return self.act(session, actor, notice_id, Event.CURE, reason=None, at=at)

    def counter(
        self, session: Session, actor: Actor, notice_id: str, content: CounterContent, *, at: datetime
    ) -> Notice:
        """Receive a counter-notice; a complete one is forwarded and starts the restore window."""
        notice = self.visible(session, actor, notice_id)
        roles = self._roles(session, actor, notice) & ACTOR[Event.RECEIVE_COUNTER]
        if not roles:
            raise Forbidden(action="only the uploader of the disabled material can send a counter-notice")
        transition(State(notice.state), Event.RECEIVE_COUNTER)
        notice.counter = asdict(content)
        role = Role.UPLOADER if Role.UPLOADER in roles else Role.REVIEWER
        self._apply(session, notice, Event.RECEIVE_COUNTER, role, at=at)
        if assess_counter(content).outcome is Outcome.COMPLETE:
            self._apply(session, notice, Event.FORWARD_COUNTER, Role.SYSTEM, at=at)
            tell(session, notice.holder_id, "notice.counter_notice", {"id": notice.id}, at=at)
            opens = next(d.at for d in self.deadlines(notice) if d.name is DeadlineName.RESTORE_NOT_BEFORE)
            enqueue(session, JobKind.NOTICE_DEADLINE, notice.id, at=at, run_at=opens)
        return notice

    def deadline_came(self, session: Session, notice_id: str, *, at: datetime) -> None:
        """Restore what no court action holds back; nothing when it is not yet time, or no more."""
        notice = session.get(Notice, notice_id)
        if notice is not None and restorable(_history(notice), at=at, calendar=self.calendar):
            self._apply(session, notice, Event.RESTORE, Role.SYSTEM, reason="no court action in time", at=at)

    def deadlines(self, notice: Notice) -> tuple[Deadline, ...]:
        return deadlines_of(_history(notice), calendar=self.calendar)

    def visible(self, session: Session, actor: Actor, notice_id: str) -> Notice:
        """A notice that the actor filed, that is about the actor's release, or any for a reviewer."""
        notice = session.get(Notice, notice_id)
        if notice is None or not self._roles(session, actor, notice):
            raise NotFound(kind="notice", id=notice_id)
        return notice

    def _roles(self, session: Session, actor: Actor, notice: Notice) -> frozenset[Role]:
        roles = set()
        if actor.holder_id == notice.holder_id:
            roles.add(Role.CLAIMANT)
        release = session.get(Release, notice.release_id) if notice.release_id else None
        if release is not None and release.holder_id == actor.holder_id:
            roles.add(Role.UPLOADER)
        if actor.may(Scope.REVIEW):
            roles.add(Role.REVIEWER)
        return frozenset(roles)

    def _guard(self, notice: Notice, event: Event, role: Role, *, at: datetime) -> None:
        history = _history(notice)
        if event is Event.RESTORE and notice.state == State.HELD:
            if role is not Role.REVIEWER:
                raise Forbidden(action="what a court action holds back is restored by a reviewer")
        elif event is Event.RESTORE and not restorable(history, at=at, calendar=self.calendar):
            problem = "The restore window is not open: 512(g)(2)(C) asks for 10 to 14 business days."
            raise Conflict(kind="notice", id=notice.id, problem=problem)
        if event is Event.COURT_ACTION and not court_action_in_time(history, at=at, calendar=self.calendar):
            raise Conflict(kind="notice", id=notice.id, problem="The time for a court action has passed.")

    def _triage(self, session: Session, notice: Notice, *, at: datetime) -> None:
        """The form of a notice is a matter of rule, not of judgement."""
        if notice.state != State.TRIAGE:
            self._apply(session, notice, Event.BEGIN_TRIAGE, Role.SYSTEM, at=at)
        self._apply(session, notice, _BY_FORM[assessment_of(notice).outcome], Role.SYSTEM, at=at)

    def _apply(
        self,
        session: Session,
        notice: Notice,
        event: Event,
        role: Role,
        *,
        reason: str | None = None,
        at: datetime,
    ) -> None:
        before = State(notice.state)
        after = transition(before, event)
        release = session.get(Release, notice.release_id) if notice.release_id else None
        if release is not None and event is Event.DISABLE:
            releases.disable(session, release, at=at)
        elif release is not None and is_final(after) and self._alone_keeps_down(session, notice):
            releases.restore(session, release, at=at)
        self._step(session, notice, event.value, after, role, reason=reason, at=at)
        payload = {"id": notice.id, "event": event.value, "state": notice.state}
        tell(session, notice.holder_id, "notice.changed", payload, at=at)
        if release is None or event is not Event.DISABLE:
            return
        payload["release_id"] = release.id
        if tell(session, release.holder_id, "notice.disabled", payload, at=at):
            self._apply(session, notice, Event.NOTIFY_UPLOADER, Role.SYSTEM, at=at)

    def _alone_keeps_down(self, session: Session, notice: Notice) -> bool:
        """Whether this notice took the release down, and neither another one nor a finding keeps it down."""
        if not any(event.state == State.DISABLED for event in notice.events):
            return False
        keeping = (
            State.DISABLED,
            State.UPLOADER_NOTIFIED,
            State.COUNTER_RECEIVED,
            State.FORWARDED,
            State.HELD,
        )
        another = sa.select(Notice.id).where(
            Notice.release_id == notice.release_id, Notice.id != notice.id, Notice.state.in_(keeping)
        )
        finding = sa.select(Finding.id).where(Finding.release_id == notice.release_id, Finding.disabled_release)
        return session.scalar(another.union_all(finding).limit(1)) is None

    def forget(self, session: Session, notice_id: str, *, at: datetime) -> int:
        """Erase who claimed and who answered, and what they wrote; returns how many entries of the log it closed.

        Raises:
            NotFound: there is no such notice, or it was forgotten before.
            Conflict: something may still happen to it.
        """
        notice = session.get(Notice, notice_id)
        if notice is None:
            raise NotFound(kind="record", id=notice_id)
        if not is_final(State(notice.state)):
            raise Conflict(kind="notice", id=notice_id, problem="It is not closed: something may still happen to it.")
        notice.content = asdict(NoticeContent())
        notice.counter = None if notice.counter is None else asdict(CounterContent())
        for event in notice.events:
            event.reason = None
        return ledger.forget(session, notice_id, at=at)

    def _step(
        self,
        session: Session,
        notice: Notice,
        event: str,
        state: State,
        role: Role,
        *,
        reason: str | None,
        at: datetime,
    ) -> None:
        notice.state = state.value
        notice.events.append(
            NoticeEvent(
                position=len(notice.events),
                event=event,
                state=state.value,
                actor=role.value,
                reason=reason,
                at=at,
            )
        )
        ledger.record(session, f"notice.{event}", notice, at=at)


def assessment_of(notice: Notice) -> Assessment:
    """What the notice still lacks, or the counter-notice once there is one."""
    if notice.counter is not None and notice.state == State.COUNTER_RECEIVED:
        return assess_counter(CounterContent(**_tuples(notice.counter)))
    return assess(NoticeContent(**_tuples(notice.content)))


def possible_events(notice: Notice) -> tuple[Event, ...]:
    return events_from(State(notice.state))


def _history(notice: Notice) -> list[tuple[State, datetime]]:
    return [(State(event.state), event.at) for event in notice.events]


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
