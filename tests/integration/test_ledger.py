"""The ledger: every step has an entry, every entry a proof, and nothing can be changed unnoticed."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import checks, ledger, releases, reservations, works
from registry.access import Actor
from registry.checks import DecisionValue
from registry.database import Database
from registry.domain.checkpoint import Checkpoint, generate_key, open_checkpoint, sign_checkpoint
from registry.domain.merkle import (
    EMPTY_ROOT,
    NodeId,
    appended_nodes,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from registry.domain.policy import Policy
from registry.domain.preferences import Use, Value
from registry.errors import Invalid, NotFound
from registry.index import IndexEngine
from registry.ledger import LedgerIdentity
from registry.models import Base, Check, LedgerCheckpoint, LedgerEntry, LedgerNode, Release, Reservation, Work
from registry.reservations import NewReservation
from takedown.decisions import Judgement
from takedown.domain.states import Event
from takedown.service import Desk
from tests import factories
from tests.factories import AT
from tests.integration.at_once import at_once, overlapping

pytestmark = pytest.mark.both_databases

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One of each record, and every kind of step."""

    kept: str
    withdrawn: str
    withdrawn_word: str
    superseded_word: str
    approved: str
    release: str
    notice: str
    owner: Actor


@pytest.fixture
def story(database: Database, index: IndexEngine, desk: Desk, identity: LedgerIdentity) -> Story:
    with database.transaction() as session:
        owner, pipeline, reviewer = factories.actor(session), factories.actor(session), factories.reviewer(session)
        kept, withdrawn = factories.work(session, owner, policy=Policy.REVIEW), factories.work(session, owner)
        factories.asset(session, owner, kept, index, factories.fingerprint(1))
        works.change(session, owner, kept.id, {"title": "Day Train"}, at=AT)
        said = NewReservation(use=Use.TRAIN, value=Value.RESERVED, work_id=kept.id)
        superseded = reservations.declare(session, owner, said, at=AT)
        reservations.declare(session, owner, replace(said, value=Value.ALLOWED), at=AT + HOUR)
        taken_back = reservations.declare(session, owner, replace(said, use=Use.TDM), at=AT)
        reservations.withdraw(session, owner, taken_back.id, at=AT + HOUR)
        works.withdraw(session, owner, withdrawn.id, at=AT + HOUR)
        approved = factories.check(session, pipeline, index, factories.fingerprint(1))
        checks.review(session, reviewer, approved.id, DecisionValue.APPROVE, "Licensed.", at=AT + HOUR)
        release = factories.release(session, pipeline, approved, at=AT + HOUR)
        notice = factories.notice(session, desk, owner, release, at=AT + HOUR)
        desk.act(session, reviewer, notice.id, Event.DISABLE, Judgement(reason="It is a copy."), at=AT + HOUR)
        desk.act(session, owner, notice.id, Event.RETRACT, Judgement(reason="Agreed."), at=AT + 2 * HOUR)
    with database.transaction() as session:
        ledger.checkpoint(session, identity, at=AT)
    return Story(
        kept=kept.id,
        withdrawn=withdrawn.id,
        withdrawn_word=taken_back.id,
        superseded_word=superseded.id,
        approved=approved.id,
        release=release.id,
        notice=notice.id,
        owner=owner,
    )


def problems(database: Database, identity: LedgerIdentity) -> list[str]:
    with database.reading() as session:
        return list(ledger.verify(session, verifier_key=identity.verifier_key))


def tamper(database: Database, statement: str, **values: object) -> None:
    with database.transaction() as session:
        session.execute(sa.text(statement), values)


def problems_after(database: Database, identity: LedgerIdentity, statement: str, **values: object) -> list[str]:
    """What is noticed of a change that is then undone; foreign keys do not stop who can drop them."""
    with database.transaction() as session, session.begin_nested() as undone:
        off = "PRAGMA defer_foreign_keys = ON" if database.is_sqlite else "SET session_replication_role = replica"
        session.execute(sa.text(off))
        changed = session.execute(sa.text(statement), values)
        assert changed.rowcount, statement  # type: ignore[attr-defined]
        found = list(ledger.verify(session, verifier_key=identity.verifier_key))
        undone.rollback()
    return found


def all_entries(session: Session) -> list[dict[str, object]]:
    return [json.loads(entry.data) for entry in ledger.entries(session, start=0, limit=1000)]


# -- what is written ---------------------------------------------------------------------------


def test_every_step_has_an_entry(database: Database, story: Story) -> None:
    with database.reading() as session:
        found = all_entries(session)
        assert ledger.size_of(session) == len(found)
    assert [entry["number"] for entry in found] == list(range(len(found)))
    kinds: dict[object, list[object]] = {}
    for entry in found:
        kinds.setdefault(entry["subject"], []).append(entry["kind"])
    assert kinds[story.kept] == ["work.registered", "work.changed"]
    assert kinds[story.withdrawn] == ["work.registered", "work.withdrawn"]
    assert kinds[story.withdrawn_word] == ["reservation.declared", "reservation.withdrawn"]
    assert kinds[story.approved] == ["verdict.given", "verdict.decided"]
    assert kinds[story.release] == ["release.signed", "release.disabled", "release.restored"]
    steps = ["submit", "confirm_email", "begin_triage", "find_valid", "disable", "retract"]
    assert kinds[story.notice] == [f"notice.{step}" for step in steps]
    assert kinds[story.superseded_word] == ["reservation.declared", "reservation.superseded"]


def test_an_entry_tells_strangers_nothing_of_what_was_said(database: Database, story: Story) -> None:
    with database.reading() as session:
        text = " ".join(entry.data for entry in ledger.entries(session, start=0, limit=1000))
    for secret in ("Day Train", "Ada Studio", "ada@studio.example", "Licensed", story.owner.holder_id, "reserved"):
        assert secret not in text


def test_two_records_that_say_the_same_do_not_show_it(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        factories.work(session, owner)
        factories.work(session, owner)
        first, second = all_entries(session)
    assert first["commitment"] != second["commitment"]


def test_what_is_rolled_back_leaves_no_entry(database: Database, identity: LedgerIdentity) -> None:
    def crash(session: Session) -> None:
        factories.work(session, factories.actor(session))
        raise RuntimeError

    with pytest.raises(RuntimeError), database.transaction() as session:
        crash(session)
    with database.transaction() as session:
        factories.work(session, factories.actor(session))
    with database.reading() as session:
        assert [entry["number"] for entry in all_entries(session)] == [0]
    assert problems(database, identity) == []


def test_entries_of_many_writers_have_no_gaps(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)

    def write() -> None:
        for _ in range(4):
            with database.transaction() as session:
                factories.work(session, owner)

    assert at_once(*[write] * 4) == [None] * 4
    with database.reading() as session:
        assert [entry["number"] for entry in all_entries(session)] == list(range(16))
    assert problems(database, identity) == []


def test_two_who_change_one_record_at_once_leave_a_true_log(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work_id = factories.work(session, owner).id
    raised = overlapping(
        database,
        lambda session: works.change(session, owner, work_id, {"title": "Day Train"}, at=AT),
        lambda session: works.change(session, owner, work_id, {"year": 1999}, at=AT),
    )
    assert raised is None
    with database.reading() as session:
        work = session.get_one(Work, work_id)
        assert (work.title, work.year) == ("Day Train", 1999)
    assert problems(database, identity) == []


# -- what is proved ----------------------------------------------------------------------------


def test_an_empty_log_has_a_checkpoint(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        note = ledger.checkpoint(session, identity, at=AT)
    head = open_checkpoint(note, verifier_key=identity.verifier_key)
    assert (head.origin, head.size, head.root) == (identity.origin, 0, EMPTY_ROOT)
    assert problems(database, identity) == []


def test_a_checkpoint_is_signed_once_for_each_size(database: Database, story: Story, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        first = ledger.checkpoint(session, identity, at=AT)
        assert ledger.checkpoint(session, identity, at=AT + HOUR) == first
        factories.work(session, story.owner)
        assert ledger.checkpoint(session, identity, at=AT + HOUR) != first


@pytest.mark.usefixtures("story")
def test_every_entry_has_a_proof_that_a_stranger_can_check(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        proofs = [ledger.prove(session, n, identity, at=AT) for n in range(ledger.size_of(session))]
    for proof in proofs:
        head = open_checkpoint(proof.checkpoint, verifier_key=identity.verifier_key)
        leaf, other = leaf_hash(proof.data.encode()), leaf_hash(proof.data.encode() + b" ")
        assert verify_inclusion(leaf, proof.number, head.size, proof.hashes, head.root)
        assert not verify_inclusion(other, proof.number, head.size, proof.hashes, head.root)
    assert len(proofs) > 15


def test_a_later_log_is_proved_to_add_only(database: Database, story: Story, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        old = open_checkpoint(ledger.checkpoint(session, identity, at=AT), verifier_key=identity.verifier_key)
        for _ in range(5):
            factories.work(session, story.owner)
        new = open_checkpoint(ledger.checkpoint(session, identity, at=AT), verifier_key=identity.verifier_key)
        proof = ledger.prove_consistency(session, old.size, new.size)
    assert verify_consistency(old.size, new.size, old.root, new.root, proof)
    assert not verify_consistency(old.size, new.size, new.root, new.root, proof)


@pytest.mark.usefixtures("story")
def test_nothing_is_proved_of_what_is_not_there(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        size = ledger.size_of(session)
        with pytest.raises(NotFound):
            ledger.prove(session, size, identity, at=AT)
        for old, new in ((0, size), (size, size + 1), (2, 1), (-1, 1)):
            with pytest.raises(Invalid):
                ledger.prove_consistency(session, old, new)


def test_the_newest_entry_of_a_record_is_found(database: Database, story: Story) -> None:
    with database.reading() as session:
        number = ledger.last_entry_of(session, story.release)
        assert number is not None
        assert all_entries(session)[number]["kind"] == "release.restored"
        assert ledger.last_entry_of(session, "rel_0") is None


# -- what is noticed ---------------------------------------------------------------------------


@pytest.mark.usefixtures("story")
def test_a_log_that_nobody_touched_has_no_problems(database: Database, identity: LedgerIdentity) -> None:
    assert problems(database, identity) == []


# What someone with the database's password could do, and the record that then is not what the log says.
TAMPERING = (
    ("kept", "UPDATE works SET title = 'Mine' WHERE id = :id"),
    ("kept", "UPDATE works SET policy = 'notify' WHERE id = :id"),
    ("kept", "UPDATE works SET identifiers = '{}', creators = '[\"Me\"]' WHERE id = :id"),
    ("kept", "UPDATE works SET holder_id = (SELECT holder_id FROM checks) WHERE id = :id"),
    ("withdrawn", "UPDATE works SET withdrawn_at = NULL WHERE id = :id"),
    ("withdrawn_word", "UPDATE reservations SET value = 'allowed' WHERE id = :id"),
    ("withdrawn_word", "UPDATE reservations SET withdrawn_at = NULL WHERE id = :id"),
    ("superseded_word", "UPDATE reservations SET superseded_at = NULL WHERE id = :id"),
    ("superseded_word", "UPDATE reservations SET valid_until = '2026-03-03 00:00:00' WHERE id = :id"),
    ("approved", "UPDATE checks SET verdict = 'clear' WHERE id = :id"),
    ("approved", "UPDATE checks SET decision = 'reject' WHERE id = :id"),
    ("approved", "UPDATE checks SET sha256 = 'ff' WHERE id = :id"),
    ("approved", "UPDATE checks SET reasons = '[]' WHERE id = :id"),
    ("approved", "UPDATE checks SET expires_at = '2099-01-01 00:00:00' WHERE id = :id"),
    ("approved", "UPDATE matches SET query_end_s = query_end_s + 1 WHERE check_id = :id"),
    ("approved", "UPDATE matches SET own = NOT own WHERE check_id = :id"),
    ("approved", "UPDATE matches SET score = 0.5 WHERE check_id = :id"),
    ("approved", "DELETE FROM matches WHERE check_id = :id"),
    ("release", "UPDATE releases SET state = 'disabled' WHERE id = :id"),
    ("release", "UPDATE releases SET sha256 = 'ff' WHERE id = :id"),
    ("release", "UPDATE releases SET check_id = 'chk_0' WHERE id = :id"),
    ("notice", "UPDATE notices SET state = 'restored' WHERE id = :id"),
    ("notice", "UPDATE notices SET content = '{}' WHERE id = :id"),
    ("notice", "UPDATE notices SET counter = '{}' WHERE id = :id"),
    ("notice", "UPDATE notice_events SET reason = 'Paid.' WHERE event = 'retract' AND notice_id = :id"),
    ("notice", "DELETE FROM notice_events WHERE event = 'disable' AND notice_id = :id"),
)


def test_a_record_that_is_changed_behind_the_log_is_noticed(
    database: Database, story: Story, identity: LedgerIdentity
) -> None:
    for name, statement in TAMPERING:
        record = getattr(story, name)
        found = problems_after(database, identity, statement, id=record)
        assert [problem.partition(" without")[0] for problem in found] == [f"{record} was changed"], statement


def test_a_verdict_that_is_taken_back_is_noticed(database: Database, story: Story, identity: LedgerIdentity) -> None:
    found = problems_after(database, identity, "UPDATE checks SET status = 'queued' WHERE id = :id", id=story.approved)
    assert f"{story.approved} is missing" in " ".join(found)


@pytest.mark.usefixtures("story")
def test_a_record_that_is_deleted_is_noticed(database: Database, identity: LedgerIdentity) -> None:
    for table in ("works", "reservations", "checks", "releases", "notices"):
        with database.reading() as session:
            ids = session.scalars(sa.text(f"SELECT id FROM {table}")).all()
        found = problems_after(database, identity, f"DELETE FROM {table}")
        assert sorted(problem.split(" ")[0] for problem in found) == sorted(ids)
        assert all(" is missing: entry " in problem for problem in found)


def test_a_record_that_is_slipped_in_is_noticed(database: Database, story: Story, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        for model, id_ in ((Work, story.kept), (Reservation, story.withdrawn_word), (Check, story.approved)):
            row = session.get_one(model, id_)
            values = {c.key: getattr(row, c.key) for c in sa.inspect(model).column_attrs}  # type: ignore[attr-defined]
            table = Base.metadata.tables[model.__tablename__]
            session.execute(sa.insert(table).values(**values | {"id": f"{id_[:-4]}ffff"}))
    found = problems(database, identity)
    assert sorted(problem.split("_")[0] for problem in found) == ["chk", "rsv", "wrk"]
    assert all("has no entry in the log" in problem for problem in found)


@pytest.mark.usefixtures("story")
def test_a_deleted_entry_is_noticed_wherever_it_stood(database: Database, identity: LedgerIdentity) -> None:
    with database.reading() as session:
        size = ledger.size_of(session)
    for number in range(size - 1):
        found = problems_after(database, identity, "DELETE FROM ledger_entries WHERE number = :number", number=number)
        assert f"entry {number} is missing" in found
    found = problems_after(database, identity, "DELETE FROM ledger_entries WHERE number = :last", last=size - 1)
    assert f"the log should have {size} entries and ends at {size - 1}" in found


def test_a_log_cut_short_is_noticed(database: Database, story: Story, identity: LedgerIdentity) -> None:
    """Who covers it up, to the size and the tree, still meets the record and the signed checkpoint."""
    with database.reading() as session:
        last = ledger.size_of(session) - 1
    tamper(database, "DELETE FROM ledger_entries WHERE number = :last", last=last)
    tamper(database, "UPDATE heads SET ledger_size = :last", last=last)
    tamper(database, 'DELETE FROM ledger_nodes WHERE ("index" + 1) * (1 << level) > :last', last=last)
    first, second = problems(database, identity)
    assert "entries are missing" in first
    assert f"{story.notice} was changed" in second


@pytest.mark.usefixtures("story")
def test_a_changed_entry_is_noticed(database: Database, identity: LedgerIdentity) -> None:
    tamper(database, "UPDATE ledger_entries SET data = replace(data, 'work.changed', 'work.touched')")
    found = problems(database, identity)
    [changed] = [problem for problem in found if "was changed: its text does not have its hash" in problem]
    assert any("the tree was changed at 0/" in problem for problem in found), changed


def test_a_changed_entry_with_its_hash_made_to_fit_is_noticed(
    database: Database, story: Story, identity: LedgerIdentity
) -> None:
    with database.transaction() as session:
        entry = session.get_one(LedgerEntry, ledger.last_entry_of(session, story.kept))
        entry.data = entry.data.replace("work.changed", "work.touched")
        entry.leaf_hash = leaf_hash(entry.data.encode())
    found = problems(database, identity)
    assert any("the tree was changed at 0/" in problem for problem in found)


def test_a_rewritten_log_is_not_the_one_that_was_signed(
    database: Database, story: Story, identity: LedgerIdentity
) -> None:
    with database.transaction() as session:  # every hash made to fit again
        number = ledger.last_entry_of(session, story.kept)
        assert number is not None
        rewritten = [entry.data for entry in ledger.entries(session, start=0, limit=1000)]
        rewritten[number] = rewritten[number].replace("work.changed", "work.touched")
        session.execute(sa.text("DELETE FROM ledger_nodes"))
        session.execute(sa.text("UPDATE heads SET ledger_size = 0"))
    with database.transaction() as session:
        for number, data in enumerate(rewritten):
            _append(session, number, data)
        session.execute(sa.text("UPDATE heads SET ledger_size = :size"), {"size": len(rewritten)})
    assert [p for p in problems(database, identity) if "was changed" in p or "missing" in p] == []
    assert any("is not the one that the checkpoint" in problem for problem in problems(database, identity))


def _append(session: Session, number: int, data: str) -> None:
    def read(node: NodeId) -> bytes:
        return session.get_one(LedgerNode, (node.level, node.index)).hash

    leaf = leaf_hash(data.encode())
    entry = session.get_one(LedgerEntry, number)
    entry.data, entry.leaf_hash = data, leaf
    for node, value in appended_nodes(number, leaf, read):
        session.add(LedgerNode(level=node.level, index=node.index, hash=value))
    session.flush()


@pytest.mark.usefixtures("story")
def test_a_changed_missing_or_added_node_is_noticed(database: Database, identity: LedgerIdentity) -> None:
    forged = hashlib.sha256(b"forged").digest()
    for level in (0, 1, 3):
        change = 'UPDATE ledger_nodes SET hash = :hash WHERE level = :level AND "index" = 0'
        assert f"the tree was changed at {level}/0" in problems_after(
            database, identity, change, hash=forged, level=level
        )
    move = 'UPDATE ledger_nodes SET level = 60 WHERE level = 2 AND "index" = 0'
    found = problems_after(database, identity, move)
    assert {"the tree was changed at 2/0", "the tree was changed at 60/0"} <= set(found)


def test_an_entry_filed_under_another_record_is_noticed(
    database: Database, story: Story, identity: LedgerIdentity
) -> None:
    """Else a record could be set back: its last word hidden, the row as the word before had it."""
    with database.transaction() as session:
        last = ledger.last_entry_of(session, story.kept)
        works = Base.metadata.tables["works"]
        session.execute(sa.update(works).where(works.c.id == story.kept).values(title="Night Train"))
        session.execute(sa.update(LedgerEntry).where(LedgerEntry.number == last).values(subject_id=story.notice))
    found = problems(database, identity)
    assert any(f"entry {last} " in problem for problem in found), found


@pytest.mark.usefixtures("story")
def test_a_checkpoint_that_another_key_signed_is_noticed(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        stored = session.scalars(sa.select(LedgerCheckpoint)).one()
        head = open_checkpoint(stored.note, verifier_key=identity.verifier_key)
        stored.note = sign_checkpoint(head, signer_name=identity.origin, key=generate_key())
    [found] = problems(database, identity)
    assert "is not signed by our key" in found


@pytest.mark.parametrize(("size", "told"), [(3, "signed"), (999, "entries are missing")])
@pytest.mark.usefixtures("story")
def test_a_checkpoint_of_another_log_is_noticed(
    database: Database, identity: LedgerIdentity, size: int, told: str
) -> None:
    head = Checkpoint(origin=identity.origin, size=size, root=hashlib.sha256(b"another").digest())
    note = sign_checkpoint(head, signer_name=identity.origin, key=identity.key)
    with database.transaction() as session:
        session.add(LedgerCheckpoint(size=size, note=note, signed_at=AT))
    [found] = problems(database, identity)
    assert told in found


def test_a_log_that_grows_while_it_is_verified_has_no_problems(
    database: Database, story: Story, identity: LedgerIdentity
) -> None:
    with database.reading() as session:
        verifying = ledger.verify(session, verifier_key=identity.verifier_key)
        assert ledger.size_of(session) > 0
        with database.transaction() as writing:
            factories.work(writing, story.owner)
            release = writing.get_one(Release, story.release)
            releases.disable(writing, release, at=AT)
            ledger.checkpoint(writing, identity, at=AT)
        assert list(verifying) == []
