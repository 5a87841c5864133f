"""The desk against a model: a few notices about one release, anybody doing anything, and time passing between.

What the law has of a notice is the model of `tests.unit.takedown.test_takedown_model`. Added here is what a service
owes beside it: who is a party, what happens by itself, whose decision waits for a second person, what is served,
written, watched and logged.
"""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.orm import Session

from registry import accounts, ledger, releases
from registry.access import Actor
from registry.database import Database
from registry.domain.policy import Assurance
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.index import IndexEngine
from registry.jobs import JobKind
from registry.ledger import LedgerIdentity
from registry.models import Job, JobState, LedgerEntry, Mail, Notice, NoticeLetter, Release, Strike
from registry.releases import NewRelease
from takedown.decisions import Judgement
from takedown.domain.deadlines import DeadlineName
from takedown.domain.states import Actor as Role
from takedown.domain.states import Event, State
from takedown.domain.track import TrackName
from takedown.errors import IllegalTransition
from takedown.papers import possible_events
from takedown.policy import FourEyes, Policy
from takedown.service import Desk
from tests import factories, people
from tests.effort import examples
from tests.factories import AT, COMPLETE_COUNTER, COMPLETE_NOTICE
from tests.unit.takedown.test_takedown_model import CALENDAR, CAUSES, COMPLAINS, COURSES, ENDINGS, Case

COMPLETE = replace(
    COMPLETE_NOTICE, explanation="It is a copy.", depicted_person="Ada", bona_fide=True, without_consent=True
)
SUPPLIED = {"signature": "Ada Studio", "bona_fide": True, "material": ["https://clips.example/1"]}
FORMS = {
    Event.FIND_VALID: COMPLETE,
    Event.REQUEST_CURE: replace(COMPLETE, signature=None, bona_fide=False),
    Event.FIND_DEFECTIVE: replace(COMPLETE, material=()),
}
TAKEDOWNS = {Event.DISABLE, Event.REJECT_ABUSE, Event.RESTORE}
DECISIONS = TAKEDOWNS | {Event.DECLINE, Event.REINSTATE, Event.UPHOLD}
COMPLAINED_OF = {Event.DISABLE, Event.DECLINE, Event.REJECT_ABUSE}
COMPLAINT_TRACKS = [TrackName.TAKE_IT_DOWN, TrackName.DSA_16, TrackName.LIKENESS]
# Who is written to when; the uploader alone about what was down.
_C, _U = Role.CLAIMANT.value, Role.UPLOADER.value
LETTERS = {
    Event.FIND_VALID: [("notice_received", _C)],
    Event.REQUEST_CURE: [("cure_requested", _C)],
    Event.FIND_DEFECTIVE: [("notice_defective", _C)],
    Event.DISABLE: [("disabled_claimant", _C)],
    Event.NOTIFY_UPLOADER: [("disabled_uploader", _U), ("strike_given", _U)],
    Event.DECLINE: [("declined_claimant", _C)],
    Event.FORWARD_COUNTER: [("counter_forwarded", _C), ("counter_received", _U)],
    Event.COURT_ACTION: [("held_uploader", _U)],
    Event.RESTORE: [("restored_claimant", _C), ("restored_uploader", _U)],
    Event.RETRACT: [("retracted_claimant", _C), ("restored_uploader", _U)],
    Event.REJECT_ABUSE: [("rejected_abuse", _C), ("restored_uploader", _U)],
    Event.REINSTATE: [("complaint_decided", _C)],
    Event.UPHOLD: [("complaint_decided", _C), ("complaint_decided", _U)],
}
_numbers = count(1)


@dataclass(slots=True)
class Model:
    """One notice at a desk: its case, and what the desk did about it."""

    case: Case
    form: Event
    is_about_release: bool
    is_address_known: bool
    is_reached: bool = True
    is_code_used: bool = False
    actors: list[Role] = field(default_factory=lambda: [Role.CLAIMANT])
    logged: list[str] = field(default_factory=lambda: ["submit"])
    decided: list[tuple[int, set[str]]] = field(default_factory=list)
    proposal: tuple[Event, str, int] | None = None
    letters: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: set[tuple[DeadlineName, datetime, bool]] = field(default_factory=set)
    armed_at: datetime = AT

    @property
    def has_copies(self) -> bool:
        return self.is_about_release and self.case.track is TrackName.TAKE_IT_DOWN

    @property
    def is_told(self) -> bool:
        """Whether its maker has heard of it: while a person has not decided, it is between claimant and operator."""
        return self.is_about_release and self.case.had(Event.DISABLE)

    def happens(self, event: Event, role: Role, at: datetime, by: set[str] | None = None) -> None:
        """A step, and what follows from it by itself."""
        case, was_down = self.case, self.case.is_down
        if event is Event.COMPLAIN:
            self._write("complaint_received", COMPLAINS[case.state].value)
        is_known_of = event is Event.FIND_VALID and case.had(Event.REINSTATE)
        for name, party in [] if is_known_of else LETTERS.get(event, []):
            if party == _C or was_down:
                self._write(name, party)
        self.is_address_known |= event is Event.CONFIRM_EMAIL and role is Role.REVIEWER
        self.logged.append(event.value)
        if event is Event.DISABLE and self.has_copies:
            self.letters["identical_copy_uploader", _U] += 1
            self.logged += [] if case.had(Event.DISABLE) else ["identical_copies"]
        case.happens(event, at)
        self.armed_at = at
        self.actors.append(role)
        if by is not None and event in COMPLAINED_OF:
            self.decided.append((len(case.steps) - 1, by))
        for following in self._follow(event):
            self.happens(following, Role.SYSTEM, at)

    def _follow(self, event: Event) -> Sequence[Event]:
        if event is Event.CONFIRM_EMAIL:
            return [Event.BEGIN_TRIAGE]
        if event in (Event.BEGIN_TRIAGE, Event.CURE, Event.REINSTATE):
            return [self.form]
        return [Event.NOTIFY_UPLOADER] if event is Event.DISABLE and self.is_about_release and self.is_reached else []

    def _write(self, name: str, party: str) -> None:
        """To the claimant where an address was shown to be theirs; to each maker, of a copy in a letter of its own."""
        makers = self.is_about_release + (self.has_copies and name != "disabled_uploader")
        self.letters[name, party] += self.is_address_known if party == _C else makers

    def time_comes(self, at: datetime) -> None:
        """What is near or late is told once each; what time brings about happens."""
        due, warnings = self.case.dates(), self.case.warnings()
        for name, warn_at in warnings.items():
            key = (name, due[name], due[name] <= at)
            if warn_at <= at and key not in self.told:
                self.told.add(key)
                self.letters["escalation", "operator"] += 1
        for event in self.case.due(at):
            self.happens(event, Role.SYSTEM, at)
        self.armed_at = at

    def next_moment(self) -> datetime | None:
        """When somebody must look at it next: `armed_at` where something is due and was not done."""
        at, due, warnings = self.armed_at, self.case.dates(), self.case.warnings()
        moments = [one for one in (*due.values(), *warnings.values()) if one > at]
        if self.case.due(at) or any(
            warn_at <= at and (name, due[name], due[name] <= at) not in self.told for name, warn_at in warnings.items()
        ):
            moments.append(at)
        return min(moments, default=None)

    def barred(self) -> set[str]:
        """Whoever decides a complaint, or anew after one, is somebody else than who decided before.

        What a court or another body decided, anybody carries out.
        """
        if not self.case.is_open:
            return set()
        again = [n for n, (event, _, _) in enumerate(self.case.steps) if event in (Event.COMPLAIN, Event.REINSTATE)]
        return {who for n, whom in self.decided for who in whom if again and n < again[-1]}

    def refusal(self, role: Role | None, person: str, event: Event, at: datetime) -> type[Exception] | None:
        """How an attempt is refused; None where it succeeds."""
        case = self.case
        if role is None or not case.may(event):
            return NotFound if role is None else IllegalTransition
        if event not in CAUSES[role]:
            return Forbidden
        is_early = event is Event.RESTORE and case.state is State.FORWARDED and event not in case.due(at)
        is_late = event is Event.COURT_ACTION and not case.hears_a_court(at)
        is_nobodys = event is Event.REINSTATE and not case.had(Event.CONFIRM_EMAIL)
        if (
            is_early or is_late or is_nobodys or event is Event.FORWARD_COUNTER
        ):  # what is complete goes on by itself, no other does
            return Conflict
        if event is Event.RECEIVE_COUNTER:
            return Invalid  # the event alone is no counter-notice
        if event is Event.RETRACT and role is Role.CLAIMANT and case.is_down and case.track is TrackName.TAKE_IT_DOWN:
            return Forbidden  # somebody may have been made to retract: a person looks first
        if event is Event.COMPLAIN:
            if role not in (COMPLAINS[case.state], Role.REVIEWER):
                return Forbidden
            if case.dates().get(DeadlineName.COMPLAINT_BY, at) < at:
                return Conflict
        return Forbidden if event in DECISIONS and person in self.barred() else None


class World:
    """A desk on a database, with a claimant who is known and one who is not, two makers of one file, and reviewers."""

    def __init__(
        self, database: Database, index: IndexEngine, identity: LedgerIdentity, tracks: Sequence[TrackName]
    ) -> None:
        self.database, self.index, self.identity, self.tracks = database, index, identity, tracks

    def begin(self, four_eyes: FourEyes) -> None:
        self.desk = Desk(calendar=CALENDAR, policy=Policy(email="desk@operator.example", four_eyes=four_eyes))
        self.address = f"claimant{(number := next(_numbers))}@studio.example"
        with self.database.transaction() as session:
            self.known = factories.actor(session)
            self.unknown = factories.actor(session, assurance=Assurance.UNVERIFIED)
            self.uploader, self.copier = (self._maker(session, f"{one}{number}@studio.example") for one in "ab")
            self.reviewers = [factories.reviewer(session) for _ in range(3)]
            self.release = self._release(session, self.uploader, f"{number:064x}")
            self.copy = self._release(session, self.copier, f"{number:064x}")

    def _maker(self, session: Session, email: str) -> Actor:
        people.ask(session, email, name=f"Maker {next(_numbers)}")
        account = accounts.confirm(session, people.code_of(session, email), "no password", at=AT)
        return replace(factories.actor_of(people.holder_of(session, account)), account_id=account.id)

    def _release(self, session: Session, maker: Actor, source_sha256: str) -> str:
        shown = factories.fingerprint(next(_numbers) + 1000)
        check = factories.check(session, maker, self.index, shown, sha256=source_sha256)
        prepared = releases.prepare(session, maker, NewRelease(check_id=check.id), ledger_origin="o", at=AT)
        signed, key = factories.signed_file(f"{next(_numbers):063x}f"), f"release_model_{next(_numbers)}"
        return releases.publish(session, maker, prepared, signed, blob_key=key, at=AT).id

    def code_of(self, session: Session, notice_id: str) -> str:
        mine = NoticeLetter.notice_id == notice_id, NoticeLetter.name == "confirm_address"
        text = session.scalars(sa.select(Mail.text).join(NoticeLetter, NoticeLetter.mail_id == Mail.id).where(*mine))
        return str(re.findall(r"^\s*([\w-]{32})$", str(text.one()), re.MULTILINE)[0])


class Desks(RuleBasedStateMachine):
    world: World

    @initialize(four_eyes=st.sampled_from([FourEyes.NONE, *FourEyes]), track=st.integers(0, 5))
    def a_desk_opens(self, four_eyes: FourEyes, track: int) -> None:
        self.now, tracks = AT, self.world.tracks
        self.notices: dict[str, Model] = {}
        self.claimants: dict[str, Actor] = {}
        self.world.begin(four_eyes)
        self._file(self.world.known, tracks[track % len(tracks)], Event.FIND_VALID, is_about_release=True)

    # -- what is done --------------------------------------------------------------------------

    @rule(
        is_known=st.sampled_from([True, True, False]), track=st.sampled_from(TrackName),
        form=st.sampled_from([Event.FIND_VALID, Event.FIND_VALID, Event.REQUEST_CURE, Event.FIND_DEFECTIVE]),
        is_about_release=st.sampled_from([True, True, True, False]),
    )  # fmt: skip
    @precondition(lambda self: len(self.notices) < 4)
    def somebody_files(self, *, is_known: bool, track: TrackName, form: Event, is_about_release: bool) -> None:
        self._file(self.world.known if is_known else self.world.unknown, track, form, is_about_release=is_about_release)

    def _file(self, claimant: Actor, track: TrackName, form: Event, *, is_about_release: bool) -> None:
        world, at, is_known = self.world, self.now, claimant is self.world.known
        is_about_release &= form is not Event.FIND_DEFECTIVE  # for it names nothing
        content = replace(FORMS[form], contact_email=world.address)
        said = factories.new_notice(content, release_id=world.release if is_about_release else None, track=track)
        with world.database.transaction() as session:
            notice_id = world.desk.file(session, claimant, said, at=at).id
        if track is TrackName.DSA_16 and form is Event.FIND_DEFECTIVE:
            form = Event.REQUEST_CURE  # art. 16(6): every notice is processed
        model = Model(
            case=Case(track=track, filed_at=at), form=form, is_about_release=is_about_release,
            is_address_known=is_known, armed_at=at,
        )  # fmt: skip
        self.notices[notice_id], self.claimants[notice_id] = model, claimant
        if is_known:
            model.happens(Event.CONFIRM_EMAIL, Role.SYSTEM, at)
        else:
            model.letters["confirm_address", _C] += 1

    @rule(which=st.integers(0, 3))
    @precondition(lambda self: any(one is self.world.unknown for one in self.claimants.values()))
    def a_code_comes_back(self, which: int) -> None:
        unknown = [one for one in self.notices if self.claimants[one] is self.world.unknown]
        notice_id = unknown[which % len(unknown)]
        model = self.notices[notice_id]
        is_over = model.is_code_used or self.now >= model.case.filed_at + timedelta(days=14)
        with self._refused(Invalid if is_over else None), self.world.database.transaction() as session:
            code = self.world.code_of(session, notice_id)
            self.world.desk.confirm_address(session, notice_id, code, at=self.now)
        if not is_over:
            model.is_address_known = model.is_code_used = True
            if model.case.state is State.SUBMITTED:
                model.happens(Event.CONFIRM_EMAIL, Role.SYSTEM, self.now)

    @rule(which=st.integers(0, 3), who=st.integers(0, 6), wish=st.integers(0, 99), is_possible=st.booleans())
    def anybody_tries_anything(self, which: int, who: int, wish: int, *, is_possible: bool) -> None:
        """Often what could happen now, so that it is by whom and when that decides."""
        notice_id = self._notice(which)
        wishes = [one for one in Event if not is_possible or self.notices[notice_id].case.may(one)] or list(Event)
        self._act(notice_id, self._everybody(notice_id)[who], wishes[wish % len(wishes)])

    @rule(which=st.integers(0, 3), course=st.sampled_from(COURSES), days=st.sampled_from([0, 30, 400]))
    def a_course_is_taken(self, which: int, course: Sequence[Event], days: int) -> None:
        notice_id = self._in_progress(which)
        for event in course:
            self.now += timedelta(days=days if event is course[-1] else 0)
            self._choose(notice_id, 0, {event})
            if self.notices[notice_id].case.may(event):  # a second reviewer is needed, or it is refused
                whose = [one for one in Role if event in CAUSES[one]]
                parties = [one for one in self._everybody(notice_id) if self._role(notice_id, one) in whose]
                self._act(notice_id, parties[-1], event)

    @rule(which=st.integers(0, 3), choices=st.lists(st.integers(0, 99), min_size=1, max_size=4))
    def business_goes_on(self, which: int, choices: list[int]) -> None:
        """A few steps of whoever may take them; what ends a matter is seldom among them."""
        notice_id = self._in_progress(which)
        for choice in choices:
            self._choose(notice_id, choice, ENDINGS if choice // 10 == 7 else set(Event) - ENDINGS)

    @rule(which=st.integers(0, 3), who=st.integers(0, 6), is_complete=st.booleans())
    @precondition(lambda self: any(one.case.may(Event.CURE) for one in self.notices.values()))
    def anybody_completes_a_notice(self, which: int, who: int, *, is_complete: bool) -> None:
        notice_id = self._notice(which, Event.CURE)
        model, actor = self.notices[notice_id], self._everybody(notice_id)[who]
        role = self._role(notice_id, actor)
        refused = NotFound if role is None else None if role is Role.CLAIMANT else Forbidden
        supplied = SUPPLIED if is_complete else {"contact_telephone": "+1 555 0100"}
        with self._refused(refused), self.world.database.transaction() as session:
            self.world.desk.cure(session, actor, notice_id, supplied, at=self.now)
        if refused is None:
            model.form = Event.FIND_VALID if is_complete else model.form
            model.happens(Event.CURE, Role.CLAIMANT, self.now)

    @rule(which=st.integers(0, 3), who=st.integers(0, 6), is_complete=st.booleans())
    @precondition(lambda self: any(one.case.may(Event.RECEIVE_COUNTER) for one in self.notices.values()))
    def anybody_answers_with_a_counter_notice(self, which: int, who: int, *, is_complete: bool) -> None:
        notice_id = self._notice(which, Event.RECEIVE_COUNTER)
        self._counter(notice_id, self._everybody(notice_id)[who], is_complete=is_complete)

    @rule(hours=st.sampled_from([1, 13, 24, 24 * 5, 24 * 16, 24 * 190]), is_watched=st.booleans())
    def time_passes(self, hours: int, *, is_watched: bool) -> None:
        self.now += timedelta(hours=hours)
        for notice_id, model in self.notices.items() if is_watched else ():
            with self.world.database.transaction() as session:
                self.world.desk.deadline_came(session, notice_id, at=self.now)
            model.time_comes(self.now)

    # -- parts ---------------------------------------------------------------------------------

    def _notice(self, which: int, event: Event | None = None) -> str:
        of = [one for one, model in self.notices.items() if event is None or model.case.may(event)]
        return of[which % len(of)]

    def _in_progress(self, which: int) -> str:
        of = [one for one, model in self.notices.items() if model.case.possible()] or list(self.notices)
        return of[which % len(of)]

    def _everybody(self, notice_id: str) -> list[Actor]:
        """The claimant, the maker, reviewers, and two who are no party: who made a copy, and another claimant."""
        world = self.world
        other = world.unknown if self.claimants[notice_id] is world.known else world.known
        return [self.claimants[notice_id], world.uploader, world.copier, *world.reviewers, other]

    def _role(self, notice_id: str, actor: Actor) -> Role | None:
        if actor in self.world.reviewers:
            return Role.REVIEWER
        if actor is self.claimants[notice_id]:
            return Role.CLAIMANT
        return Role.UPLOADER if actor is self.world.uploader and self.notices[notice_id].is_told else None

    def _choose(self, notice_id: str, choice: int, among: set[Event]) -> None:
        open_to = {event: actors for event, actors in self._open_to(notice_id).items() if event in among}
        if open_to:
            event = list(open_to)[choice % len(open_to)]
            actor = open_to[event][choice // len(open_to) % len(open_to[event])]
            if event is Event.RECEIVE_COUNTER:
                self._counter(notice_id, actor, is_complete=True)
            else:
                self._act(notice_id, actor, event)

    def _open_to(self, notice_id: str) -> dict[Event, list[Actor]]:
        """Who may do what now."""
        model, open_to = self.notices[notice_id], {}
        everybody = [(one, self._role(notice_id, one)) for one in self._everybody(notice_id)]
        for event in Event:
            may = [one for one, role in everybody if model.refusal(role, one.person, event, self.now) is None]
            if event is Event.RECEIVE_COUNTER and model.case.may(event):
                may = [one for one, role in everybody if role is not None and event in CAUSES[role]]
            if may:
                open_to[event] = may
        return open_to

    def _counter(self, notice_id: str, actor: Actor, *, is_complete: bool) -> None:
        model, role = self.notices[notice_id], self._role(notice_id, actor)
        refused = NotFound if role is None else Forbidden if role is Role.CLAIMANT else None
        said = COMPLETE_COUNTER if is_complete else replace(COMPLETE_COUNTER, consent_to_jurisdiction=False)
        with self._refused(refused), self.world.database.transaction() as session:
            self.world.desk.counter(session, actor, notice_id, said, at=self.now)
        if refused is None and role is not None:
            model.happens(Event.RECEIVE_COUNTER, role, self.now)
            if is_complete:
                model.happens(Event.FORWARD_COUNTER, Role.SYSTEM, self.now)
            elif model.is_about_release:
                model.letters["counter_incomplete", _U] += 1

    def _act(self, notice_id: str, actor: Actor, event: Event) -> None:
        model, person, at = self.notices[notice_id], actor.person, self.now
        role, waits, by = self._role(notice_id, actor), False, {person}
        refused = model.refusal(role, person, event, at)
        of_two = {FourEyes.NONE: set(), FourEyes.TAKEDOWNS: TAKEDOWNS, FourEyes.ALL: DECISIONS}
        if refused is None and event in of_two[self.world.desk.policy.four_eyes]:
            proposed, proposer, position = model.proposal or (None, "", 0)
            if proposed is not event or position != len(model.case.steps):  # void once anything else happened
                waits, model.proposal = True, (event, person, len(model.case.steps))
            elif proposer == person:
                refused = Conflict
            else:
                by, model.proposal = {person, proposer}, None
        with self._refused(refused), self.world.database.transaction() as session:
            self.world.desk.act(session, actor, notice_id, event, Judgement(reason="So it is."), at=at)
        if refused is None and not waits and role is not None:
            model.happens(event, role, at, by)

    def _refused(self, kind: type[Exception] | None) -> AbstractContextManager[object]:
        return nullcontext() if kind is None else pytest.raises(kind)

    # -- what always holds ---------------------------------------------------------------------

    @invariant()
    def the_desk_is_where_the_model_is(self) -> None:
        with self.world.database.reading() as session:
            for notice_id, model in self.notices.items():
                notice = session.get_one(Notice, notice_id)
                assert [(State(e.state), e.at) for e in notice.events] == model.case.history
                assert [e.actor for e in notice.events] == model.actors
                assert notice.state == model.case.state
                assert set(possible_events(notice)) == model.case.possible()
                assert {one.name: one.at for one in self.world.desk.deadlines(notice)} == model.case.dates()
                self._holds_of_material(notice, model)
                self._holds_of_strikes(session, notice, model)
                self._holds_of_the_watch(session, notice, model)
                self._holds_of_what_is_written(session, notice, model)

    @invariant()
    def a_release_is_served_unless_a_notice_keeps_it_down(self) -> None:
        down = [one for one in self.notices.values() if one.case.is_down and one.is_about_release]
        with self.world.database.reading() as session:
            assert (session.get_one(Release, self.world.release).state == "signed") == (not down)
            is_copy_down = any(one.has_copies for one in down)
            assert (session.get_one(Release, self.world.copy).state == "signed") != is_copy_down

    def _holds_of_material(self, notice: Notice, model: Model) -> None:
        named = {self.world.release: True} if model.is_about_release else {}
        copies = {self.world.copy: False} if model.has_copies and model.case.had(Event.DISABLE) else {}
        assert {one.release_id: one.is_named for one in notice.releases} == named | copies
        downs = [at for event, _, at in model.case.steps if event is Event.DISABLE]
        for one in notice.releases:
            assert one.is_down == model.case.is_down
            assert one.disabled_at == (downs[-1] if downs else None)
            assert (one.restored_at is None) == (model.case.is_down or not downs)

    def _holds_of_strikes(self, session: Session, notice: Notice, model: Model) -> None:
        """What stays down counts against who made it, abuse against who claimed; what is undone does not."""
        live = session.scalars(sa.select(Strike.side).where(Strike.notice_id == notice.id, Strike.lifted_at.is_(None)))
        makers = (1 + model.has_copies) * model.is_about_release
        told = model.case.is_down and model.case.state is not State.DISABLED
        last = [event for event, _, _ in model.case.steps if event in (Event.REJECT_ABUSE, Event.REINSTATE)]
        assert Counter(live) == +Counter({_U: makers * told, _C: int(last[-1:] == [Event.REJECT_ABUSE])})

    def _holds_of_the_watch(self, session: Session, notice: Notice, model: Model) -> None:
        mine = Job.kind == JobKind.NOTICE_DEADLINE, Job.subject_id == notice.id, Job.state == JobState.QUEUED
        due = model.next_moment()
        assert list(session.scalars(sa.select(Job.run_at).where(*mine))) == ([] if due is None else [due])

    def _holds_of_what_is_written(self, session: Session, notice: Notice, model: Model) -> None:
        letters = sa.select(NoticeLetter.name, NoticeLetter.party).where(NoticeLetter.notice_id == notice.id)
        assert Counter((name, party) for name, party in session.execute(letters)) == +model.letters
        query = sa.select(LedgerEntry.data).where(LedgerEntry.subject_id == notice.id).order_by(LedgerEntry.number)
        kinds = [re.findall(r'"kind":"notice\.(\w+)"', data) for data in session.scalars(query)]
        assert kinds == [[kind] for kind in model.logged]

    def teardown(self) -> None:
        with self.world.database.reading() as session:
            assert list(ledger.verify(session, verifier_key=self.world.identity.verifier_key)) == []


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("tracks", [[TrackName.DMCA_512], COMPLAINT_TRACKS], ids=["counter-notices", "complaints"])
def test_the_desk_does_what_the_law_has_of_it_whatever_anybody_does(
    database: Database, index: IndexEngine, identity: LedgerIdentity, tracks: Sequence[TrackName]
) -> None:
    class Here(Desks):
        world = World(database, index, identity, tracks)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples(25), stateful_step_count=40, deadline=None, derandomize=True,
            report_multiple_bugs=False,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),  # shrinking outlasts a test
        ),
    )  # fmt: skip
