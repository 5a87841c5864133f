"""Notices on record: the events of their tracks applied to rows, with what follows from each.

The domain says what may happen; this module says who is asking, makes it happen to the material, has the letters
written, and leaves a ledger entry for every step. What a person judges is `decisions`; what time brings about happens
by itself, in `deadline_came`, which a job calls for every date that a notice has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from registry import codes, ledger, mail
from registry.access import NOBODY, READS, Actor, Scope
from registry.admin_actions import Action, note
from registry.codes import Purpose
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.jobs import JobKind, enqueue
from registry.models import (
    Holder,
    MisuseDecision,
    Notice,
    NoticeEvent,
    NoticeRelease,
    Release,
)
from registry.outbox import tell
from registry.suspensions import Measure, Side
from takedown import announcements, decisions, materials, misuse, records, screening, watch, webhooks
from takedown.correspondence import Case, Correspondence, Uploader, knows_address, makers
from takedown.decisions import Judgement
from takedown.domain.completeness import (
    CounterContent,
    NoticeContent,
    Outcome,
    assess,
)
from takedown.domain.deadlines import (
    BusinessCalendar,
    Deadline,
    DeadlineName,
    court_action_in_time,
    deadlines_of,
    due_events,
)
from takedown.domain.states import (
    ACTOR,
    COMPLAINANT,
    DECISIONS,
    PUTS_BACK,
    Event,
    State,
    transition,
)
from takedown.domain.states import Actor as Role
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from takedown.letter_facts import Side as Party
from takedown.letters import LetterName
from takedown.materials import Target
from takedown.papers import assessment_of, content_of, history_of, is_down, require_missing, subscribe, track_of
from takedown.policy import Policy

_BY_FORM = {
    Outcome.COMPLETE: Event.FIND_VALID,
    Outcome.CURABLE: Event.REQUEST_CURE,
    Outcome.DEFECTIVE: Event.FIND_DEFECTIVE,
}
_CODE_LASTS = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    """What somebody files.

    Attributes:
        address: the network address that it came from, kept with the statements that were made.
    """

    content: NoticeContent
    track: TrackName = TrackName.DMCA_512
    target: Target = field(default_factory=Target)
    language: str = "en"
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where notices are handled: the operator's calendar decides what a business day is, their policy the rest."""

    calendar: BusinessCalendar
    policy: Policy = field(default_factory=Policy)

    # -- receiving -------------------------------------------------------------------------------

    def file(self, session: Session, actor: Actor | None, said: NewNotice, *, at: datetime) -> Notice:
        """Receive a notice; its form is checked at once, its substance by a person.

        Nothing happens before the claimant's address is known: a holder's is, others get a code by mail.

        Args:
            actor: None is somebody without a key, as DSA art. 16(1) lets anybody notify.
        Raises:
            Invalid: something in it names nothing here, or cannot be an address.
            TooSoon: the claimant filed very many already.
        """
        claimant, content = self._claimant(session, actor, said), said.content
        if content.contact_email is not None:
            content = replace(content, contact_email=mail.address(content.contact_email, field="contact_email"))
        holder_id = claimant.id if claimant is not None else None
        misuse.require_room(session, holder_id, self.policy, at=at)
        acting = actor or Actor(holder_id=NOBODY, scopes=frozenset())
        found = materials.named(session, acting, said.target, content.material)
        if said.target.is_sought and not content.material:
            content = replace(content, material=tuple(one.id for one in found) or (str(said.target.check_id),))
        track = TRACKS[said.track]
        notice = Notice(
            id=new_id(Prefix.NOTICE, at=at),
            holder_id=holder_id,
            track=track.name.value,
            state=State.SUBMITTED.value,
            release_id=found[0].id if found else None,
            check_id=said.target.check_id,
            language=said.language,
            tier=misuse.tier_of(session, holder_id).value,
            content=asdict(content),
            counter=None,
            is_address_known=knows_address(session, claimant, content.contact_email),
            is_set_aside=track.is_suspendable and misuse.is_suspended(session, holder_id, content.contact_email, at=at),
            created_at=at,
            events=[],
            statements=[],
            releases=[NoticeRelease(release_id=one.id, is_named=True) for one in found],
        )
        session.add(notice)
        subscribe(notice, content, Role.CLAIMANT, said.address, at=at)
        screening.screen(session, notice, claimant, found, at=at)
        self._step(
            session, notice, "submit", State.SUBMITTED, Role.CLAIMANT, Judgement(by=acting.person or None), at=at
        )
        if notice.is_set_aside:
            return notice
        if claimant is not None and Assurance(claimant.assurance) >= Assurance.EMAIL:
            self._open(session, notice, at=at)
        elif content.contact_email is not None:
            self._send_code(session, notice, content.contact_email, at=at)
        return notice

    def confirm_address(
        self, session: Session, notice_id: str, code: str, *, at: datetime
    ) -> tuple[Notice, str | None]:
        """Take the code of a letter: whoever has it reads the claimant's address.

        Returns:
            The notice, and for a claimant without a key the ticket that lets them see and answer it from now on.
        Raises:
            Invalid: the code opens nothing, or another notice.
        """
        letter = codes.redeem(session, code, Purpose.NOTICE, at=at)
        if letter.said != {"notice": notice_id}:
            raise Invalid(field="code", problem="This code is of another notice.")
        notice = session.get_one(Notice, notice_id)
        notice.is_address_known, ticket = True, None
        screening.group(session, notice)
        if notice.holder_id is None:
            ticket = self.letters.ticket(notice, Party.CLAIMANT, at=at)
        if notice.state == State.SUBMITTED and not notice.is_set_aside:
            self._open(session, notice, at=at)
        return notice, ticket

    def cure(
        self, session: Session, actor: Actor, notice_id: str, supplied: Mapping[str, Any], *, at: datetime,
        address: str | None = None,
    ) -> Notice:  # fmt: skip
        """Add what was missing; the notice is checked again."""
        notice = self.visible(session, actor, notice_id)
        if Role.CLAIMANT not in self.roles(session, actor, notice):
            raise Forbidden(action="only the claimant can complete a notice")
        decisions.require_voice(actor, frozenset({Role.CLAIMANT}))
        self._transition(notice, Event.CURE)
        if supplied.get("contact_email") is not None:
            email = mail.address(supplied["contact_email"], field="supplied.contact_email")
            supplied = {**supplied, "contact_email": email}
        require_missing(notice.content, supplied)
        before, notice.content = notice.content, {**notice.content, **supplied}
        self._confirm_anew(session, notice, before, at=at)
        subscribe(notice, content_of(notice), Role.CLAIMANT, address, at=at)
        return self.act(session, actor, notice_id, Event.CURE, at=at)

    def _confirm_anew(self, session: Session, notice: Notice, before: Mapping[str, Any], *, at: datetime) -> None:
        """Another address than before is not written to before it is known as well."""
        address = notice.content["contact_email"]
        if address == before["contact_email"]:
            return
        claimant = session.get(Holder, notice.holder_id) if notice.holder_id else None
        notice.is_address_known = knows_address(session, claimant, address)
        if address is not None and not notice.is_address_known:
            self._send_code(session, notice, address, at=at)

    def counter(
        self, session: Session, actor: Actor, notice_id: str, content: CounterContent, *, at: datetime,
        address: str | None = None,
    ) -> Notice:  # fmt: skip
        """Receive a counter-notice; a complete one is forwarded and starts the restore window."""
        notice = self.visible(session, actor, notice_id)
        roles = self.roles(session, actor, notice) & ACTOR[Event.RECEIVE_COUNTER]
        decisions.require_voice(actor, roles)
        if not roles:
            raise Forbidden(action="only the uploader of the disabled material can send a counter-notice")
        self._transition(notice, Event.RECEIVE_COUNTER)
        notice.counter, track = asdict(content), track_of(notice)
        role = Role.UPLOADER if Role.UPLOADER in roles else Role.REVIEWER
        subscribe(notice, content, Role.UPLOADER, address if role is Role.UPLOADER else None, at=at)
        records.redact_again(session, notice)
        self._apply(session, notice, Event.RECEIVE_COUNTER, role, Judgement(by=actor.person), at=at)
        if assess(track.counter_elements, content).outcome is Outcome.COMPLETE:
            self._apply(session, notice, Event.FORWARD_COUNTER, Role.SYSTEM, at=at)
            webhooks.tell_claimant(session, notice, "notice.counter_notice", {"id": notice.id}, at=at)
        else:
            self.letters.write(session, self._case(notice), LetterName.COUNTER_INCOMPLETE, Party.UPLOADER, at=at)
        return notice

    def set_uploader(self, session: Session, actor: Actor, notice_id: str, said: Uploader, *, at: datetime) -> Notice:
        """Say, as a reviewer, whom to write to about material that no holder here released."""
        actor.require(Scope.REVIEW)
        notice = self.visible(session, actor, notice_id)
        if notice.release_id is not None:
            raise Conflict(kind="notice", id=notice.id, problem="Its release is of a holder here, who is written to.")
        known, notice.uploader = notice.uploader, {**asdict(said), "email": mail.address(said.email)}
        note(session, Action.UPLOADER_NAMED, notice.id, by=actor, at=at)
        records.redact_again(session, notice)
        if notice.state == State.DISABLED:
            self._apply(session, notice, Event.NOTIFY_UPLOADER, Role.SYSTEM, at=at)
        elif notice.state == State.UPLOADER_NOTIFIED and known != notice.uploader:  # the first letter went astray
            notice.tickets = [one for one in notice.tickets if one.party != Party.UPLOADER]
            self.letters.write(session, self._case(notice), LetterName.DISABLED_UPLOADER, Party.UPLOADER, at=at)
        return notice

    # -- acting ----------------------------------------------------------------------------------

    def act(
        self, session: Session, actor: Actor, notice_id: str, event: Event, judgement: Judgement | None = None, *,
        at: datetime,
    ) -> Notice:  # fmt: skip
        """Carry out an event that the actor asks for; a decision that needs a second reviewer waits for one.

        Raises:
            IllegalTransition: it cannot happen in this state.
            Forbidden: it can, but not by this actor.
            Conflict, Invalid: not now, or not like this.
        """
        notice = self.visible(session, actor, notice_id)
        if notice.forgotten_at is not None:
            raise Conflict(kind="notice", id=notice.id, problem="What it said was forgotten after its time.")
        self._transition(notice, event)
        roles = self.roles(session, actor, notice) & ACTOR[event]
        decisions.require_voice(actor, roles)
        if not roles:
            who = " or ".join(sorted(ACTOR[event]))
            raise Forbidden(action=f"{event.value} is for the {who}")
        if event is Event.RECEIVE_COUNTER:
            raise Invalid(field="event", problem="Send the counter-notice itself, to …/counter-notice.")
        role = Role.REVIEWER if Role.REVIEWER in roles else next(iter(roles))
        self._guard(notice, event, role, at=at)
        judgement = replace(judgement or Judgement(), by=actor.person)
        if event is Event.COMPLAIN:
            role = self._require_complaint(notice, roles, judgement, at=at)
        if event in DECISIONS and role is Role.REVIEWER:
            interests = decisions.interests(session, actor, notice, self.uploaders(session, notice), at=at)
            settled = decisions.settle(session, notice, event, judgement, interests, self.policy.four_eyes, at=at)
            if settled is None:
                return notice
            judgement = settled
        self._apply(session, notice, event, role, judgement, at=at)
        if event in (Event.CONFIRM_EMAIL, Event.CURE, Event.REINSTATE):
            self._triage(session, notice, at=at)
        return notice

    def decide_misuse(
        self, session: Session, actor: Actor, holder_id: str, side: Side, measure: Measure, reason: str, *,
        at: datetime, until: datetime | None = None,
    ) -> MisuseDecision:  # fmt: skip
        """Warn a holder, suspend them for a time, or lift that; they are written to (DSA art. 23)."""
        decided = misuse.decide(session, actor, holder_id, side, measure, reason, self.policy, at=at, until=until)
        counted = misuse.strikes_of(session, holder_id, side, at=at)
        if counted:
            case = self._case(session.get_one(Notice, counted[-1].notice_id))
            announcements.of_misuse(self.letters, session, case, decided, at=at)
        return decided

    def deadline_came(self, session: Session, notice_id: str, *, at: datetime) -> None:
        """Do what time brings about, and tell the operator of duties that are near or late; nothing where it is not
        yet time, or no more.
        """  # fmt: skip
        notice = session.get(Notice, notice_id)
        if notice is None or notice.forgotten_at is not None:
            return
        for deadline in self.deadlines(notice):
            if deadline.warn_at is not None and deadline.warn_at <= at:
                self._escalate(session, notice, deadline, at=at)
        for event in due_events(history_of(notice), track_of(notice).terms, at=at, calendar=self.calendar):
            words = "no court action in time" if event is Event.RESTORE else "its time has passed"
            self._apply(session, notice, event, Role.SYSTEM, Judgement(reason=words), at=at)
        watch.arm(session, notice, self.deadlines(notice), at=at)

    def add_copies(self, session: Session, notice_id: str, release_ids: Sequence[str], *, at: datetime) -> None:
        """Disable identical copies of what a notice took down, as long as that is down."""
        notice = session.get(Notice, notice_id)
        if notice is None or not any(one.is_down for one in notice.releases):
            return
        added = materials.add_copies(session, notice, release_ids, at=at)
        if not added:
            return
        ledger.record(session, "notice.identical_copies", notice, at=at)
        self._tell_of_copies(session, notice, added, at=at)
        if notice.state != State.DISABLED:  # else they are counted with the others, when those are told
            makers_of = {one.holder_id for one in added}
            misuse.count(session, notice, Event.NOTIFY_UPLOADER, State(notice.state), makers_of, self.policy, at=at)
            announcements.of_strikes(self.letters, session, self._case(notice), makers_of, at=at)

    def rearm(self, session: Session, *, at: datetime) -> None:
        """Let a job watch every open notice that none does: those of before, or whose job failed."""
        for notice in watch.unwatched(session):
            watch.arm(session, notice, self.deadlines(notice), at=at)

    # -- reading ---------------------------------------------------------------------------------

    @property
    def letters(self) -> Correspondence:
        return Correspondence(policy=self.policy, calendar=self.calendar)

    def deadlines(self, notice: Notice) -> tuple[Deadline, ...]:
        if notice.is_set_aside and notice.state == State.SUBMITTED:
            return ()
        return deadlines_of(history_of(notice), track_of(notice).terms, calendar=self.calendar)

    def visible(self, session: Session, actor: Actor, notice_id: str) -> Notice:
        """A notice that the actor filed, that is about the actor's release, or any for a reviewer."""
        if actor.ticket_sha256 is None:
            actor.require(*READS[Prefix.NOTICE])
        notice = session.get(Notice, notice_id)
        if notice is None or not self.roles(session, actor, notice):
            raise NotFound(kind="notice", id=notice_id)
        return notice

    def uploaders(self, session: Session, notice: Notice) -> set[str]:
        """The holders whose releases it is about."""
        return set(makers(session, notice))

    # -- parts -----------------------------------------------------------------------------------

    def _claimant(self, session: Session, actor: Actor | None, said: NewNotice) -> Holder | None:
        if actor is not None:
            actor.require(Scope.NOTICES_WRITE)
            return session.get_one(Holder, actor.holder_id)
        if said.content.contact_email is None:
            problem = "Give your e-mail address: without a key, that is all by which you are known."
            raise Invalid(field="contact_email", problem=problem)
        return None

    def _send_code(self, session: Session, notice: Notice, address: str, *, at: datetime) -> None:
        codes.require_room(session, Purpose.NOTICE, address, most=self.policy.notices_per_day_anonymous, at=at)
        code = codes.issue(session, Purpose.NOTICE, address, at=at, said={"notice": notice.id})
        self.letters.confirm(session, self._case(notice), code, at + _CODE_LASTS, at=at)

    def _open(self, session: Session, notice: Notice, *, at: datetime) -> None:
        self._apply(session, notice, Event.CONFIRM_EMAIL, Role.SYSTEM, at=at)
        self._triage(session, notice, at=at)

    def _triage(self, session: Session, notice: Notice, *, at: datetime) -> None:
        """The form of a notice is a matter of rule, not of judgement."""
        if notice.state != State.TRIAGE:
            self._apply(session, notice, Event.BEGIN_TRIAGE, Role.SYSTEM, at=at)
        self._apply(session, notice, _BY_FORM[assessment_of(notice).outcome], Role.SYSTEM, at=at)

    def _transition(self, notice: Notice, event: Event) -> State:
        return transition(track_of(notice).transitions, State(notice.state), event)

    def roles(self, session: Session, actor: Actor, notice: Notice) -> frozenset[Role]:
        """In what parts the actor may look at a notice. Who made the material is told of it, and no sooner."""
        roles = set()
        opened = [one.party for one in notice.tickets if one.sha256 == actor.ticket_sha256]
        if actor.holder_id == notice.holder_id or Role.CLAIMANT in opened:
            roles.add(Role.CLAIMANT)
        told = any(one.event == Event.DISABLE for one in notice.events)
        if (told and actor.holder_id in makers(session, notice, named_only=True)) or Role.UPLOADER in opened:
            roles.add(Role.UPLOADER)
        if actor.may(Scope.REVIEW):
            roles.add(Role.REVIEWER)
        return frozenset(roles)

    def _guard(self, notice: Notice, event: Event, role: Role, *, at: datetime) -> None:
        history, terms = history_of(notice), track_of(notice).terms
        if event is Event.RESTORE and role is not Role.REVIEWER:
            raise Forbidden(action="what is held back is restored by a reviewer, or by time")
        if event is Event.REINSTATE and not any(one.event == Event.CONFIRM_EMAIL for one in notice.events):
            problem = "Its claimant never showed an address. They may file it again."
            raise Conflict(kind="notice", id=notice.id, problem=problem)
        due = due_events(history, terms, at=at, calendar=self.calendar)
        if event is Event.RESTORE and notice.state == State.FORWARDED and Event.RESTORE not in due:
            problem = "The restore window is not open: 512(g)(2)(C) asks for 10 to 14 business days."
            raise Conflict(kind="notice", id=notice.id, problem=problem)
        if event is Event.FORWARD_COUNTER and assessment_of(notice).missing:
            lacks = ", ".join(one.name for one in assessment_of(notice).missing)
            problem = f"The counter-notice lacks: {lacks}. Enter it completed, …/counter-notice."
            raise Conflict(kind="notice", id=notice.id, problem=problem)
        needs_person = track_of(notice).is_put_back_by_reviewer and is_down(notice)
        if event is Event.RETRACT and needs_person and role is not Role.REVIEWER:
            raise Forbidden(action="a person looks before this is shown again: write to the operator")
        if event is Event.COURT_ACTION and not court_action_in_time(history, terms, at=at, calendar=self.calendar):
            raise Conflict(kind="notice", id=notice.id, problem="The time for a court action has passed.")

    def _require_complaint(
        self, notice: Notice, roles: frozenset[Role], judgement: Judgement, *, at: datetime
    ) -> Role:  # fmt: skip
        """A complaint is by who was decided against, and says why; of each decision once."""
        side = COMPLAINANT[State(notice.state)]
        if roles.isdisjoint((side, Role.REVIEWER)):
            raise Forbidden(action=f"a complaint about this is for the {side}")
        if not (judgement.reason or "").strip():
            raise Invalid(field="reason", problem="Say why the decision is wrong.")
        if any(one.name is DeadlineName.COMPLAINT_BY and one.at < at for one in self.deadlines(notice)):
            raise Conflict(kind="notice", id=notice.id, problem="The time for a complaint has passed.")
        return side if side in roles else Role.REVIEWER

    def _apply(
        self, session: Session, notice: Notice, event: Event, role: Role, judgement: Judgement | None = None, *,
        at: datetime,
    ) -> None:  # fmt: skip
        after, judgement = self._transition(notice, event), judgement or Judgement()
        if event is Event.CONFIRM_EMAIL and role is Role.REVIEWER:  # who looked into it says whose address it is
            notice.is_address_known = notice.content["contact_email"] is not None
        was_down, uploaders = is_down(notice), self.uploaders(session, notice)
        if event is Event.DISABLE:
            materials.disable(session, notice, at=at)
        elif after in PUTS_BACK:
            materials.put_back(session, notice, at=at)
        misuse.count(session, notice, event, after, uploaders, self.policy, at=at, judgement=judgement)
        self._step(session, notice, event.value, after, role, judgement, at=at)
        webhooks.tell_of(session, notice, event, self.policy, was_down=was_down, at=at)
        announcements.of_step(self.letters, session, self._case(notice), event, was_down=was_down, at=at)
        if event is Event.NOTIFY_UPLOADER:
            announcements.of_strikes(self.letters, session, self._case(notice), uploaders, at=at)
        if event is Event.DISABLE and track_of(notice).finds_identical_copies:
            self._disable_copies(session, notice, at=at)
        if event is Event.DISABLE and announcements.reaches_uploader(self.letters, session, notice):
            self._apply(session, notice, Event.NOTIFY_UPLOADER, Role.SYSTEM, at=at)

    def _tell_of_copies(self, session: Session, notice: Notice, copies: Sequence[Release], *, at: datetime) -> None:
        case = self._case(notice)
        for release in copies:
            tell(session, release.holder_id, "notice.disabled", {"id": notice.id, "release_id": release.id}, at=at)
            people = self.letters.people_of(session, release.holder_id, "en")
            self.letters.write_of_copy(session, case, release.id, people, at=at)

    def _disable_copies(self, session: Session, notice: Notice, *, at: datetime) -> None:
        """Those of the same file at once, and by a job what looks the same: that takes a while."""
        again = [session.get_one(Release, one.release_id) for one in notice.releases if not one.is_named]
        self._tell_of_copies(session, notice, again, at=at)
        for one in list(notice.releases):
            same = materials.same_files(session, session.get_one(Release, one.release_id))
            self.add_copies(session, notice.id, same, at=at)
        if notice.releases:
            enqueue(session, JobKind.IDENTICAL_COPIES, notice.id, at=at)

    def _case(self, notice: Notice) -> Case:
        missing = assessment_of(notice).missing
        return Case(notice=notice, track=track_of(notice), missing=missing, deadlines=self.deadlines(notice))

    def _escalate(self, session: Session, notice: Notice, deadline: Deadline, *, at: datetime) -> None:
        """Tell the operator once that a duty is near, and once that it is late."""
        has_passed = deadline.at <= at
        if not watch.is_news(session, notice, deadline, has_passed=has_passed, at=at):
            return
        case, escalation = self._case(notice), self.letters.escalation(deadline, at=at)
        self.letters.write(session, case, LetterName.ESCALATION, Party.OPERATOR, at=at, escalation=escalation)
        webhooks.tell_of_deadline(session, notice, deadline, self.policy, has_passed=has_passed, at=at)

    def _step(
        self, session: Session, notice: Notice, event: str, state: State, role: Role, judgement: Judgement, *,
        at: datetime,
    ) -> None:  # fmt: skip
        notice.state = state.value
        notice.events.append(
            NoticeEvent(
                position=len(notice.events),
                event=event,
                state=state.value,
                actor=role.value,
                reason=judgement.reason,
                reason_code=judgement.reason_code,
                by=judgement.by,
                details=judgement.details,
                at=at,
            )
        )
        ledger.record(session, f"notice.{event}", notice, at=at)
        watch.arm(session, notice, self.deadlines(notice), at=at)
