"""Notices on record: the course of 17 U.S.C. 512, what it does to a release, and who may cause it."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.runner import Runner
from api.service import Service
from registry import ledger, lookback
from registry.access import Actor, Scope
from registry.checks import FindingDecision
from registry.database import Database
from registry.domain.policy import Assurance
from registry.endpoints import set_by_operator
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.index import IndexEngine
from registry.jobs import JobKind
from registry.ledger import LedgerIdentity
from registry.models import Finding, Holder, Job, JobState, Notice, NoticeEvent, OutboxMessage, Release
from takedown.decisions import Judgement
from takedown.domain.completeness import NoticeContent
from takedown.domain.deadlines import DeadlineName
from takedown.domain.states import Event, State
from takedown.errors import IllegalTransition
from takedown.papers import assessment_of, possible_events
from takedown.service import Desk
from tests import factories
from tests.factories import AT, COMPLETE_COUNTER, COMPLETE_NOTICE
from tests.fakes import Clock
from tests.integration.at_once import overlapping

DAY = timedelta(days=1)
COUNTERED = AT + 3 * DAY  # a Thursday
# Ten and fourteen business days on, to the end of the day in New York.
NOT_BEFORE = datetime(2026, 3, 20, 4, 0, tzinfo=UTC) - timedelta(microseconds=1)
NOT_AFTER = datetime(2026, 3, 26, 4, 0, tzinfo=UTC) - timedelta(microseconds=1)
CURABLE = replace(COMPLETE_NOTICE, signature=None, good_faith=False)


class Parties:
    """A claimant, an uploader with a release, and a reviewer; each step in a transaction of its own."""

    def __init__(self, database: Database, index: IndexEngine, desk: Desk, *, hears: bool = True) -> None:
        self.database, self.desk = database, desk
        with database.transaction() as session:
            self.claimant, self.uploader = factories.actor(session), factories.actor(session)
            self.reviewer = factories.reviewer(session)
            if hears:
                name = session.get_one(Holder, self.uploader.holder_id).name
                set_by_operator(session, holder=name, url="https://hooks.example", at=AT)
            check = factories.check(session, self.uploader, index, factories.fingerprint(1))
            self.release = factories.release(session, self.uploader, check)

    def file(self, content: NoticeContent = COMPLETE_NOTICE, *, by: Actor | None = None, at: datetime = AT) -> str:
        with self.database.transaction() as session:
            return factories.notice(session, self.desk, by or self.claimant, self.release, content, at=at).id

    def act(self, by: Actor, notice_id: str, event: Event, *, at: datetime = AT) -> None:
        with self.database.transaction() as session:
            self.desk.act(session, by, notice_id, event, Judgement(reason="So it is."), at=at)

    def disabled(self) -> str:
        notice_id = self.file()
        self.act(self.reviewer, notice_id, Event.DISABLE, at=AT + DAY)
        return notice_id

    def forwarded(self) -> str:
        notice_id = self.disabled()
        with self.database.transaction() as session:
            self.desk.counter(session, self.uploader, notice_id, COMPLETE_COUNTER, at=COUNTERED)
        return notice_id

    def deadline_came(self, notice_id: str, *, at: datetime) -> None:
        with self.database.transaction() as session:
            self.desk.deadline_came(session, notice_id, at=at)

    def state(self, notice_id: str) -> str:
        with self.database.reading() as session:
            return session.get_one(Notice, notice_id).state

    def is_served(self) -> bool:
        with self.database.reading() as session:
            return session.get_one(Release, self.release.id).state == "signed"

    def history(self, notice_id: str) -> list[tuple[str, str]]:
        with self.database.reading() as session:
            return [(event.event, event.actor) for event in session.get_one(Notice, notice_id).events]


@pytest.fixture
def parties(database: Database, index: IndexEngine, desk: Desk) -> Parties:
    return Parties(database, index, desk)


# -- the whole way -----------------------------------------------------------------------------


def test_the_whole_way_to_restoration_that_happens_by_itself(
    service: Service, clock: Clock, identity: LedgerIdentity
) -> None:
    parties = Parties(service.database, service.index, service.desk)
    notice_id = parties.file()
    assert (parties.state(notice_id), parties.is_served()) == ("valid", True)
    parties.act(parties.reviewer, notice_id, Event.DISABLE, at=AT + DAY)
    assert (parties.state(notice_id), parties.is_served()) == ("uploader_notified", False)
    with service.database.transaction() as session:
        service.desk.counter(session, parties.uploader, notice_id, COMPLETE_COUNTER, at=COUNTERED)
    assert parties.state(notice_id) == "forwarded"

    with service.database.reading() as session:
        waits = Job.kind == JobKind.NOTICE_DEADLINE, Job.state == JobState.QUEUED
        job = session.scalars(sa.select(Job).where(*waits)).one()
    assert (job.subject_id, job.run_at) == (notice_id, NOT_BEFORE)
    clock.at = NOT_BEFORE - timedelta(microseconds=1)
    Runner(service).run(job.id)
    assert (parties.state(notice_id), parties.is_served()) == ("forwarded", False)
    clock.at = NOT_BEFORE
    Runner(service).run(job.id)
    assert (parties.state(notice_id), parties.is_served()) == ("restored", True)

    assert parties.history(notice_id) == [
        ("submit", "claimant"),
        ("confirm_email", "system"),
        ("begin_triage", "system"),
        ("find_valid", "system"),
        ("disable", "reviewer"),
        ("notify_uploader", "system"),
        ("receive_counter", "uploader"),
        ("forward_counter", "system"),
        ("restore", "system"),
    ]
    with service.database.reading() as session:
        entries = [e.data for e in ledger.entries(session, start=0, limit=99) if e.subject_id == notice_id]
        assert [
            f'"kind":"notice.{event}"' in data
            for data, (event, _) in zip(entries, parties.history(notice_id), strict=True)
        ]
        assert list(ledger.verify(session, verifier_key=identity.verifier_key)) == []
        release_entries = [
            e.data for e in ledger.entries(session, start=0, limit=99) if e.subject_id == parties.release.id
        ]
        times = [event.at for event in session.scalars(sa.select(NoticeEvent).order_by(NoticeEvent.position))]
    assert ["release.disabled" in release_entries[1], "release.restored" in release_entries[2]] == [True, True]
    assert times == [AT] * 4 + [AT + DAY] * 2 + [COUNTERED] * 2 + [NOT_BEFORE]


def test_all_parties_are_told(parties: Parties) -> None:
    with parties.database.transaction() as session:
        name = session.get_one(Holder, parties.claimant.holder_id).name
        set_by_operator(session, holder=name, url="https://claims.example", at=AT)
    notice_id = parties.forwarded()
    parties.deadline_came(notice_id, at=NOT_BEFORE)
    with parties.database.reading() as session:
        told = {
            holder: [
                m.event for m in session.scalars(sa.select(OutboxMessage).where(OutboxMessage.holder_id == holder))
            ]
            for holder in (parties.claimant.holder_id, parties.uploader.holder_id)
        }
    assert "notice.counter_notice" in told[parties.claimant.holder_id]
    assert told[parties.claimant.holder_id].count("notice.changed") == len(parties.history(notice_id)) - 1
    for event in ("notice.disabled", "release.disabled", "release.restored"):
        assert event in told[parties.uploader.holder_id]


# -- receiving a notice ------------------------------------------------------------------------


def test_a_notice_needs_its_scope_and_a_release_that_exists(parties: Parties) -> None:
    with parties.database.transaction() as session:
        with pytest.raises(Forbidden):
            factories.notice(session, parties.desk, factories.actor(session, Scope.CHECKS_WRITE), parties.release)
        with pytest.raises(Invalid):
            parties.desk.file(session, parties.claimant, factories.new_notice(release_id="rel_0"), at=AT)


def test_a_claimant_cannot_confirm_an_address_by_saying_so(parties: Parties) -> None:
    with parties.database.transaction() as session:
        nobody = factories.actor(session, assurance=Assurance.UNVERIFIED)
    notice_id = parties.file(by=nobody)
    assert parties.state(notice_id) == "submitted"
    with pytest.raises(IllegalTransition):
        parties.act(parties.reviewer, notice_id, Event.DISABLE)
    with pytest.raises(Forbidden):
        parties.act(nobody, notice_id, Event.CONFIRM_EMAIL)
    parties.act(parties.reviewer, notice_id, Event.CONFIRM_EMAIL)
    assert parties.state(notice_id) == "valid"


def test_what_a_notice_lacks_is_said_and_can_be_supplied(parties: Parties) -> None:
    notice_id = parties.file(CURABLE)
    assert parties.state(notice_id) == "cure_requested"
    with parties.database.transaction() as session:
        notice = session.get_one(Notice, notice_id)
        assert [missing.name for missing in assessment_of(notice).missing] == ["signature", "good_faith"]
        parties.desk.cure(session, parties.claimant, notice_id, {"signature": "Ada Studio"}, at=AT + DAY)
    assert parties.state(notice_id) == "cure_requested"
    with parties.database.transaction() as session:
        parties.desk.cure(session, parties.claimant, notice_id, {"good_faith": True}, at=AT + 2 * DAY)
    assert parties.state(notice_id) == "valid"
    with parties.database.reading() as session:
        assert session.get_one(Notice, notice_id).content["signature"] == "Ada Studio"


def test_only_the_claimant_completes_a_notice(parties: Parties) -> None:
    notice_id = parties.file(CURABLE)
    for other in (parties.uploader, parties.reviewer):
        with parties.database.transaction() as session, pytest.raises((Forbidden, NotFound)):
            parties.desk.cure(session, other, notice_id, {"signature": "Ada Studio", "good_faith": True}, at=AT)
    assert parties.state(notice_id) == "cure_requested"


def test_a_complete_notice_is_not_completed_again(parties: Parties) -> None:
    notice_id = parties.file()
    with pytest.raises(IllegalTransition), parties.database.transaction() as session:
        parties.desk.cure(session, parties.claimant, notice_id, {"work_description": "Another film"}, at=AT)
    with parties.database.reading() as session:
        assert session.get_one(Notice, notice_id).content["work_description"] == COMPLETE_NOTICE.work_description


def test_a_defective_notice_counts_for_nothing(parties: Parties) -> None:
    notice_id = parties.file(replace(COMPLETE_NOTICE, work_description=None))
    assert (parties.state(notice_id), parties.is_served()) == ("defective", True)
    with parties.database.reading() as session:
        assert possible_events(session.get_one(Notice, notice_id)) == ()


def test_who_names_a_release_by_its_id_named_the_material(parties: Parties) -> None:
    notice_id = parties.file(replace(COMPLETE_NOTICE, material=()))
    with parties.database.reading() as session:
        notice = session.get_one(Notice, notice_id)
        assert (notice.state, notice.content["material"]) == ("valid", [parties.release.id])


def test_a_notice_is_kept_as_it_was_written(parties: Parties) -> None:
    notice_id = parties.file()
    with parties.database.reading() as session:
        notice = session.get_one(Notice, notice_id)
        assert notice.content == {**asdict(COMPLETE_NOTICE), "work_ids": [], "material": ["https://clips.example/1"]}
        assert (notice.track, notice.holder_id, notice.created_at) == ("dmca_512", parties.claimant.holder_id, AT)


def test_a_notice_about_no_release_of_ours_takes_the_same_way(parties: Parties) -> None:
    with parties.database.transaction() as session:
        notice_id = factories.notice(session, parties.desk, parties.claimant, None).id
    parties.act(parties.reviewer, notice_id, Event.DISABLE)
    parties.act(parties.reviewer, notice_id, Event.NOTIFY_UPLOADER)
    with parties.database.transaction() as session:  # it came by post
        parties.desk.counter(session, parties.reviewer, notice_id, COMPLETE_COUNTER, at=COUNTERED)
    parties.deadline_came(notice_id, at=NOT_BEFORE)
    assert (parties.state(notice_id), parties.is_served()) == ("restored", True)


# -- who may do what ---------------------------------------------------------------------------


def test_a_notice_is_seen_by_its_parties_and_no_others(parties: Parties) -> None:
    notice_id, undecided = parties.disabled(), parties.file()
    with parties.database.transaction() as session:
        for party in (parties.claimant, parties.uploader, parties.reviewer):
            assert parties.desk.visible(session, party, notice_id).id == notice_id
        with pytest.raises(NotFound):  # nobody is warned before anything was decided
            parties.desk.visible(session, parties.uploader, undecided)
        stranger = factories.actor(session)
        with pytest.raises(NotFound):
            parties.desk.visible(session, stranger, notice_id)
        with pytest.raises(NotFound):
            parties.desk.act(session, stranger, notice_id, Event.RETRACT, at=AT)
        with pytest.raises(NotFound):
            parties.desk.counter(session, stranger, notice_id, COMPLETE_COUNTER, at=AT)


@pytest.mark.parametrize(
    ("who", "event"),
    [
        ("claimant", Event.DISABLE),
        ("uploader", Event.DISABLE),
        ("uploader", Event.RETRACT),
        ("claimant", Event.REJECT_ABUSE),
        ("uploader", Event.REJECT_ABUSE),
    ],
)
def test_a_party_does_not_do_anothers_part(parties: Parties, who: str, event: Event) -> None:
    notice_id = parties.file()
    with pytest.raises((Forbidden, NotFound)):
        parties.act(getattr(parties, who), notice_id, event)
    assert (parties.state(notice_id), parties.is_served()) == ("valid", True)


def test_what_cannot_happen_now_says_what_can(parties: Parties) -> None:
    notice_id = parties.file()
    with pytest.raises(IllegalTransition) as refused:
        parties.act(parties.reviewer, notice_id, Event.RESTORE)
    assert refused.value.current is State.VALID
    assert Event.DISABLE in refused.value.allowed


def test_a_counter_notice_is_more_than_an_event(parties: Parties) -> None:
    notice_id = parties.disabled()
    with pytest.raises(Invalid):
        parties.act(parties.uploader, notice_id, Event.RECEIVE_COUNTER)


def test_of_two_who_disable_at_once_one_is_refused(parties: Parties) -> None:
    notice_id = parties.file()

    def disable(session: Session) -> None:
        parties.desk.act(session, parties.reviewer, notice_id, Event.DISABLE, Judgement(reason="A copy."), at=AT)

    assert isinstance(overlapping(parties.database, disable, disable), IllegalTransition)
    assert [event for event, _ in parties.history(notice_id)].count("disable") == 1


# -- after disabling ---------------------------------------------------------------------------


def test_an_uploader_who_does_not_listen_is_notified_by_a_person(
    database: Database, index: IndexEngine, desk: Desk
) -> None:
    parties = Parties(database, index, desk, hears=False)
    notice_id = parties.disabled()
    assert (parties.state(notice_id), parties.is_served()) == ("disabled", False)
    with pytest.raises(IllegalTransition), database.transaction() as session:
        desk.counter(session, parties.uploader, notice_id, COMPLETE_COUNTER, at=COUNTERED)
    parties.act(parties.reviewer, notice_id, Event.NOTIFY_UPLOADER, at=AT + DAY)
    assert parties.state(notice_id) == "uploader_notified"


def test_the_claimant_cannot_answer_for_the_uploader(parties: Parties) -> None:
    notice_id = parties.disabled()
    with parties.database.transaction() as session, pytest.raises(Forbidden):
        parties.desk.counter(session, parties.claimant, notice_id, COMPLETE_COUNTER, at=COUNTERED)


def test_the_restore_window_counts_from_the_complete_counter_notice(parties: Parties) -> None:
    notice_id = parties.disabled()
    with parties.database.transaction() as session:
        incomplete = replace(COMPLETE_COUNTER, consent_to_jurisdiction=False)
        notice = parties.desk.counter(session, parties.uploader, notice_id, incomplete, at=AT + DAY)
        assert [missing.name for missing in assessment_of(notice).missing] == ["contact_and_consent"]
    assert parties.state(notice_id) == "counter_received"
    parties.deadline_came(notice_id, at=NOT_AFTER + 30 * DAY)
    assert parties.state(notice_id) == "counter_received"
    with parties.database.transaction() as session:
        notice = parties.desk.counter(session, parties.uploader, notice_id, COMPLETE_COUNTER, at=COUNTERED)
        dates = {deadline.name: deadline.at for deadline in parties.desk.deadlines(notice)}
    assert dates == {
        DeadlineName.COURT_ACTION_BY: NOT_BEFORE,
        DeadlineName.RESTORE_NOT_BEFORE: NOT_BEFORE,
        DeadlineName.RESTORE_NOT_AFTER: NOT_AFTER,
    }


def test_a_court_action_in_time_holds_the_material_back(parties: Parties) -> None:
    notice_id = parties.forwarded()
    parties.act(parties.claimant, notice_id, Event.COURT_ACTION, at=NOT_BEFORE - DAY)
    parties.deadline_came(notice_id, at=NOT_BEFORE)
    parties.deadline_came(notice_id, at=NOT_AFTER + DAY)
    assert (parties.state(notice_id), parties.is_served()) == ("held", False)
    for party in (parties.claimant, parties.uploader):
        with pytest.raises(Forbidden):
            parties.act(party, notice_id, Event.RESTORE, at=NOT_AFTER)
    parties.act(parties.reviewer, notice_id, Event.RESTORE, at=NOT_AFTER + DAY)
    assert (parties.state(notice_id), parties.is_served()) == ("restored", True)


def test_word_of_a_court_action_counts_until_the_last_day_and_no_longer(parties: Parties) -> None:
    notice_id = parties.forwarded()
    with pytest.raises(Conflict):
        parties.act(parties.claimant, notice_id, Event.COURT_ACTION, at=NOT_AFTER + timedelta(microseconds=1))
    parties.act(parties.claimant, notice_id, Event.COURT_ACTION, at=NOT_AFTER)
    assert parties.state(notice_id) == "held"


def test_nobody_restores_before_the_window_opens(parties: Parties) -> None:
    notice_id = parties.forwarded()
    with pytest.raises(Conflict):
        parties.act(parties.reviewer, notice_id, Event.RESTORE, at=NOT_BEFORE - timedelta(microseconds=1))
    parties.act(parties.reviewer, notice_id, Event.RESTORE, at=NOT_BEFORE)
    assert parties.is_served()


def test_a_deadline_that_comes_late_or_twice_restores_once(parties: Parties) -> None:
    notice_id = parties.forwarded()
    for _ in range(2):
        parties.deadline_came(notice_id, at=NOT_AFTER + 30 * DAY)
    assert [event for event, _ in parties.history(notice_id)].count("restore") == 1
    parties.deadline_came("ntc_0", at=AT)  # a notice that never was is nobody's business


@pytest.mark.parametrize("by", ["claimant", "reviewer"])
@pytest.mark.parametrize("when", ["file", "disabled", "forwarded"])
def test_a_retraction_puts_back_what_was_taken_down(parties: Parties, by: str, when: str) -> None:
    notice_id = getattr(parties, when)()
    parties.act(getattr(parties, by), notice_id, Event.RETRACT, at=COUNTERED)
    assert (parties.state(notice_id), parties.is_served()) == ("retracted", True)
    parties.deadline_came(notice_id, at=NOT_BEFORE)
    assert parties.state(notice_id) == "retracted"


def test_what_is_found_an_abuse_puts_back_what_was_taken_down(parties: Parties) -> None:
    notice_id = parties.forwarded()
    parties.act(parties.reviewer, notice_id, Event.REJECT_ABUSE, at=COUNTERED)
    assert (parties.state(notice_id), parties.is_served()) == ("rejected_abuse", True)


# -- two notices on one release ----------------------------------------------------------------


def test_a_release_is_down_for_as_long_as_one_notice_keeps_it_down(parties: Parties) -> None:
    with parties.database.transaction() as session:
        second_claimant = factories.actor(session)
    first, second = parties.forwarded(), parties.file(by=second_claimant)
    parties.act(parties.reviewer, second, Event.DISABLE, at=COUNTERED)
    parties.deadline_came(first, at=NOT_BEFORE)
    assert (parties.state(first), parties.is_served()) == ("restored", False)
    parties.act(second_claimant, second, Event.RETRACT, at=NOT_BEFORE)
    assert parties.is_served()


def test_a_notice_that_took_nothing_down_puts_nothing_back(parties: Parties) -> None:
    parties.disabled()
    with parties.database.transaction() as session:
        other = factories.actor(session)
    assert parties.state(parties.file(NoticeContent(), by=other)) == "defective"
    still_open = parties.file(by=other)
    parties.act(other, still_open, Event.RETRACT)
    assert not parties.is_served()


def test_a_release_that_a_finding_took_down_is_not_put_back_by_notices(parties: Parties, index: IndexEngine) -> None:
    """Neither by one that took nothing down, nor by one that took it down as well."""
    taken_down_before = parties.disabled()
    with parties.database.transaction() as session:
        other, owner = factories.actor(session), factories.actor(session)
        work = factories.work(session, owner, at=COUNTERED)
        asset = factories.asset(session, owner, work, index, factories.fingerprint(1), at=COUNTERED)
        finding = Finding(
            id="fnd_1", look_back_id=lookback.arrange(session, asset, at=COUNTERED).id, work_id=work.id,
            asset_id=asset.id, check_id=parties.release.check_id, release_id=parties.release.id, verdict="block",
            reasons=[], segments=[], found_at=COUNTERED,
        )  # fmt: skip
        session.add(finding)
        session.flush()
        upheld = FindingDecision.UPHOLD
        lookback.decide(session, parties.reviewer, finding.id, upheld, "A copy.", disables=True, at=COUNTERED)
    assert parties.state(parties.file(NoticeContent(), by=other)) == "defective"
    parties.act(parties.claimant, taken_down_before, Event.RETRACT, at=COUNTERED)
    assert (parties.state(taken_down_before), parties.is_served()) == ("retracted", False)


def test_two_notices_that_end_at_once_leave_the_release_as_they_should(parties: Parties) -> None:
    """One ends as another takes the release down again: it must stay down."""
    with parties.database.transaction() as session:
        other = factories.actor(session)
    first, second = parties.disabled(), parties.file(by=other)
    raised = overlapping(
        parties.database,
        lambda session: parties.desk.act(
            session, parties.reviewer, second, Event.DISABLE, Judgement(reason="Too."), at=COUNTERED
        ),
        lambda session: parties.desk.act(session, parties.claimant, first, Event.RETRACT, at=COUNTERED),
    )
    assert raised is None
    assert (parties.state(first), parties.state(second)) == ("retracted", "uploader_notified")
    assert not parties.is_served()
