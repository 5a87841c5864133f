"""Forgetting: what a person said can neither be read nor proved any more, and the log still holds."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import checks, conflicts, forgetting, ledger, reservations, works
from registry.access import Actor
from registry.database import Database
from registry.domain.conflicts import Position
from registry.domain.preferences import Use, Value
from registry.domain.receipt import commitment, prove, write
from registry.errors import Conflict, Invalid, NotFound
from registry.facts import facts_of
from registry.index import IndexEngine
from registry.ledger import LedgerIdentity
from registry.models import Base, Check, LedgerEntry, Notice, Reservation, Work
from registry.reservations import NewReservation
from takedown import retention
from takedown.decisions import Judgement
from takedown.domain.states import Event
from takedown.service import Desk
from tests import factories
from tests.factories import AT
from tests.integration.test_ledger import all_entries, problems, tamper

LATER = AT + timedelta(days=1)
TITLE, PERSON, CONTACT = "The Diary of Ada Example", "Ada Example", "mailto:ada@example.org"


def everything(database: Database) -> str:
    """All that the database holds, as text."""
    with database.reading() as session:
        return "\n".join(
            str(tuple(row))
            for table in Base.metadata.sorted_tables
            if table.name not in ("jobs", "holders")
            for row in session.execute(sa.select(table))
        )


def told(session: Session, owner: Actor) -> tuple[Work, Reservation]:
    """A work with a person in it, and a word about it with an address; both are over."""
    work = factories.work(session, owner, title=TITLE, creators=[PERSON], identifiers={"catalogue": PERSON})
    new = NewReservation(use=Use.TRAIN, value=Value.RESERVED, work_id=work.id, contact=CONTACT)
    said = reservations.declare(session, owner, new, at=AT)
    works.withdraw(session, owner, work.id, at=AT)
    return work, said


def test_what_a_work_said_is_gone_and_the_log_still_proves(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work, said = told(session, owner)
        before = facts_of(work)
        ledger.checkpoint(session, identity, at=AT)
    with database.transaction() as session:
        assert forgetting.forget(session, work.id, at=LATER) == 4, "two entries about it, two about what was said of it"
    for gone in (TITLE, PERSON, CONTACT):
        assert gone not in everything(database)
    assert problems(database, identity) == []
    with database.reading() as session:
        assert ledger.forgotten_records(session) == 2
        kinds = [(entry["kind"], entry["subject"]) for entry in all_entries(session)]
        assert kinds[-2:] == [("record.forgotten", work.id), ("record.forgotten", said.id)]
        assert kinds.count(("work.registered", work.id)) == 1, "that it was registered, and when, is still proved"
        # Who guesses what was said can no longer find out whether they guessed right.
        entry = session.get_one(LedgerEntry, 0)
        assert entry.salt == b""
        assert commitment(entry.salt, before) not in entry.data


def test_what_was_said_in_a_conflict_over_a_forgotten_work_is_gone(
    database: Database, identity: LedgerIdentity, index: IndexEngine
) -> None:
    with database.transaction() as session:
        (owner, work), (rival, other) = ((who, factories.work(session, who)) for who in (
            factories.actor(session), factories.actor(session),
        ))  # fmt: skip
        factories.asset(session, rival, other, index, factories.fingerprint(1))
        asset = factories.asset(session, owner, work, index, factories.fingerprint(1))
        [conflict] = conflicts.open_of(session, asset.id)
        said = conflicts.NewStatement(position=Position.MINE, text=f"{PERSON} filmed it", links=["https://x.example/"])
        conflicts.state_a_position(session, owner, conflict.id, said, at=AT)
        works.withdraw(session, owner, work.id, at=AT)
        forgetting.forget(session, work.id, at=LATER)
    assert PERSON not in everything(database)
    assert problems(database, identity) == []


def test_the_title_of_a_forgotten_work_is_gone_from_the_checks_that_it_matched(
    database: Database, identity: LedgerIdentity, index: IndexEngine
) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner, title=TITLE)
        factories.asset(session, owner, work, index, factories.fingerprint(1))
        before = factories.check(session, factories.actor(session), index, factories.fingerprint(1))
        works.change(session, owner, work.id, {"title": PERSON}, at=AT)
        after = factories.check(session, factories.actor(session), index, factories.fingerprint(1))
        verdicts = [(check.verdict, [reason["code"] for reason in check.reasons]) for check in (before, after)]
        assert TITLE in before.reasons[0]["message"]
        assert PERSON in after.reasons[0]["message"]
        works.withdraw(session, owner, work.id, at=AT)
        forgetting.forget(session, work.id, at=LATER)
    for gone in (TITLE, PERSON):
        assert gone not in everything(database)
    with database.reading() as session:
        kept = [session.get_one(Check, check.id) for check in (before, after)]
        assert [(check.verdict, [reason["code"] for reason in check.reasons]) for check in kept] == verdicts
        assert f"“{forgetting.FORGOTTEN}”" in kept[0].reasons[0]["message"]
    assert problems(database, identity) == [], "the log holds a check to the codes of its reasons, not to their words"


def test_what_was_forgotten_has_no_receipt_and_a_receipt_of_before_still_holds(
    database: Database, identity: LedgerIdentity
) -> None:
    with database.transaction() as session:
        work, _ = told(session, factories.actor(session))
        fetched = write(ledger.receipt(session, work, identity, at=AT))
        forgetting.forget(session, work.id, at=LATER)
        with pytest.raises(Conflict, match="It was forgotten"):
            ledger.receipt(session, work, identity, at=LATER)
    assert prove(fetched).receipt.facts["title"] == TITLE


def test_a_notice_that_is_closed_forgets_who_claimed_and_who_answered(
    database: Database, identity: LedgerIdentity, desk: Desk, index: IndexEngine
) -> None:
    with database.transaction() as session:
        owner, reviewer = factories.actor(session), factories.reviewer(session)
        release = factories.release(session, owner, factories.check(session, owner, index, factories.fingerprint(1)))
        notice = factories.notice(session, desk, owner, release)
        with pytest.raises(Conflict, match="something may still happen"):
            retention.forget(session, notice.id, at=LATER)
        desk.act(session, reviewer, notice.id, Event.DISABLE, Judgement(reason=f"{PERSON} is right."), at=AT)
        desk.act(session, owner, notice.id, Event.RETRACT, Judgement(reason="Agreed."), at=AT)
        assert retention.forget(session, notice.id, at=LATER).entries == 6
    for gone in ("ada@studio.example", "Ada Studio", PERSON, "Agreed."):
        assert gone not in everything(database)
    assert problems(database, identity) == []
    with database.reading() as session:
        kept = session.get_one(Notice, notice.id)
        assert [event.event for event in kept.events][-2:] == ["disable", "retract"], "what happened to it stays"


def test_a_check_forgets_what_its_asker_and_its_reviewer_wrote(
    database: Database, identity: LedgerIdentity, index: IndexEngine
) -> None:
    with database.transaction() as session:
        check = factories.check(session, factories.actor(session), index, factories.fingerprint(1))
        check.context = {"prompt": PERSON}
        with pytest.raises(Conflict, match="Wait until it has expired"):
            forgetting.forget(session, check.id, at=AT)
        assert forgetting.forget(session, check.id, at=AT + checks.VALIDITY) == 1
    assert PERSON not in everything(database)
    assert problems(database, identity) == []


def test_what_is_in_force_cannot_be_forgotten(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner, title=TITLE)
        said = reservations.declare(
            session, owner, NewReservation(use=Use.TRAIN, value=Value.RESERVED, work_id=work.id), at=AT
        )
        for record in (work.id, said.id):
            with pytest.raises(Conflict, match="Withdraw it first"):
                forgetting.forget(session, record, at=LATER)
    assert TITLE in everything(database)
    assert problems(database, identity) == []


def test_nothing_is_forgotten_twice_and_nothing_that_is_not_there(database: Database) -> None:
    with database.transaction() as session:
        work, said = told(session, factories.actor(session))
        forgetting.forget(session, work.id, at=LATER)
        for record in (work.id, said.id, "wrk_0", "rsv_0", "chk_0"):
            with pytest.raises(NotFound):
                forgetting.forget(session, record, at=LATER)
        with pytest.raises(NotFound):
            retention.forget(session, "ntc_0", at=LATER)
        for other in ("lky_0", "rel_0", "", "x" * 10_000):
            with pytest.raises(Invalid):
                forgetting.forget(session, other, at=LATER)


def test_what_happens_to_a_record_later_can_be_forgotten_again(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        work, _ = told(session, factories.actor(session))
        forgetting.forget(session, work.id, at=LATER)
        work.title = "Said once more"
        ledger.record(session, "work.changed", work, at=LATER)
    assert problems(database, identity) == []
    tamper(database, "UPDATE works SET title = 'Never said' WHERE id = :id", id=work.id)
    assert "was changed without an entry" in problems(database, identity)[0]
    with database.transaction() as session:
        assert ledger.forget(session, work.id, at=LATER) == 1
    assert problems(database, identity) == []


def test_a_forgotten_row_may_be_deleted(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        work, said = told(session, factories.actor(session))
        forgetting.forget(session, work.id, at=LATER)
    tamper(database, "DELETE FROM reservations WHERE id = :id", id=said.id)
    assert problems(database, identity) == []


def test_a_salt_that_is_gone_without_a_word_is_noticed(database: Database, identity: LedgerIdentity) -> None:
    """Else who changes a record would only have to destroy its salts."""
    with database.transaction() as session:
        work = factories.work(session, factories.actor(session))
        number = ledger.last_entry_of(session, work.id)
        session.execute(sa.update(LedgerEntry).where(LedgerEntry.number == number).values(salt=b""))
    assert f"entry {number} can no longer be opened, and no entry says that it was forgotten" in problems(
        database, identity
    )


def test_a_salt_that_is_gone_beside_the_forgotten_ones_is_noticed(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work, _ = told(session, owner)
        other = factories.work(session, owner)
        forgetting.forget(session, work.id, at=LATER)
        session.execute(sa.update(LedgerEntry).where(LedgerEntry.subject_id == other.id).values(salt=b""))
        number = ledger.last_entry_of(session, other.id)
    found = problems(database, identity)
    assert f"entry {number} can no longer be opened, and no entry says that it was forgotten" in found


def test_an_entry_that_says_what_was_forgotten_cannot_be_made_to_cover_more(
    database: Database, identity: LedgerIdentity
) -> None:
    with database.transaction() as session:
        work, _ = told(session, factories.actor(session))
        ledger.record(session, "work.changed", work, at=AT)
        forgetting.forget(session, work.id, at=LATER)
        first = sa.update(LedgerEntry).where(LedgerEntry.subject_id == work.id, LedgerEntry.number == 0)
        session.execute(first.values(salt=b"not the one"))
    assert any("says that others were forgotten than were" in problem for problem in problems(database, identity))
