"""Letters about a notice: who is written to, what they are told, and what was written, kept as it went out.

A letter is a row of the transaction that gives rise to it; a job sends it (`registry.mail`). What is secret in it, the
code that shows an address or the ticket that opens a notice, is in the mail alone: what is kept says that it was there.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import accounts, mail
from registry.access import new_ticket
from registry.domain.policy import Assurance
from registry.models import Holder, Mail, Membership, Notice, NoticeEvent, NoticeLetter, NoticeTicket, Release, Strike
from takedown.domain.completeness import Element
from takedown.domain.deadlines import BusinessCalendar, Deadline
from takedown.domain.states import DECISIONS, PUTS_BACK, Event, State
from takedown.domain.track import Track
from takedown.letter_facts import (
    Complaint,
    Confirmation,
    CounterNotice,
    Decision,
    Due,
    Escalation,
    LetterFacts,
    Links,
    MissingItem,
    Operator,
    Restoration,
    Side,
    Strikes,
)
from takedown.letters import LetterName, render, worded
from takedown.policy import Policy

_LEFT_OUT = "(sent in the letter alone)"
_RESTORED_BY = {
    State.RETRACTED: Restoration.RETRACTED,
    State.REJECTED_ABUSE: Restoration.REJECTED_ABUSE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Somebody to write to.

    Attributes:
        has_account: whether they sign in here; who does not is given a ticket.
    """

    address: str
    name: str
    language: str
    has_account: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploader:
    """Whom to write to about material that no holder here released."""

    name: str
    email: str
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A notice as letters tell of it."""

    notice: Notice
    track: Track
    missing: Sequence[Element]
    deadlines: Sequence[Deadline]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondence:
    """Writes the letters of one operator."""

    policy: Policy
    calendar: BusinessCalendar

    def write(
        self, session: Session, case: Case, name: LetterName, side: Side, *, at: datetime, **facts: Any
    ) -> list[NoticeLetter]:
        """Write a letter to one side; to nobody where nobody can be written to."""
        return [
            self._send(session, case, name, side, to, at=at, **facts)
            for to in self.recipients(session, case.notice, side, named_only=name is LetterName.DISABLED_UPLOADER)
        ]

    def confirm(self, session: Session, case: Case, code: str, expires_at: datetime, *, at: datetime) -> None:
        """Write the code that shows the address of a claimant, to that address alone."""
        content = case.notice.content
        to = Recipient(address=content["contact_email"], name="", language=case.notice.language)  # whoever reads it
        sent = Confirmation(code=code, expires_at=expires_at)
        self._send(session, case, LetterName.CONFIRM_ADDRESS, Side.CLAIMANT, to, at=at, confirmation=sent, secret=code)

    def ticket(self, notice: Notice, side: Side, *, at: datetime) -> str:
        """A key to one notice, for somebody without an account; it is shown this once, and earlier ones stay good."""
        ticket, sha256 = new_ticket()
        notice.tickets.append(NoticeTicket(sha256=sha256, party=side.value, made_at=at))
        return ticket

    def recipients(
        self, session: Session, notice: Notice, side: Side, *, named_only: bool = False
    ) -> list[Recipient]:  # fmt: skip
        """Who is written to for one side: at addresses that were shown to be theirs, or that the operator gave.

        Args:
            named_only: not who made identical copies of what the notice names; they have a letter of their own.
        """
        if side is Side.OPERATOR:
            policy = self.policy
            return [Recipient(address=policy.email, name=policy.operator, language="en")] if policy.email else []
        if side is Side.CLAIMANT:
            content = notice.content
            if notice.is_address_known and content.get("contact_email"):
                address = mail.address(content["contact_email"])
                return [
                    Recipient(
                        address=address, name=content.get("contact_name") or "", language=notice.language,
                        has_account=notice.holder_id is not None,
                    )
                ]  # fmt: skip
            return self.people_of(session, notice.holder_id, notice.language)
        if notice.uploader is not None:
            said = notice.uploader
            return [
                Recipient(
                    address=said["email"], name=said["name"], language=said.get("language", "en"), has_account=False
                )
            ]
        holders = makers(session, notice, named_only=named_only)
        return [one for holder_id in holders for one in self.people_of(session, holder_id, "en")]

    def people_of(self, session: Session, holder_id: str | None, language: str) -> list[Recipient]:
        """The people of a holder who read its letters."""
        if holder_id is None:
            return []
        return [
            Recipient(address=account.email, name=account.name, language=language)
            for account in accounts.readers(session, holder_id)
        ]

    def write_to_people(
        self, session: Session, case: Case, name: LetterName, side: Side, people: Iterable[Recipient], *,
        at: datetime, **facts: Any,
    ) -> None:  # fmt: skip
        """Write to others than the parties that the notice names: the makers of identical copies."""
        for to in people:
            self._send(session, case, name, side, to, at=at, **facts)

    def write_of_copy(
        self, session: Session, case: Case, release_id: str, people: Iterable[Recipient], *, at: datetime
    ) -> None:
        """Tell who made an identical copy: of that copy alone, which a comparison found and nobody named."""
        decision = self._decision(case, "en")
        if decision is not None:
            decision = replace(decision, automated_detection=True, automated_decision=True)
        self.write_to_people(
            session, case, LetterName.IDENTICAL_COPY_UPLOADER, Side.UPLOADER, people, at=at,
            decision=decision, material=(release_id,),
        )  # fmt: skip

    def _send(
        self, session: Session, case: Case, name: LetterName, side: Side, to: Recipient, *, at: datetime,
        secret: str | None = None, **facts: Any,
    ) -> NoticeLetter:  # fmt: skip
        notice = case.notice
        said = self._facts(case, side, to, **facts)
        if not to.has_account and secret is None:
            secret = self.ticket(notice, side, at=at)
            said = replace(said, links=replace(said.links, access_token=secret))
        written = render(name, said, language=to.language)
        sent = mail.post(session, to.address, written.subject, written.text, at=at, html=written.html)
        text, html = _without(secret, written.text), _without(secret, written.html)
        letter = NoticeLetter(
            mail_id=sent.id, notice_id=notice.id, party=side.value, name=name.value, version=written.version,
            language=written.language, subject=written.subject, text=text, html=html,
            sha256=digest(written.subject, text, html), written_at=at,
        )  # fmt: skip
        session.add(letter)
        session.flush()
        return letter

    def _facts(self, case: Case, side: Side, to: Recipient, **facts: Any) -> LetterFacts:
        notice, track, language = case.notice, case.track, to.language
        page = f"{self.policy.url}/v1/notices/{notice.id}"
        made = _last_decision(notice)
        complains = any(event is Event.COMPLAIN for _, event in track.transitions)
        said: dict[str, Any] = {"decision": self._decision(case, language), "material": _material(notice), **facts}
        return LetterFacts(
            notice_id=notice.id,
            track=track.name.value,
            track_title=worded(language, f"track.{track.name}", track.title),
            statute=track.statute,
            filed_on=self.calendar.local_day(notice.created_at),
            operator=Operator(name=self.policy.operator, url=self.policy.url, email=self.policy.email),
            links=Links(
                notice=page,
                counter_notice=f"{page}/counter-notice" if track.counter_elements else None,
                complaint=f"{page}/complaint" if complains else None,
            ),
            recipient=side,
            recipient_name=to.name,
            claimant_name=notice.content.get("contact_name"),
            work=_work_of(notice),
            # Recital 54 of the DSA: of an infringement of intellectual property one must know whose.
            identity_necessary=made is not None and made.reason_code == "copyright_infringement",
            missing=tuple(
                MissingItem(
                    what_to_supply=worded(language, element_key(one, track), one.what_to_supply),
                    reference=one.reference,
                )
                for one in case.missing
            ),
            deadlines=tuple(self.due(one, language) for one in case.deadlines),
            counter=self._counter(case),
            complaint=self._complaint(case, language),
            restoration=_restoration(notice),
            **said,
        )

    def all_of(self, session: Session, notice_id: str) -> list[tuple[NoticeLetter, Mail]]:
        """All that was written about a notice, oldest first, with what became of each."""
        query = sa.select(NoticeLetter, Mail).join(Mail, Mail.id == NoticeLetter.mail_id)
        rows = session.execute(query.where(NoticeLetter.notice_id == notice_id).order_by(NoticeLetter.mail_id)).all()
        return [(letter, sent) for letter, sent in rows]

    def due(self, deadline: Deadline, language: str) -> Due:
        """A date as letters say it."""
        return Due(
            title=worded(language, f"deadline.{deadline.name}"),
            day=self.calendar.local_day(deadline.at),
            basis=deadline.basis,
            statutory=deadline.statutory,
        )

    def escalation(self, deadline: Deadline, *, at: datetime) -> Escalation:
        due = self.due(deadline, "en")
        return Escalation(title=due.title, day=due.day, left=deadline.at - at)

    def strikes(self, counted: Sequence[Strike]) -> Strikes | None:
        """How many strikes count, and until when the latest does."""
        if not counted:
            return None
        last = self.calendar.local_day(counted[-1].expires_at)
        return Strikes(count=len(counted), threshold=self.policy.strikes_to_suspend, expires_on=last)

    def _decision(self, case: Case, language: str) -> Decision | None:
        """The decision that the letters are about: the last one, or before a complaint the one complained of."""
        made = _last_decision(case.notice)
        if made is None:
            return None
        reason = next(
            (one for one in case.track.reasons.get(Event(made.event), ()) if one.code == made.reason_code), None
        )
        details = made.details or {}
        return Decision(
            reason=worded(language, f"reason.{made.reason_code}", reason.title if reason else case.track.title),
            words=made.reason,
            automated_detection=bool(case.notice.check_id),
            fair_use_considered=bool(details["fair_use"]) if "fair_use" in details else None,
            law=details.get("legal_ground") or (reason and reason.law) or case.track.statute,
            explanation=details.get("explanation"),
            code=made.reason_code or "",
        )

    def _counter(self, case: Case) -> CounterNotice | None:
        said = case.notice.counter
        received = [e for e in case.notice.events if e.event == Event.RECEIVE_COUNTER]
        if said is None or not received or case.missing:
            return None
        sworn = [one.text for one in case.notice.statements if one.party == Side.UPLOADER]
        return CounterNotice(
            received_on=self.calendar.local_day(received[-1].at),
            name=said["name"],
            address=said["address"],
            telephone=said["telephone"],
            signature=said["signature"],
            material=tuple(said["material"]),
            former_locations=tuple(said["former_locations"]),
            statements=tuple(sworn),
        )

    def _title(self, case: Case, step: NoticeEvent, language: str) -> str | None:
        listed = case.track.reasons.get(Event(step.event), ())
        title = next((one.title for one in listed if one.code == step.reason_code), None)
        return worded(language, f"reason.{step.reason_code}", title) if title else None

    def _complaint(self, case: Case, language: str) -> Complaint | None:
        events = case.notice.events
        made = next((i for i in range(len(events) - 1, -1, -1) if events[i].event == Event.COMPLAIN), None)
        if made is None or (events[-1].event == Event.REINSTATE and made + 2 < len(events)):
            return None  # what another body decides answers no complaint
        answered = events[made + 1] if made + 1 < len(events) else None
        is_by_uploader = events[made].state == State.UPLOADER_COMPLAINT
        return Complaint(
            by=Side.UPLOADER if is_by_uploader else Side.CLAIMANT,
            received_on=self.calendar.local_day(events[made].at),
            text=events[made].reason,
            granted=answered.event != Event.UPHOLD if answered else None,
            reason=self._title(case, answered, language) if answered else None,
            words=answered.reason if answered else None,
        )


def element_key(element: Element, track: Track) -> str:
    """By what the words for an element are found: both papers of a track may have one of the same name."""
    paper = "counter_element" if element in track.counter_elements else "element"
    return f"{paper}.{track.name}.{element.name}"


def makers(session: Session, notice: Notice, *, named_only: bool = False) -> list[str]:
    """The holders who made the releases that a notice is about, or those that it names."""
    rows = [one for one in notice.releases if one.is_named or not named_only]
    return sorted({session.get_one(Release, one.release_id).holder_id for one in rows})


def knows_address(session: Session, claimant: Holder | None, address: str | None) -> bool:
    """Whether letters may go to an address that a holder gave: the operator vouches, or one of their people has it."""
    if claimant is None or address is None:
        return False
    if Assurance(claimant.assurance) is Assurance.VETTED:
        return True
    members = session.scalars(sa.select(Membership).where(Membership.holder_id == claimant.id))
    return any(one.account.email == address and one.account.is_open for one in members)


def digest(subject: str, text: str, html: str) -> str:
    """By which a kept letter is known: SHA-256 of its three parts."""
    return hashlib.sha256("\x00".join((subject, text, html)).encode()).hexdigest()


def _last_decision(notice: Notice) -> NoticeEvent | None:
    """What letters tell of: the last decision but those about complaints, which answer one; at an end what ended it."""
    last = notice.events[-1] if notice.events else None
    if last is not None and last.state in PUTS_BACK:
        return last if last.by is not None and last.event != Event.RETRACT else None
    about = DECISIONS - {Event.UPHOLD, Event.REINSTATE}
    return next((one for one in reversed(notice.events) if one.event in about and one.by is not None), None)


def _material(notice: Notice) -> tuple[str, ...]:
    return tuple(notice.content.get("material") or ())


def _work_of(notice: Notice) -> str | None:
    content = notice.content
    said = content.get("work_description") or content.get("depicted_person")
    return said or ", ".join(content.get("work_ids") or ()) or None


def _restoration(notice: Notice) -> Restoration | None:
    state, last = State(notice.state), notice.events[-1] if notice.events else None
    if state in _RESTORED_BY:
        return _RESTORED_BY[state]
    if state is not State.RESTORED or last is None:
        return None
    before = State(notice.events[-2].state)
    return {
        State.FORWARDED: Restoration.COUNTER_NOTICE,
        State.HELD: Restoration.COURT_ACTION_ENDED,
        State.UPLOADER_COMPLAINT: Restoration.COMPLAINT_GRANTED,
    }.get(before, Restoration.DISPUTE_BODY)


def _without(secret: str | None, text: str) -> str:
    return text if secret is None else text.replace(secret, _LEFT_OUT)
