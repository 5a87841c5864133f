"""Notices as those see them who may: the claimant, the uploader, reviewers; and what waits for each of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.schemas.notices import (
    NOT_PAPERS,
    AcceptedOut,
    DeadlineOut,
    ElementOut,
    LetterOut,
    MaterialOut,
    NoticeDecisionOut,
    NoticeEventOut,
    NoticeIn,
    NoticeOut,
    ProposalOut,
    ReviewOut,
    TrackOut,
    TrackReasonOut,
    TrackStatementOut,
)
from registry.access import Actor, Scope
from registry.domain.names import one_line
from registry.errors import Forbidden
from registry.models import (
    Mail,
    Match,
    Notice,
    NoticeEvent,
    NoticeLetter,
    NoticeRelease,
    NoticeTicket,
    Release,
    Work,
)
from takedown import decisions
from takedown.domain.completeness import Assessment, Element, NoticeContent, Statement, assess
from takedown.domain.deadlines import Deadline
from takedown.domain.signals import Weight
from takedown.domain.states import DECISIONS, OVER, Event, State
from takedown.domain.states import Actor as Role
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS
from takedown.misuse import Tier
from takedown.papers import assessment_of, events_for, possible_events, track_of
from takedown.service import Desk

_MOST_LISTED = 100
_MOST_OPEN, _SUBJECT_CHARS = 200, 140
_SOON = timedelta(days=1)
PARTIES = frozenset({Role.CLAIMANT, Role.UPLOADER})
# What the other side learns of the papers: a counter-notice goes to the claimant in full (512(g)(2)(B)), a notice to
# the uploader without ways to reach whom it is from.
_FOR_THE_UPLOADER = ("work_description", "work_ids", "material")
# In these nobody waits for a reviewer but for a party, or for time.
_OTHERS_TURN = frozenset({State.CURE_REQUESTED, State.UPLOADER_NOTIFIED, State.FORWARDED, State.HELD, State.DECLINED})


def shown(
    session: Session, desk: Desk, notice: Notice, roles: frozenset[Role], *, at: datetime, reviewer: Actor | None = None
) -> NoticeOut:
    """A notice as somebody in these roles sees it."""
    track, is_reviewer = track_of(notice), Role.REVIEWER in roles
    review = _review(session, desk, notice, reviewer, at=at) if is_reviewer and reviewer is not None else None
    return NoticeOut(
        id=notice.id,
        track=notice.track,
        title=track.title,
        statute=track.statute,
        state=notice.state,
        tier=notice.tier,
        language=notice.language,
        release_id=notice.release_id,
        check_id=notice.check_id,
        materials=[MaterialOut.model_validate(one, from_attributes=True) for one in notice.releases],
        is_address_known=notice.is_address_known,
        is_set_aside=notice.is_set_aside,
        duplicate_of=notice.duplicate_of,
        missing=[element_out(one) for one in assessment_of(notice).missing],
        deadlines=[_deadline(desk, one) for one in desk.deadlines(notice)],
        possible_events=[event.value for event in possible_events(notice)],
        awaits_second_reviewer=is_reviewer and decisions.proposal_of(session, notice) is not None,
        history=[_event(one, roles) for one in notice.events],
        content=_content(notice, roles),
        counter=_counter(notice, roles),
        statements=[
            AcceptedOut.model_validate(one, from_attributes=True)
            for one in notice.statements
            if is_reviewer or one.party in roles
        ],
        review=review,
        created_at=notice.created_at,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A notice in a list, as somebody in these roles sees it.

    Attributes:
        subject: what it is about, in a line of the claimant's words.
        due: its first date.
        signals: how many, for reviewers; `stops` of them ask to stop and look.
    """

    id: str
    track: str
    state: str
    tier: str | None
    roles: frozenset[Role]
    subject: str
    filed_at: datetime
    due: DeadlineOut | None
    is_late: bool
    signals: int
    stops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which notices a reviewer wants to see."""

    track: TrackName | None = None
    state: State | None = None
    tier: Tier | None = None

    def takes(self, notice: Notice) -> bool:
        pairs = ((self.track, notice.track), (self.state, notice.state), (self.tier, notice.tier))
        return all(wanted is None or wanted == found for wanted, found in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits for reviewers, the most urgent first.

    Attributes:
        total: of those that are wanted, of which `rows` are some.
        tracks: how many wait in all, by track.
        late, soon: of all, whose duty has passed, or does within a day.
    """

    rows: list[Row]
    total: int
    tracks: Counter[str]
    late: int
    soon: int


def queue(session: Session, desk: Desk, wanted: Wanted, *, offset: int, limit: int, at: datetime) -> Queue:
    found = waiting(session, desk)
    duties = [min(one.at for one in due) for notice in found if (due := _duties(desk, notice))]
    kept = [one for one in found if wanted.takes(one)]
    return Queue(
        rows=[_row(desk, one, frozenset({Role.REVIEWER}), at=at) for one in kept[offset : offset + limit]],
        total=len(kept),
        tracks=Counter(one.track for one in found),
        late=sum(one <= at for one in duties),
        soon=sum(at < one <= at + _SOON for one in duties),
    )


def found(
    session: Session, desk: Desk, wanted: Wanted, *, before: str | None, limit: int, at: datetime
) -> tuple[list[Row], str | None]:
    """All notices that a reviewer wants to see, newest first, and the id to go on before."""
    query = sa.select(Notice).options(selectinload(Notice.events))
    for column, value in ((Notice.track, wanted.track), (Notice.state, wanted.state), (Notice.tier, wanted.tier)):
        query = query if value is None else query.where(column == value)
    query = query if before is None else query.where(Notice.id < before)
    rows = session.scalars(query.order_by(Notice.id.desc()).limit(limit + 1)).all()
    shown = [_row(desk, one, frozenset({Role.REVIEWER}), at=at) for one in rows[:limit]]
    return shown, rows[limit - 1].id if len(rows) > limit else None


def of_party(
    session: Session, desk: Desk, actor: Actor, *, are_over: bool, before: str | None = None, limit: int = 50,
    at: datetime,
) -> tuple[list[Row], str | None]:  # fmt: skip
    """The notices that a holder filed or is told of: open ones by what is due first, else newest first.

    One that was forgotten is over, also where nobody ever ended it.
    """
    about = sa.select(NoticeRelease.notice_id).join(Release, Release.id == NoticeRelease.release_id)
    told = sa.select(NoticeEvent.notice_id).where(NoticeEvent.event == Event.DISABLE)
    theirs = about.where(
        Release.holder_id == actor.holder_id, NoticeRelease.is_named, NoticeRelease.notice_id.in_(told)
    )
    query = sa.select(Notice).where(sa.or_(Notice.holder_id == actor.holder_id, Notice.id.in_(theirs)))
    is_over = sa.or_(Notice.state.in_(OVER), Notice.forgotten_at.is_not(None))
    query = query.where(is_over if are_over else sa.not_(is_over))
    query = query if before is None else query.where(Notice.id < before)
    eager = selectinload(Notice.events), selectinload(Notice.releases), selectinload(Notice.tickets)
    most = limit if are_over else _MOST_OPEN
    rows = session.scalars(query.options(*eager).order_by(Notice.id.desc()).limit(most + 1)).all()
    shown = [_row(desk, one, desk.roles(session, actor, one) & PARTIES, at=at) for one in rows[:most]]
    if not are_over:
        shown.sort(key=lambda one: (one.due is None, one.due.at if one.due else one.filed_at))
    return shown, rows[most - 1].id if len(rows) > most else None


def of_ticket(session: Session, actor: Actor) -> str:
    """The one notice that the actor's ticket opens."""
    return session.get_one(NoticeTicket, actor.ticket_sha256).notice_id


def standing(
    session: Session, desk: Desk, actor: Actor, notice: Notice, *, among: frozenset[Role]
) -> tuple[frozenset[Role], tuple[Event, ...]]:  # fmt: skip
    """In what parts, among some, somebody sees a notice, and what they may do about it now in these."""
    roles = desk.roles(session, actor, notice) & among
    try:
        decisions.require_voice(actor, roles)
    except Forbidden:
        return roles, ()
    return roles, events_for(notice, roles)


def lacks(body: NoticeIn) -> Assessment:
    """What a notice would lack, were it filed like this."""
    said = body.model_dump(exclude=NOT_PAPERS)
    sought = [one for one in (body.release_id, body.sha256, body.verification_id, body.check_id) if one]
    said["material"] = said["material"] or sought
    content: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    return assess(TRACKS[body.track].elements, NoticeContent(**content))


def works_to_name(session: Session, actor: Actor, check_id: str | None = None, *, most: int = 30) -> list[Work]:
    """Works of the holder's that a notice may name: those that a check matched, else the newest."""
    if not actor.may(Scope.WORKS_WRITE):
        return []
    own = sa.select(Work).where(Work.holder_id == actor.holder_id, Work.withdrawn_at.is_(None))
    if check_id is not None:
        own = own.where(Work.id.in_(sa.select(Match.work_id).where(Match.check_id == check_id)))
    return list(session.scalars(own.order_by(Work.id.desc()).limit(most)))


def waiting(session: Session, desk: Desk) -> list[Notice]:
    """Open notices that a reviewer must do something about: what a statute sets a date for first, then those of trusted
    flaggers (DSA art. 22(1)), then what is due first.

    Letters that failed are somebody's turn too: a notice whose uploader or claimant was not reached is listed.
    """
    failed = sa.select(NoticeLetter.notice_id).join(Mail, Mail.id == NoticeLetter.mail_id).where(_is_stuck())
    turn = sa.or_(Notice.state.not_in((*OVER, *_OTHERS_TURN)), Notice.id.in_(failed))
    query = sa.select(Notice).where(turn, Notice.forgotten_at.is_(None)).order_by(Notice.id)
    query = query.options(selectinload(Notice.events))
    never = datetime.max.replace(tzinfo=UTC)

    def urgency(notice: Notice) -> tuple[bool, bool, datetime, str]:
        duties = _duties(desk, notice)
        due = min((one.at for one in duties), default=never)
        is_the_laws = any(one.statutory for one in duties)
        return not is_the_laws, notice.tier != Tier.TRUSTED_FLAGGER, due, notice.id

    return sorted((one for one in session.scalars(query) if not _awaits_code(one)), key=urgency)


def _duties(desk: Desk, notice: Notice) -> list[Deadline]:
    """The dates by which the operator must do something."""
    return [one for one in desk.deadlines(notice) if one.warn_at is not None]


def _row(desk: Desk, notice: Notice, roles: frozenset[Role], *, at: datetime) -> Row:
    due = next(iter(desk.deadlines(notice)), None)
    raised = notice.signals if Role.REVIEWER in roles else []
    return Row(
        id=notice.id, track=notice.track, state=notice.state, tier=notice.tier, roles=roles,
        subject=_subject(_content(notice, roles)), filed_at=notice.created_at,
        due=_deadline(desk, due) if due else None, is_late=due is not None and due.at <= at,
        signals=len(raised), stops=sum(one["weight"] == Weight.STOP_AND_LOOK for one in raised),
    )  # fmt: skip


def _subject(content: dict[str, Any] | None) -> str:
    content = content or {}
    named = (content.get(name) for name in ("work_description", "depicted_person", "explanation"))
    said = [*filter(None, named), *(content.get("material") or ()), *(content.get("work_ids") or ())]
    return one_line(said[0], max_chars=_SUBJECT_CHARS) if said else ""


def _deadline(desk: Desk, one: Deadline) -> DeadlineOut:
    day = desk.calendar.local_day(one.at).isoformat()
    return DeadlineOut(name=one.name, at=one.at, day=day, basis=one.basis, statutory=one.statutory)


def _awaits_code(notice: Notice) -> bool:
    """Whether it is the claimant's turn to show their address, and no statute counts meanwhile."""
    is_claimants_turn = notice.state == State.SUBMITTED and not notice.is_set_aside
    return is_claimants_turn and notice.track != TrackName.TAKE_IT_DOWN and bool(notice.content.get("contact_email"))


def open_duplicates(session: Session, notice: Notice, event: Event) -> Sequence[Notice]:
    """Open duplicates of a notice to which the event can happen as well."""
    query = sa.select(Notice).where(Notice.duplicate_of == notice.id, Notice.state.not_in(OVER))
    return [one for one in session.scalars(query.order_by(Notice.id)) if event in possible_events(one)]


def track_out(track: Track) -> TrackOut:
    return TrackOut(
        track=track.name,
        title=track.title,
        statute=track.statute,
        elements=[element_out(one) for one in track.elements],
        statements=[_statement(one) for one in track.statements],
        counter_elements=[element_out(one) for one in track.counter_elements],
        counter_statements=[_statement(one) for one in track.counter_statements],
        reasons={
            event: [TrackReasonOut(code=one.code, title=one.title) for one in reasons]
            for event, reasons in track.reasons.items()
        },
    )


def letter_out(letter: NoticeLetter, sent: Mail) -> LetterOut:
    return LetterOut(
        id=sent.id, name=letter.name, version=letter.version, language=letter.language, party=letter.party,
        subject=letter.subject, text=letter.text, written_at=letter.written_at, sent_at=sent.sent_at,
        bounced_at=sent.bounced_at, problem=sent.problem,
    )  # fmt: skip


def element_out(element: Element) -> ElementOut:
    return ElementOut(element=element.name, reference=element.reference, what_to_supply=element.what_to_supply)


def _statement(statement: Statement) -> TrackStatementOut:
    return TrackStatementOut(
        name=statement.name, version=statement.version, text=statement.text, fields=list(statement.fields),
        under_penalty_of_perjury=statement.perjury,
    )  # fmt: skip


def _event(step: NoticeEvent, roles: frozenset[Role]) -> NoticeEventOut:
    """A step; what one side wrote is not for the other to read, but for word of a court action."""
    is_ours = step.actor in (Role.REVIEWER, Role.SYSTEM) and step.event != Event.COMPLAIN
    is_theirs = Role.REVIEWER in roles or is_ours or step.actor in roles or step.event == Event.COURT_ACTION
    return NoticeEventOut(
        event=step.event, state=step.state, actor=step.actor, reason=step.reason if is_theirs else None,
        reason_code=step.reason_code, at=step.at,
    )  # fmt: skip


def _content(notice: Notice, roles: frozenset[Role]) -> dict[str, Any] | None:
    if roles & {Role.CLAIMANT, Role.REVIEWER}:
        return notice.content
    names = (*_FOR_THE_UPLOADER, "contact_name") if notice.track == TrackName.DMCA_512 else ("material",)
    return {name: notice.content.get(name) for name in names}


def _counter(notice: Notice, roles: frozenset[Role]) -> dict[str, Any] | None:
    was_forwarded = any(one.event == Event.FORWARD_COUNTER for one in notice.events)
    may_see = roles & {Role.UPLOADER, Role.REVIEWER} or was_forwarded
    return notice.counter if may_see else None


def _review(session: Session, desk: Desk, notice: Notice, reviewer: Actor, *, at: datetime) -> ReviewOut:
    proposal = decisions.proposal_of(session, notice)
    others = sa.select(Notice.id).where(Notice.id != notice.id).order_by(Notice.id).limit(_MOST_LISTED)
    letters = sa.select(sa.func.count()).select_from(NoticeLetter).join(Mail, Mail.id == NoticeLetter.mail_id)
    return ReviewOut(
        signals=notice.signals,
        interests=decisions.interests(session, reviewer, notice, desk.uploaders(session, notice), at=at),
        barred=sorted({who for event in DECISIONS for who in decisions.barred(notice, event)}),
        proposal=ProposalOut.model_validate(proposal, from_attributes=True) if proposal else None,
        decisions=[
            NoticeDecisionOut(position=one.position, event=one.event, by=one.by, details=one.details or {})
            for one in notice.events
            if one.event in DECISIONS
        ],
        same_words=list(session.scalars(others.where(Notice.digest == notice.digest))) if notice.digest else [],
        duplicates=list(session.scalars(others.where(Notice.duplicate_of == notice.id, Notice.state.not_in(OVER)))),
        letters_failed=session.scalars(letters.where(NoticeLetter.notice_id == notice.id, _is_stuck())).one(),
    )


def _is_stuck() -> sa.ColumnElement[bool]:
    """Letters that did not arrive, as far as is known, or of which nobody knows."""
    return sa.or_(Mail.bounced_at.is_not(None), sa.and_(Mail.sent_at.is_(None), Mail.problem.is_not(None)))
