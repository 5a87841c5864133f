"""Notices as those see them who may: the claimant, the uploader, reviewers; and what waits for a reviewer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.schemas.notices import (
    AcceptedOut,
    DeadlineOut,
    ElementOut,
    LetterOut,
    MaterialOut,
    NoticeDecisionOut,
    NoticeEventOut,
    NoticeOut,
    ProposalOut,
    ReviewOut,
    TrackOut,
    TrackReasonOut,
    TrackStatementOut,
)
from registry.access import Actor
from registry.models import Mail, Notice, NoticeEvent, NoticeLetter
from takedown import decisions
from takedown.domain.completeness import Element, Statement
from takedown.domain.states import DECISIONS, OVER, Event, State
from takedown.domain.states import Actor as Role
from takedown.domain.track import Track, TrackName
from takedown.misuse import Tier
from takedown.papers import assessment_of, possible_events, track_of
from takedown.service import Desk

_MOST_LISTED = 100
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
        deadlines=[
            DeadlineOut(
                name=one.name, at=one.at, day=desk.calendar.local_day(one.at).isoformat(), basis=one.basis,
                statutory=one.statutory,
            )
            for one in desk.deadlines(notice)
        ],
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


def waiting(session: Session, desk: Desk) -> list[Notice]:
    """Open notices that a reviewer must do something about: what a statute sets a date for first, then those of trusted
    flaggers (DSA art. 22(1)), then what is due first.

    Letters that failed are somebody's turn too: a notice whose uploader or claimant was not reached is listed.
    """
    failed = sa.select(NoticeLetter.notice_id).join(Mail, Mail.id == NoticeLetter.mail_id).where(_is_stuck())
    turn = sa.or_(Notice.state.not_in((*OVER, *_OTHERS_TURN)), Notice.id.in_(failed))
    query = sa.select(Notice).where(turn, Notice.forgotten_at.is_(None)).order_by(Notice.id)
    never = datetime.max.replace(tzinfo=UTC)

    def urgency(notice: Notice) -> tuple[bool, bool, datetime, str]:
        due = min((one.at for one in desk.deadlines(notice) if one.warn_at is not None), default=never)
        is_the_laws = any(one.statutory and one.warn_at is not None for one in desk.deadlines(notice))
        return not is_the_laws, notice.tier != Tier.TRUSTED_FLAGGER, due, notice.id

    return sorted((one for one in session.scalars(query) if not _awaits_code(one)), key=urgency)


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
