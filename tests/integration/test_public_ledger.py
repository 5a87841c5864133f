"""The ledger as people look at it, and receipts that they bring."""

from datetime import timedelta

from registry import ledger, public_ledger
from registry.database import Database
from registry.domain import receipt
from registry.domain.checkpoint import generate_key
from registry.ledger import LedgerIdentity
from registry.models import LedgerCheckpoint, LedgerCosignature
from tests import factories
from tests.factories import AT

HOUR = timedelta(hours=1)


def test_entries_are_read_newest_first_by_number_and_by_record(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        works = [factories.work(session, owner, at=AT + hours * HOUR) for hours in range(3)]
        newest = public_ledger.newest(session, limit=2)
        assert [(one.number, one.subject) for one in newest] == [(2, works[2].id), (1, works[1].id)]
        [last] = public_ledger.newest(session, before=1, limit=9)
        assert (last.kind, last.at, last.subject) == ("work.registered", AT, works[0].id)
        assert public_ledger.numbered(session, 0) == public_ledger.about(session, works[0].id, limit=9) == [last]
        assert public_ledger.numbered(session, 3) == public_ledger.about(session, "wrk_unknown", limit=9) == []
        assert public_ledger.about(session, works[0].id, before=0, limit=9) == []


def test_a_receipt_is_ours_also_after_the_key_was_changed(database: Database, identity: LedgerIdentity) -> None:
    successor = LedgerIdentity(origin=identity.origin, key=generate_key(), older=(identity.key,))
    stranger = LedgerIdentity(origin=identity.origin, key=generate_key())
    with database.transaction() as session:
        ledger.introduce_keys(session, identity, at=AT)
        work = factories.work(session, factories.actor(session))
        file = receipt.write(ledger.receipt(session, work, identity, at=AT))
        ledger.introduce_keys(session, successor, at=AT + HOUR)
    with database.reading() as session:
        for whose, is_ours in ((identity, True), (successor, True), (stranger, False)):
            found = public_ledger.check(session, file, whose, tsa_roots=())
            assert found.proved is not None
            assert (found.proved.entry["subject"], found.is_ours, found.is_stamp_verified) == (work.id, is_ours, False)
        for bad in (b"", b"{}", file[:-1], file.replace(b"Night", b"Light"), b"[" * 100_000, "ü".encode("latin-1")):
            found = public_ledger.check(session, bad, identity, tsa_roots=())
            assert found.proved is None
            assert found.problem


def test_who_vouches_for_an_empty_log_is_nobody(database: Database) -> None:
    with database.reading() as session:
        vouchers = public_ledger.vouchers(session)
        assert (vouchers.stamp, vouchers.cosigned) == (None, [])


def test_each_witness_vouches_for_the_newest_that_it_saw(database: Database) -> None:
    with database.transaction() as session:
        session.add_all(LedgerCheckpoint(size=size, note="", signed_at=AT) for size in (1, 2, 3))
        session.flush()
        session.add_all(
            LedgerCosignature(witness_key=key, size=size, line="", at=AT)
            for key, size in (("b", 1), ("b", 3), ("a", 2))
        )
        session.flush()
        said = public_ledger.vouchers(session).cosigned
        assert [(one.witness_key, one.size) for one in said] == [("a", 2), ("b", 3)]
