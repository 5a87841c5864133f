"""What people decide about notices: by four eyes, for reasons, conflicts of interest shown, complaints answered."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import access, agencies, ledger
from registry.access import Actor, IssuedKey, Scope
from registry.database import Database
from registry.endpoints import set_by_operator
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.index import IndexEngine
from registry.ledger import LedgerIdentity
from registry.models import Holder, Notice, NoticeEvent, NoticeProposal, Release, Strike
from takedown import decisions
from takedown.decisions import Gravity, Judgement
from takedown.domain.states import Event
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from takedown.errors import IllegalTransition
from takedown.policy import FourEyes, Policy
from takedown.service import Desk
from tests import factories, people
from tests.factories import AT, COMPLETE_COUNTER, COMPLETE_NOTICE

DAY = timedelta(days=1)
COMPLETE = replace(
    COMPLETE_NOTICE, explanation="It is my film.", bona_fide=True, without_consent=True, depicted_person="Ada Example"
)
DMCA, DSA = TrackName.DMCA_512, TrackName.DSA_16
OF_BOTH_SIDES = [DSA, TrackName.TAKE_IT_DOWN, TrackName.LIKENESS]
LATE = AT + 60 * DAY


class Bench:
    """A claimant, an uploader with a release, three reviewers; each step in a transaction of its own."""

    def __init__(self, database: Database, index: IndexEngine, desk: Desk) -> None:
        self.database, self.desk = database, desk
        with database.transaction() as session:
            self.claimant, self.uploader, self.stranger = (factories.actor(session) for _ in range(3))
            self.ada, self.ben, self.cem = (factories.reviewer(session) for _ in range(3))
            name = session.get_one(Holder, self.uploader.holder_id).name
            set_by_operator(session, holder=name, url="https://hooks.example", at=AT)
            check = factories.check(session, self.uploader, index, factories.fingerprint(1))
            self.release = factories.release(session, self.uploader, check)

    def under(self, four_eyes: FourEyes) -> "Bench":
        self.desk = replace(self.desk, policy=Policy(four_eyes=four_eyes))
        return self

    def file(self, track: TrackName = DMCA, *, by: Actor | None = None) -> str:
        with self.database.transaction() as session:
            return factories.notice(
                session, self.desk, by or self.claimant, self.release, COMPLETE, track=track, at=AT
            ).id

    def act(self, by: Actor, notice_id: str, event: Event, *, at: datetime = AT, **said: Any) -> str:
        """Returns the state that it is in then."""
        with self.database.transaction() as session:
            judgement = Judgement(**{"reason": "So it is."} | said)
            return self.desk.act(session, by, notice_id, event, judgement, at=at).state

    def brought_to(self, state: str, track: TrackName = DSA) -> str:
        """A notice in a state that a first reviewer's decision and a party's answer lead to."""
        notice_id = self.file(track)
        first, *more = _WAYS[state]
        self.act(self.ada, notice_id, first)
        for event in more:
            if event is Event.RECEIVE_COUNTER:
                with self.database.transaction() as session:
                    self.desk.counter(session, self.uploader, notice_id, COMPLETE_COUNTER, at=AT + DAY)
            elif event is Event.COMPLAIN:
                self.complain(notice_id)
            else:
                self.act(self.claimant if event is Event.COURT_ACTION else self.ben, notice_id, event, at=AT + DAY)
        assert self.state(notice_id) == state
        return notice_id

    def complain(self, notice_id: str) -> None:
        side = self.uploader if self.state(notice_id) == "uploader_notified" else self.claimant
        self.act(side, notice_id, Event.COMPLAIN, reason="It is wrong.", at=AT + DAY)

    def state(self, notice_id: str) -> str:
        with self.database.reading() as session:
            return session.get_one(Notice, notice_id).state

    def steps(self, notice_id: str) -> list[NoticeEvent]:
        with self.database.reading() as session:
            return list(session.get_one(Notice, notice_id).events)

    def last(self, notice_id: str, event: Event) -> NoticeEvent:
        return next(step for step in reversed(self.steps(notice_id)) if step.event == event)

    def proposal(self, notice_id: str) -> NoticeProposal | None:
        with self.database.reading() as session:
            return decisions.proposal_of(session, session.get_one(Notice, notice_id))

    def is_served(self) -> bool:
        with self.database.reading() as session:
            return session.get_one(Release, self.release.id).state == "signed"

    def strikes(self) -> list[Strike]:
        """Those that count now."""
        with self.database.reading() as session:
            return list(session.scalars(sa.select(Strike).where(Strike.lifted_at.is_(None))))


_WAYS = {
    "uploader_notified": (Event.DISABLE,),
    "declined": (Event.DECLINE,),
    "uploader_complaint": (Event.DISABLE, Event.COMPLAIN),
    "claimant_complaint": (Event.DECLINE, Event.COMPLAIN),
    "upheld": (Event.DISABLE, Event.COMPLAIN, Event.UPHOLD),
    "forwarded": (Event.DISABLE, Event.RECEIVE_COUNTER),
    "held": (Event.DISABLE, Event.RECEIVE_COUNTER, Event.COURT_ACTION),
}


@pytest.fixture
def bench(database: Database, index: IndexEngine, desk: Desk) -> Bench:
    return Bench(database, index, desk)


# -- four eyes ---------------------------------------------------------------------------------

TAKEDOWNS, ALL = FourEyes.TAKEDOWNS, FourEyes.ALL
DISABLE, DECLINE, REJECT = Event.DISABLE, Event.DECLINE, Event.REJECT_ABUSE
RESTORE, REINSTATE, UPHOLD = Event.RESTORE, Event.REINSTATE, Event.UPHOLD


@pytest.mark.parametrize(
    ("four_eyes", "state", "event", "is_second_wanted"),
    [
        *((FourEyes.NONE, None, event, False) for event in (DISABLE, DECLINE, REJECT)),
        *((FourEyes.NONE, "uploader_complaint", event, False) for event in (RESTORE, UPHOLD)),
        *((TAKEDOWNS, None, event, event is not DECLINE) for event in (DISABLE, DECLINE, REJECT)),
        *((TAKEDOWNS, "uploader_complaint", event, event is RESTORE) for event in (RESTORE, UPHOLD)),
        (TAKEDOWNS, "claimant_complaint", REINSTATE, False),
        *((ALL, None, event, True) for event in (DISABLE, DECLINE, REJECT)),
        *((ALL, "uploader_complaint", event, True) for event in (RESTORE, UPHOLD)),
        (ALL, "claimant_complaint", REINSTATE, True),
    ],
)
def test_which_decisions_want_a_second_reviewer(
    bench: Bench, four_eyes: FourEyes, state: str | None, event: Event, is_second_wanted: bool
) -> None:
    notice_id = bench.brought_to(state) if state else bench.file(DSA)
    before = bench.state(notice_id)
    bench.under(four_eyes)
    assert (bench.act(bench.ben, notice_id, event) == before) is is_second_wanted
    if is_second_wanted:
        assert bench.act(bench.cem, notice_id, event) != before


def test_a_proposal_is_no_step_and_does_nothing(bench: Bench) -> None:
    notice_id = bench.under(ALL).file()
    before = [step.event for step in bench.steps(notice_id)]
    bench.act(bench.ada, notice_id, DISABLE, reason="A copy.", at=AT + DAY)
    assert [step.event for step in bench.steps(notice_id)] == before
    assert (bench.state(notice_id), bench.is_served(), bench.strikes()) == ("valid", True, [])
    waits = bench.proposal(notice_id)
    assert waits is not None
    assert (waits.event, waits.reason, waits.proposed_by) == ("disable", "A copy.", bench.ada.person)
    assert (waits.reason_code, waits.proposed_at) == ("copyright_infringement", AT + DAY)


def test_a_decision_of_two_is_the_firsts_for_the_firsts_reasons_and_names_the_second(bench: Bench) -> None:
    notice_id = bench.under(TAKEDOWNS).file()
    bench.act(bench.ada, notice_id, DISABLE, reason="A copy.", reason_code="other", fair_use="None: it is whole.")
    bench.act(bench.ben, notice_id, DISABLE, reason="Yes.", at=AT + DAY)
    made = bench.last(notice_id, DISABLE)
    assert (made.by, made.reason, made.reason_code, made.at) == (bench.ada.person, "A copy.", "other", AT + DAY)
    assert made.details == {"fair_use": "None: it is whole.", "seconded_by": bench.ben.person}
    assert (bench.is_served(), bench.proposal(notice_id)) == (False, None)


def test_another_decision_takes_the_proposals_place(bench: Bench) -> None:
    notice_id = bench.under(ALL).file()
    bench.act(bench.ada, notice_id, DISABLE)
    bench.act(bench.ben, notice_id, DECLINE)
    waits = bench.proposal(notice_id)
    assert waits is not None
    assert (waits.event, waits.proposed_by) == ("decline", bench.ben.person)
    bench.act(bench.cem, notice_id, DISABLE)  # not the second to want it: the first's was replaced
    assert bench.is_served()
    assert bench.act(bench.ben, notice_id, DISABLE) == "uploader_notified"
    assert bench.last(notice_id, DISABLE).by == bench.cem.person


def test_a_proposal_is_void_once_it_can_no_longer_be_made(bench: Bench) -> None:
    notice_id = bench.under(ALL).file()
    bench.act(bench.ada, notice_id, DISABLE)
    bench.act(bench.claimant, notice_id, Event.RETRACT)
    assert bench.proposal(notice_id) is None
    with pytest.raises(IllegalTransition):
        bench.act(bench.ben, notice_id, DISABLE)
    assert bench.is_served()


def test_time_does_not_wait_for_a_second_reviewer(bench: Bench) -> None:
    notice_id = bench.brought_to("forwarded", DMCA)
    bench.under(ALL).act(bench.ada, notice_id, RESTORE, at=LATE)
    with bench.database.transaction() as session:
        bench.desk.deadline_came(session, notice_id, at=LATE)
    assert (bench.state(notice_id), bench.is_served(), bench.proposal(notice_id)) == ("restored", True, None)


def test_a_proposal_of_before_a_complaint_is_not_completed_after_it(bench: Bench) -> None:
    """Ada proposes, then decides otherwise, is complained of and overruled; her proposal must not come true then."""
    notice_id = bench.under(TAKEDOWNS).file()
    bench.act(bench.ada, notice_id, REJECT)
    bench.act(bench.ada, notice_id, DECLINE)
    bench.complain(notice_id)
    assert bench.act(bench.ben, notice_id, REINSTATE) == "valid"
    assert bench.act(bench.cem, notice_id, REJECT) == "valid"


def test_an_abuse_counts_as_gravely_as_the_first_reviewer_found(bench: Bench) -> None:
    notice_id = bench.under(TAKEDOWNS).file()
    bench.act(bench.ada, notice_id, REJECT, gravity=Gravity.GRAVE, intent="To silence.")
    bench.act(bench.ben, notice_id, REJECT)
    [strike] = bench.strikes()
    assert (strike.gravity, strike.intent) == ("grave", "To silence.")


# -- who somebody is ---------------------------------------------------------------------------


def presenting(session: Session, key: IssuedKey) -> Actor:
    actor = access.authenticate(session, key.key, at=AT)
    assert actor is not None
    return actor


def test_nobody_seconds_themselves_with_keys_that_a_key_of_theirs_made(bench: Bench) -> None:
    notice_id = bench.under(ALL).file()
    with bench.database.transaction() as session:
        row, scopes = factories.holder(session), (Scope.REVIEW, Scope.HOLDER_WRITE)
        first = presenting(session, access.issue_key(session, row, scopes, at=AT))
        second = presenting(session, access.issue_own_key(session, first, scopes, name=None, at=AT))
        third = presenting(session, access.issue_own_key(session, second, scopes, name=None, at=AT))
        colleague = presenting(session, access.issue_key(session, row, scopes, at=AT))  # the operator's, for another
    bench.act(second, notice_id, DISABLE)
    for same in (first, second, third):
        assert same.person == first.key_id
        with pytest.raises(Conflict, match="Another reviewer"):
            bench.act(same, notice_id, DISABLE)
    assert bench.act(colleague, notice_id, DISABLE) == "uploader_notified"


def test_keys_that_somebody_signed_in_made_are_theirs(database: Database) -> None:
    with database.transaction() as session:
        account, scopes = people.sign_up(session), (Scope.HOLDER_WRITE,)
        signed_in = people.signed_in(session, account)
        with_key = presenting(session, access.issue_own_key(session, signed_in, scopes, name=None, at=AT))
        with_next = presenting(session, access.issue_own_key(session, with_key, scopes, name=None, at=AT))
        assert {signed_in.person, with_key.person, with_next.person} == {account.id}


# -- reasons and what was considered -----------------------------------------------------------


@pytest.mark.parametrize("track", list(TrackName))
@pytest.mark.parametrize("event", [DISABLE, DECLINE, REJECT])
def test_a_reason_is_one_of_the_tracks_list(bench: Bench, track: TrackName, event: Event) -> None:
    notice_id = bench.file(track)
    with pytest.raises(Invalid) as refused:
        bench.act(bench.ada, notice_id, event, reason_code="because")
    codes = [one.code for one in TRACKS[track].reasons[event]]
    assert (refused.value.field, all(code in refused.value.problem for code in codes)) == ("reason_code", True)
    bench.act(bench.ada, notice_id, event, reason_code=codes[-1])
    assert bench.last(notice_id, event).reason_code == codes[-1]


@pytest.mark.parametrize(
    ("track", "state", "event", "code"),
    [
        (DMCA, None, DISABLE, "copyright_infringement"),
        (TrackName.TAKE_IT_DOWN, None, DISABLE, "intimate_depiction"),
        (TrackName.LIKENESS, None, DISABLE, "voice_or_likeness"),
        (DMCA, None, DECLINE, "other"),
        (DMCA, None, REJECT, "manifestly_unfounded"),
        (DMCA, "forwarded", RESTORE, "counter_notice"),
        (DMCA, "held", RESTORE, "court_action_ended"),
        (DSA, "uploader_complaint", RESTORE, "complaint_granted"),
        (DSA, "upheld", RESTORE, "dispute_body"),
        (DSA, "claimant_complaint", REINSTATE, "complaint_granted"),
        (DSA, "claimant_complaint", UPHOLD, "decision_was_right"),
    ],
)
def test_who_names_no_reason_means_the_one_that_the_state_suggests(
    bench: Bench, track: TrackName, state: str | None, event: Event, code: str
) -> None:
    notice_id = bench.brought_to(state, track) if state else bench.file(track)
    bench.act(bench.cem, notice_id, event, at=LATE)
    assert bench.last(notice_id, event).reason_code == code


def test_what_was_considered_is_kept_with_the_decision_and_of_what_nobody_said_nothing(bench: Bench) -> None:
    said: dict[str, Any] = {"fair_use": "No.", "legal_ground": "§ 97", "explanation": "All of it."}
    told, untold = bench.file(), bench.file()
    bench.act(bench.ada, told, DISABLE, **said)
    bench.act(bench.ada, untold, DISABLE, fair_use="")
    made = bench.last(told, DISABLE)
    assert (made.details, made.by, made.reason) == (said, bench.ada.person, "So it is.")
    assert bench.last(untold, DISABLE).details is None


def test_of_an_abuse_gravity_and_intent_are_kept(bench: Bench) -> None:
    grave, minor = bench.file(), bench.file()
    bench.act(bench.ada, grave, REJECT, gravity=Gravity.GRAVE, intent="To silence.")
    bench.act(bench.ada, minor, REJECT)
    assert bench.last(grave, REJECT).details == {"gravity": "grave", "intent": "To silence."}
    assert bench.last(minor, REJECT).details == {"gravity": "minor", "intent": None}


def test_the_ledger_holds_decisions_to_who_made_them_and_why(bench: Bench, identity: LedgerIdentity) -> None:
    notice_id = bench.under(TAKEDOWNS).file()
    bench.act(bench.ada, notice_id, DISABLE, fair_use="Considered.")
    bench.act(bench.ben, notice_id, DISABLE)
    made = bench.last(notice_id, DISABLE)
    with bench.database.transaction() as session:
        notice = session.get_one(Notice, notice_id)
        facts = ledger.receipt(session, notice, identity, at=AT).facts
        details = {"fair_use": "Considered.", "seconded_by": bench.ben.person}
        assert [made.position, "copyright_infringement", bench.ada.person, details] in facts["decided"]
        assert list(ledger.verify(session, verifier_key=identity.verifier_key)) == []
        notice.events[made.position].details = {**details, "seconded_by": bench.cem.person}
        session.flush()
        assert [notice_id in problem for problem in ledger.verify(session, verifier_key=identity.verifier_key)] == [
            True
        ]


# -- complaints --------------------------------------------------------------------------------


@pytest.mark.parametrize("track", list(TrackName))
@pytest.mark.parametrize("against", [DECLINE, REJECT])
def test_the_claimant_complains_on_every_track(bench: Bench, track: TrackName, against: Event) -> None:
    notice_id = bench.file(track)
    bench.act(bench.ada, notice_id, against)
    for nobody in (bench.uploader, bench.stranger):
        with pytest.raises(NotFound):
            bench.act(nobody, notice_id, Event.COMPLAIN)
    assert bench.act(bench.claimant, notice_id, Event.COMPLAIN, reason="Look again.") == "claimant_complaint"
    made = bench.last(notice_id, Event.COMPLAIN)
    assert (made.actor, made.reason, made.by) == ("claimant", "Look again.", bench.claimant.person)


@pytest.mark.parametrize("track", OF_BOTH_SIDES)
def test_the_uploader_complains_where_there_is_no_counter_notice(bench: Bench, track: TrackName) -> None:
    notice_id = bench.brought_to("uploader_notified", track)
    for nobody, problem in ((bench.claimant, Forbidden), (bench.stranger, NotFound)):
        with pytest.raises(problem):
            bench.act(nobody, notice_id, Event.COMPLAIN)
    assert bench.act(bench.uploader, notice_id, Event.COMPLAIN) == "uploader_complaint"
    assert (bench.last(notice_id, Event.COMPLAIN).actor, bench.is_served()) == ("uploader", False)


def test_against_a_sworn_notice_the_uploader_swears_and_does_not_complain(bench: Bench) -> None:
    with pytest.raises(IllegalTransition):
        bench.act(bench.uploader, bench.brought_to("uploader_notified", DMCA), Event.COMPLAIN)


def test_a_complaint_that_came_by_post_is_a_reviewers_to_enter(bench: Bench) -> None:
    notice_id = bench.brought_to("declined")
    assert bench.act(bench.ben, notice_id, Event.COMPLAIN, reason="By post.") == "claimant_complaint"
    assert bench.last(notice_id, Event.COMPLAIN).actor == "reviewer"


@pytest.mark.parametrize("reason", [None, "", "  \n"])
def test_a_complaint_says_why(bench: Bench, reason: str | None) -> None:
    with pytest.raises(Invalid):
        bench.act(bench.claimant, bench.brought_to("declined"), Event.COMPLAIN, reason=reason)


def test_of_each_decision_one_complains_once(bench: Bench) -> None:
    notice_id = bench.brought_to("claimant_complaint")
    bench.act(bench.ben, notice_id, REINSTATE)
    bench.act(bench.cem, notice_id, DECLINE)
    assert bench.act(bench.claimant, notice_id, Event.COMPLAIN) == "claimant_complaint"
    with pytest.raises(Forbidden):
        bench.act(bench.cem, notice_id, UPHOLD)


def test_that_one_side_complained_does_not_silence_the_other(bench: Bench) -> None:
    notice_id = bench.brought_to("claimant_complaint")
    bench.act(bench.ben, notice_id, REINSTATE)
    bench.act(bench.cem, notice_id, DISABLE)
    assert bench.act(bench.uploader, notice_id, Event.COMPLAIN) == "uploader_complaint"
    with pytest.raises(Forbidden):  # it is the decision of Cem that is complained of now
        bench.act(bench.cem, notice_id, UPHOLD)


def test_who_is_both_sides_complains_as_either(bench: Bench) -> None:
    for against in (DECLINE, DISABLE):
        notice_id = bench.file(DSA, by=bench.uploader)
        bench.act(bench.ada, notice_id, against)
        bench.act(bench.uploader, notice_id, Event.COMPLAIN)


@pytest.mark.parametrize("state", ["claimant_complaint", "uploader_complaint"])
def test_a_complaint_is_decided_by_neither_who_decided_nor_who_seconded(bench: Bench, state: str) -> None:
    notice_id = bench.under(ALL).file(DSA)
    against = DECLINE if state == "claimant_complaint" else DISABLE
    bench.act(bench.ada, notice_id, against)
    bench.act(bench.ben, notice_id, against)
    bench.complain(notice_id)
    bench.act(bench.cem, notice_id, UPHOLD)
    for event in (UPHOLD, REINSTATE if state == "claimant_complaint" else RESTORE):
        for barred in (bench.ada, bench.ben):
            with pytest.raises(Forbidden, match="somebody else"):
                bench.act(barred, notice_id, event)
    bench.under(FourEyes.NONE)
    assert bench.act(bench.cem, notice_id, UPHOLD) == ("closed" if state == "claimant_complaint" else "upheld")


def test_what_is_reinstated_is_decided_anew_by_somebody_else(bench: Bench) -> None:
    notice_id = bench.brought_to("claimant_complaint")
    assert bench.act(bench.ben, notice_id, REINSTATE) == "valid"
    for event in (DECLINE, DISABLE, REJECT):
        with pytest.raises(Forbidden):
            bench.act(bench.ada, notice_id, event)
    assert bench.act(bench.ben, notice_id, DISABLE) == "uploader_notified"


def test_what_nobody_complained_of_in_time_a_court_may_still_reinstate(bench: Bench) -> None:
    notice_id = bench.brought_to("declined")
    with bench.database.transaction() as session:
        bench.desk.deadline_came(session, notice_id, at=AT + 200 * DAY)
    assert bench.state(notice_id) == "closed"
    assert bench.act(bench.ben, notice_id, REINSTATE, reason_code="other", at=AT + 201 * DAY) == "valid"


def test_a_complaint_that_is_granted_undoes_what_was_held_against_its_side(bench: Bench) -> None:
    abuse, down = bench.file(DSA), bench.file(DSA)
    bench.act(bench.ada, abuse, REJECT)
    bench.act(bench.ada, down, DISABLE)
    for notice_id in (abuse, down):
        bench.complain(notice_id)
    assert [strike.side for strike in bench.strikes()] == ["claimant", "uploader"]
    bench.act(bench.ben, abuse, REINSTATE)
    assert [strike.side for strike in bench.strikes()] == ["uploader"]
    bench.act(bench.ben, down, RESTORE)
    assert (bench.strikes(), bench.is_served()) == ([], True)


def test_a_decision_that_stands_keeps_its_strike_and_its_effect(bench: Bench) -> None:
    notice_id = bench.brought_to("upheld")
    assert ([strike.side for strike in bench.strikes()], bench.is_served()) == (["uploader"], False)
    assert bench.act(bench.ada, notice_id, RESTORE) == "restored"  # a court saw it otherwise; nobody judges anew
    assert (bench.strikes(), bench.is_served()) == ([], True)


# -- conflicts of interest ---------------------------------------------------------------------


@pytest.mark.parametrize("side", ["claimant", "uploader"])
def test_that_ones_own_holder_is_a_party_is_kept_and_forbids_nothing(bench: Bench, side: str) -> None:
    party: Actor = getattr(bench, side)
    reviewer = replace(party, scopes=frozenset({Scope.REVIEW}))
    notice_id = bench.file()
    assert bench.act(reviewer, notice_id, DISABLE) == "uploader_notified"
    assert bench.last(notice_id, DISABLE).details == {"interests": [f"Your holder is the {side}."]}


@pytest.mark.parametrize("side", ["claimant", "uploader"])
@pytest.mark.parametrize("is_agent", [True, False])
@pytest.mark.parametrize("over", [None, "ended", "expired"])
def test_that_ones_holder_acts_for_a_party_or_it_for_ones_own_is_kept_while_it_lasts(
    bench: Bench, side: str, is_agent: bool, over: str | None
) -> None:
    party: Actor = getattr(bench, side)
    agent, principal = (bench.ada, party) if is_agent else (party, bench.ada)
    with bench.database.transaction() as session:
        appoints = Actor(holder_id=principal.holder_id, scopes=frozenset({Scope.HOLDER_WRITE}))
        until = AT + DAY if over == "expired" else None
        agency = agencies.appoint(session, appoints, agent.holder_id, [Scope.CHECKS_WRITE], at=AT, valid_until=until)
        if over == "ended":
            agencies.end(session, appoints, agency.id, at=AT)
    notice_id = bench.file()
    bench.act(bench.ada, notice_id, DISABLE, at=AT + DAY)
    expected = None if over else {"interests": [f"Your holder acts for the {side}, or they for yours."]}
    assert bench.last(notice_id, DISABLE).details == expected


def test_the_second_reviewers_interests_are_kept_as_well(bench: Bench) -> None:
    notice_id = bench.under(TAKEDOWNS).file()
    bench.act(bench.ada, notice_id, DISABLE)
    bench.act(replace(bench.claimant, scopes=frozenset({Scope.REVIEW})), notice_id, DISABLE)
    assert "Your holder is the claimant." in str(bench.last(notice_id, DISABLE).details)
